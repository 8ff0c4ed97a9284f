/* Decimal to double: w·10^q, with w the first 19 digits, lies between two
   products of w and the 128 leading bits of 10^q (Lemire 2021, doi
   10.1002/spe.2984, in interval form).  When both round to the same double it
   is that one; otherwise the digits are compared with the midpoint in exact
   arithmetic (Clinger 1990, doi 10.1145/93542.93557, whose short cut for small
   w and q comes first).

   Double to decimal: Schubfach (Giulietti 2020): of the multiples of 10^k, with
   10^k just under the width of the interval that rounds to x, at most one of
   the coarser ones and two of the finer lie inside, and they are neighbours of
   x. */
#include "number.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "powers.h"

typedef struct pair {
  uint64_t high, low;
} pair;

static pair multiply(uint64_t a, uint64_t b) {
  __uint128_t product = (__uint128_t)a * b;
  return (pair){(uint64_t)(product >> 64), (uint64_t)product};
}

static pair add(pair a, pair b) {
  pair sum = {a.high + b.high, a.low + b.low};
  sum.high += sum.low < a.low;
  return sum;
}

/* floor(log2(10^q)), for every q of the table. */
static int log2_of_power(int q) { return (int)((q * 1741647LL) >> 19); }

/* ------------------------------------------------------------------ reading */

enum { WORD_DIGITS = 19 /* every number of so many digits fits in 64 bits */ };

typedef struct decimal {
  bool negative;
  uint64_t word;         /* the leading digits, at most 19 */
  int64_t word_exponent; /* the number is about word × 10^word_exponent … */
  bool exact;            /* … and just that if true; else above it, and below
                            (word + 1) × 10^word_exponent */
  const char *first, *last; /* all the digits, and perhaps a point */
  int64_t exponent;         /* of the last of them */
} decimal;

static uint64_t load_eight(const char *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  return v;
}

/* No byte below '0', and none that passes 0x7f when 0x46 is added. */
static bool is_eight_digits(uint64_t v) {
  return (((v + 0x4646464646464646u) | (v - 0x3030303030303030u)) &
          0x8080808080808080u) == 0;
}

/* Joins neighbours: digits to pairs, pairs to fours, fours to eight. */
static uint64_t join_eight(uint64_t v) {
  v -= 0x3030303030303030u;
  v = (v * 10 + (v >> 8)) & 0x00ff00ff00ff00ffu;
  v = (v * 100 + (v >> 16)) & 0x0000ffff0000ffffu;
  return (v * 10000 + (v >> 32)) & 0xffffffffu;
}

static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

/* Appends the digits at p to *word, modulo 2^64; returns their end. */
static inline const char *take_digits(const char *p, const char *end,
                                      uint64_t *word) {
  uint64_t w = *word, v;
  while (end - p >= 8 && is_eight_digits(v = load_eight(p))) {
    w = w * 100000000 + join_eight(v);
    p += 8;
  }
  for (; p < end && is_digit(*p); p++) w = w * 10 + (uint64_t)(*p - '0');
  *word = w;
  return p;
}

/* Reads "e[+-]digits" where there is one; a bare "e" is not part of a number.
   The exponent stops growing where no digits in memory could balance it. */
static const char *take_exponent(const char *p, const char *end, int64_t *e) {
  const char *at = p + 1;
  bool negative = false;
  int64_t value = 0;
  if (p == end || (*p != 'e' && *p != 'E')) return p;
  if (at < end && (*at == '-' || *at == '+')) negative = *at++ == '-';
  if (at == end || !is_digit(*at)) return p;
  for (; at < end && is_digit(*at); at++)
    if (value < 100000000000000000) value = value * 10 + (*at - '0');
  *e += negative ? -value : value;
  return at;
}

/* More than 19 digits: leading zeros do not count, what is cut off does. */
static void shorten(decimal *d) {
  const char *p = d->first;
  int n = 0;
  int64_t rest = 0;
  while (p < d->last && (*p == '0' || *p == '.')) p++;
  d->first = p;
  d->word = 0;
  for (; p < d->last; p++) {
    if (*p == '.') continue;
    if (n < WORD_DIGITS) {
      d->word = d->word * 10 + (uint64_t)(*p - '0');
      n++;
    } else {
      d->exact = d->exact && *p == '0';
      rest++;
    }
  }
  d->word_exponent = d->exponent + rest;
}

static inline const char *scan(const char *p, const char *end, decimal *d) {
  ptrdiff_t digits;
  d->negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  d->first = p;
  d->word = 0;
  d->exponent = 0;
  p = take_digits(p, end, &d->word);
  digits = p - d->first;
  if (p < end && *p == '.') {
    const char *point = p++;
    p = take_digits(p, end, &d->word);
    d->exponent = -(p - point - 1);
    digits = p - d->first - 1;
  }
  if (digits == 0) return NULL;
  d->last = p;
  p = take_exponent(p, end, &d->exponent);
  d->word_exponent = d->exponent;
  d->exact = true;
  if (digits > WORD_DIGITS) shorten(d);
  return p;
}

static double from_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint64_t to_bits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* The double nearest to h × 2^e as bits, ties to even.  The top bit of h is
   bit 62 or 63; its lowest bit stands for anything set below it. */
static uint64_t round_up_or_down(uint64_t h, int e) {
  int top = (h >> 63) != 0 ? 63 : 62;
  int magnitude = e + top; /* 2^magnitude ≤ h × 2^e < 2^(magnitude + 1) */
  int kept = magnitude >= -1022 ? 53 : 53 - (-1022 - magnitude);
  int drop = top + 1 - kept;
  uint64_t m, half, rest;
  if (magnitude > 1023) return (uint64_t)0x7ff << 52;
  if (kept < 0) return 0;
  half = (uint64_t)1 << (drop - 1);
  m = h >> (drop - 1) >> 1;
  rest = h & (half | (half - 1));
  m += rest > half || (rest == half && (m & 1) != 0);
  if (magnitude < -1022) return m;
  return ((uint64_t)(magnitude + 1022) << 52) + m;
}

static uint64_t round_pair(pair x, int e) {
  return round_up_or_down(x.high | (x.low != 0), e);
}

/* A natural number, lowest limb first.  The widest there is, the 771 digits of
   `compare_with_midpoint` beside 54 bits times 5^1095, has under 2,700 bits. */
typedef struct natural {
  int n;
  uint32_t limb[96];
} natural;

static void multiply_add(natural *a, uint32_t factor, uint32_t addend) {
  uint64_t carry = addend;
  for (int i = 0; i < a->n; i++) {
    carry += (uint64_t)a->limb[i] * factor;
    a->limb[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry != 0) a->limb[a->n++] = (uint32_t)carry;
}

static void multiply_by_power_of_5(natural *a, int exponent) {
  for (; exponent >= 13; exponent -= 13) multiply_add(a, 1220703125, 0);
  for (; exponent > 0; exponent--) multiply_add(a, 5, 0);
}

static void shift_left(natural *a, int bits) {
  int limbs = bits / 32;
  multiply_add(a, (uint32_t)1 << (bits % 32), 0);
  if (a->n == 0) return;
  memmove(a->limb + limbs, a->limb, (size_t)a->n * sizeof a->limb[0]);
  memset(a->limb, 0, (size_t)limbs * sizeof a->limb[0]);
  a->n += limbs;
}

static int compare(const natural *a, const natural *b) {
  if (a->n != b->n) return a->n < b->n ? -1 : 1;
  for (int i = a->n - 1; i >= 0; i--)
    if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
  return 0;
}

/* All the digits as a natural number, times 10^(what it returns).  A midpoint
   has at most 767 digits, so that after 770 a digit 1 can stand for any rest.
 */
static int64_t gather_digits(const decimal *d, natural *out) {
  int64_t exponent = d->exponent;
  int n = 0;
  bool more = false;
  out->n = 0;
  for (const char *p = d->first; p < d->last; p++) {
    if (*p == '.') continue;
    if (n < 770) {
      multiply_add(out, 10, (uint32_t)(*p - '0'));
      if (out->n > 0) n++;
    } else {
      more = more || *p != '0';
      exponent++;
    }
  }
  if (!more) return exponent;
  multiply_add(out, 10, 1);
  return exponent - 1;
}

/* Below, at or above zero as the decimal is below, at or above the middle
   between the double of these bits and the next one. */
static int compare_with_midpoint(const decimal *d, uint64_t bits) {
  uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
  int biased = (int)(bits >> 52);
  uint64_t m = 2 * (biased != 0 ? fraction | (uint64_t)1 << 52 : fraction) + 1;
  int e = (biased != 0 ? biased : 1) - 1076;
  natural left, right = {2, {(uint32_t)m, (uint32_t)(m >> 32)}};
  int q = (int)gather_digits(d, &left);
  if (right.limb[1] == 0) right.n = 1;
  if (q >= 0)
    multiply_by_power_of_5(&left, q);
  else
    multiply_by_power_of_5(&right, -q);
  if (q >= e)
    shift_left(&left, q - e);
  else
    shift_left(&right, e - q);
  return compare(&left, &right);
}

/* The two products between which the decimal lies, rounded. */
static uint64_t nearest(const decimal *d) {
  int q = (int)d->word_exponent, shift = __builtin_clzll(d->word);
  int e = log2_of_power(q) - 63 - shift;
  const uint64_t *power = powers[q - FIRST_POWER];
  uint64_t w = d->word << shift, bits;
  pair low = add(multiply(w, power[0]), (pair){0, multiply(w, power[1]).high});
  pair high = add(low, (pair){0, 1});
  int order;
  if (!d->exact)
    high = add(high, add(multiply(power[0], (uint64_t)1 << shift),
                         (pair){0, (uint64_t)1 << shift}));
  bits = round_pair(low, e + 64);
  if (high.high >= low.high && round_pair(high, e + 64) == bits) return bits;
  order = compare_with_midpoint(d, bits);
  return bits + (order > 0 || (order == 0 && (bits & 1) != 0));
}

static double to_double(const decimal *d) {
  static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  int64_t q = d->word_exponent;
  if (FLT_EVAL_METHOD == 0 && d->word <= (uint64_t)1 << 53 && d->exact &&
      q >= -22 && q <= 22) /* both exact, so that one operation rounds once */
    return q < 0 ? (double)d->word / tens[-q] : (double)d->word * tens[q];
  if (d->word == 0 || q < FIRST_POWER) return 0;
  if (q > 308) return (double)INFINITY;
  return from_bits(nearest(d));
}

const char *moe_number_read(const char *text, const char *end, double *out) {
  decimal d;
  const char *after = scan(text, end, &d);
  double x;
  if (after == NULL) return NULL;
  x = to_double(&d);
  if (isinf(x)) return NULL;
  *out = d.negative ? -x : x;
  return after;
}

/* ----------------------------------------------------------------- printing */

typedef struct digits {
  uint64_t word; /* the number is word × 10^exponent */
  int exponent;
} digits;

/* floor(g × c / 2^128), its lowest bit set when that is not exact: enough to
   compare it with multiples of two. */
static uint64_t scale(pair g, uint64_t c) {
  pair product = add(multiply(g.high, c), (pair){0, multiply(g.low, c).high});
  return product.high | (product.low > 1);
}

/* c × 2^q, with c < 2^53 and both as a double has them. */
static digits shortest(uint64_t c, int q, bool narrow_below) {
  bool odd = (c & 1) != 0;
  /* floor(log10(2^q)), or of 3/4 × 2^q where the interval is that narrow */
  int k = (int)((q * 1262611LL - (narrow_below ? 524031 : 0)) >> 22);
  int shift = q + log2_of_power(-k) + 1;
  const uint64_t *power = powers[-k - FIRST_POWER];
  bool exact = -k >= 0 && -k <= 55;
  pair g = add((pair){power[0], power[1]}, (pair){0, !exact});
  uint64_t low = scale(g, (4 * c - 2 + narrow_below) << shift) + odd;
  uint64_t middle = scale(g, 4 * c << shift);
  uint64_t high = scale(g, (4 * c + 2) << shift) - odd;
  uint64_t fine = middle / 4, coarse = fine / 10;
  bool under = low <= 40 * coarse, over = 40 * coarse + 40 <= high;
  if (fine >= 10 && under != over) return (digits){coarse + over, k + 1};
  under = low <= 4 * fine;
  over = 4 * fine + 4 <= high;
  if (under == over)
    over = middle > 4 * fine + 2 || (middle == 4 * fine + 2 && (fine & 1) != 0);
  return (digits){fine + over, k};
}

static digits digits_of(double x) {
  uint64_t bits = to_bits(x), fraction = bits & (((uint64_t)1 << 52) - 1);
  int biased = (int)(bits >> 52) & 0x7ff;
  digits d;
  if (x <= 0x1p53 && x == (double)(uint64_t)x)
    d = (digits){(uint64_t)x, 0};
  else if (biased == 0)
    d = shortest(fraction, -1074, false);
  else
    d = shortest(fraction | (uint64_t)1 << 52, biased - 1075,
                 fraction == 0 && biased > 1);
  while (d.word != 0 && d.word % 10 == 0) {
    d.word /= 10;
    d.exponent++;
  }
  return d;
}

static char *put(char *to, const char *from, int n) {
  memcpy(to, from, (size_t)n);
  return to + n;
}

static char *put_zeros(char *to, int n) {
  memset(to, '0', (size_t)n);
  return to + n;
}

/* Returns where the digits of the word begin in text[20]. */
static const char *spell(uint64_t word, char text[20]) {
  char *p = text + 20;
  do *--p = (char)('0' + word % 10);
  while ((word /= 10) != 0);
  return p;
}

static char *put_scientific(char *to, const char *text, int n, int point) {
  char buffer[20];
  int exponent = point - 1;
  const char *spelt =
      spell((uint64_t)(exponent < 0 ? -exponent : exponent), buffer);
  to = put(to, text, 1);
  if (n > 1) *to++ = '.';
  to = put(to, text + 1, n - 1);
  *to++ = 'e';
  if (exponent < 0) *to++ = '-';
  return put(to, spelt, (int)(buffer + 20 - spelt));
}

/* `point` is how many digits stand before the decimal point. */
static char *put_digits(char *to, const char *text, int n, int point) {
  if (point < -3 || point > 16) return put_scientific(to, text, n, point);
  if (point >= n) return put_zeros(put(to, text, n), point - n);
  if (point > 0) {
    to = put(to, text, point);
    *to++ = '.';
    return put(to, text + point, n - point);
  }
  to = put_zeros(put(to, "0.", 2), -point);
  return put(to, text, n);
}

size_t moe_number_print(double x, char out[MOE_NUMBER_SIZE]) {
  char text[20], *to = out;
  if (signbit(x)) *to++ = '-';
  if (isnan(x))
    to = put(out, "nan", 3);
  else if (isinf(x))
    to = put(to, "inf", 3);
  else {
    digits d = digits_of(fabs(x));
    const char *first = spell(d.word, text);
    int n = (int)(text + 20 - first);
    to = put_digits(to, first, n, n + d.exponent);
  }
  *to = '\0';
  return (size_t)(to - out);
}
