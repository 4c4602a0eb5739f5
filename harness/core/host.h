/*
 * host.h - a server of any mechanism, started the way that mechanism wants it:
 * a daemon is forked and exec'd here and waited for until it is ready; a
 * spawned one is started by each client; a baseline's runs as a thread.
 * For tests, the benchmark and the demonstrations.
 */
#ifndef HOST_H
#define HOST_H

#include "client.h"
#include "rundir.h"
#include "spawn.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct host_options {
    const char *ipcd; /* the server program; NULL: program_path("ipcd") */
    const char *user; /* --user, for a daemon; NULL: as it is by default */
    bool keep_root;   /* --keep-root, for a daemon that root starts */
    int cpu;          /* the server runs there; -1: anywhere */
    int quiet;        /* its messages go nowhere */
};

struct host {
    const struct ipc_mechanism *m;
    struct host_options options;
    char dir[ENDPOINT_SIZE]; /* the run directory, given by the caller */
    char where[4096];        /* for open() */
    char program[4096];
    pid_t pid;    /* a daemon's supervisor, a name for it; else 0 */
    pid_t server; /* its process that serves; else 0 */
    struct spawned daemon;
    struct service *service; /* a baseline's; else NULL */
    pthread_t thread;
    atomic_int stop;
};

/*
 * Starts a server of m in the run directory dir (made if need be).  When it
 * returns 0, clients can open it.  -errno; a daemon that ended instead of
 * becoming ready: -ECHILD, and it has said why on stderr.
 */
int host_start(struct host *h, const struct ipc_mechanism *m, const char *dir,
               const struct host_options *options);

/* client_open() for this server.  A spawned server is started by this call and
 * lives as long as the client. */
int host_client(struct host *h, struct client *c);

/* SIGTERM, then waits for it.  Returns the daemon's wait(2) status; 0 for the
 * others. */
int host_stop(struct host *h);

#endif
