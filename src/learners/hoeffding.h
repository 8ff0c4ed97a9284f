/* Trees that grow while a stream goes by, after Domingos & Hulten 2000 (doi
   10.1145/347090.347107): a leaf keeps sums, and is split once the Hoeffding
   bound says that the column which looks best is best.  One core serves a tree,
   a tree that replaces what has become wrong, and a forest: nodes and leaves of
   all trees lie in shared flat arrays, and lead to each other by index. */
#ifndef MOE_HOEFFDING_H
#define MOE_HOEFFDING_H

#include "detector.h"
#include "learner.h"

enum {
  MOE_H_DEEPEST = 256, /* depth of any node, at most */
  MOE_H_BINS = 64      /* of a numeric column in a leaf of a regression */
};

/* What a leaf answers with: the frequencies or the mean of its targets; naive
   Bayes or a linear function; whichever of the two has done better so far. */
enum { MOE_H_ADAPTIVE, MOE_H_CONSTANT, MOE_H_MODEL };

/* All types' parameters begin with these. */
typedef struct moe_hoeffding_params {
  int task, leaf, criterion;
  int64_t grace_period, max_depth, max_leaves, thresholds;
  double delta, tau, learning_rate;
} moe_hoeffding_params;

extern const char *const moe_hoeffding_leaves[];

/* ------------------------------------------------------------------- state */

enum { MOE_H_FREE = -2, MOE_H_LEAF = -1 }; /* in place of a column */

/* All of it int32, as it is visited; -1 stands for none. */
typedef struct moe_hoeffding_node {
  int32_t feature;  /* MOE_H_FREE and MOE_H_LEAF besides the columns */
  int32_t level;    /* to the left: x = level, or if none x < threshold */
  int32_t below[2]; /* left and right */
  int32_t leaf;     /* place of a leaf's sums */
  int32_t rival;    /* root of the tree that may take its place */
  int32_t depth;
} moe_hoeffding_node;

/* The numbers of a node, all of it doubles. */
typedef struct moe_hoeffding_tally {
  double threshold;
  double passed[2]; /* weight that went left and right: missing values follow */
  double trials, loss, rival_loss; /* since there is a rival */
} moe_hoeffding_tally;

/* A tree: its root, or -1, and the number of its leaves, with rivals. */
typedef struct moe_hoeffding_root {
  int32_t node, leaves;
} moe_hoeffding_root;

/* How the doubles of a leaf are laid out. */
typedef struct moe_hoeffding_shape {
  size_t outputs; /* classes; 1 in regression */
  size_t columns;
  size_t numeric, nominal; /* columns of a kind that a leaf observes, at most */
  size_t levels;           /* room for levels of a nominal column */
} moe_hoeffding_shape;

typedef struct moe_hoeffding {
  moe_fitted fitted;
  moe_hoeffding_shape shape;
  size_t observed;          /* columns that a leaf observes */
  size_t detector;          /* doubles of a node's detector, or 0 */
  size_t n_nodes, n_leaves; /* places, free ones included */
  size_t nodes_used, leaves_used;
  moe_hoeffding_node *nodes;
  moe_hoeffding_tally *tallies;
  double *detectors; /* n_nodes × detector */
  int32_t *owners;   /* of each leaf: its node, or -1 where it is free */
  int32_t *features; /* n_leaves × (numeric + nominal): the columns it observes,
                        numeric ones first, -1 where there are fewer */
  double *sums;      /* n_leaves × what the shape takes */
  size_t n_trees;
  moe_hoeffding_root *trees;
  double *scale;     /* regression, 4 × (columns + 1): moe_hoeffding_scale */
  moe_random random; /* draws the columns that leaves observe */
  double *work;      /* derived: working memory of the sort */
} moe_hoeffding;

/* False of the one state that a generator must not have. */
static inline bool moe_hoeffding_is_random(const moe_random *r) {
  return (r->s[0] | r->s[1] | r->s[2] | r->s[3]) != 0;
}
static inline bool moe_hoeffding_classifies(const moe_hoeffding *h) {
  return h->fitted.task == MOE_CLASSIFICATION;
}
static inline size_t moe_hoeffding_slots(const moe_hoeffding *h) {
  return h->shape.numeric + h->shape.nominal;
}
static inline bool moe_hoeffding_is_nominal(const moe_hoeffding *h, size_t j) {
  return h->fitted.intake.open && h->fitted.intake.nominal[j];
}

/* Regression: moments of all that came, one number a column, the target last.
 */
typedef struct moe_hoeffding_scale {
  double *weight, *mean, *variance;
  double *factor; /* 1 / deviation, 0 of a constant */
} moe_hoeffding_scale;
moe_hoeffding_scale moe_hoeffding_scale_of(const moe_hoeffding *h);

/* Values beyond ±1e100 count as that, so that no square is infinite; sums stop
   at 1e290. */
static inline double moe_hoeffding_limited(double x) {
  return x > 1e100 ? 1e100 : x < -1e100 ? -1e100 : x;
}
static inline double moe_hoeffding_bounded(double sum) {
  return sum < 1e290 ? sum : 1e290;
}

/* The level of a code that is in range, else -1: missing. */
static inline int32_t moe_hoeffding_level(double code) {
  return code >= 0 && code < MOE_MOST_LEVELS ? (int32_t)code : -1;
}

/* Weighted moments by Welford's updates: weight, mean and variance. */
static inline void moe_hoeffding_add_moment(double *weight, double *mean,
                                            double *variance, double x,
                                            double w) {
  double total = moe_hoeffding_bounded(*weight + w), away = x - *mean;
  double share = w < total ? w / total : 1;
  *weight = total;
  *mean += share * away;
  *variance += share * ((1 - share) * away * away - *variance);
}

/* What such updates can have come to; false of NaN. */
static inline bool moe_hoeffding_is_value(double x) {
  return x >= -1e101 && x <= 1e101;
}
static inline bool moe_hoeffding_is_variance(double x) {
  return x >= 0 && x <= 1e202;
}
static inline bool moe_hoeffding_is_weight(double x) {
  return x >= 0 && x <= 1e291;
}

/* ------------------------------------------------------------- two sorts
   What differs between leaves of classes and leaves of values.  `leaf` is the
   place of a leaf. */

/* The first doubles of every leaf. */
enum {
  MOE_H_SEEN,   /* weight of the samples, with what it had at birth */
  MOE_H_TRIED,  /* the same at the last look for a split */
  MOE_H_SIMPLE, /* how well the constant did, faded: of classes the weight
                   right, of values the squared errors; and the model */
  MOE_H_CLEVER,
  MOE_H_HEAD
};

/* What of the last two remains at each sample. */
#define MOE_H_FADING 0.995

/* The best split of a column. */
typedef struct moe_hoeffding_split {
  double merit; /* 0: none */
  double threshold;
  int32_t level; /* -1: by threshold */
  int32_t slot;
} moe_hoeffding_split;

typedef struct moe_hoeffding_sort {
  /* Doubles of a leaf, and of working memory. */
  size_t (*size)(const moe_hoeffding_shape *s);
  size_t (*work)(const moe_hoeffding_shape *s);

  /* A leaf's sums in a wider shape: more levels, or one more class, at
     `position` (else SIZE_MAX).  `to` is zeroed. */
  void (*widen)(const moe_hoeffding_shape *from, const double *sums,
                const moe_hoeffding_shape *to, double *out, size_t position);

  void (*predict)(const moe_hoeffding *h, const moe_hoeffding_params *p,
                  size_t leaf, const double *x, double *out);

  /* Takes a sample whose weight may be 0: then it only tells the loss, in
     [0, 1], of the answer before. */
  double (*learn)(moe_hoeffding *h, const moe_hoeffding_params *p, size_t leaf,
                  const moe_example *s, double weight);

  /* The range of merits, 0 where there is nothing to split; and the best split
     of a column that the leaf observes.  `relative`: merits are to be divided
     by the best. */
  double (*range)(const moe_hoeffding *h, const moe_hoeffding_params *p,
                  size_t leaf);
  void (*propose)(moe_hoeffding *h, const moe_hoeffding_params *p, size_t leaf,
                  moe_hoeffding_split *out);
  bool relative;

  /* What the leaves below such a split begin with. */
  void (*divide)(moe_hoeffding *h, const moe_hoeffding_params *p, size_t leaf,
                 const moe_hoeffding_split *s, size_t left, size_t right);

  bool (*is_sound)(const moe_hoeffding *h, size_t leaf);
} moe_hoeffding_sort;

extern const moe_hoeffding_sort moe_hoeffding_classes, moe_hoeffding_values;

static inline const moe_hoeffding_sort *moe_hoeffding_sort_of(
    const moe_hoeffding *h) {
  return moe_hoeffding_classifies(h) ? &moe_hoeffding_classes
                                     : &moe_hoeffding_values;
}
static inline double *moe_hoeffding_sums(const moe_hoeffding *h, size_t leaf) {
  return h->sums + leaf * moe_hoeffding_sort_of(h)->size(&h->shape);
}
static inline const int32_t *moe_hoeffding_features(const moe_hoeffding *h,
                                                    size_t leaf) {
  return h->features + leaf * moe_hoeffding_slots(h);
}

/* Merit of a split of n classes into two sides, and its range. */
typedef struct moe_hoeffding_criterion {
  double (*merit)(const double *left, const double *right, size_t n);
  double (*range)(size_t classes);
} moe_hoeffding_criterion;
extern const moe_hoeffding_criterion moe_hoeffding_criteria[];
extern const char *const moe_hoeffding_criterion_names[];

/* A split leaves no side less than this share. */
static inline bool moe_hoeffding_is_balanced(double left, double right) {
  double least = 0.01 * (left + right);
  return left > least && right > least;
}

/* ------------------------------------------------------------------ storage */

/* Everything that is NULL yet, for a number of trees without roots. */
typedef struct moe_hoeffding_plan {
  size_t trees;
  double observed; /* share of the columns that a leaf observes; NaN: √d + 1 */
  size_t detector;
  uint64_t seed;
} moe_hoeffding_plan;
size_t moe_hoeffding_count_observed(double share, size_t columns);
moe_status moe_hoeffding_prepare(moe_call *call, moe_hoeffding *h,
                                 const moe_hoeffding_plan *plan);

/* Room for the sample's levels, and for new nodes and leaves, so that what
   follows cannot fail.  Where there is less room than wanted, nothing grows
   until the next sample. */
moe_status moe_hoeffding_admit(moe_call *call, moe_hoeffding *h,
                               const double *x);
bool moe_hoeffding_has_room(const moe_hoeffding *h);

/* moe_learner_type's and moe_type's; types' states begin with a moe_hoeffding.
 */
moe_status moe_hoeffding_add_class(moe_call *call, moe_object *o,
                                   size_t position);
moe_status moe_hoeffding_visit(void *state, moe_visitor *v);
moe_status moe_hoeffding_visit_random(moe_random *r, moe_visitor *v,
                                      const char *const names[4]);
moe_status moe_hoeffding_check(moe_call *call, const moe_object *o);
moe_status moe_hoeffding_check_detectors(moe_call *call, const moe_object *o,
                                         const moe_detector_config *c);
moe_status moe_hoeffding_rebuild(moe_call *call, moe_object *o);

/* -------------------------------------------------------------------- trees */

/* A leaf at a depth of a tree, and the end of all that hangs on a node. */
int32_t moe_hoeffding_plant(moe_hoeffding *h, moe_hoeffding_root *tree,
                            int32_t depth);
void moe_hoeffding_fell(moe_hoeffding *h, moe_hoeffding_root *tree,
                        int32_t node);

/* Which way x goes at a node. */
static inline int moe_hoeffding_side(const moe_hoeffding *h, int32_t node,
                                     const double *x) {
  const moe_hoeffding_node *n = &h->nodes[node];
  const moe_hoeffding_tally *t = &h->tallies[node];
  double value = x[n->feature];
  if (value != value) return t->passed[1] > t->passed[0];
  return n->level < 0 ? !(value < t->threshold)
                      : moe_hoeffding_level(value) != n->level;
}

/* What the tree, which has a root, answers. */
void moe_hoeffding_ask(const moe_hoeffding *h, const moe_hoeffding_params *p,
                       const moe_hoeffding_root *tree, const double *x,
                       double *out);

/* The tree learns from the sample, as often as `weight` says; the loss of its
   answer before.  With a detector, subtrees are replaced that have become
   worse than what began anew beside them. */
double moe_hoeffding_learn(moe_hoeffding *h, const moe_hoeffding_params *p,
                           const moe_detector_config *detector,
                           moe_hoeffding_root *tree, const moe_example *s,
                           double weight);

/* Splits a leaf, where it is time and there is reason to. */
void moe_hoeffding_try_split(moe_hoeffding *h, const moe_hoeffding_params *p,
                             moe_hoeffding_root *tree, int32_t node);

/* ADWIN, and whether it says that the mean of such losses has risen. */
moe_detector_config moe_hoeffding_adwin(double delta);
bool moe_hoeffding_has_risen(const moe_detector_config *c, double *state,
                             double loss);

/* Takes the sample into the scale of a regression, once all trees have learned.
 */
void moe_hoeffding_count(moe_hoeffding *h, const moe_example *s);

#endif
