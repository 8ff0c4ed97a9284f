/* What every type that can be differentiated promises: the derivative of its
   loss is what differences of that loss say. */
#include <math.h>
#include <stdlib.h>

#include "catalog.h"
#include "learner.h"
#include "promises.h"

enum { ROWS = 40, COLUMNS = 4, EXPERTS = 3, MOST = 1000 };

static moe_call call;
static double x[ROWS][COLUMNS], values[ROWS][EXPERTS * 2], weights[ROWS];
static int32_t ids[ROWS];
static moe_label names[] = {{.kind = MOE_L_TEXT, .text = "a"},
                            {.kind = MOE_L_TEXT, .text = "b"},
                            {.kind = MOE_L_TEXT, .text = "c"}};
static const moe_labels labels = {names, EXPERTS};

static void fill(void) {
  moe_random r;
  moe_random_seed(&r, 5);
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < COLUMNS; j++) x[i][j] = moe_random_normal(&r) * (j + 1);
    for (int e = 0; e < EXPERTS * 2; e++)
      values[i][e] = moe_random_normal(&r) + (e % 2 ? x[i][0] : x[i][1]);
    weights[i] = i % 7 == 0 ? 0 : 0.2 + moe_random_unit(&r);
    ids[i] = (int32_t)((i + (x[i][0] > 0)) % EXPERTS);
  }
}

static moe_batch batch_of(const moe_target *y) {
  return (moe_batch){
      .x = moe_rows_of_doubles(x[0], ROWS, COLUMNS), .y = y, .weight = weights};
}

static moe_target target_of(moe_task task, size_t errors) {
  moe_target y = {.task = task, .n = ROWS, .width = 0, .errors = errors};
  if (task == MOE_CLASSIFICATION) {
    y.ids = ids;
    y.labels = &labels;
  } else {
    y.values = values[0];
    y.width = task == MOE_GATING ? EXPERTS : 2;
  }
  return y;
}

/* A setting of an object, as "name=value". */
static bool set(moe_object *o, const char *setting) {
  char name[40];
  const char *equal = strchr(setting, '=');
  const moe_param *p;
  moe_value map;
  snprintf(name, sizeof name, "%.*s", (int)(equal - setting), setting);
  p = moe_type_find_param(o->type, name);
  if (p == NULL || moe_map_value(&call, 1, &map) != MOE_OK) return false;
  map.keys[0] = moe_text_value(name);
  map.items[0] = p->kind == MOE_FLAG     ? moe_flag_value(equal[1] == '1')
                 : p->kind == MOE_CHOICE ? moe_text_value(equal + 1)
                                         : moe_number_value(atof(equal + 1));
  return moe_object_set(&call, o, &map) == MOE_OK;
}

static double loss_at(moe_object *o, const moe_batch *b, const double *w) {
  static double ignored[MOST];
  double loss = NAN;
  moe_learner_type_of(o)->set_weights(o, w);
  moe_learner_type_of(o)->differentiate(&call, o, b, &loss, ignored);
  return loss;
}

/* Differences over 2h of a function that is computed with a relative error of
   `noise`: h where the errors of rounding and of the third derivative meet. */
static bool check(const char *family, const char *name,
                  const char *const *settings, moe_task task, size_t errors,
                  double noise) {
  double w[MOST], g[MOST], loss, largest = 0, h = cbrt(noise);
  const moe_learner_type *type =
      (const moe_learner_type *)moe_catalog_find(family, name);
  moe_object *o = NULL;
  moe_target y = target_of(task, errors);
  moe_batch b = batch_of(&y);
  EXPECT(type != NULL && (type->traits & MOE_DIFFERENTIABLE));
  EXPECT(moe_object_new(&call, &type->type, &o) == MOE_OK);
  for (; *settings != NULL; settings++) EXPECT(set(o, *settings));
  EXPECT(moe_learner_fit(&call, o, &b) == MOE_OK);
  size_t n = type->n_weights(o);
  EXPECT(n > 0 && n < MOST);
  type->get_weights(o, w);
  for (size_t k = 0; k < n; k++) w[k] += 0.3 * sin(3.0 * (double)k);
  type->set_weights(o, w);
  type->get_weights(o, w);
  EXPECT(type->differentiate(&call, o, &b, &loss, g) == MOE_OK);
  for (size_t k = 0; k < n; k++) largest = fmax(largest, fabs(g[k]));
  EXPECT(isfinite(loss) && largest > 0.01);
  for (size_t k = 0; k < n; k++) {
    double before = w[k], step = h * fmax(1, fabs(before));
    w[k] = before + step;
    double above = loss_at(o, &b, w);
    w[k] = before - step;
    double below = loss_at(o, &b, w);
    w[k] = before;
    double expected = (above - below) / (2 * step);
    EXPECT(fabs(expected - g[k]) <= 30 * h * h * fmax(largest, fabs(loss)));
  }
  moe_object_release(o);
  return true;
}

static const char *const plain[] = {NULL};

/* In double, by Σ of some hundred terms. */
static const double EXACT = 1e-14;
/* float32 inside. */
static const double FLOATS = 1e-7;

static bool linear(void) {
  return check("learner", "linear", plain, MOE_REGRESSION, 0, EXACT);
}

static bool logistic(void) {
  return check("learner", "logistic", plain, MOE_CLASSIFICATION, 0, EXACT);
}

static bool softmax(void) {
  static const char *const terms[] = {"load_balance=0.7", "entropy=-0.3", NULL};
  return check("gate", "softmax", plain, MOE_GATING, 0, EXACT) &&
         check("gate", "softmax", plain, MOE_GATING, 2, EXACT) &&
         check("gate", "softmax", terms, MOE_GATING, 0, EXACT) &&
         check("gate", "softmax", terms, MOE_GATING, 2, EXACT);
}

static const char *const smooth[] = {"activation=tanh", "epochs=3", NULL};
static const char *const bent[] = {"activation=gelu", "epochs=3",
                                   "standardize=0", NULL};
static const char *const curved[] = {"activation=silu", "epochs=3", NULL};

static bool mlp(void) {
  return check("learner", "mlp", smooth, MOE_REGRESSION, 0, FLOATS) &&
         check("learner", "mlp", bent, MOE_REGRESSION, 0, FLOATS) &&
         check("learner", "mlp", curved, MOE_CLASSIFICATION, 0, FLOATS);
}

static bool mlp_gate(void) {
  static const char *const terms[] = {"activation=tanh", "epochs=3",
                                      "load_balance=0.7", "entropy=0.3", NULL};
  return check("gate", "mlp", curved, MOE_GATING, 0, FLOATS) &&
         check("gate", "mlp", smooth, MOE_GATING, 2, FLOATS) &&
         check("gate", "mlp", terms, MOE_GATING, 0, FLOATS);
}

static const promise promises[] = {
    {"linear: the derivative of half the squared error", linear},
    {"logistic: that of the log loss", logistic},
    {"the softmax gate: that of the likelihood and of the mixture's error, "
     "with "
     "balance and entropy",
     softmax},
    {"mlp: that of both losses, through its layers", mlp},
    {"the mlp gate: that of the likelihood and of the mixture's error",
     mlp_gate},
    {NULL, NULL}};

int main(void) {
  moe_call_init(&call, NULL, 2);
  fill();
  int broken = keep(promises);
  moe_call_end(&call);
  return broken;
}
