/* Arrays of rows with strings in them. */
#ifndef LMIXED_H
#define LMIXED_H

#include "lmoe.h"
#include "rows.h"

/* n rows of d values each, numbers, strings or false where missing, as columns;
   those with strings are nominal.  Raises naming row and column. */
void lmoe_check_mixed_rows(lua_State *L, lmoe_call *c, int index, size_t n,
                           size_t d, moe_rows *out);

#endif
