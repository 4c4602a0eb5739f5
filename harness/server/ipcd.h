/*
 * ipcd.h - the parts of the server's program, and what they share.
 *
 *      ipcd.c         the command line; then one of these:
 *      supervisor.c   --user, started by root: waits, as root, for a server
 *                     that is root no more, and removes what is left
 *      daemon.c       that server, and any other daemon: every endpoint, a
 *                     thread for each, until a signal
 *      endpoint.c     one of them: made, locked, served, closed; with --stdio,
 *                     when there is neither a name nor a thread, it is all
 *      sweep.c        --sweep: removes what a killed server left
 *
 * Each says on standard error what is wrong.
 */
#ifndef IPCD_H
#define IPCD_H

#include "core/rundir.h"
#include "server/confine.h"
#include "server/service.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

struct endpoint {
    const struct ipc_mechanism *m; /* from the command line; the rest is made */
    char name[ENDPOINT_SIZE];
    int lock;
    void *srv;
    struct service service;
    pthread_t thread;
    int result; /* of service_run() */
};

#define MAX_ENDPOINTS 64

struct ipcd {
    char dir[ENDPOINT_SIZE]; /* the run directory */
    int ready_fd;            /* gets a byte when clients can connect; 0: none */
    bool has_user;
    struct service_user user; /* whom it becomes, if has_user */
    struct endpoint endpoints[MAX_ENDPOINTS];
    size_t count;
    atomic_int stop; /* by a signal, or by the method shutdown */
};

/* -- endpoint.c -------------------------------------------------------------- */

/* "ipcd: who: what: why", err being -errno. */
void ipcd_complain(const char *who, const char *what, int err);

/* The state of m's server, under e->name, and its service: 0 or -errno. */
int endpoint_create(struct endpoint *e, atomic_int *stop);
void endpoint_destroy(struct endpoint *e);

/* The same in the run directory, locked: 0, or -errno and it has been said. */
int endpoint_open(struct endpoint *e, struct ipcd *d);
void endpoint_close(struct endpoint *e);

/* Serves, for pthread_create(3); one that fails ends the program. */
void *endpoint_run(void *endpoint);

/* -- daemon.c ---------------------------------------------------------------- */

/* Makes every endpoint and serves until it is told to stop: an exit status. */
int daemon_run(struct ipcd *d);

/* Those that tell a daemon to stop; SIGHUP, to read its files again. */
void ending_signals(sigset_t *ending);

/* -- supervisor.c ------------------------------------------------------------ */

/* daemon_run() in a child, and what only root can do at its end. */
int supervisor_run(struct ipcd *d);

/* -- sweep.c ----------------------------------------------------------------- */

/* What is left of m in dir; its name is in name then.  1: removed something; 0:
 * there was nothing; -EEXIST: it is being served. */
int sweep_endpoint(const struct ipc_mechanism *m, const char *dir,
                   char name[ENDPOINT_SIZE]);

/* All of them, and dir if nothing else is in it: an exit status. */
int sweep_run(const char *dir);

/* Removes what killed runs of ipcattack and ipcbench left: core/place.h. */
void sweep_places(void);

#endif
