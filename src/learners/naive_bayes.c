/* Naive Bayes: p(c | x) ∝ p(c) Π_j p(x_j | c), each column by itself.
     gaussian      p(x_j | c) = N(x_j; mean_cj, variance_cj + smoothing · V),
                   V the largest variance of a column over all classes
     multinomial   p(x | c) ∝ Π_j q_cj^x_j,
                   q_cj = (count_cj + alpha) / Σ_j (count_cj + alpha)
   (McCallum & Nigam 1998); and a column of strings, whatever the others are,
     p(x_j = v | c) = (count_cjv + alpha) / Σ_v (count_cjv + alpha)
   over the levels met so far.  What is learned are sums, so that learning row
   by row comes to what fit does at once: means and variances by the updates of
   Welford 1962 (doi 10.2307/1266577), weighted.  A missing value says nothing:
   its column is left out, in learning and in answering. */
#include <math.h>
#include <string.h>

#include "naive_bayes.h"
#include "tally.h"

static const char *const distributions[] = {"gaussian", "multinomial", NULL};

/* Sums stop here, so that no sum of sums is infinite. */
static const double LARGEST = 1e290;

static const moe_param params[] = {
    MOE_P_CHOICE(moe_naive_bayes_params, distribution, MOE_NB_GAUSSIAN,
                 distributions,
                 "of a column's values in a class: multinomial is for counts "
                 "and shares, none negative"),
    MOE_P_ABOVE(moe_naive_bayes_params, smoothing, 1e-9, 0, 1e9,
                "gaussian: the share of the largest variance of a column that "
                "is added to each variance"),
    MOE_P_ABOVE(moe_naive_bayes_params, alpha, 1, 0, 1e9,
                "multinomial, and columns of strings: what is added to each "
                "count"),
    MOE_P_LIST(moe_naive_bayes_params, priors, MOE_WEIGHTS, 0, 1e300,
               "prior weight of each class, by label, 1 where it is not named; "
               "absent: the weight of its rows"),
    {0}};

/* ------------------------------------------------------------------- state */

/* What a class has of each kind: `width` numbers. */
typedef struct part {
  const char *name;
  double **array;
  size_t width;
  double least, most; /* what they can have come to */
} part;

enum { MOST_PARTS = 5 };

static size_t list_parts(moe_naive_bayes_model *m, part *out) {
  size_t d = m->fitted.n_features, n = 0;
  out[n++] = (part){"weight", &m->weight, 1, 0, 2 * LARGEST};
  out[n++] = (part){"count", &m->count, d, 0, 2 * LARGEST};
  if (m->distribution == MOE_NB_MULTINOMIAL) {
    out[n++] = (part){"total", &m->total, 1, 0, 2 * LARGEST};
  } else {
    out[n++] = (part){"mean", &m->mean, d, -1e151, 1e151};
    out[n++] = (part){"variance", &m->variance, d, 0, 1e302};
  }
  if (m->slots > 0)
    out[n++] = (part){"level", &m->level, m->slots, 0, 2 * LARGEST};
  return n;
}

static moe_status visit_slots(moe_naive_bayes_model *m, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "slots", MOE_I64, &m->slots));
  return moe_visit_array(v, "slot_start", MOE_I64, &m->start,
                         m->slots > 0 ? m->fitted.n_features + 1 : 0);
}

static moe_status visit(void *state, moe_visitor *v) {
  moe_naive_bayes_model *m = state;
  part parts[MOST_PARTS];
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "distribution", MOE_I32, &m->distribution));
  if (m->fitted.intake.open) MOE_TRY(visit_slots(m, v));
  size_t n = list_parts(m, parts);
  for (size_t i = 0; i < n; i++)
    MOE_TRY(moe_visit_array(v, parts[i].name, MOE_F64, parts[i].array,
                            moe_size(m->fitted.n_outputs, parts[i].width)));
  return MOE_OK;
}

static moe_status prepare(moe_call *call, moe_naive_bayes_model *m) {
  part parts[MOST_PARTS];
  size_t n = list_parts(m, parts);
  for (size_t i = 0; i < n; i++)
    if (*parts[i].array == NULL)
      MOE_TRY(moe_new_array(call, parts[i].array,
                            moe_size(m->fitted.n_outputs, parts[i].width),
                            sizeof(double)));
  return MOE_OK;
}

static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  const moe_naive_bayes_params *p = o->params;
  moe_naive_bayes_model *m = o->state;
  part parts[MOST_PARTS];
  if (m->weight == NULL) m->distribution = p->distribution;
  size_t n = list_parts(m, parts), classes = m->fitted.n_outputs;
  for (size_t i = 0; i < n; i++) {
    double *wider = moe_resize(
        *parts[i].array, moe_size(classes + 1, parts[i].width), sizeof *wider);
    if (wider == NULL)
      return moe_fail(call, MOE_ENOMEM, "not enough memory for a class");
    *parts[i].array = wider;
  }
  for (size_t i = 0; i < n; i++) {
    size_t width = parts[i].width;
    double *at = *parts[i].array + position * width;
    memmove(at + width, at, (classes - position) * width * sizeof *at);
    memset(at, 0, width * sizeof *at);
  }
  return MOE_OK;
}

static bool are_slots_sound(const moe_naive_bayes_model *m) {
  size_t d = m->fitted.n_features;
  if (m->slots == 0) return true;
  for (size_t j = 0; j < d; j++)
    if (m->start[j] > m->start[j + 1]) return false;
  return m->start[0] == 0 && (size_t)m->start[d] == m->slots;
}

static moe_status check(moe_call *call, const moe_object *o) {
  moe_naive_bayes_model *m = o->state;
  part parts[MOST_PARTS];
  bool good = (m->distribution == MOE_NB_GAUSSIAN ||
               m->distribution == MOE_NB_MULTINOMIAL) &&
              are_slots_sound(m);
  size_t n = good ? list_parts(m, parts) : 0;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; good && k < m->fitted.n_outputs * parts[i].width; k++) {
      double x = (*parts[i].array)[k];
      good = x >= parts[i].least && x <= parts[i].most;
    }
  if (good) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "naive_bayes: a sum is not usable");
}

/* ---------------------------------------------------------------- learning */

static double bounded(double sum) { return sum < LARGEST ? sum : LARGEST; }

/* Rows first … first+n−1. */
static moe_status refuse_negative(moe_call *call, const moe_rows *x,
                                  size_t first, size_t n) {
  moe_scratch_mark mark = moe_scratch_now(call);
  double *row;
  MOE_SCRATCH(call, row, x->d);
  for (size_t i = first; i < first + n; i++) {
    bool sparse = moe_nb_is_sparse(x);
    moe_entries e = sparse ? moe_rows_entries(x, i) : (moe_entries){.n = x->d};
    if (!sparse) moe_rows_doubles(x, i, 1, row);
    for (size_t k = 0; k < e.n; k++) {
      double value = sparse ? (double)e.value[k] : row[k];
      if (!(value < 0)) continue;
      return moe_fail(call, MOE_EDATA,
                      "row %zu, column %zu is %g: a multinomial naive_bayes "
                      "takes counts, of at least 0",
                      i + 1, (sparse ? (size_t)e.index[k] : k) + 1, value);
    }
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* The distribution of what has been learned is that of the parameter. */
static moe_status settle(moe_call *call, const moe_object *o,
                         moe_naive_bayes_model *m) {
  const moe_naive_bayes_params *p = o->params;
  if (m->weight == NULL) m->distribution = p->distribution;
  if (m->distribution != p->distribution)
    return moe_fail(call, MOE_EPARAM,
                    "naive_bayes has learned as %s so far (reset forgets)",
                    distributions[m->distribution]);
  return prepare(call, m);
}

/* Fitting takes two passes over the rows, or one if multinomial: sums, then
   squares of what differs from the means. */
typedef struct work {
  moe_naive_bayes_model *model;
  const moe_batch *batch;
  double unit;  /* the power of two by which weights sum to about 1 */
  double *sums; /* weights, counts and, if gaussian, sums of values */
  moe_tally tally;
  size_t checked; /* rows that have no negative count */
  bool centred;   /* the first pass is done */
} work;

static double *class_row(const work *w, const moe_tile *tile, size_t i,
                         size_t row, double *of) {
  size_t at = moe_rows_at(&w->batch->x, tile->first + i);
  return of + (size_t)w->batch->y->ids[at] * row;
}

static double unit_weight(const work *w, const moe_tile *tile, size_t i) {
  return w->unit * moe_batch_weight(w->batch, tile->first + i);
}

/* The counts of a row, weighed; their sum. */
static double count_entries(moe_entries e, double weight, double *count) {
  double sum = 0;
  for (size_t k = 0; k < e.n; k++) {
    double x = (double)e.value[k];
    if (isnan(x)) continue;
    count[e.index[k]] = bounded(count[e.index[k]] + weight * x);
    sum += weight * x;
  }
  return sum;
}

static double count_row(const double *x, size_t d, double weight,
                        double *restrict count) {
  double sum = 0;
  for (size_t j = 0; j < d; j++) {
    double term = x[j] == x[j] ? weight * moe_nb_limited(x[j]) : 0;
    count[j] = bounded(count[j] + term);
    sum += term;
  }
  return sum;
}

static void add_counts(const void *context, const moe_tile *tile, double *sum) {
  const work *w = context;
  const moe_rows *x = &w->batch->x;
  size_t d = x->d, classes = w->model->fitted.n_outputs;
  for (size_t i = 0; i < tile->n; i++) {
    double weight = unit_weight(w, tile, i);
    double *count = class_row(w, tile, i, d, sum + classes);
    *class_row(w, tile, i, 1, sum) += weight;
    if (moe_nb_is_sparse(x))
      count_entries(moe_rows_entries(x, tile->first + i), weight, count);
    else
      count_row(tile->x + i * d, d, weight, count);
  }
}

static void add_values(const void *context, const moe_tile *tile, double *sum) {
  const work *w = context;
  size_t d = w->batch->x.d, classes = w->model->fitted.n_outputs;
  for (size_t i = 0; i < tile->n; i++) {
    const double *x = tile->x + i * d;
    double weight = unit_weight(w, tile, i);
    double *restrict count = class_row(w, tile, i, d, sum + classes);
    double *restrict total = count + classes * d;
    *class_row(w, tile, i, 1, sum) += weight;
    for (size_t j = 0; j < d; j++) {
      bool present = x[j] == x[j];
      count[j] += present ? weight : 0;
      total[j] += present ? weight * moe_nb_limited(x[j]) : 0;
    }
  }
}

static void add_squares(const void *context, const moe_tile *tile,
                        double *sum) {
  const work *w = context;
  size_t d = w->batch->x.d;
  for (size_t i = 0; i < tile->n; i++) {
    const double *x = tile->x + i * d;
    const double *mean = class_row(w, tile, i, d, w->model->mean);
    double *restrict square = class_row(w, tile, i, d, sum);
    double weight = unit_weight(w, tile, i);
    for (size_t j = 0; j < d; j++) {
      double away = moe_nb_limited(x[j]) - mean[j];
      square[j] += x[j] == x[j] ? weight * away * away : 0;
    }
  }
}

static moe_status open_tally(moe_call *call, work *w, size_t length) {
  const moe_rows *x = &w->batch->x;
  bool sparse =
      w->model->distribution == MOE_NB_MULTINOMIAL && moe_nb_is_sparse(x);
  moe_tally_plan plan = {
      .rows = x, .columns = sparse ? 0 : x->d, .length = length, .cost = x->d};
  if (sparse)
    plan.cost = (size_t)(x->csr->start[x->csr->rows] - x->csr->start[0]) /
                    (x->csr->rows + 1) +
                8;
  moe_tally_free(&w->tally);
  return moe_tally_new(call, &plan, &w->tally);
}

static bool has_strings(const moe_rows *x) {
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++)
    if (moe_rows_column(x, j)->numbers == NULL) return true;
  return false;
}

moe_status moe__naive_bayes_check(moe_call *call,
                                  const moe_naive_bayes_model *m,
                                  const moe_rows *x) {
  if (m->fitted.intake.open || !has_strings(x)) return MOE_OK;
  return moe_fail(call, MOE_EDATA,
                  "naive_bayes has learned from numbers so far, and there are "
                  "strings in the columns now");
}

/* A table with columns of strings is learned from as a stream is. */
static moe_status begin_stream(moe_call *call, moe_job *job) {
  moe_naive_bayes_model *m = job->state;
  MOE_TRY(moe_intake_open(call, &m->fitted.intake, &job->batch.x, true, true));
  return moe_stream_begin(call, job);
}

static moe_status begin(moe_call *call, moe_job *job) {
  moe_naive_bayes_model *m = job->state;
  work *w = job->work;
  if (has_strings(&job->batch.x)) return begin_stream(call, job);
  double total = 0;
  int exponent;
  MOE_TRY(settle(call, job->object, m));
  for (size_t i = 0; i < job->batch.x.n; i++)
    total += moe_batch_weight(&job->batch, i);
  frexp(total, &exponent);
  size_t d = m->fitted.n_features, classes = m->fitted.n_outputs;
  size_t numbers = m->distribution == MOE_NB_GAUSSIAN ? 2 * d : d;
  size_t length = moe_size(classes, numbers + 1);
  *w = (work){.model = m,
              .batch = &job->batch,
              .unit = ldexp(1, exponent < -1000 ? 1000 : -exponent)};
  MOE_TRY(moe_new_array(call, &w->sums, length, sizeof *w->sums));
  return open_tally(call, w, length);
}

static void take_counts(work *w) {
  moe_naive_bayes_model *m = w->model;
  size_t d = m->fitted.n_features, classes = m->fitted.n_outputs;
  const double *count = w->sums + classes;
  for (size_t c = 0; c < classes; c++)
    m->weight[c] = bounded(w->sums[c] / w->unit);
  for (size_t k = 0; k < classes * d; k++) {
    m->count[k] = bounded(count[k] / w->unit);
    if (m->distribution == MOE_NB_MULTINOMIAL)
      m->total[k / d] = bounded(m->total[k / d] + m->count[k]);
    else
      m->mean[k] = count[k] > 0 ? count[k + classes * d] / count[k] : 0;
  }
}

static void take_squares(work *w, const double *square) {
  moe_naive_bayes_model *m = w->model;
  size_t n = m->fitted.n_features * m->fitted.n_outputs;
  const double *count = w->sums + m->fitted.n_outputs;
  for (size_t k = 0; k < n; k++)
    m->variance[k] = count[k] > 0 ? square[k] / count[k] : 0;
}

/* The next rows; all are checked once w->checked says so. */
static moe_status check_some(moe_call *call, work *w) {
  enum { NUMBERS = 1 << 18 /* between two looks at the clock */ };
  const moe_rows *x = &w->batch->x;
  size_t some = NUMBERS / x->d + 1, left = x->n - w->checked;
  size_t n = some < left ? some : left;
  MOE_TRY(refuse_negative(call, x, w->checked, n));
  w->checked += n;
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  work *w = job->work;
  moe_naive_bayes_model *m = job->state;
  size_t n = m->fitted.n_features * m->fitted.n_outputs;
  bool gaussian = m->distribution == MOE_NB_GAUSSIAN;
  if (m->fitted.intake.open) return moe_stream_step(call, job);
  while (!gaussian && w->checked < w->batch->x.n) {
    MOE_TRY(check_some(call, w));
    if (moe_call_pausing(call)) return MOE_OK;
  }
  if (!w->centred) {
    moe_tally_add add = gaussian ? add_values : add_counts;
    if (!moe_tally_run(call, &w->tally, add, w, w->sums)) return MOE_OK;
    take_counts(w);
    w->centred = true;
    if (gaussian) MOE_TRY(open_tally(call, w, n));
  }
  double *square = w->sums + m->fitted.n_outputs + n;
  if (gaussian && !moe_tally_run(call, &w->tally, add_squares, w, square))
    return MOE_OK;
  if (gaussian) take_squares(w, square);
  job->done = true;
  return MOE_OK;
}

static void end(moe_job *job) {
  work *w = job->work;
  moe_tally_free(&w->tally);
  moe_free(w->sums);
}

/* Welford's update of a column's mean and variance. */
static void add_value(moe_naive_bayes_model *m, size_t k, double x,
                      double weight) {
  double away = moe_nb_limited(x) - m->mean[k];
  m->count[k] = bounded(m->count[k] + weight);
  double share = fmin(weight / m->count[k], 1);
  m->mean[k] += share * away;
  m->variance[k] += share * ((1 - share) * away * away - m->variance[k]);
}

/* ----------------------------------------------------------- row by row */

/* Room for a level in its column; what other columns have moves along. */
static moe_status make_slot(moe_call *call, moe_naive_bayes_model *m, size_t j,
                            size_t code) {
  size_t d = m->fitted.n_features, classes = m->fitted.n_outputs;
  size_t room = m->slots > 0 ? (size_t)(m->start[j + 1] - m->start[j]) : 0;
  if (code < room) return MOE_OK;
  size_t more = 2 * code + 4 - room, slots = m->slots + more;
  double *level;
  if (m->slots == 0) {
    moe_free(m->start); /* of no length */
    MOE_TRY(moe_new_array(call, &m->start, d + 1, sizeof *m->start));
  }
  MOE_TRY(moe_new_array(call, &level, moe_size(classes, slots), sizeof *level));
  size_t before = (size_t)m->start[j + 1], after = m->slots - before;
  for (size_t c = 0; m->slots > 0 && c < classes; c++) {
    const double *from = m->level + c * m->slots;
    double *to = level + c * slots;
    memcpy(to, from, before * sizeof *to);
    memcpy(to + before + more, from + before, after * sizeof *to);
  }
  moe_free(m->level);
  m->level = level;
  m->slots = slots;
  for (size_t k = j; k < d; k++) m->start[k + 1] += (int64_t)more;
  return MOE_OK;
}

static moe_status make_slots(moe_call *call, moe_naive_bayes_model *m,
                             const double *x) {
  for (size_t j = 0; j < m->fitted.n_features; j++)
    if (moe_nb_is_nominal(m, j) && !isnan(x[j]))
      MOE_TRY(make_slot(call, m, j, (size_t)x[j]));
  return MOE_OK;
}

static moe_status refuse_value(moe_call *call, const moe_naive_bayes_model *m,
                               const double *x) {
  for (size_t j = 0; j < m->fitted.n_features; j++)
    if (x[j] < 0)
      return moe_fail(call, MOE_EDATA,
                      "column %zu is %g: a multinomial naive_bayes takes "
                      "counts, of at least 0",
                      j + 1, x[j]);
  return MOE_OK;
}

static void add_level(moe_naive_bayes_model *m, size_t c, size_t j, double code,
                      double weight) {
  double *count = &m->count[c * m->fitted.n_features + j];
  double *level = &m->level[c * m->slots + (size_t)m->start[j] + (size_t)code];
  *count = bounded(*count + weight);
  *level = bounded(*level + weight);
}

static void add_count(moe_naive_bayes_model *m, size_t c, size_t j,
                      const double *x, size_t n, double weight) {
  double *count = m->count + c * m->fitted.n_features + j;
  m->total[c] = bounded(m->total[c] + count_row(x + j, n, weight, count));
}

static void add_column(moe_naive_bayes_model *m, size_t c, size_t j,
                       const double *x, double weight) {
  if (isnan(x[j])) return;
  if (moe_nb_is_nominal(m, j))
    add_level(m, c, j, x[j], weight);
  else if (m->distribution == MOE_NB_MULTINOMIAL)
    add_count(m, c, j, x, 1, weight);
  else
    add_value(m, c * m->fitted.n_features + j, x[j], weight);
}

/* What is refused is refused before anything has changed. */
static moe_status learn_values(moe_call *call, moe_naive_bayes_model *m,
                               size_t c, const double *x, double weight) {
  size_t d = m->fitted.n_features;
  bool counts = m->distribution == MOE_NB_MULTINOMIAL;
  if (counts) MOE_TRY(refuse_value(call, m, x));
  if (m->fitted.intake.open) MOE_TRY(make_slots(call, m, x));
  m->weight[c] = bounded(m->weight[c] + weight);
  if (counts && m->slots == 0)
    add_count(m, c, 0, x, d, weight);
  else
    for (size_t j = 0; j < d; j++) add_column(m, c, j, x, weight);
  return MOE_OK;
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  moe_naive_bayes_model *m = o->state;
  MOE_TRY(settle(call, o, m));
  return learn_values(call, m, (size_t)s->id, s->x, s->weight);
}

static moe_status learn_row(moe_call *call, moe_naive_bayes_model *m,
                            const moe_batch *b, size_t i, double *x) {
  size_t c = (size_t)b->y->ids[moe_rows_at(&b->x, i)];
  double weight = moe_batch_weight(b, i);
  if (weight == 0) return MOE_OK;
  if (m->distribution != MOE_NB_MULTINOMIAL || !moe_nb_is_sparse(&b->x)) {
    moe_rows_doubles(&b->x, i, 1, x);
    return learn_values(call, m, c, x, weight);
  }
  m->weight[c] = bounded(m->weight[c] + weight);
  m->total[c] =
      bounded(m->total[c] + count_entries(moe_rows_entries(&b->x, i), weight,
                                          m->count + c * m->fitted.n_features));
  return MOE_OK;
}

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_naive_bayes_model *m = o->state;
  double *x;
  MOE_TRY(moe__naive_bayes_check(call, m, &batch->x));
  MOE_TRY(settle(call, o, m));
  if (m->distribution == MOE_NB_MULTINOMIAL)
    MOE_TRY(refuse_negative(call, &batch->x, 0, batch->x.n));
  MOE_SCRATCH(call, x, m->fitted.n_features);
  for (size_t i = 0; i < batch->x.n; i++)
    MOE_TRY(learn_row(call, m, batch, i, x));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

const moe_learner_type moe_naive_bayes = {
    .type = {.name = "naive_bayes",
             .family = "learner",
             .doc = "Naive Bayes, gaussian or multinomial: each column by "
                    "itself, in one look at the data, or row by row.",
             .params_size = sizeof(moe_naive_bayes_params),
             .state_size = sizeof(moe_naive_bayes_model),
             .params = params,
             .visit = visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_TAKES_MISSING | MOE_TAKES_SPARSE |
              MOE_TAKES_NOMINAL | MOE_ONLINE,
    .job_size = sizeof(work),
    .begin = begin,
    .step = step,
    .end = end,
    .learn = learn,
    .learn_one = learn_one,
    .add_class = add_class,
    .predict = moe__naive_bayes_predict,
    .predict_one = moe__naive_bayes_predict_one};
