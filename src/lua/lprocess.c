/* core.processes: children forked from this process, each of which sends one
   string.  What is made of them is in lua/moe/processes.lua. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lmoe.h"

#define LMOE_PROCESS "moe.Process"

/* A box with no pointer: a child is numbers. */
typedef struct process {
  lmoe_box box;
  pid_t parent, child; /* child: 0 before the fork and after close */
  int pipe;            /* its end to read; -1: closed */
  bool silent;         /* the child has closed the other end */
} process;

static process *check_process(lua_State *L, int index) {
  return (process *)lmoe_want_box(L, index, LMOE_PROCESS);
}

/* ------------------------------------------------------------------ a child */

static bool write_all(int file, const char *bytes, size_t n) {
  while (n > 0) {
    ssize_t written = write(file, bytes, n);
    if (written < 0 && errno != EINTR) return false;
    if (written <= 0) continue;
    bytes += written;
    n -= (size_t)written;
  }
  return true;
}

/* Never returns, and leaves without what atexit and the closing of the state
   would do: that is the parent's. */
static void live(lua_State *L, int file) {
  size_t n = 0;
  const char *bytes = NULL;
  if (lua_pcall(L, 0, 1, 0) == 0 && lua_type(L, -1) == LUA_TSTRING)
    bytes = lua_tolstring(L, -1, &n);
  fflush(NULL);
  _exit(bytes != NULL && write_all(file, bytes, n) ? 0 : 1);
}

/* fork(f) → a process, in which f() runs and gives a string to send; or nil and
   why there can be none. */
static int l_fork(lua_State *L) {
  int ends[2];
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  process *p = lmoe_push_larger_box(L, LMOE_PROCESS, sizeof *p);
  p->pipe = -1;
  /* What this process has still to print is not to be printed twice. */
  fflush(NULL);
  bool open = pipe2(ends, O_CLOEXEC) == 0;
  pid_t child = open ? fork() : -1;
  if (child == 0) {
    close(ends[0]);
    lua_pushvalue(L, 1);
    live(L, ends[1]);
  }
  int error = errno;
  if (open) close(ends[1]);
  if (child < 0) {
    if (open) close(ends[0]);
    lua_pushnil(L);
    lua_pushstring(L, strerror(error));
    return 2;
  }
  p->parent = getpid();
  p->child = child;
  p->pipe = ends[0];
  return 1;
}

/* ---------------------------------------------------------------- its parent
 */

/* Of closed ones alone nothing would ever come. */
static struct pollfd *check_list(lua_State *L, size_t n) {
  struct pollfd *files = lua_newuserdata(L, n * sizeof *files);
  bool open = false;
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    files[i] =
        (struct pollfd){.fd = check_process(L, -1)->pipe, .events = POLLIN};
    open = open || files[i].fd >= 0;
    lua_pop(L, 1);
  }
  if (!open) luaL_error(L, "wait: all of the processes are closed");
  return files;
}

static size_t find_ready(const struct pollfd *files, size_t n) {
  size_t i = 0;
  while (i < n && files[i].revents == 0) i++;
  return i;
}

/* wait(processes) → the place of one that sent something and what, "" being
   its end; nothing where a signal came first. */
static int l_wait(lua_State *L) {
  char bytes[1 << 14];
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t n = lua_rawlen(L, 1);
  if (n == 0) return 0;
  struct pollfd *files = check_list(L, n);
  if (poll(files, n, -1) <= 0) return 0;
  size_t i = find_ready(files, n);
  ssize_t length = read(files[i].fd, bytes, sizeof bytes);
  if (length < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  lua_rawgeti(L, 1, (int)i + 1);
  if (length <= 0) check_process(L, -1)->silent = true;
  lua_pushinteger(L, (lua_Integer)i + 1);
  lua_pushlstring(L, bytes, length > 0 ? (size_t)length : 0);
  return 2;
}

static pid_t reap(const process *p, int *status) {
  pid_t reaped;
  if (!p->silent) kill(p->child, SIGKILL);
  do reaped = waitpid(p->child, status, 0);
  while (reaped < 0 && errno == EINTR);
  return reaped;
}

/* close() ends the child if it still runs.  Gives how it ended, where that was
   not well.  A host that reaps children itself leaves nothing to be told; and a
   process forked from the parent has no say over its other children. */
static int l_close(lua_State *L) {
  process *p = check_process(L, 1);
  int status = 0;
  pid_t reaped = -1;
  if (p->child == 0) return 0;
  close(p->pipe);
  if (p->parent == getpid()) reaped = reap(p, &status);
  p->child = 0;
  p->pipe = -1;
  if (reaped < 0 || status == 0) return 0;
  if (WIFSIGNALED(status))
    lua_pushfstring(L, "its process was ended by signal %d", WTERMSIG(status));
  else
    lua_pushfstring(L, "its process ended with status %d", WEXITSTATUS(status));
  return 1;
}

static int l_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_process(L, 1)->child);
  return 1;
}

static const luaL_Reg methods[] = {{"id", l_id}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"fork", l_fork}, {"wait", l_wait}, {NULL, NULL}};

void lmoe_open_processes(lua_State *L) {
  lmoe_new_family(L, LMOE_PROCESS, methods, l_close);
  lua_newtable(L);
  lmoe_set_functions(L, functions);
  lmoe_add_packing(L);
  lua_setfield(L, -2, "processes");
}
