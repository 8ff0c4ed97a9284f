# lua-moe: `make run` shows it, `make test` proves it, `make help` lists the rest.
# A setting can be given on the command line or kept in Makefile.config.
-include Makefile.config

config ?= release
PREFIX ?= /usr/local
LUAS ?= lua5.1 lua5.2 lua5.3 lua5.4 luajit
SPEC ?= spec
VERSION := $(shell sed -n 's/.define MOE_VERSION "\(.*\)"/\1/p' src/core/status.h)
MAKEFLAGS += --no-print-directory $(if $(filter 0,$(MAKELEVEL)),-j$(shell nproc))
say = @$(if $V,,echo "  $1" &&)
pkg = $(shell pkg-config $1 2>/dev/null)

# Each configuration has a build folder of its own.
B := build$(if $(filter-out release,$(config)),/$(config))
CFLAGS_release  := -O3 -g
CFLAGS_sanitize := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
  -fno-sanitize-recover=undefined
CFLAGS_tsan     := -O1 -g -fsanitize=thread
CFLAGS_coverage := -O0 -g --coverage
CFLAGS ?= $(CFLAGS_$(config))

# zlib inflates what other programs compressed, where it is.
ZLIB := $(call pkg,--libs zlib)

# Results must not depend on the compiler: it may never fuse a product and a
# sum.  errno and floating-point traps, which nothing here reads, may go.
LANGUAGE := -std=c11 -D_GNU_SOURCE -pthread -fPIC -ffp-contract=off \
  -fno-math-errno -fno-trapping-math $(if $(ZLIB),-DHAVE_ZLIB)
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wwrite-strings -Wundef -Wconversion \
  -Wno-sign-conversion $(if $(CI)$(WERROR),-Werror)
LIBS := -lm -ldl $(ZLIB)
COMPILE = $(CC) $(LANGUAGE) $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP
LINK = $(CC) -pthread $(CFLAGS) $(LDFLAGS)

# A layer sees itself and the layers before it; an include that points the
# other way does not compile.
LAYERS := core tensor data transforms learners moe
$(foreach l,$(LAYERS) lua cli,$(eval BELOW += -Isrc/$l)$(eval SEES_$l := $(BELOW)))
sees = $(SEES_$(firstword $(subst /, ,$1)))
sources = $(sort $(wildcard $(1:%=src/%/*.c) $(1:%=src/%/*/*.c)))
ENGINE  := $(patsubst src/%.c,$B/obj/%.o,$(call sources,$(LAYERS)))
BINDING := $(patsubst src/%.c,%.o,$(call sources,lua))
PROGRAM := $(patsubst src/%.c,%.o,$(call sources,lua cli))
SCRIPTS := $(sort $(wildcard lua/moe/*.lua lua/moe/*/*.lua))

# Every Lua whose headers are here gets its module; that of 5.1 loads in LuaJIT
# too.  LuaRocks names one Lua alone, by the folder of its headers.
known = $(firstword $(foreach p,$1,$(if $(call pkg,--modversion $p),$p)))
LUA_5.1 := $(call known,lua5.1 lua-5.1 lua51 luajit)
LUA_5.2 := $(call known,lua5.2 lua-5.2 lua52)
LUA_5.3 := $(call known,lua5.3 lua-5.3 lua53)
LUA_5.4 := $(call known,lua5.4 lua-5.4 lua54)
ABIS := $(foreach v,5.1 5.2 5.3 5.4,$(if $(LUA_$v),$v))
ifdef LUA_INCDIR
ABIS := $(shell sed -n 's/.define LUA_VERSION_NUM[^0-9]*50/5./p' $(LUA_INCDIR)/lua.h)
endif
headers = $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(call pkg,--cflags $(LUA_$1)))

# The program runs on the newest of them, linked statically where that can be.
OWN := $(lastword $(ABIS))
LIBLUA := $(patsubst -l%,%,$(firstword $(call pkg,--libs-only-l $(LUA_$(OWN)))))
ARCHIVE := $(wildcard $(call pkg,--variable=libdir $(LUA_$(OWN)))/lib$(LIBLUA).a)
LIBEDIT := $(call pkg,--libs libedit)

all: library module program ## build the library, a module for each Lua, the program
library: $B/libmoe.a $B/libmoe.so
module: $(ABIS:%=$B/%/moe/core.so)
program: $B/moe
all library module program: ; @:

$B/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,compile $<)$(COMPILE) $(call sees,$*) -c $< -o $@

$B/libmoe.a: $(ENGINE)
	@rm -f $@
	$(call say,collect $@)$(AR) rcs $@ $^

$B/libmoe.so: $(ENGINE) tools/libmoe.map
	$(call say,link    $@)$(LINK) -shared $(ENGINE) -o $@ $(LIBS) \
	  -Wl,-soname,libmoe.so,-z,defs,-z,nodelete,--version-script=tools/libmoe.map

# A sample from Lua is some forty calls of its API: straight ones.
define for_each_lua
$B/$1/%.o: src/%.c
	@mkdir -p $$(@D)
	$$(call say,compile $$< for Lua $1)$$(COMPILE) -fvisibility=hidden -fno-plt \
	  $(if $(LIBEDIT),-DHAVE_LIBEDIT) $$(call headers,$1) $$(call sees,$$*) -c $$< -o $$@

$B/$1/moe/core.so: $(BINDING:%=$B/$1/%) $B/libmoe.a tools/module.map
	@mkdir -p $$(@D)
	$$(call say,link    $$@)$$(LINK) -shared $$(filter %.o %.a,$$^) -o $$@ $$(LIBS) \
	  -Wl,-z,nodelete,--version-script=tools/module.map
endef
$(foreach v,$(ABIS),$(eval $(call for_each_lua,$v)))

$B/modules.c: $(SCRIPTS) tools/embed.sh
	@mkdir -p $(@D)
	@sh tools/embed.sh $(SCRIPTS) > $@

$B/moe: $(if $(OWN),$(PROGRAM:%=$B/$(OWN)/%)) $B/modules.c $B/libmoe.a
	$(if $(OWN),,$(error no Lua headers; `sh tools/setup.sh` installs what is missing))
	$(call say,link    $@)$(LINK) $(call headers,$(OWN)) -Isrc/cli $^ -o $@ -Wl,-E \
	  $(or $(ARCHIVE),-l$(LIBLUA)) $(LIBEDIT) $(LIBS)

run: ## set up, build, and run the first example
	@sh tools/setup.sh run
	@$(MAKE) program
	@$B/moe examples/01_compiler_errors.lua

test: ## set up, build, and run the specs (SPEC=spec/core LUAS="lua5.4 luajit")
	@sh tools/setup.sh test
	@$(MAKE) all
	@B=$B CONFIG=$(config) LUAS="$(LUAS)" sh tools/test.sh $(SPEC)

check-deep: ## sanitizers, valgrind, a busy collector, every failing allocation
	@sh tools/setup.sh deep
	@MAKE="$(MAKE)" sh tools/check_deep.sh

coverage: ## run the specs and say how much of the C code they reach
	@$(MAKE) test config=coverage LUAS=lua5.4
	@sh tools/coverage.sh build/coverage

lint: ## luacheck, cppcheck, clang-format, the layers, the generated pages
	@sh tools/setup.sh lint
	@$(MAKE) program
	@B=$B sh tools/lint.sh $(LAYERS)

format: ## lay the C sources out with clang-format
	clang-format -i $(wildcard src/*/*.[ch] src/*/*/*.[ch])

docs: program ## write the generated pages of docs/
	$B/moe tools/docs.lua

bench: program ## time the hot paths
	@for script in $(filter-out bench/support.lua,$(wildcard bench/*.lua)); do echo "$$script" && $B/moe "$$script" || exit; done

$B/stream: bench/stream.c $B/libmoe.a
	$(call say,link    $@)$(COMPILE) $(BELOW) -Isrc $< $B/libmoe.a -o $@ $(LIBS)

bench-stream: program $B/stream ## time streaming learners from C and Lua (MOE_DATA=folder)
	@$B/moe bench/stream.lua "$${MOE_DATA:-.}" $B/stream

install: $(if $(INST_LIBDIR),module,all) ## install below PREFIX (and DESTDIR)
uninstall: ## remove what install put there
install uninstall:
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" B=$B ABIS="$(ABIS)" \
	  VERSION=$(VERSION) INST_LIBDIR="$(INST_LIBDIR)" INST_LUADIR="$(INST_LUADIR)" sh tools/install.sh $@

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

echo: ## the settings of this build
	@printf '%s\n' 'version  $(VERSION)' 'folder   $B' 'compiler $(COMPILE)' \
	  'Lua      $(ABIS), the program on $(OWN)' 'libraries $(LIBS) $(LIBEDIT)'

clean: ## remove what was built
	rm -rf build

.PHONY: all library module program run test check-deep coverage lint format \
  docs bench bench-stream install uninstall help echo clean
-include $(shell find $B -name '*.d' 2>/dev/null)
