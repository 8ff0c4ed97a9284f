/* Lines typed by a person: edited, remembered and completed where that can be
   done, plainly read otherwise. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <lua.h>

/* Lines are kept in the file `history` unless it is NULL; the name must outlive
   the terminal.  Pops the function that completes a line: from the text before
   the cursor to what to insert and what to show, each a string or nil. */
void terminal_open(lua_State *L, const char *history);
void terminal_close(void);

/* A Lua function: from a prompt to a line; nil at the end; false after Ctrl-C.
 */
int terminal_read(lua_State *L);

#endif
