/* Copies, exchanges and states of what is written in Lua. */
#include "json.h"
#include "lforeign.h"

/* The value at the index is the one behind the object. */
static void set_behind(lua_State *L, const moe_object *o, int value) {
  lmoe_push_object(L, (moe_object *)o);
  LMOE_GET_VALUE(L, -1);
  lua_pushvalue(L, value);
  lua_setfield(L, -2, "value");
  lua_pop(L, 2);
}

static int l_clone(lua_State *L) {
  lmoe_request *r = lmoe_begin_request(L);
  if (!lua_isfunction(L, -1)) {
    if (!lmoe_find_method(L, "clone"))
      luaL_error(L,
                 "an expert or gate written in Lua is copied with its clone "
                 "method, which it does not have");
    lmoe_call_found(L, "clone", 1, 1);
  }
  set_behind(L, r->copy, lua_gettop(L));
  lmoe_push_object(L, (moe_object *)r->object);
  LMOE_GET_VALUE(L, -1);
  lmoe_get_option(L, -1, "name");
  lmoe_push_object(L, r->copy);
  lmoe_name_foreign(L);
  lmoe_anchor(L, r->c);
  return 0;
}

/* Pushes a table of what the one at index holds, which is empty then. */
static int take_out(lua_State *L, int index) {
  lua_newtable(L);
  int copy = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, index);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, copy);
  }
  for (lua_pushnil(L); lua_next(L, copy);) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, index);
  }
  return copy;
}

static void put_in(lua_State *L, int index, int from) {
  for (lua_pushnil(L); lua_next(L, from);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, index);
  }
}

/* What tables hold changes places, so that who knows one of them goes on
   knowing it; other values do so themselves, in their boxes. */
static void exchange_tables(lua_State *L, int a, int b) {
  if (!lua_getmetatable(L, a)) lua_pushnil(L);
  if (!lua_getmetatable(L, b)) lua_pushnil(L);
  lua_setmetatable(L, a);
  lua_setmetatable(L, b);
  int of_a = take_out(L, a), of_b = take_out(L, b);
  put_in(L, a, of_b);
  put_in(L, b, of_a);
}

static int l_exchange(lua_State *L) {
  lmoe_request *r = lmoe_begin_request(L);
  int a = lua_gettop(L);
  if (!lmoe_push_behind(L, r->other))
    luaL_error(L, "the Lua value of an expert or gate is gone");
  int b = lua_gettop(L);
  if (lua_istable(L, a) && lua_istable(L, b)) {
    if (!lua_rawequal(L, a, b)) exchange_tables(L, a, b);
    return 0;
  }
  set_behind(L, r->object, b);
  set_behind(L, r->other, a);
  return 0;
}

static int l_get_state(lua_State *L) {
  lmoe_request *r = lmoe_begin_request(L);
  if (!lmoe_find_method(L, "get_state"))
    return luaL_error(L,
                      "an expert or gate written in Lua is saved with its "
                      "get_state method, which it does not have");
  lmoe_call_found(L, "get_state", 1, 1);
  moe_value value = lmoe_check_value(L, r->c, -1);
  if (moe_json_print(&r->c->call, &value, r->json) != MOE_OK)
    return luaL_error(L, "get_state: %s", r->c->call.error.text);
  return 0;
}

typedef struct weigher {
  moe_visitor visitor;
  lua_State *L;
  double bytes;
} weigher;

static void weigh(weigher *w, const moe_object *o);

static moe_status weigh_field(moe_visitor *v, const moe_field *f) {
  const moe_children *c = f->at;
  if (f->kind == MOE_FIELD_CHILD && *(moe_object **)f->at != NULL)
    weigh((weigher *)v, *(moe_object **)f->at);
  for (size_t i = 0; f->kind == MOE_FIELD_CHILDREN && i < c->n; i++)
    weigh((weigher *)v, c->items[i]);
  return MOE_OK;
}

static void weigh(weigher *w, const moe_object *o) {
  int top = lua_gettop(w->L);
  luaL_checkstack(w->L, 8, "objects nested too deeply");
  if (moe_object_is_foreign(o) && lmoe_push_behind(w->L, o) &&
      lmoe_find_method(w->L, "bytes")) {
    lua_call(w->L, 1, 1);
    w->bytes += lua_tonumber(w->L, -1);
  }
  lua_settop(w->L, top);
  moe_object_visit((moe_object *)o, &w->visitor);
}

double lmoe_bytes_behind(lua_State *L, const moe_object *o) {
  weigher w = {{weigh_field}, L, 0};
  weigh(&w, o);
  return w.bytes;
}

/* _behind(object): the Lua value that it stands for, or nil. */
int lmoe_get_behind(lua_State *L) {
  const moe_object *o = lmoe_check_self(L);
  if (moe_object_is_foreign(o))
    lmoe_push_behind(L, o);
  else
    lua_pushnil(L);
  return 1;
}

moe_status lmoe_clone_foreign(moe_call *call, const moe_object *from,
                              moe_object *to) {
  lmoe_request r = {.copy = to};
  return lmoe_run_request(call, from, l_clone, &r);
}

moe_status lmoe_exchange_foreign(moe_call *call, moe_object *a, moe_object *b) {
  lmoe_request r = {.other = b};
  return lmoe_run_request(call, a, l_exchange, &r);
}

moe_status lmoe_get_foreign_state(moe_call *call, const moe_object *o,
                                  char **json) {
  lmoe_request r = {.json = json};
  return lmoe_run_request(call, o, l_get_state, &r);
}
