/* Linear models that only learn row by row, as online_rule.h says: classes by
   the hinge loss, the passive-aggressive rule or the log loss; numbers by the
   passive-aggressive rule, squared, Huber, ε-insensitive or check loss.  What
   has no probabilities of its own gets them from a temperature that is learned
   beside it. */
#include <string.h>

#include "online_rule.h"
#include "temperature.h"
#include "vector.h"

enum { PASSIVE, HINGE, LOG, SQUARED, HUBER, EPSILON, QUANTILE };
static const char *const loss_choices[] = {
    "passive_aggressive",  "hinge",    "log", "squared", "huber",
    "epsilon_insensitive", "quantile", NULL};
static const char *const variant_choices[] = {"pa", "pa_1", "pa_2", NULL};

typedef struct online_params {
  moe_rule_params rule;
  double aggressiveness, delta, epsilon, quantile;
  int task, loss, variant;
  moe_weights class_weight;
} online_params;

typedef struct online {
  moe_online lines;
  moe_temperature temperature;
  double *scores; /* derived: z and softmax(t z) */
} online;

static const moe_param params[] = {
    MOE_P_TASK(online_params),
    MOE_P_CHOICE(online_params, loss, PASSIVE, loss_choices,
                 "what is to be small; hinge and log are of classes, "
                 "passive_aggressive of both, the others of numbers"),
    MOE_P_CHOICE(online_params, variant, MOE_PASSIVE_2, variant_choices,
                 "of passive_aggressive: pa goes all the way to a loss of 0, "
                 "pa_1 no farther than aggressiveness, pa_2 softly"),
    MOE_P_ABOVE(online_params, aggressiveness, 1, 0, 1e300,
                "C of pa_1 and pa_2: how far a sample may move the weights"),
    MOE_P_ABOVE(online_params, delta, 1, 0, 1e300,
                "where the huber loss becomes linear"),
    MOE_P_REAL(online_params, epsilon, 0.1, 0, 1e300,
               "the error that does not count, of epsilon_insensitive and, "
               "for numbers, of passive_aggressive"),
    MOE_P_REAL(online_params, quantile, 0.5, 0, 1,
               "what the quantile loss predicts"),
    MOE_P_LIST(online_params, class_weight, MOE_WEIGHTS, 0, 1e300,
               "what the rows of a class count, by label; 1 where not named"),
    MOE_P_RULE(0.1, true),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  online *o = state;
  MOE_TRY(moe_online_visit(&o->lines, v));
  MOE_TRY(moe_temperature_visit(&o->temperature, v));
  return moe_visit_derived(v, "scores", MOE_F64, &o->scores,
                           2 * o->lines.affine.fitted.n_outputs);
}

static moe_status check(moe_call *call, const moe_object *o) {
  if (!moe_temperature_is_sound(&((const online *)o->state)->temperature))
    return moe_fail(call, MOE_EFORMAT, "online: its temperature is not finite");
  return moe_online_check(call, o);
}

static moe_task choose_task(const moe_object *o, bool labelled) {
  const online_params *p = o->params;
  if (p->loss == HINGE || p->loss == LOG) return MOE_CLASSIFICATION;
  if (p->loss != PASSIVE) return MOE_REGRESSION;
  if (p->task == MOE_TASK_AUTO)
    return labelled ? MOE_CLASSIFICATION : MOE_REGRESSION;
  return p->task == MOE_TASK_CLASSIFICATION ? MOE_CLASSIFICATION
                                            : MOE_REGRESSION;
}

/* ------------------------------------------------------------------- learning
 */

static bool tells_classes(const moe_object *o) {
  return moe_learner_fitted(o)->task == MOE_CLASSIFICATION;
}

static int loss_of(const moe_object *o) {
  const online_params *p = o->params;
  static const int losses[] = {
      [HINGE] = MOE_LOSS_HINGE,     [LOG] = MOE_LOSS_LOG,
      [SQUARED] = MOE_LOSS_SQUARED, [HUBER] = MOE_LOSS_HUBER,
      [EPSILON] = MOE_LOSS_EPSILON, [QUANTILE] = MOE_LOSS_QUANTILE};
  if (p->loss == PASSIVE)
    return tells_classes(o) ? MOE_LOSS_HINGE : MOE_LOSS_EPSILON;
  return losses[p->loss];
}

static moe_rule rule_of(const moe_object *o) {
  const online_params *p = o->params;
  moe_rule rule = {.own = &p->rule,
                   .step = p->rule.step,
                   .loss = loss_of(o),
                   .variant = p->variant,
                   .limit = p->aggressiveness,
                   .tolerance = p->loss == HUBER      ? p->delta
                                : p->loss == QUANTILE ? p->quantile
                                                      : p->epsilon};
  if (tells_classes(o)) rule.class_weight = &p->class_weight;
  if (p->loss == PASSIVE) rule.step = MOE_STEP_PASSIVE;
  return rule;
}

/* The state may have been loaded, or got a class. */
static moe_status calibrate(moe_call *call, online *o, const moe_example *s) {
  size_t m = o->lines.affine.fitted.n_outputs;
  if (o->scores == NULL)
    MOE_TRY(moe_new_array(call, &o->scores, 2 * m, sizeof *o->scores));
  double *z = o->scores, *p = z + m;
  moe_affine_answer_one(&o->lines.affine, s->x, z);
  memcpy(p, s->answer != NULL ? s->answer : z, m * sizeof *p);
  if (s->answer == NULL) moe_temperature_apply(&o->temperature, p, m);
  moe_temperature_learn(&o->temperature, z, p, m, (size_t)s->id, s->weight);
  return MOE_OK;
}

/* A loss may be set after the first sample. */
static moe_status check_loss(moe_call *call, const moe_object *o) {
  const online_params *p = o->params;
  bool classes = tells_classes(o);
  bool fits =
      p->loss == PASSIVE || (p->loss == HINGE || p->loss == LOG) == classes;
  if (fits) return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "online: it has learned %s, which its loss '%s' is not of "
                  "(reset forgets them)",
                  classes ? "classes" : "numbers", loss_choices[p->loss]);
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  const moe_rule rule = rule_of(o);
  MOE_TRY(check_loss(call, o));
  MOE_TRY(moe_online_prepare(call, o->state, rule.own));
  if (rule.loss == MOE_LOSS_HINGE) MOE_TRY(calibrate(call, o->state, s));
  return moe_online_learn_one(call, o, &rule, s);
}

static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  online *state = o->state;
  moe_free(state->scores);
  state->scores = NULL;
  return moe_online_add_class(call, o, position);
}

/* -------------------------------------------------------------------- answers
   The temperature of the log loss stays 1. */

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const online *state = o->state;
  size_t m = state->lines.affine.fitted.n_outputs;
  MOE_TRY(moe_affine_apply(call, &state->lines.affine, x, NULL, out));
  for (size_t i = 0; tells_classes(o) && i < x->n; i++)
    moe_temperature_apply(&state->temperature, out + i * m, m);
  return MOE_OK;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const online *state = o->state;
  (void)call;
  moe_affine_answer_one(&state->lines.affine, x, out);
  if (tells_classes(o))
    moe_temperature_apply(&state->temperature, out,
                          state->lines.affine.fitted.n_outputs);
  return MOE_OK;
}

static moe_status contribute(moe_call *call, const moe_object *o,
                             const moe_rows *x, double *out) {
  const online *state = o->state;
  double factor = state->temperature.factor;
  return moe_affine_attribute(call, &state->lines.affine, x, NULL,
                              factor > 0 ? factor : 1, out);
}

static const moe_gauge gauges[] = {MOE_AFFINE_GAUGES{0}};

const moe_learner_type moe_online_learner = {
    .type = {.name = "online",
             .family = "learner",
             .doc = "Linear classes or numbers learned row by row: "
                    "passive-aggressive, hinge and other losses, on columns "
                    "standardised as they come.",
             .params_size = sizeof(online_params),
             .state_size = sizeof(online),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_SPARSE | MOE_ONLINE,
    .choose_task = choose_task,
    .open = moe_online_open,
    .begin = moe_stream_begin,
    .step = moe_stream_step,
    .learn = moe_stream_learn,
    .learn_one = learn_one,
    .add_class = add_class,
    .predict = predict,
    .predict_one = predict_one,
    .contribute = contribute};
