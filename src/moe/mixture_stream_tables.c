/* What a mixture on a stream keeps of each expert, in tables that follow where
   experts are added, removed or moved, and where the options change. */
#include <math.h>
#include <string.h>

#include "mixture_fit.h"
#include "mixture_stream.h"

static const moe_mixture_params *params_of(const moe_object *o) {
  return o->params;
}

/* ---------------------------------------------------- figures of the experts
   They are tables of 8-byte items, `rows` × experts × `width`. */

typedef struct table {
  void *at; /* of the array's pointer */
  size_t rows, width, next_width;
} table;

enum { DETECTORS, WINDOW, OTHERS = 8, TABLES = OTHERS + MOE_RUN };

static void list_tables(moe_mixture *m, size_t detector, size_t window,
                        table *out) {
  moe_stream *st = &m->stream;
  size_t same = st->window_rows == window; /* else nothing is carried over */
  const table others[OTHERS] = {
      [DETECTORS] = {&st->detectors, 1, st->detector_size, detector},
      [WINDOW] = {&st->window, window, same, 1},
      {&m->noise, 1, 1, 1},
      {&m->sharpness, 1, 1, 1},
      {&m->samples, 1, 1, 1},
      {&m->bias, 1, 1, 1},
      {&m->load, 1, 1, 1},
      {&m->importance, 1, 1, 1}};
  memcpy(out, others, sizeof others);
  for (size_t i = 0; i < MOE_RUN; i++)
    out[OTHERS + i] = (table){moe__run_at(&st->run, i), 1, 1, 1};
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

static ptrdiff_t find_place(const moe_stream *st, size_t at) {
  for (size_t e = 0; e < st->n; e++)
    if (st->places[e] == (int64_t)at) return (ptrdiff_t)e;
  return -1;
}

static int64_t find_child(const moe_children *children, const moe_object *o) {
  for (size_t i = 0; i < children->n; i++)
    if (children->items[i] == o) return (int64_t)i;
  return -1;
}

/* By the objects themselves, while both lists hold theirs: later another may
   lie where one lay. */
void moe__stream_replaced(moe_object *o, const moe_param *p,
                          const moe_children *before) {
  moe_mixture *m = o->state;
  (void)p;
  for (size_t e = 0; m != NULL && e < m->stream.n; e++) {
    int64_t *place = &m->stream.places[e];
    bool held = *place >= 0 && *place < (int64_t)before->n;
    *place =
        held ? find_child(&params_of(o)->experts, before->items[*place]) : -1;
  }
}

const char *moe__stream_name(const moe_object *o, size_t e) {
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  char *const *names = params_of(o)->experts.names;
  const char *own = st->names.items[e];
  if (st->places[e] >= 0) return names[st->places[e]];
  for (size_t i = 0; i < st->n; i++)
    if (st->places[i] >= 0 && strcmp(names[st->places[i]], own) == 0)
      return NULL;
  return own;
}

bool moe__stream_has_places(const moe_stream *st) {
  for (size_t e = 0; e < st->n; e++)
    if (st->places[e] >= 0 && st->places[e] != (int64_t)e) return false;
  return true;
}

/* Where each expert was before, or -1: it itself, wherever it is now; else the
   one of its name, unless that is elsewhere now.  What was fitted before a
   stream began is where it was. */
void moe__stream_find_places(const moe_object *o, ptrdiff_t *was) {
  const moe_children *experts = &params_of(o)->experts;
  const moe_mixture *m = o->state;
  const moe_stream *st = &m->stream;
  bool fitted = !st->open && m->n_experts == experts->n;
  for (size_t e = 0; e < experts->n; e++)
    was[e] = fitted ? (ptrdiff_t)e : find_place(st, e);
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
      m->stream.run.taught[e] = (double)f->n_seen;
    if (was[e] < 0) m->stream.run.born[e] = (double)m->stream.steps;
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
  MOE_TRY(moe_new_array(call, &st->waiting, 1, sizeof *st->waiting));
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
  moe_free(st->waiting);
  st->event_at = NULL;
  st->event = st->event_of = NULL;
  st->waiting = NULL;
}

/* Puts the tables' new arrays in the place of the old ones. */
static void renew(moe_object *o, const table *tables, void **fresh,
                  const ptrdiff_t *was, moe_texts *names, size_t window) {
  moe_mixture *m = o->state;
  moe_stream *st = &m->stream;
  size_t width = tables[DETECTORS].next_width;
  int kind = moe__streaming_of(params_of(o)->stream)->drift.kind;
  bool kept = width == st->detector_size && kind == st->detector;
  moe__stream_settle(st);
  for (size_t i = 0; i < TABLES; i++) {
    carry(&tables[i], m->n_experts, was, names->n, fresh[i]);
    moe_free(read_pointer(tables[i].at));
    memcpy(tables[i].at, &fresh[i], sizeof fresh[i]);
  }
  move_events(st, was, names->n);
  free_names(&st->names);
  st->names = *names;
  st->detector_size = width;
  st->detector = kind;
  st->window_rows = window;
  st->open = 1;
  st->n = m->n_experts = names->n;
  begin_new(o, was, width, kept);
}

/* The tables for the experts and options that there are now. */
moe_status moe__stream_make_tables(moe_call *call, moe_object *o,
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

/* What the options ask of the tables. */
bool moe__stream_has_sizes(const moe_object *o) {
  const moe_streaming *options = moe__streaming_of(params_of(o)->stream);
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  if ((options->balance == MOE_BY_QUANTILE) != (st->window_rows > 0) ||
      options->drift.kind != st->detector)
    return false;
  return st->detector == MOE_NO_DETECTOR ||
         st->detector_size == moe_detector_size(&options->drift);
}

bool moe__stream_has_name(const moe_object *o, size_t e) {
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  return strcmp(st->names.items[e], params_of(o)->experts.names[e]) == 0;
}

bool moe__stream_has_names(const moe_object *o) {
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  for (size_t e = 0; e < st->n; e++)
    if (!moe__stream_has_name(o, e)) return false;
  return true;
}

bool moe__stream_has_tables(const moe_object *o, const ptrdiff_t *was) {
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  if (!st->open || st->n != params_of(o)->experts.n ||
      !moe__stream_has_sizes(o) || !moe__stream_has_names(o))
    return false;
  for (size_t e = 0; e < st->n; e++)
    if (was[e] != (ptrdiff_t)e) return false;
  return true;
}
