/* What one_hot and ordinal share: the levels that each nominal column had in
   training, in byte order, and the way from cells to numbers.  Numeric columns
   stay as they are, in their place. */
#ifndef MOE_ENCODER_H
#define MOE_ENCODER_H

#include "transform.h"

typedef struct moe_encoder {
  moe_shaped shaped;
  int64_t *starts;  /* input columns and one: where a column's levels begin */
  moe_texts levels; /* of all columns, one after the other */
} moe_encoder;

static inline size_t moe_encoder_count(const moe_encoder *e, size_t column) {
  return (size_t)(e->starts[column + 1] - e->starts[column]);
}

static inline const char *moe_encoder_level(const moe_encoder *e, size_t column,
                                            size_t k) {
  return e->levels.items[(size_t)e->starts[column] + k];
}

/* A frame that is being filled. */
typedef struct moe_encoder_run {
  moe_call *call;
  const moe_object *object;
  const moe_encoder *encoder;
  const moe_rows *x;
  moe_span span;
  moe_frame *out;
} moe_encoder_run;

/* What a fit has found so far. */
typedef struct moe_encoder_work {
  size_t *places;  /* input columns and one: where a column's codes begin … */
  uint8_t *occurs; /* … of these, whether a row has them */
  size_t column;   /* whose levels come next */
  size_t room;     /* for levels */
} moe_encoder_work;

/* How a nominal column is encoded: the columns that it becomes, the names of
   them (a copy, or NULL when memory is short), and the numbers of a row, the
   first of them at `place`.  `level` is counted from 0, or one of these. */
enum { MOE_LEVEL_MISSING = -1, MOE_LEVEL_UNKNOWN = -2 };
typedef struct moe_encoding {
  size_t (*width)(const moe_encoder *e, size_t column);
  char *(*name)(const moe_encoder *e, size_t column, size_t k);
  moe_status (*set)(const moe_encoder_run *run, size_t row, size_t column,
                    size_t place, int32_t level);
} moe_encoding;

/* step, end, visit and check of a type that has an encoding, and what its own
   apply consists in. */
moe_status moe_encoder_step(moe_call *call, moe_transform_job *job);
void moe_encoder_end(moe_transform_job *job);
moe_status moe_encoder_visit(void *state, moe_visitor *v);
moe_status moe_encoder_check(moe_call *call, const moe_object *o);
moe_status moe_encoder_apply(moe_encoder_run *run);

/* Gauge: the levels of each nominal column, by its name. */
moe_status moe_encoder_levels(moe_call *call, const moe_object *o,
                              moe_value *out);
#define MOE_ENCODER_GAUGES \
  {"levels", "the levels of each nominal column", moe_encoder_levels},

#endif
