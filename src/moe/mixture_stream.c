/* One sample at a time.  The gate routes it; experts answer; each answer is
   judged by the target; experts and gate learn.  What predict_one says, the
   mixture Σ w_e f_e of the experts that are selected, is judged before anything
   learns.

   Of each expert that was asked, the gate is told the log-likelihood
     ln p_e(class),  or  −(y − f_e)² / 2 σ²
   with σ² the running squared error of the mixture's own answers. */
#include "mixture_stream.h"

#include <math.h>
#include <string.h>

#include "mixture.h"
#include "temperature.h"
#include "vector.h"

/* A class that an expert thinks impossible costs it no more than this. */
static const double floor_share = 1e-6;
static const double MOST = 1e300;

static double limit(double x) { return x < MOST ? x : MOST; }

/* ----------------------------------------------------------------- routing */

static bool is_warming(const moe_stream *st, size_t e) {
  return st->run.taught[e] < st->warmup[e];
}

/* Marks experts that are not heard yet, for they warm in shadow; where all of
   them do, none is marked.  NULL where none is. */
static const unsigned char *find_hushed(const moe_step *t) {
  size_t n = 0;
  if (!t->st->shadows) return NULL;
  for (size_t e = 0; e < t->n; e++) n += t->warms[e] = is_warming(t->st, e);
  return n > 0 && n < t->n ? t->warms : NULL;
}

/* What warms is not heard, or has a logit lower by up to 5. */
static MOE_RARE void lower(const moe_step *t, double *logits) {
  const unsigned char *hushed = find_hushed(t);
  for (size_t e = 0; hushed != NULL && e < t->n; e++)
    if (hushed[e]) logits[e] = -INFINITY;
  if (t->st->shadows || !t->st->has_warmup) return;
  for (size_t e = 0; e < t->n; e++)
    if (is_warming(t->st, e))
      logits[e] -= 5 * (1 - t->st->run.taught[e] / t->st->warmup[e]);
}

/* The gate's logits, with what balances in logits. */
static moe_status find_logits(const moe_step *t, double *logits) {
  MOE_TRY(moe__logits_one(t->call, t->params->gate, t->s, logits));
  if (t->options->balance != MOE_IN_LOGITS) return MOE_OK;
  for (size_t e = 0; e < t->n; e++) logits[e] += t->m->bias[e];
  return MOE_OK;
}

static const double *bias_of(const moe_step *t) {
  return t->st->biased ? t->m->bias : NULL;
}

static void route_logits(const moe_step *t, const double *logits,
                         double *scores) {
  if (!t->st->few ||
      !moe__route_few(logits, t->n, t->st->selects, t->st->renormalizes, scores,
                      t->chosen, t->weights))
    moe_route_row(&t->params->route, t->n, logits, bias_of(t), scores,
                  t->chosen, t->weights);
}

/* By other logits than the gate's. */
static void route_changed(const moe_step *t, const double *logits) {
  route_logits(t, logits, t->scores);
  memcpy(t->probs, t->logits, t->n * sizeof(double));
  moe_softmax(t->probs, 1, t->n);
}

/* A step that learns teaches the gate later. */
static moe_status ask_gate(moe_step *t) {
  moe_object *gate = t->params->gate;
  return t->learns
             ? moe__consider_one(t->call, gate, t->s, t->probs, &t->considered)
             : moe__predict_one(t->call, gate, t->s, t->probs);
}

static void route_probs(const moe_step *t) {
  if (t->st->few && !t->st->shadows)
    moe__choose_few(t->probs, t->n, t->st->selects, t->st->renormalizes,
                    t->chosen, t->weights);
  else
    moe_route_probs(&t->params->route, t->n, t->probs, bias_of(t),
                    find_hushed(t), t->chosen, t->weights);
}

static moe_status route(moe_step *t) {
  double *lowered = t->merit; /* which is not in use yet */
  t->has_logits = !t->st->plain;
  if (t->st->plain) {
    MOE_TRY(ask_gate(t));
    route_probs(t);
    return MOE_OK;
  }
  MOE_TRY(find_logits(t, t->logits));
  if (t->st->in_logits) {
    route_logits(t, t->logits, t->probs);
    return MOE_OK;
  }
  memcpy(lowered, t->logits, t->n * sizeof(double));
  lower(t, lowered);
  route_changed(t, lowered);
  return MOE_OK;
}

/* Where a sample is learned there may be noise in its logits. */
static MOE_RARE moe_status route_noisily(moe_step *t) {
  double noise = t->options->noise;
  t->has_logits = true;
  MOE_TRY(find_logits(t, t->logits));
  for (size_t e = 0; e < t->n; e++)
    t->merit[e] = t->logits[e] + noise * moe_random_normal(&t->st->random);
  lower(t, t->merit);
  route_changed(t, t->merit);
  return MOE_OK;
}

/* ----------------------------------------------------- who does what
   Lists of experts: the chosen, those that are asked, those that learn. */

static bool is_listed(const int32_t *list, size_t n, size_t e) {
  for (size_t i = 0; i < n; i++)
    if (list[i] == (int32_t)e) return true;
  return false;
}

/* One of those that are not chosen is chosen too. */
static MOE_RARE void explore(moe_step *t) {
  size_t others = t->n - t->n_chosen;
  moe_random *random = &t->st->random;
  if (others == 0 || moe_random_unit(random) >= t->options->explore) return;
  others = (size_t)moe_random_below(random, others);
  for (size_t e = 0; e < t->n; e++)
    if (!is_listed(t->chosen, t->n_chosen, e) && others-- == 0) {
      t->chosen[t->n_chosen++] = (int32_t)e;
      return;
    }
}

static size_t count_chosen(const moe_step *t) {
  size_t n = 0;
  while (n < t->st->selects && t->chosen[n] >= 0) n++;
  return n;
}

/* The chosen and those that warm in shadow, in a list of that room. */
static MOE_RARE const int32_t *add_shadows(const moe_step *t, int32_t *room,
                                           size_t *n) {
  memcpy(room, t->chosen, t->n_chosen * sizeof *room);
  for (size_t e = 0; e < t->n; e++)
    if (is_warming(t->st, e) && !is_listed(t->chosen, t->n_chosen, e))
      room[(*n)++] = (int32_t)e;
  return room;
}

/* All, or the chosen and who else listens. */
static inline const int32_t *list(const moe_step *t, bool all, int32_t *room,
                                  size_t *n) {
  *n = all ? t->n : t->n_chosen;
  if (all) return t->st->everyone;
  return t->st->shadows ? add_shadows(t, room, n) : t->chosen;
}

/* ----------------------------------------------------------------- answers */

static void sharpen(const moe_step *t, size_t e, double *answer) {
  const moe_mixture *m = t->m;
  size_t n = (size_t)(m->map_start[e + 1] - m->map_start[e]);
  memcpy(t->plain + m->map_start[e], answer, n * sizeof *answer);
  moe__sharpen(answer, n, m->sharpness[e]);
}

/* Whether the experts are lines, and the sample is whole. */
static inline bool takes_lines(const moe_step *t) {
  return t->st->of_lines && t->s->norm > 0;
}

static inline moe_line_sample sample_of(const moe_step *t) {
  return (moe_line_sample){t->s->x, t->m->fitted.n_features, t->s->norm};
}

static moe_status ask_expert(const moe_step *t, size_t e) {
  double *answer = t->answers + t->m->map_start[e];
  MOE_TRY(moe__predict_one(t->call, t->params->experts.items[e], t->s, answer));
  if (t->st->classes) sharpen(t, e, answer);
  return MOE_OK;
}

static moe_status ask_listed(const moe_step *t, const int32_t *list, size_t n) {
  if (takes_lines(t)) {
    const moe_line_sample sample = sample_of(t);
    moe_lines_answer(t->st->lines, list, n, &sample, t->answers);
    return MOE_OK;
  }
  for (size_t i = 0; i < n; i++) MOE_TRY(ask_expert(t, (size_t)list[i]));
  return MOE_OK;
}

static void add_answer(const moe_mixture *m, size_t e, const double *answer,
                       double weight, double *to) {
  const int32_t *map = m->map + m->map_start[e];
  size_t n = (size_t)(m->map_start[e + 1] - m->map_start[e]);
  for (size_t k = 0; k < n; k++)
    if (map[k] >= 0) to[map[k]] += weight * answer[k];
}

static void mix_numbers(const moe_step *t, size_t n, double *out) {
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += t->weights[i] * t->answers[t->chosen[i]];
  *out = sum;
}

/* The answers of the n best. */
static void mix(const moe_step *t, size_t n, double *out) {
  if (t->st->is_number) {
    mix_numbers(t, n, out);
    return;
  }
  memset(out, 0, t->width * sizeof *out);
  for (size_t i = 0; i < n; i++) {
    size_t e = (size_t)t->chosen[i];
    add_answer(t->m, e, t->answers + t->m->map_start[e], t->weights[i], out);
  }
  if (t->st->classes) moe_normalise(out, 1, t->width);
}

/* ----------------------------------------------------------------- verdicts */

/* −ln p of the class; its probability in the expert's answer, if it has it. */
static double class_loss(const moe_step *t, size_t e) {
  int32_t k = t->st->ids[e * t->width + (size_t)t->s->id];
  double p = k >= 0 ? t->answers[t->m->map_start[e] + k] : 0;
  double least = floor_share / (double)t->width;
  return -log(p > least ? p : least);
}

static void judge_class(const moe_step *t, size_t e) {
  t->loss[e] = class_loss(t, e);
  t->merit[e] = -t->loss[e];
}

static void judge_value(const moe_step *t, size_t e, double precision) {
  const double *answer = t->answers + t->m->map_start[e];
  t->loss[e] = moe__squared_error(t->s->y, answer, t->width);
  t->merit[e] = -0.5 * limit(t->loss[e] * precision);
}

static void judge(const moe_step *t) {
  double precision = limit(t->st->runs.cover / t->st->runs.error);
  if (t->st->is_number) {
    moe__judge_numbers(t, precision);
    return;
  }
  for (size_t i = 0; i < t->n_asked; i++) {
    size_t e = (size_t)t->asked[i];
    if (t->st->classes)
      judge_class(t, e);
    else
      judge_value(t, e, precision);
  }
}

/* Every answer is there before anything learns. */
static moe_status ask_experts(moe_step *t) {
  bool all = t->options->feedback == MOE_FULL_FEEDBACK;
  t->asked = list(t, all, t->st->lists + t->n, &t->n_asked);
  for (size_t e = 0; !all && e < t->n; e++)
    t->loss[e] = t->merit[e] = (double)NAN;
  MOE_TRY(ask_listed(t, t->asked, t->n_asked));
  judge(t);
  return MOE_OK;
}

/* ----------------------------------------------------------------- learning */

/* Those that warm in shadow learn all of it. */
static void find_weights_by_share(const moe_step *t, double *weights) {
  moe__find_shares(t, weights);
  for (size_t e = 0; t->st->shadows && e < t->n; e++)
    if (is_warming(t->st, e)) weights[e] = t->s->weight;
}

/* What the sample counts for each expert that may learn it. */
static void find_weights(const moe_step *t, double *weights) {
  const uint8_t *frozen = t->st->frozen;
  if (t->st->teach == MOE_TEACH_BY_SHARE)
    find_weights_by_share(t, weights);
  else
    for (size_t e = 0; e < t->n; e++) weights[e] = t->s->weight;
  for (size_t e = 0; t->st->has_frozen && e < t->n; e++)
    if (frozen[e]) weights[e] = 0;
}

/* `own` is the sample, as far as it is the same for all. */
static moe_status teach_expert(const moe_step *t, size_t e, double weight,
                               moe_example *own) {
  moe_object *child = t->params->experts.items[e];
  const double *answers = t->st->classes ? t->plain : t->answers;
  own->weight = weight;
  own->answer = isnan(t->loss[e]) ? NULL : answers + t->m->map_start[e];
  if (t->st->classes) own->id = t->st->ids[e * t->width + (size_t)t->s->id];
  return weight > 0 ? moe__learn_one(t->call, child, own)
                    : moe__advance(t->call, child, own);
}

/* `all` have learned it. */
static void count_taught(const moe_step *t, const int32_t *all, size_t n,
                         const double *weights) {
  for (size_t i = 0; i < n; i++) {
    bool learned = weights[all[i]] > 0;
    t->st->run.taught[all[i]] += learned;
    t->m->samples[all[i]] += learned;
  }
}

static moe_status teach_apart(const moe_step *t, const int32_t *list, size_t n,
                              const double *weights) {
  moe_example own = *t->s;
  for (size_t i = 0; i < n; i++) {
    MOE_TRY(teach_expert(t, (size_t)list[i], weights[list[i]], &own));
    count_taught(t, list + i, 1, weights);
  }
  return MOE_OK;
}

static moe_status teach_listed(const moe_step *t, const int32_t *list, size_t n,
                               const double *weights) {
  if (!takes_lines(t) || !t->st->teaches_asked)
    return teach_apart(t, list, n, weights);
  const moe_line_sample sample = sample_of(t);
  moe_lines_learn(t->st->lines, list, n, &sample, *t->s->y, weights,
                  t->answers);
  count_taught(t, list, n, weights);
  return MOE_OK;
}

static moe_status pass_by_others(const moe_step *t, const int32_t *taught,
                                 size_t n) {
  moe_example own = *t->s;
  for (size_t e = 0; e < t->n; e++)
    if (!is_listed(taught, n, e)) MOE_TRY(teach_expert(t, e, 0, &own));
  return MOE_OK;
}

/* Those that are not told to learn it see it pass, where that means anything.
 */
static moe_status teach_experts(const moe_step *t) {
  double *weights = t->scores; /* not needed any more */
  bool all = t->st->teach != MOE_TEACH_CHOSEN;
  size_t n;
  const int32_t *taught = list(t, all, t->st->lists + 2 * t->n, &n);
  find_weights(t, weights);
  MOE_TRY(teach_listed(t, taught, n, weights));
  return t->st->remembers && n < t->n ? pass_by_others(t, taught, n) : MOE_OK;
}

/* Experts differ in candour: the power of an expert's probabilities follows
   what would have made the classes least surprising. */
static void calibrate(const moe_step *t, size_t e) {
  const moe_mixture *m = t->m;
  size_t n = (size_t)(m->map_start[e + 1] - m->map_start[e]);
  int32_t class = t->st->ids[e * t->width + (size_t)t->s->id];
  double *plain = t->plain + m->map_start[e];
  moe_temperature own = {m->sharpness[e], t->st->run.candour[e]};
  if (class < 0 || n < 2) return;
  moe__take_logs(plain, n);
  moe_temperature_learn(&own, plain, t->answers + m->map_start[e], n,
                        (size_t) class, t->s->weight);
  m->sharpness[e] = own.factor;
  t->st->run.candour[e] = own.information;
}

static void calibrate_experts(const moe_step *t) {
  for (size_t i = 0; i < t->n_asked; i++) calibrate(t, (size_t)t->asked[i]);
}

static moe_status teach_gate(const moe_step *t) {
  moe_object *gate = t->params->gate;
  bool asked = moe_learner_fitted(gate)->n_seen > 0;
  moe_example s = {.x = t->s->x,
                   .y = t->merit,
                   .weight = t->s->weight,
                   .answer = asked ? t->probs : NULL,
                   .norm = t->s->norm,
                   .considered = t->considered};
  return t->st->gate_frozen ? moe__advance(t->call, gate, &s)
                            : moe__learn_one(t->call, gate, &s);
}

MOE_RARE moe_status moe__ask_gate_again(moe_step *t) {
  t->has_logits = true;
  return find_logits(t, t->logits);
}

/* --------------------------------------------------------------- one sample */

static moe_status learn(moe_step *t) {
  MOE_TRY(t->options->noise > 0 ? route_noisily(t) : route(t));
  t->n_chosen = count_chosen(t);
  size_t heard = t->n_chosen;
  if (t->options->explore > 0) explore(t);
  MOE_TRY(ask_experts(t));
  mix(t, heard, t->mixed);
  MOE_TRY(teach_experts(t));
  if (t->st->classes && t->params->calibrate) calibrate_experts(t);
  return teach_gate(t);
}

/* Counts a call that changes an object, with what is below; but a mixture's own
   experts, gate and forks are its own to change. */
static void hold(const moe_object *o, int by) {
  moe_object_use_alone(o, by);
  for (size_t i = 0; i < o->n_below; i++) {
    moe_object *child = o->below[i];
    if (child->type == &moe_mixture_of_experts.type)
      moe_object_use_alone(child, by);
    else
      hold(child, by);
  }
}

/* While experts of the host are at work nothing of the mixture may be changed
   from there. */
static moe_status learn_guarded(moe_step *t) {
  if (!t->st->calls_host) return learn(t);
  hold(t->object, 1);
  moe_status status = learn(t);
  hold(t->object, -1);
  return status;
}

/* The stream's own step goes with the sample. */
static moe_step *take_step(moe_call *call, moe_object *o,
                           const moe_example *s) {
  moe_step *t = &((moe_mixture *)o->state)->stream.step;
  t->call = call;
  t->object = o;
  t->params = o->params;
  t->options = moe__streaming_of(t->params->stream);
  t->s = s;
  t->learns = true;
  t->considered = false;
  return t;
}

static moe_status learn_in_pieces(moe_step *t) {
  MOE_TRY(learn_guarded(t));
  return moe__track(t);
}

static inline bool is_whole(const moe_stream *st, const moe_example *s) {
  return st->gate != NULL && s->norm > 0;
}

static inline moe_status finish(moe_step *t) {
  if (!is_whole(t->st, t->s) || !moe__lines_learn_one(t))
    MOE_TRY(learn_in_pieces(t));
  return moe__mend(t);
}

/* Most samples find everything as the last one left it. */
static inline moe_status follow(moe_call *call, moe_object *o) {
  const moe_mixture *m = o->state;
  return moe__stream_is_current(o, &m->stream) && !m->stream.nests &&
                 m->stream.levels == m->fitted.intake.levels.n
             ? MOE_OK
             : moe__stream_follow(call, o);
}

static MOE_RARE moe_status follow_and_learn(moe_call *call, moe_object *o,
                                            const moe_example *s) {
  MOE_TRY(follow(call, o));
  return finish(take_step(call, o, s));
}

moe_status moe__stream_learn_one(moe_call *call, moe_object *o,
                                 const moe_example *s) {
  return moe__lines_learn_at_once(o, s) ? MOE_OK : follow_and_learn(call, o, s);
}

/* Noise is of learning alone, and before a stream has begun a fit answers. */
moe_status moe__stream_test_then_learn(moe_call *call, moe_object *o,
                                       const moe_example *s, double *out) {
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  const moe_mixture_params *p = o->params;
  bool began = st->open;
  bool apart = !began || moe__streaming_of(p->stream)->noise > 0;
  if (began) MOE_TRY(follow(call, o));
  if (apart) MOE_TRY(moe__predict_one(call, o, s, out));
  if (!began) MOE_TRY(follow(call, o));
  moe_step *t = take_step(call, o, s);
  MOE_TRY(finish(t));
  if (!apart) memcpy(out, t->mixed, t->width * sizeof *out);
  return MOE_OK;
}

/* What the experts' answers are worth is not found out. */
moe_status moe__stream_advance(moe_call *call, moe_object *o,
                               const moe_example *s) {
  const moe_mixture_params *p = o->params;
  MOE_TRY(moe__stream_follow(call, o));
  const moe_mixture *m = o->state;
  const int32_t *ids = m->stream.ids;
  moe_example own = *s;
  for (size_t e = 0; e < p->experts.n; e++) {
    if (m->fitted.task == MOE_CLASSIFICATION && s->id >= 0)
      own.id = ids[e * m->fitted.n_outputs + (size_t)s->id];
    MOE_TRY(moe__advance(call, p->experts.items[e], &own));
  }
  moe_example unjudged = {.x = s->x, .id = -1};
  return moe__advance(call, p->gate, &unjudged);
}

/* --------------------------------------------------------------- prediction
   An expert of the host may predict with the mixture that it is in, so each
   prediction has a room of its own. */

/* `aside` is for a stream whose settings have changed since it last learned:
   where the numbers of its lines are now is not known. */
static moe_status begin(moe_call *call, const moe_object *o,
                        const moe_example *s, moe_stream *aside,
                        moe_step *out) {
  moe_mixture *m = o->state;
  moe_stream *st = &m->stream;
  double *room;
  int32_t *chosen;
  if (!moe__stream_is_current(o, st)) {
    MOE_TRY(moe__mixture_check(call, o));
    *aside = *st;
    aside->of_lines = false; /* of experts that may lie elsewhere now */
    moe__stream_find_way(o, aside);
    st = aside;
  }
  MOE_SCRATCH(call, room, 5 * st->n + 2 * m->map_length);
  MOE_SCRATCH(call, chosen, st->n);
  *out = moe__step_of(o, st, m->fitted.n_outputs, room, chosen);
  out->call = call;
  out->s = s;
  if (st->shadows) MOE_SCRATCH(call, out->warms, st->n);
  return MOE_OK;
}

static moe_status predict(moe_step *t, double *out) {
  MOE_TRY(route(t));
  t->n_chosen = count_chosen(t);
  MOE_TRY(ask_listed(t, t->chosen, t->n_chosen));
  mix(t, t->n_chosen, out);
  return MOE_OK;
}

moe_status moe__stream_predict_one(moe_call *call, const moe_object *o,
                                   const double *x, double *out) {
  const moe_mixture *m = o->state;
  const moe_stream *st = &m->stream;
  const moe_example s = moe_example_of(x, m->fitted.n_features);
  if (is_whole(st, &s) && moe__stream_is_current(o, st) &&
      moe__lines_predict_one(o, &s, out))
    return MOE_OK;
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_stream aside;
  moe_step t;
  MOE_TRY(begin(call, o, &s, &aside, &t));
  bool calls_host = t.st->calls_host;
  if (calls_host) moe_object_use(o, 1);
  moe_status status = predict(&t, out);
  if (calls_host) moe_object_use(o, -1);
  moe_scratch_drop(call, mark);
  return status;
}

moe_status moe__stream_logits(moe_call *call, const moe_object *o,
                              const double *x, double *logits) {
  const moe_fitted *f = o->state;
  const moe_example s = moe_example_of(x, f->n_features);
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_stream aside;
  moe_step t;
  MOE_TRY(begin(call, o, &s, &aside, &t));
  MOE_TRY(find_logits(&t, logits));
  lower(&t, logits);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}
