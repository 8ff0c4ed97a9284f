/* Leaves of values: FIMT-DD (Ikonomovska, Gama & Džeroski 2011, doi
   10.1007/s10618-010-0201-y).  A leaf answers with the mean of its targets or
   with a linear function, learned by normalised gradient steps
     w += μ e z / (1 + |z|²),   e the error in deviations of the target
   on columns standardised by the moments of all samples; it is split where the
   deviation of the targets falls most.  Its memory of a numeric column are the
   moments of the target in MOE_H_BINS bins, as wide as a power of two and
   merged by pairs where values come that they do not reach (in the manner of
   Mastelini & de Carvalho 2021, doi 10.1016/j.patrec.2021.01.033).

   A leaf's sums: the head; mean and variance of the target; weights of the
   columns and of 1; for each numeric column the bins' width, the number of the
   first and the moments in each; for each nominal one the moments of each
   level. */
#include <math.h>
#include <string.h>

#include "hoeffding.h"

enum {
  AT_MEAN = MOE_H_HEAD,
  AT_VARIANCE,
  AT_WEIGHTS,
  MOMENTS = 3, /* weight, mean, variance */
  AT_WIDTH = 0,
  AT_FIRST,
  AT_BINS,
  NUMERIC = AT_BINS + MOMENTS * MOE_H_BINS
};

/* No column is further than this from its mean, in deviations; nor an answer
   from the mean of all. */
static const double FURTHEST = 100;

static const double STEEPEST = 1e6; /* a linear function's weight, at most */

static size_t at_numbers(const moe_hoeffding_shape *s) {
  return AT_WEIGHTS + s->columns + 1;
}

static size_t at_levels(const moe_hoeffding_shape *s) {
  return at_numbers(s) + moe_size(s->numeric, NUMERIC);
}

static size_t size(const moe_hoeffding_shape *s) {
  size_t levels = moe_size(s->nominal, moe_size(s->levels, MOMENTS)), out;
  return __builtin_add_overflow(at_levels(s), levels, &out) ? SIZE_MAX : out;
}

/* The standardised columns. */
static size_t work(const moe_hoeffding_shape *s) { return s->columns; }

static double *bins_of(const moe_hoeffding_shape *s, double *sums, size_t k) {
  return sums + at_numbers(s) + k * NUMERIC;
}

static double *levels_of(const moe_hoeffding_shape *s, double *sums, size_t k) {
  return sums + at_levels(s) + k * s->levels * MOMENTS;
}

static void widen(const moe_hoeffding_shape *from, const double *sums,
                  const moe_hoeffding_shape *to, double *out, size_t position) {
  size_t levels = from->levels * MOMENTS;
  (void)position;
  memcpy(out, sums, at_levels(from) * sizeof *out);
  for (size_t k = 0; k < from->nominal; k++)
    memcpy(levels_of(to, out, k), sums + at_levels(from) + k * levels,
           levels * sizeof *out);
}

/* ------------------------------------------------------------------ answering
 */

static double clamp(double x, double most) {
  return fmax(-most, fmin(x, most));
}

/* A column in deviations from its mean; 0 where it is missing or nominal. */
static double standardise(const moe_hoeffding *h,
                          const moe_hoeffding_scale *scale, size_t j,
                          double x) {
  if (x != x || moe_hoeffding_is_nominal(h, j)) return 0;
  double away = moe_hoeffding_limited(x) - scale->mean[j];
  return clamp(away * scale->factor[j], FURTHEST);
}

/* What a linear function of standardised columns says of the target. */
static double unscale(const moe_hoeffding *h, double z) {
  moe_hoeffding_scale scale = moe_hoeffding_scale_of(h);
  size_t d = h->shape.columns;
  return scale.mean[d] + sqrt(scale.variance[d]) * clamp(z, FURTHEST);
}

static double answer_line(const moe_hoeffding *h, const double *weights,
                          const double *x) {
  moe_hoeffding_scale scale = moe_hoeffding_scale_of(h);
  size_t d = h->shape.columns;
  double z = weights[d];
  for (size_t j = 0; j < d; j++)
    z += weights[j] * standardise(h, &scale, j, x[j]);
  return unscale(h, z);
}

static bool trusts_model(const moe_hoeffding_params *p, const double *sums) {
  return p->leaf == MOE_H_MODEL ||
         (p->leaf == MOE_H_ADAPTIVE && sums[MOE_H_CLEVER] < sums[MOE_H_SIMPLE]);
}

static void predict(const moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf, const double *x, double *out) {
  const double *sums = moe_hoeffding_sums(h, leaf);
  moe_hoeffding_scale scale = moe_hoeffding_scale_of(h);
  if (trusts_model(p, sums))
    *out = answer_line(h, sums + AT_WEIGHTS, x);
  else if (sums[MOE_H_SEEN] > 0)
    *out = sums[AT_MEAN];
  else
    *out = scale.mean[h->shape.columns];
}

/* ----------------------------------------------------------------------- bins
 */

static void merge(double *into, const double *from) {
  double total = moe_hoeffding_bounded(into[0] + from[0]);
  if (from[0] == 0) return;
  double share = fmin(from[0] / total, 1), away = from[1] - into[1];
  into[1] += share * away;
  into[2] += share * (from[2] - into[2] + (1 - share) * away * away);
  into[0] = total;
}

/* Lets a range of bins reach all that something is in. */
static void cover_used(const double *of, double *first, double *last) {
  for (size_t b = 0; b < MOE_H_BINS; b++) {
    double number = of[AT_FIRST] + (double)b;
    if (of[AT_BINS + b * MOMENTS] == 0) continue;
    *first = fmin(*first, number);
    *last = fmax(*last, number);
  }
}

/* The bins by others, `by` times as wide, the first of which has the number
   `first`. */
static void regroup(double *of, double by, double first) {
  double old[MOE_H_BINS * MOMENTS];
  memcpy(old, of + AT_BINS, sizeof old);
  memset(of + AT_BINS, 0, sizeof old);
  for (size_t b = 0; b < MOE_H_BINS; b++) {
    double place = floor((of[AT_FIRST] + (double)b) / by) - first;
    if (old[b * MOMENTS] > 0)
      merge(of + AT_BINS + (size_t)place * MOMENTS, old + b * MOMENTS);
  }
  of[AT_WIDTH] *= by;
  of[AT_FIRST] = first;
}

/* Bins so wide, and beginning so, that they reach the number `at` and all that
   they hold, which comes to lie in the middle. */
static void reach(double *of, double at) {
  double first = at, last = at, by = 1;
  cover_used(of, &first, &last);
  while (floor(last / by) - floor(first / by) >= MOE_H_BINS) by *= 2;
  first = floor(first / by);
  last = floor(last / by);
  regroup(of, by, first - floor((MOE_H_BINS - 1 - (last - first)) / 2));
}

/* The first value's own precision is a start. */
static double first_width(double x) {
  int exponent;
  if (x == 0) return 0x1p-400;
  frexp(x, &exponent);
  return ldexp(1, exponent < -348 ? -400 : exponent - 52);
}

static void put(double *of, double x, double y, double weight) {
  if (of[AT_WIDTH] == 0) of[AT_WIDTH] = first_width(x);
  double at = floor(x / of[AT_WIDTH]), place = at - of[AT_FIRST];
  if (!(place >= 0 && place < MOE_H_BINS)) {
    reach(of, at);
    place = floor(x / of[AT_WIDTH]) - of[AT_FIRST];
  }
  double *bin = of + AT_BINS + (size_t)place * MOMENTS;
  moe_hoeffding_add_moment(&bin[0], &bin[1], &bin[2], y, weight);
}

/* ------------------------------------------------------------------- learning
 */

/* As far as `weight` steps would go. */
static void step(moe_hoeffding *h, const moe_hoeffding_params *p,
                 double *weights, double error, double weight) {
  size_t d = h->shape.columns;
  const double *z = h->work;
  double length = 1, rate = p->learning_rate;
  if (weight != 1) rate = 1 - pow(1 - rate, weight);
  for (size_t j = 0; j < d; j++) length += z[j] * z[j];
  double way = rate * error / length;
  for (size_t j = 0; j < d; j++)
    weights[j] = clamp(weights[j] + way * z[j], STEEPEST);
  weights[d] = clamp(weights[d] + way, STEEPEST);
}

static void add_columns(moe_hoeffding *h, size_t leaf, const double *x,
                        double y, double weight) {
  const moe_hoeffding_shape *s = &h->shape;
  const int32_t *features = moe_hoeffding_features(h, leaf);
  double *sums = moe_hoeffding_sums(h, leaf);
  for (size_t k = 0; k < s->numeric && features[k] >= 0; k++) {
    double value = moe_hoeffding_limited(x[features[k]]);
    if (value == value) put(bins_of(s, sums, k), value, y, weight);
  }
  features += s->numeric;
  for (size_t k = 0; k < s->nominal && features[k] >= 0; k++) {
    int32_t level = moe_hoeffding_level(x[features[k]]);
    if (level < 0) continue;
    double *of = levels_of(s, sums, k) + (size_t)level * MOMENTS;
    moe_hoeffding_add_moment(&of[0], &of[1], &of[2], y, weight);
  }
}

/* Errors are counted in deviations of the target; the loss is 1 from 3 on. */
static double learn(moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf, const moe_example *s, double weight) {
  size_t d = h->shape.columns;
  moe_hoeffding_scale scale = moe_hoeffding_scale_of(h);
  double *sums = moe_hoeffding_sums(h, leaf), *weights = sums + AT_WEIGHTS;
  double y = moe_hoeffding_limited(s->y[0]), line = weights[d];
  for (size_t j = 0; j < d; j++) {
    h->work[j] = standardise(h, &scale, j, s->x[j]);
    line += weights[j] * h->work[j];
  }
  double mean = sums[MOE_H_SEEN] > 0 ? sums[AT_MEAN] : scale.mean[d];
  double simple = clamp((y - mean) * scale.factor[d], 2 * FURTHEST);
  double clever = clamp((y - unscale(h, line)) * scale.factor[d], 2 * FURTHEST);
  double loss = fmin(fabs(trusts_model(p, sums) ? clever : simple) / 3, 1);
  if (weight == 0) return loss;
  sums[MOE_H_SIMPLE] = MOE_H_FADING * sums[MOE_H_SIMPLE] + simple * simple;
  sums[MOE_H_CLEVER] = MOE_H_FADING * sums[MOE_H_CLEVER] + clever * clever;
  moe_hoeffding_add_moment(&sums[MOE_H_SEEN], &sums[AT_MEAN],
                           &sums[AT_VARIANCE], y, weight);
  step(h, p, weights, clever, weight);
  add_columns(h, leaf, s->x, y, weight);
  return loss;
}

/* ------------------------------------------------------------------ splitting
 */

static double range(const moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf) {
  (void)p;
  return moe_hoeffding_sums(h, leaf)[AT_VARIANCE] > 0 ? 1 : 0;
}

/* By how much the deviation falls on two sides that make up `all`. */
static double judge(const double *all, const double *left,
                    const double *right) {
  if (!moe_hoeffding_is_balanced(left[0], right[0])) return 0;
  double share = left[0] / (left[0] + right[0]);
  return sqrt(all[2]) - share * sqrt(left[2]) - (1 - share) * sqrt(right[2]);
}

/* Moments of each bin and what is right of it. */
static void sum_right(const double *bins, double *out) {
  double sum[MOMENTS] = {0};
  for (size_t b = MOE_H_BINS; b-- > 0;) {
    merge(sum, bins + b * MOMENTS);
    memcpy(out + b * MOMENTS, sum, sizeof sum);
  }
}

/* Thresholds lie midway between the edges of bins that something is in. */
static void propose_threshold(const double *of, moe_hoeffding_split *out) {
  const double *bins = of + AT_BINS;
  double right[MOE_H_BINS * MOMENTS], left[MOMENTS] = {0}, edge = 0;
  sum_right(bins, right);
  for (size_t b = 0; b < MOE_H_BINS; b++) {
    double begins = of[AT_FIRST] + (double)b;
    if (bins[b * MOMENTS] == 0) continue;
    double merit = judge(right, left, right + b * MOMENTS);
    if (merit > out->merit) {
      out->merit = merit;
      out->threshold = of[AT_WIDTH] * ((edge + begins) / 2);
    }
    merge(left, bins + b * MOMENTS);
    edge = begins + 1;
  }
}

/* Moments of the levels from one on, before another. */
static void sum_levels(const double *levels, size_t from, size_t to,
                       double *out) {
  for (; from < to; from++) merge(out, levels + from * MOMENTS);
}

static void sum_others(const double *levels, size_t level, size_t n,
                       double *out) {
  sum_levels(levels, 0, level, out);
  sum_levels(levels, level + 1, n, out);
}

/* One level against the others. */
static void propose_level(const double *levels, size_t n,
                          moe_hoeffding_split *out) {
  double all[MOMENTS] = {0};
  sum_levels(levels, 0, n, all);
  for (size_t level = 0; level < n; level++) {
    double others[MOMENTS] = {0};
    if (levels[level * MOMENTS] == 0) continue;
    sum_others(levels, level, n, others);
    double merit = judge(all, levels + level * MOMENTS, others);
    if (merit <= out->merit) continue;
    out->merit = merit;
    out->level = (int32_t)level;
  }
}

static void propose(moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf, moe_hoeffding_split *out) {
  const moe_hoeffding_shape *s = &h->shape;
  double *sums = moe_hoeffding_sums(h, leaf);
  size_t k = (size_t)out->slot;
  (void)p;
  if (k < s->numeric)
    propose_threshold(bins_of(s, sums, k), out);
  else
    propose_level(levels_of(s, sums, k - s->numeric), s->levels, out);
}

static void part_bins(const double *of, double threshold, double *left,
                      double *right) {
  for (size_t b = 0; b < MOE_H_BINS; b++) {
    double begins = of[AT_WIDTH] * (of[AT_FIRST] + (double)b);
    merge(begins < threshold ? left : right, of + AT_BINS + b * MOMENTS);
  }
}

/* The line goes on from where it was. */
static void inherit(moe_hoeffding *h, size_t leaf, size_t from,
                    const double *moments) {
  double *sums = moe_hoeffding_sums(h, leaf);
  memcpy(sums, moe_hoeffding_sums(h, from),
         at_numbers(&h->shape) * sizeof *sums);
  sums[MOE_H_SEEN] = sums[MOE_H_TRIED] = moments[0];
  sums[AT_MEAN] = moments[1];
  sums[AT_VARIANCE] = moments[2];
}

static void divide(moe_hoeffding *h, const moe_hoeffding_params *p, size_t leaf,
                   const moe_hoeffding_split *s, size_t left, size_t right) {
  (void)p;
  const moe_hoeffding_shape *shape = &h->shape;
  double *sums = moe_hoeffding_sums(h, leaf), a[MOMENTS] = {0},
         b[MOMENTS] = {0};
  size_t k = (size_t)s->slot;
  if (s->level < 0) {
    part_bins(bins_of(shape, sums, k), s->threshold, a, b);
  } else {
    const double *levels = levels_of(shape, sums, k - shape->numeric);
    merge(a, levels + (size_t)s->level * MOMENTS);
    sum_others(levels, (size_t)s->level, shape->levels, b);
  }
  inherit(h, left, leaf, a);
  inherit(h, right, leaf, b);
}

/* ---------------------------------------------------------------------- files
 */

static bool are_moments(const double *of, size_t n) {
  for (size_t i = 0; i < n; i++, of += MOMENTS)
    if (!moe_hoeffding_is_weight(of[0]) || !moe_hoeffding_is_value(of[1]) ||
        !moe_hoeffding_is_variance(of[2]))
      return false;
  return true;
}

/* Numbers of bins are exact, and widths powers of two that no value in range
   makes infinite or 0. */
static bool are_bins(const double *of) {
  double width = of[AT_WIDTH];
  if (!(fabs(of[AT_FIRST]) < 0x1p53 - MOE_H_BINS) ||
      of[AT_FIRST] != floor(of[AT_FIRST]) ||
      !are_moments(of + AT_BINS, MOE_H_BINS))
    return false;
  return width == 0 || (width >= 0x1p-400 && width <= 0x1p400 &&
                        frexp(width, &(int){0}) == 0.5);
}

static bool is_sound(const moe_hoeffding *h, size_t leaf) {
  const moe_hoeffding_shape *s = &h->shape;
  double *sums = moe_hoeffding_sums(h, leaf);
  for (size_t i = 0; i < MOE_H_HEAD; i++)
    if (!moe_hoeffding_is_weight(sums[i])) return false;
  if (!moe_hoeffding_is_value(sums[AT_MEAN]) ||
      !moe_hoeffding_is_variance(sums[AT_VARIANCE]))
    return false;
  for (size_t j = 0; j <= s->columns; j++)
    if (!(fabs(sums[AT_WEIGHTS + j]) <= STEEPEST)) return false;
  for (size_t k = 0; k < s->numeric; k++)
    if (!are_bins(bins_of(s, sums, k))) return false;
  return are_moments(levels_of(s, sums, 0), s->nominal * s->levels);
}

const moe_hoeffding_sort moe_hoeffding_values = {.size = size,
                                                 .work = work,
                                                 .widen = widen,
                                                 .predict = predict,
                                                 .learn = learn,
                                                 .range = range,
                                                 .propose = propose,
                                                 .relative = true,
                                                 .divide = divide,
                                                 .is_sound = is_sound};
