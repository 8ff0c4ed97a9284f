/* The rounds of boosting: a tree for each score, grown from the derivatives of
   the loss, whose answers are added to the scores. */
#include <math.h>
#include <string.h>

#include "gbt_fit.h"
#include "threads.h"
#include "vector.h"

enum { BLOCK = 4096 }; /* rows */

static size_t count_blocks(size_t n) { return (n + BLOCK - 1) / BLOCK; }

static size_t block_at(size_t n, size_t first) {
  return n - first < BLOCK ? n - first : BLOCK;
}

/* ------------------------------------------------------------------ one tree
   Of score number `score`, on its way through a region of pieces. */
typedef struct growth {
  const moe_job *job;
  moe_gbt_work *w;
  moe_grower *g;
  size_t score;
} growth;

static growth growth_of(void *context, moe_grower *g, size_t score) {
  moe_job *job = context;
  return (growth){job, job->work, g, score};
}

static void find_slopes(void *context, size_t index, int worker) {
  const growth *t = context;
  const moe_gbt_work *w = t->w;
  moe_gbt_view rows = moe__gbt_rows(w, t->score);
  size_t first = index * BLOCK, n = block_at(w->x.n, first);
  moe_slope *slopes = moe_grower_slopes(t->g) + first;
  (void)worker;
  w->loss->slopes(&rows, first, n, slopes);
  for (size_t i = 0; i < n; i++) {
    slopes[i].g *= w->weight[first + i];
    slopes[i].h *= w->weight[first + i];
  }
}

static void start(void *context, moe_call *call, moe_grower *g, size_t tree) {
  growth t = growth_of(context, g, tree);
  const moe_gbt_params *p = t.job->object->params;
  moe_sample *samples = moe_grower_samples(g);
  uint64_t seed = p->seed != MOE_NO_INT ? (uint64_t)p->seed : 0;
  moe_random random;
  moe_random_seed(&random,
                  moe_seed_at(seed, t.w->round * t.w->n_scores + tree));
  for (size_t i = 0; i < t.w->drawn.n; i++)
    samples[i] = (moe_sample){.row = t.w->drawn.items[i], .weight = 1};
  moe_parallel(call, count_blocks(t.w->x.n), find_slopes, &t);
  moe_grower_start(g, t.w->drawn.n, random);
}

/* The best answer to what the scores leave of a leaf's targets. */
static double refit(const growth *t, const moe_sample *samples, size_t n) {
  const moe_gbt_work *w = t->w;
  moe_gbt_view rows = moe__gbt_rows(w, t->score);
  moe_gbt_residual *r = w->residuals + t->score * w->x.n +
                        (size_t)(samples - moe_grower_samples(t->g));
  for (size_t i = 0; i < n; i++) {
    size_t row = (size_t)samples[i].row;
    r[i] = (moe_gbt_residual){rows.y[row] - rows.score[row], w->weight[row]};
  }
  return w->loss->centre(w->shape, r, n);
}

/* Shrinks a leaf's answer, and adds it to its rows. */
static void close_leaf(void *context, size_t index, int worker) {
  const growth *t = context;
  const moe_gbt_params *p = t->job->object->params;
  double *value = moe_grower_value(t->g, index);
  double *scores = t->w->scores + t->score * t->w->x.n;
  size_t n;
  const moe_sample *samples = moe_grower_leaf(t->g, index, &n);
  (void)worker;
  if (t->w->loss->centre != NULL) *value = refit(t, samples, n);
  *value *= p->learning_rate;
  for (size_t i = 0; i < n; i++) scores[samples[i].row] += *value;
}

/* Adds the leaves' answers to rows that the tree has not seen. */
static void answer_rest(void *context, size_t index, int worker) {
  const growth *t = context;
  const moe_row_list *rest = &t->w->rest;
  double *scores = t->w->scores + t->score * t->w->x.n;
  size_t first = index * BLOCK, n = block_at(rest->n, first);
  (void)worker;
  for (size_t i = first; i < first + n; i++) {
    size_t row = (size_t)rest->items[i];
    scores[row] += *moe_grower_value(t->g, moe_grower_find(t->g, row));
  }
}

static void finish(void *context, moe_call *call, moe_grower *g, size_t tree,
                   bool first) {
  growth t = growth_of(context, g, tree);
  moe_tree_arrays arrays;
  const double *gains;
  (void)first;
  if (!moe_grower_result(g, &arrays, &gains)) return;
  moe_parallel(call, arrays.n_values, close_leaf, &t);
  moe_parallel(call, count_blocks(t.w->rest.n), answer_rest, &t);
}

moe_grove moe__gbt_grove(moe_job *job) {
  moe_gbt_work *w = job->work;
  return (moe_grove){.plan = &w->plan,
                     .n_trees = w->n_scores,
                     .context = job,
                     .start = start,
                     .finish = finish};
}

/* ----------------------------------------------------------------- one round
 */

/* The probabilities of a block of rows; `space` holds n_scores × BLOCK. */
typedef struct sharing {
  moe_gbt_work *w;
  double *space; /* of each worker */
} sharing;

static void share_out(void *context, size_t index, int worker) {
  const sharing *s = context;
  const moe_gbt_work *w = s->w;
  size_t m = w->n_scores, all = w->x.n;
  size_t first = index * BLOCK, n = block_at(all, first);
  double *rows = s->space + (size_t)worker * m * BLOCK;
  for (size_t k = 0; k < m; k++)
    for (size_t i = 0; i < n; i++)
      rows[i * m + k] = w->scores[k * all + first + i];
  moe_softmax(rows, n, m);
  for (size_t k = 0; k < m; k++)
    for (size_t i = 0; i < n; i++)
      w->shares[k * all + first + i] = rows[i * m + k];
}

static moe_status find_shares(moe_call *call, moe_gbt_work *w) {
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t blocks = count_blocks(w->x.n);
  sharing s = {.w = w};
  if (w->shares == NULL) return MOE_OK;
  MOE_SCRATCH(call, s.space,
              moe_size(moe_size(BLOCK, w->n_scores),
                       (size_t)moe_parallel_width(call, blocks)));
  moe_parallel(call, blocks, share_out, &s);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* The rows that this round's trees grow on, in their order. */
static void draw_rows(const moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_work *w = job->work;
  double wanted = fmax(round(p->row_sample * (double)w->train.n), 1);
  uint64_t seed = p->seed != MOE_NO_INT ? (uint64_t)p->seed : 0;
  moe_random random;
  moe_random_seed(&random, moe_seed_at(moe_seed_of(seed, "rows"), w->round));
  w->drawn.n = w->rest.n = 0;
  for (size_t i = 0; i < w->train.n; i++) {
    double left = (double)(w->train.n - i);
    bool all = p->row_sample == 1;
    moe_row_list *to =
        all || left * moe_random_unit(&random) < wanted - (double)w->drawn.n
            ? &w->drawn
            : &w->rest;
    to->items[to->n++] = w->train.items[i];
  }
  memcpy(w->rest.items + w->rest.n, w->valid.items,
         w->valid.n * sizeof *w->valid.items);
  w->rest.n += w->valid.n;
}

static moe_status open_round(moe_call *call, moe_job *job) {
  moe_gbt_work *w = job->work;
  if (w->open) return MOE_OK;
  w->open = true;
  draw_rows(job);
  moe_grove_restart(&w->grove);
  return find_shares(call, w);
}

/* The mean loss of the rows that were held out. */
static double validate(const moe_gbt_work *w) {
  double sum = 0, weight = 0;
  for (size_t i = 0; i < w->valid.n; i++) {
    size_t row = (size_t)w->valid.items[i];
    double loss = 0;
    for (size_t k = 0; k < w->n_scores; k++) {
      moe_gbt_view rows = moe__gbt_rows(w, k);
      loss += w->loss->value(&rows, row);
    }
    sum += w->weight[row] * loss;
    weight += w->weight[row];
  }
  return sum / weight;
}

static moe_status append_trees(moe_call *call, moe_job *job) {
  moe_gbt_work *w = job->work;
  moe_gbt_model *m = job->state;
  moe_grove_tree *next;
  for (size_t k = 0; (next = moe_grove_next(&w->grove)) != NULL; k++) {
    MOE_TRY(moe_boosted_append(call, &m->boosted, &next->tree, k));
    for (size_t j = 0; j < w->x.d; j++)
      m->boosted.model.gains[j] += next->gains[j];
    moe_grove_drop(&w->grove);
  }
  return MOE_OK;
}

/* Remembers the best round. */
static moe_status judge_round(moe_call *call, moe_job *job) {
  moe_gbt_work *w = job->work;
  moe_gbt_model *m = job->state;
  if (w->valid.n == 0) return MOE_OK;
  MOE_TRY(find_shares(call, w));
  double loss = validate(w);
  if (!(loss < w->best_loss)) return MOE_OK;
  w->best_loss = m->validation_loss = loss;
  w->best_round = w->round;
  memcpy(w->best_gains, m->boosted.model.gains, w->x.d * sizeof *w->best_gains);
  return MOE_OK;
}

static bool is_over(const moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  const moe_gbt_work *w = job->work;
  return w->round == (size_t)p->rounds ||
         (w->valid.n > 0 &&
          w->round - w->best_round >= (size_t)p->early_stopping);
}

/* Goes back to the best round. */
static void restore(moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_work *w = job->work;
  moe_gbt_model *m = job->state;
  moe_tree_model *model = &m->boosted.model;
  if (w->valid.n > 0 && w->best_round > 0) {
    moe_trees_truncate(&model->trees, w->best_round * w->n_scores);
    memcpy(model->gains, w->best_gains, w->x.d * sizeof *model->gains);
  }
  if (w->round < (size_t)p->rounds)
    moe_job_note(job, "stopped after round %zu; the best was round %zu",
                 w->round, w->best_round);
  moe_trees_trim(&model->trees);
}

/* ------------------------------------------------------------------- phases */

static moe_status bin_rows(moe_call *call, moe_job *job, bool *done) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_work *w = job->work;
  moe_grow_plan *plan = &w->plan;
  MOE_TRY(moe_bins_step(call, &w->bins, &w->x, done));
  if (!*done) return MOE_OK;
  for (size_t j = 0; j < w->bins.d; j++)
    if (moe_bins_count(&w->bins, j) > 1)
      w->columns[plan->n_columns++] = (int32_t)j;
  plan->n_candidates = (size_t)ceil(p->column_sample * (double)plan->n_columns);
  return MOE_OK;
}

/* One round, or a part of it. */
static moe_status boost(moe_call *call, moe_job *job, bool *done) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_work *w = job->work;
  *done = false;
  MOE_TRY(open_round(call, job));
  MOE_TRY(moe_grove_step(call, &w->grove));
  if (!moe_grove_is_grown(&w->grove)) return MOE_OK;
  MOE_TRY(append_trees(call, job));
  w->open = false;
  w->round++;
  job->usable = true;
  MOE_TRY(judge_round(call, job));
  moe_call_progress(call, "rounds", (double)w->round / (double)p->rounds);
  *done = is_over(job);
  if (*done) restore(job);
  return MOE_OK;
}

moe_status moe_gbt_step(moe_call *call, moe_job *job) {
  moe_gbt_work *w = job->work;
  bool done = false;
  do {
    if (w->phase == 0) {
      MOE_TRY(bin_rows(call, job, &done));
      w->phase += done;
      done = false;
    } else {
      MOE_TRY(boost(call, job, &done));
    }
  } while (!done && !moe_call_pausing(call));
  job->done = done;
  return MOE_OK;
}
