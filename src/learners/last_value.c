/* Predicts that the next target is the last one, whatever the row: what learns
   from a stream whose targets persist has to beat this.  A class's probability
   is the share of the samples so far that were of the class before them,
     (repeats + 1) / (samples + 2),
   but more than any other's, and the others have equal parts of the rest. */
#include <math.h>
#include <string.h>

#include "learner.h"

typedef struct last_value_params {
  int task;
} last_value_params;

typedef struct last_value {
  moe_fitted fitted;
  int64_t last;   /* 0 before the first sample, 1 + its class, or 1 */
  double *value;  /* regression: n_outputs, or NULL before the first */
  double repeats; /* weight of the samples of the class before them … */
  double weight;  /* … and of all that had one before them */
} last_value;

static const moe_param params[] = {MOE_P_TASK(last_value_params), {0}};

static moe_status visit(void *state, moe_visitor *v) {
  last_value *m = state;
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "last", MOE_I64, &m->last));
  if (m->fitted.task == MOE_REGRESSION)
    return moe_visit_array(v, "value", MOE_F64, &m->value,
                           m->last > 0 ? m->fitted.n_outputs : 0);
  MOE_TRY(moe_visit_scalar(v, "repeats", MOE_F64, &m->repeats));
  return moe_visit_scalar(v, "weight", MOE_F64, &m->weight);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const last_value *m = o->state;
  bool good = m->repeats >= 0 && m->repeats <= m->weight &&
              isfinite(m->weight) && m->last >= 0 &&
              m->last <= (int64_t)m->fitted.n_outputs;
  for (size_t k = 0; good && m->value != NULL && k < m->fitted.n_outputs; k++)
    good = isfinite(m->value[k]);
  if (good) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "last_value: its last is not usable");
}

/* Weights beyond that count as that, so that no sum of them is infinite. */
static double limited(double weight) { return fmin(weight, 1e300); }

static void follow_class(last_value *m, int32_t id, double weight) {
  double w = limited(weight);
  if (m->last > 0 && m->weight < 1e300) {
    m->weight += w;
    if (m->last == id + 1) m->repeats += w;
  }
  m->last = id + 1;
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  last_value *m = o->state;
  size_t n = m->fitted.n_outputs;
  if (m->fitted.task == MOE_CLASSIFICATION) {
    follow_class(m, s->id, s->weight);
    return MOE_OK;
  }
  if (m->value == NULL)
    MOE_TRY(moe_new_array(call, &m->value, n, sizeof *m->value));
  memcpy(m->value, s->y, n * sizeof *m->value);
  m->last = 1;
  return MOE_OK;
}

static void tell_classes(const last_value *m, double *out) {
  size_t n = m->fitted.n_outputs;
  double least = fmin(1.001 / (double)n, 1);
  double rate = fmax((m->repeats + 1) / (m->weight + 2), least);
  double rest = n > 1 ? (1 - rate) / (double)(n - 1) : 1;
  for (size_t k = 0; k < n; k++) out[k] = m->last > 0 ? rest : 1 / (double)n;
  if (m->last > 0 && n > 1) out[m->last - 1] = rate;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const last_value *m = o->state;
  size_t n = m->fitted.n_outputs;
  (void)call, (void)x;
  if (m->fitted.task == MOE_REGRESSION)
    for (size_t k = 0; k < n; k++) out[k] = m->last > 0 ? m->value[k] : 0;
  else
    tell_classes(m, out);
  return MOE_OK;
}

static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  last_value *m = o->state;
  (void)call;
  if (m->last > (int64_t)position) m->last++;
  return MOE_OK;
}

const moe_learner_type moe_last_value = {
    .type = {.name = "last_value",
             .family = "learner",
             .doc = "Predicts the last target again, whatever the row: the "
                    "baseline of streams.",
             .params_size = sizeof(last_value_params),
             .state_size = sizeof(last_value),
             .params = params,
             .visit = visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_NOMINAL | MOE_TAKES_SPARSE |
              MOE_ONLINE,
    .begin = moe_stream_begin,
    .step = moe_stream_step,
    .learn = moe_stream_learn,
    .learn_one = learn_one,
    .predict = moe_stream_predict,
    .predict_one = predict_one,
    .add_class = add_class};
