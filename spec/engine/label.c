/* Labels: their order, their lists, and the nearest of known names. */
#include "object.h"
#include "promises.h"

static moe_label label_of(moe_value v) {
  moe_call call;
  moe_label label = {0};
  moe_call_init(&call, NULL, 1);
  moe_label_new(&call, &v, &label);
  moe_call_end(&call);
  return label;
}

static moe_label number(double x) { return label_of(moe_number_value(x)); }
static moe_label flag(bool x) { return label_of(moe_flag_value(x)); }

static bool order(void) {
  moe_label sorted[] = {number(-INFINITY),
                        number(-1),
                        number(0),
                        number(10),
                        label_of(moe_text_value("")),
                        label_of(moe_text_value("10")),
                        label_of(moe_text_value("9")),
                        label_of(moe_text_value("B")),
                        label_of(moe_text_value("a")),
                        label_of(moe_text_value("é")),
                        flag(false),
                        flag(true)};
  const int n = sizeof sorted / sizeof *sorted;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++) {
      int c = moe_label_compare(&sorted[i], &sorted[k]);
      EXPECT((c > 0) - (c < 0) == (i > k) - (i < k));
    }
  moe_label minus = number(-0.0);
  EXPECT(moe_label_compare(&minus, &sorted[2]) == 0);
  for (int i = 0; i < n; i++) moe_free(sorted[i].text);
  return true;
}

static bool refused(void) {
  moe_call call;
  moe_label label;
  const moe_value bad[] = {moe_number_value(NAN),
                           {.kind = MOE_V_NIL},
                           {.kind = MOE_V_LIST},
                           {.kind = MOE_V_FUNCTION}};
  moe_call_init(&call, NULL, 1);
  for (int i = 0; i < 4; i++)
    EXPECT(moe_label_new(&call, &bad[i], &label) == MOE_EARG);
  return true;
}

static bool prints(void) {
  char text[20];
  moe_label yes = flag(true), seven = number(7), third = number(1.0 / 3);
  moe_label word = label_of(moe_text_value("a rather long label"));
  moe_label_print(&yes, text, sizeof text);
  EXPECT(strcmp(text, "true") == 0);
  moe_label_print(&seven, text, sizeof text);
  EXPECT(strcmp(text, "7") == 0);
  moe_label_print(&third, text, sizeof text);
  EXPECT(strcmp(text, "0.333333333333333") == 0);
  moe_label_print(&word, text, 9);
  EXPECT(strcmp(text, "a rather") == 0);
  moe_free(word.text);
  return true;
}

static bool lists(void) {
  static const double added[] = {5, 1, 3, 5, 4, 2, 1};
  static const ptrdiff_t places[] = {0, 0, 1, -1, 2, 1, -1};
  long before = moe_alloc_live();
  moe_labels l = {0}, copy;
  moe_call call;
  moe_call_init(&call, NULL, 1);
  for (int i = 0; i < 7; i++) {
    moe_label label = number(added[i]);
    ptrdiff_t place;
    EXPECT(moe_labels_add(&call, &l, &label, &place) == MOE_OK);
    EXPECT(place == places[i]);
  }
  EXPECT(l.n == 5);
  for (int i = 0; i < 5; i++) {
    moe_label label = number(i + 1);
    EXPECT(moe_labels_find(&l, &label) == i);
  }
  moe_labels_remove(&l, 1);
  moe_label two = number(2), three = number(3);
  EXPECT(moe_labels_find(&l, &two) == -1 && moe_labels_find(&l, &three) == 1);
  EXPECT(moe_labels_copy(&call, &l, &copy) == MOE_OK && copy.n == 4);
  moe_labels_free(&l);
  EXPECT(moe_labels_find(&copy, &three) == 1 && l.n == 0);
  moe_labels_free(&copy);
  EXPECT(moe_alloc_live() == before);
  return true;
}

/* Distances by hand: an insertion, a deletion, an exchange of two letters (two
   changes), a different case (a change each letter). */
static bool nearest(void) {
  static const char *const known[] = {"trees", "max_depth", "seed",
                                      "min_samples_leaf"};
  char longest[200];
  memset(longest, 's', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  EXPECT(moe_nearest_name("tree", known, 4) == known[0]);
  EXPECT(moe_nearest_name("threes", known, 4) == known[0]);
  EXPECT(moe_nearest_name("maxdepth", known, 4) == known[1]);
  EXPECT(moe_nearest_name("max_detph", known, 4) == known[1]);
  EXPECT(moe_nearest_name("sede", known, 4) == known[2]);
  EXPECT(moe_nearest_name("min_leaf", known, 4) == NULL);
  EXPECT(moe_nearest_name("bootstrap", known, 4) == NULL);
  EXPECT(moe_nearest_name(longest, known, 4) == NULL);
  EXPECT(moe_nearest_name("seed", known, 0) == NULL);
  return true;
}

static const promise promises[] = {
    {"are ordered: numbers, texts by byte, false, true", order},
    {"are texts, flags and numbers that are numbers", refused},
    {"print as their user wrote them", prints},
    {"are added to a list in their place, found there and removed", lists},
    {"have a nearest known name, if one is near", nearest},
    {NULL, NULL}};

int main(void) { return keep(promises); }
