/* Workers sleep until a region is open.  A region lives on its caller's stack;
   the caller works too, as worker 0, then closes it and waits for the helpers
   that had joined.  Regions of several host threads share the idle workers.
   Signals are blocked in workers; a thread that cannot be made is done
   without; a forked child starts with an empty pool.

   Pieces of all phases are numbered through, and taken in that order.  Whoever
   has taken one waits until as many pieces are done as there are before its
   phase; what it waits for is in the hands of others who need not wait for it.

   Regions often follow each other closely, and to wake a thread takes longer
   than a short one lasts.  So a worker that has just worked, a worker between
   two phases, and a caller whose helpers are still at it look out for a moment
   before they sleep. */
#include "threads.h"

#include <pthread.h>
#include <signal.h>

typedef struct region {
  const moe_phase *phases;
  size_t n;           /* pieces of all phases */
  atomic_size_t next; /* piece to be taken */
  atomic_size_t done; /* pieces */
  int vacancies;      /* workers that may still join */
  int joined;         /* workers that have joined so far */
  atomic_int active;  /* of these, still at work */
  atomic_int waiting; /* workers asleep between two phases */
  pthread_cond_t idle, moved;
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

/* Until all pieces before `first` are done. */
static void await_phase(region *r, size_t first) {
  for (int i = 0; i < LOOKS && atomic_load(&r->done) < first; i++)
    pause_a_little();
  if (atomic_load(&r->done) >= first) return;
  pthread_mutex_lock(&pool.lock);
  r->waiting++;
  while (atomic_load(&r->done) < first)
    pthread_cond_wait(&r->moved, &pool.lock);
  r->waiting--;
  pthread_mutex_unlock(&pool.lock);
}

/* The piece that makes `last` of them wakes who waits for that. */
static void count_done(region *r, size_t last) {
  if (atomic_fetch_add(&r->done, 1) + 1 < last) return;
  if (atomic_load(&r->waiting) == 0) return;
  pthread_mutex_lock(&pool.lock);
  pthread_cond_broadcast(&r->moved);
  pthread_mutex_unlock(&pool.lock);
}

static void run_pieces(region *r, int worker) {
  const moe_phase *phase = r->phases;
  size_t first = 0;
  for (;;) {
    size_t i = atomic_fetch_add(&r->next, 1);
    if (i >= r->n) return;
    while (i >= first + phase->n) first += phase++->n;
    await_phase(r, first);
    phase->piece(phase->context, i - first, worker);
    count_done(r, first + phase->n);
  }
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

static void run_alone(size_t n, const moe_phase *phases) {
  for (size_t p = 0; p < n; p++)
    for (size_t i = 0; i < phases[p].n; i++)
      phases[p].piece(phases[p].context, i, 0);
}

static void open_region(region *r, int width) {
  pthread_mutex_lock(&pool.lock);
  hire(width - 1);
  r->vacancies = pool.idle < width - 1 ? pool.idle : width - 1;
  r->below = pool.regions;
  pool.regions = r;
  atomic_fetch_add(&pool.opened, 1);
  pthread_cond_broadcast(&pool.open);
  pthread_mutex_unlock(&pool.lock);
}

void moe_parallel_phases(const moe_call *call, size_t n,
                         const moe_phase *phases) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  region r = {.phases = phases};
  size_t most = 0;
  for (size_t p = 0; p < n; p++) {
    r.n += phases[p].n;
    if (phases[p].n > most) most = phases[p].n;
  }
  int width = moe_parallel_width(call, most);
  if (width < 2) {
    run_alone(n, phases);
    return;
  }
  pthread_once(&once, watch_forks);
  pthread_cond_init(&r.idle, NULL);
  pthread_cond_init(&r.moved, NULL);
  open_region(&r, width);
  inside = true;
  run_pieces(&r, 0);
  inside = false;
  close_region(&r);
  pthread_cond_destroy(&r.idle);
  pthread_cond_destroy(&r.moved);
}

void moe_parallel(const moe_call *call, size_t n, moe_piece piece,
                  void *context) {
  const moe_phase phase = {n, piece, context};
  moe_parallel_phases(call, 1, &phase);
}
