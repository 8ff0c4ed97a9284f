/* How sure scores are: the factor t that makes softmax(t z) least surprised by
   the classes that come, −log softmax(t z)_y, learned from one sample after the
   other by Newton's steps on log t, which forget slowly. */
#ifndef MOE_TEMPERATURE_H
#define MOE_TEMPERATURE_H

#include "object.h"

typedef struct moe_temperature {
  double factor;      /* t; 0 before it begins, which counts as 1 */
  double information; /* what is known of log t */
} moe_temperature;

moe_status moe_temperature_visit(moe_temperature *t, moe_visitor *v);
bool moe_temperature_is_sound(const moe_temperature *t);

/* z becomes softmax(t z), m numbers. */
void moe_temperature_apply(const moe_temperature *t, double *z, size_t m);

/* From finite scores z, what moe_temperature_apply makes of them, and y. */
void moe_temperature_learn(moe_temperature *t, const double *z, const double *p,
                           size_t m, size_t y, double weight);

#endif
