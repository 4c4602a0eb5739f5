MECHANISMS += msgq_textbook msgq_sysv_types msgq_sysv_private msgq_posix
SRC        += msgq/textbook.c msgq/sysv.c msgq/sysv_queue.c msgq/sysv_types.c \
              msgq/sysv_private.c msgq/posix.c msgq/posix_join.c \
              msgq/posix_wait.c msgq/posix_plan.c msgq/posix_names.c
TESTS      += $(addprefix msgq/test_msgq,.c _types.c _private.c _posix.c _ends.c \
                                          _left.c)
CHECK_SRC  += msgq/by_hand.c

# MPI, where there is a compiler for it.  Its programs are apart (ipcd-mpi), so
# that no other program is linked with a library of that size.
MECHANISMS += msgq_mpi
SRC        += msgq/mpi.c
TESTS      += msgq/test_mpi.c
MPICC      := $(shell command -v $(CROSS)mpicc)
ifneq ($(MPICC),)
PROGRAMS   += msgq/ipcd-mpi.c
SRC        += msgq/mpi_messages.c msgq/mpi_server.c
MPI_WORDS  := $(shell $(MPICC) -show)
MPI_BINDIR := $(patsubst %/,%,$(dir $(MPICC)))
$(addprefix $O/msgq/,ipcd-mpi.o mpi_messages.o mpi_server.o) lint: \
    ALL_CPPFLAGS += $(patsubst -I%,-isystem %,$(filter -I%,$(MPI_WORDS))) \
                -DMPI_BINDIR='"$(MPI_BINDIR)"'
$O/ipcd-mpi: LIBS += $(filter -L% -l%,$(MPI_WORDS))
endif
