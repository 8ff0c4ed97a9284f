/* The pool of threads: the same results for any number of them, several hosts,
   forks, and threads that cannot be had. */
#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promises.h"

enum { MOST = 1000, WIDEST = 300 };

static moe_call call_of(int threads) {
  moe_call call;
  moe_call_init(&call, NULL, threads);
  return call;
}

/* ----------------------------------------------------------------- counting */

typedef struct tally {
  atomic_int runs[MOST];
  atomic_int busy[WIDEST]; /* pieces that a worker has in hand */
  atomic_int widest;
  atomic_bool twice; /* a worker had two pieces at once */
} tally;

static void count(void *context, size_t index, int worker) {
  tally *t = context;
  if (atomic_fetch_add(&t->busy[worker], 1) > 0) t->twice = true;
  atomic_fetch_add(&t->runs[index], 1);
  for (int w = t->widest; worker + 1 > w;)
    if (atomic_compare_exchange_weak(&t->widest, &w, worker + 1)) break;
  for (volatile int k = 0; k < 200; k++) continue;
  atomic_fetch_sub(&t->busy[worker], 1);
}

static bool run_once(const moe_call *call, size_t n) {
  tally *t = calloc(1, sizeof *t);
  bool good;
  moe_parallel(call, n, count, t);
  good = !t->twice && t->widest <= moe_parallel_width(call, n);
  for (size_t i = 0; i < MOST; i++) good = good && t->runs[i] == (i < n);
  free(t);
  return good;
}

static bool once(void) {
  static const int threads[] = {1, 2, 3, 8, 1000};
  static const size_t n[] = {0, 1, 2, 7, MOST};
  for (int i = 0; i < 5; i++)
    for (int k = 0; k < 5; k++) {
      moe_call call = call_of(threads[i]);
      EXPECT(run_once(&call, n[k]));
    }
  return true;
}

static bool widths(void) {
  moe_call one = call_of(1), four = call_of(4), many = call_of(100000);
  EXPECT(moe_parallel_width(&one, 1000) == 1);
  EXPECT(moe_parallel_width(&four, 1000) == 4);
  EXPECT(moe_parallel_width(&four, 3) == 3);
  EXPECT(moe_parallel_width(&four, 0) == 1);
  EXPECT(moe_parallel_width(&many, 100000) <= 256);
  return true;
}

/* ------------------------------------------------------------------ results */

enum { ITEMS = 100003, PIECE = 1000, PIECES = (ITEMS + PIECE - 1) / PIECE };

static void add_piece(void *context, size_t index, int worker) {
  double *sums = context;
  (void)worker;
  for (size_t i = index * PIECE; i < (index + 1) * PIECE && i < ITEMS; i++)
    sums[index] += 1 / (double)(i + 1);
}

static double harmonic(int threads) {
  double sums[PIECES] = {0}, sum = 0;
  moe_call call = call_of(threads);
  moe_parallel(&call, PIECES, add_piece, sums);
  for (int i = 0; i < PIECES; i++) sum += sums[i];
  return sum;
}

static bool same_bits(void) {
  double one = harmonic(1);
  EXPECT(one > 12.09 && one < 12.1); /* ln 100003 + 0.5772 = 12.0902 */
  for (int threads = 2; threads < 10; threads++)
    EXPECT(harmonic(threads) == one);
  return true;
}

/* ------------------------------------------------------------------- phases */

enum { PHASES = 50, LONGEST = 7 };

typedef struct order {
  int n[PHASES];
  atomic_int done[PHASES];
  atomic_int early; /* pieces that began before the phase before theirs ended */
} order;

typedef struct place {
  order *o;
  int phase;
} place;

static void run_in_order(void *context, size_t index, int worker) {
  const place *p = context;
  (void)worker;
  if (p->phase > 0 && p->o->done[p->phase - 1] < p->o->n[p->phase - 1])
    p->o->early++;
  if (index == 0 && p->phase % 20 == 3) usleep(2000); /* others fall asleep */
  p->o->done[p->phase]++;
}

/* Some phases are empty. */
static bool phases(void) {
  for (int threads = 1; threads < 6; threads++) {
    moe_call call = call_of(threads);
    order o = {.early = 0};
    place places[PHASES];
    moe_phase all[PHASES];
    for (int k = 0; k < PHASES; k++) {
      o.n[k] = k % (LONGEST + 1);
      places[k] = (place){&o, k};
      all[k] = (moe_phase){(size_t)o.n[k], run_in_order, &places[k]};
    }
    moe_parallel_phases(&call, PHASES, all);
    EXPECT(o.early == 0);
    for (int k = 0; k < PHASES; k++) EXPECT(o.done[k] == o.n[k]);
  }
  return true;
}

/* ------------------------------------------------------------------ nesting */

typedef struct nest {
  moe_call call;
  pthread_t owner;
  atomic_int inner;
  atomic_bool strayed;
} nest;

static void inner_piece(void *context, size_t index, int worker) {
  nest *n = context;
  (void)index;
  if (worker != 0 || !pthread_equal(n->owner, pthread_self()))
    n->strayed = true;
  n->inner++;
}

static void outer_piece(void *context, size_t index, int worker) {
  nest *all = context;
  nest own = {.call = call_of(8), .owner = pthread_self()};
  (void)index;
  (void)worker;
  if (moe_parallel_width(&own.call, 100) != 1) own.strayed = true;
  moe_parallel(&own.call, 100, inner_piece, &own);
  all->inner += own.inner;
  if (own.strayed) all->strayed = true;
}

static bool nested(void) {
  nest all = {.call = call_of(4)};
  moe_parallel(&all.call, 50, outer_piece, &all);
  EXPECT(all.inner == 5000 && !all.strayed);
  EXPECT(moe_parallel_width(&all.call, 50) == 4); /* outside again */
  return true;
}

/* ------------------------------------------------------------ several hosts */

static void *be_host(void *good) {
  moe_call call = call_of(3);
  for (int i = 0; i < 60; i++)
    if (!run_once(&call, 40)) *(bool *)good = false;
  return NULL;
}

static bool hosts(void) {
  enum { HOSTS = 6 };
  pthread_t threads[HOSTS];
  bool good[HOSTS];
  for (int i = 0; i < HOSTS; i++) {
    good[i] = true;
    EXPECT(pthread_create(&threads[i], NULL, be_host, &good[i]) == 0);
  }
  for (int i = 0; i < HOSTS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < HOSTS; i++) EXPECT(good[i]);
  return true;
}

/* -------------------------------------------------------------------- forks */

#ifdef __SANITIZE_THREAD__
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0"; }
#endif

/* The status with which a child that runs the function ends; a child that
   hangs is killed. */
static int child(int (*run)(void)) {
  int status = -1;
  pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    _exit(run());
  }
  waitpid(pid, &status, 0);
  return status;
}

static void note_helper(void *context, size_t index, int worker) {
  (void)index;
  if (worker > 0) *(atomic_bool *)context = true;
  usleep(200);
}

/* Whether any thread but this one takes part in a region. */
static bool has_help(void) {
  moe_call call = call_of(4);
  atomic_bool helped = false;
  for (int i = 0; i < 1000 && !helped; i++)
    moe_parallel(&call, 8, note_helper, &helped);
  return helped;
}

static int work_again(void) {
  moe_call call = call_of(4);
  for (int i = 0; i < 20; i++)
    if (!run_once(&call, 100)) return 1;
  return has_help() ? 0 : 1;
}

static int fork_again(void) { return work_again() || child(work_again) != 0; }

static bool forks(void) {
  EXPECT(work_again() == 0);
  EXPECT(child(work_again) == 0);
  EXPECT(child(fork_again) == 0);
  EXPECT(work_again() == 0);
  return true;
}

static atomic_bool enough;

static void *keep_working(void *unused) {
  moe_call call = call_of(3);
  (void)unused;
  while (!enough) run_once(&call, 20);
  return NULL;
}

static bool forks_amid_work(void) {
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
  SKIP("a sanitizer's own locks do not survive it");
#endif
  pthread_t threads[2];
  int bad = 0;
  enough = false;
  for (int i = 0; i < 2; i++)
    pthread_create(&threads[i], NULL, keep_working, NULL);
  for (int i = 0; i < 15; i++) bad += child(work_again) != 0;
  enough = true;
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  EXPECT(bad == 0);
  return true;
}

/* ---------------------------------------------------------- without threads */

static void *sleep_on(void *unused) {
  pause();
  return unused;
}

/* In a child, whose pool is empty: no address space for another stack. */
static int starve(void) {
  struct rlimit before, none;
  pthread_t thread;
  int made = 0, error = 0;
  moe_call call = call_of(8);
  getrlimit(RLIMIT_AS, &before);
  none = before;
  none.rlim_cur = 1 << 20;
  setrlimit(RLIMIT_AS, &none);
  while (made < 1000 && error == 0) {
    error = pthread_create(&thread, NULL, sleep_on, NULL);
    made += error == 0;
  }
  if (error != EAGAIN) return 2;
  if (!run_once(&call, 100)) return 1;
  setrlimit(RLIMIT_AS, &before);
  return has_help() ? 0 : 1;
}

static bool without_threads(void) {
  int status;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
  SKIP("a sanitizer does not live with so little memory");
#endif
  status = child(starve);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
    SKIP("there are threads to be had without memory");
  EXPECT(status == 0);
  return true;
}

/* ------------------------------------------------------------------ signals */

typedef struct masks {
  pthread_t caller;
  atomic_int open; /* workers that signals could interrupt */
  atomic_int others;
} masks;

static void look_at_mask(void *context, size_t index, int worker) {
  masks *m = context;
  sigset_t mask;
  (void)index;
  (void)worker;
  pthread_sigmask(SIG_BLOCK, NULL, &mask);
  if (!pthread_equal(m->caller, pthread_self())) {
    m->others++;
    if (!sigismember(&mask, SIGINT) || !sigismember(&mask, SIGALRM)) m->open++;
  }
  usleep(1000);
}

static bool signals(void) {
  masks m = {.caller = pthread_self()};
  moe_call call = call_of(4);
  sigset_t mask;
  for (int i = 0; i < 100 && m.others == 0; i++)
    moe_parallel(&call, 8, look_at_mask, &m);
  EXPECT(m.others > 0 && m.open == 0);
  pthread_sigmask(SIG_BLOCK, NULL, &mask);
  EXPECT(!sigismember(&mask, SIGINT)); /* the caller's own are as they were */
  return true;
}

static const promise promises[] = {
    {"each piece runs once, each worker has one at a time", once},
    {"there are never more workers than asked for, or than pieces", widths},
    {"sums have the same bits for any number of threads", same_bits},
    {"a phase begins when the one before it is done", phases},
    {"a region inside a region stays on its own thread", nested},
    {"several hosts share the workers", hosts},
    {"a fork after work has threads of its own, and so has its own fork",
     forks},
    {"so can one that came in the middle of other threads' work",
     forks_amid_work},
    {"threads that cannot be made are done without, until they can",
     without_threads},
    {"signals are for the host's threads alone", signals},
    {NULL, NULL}};

int main(void) { return keep(promises); }
