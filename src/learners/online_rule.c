#include "online_rule.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "class_weight.h"
#include "vector.h"

/* Squares of what is within these limits are finite. */
#define STEEPEST 1e150
#define FARTHEST_SQUARED 1e300

const char *const moe_step_choices[] = {"implicit", "sgd", "adagrad", "adam",
                                        NULL};
const char *const moe_penalty_choices[] = {"none", "l2", "l1", "elastic_net",
                                           NULL};

/* The state of the object whose lines learn, and a sample as they see it. */
typedef struct learning {
  moe_online *online;
  const moe_rule *rule;
  double *w, *b; /* m × d, m: the affine part's, or the state's own */
  size_t m, d;
  const double *x;            /* d; or … */
  const moe_entries *entries; /* … what is not 0, else NULL */
  const moe_example *example; /* its target and its answer */
  double weight, norm;        /* of the sample; |x|² */
} learning;

/* ------------------------------------------------------------------ the state
 */

static moe_status new_if(moe_call *call, bool needed, double **out, size_t n) {
  if (!needed || *out != NULL) return MOE_OK;
  return moe_new_array(call, out, n, sizeof **out);
}

static int count_moments(int step) {
  return step == MOE_STEP_ADAM ? 2 : step == MOE_STEP_ADAGRAD;
}

static size_t work_size(const moe_online *o) {
  const moe_fitted *f = &o->affine.fitted;
  return 2 * f->n_outputs + (o->standardized ? f->n_features : 0);
}

/* Those of another step, which may have been set since, are of no use to it. */
static moe_status prepare_moments(moe_call *call, moe_online *o, int moments,
                                  size_t n) {
  for (int k = 0; k < moments; k++)
    MOE_TRY(new_if(call, true, &o->moment[k], n));
  if (moments == 0 || o->n_moments == moments) return MOE_OK;
  for (int k = moments; k < o->n_moments; k++) {
    moe_free(o->moment[k]);
    o->moment[k] = NULL;
  }
  for (int k = 0; k < moments; k++)
    memset(o->moment[k], 0, n * sizeof *o->moment[k]);
  o->n_moments = moments;
  o->steps = 0;
  return MOE_OK;
}

moe_status moe_online_prepare(moe_call *call, moe_online *o,
                              const moe_rule_params *p) {
  size_t m = o->affine.fitted.n_outputs, d = o->affine.fitted.n_features;
  bool fresh = o->affine.bias == NULL;
  MOE_TRY(moe_affine_prepare(call, &o->affine));
  if (fresh) o->standardized = p->standardize;
  if (o->standardized) MOE_TRY(moe_running_prepare(call, &o->scale, d));
  MOE_TRY(new_if(call, o->standardized, &o->own, moe_size(m, d)));
  MOE_TRY(new_if(call, o->standardized, &o->own_bias, m));
  MOE_TRY(prepare_moments(call, o, count_moments(p->step), moe_size(m, d + 1)));
  return new_if(call, true, &o->work, work_size(o));
}

moe_status moe_online_open(moe_call *call, moe_object *o) {
  return moe_online_prepare(call, o->state, o->params);
}

moe_status moe_online_visit(moe_online *o, moe_visitor *v) {
  MOE_TRY(moe_affine_visit(&o->affine, v));
  size_t m = o->affine.fitted.n_outputs, d = o->affine.fitted.n_features;
  MOE_TRY(moe_visit_scalar(v, "standardized", MOE_U8, &o->standardized));
  MOE_TRY(moe_visit_scalar(v, "n_moments", MOE_I32, &o->n_moments));
  MOE_TRY(moe_visit_scalar(v, "rows", MOE_F64, &o->rows));
  MOE_TRY(moe_visit_scalar(v, "steps", MOE_F64, &o->steps));
  size_t own = o->standardized ? m : 0;
  MOE_TRY(moe_visit_array(v, "own", MOE_F64, &o->own, moe_size(own, d)));
  MOE_TRY(moe_visit_array(v, "own_bias", MOE_F64, &o->own_bias, own));
  MOE_TRY(moe_running_visit(&o->scale, v, o->standardized ? d : 0));
  static const char *const names[] = {"first_moment", "second_moment"};
  for (int k = 0; k < 2; k++)
    MOE_TRY(moe_visit_array(v, names[k], MOE_F64, &o->moment[k],
                            k < o->n_moments ? moe_size(m, d + 1) : 0));
  return moe_visit_derived(v, "work", MOE_F64, &o->work, work_size(o));
}

static bool all_finite(const double *x, size_t n) {
  for (size_t j = 0; x != NULL && j < n; j++)
    if (!isfinite(x[j])) return false;
  return true;
}

static bool is_sound(const moe_online *o) {
  size_t m = o->affine.fitted.n_outputs, d = o->affine.fitted.n_features;
  bool counts = o->n_moments >= 0 && o->n_moments <= 2 && o->rows >= 0 &&
                o->steps >= 0 && isfinite(o->rows) && isfinite(o->steps);
  if (!counts || !moe_affine_is_finite(&o->affine)) return false;
  for (int k = 0; k < o->n_moments; k++)
    if (!all_finite(o->moment[k], m * (d + 1))) return false;
  const double *squares = o->n_moments > 0 ? o->moment[o->n_moments - 1] : NULL;
  for (size_t j = 0; squares != NULL && j < m * (d + 1); j++)
    if (squares[j] < 0) return false;
  return all_finite(o->own, m * d) && all_finite(o->own_bias, m) &&
         moe_running_is_sound(&o->scale, o->standardized ? d : 0);
}

moe_status moe_online_check(moe_call *call, const moe_object *o) {
  if (is_sound(o->state)) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "%s: a weight is not finite",
                  o->type->name);
}

/* A row of zeros among `rows` rows of d, where there is an array. */
static moe_status insert_row(moe_call *call, double **array, size_t rows,
                             size_t d, size_t position) {
  double *wider, *at;
  if (*array == NULL) return MOE_OK;
  wider = moe_resize(*array, moe_size(rows + 1, d), sizeof *wider);
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a class");
  *array = wider;
  at = wider + position * d;
  memmove(at + d, at, (rows - position) * d * sizeof *at);
  memset(at, 0, d * sizeof *at);
  return MOE_OK;
}

moe_status moe_online_add_class(moe_call *call, moe_object *object,
                                size_t position) {
  moe_online *o = object->state;
  size_t m = o->affine.fitted.n_outputs, d = o->affine.fitted.n_features;
  MOE_TRY(moe_online_prepare(call, o, object->params));
  moe_free(o->work);
  o->work = NULL; /* made again when it is needed */
  MOE_TRY(insert_row(call, &o->own, m, d, position));
  MOE_TRY(insert_row(call, &o->own_bias, m, 1, position));
  for (int k = 0; k < 2; k++)
    MOE_TRY(insert_row(call, &o->moment[k], m, d + 1, position));
  return moe_affine_add_class(call, object, position);
}

/* --------------------------------------------------------------------- losses
   Each turns the outputs z (of MOE_LOSS_LOG their softmax) into the derivatives
   r; of losses with a corner `gap` becomes, for each output, how long a step
   gets there, times |x|². */

typedef struct loss {
  void (*residual)(const learning *q, double *z, double *gap);
  double curvature; /* 0: there is a corner */
} loss;

static void squared(const learning *q, double *z, double *gap) {
  (void)gap;
  for (size_t c = 0; c < q->m; c++) z[c] -= q->example->y[c];
}

static void huber(const learning *q, double *z, double *gap) {
  double delta = q->rule->tolerance;
  (void)gap;
  for (size_t c = 0; c < q->m; c++) {
    double e = z[c] - q->example->y[c];
    z[c] = e > delta ? delta : e < -delta ? -delta : e;
  }
}

static void epsilon(const learning *q, double *z, double *gap) {
  for (size_t c = 0; c < q->m; c++) {
    double e = z[c] - q->example->y[c];
    gap[c] = fabs(e) - q->rule->tolerance;
    z[c] = gap[c] <= 0 ? 0 : e > 0 ? 1 : -1;
  }
}

static void quantile(const learning *q, double *z, double *gap) {
  double level = q->rule->tolerance;
  for (size_t c = 0; c < q->m; c++) {
    double e = z[c] - q->example->y[c];
    z[c] = e > 0 ? 1 - level : e < 0 ? -level : 0;
    gap[c] = e != 0 ? e / z[c] : 0;
  }
}

static void logarithmic(const learning *q, double *z, double *gap) {
  (void)gap;
  z[q->example->id] -= 1;
}

static void hinge(const learning *q, double *z, double *gap) {
  size_t y = (size_t)q->example->id, other = q->m;
  for (size_t c = 0; c < q->m; c++)
    if (c != y && (other == q->m || z[c] > z[other])) other = c;
  double lack = other < q->m ? 1 - (z[y] - z[other]) : 0;
  memset(z, 0, q->m * sizeof *z);
  if (lack <= 0) return;
  z[y] = -0.5;
  z[other] = 0.5;
  gap[y] = gap[other] = lack;
}

static const loss losses[] = {
    [MOE_LOSS_SQUARED] = {squared, 1},   [MOE_LOSS_HUBER] = {huber, 1},
    [MOE_LOSS_EPSILON] = {epsilon, 0},   [MOE_LOSS_QUANTILE] = {quantile, 0},
    [MOE_LOSS_LOG] = {logarithmic, 0.5}, [MOE_LOSS_HINGE] = {hinge, 0}};

/* ---------------------------------------------------------------------- steps
 */

/* The length s of a step along −r x where the loss bends, and where it has a
   corner, which is `gap` away. */
static double find_smooth_length(double lr, int step, double curvature,
                                 double weight, double norm) {
  double free = lr * weight;
  if (step != MOE_STEP_IMPLICIT) return free;
  return 1 / (1 / free + curvature * (1 + norm));
}

static double find_corner_length(const learning *q, double gap) {
  const moe_rule *rule = q->rule;
  double free = rule->own->lr * q->weight, limit = rule->limit * q->weight;
  double norm = q->norm + (rule->own->intercept ? 1 : 0), corner = gap / norm;
  if (rule->step == MOE_STEP_IMPLICIT) return corner < free ? corner : free;
  if (rule->step != MOE_STEP_PASSIVE) return free;
  if (rule->variant == MOE_PASSIVE_2) return gap / (norm + 0.5 / limit);
  return rule->variant == MOE_PASSIVE || corner < limit ? corner : limit;
}

static double find_length(const learning *q, double gap) {
  double curvature = losses[q->rule->loss].curvature;
  if (curvature == 0) return find_corner_length(q, gap);
  return find_smooth_length(q->rule->own->lr, q->rule->step, curvature,
                            q->weight, q->norm);
}

static void add_row(const learning *q, double factor, double *w) {
  const moe_entries *e = q->entries;
  if (e == NULL) {
    moe_axpy(factor, q->x, w, q->d);
    return;
  }
  for (size_t k = 0; k < e->n; k++)
    w[e->index[k]] += factor * (double)e->value[k];
}

/* A step that would not be finite is not taken. */
static bool is_far(double change, double norm) {
  return !(change * change * (1 + norm) < FARTHEST_SQUARED);
}

static void go(learning *q, const double *r, const double *gap) {
  double left = q->online->affine.left;
  for (size_t c = 0; c < q->m; c++) {
    double change = r[c] != 0 ? -find_length(q, gap[c]) * r[c] : 0;
    if (change == 0 || is_far(change, q->norm)) continue;
    add_row(q, change / left, q->w + c * q->d);
    if (q->rule->own->intercept) q->b[c] += change;
  }
}

static double limit_slope(double g) {
  g = g > -STEEPEST ? g : -STEEPEST; /* NaN too */
  return g < STEEPEST ? g : STEEPEST;
}

/* w −= lr g / √Σ g² for each of n weights, with g = r x; likewise Adam's. */
static void step_adagrad(double lr, double r, const double *restrict x,
                         double *restrict sum, double *restrict w, size_t n) {
  for (size_t j = 0; j < n; j++) {
    double g = limit_slope(r * x[j]), total = sum[j] + g * g;
    sum[j] = total < FARTHEST_SQUARED ? total : FARTHEST_SQUARED;
    w[j] -= lr * g / (sqrt(sum[j]) + 1e-10);
  }
}

static void step_adam(double lr, double root, double r,
                      const double *restrict x, double *restrict first,
                      double *restrict second, double *restrict w, size_t n) {
  for (size_t j = 0; j < n; j++) {
    double g = limit_slope(r * x[j]);
    first[j] = 0.9 * first[j] + 0.1 * g;
    second[j] = 0.999 * second[j] + 0.001 * g * g;
    w[j] -= lr * first[j] / (sqrt(second[j]) / root + 1e-8);
  }
}

static void adapt_weights(const learning *q, double lr, double r,
                          const double *x, size_t at, double *w, size_t n) {
  const moe_online *o = q->online;
  double *first = o->moment[0] + at;
  if (q->rule->step == MOE_STEP_ADAGRAD) {
    step_adagrad(lr, r, x, first, w, n);
    return;
  }
  step_adam(lr / (1 - pow(0.9, o->steps)), sqrt(1 - pow(0.999, o->steps)), r, x,
            first, o->moment[1] + at, w, n);
}

static void adapt(learning *q, const double *r) {
  const double one = 1;
  double lr = q->rule->own->lr < STEEPEST ? q->rule->own->lr : STEEPEST;
  q->online->steps++;
  for (size_t c = 0; c < q->m; c++) {
    double slope = limit_slope(q->weight * r[c]);
    size_t at = c * (q->d + 1);
    adapt_weights(q, lr / q->online->affine.left, slope, q->x, at,
                  q->w + c * q->d, q->d);
    if (q->rule->own->intercept)
      adapt_weights(q, lr, slope, &one, at + q->d, &q->b[c], 1);
  }
}

/* ------------------------------------------------------------------ penalties
 */

static double l1_part(const moe_rule_params *p) {
  return p->penalty == MOE_PENALTY_L1        ? 1
         : p->penalty == MOE_PENALTY_ELASTIC ? p->l1_ratio
                                             : 0;
}

static double l1_of(const moe_rule_params *p) {
  return p->penalty == MOE_PENALTY_NONE ? 0 : p->alpha * l1_part(p);
}

static double l2_of(const moe_rule_params *p) {
  return p->penalty == MOE_PENALTY_NONE ? 0 : p->alpha * (1 - l1_part(p));
}

static void shrink(learning *q) {
  const moe_rule_params *p = q->rule->own;
  moe_affine *a = &q->online->affine;
  double share = p->lr * l2_of(p), all = p->lr * q->rule->l2 / q->online->rows;
  if (q->rule->step == MOE_STEP_IMPLICIT)
    a->left /= 1 + share;
  else
    a->left *= share < 1 ? 1 - share : 0;
  a->left /= 1 + all;
  if (a->left > 1e-100) return;
  moe_scale(a->left, q->w, q->m * q->d);
  a->left = 1;
}

/* Each weight by `far` towards 0. */
static void threshold(double far, double *w, size_t n) {
  for (size_t j = 0; j < n; j++) {
    double rest = fabs(w[j]) - far;
    w[j] = rest > 0 ? copysign(rest, w[j]) : 0;
  }
}

/* -------------------------------------------------------------- single samples
 */

static double multiply(const learning *q, const double *w) {
  double sum = 0;
  const moe_entries *e = q->entries;
  if (e == NULL) return moe_dot(q->x, w, q->d);
  for (size_t k = 0; k < e->n; k++) sum += (double)e->value[k] * w[e->index[k]];
  return sum;
}

static double find_norm(const learning *q) {
  double sum = 0;
  const moe_entries *e = q->entries;
  if (e == NULL) return moe_dot(q->x, q->x, q->d);
  for (size_t k = 0; k < e->n; k++)
    sum += (double)e->value[k] * (double)e->value[k];
  return sum;
}

/* z, or softmax(z) where the loss is of that. */
static void answer(const learning *q, double *z) {
  const double *known = q->example->answer;
  bool classes = q->rule->loss == MOE_LOSS_LOG;
  if (known != NULL && !q->online->standardized &&
      q->rule->loss != MOE_LOSS_HINGE) {
    memcpy(z, known, q->m * sizeof *z);
    return;
  }
  for (size_t c = 0; c < q->m; c++)
    z[c] = moe_affine_limit(
        multiply(q, q->w + c * q->d) * q->online->affine.left + q->b[c]);
  if (classes) moe_softmax(z, 1, q->m);
}

static double find_weight(const learning *q) {
  const moe_weights *all = q->rule->class_weight;
  double weight = q->example->weight;
  if (all == NULL || all->n == 0) return weight;
  const moe_labels *labels = &q->online->affine.fitted.labels;
  return weight * moe_class_weight_of(all, &labels->items[q->example->id]);
}

static void take(learning *q) {
  const moe_rule_params *p = q->rule->own;
  double *z = q->online->work, *gap = z + q->m;
  bool adaptive = count_moments(q->rule->step) > 0;
  q->online->rows++;
  q->norm = find_norm(q);
  answer(q, z);
  losses[q->rule->loss].residual(q, z, gap);
  if (p->penalty != MOE_PENALTY_NONE || q->rule->l2 > 0) shrink(q);
  if (adaptive)
    adapt(q, z);
  else
    go(q, z, gap);
  if (l1_of(p) > 0)
    threshold(p->lr * l1_of(p) / q->online->affine.left, q->w, q->m * q->d);
}

/* W and b of raw columns, from the weights of standardised ones. */
static void unscale(moe_online *o) {
  moe_affine *a = &o->affine;
  size_t m = a->fitted.n_outputs, d = a->fitted.n_features;
  for (size_t c = 0; c < m; c++) {
    const double *own = o->own + c * d;
    double *w = a->weights + c * d;
    for (size_t j = 0; j < d; j++) w[j] = own[j] * o->scale.factor[j];
    double centre = a->left * moe_dot(w, o->scale.mean, d);
    a->bias[c] = o->own_bias[c] - (isfinite(centre) ? centre : 0);
  }
}

static void scale_down(moe_online *o) {
  moe_affine *a = &o->affine;
  size_t m = a->fitted.n_outputs, d = a->fitted.n_features;
  for (size_t c = 0; c < m; c++) {
    const double *w = a->weights + c * d;
    double *own = o->own + c * d;
    double centre = a->left * moe_dot(w, o->scale.mean, d);
    for (size_t j = 0; j < d; j++)
      own[j] = o->scale.factor[j] > 0 ? w[j] / o->scale.factor[j] : 0;
    o->own_bias[c] = a->bias[c] + (isfinite(centre) ? centre : 0);
  }
}

/* The sample as the weights see it, in the work's last part. */
static void standardize(learning *q) {
  moe_online *o = q->online;
  double *x = o->work + 2 * q->m;
  moe_running_count(&o->scale, q->x, q->weight, q->d);
  moe_running_apply(&o->scale, q->x, q->d, x);
  q->x = x;
  q->w = o->own;
  q->b = o->own_bias;
}

static void learn(learning *q, const moe_example *s) {
  moe_online *o = q->online;
  q->example = s;
  q->weight = find_weight(q);
  if (q->weight <= 0) return;
  if (!o->standardized) {
    take(q);
    return;
  }
  standardize(q);
  take(q);
  unscale(o);
}

static learning begin(moe_online *o, const moe_rule *rule) {
  return (learning){.online = o,
                    .rule = rule,
                    .w = o->affine.weights,
                    .b = o->affine.bias,
                    .m = o->affine.fitted.n_outputs,
                    .d = o->affine.fitted.n_features};
}

static moe_line line_of(moe_online *o, const moe_rule_params *p) {
  moe_affine *a = &o->affine;
  return (moe_line){.weights = a->weights,
                    .bias = a->bias,
                    .rows = &o->rows,
                    .n_seen = &a->fitted.n_seen,
                    .lr = p->lr,
                    .damping = p->step == MOE_STEP_IMPLICIT ? 1 : 0,
                    .intercept = p->intercept};
}

void moe_online_learn_plain(moe_online *o, const moe_rule_params *p,
                            const moe_example *s) {
  size_t d = o->affine.fitted.n_features;
  const moe_line_sample sample = {s->x, d, moe_example_norm(s, d)};
  const moe_line line = line_of(o, p);
  double z;
  if (s->answer != NULL)
    z = *s->answer;
  else
    moe_affine_answer_one(&o->affine, s->x, &z);
  moe_line_learn(&line, &sample, s->weight, z - *s->y);
}

bool moe_online_lay_open(moe_online *o, const moe_rule_params *p,
                         moe_line *out) {
  moe_intake *in = &o->affine.fitted.intake;
  if (!moe_online_is_plain(o, p) || in->spreads) return false;
  *out = line_of(o, p);
  if (!in->open || in->keeps_holes) return true;
  out->mean = in->mean;
  out->counted = &in->rows;
  return true;
}

moe_status moe_online_learn_one(moe_call *call, moe_object *object,
                                const moe_rule *rule, const moe_example *s) {
  moe_online *o = object->state;
  if (rule->loss == MOE_LOSS_SQUARED && rule->l2 == 0 &&
      rule->step == rule->own->step && moe_online_is_plain(o, rule->own)) {
    moe_online_learn_plain(o, rule->own, s);
    return MOE_OK;
  }
  MOE_TRY(moe_online_prepare(call, o, rule->own));
  learning q = begin(o, rule);
  q.x = s->x;
  learn(&q, s);
  return MOE_OK;
}

/* ----------------------------------------------------------------------
 * batches
 */

/* The rule leaves alone the weights of columns that are 0. */
static bool is_sparse(const moe_online *o, const moe_rule *rule) {
  return !o->standardized && l1_of(rule->own) == 0 &&
         count_moments(rule->step) == 0;
}

static void learn_sparse(moe_online *o, const moe_rule *rule,
                         const moe_batch *b) {
  const moe_target *y = b->y;
  learning q = begin(o, rule);
  for (size_t i = 0; i < b->x.n; i++) {
    size_t at = moe_rows_at(&b->x, i);
    moe_entries entries = moe_rows_entries(&b->x, i);
    moe_example s = {.weight = moe_batch_weight(b, i)};
    if (y->ids != NULL) s.id = y->ids[at];
    if (y->values != NULL) s.y = y->values + at * y->width;
    q.entries = &entries;
    learn(&q, &s);
  }
}

moe_status moe_online_learn(moe_call *call, moe_object *object,
                            const moe_rule *rule, const moe_batch *batch) {
  moe_online *o = object->state;
  MOE_TRY(moe_online_prepare(call, o, rule->own));
  if (batch->x.source != MOE_FROM_CSR || !is_sparse(o, rule))
    return moe_stream_learn(call, object, batch);
  learn_sparse(o, rule, batch);
  return MOE_OK;
}

moe_status moe_online_count(moe_call *call, moe_online *o,
                            const moe_batch *batch) {
  moe_scratch_mark mark = moe_scratch_now(call);
  double *x;
  if (!o->standardized) return MOE_OK;
  MOE_SCRATCH(call, x, batch->x.d);
  for (size_t i = 0; i < batch->x.n; i++) {
    double weight = moe_batch_weight(batch, i);
    moe_rows_doubles(&batch->x, i, 1, x);
    if (weight > 0) moe_running_count(&o->scale, x, weight, batch->x.d);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

void moe_online_adopt(moe_online *o) {
  o->rows = (double)o->affine.fitted.n_seen;
  if (o->standardized) scale_down(o);
}

void moe_online_set_weights(moe_object *object, const double *in) {
  moe_affine_set_weights(object, in);
  if (((moe_online *)object->state)->standardized) scale_down(object->state);
}
