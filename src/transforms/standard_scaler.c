/* Standardisation: z = (x − mean) / deviation, each column by the mean and the
   population deviation of its training values.  Missing values are not counted
   and stay missing; a column that is constant has a deviation of 1. */
#include <math.h>

#include "transform.h"

typedef struct scaler_params {
  bool with_mean, with_std;
} scaler_params;

typedef struct scaler {
  moe_shaped shaped;
  uint8_t centred;   /* with_mean, when it was fitted */
  double *mean;      /* one a column; 0 without with_mean */
  double *deviation; /* 1 without with_std */
} scaler;

static const moe_param params[] = {
    MOE_P_FLAG(scaler_params, with_mean, true,
               "whether the mean is subtracted; not possible in sparse data"),
    MOE_P_FLAG(scaler_params, with_std, true,
               "whether to divide by the deviation"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  scaler *s = state;
  MOE_TRY(moe_shaped_visit(&s->shaped, v));
  MOE_TRY(moe_visit_scalar(v, "centred", MOE_U8, &s->centred));
  MOE_TRY(moe_visit_array(v, "mean", MOE_F64, &s->mean, s->shaped.input.n));
  return moe_visit_array(v, "deviation", MOE_F64, &s->deviation,
                         s->shaped.input.n);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const scaler *s = o->state;
  bool good = s->mean != NULL && s->deviation != NULL;
  MOE_TRY(moe_shaped_check(call, o));
  good = good && s->shaped.output.n == s->shaped.input.n;
  for (size_t j = 0; good && j < s->shaped.input.n; j++)
    good = isfinite(s->mean[j]) && (s->centred || s->mean[j] == 0) &&
           isfinite(s->deviation[j]) && s->deviation[j] > 0;
  if (good) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "standard_scaler: a mean or deviation is not usable");
}

/* ------------------------------------------------------------------ fitting */

/* What is summed of a column.  Values are taken times a power of two that
   brings the largest near 1, so that no square over- or underflows. */
typedef struct moments {
  size_t stored, missing, n; /* n: values, zeros that are not stored included */
  double low, high, unit;    /* unit: the power of two */
  double mean;               /* of the scaled values */
  double sum, squares;       /* of what they differ from it */
} moments;

static void see_range(void *context, size_t row, size_t column, double x) {
  moments *m = (moments *)context + column;
  (void)row;
  m->stored++;
  m->missing += isnan(x);
  m->low = fmin(m->low, x);
  m->high = fmax(m->high, x);
}

static void see_sum(void *context, size_t row, size_t column, double x) {
  moments *m = (moments *)context + column;
  (void)row;
  if (!isnan(x)) m->sum += x * m->unit;
}

static void see_squares(void *context, size_t row, size_t column, double x) {
  moments *m = (moments *)context + column;
  double d = x * m->unit - m->mean;
  (void)row;
  if (isnan(x)) return;
  m->sum += d;
  m->squares += d * d;
}

static void end_range(moments *m, size_t rows) {
  int exponent;
  if (m->stored < rows) {
    m->low = fmin(m->low, 0);
    m->high = fmax(m->high, 0);
  }
  m->n = rows - m->missing;
  frexp(fmax(fabs(m->low), fabs(m->high)), &exponent);
  m->unit = m->n > 0 ? ldexp(1, exponent < -1000 ? 1000 : -exponent) : 1;
}

static void end_sum(moments *m) {
  bool constant = m->low == m->high;
  m->mean = constant ? m->low * m->unit : m->n > 0 ? m->sum / (double)m->n : 0;
  m->sum = 0;
}

/* The deviation in the column's own unit; what rounding left of the mean is
   corrected (Chan, Golub & LeVeque 1983, doi 10.2307/2683386). */
static double end_squares(const moments *m, size_t rows) {
  double n = (double)m->n, zeros = (double)(rows - m->stored);
  double rest = m->sum - zeros * m->mean;
  double squares = m->squares + zeros * m->mean * m->mean;
  double deviation = sqrt(fmax(squares - rest * rest / n, 0) / n) / m->unit;
  return m->low < m->high && deviation > 0 ? deviation : 1;
}

typedef struct scaler_work {
  moments *moments; /* one a column */
} scaler_work;

static moe_status begin(moe_call *call, moe_transform_job *job) {
  const scaler_params *p = job->object->params;
  scaler_work *w = job->work;
  scaler *s = job->state;
  size_t d = job->x.d;
  if (p->with_mean && job->x.source == MOE_FROM_CSR)
    return moe_fail(call, MOE_EDATA,
                    "standard_scaler: sparse data cannot be centred; use "
                    "with_mean = false");
  s->centred = p->with_mean;
  MOE_TRY(moe_shaped_keep(call, &s->shaped));
  MOE_TRY(moe_new_array(call, &s->mean, d, sizeof *s->mean));
  MOE_TRY(moe_new_array(call, &s->deviation, d, sizeof *s->deviation));
  MOE_TRY(moe_new_array(call, &w->moments, d, sizeof *w->moments));
  for (size_t j = 0; j < d; j++)
    w->moments[j] = (moments){.low = INFINITY, .high = -INFINITY};
  return MOE_OK;
}

static void finish(moe_transform_job *job) {
  const scaler_params *p = job->object->params;
  const moments *m = ((const scaler_work *)job->work)->moments;
  scaler *s = job->state;
  for (size_t j = 0; j < job->x.d; j++) {
    s->mean[j] = p->with_mean ? m[j].mean / m[j].unit : 0;
    s->deviation[j] = p->with_std ? end_squares(&m[j], job->x.n) : 1;
  }
  job->done = true;
}

/* A pass for the range, one for the mean, one for the squares. */
static moe_status step(moe_call *call, moe_transform_job *job) {
  static const moe_cell_visit see[] = {see_range, see_sum, see_squares};
  const scaler_work *w = job->work;
  size_t pass = job->passes;
  if (w->moments == NULL) MOE_TRY(begin(call, job));
  moments *m = w->moments;
  moe_span span = moe_transform_next(job, moe_cells_cost(&job->x));
  MOE_TRY(moe_cells_each(call, &job->x, span, see[pass], m));
  if (job->passes == pass) return MOE_OK;
  for (size_t j = 0; pass == 0 && j < job->x.d; j++) end_range(&m[j], job->x.n);
  for (size_t j = 0; pass == 1 && j < job->x.d; j++) end_sum(&m[j]);
  if (pass == 2) finish(job);
  return MOE_OK;
}

static void end(moe_transform_job *job) {
  moe_free(((scaler_work *)job->work)->moments);
}

/* ----------------------------------------------------------------- applying */

/* The difference of two huge numbers may overflow where the result does not. */
static float scale(const scaler *s, size_t j, double x) {
  double difference = x - s->mean[j];
  double z = isinf(difference)
                 ? x / s->deviation[j] - s->mean[j] / s->deviation[j]
                 : difference / s->deviation[j];
  return moe_narrow(z);
}

/* The frame that is being filled. */
typedef struct scaling {
  moe_call *call;
  const scaler *scaler;
  moe_frame *out;
  moe_status status;
} scaling;

static void see_cell(void *context, size_t row, size_t column, double x) {
  scaling *s = context;
  if (s->status == MOE_OK)
    s->status = moe_frame_set(s->call, s->out, row, column,
                              scale(s->scaler, column, x));
}

static moe_status apply(moe_call *call, const moe_object *o, const void *state,
                        const moe_rows *x, moe_span span, moe_frame *out) {
  scaling s = {call, state, out, MOE_OK};
  (void)o;
  if (x->source == MOE_FROM_CSR && s.scaler->centred)
    return moe_fail(call, MOE_EDATA,
                    "standard_scaler: sparse data cannot be centred; fit with "
                    "with_mean = false");
  MOE_TRY(moe_cells_each(call, x, span, see_cell, &s));
  return s.status;
}

/* ------------------------------------------------------------------- gauges */

static moe_status show_mean(moe_call *call, const moe_object *o,
                            moe_value *out) {
  const scaler *s = o->state;
  return moe_shaped_show(call, s->mean, s->shaped.input.n, out);
}

static moe_status show_deviation(moe_call *call, const moe_object *o,
                                 moe_value *out) {
  const scaler *s = o->state;
  return moe_shaped_show(call, s->deviation, s->shaped.input.n, out);
}

static const moe_gauge gauges[] = {
    {"mean", "what is subtracted from each column", show_mean},
    {"deviation", "what each column is divided by", show_deviation},
    {0}};

const moe_transform_type moe_standard_scaler = {
    .type = {.name = "standard_scaler",
             .family = "transform",
             .doc = "Standardises columns: (x - mean) / deviation.",
             .params_size = sizeof(scaler_params),
             .state_size = sizeof(scaler),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check},
    .takes = MOE_TAKES_CSR,
    .instead = "one_hot or ordinal before it",
    .work_size = sizeof(scaler_work),
    .step = step,
    .end = end,
    .apply = apply};
