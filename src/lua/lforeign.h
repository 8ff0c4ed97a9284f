/* Calls of objects written in Lua: what lforeign.c and lforeign_state.c share.
 */
#ifndef MOE_LFOREIGN_H
#define MOE_LFOREIGN_H

#include "foreign.h"
#include "lmoe.h"

/* What a call of the engine is about; which fields count is the call's. */
typedef struct lmoe_request {
  lmoe_call *c;
  const moe_object *object;
  const moe_fitted *fitted;
  const moe_batch *batch;
  moe_job *job;
  const moe_rows *rows;
  double *out;
  moe_object *copy;
  moe_object *other;
  char **json;
} lmoe_request;

/* Pushes the Lua value behind the object; false when its box is gone. */
bool lmoe_push_behind(lua_State *L, const moe_object *o);

/* Runs work(L) protected, with the request, of the object, as its only
   argument. */
moe_status lmoe_run_request(moe_call *call, const moe_object *o,
                            lua_CFunction work, lmoe_request *r);

/* In `work`: pushes the object's value. */
lmoe_request *lmoe_begin_request(lua_State *L);

/* Pushes the value's method and the value, which is on top; false when it has
   none. */
bool lmoe_find_method(lua_State *L, const char *name);

/* Calls the function so pushed, with its arguments; a yield in it has the name
   of what yielded. */
void lmoe_call_found(lua_State *L, const char *name, int arguments,
                     int results);

moe_status lmoe_clone_foreign(moe_call *call, const moe_object *from,
                              moe_object *to);
moe_status lmoe_exchange_foreign(moe_call *call, moe_object *a, moe_object *b);
moe_status lmoe_get_foreign_state(moe_call *call, const moe_object *o,
                                  char **json);

/* Of this object and all below it: what the tables behind those that are
   written in Lua say by their bytes method. */
double lmoe_bytes_behind(lua_State *L, const moe_object *o);

#endif
