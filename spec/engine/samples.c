/* Single samples and rows of a batch teach the same, to the last bit, whatever
   type of the catalog learns from a stream by itself; those of fixed size take
   samples without allocating anything. */
#include <math.h>
#include <stdlib.h>

#include "learner.h"
#include "model_file.h"
#include "objects.h"
#include "promises.h"

enum { ROWS = 300, COLUMNS = 4 };

static double x[ROWS][COLUMNS], values[ROWS], weights[ROWS];
static float floats[ROWS][COLUMNS + 2];
static int32_t ids[ROWS];
static moe_label names[] = {{.kind = MOE_L_TEXT, .text = "a"},
                            {.kind = MOE_L_TEXT, .text = "b"},
                            {.kind = MOE_L_TEXT, .text = "c"}};
static const moe_labels labels = {names, 3};

/* Numbers that floats hold too; weights of which some are 0. */
static void fill(void) {
  moe_random r;
  moe_random_seed(&r, 5);
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < COLUMNS; j++)
      x[i][j] = floats[i][j] = (float)moe_random_normal(&r);
    values[i] = x[i][0] > 0 ? x[i][1] : 2 * x[i][2];
    ids[i] = i < 20 ? i % 2 : (x[i][0] > 0) + (x[i][1] > 1);
    weights[i] = i % 5 == 4 ? 0 : i % 3 == 2 ? 0.5 : 1;
  }
}

/* ------------------------------------------------------------------- learners
 */

static moe_value object_value(moe_object *o) {
  return (moe_value){.kind = MOE_V_OBJECT, .object = o};
}

/* A mixture of two experts behind the softmax gate. */
static moe_object *new_mixture(const char *first, const char *second) {
  moe_object *parts[] = {new_object("learner", first),
                         new_object("learner", second),
                         new_object("gate", "softmax")};
  moe_object *o = new_object("learner", "mixture");
  moe_value experts;
  bool good = moe_list_value(&call, 2, &experts) == MOE_OK;
  for (int k = 0; good && k < 2; k++) experts.items[k] = object_value(parts[k]);
  good = good && set(o, "experts", experts) &&
         set(o, "gate", object_value(parts[2]));
  for (int k = 0; k < 3; k++) moe_object_release(parts[k]);
  if (good) return o;
  moe_object_release(o);
  return NULL;
}

/* A type around a `model`, which is linear regression. */
static moe_object *new_around(const char *name) {
  moe_object *model = new_object("learner", "linear");
  moe_object *o = new_object("learner", name);
  bool good = set(o, "model", object_value(model));
  moe_object_release(model);
  if (good) return o;
  moe_object_release(o);
  return NULL;
}

/* A learner of that type; NULL for those that do not learn from a stream by
   themselves. */
static moe_object *new_learner(const moe_type *type) {
  const moe_learner_type *t = (const moe_learner_type *)type;
  if (strcmp(type->family, "learner") != 0) return NULL;
  if (t->learn_one == NULL) return NULL;
  if (strcmp(type->name, "mixture") == 0)
    return new_mixture("constant", "naive_bayes");
  if (moe_type_find_param(type, "model") != NULL) return new_around(type->name);
  return new_object("learner", type->name);
}

static bool takes(const moe_type *type, moe_task task) {
  unsigned traits = ((const moe_learner_type *)type)->traits;
  if (strcmp(type->name, "mixture") == 0) return task == MOE_CLASSIFICATION;
  return traits & (task == MOE_CLASSIFICATION ? MOE_CLASSIFIES : MOE_REGRESSES);
}

static moe_target target_of(moe_task task) {
  if (task == MOE_CLASSIFICATION)
    return (moe_target){.task = task, .n = ROWS, .ids = ids, .labels = &labels};
  return (moe_target){.task = task, .n = ROWS, .values = values, .width = 1};
}

/* Rows first … first + n − 1, as doubles or as floats. */
static bool learn_rows(moe_object *o, moe_task task, bool as_floats,
                       size_t first, size_t n) {
  moe_target y = target_of(task);
  moe_rows rows =
      as_floats ? moe_rows_of_floats(floats[0], ROWS, COLUMNS, COLUMNS + 2)
                : moe_rows_of_doubles(x[0], ROWS, COLUMNS);
  moe_batch b = {
      .x = moe_rows_range(&rows, first, n), .y = &y, .weight = weights};
  return moe_learner_learn(&call, o, &b) == MOE_OK;
}

/* The sample of row i, of a learner that knows its class. */
static moe_example example_of(const moe_object *o, moe_task task, size_t i) {
  const moe_fitted *f = o->state;
  moe_example s = {.x = x[i], .y = &values[i], .weight = weights[i]};
  if (task == MOE_CLASSIFICATION)
    s.id = (int32_t)moe_labels_find(&f->labels, &names[ids[i]]);
  return s;
}

static bool tells_its_answer(moe_object *o, moe_example *s) {
  double answer[3], told[3];
  size_t size = moe_learner_fitted(o)->n_outputs * sizeof *told;
  return moe_learner_predict_one(&call, o, s->x, answer) == MOE_OK &&
         moe_learner_test_then_learn(&call, o, s, told) == MOE_OK &&
         memcmp(answer, told, size) == 0;
}

static bool learn_sample(moe_object *o, moe_task task, size_t i, bool asked) {
  moe_example s = example_of(o, task, i);
  if (s.id < 0 &&
      moe_learner_add_label(&call, o, &names[ids[i]], &s.id) != MOE_OK)
    return false;
  return asked ? tells_its_answer(o, &s)
               : moe_learner_learn_one(&call, o, &s) == MOE_OK;
}

static bool are_same(moe_object *a, moe_object *b) {
  unsigned char *one = NULL, *other = NULL;
  size_t n = 0, m = 1;
  bool same = moe_model_dump(&call, a, &one, &n) == MOE_OK &&
              moe_model_dump(&call, b, &other, &m) == MOE_OK && n == m &&
              memcmp(one, other, n) == 0;
  moe_free(one);
  moe_free(other);
  return same;
}

/* ------------------------------------------------------------------- promises
 */

typedef bool (*trial)(moe_object *o, moe_object *again, moe_task task);

/* Two new learners of every type go through the trial, for each task. */
static bool try_all(trial holds) {
  int tried = 0;
  for (const moe_type *const *type = moe_catalog; *type != NULL; type++)
    for (int task = MOE_REGRESSION; task <= MOE_CLASSIFICATION; task++) {
      moe_object *o = new_learner(*type), *again = new_learner(*type);
      bool fits = o != NULL && takes(*type, task);
      bool kept = !fits || holds(o, again, task);
      moe_object_release(o);
      moe_object_release(again);
      tried += fits;
      if (kept) continue;
      snprintf(why, sizeof why, "%s, task %d: %.300s", (*type)->name, task,
               call.error.text);
      return false;
    }
  EXPECT(tried >= 8);
  return true;
}

static bool rows_or_singly(moe_object *o, moe_object *again, moe_task task) {
  if (!learn_rows(o, task, false, 0, 1)) return false;
  for (size_t i = 1; i < ROWS; i++)
    if (!learn_sample(o, task, i, false)) return false;
  return learn_rows(again, task, false, 0, 1) &&
         learn_rows(again, task, true, 1, 120) &&
         learn_rows(again, task, false, 121, ROWS - 121) && are_same(o, again);
}

static bool asked_or_not(moe_object *o, moe_object *again, moe_task task) {
  if (!learn_rows(o, task, false, 0, 1) ||
      !learn_rows(again, task, false, 0, 1))
    return false;
  for (size_t i = 1; i < ROWS; i++)
    if (!learn_sample(o, task, i, false) || !learn_sample(again, task, i, true))
      return false;
  return are_same(o, again);
}

static bool predicted_alike(moe_object *o, moe_object *again, moe_task task) {
  static double many[ROWS][3], one[3];
  moe_rows rows = moe_rows_of_doubles(x[0], ROWS, COLUMNS);
  const moe_fitted *f;
  (void)again;
  if (!learn_rows(o, task, false, 0, ROWS / 2)) return false;
  f = o->state;
  if (moe_learner_predict(&call, o, &rows, many[0]) != MOE_OK) return false;
  for (size_t i = 0; i < ROWS; i++) {
    if (moe_learner_predict_one(&call, o, x[i], one) != MOE_OK) return false;
    if (memcmp(one, many[0] + i * f->n_outputs, f->n_outputs * sizeof *one))
      return false;
  }
  return true;
}

static bool in_bulk(void) { return try_all(rows_or_singly); }
static bool asked(void) { return try_all(asked_or_not); }
static bool predicted(void) { return try_all(predicted_alike); }

/* ------------------------------------------------------------------- gates
   What experts deserve, for up to MOST of them: the first is good where x₁ is.
 */

enum { MOST = 6 };

static double scores[ROWS][MOST];

static void fill_scores(void) {
  for (int i = 0; i < ROWS; i++)
    for (int e = 0; e < MOST; e++)
      scores[i][e] =
          e == i % 4 && i % 7 == 0 ? (double)NAN : -fabs(x[i][e % COLUMNS]) - e;
}

static moe_object *open_gate(size_t experts) {
  moe_target y = {
      .task = MOE_GATING, .n = 1, .values = scores[0], .width = experts};
  moe_batch b = {.x = moe_rows_of_doubles(x[0], 1, COLUMNS), .y = &y};
  moe_object *o = new_object("gate", "softmax");
  return moe_learner_learn(&call, o, &b) == MOE_OK ? o : NULL;
}

static bool insert_expert(moe_object *o) {
  moe_fitted *f = o->state;
  if (moe_learner_type_of(o)->add_class(&call, o, 1) != MOE_OK) return false;
  f->n_outputs++;
  return true;
}

/* Sample i, of a gate that considers it first, or another one, or none: what it
   says is what `other` says, and so is what it learns. */
static bool considers(moe_object *o, moe_object *other, size_t i) {
  size_t n = moe_learner_fitted(o)->n_outputs;
  moe_example s = moe_example_of(x[i], COLUMNS), plain;
  double says[MOST], expected[MOST];
  s.y = scores[i];
  s.weight = i % 5 == 4 ? 2 : 1;
  plain = s;
  if (i % 3 > 0) {
    if (moe__consider_one(&call, o, &s, says, &s.considered) != MOE_OK ||
        moe__predict_one(&call, other, &s, expected) != MOE_OK ||
        !s.considered || memcmp(says, expected, n * sizeof *says) != 0)
      return false;
    if (i % 3 == 2) s.x = plain.x = x[i - 1];
    s.norm = plain.norm = moe_example_of(s.x, COLUMNS).norm;
  }
  if (i % 100 == 50 && !(insert_expert(o) && insert_expert(other)))
    return false;
  return moe__learn_one(&call, o, &s) == MOE_OK &&
         moe__learn_one(&call, other, &plain) == MOE_OK && are_same(o, other);
}

static bool considered(void) {
  fill_scores();
  for (size_t experts = 1; experts + 2 <= MOST; experts++) {
    moe_object *o = open_gate(experts), *other = open_gate(experts);
    for (size_t i = 1; i < 200; i++) EXPECT(considers(o, other, i));
    moe_object_release(o);
    moe_object_release(other);
  }
  return true;
}

/* Samples go by with every allocation failing. */
static bool takes_no_memory(moe_object *o, moe_task task) {
  bool good = learn_rows(o, task, false, 0, ROWS);
  for (size_t i = 0; good && i < ROWS; i++)
    good = learn_sample(o, task, i, true);
  moe_alloc_fail_after(0);
  for (size_t i = 0; good && i < 10000; i++)
    good = learn_sample(o, task, i % ROWS, i % 2);
  moe_alloc_fail_after(-1);
  moe_object_release(o);
  return good;
}

static bool no_memory(void) {
  static const char *const sized[] = {"constant", "ewma", "last_value",
                                      "linear",   "rls",  "esn",
                                      "ar",       "ssm",  NULL};
  for (const char *const *name = sized; *name != NULL; name++) {
    snprintf(why, sizeof why, "%s", *name);
    if (!takes_no_memory(new_object("learner", *name), MOE_REGRESSION))
      return false;
  }
  EXPECT(takes_no_memory(new_object("learner", "naive_bayes"),
                         MOE_CLASSIFICATION));
  EXPECT(
      takes_no_memory(new_object("learner", "logistic"), MOE_CLASSIFICATION));
  EXPECT(takes_no_memory(new_mixture("linear", "rls"), MOE_REGRESSION));
  EXPECT(takes_no_memory(new_mixture("logistic", "naive_bayes"),
                         MOE_CLASSIFICATION));
  return true;
}

static bool fits_too(moe_object *o, moe_object *again, moe_task task) {
  moe_target y = target_of(task);
  moe_batch b = {.x = moe_rows_of_doubles(x[0], ROWS, COLUMNS),
                 .y = &y,
                 .weight = weights};
  (void)again;
  return moe_learner_fit(&call, o, &b) == MOE_OK &&
         moe_learner_fitted(o)->n_seen == ROWS;
}

static bool fitted(void) { return try_all(fits_too); }

static bool says(moe_status expected, const char *text, moe_status status) {
  return status == expected && strstr(call.error.text, text) != NULL;
}

static bool refused(void) {
  moe_object *o = new_object("learner", "linear");
  double out, wrong[COLUMNS] = {1, 2, INFINITY, 4};
  moe_example s = {.x = x[0], .y = values, .weight = 1}, bad = s;
  EXPECT(says(MOE_ESTATE, "not seen any", moe_learner_learn_one(&call, o, &s)));
  EXPECT(says(MOE_ESTATE, "not seen any",
              moe_learner_predict_one(&call, o, x[0], &out)));
  EXPECT(learn_rows(o, MOE_REGRESSION, false, 0, 10));
  bad.x = wrong;
  EXPECT(says(MOE_EDATA, "column 3 is infinite",
              moe_learner_learn_one(&call, o, &bad)));
  wrong[2] = INFINITY;
  EXPECT(says(MOE_EDATA, "column 3 is infinite",
              moe_learner_predict_one(&call, o, wrong, &out)));
  bad = s;
  bad.weight = -1;
  EXPECT(says(MOE_EDATA, "weight", moe_learner_learn_one(&call, o, &bad)));
  bad.weight = (double)NAN;
  EXPECT(says(MOE_EDATA, "weight", moe_learner_learn_one(&call, o, &bad)));
  moe_object_mark_alone(o, true);
  EXPECT(says(MOE_EBUSY, "being fitted", moe_learner_learn_one(&call, o, &s)));
  moe_object_mark_alone(o, false);
  moe_object_use(o, 1);
  EXPECT(says(MOE_EBUSY, "in use", moe_learner_learn_one(&call, o, &s)));
  moe_object_use(o, -1);
  EXPECT(moe_learner_learn_one(&call, o, &s) == MOE_OK);
  moe_object_release(o);
  return true;
}

static const promise promises[] = {
    {"rows of a batch teach what samples teach, weights of 0 included",
     in_bulk},
    {"a sample teaches the same where the answer is told, which is "
     "predict_one's",
     asked},
    {"a row is answered as the sample is", predicted},
    {"a gate learns the same where it has considered the sample before",
     considered},
    {"rows of weight 0 are passed by in a fit", fitted},
    {"samples allocate nothing where the learner is of fixed size", no_memory},
    {"what cannot be learned is refused, and says why", refused},
    {NULL, NULL}};

int main(void) {
  moe_call_init(&call, NULL, 1);
  fill();
  int broken = keep(promises);
  moe_call_end(&call);
  return broken;
}
