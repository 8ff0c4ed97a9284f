/* Mixtures of four lines take most samples at once: with the same bits as with
   care, until something that matters is changed, and while nobody is at work.
 */
#include <math.h>
#include <stdlib.h>

#include "learner.h"
#include "mixture.h"
#include "objects.h"
#include "promises.h"

enum { ROWS = 600, COLUMNS = 6, LINES = 4 };

static double x[ROWS][COLUMNS], values[ROWS];

static void fill(void) {
  moe_random r;
  moe_random_seed(&r, 11);
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < COLUMNS; j++) x[i][j] = moe_random_normal(&r);
    values[i] = x[i][0] > 0 ? x[i][1] + x[i][2] : 2 * x[i][3] - 1;
  }
}

/* ------------------------------------------------------------------- mixtures
 */

static bool set_number(moe_object *o, const char *name, double value) {
  return set(o, name, moe_number_value(value));
}

static bool set_text(moe_object *o, const char *name, const char *value) {
  return set(o, name, moe_text_value(value));
}

static bool set_part(moe_object *o, const char *name, moe_object *part) {
  bool good = set(o, name, (moe_value){.kind = MOE_V_OBJECT, .object = part});
  moe_object_release(part);
  return good;
}

/* The gate is taught the best expert, the lines those that are chosen. */
static bool set_plainly(moe_object *o) {
  return set_number(o, "gate.prior", 0) && set_number(o, "gate.decay", 0) &&
         set(o, "gate.standardize", moe_flag_value(false)) &&
         set_text(o, "gate.target", "best_expert") &&
         set_text(o, "stream.teach", "chosen") &&
         set_text(o, "stream.feedback", "partial") &&
         set_text(o, "stream.balance", "logits") &&
         set_text(o, "stream.measure", "after");
}

static moe_object *new_mixture(bool plain) {
  moe_object *o = new_object("learner", "mixture");
  moe_value lines;
  bool good = moe_list_value(&call, LINES, &lines) == MOE_OK;
  for (size_t e = 0; good && e < LINES; e++) {
    moe_object *line = new_object("learner", "linear");
    good = set_number(line, "lr", 0.1 * (double)(e + 1));
    lines.items[e] = (moe_value){.kind = MOE_V_OBJECT, .object = line};
  }
  good = good && set(o, "experts", lines) && set_number(o, "top_k", 2) &&
         set_part(o, "gate", new_object("gate", "softmax")) &&
         set_part(o, "stream", new_object("streaming", "streaming")) &&
         set_text(o, "stream.revive", "reset") && (!plain || set_plainly(o));
  for (size_t e = 0; e < LINES; e++) moe_object_release(lines.items[e].object);
  return good ? o : NULL;
}

static bool learn_first(moe_object *o) {
  moe_target y = {.task = MOE_REGRESSION, .n = 1, .values = values, .width = 1};
  moe_batch b = {.x = moe_rows_of_doubles(x[0], 1, COLUMNS), .y = &y};
  return moe_learner_learn(&call, o, &b) == MOE_OK;
}

static moe_example sample(size_t i) {
  return (moe_example){.x = x[i], .y = &values[i], .weight = 1};
}

static bool learn(moe_object *o, size_t first, size_t n) {
  for (size_t i = first; i < first + n; i++) {
    moe_example s = sample(i);
    if (moe_learner_learn_one(&call, o, &s) != MOE_OK) return false;
  }
  return true;
}

/* One that has learned so many samples, the last of them at once. */
static moe_object *new_learned(bool plain, size_t n) {
  moe_object *o = new_mixture(plain);
  bool good = o != NULL && learn_first(o) && learn(o, 1, n - 1);
  const moe_mixture *m = good ? o->state : NULL;
  return good && m->stream.at_once != NULL ? o : NULL;
}

static moe_object *expert(const moe_object *o, size_t e) {
  return moe_mixture_params_of(o)->experts.items[e];
}

static moe_object *gate(const moe_object *o) {
  return moe_mixture_params_of(o)->gate;
}

/* ------------------------------------------------------------------ the bits
 */

/* Some samples weigh less, or are not as they would have to be. */
static bool learn_alike(moe_object *o, moe_object *slow, size_t i) {
  moe_example a = sample(i), b = a;
  double row[COLUMNS], told, expected;
  memcpy(row, x[i], sizeof row);
  if (i % 11 == 5) row[2] = (double)NAN;
  if (i % 37 == 7) row[1] = 1e70;
  if (i % 9 == 4) a.weight = b.weight = 0.5;
  a.x = b.x = row;
  bool good = moe__learn_with_care(&call, slow, &b, &expected) == MOE_OK;
  if (i % 2) return good && moe_learner_learn_one(&call, o, &a) == MOE_OK;
  return good && moe_learner_test_then_learn(&call, o, &a, &told) == MOE_OK &&
         told == expected;
}

static bool have_seen_as_many(const moe_object *a, const moe_object *b) {
  return moe_learner_fitted(a)->n_seen == moe_learner_fitted(b)->n_seen &&
         moe_learner_fitted(gate(a))->n_seen ==
             moe_learner_fitted(gate(b))->n_seen;
}

typedef bool change(moe_object *o);

static bool change_line(moe_object *o) {
  return set_number(expert(o, 1), "lr", 0.7);
}
static bool change_gate(moe_object *o) {
  return set_number(o, "gate.online_lr", 0.9);
}
static bool change_prior(moe_object *o) {
  return set_number(o, "gate.prior", 0.5);
}
static bool change_stream(moe_object *o) {
  return set_number(o, "stream.span", 20);
}
static bool change_routing(moe_object *o) { return set_number(o, "top_k", 3); }
static bool forget_line(moe_object *o) {
  return moe_object_reset(&call, expert(o, 2)) == MOE_OK;
}
static bool teach_line(moe_object *o) { return learn(expert(o, 0), 0, 5); }
static bool teach_gate(moe_object *o) {
  return moe_object_reset(&call, gate(o)) == MOE_OK;
}
static bool leave_lines(moe_object *o) {
  return set_text(expert(o, 3), "penalty", "l1");
}
static bool put_in_others(moe_object *o) {
  moe_object *other = new_mixture(false);
  moe_value experts;
  bool good =
      moe_object_get(&call, other, moe_type_find_param(other->type, "experts"),
                     &experts) == MOE_OK &&
      set(o, "experts", experts);
  moe_object_release(other);
  return good;
}

static change *const changes[] = {
    change_line, change_gate,  change_stream, forget_line,    teach_line,
    teach_gate,  change_prior, put_in_others, change_routing, leave_lines};
enum { CHANGES = sizeof changes / sizeof *changes };

static bool goes_on(bool plain, change *change_it) {
  moe_object *o = new_learned(plain, 100), *slow;
  EXPECT(o != NULL && moe_object_clone(&call, o, &slow) == MOE_OK);
  for (size_t i = 100; i < 400; i++) {
    if (i % 100 == 50) EXPECT(change_it(o) && change_it(slow));
    EXPECT(learn_alike(o, slow, i) && have_seen_as_many(o, slow));
  }
  moe_object_release(o);
  moe_object_release(slow);
  return true;
}

static bool same_bits(void) {
  for (size_t i = 0; i < CHANGES; i++)
    if (!goes_on(false, changes[i]) || !goes_on(true, changes[i])) {
      snprintf(why + strlen(why), sizeof why - strlen(why), " (change %d)",
               (int)i);
      return false;
    }
  return true;
}

/* ----------------------------------------------------------------- refusals */

static bool refuses(moe_object *o, moe_status expected, const char *text,
                    moe_example s) {
  int64_t before = moe_learner_fitted(o)->n_seen;
  double out;
  for (int twice = 0; twice < 2; twice++) {
    moe_status status = twice ? moe_learner_learn_one(&call, o, &s)
                              : moe_learner_test_then_learn(&call, o, &s, &out);
    EXPECT(status == expected && strstr(call.error.text, text) != NULL);
  }
  EXPECT(moe_learner_fitted(o)->n_seen == before);
  return true;
}

static bool refuses_while_at_work(moe_object *o, moe_object *part, size_t i) {
  moe_object_mark_fitting(part, true);
  EXPECT(refuses(o, MOE_EBUSY, "being fitted", sample(i)));
  moe_object_mark_fitting(part, false);
  moe_object_use(part, 1);
  EXPECT(refuses(o, MOE_EBUSY, "in use", sample(i)));
  moe_object_use(part, -1);
  EXPECT(learn(o, i, 1));
  return true;
}

static bool busy(void) {
  moe_object *o = new_learned(false, 100);
  EXPECT(o != NULL && o->n_below == LINES + 2);
  EXPECT(refuses_while_at_work(o, o, 100));
  for (size_t i = 0; i < o->n_below; i++)
    EXPECT(refuses_while_at_work(o, o->below[i], 101 + i));
  moe_object_release(o);
  return true;
}

static bool wrong(void) {
  moe_object *o = new_learned(true, 100);
  double bad[COLUMNS] = {0, 0, 0, INFINITY}, nan = (double)NAN;
  moe_example s = sample(100);
  EXPECT(o != NULL);
  s.x = bad;
  EXPECT(refuses(o, MOE_EDATA, "column 4 is infinite", s));
  s = sample(100);
  s.y = &nan;
  EXPECT(refuses(o, MOE_EDATA, "y is NaN", s));
  s = sample(100);
  s.weight = nan;
  EXPECT(refuses(o, MOE_EDATA, "weight", s));
  EXPECT(learn(o, 100, 20));
  moe_object_release(o);
  return true;
}

/* ------------------------------------------------------------ another's place
   What was learned moves to an object whose changes happen to number those of
   the one that it was learned in. */

enum { PARTS = LINES + 3 };

static moe_object *part(moe_object *o, size_t i) {
  return i == 0 ? o : o->below[i - 1];
}

static void count_up(moe_object *o, uint64_t changes) {
  while (moe_object_changes(o) < changes) moe_object_count_change(o);
}

static bool moves(bool plain) {
  moe_object *o = new_mixture(plain), *other, *slow;
  uint64_t counts[PARTS];
  for (size_t i = 0; i < PARTS; i++) {
    counts[i] = moe_object_changes(part(o, i)) + 100 * MOE_CHANGE;
    count_up(part(o, i), counts[i]);
  }
  EXPECT(learn_first(o));
  for (size_t i = 0; i < PARTS; i++) counts[i] = moe_object_changes(part(o, i));
  EXPECT(moe_object_clone(&call, o, &other) == MOE_OK);
  EXPECT(set_number(other, "gate.online_lr", 2) && learn(o, 1, 99));
  moe_object_exchange_states(o, other);
  moe_object_release(o);
  for (size_t i = 0; i < PARTS; i++) count_up(part(other, i), counts[i]);
  EXPECT(moe_object_changes(other) == counts[0]);
  EXPECT(moe_object_clone(&call, other, &slow) == MOE_OK);
  for (size_t i = 100; i < 200; i++) EXPECT(learn_alike(other, slow, i));
  moe_object_release(other);
  moe_object_release(slow);
  return true;
}

static bool elsewhere(void) { return moves(false) && moves(true); }

static const promise promises[] = {
    {"are learned at once with the same bits, whatever changes", same_bits},
    {"are refused while anybody is at work in the mixture", busy},
    {"are refused at once for what they are refused for with care", wrong},
    {"are learned in another's place by its own settings", elsewhere},
    {NULL, NULL}};

int main(void) {
  moe_call_init(&call, NULL, 1);
  fill();
  int broken = keep(promises);
  moe_call_end(&call);
  return broken;
}
