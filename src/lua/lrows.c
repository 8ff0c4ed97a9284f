/* X and y from Lua: what the engine sees as rows and targets.  All memory is
   the call's scratch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lmixed.h"
#include "lmoe.h"
#include "lnames.h"
#include "ltable.h"
#include "ltensor.h"

/* ------------------------------------------------------------------- arrays */

static double check_number(lua_State *L, const char *what, size_t row,
                           size_t column) {
  if (lua_type(L, -1) != LUA_TNUMBER)
    luaL_error(L, "%s[%d][%d] must be a number, got %s", what, (int)row + 1,
               (int)column + 1, luaL_typename(L, -1));
  return lua_tonumber(L, -1);
}

static bool is_mixed(lua_State *L) {
  return lua_type(L, -1) == LUA_TSTRING || lua_isboolean(L, -1);
}

/* The numbers of row i, which is on top; false where `mixed`, and one of them
   is something else. */
static bool check_row(lua_State *L, const char *what, size_t i, size_t d,
                      bool mixed, double *out) {
  for (size_t j = 0; j < d; j++) {
    lua_rawgeti(L, -1, (int)j + 1);
    bool other = mixed && is_mixed(L);
    if (!other) out[j] = check_number(L, what, i, j);
    lua_pop(L, 1);
    if (other) return false;
  }
  return true;
}

/* How many columns row i, which is on top, has; after the first as many as that
   one. */
static size_t check_width(lua_State *L, const char *what, size_t i,
                          size_t width) {
  if (!lua_istable(L, -1))
    luaL_error(L, "%s[%d] must be an array of numbers, got a %s", what,
               (int)i + 1, luaL_typename(L, -1));
  size_t d = lmoe_check_array(L, lua_gettop(L), what);
  if (i > 0 && d != width)
    luaL_error(L, "%s[%d] has %d numbers, %s[1] has %d", what, (int)i + 1,
               (int)d, what, (int)width);
  return d;
}

/* n rows of equal width, as doubles; the width of an empty array is 0.  NULL
   where `mixed`, and one of them holds something else. */
static double *check_matrix(lua_State *L, lmoe_call *c, int index,
                            const char *what, size_t n, size_t *width,
                            bool mixed) {
  double *out = NULL;
  luaL_checkstack(L, LUA_MINSTACK, what);
  for (size_t i = 0; i < n; i++) {
    bool numbers = lmoe_rawgeti(L, index, (int)i + 1) == LUA_TTABLE && i > 0 &&
                   lmoe_read_array(L, lua_gettop(L), *width, out + i * *width);
    if (!numbers) *width = check_width(L, what, i, *width);
    if (i == 0) {
      out = moe_scratch(&c->call, moe_size(n, *width), sizeof *out);
      if (out == NULL) lmoe_end(L, c, MOE_ENOMEM);
    }
    if (!numbers && !check_row(L, what, i, *width, mixed, out + i * *width))
      out = NULL;
    lua_pop(L, 1);
    if (out == NULL) break;
  }
  return out;
}

/* The call sees its data through a view of its own, so that whatever becomes of
   the user's, items and names stay where they are. */
static void release_tensor(void *t) { moe_tensor_release(t); }
static void release_sparse(void *s) { moe_sparse_release(s); }
static void release_table(void *t) { moe_table_release(t); }

static const moe_tensor *view_tensor(lua_State *L, lmoe_call *c,
                                     const moe_tensor *t) {
  moe_tensor *view;
  LMOE_TRY(L, c, moe_tensor_rows(&c->call, t, 0, t->shape[0], &view));
  lmoe_hold(c, view, release_tensor);
  return view;
}

static void check_tensor_rows(lua_State *L, lmoe_call *c, const moe_tensor *t,
                              moe_rows *out) {
  size_t d;
  if (t->ndim != 2 || t->dtype != MOE_F32)
    luaL_error(L,
               "X must be a float tensor of 2 dimensions (rows × columns); one "
               "sample goes to predict_one");
  const moe_tensor *view = view_tensor(L, c, t);
  d = (size_t)t->shape[1];
  *out = moe_rows_of_floats(view->f, (size_t)t->shape[0], d, d);
  if (view->names != NULL)
    out->schema = lmoe_new_schema(L, c, d, view->names->texts.items);
}

static void check_sparse_rows(lua_State *L, lmoe_call *c, moe_sparse *s,
                              moe_rows *out) {
  moe_sparse *view;
  LMOE_TRY(L, c, moe_sparse_rows(&c->call, s, 0, (int64_t)s->csr.rows, &view));
  lmoe_hold(c, view, release_sparse);
  *out = moe_rows_of_csr(&view->csr);
  if (view->names != NULL)
    out->schema =
        lmoe_new_schema(L, c, s->csr.columns, view->names->texts.items);
}

static void check_array_rows(lua_State *L, lmoe_call *c, int index,
                             moe_rows *out) {
  size_t n = lmoe_check_array(L, index, "X"), d = 0;
  const double *x = check_matrix(L, c, index, "X", n, &d, true);
  if (x != NULL || n == 0)
    *out = moe_rows_of_doubles(x, n, d);
  else
    lmoe_check_mixed_rows(L, c, index, n, d, out);
  out->schema = lmoe_find_rows_names(L, c, index, n, d);
}

void lmoe_check_rows(lua_State *L, lmoe_call *c, int index, moe_rows *out) {
  const moe_tensor *tensor = lmoe_test_tensor(L, index);
  moe_sparse *sparse = lmoe_test_sparse(L, index);
  const moe_table *table = lmoe_test_table(L, index);
  if (tensor != NULL) {
    check_tensor_rows(L, c, tensor, out);
  } else if (sparse != NULL) {
    check_sparse_rows(L, c, sparse, out);
  } else if (table != NULL) {
    lmoe_hold(c, moe_table_retain((moe_table *)table), release_table);
    LMOE_TRY(L, c, moe_table_rows(&c->call, table, out));
  } else if (lua_istable(L, index)) {
    check_array_rows(L, c, index, out);
  } else {
    luaL_error(L,
               "X must be a tensor, a sparse matrix, a table of columns or an "
               "array of rows, got a %s",
               luaL_typename(L, index));
  }
}

/* ------------------------------------------------------------------ targets */

typedef struct gathering {
  lua_State *L;
  lmoe_call *c;
  int32_t *ids;
  moe_label *labels;
  size_t n_labels;
} gathering;

/* In the place of a row: y is that of one sample, and no array. */
static const size_t LONE = SIZE_MAX;

static int refuse_target(lua_State *L, size_t row, const char *reason) {
  if (row == LONE) return luaL_error(L, "y %s", reason);
  return luaL_error(L, "y[%d] %s", (int)row + 1, reason);
}

/* The label on top as an engine label; its text lives in the Lua string, which
   the seen-table keeps. */
static moe_label check_label(lua_State *L, size_t row) {
  moe_label label = {.kind = MOE_L_NUMBER};
  size_t size;
  switch (lua_type(L, -1)) {
    case LUA_TSTRING:
      label.kind = MOE_L_TEXT;
      label.text = (char *)lua_tolstring(L, -1, &size);
      if (strlen(label.text) != size)
        refuse_target(L, row, "holds a zero byte");
      return label;
    case LUA_TBOOLEAN:
      label.kind = MOE_L_FLAG;
      label.number = lua_toboolean(L, -1);
      return label;
    case LUA_TNUMBER:
      label.number = lua_tonumber(L, -1);
      if (isfinite(label.number) && lmoe_is_exact(L, -1)) return label;
      break;
    default: break;
  }
  refuse_target(
      L, row,
      lua_pushfstring(L,
                      "must be a string, a boolean or a number (finite; "
                      "integers up to 2^53), got %s",
                      lua_type(L, -1) == LUA_TNUMBER ? lua_tostring(L, -1)
                                                     : luaL_typename(L, -1)));
  return label;
}

static int compare_labels(const void *a, const void *b) {
  return moe_label_compare(*(moe_label *const *)a, *(moe_label *const *)b);
}

/* Puts the labels into their order and the ids with them. */
static void order_labels(gathering *g, size_t n, moe_labels *out) {
  moe_call *call = &g->c->call;
  moe_label **order = moe_scratch(call, g->n_labels, sizeof *order);
  int32_t *place = moe_scratch(call, g->n_labels, sizeof *place);
  out->items = moe_scratch(call, g->n_labels, sizeof *out->items);
  out->n = g->n_labels;
  if (order == NULL || place == NULL || out->items == NULL)
    lmoe_end(g->L, g->c, MOE_ENOMEM);
  for (size_t k = 0; k < g->n_labels; k++) order[k] = &g->labels[k];
  qsort(order, g->n_labels, sizeof *order, compare_labels);
  for (size_t k = 0; k < g->n_labels; k++) {
    out->items[k] = *order[k];
    place[order[k] - g->labels] = (int32_t)k;
  }
  for (size_t i = 0; i < n; i++) g->ids[i] = place[g->ids[i]];
}

/* The id of the label on top (popped), new ones in order of appearance; the
   table below it maps label → id + 1. */
static int32_t find_id(gathering *g, size_t row) {
  lua_State *L = g->L;
  moe_label label = check_label(L, row);
  int32_t id;
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  id = lua_isnil(L, -1) ? -1 : (int32_t)lua_tointeger(L, -1) - 1;
  lua_pop(L, 1);
  if (id < 0) {
    id = (int32_t)g->n_labels;
    g->labels[g->n_labels++] = label;
    lua_pushvalue(L, -1);
    lua_pushinteger(L, id + 1);
    lua_rawset(L, -4);
  }
  lua_pop(L, 1);
  return id;
}

typedef void (*push_item)(lua_State *L, int index, size_t i);

static void push_array_item(lua_State *L, int index, size_t i) {
  lua_rawgeti(L, index, (int)i + 1);
}

static void push_tensor_item(lua_State *L, int index, size_t i) {
  const moe_tensor *t = lmoe_test_tensor(L, index);
  lmoe_push_number(L, (double)t->f[i]);
}

static void push_column_item(lua_State *L, int index, size_t i) {
  lmoe_push_target_item(L, lmoe_test_table(L, index), i);
}

/* The table of seen labels stays on the stack: it keeps their strings. */
static void gather_classes(lua_State *L, lmoe_call *c, int index,
                           push_item push, size_t n, moe_target *out) {
  moe_labels *labels = moe_scratch(&c->call, 1, sizeof *labels);
  gathering g = {L, c, moe_scratch(&c->call, n, sizeof(int32_t)),
                 moe_scratch(&c->call, n, sizeof(moe_label)), 0};
  if (labels == NULL || g.ids == NULL || g.labels == NULL)
    lmoe_end(L, c, MOE_ENOMEM);
  lua_newtable(L);
  for (size_t i = 0; i < n; i++) {
    push(L, index, i);
    g.ids[i] = find_id(&g, i);
  }
  order_labels(&g, n, labels);
  *out = (moe_target){
      .task = MOE_CLASSIFICATION, .n = n, .ids = g.ids, .labels = labels};
}

const int32_t *lmoe_check_groups(lua_State *L, lmoe_call *c, int index,
                                 size_t n) {
  moe_target target;
  luaL_checktype(L, index, LUA_TTABLE);
  if (lmoe_check_array(L, index, "groups") != n)
    luaL_error(L, "'groups' must have one label for each of the %d rows",
               (int)n);
  gather_classes(L, c, index, push_array_item, n, &target);
  lua_pop(L, 1);
  return target.ids;
}

static void gather_numbers(lua_State *L, lmoe_call *c, int index,
                           push_item push, size_t n, moe_target *out) {
  double *values = moe_scratch(&c->call, n, sizeof *values);
  if (values == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t i = 0; i < n; i++) {
    push(L, index, i);
    if (lua_type(L, -1) != LUA_TNUMBER)
      luaL_error(L, "y[%d] must be a number, got %s", (int)i + 1,
                 luaL_typename(L, -1));
    values[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  *out = (moe_target){
      .task = MOE_REGRESSION, .n = n, .values = values, .width = 1};
}

static void widen_tensor(lua_State *L, lmoe_call *c, const moe_tensor *t,
                         moe_target *out) {
  size_t n = (size_t)t->shape[0];
  size_t width = t->ndim == 2 ? (size_t)t->shape[1] : 1;
  double *values = moe_scratch(&c->call, moe_size(n, width), sizeof *values);
  if (values == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t i = 0; i < n * width; i++) values[i] = (double)t->f[i];
  *out = (moe_target){
      .task = MOE_REGRESSION, .n = n, .values = values, .width = width};
}

/* Quantities in a tensor; false of anything else. */
static bool widen(lua_State *L, lmoe_call *c, int index, const moe_object *o,
                  moe_target *out) {
  const moe_tensor *tensor = lmoe_test_tensor(L, index);
  if (tensor == NULL) return false;
  if (tensor->ndim == 1 && moe_learner_task(o, false) == MOE_CLASSIFICATION)
    return false;
  widen_tensor(L, c, tensor, out);
  return true;
}

/* Quantities in an array of n numbers, which most are: then nothing has to be
   looked at twice.  False of any other. */
static bool take_numbers(lua_State *L, lmoe_call *c, int index,
                         const moe_object *o, size_t n, moe_target *out) {
  if (!lua_istable(L, index) || lua_rawlen(L, index) != n ||
      moe_learner_task(o, false) == MOE_CLASSIFICATION)
    return false;
  moe_scratch_mark mark = moe_scratch_now(&c->call);
  double *values = moe_scratch(&c->call, n, sizeof *values);
  if (values == NULL) lmoe_end(L, c, MOE_ENOMEM);
  luaL_checkstack(L, LUA_MINSTACK, "y");
  *out = (moe_target){
      .task = MOE_REGRESSION, .n = n, .values = values, .width = 1};
  if (lmoe_read_array(L, index, n, values)) return true;
  moe_scratch_drop(&c->call, mark);
  return false;
}

/* True when the labels are words rather than quantities. */
static bool are_labelled(lua_State *L, int index, push_item push, size_t n) {
  bool labelled = false;
  for (size_t i = 0; i < n && !labelled; i++) {
    push(L, index, i);
    labelled = lua_type(L, -1) == LUA_TSTRING || lua_isboolean(L, -1);
    lua_pop(L, 1);
  }
  return labelled;
}

static push_item check_source(lua_State *L, int index, size_t *n) {
  const moe_tensor *tensor = lmoe_test_tensor(L, index);
  const moe_table *table = lmoe_test_table(L, index);
  if (tensor != NULL) {
    *n = (size_t)tensor->shape[0];
    if (tensor->dtype != MOE_F32 || tensor->ndim > 2)
      luaL_error(L, "y must be a float tensor of 1 or 2 dimensions");
    return push_tensor_item;
  }
  if (table != NULL) {
    if (moe_table_target(table) == MOE_NO_TARGET)
      luaL_error(L,
                 "the table has no target; t:with_target(name) gives it one");
    *n = moe_table_length(table);
    return push_column_item;
  }
  if (!lua_istable(L, index))
    luaL_error(L, "y must be an array or a tensor, got a %s",
               luaL_typename(L, index));
  *n = lmoe_check_array(L, index, "y");
  return push_array_item;
}

/* A Lua array of arrays: several outputs a row. */
static bool is_wide_array(lua_State *L, int index) {
  bool wide;
  if (!lua_istable(L, index)) return false;
  lua_rawgeti(L, index, 1);
  wide = lua_istable(L, -1);
  lua_pop(L, 1);
  return wide;
}

static void check_count(lua_State *L, size_t n, size_t rows) {
  if (n < rows)
    luaL_error(L, "y[%d] is nil, but X has %d rows", (int)n + 1, (int)rows);
  if (n > rows)
    luaL_error(L, "y has %d elements, but X has %d rows", (int)n, (int)rows);
}

/* The same of any y, in which what is wrong is found and named. */
static void take_any(lua_State *L, lmoe_call *c, int index, const moe_object *o,
                     size_t n, moe_target *out) {
  size_t length;
  push_item push = check_source(L, index, &length);
  check_count(L, length, n);
  if (widen(L, c, index, o, out)) return;
  if (is_wide_array(L, index)) {
    size_t width = 0;
    const double *values = check_matrix(L, c, index, "y", n, &width, false);
    *out = (moe_target){
        .task = MOE_REGRESSION, .n = n, .values = values, .width = width};
  } else if (moe_learner_task(o, are_labelled(L, index, push, n)) ==
             MOE_CLASSIFICATION) {
    gather_classes(L, c, index, push, n, out);
  } else {
    gather_numbers(L, c, index, push, n, out);
  }
}

void lmoe_check_target(lua_State *L, lmoe_call *c, int index,
                       const moe_object *o, size_t n, moe_target *out) {
  if (!take_numbers(L, c, index, o, n, out)) take_any(L, c, index, o, n, out);
  if (moe_learner_task(o, false) == MOE_GATING) out->task = MOE_GATING;
}

/* The number on top, which is y, or y[k + 1]. */
static double check_quantity(lua_State *L, size_t k, bool finite) {
  double y = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER)
    refuse_target(
        L, k,
        lua_pushfstring(L, "must be a number, got %s", luaL_typename(L, -1)));
  if (finite && !isfinite(y))
    refuse_target(L, k, isnan(y) ? "is NaN" : "is infinite");
  return y;
}

/* Quantities of one sample, in an array or, where there is one, alone.  For a
   gate they may be NaN: of an expert that was not asked. */
static void take_quantities(lua_State *L, lmoe_call *c, int index,
                            const moe_object *o, moe_target *out) {
  bool gating = moe_learner_task(o, false) == MOE_GATING;
  bool several = lua_istable(L, index);
  size_t width = several ? lmoe_check_array(L, index, "y") : 1;
  double *values = moe_scratch(&c->call, width, sizeof *values);
  if (values == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t k = 0; k < width; k++) {
    if (several)
      lua_rawgeti(L, index, (int)k + 1);
    else
      lua_pushvalue(L, index);
    values[k] = check_quantity(L, several ? k : LONE, !gating);
    lua_pop(L, 1);
  }
  *out = (moe_target){.task = gating ? MOE_GATING : MOE_REGRESSION,
                      .n = 1,
                      .values = values,
                      .width = width};
}

static void take_label(lua_State *L, lmoe_call *c, int index, moe_target *out) {
  static const int32_t first = 0;
  moe_labels *labels = moe_scratch(&c->call, 1, sizeof *labels);
  moe_label *label = moe_scratch(&c->call, 1, sizeof *label);
  if (labels == NULL || label == NULL) lmoe_end(L, c, MOE_ENOMEM);
  lua_pushvalue(L, index);
  *label = check_label(L, LONE);
  lua_pop(L, 1);
  *labels = (moe_labels){.items = label, .n = 1};
  *out = (moe_target){
      .task = MOE_CLASSIFICATION, .n = 1, .ids = &first, .labels = labels};
}

void lmoe_check_lone_target(lua_State *L, lmoe_call *c, int index,
                            const moe_object *o, moe_target *out) {
  int type = lua_type(L, index);
  bool labelled = type == LUA_TSTRING || type == LUA_TBOOLEAN;
  if (type != LUA_TTABLE && moe_learner_task(o, labelled) == MOE_CLASSIFICATION)
    take_label(L, c, index, out);
  else
    take_quantities(L, c, index, o, out);
}
