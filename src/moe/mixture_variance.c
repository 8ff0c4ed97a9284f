/* How far the target of a row may be from what a mixture of regression says of
   it, ŷ = Σ_e w_e f_e: with v the weights' shares of their sum, the target has
   about ŷ the variance

     Σ_e v_e (σ_e² + (f_e − ŷ)²),

   what the experts do not know and what they do not agree on: the law of total
   variance.  σ_e² is what an expert tells of itself, or else, of a fit, its
   mean squared error on rows that it had not seen. */
#include <math.h>

#include "mixture_fit.h"
#include "responsibility.h"

/* What a row's weights are of their sum; equal shares where that is 0. */
static void share_weights(moe_routing *r) {
  for (size_t i = 0; i < r->n; i++) {
    const int32_t *index = r->indices + i * r->width;
    double *weight = r->weights + i * r->width, sum = 0;
    size_t n = 0;
    for (size_t k = 0; k < r->width; k++)
      if (index[k] >= 0) {
        sum += weight[k];
        n++;
      }
    for (size_t k = 0; k < r->width; k++)
      weight[k] = sum > 0 ? weight[k] / sum : 1 / (double)n;
  }
}

/* σ² of the expert's answers to these rows. */
static moe_status tell_expert(moe_call *call, const moe_object *o, size_t e,
                              const moe_rows *x, double *out) {
  const moe_mixture *m = o->state;
  const moe_children *experts = &moe_mixture_params_of(o)->experts;
  const moe_object *expert = experts->items[e];
  if (moe_learner_type_of(expert)->variance != NULL)
    return moe_learner_variance(call, expert, x, out);
  if (m->stream.open || !moe__is_gaussian(expert))
    return moe_fail(call, MOE_EUNSUPPORTED,
                    "mixture: expert '%s', of type %s, does not know how far "
                    "off its answers are",
                    experts->names[e], expert->type->name);
  for (size_t i = 0; i < x->n * m->fitted.n_outputs; i++)
    out[i] = m->noise[e] * m->noise[e];
  return MOE_OK;
}

/* Adds what one expert contributes for the rows that chose it.  An expert of
   weight 0 adds nothing, though its variance be infinite. */
static moe_status add_expert(moe_call *call, const moe_object *o, size_t e,
                             const moe_rows *x, const moe_routing *r,
                             const double *mean, double *out) {
  const moe_mixture *m = o->state;
  const moe_object *expert = moe_mixture_params_of(o)->experts.items[e];
  size_t width = m->fitted.n_outputs, n;
  int32_t *rows;
  double *shares, *answers, *variance;
  moe_rows chosen;
  MOE_SCRATCH(call, rows, x->n);
  MOE_SCRATCH(call, shares, x->n);
  n = moe_routing_rows(r, e, rows, shares);
  if (n == 0) return MOE_OK;
  MOE_SCRATCH(call, answers, moe_size(n, width));
  MOE_SCRATCH(call, variance, moe_size(n, width));
  MOE_TRY(moe_rows_select(call, x, rows, n, &chosen));
  MOE_TRY(tell_expert(call, o, e, &chosen, variance));
  MOE_TRY(moe_learner_predict(call, expert, &chosen, answers));
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < width && shares[i] > 0; k++) {
      size_t from = i * width + k, to = (size_t)rows[i] * width + k;
      double off = answers[from] - mean[to];
      out[to] += shares[i] * (variance[from] + off * off);
    }
  return MOE_OK;
}

static moe_status tell_block(moe_call *call, const moe_object *o,
                             const moe_rows *x, double *out) {
  const moe_mixture *m = o->state;
  size_t width = m->fitted.n_outputs;
  moe_routing r = {0};
  double *mean;
  MOE_SCRATCH(call, r.indices, moe_size(x->n, m->n_experts));
  MOE_SCRATCH(call, r.weights, moe_size(x->n, m->n_experts));
  MOE_SCRATCH(call, r.probs, moe_size(x->n, m->n_experts));
  MOE_SCRATCH(call, mean, moe_size(x->n, width));
  MOE_TRY(moe_mixture_route(call, o, x, &r));
  MOE_TRY(moe_mixture_of_experts.predict(call, o, x, mean));
  share_weights(&r);
  for (size_t i = 0; i < x->n * width; i++) out[i] = 0;
  for (size_t e = 0; e < m->n_experts; e++) {
    moe_scratch_mark mark = moe_scratch_now(call);
    MOE_TRY(add_expert(call, o, e, x, &r, mean, out));
    moe_scratch_drop(call, mark);
  }
  return MOE_OK;
}

moe_status moe__mixture_variance(moe_call *call, const moe_object *o,
                                 const moe_rows *x, double *out) {
  const moe_mixture *m = o->state;
  if (m->fitted.task == MOE_CLASSIFICATION)
    return moe_fail(call, MOE_EUNSUPPORTED,
                    "mixture: it predicts classes; how sure it is of them "
                    "predict_proba says");
  return moe__mixture_in_blocks(call, o, x, tell_block, out);
}
