/* Blocks of memory that go round: what a training step gave back serves the
   next one, so that in the long run nothing is asked of the system.  A pool
   belongs to one thread; it lives until the last of its blocks was given back.
*/
#ifndef MOE_POOL_H
#define MOE_POOL_H

#include "status.h"

typedef struct moe_pool moe_pool;

moe_status moe_pool_new(moe_call *call, moe_pool **out);

/* One for what a collector frees, and nobody knows when: it keeps small blocks
   (up to 256 bytes) and a few megabytes of them at most. */
moe_status moe_pool_new_small(moe_call *call, moe_pool **out);

/* Frees what is idle; the pool itself with its last block.  Accepts NULL. */
void moe_pool_release(moe_pool *p);
void moe_pool_empty(moe_pool *p); /* frees what is idle, and goes on */

/* n bytes, zeroed or not, aligned for SIMD where they are more than 256; from
   the system where the pool is NULL or has none of that size.  NULL when memory
   is short. */
void *moe_pool_take(moe_pool *p, size_t n, bool zeroed);
void moe_pool_give(void *block);    /* accepts NULL */
moe_pool *moe_pool_of(void *block); /* NULL: the system's */

/* Called once a step: what lay idle for some dozens of steps goes back to the
   system; a step that needs more than most still finds it. */
void moe_pool_turn(moe_pool *p);

/* Bytes in blocks that are in use, and that are idle. */
size_t moe_pool_used(const moe_pool *p);
size_t moe_pool_idle(const moe_pool *p);

#endif
