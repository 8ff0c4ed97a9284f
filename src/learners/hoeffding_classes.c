/* Leaves of classes.  Of each class and numeric column a leaf keeps moments and
   range, of each class and nominal column the weight of every level; so that
   naive Bayes can answer (Gama, Rocha & Medas 2003, doi 10.1145/956750.956813),
   if it did better than the majority (Holmes, Kirkby & Pfahringer 2005, doi
   10.1007/11564126_51; here what they did long ago counts less and less), and
   splits can be judged as if the values of a class
   were Gaussian (Pfahringer, Holmes & Kirkby 2008, doi
   10.1007/978-3-540-68125-0_27).

   A leaf's sums: the head, a weight for each class; for each class, and for all
   together, the weight, mean, variance, least and largest value in each numeric
   column; for each nominal column and class the weight of each level. */
#include <math.h>
#include <string.h>

#include "hoeffding.h"
#include "vector.h"

enum { WEIGHT, MEAN, VARIANCE, LOW, HIGH, STATISTICS };

/* As if a class had had that many values more, as far apart as those of all
   classes in the leaf: a class with one value has no variance of its own. */
static const double SHRINKAGE = 1;

static size_t class_size(const moe_hoeffding_shape *s) {
  return moe_size(STATISTICS, s->numeric);
}

static size_t at_classes(const moe_hoeffding_shape *s) {
  return MOE_H_HEAD + s->outputs;
}

static size_t at_levels(const moe_hoeffding_shape *s) {
  return at_classes(s) + moe_size(s->outputs + 1, class_size(s));
}

/* What there is of numeric columns, of a class and of all. */
static double *class_of(const moe_hoeffding_shape *s, const double *sums,
                        size_t class) {
  return (double *)sums + at_classes(s) + class * class_size(s);
}

static double *all_classes(const moe_hoeffding_shape *s, const double *sums) {
  return class_of(s, sums, s->outputs);
}

static size_t size(const moe_hoeffding_shape *s) {
  size_t levels = moe_size(moe_size(s->nominal, s->outputs), s->levels), out;
  return __builtin_add_overflow(at_levels(s), levels, &out) ? SIZE_MAX : out;
}

/* Votes, both sides of a split, and what they add up to. */
static size_t work(const moe_hoeffding_shape *s) { return 4 * s->outputs; }

static double *levels_of(const moe_hoeffding_shape *s, const double *sums,
                         size_t nominal, size_t class) {
  return (double *)sums + at_levels(s) +
         (nominal * s->outputs + class) * s->levels;
}

static void widen(const moe_hoeffding_shape *from, const double *sums,
                  const moe_hoeffding_shape *to, double *out, size_t position) {
  size_t numbers = class_size(from);
  memcpy(out, sums, MOE_H_HEAD * sizeof *out);
  memcpy(all_classes(to, out), all_classes(from, sums), numbers * sizeof *out);
  for (size_t c = 0; c < from->outputs; c++) {
    size_t place = c + (c >= position);
    out[MOE_H_HEAD + place] = sums[MOE_H_HEAD + c];
    memcpy(out + at_classes(to) + place * numbers,
           sums + at_classes(from) + c * numbers, numbers * sizeof *out);
    for (size_t k = 0; k < from->nominal; k++)
      memcpy(levels_of(to, out, k, place), levels_of(from, sums, k, c),
             from->levels * sizeof *out);
  }
}

/* ------------------------------------------------------------------ answering
 */

/* log p(x | class) of the numeric columns, less a constant.  Of a class without
   a value of its own the leaf's say what there is to say. */
static double judge_numbers(const moe_hoeffding *h, size_t leaf, size_t class,
                            const double *x) {
  size_t n = h->shape.numeric;
  const int32_t *features = moe_hoeffding_features(h, leaf);
  const double *sums = moe_hoeffding_sums(h, leaf);
  const double *own = class_of(&h->shape, sums, class);
  const double *all = all_classes(&h->shape, sums);
  double distance = 0, product = 1, logs = 0;
  for (size_t k = 0; k < n && features[k] >= 0; k++) {
    double weight = own[WEIGHT * n + k];
    double mean = weight > 0 ? own[MEAN * n + k] : all[MEAN * n + k];
    double away = moe_hoeffding_limited(x[features[k]]) - mean;
    if (away != away || all[WEIGHT * n + k] == 0) continue;
    double variance =
        (weight * own[VARIANCE * n + k] + SHRINKAGE * all[VARIANCE * n + k]) /
            (weight + SHRINKAGE) +
        1e-100;
    distance += away * away / variance;
    product *= variance;
    if (product > 1e-100 && product < 1e100) continue;
    logs += log(product);
    product = 1;
  }
  return -0.5 * (distance + logs + log(product));
}

/* The same of the nominal columns, by Laplace's rule. */
static double judge_levels(const moe_hoeffding *h, size_t leaf, size_t class,
                           const double *x) {
  const moe_hoeffding_shape *s = &h->shape;
  const int32_t *features = moe_hoeffding_features(h, leaf) + s->numeric;
  const double *sums = moe_hoeffding_sums(h, leaf);
  const int64_t *start = h->fitted.intake.start;
  double sum = 0;
  for (size_t k = 0; k < s->nominal && features[k] >= 0; k++) {
    size_t j = (size_t)features[k];
    int32_t level = moe_hoeffding_level(x[j]);
    const double *of = levels_of(s, sums, k, class);
    double total = (double)(start[j + 1] - start[j]);
    if (level < 0) continue;
    for (size_t l = 0; l < s->levels; l++) total += of[l];
    double own = level < (int32_t)s->levels ? of[level] : 0;
    sum += log((own + 1) / fmax(total, 1));
  }
  return sum;
}

static void answer_uniform(double *out, size_t n) {
  for (size_t c = 0; c < n; c++) out[c] = 1 / (double)n;
}

static void answer_simple(const moe_hoeffding *h, size_t leaf, double *out) {
  size_t n = h->shape.outputs;
  memcpy(out, moe_hoeffding_sums(h, leaf) + MOE_H_HEAD, n * sizeof *out);
  moe_normalise(out, 1, n);
}

static void answer_bayes(const moe_hoeffding *h, size_t leaf, const double *x,
                         double *out) {
  size_t n = h->shape.outputs;
  const double *weight = moe_hoeffding_sums(h, leaf) + MOE_H_HEAD;
  for (size_t c = 0; c < n; c++) {
    out[c] = -INFINITY;
    if (weight[c] > 0)
      out[c] = log(weight[c]) + judge_numbers(h, leaf, c, x) +
               judge_levels(h, leaf, c, x);
  }
  moe_softmax(out, 1, n);
}

static bool trusts_model(const moe_hoeffding_params *p, const double *sums) {
  return p->leaf == MOE_H_MODEL ||
         (p->leaf == MOE_H_ADAPTIVE && sums[MOE_H_CLEVER] > sums[MOE_H_SIMPLE]);
}

static void predict(const moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf, const double *x, double *out) {
  const double *sums = moe_hoeffding_sums(h, leaf);
  if (sums[MOE_H_SEEN] == 0)
    answer_uniform(out, h->shape.outputs);
  else if (trusts_model(p, sums))
    answer_bayes(h, leaf, x, out);
  else
    answer_simple(h, leaf, out);
}

static size_t find_largest(const double *x, size_t n) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

/* ------------------------------------------------------------------- learning
 */

static void add_numbers(double *of, size_t n, const int32_t *features,
                        const double *x, double weight) {
  for (size_t k = 0; k < n && features[k] >= 0; k++) {
    double value = moe_hoeffding_limited(x[features[k]]);
    if (value != value) continue;
    bool first = of[WEIGHT * n + k] == 0;
    double low = of[LOW * n + k], high = of[HIGH * n + k];
    of[LOW * n + k] = first || value < low ? value : low;
    of[HIGH * n + k] = first || value > high ? value : high;
    moe_hoeffding_add_moment(&of[WEIGHT * n + k], &of[MEAN * n + k],
                             &of[VARIANCE * n + k], value, weight);
  }
}

static void add_levels(const moe_hoeffding *h, size_t leaf, size_t class,
                       const double *x, double weight) {
  const int32_t *features = moe_hoeffding_features(h, leaf) + h->shape.numeric;
  for (size_t k = 0; k < h->shape.nominal && features[k] >= 0; k++) {
    int32_t level = moe_hoeffding_level(x[features[k]]);
    double *of = levels_of(&h->shape, moe_hoeffding_sums(h, leaf), k, class);
    if (level >= 0) of[level] = moe_hoeffding_bounded(of[level] + weight);
  }
}

static void add(double *sum, double x) {
  *sum = moe_hoeffding_bounded(*sum + x);
}

static void fade(double *sum, double x) {
  *sum = moe_hoeffding_bounded(MOE_H_FADING * *sum + x);
}

static double learn(moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf, const moe_example *s, double weight) {
  size_t n = h->shape.outputs, class = (size_t)s->id;
  double *sums = moe_hoeffding_sums(h, leaf), *votes = h->work;
  bool known = sums[MOE_H_SEEN] > 0;
  bool simple = known && find_largest(sums + MOE_H_HEAD, n) == class;
  bool clever = simple, trusted = trusts_model(p, sums);
  if (known && p->leaf != MOE_H_CONSTANT) {
    answer_bayes(h, leaf, s->x, votes);
    clever = find_largest(votes, n) == class;
  }
  double loss = (trusted ? clever : simple) ? 0 : 1;
  if (weight == 0) return loss;
  fade(&sums[MOE_H_SIMPLE], simple ? weight : 0);
  fade(&sums[MOE_H_CLEVER], clever ? weight : 0);
  add(&sums[MOE_H_SEEN], weight);
  add(&sums[MOE_H_HEAD + class], weight);
  add_numbers(class_of(&h->shape, sums, class), h->shape.numeric,
              moe_hoeffding_features(h, leaf), s->x, weight);
  add_numbers(all_classes(&h->shape, sums), h->shape.numeric,
              moe_hoeffding_features(h, leaf), s->x, weight);
  add_levels(h, leaf, class, s->x, weight);
  return loss;
}

/* ------------------------------------------------------------------ splitting
 */

typedef struct sides {
  double *left, *right; /* weight of each class */
  double *both;         /* of nominal columns */
} sides;

static sides sides_of(const moe_hoeffding *h) {
  size_t n = h->shape.outputs;
  return (sides){h->work + n, h->work + 2 * n, h->work + 3 * n};
}

static double range(const moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf) {
  const double *weight = moe_hoeffding_sums(h, leaf) + MOE_H_HEAD;
  size_t present = 0;
  for (size_t c = 0; c < h->shape.outputs; c++) present += weight[c] > 0;
  if (present < 2) return 0;
  return moe_hoeffding_criteria[p->criterion].range(present);
}

/* The share of a class below a threshold, were it Gaussian within its range. */
static double share_below(const double *of, size_t n, size_t k, double x) {
  double deviation = sqrt(of[VARIANCE * n + k]), mean = of[MEAN * n + k];
  if (x <= of[LOW * n + k]) return 0;
  if (x > of[HIGH * n + k]) return 1;
  if (deviation == 0) return mean < x;
  return 0.5 * erfc((mean - x) / (deviation * sqrt(2)));
}

static void part_numbers(const moe_hoeffding *h, size_t leaf, size_t k,
                         double threshold, sides to) {
  size_t n = h->shape.numeric;
  const double *of = class_of(&h->shape, moe_hoeffding_sums(h, leaf), 0);
  for (size_t c = 0; c < h->shape.outputs; c++, of += class_size(&h->shape)) {
    double weight = of[WEIGHT * n + k];
    to.left[c] = weight > 0 ? weight * share_below(of, n, k, threshold) : 0;
    to.right[c] = weight - to.left[c];
  }
}

static double sum_of(const double *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  return sum;
}

static void sum_levels(const moe_hoeffding *h, size_t leaf, size_t k,
                       sides to) {
  const moe_hoeffding_shape *s = &h->shape;
  const double *sums = moe_hoeffding_sums(h, leaf);
  for (size_t c = 0; c < s->outputs; c++)
    to.both[c] = sum_of(levels_of(s, sums, k, c), s->levels);
}

/* One level against the others, once they are summed. */
static void part_levels(const moe_hoeffding *h, size_t leaf, size_t k,
                        size_t level, sides to) {
  const double *sums = moe_hoeffding_sums(h, leaf);
  for (size_t c = 0; c < h->shape.outputs; c++) {
    to.left[c] = levels_of(&h->shape, sums, k, c)[level];
    to.right[c] = fmax(to.both[c] - to.left[c], 0);
  }
}

/* What a split into these sides is worth. */
static double judge(const moe_hoeffding *h, const moe_hoeffding_params *p,
                    sides s) {
  size_t n = h->shape.outputs;
  if (!moe_hoeffding_is_balanced(sum_of(s.left, n), sum_of(s.right, n)))
    return 0;
  return moe_hoeffding_criteria[p->criterion].merit(s.left, s.right, n);
}

static void propose_threshold(const moe_hoeffding *h,
                              const moe_hoeffding_params *p, size_t leaf,
                              moe_hoeffding_split *out) {
  size_t n = h->shape.numeric, k = (size_t)out->slot;
  const double *all = all_classes(&h->shape, moe_hoeffding_sums(h, leaf));
  double low = all[LOW * n + k], high = all[HIGH * n + k];
  for (int64_t i = 1; i <= p->thresholds && low < high; i++) {
    double threshold =
        low + (high - low) * (double)i / (double)(p->thresholds + 1);
    part_numbers(h, leaf, k, threshold, sides_of(h));
    double merit = judge(h, p, sides_of(h));
    if (merit <= out->merit) continue;
    out->merit = merit;
    out->threshold = threshold;
  }
}

static void propose_level(const moe_hoeffding *h, const moe_hoeffding_params *p,
                          size_t leaf, moe_hoeffding_split *out) {
  size_t k = (size_t)out->slot - h->shape.numeric;
  sum_levels(h, leaf, k, sides_of(h));
  for (size_t level = 0; level < h->shape.levels; level++) {
    part_levels(h, leaf, k, level, sides_of(h));
    double merit = judge(h, p, sides_of(h));
    if (merit <= out->merit) continue;
    out->merit = merit;
    out->level = (int32_t)level;
  }
}

static void propose(moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf, moe_hoeffding_split *out) {
  if ((size_t)out->slot < h->shape.numeric)
    propose_threshold(h, p, leaf, out);
  else
    propose_level(h, p, leaf, out);
}

/* What a leaf is born with counts no more than a grace period of its own. */
static void inherit(moe_hoeffding *h, const moe_hoeffding_params *p,
                    size_t leaf, const double *weight) {
  size_t n = h->shape.outputs;
  double *sums = moe_hoeffding_sums(h, leaf), total = sum_of(weight, n);
  double most = (double)p->grace_period;
  double share = total > most ? most / total : 1;
  for (size_t c = 0; c < n; c++) sums[MOE_H_HEAD + c] = share * weight[c];
  sums[MOE_H_SEEN] = sums[MOE_H_TRIED] = moe_hoeffding_bounded(total);
}

static void divide(moe_hoeffding *h, const moe_hoeffding_params *p, size_t leaf,
                   const moe_hoeffding_split *s, size_t left, size_t right) {
  size_t k = (size_t)s->slot;
  if (s->level < 0) {
    part_numbers(h, leaf, k, s->threshold, sides_of(h));
  } else {
    k -= h->shape.numeric;
    sum_levels(h, leaf, k, sides_of(h));
    part_levels(h, leaf, k, (size_t)s->level, sides_of(h));
  }
  inherit(h, p, left, sides_of(h).left);
  inherit(h, p, right, sides_of(h).right);
}

/* ---------------------------------------------------------------------- files
 */

static bool is_sound(const moe_hoeffding *h, size_t leaf) {
  const double *sums = moe_hoeffding_sums(h, leaf);
  size_t n = h->shape.numeric, first = at_classes(&h->shape);
  for (size_t i = 0; i < size(&h->shape); i++) {
    bool of_class = i >= first && i < at_levels(&h->shape);
    size_t kind = of_class ? (i - first) / n % STATISTICS : WEIGHT;
    if (!(kind == WEIGHT     ? moe_hoeffding_is_weight(sums[i])
          : kind == VARIANCE ? moe_hoeffding_is_variance(sums[i])
                             : moe_hoeffding_is_value(sums[i])))
      return false;
  }
  return true;
}

const moe_hoeffding_sort moe_hoeffding_classes = {.size = size,
                                                  .work = work,
                                                  .widen = widen,
                                                  .predict = predict,
                                                  .learn = learn,
                                                  .range = range,
                                                  .propose = propose,
                                                  .divide = divide,
                                                  .is_sound = is_sound};
