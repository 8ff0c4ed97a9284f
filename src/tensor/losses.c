/* Losses: one item each, the mean over what counts, with gradients. */
#include <math.h>
#include <string.h>

#include "operations.h"
#include "row_kernels.h"
#include "shapes.h"
#include "tape.h"

static moe_status new_item(moe_call *call, double value, moe_tensor **out) {
  static const int64_t one[] = {1};
  MOE_TRY(moe_tensor_make(call, MOE_F32, 1, one, out));
  *(*out)->f = (float)value;
  return MOE_OK;
}

/* ------------------------------------------------------------ cross-entropy */

typedef struct entropy {
  int32_t ignored;
  float smoothing;
  size_t counted;
} entropy;

/* The row's softmax in p; −Σ q log p. */
static double lose(const entropy *e, const float *z, size_t n, int32_t id,
                   float *p) {
  double sum = (double)moe__softmax_row(z, p, n), loss = sum - (double)z[id];
  double even = 0;
  if (e->smoothing == 0) return loss;
  for (size_t c = 0; c < n; c++) even += sum - (double)z[c];
  double s = (double)e->smoothing;
  return (1 - s) * loss + s * even / (double)n;
}

static moe_status back_entropy(moe_call *call, moe_record *r,
                               const moe_tensor *out, const float *g) {
  const entropy *e = r->own;
  const moe_tensor *z = r->inputs[0];
  const int32_t *ids = r->inputs[1]->i;
  size_t n = (size_t)z->shape[z->ndim - 1], rows = z->n / n;
  float *to, *p, share = e->counted > 0 ? *g / (float)e->counted : 0;
  bool fresh;
  (void)out;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to == NULL) return MOE_OK;
  if (fresh) memset(to, 0, z->n * sizeof *to);
  p = moe_pool_take(call->pool, n * sizeof *p, false);
  if (p == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  for (size_t i = 0; i < rows; i++, to += n) {
    if (ids[i] == e->ignored) continue;
    moe__softmax_row(z->f + i * n, p, n);
    for (size_t c = 0; c < n; c++)
      to[c] += share * (p[c] - e->smoothing / (float)n);
    to[ids[i]] -= share * (1 - e->smoothing);
  }
  moe_pool_give(p);
  return MOE_OK;
}

static const moe_operation cross_entropy = {.name = "cross_entropy",
                                            .size = sizeof(entropy),
                                            .reads = 1 | 2,
                                            .backward = back_entropy};

static moe_status check_ids(moe_call *call, const moe_tensor *z,
                            const moe_tensor *ids, int32_t ignored) {
  int64_t n = z->shape[z->ndim - 1];
  if (ids->dtype != MOE_I32 || n == 0 || ids->n != z->n / (size_t)n)
    return moe_fail(call, MOE_EARG,
                    "cross_entropy: an index (int32) for each row of %s is "
                    "needed, not %s",
                    moe_tensor_shape_text(z).text,
                    moe_tensor_shape_text(ids).text);
  for (size_t i = 0; i < ids->n; i++)
    if (ids->i[i] != ignored && (ids->i[i] < 0 || ids->i[i] >= n))
      return moe_fail(call, MOE_EARG,
                      "cross_entropy: class %lld of row %zu is not in [1, "
                      "%lld]",
                      (long long)ids->i[i] + 1, i + 1, (long long)n);
  return MOE_OK;
}

moe_status moe_tensor_cross_entropy(moe_call *call, moe_tensor *logits,
                                    moe_tensor *ids, int32_t ignored,
                                    double smoothing, moe_tensor **out) {
  moe_tensor *const inputs[] = {logits, ids};
  entropy e = {.ignored = ignored, .smoothing = (float)smoothing}, *own;
  size_t n = (size_t)logits->shape[logits->ndim - 1];
  double sum = 0;
  float *p;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, cross_entropy.name, logits));
  MOE_TRY(check_ids(call, logits, ids, ignored));
  p = moe_pool_take(call->pool, n * sizeof *p, false);
  if (p == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  for (size_t i = 0; i < ids->n; i++) {
    if (ids->i[i] == ignored) continue;
    sum += lose(&e, logits->f + i * n, n, ids->i[i], p);
    e.counted++;
  }
  moe_pool_give(p);
  MOE_TRY(new_item(call, e.counted > 0 ? sum / (double)e.counted : 0, out));
  MOE_TRY(moe_tape_record(call, &cross_entropy, out, 2, inputs, &own));
  if (own != NULL) *own = e;
  return MOE_OK;
}

/* ------------------------------------------------------------------ distances
 */

typedef struct distance {
  moe_distance kind;
  float delta;
} distance;

static double measure(const distance *d, double x, double y) {
  double e = x - y, size = fabs(e), delta = (double)d->delta;
  switch (d->kind) {
    case MOE_SQUARED_DISTANCE: return e * e;
    case MOE_HUBER_DISTANCE:
      return size <= delta ? 0.5 * e * e : delta * (size - 0.5 * delta);
    default: return fmax(x, 0) - x * y + log1p(exp(-fabs(x)));
  }
}

/* Its derivatives by x, and by y. */
static void slopes(const distance *d, float x, float y, float *by_x,
                   float *by_y) {
  float e = x - y;
  switch (d->kind) {
    case MOE_SQUARED_DISTANCE: *by_x = 2 * e; break;
    case MOE_HUBER_DISTANCE:
      *by_x = fminf(fmaxf(e, -d->delta), d->delta);
      break;
    default:
      *by_x = 1 / (1 + expf(-x)) - y;
      *by_y = -x;
      return;
  }
  *by_y = -*by_x;
}

static moe_status back_distance(moe_call *call, moe_record *r,
                                const moe_tensor *out, const float *g) {
  const distance *d = r->own;
  const moe_tensor *x = r->inputs[0], *y = r->inputs[1];
  float *to[2], share = x->n > 0 ? *g / (float)x->n : 0;
  (void)out;
  for (size_t k = 0; k < 2; k++) {
    bool fresh;
    MOE_TRY(moe_tape_gradient(call, r, k, &to[k], &fresh));
    if (to[k] != NULL && fresh) memset(to[k], 0, x->n * sizeof(float));
  }
  for (size_t i = 0; i < x->n; i++) {
    float by[2];
    slopes(d, x->f[i], y->f[i], &by[0], &by[1]);
    for (size_t k = 0; k < 2; k++)
      if (to[k] != NULL) to[k][i] += share * by[k];
  }
  return MOE_OK;
}

static const moe_operation distances[] = {
    [MOE_SQUARED_DISTANCE] = {.name = "mse",
                              .size = sizeof(distance),
                              .reads = 1 | 2,
                              .backward = back_distance},
    [MOE_HUBER_DISTANCE] = {.name = "huber",
                            .size = sizeof(distance),
                            .reads = 1 | 2,
                            .backward = back_distance},
    [MOE_LOGISTIC_DISTANCE] = {.name = "bce_with_logits",
                               .size = sizeof(distance),
                               .reads = 1 | 2,
                               .backward = back_distance}};

moe_status moe_tensor_distance(moe_call *call, moe_distance kind, moe_tensor *x,
                               moe_tensor *y, double delta, moe_tensor **out) {
  moe_tensor *const inputs[] = {x, y};
  const char *name = distances[kind].name;
  distance d = {kind, (float)delta}, *own;
  double sum = 0;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, name, x));
  MOE_TRY(moe__check_floats(call, name, y));
  if (!moe__is_shaped(x, y))
    return moe_fail(call, MOE_EARG, "%s: shapes %s and %s differ", name,
                    moe_tensor_shape_text(x).text,
                    moe_tensor_shape_text(y).text);
  for (size_t i = 0; i < x->n; i++)
    sum += measure(&d, (double)x->f[i], (double)y->f[i]);
  MOE_TRY(new_item(call, x->n > 0 ? sum / (double)x->n : 0, out));
  MOE_TRY(moe_tape_record(call, &distances[kind], out, 2, inputs, &own));
  if (own != NULL) *own = d;
  return MOE_OK;
}
