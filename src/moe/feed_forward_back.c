/* The gradients of a layer's experts.  With z the arguments of the hidden
   layer, h its answers, g the gradient by the layer's answer and w a
   selection's weight:

     by h      (w g) W_outᵀ        by w    ((by h) · h + (w g) · b_out) / w
     by z      (by h) f'(z)        by x    (by z) W_inᵀ
     by W_out  hᵀ (w g)            by W_in xᵀ (by z)

   so that the expert's answer itself is never needed again, and one pass over
   the hidden layer gives what is by w and by z.  Where w is too small to divide
   by, the row's product is made once more, of g.  The phases of a round: w g of
   its rows; by W_out; by z, in the place of what was saved of it, and x of its
   rows; by W_in; by x of its rows; that to where they came from. */
#include <string.h>

#include "feed_forward.h"
#include "gemm.h"
#include "row_kernels.h"

typedef struct backward {
  moe__plan plan; /* its rows are w g, then x, then the gradient by x */
  const moe_feed_forward_gradients *to;
  const float *g;
  float *saved;
} backward;

/* ------------------------------------------------------------------ by rows */

static void bring_tile(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const backward *c = r->pass;
  const moe__tile *t = &r->tiles[index];
  (void)worker;
  moe__gather_rows(&c->plan, t, c->plan.f->out, true, c->g,
                   moe__rows_of(&c->plan, r, t));
}

/* What the gradient by h of a row of a tile is put to use for; returns its
   product with h. */
static float back_row(const moe_feed_forward *f, const float *by_h, float *z,
                      float *z_in) {
  if (f->w_gate != NULL)
    return moe_activate_back_gated(f->activation, by_h, z, z_in, f->hidden);
  return moe_activate_back_row(f->activation, by_h, z, f->hidden);
}

/* (g W_outᵀ) · h + g · b_out, of one row whose z is still there. */
static float weigh_again(const moe_feed_forward *f, size_t e, const float *g,
                         const float *z, const float *z_in, float *room) {
  float *by_h = room, *copy = room + f->hidden, *copy_in = copy + f->hidden;
  moe_gemm(false, true, 1, f->hidden, f->out, 1, g, f->out,
           f->w_out + e * f->hidden * f->out, f->out, 0, by_h, f->hidden);
  memcpy(copy, z, f->hidden * sizeof *copy);
  if (z_in != NULL) memcpy(copy_in, z_in, f->hidden * sizeof *copy_in);
  float sum = back_row(f, by_h, copy, copy_in);
  if (f->b_out != NULL) sum += moe__dot_row(g, f->b_out + e * f->out, f->out);
  return sum;
}

/* What is saved of the tile becomes the gradient by z. */
static void back_hidden(const backward *c, const moe__tile *t, const float *wg,
                        const float *by_h, float *room) {
  const float least = 1e-12f;
  const moe_feed_forward *f = c->plan.f;
  const moe_dispatched *d = c->plan.d;
  float *z = c->saved + t->first * moe__each(f), *by_w = c->to->weights.to;
  float *z_in = f->w_gate != NULL ? z + t->n * f->hidden : NULL;
  for (size_t i = 0; i < t->n; i++, wg += c->plan.wide, by_h += f->hidden) {
    size_t s = t->first + i;
    float w = moe__weight_of(d, s), sum = 0;
    bool divides = w > least || w < -least;
    if (by_w != NULL && !divides)
      sum = weigh_again(f, t->expert, c->g + moe__row_of(d, s) * f->out, z,
                        z_in, room);
    float product = back_row(f, by_h, z, z_in);
    if (divides && f->b_out != NULL)
      product += moe__dot_row(wg, f->b_out + t->expert * f->out, f->out);
    if (by_w != NULL) by_w[d->sorted.slots[s]] += divides ? product / w : sum;
    z += f->hidden;
    if (z_in != NULL) z_in += f->hidden;
  }
}

static void map_back(const moe__plan *p, const float *w, size_t e,
                     const float *by_z, size_t n, float beta, float *by_x) {
  const moe_feed_forward *f = p->f;
  moe_gemm(false, true, n, f->dim, f->hidden, 1, by_z, f->hidden,
           w + e * f->dim * f->hidden, f->hidden, beta, by_x, p->wide);
}

static void back_tile(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const backward *c = r->pass;
  const moe_feed_forward *f = c->plan.f;
  const moe__tile *t = &r->tiles[index];
  float *rows = moe__rows_of(&c->plan, r, t);
  float *by_h = moe__worker_room(&c->plan, worker);
  moe_gemm(false, true, t->n, f->hidden, f->out, 1, rows, c->plan.wide,
           f->w_out + t->expert * f->hidden * f->out, f->out, 0, by_h,
           f->hidden);
  back_hidden(c, t, rows, by_h, by_h + MOE__TILE * f->hidden);
  moe__gather_rows(&c->plan, t, f->dim, false, c->plan.d->x, rows);
}

static void back_x(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const backward *c = r->pass;
  const moe_feed_forward *f = c->plan.f;
  const moe__tile *t = &r->tiles[index];
  const float *by_z = c->saved + t->first * moe__each(f);
  float *by_x = moe__rows_of(&c->plan, r, t);
  (void)worker;
  if (c->to->x.to == NULL) return;
  if (f->w_gate != NULL) {
    map_back(&c->plan, f->w_gate, t->expert, by_z, t->n, 0, by_x);
    by_z += t->n * f->hidden;
  }
  map_back(&c->plan, f->w_in, t->expert, by_z, t->n, f->w_gate != NULL ? 1 : 0,
           by_x);
}

static void add_by_x(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const backward *c = r->pass;
  const moe__scatter s = {
      .width = c->plan.f->dim, .fresh = c->to->x.fresh, .to = c->to->x.to};
  (void)worker;
  if (s.to != NULL) moe__scatter_part(&c->plan, r, index, &s);
}

/* ------------------------------------------------------------- by parameters
   A piece is a band of an expert's hidden layer, and takes its tiles in the
   round one after the other. */

typedef struct band {
  const backward *c;
  const moe__tile *t;
  const float *rows;   /* of the tile: w g, or x */
  size_t first, width; /* columns */
  bool begins;         /* no tile of the expert was before */
  float *room;
} band;

/* What a sum is multiplied by before more is added. */
static float kept(moe_added a, const band *b) {
  return a.fresh && b->begins ? 0 : 1;
}

static void add_rows(moe_added a, const band *b, const float *rows, size_t step,
                     size_t width, float *to) {
  if (kept(a, b) == 0) memset(to, 0, width * sizeof *to);
  for (size_t i = 0; i < b->t->n; i++)
    moe__axpy_row(1, rows + i * step, to, width);
}

/* h's band, contiguous, from what is saved. */
static const float *find_hidden(const moe_feed_forward *f, const float *z,
                                const band *b) {
  for (size_t i = 0; i < b->t->n; i++, z += f->hidden) {
    float *to = b->room + i * b->width;
    moe_activate(f->activation, z, to, b->width);
    if (f->w_gate != NULL)
      moe__times_row(z + b->t->n * f->hidden, to, b->width);
  }
  return b->room;
}

static void back_out(const band *b) {
  const moe_feed_forward *f = b->c->plan.f;
  const float *z = b->c->saved + b->t->first * moe__each(f) + b->first;
  size_t wide = b->c->plan.wide;
  bool in_place = moe__is_in_place(f);
  moe_added w = b->c->to->w_out, bias = b->c->to->b_out;
  if (w.to != NULL)
    moe_gemm(true, false, b->width, f->out, b->t->n, 1,
             in_place ? z : find_hidden(f, z, b),
             in_place ? f->hidden : b->width, b->rows, wide, kept(w, b),
             w.to + (b->t->expert * f->hidden + b->first) * f->out, f->out);
  if (bias.to != NULL && b->first == 0)
    add_rows(bias, b, b->rows, wide, f->out, bias.to + b->t->expert * f->out);
}

static void back_map_in(const band *b, const float *by_z, moe_added w) {
  const moe_feed_forward *f = b->c->plan.f;
  if (w.to == NULL) return;
  moe_gemm(true, false, f->dim, b->width, b->t->n, 1, b->rows, b->c->plan.wide,
           by_z, f->hidden, kept(w, b),
           w.to + b->t->expert * f->dim * f->hidden + b->first, f->hidden);
}

static void back_in(const band *b) {
  const moe_feed_forward *f = b->c->plan.f;
  const float *by_z = b->c->saved + b->t->first * moe__each(f) + b->first;
  moe_added bias = b->c->to->b_in;
  if (f->w_gate != NULL) {
    back_map_in(b, by_z, b->c->to->w_gate);
    by_z += b->t->n * f->hidden;
  }
  back_map_in(b, by_z, b->c->to->w_in);
  if (bias.to != NULL)
    add_rows(bias, b, by_z, f->hidden, b->width,
             bias.to + b->t->expert * f->hidden + b->first);
}

/* The first tile of an expert in the round, or one of a later expert. */
static size_t find_tile(const moe__round *r, size_t expert) {
  size_t low = 0, high = r->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (r->tiles[middle].expert < expert)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void each_tile(const moe__round *r, size_t index, int worker,
                      void (*use)(const band *b)) {
  const backward *c = r->pass;
  const moe_feed_forward *f = c->plan.f;
  size_t expert = r->tiles[0].expert + index / moe__bands(f);
  band b = {.c = c, .first = index % moe__bands(f) * MOE__BAND};
  b.width = f->hidden - b.first < MOE__BAND ? f->hidden - b.first : MOE__BAND;
  b.room = moe__worker_room(&c->plan, worker);
  for (size_t k = find_tile(r, expert);
       k < r->n && r->tiles[k].expert == expert; k++) {
    b.t = &r->tiles[k];
    b.rows = moe__rows_of(&c->plan, r, b.t);
    b.begins = b.t->first == (size_t)c->plan.d->sorted.offsets[expert];
    use(&b);
  }
}

static void back_out_band(void *context, size_t index, int worker) {
  each_tile(context, index, worker, back_out);
}

static void back_in_band(void *context, size_t index, int worker) {
  each_tile(context, index, worker, back_in);
}

/* -------------------------------------------------------------------- passes
 */

static void clear(moe_added a, size_t first, size_t n) {
  if (a.to != NULL && a.fresh) memset(a.to + first, 0, n * sizeof *a.to);
}

/* What no tile puts anything to. */
static void clear_rest(const moe_feed_forward *f, const moe_dispatched *d,
                       const moe_feed_forward_gradients *to) {
  size_t in = f->dim * f->hidden, out = f->hidden * f->out;
  clear(to->weights, 0, d->rows * d->width);
  if (d->sorted.offsets[f->experts] == 0) clear(to->x, 0, d->rows * f->dim);
  for (size_t e = 0; e < f->experts; e++) {
    if (d->sorted.counts[e] > 0) continue;
    clear(to->w_in, e * in, in);
    clear(to->w_gate, e * in, in);
    clear(to->w_out, e * out, out);
    clear(to->b_in, e * f->hidden, f->hidden);
    clear(to->b_out, e * f->out, f->out);
  }
}

moe_status moe_feed_forward_back(moe_call *call, const moe_feed_forward *f,
                                 const moe_dispatched *d, float *saved,
                                 const float *g,
                                 const moe_feed_forward_gradients *to) {
  static const moe__step steps[MOE__STEPS] = {
      {MOE__BY_TILES, bring_tile}, {MOE__BY_BANDS, back_out_band},
      {MOE__BY_TILES, back_tile},  {MOE__BY_BANDS, back_in_band},
      {MOE__BY_TILES, back_x},     {MOE__BY_PARTS, add_by_x}};
  backward c = {.to = to, .g = g, .saved = saved};
  MOE_TRY(moe__plan_new(call, f, d, 1, &c.plan));
  clear_rest(f, d, to);
  moe__plan_run(call, &c.plan, &c, MOE__STEPS, steps);
  moe__plan_free(&c.plan);
  return MOE_OK;
}
