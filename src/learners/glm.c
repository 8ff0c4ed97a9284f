/* Generalised linear model with a canonical link: the mean of the target is
     gaussian η,  bernoulli 1/(1 + e^−η),  poisson e^η,   η = W x + b + offset,
   with W and b least in Σ_i w_i · −log p(y_i | x_i) + l2/2 |W|², by
   reweighted least squares (McCullagh & Nelder 1989).  The expert of the
   classical mixtures (Jacobs, Jordan, Nowlan & Hinton 1991): it knows how
   likely a target is, a gaussian one by the variance of its own errors. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "irls.h"
#include "vector.h"

enum { AUTO }; /* the families follow */
static const char *const families[] = {"auto", "gaussian", "bernoulli",
                                       "poisson", NULL};

/* Errors that vary less than this are rounding. */
static const double LEAST_DISPERSION = 1e-24;

typedef struct glm_params {
  int family;
  char *offset;
  double l2, tol;
  bool intercept;
  int64_t max_iter;
} glm_params;

typedef struct glm {
  moe_affine affine; /* gives η; of two classes −η/2 and η/2 */
  int32_t family;    /* moe_family */
  double dispersion; /* variance of gaussian errors, else 1 */
  double deviance;   /* on the training rows */
} glm;

typedef struct glm_work {
  moe_irls irls;
  moe_batch batch;   /* without the offset: */
  moe_schema schema; /* its names belong to the state */
  int32_t *map;
  moe_csr csr;
  void *copies[3];    /* of csr */
  double *y, *values; /* one a source row; the offset's */
  ptrdiff_t offset;   /* column, or -1 */
  bool begun;
} glm_work;

static const moe_param params[] = {
    MOE_P_CHOICE(glm_params, family, AUTO, families,
                 "distribution of the targets: numbers about a mean, one of "
                 "two classes, or counts; auto: bernoulli if the labels are "
                 "strings or booleans, else gaussian"),
    {"offset", MOE_TEXT, offsetof(glm_params, offset), NAN, 0, 0, 0, 0,
     MOE_OPTIONAL | MOE_OR_PLACE,
     "column, by name or number, that is added to W x as it is: of rates, the "
     "logarithm of the exposure"},
    MOE_P_REAL(glm_params, l2, 0, 0, 1e300,
               "strength of the penalty l2/2 |W|² on the log-likelihood (of "
               "unit variance)"),
    MOE_P_FLAG(glm_params, intercept, true,
               "whether there is a bias, which is not penalised"),
    MOE_P_INT(glm_params, max_iter, 100, 1, 0x1p53, "most iterations of fit"),
    MOE_P_ABOVE(glm_params, tol, 1e-10, 0, 1,
                "fit ends where an iteration lowers the deviance by less than "
                "this share of the constant model's"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  glm *m = state;
  MOE_TRY(moe_affine_visit(&m->affine, v));
  MOE_TRY(moe_visit_scalar(v, "family", MOE_I32, &m->family));
  MOE_TRY(moe_visit_scalar(v, "dispersion", MOE_F64, &m->dispersion));
  return moe_visit_scalar(v, "deviance", MOE_F64, &m->deviance);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const glm *m = o->state;
  bool classes = m->affine.fitted.task == MOE_CLASSIFICATION;
  if (m->family < MOE_GAUSSIAN || m->family > MOE_POISSON ||
      classes != (m->family == MOE_BERNOULLI) ||
      m->affine.fitted.n_outputs > (classes ? 2 : 1))
    return moe_fail(call, MOE_EFORMAT,
                    "glm: the family is not that of its task");
  if (!(m->dispersion > 0) || !isfinite(m->dispersion) ||
      !isfinite(m->deviance))
    return moe_fail(call, MOE_EFORMAT, "glm: the dispersion is not a number");
  return moe_affine_check(call, o);
}

static moe_task choose_task(const moe_object *o, bool labelled) {
  const glm_params *p = o->params;
  bool classes =
      p->family == AUTO ? labelled : p->family - 1 == (int)MOE_BERNOULLI;
  return classes ? MOE_CLASSIFICATION : MOE_REGRESSION;
}

/* ---------------------------------------------------------------- beginning */

static moe_status choose_family(moe_call *call, const moe_job *job, glm *m) {
  const glm_params *p = job->object->params;
  bool classes = job->batch.y->task == MOE_CLASSIFICATION;
  m->family = p->family == AUTO ? (classes ? MOE_BERNOULLI : MOE_GAUSSIAN)
                                : p->family - 1;
  if (classes != (m->family == MOE_BERNOULLI))
    return moe_fail(call, MOE_EDATA, "glm: the family %s is %s",
                    families[m->family + 1],
                    classes ? "for numbers, not for classes"
                            : "for classes, not for numbers");
  if (m->affine.fitted.n_outputs > (classes ? 2 : 1))
    return moe_fail(call, MOE_EDATA,
                    "glm: the family bernoulli has two classes; for %zu use "
                    "logistic",
                    m->affine.fitted.n_outputs);
  return MOE_OK;
}

/* The column that the parameter names, or else counts. */
static moe_status find_offset(moe_call *call, const glm_params *p,
                              const moe_fitted *f, ptrdiff_t *out) {
  char *rest;
  *out = -1;
  if (p->offset == NULL) return MOE_OK;
  for (size_t j = 0; j < f->schema.names.n; j++)
    if (strcmp(f->schema.names.items[j], p->offset) == 0) *out = (ptrdiff_t)j;
  if (*out >= 0) return MOE_OK;
  unsigned long place = strtoul(p->offset, &rest, 10);
  if (*rest != '\0' || place < 1 || place > f->n_features)
    return moe_fail(call, MOE_EDATA,
                    "glm: 'offset' is '%.60s', which is no column of the data",
                    p->offset);
  *out = (ptrdiff_t)place - 1;
  return MOE_OK;
}

static moe_status read_targets(moe_call *call, moe_job *job) {
  const glm *m = job->state;
  const moe_batch *b = &job->batch;
  glm_work *w = job->work;
  MOE_TRY(moe_new_array(call, &w->y, b->y->n, sizeof *w->y));
  for (size_t i = 0; i < b->x.n; i++) {
    size_t at = moe_rows_at(&b->x, i);
    w->y[at] = b->y->ids != NULL ? b->y->ids[at] : b->y->values[at];
    if (m->family == MOE_POISSON && w->y[at] < 0)
      return moe_fail(call, MOE_EDATA,
                      "glm: counts are at least 0, but y[%zu] is %g", at + 1,
                      w->y[at]);
  }
  return MOE_OK;
}

/* ------------------------------------------------- the rows but for the offset
 */

/* Dense rows: a view that skips the column.  It keeps the other columns'
   names, or has none. */
static moe_status skip_column(moe_call *call, const moe_job *job, glm_work *w) {
  const moe_rows *x = &job->batch.x;
  const moe_fitted *f = job->state;
  size_t skipped = (size_t)w->offset, names = f->schema.names.n;
  MOE_TRY(moe_new_array(call, &w->map, x->d, sizeof *w->map));
  MOE_TRY(moe_new_array(call, &w->schema.names.items, names, sizeof(char *)));
  w->batch.x.d = w->schema.n = x->d - 1;
  w->schema.names.n = names > 0 ? names - 1 : 0;
  w->batch.x.map = w->map;
  w->batch.x.schema = &w->schema;
  for (size_t j = 0; j + 1 < x->d; j++) {
    size_t from = j + (j >= skipped);
    w->map[j] = x->map != NULL ? x->map[from] : (int32_t)from;
    if (names > 0) w->schema.names.items[j] = f->schema.names.items[from];
  }
  return MOE_OK;
}

/* Sparse rows: a copy in which the column has no entries. */
static moe_status empty_column(moe_call *call, const moe_job *job,
                               glm_work *w) {
  const moe_csr *from = job->batch.x.csr;
  size_t all = (size_t)from->start[from->rows];
  int64_t *start, n = 0;
  int32_t *index;
  float *value;
  MOE_TRY(moe_new_array(call, &start, from->rows + 1, sizeof *start));
  w->copies[0] = start;
  MOE_TRY(moe_new_array(call, &index, all, sizeof *index));
  w->copies[1] = index;
  MOE_TRY(moe_new_array(call, &value, all, sizeof *value));
  w->copies[2] = value;
  for (size_t i = 0; i < from->rows; i++) {
    for (int64_t k = from->start[i]; k < from->start[i + 1]; k++) {
      if (from->index[k] == w->offset) continue;
      index[n] = from->index[k];
      value[n++] = from->value[k];
    }
    start[i + 1] = n;
  }
  w->csr = (moe_csr){from->rows, from->columns, start, index, value};
  w->batch.x.csr = &w->csr;
  return MOE_OK;
}

static moe_status set_offset(moe_call *call, const moe_job *job, glm_work *w) {
  int32_t column = (int32_t)w->offset;
  moe_rows one = job->batch.x;
  if (w->offset < 0) return MOE_OK;
  if (one.map != NULL) column = one.map[column];
  one.map = &column;
  one.d = 1;
  MOE_TRY(moe_new_array(call, &w->values, job->batch.y->n, sizeof(double)));
  for (size_t i = 0; i < one.n; i++)
    moe_rows_doubles(&one, i, 1, w->values + moe_rows_at(&one, i));
  return one.source == MOE_FROM_CSR ? empty_column(call, job, w)
                                    : skip_column(call, job, w);
}

/* Of two classes η is the second's output less the first's. */
static bool is_binary(const glm *m) { return m->affine.fitted.n_outputs == 2; }

/* Begins from what was learned before: a weight for each column that the fit
   sees, and the bias. */
static moe_status recall(moe_call *call, const moe_job *job, glm_work *w) {
  const glm *now = job->state, *m = job->object->state;
  size_t d = now->affine.fitted.n_features;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *weights, *to;
  w->begun = true;
  if (!job->warm || m->family != now->family) return MOE_OK;
  MOE_SCRATCH(call, weights, d + 1);
  size_t last = m->affine.fitted.n_outputs - 1;
  double whole = is_binary(m) ? 2 : 1;
  to = weights;
  for (size_t j = 0; j < d; j++) {
    bool offset = (ptrdiff_t)j == w->offset;
    if (offset && w->map != NULL) continue;
    *to++ =
        offset ? 0 : whole * m->affine.left * m->affine.weights[last * d + j];
  }
  *to = whole * m->affine.bias[last];
  moe_irls_recall(&w->irls, weights);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status begin(moe_call *call, moe_job *job) {
  const glm_params *p = job->object->params;
  glm *m = job->state;
  glm_work *w = job->work;
  m->dispersion = 1;
  w->batch = job->batch;
  MOE_TRY(choose_family(call, job, m));
  MOE_TRY(find_offset(call, p, &m->affine.fitted, &w->offset));
  MOE_TRY(moe_affine_prepare(call, &m->affine));
  MOE_TRY(read_targets(call, job));
  MOE_TRY(set_offset(call, job, w));
  moe_irls_plan plan = {.batch = &w->batch,
                        .family = (moe_family)m->family,
                        .y = w->y,
                        .offset = w->values,
                        .l2 = p->l2,
                        .intercept = p->intercept,
                        .max_iter = p->max_iter,
                        .tol = p->tol};
  return moe_irls_begin(call, &plan, &w->irls);
}

/* ------------------------------------------------------------------ fitting */

static void set_weight(glm *m, size_t j, double weight) {
  size_t d = m->affine.fitted.n_features;
  m->affine.weights[j] = is_binary(m) ? -weight / 2 : weight;
  if (is_binary(m)) m->affine.weights[d + j] = weight / 2;
}

static void set_bias(glm *m, double bias) {
  m->affine.bias[0] = is_binary(m) ? -bias / 2 : bias;
  if (is_binary(m)) m->affine.bias[1] = bias / 2;
}

static void export(moe_job *job) {
  const glm_work *w = job->work;
  const moe_affine *best = &w->irls.best;
  const double *from = best->weights;
  glm *m = job->state;
  for (size_t j = 0; j < m->affine.fitted.n_features; j++) {
    bool offset = (ptrdiff_t)j == w->offset;
    set_weight(m, j, offset ? 1 : *from);
    if (!offset || w->map == NULL) from++;
  }
  set_bias(m, best->bias[0]);
  m->deviance = fmin(moe_irls_deviance(&w->irls), DBL_MAX);
  if (m->family == MOE_GAUSSIAN)
    m->dispersion =
        fmin(fmax(moe_irls_dispersion(&w->irls), LEAST_DISPERSION), DBL_MAX);
}

/* A single class is certain, whatever the row. */
static moe_status step(moe_call *call, moe_job *job) {
  const glm *m = job->state;
  glm_work *w = job->work;
  if (m->family == MOE_BERNOULLI && !is_binary(m)) {
    job->done = true;
    return MOE_OK;
  }
  if (!w->begun) MOE_TRY(recall(call, job, w));
  MOE_TRY(moe_irls_step(call, &w->irls, job));
  if (job->done) export(job);
  return MOE_OK;
}

static void end(moe_job *job) {
  glm_work *w = job->work;
  moe_irls_end(&w->irls);
  for (size_t i = 0; i < 3; i++) moe_free(w->copies[i]);
  moe_free(w->schema.names.items);
  moe_free(w->map);
  moe_free(w->y);
  moe_free(w->values);
}

/* ---------------------------------------------------------- answers and use */

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const glm *m = o->state;
  size_t outputs = m->affine.fitted.n_outputs;
  MOE_TRY(moe_affine_apply(call, &m->affine, x, NULL, out));
  if (m->family == MOE_BERNOULLI) moe_softmax(out, x->n, outputs);
  for (size_t i = 0; m->family == MOE_POISSON && i < x->n; i++)
    out[i] = moe_family_mean(MOE_POISSON, out[i]);
  return MOE_OK;
}

/* η of each row: one number, whatever the outputs. */
static moe_status find_eta(moe_call *call, const glm *m, const moe_rows *x,
                           double **out) {
  size_t outputs = m->affine.fitted.n_outputs;
  double *eta;
  MOE_SCRATCH(call, eta, moe_size(x->n, outputs));
  MOE_TRY(moe_affine_apply(call, &m->affine, x, NULL, eta));
  for (size_t i = 0; is_binary(m) && i < x->n; i++)
    eta[i] = eta[2 * i + 1] - eta[2 * i];
  *out = eta;
  return MOE_OK;
}

static double log_density(const glm *m, double y, double eta) {
  int sign;
  switch (m->family) {
    case MOE_GAUSSIAN:
      return -(y - eta) * (y - eta) / (2 * m->dispersion) -
             log(2 * M_PI * m->dispersion) / 2;
    case MOE_POISSON:
      if (!(y >= 0)) return -INFINITY;
      return y * eta - moe_family_mean(MOE_POISSON, eta) -
             lgamma_r(y + 1, &sign);
    default: return -moe_family_loss(MOE_BERNOULLI, y, eta);
  }
}

static moe_status log_likelihood(moe_call *call, const moe_object *o,
                                 const moe_batch *batch, double *out) {
  const glm *m = o->state;
  moe_scratch_mark mark = moe_scratch_now(call);
  bool certain = m->family == MOE_BERNOULLI && !is_binary(m);
  double *eta;
  MOE_TRY(find_eta(call, m, &batch->x, &eta));
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    double y =
        m->family == MOE_BERNOULLI ? batch->y->ids[at] : batch->y->values[at];
    out[i] = certain ? 0 : log_density(m, y, eta[i]);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* −log p of counts, up to what does not depend on the model. */
static double poisson_residual(const moe_loss *loss, const moe_batch *batch,
                               size_t first, size_t n, double *z,
                               double *spare) {
  double sum = 0;
  (void)loss;
  (void)spare;
  for (size_t i = 0; i < n; i++) {
    double y = batch->y->values[moe_rows_at(&batch->x, first + i)];
    double w = moe_batch_weight(batch, first + i);
    sum += w * moe_family_loss(MOE_POISSON, y, z[i]);
    z[i] = w * (moe_family_mean(MOE_POISSON, z[i]) - y);
  }
  return sum;
}

/* The offset's weight is no variable. */
static moe_status differentiate(moe_call *call, const moe_object *o,
                                const moe_batch *batch, double *loss,
                                double *gradient) {
  static const moe_loss counts = {.residual = poisson_residual};
  const moe_loss *const losses[] = {&moe_squared_loss, &moe_class_loss,
                                    &counts};
  const glm_params *p = o->params;
  const glm *m = o->state;
  const moe_affine *a = &m->affine;
  ptrdiff_t offset;
  MOE_TRY(find_offset(call, p, &a->fitted, &offset));
  MOE_TRY(moe_affine_differentiate(call, a, batch, NULL, p->intercept,
                                   losses[m->family], loss, gradient));
  for (size_t c = 0; offset >= 0 && c < a->fitted.n_outputs; c++)
    gradient[c * a->fitted.n_features + (size_t)offset] = 0;
  return MOE_OK;
}

/* ------------------------------------------------------------------- gauges */

static moe_status read_dispersion(moe_call *call, const moe_object *o,
                                  moe_value *out) {
  (void)call;
  *out = moe_number_value(((const glm *)o->state)->dispersion);
  return MOE_OK;
}

static moe_status read_deviance(moe_call *call, const moe_object *o,
                                moe_value *out) {
  (void)call;
  *out = moe_number_value(((const glm *)o->state)->deviance);
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    MOE_AFFINE_GAUGES{"dispersion",
                      "variance of the targets about their mean (gaussian)",
                      read_dispersion},
    {"deviance",
     "twice what the log-likelihood of the training rows, at unit variance, is "
     "short of a perfect fit's",
     read_deviance},
    {0}};

const moe_learner_type moe_glm = {
    .type = {.name = "glm",
             .family = "learner",
             .doc = "Generalised linear model, gaussian, bernoulli or poisson, "
                    "with offsets: reweighted least squares.",
             .params_size = sizeof(glm_params),
             .state_size = sizeof(glm),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check},
    .traits =
        MOE_CLASSIFIES | MOE_REGRESSES | MOE_TAKES_SPARSE | MOE_DIFFERENTIABLE,
    .job_size = sizeof(glm_work),
    .begin = begin,
    .step = step,
    .commit = export,
    .end = end,
    .predict = predict,
    .log_likelihood = log_likelihood,
    .n_weights = moe_affine_n_weights,
    .get_weights = moe_affine_get_weights,
    .set_weights = moe_affine_set_weights,
    .differentiate = differentiate,
    .choose_task = choose_task,
    .contribute = moe_affine_contribute};
