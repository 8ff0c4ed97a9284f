/* Tensors in files of other programs: IDX, NumPy, safetensors. */
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "idx.h"
#include "ltable.h"
#include "ltensor.h"
#include "npy.h"
#include "npz.h"
#include "tensor_file.h"

/* A number is no path, though Lua would make a text of it. */
static const char *check_path(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  return lmoe_check_path(L, 1);
}

/* The tensor, or nil, message, code. */
static int return_tensor(lua_State *L, lmoe_call *c, moe_status status,
                         moe_tensor *t) {
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_end(L, c, MOE_OK);
  lmoe_push_tensor(L, t);
  return 1;
}

static int return_true(lua_State *L, lmoe_call *c, moe_status status) {
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_end(L, c, MOE_OK);
  lua_pushboolean(L, 1);
  return 1;
}

/* read_idx(path [, { float }]) */
static int l_read_idx(lua_State *L) {
  static const char *const known[] = {"float", NULL};
  const char *path = check_path(L);
  moe_tensor *t;
  lmoe_check_options(L, 2, known);
  lua_settop(L, 2);
  bool floats = lua_istable(L, 2) && lmoe_opt_flag(L, 2, "float", false);
  lmoe_call *c = lmoe_begin(L);
  moe_status status = moe_idx_read(&c->call, path, floats, &t);
  return return_tensor(L, c, status, t);
}

static int l_read_npy(lua_State *L) {
  const char *path = check_path(L);
  moe_tensor *t;
  lmoe_call *c = lmoe_begin(L);
  moe_status status = moe_npy_read(&c->call, path, &t);
  return return_tensor(L, c, status, t);
}

/* write_npy(path, tensor), write_idx(path, tensor) */
static int write_tensor(lua_State *L,
                        moe_status (*write)(moe_call *call, const char *path,
                                            const moe_tensor *t)) {
  const char *path = check_path(L);
  const moe_tensor *t = lmoe_check_tensor(L, 2);
  lmoe_call *c = lmoe_begin(L);
  return return_true(L, c, write(&c->call, path, t));
}

static int l_write_npy(lua_State *L) { return write_tensor(L, moe_npy_write); }
static int l_write_idx(lua_State *L) { return write_tensor(L, moe_idx_write); }

/* ------------------------------------------------------------------- by name
 */

static int return_tensors(lua_State *L, lmoe_call *c, moe_status status,
                          const moe_named_tensors *s) {
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lua_createtable(L, 0, (int)s->n);
  for (size_t i = 0; i < s->n; i++) {
    lmoe_push_tensor(L, moe_tensor_retain(s->items[i]));
    lua_setfield(L, -2, s->names[i]);
  }
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* Held by the call, so that it is freed whatever is raised. */
static moe_named_tensors *new_tensors(lua_State *L, lmoe_call *c) {
  moe_named_tensors *s;
  LMOE_TRY(L, c, moe_named_tensors_new(&c->call, &s));
  lmoe_hold(c, s, moe_named_tensors_release);
  return s;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in the table at `index`, in their order, as scratch. */
static const char **sorted_names(lua_State *L, lmoe_call *c, int index,
                                 size_t *n) {
  const char **names;
  *n = 0;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    size_t length = 0;
    if (lua_type(L, -2) != LUA_TSTRING || lmoe_test_tensor(L, -1) == NULL ||
        strlen(lua_tolstring(L, -2, &length)) != length)
      luaL_error(L, "a table, name to tensor, expected; got a %s under a %s",
                 luaL_typename(L, -1), luaL_typename(L, -2));
    ++*n;
  }
  names = moe_scratch(&c->call, *n, sizeof *names);
  if (names == NULL) lmoe_end(L, c, MOE_ENOMEM);
  *n = 0;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
    names[(*n)++] = lua_tostring(L, -2);
  if (*n > 1) qsort(names, *n, sizeof *names, compare_names);
  return names;
}

static const moe_named_tensors *check_tensors(lua_State *L, lmoe_call *c,
                                              int index) {
  size_t n;
  luaL_checktype(L, index, LUA_TTABLE);
  const char **names = sorted_names(L, c, index, &n);
  moe_named_tensors *s = new_tensors(L, c);
  for (size_t i = 0; i < n; i++) {
    lua_pushstring(L, names[i]);
    lua_rawget(L, index);
    moe_tensor *t = moe_tensor_retain(lmoe_check_tensor(L, -1));
    LMOE_TRY(L, c,
             moe_named_tensors_add(&c->call, s, names[i], strlen(names[i]), t));
    lua_pop(L, 1);
  }
  return s;
}

typedef moe_status reader(moe_call *call, const char *path,
                          moe_named_tensors *out);
typedef moe_status writer(moe_call *call, const char *path,
                          const moe_named_tensors *s);

static int read_tensors(lua_State *L, reader *read) {
  const char *path = check_path(L);
  lmoe_call *c = lmoe_begin(L);
  moe_named_tensors *s = new_tensors(L, c);
  return return_tensors(L, c, read(&c->call, path, s), s);
}

static int write_tensors(lua_State *L, writer *write) {
  const char *path = check_path(L);
  lmoe_call *c = lmoe_begin(L);
  const moe_named_tensors *s = check_tensors(L, c, 2);
  return return_true(L, c, write(&c->call, path, s));
}

static int l_read_npz(lua_State *L) { return read_tensors(L, moe_npz_read); }
static int l_write_npz(lua_State *L) { return write_tensors(L, moe_npz_write); }
static int l_read_safetensors(lua_State *L) {
  return read_tensors(L, moe_tensors_read);
}
static int l_write_safetensors(lua_State *L) {
  return write_tensors(L, moe_tensors_write);
}

/* _pack_tensors(name → tensor): a string for the state of an object written in
   Lua, and the way back. */
static int l_pack(lua_State *L) {
  lmoe_call *c = lmoe_begin(L);
  const moe_named_tensors *s = check_tensors(L, c, 1);
  char **text;
  size_t size;
  text = lmoe_push_bytes_box(L);
  LMOE_TRY(L, c, moe_tensors_print(&c->call, s, text, &size));
  lua_pushlstring(L, *text, size);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static int l_unpack(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  lmoe_call *c = lmoe_begin(L);
  moe_named_tensors *s = new_tensors(L, c);
  return return_tensors(L, c, moe_tensors_parse(&c->call, text, size, s), s);
}

/* _pack_bytes(string) → base64, and the way back. */
static int l_pack_bytes(lua_State *L) {
  size_t n, size;
  const char *bytes = luaL_checklstring(L, 1, &n);
  lmoe_call *c = lmoe_begin(L);
  char **text = lmoe_push_bytes_box(L);
  LMOE_TRY(L, c, moe_base64_print(&c->call, bytes, n, text, &size));
  lua_pushlstring(L, *text, size);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static int l_unpack_bytes(lua_State *L) {
  size_t n, size;
  const char *text = luaL_checklstring(L, 1, &size);
  lmoe_call *c = lmoe_begin(L);
  unsigned char **bytes = lmoe_push_bytes_box(L);
  LMOE_TRY(L, c, moe_base64_parse(&c->call, text, size, bytes, &n));
  lua_pushlstring(L, (const char *)*bytes, n);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static const luaL_Reg readers[] = {{"read_idx", l_read_idx},
                                   {"write_idx", l_write_idx},
                                   {"read_npy", l_read_npy},
                                   {"write_npy", l_write_npy},
                                   {"read_npz", l_read_npz},
                                   {"write_npz", l_write_npz},
                                   {"read_safetensors", l_read_safetensors},
                                   {"write_safetensors", l_write_safetensors},
                                   {NULL, NULL}};
static const luaL_Reg packing[] = {{"_pack_tensors", l_pack},
                                   {"_unpack_tensors", l_unpack},
                                   {"_pack_bytes", l_pack_bytes},
                                   {"_unpack_bytes", l_unpack_bytes},
                                   {NULL, NULL}};

void lmoe_open_arrays(lua_State *L) {
  lmoe_set_functions(L, packing);
  lua_getfield(L, -1, "data");
  lmoe_set_functions(L, readers);
  lua_pop(L, 1);
}
