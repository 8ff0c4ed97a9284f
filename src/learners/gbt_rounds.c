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

/* Turns scores into the probabilities that they mean, block by block; `space`
   holds a block's numbers. */
typedef struct sharing {
  moe_gbt_work *w;
  size_t first, rows; /* block 0 of the region; rows in a block */
  double *space;      /* of each worker */
} sharing;

static void share_out(void *context, size_t index, int worker) {
  const sharing *s = context;
  const moe_gbt_work *w = s->w;
  size_t m = w->n_scores, all = w->x.n;
  size_t first = (s->first + index) * s->rows;
  size_t n = all - first < s->rows ? all - first : s->rows;
  double *rows = s->space + (size_t)worker * m * s->rows;
  for (size_t k = 0; k < m; k++)
    for (size_t i = 0; i < n; i++)
      rows[i * m + k] = w->scores[k * all + first + i];
  moe_softmax(rows, n, m);
  for (size_t k = 0; k < m; k++)
    for (size_t i = 0; i < n; i++)
      w->shares[k * all + first + i] = rows[i * m + k];
}

/* Goes on until the shares of all rows are up to date or the call is pausing;
   a block for each thread at a time. */
static moe_status find_shares(moe_call *call, moe_gbt_work *w, bool *done) {
  enum { NUMBERS = 1 << 16 };
  moe_scratch_mark mark = moe_scratch_now(call);
  sharing s = {.w = w, .rows = NUMBERS / w->n_scores + 1};
  size_t blocks = (w->x.n + s.rows - 1) / s.rows;
  size_t width = (size_t)moe_parallel_width(call, blocks);
  *done = w->shares == NULL || w->n_shared == blocks;
  if (*done) return MOE_OK;
  MOE_SCRATCH(call, s.space, moe_size(s.rows * w->n_scores, width));
  do {
    size_t left = blocks - w->n_shared, n = left < width ? left : width;
    s.first = w->n_shared;
    moe_parallel(call, n, share_out, &s);
    w->n_shared += n;
  } while (w->n_shared < blocks && !moe_call_pausing(call));
  moe_scratch_drop(call, mark);
  *done = w->n_shared == blocks;
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

static void open_round(moe_job *job) {
  moe_gbt_work *w = job->work;
  if (w->open) return;
  w->open = true;
  draw_rows(job);
  moe_grove_restart(&w->grove);
}

/* The mean loss of the rows that were held out. */
static double validate(const moe_gbt_work *w) {
  double mean = 0, weight = 0;
  for (size_t i = 0; i < w->valid.n; i++) {
    size_t row = (size_t)w->valid.items[i];
    double loss = 0;
    for (size_t k = 0; k < w->n_scores; k++) {
      moe_gbt_view rows = moe__gbt_rows(w, k);
      loss += w->loss->value(&rows, row);
    }
    weight += w->weight[row];
    mean += w->weight[row] / weight * (loss - mean);
  }
  return mean;
}

static moe_status append_trees(moe_call *call, moe_job *job) {
  moe_gbt_work *w = job->work;
  moe_gbt_model *m = job->state;
  moe_grove_tree *next;
  while ((next = moe_grove_next(&w->grove)) != NULL) {
    MOE_TRY(
        moe_boosted_append(call, &m->boosted, &next->tree, w->grove.n_taken));
    for (size_t j = 0; j < w->x.d; j++)
      m->boosted.model.gains[j] += next->gains[j];
    moe_grove_drop(&w->grove);
  }
  return MOE_OK;
}

/* Remembers the best round. */
static void judge_round(moe_job *job) {
  moe_gbt_work *w = job->work;
  moe_gbt_model *m = job->state;
  double loss = m->validation_loss = validate(w);
  moe_job_record(job, "validation_loss", loss);
  if (!(loss < w->best_loss)) return;
  w->best_loss = loss;
  w->best_round = w->round;
  memcpy(w->best_gains, m->boosted.model.gains, w->x.d * sizeof *w->best_gains);
}

static bool is_over(const moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  const moe_gbt_work *w = job->work;
  return w->round == (size_t)p->rounds ||
         (w->valid.n > 0 &&
          w->round - w->best_round >= (size_t)p->early_stopping);
}

static void note_best(moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  const moe_gbt_work *w = job->work;
  if (w->round < (size_t)p->rounds)
    moe_job_note(job, "stopped after round %zu; the best was round %zu",
                 w->round, w->best_round);
  else if (w->best_round < w->round)
    moe_job_note(job,
                 "of %zu rounds the best was round %zu; those after it "
                 "are left out",
                 w->round, w->best_round);
}

/* Goes back to the best round. */
static void restore(moe_job *job) {
  moe_gbt_work *w = job->work;
  moe_gbt_model *m = job->state;
  moe_tree_model *model = &m->boosted.model;
  if (w->valid.n > 0 && w->best_round > 0) {
    moe_trees_truncate(&model->trees, w->best_round * w->n_scores);
    memcpy(model->gains, w->best_gains, w->x.d * sizeof *model->gains);
    m->validation_loss = w->best_loss;
    note_best(job);
  }
  m->origin = w->origin;
  moe_trees_trim(&model->trees);
}

/* ------------------------------------------------------------------- phases */

static moe_status bin_rows(moe_call *call, moe_job *job, bool *done) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_work *w = job->work;
  moe_grow_plan *plan = &w->plan;
  MOE_TRY(moe_bins_step(call, &w->bins, &w->x, done));
  if (!*done) return MOE_OK;
  plan->n_columns = moe_bins_list(&w->bins, w->columns);
  plan->n_candidates = (size_t)ceil(p->column_sample * (double)plan->n_columns);
  return MOE_OK;
}

/* The trees of one round, or a part of them. */
static moe_status boost(moe_call *call, moe_job *job, bool *done) {
  moe_gbt_work *w = job->work;
  MOE_TRY(find_shares(call, w, done));
  if (!*done) return MOE_OK;
  open_round(job);
  MOE_TRY(moe_grove_step(call, &w->grove));
  *done = moe_grove_is_grown(&w->grove);
  if (*done) w->n_shared = 0;
  return MOE_OK;
}

/* The trees join the model together with the loss after them, so that at any
   time it tells its own. */
static moe_status close_round(moe_call *call, moe_job *job, bool *done) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_work *w = job->work;
  *done = true;
  if (w->valid.n > 0) MOE_TRY(find_shares(call, w, done));
  if (!*done) return MOE_OK;
  MOE_TRY(append_trees(call, job));
  w->open = false;
  w->round++;
  if (w->valid.n > 0) judge_round(job);
  job->usable = true;
  moe_call_progress(call, "rounds", (double)w->round / (double)p->rounds);
  return MOE_OK;
}

enum { BIN, DIGEST, RECALL, BOOST, CLOSE, PHASES };
static moe_status (*const phases[PHASES])(moe_call *, moe_job *, bool *) = {
    [BIN] = bin_rows,
    [DIGEST] = moe__gbt_digest,
    [RECALL] = moe__gbt_recall,
    [BOOST] = boost,
    [CLOSE] = close_round};

static size_t phase_after(const moe_job *job, size_t phase) {
  if (phase != RECALL && phase != CLOSE) return phase + 1;
  return is_over(job) ? PHASES : BOOST;
}

moe_status moe_gbt_step(moe_call *call, moe_job *job) {
  moe_gbt_work *w = job->work;
  do {
    bool done;
    MOE_TRY(phases[w->phase](call, job, &done));
    if (done) w->phase = phase_after(job, w->phase);
  } while (w->phase < PHASES && !moe_call_pausing(call));
  job->done = w->phase == PHASES;
  if (job->done) restore(job);
  return MOE_OK;
}
