/*
 * inject.h - the Nth system call of a process fails, or is its last.
 *
 *      test                     tracee (a server, or a client)
 *      inject_seize(pid)        each system call stops it twice: on its way
 *      inject_watch(&i, ...)    in, where the call can be taken away, and on
 *                               its way out, where its result can be
 *
 * So a real server meets the errors that a real kernel gives once in a year,
 * one after the other, without a change to it.  It is what `strace -e
 * inject=CALL:error=E:when=N` does; but strace has to be started for every
 * case, with a new server, and here one server goes through all of them and
 * must still be whole after the last.
 */
#ifndef INJECT_H
#define INJECT_H

#include "core/host.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct injection {
    unsigned nth;  /* this call, counted from 1; 0: none */
    unsigned kind; /* which of the errors that it may fail with */
    pid_t only;    /* calls of this process are meant; 0: of all that are
                    * seized, and of those whom they start */
    pid_t except;  /* but not of this one */
    bool kill;     /* instead: the process does not survive it */

    /* The outcome. */
    unsigned seen;   /* calls that could have been meant */
    int number;      /* of the call that failed; -1: there was no nth */
    int error;       /* what it failed with */
    pid_t returning; /* who is still in that call */
};

/* The errors of the matrix: kind is 0 ... INJECT_KINDS - 1. */
#define INJECT_KINDS 5u

/* IPCLAB_FAULTS=all: every error with every call, which takes long. */
bool inject_all(void);

/* For tcase_set_timeout(): a test that injects is dozens of servers or clients,
 * one after the other; seconds. */
int inject_timeout(void);

/* Which call to try after the nth: all of a daemon's, and then fewer and fewer,
 * since many calls are a loop.  The first ones of a spawned server are the
 * dynamic linker's. */
unsigned inject_next(unsigned n, bool spawned);

/* NULL, or why nothing can be injected here. */
const char *need_inject(void);

/* All threads of a child of ours.  They stop, until inject_watch() lets them
 * go on. */
void inject_seize(pid_t pid);

/* Lets everybody who is seized run until this child has ended, and returns its
 * status; -1: it did not end before deadline.  *gone, if not NULL, is a
 * process that is not to end meanwhile: if it does, it is set to 0 and that
 * is the end, too. */
int inject_watch(struct injection *i, pid_t child, pid_t *gone,
                 int64_t deadline);

/* After it: lets them run until *gone is asleep in all its threads, that is,
 * has done what the child's end has left it to do.  Calls are counted on.  Who
 * is seized stands still outside of these two. */
void inject_settle(struct injection *i, pid_t *gone, int64_t deadline);

/* A client of this server is killed in its nth system call while it joins, or
 * leaves.  false: it made fewer. */
bool dies_joining(struct host *server, unsigned nth);

/* Lets them all go for good. */
void inject_leave(pid_t pid);

/* "the 12th call, recvmsg, failing with ENOMEM"; good until the next call. */
const char *inject_name(const struct injection *i);

#endif
