/*
 * pair.h - a server of some mechanism and one client of it, started afresh
 * for every cell, and what the two have cost the machine so far.
 */
#ifndef PAIR_H
#define PAIR_H

#include "core/host.h"

/* No single call of a benchmark takes longer than this, ns. */
#define PAIR_TIMEOUT INT64_C(5000000000)

/* The largest payload of one BYTES argument in a message of max_msg bytes:
 * header and the length before the bytes (api.h) go off. */
#define PAIR_OVERHEAD (WIRE_HEADER + 4)

struct pair {
    struct host host;
    struct client client;
    pid_t server; /* its process; 0: threads of this one; -1: not known */
};

struct pair_options {
    const char *dir; /* run directory of the servers */
    int server_cpu;  /* -1: anywhere */
    bool quiet;      /* the server's messages go nowhere */
    const volatile sig_atomic_t *stop;
};

/*
 * Starts a server and joins it.  On failure everything is undone and reason
 * says what did not work; -errno.
 */
int pair_open(struct pair *s, const struct ipc_mechanism *m,
              const struct pair_options *o, char *reason, size_t size);

/* Leaves and stops the server.  One that does not end is killed and swept up
 * after: -ETIMEDOUT, and reason says so. */
int pair_close(struct pair *s, char *reason, size_t size);

/*
 * The short exchange that shows that the mechanism works: echoes of `size`
 * bytes drawn from seed and compares.  -EBADMSG: other bytes came back.
 */
int pair_verify(struct pair *s, void *scratch, size_t size, uint64_t seed);

/* How many notices the server has taken so far.  The reply comes after all
 * notices sent before it, so this is also the barrier at the end of a stream.
 */
int pair_notices(struct pair *s, uint64_t *taken);

/* The largest payload of the mechanism, bytes; 0 if it does not say. */
size_t pair_largest(const struct ipc_mechanism *m);

/* -- cost ------------------------------------------------------------------ */

struct cost {
    double cpu_ns;                 /* user and system time */
    double user_ns;                /* the part outside the kernel */
    double voluntary, involuntary; /* context switches */
    double faults;                 /* page faults */
};

/* So far, by the calling thread and by the server: a process, or, if server is
 * 0, the other threads of this one.  What is not known is NAN. */
void cost_read(pid_t server, struct cost *client, struct cost *servers);

#endif
