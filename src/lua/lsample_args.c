/* x of one sample from Lua, as a row of the engine in the call's scratch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lmoe.h"
#include "lnames.h"
#include "ltable.h"
#include "ltensor.h"

/* The values of one sample; what is neither a number nor a string is missing:
   nil and false.  In the first one false is, as in tables, a string that is
   missing, and NaN a number. */
typedef struct sample {
  size_t d;
  bool first;
  double *numbers;    /* NaN where the value is none */
  const char **texts; /* NULL where the value is none */
  bool nominal;       /* there is a string */
} sample;

static const char hole[] = ""; /* its address: a string that is missing */

static sample new_sample(lua_State *L, lmoe_call *c, size_t d, bool first) {
  sample s = {d, first, moe_scratch(&c->call, d, sizeof(double)),
              moe_scratch(&c->call, d, sizeof(char *)), false};
  if (s.numbers == NULL || s.texts == NULL) lmoe_end(L, c, MOE_ENOMEM);
  return s;
}

/* Takes the value on top of the stack, a string that the sample's table keeps;
   false when it is of no use. */
static bool take_value(lua_State *L, sample *s, size_t j) {
  size_t size;
  s->numbers[j] = NAN;
  if (s->first && lua_isboolean(L, -1)) s->texts[j] = hole;
  s->nominal = s->nominal || s->texts[j] != NULL;
  if (!lua_toboolean(L, -1)) return true;
  if (lua_type(L, -1) == LUA_TNUMBER) {
    s->numbers[j] = lua_tonumber(L, -1);
    return true;
  }
  if (lua_type(L, -1) != LUA_TSTRING) return false;
  s->texts[j] = lua_tolstring(L, -1, &size);
  s->nominal = true;
  return strlen(s->texts[j]) == size;
}

static void check_array_sample(lua_State *L, int index, sample *s) {
  for (size_t j = 0; j < s->d; j++) {
    lua_rawgeti(L, index, (int)j + 1);
    if (lua_isnil(L, -1) || !take_value(L, s, j))
      luaL_error(L,
                 "x[%d] must be a number, a string without zero bytes, or "
                 "false where missing, got a %s",
                 (int)j + 1, luaL_typename(L, -1));
    lua_pop(L, 1);
  }
}

static bool has_name(const moe_schema *schema, const char *name) {
  for (size_t j = 0; j < schema->n; j++)
    if (strcmp(schema->names.items[j], name) == 0) return true;
  return false;
}

/* Every key is a name of the schema, which knows no others. */
static void check_keys(lua_State *L, int index, const moe_schema *schema) {
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "x must be an array or name → value");
    if (!has_name(schema, lua_tostring(L, -2)))
      luaL_error(L, "x.%s: the model was not trained on a column of that name",
                 lua_tostring(L, -2));
  }
}

static void check_named_sample(lua_State *L, int index,
                               const moe_schema *schema, sample *s) {
  size_t found = 0, given = 0;
  for (size_t j = 0; j < schema->n; j++) {
    lmoe_get_option(L, index, schema->names.items[j]);
    if (!take_value(L, s, j))
      luaL_error(L,
                 "x.%s must be a number or a string without zero bytes, got "
                 "a %s",
                 schema->names.items[j], luaL_typename(L, -1));
    found += !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) given++;
  if (given > found) check_keys(L, index, schema);
}

/* A column of one row: one of strings has one level. */
static moe_column view_value(const sample *s, size_t j) {
  static const int32_t first_level = 0;
  const char *const *text = &s->texts[j];
  if (*text == NULL || *text == hole)
    return (moe_column){.numbers = &s->numbers[j], .vacant = *text == hole};
  return (moe_column){.codes = &first_level, .levels = text, .n_levels = 1};
}

/* Numbers, or with a string among them columns. */
static void view_sample(lua_State *L, lmoe_call *c, const sample *s,
                        moe_rows *out) {
  moe_column *columns;
  *out = moe_rows_of_doubles(s->numbers, 1, s->d);
  if (!s->nominal) return;
  columns = moe_scratch(&c->call, s->d, sizeof *columns);
  if (columns == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t j = 0; j < s->d; j++) columns[j] = view_value(s, j);
  *out = (moe_rows){
      .n = 1, .d = s->d, .source = MOE_FROM_COLUMNS, .columns = columns};
}

/* The names of a name → value sample, ordered by byte: the schema of a learner
   that has not seen any data yet. */
static int compare_texts(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static const moe_schema *check_names(lua_State *L, lmoe_call *c, int index) {
  size_t n = 0, i = 0;
  char **names;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) n++;
  names = moe_scratch(&c->call, n, sizeof *names);
  if (names == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "x must be an array or name → value");
    names[i++] = (char *)lua_tostring(L, -2);
  }
  qsort(names, n, sizeof *names, compare_texts);
  return lmoe_new_schema(L, c, n, names);
}

/* A sample that is no table: one row of something that has rows. */
static void check_lone_row(lua_State *L, lmoe_call *c, int index,
                           moe_rows *out) {
  const moe_tensor *tensor = lmoe_test_tensor(L, index);
  if (tensor != NULL && (tensor->ndim != 2 || tensor->dtype != MOE_F32))
    luaL_error(L, "x must be a float tensor of 1 dimension");
  if (tensor == NULL && lmoe_test_sparse(L, index) == NULL &&
      lmoe_test_table(L, index) == NULL)
    luaL_error(L,
               "x must be an array of values, name → value, or one row of a "
               "tensor, a sparse matrix or a table, got a %s",
               luaL_typename(L, index));
  lmoe_check_rows(L, c, index, out);
  if (out->n != 1)
    luaL_error(L, "x must be one sample, got %d rows", (int)out->n);
}

/* Copied: the user's tensor may become anything in a callback. */
static void copy_numbers(lua_State *L, lmoe_call *c, const moe_tensor *t,
                         moe_rows *out) {
  size_t d = (size_t)t->shape[0];
  double *x = moe_scratch(&c->call, d, sizeof *x);
  if (x == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t j = 0; j < d; j++) x[j] = (double)t->f[j];
  *out = moe_rows_of_doubles(x, 1, d);
}

void lmoe_check_sample(lua_State *L, lmoe_call *c, int index,
                       const moe_schema *schema, moe_rows *out) {
  const moe_tensor *tensor = lmoe_test_tensor(L, index);
  sample s;
  size_t d;
  if (tensor != NULL && tensor->ndim == 1 && tensor->dtype == MOE_F32) {
    copy_numbers(L, c, tensor, out);
    return;
  }
  if (!lua_istable(L, index)) {
    check_lone_row(L, c, index, out);
    return;
  }
  d = lua_rawlen(L, index);
  bool named = d == 0, first = schema == NULL;
  if (named && (schema == NULL || schema->names.n == 0)) {
    if (schema != NULL)
      luaL_error(L, "x must be an array: the model's columns have no names");
    schema = check_names(L, c, index);
  }
  s = new_sample(L, c, named ? schema->n : d, first);
  if (named)
    check_named_sample(L, index, schema, &s);
  else
    check_array_sample(L, index, &s);
  view_sample(L, c, &s, out);
  if (named)
    out->schema = schema;
  else if (schema == NULL || schema->names.n > 0)
    out->schema = lmoe_find_names(L, c, index, d);
}
