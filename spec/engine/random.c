/* The generator against values that were not computed by it: from the authors'
   descriptions of splitmix64, xoshiro256++ (prng.di.unimi.it) and FNV-1a, in
   Python's unbounded integers; those marked * are published as well. */
#include "random.h"

#include <math.h>

#include "promises.h"

static bool seeds(void) {
  static const uint64_t expected[] = {
      0xe220a8397b1dcdafu /* * */, 0x6e789e6aa1b965f4u /* * */,
      0x06c45d188009454fu /* * */, 0xf88bb8a8724c81ecu /* * */};
  moe_random r;
  moe_random_seed(&r, 0);
  for (int i = 0; i < 4; i++) EXPECT(r.s[i] == expected[i]);
  return true;
}

static bool published(void) {
  static const uint64_t expected[] = {41943041u, /* all * */
                                      58720359u,
                                      3588806011781223u,
                                      3591011842654386u,
                                      9228616714210784205u,
                                      9973669472204895162u,
                                      14011001112246962877u,
                                      12406186145184390807u,
                                      15849039046786891736u,
                                      10450023813501588000u};
  moe_random r = {{1, 2, 3, 4}};
  for (int i = 0; i < 10; i++) EXPECT(moe_random_next(&r) == expected[i]);
  return true;
}

static bool thousandth(void) {
  static const struct {
    uint64_t seed, first, last;
  } cases[] = {
      {0, 0x53175d61490b23dfu, 0x376300fa032f6483u},
      {42, 0xd0764d4f4476689fu, 0xa3ed059c1cc38790u},
      {(uint64_t)1 << 53, 0x9cc59c030cedd810u, 0xb3a7e0d08d6e1a10u},
      {UINT64_MAX, 0x56ccf8ce948e27b2u, 0x6e67f58f11f35060u},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    moe_random r;
    uint64_t x = 0;
    moe_random_seed(&r, cases[c].seed);
    EXPECT(moe_random_next(&r) == cases[c].first);
    for (int i = 1; i < 1000; i++) x = moe_random_next(&r);
    EXPECT(x == cases[c].last);
  }
  return true;
}

static bool units(void) {
  static const double expected[] = {0.8143051451229099, 0.3188210400616611,
                                    0.9838941681774888};
  moe_random r = {{UINT64_MAX, 0, 0, 0}};
  EXPECT(moe_random_unit(&r) < 1);
  moe_random_seed(&r, 42);
  for (int i = 0; i < 3; i++) EXPECT(moe_random_unit(&r) == expected[i]);
  return true;
}

static bool normals(void) {
  static const double expected[] = {-1.527695405931017, 0.24924940838178394,
                                    -0.06993229073482413};
  moe_random r;
  double sum = 0, squares = 0;
  int beyond = 0, n = 100000;
  moe_random_seed(&r, 5);
  for (int i = 0; i < 3; i++)
    EXPECT(fabs(moe_random_normal(&r) - expected[i]) < 1e-15);
  for (int i = 0; i < n; i++) {
    double x = moe_random_normal(&r);
    sum += x;
    squares += x * x;
    beyond += fabs(x) > 1.959963984540054; /* 5 % of a normal variable */
  }
  EXPECT(fabs(sum / n) < 4 / sqrt(n)); /* four standard deviations */
  EXPECT(fabs(squares / n - 1) < 4 * sqrt(2.0 / n));
  EXPECT(fabs((double)beyond / n - 0.05) < 4 * sqrt(0.05 * 0.95 / n));
  return true;
}

/* With n = 3·2^62 the remainder of a division falls below 2^62 half of the time
   and the high word of a product is a multiple of 3 half of the time; a third
   of the time is right. */
static bool unbiased(void) {
  const uint64_t n = (uint64_t)3 << 62;
  int low = 0, multiples = 0, draws = 100000;
  double counts[6] = {0}, chi = 0;
  moe_random r;
  moe_random_seed(&r, 1);
  for (int i = 0; i < draws; i++) {
    uint64_t x = moe_random_below(&r, n);
    EXPECT(x < n);
    low += x < (uint64_t)1 << 62;
    multiples += x % 3 == 0;
  }
  EXPECT(fabs((double)low / draws - 1.0 / 3) < 0.006);
  EXPECT(fabs((double)multiples / draws - 1.0 / 3) < 0.006);
  for (int i = 0; i < draws; i++) counts[moe_random_below(&r, 6)]++;
  for (int k = 0; k < 6; k++)
    chi += pow(counts[k] - draws / 6.0, 2) / (draws / 6.0);
  EXPECT(chi < 20.5); /* 99.9 % of five degrees of freedom */
  for (int i = 0; i < 100; i++) EXPECT(moe_random_below(&r, 1) == 0);
  return true;
}

static bool below_values(void) {
  static const uint64_t expected[] = {474555578799928468u, 5975984577801893010u,
                                      5781173930417689891u};
  moe_random r;
  moe_random_seed(&r, 3);
  for (int i = 0; i < 3; i++)
    EXPECT(moe_random_below(&r, ((uint64_t)1 << 63) + 1) == expected[i]);
  return true;
}

static bool shuffles(void) {
  static const int32_t expected[] = {3, 8, 9, 4, 6, 7, 2, 5, 1, 0};
  int32_t items[10];
  int first[4] = {0}, n = 40000;
  moe_random r;
  moe_random_seed(&r, 7);
  for (int i = 0; i < 10; i++) items[i] = i;
  moe_random_shuffle(&r, items, 10);
  EXPECT(memcmp(items, expected, sizeof items) == 0);
  for (int i = 0; i < n; i++) {
    int32_t four[] = {0, 1, 2, 3};
    moe_random_shuffle(&r, four, 4);
    first[four[0]]++;
  }
  for (int k = 0; k < 4; k++)
    EXPECT(fabs((double)first[k] / n - 0.25) < 4 * sqrt(0.1875 / n));
  moe_random_shuffle(&r, NULL, 0);
  return true;
}

static bool parts(void) {
  EXPECT(moe_seed_of(0, "") == 3206445717737214u);
  EXPECT(moe_seed_of(0, "scope") == 7414902126480112u);
  EXPECT(moe_seed_of(42, "scope") == 5037371404237281u);
  EXPECT(moe_seed_at(0, 0) == 5876733520225071u);
  EXPECT(moe_seed_at((uint64_t)1 << 53, 7) == 3065373257046255u);
  /* The hash of "foobar" is 0x85944171f73967e8 *. */
  EXPECT(moe_seed_of(9, "foobar") == moe_seed_at(9, 0x85944171f73967e8u));
  return true;
}

static bool part_range(void) {
  for (uint64_t seed = 0; seed < 100; seed++)
    for (uint64_t i = 0; i < 100; i++) {
      uint64_t s = moe_seed_at(seed, i);
      EXPECT(s < (uint64_t)1 << 53);
      EXPECT(s != moe_seed_at(seed, i + 1) && s != moe_seed_at(seed + 1, i));
    }
  return true;
}

static const promise promises[] = {
    {"its state comes from splitmix64", seeds},
    {"its numbers are those of xoshiro256++", published},
    {"any seed gives what it gives elsewhere, after a thousand numbers too",
     thousandth},
    {"unit numbers take the 53 highest bits and stay below 1", units},
    {"normal numbers have mean 0, variance 1 and the tails of their kind",
     normals},
    {"numbers below n are as likely as each other, where tricks would not be",
     unbiased},
    {"numbers below n are Lemire's", below_values},
    {"a shuffle is Fisher and Yates', each order as likely", shuffles},
    {"the seed of a part depends on the whole's seed and the part's name",
     parts},
    {"seeds of parts differ and fit any host's numbers: below 2^53",
     part_range},
    {NULL, NULL}};

int main(void) { return keep(promises); }
