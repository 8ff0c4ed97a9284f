#include "sequence.h"

#include <math.h>
#include <string.h>

#include "vector.h"

/* Nothing beyond MOST is computed with, so that no product of a few such
   overflows; a column's deviations beyond FAR, a target's beyond FURTHER, count
   as that: a column that was constant for long would fill the memory. */
static const double MOST = 1e75, FAR = 10, FURTHER = 1000;

enum { MEMORY = 10000 /* samples that means and variances are of */ };

static double within(double x, double most) {
  return x > most ? most : x < -most ? -most : x;
}

double moe_sequence_limited(double x) { return within(x, MOST); }

/* -------------------------------------------------------------------- state */

static moe_status visit_scaling(moe_visitor *v, const char *count,
                                const char *weight, const char *centre,
                                const char *variance, moe_scaling *a) {
  MOE_TRY(moe_visit_scalar(v, count, MOE_I64, &a->n));
  MOE_TRY(moe_visit_scalar(v, weight, MOE_F64, &a->weight));
  MOE_TRY(moe_visit_array(v, centre, MOE_F64, &a->centre, a->n));
  return moe_visit_array(v, variance, MOE_F64, &a->variance, a->n);
}

moe_status moe_sequence_visit(void *state, moe_visitor *v) {
  moe_sequence *m = state;
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "size", MOE_I64, &m->size));
  MOE_TRY(moe_visit_scalar(v, "steps", MOE_I64, &m->steps));
  MOE_TRY(visit_scaling(v, "x_columns", "x_weight", "x_centre", "x_variance",
                        &m->x));
  MOE_TRY(visit_scaling(v, "y_columns", "y_weight", "y_centre", "y_variance",
                        &m->y));
  MOE_TRY(moe_visit_scalar(v, "n_memory", MOE_I64, &m->n_memory));
  MOE_TRY(moe_visit_scalar(v, "n_fixed", MOE_I64, &m->n_fixed));
  MOE_TRY(moe_visit_scalar(v, "n_links", MOE_I64, &m->n_links));
  MOE_TRY(moe_visit_scalar(v, "n_readout", MOE_I64, &m->readout.n));
  size_t n = m->readout.n, width = moe_recursive_width(n);
  size_t outputs = n > 0 ? m->fitted.n_outputs : 0;
  MOE_TRY(moe_visit_array(v, "memory", MOE_F64, &m->memory, m->n_memory));
  MOE_TRY(moe_visit_array(v, "fixed", MOE_F64, &m->fixed, m->n_fixed));
  MOE_TRY(moe_visit_array(v, "links", MOE_I32, &m->links, m->n_links));
  MOE_TRY(moe_visit_array(v, "weights", MOE_F64, &m->weights,
                          moe_size(outputs, width)));
  MOE_TRY(moe_visit_array(v, "unit", MOE_F64, &m->readout.unit,
                          moe_recursive_size(n)));
  MOE_TRY(moe_visit_array(v, "spread", MOE_F64, &m->readout.spread, width));
  MOE_TRY(moe_visit_derived(v, "next", MOE_F64, &m->next, m->n_memory));
  MOE_TRY(moe_visit_derived(v, "z", MOE_F64, &m->z, width));
  MOE_TRY(
      moe_visit_derived(v, "gain", MOE_F64, &m->gain, moe_recursive_room(n)));
  return moe_visit_derived(v, "error", MOE_F64, &m->error, outputs);
}

static bool all_within(const double *x, size_t n, double least, double most) {
  for (size_t k = 0; k < n; k++)
    if (!(x[k] >= least && x[k] <= most)) return false;
  return true;
}

static bool is_scaling_sound(const moe_scaling *a, size_t n) {
  return (a->n == 0 || a->n == n) && a->weight >= 0 && isfinite(a->weight) &&
         all_within(a->centre, a->n, -MOST, MOST) &&
         all_within(a->variance, a->n, 0, 1e160);
}

static size_t count_features(const moe_sequence *m,
                             const moe_sequence_kind *kind) {
  return 1 + m->fitted.n_features + kind->shape(m).features;
}

static bool is_shape_sound(const moe_sequence *m,
                           const moe_sequence_kind *kind) {
  enum { LARGEST = 1 << 24 /* keeps products of sizes from overflowing */ };
  if (m->size == 0)
    return m->n_memory + m->n_fixed + m->n_links + m->readout.n == 0;
  if (m->size > LARGEST || m->fitted.n_outputs > LARGEST) return false;
  moe_sequence_shape shape = kind->shape(m);
  return m->n_memory == shape.memory && m->n_fixed == shape.fixed &&
         m->n_links == shape.links && m->readout.n == count_features(m, kind);
}

moe_status moe_sequence_check(moe_call *call, const moe_object *o,
                              const moe_sequence_kind *kind) {
  const moe_sequence *m = o->state;
  size_t d = m->fitted.n_features, n = m->readout.n;
  size_t outputs = n > 0 ? m->fitted.n_outputs : 0;
  bool good =
      is_shape_sound(m, kind) && moe_is_count(m->steps) &&
      is_scaling_sound(&m->x, d) && is_scaling_sound(&m->y, outputs) &&
      all_within(m->memory, m->n_memory, -MOST, MOST) &&
      all_within(m->fixed, m->n_fixed, -MOST, MOST) &&
      all_within(m->weights, outputs * moe_recursive_width(n), -1e150, 1e150) &&
      all_within(m->readout.spread, moe_recursive_width(n), 0, 1e160);
  if (good && (kind->sound == NULL || kind->sound(m))) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "%s: its memory is not usable",
                  o->type->name);
}

static moe_status open_scaling(moe_call *call, moe_scaling *a, size_t n) {
  MOE_TRY(moe_new_array(call, &a->centre, n, sizeof *a->centre));
  MOE_TRY(moe_new_array(call, &a->variance, n, sizeof *a->variance));
  a->n = n;
  return MOE_OK;
}

static moe_status new_unless(moe_call *call, double **array, size_t n) {
  return *array != NULL ? MOE_OK
                        : moe_new_array(call, array, n, sizeof **array);
}

/* Room for one sample, where it is not there. */
static moe_status open_room(moe_call *call, moe_sequence *m) {
  size_t width = moe_recursive_width(m->readout.n);
  MOE_TRY(new_unless(call, &m->next, m->n_memory));
  MOE_TRY(new_unless(call, &m->z, width));
  MOE_TRY(new_unless(call, &m->gain, moe_recursive_room(m->readout.n)));
  MOE_TRY(moe_recursive_align(call, &m->readout.unit,
                              moe_recursive_size(m->readout.n)));
  return new_unless(call, &m->error, m->fitted.n_outputs);
}

static void forget_room(moe_sequence *m) {
  double **const arrays[] = {&m->next, &m->z, &m->gain, &m->error};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) {
    moe_free(*arrays[k]);
    *arrays[k] = NULL;
  }
}

static void close_parts(moe_sequence *m) {
  double *const arrays[] = {m->x.centre,   m->x.variance,   m->y.centre,
                            m->y.variance, m->memory,       m->fixed,
                            m->weights,    m->readout.unit, m->readout.spread};
  moe_fitted fitted = m->fitted;
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
    moe_free(arrays[k]);
  moe_free(m->links);
  forget_room(m);
  *m = (moe_sequence){.fitted = fitted};
}

/* The variance of a weight before anything is known. */
static double prior_of(const moe_sequence_params *p, const moe_sequence *m) {
  if (!isnan(p->ridge)) return 1 / p->ridge;
  return m->fitted.task == MOE_CLASSIFICATION ? 1 : 1000;
}

static moe_status open_parts(moe_call *call, const moe_sequence_params *p,
                             moe_sequence *m, const moe_sequence_kind *kind) {
  size_t d = m->fitted.n_features, outputs = m->fitted.n_outputs;
  kind->open(p, m);
  moe_sequence_shape shape = kind->shape(m);
  size_t n = count_features(m, kind), width = moe_recursive_width(n);
  if (p->standardize) MOE_TRY(open_scaling(call, &m->x, d));
  if (p->standardize && m->fitted.task == MOE_REGRESSION)
    MOE_TRY(open_scaling(call, &m->y, outputs));
  MOE_TRY(new_unless(call, &m->memory, shape.memory));
  MOE_TRY(new_unless(call, &m->fixed, shape.fixed));
  MOE_TRY(moe_new_array(call, &m->links, shape.links, sizeof *m->links));
  MOE_TRY(new_unless(call, &m->weights, moe_size(outputs, width)));
  MOE_TRY(new_unless(call, &m->readout.unit, moe_recursive_size(n)));
  MOE_TRY(new_unless(call, &m->readout.spread, width));
  m->n_memory = shape.memory;
  m->n_fixed = shape.fixed;
  m->n_links = shape.links;
  if (kind->build != NULL) MOE_TRY(kind->build(call, p, m));
  m->readout.n = n;
  moe_recursive_start(&m->readout, prior_of(p, m));
  return open_room(call, m);
}

/* Makes what is not there yet. */
static moe_status prepare(moe_call *call, const moe_object *o,
                          const moe_sequence_kind *kind) {
  moe_sequence *m = o->state;
  if (m->error != NULL) return MOE_OK;
  if (m->readout.n > 0) return open_room(call, m);
  moe_status status = open_parts(call, o->params, m, kind);
  if (status != MOE_OK) close_parts(m);
  return status;
}

/* ------------------------------------------------------------------ scaling */

static void follow(moe_scaling *a, const double *x, double weight) {
  if (a->n == 0) return;
  a->weight = fmin(a->weight + weight, 1e100);
  double share = fmax(weight / a->weight, 1.0 / MEMORY);
  for (size_t j = 0; j < a->n; j++) {
    double away = within(x[j], MOST) - a->centre[j];
    a->centre[j] += share * away;
    a->variance[j] += share * ((1 - share) * away * away - a->variance[j]);
  }
}

/* In deviations from the mean: 0 where all were the same. */
static double scaled(const moe_scaling *a, size_t j, double x, double far) {
  double at = within(x, MOST);
  if (a->n == 0) return at;
  double variance = a->variance[j] > 0 ? a->variance[j] : 1;
  double away = (at - a->centre[j]) / sqrt(variance);
  return a->variance[j] > 0 ? within(away, far) : 0;
}

double moe_sequence_scaled(const moe_scaling *a, size_t j, double y) {
  return scaled(a, j, y, FURTHER);
}

static double unscaled(const moe_scaling *a, size_t j, double z) {
  double x = a->n == 0 ? z : a->centre[j] + sqrt(a->variance[j]) * z;
  return within(x, 1e300);
}

/* ---------------------------------------------------------------- answering */

/* What the readout sees if x comes next; and the memory then. */
static void look(const moe_sequence *m, const moe_sequence_kind *kind,
                 const double *x, double *z, double *next) {
  size_t d = m->fitted.n_features;
  z[0] = 1;
  for (size_t j = 0; j < d; j++) z[1 + j] = scaled(&m->x, j, x[j], FAR);
  if (kind->move != NULL) kind->move(m, z + 1, next);
  kind->show(m, kind->move != NULL ? next : m->memory, z + 1 + d);
}

/* Values in their unit, or probabilities. */
static void read_out(const moe_sequence *m, const double *z, double *out) {
  size_t width = moe_recursive_width(m->readout.n), k = m->fitted.n_outputs;
  for (size_t c = 0; c < k; c++)
    out[c] = moe_dot(m->weights + c * width, z, width);
  if (m->fitted.task == MOE_CLASSIFICATION) moe_softmax(out, 1, k);
}

static void answer(const moe_sequence *m, const double *z, double *out) {
  read_out(m, z, out);
  if (m->fitted.task == MOE_REGRESSION)
    for (size_t c = 0; c < m->fitted.n_outputs; c++)
      out[c] = unscaled(&m->y, c, out[c]);
}

moe_status moe_sequence_predict(moe_call *call, const moe_object *o,
                                const double *x, double *out,
                                const moe_sequence_kind *kind) {
  enum { SMALL = 512 };
  const moe_sequence *m = o->state;
  size_t width = moe_recursive_width(m->readout.n);
  double small[SMALL], *room = small;
  moe_scratch_mark mark = moe_scratch_now(call);
  if (m->readout.n == 0) {
    moe__know_nothing(&m->fitted, 1, out);
    return MOE_OK;
  }
  if (width + m->n_memory > SMALL) MOE_SCRATCH(call, room, width + m->n_memory);
  for (size_t j = m->readout.n; j < width; j++) room[j] = 0;
  look(m, kind, x, room, room + width);
  answer(m, room, out);
  if (room != small) moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* ----------------------------------------------------------------- learning */

/* In the weights of all classes the loss −log p_y of a sample has the curvature
   (diag p − p pᵀ) ⊗ z zᵀ, of which one covariance for all has the trace.  At
   the least, so that a class that surprises does not move the logits without
   end. */
static double curvature(const double *p, size_t n) {
  const double least = 0.05;
  double trace = 1;
  for (size_t c = 0; c < n; c++) trace -= p[c] * p[c];
  return fmax(trace, least);
}

/* The errors of the readout on a sample, in units of how sharp the loss is,
   which it tells. */
static double find_errors(const moe_sequence *m, const moe_example *s) {
  size_t n = m->fitted.n_outputs;
  double *error = m->error, sharp = 1;
  read_out(m, m->z, error);
  if (m->fitted.task == MOE_CLASSIFICATION) {
    sharp = curvature(error, n);
    for (size_t c = 0; c < n; c++)
      error[c] = (((int32_t)c == s->id) - error[c]) / sharp;
  } else {
    for (size_t c = 0; c < n; c++)
      error[c] = moe_sequence_scaled(&m->y, c, s->y[c]) - error[c];
  }
  return sharp;
}

/* As much is forgotten as is learned: samples that are sure of their class say
   little of the weights, and what is known of them would fade meanwhile. */
static void train(const moe_sequence_params *p, moe_sequence *m,
                  const moe_example *s, double weight) {
  size_t width = moe_recursive_width(m->readout.n);
  double sharp = find_errors(m, s);
  double forgetting = 1 - (1 - p->forgetting) * sharp;
  if (!moe_recursive_gain(&m->readout, m->z, forgetting / (weight * sharp),
                          forgetting, prior_of(p, m), m->gain))
    return;
  double most = 1e100 / (moe_max_abs(m->gain, width) + 1);
  for (size_t c = 0; c < m->fitted.n_outputs; c++)
    if (fabs(m->error[c]) < most)
      moe_axpy(m->error[c], m->gain, m->weights + c * width, width);
}

static void move_on(moe_sequence *m, const moe_sequence_kind *kind,
                    const double *y, int32_t id) {
  if (kind->move != NULL)
    memcpy(m->memory, m->next, m->n_memory * sizeof *m->memory);
  if (kind->take != NULL) kind->take(m, y, id);
  m->steps++;
}

moe_status moe_sequence_learn(moe_call *call, moe_object *o,
                              const moe_example *s,
                              const moe_sequence_kind *kind) {
  const moe_sequence_params *p = o->params;
  moe_sequence *m = o->state;
  double weight = fmin(fmax(s->weight, 1e-9), 1e9);
  MOE_TRY(prepare(call, o, kind));
  follow(&m->x, s->x, weight);
  if (m->fitted.task == MOE_REGRESSION) follow(&m->y, s->y, weight);
  look(m, kind, s->x, m->z, m->next);
  if (m->steps >= p->washout) train(p, m, s, weight);
  move_on(m, kind, s->y, s->id);
  return MOE_OK;
}

/* A target that nobody tells is taken to be as predicted. */
moe_status moe_sequence_advance(moe_call *call, moe_object *o,
                                const moe_example *s,
                                const moe_sequence_kind *kind) {
  moe_sequence *m = o->state;
  bool classes = m->fitted.task == MOE_CLASSIFICATION;
  bool told = classes ? s->id >= 0 : s->y != NULL;
  size_t best = 0;
  MOE_TRY(prepare(call, o, kind));
  look(m, kind, s->x, m->z, m->next);
  if (told || kind->take == NULL) {
    move_on(m, kind, s->y, s->id);
    return MOE_OK;
  }
  answer(m, m->z, m->error);
  for (size_t c = 1; c < m->fitted.n_outputs; c++)
    if (m->error[c] > m->error[best]) best = c;
  move_on(m, kind, m->error, (int32_t)best);
  return MOE_OK;
}

/* Samples that come now move the memory before the readout learns, as the first
   did. */
void moe_sequence_forget_past(moe_object *o) {
  moe_sequence *m = o->state;
  if (m->memory != NULL) memset(m->memory, 0, m->n_memory * sizeof *m->memory);
  m->steps = 0;
}

size_t moe_sequence_endless(const moe_object *o) {
  (void)o;
  return SIZE_MAX;
}

/* ------------------------------------------------------------- new classes */

/* The readout, for more classes and features, which come last. */
static moe_status widen(moe_call *call, const moe_sequence *m, size_t n,
                        size_t position, double prior, moe_sequence *out) {
  size_t before = moe_recursive_width(m->readout.n);
  size_t width = moe_recursive_width(n), outputs = m->fitted.n_outputs;
  moe_recursive *r = &out->readout;
  r->n = n;
  MOE_TRY(moe_new_array(call, &out->weights, moe_size(outputs + 1, width),
                        sizeof *out->weights));
  MOE_TRY(
      moe_new_array(call, &r->unit, moe_recursive_size(n), sizeof *r->unit));
  MOE_TRY(moe_new_array(call, &r->spread, width, sizeof *r->spread));
  moe_recursive_start(r, prior);
  memcpy(r->unit, m->readout.unit,
         moe_recursive_size(m->readout.n) * sizeof *r->unit);
  memcpy(r->spread, m->readout.spread, m->readout.n * sizeof *r->spread);
  for (size_t c = 0; c < outputs; c++)
    memcpy(out->weights + (c + (c >= position)) * width,
           m->weights + c * before, before * sizeof *m->weights);
  return MOE_OK;
}

moe_status moe_sequence_add_class(moe_call *call, moe_object *o,
                                  size_t position,
                                  const moe_sequence_kind *kind) {
  const moe_sequence_params *p = o->params;
  moe_sequence *m = o->state, grown = {0}, larger;
  if (m->readout.n == 0) return MOE_OK;
  larger = *m;
  larger.fitted.n_outputs++;
  moe_status status = widen(call, m, count_features(&larger, kind), position,
                            prior_of(p, m), &grown);
  if (status == MOE_OK && kind->meet != NULL)
    status = kind->meet(call, m, position);
  if (status != MOE_OK) {
    close_parts(&grown);
    return status;
  }
  moe_free(m->weights);
  moe_free(m->readout.unit);
  moe_free(m->readout.spread);
  m->weights = grown.weights;
  m->readout = grown.readout;
  forget_room(m);
  return MOE_OK;
}
