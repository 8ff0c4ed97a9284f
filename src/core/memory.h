/* Memory: zeroed, overflow-checked, countable; and the scratch of a call. */
#ifndef MOE_MEMORY_H
#define MOE_MEMORY_H

#include "status.h"

/* Zeroed array of n items, or NULL.  n = 0 gives a block all the same. */
void *moe_alloc(size_t n, size_t size);

/* n bytes aligned for SIMD, not zeroed, or NULL; for moe_free, not for
   moe_resize. */
void *moe_alloc_aligned(size_t n);

/* The block with room for n items, contents kept, what is new not zeroed; NULL
   leaves the old block as it was.  A NULL block is allocated. */
void *moe_resize(void *block, size_t n, size_t size);

void moe_free(void *block); /* accepts NULL */

/* Copies of n items, and of a text; NULL when memory is short. */
void *moe_copy(const void *block, size_t n, size_t size);
char *moe_copy_text(const char *text);

/* a × b, or SIZE_MAX where that overflows: no allocation of it succeeds. */
size_t moe_size(size_t a, size_t b);

/* moe_alloc and moe_resize that explain themselves in the call's error. */
moe_status moe_new_array(moe_call *call, void *out, size_t n, size_t size);

/* Room in a growing array for `more` items beyond `length`: at least doubles,
   so that appending is cheap.  `array` points to the array's pointer. */
moe_status moe_reserve(moe_call *call, void *array, size_t *capacity,
                       size_t length, size_t more, size_t size);

/* Zeroed memory that lives until the call ends, or until the scratch is
   dropped to an earlier mark.  NULL (and MOE_ENOMEM in the call) if short. */
typedef struct moe_scratch_mark {
  struct moe_scratch_block *block;
  size_t used;
} moe_scratch_mark;
void *moe_scratch(moe_call *call, size_t n, size_t size);
moe_scratch_mark moe_scratch_now(const moe_call *call);
void moe_scratch_drop(moe_call *call, moe_scratch_mark mark);
void moe_scratch_end(moe_call *call); /* gives all of it back */

/* `out = moe_scratch(…)`, returning MOE_ENOMEM from the enclosing function. */
#define MOE_SCRATCH(call, out, n)                    \
  do {                                               \
    (out) = moe_scratch((call), (n), sizeof *(out)); \
    if ((out) == NULL) return MOE_ENOMEM;            \
  } while (0)

/* For tests: the count-th next allocation fails, and all after it, until the
   hook is taken back with a negative count.  The only mutable global besides
   the thread pool. */
void moe_alloc_fail_after(long count);
long moe_alloc_live(void); /* blocks not freed yet */

#endif
