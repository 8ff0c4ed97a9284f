/* How fast a streaming learner is from C.  The model comes from a file, which
   stream.lua writes, so that it is the very one that Lua measures:

     stream MODEL rates N     samples a second of N: learned, answered, both;
                              the RMSE of the answers
     stream MODEL steps N     learns from N samples, for callgrind
     stream MODEL long N OUT  answers and learns N samples, and saves the model;
                              of each tenth the RMSE, and kilobytes resident

   The stream: 16 features in (−1, 1), a line for each sign of the first, noise
   of 0.05 in (−1, 1); splitmix64, seed 7. */
#include <moe/moe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FEATURES = 16, ROUNDS = 7, MOST_STEPS = 11000 };

static moe_call call;

static void check(moe_status status) {
  if (status == MOE_OK) return;
  fprintf(stderr, "%s: %s\n", moe_status_name(status), call.error.text);
  exit(1);
}

/* ----------------------------------------------------------------- the stream
 */

typedef struct source {
  uint64_t state;
  double line[2][FEATURES];
} source;

static double next_number(source *s) {
  uint64_t z = s->state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return 2 * (double)(z >> 11) * 0x1p-53 - 1;
}

static void begin(source *s) {
  s->state = 7;
  for (int k = 0; k < 2; k++)
    for (int j = 0; j < FEATURES; j++) s->line[k][j] = next_number(s);
}

static double next_sample(source *s, double *x) {
  double y = 0;
  for (int j = 0; j < FEATURES; j++) x[j] = next_number(s);
  const double *line = s->line[x[0] < 0];
  for (int j = 0; j < FEATURES; j++) y += line[j] * x[j];
  return y + 0.05 * next_number(s);
}

typedef struct samples {
  size_t n;
  double *x, *y;
} samples;

static samples make_samples(size_t n) {
  samples s = {n, malloc(n * FEATURES * sizeof(double)),
               malloc(n * sizeof(double))};
  source from;
  if (s.x == NULL || s.y == NULL) exit(1);
  begin(&from);
  for (size_t i = 0; i < n; i++)
    s.y[i] = next_sample(&from, s.x + i * FEATURES);
  return s;
}

/* ------------------------------------------------------------------ the model
 */

static moe_object *load(const char *path) {
  moe_object *o;
  check(moe_model_load(&call, moe_catalog_find, path, &o));
  return o;
}

/* The first sample goes in as a batch: it tells the columns and the task. */
static void learn_first(moe_object *o, const double *x, double y) {
  moe_target target = {
      .task = MOE_REGRESSION, .n = 1, .values = &y, .width = 1};
  moe_batch batch = {.x = moe_rows_of_doubles(x, 1, FEATURES), .y = &target};
  check(moe_learner_learn(&call, o, &batch));
}

static void learn(moe_object *o, const double *x, double y) {
  moe_example s = {.x = x, .y = &y, .weight = 1};
  check(moe_learner_learn_one(&call, o, &s));
}

/* What the model said of x before. */
static double test_then_learn(moe_object *o, const double *x, double y) {
  moe_example s = {.x = x, .y = &y, .weight = 1};
  double out;
  check(moe_learner_test_then_learn(&call, o, &s, &out));
  return out;
}

static double predict(const moe_object *o, const double *x) {
  double out = 0;
  check(moe_learner_predict_one(&call, o, x, &out));
  return out;
}

/* --------------------------------------------------------------------- rounds
   Each works on all samples; a model has learned from the first before. */

static double train(moe_object *o, const samples *s) {
  for (size_t i = 1; i < s->n; i++) learn(o, s->x + i * FEATURES, s->y[i]);
  return 0;
}

static double answer(moe_object *o, const samples *s) {
  double sum = 0;
  for (size_t i = 1; i < s->n; i++) sum += predict(o, s->x + i * FEATURES);
  return sum;
}

/* The root of the mean squared error; the first answer is 0. */
static double test_then_train(moe_object *o, const samples *s) {
  double sum = s->y[0] * s->y[0];
  for (size_t i = 1; i < s->n; i++) {
    double error = test_then_learn(o, s->x + i * FEATURES, s->y[i]) - s->y[i];
    sum += error * error;
  }
  return sqrt(sum / (double)s->n);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef double (*work)(moe_object *o, const samples *s);

/* Samples a second of the work, of a model that is fresh or has been trained.
 */
static double measure(const char *path, const samples *s, work do_it,
                      bool trained, double *result) {
  moe_object *o = load(path);
  learn_first(o, s->x, s->y[0]);
  if (trained) train(o, s);
  double start = now();
  *result = do_it(o, s);
  double seconds = now() - start;
  moe_object_release(o);
  return (double)s->n / seconds;
}

static void print_rates(const char *path, size_t n) {
  const work works[] = {train, answer, test_then_train};
  double best[3] = {0}, result = 0;
  samples s = make_samples(n);
  for (int round = 0; round < ROUNDS; round++)
    for (int w = 0; w < 3; w++) {
      double rate = measure(path, &s, works[w], w == 1, &result);
      if (rate > best[w]) best[w] = rate;
    }
  printf("%.0f %.0f %.0f %.17g\n", best[0], best[1], best[2], result);
  free(s.x);
  free(s.y);
}

/* ------------------------------------------------------------------ long runs
 */

/* As many samples are made whatever n is, so that runs differ by the learning
   alone. */
static void learn_steps(const char *path, size_t n) {
  samples s = make_samples(n < MOST_STEPS ? MOST_STEPS : n);
  moe_object *o = load(path);
  s.n = n;
  learn_first(o, s.x, s.y[0]);
  train(o, &s);
  moe_object_release(o);
  free(s.x);
  free(s.y);
}

/* The root of the mean squared error of the answers to n samples. */
static double run(moe_object *o, source *from, size_t n) {
  double x[FEATURES], sum = 0;
  for (size_t i = 0; i < n; i++) {
    double y = next_sample(from, x), error = test_then_learn(o, x, y) - y;
    sum += error * error;
  }
  return sqrt(sum / (double)n);
}

static long resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void run_long(const char *path, size_t n, const char *out) {
  double x[FEATURES];
  moe_object *o = load(path);
  source from;
  begin(&from);
  double y = next_sample(&from, x);
  learn_first(o, x, y);
  for (int tenth = 0; tenth < 10; tenth++) {
    double error = run(o, &from, n / 10);
    printf("%.17g %ld\n", error, resident());
  }
  check(moe_model_save(&call, o, out));
  moe_object_release(o);
}

int main(int argc, char **argv) {
  const char *what = argc > 3 ? argv[2] : "";
  size_t n = argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 0;
  moe_call_init(&call, NULL, 1);
  if (strcmp(what, "rates") == 0 && argc == 4)
    print_rates(argv[1], n);
  else if (strcmp(what, "steps") == 0 && argc == 4)
    learn_steps(argv[1], n);
  else if (strcmp(what, "long") == 0 && argc == 5)
    run_long(argv[1], n, argv[4]);
  else
    fprintf(stderr, "usage: %s MODEL rates|steps|long N [OUT]\n", argv[0]);
  moe_call_end(&call);
  return 0;
}
