/* A mixture's answer to a row x is Σ w_e(x) f_e(x) over the experts e that its
   gate selects, w from the routing core, f class probabilities or values
   (Jacobs, Jordan, Nowlan & Hinton 1991, Neural Computation 3(1)).  Experts may
   know different classes: a class that an expert has not met has probability 0
   in its answer. */
#include "mixture.h"

#include <math.h>
#include <string.h>

#include "mixture_fit.h"
#include "responsibility.h"
#include "vector.h"

enum { BLOCK = 1024 }; /* rows routed at a time: bounds the scratch */

static const char *const objectives[] = {"auto",        "likelihood", "error",
                                         "best_expert", "multi_hot",  "soft",
                                         "subsets",     NULL};
const char *const moe_training_choices[] = {"two_stage", "em", "gradient",
                                            NULL};
const char *const moe_subsets_choices[] = {"all", "clusters", "residuals",
                                           NULL};
static const char *const unassigned[] = {"none", "all", NULL};
static const char *const balances[] = {"none", "bias", NULL};

/* clang-format off */
static const moe_param params[] = {
    MOE_P_TASK(moe_mixture_params),
    MOE_P_CHILD(moe_mixture_params, experts, MOE_CHILDREN, "learner", 0,
                "the experts, all by name or in a list"),
    MOE_P_CHILD(moe_mixture_params, gate, MOE_CHILD, "gate", 0,
                "gives each expert's probability for a row"),
    MOE_P_CHILD(moe_mixture_params, stream, MOE_CHILD, "streaming",
                MOE_OPTIONAL, "how it learns sample by sample"),
    MOE_P_CHOICE(moe_mixture_params, training, MOE_TWO_STAGE,
                 moe_training_choices,
                 "how fit trains: first the experts, then the gate on what "
                 "they did not see; or both together, by expectation "
                 "maximisation or by the gradient of the likelihood"),
    MOE_P_CHOICE(moe_mixture_params, subsets, MOE_ALL_ROWS, moe_subsets_choices,
                 "the rows that each expert of two_stage trains on, unless "
                 "`subsets` are given: all, a cluster of the inputs, or a "
                 "cluster of the residuals of the first expert's model"),
    MOE_P_CHOICE(moe_mixture_params, objective, MOE_AUTO_OBJECTIVE, objectives,
                 "what the gate of two_stage is fitted to, on predictions that "
                 "the experts did not train on: the likelihood of the mixture "
                 "(auto for classes), the squared error of its answer (auto "
                 "for numbers), the best expert of each row, all experts that "
                 "were right, each by its share of the likelihood, or, where "
                 "`subsets` are given, the expert whose row it is"),
    MOE_P_FLAG(moe_mixture_params, calibrate, 1,
               "whether each expert's probabilities are sharpened or evened "
               "out, by one power, to fit its unseen answers"),
    MOE_P_CHOICE(moe_mixture_params, unassigned, MOE_TO_NONE, unassigned,
                 "who trains on rows that `subsets` gives to no expert"),
    MOE_P_LIST(moe_mixture_params, frozen, MOE_TEXTS, 0, 0,
               "names of experts that fit leaves as they are"),
    MOE_P_INT(moe_mixture_params, folds, 5, 2, 1000,
              "folds of the cross-fitting by which experts without "
              "out-of-bag predictions predict rows unseen"),
    MOE_P_INT(moe_mixture_params, rounds, 100, 1, 0x1p53,
              "most rounds of em"),
    MOE_P_ABOVE(moe_mixture_params, tol, 1e-5, 0, 1,
                "em ends with a round that adds less than this to the mean "
                "log-likelihood of a row"),
    MOE_P_INT(moe_mixture_params, restarts, 1, 1, 0x1p53,
              "times that em begins anew, from other clusters; the most "
              "likely mixture is kept"),
    MOE_P_INT(moe_mixture_params, epochs, 50, 1, 0x1p53,
              "most passes of gradient over the rows"),
    MOE_P_INT(moe_mixture_params, batch_size, 64, 1, 1 << 20,
              "rows to a step of gradient"),
    MOE_P_ABOVE(moe_mixture_params, lr, 0.01, 0, 1e6,
                "size of such a step (Adam's)"),
    MOE_P_REAL(moe_mixture_params, validation, 0.1, 0, 0.9,
               "share of the rows that gradient holds out, to stop by and to "
               "keep the best weights by; 0: none, all epochs"),
    MOE_P_INT(moe_mixture_params, patience, 10, 1, 0x1p53,
              "epochs without a better loss on them, after which it stops"),
    {"expert_dropout", MOE_REAL,
     offsetof(moe_mixture_params, route.expert_dropout), 0, 0, 1, 0, 0, 0,
     "share of the experts that a row does without in a step of gradient, "
     "drawn anew each time; one is always left"},
    MOE_P_ROUTE(moe_mixture_params),
    MOE_P_CHOICE(moe_mixture_params, balance, MOE_UNBALANCED, balances,
                 "where top_k leaves experts out: whether a bias by which the "
                 "experts share the training rows evenly counts in the "
                 "selection (not in the weights)"),
    MOE_P_SEED(moe_mixture_params),
    {0}};
/* clang-format on */

static moe_status visit(void *state, moe_visitor *v) {
  moe_mixture *m = state;
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "n_experts", MOE_I64, &m->n_experts));
  MOE_TRY(moe_visit_array(v, "noise", MOE_F64, &m->noise, m->n_experts));
  MOE_TRY(
      moe_visit_array(v, "sharpness", MOE_F64, &m->sharpness, m->n_experts));
  MOE_TRY(moe_visit_array(v, "samples", MOE_I64, &m->samples, m->n_experts));
  MOE_TRY(moe_visit_array(v, "bias", MOE_F64, &m->bias, m->n_experts));
  MOE_TRY(moe_visit_array(v, "load", MOE_F64, &m->load, m->n_experts));
  MOE_TRY(
      moe_visit_array(v, "importance", MOE_F64, &m->importance, m->n_experts));
  MOE_TRY(moe__stream_visit(&m->stream, v));
  MOE_TRY(moe_visit_derived(v, "map_start", MOE_I64, &m->map_start,
                            m->n_experts + 1));
  return moe_visit_derived(v, "map", MOE_I32, &m->map, m->map_length);
}

/* ---------------------------------------------------------- columns of experts
 */

static size_t count_columns(const moe_children *experts) {
  size_t n = 0;
  for (size_t e = 0; e < experts->n; e++)
    n += moe_learner_fitted(experts->items[e])->n_outputs;
  return n;
}

/* An expert's column k in the mixture, or -1: on a stream the class may come
   yet. */
static ptrdiff_t find_column(const moe_mixture *m, const moe_fitted *expert,
                             size_t k) {
  if (m->fitted.task != MOE_CLASSIFICATION)
    return expert->n_outputs == m->fitted.n_outputs ? (ptrdiff_t)k : -1;
  return moe_labels_find(&m->fitted.labels, &expert->labels.items[k]);
}

moe_status moe__mixture_map(moe_call *call, const moe_children *experts,
                            moe_mixture *m) {
  size_t at = 0;
  m->map_length = count_columns(experts);
  MOE_TRY(moe_new_array(call, &m->map_start, experts->n + 1, sizeof(int64_t)));
  MOE_TRY(moe_new_array(call, &m->map, m->map_length, sizeof(int32_t)));
  for (size_t e = 0; e < experts->n; e++) {
    const moe_fitted *f = moe_learner_fitted(experts->items[e]);
    for (size_t k = 0; k < f->n_outputs; k++) {
      ptrdiff_t column = find_column(m, f, k);
      bool may_come = m->stream.open && m->fitted.task == MOE_CLASSIFICATION;
      if (column >= (ptrdiff_t)m->fitted.n_outputs || (column < 0 && !may_come))
        return moe_fail(call, MOE_EDATA,
                        "mixture: expert '%s' predicts what the mixture does "
                        "not",
                        experts->names[e]);
      m->map[at++] = (int32_t)column;
    }
    m->map_start[e + 1] = (int64_t)at;
  }
  return MOE_OK;
}

/* It sees the mixture's columns. */
static bool has_columns(const moe_mixture *m, const moe_fitted *part) {
  return part != NULL && part->schema.n == m->fitted.schema.n &&
         moe_intake_agrees(&part->intake, &m->fitted.intake);
}

/* The experts are those of the last fit, with the classes they had then. */
static bool is_current(const moe_mixture *m, size_t e, const moe_object *o) {
  const moe_fitted *f = moe_learner_fitted(o);
  const int32_t *map = m->map + m->map_start[e];
  size_t n = (size_t)(m->map_start[e + 1] - m->map_start[e]);
  if (!has_columns(m, f) || f->task != m->fitted.task || f->n_outputs != n)
    return false;
  for (size_t k = 0; f->task == MOE_CLASSIFICATION && k < n; k++)
    if (map[k] >= 0 && moe_label_compare(&f->labels.items[k],
                                         &m->fitted.labels.items[map[k]]) != 0)
      return false;
  return true;
}

static moe_status check_experts(moe_call *call, const moe_object *o) {
  const moe_children *experts = &moe_mixture_params_of(o)->experts;
  const moe_mixture *m = o->state;
  if (m == NULL)
    return moe_fail(call, MOE_ESTATE, "mixture has not been fitted yet");
  if (experts->n != m->n_experts)
    return moe_fail(call, MOE_ESTATE,
                    "mixture: it has %zu experts, but was fitted with %zu; fit "
                    "it again",
                    experts->n, m->n_experts);
  for (size_t e = 0; e < experts->n; e++)
    if (!is_current(m, e, experts->items[e]))
      return moe_fail(call, MOE_ESTATE,
                      "mixture: expert '%s' was reset or has learned other "
                      "columns or targets since; fit the mixture again",
                      experts->names[e]);
  return MOE_OK;
}

static bool is_streaming(const moe_object *o) {
  const moe_mixture *m = o->state;
  return m != NULL && m->stream.open;
}

/* What it has learned of each is in the order of before. */
static moe_status check_places(moe_call *call, const moe_object *o) {
  const moe_mixture *m = o->state;
  if (!is_streaming(o) || moe__stream_has_places(&m->stream)) return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "mixture: experts were moved since it learned last; it "
                  "answers again once it has learned another sample");
}

/* ------------------------------------------------------------------- routing
 */

void moe__take_logs(double *p, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = log(p[i] > 1e-300 ? p[i] : 1e-300);
}

static moe_status check_gate(moe_call *call, const moe_object *o) {
  const moe_mixture_params *p = moe_mixture_params_of(o);
  const moe_fitted *gate = moe_learner_fitted(p->gate);
  if (has_columns(o->state, gate) && gate->n_outputs == p->experts.n)
    return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "mixture: the gate was reset or replaced, or has learned "
                  "other columns since; fit the mixture again");
}

static moe_status check_parts(moe_call *call, const moe_object *o) {
  MOE_TRY(check_experts(call, o));
  MOE_TRY(check_places(call, o));
  return check_gate(call, o);
}

moe_status moe__mixture_check(moe_call *call, const moe_object *o) {
  const moe_children *experts = &moe_mixture_params_of(o)->experts;
  MOE_TRY(check_parts(call, o));
  for (size_t e = 0; e < experts->n; e++)
    if (experts->items[e]->type == o->type &&
        !moe_learner_knows_nothing(experts->items[e]))
      MOE_TRY(moe__mixture_check(call, experts->items[e]));
  return MOE_OK;
}

/* Of rows as they come. */
static moe_status stream_logits(moe_call *call, const moe_object *o,
                                const moe_rows *x, double *out) {
  size_t experts = moe_mixture_params_of(o)->experts.n;
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_rows own = *x;
  double *row;
  if (moe__is_encoded(o, x))
    MOE_TRY(moe__encode_rows(call, o, NULL, NULL, x, &own));
  MOE_SCRATCH(call, row, own.d);
  for (size_t i = 0; i < own.n; i++, out += experts) {
    moe_rows_doubles(&own, i, 1, row);
    MOE_TRY(moe__stream_logits(call, o, row, out));
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe_mixture_logits(moe_call *call, const moe_object *o,
                              const moe_rows *x, double *out) {
  const moe_mixture_params *p = moe_mixture_params_of(o);
  MOE_TRY(check_parts(call, o));
  moe_object_use(o, 1);
  moe_status status = is_streaming(o)
                          ? stream_logits(call, o, x, out)
                          : moe_learner_predict(call, p->gate, x, out);
  moe_object_use(o, -1);
  if (status == MOE_OK && !is_streaming(o))
    moe__take_logs(out, x->n * p->experts.n);
  return status;
}

const double *moe_mixture_bias(const moe_object *o) {
  const moe_mixture *m = o->state;
  bool biased = moe_mixture_params_of(o)->balance == MOE_BY_BIAS;
  if (is_streaming(o)) return moe__stream_bias(o);
  return m != NULL && biased ? m->bias : NULL;
}

moe_status moe_mixture_route(moe_call *call, const moe_object *o,
                             const moe_rows *x, moe_routing *out) {
  const moe_mixture_params *p = moe_mixture_params_of(o);
  size_t experts = p->experts.n;
  const double *bias = moe_mixture_bias(o);
  double *logits;
  out->n = x->n;
  out->experts = experts;
  out->width = moe_route_width(&p->route, experts);
  moe_scratch_mark mark = moe_scratch_now(call);
  MOE_SCRATCH(call, logits, moe_size(x->n, experts));
  MOE_TRY(moe_mixture_logits(call, o, x, logits));
  for (size_t i = 0; i < x->n; i++)
    moe_route_row(&p->route, experts, logits + i * experts, bias,
                  out->probs + i * experts, out->indices + i * out->width,
                  out->weights + i * out->width);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* ---------------------------------------------------------------- prediction
 */

static moe_status new_routing(moe_call *call, size_t rows, size_t experts,
                              moe_routing *r) {
  MOE_SCRATCH(call, r->indices, moe_size(rows, experts));
  MOE_SCRATCH(call, r->weights, moe_size(rows, experts));
  MOE_SCRATCH(call, r->probs, moe_size(rows, experts));
  return MOE_OK;
}

void moe__sharpen(double *p, size_t n, double a) {
  double top = 0, sum = 0;
  if (a == 1) return;
  for (size_t k = 0; k < n; k++) top = p[k] > top ? p[k] : top;
  for (size_t k = 0; k < n; k++)
    sum += p[k] = p[k] > 0 ? exp(a * log(p[k] / top)) : 0;
  for (size_t k = 0; k < n && sum > 0; k++) p[k] /= sum;
}

/* Adds an expert's answer for one row to the mixture's: nothing for classes
   that the expert does not know. */
static void add_answer(const moe_mixture *m, size_t e, double *answer,
                       double weight, double *to) {
  const int32_t *map = m->map + m->map_start[e];
  size_t n = (size_t)(m->map_start[e + 1] - m->map_start[e]);
  if (m->fitted.task == MOE_CLASSIFICATION)
    moe__sharpen(answer, n, m->sharpness[e]);
  for (size_t k = 0; k < n; k++) to[map[k]] += weight * answer[k];
}

/* Adds the weighted answers of one expert for the rows that chose it. */
static moe_status add_expert(moe_call *call, const moe_object *o, size_t e,
                             const moe_rows *x, const moe_routing *routing,
                             double *out) {
  const moe_mixture *m = o->state;
  const moe_object *expert = moe_mixture_params_of(o)->experts.items[e];
  size_t width = moe_learner_fitted(expert)->n_outputs, n;
  moe_scratch_mark mark = moe_scratch_now(call);
  int32_t *rows;
  double *weights, *answers;
  moe_rows chosen;
  MOE_SCRATCH(call, rows, x->n);
  MOE_SCRATCH(call, weights, x->n);
  n = moe_routing_rows(routing, e, rows, weights);
  if (n > 0) {
    MOE_SCRATCH(call, answers, moe_size(n, width));
    MOE_TRY(moe_rows_select(call, x, rows, n, &chosen));
    MOE_TRY(moe_learner_predict(call, expert, &chosen, answers));
    for (size_t i = 0; i < n; i++)
      add_answer(m, e, answers + i * width, weights[i],
                 out + (size_t)rows[i] * m->fitted.n_outputs);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status predict_block(moe_call *call, const moe_object *o,
                                const moe_rows *x, double *out) {
  const moe_mixture *m = o->state;
  size_t width = m->fitted.n_outputs;
  moe_routing routing;
  MOE_TRY(new_routing(call, x->n, m->n_experts, &routing));
  MOE_TRY(moe_mixture_route(call, o, x, &routing));
  memset(out, 0, x->n * width * sizeof *out);
  for (size_t e = 0; e < m->n_experts; e++)
    MOE_TRY(add_expert(call, o, e, x, &routing, out));
  if (m->fitted.task == MOE_CLASSIFICATION) /* weights need not sum to 1 */
    moe_normalise(out, x->n, width);
  return MOE_OK;
}

moe_status moe__mixture_in_blocks(moe_call *call, const moe_object *o,
                                  const moe_rows *x, moe_block_teller *tell,
                                  double *out) {
  const moe_mixture *m = o->state;
  for (size_t first = 0; first < x->n; first += BLOCK) {
    size_t n = x->n - first < BLOCK ? x->n - first : BLOCK;
    moe_rows block = moe_rows_range(x, first, n);
    moe_scratch_mark mark = moe_scratch_now(call);
    MOE_TRY(tell(call, o, &block, out + first * m->fitted.n_outputs));
    moe_scratch_drop(call, mark);
    MOE_TRY(moe_call_check(call));
  }
  return MOE_OK;
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  if (is_streaming(o)) return moe_stream_predict(call, o, x, out);
  MOE_TRY(check_experts(call, o));
  return moe__mixture_in_blocks(call, o, x, predict_block, out);
}

/* -------------------------------------------------------------- single samples
 */

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  moe_rows row = moe_rows_of_doubles(x, 1, moe_learner_fitted(o)->n_features);
  return is_streaming(o) ? moe__stream_predict_one(call, o, x, out)
                         : predict(call, o, &row, out);
}

/* What was fitted to columns of strings as they were has no codes for them. */
static moe_status check_kinds(moe_call *call, const moe_object *o,
                              const moe_rows *x) {
  const moe_fitted *f = o->state;
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++)
    if (!f->intake.open && moe_rows_column(x, j)->numbers == NULL)
      return moe_fail(call, MOE_EDATA,
                      "mixture: fitted to a table, it cannot go on in a stream "
                      "that has columns of strings");
  return MOE_OK;
}

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  MOE_TRY(check_kinds(call, o, &batch->x));
  return moe_stream_learn(call, o, batch);
}

/* ---------------------------------------------------------------------- files
 */

/* It is an expert of a stream, and was taught nothing yet. */
static bool waits(const moe_object *o) {
  const moe_mixture *m = o->state;
  return !m->stream.open && m->n_experts == 0 && moe_learner_knows_nothing(o);
}

static bool is_sound(const moe_object *o) {
  const double bias_limit = 1e290; /* no finite logit is infinite with it */
  const moe_mixture_params *p = moe_mixture_params_of(o);
  const moe_mixture *m = o->state;
  if (waits(o)) return true;
  bool sound = p->gate != NULL && m->n_experts == p->experts.n;
  for (size_t e = 0; sound && e < m->n_experts; e++)
    sound = moe_learner_fitted(p->experts.items[e]) != NULL &&
            moe_learner_fitted(p->experts.items[e])->task == m->fitted.task &&
            isfinite(m->noise[e]) && m->noise[e] >= 0 &&
            moe_is_count(m->samples[e]) && m->sharpness[e] > 0 &&
            isfinite(m->sharpness[e]) && isfinite(m->load[e]) &&
            isfinite(m->importance[e]) && fabs(m->bias[e]) < bias_limit;
  return sound && moe__stream_is_sound(o);
}

static moe_status check(moe_call *call, const moe_object *o) {
  if (is_sound(o)) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "mixture: the experts are not those that it was fitted with");
}

/* In a file what is known of the experts is in their order and by their names.
 */
static bool can_be_saved(const moe_object *o) {
  const moe_mixture *m = o->state;
  return is_sound(o) && moe__stream_has_places(&m->stream) &&
         moe__stream_has_names(o);
}

/* What could not be loaded is not saved. */
static moe_status saving(moe_call *call, moe_object *o) {
  if (o->state == NULL || waits(o)) return MOE_OK;
  if (!is_streaming(o)) return check_experts(call, o);
  if (can_be_saved(o)) return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "mixture: an expert was reset, added, removed or moved since "
                  "the last sample; it can be saved once it has learned "
                  "another");
}

static moe_status rebuild(moe_call *call, moe_object *o) {
  if (waits(o)) return MOE_OK;
  moe_status status =
      is_streaming(o) ? moe__stream_rebuild(call, o)
                      : moe__mixture_map(
                            call, &moe_mixture_params_of(o)->experts, o->state);
  if (status == MOE_OK) return MOE_OK;
  return call->error.status == MOE_ENOMEM
             ? MOE_ENOMEM
             : moe_fail(call, MOE_EFORMAT,
                        "mixture: an expert predicts what the mixture does "
                        "not");
}

const moe_learner_type moe_mixture_of_experts = {
    .type = {.name = "mixture",
             .family = "learner",
             .doc = "Experts of any kinds behind a gate that learns, on "
                    "predictions they did not train on, whom to ask.",
             .params_size = sizeof(moe_mixture_params),
             .state_size = sizeof(moe_mixture),
             .params = params,
             .gauges = moe__mixture_gauges,
             .visit = visit,
             .check = check,
             .cloned = moe__stream_cloned,
             .replaced = moe__stream_replaced,
             .saving = saving,
             .rebuild = rebuild},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_SPARSE | MOE_TAKES_NOMINAL |
              MOE_ONLINE | MOE_DIFFERENTIABLE,
    .job_size = sizeof(moe_mixture_job),
    .begin = moe__mixture_begin,
    .step = moe__mixture_step,
    .commit = moe__mixture_commit,
    .publish = moe__mixture_publish,
    .end = moe__mixture_end,
    .learn = learn,
    .learn_one = moe__stream_learn_one,
    .take_one = moe__lines_take_one,
    .test_then_learn = moe__stream_test_then_learn,
    .predict_one = predict_one,
    .advance = moe__stream_advance,
    .context_window = moe__stream_window,
    .open = moe__stream_open,
    .add_class = moe__stream_add_class,
    .predict = predict,
    .log_likelihood = moe__mixture_log_likelihood,
    .variance = moe__mixture_variance,
    .n_weights = moe__mixture_n_weights,
    .get_weights = moe__mixture_get_weights,
    .set_weights = moe__mixture_set_weights,
    .differentiate = moe__mixture_differentiate};
