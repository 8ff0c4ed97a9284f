/* Gradients in Lua: what the bindings of operations on tensors share. */
#ifndef LTAPE_H
#define LTAPE_H

#include "ltensor.h"
#include "tape.h"

/* A call for an operation on the n tensors (NULL among them is skipped): it
   records, unless within moe.no_grad, and takes memory from the state's pool
   where the result will be given back. */
lmoe_call *lmoe_begin_operation(lua_State *L, size_t n,
                                moe_tensor *const *inputs);

/* Ends the call and leaves its tensor on the stack; raises unless OK. */
int lmoe_end_operation(lua_State *L, lmoe_call *c, moe_status status,
                       moe_tensor *out);

/* Pushes t.grad: a tensor, or nil. */
void lmoe_push_gradient(lua_State *L, const moe_tensor *t);

/* Operations written in Lua, see lcustom.c. */
int lmoe_operation(lua_State *L);
void lmoe_open_custom(lua_State *L);

/* optimise, clip, fill, copy, blend. */
void lmoe_open_optimise(lua_State *L);

/* Adds the operations F to the table on top. */
void lmoe_open_operations(lua_State *L);

#endif
