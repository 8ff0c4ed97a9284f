/* A localised gate: g_e(x) ∝ α_e N(x; μ_e, Σ_e), fitted by expectation
   maximisation to Σ_i w_i log Σ_e α_e N(x_i; μ_e, Σ_e) exp(v_ie), with v_ie the
   log-likelihood that expert e gives to the target of row i (Xu, Jordan &
   Hinton 1995, An alternative model for mixtures of experts, NIPS 7): unlike
   the softmax gate's, every step has a closed form.

   In it each expert's covariance counts `prior` rows more, of uncorrelated
   columns with the variance of all rows; so it exists however few rows are the
   expert's, and what the rounds never lower is the likelihood less
   prior/2 Σ_e (tr Σ_e⁻¹ + log|Σ_e|), of standardised columns. */
#include <math.h>
#include <string.h>

#include "gate.h"
#include "gate_score.h"
#include "sweep.h"
#include "threads.h"
#include "vector.h"

enum { FULL, TIED, DIAGONAL };
static const char *const shapes[] = {"full", "tied", "diagonal", NULL};

enum { TILE = 64 /* rows whose answers are found at a time */ };
static const double LEAST_VARIANCE = 1e-9; /* of a standardised column */
static const double LEAST_SHARE = 1e-300;

typedef struct gaussian_params {
  moe_gate_config gate;
  int covariance;
  double prior, tol;
  int64_t max_iter;
} gaussian_params;

/* log g_e = height_e − |A_e x̃ − shift_e|²/2 + const, where x̃ is x standardised
   and A_e the inverse of Σ_e's Cholesky factor. */
typedef struct gaussian_gate {
  moe_fitted fitted;
  int32_t shape;
  double calibration;
  double *centre, *factor; /* n_features */
  double *height;          /* experts */
  double *shift;           /* experts × n_features */
  double *whiten; /* experts × n_features², lower triangles; tied: one; or the
                     diagonals, experts × n_features */
} gaussian_gate;

typedef struct gaussian_work {
  moe_held_out held_out;
  moe_sweep sweep; /* finds centre and factor */
  moe_tally tally;
  double *sums;
  bool informed; /* the state is more than nothing */
  int64_t rounds;
  double before;    /* the objective, a round ago */
  double precision; /* of the experts' errors */
} gaussian_work;

static const moe_param params[] = {
    MOE_P_CHOICE(
        gaussian_params, covariance, FULL, shapes,
        "full: each expert has a covariance of its own; tied: all have "
        "the same, so that the gate is linear; diagonal: columns are "
        "independent within an expert's region"),
    MOE_P_REAL(gaussian_params, prior, 10, 0, 1e300,
               "rows with the variance of all data that each covariance counts "
               "besides the expert's own"),
    MOE_P_INT(gaussian_params, max_iter, 100, 1, 0x1p53, "most rounds of fit"),
    MOE_P_ABOVE(gaussian_params, tol, 1e-6, 0, 1,
                "fit ends when a round raises the mean log-likelihood by less "
                "than this"),
    MOE_P_GATE(gaussian_params),
    {0}};

static size_t count_whiten(const gaussian_gate *g) {
  size_t d = g->fitted.n_features, own = moe_size(d, g->fitted.n_outputs);
  if (g->shape == DIAGONAL) return own;
  return g->shape == TIED ? moe_size(d, d) : moe_size(own, d);
}

static moe_status visit(void *state, moe_visitor *v) {
  gaussian_gate *g = state;
  size_t d, m;
  MOE_TRY(moe_fitted_visit(&g->fitted, v));
  d = g->fitted.n_features;
  m = g->fitted.n_outputs;
  MOE_TRY(moe_visit_scalar(v, "shape", MOE_I32, &g->shape));
  MOE_TRY(moe_visit_scalar(v, "calibration", MOE_F64, &g->calibration));
  MOE_TRY(moe_visit_array(v, "centre", MOE_F64, &g->centre, d));
  MOE_TRY(moe_visit_array(v, "factor", MOE_F64, &g->factor, d));
  MOE_TRY(moe_visit_array(v, "height", MOE_F64, &g->height, m));
  MOE_TRY(moe_visit_array(v, "shift", MOE_F64, &g->shift, moe_size(m, d)));
  return moe_visit_array(v, "whiten", MOE_F64, &g->whiten, count_whiten(g));
}

static bool all_finite(const double *x, size_t n) {
  for (size_t k = 0; k < n; k++)
    if (!isfinite(x[k])) return false;
  return true;
}

static moe_status check(moe_call *call, const moe_object *o) {
  const gaussian_gate *g = o->state;
  size_t d = g->fitted.n_features, m = g->fitted.n_outputs;
  if (g->shape < FULL || g->shape > DIAGONAL || !all_finite(g->centre, d) ||
      !all_finite(g->factor, d) || !all_finite(g->height, m) ||
      !all_finite(g->shift, m * d) || !all_finite(g->whiten, count_whiten(g)))
    return moe_fail(call, MOE_EFORMAT, "gaussian: a number is not finite");
  return moe_gate_check(call, o, g->calibration);
}

/* ------------------------------------------------------------------ answers */

static double distance_of(const double *a, const double *b, size_t d) {
  double sum = 0;
  for (size_t j = 0; j < d; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return sum;
}

/* A x̃ of the rows, for expert e. */
static void whiten_rows(const gaussian_gate *g, size_t e, const double *x,
                        size_t n, double *to) {
  size_t d = g->fitted.n_features;
  if (g->shape == DIAGONAL) {
    const double *a = g->whiten + e * d;
    for (size_t k = 0; k < n; k++)
      for (size_t j = 0; j < d; j++) to[k * d + j] = a[j] * x[k * d + j];
  } else if (g->shape == FULL || e == 0) {
    memset(to, 0, n * d * sizeof *to);
    moe_products(x, n, d, g->whiten + (g->shape == FULL ? e * d * d : 0), d,
                 to);
  }
}

/* log g of n standardised rows, up to a constant; `spare` is n × d. */
static void find_logits(const gaussian_gate *g, const double *x, size_t n,
                        double *spare, double *z) {
  size_t d = g->fitted.n_features, m = g->fitted.n_outputs;
  for (size_t e = 0; e < m; e++) {
    whiten_rows(g, e, x, n, spare);
    for (size_t i = 0; i < n; i++)
      z[i * m + e] =
          g->height[e] - distance_of(spare + i * d, g->shift + e * d, d) / 2;
  }
}

typedef struct answering {
  const gaussian_gate *gate;
  const moe_rows *rows;
  double *x, *spare, *out; /* x, spare: TILE × d for each worker */
} answering;

static void answer_tile(void *context, size_t index, int worker) {
  const answering *q = context;
  const gaussian_gate *g = q->gate;
  size_t d = g->fitted.n_features, first = index * TILE;
  size_t left = q->rows->n - first, n = left < TILE ? left : TILE;
  double *x = q->x + (size_t)worker * TILE * d;
  moe_rows_doubles(q->rows, first, n, x);
  moe_standardize(x, n, d, g->centre, g->factor);
  find_logits(g, x, n, q->spare + (size_t)worker * TILE * d,
              q->out + first * g->fitted.n_outputs);
}

static moe_status apply(moe_call *call, const gaussian_gate *g,
                        const moe_rows *x, double *out) {
  size_t tiles = (x->n + TILE - 1) / TILE, d = g->fitted.n_features;
  size_t width = (size_t)moe_parallel_width(call, tiles);
  answering q = {.gate = g, .rows = x, .out = out};
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_SCRATCH(call, q.x, moe_size(width * TILE, d));
  MOE_SCRATCH(call, q.spare, moe_size(width * TILE, d));
  moe_parallel(call, tiles, answer_tile, &q);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const gaussian_params *p = o->params;
  const gaussian_gate *g = o->state;
  MOE_TRY(apply(call, g, x, out));
  moe_gate_answer(&p->gate, g->calibration, out, x->n, g->fitted.n_outputs);
  return MOE_OK;
}

/* ---------------------------------------------------------- responsibilities
 */

/* Where an expert's sums lie in what the tally adds up: its weight, then the
   rows, then their products; at the end the log-likelihood. */
typedef struct layout {
  size_t first, second, objective, length;
} layout;

static layout layout_of(const gaussian_gate *g) {
  size_t d = g->fitted.n_features, m = g->fitted.n_outputs;
  layout l = {.first = m, .second = m + moe_size(m, d)};
  l.objective = l.second + count_whiten(g);
  l.length = l.objective + 1;
  return l;
}

/* Turns a row's logits into responsibilities, times its weight, and returns
   its weighted log-likelihood.  Rows of which too little is known have none. */
static double find_responsibilities(const moe_batch *b, double precision,
                                    size_t i, double *z) {
  size_t m = b->y->width;
  double most = -INFINITY, sum = 0, w = moe_batch_weight(b, i);
  bool known = true;
  for (size_t e = 0; e < m; e++) {
    z[e] += moe_gate_score(b->y, precision, moe_rows_at(&b->x, i), e);
    known = known && z[e] == z[e];
    most = fmax(most, z[e]);
  }
  known = known && isfinite(most);
  for (size_t e = 0; e < m; e++) sum += z[e] = known ? exp(z[e] - most) : 0;
  for (size_t e = 0; e < m && known; e++) z[e] *= w / sum;
  return known ? w * (most + log(sum)) : 0;
}

/* Rows times the square roots of what they count for an expert, or (m) for
   all. */
static void scale_rows(const moe_tile *tile, const double *h, size_t m,
                       size_t e, size_t d, double *to) {
  for (size_t i = 0; i < tile->n; i++) {
    double weight = e < m ? h[i * m + e] : 0;
    for (size_t k = 0; k < m && e == m; k++) weight += h[i * m + k];
    weight = sqrt(weight);
    for (size_t j = 0; j < d; j++) to[i * d + j] = weight * tile->x[i * d + j];
  }
}

static void add_products(const gaussian_gate *g, const moe_tile *tile,
                         const double *h, double *spare, double *second) {
  size_t d = g->fitted.n_features, m = g->fitted.n_outputs;
  if (g->shape == TIED) {
    scale_rows(tile, h, m, m, d, spare);
    moe_gram(spare, tile->n, d, second);
    return;
  }
  for (size_t e = 0; e < m; e++) {
    scale_rows(tile, h, m, e, d, spare);
    if (g->shape == FULL) moe_gram(spare, tile->n, d, second + e * d * d);
    for (size_t i = 0; i < tile->n && g->shape == DIAGONAL; i++)
      for (size_t j = 0; j < d; j++)
        second[e * d + j] += spare[i * d + j] * spare[i * d + j];
  }
}

static void add_rows(const void *context, const moe_tile *tile, double *sum) {
  const moe_job *job = context;
  const gaussian_work *w = job->work;
  const gaussian_gate *g = job->state;
  const layout l = layout_of(g);
  size_t m = g->fitted.n_outputs, d = g->fitted.n_features;
  double *h = tile->work, *spare = h + tile->n * m;
  memset(h, 0, tile->n * m * sizeof *h);
  if (w->informed) find_logits(g, tile->x, tile->n, spare, h);
  for (size_t i = 0; i < tile->n; i++) {
    sum[l.objective] += find_responsibilities(&job->batch, w->precision,
                                              tile->first + i, h + i * m);
    for (size_t e = 0; e < m; e++) sum[e] += h[i * m + e];
  }
  moe_weighted_sums(h, tile->n, m, tile->x, d, sum + l.first);
  add_products(g, tile, h, spare, sum + l.second);
}

/* --------------------------------------------------------- the closed forms */

/* The lower triangle of a positive definite matrix becomes that of the inverse
   of its Cholesky factor; returns half the logarithm of its determinant. */
static double invert_factor(double *a, size_t d) {
  double half = 0;
  for (size_t k = 0; k < d; k++) {
    double *row = a + k * d;
    double pivot = row[k] - moe_dot(row, row, k);
    row[k] = sqrt(fmax(pivot, LEAST_VARIANCE));
    half += log(row[k]);
    for (size_t i = k + 1; i < d; i++)
      a[i * d + k] = (a[i * d + k] - moe_dot(a + i * d, row, k)) / row[k];
  }
  for (size_t k = 0; k < d; k++) {
    double *row = a + k * d, pivot = 1 / row[k];
    for (size_t j = 0; j < k; j++) {
      double sum = 0;
      for (size_t i = j; i < k; i++) sum += row[i] * a[i * d + j];
      row[j] = -sum * pivot;
    }
    row[k] = pivot;
    memset(row + k + 1, 0, (d - k - 1) * sizeof *row);
  }
  return half;
}

static double mean_of(const gaussian_gate *g, const double *sums, size_t e,
                      size_t j) {
  const layout l = layout_of(g);
  return sums[e] > 0 ? sums[l.first + e * g->fitted.n_features + j] / sums[e]
                     : 0;
}

/* What the prior makes of a variance about the mean, summed over the rows.  A
   constant column says nothing about anyone. */
static double variance_of(const gaussian_gate *g, double sum, double weight,
                          double prior, size_t j) {
  double rows = weight + prior;
  if (g->factor[j] == 0 || !(rows > 0)) return 1;
  return fmax((sum + prior) / rows, LEAST_VARIANCE);
}

/* Expert e's products about its mean are taken from a sum of products. */
static void subtract_mean(const gaussian_gate *g, const double *sums, size_t e,
                          double *a) {
  size_t d = g->fitted.n_features;
  for (size_t j = 0; j < d; j++)
    for (size_t k = 0; k <= j; k++)
      a[j * d + k] -= sums[e] * mean_of(g, sums, e, j) * mean_of(g, sums, e, k);
}

/* The products become A; returns the logarithm of A's determinant, negated. */
static double whiten_products(const gaussian_gate *g, double weight,
                              double prior, double *a) {
  size_t d = g->fitted.n_features;
  double rows = weight + prior;
  for (size_t j = 0; j < d; j++) {
    for (size_t k = 0; k < j; k++)
      a[j * d + k] = rows > 0 ? a[j * d + k] / rows : 0;
    a[j * d + j] = variance_of(g, a[j * d + j], weight, prior, j);
  }
  return invert_factor(a, d);
}

static double whiten_diagonal(const gaussian_gate *g, const double *sums,
                              size_t e, double prior, double *a) {
  size_t d = g->fitted.n_features;
  double half = 0;
  for (size_t j = 0; j < d; j++) {
    double mean = mean_of(g, sums, e, j);
    double sd =
        sqrt(variance_of(g, a[j] - sums[e] * mean * mean, sums[e], prior, j));
    a[j] = 1 / sd;
    half += log(sd);
  }
  return half;
}

/* A for expert e, whose products `sums` hold. */
static double whiten_expert(gaussian_gate *g, const double *sums, size_t e,
                            double prior, double weight) {
  const layout l = layout_of(g);
  size_t d = g->fitted.n_features, m = g->fitted.n_outputs;
  size_t size = g->shape == DIAGONAL ? d : d * d;
  double *a = g->whiten + (g->shape == TIED ? 0 : e * size);
  memcpy(a, sums + l.second + (size_t)(a - g->whiten), size * sizeof *a);
  if (g->shape == DIAGONAL) return whiten_diagonal(g, sums, e, prior, a);
  for (size_t k = 0; k < m; k++)
    if (g->shape == TIED || k == e) subtract_mean(g, sums, k, a);
  return whiten_products(g, g->shape == TIED ? weight : sums[e], prior, a);
}

static void place_expert(gaussian_gate *g, const double *sums, size_t e) {
  size_t d = g->fitted.n_features;
  const double *a = g->whiten + (g->shape == TIED       ? 0
                                 : g->shape == DIAGONAL ? e * d
                                                        : e * d * d);
  double *shift = g->shift + e * d;
  memset(shift, 0, d * sizeof *shift);
  for (size_t j = 0; j < d; j++)
    if (g->shape == DIAGONAL)
      shift[j] = a[j] * mean_of(g, sums, e, j);
    else
      for (size_t k = 0; k <= j; k++)
        shift[j] += a[j * d + k] * mean_of(g, sums, e, k);
}

static void maximise(gaussian_gate *g, double prior, const double *sums) {
  size_t m = g->fitted.n_outputs;
  double weight = 0, half = 0;
  for (size_t e = 0; e < m; e++) weight += sums[e];
  for (size_t e = 0; e < m; e++) {
    double share = weight > 0 ? sums[e] / weight : 1 / (double)m;
    if (g->shape != TIED || e == 0)
      half = whiten_expert(g, sums, e, prior, weight);
    g->height[e] = log(fmax(share, LEAST_SHARE)) - half;
    place_expert(g, sums, e);
  }
}

/* What the prior takes off the log-likelihood. */
static double find_penalty(const gaussian_gate *g, double prior) {
  size_t d = g->fitted.n_features, n = count_whiten(g);
  size_t next = g->shape == DIAGONAL ? 1 : d + 1, size = next * (d - 1) + 1;
  double sum = moe_dot(g->whiten, g->whiten, n) / 2;
  for (size_t first = 0; first < n; first += size)
    for (size_t k = 0; k < size; k += next) sum -= log(g->whiten[first + k]);
  return prior * sum;
}

/* ------------------------------------------------------------------ the job */

static moe_status begin(moe_call *call, moe_job *job) {
  const gaussian_params *p = job->object->params;
  gaussian_gate *g = job->state;
  gaussian_work *w = job->work;
  size_t d = g->fitted.n_features, m = g->fitted.n_outputs;
  const size_t size = sizeof(double);
  g->shape = p->covariance;
  g->calibration = 1;
  w->before = -INFINITY;
  MOE_TRY(moe_new_array(call, &g->centre, d, size));
  MOE_TRY(moe_new_array(call, &g->factor, d, size));
  MOE_TRY(moe_new_array(call, &g->height, m, size));
  MOE_TRY(moe_new_array(call, &g->shift, moe_size(m, d), size));
  MOE_TRY(moe_new_array(call, &g->whiten, count_whiten(g), size));
  MOE_TRY(moe_new_array(call, &w->sums, layout_of(g).length, size));
  MOE_TRY(moe_gate_hold_out(call, job, &p->gate, &w->held_out));
  moe_sweep_plan plan = {.batch = &job->batch,
                         .outputs = 1,
                         .intercept = true,
                         .standardize = true,
                         .curvature = 1};
  return moe_sweep_new(call, &plan, &w->sweep);
}

/* Goes on from what the gate has learned before. */
static void recall(const gaussian_gate *from, gaussian_work *w,
                   gaussian_gate *g) {
  size_t d = g->fitted.n_features, m = g->fitted.n_outputs;
  memcpy(g->centre, from->centre, d * sizeof(double));
  memcpy(g->factor, from->factor, d * sizeof(double));
  memcpy(g->height, from->height, m * sizeof(double));
  memcpy(g->shift, from->shift, m * d * sizeof(double));
  memcpy(g->whiten, from->whiten, count_whiten(g) * sizeof(double));
  w->informed = true;
}

static moe_status prepare(moe_call *call, moe_job *job) {
  gaussian_gate *g = job->state;
  const gaussian_gate *known = job->object->state;
  gaussian_work *w = job->work;
  size_t d = g->fitted.n_features, m = g->fitted.n_outputs;
  MOE_TRY(moe_sweep_prepare(call, &w->sweep));
  if (!w->sweep.prepared) return MOE_OK;
  memcpy(g->centre, w->sweep.centre, d * sizeof *g->centre);
  memcpy(g->factor, w->sweep.factor, d * sizeof *g->factor);
  w->precision = moe_gate_precision(&job->batch);
  if (job->warm && known->shape == g->shape) recall(known, w, g);
  moe_tally_plan plan = {.rows = &job->batch.x,
                         .columns = d,
                         .centre = g->centre,
                         .factor = g->factor,
                         .width = m + d,
                         .length = layout_of(g).length,
                         .cost = 3 * count_whiten(g)};
  return moe_tally_new(call, &plan, &w->tally);
}

static moe_status finish(moe_call *call, moe_job *job) {
  gaussian_gate *g = job->state;
  const gaussian_work *w = job->work;
  const moe_held_out *h = &w->held_out;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *z;
  job->done = true;
  MOE_SCRATCH(call, z, moe_size(h->batch.x.n, g->fitted.n_outputs));
  MOE_TRY(apply(call, g, &h->batch.x, z));
  MOE_TRY(moe_gate_calibrate(call, h, z, &g->calibration));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status round_once(moe_call *call, moe_job *job) {
  const gaussian_params *p = job->object->params;
  gaussian_work *w = job->work;
  gaussian_gate *g = job->state;
  const layout l = layout_of(g);
  double weight = 0;
  if (!moe_tally_run(call, &w->tally, add_rows, job, w->sums)) return MOE_OK;
  for (size_t e = 0; e < g->fitted.n_outputs; e++) weight += w->sums[e];
  if (w->informed) {
    double value = w->sums[l.objective] - find_penalty(g, p->prior);
    bool enough = value - w->before <= p->tol * weight;
    moe_job_record(job, "objective", value);
    w->before = value;
    if (enough) return finish(call, job);
  }
  maximise(g, p->prior, w->sums);
  w->informed = job->usable = true;
  return ++w->rounds >= p->max_iter ? finish(call, job) : MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  const gaussian_work *w = job->work;
  while (!job->done) {
    if (!w->sweep.prepared)
      MOE_TRY(prepare(call, job));
    else
      MOE_TRY(round_once(call, job));
    if (moe_call_pausing(call)) break;
  }
  return MOE_OK;
}

static void end(moe_job *job) {
  gaussian_work *w = job->work;
  moe_held_out_free(&w->held_out);
  moe_sweep_free(&w->sweep);
  moe_tally_free(&w->tally);
  moe_free(w->sums);
}

const moe_learner_type moe_gaussian_gate = {
    .type = {.name = "gaussian",
             .family = "gate",
             .doc =
                 "Each expert's region is a normal distribution of the rows, "
                 "fitted in closed form.",
             .params_size = sizeof(gaussian_params),
             .state_size = sizeof(gaussian_gate),
             .params = params,
             .visit = visit,
             .check = check},
    .traits = MOE_GATES | MOE_TAKES_MISSING,
    .job_size = sizeof(gaussian_work),
    .begin = begin,
    .step = step,
    .end = end,
    .predict = predict};
