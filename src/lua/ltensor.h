/* What the bindings of tensors and sparse matrices share. */
#ifndef LTENSOR_H
#define LTENSOR_H

#include "lmoe.h"
#include "sparse.h"
#include "tensor.h"

#define LMOE_TENSOR "moe.Tensor"
#define LMOE_SPARSE "moe.Sparse"

/* The box of a tensor is made, empty, before the tensor: then nothing is lost
   whatever fails, and no finaliser runs between the check of the arguments and
   their use. */
void lmoe_push_tensor_box(lua_State *L);
void lmoe_fill_tensor_box(lua_State *L, int index, moe_tensor *t);

/* Pushes a view of the tensor at `index`: what reads it while values of Lua are
   made is safe from finalisers that close the tensor. */
const moe_tensor *lmoe_push_view(lua_State *L, int index);

/* The tensor in a box as it is, though its value be gone; or NULL. */
moe_tensor *lmoe_held_tensor(lua_State *L, int index);

/* Whether backward gave its value back. */
bool lmoe_is_spent_tensor(lua_State *L, int index);

/* The integer at `index`, in [low, high]: false for anything else, or an error
   in which `what` names it. */
bool lmoe_read_integer(lua_State *L, int index, int64_t low, int64_t high,
                       int64_t *out);
int64_t lmoe_check_integer(lua_State *L, int index, const char *what,
                           int64_t low, int64_t high);

/* Refuses arguments behind the first n. */
void lmoe_check_count(lua_State *L, const char *function, int n);

/* The length of the Lua array at `index`, or SIZE_MAX where it has holes or
   other fields; *hole is then where the first nil is. */
size_t lmoe_array_length(lua_State *L, int index, size_t *hole);

/* The same for an argument of the function: raises where it has holes. */
size_t lmoe_check_array(lua_State *L, int index, const char *what);

/* Arguments `index` and the next, a range of n rows counted from 1, both of
   which may be missing: *first counts from 0. */
void lmoe_check_range(lua_State *L, int index, int64_t n, int64_t *first,
                      int64_t *count);

/* The row numbers in the array or index tensor at `index`, from 0, as scratch
   of the call. */
const int32_t *lmoe_check_pick(lua_State *L, lmoe_call *c, int index,
                               int64_t rows, size_t *n);

/* An array of strings, or nothing for nil: the caller's reference, which the
   call's end does not free.  Raises on anything else, holding nothing. */
moe_status lmoe_check_names(lua_State *L, lmoe_call *c, int index,
                            moe_names **out);
void lmoe_push_names(lua_State *L, const moe_names *names); /* NULL: nil */

/* Boxes a new engine value; takes over the reference, whatever is raised. */
void lmoe_push_owned(lua_State *L, const char *family, void *pointer,
                     size_t bytes, void (*release)(void *));
void lmoe_close_owned(lua_State *L, const char *family,
                      void (*release)(void *));
void lmoe_open_owned(lua_State *L);

/* The method, or nil, of the key at `name`: what a family's own __index falls
   back to. */
int lmoe_push_method(lua_State *L, int self, int name);

/* An item as a number of Lua; the argument `index`, a dimension of t, from 0.
 */
void lmoe_push_item(lua_State *L, const moe_tensor *t, size_t i);
int lmoe_check_dimension(lua_State *L, int index, const moe_tensor *t,
                         const char *function);

/* Metamethods and methods that calculate, in a file of their own; matmul(a, b
   [, transpose a [, transpose b]]) is F's too. */
extern const luaL_Reg lmoe_tensor_arithmetic[];
int lmoe_matmul(lua_State *L);

void lmoe_open_backend(lua_State *L);

/* tensor, zeros, ones, randn and tostring, in files of their own. */
int lmoe_tensor_new(lua_State *L);
int lmoe_tensor_zeros(lua_State *L);
int lmoe_tensor_ones(lua_State *L);
int lmoe_tensor_randn(lua_State *L);
int lmoe_tensor_text(lua_State *L);

#endif
