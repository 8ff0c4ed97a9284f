/* k nearest neighbours (Fix & Hodges 1951; Cover & Hart 1967,
   doi 10.1109/TIT.1967.1053964): a row's class probabilities are the weights of
   the classes among the k nearest rows learned, its value their weighted mean,
     Σ_i u_i y_i / Σ_i u_i   with u_i = w_i, or w_i / distance_i,
   where rows at distance 0, if there are any, are the only ones that count.
   Learning is remembering, of the last `window` rows if that is set. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "learner.h"
#include "neighbours.h"
#include "vector.h"

enum { UNIFORM, BY_DISTANCE };
static const char *const weightings[] = {"uniform", "distance", NULL};

typedef struct knn_params {
  int task, weights, distance, method;
  int64_t k, window;
  bool standardize;
} knn_params;

typedef struct knn {
  moe_fitted fitted;
  moe_neighbours rows;
  double *weight; /* slots */
  double *target; /* slots × target_width: a class, or values */
} knn;

static const moe_param params[] = {
    MOE_P_TASK(knn_params),
    MOE_P_INT(knn_params, k, 5, 1, INT32_MAX,
              "how many neighbours answer; all rows if there are fewer"),
    MOE_P_CHOICE(knn_params, weights, UNIFORM, weightings,
                 "how much a neighbour counts: as its sample weight says, or "
                 "that divided by its distance"),
    MOE_P_CHOICE(knn_params, distance, MOE_EUCLIDEAN, moe_metric_choices,
                 "the root of the summed squares of the differences, or the "
                 "sum of their absolute values"),
    MOE_P_FLAG(knn_params, standardize, false,
               "whether differences are divided by the column's deviation "
               "over the rows kept"),
    MOE_P_OPT_INT(knn_params, window, 1, INT32_MAX,
                  "keep the last so many rows only; absent: all"),
    MOE_P_CHOICE(knn_params, method, MOE_SEARCH_AUTO, moe_search_choices,
                 "the same neighbours by halving space, which is fast in few "
                 "columns, or by matrix products, which measure euclidean "
                 "distances only"),
    {0}};

static size_t target_width(const knn *m) {
  return m->fitted.task == MOE_CLASSIFICATION ? 1 : m->fitted.n_outputs;
}

static moe_status visit(void *state, moe_visitor *v) {
  knn *m = state;
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_neighbours_visit(&m->rows, v));
  size_t slots = m->rows.slots, n = moe_size(slots, target_width(m));
  MOE_TRY(moe_visit_array(v, "weight", MOE_F64, &m->weight, slots));
  return moe_visit_array(v, "target", MOE_F64, &m->target, n);
}

static moe_status check_target(moe_call *call, const knn *m) {
  size_t width = target_width(m);
  bool classes = m->fitted.task == MOE_CLASSIFICATION;
  for (size_t i = 0; i < m->rows.n; i++) {
    bool good = m->weight[i] > 0 && isfinite(m->weight[i]);
    for (size_t k = 0; good && k < width; k++) {
      double y = m->target[i * width + k];
      good = isfinite(y) &&
             (!classes || (y >= 0 && y < (double)m->fitted.n_outputs));
    }
    if (!good)
      return moe_fail(call, MOE_EFORMAT,
                      "knn: weight or target %zu is not usable", i + 1);
  }
  return MOE_OK;
}

static moe_status check(moe_call *call, const moe_object *o) {
  const knn *m = o->state;
  if (!moe_neighbours_sound(&m->rows, m->fitted.n_features) ||
      (m->rows.slots > 0 && (m->weight == NULL || m->target == NULL)))
    return moe_fail(call, MOE_EFORMAT, "knn: its rows are not usable");
  return check_target(call, m);
}

static moe_status rebuild(moe_call *call, moe_object *o) {
  knn *m = o->state;
  return moe_neighbours_build(call, &m->rows, NULL);
}

/* ---------------------------------------------------------------- learning */

static moe_status settle(moe_call *call, const knn_params *p, knn *m) {
  if (p->method == MOE_SEARCH_BRUTE && p->distance == MOE_MANHATTAN)
    return moe_fail(call, MOE_EPARAM,
                    "knn: method 'brute' measures euclidean distances; use "
                    "'kd_tree' or 'auto' for manhattan");
  m->rows.search = p->method;
  m->rows.metric = p->distance;
  m->rows.standardize = p->standardize;
  return MOE_OK;
}

static size_t window_of(const knn_params *p) {
  return p->window == MOE_NO_INT ? INT32_MAX : (size_t)p->window;
}

static moe_example example_of(const knn *m, const moe_batch *b, size_t i) {
  size_t at = moe_rows_at(&b->x, i);
  moe_example s = {.weight = moe_batch_weight(b, i)};
  if (m->fitted.task == MOE_CLASSIFICATION)
    s.id = b->y->ids[at];
  else
    s.y = b->y->values + at * b->y->width;
  return s;
}

static void remember(knn *m, const moe_example *s, size_t slot) {
  size_t width = target_width(m);
  m->weight[slot] = s->weight;
  for (size_t k = 0; k < width; k++)
    m->target[slot * width + k] =
        m->fitted.task == MOE_CLASSIFICATION ? (double)s->id : s->y[k];
}

/* Fitting copies the rows, some at a time, and prepares the search. */
typedef struct knn_work {
  moe_batch kept; /* the last rows that weigh something, as many as are kept */
  int32_t *pick;  /* theirs */
  size_t copied;
} knn_work;

static moe_status choose(moe_call *call, const moe_batch *b, size_t most,
                         knn_work *w) {
  size_t n = 0;
  MOE_TRY(moe_new_array(call, &w->pick, b->x.n, sizeof *w->pick));
  for (size_t i = 0; i < b->x.n; i++)
    if (moe_batch_weight(b, i) > 0)
      w->pick[n++] = (int32_t)moe_rows_at(&b->x, i);
  w->kept = *b;
  w->kept.x.n = n < most ? n : most;
  w->kept.x.pick = w->pick + (n - w->kept.x.n);
  return MOE_OK;
}

static moe_status begin(moe_call *call, moe_job *job) {
  const knn_params *p = job->object->params;
  knn_work *w = job->work;
  knn *m = job->state;
  MOE_TRY(settle(call, p, m));
  MOE_TRY(choose(call, &job->batch, window_of(p), w));
  size_t n = w->kept.x.n, targets = moe_size(n, target_width(m));
  MOE_TRY(moe_neighbours_reserve(call, &m->rows, n, w->kept.x.d));
  MOE_TRY(moe_new_array(call, &m->weight, n, sizeof *m->weight));
  MOE_TRY(moe_new_array(call, &m->target, targets, sizeof *m->target));
  if ((size_t)p->k > n)
    moe_job_note(job, "all %zu rows answer, since k = %lld", n,
                 (long long)p->k);
  return MOE_OK;
}

static moe_status copy_some(moe_call *call, knn *m, knn_work *w) {
  enum { NUMBERS = 1 << 18 /* between two looks at the clock */ };
  size_t n = NUMBERS / w->kept.x.d + 1, left = w->kept.x.n - w->copied;
  moe_rows some = moe_rows_range(&w->kept.x, w->copied, n < left ? n : left);
  MOE_TRY(moe_neighbours_fill(call, &m->rows, &some, w->copied));
  for (size_t i = 0; i < some.n; i++, w->copied++) {
    moe_example s = example_of(m, &w->kept, w->copied);
    remember(m, &s, w->copied);
  }
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  knn *m = job->state;
  knn_work *w = job->work;
  while (w->copied < w->kept.x.n) {
    MOE_TRY(copy_some(call, m, w));
    if (moe_call_pausing(call)) return MOE_OK;
  }
  return moe_neighbours_build(call, &m->rows, &job->done);
}

static void end(moe_job *job) {
  knn_work *w = job->work;
  moe_free(w->pick);
}

/* Room for `slots` items, what is new being 0. */
static moe_status widen(moe_call *call, double **array, size_t before,
                        size_t slots, size_t width) {
  double *wider = moe_resize(*array, moe_size(slots, width), sizeof *wider);
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for %zu rows", slots);
  memset(wider + before * width, 0, (slots - before) * width * sizeof *wider);
  *array = wider;
  return MOE_OK;
}

static moe_status add_row(moe_call *call, knn *m, size_t most,
                          const moe_example *s) {
  size_t before = m->rows.slots, slots = moe_neighbours_room(&m->rows, most);
  size_t slot;
  if (slots > before) {
    MOE_TRY(widen(call, &m->weight, before, slots, 1));
    MOE_TRY(widen(call, &m->target, before, slots, target_width(m)));
  }
  MOE_TRY(moe_neighbours_add(call, &m->rows, s->x, most, &slot));
  remember(m, s, slot);
  return MOE_OK;
}

/* Forgets what is too much for the window, which may have changed. */
static void shrink(knn *m, size_t most) {
  size_t n = m->rows.n, width = target_width(m);
  size_t by = moe_neighbours_keep(&m->rows, most), kept = m->rows.n;
  if (n == 0) return;
  moe_neighbours_turn(m->weight, n, sizeof *m->weight, by);
  moe_neighbours_turn(m->target, n, width * sizeof *m->target, by);
  memset(m->weight + kept, 0, (n - kept) * sizeof *m->weight);
  memset(m->target + kept * width, 0, (n - kept) * width * sizeof *m->target);
}

static moe_status open_window(moe_call *call, const knn_params *p, knn *m) {
  MOE_TRY(settle(call, p, m));
  MOE_TRY(moe_neighbours_open(call, &m->rows, m->fitted.n_features));
  shrink(m, window_of(p));
  return MOE_OK;
}

static moe_status open_stream(moe_call *call, moe_object *o) {
  return open_window(call, o->params, o->state);
}

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  const knn_params *p = o->params;
  moe_scratch_mark mark = moe_scratch_now(call);
  knn *m = o->state;
  double *x;
  MOE_SCRATCH(call, x, m->fitted.n_features);
  MOE_TRY(open_window(call, p, m));
  for (size_t i = 0; i < batch->x.n; i++) {
    moe_example s = example_of(m, batch, i);
    s.x = x;
    moe_rows_doubles(&batch->x, i, 1, x);
    if (s.weight > 0) MOE_TRY(add_row(call, m, window_of(p), &s));
  }
  moe_neighbours_measure(&m->rows);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  const knn_params *p = o->params;
  knn *m = o->state;
  MOE_TRY(open_window(call, p, m));
  MOE_TRY(add_row(call, m, window_of(p), s));
  moe_neighbours_measure(&m->rows);
  return MOE_OK;
}

static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  knn *m = o->state;
  (void)call;
  for (size_t i = 0; i < m->rows.n; i++)
    if (m->target[i] >= (double)position) m->target[i]++;
  return MOE_OK;
}

/* --------------------------------------------------------------- answering */

/* What each of k neighbours counts, at most 1: distances are compared with the
   least, weights with the largest, so that nothing overflows. */
static void share(const knn *m, const knn_params *p, size_t k,
                  const int32_t *nearest, const double *distance, double *out) {
  double most = 0;
  for (size_t i = 0; i < k; i++) most = fmax(most, m->weight[nearest[i]]);
  for (size_t i = 0; i < k; i++) {
    double ratio = distance[i] > distance[0] ? distance[0] / distance[i] : 1;
    out[i] = m->weight[nearest[i]] / most;
    if (p->weights == BY_DISTANCE)
      out[i] *= m->rows.metric == MOE_EUCLIDEAN ? sqrt(ratio) : ratio;
  }
}

static void vote(const knn *m, size_t k, const int32_t *nearest,
                 const double *share_of, double *out) {
  for (size_t i = 0; i < k; i++)
    out[(size_t)m->target[nearest[i]]] += share_of[i];
  moe_normalise(out, 1, m->fitted.n_outputs);
}

/* The mean, kept from rounding to infinity. */
static void average(const knn *m, size_t k, const int32_t *nearest,
                    const double *share_of, double *out) {
  size_t width = m->fitted.n_outputs;
  double sum = 0;
  for (size_t i = 0; i < k; i++) sum += share_of[i];
  for (size_t i = 0; i < k; i++)
    moe_axpy(share_of[i] / sum, m->target + (size_t)nearest[i] * width, out,
             width);
  for (size_t j = 0; j < width; j++)
    out[j] = fmax(fmin(out[j], DBL_MAX), -DBL_MAX);
}

static moe_status answer(moe_call *call, const moe_object *o, const moe_rows *x,
                         size_t k, double *out) {
  const knn *m = o->state;
  size_t found = moe_size(x->n, k), outputs = m->fitted.n_outputs;
  int32_t *nearest;
  double *distance, *shares;
  MOE_SCRATCH(call, nearest, found);
  MOE_SCRATCH(call, distance, found);
  MOE_SCRATCH(call, shares, k);
  if (k > 0)
    MOE_TRY(moe_neighbours_find(call, &m->rows, x, k, nearest, distance));
  memset(out, 0, x->n * outputs * sizeof *out);
  for (size_t i = 0; i < x->n; i++, out += outputs) {
    share(m, o->params, k, nearest + i * k, distance + i * k, shares);
    if (m->fitted.task == MOE_CLASSIFICATION)
      vote(m, k, nearest + i * k, shares, out);
    else
      average(m, k, nearest + i * k, shares, out);
  }
  return MOE_OK;
}

/* In parts that need little memory, however large k is. */
static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  enum { AT_ONCE = 1 << 20, LEAST = 256 };
  const knn_params *p = o->params;
  const knn *m = o->state;
  size_t k = (size_t)p->k < m->rows.n ? (size_t)p->k : m->rows.n;
  size_t rows = AT_ONCE / (k + 1) > LEAST ? AT_ONCE / (k + 1) : LEAST;
  for (size_t first = 0; first < x->n; first += rows) {
    size_t n = x->n - first < rows ? x->n - first : rows;
    moe_scratch_mark mark = moe_scratch_now(call);
    moe_rows part = moe_rows_range(x, first, n);
    MOE_TRY(answer(call, o, &part, k, out + first * m->fitted.n_outputs));
    moe_scratch_drop(call, mark);
  }
  return MOE_OK;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  moe_rows row =
      moe_rows_of_doubles(x, 1, ((const knn *)o->state)->fitted.n_features);
  return predict(call, o, &row, out);
}

static moe_status show_rows(moe_call *call, const moe_object *o,
                            moe_value *out) {
  const knn *m = o->state;
  (void)call;
  *out = moe_number_value((double)m->rows.n);
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    {"rows", "how many rows are kept", show_rows}, {0}};

const moe_learner_type moe_knn = {
    .type = {.name = "knn",
             .family = "learner",
             .doc = "The k nearest rows answer: exact, by a k-d tree or by "
                    "matrix products, and ready to learn row by row.",
             .params_size = sizeof(knn_params),
             .state_size = sizeof(knn),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check,
             .rebuild = rebuild},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT | MOE_ONLINE,
    .job_size = sizeof(knn_work),
    .begin = begin,
    .step = step,
    .end = end,
    .open = open_stream,
    .learn = learn,
    .learn_one = learn_one,
    .add_class = add_class,
    .predict = predict,
    .predict_one = predict_one};
