/* Forks: where an expert's loss has risen, a fork of it begins anew, learns
   beside it unheard, and takes its place once it is better.  Both are compared
   on samples before they learn them, by a number d in [−1, 1] that is above 0
   where the fork was better; its mean over n of them is no chance where it is
   farther from 0 than √(2 ln(1/δ) / n) (Hoeffding 1963). */
#include <math.h>
#include <string.h>

#include "mixture.h"
#include "mixture_stream.h"

static const double doubt = 6.907755278982137; /* ln(1/δ), δ = 0.001 */

/* What a file calls a fork may be anything. */
static bool is_fork_of(const moe_object *fork, const moe_object *expert,
                       const moe_fitted *own) {
  const moe_fitted *f = fork->state;
  return f != NULL && fork->type == expert->type && f->task == own->task &&
         f->schema.n == own->schema.n &&
         moe_intake_agrees(&f->intake, &own->intake);
}

static ptrdiff_t find_fork(const moe_children *forks, const char *name) {
  for (size_t i = 0; i < forks->n; i++)
    if (strcmp(forks->names[i], name) == 0) return (ptrdiff_t)i;
  return -1;
}

/* The forks there are, without that of `name`, and with `added` (or NULL) under
   it. */
static moe_status set_forks(const moe_step *t, const char *name,
                            moe_object *added) {
  const moe_children *forks = &t->options->forks;
  moe_value key = moe_text_value("forks"), all, map;
  size_t n = added != NULL, others = 0;
  for (size_t i = 0; i < forks->n; i++)
    others += strcmp(forks->names[i], name) != 0;
  MOE_TRY(moe_map_value(t->call, others + n, &all));
  for (size_t i = 0, at = 0; i < forks->n; i++) {
    if (strcmp(forks->names[i], name) == 0) continue;
    all.keys[at] = moe_text_value(forks->names[i]);
    all.items[at++] =
        (moe_value){.kind = MOE_V_OBJECT, .object = forks->items[i]};
  }
  if (n > 0) {
    all.keys[others] = moe_text_value(name);
    all.items[others] = (moe_value){.kind = MOE_V_OBJECT, .object = added};
  }
  if (others + n == 0) all = (moe_value){.kind = MOE_V_NIL};
  map = (moe_value){.kind = MOE_V_MAP, .n = 1, .keys = &key, .items = &all};
  return moe_object_set(t->call, t->params->stream, &map);
}

static void begin_comparison(const moe_step *t, size_t e) {
  t->st->run.compared[e] = t->st->run.lead[e] = 0;
}

moe_status moe__fork(const moe_step *t, size_t e) {
  const moe_fitted *own = &t->m->fitted;
  const moe_object *expert = t->params->experts.items[e];
  moe_scratch_mark mark = moe_scratch_now(t->call);
  moe_object *fork;
  MOE_TRY(moe_object_clone(t->call, expert, &fork));
  moe_status status = moe_object_reset(t->call, fork);
  if (status == MOE_OK)
    status =
        moe__open_child(t->call, fork, own, own->task, own->n_outputs, NULL);
  if (status == MOE_OK)
    status = set_forks(t, t->params->experts.names[e], fork);
  moe_object_release(fork);
  moe_scratch_drop(t->call, mark);
  begin_comparison(t, e);
  return status;
}

bool moe__has_fork(const moe_step *t, size_t e) {
  return find_fork(&t->options->forks, t->params->experts.names[e]) >= 0;
}

/* How much better the fork was: its probability of the class less the
   expert's, or by how much its squared error is less, over the sum of both. */
static double compare(const moe_step *t, size_t e, const double *answer) {
  if (t->st->classes) return answer[t->s->id] - exp(-t->loss[e]);
  double own = moe__squared_error(t->s->y, answer, t->width);
  double sum = own / 2 + t->loss[e] / 2;
  return sum > 0 ? (t->loss[e] - own) / 2 / sum : 0;
}

/* Ends the comparison where it is decided. */
static moe_status decide(const moe_step *t, size_t e, moe_object *fork) {
  moe_run *run = &t->st->run;
  double bound = sqrt(2 * doubt / run->compared[e]);
  moe_scratch_mark mark = moe_scratch_now(t->call);
  if (fabs(run->lead[e]) < bound) return MOE_OK;
  if (run->lead[e] > 0) {
    moe_status status =
        moe_object_assign(t->call, t->params->experts.items[e], fork);
    if (status == MOE_EARG) return moe__fork(t, e); /* the expert has changed */
    MOE_TRY(status);
    moe__note_event(t, e, MOE_E_TAKE_OVER);
    moe_detector_reset(&t->options->drift,
                       t->st->detectors + e * t->st->detector_size);
    run->error[e] = run->errors[e] = run->recent[e] = run->candour[e] = 0;
    t->m->sharpness[e] = 1;
  }
  MOE_TRY(set_forks(t, t->params->experts.names[e], NULL));
  moe_scratch_drop(t->call, mark);
  return MOE_OK;
}

static bool fits(const moe_step *t, const moe_object *fork, size_t e) {
  const moe_object *expert = t->params->experts.items[e];
  return is_fork_of(fork, expert, &t->m->fitted) &&
         moe_learner_fitted(fork)->n_outputs == t->width;
}

static moe_status run_fork(const moe_step *t, size_t e, moe_object *fork) {
  moe_run *run = &t->st->run;
  moe_example s = *t->s;
  if (!fits(t, fork, e)) return moe__fork(t, e);
  MOE_TRY(moe__predict_one(t->call, fork, &s, t->fork));
  if (!isnan(t->loss[e])) {
    run->compared[e]++;
    run->lead[e] += (compare(t, e, t->fork) - run->lead[e]) / run->compared[e];
  }
  s.answer = t->fork;
  MOE_TRY(moe__learn_one(t->call, fork, &s));
  return run->compared[e] > 0 ? decide(t, e, fork) : MOE_OK;
}

/* The host keeps no values for forks, which nobody has given it. */
static bool lives_in_host(const moe_step *t, size_t e) {
  return moe_learner_traits(t->params->experts.items[e]) & MOE_HOST_ONLY;
}

moe_status moe__run_forks(const moe_step *t) {
  const moe_children *forks = &t->options->forks;
  for (size_t e = 0; forks->n > 0 && e < t->n; e++) {
    ptrdiff_t at = find_fork(forks, t->params->experts.names[e]);
    if (at >= 0 && !lives_in_host(t, e))
      MOE_TRY(run_fork(t, e, forks->items[at]));
  }
  return MOE_OK;
}

static moe_status follow(moe_call *call, moe_object *fork,
                         const moe_fitted *own) {
  int32_t id;
  MOE_TRY(moe__follow_levels(call, fork, own));
  for (size_t k = 0; own->task == MOE_CLASSIFICATION && k < own->labels.n; k++)
    MOE_TRY(moe_learner_add_label(call, fork, &own->labels.items[k], &id));
  return MOE_OK;
}

moe_status moe__follow_in_forks(moe_call *call, const moe_object *o) {
  const moe_mixture_params *p = o->params;
  const moe_children *forks = &moe__streaming_of(p->stream)->forks;
  for (size_t e = 0; forks->n > 0 && e < p->experts.n; e++) {
    ptrdiff_t at = find_fork(forks, p->experts.names[e]);
    if (at >= 0 && is_fork_of(forks->items[at], p->experts.items[e], o->state))
      MOE_TRY(follow(call, forks->items[at], o->state));
  }
  return MOE_OK;
}
