#include "gate_score.h"

#include <float.h>
#include <math.h>

enum { ROUNDS = 10 };

static double square_of(const moe_target *y, size_t at, size_t e) {
  const double *r = y->values + (at * y->width + e) * y->errors;
  double sum = 0;
  for (size_t o = 0; o < y->errors; o++) sum += r[o] * r[o];
  return sum;
}

double moe_gate_score(const moe_target *y, double precision, size_t at,
                      size_t e) {
  if (y->errors == 0) return y->values[at * y->width + e];
  return -precision / 2 * square_of(y, at, e);
}

double moe_gate_compare(const moe_batch *b, double precision, size_t i,
                        double *out) {
  size_t at = moe_rows_at(&b->x, i);
  double best = -INFINITY;
  for (size_t e = 0; e < b->y->width; e++) {
    out[e] = moe_gate_score(b->y, precision, at, e);
    if (out[e] != out[e]) return out[e];
    best = fmax(best, out[e]);
  }
  for (size_t e = 0; e < b->y->width; e++) out[e] -= best;
  return best;
}

/* The square of the row's errors, as far as each expert is responsible for it
   at this precision; at an infinite one the least.  NaN: it is not known. */
static double square_in(const moe_target *y, size_t at, double precision) {
  double least = INFINITY, sum = 0, squares = 0;
  for (size_t e = 0; e < y->width; e++) {
    double square = square_of(y, at, e);
    if (square != square) return square;
    least = fmin(least, square);
  }
  if (isinf(precision) || isinf(least)) return least;
  for (size_t e = 0; e < y->width; e++) {
    double square = square_of(y, at, e);
    double h = exp(-precision / 2 * (square - least));
    sum += h;
    squares += h > 0 ? h * square : 0;
  }
  return squares / sum;
}

/* Expectation maximisation, from the errors of the best of each row. */
double moe_gate_precision(const moe_batch *b) {
  double precision = INFINITY;
  if (b->y->errors == 0) return 1;
  for (int round = 0; round < ROUNDS; round++) {
    double squares = 0, weight = 0;
    for (size_t i = 0; i < b->x.n; i++) {
      double w = moe_batch_weight(b, i);
      double square = square_in(b->y, moe_rows_at(&b->x, i), precision);
      if (w == 0 || !isfinite(square)) continue;
      squares += w * square;
      weight += w * (double)b->y->errors;
    }
    precision = weight / squares;
    if (!(precision < DBL_MAX)) return DBL_MAX; /* nobody errs */
    precision = fmax(precision, DBL_MIN);
  }
  return precision;
}
