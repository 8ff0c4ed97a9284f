/* Predicts the same for every row: the weighted class frequencies, mean or
   median of the targets.  The baseline that every other expert must beat. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learner.h"

enum { MEAN, MEDIAN };
static const char *const statistics[] = {"mean", "median", NULL};

typedef struct constant_params {
  int task, statistic;
} constant_params;

typedef struct constant {
  moe_fitted fitted;
  double *value; /* n_outputs */
  double *total; /* n_outputs: weight of each class, or of all rows */
} constant;

static const moe_param params[] = {
    MOE_P_TASK(constant_params),
    MOE_P_CHOICE(constant_params, statistic, MEAN, statistics,
                 "what to predict in regression; learn_one needs the mean"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  constant *m = state;
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_visit_array(v, "value", MOE_F64, &m->value, m->fitted.n_outputs));
  return moe_visit_array(v, "total", MOE_F64, &m->total, m->fitted.n_outputs);
}

static moe_status prepare(moe_call *call, constant *m) {
  size_t n = m->fitted.n_outputs;
  if (m->value != NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, &m->value, n, sizeof(double)));
  return moe_new_array(call, &m->total, n, sizeof(double));
}

/* A stream whose weights add up to more than a double holds learns no more. */
static void add_class_weight(constant *m, int32_t class, double weight) {
  double sum = weight;
  for (size_t k = 0; k < m->fitted.n_outputs; k++) sum += m->total[k];
  if (sum == 0 || isinf(sum)) return;
  m->total[class] += weight;
  for (size_t k = 0; k < m->fitted.n_outputs; k++)
    m->value[k] = m->total[k] / sum;
}

/* From a to b by a share of the way, also where b − a overflows. */
static double blend(double a, double b, double share) {
  double way = b - a;
  return isfinite(way) ? a + share * way : (1 - share) * a + share * b;
}

/* Welford's running mean, in the order of the rows. */
static void add_values(constant *m, const double *y, double weight) {
  for (size_t k = 0; k < m->fitted.n_outputs; k++) {
    m->total[k] += weight;
    if (m->total[k] > 0)
      m->value[k] = blend(m->value[k], y[k], weight / m->total[k]);
  }
}

static void add_rows(constant *m, const moe_batch *b) {
  for (size_t i = 0; i < b->x.n; i++) {
    size_t at = moe_rows_at(&b->x, i);
    if (m->fitted.task == MOE_CLASSIFICATION)
      add_class_weight(m, b->y->ids[at], moe_batch_weight(b, i));
    else
      add_values(m, b->y->values + at * b->y->width, moe_batch_weight(b, i));
  }
}

typedef struct weighed {
  double value, weight;
} weighed;

static int compare_weighed(const void *a, const void *b) {
  double x = ((const weighed *)a)->value, y = ((const weighed *)b)->value;
  return (x > y) - (x < y);
}

/* The least value with at least half of the weight at or below it; the middle
   of two where exactly half is below. */
static double weighted_median(const weighed *sorted, size_t n, double total) {
  double below = 0;
  for (size_t i = 0; i < n; i++) {
    below += sorted[i].weight;
    if (below > total / 2) return sorted[i].value;
    if (below == total / 2)
      for (size_t j = i + 1; j < n; j++)
        if (sorted[j].weight > 0)
          return sorted[i].value / 2 + sorted[j].value / 2;
  }
  return sorted[n - 1].value;
}

static moe_status find_medians(moe_call *call, constant *m,
                               const moe_batch *b) {
  moe_scratch_mark mark = moe_scratch_now(call);
  weighed *sorted;
  MOE_SCRATCH(call, sorted, b->x.n);
  for (size_t k = 0; k < b->y->width; k++) {
    double total = 0;
    for (size_t i = 0; i < b->x.n; i++) {
      sorted[i].value = b->y->values[moe_rows_at(&b->x, i) * b->y->width + k];
      sorted[i].weight = moe_batch_weight(b, i);
      total += sorted[i].weight;
    }
    qsort(sorted, b->x.n, sizeof *sorted, compare_weighed);
    m->value[k] = weighted_median(sorted, b->x.n, total);
    m->total[k] = total;
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status begin(moe_call *call, moe_job *job) {
  return prepare(call, job->state);
}

static moe_status step(moe_call *call, moe_job *job) {
  const constant_params *p = job->object->params;
  constant *m = job->state;
  job->done = true;
  if (m->fitted.task == MOE_REGRESSION && p->statistic == MEDIAN)
    return find_medians(call, m, &job->batch);
  add_rows(m, &job->batch);
  return MOE_OK;
}

static moe_status settle(moe_call *call, const moe_object *o) {
  const constant_params *p = o->params;
  constant *m = o->state;
  if (m->fitted.task == MOE_REGRESSION && p->statistic == MEDIAN)
    return moe_fail(call, MOE_ESTATE,
                    "constant: a median is not learned row by row; use fit");
  return prepare(call, m);
}

static moe_status open_stream(moe_call *call, moe_object *o) {
  return prepare(call, o->state);
}

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  MOE_TRY(settle(call, o));
  add_rows(o->state, batch);
  return MOE_OK;
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  constant *m = o->state;
  MOE_TRY(settle(call, o));
  if (m->fitted.task == MOE_CLASSIFICATION)
    add_class_weight(m, s->id, s->weight);
  else
    add_values(m, s->y, s->weight);
  return MOE_OK;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const constant *m = o->state;
  (void)call, (void)x;
  memcpy(out, m->value, m->fitted.n_outputs * sizeof *out);
  return MOE_OK;
}

static moe_status insert_zero(moe_call *call, double **array, size_t n,
                              size_t at) {
  double *wider = moe_resize(*array, n + 1, sizeof *wider);
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a class");
  for (size_t k = n; k > at; k--) wider[k] = wider[k - 1];
  wider[at] = 0;
  *array = wider;
  return MOE_OK;
}

static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  constant *m = o->state;
  MOE_TRY(insert_zero(call, &m->value, m->fitted.n_outputs, position));
  return insert_zero(call, &m->total, m->fitted.n_outputs, position);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const constant *m = o->state;
  (void)call;
  for (size_t i = 0; i < x->n; i++)
    for (size_t k = 0; k < m->fitted.n_outputs; k++) *out++ = m->value[k];
  return MOE_OK;
}

/* All of it is bias. */
static moe_status contribute(moe_call *call, const moe_object *o,
                             const moe_rows *x, double *out) {
  const constant *m = o->state;
  size_t row = x->d + 1, n = m->fitted.n_outputs;
  (void)call;
  memset(out, 0, x->n * n * row * sizeof *out);
  for (size_t i = 0; i < x->n * n; i++) out[i * row + x->d] = m->value[i % n];
  return MOE_OK;
}

static moe_status check(moe_call *call, const moe_object *o) {
  const constant *m = o->state;
  for (size_t k = 0; m->value != NULL && k < m->fitted.n_outputs; k++)
    if (!isfinite(m->value[k]) || !(m->total[k] >= 0))
      return moe_fail(call, MOE_EFORMAT, "constant: value %zu is not finite",
                      k + 1);
  return MOE_OK;
}

const moe_learner_type moe_constant = {
    .type = {.name = "constant",
             .family = "learner",
             .doc = "Predicts the class frequencies, the mean or the median of "
                    "the targets, whatever the row.",
             .params_size = sizeof(constant_params),
             .state_size = sizeof(constant),
             .params = params,
             .visit = visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_SPARSE | MOE_TAKES_NOMINAL |
              MOE_ONLINE,
    .begin = begin,
    .step = step,
    .open = open_stream,
    .learn = learn,
    .learn_one = learn_one,
    .add_class = add_class,
    .contribute = contribute,
    .predict = predict,
    .predict_one = predict_one};
