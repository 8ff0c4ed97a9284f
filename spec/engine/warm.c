/* Warm jobs begin from what their object has learned: where there is one
   optimum they come to it in fewer steps; by mini-batches they are better after
   an epoch than a cold fit is. */
#include <math.h>

#include "catalog.h"
#include "learner.h"
#include "promises.h"

enum { ROWS = 300, COLUMNS = 5, EXPERTS = 2 };

static moe_call call;
static double x[ROWS][COLUMNS], scores[ROWS][EXPERTS];
static int32_t ids[ROWS];
static moe_label names[] = {{.kind = MOE_L_TEXT, .text = "a"},
                            {.kind = MOE_L_TEXT, .text = "b"}};
static const moe_labels labels = {names, 2};

static void fill(void) {
  moe_random r;
  moe_random_seed(&r, 3);
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < COLUMNS; j++)
      x[i][j] = moe_random_normal(&r) * (j + 1) + 10 * j;
    double z = x[i][0] + (x[i][1] - 10) / 2 + moe_random_normal(&r);
    ids[i] = z > 0;
    scores[i][0] = z > 0 ? -0.1 : -2;
    scores[i][1] = z > 0 ? -2 : -0.1;
  }
}

/* Every piece of work is a step. */
static bool always(void *data) {
  (void)data;
  return true;
}
static const moe_host hasty = {.expired = always};

/* Fits o to its end, or until it is usable, from what it knows or from nothing;
   gives the steps. */
static int fit(moe_object *o, moe_task task, bool warm, bool to_the_end) {
  moe_target y = {.task = task, .n = ROWS};
  moe_batch b = {.x = moe_rows_of_doubles(x[0], ROWS, COLUMNS), .y = &y};
  moe_job *job;
  int steps = 0;
  if (task == MOE_CLASSIFICATION) {
    y.ids = ids;
    y.labels = &labels;
  } else {
    y.values = scores[0];
    y.width = EXPERTS;
  }
  if (moe_job_begin(&call, o, &b, &job) != MOE_OK) return -1;
  if (warm && !moe_job_warm(job)) return -1;
  for (; !job->done && (to_the_end || !job->usable); steps++)
    if (moe_job_step(&call, job) != MOE_OK) return -1;
  if (moe_job_commit(&call, job) != MOE_OK) return -1;
  moe_job_end(job);
  return steps;
}

static moe_object *make(const char *family, const char *name,
                        const char *solver) {
  moe_object *o = NULL;
  moe_value map;
  if (moe_object_new(&call, moe_catalog_find(family, name), &o) != MOE_OK ||
      solver == NULL || moe_map_value(&call, 1, &map) != MOE_OK)
    return o;
  map.keys[0] = moe_text_value("solver");
  map.items[0] = moe_text_value(solver);
  return moe_object_set(&call, o, &map) == MOE_OK ? o : NULL;
}

/* Mean log-probability of what was right. */
static double score(const moe_object *o) {
  static double p[ROWS][2];
  double sum = 0;
  moe_rows rows = moe_rows_of_doubles(x[0], ROWS, COLUMNS);
  if (moe_learner_predict(&call, o, &rows, p[0]) != MOE_OK) return -INFINITY;
  for (int i = 0; i < ROWS; i++)
    sum += log(o->type->family[0] == 'g'
                   ? p[i][0] * exp(scores[i][0]) + p[i][1] * exp(scores[i][1])
                   : p[i][ids[i]]);
  return sum / ROWS;
}

static bool is_sooner(const char *family, const char *name, moe_task task) {
  moe_object *o = make(family, name, NULL);
  EXPECT(o != NULL);
  int cold = fit(o, task, false, true);
  double before = score(o);
  int warm = fit(o, task, true, true);
  EXPECT(cold > 0 && warm > 0 && warm < cold);
  EXPECT(fabs(score(o) - before) < 1e-6);
  moe_object_release(o);
  return true;
}

static bool is_better(const char *family, const char *name, const char *solver,
                      moe_task task) {
  moe_object *known = make(family, name, solver);
  moe_object *fresh = make(family, name, solver);
  EXPECT(known != NULL && fresh != NULL);
  EXPECT(fit(known, task, false, true) > 0);
  double before = score(known);
  EXPECT(fit(known, task, true, false) > 0 &&
         fit(fresh, task, false, false) > 0);
  EXPECT(score(known) > score(fresh) + 0.01);
  EXPECT(score(known) > before - 0.05);
  moe_object_release(known);
  moe_object_release(fresh);
  return true;
}

static bool optimum(void) {
  return is_sooner("learner", "logistic", MOE_CLASSIFICATION) &&
         is_sooner("gate", "softmax", MOE_GATING);
}

static bool batches(void) {
  return is_better("learner", "mlp", NULL, MOE_CLASSIFICATION) &&
         is_better("gate", "mlp", NULL, MOE_GATING) &&
         is_better("gate", "softmax", "adam", MOE_GATING);
}

static const promise promises[] = {
    {"L-BFGS comes to the same optimum in fewer steps", optimum},
    {"mini-batches go on from where they were", batches},
    {NULL, NULL}};

int main(void) {
  moe_call_init(&call, &hasty, 1);
  fill();
  int broken = keep(promises);
  moe_call_end(&call);
  return broken;
}
