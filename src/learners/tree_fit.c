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

/* -------------------------------------------------------------------- steps */

static moe_status score(phase *p, bool *done) {
  return moe__tree_score(p->call, p->job, done);
}

moe_status moe_tree_step(moe_call *call, moe_job *job) {
  static moe_status (*const phases[])(phase * p, bool *done) = {
      find_bins, encode_rows, grow_trees, score};
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
