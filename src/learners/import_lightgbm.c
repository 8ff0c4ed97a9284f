/* LightGBM's model files: `save_model("model.txt")` of the versions 2 to 4.
   Lines of key=value: a head, then after each line "Tree=k" a tree's arrays,
   inner nodes and leaves counted apart. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "imported.h"
#include "number.h"

/* How a score becomes an answer. */
static const struct objective {
  const char *name;
  moe_task task;
  moe_link link;
} objectives[] = {{"binary", MOE_CLASSIFICATION, MOE_LINK_LOGISTIC},
                  {"multiclass", MOE_CLASSIFICATION, MOE_LINK_SOFTMAX},
                  {"multiclassova", MOE_CLASSIFICATION, MOE_LINK_ONE_VS_REST},
                  {"cross_entropy", MOE_REGRESSION, MOE_LINK_LOGISTIC},
                  {"poisson", MOE_REGRESSION, MOE_LINK_EXP},
                  {"gamma", MOE_REGRESSION, MOE_LINK_EXP},
                  {"tweedie", MOE_REGRESSION, MOE_LINK_EXP},
                  {"regression", MOE_REGRESSION, MOE_LINK_IDENTITY},
                  {"regression_l1", MOE_REGRESSION, MOE_LINK_IDENTITY},
                  {"huber", MOE_REGRESSION, MOE_LINK_IDENTITY},
                  {"fair", MOE_REGRESSION, MOE_LINK_IDENTITY},
                  {"quantile", MOE_REGRESSION, MOE_LINK_IDENTITY},
                  {"mape", MOE_REGRESSION, MOE_LINK_IDENTITY},
                  {"lambdarank", MOE_REGRESSION, MOE_LINK_IDENTITY},
                  {"rank_xendcg", MOE_REGRESSION, MOE_LINK_IDENTITY}};

/* The arrays of a tree, in the order of their keys below. */
enum {
  LEFT,
  RIGHT,
  FEATURE,
  THRESHOLD,
  DECISION,
  GAIN,
  COUNT,
  LEAF_COUNT,
  LEAF_VALUE,
  LEAVES,
  CATEGORICAL,
  LINEAR,
  ARRAYS
};
static const char *const keys[ARRAYS] = {
    [LEFT] = "left_child",        [RIGHT] = "right_child",
    [FEATURE] = "split_feature",  [THRESHOLD] = "threshold",
    [DECISION] = "decision_type", [GAIN] = "split_gain",
    [COUNT] = "internal_count",   [LEAF_COUNT] = "leaf_count",
    [LEAF_VALUE] = "leaf_value",  [LEAVES] = "num_leaves",
    [CATEGORICAL] = "num_cat",    [LINEAR] = "is_linear"};

/* The bits of a decision: by categories, missing rows left, what is missing. */
enum { BY_CATEGORY = 1, MISSING_LEFT = 2, MISSING_SHIFT = 2 };
enum { MISSING_NONE, MISSING_ZERO, MISSING_NAN };

typedef struct reader {
  moe_call *call;
  moe_draft *draft;
  char *at;
  size_t line;
  moe_numbers arrays[ARRAYS]; /* of the tree being read */
  bool in_tree, averaged, ended;
  char *objective, *tree_sizes;
  double per_round, max_feature;
} reader;

static moe_status refuse(reader *r, const char *message) {
  return moe_fail(r->call, MOE_EFORMAT, "line %zu: %s", r->line, message);
}

/* ------------------------------------------------------------------ values */

/* Splits off the text up to the next `mark`, which becomes its end; NULL after
   the last. */
static char *next_part(char **at, char mark) {
  char *part = *at, *end;
  if (part == NULL) return NULL;
  end = strchr(part, mark);
  if (end != NULL) *end = '\0';
  *at = end != NULL ? end + 1 : NULL;
  return part;
}

static moe_status read_number(reader *r, const char *text, double *out) {
  const char *end = text + strlen(text);
  if (moe_number_read(text, end, out) == end) return MOE_OK;
  return refuse(r, "expected a number");
}

static moe_status read_numbers(reader *r, char *text, moe_numbers *out) {
  out->n = 0;
  for (char *part; (part = next_part(&text, ' ')) != NULL;) {
    double x;
    if (*part == '\0') continue;
    MOE_TRY(read_number(r, part, &x));
    MOE_TRY(moe__numbers_add(r->call, out, x));
  }
  return MOE_OK;
}

/* ------------------------------------------------------------------- trees */

/* A tree's n − 1 inner nodes, then its n leaves, as one array each. */
typedef struct joined {
  size_t inner, n;
  double *left, *right, *feature, *threshold, *missing_left, *weight, *gain,
      *value;
} joined;

static moe_status check_arrays(reader *r) {
  const moe_numbers *a = r->arrays;
  size_t leaves = a[LEAF_VALUE].n;
  if (a[LINEAR].n > 0 && a[LINEAR].items[0] != 0)
    return refuse(r, "a tree of linear models, which cannot be imported");
  if (a[CATEGORICAL].n > 0 && a[CATEGORICAL].items[0] != 0)
    return refuse(r, "splits by categories, which cannot be imported");
  if (leaves == 0 || a[LEAVES].n != 1 || a[LEAVES].items[0] != (double)leaves)
    return refuse(r, "a tree without all of its leaves");
  for (int k = LEFT; k <= THRESHOLD && leaves > 1; k++)
    if (a[k].n != leaves - 1) return refuse(r, "a tree without all its nodes");
  for (int k = DECISION; k <= COUNT && leaves > 1; k++)
    if (a[k].n != 0 && a[k].n != leaves - 1)
      return refuse(r, "a tree without all its nodes");
  if (a[LEAF_COUNT].n != 0 && a[LEAF_COUNT].n != leaves)
    return refuse(r, "a tree without all of its leaves");
  return MOE_OK;
}

static moe_status new_joined(moe_call *call, size_t leaves, joined *j) {
  double **arrays[] = {&j->left,         &j->right,  &j->feature, &j->threshold,
                       &j->missing_left, &j->weight, &j->gain,    &j->value};
  *j = (joined){.inner = leaves - 1, .n = 2 * leaves - 1};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
    MOE_SCRATCH(call, *arrays[k], j->n);
  return MOE_OK;
}

/* A negative child −1 − k is leaf k. */
static double find_child(const joined *j, double child) {
  return child >= 0 ? child : (double)j->inner - 1 - child;
}

static double item(const moe_numbers *list, size_t i) {
  return i < list->n ? list->items[i] : 0;
}

/* Whether rows without the number go left; those whose 0 stands for a missing
   one must, or must not, by the threshold too. */
static moe_status join_decision(reader *r, joined *j, size_t i) {
  const double zero = (double)1e-35F; /* what is as near to 0 is 0 */
  double written = item(&r->arrays[DECISION], i), t = j->threshold[i];
  if (!(written >= 0 && written < 12) || written != floor(written))
    return refuse(r, "an unknown decision_type");
  unsigned decision = (unsigned)written;
  if (decision & BY_CATEGORY)
    return refuse(r, "a split by categories, which cannot be imported");
  bool left = decision & MISSING_LEFT;
  switch (decision >> MISSING_SHIFT) {
    case MISSING_NONE: left = t >= 0; break;
    case MISSING_ZERO:
      if (left ? t < zero : t >= -zero)
        return refuse(
            r,
            "a split that sends 0, as missing, to the other side than "
            "the threshold does, which cannot be imported");
      break;
    default: break;
  }
  j->missing_left[i] = left;
  return MOE_OK;
}

static moe_status join(reader *r, joined *j) {
  const moe_numbers *a = r->arrays;
  for (size_t i = 0; i < j->inner; i++) {
    j->left[i] = find_child(j, a[LEFT].items[i]);
    j->right[i] = find_child(j, a[RIGHT].items[i]);
    j->feature[i] = a[FEATURE].items[i];
    j->threshold[i] = a[THRESHOLD].items[i];
    j->weight[i] = item(&a[COUNT], i);
    j->gain[i] = item(&a[GAIN], i);
    MOE_TRY(join_decision(r, j, i));
  }
  for (size_t k = 0; k <= j->inner; k++) {
    j->left[j->inner + k] = j->right[j->inner + k] = -1;
    j->weight[j->inner + k] = item(&a[LEAF_COUNT], k);
    j->value[j->inner + k] = a[LEAF_VALUE].items[k];
  }
  return MOE_OK;
}

static moe_status end_tree(reader *r) {
  moe_scratch_mark mark = moe_scratch_now(r->call);
  joined j;
  if (!r->in_tree) return MOE_OK;
  MOE_TRY(check_arrays(r));
  MOE_TRY(new_joined(r->call, r->arrays[LEAF_VALUE].n, &j));
  MOE_TRY(join(r, &j));
  moe_written_tree tree = {.n = j.n,
                           .left = j.left,
                           .right = j.right,
                           .feature = j.feature,
                           .threshold = j.threshold,
                           .missing_left = j.missing_left,
                           .weight = j.weight,
                           .gain = j.gain,
                           .value = j.value};
  MOE_TRY(moe__draft_add_tree(r->call, r->draft, &tree));
  moe_scratch_drop(r->call, mark);
  for (int k = 0; k < ARRAYS; k++) r->arrays[k].n = 0;
  return MOE_OK;
}

/* ------------------------------------------------------------------- lines */

static moe_status read_names(reader *r, char *text) {
  for (char *name; (name = next_part(&text, ' ')) != NULL;)
    MOE_TRY(moe__draft_add_name(r->call, r->draft, name));
  return MOE_OK;
}

static moe_status read_head(reader *r, const char *key, char *value) {
  if (strcmp(key, "objective") == 0) r->objective = value;
  if (strcmp(key, "tree_sizes") == 0) r->tree_sizes = value;
  if (strcmp(key, "feature_names") == 0) return read_names(r, value);
  if (strcmp(key, "num_tree_per_iteration") == 0)
    return read_number(r, value, &r->per_round);
  if (strcmp(key, "max_feature_idx") == 0)
    return read_number(r, value, &r->max_feature);
  return MOE_OK;
}

static moe_status read_line(reader *r, char *line) {
  char *value = line, *key = next_part(&value, '=');
  if (strcmp(key, "Tree") == 0) {
    MOE_TRY(end_tree(r));
    r->in_tree = true;
    return MOE_OK;
  }
  if (value == NULL) {
    r->averaged = r->averaged || strcmp(key, "average_output") == 0;
    r->ended = strcmp(key, "end of trees") == 0 ||
               strcmp(key, "feature importances:") == 0;
    return MOE_OK;
  }
  for (int k = 0; k < ARRAYS && r->in_tree; k++)
    if (strcmp(key, keys[k]) == 0) return read_numbers(r, value, &r->arrays[k]);
  return r->in_tree ? MOE_OK : read_head(r, key, value);
}

/* Before version 3 the importances follow the trees at once. */
static moe_status read_lines(reader *r) {
  for (char *line; !r->ended && (line = next_part(&r->at, '\n')) != NULL;) {
    r->line++;
    line[strcspn(line, "\r")] = '\0';
    if (r->line == 1 && strcmp(line, "tree") != 0)
      return refuse(r, "neither XGBoost's JSON nor LightGBM's text");
    if (*line != '\0') MOE_TRY(read_line(r, line));
  }
  if (!r->ended) return refuse(r, "the end of the trees is missing");
  return end_tree(r);
}

/* ------------------------------------------------------------ what it means */

/* A word of the objective, "sigmoid:1.5", or what stands for it if absent. */
static moe_status read_option(reader *r, char *options, const char *name,
                              double *out) {
  size_t n = strlen(name);
  for (char *word; (word = next_part(&options, ' ')) != NULL;) {
    if (strcmp(word, "sqrt") == 0)
      return moe_fail(r->call, MOE_EFORMAT,
                      "a model of square roots (reg_sqrt) cannot be imported");
    if (strncmp(word, name, n) == 0 && word[n] == ':')
      MOE_TRY(read_number(r, word + n + 1, out));
  }
  return MOE_OK;
}

/* Without an objective, its own in the program that trained it, what the trees
   add up to is all there is. */
static moe_status read_objective(reader *r) {
  static const struct objective custom = {"custom", MOE_REGRESSION,
                                          MOE_LINK_IDENTITY};
  const struct objective *found = r->objective == NULL ? &custom : NULL;
  moe_draft *d = r->draft;
  char *options = r->objective, *name = next_part(&options, ' ');
  double sigmoid = 1;
  for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++)
    if (name != NULL && strcmp(objectives[i].name, name) == 0)
      found = &objectives[i];
  if (found == NULL)
    return moe_fail(r->call, MOE_EFORMAT,
                    "its objective, %.60s, is none whose answers are known "
                    "here",
                    name);
  MOE_TRY(read_option(r, options, "sigmoid", &sigmoid));
  d->objective = found->name;
  d->task = found->task;
  d->link = found->link;
  if (d->link == MOE_LINK_ONE_VS_REST ||
      (d->link == MOE_LINK_LOGISTIC && d->task == MOE_CLASSIFICATION))
    d->factor = sigmoid;
  return MOE_OK;
}

/* Column_0, Column_1, …: what LightGBM calls columns without names. */
static bool has_no_names(const moe_texts *names) {
  for (size_t j = 0; j < names->n; j++) {
    char name[32];
    snprintf(name, sizeof name, "Column_%zu", j);
    if (strcmp(names->items[j], name) != 0) return false;
  }
  return true;
}

static size_t count_words(const char *text) {
  size_t n = 0;
  for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
    text += strcspn(text, " ");
    n++;
  }
  return n;
}

static moe_status interpret(reader *r) {
  moe_draft *d = r->draft;
  double features = r->max_feature + 1;
  d->program = "LightGBM";
  MOE_TRY(read_objective(r));
  if (!(features >= 1 && features <= INT32_MAX && r->per_round >= 1 &&
        r->per_round <= (double)d->n_trees &&
        r->per_round == floor(r->per_round)))
    return moe_fail(r->call, MOE_EFORMAT,
                    "max_feature_idx or num_tree_per_iteration is wrong");
  if (r->tree_sizes != NULL && count_words(r->tree_sizes) != d->n_trees)
    return moe_fail(r->call, MOE_EFORMAT, "it tells of %zu trees and has %zu",
                    count_words(r->tree_sizes), d->n_trees);
  d->n_features = (size_t)features;
  d->n_scores = (size_t)r->per_round;
  if (has_no_names(&d->names)) d->names.n = 0;
  if (r->averaged) d->factor *= r->per_round / (double)d->n_trees;
  for (size_t k = 0; k < d->n_trees; k++)
    MOE_TRY(moe__numbers_add(r->call, &d->score, (double)(k % d->n_scores)));
  return moe__numbers_add(r->call, &d->base, 0);
}

moe_status moe__read_lightgbm(moe_call *call, const char *what, char *text,
                              size_t size, moe_draft *d) {
  reader r = {
      .call = call, .draft = d, .at = text, .per_round = 1, .max_feature = -1};
  moe_status status;
  if (strlen(text) != size)
    return moe_fail(call, MOE_EFORMAT, "%.160s: a zero byte at %zu", what,
                    strlen(text) + 1);
  status = read_lines(&r);
  if (status == MOE_OK) status = interpret(&r);
  for (int k = 0; k < ARRAYS; k++) moe_free(r.arrays[k].items);
  return status;
}
