/* The line editor: libedit where the build found it, nobody otherwise. */
#ifndef EDITOR_H
#define EDITOR_H

#include <lua.h>
#include <stdbool.h>

/* False when lines cannot be edited here.  The function on the stack completes
   lines, see terminal.h; it stays there when the answer is false. */
bool editor_open(lua_State *L, const char *history_file);
void editor_close(void);

/* The line typed, or NULL: errno is EINTR after Ctrl-C, 0 at the end. */
const char *editor_read(const char *prompt, size_t *length);

#endif
