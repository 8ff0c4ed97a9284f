/* Classes by any model of numbers that learns row by row: a clone of it for
   each class learns +1 where the class is and −1 where it is not (one for both
   of two classes), and the answers f become probabilities: normalise   (1 + f)
   / 2, kept within (0, 1), over their sum softmax     softmax(t f), with the
   temperature t learned beside them Rifkin & Klautau 2004 (JMLR 5) on why this
   is as good as any other way. */
#include <stdio.h>
#include <string.h>

#include "learner.h"
#include "temperature.h"
#include "vector.h"

enum { NORMALISE, SOFTMAX };
static const char *const combine_choices[] = {"normalise", "softmax", NULL};

/* The least probability before they are normalised. */
#define LEAST 1e-3

typedef struct one_vs_rest_params {
  moe_object *model;
  int combine;
} one_vs_rest_params;

/* Of up to two classes there is one head; `positive` is the class that is +1 to
   it.  Of more there is one a class; to that of class `negative`, which was
   cloned from the other's, its class is −1. */
typedef struct one_vs_rest {
  moe_fitted fitted;
  moe_children heads;
  int32_t positive, negative;
  moe_temperature temperature;
  double *scores; /* derived: what heads said, f, and what it makes */
} one_vs_rest;

typedef struct one_vs_rest_work {
  moe_batch batch;
  moe_target target;
  double *values; /* one a source row: of the head in hand */
  moe_job *job;   /* its own */
} one_vs_rest_work;

static const moe_param params[] = {
    MOE_P_CHILD(one_vs_rest_params, model, MOE_CHILD, "learner", MOE_OPTIONAL,
                "what predicts numbers and is cloned for each class"),
    MOE_P_CHOICE(one_vs_rest_params, combine, SOFTMAX, combine_choices,
                 "how answers become probabilities: shares of them, or a "
                 "softmax whose temperature is learned row by row"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  one_vs_rest *o = state;
  MOE_TRY(moe_fitted_visit(&o->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "positive", MOE_I32, &o->positive));
  MOE_TRY(moe_visit_scalar(v, "negative", MOE_I32, &o->negative));
  MOE_TRY(moe_temperature_visit(&o->temperature, v));
  MOE_TRY(moe_visit_children(v, "heads", &o->heads));
  return moe_visit_derived(v, "scores", MOE_F64, &o->scores,
                           3 * o->fitted.n_outputs);
}

static moe_task choose_task(const moe_object *o, bool labelled) {
  (void)o;
  (void)labelled;
  return MOE_CLASSIFICATION;
}

/* ---------------------------------------------------------------------- heads
   They see what the intake lets through: numbers, none missing. */

static size_t count_heads(size_t classes) { return classes < 3 ? 1 : classes; }

static double sign_of(const one_vs_rest *o, size_t class) {
  if (o->heads.n == 1) return (int32_t) class == o->positive ? 1 : -1;
  return (int32_t) class == o->negative ? -1 : 1;
}

static moe_status check_model(moe_call *call, const moe_object *model) {
  if (model == NULL)
    return moe_fail(call, MOE_EPARAM, "one_vs_rest: it has no model");
  unsigned traits = moe_learner_traits(model);
  if (!(traits & MOE_REGRESSES))
    return moe_fail(call, MOE_EPARAM,
                    "one_vs_rest: 'model' must predict numbers; %s does not",
                    model->type->name);
  if (traits & MOE_HOST_ONLY)
    return moe_fail(call, MOE_EPARAM,
                    "one_vs_rest: 'model' cannot be written in the host's "
                    "language");
  return MOE_OK;
}

/* A clone of the model that has learned nothing. */
static moe_status new_head(moe_call *call, const moe_object *model,
                           moe_object **out) {
  MOE_TRY(check_model(call, model));
  MOE_TRY(moe_object_clone(call, model, out));
  return moe_object_reset(call, *out);
}

static moe_status open_head(moe_call *call, const one_vs_rest *o,
                            const moe_object *model, moe_object **out) {
  const moe_fitted own = {.schema = {.n = o->fitted.n_features},
                          .n_features = o->fitted.n_features};
  *out = NULL;
  MOE_TRY(new_head(call, model, out));
  moe_status status =
      moe__open_child(call, *out, &own, MOE_REGRESSION, 1, NULL);
  if (status == MOE_OK) return MOE_OK;
  moe_object_release(*out);
  *out = NULL;
  return status;
}

/* Room for n heads by their numbers; the new ones are still NULL. */
static moe_status reserve_heads(moe_call *call, moe_children *c, size_t n) {
  char **names = moe_resize(c->names, n, sizeof *names);
  if (names != NULL) c->names = names;
  moe_object **items = moe_resize(c->items, n, sizeof *items);
  if (items != NULL) c->items = items;
  c->numbered = true;
  for (; names != NULL && items != NULL && c->n < n; c->n++) {
    char number[24];
    snprintf(number, sizeof number, "%zu", c->n + 1);
    items[c->n] = NULL;
    names[c->n] = moe_copy_text(number);
    if (names[c->n] == NULL) break;
  }
  if (c->n == n) return MOE_OK;
  return moe_fail(call, MOE_ENOMEM, "not enough memory for a class");
}

/* Gives up the heads from the n-th on. */
static void drop_heads(moe_children *c, size_t n) {
  while (c->n > n) {
    c->n--;
    moe_free(c->names[c->n]);
    moe_object_release(c->items[c->n]);
  }
}

/* The head of two classes becomes that of each. */
static moe_status part_head(moe_call *call, one_vs_rest *o) {
  moe_object *twin;
  MOE_TRY(moe_object_clone(call, o->heads.items[0], &twin));
  moe_status status = reserve_heads(call, &o->heads, 2);
  if (status != MOE_OK) {
    moe_object_release(twin);
    drop_heads(&o->heads, 1);
    return status;
  }
  o->heads.items[1] = twin;
  o->negative = 1 - o->positive;
  return MOE_OK;
}

static void insert_head(one_vs_rest *o, moe_object *head, size_t position) {
  moe_object **at = o->heads.items + position;
  memmove(at + 1, at, (o->heads.n - 1 - position) * sizeof(moe_object *));
  *at = head;
  if (o->negative >= (int32_t)position) o->negative++;
}

static moe_status add_first(moe_call *call, const moe_object *o) {
  const one_vs_rest_params *p = o->params;
  one_vs_rest *state = o->state;
  moe_object *head;
  MOE_TRY(open_head(call, state, p->model, &head));
  moe_status status = reserve_heads(call, &state->heads, 1);
  if (status == MOE_OK) {
    state->heads.items[0] = head;
    return MOE_OK;
  }
  drop_heads(&state->heads, 0);
  moe_object_release(head);
  return status;
}

/* For the third class, of those known before, and each that follows. */
static moe_status add_later(moe_call *call, const moe_object *o,
                            size_t position) {
  const one_vs_rest_params *p = o->params;
  one_vs_rest *state = o->state;
  size_t classes = state->fitted.n_outputs;
  moe_object *head;
  if (state->heads.n < classes) MOE_TRY(part_head(call, state));
  MOE_TRY(open_head(call, state, p->model, &head));
  moe_status status = reserve_heads(call, &state->heads, classes + 1);
  if (status == MOE_OK) {
    insert_head(state, head, position);
    return MOE_OK;
  }
  drop_heads(&state->heads, classes);
  moe_object_release(head);
  return status;
}

static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  one_vs_rest *state = o->state;
  size_t classes = state->fitted.n_outputs;
  moe_free(state->scores);
  state->scores = NULL;
  if (classes == 0) state->negative = -1;
  if (classes == 0) return add_first(call, o);
  if (classes > 1) return add_later(call, o, position);
  if (state->positive >= (int32_t)position) state->positive++;
  return MOE_OK;
}

/* -------------------------------------------------------------------- answers
 */

/* From the heads' answers, in the same place, each class's f. */
static void spread(const one_vs_rest *o, double *f) {
  size_t m = o->fitted.n_outputs;
  if (o->heads.n == 1) {
    double one = f[0];
    for (size_t c = 0; c < m; c++) f[c] = sign_of(o, c) * one;
  } else if (o->negative >= 0) {
    f[o->negative] = -f[o->negative];
  }
}

static void combine(const moe_object *object, double *f) {
  const one_vs_rest_params *p = object->params;
  const one_vs_rest *o = object->state;
  size_t m = o->fitted.n_outputs;
  if (p->combine == SOFTMAX) {
    moe_temperature_apply(&o->temperature, f, m);
    return;
  }
  for (size_t c = 0; c < m; c++) {
    double share = (1 + f[c]) / 2;
    f[c] = share > LEAST ? share < 1 - LEAST ? share : 1 - LEAST : LEAST;
  }
  moe_normalise(f, 1, m);
}

static moe_status ask_heads(moe_call *call, const one_vs_rest *o,
                            const double *x, double *out) {
  const moe_example s = {.x = x};
  for (size_t h = 0; h < o->heads.n; h++)
    MOE_TRY(moe__predict_one(call, o->heads.items[h], &s, &out[h]));
  return MOE_OK;
}

static moe_status predict_one(moe_call *call, const moe_object *object,
                              const double *x, double *out) {
  const one_vs_rest *o = object->state;
  MOE_TRY(ask_heads(call, o, x, out));
  spread(o, out);
  combine(object, out);
  return MOE_OK;
}

/* ------------------------------------------------------------------- learning
 */

static double target_of(const one_vs_rest *o, size_t head, int32_t class) {
  if (o->heads.n == 1) return class == o->positive ? 1 : -1;
  return sign_of(o, head) * ((size_t) class == head ? 1 : -1);
}

static moe_status teach_heads(moe_call *call, one_vs_rest *o,
                              const moe_example *s, const double *said) {
  for (size_t h = 0; h < o->heads.n; h++) {
    double target = target_of(o, h, s->id);
    moe_example own = {
        .x = s->x, .y = &target, .weight = s->weight, .answer = &said[h]};
    MOE_TRY(moe__learn_one(call, o->heads.items[h], &own));
  }
  return MOE_OK;
}

/* The state may have been loaded, or got a class. */
static moe_status learn_one(moe_call *call, moe_object *object,
                            const moe_example *s) {
  const one_vs_rest_params *params_of = object->params;
  one_vs_rest *o = object->state;
  size_t m = o->fitted.n_outputs;
  if (o->scores == NULL)
    MOE_TRY(moe_new_array(call, &o->scores, 3 * m, sizeof *o->scores));
  double *said = o->scores, *f = said + m, *p = f + m;
  MOE_TRY(ask_heads(call, o, s->x, said));
  if (params_of->combine == SOFTMAX) {
    memcpy(f, said, m * sizeof *f);
    spread(o, f);
    memcpy(p, s->answer != NULL ? s->answer : f, m * sizeof *p);
    if (s->answer == NULL) combine(object, p);
    moe_temperature_learn(&o->temperature, f, p, m, (size_t)s->id, s->weight);
  }
  return teach_heads(call, o, s, said);
}

static moe_status advance(moe_call *call, moe_object *object,
                          const moe_example *s) {
  one_vs_rest *o = object->state;
  for (size_t h = 0; h < o->heads.n; h++) {
    double target = s->id >= 0 ? target_of(o, h, s->id) : 0;
    moe_example own = {.x = s->x, .y = s->id >= 0 ? &target : NULL, .id = -1};
    MOE_TRY(moe__advance(call, o->heads.items[h], &own));
  }
  return MOE_OK;
}

static size_t context_window(const moe_object *object) {
  const one_vs_rest_params *p = object->params;
  const one_vs_rest *o = object->state;
  if (o != NULL && o->heads.n > 0)
    return moe_learner_context_window(o->heads.items[0]);
  return p->model != NULL ? moe_learner_context_window(p->model) : 1;
}

/* ------------------------------------------------------------------- fitting
   The heads one after the other, each by the model's own fit. */

static moe_status begin(moe_call *call, moe_job *job) {
  const one_vs_rest_params *p = job->object->params;
  one_vs_rest *o = job->state;
  one_vs_rest_work *w = job->work;
  MOE_TRY(check_model(call, p->model));
  o->positive = (int32_t)o->fitted.n_outputs - 1;
  o->negative = -1;
  w->target =
      (moe_target){.task = MOE_REGRESSION, .n = job->batch.y->n, .width = 1};
  w->batch = job->batch;
  w->batch.y = &w->target;
  w->batch.subset = NULL;
  MOE_TRY(moe_new_array(call, &w->values, w->target.n, sizeof *w->values));
  w->target.values = w->values;
  return reserve_heads(call, &o->heads, count_heads(o->fitted.n_outputs));
}

static moe_status begin_head(moe_call *call, moe_job *job, size_t h) {
  const one_vs_rest_params *p = job->object->params;
  one_vs_rest *o = job->state;
  one_vs_rest_work *w = job->work;
  MOE_TRY(new_head(call, p->model, &o->heads.items[h]));
  for (size_t i = 0; i < job->batch.x.n; i++) {
    size_t at = moe_rows_at(&job->batch.x, i);
    w->values[at] = target_of(o, h, job->batch.y->ids[at]);
  }
  return moe_job_begin(call, o->heads.items[h], &w->batch, &w->job);
}

static moe_status end_head(moe_call *call, moe_job *job) {
  one_vs_rest_work *w = job->work;
  MOE_TRY(moe_job_commit(call, w->job));
  moe_job_adopt(job, w->job);
  moe_job_end(w->job);
  w->job = NULL;
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  one_vs_rest *o = job->state;
  one_vs_rest_work *w = job->work;
  do {
    size_t h = 0;
    while (h < o->heads.n && o->heads.items[h] != NULL) h++;
    if (w->job == NULL && h == o->heads.n) {
      job->done = true;
      return MOE_OK;
    }
    if (w->job == NULL) MOE_TRY(begin_head(call, job, h));
    MOE_TRY(moe_job_step(call, w->job));
    if (w->job->done) MOE_TRY(end_head(call, job));
  } while (!moe_call_pausing(call));
  return MOE_OK;
}

static void end(moe_job *job) {
  one_vs_rest_work *w = job->work;
  moe_job_end(w->job);
  moe_free(w->values);
}

/* ----------------------------------------------------------------------- file
 */

static bool is_head(const one_vs_rest *o, const moe_object *model,
                    const moe_object *head) {
  const moe_fitted *f = head->state;
  return head->type == model->type && f != NULL && f->task == MOE_REGRESSION &&
         f->n_outputs == 1 && f->schema.n == o->fitted.n_features;
}

static moe_status check(moe_call *call, const moe_object *object) {
  const one_vs_rest_params *p = object->params;
  const one_vs_rest *o = object->state;
  size_t m = o->fitted.n_outputs, n = o->heads.n;
  bool sound = p->model != NULL && moe_temperature_is_sound(&o->temperature) &&
               (n == count_heads(m) || (n == 2 && m == 2)) &&
               o->positive >= 0 && (size_t)o->positive < m &&
               o->negative >= -1 && o->negative < (int32_t)m;
  for (size_t h = 0; sound && h < n; h++)
    sound = is_head(o, p->model, o->heads.items[h]);
  if (sound) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "one_vs_rest: its heads do not fit its model and classes");
}

const moe_learner_type moe_one_vs_rest = {
    .type = {.name = "one_vs_rest",
             .family = "learner",
             .doc = "Classes by any model of numbers that learns row by row, "
                    "cloned for each class.",
             .params_size = sizeof(one_vs_rest_params),
             .state_size = sizeof(one_vs_rest),
             .params = params,
             .visit = visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_ONLINE,
    .job_size = sizeof(one_vs_rest_work),
    .choose_task = choose_task,
    .begin = begin,
    .step = step,
    .end = end,
    .learn = moe_stream_learn,
    .learn_one = learn_one,
    .advance = advance,
    .context_window = context_window,
    .add_class = add_class,
    .predict = moe_stream_predict,
    .predict_one = predict_one};
