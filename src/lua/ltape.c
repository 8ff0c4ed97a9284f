#include "ltape.h"

#include <string.h>

/* What one Lua state has: the pool of what backward gives back, that of what
   the collector frees, and how deep it is in moe.no_grad. */
typedef struct lmoe_tape {
  moe_pool *pool, *small;
  size_t charged; /* bytes of theirs that the collector was told */
  int pauses, made;
} lmoe_tape;

static const char tape_key, made_key;

moe_pool *lmoe_small_pool(lua_State *L) { return lmoe_desk_of(L)->tape->small; }

static int l_free_tape(lua_State *L) {
  lmoe_tape *t = lua_touserdata(L, 1);
  moe_pool_release(t->pool);
  moe_pool_release(t->small);
  t->pool = t->small = NULL;
  return 0;
}

static void new_tape(lua_State *L) {
  lmoe_call *c = lmoe_begin(L);
  lmoe_tape *t = lmoe_push_freed(L, sizeof *t, l_free_tape);
  lmoe_set_registry(L, &tape_key);
  LMOE_TRY(L, c, moe_pool_new(&c->call, &t->pool));
  lmoe_end(L, c, moe_pool_new_small(&c->call, &t->small));
  lmoe_desk_of(L)->tape = t;
  lua_newtable(L);
  lmoe_set_registry(L, &made_key);
  lua_pop(L, 1);
}

/* The pools' memory counts in lumps: the collector need not hear of each item.
 */
static void charge_pools(lua_State *L, lmoe_tape *t) {
  enum { LUMP = 64 << 10 };
  size_t used = moe_pool_used(t->pool) + moe_pool_used(t->small);
  if (used > t->charged + LUMP || used + LUMP < t->charged)
    lmoe_charge_for(L, &t->charged, used);
}

/* ----------------------------------------------------------------- operations
 */

static void put_on_tape(lmoe_call *c, const lmoe_tape *t, size_t n,
                        moe_tensor *const *inputs) {
  bool wanted = false;
  for (size_t i = 0; i < n; i++)
    wanted = wanted || (inputs[i] != NULL && inputs[i]->record != NULL);
  c->call.recording = wanted && t->pauses == 0;
  c->call.pool = wanted || t->pauses > 0 ? t->pool : t->small;
}

void lmoe_put_on_tape(lua_State *L, lmoe_call *c, size_t n,
                      moe_tensor *const *inputs) {
  put_on_tape(c, lmoe_desk_of(L)->tape, n, inputs);
}

void lmoe_push_result(lua_State *L, int n) {
  lua_settop(L, n);
  lmoe_push_tensor_box(L);
}

lmoe_call *lmoe_begin_operation(lua_State *L, size_t n,
                                moe_tensor *const *inputs) {
  lmoe_desk *d = LMOE_DESK(L);
  int result = lua_gettop(L);
  lmoe_call *c = lmoe_begin_briefly(L, d);
  c->result = result;
  put_on_tape(c, d->tape, n, inputs);
  return c;
}

int lmoe_end_copy(lua_State *L, lmoe_call *c, moe_status status,
                  moe_tensor *out) {
  int result = c->result;
  lmoe_end(L, c, status);
  lua_settop(L, result);
  lmoe_fill_tensor_box(L, result, out);
  charge_pools(L, LMOE_DESK(L)->tape);
  return 1;
}

void lmoe_remember(lua_State *L) {
  lmoe_tape *t = lmoe_desk_of(L)->tape;
  lmoe_get_registry(L, &made_key);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, t->made + 1);
  t->made++;
  lua_pop(L, 1);
}

int lmoe_end_operation(lua_State *L, lmoe_call *c, moe_status status,
                       moe_tensor *out) {
  lmoe_end_copy(L, c, status, out);
  if (LMOE_DESK(L)->tape->pauses > 0) lmoe_remember(L);
  return 1;
}

void lmoe_push_made(lua_State *L, moe_tensor *t) {
  lmoe_tape *tape = lmoe_desk_of(L)->tape;
  lmoe_push_tensor(L, t);
  charge_pools(L, tape);
  if (tape->pauses > 0) lmoe_remember(L);
}

/* -------------------------------------------------------------------- no_grad
   One table has all that was made, so that moe.no_grad in each step makes no
   garbage. */

int lmoe_pause_recording(lua_State *L) {
  lmoe_tape *t = lmoe_desk_of(L)->tape;
  t->pauses++;
  return t->made;
}

static bool is_among(lua_State *L, int value, int first, int last) {
  for (int k = first; k <= last; k++)
    if (lua_rawequal(L, value, k)) return true;
  return false;
}

void lmoe_resume_recording(lua_State *L, int before, int first, int last) {
  lmoe_tape *tape = lmoe_desk_of(L)->tape;
  tape->pauses--;
  lmoe_get_registry(L, &made_key);
  int made = lua_gettop(L);
  for (; tape->made > before && tape->made > 0; tape->made--) {
    lua_rawgeti(L, made, tape->made);
    moe_tensor *t = lmoe_held_tensor(L, made + 1);
    if (t != NULL && t->record == NULL && !is_among(L, made + 1, first, last))
      moe__tensor_give_back(t);
    lua_pushnil(L);
    lua_rawseti(L, made, tape->made);
    lua_settop(L, made);
  }
  lua_pop(L, 1);
}

/* _no_grad(f, …): what f returns.  It cannot yield: others would go on with
   nothing recorded. */
static int l_no_grad(lua_State *L) {
  luaL_checkany(L, 1);
  int before = lmoe_pause_recording(L);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  lmoe_resume_recording(L, before, 1, lua_gettop(L));
  return status == 0 ? lua_gettop(L) : lua_error(L);
}

/* -------------------------------------------------------------------- methods
 */

/* requires_grad(flag): true unless given. */
static int l_requires_grad(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1);
  bool required = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  lmoe_call *c = lmoe_begin_briefly(L, LMOE_DESK(L));
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
  lmoe_push_result(L, 1);
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  lmoe_call *c = lmoe_begin_operation(L, 0, NULL);
  moe_tensor *out;
  moe_status status = moe_tape_detach(&c->call, t, &out);
  return lmoe_end_operation(L, c, status, out);
}

/* The gradient is given back, to the next backward that brings one. */
static int l_zero_grad(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1);
  moe_tape_forget(t);
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
  lmoe_tape *tape = LMOE_DESK(L)->tape;
  lmoe_call *c = lmoe_begin_briefly(L, LMOE_DESK(L));
  c->call.pool = tape->pool;
  lmoe_end(L, c, moe_tape_backward(&c->call, t, seed, keep));
  charge_pools(L, tape);
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
/* _trim(): what the pools and the last call keep for the next goes back to the
   system; a call that a raise cut off goes to the collector. */
static int l_trim(lua_State *L) {
  const lmoe_tape *t = LMOE_DESK(L)->tape;
  lmoe_call *c = lmoe_begin(L);
  lmoe_end(L, c, MOE_OK);
  moe_call_end(&c->call);
  moe_pool_empty(t->pool);
  moe_pool_empty(t->small);
  return 0;
}

static const luaL_Reg functions[] = {
    {"_no_grad", l_no_grad}, {"_trim", l_trim}, {NULL, NULL}};

void lmoe_open_tape(lua_State *L) {
  if (lmoe_desk_of(L)->tape == NULL) new_tape(L);
  lmoe_add_methods(L, LMOE_TENSOR, methods);
  lmoe_add_functions(L, LMOE_TENSOR, functions);
  lmoe_open_custom(L);
  lmoe_open_optimise(L);
  lmoe_open_operations(L);
}
