/* The columns' names that Lua tables tell. */
#ifndef LNAMES_H
#define LNAMES_H

#include "lmoe.h"
#include "rows.h"

/* A schema of d columns in the call's scratch; `names` may be NULL. */
moe_schema *lmoe_new_schema(lua_State *L, lmoe_call *c, size_t d,
                            char *const *names);

/* The table's metatable, or NULL. */
static inline const void *lmoe_teller(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return NULL;
  const void *teller = lua_topointer(L, -1);
  lua_pop(L, 1);
  return teller;
}

/* The names of d columns that the table's metatable tells, in the call's
   scratch; or NULL. */
const moe_schema *lmoe_find_names(lua_State *L, lmoe_call *c, int index,
                                  size_t d);

/* The same of an array of n rows of d values: its own metatable tells them, or
   that of its first row.  Raises where another row tells others. */
const moe_schema *lmoe_find_rows_names(lua_State *L, lmoe_call *c, int index,
                                       size_t n, size_t d);

/* Whether x tells no names where `schema` has some, or the same in the same
   order. */
bool lmoe_same_names(const moe_schema *x, const moe_schema *schema);

#endif
