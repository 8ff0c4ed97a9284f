/* A linear gate: g(x) = softmax((W x + b) / temperature), fitted to the
   likelihood of the mixture (Jordan & Jacobs 1994,
   doi 10.1162/neco.1994.6.2.181): W and b are least in Σ_i w_i · −log Σ_e
   g_e(x_i) exp(v_ie) + l2/2 |W|² at temperature 1, with v_ie the log-likelihood
   that expert e gives to the target of row i.  Never less likely, on these
   rows, than the best constant weights. */
#include <math.h>

#include "softmax_regression.h"
#include "vector.h"

typedef struct softmax_params {
  double temperature, l2, tol;
  int64_t max_iter;
  bool standardize;
} softmax_params;

typedef struct softmax_gate {
  moe_affine affine;
  double *centre; /* n_features: what a missing value counts as */
} softmax_gate;

static const moe_param params[] = {
    MOE_P_ABOVE(softmax_params, temperature, 1, 0, 1e300,
                "divides the logits: below 1 the gate is more decided, above "
                "less"),
    MOE_P_REAL(softmax_params, l2, 30, 0, 1e300,
               "strength of the penalty l2/2 |W|² on the log-likelihood"),
    MOE_P_FLAG(softmax_params, standardize, true,
               "whether the penalty is on the weights of columns with mean 0 "
               "and variance 1"),
    MOE_P_INT(softmax_params, max_iter, 200, 1, 0x1p53,
              "most iterations of fit"),
    MOE_P_ABOVE(softmax_params, tol, 1e-6, 0, 1,
                "fit ends where no derivative of the mean log-likelihood, by "
                "the weights of standardised columns, exceeds this"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  softmax_gate *g = state;
  MOE_TRY(moe_affine_visit(&g->affine, v));
  return moe_visit_array(v, "centre", MOE_F64, &g->centre,
                         g->affine.fitted.n_features);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const softmax_gate *g = o->state;
  for (size_t j = 0; j < g->affine.fitted.n_features; j++)
    if (!(g->centre[j] - g->centre[j] == 0))
      return moe_fail(call, MOE_EFORMAT, "softmax: centre %zu is not finite",
                      j + 1);
  return moe_affine_check(call, o);
}

static moe_status begin(moe_call *call, moe_job *job) {
  const softmax_params *p = job->object->params;
  softmax_gate *g = job->state;
  moe_softmax_plan plan = {.batch = &job->batch,
                           .outputs = g->affine.fitted.n_outputs,
                           .l2 = p->l2,
                           .standardize = p->standardize,
                           .intercept = true,
                           .max_iter = p->max_iter,
                           .tol = p->tol};
  MOE_TRY(moe_affine_prepare(call, &g->affine));
  MOE_TRY(moe_new_array(call, &g->centre, g->affine.fitted.n_features,
                        sizeof *g->centre));
  return moe_softmax_fit_begin(call, &plan, job->work);
}

static void export(moe_job *job) {
  softmax_gate *g = job->state;
  moe_softmax_fit_export(job->work, &g->affine);
  moe_softmax_fit_centre(job->work, g->centre);
}

static moe_status step(moe_call *call, moe_job *job) {
  MOE_TRY(moe_softmax_fit_step(call, job->work, job));
  if (job->done) export(job);
  return MOE_OK;
}

static void end(moe_job *job) { moe_softmax_fit_end(job->work); }

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const softmax_params *p = o->params;
  const softmax_gate *g = o->state;
  size_t experts = g->affine.fitted.n_outputs;
  MOE_TRY(moe_affine_apply(call, &g->affine, x, g->centre, out));
  moe_scale(1 / p->temperature, out, x->n * experts);
  moe_softmax(out, x->n, experts);
  return MOE_OK;
}

static const moe_gauge gauges[] = {MOE_AFFINE_GAUGES{0}};

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
    .traits = MOE_GATES | MOE_TAKES_SPARSE | MOE_TAKES_MISSING,
    .job_size = sizeof(moe_softmax_fit),
    .begin = begin,
    .step = step,
    .commit = export,
    .end = end,
    .predict = predict};
