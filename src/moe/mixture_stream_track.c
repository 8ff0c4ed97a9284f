/* What a mixture on a stream remembers about itself, and how it spreads its
   load. */
#include <math.h>
#include <string.h>

#include "balance.h"
#include "mixture.h"
#include "mixture_stream.h"
#include "vector.h"

static void follow(double *mean, double x, double share) {
  *mean += share * (x - *mean);
}

/* -------------------------------------------------------------- the answers */

/* An expert's output k, in the mixture's order; 0 for a class unknown to it. */
static double answer_of(const moe_step *t, size_t i, size_t k) {
  size_t e = (size_t)t->asked[i];
  int32_t column = t->st->classes ? t->st->ids[e * t->width + k] : (int32_t)k;
  return column < 0 ? 0 : t->answers[t->m->map_start[e] + column];
}

static double variance_of_numbers(const moe_step *t, double n) {
  double mean = 0, squares = 0;
  for (size_t i = 0; i < t->n_asked; i++) mean += t->answers[t->asked[i]];
  mean /= n;
  for (size_t i = 0; i < t->n_asked; i++) {
    double apart = t->answers[t->asked[i]] - mean;
    squares += apart * apart;
  }
  return squares / (n - 1);
}

/* The variance of what they say, summed over the outputs. */
static double variance(const moe_step *t) {
  double sum = 0, n = (double)t->n_asked;
  if (t->st->is_number) return variance_of_numbers(t, n);
  for (size_t k = 0; k < t->width; k++) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < t->n_asked; i++) mean += answer_of(t, i, k);
    mean /= n;
    for (size_t i = 0; i < t->n_asked; i++) {
      double apart = answer_of(t, i, k) - mean;
      squares += apart * apart;
    }
    sum += squares / (n - 1);
  }
  return sum;
}

static void track_disagreement(const moe_step *t) {
  moe_runs *runs = &t->st->runs;
  if (t->n_asked < 2) return;
  double apart = sqrt(variance(t));
  if (!(apart < 1e300)) return;
  runs->disagreement = apart;
  follow(&runs->mean_disagreement, apart, t->st->share);
  follow(&runs->disagreement_cover, 1, t->st->share);
}

/* Whether the mixture's answers turn as they turned before: the sign of the
   product of their last two second differences. */
static void track_turns(const moe_step *t) {
  moe_runs *runs = &t->st->runs;
  double answer = t->mixed[t->st->classes ? t->s->id : 0];
  double change = answer - runs->answer, turn = change - runs->change;
  double agree = 0;
  if (!(fabs(turn) < 1e300)) return;
  if (fabs(turn) > 1e-15 && fabs(runs->turn) > 1e-15)
    agree = (turn > 0) == (runs->turn > 0) ? 1 : -1;
  if (t->st->steps > 0) follow(&runs->alignment, agree, 0.05);
  runs->answer = answer;
  runs->change = change;
  runs->turn = turn;
}

static void track_answers(const moe_step *t) {
  moe_runs *runs = &t->st->runs;
  track_disagreement(t);
  track_turns(t);
  for (size_t i = 0; i < t->n_asked; i++) {
    size_t e = (size_t)t->asked[i];
    follow(&t->st->run.loss[e], t->loss[e], t->st->share);
    follow(&t->st->run.cover[e], 1, t->st->share);
  }
  if (t->st->classes) return;
  follow(&runs->error, moe__squared_error(t->s->y, t->mixed, t->width),
         t->st->share);
}

/* ------------------------------------------------------------------ the load
 */

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

/* Towards a load of 1 / n, however many are selected. */
static void follow_load(const moe_step *t) {
  double target = 1 / (double)t->n, rate = t->options->balance_rate;
  const double *load = t->st->run.load;
  double *restrict bias = t->m->bias, *restrict logits = t->logits;
  for (size_t e = 0; e < t->n; e++) {
    double step = rate * (target - load[e]);
    bias[e] += step;
    logits[e] += step;
  }
}

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
  moe_bias_step(MOE_BIAS_QUANTILE, t->options->balance_rate, &r, room, held,
                t->m->bias);
  moe_scratch_drop(t->call, mark);
  return MOE_OK;
}

static moe_status balance(const moe_step *t) {
  switch (t->options->balance) {
    case MOE_BY_INTEGRAL: integrate(t); break;
    case MOE_IN_LOGITS: follow_load(t); break;
    case MOE_BY_QUANTILE: return follow_quantile(t);
    default: break;
  }
  return MOE_OK;
}

/* --------------------------------------------------------------- the routing
 */

/* −Σ p log p. */
static double entropy_of_shares(const moe_step *t) {
  double *logs = t->scores; /* not needed any more */
  memcpy(logs, t->probs, t->n * sizeof *logs);
  moe_log(logs, t->n);
  return -moe_dot(t->probs, logs, t->n);
}

/* Of a softmax of logits z that is log Σ exp z − Σ p z, and takes one
   logarithm. The z that the sum is taken from is any whose p is not faint: that
   of the best one chosen, as a rule.  So far below it p is 0. */
static double entropy_of_logits(const moe_step *t) {
  const double lowest = -1e3, faint = 0.01;
  const double *p = t->probs, *z = t->logits;
  size_t from = t->n_chosen > 0 ? (size_t)*t->chosen : 0;
  double sum = 0;
  for (size_t e = 0; p[from] < faint && e < t->n; e++)
    if (p[e] > p[from]) from = e;
  for (size_t e = 0; e < t->n; e++) {
    double below = z[e] - z[from];
    sum += p[e] * (below > lowest ? below : lowest);
  }
  return -log(p[from]) - sum;
}

static double entropy_of(const moe_step *t) {
  return t->has_logits ? entropy_of_logits(t) : entropy_of_shares(t);
}

static void track_routing(const moe_step *t) {
  moe_runs *runs = &t->st->runs;
  double entropy = t->n > 1 ? entropy_of(t) / t->st->most_entropy : 0;
  double share = t->st->share;
  const double *restrict p = t->probs;
  double *restrict used = t->st->run.used, *restrict age = t->st->run.age;
  for (size_t e = 0; e < t->n; e++) {
    used[e] += share * (p[e] - used[e]);
    age[e]++;
  }
  follow(&runs->cover, 1, share);
  follow(&runs->entropy, entropy < 1 ? entropy : 1, 0.01);
}

static void track_load(const moe_step *t) {
  double *load = t->st->run.load, share = t->st->share;
  for (size_t e = 0; e < t->n; e++) load[e] -= share * load[e];
  for (size_t i = 0; i < t->n_chosen; i++) load[t->chosen[i]] += share;
}

moe_status moe__track(moe_step *t) {
  track_answers(t);
  track_load(t);
  MOE_TRY(balance(t));
  if (t->options->measure == MOE_AFTER_LEARNING) MOE_TRY(moe__measure_again(t));
  track_routing(t);
  return MOE_OK;
}

double moe__stream_cover(const moe_object *o) {
  const moe_mixture *m = o->state;
  const moe_mixture_params *p = o->params;
  bool raw = moe__streaming_of(p->stream)->measure == MOE_AFTER_LEARNING;
  return raw || !(m->stream.runs.cover > 0) ? 1 : m->stream.runs.cover;
}
