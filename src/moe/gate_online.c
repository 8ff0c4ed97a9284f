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
  return 2 * f->n_features + 4 * f->n_outputs;
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
         (s->n_columns == 0 || s->n_columns == f->n_features) &&
         (s->n_shares == 0 || s->n_shares == f->n_outputs + 1) &&
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

KERNEL void fill_all(const double *restrict x, size_t d,
                     const double *restrict centre, double *restrict out) {
  for (size_t j = 0; j < d; j++)
    out[j] = limit(x[j] == x[j] ? x[j] : centre[j], LARGEST);
}

/* Counts x in means and variances where it has `share` of the weight so far; it
   becomes u, and `standard` x̂. */
KERNEL void measure_all(double share, const double *restrict factor, size_t d,
                        double *restrict mean, double *restrict variance,
                        double *restrict x, double *restrict standard) {
  double rest = 1 - share;
  for (size_t j = 0; j < d; j++) {
    double gap = limit(x[j] - mean[j], 2 * LARGEST); /* a fit's is any mean */
    double centre = mean[j] + share * gap;
    variance[j] = rest * (variance[j] + share * gap * gap);
    mean[j] = centre;
    standard[j] = limit((x[j] - centre) * factor[j], FARTHEST);
    x[j] = standard[j] * factor[j];
  }
}

enum { QUAD = 4, TOGETHER = 4 /* rows of W that share a pass over x */ };

/* Some rows of W times x, each sum in the order of moe_dot, so with its bits.
 */
KERNEL void multiply_rows(const double *restrict w, int rows,
                          const double *restrict x, size_t d,
                          double *restrict z) {
  moe_quad low[TOGETHER] = {{0}}, high[TOGETHER] = {{0}};
  double rest[TOGETHER] = {0};
  size_t j = 0;
  for (; j + 2 * QUAD <= d; j += 2 * QUAD)
    for (int e = 0; e < rows; e++) {
      const double *at = w + (size_t)e * d + j;
      low[e] += MOE_QUAD(at) * MOE_QUAD(x + j);
      high[e] += MOE_QUAD(at + QUAD) * MOE_QUAD(x + j + QUAD);
    }
  for (; j < d; j++)
    for (int e = 0; e < rows; e++) rest[e] += w[(size_t)e * d + j] * x[j];
  for (int e = 0; e < rows; e++) {
    moe_quad sum = low[e] + high[e];
    z[e] = moe_quad_sum(&sum) + rest[e];
  }
}

/* z = W x (m×d times d). */
KERNEL void multiply_all(const double *restrict w, size_t m,
                         const double *restrict x, size_t d,
                         double *restrict z) {
  size_t e = 0;
  for (; e + TOGETHER <= m; e += TOGETHER)
    multiply_rows(w + e * d, TOGETHER, x, d, z + e);
  for (; e < m; e++) multiply_rows(w + e * d, 1, x, d, z + e);
}

/* Some rows of W += r uᵀ. */
KERNEL void add_rows(const double *restrict r, int rows,
                     const double *restrict u, size_t d, double *restrict w) {
  size_t j = 0;
  for (; j + QUAD <= d; j += QUAD)
    for (int e = 0; e < rows; e++)
      *(moe_quad *)(w + (size_t)e * d + j) += r[e] * MOE_QUAD(u + j);
  if (j == d) return;
  for (; j < d; j++)
    for (int e = 0; e < rows; e++) w[(size_t)e * d + j] += r[e] * u[j];
}

/* W (m×d) += r uᵀ. */
KERNEL void add_product(const double *restrict r, size_t m,
                        const double *restrict u, size_t d,
                        double *restrict w) {
  size_t e = 0;
  for (; e + TOGETHER <= m; e += TOGETHER)
    add_rows(r + e, TOGETHER, u, d, w + e * d);
  for (; e < m; e++) add_rows(r + e, 1, u, d, w + e * d);
}

typedef struct kernels {
  void (*fill)(const double *, size_t, const double *, double *);
  void (*measure)(double, const double *, size_t, double *, double *, double *,
                  double *);
  void (*multiply)(const double *, size_t, const double *, size_t, double *);
  void (*add)(const double *, size_t, const double *, size_t, double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                             \
  TARGET static void fill_##NAME(const double *x, size_t d,                   \
                                 const double *centre, double *out) {         \
    fill_all(x, d, centre, out);                                              \
  }                                                                           \
  TARGET static void measure_##NAME(double share, const double *factor,       \
                                    size_t d, double *mean, double *variance, \
                                    double *x, double *standard) {            \
    measure_all(share, factor, d, mean, variance, x, standard);               \
  }                                                                           \
  TARGET static void multiply_##NAME(const double *w, size_t m,               \
                                     const double *x, size_t d, double *z) {  \
    multiply_all(w, m, x, d, z);                                              \
  }                                                                           \
  TARGET static void add_##NAME(const double *r, size_t m, const double *u,   \
                                size_t d, double *w) {                        \
    add_product(r, m, u, d, w);                                               \
  }                                                                           \
  static const kernels NAME = {fill_##NAME, measure_##NAME, multiply_##NAME,  \
                               add_##NAME};

MOE_COMPILE_KERNELS

/* ------------------------------------------------------------------ answers
 */

/* False where a value is missing, and with it an answer. */
static bool find_logits(const moe_affine *a, const double *x, double *z) {
  const double *restrict bias = a->bias, left = a->left;
  size_t m = a->fitted.n_outputs;
  double sum = 0;
  best()->multiply(a->weights, m, x, a->fitted.n_features, z);
  for (size_t e = 0; e < m; e++) {
    sum += z[e];
    z[e] = moe_affine_limit(z[e] * left + bias[e]);
  }
  return sum == sum;
}

moe_status moe_gate_logits(moe_call *call, const moe_affine *a,
                           const double *centre, const double *x, double *z) {
  size_t d = a->fitted.n_features;
  double *own;
  if (find_logits(a, x, z)) return MOE_OK;
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_SCRATCH(call, own, d);
  best()->fill(x, d, centre, own);
  find_logits(a, own, z);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

void moe_gate_stream_answer(const moe_gate_stream *s, double *q, size_t n,
                            size_t m) {
  const double *v = s->prior;
  for (size_t i = 0; v != NULL && i < n; i++, q += m)
    for (size_t e = 0; e < m; e++) q[e] = v[m] * q[e] + v[e];
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

moe_status moe_gate_stream_open(moe_call *call, const moe_gate_learner *g) {
  moe_gate_stream *s = g->stream;
  moe_affine *a = g->affine;
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  if (a->weights == NULL) MOE_TRY(take_weights(call, g));
  moe_scale(a->left, a->weights, m * d);
  a->left = 1;
  MOE_TRY(ensure(call, g->centre, d));
  MOE_TRY(ensure(call, &s->variance, d));
  MOE_TRY(ensure(call, &s->factor, d));
  s->n_columns = d;
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
static void maintain(const moe_gate_learner *g) {
  moe_gate_stream *s = g->stream;
  moe_affine *a = g->affine;
  bool early = s->steps <= EARLY;
  if (!early && s->steps % SELDOM != 0) return;
  if (g->standardize && s->steps >= FEW)
    find_factors(s, *g->centre, a->fitted.n_features);
  if (g->rule->decay > 0)
    decay(g, g->rule->online_lr * g->rule->decay * (early ? 1 : SELDOM));
}

/* Where a step goes: u, in the place of x, 1 − uᵀμ and 1 + |x̂|². */
typedef struct direction {
  double *u; /* n_features, and behind it room for as many */
  double bias, length;
} direction;

/* Means and variances remember about MEMORY samples. */
static void find_direction(const moe_gate_learner *g, double weight,
                           direction *to) {
  moe_gate_stream *s = g->stream;
  size_t d = g->affine->fitted.n_features;
  double *standard = to->u + d, *mean = *g->centre;
  if (!g->standardize) {
    to->length = 1 + moe_dot(to->u, to->u, d);
    return;
  }
  s->rows = fmin(s->rows * (1 - 1.0 / MEMORY) + weight, DBL_MAX);
  best()->measure(weight / s->rows, s->factor, d, mean, s->variance, to->u,
                  standard);
  to->bias = 1 - moe_dot(to->u, mean, d);
  to->length = 1 + moe_dot(standard, standard, d);
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
    find_logits(g->affine, x, z);
  weigh(e->y, m, z);
  for (size_t k = 0; k < m; k++) {
    l.asked[k] = e->y[k] == e->y[k];
    l.all += l.q[k] * l.asked[k];
    l.joint += l.q[k] * l.like[k];
  }
  return l;
}

/* q less the hard target. */
static bool find_hard_slope(const double *y, const double *q, size_t m,
                            double *restrict slope) {
  size_t best_one = m;
  double most = -INFINITY;
  for (size_t e = 0; e < m; e++) {
    slope[e] = q[e];
    if (!(y[e] > most || (y[e] == y[e] && best_one == m))) continue;
    best_one = e;
    most = y[e];
  }
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

/* A step down the slope. */
static void descend(const moe_gate_learner *g, const direction *to,
                    double weight, double *restrict slope) {
  moe_affine *a = g->affine;
  const moe_gate_rule *r = g->rule;
  size_t m = a->fitted.n_outputs;
  double *restrict bias = a->bias;
  if (r->clip > 0) {
    double square = 0;
    for (size_t e = 0; e < m; e++) square += slope[e] * slope[e];
    square *= weight * weight * to->length;
    if (square > r->clip * r->clip) weight *= r->clip / sqrt(square);
  }
  double step = limit(r->online_lr * weight, LARGEST);
  if (r->implicit) step /= 1 + step * to->length / 2;
  for (size_t e = 0; e < m; e++) {
    slope[e] *= -step;
    bias[e] += slope[e] * to->bias;
  }
  best()->add(slope, m, to->u, a->fitted.n_features, a->weights);
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
  return s->moved && s->desk != NULL ? s->desk + 2 * f->n_features : NULL;
}

moe_status moe_gate_learn_one(moe_call *call, const moe_gate_learner *g,
                              const moe_example *e) {
  moe_gate_stream *s = g->stream;
  size_t d = g->affine->fitted.n_features, m = g->affine->fitted.n_outputs;
  if (s->desk == NULL || (g->rule->prior > 0 && s->prior == NULL))
    MOE_TRY(moe_gate_stream_open(call, g));
  double *x = s->desk, *z = x + 2 * d, *slope = z + 3 * m;
  direction to = {x, 1, 1};
  best()->fill(e->x, d, *g->centre, x);
  lesson l = prepare(g, e, x, z);
  bool told = g->rule->target == MOE_TARGET_BEST_EXPERT
                  ? find_hard_slope(e->y, l.q, m, slope)
                  : find_soft_slope(&l, m, slope);
  s->steps++;
  find_direction(g, e->weight, &to);
  if (told && g->rule->online_lr > 0) descend(g, &to, e->weight, slope);
  s->moved = told && moves_only(g);
  for (size_t k = 0; s->moved && k < m; k++) z[k] = slope[k] * to.length;
  if (s->prior != NULL) follow(g->rule, &l, e->weight, m, s->prior);
  maintain(g);
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
