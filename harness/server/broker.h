/*
 * broker.h - what takes other ids, other rights or a long time is done by a
 * process that serves nobody.
 *
 *      endpoint                broker                  worker
 *      broker_ask()  --------> looks at the request
 *        one end of   <------- socketpair(2)
 *        a pair                fork(2) --------------> becomes the caller,
 *      broker_take() <-------------------- answer ---- opens, reads ...
 *      broker_end()  --------- end of file ----------> _exit(2)
 *
 * The broker is the only process of a daemon that may change its ids.  It
 * understands the requests below and nothing else, looks at each as if the
 * endpoint were its enemy, takes no descriptor from it, maps no memory of a
 * client, and never waits: a worker that has not answered after BROKER_TIMEOUT
 * is killed, and if it hangs in the kernel, which no signal changes, it is left
 * there and counts against its caller (WORKERS_OF_ONE) until it ends.
 *
 * Who has no broker, a server with --stdio, forks the worker itself; for the
 * caller of these functions nothing else is different.
 *
 * All of them may be called by several threads, each with its own broker_call.
 */
#ifndef BROKER_H
#define BROKER_H

#include "core/ipc.h"
#include "core/object.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* How long a worker may take, ns.  A broker_call is answered at most that long
 * after it was asked, and a scheduler's whim. */
#define BROKER_TIMEOUT INT64_C(2000000000)

/* -- what can be asked for ------------------------------------------------ */

enum broker_what {
    /* Opens the regular file at path for reading, as peer or (by_rule) beneath
     * a directory that a rule grants it, with the rights of the server: the
     * answer has a descriptor.
     *   -EOPNOTSUPP  its file system is one whose close(2) may wait for somebody
     *                (FUSE, a network): it can only be read
     *   -EACCES      it is in /proc, /sys or their like, where what is read
     *                depends on who reads
     *   -EISDIR, -ENXIO  a directory; anything else that is not a regular file
     *   -EPERM       the broker cannot act for that user
     * by_rule also: -EXDEV, -ELOOP, -EMLINK  it leads elsewhere */
    BROKER_OPEN,
    /* The same, and reads count bytes at offset: the answer's descriptor is
     * memory (memfd_create(2)) of number bytes. */
    BROKER_READ,
    /* A client's own object, mode 0600, opened as uid with O_RDONLY, O_WRONLY
     * or O_RDWR in number: object_open(), core/object.h. */
    BROKER_OBJECT,
    /* Sets the nice value of process pid, which must be uid's, to number; the
     * answer's number is the old one. */
    BROKER_PRIORITY,
    /* A TCP socket that listens at 127.0.0.1, port number (1 to 1023). */
    BROKER_PORT,
    /* Names the host path, in the UTS namespace of the server. */
    BROKER_HOSTNAME,
    /* Looks at count claims, struct object_claim, in path, and has no worker:
     * the receipt says GLANCED and the bits of object_glance_at_all(). */
    BROKER_GLANCE,
    BROKER_KINDS,
    /* Not a request: BROKER_OBJECT also in OBJECT_PROC_FD. */
    BROKER_MEMORY = BROKER_KINDS
};

#define BROKER_GLANCED (INT32_C(1) << OBJECT_CLAIMS)

/* As it travels: of this size, or it is none.  Zero what is not used. */
struct broker_request {
    uint32_t what;  /* enum broker_what */
    uint32_t space; /* enum object_space; for OBJECT_AT path is absolute */
    uint32_t by_rule;
    uint32_t evidence; /* of uid, gid: enum ipc_evidence */
    uint32_t uid, gid;
    int32_t pid;
    int32_t number; /* a nice value, a port, flags */
    uint64_t offset;
    uint32_t count;
    uint32_t serial;     /* broker_ask() numbers them */
    char path[PATH_MAX]; /* ends with a NUL */
};

struct broker_answer {
    int32_t result; /* 0, or -errno */
    int32_t number;
    int fd; /* belongs to who takes the answer; -1: none */
};

/* -- asking --------------------------------------------------------------- */

/* One request under way; all zero: none.  fd is for poll(2): POLLIN when
 * broker_take() has something to give.  (No descriptor is 0 here: ipcd fills
 * 0, 1 and 2 at its start.) */
struct broker_call {
    int fd;
    pid_t worker; /* ours to reap; 0: the broker's */
    int64_t deadline;
};

/* Fills in what, peer and path; the rest is zero.  -ENAMETOOLONG, -EINVAL: a
 * path with a NUL in it. */
int broker_request(struct broker_request *r, enum broker_what what,
                   const struct ipc_peer *peer, const char *path, size_t len);

/*
 * Sends the request off.  Does not wait, but for the broker to take it in.
 *   0          c is under way, and to be ended by broker_end()
 *   -EAGAIN    this caller, or all together, have too many under way
 *   -ETIMEDOUT, -EPIPE  no broker
 *   -EMFILE, -ENOMEM
 */
int broker_ask(struct broker_call *c, const struct broker_request *r);

/*
 * The answer, if it is there:
 *   0        *a, and a->result says how it went: 0 or -errno, -ETIMEDOUT if
 *            the worker took too long, -EIO if it died, -EMFILE if there was
 *            no room for its descriptor
 *   -EAGAIN  not yet: poll c->fd, until c->deadline (clock.h) at most, then
 *            call this again, and it has something
 */
int broker_take(struct broker_call *c, struct broker_answer *a);

/* Ends it, answered or not.  Close the answer's descriptor *before*: as long as
 * the call is not ended the worker keeps the file open too, so that what takes
 * long when a file is closed for good is done by the worker. */
void broker_end(struct broker_call *c);

/* Asks, waits and takes: 0 or -errno, a->result being included.  End it in
 * any case. */
int broker_do(struct broker_call *c, const struct broker_request *r,
              struct broker_answer *a);

#endif
