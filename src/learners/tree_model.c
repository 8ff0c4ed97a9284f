#include "tree_model.h"

#include <math.h>
#include <string.h>

#include "tree_contribute.h"

moe_status moe_tree_model_visit(moe_tree_model *m, moe_visitor *v) {
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_trees_visit(&m->trees, v));
  return moe_visit_array(v, "gains", MOE_F64, &m->gains, m->fitted.n_features);
}

/* So that sums over the trees, and over a base of that size, are finite. */
static bool has_sound_values(const moe_trees *t) {
  double most = MOE_TREE_MOST_SUM / (double)t->n_trees;
  for (size_t i = 0; i < t->n_values * t->width; i++)
    if (fabs(t->values[i]) > most) return false;
  return true;
}

moe_status moe_tree_model_check(moe_call *call, const moe_object *o) {
  const moe_tree_model *m = o->state;
  for (size_t j = 0; j < m->fitted.n_features; j++)
    if (!(m->gains[j] >= 0) || isinf(m->gains[j]))
      return moe_fail(call, MOE_EFORMAT, "%s: the gain of column %zu is %g",
                      o->type->name, j + 1, m->gains[j]);
  MOE_TRY(moe_trees_check(call, &m->trees, m->fitted.n_features));
  if (has_sound_values(&m->trees)) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "%s: what the trees answer is too large",
                  o->type->name);
}

void moe_tree_model_add_gains(moe_tree_model *m, const double *gains) {
  double sum = 0;
  for (size_t j = 0; j < m->fitted.n_features; j++) sum += gains[j];
  if (!(sum > 0 && isfinite(sum))) return;
  for (size_t j = 0; j < m->fitted.n_features; j++)
    m->gains[j] += gains[j] / sum;
}

moe_status moe_tree_mean_visit(void *state, moe_visitor *v) {
  moe_tree_mean *m = state;
  MOE_TRY(moe_tree_model_visit(&m->model, v));
  return moe_visit_scalar(v, "oob_score", MOE_F64, &m->oob_score);
}

moe_status moe_tree_mean_check(moe_call *call, const moe_object *o) {
  const moe_tree_mean *m = o->state;
  if (m->model.trees.width != m->model.fitted.n_outputs || isinf(m->oob_score))
    return moe_fail(call, MOE_EFORMAT, "%s: the trees answer %zu numbers",
                    o->type->name, m->model.trees.width);
  return moe_tree_model_check(call, o);
}

moe_status moe_tree_mean_predict(moe_call *call, const moe_object *o,
                                 const moe_rows *x, double *out) {
  const moe_tree_mean *m = o->state;
  return moe_trees_mean(call, &m->model.trees, x, out);
}

moe_status moe_tree_mean_contribute(moe_call *call, const moe_object *o,
                                    const moe_rows *x, double *out) {
  const moe_tree_mean *m = o->state;
  const moe_trees *t = &m->model.trees;
  memset(out, 0, x->n * t->width * (x->d + 1) * sizeof *out);
  return moe_trees_contribute(call, t, x, NULL, t->width,
                              1 / (double)t->n_trees, out);
}

/* A tree has one leaf more than it has splits. */
moe_status moe_tree_count_nodes(moe_call *call, const moe_object *o,
                                moe_value *out) {
  const moe_tree_model *m = o->state;
  size_t splits = moe_trees_count_splits(&m->trees);
  (void)call;
  *out = moe_number_value((double)(2 * splits + m->trees.n_trees));
  return MOE_OK;
}

moe_status moe_tree_measure_depth(moe_call *call, const moe_object *o,
                                  moe_value *out) {
  const moe_tree_model *m = o->state;
  size_t depth;
  MOE_TRY(moe_trees_depth(call, &m->trees, &depth));
  *out = moe_number_value((double)depth);
  return MOE_OK;
}

moe_status moe_tree_list_importances(moe_call *call, const moe_object *o,
                                     moe_value *out) {
  const moe_tree_model *m = o->state;
  double sum = 0;
  MOE_TRY(moe_list_value(call, m->fitted.n_features, out));
  for (size_t j = 0; j < m->fitted.n_features; j++) sum += m->gains[j];
  for (size_t j = 0; j < m->fitted.n_features; j++)
    out->items[j] = moe_number_value(sum > 0 ? m->gains[j] / sum : 0);
  return MOE_OK;
}

moe_status moe_tree_tell_oob_score(moe_call *call, const moe_object *o,
                                   moe_value *out) {
  const moe_tree_mean *m = o->state;
  (void)call;
  *out = isnan(m->oob_score) ? (moe_value){.kind = MOE_V_NIL}
                             : moe_number_value(m->oob_score);
  return MOE_OK;
}
