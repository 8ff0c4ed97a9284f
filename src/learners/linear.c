/* Linear regression: y = W x + b, with W and b least in
     ½ Σ_i w_i |W x_i + b − y_i|² + l2/2 |W|²
   (exact for fit, stochastic gradients for learn_one).  b is not penalised. */
#include "least_squares.h"

typedef struct linear_params {
  double l2, lr;
  bool intercept;
} linear_params;

static const moe_param params[] = {
    MOE_P_REAL(linear_params, l2, 0, 0, 1e300,
               "strength of the penalty l2/2 |W|² on half the squared errors"),
    MOE_P_FLAG(linear_params, intercept, true,
               "whether there is a bias, which is not penalised"),
    MOE_P_ABOVE(linear_params, lr, 0.01, 0, 1e300,
                "step of learn_one and partial_fit"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  return moe_affine_visit(state, v);
}

static moe_status begin(moe_call *call, moe_job *job) {
  const linear_params *p = job->object->params;
  moe_affine *a = job->state;
  moe_sweep_plan plan = {.batch = &job->batch,
                         .outputs = a->fitted.n_outputs,
                         .intercept = p->intercept,
                         .l2 = p->l2,
                         .curvature = 1};
  MOE_TRY(moe_affine_prepare(call, a));
  return moe_least_squares_begin(call, &plan, job->work);
}

static void export(moe_job *job) {
  moe_least_squares_export(job->work, job->state);
}

/* Sums of squares may be beyond any number where targets or weights are huge.
 */
static moe_status step(moe_call *call, moe_job *job) {
  MOE_TRY(moe_least_squares_step(call, job->work, job));
  if (!job->done) return MOE_OK;
  export(job);
  if (moe_affine_is_finite(job->state)) return MOE_OK;
  return moe_fail(call, MOE_EDATA,
                  "linear: features, targets or weights are too large to be "
                  "added up");
}

static void end(moe_job *job) { moe_least_squares_end(job->work); }

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  const linear_params *p = o->params;
  moe_affine_rule rule = {.lr = p->lr,
                          .l2 = p->l2,
                          .curvature = 1,
                          .intercept = p->intercept,
                          .loss = &moe_squared_loss};
  return moe_affine_learn(call, o->state, batch, &rule);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  return moe_affine_apply(call, o->state, x, NULL, out);
}

static moe_status differentiate(moe_call *call, const moe_object *o,
                                const moe_batch *batch, double *loss,
                                double *gradient) {
  const linear_params *p = o->params;
  return moe_affine_differentiate(call, o->state, batch, NULL, p->intercept,
                                  &moe_squared_loss, loss, gradient);
}

static const moe_gauge gauges[] = {MOE_AFFINE_GAUGES{0}};

const moe_learner_type moe_linear = {
    .type = {.name = "linear",
             .family = "learner",
             .doc = "Linear regression of one or several targets, least "
                    "squares or ridge: exact for fit, stochastic gradients row "
                    "by row.",
             .params_size = sizeof(linear_params),
             .state_size = sizeof(moe_affine),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = moe_affine_check},
    .traits = MOE_REGRESSES | MOE_MULTI_OUTPUT | MOE_TAKES_SPARSE | MOE_ONLINE |
              MOE_DIFFERENTIABLE,
    .job_size = sizeof(moe_least_squares),
    .begin = begin,
    .step = step,
    .commit = export,
    .end = end,
    .learn = learn,
    .contribute = moe_affine_contribute,
    .predict = predict,
    .n_weights = moe_affine_n_weights,
    .get_weights = moe_affine_get_weights,
    .set_weights = moe_affine_set_weights,
    .differentiate = differentiate};
