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
  return st->run[e].taught < st->warmup[e];
}

/* Marks experts that are not heard yet, for they warm in shadow; where all of
   them do, none is marked.  NULL where none is. */
static const unsigned char *find_hushed(const moe_streaming *options,
                                        const moe_stream *st) {
  size_t n = 0;
  if (!st->has_warmup || options->warming != MOE_IN_SHADOW) return NULL;
  for (size_t e = 0; e < st->n; e++) n += st->warms[e] = is_warming(st, e);
  return n > 0 && n < st->n ? st->warms : NULL;
}

static void add_bias(const moe_step *t, double *logits) {
  for (size_t e = 0; e < t->n; e++) logits[e] += t->m->bias[e];
}

/* What warms is not heard, or has a logit lower by up to 5. */
static void lower(const moe_step *t, double *logits) {
  const unsigned char *hushed = find_hushed(t->options, t->st);
  for (size_t e = 0; hushed != NULL && e < t->n; e++)
    if (hushed[e]) logits[e] = -INFINITY;
  if (t->options->warming != MOE_BY_PENALTY) return;
  for (size_t e = 0; e < t->n; e++)
    if (is_warming(t->st, e))
      logits[e] -= 5 * (1 - t->st->run[e].taught / t->st->warmup[e]);
}

/* The gate's logits, with what balances in logits. */
static moe_status find_logits(const moe_step *t, double *logits) {
  MOE_TRY(moe__logits_one(t->call, t->params->gate, t->s, logits));
  if (t->options->balance == MOE_IN_LOGITS) add_bias(t, logits);
  return MOE_OK;
}

/* Whether the gate's own probabilities are what is routed by. */
static bool is_plain(const moe_step *t) {
  const moe_route_config *route = &t->params->route;
  return route->score == MOE_SOFTMAX && route->temperature == 1 &&
         t->options->balance != MOE_IN_LOGITS &&
         !(t->st->has_warmup && t->options->warming == MOE_BY_PENALTY);
}

/* What counts in the selection: a stream's, or what a fit has left. */
static const double *bias_of(const moe_step *t) {
  int balance = t->options->balance;
  bool biased =
      balance == MOE_BY_INTEGRAL || balance == MOE_BY_QUANTILE ||
      (balance == MOE_LEAVE_LOAD && t->params->balance == MOE_BY_BIAS);
  return biased ? t->m->bias : NULL;
}

/* By logits that are given; they differ from the gate's where `changed`. */
static void route_logits(const moe_step *t, double *logits, bool changed) {
  const moe_route_config *config = &t->params->route;
  bool own =
      !changed && config->score == MOE_SOFTMAX && config->temperature == 1;
  moe_route_row(config, t->n, logits, bias_of(t), own ? t->probs : t->scores,
                t->chosen, t->weights);
  if (own) return;
  memcpy(t->probs, t->logits, t->n * sizeof(double));
  moe_softmax(t->probs, 1, t->n);
}

static moe_status route(moe_step *t) {
  double *prepared = t->merit; /* which is not in use yet */
  t->has_logits = !is_plain(t);
  if (!t->has_logits) {
    MOE_TRY(moe__predict_one(t->call, t->params->gate, t->s, t->probs));
    moe_route_probs(&t->params->route, t->n, t->probs, bias_of(t),
                    find_hushed(t->options, t->st), t->chosen, t->weights);
    return MOE_OK;
  }
  MOE_TRY(find_logits(t, t->logits));
  if (!t->st->has_warmup) {
    route_logits(t, t->logits, false);
    return MOE_OK;
  }
  memcpy(prepared, t->logits, t->n * sizeof(double));
  lower(t, prepared);
  route_logits(t, prepared, true);
  return MOE_OK;
}

/* Where a sample is learned there may be noise in its logits. */
static moe_status route_noisily(moe_step *t) {
  double noise = t->options->noise;
  t->has_logits = true;
  MOE_TRY(find_logits(t, t->logits));
  for (size_t e = 0; e < t->n; e++)
    t->merit[e] = t->logits[e] + noise * moe_random_normal(&t->st->random);
  if (t->st->has_warmup) lower(t, t->merit);
  route_logits(t, t->merit, true);
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
static void explore(moe_step *t) {
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

static void choose(moe_step *t) {
  t->n_chosen = 0;
  while (t->n_chosen < t->selects && t->chosen[t->n_chosen] >= 0) t->n_chosen++;
  if (t->options->explore > 0) explore(t);
}

static bool is_hushed(const moe_step *t, size_t e) {
  return t->st->has_warmup && t->options->warming == MOE_IN_SHADOW &&
         is_warming(t->st, e);
}

/* All, or the chosen and those that warm in shadow, into a list of that room.
 */
static const int32_t *list(const moe_step *t, bool all, int32_t *room,
                           size_t *n) {
  *n = all ? t->n : t->n_chosen;
  if (all) return t->st->everyone;
  if (!t->st->has_warmup || t->options->warming != MOE_IN_SHADOW)
    return t->chosen;
  memcpy(room, t->chosen, t->n_chosen * sizeof *room);
  for (size_t e = 0; e < t->n; e++)
    if (is_warming(t->st, e) && !is_listed(t->chosen, t->n_chosen, e))
      room[(*n)++] = (int32_t)e;
  return room;
}

/* ----------------------------------------------------------------- answers */

static moe_status ask_expert(const moe_step *t, size_t e, double *answer) {
  const moe_mixture *m = t->m;
  size_t n = (size_t)(m->map_start[e + 1] - m->map_start[e]);
  MOE_TRY(
      moe__predict_one(t->call, t->params->experts.items[e], t->s, answer));
  if (!t->classes) return MOE_OK;
  memcpy(t->plain + m->map_start[e], answer, n * sizeof *answer);
  moe__sharpen(answer, n, m->sharpness[e]);
  return MOE_OK;
}

static void add_answer(const moe_mixture *m, size_t e, const double *answer,
                       double weight, double *to) {
  const int32_t *map = m->map + m->map_start[e];
  size_t n = (size_t)(m->map_start[e + 1] - m->map_start[e]);
  for (size_t k = 0; k < n; k++)
    if (map[k] >= 0) to[map[k]] += weight * answer[k];
}

static void mix_numbers(const moe_step *t, double *out) {
  double sum = 0;
  for (size_t i = 0; i < t->selects && t->chosen[i] >= 0; i++)
    sum += t->weights[i] * t->answers[t->m->map_start[t->chosen[i]]];
  *out = sum;
}

static void mix(const moe_step *t, double *out) {
  const int32_t *indices = t->chosen;
  if (t->is_number) {
    mix_numbers(t, out);
    return;
  }
  for (size_t k = 0; k < t->width; k++) out[k] = 0;
  for (size_t i = 0; i < t->selects && indices[i] >= 0; i++)
    add_answer(t->m, (size_t)indices[i],
               t->answers + t->m->map_start[indices[i]], t->weights[i], out);
  if (t->classes) moe_normalise(out, 1, t->width);
}

/* ----------------------------------------------------------------- verdicts */

double moe__squared_error(const double *y, const double *p, size_t n) {
  double sum = 0;
  if (n == 1) return limit((*y - *p) * (*y - *p));
  for (size_t k = 0; k < n; k++) sum += (y[k] - p[k]) * (y[k] - p[k]);
  return limit(sum);
}

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

/* Every answer is there before anything learns. */
static moe_status ask_experts(moe_step *t) {
  bool all = t->options->feedback == MOE_FULL_FEEDBACK;
  double precision = limit(t->st->runs.cover / t->st->runs.error);
  t->asked = list(t, all, t->st->lists + t->n, &t->n_asked);
  for (size_t e = 0; !all && e < t->n; e++)
    t->loss[e] = t->merit[e] = (double)NAN;
  for (size_t i = 0; i < t->n_asked; i++) {
    size_t e = (size_t)t->asked[i];
    MOE_TRY(ask_expert(t, e, t->answers + t->m->map_start[e]));
    if (t->classes)
      judge_class(t, e);
    else
      judge_value(t, e, precision);
  }
  mix(t, t->mixed);
  return MOE_OK;
}

/* ----------------------------------------------------------------- learning */

/* Each expert's share of the sample, p_e · likelihood_e, relative to the
   largest of those that were asked: so that the best one learns as if it were
   alone. */
static void find_shares(const moe_step *t, double *shares) {
  double top = -INFINITY, most = 0;
  for (size_t e = 0; e < t->n; e++)
    if (t->merit[e] > top) top = t->merit[e];
  for (size_t e = 0; e < t->n; e++) {
    bool asked = !isnan(t->merit[e]);
    shares[e] = asked ? t->probs[e] * exp(t->merit[e] - top) : 0;
    most = shares[e] > most ? shares[e] : most;
  }
  for (size_t e = 0; e < t->n; e++) shares[e] = most > 0 ? shares[e] / most : 1;
}

static moe_status teach_expert(const moe_step *t, size_t e, double weight) {
  moe_object *child = t->params->experts.items[e];
  moe_example s = *t->s;
  if (t->classes) s.id = t->st->ids[e * t->width + (size_t)t->s->id];
  if (!(weight > 0) || t->st->frozen[e])
    return moe__advance(t->call, child, &s);
  s.weight = weight;
  const double *answer = t->classes ? t->plain : t->answers;
  s.answer = isnan(t->loss[e]) ? NULL : answer + t->m->map_start[e];
  MOE_TRY(moe__learn_one(t->call, child, &s));
  t->st->run[e].taught++;
  t->m->samples[e]++;
  return MOE_OK;
}

/* By its share; what is next to nothing is nothing. */
static moe_status teach_by_share(const moe_step *t) {
  double *shares = t->scores; /* not needed any more */
  find_shares(t, shares);
  for (size_t e = 0; e < t->n; e++) {
    double share = is_hushed(t, e) ? 1 : shares[e] > 1e-9 ? shares[e] : 0;
    MOE_TRY(teach_expert(t, e, share * t->s->weight));
  }
  return MOE_OK;
}

/* Those that do not learn it see it pass, where that means anything. */
static moe_status teach_experts(const moe_step *t) {
  size_t n;
  if (t->st->teach == MOE_TEACH_BY_SHARE) return teach_by_share(t);
  const int32_t *taught =
      list(t, t->st->teach == MOE_TEACH_ALL, t->st->lists + 2 * t->n, &n);
  for (size_t i = 0; i < n; i++)
    MOE_TRY(teach_expert(t, (size_t)taught[i], t->s->weight));
  for (size_t e = 0; t->st->remembers && n < t->n && e < t->n; e++)
    if (!is_listed(taught, n, e)) MOE_TRY(teach_expert(t, e, 0));
  return MOE_OK;
}

/* Experts differ in candour: the power of an expert's probabilities follows
   what would have made the classes least surprising. */
static void calibrate(const moe_step *t, size_t e) {
  const moe_mixture *m = t->m;
  size_t n = (size_t)(m->map_start[e + 1] - m->map_start[e]);
  int32_t class = t->st->ids[e * t->width + (size_t)t->s->id];
  double *plain = t->plain + m->map_start[e];
  moe_temperature own = {m->sharpness[e], t->st->run[e].candour};
  if (class < 0 || n < 2) return;
  moe__take_logs(plain, n);
  moe_temperature_learn(&own, plain, t->answers + m->map_start[e], n,
                        (size_t) class, t->s->weight);
  m->sharpness[e] = own.factor;
  t->st->run[e].candour = own.information;
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
                   .norm = t->s->norm};
  return t->st->gate_frozen ? moe__advance(t->call, gate, &s)
                            : moe__learn_one(t->call, gate, &s);
}

/* The probabilities, now that the gate has learned and the balance has moved.
 */
moe_status moe__measure_again(moe_step *t) {
  const moe_object *gate = t->params->gate;
  const moe_learner_type *type = moe_learner_type_of(gate);
  const double *moved = type->moved != NULL ? type->moved(gate) : NULL;
  bool first = moe_learner_fitted(gate)->n_seen < 2; /* it had no weights */
  if (moved == NULL || first || t->st->gate_frozen || !t->has_logits)
    MOE_TRY(find_logits(t, t->logits));
  else
    for (size_t e = 0; e < t->n; e++) t->logits[e] += moved[e];
  t->has_logits = true;
  memcpy(t->probs, t->logits, t->n * sizeof(double));
  moe_softmax(t->probs, 1, t->n);
  return MOE_OK;
}

/* --------------------------------------------------------------- one sample */

static moe_step step_of(moe_call *call, const moe_object *o,
                        const moe_example *s, moe_stream *st, double *room) {
  const moe_mixture_params *p = o->params;
  moe_mixture *m = o->state;
  size_t n = st->n;
  return (moe_step){
      .call = call,
      .object = (moe_object *)o,
      .options = moe__streaming_of(p->stream),
      .params = p,
      .m = m,
      .st = st,
      .s = s,
      .n = n,
      .width = m->fitted.n_outputs,
      .selects = moe_route_width(&p->route, n),
      .share = 2 / ((double)moe__streaming_of(p->stream)->span + 1),
      .classes = m->fitted.task == MOE_CLASSIFICATION,
      .is_number = m->fitted.task == MOE_REGRESSION && m->fitted.n_outputs == 1,
      .chosen = st->lists,
      .logits = room,
      .probs = room + n,
      .scores = room + 2 * n,
      .weights = room + 3 * n,
      .merit = room + 4 * n,
      .loss = room + 5 * n,
      .mixed = room + 6 * n,
      .fork = room + 6 * n + m->fitted.n_outputs,
      .answers = room + 6 * n + 2 * m->fitted.n_outputs,
      .plain = room + 6 * n + 2 * m->fitted.n_outputs + m->map_length};
}

static moe_status learn(moe_step *t) {
  MOE_TRY(t->options->noise > 0 ? route_noisily(t) : route(t));
  choose(t);
  MOE_TRY(ask_experts(t));
  MOE_TRY(teach_experts(t));
  if (t->classes && t->params->calibrate) calibrate_experts(t);
  return teach_gate(t);
}

/* While experts of the host are at work nothing of the mixture may be changed
   from there. */
static moe_status learn_guarded(moe_step *t) {
  if (!t->st->calls_host) return learn(t);
  moe_object_use(t->object, 1);
  moe_status status = learn(t);
  moe_object_use(t->object, -1);
  return status;
}

moe_status moe__stream_learn_one(moe_call *call, moe_object *o,
                                 const moe_example *s) {
  MOE_TRY(moe__stream_follow(call, o));
  moe_stream *st = &((moe_mixture *)o->state)->stream;
  moe_step t = step_of(call, o, s, st, st->room);
  MOE_TRY(learn_guarded(&t));
  MOE_TRY(moe__track(&t));
  MOE_TRY(moe__mend(&t));
  st->steps++;
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

size_t moe__stream_window(const moe_object *o) {
  const moe_mixture_params *p = o->params;
  size_t least = SIZE_MAX;
  for (size_t e = 0; e < p->experts.n; e++) {
    size_t own = moe_learner_context_window(p->experts.items[e]);
    if (own < least) least = own;
  }
  return p->experts.n > 0 ? least : 1;
}

/* --------------------------------------------------------------- prediction
   An expert of the host may predict with the mixture that it is in, so each
   prediction has a room of its own. */

static moe_status borrow(moe_call *call, const moe_object *o,
                         const moe_example *s, moe_stream *st, moe_step *out) {
  const moe_mixture *m = o->state;
  double *room;
  *st = m->stream;
  MOE_SCRATCH(call, room, st->room_size);
  MOE_SCRATCH(call, st->lists, st->n);
  if (st->has_warmup) MOE_SCRATCH(call, st->warms, st->n);
  *out = step_of(call, o, s, st, room);
  return MOE_OK;
}

static moe_status predict(moe_step *t, double *out) {
  const int32_t *indices = t->chosen;
  MOE_TRY(route(t));
  for (size_t i = 0; i < t->selects && indices[i] >= 0; i++)
    MOE_TRY(ask_expert(t, (size_t)indices[i],
                       t->answers + t->m->map_start[indices[i]]));
  mix(t, out);
  return MOE_OK;
}

moe_status moe__stream_predict_one(moe_call *call, const moe_object *o,
                                   const double *x, double *out) {
  const moe_example s = {.x = x};
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_stream st;
  moe_step t;
  MOE_TRY(moe__stream_check(call, o));
  MOE_TRY(borrow(call, o, &s, &st, &t));
  if (st.calls_host) moe_object_use(o, 1);
  moe_status status = predict(&t, out);
  if (st.calls_host) moe_object_use(o, -1);
  moe_scratch_drop(call, mark);
  return status;
}

const double *moe__stream_bias(const moe_object *o) {
  const moe_mixture_params *p = moe_mixture_params_of(o);
  const moe_step t = {
      .options = moe__streaming_of(p->stream), .params = p, .m = o->state};
  return bias_of(&t);
}

moe_status moe__stream_logits(moe_call *call, const moe_object *o,
                              const double *x, double *logits) {
  const moe_example s = {.x = x};
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_stream st;
  moe_step t;
  MOE_TRY(borrow(call, o, &s, &st, &t));
  MOE_TRY(find_logits(&t, logits));
  if (st.has_warmup) lower(&t, logits);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}
