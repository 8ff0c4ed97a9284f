/* The density of a mixture, log Σ_e w_e(x) p_e(y | x), and its derivative by
   what its parts have learned (Jacobs, Jordan, Nowlan & Hinton 1991,
   doi 10.1162/neco.1991.3.1.79): with h each expert's share in the row's
   likelihood, that of an expert is its own loss with the row's weight times h,
   that of the gate what its target of log-likelihoods gives.  A mixture of
   mixtures takes the shares down through all levels. */
#include <math.h>
#include <string.h>

#include "responsibility.h"

#include "foreign.h"
#include "mixture_fit.h"
#include "vector.h"

enum { BLOCK = 1024 }; /* rows measured at a time: bounds the scratch */

/* ------------------------------------------------------------- as it answers
 */

/* Adds w_e p_e to what the rows have so far, as logarithms; log 0 is -Inf. */
static void add_logs(const double *weight, const double *density, size_t n,
                     double *sum) {
  for (size_t i = 0; i < n; i++) {
    if (!(weight[i] > 0)) continue;
    double z = log(weight[i]) + density[i];
    double most = fmax(z, sum[i]), least = fmin(z, sum[i]);
    sum[i] = most + log1p(exp(least - most));
  }
}

/* Each expert's share of the weight of each row, experts × rows. */
static void spread_weights(const moe_routing *r, double *weights) {
  memset(weights, 0, r->experts * r->n * sizeof *weights);
  for (size_t i = 0; i < r->n; i++) {
    const int32_t *index = r->indices + i * r->width;
    const double *weight = r->weights + i * r->width;
    double sum = 0;
    for (size_t k = 0; k < r->width; k++) sum += index[k] >= 0 ? weight[k] : 0;
    for (size_t k = 0; k < r->width; k++)
      if (index[k] >= 0)
        weights[(size_t)index[k] * r->n + i] =
            sum > 0 ? weight[k] / sum : 1 / (double)r->width;
  }
}

static moe_status tell_block(moe_call *call, const moe_object *o,
                             const moe_batch *b, double *out) {
  const moe_mixture *m = o->state;
  const moe_children *experts = &moe_mixture_params_of(o)->experts;
  size_t n = b->x.n;
  moe_routing r = {0};
  double *weights, *density;
  MOE_SCRATCH(call, r.indices, moe_size(n, experts->n));
  MOE_SCRATCH(call, r.weights, moe_size(n, experts->n));
  MOE_SCRATCH(call, r.probs, moe_size(n, experts->n));
  MOE_SCRATCH(call, weights, moe_size(n, experts->n));
  MOE_SCRATCH(call, density, n);
  MOE_TRY(moe_mixture_route(call, o, &b->x, &r));
  spread_weights(&r, weights);
  for (size_t i = 0; i < n; i++) out[i] = -INFINITY;
  for (size_t e = 0; e < experts->n; e++) {
    const moe_object *expert = experts->items[e];
    MOE_TRY(moe__measure_expert(call, expert, m->sharpness[e], b, density));
    for (size_t i = 0; i < n; i++)
      density[i] =
          moe__log_density(expert, density[i], m->noise[e], b->y->width);
    add_logs(weights + e * n, density, n, out);
  }
  return MOE_OK;
}

moe_status moe__mixture_log_likelihood(moe_call *call, const moe_object *o,
                                       const moe_batch *batch, double *out) {
  moe_batch b = *batch;
  for (size_t first = 0; first < batch->x.n; first += b.x.n) {
    size_t left = batch->x.n - first;
    moe_scratch_mark mark = moe_scratch_now(call);
    b.x = moe_rows_range(&batch->x, first, left < BLOCK ? left : BLOCK);
    MOE_TRY(tell_block(call, o, &b, out + first));
    moe_scratch_drop(call, mark);
  }
  return MOE_OK;
}

/* ---------------------------------------------------------------- the weights
 */

/* Expert e, or after the experts the gate, if it learns by its gradient. */
static moe_object *learning_part(const moe_parts *p, size_t e) {
  bool gate = e == p->experts->n;
  moe_object *o = gate ? p->gate : p->experts->items[e];
  bool frozen = gate ? moe__mixture_gate_is_frozen(p->mixture)
                     : moe__mixture_is_frozen(p->mixture, e);
  bool able = (moe_learner_type_of(o)->traits & MOE_DIFFERENTIABLE) != 0;
  return able && !frozen ? o : NULL;
}

static size_t count_of(const moe_object *part) {
  return part != NULL ? moe_learner_type_of(part)->n_weights(part) : 0;
}

static bool has_deviation(const moe_parts *p, size_t e) {
  return moe__is_gaussian(p->experts->items[e]);
}

size_t moe__parts_count(const moe_parts *p) {
  size_t n = 0;
  for (size_t e = 0; e <= p->experts->n; e++)
    n += count_of(learning_part(p, e));
  for (size_t e = 0; e < p->experts->n; e++) n += has_deviation(p, e);
  return n;
}

void moe__parts_get(const moe_parts *p, double *out) {
  for (size_t e = 0; e <= p->experts->n; e++) {
    const moe_object *part = learning_part(p, e);
    if (part != NULL) moe_learner_type_of(part)->get_weights(part, out);
    out += count_of(part);
  }
  for (size_t e = 0; e < p->experts->n; e++)
    if (has_deviation(p, e)) *out++ = log(p->noise[e]);
}

/* No deviation is so small that its square is 0. */
void moe__parts_set(const moe_parts *p, const double *in) {
  for (size_t e = 0; e <= p->experts->n; e++) {
    moe_object *part = learning_part(p, e);
    if (part != NULL) moe_learner_type_of(part)->set_weights(part, in);
    in += count_of(part);
  }
  for (size_t e = 0; e < p->experts->n; e++)
    if (has_deviation(p, e)) p->noise[e] = exp(fmin(fmax(*in++, -300), 300));
}

/* -------------------------------------------------------------- the derivative
 */

/* What the parts hold of a batch's rows, source rows × experts. */
typedef struct held {
  double *fit, *density, *gate, *share;
  double loss; /* Σ w · −log Σ g p */
} held;

static bool drops_experts(const moe_parts *p, const moe_batch *b) {
  return b->plan != NULL && b->plan->drops &&
         moe_mixture_params_of(p->mixture)->route.expert_dropout > 0;
}

/* The row's gate without the experts that it does without: log 0 for these, and
   for the others what makes them all there is. */
static void drop_experts(const moe_parts *p, const moe_batch *b, size_t i,
                         double *gate) {
  const moe_route_config *config = &moe_mixture_params_of(p->mixture)->route;
  size_t experts = p->experts->n;
  double most = -INFINITY, sum = 0;
  moe_random random;
  moe_random_seed(&random, moe_seed_at(b->plan->seed, i));
  moe_route_drop(config->expert_dropout, experts, &random, gate);
  for (size_t e = 0; e < experts; e++) most = fmax(most, gate[e]);
  for (size_t e = 0; e < experts; e++) sum += exp(gate[e] - most);
  for (size_t e = 0; e < experts; e++) gate[e] -= most + log(sum);
}

static moe_status measure(moe_call *call, const moe_parts *p,
                          const moe_batch *b, held *h) {
  size_t experts = p->experts->n, n = b->x.n;
  size_t all = moe_size(b->y->n, experts);
  double *column, *gate;
  MOE_SCRATCH(call, h->fit, all);
  MOE_SCRATCH(call, h->density, all);
  MOE_SCRATCH(call, h->gate, all);
  MOE_SCRATCH(call, h->share, all);
  MOE_SCRATCH(call, column, n);
  MOE_SCRATCH(call, gate, moe_size(n, experts));
  for (size_t e = 0; e < experts; e++) {
    const moe_object *expert = p->experts->items[e];
    MOE_TRY(moe__measure_expert(call, expert, 1, b, column));
    for (size_t i = 0; i < n; i++) {
      size_t place = moe_rows_at(&b->x, i) * experts + e;
      h->fit[place] = column[i];
      h->density[place] =
          moe__log_density(expert, column[i], p->noise[e], b->y->width);
    }
  }
  MOE_TRY(moe__measure_gate(call, p->gate, &b->x, gate));
  for (size_t i = 0; i < n && drops_experts(p, b); i++)
    drop_experts(p, b, i, gate + i * experts);
  for (size_t i = 0; i < n; i++)
    memcpy(h->gate + moe_rows_at(&b->x, i) * experts, gate + i * experts,
           experts * sizeof *gate);
  moe_sharing s = {b, experts, h->gate, h->density, h->share};
  MOE_TRY(moe__share_rows(call, &s, &h->loss));
  h->loss = -h->loss;
  return MOE_OK;
}

/* An expert's loss is half its squared error, where its density is Gaussian:
   that counts in units of its variance. */
static moe_status derive_expert(moe_call *call, const moe_parts *p,
                                const moe_batch *batch, const held *h, size_t e,
                                double *gradient) {
  const moe_object *part = learning_part(p, e);
  size_t experts = p->experts->n;
  double unit = has_deviation(p, e) ? p->noise[e] * p->noise[e] : 1;
  double *weight, unused;
  moe_batch own = *batch;
  moe_plan plan;
  MOE_SCRATCH(call, weight, batch->y->n);
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    weight[at] = moe_batch_weight(batch, i) * h->share[at * experts + e] / unit;
  }
  own.weight = weight;
  if (batch->plan != NULL) { /* a mixture draws its own dropout */
    plan = *batch->plan;
    plan.seed = moe_seed_at(plan.seed, batch->x.n + e);
    own.plan = &plan;
  }
  return moe_learner_differentiate(call, part, &own, &unused, gradient);
}

/* Adds `sign` times the gate's own loss, where `values` are the experts'
   log-likelihoods, and its derivative. */
static moe_status add_gate_loss(moe_call *call, const moe_parts *p,
                                const moe_batch *batch, const double *values,
                                double sign, double *loss, double *gradient) {
  size_t n = count_of(p->gate);
  moe_target target = {.task = MOE_GATING,
                       .n = batch->y->n,
                       .values = values,
                       .width = p->experts->n};
  moe_batch own = *batch;
  double *slope, value;
  own.y = &target;
  MOE_SCRATCH(call, slope, n);
  MOE_TRY(moe_learner_differentiate(call, p->gate, &own, &value, slope));
  *loss += sign * value;
  moe_axpy(sign, slope, gradient, n);
  return MOE_OK;
}

/* The gate's loss comes without what the likeliest expert of each row has. */
static double sum_most(const moe_batch *batch, const double *values,
                       size_t experts) {
  double sum = 0;
  for (size_t i = 0; i < batch->x.n; i++) {
    const double *v = values + moe_rows_at(&batch->x, i) * experts;
    double most = v[0];
    for (size_t e = 1; e < experts; e++) most = fmax(most, v[e]);
    sum += moe_batch_weight(batch, i) * most;
  }
  return sum;
}

/* −log Σ g p over the experts that are left, less −log Σ g over them: a gate
   among these alone.  What else is in a gate's loss, its terms, is that of all
   experts, for whom log Σ g is 0. */
static moe_status derive_dropped(moe_call *call, const moe_parts *p,
                                 const moe_batch *batch, const held *h,
                                 double *loss, double *gradient) {
  size_t experts = p->experts->n;
  double *left, *none;
  MOE_SCRATCH(call, left, moe_size(batch->y->n, experts));
  MOE_SCRATCH(call, none, moe_size(batch->y->n, experts));
  for (size_t k = 0; k < batch->y->n * experts; k++) {
    left[k] = h->gate[k] > -INFINITY ? 0 : -INFINITY;
    if (left[k] < 0) h->density[k] = -INFINITY;
  }
  MOE_TRY(add_gate_loss(call, p, batch, left, -1, loss, gradient));
  return add_gate_loss(call, p, batch, none, 1, loss, gradient);
}

static moe_status derive_gate(moe_call *call, const moe_parts *p,
                              const moe_batch *batch, const held *h,
                              double *loss, double *gradient) {
  memset(gradient, 0, count_of(p->gate) * sizeof *gradient);
  *loss = 0;
  if (drops_experts(p, batch))
    MOE_TRY(derive_dropped(call, p, batch, h, loss, gradient));
  MOE_TRY(add_gate_loss(call, p, batch, h->density, 1, loss, gradient));
  *loss -= sum_most(batch, h->density, p->experts->n);
  return MOE_OK;
}

/* By log σ: Σ w h (width − |y − f|² / σ²). */
static double derive_deviation(const moe_parts *p, const moe_batch *b,
                               const held *h, size_t e) {
  size_t experts = p->experts->n;
  double variance = p->noise[e] * p->noise[e], sum = 0;
  for (size_t i = 0; i < b->x.n; i++) {
    size_t place = moe_rows_at(&b->x, i) * experts + e;
    sum += moe_batch_weight(b, i) * h->share[place] *
           ((double)b->y->width + 2 * h->fit[place] / variance);
  }
  return sum;
}

static moe_status derive(moe_call *call, const moe_parts *p,
                         const moe_batch *batch, const held *h, double *loss,
                         double *gradient) {
  for (size_t e = 0; e <= p->experts->n; e++) {
    const moe_object *part = learning_part(p, e);
    if (part != NULL && e < p->experts->n)
      MOE_TRY(derive_expert(call, p, batch, h, e, gradient));
    else if (part != NULL)
      MOE_TRY(derive_gate(call, p, batch, h, loss, gradient));
    gradient += count_of(part);
  }
  for (size_t e = 0; e < p->experts->n; e++)
    if (has_deviation(p, e)) *gradient++ = derive_deviation(p, batch, h, e);
  return MOE_OK;
}

moe_status moe__parts_differentiate(moe_call *call, const moe_parts *p,
                                    const moe_batch *batch, double *loss,
                                    double *gradient) {
  moe_scratch_mark mark = moe_scratch_now(call);
  held h;
  MOE_TRY(measure(call, p, batch, &h));
  *loss = h.loss;
  if (gradient != NULL) MOE_TRY(derive(call, p, batch, &h, loss, gradient));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* --------------------------------------------------------------- of the
 * mixture
 */

static moe_parts parts_of(const moe_object *o) {
  const moe_mixture_params *p = moe_mixture_params_of(o);
  moe_mixture *m = o->state;
  return (moe_parts){o, &p->experts, p->gate, m->noise};
}

size_t moe__mixture_n_weights(const moe_object *o) {
  moe_parts p = parts_of(o);
  return moe__parts_count(&p);
}

void moe__mixture_get_weights(const moe_object *o, double *out) {
  moe_parts p = parts_of(o);
  moe__parts_get(&p, out);
}

void moe__mixture_set_weights(moe_object *o, const double *in) {
  moe_parts p = parts_of(o);
  moe__parts_set(&p, in);
}

moe_status moe__mixture_differentiate(moe_call *call, const moe_object *o,
                                      const moe_batch *batch, double *loss,
                                      double *gradient) {
  moe_parts p = parts_of(o);
  return moe__parts_differentiate(call, &p, batch, loss, gradient);
}

moe_status moe__check_gradients(moe_call *call, const moe_object *mixture) {
  const moe_mixture_params *p = moe_mixture_params_of(mixture);
  for (size_t e = 0; e <= p->experts.n; e++) {
    bool gate = e == p->experts.n;
    const moe_object *o = gate ? p->gate : p->experts.items[e];
    if (gate ? moe__mixture_gate_is_frozen(mixture)
             : moe__mixture_is_frozen(mixture, e))
      continue;
    if (o->type == &moe_mixture_of_experts.type)
      MOE_TRY(moe__check_gradients(call, o));
    if (moe_learner_type_of(o)->traits & MOE_DIFFERENTIABLE) continue;
    bool ours = !moe_object_is_foreign(o);
    return moe_fail(call, MOE_EPARAM,
                    "mixture: training 'gradient' is not for %s '%s', %s%s, "
                    "which has no gradient; freeze it, or use 'em'",
                    gate ? "the" : "expert",
                    gate ? "gate" : p->experts.names[e], ours ? "a " : "",
                    ours ? o->type->name : "one written in Lua");
  }
  return MOE_OK;
}
