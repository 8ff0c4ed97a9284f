/* The matrix product of tensors, with its gradients. */
#include <string.h>

#include "gemm.h"
#include "kernels.h"
#include "multiply.h"
#include "shapes.h"
#include "tape.h"
#include "threads.h"

enum { BAND = 256 }; /* rows: enough that a library loses nothing by the cut */

static void multiply_band(void *context, size_t index, int worker) {
  const moe_product *x = context;
  size_t first = index * BAND;
  size_t rows = x->m - first < BAND ? x->m - first : BAND;
  const float *a = x->a + first * (x->ta ? 1 : x->k);
  (void)worker;
  moe_gemm(x->ta, x->tb, rows, x->n, x->k, 1, a, x->ta ? x->m : x->k, x->b,
           x->tb ? x->k : x->n, x->beta, x->c + first * x->n, x->n);
}

/* Cut into bands of C's rows. */
void moe__multiply(const moe_call *call, moe_product x) {
  moe_parallel(call, (x.m + BAND - 1) / BAND, multiply_band, &x);
}

/* The shape of a tensor as an operand: a single dimension is a row on the left
   and a column on the right. */
static void read_matrix(const moe_tensor *t, bool left, size_t *rows,
                        size_t *columns) {
  size_t first = (size_t)t->shape[0];
  *rows = t->ndim == 2 || !left ? first : 1;
  *columns = t->ndim == 2 ? (size_t)t->shape[1] : left ? first : 1;
}

/* op(A) is m×k, op(B) k×n. */
typedef struct matched {
  bool ta, tb;
  size_t m, n, k;
} matched;

static bool match(const moe_tensor *a, const moe_tensor *b, bool ta, bool tb,
                  matched *x) {
  size_t rows, columns, inner;
  *x = (matched){.ta = ta, .tb = tb};
  if (a->ndim > 2 || b->ndim > 2) return false;
  read_matrix(a, !ta, &rows, &columns);
  x->m = ta ? columns : rows;
  x->k = ta ? rows : columns;
  read_matrix(b, tb, &rows, &columns);
  inner = tb ? columns : rows;
  x->n = tb ? rows : columns;
  return inner == x->k;
}

/* With C = op(A) op(B):  A's gradient is G op(B)ᵀ, or op(B) Gᵀ where A is
   transposed; B's is op(A)ᵀ G, or Gᵀ op(A). */
static moe_status back_product(moe_call *call, moe_record *r,
                               const moe_tensor *out, const float *g) {
  const matched *x = r->own;
  const float *a = r->inputs[0]->f, *b = r->inputs[1]->f;
  float *to;
  bool fresh;
  (void)out;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to != NULL)
    moe__multiply(call, x->ta ? (moe_product){x->tb, true, x->k, x->m, x->n, b,
                                              g, fresh ? 0 : 1, to}
                              : (moe_product){false, !x->tb, x->m, x->k, x->n,
                                              g, b, fresh ? 0 : 1, to});
  MOE_TRY(moe_tape_gradient(call, r, 1, &to, &fresh));
  if (to != NULL)
    moe__multiply(call, x->tb ? (moe_product){true, x->ta, x->n, x->k, x->m, g,
                                              a, fresh ? 0 : 1, to}
                              : (moe_product){!x->ta, false, x->k, x->n, x->m,
                                              a, g, fresh ? 0 : 1, to});
  return MOE_OK;
}

static const moe_operation matmul = {.name = "matmul",
                                     .size = sizeof(matched),
                                     .reads = 1 | 2,
                                     .backward = back_product};

moe_status moe_tensor_product(moe_call *call, bool ta, bool tb, moe_tensor *a,
                              moe_tensor *b, moe_tensor **out) {
  moe_tensor *const inputs[] = {a, b};
  matched x, *own;
  int64_t shape[2];
  int ndim = 0;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, "matmul", a));
  MOE_TRY(moe__check_floats(call, "matmul", b));
  if (!match(a, b, ta, tb, &x))
    return moe_fail(call, MOE_EARG, "matmul: shapes %s%s and %s%s do not fit",
                    moe_tensor_shape_text(a).text, ta ? " (transposed)" : "",
                    moe_tensor_shape_text(b).text, tb ? " (transposed)" : "");
  if (a->ndim == 2) shape[ndim++] = (int64_t)x.m;
  if (b->ndim == 2) shape[ndim++] = (int64_t)x.n;
  if (ndim == 0) shape[ndim++] = 1;
  MOE_TRY(moe_tensor_make(call, MOE_F32, ndim, shape, out));
  moe__multiply(call,
                (moe_product){ta, tb, x.m, x.n, x.k, a->f, b->f, 0, (*out)->f});
  if (ndim == 2 && !tb) (*out)->names = moe_names_retain(b->names);
  MOE_TRY(moe_tape_record(call, &matmul, out, 2, inputs, &own));
  if (own != NULL) *own = x;
  return MOE_OK;
}
