/*
 * ipc.h - the mechanism interface: what every variant of every IPC mechanism
 * implements, and all that the rest of the harness knows about it.
 *
 *      client process                              server process
 *      open(where)                                 create(name)
 *      send(request)  ---- the mechanism ---->     next(&request)
 *      recv(reply)    <--- the mechanism -----     reply(&request, &reply)
 *      close()                                     destroy()
 *
 * The verbs block, up to a timeout.  The server receives from whoever comes
 * next and answers to a token, so that a mechanism without connections (a
 * queue, a FIFO, a slot in shared memory) need not pretend to have them.
 *
 * Rules for all of them
 *  - Return 0, or a negative errno.  Never print, never exit.
 *  - A timeout is in nanoseconds of CLOCK_MONOTONIC; 0 = do not wait;
 *    negative = wait for ever.  Time up: -ETIMEDOUT, never early.
 *  - "The peer is gone", in whatever way the kernel says it: -EPIPE.
 *  - A message that does not fit: -EMSGSIZE, before any byte is written.
 *  - One thread at a time per object (a server, or a client).
 *  - The program ignores SIGPIPE; and SIGXFSZ, or under a limit on the size of
 *    files (RLIMIT_FSIZE) what should be -EFBIG kills it.
 *  - Every descriptor is close-on-exec.
 */
#ifndef IPC_H
#define IPC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The largest message the harness ever sends, in bytes: 1 MiB of payload plus
 * room for the header and the lengths.  A mechanism without a limit of its own
 * (a stream) reports this as max_msg. */
#define IPC_MAX_MSG (1024 * 1024 + 64)

/* How long open() may take before it gives up, in ns: 2 s.  Not a constant, for
 * those tests that have joins fail one after the other. */
extern int64_t ipc_open_timeout;

/* How many clients a daemon variant serves at once; one more is refused. */
#define IPC_MAX_CLIENTS 64

/* How the server knows who asks.  Compare with >=. */
enum ipc_evidence {
    IPC_CLAIMED,  /* K0  the request says so */
    IPC_INFERRED, /* K1  looked up after the fact: racy */
    IPC_OWNER, /* K2  owns the reply object, and echoed the nonce left in it */
    IPC_PEER,  /* K3  kernel's word for the connection, or real uid at exec */
    IPC_STAMPED, /* K4  kernel's word on this very message */
};

/* What a variant can and cannot do.  Every one is checked by an experiment in
 * harness/test/ (the table is in conformance.c), for those that declare it and
 * for those that do not. */
enum ipc_caps {
    IPC_SPAWNED = 1 << 0,    /* the client forks and execs its server */
    IPC_BOUNDARIES = 1 << 1, /* the kernel keeps messages apart */
    IPC_PIPELINED = 1 << 2,  /* a client may send again before it receives */
    IPC_POLLABLE = 1 << 3,   /* pollfd() gives a descriptor for poll(2) */
    IPC_PASSES_FD = 1 << 4,  /* a descriptor can travel with a message */
    IPC_SPINS = 1 << 5,      /* waiting burns a core */
    IPC_PERSISTS = 1 << 6,   /* a crash leaves something for sweep() */
    IPC_ONEWAY = 1 << 7,     /* no way back: requests only */
    IPC_LOSSY = 1 << 8,      /* a message may vanish; the caller retries */
    IPC_TRUSTING = 1 << 9,   /* a hostile peer can corrupt the server */
    IPC_REMOTE = 1 << 10,    /* also works between hosts */
    IPC_INPROCESS = 1 << 11, /* baseline: both sides in one process */
    IPC_CALLED = 1 << 12,    /* baseline: the server runs when called, in the
                              * client's own thread; nobody ever waits */
    IPC_THREADS = 1 << 13,   /* the server has a thread for each client: whose
                              * turn it is, is the scheduler's to say */
    IPC_TEXTBOOK = 1 << 14,  /* as books teach it: for honest peers who do not
                              * die.  So it is trusting, and its objects are its
                              * user's alone (0600).  What is tried with other
                              * peers does not apply to it (test/subject.h) */
};

/* What a variant is made of, beside memory and system calls: so which namespace
 * takes it away (ns/isolate_expect.c), what its server must be allowed once it
 * is root no more (server/rights.c), and what a crash leaves, where.  Every bit
 * changes what a test or `make isolate` expects. */
enum ipc_uses {
    IPC_USES_PATH = 1 << 0,    /* names in the run directory */
    IPC_USES_SHM = 1 << 1,     /* names in /dev/shm */
    IPC_USES_BESIDE = 1 << 2,  /* a file in the run directory that the mechanism
                                * could do without: who lives, at which port */
    IPC_USES_SYSV = 1 << 3,    /* System V objects, found by a key */
    IPC_USES_SETS = 1 << 4,    /* System V objects, found by the id that stands
                                * in a file of the run directory */
    IPC_USES_QUEUE = 1 << 5,   /* POSIX message queues */
    IPC_USES_NET = 1 << 6,     /* an abstract name or a port */
    IPC_USES_DEVICE = 1 << 7,  /* a network device besides lo */
    IPC_USES_CHANNEL = 1 << 8, /* inherited descriptors: no name at all */
    IPC_USES_SIGNALS = 1 << 9,
    IPC_USES_CLAIM = 1 << 10, /* the client says its uid, the server compares */
    IPC_USES_OBJECT = 1 << 11, /* the server opens what a client made for itself
                                * alone: object_open(), core/object.h */
    IPC_USES_PROC = 1 << 12,   /* the server opens a client's /proc/PID/fd */
    IPC_USES_ONE_QUEUE = 1 << 13, /* for all: who fills it, or takes what comes
                                   * out, keeps the others out */
    IPC_USES_LIBRARY = 1 << 14,   /* a library that makes calls of its own, and
                                   * hangs when one of them fails */
};

/* Where the client's pid comes from that a server reports. */
enum ipc_pid_from {
    IPC_NO_PID,
    IPC_PID_CLAIMED,     /* the client says it, and nobody can check */
    IPC_PID_PARENT,      /* getppid(2) */
    IPC_PID_SEMAPHORE,   /* GETPID: who changed the semaphore last */
    IPC_PID_QUEUE,       /* msg_lspid, believed if it is the claimed one */
    IPC_PID_CREDENTIALS, /* SO_PEERCRED, SCM_CREDENTIALS */
};

/* And the uid: an object has an owner, a process has one. */
enum ipc_uid_from { IPC_NO_UID, IPC_UID_OBJECT, IPC_UID_PROCESS };

/* Where there is no time or room for all variants, these stand for the others.
 * A new one may join them, and nothing fails if it does not. */
enum ipc_samples {
    IPC_SAMPLE_CLIENTS = 1 << 0, /* bench: many clients, also in a short run */
    IPC_SAMPLE_LOAD = 1 << 1,    /* bench: the open loop */
    IPC_SAMPLE_SLOW = 1 << 2,    /* test_slow.c: each waits in another call, out
                                  * of which a worker's answer has to get it */
    IPC_SAMPLE_ISOLATED = 1 << 3, /* test_isolate.c: in every namespace */
    IPC_SAMPLE_BESIEGED = 1 << 4, /* test_attack.c: among hostile clients */
};

/* Who asks, as the server knows it.  -1 means "not known" and is never turned
 * into a number that is allowed anything; above all not into 0. */
struct ipc_peer {
    pid_t pid; /* a name for messages, never an identity */
    uid_t uid;
    gid_t gid;
    enum ipc_evidence evidence;
    const char *address; /* where the answer goes, for people to read:
                          * "127.0.0.1:41234"; NULL: the mechanism has none.
                          * The mechanism's, good until reply(). */
};

#define IPC_PEER_UNKNOWN \
    ((struct ipc_peer){.pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1})

/*
 * A message: one frame of the protocol (wire.h), header and payload.
 *
 * buf, cap   the caller's buffer and its size in bytes; the mechanism never
 *            keeps the pointer.  To receive, cap is at least max_msg.
 * len        bytes to send, or bytes received.
 * fd         a passed descriptor (unix(7), SCM_RIGHTS), or -1.  Sending it does
 *            not close it; a received one belongs to the receiver.  Without
 *            IPC_PASSES_FD none is sent: -EOPNOTSUPP.
 */
struct ipc_message {
    void *buf;
    size_t cap, len;
    int fd;
};

struct ipc_request {
    struct ipc_message msg;
    struct ipc_peer peer;
    uint64_t reply_to; /* the mechanism's own token for its client */
};

/* Asked of the running kernel, not compiled in. */
struct ipc_limits {
    size_t max_msg;        /* bytes, header included */
    unsigned max_inflight; /* messages of that size one client may have under
                            * way before send() waits; at least 1 */
    unsigned max_clients;  /* at once; IPC_LOSSY: nobody counts them */
};

struct ipc_mechanism {
    const char *name;    /* "msgq/sysv-types": directory, slash, variant */
    const char *summary; /* one line, for `ipcbench list` */
    const char *proof;   /* how the server knows who asks, one line */
    const char *wire;    /* what a client in another language must do before,
                          * after and around the frames: a paragraph of the
                          * protocol page */
    unsigned caps;
    enum ipc_evidence evidence; /* the best that next() ever reports */

    unsigned uses; /* enum ipc_uses; a baseline uses nothing */
    enum ipc_pid_from pid_from;
    enum ipc_uid_from uid_from;
    const char *reads; /* a directory whose files its server opens beside those
                        * in its run directory: "/proc"; or NULL */
    const char *floor; /* the bare echo with its system calls, bench/echo.c:
                        * "floor/fifo"; or NULL */
    unsigned samples;  /* enum ipc_samples */

    size_t server_size, client_size; /* the caller allocates both, zeroed */

    /* NULL, or gives the reason why this cannot run here, or NULL when it
     * can.  A variant that cannot run is listed with its reason. */
    const char *(*unavailable)(void);

    int (*limits)(struct ipc_limits *);

    /* -- server ----------------------------------------------------------
     *
     * create()  makes the objects that clients will look for.
     *   name    for a daemon, the endpoint's path (rundir.h).  The caller
     *           holds the lock on that name (endpoint_lock()), so whatever
     *           stands there is a leftover and is replaced; what belongs to
     *           somebody else is refused with -EPERM.
     *           A spawned server ignores it: its channel is already open as
     *           descriptors 0 and 1.
     *   On failure everything is undone, and destroy() is not called.
     *
     * next()    waits for a request from any client and fills in *req: the
     *           message (into the caller's buffer), the peer, the token.
     *           It serves clients fairly: it starts looking after the last
     *           one served.  It also does the joining and leaving of
     *           clients, and drops one that breaks the rules; none of that
     *           is reported.
     *   -EINTR  a signal came; the loop decides.
     *   -EPIPE  spawned only: the one client is gone.
     *
     * reply()   answers; called by ipc_reply() alone, as send() is.  msg ==
     *           NULL means: this client broke the rules, cut it off.  Never
     *           waits for a client: one that does not collect its replies is
     *           dropped.
     *           May come late, after others have been answered, and when the
     *           client has gone: a token is never given to another client.
     *   -EPIPE  that client is gone; the server lives on.
     *   -EAGAIN  with a descriptor: this user has too many that are not
     *           received yet; nothing was sent.
     *
     * reply_space()  NULL; or a place in the mechanism's own memory for a reply
     *           of len bytes to this request: if reply() comes next, and
     *           msg->buf is that place, nothing is copied.  It may return
     *           NULL: there is none, make the reply elsewhere.  The peer may be
     *           able to change what stands there at any time: it is written
     *           to, never read.
     *
     * pollfd()  a descriptor for poll(2): readable when something has come.
     *           next() may read ahead, so call it with timeout 0 until it
     *           says -ETIMEDOUT before you poll again.  NULL unless
     *           IPC_POLLABLE.
     *
     * destroy() removes every object and closes every descriptor. */
    int (*create)(void *srv, const char *name);
    int (*next)(void *srv, struct ipc_request *req, int64_t timeout_ns);
    int (*reply)(void *srv, const struct ipc_request *req,
                 const struct ipc_message *msg);
    void *(*reply_space)(void *srv, const struct ipc_request *req, size_t len);
    int (*pollfd)(void *srv);
    void (*destroy)(void *srv);

    /* -- client ----------------------------------------------------------
     *
     * open()    joins the server.  Takes at most ipc_open_timeout.
     *   where   for a daemon, the endpoint's path; for a spawned variant, the
     *           server program to exec as `where --stdio -m NAME`.
     *   -ENOENT, -ECONNREFUSED  no server there
     *   -EACCES, -EPERM         the server, or what stands in its place, is
     *                           not to be used by this user, or not trusted
     *   -ETIMEDOUT              there is one, but it let us wait
     *   -EAGAIN                 it is full: IPC_MAX_CLIENTS; spawned: no
     *                           process to be had, fork(2)
     *   -ENOBUFS                no timer, or no signal number, to be had
     *   On failure everything is undone, and close() is not called.
     *
     * send()    Called by ipc_send() alone: the message fits, unless the
     *           server's object is smaller than limits() says (msgq/), and has
     *           no descriptor that cannot travel.
     *           A variant that is not IPC_PIPELINED holds one message at a
     *           time: -EBUSY while a reply is due.  Once recv() has timed out,
     *           the caller has given that reply up, and send() first waits for
     *           it to come and throws it away.  Signals do not interrupt it.
     *           If the time is up in the middle of a message the connection is
     *           of no more use: -ETIMEDOUT now, -EPIPE from then on.
     *
     * send_space()  as reply_space(), for a message to be sent.
     *
     * recv()    the next reply.  -EBADMSG: what came is not of the protocol,
     *           and where the next one begins cannot be told; its header is in
     *           msg.  -EINTR: a signal came before a reply did; nothing is
     *           lost, call again.  A handler installed with
     *           SA_RESTART does not interrupt: with no time limit the system
     *           call that waits is restarted, signal(7).
     *
     * close()   leaves, removes what open() made, reaps a spawned server.
     *
     * forget()  instead of close(), in a process that was forked after open():
     *           closes and unmaps its copies, and does nothing that the parent
     *           or the server would notice.  NULL: close() does no more than
     *           that. */
    int (*open)(void *cli, const char *where);
    int (*send)(void *cli, const struct ipc_message *msg, int64_t timeout_ns);
    void *(*send_space)(void *cli, size_t len);
    int (*recv)(void *cli, struct ipc_message *msg, int64_t timeout_ns);
    void (*close)(void *cli);
    void (*forget)(void *cli);

    /* Removes what a killed server left under this name; the caller holds
     * the lock on it, so nobody is using it.  1 = removed something, 0 = there
     * was nothing.  NULL unless IPC_PERSISTS. */
    int (*sweep)(const char *name);
};

/* Every mechanism of this build, ended by NULL.  The file that holds it,
 * build/.../registry.c, is written by make from the module.mk files. */
extern const struct ipc_mechanism *const ipc_registry[];

/* The mechanism called name, or NULL. */
const struct ipc_mechanism *ipc_find(const char *name);

/* NULL when m can run here, otherwise the reason why not. */
const char *ipc_unavailable(const struct ipc_mechanism *m);

/*
 * m's send() and reply(), for a message that it can carry; any other is refused
 * here, before anything is done with it, so that no variant has to look.
 *   l           m's limits(), as they were when cli or srv was made
 *   -EMSGSIZE   longer than l->max_msg
 *   -EOPNOTSUPP  a descriptor, and m is not IPC_PASSES_FD
 */
int ipc_send(const struct ipc_mechanism *m, const struct ipc_limits *l,
             void *cli, const struct ipc_message *msg, int64_t timeout_ns);
int ipc_reply(const struct ipc_mechanism *m, const struct ipc_limits *l,
              void *srv, const struct ipc_request *req,
              const struct ipc_message *msg);

/* A buffer for messages, for free(3); or NULL.  It begins where a page does, as
 * what the kernel copies from and to does: processors copy whole cache lines
 * so, and a buffer that begins a few bytes behind the beginning of a page, as
 * malloc(3) gives large ones, is the slowest of all. */
void *ipc_buffer(size_t size);

/* And a message to be sent is made at this offset in its buffer, in bytes: what
 * it is copied to begins at a page, or behind a header of some bytes (a
 * queue's, a prefix); what is copied from must not be a little less far. */
#define IPC_SEND_AT 64

/* strerror(3) of a negative errno; but a function of a mechanism that is not
 * written yet returns -ENOSYS, and that says so. */
const char *ipc_strerror(int err);

/* "K0" ... "K4" */
const char *ipc_evidence_name(enum ipc_evidence e);

/* One capability as a word; mask must be a single bit.  NULL past the last:
 * for (i = 0; ipc_cap_name(1u << i); i++) goes through them all. */
const char *ipc_cap_name(unsigned mask);

#endif
