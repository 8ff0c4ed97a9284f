#include "learner.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const moe_task_choices[] = {"auto", "classification", "regression",
                                        NULL};

moe_status moe_fitted_visit(moe_fitted *f, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "task", MOE_I32, &f->task));
  MOE_TRY(moe_visit_scalar(v, "n_features", MOE_I64, &f->n_features));
  MOE_TRY(moe_visit_scalar(v, "n_outputs", MOE_I64, &f->n_outputs));
  MOE_TRY(moe_visit_scalar(v, "n_seen", MOE_I64, &f->n_seen));
  MOE_TRY(moe_schema_visit(&f->schema, v));
  MOE_TRY(moe_visit_labels(v, "classes", &f->labels));
  return moe_intake_visit(&f->intake, v);
}

/* ------------------------------------------------------- what a type can do */

/* Whether a parameter `frozen` names the child, or it is none to be trained. */
static bool is_frozen(const moe_object *o, const char *name,
                      const moe_object *child) {
  const moe_param *p = moe_type_find_param(o->type, "frozen");
  const moe_texts *frozen;
  if (p == NULL || p->kind != MOE_TEXTS) return false;
  if (moe_learner_type_of(child)->traits & MOE_TRAINED) return true;
  frozen = (const void *)((const char *)o->params + p->offset);
  for (size_t i = 0; i < frozen->n; i++)
    if (strcmp(frozen->items[i], name) == 0) return true;
  return false;
}

static bool is_learner(const char *family) {
  return strcmp(family, "learner") == 0 || strcmp(family, "gate") == 0;
}

/* What the object can do with its children, and the last of these (or NULL)
   that cannot learn row by row, though it would have to. */
typedef struct ability {
  const moe_object *parent;
  unsigned traits;
  const char *name;
  const moe_object *hindrance;
} ability;

static void add_child(ability *a, const char *name, const moe_object *child) {
  unsigned t = moe_learner_traits(child);
  a->traits |= t & MOE_HOST_ONLY;
  if ((t & MOE_ONLINE) || is_frozen(a->parent, name, child)) return;
  a->traits &= ~(unsigned)MOE_ONLINE;
  a->name = name;
  a->hindrance = child;
}

static ability find_ability(const moe_object *o) {
  ability a = {.parent = o, .traits = moe_learner_type_of(o)->traits};
  for (const moe_param *p = o->type->params; p->name != NULL; p++) {
    const void *field = (const char *)o->params + p->offset;
    const moe_children *c = field;
    if (p->kind == MOE_CALLBACK && *(const bool *)field)
      a.traits |= MOE_HOST_ONLY;
    if (p->family == NULL || !is_learner(p->family)) continue;
    if (p->kind == MOE_CHILD && *(moe_object *const *)field != NULL)
      add_child(&a, p->name, *(moe_object *const *)field);
    for (size_t i = 0; p->kind == MOE_CHILDREN && i < c->n; i++)
      add_child(&a, c->names[i], c->items[i]);
  }
  return a;
}

unsigned moe_learner_traits(const moe_object *o) {
  return find_ability(o).traits;
}

moe_status moe__check_online(moe_call *call, const moe_object *o) {
  ability a = find_ability(o);
  if (a.traits & MOE_ONLINE) return MOE_OK;
  if (a.hindrance == NULL)
    return moe_fail(call, MOE_ESTATE, "%s cannot learn row by row; use fit",
                    o->type->name);
  return moe_fail(call, MOE_ESTATE,
                  "%s cannot learn row by row, as '%.60s' (%s) cannot; use fit",
                  o->type->name, a.name, a.hindrance->type->name);
}

/* ---------------------------------------------------------- a new sequence */

static moe_status forget(moe_visitor *v, moe_object *o) {
  const moe_learner_type *type = moe_learner_type_of(o);
  if (is_learner(o->type->family) && type->forget_past != NULL &&
      o->state != NULL)
    type->forget_past(o);
  return moe_object_visit(o, v);
}

static moe_status forget_field(moe_visitor *v, const moe_field *f) {
  moe_object **child = f->at;
  const moe_children *children = f->at;
  if (f->kind == MOE_FIELD_CHILD && *child != NULL) MOE_TRY(forget(v, *child));
  for (size_t i = 0; f->kind == MOE_FIELD_CHILDREN && i < children->n; i++)
    MOE_TRY(forget(v, children->items[i]));
  return MOE_OK;
}

moe_status moe_learner_reset_state(moe_call *call, moe_object *o) {
  moe_visitor v = {forget_field};
  MOE_TRY(moe_object_check_idle(call, o, true));
  return forget(&v, o);
}

const moe_object *moe_learner_answering(const moe_object *o) {
  for (;;) {
    const moe_param *p = moe_type_find_param(o->type, "model");
    const moe_object *model = NULL;
    if (moe_learner_type_of(o)->choose_task != NULL) return o;
    bool gates = moe_learner_type_of(o)->traits & MOE_GATES;
    if (p != NULL && p->kind == MOE_CHILD && !gates)
      model = *(moe_object *const *)((const char *)o->params + p->offset);
    if (model == NULL) return o;
    o = model;
  }
}

moe_task moe_learner_task(const moe_object *o, bool labelled) {
  o = moe_learner_answering(o);
  unsigned traits = moe_learner_type_of(o)->traits;
  const moe_param *p = moe_type_find_param(o->type, "task");
  int choice = p != NULL ? *(const int *)((const char *)o->params + p->offset)
                         : MOE_TASK_AUTO;
  if (traits & MOE_GATES) return MOE_GATING;
  if (moe_learner_type_of(o)->choose_task != NULL)
    return moe_learner_type_of(o)->choose_task(o, labelled);
  if (!(traits & MOE_REGRESSES)) return MOE_CLASSIFICATION;
  if (!(traits & MOE_CLASSIFIES)) return MOE_REGRESSION;
  if (choice == MOE_TASK_AUTO)
    return labelled ? MOE_CLASSIFICATION : MOE_REGRESSION;
  return choice == MOE_TASK_CLASSIFICATION ? MOE_CLASSIFICATION
                                           : MOE_REGRESSION;
}

/* --------------------------------------------------------- refusing a batch */

static moe_status check_abilities(moe_call *call, const moe_object *o,
                                  const moe_batch *b) {
  unsigned traits = moe_learner_type_of(o)->traits;
  const char *name = o->type->name;
  static const struct {
    moe_task task;
    unsigned trait;
    const char *text;
  } needs[] = {{MOE_REGRESSION, MOE_REGRESSES, "predicts classes, not numbers"},
               {MOE_CLASSIFICATION, MOE_CLASSIFIES,
                "predicts numbers; the labels are strings or booleans"},
               {MOE_GATING, MOE_GATES, "is not a gate"}};
  for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
    if (b->y->task == needs[i].task && !(traits & needs[i].trait))
      return moe_fail(call, MOE_EDATA, "%s %s", name, needs[i].text);
  if (b->y->task == MOE_REGRESSION && b->y->width > 1 &&
      !(traits & MOE_MULTI_OUTPUT))
    return moe_fail(call, MOE_EDATA,
                    "%s predicts one number a row; the targets have %zu", name,
                    b->y->width);
  if (b->x.source == MOE_FROM_CSR && !(traits & MOE_TAKES_SPARSE))
    return moe_fail(call, MOE_EDATA, "%s does not take sparse data", name);
  return MOE_OK;
}

/* What the host's objects see is as it came; sparse rows have no columns of
   strings. */
static bool opens_intake(const moe_object *o, const moe_rows *x) {
  return x->source != MOE_FROM_CSR &&
         !(moe_learner_type_of(o)->traits & MOE_HOST_ONLY);
}

/* A column of strings may come as numbers where all are missing. */
static bool is_missing(const moe_rows *x, size_t j) {
  for (size_t i = 0; i < x->n; i++) {
    size_t at = moe_rows_at(x, i);
    double value = 0;
    if (x->source == MOE_FROM_COLUMNS)
      value = moe_rows_column(x, j)->numbers[at];
    else if (x->source == MOE_FROM_DOUBLES)
      value =
          x->doubles[at * x->stride + (x->map != NULL ? (size_t)x->map[j] : j)];
    if (value == value) return false;
  }
  return true;
}

/* A column of strings stays one, and a column of numbers too. */
static moe_status check_kinds(moe_call *call, const moe_intake *in,
                              const moe_rows *x) {
  for (size_t j = 0; j < in->n; j++) {
    bool nominal =
        x->source == MOE_FROM_COLUMNS && moe_rows_column(x, j)->numbers == NULL;
    char name[100];
    if (nominal == (in->nominal[j] != 0)) continue;
    if (!nominal && is_missing(x, j)) continue;
    moe_schema_print(x->schema, j, name, sizeof name);
    return moe_fail(call, MOE_EDATA, "%s held %s so far, and now holds %s",
                    name, in->nominal[j] ? "strings" : "numbers",
                    nominal ? "strings" : "numbers");
  }
  return MOE_OK;
}

static moe_status check_by_traits(moe_call *call, const moe_object *o,
                                  const moe_rows *x) {
  unsigned traits = moe_learner_type_of(o)->traits;
  if (x->source == MOE_FROM_COLUMNS && (traits & MOE_TAKES_NOMINAL))
    return MOE_OK;
  return moe_rows_check(call, x, traits & MOE_TAKES_MISSING);
}

moe_status moe__check_rows(moe_call *call, const moe_object *o,
                           const moe_rows *x) {
  const moe_fitted *f = o->state;
  if (f == NULL || !f->intake.open) return check_by_traits(call, o, x);
  MOE_TRY(check_kinds(call, &f->intake, x));
  return moe_rows_check_mixed(call, x);
}

/* Of a learner that begins anew. */
moe_status moe__check_first_rows(moe_call *call, const moe_object *o,
                                 const moe_rows *x, bool stream) {
  if (stream && opens_intake(o, x)) return moe_rows_check_mixed(call, x);
  return check_by_traits(call, o, x);
}

/* The usual: all rows of the source, or some one after the other. */
static bool are_finite_values(const moe_batch *b) {
  const moe_target *y = b->y;
  return y->task == MOE_REGRESSION && b->x.pick == NULL &&
         b->x.origin + b->x.n <= y->n &&
         moe_is_finite(y->values + b->x.origin * y->width, b->x.n * y->width);
}

static moe_status check_targets(moe_call *call, const moe_batch *b) {
  if (are_finite_values(b)) return MOE_OK;
  for (size_t i = 0; i < b->x.n; i++) {
    size_t at = moe_rows_at(&b->x, i);
    if (at >= b->y->n)
      return moe_fail(call, MOE_EARG, "X has more rows than y: y ends at %zu",
                      b->y->n);
    for (size_t k = 0; b->y->task == MOE_REGRESSION && k < b->y->width; k++)
      if (!isfinite(b->y->values[at * b->y->width + k]))
        return moe_fail(
            call, MOE_EDATA, "y[%zu] is %s", at + 1,
            isnan(b->y->values[at * b->y->width + k]) ? "NaN" : "infinite");
  }
  return MOE_OK;
}

static moe_status check_weights(moe_call *call, const moe_batch *b,
                                bool begun) {
  double total = 0;
  for (size_t i = 0; i < b->x.n; i++) {
    double w = moe_batch_weight(b, i);
    if (!(w >= 0) || isinf(w))
      return moe_fail(call, MOE_EDATA,
                      "weights[%zu] must be a number of at least 0, got %g",
                      moe_rows_at(&b->x, i) + 1, w);
    total += w;
  }
  if ((total > 0 || begun) && isfinite(total)) return MOE_OK;
  return moe_fail(call, MOE_EDATA, "the weights of the %zu rows sum to %g",
                  b->x.n, total);
}

moe_status moe__check_batch(moe_call *call, const moe_object *o,
                            const moe_batch *b, bool begun) {
  if (b->x.n == 0 || b->x.d == 0)
    return moe_fail(call, MOE_EDATA,
                    "%s needs data: X is %zu rows × %zu columns", o->type->name,
                    b->x.n, b->x.d);
  MOE_TRY(check_abilities(call, o, b));
  MOE_TRY(check_targets(call, b));
  if (b->weight != NULL) return check_weights(call, b, begun);
  return MOE_OK;
}

/* ------------------------------------------------------------------ fitting */

moe_status moe__new_fitted(moe_call *call, const moe_object *o,
                           const moe_batch *b, bool stream, moe_fitted *f) {
  const moe_schema unnamed = {.n = b->x.d};
  unsigned traits = moe_learner_type_of(o)->traits;
  f->task = b->y->task;
  f->n_outputs = b->y->width;
  if (stream && opens_intake(o, &b->x))
    MOE_TRY(moe_intake_open(call, &f->intake, &b->x, traits & MOE_TAKES_MISSING,
                            traits & MOE_TAKES_NOMINAL));
  f->n_features = f->intake.open ? moe_intake_width(&f->intake) : b->x.d;
  if (b->y->task == MOE_GATING && b->y->labels != NULL)
    MOE_TRY(moe_labels_copy(call, b->y->labels, &f->labels));
  return moe_schema_copy(call, b->x.schema != NULL ? b->x.schema : &unnamed,
                         &f->schema);
}

/* The classes that occur in the batch become the state's labels, in order, and
   job->ids index them. */
static moe_status compact_classes(moe_call *call, moe_job *job) {
  const moe_labels *all = job->batch.y->labels;
  moe_fitted *f = job->state;
  int32_t *place;
  size_t n = 0;
  MOE_SCRATCH(call, place, all->n);
  for (size_t i = 0; i < job->batch.x.n; i++)
    place[job->batch.y->ids[moe_rows_at(&job->batch.x, i)]] = 1;
  MOE_TRY(moe_new_array(call, &f->labels.items, all->n, sizeof(moe_label)));
  for (size_t c = 0; c < all->n; c++) {
    moe_value value = moe_label_value(&all->items[c]);
    if (place[c] == 0) continue;
    place[c] = (int32_t)n;
    f->labels.n = n + 1;
    MOE_TRY(moe_label_new(call, &value, &f->labels.items[n++]));
  }
  f->n_outputs = n;
  MOE_TRY(moe_new_array(call, &job->ids, job->batch.y->n, sizeof *job->ids));
  for (size_t i = 0; i < job->batch.x.n; i++) {
    size_t at = moe_rows_at(&job->batch.x, i);
    job->ids[at] = place[job->batch.y->ids[at]];
  }
  return MOE_OK;
}

static bool is_stream(const moe_object *o) {
  return moe_learner_type_of(o)->begin == moe_stream_begin;
}

static moe_status fill_job(moe_call *call, moe_job *job,
                           const moe_batch *batch) {
  const moe_learner_type *type = moe_learner_type_of(job->object);
  moe_fitted *f;
  job->batch = *batch;
  MOE_TRY(moe_state_new(call, &type->type, &job->state));
  f = job->state;
  MOE_TRY(moe__new_fitted(call, job->object, batch, is_stream(job->object), f));
  if (batch->y->task == MOE_CLASSIFICATION) MOE_TRY(compact_classes(call, job));
  job->target = *batch->y;
  if (job->ids != NULL) {
    job->target.ids = job->ids;
    job->target.labels = &f->labels;
  }
  job->batch.y = &job->target;
  f->n_seen = (int64_t)batch->x.n;
  MOE_TRY(moe_new_array(call, &job->work, 1, type->job_size));
  return type->begin(call, job);
}

moe_status moe_job_begin(moe_call *call, moe_object *o, const moe_batch *batch,
                         moe_job **out) {
  moe_job *job;
  *out = NULL;
  if (moe_learner_type_of(o)->begin == NULL)
    return moe_fail(call, MOE_ESTATE,
                    "%s stays as another program trained it; "
                    "moe.experts.import(path) reads the model",
                    o->type->name);
  if (moe_object_is_fitting(o))
    return moe_fail(call, MOE_EBUSY, "the %s is being fitted already",
                    o->type->name);
  MOE_TRY(moe__check_batch(call, o, batch, false));
  MOE_TRY(moe__check_first_rows(call, o, &batch->x, is_stream(o)));
  MOE_TRY(moe_new_array(call, &job, 1, sizeof *job));
  job->object = moe_object_retain(o);
  moe_object_mark_alone(o, true);
  moe_status status = fill_job(call, job, batch);
  if (status != MOE_OK) {
    moe_job_end(job);
    return status;
  }
  *out = job;
  return MOE_OK;
}

moe_status moe_job_step(moe_call *call, moe_job *job) {
  if (job->done) return MOE_OK;
  MOE_TRY(moe_learner_type_of(job->object)->step(call, job));
  if (job->done) job->usable = true;
  return job->done ? MOE_OK : moe_call_check(call);
}

moe_status moe_job_publish(moe_call *call, moe_job *job) {
  const moe_type *type = job->object->type;
  void *copy;
  MOE_TRY(moe_state_clone(call, type, job->state, &copy));
  moe_state_free(type, moe_object_swap_state(job->object, copy));
  return MOE_OK;
}

/* Of a job that goes on. */
static moe_status commit_copy(moe_call *call, moe_job *job) {
  const moe_learner_type *type = moe_learner_type_of(job->object);
  if (type->publish != NULL) return type->publish(call, job);
  if (type->commit != NULL) type->commit(job);
  return moe_job_publish(call, job);
}

moe_status moe_job_commit(moe_call *call, moe_job *job) {
  const moe_learner_type *type = moe_learner_type_of(job->object);
  if (!job->usable)
    return moe_fail(call, MOE_ESTATE, "%s: nothing usable has been fitted yet",
                    type->type.name);
  MOE_TRY(moe_object_check_idle(call, job->object, false));
  if (!job->done) return commit_copy(call, job);
  if (type->commit != NULL) type->commit(job);
  job->state = moe_object_swap_state(job->object, job->state);
  return MOE_OK;
}

void moe_job_end(moe_job *job) {
  const moe_learner_type *type;
  if (job == NULL) return;
  type = moe_learner_type_of(job->object);
  if (job->work != NULL && type->end != NULL) type->end(job);
  moe_state_free(&type->type, job->state);
  moe_free(job->work);
  moe_free(job->ids);
  for (size_t i = 0; i < job->n_notes; i++) moe_free(job->notes[i]);
  moe_free(job->notes);
  for (size_t i = 0; i < job->n_series; i++) moe_free(job->series[i].values);
  moe_free(job->series);
  moe_object_mark_alone(job->object, false);
  moe_object_release(job->object);
  moe_free(job);
}

void moe_job_note(moe_job *job, const char *format, ...) {
  char text[240];
  va_list arguments;
  char **notes = moe_resize(job->notes, job->n_notes + 1, sizeof *notes);
  if (notes == NULL) return;
  job->notes = notes;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  notes[job->n_notes] = moe_copy_text(text);
  if (notes[job->n_notes] != NULL) job->n_notes++;
}

/* The series of that name, made if there is none; NULL when memory is short. */
static moe_series *find_series(moe_job *job, const char *name) {
  for (size_t i = 0; i < job->n_series; i++)
    if (strcmp(job->series[i].name, name) == 0) return &job->series[i];
  moe_series *series =
      moe_resize(job->series, job->n_series + 1, sizeof *series);
  if (series == NULL) return NULL;
  job->series = series;
  series[job->n_series] = (moe_series){.name = name};
  return &series[job->n_series++];
}

void moe_job_record(moe_job *job, const char *name, double value) {
  moe_series *t = find_series(job, name);
  if (t == NULL) return;
  if (t->n == t->room) {
    size_t room = 2 * t->room + 8;
    double *values = moe_resize(t->values, room, sizeof *values);
    if (values == NULL) return;
    t->values = values;
    t->room = room;
  }
  t->values[t->n++] = value;
}

void moe_job_forget(moe_job *job, const char *name) {
  for (size_t i = 0; i < job->n_series; i++)
    if (strcmp(job->series[i].name, name) == 0) job->series[i].n = 0;
}

void moe_job_adopt(moe_job *job, const moe_job *part) {
  for (size_t i = 0; i < part->n_notes; i++)
    moe_job_note(job, "%s", part->notes[i]);
  for (size_t i = 0; i < part->n_series; i++) {
    moe_job_forget(job, part->series[i].name);
    for (size_t k = 0; k < part->series[i].n; k++)
      moe_job_record(job, part->series[i].name, part->series[i].values[k]);
  }
}

/* What the host's objects know of classes is theirs to match. */
static bool needs_same_classes(const moe_job *job) {
  const moe_fitted *f = job->state;
  return f->task != MOE_CLASSIFICATION ||
         !(moe_learner_type_of(job->object)->traits & MOE_HOST_ONLY);
}

bool moe_job_warm(moe_job *job) {
  const moe_fitted *old = job->object->state, *new = job->state;
  if (old == NULL || old->task != new->task ||
      old->n_features != new->n_features)
    return false;
  if (!needs_same_classes(job)) return job->warm = true;
  if (old->n_outputs != new->n_outputs || old->labels.n != new->labels.n)
    return false;
  for (size_t k = 0; k < old->labels.n; k++)
    if (moe_label_compare(&old->labels.items[k], &new->labels.items[k]) != 0)
      return false;
  job->warm = true;
  return true;
}

moe_status moe_learner_fit(moe_call *call, moe_object *o,
                           const moe_batch *batch) {
  moe_job *job;
  moe_status status = moe_job_begin(call, o, batch, &job);
  while (status == MOE_OK && !job->done) status = moe_job_step(call, job);
  if (status == MOE_OK) status = moe_job_commit(call, job);
  moe_job_end(job);
  return status;
}
