/* What a mixture on a stream remembers about itself, and how it spreads its
   load.  All of it is one run of arithmetic after each sample, compiled for
   each instruction set; of four experts the loops are a vector each. */
#include <string.h>

#include "balance.h"
#include "mixture.h"
#include "mixture_stream_kernels.h"
#include "vector.h"

/* An expert's output k, in the mixture's order; 0 for a class unknown to it. */
static double answer_of(const moe_step *t, size_t e, size_t k) {
  int32_t column = t->st->classes ? t->st->ids[e * t->width + k] : (int32_t)k;
  return column < 0 ? 0 : t->answers[t->m->map_start[e] + column];
}

/* The same, summed over many outputs. */
static MOE_RARE double spread_of_many(const moe_step *t) {
  double sum = 0, *answers = t->scores, *said = t->merit; /* not in use now */
  for (size_t k = 0; k < t->width; k++) {
    for (size_t e = 0; e < t->n; e++) answers[e] = answer_of(t, e, k);
    sum += moe__spread(answers, t->loss, t->n_asked, t->n, said);
  }
  return sum;
}

MOE_KERNEL void track_answers(const moe_step *t, size_t n) {
  moe_stream *st = t->st;
  double error = st->classes ? st->runs.error
                             : moe__squared_error(t->s->y, t->mixed, t->width);
  double squares = t->n_asked < 2     ? 0
                   : t->st->is_number ? moe__spread(t->answers, t->loss,
                                                    t->n_asked, n, t->merit)
                                      : spread_of_many(t);
  moe__follow_answers(st, squares, t->n_asked, error);
  moe__follow_turns(&st->runs, t->mixed[st->classes ? t->s->id : 0]);
  moe__follow_losses(st->run.loss, st->run.cover, t->loss, st->share,
                     t->n_asked == n, n);
}

/* ------------------------------------------------------------------ the load
 */

MOE_KERNEL void track_load(const moe_step *t, size_t n) {
  double *marks = t->scores; /* not needed any more */
  for (size_t e = 0; e < n; e++) marks[e] = 0;
  for (size_t i = 0; i < t->n_chosen; i++) marks[t->chosen[i]] = 1;
  moe__follow_all(t->st->run.load, marks, t->st->share, n);
}

/* Centred, for only differences count; more than 1 apart from a score in [0, 1]
   is no different. */
static void centre(double *bias, size_t n) {
  double mean = 0;
  for (size_t e = 0; e < n; e++) mean += bias[e] / (double)n;
  for (size_t e = 0; e < n; e++) bias[e] = fmax(-1, fmin(bias[e] - mean, 1));
}

/* Towards as many selections for each. */
static void integrate(const moe_step *t) {
  double target = (double)t->st->selects / (double)t->n;
  for (size_t e = 0; e < t->n; e++)
    t->m->bias[e] += t->options->balance_rate * target;
  for (size_t i = 0; i < t->n_chosen; i++)
    t->m->bias[t->chosen[i]] -= t->options->balance_rate;
  centre(t->m->bias, t->n);
}

/* Once a window, as far as a share at each sample would have gone. */
static moe_status follow_quantile(const moe_step *t) {
  moe_stream *st = t->st;
  size_t at = (size_t)(st->steps % MOE_WINDOW);
  moe_routing r = {.n = MOE_WINDOW,
                   .experts = t->n,
                   .width = t->st->selects,
                   .probs = st->window};
  double *room;
  int32_t *held;
  memcpy(st->window + at * t->n, t->probs, t->n * sizeof *t->probs);
  if (at + 1 < MOE_WINDOW) return MOE_OK;
  moe_scratch_mark mark = moe_scratch_now(t->call);
  MOE_SCRATCH(t->call, room, moe_bias_room(MOE_WINDOW, t->n));
  MOE_SCRATCH(t->call, held, t->st->selects + 1);
  double share = -expm1(MOE_WINDOW * log1p(-t->options->balance_rate));
  moe_bias_step(MOE_BIAS_QUANTILE, share, &r, room, held, t->m->bias);
  moe_scratch_drop(t->call, mark);
  return MOE_OK;
}

static MOE_RARE moe_status balance_selection(const moe_step *t) {
  if (t->options->balance == MOE_BY_QUANTILE) return follow_quantile(t);
  integrate(t);
  return MOE_OK;
}

/* `moved` begins as what this adds to the logits. */
MOE_KERNEL moe_status balance(const moe_step *t, double *moved, size_t n) {
  int kind = t->options->balance;
  for (size_t e = 0; e < n; e++) moved[e] = 0;
  if (kind == MOE_IN_LOGITS)
    moe__follow_load(t->st->run.load, t->options->balance_rate, t->m->bias,
                     moved, n);
  else if (kind != MOE_LEAVE_LOAD)
    return balance_selection(t);
  return MOE_OK;
}

/* --------------------------------------------------------------- the routing
 */

/* By how much the gate has moved the logits of this sample since it was asked;
   NULL where it cannot tell. */
MOE_KERNEL const double *find_moved(const moe_step *t) {
  const moe_object *gate = t->params->gate;
  const moe_learner_type *type = moe_learner_type_of(gate);
  bool first = moe_learner_fitted(gate)->n_seen < 2; /* it had no weights */
  if (!t->has_logits || first || t->st->gate_frozen || type->moved == NULL)
    return NULL;
  return type->moved(gate);
}

/* The logits, now that the gate has learned and the balance has moved, or the
   probabilities of many. */
MOE_KERNEL moe_status measure_again(moe_step *t, double *moved, size_t n) {
  const double *more = find_moved(t);
  if (more == NULL) MOE_TRY(moe__ask_gate_again(t));
  for (size_t e = 0; e < n; e++)
    moved[e] = more != NULL ? moved[e] + more[e] : 0;
  if (n <= MOE_LANES) {
    moe__await(t->st, t->logits, moved, n);
    return MOE_OK;
  }
  for (size_t e = 0; e < n; e++) t->probs[e] = t->logits[e] + moved[e];
  moe_softmax(t->probs, 1, n);
  moe__follow_routing(t->st, t->probs, n);
  return MOE_OK;
}

MOE_KERNEL moe_status track_routing(moe_step *t, double *moved, size_t n) {
  if (t->options->measure == MOE_AFTER_LEARNING)
    return measure_again(t, moved, n);
  moe__follow_routing(t->st, t->probs, n);
  return MOE_OK;
}

MOE_KERNEL moe_status track(moe_step *t, size_t n) {
  double *moved = t->scores; /* not needed any more */
  track_load(t, n);
  MOE_TRY(balance(t, moved, n));
  MOE_TRY(track_routing(t, moved, n));
  track_answers(t, n);
  t->st->steps++;
  return MOE_OK;
}

typedef struct kernels {
  moe_status (*track)(moe_step *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                  \
  TARGET static moe_status track_##NAME(moe_step *t) {             \
    return t->n == MOE_FOUR ? track(t, MOE_FOUR) : track(t, t->n); \
  }                                                                \
  static const kernels NAME = {track_##NAME};

MOE_COMPILE_QUAD_KERNELS

moe_status moe__track(moe_step *t) { return best()->track(t); }

void moe__stream_settle(moe_stream *st) {
  if (st->waits) moe__measure(st, st->n);
  if (st->sums > 0) moe__settle_sums(st);
}

moe_status moe__stream_settled(moe_call *call, const moe_stream *st,
                               moe_stream *out) {
  double *used;
  moe_waiting *waiting;
  MOE_SCRATCH(call, used, st->n);
  MOE_SCRATCH(call, waiting, 1);
  memcpy(used, st->run.used, st->n * sizeof *used);
  *out = *st;
  *waiting = *st->waiting;
  out->run.used = used;
  out->waiting = waiting;
  moe__stream_settle(out);
  return MOE_OK;
}

double moe__stream_cover(const moe_object *o) {
  const moe_mixture *m = o->state;
  const moe_mixture_params *p = o->params;
  bool raw = moe__streaming_of(p->stream)->measure == MOE_AFTER_LEARNING;
  return raw || !(m->stream.runs.cover > 0) ? 1 : m->stream.runs.cover;
}
