#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include "pool.h"

static atomic_long fail_after = -1;
static atomic_long live;

void moe_alloc_fail_after(long count) { atomic_store(&fail_after, count); }
long moe_alloc_live(void) { return atomic_load(&live); }

/* Counts down while the hook is set; true when this allocation must fail. */
static bool must_fail(void) {
  long left = atomic_load_explicit(&fail_after, memory_order_relaxed);
  if (left < 0) return false;
  if (left == 0) return true;
  atomic_fetch_sub(&fail_after, 1);
  return false;
}

size_t moe_size(size_t a, size_t b) {
  size_t product;
  return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

void *moe_alloc(size_t n, size_t size) {
  void *block;
  if (must_fail() || moe_size(n, size) > PTRDIFF_MAX) return NULL;
  block = calloc(n != 0 ? n : 1, size);
  if (block != NULL) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
  return block;
}

void *moe_alloc_aligned(size_t n) {
  enum { LINE = 64 };
  void *block;
  if (must_fail() || n > PTRDIFF_MAX - LINE) return NULL;
  block = aligned_alloc(LINE, (n + LINE - 1) / LINE * LINE);
  if (block != NULL) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
  return block;
}

void *moe_resize(void *block, size_t n, size_t size) {
  if (block == NULL) return moe_alloc(n, size);
  if (must_fail() || moe_size(n, size) > PTRDIFF_MAX) return NULL;
  return realloc(block, n != 0 ? n * size : size);
}

void moe_free(void *block) {
  if (block == NULL) return;
  atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
  free(block);
}

void *moe_copy(const void *block, size_t n, size_t size) {
  void *copy = moe_alloc(n, size);
  if (copy != NULL && n != 0) memcpy(copy, block, n * size);
  return copy;
}

char *moe_copy_text(const char *text) {
  return moe_copy(text, strlen(text) + 1, 1);
}

static moe_status short_of(moe_call *call, size_t n, size_t size) {
  return moe_fail(call, MOE_ENOMEM, "not enough memory for %zu items of %zu B",
                  n, size);
}

moe_status moe_new_array(moe_call *call, void *out, size_t n, size_t size) {
  void *block = moe_alloc(n, size);
  memcpy(out, &block, sizeof block);
  return block != NULL ? MOE_OK : short_of(call, n, size);
}

moe_status moe_reserve(moe_call *call, void *array, size_t *capacity,
                       size_t length, size_t more, size_t size) {
  void *block;
  size_t wanted, room = *capacity < 8 ? 8 : *capacity;
  if (__builtin_add_overflow(length, more, &wanted) || wanted > PTRDIFF_MAX)
    return short_of(call, more, size);
  if (wanted <= *capacity) return MOE_OK;
  while (room < wanted) room *= 2;
  memcpy(&block, array, sizeof block);
  block = moe_resize(block, room, size);
  if (block == NULL) return short_of(call, room, size);
  memcpy(array, &block, sizeof block);
  *capacity = room;
  return MOE_OK;
}

/* Scratch is a stack of blocks, each filled from its start. */
typedef struct moe_scratch_block {
  struct moe_scratch_block *below;
  size_t used, size;
  _Alignas(64) unsigned char bytes[];
} scratch_block;

enum { SCRATCH_STEP = 16 << 10, SCRATCH_ALIGN = 64 };

static scratch_block *push_block(moe_call *call, size_t bytes) {
  size_t size = bytes < SCRATCH_STEP ? SCRATCH_STEP : bytes;
  scratch_block *block;
  if (size > PTRDIFF_MAX - 2 * SCRATCH_ALIGN) return NULL;
  size = (size + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
  block = moe_pool_take(call->pool, sizeof *block + size, false);
  if (block == NULL) return NULL;
  *block = (scratch_block){call->scratch, 0, size};
  return call->scratch = block;
}

void *moe_scratch(moe_call *call, size_t n, size_t size) {
  size_t bytes = moe_size(n, size);
  scratch_block *top = call->scratch;
  void *out;
  if (bytes <= SIZE_MAX - SCRATCH_ALIGN)
    bytes = (bytes + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
  if (top == NULL || top->size - top->used < bytes)
    top = push_block(call, bytes);
  if (top == NULL) {
    short_of(call, n, size);
    return NULL;
  }
  out = memset(top->bytes + top->used, 0, bytes);
  top->used += bytes;
  return out;
}

moe_scratch_mark moe_scratch_now(const moe_call *call) {
  const scratch_block *top = call->scratch;
  return (moe_scratch_mark){call->scratch, top != NULL ? top->used : 0};
}

static void pop_block(moe_call *call) {
  scratch_block *below = call->scratch->below;
  moe_pool_give(call->scratch);
  call->scratch = below;
}

/* The lowest block stays with the call: many small calls from one caller, a
   sample each, then need no other. */
static bool is_kept(const scratch_block *b) {
  return b->below == NULL && b->size == SCRATCH_STEP;
}

void moe_scratch_drop(moe_call *call, moe_scratch_mark mark) {
  while (call->scratch != mark.block && !is_kept(call->scratch))
    pop_block(call);
  if (call->scratch != NULL)
    call->scratch->used = mark.block != NULL ? mark.used : 0;
}

void moe_scratch_end(moe_call *call) {
  while (call->scratch != NULL) pop_block(call);
}
