/* The prompt: reads, evaluates, prints, until the end of the input. */
#ifndef PROMPT_H
#define PROMPT_H

#include <lua.h>

void prompt_run(lua_State *L);

#endif
