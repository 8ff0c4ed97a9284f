/* Memory: what is refused, what is kept, what is freed. */
#include "memory.h"
#include "pool.h"

#include "promises.h"

static bool sizes(void) {
  EXPECT(moe_size(0, SIZE_MAX) == 0);
  EXPECT(moe_size(3, 7) == 21);
  EXPECT(moe_size(SIZE_MAX / 2 + 1, 2) == SIZE_MAX);
  EXPECT(moe_alloc(SIZE_MAX / 4 + 2, 4) == NULL); /* 4 bytes, were it to wrap */
  EXPECT(moe_alloc(SIZE_MAX, 1) == NULL);
  EXPECT(moe_alloc((size_t)PTRDIFF_MAX + 1, 1) == NULL);
  EXPECT(moe_copy("abc", SIZE_MAX / 2 + 2, 2) == NULL);
  return true;
}

static bool zeroed(void) {
  long before = moe_alloc_live();
  unsigned char *block = moe_alloc(1000, 3), *none = moe_alloc(0, 8);
  for (int i = 0; i < 3000; i++) EXPECT(block[i] == 0);
  EXPECT(none != NULL && none != block);
  EXPECT(moe_alloc_live() == before + 2);
  moe_free(block);
  moe_free(none);
  moe_free(NULL);
  EXPECT(moe_alloc_live() == before);
  return true;
}

static bool resized(void) {
  long before = moe_alloc_live();
  int *block = moe_resize(NULL, 3, sizeof *block);
  EXPECT(block[0] == 0 && block[2] == 0);
  block[2] = 7;
  EXPECT(moe_resize(block, SIZE_MAX / 4 + 2, sizeof *block) == NULL);
  EXPECT(block[2] == 7);
  block = moe_resize(block, 100000, sizeof *block);
  EXPECT(block != NULL && block[2] == 7);
  block = moe_resize(block, 0, sizeof *block);
  EXPECT(block != NULL && moe_alloc_live() == before + 1);
  moe_free(block);
  return true;
}

static bool copies(void) {
  const double numbers[] = {1, 2, 3};
  double *copy = moe_copy(numbers, 3, sizeof *numbers);
  char *text = moe_copy_text("naïve"), *empty = moe_copy_text("");
  EXPECT(copy != numbers && memcmp(copy, numbers, sizeof numbers) == 0);
  EXPECT(strcmp(text, "naïve") == 0 && strcmp(empty, "") == 0);
  moe_free(copy);
  moe_free(text);
  moe_free(empty);
  return true;
}

static bool explained(void) {
  moe_call call;
  double *array = (double *)&call; /* must not stay */
  moe_call_init(&call, NULL, 1);
  EXPECT(moe_new_array(&call, &array, SIZE_MAX / 2, 8) == MOE_ENOMEM);
  EXPECT(array == NULL && call.error.status == MOE_ENOMEM);
  EXPECT(strstr(call.error.text, "not enough memory") != NULL);
  EXPECT(moe_new_array(&call, &array, 4, 8) == MOE_OK && array != NULL);
  moe_free(array);
  moe_call_end(&call);
  return true;
}

static bool grows(void) {
  moe_call call;
  int *array = NULL, moves = 0;
  size_t capacity = 0;
  moe_call_init(&call, NULL, 1);
  for (int i = 0; i < 100000; i++) {
    size_t before = capacity;
    EXPECT(moe_reserve(&call, &array, &capacity, i, 1, sizeof *array) ==
           MOE_OK);
    EXPECT(capacity > (size_t)i);
    moves += capacity != before;
    array[i] = i;
  }
  EXPECT(moves <= 15); /* log2(100000 / 8) = 13.6 */
  for (int i = 0; i < 100000; i++) EXPECT(array[i] == i);
  moe_free(array);
  return true;
}

static bool growth_refused(void) {
  static const size_t more[] = {SIZE_MAX, SIZE_MAX - 2, SIZE_MAX / 2 + 1,
                                PTRDIFF_MAX, SIZE_MAX / 8};
  moe_call call;
  double *array = NULL;
  size_t capacity = 0;
  moe_call_init(&call, NULL, 1);
  EXPECT(moe_reserve(&call, &array, &capacity, 0, 3, 8) == MOE_OK);
  array[2] = 7;
  for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
    double *old = array;
    size_t room = capacity;
    EXPECT(moe_reserve(&call, &array, &capacity, 3, more[i], 8) == MOE_ENOMEM);
    EXPECT(array == old && capacity == room && array[2] == 7);
  }
  moe_free(array);
  return true;
}

static bool scratch(void) {
  static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 20000, 100000};
  long before = moe_alloc_live();
  moe_call call;
  moe_call_init(&call, NULL, 1);
  for (int round = 0; round < 3; round++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      unsigned char *block = moe_scratch(&call, sizes[i], 1);
      EXPECT(block != NULL && (uintptr_t)block % 64 == 0);
      for (size_t k = 0; k < sizes[i]; k++) EXPECT(block[k] == 0);
      memset(block, 0xff, sizes[i]);
    }
  moe_call_end(&call);
  EXPECT(moe_alloc_live() == before);
  moe_call_end(&call); /* once more does no harm */
  return true;
}

static bool marks(void) {
  moe_call call;
  unsigned char *kept, *again;
  long blocks = 0;
  moe_call_init(&call, NULL, 1);
  kept = moe_scratch(&call, 100, 1);
  memset(kept, 7, 100);
  for (int round = 0; round < 1000; round++) {
    moe_scratch_mark mark = moe_scratch_now(&call);
    again = moe_scratch(&call, 100, 1);
    EXPECT(again[0] == 0 && again[99] == 0);
    memset(again, 0xff, 100);
    EXPECT(moe_scratch(&call, 50000, 1) != NULL);
    moe_scratch_drop(&call, mark);
    if (round == 0) blocks = moe_alloc_live();
    EXPECT(moe_alloc_live() == blocks);
  }
  EXPECT(kept[0] == 7 && kept[99] == 7);
  moe_scratch_drop(&call, (moe_scratch_mark){0});
  moe_call_end(&call);
  EXPECT(call.scratch == NULL);
  return true;
}

static bool first_block(void) {
  moe_call call;
  long before = moe_alloc_live();
  moe_call_init(&call, NULL, 1);
  for (int round = 0; round < 3; round++) {
    unsigned char *block = moe_scratch(&call, 100, 1);
    EXPECT(block[0] == 0 && block[99] == 0);
    memset(block, 0xff, 100);
    EXPECT(moe_scratch(&call, 50000, 1) != NULL);
    moe_scratch_drop(&call, (moe_scratch_mark){0});
    EXPECT(moe_alloc_live() == before + 1);
    moe_alloc_fail_after(0);
    EXPECT(moe_scratch(&call, 1000, 1) != NULL);
    moe_alloc_fail_after(-1);
    moe_scratch_drop(&call, (moe_scratch_mark){0});
  }
  moe_call_end(&call);
  moe_scratch(&call, 50000, 1);
  moe_scratch_drop(&call, (moe_scratch_mark){0});
  EXPECT(moe_alloc_live() == before);
  return true;
}

static bool scratch_refused(void) {
  moe_call call;
  moe_call_init(&call, NULL, 1);
  EXPECT(moe_scratch(&call, SIZE_MAX, 1) == NULL);
  EXPECT(call.error.status == MOE_ENOMEM);
  EXPECT(moe_scratch(&call, SIZE_MAX - 10, 1) ==
         NULL); /* 53, were it to wrap */
  EXPECT(moe_scratch(&call, SIZE_MAX / 8 + 2, 8) == NULL);
  EXPECT(moe_scratch(&call, PTRDIFF_MAX, 1) == NULL);
  EXPECT(moe_scratch(&call, 8, 8) != NULL);
  moe_call_end(&call);
  return true;
}

static bool hook(void) {
  long before = moe_alloc_live();
  moe_call call;
  void *blocks[5] = {0};
  moe_call_init(&call, NULL, 1);
  moe_alloc_fail_after(2);
  blocks[0] = moe_alloc(1, 1);
  blocks[1] = moe_copy_text("two");
  for (int i = 0; i < 3; i++) EXPECT(moe_alloc(1, 1) == NULL);
  EXPECT(moe_resize(blocks[0], 100, 1) == NULL);
  EXPECT(moe_scratch(&call, 1, 1) == NULL && call.error.status == MOE_ENOMEM);
  moe_alloc_fail_after(-1);
  blocks[2] = moe_alloc(1, 1);
  EXPECT(blocks[0] != NULL && blocks[1] != NULL && blocks[2] != NULL);
  for (int i = 0; i < 3; i++) moe_free(blocks[i]);
  EXPECT(moe_alloc_live() == before);
  return true;
}

/* What was given back serves again; what is not needed for a long time goes. */
static bool pooled(void) {
  long before = moe_alloc_live();
  moe_call call;
  moe_pool *p;
  moe_call_init(&call, NULL, 1);
  EXPECT(moe_pool_new(&call, &p) == MOE_OK);
  for (size_t n = 0; n < 100000; n += n / 3 + 1) {
    char *block = moe_pool_take(p, n, false);
    EXPECT(block != NULL && moe_pool_of(block) == p);
    EXPECT((uintptr_t)block % (n > 256 ? 64 : 16) == 0);
    memset(block, 1, n);
    size_t used = moe_pool_used(p);
    EXPECT(used >= n && used <= n + n / 3 + 32);
    moe_pool_give(block);
    EXPECT(moe_pool_used(p) == 0 && moe_pool_idle(p) >= used);
    char *again = moe_pool_take(p, n, true);
    EXPECT(again == block);
    for (size_t i = 0; i < n; i++) EXPECT(again[i] == 0);
    moe_pool_give(again);
  }
  for (int turn = 0; turn < 100; turn++) {
    moe_pool_give(moe_pool_take(p, 5000, false));
    moe_pool_turn(p);
  }
  EXPECT(moe_pool_idle(p) == 5120);
  char *last = moe_pool_take(p, 5000, false);
  moe_pool_release(p);
  moe_pool_give(last);
  EXPECT(moe_alloc_live() == before);
  return true;
}

/* A pool of small blocks keeps no large ones, and few. */
static bool hoarded(void) {
  enum { MANY = 40000 };
  static void *blocks[MANY];
  long before = moe_alloc_live();
  moe_call call;
  moe_pool *p;
  moe_call_init(&call, NULL, 1);
  EXPECT(moe_pool_new_small(&call, &p) == MOE_OK);
  blocks[0] = moe_pool_take(p, 257, true);
  EXPECT(blocks[0] != NULL && moe_pool_of(blocks[0]) == NULL);
  moe_pool_give(blocks[0]);
  EXPECT(moe_pool_idle(p) == 0);
  for (int i = 0; i < MANY; i++) blocks[i] = moe_pool_take(p, 256, false);
  for (int i = 0; i < MANY; i++) moe_pool_give(blocks[i]);
  EXPECT(moe_pool_idle(p) <= 4 << 20);
  moe_pool_empty(p);
  EXPECT(moe_pool_idle(p) == 0);
  moe_pool_release(p);
  EXPECT(moe_alloc_live() == before);
  return true;
}

static const promise promises[] = {
    {"sizes that overflow are never allocated", sizes},
    {"a new block is zeroed, and one of nothing is a block", zeroed},
    {"a block that cannot grow stays as it was", resized},
    {"copies are apart from what they are of", copies},
    {"a call is told what there was no memory for", explained},
    {"a growing array moves a few times, however many items come", grows},
    {"an array that cannot grow stays as it was, whatever is asked",
     growth_refused},
    {"scratch is zeroed, on lines of 64 bytes, and gone with its call",
     scratch},
    {"dropped scratch is used again, and what lies before the mark stays",
     marks},
    {"a call keeps its first block when all scratch is dropped, if it is small",
     first_block},
    {"scratch that is too large is refused and leaves the rest usable",
     scratch_refused},
    {"a pool's blocks go round, and go when they are not needed", pooled},
    {"a pool of small blocks keeps only these, and few", hoarded},
    {"the hook fails the n-th allocation and all after it", hook},
    {NULL, NULL}};

int main(void) { return keep(promises); }
