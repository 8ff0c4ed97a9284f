/* The Lua modules that the program carries inside itself. */
#ifndef MODULES_H
#define MODULES_H

#include <lua.h>
#include <stddef.h>

struct lua_module {
  const char *name;  /* as given to require */
  const char *chunk; /* where messages say that its code is */
  const unsigned char *source;
  size_t size;
};

/* Written by the build from lua/moe; a record without a name ends it. */
extern const struct lua_module lua_modules[];

/* Lets require find them, and moe.core, before any file. */
void modules_preload(lua_State *L);

#endif
