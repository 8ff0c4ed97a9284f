#include "pool.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* Idle blocks of one size class lie in one list, the last given back first. */
typedef struct block {
  moe_pool *pool; /* NULL: the system's */
  struct block *next;
  size_t size;  /* of what follows the head: a class's */
  size_t given; /* the turn in which it became idle */
} block;

enum {
  HEAD = 64,    /* so that what follows is aligned as the block is */
  CLASSES = 240 /* four to each doubling of the size */
};

struct moe_pool {
  bool released;
  size_t used, idle, blocks, turn; /* bytes, bytes, blocks in use, steps */
  block *lists[CLASSES];
};

_Static_assert(sizeof(block) <= HEAD, "the head has room for a block");

/* Sizes are rounded up to a quarter of a power of two: a class, and its size.
 */
static size_t class_of(size_t n, size_t *size) {
  size_t step = 64, k = 0;
  if (n <= 4 * step) {
    k = n == 0 ? 0 : (n - 1) / step;
    *size = (k + 1) * step;
    return k;
  }
  while (n > 8 * step) {
    step *= 2;
    k += 4;
  }
  size_t quarter = (n - 1) / step; /* 4 … 7 */
  *size = (quarter + 1) * step;
  return k + quarter;
}

moe_status moe_pool_new(moe_call *call, moe_pool **out) {
  return moe_new_array(call, out, 1, sizeof **out);
}

static void free_list(moe_pool *p, block **list, size_t before) {
  while (*list != NULL) {
    block *b = *list;
    if (b->given < before) {
      *list = b->next;
      p->idle -= b->size;
      moe_free(b);
    } else {
      list = &b->next;
    }
  }
}

static void free_idle(moe_pool *p, size_t before) {
  for (size_t k = 0; k < CLASSES; k++) free_list(p, &p->lists[k], before);
}

void moe_pool_release(moe_pool *p) {
  if (p == NULL) return;
  p->released = true;
  free_idle(p, SIZE_MAX);
  if (p->blocks == 0) moe_free(p);
}

static block *find_idle(moe_pool *p, size_t class) {
  block *b = p != NULL && class < CLASSES ? p->lists[class] : NULL;
  if (b == NULL) return NULL;
  p->lists[class] = b->next;
  p->idle -= b->size;
  return b;
}

void *moe_pool_take(moe_pool *p, size_t n, bool zeroed) {
  size_t size = n, class = CLASSES;
  if (n < SIZE_MAX / 4) class = class_of(n, &size);
  block *b = find_idle(p, class);
  if (b == NULL && size <= SIZE_MAX - HEAD) {
    b = moe_alloc_aligned(HEAD + size);
    if (b != NULL) b->size = size;
  }
  if (b == NULL) return NULL;
  b->pool = p;
  if (p != NULL) {
    p->used += size;
    p->blocks++;
  }
  if (zeroed) memset((char *)b + HEAD, 0, n);
  return (char *)b + HEAD;
}

void moe_pool_give(void *memory) {
  if (memory == NULL) return;
  block *b = (block *)(void *)((char *)memory - HEAD);
  moe_pool *p = b->pool;
  if (p == NULL) {
    moe_free(b);
    return;
  }
  p->used -= b->size;
  p->blocks--;
  if (p->released) {
    moe_free(b);
    if (p->blocks == 0) moe_free(p);
    return;
  }
  size_t size, class = class_of(b->size, &size);
  b->next = p->lists[class];
  b->given = p->turn;
  p->lists[class] = b;
  p->idle += b->size;
}

void moe_pool_turn(moe_pool *p) {
  p->turn++;
  if (p->turn >= 2) free_idle(p, p->turn - 1);
}

size_t moe_pool_used(const moe_pool *p) { return p->used; }
size_t moe_pool_idle(const moe_pool *p) { return p->idle; }
