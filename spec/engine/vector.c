/* The kernels on doubles against plain loops in long double, and exp against
   the C library's. */
#include "vector.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "promises.h"
#include "random.h"
#include "vector_kernels.h"

enum { MOST = 67 };

static double x[MOST * MOST], w[MOST * MOST], y[MOST * MOST], z[MOST * MOST];

static void fill(uint64_t seed) {
  moe_random r;
  moe_random_seed(&r, seed);
  for (int i = 0; i < MOST * MOST; i++) {
    x[i] = moe_random_normal(&r);
    w[i] = moe_random_normal(&r);
    y[i] = z[i] = moe_random_normal(&r);
  }
}

static bool near(double found, long double expected, long double size) {
  return fabsl((long double)found - expected) <= 1e-14L * (1 + size);
}

static bool exps(void) {
  double worst = 0;
  for (double t = -708; t < 709.7; t += 0.0137) {
    double e = t;
    long double exact = expl((long double)t);
    moe_exp(&e, 1);
    double ulps = (double)(fabsl((long double)e - exact) /
                           ((long double)DBL_EPSILON * exact));
    worst = ulps > worst ? ulps : worst;
  }
  EXPECT(worst < 1.5);
  double hard[] = {-INFINITY, -1e308, -745, -709, -0.0, 0, 1, 709.78, -DBL_MIN};
  moe_exp(hard, 9);
  for (int i = 0; i < 4; i++) EXPECT(hard[i] == 0);
  EXPECT(hard[4] == 1 && hard[5] == 1 && hard[8] == 1);
  EXPECT(fabs(hard[6] - 2.718281828459045) < 5e-16 && isfinite(hard[7]));
  return true;
}

static bool logs(void) {
  double worst = 0;
  for (double t = 1e-300; t < 1e300; t *= 1.0137) {
    long double exact = logl((long double)t);
    long double size = (long double)DBL_EPSILON * fabsl(exact);
    double ulps = (double)(fabsl((long double)moe__log_of(t) - exact) / size);
    worst = ulps > worst ? ulps : worst;
  }
  EXPECT(worst < 2);
  EXPECT(moe__log_of(1) == 0);
  EXPECT(moe__log_of(0) == moe__log_of(1e-300) && moe__log_of(-1) < -690);
  return true;
}

static bool dots(void) {
  fill(1);
  for (size_t n = 0; n <= MOST; n++) {
    long double sum = 0, size = 0;
    for (size_t j = 0; j < n; j++) {
      sum += (long double)x[j] * w[j];
      size += fabsl((long double)x[j] * w[j]);
    }
    EXPECT(near(moe_dot(x, w, n), sum, size));
  }
  return true;
}

static bool tanhs(void) {
  for (int k = -3000; k <= 3000; k++) {
    double t = k / 137.0, found = t;
    moe_tanh(&found, 1);
    EXPECT(fabsl((long double)found - tanhl((long double)t)) <= 0x1p-51L);
  }
  double hard[] = {0, 1e300, -1e300, INFINITY, -INFINITY};
  moe_tanh(hard, 5);
  EXPECT(hard[0] == 0 && hard[1] == 1 && hard[2] == -1);
  EXPECT(hard[3] == 1 && hard[4] == -1);
  return true;
}

static bool axpys(void) {
  fill(2);
  moe_axpy(-2.5, x, y, MOST);
  for (int j = 0; j < MOST; j++) EXPECT(y[j] == z[j] + -2.5 * x[j]);
  moe_scale(3, y, MOST);
  for (int j = 0; j < MOST; j++) EXPECT(y[j] == 3 * (z[j] + -2.5 * x[j]));
  EXPECT(moe_max_abs(y, 0) == 0);
  y[5] = -1e9;
  EXPECT(moe_max_abs(y, MOST) == 1e9);
  return true;
}

static bool products(void) {
  for (size_t n = 0; n < 12; n++)
    for (size_t d = 1; d < MOST; d += 11) {
      const size_t m = 5;
      fill(n * 100 + d);
      moe_products(x, n, d, w, m, y);
      for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < m; c++) {
          long double sum = z[i * m + c], size = 0;
          double alone = z[i * m + c];
          for (size_t j = 0; j < d; j++) {
            sum += (long double)x[i * d + j] * w[c * d + j];
            size += fabsl((long double)x[i * d + j] * w[c * d + j]);
          }
          EXPECT(near(y[i * m + c], sum, size));
          moe_products(x + i * d, 1, d, w + c * d, 1, &alone);
          EXPECT(y[i * m + c] == alone);
        }
      EXPECT(y[n * m] == z[n * m]); /* nothing behind the last */
    }
  return true;
}

/* The products of moe_dot, to the bit, in any number of rows. */
static bool lines(void) {
  for (size_t m = 0; m < 11; m++)
    for (size_t d = 1; d < MOST; d += 11) {
      fill(m * 100 + d);
      EXPECT(moe_lines(w, z, 0.5, m, x, d, y));
      for (size_t c = 0; c < m; c++)
        EXPECT(y[c] == moe_dot(w + c * d, x, d) * 0.5 + z[c]);
      EXPECT(y[m] == z[m]);
      x[d - 1] = NAN;
      EXPECT(moe_lines(w, z, 1, m, x, d, y) == (m == 0));
      for (size_t c = 0; c < m; c++) EXPECT(isfinite(y[c]));
    }
  return true;
}

static bool averages(void) {
  for (size_t n = 0; n < MOST; n++) {
    fill(n);
    moe_average(x, 0.25, y, n);
    for (size_t j = 0; j < n; j++) EXPECT(y[j] == 0.75 * z[j] + 0.25 * x[j]);
    EXPECT(y[n] == z[n]);
  }
  return true;
}

static bool sums(void) {
  for (size_t n = 0; n < 12; n++)
    for (size_t d = 1; d < MOST; d += 13) {
      const size_t m = 3;
      fill(n * 100 + d);
      moe_weighted_sums(w, n, m, x, d, y);
      for (size_t c = 0; c < m; c++)
        for (size_t j = 0; j < d; j++) {
          long double sum = z[c * d + j], size = 0;
          for (size_t i = 0; i < n; i++) {
            sum += (long double)w[i * m + c] * x[i * d + j];
            size += fabsl((long double)w[i * m + c] * x[i * d + j]);
          }
          EXPECT(near(y[c * d + j], sum, size));
        }
      EXPECT(y[m * d] == z[m * d]);
    }
  return true;
}

static bool grams(void) {
  for (size_t n = 0; n < 12; n++)
    for (size_t d = 1; d < MOST; d += 11) {
      fill(n * 100 + d);
      moe_gram(x, n, d, y);
      for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b <= a; b++) {
          long double sum = z[a * d + b], size = 0;
          for (size_t i = 0; i < n; i++) {
            sum += (long double)x[i * d + a] * x[i * d + b];
            size += fabsl((long double)x[i * d + a] * x[i * d + b]);
          }
          EXPECT(near(y[a * d + b], sum, size));
        }
    }
  return true;
}

static bool standards(void) {
  double rows[] = {1, NAN, 3, 4, 5, -6}, row[3];
  const double centre[] = {1, 2, 3}, factor[] = {2, 0.5, 0};
  const float floats[] = {4, NAN, 6};
  const double expected[] = {0, 0, 0, 6, 1.5, 0};
  moe_standardize(rows, 2, 3, centre, factor);
  for (int i = 0; i < 6; i++) EXPECT(rows[i] == expected[i]);
  moe_standardize_floats(floats, 3, centre, factor, row);
  EXPECT(row[0] == 6 && row[1] == 0 && row[2] == 0);
  return true;
}

static bool softmaxes(void) {
  static const struct {
    double in[3], out[3];
  } cases[] = {
      {{0, 0, 0}, {1.0 / 3, 1.0 / 3, 1.0 / 3}},
      {{1e38, -1e38, -1e38}, {1, 0, 0}},
      {{1e308, 1e308, -1e308}, {0.5, 0.5, 0}},
      {{INFINITY, 0, 1}, {1, 0, 0}},
      {{INFINITY, INFINITY, 0}, {0.5, 0.5, 0}},
      {{-INFINITY, 0, -INFINITY}, {0, 1, 0}},
      {{-INFINITY, -INFINITY, -INFINITY}, {1.0 / 3, 1.0 / 3, 1.0 / 3}},
      {{NAN, 0, 0}, {0, 0.5, 0.5}},
      {{NAN, NAN, NAN}, {1.0 / 3, 1.0 / 3, 1.0 / 3}},
      {{NAN, INFINITY, 0}, {0, 1, 0}},
      /* 1, e and e² over their sum, by Python's decimal */
      {{0, 1, 2},
       {0.090030573170380457, 0.24472847105479765, 0.66524095577482189}},
  };
  enum { CASES = sizeof cases / sizeof *cases };
  double all[CASES * 3];
  for (int i = 0; i < CASES; i++) memcpy(all + 3 * i, cases[i].in, 3 * 8);
  moe_softmax(all, CASES, 3);
  for (int i = 0; i < CASES * 3; i++)
    EXPECT(fabs(all[i] - cases[i / 3].out[i % 3]) < 1e-15);
  return true;
}

static const promise promises[] = {
    {"exp is right to 1.5 ulp from -708 to 709.7, and 0 below", exps},
    {"log is right to 2 ulp, and what is below 1e-300 is that", logs},
    {"tanh is right to 2^-51, and ±1 far out", tanhs},
    {"a dot product of any length is that of long doubles", dots},
    {"axpy, scale and the largest are what they say", axpys},
    {"products are right, and a row among others gives what it gives alone",
     products},
    {"lines at one x are right, and say where x has a hole", lines},
    {"averages move by their share", averages},
    {"weighted sums of rows are right", sums},
    {"the lower triangle of xᵀx is right", grams},
    {"standardising takes what is missing for 0", standards},
    {"softmax sums to 1 whatever the logits are", softmaxes},
    {NULL, NULL}};

int main(void) { return keep(promises); }
