/* Experts and gates written in Lua.  A learner is a table with fit(self, X, y,
   options) and predict(self, X), or predict_proba, or learn_one and
   predict_one; a gate is a table with fit(self, X, scores) and forward(self,
   X), or a function of X.  X is a float tensor; the answers are arrays or
   tensors.  Optional: clone(self), get_state(self) → plain table,
   set_state(self, table); and in place of fit, for fits that take long,
   start_fit(self, X, y, options) → a table with step(self) → whether all is
   done, whether what there is would serve, and perhaps a table of the loss and
   the validation_loss of the round for the history; and with commit(self),
   which lets the value have what there is.

   Every call runs protected on the thread that called the engine; an error
   unwinds through the engine as MOE_EHOST and is raised again as it was. */
#include <string.h>

#include "lforeign.h"
#include "tensor.h"

void lmoe_push_foreign(lua_State *L, int index, const char *family) {
  int value = lmoe_absolute(L, index);
  lmoe_push_new(L, family, "foreign");
  LMOE_GET_VALUE(L, -1);
  lua_pushvalue(L, value);
  lua_setfield(L, -2, "value");
  lua_pop(L, 1);
}

void lmoe_name_foreign(lua_State *L) {
  const moe_object *o = lmoe_test_object(L, -1);
  if (o == NULL || !moe_object_is_foreign(o) || lua_type(L, -2) != LUA_TSTRING)
    return;
  LMOE_GET_VALUE(L, -1);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "name");
  lua_pop(L, 1);
}

bool lmoe_push_behind(lua_State *L, const moe_object *o) {
  lmoe_push_object(L, (moe_object *)o);
  LMOE_GET_VALUE(L, -1);
  lua_getfield(L, -1, "value");
  lua_replace(L, -3);
  lua_pop(L, 1);
  return !lua_isnil(L, -1);
}

/* ---------------------------------------------------------- protected calls */

typedef struct protected_work {
  lua_CFunction work;
  lmoe_call *c;
  void *data;
} protected_work;

/* The work itself, once there is room for its error: to keep that must not
   raise, with the engine's frames on the C stack. */
static int l_work(lua_State *L) {
  protected_work *p = lua_touserdata(L, 1);
  if (p->c->error == LUA_NOREF) {
    lua_pushboolean(L, 0);
    p->c->error = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_settop(L, 0);
  lua_pushlightuserdata(L, p->data);
  return p->work(L);
}

moe_status lmoe_call_back(moe_call *call, lua_CFunction work, void *data) {
  lmoe_call *c = call->host->data;
  protected_work p = {work, c, data};
  lua_State *L = c->L;
  c->callbacks++;
  int failed = lmoe_protect(L, l_work, &p);
  c->callbacks--;
  if (!failed) return MOE_OK;
  moe_fail(
      call, MOE_EHOST, "%s",
      lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error object");
  c->raised = c->error != LUA_NOREF;
  if (c->raised)
    lua_rawseti(L, LUA_REGISTRYINDEX, c->error);
  else
    lua_pop(L, 1);
  return MOE_EHOST;
}

moe_status lmoe_run_request(moe_call *call, const moe_object *o,
                            lua_CFunction work, lmoe_request *r) {
  r->c = call->host->data;
  r->object = o;
  return lmoe_call_back(call, work, r);
}

bool lmoe_find_method(lua_State *L, const char *name) {
  if (!lua_istable(L, -1) && !lua_isuserdata(L, -1)) return false;
  lua_getfield(L, -1, name);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return false;
  }
  lua_pushvalue(L, -2);
  return true;
}

void lmoe_call_found(lua_State *L, const char *name, int arguments,
                     int results) {
  if (lua_pcall(L, arguments, results, 0) == 0) return;
  const char *text = lua_tostring(L, -1);
  if (text != NULL && strstr(text, "attempt to yield") != NULL)
    luaL_error(L, "%s yielded; a callback of the engine may not yield", name);
  lua_error(L);
}

static void push_rows(lua_State *L, lmoe_call *c, const moe_rows *x) {
  const int64_t shape[2] = {(int64_t)x->n, (int64_t)x->d};
  moe_tensor *t;
  LMOE_TRY(L, c, moe_tensor_new(&c->call, MOE_F32, 2, shape, &t));
  moe_rows_floats(x, 0, x->n, t->f);
  lmoe_push_tensor(L, t);
}

static void push_sample(lua_State *L, const double *x, size_t d) {
  lua_createtable(L, (int)d, 0);
  for (size_t j = 0; j < d; j++) {
    lua_pushnumber(L, x[j]);
    lua_rawseti(L, -2, (int)j + 1);
  }
}

/* The target of row i: a label, a number, or an array of them. */
static void push_target(lua_State *L, const moe_batch *b, size_t i) {
  size_t at = moe_rows_at(&b->x, i);
  const moe_target *y = b->y;
  if (y->task == MOE_CLASSIFICATION)
    lmoe_push_label(L, &y->labels->items[y->ids[at]]);
  else if (y->width == 1)
    lua_pushnumber(L, y->values[at]);
  else
    push_sample(L, y->values + at * y->width, y->width);
}

static void push_targets(lua_State *L, const moe_batch *b) {
  lua_createtable(L, (int)b->x.n, 0);
  for (size_t i = 0; i < b->x.n; i++) {
    push_target(L, b, i);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

static void push_classes(lua_State *L, const moe_fitted *f) {
  lua_createtable(L, (int)f->labels.n, 0);
  for (size_t k = 0; k < f->labels.n; k++) {
    lmoe_push_label(L, &f->labels.items[k]);
    lua_rawseti(L, -2, (int)k + 1);
  }
}

/* { classes = …, seed = …, warm = true or nil, weights = … or nil } */
static void push_fit_options(lua_State *L, const lmoe_request *r) {
  lua_newtable(L);
  push_classes(L, r->fitted);
  lua_setfield(L, -2, "classes");
  lmoe_push_number(L, (double)r->batch->seed);
  lua_setfield(L, -2, "seed");
  if (r->job->warm) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "warm");
  }
  if (r->batch->weight == NULL) return;
  lua_createtable(L, (int)r->batch->x.n, 0);
  for (size_t i = 0; i < r->batch->x.n; i++) {
    lua_pushnumber(L, moe_batch_weight(r->batch, i));
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "weights");
}

/* Rows that do not count are none, as in a fit. */
static void learn_each(lua_State *L, const lmoe_request *r) {
  const moe_batch *b = r->batch;
  double *x = moe_scratch(&r->c->call, b->x.d, sizeof *x);
  if (x == NULL) luaL_error(L, "%s", r->c->call.error.text);
  for (size_t i = 0; i < b->x.n; i++) {
    double weight = moe_batch_weight(b, i);
    if (weight == 0) continue;
    moe_rows_doubles(&b->x, i, 1, x);
    if (!lmoe_find_method(L, "learn_one"))
      luaL_error(L, "an expert written in Lua needs fit or learn_one");
    push_sample(L, x, b->x.d);
    push_target(L, b, i);
    lua_pushnumber(L, weight);
    lmoe_call_found(L, "learn_one", 4, 0);
  }
}

lmoe_request *lmoe_begin_request(lua_State *L) {
  lmoe_request *r = lua_touserdata(L, 1);
  if (!lmoe_push_behind(L, r->object))
    luaL_error(L, "the Lua value of an expert or gate is gone");
  return r;
}

static int l_learn(lua_State *L) {
  learn_each(L, lmoe_begin_request(L));
  return 0;
}

/* Pushes what start_fit gave for the object's job, and its box's table. */
static void push_fitting(lua_State *L, const lmoe_request *r) {
  lmoe_push_object(L, (moe_object *)r->object);
  LMOE_GET_VALUE(L, -1);
  lua_replace(L, -2);
  lua_getfield(L, -1, "fitting");
  lua_insert(L, -2);
}

static void call_fitting(lua_State *L, const char *name, int results) {
  if (!lmoe_find_method(L, name))
    luaL_error(L,
               "start_fit must give a table with the methods step and "
               "commit");
  lmoe_call_found(L, name, 1, results);
}

static int l_publish(lua_State *L) {
  push_fitting(L, lua_touserdata(L, 1));
  lua_pop(L, 1);
  call_fitting(L, "commit", 0);
  return 0;
}

/* The figures that the table on top has. */
static void record_losses(lua_State *L, moe_job *job) {
  static const char *const names[] = {"loss", "validation_loss"};
  for (int i = 0; i < 2 && lua_istable(L, -1); i++) {
    lua_getfield(L, -1, names[i]);
    if (lua_isnumber(L, -1)) moe_job_record(job, names[i], lua_tonumber(L, -1));
    lua_pop(L, 1);
  }
}

static int l_step(lua_State *L) {
  lmoe_request *r = lua_touserdata(L, 1);
  push_fitting(L, r);
  int fitting = lua_gettop(L) - 1;
  lua_pushvalue(L, fitting);
  call_fitting(L, "step", 3);
  bool done = lua_toboolean(L, -3);
  r->job->usable = done || lua_toboolean(L, -2);
  record_losses(L, r->job);
  if (!done) return 0;
  lua_settop(L, fitting);
  call_fitting(L, "commit", 0);
  push_fitting(L, r);
  lua_pushnil(L);
  lua_setfield(L, -2, "fitting");
  r->job->done = true;
  return 0;
}

static void push_lesson(lua_State *L, const lmoe_request *r) {
  push_rows(L, r->c, &r->batch->x);
  push_targets(L, r->batch);
  push_fit_options(L, r);
}

static int l_fit(lua_State *L) {
  lmoe_request *r = lmoe_begin_request(L);
  if (!lua_isfunction(L, -1) && lmoe_find_method(L, "start_fit")) {
    push_lesson(L, r);
    lmoe_call_found(L, "start_fit", 4, 1);
    push_fitting(L, r);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "fitting");
    return 0;
  }
  r->job->done = true;
  if (lua_isfunction(L, -1)) return 0; /* a fixed gate */
  if (!lmoe_find_method(L, "fit")) {
    learn_each(L, r);
    return 0;
  }
  push_lesson(L, r);
  lmoe_call_found(L, "fit", 4, 0);
  return 0;
}

/* ------------------------------------------------------------------ answers */

/* Pushes who has answered, for messages: the name that a mixture gave it. */
static const char *push_who(lua_State *L, const moe_object *o) {
  bool gate = strcmp(o->type->family, "gate") == 0;
  lmoe_push_object(L, (moe_object *)o);
  LMOE_GET_VALUE(L, -1);
  lmoe_get_option(L, -1, "name");
  if (gate || !lua_isstring(L, -1))
    return lua_pushfstring(L, "the %s written in Lua",
                           gate ? "gate" : "expert");
  return lua_pushfstring(L, "expert '%s'", lua_tostring(L, -1));
}

/* What is on top is no prediction of a row: `wanted` numbers are. */
static int refuse_answer(lua_State *L, const lmoe_request *r, size_t row,
                         size_t wanted) {
  const char *got = lua_istable(L, -1) ? lua_pushfstring(L, "an array of %d",
                                                         (int)lua_rawlen(L, -1))
                                       : luaL_typename(L, -1);
  const char *who = push_who(L, r->object);
  if (wanted == 1)
    return luaL_error(L,
                      "%s: the prediction of row %d must be a number, got %s",
                      who, (int)row + 1, got);
  return luaL_error(
      L, "%s: the prediction of row %d must be an array of %d numbers, got %s",
      who, (int)row + 1, (int)wanted, got);
}

static double check_answer(lua_State *L, const lmoe_request *r, size_t row) {
  if (lua_type(L, -1) != LUA_TNUMBER) refuse_answer(L, r, row, 1);
  return lua_tonumber(L, -1);
}

/* The expert that the answer on top of a gate chooses, by name or number. */
static void read_choice(lua_State *L, const lmoe_request *r, size_t row,
                        double *out) {
  const moe_labels *names = &r->fitted->labels;
  double number = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
  bool found = false;
  for (size_t e = 0; e < r->fitted->n_outputs; e++) {
    out[e] = number == (double)e + 1;
    if (lua_type(L, -1) == LUA_TSTRING && e < names->n)
      out[e] = strcmp(lua_tostring(L, -1), names->items[e].text) == 0;
    found = found || out[e] == 1;
  }
  if (!found)
    luaL_error(
        L, "the gate chooses no expert for row %d: %s", (int)row + 1,
        lua_isstring(L, -1) ? lua_tostring(L, -1) : luaL_typename(L, -1));
}

/* The answer on top for one row: a number, an array of n_outputs, or a gate's
   choice. */
static void read_row(lua_State *L, const lmoe_request *r, size_t row,
                     double *out) {
  size_t n = r->fitted->n_outputs;
  if (r->fitted->task == MOE_GATING && !lua_istable(L, -1)) {
    read_choice(L, r, row, out);
    return;
  }
  if (n == 1 && !lua_istable(L, -1)) {
    *out = check_answer(L, r, row);
    return;
  }
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) != n)
    refuse_answer(L, r, row, n);
  for (size_t k = 0; k < n; k++) {
    lua_rawgeti(L, -1, (int)k + 1);
    out[k] = check_answer(L, r, row);
    lua_pop(L, 1);
  }
}

static void read_tensor(lua_State *L, const lmoe_request *r,
                        const moe_tensor *t) {
  size_t n = r->rows->n * r->fitted->n_outputs;
  if (t->dtype != MOE_F32 || t->n != n)
    luaL_error(L, "%s: the predictions must be a float tensor of %d × %d",
               push_who(L, r->object), (int)r->rows->n,
               (int)r->fitted->n_outputs);
  for (size_t i = 0; i < n; i++) r->out[i] = (double)t->f[i];
}

static void read_rows(lua_State *L, const lmoe_request *r) {
  const moe_tensor *t = lmoe_test_tensor(L, -1);
  if (t != NULL) {
    read_tensor(L, r, t);
    return;
  }
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) != r->rows->n)
    luaL_error(L, "%s: the predictions must be an array or a tensor of %d rows",
               push_who(L, r->object), (int)r->rows->n);
  for (size_t i = 0; i < r->rows->n; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    read_row(L, r, i, r->out + i * r->fitted->n_outputs);
    lua_pop(L, 1);
  }
}

/* A label, or label → probability, becomes a row of probabilities; labels that
   the expert was not trained on have no place in it. */
static void read_label(lua_State *L, const lmoe_request *r, size_t row,
                       double *out) {
  const moe_labels *labels = &r->fitted->labels;
  for (size_t k = 0; k < labels->n; k++) {
    lmoe_push_label(L, &labels->items[k]);
    if (lua_istable(L, -2)) {
      lua_rawget(L, -2);
      out[k] = lua_isnil(L, -1) ? 0 : check_answer(L, r, row);
    } else {
      out[k] = lua_rawequal(L, -1, -2);
    }
    lua_pop(L, 1);
  }
}

static void read_labels(lua_State *L, const lmoe_request *r) {
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) != r->rows->n)
    luaL_error(L, "%s: predict must give an array of %d labels",
               push_who(L, r->object), (int)r->rows->n);
  for (size_t i = 0; i < r->rows->n; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    read_label(L, r, i, r->out + i * r->fitted->n_outputs);
    lua_pop(L, 1);
  }
}

static void predict_each(lua_State *L, const lmoe_request *r, bool labelled) {
  const char *name = "predict_one";
  double *x = moe_scratch(&r->c->call, r->rows->d, sizeof *x);
  if (x == NULL) luaL_error(L, "%s", r->c->call.error.text);
  for (size_t i = 0; i < r->rows->n; i++) {
    double *out = r->out + i * r->fitted->n_outputs;
    moe_rows_doubles(r->rows, i, 1, x);
    if (labelled && lmoe_find_method(L, "predict_proba_one"))
      name = "predict_proba_one";
    else if (!lmoe_find_method(L, name))
      luaL_error(L, "%s needs predict or predict_one", push_who(L, r->object));
    push_sample(L, x, r->rows->d);
    lmoe_call_found(L, name, 2, 1);
    if (labelled)
      read_label(L, r, i, out);
    else
      read_row(L, r, i, out);
    lua_pop(L, 1);
  }
}

static int l_forward(lua_State *L) {
  lmoe_request *r = lmoe_begin_request(L);
  if (lua_isfunction(L, -1)) {
    push_rows(L, r->c, r->rows);
    lmoe_call_found(L, "the gate", 1, 1);
  } else if (lmoe_find_method(L, "forward")) {
    push_rows(L, r->c, r->rows);
    lmoe_call_found(L, "forward", 2, 1);
  } else {
    return luaL_error(L, "a gate written in Lua needs forward");
  }
  read_rows(L, r);
  return 0;
}

static int l_predict(lua_State *L) {
  lmoe_request *r = lmoe_begin_request(L);
  bool labelled = r->fitted->task == MOE_CLASSIFICATION;
  const char *name = labelled ? "predict_proba" : "predict";
  if (r->fitted->task == MOE_GATING) {
    lua_settop(L, 1);
    return l_forward(L);
  }
  if (!lmoe_find_method(L, name)) {
    name = "predict";
    if (!lmoe_find_method(L, name)) {
      predict_each(L, r, labelled);
      return 0;
    }
  }
  push_rows(L, r->c, r->rows);
  if (labelled) push_classes(L, r->fitted);
  lmoe_call_found(L, name, labelled ? 3 : 2, 1);
  if (labelled && strcmp(name, "predict") == 0)
    read_labels(L, r);
  else
    read_rows(L, r);
  return 0;
}

/* -------------------------------------------------------------------- the host
 */

static moe_status fit(moe_call *call, moe_job *job, bool first) {
  lmoe_request r = {.fitted = job->state, .batch = &job->batch, .job = job};
  return lmoe_run_request(call, job->object, first ? l_fit : l_step, &r);
}

static moe_status publish(moe_call *call, moe_job *job) {
  lmoe_request r = {.job = job};
  return lmoe_run_request(call, job->object, l_publish, &r);
}

static moe_status learn(moe_call *call, const moe_object *o,
                        const moe_fitted *f, const moe_batch *batch) {
  lmoe_request r = {.fitted = f, .batch = batch};
  return lmoe_run_request(call, o, l_learn, &r);
}

static moe_status predict(moe_call *call, const moe_object *o,
                          const moe_fitted *f, const moe_rows *x, double *out) {
  lmoe_request r = {.fitted = f, .rows = x, .out = out};
  return lmoe_run_request(call, o, l_predict, &r);
}

/* foreign(family, value): an expert or a gate around a table or function. */
int lmoe_new_foreign(lua_State *L) {
  const char *family = luaL_checkstring(L, 1);
  if (!lua_istable(L, 2) && !lua_isfunction(L, 2) && !lua_isuserdata(L, 2))
    luaL_error(L, "a %s written in Lua is a table%s, got a %s", family,
               strcmp(family, "gate") == 0 ? " or a function" : "",
               luaL_typename(L, 2));
  lmoe_push_foreign(L, 2, family);
  return 1;
}

const moe_foreign lmoe_foreign = {.fit = fit,
                                  .publish = publish,
                                  .learn = learn,
                                  .predict = predict,
                                  .clone = lmoe_clone_foreign,
                                  .exchange = lmoe_exchange_foreign,
                                  .get_state = lmoe_get_foreign_state};
