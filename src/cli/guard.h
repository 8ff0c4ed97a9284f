/* Calls that end in a traceback when they fail, and that Ctrl-C ends. */
#ifndef GUARD_H
#define GUARD_H

#include <lua.h>
#include <stdatomic.h>

/* The flag that makes the engine give up; known once the engine is loaded. */
void guard_engine(atomic_bool *interrupt);

/* From here on Ctrl-C stops the guarded call, Lua or engine, that is running
   on this thread; where none runs it only interrupts the read of a line.  A
   third Ctrl-C that finds the call still running ends the program. */
void guard_against_interrupts(void);

/* lua_pcall, with a traceback added to an error's message. */
int guard_call(lua_State *L, int arguments, int results);

/* Pops the error on the stack and prints it on the standard error. */
void guard_report(lua_State *L, const char *who);

#endif
