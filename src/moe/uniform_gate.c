/* Weighs every expert the same, whatever the row: the plain average, and what a
   learned gate is compared with. */
#include "gate.h"

static const moe_param params[] = {{0}};

static moe_status visit(void *state, moe_visitor *v) {
  return moe_fitted_visit(state, v);
}

static moe_status begin(moe_call *call, moe_job *job) {
  (void)call;
  (void)job;
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  (void)call;
  job->done = true;
  return MOE_OK;
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const moe_fitted *f = o->state;
  (void)call;
  for (size_t k = 0; k < x->n * f->n_outputs; k++)
    out[k] = 1 / (double)f->n_outputs;
  return MOE_OK;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const moe_rows row =
      moe_rows_of_doubles(x, 1, moe_learner_fitted(o)->n_features);
  return predict(call, o, &row, out);
}

const moe_learner_type moe_uniform_gate = {
    .type = {.name = "uniform",
             .family = "gate",
             .doc = "The same weight for every expert.",
             .params_size = 0,
             .state_size = sizeof(moe_fitted),
             .params = params,
             .visit = visit},
    .traits = MOE_GATES | MOE_TAKES_SPARSE | MOE_TAKES_MISSING |
              MOE_TAKES_NOMINAL | MOE_ONLINE,
    .begin = begin,
    .step = step,
    .learn = moe_stream_learn,
    .predict_one = predict_one,
    .learn_one = moe_gate_learn_nothing,
    .add_class = moe_gate_add_nothing,
    .remove_class = moe_gate_remove_nothing,
    .predict = predict};
