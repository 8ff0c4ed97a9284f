/* Which rows each expert of the two stages trains on, where nobody has said:
   clusters of the inputs, or of the residuals of a first model.  The first
   model is of the kind of the first expert that is trained; each row's residual
   (y − f, or of classes 1 for the true one less the probabilities) is that of a
   model which was fitted to other folds, so that a model that remembers its
   rows has residuals too.  Clusters of inputs make specialists of regions;
   clusters of residuals bring together the rows that one model gets wrong
   alike, which is what two laws behind the same inputs look like.  The c-th
   cluster goes to the c-th expert that is trained. */
#include "mixture_fit.h"

static size_t count_trained(const moe_job *job) {
  const moe_mixture_job *w = job->work;
  size_t n = 0;
  for (size_t e = 0; e < w->trainees.n; e++)
    n += !moe__mixture_is_frozen(job->object, e);
  return n;
}

static moe_status give_out(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  int32_t *expert;
  size_t *rows, trained = 0;
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_SCRATCH(call, expert, w->trainees.n);
  MOE_SCRATCH(call, rows, w->trainees.n);
  for (size_t e = 0; e < w->trainees.n; e++)
    if (!moe__mixture_is_frozen(job->object, e)) expert[trained++] = (int32_t)e;
  MOE_TRY(moe_new_array(call, &w->subset, job->batch.y->n, sizeof *w->subset));
  for (size_t i = 0; i < w->n; i++) {
    int32_t e = expert[w->kmeans.best[i]];
    w->subset[moe_rows_at(&job->batch.x, i)] = e;
    rows[e]++;
  }
  for (size_t c = 0; c < trained; c++)
    moe_job_note(job, "%s: a cluster of %zu rows", w->trainees.names[expert[c]],
                 rows[expert[c]]);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status cluster(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  MOE_TRY(moe_kmeans_step(call, &w->kmeans));
  if (!w->kmeans.done) return MOE_OK;
  w->expert = 0;
  w->piece = moe__mixture_first_piece(job);
  return give_out(call, job);
}

static moe_status start_clusters(moe_call *call, moe_job *job,
                                 const moe_rows *x, const double *weight) {
  moe_mixture_job *w = job->work;
  moe_kmeans_plan plan = {
      .x = x,
      .weight = weight,
      .k = count_trained(job),
      .standardize = x == &job->batch.x,
      .seed = moe_seed_of(moe__mixture_seed(job), "subsets"),
      .restarts = 10,
      .rounds = 300};
  w->piece = cluster;
  return moe_kmeans_begin(call, &plan, &w->kmeans);
}

/* ------------------------------------------------------------------ residuals
 */

/* What the folds' models left of each row. */
static moe_status find_residuals(moe_call *call, moe_job *job) {
  const moe_target *y = job->batch.y;
  moe_mixture_job *w = job->work;
  size_t width = ((const moe_fitted *)job->state)->n_outputs;
  MOE_TRY(moe_new_array(call, &w->residuals, moe_size(w->n, width),
                        sizeof *w->residuals));
  MOE_TRY(moe_new_array(call, &w->residual_weight, w->n,
                        sizeof *w->residual_weight));
  for (size_t i = 0; i < w->n; i++) {
    size_t at = moe_rows_at(&job->batch.x, i);
    w->residual_weight[i] = moe_batch_weight(&job->batch, i);
    for (size_t k = 0; k < width; k++) {
      double truth = y->ids != NULL ? (double)((size_t)y->ids[at] == k)
                                    : y->values[at * width + k];
      w->residuals[i * width + k] =
          (float)(truth - (double)w->kept[at * width + k]);
    }
  }
  w->residual_rows = moe_rows_of_floats(w->residuals, w->n, width, width);
  return MOE_OK;
}

static moe_status check_inputs(moe_call *call, const moe_job *job) {
  const moe_rows *x = &job->batch.x;
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++)
    if (x->columns[x->map != NULL ? (size_t)x->map[j] : j].numbers == NULL)
      return moe_fail(call, MOE_EDATA,
                      "mixture: clusters are of numbers, and column %zu is "
                      "nominal; use one_hot, or subsets = \"residuals\"",
                      j + 1);
  return MOE_OK;
}

moe_status moe__mixture_start_subsets(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  if (count_trained(job) == 0) {
    w->piece = moe__mixture_first_piece(job);
    return MOE_OK;
  }
  if (w->plan.subsets == MOE_CLUSTERS) {
    MOE_TRY(check_inputs(call, job));
    return start_clusters(call, job, &job->batch.x, job->batch.weight);
  }
  if (!w->probing) return moe__mixture_probe(call, job);
  w->probing = false;
  MOE_TRY(find_residuals(call, job));
  return start_clusters(call, job, &w->residual_rows, w->residual_weight);
}
