/* Detectors of change in a stream of numbers (losses, mostly).  The state of
   one is a run of doubles, so that whoever has many keeps them in one array,
   which it visits, copies and saves as such. */
#ifndef MOE_DETECTOR_H
#define MOE_DETECTOR_H

#include "object.h"

enum moe_detector {
  MOE_NO_DETECTOR,
  MOE_ADWIN,        /* adaptive windowing: Bifet & Gavaldà 2007 */
  MOE_PAGE_HINKLEY, /* Page 1954; two-sided */
  MOE_DDM,          /* Gama et al. 2004 */
  MOE_KSWIN         /* Raab et al. 2020: Kolmogorov-Smirnov on two windows */
};
extern const char *const moe_detector_choices[]; /* "none", "adwin", … */

enum { MOE_LEAST_KSWIN = 10 /* of its window */ };

typedef enum moe_signal { MOE_STABLE, MOE_WARNING, MOE_DRIFT } moe_signal;

/* Each detector has defaults of its own (what is NaN or MOE_NO_INT). */
typedef struct moe_detector_config {
  int kind;
  double delta; /* adwin: confidence; page_hinkley: change that is allowed */
  double threshold; /* page_hinkley: λ; ddm: deviations to a drift */
  double alpha;     /* kswin: level of the test */
  int64_t window;   /* kswin: numbers kept; page_hinkley, ddm:
                       fewest before a signal */
  int bound;        /* adwin: of the difference of two means */
  int64_t every;    /* adwin: numbers between tests; 0: 32 */
  int deviation;    /* ddm: which counts */
} moe_detector_config;

enum moe_deviation {
  MOE_OF_THE_MEAN, /* s / √n, as published: of errors, 0 or 1 */
  MOE_OF_NUMBERS   /* s: only jumps beyond what single numbers do */
};
extern const char *const moe_deviation_choices[];

enum moe_bound {
  MOE_BOUND_VARIANCE, /* by their variance: numbers of any range */
  MOE_BOUND_RANGE     /* by Hoeffding's: numbers within [0, 1] */
};
extern const char *const moe_bound_choices[];

/* Doubles of state; 0 of none. */
size_t moe_detector_size(const moe_detector_config *c);

void moe_detector_reset(const moe_detector_config *c, double *state);

/* Takes the next number, which is finite.  After a drift the detector has begun
   anew, or has dropped what was before the change. */
moe_signal moe_detector_update(const moe_detector_config *c, double *state,
                               double x);

/* The mean of what it holds to be the present; 0 of nothing. */
double moe_detector_mean(const moe_detector_config *c, const double *state);

/* False where a file's numbers could lead outside the state. */
bool moe_detector_is_sound(const moe_detector_config *c, const double *state);

#endif
