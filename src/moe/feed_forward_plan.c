/* How a pass over the rows of all experts is cut, and their ways to and fro. */
#include <string.h>

#include "feed_forward.h"
#include "row_kernels.h"

/* ----------------------------------------------------------------- the cuts */

static size_t count_cuts(const moe_dispatched *d, size_t e) {
  return ((size_t)d->sorted.counts[e] + MOE__TILE - 1) / MOE__TILE;
}

/* Tiles of an expert are as equal as they can be. */
static void cut_expert(const moe_dispatched *d, size_t e, moe__plan *p) {
  size_t rows = (size_t)d->sorted.counts[e], cuts = count_cuts(d, e);
  size_t first = (size_t)d->sorted.offsets[e];
  for (size_t k = 0; k < cuts; k++) {
    size_t from = rows * k / cuts, to = rows * (k + 1) / cuts;
    p->tiles[p->n_tiles++] = (moe__tile){e, first + from, to - from};
  }
}

static void cut_rounds(moe__plan *p) {
  for (size_t k = 0; k < p->n_tiles;) {
    moe__round *r = &p->rounds[p->n_rounds++];
    *r = (moe__round){.tiles = p->tiles + k, .first = k == 0};
    for (; k < p->n_tiles; k++, r->n++)
      if (moe__at(r, &p->tiles[k]) + p->tiles[k].n > MOE__ROUND) break;
  }
}

static void find_places(moe__plan *p) {
  const moe_dispatched *d = p->d;
  size_t sorted = (size_t)d->sorted.offsets[p->f->experts];
  memset(p->places, -1, d->rows * d->width * sizeof *p->places);
  for (size_t s = 0; s < sorted; s++)
    p->places[d->sorted.slots[s]] = (int64_t)s;
}

/* --------------------------------------------------------------------- room */

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* As much forward as backward, so that one block of the pool serves both. */
static float *take_room(const moe_call *call, size_t hidden, moe__plan *p) {
  const moe_feed_forward *f = p->f;
  size_t pieces = larger(p->n_tiles, moe_size(f->experts, moe__bands(f)));
  size_t workers = (size_t)moe_parallel_width(call, larger(pieces, MOE__PARTS));
  p->wide = larger(f->dim, f->out);
  p->own = MOE__TILE * (p->wide + hidden * f->hidden) + 3 * f->hidden;
  size_t own = moe_size(workers, p->own);
  size_t all = moe_size(MOE__ROUND, p->wide);
  p->room =
      moe_pool_take(call->pool, moe_size(own + all, sizeof(float)), false);
  p->rows = p->room + own;
  return p->room;
}

moe_status moe__plan_new(moe_call *call, const moe_feed_forward *f,
                         const moe_dispatched *d, size_t hidden, moe__plan *p) {
  size_t tiles = 0, slots = d->rows * d->width;
  *p = (moe__plan){.f = f, .d = d};
  for (size_t e = 0; e < f->experts; e++) tiles += count_cuts(d, e);
  size_t each =
      sizeof(moe__tile) + sizeof(moe__round) + MOE__STEPS * sizeof(moe_phase);
  p->tiles = moe_pool_take(call->pool, tiles * each + slots * sizeof *p->places,
                           false);
  if (p->tiles == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  p->rounds = (moe__round *)(void *)(p->tiles + tiles);
  p->phases = (moe_phase *)(void *)(p->rounds + tiles);
  p->places = (int64_t *)(void *)(p->phases + MOE__STEPS * tiles);
  for (size_t e = 0; e < f->experts; e++) cut_expert(d, e, p);
  cut_rounds(p);
  find_places(p);
  if (take_room(call, hidden, p) != NULL) return MOE_OK;
  moe_pool_give(p->tiles);
  return moe_fail(call, MOE_ENOMEM, "not enough memory");
}

void moe__plan_free(moe__plan *p) {
  moe_pool_give(p->tiles);
  moe_pool_give(p->room);
}

static size_t count_pieces(const moe__plan *p, const moe__round *r,
                           const moe__step *step) {
  if (step->cut == MOE__BY_TILES) return r->n;
  if (step->cut == MOE__BY_PARTS) return MOE__PARTS;
  return (r->tiles[r->n - 1].expert - r->tiles[0].expert + 1) *
         moe__bands(p->f);
}

void moe__plan_run(moe_call *call, moe__plan *p, const void *pass, size_t n,
                   const moe__step *steps) {
  size_t phases = 0;
  for (size_t k = 0; k < p->n_rounds; k++) {
    moe__round *r = &p->rounds[k];
    r->pass = pass;
    for (size_t s = 0; s < n; s++)
      p->phases[phases++] =
          (moe_phase){count_pieces(p, r, &steps[s]), steps[s].piece, r};
  }
  moe_parallel_phases(call, phases, p->phases);
}

/* --------------------------------------------------------------- to and fro */

/* Rows lie far from each other, so some are called for ahead. */
enum { AHEAD = 4 };

static void call_row(const float *row, size_t width) {
  for (size_t k = 0; k < width; k += 16) __builtin_prefetch(row + k);
}

void moe__gather_rows(const moe__plan *p, const moe__tile *t, size_t width,
                      bool weighted, const float *from, float *to) {
  const moe_dispatched *d = p->d;
  for (size_t i = 0; i < t->n; i++, to += p->wide) {
    const float *row = from + moe__row_of(d, t->first + i) * width;
    if (i + AHEAD < t->n)
      call_row(from + moe__row_of(d, t->first + i + AHEAD) * width, width);
    if (weighted)
      moe__scaled_row(moe__weight_of(d, t->first + i), row, to, width);
    else
      memcpy(to, row, width * sizeof *to);
  }
}

/* Where a selection is among the rows of the round, or SIZE_MAX. */
static size_t place_of(const moe__plan *p, const moe__round *r, size_t slot) {
  const moe__tile *last = &r->tiles[r->n - 1];
  size_t rows = moe__at(r, last) + last->n;
  size_t at = (size_t)p->places[slot] - r->tiles[0].first;
  return at < rows ? at : SIZE_MAX;
}

/* The first of a row's selections to be worked on, or SIZE_MAX. */
static size_t find_first(const moe__plan *p, size_t i) {
  size_t first = SIZE_MAX, width = p->d->width;
  for (size_t k = i * width; k < (i + 1) * width; k++)
    if ((size_t)p->places[k] < first) first = (size_t)p->places[k];
  return first;
}

static void scatter_row(const moe__plan *p, const moe__round *r, size_t i,
                        const moe__scatter *s) {
  const moe_dispatched *d = p->d;
  float *row = s->to + i * s->width;
  size_t first = s->fresh ? find_first(p, i) : 0;
  bool begun = !s->fresh || first < r->tiles[0].first;
  if (first == SIZE_MAX && r->first) memset(row, 0, s->width * sizeof *row);
  for (size_t k = i * d->width; k < (i + 1) * d->width; k++) {
    size_t at = place_of(p, r, k);
    if (at == SIZE_MAX) continue;
    float w = s->weighted ? d->weights[k] : 1;
    if (begun)
      moe__axpy_row(w, p->rows + at * p->wide, row, s->width);
    else
      moe__scaled_row(w, p->rows + at * p->wide, row, s->width);
    begun = true;
  }
}

static void call_rows(const moe__plan *p, const moe__round *r, size_t i,
                      const moe__scatter *s) {
  for (size_t k = i * p->d->width; k < (i + 1) * p->d->width; k++) {
    size_t at = place_of(p, r, k);
    if (at != SIZE_MAX) call_row(p->rows + at * p->wide, s->width);
  }
}

void moe__scatter_part(const moe__plan *p, const moe__round *r, size_t part,
                       const moe__scatter *s) {
  size_t end = p->d->rows * (part + 1) / MOE__PARTS;
  for (size_t i = p->d->rows * part / MOE__PARTS; i < end; i++) {
    if (i + AHEAD < end) call_rows(p, r, i + AHEAD, s);
    scatter_row(p, r, i, s);
  }
}
