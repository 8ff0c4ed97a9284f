/* A sparse batch by columns, those without an entry left out: what a gradient
   is summed over, column after column, without a copy a thread. */
#ifndef MOE_TRANSPOSE_H
#define MOE_TRANSPOSE_H

#include "rows.h"

typedef struct moe_transpose {
  const moe_rows *rows;
  size_t n;        /* columns that have entries */
  int32_t *place;  /* rows->d: a column's number among them, or -1 */
  int32_t *column; /* n: the reverse */
  int64_t *start; /* n + 1: column k's entries are start[k] … start[k+1]−1 */
  int32_t *row;   /* of the batch; ascending in a column */
  float *value;
  int64_t *count; /* rows->d: entries a column, then where the next one goes */
  size_t next;    /* row */
  bool counted;
} moe_transpose;

moe_status moe_transpose_new(moe_call *call, const moe_rows *rows,
                             moe_transpose *out);
void moe_transpose_free(moe_transpose *t);

/* Goes on until `done`, or the call is pausing. */
moe_status moe_transpose_run(moe_call *call, moe_transpose *t, bool *done);

#endif
