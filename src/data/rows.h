/* What a learner sees: rows of numbers from whatever holds them, and targets.
   Nothing here owns the data it points to. */
#ifndef MOE_ROWS_H
#define MOE_ROWS_H

#include "object.h"

/* Column names and kinds.  names.n is 0 where columns have no names. */
typedef struct moe_schema {
  size_t n;
  moe_texts names;
} moe_schema;

moe_status moe_schema_copy(moe_call *call, const moe_schema *from,
                           moe_schema *to);
void moe_schema_free(moe_schema *s);
moe_status moe_schema_visit(moe_schema *s, moe_visitor *v);

/* "column 3" or "column 'age'", for messages. */
void moe_schema_print(const moe_schema *s, size_t column, char *out,
                      size_t size);

/* Compressed sparse rows: row i holds the entries start[i] … start[i+1]−1,
   their columns ascending. */
typedef struct moe_csr {
  size_t rows, columns;
  const int64_t *start;
  const int32_t *index;
  const float *value;
} moe_csr;

/* One column of a table: numbers, or codes into levels (-1: missing). */
typedef struct moe_column {
  const double *numbers; /* NULL in a nominal column */
  const int32_t *codes;
  const char *const *levels;
  size_t n_levels;
  bool vacant; /* numbers that are all missing, of which some came as missing
                  strings: whoever sees the column first takes it for these */
} moe_column;

typedef enum moe_source {
  MOE_FROM_FLOATS,  /* n×d float32, row-major, rows `stride` floats apart */
  MOE_FROM_COLUMNS, /* d columns of a table */
  MOE_FROM_CSR,
  MOE_FROM_DOUBLES /* n×d doubles, row-major: single samples */
} moe_source;

typedef struct moe_rows {
  size_t n, d;
  const moe_schema *schema; /* NULL: columns without names */
  moe_source source;
  const float *floats;
  size_t stride;
  const moe_column *columns;
  const moe_csr *csr;
  const double *doubles;
  size_t origin;       /* row i is row origin + i of the source, … */
  const int32_t *pick; /* … or row pick[i], where this is not NULL */
  const int32_t *map;  /* column j is column map[j] of the source; NULL: j */
} moe_rows;

moe_rows moe_rows_of_floats(const float *x, size_t n, size_t d, size_t stride);
moe_rows moe_rows_of_doubles(const double *x, size_t n, size_t d);
moe_rows moe_rows_of_csr(const moe_csr *csr);

/* The source's row behind row i: where targets and weights are found. */
static inline size_t moe_rows_at(const moe_rows *r, size_t i) {
  return r->pick != NULL ? (size_t)r->pick[i] : r->origin + i;
}

/* The source's column behind column j, of MOE_FROM_COLUMNS. */
static inline const moe_column *moe_rows_column(const moe_rows *r, size_t j) {
  return &r->columns[r->map != NULL ? (size_t)r->map[j] : j];
}

/* The rows pick[0 … n−1] of r, itself perhaps a selection.  The composed
   selection lives in the call's scratch. */
moe_status moe_rows_select(moe_call *call, const moe_rows *r,
                           const int32_t *pick, size_t n, moe_rows *out);

/* Rows first … first+n−1 of r: a view. */
moe_rows moe_rows_range(const moe_rows *r, size_t first, size_t n);

/* Rows first … first+n−1, dense and row-major (n×d).  Nominal columns give
   their codes. */
void moe_rows_doubles(const moe_rows *r, size_t first, size_t n, double *out);
void moe_rows_floats(const moe_rows *r, size_t first, size_t n, float *out);

/* The entries of one row of a CSR source (without a column map). */
typedef struct moe_entries {
  size_t n;
  const int32_t *index;
  const float *value;
} moe_entries;
moe_entries moe_rows_entries(const moe_rows *r, size_t i);

/* Refuses ±Inf, nominal columns, and NaN unless `missing` is allowed, naming
   row and column. */
moe_status moe_rows_check(moe_call *call, const moe_rows *r, bool missing);

/* The same where columns of strings are allowed, and NaN. */
moe_status moe_rows_check_mixed(moe_call *call, const moe_rows *r);

/* Sets r->map so that its columns follow `schema` by name, and refuses another
   width or other names.  The map lives in the call's scratch. */
moe_status moe_rows_follow(moe_call *call, moe_rows *r,
                           const moe_schema *schema);

/* ----------------------------------------------------------------- targets */
typedef enum moe_task {
  MOE_REGRESSION,
  MOE_CLASSIFICATION,
  MOE_GATING /* values: n × experts log-likelihoods, for gates */
} moe_task;

/* Targets of the *source's* rows: row i of a selection has its target at
   moe_rows_at(rows, i). */
typedef struct moe_target {
  moe_task task;
  size_t n;
  const int32_t *ids;       /* classification: index into labels */
  const moe_labels *labels; /* gating: the experts' names, or NULL */
  const double *values;     /* otherwise: n × width */
  size_t width;
  size_t errors; /* gating: 0, or how many signed errors there are of each
                    expert in place of a log-likelihood: n × width × errors */
  bool soft;     /* gating: the target is each expert's share in the row's
                    likelihood, in place of that itself */
  bool seen;     /* gating: the experts have learned from these rows */
} moe_target;

/* What a learner is fitted on. */
typedef struct moe_batch {
  moe_rows x;
  const moe_target *y;
  const double *weight;  /* one a source row, ≥ 0; NULL: all 1 */
  const int32_t *group;  /* one a source row: rows of a group are never apart in
                            cross-fitting; NULL: each row for itself */
  const int32_t *subset; /* one a source row: the expert it belongs to, or -1;
                            NULL: no subsets.  Mixtures only. */
  const struct moe_plan *plan; /* how a mixture is to be trained this time;
                                  NULL: as its parameters say */
  uint64_t seed; /* for what has no seed of its own and no parameter for one:
                    made of its parent's and its name, or 0 */
} moe_batch;

static inline double moe_batch_weight(const moe_batch *b, size_t i) {
  return b->weight != NULL ? b->weight[moe_rows_at(&b->x, i)] : 1;
}

#endif
