/* What the trees of a forest answer for rows that they did not draw, and how
   good that is. */
#include <string.h>

#include "threads.h"
#include "tree_fit.h"

typedef struct scoring {
  moe_call *call;
  moe_job *job;
} scoring;

/* What the score is made of, summed over rows that some tree did not have:
   their number, then that of the right answers, or for each output the sums of
   y, of y² (less the shift), and of the squared error. */
static size_t score_width(const moe_tree_work *w) {
  return w->values == NULL ? 2 : 1 + 3 * w->plan.width;
}

static bool is_right(const moe_job *job, size_t row, const double *answer) {
  const moe_fitted *f = job->state;
  size_t best = 0;
  for (size_t c = 1; c < f->n_outputs; c++)
    if (answer[c] > answer[best]) best = c;
  return (size_t)job->ids[moe_rows_at(&job->batch.x, row)] == best;
}

static void score_row(const moe_job *job, size_t row, const double *answer,
                      double *score) {
  const moe_tree_work *w = job->work;
  if (isnan(answer[0])) return;
  score[0]++;
  if (w->values == NULL) {
    score[1] += is_right(job, row, answer);
    return;
  }
  for (size_t k = 0; k < w->plan.width; k++, score += 3) {
    double y = w->values[row * w->plan.width + k], error = y - answer[k];
    score[1] += y - w->shift[k];
    score[2] += (y - w->shift[k]) * (y - w->shift[k]);
    score[3] += error * error;
  }
}

static void score_block(const moe_job *job, const moe_bag_desk *desk) {
  moe_tree_work *w = job->work;
  double *score = w->scores + desk->first / w->block * score_width(w);
  for (size_t i = 0; i < desk->walk.n; i++)
    score_row(job, desk->first + i, desk->sums + i * w->plan.width, score);
}

static bool take_block(const moe_job *job, moe_bag_desk *desk) {
  moe_tree_work *w = job->work;
  const moe_rows *x = &job->batch.x;
  if (desk->busy) return true;
  size_t first = atomic_fetch_add(&w->next_block, 1) * w->block;
  if (first >= x->n) return false;
  moe_bag_desk_open(desk, x, first,
                    x->n - first < w->block ? x->n - first : w->block,
                    w->plan.width);
  return true;
}

/* Answers block after block until there are no more, or the call is pausing;
   then the desk keeps its block for the next time. */
static void work_at_desk(void *context, size_t index, int worker) {
  scoring *s = context;
  moe_tree_work *w = s->job->work;
  moe_tree_model *m = s->job->state;
  moe_bag_desk *desk = &w->desks[index];
  (void)worker;
  while (take_block(s->job, desk)) {
    while (!moe_bag_desk_step(desk, &w->bag, &m->trees, &s->job->batch.x))
      if (moe_call_pausing(s->call)) return;
    score_block(s->job, desk);
    if (moe_call_pausing(s->call)) return;
  }
}

/* Accuracy, or the mean of the outputs' R². */
static double finish_score(const moe_tree_work *w, const double *sums) {
  size_t width = w->plan.width;
  double n = sums[0], score = 0;
  if (w->values == NULL) return sums[1] / n;
  for (size_t k = 0; k < width; k++, sums += 3)
    score += 1 - sums[3] / (sums[2] - sums[1] * sums[1] / n);
  return isfinite(score) ? score / (double)width : NAN;
}

static moe_status sum_scores(moe_call *call, moe_job *job, size_t blocks) {
  moe_tree_work *w = job->work;
  moe_tree_mean *m = job->state;
  size_t width = score_width(w);
  double *sums;
  MOE_SCRATCH(call, sums, width);
  for (size_t i = 0; i < blocks * width; i++) sums[i % width] += w->scores[i];
  if (sums[0] > 0) m->oob_score = finish_score(w, sums);
  return MOE_OK;
}

/* Desks for the threads that there are now; earlier ones may hold a block. */
static moe_status add_desks(moe_call *call, const moe_job *job, size_t blocks) {
  moe_tree_work *w = job->work;
  size_t wanted = (size_t)moe_parallel_width(call, blocks);
  moe_bag_desk *desks;
  if (w->n_desks >= wanted) return MOE_OK;
  desks = moe_resize(w->desks, wanted, sizeof *desks);
  if (desks == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory to score rows");
  w->desks = desks;
  while (w->n_desks < wanted)
    MOE_TRY(moe_bag_desk_new(call, &w->desks[w->n_desks++], &job->batch.x,
                             w->block, w->plan.width));
  return MOE_OK;
}

static bool is_any_busy(const moe_tree_work *w) {
  for (size_t k = 0; k < w->n_desks; k++)
    if (w->desks[k].busy) return true;
  return false;
}

moe_status moe__tree_score(moe_call *call, moe_job *job, bool *done) {
  moe_tree_work *w = job->work;
  const moe_rows *x = &job->batch.x;
  scoring s = {call, job};
  *done = !w->scheme.bootstrap;
  if (*done) return MOE_OK;
  if (w->block == 0) w->block = moe_walk_block(x);
  size_t blocks = (x->n + w->block - 1) / w->block;
  if (w->scores == NULL)
    MOE_TRY(moe_new_array(call, &w->scores, moe_size(blocks, score_width(w)),
                          sizeof *w->scores));
  MOE_TRY(add_desks(call, job, blocks));
  moe_parallel(call, w->n_desks, work_at_desk, &s);
  *done = w->next_block >= blocks && !is_any_busy(w);
  return *done ? sum_scores(call, job, blocks) : MOE_OK;
}

moe_status moe_tree_out_of_bag(moe_call *call, const moe_job *job,
                               const moe_rows *x, double *out) {
  moe_tree_work *w = job->work;
  moe_tree_model *m = job->state;
  moe_bag_desk desk;
  size_t block = moe_walk_block(x), row = w->plan.width * sizeof *out;
  moe_status status = moe_bag_desk_new(call, &desk, x, block, w->plan.width);
  for (size_t i = 0; i < x->n && status == MOE_OK; i += block) {
    size_t n = x->n - i < block ? x->n - i : block;
    moe_bag_desk_open(&desk, x, i, n, w->plan.width);
    while (!moe_bag_desk_step(&desk, &w->bag, &m->trees, x)) continue;
    memcpy(out + i * w->plan.width, desk.sums, n * row);
  }
  moe_bag_desk_free(&desk);
  return status;
}
