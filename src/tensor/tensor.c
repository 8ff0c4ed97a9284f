#include "tensor.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tape.h"

/* -------------------------------------------------------- storage and handle
 */

/* Up to so many bytes of items lie in one block with their tensor. */
enum { COMPACT = 64 };

/* One block of a compact tensor. */
typedef struct compact {
  moe_tensor tensor;
  moe_storage storage;
  _Alignas(16) unsigned char bytes[COMPACT];
} compact;

/* The last reference is no one else's to add to: it need not be locked. */
static bool is_last(atomic_int *refs) {
  return atomic_load_explicit(refs, memory_order_acquire) == 1 ||
         atomic_fetch_sub(refs, 1) == 1;
}

static void release_storage(moe_storage *s) {
  if (s != NULL && is_last(&s->refs)) moe_pool_give(s->block);
}

moe_tensor *moe_tensor_retain(moe_tensor *t) {
  atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
  return t;
}

/* A chain of records may be as long as a training run, so it is taken apart
   link by link. */
void moe_tensor_release(moe_tensor *t) {
  moe_tensor *dying = NULL;
  moe__tensor_drop(t, &dying);
  moe__tensors_free(dying);
}

bool moe_tensor_is_pooled(const moe_tensor *t) {
  return moe_pool_of(t->storage->block) != NULL;
}

static moe_storage *storage_beside(moe_tensor *t) {
  return &((compact *)(void *)t)->storage;
}

/* A compact tensor keeps the storage beside it, and so its own memory, to the
   end; only views may keep it longer. */
static void lose_items(moe_tensor *t) {
  if (!t->compact) release_storage(t->storage);
  t->storage = NULL;
  t->f = NULL;
}

static void free_tensor(moe_tensor *t, moe_tensor **dying) {
  moe__record_free(t->record, dying);
  moe_names_release(t->names);
  lose_items(t);
  if (t->compact)
    release_storage(storage_beside(t));
  else
    moe_pool_give(t);
}

void moe__tensors_free(moe_tensor *dying) {
  while (dying != NULL) {
    moe_tensor *t = dying;
    dying = t->next;
    free_tensor(t, &dying);
  }
}

void moe__tensor_drop(moe_tensor *t, moe_tensor **dying) {
  if (t == NULL || !is_last(&t->refs)) return;
  t->next = *dying;
  *dying = t;
}

/* ------------------------------------------------------------------ holders
 */

void moe_tensor_hold(moe_tensor *t, moe_holder *holder) {
  *holder = (moe_holder){.tensor = t};
  if (t->holder == NULL) t->holder = holder;
}

static moe_tensor *leave(moe_holder *holder) {
  moe_tensor *t = holder->tensor;
  holder->tensor = NULL;
  if (t != NULL && t->holder == holder) t->holder = NULL;
  return t;
}

void moe_holder_release(moe_holder *holder) {
  moe_tensor_release(leave(holder));
}

void moe__tensor_give_back(moe_tensor *t) {
  lose_items(t);
  if (t->holder != NULL) moe_holder_release(t->holder);
}

/* Two references: the holder's and the caller's. */
void moe__tensor_settle(moe_tensor *t) {
  moe_holder *holder = t->holder;
  if (holder == NULL || t->n != 1 || t->dtype != MOE_F32) return;
  if (atomic_load_explicit(&t->refs, memory_order_acquire) != 2) return;
  holder->value = *t->f;
  holder->ndim = t->ndim;
  moe_holder_release(holder);
}

/* The number of items, or SIZE_MAX when that overflows. */
static size_t count(int ndim, const int64_t *shape) {
  size_t n = 1;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] == 0) return 0;
    n = moe_size(n, (size_t)shape[i]);
  }
  return n;
}

static moe_status check_shape(moe_call *call, int ndim, const int64_t *shape) {
  if (ndim < 1 || ndim > MOE_MAX_DIMS)
    return moe_fail(call, MOE_EARG,
                    "tensor: 1 to %d dimensions are possible, got %d",
                    MOE_MAX_DIMS, ndim);
  for (int i = 0; i < ndim; i++)
    if (shape[i] < 0)
      return moe_fail(call, MOE_EARG,
                      "tensor: the length of dimension %d is negative, %lld",
                      i + 1, (long long)shape[i]);
  return MOE_OK;
}

/* A tensor of n items of a valid shape that shows no storage yet, at the start
   of a block of `size` bytes. */
static moe_status new_handle(moe_call *call, size_t size, moe_dtype dtype,
                             int ndim, const int64_t *shape, size_t n,
                             moe_tensor **out) {
  moe_tensor *t = *out = moe_pool_take(call->pool, size, false);
  if (t == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  *t = (moe_tensor){.dtype = dtype, .ndim = ndim, .n = n};
  atomic_init(&t->refs, 1);
  for (int i = 0; i < ndim; i++) t->shape[i] = shape[i];
  return MOE_OK;
}

static void show(moe_tensor *t, moe_storage *s, void *block, void *items) {
  atomic_init(&s->refs, 1);
  s->version = 0;
  s->block = block;
  t->storage = s;
  t->f = items;
}

static moe_status new_compact(moe_call *call, moe_dtype dtype, int ndim,
                              const int64_t *shape, size_t n,
                              moe_tensor **out) {
  size_t size = offsetof(compact, bytes) + n * sizeof(float);
  MOE_TRY(new_handle(call, size, dtype, ndim, shape, n, out));
  compact *c = (compact *)(void *)*out;
  c->tensor.compact = true;
  show(&c->tensor, &c->storage, c, c->bytes);
  return MOE_OK;
}

static moe_status new_large(moe_call *call, moe_dtype dtype, int ndim,
                            const int64_t *shape, size_t n, moe_tensor **out) {
  enum { LINE = 64 };
  size_t bytes = moe_size(n, sizeof(float));
  if (bytes > PTRDIFF_MAX / 2)
    return moe_fail(call, MOE_ENOMEM, "tensor: the shape is too large");
  moe_storage *s = moe_pool_take(call->pool, LINE + bytes, false);
  if (s == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for %zu B", bytes);
  moe_status status =
      new_handle(call, sizeof(moe_tensor), dtype, ndim, shape, n, out);
  if (status == MOE_OK)
    show(*out, s, s, (char *)s + LINE);
  else
    moe_pool_give(s);
  return status;
}

moe_status moe_tensor_make(moe_call *call, moe_dtype dtype, int ndim,
                           const int64_t *shape, moe_tensor **out) {
  *out = NULL;
  MOE_TRY(check_shape(call, ndim, shape));
  size_t n = count(ndim, shape);
  return n <= COMPACT / sizeof(float)
             ? new_compact(call, dtype, ndim, shape, n, out)
             : new_large(call, dtype, ndim, shape, n, out);
}

moe_status moe_tensor_new(moe_call *call, moe_dtype dtype, int ndim,
                          const int64_t *shape, moe_tensor **out) {
  MOE_TRY(moe_tensor_make(call, dtype, ndim, shape, out));
  memset((*out)->f, 0, moe_tensor_bytes(*out));
  return MOE_OK;
}

size_t moe_tensor_row_size(const moe_tensor *t) {
  return count(t->ndim - 1, t->shape + 1);
}

/* -------------------------------------------------------------------- views */

/* The items of t from `first` on, in a shape that they fill. */
static moe_status view(moe_call *call, const moe_tensor *t, size_t first,
                       int ndim, const int64_t *shape, moe_tensor **out) {
  MOE_TRY(new_handle(call, sizeof **out, t->dtype, ndim, shape,
                     count(ndim, shape), out));
  atomic_fetch_add_explicit(&t->storage->refs, 1, memory_order_relaxed);
  (*out)->storage = t->storage;
  (*out)->f = t->f + first;
  return MOE_OK;
}

moe_status moe_tensor_rows(moe_call *call, const moe_tensor *t, int64_t first,
                           int64_t n, moe_tensor **out) {
  int64_t shape[MOE_MAX_DIMS];
  *out = NULL;
  if (first < 0 || n < 0 || first > t->shape[0] || n > t->shape[0] - first)
    return moe_fail(call, MOE_EARG,
                    "rows: %lld rows from row %lld are not in [1, %lld]",
                    (long long)n, (long long)first + 1, (long long)t->shape[0]);
  memcpy(shape, t->shape, sizeof shape);
  shape[0] = n;
  MOE_TRY(view(call, t, (size_t)first * moe_tensor_row_size(t), t->ndim, shape,
               out));
  (*out)->names = moe_names_retain(t->names);
  return MOE_OK;
}

moe_status moe_tensor_row(moe_call *call, const moe_tensor *t, int64_t i,
                          moe_tensor **out) {
  *out = NULL;
  if (t->ndim == 1)
    return moe_fail(call, MOE_EARG, "row: a tensor of 1 dimension has no rows");
  if (i < 0 || i >= t->shape[0])
    return moe_fail(call, MOE_EARG, "row: index %lld is not in [1, %lld]",
                    (long long)i + 1, (long long)t->shape[0]);
  return view(call, t, (size_t)i * moe_tensor_row_size(t), t->ndim - 1,
              t->shape + 1, out);
}

/* Puts what is left over in the place of -1. */
static moe_status complete_shape(moe_call *call, size_t n, int ndim,
                                 int64_t *shape) {
  int64_t *open = NULL;
  size_t known;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] != -1) continue;
    if (open != NULL)
      return moe_fail(call, MOE_EARG, "reshape: only one length may be -1");
    open = shape + i;
    *open = 1;
  }
  MOE_TRY(check_shape(call, ndim, shape));
  known = count(ndim, shape);
  if (open != NULL && known != 0) *open = (int64_t)(n / known);
  return MOE_OK;
}

moe_status moe_tensor_reshape(moe_call *call, const moe_tensor *t, int ndim,
                              const int64_t *shape, moe_tensor **out) {
  int64_t full[MOE_MAX_DIMS] = {0};
  *out = NULL;
  if (ndim >= 1 && ndim <= MOE_MAX_DIMS)
    memcpy(full, shape, (size_t)ndim * sizeof *shape);
  MOE_TRY(complete_shape(call, t->n, ndim, full));
  if (count(ndim, full) != t->n)
    return moe_fail(
        call, MOE_EARG, "reshape: the %zu items of %s do not fill %s", t->n,
        moe_tensor_shape_text(t).text, moe_shape_print(ndim, full).text);
  return view(call, t, 0, ndim, full, out);
}

/* ------------------------------------------------------------------- copies */

static void copy_items(const moe_tensor *from, moe_tensor *to) {
  if (from->n != 0) memcpy(to->f, from->f, moe_tensor_bytes(from));
}

moe_status moe_tensor_clone(moe_call *call, const moe_tensor *t,
                            moe_tensor **out) {
  MOE_TRY(moe_tensor_new(call, t->dtype, t->ndim, t->shape, out));
  copy_items(t, *out);
  (*out)->names = moe_names_retain(t->names);
  return MOE_OK;
}

moe_status moe_tensor_select(moe_call *call, const moe_tensor *t,
                             const int32_t *pick, size_t n, moe_tensor **out) {
  int64_t shape[MOE_MAX_DIMS];
  size_t width = moe_tensor_row_size(t);
  *out = NULL;
  for (size_t i = 0; i < n; i++)
    if (pick[i] < 0 || pick[i] >= t->shape[0])
      return moe_fail(call, MOE_EARG, "select: row %lld is not in [1, %lld]",
                      (long long)pick[i] + 1, (long long)t->shape[0]);
  memcpy(shape, t->shape, sizeof shape);
  shape[0] = (int64_t)n;
  MOE_TRY(moe_tensor_new(call, t->dtype, t->ndim, shape, out));
  for (size_t i = 0; i < n && width != 0; i++)
    memcpy((*out)->f + i * width, t->f + (size_t)pick[i] * width,
           width * sizeof *t->f);
  (*out)->names = moe_names_retain(t->names);
  return MOE_OK;
}

/* Four bytes of either type. */
typedef uint32_t item __attribute__((may_alias));

/* By square tiles, so that neither side leaves the cache. */
static void transpose(const item *from, size_t rows, size_t columns, item *to) {
  enum { SIDE = 16 };
  for (size_t i0 = 0; i0 < rows; i0 += SIDE)
    for (size_t j0 = 0; j0 < columns; j0 += SIDE)
      for (size_t i = i0; i < i0 + SIDE && i < rows; i++)
        for (size_t j = j0; j < j0 + SIDE && j < columns; j++)
          to[j * rows + i] = from[i * columns + j];
}

moe_status moe_tensor_transpose(moe_call *call, const moe_tensor *t,
                                moe_tensor **out) {
  *out = NULL;
  if (t->ndim != 2)
    return moe_fail(call, MOE_EARG,
                    "transpose: 2 dimensions are needed, not those of %s",
                    moe_tensor_shape_text(t).text);
  MOE_TRY(moe_tensor_new(call, t->dtype, 2,
                         (const int64_t[]){t->shape[1], t->shape[0]}, out));
  transpose((const item *)t->i, (size_t)t->shape[0], (size_t)t->shape[1],
            (item *)(*out)->i);
  return MOE_OK;
}

static moe_status cast_to_index(moe_call *call, const moe_tensor *t,
                                moe_tensor *out) {
  for (size_t i = 0; i < t->n; i++) {
    if (!(t->f[i] >= -0x1p31f && t->f[i] < 0x1p31f) ||
        t->f[i] != floorf(t->f[i]))
      return moe_fail(call, MOE_EARG,
                      "int: item %zu is %g, which is no 32-bit integer", i + 1,
                      (double)t->f[i]);
    out->i[i] = (int32_t)t->f[i];
  }
  return MOE_OK;
}

moe_status moe_tensor_cast(moe_call *call, const moe_tensor *t, moe_dtype dtype,
                           moe_tensor **out) {
  moe_status status = MOE_OK;
  if (t->dtype == dtype) return moe_tensor_clone(call, t, out);
  MOE_TRY(moe_tensor_new(call, dtype, t->ndim, t->shape, out));
  if (dtype == MOE_I32)
    status = cast_to_index(call, t, *out);
  else
    for (size_t i = 0; i < t->n; i++) (*out)->f[i] = (float)t->i[i];
  (*out)->names = moe_names_retain(t->names);
  if (status == MOE_OK) return MOE_OK;
  moe_tensor_release(*out);
  *out = NULL;
  return status;
}

/* ------------------------------------------------------- names and equality */

moe_status moe_tensor_set_names(moe_call *call, moe_tensor *t,
                                moe_names *names) {
  if (names != NULL && t->ndim != 2)
    return moe_fail(call, MOE_EARG,
                    "names: only a matrix has named columns, not a tensor of "
                    "%s",
                    moe_tensor_shape_text(t).text);
  MOE_TRY(moe_names_check(call, names, t->ndim == 2 ? (size_t)t->shape[1] : 0));
  moe_names_retain(names);
  moe_names_release(t->names);
  t->names = names;
  return MOE_OK;
}

bool moe_tensor_equal(const moe_tensor *a, const moe_tensor *b) {
  if (a->dtype != b->dtype || a->ndim != b->ndim ||
      memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0)
    return false;
  if (a->dtype == MOE_I32)
    return a->n == 0 || memcmp(a->i, b->i, moe_tensor_bytes(a)) == 0;
  for (size_t i = 0; i < a->n; i++)
    if (!(a->f[i] == b->f[i])) return false;
  return true;
}

moe_shape_text moe_shape_print(int ndim, const int64_t *shape) {
  moe_shape_text out = {""};
  int used = 0;
  for (int i = 0; i < ndim; i++)
    used += snprintf(out.text + used, sizeof out.text - (size_t)used, "%s%lld",
                     i > 0 ? "×" : "", (long long)shape[i]);
  return out;
}
