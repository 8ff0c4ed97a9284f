/* A different law in each part of the space, which one model has to compromise
   between and a mixture does not: x is uniform in the cube, a region is where
   one of the centres is nearest, and its y is, with u = a·x of its own a,
   u + b, or b + 2 sin 3u, or b + u² − 1, in turn.  The truth is the regions. */
#include <math.h>

#include "makers.h"

typedef struct options {
  int64_t rows, features, regions, seed;
  double noise;
} options;

/* clang-format off */
static const moe_param params[] = {
  MOE_P_INT(options, rows, 1000, 1, 0x1p31 - 1, "rows"),
  MOE_P_INT(options, features, 2, 1, 1e6,
            "columns x1, x2, …, uniform in [-1, 1]"),
  MOE_P_INT(options, regions, 3, 1, 1e6, "regions r1, r2, …"),
  MOE_P_REAL(options, noise, 0.1, 0, 1e300,
             "standard deviation of what is added to the target"),
  MOE_P_SEED(options),
  {.name = NULL},
};
/* clang-format on */

typedef struct law {
  size_t n, d;
  double *centres; /* n × d */
  double *slopes;  /* n × d */
  double *levels;  /* n */
} law;

static moe_status draw_law(moe_draft *d, const options *p, law *out) {
  size_t cells;
  out->n = (size_t)p->regions;
  out->d = d->d;
  cells = moe_size(out->n, out->d);
  MOE_SCRATCH(d->call, out->centres, cells);
  MOE_SCRATCH(d->call, out->slopes, cells);
  MOE_SCRATCH(d->call, out->levels, out->n);
  for (size_t i = 0; i < cells; i++)
    out->centres[i] = moe__draw_between(&d->random, -1, 1);
  for (size_t i = 0; i < cells; i++)
    out->slopes[i] = 2 * moe_random_normal(&d->random) / sqrt((double)d->d);
  for (size_t r = 0; r < out->n; r++)
    out->levels[r] = 2 * moe_random_normal(&d->random);
  return MOE_OK;
}

static size_t nearest(const law *l, const double *x) {
  size_t best = 0;
  double least = INFINITY;
  for (size_t r = 0; r < l->n; r++) {
    double distance = 0;
    for (size_t j = 0; j < l->d; j++) {
      double side = x[j] - l->centres[r * l->d + j];
      distance += side * side;
    }
    if (distance >= least) continue;
    least = distance;
    best = r;
  }
  return best;
}

static double apply(const law *l, size_t region, const double *x) {
  double u = 0, b = l->levels[region];
  for (size_t j = 0; j < l->d; j++) u += l->slopes[region * l->d + j] * x[j];
  switch (region % 3) {
    case 0: return b + u;
    case 1: return b + 2 * sin(3 * u);
    default: return b + u * u - 1;
  }
}

static moe_status draw_rows(moe_draft *d, const law *l, double noise,
                            int32_t *regions) {
  double *x;
  MOE_SCRATCH(d->call, x, d->d);
  for (size_t i = 0; i < d->n; i++) {
    size_t region;
    for (size_t j = 0; j < d->d; j++) {
      x[j] = moe__draw_between(&d->random, -1, 1);
      d->x[j][i] = x[j];
    }
    region = nearest(l, x);
    regions[i] = (int32_t)region;
    d->y[i] = apply(l, region, x) + noise * moe_random_normal(&d->random);
  }
  return MOE_OK;
}

static moe_status fill(moe_draft *d, const void *with) {
  const options *p = with;
  law l;
  int32_t *regions;
  moe_status status;
  MOE_TRY(moe__draft_open(d, p->rows, p->features, p->seed, false));
  MOE_TRY(draw_law(d, p, &l));
  MOE_TRY(moe_new_array(d->call, &regions, d->n, sizeof *regions));
  d->target = "y";
  d->truth_name = "region";
  d->n_truth = d->n;
  status = draw_rows(d, &l, p->noise, regions);
  if (status == MOE_OK)
    return moe__draft_classes(d->call, regions, d->n, NULL, "r", &d->truth);
  moe_free(regions);
  return status;
}

const moe_maker moe_regions_maker = {
    {.name = "make_regions",
     .family = "maker",
     .doc = "a law of its own in each region of the input space",
     .params_size = sizeof(options),
     .params = params},
    fill};
