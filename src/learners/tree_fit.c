#include "tree_fit.h"

#include <string.h>

#include "class_weight.h"

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

/* ------------------------------------------------------------------ phases
   Each goes on, in pieces for several threads, until it is done or the call is
   pausing. */

typedef struct phase {
  moe_call *call;
  moe_job *job;
} phase;

static moe_status bin_rows(phase *p, bool *done) {
  moe_tree_work *w = p->job->work;
  moe_grow_plan *plan = &w->plan;
  MOE_TRY(moe_bins_step(p->call, &w->bins, &p->job->batch.x, done));
  if (!*done) return MOE_OK;
  plan->n_columns = moe_bins_list(&w->bins, w->columns);
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

static void start_tree(void *context, moe_call *call, moe_grower *g,
                       size_t tree) {
  const moe_job *job = context;
  moe_tree_work *w = job->work;
  moe_sample *samples = moe_grower_samples(g);
  const moe_rows *x = &job->batch.x;
  moe_random random;
  (void)call;
  moe_random_seed(&random, moe_seed_at(w->seed, tree));
  size_t n = draw_samples(w, &random, samples);
  for (size_t i = 0; i < n && w->scheme.bootstrap; i++)
    moe_bag_put(&w->bag, tree, moe_rows_at(x, (size_t)samples[i].row));
  moe_grower_start(g, n, random);
}

static void tell_progress(void *context, moe_call *call, moe_grower *g,
                          size_t tree, bool first) {
  const moe_job *job = context;
  const moe_tree_work *w = job->work;
  (void)g;
  if (first)
    moe_call_progress(call, "trees",
                      (double)(tree + 1) / (double)w->scheme.trees);
}

static moe_status grow_trees(phase *p, bool *done) {
  moe_tree_work *w = p->job->work;
  moe_tree_model *m = p->job->state;
  moe_grove_tree *next;
  MOE_TRY(moe_grove_step(p->call, &w->grove));
  while ((next = moe_grove_next(&w->grove)) != NULL) {
    MOE_TRY(moe_trees_append(p->call, &m->trees, &next->tree));
    moe_tree_model_add_gains(m, next->gains);
    moe_grove_drop(&w->grove);
    p->job->usable = true;
  }
  *done = moe_grove_is_done(&w->grove);
  if (*done) moe_trees_trim(&m->trees);
  return MOE_OK;
}

/* ------------------------------------------------------- beginning and end */

moe_status moe_tree_begin(moe_call *call, moe_job *job,
                          moe_tree_scheme scheme) {
  const moe_tree_params *p = job->object->params;
  const moe_rows *x = &job->batch.x;
  moe_tree_work *w = job->work;
  moe_tree_model *m = job->state;
  const moe_objective *objective;
  w->scheme = scheme;
  w->seed = p->seed != MOE_NO_INT ? (uint64_t)p->seed : 0;
  ((moe_tree_mean *)job->state)->oob_score = NAN;
  MOE_TRY(choose_objective(call, job, &objective));
  MOE_TRY(moe_trees_new(call, &m->trees, m->fitted.n_outputs,
                        job->target.ids != NULL));
  MOE_TRY(moe_new_array(call, &m->gains, x->d, sizeof *m->gains));
  MOE_TRY(weigh_samples(call, job));
  MOE_TRY(copy_targets(call, job));
  MOE_TRY(moe_bins_new(call, &w->bins, x, (int)p->max_bins));
  MOE_TRY(moe_new_array(call, &w->columns, x->d, sizeof *w->columns));
  MOE_TRY(open_bag(call, job));
  plan_growth(job, objective);
  w->grove = (moe_grove){.plan = &w->plan,
                         .n_trees = scheme.trees,
                         .context = job,
                         .start = start_tree,
                         .finish = tell_progress};
  return moe_grove_new(call, &w->grove);
}

void moe_tree_end(moe_job *job) {
  moe_tree_work *w = job->work;
  moe_bins_free(&w->bins);
  moe_free(w->samples);
  moe_free(w->values);
  moe_free(w->shift);
  moe_free(w->columns);
  moe_grove_free(&w->grove);
  moe_bag_free(&w->bag);
  for (size_t k = 0; k < w->n_desks; k++) moe_bag_desk_free(&w->desks[k]);
  moe_free(w->desks);
  moe_free(w->scores);
}

/* -------------------------------------------------------------------- steps */

static moe_status score(phase *p, bool *done) {
  return moe__tree_score(p->call, p->job, done);
}

moe_status moe_tree_step(moe_call *call, moe_job *job) {
  static moe_status (*const phases[])(phase * p, bool *done) = {
      bin_rows, grow_trees, score};
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
