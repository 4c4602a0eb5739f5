/*
 * mpi_session.h - what the client and its MPI process, msgq/ipcd-mpi.c, agree
 * on.
 */
#ifndef MPI_SESSION_H
#define MPI_SESSION_H

#include <sys/types.h>

#define MPI_SESSION_SIZE sizeof "/tmp/ipclab-mpi-2147483647"

/* Where the MPI runtime of that process keeps its files: /tmp/ipclab-mpi-PID */
void mpi_session(pid_t pid, char path[MPI_SESSION_SIZE]);

/* Removes it.  The process removes it itself when it ends in peace; its
 * client, when it did not. */
void mpi_session_remove(pid_t pid);

#endif
