# work.mk - students' own forms, LAB/work/LAB.c (lab.sh), and programs that have
# them.  These stand apart, in build/work/LAB/: whatever a student writes, no
# other program is linked with it.  Each lab's are its own, so one that does not
# compile stops no other.
#
#       build/work/LAB/       with warnings and sanitizers: to try it out
#       build/work/LAB/fast/  as all the others are compiled: to measure it
#
# `make bench M=LAB` needs the latter, and goes on without if it does not compile.

LAB  := $(firstword $(subst ., ,$L) $(subst /, ,$M))
MINE := $(LAB)/work/$(LAB).c
W    := build/work$(patsubst -release%,%,-$(notdir $O))/$(LAB)


WORK_PROGRAMS := ipcd ipcctl ipcbench
SANITIZE := $(if $(filter release,$V),-U_FORTIFY_SOURCE $(FLAGS_asan))
# What a block would use that is not written yet is not used.
STUDENT = $(filter-out -Werror,$(COMPILE)) \
          $(shell ! grep -q 'not written yet' $(MINE) || \
          echo -Wno-unused -Wno-unused-parameter -Wno-unused-macros)

.PHONY: start work diff reset hunt work-need grade hint watch \
        check-work selfcheck
start: ## L=fifo: begin a form of your own; L=fifo.send: that block
diff: ## L=fifo: what the textbook form does otherwise: a solution
reset: ## L=fifo: put yours aside, and begin again
start diff reset:
	@harness/lab/lab.sh $@ $(call quoted,$L)
hunt: ## the bugs there are; B=7: write the test that finds this one
	@MAKE=$(call quoted,$(MAKE)) harness/lab/hunt.sh $(if $B,hunt $(call \
	    quoted,$B),list)
work-need:
	@harness/lab/lab.sh work $(call quoted,$L)
work: work-need ## L=fifo: build programs that have yours: build/work/fifo/

# Root's students are other users, to whom ccache's directory is closed.
grade: $O/check programs ## L=fifo DIRS='a b': each one's fifo.c; RESULTS=DIR
	@$O/ipclab grade $(if $(RESULTS),-o $(call quoted,$(RESULTS))) \
	    $(call quoted,$L) $(DIRS)
hint: $O/ipclab ## L=fifo.3: the next of three hints for a step
	@$O/ipclab hint $(call quoted,$L)
watch: work-need ## L=fifo: check again whenever you save
	@harness/lab/lab.sh watch $(call quoted,$L)

# `make check L=fifo`: all steps; L=fifo.3: that one; L=fifo/textbook: another.
check-work: $(if $(findstring /,$L),$O/check,work) $O/ipclab
	@$O/ipclab check $(call quoted,$L)
selfcheck: $O/check programs ## does the grader judge what is known as it is known?
	@for what in hardened textbook skeleton blocks hungry class hunt; do \
	    MAKE=$(call quoted,$(MAKE)) O=$O harness/lab/selfcheck.sh $$what \
	    || exit; done

ifneq ($(wildcard $(MINE)),)
work: $(WORK_PROGRAMS:%=$W/%) $(if $(HAS_CHECK),$W/check $W/fast/check)
	@harness/lab/lab.sh blank $(call quoted,$L)
bench: $(if $(filter $(LAB) $(LAB)/work,$M),$W/fast/ipcbench)

$W/how: $O/how
	@mkdir -p $W/fast && cp $< $@
$W/registry.c: $O/registry.c harness/lab/work.mk $W/how
	@$(call registry,$(MECHANISMS) $(LAB)_work) > $@
$W/registry.o: $W/registry.c
	@$(COMPILE) -c -o $@ $<
$W/mine.o: $(MINE) $W/how | need
	@$(STUDENT) $(SANITIZE) -c -o $@ $<

WITNESS := $O/harness/lab/witness.o
# Of the objects that the program of this name in $O is made of.
link_work = $(LINK) -o $@ $(filter %/$(@F).o,$(PROGRAMS:%.c=$O/%.o)) \
            $(WITNESS) $(@D)/mine.o $W/registry.o $(LIB) $(LIBS) $(LDLIBS)
$(WORK_PROGRAMS:%=$W/%): $W/mine.o $W/registry.o $(BIN)
	@$(link_work) $(SANITIZE)
	@echo "  $@"
# The test program, with that mechanism among the others.
link_check = $(LINK) -o $@ $(TESTED) $(WITNESS) $(@D)/mine.o $W/registry.o \
             $(LIB) $(CHECK_LIBS) $(LIBS) $(LDLIBS)
$W/check: $W/mine.o $W/registry.o $O/check
	@$(link_check) $(SANITIZE)
$W/fast/check: $W/fast/ipcd $O/check
	@[ ! -e $< ] || $(link_check)
# Whole, to be measured (make bench M=LAB): to be tried, a tenth of the time.
$W/fast/ipcd $W/fast/ipcbench: private WHOLE := $(if $M,$(LTO))
$W/fast/ipcd: always $W/registry.o $(BIN)
	@rm -f $@ $W/fast/ipcbench
	@$(STUDENT) -c -o $W/fast/mine.o $(MINE) && $(link_work) || \
	    echo "  $(MINE) cannot be built: the others are measured"
$W/fast/ipcbench: $W/fast/ipcd
	@[ ! -e $< ] || $(link_work)

-include $W/mine.d
endif
