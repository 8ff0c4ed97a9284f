#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- names */

typedef struct named {
  const char *name;
  int32_t place;
} named;

static int compare_named(const void *a, const void *b) {
  const named *x = a, *y = b;
  int order = strcmp(x->name, y->name);
  return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

moe_status moe__names_order(moe_call *call, const moe_texts *names,
                            int32_t *order) {
  moe_scratch_mark mark = moe_scratch_now(call);
  named *sorted;
  MOE_SCRATCH(call, sorted, names->n);
  for (size_t i = 0; i < names->n; i++)
    sorted[i] = (named){names->items[i], (int32_t)i};
  qsort(sorted, names->n, sizeof *sorted, compare_named);
  for (size_t i = 0; i < names->n; i++) order[i] = sorted[i].place;
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

ptrdiff_t moe__names_find(const moe_texts *names, const int32_t *order,
                          const char *name) {
  size_t low = 0, high = names->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int side = strcmp(name, names->items[order[middle]]);
    if (side == 0) return order[middle];
    if (side < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return -1;
}

ptrdiff_t moe__names_repeated(const moe_texts *names, const int32_t *order) {
  ptrdiff_t first = -1;
  for (size_t i = 1; i < names->n; i++)
    if (strcmp(names->items[order[i - 1]], names->items[order[i]]) == 0 &&
        (first < 0 || order[i] < first))
      first = order[i];
  return first;
}

moe_status moe__names_unknown(moe_call *call, const moe_texts *names,
                              const char *name) {
  const char *near =
      moe_nearest_name(name, (const char *const *)names->items, names->n);
  if (near != NULL)
    return moe_fail(call, MOE_EARG,
                    "no column '%.100s'; did you mean '%.100s'?", name, near);
  return moe_fail(call, MOE_EARG,
                  "no column '%.100s'; there are %zu, the first '%.100s'", name,
                  names->n, names->n > 0 ? names->items[0] : "");
}

/* ----------------------------------------------------------------- columns */

struct moe_series {
  atomic_int refs;
  size_t bytes;
  double *numbers; /* one of these two … */
  int32_t *codes;
  char *text; /* … the latter with its levels */
  const char **levels;
  size_t n_levels;
};

static moe_column view_of(const moe_series *s) {
  return (moe_column){.numbers = s->numbers,
                      .codes = s->codes,
                      .levels = s->levels,
                      .n_levels = s->n_levels};
}

moe_status moe_series_of_numbers(moe_call *call, double *numbers, size_t n,
                                 moe_series **out) {
  moe_series *s;
  moe_status status = moe_new_array(call, &s, 1, sizeof *s);
  *out = s;
  if (status != MOE_OK) {
    moe_free(numbers);
    return status;
  }
  s->refs = 1;
  s->numbers = numbers;
  s->bytes = n * sizeof *numbers;
  return MOE_OK;
}

/* Texts move while levels are added; only now can they be pointed to. */
static moe_status point_to_levels(moe_call *call, moe_series *s,
                                  const moe_levels *levels) {
  MOE_TRY(moe_new_array(call, &s->levels, levels->n, sizeof *s->levels));
  s->n_levels = levels->n;
  for (size_t i = 0; i < levels->n; i++)
    s->levels[i] = s->text + levels->starts[i];
  return MOE_OK;
}

moe_status moe_series_of_codes(moe_call *call, int32_t *codes, size_t n,
                               moe_levels *levels, moe_series **out) {
  moe_series *s;
  moe_status status = moe_series_of_numbers(call, NULL, 0, &s);
  *out = NULL;
  if (status == MOE_OK) {
    s->codes = codes;
    s->text = levels->text;
    s->bytes = n * sizeof *codes + levels->used + levels->n * sizeof(char *);
    levels->text = NULL;
    status = point_to_levels(call, s, levels);
    if (status == MOE_OK)
      *out = s;
    else
      moe_series_release(s);
  } else {
    moe_free(codes);
  }
  moe_levels_free(levels);
  return status;
}

moe_series *moe_series_retain(moe_series *s) {
  atomic_fetch_add(&s->refs, 1);
  return s;
}

void moe_series_release(moe_series *s) {
  if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1) return;
  moe_free(s->numbers);
  moe_free(s->codes);
  moe_free(s->text);
  moe_free(s->levels);
  moe_free(s);
}

/* ------------------------------------------------------------------ frames
   What tables that differ only in their rows or their target share. */
typedef struct frame {
  atomic_int refs;
  size_t rows, d;
  moe_schema schema;
  int32_t *order;      /* of the names */
  moe_series **series; /* d counted columns, NULL where not yet there */
  moe_column *columns; /* views of them */
} frame;

static void release_frame(frame *f) {
  if (f == NULL || atomic_fetch_sub(&f->refs, 1) > 1) return;
  for (size_t j = 0; f->series != NULL && j < f->d; j++)
    moe_series_release(f->series[j]);
  moe_schema_free(&f->schema);
  moe_free(f->order);
  moe_free(f->series);
  moe_free(f->columns);
  moe_free(f);
}

static moe_status fill_frame(moe_call *call, frame *f, const moe_texts *names,
                             moe_series *const *columns) {
  moe_schema schema = {names->n, *names};
  MOE_TRY(moe_schema_copy(call, &schema, &f->schema));
  MOE_TRY(moe_new_array(call, &f->order, f->d, sizeof *f->order));
  MOE_TRY(moe__names_order(call, names, f->order));
  MOE_TRY(moe_new_array(call, &f->columns, f->d, sizeof *f->columns));
  MOE_TRY(moe_new_array(call, &f->series, f->d, sizeof *f->series));
  for (size_t j = 0; j < f->d; j++) {
    f->series[j] = moe_series_retain(columns[j]);
    f->columns[j] = view_of(columns[j]);
  }
  return MOE_OK;
}

/* Adds its own references to the columns. */
static moe_status new_frame(moe_call *call, const moe_texts *names,
                            moe_series *const *columns, size_t n_rows,
                            frame **out) {
  frame *f;
  moe_status status;
  *out = NULL;
  MOE_TRY(moe_new_array(call, &f, 1, sizeof *f));
  f->refs = 1;
  f->rows = n_rows;
  f->d = names->n;
  status = fill_frame(call, f, names, columns);
  if (status == MOE_OK)
    *out = f;
  else
    release_frame(f);
  return status;
}

/* ------------------------------------------------------------------ tables */

struct moe_table {
  atomic_int refs;
  size_t n, bytes;
  frame *frame;
  int32_t *pick; /* row i is row pick[i] of the frame; NULL: row i */
  ptrdiff_t target;
  moe_schema schema;    /* without the target; the texts are the frame's */
  moe_column *features; /* the same columns */
};

void moe_table_release(moe_table *t) {
  if (t == NULL || atomic_fetch_sub(&t->refs, 1) > 1) return;
  release_frame(t->frame);
  moe_free(t->pick);
  moe_free(t->schema.names.items);
  moe_free(t->features);
  moe_free(t);
}

static moe_status view_features(moe_call *call, moe_table *t) {
  const frame *f = t->frame;
  char **names;
  size_t d = 0;
  MOE_TRY(moe_new_array(call, &names, f->d, sizeof *names));
  t->schema.names.items = names;
  MOE_TRY(moe_new_array(call, &t->features, f->d, sizeof *t->features));
  for (size_t j = 0; j < f->d; j++) {
    if ((ptrdiff_t)j == t->target) continue;
    t->features[d] = f->columns[j];
    names[d++] = f->schema.names.items[j];
  }
  t->schema.n = t->schema.names.n = d;
  t->bytes += d * (sizeof *names + sizeof *t->features);
  return MOE_OK;
}

/* Takes over the frame and the pick, also when it fails. */
static moe_status assemble(moe_call *call, frame *f, int32_t *pick, size_t n,
                           ptrdiff_t target, moe_table **out) {
  moe_table *t;
  moe_status status = moe_new_array(call, &t, 1, sizeof *t);
  *out = NULL;
  if (status != MOE_OK) {
    release_frame(f);
    moe_free(pick);
    return status;
  }
  t->refs = 1;
  t->n = n;
  t->frame = f;
  t->pick = pick;
  t->target = target;
  t->bytes = sizeof *t + (pick != NULL ? n * sizeof *pick : 0);
  status = view_features(call, t);
  if (status == MOE_OK)
    *out = t;
  else
    moe_table_release(t);
  return status;
}

static moe_status check_names(moe_call *call, const moe_texts *names,
                              const int32_t *order) {
  ptrdiff_t again = moe__names_repeated(names, order);
  if (again >= 0)
    return moe_fail(call, MOE_EARG, "two columns are named '%.100s'",
                    names->items[again]);
  if (names->n > 0 && names->items[order[0]][0] == '\0')
    return moe_fail(call, MOE_EARG, "column %d has no name", order[0] + 1);
  return MOE_OK;
}

static moe_status new_table(moe_call *call, const moe_texts *names,
                            moe_series *const *columns, size_t n_rows,
                            ptrdiff_t target, moe_table **out) {
  frame *f;
  moe_status status;
  if (n_rows > INT32_MAX || names->n > INT32_MAX)
    return moe_fail(call, MOE_EDATA,
                    "a table of %zu rows and %zu columns is too large; of each "
                    "there may be 2^31 - 1",
                    n_rows, names->n);
  MOE_TRY(new_frame(call, names, columns, n_rows, &f));
  status = check_names(call, names, f->order);
  if (status != MOE_OK) {
    release_frame(f);
    return status;
  }
  MOE_TRY(assemble(call, f, NULL, n_rows, target, out));
  for (size_t j = 0; j < names->n; j++) (*out)->bytes += columns[j]->bytes;
  return MOE_OK;
}

moe_status moe_table_new(moe_call *call, const moe_texts *names,
                         moe_series *const *columns, size_t n_rows,
                         ptrdiff_t target, moe_table **out) {
  moe_status status;
  *out = NULL;
  status = new_table(call, names, columns, n_rows, target, out);
  for (size_t j = 0; j < names->n; j++) moe_series_release(columns[j]);
  return status;
}

moe_table *moe_table_retain(moe_table *t) {
  atomic_fetch_add(&t->refs, 1);
  return t;
}

size_t moe_table_length(const moe_table *t) { return t->n; }
ptrdiff_t moe_table_target(const moe_table *t) { return t->target; }
size_t moe_table_bytes(const moe_table *t) { return t->bytes; }

const moe_texts *moe_table_names(const moe_table *t) {
  return &t->frame->schema.names;
}

const moe_column *moe_table_column(const moe_table *t, size_t j) {
  return &t->frame->columns[j];
}

size_t moe_table_at(const moe_table *t, size_t i) {
  return t->pick != NULL ? (size_t)t->pick[i] : i;
}

ptrdiff_t moe_table_find(const moe_table *t, const char *name) {
  return moe__names_find(moe_table_names(t), t->frame->order, name);
}

moe_status moe_table_find_or_fail(moe_call *call, const moe_table *t,
                                  const char *name, size_t *column) {
  ptrdiff_t found = moe_table_find(t, name);
  if (found < 0) return moe__names_unknown(call, moe_table_names(t), name);
  *column = (size_t)found;
  return MOE_OK;
}

/* The picked rows of a column, in scratch. */
static moe_status gather(moe_call *call, const moe_table *t, moe_column *c) {
  double *numbers;
  int32_t *codes;
  if (c->numbers != NULL) {
    MOE_SCRATCH(call, numbers, t->n);
    for (size_t i = 0; i < t->n; i++) numbers[i] = c->numbers[t->pick[i]];
    c->numbers = numbers;
  } else {
    MOE_SCRATCH(call, codes, t->n);
    for (size_t i = 0; i < t->n; i++) codes[i] = c->codes[t->pick[i]];
    c->codes = codes;
  }
  return MOE_OK;
}

moe_status moe_table_rows(moe_call *call, const moe_table *t, moe_rows *out) {
  moe_column *columns;
  *out = (moe_rows){.n = t->n,
                    .d = t->schema.n,
                    .schema = &t->schema,
                    .source = MOE_FROM_COLUMNS,
                    .columns = t->features};
  if (t->pick == NULL) return MOE_OK;
  MOE_SCRATCH(call, columns, t->schema.n);
  memcpy(columns, t->features, t->schema.n * sizeof *columns);
  for (size_t j = 0; j < t->schema.n; j++)
    MOE_TRY(gather(call, t, &columns[j]));
  out->columns = columns;
  return MOE_OK;
}

/* -------------------------------------------------------------- selections */

static frame *retain_frame(frame *f) {
  atomic_fetch_add(&f->refs, 1);
  return f;
}

/* The frame's rows behind rows[0 … n−1] of the table. */
static moe_status compose(moe_call *call, const moe_table *t,
                          const int32_t *rows, size_t n, int32_t **out) {
  MOE_TRY(moe_new_array(call, out, n, sizeof **out));
  for (size_t i = 0; i < n; i++)
    (*out)[i] = (int32_t)moe_table_at(t, (size_t)rows[i]);
  return MOE_OK;
}

/* A copy of the table's own pick; NULL where it has none. */
static moe_status copy_pick(moe_call *call, const moe_table *t, int32_t **out) {
  *out = NULL;
  if (t->pick == NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, out, t->n, sizeof **out));
  memcpy(*out, t->pick, t->n * sizeof **out);
  return MOE_OK;
}

moe_status moe_table_pick(moe_call *call, const moe_table *t,
                          const int32_t *rows, size_t n, moe_table **out) {
  int32_t *pick;
  *out = NULL;
  MOE_TRY(compose(call, t, rows, n, &pick));
  return assemble(call, retain_frame(t->frame), pick, n, t->target, out);
}

moe_status moe_table_select(moe_call *call, const moe_table *t,
                            const int32_t *columns, size_t n, moe_table **out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_series **series;
  moe_texts names = {NULL, n};
  ptrdiff_t target = MOE_NO_TARGET;
  moe_status status;
  int32_t *pick;
  frame *f;
  *out = NULL;
  MOE_SCRATCH(call, series, n);
  MOE_SCRATCH(call, names.items, n);
  for (size_t j = 0; j < n; j++) {
    series[j] = t->frame->series[columns[j]];
    names.items[j] = t->frame->schema.names.items[columns[j]];
    if (columns[j] == t->target) target = (ptrdiff_t)j;
  }
  MOE_TRY(copy_pick(call, t, &pick));
  status = new_frame(call, &names, series, t->frame->rows, &f);
  if (status != MOE_OK) {
    moe_free(pick);
    return status;
  }
  moe_scratch_drop(call, mark);
  return assemble(call, f, pick, t->n, target, out);
}

moe_status moe_table_with_target(moe_call *call, const moe_table *t,
                                 ptrdiff_t target, moe_table **out) {
  int32_t *pick;
  *out = NULL;
  MOE_TRY(copy_pick(call, t, &pick));
  return assemble(call, retain_frame(t->frame), pick, t->n, target, out);
}

static int compare_numbers(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorted and distinct, NaN left out; returns how many. */
static size_t distinct_numbers(const moe_table *t, const moe_column *c,
                               double *out) {
  size_t n = 0, kept = 0;
  for (size_t i = 0; i < t->n; i++) {
    double x = c->numbers[moe_table_at(t, i)];
    if (!isnan(x)) out[n++] = x;
  }
  qsort(out, n, sizeof *out, compare_numbers);
  for (size_t i = 0; i < n; i++)
    if (kept == 0 || out[i] > out[kept - 1]) out[kept++] = out[i];
  return kept;
}

moe_status moe_table_ids(moe_call *call, const moe_table *t, size_t column,
                         int32_t *ids) {
  const moe_column *c = moe_table_column(t, column);
  moe_scratch_mark mark = moe_scratch_now(call);
  double *values;
  size_t n;
  if (c->numbers == NULL) {
    for (size_t i = 0; i < t->n; i++) ids[i] = c->codes[moe_table_at(t, i)];
    return MOE_OK;
  }
  MOE_SCRATCH(call, values, t->n);
  n = distinct_numbers(t, c, values);
  for (size_t i = 0; i < t->n; i++) {
    double x = c->numbers[moe_table_at(t, i)];
    const double *found =
        isnan(x) ? NULL : bsearch(&x, values, n, sizeof x, compare_numbers);
    ids[i] = found != NULL ? (int32_t)(found - values) : -1;
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}
