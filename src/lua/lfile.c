/* Objects as files and as byte strings, and the catalog as data. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "catalog.h"
#include "csv.h"
#include "file.h"
#include "foreign.h"
#include "json.h"
#include "layer.h"
#include "lmoe.h"
#include "makers.h"
#include "model_file.h"
#include "route.h"

/* save(path): true, or nil, message, code. */
static int l_save(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  const char *path = luaL_checkstring(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_status status = moe_model_save(&c->call, o, path);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_end(L, c, MOE_OK);
  lua_pushboolean(L, 1);
  return 1;
}

/* The bytes are copied into a Lua string in the box of a userdata, so that a
   raise for lack of memory frees them. */
static int free_bytes(lua_State *L) {
  void **bytes = lua_touserdata(L, 1);
  moe_free(*bytes);
  *bytes = NULL;
  return 0;
}

void *lmoe_push_bytes_box(lua_State *L) {
  return lmoe_push_freed(L, sizeof(void *), free_bytes);
}

static int l_dump(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  lmoe_call *c = lmoe_begin(L);
  unsigned char **bytes;
  size_t size;
  bytes = lmoe_push_bytes_box(L);
  LMOE_TRY(L, c, moe_model_dump(&c->call, o, bytes, &size));
  lua_pushlstring(L, (const char *)*bytes, size);
  moe_free(*bytes);
  *bytes = NULL;
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* ------------------------------------------------------ objects written in Lua
   A file holds their state; the values themselves come from the caller, by
   their place in the tree or by name: { lua = { ["experts.mine"] = object } }.
   Only now, with the file checked, does code run: their set_state. */
typedef struct bringing {
  lua_State *L;
  lmoe_call *c;
  int given; /* index of the table of values, or 0 */
  char path[256];
  bool missing;
  bool damaged; /* the call has the message */
} bringing;

static const char restore_key;

/* _on_load(function(state)): makes again what the library's own Lua code wrote,
   nil for what is another's. */
static int l_on_load(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lmoe_set_registry(L, &restore_key);
  return 0;
}

/* Pushes the state as a table, or nil where the file is to blame. */
static bool push_state(bringing *b, const char *state) {
  moe_value value = moe_text_value(NULL);
  moe_status status = moe_json_parse(&b->c->call, state, &value);
  if (status == MOE_ENOMEM) lmoe_end(b->L, b->c, status);
  if (status != MOE_OK) b->damaged = b->missing = true;
  lmoe_push_value(b->L, &value);
  return status == MOE_OK;
}

/* The function and its n arguments on top are called: one result, or nil and
   the file is to blame. */
static void call_checked(bringing *b, int n) {
  lua_State *L = b->L;
  if (lua_pcall(L, n, 1, 0) == 0) return;
  moe_fail(&b->c->call, MOE_EFORMAT, "%s",
           lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "no state");
  b->damaged = b->missing = true;
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* Pushes what the library makes of a state, filled with it, or nil. */
static void push_restored(bringing *b, const char *state) {
  lua_State *L = b->L;
  lmoe_get_registry(L, &restore_key);
  if (lua_isnil(L, -1) || state == NULL) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return;
  }
  if (push_state(b, state))
    call_checked(b, 1);
  else
    lua_remove(L, -2);
}

static void push_given(bringing *b, const char *name) {
  if (b->given == 0) {
    lua_pushnil(b->L);
    return;
  }
  lua_getfield(b->L, b->given, b->path);
  if (!lua_isnil(b->L, -1)) return;
  lua_pop(b->L, 1);
  lua_getfield(b->L, b->given, name);
}

/* The box on top gets the value; a state is handed to its set_state. */
static void bring_value(bringing *b, const moe_object *o, const char *name) {
  lua_State *L = b->L;
  const char *state = moe_foreign_state(o);
  bool given;
  push_given(b, name);
  given = !lua_isnil(L, -1);
  if (!given) {
    lua_pop(L, 1);
    push_restored(b, state);
  }
  if (lua_isnil(L, -1)) {
    b->missing = true;
    lua_pop(L, 1);
    return;
  }
  LMOE_GET_VALUE(L, -2);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "value");
  lua_pop(L, 1);
  if (given && state != NULL && !lua_isfunction(L, -1)) {
    lua_getfield(L, -1, "set_state");
    if (lua_isnil(L, -1))
      luaL_error(L, "the Lua object for '%s' has no set_state method", b->path);
    lua_pushvalue(L, -2);
    if (push_state(b, state))
      lua_call(L, 2, 0);
    else
      lua_pop(L, 3);
  }
  lua_pop(L, 1);
}

typedef struct walker {
  moe_visitor visitor;
  bringing *b;
} walker;

static void bring(bringing *b, moe_object *o, const char *name);

static void bring_child(bringing *b, const char *param, const char *name,
                        moe_object *child) {
  size_t length = strlen(b->path);
  snprintf(b->path + length, sizeof b->path - length, "%s%s%s%s",
           length > 0 ? "." : "", param, name != NULL ? "." : "",
           name != NULL ? name : "");
  bring(b, child, name != NULL ? name : param);
  b->path[length] = '\0';
}

static moe_status bring_field(moe_visitor *v, const moe_field *f) {
  bringing *b = ((walker *)v)->b;
  const moe_children *c = f->at;
  if (f->kind == MOE_FIELD_CHILD && *(moe_object **)f->at != NULL)
    bring_child(b, f->name, NULL, *(moe_object **)f->at);
  for (size_t i = 0; f->kind == MOE_FIELD_CHILDREN && i < c->n; i++)
    bring_child(b, f->name, c->names[i], c->items[i]);
  return MOE_OK;
}

static void bring(bringing *b, moe_object *o, const char *name) {
  walker w = {{bring_field}, b};
  if (moe_object_is_foreign(o) && !b->missing) {
    luaL_checkstack(b->L, 8, "objects nested too deeply");
    lmoe_push_object(b->L, o);
    bring_value(b, o, name);
    lua_pop(b->L, 1);
  }
  if (!b->missing) moe_object_visit(o, &w.visitor);
}

/* Finishes the loaded object whose box is on top: 1 result, or nil, message,
   code when a value for an object written in Lua was not given. */
static int finish_load(lua_State *L, lmoe_call *c, moe_object *o) {
  bringing b = {.L = L, .c = c};
  int box = lua_gettop(L);
  lmoe_root_children(L, box);
  if (lua_istable(L, 2)) {
    lua_getfield(L, 2, "lua");
    if (lua_istable(L, -1)) b.given = lua_gettop(L);
  }
  bring(&b, o, "");
  lua_settop(L, box);
  if (!b.missing) {
    lmoe_end(L, c, MOE_OK);
    return 1;
  }
  if (!b.damaged)
    moe_fail(&c->call, MOE_EFORMAT,
             "the file has an object written in Lua; give one in its place: "
             "{ lua = { [name] = object } }, by its name or path in the tree");
  return lmoe_refuse(L, c, MOE_EFORMAT);
}

static void check_load_options(lua_State *L) {
  static const char *const known[] = {"lua", NULL};
  lmoe_check_options(L, 2, known);
}

static void release_object(void *o) { moe_object_release(o); }

/* What a file may hold: layers are found too, to be refused by name. */
static const moe_type *find_type(const char *family, const char *name) {
  const moe_type *layer = moe_layer_find(family, name);
  return layer != NULL ? layer : moe_catalog_find(family, name);
}

static moe_status refuse_layer(moe_call *call, moe_object *o,
                               const char *from) {
  if (moe_layer_find(o->type->family, o->type->name) == NULL) return MOE_OK;
  moe_object_release(o);
  return moe_fail(call, MOE_EFORMAT,
                  "%.200s holds a layer, which moe.nn.MoE.load reads", from);
}

/* load(path, { lua }): the object, or nil, message, code. */
static int l_load(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  moe_object *o;
  check_load_options(L);
  lmoe_call *c = lmoe_begin(L);
  moe_status status = moe_model_load(&c->call, find_type, path, &o);
  if (status == MOE_OK) status = refuse_layer(&c->call, o, path);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_hold(c, o, release_object);
  lmoe_push_object(L, o);
  return finish_load(L, c, o);
}

/* undump(bytes, { lua }): the same from a string. */
static int l_undump(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  moe_object *o;
  check_load_options(L);
  lmoe_call *c = lmoe_begin(L);
  moe_status status = moe_model_undump(&c->call, find_type,
                                       (const unsigned char *)bytes, size, &o);
  if (status == MOE_OK) status = refuse_layer(&c->call, o, "the string");
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_hold(c, o, release_object);
  lmoe_push_object(L, o);
  return finish_load(L, c, o);
}

/* _write_file(path, bytes): true once the bytes are what the path holds, or
   nil, message, code; never a part of them. */
static int l_write_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  lmoe_call *c = lmoe_begin(L);
  moe_status status = moe_file_write(&c->call, path, bytes, size);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_end(L, c, MOE_OK);
  lua_pushboolean(L, 1);
  return 1;
}

/* ------------------------------------------------------------------- catalog
 */

static void set_text(lua_State *L, const char *name, const char *text) {
  if (text == NULL) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void set_bound(lua_State *L, const char *name, double value) {
  if (isnan(value)) return;
  lmoe_push_number(L, value);
  lua_setfield(L, -2, name);
}

static void push_param(lua_State *L, const moe_param *p) {
  static const char *const kinds[] = {
      [MOE_INT] = "int",           [MOE_REAL] = "real",
      [MOE_FLAG] = "flag",         [MOE_CHOICE] = "choice",
      [MOE_TEXT] = "text",         [MOE_INTS] = "ints",
      [MOE_REALS] = "reals",       [MOE_TEXTS] = "texts",
      [MOE_WEIGHTS] = "weights",   [MOE_CHILD] = "child",
      [MOE_CHILDREN] = "children", [MOE_CALLBACK] = "callback"};
  lua_newtable(L);
  set_text(L, "name", p->name);
  set_text(L, "kind", kinds[p->kind]);
  set_text(L, "doc", p->doc);
  set_text(L, "family", p->family);
  lua_pushboolean(L, (p->flags & MOE_OPTIONAL) != 0);
  lua_setfield(L, -2, "optional");
  if (p->kind == MOE_CHOICE) {
    if (!isnan(p->def)) set_text(L, "default", p->choices[(int)p->def]);
    lua_newtable(L);
    for (int i = 0; p->choices[i] != NULL; i++) {
      lua_pushstring(L, p->choices[i]);
      lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "choices");
    return;
  }
  if (p->kind == MOE_FLAG) {
    lua_pushboolean(L, p->def != 0);
    lua_setfield(L, -2, "default");
  } else {
    set_bound(L, "default", p->def);
  }
  if (p->min < p->max) {
    set_bound(L, "min", p->min);
    set_bound(L, "max", p->max);
    lua_pushboolean(L, (p->flags & MOE_ABOVE_MIN) != 0);
    lua_setfield(L, -2, "above_min");
  }
}

static void push_traits(lua_State *L, const moe_type *type) {
  static const char *const names[] = {
      "classifies",    "regresses",    "gates",         "multi_output",
      "takes_missing", "takes_sparse", "takes_nominal", "online",
      "out_of_bag",    "host_only",    "differentiable"};
  const moe_learner_type *learner = (const moe_learner_type *)type;
  unsigned traits = learner->traits;
  if (learner->begin == moe_stream_begin) /* its intake fills and encodes */
    traits |= MOE_TAKES_MISSING | MOE_TAKES_NOMINAL;
  lua_newtable(L);
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    lua_pushboolean(L, (traits >> i & 1) != 0);
    lua_setfield(L, -2, names[i]);
  }
  lua_setfield(L, -2, "traits");
}

static void push_type(lua_State *L, const moe_type *type) {
  lua_newtable(L);
  set_text(L, "name", type->name);
  set_text(L, "family", type->family);
  set_text(L, "doc", type->doc);
  if (strcmp(type->family, "learner") == 0 || strcmp(type->family, "gate") == 0)
    push_traits(L, type);
  lua_newtable(L);
  for (int i = 0; type->params[i].name != NULL; i++) {
    push_param(L, &type->params[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "params");
  lua_newtable(L);
  for (int i = 0; type->gauges != NULL && type->gauges[i].name != NULL; i++) {
    lua_newtable(L);
    set_text(L, "name", type->gauges[i].name);
    set_text(L, "doc", type->gauges[i].doc);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "gauges");
}

/* types(): the catalog with all that its tables say. */
static int l_types(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; moe_catalog[i] != NULL; i++) {
    push_type(L, moe_catalog[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* _function_types(): the same of the options of functions that have such a
   table: moe.route, moe.data.read_csv, moe.data.make_… */
static int l_function_types(lua_State *L) {
  lua_newtable(L);
  push_type(L, &moe_route_options);
  lua_rawseti(L, -2, 1);
  push_type(L, &moe_csv_type);
  lua_rawseti(L, -2, 2);
  for (int i = 0; moe_makers[i] != NULL; i++) {
    push_type(L, &moe_makers[i]->type);
    lua_rawseti(L, -2, i + 3);
  }
  return 1;
}

static const luaL_Reg methods[] = {
    {"save", l_save}, {"dump", l_dump}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"load", l_load},
                                     {"undump", l_undump},
                                     {"types", l_types},
                                     {"_function_types", l_function_types},
                                     {"_write_file", l_write_file},
                                     {"_on_load", l_on_load},
                                     {NULL, NULL}};

void lmoe_open_files(lua_State *L) {
  static const char *const families[] = {
      LMOE_LEARNER, LMOE_GATE, LMOE_TRANSFORM, LMOE_STREAMING, LMOE_DETECTOR};
  for (size_t i = 0; i < 5; i++) lmoe_add_methods(L, families[i], methods);
  lmoe_set_functions(L, functions);
}
