/* Linear state space model with a diagonal transition (Gu et al. 2022, arXiv
   2206.11893; Orvieto et al. 2023, arXiv 2303.06349): complex states, each of
   which follows one column of the row,
     h_k ← a_k h_k + |1 − a_k| x_j,   a_k = exp((−1 + 2π i turns) / τ_k),
   and a linear readout of their real and imaginary parts.  The times τ that a
   column's states remember are spread evenly, by their logarithms, between 1
   and `longest`; state k follows column k modulo their number, or the sum of
   columns k, k + size, k + 2 size … where there are more than states. */
#include <math.h>
#include <string.h>

#include "sequence.h"

static const moe_param params[] = {
    MOE_P_TASK(moe_sequence_params),
    MOE_P_INT(moe_sequence_params, size, 16, 1, 10000, "complex states"),
    MOE_P_REAL(moe_sequence_params, longest, 100, 1, 1e9,
               "samples that the slowest state remembers"),
    MOE_P_REAL(moe_sequence_params, turns, 0.25, 0, 1e3,
               "how often a state turns round in the time that it remembers"),
    MOE_P_SEQUENCE,
    {0}};

/* Fixed: the real and imaginary parts of a, and |1 − a|, `size` of each.
   Memory: the real and imaginary parts of h. */

static void open_memory(const moe_sequence_params *p, moe_sequence *m) {
  m->size = (size_t)p->size;
}

static moe_sequence_shape shape(const moe_sequence *m) {
  return (moe_sequence_shape){
      .memory = 2 * m->size, .features = 2 * m->size, .fixed = 3 * m->size};
}

static moe_status build(moe_call *call, const moe_sequence_params *p,
                        moe_sequence *m) {
  size_t n = m->size, d = m->fitted.n_features, columns = d < n ? d : n;
  (void)call;
  for (size_t k = 0; k < n; k++) {
    size_t column = k % columns;
    double states = (double)((n - column + columns - 1) / columns);
    double time = pow(p->longest, ((double)(k / columns) + 0.5) / states);
    double size = exp(-1 / time);
    double angle = 6.28318530717958647693 * p->turns / time;
    m->fixed[k] = size * cos(angle);
    m->fixed[n + k] = size * sin(angle);
    m->fixed[2 * n + k] = hypot(1 - m->fixed[k], m->fixed[n + k]);
  }
  return MOE_OK;
}

static void move(const moe_sequence *m, const double *x, double *next) {
  size_t n = m->size, d = m->fitted.n_features;
  const double *re = m->memory, *im = re + n;
  const double *a = m->fixed, *b = a + n, *pull = b + n;
  for (size_t k = 0; k < n; k++) {
    double sum = 0;
    for (size_t j = k % d; j < d; j += n) sum += x[j];
    next[k] = moe_sequence_limited(a[k] * re[k] - b[k] * im[k] + pull[k] * sum);
    next[n + k] = moe_sequence_limited(a[k] * im[k] + b[k] * re[k]);
  }
}

static void show(const moe_sequence *m, const double *memory,
                 double *features) {
  memcpy(features, memory, 2 * m->size * sizeof *features);
}

/* No state grows by itself. */
static bool sound(const moe_sequence *m) {
  for (size_t k = 0; k < m->n_fixed; k++)
    if (!(fabs(m->fixed[k]) <= 2)) return false;
  return true;
}

static const moe_sequence_kind kind = {.open = open_memory,
                                       .shape = shape,
                                       .build = build,
                                       .move = move,
                                       .show = show,
                                       .sound = sound};

MOE_SEQUENCE_VERBS(kind)

const moe_learner_type moe_ssm = {
    .type = {.name = "ssm",
             .family = "learner",
             .doc = "Linear state space model: columns remembered over many "
                    "spans of time, and a readout that learns.",
             .params_size = sizeof(moe_sequence_params),
             .state_size = sizeof(moe_sequence),
             .params = params,
             .visit = moe_sequence_visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT | MOE_ONLINE,
    .begin = moe_stream_begin,
    .step = moe_stream_step,
    .learn = moe_stream_learn,
    .learn_one = learn_one,
    .advance = advance,
    .forget_past = moe_sequence_forget_past,
    .context_window = moe_sequence_endless,
    .add_class = add_class,
    .predict = moe_stream_predict,
    .predict_one = predict_one};
