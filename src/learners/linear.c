/* Linear regression: y = W x + b, with W and b least in
     ½ Σ_i w_i |W x_i + b − y_i|² + l2/2 |W|²
   (exact for fit), or with another loss or row by row as online_rule.h says.  b
   is not penalised. */
#include "least_squares.h"
#include "online_rule.h"

typedef struct linear_params {
  moe_rule_params rule;
  double l2, delta, epsilon, quantile;
  int loss;
} linear_params;

static const char *const loss_choices[] = {
    "squared", "huber", "epsilon_insensitive", "quantile", NULL};

static const moe_param params[] = {
    MOE_P_REAL(linear_params, l2, 0, 0, 1e300,
               "strength of the penalty l2/2 |W|² on half the squared errors"),
    MOE_P_CHOICE(linear_params, loss, MOE_LOSS_SQUARED, loss_choices,
                 "what is to be small; fit is exact for squared, and one pass "
                 "of learn_one over the rows for the others"),
    MOE_P_ABOVE(linear_params, delta, 1, 0, 1e300,
                "where the huber loss becomes linear"),
    MOE_P_REAL(linear_params, epsilon, 0.1, 0, 1e300,
               "the error that the epsilon_insensitive loss does not count"),
    MOE_P_REAL(linear_params, quantile, 0.5, 0, 1,
               "what the quantile loss predicts"),
    MOE_P_RULE(0.01, false),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  return moe_online_visit(state, v);
}

static bool is_exact(const moe_object *o) {
  return ((const linear_params *)o->params)->loss == MOE_LOSS_SQUARED;
}

static moe_status begin(moe_call *call, moe_job *job) {
  const linear_params *p = job->object->params;
  moe_online *o = job->state;
  moe_sweep_plan plan = {.batch = &job->batch,
                         .outputs = o->affine.fitted.n_outputs,
                         .intercept = p->rule.intercept,
                         .l2 = p->l2,
                         .curvature = 1};
  MOE_TRY(moe_online_prepare(call, o, &p->rule));
  if (!is_exact(job->object)) return moe_stream_begin(call, job);
  MOE_TRY(moe_online_count(call, o, &job->batch));
  return moe_least_squares_begin(call, &plan, job->work);
}

static void export(moe_job *job) {
  moe_online *o = job->state;
  if (!is_exact(job->object)) return;
  moe_least_squares_export(job->work, &o->affine);
  moe_online_adopt(o);
}

/* Sums of squares may be beyond any number where targets or weights are huge.
 */
static moe_status step(moe_call *call, moe_job *job) {
  if (!is_exact(job->object)) return moe_stream_step(call, job);
  MOE_TRY(moe_least_squares_step(call, job->work, job));
  if (!job->done) return MOE_OK;
  export(job);
  if (moe_affine_is_finite(job->state)) return MOE_OK;
  return moe_fail(call, MOE_EDATA,
                  "linear: features, targets or weights are too large to be "
                  "added up");
}

static void end(moe_job *job) { moe_least_squares_end(job->work); }

static double tolerance_of(const linear_params *p) {
  return p->loss == MOE_LOSS_HUBER      ? p->delta
         : p->loss == MOE_LOSS_QUANTILE ? p->quantile
                                        : p->epsilon;
}

static moe_rule rule_of(const moe_object *o) {
  const linear_params *p = o->params;
  return (moe_rule){.own = &p->rule,
                    .step = p->rule.step,
                    .loss = p->loss,
                    .tolerance = is_exact(o) ? 0 : tolerance_of(p),
                    .l2 = p->l2};
}

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  const moe_rule rule = rule_of(o);
  return moe_online_learn(call, o, &rule, batch);
}

static MOE_RARE moe_status learn_generally(moe_call *call, moe_object *o,
                                           const moe_example *s) {
  const moe_rule rule = rule_of(o);
  return moe_online_learn_one(call, o, &rule, s);
}

static inline bool is_plain(const moe_object *o) {
  const linear_params *p = o->params;
  return is_exact(o) && p->l2 == 0 && moe_online_is_plain(o->state, &p->rule);
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  if (!is_plain(o)) return learn_generally(call, o, s);
  moe_online_learn_plain(o->state, o->params, s);
  return MOE_OK;
}

static bool lay_open(moe_object *o, moe_line *out) {
  return is_plain(o) && moe_online_lay_open(o->state, o->params, out);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  return moe_affine_apply(call, o->state, x, NULL, out);
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  (void)call;
  moe_affine_answer_one(o->state, x, out);
  return MOE_OK;
}

static moe_status differentiate(moe_call *call, const moe_object *o,
                                const moe_batch *batch, double *loss,
                                double *gradient) {
  const linear_params *p = o->params;
  return moe_affine_differentiate(call, o->state, batch, NULL,
                                  p->rule.intercept, &moe_squared_loss, loss,
                                  gradient);
}

static const moe_gauge gauges[] = {MOE_AFFINE_GAUGES{0}};

const moe_learner_type moe_linear = {
    .type = {.name = "linear",
             .family = "learner",
             .doc = "Linear regression of one or several targets, least "
                    "squares or ridge: exact for fit, small steps row by row.",
             .params_size = sizeof(linear_params),
             .state_size = sizeof(moe_online),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = moe_online_check},
    .traits = MOE_REGRESSES | MOE_MULTI_OUTPUT | MOE_TAKES_SPARSE | MOE_ONLINE |
              MOE_DIFFERENTIABLE,
    .job_size = sizeof(moe_least_squares),
    .begin = begin,
    .step = step,
    .commit = export,
    .end = end,
    .open = moe_online_open,
    .learn = learn,
    .learn_one = learn_one,
    .lay_open = lay_open,
    .predict_one = predict_one,
    .contribute = moe_affine_contribute,
    .predict = predict,
    .n_weights = moe_affine_n_weights,
    .get_weights = moe_affine_get_weights,
    .set_weights = moe_online_set_weights,
    .differentiate = differentiate};
