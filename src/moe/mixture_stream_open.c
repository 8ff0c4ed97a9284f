/* How a mixture's stream begins, and goes on where experts were added, removed,
   reset or trained elsewhere: parts without a state are opened with the
   mixture's columns, levels and classes; what has one goes on from it. */
#include <math.h>
#include <string.h>

#include "mixture_fit.h"
#include "mixture_stream.h"

static moe_status visit_runs(moe_runs *runs, moe_visitor *v) {
  static const char *const names[MOE_RUNS] = {"disagreement",
                                              "mean_disagreement",
                                              "disagreement_cover",
                                              "entropy",
                                              "alignment",
                                              "answer",
                                              "change",
                                              "turn",
                                              "error",
                                              "cover"};
  for (size_t i = 0; i < MOE_RUNS; i++)
    MOE_TRY(moe_visit_scalar(v, names[i], MOE_F64, (double *)runs + i));
  return MOE_OK;
}

moe_status moe__stream_visit(moe_stream *st, moe_visitor *v) {
  static const char *const names[] = {"random_0", "random_1", "random_2",
                                      "random_3"};
  MOE_TRY(moe_visit_scalar(v, "stream", MOE_U8, &st->open));
  if (!st->open) return MOE_OK;
  MOE_TRY(moe_visit_scalar(v, "streamed_experts", MOE_I64, &st->n));
  MOE_TRY(moe_visit_texts(v, "streamed_names", &st->names));
  MOE_TRY(moe_visit_scalar(v, "steps", MOE_I64, &st->steps));
  for (int i = 0; i < 4; i++)
    MOE_TRY(moe_visit_scalar(v, names[i], MOE_I64, &st->random.s[i]));
  MOE_TRY(
      moe_visit_array(v, "run", MOE_F64, &st->run, moe_size(MOE_RUN, st->n)));
  MOE_TRY(visit_runs(&st->runs, v));
  MOE_TRY(moe_visit_scalar(v, "detector_size", MOE_I64, &st->detector_size));
  MOE_TRY(moe_visit_array(v, "detectors", MOE_F64, &st->detectors,
                          moe_size(st->detector_size, st->n)));
  MOE_TRY(moe_visit_scalar(v, "events", MOE_I64, &st->n_events));
  MOE_TRY(
      moe_visit_array(v, "event_at", MOE_I64, &st->event_at, MOE_MOST_EVENTS));
  MOE_TRY(moe_visit_array(v, "event", MOE_I32, &st->event, MOE_MOST_EVENTS));
  MOE_TRY(
      moe_visit_array(v, "event_of", MOE_I32, &st->event_of, MOE_MOST_EVENTS));
  MOE_TRY(moe_visit_scalar(v, "window_rows", MOE_I64, &st->window_rows));
  MOE_TRY(moe_visit_array(v, "window", MOE_F64, &st->window,
                          moe_size(st->window_rows, st->n)));
  MOE_TRY(moe_visit_derived(v, "room", MOE_F64, &st->room, st->room_size));
  MOE_TRY(moe_visit_derived(v, "lists", MOE_I32, &st->lists, 3 * st->n));
  MOE_TRY(moe_visit_derived(v, "everyone", MOE_I32, &st->everyone, st->n));
  MOE_TRY(moe_visit_derived(v, "ids", MOE_I32, &st->ids, st->n_ids));
  MOE_TRY(moe_visit_derived(v, "known", MOE_I64, &st->known, st->n + 1));
  MOE_TRY(moe_visit_derived(v, "warmup", MOE_F64, &st->warmup, st->n));
  MOE_TRY(moe_visit_derived(v, "frozen", MOE_U8, &st->frozen, st->n));
  return moe_visit_derived(v, "warms", MOE_U8, &st->warms, st->n);
}

/* ------------------------------------------------------- what must be there */

static const moe_mixture_params *params_of(const moe_object *o) {
  return o->params;
}

static moe_status check_parts(moe_call *call, const moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  if (p->experts.n == 0)
    return moe_fail(call, MOE_EPARAM, "mixture: it has no experts");
  if (p->gate == NULL)
    return moe_fail(call, MOE_EPARAM, "mixture: it has no gate");
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
  if (f->task != child->task || !same_columns(&f->schema, &own->schema))
    return false;
  return f->task == MOE_CLASSIFICATION || f->n_outputs == child->outputs;
}

static moe_status check_part(moe_call *call, const part *child) {
  if (child->object->fitting)
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

/* What the gate has learned of the experts that stay, stays. */
static moe_status move_gate(moe_call *call, moe_object *gate, size_t before,
                            const ptrdiff_t *was, const moe_labels *labels) {
  const moe_learner_type *type = moe_learner_type_of(gate);
  moe_fitted *f = gate->state;
  moe_labels names;
  MOE_TRY(moe_labels_copy(call, labels, &names));
  moe_labels_free(&f->labels);
  f->labels = names;
  for (size_t i = before; i-- > 0;) {
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
  if (follows) MOE_TRY(move_gate(call, gate.object, st->n, was, labels));
  return take_part(call, o, &gate, labels);
}

static moe_status take_parts(moe_call *call, moe_object *o,
                             const ptrdiff_t *was) {
  const moe_mixture_params *p = params_of(o);
  moe_labels labels = {.n = p->experts.n};
  MOE_SCRATCH(call, labels.items, labels.n);
  for (size_t e = 0; e < p->experts.n; e++) {
    part expert = expert_at(o, e);
    labels.items[e] =
        (moe_label){.kind = MOE_L_TEXT, .text = p->experts.names[e]};
    MOE_TRY(take_part(call, o, &expert, NULL));
  }
  MOE_TRY(moe__follow_in_forks(call, o));
  return take_gate(call, o, was, &labels);
}

/* A stream begins with the classes and levels that experts know already. */
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
  return MOE_OK;
}

/* ---------------------------------------------------- figures of the experts
   They are tables of 8-byte items, `rows` × experts × `width`. */

typedef struct table {
  void *at; /* of the array's pointer */
  size_t rows, width, next_width;
} table;

enum { TABLES = 9 };

static void list_tables(moe_mixture *m, size_t detector, size_t window,
                        table *out) {
  moe_stream *st = &m->stream;
  const table tables[TABLES] = {
      {&m->noise, 1, 1, 1},
      {&m->sharpness, 1, 1, 1},
      {&m->samples, 1, 1, 1},
      {&m->bias, 1, 1, 1},
      {&m->load, 1, 1, 1},
      {&m->importance, 1, 1, 1},
      {&st->run, 1, MOE_RUN, MOE_RUN},
      {&st->detectors, 1, st->detector_size, detector},
      {&st->window, window, 1, 1}};
  memcpy(out, tables, sizeof tables);
}

static void *read_pointer(const void *at) {
  void *pointer;
  memcpy(&pointer, at, sizeof pointer);
  return pointer;
}

static void carry(const table *t, size_t before, const ptrdiff_t *was, size_t n,
                  double *to) {
  const double *from = read_pointer(t->at);
  size_t bytes = t->width * sizeof *to;
  if (from == NULL || t->width != t->next_width) return;
  for (size_t r = 0; r < t->rows; r++)
    for (size_t e = 0; e < n; e++)
      if (was[e] >= 0)
        memcpy(to + (r * n + e) * t->width,
               from + (r * before + (size_t)was[e]) * t->width, bytes);
}

static ptrdiff_t find_name(const moe_texts *names, const char *name) {
  for (size_t e = 0; e < names->n; e++)
    if (strcmp(names->items[e], name) == 0) return (ptrdiff_t)e;
  return -1;
}

/* By which a state is recognised while nobody exchanges it. */
static int64_t address(const void *pointer) {
  return (int64_t)(uintptr_t)pointer;
}

static ptrdiff_t find_state(const moe_stream *st, const void *state) {
  for (size_t e = 0; state != NULL && st->known != NULL && e < st->n; e++)
    if (st->known[e] == address(state)) return (ptrdiff_t)e;
  return -1;
}

/* Where each expert was before, or -1: by what it has learned, for in a list
   names move; else by name, unless the one of that name is elsewhere now.  What
   was fitted before a stream began is where it was. */
static void find_places(const moe_object *o, ptrdiff_t *was) {
  const moe_children *experts = &params_of(o)->experts;
  const moe_mixture *m = o->state;
  const moe_stream *st = &m->stream;
  bool fitted = !st->open && m->n_experts == experts->n;
  for (size_t e = 0; e < experts->n; e++)
    was[e] = fitted ? (ptrdiff_t)e : find_state(st, experts->items[e]->state);
  for (size_t e = 0; e < experts->n; e++) {
    ptrdiff_t at = find_name(&st->names, experts->names[e]);
    bool taken = false;
    for (size_t i = 0; i < experts->n; i++) taken = taken || was[i] == at;
    if (was[e] < 0 && !taken) was[e] = at;
  }
}

static moe_status copy_names(moe_call *call, const moe_children *experts,
                             moe_texts *to) {
  MOE_TRY(moe_new_array(call, &to->items, experts->n, sizeof *to->items));
  for (; to->n < experts->n; to->n++) {
    to->items[to->n] = moe_copy_text(experts->names[to->n]);
    if (to->items[to->n] == NULL)
      return moe_fail(call, MOE_ENOMEM, "not enough memory for a name");
  }
  return MOE_OK;
}

static void free_names(moe_texts *names) {
  for (size_t e = 0; e < names->n; e++) moe_free(names->items[e]);
  moe_free(names->items);
  *names = (moe_texts){0};
}

/* What is new begins at 0, but for these; what was trained elsewhere is not
   new to learning. */
static void begin_new(const moe_object *o, const ptrdiff_t *was, size_t width,
                      bool kept) {
  const moe_streaming *options = moe__streaming_of(params_of(o)->stream);
  moe_mixture *m = o->state;
  for (size_t e = 0; e < m->n_experts; e++) {
    const moe_fitted *f = moe_learner_fitted(params_of(o)->experts.items[e]);
    if (was[e] < 0 || !(m->sharpness[e] > 0)) m->sharpness[e] = 1;
    if (was[e] < 0 || !m->stream.steps)
      m->stream.run[e].taught = (double)f->n_seen;
    if (was[e] < 0 || !kept)
      moe_detector_reset(&options->drift, m->stream.detectors + e * width);
  }
}

static void move_events(moe_stream *st, const ptrdiff_t *was, size_t n) {
  for (size_t i = 0; i < MOE_MOST_EVENTS; i++) {
    int32_t before = st->event_of[i];
    st->event_of[i] = -1;
    for (size_t e = 0; before >= 0 && e < n; e++)
      if (was[e] == before) st->event_of[i] = (int32_t)e;
  }
}

static moe_status begin_stream(moe_call *call, const moe_object *o,
                               moe_stream *st) {
  int64_t seed = params_of(o)->seed;
  size_t most = MOE_MOST_EVENTS;
  MOE_TRY(moe_new_array(call, &st->event_at, most, sizeof *st->event_at));
  MOE_TRY(moe_new_array(call, &st->event, most, sizeof *st->event));
  MOE_TRY(moe_new_array(call, &st->event_of, most, sizeof *st->event_of));
  for (size_t i = 0; i < most; i++) st->event_of[i] = -1;
  moe_random_seed(
      &st->random,
      moe_seed_of(seed == MOE_NO_INT ? 0 : (uint64_t)seed, "stream"));
  return MOE_OK;
}

/* Of a stream that has not begun: its visit does not come here. */
static void free_begun(moe_stream *st) {
  moe_free(st->event_at);
  moe_free(st->event);
  moe_free(st->event_of);
  st->event_at = NULL;
  st->event = st->event_of = NULL;
}

/* Puts the tables' new arrays in the place of the old ones. */
static void renew(moe_object *o, const table *tables, void **fresh,
                  const ptrdiff_t *was, moe_texts *names, size_t window) {
  moe_mixture *m = o->state;
  moe_stream *st = &m->stream;
  size_t width = tables[7].next_width;
  bool kept = st->open && width == st->detector_size;
  for (size_t i = 0; i < TABLES; i++) {
    carry(&tables[i], m->n_experts, was, names->n, fresh[i]);
    moe_free(read_pointer(tables[i].at));
    memcpy(tables[i].at, &fresh[i], sizeof fresh[i]);
  }
  move_events(st, was, names->n);
  free_names(&st->names);
  st->names = *names;
  st->detector_size = width;
  st->window_rows = window;
  st->open = 1;
  st->n = m->n_experts = names->n;
  begin_new(o, was, width, kept);
}

/* The tables for the experts and options that there are now. */
static moe_status make_tables(moe_call *call, moe_object *o,
                              const ptrdiff_t *was) {
  const moe_streaming *options = moe__streaming_of(params_of(o)->stream);
  const moe_children *experts = &params_of(o)->experts;
  moe_mixture *m = o->state;
  size_t window = options->balance == MOE_BY_QUANTILE ? MOE_WINDOW : 0;
  void *fresh[TABLES] = {0};
  moe_texts names = {0};
  table tables[TABLES];
  list_tables(m, moe_detector_size(&options->drift), window, tables);
  moe_status status =
      m->stream.open ? MOE_OK : begin_stream(call, o, &m->stream);
  if (status == MOE_OK) status = copy_names(call, experts, &names);
  for (size_t i = 0; status == MOE_OK && i < TABLES; i++)
    status = moe_new_array(
        call, &fresh[i],
        moe_size(tables[i].rows, moe_size(experts->n, tables[i].next_width)),
        sizeof(double));
  if (status == MOE_OK) {
    renew(o, tables, fresh, was, &names, window);
    return MOE_OK;
  }
  for (size_t i = 0; i < TABLES; i++) moe_free(fresh[i]);
  free_names(&names);
  if (!m->stream.open) free_begun(&m->stream);
  return status;
}

/* ---------------------------------------------------------- what is derived */

static double warmup_of(const moe_streaming *options, const char *name) {
  for (size_t i = 0; i < options->warmups.n; i++) {
    char text[64];
    moe_label_print(&options->warmups.labels[i], text, sizeof text);
    if (strcmp(text, name) == 0) return options->warmups.items[i];
  }
  return (double)options->warmup;
}

/* Each expert's class of each of the mixture's. */
static void find_ids(const moe_mixture *m, size_t classes, int32_t *ids) {
  for (size_t i = 0; i < m->n_experts * classes; i++) ids[i] = -1;
  for (size_t e = 0; e < m->n_experts; e++)
    for (int64_t k = m->map_start[e]; k < m->map_start[e + 1]; k++)
      if (m->map[k] >= 0)
        ids[e * classes + (size_t)m->map[k]] = (int32_t)(k - m->map_start[e]);
}

/* What else the derived arrays were made from. */
static int64_t settings_of(const moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  const moe_streaming *options = moe__streaming_of(p->stream);
  return address(options) + 3 * address(p->frozen.items) +
         5 * address(options->warmups.items) + 7 * options->warmup;
}

/* A mixture with other arrays in the place of those that are derived. */
static moe_status new_derived(moe_call *call, const moe_object *o,
                              size_t classes, moe_mixture *aside) {
  const moe_children *experts = &params_of(o)->experts;
  moe_stream *st = &aside->stream;
  size_t n = experts->n;
  aside->fitted.n_outputs = classes;
  aside->map_start = NULL;
  aside->map = NULL;
  st->room = st->warmup = NULL;
  st->lists = st->everyone = st->ids = NULL;
  st->known = NULL;
  st->frozen = st->warms = NULL;
  MOE_TRY(moe__mixture_map(call, experts, aside));
  st->n_ids = moe_size(n, classes);
  st->room_size = moe_size(6, n) + 2 * classes + aside->map_length;
  MOE_TRY(moe_new_array(call, &st->room, st->room_size, sizeof(double)));
  MOE_TRY(moe_new_array(call, &st->warmup, n, sizeof(double)));
  MOE_TRY(moe_new_array(call, &st->lists, moe_size(3, n), sizeof(int32_t)));
  MOE_TRY(moe_new_array(call, &st->everyone, n, sizeof(int32_t)));
  MOE_TRY(moe_new_array(call, &st->ids, st->n_ids, sizeof(int32_t)));
  MOE_TRY(moe_new_array(call, &st->known, n + 1, sizeof(int64_t)));
  MOE_TRY(moe_new_array(call, &st->frozen, n, 1));
  return moe_new_array(call, &st->warms, n, 1);
}

static void free_derived(moe_mixture *m) {
  moe_stream *st = &m->stream;
  void *const arrays[] = {m->map_start, m->map,       st->room, st->warmup,
                          st->lists,    st->everyone, st->ids,  st->known,
                          st->frozen,   st->warms};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    moe_free(arrays[i]);
}

static void fill_derived(const moe_object *o, size_t classes) {
  const moe_mixture_params *p = params_of(o);
  const moe_streaming *options = moe__streaming_of(p->stream);
  moe_mixture *m = o->state;
  moe_stream *st = &m->stream;
  find_ids(m, classes, st->ids);
  st->has_warmup = st->remembers = false;
  for (size_t e = 0; e < st->n; e++) {
    st->frozen[e] = moe__mixture_is_frozen(o, e);
    st->warmup[e] = warmup_of(options, p->experts.names[e]);
    st->known[e] = address(p->experts.items[e]->state);
    st->everyone[e] = (int32_t)e;
    st->remembers = st->remembers ||
                    moe_learner_type_of(p->experts.items[e])->advance != NULL;
    st->has_warmup = st->has_warmup || st->warmup[e] > 0;
  }
  st->known[st->n] = address(p->gate->state);
  st->settings = settings_of(o);
  st->most_entropy = log((double)st->n);
  st->gate_frozen = moe__mixture_gate_is_frozen(o);
  st->calls_host = (moe_learner_traits(o) & MOE_HOST_ONLY) != 0;
  st->levels = m->fitted.intake.levels.n;
}

/* `classes` is the mixture's outputs, or will be. */
static moe_status make_derived(moe_call *call, moe_object *o, size_t classes) {
  moe_mixture *m = o->state, aside = *m;
  moe_status status = new_derived(call, o, classes, &aside);
  if (status != MOE_OK) {
    free_derived(&aside);
    return status;
  }
  free_derived(m);
  aside.fitted.n_outputs = m->fitted.n_outputs;
  *m = aside;
  fill_derived(o, classes);
  return MOE_OK;
}

/* ---------------------------------------------------------------- following */

/* What the options ask of the tables. */
static bool has_sizes(const moe_object *o) {
  const moe_streaming *options = moe__streaming_of(params_of(o)->stream);
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  if (options->drift.kind == MOE_NO_DETECTOR && st->detector_size == 0)
    return (options->balance == MOE_BY_QUANTILE) == (st->window_rows > 0);
  return st->window_rows ==
             (options->balance == MOE_BY_QUANTILE ? MOE_WINDOW : 0) &&
         st->detector_size == moe_detector_size(&options->drift);
}

static bool has_tables(const moe_object *o, const ptrdiff_t *was) {
  const moe_children *experts = &params_of(o)->experts;
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  if (!st->open || st->n != experts->n || !has_sizes(o)) return false;
  for (size_t e = 0; e < st->n; e++)
    if (was[e] != (ptrdiff_t)e ||
        strcmp(st->names.items[e], experts->names[e]) != 0)
      return false;
  return true;
}

static bool is_current(const moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  const moe_mixture *m = o->state;
  const moe_stream *st = &m->stream;
  if (!st->open || st->n != p->experts.n || p->gate == NULL ||
      p->gate->state == NULL || st->known[st->n] != address(p->gate->state) ||
      st->settings != settings_of(o))
    return false;
  for (size_t e = 0; e < st->n; e++) {
    const moe_fitted *f = p->experts.items[e]->state;
    if (st->known[e] != address(f) ||
        (int64_t)f->n_outputs != m->map_start[e + 1] - m->map_start[e])
      return false;
  }
  return has_sizes(o);
}

static moe_status follow_levels(moe_call *call, moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  moe_mixture *m = o->state;
  for (size_t e = 0; e < p->experts.n; e++)
    MOE_TRY(moe__follow_levels(call, p->experts.items[e], &m->fitted));
  MOE_TRY(moe__follow_levels(call, p->gate, &m->fitted));
  MOE_TRY(moe__follow_in_forks(call, o));
  m->stream.levels = m->fitted.intake.levels.n;
  return MOE_OK;
}

/* `classes` as above; experts get those that they have not met. */
static moe_status follow_parts(moe_call *call, moe_object *o, size_t classes) {
  moe_scratch_mark mark = moe_scratch_now(call);
  ptrdiff_t *was;
  MOE_TRY(check_parts(call, o));
  MOE_SCRATCH(call, was, params_of(o)->experts.n);
  find_places(o, was);
  MOE_TRY(take_parts(call, o, was));
  if (!has_tables(o, was)) MOE_TRY(make_tables(call, o, was));
  MOE_TRY(make_derived(call, o, classes));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* A mixture that was fitted takes the stream's missing values too. */
static moe_status open_intake(moe_call *call, moe_object *o) {
  moe_fitted *own = o->state;
  moe_rows x = moe_rows_of_doubles(NULL, 1, own->schema.n);
  return moe_intake_open(call, &own->intake, &x, true, true);
}

moe_status moe__stream_follow(moe_call *call, moe_object *o) {
  const moe_mixture *m = o->state;
  const moe_fitted *own = &m->fitted;
  if (!m->stream.open && own->n_seen > 0 && !own->intake.open)
    MOE_TRY(open_intake(call, o));
  if (!is_current(o)) MOE_TRY(follow_parts(call, o, own->n_outputs));
  return m->stream.levels == own->intake.levels.n ? MOE_OK
                                                  : follow_levels(call, o);
}

moe_status moe__stream_check(moe_call *call, const moe_object *o) {
  return is_current(o) ? MOE_OK : moe__mixture_check(call, o);
}

moe_status moe__stream_add_class(moe_call *call, moe_object *o,
                                 size_t position) {
  const moe_mixture *m = o->state;
  (void)position;
  return m->stream.open ? follow_parts(call, o, m->fitted.labels.n) : MOE_OK;
}

/* -------------------------------------------------------------------- files */

static bool all_finite(const double *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!isfinite(x[i])) return false;
  return true;
}

static bool events_are_sound(const moe_stream *st) {
  if (st->n_events < 0) return false;
  for (size_t i = 0; i < MOE_MOST_EVENTS; i++)
    if (st->event[i] < 0 || st->event[i] > MOE_E_TAKE_OVER ||
        st->event_of[i] < -1 || st->event_of[i] >= (int64_t)st->n)
      return false;
  return true;
}

static bool detectors_are_sound(const moe_object *o) {
  const moe_streaming *options = moe__streaming_of(params_of(o)->stream);
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  if (st->detector_size != moe_detector_size(&options->drift)) return true;
  for (size_t e = 0; st->detector_size > 0 && e < st->n; e++)
    if (!moe_detector_is_sound(&options->drift,
                               st->detectors + e * st->detector_size))
      return false;
  return true;
}

bool moe__stream_is_sound(const moe_object *o) {
  const moe_mixture *m = o->state;
  const moe_stream *st = &m->stream;
  if (!st->open) return true;
  if (st->n != m->n_experts || st->names.n != st->n || st->steps < 0 ||
      st->run == NULL || st->detectors == NULL || st->event_at == NULL ||
      st->event == NULL || st->event_of == NULL || st->window == NULL)
    return false;
  return all_finite((const double *)st->run, MOE_RUN * st->n) &&
         all_finite((const double *)&st->runs, MOE_RUNS) &&
         all_finite(st->detectors, st->detector_size * st->n) &&
         all_finite(st->window, st->window_rows * st->n) &&
         events_are_sound(st) && detectors_are_sound(o);
}

moe_status moe__stream_rebuild(moe_call *call, moe_object *o) {
  const moe_mixture *m = o->state;
  return make_derived(call, o, m->fitted.n_outputs);
}
