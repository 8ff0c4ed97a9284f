/* What a mixture on a stream remembers about itself, and how it spreads its
   load.  All of it is one run of arithmetic after each sample, compiled for
   each instruction set; of four experts the loops are a vector each. */
#include <string.h>

#include "balance.h"
#include "mixture.h"
#include "mixture_stream.h"
#include "vector.h"
#include "vector_kernels.h"

MOE_KERNEL void follow(double *mean, double x, double share) {
  *mean += share * (x - *mean);
}

MOE_KERNEL void follow_all(double *restrict mean, const double *restrict x,
                           double share, size_t n) {
  for (size_t e = 0; e < n; e++) follow(mean + e, x[e], share);
}

/* -------------------------------------------------------------- the answers */

/* Who was not asked has no loss. */
MOE_KERNEL bool was_asked(double loss, bool all) { return all || loss == loss; }

MOE_KERNEL void follow_losses(double *restrict mean, double *restrict cover,
                              const double *restrict loss, double share,
                              bool all, size_t n) {
  for (size_t e = 0; e < n; e++) {
    double step = share * (loss[e] - mean[e]);
    double grown = share * (1 - cover[e]);
    mean[e] += was_asked(loss[e], all) ? step : 0;
    cover[e] += was_asked(loss[e], all) ? grown : 0;
  }
}

/* The squares of what so many of n say, about their mean. */
MOE_KERNEL double spread(const double *answers, const double *loss,
                         size_t asked, size_t n) {
  double mean = 0, squares = 0;
  bool all = asked == n;
  for (size_t e = 0; e < n; e++)
    mean += was_asked(loss[e], all) ? answers[e] : 0;
  mean /= (double)(int64_t)asked;
  for (size_t e = 0; e < n; e++) {
    double apart = was_asked(loss[e], all) ? answers[e] - mean : 0;
    squares += apart * apart;
  }
  return squares;
}

/* An expert's output k, in the mixture's order; 0 for a class unknown to it. */
static double answer_of(const moe_step *t, size_t e, size_t k) {
  int32_t column = t->st->classes ? t->st->ids[e * t->width + k] : (int32_t)k;
  return column < 0 ? 0 : t->answers[t->m->map_start[e] + column];
}

/* The same, summed over many outputs. */
static MOE_RARE double spread_of_many(const moe_step *t) {
  double sum = 0, *answers = t->scores; /* not needed any more */
  for (size_t k = 0; k < t->width; k++) {
    for (size_t e = 0; e < t->n; e++) answers[e] = answer_of(t, e, k);
    sum += spread(answers, t->loss, t->n_asked, t->n);
  }
  return sum;
}

/* The deviation of what they say. */
MOE_KERNEL void track_disagreement(const moe_step *t, size_t asked, size_t n) {
  moe_runs *runs = &t->st->runs;
  if (asked < 2) return;
  double squares = t->st->is_number ? spread(t->answers, t->loss, asked, n)
                                    : spread_of_many(t);
  double apart = sqrt(squares / (double)(int64_t)(asked - 1));
  if (!(apart < 1e300)) return;
  runs->disagreement = apart;
  follow(&runs->mean_disagreement, apart, t->st->share);
  follow(&runs->disagreement_cover, 1, t->st->share);
}

/* 1 upwards, −1 downwards, 0 for what is next to nothing. */
MOE_KERNEL double sign_of(double x) {
  const double least = 1e-15;
  return (double)((x > least) - (x < -least));
}

/* Whether the mixture's answers turn as they turned before: the sign of the
   product of their last two second differences. */
MOE_KERNEL void track_turns(const moe_step *t) {
  moe_runs *runs = &t->st->runs;
  double answer = t->mixed[t->st->classes ? t->s->id : 0];
  double change = answer - runs->answer, turn = change - runs->change;
  if (!(fabs(turn) < 1e300)) return;
  follow(&runs->alignment, sign_of(turn) * runs->turn, 0.05);
  runs->answer = answer;
  runs->change = change;
  runs->turn = sign_of(turn);
}

MOE_KERNEL void track_answers(const moe_step *t, size_t asked, size_t n) {
  moe_stream *st = t->st;
  track_disagreement(t, asked, n);
  track_turns(t);
  follow_losses(st->run.loss, st->run.cover, t->loss, st->share, asked == n, n);
  if (st->classes) return;
  follow(&st->runs.error, moe__squared_error(t->s->y, t->mixed, t->width),
         st->share);
}

/* ------------------------------------------------------------------ the load
 */

MOE_KERNEL void track_load(const moe_step *t, size_t n) {
  double *load = t->st->run.load, share = t->st->share;
  for (size_t e = 0; e < n; e++) load[e] -= share * load[e];
  for (size_t i = 0; i < t->n_chosen; i++) load[t->chosen[i]] += share;
}

/* Towards a load of 1 / n, however many are selected. */
MOE_KERNEL void follow_load(const double *restrict load, double rate,
                            double *restrict bias, double *restrict logits,
                            size_t n) {
  double target = 1 / (double)n;
  for (size_t e = 0; e < n; e++) {
    double step = rate * (target - load[e]);
    bias[e] += step;
    logits[e] += step;
  }
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

MOE_KERNEL moe_status balance(const moe_step *t, size_t n) {
  int kind = t->options->balance;
  if (kind == MOE_IN_LOGITS)
    follow_load(t->st->run.load, t->options->balance_rate, t->m->bias,
                t->logits, n);
  else if (kind != MOE_LEAVE_LOAD)
    return balance_selection(t);
  return MOE_OK;
}

/* --------------------------------------------------------------- the routing
 */

MOE_KERNEL void add_all(double *restrict to, const double *restrict x,
                        size_t n) {
  for (size_t e = 0; e < n; e++) to[e] += x[e];
}

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

/* The probabilities, now that the gate has learned and the balance has moved.
 */
MOE_KERNEL moe_status measure_again(moe_step *t, size_t n) {
  const double *moved = find_moved(t);
  if (moved == NULL)
    MOE_TRY(moe__ask_gate_again(t));
  else
    add_all(t->logits, moved, n);
  memcpy(t->probs, t->logits, n * sizeof(double));
  if (n > MOE_LANES || !moe__softmax_row(t->probs, n))
    moe_softmax(t->probs, 1, n);
  return MOE_OK;
}

/* −Σ p log p. */
MOE_KERNEL double entropy_of(const double *restrict p, double *restrict room,
                             size_t n) {
  double sum = 0;
  for (size_t e = 0; e < n; e++) room[e] = p[e] * moe__log_of(p[e]);
  for (size_t e = 0; e < n; e++) sum -= room[e];
  return sum;
}

MOE_KERNEL void track_routing(const moe_step *t, size_t n) {
  moe_stream *st = t->st;
  double *room = t->scores; /* not needed any more */
  double entropy = n > 1 ? entropy_of(t->probs, room, n) / st->most_entropy : 0;
  follow_all(st->run.used, t->probs, st->share, n);
  follow(&st->runs.cover, 1, st->share);
  follow(&st->runs.entropy, entropy < 1 ? entropy : 1, 0.01);
}

MOE_KERNEL moe_status track(moe_step *t, size_t asked, size_t n) {
  track_load(t, n);
  MOE_TRY(balance(t, n));
  if (t->options->measure == MOE_AFTER_LEARNING) MOE_TRY(measure_again(t, n));
  track_routing(t, n);
  track_answers(t, asked, n);
  t->st->steps++;
  return MOE_OK;
}

typedef struct kernels {
  moe_status (*track)(moe_step *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                      \
  TARGET static moe_status track_##NAME(moe_step *t) {                 \
    if (t->n != MOE_FOUR) return track(t, t->n_asked, t->n);           \
    if (t->n_asked != MOE_FOUR) return track(t, t->n_asked, MOE_FOUR); \
    return track(t, MOE_FOUR, MOE_FOUR);                               \
  }                                                                    \
  static const kernels NAME = {track_##NAME};

MOE_COMPILE_KERNELS

moe_status moe__track(moe_step *t) { return best()->track(t); }

double moe__stream_cover(const moe_object *o) {
  const moe_mixture *m = o->state;
  const moe_mixture_params *p = o->params;
  bool raw = moe__streaming_of(p->stream)->measure == MOE_AFTER_LEARNING;
  return raw || !(m->stream.runs.cover > 0) ? 1 : m->stream.runs.cover;
}
