/* What a trained learner is asked: answers, contributions, how likely targets
   are, and the gradient of its loss. */
#include "learner.h"

#include <math.h>

typedef moe_status (*answer)(moe_call *call, const moe_object *o,
                             const moe_rows *x, double *out);

static moe_status check_fitted(moe_call *call, const moe_object *o) {
  if (o->state != NULL) return MOE_OK;
  return moe_fail(call, MOE_ESTATE, "%s has not been fitted yet",
                  o->type->name);
}

/* What is more than an answer cannot be told of one who knows nothing. */
static moe_status check_knows(moe_call *call, const moe_object *o) {
  MOE_TRY(check_fitted(call, o));
  if (!moe_learner_knows_nothing(o)) return MOE_OK;
  return moe_fail(call, MOE_ESTATE, "%s has not learned anything yet",
                  o->type->name);
}

enum { BLOCK = 1024 }; /* rows encoded at a time: bounds the scratch */

/* `width` numbers a row. */
static moe_status ask_encoded(moe_call *call, const moe_object *o,
                              const moe_rows *x, answer answer_of, size_t width,
                              double *out) {
  for (size_t first = 0; first < x->n; first += BLOCK) {
    size_t n = x->n - first < BLOCK ? x->n - first : BLOCK;
    moe_rows block = moe_rows_range(x, first, n), encoded;
    moe_scratch_mark mark = moe_scratch_now(call);
    MOE_TRY(moe__encode_rows(call, o, NULL, NULL, &block, &encoded));
    MOE_TRY(answer_of(call, o, &encoded, out + first * width));
    moe_scratch_drop(call, mark);
  }
  return MOE_OK;
}

static moe_status ask(moe_call *call, const moe_object *o, const moe_rows *x,
                      answer answer_of, size_t width, double *out) {
  moe_rows rows = *x;
  if (x->source == MOE_FROM_CSR &&
      !(moe_learner_type_of(o)->traits & MOE_TAKES_SPARSE))
    return moe_fail(call, MOE_EDATA, "%s does not take sparse data",
                    o->type->name);
  MOE_TRY(moe_rows_follow(call, &rows, &moe_learner_fitted(o)->schema));
  MOE_TRY(moe__check_rows(call, o, &rows));
  if (rows.n == 0) return MOE_OK;
  moe_object_use(o, 1);
  moe_status status = moe__is_encoded(o, &rows)
                          ? ask_encoded(call, o, &rows, answer_of, width, out)
                          : answer_of(call, o, &rows, out);
  moe_object_use(o, -1);
  return status;
}

static moe_status know_nothing(moe_call *call, const moe_object *o,
                               const moe_rows *x, double *out) {
  (void)call;
  moe__know_nothing(o->state, x->n, out);
  return MOE_OK;
}

moe_status moe_learner_predict(moe_call *call, const moe_object *o,
                               const moe_rows *x, double *out) {
  MOE_TRY(check_fitted(call, o));
  return ask(call, o, x,
             moe_learner_knows_nothing(o) ? know_nothing
                                          : moe_learner_type_of(o)->predict,
             moe_learner_fitted(o)->n_outputs, out);
}

moe_status moe_learner_contribute(moe_call *call, const moe_object *o,
                                  const moe_rows *x, double *out) {
  const moe_learner_type *type = moe_learner_type_of(o);
  if (type->contribute == NULL)
    return moe_fail(call, MOE_EUNSUPPORTED,
                    "%s: what it answers is no sum over the features",
                    type->type.name);
  MOE_TRY(check_knows(call, o));
  const moe_fitted *f = o->state;
  if (f->n_features != f->schema.n)
    return moe_fail(call, MOE_EUNSUPPORTED,
                    "%s: columns of strings are indicators to it, whose "
                    "contributions are not told",
                    type->type.name);
  return ask(call, o, x, type->contribute, f->n_outputs * (f->n_features + 1),
             out);
}

moe_status moe_learner_variance(moe_call *call, const moe_object *o,
                                const moe_rows *x, double *out) {
  const moe_learner_type *type = moe_learner_type_of(o);
  if (type->variance == NULL)
    return moe_fail(call, MOE_EUNSUPPORTED,
                    "%s does not know how far off its answers are",
                    type->type.name);
  MOE_TRY(check_fitted(call, o));
  const moe_fitted *f = o->state;
  if (!moe_learner_knows_nothing(o))
    return ask(call, o, x, type->variance, f->n_outputs, out);
  for (size_t i = 0; i < x->n * f->n_outputs; i++) out[i] = INFINITY;
  return MOE_OK;
}

/* ------------------------------------------------------- rows with targets */

/* A batch as the object knows it: its columns, and of classes its own labels.
   A row of a class that it has not met counts as its first, and is marked. */
typedef struct translated {
  moe_batch batch;
  moe_target target;
  bool *unmet; /* a source row; NULL where all classes are met */
} translated;

static moe_status translate_classes(moe_call *call, const moe_fitted *f,
                                    translated *t) {
  const moe_labels *labels = t->target.labels;
  int32_t *own, *ids;
  bool all = true;
  MOE_SCRATCH(call, own, labels->n);
  MOE_SCRATCH(call, ids, t->target.n);
  MOE_SCRATCH(call, t->unmet, t->target.n);
  for (size_t c = 0; c < labels->n; c++)
    own[c] = (int32_t)moe_labels_find(&f->labels, &labels->items[c]);
  for (size_t i = 0; i < t->batch.x.n; i++) {
    size_t at = moe_rows_at(&t->batch.x, i);
    int32_t id = own[t->target.ids[at]];
    t->unmet[at] = id < 0;
    ids[at] = id < 0 ? 0 : id;
    all = all && id >= 0;
  }
  if (all) t->unmet = NULL;
  t->target.ids = ids;
  t->target.labels = &f->labels;
  return MOE_OK;
}

static moe_status translate(moe_call *call, const moe_object *o,
                            const moe_batch *batch, translated *t) {
  const moe_fitted *f = o->state;
  MOE_TRY(check_fitted(call, o));
  *t = (translated){.batch = *batch, .target = *batch->y};
  MOE_TRY(moe_rows_follow(call, &t->batch.x, &f->schema));
  MOE_TRY(moe__check_rows(call, o, &t->batch.x));
  if (moe__is_encoded(o, &t->batch.x)) {
    moe_batch own = t->batch;
    MOE_TRY(moe__encode_batch(call, o, NULL, &own, &t->target, &t->batch));
  }
  if (f->task == MOE_CLASSIFICATION) MOE_TRY(translate_classes(call, f, t));
  t->batch.y = &t->target;
  return MOE_OK;
}

moe_status moe_learner_log_likelihood(moe_call *call, const moe_object *o,
                                      const moe_batch *batch, double *out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  translated t;
  MOE_TRY(translate(call, o, batch, &t));
  moe_object_use(o, 1);
  moe_status status =
      moe_learner_type_of(o)->log_likelihood(call, o, &t.batch, out);
  moe_object_use(o, -1);
  for (size_t i = 0; t.unmet != NULL && i < batch->x.n; i++)
    if (t.unmet[moe_rows_at(&t.batch.x, i)])
      out[i] = log(1e-6 / (double)moe_learner_fitted(o)->n_outputs);
  moe_scratch_drop(call, mark);
  return status;
}

/* Rows of classes that are not met count nothing. */
static moe_status leave_unmet(moe_call *call, translated *t) {
  double *weight;
  if (t->unmet == NULL) return MOE_OK;
  MOE_SCRATCH(call, weight, t->target.n);
  for (size_t i = 0; i < t->batch.x.n; i++) {
    size_t at = moe_rows_at(&t->batch.x, i);
    weight[at] = t->unmet[at] ? 0 : moe_batch_weight(&t->batch, i);
  }
  t->batch.weight = weight;
  return MOE_OK;
}

moe_status moe_learner_differentiate(moe_call *call, const moe_object *o,
                                     const moe_batch *batch, double *loss,
                                     double *gradient) {
  moe_scratch_mark mark = moe_scratch_now(call);
  translated t;
  MOE_TRY(check_knows(call, o));
  MOE_TRY(translate(call, o, batch, &t));
  MOE_TRY(leave_unmet(call, &t));
  moe_object_use(o, 1);
  moe_status status =
      moe_learner_type_of(o)->differentiate(call, o, &t.batch, loss, gradient);
  moe_object_use(o, -1);
  moe_scratch_drop(call, mark);
  return status;
}
