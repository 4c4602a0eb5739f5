/*
 * mpi_messages.h - the messages between the relay and its server (ipcd-mpi.c),
 * and how both wait for them.
 */
#ifndef MPI_MESSAGES_H
#define MPI_MESSAGES_H

#include "core/clock.h"
#include "core/ipc.h"

#include <mpi.h>
#include <stdbool.h>

enum tag { FRAME = 1, BYE = 2, HELLO = 3 };

#define HELLO_SIZE (MPI_MAX_PROCESSOR_NAME + sizeof "2147483647 ")

/* How long to look without a nap, ns.  A message in a conversation comes in
 * that time. */
#define EAGER NS_PER_MS

/* Is a message there?  Takes it; false: not yet.  BYE has no bytes. */
bool mpi_take(MPI_Comm peer, struct ipc_message *msg, int *tag);

void mpi_say_bye(MPI_Comm peer);

/* "PID HOST" */
void mpi_hello(char text[HELLO_SIZE], pid_t pid);

/* Between two looks.  The descriptors are watched meanwhile; -1: none. */
void mpi_rest(int fd, int other, int64_t since);

/* ipcd-mpi --serve, between MPI_Init and MPI_Finalize. */
int mpi_serve(void);

#endif
