/* The tensor: 1 to 4 dimensions of float32, or of int32 for indices, row-major
   and contiguous.  The items lie in a counted storage that views share, so a
   view keeps its base alive.  A tensor of few items is one block of memory with
   its storage. */
#ifndef MOE_TENSOR_H
#define MOE_TENSOR_H

#include "names.h"

enum { MOE_MAX_DIMS = 4 };

typedef struct moe_storage {
  atomic_int refs;
  uint32_t version; /* counts the changes of its items, as its changers say */
  void *block;      /* what it lies in, its items behind it: a pool's */
} moe_storage;

typedef struct moe_record moe_record; /* see tape.h */

/* A reference of the host's language, whose collector may be long in coming:
   backward takes it back.  What stays of a scalar is its value. */
typedef struct moe_holder {
  struct moe_tensor *tensor; /* counted; NULL once it was taken back */
  float value;
  int ndim; /* of the scalar that it was; 0: of a tensor without its value */
} moe_holder;

typedef struct moe_tensor {
  atomic_int refs;
  moe_dtype dtype; /* MOE_F32 or MOE_I32 */
  int ndim;
  bool compact; /* in one block with its first storage */
  int64_t shape[MOE_MAX_DIMS];
  size_t n; /* items: the product of the shape */
  union {
    float *f; /* the first item, in the storage */
    int32_t *i;
  };
  moe_storage *storage; /* counted; NULL when it was given back (tape.h) */
  moe_names *names;     /* counted; of the columns of a matrix, or NULL */
  moe_record *record;   /* how its gradient is found; NULL: it has none */
  union {
    moe_holder *holder;      /* or NULL */
    struct moe_tensor *next; /* among those about to be freed */
  };
} moe_tensor;

/* Zeroed.  Refuses what is no shape, and sizes that overflow. */
moe_status moe_tensor_new(moe_call *call, moe_dtype dtype, int ndim,
                          const int64_t *shape, moe_tensor **out);

/* The same, its items not set: for who writes all of them. */
moe_status moe_tensor_make(moe_call *call, moe_dtype dtype, int ndim,
                           const int64_t *shape, moe_tensor **out);
moe_tensor *moe_tensor_retain(moe_tensor *t);
void moe_tensor_release(moe_tensor *t); /* accepts NULL */

/* The holder takes over a reference, which the tensor knows of unless it has
   another holder; and gives it up. */
void moe_tensor_hold(moe_tensor *t, moe_holder *holder);
void moe_holder_release(moe_holder *holder);

/* Whether its items lie in a pool. */
bool moe_tensor_is_pooled(const moe_tensor *t);

static inline size_t moe_tensor_bytes(const moe_tensor *t) {
  return t->n * sizeof(float);
}

/* Items in one element of the first dimension. */
size_t moe_tensor_row_size(const moe_tensor *t);

/* Views.  Rows first … first+n−1, with their names; row i, which has a
   dimension less; the same items in another shape, where one length may be -1:
   what is left over. */
moe_status moe_tensor_rows(moe_call *call, const moe_tensor *t, int64_t first,
                           int64_t n, moe_tensor **out);
moe_status moe_tensor_row(moe_call *call, const moe_tensor *t, int64_t i,
                          moe_tensor **out);
moe_status moe_tensor_reshape(moe_call *call, const moe_tensor *t, int ndim,
                              const int64_t *shape, moe_tensor **out);

/* Copies.  All keep names but the transpose, which is of a matrix.  The rows
   are pick[0 … n−1], each in [0, rows); a cast refuses to make an index of a
   number that is none. */
moe_status moe_tensor_clone(moe_call *call, const moe_tensor *t,
                            moe_tensor **out);
moe_status moe_tensor_select(moe_call *call, const moe_tensor *t,
                             const int32_t *pick, size_t n, moe_tensor **out);
moe_status moe_tensor_transpose(moe_call *call, const moe_tensor *t,
                                moe_tensor **out);
moe_status moe_tensor_cast(moe_call *call, const moe_tensor *t, moe_dtype dtype,
                           moe_tensor **out);

/* The tensor takes a reference of its own; NULL takes the names away. */
moe_status moe_tensor_set_names(moe_call *call, moe_tensor *t,
                                moe_names *names);

/* The same dtype, shape and items (a NaN equals nothing); names do not count.
 */
bool moe_tensor_equal(const moe_tensor *a, const moe_tensor *b);

/* "2×3", for messages. */
typedef struct moe_shape_text {
  char text[96];
} moe_shape_text;
moe_shape_text moe_shape_print(int ndim, const int64_t *shape);
static inline moe_shape_text moe_tensor_shape_text(const moe_tensor *t) {
  return moe_shape_print(t->ndim, t->shape);
}

#endif
