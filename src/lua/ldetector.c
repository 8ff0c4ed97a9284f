/* moe.drift: detectors of change in Lua. */
#include <math.h>

#include "drift.h"
#include "lmoe.h"

static moe_object *check_detector(lua_State *L) {
  return lmoe_check_object(L, 1, LMOE_DETECTOR);
}

static void prepare(lua_State *L, moe_object *o) {
  lmoe_call *c = lmoe_begin(L);
  LMOE_TRY(L, c, moe_drift_prepare(&c->call, o));
  lmoe_charge(L, lua_touserdata(L, 1), moe_object_bytes(o));
  lmoe_end(L, c, MOE_OK);
}

/* update(x): "stable", "warning" or "drift". */
static int l_update(lua_State *L) {
  static const char *const signals[] = {"stable", "warning", "drift"};
  moe_object *o = check_detector(L);
  double x = luaL_checknumber(L, 2);
  if (!isfinite(x))
    return luaL_error(L, "update: the number is %s",
                      isnan(x) ? "NaN" : "infinite");
  if (!moe_drift_is_prepared(o)) prepare(L, o);
  lua_pushstring(L, signals[moe_drift_update(o, x)]);
  return 1;
}

/* mean(): of the numbers since the last change. */
static int l_mean(lua_State *L) {
  lmoe_push_number(L, moe_drift_mean(check_detector(L)));
  return 1;
}

static const luaL_Reg methods[] = {
    {"update", l_update}, {"mean", l_mean}, {NULL, NULL}};

void lmoe_open_detectors(lua_State *L) {
  lmoe_add_methods(L, LMOE_DETECTOR, methods);
}
