/* What a mixture's density is made of: how likely each expert holds a row's
   target, and, with the gate's probabilities, each expert's share in that. */
#ifndef MOE_RESPONSIBILITY_H
#define MOE_RESPONSIBILITY_H

#include "mixture.h"

/* Whether an expert's density is Gaussian about its answer, with a deviation
   that the mixture keeps; else it is told by the expert itself. */
bool moe__is_gaussian(const moe_object *expert);

/* For each row of the batch, x.n numbers: of a Gaussian expert -½ |y − f(x)|²,
   of others the log-likelihood, with probabilities to the `power`; nothing in
   it is below -1e100. */
moe_status moe__measure_expert(moe_call *call, const moe_object *expert,
                               double power, const moe_batch *batch,
                               double *out);

/* The log-likelihood that a measure of `expert` comes to, with targets `width`
   wide. */
double moe__log_density(const moe_object *expert, double measure, double noise,
                        size_t width);

/* The logarithms of the gate's probabilities, x->n × experts. */
moe_status moe__measure_gate(moe_call *call, const moe_object *gate,
                             const moe_rows *x, double *out);

/* Rows of a batch with what gate and experts hold of them, source rows ×
   experts all three. */
typedef struct moe_sharing {
  const moe_batch *batch;
  size_t experts;
  const double *gate, *density; /* logarithms */
  double *share;                /* becomes each expert's share; sums to 1 */
} moe_sharing;

/* Also gives Σ_i w_i log Σ_e g_e p_e. */
moe_status moe__share_rows(moe_call *call, const moe_sharing *s, double *total);

/* A mixture's log-likelihood as it answers (moe_learner_type). */
moe_status moe__mixture_log_likelihood(moe_call *call, const moe_object *o,
                                       const moe_batch *batch, double *out);

/* Its variance about its answers. */
moe_status moe__mixture_variance(moe_call *call, const moe_object *o,
                                 const moe_rows *x, double *out);

/* What learns by gradients, in a mixture: the weights of its experts, those of
   its gate, then the logarithms of its Gaussian experts' deviations.  Parts
   that are frozen or have no gradient have no weights here.  The loss is that
   of all experts together, unsharpened, whatever is selected; or, with a plan
   of the batch that drops, of those that expert_dropout leaves the row, and the
   gate's probabilities of these. */
typedef struct moe_parts {
  const moe_object *mixture; /* says what is frozen */
  const moe_children *experts;
  moe_object *gate;
  double *noise;
} moe_parts;
size_t moe__parts_count(const moe_parts *p);
void moe__parts_get(const moe_parts *p, double *out);
void moe__parts_set(const moe_parts *p, const double *in);

/* Σ_i w_i · −log Σ_e g_e p_e, and its derivative unless that is NULL. */
moe_status moe__parts_differentiate(moe_call *call, const moe_parts *p,
                                    const moe_batch *batch, double *loss,
                                    double *gradient);

/* The same as members of moe_learner_type. */
size_t moe__mixture_n_weights(const moe_object *o);
void moe__mixture_get_weights(const moe_object *o, double *out);
void moe__mixture_set_weights(moe_object *o, const double *in);
moe_status moe__mixture_differentiate(moe_call *call, const moe_object *o,
                                      const moe_batch *batch, double *loss,
                                      double *gradient);

/* Refuses, by name, experts that are to learn and have no gradient. */
moe_status moe__check_gradients(moe_call *call, const moe_object *mixture);

#endif
