/* What a gate's target says of the experts, in one currency: log-likelihoods.
 */
#ifndef MOE_GATE_SCORE_H
#define MOE_GATE_SCORE_H

#include "rows.h"

/* Errors count as if they were normal, all of one deviation s; this is 1/s², or
   1 where the target is log-likelihoods.  s is found from the rows themselves,
   as what makes the errors most likely were each expert as probable as the
   others: about what is left where the right one answers. */
double moe_gate_precision(const moe_batch *b);

/* Expert e's log-likelihood, up to a constant, in the source's row `at`. */
double moe_gate_score(const moe_target *y, double precision, size_t at,
                      size_t e);

/* Those of the batch's row i, less the best one's, which is told: NaN or -Inf
   where not all are known or all are impossible, and `out` is of no use. */
double moe_gate_compare(const moe_batch *b, double precision, size_t i,
                        double *out);

#endif
