/* The gradients of a layer's experts.  With z the arguments of the hidden
   layer, h its answers, g the gradient by the layer's answer and w a
   selection's weight:

     by h      w g W_outᵀ          by w    (g W_outᵀ) · h + g · b_out
     by z      (by h) f'(z)        by x    (by z) W_inᵀ
     by W_out  hᵀ (w g)            by W_in xᵀ (by z)

   so that the expert's answer itself is never needed again.  The phases of a
   round: w g of its rows; by W_out; by z, in the place of what was saved of it,
   and x of its rows; by W_in; by x of its rows; that to where they came from.
 */
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

static float weight_of(const moe_dispatched *d, size_t sorted) {
  return d->weights[d->sorted.slots[sorted]];
}

/* The tile's rows in those of the plan, which have `width` numbers now. */
static float *rows_of(const moe__round *r, const moe__tile *t, size_t width) {
  const backward *c = r->pass;
  return c->plan.rows + moe__at(r, t) * width;
}

static void bring_tile(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const backward *c = r->pass;
  const moe__tile *t = &r->tiles[index];
  size_t out = c->plan.f->out;
  float *g = rows_of(r, t, out);
  (void)worker;
  moe__gather_rows(c->plan.d, t, out, c->g, g);
  for (size_t i = 0; i < t->n; i++, g += out)
    moe__scaled_row(weight_of(c->plan.d, t->first + i), g, g, out);
}

/* Row i of a tile: by_h is that without w, and used up. */
typedef struct row {
  float w, *by_w; /* NULL: not wanted */
  size_t n;
  float *z, *z_in, *by_h, *room;
} row;

static void back_plain(moe_activation f, bool in_place, const row *r) {
  const float *h = r->z;
  if (!in_place) {
    moe_activate(f, r->z, r->room, r->n);
    h = r->room;
  }
  if (r->by_w != NULL) *r->by_w += moe__dot_row(r->by_h, h, r->n);
  moe_activate_back(f, r->z, h, r->by_h, r->n);
  moe__scaled_row(r->w, r->by_h, r->z, r->n);
}

static void back_gated(moe_activation f, const row *r) {
  float *y = r->room, *by_in = y + r->n;
  moe_activate(f, r->z, y, r->n);
  memcpy(by_in, r->by_h, r->n * sizeof *by_in);
  moe__times_row(y, by_in, r->n);
  if (r->by_w != NULL) *r->by_w += moe__dot_row(by_in, r->z_in, r->n);
  moe__times_row(r->z_in, r->by_h, r->n);
  moe_activate_back(f, r->z, y, r->by_h, r->n);
  moe__scaled_row(r->w, r->by_h, r->z, r->n);
  moe__scaled_row(r->w, by_in, r->z_in, r->n);
}

/* What is saved of the tile becomes the gradient by z. */
static void back_hidden(const backward *c, const moe__tile *t, const float *g,
                        float *by_h, float *room) {
  const moe_feed_forward *f = c->plan.f;
  const moe_dispatched *d = c->plan.d;
  float *z = c->saved + t->first * moe__each(f), *by_w = c->to->weights.to;
  for (size_t i = 0; i < t->n; i++) {
    size_t slot = (size_t)d->sorted.slots[t->first + i], n = f->hidden;
    row r = {.w = d->weights[slot],
             .by_w = by_w != NULL ? by_w + slot : NULL,
             .n = n,
             .z = z + i * n,
             .z_in = z + (t->n + i) * n,
             .by_h = by_h + i * n,
             .room = room};
    if (by_w != NULL && f->b_out != NULL)
      by_w[slot] +=
          moe__dot_row(g + i * f->out, f->b_out + t->expert * f->out, f->out);
    if (f->w_gate != NULL)
      back_gated(f->activation, &r);
    else
      back_plain(f->activation, moe__is_in_place(f), &r);
  }
}

static void map_back(const moe_feed_forward *f, const float *w, size_t e,
                     const float *by_z, size_t n, float beta, float *by_x) {
  moe_gemm(false, true, n, f->dim, f->hidden, 1, by_z, f->hidden,
           w + e * f->dim * f->hidden, f->hidden, beta, by_x, f->dim);
}

static void back_tile(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const backward *c = r->pass;
  const moe_feed_forward *f = c->plan.f;
  const moe__tile *t = &r->tiles[index];
  float *g = moe__worker_room(&c->plan, worker);
  float *by_h = g + MOE__HIGHEST * f->out;
  moe__gather_rows(c->plan.d, t, f->out, c->g, g);
  moe_gemm(false, true, t->n, f->hidden, f->out, 1, g, f->out,
           f->w_out + t->expert * f->hidden * f->out, f->out, 0, by_h,
           f->hidden);
  back_hidden(c, t, g, by_h, by_h + MOE__HIGHEST * f->hidden);
  moe__gather_rows(c->plan.d, t, f->dim, c->plan.d->x, rows_of(r, t, f->dim));
}

static void back_x(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const backward *c = r->pass;
  const moe_feed_forward *f = c->plan.f;
  const moe__tile *t = &r->tiles[index];
  const float *by_z = c->saved + t->first * moe__each(f);
  float *by_x = rows_of(r, t, f->dim);
  (void)worker;
  if (c->to->x.to == NULL) return;
  if (f->w_gate != NULL) {
    map_back(f, f->w_gate, t->expert, by_z, t->n, 0, by_x);
    by_z += t->n * f->hidden;
  }
  map_back(f, f->w_in, t->expert, by_z, t->n, f->w_gate != NULL ? 1 : 0, by_x);
}

static void add_by_x(void *context, size_t index, int worker) {
  const moe__round *r = context;
  const backward *c = r->pass;
  const moe__scatter s = {.width = c->plan.f->dim,
                          .fresh = c->to->x.fresh,
                          .from = c->plan.rows,
                          .to = c->to->x.to};
  (void)worker;
  if (s.to != NULL) moe__scatter_part(&c->plan, r, index, &s);
}

/* ------------------------------------------------------------- by parameters
   A piece is a band of an expert's hidden layer, and takes its tiles in the
   round one after the other. */

typedef struct band {
  const backward *c;
  const moe__tile *t;
  size_t at, first, width; /* row in the round; columns */
  bool begins;             /* no tile of the expert was before */
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
  const float *wg = b->c->plan.rows + b->at * f->out;
  bool in_place = moe__is_in_place(f);
  moe_added w = b->c->to->w_out, bias = b->c->to->b_out;
  if (w.to != NULL)
    moe_gemm(true, false, b->width, f->out, b->t->n, 1,
             in_place ? z : find_hidden(f, z, b),
             in_place ? f->hidden : b->width, wg, f->out, kept(w, b),
             w.to + (b->t->expert * f->hidden + b->first) * f->out, f->out);
  if (bias.to != NULL && b->first == 0)
    add_rows(bias, b, wg, f->out, f->out, bias.to + b->t->expert * f->out);
}

static void back_map_in(const band *b, const float *by_z, moe_added w) {
  const moe_feed_forward *f = b->c->plan.f;
  if (w.to == NULL) return;
  moe_gemm(true, false, f->dim, b->width, b->t->n, 1,
           b->c->plan.rows + b->at * f->dim, f->dim, by_z, f->hidden,
           kept(w, b), w.to + b->t->expert * f->dim * f->hidden + b->first,
           f->hidden);
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
    b.at = moe__at(r, b.t);
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
  MOE_TRY(moe__plan_new(call, f, d, &c.plan));
  clear_rest(f, d, to);
  moe__plan_run(call, &c.plan, &c, MOE__STEPS, steps);
  moe__plan_free(&c.plan);
  return MOE_OK;
}
