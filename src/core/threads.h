/* One pool of threads a process: lazy, quiet, safe across fork. */
#ifndef MOE_THREADS_H
#define MOE_THREADS_H

#include "status.h"

/* One piece of a region: `index` in [0, n); `worker` in [0, width), so that a
   caller can prepare one scratch a worker.  May not fail, and may not use the
   call's scratch: errors and results go where `context` says. */
typedef void (*moe_piece)(void *context, size_t index, int worker);

/* The most workers that a region of n pieces of this call can have. */
int moe_parallel_width(const moe_call *call, size_t n);

/* Runs piece(context, 0 … n−1, …), each once, on up to call->threads threads,
   and returns when all are done.  The pieces must be cut by shape, never by
   the number of threads, so that results do not depend on it.  A region inside
   a region runs on its own thread alone. */
void moe_parallel(const moe_call *call, size_t n, moe_piece piece,
                  void *context);

/* The same of several phases, one after the other on the same workers: a piece
   begins when all of the phases before its own are done.  This is quicker than
   a region each, for nobody goes to sleep in between. */
typedef struct moe_phase {
  size_t n;
  moe_piece piece;
  void *context;
} moe_phase;

void moe_parallel_phases(const moe_call *call, size_t n,
                         const moe_phase *phases);

#endif
