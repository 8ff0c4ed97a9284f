#include "feed_forward_half.h"

#include <string.h>

#include "row_kernels.h"
#include "threads.h"

enum {
  TILE = 128,  /* rows of an expert that are worked on together, … */
  BAND = 512,  /* … or, where they are few, units of the hidden layer */
  ROUND = 2048 /* rows of answers between two additions */
};

/* Rows first … first + n − 1 of the sorted ones, all of one expert, and the
   units unit … unit + units − 1 of its hidden layer: they give n rows of
   answers, of which those of the other units are the rest. */
typedef struct piece {
  size_t expert, first, n, unit, units;
  size_t answers; /* the place of its first row */
} piece;

typedef struct half {
  const moe_feed_forward *f;
  const moe_half_weights *w;
  const moe_dispatched *d;
  const piece *pieces; /* of the round */
  size_t n;
  size_t band;              /* columns that a thread adds up */
  size_t room_size, hidden; /* a worker's floats, those of its h and its z */
  float *room, *answers, *out;
} half;

/* ----------------------------------------------------------------- the cuts */

static size_t cut_tile(const moe_feed_forward *f, const piece *tile,
                       piece *pieces) {
  size_t most = tile->n <= MOE_BFLOAT_FEW ? BAND : f->hidden, n = 0;
  for (size_t unit = 0; unit < f->hidden; unit += most, n++) {
    if (pieces == NULL) continue;
    pieces[n] = *tile;
    pieces[n].unit = unit;
    pieces[n].units = f->hidden - unit < most ? f->hidden - unit : most;
  }
  return n;
}

/* The pieces of all experts, in order; only counts them where pieces is NULL.
   Tiles of an expert are as equal as they can be. */
static size_t cut(const moe_feed_forward *f, const moe_dispatched *d,
                  piece *pieces) {
  size_t n = 0;
  for (size_t e = 0; e < f->experts; e++) {
    size_t rows = (size_t)d->sorted.counts[e];
    size_t tiles = (rows + TILE - 1) / TILE;
    for (size_t k = 0; k < tiles; k++) {
      size_t from = rows * k / tiles, to = rows * (k + 1) / tiles;
      piece tile = {e, (size_t)d->sorted.offsets[e] + from, to - from, 0, 0, 0};
      n += cut_tile(f, &tile, pieces != NULL ? pieces + n : NULL);
    }
  }
  return n;
}

/* Takes pieces until their answers fill a round; gives these their places. */
static size_t take_round(piece *pieces, size_t n) {
  size_t rows = 0, k = 0;
  while (k < n && (k == 0 || rows + pieces[k].n <= ROUND)) {
    pieces[k].answers = rows;
    rows += pieces[k++].n;
  }
  return k;
}

/* ----------------------------------------------------------------- products */

/* Rows of `width` floats where the product begins; NULL: with nothing. */
static void begin_rows(const float *bias, size_t n, size_t width, float *to) {
  for (size_t i = 0; bias != NULL && i < n; i++)
    memcpy(to + i * width, bias, width * sizeof *to);
}

/* The piece's units of z = x w + b. */
static void map_in(const half *c, const piece *p, const moe_bfloat *w,
                   const float *b, const float *x, float *z, float *room) {
  const moe_feed_forward *f = c->f;
  if (b != NULL) b += p->expert * f->hidden + p->unit;
  begin_rows(b, p->n, p->units, z);
  moe_bfloat_gemm(p->n, p->units, f->dim, x, f->dim,
                  w + p->expert * f->dim * f->hidden + p->unit, f->hidden,
                  b != NULL ? 1 : 0, z, p->units, room);
}

/* What these units add to the answers; the first ones bring the bias. */
static void map_out(const half *c, const piece *p, const float *h, float *y,
                    float *room) {
  const moe_feed_forward *f = c->f;
  const float *b = p->unit == 0 ? f->b_out : NULL;
  if (b != NULL) b += p->expert * f->out;
  begin_rows(b, p->n, f->out, y);
  moe_bfloat_gemm(p->n, f->out, p->units, h, p->units,
                  c->w->w_out + (p->expert * f->hidden + p->unit) * f->out,
                  f->out, b != NULL ? 1 : 0, y, f->out, room);
}

static void gather(const moe_dispatched *d, const piece *p, size_t width,
                   float *to) {
  for (size_t i = 0; i < p->n; i++)
    memcpy(to + i * width, d->x + moe__row_of(d, p->first + i) * width,
           width * sizeof *to);
}

static void run_piece(void *context, size_t index, int worker) {
  const half *c = context;
  const moe_feed_forward *f = c->f;
  const piece *p = &c->pieces[index];
  size_t items = p->n * p->units;
  float *h = c->room + (size_t)worker * c->room_size, *z = h + c->hidden;
  float *x = z + c->hidden, *room = x + p->n * f->dim;
  gather(c->d, p, f->dim, x);
  map_in(c, p, c->w->w_in, f->b_in, x, z, room);
  if (c->w->w_gate != NULL) {
    map_in(c, p, c->w->w_gate, NULL, x, h, room);
    moe_activate(f->activation, h, h, items);
    for (size_t i = 0; i < items; i++) h[i] *= z[i];
  } else {
    moe_activate(f->activation, z, h, items);
  }
  map_out(c, p, h, c->answers + p->answers * f->out, room);
}

/* ------------------------------------------------------------------ answers */

/* Adds up a band of columns of all answers of the round. */
static void add_band(void *context, size_t index, int worker) {
  const half *c = context;
  size_t first = index * c->band, rest = c->f->out - first;
  size_t width = rest < c->band ? rest : c->band;
  (void)worker;
  for (size_t k = 0; k < c->n; k++) {
    const piece *p = &c->pieces[k];
    for (size_t i = 0; i < p->n; i++) {
      size_t slot = (size_t)c->d->sorted.slots[p->first + i];
      moe__axpy_row(c->d->weights[slot],
                    c->answers + (p->answers + i) * c->f->out + first,
                    c->out + slot / c->d->width * c->f->out + first, width);
    }
  }
}

/* A few numbers are not worth a second thread. */
static void run_round(const moe_call *call, half *c) {
  enum { LEAST = 1 << 16 };
  size_t rows = c->pieces[c->n - 1].answers + c->pieces[c->n - 1].n;
  c->band = rows * c->f->out < LEAST ? c->f->out : 64;
  moe_parallel(call, c->n, run_piece, c);
  moe_parallel(call, (c->f->out + c->band - 1) / c->band, add_band, c);
}

/* What all pieces together need. */
typedef struct need {
  size_t rows, most; /* of answers; of one piece */
} need;

static need measure(const piece *pieces, size_t n) {
  need all = {0, 0};
  for (size_t k = 0; k < n; k++) {
    all.rows += pieces[k].n;
    all.most = pieces[k].n > all.most ? pieces[k].n : all.most;
  }
  if (all.rows > ROUND) all.rows = ROUND;
  return all;
}

/* A worker's h, z, x and room for its products, and the answers of a round. */
static moe_status new_room(moe_call *call, const need *of, size_t n, half *c) {
  const moe_feed_forward *f = c->f;
  size_t widest = f->dim > f->hidden ? f->dim : f->hidden;
  size_t width = (size_t)moe_parallel_width(call, n);
  c->hidden = of->most * f->hidden;
  c->room_size =
      of->most * f->dim + 2 * c->hidden + moe_bfloat_room(of->most, widest);
  size_t all = moe_size(width, c->room_size) + of->rows * f->out;
  c->room = moe_pool_take(call->pool, moe_size(all, sizeof(float)), false);
  if (c->room == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  c->answers = c->room + width * c->room_size;
  return MOE_OK;
}

moe_status moe_feed_forward_half(moe_call *call, const moe_feed_forward *f,
                                 const moe_half_weights *w,
                                 const moe_dispatched *d, float *out) {
  half c = {.f = f, .w = w, .d = d, .out = out};
  size_t n = cut(f, d, NULL);
  piece *pieces = moe_pool_take(call->pool, moe_size(n, sizeof *pieces), false);
  if (pieces == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  cut(f, d, pieces);
  need of = measure(pieces, n);
  moe_status status = new_room(call, &of, n, &c);
  if (status == MOE_OK) memset(out, 0, d->rows * f->out * sizeof *out);
  for (size_t k = 0; status == MOE_OK && k < n; k += c.n) {
    c.pieces = pieces + k;
    c.n = take_round(pieces + k, n - k);
    run_round(call, &c);
  }
  moe_pool_give(pieces);
  moe_pool_give(c.room);
  return status;
}
