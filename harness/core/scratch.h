/*
 * scratch.h - a scratch directory: only one run of a program needs it, and it
 * is removed whatever becomes of the run.
 *
 *      program  <======= a byte, over a socketpair =======  keeper
 *         |                                                 has made the
 *         |                                                 directory; read(2)
 *         X  ends, or is killed: the kernel                 end of file:
 *            closes its end                                 removes it
 *
 * The keeper is in a session of its own, so that neither ^C nor a signal to the
 * process group hits both.  Should it be killed too, the directory stays; and
 * nobody holds the lock on it any more, by which scratch_sweep() knows.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* So that there is room for an endpoint's name behind it (ENDPOINT_SIZE). */
#define SCRATCH_SIZE 64

struct scratch {
    char dir[SCRATCH_SIZE];
    int socket; /* our end; -1: none */
    pid_t keeper;
};

/*
 * Makes BASE/ipclab-WHAT-XXXXXX, ours, mode 0711 whatever the umask.  BASE is
 * $TMPDIR, /tmp, /var/tmp or /dev/shm: the first in which it can be made, whose
 * name is not too long and, with others, through which every user gets.
 * Returns a descriptor that holds a lock on it until it is closed by all who
 * have inherited it; or -errno.
 */
int scratch_make(const char *what, bool others, char dir[SCRATCH_SIZE]);

/* Removes a directory with all that is in it. */
void scratch_remove(const char *dir);

/* The same, with a keeper: 0 or -errno, and then nothing is left. */
int scratch_begin(struct scratch *p, const char *what, bool others);

/* Waits until the keeper has removed it: when also those have ended who were
 * forked in between. */
void scratch_end(struct scratch *p);

/* Calls sweep() for, and removes, every such directory that is this user's and
 * in which nobody is at work.  Returns how many. */
int scratch_sweep(void (*sweep)(const char *dir));

#endif
