/* One tree that grows with its stream (hoeffding.h): VFDT with adaptive leaves,
   in regression FIMT-DD without its test for drift. */
#include "hoeffding_types.h"

const char *const moe_hoeffding_leaves[] = {"adaptive", "constant", "model",
                                            NULL};

static const moe_param params[] = {
    MOE_HOEFFDING_PARAMS(moe_hoeffding_params, 200, 1e-7), {0}};

/* -------------------------------------------------------- of a single tree */

moe_status moe_hoeffding_predict_one(moe_call *call, const moe_object *o,
                                     const double *x, double *out) {
  const moe_hoeffding *h = o->state;
  (void)call;
  if (h->nodes == NULL || h->trees[0].node < 0)
    moe__know_nothing(&h->fitted, 1, out);
  else
    moe_hoeffding_ask(h, o->params, &h->trees[0], x, out);
  return MOE_OK;
}

moe_status moe_hoeffding_learn_alone(moe_call *call, moe_object *o,
                                     const moe_detector_config *detector,
                                     const moe_example *s) {
  moe_hoeffding *h = o->state;
  moe_hoeffding_plan plan = {.trees = 1, .observed = 1};
  if (detector != NULL) plan.detector = moe_detector_size(detector);
  MOE_TRY(moe_hoeffding_prepare(call, h, &plan));
  MOE_TRY(moe_hoeffding_admit(call, h, s->x));
  moe_hoeffding_learn(h, o->params, detector, &h->trees[0], s, s->weight);
  moe_hoeffding_count(h, s);
  return MOE_OK;
}

/* ------------------------------------------------------------------ figures */

static moe_status tell(moe_value *out, double number) {
  *out = moe_number_value(number);
  return MOE_OK;
}

moe_status moe_hoeffding_tell_leaves(moe_call *call, const moe_object *o,
                                     moe_value *out) {
  const moe_hoeffding *h = o->state;
  (void)call;
  return tell(out, (double)h->leaves_used);
}

moe_status moe_hoeffding_tell_depth(moe_call *call, const moe_object *o,
                                    moe_value *out) {
  const moe_hoeffding *h = o->state;
  int32_t most = 0;
  (void)call;
  for (size_t i = 0; i < h->n_nodes; i++)
    if (h->nodes[i].depth > most) most = h->nodes[i].depth;
  return tell(out, most);
}

static const moe_gauge gauges[] = {MOE_HOEFFDING_GAUGES, {0}};

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  return moe_hoeffding_learn_alone(call, o, NULL, s);
}

const moe_learner_type moe_hoeffding_tree = {
    .type = {.name = "hoeffding_tree",
             .family = "learner",
             .doc = "A decision tree that grows with its stream: splits as "
                    "soon as the Hoeffding bound tells which is best.",
             .params_size = sizeof(moe_hoeffding_params),
             .state_size = sizeof(moe_hoeffding),
             .params = params,
             .gauges = gauges,
             .visit = moe_hoeffding_visit,
             .check = moe_hoeffding_check,
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
