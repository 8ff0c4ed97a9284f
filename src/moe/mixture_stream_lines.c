/* A few lines behind a linear gate, with nothing else in the way of a sample:
   such a mixture answers and learns in one piece, compiled for each instruction
   set.  Its steps are those of mixture_stream.c, and so are the bits.  Such a
   step waits more than it computes: so what is long to wait for, each softmax
   and each root, stands before wide work that does not need it, and what no
   later step asks for waits for company (moe_waiting). */
#include "gate_kernels.h"
#include "line_kernels.h"
#include "mixture.h"
#include "mixture_stream_kernels.h"
#include "route_kernels.h"

/* ---------------------------------------------------------------- the answer
 */

/* A sample on its way to an answer, with n numbers of each kind: kept in
   registers, as nobody else sees them. */
typedef struct way {
  const moe_stream *st;
  const double *bias; /* of the logits, or NULL */
  moe_line_sample sample;
  double logits[MOE_LANES];
  double q[MOE_LANES];       /* their softmax */
  double probs[MOE_LANES];   /* what the gate's prior makes of it */
  double answers[MOE_LANES]; /* of all lines */
  double marks[MOE_LANES];   /* 1 of those who are chosen, else 0 */
} way;

static inline void begin(const moe_stream *st, const moe_streaming *options,
                         const moe_mixture *m, const moe_example *s, way *out) {
  out->st = st;
  out->bias = options->balance == MOE_IN_LOGITS ? m->bias : NULL;
  out->sample = (moe_line_sample){s->x, m->fitted.n_features, s->norm};
}

/* False where a logit is not finite. */
MOE_KERNEL bool find_probs(way *w, size_t n) {
  const moe_linear_gate *g = w->st->gate;
  const moe_affine *a = &g->affine;
  const double *prior = g->stream.prior;
  if (!moe__finite_lines(a->weights, a->bias, a->left, n, w->sample.x,
                         w->sample.d, w->logits))
    return false;
  for (size_t e = 0; w->bias != NULL && e < n; e++) w->logits[e] += w->bias[e];
  if (!moe__softmax_few(w->logits, n, w->q)) return false;
  moe__copy_few(w->q, n, w->probs);
  if (prior != NULL) moe__gate_blend(prior, n, w->q, w->probs);
  return true;
}

MOE_KERNEL void ask_all(way *w, size_t n) {
  const moe_line *lines = w->st->lines;
  if (n == MOE_FOUR)
    moe__four_lines_answer(lines, &w->sample, w->answers);
  else
    moe__lines_answer(lines, w->st->everyone, n, &w->sample, w->answers);
}

static inline const double *keys_of(const way *w) {
  return w->st->plain ? w->probs : w->logits;
}

/* What those say together who are chosen, added up from the best on. */
MOE_KERNEL double answer_in_order(way *w, size_t k, size_t n) {
  double sum = 0, weights[MOE_LANES];
  int32_t chosen[MOE_LANES];
  moe__choose_row(keys_of(w), w->probs, n, k, w->st->renormalizes, chosen,
                  weights);
  ask_all(w, n);
  for (size_t e = 0; e < n; e++) w->marks[e] = 0;
  for (size_t i = 0; i < k; i++) w->marks[chosen[i]] = 1;
  for (size_t i = 0; i < k; i++) sum += weights[i] * w->answers[chosen[i]];
  return sum;
}

/* The same of two of four, from where they are. */
MOE_KERNEL double answer_in_place(way *w) {
  const moe_quad none = {0};
  moe_mask chosen;
  moe_quad weights;
  moe__choose_two(keys_of(w), &chosen);
  moe__weigh_two(w->probs, &chosen, w->st->renormalizes, &weights);
  ask_all(w, MOE_FOUR);
  *(moe_quad *)w->marks = MOE_WHERE(chosen, none + 1, none);
  weights = MOE_WHERE(chosen, weights * MOE_QUAD(w->answers), none);
  return moe_quad_sum(&weights);
}

static inline bool are_two_of_four(size_t k, size_t n) {
  return k == 2 && n == MOE_FOUR;
}

/* False where a logit is not finite. */
MOE_KERNEL bool answer(way *w, size_t k, size_t n, double *out) {
  if (!find_probs(w, n)) return false;
  *out = are_two_of_four(k, n) ? answer_in_place(w) : answer_in_order(w, k, n);
  return true;
}

/* -------------------------------------------------------- the experts' lesson
 */

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

/* What the sample counts for each, by the likelihoods that the gate has found.
 */
MOE_KERNEL void weigh(const moe_step *t, const double *like, size_t n) {
  double *weights = t->scores, weight = t->s->weight;
  if (t->st->teach == MOE_TEACH_BY_SHARE)
    moe__share_out(like, t->probs, weight, n, weights);
  else
    for (size_t e = 0; e < n; e++) weights[e] = weight;
}

/* How far four go is known before they do. */
MOE_KERNEL void plan(const moe_step *t, const moe_line_sample *s, size_t n,
                     double *changes) {
  if (n == MOE_FOUR)
    moe__four_lines_plan(t->st->lines, s, *t->s->y, &MOE_QUAD(t->scores),
                         t->answers, changes);
}

MOE_KERNEL void teach(const moe_step *t, const moe_line_sample *s, size_t e,
                      const double *changes, size_t n) {
  const moe_line *line = &t->st->lines[e];
  if (n == MOE_FOUR)
    moe__line_move(line, s, changes[e]);
  else
    moe__line_learn(line, s, t->scores[e], t->answers[e] - *t->s->y);
  ++*line->n_seen;
}

MOE_KERNEL void count_taught(const moe_step *t, size_t n) {
  double *restrict taught = t->st->run.taught;
  int64_t *restrict samples = t->m->samples;
  for (size_t e = 0; e < n; e++) taught[e] += t->scores[e] > 0 ? 1 : 0;
  for (size_t e = 0; e < n; e++) samples[e] += t->scores[e] > 0 ? 1 : 0;
}

MOE_KERNEL void teach_all(const moe_step *t, const moe_line_sample *s,
                          const double *changes, size_t n) {
#pragma GCC unroll 4
  for (size_t e = 0; e < n; e++)
    if (t->scores[e] > 0) teach(t, s, e, changes, n);
  count_taught(t, n);
}

/* Two of four without a look at the others. */
MOE_KERNEL void teach_two(const moe_step *t, const way *w,
                          const double *changes) {
  const moe_mask hit = MOE_QUAD(w->marks) > (moe_quad){0};
  unsigned bits = (unsigned)moe_mask_bits(&hit);
  teach(t, &w->sample, (size_t)__builtin_ctz(bits), changes, MOE_FOUR);
  bits &= bits - 1;
  teach(t, &w->sample, (size_t)__builtin_ctz(bits), changes, MOE_FOUR);
  count_taught(t, MOE_FOUR);
}

/* As logits and biases are finite, there are k. */
MOE_KERNEL void teach_chosen(const moe_step *t, const way *w, double *changes,
                             size_t k, size_t n) {
  for (size_t e = 0; e < n; e++) t->scores[e] = w->marks[e] * t->s->weight;
  plan(t, &w->sample, n, changes);
  if (are_two_of_four(k, n))
    teach_two(t, w, changes);
  else
    teach_all(t, &w->sample, changes, n);
}

/* ------------------------------------------------------------ the bookkeeping
 */

MOE_KERNEL void track_routing(const moe_step *t, const double *marks,
                              double *moved, size_t n) {
  moe_stream *st = t->st;
  moe__follow_all(st->run.load, marks, st->share, n);
  if (t->options->balance == MOE_IN_LOGITS)
    moe__follow_load(st->run.load, t->options->balance_rate, t->m->bias, moved,
                     n);
  if (t->options->measure == MOE_AFTER_LEARNING)
    moe__await(st, t->logits, moved, n);
  else
    moe__follow_routing(st, t->probs, n);
}

MOE_KERNEL void track_answers(const moe_step *t, size_t asked, size_t n) {
  moe_stream *st = t->st;
  double apart = *t->s->y - *t->mixed, square = apart * apart, squares = 0;
  if (asked > 1) squares = moe__spread(t->answers, t->loss, asked, n, t->merit);
  moe__follow_answers(st, squares, asked, square < 1e300 ? square : 1e300);
  moe__follow_turns(&st->runs, *t->mixed);
  moe__follow_losses(st->run.loss, st->run.cover, t->loss, st->share,
                     asked == n, n);
}

/* ------------------------------------------------------------------- a sample
 */

MOE_KERNEL moe_lesson study(const moe_step *t, const double *q, size_t n,
                            double *desk) {
  const moe_stream *st = t->st;
  const moe_example *s = t->s;
  const moe_example lesson = {
      .x = s->x, .y = t->merit, .weight = s->weight, .norm = s->norm};
  return moe__gate_study(st->gate, st->rule, &lesson, s->x, q, n, 1,
                         st->teach == MOE_TEACH_BY_SHARE, desk);
}

static inline bool asks_all(const moe_step *t) {
  return t->options->feedback == MOE_FULL_FEEDBACK;
}

static inline bool teaches_some(const moe_step *t) {
  return t->st->teach == MOE_TEACH_CHOSEN;
}

/* What learning finds out besides. */
typedef struct rows {
  double loss[MOE_LANES], merit[MOE_LANES], weights[MOE_LANES],
      changes[MOE_LANES], desk[MOE_DESK_ROWS * MOE_LANES];
} rows;

/* `all` are asked; `some`, those who are chosen, are taught.  The step's own
   rows get what is asked for later. */
MOE_KERNEL bool learn(const moe_step *given, bool all, bool some, size_t k,
                      size_t n) {
  moe_step own = *given, *t = &own;
  double mixed;
  rows r;
  way w;
  begin(t->st, t->options, t->m, t->s, &w);
  t->logits = w.logits;
  t->probs = w.probs;
  t->answers = w.answers;
  t->loss = r.loss;
  t->merit = r.merit;
  t->scores = r.weights;
  t->mixed = &mixed;
  if (t->st->waits) moe__measure(t->st, n);
  if (!answer(&w, k, n, &mixed)) return false;
  judge(t, w.marks, all, n);
  if (some) teach_chosen(t, &w, r.changes, k, n);
  const moe_lesson lesson = study(t, w.q, n, r.desk);
  if (!some) weigh(t, lesson.like, n);
  if (!some) plan(t, &w.sample, n, r.changes);
  track_routing(t, w.marks, lesson.moved, n);
  track_answers(t, all ? n : k, n);
  moe__gate_move(t->st->gate, &lesson);
  if (!some) teach_all(t, &w.sample, r.changes, n);
  moe__copy_few(r.loss, n, given->loss);
  *given->mixed = mixed;
  t->st->steps++;
  return true;
}

/* Four lines, two of which answer, have code of their own, in which few loops
   are left: where all learn what all have answered, and where the two do. */
typedef bool learner(const moe_step *t);
typedef bool answerer(way *w, double *out);
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
  TARGET static bool answer_any_##NAME(way *w, double *out) {       \
    return answer(w, w->st->selects, w->st->n, out);                \
  }                                                                 \
  TARGET static bool answer_two_##NAME(way *w, double *out) {       \
    return answer(w, 2, MOE_FOUR, out);                             \
  }                                                                 \
  static const kernels NAME = {learn_any_##NAME, learn_all_##NAME,  \
                               learn_two_##NAME, answer_any_##NAME, \
                               answer_two_##NAME};

MOE_COMPILE_QUAD_KERNELS

static learner *find_learner(const moe_step *t) {
  bool all = asks_all(t), some = teaches_some(t);
  if (!are_two_of_four(t->st->selects, t->st->n) || all == some)
    return best()->learn;
  return all ? best()->learn_all_of_four : best()->learn_two_of_four;
}

static answerer *find_answerer(const moe_stream *st) {
  return are_two_of_four(st->selects, st->n) ? best()->answer_by_two_of_four
                                             : best()->answer;
}

/* Whether the gate has begun; logits that something is added to leave no place
   for a prior. */
static bool may_answer(const moe_stream *st) {
  const moe_linear_gate *g = st->gate;
  return g->affine.fitted.n_seen > 0 && (st->plain || g->stream.prior == NULL);
}

/* Whether it has begun, and does with a sample what is done here. */
static bool has_begun(const moe_step *t) {
  const moe_linear_gate *g = t->st->gate;
  bool again = t->options->measure == MOE_AFTER_LEARNING;
  return may_answer(t->st) && moe__gate_has_room(&g->stream, t->st->rule) &&
         (!again || moe__gate_moves_only(g, t->st->rule));
}

/* Whether its prior believes a sample of that weight as it is. */
static bool believes(const moe_stream *st, double weight) {
  return st->gate->stream.prior == NULL || st->rule->prior * weight == 1;
}

bool moe__lines_learn_one(const moe_step *t) {
  if (!has_begun(t) || !moe__gate_sees(t->s) ||
      !believes(t->st, t->s->weight) || !find_learner(t)(t))
    return false;
  moe__count_sample(&t->st->gate->affine.fitted, t->s, true);
  return true;
}

/* ------------------------------------------------------------ samples at once
   Whatever may be in the way of samples that weigh 1 is looked for once; then
   it is enough that nothing has changed, and nobody is at work. */

/* Who `holds` the object is at work on it himself. */
static bool is_settled(const moe_object *o, const moe_stream *st, bool holds) {
  uint64_t own = moe_object_doings(o) - st->changes[0];
  return st->at_once != NULL && st->step.object == o &&
         (holds ? own < MOE_CHANGE : own == 0) &&
         moe_object_doings_below(o) == st->changes[1];
}

static bool has_parts_below(const moe_object *o) {
  size_t more = 0;
  for (size_t i = 0; i < o->n_below; i++) more += o->below[i]->n_below;
  return more > 0;
}

/* Of a learner that has begun: whether it sees samples as they come, and all
   that it counts is them. */
static bool counts_samples(const moe_fitted *f) {
  return f->n_seen > 0 && !f->intake.spreads && !moe__counts_columns(f);
}

/* Settles it where nothing is in the way; deeper down nobody would look. */
static bool settle(const moe_object *o, moe_stream *st, bool holds) {
  if (st->gate == NULL || !moe__stream_is_current(o, st) ||
      has_parts_below(o) || !counts_samples(o->state) ||
      !counts_samples(&st->gate->affine.fitted) || !has_begun(&st->step) ||
      !believes(st, 1))
    return false;
  st->at_once = find_learner(&st->step);
  return is_settled(o, st, holds);
}

static inline bool goes(const moe_object *o, moe_stream *st, double weight,
                        bool holds) {
  return weight == 1 && st->steps + 1 < st->mend_at &&
         (is_settled(o, st, holds) || settle(o, st, holds));
}

static inline bool take(moe_stream *st, const moe_example *s) {
  st->step.s = s;
  if (!moe__gate_sees(s) || !st->at_once(&st->step)) return false;
  st->gate->affine.fitted.n_seen++;
  return true;
}

bool moe__lines_learn_at_once(const moe_object *o, const moe_example *s) {
  moe_stream *st = &((moe_mixture *)o->state)->stream;
  return goes(o, st, s->weight, true) && take(st, s);
}

moe_status moe__lines_take_one(moe_call *call, moe_object *o, moe_example *s,
                               double *out) {
  moe_mixture *m = o->state;
  if (m == NULL || !goes(o, &m->stream, s->weight, false) || !isfinite(*s->y))
    return moe__learn_with_care(call, o, s, out);
  s->norm = moe_dot(s->x, s->x, m->fitted.n_features);
  if (!take(&m->stream, s)) return moe__learn_with_care(call, o, s, out);
  m->fitted.n_seen++;
  if (out != NULL) *out = *m->stream.step.mixed;
  return MOE_OK;
}

bool moe__lines_predict_one(const moe_object *o, const moe_example *s,
                            double *out) {
  const moe_mixture_params *p = o->params;
  const moe_mixture *m = o->state;
  way w;
  begin(&m->stream, moe__streaming_of(p->stream), m, s, &w);
  return may_answer(w.st) && find_answerer(w.st)(&w, out);
}
