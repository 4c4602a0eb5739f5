/*
 * ipcd.h - the parts of the server's program, and what they share.
 *
 *      ipcd.c         the command line; then one of these:
 *      supervisor.c   a daemon: the parent of all that follow.  It owns the
 *                     names and locks, reads nothing that a client wrote, says
 *                     when one has died and starts it again
 *      start.c        how it starts the others, and what they are told
 *      broker.c       the only one that may change its ids (broker.h)
 *      daemon.c       one process for each -m: makes its endpoint, gives up
 *                     its rights, serves until a signal
 *      endpoint.c     an endpoint: made, served, closed; with --stdio, when
 *                     there is neither a name nor a thread, it is all
 *      sweep.c        --sweep: removes what a killed server left
 *
 * Each says on standard error what is wrong.
 */
#ifndef IPCD_H
#define IPCD_H

#include "core/rundir.h"
#include "server/broker.h"
#include "server/confine.h"
#include "server/service.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A child of the supervisor. */
struct process {
    pid_t pid;        /* 0: it does not run */
    int handover[2];  /* ours, its: handover.h */
    int report;       /* what it says at its start comes here; -1: it has */
    int64_t again_at; /* when it is due, now_ns(); 0: it is not */
    int64_t since;    /* when it was started */
    unsigned deaths;  /* soon after their start, in a row */
};

enum endpoint_state {
    ENDPOINT_STARTING,
    ENDPOINT_SERVING,
    ENDPOINT_FAILED /* at its first start: it is left out */
};

struct endpoint {
    const struct ipc_mechanism *m; /* from the command line; the rest is made */
    char name[ENDPOINT_SIZE];
    /* the supervisor's */
    struct process process;
    enum endpoint_state state;
    int lock;
    char object[ENDPOINT_SIZE]; /* in /dev/shm, as its file said; or "" */
    int channel[2];             /* its end to the broker, and the broker's */
    /* its own process's */
    void *srv;
    struct service service;
};

#define MAX_ENDPOINTS 64

struct ipcd {
    char dir[ENDPOINT_SIZE]; /* the run directory */
    int ready_fd;            /* hears when clients can connect; 0: none */
    bool keep_root;
    bool has_user;
    struct service_user user; /* whom it becomes, if has_user */
    bool own_uts;             /* it has a host name of its own */
    struct endpoint endpoints[MAX_ENDPOINTS];
    size_t count;
    struct process broker;
    bool broker_was_up, announced;
    uint64_t taken;  /* of what it was activated with: activation.h */
    atomic_int stop; /* by a signal, or by the method shutdown */
};

/* -- endpoint.c ------------------------------------------------------------ */

/* "ipcd: who: what: why", err being -errno. */
void ipcd_complain(const char *who, const char *what, int err);

/* The state of m's server, under e->name, and its service: 0 or -errno. */
int endpoint_create(struct endpoint *e, atomic_int *stop);
void endpoint_destroy(struct endpoint *e);

/* The name in the run directory, locked: 0, or -errno and it has been said. */
int endpoint_take_name(struct endpoint *e, const struct ipcd *d);

/* -- daemon.c -------------------------------------------------------------- */

/* What a process says when it serves.  If it says nothing, and ends, it has
 * failed. */
struct report {
    uint64_t taken; /* activation_taken(); the broker's is 0 */
};

/* Says it, and closes the descriptor: 0 or -errno. */
int report_to(int fd);

/* How it ends if a client called shutdown; 0 if it was told by a signal. */
#define STATUS_SHUTDOWN 3

/* One endpoint, in a process of its own, until it is told to stop: an exit
 * status.  Its report goes to that descriptor. */
int daemon_run(struct ipcd *d, struct endpoint *e, int report);

/* Its own mounts, if d says so: 0 or -errno, as mounts_make(). */
int daemon_moves(const struct ipcd *d);

/* No more rights than kept, if d says so: 0, or it has been said.  m: an
 * endpoint's. */
int daemon_gives_up(const struct ipcd *d, enum confined kind, rights kept,
                    const struct ipc_mechanism *m);

/* -- broker.c -------------------------------------------------------------- */

/* An endpoint as the broker sees it. */
struct broker_peer {
    int channel;                /* the broker's end */
    unsigned may;               /* bit n: it may ask for enum broker_what n */
    enum ipc_evidence evidence; /* and not claim more than this */
    const char *dir;            /* where its clients' objects are */
};

/* What .dir is for the clients of this endpoint. */
void broker_names(const char *endpoint, char dir[ENDPOINT_SIZE]);

/* While there are the rights for it, of the pairs as they are made. */
void broker_prepare(int channel);

/* Serves them until SIGTERM. */
void broker_run(const struct broker_peer *endpoints, size_t n);

/* -- start.c --------------------------------------------------------------- */

/* Pairs of sockets for all: 0 or -errno. */
int start_prepare(struct ipcd *d);

/* Forks one: 0 or -errno. */
int start_broker(struct ipcd *d);
int start_endpoint(struct ipcd *d, struct endpoint *e);

/* -- supervisor.c ---------------------------------------------------------- */

/* All of a daemon until it is told to stop: an exit status. */
int supervisor_run(struct ipcd *d);

/* -- sweep.c --------------------------------------------------------------- */

/* What is left of m in dir; its name is in name then.  1: removed something; 0:
 * there was nothing; -EEXIST: it is being served. */
int sweep_endpoint(const struct ipc_mechanism *m, const char *dir,
                   char name[ENDPOINT_SIZE]);

/* All of them, and dir if nothing else is in it: an exit status. */
int sweep_run(char dir[ENDPOINT_SIZE]);

/* Removes what killed runs of ipcattack and ipcbench left: core/scratch.h. */
void sweep_scratches(void);

#endif
