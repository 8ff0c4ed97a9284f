/* The only file that knows a numeric library. */
#include "gemm.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "portable.h"

typedef struct backend {
  const char *name;
  const char *libraries; /* what `open` tries, for messages */
  bool (*open)(void);    /* true once its products can be called */
  void (*gemm)(const moe__product *x);
} backend;

/* ------------------------------------------------------------------ opening */

/* What was opened stays for good: threads of its own may still run. */
static void *open_library(const char *path) {
  return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

/* Threads that start while a library is opened take no signals of the host's.
   Returns what to set again afterwards. */
static sigset_t block_signals(void) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  return before;
}

/* Sets a pointer to a function; false where the library has none. */
static bool find(void *library, const char *name, void *function) {
  void *found = dlsym(library, name);
  memcpy(function, &found, sizeof found);
  return found != NULL;
}

static void *do_nothing(void *argument) { return argument; }

/* OpenBLAS built for threads starts some when it is opened, and takes the
   process down where the host has forbidden that. */
static bool may_start_threads(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, do_nothing, NULL) != 0) return false;
  pthread_join(thread, NULL);
  return true;
}

/* -------------------------------------------------------------------- CBLAS */

enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 };

static struct {
  void (*sgemm)(int order, int transa, int transb, int m, int n, int k,
                float alpha, const float *a, int lda, const float *b, int ldb,
                float beta, float *c, int ldc);
  bool here;
} cblas;

/* A library is taken only if its threads can be forbidden, which leaves out
   the reference BLAS: it is ten times slower than our own kernels. */
static bool limit_threads(void *library) {
  void (*set_openblas)(int);
  void (*set_blis)(int64_t);
  if (find(library, "openblas_set_num_threads", &set_openblas))
    set_openblas(1);
  else if (find(library, "bli_thread_set_num_threads", &set_blis))
    set_blis(1);
  else
    return false;
  return true;
}

static bool take_cblas(const char *path) {
  void *library = open_library(path);
  return library != NULL && find(library, "cblas_sgemm", &cblas.sgemm) &&
         limit_threads(library);
}

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#else
#define MULTIARCH "."
#endif
#define SERIAL "/usr/lib/" MULTIARCH "/openblas-serial/libopenblas.so.0"

static void look_for_cblas(void) {
  sigset_t before = block_signals();
  cblas.here = take_cblas(SERIAL) ||
               (may_start_threads() &&
                (take_cblas("libopenblas.so.0") || take_cblas("libblas.so.3")));
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool open_cblas(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, look_for_cblas);
  return cblas.here;
}

static bool fits_int(const moe__product *x) {
  return (x->m | x->n | x->k | x->lda | x->ldb | x->ldc) <= INT_MAX;
}

/* OpenBLAS packs all of B however few rows of A will use it, except in products
   of up to a million steps.  Our own kernels read it as it lies, and take from
   a quarter to nine tenths of the time. */
static bool is_low(const moe__product *x) {
  return x->m <= 8 && !x->transb && x->m * x->n * x->k > 1000000;
}

static void call_cblas(const moe__product *x) {
  if (!fits_int(x) || is_low(x)) {
    moe__portable_gemm(x);
    return;
  }
  cblas.sgemm(ROW_MAJOR, x->transa ? TRANSPOSED : AS_IT_IS,
              x->transb ? TRANSPOSED : AS_IT_IS, (int)x->m, (int)x->n,
              (int)x->k, x->alpha, x->a, (int)x->lda, x->b, (int)x->ldb,
              x->beta, x->c, (int)x->ldc);
}

/* ------------------------------------------------------------------- oneDNN */

static struct {
  int (*sgemm)(char transa, char transb, int64_t m, int64_t n, int64_t k,
               float alpha, const float *a, int64_t lda, const float *b,
               int64_t ldb, float beta, float *c, int64_t ldc);
  int (*bfloat)(char transa, char transb, int64_t m, int64_t n, int64_t k,
                float alpha, const uint16_t *a, int64_t lda, const uint16_t *b,
                int64_t ldb, float beta, float *c, int64_t ldc); /* or NULL */
  int (*get_threads)(void);
  void (*set_threads)(int);
  atomic_bool here;
} onednn;

static void leave_onednn(void);

static bool take_onednn(const char *path) {
  void *library = open_library(path);
  if (library == NULL) return false;
  find(library, "dnnl_gemm_bf16bf16f32", &onednn.bfloat);
  return find(library, "dnnl_sgemm", &onednn.sgemm) &&
         find(library, "omp_get_max_threads", &onednn.get_threads) &&
         find(library, "omp_set_num_threads", &onednn.set_threads);
}

static void look_for_onednn(void) {
  sigset_t before = block_signals();
  bool here = take_onednn("libdnnl.so.3") || take_onednn("libdnnl.so.2");
  if (here && pthread_atfork(NULL, NULL, leave_onednn) == 0)
    atomic_store(&onednn.here, true);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool open_onednn(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, look_for_onednn);
  return atomic_load(&onednn.here);
}

/* The number of OpenMP threads belongs to the calling thread, whose other
   users find it as they left it. */
static void call_onednn(const moe__product *x) {
  int threads = onednn.get_threads(), failed;
  onednn.set_threads(1);
  failed = onednn.sgemm(x->transa ? 'T' : 'N', x->transb ? 'T' : 'N',
                        (int64_t)x->m, (int64_t)x->n, (int64_t)x->k, x->alpha,
                        x->a, (int64_t)x->lda, x->b, (int64_t)x->ldb, x->beta,
                        x->c, (int64_t)x->ldc);
  onednn.set_threads(threads);
  if (failed) moe__portable_gemm(x);
}

/* ------------------------------------------------------------------- choice */

static bool open_portable(void) { return true; }

static const backend backends[] = {
    {"onednn", "libdnnl.so.3, libdnnl.so.2", open_onednn, call_onednn},
    {"cblas", SERIAL ", libopenblas.so.0, libblas.so.3 (an OpenBLAS or BLIS)",
     open_cblas, call_cblas},
    {"portable", "", open_portable, moe__portable_gemm},
};
enum { FASTEST = 0, AUTO = 1 /* where the search for each begins */ };

/* The process's choice.  Atomic, so that threads may make their first products
   at once: all search in the same order and find the same. */
static _Atomic(const backend *) chosen;
static atomic_int search_from = AUTO;
static atomic_bool used;

static const backend *choose(void) {
  const backend *b = atomic_load(&chosen), *none = NULL;
  if (b != NULL) return b;
  for (b = backends + atomic_load(&search_from); !b->open();) b++;
  return atomic_compare_exchange_strong(&chosen, &none, b) ? b : none;
}

/* libgomp's threads do not live on in a forked child, but it waits for them. */
static void leave_onednn(void) {
  atomic_store(&onednn.here, false);
  atomic_store(&search_from, AUTO);
  if (atomic_load(&chosen) == &backends[0]) atomic_store(&chosen, NULL);
}

static const backend *use(void) {
  if (!atomic_load_explicit(&used, memory_order_relaxed))
    atomic_store(&used, true);
  return choose();
}

static const backend *find_backend(const char *name) {
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
    if (strcmp(backends[i].name, name) == 0) return &backends[i];
  return NULL;
}

static moe_status check_name(moe_call *call, const char *name) {
  if (find_backend(name) != NULL || strcmp(name, "auto") == 0 ||
      strcmp(name, "fastest") == 0)
    return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "load_backend: no backend '%s'; there are 'portable', "
                  "'cblas', 'onednn', 'auto' and 'fastest'",
                  name);
}

moe_status moe__backend_replace(moe_call *call, const char *name) {
  const backend *b = find_backend(name);
  MOE_TRY(check_name(call, name));
  if (b != NULL && !b->open())
    return moe_fail(call, MOE_ESTATE,
                    "load_backend: '%s' cannot be used here; tried %s", name,
                    b->libraries);
  atomic_store(&search_from, strcmp(name, "fastest") == 0 ? FASTEST : AUTO);
  atomic_store(&chosen, b);
  return MOE_OK;
}

moe_status moe_backend_load(moe_call *call, const char *name) {
  MOE_TRY(check_name(call, name));
  if (!atomic_load(&used)) return moe__backend_replace(call, name);
  if (strcmp(choose()->name, name) == 0) return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "load_backend: '%s' comes too late, products have been made "
                  "with '%s'; choose before the first one",
                  name, choose()->name);
}

const char *moe_backend_name(void) { return choose()->name; }

/* ------------------------------------------------------------------ product */

/* What a library cannot speed up stays here and opens none: at one row OpenBLAS
   is slower than a plain loop. */
void moe_gemm(bool transa, bool transb, size_t m, size_t n, size_t k,
              float alpha, const float *a, size_t lda, const float *b,
              size_t ldb, float beta, float *c, size_t ldc) {
  moe__product x = {transa, transb, m,   n,    k, alpha, a,
                    lda,    b,      ldb, beta, c, ldc};
  if (m <= 1 || n <= 1 || k == 0 || alpha == 0)
    moe__portable_gemm(&x);
  else
    use()->gemm(&x);
}

/* Without instructions for it oneDNN would emulate them. */
static bool has_bfloat(void) {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool moe__multiplies_bfloat(void) {
  return has_bfloat() && use() == &backends[0] && onednn.bfloat != NULL;
}

bool moe__gemm_bfloat(size_t m, size_t n, size_t k, const uint16_t *a,
                      size_t lda, const uint16_t *b, size_t ldb, float beta,
                      float *c, size_t ldc) {
  int threads, failed;
  if (!moe__multiplies_bfloat()) return false;
  threads = onednn.get_threads();
  onednn.set_threads(1);
  failed = onednn.bfloat('N', 'N', (int64_t)m, (int64_t)n, (int64_t)k, 1, a,
                         (int64_t)lda, b, (int64_t)ldb, beta, c, (int64_t)ldc);
  onednn.set_threads(threads);
  return failed == 0;
}
