#include "boosted.h"

#include <math.h>
#include <string.h>

#include "tree_contribute.h"
#include "vector.h"

/* ------------------------------------------------------------------- links */

static void keep(double *s, size_t n, size_t m) {
  (void)s;
  (void)n;
  (void)m;
}

/* What exp has finite values for. */
static const double most_exponent = 709;

static void exponentiate(double *s, size_t n, size_t m) {
  for (size_t i = 0; i < n * m; i++) s[i] = fmin(s[i], most_exponent);
  moe_exp(s, n * m);
}

static void squash(double *s, size_t n, size_t m) {
  for (size_t i = 0; i < n * m; i++) s[i] = fmin(-s[i], most_exponent);
  moe_exp(s, n * m);
  for (size_t i = 0; i < n * m; i++) s[i] = 1 / (1 + s[i]);
}

static void share_squashed(double *s, size_t n, size_t m) {
  squash(s, n, m);
  moe_normalise(s, n, m);
}

static void (*const links[])(double *s, size_t n, size_t m) = {
    [MOE_LINK_IDENTITY] = keep,
    [MOE_LINK_EXP] = exponentiate,
    [MOE_LINK_LOGISTIC] = squash,
    [MOE_LINK_SOFTMAX] = moe_softmax,
    [MOE_LINK_ONE_VS_REST] = share_squashed};
enum { LINKS = sizeof links / sizeof *links };

/* Two classes with one score are the softmax of 0 and that score. */
static bool has_one_score(const moe_fitted *f, int32_t link) {
  return link == MOE_LINK_LOGISTIC && f->task == MOE_CLASSIFICATION;
}

void moe_boosted_apply_link(const moe_boosted *b, double *out, size_t n) {
  if (!has_one_score(&b->model.fitted, b->link)) {
    links[b->link](out, n, b->n_scores);
    return;
  }
  for (size_t i = n; i-- > 0;) {
    out[2 * i + 1] = out[i];
    out[2 * i] = 0;
  }
  moe_softmax(out, n, 2);
}

/* -------------------------------------------------------------- the state */

moe_status moe_boosted_new(moe_call *call, moe_boosted *b, moe_link link,
                           size_t width) {
  moe_tree_model *m = &b->model;
  b->link = (int32_t)link;
  b->n_scores = has_one_score(&m->fitted, b->link) ? 1 : m->fitted.n_outputs;
  MOE_TRY(moe_trees_new(call, &m->trees, width, false));
  MOE_TRY(
      moe_new_array(call, &m->gains, m->fitted.n_features, sizeof *m->gains));
  return moe_new_array(call, &b->base, b->n_scores, sizeof *b->base);
}

moe_status moe_boosted_append(moe_call *call, moe_boosted *b,
                              const moe_tree_arrays *tree, size_t score) {
  moe_trees *t = &b->model.trees;
  MOE_TRY(moe_reserve(call, &b->score, &b->score_room, t->n_trees, 1,
                      sizeof *b->score));
  b->score[t->n_trees] = (int32_t)score;
  return moe_trees_append(call, t, tree);
}

/* A clone has no room beyond its items, whatever its original had. */
void moe_boosted_take(moe_boosted *b, moe_boosted *clone) {
  moe_boosted before = *b;
  moe_trees *t = &b->model.trees;
  b->model.trees = clone->model.trees;
  b->model.gains = clone->model.gains;
  b->score = clone->score;
  t->roots_room = t->nodes_room = t->missing_room = 0;
  t->share_room = t->values_room = b->score_room = 0;
  clone->model.trees = before.model.trees;
  clone->model.gains = before.model.gains;
  clone->score = before.score;
}

moe_status moe_boosted_visit(void *state, moe_visitor *v) {
  moe_boosted *b = state;
  MOE_TRY(moe_tree_model_visit(&b->model, v));
  MOE_TRY(moe_visit_scalar(v, "link", MOE_I32, &b->link));
  MOE_TRY(moe_visit_scalar(v, "n_scores", MOE_I64, &b->n_scores));
  MOE_TRY(moe_visit_array(v, "base", MOE_F64, &b->base, b->n_scores));
  return moe_visit_array(v, "score", MOE_I32, &b->score,
                         b->model.trees.n_trees);
}

/* The link is known and makes the outputs of the scores. */
static bool has_sound_link(const moe_boosted *b) {
  const moe_fitted *f = &b->model.fitted;
  if (b->link < 0 || b->link >= LINKS) return false;
  if (has_one_score(f, b->link)) return f->n_outputs == 2 && b->n_scores == 1;
  return b->n_scores == f->n_outputs &&
         (f->task == MOE_REGRESSION || b->link >= MOE_LINK_SOFTMAX);
}

static bool has_sound_scores(const moe_boosted *b) {
  const moe_trees *t = &b->model.trees;
  if (t->certain != 0 || (t->width != 1 && t->width != b->n_scores))
    return false;
  for (size_t k = 0; k < b->n_scores; k++)
    if (!(fabs(b->base[k]) <= MOE_TREE_MOST_SUM)) return false;
  for (size_t k = 0; k < t->n_trees; k++)
    if (b->score[k] < 0 || (size_t)b->score[k] + t->width > b->n_scores)
      return false;
  return true;
}

moe_status moe_boosted_check(moe_call *call, const moe_object *o) {
  const moe_boosted *b = o->state;
  if (!has_sound_link(b))
    return moe_fail(call, MOE_EFORMAT, "%s: the link does not fit the outputs",
                    o->type->name);
  if (!has_sound_scores(b))
    return moe_fail(call, MOE_EFORMAT,
                    "%s: the trees do not add up to the scores", o->type->name);
  return moe_tree_model_check(call, o);
}

/* -------------------------------------------------------------- predicting */

moe_status moe_boosted_score(moe_call *call, const moe_boosted *b,
                             const moe_rows *x, double *out) {
  for (size_t i = 0; i < x->n; i++)
    memcpy(out + i * b->n_scores, b->base, b->n_scores * sizeof *out);
  return moe_trees_add(call, &b->model.trees, x, b->score, b->n_scores, out);
}

moe_status moe_boosted_predict(moe_call *call, const moe_object *o,
                               const moe_rows *x, double *out) {
  const moe_boosted *b = o->state;
  MOE_TRY(moe_boosted_score(call, b, x, out));
  moe_boosted_apply_link(b, out, x->n);
  return MOE_OK;
}

/* -------------------------------------------------------------- explaining */

/* n × 1 × row numbers become n × 2 × row: the opposite of each comes first. */
static void oppose(double *out, size_t n, size_t row) {
  for (size_t i = n; i-- > 0;) {
    const double *score = out + i * row;
    double *both = out + 2 * i * row;
    memmove(both + row, score, row * sizeof *out);
    for (size_t j = 0; j < row; j++) both[j] = -both[row + j];
  }
}

moe_status moe_boosted_contribute(moe_call *call, const moe_object *o,
                                  const moe_rows *x, double *out) {
  const moe_boosted *b = o->state;
  size_t m = b->n_scores, row = x->d + 1;
  memset(out, 0, x->n * m * row * sizeof *out);
  for (size_t i = 0; i < x->n * m; i++) out[i * row + x->d] = b->base[i % m];
  MOE_TRY(moe_trees_contribute(call, &b->model.trees, x, b->score, m, 1, out));
  if (has_one_score(&b->model.fitted, b->link)) oppose(out, x->n, row);
  return MOE_OK;
}
