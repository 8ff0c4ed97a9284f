/* A linear gate: g(x) = softmax((W x + b) / temperature), fitted to the
   likelihood of the mixture (Jordan & Jacobs 1994,
   doi 10.1162/neco.1994.6.2.181): W and b are least in Σ_i w_i · −log Σ_e
   g_e(x_i) exp(v_ie) + l2/2 |W|² at temperature 1, with v_ie the log-likelihood
   that expert e gives to the target of row i.  L-BFGS, begun from nothing, ends
   nowhere less likely, on these rows, than the best constant weights; Adam, for
   data in large, goes by mini-batches to the neighbourhood of an optimum.
   Without an l2 L-BFGS finds one (gate_penalty.h).  Sample by sample it learns
   by the rule of gate_online.h, from nothing or from where a fit has left W and
   b. */
#include <math.h>
#include <string.h>

#include "gate_online.h"
#include "gate_penalty.h"
#include "neural_fit.h"
#include "vector.h"

typedef struct softmax_params {
  moe_gate_config gate;
  moe_gate_terms terms;
  moe_gate_rule online;
  double l2, tol, lr;
  int64_t max_iter, batch, epochs, seed;
  int solver;
} softmax_params;

typedef struct softmax_gate {
  moe_linear_gate linear;
  double calibration;
  double l2; /* the penalty of the fit */
} softmax_gate;

typedef struct softmax_work {
  bool by_adam;
  int stage;
  moe_softmax_fit fit;
  bool again; /* with the penalty that was chosen; until it is done, what the
                 state has stays */
  moe_penalty_search search;
  moe_neural line; /* by Adam: a network without a hidden layer */
  moe_neural_fit line_fit;
  moe_held_out held_out;
} softmax_work;

enum { START, FIT, SEARCH, FINISH };
enum { AUTO, LBFGS, ADAM };
static const char *const solvers[] = {"auto", "lbfgs", "adam", NULL};

extern const moe_learner_type moe_softmax_gate;

/* Products in one pass over the rows, up to which auto is lbfgs. */
static const double MANY = 1e8;

static const moe_param params[] = {
    MOE_P_GATE(softmax_params),
    MOE_P_GATE_TERMS(softmax_params),
    MOE_P_OPT_REAL(softmax_params, l2, 0, 1e300,
                   "strength of the penalty l2/2 |W|² on the log-likelihood; "
                   "absent: chosen by cross-validation among 30, 3 … 3e-5, "
                   "but 30 for fewer than 50 rows and by adam, and 0.01 in em"),
    {"standardize", MOE_FLAG, offsetof(softmax_params, online.standardize), 1,
     0, 1, 0, 0, 0,
     "whether the penalty is on the weights of columns with mean 0 and "
     "variance "
     "1, and online steps are those of such columns"},
    MOE_P_INT(softmax_params, max_iter, 200, 1, 0x1p53,
              "most iterations of fit"),
    MOE_P_ABOVE(softmax_params, tol, 1e-6, 0, 1,
                "fit ends where no derivative of the mean log-likelihood, by "
                "the weights of standardised columns, exceeds this"),
    MOE_P_CHOICE(softmax_params, solver, AUTO, solvers,
                 "lbfgs goes by all rows to the optimum, adam by mini-batches "
                 "to its neighbourhood; auto: adam where rows × entries of a "
                 "row × experts exceed 1e8"),
    MOE_P_ABOVE(softmax_params, lr, 0.01, 0, 1,
                "adam: its step, which falls to 0 along half a cosine"),
    MOE_P_INT(softmax_params, batch, 256, 1, 1 << 20,
              "adam: rows of a mini-batch"),
    MOE_P_INT(softmax_params, epochs, 20, 1, 1e9, "adam: passes over the rows"),
    MOE_P_GATE_RULE(softmax_params),
    MOE_P_SEED(softmax_params),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  softmax_gate *g = state;
  MOE_TRY(moe_affine_visit(&g->linear.affine, v));
  MOE_TRY(moe_visit_scalar(v, "calibration", MOE_F64, &g->calibration));
  MOE_TRY(moe_visit_scalar(v, "l2", MOE_F64, &g->l2));
  MOE_TRY(
      moe_gate_stream_visit(&g->linear.stream, &g->linear.affine.fitted, v));
  return moe_visit_array(v, "centre", MOE_F64, &g->linear.centre,
                         g->linear.affine.fitted.n_features);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const softmax_gate *g = o->state;
  for (size_t j = 0; j < g->linear.affine.fitted.n_features; j++)
    if (!isfinite(g->linear.centre[j]))
      return moe_fail(call, MOE_EFORMAT, "softmax: centre %zu is not finite",
                      j + 1);
  if (!(g->l2 >= 0 && isfinite(g->l2)))
    return moe_fail(call, MOE_EFORMAT, "softmax: its l2 is %g", g->l2);
  if (!moe_gate_stream_is_sound(&g->linear.stream, &g->linear.affine.fitted))
    return moe_fail(call, MOE_EFORMAT,
                    "softmax: what it learned online is not usable");
  MOE_TRY(moe_gate_check(call, o, g->calibration));
  return moe_affine_check(call, o);
}

static bool is_for_adam(const softmax_params *p, const moe_batch *b) {
  double entries = (double)b->x.n * (double)b->x.d;
  if (b->x.source == MOE_FROM_CSR)
    entries = (double)b->x.csr->start[b->x.csr->rows] *
              ((double)b->x.n / (double)b->x.csr->rows);
  if (p->solver != AUTO) return p->solver == ADAM;
  return entries * (double)b->y->width > MANY;
}

/* What is given, or what was chosen before, or the strongest; but a slight one
   where the experts' scores are of rows that they learned from, by which no
   penalty can be judged. */
static double first_penalty(const moe_job *job) {
  const softmax_params *p = job->object->params;
  const softmax_gate *before = job->object->state;
  if (!isnan(p->l2)) return p->l2;
  if (job->batch.y->seen) return MOE_SLIGHT_PENALTY;
  return job->warm && before->l2 > 0 ? before->l2 : MOE_GATE_PENALTY;
}

static moe_status begin_lbfgs(moe_call *call, moe_job *job) {
  const softmax_params *p = job->object->params;
  softmax_gate *g = job->state;
  softmax_work *work = job->work;
  g->l2 = first_penalty(job);
  moe_softmax_plan plan = {.batch = &job->batch,
                           .outputs = g->linear.affine.fitted.n_outputs,
                           .l2 = g->l2,
                           .standardize = p->online.standardize,
                           .intercept = true,
                           .max_iter = p->max_iter,
                           .tol = p->tol,
                           .terms = p->terms};
  work->stage = FIT;
  MOE_TRY(moe_softmax_fit_begin(call, &plan, &work->fit));
  if (job->warm) work->fit.start = job->object->state;
  return MOE_OK;
}

static moe_status begin_adam(moe_call *call, moe_job *job) {
  const softmax_params *p = job->object->params;
  softmax_gate *g = job->state;
  softmax_work *work = job->work;
  g->l2 = isnan(p->l2) ? MOE_GATE_PENALTY : p->l2;
  moe_neural_plan plan = {
      .rule = {.standardize = true,
               .seed = p->seed == MOE_NO_INT ? 0 : (uint64_t)p->seed,
               .lr = p->lr,
               .loss = moe_gate_loss(job->batch.y, &p->terms)},
      .l2 = g->l2,
      .standardize = p->online.standardize,
      .cosine = true,
      .batch = p->batch,
      .epochs = p->epochs};
  work->line.fitted =
      (moe_fitted){.task = g->linear.affine.fitted.task,
                   .n_features = g->linear.affine.fitted.n_features,
                   .n_outputs = g->linear.affine.fitted.n_outputs};
  return moe_neural_fit_begin(call, &plan, &work->line, &job->batch,
                              &work->line_fit);
}

static moe_status begin(moe_call *call, moe_job *job) {
  const softmax_params *p = job->object->params;
  softmax_gate *g = job->state;
  softmax_work *work = job->work;
  g->calibration = 1;
  work->by_adam = is_for_adam(p, &job->batch);
  MOE_TRY(moe_gate_hold_out(call, job, &p->gate, &work->held_out));
  MOE_TRY(moe_affine_prepare(call, &g->linear.affine));
  MOE_TRY(moe_new_array(call, &g->linear.centre,
                        g->linear.affine.fitted.n_features,
                        sizeof *g->linear.centre));
  return work->by_adam ? begin_adam(call, job) : MOE_OK;
}

/* The network in terms of x. */
static void export_line(const moe_neural *line, softmax_gate *g) {
  size_t d = line->fitted.n_features, m = line->fitted.n_outputs;
  const float *bias = line->weights + d * m;
  for (size_t c = 0; c < m; c++) {
    g->linear.affine.bias[c] = (double)bias[c];
    for (size_t j = 0; j < d; j++) {
      double factor = line->n_inputs > 0 ? line->factor[j] : 1;
      double w = factor * (double)line->weights[j * m + c];
      g->linear.affine.weights[c * d + j] = w;
      if (line->n_inputs > 0) g->linear.affine.bias[c] -= w * line->centre[j];
    }
  }
  if (line->n_inputs > 0)
    memcpy(g->linear.centre, line->centre, d * sizeof *g->linear.centre);
}

static void export_fit(const softmax_work *work, softmax_gate *g) {
  moe_softmax_fit_export(&work->fit, &g->linear.affine);
  moe_softmax_fit_centre(&work->fit, g->linear.centre);
  g->l2 = work->fit.plan.l2;
}

static void export(moe_job *job) {
  softmax_gate *g = job->state;
  softmax_work *work = job->work;
  if (work->again && !work->fit.done) return;
  if (work->by_adam) {
    export_line(&work->line, g);
  } else {
    export_fit(work, g);
  }
}

static moe_status calibrate(moe_call *call, const moe_held_out *h,
                            softmax_gate *g) {
  moe_scratch_mark mark = moe_scratch_now(call);
  double *z;
  MOE_SCRATCH(call, z,
              moe_size(h->batch.x.n, g->linear.affine.fitted.n_outputs));
  MOE_TRY(moe_affine_apply(call, &g->linear.affine, &h->batch.x,
                           g->linear.centre, z));
  MOE_TRY(moe_gate_calibrate(call, h, z, &g->calibration));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* Where the penalty is to be chosen there is a fit to all rows before, so that
   there soon is a gate.  Who goes on keeps what was chosen. */
static moe_status end_fit(moe_call *call, moe_job *job) {
  const softmax_params *p = job->object->params;
  softmax_work *work = job->work;
  bool chooses = isnan(p->l2) && !job->warm && !job->batch.y->seen;
  work->stage = chooses ? SEARCH : FINISH;
  if (!chooses) return MOE_OK;
  return moe_penalty_search_begin(call, &work->fit.plan, &work->search);
}

static void end_search(moe_job *job) {
  softmax_gate *g = job->state;
  softmax_work *work = job->work;
  moe_job_note(job, "the gate's penalty is l2 = %.3g", work->search.l2);
  work->stage = FINISH;
  work->again = work->search.l2 != g->l2;
  if (!work->again) return;
  export_fit(work, g);
  moe_softmax_fit_penalize(&work->fit, work->search.l2);
}

static moe_status advance(moe_call *call, moe_job *job) {
  softmax_work *work = job->work;
  if (work->stage == START) return begin_lbfgs(call, job);
  if (work->stage == SEARCH) {
    MOE_TRY(moe_penalty_search_run(call, &work->search));
    if (work->search.done) end_search(job);
    return MOE_OK;
  }
  MOE_TRY(moe_softmax_fit_run(call, &work->fit));
  job->usable = work->fit.usable;
  if (!work->fit.done) return MOE_OK;
  if (work->stage == FIT) return end_fit(call, job);
  moe_softmax_fit_tell(&work->fit, job);
  job->done = true;
  return MOE_OK;
}

static moe_status descend(moe_call *call, moe_job *job) {
  while (!job->done) {
    MOE_TRY(advance(call, job));
    if (moe_call_pausing(call)) break;
  }
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  softmax_work *work = job->work;
  if (job->warm) work->line_fit.line = job->object->state;
  MOE_TRY(work->by_adam ? moe_neural_fit_step(call, &work->line_fit, job)
                        : descend(call, job));
  if (!job->done) return MOE_OK;
  export(job);
  return calibrate(call, &work->held_out, job->state);
}

static void end(moe_job *job) {
  softmax_work *work = job->work;
  moe_softmax_fit_end(&work->fit);
  moe_penalty_search_end(&work->search);
  moe_neural_fit_end(&work->line_fit);
  moe_neural_free(&work->line);
  moe_held_out_free(&work->held_out);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const softmax_params *p = o->params;
  const softmax_gate *g = o->state;
  MOE_TRY(moe_affine_apply(call, &g->linear.affine, x, g->linear.centre, out));
  moe_gate_answer(&p->gate, g->calibration, out, x->n,
                  g->linear.affine.fitted.n_outputs);
  moe_gate_stream_answer(&g->linear.stream, out, x->n,
                         g->linear.affine.fitted.n_outputs);
  return MOE_OK;
}

/* ------------------------------------------------------------ single samples
 */

/* Of z, before the softmax. */
static double factor_of(const moe_object *o) {
  const softmax_params *p = o->params;
  const softmax_gate *g = o->state;
  return p->gate.temperature == 1 && g->calibration == 1
             ? 1
             : 1 / p->gate.temperature / g->calibration;
}

static const moe_gate_rule *rule_of(const moe_object *o) {
  return &((const softmax_params *)o->params)->online;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const softmax_gate *g = o->state;
  return moe_gate_answer_one(call, &g->linear, factor_of(o), x, out, out);
}

/* A lesson begins with softmax(z), which is not the answer where there is a
   prior. */
static moe_status consider_one(moe_call *call, moe_object *o, const double *x,
                               double *out) {
  softmax_gate *g = o->state;
  moe_gate_stream *s = &g->linear.stream;
  double factor = factor_of(o);
  bool keeps = s->prior != NULL && s->desk != NULL && factor == 1;
  s->considered = keeps ? x : NULL;
  return moe_gate_answer_one(call, &g->linear, factor, x, keeps ? s->desk : out,
                             out);
}

static MOE_RARE moe_status take_logarithms(moe_call *call, const moe_object *o,
                                           const double *x, double *out) {
  size_t m = moe_learner_fitted(o)->n_outputs;
  MOE_TRY(predict_one(call, o, x, out));
  for (size_t e = 0; e < m; e++) out[e] = log(fmax(out[e], 1e-300));
  return MOE_OK;
}

static moe_status logits_one(moe_call *call, const moe_object *o,
                             const double *x, double *out) {
  const softmax_gate *g = o->state;
  return g->linear.stream.prior == NULL
             ? moe_gate_logits(call, &g->linear, factor_of(o), x, out)
             : take_logarithms(call, o, x, out);
}

static moe_status open_stream(moe_call *call, moe_object *o) {
  softmax_gate *g = o->state;
  if (!(g->calibration > 0)) g->calibration = 1;
  return moe_gate_stream_open(call, &g->linear, rule_of(o));
}

/* softmax(z) of a sample that was asked about; the answer of a mixture that
   adds to the logits is taken for it. */
static const double *softmax_of(const moe_object *o, const moe_example *s) {
  const moe_gate_stream *stream =
      &((const softmax_gate *)o->state)->linear.stream;
  if (stream->prior == NULL) return factor_of(o) == 1 ? s->answer : NULL;
  return s->considered && stream->considered == s->x ? stream->desk : NULL;
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  softmax_gate *g = o->state;
  return moe_gate_learn_one(call, &g->linear, rule_of(o), s, softmax_of(o, s));
}

static const double *moved(const moe_object *o) {
  const softmax_gate *g = o->state;
  return factor_of(o) == 1 ? g->linear.stream.moved : NULL;
}

moe_linear_gate *moe_softmax_gate_lay_open(moe_object *o,
                                           const moe_gate_rule **rule) {
  softmax_gate *g = o->state;
  if (o->type != &moe_softmax_gate.type || factor_of(o) != 1) return NULL;
  *rule = rule_of(o);
  return &g->linear;
}

static moe_status add_expert(moe_call *call, moe_object *o, size_t position) {
  softmax_gate *g = o->state;
  return moe_gate_stream_insert(call, &g->linear, rule_of(o), position);
}

static void remove_expert(moe_object *o, size_t position) {
  softmax_gate *g = o->state;
  moe_gate_stream_remove(&g->linear, position);
}

static moe_status contribute(moe_call *call, const moe_object *o,
                             const moe_rows *x, double *out) {
  const softmax_gate *g = o->state;
  return moe_affine_attribute(call, &g->linear.affine, x, g->linear.centre,
                              factor_of(o), out);
}

static moe_status differentiate(moe_call *call, const moe_object *o,
                                const moe_batch *batch, double *loss,
                                double *gradient) {
  const softmax_params *p = o->params;
  const softmax_gate *g = o->state;
  const moe_loss gating = moe_gate_loss(batch->y, &p->terms);
  return moe_affine_differentiate(call, &g->linear.affine, batch,
                                  g->linear.centre, true, &gating, loss,
                                  gradient);
}

static moe_status read_l2(moe_call *call, const moe_object *o, moe_value *out) {
  const softmax_gate *g = o->state;
  (void)call;
  *out = moe_number_value(g->l2);
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    {"l2", "the penalty of the fit, given or chosen", read_l2},
    MOE_AFFINE_GAUGES{0}};

const moe_learner_type moe_softmax_gate = {
    .type = {.name = "softmax",
             .family = "gate",
             .doc = "Linear logits and a softmax, fitted to the likelihood of "
                    "the mixture.",
             .params_size = sizeof(softmax_params),
             .state_size = sizeof(softmax_gate),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check},
    .traits = MOE_GATES | MOE_TAKES_SPARSE | MOE_TAKES_MISSING | MOE_ONLINE |
              MOE_DIFFERENTIABLE,
    .job_size = sizeof(softmax_work),
    .begin = begin,
    .step = step,
    .commit = export,
    .end = end,
    .learn = moe_stream_learn,
    .predict_one = predict_one,
    .consider_one = consider_one,
    .learn_one = learn_one,
    .logits_one = logits_one,
    .moved = moved,
    .open = open_stream,
    .add_class = add_expert,
    .remove_class = remove_expert,
    .predict = predict,
    .contribute = contribute,
    .n_weights = moe_affine_n_weights,
    .get_weights = moe_affine_get_weights,
    .set_weights = moe_affine_set_weights,
    .differentiate = differentiate};
