/* Plain Lua values as bytes and back, exactly: nil, booleans, numbers with all
   their bits, strings of any bytes, and tables of those.  A tag, then what
   belongs to it in the machine's own order: the bytes go from a process to one
   forked from it, or into a file that a machine of the same kind reads again.
   Reading stays within the bytes, whatever they are. */
#include <stdint.h>
#include <string.h>

#include "lmoe.h"

enum { DEEPEST = 100 };
enum {
  NIL = 'n',
  TRUE = 't',
  FALSE = 'f',
  REAL = 'd',
  INTEGER = 'i',
  TEXT = 's',
  OPEN = '{',
  CLOSE = '}'
};

/* ------------------------------------------------------------------ writing */

typedef struct writer {
  lua_State *L;
  int slot; /* of the userdata that holds the bytes */
  char *bytes;
  size_t n, capacity;
} writer;

static void add(writer *w, const void *bytes, size_t n) {
  if (n > w->capacity - w->n) {
    size_t capacity = 2 * w->capacity + n;
    char *larger = lua_newuserdata(w->L, capacity);
    memcpy(larger, w->bytes, w->n);
    lua_replace(w->L, w->slot);
    w->bytes = larger;
    w->capacity = capacity;
  }
  memcpy(w->bytes + w->n, bytes, n);
  w->n += n;
}

static void add_tag(writer *w, char tag) { add(w, &tag, 1); }

static void add_number(writer *w, int index) {
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(w->L, index)) {
    int64_t i = lua_tointeger(w->L, index);
    add_tag(w, INTEGER);
    add(w, &i, sizeof i);
    return;
  }
#endif
  double x = lua_tonumber(w->L, index);
  add_tag(w, REAL);
  add(w, &x, sizeof x);
}

static void add_text(writer *w, int index) {
  size_t n;
  const char *text = lua_tolstring(w->L, index, &n);
  add_tag(w, TEXT);
  add(w, &n, sizeof n);
  add(w, text, n);
}

static void add_value(writer *w, int index, int depth);

static void add_table(writer *w, int index, int depth) {
  lua_State *L = w->L;
  if (depth == DEEPEST)
    luaL_error(L, "tables nested more than %d deep cannot be sent", DEEPEST);
  luaL_checkstack(L, 4, "values nested too deeply");
  add_tag(w, OPEN);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    int key = lua_gettop(L) - 1;
    add_value(w, key, depth + 1);
    add_value(w, key + 1, depth + 1);
  }
  add_tag(w, CLOSE);
}

static void add_value(writer *w, int index, int depth) {
  switch (lua_type(w->L, index)) {
    case LUA_TNIL: add_tag(w, NIL); break;
    case LUA_TBOOLEAN:
      add_tag(w, lua_toboolean(w->L, index) ? TRUE : FALSE);
      break;
    case LUA_TNUMBER: add_number(w, index); break;
    case LUA_TSTRING: add_text(w, index); break;
    case LUA_TTABLE: add_table(w, index, depth); break;
    default:
      luaL_error(w->L,
                 "a %s cannot be sent from a process: only nil, booleans, "
                 "numbers, strings and tables of them can",
                 luaL_typename(w->L, index));
  }
}

/* pack(value) → its bytes. */
static int l_pack(lua_State *L) {
  enum { FIRST = 256 };
  writer w = {.L = L, .slot = 2, .capacity = FIRST};
  lua_settop(L, 1);
  w.bytes = lua_newuserdata(L, FIRST);
  add_value(&w, 1, 0);
  lua_pushlstring(L, w.bytes, w.n);
  return 1;
}

/* ------------------------------------------------------------------ reading */

typedef struct reader {
  lua_State *L;
  const char *at, *end;
} reader;

static const char *take(reader *r, size_t n) {
  const char *at = r->at;
  if (n > (size_t)(r->end - at)) luaL_error(r->L, "the value is cut off");
  r->at += n;
  return at;
}

static bool push_value(reader *r, int depth);

static void push_table(reader *r, int depth) {
  if (depth == DEEPEST) luaL_error(r->L, "the value is nested too deeply");
  luaL_checkstack(r->L, 4, "values nested too deeply");
  lua_newtable(r->L);
  while (push_value(r, depth + 1)) {
    if (!push_value(r, depth + 1)) luaL_error(r->L, "a key has no value");
    lua_rawset(r->L, -3);
  }
}

static void push_real(reader *r) {
  double x;
  memcpy(&x, take(r, sizeof x), sizeof x);
  lua_pushnumber(r->L, x);
}

static void push_integer(reader *r) {
  int64_t i;
  memcpy(&i, take(r, sizeof i), sizeof i);
  lua_pushinteger(r->L, (lua_Integer)i);
}

static void push_text(reader *r) {
  size_t n;
  memcpy(&n, take(r, sizeof n), sizeof n);
  const char *text = take(r, n);
  lua_pushlstring(r->L, text, n);
}

/* False, and nothing pushed, where a table ends. */
static bool push_value(reader *r, int depth) {
  switch (*take(r, 1)) {
    case NIL: lua_pushnil(r->L); break;
    case TRUE: lua_pushboolean(r->L, 1); break;
    case FALSE: lua_pushboolean(r->L, 0); break;
    case REAL: push_real(r); break;
    case INTEGER: push_integer(r); break;
    case TEXT: push_text(r); break;
    case OPEN: push_table(r, depth); break;
    case CLOSE:
      if (depth > 0) return false;
      /* fall through */
    default: luaL_error(r->L, "these bytes are no packed value");
  }
  return true;
}

/* unpack(bytes) → the value; raises when they are not those of one. */
static int l_unpack(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  reader r = {L, bytes, bytes + n};
  push_value(&r, 0);
  if (r.at != r.end) luaL_error(L, "there are bytes behind the value");
  return 1;
}

void lmoe_add_packing(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"pack", l_pack}, {"unpack", l_unpack}, {NULL, NULL}};
  lmoe_set_functions(L, functions);
}
