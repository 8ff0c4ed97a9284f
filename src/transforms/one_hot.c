/* Turns each nominal column into one column a level, 1 where the row has that
   level and 0 elsewhere; numeric columns stay as they are, in their place.  A
   missing value is 0 in all of its columns. */
#include <stdio.h>
#include <string.h>

#include "encoder.h"

enum { ZEROS, REFUSE };
static const char *const unknowns[] = {"zeros", "refuse", NULL};

typedef struct one_hot_params {
  moe_texts columns;
  int handle_unknown;
  bool sparse;
} one_hot_params;

static const moe_param params[] = {
    MOE_P_LIST(one_hot_params, columns, MOE_TEXTS, 0, 0,
               "the nominal columns to use, the others are left out; absent: "
               "all"),
    MOE_P_CHOICE(one_hot_params, handle_unknown, ZEROS, unknowns,
                 "what becomes of a level that was not there in training"),
    MOE_P_FLAG(one_hot_params, sparse, false,
               "whether the result is sparse: for many levels"),
    {0}};

/* "column=level" */
static char *name_output(const moe_encoder *e, size_t column, size_t k) {
  const char *name = e->shaped.input.names.items[column];
  const char *level = moe_encoder_level(e, column, k);
  size_t size = strlen(name) + strlen(level) + 2;
  char *out = moe_alloc(size, 1);
  if (out != NULL) snprintf(out, size, "%s=%s", name, level);
  return out;
}

static moe_status set(const moe_encoder_run *run, size_t row, size_t column,
                      size_t place, int32_t level) {
  const one_hot_params *p = run->object->params;
  char name[100];
  if (level >= 0)
    return moe_frame_set(run->call, run->out, row, place + (size_t)level, 1);
  if (level == MOE_LEVEL_MISSING || p->handle_unknown == ZEROS) return MOE_OK;
  moe_schema_print(&run->encoder->shaped.input, column, name, sizeof name);
  return moe_fail(run->call, MOE_EDATA,
                  "one_hot: row %zu, %s has a level that was not there in "
                  "training (handle_unknown = \"zeros\" takes it for missing)",
                  row + 1, name);
}

static const moe_encoding encoding = {moe_encoder_count, name_output, set};

static moe_status apply(moe_call *call, const moe_object *o, const void *state,
                        const moe_rows *x, moe_span span, moe_frame *out) {
  moe_encoder_run run = {call, o, state, x, span, out};
  return moe_encoder_apply(&run);
}

static const moe_gauge gauges[] = {MOE_ENCODER_GAUGES{0}};

const moe_transform_type moe_one_hot = {
    .type = {.name = "one_hot",
             .family = "transform",
             .doc = "Turns nominal columns into one column of zeros and ones a "
                    "level; numbers stay as they are.",
             .params_size = sizeof(one_hot_params),
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
