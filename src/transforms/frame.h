/* Rows that own their memory, as transforms make them: dense float32, or
   compressed sparse rows. */
#ifndef MOE_FRAME_H
#define MOE_FRAME_H

#include <float.h>

#include "rows.h"

typedef struct moe_frame {
  size_t n, d;
  float *dense;   /* n×d, or NULL */
  int64_t *start; /* otherwise: csr's arrays */
  int32_t *index;
  float *value;
  size_t used, index_room, value_room;
  moe_csr csr;
} moe_frame;

/* n×d zeros; the frame is to be freed also when this fails. */
moe_status moe_frame_new(moe_call *call, size_t n, size_t d, bool sparse,
                         moe_frame *out);

/* Sets a number that is not zero; in a sparse frame row after row, and in each
   the columns ascending. */
moe_status moe_frame_set(moe_call *call, moe_frame *f, size_t row,
                         size_t column, float value);

/* After the last number. */
void moe_frame_end(moe_frame *f);

void moe_frame_free(moe_frame *f);

/* A view of the frame; schema may be NULL. */
moe_rows moe_frame_rows(const moe_frame *f, const moe_schema *schema);

/* A double as the frame holds it: what is beyond float32 becomes its largest,
   so that nothing finite turns infinite. */
static inline float moe_narrow(double x) {
  double most = (double)FLT_MAX;
  return x > most ? FLT_MAX : x < -most ? -FLT_MAX : (float)x;
}

#endif
