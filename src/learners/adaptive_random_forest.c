/* An adaptive random forest (Gomes et al. 2017, doi 10.1007/s10994-017-5642-8;
   of values: Gomes et al. 2018, "Adaptive random forests for data stream
   regression"): Hoeffding trees that each see every sample Poisson(λ) times and
   whose leaves observe a few columns drawn at random.  Two ADWINs watch the
   losses of each tree: at a warning another tree begins to learn in its shadow,
   at a drift that, or a new one, takes its place.  Votes are weighted by how
   often the tree was right since it came; values by their mean. */
#include "hoeffding_types.h"

typedef struct forest_params {
  moe_hoeffding_params tree;
  int64_t trees, seed;
  double max_features, lambda, warning_delta, drift_delta;
} forest_params;

enum { WARNING, DRIFT, DETECTORS };

/* Tree t has the shadow n + t. */
typedef struct forest {
  moe_hoeffding base;
  size_t n;
  size_t detector;   /* doubles of one */
  double *detectors; /* n × DETECTORS × detector */
  double *asked;     /* of each tree: samples since it came, and those that */
  double *right;     /* it got right; of values 1 less the loss, summed */
  int64_t warnings, drifts;
  moe_random draws;
} forest;

static const moe_param params[] = {
    MOE_HOEFFDING_PARAMS(forest_params, 50, 0.01),
    MOE_P_INT(forest_params, trees, 10, 1, 1e4, "number of trees"),
    {"max_features", MOE_REAL, offsetof(forest_params, max_features), NAN, 0, 1,
     NULL, NULL, MOE_OPTIONAL | MOE_ABOVE_MIN,
     "share of the columns that a leaf observes; absent: the square root of "
     "their number, and one more"},
    MOE_P_ABOVE(forest_params, lambda, 6, 0, 100,
                "how often a tree learns from a sample, on average"),
    MOE_P_ABOVE(forest_params, warning_delta, 0.01, 0, 0.5,
                "ADWIN's probability of a change by chance: at a warning"),
    MOE_P_ABOVE(forest_params, drift_delta, 0.001, 0, 0.5,
                "the same at a drift"),
    MOE_P_SEED(forest_params),
    {0}};

/* ------------------------------------------------------------------- state */

static size_t watch_size(const forest *f) {
  return moe_size(moe_size(f->n, DETECTORS), f->detector);
}

static moe_status visit(void *state, moe_visitor *v) {
  static const char *const names[] = {"draws_1", "draws_2", "draws_3",
                                      "draws_4"};
  forest *f = state;
  MOE_TRY(moe_hoeffding_visit(&f->base, v));
  MOE_TRY(moe_visit_scalar(v, "n", MOE_I64, &f->n));
  MOE_TRY(moe_visit_scalar(v, "watch", MOE_I64, &f->detector));
  MOE_TRY(moe_visit_array(v, "watches", MOE_F64, &f->detectors, watch_size(f)));
  MOE_TRY(moe_visit_array(v, "asked", MOE_F64, &f->asked, f->n));
  MOE_TRY(moe_visit_array(v, "right", MOE_F64, &f->right, f->n));
  MOE_TRY(moe_visit_scalar(v, "warnings", MOE_I64, &f->warnings));
  MOE_TRY(moe_visit_scalar(v, "drifts", MOE_I64, &f->drifts));
  return moe_hoeffding_visit_random(&f->draws, v, names);
}

static moe_detector_config detector_of(const moe_object *o, int which) {
  const forest_params *p = o->params;
  return moe_hoeffding_adwin(which == WARNING ? p->warning_delta
                                              : p->drift_delta);
}

static double *watch_of(const forest *f, size_t t, int which) {
  return f->detectors + (t * DETECTORS + (size_t)which) * f->detector;
}

static moe_status allocate(moe_call *call, forest *f,
                           const moe_hoeffding_plan *plan) {
  MOE_TRY(moe_new_array(call, &f->detectors, watch_size(f), sizeof(double)));
  MOE_TRY(moe_new_array(call, &f->asked, f->n, sizeof(double)));
  MOE_TRY(moe_new_array(call, &f->right, f->n, sizeof(double)));
  return moe_hoeffding_prepare(call, &f->base, plan);
}

static moe_status prepare(moe_call *call, const moe_object *o, forest *f) {
  const forest_params *p = o->params;
  uint64_t seed = p->seed != MOE_NO_INT ? (uint64_t)p->seed : 0;
  moe_detector_config watch = detector_of(o, DRIFT);
  moe_hoeffding_plan plan = {.trees = 2 * (size_t)p->trees,
                             .observed = p->max_features,
                             .seed = moe_seed_of(seed, "columns")};
  f->n = (size_t)p->trees;
  f->detector = moe_detector_size(&watch);
  moe_random_seed(&f->draws, moe_seed_of(seed, "samples"));
  moe_status status = allocate(call, f, &plan);
  if (status == MOE_OK) return MOE_OK;
  moe_free(f->detectors);
  moe_free(f->asked);
  moe_free(f->right);
  f->detectors = f->asked = f->right = NULL;
  f->n = f->detector = 0;
  return status;
}

static moe_status settle(moe_call *call, const moe_object *o, forest *f) {
  const forest_params *p = o->params;
  if (f->base.nodes == NULL) return prepare(call, o, f);
  size_t observed =
      moe_hoeffding_count_observed(p->max_features, f->base.fitted.n_features);
  if (observed != f->base.observed)
    return moe_fail(call, MOE_EPARAM,
                    "adaptive_random_forest: max_features makes its leaves "
                    "observe %zu columns, but they observed %zu so far (reset "
                    "forgets)",
                    observed, f->base.observed);
  if (f->n == (size_t)p->trees) return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "adaptive_random_forest: trees is %d, but it has learned "
                  "with %zu so far (reset forgets)",
                  (int)p->trees, f->n);
}

/* ---------------------------------------------------------------- learning */

/* The number of events where λ are expected: by inversion. */
static double draw_poisson(moe_random *r, double lambda) {
  double u = moe_random_unit(r), chance = exp(-lambda), sum = chance;
  int k = 0;
  while (u >= sum && k < 1000) {
    chance *= lambda / ++k;
    sum += chance;
  }
  return k;
}

static void begin_anew(forest *f, moe_hoeffding_root *tree) {
  moe_hoeffding *h = &f->base;
  if (tree->node >= 0) moe_hoeffding_fell(h, tree, tree->node);
  tree->node = moe_hoeffding_plant(h, tree, 0);
}

static void forget_losses(forest *f, size_t t) {
  for (int which = 0; which < DETECTORS; which++) {
    double *state = watch_of(f, t, which);
    for (size_t i = 0; i < f->detector; i++) state[i] = 0;
  }
  f->asked[t] = f->right[t] = 0;
}

/* The shadow, or a new tree, takes its place. */
static void succeed(forest *f, size_t t) {
  moe_hoeffding_root *tree = &f->base.trees[t], *shadow = tree + f->n;
  if (shadow->node < 0) {
    begin_anew(f, tree);
  } else {
    moe_hoeffding_fell(&f->base, tree, tree->node);
    *tree = *shadow;
    *shadow = (moe_hoeffding_root){-1, 0};
  }
  forget_losses(f, t);
  f->drifts++;
}

static void watch(forest *f, const moe_object *o, size_t t, double loss) {
  moe_detector_config warning = detector_of(o, WARNING);
  moe_detector_config drift = detector_of(o, DRIFT);
  if (moe_hoeffding_has_risen(&warning, watch_of(f, t, WARNING), loss)) {
    begin_anew(f, &f->base.trees[f->n + t]);
    f->warnings++;
  }
  if (moe_hoeffding_has_risen(&drift, watch_of(f, t, DRIFT), loss))
    succeed(f, t);
}

static void learn_tree(forest *f, const moe_object *o, size_t t,
                       const moe_example *s) {
  const forest_params *p = o->params;
  moe_hoeffding_root *tree = &f->base.trees[t], *shadow = tree + f->n;
  double weight =
      moe_hoeffding_bounded(draw_poisson(&f->draws, p->lambda) * s->weight);
  double loss = moe_hoeffding_learn(&f->base, &p->tree, NULL, tree, s, weight);
  if (shadow->node >= 0)
    moe_hoeffding_learn(&f->base, &p->tree, NULL, shadow, s, weight);
  f->asked[t]++;
  f->right[t] += 1 - loss;
  watch(f, o, t, loss);
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  forest *f = o->state;
  MOE_TRY(settle(call, o, f));
  MOE_TRY(moe_hoeffding_admit(call, &f->base, s->x));
  for (size_t t = 0; t < f->n; t++) learn_tree(f, o, t, s);
  moe_hoeffding_count(&f->base, s);
  return MOE_OK;
}

/* --------------------------------------------------------------- answering */

/* 1 for a tree that nothing is known of, as for one that is never wrong. */
static double vote_of(const forest *f, size_t t) {
  return f->right[t] > 0 ? f->right[t] / f->asked[t] : 1;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  enum { FEW = 32 };
  const forest_params *p = o->params;
  const forest *f = o->state;
  double few[FEW], *own = few, total = 0;
  size_t n = f->base.fitted.n_outputs;
  moe_scratch_mark mark = moe_scratch_now(call);
  if (n > FEW) MOE_SCRATCH(call, own, n);
  for (size_t k = 0; k < n; k++) out[k] = 0;
  for (size_t t = 0; t < f->n; t++) {
    const moe_hoeffding_root *tree = &f->base.trees[t];
    double vote = vote_of(f, t);
    if (tree->node < 0) continue;
    moe_hoeffding_ask(&f->base, &p->tree, tree, x, own);
    for (size_t k = 0; k < n; k++) out[k] += vote * own[k];
    total += vote;
  }
  for (size_t k = 0; k < n && total > 0; k++) out[k] /= total;
  if (total == 0) moe__know_nothing(&f->base.fitted, 1, out);
  if (n > FEW) moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* ------------------------------------------------------------------- files */

static bool is_sound(const moe_object *o, const forest *f) {
  if (f->base.nodes == NULL) return f->n == 0;
  moe_detector_config drift = detector_of(o, DRIFT);
  if (f->base.n_trees != 2 * f->n || f->detector != moe_detector_size(&drift) ||
      f->detectors == NULL || f->asked == NULL || f->right == NULL ||
      f->base.detector != 0 || !moe_is_count(f->warnings) ||
      !moe_is_count(f->drifts))
    return false;
  for (size_t t = 0; t < f->n; t++) {
    if (!(f->right[t] >= 0 && f->right[t] <= f->asked[t]) ||
        isinf(f->asked[t]) || f->base.trees[t].node < 0)
      return false;
    for (int which = 0; which < DETECTORS; which++)
      if (!moe_detector_is_sound(&drift, watch_of(f, t, which))) return false;
  }
  return moe_hoeffding_is_random(&f->draws);
}

static moe_status check(moe_call *call, const moe_object *o) {
  MOE_TRY(moe_hoeffding_check(call, o));
  if (is_sound(o, o->state)) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "adaptive_random_forest: the trees and what is known of them "
                  "do not agree");
}

static moe_status tell_warnings(moe_call *call, const moe_object *o,
                                moe_value *out) {
  (void)call;
  *out = moe_number_value((double)((const forest *)o->state)->warnings);
  return MOE_OK;
}

static moe_status tell_drifts(moe_call *call, const moe_object *o,
                              moe_value *out) {
  (void)call;
  *out = moe_number_value((double)((const forest *)o->state)->drifts);
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    MOE_HOEFFDING_GAUGES,
    {"warnings", "shadows that began, over all trees", tell_warnings},
    {"drifts", "trees that were replaced", tell_drifts},
    {0}};

const moe_learner_type moe_adaptive_random_forest = {
    .type = {.name = "adaptive_random_forest",
             .family = "learner",
             .doc = "A forest of Hoeffding trees that learn from a stream, "
                    "each watched and replaced when the world has changed.",
             .params_size = sizeof(forest_params),
             .state_size = sizeof(forest),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check,
             .rebuild = moe_hoeffding_rebuild},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_TAKES_MISSING |
              MOE_TAKES_NOMINAL | MOE_ONLINE,
    .begin = moe_stream_begin,
    .step = moe_stream_step,
    .learn = moe_stream_learn,
    .predict = moe_stream_predict,
    .learn_one = learn_one,
    .predict_one = predict_one,
    .add_class = moe_hoeffding_add_class};
