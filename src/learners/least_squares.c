#include "least_squares.h"

#include <math.h>
#include <string.h>

#include "vector.h"

enum { GATHER, PREPARE, MULTIPLY, FACTOR, INTERCEPT, REFINE, RESTART, ITERATE };
enum {
  MOST_FACTORED = 1024, /* columns */
  MOST_GATHERED = 256,  /* columns and outputs, at one pass */
  GLANCE = 256,         /* rows that tell about where the means are */
  TIKHONOV_ROUNDS = 12,
  BETWEEN_RESTARTS = 50,
  MOST_ITERATIONS = 1000
};

/* What is left of a column's square after the columns before it, below which
   it counts as their combination. */
static const double DEPENDENT = 1e-13;

/* Then this share is added to every column's square.  The rounds take it back
   where the data decide (to 1e-10 for what is 1e-7 of a square), and hardly
   where rounding would. */
static const double RIDGE = 1e-8;

/* What the shift may leave of a column's square beyond its variance: moments
   lose as much to rounding. */
static const double NEAR = 10;

/* The energy that may be left, of that at the start: with a factor as far down
   as rounding allows. */
static const double FACTORED_ENOUGH = 1e-28, ENOUGH = 1e-20;

/* As if all targets were 0: makes a sweep the product with the matrix of the
   normal equations. */
static double scale_by_weight(const moe_loss *loss, const moe_batch *batch,
                              size_t first, size_t n, double *z,
                              double *spare) {
  size_t m = batch->y->width;
  (void)loss;
  (void)spare;
  for (size_t i = 0; i < n; i++, z += m)
    moe_scale(moe_batch_weight(batch, first + i), z, m);
  return 0;
}

static const moe_loss product_loss = {.residual = scale_by_weight};

/* ------------------------------------------------------------- at one pass */

static size_t gathered(const moe_least_squares *s) {
  return s->sweep.columns + 1 + s->sweep.plan.outputs;
}

/* The moments of a tile's rows: of x less the shift, of 1, and of y. */
static void add_moments(const void *context, const moe_tile *tile,
                        double *sum) {
  const moe_least_squares *s = context;
  const moe_batch *b = s->sweep.plan.batch;
  size_t d = s->sweep.columns, m = s->sweep.plan.outputs, k = gathered(s);
  for (size_t i = 0; i < tile->n; i++) {
    double *row = tile->work + i * k;
    memcpy(row, tile->x + i * d, d * sizeof *row);
    row[d] = 1;
    memcpy(row + d + 1, b->y->values + moe_rows_at(&b->x, tile->first + i) * m,
           m * sizeof *row);
    if (b->weight != NULL)
      moe_scale(sqrt(moe_batch_weight(b, tile->first + i)), row, k);
  }
  moe_gram(tile->work, tile->n, k, sum);
}

/* The means of the first rows; sorted rows are left to other passes. */
static moe_status glance(moe_call *call, moe_least_squares *s) {
  const moe_rows *x = &s->sweep.plan.batch->x;
  size_t d = x->d, n = x->n < GLANCE ? x->n : GLANCE;
  moe_scratch_mark mark = moe_scratch_now(call);
  double *rows;
  MOE_SCRATCH(call, rows, moe_size(n, d));
  moe_rows_doubles(x, 0, n, rows);
  for (size_t j = 0; j < d; j++) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += rows[i * d + j];
    s->shift[j] = s->sweep.plan.intercept ? sum / (double)n : 0;
    s->units[j] = 1;
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static bool can_gather(const moe_least_squares *s) {
  const moe_rows *x = &s->sweep.plan.batch->x;
  return x->source != MOE_FROM_CSR && gathered(s) <= MOST_GATHERED &&
         x->n > x->d;
}

static moe_status begin_gathering(moe_call *call, moe_least_squares *s) {
  size_t d = s->sweep.columns, k = gathered(s);
  moe_tally_plan plan = {.rows = &s->sweep.plan.batch->x,
                         .columns = d,
                         .width = k,
                         .length = k * k,
                         .cost = k * k / 2};
  MOE_TRY(moe_new_array(call, &s->shift, d, sizeof *s->shift));
  MOE_TRY(moe_new_array(call, &s->units, d, sizeof *s->units));
  MOE_TRY(moe_new_array(call, &s->moments, k * k, sizeof *s->moments));
  plan.centre = s->shift;
  plan.factor = s->units;
  MOE_TRY(glance(call, s));
  s->stage = GATHER;
  return moe_tally_new(call, &plan, &s->tally);
}

/* How far the mean of column j is from the shift. */
static double excess(const moe_least_squares *s, size_t j) {
  size_t k = gathered(s), d = s->sweep.columns;
  const double *ones = s->moments + d * k;
  return s->sweep.plan.intercept ? ones[j] / ones[d] : 0;
}

/* Means and variances from the moments; false where rounding would tell. */
static bool find_variances(const moe_least_squares *s, double *centre,
                           double *variance) {
  size_t k = gathered(s), d = s->sweep.columns;
  double weight = s->moments[d * k + d];
  if (!(weight > 0)) return false;
  for (size_t j = 0; j < d; j++) {
    double off = excess(s, j), square = s->moments[j * k + j] / weight;
    centre[j] = s->shift[j] + off;
    variance[j] = square - off * off;
    if (square > 0 && !(square <= NEAR * variance[j])) return false;
    if (!isfinite(square)) return false;
  }
  return true;
}

/* ----------------------------------------------------- the normal equations */

static void add_products(const void *context, const moe_tile *tile,
                         double *sum) {
  const moe_sweep *s = context;
  const moe_batch *b = s->plan.batch;
  for (size_t i = 0; b->weight != NULL && i < tile->n; i++)
    moe_scale(sqrt(moe_batch_weight(b, tile->first + i)),
              tile->x + i * s->columns, s->columns);
  moe_gram(tile->x, tile->n, s->columns, sum);
}

static moe_status begin_products(moe_call *call, moe_least_squares *s) {
  const moe_sweep *w = &s->sweep;
  size_t d = w->columns, n = w->plan.batch->x.n;
  moe_tally_plan plan = {.rows = &w->plan.batch->x,
                         .columns = d,
                         .centre = w->centre,
                         .factor = w->factor,
                         .length = d * d,
                         .cost = d * d / 2};
  s->stage = INTERCEPT;
  if (w->plan.batch->x.source == MOE_FROM_CSR || d > MOST_FACTORED ||
      (n <= d && w->plan.l2 <= 0))
    return MOE_OK;
  s->stage = MULTIPLY;
  MOE_TRY(moe_new_array(call, &s->factor, d * d, sizeof(double)));
  return moe_tally_new(call, &plan, &s->tally);
}

/* Computes a column of the factor from those before it; false where it is not
   independent of them.  A column of zeros stands for itself. */
static bool factor_column(moe_least_squares *s, size_t k) {
  size_t d = s->sweep.columns;
  double *row = s->factor + k * d;
  double square = (row[k] + s->sweep.penalty[k]) * (1 + s->ridge);
  double pivot = square - moe_dot(row, row, k), least = DEPENDENT * square;
  if (s->sweep.factor[k] == 0) {
    row[k] = 1;
    return true;
  }
  if (!(pivot > least) && s->ridge == 0) return false;
  if (!(pivot > least)) pivot = least;
  row[k] = sqrt(pivot);
  for (size_t i = k + 1; i < d; i++) {
    double *other = s->factor + i * d;
    other[k] = (other[k] - moe_dot(other, row, k)) / row[k];
  }
  return true;
}

/* Columns that depend on each other are multiplied anew, with a ridge. */
static void factorize(moe_least_squares *s, moe_job *job) {
  char name[100];
  if (s->column == s->sweep.columns) {
    s->stage = INTERCEPT;
  } else if (factor_column(s, s->column)) {
    s->column++;
  } else {
    moe_schema_print(job->batch.x.schema, s->column, name, sizeof name);
    moe_job_note(job,
                 "%s is a combination of those before it: of all "
                 "solutions the one of least norm was taken",
                 name);
    s->ridge = RIDGE;
    s->column = 0;
    s->stage = MULTIPLY;
  }
}

/* ------------------------------------------------------------ what is left */

/* Solves L Lᵀ x = x. */
static void solve(const double *factor, size_t d, double *x) {
  for (size_t i = 0; i < d; i++)
    x[i] = (x[i] - moe_dot(factor + i * d, x, i)) / factor[i * d + i];
  for (size_t i = d; i-- > 0;) {
    x[i] /= factor[i * d + i];
    moe_axpy(-x[i], factor + i * d, x, i);
  }
}

/* The scalar product of two vectors in the parameters of output c. */
static double dot_of(const moe_least_squares *s, const double *a,
                     const double *b, size_t c) {
  size_t d = s->sweep.columns, bias = d * s->sweep.plan.outputs + c;
  return moe_dot(a + c * d, b + c * d, d) + a[bias] * b[bias];
}

/* y += a x there. */
static void add_to(const moe_least_squares *s, double a, const double *x,
                   double *y, size_t c) {
  size_t d = s->sweep.columns, bias = d * s->sweep.plan.outputs + c;
  moe_axpy(a, x + c * d, y + c * d, d);
  y[bias] += a * x[bias];
}

/* Without a factor the columns' scaling has made the diagonal constant. */
static void precondition(moe_least_squares *s) {
  const moe_sweep *w = &s->sweep;
  size_t d = w->columns, m = w->plan.outputs;
  memcpy(s->inverse, s->left, w->size * sizeof *s->left);
  if (s->factor == NULL) {
    moe_scale(1 / w->weight, s->inverse, w->size);
  } else {
    for (size_t c = 0; c < m; c++) solve(s->factor, d, s->inverse + c * d);
    moe_scale(1 / w->weight, s->inverse + m * d, m);
  }
  for (size_t c = 0; c < m; c++)
    s->energy[c] = dot_of(s, s->left, s->inverse, c);
}

static bool is_solved(const moe_least_squares *s) {
  double enough = s->factor != NULL ? FACTORED_ENOUGH : ENOUGH;
  for (size_t c = 0; c < s->sweep.plan.outputs; c++)
    if (s->energy[c] > enough * s->first[c]) return false;
  return true;
}

/* A restart gains nothing any more: what is left is rounding. */
static bool is_stalled(const moe_least_squares *s) {
  for (size_t c = 0; c < s->sweep.plan.outputs; c++)
    if (s->energy[c] < s->before[c] / 4) return false;
  return true;
}

static moe_status begin_iterations(moe_call *call, moe_least_squares *s) {
  size_t m = s->sweep.plan.outputs;
  double **vectors[] = {&s->solution, &s->left, &s->inverse, &s->direction,
                        &s->product};
  double **scalars[] = {&s->first, &s->before, &s->last, &s->energy};
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
    MOE_TRY(moe_new_array(call, vectors[i], s->sweep.size, sizeof(double)));
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
    MOE_TRY(moe_new_array(call, scalars[i], m, sizeof(double)));
  return MOE_OK;
}

static void note(const moe_least_squares *s, moe_job *job) {
  double worst = 0;
  for (size_t c = 0; c < s->sweep.plan.outputs; c++)
    if (s->energy[c] > worst * s->first[c]) worst = s->energy[c] / s->first[c];
  moe_job_note(job, "stopped after %d iterations, %.1g of the way left",
               MOST_ITERATIONS, sqrt(worst));
}

/* What is left, from the rows themselves; false when the call is pausing. */
static bool measure(moe_call *call, moe_least_squares *s) {
  double value;
  if (!moe_sweep_run(call, &s->sweep, &moe_squared_loss, s->solution, s->left,
                     &value))
    return false;
  moe_scale(-1, s->left, s->sweep.size);
  precondition(s);
  return true;
}

/* First the intercepts alone, since they are most of what there is to find. */
static void find_intercept(moe_call *call, moe_least_squares *s) {
  size_t m = s->sweep.plan.outputs, weights = s->sweep.size - m;
  if (!measure(call, s)) return;
  memcpy(s->solution + weights, s->inverse + weights, m * sizeof *s->inverse);
  s->stage = s->factor != NULL ? REFINE : RESTART;
}

/* Sets what is left in relation to the start and to the last time. */
static void compare(moe_least_squares *s) {
  size_t m = s->sweep.plan.outputs;
  if (s->rounds++ == 0) {
    memcpy(s->first, s->energy, m * sizeof *s->first);
    s->ended = is_solved(s);
  } else {
    s->ended = is_solved(s) || is_stalled(s);
  }
  memcpy(s->before, s->energy, m * sizeof *s->before);
}

/* Adds what the factor makes of what is left. */
static void refine(moe_call *call, moe_least_squares *s, moe_job *job) {
  if (!measure(call, s)) return;
  compare(s);
  if (s->ridge > 0) s->ended = s->rounds > TIKHONOV_ROUNDS;
  job->done = s->ended;
  job->usable = s->rounds > 1;
  for (size_t c = 0; !job->done && c < s->sweep.plan.outputs; c++)
    add_to(s, 1, s->inverse, s->solution, c);
}

static void restart(moe_call *call, moe_least_squares *s, moe_job *job) {
  if (!measure(call, s)) return;
  compare(s);
  job->done = s->ended || s->iterations >= MOST_ITERATIONS;
  if (job->done && !s->ended) note(s, job);
  memcpy(s->direction, s->inverse, s->sweep.size * sizeof *s->direction);
  s->stage = ITERATE;
}

/* ----------------------------------------------------- conjugate gradients */

static void advance(moe_least_squares *s, size_t c) {
  double along = dot_of(s, s->direction, s->product, c);
  double length = along > 0 ? s->energy[c] / along : 0;
  add_to(s, length, s->direction, s->solution, c);
  add_to(s, -length, s->product, s->left, c);
}

/* direction = inverse + kept · direction. */
static void turn(moe_least_squares *s, size_t c) {
  size_t d = s->sweep.columns, bias = d * s->sweep.plan.outputs + c;
  double kept = s->last[c] > 0 ? s->energy[c] / s->last[c] : 0;
  moe_scale(kept, s->direction + c * d, d);
  s->direction[bias] *= kept;
  add_to(s, 1, s->inverse, s->direction, c);
}

static void iterate(moe_call *call, moe_least_squares *s, moe_job *job) {
  size_t m = s->sweep.plan.outputs;
  double value;
  if (!moe_sweep_run(call, &s->sweep, &product_loss, s->direction, s->product,
                     &value))
    return;
  for (size_t c = 0; c < m; c++) advance(s, c);
  memcpy(s->last, s->energy, m * sizeof *s->last);
  precondition(s);
  for (size_t c = 0; c < m; c++) turn(s, c);
  s->iterations++;
  job->usable = true;
  if (s->iterations % BETWEEN_RESTARTS == 0 || is_solved(s)) s->stage = RESTART;
}

/* ------------------------------------------------------------------ the job */

moe_status moe_least_squares_begin(moe_call *call, const moe_sweep_plan *plan,
                                   moe_least_squares *out) {
  *out = (moe_least_squares){.stage = PREPARE};
  MOE_TRY(moe_sweep_new(call, plan, &out->sweep));
  return can_gather(out) ? begin_gathering(call, out) : MOE_OK;
}

/* The normal equations of the sweep's columns, from the moments. */
static void take_products(moe_least_squares *s) {
  size_t k = gathered(s), d = s->sweep.columns;
  double weight = s->moments[d * k + d];
  const double *f = s->sweep.factor;
  for (size_t i = 0; i < d; i++)
    for (size_t j = 0; j <= i; j++)
      s->factor[i * d + j] =
          f[i] * f[j] *
          (s->moments[i * k + j] - weight * excess(s, i) * excess(s, j));
}

/* The right sides, whose solution is where refinement begins; the intercept has
   no part in them, for the columns' means are 0. */
static void solve_moments(moe_least_squares *s) {
  size_t k = gathered(s), d = s->sweep.columns, m = s->sweep.plan.outputs;
  for (size_t c = 0; c < m; c++) {
    const double *y = s->moments + (d + 1 + c) * k;
    for (size_t j = 0; j < d; j++)
      s->left[c * d + j] = s->sweep.factor[j] * (y[j] - excess(s, j) * y[d]);
    s->left[m * d + c] = 0;
  }
  precondition(s);
  memcpy(s->solution, s->inverse, s->sweep.size * sizeof *s->solution);
  for (size_t c = 0; s->sweep.plan.intercept && c < m; c++)
    s->solution[m * d + c] = s->moments[(d + 1 + c) * k + d] / s->sweep.weight;
  compare(s);
  s->stage = REFINE;
}

static void forget_moments(moe_least_squares *s) {
  moe_free(s->moments);
  s->moments = NULL;
}

/* What the moments cannot tell well enough takes more passes. */
static moe_status gather(moe_call *call, moe_least_squares *s) {
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t d = s->sweep.columns;
  double *centre, *variance;
  if (!moe_tally_run(call, &s->tally, add_moments, s, s->moments))
    return MOE_OK;
  moe_tally_free(&s->tally);
  MOE_SCRATCH(call, centre, d);
  MOE_SCRATCH(call, variance, d);
  s->stage = PREPARE;
  if (!find_variances(s, centre, variance)) {
    forget_moments(s);
    return MOE_OK;
  }
  double weight = s->moments[d * gathered(s) + d];
  MOE_TRY(moe_sweep_adopt(call, &s->sweep, weight, centre, variance));
  moe_scratch_drop(call, mark);
  MOE_TRY(begin_iterations(call, s));
  MOE_TRY(begin_products(call, s));
  take_products(s);
  s->stage = FACTOR;
  return MOE_OK;
}

static moe_status prepare(moe_call *call, moe_least_squares *s) {
  MOE_TRY(moe_sweep_prepare(call, &s->sweep));
  if (!s->sweep.prepared) return MOE_OK;
  MOE_TRY(begin_iterations(call, s));
  return begin_products(call, s);
}

static moe_status advance_stage(moe_call *call, moe_least_squares *s,
                                moe_job *job) {
  switch (s->stage) {
    case GATHER: return gather(call, s);
    case PREPARE: return prepare(call, s);
    case MULTIPLY:
      if (moe_tally_run(call, &s->tally, add_products, &s->sweep, s->factor))
        s->stage = FACTOR;
      return MOE_OK;
    case FACTOR:
      factorize(s, job);
      if (s->moments == NULL || s->stage == FACTOR) return MOE_OK;
      if (s->stage == INTERCEPT) solve_moments(s);
      forget_moments(s);
      return MOE_OK;
    case INTERCEPT: find_intercept(call, s); return MOE_OK;
    case REFINE: refine(call, s, job); return MOE_OK;
    case RESTART: restart(call, s, job); return MOE_OK;
    default: iterate(call, s, job); return MOE_OK;
  }
}

moe_status moe_least_squares_step(moe_call *call, moe_least_squares *s,
                                  moe_job *job) {
  while (!job->done) {
    MOE_TRY(advance_stage(call, s, job));
    if (moe_call_pausing(call)) break;
  }
  return MOE_OK;
}

void moe_least_squares_export(const moe_least_squares *s, moe_affine *a) {
  moe_sweep_export(&s->sweep, s->solution, a->weights, a->bias);
}

void moe_least_squares_end(moe_least_squares *s) {
  double *arrays[] = {s->factor,    s->solution, s->left,    s->inverse,
                      s->direction, s->product,  s->first,   s->before,
                      s->last,      s->energy,   s->moments, s->shift,
                      s->units};
  moe_sweep_free(&s->sweep);
  moe_tally_free(&s->tally);
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    moe_free(arrays[i]);
}
