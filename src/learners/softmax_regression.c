#include "softmax_regression.h"

#include <math.h>
#include <string.h>

#include "vector.h"

enum { PREPARE, PRIOR, DESCEND };

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
  static const moe_gate_terms none = {0, 0};
  const moe_softmax_fit *s = context;
  const moe_loss plain = moe_gate_loss(s->plan.batch->y, &none);
  size_t m = s->m;
  double *z = tile->work;
  for (size_t i = 0; i < tile->n; i++)
    memcpy(z + i * m, s->prior, m * sizeof *z);
  sum[m] += plain.residual(&plain, s->plan.batch, tile->first, tile->n, z,
                           z + tile->n * m);
  for (size_t i = 0; i < tile->n; i++)
    for (size_t e = 0; e < m; e++) sum[e] += z[i * m + e];
}

/* What a second derivative amounts to at the start. */
static double curvature(const moe_softmax_fit *s) {
  double own = s->sweep.plan.curvature;
  return s->plan.standardize ? own + s->plan.l2 / s->sweep.weight : own;
}

/* From the prior, or from what is known already. */
static void choose_start(moe_softmax_fit *s) {
  double *bias = s->lbfgs.x + s->sweep.size - s->m;
  for (size_t e = 0; s->prior != NULL && e < s->m; e++)
    bias[e] = log((1 - SOFTER) * exp(s->prior[e]) + SOFTER / (double)s->m);
  if (s->start != NULL) moe_sweep_import(&s->sweep, s->start, s->lbfgs.x);
}

static moe_status begin_descent(moe_call *call, moe_softmax_fit *s) {
  s->stage = DESCEND;
  MOE_TRY(moe_lbfgs_new(call, s->sweep.size, 1 / curvature(s), s->plan.tol,
                        &s->lbfgs));
  choose_start(s);
  return MOE_OK;
}

/* What the terms add to the loss of a row where all have the prior. */
static double value_of_terms(const moe_softmax_fit *s) {
  double squares = 0, entropy = 0;
  for (size_t e = 0; e < s->m; e++) {
    squares += exp(2 * s->prior[e]);
    entropy -= exp(s->prior[e]) * s->prior[e];
  }
  return s->loss.terms.load_balance * (double)s->m * squares -
         s->loss.terms.entropy * entropy;
}

/* A round of expectation maximisation: an expert's new weight is its mean
   responsibility, which is the old one less the mean residual. */
static moe_status improve_prior(moe_call *call, moe_softmax_fit *s) {
  if (!moe_tally_run(call, &s->tally, add_prior, s, s->sums)) return MOE_OK;
  double value = s->sums[s->m] / s->sweep.weight;
  bool enough = s->prior_value - value < ENOUGH || ++s->rounds >= ROUNDS;
  s->prior_value = value;
  if (enough) {
    s->prior_value += value_of_terms(s);
    return begin_descent(call, s);
  }
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
  out->loss = gating   ? moe_gate_loss(plan->batch->y, &plan->terms)
              : binary ? moe_binary_loss
                       : moe_class_loss;
  MOE_TRY(moe_new_array(call, &out->importance, out->m, sizeof(double)));
  out->loss.importance = out->importance;
  return moe_sweep_new(call, &sweep, &out->sweep);
}

static moe_status prepare(moe_call *call, moe_softmax_fit *s) {
  const moe_target *y = s->plan.batch->y;
  MOE_TRY(moe_sweep_prepare(call, &s->sweep));
  if (!s->sweep.prepared) return MOE_OK;
  if (y->task != MOE_GATING || y->errors > 0 || s->start != NULL)
    return begin_descent(call, s);
  s->stage = PRIOR;
  return begin_prior(call, s);
}

void moe_softmax_fit_tell(const moe_softmax_fit *s, moe_job *job) {
  double slope = moe_max_abs(s->lbfgs.best_gradient, s->lbfgs.n);
  if (!s->converged && slope > 10 * s->plan.tol)
    moe_job_note(job, "stopped after %lld iterations short of tol: %.2g > %.2g",
                 (long long)s->lbfgs.iterations, slope, s->plan.tol);
}

/* The slope falls by about the same factor in each iteration. */
static void report(moe_call *call, moe_softmax_fit *s) {
  if (s->plan.quiet) return;
  double slope = moe_max_abs(s->lbfgs.best_gradient, s->lbfgs.n);
  if (s->lbfgs.iterations == 0) s->first_slope = slope;
  double share =
      log(s->first_slope / slope) / log(s->first_slope / s->plan.tol);
  moe_call_progress(call, "descent", share > 0 && share < 1 ? share : 0);
}

/* The mean probability of each expert, which a sweep over w g gives as its
   derivative by the biases. */
static bool weigh(moe_call *call, moe_softmax_fit *s) {
  moe_lbfgs *o = &s->lbfgs;
  double value;
  if (!moe_sweep_run(call, &s->sweep, &moe_importance, o->x, o->gradient,
                     &value))
    return false;
  for (size_t e = 0; e < s->m; e++)
    s->importance[e] = o->gradient[o->n - s->m + e] / s->sweep.weight;
  return true;
}

/* The loss of all rows at the point that is asked for; false when the call is
   pausing. */
static bool evaluate(moe_call *call, moe_softmax_fit *s, double *value) {
  moe_lbfgs *o = &s->lbfgs;
  if (s->loss.terms.load_balance != 0 && !s->weighed)
    s->weighed = weigh(call, s);
  if (s->loss.terms.load_balance != 0 && !s->weighed) return false;
  if (!moe_sweep_run(call, &s->sweep, &s->loss, o->x, o->gradient, value))
    return false;
  *value += s->sweep.weight * moe_loss_of_balance(&s->loss, s->m);
  s->weighed = false;
  return true;
}

/* One evaluation, or as much of it as there is time for. */
static void descend(moe_call *call, moe_softmax_fit *s) {
  moe_lbfgs *o = &s->lbfgs;
  double value;
  if (!evaluate(call, s, &value)) return;
  moe_scale(1 / s->sweep.weight, o->gradient, o->n);
  moe_lbfgs_state state = moe_lbfgs_tell(o, value / s->sweep.weight);
  s->usable = true;
  s->converged = state == MOE_LBFGS_CONVERGED;
  s->done = state != MOE_LBFGS_RUNNING || o->iterations >= s->plan.max_iter;
  report(call, s);
}

moe_status moe_softmax_fit_run(moe_call *call, moe_softmax_fit *s) {
  while (!s->done) {
    if (s->stage == PREPARE)
      MOE_TRY(prepare(call, s));
    else if (s->stage == PRIOR)
      MOE_TRY(improve_prior(call, s));
    else
      descend(call, s);
    if (moe_call_pausing(call)) break;
  }
  return MOE_OK;
}

moe_status moe_softmax_fit_step(moe_call *call, moe_softmax_fit *s,
                                moe_job *job) {
  if (job->warm) s->start = job->object->state;
  MOE_TRY(moe_softmax_fit_run(call, s));
  job->usable = s->usable;
  job->done = s->done;
  if (s->done) moe_softmax_fit_tell(s, job);
  return MOE_OK;
}

void moe_softmax_fit_penalize(moe_softmax_fit *s, double l2) {
  moe_scale(l2 / s->plan.l2, s->sweep.penalty, s->sweep.columns);
  s->plan.l2 = s->sweep.plan.l2 = l2;
  s->done = false;
  moe_lbfgs_restart(&s->lbfgs, 1 / curvature(s));
  choose_start(s);
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
  moe_free(s->importance);
  moe_free(s->prior);
  moe_free(s->sums);
  moe_lbfgs_free(&s->lbfgs);
}
