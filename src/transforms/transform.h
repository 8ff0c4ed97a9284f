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

typedef struct moe_transform_type {
  moe_type type;
  unsigned takes;      /* besides dense numbers */
  const char *instead; /* where nominal columns are refused: what takes them */
  const struct moe_encoding *encoding; /* for encoder.h, if it does the work */

  /* Learns from the rows into `state`, whose input and roles are filled in;
     fills in the output.  Bounded work is not asked for: a pass or two over
     the data.  A parameter `columns` (MOE_TEXTS) is in the roles already. */
  moe_status (*fit)(moe_call *call, const moe_object *o, void *state,
                    const moe_rows *x);

  /* Transforms the rows, whose columns are those of input: numbers finite or
     NaN, nothing of another kind than its role.  `out` is zeroed, and ended or
     freed by the caller. */
  moe_status (*apply)(moe_call *call, const moe_object *o, const void *state,
                      const moe_rows *x, moe_frame *out);
} moe_transform_type;

static inline const moe_transform_type *moe_transform_type_of(
    const moe_object *o) {
  return (const moe_transform_type *)o->type;
}

/* A new state fitted on the rows; the caller puts it into o->state or frees it
   with moe_state_free. */
moe_status moe_transform_fit_state(moe_call *call, const moe_object *o,
                                   const moe_rows *x, void **state);

/* Fits the object itself. */
moe_status moe_transform_fit(moe_call *call, moe_object *o, const moe_rows *x);

/* Applies a state (o->state or one not committed yet) to rows, which follow
   its input columns by name.  The same bits for a row by itself as for many. */
moe_status moe_transform_apply(moe_call *call, const moe_object *o,
                               const void *state, const moe_rows *x,
                               moe_frame *out);

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

/* Calls `see` for every number of the rows: in a dense source every cell, in a
   sparse one every entry; row by row. */
typedef void (*moe_cell_visit)(void *context, size_t row, size_t column,
                               double value);
moe_status moe_cells_each(moe_call *call, const moe_rows *x, moe_cell_visit see,
                          void *context);

/* The column, if it is nominal, or NULL. */
const moe_column *moe_cells_nominal(const moe_rows *x, size_t column);

/* The code of a cell in it; -1 where missing. */
static inline int32_t moe_cells_code(const moe_rows *x, const moe_column *c,
                                     size_t row) {
  return c != NULL ? c->codes[moe_rows_at(x, row)] : -1;
}

#endif
