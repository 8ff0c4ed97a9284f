/* What a generalised linear model promises beside its answers: how likely it
   holds a target, and the slope of that. */
#include <math.h>

#include "catalog.h"
#include "learner.h"
#include "promises.h"

enum { ROWS = 60, COLUMNS = 3, WEIGHTS = 2 * (COLUMNS + 1) };

static moe_call call;
static double x[ROWS][COLUMNS], counts[ROWS], values[ROWS], weights[ROWS];
static int32_t ids[ROWS];
static moe_label names[] = {{.kind = MOE_L_TEXT, .text = "a"},
                            {.kind = MOE_L_TEXT, .text = "b"}};
static const moe_labels labels = {names, 2};

static const moe_target targets[] = {
    {.task = MOE_REGRESSION, .n = ROWS, .values = values, .width = 1},
    {.task = MOE_CLASSIFICATION, .n = ROWS, .ids = ids, .labels = &labels},
    {.task = MOE_REGRESSION, .n = ROWS, .values = counts, .width = 1}};
static const char *const families[] = {"gaussian", "bernoulli", "poisson"};
enum { GAUSSIAN, BERNOULLI, POISSON, FAMILIES };

static void fill(void) {
  moe_random r;
  moe_random_seed(&r, 3);
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < COLUMNS; j++) x[i][j] = moe_random_normal(&r);
    values[i] = x[i][0] + moe_random_normal(&r);
    counts[i] = floor(exp(1 + x[i][0] / 2) * 2 * moe_random_unit(&r));
    ids[i] = x[i][1] + moe_random_normal(&r) > 0;
    weights[i] = i % 5 == 0 ? 1e-300 : 0.2 + moe_random_unit(&r);
  }
}

static moe_batch batch_of(int family) {
  return (moe_batch){.x = moe_rows_of_doubles(x[0], ROWS, COLUMNS),
                     .y = &targets[family],
                     .weight = weights};
}

static moe_object *new_model(int family, int offset) {
  moe_object *o = NULL;
  moe_value map;
  if (moe_object_new(&call, moe_catalog_find("learner", "glm"), &o) != MOE_OK ||
      moe_map_value(&call, offset > 0 ? 2 : 1, &map) != MOE_OK)
    return NULL;
  map.keys[0] = moe_text_value("family");
  map.items[0] = moe_text_value(families[family]);
  if (offset > 0) map.keys[1] = moe_text_value("offset");
  if (offset > 0) map.items[1] = moe_number_value(offset);
  return moe_object_set(&call, o, &map) == MOE_OK ? o : NULL;
}

static double mean_of(int family, const double *out, int i) {
  return family == BERNOULLI ? out[2 * i + 1] : out[i];
}

/* The textbook densities, by what the model predicts. */
static bool likelihood(void) {
  for (int family = 0; family < FAMILIES; family++) {
    double out[2 * ROWS], found[ROWS], squares = 0, total = 0;
    moe_object *o = new_model(family, 0);
    moe_batch b = batch_of(family);
    EXPECT(o != NULL && moe_learner_fit(&call, o, &b) == MOE_OK);
    EXPECT(moe_learner_predict(&call, o, &b.x, out) == MOE_OK);
    EXPECT(moe_learner_log_likelihood(&call, o, &b, found) == MOE_OK);
    for (int i = 0; i < ROWS; i++) {
      squares += weights[i] * pow(values[i] - out[i], 2);
      total += weights[i];
    }
    for (int i = 0; i < ROWS; i++) {
      double m = mean_of(family, out, i), variance = squares / total;
      double expected =
          family == POISSON     ? counts[i] * log(m) - m - lgamma(counts[i] + 1)
          : family == BERNOULLI ? log(ids[i] ? m : 1 - m)
                                : -pow(values[i] - m, 2) / (2 * variance) -
                                      log(2 * 3.141592653589793 * variance) / 2;
      EXPECT(fabs(found[i] - expected) < 1e-9);
    }
    moe_object_release(o);
  }
  return true;
}

static double loss_at(moe_object *o, const moe_batch *b, const double *w) {
  double loss = NAN, ignored[WEIGHTS];
  moe_learner_type_of(o)->set_weights(o, w);
  moe_learner_type_of(o)->differentiate(&call, o, b, &loss, ignored);
  return loss;
}

/* With an offset in the second column, whose weight stays. */
static bool slopes(void) {
  for (int family = 0; family < FAMILIES; family++) {
    const double h = 1e-5;
    double w[WEIGHTS], g[WEIGHTS], loss;
    moe_object *o = new_model(family, 2);
    moe_batch b = batch_of(family);
    EXPECT(o != NULL && moe_learner_fit(&call, o, &b) == MOE_OK);
    const moe_learner_type *type = moe_learner_type_of(o);
    size_t n = type->n_weights(o);
    EXPECT(n == (family == BERNOULLI ? 8 : 4));
    type->get_weights(o, w);
    for (size_t k = 0; k < n; k++) w[k] += 0.1 * sin(3.0 * (double)k);
    type->set_weights(o, w);
    EXPECT(type->differentiate(&call, o, &b, &loss, g) == MOE_OK);
    for (size_t k = 0; k < n; k++) {
      double before = w[k];
      w[k] = before + h;
      double above = loss_at(o, &b, w);
      w[k] = before - h;
      double slope = (above - loss_at(o, &b, w)) / (2 * h);
      w[k] = before;
      bool fixed = k == 1 || (family == BERNOULLI && k == 4);
      EXPECT(fixed ? g[k] == 0 : fabs(slope - g[k]) < 1e-5 * fmax(1, loss));
    }
    moe_object_release(o);
  }
  return true;
}

static const promise promises[] = {
    {"says how likely a target is", likelihood},
    {"knows its loss's derivative, which is 0 for the offset's weight", slopes},
    {NULL, NULL}};

int main(void) {
  moe_call_init(&call, NULL, 1);
  fill();
  int status = keep(promises);
  moe_call_end(&call);
  return status;
}
