/* The module moe.core: its per-state record, boxes, calls and registration. */
#include "lmoe.h"

#include <string.h>
#include <time.h>

/* What one Lua state shares among its calls; kept in the registry. */
typedef struct lmoe_state {
  lmoe_desk desk;
  int threads;
  atomic_bool interrupt;
  size_t charged, recent, owed; /* bytes outside the heap: in all, since a full
                                   collection, since a step */
  bool collecting;              /* a finaliser may be running */
} lmoe_state;

static const char state_key, call_key, spare_key, numbers_key;

static lmoe_state *get_state(lua_State *L) {
  lmoe_state *s;
  lmoe_get_registry(L, &state_key);
  s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return s;
}

/* -------------------------------------------------------------------- boxes */

void *lmoe_push_larger_box(lua_State *L, const char *family, size_t size) {
  lmoe_box *box = lua_newuserdata(L, size);
  memset(box, 0, size);
  luaL_getmetatable(L, family);
  box->family = lua_topointer(L, -1);
  lua_setmetatable(L, -2);
  return box;
}

lmoe_box *lmoe_push_box(lua_State *L, const char *family) {
  return lmoe_push_larger_box(L, family, sizeof(lmoe_box));
}

lmoe_box *lmoe_find_box(lua_State *L, int index, const char *family) {
  lmoe_box *box = NULL;
  bool same;
  if (lua_type(L, index) != LUA_TUSERDATA || lua_rawlen(L, index) < sizeof *box)
    return NULL;
  box = lua_touserdata(L, index);
  luaL_getmetatable(L, family);
  same = box->family == lua_topointer(L, -1);
  lua_pop(L, 1);
  return same ? box : NULL;
}

lmoe_box *lmoe_want_box(lua_State *L, int index, const char *family) {
  lmoe_box *box = lmoe_find_box(L, index, family);
  if (box == NULL)
    luaL_argerror(L, index,
                  lua_pushfstring(L, "%s expected, got %s", family,
                                  luaL_typename(L, index)));
  return box;
}

void *lmoe_test_box(lua_State *L, int index, const char *family) {
  lmoe_box *box = lmoe_find_box(L, index, family);
  return box != NULL && !box->closed ? box->pointer : NULL;
}

void *lmoe_check_box(lua_State *L, int index, const char *family) {
  lmoe_box *box = lmoe_want_box(L, index, family);
  if (box->closed || box->pointer == NULL)
    luaL_error(L, "attempt to use a closed %s",
               strncmp(family, "moe.", 4) == 0 ? family + 4 : family);
  return box->pointer;
}

void lmoe_push_function(lua_State *L, const char *family, lua_CFunction f) {
  lua_pushlightuserdata(L, lmoe_desk_of(L));
  luaL_getmetatable(L, family);
  lua_pushcclosure(L, f, 2);
}

void lmoe_add_functions(lua_State *L, const char *family, const luaL_Reg *r) {
  for (; r->name != NULL; r++) {
    lmoe_push_function(L, family, r->func);
    lua_setfield(L, -2, r->name);
  }
}

void lmoe_set_functions(lua_State *L, const luaL_Reg *r) {
  for (; r->name != NULL; r++) {
    lua_pushlightuserdata(L, lmoe_desk_of(L));
    lua_pushcclosure(L, r->func, 1);
    lua_setfield(L, -2, r->name);
  }
}

/* Ours are those that have the desk for their first upvalue. */
static bool is_ours(lua_State *L, int function) {
  if (!lua_iscfunction(L, function) || lua_getupvalue(L, function, 1) == NULL)
    return false;
  bool ours = lua_touserdata(L, -1) == lmoe_desk_of(L);
  lua_pop(L, 1);
  return ours;
}

/* Whether that is what the function called as a method has in its first
   argument. */
static bool is_method_of(lua_State *L, lua_Debug *frame, const moe_object *o) {
  if (lua_getlocal(L, frame, 1) == NULL) return false;
  const lmoe_box *box = lua_touserdata(L, -1);
  bool same =
      box != NULL && lua_rawlen(L, -1) >= sizeof *box && box->pointer == o;
  lua_pop(L, 1);
  return same;
}

bool lmoe_is_amid(lua_State *L, const moe_object *o) {
  lua_Debug frame;
  bool found = false;
  luaL_checkstack(L, LUA_MINSTACK, "methods");
  for (int level = 1; !found && lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "f", &frame);
    found =
        is_ours(L, lua_gettop(L)) && (o == NULL || is_method_of(L, &frame, o));
    lua_pop(L, 1);
  }
  return found;
}

void lmoe_new_family(lua_State *L, const char *family, const luaL_Reg *methods,
                     lua_CFunction close) {
  const luaL_Reg closers[] = {
      {"__gc", close}, {"__close", close}, {"close", close}, {NULL, NULL}};
  luaL_newmetatable(L, family);
  lua_pushstring(L, family);
  lua_setfield(L, -2, "__name");
  lua_getfield(L, -1, "methods");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  for (const luaL_Reg *lists[] = {closers, methods, NULL}, **list = lists;
       *list != NULL; list++)
    for (const luaL_Reg *r = *list; r->name != NULL; r++) {
      lmoe_push_function(L, family, r->func);
      lua_setfield(L, strncmp(r->name, "__", 2) == 0 ? -3 : -2, r->name);
    }
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_getfield(L, -2, "__index");
  if (lua_isnil(L, -1)) {
    lua_pushvalue(L, -2);
    lua_setfield(L, -4, "__index");
  }
  lua_pop(L, 3);
}

void lmoe_add_methods(lua_State *L, const char *family,
                      const luaL_Reg *methods) {
  luaL_getmetatable(L, family);
  lua_getfield(L, -1, "methods");
  lmoe_add_functions(L, family, methods);
  lua_pop(L, 2);
}

/* methods("Learner"): the table in which the family's methods are found, so
   that modules in Lua can add theirs. */
static int l_methods(lua_State *L) {
  lua_pushfstring(L, "moe.%s", luaL_checkstring(L, 1));
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (!lua_istable(L, -1))
    return luaL_error(L, "there is no family '%s'", lua_tostring(L, 1));
  lua_getfield(L, -1, "methods");
  return 1;
}

/* A step of so many kilobytes, or for a negative number a full collection. */
static int l_nudge(lua_State *L) {
  const int *kilobytes = lua_touserdata(L, 1);
  lua_gc(L, *kilobytes < 0 ? LUA_GCCOLLECT : LUA_GCSTEP, *kilobytes);
  return 0;
}

/* Protected: a finaliser may fail, which is nothing to the caller. */
static void nudge(lua_State *L, lmoe_state *s, int kilobytes) {
  s->collecting = true;
  if (lmoe_protect(L, l_nudge, &kilobytes) != 0) lua_pop(L, 1);
  s->collecting = false;
}

/* What is owed to the collector, in kilobytes of its own heap: it is to go
   round once when all bytes have doubled, of which it sees but its own, and
   when there are some megabytes more. */
static int steps_for(lua_State *L, const lmoe_state *s) {
  enum { MORE = 8 << 10 };
  double own = lua_gc(L, LUA_GCCOUNT, 0), owed = (double)(s->owed >> 10);
  return (int)(owed * own / (own + MORE + (double)(s->charged >> 10)));
}

/* Bytes outside Lua's heap are invisible to its collector, so it is told: a
   step for what was added, a full collection when that has doubled.  What was
   freed since the last one was not added. */
void lmoe_charge_for(lua_State *L, size_t *charged, size_t bytes) {
  enum { NUDGE = 1 << 20, LEAST = 64 << 20, STEP = 16 };
  lmoe_state *s = get_state(L);
  size_t before = *charged, gone = before > bytes ? before - bytes : 0;
  *charged = bytes;
  s->charged += bytes - before;
  s->recent -= gone < s->recent ? gone : s->recent;
  if (bytes <= before || s->collecting) return;
  s->recent += bytes - before;
  if (s->recent < NUDGE) return;
  s->owed += bytes - before;
  bool full = s->recent > LEAST && s->recent > s->charged / 2;
  int steps = full ? -1 : steps_for(L, s);
  if (full) s->recent = 0;
  if (!full && steps < STEP) return;
  s->owed = 0;
  nudge(L, s, steps);
}

void lmoe_charge(lua_State *L, lmoe_box *box, size_t bytes) {
  lmoe_charge_for(L, &box->charged, bytes);
}

/* -------------------------------------------------------------------- calls */

double lmoe_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_expired(void *data) {
  const lmoe_call *c = data;
  return c->deadline > 0 && lmoe_now() >= c->deadline;
}

static bool is_cancelled(void *data) {
  const lmoe_call *c = data;
  return atomic_load_explicit(c->interrupt, memory_order_relaxed);
}

/* The scratch of a call that serves again is kept. */
static void prepare_call(lua_State *L, lmoe_state *s, lmoe_call *c,
                         struct moe_scratch_block *scratch) {
  memset(c, 0, sizeof *c);
  c->L = L;
  c->error = c->anchors = LUA_NOREF;
  c->interrupt = &s->interrupt;
  c->host = (moe_host){.expired = is_expired,
                       .cancelled = is_cancelled,
                       .foreign = &lmoe_foreign,
                       .data = c};
  moe_call_init(&c->call, &c->host, s->threads);
  c->call.scratch = scratch;
}

/* The registry has the call that was made last, which serves again once it has
   ended.  One that a raise cut off never ends: the next to begin finds it taken
   and leaves it to the collector, which frees what it holds. */
lmoe_call *lmoe_begin(lua_State *L) {
  lmoe_get_registry(L, &spare_key);
  lmoe_call *c = lua_touserdata(L, -1);
  if (c == NULL || c->taken) {
    lua_pop(L, 1);
    c = lua_newuserdata(L, sizeof *c);
    prepare_call(L, get_state(L), c, NULL);
    lmoe_get_registry(L, &call_key);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lmoe_set_registry(L, &spare_key);
  } else {
    prepare_call(L, get_state(L), c, c->call.scratch);
  }
  c->taken = true;
  return c;
}

void lmoe_hold(lmoe_call *c, void *data, void (*release)(void *)) {
  if (c->data != NULL) c->release_data(c->data);
  c->data = data;
  c->release_data = release;
}

static void end_call(lua_State *L, lmoe_call *c) {
  moe_scratch_drop(&c->call, (moe_scratch_mark){0});
  lmoe_hold(c, NULL, NULL);
  luaL_unref(L, LUA_REGISTRYINDEX, c->anchors);
  luaL_unref(L, LUA_REGISTRYINDEX, c->error);
  c->anchors = c->error = LUA_NOREF;
  c->taken = false;
}

static int l_free_call(lua_State *L) {
  lmoe_call *c = lua_touserdata(L, 1);
  end_call(L, c);
  moe_call_end(&c->call);
  return 0;
}

static int raise(lua_State *L, lmoe_call *c, moe_status status) {
  bool own = status == MOE_EHOST && c->raised;
  if (own) lua_rawgeti(L, LUA_REGISTRYINDEX, c->error);
  if (c->callbacks == 0) end_call(L, c);
  return own ? lua_error(L) : luaL_error(L, "%s", c->call.error.text);
}

/* The interrupt flag falls with the call that it ended. */
static void lower_flag(lua_State *L, moe_status status) {
  if (status == MOE_ECANCELLED) atomic_store(&get_state(L)->interrupt, false);
}

void lmoe_end(lua_State *L, lmoe_call *c, moe_status status) {
  if (c->at_desk) {
    lmoe_desk_end(L, (lmoe_desk *)(void *)c, status);
    return;
  }
  lower_flag(L, status);
  if (status != MOE_OK) raise(L, c, status);
  end_call(L, c);
}

int lmoe_refuse(lua_State *L, lmoe_call *c, moe_status status) {
  lower_flag(L, status);
  if (status != MOE_EIO && status != MOE_EFORMAT && status != MOE_EUNSUPPORTED)
    return raise(L, c, status);
  end_call(L, c);
  lua_pushnil(L);
  lua_pushstring(L, c->call.error.text);
  lua_pushstring(L, moe_status_name(status));
  return 3;
}

atomic_bool *lmoe_interrupt_flag(lua_State *L) {
  return &get_state(L)->interrupt;
}

void lmoe_anchor(lua_State *L, lmoe_call *c) {
  if (c->anchors == LUA_NOREF) {
    lua_newtable(L);
    c->anchors = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->anchors);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

/* ----------------------------------------------------------------- the desk */

lmoe_desk *lmoe_desk_of(lua_State *L) { return &get_state(L)->desk; }

lmoe_call *lmoe_desk_begin(lua_State *L, lmoe_desk *d) {
  d->busy = true;
  d->call.L = L;
  d->call.call.threads = ((const lmoe_state *)d)->threads;
  return &d->call;
}

lmoe_call *lmoe_begin_briefly(lua_State *L, lmoe_desk *d) {
  return d->busy ? lmoe_begin(L) : lmoe_desk_begin(L, d);
}

/* What callbacks left behind. */
static void clear_desk(lua_State *L, lmoe_desk *d) {
  lmoe_call *c = &d->call;
  moe_scratch_drop(&c->call, (moe_scratch_mark){0});
  c->call.pool = NULL;
  c->call.recording = false;
  d->busy = false;
  if (c->error == LUA_NOREF && c->anchors == LUA_NOREF && c->data == NULL)
    return;
  lmoe_hold(c, NULL, NULL);
  luaL_unref(L, LUA_REGISTRYINDEX, c->anchors);
  luaL_unref(L, LUA_REGISTRYINDEX, c->error);
  c->anchors = c->error = LUA_NOREF;
  c->raised = false;
}

/* Finalisers that run before the error is raised may use the desk again; what
   is raised in a callback does not end the call. */
static void raise_at_desk(lua_State *L, lmoe_desk *d, moe_status status) {
  lmoe_call *c = &d->call;
  moe_error error = c->call.error;
  bool own = status == MOE_EHOST && c->raised;
  if (own) lua_rawgeti(L, LUA_REGISTRYINDEX, c->error);
  if (c->callbacks == 0) clear_desk(L, d);
  lower_flag(L, status);
  if (own) lua_error(L);
  luaL_error(L, "%s", error.text);
}

void lmoe_desk_end(lua_State *L, lmoe_desk *d, moe_status status) {
  if (status == MOE_OK)
    clear_desk(L, d);
  else
    raise_at_desk(L, d, status);
}

void lmoe_desk_reserve(lua_State *L, lmoe_desk *d, size_t n) {
  double *numbers;
  if (n <= d->room || d->busy || n > PTRDIFF_MAX / sizeof *numbers) return;
  numbers = lua_newuserdata(L, n * sizeof *numbers);
  lmoe_set_registry(L, &numbers_key);
  d->numbers = numbers;
  d->room = n;
}

static int l_free_desk(lua_State *L) {
  lmoe_state *s = lua_touserdata(L, 1);
  moe_call_end(&s->desk.call.call);
  return 0;
}

/* ---------------------------------------------------------------- functions */

static int l_set_threads(lua_State *L) {
  lua_Number n = luaL_checknumber(L, 1);
  if (!(n >= 1 && n <= 256) || n != (lua_Number)(int)n)
    return luaL_error(L,
                      "set_threads: threads must be an integer in [1, 256], "
                      "got %f",
                      n);
  get_state(L)->threads = (int)n;
  return 0;
}

static int l_threads(lua_State *L) {
  lua_pushinteger(L, get_state(L)->threads);
  return 1;
}

/* now(): seconds of a clock that only goes forward. */
static int l_now(lua_State *L) {
  lua_pushnumber(L, lmoe_now());
  return 1;
}

static int l_memory(lua_State *L) {
  lmoe_push_number(L, (double)get_state(L)->charged);
  return 1;
}

/* nearest(name, names): which of them was meant; nil if none is near. */
static int l_nearest(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  size_t n = lua_rawlen(L, 2);
  const char **names = lua_newuserdata(L, (n + 1) * sizeof *names);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 2, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      return luaL_error(L, "nearest: names[%d] is no string", (int)i + 1);
    names[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  lua_pushstring(L, moe_nearest_name(name, names, n));
  return 1;
}

static int l_fail_after(lua_State *L) {
  moe_alloc_fail_after((long)luaL_checknumber(L, 1));
  return 0;
}

static int l_live(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moe_alloc_live());
  return 1;
}

static const luaL_Reg functions[] = {{"now", l_now},
                                     {"set_threads", l_set_threads},
                                     {"threads", l_threads},
                                     {"memory", l_memory},
                                     {"methods", l_methods},
                                     {"_fail_after", l_fail_after},
                                     {"_live", l_live},
                                     {"nearest", l_nearest},
                                     {NULL, NULL}};

/* The first block of scratch is there from the start, so that a sample that
   needs one does not have to allocate it. */
static void prepare_desk(lua_State *L, lmoe_state *s) {
  prepare_call(L, s, &s->desk.call, NULL);
  s->desk.call.at_desk = true;
  moe_scratch(&s->desk.call.call, 1, 1);
}

static void new_state(lua_State *L) {
  lmoe_state *s = lmoe_push_freed(L, sizeof *s, l_free_desk);
  s->threads = 1;
  lmoe_set_registry(L, &state_key);
  prepare_desk(L, s);
  lua_newtable(L);
  lua_pushcfunction(L, l_free_call);
  lua_setfield(L, -2, "__gc");
  lmoe_set_registry(L, &call_key);
}

__attribute__((visibility("default"))) int luaopen_moe_core(lua_State *L);
int luaopen_moe_core(lua_State *L) {
  if (get_state(L) == NULL) new_state(L);
  lua_newtable(L);
  lmoe_set_functions(L, functions);
  lua_pushstring(L, MOE_VERSION);
  lua_setfield(L, -2, "_VERSION");
  lmoe_open_objects(L);
  lmoe_open_learners(L);
  lmoe_open_contributions(L);
  lmoe_open_intervals(L);
  lmoe_open_import(L);
  lmoe_open_jobs(L);
  lmoe_open_files(L);
  lmoe_open_mixture(L);
  lmoe_open_route(L);
  lmoe_open_transforms(L);
  lmoe_open_detectors(L);
  lmoe_open_tensor(L);
  lmoe_open_tape(L);
  lmoe_open_layers(L);
  lmoe_open_sparse(L);
  lmoe_open_table(L);
  lmoe_open_arrays(L);
  lmoe_open_processes(L);
  lmoe_open_samples(L);
  lmoe_open_random(L);
  lmoe_open_streams(L);
  return 1;
}
