#include "gate_online.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "gate_lesson.h"
#include "vector.h"

const char *const moe_gate_target_choices[] = {"likelihood", "best_expert",
                                               NULL};

static size_t desk_size(const moe_fitted *f) {
  return MOE_DESK_ROWS * moe__desk_width(f->n_outputs) +
         MOE_DESK_COLUMNS * f->n_features;
}

moe_status moe_gate_stream_visit(moe_gate_stream *s, const moe_fitted *f,
                                 moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "steps", MOE_I64, &s->steps));
  MOE_TRY(moe_visit_scalar(v, "rows", MOE_F64, &s->rows));
  MOE_TRY(
      moe_visit_growing(v, "variance", MOE_F64, &s->variance, &s->n_columns));
  MOE_TRY(moe_visit_growing(v, "factor", MOE_F64, &s->factor, &s->n_columns));
  MOE_TRY(moe_visit_growing(v, "prior", MOE_F64, &s->prior, &s->n_shares));
  return moe_visit_derived(v, "desk", MOE_F64, &s->desk, desk_size(f));
}

static bool all_within(const double *x, size_t n, double low, double high) {
  for (size_t k = 0; k < n; k++)
    if (!(x[k] >= low && x[k] <= high)) return false;
  return true;
}

/* Shares sum to 1 but for rounding, which a prior that shares nothing out adds
   up. */
bool moe_gate_stream_is_sound(const moe_gate_stream *s, const moe_fitted *f) {
  return s->steps >= 0 && s->rows >= 0 && isfinite(s->rows) &&
         (s->n_columns == f->n_features ||
          (s->n_columns == 0 && s->variance == NULL && s->factor == NULL)) &&
         (s->n_shares == f->n_outputs + 1 ||
          (s->n_shares == 0 && s->prior == NULL)) &&
         all_within(s->variance, s->n_columns, 0,
                    8 * MOE_GATE_LARGEST * MOE_GATE_LARGEST) &&
         all_within(s->factor, s->n_columns, 0, MOE_GATE_LARGEST) &&
         all_within(s->prior, s->n_shares, 0, 2);
}

/* ------------------------------------------------------------------ answers
 */

const double *moe__gate_fill(const moe_linear_gate *g, const double *x,
                             double *room) {
  const double most = MOE_GATE_LARGEST;
  for (size_t j = 0; j < g->affine.fitted.n_features; j++) {
    double seen = x[j] == x[j] ? x[j] : g->centre[j];
    room[j] = seen > most ? most : seen < -most ? -most : seen;
  }
  return room;
}

moe_status moe__gate_fill_and_answer(moe_call *call, const moe_linear_gate *g,
                                     double factor, const double *x, double *q,
                                     double *out) {
  double *own;
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_SCRATCH(call, own, g->affine.fitted.n_features);
  MOE_TRY(
      moe_gate_answer_one(NULL, g, factor, moe__gate_fill(g, x, own), q, out));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe__gate_fill_and_tell(moe_call *call, const moe_linear_gate *g,
                                   double factor, const double *x, double *z) {
  double *own;
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_SCRATCH(call, own, g->affine.fitted.n_features);
  MOE_TRY(moe_gate_logits(NULL, g, factor, moe__gate_fill(g, x, own), z));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

void moe_gate_stream_answer(const moe_gate_stream *s, double *q, size_t n,
                            size_t m) {
  const double *v = s->prior;
  for (size_t i = 0; v != NULL && i < n; i++, q += m)
    for (size_t e = 0; e < m; e++) q[e] = v[m] * q[e] + v[e];
}

/* ----------------------------------------------------------------- learning */

static moe_status take_weights(moe_call *call, moe_linear_gate *g,
                               const moe_gate_rule *rule) {
  const moe_reals *given = &rule->weights;
  moe_affine *a = &g->affine;
  size_t m = a->fitted.n_outputs, n = moe_size(m, a->fitted.n_features);
  if (given->items != NULL && given->n != n + m)
    return moe_fail(call, MOE_EPARAM,
                    "weights: for %zu experts and %zu columns %zu are needed, "
                    "got %zu",
                    m, a->fitted.n_features, n + m, given->n);
  MOE_TRY(moe_affine_prepare(call, a));
  if (given->items == NULL) return MOE_OK;
  memcpy(a->weights, given->items, n * sizeof *a->weights);
  memcpy(a->bias, given->items + n, m * sizeof *a->bias);
  return MOE_OK;
}

static moe_status ensure(moe_call *call, double **array, size_t n) {
  return *array != NULL ? MOE_OK
                        : moe_new_array(call, array, n, sizeof **array);
}

/* Both or none. */
static moe_status open_columns(moe_call *call, moe_gate_stream *s, size_t d) {
  double *variance;
  MOE_TRY(moe_new_array(call, &variance, d, sizeof *variance));
  if (moe_new_array(call, &s->factor, d, sizeof *s->factor) != MOE_OK) {
    moe_free(variance);
    return MOE_ENOMEM;
  }
  s->variance = variance;
  s->n_columns = d;
  return MOE_OK;
}

moe_status moe_gate_stream_open(moe_call *call, moe_linear_gate *g,
                                const moe_gate_rule *rule) {
  moe_gate_stream *s = &g->stream;
  moe_affine *a = &g->affine;
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  if (a->weights == NULL) MOE_TRY(take_weights(call, g, rule));
  moe_scale(a->left, a->weights, m * d);
  a->left = 1;
  MOE_TRY(ensure(call, &g->centre, d));
  if (s->n_columns == 0) MOE_TRY(open_columns(call, s, d));
  if (rule->prior > 0 && s->prior == NULL) {
    MOE_TRY(ensure(call, &s->prior, m + 1));
    s->n_shares = m + 1;
    for (size_t e = 0; e <= m; e++) s->prior[e] = 1 / (double)(m + 1);
  }
  return ensure(call, &s->desk, desk_size(&a->fitted));
}

/* ------------------------------------------------------- experts come and go
 */

static moe_status widen(moe_call *call, double **array, size_t n) {
  double *wider = moe_resize(*array, n, sizeof *wider);
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for an expert");
  *array = wider;
  return MOE_OK;
}

/* Puts the mean of m rows of d among them. */
static void insert_mean(double *x, size_t m, size_t d, size_t position) {
  double *at = x + position * d;
  memmove(at + d, at, (m - position) * d * sizeof *at);
  memset(at, 0, d * sizeof *at);
  for (size_t e = 0; e <= m; e++)
    if (e != position) moe_axpy(1 / (double)m, x + e * d, at, d);
}

static void remove_row(double *x, size_t m, size_t d, size_t position) {
  double *at = x + position * d;
  memmove(at, at + d, (m - position - 1) * d * sizeof *at);
}

/* The desk is made anew by the next sample. */
static void clear_desk(moe_gate_stream *s) {
  moe_free(s->desk);
  s->desk = NULL;
  s->considered = s->moved = NULL;
}

moe_status moe_gate_stream_insert(moe_call *call, moe_linear_gate *g,
                                  const moe_gate_rule *rule, size_t position) {
  moe_gate_stream *s = &g->stream;
  moe_affine *a = &g->affine;
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  if (a->weights == NULL) return MOE_OK;
  MOE_TRY(widen(call, &a->weights, moe_size(m + 1, d)));
  MOE_TRY(widen(call, &a->bias, m + 1));
  if (s->prior != NULL) MOE_TRY(widen(call, &s->prior, m + 2));
  clear_desk(s);
  insert_mean(a->weights, m, d, position);
  insert_mean(a->bias, m, 1, position);
  if (s->prior == NULL) return MOE_OK;
  s->n_shares++;
  insert_mean(s->prior, m + 1, 1, position);
  s->prior[position] = rule->share / (double)(m + 2);
  moe_normalise(s->prior, 1, m + 2);
  return MOE_OK;
}

void moe_gate_stream_remove(moe_linear_gate *g, size_t position) {
  moe_gate_stream *s = &g->stream;
  moe_affine *a = &g->affine;
  size_t m = a->fitted.n_outputs;
  if (a->weights == NULL) return;
  clear_desk(s);
  remove_row(a->weights, m, a->fitted.n_features, position);
  remove_row(a->bias, m, 1, position);
  if (s->prior == NULL) return;
  s->n_shares--;
  remove_row(s->prior, m + 1, 1, position);
  moe_normalise(s->prior, 1, m);
}
