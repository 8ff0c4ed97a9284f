/* One sample at a time: learn_one, predict_one, predict_proba_one and
   test_then_learn.

   The usual sample of a learner that has begun goes a way on which nothing is
   allocated, neither from the system nor from Lua, and no code of the user's
   can run before the engine has taken over: numbers are read with raw access
   into the desk, and x, y and the object stay what they were checked to be.
   Whatever is unusual (the first sample, a new label or level, a wrong length,
   a callback's own samples while the desk is busy) goes the general way, which
   knows all cases and says what is wrong. */
#include <math.h>
#include <string.h>

#include "lmoe.h"
#include "lnames.h"
#include "ltensor.h"

enum {
  CHUNK = 16,       /* values on the stack at a time: no room need be made */
  NAMES = 1,        /* where a box's table keeps the columns' names, … */
  TELLER = 2,       /* … and the metatable that last told them */
  MOST_PUSHED = 64, /* probabilities that are copied before Lua is told */
  CHARGED = 4096    /* samples between two reckonings of an object's bytes */
};

/* ----------------------------------------------------------- the general way
 */

static void keep_names(lua_State *L, const moe_schema *s) {
  LMOE_GET_VALUE(L, 1);
  lua_createtable(L, (int)s->n, 0);
  for (size_t j = 0; j < s->n; j++) {
    lua_pushstring(L, s->names.items[j]);
    lua_rawseti(L, -2, (int)j + 1);
  }
  lua_rawseti(L, -2, NAMES);
  lua_pop(L, 1);
}

/* The metatable of the array x, which was taken, need not be looked at again
   where the columns are in their order.  The box holds it, so that no other has
   its address; the state knows it too, since with another state come other
   columns. */
static void keep_teller(lua_State *L, const moe_object *o, const moe_rows *x) {
  lmoe_box *box = lua_touserdata(L, 1);
  moe_fitted *f = o->state;
  if (!lua_getmetatable(L, 2)) return;
  bool same = lmoe_same_names(x->schema, &f->schema);
  const void *teller = lua_topointer(L, -1);
  LMOE_GET_VALUE(L, 1);
  lua_insert(L, -2);
  lua_rawseti(L, -2, TELLER);
  lua_pop(L, 1);
  box->teller = teller;
  f->teller = same ? teller : NULL;
}

/* The next sample of the learner in argument 1 shall find what it needs. */
static void prepare_next(lua_State *L, const moe_object *o, const moe_rows *x) {
  const moe_fitted *f = o->state;
  if (f == NULL) return;
  lmoe_desk_reserve(L, lmoe_desk_of(L), f->schema.n + 2 * f->n_outputs);
  if (f->schema.names.n == 0 || !lua_istable(L, 2)) return;
  if (lua_rawlen(L, 2) > 0)
    keep_teller(L, o, x);
  else
    keep_names(L, &f->schema);
}

/* The outputs for the one sample in argument 2; NULL from a streaming learner
   that has not seen any yet. */
static const double *predict_sample(lua_State *L, lmoe_call *c,
                                    const moe_object *o, moe_rows *x) {
  const moe_fitted *f = o->state;
  lmoe_check_sample(L, c, 2, f != NULL ? &f->schema : NULL, x);
  if (f == NULL && (moe_learner_traits(o) & MOE_ONLINE)) return NULL;
  return lmoe_predict(L, c, o, x);
}

/* What a streaming learner says before it has seen any sample. */
static int push_ignorance(lua_State *L, const moe_object *o) {
  if (moe_learner_task(o, false) == MOE_CLASSIFICATION)
    lua_pushnil(L);
  else
    lmoe_push_number(L, 0);
  return 1;
}

static int push_class(lua_State *L, const moe_fitted *f, size_t best, double p,
                      double least) {
  if (p >= least)
    lmoe_push_label(L, &f->labels.items[best]);
  else
    lua_pushnil(L);
  lua_pushnumber(L, p);
  return 2;
}

/* The table into which the values go is on top, unless there is but one. */
static int push_values(lua_State *L, const double *out, size_t n) {
  if (n == 1) {
    lua_pushnumber(L, *out);
    return 1;
  }
  for (size_t k = 0; k < n; k++) {
    lua_pushnumber(L, out[k]);
    lua_rawseti(L, -2, (int)k + 1);
  }
  return 1;
}

/* The table of a regressor's values, which is made before they are known. */
static void push_room(lua_State *L, const moe_fitted *f) {
  if (f->task != MOE_CLASSIFICATION && f->n_outputs > 1)
    lua_createtable(L, (int)f->n_outputs, 0);
}

static int push_prediction(lua_State *L, const moe_fitted *f, const double *out,
                           double least) {
  if (f->task != MOE_CLASSIFICATION) return push_values(L, out, f->n_outputs);
  size_t best = lmoe_best_class(out, f->n_outputs);
  return push_class(L, f, best, out[best], least);
}

static int predict_generally(lua_State *L, double least) {
  lua_settop(L, 4);
  moe_object *o = lmoe_check_self(L);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  const double *out = predict_sample(L, c, o, &x);
  int results;
  if (out == NULL) {
    results = push_ignorance(L, o);
  } else {
    push_room(L, o->state);
    results = push_prediction(L, o->state, out, least);
  }
  prepare_next(L, o, &x);
  lmoe_end(L, c, MOE_OK);
  return results;
}

static double check_weight(lua_State *L, bool first) {
  double weight = lua_isnil(L, 4) ? 1 : lua_tonumber(L, 4);
  bool number = lua_isnil(L, 4) || lua_type(L, 4) == LUA_TNUMBER;
  if (!number || !(weight >= 0) || isinf(weight))
    luaL_error(L, "weight must be a number of at least 0, got %s",
               number ? lua_tostring(L, 4) : luaL_typename(L, 4));
  if (first && weight == 0)
    luaL_error(L, "the weight of the first sample must be above 0");
  return weight;
}

/* There are four arguments. */
static void learn_generally(lua_State *L) {
  moe_object *o = lmoe_check_idle_self(L);
  const moe_fitted *f = o->state;
  double weight = check_weight(L, f == NULL);
  lmoe_call *c = lmoe_begin(L);
  moe_target target;
  moe_batch batch = {.y = &target, .weight = &weight};
  lmoe_check_sample(L, c, 2, f != NULL ? &f->schema : NULL, &batch.x);
  if (lua_isnil(L, 3)) luaL_error(L, "y is nil");
  lmoe_check_lone_target(L, c, 3, o, &target);
  LMOE_TRY(L, c, moe_learner_learn(&c->call, o, &batch));
  lmoe_charge(L, lua_touserdata(L, 1), moe_object_bytes(o));
  prepare_next(L, o, &batch.x);
  lmoe_end(L, c, MOE_OK);
}

/* -------------------------------------------------------------- the short way
 */

typedef struct visit {
  lmoe_desk *desk;
  const lmoe_box *box;
  moe_object *o;
  const moe_fitted *f;
  double *x, *y, *out; /* in the desk */
} visit;

/* The open box at `index`, or NULL; a light userdata has no length. */
static const lmoe_box *box_at(lua_State *L, int index) {
  const lmoe_box *box = lua_touserdata(L, index);
  if (box == NULL || lua_rawlen(L, index) < sizeof *box) return NULL;
  return box->closed || box->pointer == NULL ? NULL : box;
}

/* False where the object in argument 1 has not begun, or there is no desk. */
static bool sit_down(lua_State *L, visit *v) {
  lmoe_desk *d = lua_touserdata(L, lua_upvalueindex(1));
  const lmoe_box *box = box_at(L, 1);
  if (box == NULL || d->busy) return false;
  if (box->family != d->learner && box->family != d->gate) return false;
  v->desk = d;
  v->box = box;
  v->o = box->pointer;
  v->f = v->o->state;
  if (v->f == NULL || v->f->n_seen == 0) return false;
  if (v->f->schema.n + 2 * v->f->n_outputs > d->room) return false;
  v->x = d->numbers;
  v->y = v->x + v->f->schema.n;
  v->out = v->y + v->f->n_outputs;
  return true;
}

/* Up to CHUNK values of the array, from `first` on, all of them numbers.  They
   stay on the stack, and are read where they lie: the quickest way that Lua has
   (measured in 5.1, 5.4 and LuaJIT). */
static bool read_chunk(lua_State *L, int array, int first, int n, double *out) {
  int top = lua_gettop(L);
  for (int j = 1; j <= n; j++) {
    if (lmoe_rawgeti(L, array, first + j) != LUA_TNUMBER) return false;
    out[j - 1] = lua_tonumber(L, top + j);
  }
  return true;
}

bool lmoe_read_numbers(lua_State *L, int array, size_t n, double *out) {
  int top = lua_gettop(L);
  bool numbers = true;
  for (size_t j = 0; numbers && j < n; j += CHUNK) {
    numbers = read_chunk(L, array, (int)j, (int)(n - j < CHUNK ? n - j : CHUNK),
                         out + j);
    lua_settop(L, top);
  }
  return numbers;
}

/* Nothing comes behind element n, as Lua goes through a table: elements first,
   in their order, where they lie as they do in most. */
static bool is_last(lua_State *L, int array, size_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  if (lua_next(L, array) == 0) return true;
  lua_pop(L, 2);
  return false;
}

bool lmoe_read_array(lua_State *L, int array, size_t n, double *out) {
  return n > 0 && lua_rawlen(L, array) == n &&
         lmoe_read_numbers(L, array, n, out) && is_last(L, array, n);
}

static bool has_nominal(const moe_intake *in) {
  return in->spreads ||
         (in->keeps_codes && memchr(in->nominal, 1, in->n) != NULL);
}

/* The code of the string on top, which must be known where one learns. */
static bool read_level(lua_State *L, const visit *v, size_t j, bool learns) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  if (strlen(text) != size) return false;
  int32_t code = moe_intake_code(&v->f->intake, j, text);
  v->x[j] = code < 0 ? (double)NAN : (double)code;
  return code >= 0 || !learns;
}

/* The value on top, in column j: a number, the code of a string, or NaN where
   it is missing. */
static bool read_value(lua_State *L, const visit *v, size_t j, bool learns) {
  const moe_intake *in = &v->f->intake;
  bool nominal = in->open && in->nominal[j];
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER: v->x[j] = lua_tonumber(L, -1); return !nominal;
    case LUA_TSTRING: return nominal && read_level(L, v, j, learns);
    case LUA_TNIL: v->x[j] = NAN; return true;
    case LUA_TBOOLEAN: v->x[j] = NAN; return !lua_toboolean(L, -1);
    default: return false;
  }
}

/* The names that x tells, if it does, are known to be the columns', in their
   order: a metatable's names are read but once. */
static bool is_familiar(lua_State *L, const visit *v) {
  if (v->f->schema.names.n == 0) return true;
  const void *teller = lmoe_teller(L, 2);
  return teller == NULL || (teller == v->f->teller && teller == v->box->teller);
}

static bool read_array(lua_State *L, const visit *v, bool learns) {
  size_t n = v->f->schema.n;
  bool good = true;
  if (!has_nominal(&v->f->intake) && lmoe_read_numbers(L, 2, n, v->x))
    return true;
  for (size_t j = 0; good && j < n; j++) {
    good = lmoe_rawgeti(L, 2, (int)j + 1) != LUA_TNIL &&
           read_value(L, v, j, learns);
    lua_pop(L, 1);
  }
  return good;
}

/* The value of column j in the table in argument 2, by the name that the table
   on top keeps; false when that is another name. */
static bool find_named(lua_State *L, const moe_schema *s, size_t j) {
  bool same = lmoe_rawgeti(L, -1, (int)j + 1) == LUA_TSTRING &&
              strcmp(lua_tostring(L, -1), s->names.items[j]) == 0;
  if (same) lua_rawget(L, 2);
  return same;
}

static size_t count_pairs(lua_State *L, int index) {
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) n++;
  return n;
}

static bool read_named(lua_State *L, const visit *v, bool learns) {
  const moe_schema *s = &v->f->schema;
  int top = lua_gettop(L);
  size_t found = 0;
  LMOE_GET_VALUE(L, 1);
  bool good = lmoe_rawgeti(L, -1, NAMES) == LUA_TTABLE && s->names.n == s->n;
  for (size_t j = 0; good && j < s->n; j++) {
    good = find_named(L, s, j) && read_value(L, v, j, learns);
    found += !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return good && count_pairs(L, 2) == found;
}

static bool read_tensor(lua_State *L, const visit *v) {
  const moe_tensor *t = lmoe_held_tensor(L, 2);
  size_t n = v->f->schema.n;
  if (t == NULL || t->storage == NULL || t->ndim != 1 || t->dtype != MOE_F32 ||
      (size_t)t->shape[0] != n)
    return false;
  for (size_t j = 0; j < n; j++) v->x[j] = (double)t->f[j];
  return true;
}

/* x in argument 2.  Whether NaN is allowed the engine says. */
static bool read_sample(lua_State *L, const visit *v, bool learns) {
  size_t n;
  if (lua_type(L, 2) != LUA_TTABLE) return read_tensor(L, v);
  n = lua_rawlen(L, 2);
  if (n == 0) return read_named(L, v, learns);
  return n == v->f->schema.n && is_familiar(L, v) && read_array(L, v, learns);
}

/* The place of the label in argument 3, or -1. */
static ptrdiff_t find_label(lua_State *L, const moe_labels *labels) {
  moe_label label = {.kind = MOE_L_NUMBER};
  size_t size;
  switch (lua_type(L, 3)) {
    case LUA_TSTRING:
      label.kind = MOE_L_TEXT;
      label.text = (char *)lua_tolstring(L, 3, &size);
      if (strlen(label.text) != size) return -1;
      break;
    case LUA_TBOOLEAN:
      label.kind = MOE_L_FLAG;
      label.number = lua_toboolean(L, 3);
      break;
    case LUA_TNUMBER:
      label.number = lua_tonumber(L, 3);
      if (!isfinite(label.number) || !lmoe_is_exact(L, 3)) return -1;
      break;
    default: return -1;
  }
  return moe_labels_find(labels, &label);
}

static bool read_weight(lua_State *L, double *weight) {
  int type = lua_type(L, 4);
  *weight = 1;
  if (type <= LUA_TNIL) return true;
  *weight = lua_tonumber(L, 4);
  return type == LUA_TNUMBER && *weight >= 0 && isfinite(*weight);
}

/* y and the weight, in arguments 3 and 4. */
static bool read_target(lua_State *L, const visit *v, moe_example *s) {
  size_t n = v->f->n_outputs;
  if (!read_weight(L, &s->weight)) return false;
  s->x = v->x;
  s->y = v->y;
  if (v->f->task == MOE_CLASSIFICATION) {
    s->id = (int32_t)find_label(L, &v->f->labels);
    return s->id >= 0;
  }
  if (n == 1 && lua_type(L, 3) == LUA_TNUMBER) {
    v->y[0] = lua_tonumber(L, 3);
    return true;
  }
  return lua_type(L, 3) == LUA_TTABLE && lua_rawlen(L, 3) == n &&
         lmoe_read_numbers(L, 3, n, v->y);
}

/* What an object that grows holds now; costly to reckon, so now and then. */
static void charge_sometimes(lua_State *L, const visit *v) {
  if (v->f->n_seen % CHARGED == 0)
    lmoe_charge(L, lua_touserdata(L, 1), moe_object_bytes(v->o));
}

/* -------------------------------------------------------------------- methods
 */

/* learn_one(x, y [, weight]) */
static int l_learn_one(lua_State *L) {
  visit v;
  moe_example s = {0};
  if (sit_down(L, &v) && read_sample(L, &v, true) && read_target(L, &v, &s)) {
    lmoe_call *c = lmoe_desk_begin(L, v.desk);
    lmoe_desk_end(L, v.desk, moe_learner_learn_one(&c->call, v.o, &s));
    charge_sometimes(L, &v);
  } else {
    lua_settop(L, 4);
    learn_generally(L);
  }
  return 0;
}

/* The same before a prediction, with a table for its values on top where there
   are several: making it may have run a finaliser, and this anything. */
static bool sit_down_to_predict(lua_State *L, visit *v) {
  if (!sit_down(L, v)) return false;
  if (v->f->task == MOE_CLASSIFICATION || v->f->n_outputs == 1) return true;
  lua_settop(L, 4);
  push_room(L, v->f);
  return sit_down(L, v);
}

/* predict_one(x, { min_confidence }): a label and its probability, or nil and
   that where it is too low; or a value. */
static int l_predict_one(lua_State *L) {
  static const char *const known[] = {"min_confidence", NULL};
  double least = 0;
  visit v;
  if (!lua_isnoneornil(L, 3)) {
    lmoe_check_self(L);
    lmoe_check_options(L, 3, known);
    least = lmoe_opt_number(L, 3, "min_confidence", 0, 1, 0);
  }
  if (!sit_down_to_predict(L, &v) || !read_sample(L, &v, false))
    return predict_generally(L, least);
  lmoe_call *c = lmoe_desk_begin(L, v.desk);
  lmoe_desk_end(L, v.desk, moe_learner_predict_one(&c->call, v.o, v.x, v.out));
  return push_prediction(L, v.f, v.out, least);
}

static int test_generally(lua_State *L) {
  int top = lua_gettop(L);
  lmoe_follow(L, lmoe_check_idle_self(L));
  lua_settop(L, top);
  int results = predict_generally(L, 0);
  top = lua_gettop(L);
  learn_generally(L);
  lua_settop(L, top);
  return results;
}

/* test_then_learn(x, y [, weight]): what predict_one says of x, which then is
   learned from. */
static int l_test_then_learn(lua_State *L) {
  visit v;
  moe_example s = {0};
  if (!sit_down_to_predict(L, &v) || !read_sample(L, &v, true) ||
      !read_target(L, &v, &s))
    return test_generally(L);
  moe_call *call = &lmoe_desk_begin(L, v.desk)->call;
  moe_status status = moe_learner_test_then_learn(call, v.o, &s, v.out);
  lmoe_desk_end(L, v.desk, status);
  int results = push_prediction(L, v.f, v.out, 0);
  charge_sometimes(L, &v);
  return results;
}

/* { label → probability }; of a gate, the expert's number → probability. */
static int push_probabilities(lua_State *L, const moe_fitted *f,
                              const double *p) {
  size_t n = f->n_outputs;
  bool gating = f->task == MOE_GATING;
  lua_createtable(L, gating ? (int)n : 0, gating ? 0 : (int)n);
  for (size_t k = 0; k < n; k++) {
    if (gating)
      lua_pushinteger(L, (lua_Integer)k + 1);
    else
      lmoe_push_label(L, &f->labels.items[k]);
    lua_pushnumber(L, p[k]);
    lua_rawset(L, -3);
  }
  return 1;
}

static int tell_generally(lua_State *L) {
  lua_settop(L, 2);
  moe_object *o = lmoe_check_self(L);
  lmoe_call *c = lmoe_begin(L);
  lmoe_refuse_regressor(L, o);
  moe_rows x;
  const double *out = predict_sample(L, c, o, &x);
  if (out != NULL)
    push_probabilities(L, o->state, out);
  else
    lua_newtable(L);
  prepare_next(L, o, &x);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* predict_proba_one(x), and a gate's forward_one.  The probabilities leave the
   desk before there is a table, whose making may run a finaliser. */
static int l_predict_proba_one(lua_State *L) {
  double p[MOST_PUSHED];
  visit v;
  if (!sit_down(L, &v) || v.f->task == MOE_REGRESSION ||
      v.f->n_outputs > MOST_PUSHED || !read_sample(L, &v, false))
    return tell_generally(L);
  lmoe_call *c = lmoe_desk_begin(L, v.desk);
  lmoe_desk_end(L, v.desk, moe_learner_predict_one(&c->call, v.o, v.x, v.out));
  memcpy(p, v.out, v.f->n_outputs * sizeof *p);
  return push_probabilities(L, v.f, p);
}

static const luaL_Reg learner_methods[] = {
    {"learn_one", l_learn_one},
    {"predict_one", l_predict_one},
    {"predict_proba_one", l_predict_proba_one},
    {"test_then_learn", l_test_then_learn},
    {NULL, NULL}};

static const luaL_Reg gate_methods[] = {{"learn_one", l_learn_one},
                                        {"predict_one", l_predict_one},
                                        {"forward_one", l_predict_proba_one},
                                        {NULL, NULL}};

static const void *find_family(lua_State *L, const char *family) {
  luaL_getmetatable(L, family);
  const void *metatable = lua_topointer(L, -1);
  lua_pop(L, 1);
  return metatable;
}

/* Each method has the desk for its upvalue. */
static void add_methods(lua_State *L, lmoe_desk *d, const char *family,
                        const luaL_Reg *r) {
  luaL_getmetatable(L, family);
  lua_getfield(L, -1, "methods");
  for (; r->name != NULL; r++) {
    lua_pushlightuserdata(L, d);
    lua_pushcclosure(L, r->func, 1);
    lua_setfield(L, -2, r->name);
  }
  lua_pop(L, 2);
}

void lmoe_open_samples(lua_State *L) {
  lmoe_desk *d = lmoe_desk_of(L);
  d->learner = find_family(L, LMOE_LEARNER);
  d->gate = find_family(L, LMOE_GATE);
  add_methods(L, d, LMOE_LEARNER, learner_methods);
  add_methods(L, d, LMOE_GATE, gate_methods);
}
