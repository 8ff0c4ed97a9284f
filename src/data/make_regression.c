/* y = b + Σ w_j x_j + noise, over the informative ones of normal features; the
   truth is the weights. */
#include <math.h>

#include "makers.h"

typedef struct options {
  int64_t rows, features, informative, seed;
  double bias, noise;
} options;

/* clang-format off */
static const moe_param params[] = {
  MOE_P_INT(options, rows, 1000, 1, 0x1p31 - 1, "rows"),
  MOE_P_INT(options, features, 10, 1, 1e6, "columns x1, x2, …"),
  MOE_P_INT(options, informative, 5, 0, 1e6,
            "the first of them, whose weights are not zero"),
  MOE_P_REAL(options, bias, 0, -1e300, 1e300, "the target where all x are 0"),
  MOE_P_REAL(options, noise, 0, 0, 1e300,
             "standard deviation of what is added to the target"),
  MOE_P_SEED(options),
  {.name = NULL},
};
/* clang-format on */

static double draw_row(moe_draft *d, size_t row, const double *weights) {
  double y = 0;
  for (size_t j = 0; j < d->d; j++) {
    double x = moe_random_normal(&d->random);
    d->x[j][row] = x;
    y += weights[j] * x;
  }
  return y;
}

/* The draft's truth, which stays readable here until the draft is finished. */
static moe_status draw_weights(moe_draft *d, int64_t informative,
                               const double **out) {
  double *weights;
  MOE_TRY(moe_new_array(d->call, &weights, d->d, sizeof *weights));
  for (size_t j = 0; j < (size_t)informative; j++)
    weights[j] = moe__draw_between(&d->random, 0, 100);
  *out = weights;
  d->n_truth = d->d;
  d->truth_name = "weight";
  return moe_series_of_numbers(d->call, weights, d->d, &d->truth);
}

static moe_status fill(moe_draft *d, const void *with) {
  const options *p = with;
  const double *weights;
  if (p->informative > p->features)
    return moe_fail(d->call, MOE_EPARAM,
                    "make_regression: informative must be at most features; "
                    "got %lld of %lld",
                    (long long)p->informative, (long long)p->features);
  MOE_TRY(moe__draft_open(d, p->rows, p->features, p->seed, false));
  MOE_TRY(draw_weights(d, p->informative, &weights));
  d->target = "y";
  for (size_t i = 0; i < d->n; i++)
    d->y[i] = p->bias + draw_row(d, i, weights) +
              p->noise * moe_random_normal(&d->random);
  return MOE_OK;
}

const moe_maker moe_regression_maker = {
    {.name = "make_regression",
     .family = "maker",
     .doc = "a weighted sum of normal features, and noise",
     .params_size = sizeof(options),
     .params = params},
    fill};
