#include "tally.h"

#include <string.h>

#include "threads.h"
#include "vector.h"

enum {
  TILE = 4096,      /* doubles: stays in the nearest cache */
  MOST_SLOTS = 16,  /* blocks between two looks at the clock */
  BLOCK = 1 << 18,  /* multiplications: with MOST_SLOTS of them, a few ms */
  SLOTS = 1 << 22,  /* doubles in all slots, unless one needs more */
  MOST_ROWS = 4096, /* of a block, however cheap they are */
  ALIGNED = 4       /* rows that kernels take at once */
};

static size_t at_most(size_t a, size_t b) { return a < b ? a : b; }
static size_t at_least(size_t a, size_t b) { return a > b ? a : b; }

static void cut(moe_tally *t) {
  const moe_tally_plan *p = &t->plan;
  size_t fitting = TILE / (p->columns + p->width + 1) / ALIGNED * ALIGNED;
  size_t affordable = BLOCK / at_least(p->cost, 1);
  t->tile_rows = at_most(at_least(fitting, ALIGNED), at_least(p->rows->n, 1));
  t->block_rows = at_least(at_most(affordable, MOST_ROWS), t->tile_rows);
  t->block_rows -= t->block_rows % t->tile_rows;
  t->n_blocks = (p->rows->n + t->block_rows - 1) / t->block_rows;
  size_t memory = p->length + t->tile_rows * (p->columns + p->width) + 1;
  t->n_slots = at_least(at_most(SLOTS / memory, MOST_SLOTS), 1);
  t->n_slots = at_most(t->n_slots, at_least(t->n_blocks, 1));
}

moe_status moe_tally_new(moe_call *call, const moe_tally_plan *plan,
                         moe_tally *out) {
  moe_tally t = {.plan = *plan};
  cut(&t);
  size_t rows = t.n_slots * t.tile_rows, size = sizeof(double);
  *out = t;
  MOE_TRY(
      moe_new_array(call, &out->sums, moe_size(t.n_slots, plan->length), size));
  MOE_TRY(moe_new_array(call, &out->x, moe_size(rows, plan->columns), size));
  return moe_new_array(call, &out->work, moe_size(rows, plan->width), size);
}

void moe_tally_free(moe_tally *t) {
  moe_free(t->sums);
  moe_free(t->x);
  moe_free(t->work);
  *t = (moe_tally){0};
}

typedef struct region {
  moe_tally *tally;
  moe_tally_add add;
  const void *context;
} region;

/* Float rows, the usual ones, are standardised as they are read. */
static void load(const moe_tally_plan *p, const moe_tile *tile) {
  const moe_rows *r = p->rows;
  if (p->columns == 0) return;
  if (r->source == MOE_FROM_FLOATS && r->map == NULL && p->factor != NULL) {
    for (size_t i = 0; i < tile->n; i++)
      moe_standardize_floats(
          r->floats + moe_rows_at(r, tile->first + i) * r->stride, r->d,
          p->centre, p->factor, tile->x + i * r->d);
    return;
  }
  moe_rows_doubles(r, tile->first, tile->n, tile->x);
  if (p->factor != NULL)
    moe_standardize(tile->x, tile->n, p->columns, p->centre, p->factor);
}

static void add_block(void *context, size_t index, int worker) {
  const region *r = context;
  moe_tally *t = r->tally;
  const moe_tally_plan *p = &t->plan;
  size_t block = t->next + index, slot = block % t->n_slots;
  size_t end = at_most((block + 1) * t->block_rows, p->rows->n);
  moe_tile tile = {.x = t->x + slot * t->tile_rows * p->columns,
                   .work = t->work + slot * t->tile_rows * p->width};
  (void)worker;
  for (size_t first = block * t->block_rows; first < end;
       first += t->tile_rows) {
    tile.first = first;
    tile.n = at_most(t->tile_rows, end - first);
    load(p, &tile);
    r->add(r->context, &tile, t->sums + slot * p->length);
  }
}

static void reduce(moe_tally *t, double *total) {
  size_t length = t->plan.length;
  memset(total, 0, length * sizeof *total);
  for (size_t s = 0; s < t->n_slots; s++)
    moe_axpy(1, t->sums + s * length, total, length);
  memset(t->sums, 0, t->n_slots * length * sizeof *total);
  t->next = 0;
}

bool moe_tally_run(moe_call *call, moe_tally *t, moe_tally_add add,
                   const void *context, double *total) {
  region r = {t, add, context};
  while (t->next < t->n_blocks) {
    size_t n = at_most(t->n_slots, t->n_blocks - t->next);
    moe_parallel(call, n, add_block, &r);
    t->next += n;
    if (t->next < t->n_blocks && moe_call_pausing(call)) return false;
  }
  reduce(t, total);
  return true;
}
