/* Learners and gates written in the host's language, as catalog entries: they
   hand every call on to moe_host.foreign.  Such a value is trained in place,
   so an error in the middle of its fit is its own to mend, and what it learned
   by a job that is done is there before the commit. */
#include "foreign.h"

#include <math.h>

#include "vector.h"

typedef struct foreign_params {
  int task;
} foreign_params;

typedef struct foreign {
  moe_fitted fitted;
  moe_texts json; /* the host's state: one text, brought up to date by saving */
} foreign;

typedef struct foreign_work {
  bool begun;
} foreign_work;

static const moe_param learner_params[] = {MOE_P_TASK(foreign_params), {0}};
static const moe_param gate_params[] = {{0}};

static moe_status visit(void *state, moe_visitor *v) {
  foreign *m = state;
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  return moe_visit_texts(v, "host_state", &m->json);
}

static moe_status find_host(moe_call *call, const moe_object *o,
                            const moe_foreign **out) {
  *out = call->host->foreign;
  if (*out != NULL) return MOE_OK;
  return moe_fail(call, MOE_ESTATE, "%s: this program has no host language",
                  o->type->name);
}

static moe_status begin(moe_call *call, moe_job *job) {
  const moe_foreign *host;
  return find_host(call, job->object, &host);
}

static moe_status step(moe_call *call, moe_job *job) {
  foreign_work *w = job->work;
  do {
    MOE_TRY(call->host->foreign->fit(call, job, !w->begun));
    w->begun = true;
  } while (!job->done && !moe_call_pausing(call));
  return MOE_OK;
}

static moe_status publish(moe_call *call, moe_job *job) {
  MOE_TRY(call->host->foreign->publish(call, job));
  return moe_job_publish(call, job);
}

static moe_status learn(moe_call *call, moe_object *o, const moe_batch *batch) {
  const moe_foreign *host;
  MOE_TRY(find_host(call, o, &host));
  return host->learn(call, o, o->state, batch);
}

/* The host's value looks the classes up by itself. */
static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  (void)call;
  (void)o;
  (void)position;
  return MOE_OK;
}

static moe_status check_answer(moe_call *call, const moe_object *o,
                               const double *out, size_t n) {
  const moe_fitted *f = o->state;
  for (size_t i = 0; i < n; i++)
    if (!isfinite(out[i]) || (f->task != MOE_REGRESSION && out[i] < 0))
      return moe_fail(
          call, MOE_EDATA,
          "%s: the prediction for row %zu of this call is %g; it "
          "must be %s",
          o->type->name, i / f->n_outputs + 1, out[i],
          f->task == MOE_REGRESSION ? "finite" : "a probability of at least 0");
  return MOE_OK;
}

moe_status moe_foreign_predict(moe_call *call, const moe_object *o,
                               const moe_rows *x, double *out) {
  const moe_fitted *f = o->state;
  const moe_foreign *host;
  MOE_TRY(find_host(call, o, &host));
  MOE_TRY(host->predict(call, o, f, x, out));
  MOE_TRY(check_answer(call, o, out, x->n * f->n_outputs));
  if (f->task != MOE_REGRESSION) moe_normalise(out, x->n, f->n_outputs);
  return MOE_OK;
}

moe_status moe_foreign_cloned(moe_call *call, const moe_object *from,
                              moe_object *to) {
  const moe_foreign *host;
  MOE_TRY(find_host(call, from, &host));
  return host->clone(call, from, to);
}

moe_status moe_foreign_exchanged(moe_call *call, moe_object *a, moe_object *b) {
  const moe_foreign *host;
  MOE_TRY(find_host(call, a, &host));
  return host->exchange(call, a, b);
}

static moe_status saving(moe_call *call, moe_object *o) {
  const moe_foreign *host;
  foreign *m = o->state;
  char *json;
  if (m == NULL) return MOE_OK;
  MOE_TRY(find_host(call, o, &host));
  if (m->json.items == NULL)
    MOE_TRY(moe_new_array(call, &m->json.items, 1, sizeof(char *)));
  MOE_TRY(host->get_state(call, o, &json));
  if (m->json.n == 1) moe_free(m->json.items[0]);
  m->json.items[0] = json;
  m->json.n = 1;
  return MOE_OK;
}

const char *moe_foreign_state(const moe_object *o) {
  const foreign *m = o->state;
  return m != NULL && m->json.n == 1 ? m->json.items[0] : NULL;
}

bool moe_object_is_foreign(const moe_object *o) {
  return o->type->visit == visit;
}

#define FOREIGN(NAME, FAMILY, DOC, PARAMS, TRAITS)              \
  const moe_learner_type moe_##NAME = {                         \
      .type = {.name = "foreign",                               \
               .family = FAMILY,                                \
               .doc = DOC,                                      \
               .params_size = sizeof(foreign_params),           \
               .state_size = sizeof(foreign),                   \
               .params = PARAMS,                                \
               .visit = visit,                                  \
               .cloned = moe_foreign_cloned,                    \
               .exchanged = moe_foreign_exchanged,              \
               .saving = saving},                               \
      .traits = TRAITS | MOE_TAKES_SPARSE | MOE_TAKES_MISSING | \
                MOE_HOST_ONLY | MOE_ONLINE,                     \
      .job_size = sizeof(foreign_work),                         \
      .begin = begin,                                           \
      .step = step,                                             \
      .publish = publish,                                       \
      .learn = learn,                                           \
      .add_class = add_class,                                   \
      .predict = moe_foreign_predict}

FOREIGN(foreign_learner, "learner",
        "An expert written in Lua: a table with fit and predict (or learn_one "
        "and predict_one); start_fit in place of fit works in pieces, clone "
        "is for cross-fitting and em, get_state and set_state are for files, "
        "get_params and set_params make its options parameters, bytes says "
        "what it holds.",
        learner_params, MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT);
FOREIGN(foreign_gate, "gate",
        "A gate written in Lua: a table with fit and forward.", gate_params,
        MOE_GATES);
