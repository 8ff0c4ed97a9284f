/* What a stream needs of a mixture's experts and gate.  Those without a state
   are opened with the mixture's columns, levels and classes; those with one go
   on from it, if they fit. */
#include <math.h>
#include <string.h>

#include "mixture_fit.h"
#include "mixture_stream.h"

static const moe_mixture_params *params_of(const moe_object *o) {
  return o->params;
}

/* ------------------------------------------------------- what must be there */

static moe_status check_window(moe_call *call,
                               const moe_detector_config *drift) {
  if (drift->kind != MOE_KSWIN || drift->window == MOE_NO_INT ||
      drift->window >= MOE_LEAST_KSWIN)
    return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "streaming: 'drift_window' must be at least %d with drift "
                  "'kswin'; got %lld",
                  MOE_LEAST_KSWIN, (long long)drift->window);
}

static moe_status check_parts(moe_call *call, const moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  if (p->experts.n == 0)
    return moe_fail(call, MOE_EPARAM, "mixture: it has no experts");
  if (p->gate == NULL)
    return moe_fail(call, MOE_EPARAM, "mixture: it has no gate");
  MOE_TRY(check_window(call, &moe__streaming_of(p->stream)->drift));
  return moe_route_check(call, &p->route, p->experts.n, false);
}

/* A learner or gate of the mixture, on its way into the stream. */
typedef struct part {
  moe_object *object;
  const char *kind, *name;
  bool frozen;
  moe_task task;
  size_t outputs; /* not of classes */
} part;

static part expert_at(const moe_object *o, size_t e) {
  const moe_mixture_params *p = params_of(o);
  const moe_fitted *f = o->state;
  return (part){p->experts.items[e],          "expert", p->experts.names[e],
                moe__mixture_is_frozen(o, e), f->task,  f->n_outputs};
}

static part gate_of(const moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  return (part){p->gate,
                "gate",
                p->gate->type->name,
                moe__mixture_gate_is_frozen(o),
                MOE_GATING,
                p->experts.n};
}

static bool same_columns(const moe_schema *a, const moe_schema *b) {
  if (a->n != b->n) return false;
  for (size_t j = 0; j < a->names.n && j < b->names.n; j++)
    if (strcmp(a->names.items[j], b->names.items[j]) != 0) return false;
  return true;
}

static bool fits(const moe_fitted *own, const part *child) {
  const moe_fitted *f = child->object->state;
  if (f->task != child->task || !same_columns(&f->schema, &own->schema) ||
      !moe_intake_agrees(&f->intake, &own->intake) ||
      !moe_intake_shares_codes(&f->intake, &own->intake))
    return false;
  return f->task == MOE_CLASSIFICATION || f->n_outputs == child->outputs;
}

static moe_status check_part(moe_call *call, const part *child) {
  if (moe_object_is_fitting(child->object))
    return moe_fail(call, MOE_EBUSY, "mixture: %s '%s' is being fitted",
                    child->kind, child->name);
  if (child->frozen && child->object->state == NULL)
    return moe_fail(call, MOE_ESTATE,
                    "mixture: %s '%s' is frozen, but was never fitted",
                    child->kind, child->name);
  if (!child->frozen && !(moe_learner_traits(child->object) & MOE_ONLINE))
    return moe_fail(call, MOE_ESTATE,
                    "mixture: %s '%s' cannot learn row by row; fit it before, "
                    "and name it in 'frozen'",
                    child->kind, child->name);
  return MOE_OK;
}

/* --------------------------------------------------------------- its intake */

static bool has_nominal(const moe_intake *in) {
  for (size_t j = 0; j < in->n; j++)
    if (in->nominal[j]) return true;
  return false;
}

/* What was trained on whole rows gets an intake, so that it takes the stream's
   missing values; columns of strings it cannot follow. */
static moe_status give_intake(moe_call *call, const moe_fitted *own,
                              const part *child) {
  unsigned traits = moe_learner_type_of(child->object)->traits;
  moe_fitted *f = child->object->state;
  if (!own->intake.open) return MOE_OK;
  if (f->intake.open) return moe__follow_levels(call, child->object, own);
  if (has_nominal(&own->intake))
    return moe_fail(call, MOE_EDATA,
                    "mixture: %s '%s' was not trained row by row, and cannot "
                    "follow a stream with columns of strings",
                    child->kind, child->name);
  return moe_intake_copy(call, &own->intake, &f->intake,
                         traits & MOE_TAKES_MISSING,
                         traits & MOE_TAKES_NOMINAL);
}

/* ------------------------------------------------------- parts with a state */

static moe_status refuse_part(moe_call *call, const part *child) {
  return moe_fail(call, MOE_ESTATE,
                  "mixture: %s '%s' has learned other columns or targets so "
                  "far (reset forgets them)",
                  child->kind, child->name);
}

static moe_status check_task(moe_call *call, const part *child) {
  bool labelled = child->task == MOE_CLASSIFICATION;
  const moe_object *model = moe_learner_answering(child->object);
  if (moe_learner_task(child->object, labelled) != child->task)
    return moe_fail(call, MOE_EDATA,
                    "mixture: %s '%s' predicts %s, and the targets are %s",
                    child->kind, child->name, labelled ? "numbers" : "classes",
                    labelled ? "classes" : "numbers");
  if (child->task == MOE_REGRESSION && child->outputs > 1 &&
      !(moe_learner_type_of(model)->traits & MOE_MULTI_OUTPUT))
    return moe_fail(call, MOE_EDATA,
                    "mixture: %s '%s' predicts one number a row; the targets "
                    "have %zu",
                    child->kind, child->name, child->outputs);
  return MOE_OK;
}

static moe_status open_part(moe_call *call, const moe_object *o,
                            const part *child, const moe_labels *labels) {
  MOE_TRY(check_task(call, child));
  MOE_TRY(moe_object_reset(call, child->object));
  return moe__open_child(call, child->object, o->state, child->task,
                         child->outputs, labels);
}

static moe_status know_labels(moe_call *call, const moe_fitted *own,
                              const part *child) {
  int32_t id;
  for (size_t k = 0; !child->frozen && k < own->labels.n; k++)
    MOE_TRY(
        moe_learner_add_label(call, child->object, &own->labels.items[k], &id));
  return MOE_OK;
}

static moe_status take_part(moe_call *call, const moe_object *o,
                            const part *child, const moe_labels *labels) {
  const moe_fitted *f = child->object->state, *own = o->state;
  MOE_TRY(check_part(call, child));
  if (f != NULL && fits(own, child)) {
    MOE_TRY(give_intake(call, own, child));
    return own->task == MOE_CLASSIFICATION && child->task == own->task
               ? know_labels(call, own, child)
               : MOE_OK;
  }
  bool anew = f == NULL ||
              (!child->frozen && (f->n_seen == 0 || child->task == MOE_GATING));
  return anew ? open_part(call, o, child, labels) : refuse_part(call, child);
}

/* --------------------------------------------------------------------- gates
 */

static bool is_among(ptrdiff_t place, const ptrdiff_t *was, size_t n) {
  for (size_t e = 0; e < n; e++)
    if (was[e] == place) return true;
  return false;
}

static bool keeps_order(const ptrdiff_t *was, size_t n) {
  ptrdiff_t last = -1;
  for (size_t e = 0; e < n; e++) {
    if (was[e] >= 0 && was[e] <= last) return false;
    if (was[e] >= 0) last = was[e];
  }
  return last >= 0;
}

static moe_status rearrange(moe_call *call, moe_object *gate,
                            const ptrdiff_t *was, const moe_labels *labels) {
  const moe_learner_type *type = moe_learner_type_of(gate);
  moe_fitted *f = gate->state;
  moe_labels names;
  MOE_TRY(moe_labels_copy(call, labels, &names));
  moe_labels_free(&f->labels);
  f->labels = names;
  for (size_t i = f->n_outputs; i-- > 0;) {
    if (is_among((ptrdiff_t)i, was, labels->n)) continue;
    type->remove_class(gate, i);
    f->n_outputs--;
  }
  for (size_t e = 0; e < labels->n; e++) {
    if (was[e] >= 0) continue;
    MOE_TRY(type->add_class(call, gate, e));
    f->n_outputs++;
  }
  return MOE_OK;
}

/* What the gate has learned of the experts that stay, stays: in a copy, as it
   is all or nothing. */
static moe_status move_gate(moe_call *call, moe_object *gate,
                            const ptrdiff_t *was, const moe_labels *labels) {
  void *before, *copy;
  MOE_TRY(moe_state_clone(call, gate->type, gate->state, &copy));
  before = moe_object_swap_state(gate, copy);
  moe_status status = rearrange(call, gate, was, labels);
  if (status != MOE_OK) before = moe_object_swap_state(gate, before);
  moe_state_free(gate->type, before);
  return status;
}

static moe_status list_names(moe_call *call, const moe_children *experts,
                             moe_labels *out) {
  out->n = experts->n;
  MOE_SCRATCH(call, out->items, out->n);
  for (size_t e = 0; e < out->n; e++)
    out->items[e] = (moe_label){.kind = MOE_L_TEXT, .text = experts->names[e]};
  return MOE_OK;
}

moe_status moe__stream_renew_in_gate(moe_call *call, const moe_object *o,
                                     size_t e) {
  const moe_mixture_params *p = params_of(o);
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_labels labels;
  ptrdiff_t *was;
  MOE_TRY(list_names(call, &p->experts, &labels));
  MOE_SCRATCH(call, was, labels.n);
  for (size_t i = 0; i < labels.n; i++) was[i] = i == e ? -1 : (ptrdiff_t)i;
  MOE_TRY(move_gate(call, p->gate, was, &labels));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* A gate that cannot follow its experts begins anew. */
static moe_status take_gate(moe_call *call, const moe_object *o,
                            const ptrdiff_t *was, const moe_labels *labels) {
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  const part gate = gate_of(o);
  const moe_fitted *f = gate.object->state;
  bool same = st->n == labels->n;
  for (size_t e = 0; e < labels->n; e++) same = same && was[e] == (ptrdiff_t)e;
  bool follows = f != NULL && st->open && !same && !gate.frozen &&
                 f->n_outputs == st->n && keeps_order(was, labels->n) &&
                 moe_learner_type_of(gate.object)->remove_class != NULL;
  if (follows) MOE_TRY(move_gate(call, gate.object, was, labels));
  return take_part(call, o, &gate, labels);
}

/* The levels that an expert has met by itself, if its codes are the mixture's.
 */
static moe_status learn_levels(moe_call *call, moe_fitted *own,
                               const part *child) {
  const moe_fitted *f = child->object->state;
  if (f == NULL || !f->intake.open || !own->intake.open || !fits(own, child))
    return MOE_OK;
  return moe_intake_follow(call, &own->intake, &f->intake);
}

moe_status moe__stream_take_parts(moe_call *call, moe_object *o,
                                  const ptrdiff_t *was) {
  const moe_mixture_params *p = params_of(o);
  moe_labels labels;
  MOE_TRY(check_parts(call, o));
  MOE_TRY(list_names(call, &p->experts, &labels));
  for (size_t e = 0; e < p->experts.n; e++) {
    part expert = expert_at(o, e);
    MOE_TRY(learn_levels(call, o->state, &expert));
  }
  for (size_t e = 0; e < p->experts.n; e++) {
    part expert = expert_at(o, e);
    MOE_TRY(take_part(call, o, &expert, NULL));
  }
  MOE_TRY(moe__follow_in_forks(call, o));
  return take_gate(call, o, was, &labels);
}

static bool is_taken(const moe_fitted *own, const part *child) {
  const moe_fitted *f = child->object->state;
  if (f == NULL || !fits(own, child) || f->intake.open != own->intake.open)
    return false;
  for (size_t k = 0;
       !child->frozen && f->task == MOE_CLASSIFICATION && k < own->labels.n;
       k++)
    if (moe_labels_find(&f->labels, &own->labels.items[k]) < 0) return false;
  return f->intake.levels.n == own->intake.levels.n;
}

bool moe__stream_has_parts(const moe_object *o) {
  const moe_fitted *own = o->state;
  const part gate = gate_of(o);
  for (size_t e = 0; e < params_of(o)->experts.n; e++) {
    const part expert = expert_at(o, e);
    if (!is_taken(own, &expert)) return false;
  }
  return is_taken(own, &gate);
}

/* A stream begins with the classes and levels that experts know already; one
   within another's, with its parts too, since it is asked and saved before it
   has learned. */
moe_status moe__stream_open(moe_call *call, moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  moe_fitted *own = o->state;
  for (size_t e = 0; e < p->experts.n; e++) {
    const moe_fitted *f = moe_learner_fitted(p->experts.items[e]);
    int32_t id;
    if (f == NULL || !same_columns(&f->schema, &own->schema)) continue;
    if (own->intake.open && f->intake.open)
      MOE_TRY(moe_intake_follow(call, &own->intake, &f->intake));
    for (size_t k = 0; own->task == MOE_CLASSIFICATION && k < f->labels.n; k++)
      MOE_TRY(moe_learner_add_label(call, o, &f->labels.items[k], &id));
  }
  return own->n_outputs > 0 ? moe__stream_follow(call, o) : MOE_OK;
}
