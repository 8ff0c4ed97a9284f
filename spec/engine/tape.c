/* Gradients of operations on tensors: each against a central difference in a
   random direction, and what backward keeps, gives back and refuses. */
#include "tape.h"

#include <math.h>
#include <stdlib.h>

#include "kernels.h"
#include "memory.h"
#include "operations.h"
#include "promises.h"
#include "random.h"
#include "sparse_experts.h"

enum { MOST = 7 };

typedef moe_status (*making)(moe_call *call, int which, moe_tensor **in,
                             moe_tensor **out);

typedef struct checked {
  const char *name;
  making make;
  int which, n;
  int64_t shapes[MOST][MOE_MAX_DIMS]; /* ending with 0 */
  double low, high;                   /* of the items */
} checked;

static moe_random source;

static moe_tensor *random_tensor(moe_call *call, const int64_t *shape,
                                 double low, double high) {
  int ndim = 0;
  moe_tensor *t;
  while (ndim < MOE_MAX_DIMS && shape[ndim] > 0) ndim++;
  if (moe_tensor_new(call, MOE_F32, ndim, shape, &t) != MOE_OK) abort();
  for (size_t i = 0; i < t->n; i++)
    t->f[i] = (float)(low + (high - low) * moe_random_unit(&source));
  return t;
}

/* Σ r·out, summed in double. */
static double weigh(const moe_tensor *out, const double *r) {
  double sum = 0;
  for (size_t i = 0; i < out->n; i++) sum += r[i] * (double)out->f[i];
  return sum;
}

static double moved(moe_call *call, const checked *c, moe_tensor **in,
                    moe_tensor **at, moe_tensor **way, double h,
                    const double *r) {
  moe_tensor *out;
  for (int k = 0; k < c->n; k++)
    for (size_t i = 0; i < in[k]->n; i++)
      at[k]->f[i] = in[k]->f[i] + (float)(h * (double)way[k]->f[i]);
  call->recording = false;
  if (c->make(call, c->which, at, &out) != MOE_OK) abort();
  call->recording = true;
  double value = weigh(out, r);
  moe_tensor_release(out);
  return value;
}

/* The derivative along `way` by backward, and by differences. */
static bool agrees(moe_call *call, const checked *c) {
  moe_tensor *in[MOST], *way[MOST], *at[MOST], *out;
  double found = 0, size = 0, h = 1e-3;
  for (int k = 0; k < c->n; k++) {
    in[k] = random_tensor(call, c->shapes[k], c->low, c->high);
    way[k] = random_tensor(call, c->shapes[k], -1, 1);
    at[k] = random_tensor(call, c->shapes[k], 0, 1);
    if (moe_tape_require(call, in[k], true) != MOE_OK) return false;
  }
  if (c->make(call, c->which, in, &out) != MOE_OK) return false;
  size_t n = out->n;
  double *r = moe_alloc(n, sizeof *r);
  float *seed = moe_alloc(n, sizeof *seed);
  for (size_t i = 0; i < n; i++)
    r[i] = (double)(seed[i] = (float)(2 * moe_random_unit(&source) - 1));
  if (moe_tape_backward(call, out, seed, false) != MOE_OK) return false;
  for (int k = 0; k < c->n; k++)
    for (size_t i = 0; i < in[k]->n; i++) {
      double part =
          (double)in[k]->record->gradient->f[i] * (double)way[k]->f[i];
      found += part;
      size += fabs(part);
    }
  double expected =
      (moved(call, c, in, at, way, h, r) - moved(call, c, in, at, way, -h, r)) /
      (2 * h);
  for (int k = 0; k < c->n; k++) {
    moe_tensor_release(in[k]);
    moe_tensor_release(way[k]);
    moe_tensor_release(at[k]);
  }
  moe_tensor_release(out);
  moe_free(r);
  moe_free(seed);
  if (fabs(found - expected) <= 2e-3 * (1 + size)) return true;
  snprintf(why, sizeof why, "%s: %.6g by backward, %.6g by differences",
           c->name, found, expected);
  return false;
}

static moe_status binary(moe_call *call, int which, moe_tensor **in,
                         moe_tensor **out) {
  return moe_tensor_binary(call, (moe_binary)which, in[0], in[1], out);
}
static moe_status unary(moe_call *call, int which, moe_tensor **in,
                        moe_tensor **out) {
  return moe_tensor_unary(call, (moe_unary)which, in[0], out);
}
static moe_status product(moe_call *call, int which, moe_tensor **in,
                          moe_tensor **out) {
  return moe_tensor_product(call, which & 1, which & 2, in[0], in[1], out);
}
static moe_status reduce(moe_call *call, int which, moe_tensor **in,
                         moe_tensor **out) {
  return moe_tensor_reduce(call, (moe_reduction)(which / 4), in[0], which % 4,
                           out);
}

static moe_status activate(moe_call *call, int which, moe_tensor **in,
                           moe_tensor **out) {
  return moe_tensor_activate(call, (moe_activation)which, in[0], out);
}
static moe_status affine(moe_call *call, int which, moe_tensor **in,
                         moe_tensor **out) {
  return moe_tensor_affine(call, in[0], in[1], which ? in[2] : NULL, out);
}
static moe_status softmax(moe_call *call, int which, moe_tensor **in,
                          moe_tensor **out) {
  return moe_tensor_softmax(call, in[0], which, out);
}
static moe_status normalize(moe_call *call, int which, moe_tensor **in,
                            moe_tensor **out) {
  return moe_tensor_normalize(call, in[0], which & 1, which & 2 ? in[1] : NULL,
                              which & 4 ? in[2] : NULL, 1e-5, out);
}
static moe_status drop(moe_call *call, int which, moe_tensor **in,
                       moe_tensor **out) {
  return moe_tensor_dropout(call, in[0], 0.4, (uint64_t)which, out);
}

static moe_tensor *indices(moe_call *call, int64_t rows, int64_t columns,
                           int32_t below) {
  const int64_t shape[] = {rows, columns};
  moe_tensor *t;
  if (moe_tensor_new(call, MOE_I32, columns > 0 ? 2 : 1, shape, &t) != MOE_OK)
    abort();
  for (size_t i = 0; i < t->n; i++) t->i[i] = (int32_t)(7 * i + i / 3) % below;
  return t;
}

enum { EMBED, SCATTER, ENTROPY, SMOOTHED, IGNORING };

static moe_status by_index(moe_call *call, int which, moe_tensor **in,
                           moe_tensor **out) {
  moe_tensor *ids = indices(call, 6, which == EMBED ? 2 : 0, 5);
  moe_status status = which == EMBED ? moe_tensor_embed(call, in[0], ids, out)
                      : which == SCATTER
                          ? moe_tensor_scatter(call, in[0], ids, 5, out)
                          : moe_tensor_cross_entropy(
                                call, in[0], ids, which == IGNORING ? 2 : -1,
                                which == SMOOTHED ? 0.1 : 0, out);
  moe_tensor_release(ids);
  return status;
}

static moe_status concat(moe_call *call, int which, moe_tensor **in,
                         moe_tensor **out) {
  return moe_tensor_concat(call, 3, in, which, out);
}
static moe_status slice(moe_call *call, int which, moe_tensor **in,
                        moe_tensor **out) {
  return moe_tensor_slice(call, in[0], which, 1, 2, out);
}
static moe_status exchange(moe_call *call, int which, moe_tensor **in,
                           moe_tensor **out) {
  return moe_tensor_exchange(call, in[0], which / 4, which % 4, out);
}
static moe_status reshape(moe_call *call, int which, moe_tensor **in,
                          moe_tensor **out) {
  static const int64_t shape[] = {2, -1};
  (void)which;
  return moe_tensor_shape_as(call, in[0], 2, shape, out);
}
static moe_status distance(moe_call *call, int which, moe_tensor **in,
                           moe_tensor **out) {
  return moe_tensor_distance(call, (moe_distance)which, in[0], in[1], 0.7, out);
}
static moe_status attend(moe_call *call, int which, moe_tensor **in,
                         moe_tensor **out) {
  return moe_tensor_attend(call, in[0], in[1], in[2], which & 4 ? 3 : 1,
                           which & 1, which & 2 ? 10000 : 0, out);
}

/* Five experts for rows that select two of them, or none in places; `which` is
   the activation, and 16 where they are gated. */
static moe_status experts(moe_call *call, int which, moe_tensor **in,
                          moe_tensor **out) {
  moe_tensor *ids = indices(call, in[1]->shape[0], 2, 5);
  moe_expert_weights w = {.w_in = in[2], .w_out = in[3]};
  if (which & 16) {
    w.w_gate = in[4];
  } else {
    w.b_in = in[4];
    w.b_out = in[5];
  }
  for (size_t i = 1; i < ids->n; i += 2)
    ids->i[i] = ids->i[i] == ids->i[i - 1] ? -1 : ids->i[i];
  moe_status status = moe_tensor_experts(call, (moe_activation)(which & 15),
                                         in[0], in[1], ids, &w, out);
  moe_tensor_release(ids);
  return status;
}

static const checked table[] = {
    {"add", binary, MOE_ADD, 2, {{3, 5}, {3, 5}}, -2, 2},
    {"add a row", binary, MOE_ADD, 2, {{3, 5}, {5}}, -2, 2},
    {"add a column", binary, MOE_ADD, 2, {{3, 1}, {3, 5}}, -2, 2},
    {"subtract", binary, MOE_SUBTRACT, 2, {{4, 1, 3}, {2, 3}}, -2, 2},
    {"multiply", binary, MOE_MULTIPLY, 2, {{7}, {2, 3, 7}}, -2, 2},
    {"multiply by one", binary, MOE_MULTIPLY, 2, {{1}, {6, 7}}, -2, 2},
    {"divide", binary, MOE_DIVIDE, 2, {{2, 3, 1, 5}, {3, 4, 1}}, 0.5, 2},
    {"power", binary, MOE_POWER, 2, {{5, 3}, {5, 3}}, 0.5, 2},
    {"power of a row", binary, MOE_POWER, 2, {{5, 3}, {3}}, 0.5, 2},
    {"negate", unary, MOE_NEGATE, 1, {{5, 7}}, -2, 2},
    {"exp", unary, MOE_EXP, 1, {{5, 7}}, -2, 2},
    {"log", unary, MOE_LOG, 1, {{5, 7}}, 0.5, 2},
    {"sqrt", unary, MOE_SQRT, 1, {{35}}, 0.5, 2},
    {"abs", unary, MOE_ABS, 1, {{5, 7}}, 0.1, 2},
    {"abs, below 0", unary, MOE_ABS, 1, {{5, 7}}, -2, -0.1},
    {"divide by a column", binary, MOE_DIVIDE, 2, {{3, 17}, {3, 1}}, 0.5, 2},
    {"subtract outwards", binary, MOE_SUBTRACT, 2, {{9, 1}, {1, 11}}, -2, 2},
    {"exp of many", unary, MOE_EXP, 1, {{1031}}, -2, 2},
    {"matmul", product, 0, 2, {{5, 7}, {7, 3}}, -1, 1},
    {"matmul, first transposed", product, 1, 2, {{7, 5}, {7, 3}}, -1, 1},
    {"matmul, second transposed", product, 2, 2, {{5, 7}, {3, 7}}, -1, 1},
    {"matmul, both transposed", product, 3, 2, {{7, 5}, {3, 7}}, -1, 1},
    {"matmul of a row", product, 0, 2, {{7}, {7, 3}}, -1, 1},
    {"matmul by a column", product, 0, 2, {{300, 7}, {7}}, -1, 1},
    {"matmul of one", product, 0, 2, {{1, 1}, {1, 1}}, -1, 1},
    {"matmul, long", product, 0, 2, {{3, 257}, {257, 2}}, -1, 1},
    {"matmul, both transposed, wide", product, 3, 2, {{9, 1}, {33, 9}}, -1, 1},
    {"sum over the first", reduce, 4 * MOE_SUM, 1, {{2, 3, 5, 7}}, -1, 1},
    {"sum over the last", reduce, 4 * MOE_SUM + 3, 1, {{2, 3, 1, 7}}, -1, 1},
    {"mean over the first", reduce, 4 * MOE_MEAN, 1, {{5, 3}}, -1, 1},
    {"mean over the last", reduce, 4 * MOE_MEAN + 2, 1, {{3, 4, 19}}, -1, 1},
    {"max over the first", reduce, 4 * MOE_MAX, 1, {{7, 3}}, -50, 50},
    {"sum", reduce, 4 * MOE_SUM + 1, 1, {{3, 4, 5}}, -1, 1},
    {"mean", reduce, 4 * MOE_MEAN, 1, {{3, 4, 5}}, -1, 1},
    {"max", reduce, 4 * MOE_MAX + 2, 1, {{3, 4, 5}}, -50, 50},
    {"min", reduce, 4 * MOE_MIN + 1, 1, {{3, 4}}, -50, 50},
    {"relu", activate, MOE_RELU, 1, {{5, 7}}, 0.1, 2},
    {"relu, below 0", activate, MOE_RELU, 1, {{5, 7}}, -2, -0.1},
    {"relu of many", activate, MOE_RELU, 1, {{1031}}, 0.1, 2},
    {"tanh of many", activate, MOE_TANH, 1, {{1031}}, -2, 2},
    {"gelu of many", activate, MOE_GELU, 1, {{1031}}, -3, 3},
    {"silu of many", activate, MOE_SILU, 1, {{1031}}, -3, 3},
    {"gelu_tanh of many", activate, MOE_GELU_TANH, 1, {{1031}}, -3, 3},
    {"sigmoid of many", activate, MOE_SIGMOIDAL, 1, {{1031}}, -3, 3},
    {"softplus of many", activate, MOE_SOFTPLUS, 1, {{1031}}, -3, 3},
    {"tanh", activate, MOE_TANH, 1, {{5, 7}}, -2, 2},
    {"gelu", activate, MOE_GELU, 1, {{5, 7}}, -3, 3},
    {"silu", activate, MOE_SILU, 1, {{5, 7}}, -3, 3},
    {"gelu_tanh", activate, MOE_GELU_TANH, 1, {{5, 7}}, -3, 3},
    {"sigmoid", activate, MOE_SIGMOIDAL, 1, {{5, 7}}, -3, 3},
    {"softplus", activate, MOE_SOFTPLUS, 1, {{5, 7}}, -3, 3},
    {"affine", affine, 1, 3, {{3, 2, 7}, {7, 5}, {5}}, -1, 1},
    {"affine of many rows", affine, 1, 3, {{300, 7}, {7, 5}, {5}}, -1, 1},
    {"affine without bias", affine, 0, 2, {{7}, {7, 5}}, -1, 1},
    {"softmax", softmax, 0, 1, {{3, 19}}, -3, 3},
    {"log_softmax", softmax, 1, 1, {{2, 3, 5}}, -3, 3},
    {"softmax of one", softmax, 0, 1, {{4, 1}}, -3, 3},
    {"softmax of four dimensions", softmax, 0, 1, {{2, 1, 3, 17}}, -3, 3},
    {"log_softmax, wide", softmax, 1, 1, {{3, 37}}, -3, 3},
    {"layer_norm, wide", normalize, 6, 3, {{3, 67}, {67}, {67}}, -2, 2},
    {"layer_norm of a row", normalize, 6, 3, {{9}, {9}, {9}}, -2, 2},
    {"rms_norm, wide", normalize, 3, 2, {{2, 2, 67}, {67}}, -2, 2},
    {"rms_norm, plain", normalize, 1, 1, {{3, 7}}, -2, 2},
    {"layer_norm", normalize, 6, 3, {{3, 2, 7}, {7}, {7}}, -2, 2},
    {"layer_norm, plain", normalize, 0, 1, {{3, 7}}, -2, 2},
    {"rms_norm", normalize, 3, 2, {{3, 7}, {7}}, -2, 2},
    {"dropout", drop, 5, 1, {{6, 7}}, -2, 2},
    {"embedding", by_index, EMBED, 1, {{5, 3}}, -2, 2},
    {"embedding of a column", by_index, EMBED, 1, {{5, 1}}, -2, 2},
    {"embedding, wide", by_index, EMBED, 1, {{5, 67}}, -2, 2},
    {"scatter, wide", by_index, SCATTER, 1, {{6, 67}}, -2, 2},
    {"scatter", by_index, SCATTER, 1, {{6, 3}}, -2, 2},
    {"cross_entropy", by_index, ENTROPY, 1, {{6, 5}}, -2, 2},
    {"cross_entropy, smoothed", by_index, SMOOTHED, 1, {{6, 5}}, -2, 2},
    {"cross_entropy, wide", by_index, SMOOTHED, 1, {{6, 37}}, -2, 2},
    {"cross_entropy, ignoring", by_index, IGNORING, 1, {{2, 3, 5}}, -2, 2},
    {"concat", concat, 0, 3, {{2, 3}, {1, 3}, {4, 3}}, -2, 2},
    {"concat inside", concat, 1, 3, {{2, 3, 2}, {2, 1, 2}, {2, 2, 2}}, -2, 2},
    {"slice", slice, 0, 1, {{5, 3}}, -2, 2},
    {"slice inside", slice, 1, 1, {{2, 5, 3}}, -2, 2},
    {"transpose", exchange, 1, 1, {{5, 3}}, -2, 2},
    {"transpose inside", exchange, 1 * 4 + 3, 1, {{2, 3, 4, 5}}, -2, 2},
    {"reshape", reshape, 0, 1, {{3, 4}}, -2, 2},
    {"mse", distance, MOE_SQUARED_DISTANCE, 2, {{5, 3}, {5, 3}}, -2, 2},
    {"huber", distance, MOE_HUBER_DISTANCE, 2, {{5, 3}, {5, 3}}, -2, 2},
    {"huber, far", distance, MOE_HUBER_DISTANCE, 2, {{3, 17}, {3, 17}}, -9, 9},
    {"bce_with_logits, far",
     distance,
     MOE_LOGISTIC_DISTANCE,
     2,
     {{3, 17}, {3, 17}},
     -9,
     9},
    {"bce_with_logits", distance, MOE_LOGISTIC_DISTANCE, 2, {{15}, {15}}, 0, 1},
    {"attention", attend, 0, 3, {{2, 5, 4}, {2, 5, 4}, {2, 5, 4}}, -1, 1},
    {"causal", attend, 1, 3, {{2, 5, 4}, {2, 5, 4}, {2, 5, 4}}, -1, 1},
    {"attention of one",
     attend,
     1,
     3,
     {{1, 1, 3}, {1, 1, 3}, {1, 1, 3}},
     -1,
     1},
    {"causal, long", attend, 5, 3, {{1, 19, 9}, {1, 19, 9}, {1, 19, 9}}, -1, 1},
    {"rotary, whole", attend, 2, 3, {{2, 7, 2}, {2, 7, 2}, {2, 7, 2}}, -1, 1},
    {"rotary, long", attend, 3, 3, {{1, 33, 8}, {1, 33, 8}, {1, 33, 8}}, -1, 1},
    {"rotary, heads", attend, 7, 3, {{2, 5, 6}, {2, 5, 6}, {2, 5, 6}}, -1, 1},
    {"experts, tanh",
     experts,
     MOE_TANH,
     6,
     {{7, 3}, {7, 2}, {5, 3, 5}, {5, 5, 4}, {5, 5}, {5, 4}},
     -1,
     1},
    {"experts, gelu",
     experts,
     MOE_GELU,
     6,
     {{40, 6}, {40, 2}, {5, 6, 300}, {5, 300, 3}, {5, 300}, {5, 3}},
     -1,
     1},
    {"experts of many rows",
     experts,
     MOE_SIGMOIDAL,
     6,
     {{700, 3}, {700, 2}, {5, 3, 5}, {5, 5, 2}, {5, 5}, {5, 2}},
     -1,
     1},
    {"gated experts",
     experts,
     16 + MOE_SILU,
     5,
     {{33, 6}, {33, 2}, {5, 6, 7}, {5, 7, 6}, {5, 6, 7}},
     -1,
     1},
    {NULL, NULL, 0, 0, {{0}}, 0, 0}};

static void begin(moe_call *call) {
  moe_call_init(call, NULL, 1);
  if (moe_pool_new(call, &call->pool) != MOE_OK) abort();
  call->recording = true;
  moe_random_seed(&source, 7);
}

static void end(moe_call *call) {
  moe_pool_release(call->pool);
  moe_call_end(call);
}

static bool gradients(void) {
  moe_call call;
  bool all = true;
  begin(&call);
  for (const checked *c = table; all && c->name != NULL; c++)
    for (int again = 0; all && again < 3; again++) all = agrees(&call, c);
  end(&call);
  EXPECT(why[0] == '\0' || !all);
  return all;
}

/* y = x·x wrongly says x. */
static moe_status back_wrong(moe_call *call, moe_record *r,
                             const moe_tensor *out, const float *g) {
  (void)out;
  return moe_tape_add(call, r, 0, g);
}
static const moe_operation wrong = {.name = "wrong", .backward = back_wrong};

static moe_status square(moe_call *call, int which, moe_tensor **in,
                         moe_tensor **out) {
  bool recording = call->recording;
  (void)which;
  call->recording = false;
  MOE_TRY(moe_tensor_binary(call, MOE_MULTIPLY, in[0], in[0], out));
  call->recording = recording;
  return moe_tape_record(call, &wrong, out, 1, in, NULL);
}

static bool catches(void) {
  static const checked c = {"square", square, 0, 1, {{5, 3}}, -2, 2};
  moe_call call;
  begin(&call);
  bool fooled = agrees(&call, &c);
  end(&call);
  why[0] = '\0';
  EXPECT(!fooled);
  return true;
}

static moe_tensor *item(moe_call *call, float value) {
  static const int64_t one[] = {1};
  moe_tensor *t;
  if (moe_tensor_new(call, MOE_F32, 1, one, &t) != MOE_OK) abort();
  *t->f = value;
  if (moe_tape_require(call, t, true) != MOE_OK) abort();
  return t;
}

/* z = (x y + x)², by hand: ∂z/∂x = 2 (x y + x)(y + 1), ∂z/∂y = 2 (x y + x) x;
   a second walk adds. */
static bool by_hand(void) {
  moe_call call;
  moe_tensor *x, *y, *xy, *s, *z;
  begin(&call);
  x = item(&call, 3);
  y = item(&call, 2);
  for (int walk = 1; walk <= 2; walk++) {
    EXPECT(moe_tensor_binary(&call, MOE_MULTIPLY, x, y, &xy) == MOE_OK);
    EXPECT(moe_tensor_binary(&call, MOE_ADD, xy, x, &s) == MOE_OK);
    EXPECT(moe_tensor_binary(&call, MOE_MULTIPLY, s, s, &z) == MOE_OK);
    EXPECT(*z->f == 81);
    EXPECT(moe_tape_backward(&call, z, NULL, false) == MOE_OK);
    EXPECT(*x->record->gradient->f == 54 * walk);
    EXPECT(*y->record->gradient->f == 54 * walk);
    moe_tensor_release(xy);
    moe_tensor_release(s);
    moe_tensor_release(z);
  }
  moe_tensor_release(x);
  moe_tensor_release(y);
  end(&call);
  return true;
}

/* Steps of a small network take from the pool what the last one gave back, and
   hold nothing but scalars and leaves once backward is done. */
static bool flat(void) {
  static const int64_t xs[] = {64, 32, 0}, ws[] = {32, 16, 0};
  moe_call call;
  moe_tensor *x, *w, *h, *e, *sum, *loss;
  size_t used = 0, idle = 0;
  begin(&call);
  x = random_tensor(&call, xs, -1, 1);
  w = random_tensor(&call, ws, -1, 1);
  EXPECT(moe_tape_require(&call, w, true) == MOE_OK);
  long live = 0;
  for (int step = 0; step < 20; step++) {
    EXPECT(moe_tensor_product(&call, false, false, x, w, &h) == MOE_OK);
    EXPECT(moe_tensor_unary(&call, MOE_EXP, h, &e) == MOE_OK);
    EXPECT(moe_tensor_reduce(&call, MOE_SUM, e, 0, &sum) == MOE_OK);
    EXPECT(moe_tensor_reduce(&call, MOE_SUM, sum, 1, &loss) == MOE_OK);
    EXPECT(moe_tape_backward(&call, loss, NULL, false) == MOE_OK);
    EXPECT(moe_tensor_is_gone(h) && moe_tensor_is_gone(e));
    EXPECT(!moe_tensor_is_gone(loss));
    moe_tensor_release(h);
    moe_tensor_release(e);
    moe_tensor_release(sum);
    moe_tensor_release(loss);
    if (step == 5) {
      used = moe_pool_used(call.pool);
      idle = moe_pool_idle(call.pool);
      live = moe_alloc_live();
    }
    if (step > 5) {
      EXPECT(used == moe_pool_used(call.pool));
      EXPECT(idle == moe_pool_idle(call.pool));
      EXPECT(live == moe_alloc_live());
    }
  }
  moe_tensor_release(x);
  moe_tensor_release(w);
  end(&call);
  return true;
}

/* The host's references: backward takes them, and leaves the value of a scalar;
   two holders of one tensor do not take each other's. */
static bool holders(void) {
  static const int64_t xs[] = {3, 0};
  moe_call call;
  moe_tensor *x, *square, *sum, *again;
  moe_holder held[3] = {0}, second;
  long live = moe_alloc_live();
  begin(&call);
  x = random_tensor(&call, xs, 1, 2);
  EXPECT(moe_tape_require(&call, x, true) == MOE_OK);
  EXPECT(moe_tensor_binary(&call, MOE_MULTIPLY, x, x, &square) == MOE_OK);
  EXPECT(moe_tensor_reduce(&call, MOE_SUM, square, 0, &sum) == MOE_OK);
  float value = *sum->f;
  moe_tensor_hold(x, &held[0]);
  moe_tensor_hold(square, &held[1]);
  moe_tensor_hold(sum, &held[2]);
  moe_tensor_hold(moe_tensor_retain(square), &second);
  EXPECT(moe_tape_backward(&call, sum, NULL, false) == MOE_OK);
  EXPECT(held[0].tensor == x && held[1].tensor == NULL && held[1].ndim == 0);
  EXPECT(held[2].tensor == NULL && held[2].ndim == 1);
  EXPECT(held[2].value == value);
  EXPECT(second.tensor == square && moe_tensor_is_gone(square));
  moe_holder_release(&second);
  EXPECT(moe_tape_recall(&call, &held[2], &again) == MOE_OK);
  EXPECT(*again->f == value && again->record != NULL);
  EXPECT(moe_tape_backward(&call, again, NULL, false) == MOE_ESTATE);
  moe_tensor_release(again);
  moe_holder_release(&held[0]);
  end(&call);
  EXPECT(moe_alloc_live() == live);
  return true;
}

static bool refusals(void) {
  moe_call call;
  moe_tensor *x, *y, *z;
  begin(&call);
  x = item(&call, 3);
  EXPECT(moe_tensor_binary(&call, MOE_MULTIPLY, x, x, &y) == MOE_OK);
  EXPECT(moe_tensor_unary(&call, MOE_EXP, y, &z) == MOE_OK);
  x->storage->version++;
  EXPECT(moe_tape_backward(&call, z, NULL, true) == MOE_ESTATE);
  EXPECT(strstr(call.error.text, "changed in place") != NULL);
  x->storage->version--;
  EXPECT(moe_tape_backward(&call, z, NULL, false) == MOE_OK);
  EXPECT(moe_tape_backward(&call, z, NULL, false) == MOE_ESTATE);
  EXPECT(strstr(call.error.text, "given back") != NULL);
  EXPECT(moe_tape_require(&call, y, true) == MOE_ESTATE);
  moe_tensor_release(x);
  moe_tensor_release(y);
  moe_tensor_release(z);
  end(&call);
  return true;
}

/* A chain of a million operations is walked and freed without recursion. */
static bool deep(void) {
  moe_call call;
  moe_tensor *x, *y, *next;
  begin(&call);
  long live = moe_alloc_live();
  x = item(&call, 1);
  y = moe_tensor_retain(x);
  for (int i = 0; i < 200000; i++) {
    EXPECT(moe_tensor_unary(&call, MOE_NEGATE, y, &next) == MOE_OK);
    moe_tensor_release(y);
    y = next;
  }
  moe_tensor_release(y);
  y = moe_tensor_retain(x);
  for (int i = 0; i < 200000; i++) {
    EXPECT(moe_tensor_unary(&call, MOE_NEGATE, y, &next) == MOE_OK);
    moe_tensor_release(y);
    y = next;
  }
  EXPECT(moe_tape_backward(&call, y, NULL, false) == MOE_OK);
  EXPECT(*x->record->gradient->f == 1);
  moe_tensor_release(x);
  moe_tensor_release(y);
  end(&call);
  EXPECT(moe_alloc_live() == live - 1);
  return true;
}

/* Wherever memory runs out, nothing leaks and nothing is half made. */
static bool failures(void) {
  static const int64_t shape[] = {4, 4, 0};
  moe_call call;
  long live = moe_alloc_live();
  for (long count = 0; count < 60; count++) {
    moe_tensor *x, *y = NULL, *z = NULL;
    begin(&call);
    x = random_tensor(&call, shape, -1, 1);
    moe_alloc_fail_after(count);
    moe_status status = moe_tape_require(&call, x, true);
    if (status == MOE_OK)
      status = moe_tensor_product(&call, false, true, x, x, &y);
    if (status == MOE_OK) status = moe_tensor_binary(&call, MOE_ADD, y, x, &z);
    if (status == MOE_OK) {
      float seed[16] = {1};
      status = moe_tape_backward(&call, z, seed, false);
    }
    moe_alloc_fail_after(-1);
    EXPECT(status == MOE_OK || status == MOE_ENOMEM);
    EXPECT(status == MOE_OK || count < 59);
    moe_tensor_release(x);
    moe_tensor_release(y);
    moe_tensor_release(z);
    end(&call);
    EXPECT(moe_alloc_live() == live);
  }
  return true;
}

static const promise promises[] = {
    {"every operation's gradient is that of differences", gradients},
    {"a wrong gradient is seen", catches},
    {"gradients by hand, and a second walk adds to them", by_hand},
    {"a training step takes nothing from the system", flat},
    {"a host's references are taken back, and scalars left", holders},
    {"what was changed or given back is refused", refusals},
    {"long chains need no stack", deep},
    {"no allocation may break it", failures},
    {NULL, NULL}};

int main(void) { return keep(promises); }
