#include "nearest.h"

#include "instructions.h"

#define KERNEL static inline __attribute__((always_inline))

enum { PARTS = 4 /* independent sums over a box's columns */ };

/* One column's share of a distance. */
KERNEL double share(double difference, bool euclidean) {
  return euclidean ? difference * difference : fabs(difference);
}

KERNEL void to_block(const moe_asked *q, bool euclidean,
                     const float *restrict block, double *restrict out) {
  double sum[MOE_LANES] = {0};
  for (size_t j = 0; j < q->d; j++, block += MOE_LANES)
    for (int l = 0; l < MOE_LANES; l++)
      sum[l] += share(((double)block[l] - q->x[j]) * q->scale[j], euclidean);
  for (int l = 0; l < MOE_LANES; l++) out[l] = sum[l];
}

KERNEL void to_rows(const moe_asked *q, bool euclidean,
                    const float *restrict points, const int32_t *restrict rows,
                    double *restrict out) {
  const float *row[MOE_LANES];
  double sum[MOE_LANES] = {0};
  for (int l = 0; l < MOE_LANES; l++) row[l] = points + (size_t)rows[l] * q->d;
  for (size_t j = 0; j < q->d; j++)
    for (int l = 0; l < MOE_LANES; l++)
      sum[l] += share(((double)row[l][j] - q->x[j]) * q->scale[j], euclidean);
  for (int l = 0; l < MOE_LANES; l++) out[l] = sum[l];
}

KERNEL double outside(double x, double low, double high) {
  double below = low - x, above = x - high;
  double most = below > above ? below : above;
  return most > 0 ? most : 0;
}

KERNEL double to_box(const moe_asked *q, bool euclidean,
                     const float *restrict low, const float *restrict high) {
  double part[PARTS] = {0}, rest = 0;
  size_t j = 0;
  for (; j + PARTS <= q->d; j += PARTS)
    for (int l = 0; l < PARTS; l++)
      part[l] +=
          share(outside(q->x[j + l], (double)low[j + l], (double)high[j + l]) *
                    q->scale[j + l],
                euclidean);
  for (; j < q->d; j++)
    rest +=
        share(outside(q->x[j], (double)low[j], (double)high[j]) * q->scale[j],
              euclidean);
  return (part[0] + part[2]) + (part[1] + part[3]) + rest;
}

/* ---------------------------------------------------------------- dispatch */

typedef struct kernels {
  void (*block)(const moe_asked *, const float *, double *);
  void (*rows)(const moe_asked *, const float *, const int32_t *, double *);
  double (*box)(const moe_asked *, const float *, const float *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                         \
  TARGET static void block_##NAME(const moe_asked *q, const float *block, \
                                  double *out) {                          \
    if (q->metric == MOE_EUCLIDEAN)                                       \
      to_block(q, true, block, out);                                      \
    else                                                                  \
      to_block(q, false, block, out);                                     \
  }                                                                       \
  TARGET static void rows_##NAME(const moe_asked *q, const float *points, \
                                 const int32_t *rows, double *out) {      \
    if (q->metric == MOE_EUCLIDEAN)                                       \
      to_rows(q, true, points, rows, out);                                \
    else                                                                  \
      to_rows(q, false, points, rows, out);                               \
  }                                                                       \
  TARGET static double box_##NAME(const moe_asked *q, const float *low,   \
                                  const float *high) {                    \
    return q->metric == MOE_EUCLIDEAN ? to_box(q, true, low, high)        \
                                      : to_box(q, false, low, high);      \
  }                                                                       \
  static const kernels NAME = {block_##NAME, rows_##NAME, box_##NAME};

MOE_COMPILE_KERNELS

void moe__block_distances(const moe_asked *q, const float *block, double *out) {
  best()->block(q, block, out);
}

void moe__row_distances(const moe_asked *q, const float *points,
                        const int32_t *rows, double *out) {
  best()->rows(q, points, rows, out);
}

double moe__box_distance(const moe_asked *q, const float *low,
                         const float *high) {
  return best()->box(q, low, high);
}

/* -------------------------------------------------------------------- list */

/* How long ago a point came, among all. */
static size_t age(const moe_nearest *l, int32_t index) {
  size_t i = (size_t)index;
  return i >= l->oldest ? i - l->oldest : i + l->points - l->oldest;
}

static bool is_nearer(const moe_nearest *l, int32_t index, double distance,
                      size_t place) {
  if (distance != l->distance[place]) return distance < l->distance[place];
  return age(l, index) < age(l, l->index[place]);
}

void moe_nearest_offer(moe_nearest *l, int32_t index, double distance) {
  size_t place = l->n;
  if (l->n == l->k && !is_nearer(l, index, distance, l->k - 1)) return;
  if (l->n < l->k)
    l->n++;
  else
    place--;
  for (; place > 0 && is_nearer(l, index, distance, place - 1); place--) {
    l->index[place] = l->index[place - 1];
    l->distance[place] = l->distance[place - 1];
  }
  l->index[place] = index;
  l->distance[place] = distance;
}

void moe_nearest_offer_block(moe_nearest *l, const int32_t *index,
                             const double *distance) {
  for (int i = 0; i < MOE_LANES; i++)
    if (index[i] >= 0 && distance[i] <= moe_nearest_reach(l))
      moe_nearest_offer(l, index[i], distance[i]);
}
