/* Predicts the exponentially weighted mean of the targets, or frequencies of
   the classes, whatever the row:
     Σ_i (1 − alpha)^(n−i) w_i y_i / Σ_i (1 − alpha)^(n−i) w_i.
   With alpha = 2 / (span + 1) it looks back over about `span` samples. */
#include <math.h>
#include <string.h>

#include "learner.h"

typedef struct ewma_params {
  int task;
  double alpha;
} ewma_params;

typedef struct ewma {
  moe_fitted fitted;
  double weight; /* the sum below the line; 0 before the first sample */
  double *value; /* n_outputs, or NULL before the first sample */
} ewma;

static const moe_param params[] = {
    MOE_P_TASK(ewma_params),
    MOE_P_ABOVE(ewma_params, alpha, 0.1, 0, 1,
                "how much less a target counts with each one that comes: 1 is "
                "the last value, 2 / (n + 1) a mean over about n"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  ewma *m = state;
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "weight", MOE_F64, &m->weight));
  return moe_visit_array(v, "value", MOE_F64, &m->value,
                         m->weight > 0 ? m->fitted.n_outputs : 0);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const ewma *m = o->state;
  bool good = m->weight >= 0 && isfinite(m->weight);
  for (size_t k = 0; good && m->weight > 0 && k < m->fitted.n_outputs; k++)
    good = isfinite(m->value[k]);
  if (good) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "ewma: its mean is not usable");
}

/* From a to b by a share of the way, also where b − a overflows. */
static double blend(double a, double b, double share) {
  double way = b - a;
  if (share == 1) return b;
  return isfinite(way) ? a + share * way : (1 - share) * a + share * b;
}

/* Weights are within 1e-150 and 1e150, so that neither what is left of them nor
   their sum is 0 or infinite. */
static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  const ewma_params *p = o->params;
  ewma *m = o->state;
  size_t n = m->fitted.n_outputs;
  double w = fmin(fmax(s->weight, 1e-150), 1e150);
  if (m->value == NULL)
    MOE_TRY(moe_new_array(call, &m->value, n, sizeof *m->value));
  m->weight = (1 - p->alpha) * m->weight + w;
  for (size_t k = 0; k < n; k++) {
    double y = m->fitted.task == MOE_REGRESSION ? s->y[k] : (int)k == s->id;
    m->value[k] = blend(m->value[k], y, w / m->weight);
  }
  return MOE_OK;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const ewma *m = o->state;
  size_t n = m->fitted.n_outputs;
  double unknown = m->fitted.task == MOE_REGRESSION ? 0 : 1 / (double)n;
  (void)call, (void)x;
  for (size_t k = 0; k < n; k++) out[k] = m->weight > 0 ? m->value[k] : unknown;
  return MOE_OK;
}

static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  ewma *m = o->state;
  size_t n = m->fitted.n_outputs;
  if (m->value == NULL) return MOE_OK;
  double *wider = moe_resize(m->value, n + 1, sizeof *wider);
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a class");
  memmove(wider + position + 1, wider + position,
          (n - position) * sizeof *wider);
  wider[position] = 0;
  m->value = wider;
  return MOE_OK;
}

const moe_learner_type moe_ewma = {
    .type = {.name = "ewma",
             .family = "learner",
             .doc = "Predicts the exponentially weighted mean of the targets, "
                    "or frequencies of the classes, whatever the row.",
             .params_size = sizeof(ewma_params),
             .state_size = sizeof(ewma),
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
