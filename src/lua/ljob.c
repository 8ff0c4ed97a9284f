/* Fitting: a job in a userdata of its own, so that a raise or the collector
   ends it whatever happens.  m:fit(…) runs one to its end; m:start_fit(…) hands
   it out, to be stepped within a budget. */
#include <stdio.h>

#include "lmoe.h"

#define JOB "moe.Job"

typedef struct running {
  lmoe_box box;
  moe_job *job; /* NULL once it has ended */
  lmoe_call *c;
  double started;
} running;

/* Pushes the running job of (self, X, y, options): a userdata whose own table
   holds all that the job borrows. */
static running *push_running(lua_State *L, double *budget_ms) {
  static const char *const known[] = {"weights", "subsets", "groups",
                                      "budget_ms", NULL};
  moe_object *o = lmoe_test_object(L, 1);
  moe_batch batch;
  running *r;
  if (o == NULL) luaL_error(L, "fit: attempt to use a closed object");
  lua_settop(L, 4);
  lmoe_call *c = lmoe_begin(L);
  int call = lua_gettop(L);
  int options = lmoe_check_batch(L, c, 2, o, &batch);
  lmoe_check_options(L, options, known);
  *budget_ms = lmoe_opt_number(L, options, "budget_ms", 0, 1e12, 0);
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
  return r;
}

static void end_running(running *r) {
  moe_job_end(r->job);
  r->job = NULL;
}

/* Raises what made the job fail, after ending it. */
static void check_job(lua_State *L, running *r, moe_status status) {
  if (status == MOE_OK) return;
  end_running(r);
  lmoe_end(L, r->c, status);
}

static bool run(lua_State *L, running *r, double budget_ms) {
  r->c->L = L;
  r->c->deadline = budget_ms > 0 ? lmoe_now() + budget_ms / 1000 : 0;
  do check_job(L, r, moe_job_step(&r->c->call, r->job));
  while (!r->job->done && !moe_call_pausing(&r->c->call));
  return r->job->done;
}

/* { done, rows, seconds, notes } */
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
  luaL_getmetatable(L, "moe.History");
  lua_setmetatable(L, -2);
}

static void recharge(lua_State *L, const moe_object *o) {
  lmoe_push_object(L, (moe_object *)o);
  lmoe_charge(L, lua_touserdata(L, -1), moe_object_bytes(o));
  lua_pop(L, 1);
}

/* Pushes the object and the history, and ends the job. */
static int commit(lua_State *L, running *r) {
  const moe_object *o = r->job->object;
  r->c->L = L;
  check_job(L, r, moe_job_commit(&r->c->call, r->job));
  lmoe_push_object(L, (moe_object *)o);
  push_history(L, r);
  recharge(L, o);
  end_running(r);
  lmoe_end(L, r->c, MOE_OK);
  return 2;
}

static int l_fit(lua_State *L) {
  double budget_ms;
  running *r = push_running(L, &budget_ms);
  run(L, r, budget_ms);
  return commit(L, r);
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
  return r;
}

static int l_step(lua_State *L) {
  static const char *const known[] = {"budget_ms", NULL};
  running *r = check_running(L);
  lmoe_check_options(L, 2, known);
  lua_pushboolean(L, run(L, r, lmoe_opt_number(L, 2, "budget_ms", 0, 1e12, 0)));
  return 1;
}

static int l_commit(lua_State *L) { return commit(L, check_running(L)); }

static int l_close(lua_State *L) {
  end_running(want_running(L));
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
           lua_toboolean(L, -1) ? "" : " (out of budget: not done)");
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
