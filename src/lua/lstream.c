/* core.csv_stream: the rows of a CSV file one after the other. */
#include <math.h>

#include "csv_stream.h"
#include "lmoe.h"
#include "ltable.h"

#define LMOE_CSV_STREAM "moe.CsvStream"

static int l_close(lua_State *L) {
  lmoe_box *box = lmoe_want_box(L, 1, LMOE_CSV_STREAM);
  moe_csv_stream_close(box->pointer);
  box->pointer = NULL;
  lmoe_charge(L, box, 0);
  return 0;
}

/* The functions of a stream have its box as their upvalue. */
static moe_csv_stream *self(lua_State *L) {
  lmoe_box *box = lua_touserdata(L, lua_upvalueindex(1));
  if (box->pointer == NULL) luaL_error(L, "attempt to use a closed stream");
  return box->pointer;
}

static void push_value(lua_State *L, const moe_csv_value *v, bool nominal) {
  if (nominal && v->text != NULL)
    lua_pushlstring(L, v->text, v->size);
  else if (nominal)
    lua_pushboolean(L, 0);
  else if (v->number == 0 && signbit(v->number))
    lua_pushnumber(L, v->number); /* an integer zero has no sign */
  else
    lmoe_push_number(L, v->number);
}

/* The call is ended before anything of Lua can raise. */
static int refuse(lua_State *L, moe_call *call, moe_status status) {
  moe_call_end(call);
  if (status != MOE_EIO && status != MOE_EFORMAT)
    return luaL_error(L, "%s", call->error.text);
  lua_pushnil(L);
  lua_pushstring(L, call->error.text);
  lua_pushstring(L, moe_status_name(status));
  return 3;
}

/* next(x) → x with the next row's features, and its target, nil if missing;
   nil after the last; or nil, message, code. */
static int l_next(lua_State *L) {
  moe_csv_stream *s = self(L);
  const moe_csv_value *row;
  moe_call call;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  moe_call_init(&call, NULL, 1);
  moe_status status = moe_csv_stream_next(&call, s, &row);
  if (status != MOE_OK) return refuse(L, &call, status);
  moe_call_end(&call);
  lua_pushnil(L);
  if (row == NULL) return 1;
  ptrdiff_t target = moe_csv_stream_target(s);
  int place = 0;
  for (size_t j = 0; j < moe_csv_stream_names(s)->n; j++) {
    push_value(L, &row[j], moe_csv_stream_nominal(s, j));
    if ((ptrdiff_t)j != target)
      lua_rawseti(L, 1, ++place);
    else if (lmoe_is_absent(L, -1))
      lua_pop(L, 1);
    else
      lua_replace(L, 2);
  }
  return 2;
}

/* rewind() → true, or nil, message, code */
static int l_rewind(lua_State *L) {
  moe_csv_stream *s = self(L);
  moe_call call;
  moe_call_init(&call, NULL, 1);
  moe_status status = moe_csv_stream_rewind(&call, s);
  if (status != MOE_OK) return refuse(L, &call, status);
  moe_call_end(&call);
  lua_pushboolean(L, 1);
  return 1;
}

/* Into the table below the top: names and kinds of the features, and those of
   the target. */
static void tell_columns(lua_State *L, const moe_csv_stream *s) {
  const moe_texts *names = moe_csv_stream_names(s);
  ptrdiff_t target = moe_csv_stream_target(s);
  int place = 0;
  lua_newtable(L);
  lua_newtable(L);
  for (size_t j = 0; j < names->n; j++) {
    const char *kind = moe_csv_stream_nominal(s, j) ? "string" : "number";
    bool is_target = (ptrdiff_t)j == target;
    if (!is_target) place++;
    lua_pushstring(L, names->items[j]);
    if (is_target)
      lua_setfield(L, -4, "target");
    else
      lua_rawseti(L, -3, place);
    lua_pushstring(L, kind);
    if (is_target)
      lua_setfield(L, -4, "target_kind");
    else
      lua_rawseti(L, -2, place);
  }
  lua_setfield(L, -3, "kinds");
  lua_setfield(L, -2, "names");
}

/* csv_stream(path [, options]) → { next, rewind, names, kinds, target,
   target_kind }, or nil, message, code. */
static int l_csv_stream(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"next", l_next}, {"rewind", l_rewind}, {NULL, NULL}};
  const char *path = lmoe_check_path(L, 1);
  moe_csv_stream *s;
  lua_settop(L, 2);
  lua_newtable(L);
  lmoe_box *box = lmoe_push_box(L, LMOE_CSV_STREAM);
  lmoe_call *c = lmoe_begin(L);
  const moe_object *o = lmoe_push_settings(L, c, &moe_csv_type, 2);
  moe_status status = moe_csv_stream_open(&c->call, path, o->params, &s);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  box->pointer = s;
  lmoe_end(L, c, MOE_OK);
  lmoe_charge(L, box, moe_csv_stream_bytes(s));
  for (const luaL_Reg *f = functions; f->name != NULL; f++) {
    lua_pushvalue(L, 4);
    lua_pushcclosure(L, f->func, 1);
    lua_setfield(L, 3, f->name);
  }
  lua_settop(L, 3);
  tell_columns(L, s);
  return 1;
}

void lmoe_open_streams(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  lmoe_new_family(L, LMOE_CSV_STREAM, none, l_close);
  lua_pushcfunction(L, l_csv_stream);
  lua_setfield(L, -2, "csv_stream");
}
