/* A gate that nobody trains: a column of the data says which expert answers a
   row, by name or by number, or a function of the host does.  A row whose
   column names no expert goes to all of them alike. */
#include <math.h>
#include <string.h>

#include "foreign.h"
#include "gate.h"

typedef struct fixed_params {
  char *column;
  bool choose;
} fixed_params;

typedef struct fixed {
  moe_fitted fitted;
} fixed;

static const moe_param params[] = {
    MOE_P_TEXT(fixed_params, column,
               "name of the column that holds the expert's name or number"),
    MOE_P_CALLBACK(fixed_params, choose,
                   "a function of the rows: an array with the name, the number "
                   "or the probabilities of the experts for each"),
    {0}};

static moe_status visit(void *state, moe_visitor *v) {
  fixed *m = state;
  return moe_fitted_visit(&m->fitted, v);
}

/* The place of the gate's column, which the data must have. */
static moe_status find_column(moe_call *call, const moe_object *o,
                              const moe_schema *schema, size_t *out) {
  const fixed_params *p = o->params;
  for (size_t j = 0; j < schema->names.n; j++)
    if (strcmp(schema->names.items[j], p->column) == 0) {
      *out = j;
      return MOE_OK;
    }
  return moe_fail(call, MOE_EDATA, "fixed: the data has no column '%.80s'",
                  p->column);
}

static moe_status check_choice(moe_call *call, const fixed_params *p) {
  if ((p->column != NULL) != p->choose) return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "fixed: it needs either 'column' or 'choose'");
}

static moe_status begin(moe_call *call, moe_job *job) {
  const fixed_params *p = job->object->params;
  const moe_fitted *f = job->state;
  size_t column;
  MOE_TRY(check_choice(call, p));
  return p->choose ? MOE_OK
                   : find_column(call, job->object, &f->schema, &column);
}

static moe_status step(moe_call *call, moe_job *job) {
  (void)call;
  job->done = true;
  return MOE_OK;
}

static ptrdiff_t find_name(const fixed *m, const char *name) {
  for (size_t e = 0; e < m->fitted.labels.n; e++)
    if (strcmp(m->fitted.labels.items[e].text, name) == 0) return (ptrdiff_t)e;
  return -1;
}

/* The expert that a number chooses, or -1; a stream's codes stand for names. */
static ptrdiff_t choose_number(const fixed *m, size_t j, double number) {
  const moe_intake *in = &m->fitted.intake;
  if (in->open && in->nominal[j]) {
    int64_t at = isnan(number) ? -1 : in->start[j] + (int64_t)number;
    return at < 0 || at >= in->start[j + 1]
               ? -1
               : find_name(m, in->levels.items[at]);
  }
  return number >= 1 && number <= (double)m->fitted.n_outputs &&
                 number == floor(number)
             ? (ptrdiff_t)number - 1
             : -1;
}

/* The expert that column j of row i chooses, or -1. */
static ptrdiff_t choose(const fixed *m, const moe_rows *x, size_t i, size_t j,
                        double *row) {
  size_t at = moe_rows_at(x, i), own = x->map != NULL ? (size_t)x->map[j] : j;
  if (x->source == MOE_FROM_COLUMNS && x->columns[own].numbers == NULL) {
    const moe_column *c = &x->columns[own];
    return c->codes[at] < 0 ? -1 : find_name(m, c->levels[c->codes[at]]);
  }
  moe_rows_doubles(x, i, 1, row);
  return choose_number(m, j, row[j]);
}

static void answer(ptrdiff_t expert, size_t n, double *out) {
  for (size_t k = 0; k < n; k++)
    out[k] = expert < 0 ? 1 / (double)n : (double)(k == (size_t)expert);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_rows *x, double *out) {
  const fixed_params *p = o->params;
  const fixed *m = o->state;
  size_t n = m->fitted.n_outputs, column = 0;
  double *row;
  if (p->choose) return moe_foreign_predict(call, o, x, out);
  MOE_TRY(find_column(call, o, &m->fitted.schema, &column));
  MOE_SCRATCH(call, row, x->d);
  for (size_t i = 0; i < x->n; i++, out += n)
    answer(choose(m, x, i, column, row), n, out);
  return MOE_OK;
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const fixed_params *p = o->params;
  const fixed *m = o->state;
  const moe_rows row = moe_rows_of_doubles(x, 1, m->fitted.n_features);
  size_t column = 0;
  if (p->choose) return moe_foreign_predict(call, o, &row, out);
  MOE_TRY(find_column(call, o, &m->fitted.schema, &column));
  answer(choose_number(m, column, x[column]), m->fitted.n_outputs, out);
  return MOE_OK;
}

static moe_status open_stream(moe_call *call, moe_object *o) {
  const fixed_params *p = o->params;
  const moe_fitted *f = o->state;
  size_t column;
  MOE_TRY(check_choice(call, p));
  return p->choose ? MOE_OK : find_column(call, o, &f->schema, &column);
}

static moe_status cloned(moe_call *call, const moe_object *from,
                         moe_object *to) {
  const fixed_params *p = from->params;
  return p->choose ? moe_foreign_cloned(call, from, to) : MOE_OK;
}

static moe_status exchanged(moe_call *call, moe_object *a, moe_object *b) {
  const fixed_params *p = a->params;
  return p->choose ? moe_foreign_exchanged(call, a, b) : MOE_OK;
}

static moe_status check(moe_call *call, const moe_object *o) {
  const fixed_params *p = o->params;
  if ((p->column != NULL) != p->choose) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "fixed: it needs either 'column' or 'choose'");
}

static moe_status saving(moe_call *call, moe_object *o) {
  const fixed_params *p = o->params;
  if (!p->choose) return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "fixed: a gate whose 'choose' is a function cannot be saved; "
                  "use 'column', or a gate object with get_state");
}

const moe_learner_type moe_fixed_gate = {
    .type = {.name = "fixed",
             .family = "gate",
             .doc = "A column of the data, or a function, decides who answers.",
             .params_size = sizeof(fixed_params),
             .state_size = sizeof(fixed),
             .params = params,
             .visit = visit,
             .check = check,
             .cloned = cloned,
             .exchanged = exchanged,
             .saving = saving},
    .traits = MOE_GATES | MOE_TAKES_MISSING | MOE_TAKES_SPARSE |
              MOE_TAKES_NOMINAL | MOE_ONLINE,
    .begin = begin,
    .step = step,
    .learn = moe_stream_learn,
    .predict_one = predict_one,
    .learn_one = moe_gate_learn_nothing,
    .open = open_stream,
    .add_class = moe_gate_add_nothing,
    .remove_class = moe_gate_remove_nothing,
    .predict = predict};
