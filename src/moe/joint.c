/* Training by the gradient of the likelihood of the mixture, all parts together
   (Jacobs, Jordan, Nowlan & Hinton 1991, doi 10.1162/neco.1991.3.1.79): Adam's
   steps (Kingma & Ba 2015, arXiv 1412.6980) over mini-batches, on the weights
   of experts and gate and the deviations of experts whose density is Gaussian,
   as one run of numbers.  It begins where the first round of em comes to, or,
   warm, with what there is; some of the rows are held out, and the weights that
   were best on them are kept, be it those that it began with. */
#include <math.h>
#include <string.h>

#include "mixture_fit.h"
#include "responsibility.h"
#include "split.h"
#include "vector.h"

static const double DECAY_1 = 0.9, DECAY_2 = 0.999, TINY = 1e-8;

static moe_status judge(moe_call *call, moe_job *job, double *out);
static moe_status descend(moe_call *call, moe_job *job);

static const moe_mixture_params *params_of(const moe_job *job) {
  return job->object->params;
}

static moe_parts parts_of(const moe_job *job) {
  moe_mixture_job *w = job->work;
  return (moe_parts){job->object, &w->trainees, w->gate, w->noise};
}

static uint64_t seed_of(const moe_job *job) {
  return moe_seed_of(moe__mixture_seed(job), "gradient");
}

/* ----------------------------------------------------------------- beginning
 */

moe_status moe__joint_start(moe_call *call, moe_job *job) {
  if (!job->warm || !moe__mixture_has_gate(job->work))
    return moe__em_start(call, job);
  MOE_TRY(moe__em_check_warm(call, job));
  return moe__joint_descend(call, job);
}

/* Rows to learn from first, those that are held out last: whole groups. */
static moe_status hold_out(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  double share = params_of(job)->validation;
  const moe_rows *x = &job->batch.x;
  moe_scratch_mark mark = moe_scratch_now(call);
  int32_t *part, *groups = NULL;
  MOE_SCRATCH(call, part, w->n);
  if (job->batch.group != NULL) MOE_SCRATCH(call, groups, w->n);
  for (size_t i = 0; groups != NULL && i < w->n; i++)
    groups[i] = job->batch.group[moe_rows_at(x, i)];
  if (share > 0 && w->n >= 10)
    MOE_TRY(moe_split(call, w->n, 1 - share, seed_of(job), NULL, groups, part));
  for (size_t i = 0; i < w->n; i++)
    if (part[i] == 0) g->order[g->n_own++] = (int32_t)i;
  for (size_t i = 0; i < w->n; i++) {
    double weight = moe_batch_weight(&job->batch, i);
    *(part[i] == 0 ? &g->total : &g->held_total) += weight;
    if (part[i] != 0) g->order[g->n_own + g->n_held++] = (int32_t)i;
  }
  if (!(g->total > 0)) g->total = 1; /* all weight is held out */
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* Of a mini-batch, at most. */
static size_t rows_of_batch(const moe_job *job) {
  const moe_mixture_job *w = job->work;
  size_t rows = (size_t)params_of(job)->batch_size;
  return rows < w->n ? rows : w->n;
}

static moe_status reserve_batch(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  const moe_target *y = job->batch.y;
  size_t rows = rows_of_batch(job), size = sizeof(double);
  MOE_TRY(moe_new_array(call, &g->weight, rows, size));
  if (y->ids != NULL)
    MOE_TRY(moe_new_array(call, &g->ids, rows, sizeof *g->ids));
  else
    MOE_TRY(moe_new_array(call, &g->values, moe_size(rows, y->width), size));
  if (job->batch.x.source == MOE_FROM_CSR)
    return moe_new_array(call, &g->start, rows + 1, sizeof *g->start);
  return moe_new_array(call, &g->x, moe_size(rows, job->batch.x.d), size);
}

moe_status moe__joint_descend(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  moe_parts p = parts_of(job);
  size_t n = g->n_weights = moe__parts_count(&p), size = sizeof(double);
  double **arrays[] = {&g->weights, &g->gradient, &g->first, &g->second,
                       &g->best};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    MOE_TRY(moe_new_array(call, arrays[i], n, size));
  MOE_TRY(moe_new_array(call, &g->order, w->n, sizeof *g->order));
  MOE_TRY(hold_out(call, job));
  MOE_TRY(reserve_batch(call, job));
  moe__parts_get(&p, g->weights);
  moe__parts_set(&p, g->weights); /* to the bit what a commit gives back */
  memcpy(g->best, g->weights, n * size);
  MOE_TRY(judge(call, job, &g->best_loss));
  for (size_t e = 0; e < w->trainees.n; e++) w->sharpness[e] = 1;
  moe_job_forget(job, "log_likelihood");
  w->piece = descend;
  return MOE_OK;
}

/* ---------------------------------------------------------------- mini-batches
 */

static moe_status copy_entries(moe_call *call, const moe_rows *x, moe_joint *g,
                               size_t i, size_t k) {
  moe_entries e = moe_rows_entries(x, i);
  size_t at = (size_t)g->start[k];
  MOE_TRY(
      moe_reserve(call, &g->index, &g->index_room, at, e.n, sizeof *g->index));
  MOE_TRY(moe_reserve(call, &g->entries, &g->entries_room, at, e.n,
                      sizeof *g->entries));
  for (size_t j = 0; j < e.n; j++) {
    g->index[at + j] = e.index[j];
    g->entries[at + j] = e.value[j];
  }
  g->start[k + 1] = (int64_t)(at + e.n);
  return MOE_OK;
}

/* The rows order[first … first+n−1] of the batch, as a batch of their own. */
static moe_status copy_rows(moe_call *call, moe_job *job, size_t first,
                            size_t n, moe_batch *out) {
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  const moe_rows *x = &job->batch.x;
  const moe_target *y = job->batch.y;
  for (size_t k = 0; k < n; k++) {
    size_t i = (size_t)g->order[first + k], at = moe_rows_at(x, i);
    g->weight[k] = moe_batch_weight(&job->batch, i);
    if (y->ids != NULL)
      g->ids[k] = y->ids[at];
    else
      memcpy(g->values + k * y->width, y->values + at * y->width,
             y->width * sizeof *y->values);
    if (g->start != NULL)
      MOE_TRY(copy_entries(call, x, g, i, k));
    else
      moe_rows_doubles(x, i, 1, g->x + k * x->d);
  }
  g->csr = (moe_csr){n, x->d, g->start, g->index, g->entries};
  g->target = *y;
  g->target.n = n;
  g->target.ids = g->ids;
  g->target.values = g->values;
  *out = (moe_batch){.x = g->start != NULL ? moe_rows_of_csr(&g->csr)
                                           : moe_rows_of_doubles(g->x, n, x->d),
                     .y = &g->target,
                     .weight = g->weight};
  out->x.schema = x->schema;
  return MOE_OK;
}

/* ----------------------------------------------------------------------- steps
 */

static void take_step(const moe_joint *g, double lr) {
  double bias_1 = 1 - pow(DECAY_1, (double)g->step);
  double bias_2 = 1 - pow(DECAY_2, (double)g->step);
  for (size_t k = 0; k < g->n_weights; k++) {
    double d = g->gradient[k];
    if (!isfinite(d)) continue;
    g->first[k] = DECAY_1 * g->first[k] + (1 - DECAY_1) * d;
    g->second[k] = DECAY_2 * g->second[k] + (1 - DECAY_2) * d * d;
    g->weights[k] -=
        lr * (g->first[k] / bias_1) / (sqrt(g->second[k] / bias_2) + TINY);
  }
}

static moe_status descend_batch(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  size_t size = rows_of_batch(job), left = g->n_own - g->next;
  moe_parts p = parts_of(job);
  moe_plan plan = {.drops = true,
                   .seed = moe_seed_at(moe_seed_of(seed_of(job), "dropout"),
                                       (uint64_t)g->step)};
  moe_batch b;
  double loss, weight = 0;
  MOE_TRY(copy_rows(call, job, g->next, left < size ? left : size, &b));
  g->next += b.x.n;
  for (size_t k = 0; k < b.x.n; k++) weight += b.weight[k];
  if (weight == 0) return MOE_OK;
  b.plan = &plan;
  MOE_TRY(moe__parts_differentiate(call, &p, &b, &loss, g->gradient));
  g->sum += loss;
  g->step++;
  moe_scale(1 / weight, g->gradient, g->n_weights);
  take_step(g, params_of(job)->lr);
  moe__parts_set(&p, g->weights);
  return MOE_OK;
}

/* The mean loss of the rows that are held out, or else of the epoch. */
static moe_status judge(moe_call *call, moe_job *job, double *out) {
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  size_t size = rows_of_batch(job);
  moe_parts p = parts_of(job);
  double sum = 0, loss;
  moe_batch b;
  *out = g->sum / g->total;
  for (size_t first = 0; first < g->n_held; first += b.x.n) {
    size_t left = g->n_held - first;
    moe_scratch_mark mark = moe_scratch_now(call);
    MOE_TRY(
        copy_rows(call, job, g->n_own + first, left < size ? left : size, &b));
    MOE_TRY(moe__parts_differentiate(call, &p, &b, &loss, NULL));
    moe_scratch_drop(call, mark);
    sum += loss;
  }
  if (g->held_total > 0) *out = sum / g->held_total;
  return MOE_OK;
}

static moe_status end_epochs(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  moe_parts p = parts_of(job);
  moe__parts_set(&p, g->best);
  moe_job_note(job, "gradient: %lld epochs of %zu rows, %zu held out",
               (long long)g->epoch, g->n_own, g->n_held);
  return moe__mixture_start_routing(call, job);
}

static moe_status end_epoch(moe_call *call, moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  double loss;
  MOE_TRY(judge(call, job, &loss));
  moe_job_record(job, "loss", g->sum / g->total);
  if (g->held_total > 0) moe_job_record(job, "validation_loss", loss);
  g->waited++;
  if (loss < g->best_loss || g->held_total == 0) {
    g->best_loss = loss;
    g->waited = 0;
    memcpy(g->best, g->weights, g->n_weights * sizeof *g->best);
  }
  g->next = 0;
  g->sum = 0;
  g->epoch++;
  job->usable = true;
  moe_call_progress(call, "gradient",
                    (double)g->epoch / (double)w->plan.rounds);
  return g->epoch >= w->plan.rounds || g->waited >= p->patience
             ? end_epochs(call, job)
             : MOE_OK;
}

/* One mini-batch; or the end of an epoch. */
static moe_status descend(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_joint *g = &w->joint;
  moe_random random;
  if (g->next == 0) {
    moe_random_seed(&random, moe_seed_at(seed_of(job), (uint64_t)g->epoch));
    moe_random_shuffle(&random, g->order, g->n_own);
  }
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_TRY(descend_batch(call, job));
  moe_scratch_drop(call, mark);
  return g->next == g->n_own ? end_epoch(call, job) : MOE_OK;
}

void moe__joint_show_best(moe_job *job, bool best) {
  moe_mixture_job *w = job->work;
  moe_parts p = parts_of(job);
  if (w->piece == descend)
    moe__parts_set(&p, best ? w->joint.best : w->joint.weights);
}

void moe__joint_free(moe_joint *g) {
  void *const owned[] = {g->weights, g->gradient, g->first,  g->second, g->best,
                         g->order,   g->x,        g->values, g->weight, g->ids,
                         g->index,   g->start,    g->entries};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) moe_free(owned[i]);
}
