/* Jobs come to the same model whatever the host says of the time that is left:
   also where its answers waver, and a piece of work that was told to stop is
   followed by one that was not. */
#include <stdlib.h>

#include "catalog.h"
#include "learner.h"
#include "promises.h"

enum { ROWS = 200, COLUMNS = 12 };

static double x[ROWS][COLUMNS], y[ROWS], steady[ROWS], wavering[ROWS];

static void fill(void) {
  moe_random r;
  moe_random_seed(&r, 5);
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < COLUMNS; j++) x[i][j] = moe_random_normal(&r);
    y[i] = x[i][0] - x[i][7] * x[i][3];
  }
}

/* Every so many times that it is asked. */
typedef struct clock {
  int asked, period;
} clock;

static bool expires(void *data) {
  clock *c = data;
  return ++c->asked % c->period == 0;
}

static moe_status answer(const char *name, const moe_host *host, double *out) {
  moe_target target = {
      .task = MOE_REGRESSION, .n = ROWS, .values = y, .width = 1};
  moe_batch b = {.x = moe_rows_of_doubles(x[0], ROWS, COLUMNS), .y = &target};
  moe_call call;
  moe_object *o;
  moe_call_init(&call, host, 1);
  moe_status status =
      moe_object_new(&call, moe_catalog_find("learner", name), &o);
  if (status == MOE_OK) status = moe_learner_fit(&call, o, &b);
  if (status == MOE_OK) status = moe_learner_predict(&call, o, &b.x, out);
  moe_object_release(o);
  moe_call_end(&call);
  return status;
}

static bool is_steady(const char *name) {
  EXPECT(answer(name, NULL, steady) == MOE_OK);
  for (int period = 1; period <= 5; period++) {
    clock c = {.period = period};
    moe_host host = {.expired = expires, .data = &c};
    EXPECT(answer(name, &host, wavering) == MOE_OK);
    EXPECT(memcmp(steady, wavering, sizeof steady) == 0);
  }
  return true;
}

static bool trees(void) { return is_steady("tree") && is_steady("gbt"); }
static bool forests(void) { return is_steady("forest"); }
static bool lines(void) { return is_steady("linear") && is_steady("glm"); }

static const promise promises[] = {{"trees are the same", trees},
                                   {"forests are the same", forests},
                                   {"lines are the same", lines},
                                   {NULL, NULL}};

int main(void) {
  fill();
  return keep(promises);
}
