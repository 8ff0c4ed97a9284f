/* Workers sleep until a region is open.  A region lives on its caller's stack;
   the caller works too, as worker 0, then closes it and waits for the helpers
   that had joined.  Regions of several host threads share the idle workers.
   Signals are blocked in workers; a thread that cannot be made is done
   without; a forked child starts with an empty pool.

   Regions often follow each other closely, and to wake a thread takes longer
   than a short one lasts.  So a worker that has just worked, and a caller whose
   helpers are still at it, look out for a moment before they sleep. */
#include "threads.h"

#include <pthread.h>
#include <signal.h>

typedef struct region {
  moe_piece piece;
  void *context;
  size_t n;
  atomic_size_t next;
  int vacancies;     /* workers that may still join */
  int joined;        /* workers that have joined so far */
  atomic_int active; /* of these, still at work */
  pthread_cond_t idle;
  struct region *below;
} region;

enum { MAX_WORKERS = 255 };

static struct {
  pthread_mutex_t lock;
  pthread_cond_t open;
  region *regions;
  int workers, idle;
  atomic_uint opened; /* regions so far */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .open = PTHREAD_COND_INITIALIZER};

static _Thread_local bool inside;

static void before_fork(void) { pthread_mutex_lock(&pool.lock); }
static void parent_after_fork(void) { pthread_mutex_unlock(&pool.lock); }

static void child_after_fork(void) {
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.open, NULL);
  pool.regions = NULL;
  pool.workers = pool.idle = 0;
}

static void watch_forks(void) {
  pthread_atfork(before_fork, parent_after_fork, child_after_fork);
}

static void run_pieces(region *r, int worker) {
  for (;;) {
    size_t i = atomic_fetch_add(&r->next, 1);
    if (i >= r->n) return;
    r->piece(r->context, i, worker);
  }
}

static region *find_vacancy(void) {
  region *r = pool.regions;
  while (r != NULL && r->vacancies == 0) r = r->below;
  return r;
}

enum { LOOKS = 2000 }; /* some tens of microseconds */

static void pause_a_little(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void look_out_for_region(unsigned seen) {
  for (int i = 0; i < LOOKS && atomic_load(&pool.opened) == seen; i++)
    pause_a_little();
}

static void look_out_for_end(region *r) {
  for (int i = 0; i < LOOKS && atomic_load(&r->active) > 0; i++)
    pause_a_little();
}

/* The next region, with the pool locked before and after. */
static region *await_region(bool awake) {
  region *r = find_vacancy();
  if (r == NULL && awake) {
    unsigned seen = atomic_load(&pool.opened);
    pthread_mutex_unlock(&pool.lock);
    look_out_for_region(seen);
    pthread_mutex_lock(&pool.lock);
  }
  while ((r = find_vacancy()) == NULL)
    pthread_cond_wait(&pool.open, &pool.lock);
  return r;
}

static void *work(void *unused) {
  (void)unused;
  inside = true;
  pthread_mutex_lock(&pool.lock);
  for (bool awake = false;; awake = true) {
    region *r = await_region(awake);
    r->vacancies--;
    r->active++;
    pool.idle--;
    int worker = ++r->joined;
    pthread_mutex_unlock(&pool.lock);
    run_pieces(r, worker);
    pthread_mutex_lock(&pool.lock);
    pool.idle++;
    if (--r->active == 0) pthread_cond_signal(&r->idle);
  }
  return NULL;
}

/* Called with the pool locked.  New workers count as idle from birth. */
static void hire(int wanted) {
  pthread_attr_t attributes;
  sigset_t all, before;
  if (pool.workers >= wanted || pthread_attr_init(&attributes) != 0) return;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.workers < wanted) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, work, NULL) != 0) break;
    pool.workers++;
    pool.idle++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

int moe_parallel_width(const moe_call *call, size_t n) {
  size_t limit =
      call->threads > MAX_WORKERS ? MAX_WORKERS : (size_t)call->threads;
  if (inside || limit < 2 || n < 2) return 1;
  return (int)(n < limit ? n : limit);
}

static void close_region(region *r) {
  region **at = &pool.regions;
  pthread_mutex_lock(&pool.lock);
  while (*at != r) at = &(*at)->below;
  *at = r->below;
  pthread_mutex_unlock(&pool.lock);
  look_out_for_end(r);
  pthread_mutex_lock(&pool.lock);
  while (r->active > 0) pthread_cond_wait(&r->idle, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
}

void moe_parallel(const moe_call *call, size_t n, moe_piece piece,
                  void *context) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  int width = moe_parallel_width(call, n);
  region r = {.piece = piece, .context = context, .n = n};
  if (width < 2) {
    for (size_t i = 0; i < n; i++) piece(context, i, 0);
    return;
  }
  pthread_once(&once, watch_forks);
  pthread_cond_init(&r.idle, NULL);
  pthread_mutex_lock(&pool.lock);
  hire(width - 1);
  r.vacancies = pool.idle < width - 1 ? pool.idle : width - 1;
  r.below = pool.regions;
  pool.regions = &r;
  atomic_fetch_add(&pool.opened, 1);
  pthread_cond_broadcast(&pool.open);
  pthread_mutex_unlock(&pool.lock);
  inside = true;
  run_pieces(&r, 0);
  inside = false;
  close_region(&r);
  pthread_cond_destroy(&r.idle);
}
