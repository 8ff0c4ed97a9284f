/* The `moe` program: Lua with the engine built in.  Without a script it reads,
   evaluates and prints; with one it does as `lua` does, option by option. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "modules.h"
#include "prompt.h"
#include "status.h"

static const char *const usage =
    "usage: moe [options] [script [arguments]]\n"
    "  -e code   run the code\n"
    "  -l name   require the module into the global `name`\n"
    "  -i        go to the prompt after the script\n"
    "  -v        print the version\n"
    "  -E        ignore environment variables\n"
    "  -W        turn warnings on\n"
    "  -         run the standard input, and stop looking for options\n"
    "  --        stop looking for options\n"
    "Without any of these: the prompt on a terminal, else the standard "
    "input.\n";

struct options {
  bool prompt, version, code, isolated;
  int script;  /* index of its name in argv; argc if there is none */
  int unknown; /* index of the first bad option, or 0 */
};

/* -e and -l take the rest of their word, or else the next word. */
static const char *operand(char **argv, int *i) {
  if (argv[*i][2]) return argv[*i] + 2;
  const char *next = argv[++*i];
  return next && next[0] != '-' ? next : NULL;
}

/* Reads one option at *i, up to its last word; false if it is none of ours. */
static bool read_option(struct options *o, char **argv, int *i) {
  const char *word = argv[*i];
  if (word[1] == 'e') o->code = true;
  if (word[1] == 'e' || word[1] == 'l') return operand(argv, i) != NULL;
  if (word[1] == 'i') o->prompt = true;
  if (word[1] == 'v') o->version = true;
  if (word[1] == 'E') o->isolated = true;
  return strchr("ivEW", word[1]) && !word[2];
}

static struct options read_options(int argc, char **argv) {
  struct options o = {.script = argc};
  for (int i = 1; i < argc; i++) {
    int first = i;
    if (argv[i][0] != '-' || !argv[i][1]) return o.script = i, o;
    if (strcmp(argv[i], "--") == 0) return o.script = i + 1, o;
    if (!read_option(&o, argv, &i)) return o.unknown = first, o;
  }
  return o;
}

static bool finish(lua_State *L, int status) {
  if (status != 0) guard_report(L, "moe");
  return status == 0;
}

static bool run_code(lua_State *L, const char *code, const char *chunk) {
  int status = luaL_loadbuffer(L, code, strlen(code), chunk);
  return finish(L, status != 0 ? status : guard_call(L, 0, 0));
}

/* The value of `module`, or of `name=module`, becomes a global. */
static bool run_require(lua_State *L, const char *text) {
  size_t name = strcspn(text, "=");
  lua_getglobal(L, "require");
  lua_pushstring(L, text[name] ? text + name + 1 : text);
  if (!finish(L, guard_call(L, 1, 1))) return false;
  lua_pushlstring(L, text, name);
  lua_insert(L, -2);
  lua_setglobal(L, lua_tostring(L, -2));
  lua_pop(L, 1);
  return true;
}

static bool run_options(lua_State *L, char **argv, int end) {
  for (int i = 1; i < end; i++) {
    char letter = argv[i][1];
    if (letter == 'e' && !run_code(L, operand(argv, &i), "=(command line)"))
      return false;
    if (letter == 'l' && !run_require(L, operand(argv, &i))) return false;
#if LUA_VERSION_NUM >= 504
    if (letter == 'W') lua_warning(L, "@on", 0);
#endif
  }
  return true;
}

/* Runs the file argv[0], NULL being the standard input, with the rest as its
   arguments. */
static bool run_file(lua_State *L, const char *file, char **arguments) {
  int n = 0, status = luaL_loadfile(L, file);
  if (status != 0) return finish(L, status);
  while (arguments[n]) {
    luaL_checkstack(L, 2, "too many arguments to the script");
    lua_pushstring(L, arguments[n++]);
  }
  return finish(L, guard_call(L, n, 0));
}

/* LUA_INIT, or the variable of this version: code, or @ and a file's name. */
static bool run_environment(lua_State *L) {
  const char *init = getenv("LUA_INIT");
  char *none = NULL;
#ifdef LUA_VERSION_MAJOR
  const char *own = getenv("LUA_INIT_" LUA_VERSION_MAJOR "_" LUA_VERSION_MINOR);
  if (own) init = own;
#endif
  if (!init) return true;
  return init[0] == '@' ? run_file(L, init + 1, &none)
                        : run_code(L, init, "=LUA_INIT");
}

/* The global `arg`: the script at 0, its arguments after, the rest before. */
static void set_arg(lua_State *L, char **argv, int argc, int script) {
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, script < argc ? i - script : i);
  }
  lua_setglobal(L, "arg");
}

static void open_libraries(lua_State *L, bool isolated) {
  lua_pushboolean(L, isolated);
  lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  luaL_openlibs(L);
  modules_preload(L);
  guard_against_interrupts();
}

static bool run(lua_State *L, int argc, char **argv) {
  struct options o = read_options(argc, argv);
  bool scripted = o.script < argc;
  if (o.unknown) {
    fprintf(stderr, "moe: cannot use option '%s'\n%s", argv[o.unknown], usage);
    return false;
  }
  if (o.version) printf("lua-moe %s on %s\n", MOE_VERSION, LUA_RELEASE);
  open_libraries(L, o.isolated);
  set_arg(L, argv, argc, o.script);
  if (!o.isolated && !run_environment(L)) return false;
  if (!run_options(L, argv, o.script)) return false;
  if (scripted) {
    char **script = argv + o.script;
    bool input = strcmp(script[0], "-") == 0 && strcmp(script[-1], "--") != 0;
    if (!run_file(L, input ? NULL : script[0], script + 1)) return false;
  }
  if (o.prompt) return prompt_run(L), true;
  if (scripted || o.code || o.version) return true;
  if (isatty(STDIN_FILENO)) return prompt_run(L), true;
  return run_file(L, NULL, argv + argc);
}

static int protected_run(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  lua_pushboolean(L, run(L, argc, lua_touserdata(L, 2)));
  return 1;
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  if (!L) {
    fprintf(stderr, "moe: not enough memory\n");
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, protected_run);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  bool done = finish(L, lua_pcall(L, 2, 1, 0)) && lua_toboolean(L, -1);
  lua_close(L);
  return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
