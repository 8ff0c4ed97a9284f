/* Two stages.  First each expert is trained on its rows.  Then the gate is
   fitted to how well each expert did on rows that it had not seen: out-of-bag
   predictions where the expert keeps them, cross-fitting otherwise, and plain
   predictions for rows outside its subset.  Trained on what the experts have
   seen, a gate trusts whoever remembers best.

   Everything is trained in clones that take the originals' place on commit;
   objects of the host's language, which the engine cannot copy unasked, are
   trained themselves. */
#include "mixture_fit.h"
#include "responsibility.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 1024 }; /* rows routed in one piece of work */
enum { BALANCE_ROUNDS = 20 };

static const moe_mixture_params *params_of(const moe_job *job) {
  return job->object->params;
}

/* ----------------------------------------------------------------- beginning
 */

static size_t find_expert(const moe_mixture_params *p, const char *name) {
  size_t e = 0;
  while (e < p->experts.n && strcmp(p->experts.names[e], name) != 0) e++;
  return e;
}

/* "gate" is the gate, unless an expert is called so. */
static bool names_gate(const moe_mixture_params *p, const char *name) {
  return strcmp(name, "gate") == 0 && find_expert(p, name) == p->experts.n;
}

bool moe__mixture_is_frozen(const moe_object *o, size_t e) {
  const moe_mixture_params *p = o->params;
  for (size_t i = 0; i < p->frozen.n; i++)
    if (strcmp(p->experts.names[e], p->frozen.items[i]) == 0) return true;
  return (moe_learner_type_of(moe_learner_answering(p->experts.items[e]))
              ->traits &
          MOE_TRAINED) != 0;
}

bool moe__mixture_gate_is_frozen(const moe_object *o) {
  const moe_mixture_params *p = o->params;
  for (size_t i = 0; i < p->frozen.n; i++)
    if (names_gate(p, p->frozen.items[i])) return true;
  return false;
}

moe_status moe__mixture_check_answers(moe_call *call, const moe_job *job,
                                      size_t e) {
  const moe_mixture_params *p = params_of(job);
  const moe_fitted *own = job->state;
  const moe_fitted *f = moe_learner_fitted(p->experts.items[e]);
  bool frozen = moe__mixture_is_frozen(job->object, e);
  const char *why = frozen ? "is frozen, but " : "";
  if (f == NULL)
    return moe_fail(call, MOE_ESTATE, "mixture: expert '%s' %swas never fitted",
                    p->experts.names[e], why);
  if (f->task == own->task &&
      (f->task == MOE_CLASSIFICATION || f->n_outputs == own->n_outputs))
    return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "mixture: expert '%s' %swas fitted to other targets: classes "
                  "instead of numbers, or numbers of another width",
                  p->experts.names[e], why);
}

static moe_status check_frozen(moe_call *call, const moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  for (size_t i = 0; i < p->frozen.n; i++)
    if (find_expert(p, p->frozen.items[i]) == p->experts.n &&
        !names_gate(p, p->frozen.items[i]))
      return moe_fail(call, MOE_EPARAM,
                      "mixture: 'frozen' names '%.60s', which is no expert",
                      p->frozen.items[i]);
  for (size_t e = 0; e < p->experts.n; e++)
    if (moe__mixture_is_frozen(job->object, e))
      MOE_TRY(moe__mixture_check_answers(call, job, e));
  const moe_fitted *gate = moe_learner_fitted(p->gate);
  if (moe__mixture_gate_is_frozen(job->object) &&
      (gate == NULL || gate->n_outputs != p->experts.n))
    return moe_fail(call, MOE_ESTATE,
                    "mixture: the gate is frozen, but was never fitted to "
                    "these experts");
  return MOE_OK;
}

static moe_status check_params(moe_call *call, const moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  if (p->experts.n == 0)
    return moe_fail(call, MOE_EPARAM, "mixture: it has no experts");
  if (p->gate == NULL)
    return moe_fail(call, MOE_EPARAM, "mixture: it has no gate");
  if (p->objective == MOE_MULTI_HOT && job->batch.y->task != MOE_CLASSIFICATION)
    return moe_fail(call, MOE_EPARAM,
                    "mixture: objective 'multi_hot' asks who was right: it is "
                    "for classes");
  if (p->objective == MOE_LEAST_ERROR &&
      job->batch.y->task == MOE_CLASSIFICATION)
    return moe_fail(call, MOE_EPARAM,
                    "mixture: objective 'error' is the squared error: it is "
                    "for numbers");
  if (p->objective == MOE_OWN_SUBSET && job->batch.subset == NULL)
    return moe_fail(call, MOE_EPARAM,
                    "mixture: objective 'subsets' asks whose row it is: give "
                    "fit the `subsets`");
  for (size_t e = 0; e < p->experts.n; e++)
    if (moe_object_is_fitting(p->experts.items[e]))
      return moe_fail(call, MOE_EBUSY,
                      "mixture: expert '%s' is being fitted already",
                      p->experts.names[e]);
  return check_frozen(call, job);
}

static moe_status seed_child(moe_call *call, moe_object *child, uint64_t seed);

/* What has no seed itself hands one down to its own children. */
static moe_status seed_children(moe_call *call, const moe_object *o,
                                uint64_t seed) {
  for (const moe_param *p = o->type->params; p->name != NULL; p++) {
    void *at = (char *)o->params + p->offset;
    moe_children all = {0};
    if (p->kind == MOE_CHILDREN) all = *(moe_children *)at;
    if (p->kind == MOE_CHILD && *(moe_object **)at != NULL)
      MOE_TRY(seed_child(call, *(moe_object **)at, moe_seed_of(seed, p->name)));
    for (size_t i = 0; i < all.n; i++)
      MOE_TRY(seed_child(call, all.items[i], moe_seed_of(seed, all.names[i])));
  }
  return MOE_OK;
}

/* A seed that is given stays. */
static moe_status seed_child(moe_call *call, moe_object *child, uint64_t seed) {
  const moe_param *p = moe_type_find_param(child->type, "seed");
  moe_value map;
  if (p == NULL) return seed_children(call, child, seed);
  if (*(int64_t *)((char *)child->params + p->offset) != MOE_NO_INT)
    return MOE_OK;
  MOE_TRY(moe_map_value(call, 1, &map));
  map.keys[0] = moe_text_value("seed");
  map.items[0] = moe_number_value((double)seed);
  return moe_object_set(call, child, &map);
}

uint64_t moe__mixture_seed(const moe_job *job) {
  int64_t seed = params_of(job)->seed;
  return seed == MOE_NO_INT ? job->batch.seed : (uint64_t)seed;
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
  moe_status status =
      seed_child(call, *out, moe_seed_of(moe__mixture_seed(job), name));
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
    if (moe__mixture_is_frozen(job->object, e))
      w->trainees.items[e] = moe_object_retain(p->experts.items[e]);
    else
      MOE_TRY(new_trainee(call, job, p->experts.items[e], p->experts.names[e],
                          &w->trainees.items[e]));
  }
  if (moe__mixture_gate_is_frozen(job->object)) {
    w->gate = moe_object_retain(p->gate);
    return MOE_OK;
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

/* What the fit leaves open is as the parameters say. */
static void choose_plan(moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  const moe_plan *given = job->batch.plan;
  moe_mixture_job *w = job->work;
  w->plan =
      given != NULL
          ? *given
          : (moe_plan){.training = -1, .subsets = -1, .rounds = MOE_NO_INT};
  if (w->plan.training < 0) w->plan.training = p->training;
  if (w->plan.subsets < 0) w->plan.subsets = p->subsets;
  if (w->plan.rounds == MOE_NO_INT)
    w->plan.rounds = w->plan.training == MOE_EM ? p->rounds : p->epochs;
}

/* What the two stages need to keep of each row. */
static moe_status reserve_rows(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t rows = job->batch.y->n, scores = moe_size(rows, w->trainees.n);
  size_t outputs = ((const moe_fitted *)job->state)->n_outputs;
  MOE_TRY(moe_new_array(call, &w->rows, w->n, sizeof *w->rows));
  MOE_TRY(moe_new_array(call, &w->others, w->n, sizeof *w->others));
  MOE_TRY(moe_new_array(call, &w->part, w->n, sizeof *w->part));
  MOE_TRY(moe_new_array(call, &w->fold_of, w->n, sizeof *w->fold_of));
  MOE_TRY(moe_new_array(call, &w->scores,
                        moe_size(scores, w->errors > 0 ? w->errors : 1),
                        sizeof *w->scores));
  return moe_new_array(call, &w->kept, moe_size(rows, outputs),
                       sizeof *w->kept);
}

/* Until they are measured, as they were, or 1. */
static moe_status reserve_experts(moe_call *call, moe_job *job) {
  const moe_mixture *old = job->object->state;
  moe_mixture_job *w = job->work;
  size_t experts = params_of(job)->experts.n;
  bool known = old != NULL && old->n_experts == experts;
  MOE_TRY(moe_new_array(call, &w->noise, experts, sizeof *w->noise));
  MOE_TRY(moe_new_array(call, &w->sharpness, experts, sizeof *w->sharpness));
  MOE_TRY(moe_new_array(call, &w->samples, experts, sizeof *w->samples));
  MOE_TRY(moe_new_array(call, &w->bias, experts, sizeof *w->bias));
  for (size_t e = 0; e < experts; e++) {
    w->noise[e] = known ? old->noise[e] : 1;
    w->sharpness[e] = known ? old->sharpness[e] : 1;
    w->samples[e] = known ? old->samples[e] : 0;
    w->bias[e] = known ? old->bias[e] : 0;
  }
  return MOE_OK;
}

moe_mixture_piece moe__mixture_first_piece(const moe_job *job) {
  static const moe_mixture_piece first[] = {
      [MOE_TWO_STAGE] = moe__mixture_start_expert,
      [MOE_EM] = moe__em_start,
      [MOE_GRADIENT] = moe__joint_start};
  const moe_mixture_job *w = job->work;
  return first[w->plan.training];
}

/* Rows that are new to the experts train none of them. */
static bool finds_subsets(const moe_job *job) {
  const moe_mixture_job *w = job->work;
  return w->plan.subsets != MOE_ALL_ROWS && job->batch.subset == NULL &&
         !(w->plan.stage == MOE_GATE_ONLY && w->plan.unseen);
}

moe_status moe__mixture_begin(moe_call *call, moe_job *job) {
  const moe_mixture_params *p = params_of(job);
  moe_mixture_job *w = job->work;
  MOE_TRY(check_params(call, job));
  choose_plan(job);
  MOE_TRY(moe_route_check(call, &p->route, p->experts.n,
                          w->plan.training == MOE_GRADIENT));
  if (w->plan.training == MOE_GRADIENT)
    MOE_TRY(moe__check_gradients(call, job->object));
  choose_objective(job);
  w->n = job->batch.x.n;
  w->piece = finds_subsets(job) ? moe__mixture_start_subsets
                                : moe__mixture_first_piece(job);
  MOE_TRY(reserve_experts(call, job));
  MOE_TRY(new_trainees(call, job));
  MOE_TRY(name_experts(call, w));
  if (w->plan.training == MOE_TWO_STAGE || finds_subsets(job))
    MOE_TRY(reserve_rows(call, job));
  for (; w->marked < p->experts.n; w->marked++)
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

static moe_status train_gate(moe_call *call, moe_job *job);

moe_status moe__mixture_start_gate(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t experts = w->trainees.n;
  if (moe__mixture_gate_is_frozen(job->object))
    return moe__mixture_start_routing(call, job);
  if (w->errors > 0) scale_errors(job);
  moe__score_objective(w->objective, &job->batch, experts, w->scores);
  w->target = (moe_target){.task = MOE_GATING,
                           .n = job->batch.y->n,
                           .values = w->scores,
                           .width = experts,
                           .labels = &w->names,
                           .errors = w->errors,
                           .soft = w->objective == MOE_RESPONSIBILITY};
  w->batch = job->batch;
  w->batch.y = &w->target;
  w->batch.subset = NULL;
  w->batch.plan = NULL;
  w->batch.seed = moe_seed_of(moe__mixture_seed(job), "gate");
  w->piece = train_gate;
  return moe_job_begin(call, w->gate, &w->batch, &w->job);
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
  moe_job_adopt(job, w->job);
  MOE_TRY(moe__mixture_finish_job(call, w));
  w->piece = moe__mixture_start_routing;
  return MOE_OK;
}

/* --------------------------------------------------------------- the figures
 */

bool moe__mixture_has_gate(const moe_mixture_job *w) {
  const moe_fitted *f = moe_learner_fitted(w->gate);
  return f != NULL && f->n_outputs == w->trainees.n;
}

static bool is_balanced(const moe_job *job) {
  const moe_mixture_job *w = job->work;
  return params_of(job)->balance == MOE_BY_BIAS && moe__mixture_has_gate(w) &&
         w->routing.width < w->routing.experts;
}

static moe_status route_block(moe_call *call, moe_job *job, size_t first,
                              size_t count) {
  const moe_route_config *config = &params_of(job)->route;
  moe_mixture_job *w = job->work;
  moe_routing *r = &w->routing;
  const double *bias = is_balanced(job) ? w->bias : NULL;
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_rows x = moe_rows_range(&job->batch.x, first, count);
  double *probs;
  MOE_SCRATCH(call, probs, moe_size(count, r->experts));
  MOE_TRY(moe_learner_predict(call, w->gate, &x, probs));
  moe__take_logs(probs, count * r->experts);
  if (r->logits != NULL)
    memcpy(r->logits + first * r->experts, probs,
           count * r->experts * sizeof *probs);
  for (size_t i = 0; i < count; i++) {
    size_t at = first + i;
    moe_route_row(config, r->experts, probs + i * r->experts, bias,
                  r->probs + at * r->experts, r->indices + at * r->width,
                  r->weights + at * r->width);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status new_routing(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_routing *r = &w->routing;
  size_t n = moe_size(w->n, w->trainees.n), slots;
  r->n = w->n;
  r->experts = w->trainees.n;
  r->width = moe_route_width(&params_of(job)->route, r->experts);
  slots = moe_size(r->n, r->width);
  if (r->probs != NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, &r->indices, slots, sizeof *r->indices));
  MOE_TRY(moe_new_array(call, &r->weights, slots, sizeof *r->weights));
  if (is_balanced(job))
    MOE_TRY(moe_new_array(call, &r->logits, n, sizeof *r->logits));
  return moe_new_array(call, &r->probs, n, sizeof *r->probs);
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

/* Fills in a state that has nothing but its moe_fitted. */
static moe_status fill_state(moe_call *call, const moe_mixture_job *w,
                             moe_mixture *m) {
  size_t n = m->n_experts = w->trainees.n;
  moe_balance balance;
  MOE_TRY(unite_labels(call, w, m));
  MOE_TRY(moe_new_array(call, &m->load, n, sizeof *m->load));
  MOE_TRY(moe_new_array(call, &m->importance, n, sizeof *m->importance));
  MOE_TRY(moe_new_array(call, &m->noise, n, sizeof *m->noise));
  MOE_TRY(moe_new_array(call, &m->sharpness, n, sizeof *m->sharpness));
  MOE_TRY(moe_new_array(call, &m->samples, n, sizeof *m->samples));
  MOE_TRY(moe_new_array(call, &m->bias, n, sizeof *m->bias));
  balance.load = m->load;
  balance.importance = m->importance;
  if (moe__mixture_has_gate(w)) moe_routing_balance(&w->routing, &balance);
  memcpy(m->noise, w->noise, n * sizeof *m->noise);
  memcpy(m->sharpness, w->sharpness, n * sizeof *m->sharpness);
  memcpy(m->samples, w->samples, n * sizeof *m->samples);
  memcpy(m->bias, w->bias, n * sizeof *m->bias);
  return moe__mixture_map(call, &w->trainees, m);
}

/* A round of moving the bias to where the routed rows would be shared evenly,
   and of selecting with it. */
static moe_status balance(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  moe_routing *r = &w->routing;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *room;
  int32_t *held;
  MOE_SCRATCH(call, room, moe_bias_room(r->n, r->experts));
  MOE_SCRATCH(call, held, r->width + 1);
  moe_bias_settle(&params_of(job)->route, r, room, held, w->bias);
  moe_scratch_drop(call, mark);
  if (++w->balanced < BALANCE_ROUNDS) return MOE_OK;
  job->done = true;
  return fill_state(call, w, job->state);
}

static moe_status route(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  size_t left = w->n - w->next, count = left < BLOCK ? left : BLOCK;
  if (moe__mixture_has_gate(w)) MOE_TRY(route_block(call, job, w->next, count));
  w->next += count;
  if (w->next < w->n) return MOE_OK;
  if (is_balanced(job)) {
    w->piece = balance;
    return MOE_OK;
  }
  job->done = true;
  return fill_state(call, w, job->state);
}

moe_status moe__mixture_start_routing(moe_call *call, moe_job *job) {
  moe_mixture_job *w = job->work;
  w->next = 0;
  w->piece = route;
  return new_routing(call, job);
}

/* --------------------------------------------------------------------- the job
 */

moe_status moe__mixture_step(moe_call *call, moe_job *job) {
  const moe_mixture_job *w = job->work;
  do MOE_TRY(w->piece(call, job));
  while (!job->done && !moe_call_pausing(call));
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

/* Copies of the trainees and of a state made for them; `copies` has room for
   the experts and the gate, and keeps what they replace. */
static moe_status publish_copies(moe_call *call, moe_job *job,
                                 moe_object **copies, void **state) {
  const moe_mixture_params *p = params_of(job);
  moe_mixture_job *w = job->work;
  size_t n = w->trainees.n;
  MOE_TRY(new_routing(call, job));
  for (size_t i = 0; i < w->n; i += BLOCK)
    MOE_TRY(route_block(call, job, i, w->n - i < BLOCK ? w->n - i : BLOCK));
  MOE_TRY(moe_state_clone(call, job->object->type, job->state, state));
  MOE_TRY(fill_state(call, w, *state));
  for (size_t e = 0; e < n; e++)
    if (is_clone(job, e))
      MOE_TRY(moe_object_clone(call, w->trainees.items[e], &copies[e]));
  if (w->gate != p->gate) MOE_TRY(moe_object_clone(call, w->gate, &copies[n]));
  for (size_t e = 0; e < n; e++)
    if (copies[e] != NULL)
      moe_object_exchange_states(p->experts.items[e], copies[e]);
  if (copies[n] != NULL) moe_object_exchange_states(p->gate, copies[n]);
  *state = moe_object_swap_state(job->object, *state);
  return MOE_OK;
}

moe_status moe__mixture_publish(moe_call *call, moe_job *job) {
  const moe_mixture_job *w = job->work;
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_object **copies;
  void *state = NULL;
  MOE_SCRATCH(call, copies, w->trainees.n + 1);
  MOE_TRY(moe__em_exchange_best(call, job));
  moe__joint_show_best(job, true);
  moe_status status = publish_copies(call, job, copies, &state);
  moe__joint_show_best(job, false);
  moe_status back = moe__em_exchange_best(call, job);
  if (status == MOE_OK) status = back;
  for (size_t e = 0; e <= w->trainees.n; e++) moe_object_release(copies[e]);
  moe_state_free(job->object->type, state);
  moe_scratch_drop(call, mark);
  return status;
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
  moe__em_free(&w->em, w->trainees.n);
  moe__joint_free(&w->joint);
  moe_kmeans_free(&w->kmeans);
  void *const owned[] = {w->trainees.items,
                         w->names.items,
                         w->rows,
                         w->others,
                         w->part,
                         w->fold_of,
                         w->subset,
                         w->residuals,
                         w->residual_weight,
                         w->kept,
                         w->scores,
                         w->noise,
                         w->sharpness,
                         w->samples,
                         w->bias,
                         w->routing.logits,
                         w->routing.indices,
                         w->routing.weights,
                         w->routing.probs};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) moe_free(owned[i]);
}
