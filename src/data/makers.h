/* Synthetic tables whose truth is known: one maker a file, made like the
   others from the same options to the bit. */
#ifndef MOE_MAKERS_H
#define MOE_MAKERS_H

#include "table.h"

/* A table in the making: features x1 … xd and a target. */
typedef struct moe_draft {
  moe_call *call;
  moe_random random;
  size_t n, d;
  double **x;                     /* d columns of n numbers */
  double *y;                      /* the target's numbers … */
  int32_t *ids;                   /* … or its classes, … */
  const char *target;             /* … under this name */
  const char *const *class_names; /* NULL: c1, c2, … */

  /* What a learner could find out and is not told: a column, if there is. */
  moe_series *truth;
  size_t n_truth;
  const char *truth_name;
} moe_draft;

/* Its options, as a type without state, and what it does with them. */
typedef struct moe_maker {
  moe_type type;
  moe_status (*fill)(moe_draft *d, const void *params);
} moe_maker;

extern const moe_maker moe_classification_maker, moe_moons_maker,
    moe_regions_maker, moe_regression_maker;
extern const moe_maker *const moe_makers[]; /* all; ends with NULL */

/* Makes what an object of one of their types says.  `truth` is a table of one
   column, or NULL. */
moe_status moe_make(moe_call *call, const moe_object *options, moe_table **out,
                    moe_table **truth);

/* For makers: memory for n rows of d features and a target of numbers or of
   classes, and the seeded generator; a column of the texts prefix1, prefix2, …
   that the ids 0, 1, … stand for, which takes over the ids. */
moe_status moe__draft_open(moe_draft *d, int64_t n, int64_t features,
                           int64_t seed, bool classes);
moe_status moe__draft_classes(moe_call *call, int32_t *ids, size_t n,
                              const char *const *names, const char *prefix,
                              moe_series **out);
double moe__draw_between(moe_random *r, double low, double high);

#endif
