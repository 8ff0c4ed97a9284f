/* One expert's turn in the fitting of a mixture: its rows are chosen, its job
   is run, and every row of the batch gets an answer that it did not train on;
   by these answers it is calibrated and scored. */
#include <math.h>
#include <string.h>

#include "mixture_fit.h"
#include "split.h"

enum { BLOCK = 1024 }; /* rows scored in one piece of work */

static const moe_mixture_params *params_of(const moe_job *job) {
  return job->object->params;
}

/* The pieces, in the order in which they usually follow each other, once an
   expert: its job; answers for the rows that it has not seen; the scores. */
static moe_status train(moe_call *call, moe_job *job);
static moe_status score_out_of_bag(moe_call *call, moe_job *job);
static moe_status score_others(moe_call *call, moe_job *job);
static moe_status start_fold(moe_call *call, moe_job *job);
static moe_status try_fold(moe_call *call, moe_job *job);
static moe_status score_fold(moe_call *call, moe_job *job);
static moe_status find_sharpness(moe_call *call, moe_job *job);
static moe_status score_expert(moe_call *call, moe_job *job);
static moe_status plan_folds(moe_call *call, moe_job *job);

/* ------------------------------------------------------------------- scoring
 */

/* A view of some source rows of the batch. */
static moe_rows pick(const moe_job *job, const int32_t *rows, size_t n) {
  moe_rows x = job->batch.x;
  x.pick = rows;
  x.origin = 0;
  x.n = n;
  return x;
}

moe_batch moe__mixture_part(const moe_job *job, const int32_t *rows, size_t n) {
  const moe_mixture_job *w = job->work;
  moe_batch b = job->batch;
  b.x = pick(job, rows, n);
  b.subset = NULL;
  b.plan = NULL;
  b.seed = moe_seed_of(moe__mixture_seed(job), w->trainees.names[w->expert]);
  return b;
}

/* Scores the next block of rows by the answers of `expert`, or of what its job
   kept out of the bag; true in *end when that was the last. */
static moe_status score_block(moe_call *call, moe_job *job,
                              const moe_object *expert, bool out_of_bag,
                              const int32_t *rows, size_t n, bool *end) {
  moe_mixture_job *w = job->work;
  const moe_fitted *f = out_of_bag ? w->job->state : moe_learner_fitted(expert);
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t count = n - w->next < BLOCK ? n - w->next : BLOCK;
  moe_rows x = pick(job, rows + w->next, count);
  double *answers;
  MOE_SCRATCH(call, answers, moe_size(count, f->n_outputs));
  if (out_of_bag)
    MOE_TRY(moe_learner_type_of(expert)->out_of_bag(call, w->job, &x, answers));
  else
    MOE_TRY(moe_learner_predict(call, expert, &x, answers));
  MOE_TRY(moe__keep_answers(call, job->state, f, rows + w->next, count, answers,
                            w->kept));
  moe_scratch_drop(call, mark);
  w->next += count;
  *end = w->next == n;
  if (*end) w->next = 0;
  return MOE_OK;
}

/* ------------------------------------------------------------ one expert's
 * turn */

/* The expert has answered every row unseen. */
static void start_scoring(moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  moe_mixture_job *w = job->work;
  bool classes = job->batch.y->task == MOE_CLASSIFICATION;
  w->search = (moe_sharpness){.power = 1};
  w->piece = classes && p->calibrate ? find_sharpness : score_expert;
  if (!classes)
    w->noise[w->expert] = moe__find_noise(job->state, &job->batch, w->kept);
}

/* The next block of all rows; true in *end when it is the last. */
static size_t next_block(moe_mixture_job *w, size_t *first, bool *end) {
  size_t n = w->n - w->next < BLOCK ? w->n - w->next : BLOCK;
  *first = w->next;
  w->next += n;
  *end = w->next == w->n;
  if (*end) w->next = 0;
  return n;
}

static moe_status find_sharpness(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t first, n;
  bool end;
  (void)call;
  n = next_block(w, &first, &end);
  moe__sharpness_add(job->state, &job->batch, w->kept, first, n, &w->search);
  if (end && moe__sharpness_step(&w->search)) w->piece = score_expert;
  return MOE_OK;
}

static moe_status score_expert(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t e = w->expert, first, n;
  bool end, classes = job->batch.y->task == MOE_CLASSIFICATION;
  moe_scoring s = {.m = job->state,
                   .batch = &job->batch,
                   .kept = w->kept,
                   .experts = w->trainees.n,
                   .e = e,
                   .errors = w->errors,
                   .candour = classes ? w->search.power : w->noise[e],
                   .scores = w->scores};
  (void)call;
  n = next_block(w, &first, &end);
  moe__score_rows(&s, first, n);
  if (!end) return MOE_OK;
  w->sharpness[e] = w->search.power;
  w->expert++;
  w->piece = moe__mixture_start_expert;
  return MOE_OK;
}

static bool belongs(const moe_job *job, size_t e, size_t at) {
  const moe_mixture_job *w = job->work;
  const int32_t *subset = w->subset != NULL ? w->subset : job->batch.subset;
  if (subset == NULL || subset[at] == (int32_t)e) return true;
  return subset[at] < 0 && params_of(job)->unassigned == MOE_TO_ALL;
}

/* Not trained, nor tried on folds: scored on all rows as it is. */
static bool is_as_it_is(const moe_job *job, size_t e) {
  const moe_mixture_job *w = job->work;
  return moe__mixture_is_frozen(job->object, e) ||
         (w->plan.stage == MOE_GATE_ONLY && w->plan.unseen);
}

static void choose_rows(moe_job *job) {
  moe_mixture_job *w = job->work;
  bool frozen = is_as_it_is(job, w->expert);
  w->n_rows = w->n_others = 0;
  for (size_t i = 0; i < w->n; i++) {
    size_t at = moe_rows_at(&job->batch.x, i);
    if (!frozen && belongs(job, w->expert, at))
      w->rows[w->n_rows++] = (int32_t)at;
    else
      w->others[w->n_others++] = (int32_t)at;
  }
}

/* The experts' turns are over. */
static moe_status end_experts(moe_call *call, moe_job *job) {
  const moe_mixture_job *w = job->work;
  return w->plan.stage == MOE_EXPERTS_ONLY
             ? moe__mixture_start_routing(call, job)
             : moe__mixture_start_gate(call, job);
}

/* An expert whose own fit is no part of this one: scored as it is, or by folds
   of its rows. */
static moe_status pass_training(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t e = w->expert;
  MOE_TRY(moe__mixture_check_answers(call, job, e));
  if (w->plan.stage == MOE_EXPERTS_ONLY) {
    w->expert++;
    return MOE_OK;
  }
  w->piece = score_others;
  if (!is_as_it_is(job, e)) return plan_folds(call, job);
  w->n_folds = 0;
  moe_job_note(job, "%s: %sscored on all %zu rows as it is",
               w->trainees.names[e],
               moe__mixture_is_frozen(job->object, e) ? "frozen, " : "", w->n);
  return MOE_OK;
}

moe_status moe__mixture_start_expert(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t e = w->expert;
  if (e == w->trainees.n) return end_experts(call, job);
  choose_rows(job);
  if (w->n_rows == 0 && !is_as_it_is(job, e))
    return moe_fail(call, MOE_EDATA,
                    "mixture: `subsets` gives expert '%s' no row to train on",
                    w->trainees.names[e]);
  if (w->plan.stage == MOE_GATE_ONLY || moe__mixture_is_frozen(job->object, e))
    return pass_training(call, job);
  w->samples[e] = (int64_t)w->n_rows;
  w->batch = moe__mixture_part(job, w->rows, w->n_rows);
  w->piece = train;
  MOE_TRY(moe_job_begin(call, w->trainees.items[e], &w->batch, &w->job));
  if (job->warm) moe_job_warm(w->job);
  return MOE_OK;
}

/* Whether the job kept enough to score its rows by: forests without bootstrap,
   for one, keep nothing. */
static moe_status keeps_enough(moe_call *call, moe_job *job, bool *enough) {
  moe_mixture_job *w = job->work;
  const moe_learner_type *type =
      moe_learner_type_of(w->trainees.items[w->expert]);
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t n = w->n_rows < BLOCK ? w->n_rows : BLOCK, kept = 0;
  size_t width = ((const moe_fitted *)w->job->state)->n_outputs;
  moe_rows x = pick(job, w->rows, n);
  double *answers;
  *enough = false;
  if (!(type->traits & MOE_OUT_OF_BAG) || job->batch.group != NULL)
    return MOE_OK;
  MOE_SCRATCH(call, answers, moe_size(n, width));
  MOE_TRY(type->out_of_bag(call, w->job, &x, answers));
  for (size_t i = 0; i < n; i++) kept += !isnan(answers[i * width]);
  *enough = 2 * kept > n;
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status commit_expert(moe_call *call, moe_mixture_job *w) {
  MOE_TRY(moe__mixture_finish_job(call, w));
  w->piece = score_others;
  return MOE_OK;
}

/* Folds of the expert's rows; one row alone cannot be held out. */
static moe_status plan_folds(moe_call *call, moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  moe_mixture_job *w = job->work;
  moe_scratch_mark mark = moe_scratch_now(call);
  int32_t *strata = NULL, *groups = NULL;
  const int32_t *ids = job->batch.y->ids, *group = job->batch.group;
  size_t folds = (size_t)p->folds;
  if (ids != NULL) MOE_SCRATCH(call, strata, w->n_rows);
  if (group != NULL) MOE_SCRATCH(call, groups, w->n_rows);
  for (size_t i = 0; i < w->n_rows; i++) {
    if (ids != NULL) strata[i] = ids[w->rows[i]];
    if (group != NULL) groups[i] = group[w->rows[i]];
  }
  w->n_folds = w->n_rows < folds ? w->n_rows : folds;
  if (w->n_folds < 2)
    return moe_fail(call, MOE_EDATA,
                    "mixture: expert '%s' has one row to train on, too few to "
                    "hold any out for the gate",
                    w->trainees.names[w->expert]);
  MOE_TRY(moe_folds(
      call, w->n_rows, w->n_folds,
      moe_seed_of(moe__mixture_seed(job), w->trainees.names[w->expert]), strata,
      groups, w->fold_of));
  moe_scratch_drop(call, mark);
  w->fold = 0;
  if (w->probing) return MOE_OK;
  moe_job_note(job, "%s: %s %zu rows, scored by %zu-fold cross-fitting",
               w->trainees.names[w->expert],
               w->plan.stage == MOE_GATE_ONLY ? "of" : "trained on", w->n_rows,
               w->n_folds);
  return MOE_OK;
}

moe_status moe__mixture_probe(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  w->expert = 0;
  while (moe__mixture_is_frozen(job->object, w->expert)) w->expert++;
  w->probing = true;
  w->piece = start_fold;
  w->n_rows = w->n;
  for (size_t i = 0; i < w->n; i++)
    w->rows[i] = (int32_t)moe_rows_at(&job->batch.x, i);
  return plan_folds(call, job);
}

static moe_status train(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  bool enough;
  MOE_TRY(moe_job_step(call, w->job));
  if (!w->job->done) return MOE_OK;
  if (w->plan.stage == MOE_EXPERTS_ONLY) {
    w->expert++;
    w->piece = moe__mixture_start_expert;
    return moe__mixture_finish_job(call, w);
  }
  MOE_TRY(keeps_enough(call, job, &enough));
  w->n_folds = 0;
  if (!enough) {
    MOE_TRY(plan_folds(call, job));
    return commit_expert(call, w);
  }
  moe_job_note(job, "%s: trained on %zu rows, scored on out-of-bag predictions",
               w->trainees.names[w->expert], w->n_rows);
  w->piece = score_out_of_bag;
  return MOE_OK;
}

static moe_status score_out_of_bag(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  bool end;
  MOE_TRY(score_block(call, job, w->trainees.items[w->expert], true, w->rows,
                      w->n_rows, &end));
  return end ? commit_expert(call, w) : MOE_OK;
}

static moe_status score_others(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  bool end = w->n_others == 0;
  if (!end)
    MOE_TRY(score_block(call, job, w->trainees.items[w->expert], false,
                        w->others, w->n_others, &end));
  if (!end) return MOE_OK;
  if (w->n_folds > 0 && w->n_rows > 0)
    w->piece = start_fold;
  else
    start_scoring(job);
  return MOE_OK;
}

/* The expert's rows that are in the fold, or those that are not. */
static void choose_part(moe_mixture_job *w, bool inside) {
  w->n_part = 0;
  for (size_t i = 0; i < w->n_rows; i++)
    if ((w->fold_of[i] == (int32_t)w->fold) == inside)
      w->part[w->n_part++] = w->rows[i];
}

static moe_status start_fold(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  if (w->fold == w->n_folds) {
    if (w->probing) return moe__mixture_start_subsets(call, job);
    start_scoring(job);
    return MOE_OK;
  }
  choose_part(w, false);
  w->batch = moe__mixture_part(job, w->part, w->n_part);
  moe_object_release(w->trial);
  MOE_TRY(moe_object_clone(call, w->trainees.items[w->expert], &w->trial));
  w->piece = try_fold;
  return moe_job_begin(call, w->trial, &w->batch, &w->job);
}

static moe_status try_fold(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  MOE_TRY(moe_job_step(call, w->job));
  if (!w->job->done) return MOE_OK;
  MOE_TRY(moe__mixture_finish_job(call, w));
  choose_part(w, true);
  w->piece = score_fold;
  return MOE_OK;
}

static moe_status score_fold(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  bool end;
  MOE_TRY(score_block(call, job, w->trial, false, w->part, w->n_part, &end));
  if (end) {
    w->fold++;
    w->piece = start_fold;
  }
  return MOE_OK;
}
