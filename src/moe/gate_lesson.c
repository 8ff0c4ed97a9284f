#include "gate_lesson.h"

#include "gate_kernels.h"

/* ----------------------------------------------------------------- dispatch
   Four experts whose likelihoods the prior believes as they are have code of
   their own, in which no loop over them is left. */

typedef moe_status answerer(moe_call *call, const moe_linear_gate *g,
                            double factor, const double *x, double *q,
                            double *out);
typedef moe_status teller(moe_call *call, const moe_linear_gate *g,
                          double factor, const double *x, double *z);
typedef moe_status teacher(moe_linear_gate *g, const moe_gate_rule *rule,
                           const moe_example *e, const double *x,
                           const double *q);

typedef struct sized {
  answerer *answer;
  teller *tell;
  teacher *teach;
} sized;

typedef struct kernels {
  sized any, four;
} kernels;

/* Who has no call has no holes either. */
#define COMPILE_SIZE(NAME, SIZE, TARGET, M, POWER)                            \
  TARGET static moe_status answer_##SIZE##_##NAME(                            \
      moe_call *call, const moe_linear_gate *g, double factor,                \
      const double *x, double *q, double *out) {                              \
    return moe__gate_answer(g, M, factor, x, q, out) || call == NULL          \
               ? MOE_OK                                                       \
               : moe__gate_fill_and_answer(call, g, factor, x, q, out);       \
  }                                                                           \
  TARGET static moe_status tell_##SIZE##_##NAME(                              \
      moe_call *call, const moe_linear_gate *g, double factor,                \
      const double *x, double *z) {                                           \
    return moe__gate_find_logits(&g->affine, M, factor, x, z) || call == NULL \
               ? MOE_OK                                                       \
               : moe__gate_fill_and_tell(call, g, factor, x, z);              \
  }                                                                           \
  TARGET static moe_status teach_##SIZE##_##NAME(                             \
      moe_linear_gate *g, const moe_gate_rule *rule, const moe_example *e,    \
      const double *x, const double *q) {                                     \
    const moe_lesson lesson =                                                 \
        moe__gate_study(g, rule, e, x, q, M, POWER, false, g->stream.desk);   \
    if (moe__gate_moves_only(g, rule)) g->stream.moved = lesson.moved;        \
    moe__gate_move(g, &lesson);                                               \
    if (moe__gate_is_due(&g->stream)) maintain_##NAME(g, rule);               \
    return MOE_OK;                                                            \
  }

#define SIZED(NAME, SIZE) \
  { answer_##SIZE##_##NAME, tell_##SIZE##_##NAME, teach_##SIZE##_##NAME }

#define COMPILE_FOR(NAME, TARGET)                               \
  TARGET __attribute__((noinline)) static void maintain_##NAME( \
      moe_linear_gate *g, const moe_gate_rule *rule) {          \
    moe__gate_maintain(g, rule);                                \
  }                                                             \
  COMPILE_SIZE(NAME, any, TARGET, g->affine.fitted.n_outputs,   \
               rule->prior * e->weight)                         \
  COMPILE_SIZE(NAME, four, TARGET, MOE_FOUR, 1)                 \
  static const kernels NAME = {SIZED(NAME, any), SIZED(NAME, four)};

MOE_COMPILE_QUAD_KERNELS

static const sized *fit(const moe_linear_gate *g) {
  return g->affine.fitted.n_outputs == MOE_FOUR ? &best()->four : &best()->any;
}

moe_status moe_gate_answer_one(moe_call *call, const moe_linear_gate *g,
                               double factor, const double *x, double *q,
                               double *out) {
  return fit(g)->answer(call, g, factor, x, q, out);
}

moe_status moe_gate_logits(moe_call *call, const moe_linear_gate *g,
                           double factor, const double *x, double *z) {
  return fit(g)->tell(call, g, factor, x, z);
}

/* ------------------------------------------------------------------ lessons
 */

static moe_status give(moe_linear_gate *g, const moe_gate_rule *rule,
                       const moe_example *e, const double *x, const double *q) {
  bool plain = g->stream.prior == NULL || rule->prior * e->weight == 1;
  return (plain ? fit(g) : &best()->any)->teach(g, rule, e, x, q);
}

static MOE_RARE moe_status prepare(moe_call *call, moe_linear_gate *g,
                                   const moe_gate_rule *rule,
                                   const moe_example *e, const double *q) {
  moe_gate_stream *s = &g->stream;
  const double *x = e->x;
  if (!moe__gate_has_room(s, rule))
    MOE_TRY(moe_gate_stream_open(call, g, rule));
  if (!moe__gate_sees(e))
    x = moe__gate_fill(g, x, moe__desk_columns(g, MOE_DESK_X));
  if (q == NULL) MOE_TRY(moe_gate_answer_one(call, g, 1, e->x, s->desk, NULL));
  return give(g, rule, e, x, q != NULL ? q : s->desk);
}

moe_status moe_gate_learn_one(moe_call *call, moe_linear_gate *g,
                              const moe_gate_rule *rule, const moe_example *e,
                              const double *q) {
  return q != NULL && moe__gate_sees(e) && moe__gate_has_room(&g->stream, rule)
             ? give(g, rule, e, e->x, q)
             : prepare(call, g, rule, e, q);
}
