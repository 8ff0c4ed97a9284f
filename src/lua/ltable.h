/* Tables in Lua: what ltable.c, their methods, and ldata.c, how they come to
   be, share with each other and with the readers of X and y. */
#ifndef LTABLE_H
#define LTABLE_H

#include "lmoe.h"
#include "table.h"

#define LMOE_TABLE "moe.Table"

const moe_table *lmoe_check_table(lua_State *L, int index);
const moe_table *lmoe_test_table(lua_State *L, int index);
void lmoe_push_table(lua_State *L, moe_table *t); /* takes the reference */

/* Row i of a column: a number, NaN where missing, or a string, false where
   missing.  Then all of them, as an array. */
void lmoe_push_cell(lua_State *L, const moe_table *t, size_t column, size_t i);
void lmoe_push_column(lua_State *L, const moe_table *t, size_t column);

/* What stands for a missing value in an array: false, or NaN. */
bool lmoe_is_absent(lua_State *L, int index);

/* Row i of the target; nil where it is missing.  Raises without a target. */
void lmoe_push_target_item(lua_State *L, const moe_table *t, size_t i);

/* A string argument that the file system can take. */
const char *lmoe_check_path(lua_State *L, int index);

/* Pushes the options of a function, an object of a type without state, set by
   the table at `options` (or nil); they live as long as their place on the
   stack. */
const moe_object *lmoe_push_settings(lua_State *L, lmoe_call *c,
                                     const moe_type *type, int options);

/* The functions of core.data, into the table on top of the stack. */
void lmoe_open_data(lua_State *L);
void lmoe_open_splits(lua_State *L); /* and methods of the same names */

#endif
