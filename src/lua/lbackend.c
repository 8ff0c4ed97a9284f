/* Which library makes the matrix products, as Lua sees it. */
#include <stdlib.h>

#include "gemm.h"
#include "ltensor.h"

static int l_backend(lua_State *L) {
  lua_pushstring(L, moe_backend_name());
  return 1;
}

static int load_with(lua_State *L,
                     moe_status (*load)(moe_call *call, const char *name)) {
  const char *name = luaL_checkstring(L, 1);
  lmoe_call *c = lmoe_begin(L);
  lmoe_end(L, c, load(&c->call, name));
  return 0;
}

static int l_load_backend(lua_State *L) {
  return load_with(L, moe_backend_load);
}

static int l_replace_backend(lua_State *L) {
  return load_with(L, moe__backend_replace);
}

static const moe_tensor *check_matrix(lua_State *L, int index) {
  const moe_tensor *t = lmoe_check_tensor(L, index);
  luaL_argcheck(L, t->ndim == 2 && t->dtype == MOE_F32, index,
                "a float matrix is needed");
  return t;
}

/* For specs, the whole of moe_gemm: _product(a, b, transa, transb, alpha, beta,
   c) changes the first columns of c, which may have more, and returns it. */
static int l_product(lua_State *L) {
  const moe_tensor *a = check_matrix(L, 1), *b = check_matrix(L, 2);
  const moe_tensor *c = check_matrix(L, 7);
  bool transa = lua_toboolean(L, 3), transb = lua_toboolean(L, 4);
  size_t m = (size_t)a->shape[transa ? 1 : 0], ldc = (size_t)c->shape[1];
  size_t k = (size_t)a->shape[transa ? 0 : 1];
  size_t n = (size_t)b->shape[transb ? 0 : 1];
  luaL_argcheck(L, (size_t)b->shape[transb ? 1 : 0] == k, 2, "wrong shape");
  luaL_argcheck(L, (size_t)c->shape[0] == m && ldc >= n, 7, "wrong shape");
  moe_gemm(transa, transb, m, n, k, (float)luaL_checknumber(L, 5), a->f,
           transa ? m : k, b->f, transb ? k : n, (float)luaL_checknumber(L, 6),
           c->f, ldc);
  lua_settop(L, 7);
  return 1;
}

static const luaL_Reg functions[] = {{"backend", l_backend},
                                     {"load_backend", l_load_backend},
                                     {"_replace_backend", l_replace_backend},
                                     {"_product", l_product},
                                     {NULL, NULL}};

/* MOE_KERNELS=portable, or another backend's name, has the first word.  In a
   process that has made products already it comes too late, and is ignored. */
static void obey_environment(lua_State *L) {
  const char *name = getenv("MOE_KERNELS");
  lmoe_call *c;
  moe_status status;
  if (name == NULL || name[0] == '\0') return;
  c = lmoe_begin(L);
  status = moe_backend_load(&c->call, name);
  if (status == MOE_EPARAM)
    luaL_error(L, "MOE_KERNELS: %s", c->call.error.text);
  lua_pop(L, 1);
}

void lmoe_open_backend(lua_State *L) {
  lmoe_set_functions(L, functions);
  obey_environment(L);
}
