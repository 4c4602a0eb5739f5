MECHANISMS += null_call thread_queue
SRC        += $(filter-out %/ipcd.c %/ipcbench.c,$(wildcard harness/core/*.c \
              harness/server/*.c harness/bench/*.c)) harness/skeleton.c
SRC        += $(filter-out %/nslab.c %/ipcctl.c %/ipclab.c,$(wildcard \
              harness/ns/*.c harness/client/*.c harness/lab/*.c))
TESTS      += $(wildcard harness/test/test_*.c) harness/test/conformance.c
CHECK_SRC  += $(addprefix harness/test/,main.c here.c apart.c queues.c cases.c \
              fixture.c leftovers.c actors.c servers.c files.c subject.c \
              ruled.c inject.c confined.c customer.c inside.c made_up.c \
              readme.c attack/requests.c attack/driven.c \
              attack/silent.c) \
              $(wildcard harness/test/conformance_*.c)
PROGRAMS   += harness/server/ipcd.c harness/client/ipcctl.c \
              harness/bench/ipcbench.c harness/ns/nslab.c harness/lab/ipclab.c
