#include "pool.h"

#include <string.h>

#include "memory.h"

/* The address sanitizer is to see who uses a block that lies idle. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define HIDE(memory, n) ASAN_POISON_MEMORY_REGION((memory), (n))
#define SHOW(memory, n) ASAN_UNPOISON_MEMORY_REGION((memory), (n))
#else
#define HIDE(memory, n) ((void)0)
#define SHOW(memory, n) ((void)0)
#endif

/* What stands before the memory of a block. */
typedef struct head {
  moe_pool *pool; /* NULL: the system's */
  size_t class;   /* of its size */
} head;

/* What stands in the memory of an idle one. */
typedef struct idle {
  struct idle *next;
} idle;

enum {
  STEP = 32,         /* between the sizes of the smallest classes */
  SMALL_CLASSES = 8, /* those; malloc's alignment is enough for them … */
  LINE = 64,         /* … while larger blocks are aligned to this */
  CLASSES = 240,     /* four to each doubling of the size */
  WINDOW = 16,       /* turns */
  HOARDED = 4 << 20  /* idle bytes that a pool of small blocks may have */
};

/* Idle blocks of one class, the last given back first, and the fewest that lay
   there at any time in this window of turns, and in the one before. */
typedef struct shelf {
  idle *top;
  size_t n, least, least_before;
} shelf;

struct moe_pool {
  bool small, released;
  size_t used, idle, blocks; /* bytes, bytes, blocks in use */
  size_t classes;            /* from here on no block was ever idle */
  size_t turns;
  shelf shelves[CLASSES];
};

/* Sizes are rounded up to a quarter of a power of two. */
static size_t class_of(size_t n) {
  size_t step = STEP, k = 0;
  for (; n > 8 * step; step *= 2) k += 4;
  return n == 0 ? 0 : k + (n - 1) / step;
}

static size_t size_of(size_t class) {
  if (class < SMALL_CLASSES) return (class + 1) * STEP;
  return (class % 4 + 5) * ((size_t)STEP << (class / 4 - 1));
}

static head *head_of(void *memory) { return (head *)memory - 1; }

/* -------------------------------------------------------------- the system's
 */

static void *new_block(moe_pool *p, size_t class, size_t size) {
  size_t before = class < SMALL_CLASSES ? sizeof(head) : LINE;
  char *block = class < SMALL_CLASSES ? moe_alloc(1, before + size)
                                      : moe_alloc_aligned(before + size);
  if (block == NULL) return NULL;
  void *memory = block + before;
  *head_of(memory) = (head){p, class};
  return memory;
}

static void free_block(void *memory) {
  bool small = head_of(memory)->class < SMALL_CLASSES;
  moe_free((char *)memory - (small ? sizeof(head) : LINE));
}

/* ----------------------------------------------------------------- the pool's
 */

static moe_status new_pool(moe_call *call, bool small, moe_pool **out) {
  MOE_TRY(moe_new_array(call, out, 1, sizeof **out));
  (*out)->small = small;
  return MOE_OK;
}

moe_status moe_pool_new(moe_call *call, moe_pool **out) {
  return new_pool(call, false, out);
}

moe_status moe_pool_new_small(moe_call *call, moe_pool **out) {
  return new_pool(call, true, out);
}

static void *take_idle(moe_pool *p, size_t class) {
  shelf *s = &p->shelves[class];
  idle *top = s->top;
  if (top == NULL) return NULL;
  SHOW(top, size_of(class));
  s->top = top->next;
  __builtin_prefetch(s->top, 1); /* the next to be taken, long out of cache */
  if (--s->n < s->least) s->least = s->n;
  p->idle -= size_of(class);
  return top;
}

static void keep_idle(moe_pool *p, size_t class, void *memory) {
  shelf *s = &p->shelves[class];
  idle *top = memory;
  top->next = s->top;
  s->top = top;
  s->n++;
  p->idle += size_of(class);
  if (class >= p->classes) p->classes = class + 1;
  HIDE(memory, size_of(class));
}

static void free_idle(moe_pool *p, size_t class, size_t n) {
  for (; n > 0; n--) free_block(take_idle(p, class));
}

void moe_pool_empty(moe_pool *p) {
  for (size_t k = 0; k < p->classes; k++) free_idle(p, k, p->shelves[k].n);
}

void moe_pool_release(moe_pool *p) {
  if (p == NULL) return;
  p->released = true;
  moe_pool_empty(p);
  if (p->blocks == 0) moe_free(p);
}

void *moe_pool_take(moe_pool *p, size_t n, bool zeroed) {
  if (n > PTRDIFF_MAX - LINE) return NULL;
  size_t class = class_of(n);
  if (p != NULL && p->small && class >= SMALL_CLASSES) p = NULL;
  void *memory = p != NULL ? take_idle(p, class) : NULL;
  if (memory == NULL)
    memory = new_block(p, class, p != NULL ? size_of(class) : n);
  if (memory == NULL) return NULL;
  if (p != NULL) {
    p->used += size_of(class);
    p->blocks++;
  }
  if (zeroed) memset(memory, 0, n);
  return memory;
}

void moe_pool_give(void *memory) {
  if (memory == NULL) return;
  moe_pool *p = head_of(memory)->pool;
  size_t class = head_of(memory)->class;
  if (p != NULL) {
    p->used -= size_of(class);
    p->blocks--;
  }
  if (p == NULL || p->released || (p->small && p->idle >= HOARDED))
    free_block(memory);
  else
    keep_idle(p, class, memory);
  if (p != NULL && p->released && p->blocks == 0) moe_free(p);
}

moe_pool *moe_pool_of(void *memory) { return head_of(memory)->pool; }

/* The blocks of a class are alike: as many as lay idle all the time go. */
void moe_pool_turn(moe_pool *p) {
  if (++p->turns % WINDOW != 0) return;
  for (size_t k = 0; k < p->classes; k++) {
    shelf *s = &p->shelves[k];
    size_t spare = s->least < s->least_before ? s->least : s->least_before;
    s->least_before = s->least;
    free_idle(p, k, spare);
    s->least_before -= spare;
    s->least = s->n;
  }
}

size_t moe_pool_used(const moe_pool *p) { return p->used; }
size_t moe_pool_idle(const moe_pool *p) { return p->idle; }
