/* The state that mlp and the mlp gate share: a network between standardised
   features and outputs, which are logits or standardised values; how it
   answers, learns row by row, and shows its weights. */
#ifndef MOE_NEURAL_H
#define MOE_NEURAL_H

#include "learner.h"
#include "loss.h"
#include "network.h"

typedef struct moe_neural {
  moe_fitted fitted;
  int activation;
  size_t n_widths; /* layers + 1 */
  int64_t *widths;
  float *weights;

  /* A feature of the network is (x − centre) factor, 0 where x is missing;
     factor is 1 / √variance, or 0 of a constant column. */
  size_t n_inputs; /* n_features; 0: it is x */
  double *centre, *variance, *factor;

  /* An answer is middle + √spread z; of spread 0, middle + z. */
  size_t n_values; /* n_outputs; 0: it is z */
  double *middle, *spread;
  double weight; /* of the rows that these come from */

  size_t n_moments;      /* as many as weights, 0 before the first step */
  float *first, *second; /* Adam's, of learning row by row */
  int64_t steps;

  /* Not saved: what learning row by row would otherwise have to zero a row. */
  float *gradient; /* of each weight, 0 between rows; or NULL */
  int64_t *stamps; /* of each sparse column, the last step that moved it */
} moe_neural;

moe_status moe_neural_visit(moe_neural *a, moe_visitor *v);
moe_status moe_neural_check(moe_call *call, const moe_object *o);
moe_status moe_neural_rebuild(moe_call *call, moe_object *o);

moe_network moe_neural_network(const moe_neural *a);
size_t moe_neural_size(const moe_neural *a); /* of `weights` */

/* How a network is made and learns: what its types' parameters say. */
typedef struct moe_neural_rule {
  const moe_reals *hidden; /* widths; absent: one layer of 64; NULL: none */
  moe_activation activation;
  bool standardize; /* dense features */
  double lr, weight_decay;
  uint64_t seed;
  moe_loss loss;
} moe_neural_rule;

/* A network with its first weights, unless there is one; room for what
   standardises the features of such rows, and values in regression. */
moe_status moe_neural_prepare(moe_call *call, moe_neural *a,
                              const moe_neural_rule *rule, const moe_rows *x);

/* Frees what a state that no object has points to, but for its moe_fitted. */
void moe_neural_free(moe_neural *a);

/* factor, from variance. */
void moe_neural_set_factor(moe_neural *a);
double moe_neural_scale(const moe_neural *a, size_t c); /* √spread, or 1 */

/* Rows 0 … n−1 of x for the network, in `out` (n × n_features); neither this
   nor `doubles`, with the same room, is used for sparse rows. */
moe_inputs moe_neural_read(const moe_neural *a, const moe_rows *x,
                           double *doubles, float *out);

/* Output c, from the network's z. */
double moe_neural_answer(const moe_neural *a, float z, size_t c);

/* The outputs of every row, x->n × n_outputs: logits or values, always finite.
 */
moe_status moe_neural_apply(moe_call *call, const moe_neural *a,
                            const moe_rows *x, double *out);

/* Where Adam is: the derivatives for its next step, which are 0 again behind
   it, and its moments.  Of sparse rows only the columns that occur in x move,
   for which `stamps` (n_features) says when they last did. */
typedef struct moe_descent {
  float *gradient, *first, *second;
  float *penalty;  /* n_features, of the weights of each; or NULL */
  int64_t *stamps; /* NULL for dense rows */
  int64_t steps;   /* made */
} moe_descent;
void moe_neural_step(moe_neural *a, const moe_neural_rule *rule, double lr,
                     const moe_rows *x, moe_descent *d);

/* Learns from each row by a step of its own: moe_learner_type's learn. */
moe_status moe_neural_learn(moe_call *call, moe_neural *a,
                            const moe_neural_rule *rule,
                            const moe_batch *batch);

/* The functions of that name of a moe_learner_type whose state this is. */
moe_status moe_neural_add_class(moe_call *call, moe_object *o, size_t position);
size_t moe_neural_n_weights(const moe_object *o);
void moe_neural_get_weights(const moe_object *o, double *out);
void moe_neural_set_weights(moe_object *o, const double *in);

/* The sum of the batch's losses, and its derivative by the weights. */
moe_status moe_neural_differentiate(moe_call *call, const moe_neural *a,
                                    const moe_batch *batch,
                                    const moe_loss *loss, double *value,
                                    double *gradient);

#endif
