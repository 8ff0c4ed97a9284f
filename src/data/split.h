/* Cutting rows into parts, to train on some and test on others.

   Without groups every row goes its own way: the parts have the sizes asked
   for, to the row, and of each stratum the share asked for, within a row.  With
   groups all rows of one go the same way, and sizes and shares are as near as
   a greedy choice comes.  Strata and groups are ids counted from 0; a stratum
   of -1 (missing) is one more stratum, a group of -1 is refused.  Either may
   be NULL.  The same seed gives the same parts. */
#ifndef MOE_SPLIT_H
#define MOE_SPLIT_H

#include "status.h"

/* part[i] is 0 for about share × n rows and 1 for the others; neither part is
   empty. */
moe_status moe_split(moe_call *call, size_t n, double share, uint64_t seed,
                     const int32_t *strata, const int32_t *groups,
                     int32_t *part);

/* fold[i] is in 0 … k−1; the folds are equally large, within a row. */
moe_status moe_folds(moe_call *call, size_t n, size_t k, uint64_t seed,
                     const int32_t *strata, const int32_t *groups,
                     int32_t *fold);

#endif
