#include "softmax_regression.h"

#include <math.h>
#include <string.h>

#include "vector.h"

enum { PREPARE, PRIOR, DESCEND };

/* --------------------------------------------------------------- residuals */

/* Makes the largest of m logits 0 and returns what it was. */
static double subtract_most(double *z, size_t m) {
  double most = z[0];
  for (size_t c = 1; c < m; c++) most = z[c] > most ? z[c] : most;
  for (size_t c = 0; c < m; c++) z[c] -= most;
  return most;
}

static double sum_of(const double *z, size_t m) {
  double sum = 0;
  for (size_t c = 0; c < m; c++) sum += z[c];
  return sum;
}

double moe_softmax_class_residual(const moe_batch *batch, size_t first,
                                  size_t n, double *z, double *spare) {
  size_t m = batch->y->labels->n;
  double loss = 0;
  for (size_t i = 0; i < n; i++) {
    subtract_most(z + i * m, m);
    spare[i] =
        z[i * m + (size_t)batch->y->ids[moe_rows_at(&batch->x, first + i)]];
  }
  moe_exp(z, n * m);
  for (size_t i = 0; i < n; i++, z += m) {
    double w = moe_batch_weight(batch, first + i), sum = sum_of(z, m);
    loss += w * (log(sum) - spare[i]);
    for (size_t c = 0; c < m; c++) z[c] *= w / sum;
    z[batch->y->ids[moe_rows_at(&batch->x, first + i)]] -= w;
  }
  return loss;
}

/* Of two classes z is one logit, the second's. */
static double binary_residual(const moe_batch *batch, size_t first, size_t n,
                              double *z, double *spare) {
  double loss = 0;
  for (size_t i = 0; i < n; i++) spare[i] = -fabs(z[i]);
  moe_exp(spare, n);
  for (size_t i = 0; i < n; i++) {
    double w = moe_batch_weight(batch, first + i), odds = spare[i];
    double y = batch->y->ids[moe_rows_at(&batch->x, first + i)];
    double p = (z[i] < 0 ? odds : 1) / (1 + odds);
    loss += w * (log(1 + odds) + fmax(z[i], 0) - y * z[i]);
    z[i] = w * (p - y);
  }
  return loss;
}

/* z plus the log-likelihoods v, up to a constant of the row; z alone, which
   makes the residual 0, where v is not a number or all of it is -Inf. */
static void add_likelihood(const double *v, const double *z, size_t m,
                           double *sum) {
  double most = -INFINITY;
  bool known = true;
  for (size_t e = 0; e < m; e++) {
    most = v[e] > most ? v[e] : most;
    known = known && v[e] == v[e];
  }
  known = known && isfinite(most);
  for (size_t e = 0; e < m; e++) sum[e] = known ? z[e] + (v[e] - most) : z[e];
}

static double likelihood_residual(const moe_batch *batch, size_t first,
                                  size_t n, double *z, double *spare) {
  size_t m = batch->y->width;
  double loss = 0;
  for (size_t i = 0; i < n; i++) {
    const double *v = batch->y->values + moe_rows_at(&batch->x, first + i) * m;
    double w = moe_batch_weight(batch, first + i), *own = z + i * m;
    add_likelihood(v, own, m, spare + i * m);
    loss += w * subtract_most(own, m);
    loss -= w * subtract_most(spare + i * m, m);
  }
  moe_exp(z, n * m);
  moe_exp(spare, n * m);
  for (size_t i = 0; i < n; i++, z += m, spare += m) {
    double w = moe_batch_weight(batch, first + i);
    double g = sum_of(z, m), h = sum_of(spare, m);
    loss += w * (log(g) - log(h));
    for (size_t e = 0; e < m; e++) z[e] = w * (z[e] / g - spare[e] / h);
  }
  return loss;
}

/* Half of the mixture's squared error s = Σ_e g_e r_e in a row, and its
   derivative by each logit, s (r_e − s), but for the factor g_e; summed over
   the errors that each expert makes there. */
static double mix_errors(const double *r, const double *g, size_t m,
                         size_t errors, double *slope) {
  double half = 0;
  memset(slope, 0, m * sizeof *slope);
  for (size_t o = 0; o < errors; o++, r++) {
    double mixed = 0;
    for (size_t e = 0; e < m; e++) mixed += g[e] * r[e * errors];
    half += mixed * mixed / 2;
    for (size_t e = 0; e < m; e++) slope[e] += mixed * (r[e * errors] - mixed);
  }
  return half;
}

/* Rows whose errors are not all known say nothing. */
static double error_residual(const moe_batch *batch, size_t first, size_t n,
                             double *z, double *spare) {
  size_t m = batch->y->width, errors = batch->y->errors;
  double loss = 0;
  for (size_t i = 0; i < n; i++) subtract_most(z + i * m, m);
  moe_exp(z, n * m);
  for (size_t i = 0; i < n; i++, z += m) {
    size_t at = moe_rows_at(&batch->x, first + i);
    double w = moe_batch_weight(batch, first + i), sum = sum_of(z, m);
    for (size_t e = 0; e < m; e++) z[e] /= sum;
    double half =
        mix_errors(batch->y->values + at * m * errors, z, m, errors, spare);
    bool known = isfinite(half);
    loss += known ? w * half : 0;
    for (size_t e = 0; e < m; e++) z[e] = known ? w * z[e] * spare[e] : 0;
  }
  return loss;
}

/* ------------------------------------------------ the best constant weights */

static const double ENOUGH = 1e-7; /* gain of mean likelihood in a round */
static const double SOFTER = 0.1;  /* of the start is uniform, so that no expert
                                      begins too small to be heard */
static const double LEAST = 1e-30; /* of weights, which have a logarithm */
enum { ROUNDS = 100 };

static moe_status begin_prior(moe_call *call, moe_softmax_fit *s) {
  size_t m = s->m;
  moe_tally_plan plan = {.rows = &s->plan.batch->x,
                         .width = 2 * m,
                         .length = m + 1,
                         .cost = 32 * m};
  MOE_TRY(moe_new_array(call, &s->prior, m, sizeof(double)));
  MOE_TRY(moe_new_array(call, &s->sums, plan.length, sizeof(double)));
  for (size_t e = 0; e < m; e++) s->prior[e] = -log((double)m);
  s->prior_value = INFINITY;
  return moe_tally_new(call, &plan, &s->tally);
}

static void add_prior(const void *context, const moe_tile *tile, double *sum) {
  const moe_softmax_fit *s = context;
  size_t m = s->m;
  double *z = tile->work;
  for (size_t i = 0; i < tile->n; i++)
    memcpy(z + i * m, s->prior, m * sizeof *z);
  sum[m] +=
      s->residual(s->plan.batch, tile->first, tile->n, z, z + tile->n * m);
  for (size_t i = 0; i < tile->n; i++)
    for (size_t e = 0; e < m; e++) sum[e] += z[i * m + e];
}

/* What a second derivative amounts to at the start. */
static double curvature(const moe_softmax_fit *s) {
  double own = s->sweep.plan.curvature;
  return s->plan.standardize ? own + s->plan.l2 / s->sweep.weight : own;
}

static moe_status begin_descent(moe_call *call, moe_softmax_fit *s) {
  s->stage = DESCEND;
  MOE_TRY(moe_lbfgs_new(call, s->sweep.size, 1 / curvature(s), s->plan.tol,
                        &s->lbfgs));
  double *bias = s->lbfgs.x + s->sweep.size - s->m;
  for (size_t e = 0; s->prior != NULL && e < s->m; e++)
    bias[e] = log((1 - SOFTER) * exp(s->prior[e]) + SOFTER / (double)s->m);
  return MOE_OK;
}

/* A round of expectation maximisation: an expert's new weight is its mean
   responsibility, which is the old one less the mean residual. */
static moe_status improve_prior(moe_call *call, moe_softmax_fit *s) {
  if (!moe_tally_run(call, &s->tally, add_prior, s, s->sums)) return MOE_OK;
  double value = s->sums[s->m] / s->sweep.weight;
  bool enough = s->prior_value - value < ENOUGH || ++s->rounds >= ROUNDS;
  s->prior_value = value;
  if (enough) return begin_descent(call, s);
  for (size_t e = 0; e < s->m; e++) {
    double weight = exp(s->prior[e]) - s->sums[e] / s->sweep.weight;
    s->prior[e] = log(weight > LEAST ? weight : LEAST);
  }
  return MOE_OK;
}

/* -------------------------------------------------------------- the descent */

moe_status moe_softmax_fit_begin(moe_call *call, const moe_softmax_plan *plan,
                                 moe_softmax_fit *out) {
  bool gating = plan->batch->y->task == MOE_GATING;
  bool binary = !gating && plan->outputs == 2;
  double outputs = (double)plan->outputs;
  *out = (moe_softmax_fit){.plan = *plan, .m = binary ? 1 : plan->outputs};
  moe_sweep_plan sweep = {
      .batch = plan->batch,
      .outputs = out->m,
      .intercept = plan->intercept,
      .l2 = plan->l2,
      .standardize = plan->standardize,
      .curvature = outputs > 1 ? (outputs - 1) / (outputs * outputs) : 1};
  out->residual = gating && plan->batch->y->errors > 0 ? error_residual
                  : gating                             ? likelihood_residual
                  : binary                             ? binary_residual
                           : moe_softmax_class_residual;
  return moe_sweep_new(call, &sweep, &out->sweep);
}

static moe_status prepare(moe_call *call, moe_softmax_fit *s) {
  MOE_TRY(moe_sweep_prepare(call, &s->sweep));
  if (!s->sweep.prepared) return MOE_OK;
  if (s->residual != likelihood_residual) return begin_descent(call, s);
  s->stage = PRIOR;
  return begin_prior(call, s);
}

static void finish(moe_softmax_fit *s, moe_job *job, moe_lbfgs_state state) {
  double slope = moe_max_abs(s->lbfgs.best_gradient, s->lbfgs.n);
  if (state != MOE_LBFGS_CONVERGED && slope > 10 * s->plan.tol)
    moe_job_note(job, "stopped after %lld iterations short of tol: %.2g > %.2g",
                 (long long)s->lbfgs.iterations, slope, s->plan.tol);
  job->done = true;
}

/* The slope falls by about the same factor in each iteration. */
static void report(moe_call *call, moe_softmax_fit *s) {
  double slope = moe_max_abs(s->lbfgs.best_gradient, s->lbfgs.n);
  if (s->lbfgs.iterations == 0) s->first_slope = slope;
  double share =
      log(s->first_slope / slope) / log(s->first_slope / s->plan.tol);
  moe_call_progress(call, "descent", share > 0 && share < 1 ? share : 0);
}

/* One evaluation, or as much of it as there is time for. */
static void descend(moe_call *call, moe_softmax_fit *s, moe_job *job) {
  moe_lbfgs *o = &s->lbfgs;
  double value;
  if (!moe_sweep_run(call, &s->sweep, s->residual, o->x, o->gradient, &value))
    return;
  moe_scale(1 / s->sweep.weight, o->gradient, o->n);
  moe_lbfgs_state state = moe_lbfgs_tell(o, value / s->sweep.weight);
  job->usable = true;
  if (state != MOE_LBFGS_RUNNING || o->iterations >= s->plan.max_iter)
    finish(s, job, state);
  report(call, s);
}

moe_status moe_softmax_fit_step(moe_call *call, moe_softmax_fit *s,
                                moe_job *job) {
  while (!job->done) {
    if (s->stage == PREPARE) {
      MOE_TRY(prepare(call, s));
    } else if (s->stage == PRIOR) {
      MOE_TRY(improve_prior(call, s));
    } else {
      descend(call, s, job);
    }
    if (moe_call_pausing(call)) break;
  }
  return MOE_OK;
}

/* Two classes share their vector's two halves; a gate that has come to less
   than the best constant weights is those. */
void moe_softmax_fit_export(const moe_softmax_fit *s, moe_affine *a) {
  size_t d = a->fitted.n_features;
  const moe_sweep *sweep = &s->sweep;
  bool binary = s->m < s->plan.outputs;
  double *w = a->weights + (binary ? d : 0), *b = a->bias + (binary ? 1 : 0);
  moe_sweep_export(sweep, s->lbfgs.best, w, b);
  for (size_t j = 0; binary && j < d; j++) a->weights[j] = -(w[j] /= 2);
  if (binary) a->bias[0] = -(b[0] /= 2);
  if (s->prior == NULL || s->lbfgs.value <= s->prior_value) return;
  memset(a->weights, 0, s->m * d * sizeof *w);
  for (size_t e = 0; e < s->m; e++) b[e] = s->prior[e];
}

void moe_softmax_fit_centre(const moe_softmax_fit *s, double *centre) {
  if (s->plan.batch->x.source != MOE_FROM_CSR)
    memcpy(centre, s->sweep.centre, s->sweep.columns * sizeof *centre);
}

void moe_softmax_fit_end(moe_softmax_fit *s) {
  moe_sweep_free(&s->sweep);
  moe_tally_free(&s->tally);
  moe_free(s->prior);
  moe_free(s->sums);
  moe_lbfgs_free(&s->lbfgs);
}
