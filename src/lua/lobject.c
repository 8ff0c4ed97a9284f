/* What all objects of the engine have in common in Lua: construction,
   parameters, printing, copies, files.  An object has one box in a Lua state,
   found again by its address, so that m:expert("scope") is always the same
   userdata.  The box's own table keeps what the object needs in Lua alive:
   `children` (the boxes of its children) and `value` (a foreign object's). */
#include <stdio.h>
#include <string.h>

#include "catalog.h"
#include "lforeign.h"

static const char boxes_key;
static const char *const families[] = {LMOE_LEARNER, LMOE_GATE, LMOE_TRANSFORM,
                                       LMOE_STREAMING, LMOE_DETECTOR};
enum { FAMILIES = sizeof families / sizeof *families };

static const char *metatable_of(const char *family) {
  if (strcmp(family, "gate") == 0) return LMOE_GATE;
  if (strcmp(family, "transform") == 0) return LMOE_TRANSFORM;
  if (strcmp(family, "streaming") == 0) return LMOE_STREAMING;
  if (strcmp(family, "detector") == 0) return LMOE_DETECTOR;
  return LMOE_LEARNER;
}

/* -------------------------------------------------------------------- boxes */

static void push_empty(lua_State *L, const char *metatable) {
  lmoe_push_box(L, metatable);
  lua_newtable(L);
  LMOE_SET_VALUE(L, -2);
}

/* The empty box on top becomes the box of o, and owns the caller's reference
   from here on, whatever is raised. */
static void adopt(lua_State *L, moe_object *o) {
  lmoe_box *box = lua_touserdata(L, -1);
  box->pointer = o;
  lmoe_get_registry(L, &boxes_key);
  lua_pushlightuserdata(L, o);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lmoe_charge(L, box, moe_object_bytes(o));
}

static lmoe_box *find_canonical(lua_State *L, const moe_object *o) {
  lmoe_get_registry(L, &boxes_key);
  lua_pushlightuserdata(L, (void *)o);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  lmoe_box *box = lua_touserdata(L, -1);
  if (box != NULL && box->pointer == o) return box;
  lua_pop(L, 1); /* a closed one, of an object that lay at this address */
  return NULL;
}

void lmoe_push_object(lua_State *L, moe_object *o) {
  lmoe_box *box = find_canonical(L, o);
  if (box != NULL) {
    box->closed = false;
    return;
  }
  push_empty(L, metatable_of(o->type->family));
  adopt(L, moe_object_retain(o));
}

/* The box at `index`, of any family, open or closed; or NULL. */
static lmoe_box *find_box(lua_State *L, int index) {
  lmoe_box *box = NULL;
  for (size_t i = 0; box == NULL && i < FAMILIES; i++)
    box = lmoe_find_box(L, index, families[i]);
  return box;
}

moe_object *lmoe_test_object(lua_State *L, int index) {
  lmoe_box *box = find_box(L, index);
  return box != NULL && !box->closed ? box->pointer : NULL;
}

moe_object *lmoe_check_object(lua_State *L, int index, const char *family) {
  return lmoe_check_box(L, index, family);
}

/* Method calls come with any of the families. */
moe_object *lmoe_check_self(lua_State *L) {
  const lmoe_box *box = find_box(L, 1);
  if (box == NULL)
    luaL_error(L, "a method wants its object first, as in model:fit(X, y)");
  if (box->closed) luaL_error(L, "attempt to use a closed object");
  return box->pointer;
}

void lmoe_refuse_amid(lua_State *L, const moe_object *o) {
  if (lmoe_is_amid(L, o))
    luaL_error(L, "the %s is in use by a running call", o->type->name);
}

moe_object *lmoe_check_idle_self(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  lmoe_refuse_amid(L, o);
  return o;
}

typedef struct rooting {
  moe_visitor visitor;
  lua_State *L;
  int n;
} rooting;

static void root_one(rooting *r, moe_object *child) {
  lmoe_push_object(r->L, child);
  lmoe_root_children(r->L, -1);
  lua_rawseti(r->L, -2, ++r->n);
}

static moe_status root_field(moe_visitor *v, const moe_field *f) {
  rooting *r = (rooting *)v;
  if (f->kind == MOE_FIELD_CHILD && *(moe_object **)f->at != NULL)
    root_one(r, *(moe_object **)f->at);
  if (f->kind == MOE_FIELD_CHILDREN) {
    const moe_children *c = f->at;
    for (size_t i = 0; i < c->n; i++) root_one(r, c->items[i]);
  }
  return MOE_OK;
}

void lmoe_root_children(lua_State *L, int index) {
  rooting r = {{root_field}, L, 0};
  const lmoe_box *box = lua_touserdata(L, index);
  luaL_checkstack(L, 6, "objects nested too deeply");
  LMOE_GET_VALUE(L, index);
  lua_newtable(L);
  moe_object_visit(box->pointer, &r.visitor);
  lua_setfield(L, -2, "children");
  lua_pop(L, 1);
}

static lmoe_box *want_box(lua_State *L) {
  lmoe_box *box = find_box(L, 1);
  return box != NULL ? box : lmoe_want_box(L, 1, LMOE_LEARNER); /* raises */
}

/* An object in a call or held by others lives on until they let it go; this
   box has nothing to do with it any more.  One that a finaliser closes in the
   middle of a method lives as long as its box. */
static int l_close(lua_State *L) {
  lmoe_box *box = want_box(L);
  moe_object *o = box->pointer;
  box->closed = true;
  if (o == NULL || atomic_load(&o->refs) > 1) return 0;
  if (moe_object_is_used(o) || moe_object_is_fitting(o) ||
      lmoe_is_amid(L, NULL))
    return 0;
  lmoe_charge(L, box, 0);
  box->pointer = NULL;
  moe_object_release(o);
  return 0;
}

static int l_gc(lua_State *L) {
  lmoe_box *box = want_box(L);
  moe_object *o = box->pointer;
  box->closed = true;
  box->pointer = NULL;
  lmoe_charge(L, box, 0);
  moe_object_release(o);
  return 0;
}

/* -------------------------------------------------------------- construction
 */

/* What makes objects of a family from plain tables, by its name. */
static const char makers_key;

/* _on_table(family, make): make(options) is what a table stands for that is set
   as a child of the family. */
static int l_on_table(lua_State *L) {
  luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lmoe_get_registry(L, &makers_key);
  lua_insert(L, 1);
  lua_settable(L, 1);
  return 0;
}

/* Makes an object of the table on top, if there is a maker; what it raises is
   said where the options were given. */
static bool make_child(lua_State *L, const char *family) {
  lmoe_get_registry(L, &makers_key);
  lua_getfield(L, -1, family);
  lua_remove(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return false;
  }
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 1, 0) == 0) return true;
  luaL_where(L, 1);
  lua_insert(L, -2);
  if (lua_isstring(L, -1)) lua_concat(L, 2);
  lua_error(L);
  return false;
}

/* Puts boxes in the place of tables and functions that stand for experts or
   gates, or for a stream's options, in the value on top. */
static void wrap_child(lua_State *L, const moe_param *p) {
  bool function = lua_isfunction(L, -1) && strcmp(p->family, "gate") == 0;
  if (!function && !lua_istable(L, -1)) return;
  if (!function && make_child(L, p->family)) return;
  if (moe_catalog_find(p->family, "foreign") == NULL) return;
  lmoe_push_foreign(L, -1, p->family);
  lua_remove(L, -2);
}

static void wrap_children(lua_State *L, const moe_param *p) {
  if (!lua_istable(L, -1)) return;
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, -3);) {
    wrap_child(L, p);
    lmoe_name_foreign(L);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

/* The parameter that the key below the top leads to, or NULL. */
static const moe_param *find_param(lua_State *L, lmoe_call *c, moe_object *o) {
  const moe_param *p = NULL;
  if (lua_type(L, -2) != LUA_TSTRING) return NULL;
  moe_status status = moe_object_resolve(&c->call, &o, lua_tostring(L, -2), &p);
  return status == MOE_OK ? p : NULL;
}

/* A copy of the options at `index` in which every child is a box. */
static void push_wrapped(lua_State *L, lmoe_call *c, int index, moe_object *o) {
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, index);) {
    const moe_param *p = find_param(L, c, o);
    if (p != NULL && p->kind == MOE_CHILD) wrap_child(L, p);
    if (p != NULL && p->kind == MOE_CHILDREN) wrap_children(L, p);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
}

/* Keeps the functions among the options, at `options`, with the box. */
static void keep_functions(lua_State *L, int self, int options,
                           const moe_type *type) {
  for (const moe_param *p = type->params; p->name != NULL; p++) {
    if (p->kind != MOE_CALLBACK) continue;
    LMOE_GET_VALUE(L, self);
    lmoe_get_option(L, options, p->name);
    if (lua_isnil(L, -1))
      lua_pop(L, 1);
    else
      lua_setfield(L, -2, "value");
    lua_pop(L, 1);
  }
}

/* Sets the parameters in the table at `options` on the box at `self`. */
static void set_params(lua_State *L, lmoe_call *c, int self, int options) {
  const lmoe_box *box = lua_touserdata(L, self);
  moe_object *o = box->pointer;
  push_wrapped(L, c, options, o);
  moe_value map = lmoe_check_value(L, c, -1);
  LMOE_TRY(L, c, moe_object_set(&c->call, o, &map));
  lmoe_root_children(L, self);
  keep_functions(L, self, options, o->type);
  lua_pop(L, 1);
}

moe_object *lmoe_push_new(lua_State *L, const char *family, const char *name) {
  const moe_type *type = moe_catalog_find(family, name);
  moe_object *o = NULL;
  if (type == NULL) luaL_error(L, "there is no %s '%s'", family, name);
  lmoe_call *c = lmoe_begin(L);
  push_empty(L, metatable_of(family));
  lua_remove(L, -2);
  LMOE_TRY(L, c, moe_object_new(&c->call, type, &o));
  adopt(L, o);
  return o;
}

/* new(family, type, options): E.forest{…} and its like are made of this. */
static int l_new(lua_State *L) {
  const char *family = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
  if (!lua_isnoneornil(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  lmoe_push_new(L, family, name);
  if (lua_isnil(L, 3)) return 1;
  lmoe_call *c = lmoe_begin(L);
  set_params(L, c, 4, 3);
  lmoe_end(L, c, MOE_OK);
  lua_pushvalue(L, 4);
  return 1;
}

/* ---------------------------------------------------------------- parameters
 */

static int l_get_params(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  const char *path = luaL_optstring(L, 2, NULL);
  lmoe_call *c = lmoe_begin(L);
  moe_value value;
  const moe_param *p;
  if (path != NULL) {
    LMOE_TRY(L, c, moe_object_resolve(&c->call, &o, path, &p));
    LMOE_TRY(L, c, moe_object_get(&c->call, o, p, &value));
  } else {
    LMOE_TRY(L, c, moe_object_get_all(&c->call, o, &value));
  }
  lmoe_push_value(L, &value);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static int l_set_params(lua_State *L) {
  lmoe_check_idle_self(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lmoe_call *c = lmoe_begin(L);
  set_params(L, c, 1, 2);
  lmoe_end(L, c, MOE_OK);
  lua_pushvalue(L, 1);
  return 1;
}

/* ------------------------------------------------------------------ printing
 */

static void add_text(luaL_Buffer *b, const char *text) {
  luaL_addstring(b, text);
}

static void add_value(luaL_Buffer *b, const moe_value *v) {
  char text[64];
  switch (v->kind) {
    case MOE_V_TEXT:
      add_text(b, "\"");
      add_text(b, v->text);
      add_text(b, "\"");
      break;
    case MOE_V_NUMBER:
      snprintf(text, sizeof text, "%.14g", v->number);
      add_text(b, text);
      break;
    case MOE_V_FLAG: add_text(b, v->flag ? "true" : "false"); break;
    case MOE_V_FUNCTION: add_text(b, "function"); break;
    case MOE_V_LIST:
    case MOE_V_MAP:
      add_text(b, "{");
      for (size_t i = 0; i < v->n; i++) {
        if (i > 0) add_text(b, ", ");
        if (v->kind == MOE_V_MAP) {
          add_value(b, &v->keys[i]);
          add_text(b, " = ");
        }
        add_value(b, &v->items[i]);
      }
      add_text(b, "}");
      break;
    default: add_text(b, "nil"); break;
  }
}

static bool has_children(const moe_param *p) {
  return p->kind == MOE_CHILD || p->kind == MOE_CHILDREN;
}

/* `forest { trees = 10, seed = 1 }`: what differs from the defaults. */
static void add_own(lmoe_call *c, luaL_Buffer *b, const moe_object *o) {
  const char *before = " { ";
  add_text(b, o->type->name);
  for (const moe_param *p = o->type->params; p->name != NULL; p++) {
    moe_value value;
    if (has_children(p) || moe_param_is_default(o, p)) continue;
    if (moe_object_get(&c->call, o, p, &value) != MOE_OK) continue;
    add_text(b, before);
    add_text(b, p->name);
    add_text(b, " = ");
    add_value(b, &value);
    before = ", ";
  }
  if (before[0] == ',') add_text(b, " }");
}

static void add_size(luaL_Buffer *b, const moe_object *o) {
  static const char *const one[] = {"output", "class", "expert"};
  static const char *const many[] = {"outputs", "classes", "experts"};
  const moe_fitted *f = o->state;
  char text[160];
  if (strcmp(o->type->family, "streaming") == 0 ||
      strcmp(o->type->family, "detector") == 0)
    return;
  if (strcmp(o->type->family, "transform") == 0) {
    add_text(b, o->state != NULL ? ", fitted" : ", not fitted");
    return;
  }
  if (f == NULL) {
    add_text(b, ", not fitted");
    return;
  }
  snprintf(text, sizeof text, ", fitted on %lld rows × %zu columns → %zu %s",
           (long long)f->n_seen, f->n_features, f->n_outputs,
           f->n_outputs == 1 ? one[f->task] : many[f->task]);
  add_text(b, text);
}

typedef struct printer {
  moe_visitor visitor;
  lmoe_call *c;
  luaL_Buffer *b;
  int depth;
} printer;

static void add_tree(printer *p, const moe_object *o);

static void add_child(printer *p, const char *name, const moe_object *child) {
  if (child == NULL) return;
  add_text(p->b, "\n");
  for (int i = 0; i <= p->depth; i++) add_text(p->b, "  ");
  add_text(p->b, name);
  add_text(p->b, ": ");
  p->depth++;
  add_tree(p, child);
  p->depth--;
}

static moe_status print_field(moe_visitor *v, const moe_field *f) {
  printer *p = (printer *)v;
  if (f->kind == MOE_FIELD_CHILD) add_child(p, f->name, *(moe_object **)f->at);
  if (f->kind == MOE_FIELD_CHILDREN) {
    const moe_children *c = f->at;
    for (size_t i = 0; i < c->n; i++) add_child(p, c->names[i], c->items[i]);
  }
  return MOE_OK;
}

static void add_tree(printer *p, const moe_object *o) {
  add_own(p->c, p->b, o);
  add_size(p->b, o);
  moe_object_visit((moe_object *)o, &p->visitor);
}

static int l_tostring(lua_State *L) {
  moe_object *o = lmoe_test_object(L, 1);
  luaL_Buffer b;
  if (o == NULL) {
    lua_pushliteral(L, "closed object");
    return 1;
  }
  printer p = {{print_field}, lmoe_begin(L), &b, 0};
  luaL_buffinit(L, &b);
  add_tree(&p, o);
  luaL_pushresult(&b);
  lmoe_end(L, p.c, MOE_OK);
  return 1;
}

/* ---------------------------------------------------------------------- info
 */

static void set_number(lua_State *L, const char *name, double value) {
  lmoe_push_number(L, value);
  lua_setfield(L, -2, name);
}

static void push_fitted(lua_State *L, const moe_object *o) {
  static const char *const tasks[] = {"regression", "classification", "gating"};
  const moe_fitted *f = o->state;
  if (f == NULL || strcmp(o->type->family, "transform") == 0 ||
      strcmp(o->type->family, "detector") == 0)
    return;
  lua_pushstring(L, tasks[f->task]);
  lua_setfield(L, -2, "task");
  set_number(L, "n_features", (double)f->n_features);
  set_number(L, "n_outputs", (double)f->n_outputs);
  set_number(L, "n_seen", (double)f->n_seen);
  if (f->schema.names.n == 0) return;
  lua_newtable(L);
  for (size_t i = 0; i < f->schema.names.n; i++) {
    lua_pushstring(L, f->schema.names.items[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "names");
}

static int l_info(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  double behind = lmoe_bytes_behind(L, o);
  lmoe_call *c = lmoe_begin(L);
  const moe_gauge *g = o->type->gauges;
  lua_newtable(L);
  lua_pushstring(L, o->type->name);
  lua_setfield(L, -2, "type");
  lua_pushstring(L, o->type->family);
  lua_setfield(L, -2, "family");
  lua_pushboolean(L, o->state != NULL);
  lua_setfield(L, -2, "fitted");
  set_number(L, "bytes", (double)moe_object_bytes(o) + behind);
  push_fitted(L, o);
  for (; g != NULL && o->state != NULL && g->name != NULL; g++) {
    moe_value value = {.kind = MOE_V_NIL};
    LMOE_TRY(L, c, g->read(&c->call, o, &value));
    lmoe_push_value(L, &value);
    lua_setfield(L, -2, g->name);
  }
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* ------------------------------------------------------- copies and resets */

/* A foreign copy has met its box already, when its value was cloned. */
static void adopt_or_find(lua_State *L, moe_object *o) {
  if (find_canonical(L, o) == NULL) {
    adopt(L, o);
    return;
  }
  lua_replace(L, -2);
  moe_object_release(o);
}

static int l_clone(lua_State *L) {
  moe_object *o = lmoe_check_self(L), *copy;
  lmoe_call *c = lmoe_begin(L);
  push_empty(L, metatable_of(o->type->family));
  LMOE_TRY(L, c, moe_object_clone(&c->call, o, &copy));
  adopt_or_find(L, copy);
  lmoe_root_children(L, -1);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* assign(other): self becomes what other is. */
static int l_assign(lua_State *L) {
  moe_object *o = lmoe_check_idle_self(L);
  moe_object *from = lmoe_test_object(L, 2);
  if (from == NULL) luaL_error(L, "assign: another object expected");
  lmoe_call *c = lmoe_begin(L);
  lmoe_end(L, c, moe_object_assign(&c->call, o, from));
  lmoe_charge(L, lua_touserdata(L, 1), moe_object_bytes(o));
  lua_settop(L, 1);
  return 1;
}

static int l_reset(lua_State *L) {
  moe_object *o = lmoe_check_idle_self(L);
  lmoe_call *c = lmoe_begin(L);
  lmoe_end(L, c, moe_object_reset(&c->call, o));
  lmoe_charge(L, lua_touserdata(L, 1), moe_object_bytes(o));
  lua_pushvalue(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {
    {"get_params", l_get_params}, {"set_params", l_set_params},
    {"clone", l_clone},           {"assign", l_assign},
    {"reset", l_reset},           {"info", l_info},
    {"close", l_close},           {"__close", l_close},
    {"__tostring", l_tostring},   {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", l_new},
                                     {"foreign", lmoe_new_foreign},
                                     {"_behind", lmoe_get_behind},
                                     {"_on_table", l_on_table},
                                     {NULL, NULL}};

void lmoe_open_objects(lua_State *L) {
  lmoe_get_registry(L, &boxes_key);
  if (lua_isnil(L, -1)) {
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lmoe_set_registry(L, &boxes_key);
    lua_newtable(L);
    lmoe_set_registry(L, &makers_key);
  }
  lua_pop(L, 1);
  for (size_t i = 0; i < FAMILIES; i++)
    lmoe_new_family(L, families[i], methods, l_gc);
  lmoe_set_functions(L, functions);
}
