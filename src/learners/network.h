/* Affine maps with an activation between them, in float32 and without a tape:
     a_0 = x,   z_l = a_l-1 W_l + b_l,   a_l = f(z_l),
   and the last z is the answer.  What it computes for a row does not depend on
   the other rows.  No allocation, no errors. */
#ifndef MOE_NETWORK_H
#define MOE_NETWORK_H

#include "activation.h"
#include "rows.h"

enum { MOE_MOST_LAYERS = 16 };

typedef struct moe_network {
  moe_activation activation;
  size_t layers;         /* affine maps, from 1 to MOE_MOST_LAYERS */
  const int64_t *widths; /* layers + 1: of x, of each z */
  float *weights; /* of each layer in turn W (inputs × outputs), then b */
} moe_network;

/* Numbers in `weights`; SIZE_MAX where that overflows. */
size_t moe_network_size(size_t layers, const int64_t *widths);

/* The weights of layer l, whose biases are behind them. */
float *moe_network_layer(const moe_network *net, size_t l);

/* Uniform weights that keep the variance from layer to layer (Glorot & Bengio
   2010, He et al. 2015, arXiv 1502.01852), biases of 0; without a hidden layer
   all are 0. */
void moe_network_start(moe_network *net, uint64_t seed);

/* n rows of x: n × widths[0] floats, or the first of a sparse source. */
typedef struct moe_inputs {
  size_t n;
  const float *dense;
  const moe_rows *sparse; /* where dense is NULL */
} moe_inputs;

/* What one pass forward leaves for the pass back. */
typedef struct moe_trace {
  float *z[MOE_MOST_LAYERS]; /* n × widths[l + 1] */
  float *a[MOE_MOST_LAYERS]; /* the same; of hidden layers */
  float *slope[2];           /* n × the largest of those widths */
} moe_trace;

/* Floats that a trace of n rows takes, and the trace laid out in them. */
size_t moe_trace_size(const moe_network *net, size_t n);
moe_trace moe_trace_in(const moe_network *net, size_t n, float *room);

/* The answer is in trace->z[layers − 1]. */
void moe_network_forward(const moe_network *net, const moe_inputs *x,
                         const moe_trace *trace);

/* Adds the derivatives by the weights to `gradient`, given those by the answer
   in trace->z[layers − 1]. */
void moe_network_backward(const moe_network *net, const moe_inputs *x,
                          const moe_trace *trace, float *gradient);

#endif
