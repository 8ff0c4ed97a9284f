#include "transform.h"

#include <math.h>
#include <string.h>

#include "table.h"

/* ------------------------------------------------------------------ columns */

moe_status moe_shaped_visit(moe_shaped *s, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "input_columns", MOE_I64, &s->input.n));
  MOE_TRY(moe_visit_texts(v, "input_names", &s->input.names));
  MOE_TRY(moe_visit_scalar(v, "output_columns", MOE_I64, &s->output.n));
  MOE_TRY(moe_visit_texts(v, "output_names", &s->output.names));
  return moe_visit_array(v, "roles", MOE_U8, &s->roles, s->input.n);
}

static bool has_sense(const moe_schema *s) {
  return s->n >= 1 && s->n <= INT32_MAX &&
         (s->names.n == 0 || s->names.n == s->n);
}

moe_status moe_shaped_check(moe_call *call, const moe_object *o) {
  const moe_shaped *s = o->state;
  bool good = has_sense(&s->input) && has_sense(&s->output) && s->roles != NULL;
  for (size_t j = 0; good && j < s->input.n; j++)
    good = s->roles[j] <= MOE_ROLE_UNUSED;
  if (good) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "%s: its columns contradict each other",
                  o->type->name);
}

moe_status moe_shaped_outputs(moe_call *call, moe_shaped *s, size_t n) {
  s->output.n = n;
  if (s->input.names.n == 0) return MOE_OK;
  MOE_TRY(moe_new_array(call, &s->output.names.items, n, sizeof(char *)));
  s->output.names.n = n;
  return MOE_OK;
}

moe_status moe_shaped_keep(moe_call *call, moe_shaped *s) {
  return moe_schema_copy(call, &s->input, &s->output);
}

moe_status moe_shaped_show(moe_call *call, const double *numbers, size_t n,
                           moe_value *out) {
  *out = (moe_value){.kind = MOE_V_NIL};
  if (n > 1 << 16) return MOE_OK;
  MOE_TRY(moe_list_value(call, n, out));
  for (size_t j = 0; j < n; j++) out->items[j] = moe_number_value(numbers[j]);
  return MOE_OK;
}

/* -------------------------------------------------------------------- cells */

static inline size_t column_of(const moe_rows *x, size_t j) {
  return x->map != NULL ? (size_t)x->map[j] : j;
}

const moe_column *moe_cells_nominal(const moe_rows *x, size_t column) {
  const moe_column *c;
  if (x->source != MOE_FROM_COLUMNS) return NULL;
  c = &x->columns[column_of(x, column)];
  return c->numbers == NULL ? c : NULL;
}

void moe_cells_read(const moe_rows *x, size_t first, size_t n, double *out) {
  moe_rows_doubles(x, first, n, out);
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++) {
    if (moe_cells_nominal(x, j) == NULL) continue;
    for (size_t i = 0; i < n; i++) out[i * x->d + j] = NAN;
  }
}

static void visit_entries(const moe_rows *x, moe_span span, moe_cell_visit see,
                          void *context) {
  for (size_t i = span.first; i < span.first + span.n; i++) {
    moe_entries e = moe_rows_entries(x, i);
    for (size_t k = 0; k < e.n; k++)
      see(context, i, (size_t)e.index[k], (double)e.value[k]);
  }
}

moe_status moe_cells_each(moe_call *call, const moe_rows *x, moe_span span,
                          moe_cell_visit see, void *context) {
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t tile = moe_cells_tile(x->d), last = span.first + span.n;
  double *block;
  if (x->source == MOE_FROM_CSR) {
    visit_entries(x, span, see, context);
    return MOE_OK;
  }
  MOE_SCRATCH(call, block, moe_size(tile, x->d));
  for (size_t first = span.first; first < last; first += tile) {
    size_t n = last - first < tile ? last - first : tile;
    moe_cells_read(x, first, n, block);
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < x->d; j++)
        see(context, first + i, j, block[i * x->d + j]);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* A piece of work is this many numbers, but no more than MOST_ROWS rows, for a
   text may be long. */
enum { PIECE = 1 << 16, MOST_ROWS = 1024 };

static moe_span next_span(const moe_rows *x, size_t first, size_t cost) {
  size_t n = PIECE / (cost + 1) + 1;
  if (n > MOST_ROWS) n = MOST_ROWS;
  return (moe_span){first, x->n - first < n ? x->n - first : n};
}

/* ---------------------------------------------------------------- refusals */

typedef struct suspect {
  const uint8_t *roles;
  bool found;
  size_t row, column;
  double value;
} suspect;

/* Remembers the first cell that is infinite, or a number for a text. */
static void suspect_cell(void *context, size_t row, size_t column,
                         double value) {
  suspect *s = context;
  bool wrong = s->roles[column] == MOE_ROLE_NUMBER ? isinf(value)
               : s->roles[column] == MOE_ROLE_TEXT ? !isnan(value)
                                                   : false;
  if (!wrong || s->found) return;
  *s = (suspect){s->roles, true, row, column, value};
}

static moe_status refuse_cell(moe_call *call, const moe_shaped *shaped,
                              const suspect *s) {
  char name[100];
  moe_schema_print(&shaped->input, s->column, name, sizeof name);
  if (s->roles[s->column] == MOE_ROLE_NUMBER)
    return moe_fail(call, MOE_EDATA, "row %zu, %s is infinite", s->row + 1,
                    name);
  return moe_fail(call, MOE_EDATA,
                  "row %zu, %s is the number %.15g; the column held strings in "
                  "training",
                  s->row + 1, name, s->value);
}

static moe_status refuse_texts(moe_call *call, const moe_shaped *shaped,
                               const moe_rows *x, moe_span span,
                               size_t column) {
  const moe_column *c = moe_cells_nominal(x, column);
  char name[100];
  if (c == NULL || shaped->roles[column] != MOE_ROLE_NUMBER) return MOE_OK;
  for (size_t i = span.first; i < span.first + span.n; i++) {
    int32_t code = moe_cells_code(x, c, i);
    if (code < 0) continue;
    moe_schema_print(&shaped->input, column, name, sizeof name);
    return moe_fail(call, MOE_EDATA,
                    "row %zu, %s is the string '%.60s'; the column held "
                    "numbers in training",
                    i + 1, name, c->levels[code]);
  }
  return MOE_OK;
}

static moe_status check_cells(moe_call *call, const moe_shaped *shaped,
                              const moe_rows *x, moe_span span) {
  suspect s = {.roles = shaped->roles};
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++)
    MOE_TRY(refuse_texts(call, shaped, x, span, j));
  MOE_TRY(moe_cells_each(call, x, span, suspect_cell, &s));
  return s.found ? refuse_cell(call, shaped, &s) : MOE_OK;
}

static moe_status check_source(moe_call *call, const moe_object *o,
                               const moe_rows *x) {
  if (x->source != MOE_FROM_CSR ||
      moe_transform_type_of(o)->takes & MOE_TAKES_CSR)
    return MOE_OK;
  return moe_fail(call, MOE_EDATA, "%s does not take sparse data",
                  o->type->name);
}

/* ----------------------------------------------------------------- fitting */

static moe_status find_roles(moe_call *call, const moe_object *o,
                             const moe_rows *x, moe_shaped *s) {
  const moe_transform_type *type = moe_transform_type_of(o);
  MOE_TRY(moe_new_array(call, &s->roles, x->d, sizeof *s->roles));
  for (size_t j = 0; j < x->d; j++) {
    char name[100];
    if (moe_cells_nominal(x, j) == NULL) continue;
    s->roles[j] = MOE_ROLE_TEXT;
    if (type->takes & MOE_TAKES_TEXT) continue;
    moe_schema_print(&s->input, j, name, sizeof name);
    return moe_fail(call, MOE_EDATA,
                    "%s: %s holds strings; turn it into numbers first (%s)",
                    type->type.name, name, type->instead);
  }
  return MOE_OK;
}

/* Nominal columns that `columns` does not name are left out. */
static moe_status choose_columns(moe_call *call, const moe_object *o,
                                 moe_shaped *s) {
  const moe_param *p = moe_type_find_param(o->type, "columns");
  const moe_texts *chosen;
  int32_t *order;
  if (p == NULL) return MOE_OK;
  chosen = (const void *)((const char *)o->params + p->offset);
  if (chosen->items == NULL) return MOE_OK;
  if (s->input.names.n == 0)
    return moe_fail(call, MOE_EDATA,
                    "%s: 'columns' needs data whose columns have names",
                    o->type->name);
  for (size_t j = 0; j < s->input.n; j++)
    if (s->roles[j] == MOE_ROLE_TEXT) s->roles[j] = MOE_ROLE_UNUSED;
  MOE_SCRATCH(call, order, s->input.names.n);
  MOE_TRY(moe__names_order(call, &s->input.names, order));
  for (size_t i = 0; i < chosen->n; i++) {
    const char *name = chosen->items[i];
    ptrdiff_t j = moe__names_find(&s->input.names, order, name);
    if (j < 0) return moe__names_unknown(call, &s->input.names, name);
    if (s->roles[j] == MOE_ROLE_NUMBER)
      return moe_fail(call, MOE_EDATA,
                      "%s: column '%.80s', which 'columns' names, holds "
                      "numbers, not strings",
                      o->type->name, name);
    s->roles[j] = MOE_ROLE_TEXT;
  }
  return MOE_OK;
}

static moe_status check_output(moe_call *call, const moe_object *o,
                               const moe_shaped *s) {
  const moe_texts *names = &s->output.names;
  int32_t *order;
  ptrdiff_t again;
  if (s->output.n == 0 || s->output.n > INT32_MAX)
    return moe_fail(call, MOE_EDATA, "%s would make %zu columns of these rows",
                    o->type->name, s->output.n);
  MOE_SCRATCH(call, order, names->n);
  MOE_TRY(moe__names_order(call, names, order));
  again = moe__names_repeated(names, order);
  if (again < 0) return MOE_OK;
  return moe_fail(call, MOE_EDATA, "%s would make two columns '%.80s'",
                  o->type->name, names->items[again]);
}

static moe_status begin_state(moe_call *call, moe_transform_job *job) {
  const moe_rows *x = &job->x;
  const moe_schema unnamed = {.n = x->d};
  moe_shaped *s = job->state;
  MOE_TRY(moe_schema_copy(call, x->schema != NULL ? x->schema : &unnamed,
                          &s->input));
  MOE_TRY(find_roles(call, job->object, x, s));
  return choose_columns(call, job->object, s);
}

moe_status moe_transform_begin(moe_call *call, const moe_object *o,
                               const moe_rows *x, moe_transform_job *out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  *out = (moe_transform_job){.object = o, .x = *x};
  if (x->n == 0 || x->d == 0)
    return moe_fail(call, MOE_EDATA,
                    "%s needs data: X is %zu rows × %zu columns", o->type->name,
                    x->n, x->d);
  MOE_TRY(check_source(call, o, x));
  MOE_TRY(moe_state_new(call, o->type, &out->state));
  MOE_TRY(
      moe_new_array(call, &out->work, 1, moe_transform_type_of(o)->work_size));
  MOE_TRY(begin_state(call, out));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_span moe_transform_next(moe_transform_job *job, size_t cost) {
  moe_span span = next_span(&job->x, job->next, cost);
  job->next += span.n;
  if (job->next < job->x.n) return span;
  job->next = 0;
  job->passes++;
  return span;
}

/* Rows are checked before anything is learned from one. */
static moe_status do_piece(moe_call *call, moe_transform_job *job) {
  if (job->checked < job->x.n) {
    moe_span span = next_span(&job->x, job->checked, moe_cells_cost(&job->x));
    job->checked += span.n;
    return check_cells(call, job->state, &job->x, span);
  }
  MOE_TRY(moe_transform_type_of(job->object)->step(call, job));
  return job->done ? check_output(call, job->object, job->state) : MOE_OK;
}

moe_status moe_transform_step(moe_call *call, moe_transform_job *job) {
  do {
    moe_scratch_mark mark = moe_scratch_now(call);
    MOE_TRY(do_piece(call, job));
    moe_scratch_drop(call, mark);
  } while (!job->done && !moe_call_pausing(call));
  return MOE_OK;
}

void moe_transform_end(moe_transform_job *job) {
  if (job->object == NULL) return;
  const moe_transform_type *type = moe_transform_type_of(job->object);
  if (type->end != NULL && job->work != NULL) type->end(job);
  moe_free(job->work);
  moe_state_free(&type->type, job->state);
  *job = (moe_transform_job){0};
}

moe_status moe_transform_fit(moe_call *call, moe_object *o, const moe_rows *x) {
  moe_transform_job job;
  MOE_TRY(moe_object_check_idle(call, o, true));
  moe_status status = moe_transform_begin(call, o, x, &job);
  while (status == MOE_OK && !job.done) status = moe_transform_step(call, &job);
  if (status == MOE_OK) job.state = moe_object_swap_state(o, job.state);
  moe_transform_end(&job);
  return status;
}

/* ---------------------------------------------------------------- applying */

static moe_status find_columns(moe_call *call, const moe_object *o,
                               const moe_shaped *shaped, moe_rows *x) {
  if (shaped == NULL)
    return moe_fail(call, MOE_ESTATE, "%s has not been fitted yet",
                    o->type->name);
  MOE_TRY(check_source(call, o, x));
  return moe_rows_follow(call, x, &shaped->input);
}

moe_status moe_transform_check(moe_call *call, const moe_object *o,
                               const void *state, const moe_rows *x) {
  moe_rows rows = *x;
  MOE_TRY(find_columns(call, o, state, &rows));
  return check_cells(call, state, &rows, (moe_span){0, x->n});
}

/* As the parameter `sparse` says, or as the rows are. */
static bool makes_sparse(const moe_object *o, const moe_rows *x) {
  const moe_param *p = moe_type_find_param(o->type, "sparse");
  if (p == NULL) return x->source == MOE_FROM_CSR;
  return *(const bool *)((const char *)o->params + p->offset);
}

/* The rows of the span, which are checked. */
static moe_status apply_span(moe_call *call, const moe_object *o,
                             const moe_shaped *shaped, const moe_rows *x,
                             moe_span span, moe_frame *out) {
  if (span.first == 0)
    MOE_TRY(
        moe_frame_new(call, x->n, shaped->output.n, makes_sparse(o, x), out));
  moe_object_use_alone(o, 1);
  moe_status status =
      moe_transform_type_of(o)->apply(call, o, shaped, x, span, out);
  moe_object_use_alone(o, -1);
  if (status == MOE_OK && span.first + span.n == x->n) moe_frame_end(out);
  return status;
}

moe_status moe_transform_apply(moe_call *call, const moe_object *o,
                               const void *state, const moe_rows *x,
                               moe_frame *out) {
  const moe_span all = {0, x->n};
  moe_rows rows = *x;
  *out = (moe_frame){0};
  MOE_TRY(find_columns(call, o, state, &rows));
  MOE_TRY(check_cells(call, state, &rows, all));
  moe_status status = apply_span(call, o, state, &rows, all, out);
  if (status != MOE_OK) moe_frame_free(out);
  return status;
}

moe_status moe_transform_go_on(moe_call *call, const moe_object *o,
                               const void *state, const moe_rows *x,
                               size_t *next, moe_frame *out) {
  moe_rows rows = *x;
  MOE_TRY(find_columns(call, o, state, &rows));
  do {
    moe_scratch_mark mark = moe_scratch_now(call);
    moe_span span = next_span(&rows, *next, moe_cells_cost(&rows));
    MOE_TRY(check_cells(call, state, &rows, span));
    MOE_TRY(apply_span(call, o, state, &rows, span, out));
    moe_scratch_drop(call, mark);
    *next += span.n;
  } while (*next < x->n && !moe_call_pausing(call));
  return MOE_OK;
}
