/* The columns' names that Lua tables tell: in their metatables' field `names`,
   an array of d strings.  A stream has them there.  They are read as they lie,
   so that no code of the user's runs, and copied, since a callback may change
   them. */
#include "lnames.h"

#include <string.h>

static void *new_scratch(lua_State *L, lmoe_call *c, size_t n, size_t size) {
  void *room = moe_scratch(&c->call, n, size);
  if (room == NULL) lmoe_end(L, c, MOE_ENOMEM);
  return room;
}

moe_schema *lmoe_new_schema(lua_State *L, lmoe_call *c, size_t d,
                            char *const *names) {
  moe_schema *s = new_scratch(L, c, 1, sizeof *s);
  s->n = d;
  if (names != NULL) s->names = (moe_texts){(char **)names, d};
  return s;
}

/* A copy of the string on top; NULL of anything else. */
static char *copy_name(lua_State *L, lmoe_call *c) {
  size_t size;
  if (lua_type(L, -1) != LUA_TSTRING) return NULL;
  const char *text = lua_tolstring(L, -1, &size);
  if (strlen(text) != size) return NULL;
  return memcpy(new_scratch(L, c, size + 1, 1), text, size + 1);
}

const moe_schema *lmoe_find_names(lua_State *L, lmoe_call *c, int index,
                                  size_t d) {
  if (!lua_getmetatable(L, index)) return NULL;
  int top = lua_gettop(L);
  lua_pushliteral(L, "names");
  lua_rawget(L, top);
  bool good = lua_istable(L, -1) && lua_rawlen(L, -1) == d;
  char **names = good ? new_scratch(L, c, d, sizeof *names) : NULL;
  for (size_t j = 0; good && j < d; j++) {
    lua_rawgeti(L, top + 1, (int)j + 1);
    names[j] = copy_name(L, c);
    good = names[j] != NULL;
    lua_pop(L, 1);
  }
  lua_settop(L, top - 1);
  return good ? lmoe_new_schema(L, c, d, names) : NULL;
}

/* The first column in which the two differ, or d. */
static size_t first_other(const moe_schema *a, const moe_schema *b) {
  size_t j = 0;
  while (j < a->n && strcmp(a->names.items[j], b->names.items[j]) == 0) j++;
  return j;
}

bool lmoe_same_names(const moe_schema *x, const moe_schema *schema) {
  if (x == NULL || schema->names.n == 0) return true;
  return x->n == schema->n && first_other(x, schema) == x->n;
}

/* Row i, which is on top, tells what the rows before it have told, or nothing;
   what they tell from here on. */
static const moe_schema *follow(lua_State *L, lmoe_call *c, size_t i, size_t d,
                                const moe_schema *told) {
  const moe_schema *row = lmoe_find_names(L, c, lua_gettop(L), d);
  if (told == NULL || row == NULL) return told == NULL ? row : told;
  size_t j = first_other(row, told);
  if (j < d)
    luaL_error(L, "column %d of X[%d] is '%s', but X has '%s' there",
               (int)j + 1, (int)i + 1, row->names.items[j],
               told->names.items[j]);
  return told;
}

const moe_schema *lmoe_find_rows_names(lua_State *L, lmoe_call *c, int index,
                                       size_t n, size_t d) {
  const moe_schema *told = lmoe_find_names(L, c, index, d);
  const void *last = NULL;
  for (size_t i = 0; i < n && (i == 0 || told != NULL); i++) {
    lua_rawgeti(L, index, (int)i + 1);
    const void *teller = lmoe_teller(L, -1);
    if (teller != last && teller != NULL) told = follow(L, c, i, d, told);
    last = teller;
    lua_pop(L, 1);
  }
  return told;
}
