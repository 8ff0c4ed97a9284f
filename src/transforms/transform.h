/* The transform contract: rows in, rows of numbers out.  A transform learns
   what it needs (means, levels, document frequencies) from training rows and
   applies it to others.  One transform a file, one moe_transform_type. */
#ifndef MOE_TRANSFORM_H
#define MOE_TRANSFORM_H

#include "frame.h"

/* What a column of the training rows was to the transform. */
typedef enum moe_role {
  MOE_ROLE_NUMBER,
  MOE_ROLE_TEXT,  /* a nominal column */
  MOE_ROLE_UNUSED /* a nominal column that the parameter `columns` leaves out */
} moe_role;

/* Every transform's state begins with this. */
typedef struct moe_shaped {
  moe_schema input;  /* the columns it was fitted on */
  moe_schema output; /* and those that it makes */
  uint8_t *roles;    /* a moe_role for each of input */
} moe_shaped;

/* A type's visit begins with this, and its check. */
moe_status moe_shaped_visit(moe_shaped *s, moe_visitor *v);
moe_status moe_shaped_check(moe_call *call, const moe_object *o);

/* For fit: room for the names of n output columns, where the input has names;
   texts to be filled in. */
moe_status moe_shaped_outputs(moe_call *call, moe_shaped *s, size_t n);

/* The output's columns are the input's. */
moe_status moe_shaped_keep(moe_call *call, moe_shaped *s);

/* For gauges: the numbers as a list; nil where there are more than 2^16. */
moe_status moe_shaped_show(moe_call *call, const double *numbers, size_t n,
                           moe_value *out);

enum { MOE_TAKES_TEXT = 1, MOE_TAKES_CSR = 2 };

/* Rows first … first+n−1. */
typedef struct moe_span {
  size_t first, n;
} moe_span;

/* Fitting, in bounded pieces.  The rows are borrowed until the end. */
typedef struct moe_transform_job {
  const moe_object *object;
  moe_rows x;
  void *state;         /* begins with a filled-in moe_shaped */
  void *work;          /* the type's work_size bytes, zeroed */
  size_t checked;      /* rows that are known to be usable */
  size_t passes, next; /* over the rows: how many, and where the next one is */
  bool done;
} moe_transform_job;

/* The next rows of a pass that takes `cost` numbers a row; after the last ones
   job->passes has grown. */
moe_span moe_transform_next(moe_transform_job *job, size_t cost);

typedef struct moe_transform_type {
  moe_type type;
  unsigned takes;      /* besides dense numbers */
  const char *instead; /* where nominal columns are refused: what takes them */
  const struct moe_encoding *encoding; /* for encoder.h, if it does the work */

  size_t work_size;

  /* Learns a bounded piece more into job->state, whose input and roles are
     filled in, or sets job->done; fills in the output.  The same bits however
     the pieces are spread over calls.  A parameter `columns` (MOE_TEXTS) is in
     the roles already. */
  moe_status (*step)(moe_call *call, moe_transform_job *job);

  /* Frees what work points to, whatever has happened.  May be NULL. */
  void (*end)(moe_transform_job *job);

  /* Sets the numbers of the rows of `span`, in order, in a frame that has room
     for all rows of x.  The columns are those of input: numbers finite or NaN,
     nothing of another kind than its role. */
  moe_status (*apply)(moe_call *call, const moe_object *o, const void *state,
                      const moe_rows *x, moe_span span, moe_frame *out);
} moe_transform_type;

static inline const moe_transform_type *moe_transform_type_of(
    const moe_object *o) {
  return (const moe_transform_type *)o->type;
}

/* begin → step until job->done → end, which frees the state unless the caller
   has taken it, leaving NULL.  To be ended also when begin or step fails; a job
   of zeros may be, too.  A step returns when it is done or the call is
   pausing. */
moe_status moe_transform_begin(moe_call *call, const moe_object *o,
                               const moe_rows *x, moe_transform_job *out);
moe_status moe_transform_step(moe_call *call, moe_transform_job *job);
void moe_transform_end(moe_transform_job *job);

/* Fits the object itself. */
moe_status moe_transform_fit(moe_call *call, moe_object *o, const moe_rows *x);

/* Applies a state (o->state or one not committed yet) to rows, which follow
   its input columns by name.  The same bits for a row by itself as for many. */
moe_status moe_transform_apply(moe_call *call, const moe_object *o,
                               const void *state, const moe_rows *x,
                               moe_frame *out);

/* The same in bounded pieces: the rows from *next on, which moves, until it is
   x->n or the call is pausing.  With *next = 0 the frame is made; it is to be
   freed also when this fails. */
moe_status moe_transform_go_on(moe_call *call, const moe_object *o,
                               const void *state, const moe_rows *x,
                               size_t *next, moe_frame *out);

/* All that apply refuses about the rows' kinds and numbers, and nothing else:
   for callers who apply block by block and want the errors first. */
moe_status moe_transform_check(moe_call *call, const moe_object *o,
                               const void *state, const moe_rows *x);

/* ------------------------------------------------------- reading what is in x
   A nominal cell read as a number is NaN, a number read as a text is missing:
   so a column in which everything is missing may be of either kind. */

/* Rows first … first+n−1 of a dense source, n×d. */
void moe_cells_read(const moe_rows *x, size_t first, size_t n, double *out);

/* How many rows of d numbers to read at a time. */
static inline size_t moe_cells_tile(size_t d) { return 8192 / (d + 1) + 1; }

/* Calls `see` for every number of these rows: in a dense source every cell, in
   a sparse one every entry; row by row. */
typedef void (*moe_cell_visit)(void *context, size_t row, size_t column,
                               double value);
moe_status moe_cells_each(moe_call *call, const moe_rows *x, moe_span span,
                          moe_cell_visit see, void *context);

/* What a row costs to see, for moe_transform_next: columns, or a guess at the
   entries of a sparse one. */
static inline size_t moe_cells_cost(const moe_rows *x) {
  return x->source == MOE_FROM_CSR ? 64 : x->d;
}

/* The column, if it is nominal, or NULL. */
const moe_column *moe_cells_nominal(const moe_rows *x, size_t column);

/* The code of a cell in it; -1 where missing. */
static inline int32_t moe_cells_code(const moe_rows *x, const moe_column *c,
                                     size_t row) {
  return c != NULL ? c->codes[moe_rows_at(x, row)] : -1;
}

#endif
