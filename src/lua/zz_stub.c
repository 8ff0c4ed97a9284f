#include "lmoe.h"
__attribute__((weak)) void lmoe_open_transforms(lua_State *L) { (void)L; }
