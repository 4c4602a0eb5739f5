/*
 * store.h - objects with a name and a size that processes can map: where they
 * are, and what shows that their maker is alive.
 *
 * They are objects of POSIX shared memory, or files (for ../mmap): the calls
 * have other names, and are the same.
 */
#ifndef SHM_STORE_H
#define SHM_STORE_H

#include "core/rundir.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct meet_names {
    char board[ENDPOINT_SIZE];
    char dir[ENDPOINT_SIZE];  /* where the places are, */
    char base[ENDPOINT_SIZE]; /* how their names begin, for open(), */
    const char *prefix;       /* and as they are seen in dir */
};

struct meet_store {
    int (*names)(const char *endpoint, struct meet_names *names);
    int (*open)(const char *name, int flags, mode_t mode); /* -1, errno */
    int (*unlink)(const char *name);
    bool own_dir; /* dir is ours to make and to remove */
};

extern const struct meet_store meet_shm;   /* shm_open(3) */
extern const struct meet_store meet_files; /* open(2), in the run directory */

/* Makes an object that was not there, mode 0600, of zeros, and maps it.  It is
 * locked as long as *fd is open: see store_held().  -EPERM: there is one. */
int store_make(const struct meet_store *store, const char *name, size_t size,
               int *fd, void **memory);

/* Maps it with all its pages there, so that nobody pays for the first touch in
 * the middle of a conversation. */
int store_map(int fd, size_t size, int prot, void **memory);

/* Does its maker still have it open?  The kernel lets go of the lock however
 * he dies. */
bool store_held(int fd);

/* Calls f for the name of each place that is there; f says when to stop. */
void store_each(const struct meet_names *n,
                bool (*f)(const char *name, void *arg), void *arg);

/* Removes the board and the places of this endpoint.  1 = removed something. */
int store_sweep(const struct meet_store *store, const char *endpoint);

#endif
