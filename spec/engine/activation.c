/* The kernels of networks: activations against the C library's functions in
   double, their derivatives against differences, Adam against its formula. */
#include "activation.h"

#include <float.h>
#include <math.h>

#include "adam.h"
#include "promises.h"

static double exact(moe_activation f, double x) {
  switch (f) {
    case MOE_RELU: return x > 0 ? x : 0;
    case MOE_TANH: return tanh(x);
    case MOE_GELU: return 0.5 * x * erfc(-x / sqrt(2));
    case MOE_SILU: return x / (1 + exp(-x));
    case MOE_SIGMOIDAL: return 1 / (1 + exp(-x));
    case MOE_SOFTPLUS: return fmax(x, 0) + log1p(exp(-fabs(x)));
    default:
      return 0.5 * x *
             (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
  }
}

static double found(moe_activation f, double x) {
  float in = (float)x, out;
  moe_activate(f, &in, &out, 1);
  return (double)out;
}

static double slope(moe_activation f, double x) {
  float in = (float)x, out, g = 1;
  moe_activate(f, &in, &out, 1);
  moe_activate_back(f, &in, &out, &g, 1);
  return (double)g;
}

static bool near(double expected, double value) {
  return fabs(value - expected) <= 3e-7 * fmax(1, fabs(expected));
}

static bool table(void) {
  /* By Python's math.tanh, math.erfc and math.exp. */
  static const double rows[][4] = {
      {-5, -0.999909204, -0.000001433, -0.033464255},
      {-2.5, -0.986614298, -0.015524163, -0.189645450},
      {-1, -0.761594156, -0.158655254, -0.268941421},
      {-0.3, -0.291312612, -0.114626573, -0.127667245},
      {0.1, 0.099667995, 0.053982784, 0.052497919},
      {0.7, 0.604367777, 0.530625443, 0.467731441},
      {1, 0.761594156, 0.841344746, 0.731058579},
      {3, 0.995054754, 2.995950306, 2.857722380}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (int f = MOE_TANH; f <= MOE_SILU; f++)
      EXPECT(near(rows[i][f], found((moe_activation)f, rows[i][0])));
  return true;
}

static bool values(void) {
  for (int f = MOE_RELU; f < MOE_N_ACTIVATIONS; f++)
    for (double x = -40; x < 40; x += 0.00713) {
      double in = (double)(float)x;
      EXPECT(near(exact((moe_activation)f, in), found((moe_activation)f, in)));
    }
  return true;
}

/* A difference of 2e-5 in double is right to about 1e-10. */
static bool slopes(void) {
  const double h = 1e-5;
  for (int f = MOE_RELU; f < MOE_N_ACTIVATIONS; f++)
    for (double x = -40.00317; x < 40; x += 0.00713) {
      moe_activation a = (moe_activation)f;
      double in = (double)(float)x;
      double expected = (exact(a, in + h) - exact(a, in - h)) / (2 * h);
      EXPECT(near(expected, slope(a, in)));
    }
  return true;
}

static bool extremes(void) {
  const double far[] = {-FLT_MAX, -1e30, -100, -FLT_MIN, 0,
                        FLT_MIN,  100,   1e30, FLT_MAX};
  for (int f = MOE_RELU; f < MOE_N_ACTIVATIONS; f++)
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
      moe_activation a = (moe_activation)f;
      EXPECT(near(exact(a, far[i]), found(a, far[i])));
      EXPECT(fabs(slope(a, far[i])) <= 1);
    }
  EXPECT(found(MOE_TANH, 1e-20) == (double)1e-20f);
  return true;
}

/* What has gone wrong shows, instead of looking like an answer. */
static bool not_a_number(void) {
  for (int f = MOE_RELU; f < MOE_N_ACTIVATIONS; f++)
    EXPECT(isnan(found((moe_activation)f, (double)NAN)));
  return true;
}

/* In runs of any length, in place too, as one by one. */
static bool runs(void) {
  float x[67], y[67], g[67];
  for (int f = MOE_RELU; f < MOE_N_ACTIVATIONS; f++)
    for (size_t n = 0; n <= 66; n++) {
      for (size_t k = 0; k < 67; k++) {
        x[k] = (float)k / 7 - 4;
        g[k] = y[k] = 3;
      }
      moe_activate((moe_activation)f, x, y, n);
      moe_activate_back((moe_activation)f, x, y, g, n);
      EXPECT(y[n] == 3 && g[n] == 3); /* nothing behind the last */
      for (size_t k = 0; k < n; k++) {
        float once = (float)slope((moe_activation)f, (double)x[k]);
        EXPECT((double)y[k] == found((moe_activation)f, (double)x[k]));
        EXPECT(g[k] == 3 * once);
      }
      moe_activate((moe_activation)f, x, x, n);
      EXPECT(memcmp(x, y, n * sizeof *x) == 0);
    }
  return true;
}

static bool biased(void) {
  enum { ROWS = 3, WIDTH = 21 };
  float x[ROWS * WIDTH], sum[ROWS * WIDTH], bias[WIDTH];
  for (int f = MOE_RELU; f < MOE_N_ACTIVATIONS; f++) {
    for (int k = 0; k < ROWS * WIDTH; k++) {
      bias[k % WIDTH] = (float)(k % WIDTH) / 9 - 1;
      x[k] = (float)k / 11 - 3;
      sum[k] = x[k] + bias[k % WIDTH];
    }
    moe_activate((moe_activation)f, sum, sum, ROWS * WIDTH);
    moe_activate_biased((moe_activation)f, bias, x, ROWS, WIDTH);
    EXPECT(memcmp(x, sum, sizeof x) == 0);
  }
  return true;
}

/* What a row of a hidden layer is put to use for in one pass, as one by one. */
static bool rows(void) {
  enum { MOST = 37 };
  float x[MOST + 1], u[MOST + 1], g[MOST];
  for (int f = MOE_RELU; f < MOE_N_ACTIVATIONS; f++)
    for (size_t n = 0; n <= MOST; n++) {
      moe_activation a = (moe_activation)f;
      bool only_value = moe_activation_needs_only_value(a);
      double sum = 0, gated = 0;
      x[n] = u[n] = 3;
      for (size_t k = 0; k < n; k++) {
        double in = (double)k / 5 - 3, y = found(a, in);
        x[k] = (float)(only_value ? y : in);
        g[k] = (float)(k % 7) - 2.5f;
        sum += (double)g[k] * y;
      }
      EXPECT(fabs((double)moe_activate_back_row(a, g, x, n) - sum) < 1e-4);
      for (size_t k = 0; k < n; k++) {
        double in = (double)k / 5 - 3, by = (double)g[k] * slope(a, in);
        EXPECT(fabs((double)x[k] - by) < 1e-5);
        x[k] = (float)in;
        u[k] = (float)k / 9 - 1;
        gated += (double)(g[k] * u[k]) * found(a, in);
      }
      EXPECT(fabs((double)moe_activate_back_gated(a, g, x, u, n) - gated) <
             1e-4);
      for (size_t k = 0; k < n; k++) {
        double in = (double)k / 5 - 3, before = (double)k / 9 - 1;
        double by = (double)g[k] * before * slope(a, in);
        EXPECT(fabs((double)x[k] - by) < 1e-5);
        EXPECT(fabs((double)u[k] - (double)g[k] * found(a, in)) < 1e-5);
      }
      EXPECT(x[n] == 3 && u[n] == 3); /* nothing behind the last */
    }
  return true;
}

/* The formula as it stands in the paper, in double. */
static void step(const moe_adam *r, int t, double g, double *w, double *m,
                 double *v) {
  *m = r->beta1 * *m + (1 - r->beta1) * g;
  *v = r->beta2 * *v + (1 - r->beta2) * g * g;
  double mean = *m / (1 - pow(r->beta1, t));
  double square = *v / (1 - pow(r->beta2, t));
  *w -= r->lr * (mean / (sqrt(square) + r->epsilon) + r->decay * *w);
}

static bool adam(void) {
  const moe_adam rule = {0.01, 0.9, 0.999, 1e-8, 0.1};
  float w[19], m[19] = {0}, v[19] = {0}, g[19];
  double x[19], mean[19] = {0}, square[19] = {0};
  for (int k = 0; k < 19; k++) x[k] = (double)(w[k] = (float)k / 10 - 1);
  for (int t = 1; t <= 200; t++) {
    for (int k = 0; k < 19; k++) {
      g[k] = (float)sin(t * (k + 1)) * powf(10, (float)(k % 5 - 2));
      step(&rule, t, (double)g[k], &x[k], &mean[k], &square[k]);
    }
    moe_adam_step(&rule, t, g, 19, w, m, v);
    for (int k = 0; k < 19; k++) EXPECT(fabs((double)w[k] - x[k]) < 2e-6);
  }
  return true;
}

/* m̂ = g and v̂ = g², so that the first step is lr in the direction of −g. */
static bool first_step(void) {
  const moe_adam rule = {0.25, 0.9, 0.999, 1e-8, 0};
  float w[3] = {1, 1, 1}, m[3] = {0}, v[3] = {0};
  const float g[3] = {1e-3f, -50, 0};
  moe_adam_step(&rule, 1, g, 3, w, m, v);
  EXPECT(fabs((double)w[0] - 0.75) < 1e-5 && fabs((double)w[1] - 1.25) < 1e-6);
  EXPECT(w[2] == 1 && m[2] == 0 && v[2] == 0);
  return true;
}

/* With no derivative the weights fall by lr · decay: decoupled, not through the
   moments. */
static bool decay(void) {
  const moe_adam rule = {0.5, 0.9, 0.999, 1e-8, 0.25};
  float w[2] = {8, -8}, m[2] = {0}, v[2] = {0};
  const float g[2] = {0, 0};
  moe_adam_step(&rule, 1, g, 2, w, m, v);
  EXPECT(w[0] == 7 && w[1] == -7 && m[0] == 0 && v[0] == 0);
  return true;
}

/* The square of such a derivative is no float. */
static bool huge(void) {
  const moe_adam rule = {0.25, 0.9, 0.999, 1e-8, 0};
  float w[2] = {1, 1}, m[2] = {0}, v[2] = {0}, before;
  const float g[2] = {1e30f, -FLT_MAX}, next[2] = {1, -1};
  moe_adam_step(&rule, 1, g, 2, w, m, v);
  EXPECT(fabs((double)w[0] - 0.75) < 1e-5 && fabs((double)w[1] - 1.25) < 1e-5);
  EXPECT(isfinite(v[0]) && isfinite(v[1]) && isfinite(m[1]));
  before = w[0];
  moe_adam_step(&rule, 2, next, 2, w, m, v);
  EXPECT(w[0] < before && isfinite(w[1])); /* it still moves */
  return true;
}

static const promise promises[] = {
    {"activations have the values of their definitions", table},
    {"activations are within 3e-7 of the C library's functions", values},
    {"their derivatives are those of differences", slopes},
    {"finite numbers, however large, give numbers", extremes},
    {"what is not a number stays that", not_a_number},
    {"a run of any length gives what its numbers give by themselves", runs},
    {"a bias is added before", biased},
    {"one pass over a row gives its product and its slopes", rows},
    {"adam makes the steps of the paper", adam},
    {"adam's first step is lr, whatever the derivative's size", first_step},
    {"adam survives derivatives that no float can hold the square of", huge},
    {"adam's weight decay is decoupled from its moments", decay},
    {NULL, NULL}};

int main(void) { return keep(promises); }
