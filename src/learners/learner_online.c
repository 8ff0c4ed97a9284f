/* Learning from a stream: row by row from batches, and single samples without
   any overhead. */
#include <math.h>
#include <string.h>

#include "learner.h"
#include "vector.h"

enum { BLOCK = 1024 }; /* rows encoded at a time: bounds the scratch */

/* ------------------------------------------------------------------- intake */

/* The learner's codes of a column's levels; of those that are missing or that
   it has not met: -1. */
static moe_status find_codes(moe_call *call, const moe_intake *in, size_t j,
                             const moe_column *c, int32_t **out) {
  int32_t *codes;
  MOE_SCRATCH(call, codes, c->n_levels + 1);
  *out = codes + 1; /* of the missing too: code -1 */
  codes[0] = -1;
  for (size_t k = 0; k < c->n_levels; k++)
    codes[k + 1] = moe_intake_code(in, j, c->levels[k]);
  return MOE_OK;
}

static moe_status find_all_codes(moe_call *call, const moe_intake *in,
                                 const moe_rows *x, int32_t **codes) {
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++) {
    const moe_column *c = moe_rows_column(x, j);
    if (c->numbers == NULL) MOE_TRY(find_codes(call, in, j, c, &codes[j]));
  }
  return MOE_OK;
}

/* Levels get codes when their first row is learned from, as if the rows came
   singly. */
static moe_status meet_levels(moe_call *call, moe_intake *learns,
                              const moe_rows *x, const double *raw,
                              int32_t **codes) {
  for (size_t j = 0; j < x->d; j++) {
    if (codes[j] == NULL || raw[j] < 0 || codes[j][(int)raw[j]] >= 0) continue;
    MOE_TRY(moe_intake_add(call, learns, j,
                           moe_rows_column(x, j)->levels[(int)raw[j]],
                           &codes[j][(int)raw[j]]));
  }
  return MOE_OK;
}

static double to_double(int32_t code) {
  return code < 0 ? (double)NAN : (double)code;
}

/* Row i with the learner's own codes; `learned`: new levels get some. */
static moe_status read_row(moe_call *call, moe_intake *in, const moe_rows *x,
                           size_t i, int32_t **codes, bool learned,
                           double *out) {
  moe_rows_doubles(x, i, 1, out);
  if (x->source != MOE_FROM_COLUMNS) return MOE_OK;
  if (learned) MOE_TRY(meet_levels(call, in, x, out, codes));
  for (size_t j = 0; j < x->d; j++)
    if (codes[j] != NULL) out[j] = to_double(codes[j][(int)out[j]]);
  return MOE_OK;
}

bool moe__is_encoded(const moe_object *o, const moe_rows *x) {
  return moe_learner_fitted(o)->intake.open && x->source != MOE_FROM_CSR;
}

moe_status moe__encode_rows(moe_call *call, const moe_object *o,
                            moe_object *learner, const double *weights,
                            const moe_rows *x, moe_rows *out) {
  const moe_intake *in = &moe_learner_fitted(o)->intake;
  moe_intake *learns =
      learner != NULL ? &((moe_fitted *)learner->state)->intake : NULL;
  size_t width = moe_intake_width(in);
  int32_t **codes;
  double *raw, *rows;
  MOE_SCRATCH(call, codes, x->d);
  MOE_SCRATCH(call, raw, x->d);
  MOE_SCRATCH(call, rows, moe_size(x->n, width));
  MOE_TRY(find_all_codes(call, in, x, codes));
  for (size_t i = 0; i < x->n; i++) {
    bool learned = learns != NULL && weights[i] > 0;
    MOE_TRY(read_row(call, learns, x, i, codes, learned, raw));
    moe_intake_encode(in, raw, rows + i * width);
    if (learned && !in->keeps_holes) moe_intake_count(learns, raw);
  }
  *out = moe_rows_of_doubles(rows, x->n, width);
  return MOE_OK;
}

moe_status moe__encode_batch(moe_call *call, const moe_object *o,
                             moe_object *learner, const moe_batch *from,
                             moe_target *target, moe_batch *to) {
  size_t n = from->x.n, width = from->y->width;
  double *weights, *values = NULL;
  int32_t *ids = NULL;
  *to = *from;
  *target = *from->y;
  target->n = n;
  MOE_SCRATCH(call, weights, n);
  if (from->y->ids != NULL) MOE_SCRATCH(call, ids, n);
  if (from->y->values != NULL) MOE_SCRATCH(call, values, moe_size(n, width));
  for (size_t i = 0; i < n; i++) {
    size_t at = moe_rows_at(&from->x, i);
    weights[i] = moe_batch_weight(from, i);
    if (ids != NULL) ids[i] = from->y->ids[at];
    if (values != NULL)
      memcpy(values + i * width, from->y->values + at * width,
             width * sizeof *values);
  }
  target->ids = ids;
  target->values = values;
  to->y = target;
  to->weight = weights;
  return moe__encode_rows(call, o, learner, weights, &from->x, &to->x);
}

/* --------------------------------------------------------------- whole rows */

static moe_status learn_encoded(moe_call *call, moe_object *o,
                                const moe_batch *run) {
  moe_batch encoded;
  moe_target target;
  MOE_TRY(moe__encode_batch(call, o, o, run, &target, &encoded));
  return moe_learner_type_of(o)->learn(call, o, &encoded);
}

/* The rows one after the other, in types that take single samples. */
static moe_status learn_singly(moe_call *call, moe_object *o,
                               const moe_batch *run) {
  moe_intake *in = &((moe_fitted *)o->state)->intake;
  const moe_target *y = run->y;
  moe_scratch_mark mark = moe_scratch_now(call);
  int32_t **codes;
  double *x;
  MOE_SCRATCH(call, codes, run->x.d);
  MOE_SCRATCH(call, x, run->x.d);
  MOE_TRY(find_all_codes(call, in, &run->x, codes));
  for (size_t i = 0; i < run->x.n; i++) {
    size_t at = moe_rows_at(&run->x, i);
    moe_example s = {.x = x, .weight = moe_batch_weight(run, i)};
    if (y->ids != NULL) s.id = y->ids[at];
    if (y->values != NULL) s.y = y->values + at * y->width;
    MOE_TRY(read_row(call, in, &run->x, i, codes, s.weight > 0, x));
    s.norm = moe_example_of(x, run->x.d).norm;
    MOE_TRY(s.weight > 0 ? moe__learn_one(call, o, &s)
                         : moe__advance(call, o, &s));
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* A row of weight 0 comes by, and is not learned from. */
static int64_t count_learned(const moe_batch *run) {
  int64_t n = 0;
  for (size_t i = 0; i < run->x.n; i++) n += moe_batch_weight(run, i) > 0;
  return n;
}

/* Rows of classes that the object has met. */
static moe_status learn_run(moe_call *call, moe_object *o,
                            const moe_batch *run) {
  moe_fitted *f = o->state;
  bool as_is = !moe__is_encoded(o, &run->x);
  size_t block = as_is ? run->x.n : BLOCK;
  if (!as_is && moe_learner_type_of(o)->learn_one != NULL)
    return learn_singly(call, o, run);
  for (size_t first = 0; first < run->x.n; first += block) {
    size_t n = run->x.n - first < block ? run->x.n - first : block;
    moe_scratch_mark mark = moe_scratch_now(call);
    moe_batch part = *run;
    part.x = moe_rows_range(&run->x, first, n);
    MOE_TRY(as_is ? moe_learner_type_of(o)->learn(call, o, &part)
                  : learn_encoded(call, o, &part));
    f->n_seen += count_learned(&part);
    moe_scratch_drop(call, mark);
  }
  return MOE_OK;
}

moe_status moe_learner_add_label(moe_call *call, moe_object *o,
                                 const moe_label *label, int32_t *id) {
  moe_fitted *f = o->state;
  ptrdiff_t at;
  MOE_TRY(moe_labels_add(call, &f->labels, label, &at));
  if (at >= 0) {
    moe_status status = moe_learner_type_of(o)->add_class(call, o, (size_t)at);
    if (status != MOE_OK) {
      moe_labels_remove(&f->labels, (size_t)at);
      return status;
    }
    f->n_outputs++;
  }
  *id = (int32_t)(at >= 0 ? at : moe_labels_find(&f->labels, label));
  return MOE_OK;
}

/* The batch's ids in terms of the object's own labels, -1 where it has not met
   the label yet. */
static void translate(const moe_object *o, const moe_target *y, int32_t *ids) {
  const moe_fitted *f = o->state;
  for (size_t i = 0; i < y->n; i++)
    ids[i] = (int32_t)moe_labels_find(&f->labels, &y->labels->items[y->ids[i]]);
}

/* Rows until the next label that the object has not met. */
static size_t count_known(const moe_batch *b, const int32_t *ids,
                          size_t first) {
  size_t n = 0;
  while (first + n < b->x.n && ids[moe_rows_at(&b->x, first + n)] >= 0) n++;
  return n;
}

/* Classes are met when their first row comes, as if the rows came singly. */
static moe_status learn_classes(moe_call *call, moe_object *o,
                                const moe_batch *batch) {
  const moe_fitted *f = o->state;
  moe_target target = *batch->y;
  moe_batch run = *batch;
  int32_t *ids, id;
  MOE_SCRATCH(call, ids, target.n);
  translate(o, batch->y, ids);
  target.ids = ids;
  target.labels = &f->labels;
  run.y = &target;
  for (size_t first = 0; first < batch->x.n; first += run.x.n) {
    run.x = moe_rows_range(&batch->x, first, count_known(batch, ids, first));
    if (run.x.n > 0) {
      MOE_TRY(learn_run(call, o, &run));
    } else {
      size_t at = moe_rows_at(&batch->x, first);
      MOE_TRY(moe_learner_add_label(
          call, o, &batch->y->labels->items[batch->y->ids[at]], &id));
      translate(o, batch->y, ids);
    }
  }
  return MOE_OK;
}

static moe_status learn_rows(moe_call *call, moe_object *o,
                             const moe_batch *batch) {
  moe_fitted *f = o->state;
  moe_batch own = *batch;
  if (f->task != batch->y->task ||
      (f->task != MOE_CLASSIFICATION && f->n_outputs != batch->y->width))
    return moe_fail(call, MOE_EARG,
                    "%s has learned other targets so far (reset forgets them)",
                    o->type->name);
  MOE_TRY(moe_rows_follow(call, &own.x, &f->schema));
  MOE_TRY(moe__check_rows(call, o, &own.x));
  atomic_fetch_add(&o->uses, 1);
  moe_status status = f->task == MOE_CLASSIFICATION
                          ? learn_classes(call, o, &own)
                          : learn_run(call, o, &own);
  atomic_fetch_sub(&o->uses, 1);
  return status;
}

static moe_status open_stream(moe_call *call, moe_object *o) {
  const moe_learner_type *type = moe_learner_type_of(o);
  return type->open != NULL ? type->open(call, o) : MOE_OK;
}

moe_status moe_learner_learn(moe_call *call, moe_object *o,
                             const moe_batch *batch) {
  bool fresh = o->state == NULL;
  MOE_TRY(moe__check_online(call, o));
  MOE_TRY(moe__check_batch(call, o, batch));
  if (fresh) MOE_TRY(moe__check_first_rows(call, o, &batch->x, true));
  MOE_TRY(moe_object_check_idle(call, o, true));
  if (fresh) MOE_TRY(moe_state_new(call, o->type, &o->state));
  moe_status status =
      fresh ? moe__new_fitted(call, o, batch, true, o->state) : MOE_OK;
  if (status == MOE_OK && fresh) status = open_stream(call, o);
  if (status == MOE_OK) status = learn_rows(call, o, batch);
  if (status != MOE_OK && fresh) {
    moe_state_free(o->type, o->state);
    o->state = NULL;
  }
  return status;
}

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
  atomic_fetch_add(&o->uses, 1);
  moe_status status = moe_learner_type_of(o)->learn(call, o, &batch);
  atomic_fetch_sub(&o->uses, 1);
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

moe_status moe__learn_one(moe_call *call, moe_object *o, const moe_example *s) {
  const moe_learner_type *type = moe_learner_type_of(o);
  teach_one teach = type->learn_one != NULL ? type->learn_one : learn_row;
  moe_fitted *f = o->state;
  bool as_is = passes(f, s);
  MOE_TRY(as_is ? teach(call, o, s) : teach_encoded(call, o, s, teach));
  if (f->intake.open && !f->intake.keeps_holes)
    (as_is ? moe_intake_count_whole : moe_intake_count)(&f->intake, s->x);
  f->n_seen++;
  return MOE_OK;
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

static moe_status check_sample(moe_call *call, const moe_object *o,
                               const moe_example *s) {
  const moe_fitted *f = o->state;
  MOE_TRY(check_features(call, o, s));
  if (!(s->weight >= 0) || isinf(s->weight))
    return moe_fail(call, MOE_EDATA,
                    "the weight must be a number of at least 0, got %g",
                    s->weight);
  if (f->task == MOE_CLASSIFICATION)
    return s->id >= 0 && (size_t)s->id < f->n_outputs
               ? MOE_OK
               : moe_fail(call, MOE_EARG, "class %d: there are %zu, from 0 on",
                          (int)s->id, f->n_outputs);
  for (size_t k = 0; f->task == MOE_REGRESSION && k < f->n_outputs; k++)
    if (!isfinite(s->y[k]))
      return moe_fail(call, MOE_EDATA, "y[%zu] is %s", k + 1,
                      isnan(s->y[k]) ? "NaN" : "infinite");
  return MOE_OK;
}

moe_status moe_learner_learn_one(moe_call *call, moe_object *o,
                                 const moe_example *s) {
  moe_example own = *s;
  MOE_TRY(check_started(call, o));
  own.norm = moe_example_of(s->x, moe_learner_fitted(o)->schema.n).norm;
  if (!(moe_learner_type_of(o)->traits & MOE_ONLINE))
    return moe_fail(call, MOE_ESTATE, "%s cannot learn row by row; use fit",
                    o->type->name);
  MOE_TRY(check_sample(call, o, &own));
  MOE_TRY(moe_object_check_idle(call, o, true));
  return s->weight > 0 ? moe__learn_one(call, o, &own)
                       : moe__advance(call, o, &own);
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
  if (status == MOE_OK) status = open_stream(call, child);
  if (status == MOE_OK) return MOE_OK;
  moe_state_free(child->type, child->state);
  child->state = NULL;
  return status;
}

moe_status moe__follow_levels(moe_call *call, moe_object *child,
                              const moe_fitted *parent) {
  moe_fitted *f = child->state;
  return moe_intake_follow(call, &f->intake, &parent->intake);
}

/* ------------------------------------------------------ types made of samples
 */

moe_status moe_stream_learn(moe_call *call, moe_object *o,
                            const moe_batch *batch) {
  const moe_learner_type *type = moe_learner_type_of(o);
  moe_scratch_mark mark = moe_scratch_now(call);
  const moe_target *y = batch->y;
  double *x;
  MOE_SCRATCH(call, x, batch->x.d);
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    moe_example s = {.x = x, .weight = moe_batch_weight(batch, i)};
    moe_rows_doubles(&batch->x, i, 1, x);
    s.norm = moe_example_of(x, batch->x.d).norm;
    if (y->ids != NULL) s.id = y->ids[at];
    if (y->values != NULL) s.y = y->values + at * y->width;
    if (s.weight > 0)
      MOE_TRY(type->learn_one(call, o, &s));
    else if (type->advance != NULL)
      MOE_TRY(type->advance(call, o, &s));
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe_stream_predict(moe_call *call, const moe_object *o,
                              const moe_rows *x, double *out) {
  const moe_fitted *f = o->state;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *row;
  MOE_SCRATCH(call, row, x->d);
  for (size_t i = 0; i < x->n; i++, out += f->n_outputs) {
    moe_rows_doubles(x, i, 1, row);
    MOE_TRY(moe_learner_type_of(o)->predict_one(call, o, row, out));
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe_stream_begin(moe_call *call, moe_job *job) {
  (void)call;
  ((moe_fitted *)job->state)->n_seen = 0;
  return MOE_OK;
}

/* The rows gone through so far, those of weight 0 too, say where to go on. */
moe_status moe_stream_step(moe_call *call, moe_job *job) {
  moe_fitted *f = job->state;
  moe_object aside = {.type = job->object->type,
                      .refs = 1,
                      .depth = job->object->depth,
                      .params = job->object->params,
                      .state = job->state};
  size_t n = job->batch.x.n;
  while ((size_t)f->n_seen < n) {
    size_t first = (size_t)f->n_seen;
    moe_batch part = job->batch;
    part.x = moe_rows_range(&job->batch.x, first,
                            n - first < BLOCK ? n - first : BLOCK);
    MOE_TRY(learn_run(call, &aside, &part));
    f->n_seen = (int64_t)(first + part.x.n);
    job->usable = job->usable || count_learned(&part) > 0;
    if (moe_call_pausing(call)) break;
  }
  job->done = (size_t)f->n_seen == n;
  return MOE_OK;
}
