#include "terminal.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "editor.h"

static struct {
  bool edited;
  char *text; /* the last line that was plainly read */
  size_t room;
} terminal;

void terminal_open(lua_State *L, const char *history) {
  terminal.edited = editor_open(L, history);
  if (!terminal.edited) lua_pop(L, 1);
}

void terminal_close(void) {
  editor_close();
  free(terminal.text);
}

static const char *read_plainly(const char *prompt, size_t *length) {
  fputs(prompt, stdout);
  fflush(stdout);
  errno = 0;
  ssize_t count = getline(&terminal.text, &terminal.room, stdin);
  clearerr(stdin);
  if (count < 0) return NULL;
  *length = (size_t)count;
  return terminal.text;
}

int terminal_read(lua_State *L) {
  const char *prompt = luaL_checkstring(L, 1);
  size_t length = 0;
  const char *text = terminal.edited ? editor_read(prompt, &length)
                                     : read_plainly(prompt, &length);
  if (text) {
    while (length > 0 && strchr("\r\n", text[length - 1])) length--;
    lua_pushlstring(L, text, length);
  } else if (errno == EINTR) {
    putchar('\n');
    lua_pushboolean(L, 0);
  } else {
    lua_pushnil(L);
  }
  return 1;
}
