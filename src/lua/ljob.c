/* Fitting: a job in a userdata of its own, so that a raise or the collector
   ends it whatever happens.  m:fit(…) runs one to its end; m:start_fit(…) hands
   it out, to be stepped within a budget, and committed whenever what it has
   come to would serve. */
#include <stdio.h>
#include <string.h>

#include "lmoe.h"
#include "mixture.h"

#define JOB "moe.Job"
#define NOT_MIXTURE "'%s' is for mixtures, not for %s"

typedef struct running {
  lmoe_box box;
  moe_job *job; /* NULL once it has ended */
  lmoe_call *c;
  double started;
  bool busy;   /* in a step or a commit, which may call back */
  bool closed; /* meanwhile: it ends when that is over */
} running;

/* The option as one of the names, counted from 0; -1 where it is nil. */
static int opt_choice(lua_State *L, int options, const char *name,
                      const char *const *names) {
  int found = -1;
  lmoe_get_option(L, options, name);
  for (int i = 0; names[i] != NULL && lua_type(L, -1) == LUA_TSTRING; i++)
    if (strcmp(names[i], lua_tostring(L, -1)) == 0) found = i;
  if (found < 0 && !lua_isnil(L, -1)) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 0; names[i] != NULL; i++) {
      if (i > 0) luaL_addstring(&b, ", ");
      luaL_addstring(&b, names[i]);
    }
    luaL_pushresult(&b);
    luaL_error(L, "'%s' must be one of: %s", name, lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  return found;
}

/* How a mixture is to be trained this time: NULL where no option says. */
static const moe_plan *opt_plan(lua_State *L, lmoe_call *c, int options,
                                const moe_object *o) {
  static const char *const stages[] = {"all", "experts", "gate", NULL};
  static const char *const own[] = {"method", "stage", "rounds", "unseen",
                                    NULL};
  bool given = false,
       mixture = moe_learner_answering(o)->type == &moe_mixture_of_experts.type;
  if (!lua_istable(L, options)) return NULL;
  for (int i = 0; own[i] != NULL; i++) {
    lmoe_get_option(L, options, own[i]);
    if (!lua_isnil(L, -1) && !mixture)
      luaL_error(L, NOT_MIXTURE, own[i], o->type->name);
    given = given || !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  lmoe_get_option(L, options, "subsets");
  bool named = lua_type(L, -1) == LUA_TSTRING;
  lua_pop(L, 1);
  if (named && !mixture) luaL_error(L, NOT_MIXTURE, "subsets", o->type->name);
  if (!given && !named) return NULL;
  moe_plan *plan = moe_scratch(&c->call, 1, sizeof *plan);
  if (plan == NULL) lmoe_end(L, c, MOE_ENOMEM);
  double rounds = lmoe_opt_number(L, options, "rounds", 1, 0x1p53, 0);
  int stage = opt_choice(L, options, "stage", stages);
  *plan = (moe_plan){
      .training = opt_choice(L, options, "method", moe_training_choices),
      .subsets =
          named ? opt_choice(L, options, "subsets", moe_subsets_choices) : -1,
      .stage = stage < 0 ? MOE_WHOLE : stage,
      .unseen = lmoe_opt_flag(L, options, "unseen", false),
      .rounds = rounds > 0 ? (int64_t)rounds : MOE_NO_INT};
  return plan;
}

static void end_running(running *r) {
  moe_job_end(r->job);
  r->job = NULL;
}

/* What the engine does with the job, during which callbacks find it busy. */
static moe_status work(lua_State *L, running *r,
                       moe_status (*act)(moe_call *call, moe_job *job)) {
  r->c->L = L;
  r->busy = true;
  moe_status status = act(&r->c->call, r->job);
  r->busy = false;
  if (!r->closed) return status;
  end_running(r);
  return luaL_error(L, "the job was closed by a callback of its own");
}

static void warm(lua_State *L, running *r, int options) {
  if (!lua_istable(L, options) || !lmoe_opt_flag(L, options, "warm", false))
    return;
  if (moe_job_warm(r->job)) return;
  const char *name = r->job->object->type->name;
  end_running(r);
  luaL_error(L,
             "'warm' needs a %s that was fitted to these columns and classes",
             name);
}

/* Pushes the running job of (self, X, y, options): a userdata whose own table
   holds all that the job borrows. */
static running *push_running(lua_State *L, double *budget_ms) {
  static const char *const known[] = {
      "weights", "subsets", "groups", "method",    "stage",
      "rounds",  "unseen",  "warm",   "budget_ms", NULL};
  moe_object *o = lmoe_check_idle_self(L);
  moe_batch batch;
  running *r;
  lua_settop(L, 4);
  lmoe_call *c = lmoe_begin(L);
  int call = lua_gettop(L);
  int options = lmoe_check_batch(L, c, 2, o, &batch);
  lmoe_check_options(L, options, known);
  *budget_ms = lmoe_opt_number(L, options, "budget_ms", 0, 1e12, 0);
  batch.plan = opt_plan(L, c, options, o);
  r = lmoe_push_larger_box(L, JOB, sizeof *r);
  r->c = c;
  r->started = lmoe_now();
  lua_newtable(L);
  for (int i = 1; i <= call; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  LMOE_SET_VALUE(L, -2);
  LMOE_TRY(L, c, moe_job_begin(&c->call, o, &batch, &r->job));
  warm(L, r, options);
  return r;
}

/* Raises what made the job fail, after ending it. */
static void check_job(lua_State *L, running *r, moe_status status) {
  if (status == MOE_OK) return;
  end_running(r);
  lmoe_end(L, r->c, status);
}

static bool run(lua_State *L, running *r, double budget_ms) {
  r->c->deadline = budget_ms > 0 ? lmoe_now() + budget_ms / 1000 : 0;
  do check_job(L, r, work(L, r, moe_job_step));
  while (!r->job->done && !moe_call_pausing(&r->c->call));
  return r->job->done;
}

static void push_series(lua_State *L, const moe_job *job) {
  for (size_t i = 0; i < job->n_series; i++) {
    const moe_series *t = &job->series[i];
    if (t->n == 0) continue;
    lua_newtable(L);
    for (size_t k = 0; k < t->n; k++) {
      lua_pushnumber(L, t->values[k]);
      lua_rawseti(L, -2, (int)k + 1);
    }
    lua_setfield(L, -2, t->name);
  }
}

/* { done, rows, seconds, notes }, and the job's series by their names */
static void push_history(lua_State *L, const running *r) {
  lua_newtable(L);
  lua_pushboolean(L, r->job->done);
  lua_setfield(L, -2, "done");
  lmoe_push_number(L, (double)r->job->batch.x.n);
  lua_setfield(L, -2, "rows");
  lua_pushnumber(L, lmoe_now() - r->started);
  lua_setfield(L, -2, "seconds");
  lua_newtable(L);
  for (size_t i = 0; i < r->job->n_notes; i++) {
    lua_pushstring(L, r->job->notes[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "notes");
  push_series(L, r->job);
  luaL_getmetatable(L, "moe.History");
  lua_setmetatable(L, -2);
}

static void recharge(lua_State *L, const moe_object *o) {
  lmoe_push_object(L, (moe_object *)o);
  lmoe_charge(L, lua_touserdata(L, -1), moe_object_bytes(o));
  lua_pop(L, 1);
}

/* Pushes the object and the history; a job that is done ends with it. */
static int push_committed(lua_State *L, running *r) {
  const moe_object *o = r->job->object;
  lmoe_push_object(L, (moe_object *)o);
  push_history(L, r);
  recharge(L, o);
  if (!r->job->done) return 2;
  end_running(r);
  lmoe_end(L, r->c, MOE_OK);
  return 2;
}

/* What is not done when its budget is spent ends all the same: who wants to go
   on takes start_fit. */
static int l_fit(lua_State *L) {
  double budget_ms;
  running *r = push_running(L, &budget_ms);
  bool done = run(L, r, budget_ms);
  check_job(L, r, work(L, r, moe_job_commit));
  push_committed(L, r);
  if (done) return 2;
  end_running(r);
  lmoe_end(L, r->c, MOE_OK);
  return 2;
}

static int l_start_fit(lua_State *L) {
  double unused;
  push_running(L, &unused);
  return 1;
}

static running *want_running(lua_State *L) {
  return (running *)lmoe_want_box(L, 1, JOB);
}

static running *check_running(lua_State *L) {
  running *r = want_running(L);
  if (r->job == NULL) luaL_error(L, "the job has ended");
  if (r->busy) luaL_error(L, "the job is at work: this is a callback of it");
  return r;
}

static int l_step(lua_State *L) {
  static const char *const known[] = {"budget_ms", NULL};
  running *r = check_running(L);
  lmoe_check_options(L, 2, known);
  lua_pushboolean(L, run(L, r, lmoe_opt_number(L, 2, "budget_ms", 0, 1e12, 0)));
  return 1;
}

/* A job that goes on gives the object a copy; one that cannot commit yet stays
   as it was. */
static int l_commit(lua_State *L) {
  running *r = check_running(L);
  lmoe_refuse_amid(L, r->job->object);
  if (work(L, r, moe_job_commit) != MOE_OK)
    return luaL_error(L, "%s", r->c->call.error.text);
  return push_committed(L, r);
}

static int l_close(lua_State *L) {
  running *r = want_running(L);
  r->closed = true;
  if (!r->busy) end_running(r);
  return 0;
}

static int l_tostring(lua_State *L) {
  const running *r = want_running(L);
  if (r->job == NULL)
    lua_pushliteral(L, "job: ended");
  else
    lua_pushfstring(L, "job: %s on %d rows, %s", r->job->object->type->name,
                    (int)r->job->batch.x.n,
                    r->job->done ? "done, not committed" : "running");
  return 1;
}

static int l_print_history(lua_State *L) {
  char line[120];
  luaL_Buffer b;
  lua_getfield(L, 1, "rows");
  lua_getfield(L, 1, "seconds");
  lua_getfield(L, 1, "done");
  snprintf(line, sizeof line, "fitted on %.0f rows in %.3f s%s",
           lua_tonumber(L, -3), lua_tonumber(L, -2),
           lua_toboolean(L, -1)
               ? ""
               : " (out of budget: not done; a job of start_fit can go on)");
  lua_getfield(L, 1, "notes");
  luaL_buffinit(L, &b);
  luaL_addstring(&b, line);
  for (int i = 1; lua_istable(L, 5); i++) {
    lua_rawgeti(L, 5, i);
    if (!lua_isstring(L, -1)) {
      lua_pop(L, 1);
      break;
    }
    luaL_addstring(&b, "\n  ");
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
  return 1;
}

static const luaL_Reg job_methods[] = {{"step", l_step},
                                       {"commit", l_commit},
                                       {"__tostring", l_tostring},
                                       {NULL, NULL}};
static const luaL_Reg history_methods[] = {{"__tostring", l_print_history},
                                           {NULL, NULL}};
static const luaL_Reg fit_methods[] = {
    {"fit", l_fit}, {"start_fit", l_start_fit}, {NULL, NULL}};

void lmoe_open_jobs(lua_State *L) {
  static const char *const families[] = {LMOE_LEARNER, LMOE_GATE};
  lmoe_new_family(L, JOB, job_methods, l_close);
  luaL_newmetatable(L, "moe.History");
  lmoe_set_functions(L, history_methods);
  lua_pop(L, 1);
  for (size_t i = 0; i < 2; i++) lmoe_add_methods(L, families[i], fit_methods);
}
