/* Experts that nobody asks, and experts whose world has changed.  A dead one
   may begin anew, or as a copy of the best, and the gate forgets what it held
   against it; one whose loss has risen is noted, begins anew, or is forked:
   a fork learns beside it and takes its place once it is better. */
#include <math.h>
#include <string.h>

#include "mixture.h"
#include "mixture_stream.h"

enum { MOST_RESPITE = 64 /* samples without a look at who is dead */ };

void moe__note_event(const moe_step *t, size_t e, enum moe_event event) {
  moe_stream *st = t->st;
  size_t at = (size_t)(st->n_events++ % MOE_MOST_EVENTS);
  st->event_at[at] = st->steps;
  st->event[at] = (int32_t)event;
  st->event_of[at] = (int32_t)e;
}

/* --------------------------------------------------------------- beginnings */

static void forget(const moe_step *t, size_t e) {
  moe__stream_settle(t->st);
  size_t size = t->st->detector_size;
  moe_run *run = &t->st->run;
  double load = run->load[e];
  for (size_t i = 0; i < MOE_RUN; i++) (*moe__run_at(run, i))[e] = 0;
  run->load[e] = load;
  run->born[e] = (double)t->st->steps;
  t->m->sharpness[e] = 1;
  moe_detector_reset(&t->options->drift, t->st->detectors + e * size);
}

static moe_status begin_anew(const moe_step *t, size_t e) {
  moe_object *child = t->params->experts.items[e];
  const moe_fitted *own = &t->m->fitted;
  MOE_TRY(moe_object_reset(t->call, child));
  forget(t, e);
  return moe__open_child(t->call, child, own, own->task, own->n_outputs, NULL);
}

static moe_status begin_in_gate(const moe_step *t, size_t e) {
  const moe_learner_type *type = moe_learner_type_of(t->params->gate);
  if (t->st->gate_frozen || type->remove_class == NULL || t->n < 2)
    return MOE_OK;
  return moe__stream_renew_in_gate(t->call, t->object, e);
}

/* ------------------------------------------------------------------ the dead
 */

static ptrdiff_t find_best(const moe_step *t) {
  const double *loss = t->st->run.loss, *cover = t->st->run.cover;
  ptrdiff_t best = -1;
  for (size_t e = 0; e < t->n; e++)
    if (cover[e] > 0 &&
        (best < 0 || loss[e] * cover[best] < loss[best] * cover[e]))
      best = (ptrdiff_t)e;
  return best;
}

static bool has_parts(const moe_object *o) {
  for (const moe_param *p = o->type->params; p->name != NULL; p++)
    if (p->kind == MOE_CHILD || p->kind == MOE_CHILDREN) return true;
  return o->type->cloned != NULL;
}

static bool same_values(const moe_value *a, const moe_value *b) {
  if (a->kind != b->kind || a->n != b->n || a->flag != b->flag ||
      (a->kind == MOE_V_NUMBER && a->number != b->number) ||
      (a->kind == MOE_V_TEXT && strcmp(a->text, b->text) != 0))
    return false;
  for (size_t i = 0; i < a->n; i++)
    if (!same_values(&a->items[i], &b->items[i]) ||
        (a->kind == MOE_V_MAP && !same_values(&a->keys[i], &b->keys[i])))
      return false;
  return true;
}

/* Weights are weights; what else an expert has learned may be tied to its
   settings (a number of trees), of which the seed is none. */
static moe_status may_copy(moe_call *call, const moe_object *from,
                           const moe_object *to, bool *may) {
  moe_scratch_mark mark = moe_scratch_now(call);
  *may = from->type == to->type && !has_parts(to);
  bool free = moe_learner_type_of(to)->n_weights != NULL;
  for (const moe_param *p = to->type->params; *may && !free && p->name != NULL;
       p++) {
    moe_value a, b;
    MOE_TRY(moe_object_get(call, from, p, &a));
    MOE_TRY(moe_object_get(call, to, p, &b));
    *may = strcmp(p->name, "seed") == 0 || same_values(&a, &b);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* Each weight by a twentieth of itself, more or less. */
static moe_status disturb(const moe_step *t, moe_object *child) {
  const moe_learner_type *type = moe_learner_type_of(child);
  moe_scratch_mark mark = moe_scratch_now(t->call);
  double *weights;
  if (type->n_weights == NULL) return MOE_OK;
  size_t n = type->n_weights(child);
  MOE_SCRATCH(t->call, weights, n);
  type->get_weights(child, weights);
  for (size_t i = 0; i < n; i++) {
    double moved = weights[i] * (1 + 0.05 * moe_random_normal(&t->st->random));
    weights[i] = isfinite(moved) ? moved : weights[i];
  }
  type->set_weights(child, weights);
  moe_scratch_drop(t->call, mark);
  return MOE_OK;
}

static moe_status copy_best(const moe_step *t, size_t e, size_t best) {
  moe_object *child = t->params->experts.items[e];
  const moe_object *model = t->params->experts.items[best];
  void *state;
  MOE_TRY(moe_state_clone(t->call, model->type, model->state, &state));
  moe_state_free(child->type, moe_object_swap_state(child, state));
  MOE_TRY(disturb(t, child));
  forget(t, e);
  t->m->sharpness[e] = t->m->sharpness[best];
  moe__note_event(t, e, MOE_E_CLONE);
  return MOE_OK;
}

static moe_status revive(const moe_step *t, size_t e) {
  moe_object *const *experts = t->params->experts.items;
  ptrdiff_t best = find_best(t);
  bool copies =
      t->options->revive == MOE_CLONE_BEST && best >= 0 && (size_t)best != e;
  if (copies) MOE_TRY(may_copy(t->call, experts[best], experts[e], &copies));
  if (t->options->dead_by == MOE_BY_ROUTING) MOE_TRY(begin_in_gate(t, e));
  if (copies) return copy_best(t, e, (size_t)best);
  moe__note_event(t, e, MOE_E_RESET);
  return begin_anew(t, e);
}

static bool may_revive(const moe_step *t, size_t e) {
  return !t->st->frozen[e] &&
         !(moe_learner_traits(t->params->experts.items[e]) & MOE_HOST_ONLY);
}

/* For so many samples an expert cannot be dead: it has had one more after each,
   and a mean falls by no more than its newest sample's weight s, where
   (1 − s)^k ≥ 1 − k s. */
static double find_respite(const moe_step *t, moe_life life) {
  double least = t->options->dead_below, span = (double)t->options->span;
  double falls = (1 - least / life.share) / t->st->share - 1;
  return fmax(fmax(falls, span - life.samples), 0);
}

/* Returns for how many samples nobody else can be dead.  To look is not to
   settle: what a stream does depends on no look at it. */
static moe_status raise_dead(const moe_step *t, double *respite) {
  moe_scratch_mark mark = moe_scratch_now(t->call);
  moe_stream settled;
  MOE_TRY(moe__stream_settled(t->call, t->st, &settled));
  *respite = MOST_RESPITE;
  for (size_t e = 0; e < t->n; e++) {
    moe_life life = moe__life_of(t->options, &settled, e, t->st->selects);
    bool dead = moe__is_dead(t->options, life);
    if (dead && !may_revive(t, e)) continue;
    if (dead) {
      MOE_TRY(revive(t, e));
      life = moe__life_of(t->options, t->st, e, t->st->selects);
    }
    *respite = fmin(*respite, find_respite(t, life));
  }
  moe_scratch_drop(t->call, mark);
  return MOE_OK;
}

/* ------------------------------------------------------------------- drift */

/* What is watched: 1 − p(class), or the error against its mean so far, so that
   it is in [0, 1] in any units.  DDM, which waits for so many deviations above
   the least mean, needs room above: the loss over its mean. */
static double watch(const moe_step *t, size_t e) {
  moe_run *run = &t->st->run;
  bool open = t->options->drift.kind == MOE_DDM;
  double error = !t->st->classes ? sqrt(t->loss[e])
                 : open          ? t->loss[e]
                                 : 1 - exp(-t->loss[e]);
  double before = run->errors[e] > 0 ? run->error[e] : error;
  double share = run->errors[e] > 0 ? 0.05 : 1;
  run->errors[e]++;
  run->error[e] += (error - run->error[e]) / run->errors[e];
  run->recent[e] += share * (error - run->recent[e]);
  if (open) return before > 0 ? fmin(error / before, 1e6) : 1;
  if (t->st->classes) return error;
  return error + before > 0 ? error / (error + before) : 0.5;
}

/* Whether its loss has changed, and for the worse. */
static bool has_drifted(const moe_step *t, size_t e) {
  double *state = t->st->detectors + e * t->st->detector_size;
  double told = watch(t, e);
  if (moe_detector_update(&t->options->drift, state, told) != MOE_DRIFT)
    return false;
  moe_run *run = &t->st->run;
  bool worse = run->recent[e] > run->error[e];
  run->errors[e] = run->error[e] = 0;
  return worse;
}

/* What lives in the host cannot be made to begin anew from here. */
static moe_status react(const moe_step *t, size_t e) {
  const moe_object *expert = t->params->experts.items[e];
  moe__note_event(t, e, MOE_E_DRIFT);
  if (t->st->frozen[e] || t->options->on_drift == MOE_NOTE_DRIFT ||
      (moe_learner_traits(expert) & MOE_HOST_ONLY) || moe__has_fork(t, e))
    return MOE_OK;
  bool forks = t->options->on_drift == MOE_FORK_DRIFTED;
  if (forks) MOE_TRY(moe__fork(t, e));
  moe__note_event(t, e, forks ? MOE_E_FORK : MOE_E_RESET);
  return forks ? MOE_OK : begin_anew(t, e);
}

static moe_status watch_drift(const moe_step *t) {
  for (size_t e = 0; e < t->n; e++)
    if (!isnan(t->loss[e]) && has_drifted(t, e)) MOE_TRY(react(t, e));
  return MOE_OK;
}

moe_status moe__mend_now(const moe_step *t) {
  moe_stream *st = t->st;
  double respite = 0;
  if (t->options->forks.n > 0) MOE_TRY(moe__run_forks(t));
  if (t->options->drift.kind != MOE_NO_DETECTOR) MOE_TRY(watch_drift(t));
  if (t->options->revive == MOE_LEAVE_DEAD || st->steps < t->options->span + 2)
    return MOE_OK;
  MOE_TRY(raise_dead(t, &respite));
  if (st->mend_at > 0) st->mend_at = st->steps + (int64_t)respite;
  return MOE_OK;
}
