MECHANISMS += null_call thread_queue
SRC        += $(filter-out %/ipcd.c %/ipcbench.c,$(wildcard harness/core/*.c \
              harness/server/*.c harness/bench/*.c))
PROGRAMS   += harness/server/ipcd.c harness/client/ipcctl.c
