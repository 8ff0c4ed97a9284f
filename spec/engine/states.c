/* A host of several Lua states, in threads and in forks, and of a Lua that runs
   out of memory.  Lua finds the module by LUA_PATH and LUA_CPATH. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promises.h"

/* ------------------------------------------------------------------- scripts
 */

/* Trains a mixture on two threads; its bytes, always the same. */
static const char training[] =
    "local moe = require 'moe'\n"
    "moe.set_threads(2)\n"
    "local X, y = {}, {}\n"
    "for i = 1, 200 do X[i] = { i % 7, i % 11, (i * i) % 13 }\n"
    "  y[i] = (i % 7 > 3) == (i % 11 > 5) and 'yes' or 'no' end\n"
    "local m = moe.mixture { experts = { a = moe.experts.forest { trees = 8 "
    "},\n"
    "  b = moe.experts.tree {} }, folds = 2, seed = 1 }\n"
    "m:fit(X, y)\n"
    "return m:dump()";

/* Leaves everything open that can be left open. */
static const char disorder[] =
    "local moe = require 'moe'\n"
    "local X, y = { { 1 }, { 2 }, { 3 }, { 4 } }, { 'a', 'b', 'a', 'b' }\n"
    "expert = { fit = function() end,\n"
    "  predict = function(self, X) local out = {}\n"
    "    for i = 1, X.shape[1] do out[i] = 'a' end return out end,\n"
    "  clone = function(self) return self end }\n"
    "m = moe.mixture { experts = { lua = expert, c = moe.experts.tree {} },\n"
    "  folds = 2 }\n"
    "expert.owner, expert.job = m, moe.experts.forest {}:start_fit(X, y)\n"
    "m:fit(moe.tensor(X), y)\n"
    "job = m:start_fit(moe.tensor(X), y)\n"
    "job:step { budget_ms = 1e-6 }\n"
    "view = moe.zeros(10, 2):rows(2, 3)\n"
    "co = coroutine.create(function() local own = m:expert 'c':clone()\n"
    "  coroutine.yield(own) end)\n"
    "coroutine.resume(co)\n"
    "return 'left'";

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  if (L != NULL) luaL_openlibs(L);
  return L;
}

/* Runs the script; its only result, a string, stays on the stack. */
static bool run(lua_State *L, const char *script) {
  if (luaL_loadstring(L, script) == 0 && lua_pcall(L, 0, 1, 0) == 0)
    return true;
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
  return false;
}

/* What a finaliser lets go of may have one of its own. */
static long live(lua_State *L) {
  long blocks;
  if (!run(L,
           "local core = require 'moe.core'\n"
           "core._trim() for _ = 1, 3 do collectgarbage() end core._trim()\n"
           "return core._live()"))
    return -1;
  blocks = (long)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return blocks;
}

/* ------------------------------------------------------------------- threads
 */

typedef struct host {
  pthread_t thread;
  char *bytes;
  size_t size;
} host;

static void *train(void *at) {
  host *h = at;
  for (int i = 0; i < 3; i++) {
    lua_State *L = new_state();
    const char *bytes =
        run(L, training) ? lua_tolstring(L, -1, &h->size) : NULL;
    free(h->bytes);
    h->bytes = bytes != NULL ? malloc(h->size) : NULL;
    if (h->bytes != NULL) memcpy(h->bytes, bytes, h->size);
    lua_close(L);
  }
  return NULL;
}

static bool threads(void) {
  enum { HOSTS = 4 };
  host hosts[HOSTS] = {{0}};
  for (int i = 0; i < HOSTS; i++)
    pthread_create(&hosts[i].thread, NULL, train, &hosts[i]);
  for (int i = 0; i < HOSTS; i++) pthread_join(hosts[i].thread, NULL);
  for (int i = 0; i < HOSTS; i++) {
    EXPECT(hosts[i].bytes != NULL && hosts[i].size > 1000);
    EXPECT(hosts[i].size == hosts[0].size &&
           memcmp(hosts[i].bytes, hosts[0].bytes, hosts[0].size) == 0);
  }
  for (int i = 0; i < HOSTS; i++) free(hosts[i].bytes);
  return true;
}

/* --------------------------------------------------------------------- forks
 */

static bool forks(void) {
#ifdef __SANITIZE_THREAD__
  SKIP("ThreadSanitizer does not follow forks");
#endif
  lua_State *L = new_state();
  int status = -1;
  pid_t pid;
  EXPECT(run(L, training));
  pid = fork();
  if (pid == 0) {
    alarm(20);
    _exit(run(L, training) && lua_rawequal(L, -1, -2) ? 0 : 1);
  }
  waitpid(pid, &status, 0);
  EXPECT(status == 0);
  EXPECT(run(L, training) && lua_rawequal(L, -1, -2));
  lua_close(L);
  return true;
}

/* ---------------------------------------------------------------------- ends
 */

static bool closes(void) {
  lua_State *watcher = new_state();
  long before = live(watcher);
  EXPECT(before >= 0);
  for (int i = 0; i < 5; i++) {
    lua_State *L = new_state();
    EXPECT(run(L, disorder));
    lua_close(L);
    EXPECT(live(watcher) == before);
  }
  lua_close(watcher);
  return true;
}

static bool together(void) {
  lua_State *a = new_state(), *b = new_state();
  EXPECT(run(a, "require('moe').set_threads(2) return 'a'"));
  EXPECT(run(b, "return tostring(require('moe').threads())"));
  EXPECT(strcmp(lua_tostring(b, -1), "1") ==
         0); /* settings are a state's own */
  EXPECT(run(a, disorder) && run(b, disorder));
  lua_close(a);
  EXPECT(run(b, training));
  lua_close(b);
  return true;
}

/* -------------------------------------------------------------------- memory
 */

static long left = -1; /* allocations until Lua has no more; -1: no limit */

static void *allocate(void *unused, void *block, size_t old, size_t size) {
  (void)unused;
  (void)old;
  if (size == 0) {
    free(block);
    return NULL;
  }
  if (left == 0 && (block == NULL || size > old)) return NULL;
  if (left > 0) left--;
  return realloc(block, size);
}

static const char short_life[] =
    "local X = { { 1, 2 }, { 2, 1 }, { 3, 5 }, { 4, 3 } }\n"
    "local f = E.tree { max_depth = 2, class_weight = { a = 2 } }\n"
    "f:fit(X, { 'a', 'b', 'a', 'b' })\n"
    "f:predict(moe.tensor(X)) f:predict_proba(X) f:predict_one(X[1])\n"
    "local m = moe.mixture { experts = { x = f:clone(), y = expert }, folds = "
    "2 }\n"
    "m:fit(X, { 'a', 'b', 'a', 'b' })\n"
    "local again = moe.undump(f:dump()) tostring(m) m:info() m:route(X)\n"
    "again:close()";

static bool starves(void) {
  lua_State *L = lua_newstate(allocate, NULL);
  bool good = false;
  long before, n = 0;
  if (L == NULL) SKIP("this Lua chooses its own allocator");
  luaL_openlibs(L);
  EXPECT(run(L,
             "moe = require 'moe' E = moe.experts\n"
             "expert = { fit = function() end, clone = function(e) return e "
             "end,\n  predict = function(e, X) local out = {}\n"
             "  for i = 1, X.shape[1] do out[i] = 'a' end return out end }\n"
             "return ''"));
  EXPECT(luaL_loadstring(L, short_life) == 0);
  lua_pushvalue(L, -1);
  EXPECT(lua_pcall(L, 0, 0, 0) == 0);
  before = live(L);
  for (; !good; n++) {
    lua_pushvalue(L, -1);
    left = n;
    int status = lua_pcall(L, 0, 0, 0);
    left = -1;
    good = status == 0;
    if (!good && status != LUA_ERRMEM &&
        strstr(lua_tostring(L, -1), "memory") == NULL) {
      snprintf(why, sizeof why, "after %ld: %s", n, lua_tostring(L, -1));
      return false;
    }
    if (!good) lua_pop(L, 1);
    EXPECT(live(L) == before);
  }
  EXPECT(n > 100);
  lua_close(L);
  return true;
}

static const promise promises[] = {
    {"states in threads of their own train the same, to the bit", threads},
    {"a fork of a state that has worked works on", forks},
    {"a state is closed in any disorder, and nothing is left", closes},
    {"one state's settings, objects and end are nothing to another", together},
    {"Lua may run out of memory anywhere, and nothing is lost", starves},
    {NULL, NULL}};

int main(void) { return keep(promises); }
