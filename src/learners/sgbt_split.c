/* The best split of a leaf, as its histogram tells: the gain is what the two
   Newton steps take off the loss beyond the one that they replace,
     ½ [G_L²/(H_L+l2) + G_R²/(H_R+l2) − G²/(H+l2)] − min_gain.
   It has to be more than chance makes of as many candidates. */
#include <math.h>

#include "sgbt.h"

typedef struct sums {
  double g, h;
} sums;

/* A column as it is scanned. */
typedef struct scan {
  const moe_sgbt_params *p;
  sums all;
  moe_sgbt_split best;
} scan;

static double step_gain(sums s, double l2) {
  return s.h + l2 > 0 ? s.g * s.g / (s.h + l2) : 0;
}

/* True where this is the best of the column so far. */
static bool offer(scan *c, sums left) {
  double l2 = c->p->l2, least = c->p->min_child_weight;
  sums right = {c->all.g - left.g, c->all.h - left.h};
  if (!(left.h >= least && right.h >= least && left.h > 0 && right.h > 0))
    return false;
  double gain =
      (step_gain(left, l2) + step_gain(right, l2) - step_gain(c->all, l2)) / 2 -
      c->p->min_gain;
  if (!(gain > c->best.gain)) return false;
  c->best.gain = gain;
  c->best.g = left.g;
  c->best.h = left.h;
  return true;
}

static void scan_numbers(scan *c, const double *cells, const double *edge,
                         size_t n_edges) {
  sums missing = {cells[0], cells[1]}, left = {0, 0};
  for (size_t e = 0; e < n_edges; e++) {
    const double *cell = cells + 2 * (e + 1);
    if (cell[1] == 0) continue;
    left.g += cell[0];
    left.h += cell[1];
    if (offer(c, left)) {
      c->best.threshold = edge[e];
      c->best.lost = missing.h > 0 || 2 * left.h < c->all.h;
    }
    if (missing.h == 0) continue;
    sums both = {left.g + missing.g, left.h + missing.h};
    if (offer(c, both)) {
      c->best.threshold = edge[e];
      c->best.lost = false;
    }
  }
}

/* Levels in the order of their steps: the best set is a beginning of it (Fisher
   1958, doi 10.1080/01621459.1958.10501479). */
static size_t order_levels(const double *cells, size_t n, uint8_t *order) {
  double step[MOE_SGBT_SETS];
  size_t met = 0;
  for (size_t b = 0; b < n; b++) {
    double g = cells[2 * b], h = cells[2 * b + 1];
    size_t at = met;
    if (h == 0) continue;
    for (; at > 0 && step[at - 1] > g / h; at--) {
      step[at] = step[at - 1];
      order[at] = order[at - 1];
    }
    step[at] = g / h;
    order[at] = (uint8_t)b;
    met++;
  }
  return met;
}

static void scan_levels(scan *c, const double *cells, size_t bins) {
  uint8_t order[MOE_SGBT_SETS];
  size_t n = bins < MOE_SGBT_SETS ? bins : MOE_SGBT_SETS;
  size_t met = order_levels(cells, n, order);
  uint64_t set = 0;
  sums left = {0, 0};
  for (size_t i = 0; i + 1 < met; i++) {
    set |= (uint64_t)1 << order[i];
    left.g += cells[2 * order[i]];
    left.h += cells[2 * order[i] + 1];
    if (offer(c, left)) c->best.levels = (int64_t)set;
  }
}

static sums sum_cells(const double *cells, size_t bins) {
  sums all = {0, 0};
  for (size_t b = 0; b < bins; b++) {
    all.g += cells[2 * b];
    all.h += cells[2 * b + 1];
  }
  return all;
}

static moe_sgbt_split scan_column(const moe_sgbt_state *m,
                                  const moe_sgbt_params *p, size_t slot,
                                  size_t k) {
  size_t j = (size_t)m->column[slot * m->width + k];
  const double *cells = moe_sgbt_cells(m, slot, k);
  scan c = {.p = p, .all = sum_cells(cells, m->bins)};
  c.best.feature = (int32_t)j;
  if (moe_sgbt_is_nominal(m, j))
    scan_levels(&c, cells, m->bins);
  else
    scan_numbers(&c, cells, moe_sgbt_edges(m, j), (size_t)m->n_edges[j]);
  c.best.all_g = c.all.g;
  c.best.all_h = c.all.h;
  return c.best;
}

/* -------------------------------------------------------------------- bounds
 */

/* Twice the gain is, by chance alone, about χ² with one degree of freedom
   times the derivatives' variance a unit of H; its tail is below e^(−x/2).
   Neighbouring edges say nearly the same: a column of b bins counts as 2 log b
   tests (the rate of Miller & Siegmund 1982, doi 10.2307/2529881). */
static bool is_beyond_chance(const moe_sgbt_state *m, const moe_sgbt_params *p,
                             const moe_sgbt_sums *s, double gain) {
  double tests = (double)m->width * 2 * log((double)m->bins);
  double spread = s->squares - s->g * s->g / s->weight;
  double variance = spread > 0 && s->h > 0 ? spread / s->h : 0;
  return gain > variance * log(tests / p->significance) &&
         gain > 1e-12 * s->squares;
}

/* Hoeffding's of the gains' difference, the second being another column's: as
   shares of what there is to gain, or (original) as they are. */
static bool is_ahead(const moe_sgbt_params *p, const moe_sgbt_sums *s,
                     double best, double second) {
  const double tie = 0.05;
  double unit = p->bound == MOE_SGBT_ORIGINAL ? 1 : s->squares / 2;
  double bound = sqrt(log(1 / p->significance) / (2 * s->seen));
  return best > 1e-12 * s->squares &&
         (best - second > bound * unit || bound < tie);
}

bool moe_sgbt_find_split(const moe_sgbt_state *m, const moe_sgbt_params *p,
                         size_t node, moe_sgbt_split *out) {
  const moe_sgbt_sums *s = &m->sums[node];
  double second = 0;
  out->gain = 0;
  for (size_t k = 0; k < m->width; k++) {
    moe_sgbt_split c = scan_column(m, p, (size_t)m->slot[node], k);
    if (c.gain > out->gain) {
      second = out->gain;
      *out = c;
    } else if (c.gain > second) {
      second = c.gain;
    }
  }
  if (!(out->gain > 0) || isinf(out->gain)) return false;
  return p->bound == MOE_SGBT_VARIANCE ? is_beyond_chance(m, p, s, out->gain)
                                       : is_ahead(p, s, out->gain, second);
}
