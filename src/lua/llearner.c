/* The verbs of learners and gates. */
#include <math.h>
#include <string.h>

#include "lmoe.h"
#include "ltable.h"
#include "tensor.h"

/* ------------------------------------------------------------------ batches */

/* Nothing may stand behind the last of n rows. */
static void check_end(lua_State *L, int index, const char *what, size_t n) {
  lua_rawgeti(L, index, (int)n + 1);
  if (!lua_isnil(L, -1))
    luaL_error(L, "%s[%d] is one too many: X has %d rows", what, (int)n + 1,
               (int)n);
  lua_pop(L, 1);
}

static const double *check_weights(lua_State *L, lmoe_call *c, int index,
                                   size_t n) {
  double *out = moe_scratch(&c->call, n, sizeof *out);
  if (out == NULL) lmoe_end(L, c, MOE_ENOMEM);
  if (!lua_istable(L, index))
    luaL_error(L, "'weights' must be an array of %d numbers, got a %s", (int)n,
               luaL_typename(L, index));
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    if (lua_type(L, -1) != LUA_TNUMBER)
      luaL_error(L, "weights[%d] must be a number, got %s", (int)i + 1,
                 luaL_typename(L, -1));
    out[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  check_end(L, index, "weights", n);
  return out;
}

static const moe_children *find_experts(lua_State *L, const moe_object *o) {
  o = moe_learner_answering(o);
  const moe_param *p = moe_type_find_param(o->type, "experts");
  if (p == NULL || p->kind != MOE_CHILDREN)
    luaL_error(L, "'subsets' is for mixtures; %s has no experts",
               o->type->name);
  return (const void *)((const char *)o->params + p->offset);
}

/* The expert named by the value on top: nil, false and "" name none. */
static int32_t find_expert(lua_State *L, const moe_children *experts,
                           size_t row) {
  const char *name = lua_tostring(L, -1);
  if (lua_isnil(L, -1) || (lua_isboolean(L, -1) && !lua_toboolean(L, -1)))
    return -1;
  for (size_t e = 0; name != NULL && e < experts->n; e++)
    if (strcmp(experts->names[e], name) == 0) return (int32_t)e;
  if (name != NULL && name[0] == '\0') return -1;
  luaL_error(L, "subsets[%d] must name an expert or be nil, got %s",
             (int)row + 1, name != NULL ? name : luaL_typename(L, -1));
  return -1;
}

static const int32_t *check_subsets(lua_State *L, lmoe_call *c, int index,
                                    const moe_object *o, size_t n) {
  const moe_children *experts = find_experts(L, o);
  int32_t *out = moe_scratch(&c->call, n, sizeof *out);
  if (out == NULL) lmoe_end(L, c, MOE_ENOMEM);
  if (!lua_istable(L, index))
    luaL_error(L, "'subsets' must be an array of experts' names, got a %s",
               luaL_typename(L, index));
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    out[i] = find_expert(L, experts, i);
    lua_pop(L, 1);
  }
  check_end(L, index, "subsets", n);
  return out;
}

int lmoe_check_batch(lua_State *L, lmoe_call *c, int first, const moe_object *o,
                     moe_batch *out) {
  bool table = lmoe_test_table(L, first) != NULL;
  bool whole =
      table && (lua_isnoneornil(L, first + 1) ||
                (lua_istable(L, first + 1) && lua_rawlen(L, first + 1) == 0));
  int options = first + (whole ? 1 : 2);
  moe_target *target = moe_scratch(&c->call, 1, sizeof *target);
  if (target == NULL) lmoe_end(L, c, MOE_ENOMEM);
  *out = (moe_batch){.y = target};
  lmoe_check_rows(L, c, first, &out->x);
  lmoe_check_target(L, c, whole ? first : first + 1, o, out->x.n, target);
  if (!lua_istable(L, options)) return options;
  lmoe_get_option(L, options, "weights");
  if (!lua_isnil(L, -1))
    out->weight = check_weights(L, c, lua_gettop(L), out->x.n);
  lua_pop(L, 1);
  lmoe_get_option(L, options, "subsets");
  bool is_list = !lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING;
  if (is_list) /* else a way to find them */
    out->subset = check_subsets(L, c, lua_gettop(L), o, out->x.n);
  lua_pop(L, 1);
  lmoe_get_option(L, options, "groups");
  if (!lua_isnil(L, -1))
    out->group = lmoe_check_groups(L, c, lua_gettop(L), out->x.n);
  lua_pop(L, 1);
  return options;
}

/* -------------------------------------------------------------- predictions */

const double *lmoe_predict(lua_State *L, lmoe_call *c, const moe_object *o,
                           const moe_rows *x) {
  const moe_fitted *f = o->state;
  double *out;
  if (f == NULL) luaL_error(L, "%s has not been fitted yet", o->type->name);
  out = moe_scratch(&c->call, moe_size(x->n, f->n_outputs), sizeof *out);
  if (out == NULL) lmoe_end(L, c, MOE_ENOMEM);
  LMOE_TRY(L, c, moe_learner_predict(&c->call, o, x, out));
  return out;
}

size_t lmoe_best_class(const double *p, size_t n) {
  size_t best = 0;
  for (size_t k = 1; k < n; k++)
    if (p[k] > p[best]) best = k;
  return best;
}

static void push_matrix(lua_State *L, lmoe_call *c, const double *x, size_t n,
                        size_t d) {
  const int64_t shape[2] = {(int64_t)n, (int64_t)d};
  moe_tensor *t;
  LMOE_TRY(L, c, moe_tensor_new(&c->call, MOE_F32, 2, shape, &t));
  for (size_t i = 0; i < n * d; i++) t->f[i] = (float)x[i];
  lmoe_push_tensor(L, t);
}

static int l_predict(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_check_rows(L, c, 2, &x);
  const double *out = lmoe_predict(L, c, o, &x);
  const moe_fitted *f = o->state;
  if (f->task == MOE_REGRESSION && f->n_outputs > 1) {
    push_matrix(L, c, out, x.n, f->n_outputs);
  } else {
    lua_createtable(L, (int)x.n, 0);
    for (size_t i = 0; i < x.n; i++, out += f->n_outputs) {
      if (f->task == MOE_CLASSIFICATION)
        lmoe_push_label(L,
                        &f->labels.items[lmoe_best_class(out, f->n_outputs)]);
      else
        lua_pushnumber(L, *out);
      lua_rawseti(L, -2, (int)i + 1);
    }
  }
  lmoe_end(L, c, MOE_OK);
  return 1;
}

void lmoe_refuse_regressor(lua_State *L, const moe_object *o) {
  const moe_fitted *f = o->state;
  if (f != NULL && f->task == MOE_REGRESSION)
    luaL_error(L, "%s was fitted to numbers: it has no probabilities",
               o->type->name);
}

static int l_predict_proba(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_refuse_regressor(L, o);
  lmoe_check_rows(L, c, 2, &x);
  const double *out = lmoe_predict(L, c, o, &x);
  push_matrix(L, c, out, x.n, ((const moe_fitted *)o->state)->n_outputs);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static int l_classes(lua_State *L) {
  const moe_fitted *f = lmoe_check_self(L)->state;
  if (f == NULL || f->task != MOE_CLASSIFICATION) {
    lua_pushnil(L);
    return 1;
  }
  lua_createtable(L, (int)f->labels.n, 0);
  for (size_t k = 0; k < f->labels.n; k++) {
    lmoe_push_label(L, &f->labels.items[k]);
    lua_rawseti(L, -2, (int)k + 1);
  }
  return 1;
}

/* ------------------------------------------------------------------ learning
 */

/* learn_many(X, y, { weights }): learn_one for each row in order. */
static int l_learn_many(lua_State *L) {
  static const char *const known[] = {"weights", NULL};
  moe_object *o = lmoe_check_idle_self(L);
  lua_settop(L, 4);
  lmoe_call *c = lmoe_begin(L);
  moe_batch batch;
  lmoe_check_options(L, lmoe_check_batch(L, c, 2, o, &batch), known);
  LMOE_TRY(L, c, moe_learner_learn(&c->call, o, &batch));
  lmoe_charge(L, lua_touserdata(L, 1), moe_object_bytes(o));
  lmoe_end(L, c, MOE_OK);
  lua_pushvalue(L, 1);
  return 1;
}

/* reset_state(): a new sequence begins; what sequence experts remember of the
   one before is forgotten, what was learned from it is not. */
static int l_reset_state(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  lmoe_call *c = lmoe_begin(L);
  lmoe_end(L, c, moe_learner_reset_state(&c->call, o));
  lua_settop(L, 1);
  return 1;
}

static const luaL_Reg learner_methods[] = {{"predict", l_predict},
                                           {"predict_proba", l_predict_proba},
                                           {"reset_state", l_reset_state},
                                           {"classes", l_classes},
                                           {"learn_many", l_learn_many},
                                           {"partial_fit", l_learn_many},
                                           {NULL, NULL}};

static const luaL_Reg gate_methods[] = {
    {"forward", l_predict_proba}, {"partial_fit", l_learn_many}, {NULL, NULL}};

void lmoe_open_learners(lua_State *L) {
  lmoe_add_methods(L, LMOE_LEARNER, learner_methods);
  lmoe_add_methods(L, LMOE_GATE, gate_methods);
}
