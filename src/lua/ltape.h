/* Gradients in Lua: what the bindings of operations on tensors share. */
#ifndef LTAPE_H
#define LTAPE_H

#include "ltensor.h"
#include "tape.h"

/* An operation pushes the box of its result behind its n arguments, checks
   these, begins, works and ends.  Nothing between begin and end may raise. */
void lmoe_push_result(lua_State *L, int n);

/* A call for an operation on the n tensors (NULL among them is skipped), whose
   box is on top: it records, unless within moe.no_grad, and takes memory from
   the state's pool where the result will be given back. */
lmoe_call *lmoe_begin_operation(lua_State *L, size_t n,
                                moe_tensor *const *inputs);

/* Ends the call and returns its tensor to Lua; raises unless OK.  A result of
   no operation, a copy, outlives moe.no_grad. */
int lmoe_end_operation(lua_State *L, lmoe_call *c, moe_status status,
                       moe_tensor *out);
int lmoe_end_copy(lua_State *L, lmoe_call *c, moe_status status,
                  moe_tensor *out);

/* Makes a call of another kind such a call, as that of another family has to
   be: it may raise, and its caller pushes what it makes. */
void lmoe_put_on_tape(lua_State *L, lmoe_call *c, size_t n,
                      moe_tensor *const *inputs);
void lmoe_push_made(lua_State *L, moe_tensor *t);

/* Until the second, which gets what the first gave, nothing is recorded; what
   operations made in between is then given back, unless it is among the values
   from stack place `first` to `last`. */
int lmoe_pause_recording(lua_State *L);
void lmoe_remember(lua_State *L); /* that the tensor on top was made */
void lmoe_resume_recording(lua_State *L, int before, int first, int last);

/* Where tensors come from that nobody will give back but the collector. */
moe_pool *lmoe_small_pool(lua_State *L);

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
