/* Two half circles of radius 1, each with its end in the other's hollow. */
#include <math.h>

#include "makers.h"

typedef struct options {
  int64_t rows, seed;
  double noise;
} options;

/* clang-format off */
static const moe_param params[] = {
  MOE_P_INT(options, rows, 1000, 1, 0x1p31 - 1, "rows"),
  MOE_P_REAL(options, noise, 0.1, 0, 1e300,
             "standard deviation of what is added to each coordinate"),
  MOE_P_SEED(options),
  {.name = NULL},
};
/* clang-format on */

static moe_status fill(moe_draft *d, const void *with) {
  static const char *const names[] = {"upper", "lower"};
  const double pi = 3.14159265358979323846;
  const options *p = with;
  MOE_TRY(moe__draft_open(d, p->rows, 2, p->seed, true));
  d->target = "class";
  d->class_names = names;
  for (size_t i = 0; i < d->n; i++) {
    double angle = pi * moe_random_unit(&d->random);
    bool lower = moe_random_below(&d->random, 2) == 1;
    double x = cos(angle), y = sin(angle);
    d->ids[i] = lower;
    d->x[0][i] = (lower ? 1 - x : x) + p->noise * moe_random_normal(&d->random);
    d->x[1][i] =
        (lower ? 0.5 - y : y) + p->noise * moe_random_normal(&d->random);
  }
  return MOE_OK;
}

const moe_maker moe_moons_maker = {{.name = "make_moons",
                                    .family = "maker",
                                    .doc = "two half circles that interlock",
                                    .params_size = sizeof(options),
                                    .params = params},
                                   fill};
