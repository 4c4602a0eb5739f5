# ipclab - every IPC mechanism of Linux behind one protocol, tested and timed.
# `make help` lists the verbs.  One make, no recursion: each directory says in
# three lines of module.mk what it adds.

# How to build: each way has a directory of its own, so that all can coexist.
V      ?= release
WAYS   := release asan tsan analyze cov
ifneq ($(words $V) $(filter $(WAYS),$V),1 $V)
$(error V=$V is none of: $(WAYS))
endif

# The usual variables are the user's, set in the environment or for make; what
# we need besides is in ALL_*, where no CFLAGS=... takes it away.  CC may be
# several words, and a cross compiler: its ar and its pkg-config are taken.
ifeq ($(origin CC),default)
CC     := gcc
endif
CC_WORDS := $(filter-out ccache distcc sccache,$(notdir $(CC)))
CLANG  := $(findstring clang,$(firstword $(CC_WORDS)))
CROSS  := $(patsubst %-gcc,%-,$(filter-out $(shell uname -m)-%, \
          $(filter %-gcc,$(CC_WORDS))))
ifeq ($(origin AR),default)
AR     := $(CROSS)ar
endif
PKG_CONFIG ?= $(CROSS)pkg-config
NM     ?= $(CROSS)nm
PREFIX ?= /usr/local
SPACE  := $() $()
quoted = '$(subst ','\'',$1)'# one word for the shell, whatever is in it
O      := build/$V$(subst $(SPACE),,$(patsubst %,-%,$(patsubst -%,%, \
          $(filter-out gcc,$(CC_WORDS)))))

MECHANISMS := # const struct ipc_mechanism symbols
SRC        := # sources that every program is linked with
TESTS      := # sources of Check suites; test_pipe.c defines Suite *test_pipe()
CHECK_SRC  := # what the test program has beside them
PROGRAMS   := # sources with a main(); harness/server/ipcd.c gives ipcd
FACTS      := $(wildcard */facts.c harness/*/facts.c) # fifo/: fifo_facts[]
include $(sort $(wildcard */module.mk))
SRC        := $(filter-out $(FACTS),$(SRC)) # they are tests
CHECK_SRC  += $(FACTS)

FLAGS_release := -O2
FLAGS_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -fsanitize=thread -DIPCLAB_TSAN
FLAGS_analyze := -O1 -fanalyzer
FLAGS_cov     := -O0 --coverage
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
        -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
        -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wnull-dereference \
        -Wimplicit-fallthrough -Wswitch-enum -Wunused-macros $(if $(filter-out 0,$(WERROR)),-Werror)
ifeq ($(CLANG),)
WARN += -Wcast-align=strict -Wduplicated-cond -Wduplicated-branches -Wlogical-op
endif
CFLAGS   ?= -g
# What distributions have besides; a sanitizer has its own.  First, so that the
# user's flags win.
HARDENED_release = $(shell CC=$(call quoted,$(CC)) harness/hardened.sh \
                   $(FLAGS_release) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS))
HARDENED      := $(HARDENED_$V)
HARDENED_LINK := $(filter -pie -Wl%,$(HARDENED))
LTO           := $(filter -flto% -ffat-lto%,$(HARDENED))
HARDENED      := $(filter-out $(HARDENED_LINK) $(LTO),$(HARDENED))
ALL_CPPFLAGS = -Iharness -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -MMD -MP $(PACKAGE_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS = -std=c17 -pthread $(FLAGS_$V) -fno-omit-frame-pointer $(WARN) \
             $(CFLAGS)
COMPILE     = $(strip $(CC) $(HARDENED) $(WHOLE)) $(ALL_CPPFLAGS) $(ALL_CFLAGS)
# Asked only when needed: before `make deps` has run there may be nobody to ask.
PACKAGE_CFLAGS = $(eval PACKAGE_CFLAGS := \
                 $$(shell $$(PKG_CONFIG) --cflags $$(PACKAGES)))$(PACKAGE_CFLAGS)
LIBS        = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -pthread -lrt -lm \
              $(wildcard /usr/lib/libargp.a) # musl keeps argp apart
CHECK_LIBS  = $(shell $(PKG_CONFIG) --libs check)
PACKAGES   := jansson libcap libseccomp
LINK        = $(strip $(CC) $(HARDENED) $(HARDENED_LINK) \
              $(or $(WHOLE),$(if $(LTO),-fno-lto))) $(ALL_CFLAGS) $(LDFLAGS)
HOW        := $(CC) $(HARDENED) $(LTO) $(CPPFLAGS) $(ALL_CFLAGS) \
              $(HARDENED_LINK) $(LDFLAGS) # before any target's

LIB   := $O/libipclab.a
BIN   := $(patsubst %.c,$O/%,$(notdir $(PROGRAMS)))
ATTACKS := $O/ipcattack $O/naive/ipcattack $O/naive/ipcd
OBJ   := $(patsubst %.c,$O/%.o,$(SRC) $(TESTS) $(CHECK_SRC) \
         $(PROGRAMS)) \
         $O/registry.o $O/shown.o $O/suites.o
DEPS  := $(filter deps,$(MAKECMDGOALS))
# Without Check there are no tests, and everything else.
HAS_CHECK := $(or $(DEPS),$(shell $(PKG_CONFIG) --exists check 2>/dev/null && echo yes))
vpath %.c $(sort $(dir $(PROGRAMS)))

.PHONY: all programs no-check need need-check deps check check-all unit bench report \
        hello facts ask demo predict trace prove static isolate attack lint rooms format \
        fresh sweep clean help
.DELETE_ON_ERROR:
all: programs $(if $(HAS_CHECK),$O/check,no-check) ## build everything
programs: $(BIN)
no-check: programs
	@echo "  not $O/check: there is no Check here (make deps)"

$(BIN): $O/%: $(LIB)
	@$(LINK) -o $@ $(filter %/$*.o,$(PROGRAMS:%.c=$O/%.o)) $(LIB) \
	    $(LIBS) $(LDLIBS)
	@echo "  $@"
$(foreach p,$(PROGRAMS),$(eval $O/$(basename $(notdir $p)): $O/$(p:.c=.o)))

# What every request passes through is optimized as a whole, over the borders of
# files, in the programs that are measured.  These objects have both forms; of the
# usual one all other programs are linked, which takes a tenth of the time.
MEASURED := harness/server/ipcd.c harness/bench/ipcbench.c
PASSED   := $(wildcard harness/core/*.c) harness/bench/null.c \
            $(patsubst %,harness/server/%.c,service policy methods slow)
$(patsubst %.c,$O/%.o,$(PASSED)) $(patsubst %.c,$O/%,$(notdir $(MEASURED))): \
    private WHOLE := $(LTO)

# The two programs without a shared library: they run where there is nothing
# else, an empty chroot, an initramfs, another distribution.  What a static glibc
# cannot do is said by the linker: names of users and hosts come from the libraries
# of the very glibc it was, or else from files; numbers always do.
STATIC := $O/static/ipcd $O/static/ipcctl
static: $(STATIC) ## ipcd and ipcctl without shared libraries
$(STATIC): $O/static/%: $O/%
	@mkdir -p $(@D)
	@$(filter-out -pie,$(LINK)) $(if $(filter -pie,$(HARDENED_LINK)),-static-pie,-static) \
	    -o $@ $(filter %/$*.o,$(PROGRAMS:%.c=$O/%.o)) $(LIB) \
	    $$($(PKG_CONFIG) --static --libs $(PACKAGES)) $(LIBS) $(LDLIBS) || \
	    { echo "make static wants each library's .a beside its .so: Debian has them in the -dev packages"; exit 1; }
	@echo "  $@"

# The test programs.
TESTED := $(TESTS:%.c=$O/%.o) $(CHECK_SRC:%.c=$O/%.o) $O/suites.o
$(TESTED): | need-check
$O/check: $(TESTED) $(LIB) $O/ipcd-naive $(ATTACKS) $(BIN)
	@$(LINK) -o $@ $(TESTED) $(LIB) $(CHECK_LIBS) $(LIBS) $(LDLIBS)
	@echo "  $@"

# `make attack`, and in naive/ the same programs with those files compiled once
# more that have a DEFENCE: there it can be left out (core/defence.h).
ATTACK := $(patsubst %.c,$O/%.o,$(wildcard harness/test/attack/*.c \
          harness/test/both/*.c))
NAIVE  := $(patsubst %.c,$O/naive/%.o,harness/core/defence.c \
          $(shell grep -lE '"(core/)?defence.h"' $(SRC)))
$O/ipcattack: $(ATTACK) $(LIB)
$O/naive/ipcattack: $(ATTACK) $(NAIVE) $(LIB)
$O/naive/ipcd: $O/naive/harness/server/ipcd.o $(NAIVE) $(LIB)
$O/ipcattack $O/naive/ipcattack $O/naive/ipcd:
	@$(LINK) -o $@ $(filter %.o,$^) $(LIB) $(LIBS) $(LDLIBS)
$O/ipcd-naive: $O/naive/ipcd
	@ln -sf naive/ipcd $@
$O/naive/%.o: %.c $O/how | need
	@mkdir -p $(@D)
	@$(COMPILE) -DIPC_NAIVE -c -o $@ $<

$(LIB): $(SRC:%.c=$O/%.o) $O/registry.o $O/shown.o
	@rm -f $@ && $(AR) rcs $@ $^
$O/%.o: %.c $O/how | need
	@mkdir -p $(@D)
	@$(COMPILE) -c -o $@ $<
$O/%.o: $O/%.c $O/how | need
	@$(COMPILE) -c -o $@ $<
# How it was compiled: with other flags than last time, everything is again.
$O/how: always
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = $(call quoted,$(HOW)) ] || \
	    printf '%s\n' $(call quoted,$(HOW)) > $@
.PHONY: always

# The two tables that know everybody.  Open them: they are plain C.
registry = { echo '/* Written by make from the module.mk files. */'; \
	   echo '\#include "core/ipc.h"'; echo; \
	   printf 'extern const struct ipc_mechanism %s;\n' $1; echo; \
	   echo 'const struct ipc_mechanism *const ipc_registry[] = {'; \
	   printf '    &%s,\n' $1; echo '    NULL,'; echo '};'; }
$O/registry.c: Makefile $(wildcard */module.mk)
	@mkdir -p $(@D)
	@$(call registry,$(MECHANISMS)) > $@
$O/suites.c: Makefile $(wildcard */module.mk) $(FACTS) $(sort $(dir $(TESTS)))
	@mkdir -p $(@D)
	@{ echo '/* Written by make from the module.mk files. */'; \
	   echo '#include "test/test.h"'; echo; \
	   printf 'Suite *%s(void);\n' $(basename $(notdir $(TESTS))); echo; \
	   echo 'Suite *(*const suites[])(void) = {'; \
	   printf '    %s,\n' $(basename $(notdir $(TESTS))); \
	   echo '    NULL,'; echo '};'; echo; \
	   echo 'const char *const suite_files[] = {'; \
	   printf '    "%s",\n' $(basename $(notdir $(TESTS))); \
	   echo '    NULL,'; echo '};'; \
	   echo '#include "test/fact.h"'; \
	   for f in $(notdir $(FACTS:%/facts.c=%)); do \
	       echo "extern const struct fact *const $${f}_facts[];"; \
	       all="$$all    {\"$$f\", $${f}_facts},"; done; \
	   echo 'const struct facts_of all_facts[] = {'; echo "$$all"; \
	   echo '    {.place = NULL},'; echo '};'; } > $@
# What is shown is data, which a program carries along: line by line, as C.
SHOWN := $(wildcard harness/bench/plot/*.gp harness/bench/page/*)
$O/shown.c: Makefile $(SHOWN) $(sort $(dir $(SHOWN)))
	@mkdir -p $(@D)
	@{ echo '/* Written by make from $(sort $(dir $(SHOWN))). */'; \
	   echo '#include "bench/shown.h"'; echo; \
	   echo 'const struct shown shown[] = {'; \
	   for f in $(SHOWN); do \
	       echo "    {\"$${f##*/}\", (const char *const[]){"; \
	       sed 's/[\\"]/\\&/g; s/.*/        "&\\n",/' $$f; \
	       echo '        NULL}},'; done; \
	   echo '    {.name = NULL},'; echo '};'; } > $@
-include $(OBJ:.o=.d) $(ATTACK:.o=.d) $(NAIVE:.o=.d) \
         $O/naive/harness/server/ipcd.d

include harness/lab/work.mk
include harness/packaging/install.mk

deps.sh = CC=$(call quoted,$(CC)) AR=$(call quoted,$(AR)) \
          PKG_CONFIG=$(call quoted,$(PKG_CONFIG)) V=$V harness/deps.sh
need: $(DEPS)
	@$(deps.sh) need
need-check: need
	@$(deps.sh) need check
deps: ## install what is missing (nothing missing: does nothing)
	@$(deps.sh) install
check: $(if $L,check-work,check-all) ## run every test; L=fifo: the steps of that lab
check-all: $O/check
	@$O/check
hello: ## the first minute: a compiler is enough (PREDICT=1, 2, 3)
	@CC=$(call quoted,$(CC)) harness/hour/hour.sh hello $(PREDICT)
demo: ## demonstrations; D=waiting: that one
	@CC=$(call quoted,$(CC)) harness/hour/hour.sh demo $(call quoted,$D)
predict: ## first say which is fastest, then see (CLASS=DIR: a histogram)
	@CC=$(call quoted,$(CC)) CLASS=$(call quoted,$(CLASS)) harness/hour/hour.sh predict $P
facts: $O/check ## each fact, tried and shown; M=fifo, F=F04: only those
	@FACTS=show FACTS_OF=$(or $F,$(firstword $(subst /, ,$M))) \
	    CK_RUN_SUITE=facts $O/check
trace: programs ## M=msgq/posix: the system calls of one request, as a diagram
	@harness/hour/trace.sh $O $(call quoted,$M)
ask: $O/check ## M=socket, M=manual: questions, answered by trying
	@harness/hour/ask.sh $O $(call quoted,$(firstword $(subst /, ,$M)))
prove: $O/check $(ATTACKS) ## T=NAME, a fact, test or attack: show it and run it
	@harness/hour/prove.sh $O $(call quoted,$T)
# What needs no other process: RUN="qemu-arm -L DIR" where that is not ours.
UNIT := wire registry stats policy
unit: $O/check ## run the tests that no kernel takes part in
	@for suite in $(UNIT); do CK_RUN_SUITE=$$suite $(RUN) $O/check || exit; done
bench: programs ## measure into results/latest; M=pipe: only that; FULL=1: all
	@bench=$W/fast/ipcbench; [ -x $$bench ] || bench=$O/ipcbench; \
	    $$bench run $(if $M,-m $M) $(if $(FULL),--full)
report: programs ## draw the charts of results/latest again
	@$O/ipcbench report results/latest
isolate: programs ## which mechanism gets through which namespace
	@$O/ipcbench isolate
attack: $(ATTACKS) $O/ipcd ## attack every mechanism, and its naive form for comparison
	@$O/ipcattack
lint: ## clang-format, clang-tidy, cppcheck, gcc -fanalyzer
	@harness/lint.sh $(filter-out -M%,$(ALL_CPPFLAGS))
rooms: programs ## how many files and lines one opens to read a variant
	@NM=$(call quoted,$(NM)) harness/rooms.sh $(call quoted,$O) $(SRC)
format: ## let clang-format put every file in order
	@clang-format -i $$(git ls-files '*.[ch]')
fresh: ## both commands in a bare SUITE=bookworm|trixie|sid, ARCH=arm64
	@SUITE=$(call quoted,$(SUITE)) ARCH=$(call quoted,$(ARCH)) harness/fresh.sh
# Anybody makes names in there; a link may lead to another directory of ours.
SWEPT := /tmp
sweep: $O/ipcd ## remove what a killed server left
	@$O/ipcd --sweep
	@own() { [ -d "$$1" ] && [ ! -L "$$1" ] && [ -O "$$1" ]; }; \
	for d in $(SWEPT)/ipclab-*; do for r in "$$d/run" "$$d"; do \
	    if own "$$d" && own "$$r"; then $O/ipcd --sweep --run-dir "$$r"; fi; \
	done; done
clean: ## remove build/ (results stay)
	@rm -rf build
	@echo "removed build/"
help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n",$$1,$$2}' Makefile harness/packaging/install.mk \
	    harness/lab/work.mk
