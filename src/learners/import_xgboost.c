/* XGBoost's model files, as JSON: `save_model("model.json")` of the versions
   from 1.0 on, whose booster is trees (gbtree, dart).  They add to
   `base_score`, which is written as an answer, behind the link. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "imported.h"
#include "json.h"
#include "number.h"

/* How a score becomes an answer, and of which link the base score is one. */
static const struct answer {
  moe_task task;
  moe_link link, base;
  const char *objectives[10]; /* ends with NULL */
} answers[] = {
    {MOE_CLASSIFICATION,
     MOE_LINK_LOGISTIC,
     MOE_LINK_LOGISTIC,
     {"binary:logistic"}},
    {MOE_CLASSIFICATION,
     MOE_LINK_LOGISTIC,
     MOE_LINK_IDENTITY,
     {"binary:logitraw"}},
    {MOE_CLASSIFICATION,
     MOE_LINK_SOFTMAX,
     MOE_LINK_IDENTITY,
     {"multi:softmax", "multi:softprob"}},
    {MOE_REGRESSION, MOE_LINK_LOGISTIC, MOE_LINK_LOGISTIC, {"reg:logistic"}},
    {MOE_REGRESSION,
     MOE_LINK_EXP,
     MOE_LINK_EXP,
     {"count:poisson", "reg:gamma", "reg:tweedie"}},
    {MOE_REGRESSION,
     MOE_LINK_IDENTITY,
     MOE_LINK_IDENTITY,
     {"reg:squarederror", "reg:linear", "reg:squaredlogerror",
      "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror",
      "rank:pairwise", "rank:ndcg", "rank:map"}}};

/* The columns of a tree's nodes. */
typedef struct columns {
  moe_numbers left, right, feature, threshold, missing_left, kind, weight, gain;
} columns;

typedef struct reader {
  moe_json_in json;
  moe_draft *draft;
  columns tree;
  double leaf_width; /* of the tree: more than 1 are vectors of numbers */
  char *booster, *objective;
  double n_classes, n_targets, n_features;
  moe_numbers dropped; /* dart: what each tree counts */
} reader;

/* A member of a map, and who reads it to where. */
typedef struct member {
  const char *name;
  moe_status (*read)(reader *r, void *to);
  size_t offset; /* in the reader */
} member;

typedef struct map {
  reader *reader;
  const member *members;
} map;

static moe_status read_member(void *self, void *to) {
  const map *m = self;
  char *key;
  (void)to;
  MOE_TRY(moe_json_key(&m->reader->json, &key));
  for (const member *k = m->members; k->name != NULL; k++)
    if (strcmp(k->name, key) == 0)
      return k->read(m->reader, (char *)m->reader + k->offset);
  return moe_json_skip(&m->reader->json);
}

/* What no member is for is skipped. */
static moe_status read_map(reader *r, const member *members) {
  map m = {r, members};
  return moe_json_each(&r->json, "{}", read_member, &m, NULL);
}

/* ------------------------------------------------------------------ values */

static moe_status read_text(reader *r, void *to) {
  return moe_json_text(&r->json, to);
}

static moe_status read_item(void *self, void *to) {
  reader *r = self;
  double x;
  bool flag;
  if (moe_json_peek(&r->json) == MOE_J_FLAG) {
    MOE_TRY(moe_json_flag(&r->json, &flag));
    x = flag;
  } else {
    MOE_TRY(moe_json_number(&r->json, &x));
  }
  return moe__numbers_add(r->json.call, to, x);
}

static moe_status read_numbers(reader *r, void *to) {
  ((moe_numbers *)to)->n = 0;
  return moe_json_each(&r->json, "[]", read_item, r, to);
}

static moe_status bad_number(reader *r) {
  return moe_json_fail(&r->json, "expected a number in the string before");
}

/* A number as a string: "5E-1". */
static moe_status read_quoted(reader *r, void *to) {
  char *text;
  MOE_TRY(moe_json_text(&r->json, &text));
  const char *end = text + strlen(text);
  return moe_number_read(text, end, to) == end ? MOE_OK : bad_number(r);
}

/* One or several numbers as a string: "5E-1", "[5E-1,2E-1]". */
static moe_status read_quoted_list(reader *r, void *to) {
  static const char between[] = "[], ";
  moe_numbers *list = to;
  const char *at, *end;
  char *text;
  MOE_TRY(moe_json_text(&r->json, &text));
  end = text + strlen(text);
  list->n = 0;
  for (at = text + strspn(text, between); at < end; at += strspn(at, between)) {
    double x;
    at = moe_number_read(at, end, &x);
    if (at == NULL) return bad_number(r);
    MOE_TRY(moe__numbers_add(r->json.call, list, x));
  }
  return MOE_OK;
}

/* ------------------------------------------------------------------- trees */

#define COLUMN(NAME, FIELD) \
  { NAME, read_numbers, offsetof(reader, tree.FIELD) }

static moe_status read_tree_param(reader *r, void *to) {
  static const member members[] = {
      {"size_leaf_vector", read_quoted, offsetof(reader, leaf_width)}, {0}};
  (void)to;
  return read_map(r, members);
}

static moe_status check_columns(reader *r) {
  const columns *c = &r->tree;
  size_t n = c->left.n;
  if (c->right.n != n || c->feature.n != n || c->threshold.n != n ||
      c->missing_left.n != n || c->weight.n != n || c->gain.n != n)
    return moe_json_fail(&r->json, "the lists of a tree differ in length");
  for (size_t i = 0; i < c->kind.n; i++)
    if (c->kind.items[i] != 0)
      return moe_json_fail(&r->json,
                           "a split by categories, which cannot be imported");
  if (r->leaf_width > 1)
    return moe_json_fail(&r->json,
                         "a tree of several numbers a leaf, which cannot be "
                         "imported");
  return MOE_OK;
}

static moe_status read_tree(void *self, void *to) {
  static const member members[] = {
      COLUMN("left_children", left),         COLUMN("right_children", right),
      COLUMN("split_indices", feature),      COLUMN("split_type", kind),
      COLUMN("split_conditions", threshold), COLUMN("loss_changes", gain),
      COLUMN("default_left", missing_left),  COLUMN("sum_hessian", weight),
      {"tree_param", read_tree_param, 0},    {0}};
  reader *r = self;
  columns *c = &r->tree;
  (void)to;
  c->left.n = c->right.n = c->feature.n = c->threshold.n = 0;
  c->missing_left.n = c->kind.n = c->weight.n = c->gain.n = 0;
  MOE_TRY(read_map(r, members));
  MOE_TRY(check_columns(r));
  moe_written_tree tree = {.n = c->left.n,
                           .left = c->left.items,
                           .right = c->right.items,
                           .feature = c->feature.items,
                           .threshold = c->threshold.items,
                           .below = true,
                           .missing_left = c->missing_left.items,
                           .weight = c->weight.items,
                           .gain = c->gain.items,
                           .value = c->threshold.items};
  return moe__draft_add_tree(r->json.call, r->draft, &tree);
}

static moe_status read_trees(reader *r, void *to) {
  return moe_json_each(&r->json, "[]", read_tree, r, to);
}

static moe_status read_tree_info(reader *r, void *to) {
  (void)to;
  return read_numbers(r, &r->draft->score);
}

/* --------------------------------------------------------------- the levels */

static moe_status read_model(reader *r, void *to) {
  static const member members[] = {
      {"tree_info", read_tree_info, 0}, {"trees", read_trees, 0}, {0}};
  (void)to;
  return read_map(r, members);
}

static moe_status read_inner_booster(reader *r, void *to) {
  static const member members[] = {{"model", read_model, 0}, {0}};
  (void)to;
  return read_map(r, members);
}

static moe_status read_booster(reader *r, void *to) {
  static const member members[] = {
      {"name", read_text, offsetof(reader, booster)},
      {"model", read_model, 0},
      {"gbtree", read_inner_booster, 0},
      {"weight_drop", read_numbers, offsetof(reader, dropped)},
      {0}};
  (void)to;
  return read_map(r, members);
}

static moe_status read_objective(reader *r, void *to) {
  static const member members[] = {
      {"name", read_text, offsetof(reader, objective)}, {0}};
  (void)to;
  return read_map(r, members);
}

static moe_status read_base(reader *r, void *to) {
  (void)to;
  return read_quoted_list(r, &r->draft->base);
}

static moe_status read_params(reader *r, void *to) {
  static const member members[] = {
      {"base_score", read_base, 0},
      {"num_class", read_quoted, offsetof(reader, n_classes)},
      {"num_target", read_quoted, offsetof(reader, n_targets)},
      {"num_feature", read_quoted, offsetof(reader, n_features)},
      {0}};
  (void)to;
  return read_map(r, members);
}

static moe_status read_name(void *self, void *to) {
  reader *r = self;
  char *name;
  (void)to;
  MOE_TRY(moe_json_text(&r->json, &name));
  return moe__draft_add_name(r->json.call, r->draft, name);
}

static moe_status read_names(reader *r, void *to) {
  r->draft->names.n = 0;
  return moe_json_each(&r->json, "[]", read_name, r, to);
}

static moe_status read_learner(reader *r, void *to) {
  static const member members[] = {{"feature_names", read_names, 0},
                                   {"gradient_booster", read_booster, 0},
                                   {"learner_model_param", read_params, 0},
                                   {"objective", read_objective, 0},
                                   {0}};
  (void)to;
  return read_map(r, members);
}

static moe_status read_file(reader *r) {
  static const member members[] = {{"learner", read_learner, 0}, {0}};
  MOE_TRY(read_map(r, members));
  return moe_json_end(&r->json);
}

/* ------------------------------------------------------------ what it means */

static moe_status check_booster(moe_call *call, const reader *r) {
  if (r->booster == NULL || r->objective == NULL)
    return moe_fail(call, MOE_EFORMAT,
                    "no XGBoost model: it names no booster or objective");
  if (strcmp(r->booster, "gbtree") == 0 || strcmp(r->booster, "dart") == 0)
    return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "the booster is %.60s; gbtree and dart can be imported",
                  r->booster);
}

static const struct answer *find_answer(const char *objective) {
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
    for (size_t k = 0; answers[i].objectives[k] != NULL; k++)
      if (strcmp(answers[i].objectives[k], objective) == 0) return &answers[i];
  return NULL;
}

/* The score that the link makes the base of; what is in none of its answers is
   not finite, and refused with the model. */
static double score_of(moe_link link, double base) {
  if (link == MOE_LINK_LOGISTIC) return log(base / (1 - base));
  return link == MOE_LINK_EXP ? log(base) : base;
}

/* A count in a file; what is absurd becomes 0, which is refused later. */
static size_t count_of(double x) {
  return x >= 1 && x <= INT32_MAX && x == floor(x) ? (size_t)x : 0;
}

static moe_status weigh_trees(moe_call *call, const reader *r) {
  const moe_draft *d = r->draft;
  if (strcmp(r->booster, "dart") != 0) return MOE_OK;
  if (r->dropped.n != d->n_trees)
    return moe_fail(call, MOE_EFORMAT, "%zu weights for %zu trees",
                    r->dropped.n, d->n_trees);
  for (size_t k = 0; k < d->n_trees; k++)
    for (size_t i = 0; i < d->trees[k].tree.n_values; i++)
      d->trees[k].tree.values[i] *= r->dropped.items[k];
  return MOE_OK;
}

static moe_status interpret(moe_call *call, const reader *r) {
  const struct answer *answer;
  moe_draft *d = r->draft;
  MOE_TRY(check_booster(call, r));
  answer = find_answer(r->objective);
  if (answer == NULL)
    return moe_fail(call, MOE_EFORMAT,
                    "its objective, %.60s, is none whose answers are known "
                    "here",
                    r->objective);
  d->program = "XGBoost";
  d->objective = r->objective;
  d->task = answer->task;
  d->link = answer->link;
  d->n_features = count_of(r->n_features);
  d->n_scores = count_of(fmax(fmax(r->n_classes, r->n_targets), 1));
  if (d->link == MOE_LINK_LOGISTIC && d->n_scores > 1)
    return moe_fail(call, MOE_EFORMAT,
                    "%zu answers, each yes or no, cannot be imported",
                    d->n_scores);
  for (size_t k = 0; k < d->base.n; k++)
    d->base.items[k] = score_of(answer->base, d->base.items[k]);
  return weigh_trees(call, r);
}

static void free_reader(reader *r) {
  moe_numbers *lists[] = {
      &r->tree.left,      &r->tree.right, &r->tree.feature,
      &r->tree.threshold, &r->tree.kind,  &r->tree.missing_left,
      &r->tree.weight,    &r->tree.gain,  &r->dropped};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    moe_free(lists[i]->items);
}

moe_status moe__read_xgboost(moe_call *call, const char *what, char *text,
                             size_t size, moe_draft *d) {
  reader r = {.json = moe_json_reader(call, what, text, size), .draft = d};
  moe_status status = read_file(&r);
  if (status == MOE_OK) status = interpret(call, &r);
  free_reader(&r);
  return status;
}
