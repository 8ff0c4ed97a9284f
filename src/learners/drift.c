/* The catalog's detectors (detector.h): a table of settings each. */
#include "drift.h"

#include <math.h>

typedef struct drift {
  size_t n;
  double *run; /* n: the detector's own state */
  int64_t n_seen, drifts, last_drift;
} drift;

static moe_detector_config config_of(const moe_object *o) {
  moe_detector_config c = *(const moe_detector_config *)o->params;
  c.kind = ((const moe_drift_type *)o->type)->kind;
  return c;
}

bool moe_drift_is_prepared(const moe_object *o) {
  const moe_detector_config c = config_of(o);
  const drift *d = o->state;
  return d != NULL && d->n == moe_detector_size(&c);
}

moe_status moe_drift_prepare(moe_call *call, moe_object *o) {
  const moe_detector_config c = config_of(o);
  size_t n = moe_detector_size(&c);
  double *run;
  if (moe_drift_is_prepared(o)) return MOE_OK;
  if (o->state == NULL) MOE_TRY(moe_state_new(call, o->type, &o->state));
  MOE_TRY(moe_new_array(call, &run, n, sizeof *run));
  drift *d = o->state;
  moe_free(d->run);
  d->run = run;
  d->n = n;
  return MOE_OK;
}

moe_signal moe_drift_update(moe_object *o, double x) {
  const moe_detector_config c = config_of(o);
  drift *d = o->state;
  moe_signal signal = moe_detector_update(&c, d->run, x);
  d->n_seen++;
  if (signal == MOE_DRIFT) {
    d->drifts++;
    d->last_drift = d->n_seen;
  }
  return signal;
}

double moe_drift_mean(const moe_object *o) {
  const moe_detector_config c = config_of(o);
  const drift *d = o->state;
  return moe_drift_is_prepared(o) ? moe_detector_mean(&c, d->run) : 0;
}

static moe_status visit(void *state, moe_visitor *v) {
  drift *d = state;
  MOE_TRY(moe_visit_scalar(v, "n_seen", MOE_I64, &d->n_seen));
  MOE_TRY(moe_visit_scalar(v, "drifts", MOE_I64, &d->drifts));
  MOE_TRY(moe_visit_scalar(v, "last_drift", MOE_I64, &d->last_drift));
  return moe_visit_growing(v, "run", MOE_F64, &d->run, &d->n);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const moe_detector_config c = config_of(o);
  const drift *d = o->state;
  if (moe_is_count(d->n_seen) && d->drifts >= 0 && d->drifts <= d->n_seen &&
      (!moe_drift_is_prepared(o) || moe_detector_is_sound(&c, d->run)))
    return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "%s: its state is not usable",
                  o->type->name);
}

/* ------------------------------------------------------------------- gauges */

static moe_status read_seen(moe_call *call, const moe_object *o,
                            moe_value *out) {
  (void)call;
  *out = moe_number_value((double)((const drift *)o->state)->n_seen);
  return MOE_OK;
}

static moe_status read_drifts(moe_call *call, const moe_object *o,
                              moe_value *out) {
  (void)call;
  *out = moe_number_value((double)((const drift *)o->state)->drifts);
  return MOE_OK;
}

static moe_status read_last(moe_call *call, const moe_object *o,
                            moe_value *out) {
  const drift *d = o->state;
  (void)call;
  if (d->drifts > 0) *out = moe_number_value((double)d->last_drift);
  return MOE_OK;
}

static moe_status read_mean(moe_call *call, const moe_object *o,
                            moe_value *out) {
  (void)call;
  *out = moe_number_value(moe_drift_mean(o));
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    {"n_seen", "numbers taken", read_seen},
    {"mean", "of the numbers since the last change", read_mean},
    {"drifts", "how many there were", read_drifts},
    {"last_drift", "the number at which the last one was found", read_last},
    {0}};

/* -------------------------------------------------------------------- types */

#define DRIFT_TYPE(NAME, KIND, PARAMS, DOC)                \
  const moe_drift_type moe_##NAME = {                      \
      .type = {.name = #NAME,                              \
               .family = "detector",                       \
               .doc = DOC,                                 \
               .params_size = sizeof(moe_detector_config), \
               .state_size = sizeof(drift),                \
               .params = PARAMS,                           \
               .gauges = gauges,                           \
               .visit = visit,                             \
               .check = check},                            \
      .kind = KIND}

#define MIN_SAMPLES                                                       \
  {                                                                       \
    "min_samples", MOE_INT, offsetof(moe_detector_config, window), 30, 1, \
        0x1p53, 0, 0, 0, "fewest numbers before it says anything"         \
  }

static const moe_param of_adwin[] = {
    MOE_P_ABOVE(moe_detector_config, delta, 0.002, 0, 1,
                "the probability of a false alarm, for each cut: the smaller, "
                "the surer"),
    MOE_P_CHOICE(moe_detector_config, bound, MOE_BOUND_VARIANCE,
                 moe_bound_choices,
                 "of the difference of two means: by the numbers' variance and "
                 "range, or by Hoeffding's for numbers within [0, 1]"),
    MOE_P_INT(moe_detector_config, every, 32, 1, 0x1p53,
              "numbers from one test to the next"),
    {0}};

static const moe_param of_page_hinkley[] = {
    MOE_P_REAL(moe_detector_config, delta, 0.005, 0, 1e300,
               "a change of the mean that is allowed"),
    MOE_P_ABOVE(moe_detector_config, threshold, 50, 0, 1e300,
                "what the sum of changes beyond that may reach"),
    MIN_SAMPLES,
    {0}};

static const moe_param of_ddm[] = {
    MOE_P_ABOVE(moe_detector_config, threshold, 3, 0, 1e300,
                "deviations above the lowest mean, for a drift"),
    MOE_P_CHOICE(moe_detector_config, deviation, MOE_OF_THE_MEAN,
                 moe_deviation_choices,
                 "which one: of the mean, or of the numbers themselves, which "
                 "only losses that grow beyond any seen before exceed"),
    MIN_SAMPLES,
    {0}};

static const moe_param of_kswin[] = {
    MOE_P_ABOVE(moe_detector_config, alpha, 0.005, 0, 1,
                "the level of each test: 0.005 is a false alarm in some 1,300 "
                "numbers, 0.0001 in some 40,000"),
    MOE_P_INT(moe_detector_config, window, 100, MOE_LEAST_KSWIN, 1 << 20,
              "numbers kept, of which the newest 3 in 10 are compared with the "
              "others"),
    {0}};

DRIFT_TYPE(adwin, MOE_ADWIN, of_adwin,
           "An adaptive window: a drift where two parts of it differ in mean.");
DRIFT_TYPE(ddm, MOE_DDM, of_ddm,
           "A drift where mean and deviation have risen above their lowest.");
DRIFT_TYPE(kswin, MOE_KSWIN, of_kswin,
           "A drift where the newest numbers are distributed otherwise than "
           "those before (Kolmogorov-Smirnov).");
DRIFT_TYPE(page_hinkley, MOE_PAGE_HINKLEY, of_page_hinkley,
           "A drift where what numbers exceed their mean by, or fall short of "
           "it, adds up.");
