/* Learning from a stream sample by sample, without any overhead. */
#include <math.h>

#include "learner.h"

/* ----------------------------------------------------------- single samples */

/* Whether the object sees the sample as it comes; most are known to be whole.
 */
static inline bool passes(const moe_fitted *f, const moe_example *s) {
  const moe_intake *in = &f->intake;
  if (in->spreads) return false;
  return s->norm > 0 || !in->open || in->keeps_holes ||
         moe_example_is_whole(s, in->n);
}

/* The sample as it sees it, in the call's scratch. */
static moe_status encode(moe_call *call, const moe_fitted *f,
                         const moe_example *s, moe_example *own) {
  double *x;
  MOE_SCRATCH(call, x, f->n_features);
  moe_intake_encode(&f->intake, s->x, x);
  *own = *s;
  own->x = x;
  own->norm = 0;
  return MOE_OK;
}

/* As a batch of one, for types without functions for one sample: these may call
   the host. */
static moe_status learn_row(moe_call *call, moe_object *o,
                            const moe_example *s) {
  const moe_fitted *f = o->state;
  moe_target y = {.task = f->task,
                  .n = 1,
                  .ids = f->task == MOE_CLASSIFICATION ? &s->id : NULL,
                  .labels = &f->labels,
                  .values = f->task == MOE_CLASSIFICATION ? NULL : s->y,
                  .width = f->n_outputs};
  moe_batch batch = {.x = moe_rows_of_doubles(s->x, 1, f->n_features),
                     .y = &y,
                     .weight = &s->weight};
  moe_object_use_alone(o, 1);
  moe_status status = moe_learner_type_of(o)->learn(call, o, &batch);
  moe_object_use_alone(o, -1);
  return status;
}

static moe_status predict_row(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  moe_rows rows = moe_rows_of_doubles(x, 1, moe_learner_fitted(o)->n_features);
  moe_object_use(o, 1);
  moe_status status = moe_learner_type_of(o)->predict(call, o, &rows, out);
  moe_object_use(o, -1);
  return status;
}

void moe__know_nothing(const moe_fitted *f, size_t rows, double *out) {
  double value = f->task == MOE_REGRESSION ? 0 : 1 / (double)f->n_outputs;
  for (size_t k = 0; k < rows * f->n_outputs; k++) out[k] = value;
}

typedef moe_status (*ask_one)(moe_call *call, const moe_object *o,
                              const double *x, double *out);

static MOE_RARE moe_status answer_encoded(moe_call *call, const moe_object *o,
                                          const moe_example *s, ask_one ask,
                                          double *out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_example own;
  MOE_TRY(encode(call, o->state, s, &own));
  MOE_TRY(ask(call, o, own.x, out));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe__predict_one(moe_call *call, const moe_object *o,
                            const moe_example *s, double *out) {
  const moe_learner_type *type = moe_learner_type_of(o);
  ask_one ask = type->predict_one != NULL ? type->predict_one : predict_row;
  if (moe_learner_knows_nothing(o)) {
    moe__know_nothing(o->state, 1, out);
    return MOE_OK;
  }
  return passes(o->state, s) ? ask(call, o, s->x, out)
                             : answer_encoded(call, o, s, ask, out);
}

moe_status moe__consider_one(moe_call *call, moe_object *o,
                             const moe_example *s, double *out,
                             bool *considered) {
  const moe_learner_type *type = moe_learner_type_of(o);
  *considered = type->consider_one != NULL && !moe_learner_knows_nothing(o) &&
                passes(o->state, s);
  return *considered ? type->consider_one(call, o, s->x, out)
                     : moe__predict_one(call, o, s, out);
}

static MOE_RARE moe_status take_logarithms(moe_call *call, const moe_object *o,
                                           const moe_example *s, double *out) {
  const moe_fitted *f = o->state;
  MOE_TRY(moe__predict_one(call, o, s, out));
  for (size_t k = 0; k < f->n_outputs; k++)
    out[k] = log(out[k] > 1e-300 ? out[k] : 1e-300);
  return MOE_OK;
}

moe_status moe__logits_one(moe_call *call, const moe_object *o,
                           const moe_example *s, double *out) {
  ask_one ask = moe_learner_type_of(o)->logits_one;
  if (ask == NULL || moe_learner_knows_nothing(o))
    return take_logarithms(call, o, s, out);
  return passes(o->state, s) ? ask(call, o, s->x, out)
                             : answer_encoded(call, o, s, ask, out);
}

typedef moe_status (*teach_one)(moe_call *call, moe_object *o,
                                const moe_example *s);

static MOE_RARE moe_status teach_encoded(moe_call *call, moe_object *o,
                                         const moe_example *s,
                                         teach_one teach) {
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_example own;
  MOE_TRY(encode(call, o->state, s, &own));
  MOE_TRY(teach(call, o, &own));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static inline moe_status learn_one(moe_call *call, moe_object *o,
                                   const moe_example *s) {
  const moe_learner_type *type = moe_learner_type_of(o);
  teach_one teach = type->learn_one != NULL ? type->learn_one : learn_row;
  bool as_is = passes(o->state, s);
  MOE_TRY(as_is ? teach(call, o, s) : teach_encoded(call, o, s, teach));
  moe__count_sample(o->state, s, as_is);
  return MOE_OK;
}

moe_status moe__learn_one(moe_call *call, moe_object *o, const moe_example *s) {
  return learn_one(call, o, s);
}

/* Whether the object finds its answer out while it learns the sample. */
static bool tells(const moe_object *o, const moe_example *s) {
  return moe_learner_type_of(o)->test_then_learn != NULL && s->weight > 0 &&
         !moe_learner_knows_nothing(o) && passes(o->state, s);
}

moe_status moe__advance(moe_call *call, moe_object *o, const moe_example *s) {
  teach_one advance = moe_learner_type_of(o)->advance;
  if (advance == NULL) return MOE_OK;
  return passes(o->state, s) ? advance(call, o, s)
                             : teach_encoded(call, o, s, advance);
}

size_t moe_learner_context_window(const moe_object *o) {
  const moe_learner_type *type = moe_learner_type_of(o);
  return type->context_window != NULL ? type->context_window(o) : 1;
}

/* ----------------------------------------------- single samples from outside
 */

static moe_status check_started(moe_call *call, const moe_object *o) {
  if (o->state != NULL) return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "%s has not seen any data yet; the first row goes to "
                  "moe_learner_learn",
                  o->type->name);
}

static bool takes_missing(const moe_object *o) {
  const moe_fitted *f = o->state;
  return f->intake.open || (moe_learner_type_of(o)->traits & MOE_TAKES_MISSING);
}

static moe_status refuse_value(moe_call *call, const moe_object *o,
                               const double *x) {
  const moe_schema *schema = &moe_learner_fitted(o)->schema;
  char name[100];
  size_t j = 0;
  while (isfinite(x[j]) || (isnan(x[j]) && takes_missing(o))) j++;
  moe_schema_print(schema, j, name, sizeof name);
  return moe_fail(call, MOE_EDATA, "%s is %s", name,
                  isnan(x[j]) ? "missing (NaN), which this learner does not "
                                "take; impute it first (transforms.impute)"
                              : "infinite");
}

static moe_status check_values(moe_call *call, const moe_object *o,
                               const double *x) {
  size_t n = moe_learner_fitted(o)->schema.n, bad = 0;
  for (size_t j = 0; j < n; j++)
    bad += isinf(x[j]) || (isnan(x[j]) && !takes_missing(o));
  return bad == 0 ? MOE_OK : refuse_value(call, o, x);
}

/* Any bit pattern of Inf (and NaN, where that is not allowed); the length tells
   of most samples that there is none. */
static moe_status check_features(moe_call *call, const moe_object *o,
                                 const moe_example *s) {
  return s->norm > 0 ? MOE_OK : check_values(call, o, s->x);
}

static moe_status refuse_target(moe_call *call, const moe_fitted *f,
                                const double *y, size_t k) {
  const char *what = isnan(y[k]) ? "NaN" : "infinite";
  return f->n_outputs == 1
             ? moe_fail(call, MOE_EDATA, "y is %s", what)
             : moe_fail(call, MOE_EDATA, "y[%zu] is %s", k + 1, what);
}

static moe_status check_sample(moe_call *call, const moe_object *o,
                               const moe_example *s) {
  const moe_fitted *f = o->state;
  MOE_TRY(check_features(call, o, s));
  if (!(s->weight >= 0 && s->weight < INFINITY))
    return moe_fail(call, MOE_EDATA,
                    "the weight must be a number of at least 0, got %g",
                    s->weight);
  if (f->task == MOE_CLASSIFICATION)
    return s->id >= 0 && (size_t)s->id < f->n_outputs
               ? MOE_OK
               : moe_fail(call, MOE_EARG, "class %d: there are %zu, from 0 on",
                          (int)s->id, f->n_outputs);
  for (size_t k = 0; f->task == MOE_REGRESSION && k < f->n_outputs; k++)
    if (!isfinite(s->y[k])) return refuse_target(call, f, s->y, k);
  return MOE_OK;
}

/* What is found out about the sample goes into it: a copy would wait until what
   the caller has just written has left the processor. */
static moe_status take_in(moe_call *call, const moe_object *o, moe_example *s) {
  MOE_TRY(check_started(call, o));
  s->norm = moe_example_of(s->x, moe_learner_fitted(o)->schema.n).norm;
  s->answer = NULL;
  s->considered = false;
  if (!(moe_learner_type_of(o)->traits & MOE_ONLINE))
    return moe_fail(call, MOE_ESTATE, "%s cannot learn row by row; use fit",
                    o->type->name);
  MOE_TRY(check_sample(call, o, s));
  return moe_object_check_idle(call, o, true);
}

static moe_status tell_and_learn(moe_call *call, moe_object *o,
                                 const moe_example *s, double *out) {
  MOE_TRY(moe_learner_type_of(o)->test_then_learn(call, o, s, out));
  moe__count_sample(o->state, s, true);
  return MOE_OK;
}

moe_status moe__learn_with_care(moe_call *call, moe_object *o, moe_example *s,
                                double *out) {
  MOE_TRY(take_in(call, o, s));
  if (out != NULL) {
    if (tells(o, s)) return tell_and_learn(call, o, s, out);
    MOE_TRY(moe__predict_one(call, o, s, out));
    s->answer = out;
  }
  return s->weight > 0 ? learn_one(call, o, s) : moe__advance(call, o, s);
}

static inline moe_status take_one(moe_call *call, moe_object *o, moe_example *s,
                                  double *out) {
  const moe_learner_type *type = moe_learner_type_of(o);
  return type->take_one != NULL ? type->take_one(call, o, s, out)
                                : moe__learn_with_care(call, o, s, out);
}

moe_status moe_learner_learn_one(moe_call *call, moe_object *o,
                                 moe_example *s) {
  return take_one(call, o, s, NULL);
}

moe_status moe_learner_test_then_learn(moe_call *call, moe_object *o,
                                       moe_example *s, double *out) {
  return take_one(call, o, s, out);
}

moe_status moe_learner_predict_one(moe_call *call, const moe_object *o,
                                   const double *x, double *out) {
  MOE_TRY(check_started(call, o));
  const moe_example s = moe_example_of(x, moe_learner_fitted(o)->schema.n);
  MOE_TRY(check_features(call, o, &s));
  return moe__predict_one(call, o, &s, out);
}

/* ------------------------------------------------------------------ children
 */

moe_status moe__open_child(moe_call *call, moe_object *child,
                           const moe_fitted *parent, moe_task task,
                           size_t outputs, const moe_labels *labels) {
  unsigned traits = moe_learner_type_of(child)->traits;
  moe_fitted *f;
  MOE_TRY(moe_state_new(call, child->type, &child->state));
  f = child->state;
  f->task = task;
  f->n_outputs = task == MOE_CLASSIFICATION ? 0 : outputs;
  moe_status status = moe_schema_copy(call, &parent->schema, &f->schema);
  if (status == MOE_OK)
    status =
        moe_intake_copy(call, &parent->intake, &f->intake,
                        traits & MOE_TAKES_MISSING, traits & MOE_TAKES_NOMINAL);
  if (status == MOE_OK)
    f->n_features =
        f->intake.open ? moe_intake_width(&f->intake) : parent->schema.n;
  if (status == MOE_OK && task == MOE_GATING && labels != NULL)
    status = moe_labels_copy(call, labels, &f->labels);
  for (size_t k = 0;
       status == MOE_OK && task == MOE_CLASSIFICATION && k < parent->labels.n;
       k++) {
    int32_t id;
    status = moe_learner_add_label(call, child, &parent->labels.items[k], &id);
  }
  if (status == MOE_OK) status = moe__open_stream(call, child);
  if (status == MOE_OK) return MOE_OK;
  moe_state_free(child->type, moe_object_swap_state(child, NULL));
  return status;
}

moe_status moe__follow_levels(moe_call *call, moe_object *child,
                              const moe_fitted *parent) {
  moe_fitted *f = child->state;
  return moe_intake_follow(call, &f->intake, &parent->intake);
}
