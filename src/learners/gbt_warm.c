/* Boosting that goes on where an earlier fit ended.  Only on the same rows,
   targets and weights and with the same parameters, the number of rounds and
   early_stopping aside: so that a warm fit is to the bit what one fit of all
   the rounds is.  On anything else it begins anew. */
#include <string.h>

#include "gbt_fit.h"

/* ------------------------------------------------------------------ digests */

static uint64_t mix(uint64_t digest, uint64_t word) {
  digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
  return digest ^ digest >> 32;
}

static uint64_t mix_bytes(uint64_t digest, const void *bytes, size_t n) {
  const char *at = bytes;
  uint64_t word;
  for (; n >= sizeof word; n -= sizeof word, at += sizeof word) {
    memcpy(&word, at, sizeof word);
    digest = mix(digest, word);
  }
  word = 0;
  memcpy(&word, at, n);
  return mix(digest, word);
}

static uint64_t digest_params(const moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  const moe_gbt_work *w = job->work;
  const double numbers[] = {(double)(w->loss - moe_gbt_losses),
                            w->shape,
                            (double)w->x.n,
                            (double)w->n_scores,
                            (double)p->max_depth,
                            (double)p->max_leaves,
                            (double)p->min_samples_leaf,
                            (double)p->seed,
                            p->learning_rate,
                            p->min_child_weight,
                            p->l2,
                            p->row_sample,
                            p->column_sample};
  return mix_bytes(1, numbers, sizeof numbers);
}

/* Thresholds lie between bins, wherever the rows' codes come from. */
static uint64_t digest_bins(uint64_t digest, const moe_bins *b) {
  for (size_t j = 0; j < b->d; j++) {
    const moe_bin_column *c = &b->columns[j];
    digest = mix(digest, (uint64_t)c->n << 1 | c->missing);
    digest = mix_bytes(digest, c->low, (size_t)c->n * sizeof *c->low);
    digest = mix_bytes(digest, c->high, (size_t)c->n * sizeof *c->high);
  }
  return digest;
}

/* The whole digest but for what is long. */
static uint64_t begin_digest(const moe_job *job) {
  const moe_gbt_work *w = job->work;
  return digest_bins(digest_params(job), &w->bins);
}

typedef struct run {
  const void *bytes;
  size_t n;
} run;

moe_status moe__gbt_digest(moe_call *call, moe_job *job, bool *done) {
  enum { PIECE = 1 << 20 };
  moe_gbt_work *w = job->work;
  moe_gbt_model *m = job->state;
  size_t n = w->x.n, targets = job->batch.y->width * sizeof *w->y;
  const run runs[] = {{w->bins.codes, n * w->x.d},
                      {w->weight, n * sizeof *w->weight},
                      {w->ids != NULL ? (void *)w->ids : (void *)w->y,
                       n * (w->ids != NULL ? sizeof *w->ids : targets)},
                      {w->train.items, w->train.n * sizeof *w->train.items}};
  size_t n_runs = sizeof runs / sizeof *runs;
  if (w->origin == 0) w->origin = begin_digest(job);
  do {
    const run *r = &runs[w->n_digested];
    size_t left = r->n - w->digest_at, size = left < PIECE ? left : PIECE;
    w->origin =
        mix_bytes(w->origin, (const char *)r->bytes + w->digest_at, size);
    w->digest_at += size;
    if (w->digest_at < r->n) continue;
    w->n_digested++;
    w->digest_at = 0;
  } while (w->n_digested < n_runs && !moe_call_pausing(call));
  *done = w->n_digested == n_runs;
  if (*done && w->valid.n == 0) m->origin = w->origin;
  return MOE_OK;
}

/* ------------------------------------------------------------------ recalling
 */

static size_t count_rounds(const moe_boosted *b) {
  return b->model.trees.n_trees / b->n_scores;
}

/* Round after round one tree for each score, as in what boosting makes itself;
   a file may tell of other sums of trees. */
static bool is_in_rounds(const moe_boosted *b) {
  bool so = b->model.trees.width == 1;
  for (size_t k = 0; k < b->model.trees.n_trees; k++)
    so = so && (size_t)b->score[k] == k % b->n_scores;
  return so && b->model.trees.n_trees % b->n_scores == 0;
}

static bool can_go_on(const moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  const moe_gbt_work *w = job->work;
  const moe_gbt_model *before = job->object->state;
  return before->origin == w->origin &&
         before->boosted.n_scores == w->n_scores &&
         count_rounds(&before->boosted) <= (size_t)p->rounds &&
         is_in_rounds(&before->boosted);
}

/* A copy of the object's trees becomes the state's. */
static moe_status take_over(moe_call *call, moe_job *job) {
  const moe_type *type = job->object->type;
  moe_gbt_model *m = job->state, *copy;
  moe_gbt_work *w = job->work;
  void *state;
  MOE_TRY(moe_state_clone(call, type, job->object->state, &state));
  copy = state;
  moe_boosted_take(&m->boosted, &copy->boosted);
  m->validation_loss = w->best_loss = copy->validation_loss;
  moe_state_free(type, state);
  w->round = w->best_round = count_rounds(&m->boosted);
  memcpy(w->best_gains, m->boosted.model.gains, w->x.d * sizeof *w->best_gains);
  job->usable = true;
  moe_job_note(job, "went on after round %zu", w->round);
  return MOE_OK;
}

/* What the trees add up to, in the order of the rounds: so the scores have the
   bits that they had. */
static moe_status recall_scores(moe_call *call, moe_job *job, bool *done) {
  enum { WALKS = 1 << 16, LEAST = 16 };
  const moe_gbt_model *m = job->state;
  moe_gbt_work *w = job->work;
  size_t n = w->x.n, room = WALKS / m->boosted.model.trees.n_trees + LEAST;
  double *sums;
  MOE_SCRATCH(call, sums, moe_size(room, w->n_scores));
  do {
    size_t first = w->n_recalled, left = n - first;
    moe_rows rows = moe_rows_range(&w->x, first, left < room ? left : room);
    MOE_TRY(moe_boosted_score(call, &m->boosted, &rows, sums));
    for (size_t i = 0; i < rows.n; i++)
      for (size_t k = 0; k < w->n_scores; k++)
        w->scores[k * n + first + i] = sums[i * w->n_scores + k];
    w->n_recalled += rows.n;
  } while (w->n_recalled < n && !moe_call_pausing(call));
  *done = w->n_recalled == n;
  return MOE_OK;
}

moe_status moe__gbt_recall(moe_call *call, moe_job *job, bool *done) {
  moe_gbt_work *w = job->work;
  *done = true;
  if (!job->warm) return MOE_OK;
  if (w->round == 0 && !can_go_on(job)) {
    moe_job_note(job,
                 "began anew: it was fitted to other rows, targets or "
                 "weights, with other parameters, or in more rounds");
    return MOE_OK;
  }
  if (w->round == 0) MOE_TRY(take_over(call, job));
  return recall_scores(call, job, done);
}
