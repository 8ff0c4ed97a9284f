/* Any classifier as a gate.  Its classes are the experts, numbered from 1, and
   each row teaches it who was best there:
   - a row counts as much as its choice matters: `regret` multiplies its weight
     by what choosing at random would lose of the best expert's likelihood,
     1 − mean_e exp(v_e − max v);
   - a row in which all do equally well says nothing; of several that are best
     the row is for the one that is alone at the top more often;
   - with `soft` targets a row is there once for each expert, weighted by
     exp(v_e) / Σ exp(v), where that is a thousandth or more.
   v_e is the log-likelihood that expert e gives to the row's target; errors
   count as if they were normal.  An expert that is best nowhere is no class: it
   has a millionth of the probability, as all that the classifier excludes.
   On a stream each sample teaches a classifier that learns online, in the same
   way, with what is known of the experts that were asked. */
#include <math.h>

#include "frame.h"
#include "gate.h"
#include "gate_score.h"

enum { BLOCK = 4096 /* rows answered at a time */ };
static const double LEAST_SHARE = 1e-3, LEAST_PROBABILITY = 1e-6;

typedef struct classifier_params {
  moe_object *model;
  moe_gate_config gate;
  bool soft, regret;
} classifier_params;

typedef struct classifier_gate {
  moe_fitted fitted;
  int64_t taught; /* lessons that the rows gave; if 0 the gate is even */
  double calibration;
} classifier_gate;

typedef struct classifier_work {
  moe_held_out held_out;
  moe_object *trainee; /* a clone of the model, or the model itself */
  bool marked;         /* the model, as being fitted */
  moe_job *job;        /* the trainee's */
  size_t *wins;        /* experts: rows in which it is alone at the top */
  double *share;       /* experts: of the row in hand */
  double precision;    /* of the experts' errors */
  moe_labels labels;   /* 1 … experts */
  moe_frame frame;     /* of soft targets: the rows, repeated */
  moe_batch batch;
  moe_target target;
  int32_t *pick, *ids, *group; /* of the batch's source */
  double *weight;
} classifier_work;

static const moe_param params[] = {
    MOE_P_CHILD(classifier_params, model, MOE_CHILD, "learner", 0,
                "the classifier: its classes are the experts, 1, 2, …"),
    MOE_P_FLAG(classifier_params, soft, false,
               "whether a row is for each expert as far as it is likely, "
               "instead of for the best alone"),
    MOE_P_FLAG(classifier_params, regret, true,
               "whether a row counts as much as the choice matters there"),
    MOE_P_GATE(classifier_params),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  classifier_gate *g = state;
  MOE_TRY(moe_fitted_visit(&g->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "taught", MOE_I64, &g->taught));
  return moe_visit_scalar(v, "calibration", MOE_F64, &g->calibration);
}

/* ------------------------------------------------------------------ answers */

static bool is_expert(const moe_label *label, size_t experts) {
  return label->kind == MOE_L_NUMBER && label->number >= 1 &&
         label->number <= (double)experts &&
         label->number == floor(label->number);
}

/* The model's classes are experts. */
static bool model_fits(const moe_object *model, size_t experts) {
  const moe_fitted *f = moe_learner_fitted(model);
  if (f == NULL || f->task != MOE_CLASSIFICATION) return false;
  for (size_t k = 0; k < f->labels.n; k++)
    if (!is_expert(&f->labels.items[k], experts)) return false;
  return true;
}

/* Logarithms of the experts' probabilities, from those of the model's classes.
 */
static void give_to_experts(const moe_object *model, const double *p,
                            size_t experts, double *z) {
  const moe_fitted *f = moe_learner_fitted(model);
  for (size_t e = 0; e < experts; e++) z[e] = log(LEAST_PROBABILITY);
  for (size_t k = 0; k < f->n_outputs; k++)
    z[(size_t)f->labels.items[k].number - 1] =
        log(fmax(p[k], LEAST_PROBABILITY));
}

static moe_status ask(moe_call *call, const moe_object *model,
                      const moe_rows *x, size_t experts, double *z) {
  size_t classes = moe_learner_fitted(model)->n_outputs;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *p;
  MOE_SCRATCH(call, p, moe_size(x->n, classes));
  MOE_TRY(moe_learner_predict(call, model, x, p));
  for (size_t i = 0; i < x->n; i++)
    give_to_experts(model, p + i * classes, experts, z + i * experts);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* The same of one sample, whose nominal columns hold codes. */
static moe_status ask_one(moe_call *call, const moe_object *model,
                          const double *x, size_t experts, double *z) {
  const moe_fitted *f = moe_learner_fitted(model);
  const moe_example sample = moe_example_of(x, f->schema.n);
  moe_scratch_mark mark = moe_scratch_now(call);
  double *p;
  MOE_SCRATCH(call, p, f->n_outputs);
  MOE_TRY(moe__predict_one(call, model, &sample, p));
  give_to_experts(model, p, experts, z);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status check_taught(moe_call *call, const moe_object *o) {
  const classifier_params *p = o->params;
  const classifier_gate *g = o->state;
  if (g->taught == 0 || model_fits(p->model, g->fitted.n_outputs))
    return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "classifier: its model has changed since it was fitted; "
                  "fit the gate again");
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const classifier_params *p = o->params;
  const classifier_gate *g = o->state;
  size_t experts = g->fitted.n_outputs;
  MOE_TRY(check_taught(call, o));
  for (size_t k = 0; k < x->n * experts; k++) out[k] = 0;
  for (size_t first = 0; g->taught > 0 && first < x->n; first += BLOCK) {
    size_t n = x->n - first < BLOCK ? x->n - first : BLOCK;
    moe_rows block = moe_rows_range(x, first, n);
    MOE_TRY(ask(call, p->model, &block, experts, out + first * experts));
  }
  moe_gate_answer(&p->gate, g->calibration, out, x->n, experts);
  return MOE_OK;
}

static moe_status check(moe_call *call, const moe_object *o) {
  const classifier_params *p = o->params;
  const classifier_gate *g = o->state;
  if (g->taught < 0 || p->model == NULL ||
      (g->taught > 0 && !model_fits(p->model, g->fitted.n_outputs)))
    return moe_fail(call, MOE_EFORMAT,
                    "classifier: its model does not tell experts apart");
  return moe_gate_check(call, o, g->calibration);
}

/* ------------------------------------------------------------------ lessons */

/* Each expert's likelihood in the batch's row i, over the best one's, goes to
   `share`.  Returns how many are best; 0 where that is unknown, or all are. */
static size_t compare(const moe_job *job, size_t i) {
  const classifier_work *w = job->work;
  size_t m = job->batch.y->width, best = 0;
  if (!isfinite(moe_gate_compare(&job->batch, w->precision, i, w->share)))
    return 0;
  for (size_t e = 0; e < m; e++) {
    best += w->share[e] == 0;
    w->share[e] = exp(w->share[e]);
  }
  return best < m ? best : 0;
}

/* What the row in `share` counts. */
static double find_regret(const double *share, size_t m) {
  double sum = 0;
  for (size_t e = 0; e < m; e++) sum += share[e];
  return 1 - sum / (double)m;
}

static size_t find_best(const classifier_work *w, size_t m) {
  size_t best = m;
  for (size_t e = 0; e < m; e++)
    if (w->share[e] == 1 && (best == m || w->wins[e] > w->wins[best])) best = e;
  return best;
}

/* The lessons of a row: `share` becomes what it is for each expert, and the
   weight of that is told; 0: it says nothing. */
static double teach(const moe_job *job, size_t i) {
  const classifier_params *p = job->object->params;
  const classifier_work *w = job->work;
  size_t m = job->batch.y->width;
  double weight = moe_batch_weight(&job->batch, i), sum = 0;
  if (weight == 0 || compare(job, i) == 0) return 0;
  if (p->regret) weight *= find_regret(w->share, m);
  size_t best = find_best(w, m);
  for (size_t e = 0; e < m; e++) sum += w->share[e];
  for (size_t e = 0; e < m; e++)
    w->share[e] = p->soft ? w->share[e] / sum : (double)(e == best);
  return weight;
}

static void count_wins(const moe_job *job) {
  const classifier_work *w = job->work;
  size_t m = job->batch.y->width;
  for (size_t i = 0; i < job->batch.x.n; i++)
    if (moe_batch_weight(&job->batch, i) > 0 && compare(job, i) == 1)
      for (size_t e = 0; e < m; e++) w->wins[e] += w->share[e] == 1;
}

/* What is done with a lesson: row i of the batch, the n-th lesson. */
typedef moe_status (*give)(moe_call *call, moe_job *job, size_t i, size_t e,
                           double weight, size_t n);

static moe_status each_lesson(moe_call *call, moe_job *job, give give_lesson,
                              size_t *count) {
  const classifier_work *w = job->work;
  *count = 0;
  for (size_t i = 0; i < job->batch.x.n; i++) {
    double weight = teach(job, i);
    for (size_t e = 0; weight > 0 && e < job->batch.y->width; e++) {
      if (w->share[e] < LEAST_SHARE) continue;
      if (give_lesson != NULL)
        MOE_TRY(give_lesson(call, job, i, e, weight * w->share[e], *count));
      ++*count;
    }
  }
  return MOE_OK;
}

/* A hard lesson is one of the source's rows. */
static moe_status point_out(moe_call *call, moe_job *job, size_t i, size_t e,
                            double weight, size_t n) {
  classifier_work *w = job->work;
  size_t at = moe_rows_at(&job->batch.x, i);
  (void)call;
  w->pick[n] = (int32_t)at;
  w->ids[at] = (int32_t)e;
  w->weight[at] = weight;
  return MOE_OK;
}

static moe_status copy_row(moe_call *call, const moe_rows *x, size_t i,
                           size_t to, moe_frame *f) {
  moe_scratch_mark mark = moe_scratch_now(call);
  double *row;
  if (x->source == MOE_FROM_CSR && x->map == NULL) {
    moe_entries entries = moe_rows_entries(x, i);
    for (size_t k = 0; k < entries.n; k++)
      MOE_TRY(moe_frame_set(call, f, to, (size_t)entries.index[k],
                            entries.value[k]));
    return MOE_OK;
  }
  MOE_SCRATCH(call, row, x->d);
  moe_rows_doubles(x, i, 1, row);
  for (size_t j = 0; j < x->d; j++)
    if (row[j] != 0) MOE_TRY(moe_frame_set(call, f, to, j, moe_narrow(row[j])));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* A soft one is a row of the frame. */
static moe_status copy_out(moe_call *call, moe_job *job, size_t i, size_t e,
                           double weight, size_t n) {
  classifier_work *w = job->work;
  const moe_batch *b = &job->batch;
  w->ids[n] = (int32_t)e;
  w->weight[n] = weight;
  w->group[n] = b->group != NULL ? b->group[moe_rows_at(&b->x, i)]
                                 : (int32_t)moe_rows_at(&b->x, i);
  return copy_row(call, &b->x, i, n, &w->frame);
}

static moe_status new_lessons(moe_call *call, classifier_work *w, size_t n) {
  MOE_TRY(moe_new_array(call, &w->ids, n, sizeof *w->ids));
  MOE_TRY(moe_new_array(call, &w->weight, n, sizeof *w->weight));
  w->target.n = n;
  return MOE_OK;
}

static moe_status point_out_all(moe_call *call, moe_job *job, size_t n) {
  classifier_work *w = job->work;
  MOE_TRY(new_lessons(call, w, job->batch.y->n));
  MOE_TRY(moe_new_array(call, &w->pick, n, sizeof *w->pick));
  w->batch.x = job->batch.x;
  w->batch.x.pick = w->pick;
  w->batch.x.n = n;
  w->batch.group = job->batch.group;
  return each_lesson(call, job, point_out, &n);
}

static bool has_nominal(const moe_rows *x) {
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++)
    if (x->columns[x->map != NULL ? x->map[j] : (int32_t)j].numbers == NULL)
      return true;
  return false;
}

static moe_status copy_out_all(moe_call *call, moe_job *job, size_t n) {
  classifier_work *w = job->work;
  const moe_rows *x = &job->batch.x;
  if (has_nominal(x))
    return moe_fail(call, MOE_EDATA,
                    "classifier: 'soft' targets need numbers, not columns of "
                    "strings: encode them before the mixture");
  MOE_TRY(new_lessons(call, w, n));
  MOE_TRY(moe_new_array(call, &w->group, n, sizeof *w->group));
  MOE_TRY(moe_frame_new(call, n, x->d, x->source == MOE_FROM_CSR, &w->frame));
  MOE_TRY(each_lesson(call, job, copy_out, &n));
  moe_frame_end(&w->frame);
  w->batch.x = moe_frame_rows(&w->frame, x->schema);
  w->batch.group = w->group;
  return MOE_OK;
}

/* ------------------------------------------------------------------ the job */

static moe_status new_trainee(moe_call *call, const moe_object *model,
                              classifier_work *w) {
  if (moe_learner_traits(model) & MOE_HOST_ONLY) {
    w->trainee = moe_object_retain((moe_object *)model);
    return MOE_OK;
  }
  MOE_TRY(moe_object_clone(call, model, &w->trainee));
  moe_object_mark_fitting((moe_object *)model, true);
  w->marked = true;
  return MOE_OK;
}

static moe_status number_experts(moe_call *call, classifier_work *w, size_t m) {
  MOE_TRY(moe_new_array(call, &w->labels.items, m, sizeof(moe_label)));
  MOE_TRY(moe_new_array(call, &w->wins, m, sizeof *w->wins));
  MOE_TRY(moe_new_array(call, &w->share, m, sizeof *w->share));
  for (w->labels.n = 0; w->labels.n < m; w->labels.n++)
    w->labels.items[w->labels.n] =
        (moe_label){.kind = MOE_L_NUMBER, .number = (double)w->labels.n + 1};
  return MOE_OK;
}

static moe_status check_model(moe_call *call, const classifier_params *p) {
  if (p->model == NULL)
    return moe_fail(call, MOE_EPARAM, "classifier: it has no model");
  if (moe_learner_traits(p->model) & MOE_CLASSIFIES) return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "classifier: 'model' must predict classes; %s does not",
                  p->model->type->name);
}

static moe_status begin(moe_call *call, moe_job *job) {
  const classifier_params *p = job->object->params;
  classifier_gate *g = job->state;
  classifier_work *w = job->work;
  g->calibration = 1;
  MOE_TRY(check_model(call, p));
  MOE_TRY(moe_object_check_idle(call, p->model, true));
  MOE_TRY(moe_gate_hold_out(call, job, &p->gate, &w->held_out));
  MOE_TRY(number_experts(call, w, g->fitted.n_outputs));
  return new_trainee(call, p->model, w);
}

static moe_status begin_model(moe_call *call, moe_job *job) {
  const classifier_params *p = job->object->params;
  classifier_gate *g = job->state;
  classifier_work *w = job->work;
  size_t n;
  w->precision = moe_gate_precision(&job->batch);
  count_wins(job);
  MOE_TRY(each_lesson(call, job, NULL, &n));
  g->taught = (int64_t)n;
  job->done = n == 0;
  if (n == 0) {
    moe_job_note(job, "all experts do equally well: the gate is even");
    return MOE_OK;
  }
  MOE_TRY(p->soft ? copy_out_all(call, job, n) : point_out_all(call, job, n));
  w->target.task = MOE_CLASSIFICATION;
  w->target.labels = &w->labels;
  w->target.ids = w->ids;
  w->batch.y = &w->target;
  w->batch.weight = w->weight;
  MOE_TRY(moe_job_begin(call, w->trainee, &w->batch, &w->job));
  if (job->warm) moe_job_warm(w->job);
  return MOE_OK;
}

static moe_status calibrate(moe_call *call, const classifier_work *w,
                            classifier_gate *g) {
  const moe_held_out *h = &w->held_out;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *z;
  if (h->batch.x.n == 0) return MOE_OK;
  MOE_SCRATCH(call, z, moe_size(h->batch.x.n, g->fitted.n_outputs));
  MOE_TRY(ask(call, w->trainee, &h->batch.x, g->fitted.n_outputs, z));
  MOE_TRY(moe_gate_calibrate(call, h, z, &g->calibration));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status finish(moe_call *call, moe_job *job) {
  classifier_work *w = job->work;
  MOE_TRY(moe_job_commit(call, w->job));
  moe_job_adopt(job, w->job);
  job->done = true;
  return calibrate(call, w, job->state);
}

static moe_status step(moe_call *call, moe_job *job) {
  const classifier_work *w = job->work;
  if (w->job == NULL) MOE_TRY(begin_model(call, job));
  if (job->done) return MOE_OK;
  MOE_TRY(moe_job_step(call, w->job));
  return w->job->done ? finish(call, job) : MOE_OK;
}

static void commit(moe_job *job) {
  const classifier_params *p = job->object->params;
  const classifier_work *w = job->work;
  if (w->trainee != p->model && w->job != NULL)
    moe_object_exchange_states(p->model, w->trainee);
}

static void end(moe_job *job) {
  const classifier_params *p = job->object->params;
  classifier_work *w = job->work;
  moe_job_end(w->job);
  if (w->marked) moe_object_mark_fitting(p->model, false);
  moe_object_release(w->trainee);
  moe_held_out_free(&w->held_out);
  moe_frame_free(&w->frame);
  void *const owned[] = {w->wins, w->share, w->labels.items, w->pick,
                         w->ids,  w->group, w->weight};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) moe_free(owned[i]);
}

/* ----------------------------------------------------------- single samples */

/* A model that has learned goes on; another begins with its first lesson, for
   a learner without a class is nothing that could be saved. */
static moe_status open_model(moe_call *call, moe_object *o) {
  const classifier_params *p = o->params;
  classifier_gate *g = o->state;
  MOE_TRY(check_model(call, p));
  if (!(g->calibration > 0)) g->calibration = 1;
  if (p->model->state == NULL) return MOE_OK;
  if (model_fits(p->model, g->fitted.n_outputs))
    return moe__follow_levels(call, p->model, &g->fitted);
  return moe_fail(call, MOE_ESTATE,
                  "classifier: its model has learned something else than which "
                  "expert is best; reset it");
}

static moe_status begin_with(moe_call *call, const moe_object *o,
                             moe_label *class) {
  const classifier_params *p = o->params;
  const classifier_gate *g = o->state;
  moe_fitted parent = g->fitted;
  parent.labels = (moe_labels){.items = class, .n = 1};
  return moe__open_child(call, p->model, &parent, MOE_CLASSIFICATION, 0, NULL);
}

static moe_status teach_one(moe_call *call, moe_object *o, size_t expert,
                            moe_example lesson) {
  const classifier_params *p = o->params;
  classifier_gate *g = o->state;
  moe_label label = {.kind = MOE_L_NUMBER, .number = (double)expert + 1};
  if (p->model->state == NULL) MOE_TRY(begin_with(call, o, &label));
  MOE_TRY(moe_learner_add_label(call, p->model, &label, &lesson.id));
  MOE_TRY(moe__learn_one(call, p->model, &lesson));
  g->taught++;
  return MOE_OK;
}

/* exp(y − max y) of those asked, how many these are, and who is best: the
   number of experts where all do equally well. */
static size_t find_shares(const double *y, size_t m, double *share,
                          size_t *asked) {
  double most = -INFINITY, least = INFINITY;
  size_t best = m;
  *asked = 0;
  for (size_t e = 0; e < m; e++) {
    if (y[e] != y[e]) continue;
    if (best == m || y[e] > most) best = e;
    most = fmax(most, y[e]);
    least = fmin(least, y[e]);
    ++*asked;
  }
  for (size_t e = 0; e < m; e++)
    share[e] = y[e] != y[e] ? 0 : y[e] == most ? 1 : exp(y[e] - most);
  return most > least ? best : m;
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  const classifier_params *p = o->params;
  const classifier_gate *g = o->state;
  size_t m = g->fitted.n_outputs, asked;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *share, sum = 0;
  MOE_TRY(open_model(call, o));
  MOE_SCRATCH(call, share, m);
  size_t best = find_shares(s->y, m, share, &asked);
  for (size_t e = 0; e < m; e++) sum += share[e];
  double weight = p->regret ? s->weight * (1 - sum / (double)asked) : s->weight;
  for (size_t e = 0; best < m && e < m; e++) {
    double part = p->soft ? share[e] / sum : (double)(e == best);
    if (part >= LEAST_SHARE && weight * part > 0)
      MOE_TRY(teach_one(call, o, e,
                        (moe_example){.x = s->x, .weight = weight * part}));
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const classifier_params *p = o->params;
  const classifier_gate *g = o->state;
  size_t experts = g->fitted.n_outputs;
  MOE_TRY(check_taught(call, o));
  for (size_t e = 0; e < experts; e++) out[e] = 0;
  if (g->taught > 0) MOE_TRY(ask_one(call, p->model, x, experts, out));
  moe_gate_answer(&p->gate, g->calibration, out, 1, experts);
  return MOE_OK;
}

const moe_learner_type moe_classifier_gate = {
    .type = {.name = "classifier",
             .family = "gate",
             .doc = "Any classifier, fitted to which expert is best where.",
             .params_size = sizeof(classifier_params),
             .state_size = sizeof(classifier_gate),
             .params = params,
             .visit = visit,
             .check = check},
    .traits = MOE_GATES | MOE_TAKES_MISSING | MOE_TAKES_SPARSE |
              MOE_TAKES_NOMINAL | MOE_ONLINE,
    .job_size = sizeof(classifier_work),
    .begin = begin,
    .step = step,
    .commit = commit,
    .end = end,
    .learn = moe_stream_learn,
    .open = open_model,
    .predict_one = predict_one,
    .learn_one = learn_one,
    .predict = predict};
