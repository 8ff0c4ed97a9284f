/* The gradients of a layer's experts.  With z the arguments of the hidden
   layer, h its answers, g the gradient by the layer's answer and w a
   selection's weight:

     by h      w g W_outᵀ          by w    (g W_outᵀ) · h + g · b_out
     by z      (by h) f'(z)        by x    (by z) W_inᵀ
     by W_out  hᵀ (w g)            by W_in xᵀ (by z)

   so that the expert's answer itself is never needed again. */
#include <string.h>

#include "feed_forward.h"
#include "gemm.h"
#include "row_kernels.h"
#include "threads.h"

enum { BAND = 256 /* columns of the hidden layer */ };

typedef struct backward {
  const moe_feed_forward *f;
  const moe_dispatched *d;
  const moe_feed_forward_gradients *to;
  const moe__tile *tiles; /* of the round */
  size_t n, each;         /* tiles; floats of a row that are saved */
  const float *g;
  float *saved;
  float *room, *x, *by_x, *wg, *by_z; /* a worker's; the round's rows */
  size_t room_size;
} backward;

/* -------------------------------------------------------------- by the rows */

/* The gradients by the weights of the tile's selections; by_h becomes w times
   itself, and g too. */
static void weigh_rows(const backward *c, const moe__tile *t, const float *h,
                       float *by_h, float *g) {
  const moe_feed_forward *f = c->f;
  for (size_t i = 0; i < t->n; i++, h += f->hidden, by_h += f->hidden) {
    size_t slot = (size_t)c->d->sorted.slots[t->first + i];
    float w = c->d->weights[slot], *row = g + i * f->out;
    if (c->to->weights.to != NULL) {
      float sum = moe__dot_row(by_h, h, f->hidden);
      if (f->b_out != NULL)
        sum += moe__dot_row(row, f->b_out + t->expert * f->out, f->out);
      c->to->weights.to[slot] += sum;
    }
    for (size_t k = 0; k < f->hidden; k++) by_h[k] *= w;
    for (size_t k = 0; k < f->out; k++) row[k] *= w;
  }
}

/* by_h becomes the gradient by z; gated: by z_gate in by_gate. */
static void back_hidden(const moe_feed_forward *f, const float *z, size_t n,
                        float *room, float *by_h, float *by_gate) {
  size_t items = n * f->hidden;
  if (f->w_gate == NULL) {
    moe_activate_back(f->activation, z, z, by_h, items);
    return;
  }
  moe_activate(f->activation, z, room, items);
  for (size_t i = 0; i < items; i++) {
    by_gate[i] = by_h[i] * z[items + i];
    by_h[i] *= room[i];
  }
  moe_activate_back(f->activation, z, room, by_gate, items);
}

static void map_back(const moe_feed_forward *f, const float *w, size_t e,
                     const float *by_z, size_t n, float beta, float *by_x) {
  moe_gemm(false, true, n, f->dim, f->hidden, 1, by_z, f->hidden,
           w + e * f->dim * f->hidden, f->hidden, beta, by_x, f->dim);
}

static void back_tile(void *context, size_t index, int worker) {
  const backward *c = context;
  const moe_feed_forward *f = c->f;
  const moe__tile *t = &c->tiles[index];
  size_t at = t->first - c->tiles[0].first;
  float *room = c->room + (size_t)worker * c->room_size;
  float *g = c->wg + at * f->out, *by_h = c->by_z + at * c->each;
  float *by_gate = by_h, *z = c->saved + t->first * c->each;
  if (f->w_gate != NULL) by_h += t->n * f->hidden;
  moe__gather_rows(c->d, t, f->out, c->g, g);
  moe__gather_rows(c->d, t, f->dim, c->d->x, c->x + at * f->dim);
  moe_gemm(false, true, t->n, f->hidden, f->out, 1, g, f->out,
           f->w_out + t->expert * f->hidden * f->out, f->out, 0, by_h,
           f->hidden);
  weigh_rows(c, t, moe__find_hidden(f, z, t->n, room), by_h, g);
  back_hidden(f, z, t->n, room, by_h, by_gate);
  if (c->to->x.to == NULL) return;
  map_back(f, f->w_in, t->expert, by_h, t->n, 0, c->by_x + at * f->dim);
  if (f->w_gate != NULL)
    map_back(f, f->w_gate, t->expert, by_gate, t->n, 1, c->by_x + at * f->dim);
}

/* --------------------------------------------------------- by the parameters
   A piece is a band of the hidden layer of all tiles of an expert in the
   round, one after the other. */

static void add_columns(const float *rows, size_t n, size_t step, size_t width,
                        float *to) {
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < width; k++) to[k] += rows[i * step + k];
}

/* h's band, contiguous, from what is saved. */
static const float *find_band(const moe_feed_forward *f, const float *z,
                              size_t n, size_t first, size_t width,
                              float *room) {
  for (size_t i = 0; i < n; i++) {
    const float *row = z + i * f->hidden + first;
    float *to = room + i * width;
    moe_activate(f->activation, row, to, width);
    if (f->w_gate == NULL) continue;
    row += n * f->hidden;
    for (size_t k = 0; k < width; k++) to[k] *= row[k];
  }
  return room;
}

static void back_out(const backward *c, const moe__tile *t, size_t first,
                     size_t width, float *room) {
  const moe_feed_forward *f = c->f;
  const float *z = c->saved + t->first * c->each;
  const float *wg = c->wg + (t->first - c->tiles[0].first) * f->out;
  bool in_place = moe__is_in_place(f);
  const float *h =
      in_place ? z + first : find_band(f, z, t->n, first, width, room);
  if (c->to->w_out.to != NULL)
    moe_gemm(true, false, width, f->out, t->n, 1, h,
             in_place ? f->hidden : width, wg, f->out, 1,
             c->to->w_out.to + (t->expert * f->hidden + first) * f->out,
             f->out);
  if (c->to->b_out.to != NULL && first == 0)
    add_columns(wg, t->n, f->out, f->out, c->to->b_out.to + t->expert * f->out);
}

static void back_in(const backward *c, const moe__tile *t, const float *by_z,
                    size_t first, size_t width, float *to) {
  const moe_feed_forward *f = c->f;
  const float *x = c->x + (t->first - c->tiles[0].first) * f->dim;
  if (to == NULL) return;
  moe_gemm(true, false, f->dim, width, t->n, 1, x, f->dim, by_z + first,
           f->hidden, 1, to + t->expert * f->dim * f->hidden + first,
           f->hidden);
}

static void back_band(const backward *c, const moe__tile *t, size_t first,
                      float *room) {
  const moe_feed_forward *f = c->f;
  size_t width = f->hidden - first < BAND ? f->hidden - first : BAND;
  const float *by_z = c->by_z + (t->first - c->tiles[0].first) * c->each;
  back_out(c, t, first, width, room);
  if (f->w_gate != NULL) {
    back_in(c, t, by_z, first, width, c->to->w_gate.to);
    by_z += t->n * f->hidden;
  }
  back_in(c, t, by_z, first, width, c->to->w_in.to);
  if (c->to->b_in.to != NULL)
    add_columns(by_z + first, t->n, f->hidden, width,
                c->to->b_in.to + t->expert * f->hidden + first);
}

static size_t count_bands(const moe_feed_forward *f) {
  return (f->hidden + BAND - 1) / BAND;
}

/* Pieces are counted through the experts of the round. */
static void back_parameters(void *context, size_t index, int worker) {
  const backward *c = context;
  size_t expert = c->tiles[0].expert + index / count_bands(c->f);
  size_t first = index % count_bands(c->f) * BAND;
  for (size_t k = 0; k < c->n; k++)
    if (c->tiles[k].expert == expert)
      back_band(c, &c->tiles[k], first,
                c->room + (size_t)worker * c->room_size);
}

/* ---------------------------------------------------------------------- rounds
 */

static void run_round(const moe_call *call, backward *c) {
  size_t experts = c->tiles[c->n - 1].expert - c->tiles[0].expert + 1;
  moe_parallel(call, c->n, back_tile, c);
  moe_parallel(call, experts * count_bands(c->f), back_parameters, c);
  if (c->to->x.to != NULL)
    moe__scatter_round(call, c->d, c->tiles, c->n, c->f->dim, false, c->by_x,
                       c->to->x.to);
}

static void clear(moe_added a, size_t n) {
  if (a.to != NULL && a.fresh) memset(a.to, 0, n * sizeof *a.to);
}

static void clear_all(const moe_feed_forward *f, const moe_dispatched *d,
                      const moe_feed_forward_gradients *to) {
  size_t in = f->experts * f->dim * f->hidden;
  clear(to->x, d->rows * f->dim);
  clear(to->weights, d->rows * d->width);
  clear(to->w_in, in);
  clear(to->w_gate, in);
  clear(to->w_out, f->experts * f->hidden * f->out);
  clear(to->b_in, f->experts * f->hidden);
  clear(to->b_out, f->experts * f->out);
}

/* The workers' rooms, and behind them the round's rows. */
static moe_status new_room(moe_call *call, size_t width, backward *c) {
  const moe_feed_forward *f = c->f;
  size_t band = f->hidden < BAND ? f->hidden : BAND;
  size_t rows = f->out + 2 * f->dim + c->each;
  c->room_size = MOE__TILE * (f->hidden > band ? f->hidden : band);
  size_t all = moe_size(width, c->room_size) + moe_size(MOE__ROUND, rows);
  c->room = moe_pool_take(call->pool, moe_size(all, sizeof(float)), false);
  if (c->room == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  c->x = c->room + width * c->room_size;
  c->by_x = c->x + MOE__ROUND * f->dim;
  c->wg = c->by_x + MOE__ROUND * f->dim;
  c->by_z = c->wg + MOE__ROUND * f->out;
  return MOE_OK;
}

moe_status moe_feed_forward_back(moe_call *call, const moe_feed_forward *f,
                                 const moe_dispatched *d, float *saved,
                                 const float *g,
                                 const moe_feed_forward_gradients *to) {
  backward c = {.f = f,
                .d = d,
                .to = to,
                .g = g,
                .saved = saved,
                .each = f->hidden * (f->w_gate != NULL ? 2 : 1)};
  moe__tile *tiles;
  size_t n;
  MOE_TRY(moe__cut_tiles(call, f, d, &tiles, &n));
  size_t bands = f->experts * count_bands(f);
  size_t width = (size_t)moe_parallel_width(call, n > bands ? n : bands);
  moe_status status = new_room(call, width, &c);
  if (status == MOE_OK) clear_all(f, d, to);
  for (size_t k = 0; status == MOE_OK && k < n; k += c.n) {
    c.n = moe__round_of(tiles, n, k);
    c.tiles = tiles + k;
    run_round(call, &c);
  }
  moe_pool_give(tiles);
  moe_pool_give(c.room);
  return status;
}
