/* Scaled dot-product attention, softmax(q kᵀ / √size) v for each sequence and
   head (Vaswani et al. 2017, arXiv 1706.03762), with gradients. */
#include <math.h>
#include <string.h>

#include "gemm.h"
#include "operations.h"
#include "row_kernels.h"
#include "shapes.h"
#include "tape.h"
#include "threads.h"

typedef struct attention {
  size_t sequences, length, heads, size; /* of a head */
  bool causal;
  float *weights; /* sequences × heads × length × length: the pool's */
  float *turns;   /* length × size: cosine and sine of each pair; or NULL */
} attention;

static void free_weights(moe_record *r) {
  attention *a = r->own;
  moe_pool_give(a->weights);
  moe_pool_give(a->turns);
}

/* ------------------------------------------------------------- one head's rows
   Item l of a sequence has its heads side by side. */

typedef struct head {
  size_t first; /* of its items, among all */
  size_t step;  /* from one position to the next */
} head;

static head find_head(const attention *a, size_t index) {
  size_t step = a->heads * a->size;
  return (head){
      index / a->heads * a->length * step + index % a->heads * a->size, step};
}

/* Pairs (2i, 2i + 1) of a row turned by their angles, or back. */
static void turn(const float *turns, size_t n, float way, float *row) {
  for (size_t i = 0; i + 1 < n; i += 2) {
    float c = turns[i], s = way * turns[i + 1], x = row[i], y = row[i + 1];
    row[i] = c * x - s * y;
    row[i + 1] = s * x + c * y;
  }
}

static void read_head(const attention *a, head h, const float *from, bool turns,
                      float *to) {
  for (size_t l = 0; l < a->length; l++, to += a->size) {
    memcpy(to, from + h.first + l * h.step, a->size * sizeof *to);
    if (turns && a->turns != NULL) turn(a->turns + l * a->size, a->size, 1, to);
  }
}

static void add_head(const attention *a, head h, float *rows, bool turns,
                     float *to) {
  for (size_t l = 0; l < a->length; l++, rows += a->size) {
    float *at = to + h.first + l * h.step;
    if (turns && a->turns != NULL)
      turn(a->turns + l * a->size, a->size, -1, rows);
    for (size_t i = 0; i < a->size; i++) at[i] += rows[i];
  }
}

/* -------------------------------------------------------------------- forward
 */

/* What the heads read and write, and a room for each worker. */
typedef struct heads {
  const attention *a;
  const float *q, *k, *v, *g;
  float *out, *by_q, *by_k, *by_v; /* NULL: not wanted */
  float *room;
  size_t room_size;
} heads;

static float scale_of(const attention *a) { return 1 / sqrtf((float)a->size); }

static void weigh(const attention *a, const float *q, const float *k,
                  float *weights) {
  size_t n = a->length;
  moe_gemm(false, true, n, n, a->size, scale_of(a), q, a->size, k, a->size, 0,
           weights, n);
  for (size_t l = 0; l < n; l++, weights += n) {
    size_t seen = a->causal ? l + 1 : n;
    moe__softmax_row(weights, weights, seen);
    memset(weights + seen, 0, (n - seen) * sizeof *weights);
  }
}

static void attend_head(void *context, size_t index, int worker) {
  const heads *c = context;
  const attention *a = c->a;
  size_t rows = a->length * a->size;
  head h = find_head(a, index);
  float *q = c->room + (size_t)worker * c->room_size, *k = q + rows,
        *v = k + rows, *out = v + rows;
  float *weights = a->weights + index * a->length * a->length;
  read_head(a, h, c->q, true, q);
  read_head(a, h, c->k, true, k);
  read_head(a, h, c->v, false, v);
  weigh(a, q, k, weights);
  moe_gemm(false, false, a->length, a->size, a->length, 1, weights, a->length,
           v, a->size, 0, out, a->size);
  for (size_t l = 0; l < a->length; l++)
    memcpy(c->out + h.first + l * h.step, out + l * a->size,
           a->size * sizeof *out);
}

/* ------------------------------------------------------------------- backward
   With P the weights, S their logits and G the gradient by the answer:
   V has Pᵀ G, P has G Vᵀ =: D, S has P (D − Σ P D) by rows, Q has S K / √size,
   K has Sᵀ Q / √size. */

static void back_weights(const attention *a, const float *weights, float *d) {
  size_t n = a->length;
  for (size_t l = 0; l < n; l++, weights += n, d += n) {
    float sum = moe__dot_row(weights, d, n);
    for (size_t i = 0; i < n; i++) d[i] = weights[i] * (d[i] - sum);
  }
}

static void back_head(void *context, size_t index, int worker) {
  const heads *c = context;
  const attention *a = c->a;
  size_t n = a->length, s = a->size, rows = n * s;
  head h = find_head(a, index);
  float *q = c->room + (size_t)worker * c->room_size, *k = q + rows,
        *v = k + rows, *g = v + rows, *to = g + rows, *d = to + rows;
  const float *weights = a->weights + index * n * n;
  read_head(a, h, c->q, true, q);
  read_head(a, h, c->k, true, k);
  read_head(a, h, c->v, false, v);
  read_head(a, h, c->g, false, g);
  if (c->by_v != NULL) {
    moe_gemm(true, false, n, s, n, 1, weights, n, g, s, 0, to, s);
    add_head(a, h, to, false, c->by_v);
  }
  moe_gemm(false, true, n, n, s, 1, g, s, v, s, 0, d, n);
  back_weights(a, weights, d);
  if (c->by_q != NULL) {
    moe_gemm(false, false, n, s, n, scale_of(a), d, n, k, s, 0, to, s);
    add_head(a, h, to, true, c->by_q);
  }
  if (c->by_k != NULL) {
    moe_gemm(true, false, n, s, n, scale_of(a), d, n, q, s, 0, to, s);
    add_head(a, h, to, true, c->by_k);
  }
}

/* ------------------------------------------------------------------- operation
 */

/* All heads in parallel, each worker with room for `each` floats. */
static moe_status run(moe_call *call, heads *c, size_t each, moe_piece piece) {
  size_t n = c->a->sequences * c->a->heads;
  size_t width = (size_t)moe_parallel_width(call, n);
  c->room_size = each;
  c->room =
      moe_pool_take(call->pool, moe_size(width, each * sizeof(float)), false);
  if (c->room == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  moe_parallel(call, n, piece, c);
  moe_pool_give(c->room);
  return MOE_OK;
}

static moe_status find_sums(moe_call *call, moe_record *r, size_t i,
                            float **to) {
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, i, to, &fresh));
  if (*to != NULL && fresh) memset(*to, 0, r->inputs[i]->n * sizeof **to);
  return MOE_OK;
}

static moe_status back_attend(moe_call *call, moe_record *r,
                              const moe_tensor *out, const float *g) {
  const attention *a = r->own;
  heads c = {.a = a,
             .q = r->inputs[0]->f,
             .k = r->inputs[1]->f,
             .v = r->inputs[2]->f,
             .g = g};
  (void)out;
  MOE_TRY(find_sums(call, r, 0, &c.by_q));
  MOE_TRY(find_sums(call, r, 1, &c.by_k));
  MOE_TRY(find_sums(call, r, 2, &c.by_v));
  return run(call, &c, (5 * a->size + a->length) * a->length, back_head);
}

static const moe_operation attending = {.name = "attention",
                                        .size = sizeof(attention),
                                        .reads = 1 | 2 | 4,
                                        .backward = back_attend,
                                        .release = free_weights};

static moe_status check(moe_call *call, const moe_tensor *q,
                        const moe_tensor *k, const moe_tensor *v, int n_heads,
                        double base) {
  MOE_TRY(moe__check_floats(call, "attention", q));
  MOE_TRY(moe__check_floats(call, "attention", k));
  MOE_TRY(moe__check_floats(call, "attention", v));
  if (q->ndim != 3 || !moe__is_shaped(q, k) || !moe__is_shaped(q, v))
    return moe_fail(call, MOE_EARG,
                    "attention: q, k and v must be alike, sequences × length "
                    "× width; got %s, %s and %s",
                    moe_tensor_shape_text(q).text,
                    moe_tensor_shape_text(k).text,
                    moe_tensor_shape_text(v).text);
  if (n_heads < 1 || q->shape[2] % n_heads != 0 || q->shape[2] == 0)
    return moe_fail(call, MOE_EARG,
                    "attention: %d heads do not divide a width of %lld",
                    n_heads, (long long)q->shape[2]);
  if (base > 0 && q->shape[2] / n_heads % 2 != 0)
    return moe_fail(call, MOE_EARG,
                    "attention: rotary positions need heads of even size, not "
                    "%lld",
                    (long long)(q->shape[2] / n_heads));
  return MOE_OK;
}

/* Position l turns pair i by l · base^(−2i / size). */
static void fill_turns(const attention *a, double base, float *turns) {
  for (size_t l = 0; l < a->length; l++)
    for (size_t i = 0; i + 1 < a->size; i += 2) {
      double angle = (double)l * pow(base, -(double)i / (double)a->size);
      *turns++ = (float)cos(angle);
      *turns++ = (float)sin(angle);
    }
}

static moe_status prepare(moe_call *call, double base, attention *a) {
  size_t weights = moe_size(moe_size(a->sequences, a->heads),
                            moe_size(a->length, a->length));
  a->weights =
      moe_pool_take(call->pool, moe_size(weights, sizeof(float)), false);
  if (base > 0)
    a->turns = moe_pool_take(
        call->pool, moe_size(a->length, a->size * sizeof(float)), false);
  if (a->weights == NULL || (base > 0 && a->turns == NULL))
    return moe_fail(call, MOE_ENOMEM, "not enough memory for the attention");
  if (base > 0) fill_turns(a, base, a->turns);
  return MOE_OK;
}

moe_status moe_tensor_attend(moe_call *call, moe_tensor *q, moe_tensor *k,
                             moe_tensor *v, int n_heads, bool causal,
                             double base, moe_tensor **out) {
  moe_tensor *const inputs[] = {q, k, v};
  attention a = {.causal = causal}, *own = NULL;
  *out = NULL;
  MOE_TRY(check(call, q, k, v, n_heads, base));
  a.sequences = (size_t)q->shape[0];
  a.length = (size_t)q->shape[1];
  a.heads = (size_t)n_heads;
  a.size = (size_t)q->shape[2] / a.heads;
  moe_status status = prepare(call, base, &a);
  if (status == MOE_OK)
    status = moe_tensor_make(call, MOE_F32, 3, q->shape, out);
  if (status == MOE_OK) {
    heads c = {.a = &a, .q = q->f, .k = k->f, .v = v->f, .out = (*out)->f};
    status = run(call, &c, 4 * a.size * a.length, attend_head);
  }
  if (status == MOE_OK)
    status = moe_tape_record(call, &attending, out, 3, inputs, &own);
  if (own != NULL) {
    *own = a;
    return MOE_OK;
  }
  moe_pool_give(a.weights);
  moe_pool_give(a.turns);
  if (status != MOE_OK) {
    moe_tensor_release(*out);
    *out = NULL;
  }
  return status;
}
