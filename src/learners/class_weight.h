/* Weights of classes, as a parameter gives them by label. */
#ifndef MOE_CLASS_WEIGHT_H
#define MOE_CLASS_WEIGHT_H

#include "learner.h"

/* What the parameter says of a class; 1 where it does not name it. */
double moe_class_weight_of(const moe_weights *weights, const moe_label *label);

/* What each row of the batch counts: its own weight times its class's, 1 where
   the parameter does not name the class.  `weight` is one a source row. */
moe_status moe_class_weight_apply(moe_call *call, const moe_weights *weights,
                                  const moe_batch *b, double *weight);

/* Notes the labels that are not among the job's classes. */
void moe_class_weight_note(moe_job *job, const moe_weights *weights);

#endif
