#include "gbt_fit.h"

#include <float.h>
#include <math.h>

#include "class_weight.h"

/* ------------------------------------------------------------- preparation */

static moe_status choose_loss(moe_call *call, const moe_job *job,
                              const moe_gbt_loss **out) {
  const moe_gbt_params *p = job->object->params;
  const moe_fitted *f = job->state;
  bool classes = f->task == MOE_CLASSIFICATION;
  int automatic = !classes            ? MOE_GBT_SQUARED
                  : f->n_outputs == 2 ? MOE_GBT_LOGISTIC
                                      : MOE_GBT_SOFTMAX;
  *out = &moe_gbt_losses[p->loss >= 0 ? p->loss : automatic];
  if ((*out)->classifies != classes)
    return moe_fail(call, MOE_EPARAM,
                    "gbt: loss = '%s' is not for %s; leave it out, or set task",
                    (*out)->name, classes ? "classification" : "regression");
  if ((*out)->link == MOE_LINK_LOGISTIC && f->n_outputs != 2)
    return moe_fail(call, MOE_EPARAM,
                    "gbt: loss = 'logistic' is for two classes, and there are "
                    "%zu; leave it out",
                    f->n_outputs);
  return MOE_OK;
}

/* Beyond these, squares of sums over 2^31 rows would not be finite. */
static const double most_target = 1e120, most_weight = 1e20;

static moe_status check_row(moe_call *call, const moe_batch *b, size_t i) {
  size_t at = moe_rows_at(&b->x, i);
  if (b->weight[at] > most_weight)
    return moe_fail(call, MOE_EDATA,
                    "row %zu weighs %g, times its class's weight: gbt takes "
                    "up to %g",
                    at + 1, b->weight[at], most_weight);
  for (size_t k = 0; b->y->ids == NULL && k < b->y->width; k++)
    if (fabs(b->y->values[at * b->y->width + k]) > most_target)
      return moe_fail(call, MOE_EDATA,
                      "y[%zu] is %g: gbt squares the targets, which must lie "
                      "within ±%g",
                      at + 1, b->y->values[at * b->y->width + k], most_target);
  return MOE_OK;
}

/* Rows that weigh nothing are no rows of the training set. */
static moe_status list_rows(moe_call *call, moe_gbt_work *w,
                            const moe_batch *b) {
  size_t n = 0;
  MOE_TRY(moe_new_array(call, &w->pick, b->x.n, sizeof *w->pick));
  MOE_TRY(moe_new_array(call, &w->weight, b->x.n, sizeof *w->weight));
  for (size_t i = 0; i < b->x.n; i++) {
    size_t at = moe_rows_at(&b->x, i);
    if (!(b->weight[at] > 0)) continue;
    MOE_TRY(check_row(call, b, i));
    w->pick[n] = (int32_t)at;
    w->weight[n++] = b->weight[at];
  }
  if (n == 0)
    return moe_fail(call, MOE_EDATA,
                    "gbt: no row is left whose weight, times its class's in "
                    "class_weight, is above 0");
  w->x = b->x;
  w->x.n = n;
  w->x.pick = w->pick;
  w->x.origin = 0;
  return MOE_OK;
}

static moe_status weigh_rows(moe_call *call, moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_batch b = job->batch;
  double *weight;
  MOE_SCRATCH(call, weight, b.y->n);
  if (b.y->ids != NULL) {
    moe_class_weight_note(job, &p->class_weight);
    MOE_TRY(moe_class_weight_apply(call, &p->class_weight, &b, weight));
  } else {
    for (size_t i = 0; i < b.x.n; i++)
      weight[moe_rows_at(&b.x, i)] = moe_batch_weight(&b, i);
  }
  b.weight = weight;
  MOE_TRY(list_rows(call, job->work, &b));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status copy_targets(moe_call *call, const moe_job *job) {
  const moe_target *y = job->batch.y;
  moe_gbt_work *w = job->work;
  size_t n = w->x.n;
  if (y->ids != NULL) {
    MOE_TRY(moe_new_array(call, &w->ids, n, sizeof *w->ids));
    for (size_t i = 0; i < n; i++) w->ids[i] = y->ids[w->pick[i]];
    return MOE_OK;
  }
  MOE_TRY(moe_new_array(call, &w->y, moe_size(n, y->width), sizeof *w->y));
  for (size_t k = 0; k < y->width; k++)
    for (size_t i = 0; i < n; i++)
      w->y[k * n + i] = y->values[(size_t)w->pick[i] * y->width + k];
  return MOE_OK;
}

static moe_status new_list(moe_call *call, moe_row_list *l, size_t room) {
  return moe_new_array(call, &l->items, room, sizeof *l->items);
}

static void put(moe_row_list *l, size_t row) {
  l->items[l->n++] = (int32_t)row;
}

/* Holds out a share of the rows; of groups each is held out or not, by itself.
 */
static void divide(const moe_job *job, double share) {
  const moe_gbt_params *p = job->object->params;
  const int32_t *group = job->batch.group;
  moe_gbt_work *w = job->work;
  uint64_t seed =
      moe_seed_of(p->seed != MOE_NO_INT ? (uint64_t)p->seed : 0, "validation");
  double wanted = share > 0 ? fmax(round(share * (double)w->x.n), 1) : 0;
  moe_random random;
  moe_random_seed(&random, seed);
  for (size_t i = 0; i < w->x.n; i++) {
    double left = (double)(w->x.n - i), bar = wanted - (double)w->valid.n;
    if (group != NULL) {
      moe_random_seed(&random, moe_seed_at(seed, (uint64_t)group[w->pick[i]]));
      left = 1;
      bar = share;
    }
    put(left * moe_random_unit(&random) < bar ? &w->valid : &w->train, i);
  }
}

static moe_status hold_out(moe_call *call, const moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_work *w = job->work;
  bool some = p->early_stopping != MOE_NO_INT;
  MOE_TRY(new_list(call, &w->train, w->x.n));
  MOE_TRY(new_list(call, &w->valid, w->x.n));
  MOE_TRY(new_list(call, &w->drawn, w->x.n));
  MOE_TRY(new_list(call, &w->rest, w->x.n));
  divide(job, some ? p->validation : 0);
  if (w->train.n > 0 && (w->valid.n > 0) == some) return MOE_OK;
  return moe_fail(call, MOE_EDATA,
                  "gbt: early_stopping holds out a share of %g, which leaves "
                  "%zu rows to train and %zu to validate with",
                  p->validation, w->train.n, w->valid.n);
}

/* -------------------------------------------------------------- the base */

moe_gbt_view moe__gbt_rows(const moe_gbt_work *w, size_t score) {
  size_t n = w->x.n;
  return (moe_gbt_view){
      .score = (w->shares != NULL ? w->shares : w->scores) + score * n,
      .y = w->y != NULL ? w->y + score * n : NULL,
      .ids = w->ids,
      .class = (int32_t)(w->n_scores == 1 && w->ids != NULL ? 1 : score),
      .shape = w->shape};
}

/* The best constant of one score over the rows to train with. */
static double find_base(const moe_gbt_work *w, size_t score) {
  moe_gbt_view rows = moe__gbt_rows(w, score);
  double sum = 0, weight = 0;
  for (size_t i = 0; i < w->train.n; i++) {
    size_t row = (size_t)w->train.items[i];
    double y = rows.y != NULL ? rows.y[row] : rows.ids[row] == rows.class;
    if (w->residuals != NULL)
      w->residuals[i] = (moe_gbt_residual){y, w->weight[row]};
    weight += w->weight[row];
    sum += w->weight[row] / weight * (y - sum);
  }
  if (w->residuals != NULL)
    return w->loss->centre(w->shape, w->residuals, w->train.n);
  if (!w->loss->classifies) return sum;
  double share = fmin(fmax(sum, DBL_EPSILON), 1 - DBL_EPSILON);
  return w->loss->link == MOE_LINK_LOGISTIC ? log(share / (1 - share))
                                            : log(share);
}

/* Where delta is not given: what nine of ten targets are within, seen from
   their median. */
static double find_delta(moe_gbt_work *w) {
  double middle, delta;
  moe_gbt_residual *r = w->residuals;
  for (size_t i = 0; i < w->train.n; i++) {
    size_t row = (size_t)w->train.items[i];
    r[i] = (moe_gbt_residual){w->y[row], w->weight[row]};
  }
  middle = moe_weighted_quantile(0.5, r, w->train.n);
  for (size_t i = 0; i < w->train.n; i++)
    r[i].value = fabs(r[i].value - middle);
  delta = moe_weighted_quantile(0.9, r, w->train.n);
  return delta > 0 ? delta : 1;
}

static moe_status find_bases(moe_call *call, moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_model *m = job->state;
  moe_gbt_work *w = job->work;
  size_t n = w->x.n;
  w->shape = p->quantile;
  if (w->loss->centre != NULL)
    MOE_TRY(moe_new_array(call, &w->residuals, moe_size(n, w->n_scores),
                          sizeof *w->residuals));
  if (w->loss == &moe_gbt_losses[MOE_GBT_HUBER])
    w->shape = isnan(p->delta) ? find_delta(w) : p->delta;
  MOE_TRY(moe_new_array(call, &w->scores, moe_size(n, w->n_scores),
                        sizeof *w->scores));
  for (size_t k = 0; k < w->n_scores; k++) {
    m->boosted.base[k] = find_base(w, k);
    for (size_t i = 0; i < n; i++) w->scores[k * n + i] = m->boosted.base[k];
  }
  if (w->loss->link != MOE_LINK_SOFTMAX) return MOE_OK;
  return moe_new_array(call, &w->shares, moe_size(n, w->n_scores),
                       sizeof *w->shares);
}

/* ---------------------------------------------------------------- beginning */

static void plan_growth(const moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_work *w = job->work;
  w->plan = (moe_grow_plan){.bins = &w->bins,
                            .l2 = p->l2,
                            .least_weight = p->min_child_weight,
                            .width = 1,
                            .max_depth = (size_t)p->max_depth,
                            .min_samples_leaf = (size_t)p->min_samples_leaf,
                            .max_leaves = p->max_leaves != MOE_NO_INT
                                              ? (size_t)p->max_leaves
                                              : SIZE_MAX,
                            .columns = w->columns};
}

static moe_status begin_rounds(moe_call *call, moe_job *job) {
  moe_gbt_model *m = job->state;
  moe_gbt_work *w = job->work;
  w->grove = moe__gbt_grove(job);
  w->best_loss = INFINITY;
  MOE_TRY(moe_new_array(call, &w->best_gains,
                        m->boosted.model.fitted.n_features,
                        sizeof *w->best_gains));
  return moe_grove_new(call, &w->grove);
}

moe_status moe_gbt_begin(moe_call *call, moe_job *job) {
  const moe_gbt_params *p = job->object->params;
  moe_gbt_model *m = job->state;
  moe_gbt_work *w = job->work;
  m->validation_loss = NAN;
  MOE_TRY(choose_loss(call, job, &w->loss));
  MOE_TRY(moe_boosted_new(call, &m->boosted, w->loss->link, 1));
  w->n_scores = m->boosted.n_scores;
  MOE_TRY(weigh_rows(call, job));
  MOE_TRY(copy_targets(call, job));
  MOE_TRY(hold_out(call, job));
  MOE_TRY(find_bases(call, job));
  MOE_TRY(moe_bins_new(call, &w->bins, &w->x, (int)p->max_bins));
  MOE_TRY(moe_new_array(call, &w->columns, w->x.d, sizeof *w->columns));
  plan_growth(job);
  return begin_rounds(call, job);
}

void moe_gbt_end(moe_job *job) {
  moe_gbt_work *w = job->work;
  void *owned[] = {w->pick,        w->weight,      w->y,
                   w->ids,         w->columns,     w->residuals,
                   w->scores,      w->shares,      w->train.items,
                   w->valid.items, w->drawn.items, w->rest.items,
                   w->best_gains};
  for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) moe_free(owned[k]);
  moe_bins_free(&w->bins);
  moe_grove_free(&w->grove);
}
