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

/* The values of a column, sorted where the order matters, and how many zeros it
   has besides them. */
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

static double summarise(const impute_params *p, const sample *s) {
  if (p->strategy == CONSTANT || s->n + s->zeros == 0) return p->fill_value;
  if (p->strategy == MEAN) return find_mean(s);
  return p->strategy == MEDIAN ? find_median(s) : find_most_frequent(s);
}

/* ------------------------------------------------------------------ fitting
   One column after the other: its values are gathered, sorted where the order
   matters, and summarised.  Those of sparse rows are brought into the order of
   columns first, in two passes. */

typedef struct impute_work {
  size_t column;
  sample own;           /* values of the column in hand … */
  bool gathered;        /* … all of which are there */
  size_t sorted, run;   /* so many of them lie in sorted runs, of this length */
  double *room, *spare; /* for a column's values, and to merge runs into */
  size_t *ends, *absent; /* sparse: where a column's entries end, and NaNs */
  double *entries;       /* of all columns */
} impute_work;

enum { RUN = 4096 /* values sorted at a time */ };

static bool needs_order(const impute_params *p) {
  return p->strategy == MEDIAN || p->strategy == MOST_FREQUENT;
}

static moe_status begin(moe_call *call, moe_transform_job *job) {
  impute_work *w = job->work;
  impute *s = job->state;
  size_t n = job->x.n, d = job->x.d;
  MOE_TRY(moe_new_array(call, &s->fill, d, sizeof *s->fill));
  MOE_TRY(moe_new_array(call, &s->marks, d, sizeof *s->marks));
  MOE_TRY(moe_new_array(call, &w->absent, d, sizeof *w->absent));
  if (needs_order(job->object->params))
    MOE_TRY(moe_new_array(call, &w->spare, n, sizeof *w->spare));
  if (job->x.source == MOE_FROM_CSR)
    return moe_new_array(call, &w->ends, d + 1, sizeof *w->ends);
  return moe_new_array(call, &w->room, n, sizeof *w->room);
}

static void count_entry(void *context, size_t row, size_t column, double x) {
  impute_work *w = context;
  (void)row;
  w->ends[column + 1] += !isnan(x);
  w->absent[column] += isnan(x);
}

static void place_entry(void *context, size_t row, size_t column, double x) {
  impute_work *w = context;
  (void)row;
  if (!isnan(x)) w->entries[w->ends[column]++] = x;
}

/* Those of column j begin at ends[j] after the first pass, and end there after
   the second. */
static moe_status place_entries(moe_call *call, moe_transform_job *job) {
  impute_work *w = job->work;
  size_t pass = job->passes, d = job->x.d;
  moe_span span = moe_transform_next(job, moe_cells_cost(&job->x));
  MOE_TRY(moe_cells_each(call, &job->x, span,
                         pass == 0 ? count_entry : place_entry, w));
  if (job->passes == 1 && pass == 0) {
    for (size_t j = 0; j < d; j++) w->ends[j + 1] += w->ends[j];
    return moe_new_array(call, &w->entries, w->ends[d], sizeof(double));
  }
  return MOE_OK;
}

static void take_entries(moe_transform_job *job) {
  impute_work *w = job->work;
  size_t j = w->column, start = j > 0 ? w->ends[j - 1] : 0;
  size_t n = w->ends[j] - start;
  w->own = (sample){w->entries + start, n, job->x.n - n - w->absent[j]};
}

/* More values of the column in hand; true when they are complete. */
static bool read_column(moe_transform_job *job) {
  impute_work *w = job->work;
  size_t pass = job->passes;
  const moe_rows *x = &job->x;
  int32_t column = x->map != NULL ? x->map[w->column] : (int32_t)w->column;
  moe_span span = moe_transform_next(job, 1);
  moe_rows one = *x;
  one.d = 1;
  one.map = &column;
  w->own.values = w->room;
  double *values = w->room + w->own.n;
  moe_cells_read(&one, span.first, span.n, values);
  for (size_t i = 0; i < span.n; i++)
    if (!isnan(values[i])) w->room[w->own.n++] = values[i];
  w->absent[w->column] = x->n - w->own.n;
  return job->passes > pass;
}

static void merge(const double *a, size_t n_a, const double *b, size_t n_b,
                  double *out) {
  while (n_a > 0 && n_b > 0) {
    bool second = *b < *a;
    *out++ = second ? *b++ : *a++;
    n_a -= !second;
    n_b -= second;
  }
  for (; n_a > 0; n_a--) *out++ = *a++;
  for (; n_b > 0; n_b--) *out++ = *b++;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* One more run, or runs merged in pairs; true when all is in order. */
static bool sort_column(impute_work *w) {
  sample *s = &w->own;
  double *values = s->values;
  if (w->sorted < s->n) {
    size_t n = least(s->n - w->sorted, RUN);
    qsort(values + w->sorted, n, sizeof *values, compare_numbers);
    w->sorted += n;
    w->run = RUN;
    return s->n <= RUN;
  }
  for (size_t i = 0; i < s->n; i += 2 * w->run) {
    size_t middle = least(i + w->run, s->n);
    merge(values + i, middle - i, values + middle,
          least(middle + w->run, s->n) - middle, w->spare + i);
  }
  memcpy(values, w->spare, s->n * sizeof *values);
  w->run *= 2;
  return s->n <= w->run;
}

static void end_column(moe_transform_job *job) {
  const impute_params *p = job->object->params;
  impute_work *w = job->work;
  impute *s = job->state;
  size_t j = w->column++;
  s->fill[j] = summarise(p, &w->own);
  s->marks[j] = p->indicator && w->absent[j] > 0;
  w->own = (sample){0};
  w->sorted = 0;
  w->gathered = false;
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

static moe_status step(moe_call *call, moe_transform_job *job) {
  impute_work *w = job->work;
  bool sparse = job->x.source == MOE_FROM_CSR;
  if (w->absent == NULL) MOE_TRY(begin(call, job));
  if (sparse && job->passes < 2) return place_entries(call, job);
  if (w->column == job->x.d) {
    job->done = true;
    return name_outputs(call, job->state);
  }
  if (!w->gathered) {
    if (sparse) take_entries(job);
    w->gathered = sparse || read_column(job);
  } else if (!needs_order(job->object->params) || sort_column(w)) {
    end_column(job);
  }
  return MOE_OK;
}

static void end(moe_transform_job *job) {
  impute_work *w = job->work;
  void *const owned[] = {w->room, w->spare, w->ends, w->absent, w->entries};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) moe_free(owned[i]);
}

/* ----------------------------------------------------------------- applying */

typedef struct writer {
  moe_call *call;
  const impute *impute;
  const size_t *places; /* of the marked columns' indicators */
  moe_frame *out;
  moe_status status;
} writer;

static void write_cell(writer *w, size_t row, size_t column, double x) {
  if (w->status == MOE_OK)
    w->status = moe_frame_set(w->call, w->out, row, column, moe_narrow(x));
}

static void set_value(void *context, size_t row, size_t column, double x) {
  writer *w = context;
  write_cell(w, row, column, isnan(x) ? w->impute->fill[column] : x);
}

static void set_mark(void *context, size_t row, size_t column, double x) {
  writer *w = context;
  if (isnan(x) && w->impute->marks[column])
    write_cell(w, row, w->places[column], 1);
}

static moe_status apply(moe_call *call, const moe_object *o, const void *state,
                        const moe_rows *x, moe_span span, moe_frame *out) {
  const impute *s = state;
  size_t *places, n = x->d, last = span.first + span.n;
  (void)o;
  MOE_SCRATCH(call, places, x->d);
  for (size_t j = 0; j < x->d; n += s->marks[j++]) places[j] = n;
  writer w = {call, s, places, out, MOE_OK};
  for (moe_span row = {span.first, 1}; row.first < last; row.first++) {
    MOE_TRY(moe_cells_each(call, x, row, set_value, &w));
    if (n > x->d) MOE_TRY(moe_cells_each(call, x, row, set_mark, &w));
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
    .work_size = sizeof(impute_work),
    .step = step,
    .end = end,
    .apply = apply};
