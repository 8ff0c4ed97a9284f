#include "neural.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "threads.h"
#include "vector.h"

static const double FARTHEST = 1e9; /* that a feature of the network can be */
enum { TILE = 128 };                /* rows that a worker answers at a time */

moe_network moe_neural_network(const moe_neural *a) {
  return (moe_network){.activation = (moe_activation)a->activation,
                       .layers = a->n_widths - 1,
                       .widths = a->widths,
                       .weights = a->weights};
}

/* None while the widths are not there: they are loaded, and freed, first. */
size_t moe_neural_size(const moe_neural *a) {
  if (a->widths == NULL || a->n_widths < 2) return 0;
  return moe_network_size(a->n_widths - 1, a->widths);
}

/* --------------------------------------------------------------------- state
 */

moe_status moe_neural_visit(moe_neural *a, moe_visitor *v) {
  const struct {
    const char *name;
    moe_dtype dtype;
    void *at;
    size_t *n;
  } arrays[] = {{"widths", MOE_I64, &a->widths, &a->n_widths},
                {"centre", MOE_F64, &a->centre, &a->n_inputs},
                {"variance", MOE_F64, &a->variance, &a->n_inputs},
                {"middle", MOE_F64, &a->middle, &a->n_values},
                {"spread", MOE_F64, &a->spread, &a->n_values},
                {"first", MOE_F32, &a->first, &a->n_moments},
                {"second", MOE_F32, &a->second, &a->n_moments}};
  MOE_TRY(moe_fitted_visit(&a->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "activation", MOE_I32, &a->activation));
  MOE_TRY(moe_visit_scalar(v, "weight", MOE_F64, &a->weight));
  MOE_TRY(moe_visit_scalar(v, "steps", MOE_I64, &a->steps));
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
    MOE_TRY(moe_visit_growing(v, arrays[k].name, arrays[k].dtype, arrays[k].at,
                              arrays[k].n));
  MOE_TRY(moe_visit_derived(v, "factor", MOE_F64, &a->factor, a->n_inputs));
  MOE_TRY(moe_visit_derived(v, "gradient", MOE_F32, &a->gradient,
                            a->gradient != NULL ? moe_neural_size(a) : 0));
  MOE_TRY(moe_visit_derived(v, "stamps", MOE_I64, &a->stamps,
                            a->stamps != NULL ? a->fitted.n_features : 0));
  return moe_visit_array(v, "weights", MOE_F32, &a->weights,
                         moe_neural_size(a));
}

/* Whether the lengths fit each other and the widths the learner. */
static bool fits_together(const moe_neural *a) {
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  bool good = a->activation >= MOE_RELU && a->activation < MOE_N_ACTIVATIONS &&
              a->n_widths >= 2 && a->n_widths <= MOE_MOST_LAYERS + 1;
  for (size_t l = 0; good && l < a->n_widths; l++)
    good = a->widths[l] > 0 && a->widths[l] <= INT32_MAX;
  return good && (size_t)a->widths[0] == d &&
         (size_t)a->widths[a->n_widths - 1] == m &&
         (a->n_inputs == 0 || a->n_inputs == d) &&
         (a->n_values == 0 || a->n_values == m) &&
         (a->n_moments == 0 || a->n_moments == moe_neural_size(a)) &&
         a->steps >= 0;
}

static bool are_finite(const double *x, size_t n, double least) {
  for (size_t k = 0; k < n; k++)
    if (!isfinite(x[k]) || x[k] < least) return false;
  return true;
}

static bool floats_are_finite(const float *x, size_t n, float least) {
  for (size_t k = 0; k < n; k++)
    if (!isfinite(x[k]) || x[k] < least) return false;
  return true;
}

/* A stream has begun, and nothing of it was learned. */
static bool is_empty(const moe_neural *a) {
  return a->n_widths == 0 && a->n_inputs == 0 && a->n_values == 0 &&
         a->n_moments == 0 && a->steps == 0 && a->widths == NULL &&
         a->weights == NULL && a->centre == NULL && a->variance == NULL &&
         a->middle == NULL && a->spread == NULL && a->first == NULL &&
         a->second == NULL;
}

moe_status moe_neural_check(moe_call *call, const moe_object *o) {
  const moe_neural *a = o->state;
  if (moe_learner_fitted(o)->n_seen == 0 && is_empty(a)) return MOE_OK;
  if (!fits_together(a))
    return moe_fail(call, MOE_EFORMAT, "%s: the network's layers do not fit",
                    o->type->name);
  if (are_finite(a->centre, a->n_inputs, -DBL_MAX) &&
      are_finite(a->variance, a->n_inputs, 0) &&
      are_finite(a->middle, a->n_values, -DBL_MAX) &&
      are_finite(a->spread, a->n_values, 0) && are_finite(&a->weight, 1, 0) &&
      floats_are_finite(a->weights, moe_neural_size(a), -FLT_MAX) &&
      floats_are_finite(a->first, a->n_moments, -FLT_MAX) &&
      floats_are_finite(a->second, a->n_moments, 0))
    return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "%s: a number is out of range",
                  o->type->name);
}

void moe_neural_free(moe_neural *a) {
  void *const owned[] = {a->widths, a->weights,  a->centre, a->variance,
                         a->factor, a->middle,   a->spread, a->first,
                         a->second, a->gradient, a->stamps};
  for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) moe_free(owned[k]);
}

/* A column whose values differ by rounding alone, or whose squares are beyond
   any number, takes no part. */
void moe_neural_set_factor(moe_neural *a) {
  for (size_t j = 0; j < a->n_inputs; j++) {
    double rounding = 1e-13 * a->centre[j], variance = a->variance[j];
    bool flat = variance <= rounding * rounding || !isfinite(1 / variance);
    a->factor[j] = flat ? 0 : 1 / sqrt(variance);
  }
}

double moe_neural_scale(const moe_neural *a, size_t c) {
  return a->n_values > 0 && a->spread[c] > 0 ? sqrt(a->spread[c]) : 1;
}

moe_status moe_neural_rebuild(moe_call *call, moe_object *o) {
  moe_neural *a = o->state;
  if (a->n_inputs == 0) return MOE_OK;
  MOE_TRY(moe_new_array(call, &a->factor, a->n_inputs, sizeof *a->factor));
  moe_neural_set_factor(a);
  return MOE_OK;
}

/* ------------------------------------------------------------------ beginning
 */

static moe_status choose_widths(moe_call *call, moe_neural *a,
                                const moe_neural_rule *rule) {
  static double usual[] = {64};
  static const moe_reals absent = {usual, 1}, none = {NULL, 0};
  const moe_reals *hidden = rule->hidden == NULL          ? &none
                            : rule->hidden->items == NULL ? &absent
                                                          : rule->hidden;
  if (hidden->n >= MOE_MOST_LAYERS)
    return moe_fail(call, MOE_EPARAM,
                    "'hidden' must have fewer than %d layers; got %zu",
                    MOE_MOST_LAYERS, hidden->n);
  MOE_TRY(moe_new_array(call, &a->widths, hidden->n + 2, sizeof *a->widths));
  a->n_widths = hidden->n + 2;
  a->widths[0] = (int64_t)a->fitted.n_features;
  for (size_t l = 0; l < hidden->n; l++)
    a->widths[l + 1] = (int64_t)hidden->items[l];
  a->widths[hidden->n + 1] = (int64_t)a->fitted.n_outputs;
  return MOE_OK;
}

static moe_status standardize_inputs(moe_call *call, moe_neural *a) {
  size_t d = a->fitted.n_features;
  MOE_TRY(moe_new_array(call, &a->centre, d, sizeof(double)));
  MOE_TRY(moe_new_array(call, &a->variance, d, sizeof(double)));
  MOE_TRY(moe_new_array(call, &a->factor, d, sizeof(double)));
  a->n_inputs = d;
  return MOE_OK;
}

static moe_status standardize_values(moe_call *call, moe_neural *a) {
  size_t m = a->fitted.n_outputs;
  MOE_TRY(moe_new_array(call, &a->middle, m, sizeof(double)));
  MOE_TRY(moe_new_array(call, &a->spread, m, sizeof(double)));
  a->n_values = m;
  return MOE_OK;
}

static moe_status prepare(moe_call *call, moe_neural *a,
                          const moe_neural_rule *rule, const moe_rows *x) {
  a->activation = rule->activation;
  if (a->widths == NULL) MOE_TRY(choose_widths(call, a, rule));
  if (rule->standardize && x->source != MOE_FROM_CSR && a->n_inputs == 0)
    MOE_TRY(standardize_inputs(call, a));
  if (a->fitted.task == MOE_REGRESSION && rule->standardize && a->n_values == 0)
    MOE_TRY(standardize_values(call, a));
  MOE_TRY(
      moe_new_array(call, &a->weights, moe_neural_size(a), sizeof *a->weights));
  moe_network net = moe_neural_network(a);
  moe_network_start(&net, rule->seed);
  return MOE_OK;
}

/* Wholly or not at all: then there is nothing that a class could not fit. */
moe_status moe_neural_prepare(moe_call *call, moe_neural *a,
                              const moe_neural_rule *rule, const moe_rows *x) {
  if (a->weights != NULL) return MOE_OK;
  moe_status status = prepare(call, a, rule, x);
  if (status == MOE_OK) return MOE_OK;
  moe_neural_free(a);
  *a = (moe_neural){.fitted = a->fitted};
  return status;
}

/* ------------------------------------------------------------------ answers */

static float to_feature(double x) {
  double limited = x < -FARTHEST ? -FARTHEST : x > FARTHEST ? FARTHEST : x;
  return x == x ? (float)limited : 0;
}

moe_inputs moe_neural_read(const moe_neural *a, const moe_rows *x,
                           double *doubles, float *out) {
  if (x->source == MOE_FROM_CSR) return (moe_inputs){.n = x->n, .sparse = x};
  moe_rows_doubles(x, 0, x->n, doubles);
  if (a->n_inputs > 0)
    moe_standardize(doubles, x->n, x->d, a->centre, a->factor);
  for (size_t k = 0; k < x->n * x->d; k++) out[k] = to_feature(doubles[k]);
  return (moe_inputs){.n = x->n, .dense = out};
}

double moe_neural_answer(const moe_neural *a, float z, size_t c) {
  double limited = z != z ? 0 : (double)fminf(fmaxf(z, -FLT_MAX), FLT_MAX);
  if (a->n_values == 0) return limited;
  double value = a->middle[c] + moe_neural_scale(a, c) * limited;
  return fmin(fmax(value, -DBL_MAX), DBL_MAX);
}

typedef struct answering {
  const moe_neural *model;
  moe_network network;
  const moe_rows *rows;
  double *doubles, *out; /* doubles, inputs, room: one piece a worker */
  float *inputs, *room;
  size_t dense, size; /* of these pieces */
} answering;

static void answer_tile(void *context, size_t index, int worker) {
  const answering *q = context;
  size_t first = index * TILE, m = q->model->fitted.n_outputs;
  size_t n = q->rows->n - first < TILE ? q->rows->n - first : TILE;
  moe_rows x = moe_rows_range(q->rows, first, n);
  moe_trace t = moe_trace_in(&q->network, n, q->room + worker * q->size);
  moe_inputs in = moe_neural_read(q->model, &x, q->doubles + worker * q->dense,
                                  q->inputs + worker * q->dense);
  moe_network_forward(&q->network, &in, &t);
  const float *z = t.z[q->network.layers - 1];
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < m; c++)
      q->out[(first + i) * m + c] =
          moe_neural_answer(q->model, z[i * m + c], c);
}

moe_status moe_neural_apply(moe_call *call, const moe_neural *a,
                            const moe_rows *x, double *out) {
  size_t rows = x->n < TILE ? x->n : TILE, tiles = (x->n + TILE - 1) / TILE;
  answering q = {.model = a,
                 .network = moe_neural_network(a),
                 .rows = x,
                 .out = out,
                 .dense = x->source == MOE_FROM_CSR ? 0 : moe_size(rows, x->d)};
  moe_scratch_mark mark = moe_scratch_now(call);
  if (x->n == 0) return MOE_OK;
  size_t width = (size_t)moe_parallel_width(call, tiles);
  q.size = moe_trace_size(&q.network, rows);
  MOE_SCRATCH(call, q.doubles, moe_size(width, q.dense));
  MOE_SCRATCH(call, q.inputs, moe_size(width, q.dense));
  MOE_SCRATCH(call, q.room, moe_size(width, q.size));
  moe_parallel(call, tiles, answer_tile, &q);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}
