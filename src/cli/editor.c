#include "editor.h"

#ifdef HAVE_LIBEDIT

#include <errno.h>
#include <histedit.h>
#include <lauxlib.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "guard.h"

/* A terminal is one, and libedit's callbacks are given little else to find it
   by. */
static struct {
  EditLine *line;
  History *history;
  const char *history_file, *prompt;
  int completer;
} editor;

static char *give_prompt(EditLine *line) {
  (void)line;
  return (char *)editor.prompt;
}

static unsigned char complete(EditLine *line, int key) {
  (void)key;
  lua_State *L = NULL;
  el_get(line, EL_CLIENTDATA, &L);
  const LineInfo *typed = el_line(line);
  lua_rawgeti(L, LUA_REGISTRYINDEX, editor.completer);
  lua_pushlstring(L, typed->buffer, (size_t)(typed->cursor - typed->buffer));
  if (guard_call(L, 1, 2) != 0) return lua_pop(L, 1), CC_ERROR;
  const char *insert = lua_tostring(L, -2), *show = lua_tostring(L, -1);
  if (insert) el_insertstr(line, insert);
  if (show) printf("\n%s\n", show);
  lua_pop(L, 2);
  return show ? CC_REDISPLAY : insert ? CC_REFRESH : CC_ERROR;
}

static void open_history(const char *file) {
  HistEvent event;
  editor.history = history_init();
  if (!editor.history) return;
  editor.history_file = file;
  history(editor.history, &event, H_SETSIZE, 2000);
  history(editor.history, &event, H_SETUNIQUE, 1);
  if (file) history(editor.history, &event, H_LOAD, file);
  el_set(editor.line, EL_HIST, history, editor.history);
}

bool editor_open(lua_State *L, const char *history_file) {
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return false;
  setlocale(LC_CTYPE, ""); /* the width of characters; numbers stay Lua's */
  editor.line = el_init("moe", stdin, stdout, stderr);
  if (!editor.line) return false;
  editor.completer = luaL_ref(L, LUA_REGISTRYINDEX);
  el_set(editor.line, EL_CLIENTDATA, L);
  el_set(editor.line, EL_PROMPT, give_prompt);
  el_set(editor.line, EL_EDITOR, "emacs");
  el_set(editor.line, EL_ADDFN, "moe-complete", "Complete a name", complete);
  el_set(editor.line, EL_BIND, "^I", "moe-complete", NULL);
  el_set(editor.line, EL_BIND, "^R", "em-inc-search-prev", NULL);
  open_history(history_file);
  el_source(editor.line, NULL);
  return true;
}

static void remember(const char *text) {
  HistEvent event;
  if (!editor.history || text[0] == '\n') return;
  history(editor.history, &event, H_ENTER, text);
  if (editor.history_file)
    history(editor.history, &event, H_SAVE, editor.history_file);
}

const char *editor_read(const char *prompt, size_t *length) {
  int count = 0;
  editor.prompt = prompt;
  el_resize(editor.line);
  errno = 0;
  const char *text = el_gets(editor.line, &count);
  if (!text || count <= 0) {
    el_reset(editor.line);
    if (count >= 0) errno = 0;
    return NULL;
  }
  remember(text);
  *length = (size_t)count;
  return text;
}

void editor_close(void) {
  if (editor.history) history_end(editor.history);
  if (editor.line) el_end(editor.line);
}

#else

bool editor_open(lua_State *L, const char *history_file) {
  (void)L, (void)history_file;
  return false;
}

void editor_close(void) {}

const char *editor_read(const char *prompt, size_t *length) {
  (void)prompt, (void)length;
  return NULL;
}

#endif
