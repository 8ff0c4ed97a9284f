#include "feed_forward.h"

#include <string.h>

#include "gemm.h"
#include "row_kernels.h"
#include "threads.h"

/* ----------------------------------------------------------------- the cuts */

static size_t count_tiles(const moe_feed_forward *f, const moe_dispatched *d) {
  size_t n = 0;
  for (size_t e = 0; e < f->experts; e++)
    n += ((size_t)d->sorted.counts[e] + MOE__TILE - 1) / MOE__TILE;
  return n;
}

/* Tiles of an expert are as equal as they can be. */
static void cut_expert(const moe_dispatched *d, size_t e, moe__tile *tiles,
                       size_t *n) {
  size_t rows = (size_t)d->sorted.counts[e];
  size_t parts = (rows + MOE__TILE - 1) / MOE__TILE;
  size_t first = (size_t)d->sorted.offsets[e];
  for (size_t k = 0; k < parts; k++) {
    size_t from = rows * k / parts, to = rows * (k + 1) / parts;
    tiles[(*n)++] = (moe__tile){e, first + from, to - from};
  }
}

moe_status moe__cut_tiles(moe_call *call, const moe_feed_forward *f,
                          const moe_dispatched *d, moe__tile **tiles,
                          size_t *n) {
  size_t most = count_tiles(f, d);
  *n = 0;
  *tiles = moe_pool_take(call->pool, moe_size(most, sizeof **tiles), false);
  if (*tiles == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  for (size_t e = 0; e < f->experts; e++) cut_expert(d, e, *tiles, n);
  return MOE_OK;
}

size_t moe__round_of(const moe__tile *tiles, size_t n, size_t first) {
  size_t k = first + 1;
  while (k < n &&
         tiles[k].first + tiles[k].n - tiles[first].first <= (size_t)MOE__ROUND)
    k++;
  return k - first;
}

/* ------------------------------------------------------------ to and fro */

void moe__gather_rows(const moe_dispatched *d, const moe__tile *t, size_t width,
                      const float *from, float *to) {
  for (size_t i = 0; i < t->n; i++)
    memcpy(to + i * width, from + moe__row_of(d, t->first + i) * width,
           width * sizeof *to);
}

/* Rows are cut into bands, so that each has one thread; in a band the tiles add
   one after the other. */
typedef struct scatter {
  const moe_dispatched *d;
  const moe__tile *tiles;
  size_t n, width, band;
  bool weighted;
  const float *from;
  float *to;
} scatter;

/* The first of a tile's rows that is at `row` of x or behind it. */
static size_t find_row(const moe_dispatched *d, const moe__tile *t,
                       size_t row) {
  size_t low = 0, high = t->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (moe__row_of(d, t->first + middle) < row)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void scatter_band(void *context, size_t index, int worker) {
  const scatter *s = context;
  size_t begin = index * s->band, end = begin + s->band;
  size_t origin = s->tiles[0].first;
  (void)worker;
  for (size_t k = 0; k < s->n; k++) {
    const moe__tile *t = &s->tiles[k];
    for (size_t i = find_row(s->d, t, begin); i < t->n; i++) {
      size_t sorted = t->first + i, row = moe__row_of(s->d, sorted);
      if (row >= end) break;
      float w = s->weighted ? s->d->weights[s->d->sorted.slots[sorted]] : 1;
      moe__axpy_row(w, s->from + (sorted - origin) * s->width,
                    s->to + row * s->width, s->width);
    }
  }
}

void moe__scatter_round(const moe_call *call, const moe_dispatched *d,
                        const moe__tile *tiles, size_t n, size_t width,
                        bool weighted, const float *from, float *to) {
  enum { BANDS = 16 };
  size_t band = d->rows / BANDS + 1;
  scatter s = {d, tiles, n, width, band, weighted, from, to};
  moe_parallel(call, (d->rows + band - 1) / band, scatter_band, &s);
}

/* -------------------------------------------------------------------- forward
 */

size_t moe_feed_forward_saved(const moe_feed_forward *f,
                              const moe_dispatched *d) {
  size_t rows = (size_t)d->sorted.offsets[f->experts];
  return moe_size(rows, f->hidden * (f->w_gate != NULL ? 2 : 1));
}

typedef struct forward {
  const moe_feed_forward *f;
  const moe_dispatched *d;
  const moe__tile *tiles; /* of the round */
  float *saved;           /* of all rows, or NULL */
  float *room, *answers;  /* a worker's; the round's */
  size_t room_size;
} forward;

/* z (n×hidden) = x w + b, where w and b are those of expert e. */
static void map_in(const moe_feed_forward *f, const float *w, const float *b,
                   size_t e, const float *x, size_t n, float *z) {
  for (size_t i = 0; b != NULL && i < n; i++)
    memcpy(z + i * f->hidden, b + e * f->hidden, f->hidden * sizeof *z);
  moe_gemm(false, false, n, f->hidden, f->dim, 1, x, f->dim,
           w + e * f->dim * f->hidden, f->hidden, b != NULL ? 1 : 0, z,
           f->hidden);
}

const float *moe__find_hidden(const moe_feed_forward *f, const float *z,
                              size_t n, float *room) {
  size_t items = n * f->hidden;
  if (moe__is_in_place(f)) return z;
  moe_activate(f->activation, z, room, items);
  for (size_t i = 0; f->w_gate != NULL && i < items; i++)
    room[i] *= z[items + i];
  return room;
}

/* A tile's rows of what is saved: z, or z_gate and behind it z_in. */
static void fill_hidden(const moe_feed_forward *f, size_t e, const float *x,
                        size_t n, float *z) {
  size_t items = n * f->hidden;
  if (f->w_gate != NULL) {
    map_in(f, f->w_gate, NULL, e, x, n, z);
    map_in(f, f->w_in, f->b_in, e, x, n, z + items);
    return;
  }
  map_in(f, f->w_in, f->b_in, e, x, n, z);
  if (moe__is_in_place(f)) moe_activate(f->activation, z, z, items);
}

static void map_out(const moe_feed_forward *f, size_t e, const float *h,
                    size_t n, float *y) {
  for (size_t i = 0; f->b_out != NULL && i < n; i++)
    memcpy(y + i * f->out, f->b_out + e * f->out, f->out * sizeof *y);
  moe_gemm(false, false, n, f->out, f->hidden, 1, h, f->hidden,
           f->w_out + e * f->hidden * f->out, f->out, f->b_out != NULL ? 1 : 0,
           y, f->out);
}

static void run_tile(void *context, size_t index, int worker) {
  const forward *c = context;
  const moe_feed_forward *f = c->f;
  const moe__tile *t = &c->tiles[index];
  size_t each = f->hidden * (f->w_gate != NULL ? 2 : 1);
  float *x = c->room + (size_t)worker * c->room_size;
  float *h = x + MOE__TILE * f->dim, *z = h + MOE__TILE * f->hidden;
  if (c->saved != NULL) z = c->saved + t->first * each;
  moe__gather_rows(c->d, t, f->dim, c->d->x, x);
  fill_hidden(f, t->expert, x, t->n, z);
  map_out(f, t->expert, moe__find_hidden(f, z, t->n, h), t->n,
          c->answers + (t->first - c->tiles[0].first) * f->out);
}

static size_t room_of(const moe_feed_forward *f) {
  return MOE__TILE * (f->dim + 3 * f->hidden);
}

moe_status moe_feed_forward_run(moe_call *call, const moe_feed_forward *f,
                                const moe_dispatched *d, float *saved,
                                float *out) {
  forward c = {.f = f, .d = d, .saved = saved, .room_size = room_of(f)};
  moe__tile *tiles;
  size_t n;
  MOE_TRY(moe__cut_tiles(call, f, d, &tiles, &n));
  size_t width = (size_t)moe_parallel_width(call, n);
  size_t all = moe_size(width, c.room_size) + MOE__ROUND * f->out;
  c.room = moe_pool_take(call->pool, moe_size(all, sizeof(float)), false);
  c.answers = c.room + width * c.room_size;
  if (c.room != NULL) memset(out, 0, d->rows * f->out * sizeof *out);
  for (size_t k = 0, m; c.room != NULL && k < n; k += m) {
    m = moe__round_of(tiles, n, k);
    c.tiles = tiles + k;
    moe_parallel(call, m, run_tile, &c);
    moe__scatter_round(call, d, c.tiles, m, f->out, true, c.answers, out);
  }
  moe_pool_give(tiles);
  if (c.room == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  moe_pool_give(c.room);
  return MOE_OK;
}
