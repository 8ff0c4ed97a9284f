/* Bins of the columns: edges that all trees share, at quantiles of the rows
   that came last.  Trees compare with the edges' values, so that edges may be
   drawn anew, which happens when they no longer divide what comes. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "sgbt.h"

enum {
  CROWDED = 6 /* times its share is in a bin: time to draw edges anew */
};

void moe_sgbt_keep(moe_sgbt_state *m, const double *x) {
  size_t d = m->fitted.n_features;
  memcpy(m->recent + m->next * d, x, d * sizeof *x);
  m->next = (m->next + 1) % MOE_SGBT_RECENT;
  if (m->kept < MOE_SGBT_RECENT) m->kept++;
}

/* How many edges are below x. */
static size_t count_below(const double *edge, size_t n, double x) {
  size_t low = 0;
  while (n > 0) {
    size_t half = (n + 1) / 2;
    low += edge[low + half - 1] < x ? half : 0;
    n -= half;
  }
  return low;
}

static size_t most_levels(const moe_sgbt_state *m) {
  return (m->bins < MOE_SGBT_SETS ? m->bins : MOE_SGBT_SETS) - 1;
}

/* Levels beyond the last bin share it. */
static uint8_t bin_of_level(const moe_sgbt_state *m, double code) {
  size_t most = most_levels(m);
  return (uint8_t)(code < (double)most ? 1 + (size_t)code : most);
}

uint8_t moe_sgbt_bin_of(const moe_sgbt_state *m, size_t j, double x) {
  if (x != x) return 0;
  if (moe_sgbt_is_nominal(m, j)) return bin_of_level(m, x);
  return (uint8_t)(1 +
                   count_below(moe_sgbt_edges(m, j), (size_t)m->n_edges[j], x));
}

void moe_sgbt_find_bins(moe_sgbt_state *m, const double *x) {
  for (size_t j = 0; j < m->fitted.n_features; j++)
    m->bin[j] = moe_sgbt_bin_of(m, j, x[j]);
}

/* -------------------------------------------------------------------- edges */

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static size_t sort_column(const moe_sgbt_state *m, size_t j, double *sorted) {
  size_t n = 0;
  for (size_t i = 0; i < m->kept; i++) {
    double x = m->recent[i * m->fitted.n_features + j];
    if (x == x) sorted[n++] = x;
  }
  qsort(sorted, n, sizeof *sorted, compare);
  return n;
}

static size_t count_distinct(const double *sorted, size_t n) {
  size_t distinct = n > 0;
  for (size_t i = 1; i < n; i++) distinct += sorted[i] != sorted[i - 1];
  return distinct;
}

/* Midway between neighbours: all of them where there are few values, else at
   the first change of value from each quantile on. */
static int32_t put_edges(const double *sorted, size_t n, size_t most,
                         double *edge) {
  size_t distinct = count_distinct(sorted, n), made = 0, due = 1;
  for (size_t i = 1; i < n; i++) {
    if (sorted[i] == sorted[i - 1]) continue;
    if (distinct > most + 1 && i * (most + 1) < due * n) continue;
    edge[made++] = sorted[i - 1] / 2 + sorted[i] / 2;
    due = i * (most + 1) / n + 1;
  }
  return (int32_t)made;
}

static void draw_column(moe_sgbt_state *m, size_t j, double *sorted) {
  size_t n = sort_column(m, j, sorted);
  m->n_edges[j] = put_edges(sorted, n, m->bins - 2, m->edge + j * m->bins);
}

void moe_sgbt_draw_edges(moe_sgbt_state *m, double *sorted) {
  for (size_t j = 0; j < m->fitted.n_features; j++)
    if (!moe_sgbt_is_nominal(m, j)) draw_column(m, j, sorted);
}

/* ----------------------------------------------------------- edges drawn anew
 */

/* Whether a bin that could be divided holds far more rows than it should. */
static bool is_crowded(const moe_sgbt_state *m, size_t j) {
  size_t d = m->fitted.n_features, count[256] = {0};
  double low[256] = {0}, high[256] = {0};
  for (size_t i = 0; i < m->kept; i++) {
    double x = m->recent[i * d + j];
    uint8_t b = moe_sgbt_bin_of(m, j, x);
    if (b == 0) continue;
    low[b] = count[b] == 0 || x < low[b] ? x : low[b];
    high[b] = count[b] == 0 || x > high[b] ? x : high[b];
    count[b]++;
  }
  for (size_t b = 1; b < m->bins; b++)
    if (count[b] * (m->bins - 1) > CROWDED * m->kept && low[b] < high[b])
      return true;
  return false;
}

/* A value that was in the bin, as far as its edges tell. */
static double value_of_bin(const double *edge, size_t n, size_t b) {
  if (b == 1) return edge[0];
  if (b == n + 1) return edge[n - 1];
  return edge[b - 2] / 2 + edge[b - 1] / 2;
}

static void move_cells(const moe_sgbt_state *m, double *cells,
                       const uint8_t *to, size_t n) {
  double moved[256 * 2] = {0};
  for (size_t b = 0; b < n; b++) {
    moved[2 * to[b]] += cells[2 * b];
    moved[2 * to[b] + 1] += cells[2 * b + 1];
  }
  memcpy(cells, moved, m->bins * 2 * sizeof *cells);
}

/* What the histograms hold goes to the bins that now have its values. */
static void redraw_column(moe_sgbt_state *m, size_t j, double *sorted) {
  double old[256];
  uint8_t to[256] = {0};
  size_t n = (size_t)m->n_edges[j];
  memcpy(old, moe_sgbt_edges(m, j), n * sizeof *old);
  draw_column(m, j, sorted);
  for (size_t b = 1; b <= n + 1; b++)
    to[b] = n == 0 ? 1 : moe_sgbt_bin_of(m, j, value_of_bin(old, n, b));
  for (size_t s = 0; s < m->slots; s++)
    for (size_t k = 0; m->holder[s] >= 0 && k < m->width; k++)
      if ((size_t)m->column[s * m->width + k] == j)
        move_cells(m, moe_sgbt_cells(m, s, k), to, n + 2);
}

void moe_sgbt_redraw_edges(moe_sgbt_state *m, double *sorted) {
  for (size_t j = 0; j < m->fitted.n_features; j++)
    if (!moe_sgbt_is_nominal(m, j) && is_crowded(m, j))
      redraw_column(m, j, sorted);
}
