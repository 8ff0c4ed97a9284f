/* A gate with hidden layers: g(x) = softmax(z(x) / temperature), z a network
   trained by Adam on mini-batches to the objective of all gates, or row by row
   on a stream. */
#include <math.h>
#include <string.h>

#include "gate.h"
#include "neural_fit.h"
#include "vector.h"

typedef struct mlp_gate_params {
  moe_gate_config gate;
  moe_gate_terms terms;
  moe_neural_config network;
} mlp_gate_params;

typedef struct mlp_gate {
  moe_neural neural;
  double calibration;
} mlp_gate;

typedef struct mlp_gate_work {
  moe_neural_fit fit;
  moe_held_out held_out;
} mlp_gate_work;

static const moe_param params[] = {MOE_P_GATE(mlp_gate_params),
                                   MOE_P_GATE_TERMS(mlp_gate_params),
                                   MOE_P_NEURAL(mlp_gate_params),
                                   {0}};

static moe_status visit(void *state, moe_visitor *v) {
  mlp_gate *g = state;
  MOE_TRY(moe_neural_visit(&g->neural, v));
  return moe_visit_scalar(v, "calibration", MOE_F64, &g->calibration);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const mlp_gate *g = o->state;
  MOE_TRY(moe_gate_check(call, o, g->calibration));
  return moe_neural_check(call, o);
}

static moe_status begin(moe_call *call, moe_job *job) {
  const mlp_gate_params *p = job->object->params;
  mlp_gate *g = job->state;
  mlp_gate_work *work = job->work;
  moe_neural_plan plan =
      moe_neural_plan_of(&p->network, moe_gate_loss(job->batch.y, &p->terms));
  g->calibration = 1;
  MOE_TRY(moe_gate_hold_out(call, job, &p->gate, &work->held_out));
  return moe_neural_fit_begin(call, &plan, &g->neural, &job->batch, &work->fit);
}

static void commit(moe_job *job) {
  mlp_gate_work *work = job->work;
  moe_neural_fit_export(&work->fit);
}

static moe_status calibrate(moe_call *call, const moe_held_out *h,
                            mlp_gate *g) {
  moe_scratch_mark mark = moe_scratch_now(call);
  double *z;
  MOE_SCRATCH(call, z, moe_size(h->batch.x.n, g->neural.fitted.n_outputs));
  MOE_TRY(moe_neural_apply(call, &g->neural, &h->batch.x, z));
  MOE_TRY(moe_gate_calibrate(call, h, z, &g->calibration));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  mlp_gate_work *work = job->work;
  if (job->warm) work->fit.start = job->object->state;
  MOE_TRY(moe_neural_fit_step(call, &work->fit, job));
  return job->done ? calibrate(call, &work->held_out, job->state) : MOE_OK;
}

static void end(moe_job *job) {
  mlp_gate_work *work = job->work;
  moe_neural_fit_end(&work->fit);
  moe_held_out_free(&work->held_out);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const mlp_gate_params *p = o->params;
  const mlp_gate *g = o->state;
  MOE_TRY(moe_neural_apply(call, &g->neural, x, out));
  moe_gate_answer(&p->gate, g->calibration, out, x->n,
                  g->neural.fitted.n_outputs);
  return MOE_OK;
}

/* ------------------------------------------------------------ row by row */

/* Experts that were not asked count as if they had been as likely as those
   asked were together, to the gate: then the slope of their logits is 0. */
static void fill_scores(const double *p, size_t m, double *y) {
  double most = -INFINITY, asked = 0, joint = 0;
  for (size_t e = 0; e < m; e++)
    if (y[e] > most) most = y[e];
  for (size_t e = 0; e < m; e++) {
    if (y[e] != y[e]) continue;
    asked += p[e];
    joint += y[e] == most ? p[e] : p[e] * exp(y[e] - most);
  }
  double level = joint > 0 ? most + log(joint / asked) : 0;
  for (size_t e = 0; e < m; e++)
    if (y[e] != y[e] || !(joint > 0)) y[e] = level;
}

static bool has_hole(const double *y, size_t m) {
  for (size_t e = 0; e < m; e++)
    if (y[e] != y[e]) return true;
  return false;
}

/* A row with scores in `y`, the target of its own.  One row has no balance. */
static moe_status learn_row(moe_call *call, moe_object *o, const moe_batch *row,
                            double *y) {
  const mlp_gate_params *p = o->params;
  mlp_gate *g = o->state;
  size_t m = g->neural.fitted.n_outputs;
  const moe_gate_terms terms = {0, p->terms.entropy};
  moe_neural_plan plan =
      moe_neural_plan_of(&p->network, moe_gate_loss(row->y, &terms));
  double *answer;
  if (has_hole(y, m)) {
    MOE_SCRATCH(call, answer, m);
    if (g->neural.weights != NULL)
      MOE_TRY(moe_neural_apply(call, &g->neural, &row->x, answer));
    moe_softmax(answer, 1, m);
    fill_scores(answer, m, y);
  }
  return moe_neural_learn(call, &g->neural, &plan.rule, row);
}

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  mlp_gate *g = o->state;
  size_t m = g->neural.fitted.n_outputs;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *y, *x;
  MOE_SCRATCH(call, y, m);
  MOE_SCRATCH(call, x, batch->x.d);
  if (!(g->calibration > 0)) g->calibration = 1;
  moe_scratch_mark used = moe_scratch_now(call);
  for (size_t i = 0; i < batch->x.n; i++) {
    const moe_target target = {
        .task = MOE_GATING, .n = 1, .values = y, .width = m};
    double weight = moe_batch_weight(batch, i);
    const moe_batch row = {.x = moe_rows_of_doubles(x, 1, batch->x.d),
                           .y = &target,
                           .weight = &weight};
    memcpy(y, batch->y->values + moe_rows_at(&batch->x, i) * m, m * sizeof *y);
    moe_rows_doubles(&batch->x, i, 1, x);
    MOE_TRY(learn_row(call, o, &row, y));
    moe_scratch_drop(call, used);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status differentiate(moe_call *call, const moe_object *o,
                                const moe_batch *batch, double *loss,
                                double *gradient) {
  const mlp_gate_params *p = o->params;
  const moe_loss gating = moe_gate_loss(batch->y, &p->terms);
  return moe_neural_differentiate(call, o->state, batch, &gating, loss,
                                  gradient);
}

const moe_learner_type moe_mlp_gate = {
    .type = {.name = "mlp",
             .family = "gate",
             .doc = "A network with hidden layers and a softmax, trained by "
                    "Adam to the likelihood of the mixture.",
             .params_size = sizeof(mlp_gate_params),
             .state_size = sizeof(mlp_gate),
             .params = params,
             .visit = visit,
             .check = check,
             .rebuild = moe_neural_rebuild},
    .traits = MOE_GATES | MOE_TAKES_SPARSE | MOE_TAKES_MISSING | MOE_ONLINE |
              MOE_DIFFERENTIABLE,
    .job_size = sizeof(mlp_gate_work),
    .begin = begin,
    .step = step,
    .commit = commit,
    .end = end,
    .learn = learn,
    .predict = predict,
    .n_weights = moe_neural_n_weights,
    .get_weights = moe_neural_get_weights,
    .set_weights = moe_neural_set_weights,
    .differentiate = differentiate};
