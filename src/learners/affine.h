/* The state that linear, logistic and the softmax gate share: outputs affine in
   the features, z = W x + b; how it answers, and how it learns row by row. */
#ifndef MOE_AFFINE_H
#define MOE_AFFINE_H

#include "learner.h"

typedef struct moe_affine {
  moe_fitted fitted;
  double *weights; /* n_outputs × n_features; W is these times `left` */
  double *bias;    /* n_outputs */
  double left;     /* of the weights by decay: one product, not a pass a row */
} moe_affine;

/* Zero weights, unless there are some. */
moe_status moe_affine_prepare(moe_call *call, moe_affine *a);
moe_status moe_affine_visit(moe_affine *a, moe_visitor *v);
moe_status moe_affine_check(moe_call *call, const moe_object *o);

/* A row of zeros for a new class: moe_learner_type's add_class. */
moe_status moe_affine_add_class(moe_call *call, moe_object *o, size_t position);

/* The outputs of every row, n × n_outputs, always finite.  Missing values
   count as `centre` (n_features; NULL: none are missing). */
moe_status moe_affine_apply(moe_call *call, const moe_affine *a,
                            const moe_rows *x, const double *centre,
                            double *out);

/* Turns the outputs of rows first … first+n−1 of the batch, z (n × outputs),
   into the derivatives of their weighted losses, and returns the losses' sum.
   `spare` has the room of z.  Called from worker threads. */
typedef double (*moe_residual)(const moe_batch *batch, size_t first, size_t n,
                               double *z, double *spare);

/* How a row teaches: the implicit step of Toulis & Airoldi (2017,
   doi 10.1214/16-AOS1506), which no size of x or lr makes diverge:
     W −= s r xᵀ,  b −= s r,  s = lr / (1 + lr · curvature · weight · (1+|x|²))
   with r the residual; and the t-th row takes W / (1 + lr l2/t), its share of
   the penalty that fit applies to all rows. */
typedef struct moe_affine_rule {
  double lr, l2;
  double curvature; /* the loss's second derivative is at most this */
  bool intercept;
  moe_residual residual;
} moe_affine_rule;
moe_status moe_affine_learn(moe_call *call, moe_affine *a,
                            const moe_batch *batch,
                            const moe_affine_rule *rule);

/* Gauges: the coefficients and intercepts, a list for several outputs of lists
   for several features; of two classes, the second's less the first's.  Nil
   where there are more than 2^16. */
moe_status moe_affine_coefficients(moe_call *call, const moe_object *o,
                                   moe_value *out);
moe_status moe_affine_intercept(moe_call *call, const moe_object *o,
                                moe_value *out);
#define MOE_AFFINE_GAUGES                                           \
  {"coefficients", "the weight of each feature, for each output",   \
   moe_affine_coefficients},                                        \
      {"intercept", "what each output is where all features are 0", \
       moe_affine_intercept},

#endif
