/* Elementary functions on float32 in a form that compilers turn into vector
   code, for the files that are compiled for several instruction sets. */
#ifndef MOE_FLOAT_MATH_H
#define MOE_FLOAT_MATH_H

#include <stdint.h>
#include <string.h>

#define KERNEL static inline __attribute__((always_inline))

/* e^x for x ≤ 0, which is 2^k e^r with k the nearest integer to x / ln 2, so
   |r| < 0.35, where eight terms of the series are exact to a bit or two; NaN of
   NaN. */
KERNEL float exp_of(float x) {
  const float shift = 0x1.8p23f, log2e = 0x1.715476p0f;
  const float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  float limited = x > -87 ? x : -87;
  float k = (limited * log2e + shift) - shift;
  float r = (limited - k * ln2_high) - k * ln2_low, sum = 1 / 5040.0f;
  int32_t bits;
  sum = sum * r + 1 / 720.0f;
  sum = sum * r + 1 / 120.0f;
  sum = sum * r + 1 / 24.0f;
  sum = sum * r + 1 / 6.0f;
  sum = sum * r + 0.5f;
  sum = sum * r + 1;
  sum = sum * r + 1;
  memcpy(&bits, &sum, sizeof bits);
  bits += (int32_t)k * (1 << 23);
  memcpy(&sum, &bits, sizeof sum);
  sum = x < -87 ? 0 : sum;
  return x == x ? sum : x;
}

/* A sum runs in so many lanes, which are joined at the end. */
enum { LANES = 16 };

KERNEL float sum_of_lanes(const float *lane) {
  float half[LANES / 2];
  for (int i = 0; i < 8; i++) half[i] = lane[i] + lane[i + 8];
  for (int i = 0; i < 4; i++) half[i] += half[i + 4];
  return (half[0] + half[2]) + (half[1] + half[3]);
}

#endif
