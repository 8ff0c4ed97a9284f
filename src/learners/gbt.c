/* Gradient-boosted trees: F = base + learning_rate Σ_k tree_k, each tree a
   Newton step on the loss of what those before it add up to (Friedman 2001, doi
   10.1214/aos/1013203451; second order as in Chen & Guestrin 2016, doi
   10.1145/2939672.2939785), on binned columns.  A leaf answers −G / (H + l2)
   with G and H the sums of the loss's derivatives over its rows; absolute,
   Huber and quantile losses, whose second derivatives tell nothing, have it
   refitted to the residuals. */
#include "gbt_fit.h"

static const char *const losses[] = {
    "squared", "absolute", "huber", "quantile", "logistic", "softmax", NULL};

static const moe_param params[] = {
    MOE_P_TASK(moe_gbt_params),
    {"loss", MOE_CHOICE, offsetof(moe_gbt_params, loss), NAN, 0, 0, losses,
     NULL, MOE_OPTIONAL,
     "what is made small; absent: squared in regression, logistic with two "
     "classes, softmax with more"},
    MOE_P_ABOVE(moe_gbt_params, quantile, 0.5, 0, 1,
                "the quantile that loss = 'quantile' estimates"),
    {"delta", MOE_REAL, offsetof(moe_gbt_params, delta), NAN, 0, 1e120, NULL,
     NULL, MOE_OPTIONAL | MOE_ABOVE_MIN,
     "the error beyond which loss = 'huber' grows no faster than itself; "
     "absent: nine of ten targets are that near to their median"},
    MOE_P_INT(moe_gbt_params, rounds, 100, 1, 1e6,
              "trees for each score: one, or with softmax one a class"),
    MOE_P_ABOVE(moe_gbt_params, learning_rate, 0.1, 0, 1,
                "what each tree's answers are multiplied by"),
    MOE_P_INT(moe_gbt_params, max_depth, 6, 1, 0x1p31,
              "most splits between a root and a leaf"),
    MOE_P_OPT_INT(moe_gbt_params, max_leaves, 2, 0x1p31,
                  "most leaves of a tree, whose most valuable splits are made "
                  "first; absent: no limit"),
    MOE_P_INT(moe_gbt_params, min_samples_leaf, 1, 1, 0x1p31,
              "rows on each side of a split, at least"),
    MOE_P_REAL(moe_gbt_params, min_child_weight, 1, 0, 1e300,
               "sum of the loss's second derivatives on each side of a split, "
               "at least; of squared errors it is that of the weights"),
    MOE_P_REAL(moe_gbt_params, l2, 1, 0, 1e300,
               "added to that sum where a leaf's answer is computed: the "
               "larger, the nearer it is to 0"),
    MOE_P_INT(moe_gbt_params, max_bins, 256, 2, 256,
              "bins a column: one a value where it has no more distinct ones, "
              "else of about equally many rows; missing values take one"),
    MOE_P_ABOVE(moe_gbt_params, row_sample, 1, 0, 1,
                "share of the rows that each round draws"),
    MOE_P_ABOVE(moe_gbt_params, column_sample, 1, 0, 1,
                "share of the columns that each tree draws"),
    MOE_P_OPT_INT(moe_gbt_params, early_stopping, 1, 1e6,
                  "ends after so many rounds without a lower loss on rows that "
                  "are held out, and goes back to the best; absent: none are"),
    MOE_P_ABOVE(moe_gbt_params, validation, 0.1, 0, 0.9,
                "share of the rows that early_stopping holds out"),
    MOE_P_LIST(moe_gbt_params, class_weight, MOE_WEIGHTS, 0, 1e300,
               "what the rows of a class count, by label; 1 where not named"),
    MOE_P_SEED(moe_gbt_params),
    {0}};

static moe_status count_rounds(moe_call *call, const moe_object *o,
                               moe_value *out) {
  const moe_boosted *b = o->state;
  (void)call;
  *out = moe_number_value((double)(b->model.trees.n_trees / b->n_scores));
  return MOE_OK;
}

static moe_status tell_validation_loss(moe_call *call, const moe_object *o,
                                       moe_value *out) {
  const moe_gbt_model *m = o->state;
  (void)call;
  *out = isnan(m->validation_loss) ? (moe_value){.kind = MOE_V_NIL}
                                   : moe_number_value(m->validation_loss);
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    MOE_TREE_GAUGES,
    {"n_rounds", "rounds that the model is made of", count_rounds},
    {"validation_loss", "mean loss on the rows that were held out, after them",
     tell_validation_loss},
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  moe_gbt_model *m = state;
  MOE_TRY(moe_boosted_visit(state, v));
  MOE_TRY(moe_visit_scalar(v, "origin", MOE_I64, &m->origin));
  return moe_visit_scalar(v, "validation_loss", MOE_F64, &m->validation_loss);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const moe_gbt_model *m = o->state;
  if (isinf(m->validation_loss))
    return moe_fail(call, MOE_EFORMAT, "gbt: the validation loss is infinite");
  return moe_boosted_check(call, o);
}

const moe_learner_type moe_gbt = {
    .type = {.name = "gbt",
             .family = "learner",
             .doc = "Gradient-boosted trees: each corrects what those before "
                    "it add up to.",
             .params_size = sizeof(moe_gbt_params),
             .state_size = sizeof(moe_gbt_model),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_SPARSE,
    .job_size = sizeof(moe_gbt_work),
    .begin = moe_gbt_begin,
    .step = moe_gbt_step,
    .end = moe_gbt_end,
    .contribute = moe_boosted_contribute,
    .predict = moe_boosted_predict};
