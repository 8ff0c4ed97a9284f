/* Detectors as objects: settings, and what they have taken in so far. */
#ifndef MOE_DRIFT_H
#define MOE_DRIFT_H

#include "detector.h"

typedef struct moe_drift_type {
  moe_type type; /* its params begin with a moe_detector_config */
  int kind;
} moe_drift_type;

/* Before the first number, and after a setting has changed. */
moe_status moe_drift_prepare(moe_call *call, moe_object *o);
bool moe_drift_is_prepared(const moe_object *o);

/* The next number, of an object that is prepared. */
moe_signal moe_drift_update(moe_object *o, double x);

double moe_drift_mean(const moe_object *o);

#endif
