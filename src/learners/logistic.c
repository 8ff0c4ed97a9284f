/* Multinomial logistic regression: p(class | x) = softmax(W x + b), with W and
   b least in Σ_i w_i · −log p(y_i | x_i) + l2/2 |W|² (L-BFGS for fit; row by
   row as online_rule.h says).  b is not penalised. Two classes have one vector,
   w_2 − w_1, and its length is what l2 penalises; so l2 = 1 is scikit-learn's C
   = 1 for any number of classes. */
#include "class_weight.h"
#include "online_rule.h"
#include "softmax_regression.h"
#include "vector.h"

typedef struct logistic_params {
  moe_rule_params rule;
  double l2, tol;
  int64_t max_iter;
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
    MOE_P_LIST(logistic_params, class_weight, MOE_WEIGHTS, 0, 1e300,
               "what the rows of a class count, by label; 1 where not named"),
    MOE_P_INT(logistic_params, max_iter, 1000, 1, 0x1p53,
              "most iterations of fit"),
    MOE_P_ABOVE(logistic_params, tol, 1e-7, 0, 1,
                "fit ends where no derivative of the mean log loss, by the "
                "weights of standardised columns, exceeds this"),
    MOE_P_RULE(0.1, false),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  return moe_online_visit(state, v);
}

/* ------------------------------------------------------------------ fitting */

static moe_status begin(moe_call *call, moe_job *job) {
  const logistic_params *p = job->object->params;
  moe_online *o = job->state;
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
                           .outputs = o->affine.fitted.n_outputs,
                           .l2 = p->l2,
                           .intercept = p->rule.intercept,
                           .max_iter = p->max_iter,
                           .tol = p->tol};
  MOE_TRY(moe_online_prepare(call, o, &p->rule));
  MOE_TRY(moe_online_count(call, o, &job->batch));
  return moe_softmax_fit_begin(call, &plan, &work->softmax);
}

static void export(moe_job *job) {
  logistic_work *work = job->work;
  moe_online *o = job->state;
  moe_softmax_fit_export(&work->softmax, &o->affine);
  moe_online_adopt(o);
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

static moe_rule rule_of(const moe_object *o) {
  const logistic_params *p = o->params;
  return (moe_rule){
      .own = &p->rule,
      .step = p->rule.step,
      .loss = MOE_LOSS_LOG,
      .l2 = moe_learner_fitted(o)->n_outputs == 2 ? 2 * p->l2 : p->l2,
      .class_weight = &p->class_weight};
}

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  const moe_rule rule = rule_of(o);
  return moe_online_learn(call, o, &rule, batch);
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  const moe_rule rule = rule_of(o);
  return moe_online_learn_one(call, o, &rule, s);
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  (void)call;
  moe_affine_answer_one(o->state, x, out);
  moe_softmax(out, 1, moe_learner_fitted(o)->n_outputs);
  return MOE_OK;
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
  return moe_affine_differentiate(call, o->state, batch, NULL,
                                  p->rule.intercept, &moe_class_loss, loss,
                                  gradient);
}

static const moe_gauge gauges[] = {MOE_AFFINE_GAUGES{0}};

const moe_learner_type moe_logistic = {
    .type = {.name = "logistic",
             .family = "learner",
             .doc = "Multinomial logistic regression with an L2 penalty: "
                    "L-BFGS to convergence for fit, small steps row by row.",
             .params_size = sizeof(logistic_params),
             .state_size = sizeof(moe_online),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = moe_online_check},
    .traits =
        MOE_CLASSIFIES | MOE_TAKES_SPARSE | MOE_ONLINE | MOE_DIFFERENTIABLE,
    .job_size = sizeof(logistic_work),
    .begin = begin,
    .step = step,
    .commit = export,
    .end = end,
    .open = moe_online_open,
    .learn = learn,
    .learn_one = learn_one,
    .predict_one = predict_one,
    .add_class = moe_online_add_class,
    .contribute = moe_affine_contribute,
    .predict = predict,
    .n_weights = moe_affine_n_weights,
    .get_weights = moe_affine_get_weights,
    .set_weights = moe_online_set_weights,
    .differentiate = differentiate};
