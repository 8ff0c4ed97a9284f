/* A multi-layer perceptron: affine maps with an activation between them,
   trained by Adam on mini-batches to the cross-entropy of a softmax, or to half
   the squared error of standardised targets.  Row by row it takes one step of
   Adam a row. */
#include "neural_fit.h"
#include "vector.h"

typedef struct mlp_params {
  int task;
  moe_neural_config network;
} mlp_params;

static const moe_param params[] = {
    MOE_P_TASK(mlp_params), MOE_P_NEURAL(mlp_params), {0}};

static moe_status visit(void *state, moe_visitor *v) {
  return moe_neural_visit(state, v);
}

static moe_neural_plan plan_of(const moe_object *o, moe_task task) {
  const mlp_params *p = o->params;
  return moe_neural_plan_of(
      &p->network, task == MOE_REGRESSION ? moe_squared_loss : moe_class_loss);
}

static moe_status begin(moe_call *call, moe_job *job) {
  moe_neural_plan plan = plan_of(job->object, job->batch.y->task);
  return moe_neural_fit_begin(call, &plan, job->state, &job->batch, job->work);
}

static moe_status step(moe_call *call, moe_job *job) {
  moe_neural_fit *fit = job->work;
  if (job->warm) fit->start = job->object->state;
  return moe_neural_fit_step(call, fit, job);
}

static void commit(moe_job *job) { moe_neural_fit_export(job->work); }

static void end(moe_job *job) { moe_neural_fit_end(job->work); }

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  moe_neural_plan plan = plan_of(o, batch->y->task);
  return moe_neural_learn(call, o->state, &plan.rule, batch);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const moe_neural *a = o->state;
  MOE_TRY(moe_neural_apply(call, a, x, out));
  if (a->fitted.task == MOE_CLASSIFICATION)
    moe_softmax(out, x->n, a->fitted.n_outputs);
  return MOE_OK;
}

static moe_status differentiate(moe_call *call, const moe_object *o,
                                const moe_batch *batch, double *loss,
                                double *gradient) {
  moe_neural_plan plan = plan_of(o, batch->y->task);
  return moe_neural_differentiate(call, o->state, batch, &plan.rule.loss, loss,
                                  gradient);
}

const moe_learner_type moe_mlp = {
    .type = {.name = "mlp",
             .family = "learner",
             .doc = "A multi-layer perceptron for classes or numbers, trained "
                    "by Adam.",
             .params_size = sizeof(mlp_params),
             .state_size = sizeof(moe_neural),
             .params = params,
             .visit = visit,
             .check = moe_neural_check,
             .rebuild = moe_neural_rebuild},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_SPARSE | MOE_ONLINE |
              MOE_DIFFERENTIABLE,
    .job_size = sizeof(moe_neural_fit),
    .begin = begin,
    .step = step,
    .commit = commit,
    .end = end,
    .learn = learn,
    .add_class = moe_neural_add_class,
    .predict = predict,
    .n_weights = moe_neural_n_weights,
    .get_weights = moe_neural_get_weights,
    .set_weights = moe_neural_set_weights,
    .differentiate = differentiate};
