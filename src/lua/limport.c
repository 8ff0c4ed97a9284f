/* import(path, { classes }): models that other programs saved, as learners. */
#include <math.h>

#include "file.h"
#include "imported.h"
#include "lmoe.h"

/* The name of class k: a string, number or boolean; the string stays Lua's. */
static moe_label check_class(lua_State *L, const moe_value *v, size_t k) {
  switch (v->kind) {
    case MOE_V_TEXT:
      return (moe_label){.kind = MOE_L_TEXT, .text = (char *)v->text};
    case MOE_V_FLAG: return (moe_label){.kind = MOE_L_FLAG, .number = v->flag};
    case MOE_V_NUMBER:
      if (!isnan(v->number))
        return (moe_label){.kind = MOE_L_NUMBER, .number = v->number};
    /* fall through */
    default:
      luaL_error(L, "import: classes[%d] must be a string, number or boolean",
                 (int)k + 1);
      return (moe_label){.kind = MOE_L_FLAG};
  }
}

/* The option `classes`, in the call's scratch; NULL without it. */
static const moe_labels *opt_classes(lua_State *L, lmoe_call *c, int options) {
  moe_labels *out = NULL;
  lmoe_get_option(L, options, "classes");
  if (!lua_isnil(L, -1)) {
    moe_value v = lmoe_check_value(L, c, lua_gettop(L));
    if (v.kind != MOE_V_LIST)
      luaL_error(L, "import: 'classes' must be a list of the classes' names");
    out = moe_scratch(&c->call, 1, sizeof *out);
    if (out != NULL)
      out->items = moe_scratch(&c->call, v.n, sizeof *out->items);
    if (out == NULL || out->items == NULL) lmoe_end(L, c, MOE_ENOMEM);
    for (; out->n < v.n; out->n++)
      out->items[out->n] = check_class(L, &v.items[out->n], out->n);
  }
  lua_pop(L, 1);
  return out;
}

static void release_object(void *o) { moe_object_release(o); }

/* The trained learner; or nil, message, code. */
static int l_import(lua_State *L) {
  static const char *const known[] = {"classes", NULL};
  const char *path = luaL_checkstring(L, 1);
  const moe_labels *classes = NULL;
  unsigned char *bytes;
  moe_object *o;
  size_t size;
  lua_settop(L, 2);
  lmoe_check_options(L, 2, known);
  lmoe_call *c = lmoe_begin(L);
  if (lua_istable(L, 2)) classes = opt_classes(L, c, 2);
  moe_status status =
      moe_file_read(&c->call, path, PTRDIFF_MAX / 2, &bytes, &size);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  status = moe_imported_read(&c->call, path, (char *)bytes, size, classes, &o);
  moe_free(bytes);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_hold(c, o, release_object);
  lmoe_push_object(L, o);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

void lmoe_open_import(lua_State *L) {
  static const luaL_Reg functions[] = {{"import", l_import}, {NULL, NULL}};
  lmoe_set_functions(L, functions);
}
