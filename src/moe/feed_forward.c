#include "feed_forward.h"

#include <string.h>

#include "gemm.h"
#include "row_kernels.h"

size_t moe_feed_forward_saved(const moe_feed_forward *f,
                              const moe_dispatched *d) {
  return moe_size((size_t)d->sorted.offsets[f->experts], moe__each(f));
}

typedef struct forward {
  moe__plan plan;
  float *saved, *out; /* of all rows; saved may be NULL */
} forward;

/* z (n×hidden) = x w of expert e, rows of x `wide` floats apart. */
static void map_in(const moe_feed_forward *f, const float *w, size_t e,
                   const float *x, size_t wide, size_t n, float *z) {
  moe_gemm(false, false, n, f->hidden, f->dim, 1, x, wide,
           w + e * f->dim * f->hidden, f->hidden, 0, z, f->hidden);
}

static void add_bias(const moe_feed_forward *f, size_t e, size_t n, float *z) {
  for (size_t i = 0; f->b_in != NULL && i < n; i++)
    moe__axpy_row(1, f->b_in + e * f->hidden, z + i * f->hidden, f->hidden);
}

/* z: what is saved of a tile's hidden layer; h: what that hands on, which may
   be z where it is not saved, and is where the derivative needs no more. */
static void run_hidden(const moe__plan *p, size_t e, const float *x, size_t n,
                       float *z, float *h) {
  const moe_feed_forward *f = p->f;
  size_t items = n * f->hidden;
  float *z_in = f->w_gate != NULL ? z + items : z;
  map_in(f, f->w_in, e, x, p->wide, n, z_in);
  if (h == z_in && f->b_in != NULL) {
    moe_activate_biased(f->activation, f->b_in + e * f->hidden, z, n,
                        f->hidden);
    return;
  }
  add_bias(f, e, n, z_in);
  if (f->w_gate != NULL) map_in(f, f->w_gate, e, x, p->wide, n, z);
  moe_activate(f->activation, z, h, items);
  if (f->w_gate != NULL) moe__times_row(z_in, h, items);
}

static void map_out(const moe__plan *p, size_t e, const float *h, size_t n,
                    float *y) {
  const moe_feed_forward *f = p->f;
  moe_gemm(false, false, n, f->out, f->hidden, 1, h, f->hidden,
           f->w_out + e * f->hidden * f->out, f->out, 0, y, p->wide);
  for (size_t i = 0; f->b_out != NULL && i < n; i++)
    moe__axpy_row(1, f->b_out + e * f->out, y + i * p->wide, f->out);
}

static void run_tile(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const forward *c = r->pass;
  const moe_feed_forward *f = c->plan.f;
  const moe__tile *t = &r->tiles[index];
  float *x = moe__worker_room(&c->plan, worker);
  float *z = x + MOE__TILE * c->plan.wide, *h = z;
  if (c->saved != NULL) z = c->saved + t->first * moe__each(f);
  if (moe__is_in_place(f)) h = z;
  moe__gather_rows(&c->plan, t, f->dim, false, c->plan.d->x, x);
  run_hidden(&c->plan, t->expert, x, t->n, z, h);
  map_out(&c->plan, t->expert, h, t->n, moe__rows_of(&c->plan, r, t));
}

static void add_answers(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const forward *c = r->pass;
  const moe__scatter s = {
      .width = c->plan.f->out, .weighted = true, .fresh = true, .to = c->out};
  (void)worker;
  moe__scatter_part(&c->plan, r, index, &s);
}

moe_status moe_feed_forward_run(moe_call *call, const moe_feed_forward *f,
                                const moe_dispatched *d, float *saved,
                                float *out) {
  static const moe__step steps[] = {{MOE__BY_TILES, run_tile},
                                    {MOE__BY_PARTS, add_answers}};
  forward c = {.saved = saved, .out = out};
  if (d->rows == 1 && saved == NULL)
    return moe__feed_forward_row(call, f, d, out);
  size_t hidden = f->w_gate != NULL && saved == NULL ? 2 : 1;
  MOE_TRY(moe__plan_new(call, f, d, hidden, &c.plan));
  if (c.plan.n_rounds == 0) memset(out, 0, d->rows * f->out * sizeof *out);
  moe__plan_run(call, &c.plan, &c, 2, steps);
  moe__plan_free(&c.plan);
  return MOE_OK;
}
