/* Operations that move items and change none, with gradients. */
#include <string.h>

#include "operations.h"
#include "shapes.h"
#include "tape.h"

static void add(const float *from, size_t n, float *to) {
  for (size_t i = 0; i < n; i++) to[i] += from[i];
}

/* The place of input i's gradient, with zeros in it where it is new. */
static moe_status find_sums(moe_call *call, moe_record *r, size_t i,
                            float **to) {
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, i, to, &fresh));
  if (*to != NULL && fresh) memset(*to, 0, r->inputs[i]->n * sizeof **to);
  return MOE_OK;
}

/* ------------------------------------------------------------- picked rows
   Rows of w items: row i of the many is row ids[i] of the few. */

static moe_status check_ids(moe_call *call, const char *what,
                            const moe_tensor *ids, int64_t n) {
  if (ids->dtype != MOE_I32)
    return moe_fail(call, MOE_EARG, "%s: an index tensor (int32) is needed",
                    what);
  for (size_t i = 0; i < ids->n; i++)
    if (ids->i[i] < 0 || ids->i[i] >= n)
      return moe_fail(call, MOE_EARG,
                      "%s: index %lld at place %zu is not in [1, %lld]", what,
                      (long long)ids->i[i] + 1, i + 1, (long long)n);
  return MOE_OK;
}

static void pick(const float *few, const moe_tensor *ids, size_t w,
                 float *many) {
  for (size_t i = 0; i < ids->n; i++)
    memcpy(many + i * w, few + (size_t)ids->i[i] * w, w * sizeof *many);
}

static void spread(const float *many, const moe_tensor *ids, size_t w,
                   float *few) {
  for (size_t i = 0; i < ids->n; i++)
    add(many + i * w, w, few + (size_t)ids->i[i] * w);
}

static moe_status back_pick(moe_call *call, moe_record *r,
                            const moe_tensor *out, const float *g) {
  const size_t *width = r->own;
  float *to;
  (void)out;
  MOE_TRY(find_sums(call, r, 0, &to));
  if (to != NULL) spread(g, r->inputs[1], *width, to);
  return MOE_OK;
}

static moe_status back_spread(moe_call *call, moe_record *r,
                              const moe_tensor *out, const float *g) {
  const moe_tensor *ids = r->inputs[1];
  const size_t *width = r->own;
  float *to;
  (void)out;
  MOE_TRY(find_sums(call, r, 0, &to));
  for (size_t i = 0; to != NULL && i < ids->n; i++)
    add(g + (size_t)ids->i[i] * *width, *width, to + i * *width);
  return MOE_OK;
}

static const moe_operation picking = {.name = "embedding",
                                      .size = sizeof(size_t),
                                      .reads = 2,
                                      .backward = back_pick};
static const moe_operation spreading = {.name = "scatter",
                                        .size = sizeof(size_t),
                                        .reads = 2,
                                        .backward = back_spread};

static moe_status record_width(moe_call *call, const moe_operation *operation,
                               moe_tensor *t, moe_tensor *ids, size_t width,
                               moe_tensor **out) {
  moe_tensor *const inputs[] = {t, ids};
  size_t *own;
  MOE_TRY(moe_tape_record(call, operation, out, 2, inputs, &own));
  if (own != NULL) *own = width;
  return MOE_OK;
}

/* The shape of ids, followed by that of an element of t. */
moe_status moe_tensor_embed(moe_call *call, moe_tensor *t, moe_tensor *ids,
                            moe_tensor **out) {
  int64_t shape[2 * MOE_MAX_DIMS];
  int ndim = ids->ndim + t->ndim - 1;
  size_t width = moe_tensor_row_size(t);
  *out = NULL;
  MOE_TRY(moe__check_floats(call, "embedding", t));
  MOE_TRY(check_ids(call, "embedding", ids, t->shape[0]));
  memcpy(shape, ids->shape, sizeof ids->shape);
  memcpy(shape + ids->ndim, t->shape + 1,
         (size_t)(t->ndim - 1) * sizeof *shape);
  MOE_TRY(moe_tensor_make(call, MOE_F32, ndim, shape, out));
  pick(t->f, ids, width, (*out)->f);
  return record_width(call, &picking, t, ids, width, out);
}

moe_status moe_tensor_scatter(moe_call *call, moe_tensor *t, moe_tensor *ids,
                              int64_t n, moe_tensor **out) {
  int64_t shape[MOE_MAX_DIMS];
  size_t width = moe_tensor_row_size(t);
  *out = NULL;
  MOE_TRY(moe__check_floats(call, "scatter", t));
  MOE_TRY(check_ids(call, "scatter", ids, n));
  if (ids->ndim != 1 || ids->shape[0] != t->shape[0])
    return moe_fail(
        call, MOE_EARG, "scatter: indices of %s do not fit the rows of %s",
        moe_tensor_shape_text(ids).text, moe_tensor_shape_text(t).text);
  memcpy(shape, t->shape, sizeof shape);
  shape[0] = n;
  MOE_TRY(moe_tensor_new(call, MOE_F32, t->ndim, shape, out));
  spread(t->f, ids, width, (*out)->f);
  return record_width(call, &spreading, t, ids, width, out);
}

/* ------------------------------------------------------------ parts of a whole
   Along a dimension a tensor is outer × length runs of `inner` items; a part
   begins at a place in each outer run. */

typedef struct along {
  size_t outer, inner;
} along;

static along look_along(const moe_tensor *t, int dim) {
  along x = {1, 1};
  for (int d = 0; d < t->ndim; d++)
    if (d != dim) *(d < dim ? &x.outer : &x.inner) *= (size_t)t->shape[d];
  return x;
}

/* The part of `length` from `first` on: to a whole of `whole`, or (added) from
   it. */
static void put(along x, size_t whole, size_t first, size_t length,
                const float *part, float *to) {
  for (size_t o = 0; o < x.outer; o++)
    memcpy(to + (o * whole + first) * x.inner, part + o * length * x.inner,
           length * x.inner * sizeof *to);
}

static void take(along x, size_t whole, size_t first, size_t length,
                 const float *from, bool adding, float *part) {
  for (size_t o = 0; o < x.outer; o++) {
    const float *run = from + (o * whole + first) * x.inner;
    float *to = part + o * length * x.inner;
    if (adding)
      add(run, length * x.inner, to);
    else
      memcpy(to, run, length * x.inner * sizeof *to);
  }
}

static moe_status check_dim(moe_call *call, const char *what,
                            const moe_tensor *t, int dim) {
  if (dim >= 0 && dim < t->ndim) return MOE_OK;
  return moe_fail(call, MOE_EARG, "%s: dimension %d is not in [1, %d]", what,
                  dim + 1, t->ndim);
}

static moe_status back_concat(moe_call *call, moe_record *r,
                              const moe_tensor *out, const float *g) {
  const int *dim = r->own;
  along x = look_along(out, *dim);
  size_t first = 0;
  for (size_t i = 0; i < r->n_inputs; i++) {
    size_t length = (size_t)r->inputs[i]->shape[*dim];
    float *to;
    MOE_TRY(find_sums(call, r, i, &to));
    if (to != NULL)
      take(x, (size_t)out->shape[*dim], first, length, g, true, to);
    first += length;
  }
  return MOE_OK;
}

static const moe_operation joining = {
    .name = "concat", .size = sizeof(int), .backward = back_concat};

/* The lengths agree in every other dimension; adds up those along `dim`. */
static moe_status join_shapes(moe_call *call, size_t n,
                              moe_tensor *const *parts, int dim,
                              int64_t *shape) {
  memcpy(shape, parts[0]->shape, sizeof parts[0]->shape);
  MOE_TRY(moe__check_floats(call, "concat", parts[0]));
  for (size_t i = 1; i < n; i++) {
    bool fits = parts[i]->ndim == parts[0]->ndim;
    MOE_TRY(moe__check_floats(call, "concat", parts[i]));
    for (int d = 0; fits && d < parts[0]->ndim; d++)
      fits = d == dim || parts[i]->shape[d] == shape[d];
    if (!fits)
      return moe_fail(call, MOE_EARG,
                      "concat: shapes %s and %s do not fit along dimension %d",
                      moe_tensor_shape_text(parts[0]).text,
                      moe_tensor_shape_text(parts[i]).text, dim + 1);
    shape[dim] += parts[i]->shape[dim];
  }
  return MOE_OK;
}

moe_status moe_tensor_concat(moe_call *call, size_t n, moe_tensor *const *parts,
                             int dim, moe_tensor **out) {
  int64_t shape[MOE_MAX_DIMS];
  size_t first = 0;
  int *own;
  *out = NULL;
  if (n == 0) return moe_fail(call, MOE_EARG, "concat: there are no tensors");
  MOE_TRY(check_dim(call, "concat", parts[0], dim));
  MOE_TRY(join_shapes(call, n, parts, dim, shape));
  MOE_TRY(moe_tensor_make(call, MOE_F32, parts[0]->ndim, shape, out));
  for (size_t i = 0; i < n; i++) {
    size_t length = (size_t)parts[i]->shape[dim];
    put(look_along(*out, dim), (size_t)shape[dim], first, length, parts[i]->f,
        (*out)->f);
    first += length;
  }
  MOE_TRY(moe_tape_record(call, &joining, out, n, parts, &own));
  if (own != NULL) *own = dim;
  return MOE_OK;
}

typedef struct sliced {
  int dim;
  size_t first;
} sliced;

static moe_status back_slice(moe_call *call, moe_record *r,
                             const moe_tensor *out, const float *g) {
  const sliced *s = r->own;
  const moe_tensor *t = r->inputs[0];
  along x = look_along(t, s->dim);
  size_t whole = (size_t)t->shape[s->dim], n = (size_t)out->shape[s->dim];
  float *to;
  MOE_TRY(find_sums(call, r, 0, &to));
  for (size_t o = 0; to != NULL && o < x.outer; o++)
    add(g + o * n * x.inner, n * x.inner,
        to + (o * whole + s->first) * x.inner);
  return MOE_OK;
}

static const moe_operation slicing = {
    .name = "slice", .size = sizeof(sliced), .backward = back_slice};

moe_status moe_tensor_slice(moe_call *call, moe_tensor *t, int dim,
                            int64_t first, int64_t n, moe_tensor **out) {
  int64_t shape[MOE_MAX_DIMS];
  sliced *own;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, "slice", t));
  MOE_TRY(check_dim(call, "slice", t, dim));
  if (first < 0 || n < 0 || first > t->shape[dim] || n > t->shape[dim] - first)
    return moe_fail(call, MOE_EARG,
                    "slice: %lld from %lld are not in [1, %lld]", (long long)n,
                    (long long)first + 1, (long long)t->shape[dim]);
  memcpy(shape, t->shape, sizeof shape);
  shape[dim] = n;
  MOE_TRY(moe_tensor_make(call, MOE_F32, t->ndim, shape, out));
  take(look_along(t, dim), (size_t)t->shape[dim], (size_t)first, (size_t)n,
       t->f, false, (*out)->f);
  MOE_TRY(moe_tape_record(call, &slicing, out, 1, &t, &own));
  if (own != NULL) *own = (sliced){dim, (size_t)first};
  return MOE_OK;
}

/* ------------------------------------------------------- exchanged dimensions
 */

/* t's items in the order of out, whose dimensions a and b are exchanged:
   lengths and steps of t, in out's order. */
typedef struct walk {
  size_t length[MOE_MAX_DIMS], step[MOE_MAX_DIMS];
} walk;

static walk walk_exchanged(const int64_t *shape, int ndim, int a, int b) {
  walk w = {{1, 1, 1, 1}, {0}};
  size_t step = 1, steps[MOE_MAX_DIMS];
  for (int d = ndim - 1; d >= 0; d--) {
    steps[d] = step;
    step *= (size_t)shape[d];
  }
  for (int d = 0; d < ndim; d++) {
    int from = d == a ? b : d == b ? a : d;
    w.length[MOE_MAX_DIMS - ndim + d] = (size_t)shape[from];
    w.step[MOE_MAX_DIMS - ndim + d] = steps[from];
  }
  return w;
}

static void exchange(const walk *w, const float *from, bool adding, float *to) {
  const size_t *n = w->length, *s = w->step;
  for (size_t i = 0; i < n[0]; i++)
    for (size_t j = 0; j < n[1]; j++)
      for (size_t k = 0; k < n[2]; k++) {
        const float *run = from + i * s[0] + j * s[1] + k * s[2];
        for (size_t l = 0; l < n[3]; l++, to++)
          *to = adding ? *to + run[l * s[3]] : run[l * s[3]];
      }
}

typedef struct exchanged {
  int a, b;
} exchanged;

static moe_status back_exchange(moe_call *call, moe_record *r,
                                const moe_tensor *out, const float *g) {
  const exchanged *e = r->own;
  walk w = walk_exchanged(out->shape, out->ndim, e->a, e->b);
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to != NULL) exchange(&w, g, !fresh, to);
  return MOE_OK;
}

static const moe_operation exchanging = {
    .name = "transpose", .size = sizeof(exchanged), .backward = back_exchange};

moe_status moe_tensor_exchange(moe_call *call, moe_tensor *t, int a, int b,
                               moe_tensor **out) {
  int64_t shape[MOE_MAX_DIMS];
  exchanged *own;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, "transpose", t));
  MOE_TRY(check_dim(call, "transpose", t, a));
  MOE_TRY(check_dim(call, "transpose", t, b));
  memcpy(shape, t->shape, sizeof shape);
  shape[a] = t->shape[b];
  shape[b] = t->shape[a];
  MOE_TRY(moe_tensor_make(call, MOE_F32, t->ndim, shape, out));
  walk w = walk_exchanged(t->shape, t->ndim, a, b);
  exchange(&w, t->f, false, (*out)->f);
  MOE_TRY(moe_tape_record(call, &exchanging, out, 1, &t, &own));
  if (own != NULL) *own = (exchanged){a, b};
  return MOE_OK;
}

/* ---------------------------------------------------------------- other shapes
 */

static moe_status back_reshape(moe_call *call, moe_record *r,
                               const moe_tensor *out, const float *g) {
  (void)out;
  return moe_tape_add(call, r, 0, g);
}

static const moe_operation reshaping = {.name = "reshape",
                                        .backward = back_reshape};

moe_status moe_tensor_shape_as(moe_call *call, moe_tensor *t, int ndim,
                               const int64_t *shape, moe_tensor **out) {
  MOE_TRY(moe_tensor_reshape(call, t, ndim, shape, out));
  return moe_tape_record(call, &reshaping, out, 1, &t, NULL);
}
