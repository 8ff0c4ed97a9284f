#include "network.h"

#include <math.h>
#include <string.h>

#include "gemm.h"
#include "portable.h"

static size_t width(const moe_network *net, size_t l) {
  return (size_t)net->widths[l];
}

/* ------------------------------------------------------------------ weights */

size_t moe_network_size(size_t layers, const int64_t *widths) {
  size_t sum = 0;
  for (size_t l = 0; l < layers; l++) {
    size_t own = moe_size((size_t)widths[l] + 1, (size_t)widths[l + 1]);
    sum = own > SIZE_MAX - sum ? SIZE_MAX : sum + own;
  }
  return sum;
}

/* Where layer l begins in a run of weights. */
static size_t place_of(const moe_network *net, size_t l) {
  return moe_network_size(l, net->widths);
}

float *moe_network_layer(const moe_network *net, size_t l) {
  return net->weights + place_of(net, l);
}

/* Of the activations only tanh leaves the variance as it is about 0; the others
   halve what passes.  The last layer has none. */
static double gain(const moe_network *net, size_t l) {
  return l + 1 < net->layers && net->activation != MOE_TANH ? 2 : 1;
}

void moe_network_start(moe_network *net, uint64_t seed) {
  float *w = net->weights;
  moe_random random;
  moe_random_seed(&random, seed);
  memset(w, 0, place_of(net, net->layers) * sizeof *w);
  for (size_t l = 0; net->layers > 1 && l < net->layers; l++) {
    size_t n = width(net, l) * width(net, l + 1);
    double bound = sqrt(3 * gain(net, l) / (double)width(net, l));
    for (size_t k = 0; k < n; k++)
      w[k] = (float)(bound * (2 * moe_random_unit(&random) - 1));
    w += n + width(net, l + 1);
  }
}

/* -------------------------------------------------------------------- trace */

static size_t widest(const moe_network *net) {
  size_t most = 0;
  for (size_t l = 1; l <= net->layers; l++)
    most = width(net, l) > most ? width(net, l) : most;
  return most;
}

size_t moe_trace_size(const moe_network *net, size_t n) {
  size_t sum = 2 * widest(net);
  for (size_t l = 1; l <= net->layers; l++) sum += 2 * width(net, l);
  return moe_size(sum, n);
}

moe_trace moe_trace_in(const moe_network *net, size_t n, float *room) {
  moe_trace t;
  memset(&t, 0, sizeof t);
  for (size_t l = 0; l < net->layers; l++) {
    t.z[l] = room;
    t.a[l] = room += n * width(net, l + 1);
    room += n * width(net, l + 1);
  }
  t.slope[0] = room;
  t.slope[1] = room + n * widest(net);
  return t;
}

/* ------------------------------------------------------------------ forward */

/* z += x w for the entries of each row; what is missing has none. */
static void multiply_sparse(const moe_inputs *x, const float *w, size_t m,
                            float *z) {
  for (size_t i = 0; i < x->n; i++, z += m) {
    moe_entries e = moe_rows_entries(x->sparse, i);
    for (size_t k = 0; k < e.n; k++) {
      const float *row = w + (size_t)e.index[k] * m, value = e.value[k];
      if (value == value)
        for (size_t c = 0; c < m; c++) z[c] += value * row[c];
    }
  }
}

/* Our own product: unlike a library's, a row of it does not depend on how many
   there are. */
static void multiply(size_t n, size_t d, size_t m, const float *x,
                     const float *w, float *z) {
  moe__product product = {.m = n,
                          .n = m,
                          .k = d,
                          .alpha = 1,
                          .a = x,
                          .lda = d,
                          .b = w,
                          .ldb = m,
                          .beta = 1,
                          .c = z,
                          .ldc = m};
  moe__portable_gemm(&product);
}

void moe_network_forward(const moe_network *net, const moe_inputs *x,
                         const moe_trace *trace) {
  const float *w = net->weights, *in = x->dense;
  for (size_t l = 0; l < net->layers; l++) {
    size_t d = width(net, l), m = width(net, l + 1);
    float *z = trace->z[l];
    for (size_t i = 0; i < x->n; i++)
      memcpy(z + i * m, w + d * m, m * sizeof *z);
    if (in == NULL)
      multiply_sparse(x, w, m, z);
    else
      multiply(x->n, d, m, in, w, z);
    if (l + 1 < net->layers)
      moe_activate(net->activation, z, trace->a[l], x->n * m);
    in = trace->a[l];
    w += (d + 1) * m;
  }
}

/* ----------------------------------------------------------------- backward */

static void add_sparse(const moe_inputs *x, const float *slope, size_t m,
                       float *g) {
  for (size_t i = 0; i < x->n; i++, slope += m) {
    moe_entries e = moe_rows_entries(x->sparse, i);
    for (size_t k = 0; k < e.n; k++) {
      float *row = g + (size_t)e.index[k] * m, value = e.value[k];
      if (value == value)
        for (size_t c = 0; c < m; c++) row[c] += value * slope[c];
    }
  }
}

void moe_network_backward(const moe_network *net, const moe_inputs *x,
                          const moe_trace *trace, float *gradient) {
  const float *slope = trace->z[net->layers - 1];
  for (size_t l = net->layers; l-- > 0;) {
    size_t d = width(net, l), m = width(net, l + 1), n = x->n;
    const float *in = l > 0 ? trace->a[l - 1] : x->dense;
    float *g = gradient + place_of(net, l), *before = trace->slope[l % 2];
    if (in == NULL)
      add_sparse(x, slope, m, g);
    else
      moe_gemm(true, false, d, m, n, 1, in, d, slope, m, 1, g, m);
    for (size_t i = 0; i < n; i++)
      for (size_t c = 0; c < m; c++) g[d * m + c] += slope[i * m + c];
    if (l == 0) break;
    moe_gemm(false, true, n, d, m, 1, slope, m, moe_network_layer(net, l), m, 0,
             before, d);
    moe_activate_back(net->activation, trace->z[l - 1], trace->a[l - 1], before,
                      n * d);
    slope = before;
  }
}
