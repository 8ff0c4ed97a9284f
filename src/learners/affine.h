/* The state that linear, logistic and the softmax gate share: outputs affine in
   the features, z = W x + b, and how it answers. */
#ifndef MOE_AFFINE_H
#define MOE_AFFINE_H

#include <float.h>

#include "learner.h"
#include "loss.h"
#include "vector.h"

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
bool moe_affine_is_finite(const moe_affine *a);

/* A row of zeros for a new class: moe_learner_type's add_class. */
moe_status moe_affine_add_class(moe_call *call, moe_object *o, size_t position);

/* The outputs of every row, n × n_outputs, always finite.  Missing values
   count as `centre` (n_features; NULL: none are missing). */
moe_status moe_affine_apply(moe_call *call, const moe_affine *a,
                            const moe_rows *x, const double *centre,
                            double *out);

/* The farthest outputs are beyond any use, but they are numbers. */
static inline double moe_affine_limit(double z) {
  z = z > -DBL_MAX ? z : -DBL_MAX; /* NaN too */
  return z < DBL_MAX ? z : DBL_MAX;
}

/* The same of one row: n_outputs numbers.  False where a value is missing, and
   with it the answer. */
static inline bool moe_affine_answer_one(const moe_affine *a, const double *x,
                                         double *z) {
  size_t m = a->fitted.n_outputs, d = a->fitted.n_features;
  if (m != 1) return moe_lines(a->weights, a->bias, a->left, m, x, d, z);
  double product = moe_dot(a->weights, x, d);
  *z = moe_affine_limit(product * a->left + *a->bias);
  return product == product;
}

/* The weights as one run of numbers, those of W first, then those of b:
   moe_learner_type's functions of that name, for states that begin with a
   moe_affine. */
size_t moe_affine_n_weights(const moe_object *o);
void moe_affine_get_weights(const moe_object *o, double *out);
void moe_affine_set_weights(moe_object *o, const double *in);

/* The sum of the batch's losses and its derivative by the weights, which is 0
   for b without an `intercept`.  Missing values count as `centre`, as above. */
moe_status moe_affine_differentiate(moe_call *call, const moe_affine *a,
                                    const moe_batch *batch,
                                    const double *centre, bool intercept,
                                    const moe_loss *loss, double *value,
                                    double *gradient);

/* What each feature contributes to `factor` times the outputs: x->n × n_outputs
   × (d + 1) numbers, the last of each d + 1 the output where all features are
   at `centre` (NULL: 0), which missing values count as.  Of two classes, each
   one's output less the other's. */
moe_status moe_affine_attribute(moe_call *call, const moe_affine *a,
                                const moe_rows *x, const double *centre,
                                double factor, double *out);

/* The same about 0: moe_learner_type's contribute. */
moe_status moe_affine_contribute(moe_call *call, const moe_object *o,
                                 const moe_rows *x, double *out);

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
