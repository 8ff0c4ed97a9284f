/* A network's steps that are not a job's: learning row by row, and the
   derivatives that others train it by. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "adam.h"
#include "neural.h"
#include "threads.h"
#include "vector.h"

/* ------------------------------------------------------------------ one step
 */

/* A derivative that is not a number, or that no float can hold, would spoil the
   weights for good. */
static bool are_finite(const float *x, size_t n) {
  uint32_t found = 0, bits;
  for (size_t k = 0; k < n; k++) {
    memcpy(&bits, &x[k], sizeof bits);
    found |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return found == 0;
}

/* A step of n weights from `at` on. */
static void step_run(moe_neural *a, const moe_adam *rule, moe_descent *d,
                     size_t at, size_t n) {
  float *g = d->gradient + at;
  if (are_finite(g, n))
    moe_adam_step(rule, d->steps, g, n, a->weights + at, d->first + at,
                  d->second + at);
  memset(g, 0, n * sizeof *g);
}

/* Adds the derivative of the penalty on the weights of column j. */
static void penalize(const moe_neural *a, const moe_descent *d, size_t j) {
  size_t m = (size_t)a->widths[1];
  for (size_t k = j * m; k < (j + 1) * m; k++)
    d->gradient[k] += d->penalty[j] * a->weights[k];
}

static void step_columns(moe_neural *a, const moe_adam *rule, const moe_rows *x,
                         moe_descent *d) {
  size_t m = (size_t)a->widths[1];
  for (size_t i = 0; i < x->n; i++) {
    moe_entries e = moe_rows_entries(x, i);
    for (size_t k = 0; k < e.n; k++) {
      if (d->stamps[e.index[k]] == d->steps) continue;
      d->stamps[e.index[k]] = d->steps;
      if (d->penalty != NULL) penalize(a, d, (size_t)e.index[k]);
      step_run(a, rule, d, (size_t)e.index[k] * m, m);
    }
  }
}

void moe_neural_step(moe_neural *a, const moe_neural_rule *rule, double lr,
                     const moe_rows *x, moe_descent *d) {
  const moe_adam adam = {.lr = lr,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .epsilon = 1e-8,
                         .decay = rule->weight_decay};
  size_t n = moe_neural_size(a), first = 0;
  d->steps++;
  if (x->source == MOE_FROM_CSR) {
    first = (size_t)a->widths[0] * (size_t)a->widths[1];
    step_columns(a, &adam, x, d);
  }
  for (size_t j = 0;
       first == 0 && d->penalty != NULL && j < a->fitted.n_features; j++)
    penalize(a, d, j);
  step_run(a, &adam, d, first, n - first);
}

/* --------------------------------------------------------------- row by row
 */

static moe_status new_moments(moe_call *call, moe_neural *a) {
  size_t n = moe_neural_size(a);
  float *first;
  if (a->second != NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, &first, n, sizeof *first));
  moe_status status = moe_new_array(call, &a->second, n, sizeof *a->second);
  if (status != MOE_OK) {
    moe_free(first);
    return status;
  }
  a->first = first;
  a->n_moments = n;
  return MOE_OK;
}

static moe_status prepare(moe_call *call, moe_neural *a,
                          const moe_neural_rule *rule, const moe_rows *x) {
  MOE_TRY(moe_neural_prepare(call, a, rule, x));
  MOE_TRY(new_moments(call, a));
  if (a->gradient == NULL)
    MOE_TRY(moe_new_array(call, &a->gradient, moe_neural_size(a),
                          sizeof *a->gradient));
  if (a->stamps == NULL && x->source == MOE_FROM_CSR)
    MOE_TRY(moe_new_array(call, &a->stamps, x->d, sizeof *a->stamps));
  return MOE_OK;
}

/* Mean and variance of what came so far, of which `share` comes now. */
static void follow(double x, double share, double *mean, double *variance) {
  double away = x - *mean, moved = *mean + share * away;
  double spread = *variance + share * (away * (x - moved) - *variance);
  if (!isfinite(spread) || !isfinite(moved)) return;
  *mean = moved;
  *variance = spread > 0 ? spread : 0;
}

static void follow_features(moe_neural *a, const double *x, double share) {
  for (size_t j = 0; j < a->n_inputs; j++)
    if (x[j] == x[j]) follow(x[j], share, &a->centre[j], &a->variance[j]);
  moe_neural_set_factor(a);
}

static float to_float(double x) {
  return (float)fmin(fmax(x, -FLT_MAX), FLT_MAX);
}

/* As a value's mean and variance move, the last layer is changed so that the
   answers stay (van Hasselt et al. 2016, arXiv 1602.07714); not so when its
   unit becomes known, in which the first weights are meant. */
static void follow_value(moe_neural *a, size_t c, double y, double share) {
  moe_network net = moe_neural_network(a);
  size_t m = a->n_values, d = (size_t)a->widths[net.layers - 1];
  float *w = moe_network_layer(&net, net.layers - 1), *bias = w + d * m;
  double before = a->middle[c], spread = a->spread[c];
  follow(y, share, &a->middle[c], &a->spread[c]);
  if (!(spread > 0 && a->spread[c] > 0)) return;
  double now = sqrt(a->spread[c]), ratio = sqrt(spread) / now;
  for (size_t k = 0; k < d; k++)
    w[k * m + c] = to_float(ratio * (double)w[k * m + c]);
  bias[c] = to_float(ratio * (double)bias[c] + (before - a->middle[c]) / now);
}

/* What one row needs on its way. */
typedef struct row_room {
  double *x, *z, *spare;
  float *inputs, *trace;
  moe_descent descent;
} row_room;

static moe_status new_room(moe_call *call, const moe_neural *a,
                           const moe_rows *x, row_room *out) {
  moe_network net = moe_neural_network(a);
  size_t m = a->fitted.n_outputs, d = x->source == MOE_FROM_CSR ? 0 : x->d;
  *out = (row_room){.descent = {.gradient = a->gradient,
                                .first = a->first,
                                .second = a->second,
                                .stamps = a->stamps,
                                .steps = a->steps}};
  MOE_SCRATCH(call, out->x, d);
  MOE_SCRATCH(call, out->inputs, d);
  MOE_SCRATCH(call, out->z, m);
  MOE_SCRATCH(call, out->spare, m);
  MOE_SCRATCH(call, out->trace, moe_trace_size(&net, 1));
  return MOE_OK;
}

/* Brings means and variances up to date with the row. */
static void follow_row(moe_neural *a, const moe_batch *row, double *x) {
  double w = moe_batch_weight(row, 0);
  a->weight += w;
  if (row->x.source != MOE_FROM_CSR && a->n_inputs > 0) {
    moe_rows_doubles(&row->x, 0, 1, x);
    follow_features(a, x, w / a->weight);
  }
  const double *y = row->y->values + moe_rows_at(&row->x, 0) * a->n_values;
  for (size_t c = 0; c < a->n_values; c++)
    follow_value(a, c, y[c], w / a->weight);
}

/* The answer z becomes the derivative by it. */
static void find_slope(const moe_neural *a, const moe_loss *loss,
                       const moe_batch *row, const row_room *room, float *z) {
  size_t m = a->fitted.n_outputs;
  for (size_t c = 0; c < m; c++) room->z[c] = moe_neural_answer(a, z[c], c);
  loss->residual(loss, row, 0, 1, room->z, room->spare);
  for (size_t c = 0; c < m; c++)
    z[c] = (float)(room->z[c] / moe_neural_scale(a, c));
}

static void learn_row(moe_neural *a, const moe_neural_rule *rule,
                      const moe_batch *row, row_room *room) {
  moe_network net = moe_neural_network(a);
  moe_trace t = moe_trace_in(&net, 1, room->trace);
  follow_row(a, row, room->x);
  moe_inputs x = moe_neural_read(a, &row->x, room->x, room->inputs);
  moe_network_forward(&net, &x, &t);
  find_slope(a, &rule->loss, row, room, t.z[net.layers - 1]);
  moe_network_backward(&net, &x, &t, room->descent.gradient);
  moe_neural_step(a, rule, rule->lr, &row->x, &room->descent);
}

moe_status moe_neural_learn(moe_call *call, moe_neural *a,
                            const moe_neural_rule *rule,
                            const moe_batch *batch) {
  moe_scratch_mark mark = moe_scratch_now(call);
  row_room room;
  MOE_TRY(prepare(call, a, rule, &batch->x));
  MOE_TRY(new_room(call, a, &batch->x, &room));
  for (size_t i = 0; i < batch->x.n; i++) {
    moe_batch row = *batch;
    row.x = moe_rows_range(&batch->x, i, 1);
    if (moe_batch_weight(&row, 0) > 0) learn_row(a, rule, &row, &room);
  }
  a->steps = room.descent.steps;
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* --------------------------------------------------------------- new classes
 */

/* Rows of m become rows of m + 1, with a 0 at `position` in each. */
static void widen(float *x, size_t rows, size_t m, size_t position) {
  for (size_t i = rows; i-- > 0;) {
    float *to = x + i * (m + 1), *from = x + i * m;
    memmove(to + position + 1, from + position, (m - position) * sizeof *x);
    memmove(to, from, position * sizeof *x);
    to[position] = 0;
  }
}

static moe_status grow(moe_call *call, float **array, size_t n) {
  float *wider = moe_resize(*array, n, sizeof *wider);
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a class");
  *array = wider;
  return MOE_OK;
}

/* Of the last layer the rows of W, and b, have a number for each output.  The
   gradient, all 0, is made anew by the next row. */
moe_status moe_neural_add_class(moe_call *call, moe_object *o,
                                size_t position) {
  moe_neural *a = o->state;
  size_t m = a->fitted.n_outputs, before = moe_neural_size(a);
  if (a->weights == NULL) return MOE_OK;
  size_t rows = (size_t)a->widths[a->n_widths - 2] + 1;
  float **const arrays[] = {&a->weights, &a->first, &a->second};
  size_t n_arrays = a->n_moments > 0 ? 3 : 1;
  for (size_t k = 0; k < n_arrays; k++)
    MOE_TRY(grow(call, arrays[k], before + rows));
  for (size_t k = 0; k < n_arrays; k++)
    widen(*arrays[k] + before - rows * m, rows, m, position);
  if (a->n_moments > 0) a->n_moments = before + rows;
  moe_free(a->gradient);
  a->gradient = NULL;
  a->widths[a->n_widths - 1]++;
  return MOE_OK;
}

/* --------------------------------------------------------------- derivatives
 */

size_t moe_neural_n_weights(const moe_object *o) {
  return moe_neural_size(o->state);
}

void moe_neural_get_weights(const moe_object *o, double *out) {
  const moe_neural *a = o->state;
  size_t n = moe_neural_size(a);
  for (size_t k = 0; k < n; k++) out[k] = (double)a->weights[k];
}

void moe_neural_set_weights(moe_object *o, const double *in) {
  moe_neural *a = o->state;
  size_t n = moe_neural_size(a);
  for (size_t k = 0; k < n; k++) a->weights[k] = (float)in[k];
}

enum { TILE = 128, SLOTS = 8 /* whose sums are added in order */ };

typedef struct slot {
  double *x, *z, *spare, value;
  float *inputs, *trace, *gradient;
} slot;

typedef struct deriving {
  const moe_neural *model;
  moe_network network;
  const moe_batch *batch;
  const moe_loss *loss;
  slot slots[SLOTS];
  size_t tiles;
} deriving;

static void derive_tile(const deriving *q, slot *s, size_t first, size_t n) {
  size_t m = q->model->fitted.n_outputs;
  moe_batch b = *q->batch;
  b.x = moe_rows_range(&q->batch->x, first, n);
  moe_trace t = moe_trace_in(&q->network, n, s->trace);
  moe_inputs x = moe_neural_read(q->model, &b.x, s->x, s->inputs);
  float *z = t.z[q->network.layers - 1];
  moe_network_forward(&q->network, &x, &t);
  for (size_t k = 0; k < n * m; k++)
    s->z[k] = moe_neural_answer(q->model, z[k], k % m);
  s->value += q->loss->residual(q->loss, &b, 0, n, s->z, s->spare);
  for (size_t k = 0; k < n * m; k++)
    z[k] = (float)(s->z[k] * moe_neural_scale(q->model, k % m));
  moe_network_backward(&q->network, &x, &t, s->gradient);
}

/* Every SLOTS-th tile. */
static void derive_slot(void *context, size_t index, int worker) {
  deriving *q = context;
  size_t rows = q->batch->x.n;
  (void)worker;
  for (size_t tile = index; tile < q->tiles; tile += SLOTS) {
    size_t first = tile * TILE;
    derive_tile(q, &q->slots[index], first,
                rows - first < TILE ? rows - first : TILE);
  }
}

static moe_status new_slot(moe_call *call, const deriving *q, slot *s) {
  size_t m = q->model->fitted.n_outputs, rows = TILE;
  bool sparse = q->batch->x.source == MOE_FROM_CSR;
  size_t dense = sparse ? 0 : moe_size(rows, q->batch->x.d);
  MOE_SCRATCH(call, s->x, dense);
  MOE_SCRATCH(call, s->inputs, dense);
  MOE_SCRATCH(call, s->z, moe_size(rows, m));
  MOE_SCRATCH(call, s->spare, moe_size(rows, m));
  MOE_SCRATCH(call, s->trace, moe_trace_size(&q->network, rows));
  MOE_SCRATCH(call, s->gradient, moe_neural_size(q->model));
  return MOE_OK;
}

/* Each expert's probability in the mean of the rows, which have `weight`. */
static moe_status find_importance(moe_call *call, const moe_neural *a,
                                  const moe_batch *batch, double weight,
                                  double *importance) {
  size_t n = batch->x.n, m = a->fitted.n_outputs;
  double *z;
  MOE_SCRATCH(call, z, moe_size(n, m));
  MOE_TRY(moe_neural_apply(call, a, &batch->x, z));
  moe_importance.residual(&moe_importance, batch, 0, n, z, NULL);
  for (size_t i = 0; i < n; i++) moe_axpy(1 / weight, z + i * m, importance, m);
  return MOE_OK;
}

/* The slots' sums, one after the other. */
static void add_slots(const deriving *q, size_t slots, double *value,
                      double *gradient) {
  size_t n = moe_neural_size(q->model);
  memset(gradient, 0, n * sizeof *gradient);
  for (size_t s = 0; s < slots; s++) {
    *value += q->slots[s].value;
    for (size_t k = 0; k < n; k++)
      gradient[k] += (double)q->slots[s].gradient[k];
  }
}

moe_status moe_neural_differentiate(moe_call *call, const moe_neural *a,
                                    const moe_batch *batch,
                                    const moe_loss *loss, double *value,
                                    double *gradient) {
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_loss own = *loss;
  deriving q = {.model = a,
                .network = moe_neural_network(a),
                .batch = batch,
                .loss = &own,
                .tiles = (batch->x.n + TILE - 1) / TILE};
  size_t slots = q.tiles < SLOTS ? q.tiles : SLOTS, m = a->fitted.n_outputs;
  double *importance, weight = 0;
  for (size_t i = 0; i < batch->x.n; i++) weight += moe_batch_weight(batch, i);
  MOE_SCRATCH(call, importance, m);
  if (own.terms.load_balance != 0 && weight > 0)
    MOE_TRY(find_importance(call, a, batch, weight, importance));
  own.importance = importance;
  for (size_t s = 0; s < slots; s++) MOE_TRY(new_slot(call, &q, &q.slots[s]));
  moe_parallel(call, slots, derive_slot, &q);
  *value = weight * moe_loss_of_balance(&own, m);
  add_slots(&q, slots, value, gradient);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}
