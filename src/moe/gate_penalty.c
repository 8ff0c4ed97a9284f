#include "gate_penalty.h"

#include <math.h>

enum {
  PENALTIES = 7,
  FOLDS = 5,
  LEAST_ROWS = 50, /* fewer do not tell */
  ENOUGH = 2048,   /* rows that judge: large data need one fold */
  ITERATIONS = 50, /* of each fit; near the optimum will do */
  SEED = 1         /* not that of calibration, which has taken its rows */
};
static const double grid[PENALTIES] = {
    MOE_GATE_PENALTY, 3, 0.3, 0.03, 3e-3, 3e-4, 3e-5};
static const double NEAR = 1e-4; /* tol */

static size_t counted(const moe_batch *b) {
  size_t n = 0;
  for (size_t i = 0; i < b->x.n; i++) n += moe_batch_weight(b, i) > 0;
  return n;
}

moe_status moe_penalty_search_begin(moe_call *call,
                                    const moe_softmax_plan *plan,
                                    moe_penalty_search *out) {
  const moe_batch *b = plan->batch;
  *out = (moe_penalty_search){
      .plan = *plan, .most = PENALTIES, .l2 = MOE_GATE_PENALTY};
  out->plan.quiet = true;
  out->plan.l2 = MOE_GATE_PENALTY;
  out->plan.tol = fmax(plan->tol, NEAR);
  if (plan->max_iter > ITERATIONS) out->plan.max_iter = ITERATIONS;
  out->line.fitted = (moe_fitted){
      .task = MOE_GATING, .n_features = b->x.d, .n_outputs = plan->outputs};
  out->done = plan->outputs < 2 || counted(b) < LEAST_ROWS;
  if (out->done) return MOE_OK;
  MOE_TRY(moe_affine_prepare(call, &out->line));
  MOE_TRY(moe_new_array(call, &out->centre, b->x.d, sizeof *out->centre));
  return moe_new_array(call, &out->losses, moe_size(b->x.n, PENALTIES),
                       sizeof *out->losses);
}

/* ------------------------------------------------------------------ judging */

/* How much more penalty `a` has lost than `b` over n rows, and (squared) the
   standard error of that. */
static double excess(const double *losses, size_t n, size_t a, size_t b,
                     double *variance) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++)
    sum += losses[i * PENALTIES + a] - losses[i * PENALTIES + b];
  for (size_t i = 0; i < n; i++) {
    double off =
        losses[i * PENALTIES + a] - losses[i * PENALTIES + b] - sum / (double)n;
    squares += off * off;
  }
  *variance = n > 1 ? squares * (double)n / (double)(n - 1) : 0;
  return sum;
}

/* That of the least loss among the first `tried`, the strongest of equals. */
static size_t best_of(const double *losses, size_t n, size_t tried) {
  double variance;
  size_t best = 0;
  for (size_t k = 1; k < tried; k++)
    if (excess(losses, n, k, best, &variance) < 0) best = k;
  return best;
}

static double choose(const moe_penalty_search *s) {
  size_t best = best_of(s->losses, s->judged, s->most), k = 0;
  for (double variance; k < best; k++)
    if (excess(s->losses, s->judged, k, best, &variance) <= sqrt(variance))
      break;
  return grid[k];
}

/* Whether the first fold has seen enough: the last two did no good. */
static bool is_past_best(const moe_penalty_search *s) {
  return s->fold == 0 &&
         best_of(s->losses, s->part.batch.x.n, s->tried) + 2 < s->tried;
}

static moe_status judge(moe_call *call, moe_penalty_search *s) {
  static const moe_gate_terms none = {0, 0};
  const moe_batch *b = &s->part.batch;
  const moe_loss loss = moe_gate_loss(b->y, &none);
  size_t m = s->plan.outputs;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *z, *spare, *out = s->losses + s->judged * PENALTIES + s->tried;
  MOE_SCRATCH(call, z, moe_size(b->x.n, m));
  MOE_SCRATCH(call, spare, m);
  moe_softmax_fit_export(&s->fit, &s->line);
  moe_softmax_fit_centre(&s->fit, s->centre);
  MOE_TRY(moe_affine_apply(call, &s->line, &b->x, s->centre, z));
  for (size_t i = 0; i < b->x.n; i++)
    out[i * PENALTIES] = loss.residual(&loss, b, i, 1, z + i * m, spare);
  moe_scratch_drop(call, mark);
  s->tried++;
  return MOE_OK;
}

/* -------------------------------------------------------------------- folds */

static void end_fold(moe_penalty_search *s) {
  moe_softmax_fit_end(&s->fit);
  moe_held_out_free(&s->part);
  s->fit = (moe_softmax_fit){0};
  s->open = false;
}

static moe_status begin_fold(moe_call *call, moe_penalty_search *s) {
  moe_softmax_plan plan = s->plan;
  MOE_TRY(moe_gate_divide(call, s->plan.batch, SEED, FOLDS, s->fold, &s->kept,
                          &s->part));
  plan.batch = &s->kept;
  s->tried = 0;
  s->open = true;
  return moe_softmax_fit_begin(call, &plan, &s->fit);
}

static void leave(moe_penalty_search *s) {
  s->judged += s->part.batch.x.n;
  s->fold++;
  end_fold(s);
  bool grouped = s->plan.batch->group != NULL; /* one may be all of a fold */
  s->done = s->fold == FOLDS || (s->judged >= ENOUGH && !grouped);
  if (s->done && s->judged > 0) s->l2 = choose(s);
}

/* One penalty of one fold, or as much of it as there is time for. */
static moe_status advance(moe_call *call, moe_penalty_search *s) {
  if (!s->open) MOE_TRY(begin_fold(call, s));
  if (s->part.batch.x.n == 0) {
    leave(s);
    return MOE_OK;
  }
  MOE_TRY(moe_softmax_fit_run(call, &s->fit));
  if (!s->fit.done) return MOE_OK;
  MOE_TRY(judge(call, s));
  if (is_past_best(s)) s->most = s->tried;
  if (s->tried < s->most)
    moe_softmax_fit_penalize(&s->fit, grid[s->tried]);
  else
    leave(s);
  return MOE_OK;
}

moe_status moe_penalty_search_run(moe_call *call, moe_penalty_search *s) {
  while (!s->done) {
    MOE_TRY(advance(call, s));
    double share = (double)s->tried / (double)s->most;
    moe_call_progress(call, "penalty", ((double)s->fold + share) / FOLDS);
    if (moe_call_pausing(call)) break;
  }
  return MOE_OK;
}

void moe_penalty_search_end(moe_penalty_search *s) {
  end_fold(s);
  moe_free(s->line.weights);
  moe_free(s->line.bias);
  moe_free(s->centre);
  moe_free(s->losses);
}
