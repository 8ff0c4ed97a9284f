#include "encoder.h"

#include <stdlib.h>
#include <string.h>

moe_status moe_encoder_visit(void *state, moe_visitor *v) {
  moe_encoder *e = state;
  MOE_TRY(moe_shaped_visit(&e->shaped, v));
  MOE_TRY(
      moe_visit_array(v, "starts", MOE_I64, &e->starts, e->shaped.input.n + 1));
  return moe_visit_texts(v, "levels", &e->levels);
}

static const moe_encoding *encoding_of(const moe_object *o) {
  return moe_transform_type_of(o)->encoding;
}

static size_t width_of(const moe_encoding *how, const moe_encoder *e,
                       size_t column) {
  uint8_t role = e->shaped.roles[column];
  return role == MOE_ROLE_TEXT ? how->width(e, column)
                               : role == MOE_ROLE_NUMBER;
}

/* The columns that all of them become; `places`, if not NULL, receives the
   first of each. */
static size_t plan_places(const moe_encoding *how, const moe_encoder *e,
                          size_t *places) {
  size_t n = 0;
  for (size_t j = 0; j < e->shaped.input.n; j++) {
    if (places != NULL) places[j] = n;
    n += width_of(how, e, j);
  }
  return n;
}

/* Whether the levels of a column are ordered, so that they can be found. */
static bool has_order(const moe_encoder *e, size_t column) {
  for (int64_t k = e->starts[column]; k + 1 < e->starts[column + 1]; k++)
    if (strcmp(e->levels.items[k], e->levels.items[k + 1]) >= 0) return false;
  return true;
}

moe_status moe_encoder_check(moe_call *call, const moe_object *o) {
  const moe_encoder *e = o->state;
  size_t d = e->shaped.input.n;
  MOE_TRY(moe_shaped_check(call, o));
  bool good = e->starts != NULL && e->starts[0] == 0 &&
              e->starts[d] == (int64_t)e->levels.n;
  for (size_t j = 0; good && j < d; j++)
    good = e->starts[j] <= e->starts[j + 1];
  for (size_t j = 0; good && j < d; j++) good = has_order(e, j);
  if (good && plan_places(encoding_of(o), e, NULL) == e->shaped.output.n)
    return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "%s: its levels and columns contradict each other",
                  o->type->name);
}

/* ----------------------------------------------------------------- fitting */

static int compare_levels(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Room to mark every code of every nominal column. */
static moe_status begin_marks(moe_call *call, moe_transform_job *job) {
  moe_encoder_work *w = job->work;
  moe_encoder *e = job->state;
  const moe_rows *x = &job->x;
  MOE_TRY(moe_new_array(call, &e->starts, x->d + 1, sizeof *e->starts));
  MOE_TRY(moe_new_array(call, &w->places, x->d + 1, sizeof *w->places));
  for (size_t j = 0; j < x->d; j++) {
    const moe_column *c = moe_cells_nominal(x, j);
    size_t codes = e->shaped.roles[j] == MOE_ROLE_TEXT ? c->n_levels : 0;
    w->places[j + 1] = w->places[j] + codes;
  }
  return moe_new_array(call, &w->occurs, w->places[x->d], sizeof *w->occurs);
}

static void mark_codes(moe_transform_job *job, moe_span span) {
  const moe_encoder_work *w = job->work;
  const moe_encoder *e = job->state;
  for (size_t j = 0; j < job->x.d; j++) {
    const moe_column *c = moe_cells_nominal(&job->x, j);
    if (e->shaped.roles[j] != MOE_ROLE_TEXT) continue;
    for (size_t i = span.first; i < span.first + span.n; i++) {
      int32_t code = moe_cells_code(&job->x, c, i);
      if (code >= 0) w->occurs[w->places[j] + (size_t)code] = true;
    }
  }
}

/* The levels that occur in the rows, ordered. */
static moe_status gather(moe_call *call, const moe_column *c,
                         const uint8_t *occurs, const char ***out, size_t *n) {
  MOE_SCRATCH(call, *out, c->n_levels);
  *n = 0;
  for (size_t code = 0; code < c->n_levels; code++)
    if (occurs[code]) (*out)[(*n)++] = c->levels[code];
  qsort(*out, *n, sizeof **out, compare_levels);
  return MOE_OK;
}

static moe_status learn_levels(moe_call *call, moe_transform_job *job,
                               size_t column) {
  moe_encoder_work *w = job->work;
  moe_encoder *e = job->state;
  const char **texts;
  size_t n;
  MOE_TRY(gather(call, moe_cells_nominal(&job->x, column),
                 w->occurs + w->places[column], &texts, &n));
  MOE_TRY(moe_reserve(call, &e->levels.items, &w->room, e->levels.n, n,
                      sizeof *e->levels.items));
  for (size_t k = 0; k < n; k++) {
    char *copy = moe_copy_text(texts[k]);
    if (copy == NULL)
      return moe_fail(call, MOE_ENOMEM, "not enough memory for the levels");
    e->levels.items[e->levels.n++] = copy;
  }
  return MOE_OK;
}

static moe_status name_columns(moe_call *call, const moe_encoding *how,
                               moe_encoder *e) {
  const moe_shaped *s = &e->shaped;
  char **name = s->output.names.items;
  for (size_t j = 0; name != NULL && j < s->input.n; j++)
    for (size_t k = 0; k < width_of(how, e, j); k++) {
      *name = s->roles[j] == MOE_ROLE_TEXT
                  ? how->name(e, j, k)
                  : moe_copy_text(s->input.names.items[j]);
      if (*name++ == NULL)
        return moe_fail(call, MOE_ENOMEM, "not enough memory for the names");
    }
  return MOE_OK;
}

static moe_status name_all(moe_call *call, moe_transform_job *job) {
  const moe_encoding *how = encoding_of(job->object);
  moe_encoder *e = job->state;
  MOE_TRY(moe_shaped_outputs(call, &e->shaped, plan_places(how, e, NULL)));
  job->done = true;
  return name_columns(call, how, e);
}

/* A pass over the rows, then the columns one by one. */
moe_status moe_encoder_step(moe_call *call, moe_transform_job *job) {
  moe_encoder_work *w = job->work;
  moe_encoder *e = job->state;
  size_t j = w->column;
  if (w->occurs == NULL) MOE_TRY(begin_marks(call, job));
  if (job->passes == 0) {
    mark_codes(job, moe_transform_next(job, job->x.d));
    return MOE_OK;
  }
  if (j == job->x.d) return name_all(call, job);
  if (e->shaped.roles[j] == MOE_ROLE_TEXT) MOE_TRY(learn_levels(call, job, j));
  e->starts[++w->column] = (int64_t)e->levels.n;
  return MOE_OK;
}

void moe_encoder_end(moe_transform_job *job) {
  moe_encoder_work *w = job->work;
  moe_free(w->places);
  moe_free(w->occurs);
}

/* ---------------------------------------------------------------- applying */

/* Asks for each level of the rows' table once, and only if it occurs. */
typedef struct lookup {
  const moe_column **nominal; /* one a column; NULL: all is missing */
  int32_t **known; /* one a code: NOT_ASKED, or the answer + OFFSET */
  size_t *places;  /* of the first output of each column */
} lookup;

enum { NOT_ASKED, OFFSET = 3 };

static moe_status begin(const moe_encoder_run *run, lookup *out) {
  const moe_rows *x = run->x;
  MOE_SCRATCH(run->call, out->nominal, x->d);
  MOE_SCRATCH(run->call, out->known, x->d);
  MOE_SCRATCH(run->call, out->places, x->d);
  plan_places(encoding_of(run->object), run->encoder, out->places);
  for (size_t j = 0; j < x->d; j++) {
    if (run->encoder->shaped.roles[j] != MOE_ROLE_TEXT) continue;
    out->nominal[j] = moe_cells_nominal(x, j);
    if (out->nominal[j] != NULL)
      MOE_SCRATCH(run->call, out->known[j], out->nominal[j]->n_levels);
  }
  return MOE_OK;
}

static int32_t find(const moe_encoder *e, size_t column, const char *text) {
  size_t n = moe_encoder_count(e, column);
  char *const *levels = e->levels.items + e->starts[column], *const * found;
  if (n == 0) return MOE_LEVEL_UNKNOWN;
  found = bsearch(&text, levels, n, sizeof *levels, compare_levels);
  return found != NULL ? (int32_t)(found - levels) : MOE_LEVEL_UNKNOWN;
}

static int32_t level_of(const moe_encoder_run *run, const lookup *l, size_t row,
                        size_t column) {
  const moe_column *c = l->nominal[column];
  int32_t code = moe_cells_code(run->x, c, row), *known;
  if (code < 0) return MOE_LEVEL_MISSING;
  known = &l->known[column][code];
  if (*known == NOT_ASKED)
    *known = find(run->encoder, column, c->levels[code]) + OFFSET;
  return *known - OFFSET;
}

static moe_status set_row(const moe_encoder_run *run, const lookup *l,
                          size_t row, const double *numbers) {
  const moe_encoding *how = encoding_of(run->object);
  const uint8_t *roles = run->encoder->shaped.roles;
  for (size_t j = 0; j < run->x->d; j++) {
    if (roles[j] == MOE_ROLE_TEXT)
      MOE_TRY(how->set(run, row, j, l->places[j], level_of(run, l, row, j)));
    if (roles[j] == MOE_ROLE_NUMBER)
      MOE_TRY(moe_frame_set(run->call, run->out, row, l->places[j],
                            moe_narrow(numbers[j])));
  }
  return MOE_OK;
}

moe_status moe_encoder_apply(moe_encoder_run *run) {
  moe_scratch_mark mark = moe_scratch_now(run->call);
  const moe_rows *x = run->x;
  size_t tile = moe_cells_tile(x->d), last = run->span.first + run->span.n;
  double *block;
  lookup l;
  MOE_TRY(begin(run, &l));
  MOE_SCRATCH(run->call, block, moe_size(tile, x->d));
  for (size_t first = run->span.first; first < last; first += tile) {
    size_t n = last - first < tile ? last - first : tile;
    moe_cells_read(x, first, n, block);
    for (size_t i = 0; i < n; i++)
      MOE_TRY(set_row(run, &l, first + i, block + i * x->d));
  }
  moe_scratch_drop(run->call, mark);
  return MOE_OK;
}

/* ------------------------------------------------------------------- gauge */

static moe_status list_levels(moe_call *call, const moe_encoder *e,
                              size_t column, moe_value *out) {
  MOE_TRY(moe_list_value(call, moe_encoder_count(e, column), out));
  for (size_t k = 0; k < out->n; k++)
    out->items[k] = moe_text_value(moe_encoder_level(e, column, k));
  return MOE_OK;
}

moe_status moe_encoder_levels(moe_call *call, const moe_object *o,
                              moe_value *out) {
  const moe_encoder *e = o->state;
  const moe_texts *names = &e->shaped.input.names;
  size_t n = 0;
  for (size_t j = 0; j < e->shaped.input.n; j++)
    n += e->shaped.roles[j] == MOE_ROLE_TEXT;
  MOE_TRY(moe_map_value(call, n, out));
  for (size_t j = e->shaped.input.n; j-- > 0;) {
    if (e->shaped.roles[j] != MOE_ROLE_TEXT) continue;
    out->keys[--n] = names->n > 0 ? moe_text_value(names->items[j])
                                  : moe_number_value((double)j + 1);
    MOE_TRY(list_levels(call, e, j, &out->items[n]));
  }
  return MOE_OK;
}
