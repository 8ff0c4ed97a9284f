/* Turns each nominal column into a column of its levels' numbers: 0, 1, … in
   byte order.  Missing values, and levels that were not there in training, are
   missing (NaN).  Numeric columns stay as they are. */
#include <math.h>

#include "encoder.h"

typedef struct ordinal_params {
  moe_texts columns;
} ordinal_params;

static const moe_param params[] = {
    MOE_P_LIST(ordinal_params, columns, MOE_TEXTS, 0, 0,
               "the nominal columns to use, the others are left out; absent: "
               "all"),
    {0}};

static size_t width(const moe_encoder *e, size_t column) {
  (void)e;
  (void)column;
  return 1;
}

static char *name_output(const moe_encoder *e, size_t column, size_t k) {
  (void)k;
  return moe_copy_text(e->shaped.input.names.items[column]);
}

static moe_status set(const moe_encoder_run *run, size_t row, size_t column,
                      size_t place, int32_t level) {
  (void)column;
  return moe_frame_set(run->call, run->out, row, place,
                       level >= 0 ? (float)level : NAN);
}

static const moe_encoding encoding = {width, name_output, set};

static moe_status apply(moe_call *call, const moe_object *o, const void *state,
                        const moe_rows *x, moe_span span, moe_frame *out) {
  moe_encoder_run run = {call, o, state, x, span, out};
  return moe_encoder_apply(&run);
}

static const moe_gauge gauges[] = {MOE_ENCODER_GAUGES{0}};

const moe_transform_type moe_ordinal = {
    .type = {.name = "ordinal",
             .family = "transform",
             .doc = "Turns nominal columns into the numbers of their levels; "
                    "numbers stay as they are.",
             .params_size = sizeof(ordinal_params),
             .state_size = sizeof(moe_encoder),
             .params = params,
             .gauges = gauges,
             .visit = moe_encoder_visit,
             .check = moe_encoder_check},
    .takes = MOE_TAKES_TEXT,
    .encoding = &encoding,
    .work_size = sizeof(moe_encoder_work),
    .step = moe_encoder_step,
    .end = moe_encoder_end,
    .apply = apply};
