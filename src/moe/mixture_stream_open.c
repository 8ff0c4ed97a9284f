/* How a mixture's stream begins, and goes on where experts or gate were added,
   removed, reset or trained elsewhere since the last sample. */
#include <math.h>
#include <string.h>

#include "gate_online.h"
#include "mixture_fit.h"
#include "mixture_stream.h"

static const moe_mixture_params *params_of(const moe_object *o) {
  return o->params;
}

static moe_status visit_run(moe_run *run, size_t n, moe_visitor *v) {
  static const char *const names[MOE_RUN] = {
      "run_load",   "run_used",     "run_loss",  "run_cover",
      "run_taught", "run_born",     "run_error", "run_errors",
      "run_recent", "run_compared", "run_lead",  "run_candour"};
  for (size_t i = 0; i < MOE_RUN; i++)
    MOE_TRY(moe_visit_array(v, names[i], MOE_F64, moe__run_at(run, i), n));
  return MOE_OK;
}

static moe_status visit_runs(moe_runs *runs, moe_visitor *v) {
  static const char *const names[MOE_RUNS] = {"disagreement",
                                              "mean_disagreement",
                                              "disagreement_cover",
                                              "error",
                                              "cover",
                                              "entropy",
                                              "alignment",
                                              "answer",
                                              "change",
                                              "turn"};
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
  MOE_TRY(visit_run(&st->run, st->n, v));
  MOE_TRY(visit_runs(&st->runs, v));
  MOE_TRY(moe_visit_scalar(v, "detector", MOE_I32, &st->detector));
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
  MOE_TRY(moe_visit_scalar(v, "waits", MOE_I64, &st->waits));
  MOE_TRY(moe_visit_scalar(v, "sums", MOE_I64, &st->sums));
  MOE_TRY(moe_visit_array(v, "waiting", MOE_F64, &st->waiting,
                          sizeof *st->waiting / sizeof(double)));
  MOE_TRY(moe_visit_derived(v, "room", MOE_F64, &st->room, st->room_size));
  MOE_TRY(moe_visit_derived(v, "lists", MOE_I32, &st->lists, 3 * st->n));
  MOE_TRY(moe_visit_derived(v, "everyone", MOE_I32, &st->everyone, st->n));
  MOE_TRY(moe_visit_derived(v, "ids", MOE_I32, &st->ids, st->n_ids));
  MOE_TRY(moe_visit_derived(v, "places", MOE_I64, &st->places, st->n));
  MOE_TRY(moe_visit_derived(v, "lines", MOE_U8, &st->lines,
                            moe_size(st->n, sizeof(moe_line))));
  MOE_TRY(moe_visit_derived(v, "warmup", MOE_F64, &st->warmup, st->n));
  MOE_TRY(moe_visit_derived(v, "frozen", MOE_U8, &st->frozen, st->n));
  return moe_visit_derived(v, "warms", MOE_U8, &st->warms, st->n);
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
  st->places = NULL;
  st->lines = NULL;
  st->frozen = st->warms = NULL;
  MOE_TRY(moe__mixture_map(call, experts, aside));
  st->n_ids = moe_size(n, classes);
  st->room_size = moe_size(6, n) + 2 * (classes + aside->map_length);
  MOE_TRY(moe_new_array(call, &st->room, st->room_size, sizeof(double)));
  MOE_TRY(moe_new_array(call, &st->warmup, n, sizeof(double)));
  MOE_TRY(moe_new_array(call, &st->lists, moe_size(3, n), sizeof(int32_t)));
  MOE_TRY(moe_new_array(call, &st->everyone, n, sizeof(int32_t)));
  MOE_TRY(moe_new_array(call, &st->ids, st->n_ids, sizeof(int32_t)));
  MOE_TRY(moe_new_array(call, &st->places, n, sizeof(int64_t)));
  MOE_TRY(moe_new_array(call, &st->lines, n, sizeof(moe_line)));
  MOE_TRY(moe_new_array(call, &st->frozen, n, 1));
  return moe_new_array(call, &st->warms, n, 1);
}

static void free_derived(moe_mixture *m) {
  moe_stream *st = &m->stream;
  void *const arrays[] = {m->map_start, m->map,       st->room, st->warmup,
                          st->lists,    st->everyone, st->ids,  st->places,
                          st->frozen,   st->warms,    st->lines};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    moe_free(arrays[i]);
}

static bool are_of_one_type(const moe_children *experts) {
  for (size_t e = 1; e < experts->n; e++)
    if (experts->items[e]->type != experts->items[0]->type) return false;
  return true;
}

/* Of one number each, from the columns as they come. */
static bool are_lines(const moe_object *o, moe_line *lines) {
  const moe_children *experts = &params_of(o)->experts;
  const moe_fitted *own = o->state;
  if (own->task != MOE_REGRESSION || own->n_outputs != 1) return false;
  for (size_t e = 0; e < experts->n; e++) {
    moe_object *child = experts->items[e];
    const moe_learner_type *type = moe_learner_type_of(child);
    if (type->lay_open == NULL || !type->lay_open(child, &lines[e]) ||
        moe_learner_fitted(child)->n_features != own->n_features)
      return false;
  }
  return true;
}

/* The gate laid open, where nothing is in the way of a sample but a few lines
   and it: no noise, no chance, nobody who waits, stays as he is, or learns what
   he was not asked. */
static moe_linear_gate *lay_open_gate(const moe_object *o, moe_stream *st) {
  const moe_mixture_params *p = params_of(o);
  const moe_streaming *options = moe__streaming_of(p->stream);
  const moe_fitted *own = o->state, *f = moe_learner_fitted(p->gate);
  bool again = options->measure == MOE_AFTER_LEARNING;
  bool unasked = st->teach == MOE_TEACH_ALL && !st->teaches_asked;
  if (!st->of_lines || !st->few || !(st->plain || st->in_logits) ||
      st->has_warmup || st->has_frozen || st->gate_frozen || st->calls_host ||
      options->noise > 0 || options->explore > 0 || (again && st->plain) ||
      unasked || f == NULL || f->n_features != own->n_features ||
      f->intake.spreads)
    return NULL;
  return moe_softmax_gate_lay_open(p->gate, &st->rule);
}

static enum moe_teach find_teaching(const moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  enum moe_teach teach = (enum moe_teach)moe__streaming_of(p->stream)->teach;
  if (teach != MOE_TEACH_BY_KIND) return teach;
  return are_of_one_type(&p->experts) ? MOE_TEACH_BY_SHARE : MOE_TEACH_ALL;
}

/* Forks and detectors are looked after in every step; nobody is dead before. */
static int64_t find_mending(const moe_streaming *options) {
  if (options->forks.n > 0 || options->drift.kind != MOE_NO_DETECTOR) return 0;
  return options->revive == MOE_LEAVE_DEAD ? INT64_MAX : options->span + 2;
}

/* What counts in the selection: a stream's, or what a fit has left. */
const double *moe__stream_bias(const moe_object *o) {
  const moe_mixture_params *p = moe_mixture_params_of(o);
  const moe_mixture *m = o->state;
  int balance = moe__streaming_of(p->stream)->balance;
  bool biased = balance == MOE_BY_INTEGRAL || balance == MOE_BY_QUANTILE ||
                (balance == MOE_LEAVE_LOAD && p->balance == MOE_BY_BIAS);
  return biased ? m->bias : NULL;
}

void moe__stream_find_way(const moe_object *o, moe_stream *st) {
  const moe_mixture_params *p = params_of(o);
  const moe_streaming *options = moe__streaming_of(p->stream);
  const moe_mixture *m = o->state;
  bool softmax = p->route.score == MOE_SOFTMAX && p->route.temperature == 1;
  bool penalty = st->has_warmup && options->warming == MOE_BY_PENALTY;
  st->changes[0] = moe_object_changes(o);
  st->changes[1] = moe_object_changes_below(o);
  st->selects = moe_route_width(&p->route, st->n);
  st->mend_at = find_mending(options);
  st->share = 2 / ((double)options->span + 1);
  st->entropy_unit = st->n > 1 ? 1 / log((double)st->n) : 0;
  st->teach = find_teaching(o);
  st->teaches_asked =
      options->feedback == MOE_FULL_FEEDBACK || st->teach == MOE_TEACH_CHOSEN;
  st->gate_frozen = moe__mixture_gate_is_frozen(o);
  st->calls_host = (moe_learner_traits(o) & MOE_HOST_ONLY) != 0;
  st->classes = m->fitted.task == MOE_CLASSIFICATION;
  st->is_number = m->fitted.task == MOE_REGRESSION && m->fitted.n_outputs == 1;
  st->shadows = st->has_warmup && options->warming == MOE_IN_SHADOW;
  st->in_logits = softmax && !st->has_warmup;
  st->plain = softmax && !penalty && options->balance != MOE_IN_LOGITS;
  st->biased = moe__stream_bias(o) != NULL;
  st->few = !st->biased && moe__route_is_few(&p->route, st->n);
  st->renormalizes = moe__route_renormalizes(&p->route);
  st->gate = lay_open_gate(o, st);
  st->at_once = NULL;
}

moe_step moe__step_of(const moe_object *o, moe_stream *st, size_t width,
                      double *room, int32_t *chosen) {
  const moe_mixture_params *p = o->params;
  moe_mixture *m = o->state;
  size_t n = st->n, columns = m->map_length;
  double *answers = room + 5 * n, *loss = answers + 2 * columns;
  return (moe_step){.object = (moe_object *)o,
                    .options = moe__streaming_of(p->stream),
                    .params = p,
                    .m = m,
                    .st = st,
                    .n = n,
                    .width = width,
                    .logits = room,
                    .probs = room + n,
                    .scores = room + 2 * n,
                    .weights = room + 3 * n,
                    .merit = room + 4 * n,
                    .answers = answers,
                    .plain = answers + columns,
                    .loss = loss,
                    .mixed = loss + n,
                    .fork = loss + n + width,
                    .chosen = chosen,
                    .warms = st->warms};
}

static void fill_derived(const moe_object *o, size_t classes) {
  const moe_mixture_params *p = params_of(o);
  const moe_streaming *options = moe__streaming_of(p->stream);
  moe_mixture *m = o->state;
  moe_stream *st = &m->stream;
  find_ids(m, classes, st->ids);
  st->has_warmup = st->remembers = st->has_frozen = false;
  st->nests = options->forks.n > 0;
  for (size_t e = 0; e < st->n; e++) {
    st->frozen[e] = moe__mixture_is_frozen(o, e);
    st->has_frozen = st->has_frozen || st->frozen[e];
    st->warmup[e] = warmup_of(options, p->experts.names[e]);
    st->places[e] = moe__stream_has_name(o, e) ? (int64_t)e : -1;
    st->everyone[e] = (int32_t)e;
    st->remembers = st->remembers ||
                    moe_learner_type_of(p->experts.items[e])->advance != NULL;
    st->has_warmup = st->has_warmup || st->warmup[e] > 0;
    st->nests = st->nests || p->experts.items[e]->n_below > 0;
  }
  st->of_lines = are_lines(o, st->lines);
  st->levels = m->fitted.intake.levels.n;
  moe__stream_find_way(o, st);
  if (options->measure == MOE_BEFORE_LEARNING) moe__stream_settle(st);
  st->step = moe__step_of(o, st, classes, st->room, st->lists);
}

/* The arrays of another go into the place of its own. */
static void take_derived(moe_mixture *m, const moe_mixture *from) {
  moe_stream *to = &m->stream;
  const moe_stream *st = &from->stream;
  free_derived(m);
  m->map_start = from->map_start;
  m->map = from->map;
  m->map_length = from->map_length;
  to->room = st->room;
  to->room_size = st->room_size;
  to->warmup = st->warmup;
  to->lists = st->lists;
  to->everyone = st->everyone;
  to->ids = st->ids;
  to->n_ids = st->n_ids;
  to->places = st->places;
  to->lines = st->lines;
  to->frozen = st->frozen;
  to->warms = st->warms;
}

/* All that is derived anew, and the tables if `was` tells where experts were:
   or nothing of it.  `classes` is the mixture's outputs, or will be. */
static moe_status make_derived(moe_call *call, moe_object *o, size_t classes,
                               const ptrdiff_t *was) {
  moe_mixture *m = o->state, aside = *m;
  aside.stream.open = 1;
  moe_status status = new_derived(call, o, classes, &aside);
  if (status == MOE_OK && was != NULL && !moe__stream_has_tables(o, was))
    status = moe__stream_make_tables(call, o, was);
  if (status != MOE_OK) {
    free_derived(&aside);
    return status;
  }
  take_derived(m, &aside);
  fill_derived(o, classes);
  return MOE_OK;
}

size_t moe__stream_window(const moe_object *o) {
  const moe_mixture_params *p = o->params;
  size_t least = SIZE_MAX;
  for (size_t e = 0; e < p->experts.n; e++) {
    size_t own = moe_learner_context_window(p->experts.items[e]);
    if (own < least) least = own;
  }
  return p->experts.n > 0 ? least : 1;
}

/* ---------------------------------------------------------------- following */

bool moe__stream_has_classes(const moe_object *o) {
  const moe_children *experts = &params_of(o)->experts;
  const moe_mixture *m = o->state;
  for (size_t e = 0; e < experts->n; e++) {
    const moe_fitted *f = experts->items[e]->state;
    if ((int64_t)f->n_outputs != m->map_start[e + 1] - m->map_start[e])
      return false;
  }
  return true;
}

/* The same of the levels of columns of strings. */
bool moe__stream_has_levels(const moe_object *o) {
  const moe_children *experts = &params_of(o)->experts;
  const moe_mixture *m = o->state;
  for (size_t e = 0; e < experts->n; e++) {
    const moe_fitted *f = experts->items[e]->state;
    if (f->intake.open && f->intake.levels.n != m->stream.levels) return false;
  }
  return true;
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
  MOE_SCRATCH(call, was, params_of(o)->experts.n);
  moe__stream_find_places(o, was);
  MOE_TRY(moe__stream_take_parts(call, o, was));
  MOE_TRY(make_derived(call, o, classes, was));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* A mixture that was fitted takes the stream's missing values too. */
static moe_status open_intake(moe_call *call, moe_object *o) {
  const moe_mixture *m = o->state;
  moe_fitted *own = o->state;
  moe_rows x = moe_rows_of_doubles(NULL, 1, own->schema.n);
  if (m->stream.open || own->n_seen == 0 || own->intake.open) return MOE_OK;
  return moe_intake_open(call, &own->intake, &x, true, true);
}

/* Mixtures below, which are asked before they learn. */
static MOE_RARE moe_status follow_below(moe_call *call, const moe_object *o) {
  for (size_t i = 0; i < o->n_below; i++) {
    moe_object *child = o->below[i];
    const moe_mixture *m = child->state;
    bool streams = child->type == &moe_mixture_of_experts.type && m != NULL &&
                   m->stream.open;
    MOE_TRY(streams ? moe__stream_follow(call, child)
                    : follow_below(call, child));
  }
  return MOE_OK;
}

moe_status moe__stream_follow(moe_call *call, moe_object *o) {
  const moe_mixture *m = o->state;
  const moe_fitted *own = &m->fitted;
  if (m->stream.nests) MOE_TRY(follow_below(call, o));
  if (!moe__stream_is_current(o, &m->stream)) {
    MOE_TRY(open_intake(call, o));
    MOE_TRY(follow_parts(call, o, own->n_outputs));
  }
  return m->stream.levels == own->intake.levels.n ? MOE_OK
                                                  : follow_levels(call, o);
}

/* What was fitted learns a new class on a stream, which begins. */
moe_status moe__stream_add_class(moe_call *call, moe_object *o,
                                 size_t position) {
  const moe_mixture *m = o->state;
  (void)position;
  if (!m->stream.open && m->fitted.n_seen == 0) return MOE_OK;
  MOE_TRY(open_intake(call, o));
  return follow_parts(call, o, m->fitted.labels.n);
}

/* -------------------------------------------------------------------- files */

static bool all_finite(const double *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!isfinite(x[i])) return false;
  return true;
}

/* Of what runs: losses are 1e300 at most, means of them but for rounding. */
static const double LARGEST = 1e301;

static bool all_within(const double *x, size_t n, double most) {
  for (size_t i = 0; i < n; i++)
    if (!(fabs(x[i]) <= most)) return false;
  return true;
}

static bool run_is_sound(const moe_stream *st) {
  moe_run run = st->run;
  for (size_t i = 0; i < MOE_RUN; i++)
    if (*moe__run_at(&run, i) == NULL ||
        !all_within(*moe__run_at(&run, i), st->n, LARGEST))
      return false;
  for (size_t e = 0; e < st->n; e++)
    if (run.taught[e] < 0) return false;
  return true;
}

static bool waiting_is_sound(const moe_stream *st) {
  const double most = MOE_WAITING_WIDTH; /* a place adds 1 to them at most */
  const moe_waiting *w = st->waiting;
  for (size_t i = 0; i < MOE_WAITING_WIDTH; i++)
    if (!(w->logits[i] < INFINITY)) return false;
  for (size_t i = 0; i < MOE_WAITING; i++)
    if (w->sum[i] < 0) return false;
  return (st->waits == 0 || (st->waits == 1 && st->n <= MOE_WAITING_WIDTH)) &&
         w->share >= 0 && w->share <= 1 && st->sums >= 0 &&
         st->sums <= MOE_WAITING && all_within(w->sum, MOE_WAITING, most) &&
         all_within(w->mean, MOE_WAITING, most);
}

static bool events_are_sound(const moe_stream *st) {
  if (!moe_is_count(st->n_events)) return false;
  for (size_t i = 0; i < MOE_MOST_EVENTS; i++)
    if (st->event[i] < 0 || st->event[i] > MOE_E_TAKE_OVER ||
        st->event_of[i] < -1 || st->event_of[i] >= (int64_t)st->n)
      return false;
  return true;
}

static bool detectors_are_sound(const moe_object *o) {
  const moe_streaming *options = moe__streaming_of(params_of(o)->stream);
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  if (!moe__stream_has_sizes(o)) return true; /* they will be made anew */
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
  if (st->window_rows != 0 && st->window_rows != MOE_WINDOW) return false;
  if (st->n != m->n_experts || st->names.n != st->n ||
      !moe_is_count(st->steps) || st->detectors == NULL ||
      st->event_at == NULL || st->event == NULL || st->event_of == NULL ||
      st->window == NULL || st->waiting == NULL)
    return false;
  return run_is_sound(st) && all_finite((const double *)&st->runs, MOE_RUNS) &&
         all_finite(st->detectors, st->detector_size * st->n) &&
         all_finite(st->window, st->window_rows * st->n) &&
         waiting_is_sound(st) && events_are_sound(st) && detectors_are_sound(o);
}

/* A file may have parts that were exchanged after the last sample, or were
   never of one mixture: then it is not current. */
moe_status moe__stream_rebuild(moe_call *call, moe_object *o) {
  const moe_mixture_params *p = params_of(o);
  moe_mixture *m = o->state;
  MOE_TRY(make_derived(call, o, m->fitted.n_outputs, NULL));
  if (moe_route_check(call, &p->route, m->n_experts, false) != MOE_OK ||
      !moe__stream_has_sizes(o) || !moe__stream_has_parts(o) ||
      !moe__stream_has_names(o))
    m->stream.changes[0] = moe_object_changes(o) - MOE_CHANGE;
  return MOE_OK;
}

/* A copy's derived figures have the original's addresses: they are made anew,
   where the original is up to date at once. */
moe_status moe__stream_cloned(moe_call *call, const moe_object *from,
                              moe_object *to) {
  const moe_mixture *was = from->state;
  moe_mixture *m = to->state;
  if (m == NULL || !m->stream.open) return MOE_OK;
  if (moe__stream_is_current(from, &was->stream))
    return moe__stream_rebuild(call, to);
  m->stream.changes[0] = moe_object_changes(to) - MOE_CHANGE;
  return MOE_OK;
}
