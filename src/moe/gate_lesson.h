/* What gate_online.c and gate_lesson.c, which has the arithmetic of single
   samples, know of each other. */
#ifndef MOE_GATE_LESSON_H
#define MOE_GATE_LESSON_H

#include "gate_online.h"

/* Of a value, a step's size, and 1 / a deviation: no product of a few of them
   and of all steps there may be is infinite. */
#define MOE_GATE_LARGEST 1e60

/* A stream's desk: rows of n_outputs numbers, in whole quads, then of
   n_features. */
enum {
  MOE_DESK_Q,
  MOE_DESK_LIKE,
  MOE_DESK_SCORE,
  MOE_DESK_ASKED,
  MOE_DESK_SLOPE,
  MOE_DESK_MOVED,
  MOE_DESK_ROWS
};
enum { MOE_DESK_X, MOE_DESK_U, MOE_DESK_COLUMNS };

static inline size_t moe__desk_width(size_t m) { return (m + 3) / 4 * 4; }

static inline double *moe__desk_columns(const moe_linear_gate *g, size_t row) {
  const moe_fitted *f = &g->affine.fitted;
  return g->stream.desk + MOE_DESK_ROWS * moe__desk_width(f->n_outputs) +
         row * f->n_features;
}

/* Whether a step has the room that it needs, and sees the sample as it comes.
 */
static inline bool moe__gate_has_room(const moe_gate_stream *s,
                                      const moe_gate_rule *rule) {
  return s->desk != NULL && (s->prior != NULL || !(rule->prior > 0));
}
static inline bool moe__gate_sees(const moe_example *e) {
  return e->norm > 0 && e->norm < MOE_GATE_LARGEST * MOE_GATE_LARGEST;
}

/* x without holes, and no farther than steps can go, in that room. */
const double *moe__gate_fill(const moe_linear_gate *g, const double *x,
                             double *room);

/* moe_gate_answer_one and moe_gate_logits of a row with holes. */
moe_status moe__gate_fill_and_answer(moe_call *call, const moe_linear_gate *g,
                                     double factor, const double *x, double *q,
                                     double *out);

moe_status moe__gate_fill_and_tell(moe_call *call, const moe_linear_gate *g,
                                   double factor, const double *x, double *z);

#endif
