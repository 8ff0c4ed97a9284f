/* Recursive least squares with forgetting: W and b least in
     Σ_i λ^(n−i) w_i |y_i − W x_i − b|² + λ^n (|W|² + |b|²) / delta
   after each of the n samples, exactly (Plackett 1950; Bierman 1977 for the
   form that stays positive), and what that says of the answer's uncertainty:
     variance = s² (1 + zᵀ P z),  z = (x, 1)
   with P the weights' covariance over the noise's variance, which s², the
   running mean of squared errors, stands for.  Adaptive forgetting learns
   faster for a while after errors larger than usual. */
#include <math.h>
#include <string.h>

#include "affine.h"
#include "recursive.h"
#include "vector.h"

/* What is forgotten where samples no longer tell anything ends here, times
   delta; errors and weights beyond these limits teach nothing. */
#define MOST_UNKNOWN 1e4
#define FARTHEST 1e150
#define FARTHEST_SQUARED 1e300

/* Adaptive forgetting: the running means' share, how many times the usual error
   one counts as, within limits, and how much less of λ is left for each. */
#define SHARE 0.01
#define LEAST_RATIO 0.1
#define MOST_RATIO 10
#define PER_RATIO 0.001
#define LEAST_FORGETTING 0.95

typedef struct rls_params {
  double forgetting, delta;
  bool adaptive, intercept;
} rls_params;

typedef struct rls {
  moe_affine affine;
  double *unit, *spread; /* P, as recursive.h has it */
  double *error;         /* n_outputs: running means of squared errors … */
  double usual;          /* … and of absolute ones, of all outputs */
  double forgetting;     /* λ of the newest sample */
  double *residual;      /* derived: n_outputs … */
  double *work;          /* … and z and the gain */
} rls;

static const moe_param params[] = {
    MOE_P_REAL(rls_params, forgetting, 0.999, 0.5, 1,
               "what a sample counts once the next has come (1: no less)"),
    MOE_P_FLAG(rls_params, adaptive, true,
               "whether more is forgotten after errors larger than usual"),
    MOE_P_ABOVE(rls_params, delta, 100, 0, 1e100,
                "variance of a weight before anything was learned, over the "
                "noise's: the penalty on |W|² is its inverse"),
    MOE_P_FLAG(rls_params, intercept, true, "whether there is a bias"),
    {0}};

/* ------------------------------------------------------------------ the state
 */

/* Weights of an output, the bias among them. */
static size_t count_weights(const rls *r) {
  return r->affine.fitted.n_features + 1;
}

static size_t work_size(const rls *r) {
  size_t n = count_weights(r);
  return moe_recursive_width(n) + moe_recursive_room(n);
}

static moe_status visit(void *state, moe_visitor *v) {
  rls *r = state;
  MOE_TRY(moe_affine_visit(&r->affine, v));
  size_t n = count_weights(r), width = moe_recursive_width(n);
  MOE_TRY(moe_visit_array(v, "unit", MOE_F64, &r->unit, moe_recursive_size(n)));
  MOE_TRY(moe_visit_array(v, "spread", MOE_F64, &r->spread, width));
  MOE_TRY(moe_visit_array(v, "error", MOE_F64, &r->error,
                          r->affine.fitted.n_outputs));
  MOE_TRY(moe_visit_scalar(v, "usual", MOE_F64, &r->usual));
  MOE_TRY(moe_visit_scalar(v, "forgetting", MOE_F64, &r->forgetting));
  MOE_TRY(moe_visit_derived(v, "residual", MOE_F64, &r->residual,
                            r->affine.fitted.n_outputs));
  return moe_visit_derived(v, "work", MOE_F64, &r->work, work_size(r));
}

static moe_recursive covariance_of(const rls *r) {
  return (moe_recursive){count_weights(r), r->unit, r->spread};
}

static moe_status prepare(moe_call *call, rls *r, const rls_params *p) {
  size_t n = count_weights(r), m = r->affine.fitted.n_outputs;
  if (r->work != NULL) return MOE_OK;
  MOE_TRY(moe_affine_prepare(call, &r->affine));
  if (r->error == NULL)
    MOE_TRY(moe_new_array(call, &r->error, m, sizeof *r->error));
  if (r->spread == NULL)
    MOE_TRY(moe_new_array(call, &r->spread, moe_recursive_width(n),
                          sizeof *r->spread));
  if (r->unit == NULL) {
    MOE_TRY(
        moe_new_array(call, &r->unit, moe_recursive_size(n), sizeof *r->unit));
    moe_recursive covariance = covariance_of(r);
    moe_recursive_start(&covariance, p->delta);
    r->forgetting = p->forgetting;
  }
  MOE_TRY(moe_recursive_align(call, &r->unit, moe_recursive_size(n)));
  if (r->residual == NULL)
    MOE_TRY(moe_new_array(call, &r->residual, m, sizeof *r->residual));
  MOE_TRY(moe_new_array(call, &r->work, work_size(r), sizeof *r->work));
  return moe_recursive_align(call, &r->work, work_size(r));
}

static bool all_finite(const double *x, size_t n) {
  for (size_t j = 0; j < n; j++)
    if (!isfinite(x[j])) return false;
  return true;
}

static moe_status check(moe_call *call, const moe_object *o) {
  const rls *r = o->state;
  size_t n = count_weights(r), width = moe_recursive_width(n);
  bool sound = moe_affine_is_finite(&r->affine) && isfinite(r->usual) &&
               r->forgetting > 0 && r->forgetting <= 1 &&
               all_finite(r->unit, moe_recursive_size(n)) &&
               all_finite(r->spread, width) &&
               all_finite(r->error, r->affine.fitted.n_outputs);
  for (size_t j = 0; sound && j < width; j++) sound = r->spread[j] >= 0;
  if (sound) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "rls: its numbers are not finite");
}

/* ------------------------------------------------------------------- learning
 */

static double within(double x, double low, double high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

/* Takes down the error of an output, and tells its size. */
static inline double note(rls *r, const moe_example *s, size_t c, double answer,
                          double share) {
  double error = moe_affine_limit(s->y[c] - answer);
  double e = within(error, -FARTHEST, FARTHEST);
  r->residual[c] = error;
  r->error[c] = (1 - share) * r->error[c] + share * (e * e);
  return fabs(e);
}

/* The mean size of the errors, which it takes down.  A single one stays in a
   register, as all else waits for it. */
static double find_errors(rls *r, const moe_example *s, double share) {
  size_t m = r->affine.fitted.n_outputs;
  double only, size = 0;
  if (m == 1) {
    if (s->answer != NULL)
      only = *s->answer;
    else
      moe_affine_answer_one(&r->affine, s->x, &only);
    return note(r, s, 0, only, share);
  }
  const double *answer = s->answer;
  if (answer == NULL) {
    moe_affine_answer_one(&r->affine, s->x, r->residual);
    answer = r->residual;
  }
  for (size_t c = 0; c < m; c++) size += note(r, s, c, answer[c], share);
  return size / (double)m;
}

/* `each` as many times as this is the usual error, which it becomes a little.
   The size is limited rather than the ratio, so that no processor guesses what
   that is, and nothing divides by what waits for it. */
static double compare(rls *r, double size, double share, double each) {
  double usual = (1 - share) * r->usual + share * size;
  r->usual = usual;
  if (!(usual > 1e-15)) return each;
  double limited = within(size, LEAST_RATIO * usual, MOST_RATIO * usual);
  return limited * (each / usual);
}

/* The larger the error, the more of the past is forgotten. */
static double forget(const rls_params *p, double excess) {
  double least =
      p->forgetting < LEAST_FORGETTING ? p->forgetting : LEAST_FORGETTING;
  return within(p->forgetting * (1 + PER_RATIO) - excess, least, 1);
}

/* Weights that would not be finite are not taken. */
static void move(rls *r, const double *error, const double *gain,
                 double length) {
  moe_affine *a = &r->affine;
  size_t d = a->fitted.n_features;
  for (size_t c = 0; c < a->fitted.n_outputs; c++) {
    if (!(error[c] * error[c] * length < FARTHEST_SQUARED)) continue;
    moe_axpy(error[c], gain, a->weights + c * d, d);
    a->bias[c] += error[c] * gain[d];
  }
}

/* z = (x, 1) where there is a bias, the numbers behind it 0.  What stands there
   is not written again, as it could not be read with its neighbours soon. */
static const double *extend(rls *r, const rls_params *p, const double *x) {
  size_t d = r->affine.fitted.n_features;
  double one = p->intercept ? 1 : 0;
  memcpy(r->work, x, d * sizeof *x);
  if (r->work[d] != one) r->work[d] = one;
  return r->work;
}

/* What is divided by the weight waits for nothing.  A row of little weight is
   of little effect.  The features are copied first, while no number has to be
   put by for the call. */
static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  const rls_params *p = o->params;
  rls *r = o->state;
  MOE_TRY(prepare(call, r, p));
  const double *z = extend(r, p, s->x);
  double weight = s->weight < 1 ? s->weight : 1, share = SHARE * weight;
  double noisy = within(1 / s->weight, 2e-300, 1e300), length;
  double *gain = r->work + moe_recursive_width(count_weights(r));
  moe_recursive covariance = covariance_of(r);
  double size = find_errors(r, s, share);
  double excess = compare(r, size, share, p->forgetting * PER_RATIO);
  r->forgetting = p->adaptive ? forget(p, excess) : p->forgetting;
  double kept = r->forgetting * weight + (1 - weight);
  if (moe_recursive_learn(&covariance, z, kept * noisy, kept, p->delta,
                          p->delta * MOST_UNKNOWN, gain, &length))
    move(r, r->residual, gain, length);
  return MOE_OK;
}

/* -------------------------------------------------------------------- answers
 */

static moe_status open_stream(moe_call *call, moe_object *o) {
  return prepare(call, o->state, o->params);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  return moe_affine_apply(call, o->state, x, NULL, out);
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const rls *r = o->state;
  (void)call;
  moe_affine_answer_one(&r->affine, x, out);
  return MOE_OK;
}

static moe_status variance(moe_call *call, const moe_object *o,
                           const moe_rows *x, double *out) {
  const rls_params *p = o->params;
  const rls *r = o->state;
  size_t d = r->affine.fitted.n_features, m = r->affine.fitted.n_outputs;
  const moe_recursive covariance = covariance_of(r);
  moe_scratch_mark mark = moe_scratch_now(call);
  double *z;
  MOE_SCRATCH(call, z, moe_recursive_width(d + 1));
  for (size_t i = 0; i < x->n; i++, out += m) {
    moe_rows_doubles(x, i, 1, z);
    z[d] = p->intercept ? 1 : 0;
    double spread = 1 + moe_recursive_variance(&covariance, z);
    for (size_t c = 0; c < m; c++)
      out[c] = within(r->error[c] * spread, 0, DBL_MAX);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status read_forgetting(moe_call *call, const moe_object *o,
                                  moe_value *out) {
  const rls *r = o->state;
  (void)call;
  *out = r != NULL && r->unit != NULL ? moe_number_value(r->forgetting)
                                      : moe_text_value(NULL);
  return MOE_OK;
}

static moe_status read_error(moe_call *call, const moe_object *o,
                             moe_value *out) {
  const rls *r = o->state;
  *out = moe_text_value(NULL);
  if (r == NULL || r->error == NULL) return MOE_OK;
  size_t m = r->affine.fitted.n_outputs;
  if (m == 1) {
    *out = moe_number_value(r->error[0]);
    return MOE_OK;
  }
  MOE_TRY(moe_list_value(call, m, out));
  for (size_t c = 0; c < m; c++) out->items[c] = moe_number_value(r->error[c]);
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    MOE_AFFINE_GAUGES{"forgetting", "what the newest sample was kept by",
                      read_forgetting},
    {"squared_error", "the running mean of squared errors, for each output",
     read_error},
    {0}};

const moe_learner_type moe_rls = {
    .type = {.name = "rls",
             .family = "learner",
             .doc = "Recursive least squares with fixed or adaptive "
                    "forgetting: linear regression that is exact after every "
                    "sample, with prediction intervals.",
             .params_size = sizeof(rls_params),
             .state_size = sizeof(rls),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check},
    .traits = MOE_REGRESSES | MOE_MULTI_OUTPUT | MOE_ONLINE,
    .open = open_stream,
    .begin = moe_stream_begin,
    .step = moe_stream_step,
    .learn = moe_stream_learn,
    .learn_one = learn_one,
    .predict = predict,
    .predict_one = predict_one,
    .variance = variance,
    .contribute = moe_affine_contribute};
