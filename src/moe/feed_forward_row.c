/* A single row: memory is all that its experts wait for, so that the threads
   share their weights, in pieces as they lie there.  First pieces of W_in (and
   W_gate), each with its items of the row; then pieces of W_out, each with its
   units of the hidden layer, and with the sums of what the first gave for
   these; then the sum of what the second gave. */
#include <string.h>

#include "feed_forward.h"
#include "gemm.h"
#include "row_kernels.h"

enum { LEAST = 1 << 16 /* weights of a piece */, MOST = 8 /* pieces */ };

typedef struct single {
  const moe_feed_forward *f;
  const moe_dispatched *d;
  size_t n;       /* selections */
  size_t in, out; /* pieces of one W_in, of one W_out */
  float *z, *y;   /* n × in × each; n × out × out */
  float *answer;
} single;

static size_t count_pieces(size_t rows, size_t columns) {
  size_t n = moe_size(rows, columns) / LEAST;
  n = n < rows ? n : rows;
  return n < 1 ? 1 : n > MOST ? MOST : n;
}

static size_t expert_of(const single *c, size_t sorted) {
  size_t e = 0;
  while ((size_t)c->d->sorted.offsets[e + 1] <= sorted) e++;
  return e;
}

static void map_in(const single *c, const float *w, size_t e, size_t part,
                   float *z) {
  size_t dim = c->f->dim, n = c->f->hidden;
  size_t from = dim * part / c->in, to = dim * (part + 1) / c->in;
  if (w != NULL)
    moe_gemm(false, false, 1, n, to - from, 1, c->d->x + from, to - from,
             w + (e * dim + from) * n, n, 0, z, n);
}

static void enter(void *context, size_t index, int worker) {
  const single *c = context;
  size_t e = expert_of(c, index / c->in);
  float *z = c->z + index * moe__each(c->f);
  (void)worker;
  map_in(c, c->f->w_gate, e, index % c->in, z);
  map_in(c, c->f->w_in, e, index % c->in, z + moe__each(c->f) - c->f->hidden);
}

/* Adds the other pieces' sums to the first one's, of n units. */
static void join(const single *c, float *z, size_t n) {
  for (size_t k = 1; k < c->in; k++)
    moe__axpy_row(1, z + k * moe__each(c->f), z, n);
}

static void leave(void *context, size_t index, int worker) {
  const single *c = context;
  const moe_feed_forward *f = c->f;
  size_t s = index / c->out, part = index % c->out, e = expert_of(c, s);
  size_t from = f->hidden * part / c->out;
  size_t n = f->hidden * (part + 1) / c->out - from;
  float *h = c->z + s * c->in * moe__each(f) + from;
  float *z_in = h + moe__each(f) - f->hidden;
  (void)worker;
  join(c, z_in, n);
  if (f->b_in != NULL)
    moe__axpy_row(1, f->b_in + e * f->hidden + from, z_in, n);
  if (f->w_gate != NULL) join(c, h, n);
  moe_activate(f->activation, h, h, n);
  if (f->w_gate != NULL) moe__times_row(z_in, h, n);
  moe_gemm(false, false, 1, f->out, n, 1, h, n,
           f->w_out + (e * f->hidden + from) * f->out, f->out, 0,
           c->y + index * f->out, f->out);
}

static void add(void *context, size_t index, int worker) {
  const single *c = context;
  const moe_feed_forward *f = c->f;
  (void)index;
  (void)worker;
  memset(c->answer, 0, f->out * sizeof *c->answer);
  for (size_t s = 0; s < c->n; s++) {
    float w = c->d->weights[c->d->sorted.slots[s]];
    for (size_t k = 0; k < c->out; k++)
      moe__axpy_row(w, c->y + (s * c->out + k) * f->out, c->answer, f->out);
    if (f->b_out != NULL)
      moe__axpy_row(w, f->b_out + expert_of(c, s) * f->out, c->answer, f->out);
  }
}

/* A few weights are not worth a second thread. */
static bool is_small(const single *c) { return c->in * c->out == 1; }

static void run(moe_call *call, single *c) {
  const moe_phase phases[] = {
      {c->n * c->in, enter, c}, {c->n * c->out, leave, c}, {1, add, c}};
  if (!is_small(c)) {
    moe_parallel_phases(call, 3, phases);
    return;
  }
  for (const moe_phase *p = phases; p < phases + 3; p++)
    for (size_t i = 0; i < p->n; i++) p->piece(c, i, 0);
}

moe_status moe__feed_forward_row(moe_call *call, const moe_feed_forward *f,
                                 const moe_dispatched *d, float *out) {
  single c = {.f = f, .d = d, .answer = out};
  c.n = (size_t)d->sorted.offsets[f->experts];
  c.in = count_pieces(f->dim, f->hidden);
  c.out = count_pieces(f->hidden, f->out);
  size_t z = moe_size(c.n, c.in * moe__each(f)), y = c.n * c.out * f->out;
  c.z = moe_pool_take(call->pool, moe_size(z + y, sizeof *c.z), false);
  if (c.z == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  c.y = c.z + z;
  run(call, &c);
  moe_pool_give(c.z);
  return MOE_OK;
}
