/*
 * workers.h - the threads of threads.c: one that accepts, and one for each
 * client, which asks the service's thread and waits for its answer.
 *
 *      accepting thread   accept4 ... accept4 ...
 *      thread of A        recvmsg ... -> queue, waits, <- answer, sendmsg ...
 *      thread of B        recvmsg ... -> queue, waits, <- answer, sendmsg ...
 *                                          |              |
 *      the service's thread                next()         reply()
 *
 * One mutex guards what they share.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include "core/sessions.h"
#include "streams.h"
#include "unsent.h"

#include <pthread.h>
#include <stdbool.h>

/* Where a client's message is. */
enum stage {
    READING,  /* none is whole yet; or the last is on its way out */
    QUEUED,   /* waits for next() */
    TAKEN,    /* by next(); its answer is to come */
    ANSWERED, /* by reply(); the answer is to be sent */
};

struct worker {
    struct workers *workers;
    pthread_t thread;
    bool started; /* and not yet joined */
    pthread_cond_t change;
    bool ended;            /* or is about to: hands off end */
    struct stream_end end; /* end.in is next()'s while QUEUED */
    struct ipc_peer peer;
    char address[ADDRESS_SIZE]; /* peer.address */
    struct ipc_message answer;
    struct unsent out; /* descriptors on their way; no replies are kept */
    enum stage stage;
    bool cut_off; /* as soon as the answer is out */
};

struct workers {
    int listener, spare; /* the accepting thread's */
    int queued;          /* an eventfd: how many are in the queue */
    pthread_t acceptor;
    bool accepting; /* it has been started */
    pthread_mutex_t lock;
    bool stopping;
    unsigned queue[IPC_MAX_CLIENTS]; /* slots, a ring */
    size_t first, count;
    struct sessions sessions;
    struct worker worker[IPC_MAX_CLIENTS]; /* by the session's slot */
};

/* Takes the listener over: if it fails, it is closed. */
int workers_init(struct workers *w, int listener);

/* Starts the accepting thread, if there is none yet.  Not before the server
 * begins to serve: what the program gives up before that (confine.h), this
 * thread would have kept. */
int workers_start(struct workers *w);

/* Nobody is killed: threads that wait are woken, see that it is over, and
 * end. */
void workers_stop(struct workers *w);

#endif
