/* Fills what is missing (NaN) in a numeric column: with the mean, the median or
   the most frequent of its training values (the least of several), or with a
   constant.  In sparse data what is not stored is 0, not missing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transform.h"

enum { MEAN, MEDIAN, MOST_FREQUENT, CONSTANT };
static const char *const strategies[] = {"mean", "median", "most_frequent",
                                         "constant", NULL};

typedef struct impute_params {
  int strategy;
  double fill_value;
  bool indicator;
} impute_params;

typedef struct impute {
  moe_shaped shaped;
  double *fill;   /* one an input column */
  uint8_t *marks; /* the same: 1 if it has an indicator */
} impute;

static const moe_param params[] = {
    MOE_P_CHOICE(impute_params, strategy, MEAN, strategies,
                 "what stands for a missing value"),
    MOE_P_REAL(impute_params, fill_value, 0, -1e300, 1e300,
               "the constant; and what fills columns without any value"),
    MOE_P_FLAG(impute_params, indicator, false,
               "adds a column of zeros and ones, \"missing(x)\", for each "
               "column x with missing values in training"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  impute *s = state;
  size_t d;
  MOE_TRY(moe_shaped_visit(&s->shaped, v));
  d = s->shaped.input.n;
  MOE_TRY(moe_visit_array(v, "fill", MOE_F64, &s->fill, d));
  return moe_visit_array(v, "marks", MOE_U8, &s->marks, d);
}

static size_t count_marks(const impute *s) {
  size_t n = 0;
  for (size_t j = 0; j < s->shaped.input.n; j++) n += s->marks[j];
  return n;
}

static moe_status check(moe_call *call, const moe_object *o) {
  const impute *s = o->state;
  size_t d = s->shaped.input.n;
  MOE_TRY(moe_shaped_check(call, o));
  bool good = s->fill != NULL && s->marks != NULL;
  for (size_t j = 0; good && j < d; j++)
    good = isfinite(s->fill[j]) && s->marks[j] <= 1;
  if (good && s->shaped.output.n == d + count_marks(s)) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "impute: its fillings and columns contradict each other");
}

/* --------------------------------------------------------------- statistics */

/* The values of a column, and how many zeros it has besides them; sorted where
   the order matters. */
typedef struct sample {
  double *values;
  size_t n, zeros;
} sample;

static int compare_numbers(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The k-th in order, as if the zeros were there. */
static double find_kth(const sample *s, size_t k) {
  size_t below = 0;
  while (below < s->n && s->values[below] < 0) below++;
  if (k < below) return s->values[k];
  return k < below + s->zeros ? 0 : s->values[k - s->zeros];
}

static double find_mean(const sample *s) {
  double n = (double)(s->n + s->zeros), mean = 0;
  for (size_t i = 0; i < s->n; i++) mean += s->values[i] / n;
  return mean;
}

static double find_median(const sample *s) {
  size_t n = s->n + s->zeros;
  return find_kth(s, (n - 1) / 2) / 2 + find_kth(s, n / 2) / 2;
}

static double find_most_frequent(const sample *s) {
  double best = 0;
  size_t most = s->zeros, run = 0;
  for (size_t i = 0; i < s->n; i++) {
    double x = s->values[i];
    run = i > 0 && s->values[i - 1] == x ? run + 1 : 1;
    size_t times = run + (x == 0 ? s->zeros : 0);
    if (times < most || (times == most && x >= best)) continue;
    most = times;
    best = x;
  }
  return best;
}

static double summarise(const impute_params *p, sample *s) {
  if (p->strategy == CONSTANT || s->n + s->zeros == 0) return p->fill_value;
  if (p->strategy == MEAN) return find_mean(s);
  qsort(s->values, s->n, sizeof *s->values, compare_numbers);
  return p->strategy == MEDIAN ? find_median(s) : find_most_frequent(s);
}

/* ------------------------------------------------------------------ fitting */

static moe_status fill_dense(moe_call *call, const impute_params *p,
                             const moe_rows *x, double *fill) {
  double *values;
  MOE_SCRATCH(call, values, x->n);
  for (size_t j = 0; j < x->d; j++) {
    int32_t column = x->map != NULL ? x->map[j] : (int32_t)j;
    moe_rows one = *x;
    sample s = {.values = values};
    one.d = 1;
    one.map = &column;
    moe_cells_read(&one, 0, x->n, values);
    for (size_t i = 0; i < x->n; i++)
      if (!isnan(values[i])) values[s.n++] = values[i];
    fill[j] = summarise(p, &s);
  }
  return MOE_OK;
}

/* The entries of sparse rows, column by column: those of column j end at
   ends[j] in the end, and are filled in from ends[j − 1] on. */
typedef struct columns {
  size_t *ends, *missing;
  double *values;
} columns;

static void count_entry(void *context, size_t row, size_t column, double x) {
  columns *c = context;
  (void)row;
  c->ends[column + 1] += !isnan(x);
  c->missing[column] += isnan(x);
}

static void place_entry(void *context, size_t row, size_t column, double x) {
  columns *c = context;
  (void)row;
  if (!isnan(x)) c->values[c->ends[column]++] = x;
}

static moe_status fill_sparse(moe_call *call, const impute_params *p,
                              const moe_rows *x, double *fill) {
  columns c;
  MOE_SCRATCH(call, c.ends, x->d + 1);
  MOE_SCRATCH(call, c.missing, x->d);
  MOE_TRY(moe_cells_each(call, x, count_entry, &c));
  for (size_t j = 0; j < x->d; j++) c.ends[j + 1] += c.ends[j];
  MOE_SCRATCH(call, c.values, c.ends[x->d]);
  MOE_TRY(moe_cells_each(call, x, place_entry, &c));
  for (size_t j = 0; j < x->d; j++) {
    size_t start = j > 0 ? c.ends[j - 1] : 0, n = c.ends[j] - start;
    sample s = {c.values + start, n, x->n - n - c.missing[j]};
    fill[j] = summarise(p, &s);
  }
  return MOE_OK;
}

static void see_mark(void *context, size_t row, size_t column, double x) {
  uint8_t *marks = context;
  (void)row;
  if (isnan(x)) marks[column] = 1;
}

static char *name_output(const impute *s, size_t j, bool mark) {
  static const char format[] = "missing(%s)";
  const char *name = s->shaped.input.names.items[j];
  size_t size = strlen(name) + sizeof format;
  char *out;
  if (!mark) return moe_copy_text(name);
  out = moe_alloc(size, 1);
  if (out != NULL) snprintf(out, size, format, name);
  return out;
}

static moe_status name_outputs(moe_call *call, impute *s) {
  size_t d = s->shaped.input.n;
  MOE_TRY(moe_shaped_outputs(call, &s->shaped, d + count_marks(s)));
  char **name = s->shaped.output.names.items;
  for (size_t k = 0; name != NULL && k < 2 * d; k++) {
    if (k >= d && !s->marks[k - d]) continue;
    *name = name_output(s, k % d, k >= d);
    if (*name++ == NULL)
      return moe_fail(call, MOE_ENOMEM, "not enough memory for the names");
  }
  return MOE_OK;
}

static moe_status fit(moe_call *call, const moe_object *o, void *state,
                      const moe_rows *x) {
  const impute_params *p = o->params;
  moe_scratch_mark mark = moe_scratch_now(call);
  impute *s = state;
  MOE_TRY(moe_new_array(call, &s->fill, x->d, sizeof *s->fill));
  MOE_TRY(moe_new_array(call, &s->marks, x->d, sizeof *s->marks));
  if (p->indicator) MOE_TRY(moe_cells_each(call, x, see_mark, s->marks));
  if (x->source == MOE_FROM_CSR)
    MOE_TRY(fill_sparse(call, p, x, s->fill));
  else
    MOE_TRY(fill_dense(call, p, x, s->fill));
  moe_scratch_drop(call, mark);
  return name_outputs(call, s);
}

/* ----------------------------------------------------------------- applying */

typedef struct writer {
  moe_call *call;
  const impute *impute;
  const size_t *places; /* of the marked columns' indicators */
  size_t row;           /* of the frame */
  moe_frame *out;
  moe_status status;
} writer;

static void write_cell(writer *w, size_t column, double x) {
  if (w->status == MOE_OK)
    w->status = moe_frame_set(w->call, w->out, w->row, column, moe_narrow(x));
}

static void set_value(void *context, size_t row, size_t column, double x) {
  writer *w = context;
  (void)row;
  write_cell(w, column, isnan(x) ? w->impute->fill[column] : x);
}

static void set_mark(void *context, size_t row, size_t column, double x) {
  writer *w = context;
  (void)row;
  if (isnan(x) && w->impute->marks[column]) write_cell(w, w->places[column], 1);
}

static moe_status apply(moe_call *call, const moe_object *o, const void *state,
                        const moe_rows *x, moe_frame *out) {
  const impute *s = state;
  size_t *places, n = x->d;
  (void)o;
  MOE_SCRATCH(call, places, x->d);
  for (size_t j = 0; j < x->d; n += s->marks[j++]) places[j] = n;
  MOE_TRY(moe_frame_new(call, x->n, n, x->source == MOE_FROM_CSR, out));
  writer w = {call, s, places, 0, out, MOE_OK};
  for (; w.row < x->n; w.row++) {
    moe_rows one = moe_rows_range(x, w.row, 1);
    MOE_TRY(moe_cells_each(call, &one, set_value, &w));
    if (n > x->d) MOE_TRY(moe_cells_each(call, &one, set_mark, &w));
  }
  return w.status;
}

static moe_status show_fill(moe_call *call, const moe_object *o,
                            moe_value *out) {
  const impute *s = o->state;
  return moe_shaped_show(call, s->fill, s->shaped.input.n, out);
}

static const moe_gauge gauges[] = {
    {"fill", "what stands for a missing value of each column", show_fill}, {0}};

const moe_transform_type moe_impute = {
    .type = {.name = "impute",
             .family = "transform",
             .doc = "Fills missing numbers with the mean, the median, the most "
                    "frequent value or a constant.",
             .params_size = sizeof(impute_params),
             .state_size = sizeof(impute),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check},
    .takes = MOE_TAKES_CSR,
    .instead = "one_hot or ordinal before it",
    .fit = fit,
    .apply = apply};
