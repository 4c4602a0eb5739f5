MECHANISMS += msgq_sysv_types msgq_sysv_private msgq_posix
SRC        += msgq/sysv.c msgq/sysv_types.c msgq/sysv_private.c msgq/posix.c \
              msgq/posix_plan.c
TESTS      += msgq/test_msgq.c
