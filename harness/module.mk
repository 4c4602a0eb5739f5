MECHANISMS += null_call thread_queue
SRC        += $(filter-out %/ipcd.c %/ipcbench.c,$(wildcard harness/core/*.c \
              harness/server/*.c harness/bench/*.c)) harness/skeleton.c
SRC        += $(filter-out %/demo.c %/nslab.c %/ipcctl.c %/ipclab.c,$(wildcard \
              harness/ns/*.c harness/client/*.c harness/lab/*.c))
TESTS      += $(wildcard harness/test/test_*.c) harness/test/conformance.c
CHECK_SRC  += $(filter-out $(TESTS),$(wildcard harness/test/*.c)) \
              $(wildcard harness/test/both/*.c) # ipcattack has these, too
PROGRAMS   += harness/server/ipcd.c harness/client/ipcctl.c \
              harness/bench/ipcbench.c harness/ns/nslab.c harness/lab/ipclab.c
