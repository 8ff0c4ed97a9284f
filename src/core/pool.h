/* Blocks of memory that go round: what a training step gave back serves the
   next one, so that in the long run nothing is asked of the system.  A pool
   belongs to one thread; it lives until the last of its blocks was given back.
*/
#ifndef MOE_POOL_H
#define MOE_POOL_H

#include "status.h"

typedef struct moe_pool moe_pool;

moe_status moe_pool_new(moe_call *call, moe_pool **out);

/* Frees what is idle; the pool itself with its last block.  Accepts NULL. */
void moe_pool_release(moe_pool *p);

/* n bytes, aligned for SIMD, zeroed or not; from the system where the pool is
   NULL or has none of that size.  NULL when memory is short. */
void *moe_pool_take(moe_pool *p, size_t n, bool zeroed);
void moe_pool_give(void *block); /* accepts NULL */

/* Called once a step: what lay idle for the whole of the last two steps goes
   back to the system. */
void moe_pool_turn(moe_pool *p);

/* Bytes in blocks that are in use, and that are idle. */
size_t moe_pool_used(const moe_pool *p);
size_t moe_pool_idle(const moe_pool *p);

#endif
