/* Echo state network (Jaeger 2001, GMD report 148): a reservoir of units with
   random links that stay as they are, driven by the row,
     s_i ← (1 − l_i) s_i + l_i tanh(W s + W_in x + b)_i,
   of which only the linear readout learns, here by recursive least squares.
   W has `density` of all possible links and is scaled to its spectral radius;
   below 1 the reservoir forgets where it began.  The leaks l are spread evenly,
   by their logarithms, between `leak` and 1: one leak for all does worse on
   every stream that was tried, for each has several spans of time. */
#include <math.h>
#include <string.h>

#include "sequence.h"
#include "vector.h"

static const moe_param params[] = {
    MOE_P_TASK(moe_sequence_params),
    MOE_P_INT(moe_sequence_params, size, 50, 1, 4096, "units of the reservoir"),
    MOE_P_REAL(moe_sequence_params, spectral_radius, 0.9, 0, 100,
               "how strongly the units drive each other: the longer they "
               "remember, the nearer to 1"),
    MOE_P_ABOVE(moe_sequence_params, leak, 0.05, 0, 1,
                "how far the slowest unit goes to its new value with each "
                "sample; the others' lie between it and 1"),
    MOE_P_REAL(moe_sequence_params, input_scale, 0.5, 0, 1e6,
               "how strongly the row drives the units"),
    MOE_P_ABOVE(moe_sequence_params, density, 0.2, 0, 1,
                "the share of the links between units that there are"),
    MOE_P_SEQUENCE,
    MOE_P_SEED(moe_sequence_params),
    {0}};

/* Fixed: what follows, one after the other; of W and W_in a column's weights
   into all units stand together. */
typedef struct reservoir {
  double *leak;  /* size */
  double *bias;  /* size */
  double *in;    /* columns × size */
  double *links; /* size × size, most of them 0 */
} reservoir;

static reservoir parts_of(const moe_sequence *m) {
  double *bias = m->fixed + m->size, *in = bias + m->size;
  return (reservoir){m->fixed, bias, in, in + m->fitted.n_features * m->size};
}

static void open_memory(const moe_sequence_params *p, moe_sequence *m) {
  m->size = (size_t)p->size;
}

static moe_sequence_shape shape(const moe_sequence *m) {
  size_t n = m->size;
  return (moe_sequence_shape){
      .memory = n, .features = n, .fixed = (m->fitted.n_features + 2 + n) * n};
}

static double draw(moe_random *r) { return 2 * moe_random_unit(r) - 1; }

/* Links from `degree` units, the first after a shuffle, into each. */
static void draw_links(const moe_sequence *m, double density, moe_random *r,
                       int32_t *units) {
  double *links = parts_of(m).links;
  size_t n = m->size, degree = (size_t)ceil(density * (double)n);
  for (size_t i = 0; i < n; i++) units[i] = (int32_t)i;
  for (size_t to = 0; to < n; to++)
    for (size_t i = 0; i < degree; i++) {
      size_t j = i + moe_random_below(r, n - i);
      int32_t from = units[j];
      units[j] = units[i];
      units[i] = from;
      links[(size_t)from * n + to] = moe_random_normal(r);
    }
}

/* out += W s. */
static void drive(const moe_sequence *m, const double *s, double *out) {
  moe_weighted_sums(s, m->size, 1, parts_of(m).links, m->size, out);
}

/* How much a vector grows a step when W is applied again and again; 0 where
   nothing is left of it. */
static double find_radius(const moe_sequence *m, double *s, double *next) {
  enum { BEFORE = 100, STEPS = 400 };
  double growth = 0;
  for (size_t i = 0; i < m->size; i++) s[i] = 1;
  for (int t = 0; t < BEFORE + STEPS; t++) {
    memset(next, 0, m->size * sizeof *next);
    drive(m, s, next);
    double length = sqrt(moe_dot(next, next, m->size));
    if (!(length > 1e-150)) return 0;
    for (size_t i = 0; i < m->size; i++) s[i] = next[i] / length;
    if (t >= BEFORE) growth += log(length) / STEPS;
  }
  return exp(growth);
}

static moe_status build(moe_call *call, const moe_sequence_params *p,
                        moe_sequence *m) {
  moe_scratch_mark mark = moe_scratch_now(call);
  reservoir part = parts_of(m);
  size_t d = m->fitted.n_features, n = m->size;
  moe_random r;
  int32_t *units;
  double *s;
  MOE_SCRATCH(call, units, n);
  MOE_SCRATCH(call, s, 2 * n);
  moe_random_seed(&r, p->seed == MOE_NO_INT ? 0 : (uint64_t)p->seed);
  for (size_t i = 0; i < n; i++)
    part.leak[i] = pow(p->leak, ((double)i + 0.5) / (double)n);
  for (size_t i = 0; i < n; i++) part.bias[i] = p->input_scale * draw(&r);
  for (size_t k = 0; k < d * n; k++)
    part.in[k] = p->input_scale / sqrt((double)d) * draw(&r);
  draw_links(m, p->density, &r, units);
  double radius = find_radius(m, s, s + n);
  moe_scale(radius > 0 ? p->spectral_radius / radius : 0, part.links, n * n);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static void move(const moe_sequence *m, const double *x, double *next) {
  reservoir part = parts_of(m);
  size_t n = m->size;
  memcpy(next, part.bias, n * sizeof *next);
  moe_weighted_sums(x, m->fitted.n_features, 1, part.in, n, next);
  drive(m, m->memory, next);
  moe_tanh(next, n);
  for (size_t i = 0; i < n; i++)
    next[i] = m->memory[i] + part.leak[i] * (next[i] - m->memory[i]);
}

static void show(const moe_sequence *m, const double *memory,
                 double *features) {
  memcpy(features, memory, m->size * sizeof *features);
}

static const moe_sequence_kind kind = {.open = open_memory,
                                       .shape = shape,
                                       .build = build,
                                       .move = move,
                                       .show = show};

MOE_SEQUENCE_VERBS(kind)

const moe_learner_type moe_esn = {
    .type = {.name = "esn",
             .family = "learner",
             .doc = "Echo state network: a random reservoir driven by the "
                    "rows, and a readout that learns.",
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
