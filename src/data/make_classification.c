/* Classes as clusters of normal points, each stretched its own way, around
   corners of a hypercube: Guyon's recipe for the 2003 NIPS feature selection
   challenge. */
#include <math.h>

#include "makers.h"

typedef struct options {
  int64_t rows, features, informative, redundant, classes, clusters, seed;
  double separation, flip;
} options;

/* clang-format off */
static const moe_param params[] = {
  MOE_P_INT(options, rows, 1000, 1, 0x1p31 - 1, "rows"),
  MOE_P_INT(options, features, 20, 1, 1e6, "columns x1, x2, …"),
  MOE_P_INT(options, informative, 5, 1, 1e6,
            "the first of them, by which the classes differ"),
  MOE_P_INT(options, redundant, 2, 0, 1e6,
            "the next, weighted sums of these; the rest is noise"),
  MOE_P_INT(options, classes, 2, 2, 1e6, "classes c1, c2, …"),
  MOE_P_INT(options, clusters, 2, 1, 1e6, "clusters of each class"),
  MOE_P_REAL(options, separation, 1, 0, 1e6,
             "half an edge of the cube whose corners are the clusters' centres"),
  MOE_P_REAL(options, flip, 0.01, 0, 1,
             "share of the rows whose class is drawn at random"),
  MOE_P_SEED(options),
  {.name = NULL},
};
/* clang-format on */

static moe_status check(moe_call *call, const options *p) {
  if (p->informative + p->redundant > p->features)
    return moe_fail(call, MOE_EPARAM,
                    "make_classification: informative + redundant must be at "
                    "most features; got %lld + %lld of %lld",
                    (long long)p->informative, (long long)p->redundant,
                    (long long)p->features);
  if (p->informative >= 40 || p->classes * p->clusters <= (int64_t)1
                                                              << p->informative)
    return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "make_classification: classes × clusters must be at most "
                  "2^informative, the corners there are; got %lld × %lld, "
                  "informative = %lld",
                  (long long)p->classes, (long long)p->clusters,
                  (long long)p->informative);
}

/* What is drawn once.  Cluster k belongs to class k mod classes. */
typedef struct shape {
  size_t informative, redundant, n_clusters;
  double separation;
  double *centres; /* n_clusters × informative, each −1 or 1 */
  double *stretch; /* n_clusters × informative × informative */
  double *mix;     /* redundant × informative */
} shape;

static bool is_taken(const shape *s, size_t n, const double *centre) {
  for (size_t k = 0; k < n; k++) {
    size_t j = 0;
    while (j < s->informative &&
           s->centres[k * s->informative + j] == centre[j])
      j++;
    if (j == s->informative) return true;
  }
  return false;
}

/* By trying: there are at least as many corners as clusters. */
static void draw_centre(moe_random *r, shape *s, size_t k) {
  double *centre = s->centres + k * s->informative;
  do
    for (size_t j = 0; j < s->informative; j++)
      centre[j] = moe_random_below(r, 2) == 0 ? -1 : 1;
  while (is_taken(s, k, centre));
}

static moe_status draw_shape(moe_draft *d, const options *p, shape *s) {
  size_t m = (size_t)p->informative, n_stretch, n_mix;
  s->informative = m;
  s->redundant = (size_t)p->redundant;
  s->n_clusters = (size_t)(p->classes * p->clusters);
  s->separation = p->separation;
  n_stretch = moe_size(s->n_clusters, m * m);
  n_mix = s->redundant * m;
  MOE_SCRATCH(d->call, s->centres, moe_size(s->n_clusters, m));
  MOE_SCRATCH(d->call, s->stretch, n_stretch);
  MOE_SCRATCH(d->call, s->mix, n_mix);
  for (size_t k = 0; k < s->n_clusters; k++) draw_centre(&d->random, s, k);
  for (size_t i = 0; i < n_stretch; i++)
    s->stretch[i] = moe__draw_between(&d->random, -1, 1);
  for (size_t i = 0; i < n_mix; i++)
    s->mix[i] = moe__draw_between(&d->random, -1, 1);
  return MOE_OK;
}

static double dot(const double *a, const double *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* z and x have room for the informative features. */
static void draw_row(moe_draft *d, const shape *s, size_t cluster, size_t row,
                     double *z, double *x) {
  size_t m = s->informative, j = 0;
  const double *centre = s->centres + cluster * m;
  const double *stretch = s->stretch + cluster * m * m;
  for (; j < m; j++) z[j] = moe_random_normal(&d->random);
  for (j = 0; j < m; j++) {
    x[j] = centre[j] * s->separation + dot(stretch + j * m, z, m);
    d->x[j][row] = x[j];
  }
  for (; j < m + s->redundant; j++)
    d->x[j][row] = dot(s->mix + (j - m) * m, x, m);
  for (; j < d->d; j++) d->x[j][row] = moe_random_normal(&d->random);
}

static moe_status fill(moe_draft *d, const void *with) {
  const options *p = with;
  shape s;
  double *z, *x;
  MOE_TRY(check(d->call, p));
  MOE_TRY(moe__draft_open(d, p->rows, p->features, p->seed, true));
  MOE_TRY(draw_shape(d, p, &s));
  MOE_SCRATCH(d->call, z, s.informative);
  MOE_SCRATCH(d->call, x, s.informative);
  d->target = "class";
  for (size_t i = 0; i < d->n; i++) {
    size_t cluster = moe_random_below(&d->random, s.n_clusters);
    bool flipped = moe_random_unit(&d->random) < p->flip;
    uint64_t class = flipped ? moe_random_below(&d->random, p->classes)
                             : cluster % (size_t)p->classes;
    d->ids[i] = (int32_t) class;
    draw_row(d, &s, cluster, i, z, x);
  }
  return MOE_OK;
}

const moe_maker moe_classification_maker = {
    {.name = "make_classification",
     .family = "maker",
     .doc = "classes of normal clusters around the corners of a hypercube",
     .params_size = sizeof(options),
     .params = params},
    fill};
