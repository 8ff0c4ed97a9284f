/* How a tensor prints: shape, type and a clipped preview.

     tensor 150×4 float32
       sepal_length  sepal_width  petal_length  petal_width
                5.1          3.5           1.4          0.2
                  …                                          */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ltensor.h"

enum {
  EDGE = 3, /* rows and columns shown at each end of what is clipped */
  SHOWN = 2 * EDGE + 1,
  CELL = 40
};

/* Which of n things are shown: all, or the first and last around a gap. */
typedef struct clip {
  int shown;
  int64_t n;
} clip;

static clip clip_to(int64_t n) { return (clip){n > SHOWN ? SHOWN : (int)n, n}; }

static bool is_gap(const clip *c, int k) { return c->n > SHOWN && k == EDGE; }

static int64_t shown_at(const clip *c, int k) {
  return c->n > SHOWN && k > EDGE ? c->n - SHOWN + k : k;
}

/* Row 0 of the cells is the names'. */
typedef struct grid {
  clip rows, columns;
  int width[SHOWN];
  char cell[SHOWN + 1][SHOWN][CELL];
} grid;

/* Characters of a UTF-8 text. */
static int width_of(const char *text) {
  int n = 0;
  for (; *text != '\0'; text++) n += (*text & 0xC0) != 0x80;
  return n;
}

static void print_item(const moe_tensor *t, size_t i, char *out) {
  if (t->dtype == MOE_I32)
    snprintf(out, CELL, "%d", (int)t->i[i]);
  else if (isnan(t->f[i]))
    snprintf(out, CELL, "nan");
  else
    snprintf(out, CELL, "%.6g", (double)t->f[i]);
}

/* At most 20 bytes of a name, and no part of a character. */
static void print_name(const char *name, char *out) {
  size_t n = strlen(name);
  if (n > 20)
    for (n = 20; n > 0 && (name[n] & 0xC0) == 0x80;) n--;
  snprintf(out, CELL, "%.*s%s", (int)n, name, name[n] != '\0' ? "…" : "");
}

/* The matrix of `rows` rows that begins at item `first`. */
static void fill_grid(const moe_tensor *t, size_t first, int64_t rows,
                      int64_t columns, grid *g) {
  g->rows = clip_to(rows);
  g->columns = clip_to(columns);
  memset(g->width, 0, sizeof g->width);
  for (int i = 0; i <= g->rows.shown; i++)
    for (int j = 0; j < g->columns.shown; j++) {
      char *cell = g->cell[i][j];
      int64_t row = shown_at(&g->rows, i - 1),
              column = shown_at(&g->columns, j);
      if (is_gap(&g->columns, j) || (i > 0 && is_gap(&g->rows, i - 1)))
        strcpy(cell, "…");
      else if (i > 0)
        print_item(t, first + (size_t)(row * columns + column), cell);
      else
        print_name(t->names != NULL ? t->names->texts.items[column] : "", cell);
      if (width_of(cell) > g->width[j]) g->width[j] = width_of(cell);
    }
}

static void add_grid(luaL_Buffer *b, const grid *g, bool named) {
  for (int i = named ? 0 : 1; i <= g->rows.shown; i++) {
    luaL_addstring(b, "\n");
    for (int j = 0; j < g->columns.shown; j++) {
      const char *cell = g->cell[i][j];
      luaL_addstring(b, "  ");
      for (int pad = g->width[j] - width_of(cell); pad > 0; pad--)
        luaL_addchar(b, ' ');
      luaL_addstring(b, cell);
    }
  }
}

/* "[1][2]": which of the matrices along the leading dimensions follows. */
static void add_place(luaL_Buffer *b, const moe_tensor *t, int64_t matrix) {
  char text[32];
  int64_t index[MOE_MAX_DIMS];
  for (int d = t->ndim - 3; d >= 0; d--) {
    index[d] = matrix % t->shape[d];
    matrix /= t->shape[d];
  }
  luaL_addstring(b, "\n");
  for (int d = 0; d <= t->ndim - 3; d++) {
    snprintf(text, sizeof text, "[%lld]", (long long)index[d] + 1);
    luaL_addstring(b, text);
  }
}

static void add_matrices(luaL_Buffer *b, const moe_tensor *t, grid *g) {
  int64_t columns = t->shape[t->ndim - 1];
  int64_t rows = t->ndim > 1 ? t->shape[t->ndim - 2] : 1;
  clip matrices = clip_to((int64_t)t->n / (rows * columns));
  for (int k = 0; k < matrices.shown; k++) {
    int64_t matrix = shown_at(&matrices, k);
    if (is_gap(&matrices, k)) {
      luaL_addstring(b, "\n…");
      continue;
    }
    if (t->ndim > 2) add_place(b, t, matrix);
    fill_grid(t, (size_t)(matrix * rows * columns), rows, columns, g);
    add_grid(b, g, t->names != NULL);
  }
}

int lmoe_tensor_text(lua_State *L) {
  luaL_Buffer b;
  grid *g;
  if (lmoe_is_spent_tensor(L, 1)) {
    lua_pushliteral(L, "tensor that backward gave back");
    return 1;
  }
  if (lmoe_test_tensor(L, 1) == NULL) {
    lua_pushliteral(L, "closed tensor");
    return 1;
  }
  const moe_tensor *t = lmoe_push_view(L, 1);
  g = lua_newuserdata(L, sizeof *g);
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "tensor ");
  luaL_addstring(&b, moe_tensor_shape_text(t).text);
  luaL_addstring(&b, t->dtype == MOE_F32 ? " float32" : " int32");
  if (t->n > 0) add_matrices(&b, t, g);
  luaL_pushresult(&b);
  return 1;
}
