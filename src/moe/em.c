/* Expectation maximisation: the batch algorithm for mixtures and hierarchical
   mixtures (Jordan & Jacobs 1994, doi 10.1162/neco.1994.6.2.181).  A round
     h_ie ∝ g_e(x_i) p_e(y_i | x_i)        each expert's share in each row,
     fits each expert with the weights w_i h_ie, and the deviation of one whose
     density is Gaussian to its errors,
     fits the gate to Σ_i w_i log Σ_e g_e(x_i) p_e(y_i | x_i) itself, which is
     what the round is about (Liu & Rubin 1994, doi 10.1093/biomet/81.4.633).
   An expert one round on takes the old one's place only if Σ_i w_i h_ie log p_e
   has not fallen by it, and the gate only if the likelihood has not; so the
   likelihood of the data never falls, whatever the penalties of the parts are
   and wherever they stop.  An expert that is a mixture is fitted by a round of
   its own: a hierarchy of any depth climbs together.

   Nothing is held out: what experts and gate learn from, they have seen. */
#include <math.h>
#include <string.h>

#include "mixture_fit.h"
#include "responsibility.h"

enum { BLOCK = 8192 }; /* rows measured in one piece of work */

/* Of the share in a row that the expert of its cluster begins with: the rest
   goes to all alike. */
static const double DECIDED = 0.9;

/* Of the variance of the targets, below which no expert's falls: a single row
   must not be worth an infinite likelihood. */
static const double LEAST_VARIANCE = 1e-6;

/* Rows to an expert's name, below which nothing can be fitted to them. */
static const double DEAD = 1e-3;

static moe_status start_run(moe_call *call, moe_job *job);
static moe_status find_clusters(moe_call *call, moe_job *job);
static moe_status start_expert(moe_call *call, moe_job *job);
static moe_status train(moe_call *call, moe_job *job);
static moe_status measure_expert(moe_call *call, moe_job *job);
static moe_status start_gate(moe_call *call, moe_job *job);
static moe_status measure_gate(moe_call *call, moe_job *job);
static moe_status end_round(moe_call *call, moe_job *job);
static moe_status end_run(moe_call *call, moe_job *job);

static const moe_mixture_params *params_of(const moe_job *job) {
  return job->object->params;
}

/* ----------------------------------------------------------------- beginning
 */

/* The weighted variance of the targets about their means. */
static double find_variance(const moe_job *job) {
  const moe_batch *b = &job->batch;
  size_t width = b->y->width;
  double sum = 0;
  for (size_t k = 0; k < width; k++) {
    double weight = 0, mean = 0, squares = 0;
    for (size_t i = 0; i < b->x.n; i++) {
      double y = b->y->values[moe_rows_at(&b->x, i) * width + k];
      double w = moe_batch_weight(b, i), away = y - mean;
      if (w == 0) continue;
      weight += w;
      mean += w / weight * away;
      squares += w * away * (y - mean);
    }
    sum += weight > 0 ? squares / weight : 0;
  }
  return sum / (double)width;
}

static moe_status reserve(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t rows = job->batch.y->n, experts = w->trainees.n;
  size_t all = moe_size(rows, experts), size = sizeof(double);
  double **arrays[] = {&w->em.fit, &w->em.density, &w->em.gate, &w->em.share,
                       &w->em.trial};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    MOE_TRY(moe_new_array(call, arrays[i], all, size));
  MOE_TRY(moe_new_array(call, &w->em.weight, rows, size));
  MOE_TRY(moe_new_array(call, &w->em.known, experts, sizeof(bool)));
  MOE_TRY(moe_new_array(call, &w->em.best_noise, experts, size));
  MOE_TRY(moe_new_array(call, &w->em.best_samples, experts, sizeof(int64_t)));
  return moe_new_array(call, &w->em.best, experts + 1, sizeof(moe_object *));
}

/* A warm job needs all experts; the gate may be new, but not that of a mixture
   within. */
moe_status moe__em_check_warm(moe_call *call, const moe_job *job) {
  const moe_mixture_job *w = job->work;
  const moe_mixture *old = job->object->state;
  if (old->n_experts != w->trainees.n)
    return moe_fail(call, MOE_ESTATE,
                    "mixture: it had %zu experts when it was fitted, and "
                    "cannot go on from there with %zu",
                    old->n_experts, w->trainees.n);
  for (size_t e = 0; e < w->trainees.n; e++) {
    const moe_object *expert = w->trainees.items[e];
    MOE_TRY(moe__mixture_check_answers(call, job, e));
    if (expert->type == &moe_mixture_of_experts.type)
      MOE_TRY(moe__mixture_check(call, expert));
  }
  return MOE_OK;
}

moe_status moe__em_start(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  if (job->warm) MOE_TRY(moe__em_check_warm(call, job));
  MOE_TRY(reserve(call, job));
  for (size_t i = 0; i < w->n; i++)
    w->em.total += moe_batch_weight(&job->batch, i);
  if (job->batch.y->task != MOE_CLASSIFICATION) {
    double variance = find_variance(job);
    w->em.least = fmax(LEAST_VARIANCE * variance, 1e-300);
  }
  for (size_t e = 0; e < w->trainees.n; e++) w->sharpness[e] = 1;
  w->em.plan = (moe_plan){.training = MOE_EM, .subsets = -1, .rounds = 1};
  return start_run(call, job);
}

/* ------------------------------------------------------------ the first shares
 */

static void share_out(moe_job *job, const int32_t *choice, bool by_source) {
  moe_mixture_job *w = job->work;
  size_t experts = w->trainees.n;
  double rest = (1 - DECIDED) / (double)experts;
  for (size_t i = 0; i < w->n; i++) {
    size_t at = moe_rows_at(&job->batch.x, i);
    int32_t own = choice == NULL ? -1 : choice[by_source ? at : i];
    double *share = w->em.share + at * experts;
    for (size_t e = 0; e < experts; e++)
      share[e] = own < 0 ? 1 / (double)experts
                         : rest + ((int32_t)e == own ? DECIDED : 0);
  }
}

/* A run begins from what there is; else from the subsets that are given, or
   from clusters of the inputs. */
static moe_status start_run(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_em *em = &w->em;
  moe_kmeans_plan plan = {
      .x = &job->batch.x,
      .weight = job->batch.weight,
      .k = w->trainees.n,
      .standardize = true,
      .seed = moe_seed_at(moe__mixture_seed(job), (uint64_t)em->run),
      .restarts = 1,
      .rounds = 100};
  em->round = job->warm ? -1 : 0; /* what is there is no round of ours */
  em->gated = false;
  em->likelihood = -INFINITY;
  em->n_rounds = 0;
  moe_job_forget(job, "log_likelihood");
  memset(em->known, 0, w->trainees.n * sizeof *em->known);
  w->expert = w->next = 0;
  w->piece = start_expert;
  if (job->warm) {
    if (!moe__mixture_has_gate(w)) share_out(job, NULL, true);
    return MOE_OK;
  }
  const int32_t *subset = w->subset != NULL ? w->subset : job->batch.subset;
  if (subset != NULL && em->run == 0) {
    share_out(job, subset, true);
    return MOE_OK;
  }
  w->piece = find_clusters;
  moe_kmeans_free(&w->kmeans);
  return moe_kmeans_begin(call, &plan, &w->kmeans);
}

static moe_status find_clusters(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  MOE_TRY(moe_kmeans_step(call, &w->kmeans));
  if (!w->kmeans.done) return MOE_OK;
  share_out(job, w->kmeans.best, false);
  w->piece = start_expert;
  return MOE_OK;
}

/* ------------------------------------------------------------------ the
 * experts
 */

/* Puts the rows' weights for expert e into em->weight; their sum. */
static double weigh_rows(const moe_job *job, size_t e) {
  moe_mixture_job *w = job->work;
  size_t experts = w->trainees.n;
  double sum = 0;
  for (size_t i = 0; i < w->n; i++) {
    size_t at = moe_rows_at(&job->batch.x, i);
    w->em.weight[at] =
        moe_batch_weight(&job->batch, i) * w->em.share[at * experts + e];
    sum += w->em.weight[at];
  }
  return sum;
}

/* Fits a candidate for expert e to its shares. */
static moe_status start_fit(moe_call *call, moe_job *job, size_t e) {
  moe_mixture_job *w = job->work;
  w->batch = job->batch;
  w->batch.weight = w->em.weight;
  w->batch.subset = NULL;
  w->batch.plan = &w->em.plan;
  w->batch.seed = moe_seed_of(moe__mixture_seed(job), w->trainees.names[e]);
  w->piece = train;
  MOE_TRY(moe_object_clone(call, w->trainees.items[e], &w->em.candidate));
  MOE_TRY(moe_job_begin(call, w->em.candidate, &w->batch, &w->job));
  if (w->em.known[e]) moe_job_warm(w->job);
  return MOE_OK;
}

/* What is there is measured as it is before anything is fitted; what is frozen
   is measured once; and nothing is fitted to no rows. */
static moe_status start_expert(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t e = w->expert;
  if (e == w->trainees.n) return start_gate(call, job);
  bool frozen = moe__mixture_is_frozen(job->object, e);
  double rows = weigh_rows(job, e) / w->em.total * (double)w->n;
  w->samples[e] = (int64_t)(rows + 0.5);
  if (w->em.known[e] && (frozen || rows < DEAD)) {
    w->expert++;
    return MOE_OK;
  }
  if (job->warm && !w->em.known[e]) frozen = true;
  w->piece = measure_expert;
  return frozen ? MOE_OK : start_fit(call, job, e);
}

static moe_status train(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  MOE_TRY(moe_job_step(call, w->job));
  if (!w->job->done) return MOE_OK;
  w->piece = w->expert < w->trainees.n ? measure_expert : measure_gate;
  return moe__mixture_finish_job(call, w);
}

/* The mean over the rows as they count for the expert in hand, found as it
   runs, so that no weights are too large to be summed; 0 where none counts. */
static double find_mean(const moe_mixture_job *w, const moe_rows *x,
                        const double *values, size_t stride) {
  double weight = 0, mean = 0;
  for (size_t i = 0; i < w->n; i++) {
    size_t at = moe_rows_at(x, i);
    double own = w->em.weight[at];
    if (own == 0) continue;
    weight += own;
    mean += own / weight * (values[at * stride] - mean);
  }
  return mean;
}

/* The candidate takes the expert's place if it holds the expert's rows no less
   likely. */
static moe_status choose_expert(moe_call *call, moe_job *job, size_t e) {
  moe_mixture_job *w = job->work;
  const moe_rows *x = &job->batch.x;
  size_t experts = w->trainees.n;
  double *fit = w->em.fit + e;
  bool taken = !w->em.known[e] ||
               find_mean(w, x, w->em.trial, 1) >= find_mean(w, x, fit, experts);
  if (taken && w->em.candidate != NULL)
    MOE_TRY(moe_object_exchange(call, w->trainees.items[e], w->em.candidate));
  for (size_t i = 0; i < w->n && taken; i++) {
    size_t at = moe_rows_at(x, i);
    fit[at * experts] = w->em.trial[at];
  }
  moe_object_release(w->em.candidate);
  w->em.candidate = NULL;
  return MOE_OK;
}

/* The most likely deviation, and the density that goes with it.  Of what is
   there when a warm run begins, the deviation is known. */
static void take_densities(moe_job *job, size_t e) {
  moe_mixture_job *w = job->work;
  const moe_rows *x = &job->batch.x;
  const moe_object *expert = w->trainees.items[e];
  size_t experts = w->trainees.n, width = job->batch.y->width;
  double weight = 0;
  for (size_t i = 0; i < w->n; i++) weight += w->em.weight[moe_rows_at(x, i)];
  if (moe__is_gaussian(expert) && weight > 0)
    w->noise[e] = moe__deviation_of(
        -2 * find_mean(w, x, w->em.fit + e, experts) / (double)width,
        w->em.least);
  for (size_t i = 0; i < w->n; i++) {
    size_t place = moe_rows_at(x, i) * experts + e;
    w->em.density[place] =
        moe__log_density(expert, w->em.fit[place], w->noise[e], width);
  }
  w->em.known[e] = true;
}

/* The next block of rows; true in *end when it is the last. */
static moe_batch next_block(const moe_job *job, bool *end) {
  moe_mixture_job *w = job->work;
  moe_batch b = job->batch;
  size_t left = w->n - w->next;
  b.x = moe_rows_range(&job->batch.x, w->next, left < BLOCK ? left : BLOCK);
  w->next += b.x.n;
  *end = w->next == w->n;
  if (*end) w->next = 0;
  return b;
}

static moe_status measure_expert(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t e = w->expert;
  const moe_object *expert =
      w->em.candidate != NULL ? w->em.candidate : w->trainees.items[e];
  double *out;
  bool end;
  moe_batch b = next_block(job, &end);
  MOE_SCRATCH(call, out, b.x.n);
  MOE_TRY(moe__measure_expert(call, expert, 1, &b, out));
  for (size_t i = 0; i < b.x.n; i++) w->em.trial[moe_rows_at(&b.x, i)] = out[i];
  moe_scratch_drop(call, mark);
  if (!end) return MOE_OK;
  MOE_TRY(choose_expert(call, job, e));
  take_densities(job, e);
  w->expert++;
  w->piece = start_expert;
  return MOE_OK;
}

/* --------------------------------------------------------------------- the
 * gate
 */

static moe_status start_gate(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_em *em = &w->em;
  bool frozen = moe__mixture_gate_is_frozen(job->object);
  if (frozen && em->gated) return end_round(call, job);
  w->piece = measure_gate;
  if (frozen || (job->warm && !em->gated && moe__mixture_has_gate(w)))
    return MOE_OK;
  w->target = (moe_target){.task = MOE_GATING,
                           .n = job->batch.y->n,
                           .values = em->density,
                           .width = w->trainees.n,
                           .labels = &w->names,
                           .seen = true};
  w->batch = job->batch;
  w->batch.y = &w->target;
  w->batch.subset = NULL;
  w->batch.plan = NULL;
  w->batch.seed = moe_seed_of(moe__mixture_seed(job), "gate");
  w->piece = train;
  MOE_TRY(moe_object_clone(call, w->gate, &em->candidate));
  MOE_TRY(moe_job_begin(call, em->candidate, &w->batch, &w->job));
  if (em->gated) moe_job_warm(w->job);
  return MOE_OK;
}

static moe_status measure_gate(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_scratch_mark mark = moe_scratch_now(call);
  const moe_object *gate = w->em.candidate != NULL ? w->em.candidate : w->gate;
  size_t experts = w->trainees.n;
  double *out;
  bool end;
  moe_batch b = next_block(job, &end);
  MOE_SCRATCH(call, out, moe_size(b.x.n, experts));
  MOE_TRY(moe__measure_gate(call, gate, &b.x, out));
  for (size_t i = 0; i < b.x.n; i++)
    memcpy(w->em.trial + moe_rows_at(&b.x, i) * experts, out + i * experts,
           experts * sizeof *out);
  moe_scratch_drop(call, mark);
  return end ? end_round(call, job) : MOE_OK;
}

/* ------------------------------------------------------------------- the
 * rounds
 */

static void swap_gates(moe_em *em) {
  double *held = em->gate;
  em->gate = em->trial;
  em->trial = held;
}

static moe_status share(moe_call *call, moe_job *job, double *likelihood) {
  const moe_mixture_job *w = job->work;
  moe_sharing s = {.batch = &job->batch,
                   .experts = w->trainees.n,
                   .gate = w->em.gate,
                   .density = w->em.density,
                   .share = w->em.share};
  return moe__share_rows(call, &s, likelihood);
}

/* The new gate, unless the likelihood has fallen by it. */
static moe_status choose_gate(moe_call *call, moe_job *job,
                              double *likelihood) {
  moe_mixture_job *w = job->work;
  moe_em *em = &w->em;
  bool tried = em->candidate != NULL || !em->gated;
  if (tried) swap_gates(em);
  MOE_TRY(share(call, job, likelihood));
  if (tried && em->gated && *likelihood < em->likelihood) {
    swap_gates(em);
    MOE_TRY(share(call, job, likelihood));
  } else if (em->candidate != NULL) {
    MOE_TRY(moe_object_exchange(call, w->gate, em->candidate));
  }
  moe_object_release(em->candidate);
  em->candidate = NULL;
  em->gated = true;
  return MOE_OK;
}

static moe_status record(moe_call *call, moe_job *job, double likelihood) {
  moe_em *em = &((moe_mixture_job *)job->work)->em;
  MOE_TRY(moe_reserve(call, &em->rounds, &em->room, em->n_rounds, 1,
                      sizeof *em->rounds));
  em->rounds[em->n_rounds++] = em->likelihood = likelihood;
  moe_job_record(job, "log_likelihood", likelihood);
  return MOE_OK;
}

/* A run ends where a round gains little; what it would lose to rounding, there,
   is no loss. */
static moe_status end_round(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_em *em = &w->em;
  double likelihood;
  MOE_TRY(choose_gate(call, job, &likelihood));
  double gain = (likelihood - em->likelihood) / em->total;
  if (gain > 0) MOE_TRY(record(call, job, likelihood));
  job->usable = true;
  w->expert = 0;
  w->piece = start_expert;
  if (w->plan.training == MOE_GRADIENT) return moe__joint_descend(call, job);
  if (++em->round >= w->plan.rounds || !(gain >= params_of(job)->tol))
    return end_run(call, job);
  moe_call_progress(call, "em", (double)em->round / (double)w->plan.rounds);
  return MOE_OK;
}

/* --------------------------------------------------------------------- the
 * runs
 */

static bool is_fixed(const moe_job *job, size_t e) {
  const moe_mixture_job *w = job->work;
  return e < w->trainees.n ? moe__mixture_is_frozen(job->object, e)
                           : moe__mixture_gate_is_frozen(job->object);
}

static moe_object *part_of(const moe_mixture_job *w, size_t e) {
  return e < w->trainees.n ? w->trainees.items[e] : w->gate;
}

/* Copies of what the run has come to, the most likely so far. */
static moe_status keep_run(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_em *em = &w->em;
  size_t experts = w->trainees.n;
  em->best_likelihood = em->likelihood;
  memcpy(em->best_noise, w->noise, experts * sizeof *w->noise);
  memcpy(em->best_samples, w->samples, experts * sizeof *w->samples);
  for (size_t e = 0; e <= experts; e++) {
    if (is_fixed(job, e)) continue;
    moe_object_release(em->best[e]);
    em->best[e] = NULL;
    MOE_TRY(moe_object_clone(call, part_of(w, e), &em->best[e]));
  }
  moe_free(em->best_rounds);
  em->best_rounds = moe_copy(em->rounds, em->n_rounds, sizeof *em->rounds);
  em->n_best = em->n_rounds;
  return em->best_rounds != NULL
             ? MOE_OK
             : moe_fail(call, MOE_ENOMEM, "not enough memory for a mixture");
}

static moe_status exchange_parts(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  for (size_t e = 0; e <= w->trainees.n; e++)
    if (w->em.best[e] != NULL)
      MOE_TRY(moe_object_exchange(call, part_of(w, e), w->em.best[e]));
  return MOE_OK;
}

static moe_status take_best(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_em *em = &w->em;
  size_t experts = w->trainees.n;
  MOE_TRY(exchange_parts(call, job));
  memcpy(w->noise, em->best_noise, experts * sizeof *w->noise);
  memcpy(w->samples, em->best_samples, experts * sizeof *w->samples);
  moe_job_forget(job, "log_likelihood");
  for (size_t k = 0; k < em->n_best; k++)
    moe_job_record(job, "log_likelihood", em->best_rounds[k]);
  return MOE_OK;
}

moe_status moe__em_exchange_best(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_em *em = &w->em;
  double *noise = w->noise;
  int64_t *samples = w->samples;
  if (em->run == 0 || em->run >= params_of(job)->restarts || job->warm)
    return MOE_OK;
  MOE_TRY(exchange_parts(call, job));
  w->noise = em->best_noise;
  em->best_noise = noise;
  w->samples = em->best_samples;
  em->best_samples = samples;
  return MOE_OK;
}

static void note_dead(moe_job *job) {
  const moe_mixture_job *w = job->work;
  for (size_t e = 0; e < w->trainees.n; e++)
    if (w->samples[e] == 0)
      moe_job_note(job, "%s: dead: it answers for no row",
                   w->trainees.names[e]);
}

static moe_status end_run(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_em *em = &w->em;
  int64_t runs = job->warm ? 1 : params_of(job)->restarts;
  bool best = em->run == 0 || em->likelihood > em->best_likelihood;
  em->run++;
  if (best && runs > 1) MOE_TRY(keep_run(call, job));
  if (em->run < runs) return start_run(call, job);
  if (!best) MOE_TRY(take_best(call, job));
  size_t likelihoods = best ? em->n_rounds : em->n_best; /* and the first */
  moe_job_note(job, "em: %zu rounds, likelihood found on the rows themselves",
               likelihoods > 0 ? likelihoods - 1 : 0);
  note_dead(job);
  return moe__mixture_start_routing(call, job);
}

void moe__em_free(moe_em *em, size_t experts) {
  void *const owned[] = {em->fit,         em->density,      em->gate,
                         em->share,       em->trial,        em->weight,
                         em->known,       em->best,         em->best_noise,
                         em->best_rounds, em->best_samples, em->rounds};
  moe_object_release(em->candidate);
  for (size_t e = 0; em->best != NULL && e <= experts; e++)
    moe_object_release(em->best[e]);
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) moe_free(owned[i]);
}
