/* A few lines behind a linear gate, with nothing else in the way of a sample:
   such a mixture answers and learns in one piece, compiled for each instruction
   set.  Its steps are those of mixture_stream.c, and so are the bits.  Such a
   step waits more than it computes, so what is long to wait for, each softmax
   and each root, comes before wide work that does not need it. */
#include "gate_kernels.h"
#include "line_kernels.h"
#include "mixture.h"
#include "mixture_stream_kernels.h"
#include "route_kernels.h"

/* ---------------------------------------------------------------- the answer
 */

/* What leads to an answer: n numbers each, of the sample. */
typedef struct way {
  const moe_stream *st;
  const double *bias; /* of the logits, or NULL */
  moe_line_sample sample;
  double *logits;
  double *q;       /* their softmax */
  double *probs;   /* what the gate's prior makes of it: the same without one */
  double *answers; /* of all lines */
  double *weights; /* k: of those who are … */
  int32_t *chosen; /* … chosen */
} way;

MOE_KERNEL void add_all(double *restrict to, const double *restrict x,
                        size_t n) {
  for (size_t e = 0; e < n; e++) to[e] += x[e];
}

/* False, and nothing is found, where a logit is not finite. */
MOE_KERNEL bool route(const way *w, size_t k, size_t n) {
  const moe_linear_gate *g = w->st->gate;
  const moe_affine *a = &g->affine;
  const double *prior = g->stream.prior;
  if (!moe__finite_lines(a->weights, a->bias, a->left, n, w->sample.x,
                         w->sample.d, w->logits))
    return false;
  if (w->bias != NULL) add_all(w->logits, w->bias, n);
  if (!moe__softmax_few(w->logits, n, w->q)) return false;
  if (prior != NULL) moe__gate_blend(prior, n, w->q, w->probs);
  moe__choose_row(w->st->plain ? w->probs : w->logits, w->probs, n, k,
                  w->st->renormalizes, w->chosen, w->weights);
  return true;
}

MOE_KERNEL void ask_all(const way *w, size_t n) {
  const moe_line *lines = w->st->lines;
  if (n == MOE_FOUR)
    moe__four_lines_answer(lines, &w->sample, w->answers);
  else
    moe__lines_answer(lines, w->st->everyone, n, &w->sample, w->answers);
}

MOE_KERNEL bool answer(const way *w, size_t k, size_t n, double *out) {
  double sum = 0;
  if (!route(w, k, n)) return false;
  ask_all(w, n);
  for (size_t i = 0; i < k; i++)
    sum += w->weights[i] * w->answers[w->chosen[i]];
  *out = sum;
  return true;
}

static inline const double *bias_of(const moe_streaming *options,
                                    const moe_mixture *m) {
  return options->balance == MOE_IN_LOGITS ? m->bias : NULL;
}

/* -------------------------------------------------------- the experts' lesson
 */

/* 1 of those who are chosen, 0 of the others. */
MOE_KERNEL void mark(const int32_t *chosen, size_t k, size_t n,
                     double *restrict marks) {
  const moe_mask ones = (moe_mask)MOE_ALL(1.0);
  for (size_t e = 0; e < n; e += MOE_FOUR) {
    const moe_mask places = (moe_mask){0, 1, 2, 3} + (long long)e;
    moe_mask hit = {0};
    for (size_t i = 0; i < k; i++) hit |= places == (long long)chosen[i];
    *(moe_quad *)(marks + e) = (moe_quad)(hit & ones);
  }
}

/* Who was not asked has said nothing. */
MOE_KERNEL void judge(const moe_step *t, const double *marks, bool all,
                      size_t n) {
  const moe_runs *runs = &t->st->runs;
  double precision = runs->cover / runs->error;
  for (size_t e = 0; !all && e < n; e++)
    t->answers[e] = marks[e] > 0 ? t->answers[e] : (double)NAN;
  moe__judge_answers(t->answers, *t->s->y,
                     precision < 1e300 ? precision : 1e300, n, t->loss,
                     t->merit);
}

/* What the sample counts for each; the gate has likelihoods on its desk. */
MOE_KERNEL void weigh(const moe_step *t, size_t n) {
  const double *desk = t->st->gate->stream.desk;
  double *weights = t->scores, weight = t->s->weight;
  if (t->st->teach == MOE_TEACH_BY_SHARE)
    moe__share_out(desk + MOE_DESK_LIKE * moe__desk_width(n), t->probs, weight,
                   n, weights);
  else
    for (size_t e = 0; e < n; e++) weights[e] = weight;
}

MOE_KERNEL void teach_all(const moe_step *t, const moe_line_sample *s,
                          size_t n) {
  const moe_stream *st = t->st;
  const double *weights = t->scores;
  if (n == MOE_FOUR)
    moe__four_lines_learn(st->lines, s, *t->s->y, weights, t->answers);
  else
    moe__lines_learn(st->lines, st->everyone, n, s, *t->s->y, weights,
                     t->answers);
  for (size_t e = 0; e < n; e++) {
    bool learned = weights[e] > 0;
    st->run.taught[e] += learned;
    t->m->samples[e] += learned;
  }
}

MOE_KERNEL void teach_chosen(const moe_step *t, const moe_line_sample *s,
                             size_t k) {
  const moe_stream *st = t->st;
  for (size_t i = 0; i < k; i++) {
    size_t e = (size_t)t->chosen[i];
    const moe_line *line = &st->lines[e];
    moe__line_learn(line, s, t->s->weight, t->answers[e] - *t->s->y);
    ++*line->n_seen;
    st->run.taught[e]++;
    t->m->samples[e]++;
  }
}

/* ------------------------------------------------------------ the bookkeeping
 */

/* The probabilities that are measured; their entropy. */
MOE_KERNEL double measure(const moe_step *t, size_t n) {
  const double *moved = t->st->gate->stream.moved;
  if (t->options->measure != MOE_AFTER_LEARNING)
    return moe__entropy(t->probs, n);
  if (moved != NULL) add_all(t->logits, moved, n);
  return moe__soften_logits(t->logits, moe__largest(t->logits, n), n, t->probs);
}

MOE_KERNEL void track_routing(const moe_step *t, const double *marks,
                              size_t n) {
  moe_stream *st = t->st;
  moe__follow_all(st->run.load, marks, st->share, n);
  if (t->options->balance == MOE_IN_LOGITS)
    moe__follow_load(st->run.load, t->options->balance_rate, t->m->bias,
                     t->logits, n);
  moe__follow_routing(st, t->probs, measure(t, n), n);
}

MOE_KERNEL void track_answers(const moe_step *t, size_t asked, size_t n) {
  moe_stream *st = t->st;
  double apart = *t->s->y - *t->mixed, square = apart * apart;
  if (asked > 1)
    moe__follow_disagreement(st, moe__spread(t->answers, t->loss, asked, n),
                             asked);
  moe__follow_turns(&st->runs, *t->mixed);
  moe__follow_losses(st->run.loss, st->run.cover, t->loss, st->share,
                     asked == n, n);
  moe__follow(&st->runs.error, square < 1e300 ? square : 1e300, st->share);
}

/* ------------------------------------------------------------------- a sample
 */

MOE_KERNEL void teach_gate(const moe_step *t, const double *q, size_t n) {
  const moe_stream *st = t->st;
  const moe_example *s = t->s;
  const moe_example lesson = {
      .x = s->x, .y = t->merit, .weight = s->weight, .norm = s->norm};
  moe_gate_stream *g = &st->gate->stream;
  const moe_lesson l =
      moe__gate_study(st->gate, st->rule, &lesson, s->x, q, n, 1,
                      st->teach == MOE_TEACH_BY_SHARE, g->desk);
  if (l.goes) g->moved = l.moved;
  moe__gate_move(st->gate, &l);
}

static inline bool asks_all(const moe_step *t) {
  return t->options->feedback == MOE_FULL_FEEDBACK;
}

static inline bool teaches_some(const moe_step *t) {
  return t->st->teach == MOE_TEACH_CHOSEN;
}

/* `all` are asked; `some`, those who are chosen, are taught. */
MOE_KERNEL bool learn(const moe_step *t, bool all, bool some, size_t k,
                      size_t n) {
  moe_stream *st = t->st;
  const moe_gate_stream *g = &st->gate->stream;
  double marks[MOE_LANES];
  const way w = {.st = st,
                 .bias = bias_of(t->options, t->m),
                 .sample = {t->s->x, t->m->fitted.n_features, t->s->norm},
                 .logits = t->logits,
                 .q = g->prior != NULL ? g->desk : t->probs,
                 .probs = t->probs,
                 .answers = t->answers,
                 .weights = t->weights,
                 .chosen = t->chosen};
  if (!answer(&w, k, n, t->mixed)) return false;
  mark(t->chosen, k, n, marks);
  judge(t, marks, all, n);
  teach_gate(t, w.q, n);
  if (!some) weigh(t, n);
  track_routing(t, marks, n);
  track_answers(t, all ? n : k, n);
  if (some)
    teach_chosen(t, &w.sample, k);
  else
    teach_all(t, &w.sample, n);
  st->steps++;
  return true;
}

/* Four lines, two of which answer, have code of their own, in which few loops
   are left: where all learn what all have answered, and where the two do. */
typedef bool learner(const moe_step *t);
typedef bool answerer(const way *w, double *out);
typedef struct kernels {
  learner *learn, *learn_all_of_four, *learn_two_of_four;
  answerer *answer, *answer_by_two_of_four;
} kernels;

#define COMPILE_LEARNER(NAME, SIZE, TARGET, ALL, SOME, K, N)           \
  TARGET static bool learn_##SIZE##_##NAME(const moe_step *t) {        \
    moe_linear_gate *g = t->st->gate;                                  \
    if (!learn(t, ALL, SOME, K, N)) return false;                      \
    if (moe__gate_is_due(&g->stream)) maintain_##NAME(g, t->st->rule); \
    return true;                                                       \
  }

#define COMPILE_FOR(NAME, TARGET)                                   \
  TARGET __attribute__((noinline)) static void maintain_##NAME(     \
      moe_linear_gate *g, const moe_gate_rule *rule) {              \
    moe__gate_maintain(g, rule);                                    \
  }                                                                 \
  COMPILE_LEARNER(NAME, any, TARGET, asks_all(t), teaches_some(t),  \
                  t->st->selects, t->n)                             \
  COMPILE_LEARNER(NAME, all, TARGET, true, false, 2, MOE_FOUR)      \
  COMPILE_LEARNER(NAME, two, TARGET, false, true, 2, MOE_FOUR)      \
  TARGET static bool answer_any_##NAME(const way *w, double *out) { \
    return answer(w, w->st->selects, w->st->n, out);                \
  }                                                                 \
  TARGET static bool answer_two_##NAME(const way *w, double *out) { \
    return answer(w, 2, MOE_FOUR, out);                             \
  }                                                                 \
  static const kernels NAME = {learn_any_##NAME, learn_all_##NAME,  \
                               learn_two_##NAME, answer_any_##NAME, \
                               answer_two_##NAME};

MOE_COMPILE_QUAD_KERNELS

static bool are_two_of_four(const moe_stream *st) {
  return st->n == MOE_FOUR && st->selects == 2;
}

static learner *find_learner(const moe_step *t) {
  bool all = asks_all(t), some = teaches_some(t);
  if (!are_two_of_four(t->st) || all == some) return best()->learn;
  return all ? best()->learn_all_of_four : best()->learn_two_of_four;
}

static answerer *find_answerer(const moe_stream *st) {
  return are_two_of_four(st) ? best()->answer_by_two_of_four : best()->answer;
}

/* Whether the gate has begun; logits that something is added to leave no place
   for a prior. */
static bool may_answer(const moe_stream *st) {
  const moe_linear_gate *g = st->gate;
  return g->affine.fitted.n_seen > 0 && (st->plain || g->stream.prior == NULL);
}

/* Whether it sees the sample as it comes, and does with it what is done here.
 */
static bool may_learn(const moe_step *t) {
  const moe_linear_gate *g = t->st->gate;
  const moe_gate_rule *rule = t->st->rule;
  bool again = t->options->measure == MOE_AFTER_LEARNING;
  return may_answer(t->st) && moe__gate_sees(t->s) &&
         moe__gate_has_room(&g->stream, rule) &&
         (g->stream.prior == NULL || rule->prior * t->s->weight == 1) &&
         (!again || moe__gate_moves_only(g, rule));
}

bool moe__lines_learn_one(const moe_step *t) {
  if (!may_learn(t) || !find_learner(t)(t)) return false;
  moe__count_sample(&t->st->gate->affine.fitted, t->s, true);
  return true;
}

bool moe__lines_predict_one(const moe_object *o, const moe_example *s,
                            double *out) {
  const moe_mixture_params *p = o->params;
  const moe_mixture *m = o->state;
  const moe_linear_gate *g = m->stream.gate;
  double room[5][MOE_LANES];
  int32_t order[MOE_LANES];
  const way w = {.st = &m->stream,
                 .bias = bias_of(moe__streaming_of(p->stream), m),
                 .sample = {s->x, m->fitted.n_features, s->norm},
                 .logits = room[0],
                 .q = room[g->stream.prior != NULL ? 1 : 2],
                 .probs = room[2],
                 .answers = room[3],
                 .weights = room[4],
                 .chosen = order};
  return may_answer(w.st) && find_answerer(w.st)(&w, out);
}
