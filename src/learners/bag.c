#include "bag.h"

#include <math.h>
#include <string.h>

moe_status moe_bag_new(moe_call *call, moe_bag *bag, const moe_rows *batch,
                       size_t sources, size_t sets) {
  int32_t n = 0;
  MOE_TRY(moe_new_array(call, &bag->place, sources, sizeof *bag->place));
  for (size_t i = 0; i < sources; i++) bag->place[i] = -1;
  for (size_t i = 0; i < batch->n; i++) {
    int32_t *place = &bag->place[moe_rows_at(batch, i)];
    if (*place < 0) *place = n++;
  }
  bag->words = ((size_t)n + 63) / 64;
  bag->step = sets > 1 ? bag->words : 0;
  return moe_new_array(call, &bag->bits, moe_size(bag->words, sets),
                       sizeof *bag->bits);
}

void moe_bag_free(moe_bag *bag) {
  moe_free(bag->place);
  moe_free(bag->bits);
}

moe_status moe_bag_desk_new(moe_call *call, moe_bag_desk *desk,
                            const moe_rows *x, size_t block, size_t width) {
  *desk = (moe_bag_desk){0};
  MOE_TRY(moe_walk_new(call, &desk->walk, x, block));
  MOE_TRY(moe_new_array(call, &desk->sums, moe_size(block, width),
                        sizeof *desk->sums));
  return moe_new_array(call, &desk->trees, block, sizeof *desk->trees);
}

void moe_bag_desk_free(moe_bag_desk *desk) {
  moe_walk_free(&desk->walk);
  moe_free(desk->sums);
  moe_free(desk->trees);
}

void moe_bag_desk_open(moe_bag_desk *desk, const moe_rows *x, size_t first,
                       size_t n, size_t width) {
  moe_walk_open(&desk->walk, x, first, n);
  memset(desk->sums, 0, n * width * sizeof *desk->sums);
  memset(desk->trees, 0, n * sizeof *desk->trees);
  desk->first = first;
  desk->tree = 0;
  desk->busy = true;
}

static void close_block(moe_bag_desk *desk, size_t width) {
  double *sums = desk->sums;
  for (size_t i = 0; i < desk->walk.n; i++, sums += width)
    for (size_t k = 0; k < width; k++)
      sums[k] = desk->trees[i] > 0 ? sums[k] / (double)desk->trees[i] : NAN;
  desk->busy = false;
}

bool moe_bag_desk_step(moe_bag_desk *desk, const moe_bag *bag,
                       const moe_trees *trees, const moe_rows *x) {
  moe_walk *w = &desk->walk;
  w->n_picked = 0;
  for (size_t i = 0; i < w->n; i++) {
    if (moe_bag_has(bag, desk->tree, moe_rows_at(x, desk->first + i))) continue;
    w->picked[w->n_picked++] = (int32_t)i;
    desk->trees[i]++;
  }
  moe_walk_tree(w, trees, desk->tree, desk->sums, trees->width);
  if (++desk->tree == trees->n_trees) close_block(desk, trees->width);
  return !desk->busy;
}
