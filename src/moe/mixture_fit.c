/* Two stages.  First each expert is trained on its rows.  Then the gate is
   fitted to how well each expert did on rows that it had not seen: out-of-bag
   predictions where the expert keeps them, cross-fitting otherwise, and plain
   predictions for rows outside its subset.  Trained on what the experts have
   seen, a gate trusts whoever remembers best.

   Everything is trained in clones that take the originals' place on commit;
   objects of the host's language, which the engine cannot copy unasked, are
   trained themselves. */
#include "mixture_fit.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 1024 }; /* rows routed in one piece of work */

static const moe_mixture_params *params_of(const moe_job *job) {
  return job->object->params;
}

/* ----------------------------------------------------------------- beginning
 */

static moe_status check_frozen(moe_call *call, const moe_mixture_params *p) {
  for (size_t i = 0; i < p->frozen.n; i++) {
    size_t e = 0;
    while (e < p->experts.n &&
           strcmp(p->experts.names[e], p->frozen.items[i]) != 0)
      e++;
    if (e == p->experts.n)
      return moe_fail(call, MOE_EPARAM,
                      "mixture: 'frozen' names '%.60s', which is no expert",
                      p->frozen.items[i]);
    if (p->experts.items[e]->state == NULL)
      return moe_fail(call, MOE_ESTATE,
                      "mixture: expert '%s' is frozen, but was never fitted",
                      p->experts.names[e]);
  }
  return MOE_OK;
}

bool moe__mixture_is_frozen(const moe_job *job, size_t e) {
  const moe_mixture_params *p = params_of(job);
  for (size_t i = 0; i < p->frozen.n; i++)
    if (strcmp(p->experts.names[e], p->frozen.items[i]) == 0) return true;
  return false;
}

static moe_status check_params(moe_call *call, const moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  if (p->experts.n == 0)
    return moe_fail(call, MOE_EPARAM, "mixture: it has no experts");
  if (p->gate == NULL)
    return moe_fail(call, MOE_EPARAM, "mixture: it has no gate");
  if (p->route.top_k != MOE_NO_INT && (size_t)p->route.top_k > p->experts.n)
    return moe_fail(call, MOE_EPARAM,
                    "mixture: 'top_k' must be at most the number of experts, "
                    "%zu; got %lld",
                    p->experts.n, (long long)p->route.top_k);
  if (p->objective == MOE_MULTI_HOT && job->batch.y->task != MOE_CLASSIFICATION)
    return moe_fail(call, MOE_EPARAM,
                    "mixture: objective 'multi_hot' asks who was right: it is "
                    "for classes");
  if (p->objective == MOE_LEAST_ERROR &&
      job->batch.y->task == MOE_CLASSIFICATION)
    return moe_fail(call, MOE_EPARAM,
                    "mixture: objective 'error' is the squared error: it is "
                    "for numbers");
  for (size_t e = 0; e < p->experts.n; e++)
    if (p->experts.items[e]->fitting)
      return moe_fail(call, MOE_EBUSY,
                      "mixture: expert '%s' is being fitted already",
                      p->experts.names[e]);
  return check_frozen(call, p);
}

/* A child without a seed draws it from the mixture's and from its name. */
static moe_status seed_child(moe_call *call, moe_object *child, int64_t seed,
                             const char *name) {
  const moe_param *p = moe_type_find_param(child->type, "seed");
  moe_value map;
  if (p == NULL ||
      *(int64_t *)((char *)child->params + p->offset) != MOE_NO_INT)
    return MOE_OK;
  MOE_TRY(moe_map_value(call, 1, &map));
  map.keys[0] = moe_text_value("seed");
  map.items[0] = moe_number_value(
      (double)moe_seed_of(seed == MOE_NO_INT ? 0 : (uint64_t)seed, name));
  return moe_object_set(call, child, &map);
}

/* What is trained for the original: a clone, or itself. */
static moe_status new_trainee(moe_call *call, const moe_job *job,
                              moe_object *original, const char *name,
                              moe_object **out) {
  *out = NULL;
  if (moe_learner_traits(original) & MOE_HOST_ONLY) {
    *out = moe_object_retain(original);
    return MOE_OK;
  }
  MOE_TRY(moe_object_clone(call, original, out));
  moe_status status = seed_child(call, *out, params_of(job)->seed, name);
  if (status == MOE_OK) return MOE_OK;
  moe_object_release(*out);
  *out = NULL;
  return status;
}

static moe_status new_trainees(moe_call *call, moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  moe_mixture_job *w = job->work;
  size_t bytes = sizeof *w->trainees.items;
  MOE_TRY(moe_new_array(call, &w->trainees.items, p->experts.n, bytes));
  w->trainees.names = p->experts.names;
  for (; w->trainees.n < p->experts.n; w->trainees.n++) {
    size_t e = w->trainees.n;
    if (moe__mixture_is_frozen(job, e))
      w->trainees.items[e] = moe_object_retain(p->experts.items[e]);
    else
      MOE_TRY(new_trainee(call, job, p->experts.items[e], p->experts.names[e],
                          &w->trainees.items[e]));
  }
  return new_trainee(call, job, p->gate, "gate", &w->gate);
}

static moe_status name_experts(moe_call *call, moe_mixture_job *w) {
  MOE_TRY(moe_new_array(call, &w->names.items, w->trainees.n,
                        sizeof *w->names.items));
  for (; w->names.n < w->trainees.n; w->names.n++)
    w->names.items[w->names.n] =
        (moe_label){.kind = MOE_L_TEXT, .text = w->trainees.names[w->names.n]};
  return MOE_OK;
}

static bool is_clone(const moe_job *job, size_t e) {
  const moe_mixture_job *w = job->work;
  return w->trainees.items[e] != params_of(job)->experts.items[e];
}

static void choose_objective(moe_job *job) {
  moe_mixture_job *w = job->work;
  bool classes = job->batch.y->task == MOE_CLASSIFICATION;
  w->objective = params_of(job)->objective;
  if (w->objective == MOE_AUTO_OBJECTIVE)
    w->objective = classes ? MOE_LIKELIHOOD : MOE_LEAST_ERROR;
  if (w->objective == MOE_LEAST_ERROR) w->errors = job->batch.y->width;
}

moe_status moe__mixture_begin(moe_call *call, moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  moe_mixture_job *w = job->work;
  size_t rows = job->batch.y->n, experts = p->experts.n;
  MOE_TRY(check_params(call, job));
  choose_objective(job);
  w->n = job->batch.x.n;
  MOE_TRY(moe_new_array(call, &w->rows, w->n, sizeof *w->rows));
  MOE_TRY(moe_new_array(call, &w->others, w->n, sizeof *w->others));
  MOE_TRY(moe_new_array(call, &w->part, w->n, sizeof *w->part));
  MOE_TRY(moe_new_array(call, &w->fold_of, w->n, sizeof *w->fold_of));
  MOE_TRY(moe_new_array(
      call, &w->scores,
      moe_size(moe_size(rows, experts), w->errors > 0 ? w->errors : 1),
      sizeof *w->scores));
  MOE_TRY(moe_new_array(call, &w->kept,
                        moe_size(rows, ((moe_fitted *)job->state)->n_outputs),
                        sizeof *w->kept));
  MOE_TRY(moe_new_array(call, &w->noise, experts, sizeof *w->noise));
  MOE_TRY(moe_new_array(call, &w->sharpness, experts, sizeof *w->sharpness));
  MOE_TRY(moe_new_array(call, &w->samples, experts, sizeof *w->samples));
  MOE_TRY(new_trainees(call, job));
  MOE_TRY(name_experts(call, w));
  for (; w->marked < experts; w->marked++)
    if (is_clone(job, w->marked))
      moe_object_mark_fitting(p->experts.items[w->marked], true);
  return MOE_OK;
}

/* ------------------------------------------------------------------- the gate
 */

/* Errors came in units of the expert's own; now of the best expert's, so that
   the gate's penalty weighs the same whatever the unit of the target. */
static void scale_errors(moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t rows = job->batch.y->n, experts = w->trainees.n;
  double least = w->noise[0];
  for (size_t e = 1; e < experts; e++) least = fmin(least, w->noise[e]);
  for (size_t i = 0; i < rows * experts; i++)
    for (size_t o = 0; o < w->errors; o++)
      w->scores[i * w->errors + o] *= w->noise[i % experts] / least;
}

static moe_status start_gate(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t experts = w->trainees.n;
  if (w->errors > 0) scale_errors(job);
  moe__score_objective(w->objective, &job->batch, experts, w->scores);
  w->target = (moe_target){.task = MOE_GATING,
                           .n = job->batch.y->n,
                           .values = w->scores,
                           .width = experts,
                           .labels = &w->names,
                           .errors = w->errors};
  w->batch = job->batch;
  w->batch.y = &w->target;
  w->batch.subset = NULL;
  w->phase = MOE_AT_GATE_TRAINING;
  return moe_job_begin(call, w->gate, &w->batch, &w->job);
}

static moe_status new_routing(moe_call *call, moe_mixture_job *w) {
  moe_routing *r = &w->routing;
  size_t n = moe_size(w->n, w->trainees.n);
  MOE_TRY(moe_new_array(call, &r->indices, n, sizeof *r->indices));
  MOE_TRY(moe_new_array(call, &r->weights, n, sizeof *r->weights));
  return moe_new_array(call, &r->probs, n, sizeof *r->probs);
}

moe_status moe__mixture_finish_job(moe_call *call, moe_mixture_job *w) {
  MOE_TRY(moe_job_commit(call, w->job));
  moe_job_end(w->job);
  w->job = NULL;
  return MOE_OK;
}

static moe_status train_gate(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  MOE_TRY(moe_job_step(call, w->job));
  if (!w->job->done) return MOE_OK;
  MOE_TRY(moe__mixture_finish_job(call, w));
  w->phase = MOE_AT_ROUTING;
  return new_routing(call, w);
}

/* ------------------------------------------------------------------ the
 * figures */

static moe_status route_block(moe_call *call, moe_job *job, size_t count) {
  const moe_route_config *config = &params_of(job)->route;
  moe_mixture_job *w = job->work;
  moe_routing *r = &w->routing;
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_rows x = moe_rows_range(&job->batch.x, w->next, count);
  double *probs;
  MOE_SCRATCH(call, probs, moe_size(count, r->experts));
  MOE_TRY(moe_learner_predict(call, w->gate, &x, probs));
  moe__take_logs(probs, count * r->experts);
  for (size_t i = 0; i < count; i++) {
    size_t at = w->next + i;
    moe_route_row(config, r->experts, probs + i * r->experts, NULL,
                  r->probs + at * r->experts, r->indices + at * r->width,
                  r->weights + at * r->width);
  }
  moe_scratch_drop(call, mark);
  w->next += count;
  return MOE_OK;
}

/* The classes of the experts, those of frozen ones included, and the data's. */
static moe_status unite_labels(moe_call *call, const moe_mixture_job *w,
                               moe_mixture *m) {
  for (size_t e = 0; e < w->trainees.n; e++) {
    const moe_labels *own = &moe_learner_fitted(w->trainees.items[e])->labels;
    for (size_t k = 0; k < own->n; k++)
      MOE_TRY(moe_labels_add(call, &m->fitted.labels, &own->items[k], NULL));
  }
  if (m->fitted.task == MOE_CLASSIFICATION)
    m->fitted.n_outputs = m->fitted.labels.n;
  return MOE_OK;
}

static moe_status fill_state(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_mixture *m = job->state;
  moe_balance balance;
  m->n_experts = w->trainees.n;
  MOE_TRY(unite_labels(call, w, m));
  MOE_TRY(moe_new_array(call, &m->load, m->n_experts, sizeof *m->load));
  MOE_TRY(
      moe_new_array(call, &m->importance, m->n_experts, sizeof *m->importance));
  balance.load = m->load;
  balance.importance = m->importance;
  moe_routing_balance(&w->routing, &balance);
  m->noise = w->noise;
  m->sharpness = w->sharpness;
  m->samples = w->samples;
  w->noise = w->sharpness = NULL;
  w->samples = NULL;
  job->done = true;
  return moe__mixture_map(call, &w->trainees, m);
}

static moe_status route(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_routing *r = &w->routing;
  size_t left = w->n - w->next;
  r->n = w->n;
  r->experts = w->trainees.n;
  r->width = moe_route_width(&params_of(job)->route, r->experts);
  MOE_TRY(route_block(call, job, left < BLOCK ? left : BLOCK));
  return w->next == w->n ? fill_state(call, job) : MOE_OK;
}

/* --------------------------------------------------------------------- the job
 */

moe_status moe__mixture_step(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  do {
    switch (w->phase) {
      case MOE_AT_GATE: MOE_TRY(start_gate(call, job)); break;
      case MOE_AT_GATE_TRAINING: MOE_TRY(train_gate(call, job)); break;
      case MOE_AT_ROUTING: MOE_TRY(route(call, job)); break;
      default: MOE_TRY(moe__mixture_expert_piece(call, job)); break;
    }
  } while (!job->done && !moe_call_pausing(call));
  return MOE_OK;
}

void moe__mixture_commit(moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  moe_mixture_job *w = job->work;
  for (size_t e = 0; e < w->trainees.n; e++)
    if (is_clone(job, e))
      moe_object_exchange_states(p->experts.items[e], w->trainees.items[e]);
  if (w->gate != p->gate) moe_object_exchange_states(p->gate, w->gate);
}

void moe__mixture_end(moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_job_end(w->job);
  for (size_t e = 0; e < w->marked; e++)
    if (is_clone(job, e))
      moe_object_mark_fitting(params_of(job)->experts.items[e], false);
  for (size_t e = 0; w->trainees.items != NULL && e < w->trainees.n; e++)
    moe_object_release(w->trainees.items[e]);
  moe_object_release(w->gate);
  moe_object_release(w->trial);
  void *const owned[] = {w->trainees.items,
                         w->names.items,
                         w->rows,
                         w->others,
                         w->part,
                         w->fold_of,
                         w->kept,
                         w->scores,
                         w->noise,
                         w->sharpness,
                         w->samples,
                         w->routing.indices,
                         w->routing.weights,
                         w->routing.probs};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) moe_free(owned[i]);
}
