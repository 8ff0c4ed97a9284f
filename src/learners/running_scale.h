/* Columns on one scale, as small steps need them: less the mean, over the
   deviation, of all that a stream has brought so far. */
#ifndef MOE_RUNNING_SCALE_H
#define MOE_RUNNING_SCALE_H

#include "object.h"

typedef struct moe_running {
  double rows;      /* how much weight was counted */
  double *mean;     /* d */
  double *variance; /* d */
  double *factor;   /* d: 1 / deviation; 0 of a column that was constant */
} moe_running;

moe_status moe_running_prepare(moe_call *call, moe_running *s, size_t d);

/* `d` is 0 where it is not prepared. */
moe_status moe_running_visit(moe_running *s, moe_visitor *v, size_t d);
bool moe_running_is_sound(const moe_running *s, size_t d);

/* Counts a row of finite numbers with a weight above 0. */
void moe_running_count(moe_running *s, const double *x, double weight,
                       size_t d);

/* (x − mean) · factor */
void moe_running_apply(const moe_running *s, const double *x, size_t d,
                       double *out);

#endif
