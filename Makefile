# ipclab - every IPC mechanism of Linux behind one protocol, tested and timed.
# `make help` lists the verbs.  One make, no recursion: each directory says in
# three lines of module.mk what it adds.

V      ?= release# release | asan | tsan | analyze | cov: all can coexist
PREFIX ?= /usr/local
ifeq ($(origin CC),default)
CC     := gcc
endif
CLANG  := $(findstring clang,$(CC))
O      := build/$V$(CLANG:%=-%)

MECHANISMS := # const struct ipc_mechanism symbols
SRC        := # sources that every program is linked with
TESTS      := # sources of Check suites; test_pipe.c defines Suite *test_pipe()
CHECK_SRC  := # what the test program has beside them
PROGRAMS   := # sources with a main(); harness/server/ipcd.c gives ipcd
include $(sort $(wildcard */module.mk))

FLAGS_release := -O2
FLAGS_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -fsanitize=thread -DIPCLAB_TSAN
FLAGS_analyze := -O1 -fanalyzer
FLAGS_cov     := -O0 --coverage
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
        -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
        -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wnull-dereference \
        -Wimplicit-fallthrough -Wswitch-enum -Wunused-macros -Werror
ifeq ($(CLANG),)
WARN += -Wcast-align=strict -Wduplicated-cond -Wduplicated-branches -Wlogical-op
endif
CFLAGS   ?= -g
CPPFLAGS += -Iharness -MMD -MP
ALL_CFLAGS = -std=c17 -pthread $(FLAGS_$V) -fno-omit-frame-pointer $(WARN) \
             $(CFLAGS)
# Asked only when needed: before `make deps` has run there may be nobody to ask.
LIBS        = $(shell pkg-config --libs $(PACKAGES)) -pthread -lrt -lm \
              $(wildcard /usr/lib/libargp.a) # musl keeps argp apart
CHECK_LIBS  = $(shell pkg-config --libs check)
PACKAGES   := jansson libcap libseccomp

LIB   := $O/libipclab.a
BIN   := $(patsubst %.c,$O/%,$(notdir $(PROGRAMS)))
ATTACKS := $O/ipcattack $O/naive/ipcattack $O/naive/ipcd
OBJ   := $(patsubst %.c,$O/%.o,$(SRC) $(TESTS) $(CHECK_SRC) \
         $(PROGRAMS)) \
         $O/registry.o $O/suites.o
DEPS  := $(filter deps,$(MAKECMDGOALS))
vpath %.c $(sort $(dir $(PROGRAMS)))

.PHONY: all need deps check bench report isolate attack lint format sweep install \
        uninstall clean help
.DELETE_ON_ERROR:
all: $(BIN) $O/check ## build everything

$(BIN): $O/%: $(LIB)
	@$(CC) $(ALL_CFLAGS) -o $@ \
	    $(filter %/$*.o,$(PROGRAMS:%.c=$O/%.o)) $(LIB) $(LIBS)
	@echo "  $@"
$(foreach p,$(PROGRAMS),$(eval $O/$(basename $(notdir $p)): $O/$(p:.c=.o)))

# The test programs.
$O/check: $(TESTS:%.c=$O/%.o) $(CHECK_SRC:%.c=$O/%.o) $O/suites.o $(LIB) $O/ipcd-naive $(ATTACKS) $(BIN)
	@$(CC) $(ALL_CFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(CHECK_LIBS) $(LIBS)
	@echo "  $@"

# `make attack`, and in naive/ the same programs with those files compiled once
# more that have a DEFENCE: there it can be left out (core/defence.h).
ATTACK := $(patsubst %.c,$O/%.o,$(wildcard harness/test/attack/*.c))
NAIVE  := $(patsubst %.c,$O/naive/%.o,harness/core/defence.c \
          $(shell grep -lE '"(core/)?defence.h"' $(SRC)))
$O/ipcattack: $(ATTACK) $(LIB)
$O/naive/ipcattack: $(ATTACK) $(NAIVE) $(LIB)
$O/naive/ipcd: $O/naive/harness/server/ipcd.o $(NAIVE) $(LIB)
$O/ipcattack $O/naive/ipcattack $O/naive/ipcd:
	@$(CC) $(ALL_CFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LIBS)
$O/ipcd-naive: $O/naive/ipcd
	@ln -sf naive/ipcd $@
$O/naive/%.o: %.c | need
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -DIPC_NAIVE $(ALL_CFLAGS) -c -o $@ $<

$(LIB): $(SRC:%.c=$O/%.o) $O/registry.o
	@rm -f $@ && ar rcs $@ $^
$O/%.o: %.c | need
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$O/%.o: $O/%.c | need
	@$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# The two tables that know everybody.  Open them: they are plain C.
$O/registry.c: Makefile $(wildcard */module.mk)
	@mkdir -p $(@D)
	@{ echo '/* Written by make from the module.mk files. */'; \
	   echo '#include "core/ipc.h"'; echo; \
	   printf 'extern const struct ipc_mechanism %s;\n' $(MECHANISMS); echo; \
	   echo 'const struct ipc_mechanism *const ipc_registry[] = {'; \
	   printf '    &%s,\n' $(MECHANISMS); echo '    NULL,'; echo '};'; } > $@
$O/suites.c: Makefile $(wildcard */module.mk) $(sort $(dir $(TESTS)))
	@mkdir -p $(@D)
	@{ echo '/* Written by make from the module.mk files. */'; \
	   echo '#include "test/test.h"'; echo; \
	   printf 'Suite *%s(void);\n' $(basename $(notdir $(TESTS))); echo; \
	   echo 'Suite *(*const suites[])(void) = {'; \
	   printf '    %s,\n' $(basename $(notdir $(TESTS))); \
	   echo '    NULL,'; echo '};'; } > $@
-include $(OBJ:.o=.d) $(ATTACK:.o=.d) $(NAIVE:.o=.d) \
         $O/naive/harness/server/ipcd.d

need: $(DEPS)
	@harness/deps.sh need
deps: ## install what is missing (nothing missing: does nothing)
	@harness/deps.sh install
check: all ## run every test; CK_RUN_CASE=fifo/perclient picks one mechanism
	@$O/check
bench: all ## measure into results/latest; M=pipe: only that; FULL=1: all, 12 min
	@$O/ipcbench run $(if $M,-m $M) $(if $(FULL),--full)
report: all ## draw the charts of results/latest again
	@$O/ipcbench report results/latest
isolate: all ## which mechanism gets through which namespace
	@$O/ipcbench isolate
attack: $(ATTACKS) $O/ipcd ## attack every mechanism, and its naive form for comparison
	@$O/ipcattack
lint: ## clang-format, clang-tidy, cppcheck, gcc -fanalyzer
	@harness/lint.sh $(CPPFLAGS:-M%=)
format: ## let clang-format put every file in order
	@clang-format -i $$(git ls-files '*.[ch]')
sweep: $O/ipcd ## remove what a killed server left
	@$O/ipcd --sweep
	@for d in /tmp/ipclab-*/ /tmp/ipclab-*/run/; do \
	    if [ -O "$$d" ]; then $O/ipcd --sweep --run-dir "$${d%/}"; fi; done
install: all ## into PREFIX=/usr/local (DESTDIR is honoured)
	@install -d $(DESTDIR)$(PREFIX)/bin
	@install $(BIN) $(DESTDIR)$(PREFIX)/bin
	@install -d $(addprefix $(DESTDIR)$(PREFIX)/lib/,systemd/system sysusers.d)
	@install -m 644 harness/server/systemd/*.socket \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system
	@sed 's|@PREFIX@|$(PREFIX)|' harness/server/systemd/ipcd.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/ipcd.service
	@install -m 644 harness/server/systemd/ipcd.sysusers \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/ipcd.conf
	@echo "$(notdir $(BIN)): in $(DESTDIR)$(PREFIX)/bin;" \
	    "ipcd's units: in $(DESTDIR)$(PREFIX)/lib/systemd/system"
uninstall: ## take them out again
	@rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(BIN))) \
	    $(addprefix $(DESTDIR)$(PREFIX)/lib/systemd/system/, \
	    $(notdir $(wildcard harness/server/systemd/*.socket)) ipcd.service) \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/ipcd.conf
	@echo "removed from $(DESTDIR)$(PREFIX)/bin and lib/"
clean: ## remove build/ (results stay)
	@rm -rf build
	@echo "removed build/"
help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n",$$1,$$2}' Makefile
