#include "tree_fit.h"

#include <string.h>

#include "class_weight.h"
#include "threads.h"

const char *const moe_tree_criteria[] = {"gini", "entropy", "squared_error",
                                         NULL};

/* ------------------------------------------------------------- preparation */

static moe_status choose_objective(moe_call *call, const moe_job *job,
                                   const moe_objective **out) {
  static const moe_objective *const objectives[] = {&moe_gini, &moe_entropy,
                                                    &moe_squared_error};
  const moe_tree_params *p = job->object->params;
  bool classes = job->target.task == MOE_CLASSIFICATION;
  *out = p->criterion >= 0 ? objectives[p->criterion]
         : classes         ? &moe_gini
                           : &moe_squared_error;
  if (classes == (*out != &moe_squared_error)) return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "%s: criterion = '%s' is not for %s; leave it out, or set "
                  "task",
                  job->object->type->name, moe_tree_criteria[p->criterion],
                  classes ? "classification" : "regression");
}

/* A power of two that brings the largest weight near 1: whole weights stay
   exact, and neither squares nor sums leave the range.  0: it cannot be. */
static double find_scale(const moe_batch *b) {
  double most = 0;
  int exponent;
  for (size_t i = 0; i < b->x.n; i++) most = fmax(most, moe_batch_weight(b, i));
  frexp(most, &exponent);
  return most > 0 && isfinite(most) ? ldexp(1, 1 - exponent) : 0;
}

/* Rows that weigh nothing are no rows of the training set. */
static moe_status list_samples(moe_call *call, const moe_batch *b,
                               const moe_job *job) {
  moe_tree_work *w = job->work;
  double scale = find_scale(b);
  MOE_TRY(moe_new_array(call, &w->samples, b->x.n, sizeof *w->samples));
  for (size_t i = 0; i < b->x.n; i++) {
    double weight = moe_batch_weight(b, i) * scale;
    size_t at = moe_rows_at(&b->x, i);
    int32_t class = b->y->ids != NULL ? b->y->ids[at] : 0;
    if (weight > 0)
      w->samples[w->n_samples++] = (moe_sample){(int32_t)i, class, weight};
  }
  if (w->n_samples > 0) return MOE_OK;
  return moe_fail(call, MOE_EDATA,
                  "%s: no row is left whose weight, times its class's in "
                  "class_weight, is above 0 and finite",
                  job->object->type->name);
}

static moe_status weigh_samples(moe_call *call, moe_job *job) {
  const moe_tree_params *p = job->object->params;
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_batch b = job->batch;
  double *weight;
  if (b.y->ids != NULL && p->class_weight.n > 0) {
    moe_class_weight_note(job, &p->class_weight);
    MOE_SCRATCH(call, weight, b.y->n);
    MOE_TRY(moe_class_weight_apply(call, &p->class_weight, &b, weight));
    b.weight = weight;
  }
  MOE_TRY(list_samples(call, &b, job));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* Beyond this the squares of sums over 2^31 rows would not be finite. */
static const double most_target = 1e140;

static moe_status check_targets(moe_call *call, const moe_job *job) {
  const moe_batch *b = &job->batch;
  for (size_t i = 0; i < b->x.n; i++) {
    size_t at = moe_rows_at(&b->x, i);
    for (size_t k = 0; k < b->y->width; k++)
      if (fabs(b->y->values[at * b->y->width + k]) > most_target)
        return moe_fail(call, MOE_EDATA,
                        "y[%zu] is %g: %s squares the targets, which must lie "
                        "within ±%g",
                        at + 1, b->y->values[at * b->y->width + k],
                        job->object->type->name, most_target);
  }
  return MOE_OK;
}

/* The targets in the order of the rows, and their mean over the samples. */
static moe_status copy_targets(moe_call *call, const moe_job *job) {
  const moe_batch *b = &job->batch;
  moe_tree_work *w = job->work;
  size_t width = b->y->width;
  double weight = 0;
  if (b->y->ids != NULL) return MOE_OK;
  MOE_TRY(check_targets(call, job));
  MOE_TRY(moe_new_array(call, &w->values, moe_size(b->x.n, width),
                        sizeof *w->values));
  MOE_TRY(moe_new_array(call, &w->shift, width, sizeof *w->shift));
  for (size_t i = 0; i < b->x.n; i++)
    memcpy(w->values + i * width, b->y->values + moe_rows_at(&b->x, i) * width,
           width * sizeof *w->values);
  for (size_t i = 0; i < w->n_samples; i++) {
    const double *y = w->values + (size_t)w->samples[i].row * width;
    weight += w->samples[i].weight;
    for (size_t k = 0; k < width; k++)
      w->shift[k] += w->samples[i].weight / weight * (y[k] - w->shift[k]);
  }
  return MOE_OK;
}

/* Without bootstrap all trees have the same rows. */
static moe_status open_bag(moe_call *call, const moe_job *job) {
  moe_tree_work *w = job->work;
  const moe_rows *x = &job->batch.x;
  if (moe_learner_type_of(job->object)->out_of_bag == NULL) return MOE_OK;
  MOE_TRY(moe_bag_new(call, &w->bag, x, job->target.n,
                      w->scheme.bootstrap ? w->scheme.trees : 1));
  for (size_t i = 0; i < w->n_samples && !w->scheme.bootstrap; i++)
    moe_bag_put(&w->bag, 0, moe_rows_at(x, (size_t)w->samples[i].row));
  return MOE_OK;
}

static void plan_growth(const moe_job *job, const moe_objective *objective) {
  const moe_tree_params *p = job->object->params;
  const moe_fitted *f = job->state;
  moe_tree_work *w = job->work;
  double share = p->max_features * (double)f->n_features;
  w->plan = (moe_grow_plan){
      .bins = &w->bins,
      .objective = objective,
      .width = f->n_outputs,
      .values = w->values,
      .shift = w->shift,
      .max_depth = p->max_depth != MOE_NO_INT ? (size_t)p->max_depth : SIZE_MAX,
      .min_samples_split = (size_t)p->min_samples_split,
      .min_samples_leaf = (size_t)p->min_samples_leaf,
      .columns = w->columns,
      .n_candidates = isnan(share) ? w->scheme.n_candidates
                                   : (size_t)fmax(round(share), 1)};
}

moe_status moe_tree_begin(moe_call *call, moe_job *job,
                          moe_tree_scheme scheme) {
  const moe_tree_params *p = job->object->params;
  const moe_rows *x = &job->batch.x;
  moe_tree_work *w = job->work;
  moe_tree_model *m = job->state;
  const moe_objective *objective;
  w->scheme = scheme;
  w->seed = p->seed != MOE_NO_INT ? (uint64_t)p->seed : 0;
  m->oob_score = NAN;
  MOE_TRY(choose_objective(call, job, &objective));
  MOE_TRY(moe_trees_new(call, &m->trees, m->fitted.n_outputs,
                        job->target.ids != NULL));
  MOE_TRY(moe_new_array(call, &m->gains, x->d, sizeof *m->gains));
  MOE_TRY(weigh_samples(call, job));
  MOE_TRY(copy_targets(call, job));
  MOE_TRY(moe_bins_new(call, &w->bins, x, (int)p->max_bins));
  MOE_TRY(moe_new_array(call, &w->columns, x->d, sizeof *w->columns));
  MOE_TRY(moe_new_array(call, &w->results, scheme.trees, sizeof *w->results));
  MOE_TRY(open_bag(call, job));
  plan_growth(job, objective);
  return MOE_OK;
}

void moe_tree_end(moe_job *job) {
  moe_tree_work *w = job->work;
  moe_bins_free(&w->bins);
  moe_free(w->samples);
  moe_free(w->values);
  moe_free(w->shift);
  moe_free(w->columns);
  for (size_t k = 0; k < w->n_slots; k++) moe_grower_free(w->slots[k].grower);
  moe_free(w->slots);
  for (size_t t = 0; w->results != NULL && t < w->scheme.trees; t++) {
    moe_tree_arrays_free(&w->results[t].tree);
    moe_free(w->results[t].gains);
  }
  moe_free(w->results);
  moe_bag_free(&w->bag);
  for (size_t k = 0; k < w->n_desks; k++) moe_bag_desk_free(&w->desks[k]);
  moe_free(w->desks);
  moe_free(w->scores);
}

/* ------------------------------------------------------------------ phases
   Each goes on, in pieces for several threads, until it is done or the call is
   pausing. */

typedef struct phase {
  moe_call *call;
  moe_job *job;
  size_t first;      /* what piece 0 of the region is */
  char *space;       /* of each worker … */
  size_t space_size; /* … so many bytes */
} phase;

/* Runs the pieces from *next to n − 1, one for each thread at a time; true when
   that was the last. */
static bool run(phase *p, size_t *next, size_t n, moe_piece piece) {
  size_t width = (size_t)moe_parallel_width(p->call, n);
  while (*next < n) {
    size_t count = n - *next < width ? n - *next : width;
    p->first = *next;
    moe_parallel(p->call, count, piece, p);
    *next += count;
    if (*next < n && moe_call_pausing(p->call)) return false;
  }
  return true;
}

static moe_status give_space(phase *p, size_t pieces, size_t size) {
  size_t workers = (size_t)moe_parallel_width(p->call, pieces);
  p->space_size = (size + 15) / 16 * 16;
  MOE_SCRATCH(p->call, p->space, moe_size(workers, p->space_size));
  return MOE_OK;
}

static void *space_of(const phase *p, int worker) {
  return p->space + (size_t)worker * p->space_size;
}

static void find_column(void *context, size_t index, int worker) {
  phase *p = context;
  moe_tree_work *w = p->job->work;
  moe_bins_find(&w->bins, &p->job->batch.x, p->first + index,
                space_of(p, worker));
}

static moe_status find_bins(phase *p, bool *done) {
  moe_tree_work *w = p->job->work;
  MOE_TRY(give_space(p, w->bins.d, moe_bins_space(w->bins.n)));
  *done = run(p, &w->n_found, w->bins.d, find_column);
  return MOE_OK;
}

static void encode_block(void *context, size_t index, int worker) {
  phase *p = context;
  moe_tree_work *w = p->job->work;
  moe_bins_encode(&w->bins, &p->job->batch.x, p->first + index,
                  space_of(p, worker));
}

static moe_status encode_rows(phase *p, bool *done) {
  moe_tree_work *w = p->job->work;
  moe_grow_plan *plan = &w->plan;
  size_t blocks = (w->bins.n + w->bins.block - 1) / w->bins.block;
  MOE_TRY(give_space(p, blocks,
                     moe_size(w->bins.block * w->bins.d, sizeof(float))));
  *done = run(p, &w->n_encoded, blocks, encode_block);
  if (!*done) return MOE_OK;
  for (size_t j = 0; j < w->bins.d; j++)
    if (moe_bins_count(&w->bins, j) > 1)
      w->columns[plan->n_columns++] = (int32_t)j;
  if (plan->n_candidates > plan->n_columns)
    plan->n_candidates = plan->n_columns;
  return MOE_OK;
}

/* ------------------------------------------------------------ growing trees */

/* As many draws as there are rows; a row drawn twice weighs twice as much. */
static size_t draw_samples(const moe_tree_work *w, moe_random *random,
                           moe_sample *out) {
  size_t n = 0;
  memcpy(out, w->samples, w->n_samples * sizeof *out);
  if (!w->scheme.bootstrap) return w->n_samples;
  for (size_t i = 0; i < w->n_samples; i++) out[i].weight = 0;
  for (size_t i = 0; i < w->n_samples; i++) {
    size_t j = moe_random_below(random, w->n_samples);
    out[j].weight += w->samples[j].weight;
  }
  for (size_t i = 0; i < w->n_samples; i++)
    if (out[i].weight > 0) out[n++] = out[i];
  return n;
}

static void start_tree(const moe_job *job, moe_tree_slot *slot) {
  moe_tree_work *w = job->work;
  moe_sample *samples = moe_grower_samples(slot->grower);
  const moe_rows *x = &job->batch.x;
  moe_random random;
  moe_random_seed(&random, moe_seed_at(w->seed, slot->tree));
  size_t n = draw_samples(w, &random, samples);
  for (size_t i = 0; i < n && w->scheme.bootstrap; i++)
    moe_bag_put(&w->bag, slot->tree, moe_rows_at(x, (size_t)samples[i].row));
  moe_grower_start(slot->grower, n, random);
  slot->busy = true;
}

/* The grower's tree goes to the results, copied to its size. */
static bool keep_tree(moe_tree_work *w, moe_tree_slot *slot) {
  moe_tree_result *r = &w->results[slot->tree];
  size_t row = w->plan.width * sizeof(double);
  const double *gains;
  moe_tree_arrays *t = &r->tree;
  slot->busy = false;
  if (!moe_grower_result(slot->grower, t, &gains)) {
    *t = (moe_tree_arrays){0};
    return false;
  }
  t->nodes = moe_copy(t->nodes, t->n_nodes, sizeof *t->nodes);
  t->missing = moe_copy(t->missing, t->n_nodes, sizeof *t->missing);
  t->values = moe_copy(t->values, t->n_values, row);
  r->gains = moe_copy(gains, w->bins.d, sizeof *gains);
  return t->nodes != NULL && t->missing != NULL && t->values != NULL &&
         r->gains != NULL;
}

static bool take_tree(moe_tree_work *w, moe_tree_slot *slot) {
  if (slot->busy) return true;
  slot->tree = atomic_fetch_add(&w->next_tree, 1);
  return slot->tree < w->scheme.trees;
}

/* Grows tree after tree until there are no more, or the call is pausing; then
   the slot keeps its tree for the next time. */
static void grow_in_slot(void *context, size_t index, int worker) {
  phase *p = context;
  moe_tree_work *w = p->job->work;
  moe_tree_slot *slot = &w->slots[index];
  while (!w->short_of_memory && take_tree(w, slot)) {
    if (!slot->busy) start_tree(p->job, slot);
    while (!moe_grower_step(slot->grower))
      if (moe_call_pausing(p->call)) return;
    if (!keep_tree(w, slot)) w->short_of_memory = true;
    if (worker == 0)
      moe_call_progress(p->call, "trees",
                        (double)(slot->tree + 1) / (double)w->scheme.trees);
    if (moe_call_pausing(p->call)) return;
  }
}

/* Slots for the threads that there are now; earlier ones may hold a tree. */
static moe_status add_slots(phase *p) {
  moe_tree_work *w = p->job->work;
  size_t wanted = (size_t)moe_parallel_width(p->call, w->scheme.trees);
  moe_tree_slot *slots;
  if (w->n_slots >= wanted) return MOE_OK;
  slots = moe_resize(w->slots, wanted, sizeof *slots);
  if (slots == NULL)
    return moe_fail(p->call, MOE_ENOMEM, "not enough memory to grow trees");
  w->slots = slots;
  while (w->n_slots < wanted) {
    moe_tree_slot *slot = &w->slots[w->n_slots];
    *slot = (moe_tree_slot){0};
    MOE_TRY(moe_grower_new(p->call, &w->plan, &slot->grower));
    w->n_slots++;
  }
  return MOE_OK;
}

static void add_gains(moe_tree_model *m, const double *gains) {
  double sum = 0;
  for (size_t j = 0; j < m->fitted.n_features; j++) sum += gains[j];
  if (!(sum > 0 && isfinite(sum))) return;
  for (size_t j = 0; j < m->fitted.n_features; j++)
    m->gains[j] += gains[j] / sum;
}

/* Finished trees join the model in their order, whoever was first. */
static moe_status append_trees(phase *p) {
  moe_tree_work *w = p->job->work;
  moe_tree_model *m = p->job->state;
  while (m->trees.n_trees < w->scheme.trees) {
    moe_tree_result *r = &w->results[m->trees.n_trees];
    if (r->gains == NULL) break;
    MOE_TRY(moe_trees_append(p->call, &m->trees, &r->tree));
    add_gains(m, r->gains);
    moe_tree_arrays_free(&r->tree);
    moe_free(r->gains);
    r->gains = NULL;
    p->job->usable = true;
  }
  return MOE_OK;
}

static moe_status grow_trees(phase *p, bool *done) {
  moe_tree_work *w = p->job->work;
  moe_tree_model *m = p->job->state;
  MOE_TRY(add_slots(p));
  moe_parallel(p->call, w->n_slots, grow_in_slot, p);
  if (w->short_of_memory)
    return moe_fail(p->call, MOE_ENOMEM, "not enough memory to grow a tree");
  MOE_TRY(append_trees(p));
  *done = m->trees.n_trees == w->scheme.trees;
  if (*done) moe_trees_trim(&m->trees);
  return MOE_OK;
}

/* ------------------------------------------------------- out-of-bag answers */

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
  phase *p = context;
  moe_tree_work *w = p->job->work;
  moe_tree_model *m = p->job->state;
  moe_bag_desk *desk = &w->desks[index];
  (void)worker;
  while (take_block(p->job, desk)) {
    while (!moe_bag_desk_step(desk, &w->bag, &m->trees, &p->job->batch.x))
      if (moe_call_pausing(p->call)) return;
    score_block(p->job, desk);
    if (moe_call_pausing(p->call)) return;
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

static moe_status sum_scores(phase *p, size_t blocks) {
  moe_tree_work *w = p->job->work;
  moe_tree_model *m = p->job->state;
  size_t width = score_width(w);
  double *sums;
  MOE_SCRATCH(p->call, sums, width);
  for (size_t i = 0; i < blocks * width; i++) sums[i % width] += w->scores[i];
  if (sums[0] > 0) m->oob_score = finish_score(w, sums);
  return MOE_OK;
}

/* Desks for the threads that there are now; earlier ones may hold a block. */
static moe_status add_desks(phase *p, size_t blocks) {
  moe_tree_work *w = p->job->work;
  size_t wanted = (size_t)moe_parallel_width(p->call, blocks);
  moe_bag_desk *desks;
  if (w->n_desks >= wanted) return MOE_OK;
  desks = moe_resize(w->desks, wanted, sizeof *desks);
  if (desks == NULL)
    return moe_fail(p->call, MOE_ENOMEM, "not enough memory to score rows");
  w->desks = desks;
  while (w->n_desks < wanted)
    MOE_TRY(moe_bag_desk_new(p->call, &w->desks[w->n_desks++], &p->job->batch.x,
                             w->block, w->plan.width));
  return MOE_OK;
}

static bool is_any_busy(const moe_tree_work *w) {
  for (size_t k = 0; k < w->n_desks; k++)
    if (w->desks[k].busy) return true;
  return false;
}

static moe_status score_strangers(phase *p, bool *done) {
  moe_tree_work *w = p->job->work;
  const moe_rows *x = &p->job->batch.x;
  *done = !w->scheme.bootstrap;
  if (*done) return MOE_OK;
  if (w->block == 0) w->block = moe_walk_block(x);
  size_t blocks = (x->n + w->block - 1) / w->block;
  if (w->scores == NULL)
    MOE_TRY(moe_new_array(p->call, &w->scores, moe_size(blocks, score_width(w)),
                          sizeof(double)));
  MOE_TRY(add_desks(p, blocks));
  moe_parallel(p->call, w->n_desks, work_at_desk, p);
  *done = w->next_block >= blocks && !is_any_busy(w);
  return *done ? sum_scores(p, blocks) : MOE_OK;
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

/* -------------------------------------------------------------------- steps */

moe_status moe_tree_step(moe_call *call, moe_job *job) {
  static moe_status (*const phases[])(phase * p, bool *done) = {
      find_bins, encode_rows, grow_trees, score_strangers};
  enum { PHASES = sizeof phases / sizeof *phases };
  moe_tree_work *w = job->work;
  moe_scratch_mark mark = moe_scratch_now(call);
  do {
    phase p = {.call = call, .job = job};
    bool done;
    MOE_TRY(phases[w->phase](&p, &done));
    moe_scratch_drop(call, mark);
    if (!done) return MOE_OK;
  } while (++w->phase < PHASES && !moe_call_pausing(call));
  job->done = w->phase == PHASES;
  return MOE_OK;
}
