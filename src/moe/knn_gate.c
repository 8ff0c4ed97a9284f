/* Dynamic selection: how the experts did on the k nearest of the rows that the
   gate was fitted on, which none of them had trained on, decides who answers.
   With r_ie the log-likelihood that expert e gives to the target of neighbour
   i, less the best expert's there, and w_i the neighbour's weight:
     likelihood  g_e ∝ exp(sharpness · Σ_i w_i r_ie / Σ_i w_i);
     union       g_e ∝ Σ_i w_i [e is right in i] (KNORA-U);
     eliminate   even among those who are right in all of the k, or else in as
                 many of the nearest as somebody is (KNORA-E)
   (Ko, Sabourin & Britto 2008, doi 10.1016/j.patcog.2007.10.015; the share of
   right answers nearby is Woods, Kegelmeyer & Bowyer's local accuracy, 1997,
   doi 10.1109/34.588027).  An expert is right where the target is at least half
   as likely to it as to the best: so a row that all get wrong accuses nobody.
   Overall local accuracy (OLA) is `union` in a mixture whose top_k is 1.  Not
   here: what asks for an expert's answer to the row in hand (LCA, MCB), for a
   gate sees rows, not answers; and a model of competence (META-DES), of which
   the classifier gate, taught who is best where, is the plain form. */
#include <math.h>

#include "gate.h"
#include "gate_score.h"
#include "neighbours.h"

enum { LIKELIHOOD, UNION, ELIMINATE };
static const char *const methods[] = {"likelihood", "union", "eliminate", NULL};

enum { BLOCK = 1024 /* rows answered at a time */ };
static const double FARTHEST = 20;    /* of r below 0 */
static const double RIGHT = -0.69315; /* log ½, and room for rounding */

typedef struct knn_gate_params {
  moe_gate_config gate;
  int method;
  int64_t k;
  double sharpness;
  bool standardize;
} knn_gate_params;

typedef struct knn_gate {
  moe_fitted fitted;
  double calibration;
  moe_neighbours rows;
  float *score;   /* rows.slots × experts: r */
  double *weight; /* rows.slots */
} knn_gate;

typedef struct knn_gate_work {
  moe_held_out held_out;
} knn_gate_work;

static const moe_param params[] = {
    MOE_P_INT(knn_gate_params, k, 30, 1, INT32_MAX,
              "how many neighbours are asked; all rows if there are fewer"),
    MOE_P_CHOICE(knn_gate_params, method, LIKELIHOOD, methods,
                 "what they say: how likely the experts held their targets; "
                 "how many targets each had right; or who had all right"),
    MOE_P_ABOVE(knn_gate_params, sharpness, 16, 0, 1e300,
                "how decided the method likelihood is"),
    MOE_P_FLAG(knn_gate_params, standardize, true,
               "whether differences are divided by the column's deviation"),
    MOE_P_GATE(knn_gate_params),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  knn_gate *g = state;
  MOE_TRY(moe_fitted_visit(&g->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "calibration", MOE_F64, &g->calibration));
  MOE_TRY(moe_neighbours_visit(&g->rows, v));
  size_t slots = g->rows.slots, n = moe_size(slots, g->fitted.n_outputs);
  MOE_TRY(moe_visit_array(v, "weight", MOE_F64, &g->weight, slots));
  return moe_visit_array(v, "score", MOE_F32, &g->score, n);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const knn_gate *g = o->state;
  size_t n = g->rows.n, m = g->fitted.n_outputs;
  bool sound = moe_neighbours_sound(&g->rows, g->fitted.n_features) &&
               (g->rows.slots == 0 || (g->weight != NULL && g->score != NULL));
  for (size_t i = 0; sound && i < n; i++)
    sound = g->weight[i] > 0 && isfinite(g->weight[i]);
  for (size_t k = 0; sound && k < n * m; k++)
    sound = g->score[k] <= 0 && isfinite(g->score[k]);
  if (!sound)
    return moe_fail(call, MOE_EFORMAT, "knn: its rows are not usable");
  return moe_gate_check(call, o, g->calibration);
}

static moe_status rebuild(moe_call *call, moe_object *o) {
  knn_gate *g = o->state;
  return moe_neighbours_build(call, &g->rows, NULL);
}

/* ------------------------------------------------------------------ answers */

/* A row's k neighbours, nearest first. */
typedef struct jury {
  const knn_gate *gate;
  const int32_t *nearest;
  size_t k;
  double heaviest;
} jury;

static double score_of(const jury *q, size_t i, size_t e) {
  size_t m = q->gate->fitted.n_outputs;
  return (double)q->gate->score[(size_t)q->nearest[i] * m + e];
}

/* At most 1, so that no sum of them is infinite. */
static double weight_of(const jury *q, size_t i) {
  return q->gate->weight[q->nearest[i]] / q->heaviest;
}

static void weigh_likelihood(const jury *q, double sharpness, double *z) {
  size_t m = q->gate->fitted.n_outputs;
  double sum = 0;
  for (size_t i = 0; i < q->k; i++) sum += weight_of(q, i);
  for (size_t e = 0; e < m; e++) {
    z[e] = 0;
    for (size_t i = 0; i < q->k; i++)
      z[e] += weight_of(q, i) / sum * score_of(q, i, e);
    z[e] *= sharpness;
  }
}

static void unite(const jury *q, double *z) {
  for (size_t e = 0; e < q->gate->fitted.n_outputs; e++) {
    double sum = 0;
    for (size_t i = 0; i < q->k; i++)
      sum += score_of(q, i, e) >= RIGHT ? weight_of(q, i) : 0;
    z[e] = log(sum);
  }
}

/* Of how many of the nearest an expert gets every one right. */
static size_t count_right(const jury *q, size_t e) {
  size_t n = 0;
  while (n < q->k && score_of(q, n, e) >= RIGHT) n++;
  return n;
}

static void eliminate(const jury *q, double *z) {
  size_t m = q->gate->fitted.n_outputs, most = 0;
  for (size_t e = 0; e < m; e++) {
    size_t n = count_right(q, e);
    most = n > most ? n : most;
  }
  for (size_t e = 0; e < m; e++)
    z[e] = count_right(q, e) == most ? 0 : -INFINITY;
}

static void decide(const knn_gate_params *p, jury *q, double *z) {
  q->heaviest = 0;
  for (size_t i = 0; i < q->k; i++)
    q->heaviest = fmax(q->heaviest, q->gate->weight[q->nearest[i]]);
  switch (p->method) {
    case UNION: unite(q, z); return;
    case ELIMINATE: eliminate(q, z); return;
    default: weigh_likelihood(q, p->sharpness, z);
  }
}

static moe_status answer(moe_call *call, const knn_gate_params *p,
                         const knn_gate *g, const moe_rows *x, double *z) {
  size_t k = (size_t)p->k < g->rows.n ? (size_t)p->k : g->rows.n;
  int32_t *nearest;
  double *distance;
  MOE_SCRATCH(call, nearest, moe_size(x->n, k));
  MOE_SCRATCH(call, distance, moe_size(x->n, k));
  MOE_TRY(moe_neighbours_find(call, &g->rows, x, k, nearest, distance));
  for (size_t i = 0; i < x->n; i++) {
    jury q = {.gate = g, .nearest = nearest + i * k, .k = k};
    decide(p, &q, z + i * g->fitted.n_outputs);
  }
  return MOE_OK;
}

/* Logits; all 0 where no row was kept. */
static moe_status find_logits(moe_call *call, const knn_gate_params *p,
                              const knn_gate *g, const moe_rows *x, double *z) {
  size_t m = g->fitted.n_outputs;
  for (size_t k = 0; k < x->n * m; k++) z[k] = 0;
  for (size_t first = 0; g->rows.n > 0 && first < x->n; first += BLOCK) {
    size_t n = x->n - first < BLOCK ? x->n - first : BLOCK;
    moe_scratch_mark mark = moe_scratch_now(call);
    moe_rows block = moe_rows_range(x, first, n);
    MOE_TRY(answer(call, p, g, &block, z + first * m));
    moe_scratch_drop(call, mark);
  }
  return MOE_OK;
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const knn_gate_params *p = o->params;
  const knn_gate *g = o->state;
  MOE_TRY(find_logits(call, p, g, x, out));
  moe_gate_answer(&p->gate, g->calibration, out, x->n, g->fitted.n_outputs);
  return MOE_OK;
}

/* ------------------------------------------------------------------ fitting */

/* Keeps the rows of the batch that say something: how the experts compare
   there, in the order of `pick`. */
static moe_status keep_scores(moe_call *call, const moe_batch *b, knn_gate *g,
                              int32_t *pick, size_t *n) {
  size_t m = g->fitted.n_outputs;
  double precision = moe_gate_precision(b), *row;
  MOE_SCRATCH(call, row, m);
  for (size_t i = 0; i < b->x.n; i++) {
    double weight = moe_batch_weight(b, i);
    if (weight == 0 || !isfinite(moe_gate_compare(b, precision, i, row)))
      continue;
    g->weight[*n] = weight;
    for (size_t e = 0; e < m; e++)
      g->score[*n * m + e] = (float)fmax(row[e], -FARTHEST);
    pick[(*n)++] = (int32_t)i;
  }
  return MOE_OK;
}

static moe_status keep_rows(moe_call *call, const moe_batch *b, knn_gate *g) {
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t n = 0;
  int32_t *pick;
  moe_rows kept;
  MOE_SCRATCH(call, pick, b->x.n);
  MOE_TRY(moe_new_array(call, &g->weight, b->x.n, sizeof *g->weight));
  MOE_TRY(moe_new_array(call, &g->score, moe_size(b->x.n, g->fitted.n_outputs),
                        sizeof *g->score));
  MOE_TRY(keep_scores(call, b, g, pick, &n));
  MOE_TRY(moe_rows_select(call, &b->x, pick, n, &kept));
  MOE_TRY(moe_neighbours_reserve(call, &g->rows, kept.n, kept.d));
  MOE_TRY(moe_neighbours_fill(call, &g->rows, &kept, 0));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status begin(moe_call *call, moe_job *job) {
  const knn_gate_params *p = job->object->params;
  knn_gate *g = job->state;
  knn_gate_work *w = job->work;
  g->calibration = 1;
  g->rows.standardize = p->standardize;
  MOE_TRY(moe_gate_hold_out(call, job, &p->gate, &w->held_out));
  return keep_rows(call, &job->batch, g);
}

static moe_status calibrate(moe_call *call, moe_job *job) {
  knn_gate *g = job->state;
  const knn_gate_work *w = job->work;
  const moe_held_out *h = &w->held_out;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *z;
  if (h->batch.x.n == 0) return MOE_OK;
  MOE_SCRATCH(call, z, moe_size(h->batch.x.n, g->fitted.n_outputs));
  MOE_TRY(find_logits(call, job->object->params, g, &h->batch.x, z));
  MOE_TRY(moe_gate_calibrate(call, h, z, &g->calibration));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_job *job) {
  knn_gate *g = job->state;
  MOE_TRY(moe_neighbours_build(call, &g->rows, &job->done));
  return job->done ? calibrate(call, job) : MOE_OK;
}

static void end(moe_job *job) {
  knn_gate_work *w = job->work;
  moe_held_out_free(&w->held_out);
}

const moe_learner_type moe_knn_gate = {
    .type = {.name = "knn",
             .family = "gate",
             .doc = "Who did well on the nearest rows answers: dynamic "
                    "selection, as KNORA-U, KNORA-E and, with union and top_k "
                    "1, OLA.",
             .params_size = sizeof(knn_gate_params),
             .state_size = sizeof(knn_gate),
             .params = params,
             .visit = visit,
             .check = check,
             .rebuild = rebuild},
    .traits = MOE_GATES,
    .job_size = sizeof(knn_gate_work),
    .begin = begin,
    .step = step,
    .end = end,
    .predict = predict};
