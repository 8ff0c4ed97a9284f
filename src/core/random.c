#include "random.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void moe_random_seed(moe_random *r, uint64_t seed) {
  for (int i = 0; i < 4; i++) r->s[i] = splitmix(&seed);
}

uint64_t moe_random_next(moe_random *r) {
  uint64_t *s = r->s, out = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate(s[3], 45);
  return out;
}

double moe_random_unit(moe_random *r) {
  return (double)(moe_random_next(r) >> 11) * 0x1p-53;
}

/* Lemire 2019 (doi 10.1145/3230636): multiply, and reject the biased rest. */
uint64_t moe_random_below(moe_random *r, uint64_t n) {
  uint64_t least = -n % n;
  for (;;) {
    __uint128_t product = (__uint128_t)moe_random_next(r) * n;
    if ((uint64_t)product >= least) return (uint64_t)(product >> 64);
  }
}

/* Marsaglia's polar method; the second deviate is not kept, so that the state
   is the generator alone. */
double moe_random_normal(moe_random *r) {
  for (;;) {
    double u = 2 * moe_random_unit(r) - 1, v = 2 * moe_random_unit(r) - 1;
    double s = u * u + v * v;
    if (s > 0 && s < 1) return u * sqrt(-2 * log(s) / s);
  }
}

void moe_random_shuffle(moe_random *r, int32_t *items, size_t n) {
  for (size_t i = n; i > 1; i--) {
    size_t j = moe_random_below(r, i);
    int32_t swap = items[i - 1];
    items[i - 1] = items[j];
    items[j] = swap;
  }
}

uint64_t moe_seed_at(uint64_t seed, uint64_t number) {
  uint64_t state = seed;
  state = splitmix(&state) ^ number;
  return splitmix(&state) >> 11;
}

uint64_t moe_seed_of(uint64_t seed, const char *name) {
  uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
  for (; *name != '\0'; name++)
    hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
  return moe_seed_at(seed, hash);
}
