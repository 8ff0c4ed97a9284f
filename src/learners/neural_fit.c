#include "neural_fit.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "threads.h"
#include "vector.h"

enum { MEASURE, TRAIN, VALIDATE };

enum { COSINE, CONSTANT };
const char *const moe_schedule_choices[] = {"cosine", "constant", NULL};

moe_neural_plan moe_neural_plan_of(const moe_neural_config *config,
                                   moe_loss loss) {
  int64_t seed = config->seed;
  return (moe_neural_plan){
      .rule = {.hidden = &config->hidden,
               .activation = (moe_activation)config->activation,
               .standardize = config->standardize,
               .lr = config->lr,
               .weight_decay = config->weight_decay,
               .seed = seed == MOE_NO_INT ? 0 : (uint64_t)seed,
               .loss = loss},
      .cosine = config->schedule == COSINE,
      .batch = config->batch,
      .epochs = config->epochs,
      .patience = config->patience,
      .validation = config->validation};
}

static size_t at_most(size_t a, size_t b) { return a < b ? a : b; }

/* ---------------------------------------------------------------- beginning
 */

static double weigh_rows(const moe_batch *b, const int32_t *rows, size_t n) {
  double sum = 0;
  for (size_t k = 0; k < n; k++)
    sum += b->weight != NULL ? b->weight[rows[k]] : 1;
  return sum;
}

/* Rows without a weight are as if they were not there. */
static moe_status collect(moe_call *call, moe_neural_fit *s) {
  const moe_batch *b = &s->batch;
  size_t n = 0;
  MOE_TRY(moe_new_array(call, &s->order, b->x.n, sizeof *s->order));
  for (size_t i = 0; i < b->x.n; i++) {
    if (!(moe_batch_weight(b, i) > 0)) continue;
    s->order[n++] = (int32_t)moe_rows_at(&b->x, i);
    s->model->weight += moe_batch_weight(b, i);
  }
  moe_random_shuffle(&s->random, s->order, n);
  s->n_held = (size_t)(s->plan.validation * (double)n);
  s->n_order = n - s->n_held;
  s->held = s->order + s->n_order;
  s->weight = weigh_rows(b, s->order, s->n_order);
  s->held_weight = weigh_rows(b, s->held, s->n_held);
  return MOE_OK;
}

/* Small batches are not worth a second worker, and sparse rows would need the
   derivatives of all columns for each. */
static void cut(moe_passing *p, size_t weights) {
  enum { WORTH = 1 << 20 /* products */, LEAST = 64 /* rows */, MOST = 8 };
  size_t worth = WORTH / weights;
  p->piece = worth > LEAST ? worth : LEAST;
  size_t pieces = (p->rows + p->piece - 1) / p->piece;
  p->slots = p->columns == 0 ? 1 : at_most(pieces, MOST);
}

static moe_status new_passing(moe_call *call, moe_neural_fit *s, size_t rows) {
  moe_network net = moe_neural_network(s->model);
  moe_passing *p = &s->passing;
  size_t m = s->model->fitted.n_outputs, d = s->model->fitted.n_features;
  p->rows = rows;
  p->columns = s->batch.x.source == MOE_FROM_CSR ? 0 : d;
  size_t dense = moe_size(rows, p->columns);
  cut(p, moe_neural_size(s->model));
  MOE_TRY(moe_new_array(call, &p->doubles, dense, sizeof(double)));
  MOE_TRY(moe_new_array(call, &p->inputs, dense, sizeof(float)));
  MOE_TRY(moe_new_array(call, &p->z, moe_size(rows, m), sizeof(double)));
  MOE_TRY(moe_new_array(call, &p->spare, moe_size(rows, m), sizeof(double)));
  MOE_TRY(moe_new_array(call, &p->importance, m, sizeof(double)));
  MOE_TRY(moe_new_array(call, &p->losses, p->slots, sizeof(double)));
  MOE_TRY(moe_new_array(call, &p->more,
                        moe_size(p->slots - 1, moe_neural_size(s->model)),
                        sizeof(float)));
  return moe_new_array(call, &p->room, moe_trace_size(&net, rows),
                       sizeof(float));
}

static moe_status new_weights(moe_call *call, moe_neural_fit *s) {
  size_t n = moe_neural_size(s->model), size = sizeof(float);
  moe_descent *d = &s->descent;
  MOE_TRY(moe_new_array(call, &d->gradient, n, size));
  MOE_TRY(moe_new_array(call, &d->first, n, size));
  MOE_TRY(moe_new_array(call, &d->second, n, size));
  if (s->batch.x.source == MOE_FROM_CSR)
    MOE_TRY(moe_new_array(call, &d->stamps, s->batch.x.d, sizeof *d->stamps));
  if (s->n_held > 0) MOE_TRY(moe_new_array(call, &s->best, n, size));
  return MOE_OK;
}

/* Takes over weights, and what they were learned with: the same numbers mean
   the same function then.  False unless it is a network of this shape. */
static bool start_from(moe_neural *a, const moe_neural *known) {
  if (known == NULL || known->weights == NULL ||
      a->activation != known->activation || a->n_widths != known->n_widths ||
      memcmp(a->widths, known->widths, a->n_widths * sizeof *a->widths) != 0 ||
      a->n_inputs != known->n_inputs || a->n_values != known->n_values)
    return false;
  const struct {
    double *to, *from;
    size_t n;
  } copies[] = {{a->centre, known->centre, a->n_inputs},
                {a->variance, known->variance, a->n_inputs},
                {a->middle, known->middle, a->n_values},
                {a->spread, known->spread, a->n_values}};
  for (size_t k = 0; k < sizeof copies / sizeof *copies; k++)
    if (copies[k].n > 0)
      memcpy(copies[k].to, copies[k].from, copies[k].n * sizeof(double));
  memcpy(a->weights, known->weights, moe_neural_size(a) * sizeof *a->weights);
  moe_neural_set_factor(a);
  return true;
}

static bool is_to_measure(const moe_neural_fit *s) {
  return s->plan.l2 > 0 || s->model->n_inputs > 0;
}

static moe_status begin_measuring(moe_call *call, moe_neural_fit *s) {
  moe_sweep_plan plan = {.batch = &s->batch,
                         .outputs = 1,
                         .intercept = true,
                         .l2 = s->plan.l2,
                         .standardize = s->plan.standardize,
                         .curvature = 1};
  return is_to_measure(s) ? moe_sweep_new(call, &plan, &s->sweep) : MOE_OK;
}

moe_status moe_neural_fit_begin(moe_call *call, const moe_neural_plan *plan,
                                moe_neural *model, const moe_batch *batch,
                                moe_neural_fit *out) {
  *out = (moe_neural_fit){.plan = *plan,
                          .model = model,
                          .batch = *batch,
                          .best_loss = INFINITY,
                          .best_epoch = -1};
  moe_random_seed(&out->random, moe_seed_of(plan->rule.seed, "order"));
  MOE_TRY(moe_neural_prepare(call, out->model, &plan->rule, &batch->x));
  MOE_TRY(collect(call, out));
  MOE_TRY(new_weights(call, out));
  MOE_TRY(new_passing(call, out, at_most((size_t)plan->batch, out->n_order)));
  return begin_measuring(call, out);
}

/* ---------------------------------------------------------------- measuring
 */

/* Mean and variance of value c. */
static void measure_value(moe_neural_fit *s, size_t c) {
  const moe_batch *b = &s->batch;
  moe_neural *a = s->model;
  double mean = 0, variance = 0;
  for (size_t i = 0; i < b->x.n; i++)
    mean += moe_batch_weight(b, i) / a->weight *
            b->y->values[moe_rows_at(&b->x, i) * a->n_values + c];
  for (size_t i = 0; i < b->x.n; i++) {
    double away = b->y->values[moe_rows_at(&b->x, i) * a->n_values + c] - mean;
    variance += moe_batch_weight(b, i) / a->weight * away * away;
  }
  a->middle[c] = mean;
  a->spread[c] = isfinite(variance) ? variance : 0;
}

/* The batch's target becomes a copy with standardised values. */
static moe_status standardize_values(moe_call *call, moe_neural_fit *s) {
  const moe_target *y = s->batch.y;
  moe_neural *a = s->model;
  size_t m = a->n_values;
  if (m == 0) return MOE_OK;
  MOE_TRY(
      moe_new_array(call, &s->values, moe_size(y->n, m), sizeof *s->values));
  for (size_t c = 0; c < m; c++) {
    if (!s->warm) measure_value(s, c);
    double scale = moe_neural_scale(a, c);
    for (size_t k = c; k < y->n * m; k += m)
      s->values[k] = (y->values[k] - a->middle[c]) / scale;
  }
  s->target = *y;
  s->target.values = s->values;
  s->batch.y = &s->target;
  return MOE_OK;
}

static void take_variances(moe_neural_fit *s) {
  moe_neural *a = s->model;
  for (size_t j = 0; j < a->n_inputs; j++) {
    double factor = s->sweep.factor[j];
    a->centre[j] = s->sweep.centre[j];
    a->variance[j] = factor > 0 ? fmin(1 / factor / factor, DBL_MAX) : 0;
  }
  moe_neural_set_factor(a);
}

/* Of sparse columns, which are not standardised, and whose weights move only in
   steps that meet an entry, the penalty is that of the weights of x, and counts
   the more the fewer these steps are. */
static double penalty_of(const moe_neural_fit *s, size_t k) {
  const moe_sweep *w = &s->sweep;
  double penalty = w->penalty[k] / s->model->weight;
  if (!moe_sweep_is_sparse(w)) return penalty;
  double entries = (double)(w->transpose.start[k + 1] - w->transpose.start[k]);
  double met = 1 - pow(1 - entries / (double)w->plan.batch->x.n,
                       (double)s->passing.rows);
  double factor = w->factor[k];
  return factor > 0 ? penalty / (factor * factor) / met : 0;
}

static moe_status take_penalties(moe_call *call, moe_neural_fit *s) {
  const moe_sweep *w = &s->sweep;
  size_t d = s->model->fitted.n_features;
  if (!(s->plan.l2 > 0)) return MOE_OK;
  MOE_TRY(
      moe_new_array(call, &s->descent.penalty, d, sizeof *s->descent.penalty));
  for (size_t k = 0; k < w->columns; k++) {
    size_t j = moe_sweep_is_sparse(w) ? (size_t)w->transpose.column[k] : k;
    s->descent.penalty[j] = (float)fmin(penalty_of(s, k), FLT_MAX);
  }
  return MOE_OK;
}

/* The weights of x̃ from those of x. */
static void import_line(moe_neural_fit *s) {
  const moe_affine *line = s->line;
  moe_neural *a = s->model;
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  float *bias = a->weights + d * m;
  for (size_t c = 0; line != NULL && c < m; c++) {
    double sum = line->bias[c];
    for (size_t j = 0; j < d; j++) {
      double w = line->left * line->weights[c * d + j];
      double factor = a->n_inputs > 0 ? a->factor[j] : 1;
      if (a->n_inputs > 0) sum += w * a->centre[j];
      a->weights[j * m + c] = factor > 0 ? (float)(w / factor) : 0;
    }
    bias[c] = (float)sum;
  }
}

static moe_status measure(moe_call *call, moe_neural_fit *s) {
  s->warm = start_from(s->model, s->start);
  if (is_to_measure(s)) {
    MOE_TRY(moe_sweep_prepare(call, &s->sweep));
    if (!s->sweep.prepared) return MOE_OK;
    if (!s->warm) take_variances(s);
    MOE_TRY(take_penalties(call, s));
    moe_sweep_free(&s->sweep);
  }
  import_line(s);
  s->stage = TRAIN;
  return standardize_values(call, s);
}

/* ----------------------------------------------------------------- training
 */

/* The rows pick[0 … n−1] of the source. */
static moe_batch choose(const moe_neural_fit *s, const int32_t *pick,
                        size_t n) {
  moe_batch b = s->batch;
  b.x.pick = pick;
  b.x.n = n;
  return b;
}

/* Each expert's probability in the mean of these rows, whose weight it returns.
 */
static double weigh(moe_passing *p, const moe_batch *b, size_t m) {
  double sum = 0;
  memcpy(p->spare, p->z, b->x.n * m * sizeof *p->z);
  moe_importance.residual(&moe_importance, b, 0, b->x.n, p->spare, NULL);
  memset(p->importance, 0, m * sizeof *p->importance);
  for (size_t i = 0; i < b->x.n; i++) {
    moe_axpy(1, p->spare + i * m, p->importance, m);
    sum += moe_batch_weight(b, i);
  }
  moe_scale(1 / sum, p->importance, m);
  return sum;
}

/* Rows on their way, cut into pieces by shape. */
typedef struct passage {
  moe_neural_fit *fit;
  moe_network network;
  moe_batch batch;
  moe_loss loss;
  double share; /* of each row's derivative; 0: none is asked for */
} passage;

/* A piece on its way. */
typedef struct piece {
  size_t first, n; /* rows of the batch */
  moe_rows rows;
  float *inputs; /* of dense rows */
  moe_trace trace;
  float *answer; /* n × outputs, in the trace */
  double *z;     /* the same, or the derivatives by it */
} piece;

static piece piece_of(const passage *q, size_t index) {
  const moe_passing *p = &q->fit->passing;
  size_t first = index * p->piece, m = q->fit->model->fitted.n_outputs;
  size_t n = at_most(p->piece, q->batch.x.n - first);
  piece out = {.first = first,
               .n = n,
               .rows = moe_rows_range(&q->batch.x, first, n),
               .inputs = p->inputs + first * p->columns,
               .z = p->z + first * m};
  out.trace = moe_trace_in(&q->network, n,
                           p->room + moe_trace_size(&q->network, first));
  out.answer = out.trace.z[q->network.layers - 1];
  return out;
}

static void pass_forward(void *context, size_t index, int worker) {
  const passage *q = context;
  const moe_passing *p = &q->fit->passing;
  piece own = piece_of(q, p->next + index);
  moe_inputs x =
      moe_neural_read(q->fit->model, &own.rows,
                      p->doubles + own.first * p->columns, own.inputs);
  (void)worker;
  moe_network_forward(&q->network, &x, &own.trace);
  for (size_t k = 0; k < own.n * q->fit->model->fitted.n_outputs; k++)
    own.z[k] = (double)own.answer[k];
}

static void pass_back(void *context, size_t index, int worker) {
  const passage *q = context;
  const moe_neural_fit *s = q->fit;
  const moe_passing *p = &s->passing;
  size_t m = s->model->fitted.n_outputs, slot = (p->next + index) % p->slots;
  piece own = piece_of(q, p->next + index);
  moe_inputs x = {.n = own.n, .dense = own.inputs};
  if (p->columns == 0) x = (moe_inputs){.n = own.n, .sparse = &own.rows};
  (void)worker;
  p->losses[index] = q->loss.residual(&q->loss, &q->batch, own.first, own.n,
                                      own.z, p->spare + own.first * m);
  if (q->share == 0) return;
  for (size_t k = 0; k < own.n * m; k++)
    own.answer[k] = (float)(q->share * own.z[k]);
  moe_network_backward(&q->network, &x, &own.trace,
                       slot == 0
                           ? s->descent.gradient
                           : p->more + (slot - 1) * moe_neural_size(s->model));
}

/* Adds up what the slots found, one after the other. */
static void add_slots(moe_neural_fit *s) {
  float *g = s->descent.gradient, *more = s->passing.more;
  size_t n = moe_neural_size(s->model);
  for (size_t i = 1; i < s->passing.slots; i++, more += n) {
    for (size_t k = 0; k < n; k++) g[k] += more[k];
    memset(more, 0, n * sizeof *more);
  }
}

/* Passes the next pieces in one direction, one a worker: in what waves they go
   makes no difference.  True once all of them are passed. */
static bool pass_wave(moe_call *call, passage *q, double *loss) {
  moe_passing *p = &q->fit->passing;
  size_t pieces = (q->batch.x.n + p->piece - 1) / p->piece;
  size_t workers = (size_t)moe_parallel_width(call, p->slots);
  size_t n = at_most(workers, pieces - p->next);
  moe_parallel(call, n, p->is_back ? pass_back : pass_forward, q);
  for (size_t i = 0; p->is_back && i < n; i++) *loss += p->losses[i];
  p->next = p->next + n < pieces ? p->next + n : 0;
  return p->next == 0;
}

/* Passes a wave of the rows' pieces forward, or, all being there, back, which
   adds to their loss.  True once all of it is done. */
static bool pass(moe_call *call, moe_neural_fit *s, const int32_t *pick,
                 size_t n, double share, double *loss) {
  moe_passing *p = &s->passing;
  size_t m = s->model->fitted.n_outputs;
  passage q = {.fit = s,
               .network = moe_neural_network(s->model),
               .batch = choose(s, pick, n),
               .loss = s->plan.rule.loss,
               .share = share};
  q.loss.importance = p->importance;
  if (!pass_wave(call, &q, loss)) return false;
  p->is_back = !p->is_back;
  if (p->is_back && q.loss.terms.load_balance != 0)
    *loss += weigh(p, &q.batch, m) * moe_loss_of_balance(&q.loss, m);
  return !p->is_back;
}

static double learning_rate(const moe_neural_fit *s) {
  double batches = ceil((double)s->n_order / (double)s->passing.rows);
  double share = (double)s->descent.steps / (batches * (double)s->plan.epochs);
  return s->plan.rule.lr *
         (s->plan.cosine ? (1 + cos(3.141592653589793 * share)) / 2 : 1);
}

/* A wave more; once the batch is through, a step, and the next batch. */
static void train_batch(moe_call *call, moe_neural_fit *s) {
  const int32_t *pick = s->order + s->next;
  size_t rows = at_most(s->passing.rows, s->n_order - s->next);
  double share = (double)s->n_order / s->weight / (double)rows;
  if (!pass(call, s, pick, rows, share, &s->loss)) return;
  moe_batch b = choose(s, pick, rows);
  add_slots(s);
  moe_neural_step(s->model, &s->plan.rule, learning_rate(s), &b.x, &s->descent);
  s->next += rows;
}

/* ------------------------------------------------------------------- epochs
 */

static void end_epoch(moe_call *call, moe_neural_fit *s, moe_job *job) {
  s->next = 0;
  s->stage = TRAIN;
  s->epoch++;
  job->usable = true;
  job->done = s->epoch >= s->plan.epochs;
  if (s->n_held > 0 && s->held_loss < s->best_loss) {
    s->best_loss = s->held_loss;
    s->best_epoch = s->epoch;
    memcpy(s->best, s->model->weights,
           moe_neural_size(s->model) * sizeof *s->best);
  }
  if (s->n_held > 0 && s->epoch - s->best_epoch >= s->plan.patience)
    job->done = true;
  moe_job_record(job, "loss", s->loss / s->weight);
  if (s->n_held > 0)
    moe_job_record(job, "validation_loss", s->held_loss / s->held_weight);
  s->held_loss = s->loss = 0;
  moe_random_shuffle(&s->random, s->order, s->n_order);
  moe_call_progress(call, "epochs", (double)s->epoch / (double)s->plan.epochs);
}

static void validate(moe_call *call, moe_neural_fit *s, moe_job *job) {
  size_t rows = at_most(s->passing.rows, s->n_held - s->next);
  if (!pass(call, s, s->held + s->next, rows, 0, &s->held_loss)) return;
  s->next += rows;
  if (s->next == s->n_held) end_epoch(call, s, job);
}

static void train(moe_call *call, moe_neural_fit *s, moe_job *job) {
  train_batch(call, s);
  if (s->next < s->n_order) return;
  s->next = 0;
  s->stage = VALIDATE;
  if (s->n_held == 0) end_epoch(call, s, job);
}

moe_status moe_neural_fit_step(moe_call *call, moe_neural_fit *s,
                               moe_job *job) {
  while (!job->done) {
    if (s->stage == MEASURE)
      MOE_TRY(measure(call, s));
    else if (s->stage == TRAIN)
      train(call, s, job);
    else
      validate(call, s, job);
    if (moe_call_pausing(call)) break;
  }
  if (job->done) moe_neural_fit_export(s);
  return MOE_OK;
}

void moe_neural_fit_export(moe_neural_fit *s) {
  if (s->best_epoch >= 0)
    memcpy(s->model->weights, s->best,
           moe_neural_size(s->model) * sizeof *s->best);
}

void moe_neural_fit_end(moe_neural_fit *s) {
  moe_passing *p = &s->passing;
  moe_descent *d = &s->descent;
  void *const owned[] = {s->values,     s->order, s->best,   d->gradient,
                         d->penalty,    d->first, d->second, d->stamps,
                         p->doubles,    p->z,     p->spare,  p->inputs,
                         p->importance, p->room,  p->more,   p->losses};
  for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) moe_free(owned[k]);
  moe_sweep_free(&s->sweep);
}
