/* Transforms, one after the other, and the learner that sees what they make:
   fitted as one, so that the transforms learn from training rows alone, and
   saved as one.  Everything is learned aside, and takes its place on commit. */
#include <string.h>

#include "learner.h"
#include "transform.h"

enum { BLOCK = 4096 }; /* rows transformed at a time by predict */

typedef struct pipeline_params {
  int64_t seed;
  moe_children steps;
  moe_object *model;
} pipeline_params;

typedef struct pipeline_work {
  size_t n_steps;
  size_t next; /* part of the work: fit step 0, apply it, fit step 1, … */
  int32_t *counted; /* rows of the batch with a weight above 0; NULL: all */
  int32_t *sources; /* the same, as rows of the batch's source */
  size_t n_counted;
  void **states;   /* what each step learned; after the commit, what it was */
  moe_frame frame; /* the training rows as transformed so far */
  moe_frame made;  /* and as the step in hand transforms them … */
  size_t row;      /* … from this row on */
  moe_transform_job fitting; /* of the step in hand */
  moe_batch batch;           /* those, for the model */
  moe_target target;         /* of the frame's rows */
  void *copies[5];           /* what is in batch and target */
  size_t n_copies;
  moe_job *job;  /* the model's */
  int64_t *lent; /* the model's seed, which it has for this job only */
  bool marked;   /* the steps, as being fitted */
} pipeline_work;

static const moe_param params[] = {
    MOE_P_CHILD(pipeline_params, steps, MOE_CHILDREN, "transform", MOE_OPTIONAL,
                "the transforms, in order"),
    MOE_P_CHILD(pipeline_params, model, MOE_CHILD, "learner", MOE_OPTIONAL,
                "the learner that is fitted to what they make"),
    MOE_P_SEED(pipeline_params),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  return moe_fitted_visit(state, v);
}

static const moe_shaped *shape_of(const void *transform_state) {
  return transform_state;
}

/* ---------------------------------------------------------------- beginning */

/* Transforms know no weights, but a row of weight 0 is as if it were not there,
   for them too. */
static moe_status count_rows(moe_call *call, moe_job *job) {
  const moe_batch *b = &job->batch;
  pipeline_work *w = job->work;
  if (b->weight == NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, &w->counted, b->x.n, sizeof *w->counted));
  MOE_TRY(moe_new_array(call, &w->sources, b->x.n, sizeof *w->sources));
  for (size_t i = 0; i < b->x.n; i++) {
    if (moe_batch_weight(b, i) <= 0) continue;
    w->sources[w->n_counted] = (int32_t)moe_rows_at(&b->x, i);
    w->counted[w->n_counted++] = (int32_t)i;
  }
  return MOE_OK;
}

static moe_status begin(moe_call *call, moe_job *job) {
  const pipeline_params *p = job->object->params;
  pipeline_work *w = job->work;
  if (p->model == NULL)
    return moe_fail(call, MOE_EPARAM, "pipeline: it has no model");
  MOE_TRY(moe_object_check_idle(call, p->model, true));
  for (size_t k = 0; k < p->steps.n; k++)
    MOE_TRY(moe_object_check_idle(call, p->steps.items[k], true));
  MOE_TRY(count_rows(call, job));
  MOE_TRY(moe_new_array(call, &w->states, p->steps.n, sizeof *w->states));
  w->n_steps = p->steps.n;
  for (size_t k = 0; k < p->steps.n; k++)
    moe_object_mark_fitting(p->steps.items[k], true);
  w->marked = true;
  return MOE_OK;
}

/* A model without a seed draws it from the pipeline's. */
static void lend_seed(const moe_job *job) {
  const pipeline_params *p = job->object->params;
  const moe_param *seed = moe_type_find_param(p->model->type, "seed");
  pipeline_work *w = job->work;
  int64_t *field;
  if (seed == NULL || seed->kind != MOE_INT) return;
  field = (int64_t *)(void *)((char *)p->model->params + seed->offset);
  if (*field != MOE_NO_INT) return;
  *field = (int64_t)moe_seed_of(p->seed == MOE_NO_INT ? 0 : (uint64_t)p->seed,
                                "model");
  w->lent = field;
}

/* Of an array with an item of `size` bytes for each source row, the items of
   the batch's rows; NULL of NULL. */
static moe_status copy_items(moe_call *call, moe_job *job, const void *items,
                             size_t size, void *out) {
  const moe_rows *x = &job->batch.x;
  pipeline_work *w = job->work;
  char *copy;
  if (items == NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, &copy, x->n, size));
  w->copies[w->n_copies++] = copy;
  for (size_t i = 0; i < x->n; i++)
    memcpy(copy + i * size, (const char *)items + moe_rows_at(x, i) * size,
           size);
  memcpy(out, &copy, sizeof copy);
  return MOE_OK;
}

/* The frame's rows are counted from 0, whatever rows they were of the source;
   targets and weights follow them. */
static moe_status copy_batch(moe_call *call, moe_job *job) {
  const moe_batch *b = &job->batch;
  pipeline_work *w = job->work;
  moe_target *y = &w->target;
  size_t last = w->n_steps - 1;
  w->batch.x = moe_frame_rows(&w->frame, &shape_of(w->states[last])->output);
  w->batch.y = y;
  y->n = b->x.n;
  MOE_TRY(copy_items(call, job, b->y->ids, sizeof *y->ids, &y->ids));
  MOE_TRY(copy_items(call, job, b->y->values,
                     moe_size(b->y->width, sizeof *y->values), &y->values));
  MOE_TRY(copy_items(call, job, b->weight, sizeof(double), &w->batch.weight));
  MOE_TRY(copy_items(call, job, b->group, sizeof(int32_t), &w->batch.group));
  return copy_items(call, job, b->subset, sizeof(int32_t), &w->batch.subset);
}

/* ------------------------------------------------------------------ working */

static moe_status begin_model(moe_call *call, moe_job *job) {
  const pipeline_params *p = job->object->params;
  pipeline_work *w = job->work;
  w->batch = job->batch;
  w->target = *job->batch.y;
  if (w->n_steps > 0) MOE_TRY(copy_batch(call, job));
  lend_seed(job);
  return moe_job_begin(call, p->model, &w->batch, &w->job);
}

static moe_status step_model(moe_call *call, moe_job *job) {
  pipeline_work *w = job->work;
  MOE_TRY(moe_job_step(call, w->job));
  job->usable = w->job->usable;
  job->done = w->job->done;
  return MOE_OK;
}

/* The rows that step k is fitted on or applied to. */
static moe_rows rows_of(const moe_job *job, size_t k, bool fitting) {
  const pipeline_work *w = job->work;
  moe_rows x =
      k == 0 ? job->batch.x
             : moe_frame_rows(&w->frame, &shape_of(w->states[k - 1])->output);
  if (!fitting || w->counted == NULL) return x;
  x.pick = k == 0 ? w->sources : w->counted;
  x.origin = 0;
  x.n = w->n_counted;
  return x;
}

static moe_status fit_step(moe_call *call, moe_job *job, size_t k) {
  const pipeline_params *p = job->object->params;
  pipeline_work *w = job->work;
  moe_rows x = rows_of(job, k, true);
  if (w->fitting.object == NULL)
    MOE_TRY(moe_transform_begin(call, p->steps.items[k], &x, &w->fitting));
  MOE_TRY(moe_transform_step(call, &w->fitting));
  if (!w->fitting.done) return MOE_OK;
  w->states[k] = w->fitting.state;
  w->fitting.state = NULL;
  moe_transform_end(&w->fitting);
  w->next++;
  return MOE_OK;
}

static moe_status apply_step(moe_call *call, moe_job *job, size_t k) {
  const pipeline_params *p = job->object->params;
  pipeline_work *w = job->work;
  moe_rows x = rows_of(job, k, false);
  MOE_TRY(moe_transform_go_on(call, p->steps.items[k], w->states[k], &x,
                              &w->row, &w->made));
  if (w->row < x.n) return MOE_OK;
  moe_frame_free(&w->frame);
  w->frame = w->made;
  w->made = (moe_frame){0};
  w->row = 0;
  w->next++;
  return MOE_OK;
}

/* Goes on with the step that is next: fits it, or applies it. */
static moe_status run_step(moe_call *call, moe_job *job) {
  const pipeline_work *w = job->work;
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_TRY((w->next % 2 == 0 ? fit_step : apply_step)(call, job, w->next / 2));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  pipeline_work *w = job->work;
  do {
    if (w->next < 2 * w->n_steps)
      MOE_TRY(run_step(call, job));
    else if (w->job == NULL)
      MOE_TRY(begin_model(call, job));
    else
      MOE_TRY(step_model(call, job));
  } while (!job->done && !moe_call_pausing(call));
  return MOE_OK;
}

/* The model's commit cannot fail: its job is usable, and that nobody uses the
   pipeline or a part of it has just been seen. */
static void commit(moe_job *job) {
  const pipeline_params *p = job->object->params;
  pipeline_work *w = job->work;
  moe_call call;
  moe_call_init(&call, NULL, 1);
  moe_job_commit(&call, w->job);
  moe_call_end(&call);
  for (size_t k = 0; k < w->n_steps; k++)
    w->states[k] = moe_object_swap_state(p->steps.items[k], w->states[k]);
  moe_job_adopt(job, w->job);
}

/* Copies of the steps' states and of the pipeline's own, and what its model's
   job publishes; the copies give way to what they replace. */
static moe_status publish_copies(moe_call *call, moe_job *job, void **copies) {
  const pipeline_params *p = job->object->params;
  pipeline_work *w = job->work;
  for (size_t k = 0; k < w->n_steps; k++)
    MOE_TRY(moe_state_clone(call, p->steps.items[k]->type, w->states[k],
                            &copies[k]));
  MOE_TRY(moe_state_clone(call, job->object->type, job->state,
                          &copies[w->n_steps]));
  MOE_TRY(moe_job_commit(call, w->job));
  for (size_t k = 0; k < w->n_steps; k++)
    copies[k] = moe_object_swap_state(p->steps.items[k], copies[k]);
  copies[w->n_steps] = moe_object_swap_state(job->object, copies[w->n_steps]);
  return MOE_OK;
}

static moe_status publish(moe_call *call, moe_job *job) {
  const pipeline_params *p = job->object->params;
  const pipeline_work *w = job->work;
  moe_scratch_mark mark = moe_scratch_now(call);
  void **copies;
  MOE_SCRATCH(call, copies, w->n_steps + 1);
  moe_status status = publish_copies(call, job, copies);
  for (size_t k = 0; k < w->n_steps; k++)
    moe_state_free(p->steps.items[k]->type, copies[k]);
  moe_state_free(job->object->type, copies[w->n_steps]);
  moe_scratch_drop(call, mark);
  return status;
}

static void end(moe_job *job) {
  const pipeline_params *p = job->object->params;
  pipeline_work *w = job->work;
  moe_job_end(w->job);
  if (w->lent != NULL) *w->lent = MOE_NO_INT;
  for (size_t k = 0; k < w->n_steps; k++) {
    moe_state_free(p->steps.items[k]->type, w->states[k]);
    if (w->marked) moe_object_mark_fitting(p->steps.items[k], false);
  }
  for (size_t k = 0; k < w->n_copies; k++) moe_free(w->copies[k]);
  moe_transform_end(&w->fitting);
  moe_free(w->states);
  moe_free(w->counted);
  moe_free(w->sources);
  moe_frame_free(&w->frame);
  moe_frame_free(&w->made);
}

/* ------------------------------------------------------------------ answers */

static bool same_labels(const moe_labels *a, const moe_labels *b) {
  if (a->n != b->n) return false;
  for (size_t k = 0; k < a->n; k++)
    if (moe_label_compare(&a->items[k], &b->items[k]) != 0) return false;
  return true;
}

/* The model is an object of its own, which may have been fitted to other
   targets since. */
static moe_status check_model(moe_call *call, const moe_object *o) {
  const pipeline_params *p = o->params;
  const moe_fitted *own = o->state;
  const moe_fitted *f = p->model != NULL ? p->model->state : NULL;
  if (f != NULL && f->task == own->task && f->n_outputs == own->n_outputs &&
      same_labels(&f->labels, &own->labels))
    return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "pipeline: its model has changed since it was fitted; fit "
                  "the pipeline again");
}

/* What is asked of the model about the transformed rows. */
typedef moe_status (*question)(moe_call *call, const moe_object *model,
                               const moe_rows *x, double *out);

static moe_status ask_block(moe_call *call, const moe_object *o,
                            question ask_model, const moe_rows *block,
                            double *out) {
  const pipeline_params *p = o->params;
  moe_frame frame = {0};
  moe_rows x = *block;
  moe_status status = MOE_OK;
  for (size_t k = 0; k < p->steps.n && status == MOE_OK; k++) {
    const moe_object *step = p->steps.items[k];
    moe_frame next;
    status = moe_transform_apply(call, step, step->state, &x, &next);
    moe_frame_free(&frame);
    frame = next;
    if (status == MOE_OK)
      x = moe_frame_rows(&frame, &shape_of(step->state)->output);
  }
  if (status == MOE_OK) status = ask_model(call, p->model, &x, out);
  moe_frame_free(&frame);
  return status;
}

/* `width` numbers of the answer for each row. */
static moe_status ask(moe_call *call, const moe_object *o, question ask_model,
                      const moe_rows *x, size_t width, double *out) {
  const pipeline_params *p = o->params;
  MOE_TRY(check_model(call, o));
  if (p->steps.n > 0 && x->n > BLOCK) /* rows are counted from the first */
    MOE_TRY(moe_transform_check(call, p->steps.items[0],
                                p->steps.items[0]->state, x));
  for (size_t first = 0; first < x->n; first += BLOCK) {
    moe_scratch_mark mark = moe_scratch_now(call);
    size_t n = x->n - first < BLOCK ? x->n - first : BLOCK;
    moe_rows block = moe_rows_range(x, first, n);
    MOE_TRY(ask_block(call, o, ask_model, &block, out + first * width));
    moe_scratch_drop(call, mark);
  }
  return MOE_OK;
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const moe_fitted *f = o->state;
  return ask(call, o, moe_learner_predict, x, f->n_outputs, out);
}

/* Each column that it makes is one that it was given, by name or, without
   names, by place. */
static bool keeps_columns(const moe_shaped *s) {
  bool named = s->input.names.n > 0 && s->output.names.n > 0;
  if (s->input.n != s->output.n) return false;
  for (size_t j = 0; j < s->input.n; j++)
    if (named ? strcmp(s->input.names.items[j], s->output.names.items[j]) != 0
              : s->roles[j] != MOE_ROLE_NUMBER)
      return false;
  return true;
}

static moe_status contribute(moe_call *call, const moe_object *o,
                             const moe_rows *x, double *out) {
  const pipeline_params *p = o->params;
  const moe_fitted *f = o->state;
  for (size_t k = 0; k < p->steps.n; k++)
    if (!keeps_columns(shape_of(p->steps.items[k]->state)))
      return moe_fail(call, MOE_EUNSUPPORTED,
                      "pipeline: %s makes other columns than it is given, so "
                      "that these contribute nothing by themselves",
                      p->steps.items[k]->type->name);
  return ask(call, o, moe_learner_contribute, x, f->n_outputs * (x->d + 1),
             out);
}

const moe_learner_type moe_pipeline = {
    .type = {.name = "pipeline",
             .family = "learner",
             .doc = "Transforms, one after the other, and a learner behind "
                    "them, fitted and saved as one.",
             .params_size = sizeof(pipeline_params),
             .state_size = sizeof(moe_fitted),
             .params = params,
             .visit = visit},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_SPARSE | MOE_TAKES_NOMINAL,
    .job_size = sizeof(pipeline_work),
    .begin = begin,
    .step = step,
    .commit = commit,
    .publish = publish,
    .end = end,
    .contribute = contribute,
    .predict = predict};
