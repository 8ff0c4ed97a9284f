/* What the files of streaming boosted trees share: their parameters, their
   state in flat arrays, and what each file does with it. */
#ifndef MOE_SGBT_H
#define MOE_SGBT_H

#include "detector.h"
#include "gbt_losses.h"
#include "learner.h"

enum { MOE_SGBT_SQUARED, MOE_SGBT_ABSOLUTE, MOE_SGBT_HUBER, MOE_SGBT_QUANTILE };
enum { MOE_SGBT_VARIANCE, MOE_SGBT_HOEFFDING, MOE_SGBT_ORIGINAL };
enum {
  MOE_SGBT_RECENT = 512, /* rows kept, that edges of bins are drawn from */
  MOE_SGBT_SETS = 64     /* bins that a set of levels can tell apart */
};

typedef struct moe_sgbt_params {
  int task, loss, bound, detector;
  double quantile, delta, lr, min_gain, min_child_weight, l2, column_sample,
      significance, memory;
  int64_t trees, max_depth, max_leaves, max_bins, grace, seed;
} moe_sgbt_params;

/* The loss's derivatives at a score, and (of a number) what it lacks. */
typedef struct moe_sgbt_slope {
  double g, h, residual;
} moe_sgbt_slope;

/* What a leaf knows of the rows that came to it: their weight, the sums of the
   first and second derivatives, and of the squared first ones. */
typedef struct moe_sgbt_sums {
  double value, g, h, squares, weight;
  double since; /* weight since the last look for a split */
  double seen;  /* weight in the leaf's histogram */
} moe_sgbt_sums;
enum { MOE_SGBT_SUMS = sizeof(moe_sgbt_sums) / sizeof(double) };

/* Where a node leads: rows at or below its threshold, or with a level in its
   set, to `child`, the others to child + 1. */
typedef struct moe_sgbt_link {
  int32_t feature; /* -1: a leaf */
  int32_t child;   /* counted from the tree's root */
} moe_sgbt_link;

/* A tree and the one that grows in its shadow. */
typedef struct moe_sgbt_contest {
  double trust; /* what its answers count, in [0, 1], … */
  double along; /* … from running sums of −g·answer, h·answer² … */
  double length;
  double tried;  /* … and the weight, since it has been more than a leaf */
  double level;  /* running mean of the tree's |g|, … */
  double recent; /* … and a shorter one of its ratio to that */
  double lead;   /* of the shadow, in loss; its squares; … */
  double squares;
  double weight; /* … and the weight that it was measured on */
  double rounds; /* that the shadow has lost; -1: it is still to be planted */
} moe_sgbt_contest;
enum { MOE_SGBT_CONTEST = sizeof(moe_sgbt_contest) / sizeof(double) };

typedef struct moe_sgbt_state {
  moe_fitted fitted;
  int64_t draws; /* of columns so far */
  size_t stages, groups, nodes, width;
  size_t bins;      /* 0: nothing else is there yet */
  int32_t detector; /* kind */
  size_t detector_size;
  uint8_t grown; /* past the first samples, which are kept */

  /* The last rows (the first ones with their targets), as a ring. */
  size_t kept, next;
  double *recent;        /* MOE_SGBT_RECENT × n_features */
  double *recent_y;      /* MOE_SGBT_RECENT × outputs of regression */
  double *recent_weight; /* MOE_SGBT_RECENT */
  int32_t *recent_class; /* MOE_SGBT_RECENT, as they were met */

  int32_t *met; /* classification: the number of each class in that order */
  double *base; /* groups, or the first classes' too */
  double scale; /* of residuals, where their sign alone is learned from */
  double huber; /* the error where Huber's loss bends */

  double *edge;     /* n_features × bins; bin 0 is of what is missing */
  int32_t *n_edges; /* n_features */

  /* Trees: `live` and `shadow` name the run of nodes that each has. */
  int32_t *live, *shadow; /* groups × stages; -1: none */
  moe_sgbt_contest *contest;
  double *detectors; /* groups × stages × detector_size */
  int64_t replaced;

  size_t runs;              /* of nodes */
  int32_t *owner, *n_nodes; /* runs; owner: a tree, or -1 */
  double *threshold;        /* runs × nodes, and so on */
  int64_t *levels;
  moe_sgbt_link *link;
  moe_sgbt_sums *sums;
  int32_t *slot, *depth;
  uint8_t *lost; /* what is missing goes to child + 1 */

  /* Histograms of leaves that may split. */
  size_t slots;
  int64_t *holder; /* slots: a node, or -1 */
  int32_t *column; /* slots × width */
  double *cell;    /* slots × width × bins × (g, h) */

  /* Of the sample in hand. */
  uint8_t *bin;           /* n_features */
  double *score;          /* groups */
  moe_sgbt_slope *slope;  /* groups */
  double *chance;         /* of each class */
  int64_t *leaf;          /* groups × stages × (live, shadow) */
  moe_gbt_residual *room; /* MOE_SGBT_RECENT */
} moe_sgbt_state;

static inline const double *moe_sgbt_edges(const moe_sgbt_state *m, size_t j) {
  return m->edge + j * m->bins;
}
static inline double *moe_sgbt_cells(const moe_sgbt_state *m, size_t slot,
                                     size_t k) {
  return m->cell + ((slot * m->width + k) * m->bins) * 2;
}
static inline bool moe_sgbt_is_nominal(const moe_sgbt_state *m, size_t j) {
  return m->fitted.intake.open && m->fitted.intake.nominal[j];
}

/* sgbt_check.c: whether a file's state is safe to use. */
moe_status moe_sgbt_check(moe_call *call, const moe_object *o);

/* sgbt_bins.c: rows that came by, and the edges drawn from them. */
void moe_sgbt_keep(moe_sgbt_state *m, const double *x);
void moe_sgbt_draw_edges(moe_sgbt_state *m, double *sorted);
void moe_sgbt_redraw_edges(moe_sgbt_state *m, double *sorted);
uint8_t moe_sgbt_bin_of(const moe_sgbt_state *m, size_t j, double x);
void moe_sgbt_find_bins(moe_sgbt_state *m, const double *x);

/* sgbt_loss.c: derivatives of the loss, and the constant that all begins with.
 */
void moe_sgbt_fit_base(moe_sgbt_state *m, const moe_sgbt_params *p,
                       moe_gbt_residual *room);
void moe_sgbt_slopes(moe_sgbt_state *m, const moe_sgbt_params *p,
                     const moe_example *s, int32_t class);
double moe_sgbt_loss(const moe_sgbt_state *m, const moe_sgbt_params *p,
                     const moe_sgbt_slope *slope, double value);
bool moe_sgbt_is_flat(const moe_sgbt_state *m, const moe_sgbt_params *p);
double moe_sgbt_quantile(const moe_sgbt_params *p);
void moe_sgbt_scale(moe_sgbt_state *m, const moe_sgbt_params *p,
                    const moe_example *s);

/* sgbt_split.c: the best split of a leaf's histogram. */
typedef struct moe_sgbt_split {
  int32_t feature; /* -1: none */
  double gain;
  double threshold;
  int64_t levels;
  uint8_t lost;
  double g, h; /* of the first child */
  double all_g, all_h;
} moe_sgbt_split;
bool moe_sgbt_find_split(const moe_sgbt_state *m, const moe_sgbt_params *p,
                         size_t node, moe_sgbt_split *out);

/* sgbt_drift.c: how far a tree is heard, and trees that take the place of
   others. */
moe_detector_config moe_sgbt_detector(const moe_sgbt_state *m);
moe_status moe_sgbt_plant_shadows(moe_call *call, moe_sgbt_state *m,
                                  const moe_sgbt_params *p);
void moe_sgbt_weigh(moe_sgbt_state *m, size_t tree, const moe_sgbt_slope *slope,
                    double weight, double value);
void moe_sgbt_watch(moe_sgbt_state *m, const moe_sgbt_params *p, size_t tree,
                    const moe_sgbt_slope *slope, double weight,
                    const double *values);

/* sgbt_tree.c: trees in the flat arrays. */
moe_status moe_sgbt_widen(moe_call *call, void *array, size_t from, size_t to,
                          size_t width, size_t size);
moe_status moe_sgbt_reserve_slots(moe_call *call, moe_sgbt_state *m, size_t n);
moe_status moe_sgbt_reserve_runs(moe_call *call, moe_sgbt_state *m, size_t n);
int32_t moe_sgbt_plant(moe_sgbt_state *m, const moe_sgbt_params *p,
                       size_t tree);
void moe_sgbt_fell(moe_sgbt_state *m, int32_t run);
size_t moe_sgbt_route(const moe_sgbt_state *m, int32_t run, const double *x);
void moe_sgbt_teach(moe_sgbt_state *m, const moe_sgbt_params *p, size_t node,
                    const moe_sgbt_slope *slope, double weight);

#endif
