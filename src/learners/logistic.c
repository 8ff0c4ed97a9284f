/* Multinomial logistic regression: p(class | x) = softmax(W x + b), with W and
   b least in Σ_i w_i · −log p(y_i | x_i) + l2/2 |W|² (L-BFGS for fit,
   stochastic gradients for learn_one).  b is not penalised. Two classes have
   one vector, w_2 − w_1, and its length is what l2 penalises; so l2 = 1 is
   scikit-learn's C = 1 for any number of classes. */
#include <math.h>

#include "class_weight.h"
#include "softmax_regression.h"
#include "vector.h"

typedef struct logistic_params {
  double l2, tol, lr;
  int64_t max_iter;
  bool intercept;
  moe_weights class_weight;
} logistic_params;

typedef struct logistic_work {
  moe_softmax_fit softmax;
  moe_batch batch;
  double *weight; /* one a source row, class weights included; or NULL */
} logistic_work;

static const moe_param params[] = {
    MOE_P_REAL(logistic_params, l2, 1, 0, 1e300,
               "strength of the penalty l2/2 |W|² on the sum of log losses"),
    MOE_P_FLAG(logistic_params, intercept, true,
               "whether each class has a bias, which is not penalised"),
    MOE_P_LIST(logistic_params, class_weight, MOE_WEIGHTS, 0, 1e300,
               "what the rows of a class count, by label; 1 where not named"),
    MOE_P_INT(logistic_params, max_iter, 1000, 1, 0x1p53,
              "most iterations of fit"),
    MOE_P_ABOVE(logistic_params, tol, 1e-7, 0, 1,
                "fit ends where no derivative of the mean log loss, by the "
                "weights of standardised columns, exceeds this"),
    MOE_P_ABOVE(logistic_params, lr, 0.1, 0, 1e300,
                "step of learn_one and partial_fit"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  return moe_affine_visit(state, v);
}

/* ------------------------------------------------------------------ fitting */

static moe_status begin(moe_call *call, moe_job *job) {
  const logistic_params *p = job->object->params;
  moe_affine *a = job->state;
  logistic_work *work = job->work;
  work->batch = job->batch;
  if (p->class_weight.n > 0) {
    moe_class_weight_note(job, &p->class_weight);
    MOE_TRY(moe_new_array(call, &work->weight, job->batch.y->n,
                          sizeof *work->weight));
    MOE_TRY(moe_class_weight_apply(call, &p->class_weight, &job->batch,
                                   work->weight));
    work->batch.weight = work->weight;
  }
  moe_softmax_plan plan = {.batch = &work->batch,
                           .outputs = a->fitted.n_outputs,
                           .l2 = p->l2,
                           .intercept = p->intercept,
                           .max_iter = p->max_iter,
                           .tol = p->tol};
  MOE_TRY(moe_affine_prepare(call, a));
  return moe_softmax_fit_begin(call, &plan, &work->softmax);
}

static void export(moe_job *job) {
  logistic_work *work = job->work;
  moe_softmax_fit_export(&work->softmax, job->state);
}

static moe_status step(moe_call *call, moe_job *job) {
  logistic_work *work = job->work;
  MOE_TRY(moe_softmax_fit_step(call, &work->softmax, job));
  if (job->done) export(job);
  return MOE_OK;
}

static void end(moe_job *job) {
  logistic_work *work = job->work;
  moe_softmax_fit_end(&work->softmax);
  moe_free(work->weight);
}

/* ----------------------------------------------------------- row by row, use
 */

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  const logistic_params *p = o->params;
  moe_affine *a = o->state;
  moe_batch own = *batch;
  double *weight;
  moe_affine_rule rule = {.lr = p->lr,
                          .l2 = a->fitted.n_outputs == 2 ? 2 * p->l2 : p->l2,
                          .curvature = 0.5,
                          .intercept = p->intercept,
                          .loss = &moe_class_loss};
  if (p->class_weight.n > 0) {
    MOE_SCRATCH(call, weight, batch->y->n);
    MOE_TRY(moe_class_weight_apply(call, &p->class_weight, batch, weight));
    own.weight = weight;
  }
  return moe_affine_learn(call, a, &own, &rule);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const moe_affine *a = o->state;
  MOE_TRY(moe_affine_apply(call, a, x, NULL, out));
  moe_softmax(out, x->n, a->fitted.n_outputs);
  return MOE_OK;
}

static moe_status differentiate(moe_call *call, const moe_object *o,
                                const moe_batch *batch, double *loss,
                                double *gradient) {
  const logistic_params *p = o->params;
  return moe_affine_differentiate(call, o->state, batch, NULL, p->intercept,
                                  &moe_class_loss, loss, gradient);
}

static const moe_gauge gauges[] = {MOE_AFFINE_GAUGES{0}};

const moe_learner_type moe_logistic = {
    .type = {.name = "logistic",
             .family = "learner",
             .doc = "Multinomial logistic regression with an L2 penalty: "
                    "L-BFGS to convergence for fit, stochastic gradients row "
                    "by row.",
             .params_size = sizeof(logistic_params),
             .state_size = sizeof(moe_affine),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = moe_affine_check},
    .traits =
        MOE_CLASSIFIES | MOE_TAKES_SPARSE | MOE_ONLINE | MOE_DIFFERENTIABLE,
    .job_size = sizeof(logistic_work),
    .begin = begin,
    .step = step,
    .commit = export,
    .end = end,
    .learn = learn,
    .add_class = moe_affine_add_class,
    .contribute = moe_affine_contribute,
    .predict = predict,
    .n_weights = moe_affine_n_weights,
    .get_weights = moe_affine_get_weights,
    .set_weights = moe_affine_set_weights,
    .differentiate = differentiate};
