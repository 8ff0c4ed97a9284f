/* The sparse matrix in Lua.  Rows and columns count from 1; a row is a table
   of column → value. */
#include "sparse.h"

#include <stdio.h>
#include <string.h>

#include "ltensor.h"

/* -------------------------------------------------------------------- boxes */

static void release(void *s) { moe_sparse_release(s); }

moe_sparse *lmoe_test_sparse(lua_State *L, int index) {
  return lmoe_test_box(L, index, LMOE_SPARSE);
}

moe_sparse *lmoe_check_sparse(lua_State *L, int index) {
  return lmoe_check_box(L, index, LMOE_SPARSE);
}

void lmoe_push_sparse(lua_State *L, moe_sparse *s) {
  lmoe_push_owned(L, LMOE_SPARSE, s, moe_sparse_bytes(s), release);
}

static int l_close(lua_State *L) {
  lmoe_close_owned(L, LMOE_SPARSE, release);
  return 0;
}

static int finish(lua_State *L, lmoe_call *c, moe_status status,
                  moe_sparse *s) {
  lmoe_end(L, c, status);
  lmoe_push_sparse(L, s);
  return 1;
}

/* ------------------------------------------------------------- construction
   moe.sparse{ { [3] = 0.5, [17] = 1 }, {}, …, columns = 100 } */

/* Entries collected so far, in a growing block that the collector owns. */
typedef struct collection {
  lua_State *L;
  moe_triplet *items;
  size_t n, capacity;
  int64_t columns;
} collection;

/* Room for one more: the block is a userdata, replaced by a larger one at the
   stack place `at`. */
static moe_triplet *add_triplet(collection *c, int at) {
  if (c->n == c->capacity) {
    size_t capacity = c->capacity < 64 ? 64 : 2 * c->capacity;
    void *larger = lua_newuserdata(c->L, capacity * sizeof *c->items);
    if (c->n > 0) memcpy(larger, c->items, c->n * sizeof *c->items);
    lua_replace(c->L, at);
    c->items = larger;
    c->capacity = capacity;
  }
  return &c->items[c->n++];
}

/* The entries of the row on top of the stack. */
static void collect_row(collection *c, int at, int64_t row) {
  lua_State *L = c->L;
  if (!lua_istable(L, -1))
    luaL_error(L, "sparse: row %d must be a table of column = value, got a %s",
               (int)row + 1, luaL_typename(L, -1));
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    char what[64];
    moe_triplet *t;
    snprintf(what, sizeof what, "sparse: row %lld: column", (long long)row + 1);
    int64_t column = lmoe_check_integer(L, -2, what, 1, c->columns) - 1;
    if (lua_type(L, -1) != LUA_TNUMBER)
      luaL_error(L, "sparse: row %d, column %d must be a number, got a %s",
                 (int)row + 1, (int)column + 1, luaL_typename(L, -1));
    t = add_triplet(c, at);
    *t = (moe_triplet){row, column, (double)lua_tonumber(L, -1)};
  }
}

/* The number of rows: fields besides `columns` and `names` are 1 … n. */
static size_t check_rows(lua_State *L, int index) {
  size_t n = 0, fields = 0;
  for (bool there = true; there; n += there) {
    lua_rawgeti(L, index, (int)n + 1);
    there = !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    fields++;
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    if (strcmp(lua_tostring(L, -2), "columns") != 0 &&
        strcmp(lua_tostring(L, -2), "names") != 0)
      luaL_error(L, "sparse: unknown option '%s'; there are columns and names",
                 lua_tostring(L, -2));
    fields--;
  }
  if (fields != n)
    luaL_error(L, "sparse: row %d is nil, but there are more rows", (int)n + 1);
  return n;
}

static int l_new(lua_State *L) {
  collection entries = {.L = L};
  moe_names *names;
  moe_sparse *out = NULL;
  moe_status status;
  size_t rows;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  rows = check_rows(L, 1);
  lua_getfield(L, 1, "names");   /* 2 */
  lua_getfield(L, 1, "columns"); /* 3 */
  entries.columns = lmoe_check_integer(L, 3, "sparse: columns", 0, INT32_MAX);
  for (size_t i = 0; i < rows; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    collect_row(&entries, 3, (int64_t)i);
    lua_pop(L, 1);
  }
  lmoe_call *c = lmoe_begin(L);
  status = lmoe_check_names(L, c, 2, &names);
  if (status == MOE_OK)
    status = moe_sparse_from_triplets(&c->call, rows, (size_t)entries.columns,
                                      entries.n, entries.items, &out);
  if (status == MOE_OK) status = moe_sparse_set_names(&c->call, out, names);
  moe_names_release(names);
  if (status != MOE_OK) moe_sparse_release(out);
  return finish(L, c, status, out);
}

/* ------------------------------------------------------------------- reading
 */

static void push_row(lua_State *L, const moe_sparse *s, size_t row) {
  const moe_csr *m = &s->csr;
  lua_newtable(L);
  for (int64_t e = m->start[row]; e < m->start[row + 1]; e++) {
    lua_pushnumber(L, (lua_Number)m->value[e]);
    lua_rawseti(L, -2, m->index[e] + 1);
  }
}

static int l_length(lua_State *L) {
  lmoe_push_number(L, (double)lmoe_check_sparse(L, 1)->csr.rows);
  return 1;
}

static void push_shape(lua_State *L, const moe_sparse *s) {
  lua_createtable(L, 2, 0);
  lmoe_push_number(L, (double)s->csr.rows);
  lua_rawseti(L, -2, 1);
  lmoe_push_number(L, (double)s->csr.columns);
  lua_rawseti(L, -2, 2);
}

static void push_dimensions(lua_State *L, const moe_sparse *s) {
  (void)s;
  lua_pushinteger(L, 2);
}

static void push_entries(lua_State *L, const moe_sparse *s) {
  lmoe_push_number(L, (double)moe_sparse_entries(s));
}

static void push_names(lua_State *L, const moe_sparse *s) {
  lmoe_push_names(L, s->names);
}

static const struct {
  const char *name;
  void (*push)(lua_State *L, const moe_sparse *s);
} properties[] = {{"shape", push_shape},
                  {"ndim", push_dimensions},
                  {"entries", push_entries},
                  {"names", push_names}};

/* A row as a table; nil behind the last, which ends ipairs. */
static int l_index(lua_State *L) {
  const moe_sparse *s;
  int64_t rows;
  if (lua_type(L, 2) == LUA_TSTRING) {
    const char *name = lua_tostring(L, 2);
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
      if (strcmp(name, properties[i].name) == 0) {
        properties[i].push(L, lmoe_check_sparse(L, 1));
        return 1;
      }
    return lmoe_push_method(L, 1, 2);
  }
  s = lmoe_check_sparse(L, 1);
  rows = (int64_t)s->csr.rows;
  if (lua_tonumber(L, 2) == (lua_Number)rows + 1)
    lua_pushnil(L);
  else
    push_row(L, s,
             (size_t)lmoe_check_integer(L, 2, "sparse: index", 1, rows) - 1);
  return 1;
}

static int l_newindex(lua_State *L) {
  moe_sparse *s = lmoe_check_sparse(L, 1);
  lmoe_call *c;
  moe_names *names;
  moe_status status;
  if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "names") != 0)
    return luaL_error(L, "sparse: only names can be set");
  c = lmoe_begin(L);
  status = lmoe_check_names(L, c, 3, &names);
  if (status == MOE_OK) status = moe_sparse_set_names(&c->call, s, names);
  moe_names_release(names);
  lmoe_end(L, c, status);
  return 0;
}

static int l_get(lua_State *L) {
  const moe_sparse *s = lmoe_check_sparse(L, 1);
  const moe_csr *m = &s->csr;
  int64_t row = lmoe_check_integer(L, 2, "get: row", 1, (int64_t)m->rows) - 1;
  int64_t column =
      lmoe_check_integer(L, 3, "get: column", 1, (int64_t)m->columns) - 1;
  double value = 0;
  for (int64_t e = m->start[row]; e < m->start[row + 1]; e++)
    if (m->index[e] == column) value = (double)m->value[e];
  lua_pushnumber(L, value);
  return 1;
}

static int l_totable(lua_State *L) {
  const moe_sparse *s = lmoe_check_sparse(L, 1);
  lua_createtable(L, (int)s->csr.rows, 0);
  for (size_t i = 0; i < s->csr.rows; i++) {
    push_row(L, s, i);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* The same numbers as a tensor. */
static int l_dense(lua_State *L) {
  const moe_sparse *s = lmoe_check_sparse(L, 1);
  const moe_csr *m = &s->csr;
  const int64_t shape[2] = {(int64_t)m->rows, (int64_t)m->columns};
  lmoe_call *c = lmoe_begin(L);
  moe_tensor *t;
  lmoe_end(L, c, moe_tensor_new(&c->call, MOE_F32, 2, shape, &t));
  for (size_t i = 0; i < m->rows; i++)
    for (int64_t e = m->start[i]; e < m->start[i + 1]; e++)
      t->f[i * m->columns + (size_t)m->index[e]] = m->value[e];
  t->names = moe_names_retain(s->names);
  lmoe_push_tensor(L, t);
  return 1;
}

static int next_row(lua_State *L) {
  const moe_sparse *s = lmoe_check_sparse(L, 1);
  int64_t i = lmoe_check_integer(L, 2, "iter: index", 0, INT64_MAX / 2);
  if ((size_t)i >= s->csr.rows) return 0;
  lmoe_push_number(L, (double)i + 1);
  push_row(L, s, (size_t)i);
  return 2;
}

static int l_iter(lua_State *L) {
  lmoe_check_sparse(L, 1);
  lua_pushcfunction(L, next_row);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

/* ------------------------------------------------------- views and selection
 */

static int l_rows(lua_State *L) {
  moe_sparse *s = lmoe_check_sparse(L, 1), *out;
  int64_t first, n;
  lmoe_check_range(L, 2, (int64_t)s->csr.rows, &first, &n);
  lmoe_call *c = lmoe_begin(L);
  moe_status status = moe_sparse_rows(&c->call, s, first, n, &out);
  return finish(L, c, status, out);
}

static int l_select(lua_State *L) {
  moe_sparse *s = lmoe_check_sparse(L, 1), *out;
  lmoe_call *c = lmoe_begin(L);
  size_t n;
  const int32_t *pick = lmoe_check_pick(L, c, 2, (int64_t)s->csr.rows, &n);
  moe_status status = moe_sparse_select(&c->call, s, pick, n, &out);
  return finish(L, c, status, out);
}

/* ------------------------------------------------------------------ printing
 */

enum { ROWS_SHOWN = 6, ENTRIES_SHOWN = 8 };

static void add_row(luaL_Buffer *b, const moe_sparse *s, size_t row) {
  const moe_csr *m = &s->csr;
  char text[128];
  snprintf(text, sizeof text, "\n  [%zu]", row + 1);
  luaL_addstring(b, text);
  for (int64_t e = m->start[row]; e < m->start[row + 1]; e++) {
    if (e == m->start[row] + ENTRIES_SHOWN) {
      luaL_addstring(b, " …");
      break;
    }
    if (s->names != NULL)
      snprintf(text, sizeof text, "  %.40s: %.6g",
               s->names->texts.items[m->index[e]], (double)m->value[e]);
    else
      snprintf(text, sizeof text, "  %d: %.6g", m->index[e] + 1,
               (double)m->value[e]);
    luaL_addstring(b, text);
  }
}

static int l_tostring(lua_State *L) {
  const moe_sparse *s = lmoe_test_sparse(L, 1);
  luaL_Buffer b;
  char text[128];
  if (s == NULL) {
    lua_pushliteral(L, "closed sparse matrix");
    return 1;
  }
  snprintf(text, sizeof text, "sparse %zu×%zu float32, %zu entries",
           s->csr.rows, s->csr.columns, moe_sparse_entries(s));
  luaL_buffinit(L, &b);
  luaL_addstring(&b, text);
  for (size_t i = 0; i < s->csr.rows && i < ROWS_SHOWN; i++) add_row(&b, s, i);
  if (s->csr.rows > ROWS_SHOWN) luaL_addstring(&b, "\n  …");
  luaL_pushresult(&b);
  return 1;
}

/* ------------------------------------------------------------- registration */

static const luaL_Reg methods[] = {
    {"__index", l_index}, {"__newindex", l_newindex},
    {"__len", l_length},  {"__pairs", l_iter},
    {"__ipairs", l_iter}, {"__tostring", l_tostring},
    {"get", l_get},       {"totable", l_totable},
    {"dense", l_dense},   {"iter", l_iter},
    {"rows", l_rows},     {"select", l_select},
    {NULL, NULL}};

void lmoe_open_sparse(lua_State *L) {
  lmoe_new_family(L, LMOE_SPARSE, methods, l_close);
  lua_pushcfunction(L, l_new);
  lua_setfield(L, -2, "sparse");
}
