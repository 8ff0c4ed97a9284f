/* Random numbers from an explicit generator: xoshiro256++ (Blackman & Vigna
   2021, doi 10.1145/3460772), seeded by splitmix64. */
#ifndef MOE_RANDOM_H
#define MOE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct moe_random {
  uint64_t s[4];
} moe_random;

void moe_random_seed(moe_random *r, uint64_t seed);
uint64_t moe_random_next(moe_random *r);

double moe_random_unit(moe_random *r);                /* [0, 1), 53 bits */
uint64_t moe_random_below(moe_random *r, uint64_t n); /* 0 … n−1, unbiased */
double moe_random_normal(moe_random *r);              /* mean 0, variance 1 */
void moe_random_shuffle(moe_random *r, int32_t *items, size_t n);

/* The seed of a part: depends on the whole's seed and on the part's name or
   number alone.  In [0, 2^53), so that every host can hold it. */
uint64_t moe_seed_of(uint64_t seed, const char *name);
uint64_t moe_seed_at(uint64_t seed, uint64_t number);

#endif
