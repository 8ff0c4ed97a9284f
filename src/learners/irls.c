#include "irls.h"

#include <math.h>
#include <string.h>

#include "vector.h"

enum { SUM, COMPARE, REWEIGH, SOLVE, EVALUATE };
enum { BLOCK = 1 << 14 /* rows between two looks at the clock */ };
enum { MOST_HALVINGS = 40 };

static const double FARTHEST = 700; /* an η whose exponential is a number */
static const double RAREST = 1e-10; /* mean that the constant model may have */
static const double FLATTEST = 1e-10; /* share of the typical variance */

/* Of the constant model's deviance: how uncertain sums over the rows are. */
static const double ROUNDING = 1e-13;

/* Where the last step still went so far, no finite coefficients are best. */
static const double STRAYING = 0.5;

/* ----------------------------------------------------------------- families */

static double limit(double eta) { return fmin(fmax(eta, -FARTHEST), FARTHEST); }

double moe_family_mean(moe_family family, double eta) {
  double e;
  switch (family) {
    case MOE_GAUSSIAN: return eta;
    case MOE_POISSON: return exp(limit(eta));
    case MOE_BERNOULLI: break;
  }
  e = exp(-fabs(limit(eta)));
  return (eta < 0 ? e : 1) / (1 + e);
}

double moe_family_variance(moe_family family, double mean) {
  switch (family) {
    case MOE_GAUSSIAN: return 1;
    case MOE_POISSON: return mean;
    case MOE_BERNOULLI: break;
  }
  return mean * (1 - mean);
}

/* A'(η) = mean, solved for η. */
static double link(moe_family family, double mean) {
  switch (family) {
    case MOE_GAUSSIAN: return mean;
    case MOE_POISSON: return log(mean);
    case MOE_BERNOULLI: break;
  }
  return log(mean / (1 - mean));
}

double moe_family_loss(moe_family family, double y, double eta) {
  switch (family) {
    case MOE_GAUSSIAN: return (y - eta) * (y - eta) / 2;
    case MOE_POISSON:
      eta = limit(eta);
      return exp(eta) - y + (y > 0 ? y * (log(y) - eta) : 0);
    case MOE_BERNOULLI: break;
  }
  eta = limit(eta);
  return log1p(exp(-fabs(eta))) + fmax(eta, 0) - y * eta;
}

/* --------------------------------------------------------------------- rows */

/* What the loops over rows need of row i of the batch. */
typedef struct row {
  size_t at; /* in the source */
  double weight, y, offset;
} row;

static row look(const moe_irls *s, size_t i) {
  const moe_irls_plan *p = &s->plan;
  size_t at = moe_rows_at(&p->batch->x, i);
  return (row){.at = at,
               .weight = moe_batch_weight(p->batch, i),
               .y = p->y[at],
               .offset = p->offset != NULL ? p->offset[at] : 0};
}

/* The next block of them; behind the last, s->next is 0 again. */
typedef struct block {
  size_t first, end;
} block;

static block next_block(moe_irls *s) {
  size_t n = s->plan.batch->x.n, first = s->next;
  size_t end = n - first < BLOCK ? n : first + BLOCK;
  s->next = end < n ? end : 0;
  return (block){first, end};
}

/* ------------------------------------------------------- the constant model */

static void sum_rows(moe_irls *s) {
  block b = next_block(s);
  for (size_t i = b.first; i < b.end; i++) {
    row r = look(s, i);
    s->weight += r.weight;
    s->y += r.weight * r.y;
    s->offset += r.weight * r.offset;
    s->exposure += r.weight * exp(limit(r.offset));
  }
}

/* Exact, but for offsets of the bernoulli family. */
static double find_constant(const moe_irls *s) {
  const moe_irls_plan *p = &s->plan;
  double mean = s->y / s->weight, offset = s->offset / s->weight, eta;
  if (!p->intercept) return 0;
  switch (p->family) {
    case MOE_GAUSSIAN: eta = mean - offset; break;
    case MOE_POISSON:
      eta = limit(log(fmax(s->y, RAREST * s->weight) / s->exposure));
      break;
    default:
      mean = fmin(fmax(mean, RAREST), 1 - RAREST);
      eta = limit(link(p->family, mean) - offset);
  }
  return isfinite(eta) ? eta : 0;
}

/* Some rows' share of the constant model's loss and mean variance. */
static void compare_rows(moe_irls *s) {
  moe_family family = s->plan.family;
  block b = next_block(s);
  for (size_t i = b.first; i < b.end; i++) {
    row r = look(s, i);
    double eta = s->constant + r.offset, mean = moe_family_mean(family, eta);
    s->eta[i] = s->constant;
    s->loss += r.weight * moe_family_loss(family, r.y, eta);
    s->typical += r.weight * moe_family_variance(family, mean) / s->weight;
  }
}

/* ------------------------------------------------------------- an iteration */

/* The first response is made from means half-way between the constant model's
   and the targets, since to go by the constant model alone may go too far. */
static double expected(const moe_irls *s, const row *r, double *eta) {
  moe_family family = s->plan.family;
  double mean = moe_family_mean(family, *eta + r->offset);
  if (s->started) return mean;
  mean = r->y / 2 + mean / 2;
  *eta = link(family, mean) - r->offset;
  return mean;
}

static void forget_notes(moe_irls *s) {
  for (size_t i = 0; i < s->inner.n_notes; i++) moe_free(s->inner.notes[i]);
  s->inner.n_notes = 0;
}

static void reweigh_rows(moe_irls *s) {
  moe_family family = s->plan.family;
  double least = FLATTEST * s->typical;
  block b = next_block(s);
  for (size_t i = b.first; i < b.end; i++) {
    row r = look(s, i);
    double eta = s->eta[i], mean = expected(s, &r, &eta);
    double variance = fmax(moe_family_variance(family, mean), least);
    s->working[r.at] = r.weight * variance;
    s->response[r.at] = eta + (r.y - mean) / variance;
  }
}

static moe_status begin_solving(moe_call *call, moe_irls *s) {
  moe_sweep_plan plan = {.batch = &s->batch,
                         .outputs = 1,
                         .intercept = s->plan.intercept,
                         .l2 = s->plan.l2,
                         .curvature = 1};
  forget_notes(s);
  s->inner.done = s->inner.usable = false;
  s->stage = SOLVE;
  moe_least_squares_end(&s->solver);
  return moe_least_squares_begin(call, &plan, &s->solver);
}

static moe_status solve(moe_call *call, moe_irls *s) {
  MOE_TRY(moe_least_squares_step(call, &s->solver, &s->inner));
  if (!s->inner.done) return MOE_OK;
  moe_least_squares_export(&s->solver, &s->trial);
  s->halvings = 0;
  s->stage = EVALUATE;
  return MOE_OK;
}

/* η of some rows, by the trial. */
static moe_status find_eta(moe_call *call, moe_irls *s, block b) {
  double *eta = s->next_eta;
  if (s->halvings == 0) {
    moe_rows x = moe_rows_range(&s->plan.batch->x, b.first, b.end - b.first);
    return moe_affine_apply(call, &s->trial, &x, NULL, eta + b.first);
  }
  for (size_t i = b.first; i < b.end; i++) eta[i] = (eta[i] + s->eta[i]) / 2;
  return MOE_OK;
}

static double penalty_of(const moe_irls *s, const moe_affine *a) {
  double square = moe_dot(a->weights, a->weights, a->fitted.n_features);
  return s->plan.l2 > 0 ? s->plan.l2 / 2 * square : 0;
}

static moe_status evaluate_rows(moe_call *call, moe_irls *s) {
  if (s->next == 0) s->next_loss = s->step = 0;
  block b = next_block(s);
  MOE_TRY(find_eta(call, s, b));
  for (size_t i = b.first; i < b.end; i++) {
    row r = look(s, i);
    double eta = s->next_eta[i] + r.offset;
    if (r.weight == 0) continue;
    s->next_loss += r.weight * moe_family_loss(s->plan.family, r.y, eta);
    s->step = fmax(s->step, fabs(s->next_eta[i] - s->eta[i]));
  }
  return MOE_OK;
}

static void accept(moe_irls *s) {
  moe_affine trial = s->trial;
  double *eta = s->next_eta;
  s->trial = s->best;
  s->best = trial;
  s->next_eta = s->eta;
  s->eta = eta;
  s->loss = s->next_loss;
  s->penalty = s->next_penalty;
  s->started = true;
}

static void halve(moe_irls *s) {
  size_t d = s->plan.batch->x.d;
  moe_scale(0.5, s->trial.weights, d);
  moe_axpy(0.5, s->best.weights, s->trial.weights, d);
  s->trial.bias[0] = (s->trial.bias[0] + s->best.bias[0]) / 2;
  s->halvings++;
  s->stage = EVALUATE;
}

static void note(const moe_irls *s, moe_job *job, bool exhausted) {
  moe_job_adopt(job, &s->inner);
  if (exhausted)
    moe_job_note(job, "stopped after %lld iterations short of tol",
                 (long long)s->iterations);
  else if (s->plan.family != MOE_GAUSSIAN && s->step > STRAYING)
    moe_job_note(job,
                 "no finite coefficients are the best (some rows can be told "
                 "for certain): fit ended where larger ones gain nothing");
}

/* The last trial is nearer to the solution than the deviance can tell. */
static void judge(moe_irls *s, moe_job *job) {
  double gain = s->loss + s->penalty - s->next_loss - s->next_penalty;
  double enough = s->plan.tol * s->null_loss;
  bool ended = gain <= enough || s->plan.family == MOE_GAUSSIAN;
  if (!(gain >= -enough) && s->halvings < MOST_HALVINGS) {
    halve(s);
    return;
  }
  if (gain >= -ROUNDING * s->null_loss) accept(s);
  moe_job_record(job, "deviance", moe_irls_deviance(s));
  s->iterations++;
  s->stage = REWEIGH;
  job->usable = s->started;
  job->done = ended || s->iterations >= s->plan.max_iter;
  if (job->done) note(s, job, !ended);
}

/* What was learned before, unless the constant model is better. */
static void judge_start(moe_irls *s) {
  if (s->next_loss + s->next_penalty < s->loss) accept(s);
  s->warm = false;
  s->stage = REWEIGH;
}

/* ------------------------------------------------------------------ the job */

static moe_status new_affine(moe_call *call, size_t d, moe_affine *a) {
  a->fitted.n_features = d;
  a->fitted.n_outputs = 1;
  return moe_affine_prepare(call, a);
}

static moe_status new_arrays(moe_call *call, moe_irls *s, size_t sources) {
  size_t n = s->plan.batch->x.n, size = sizeof(double);
  MOE_TRY(new_affine(call, s->plan.batch->x.d, &s->best));
  MOE_TRY(new_affine(call, s->plan.batch->x.d, &s->trial));
  MOE_TRY(moe_new_array(call, &s->eta, n, size));
  MOE_TRY(moe_new_array(call, &s->next_eta, n, size));
  MOE_TRY(moe_new_array(call, &s->response, sources, size));
  return moe_new_array(call, &s->working, sources, size);
}

moe_status moe_irls_begin(moe_call *call, const moe_irls_plan *plan,
                          moe_irls *out) {
  const moe_batch *b = plan->batch;
  *out = (moe_irls){.plan = *plan};
  MOE_TRY(new_arrays(call, out, b->y->n));
  out->target = (moe_target){.task = MOE_REGRESSION,
                             .n = b->y->n,
                             .values = out->response,
                             .width = 1};
  out->batch = *b;
  out->batch.y = &out->target;
  out->batch.weight = out->working;
  out->inner.batch = out->batch;
  return MOE_OK;
}

void moe_irls_recall(moe_irls *s, const double *weights) {
  size_t d = s->plan.batch->x.d;
  if (s->plan.family == MOE_GAUSSIAN) return; /* one step is enough for it */
  s->warm = true;
  memcpy(s->trial.weights, weights, d * sizeof *weights);
  s->trial.bias[0] = weights[d];
}

/* A block of rows more; or, after the last, what they amount to. */
static moe_status advance(moe_call *call, moe_irls *s, moe_job *job) {
  switch (s->stage) {
    case SUM:
      sum_rows(s);
      if (s->next > 0) return MOE_OK;
      s->best.bias[0] = s->constant = find_constant(s);
      s->stage = COMPARE;
      return MOE_OK;
    case COMPARE:
      compare_rows(s);
      if (s->next > 0) return MOE_OK;
      s->null_loss = s->loss;
      s->stage = s->warm ? EVALUATE : REWEIGH;
      return MOE_OK;
    case REWEIGH:
      reweigh_rows(s);
      return s->next > 0 ? MOE_OK : begin_solving(call, s);
    case SOLVE: return solve(call, s);
    default: break;
  }
  MOE_TRY(evaluate_rows(call, s));
  if (s->next > 0) return MOE_OK;
  s->next_penalty = penalty_of(s, &s->trial);
  if (s->warm)
    judge_start(s);
  else
    judge(s, job);
  return MOE_OK;
}

moe_status moe_irls_step(moe_call *call, moe_irls *s, moe_job *job) {
  while (!job->done) {
    MOE_TRY(advance(call, s, job));
    moe_call_progress(call, "iterations",
                      (double)s->iterations / (double)s->plan.max_iter);
    if (moe_call_pausing(call)) break;
  }
  return MOE_OK;
}

void moe_irls_end(moe_irls *s) {
  double *arrays[] = {s->best.weights, s->best.bias, s->trial.weights,
                      s->trial.bias,   s->eta,       s->next_eta,
                      s->response,     s->working};
  moe_least_squares_end(&s->solver);
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    moe_free(arrays[i]);
  forget_notes(s);
  moe_free(s->inner.notes);
}

double moe_irls_deviance(const moe_irls *s) { return 2 * s->loss; }

double moe_irls_dispersion(const moe_irls *s) {
  return s->weight > 0 ? 2 * s->loss / s->weight : 0;
}
