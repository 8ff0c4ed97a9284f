#include "gate_online.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "instructions.h"
#include "vector.h"

#define KERNEL static inline __attribute__((always_inline))

const char *const moe_gate_target_choices[] = {"likelihood", "best_expert",
                                               NULL};

enum {
  FEW = 10,      /* samples, before which deviations are not trusted */
  EARLY = 64,    /* samples, up to which factors are always brought up … */
  SELDOM = 16,   /* … to date, and the interval after that */
  MEMORY = 10000 /* samples that means and variances remember */
};
/* Of a value, a step's size, and 1 / a deviation: no product of a few of them
   and of all steps there may be is infinite. */
static const double LARGEST = 1e60;

static size_t desk_size(const moe_fitted *f) {
  return 3 * f->n_features + 4 * f->n_outputs;
}

moe_status moe_gate_stream_visit(moe_gate_stream *s, const moe_fitted *f,
                                 moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "steps", MOE_I64, &s->steps));
  MOE_TRY(moe_visit_scalar(v, "rows", MOE_F64, &s->rows));
  MOE_TRY(
      moe_visit_growing(v, "variance", MOE_F64, &s->variance, &s->n_columns));
  MOE_TRY(moe_visit_growing(v, "factor", MOE_F64, &s->factor, &s->n_columns));
  MOE_TRY(moe_visit_growing(v, "prior", MOE_F64, &s->prior, &s->n_shares));
  return moe_visit_derived(v, "desk", MOE_F64, &s->desk, desk_size(f));
}

static bool all_within(const double *x, size_t n, double low, double high) {
  for (size_t k = 0; k < n; k++)
    if (!(x[k] >= low && x[k] <= high)) return false;
  return true;
}

bool moe_gate_stream_is_sound(const moe_gate_stream *s, const moe_fitted *f) {
  return s->steps >= 0 && s->rows >= 0 && isfinite(s->rows) &&
         (s->n_columns == f->n_features ||
          (s->n_columns == 0 && s->variance == NULL && s->factor == NULL)) &&
         (s->n_shares == f->n_outputs + 1 ||
          (s->n_shares == 0 && s->prior == NULL)) &&
         all_within(s->variance, s->n_columns, 0, 8 * LARGEST * LARGEST) &&
         all_within(s->factor, s->n_columns, 0, LARGEST) &&
         all_within(s->prior, s->n_shares, 0, 1);
}

/* ------------------------------------------------------------------ kernels
 */

enum { FARTHEST = 30 /* deviations from the mean */ };

static inline double limit(double x, double most) {
  x = x > most ? most : x;
  return x < -most ? -most : x;
}

/* x without holes, and no farther than steps can go. */
static MOE_RARE void fill(const double *restrict x, size_t d,
                          const double *restrict centre, double *restrict out) {
  for (size_t j = 0; j < d; j++)
    out[j] = limit(x[j] == x[j] ? x[j] : centre[j], LARGEST);
}

/* Counts x in means and variances where it has `share` of the weight so far,
   and finds x̂ and u. */
KERNEL void measure_all(const double *restrict x, double share,
                        const double *restrict factor, size_t d,
                        double *restrict mean, double *restrict variance,
                        double *restrict standard, double *restrict u) {
  double rest = 1 - share;
  for (size_t j = 0; j < d; j++) {
    double gap = limit(x[j] - mean[j], 2 * LARGEST); /* a fit's is any mean */
    double centre = mean[j] + share * gap;
    variance[j] = rest * (variance[j] + share * gap * gap);
    mean[j] = centre;
    standard[j] = limit((x[j] - centre) * factor[j], FARTHEST);
    u[j] = standard[j] * factor[j];
  }
}

typedef struct kernels {
  void (*measure)(const double *, double, const double *, size_t, double *,
                  double *, double *, double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                    \
  TARGET static void measure_##NAME(                                 \
      const double *x, double share, const double *factor, size_t d, \
      double *mean, double *variance, double *standard, double *u) { \
    measure_all(x, share, factor, d, mean, variance, standard, u);   \
  }                                                                  \
  static const kernels NAME = {measure_##NAME};

MOE_COMPILE_KERNELS

/* ------------------------------------------------------------------ answers
 */

static MOE_RARE moe_status fill_and_answer(moe_call *call, const moe_affine *a,
                                           const double *centre,
                                           const double *x, double *z) {
  size_t d = a->fitted.n_features;
  double *own;
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_SCRATCH(call, own, d);
  fill(x, d, centre, own);
  moe_affine_answer_one(a, own, z);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe_gate_logits(moe_call *call, const moe_affine *a,
                           const double *centre, const double *x, double *z) {
  return moe_affine_answer_one(a, x, z)
             ? MOE_OK
             : fill_and_answer(call, a, centre, x, z);
}

static void blend(const double *restrict v, size_t m, double *restrict q) {
  double rest = v[m];
  for (size_t e = 0; e < m; e++) q[e] = rest * q[e] + v[e];
}

void moe_gate_stream_answer(const moe_gate_stream *s, double *q, size_t n,
                            size_t m) {
  for (size_t i = 0; s->prior != NULL && i < n; i++)
    blend(s->prior, m, q + i * m);
}

/* ----------------------------------------------------------------- learning */

static moe_status take_weights(moe_call *call, const moe_gate_learner *g) {
  const moe_reals *given = &g->rule->weights;
  moe_affine *a = g->affine;
  size_t m = a->fitted.n_outputs, n = moe_size(m, a->fitted.n_features);
  if (given->items != NULL && given->n != n + m)
    return moe_fail(call, MOE_EPARAM,
                    "weights: for %zu experts and %zu columns %zu are needed, "
                    "got %zu",
                    m, a->fitted.n_features, n + m, given->n);
  MOE_TRY(moe_affine_prepare(call, a));
  if (given->items == NULL) return MOE_OK;
  memcpy(a->weights, given->items, n * sizeof *a->weights);
  memcpy(a->bias, given->items + n, m * sizeof *a->bias);
  return MOE_OK;
}

static moe_status ensure(moe_call *call, double **array, size_t n) {
  return *array != NULL ? MOE_OK
                        : moe_new_array(call, array, n, sizeof **array);
}

/* Both or none. */
static moe_status open_columns(moe_call *call, moe_gate_stream *s, size_t d) {
  double *variance;
  MOE_TRY(moe_new_array(call, &variance, d, sizeof *variance));
  if (moe_new_array(call, &s->factor, d, sizeof *s->factor) != MOE_OK) {
    moe_free(variance);
    return MOE_ENOMEM;
  }
  s->variance = variance;
  s->n_columns = d;
  return MOE_OK;
}

moe_status moe_gate_stream_open(moe_call *call, const moe_gate_learner *g) {
  moe_gate_stream *s = g->stream;
  moe_affine *a = g->affine;
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  if (a->weights == NULL) MOE_TRY(take_weights(call, g));
  moe_scale(a->left, a->weights, m * d);
  a->left = 1;
  MOE_TRY(ensure(call, g->centre, d));
  if (s->n_columns == 0) MOE_TRY(open_columns(call, s, d));
  if (g->rule->prior > 0 && s->prior == NULL) {
    MOE_TRY(ensure(call, &s->prior, m + 1));
    s->n_shares = m + 1;
    for (size_t e = 0; e <= m; e++) s->prior[e] = 1 / (double)(m + 1);
  }
  return ensure(call, &s->desk, desk_size(&a->fitted));
}

/* The rows of the weights about the means are left as they are. */
static void decay(const moe_gate_learner *g, double share) {
  moe_affine *a = g->affine;
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  double left = 1 / (1 + share);
  for (size_t e = 0; g->standardize && e < m; e++)
    a->bias[e] += (1 - left) * moe_dot(a->weights + e * d, *g->centre, d);
  moe_scale(left, a->weights, m * d);
}

static void find_factors(const moe_gate_stream *s, const double *mean,
                         size_t d) {
  for (size_t j = 0; j < d; j++) {
    double least = fmax(1e-12 * fabs(mean[j]), 1 / LARGEST);
    double deviation = sqrt(s->variance[j]);
    s->factor[j] = deviation > least ? 1 / deviation : 0;
  }
}

/* What need not be done for every sample; none of it changes an answer but by
   decay. */
static MOE_RARE void maintain(const moe_gate_learner *g, bool early) {
  moe_gate_stream *s = g->stream;
  if (g->standardize && s->steps >= FEW)
    find_factors(s, *g->centre, g->affine->fitted.n_features);
  if (g->rule->decay > 0)
    decay(g, g->rule->online_lr * g->rule->decay * (early ? 1 : SELDOM));
}

/* Where a step goes: u, 1 − uᵀμ and 1 + |x̂|². */
typedef struct direction {
  const double *u; /* n_features */
  double bias, length;
} direction;

/* Means and variances remember about MEMORY samples. */
static direction standardize(const moe_gate_learner *g, const double *x,
                             double weight, double *room) {
  moe_gate_stream *s = g->stream;
  size_t d = g->affine->fitted.n_features;
  double *u = room, *standard = room + d, *mean = *g->centre;
  s->rows = fmin(s->rows * (1 - 1.0 / MEMORY) + weight, DBL_MAX);
  best()->measure(x, weight / s->rows, s->factor, d, mean, s->variance,
                  standard, u);
  return (direction){.u = u,
                     .bias = 1 - moe_dot(u, mean, d),
                     .length = 1 + moe_dot(standard, standard, d)};
}

/* What a sample tells of the experts. */
typedef struct lesson {
  const double *q; /* softmax(z) */
  double *like;    /* exp(y − max y), 0 of who was not asked */
  double *asked;   /* 1, or 0 */
  double all;      /* Σ q over those asked */
  double joint;    /* Σ q like */
} lesson;

/* z becomes softmax(z), and what is behind it, of the same length, exp(y − max
   y). */
static void weigh(const double *restrict y, size_t m, double *restrict z) {
  double *like = z + m, most = -DBL_MAX, highest = -DBL_MAX;
  for (size_t e = 0; e < m; e++) {
    like[e] = y[e] == y[e] ? limit(y[e], DBL_MAX) : -INFINITY;
    most = like[e] > most ? like[e] : most;
    highest = z[e] > highest ? z[e] : highest;
  }
  for (size_t e = 0; e < m; e++) {
    like[e] -= most;
    z[e] -= highest;
  }
  moe_exp(z, 2 * m);
  moe_normalise(z, 1, m);
}

/* With the room for z, and three times as much behind it.  An answer that
   serves for softmax(z) is taken for it. */
static lesson prepare(const moe_gate_learner *g, const moe_example *e,
                      const double *x, double *z) {
  size_t m = g->affine->fitted.n_outputs;
  bool answered = e->answer != NULL && g->plain && g->stream->prior == NULL;
  lesson l = {answered ? e->answer : z, z + m, z + 2 * m, 0, 0};
  if (answered && g->rule->target == MOE_TARGET_BEST_EXPERT) return l;
  if (answered)
    memset(z, 0, m * sizeof *z);
  else
    moe_affine_answer_one(g->affine, x, z);
  weigh(e->y, m, z);
  for (size_t k = 0; k < m; k++) {
    l.asked[k] = e->y[k] == e->y[k];
    l.all += l.q[k] * l.asked[k];
    l.joint += l.q[k] * l.like[k];
  }
  return l;
}

/* q less the hard target. */
static bool find_hard_slope(const double *restrict y, const double *restrict q,
                            size_t m, double *restrict slope) {
  size_t best_one = 0;
  while (best_one < m && y[best_one] != y[best_one]) best_one++;
  for (size_t e = best_one; e < m; e++)
    if (y[e] > y[best_one]) best_one = e;
  for (size_t e = 0; e < m; e++) slope[e] = q[e];
  if (best_one < m) slope[best_one] -= 1;
  return best_one < m;
}

/* q − h. */
static bool find_soft_slope(const lesson *l, size_t m, double *restrict slope) {
  double whole = 1 / l->all, part = 1 / l->joint;
  if (!(l->joint > DBL_MIN)) return false;
  for (size_t e = 0; e < m; e++)
    slope[e] = l->q[e] * (whole * l->asked[e] - part * l->like[e]);
  return true;
}

/* How far a step goes. */
static double find_length(const moe_gate_rule *r, const direction *to,
                          double weight, const double *slope, size_t m) {
  double square = 0;
  for (size_t e = 0; r->clip > 0 && e < m; e++) square += slope[e] * slope[e];
  square *= weight * weight * to->length;
  if (square > r->clip * r->clip) weight *= r->clip / sqrt(square);
  double step = limit(r->online_lr * weight, LARGEST);
  return r->implicit ? step / (1 + step * to->length / 2) : step;
}

/* A step down the slope; `moved` becomes what it adds to the sample's z, if
   columns are as they come. */
static void descend(const moe_gate_learner *g, const direction *to,
                    double weight, double *restrict slope,
                    double *restrict moved) {
  moe_affine *a = g->affine;
  size_t m = a->fitted.n_outputs;
  double *restrict bias = a->bias;
  double step = find_length(g->rule, to, weight, slope, m);
  for (size_t e = 0; e < m; e++) {
    slope[e] *= -step;
    bias[e] += slope[e] * to->bias;
    moved[e] = slope[e] * to->length;
  }
  moe_add_product(slope, m, to->u, a->fitted.n_features, a->weights);
}

/* Those hypotheses are compared that say something of the experts asked; the
   shares of the others stay. */
static void follow(const moe_gate_rule *rule, const lesson *l, double weight,
                   size_t m, double *restrict v) {
  const double *restrict asked = l->asked;
  double *restrict like = l->like, power = rule->prior * weight;
  double kept = 1 - rule->share, even = rule->share / (double)(m + 1);
  double logits = l->joint / l->all, before = v[m], after = 0;
  if (!(l->joint > DBL_MIN)) return;
  if (power != 1) {
    logits = pow(logits, power);
    for (size_t e = 0; e < m; e++) like[e] = asked[e] * pow(like[e], power);
  }
  for (size_t e = 0; e < m; e++) {
    before += asked[e] * v[e];
    after += like[e] * v[e];
  }
  after += logits * v[m];
  if (!(after > DBL_MIN)) return;
  double scale = kept * (before / after);
  for (size_t e = 0; e < m; e++)
    v[e] = v[e] * (kept * (1 - asked[e]) + scale * like[e]) + even;
  v[m] = v[m] * (scale * logits) + even;
}

/* Whether a step changes the answer to its own sample by its move alone. */
static bool moves_only(const moe_gate_learner *g) {
  return g->plain && !g->standardize && g->stream->prior == NULL &&
         g->rule->decay == 0 && g->rule->online_lr > 0;
}

const double *moe_gate_stream_moved(const moe_gate_stream *s,
                                    const moe_fitted *f) {
  return s->moved && s->desk != NULL ? s->desk + 3 * f->n_features : NULL;
}

/* The sample's features as steps see them, in place or in that room. */
static const double *see(const moe_gate_learner *g, const moe_example *e,
                         double *room) {
  if (e->norm > 0 && e->norm < LARGEST * LARGEST) return e->x;
  fill(e->x, g->affine->fitted.n_features, *g->centre, room);
  return room;
}

moe_status moe_gate_learn_one(moe_call *call, const moe_gate_learner *g,
                              const moe_example *e) {
  moe_gate_stream *s = g->stream;
  size_t d = g->affine->fitted.n_features, m = g->affine->fitted.n_outputs;
  if (s->desk == NULL || (g->rule->prior > 0 && s->prior == NULL))
    MOE_TRY(moe_gate_stream_open(call, g));
  double *z = s->desk + 3 * d, *slope = z + 3 * m;
  const double *x = see(g, e, s->desk);
  lesson l = prepare(g, e, x, z);
  bool told = g->rule->target == MOE_TARGET_BEST_EXPERT
                  ? find_hard_slope(e->y, l.q, m, slope)
                  : find_soft_slope(&l, m, slope);
  s->steps++;
  direction to =
      g->standardize
          ? standardize(g, x, e->weight, s->desk + d)
          : (direction){x, 1, 1 + (x == e->x ? e->norm : moe_dot(x, x, d))};
  if (told && g->rule->online_lr > 0) descend(g, &to, e->weight, slope, z);
  s->moved = told && moves_only(g);
  if (s->prior != NULL) follow(g->rule, &l, e->weight, m, s->prior);
  if (s->steps <= EARLY || s->steps % SELDOM == 0)
    maintain(g, s->steps <= EARLY);
  return MOE_OK;
}

/* ------------------------------------------------------- experts come and go
 */

static moe_status widen(moe_call *call, double **array, size_t n) {
  double *wider = moe_resize(*array, n, sizeof *wider);
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for an expert");
  *array = wider;
  return MOE_OK;
}

/* Puts the mean of m rows of d among them. */
static void insert_mean(double *x, size_t m, size_t d, size_t position) {
  double *at = x + position * d;
  memmove(at + d, at, (m - position) * d * sizeof *at);
  memset(at, 0, d * sizeof *at);
  for (size_t e = 0; e <= m; e++)
    if (e != position) moe_axpy(1 / (double)m, x + e * d, at, d);
}

static void remove_row(double *x, size_t m, size_t d, size_t position) {
  double *at = x + position * d;
  memmove(at, at + d, (m - position - 1) * d * sizeof *at);
}

/* The desk is made anew by the next sample. */
static void clear_desk(moe_gate_stream *s) {
  moe_free(s->desk);
  s->desk = NULL;
}

moe_status moe_gate_stream_insert(moe_call *call, const moe_gate_learner *g,
                                  size_t position) {
  moe_gate_stream *s = g->stream;
  moe_affine *a = g->affine;
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  if (a->weights == NULL) return MOE_OK;
  MOE_TRY(widen(call, &a->weights, moe_size(m + 1, d)));
  MOE_TRY(widen(call, &a->bias, m + 1));
  if (s->prior != NULL) MOE_TRY(widen(call, &s->prior, m + 2));
  clear_desk(s);
  insert_mean(a->weights, m, d, position);
  insert_mean(a->bias, m, 1, position);
  if (s->prior == NULL) return MOE_OK;
  s->n_shares++;
  insert_mean(s->prior, m + 1, 1, position);
  s->prior[position] = g->rule->share / (double)(m + 2);
  moe_normalise(s->prior, 1, m + 2);
  return MOE_OK;
}

void moe_gate_stream_remove(const moe_gate_learner *g, size_t position) {
  moe_gate_stream *s = g->stream;
  moe_affine *a = g->affine;
  size_t m = a->fitted.n_outputs;
  if (a->weights == NULL) return;
  clear_desk(s);
  remove_row(a->weights, m, a->fitted.n_features, position);
  remove_row(a->bias, m, 1, position);
  if (s->prior == NULL) return;
  s->n_shares--;
  remove_row(s->prior, m + 1, 1, position);
  moe_normalise(s->prior, 1, m);
}
