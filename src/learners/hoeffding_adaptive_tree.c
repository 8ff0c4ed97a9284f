/* A Hoeffding tree in a world that changes (Bifet & Gavaldà 2009, doi
   10.1007/978-3-642-03915-7_22): ADWIN watches the losses at every node, and
   what has become worse is replaced by what began anew beside it, once that is
   better.  Unlike the original, leaves are watched as well, and a rival is
   judged on the very samples on which the losses of its node are counted. */
#include "hoeffding_types.h"

typedef struct adaptive_params {
  moe_hoeffding_params tree;
  double drift_delta;
} adaptive_params;

static const moe_param params[] = {
    MOE_HOEFFDING_PARAMS(adaptive_params, 200, 1e-7),
    {"drift_delta", MOE_REAL, offsetof(adaptive_params, drift_delta), 0.002, 0,
     0.5, NULL, NULL, MOE_ABOVE_MIN,
     "probability that ADWIN takes chance for a change"},
    {0}};

static moe_status tell_rivals(moe_call *call, const moe_object *o,
                              moe_value *out) {
  const moe_hoeffding *h = o->state;
  double n = 0;
  (void)call;
  for (size_t i = 0; i < h->n_nodes; i++) n += h->nodes[i].rival >= 0;
  *out = moe_number_value(n);
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    MOE_HOEFFDING_GAUGES,
    {"rivals", "subtrees that may take the place of others", tell_rivals},
    {0}};

static moe_detector_config detector_of(const moe_object *o) {
  const adaptive_params *p = o->params;
  return moe_hoeffding_adwin(p->drift_delta);
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  moe_detector_config detector = detector_of(o);
  return moe_hoeffding_learn_alone(call, o, &detector, s);
}

static moe_status check(moe_call *call, const moe_object *o) {
  moe_detector_config detector = detector_of(o);
  MOE_TRY(moe_hoeffding_check(call, o));
  return moe_hoeffding_check_detectors(call, o, &detector);
}

const moe_learner_type moe_hoeffding_adaptive_tree = {
    .type = {.name = "hoeffding_adaptive_tree",
             .family = "learner",
             .doc = "A Hoeffding tree that replaces its parts when the world "
                    "has changed (ADWIN).",
             .params_size = sizeof(adaptive_params),
             .state_size = sizeof(moe_hoeffding),
             .params = params,
             .gauges = gauges,
             .visit = moe_hoeffding_visit,
             .check = check,
             .rebuild = moe_hoeffding_rebuild},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_TAKES_MISSING |
              MOE_TAKES_NOMINAL | MOE_ONLINE,
    .begin = moe_stream_begin,
    .step = moe_stream_step,
    .learn = moe_stream_learn,
    .predict = moe_stream_predict,
    .learn_one = learn_one,
    .predict_one = moe_hoeffding_predict_one,
    .add_class = moe_hoeffding_add_class};
