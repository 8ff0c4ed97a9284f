/* Tensors from nested tables, from text, and filled. */
#include <stdio.h>
#include <string.h>

#include "ltensor.h"
#include "number.h"
#include "random.h"

/* ------------------------------------------------------------ nested tables */

/* The table being read is on top of the stack; `at` says where it is. */
typedef struct reader {
  lua_State *L;
  int ndim;
  int64_t shape[MOE_MAX_DIMS];
  int64_t at[MOE_MAX_DIMS];
  float *next;
} reader;

typedef struct place_text {
  char text[96];
} place_text;

/* "[2][3]": the place of element i of a table that is `depth` levels down. */
static place_text place(const reader *r, int depth, int64_t i) {
  place_text out = {""};
  int used = 0;
  for (int d = 0; d <= depth; d++)
    used += snprintf(out.text + used, sizeof out.text - (size_t)used, "[%lld]",
                     (long long)(d < depth ? r->at[d] : i));
  return out;
}

static int64_t check_length(reader *r, int depth) {
  size_t hole, n = lmoe_array_length(r->L, -1, &hole);
  if (n == SIZE_MAX)
    luaL_error(r->L, "tensor: %s is nil, but there is more in the table",
               place(r, depth, (int64_t)hole).text);
  return (int64_t)n;
}

/* The shape as the first element of each level tells it. */
static void measure(reader *r) {
  if (r->ndim == MOE_MAX_DIMS)
    luaL_error(r->L, "tensor: at most %d levels of tables are possible",
               MOE_MAX_DIMS);
  r->shape[r->ndim] = check_length(r, r->ndim);
  r->at[r->ndim++] = 1;
  if (r->shape[r->ndim - 1] == 0) return;
  lua_rawgeti(r->L, -1, 1);
  if (lua_istable(r->L, -1)) measure(r);
  lua_pop(r->L, 1);
}

static void check_shape(reader *r, int depth) {
  int64_t n = check_length(r, depth);
  if (n == r->shape[depth]) return;
  luaL_error(r->L, "tensor: %s has %d elements, but %s has %d",
             place(r, depth - 1, r->at[depth - 1]).text, (int)n,
             place(&(reader){.at = {1, 1, 1, 1}}, depth - 1, 1).text,
             (int)r->shape[depth]);
}

static void check_type(reader *r, int depth, int64_t i, int type) {
  if (lua_type(r->L, -1) == type) return;
  luaL_error(r->L, "tensor: %s must be a %s, got a %s", place(r, depth, i).text,
             lua_typename(r->L, type), luaL_typename(r->L, -1));
}

static void read_level(reader *r, int depth) {
  bool nested = depth + 1 < r->ndim && depth + 1 < MOE_MAX_DIMS;
  for (int64_t i = 1; i <= r->shape[depth]; i++) {
    r->at[depth] = i;
    lua_rawgeti(r->L, -1, (int)i);
    check_type(r, depth, i, nested ? LUA_TTABLE : LUA_TNUMBER);
    if (nested) {
      check_shape(r, depth + 1);
      read_level(r, depth + 1);
    } else {
      *r->next++ = (float)lua_tonumber(r->L, -1);
    }
    lua_pop(r->L, 1);
  }
}

static moe_tensor *push_new(lua_State *L, int ndim, const int64_t *shape) {
  lmoe_call *c = lmoe_begin(L);
  moe_tensor *t;
  lmoe_end(L, c, moe_tensor_new(&c->call, MOE_F32, ndim, shape, &t));
  lmoe_push_tensor(L, t);
  return t;
}

static int from_table(lua_State *L) {
  reader r = {.L = L};
  lua_pushvalue(L, 1);
  measure(&r);
  r.next = push_new(L, r.ndim, r.shape)->f;
  lua_insert(L, 1);
  lua_settop(L, 2);
  read_level(&r, 0);
  lua_settop(L, 1);
  return 1;
}

/* --------------------------------------------------------------------- text
   Numbers between blanks or commas, rows between semicolons or line ends. */

typedef struct scanner {
  lua_State *L;
  const char *at, *end;
  int64_t row, column; /* of the number read last, from 1 */
} scanner;

static bool is_separator(char c) {
  return c != '\0' && strchr(" \t\r\n,;", c) != NULL;
}

/* Moves to the next number; true when that begins a row. */
static bool skip_separators(scanner *s) {
  bool row = s->row == 0;
  for (; s->at < s->end && is_separator(*s->at); s->at++)
    row |= *s->at == ';' || *s->at == '\n';
  return row;
}

static void refuse_word(const scanner *s) {
  char word[24];
  int n = 0;
  for (; n < 20 && s->at + n < s->end && !is_separator(s->at[n]); n++) {
  }
  snprintf(word, sizeof word, "%.*s", n, s->at);
  luaL_error(s->L, "tensor: row %d, column %d of the text is no number: '%s'",
             (int)s->row, (int)s->column, word);
}

/* False at the end of the text. */
static bool read_number(scanner *s, double *out) {
  bool row = skip_separators(s);
  const char *end;
  if (s->at == s->end) return false;
  s->row += row;
  s->column = row ? 1 : s->column + 1;
  end = moe_number_read(s->at, s->end, out);
  if (end == NULL || (end < s->end && !is_separator(*end))) refuse_word(s);
  s->at = end;
  return true;
}

static void check_width(scanner *s, int64_t row, int64_t n, int64_t width) {
  if (n != width)
    luaL_error(s->L,
               "tensor: row %d of the text has %d numbers, but row 1 has %d",
               (int)row, (int)n, (int)width);
}

/* The rows and columns of a text, all of whose rows are equally long. */
static void measure_text(scanner s, int64_t *shape) {
  int64_t n = 0;
  double x;
  while (read_number(&s, &x)) {
    if (s.column == 1 && s.row > 1) check_width(&s, s.row - 1, n, shape[1]);
    n = s.column;
    if (s.row == 1) shape[1] = n;
  }
  check_width(&s, s.row, n, shape[1]);
  shape[0] = s.row;
}

static int from_text(lua_State *L) {
  size_t size;
  const char *text = lua_tolstring(L, 1, &size);
  scanner s = {.L = L, .at = text, .end = text + size};
  int64_t shape[2] = {0, 0};
  double x;
  float *out;
  measure_text(s, shape);
  out = shape[0] > 1 ? push_new(L, 2, shape)->f : push_new(L, 1, shape + 1)->f;
  while (read_number(&s, &x)) *out++ = (float)x;
  return 1;
}

int lmoe_tensor_new(lua_State *L) {
  lmoe_check_count(L, "tensor", 1);
  if (lua_istable(L, 1)) return from_table(L);
  if (lua_type(L, 1) == LUA_TSTRING) return from_text(L);
  return luaL_error(L,
                    "tensor: a table of numbers, a table of tables or a string "
                    "is needed, got %s",
                    luaL_typename(L, 1));
}

/* ------------------------------------------------------------------- filled */

/* A shape as numbers or as one table of them, in arguments 1 … n. */
static moe_tensor *push_shaped(lua_State *L, const char *function, int n) {
  int64_t shape[MOE_MAX_DIMS];
  char what[48];
  bool packed = n == 1 && lua_istable(L, 1);
  if (packed) n = (int)lmoe_check_array(L, 1, function);
  if (n < 1 || n > MOE_MAX_DIMS)
    luaL_error(L, "%s: 1 to %d lengths are needed, got %d", function,
               MOE_MAX_DIMS, n);
  for (int i = 0; i < n; i++) {
    if (packed)
      lua_rawgeti(L, 1, i + 1);
    else
      lua_pushvalue(L, i + 1);
    snprintf(what, sizeof what, "%s: length %d", function, i + 1);
    shape[i] = lmoe_check_integer(L, -1, what, 0, (int64_t)1 << 53);
    lua_pop(L, 1);
  }
  return push_new(L, n, shape);
}

int lmoe_tensor_zeros(lua_State *L) {
  push_shaped(L, "zeros", lua_gettop(L));
  return 1;
}

int lmoe_tensor_ones(lua_State *L) {
  moe_tensor *t = push_shaped(L, "ones", lua_gettop(L));
  for (size_t i = 0; i < t->n; i++) t->f[i] = 1;
  return 1;
}

/* randn(shape…, { seed = 0 }) */
int lmoe_tensor_randn(lua_State *L) {
  static const char *const options[] = {"seed", NULL};
  int n = lua_gettop(L);
  double seed = 0;
  moe_random random;
  moe_tensor *t;
  if (n > 1 && lua_istable(L, n)) {
    lmoe_check_options(L, n, options);
    lmoe_get_option(L, n, "seed");
    if (!lua_isnil(L, -1))
      seed =
          (double)lmoe_check_integer(L, -1, "randn: seed", 0, (int64_t)1 << 53);
    lua_settop(L, --n);
  }
  t = push_shaped(L, "randn", n);
  moe_random_seed(&random, (uint64_t)seed);
  for (size_t i = 0; i < t->n; i++) t->f[i] = (float)moe_random_normal(&random);
  return 1;
}
