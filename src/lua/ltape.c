#include "ltape.h"

#include <string.h>

/* What one Lua state has: a pool, and how deep it is in moe.no_grad. */
typedef struct tape {
  moe_pool *pool;
  int pauses;
} tape;

static const char tape_key, made_key;

static int l_free_tape(lua_State *L) {
  tape *t = lua_touserdata(L, 1);
  moe_pool_release(t->pool);
  t->pool = NULL;
  return 0;
}

static tape *get_tape(lua_State *L) {
  tape *t;
  lmoe_get_registry(L, &tape_key);
  t = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return t;
}

static void new_tape(lua_State *L) {
  lmoe_call *c = lmoe_begin(L);
  tape *t = lua_newuserdata(L, sizeof *t);
  memset(t, 0, sizeof *t);
  lua_newtable(L);
  lua_pushcfunction(L, l_free_tape);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lmoe_set_registry(L, &tape_key);
  lmoe_end(L, c, moe_pool_new(&c->call, &t->pool));
  lua_pop(L, 1);
}

/* ----------------------------------------------------------------- operations
 */

lmoe_call *lmoe_begin_operation(lua_State *L, size_t n,
                                moe_tensor *const *inputs) {
  tape *t = get_tape(L);
  lmoe_call *c = lmoe_begin(L);
  bool wanted = false;
  for (size_t i = 0; i < n; i++)
    wanted = wanted || (inputs[i] != NULL && inputs[i]->record != NULL);
  c->call.recording = wanted && t->pauses == 0;
  if (wanted) c->call.pool = t->pool;
  return c;
}

/* Within no_grad, what is made is remembered. */
static void remember(lua_State *L) {
  lmoe_get_registry(L, &made_key);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

int lmoe_end_operation(lua_State *L, lmoe_call *c, moe_status status,
                       moe_tensor *out) {
  lmoe_end(L, c, status);
  lmoe_push_tensor(L, out);
  if (get_tape(L)->pauses > 0) remember(L);
  return 1;
}

/* -------------------------------------------------------------------- no_grad
   Lua's no_grad lies between these two: what was made since the pause and is
   not among the values given to resume loses its value. */

static int l_pause(lua_State *L) {
  get_tape(L)->pauses++;
  lmoe_get_registry(L, &made_key);
  lua_newtable(L);
  lua_insert(L, -2);
  lua_setfield(L, -2, "before");
  lmoe_set_registry(L, &made_key);
  return 0;
}

static bool is_among(lua_State *L, int value, int n) {
  for (int k = 1; k <= n; k++)
    if (lua_rawequal(L, value, k)) return true;
  return false;
}

static int l_resume(lua_State *L) {
  int n = lua_gettop(L), made = n + 1;
  get_tape(L)->pauses--;
  lmoe_get_registry(L, &made_key);
  for (int i = 1; i <= (int)lua_rawlen(L, made); i++) {
    lua_rawgeti(L, made, i);
    moe_tensor *t = lmoe_find_tensor(L, -1);
    if (t != NULL && t->record == NULL && !is_among(L, made + 1, n))
      moe__tensor_give_back(t);
    lua_pop(L, 1);
  }
  lua_getfield(L, made, "before");
  lmoe_set_registry(L, &made_key);
  return 0;
}

/* -------------------------------------------------------------------- methods
 */

/* requires_grad(flag): true unless given. */
static int l_requires_grad(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1);
  bool required = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  lmoe_call *c = lmoe_begin(L);
  lmoe_end(L, c, moe_tape_require(&c->call, t, required));
  lua_settop(L, 1);
  return 1;
}

static int l_retain(lua_State *L) {
  moe_tape_retain(lmoe_check_tensor(L, 1));
  lua_settop(L, 1);
  return 1;
}

static int l_detach(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  lmoe_call *c = lmoe_begin(L);
  moe_tensor *out;
  moe_status status = moe_tape_detach(&c->call, t, &out);
  return lmoe_end_operation(L, c, status, out);
}

static int l_zero_grad(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1);
  if (t->record != NULL && t->record->gradient != NULL)
    memset(t->record->gradient->f, 0, t->n * sizeof *t->f);
  lua_settop(L, 1);
  return 1;
}

static const float *check_seed(lua_State *L, int options, const moe_tensor *t) {
  lmoe_get_option(L, options, "gradient");
  if (lua_isnil(L, -1)) return NULL;
  const moe_tensor *seed = lmoe_check_tensor(L, -1);
  if (seed->dtype != MOE_F32 || seed->n != t->n)
    luaL_error(L, "backward: 'gradient' must have the shape %s, is %s",
               moe_tensor_shape_text(t).text, moe_tensor_shape_text(seed).text);
  return seed->f;
}

/* backward{ gradient = the gradient by t, keep = false } */
static int l_backward(lua_State *L) {
  static const char *const known[] = {"gradient", "keep", NULL};
  moe_tensor *t = lmoe_check_tensor(L, 1);
  const float *seed = NULL;
  bool keep = false;
  lua_settop(L, 2);
  lmoe_check_options(L, 2, known);
  if (lua_istable(L, 2)) {
    keep = lmoe_opt_flag(L, 2, "keep", false);
    seed = check_seed(L, 2, t);
  }
  lmoe_call *c = lmoe_begin(L);
  c->call.pool = get_tape(L)->pool;
  lmoe_end(L, c, moe_tape_backward(&c->call, t, seed, keep));
  return 0;
}

void lmoe_push_gradient(lua_State *L, const moe_tensor *t) {
  if (t->record == NULL || t->record->gradient == NULL)
    lua_pushnil(L);
  else
    lmoe_push_tensor(L, moe_tensor_retain(t->record->gradient));
}

static const luaL_Reg methods[] = {{"requires_grad", l_requires_grad},
                                   {"retain", l_retain},
                                   {"detach", l_detach},
                                   {"zero_grad", l_zero_grad},
                                   {"backward", l_backward},
                                   {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"_pause", l_pause}, {"_resume", l_resume}, {NULL, NULL}};

void lmoe_open_tape(lua_State *L) {
  if (get_tape(L) == NULL) new_tape(L);
  lmoe_add_methods(L, LMOE_TENSOR, methods);
  lmoe_set_functions(L, functions);
  lmoe_open_custom(L);
  lmoe_open_optimise(L);
  lmoe_open_operations(L);
}
