/*
 * janitor.h - who cleans up behind a run that was killed by kill -9.
 *
 *      ipcbench  <======== a byte, over a socketpair ========  janitor
 *         |                                                   has made the run
 *         |                                                   directory; read(2)
 *         X  killed: the kernel closes its end                end of file:
 *                                                             stop, sweep,
 *                                                             remove it
 *
 * The directory is made by the one who removes it, or a kill in between would
 * leave it behind.  It is in a session of its own, so that neither ^C nor a
 * signal to the process group hits both.
 */
#ifndef JANITOR_H
#define JANITOR_H

#include "bench/measure.h"

struct janitor {
    int socket; /* our end; -1: none */
    pid_t pid;
    char *dir; /* for the servers, in the page */
};

/* 0 or -errno, and then nothing is left. */
int janitor_start(struct janitor *j, struct cell_page *page);

/* Removes the directory. */
void janitor_end(struct janitor *j);

#endif
