/*
 * skeleton.c - a mechanism that does nothing yet.  Copy it to NAME/VARIANT.c,
 * replace "skeleton" everywhere, write NAME/module.mk with three lines:
 *
 *      MECHANISMS += name_variant
 *      SRC        += name/variant.c
 *      TESTS      += name/test_name.c
 *
 * and run `CK_RUN_CASE=name/variant make check` until it has nothing more to
 * say.  No other file has to change: what others must know of it stands in the
 * table at the end (test/adding.sh proves it).  core/ipc.h is the contract;
 * what follows says where to begin.  Good models: pipe/packet.c (spawned,
 * short), fifo/perclient.c (a daemon, many clients, evidence by owner and
 * nonce), socket/stream.c (connections).
 *
 * Keep this order: then `diff` of two variants shows how they differ, and
 * nothing else.  Open with a picture of who holds what, and the one idea.
 *
 * It is compiled with everything else, so that it stays true; but no module.mk
 * names its symbol, so nobody can choose it.
 */
#include "core/ipc.h"

#include <errno.h>

/* Both are allocated by the harness, zeroed, sizes below.  Nothing global: a
 * process may have several of each. */
struct server {
    int unused; /* descriptors, ids, one entry per client ... */
};

struct client_end {
    int unused;
};

/* -- wire: how a message lies in the mechanism ---------------------------- */

/* The frame's own header (core/wire.h) says how long it is.  Where the kernel
 * keeps messages apart that is all (IPC_BOUNDARIES); where it does not, see
 * core/frames.h.  A daemon that cannot see who wrote needs something around
 * the frame: whose it is, and the nonce (core/owner.h). */

/* -- server --------------------------------------------------------------- */

/* Required.  Makes the objects that clients will look for, under name; what
 * stands there is a leftover of a dead server, replace it.  Make them private,
 * and open them to others last. */
static int
skeleton_create(void *srv, const char *name)
{
    (void)srv;
    (void)name;
    return -ENOSYS;
}

/* Required.  Waits for a request of any client.  Turn the timeout into a
 * deadline first (core/clock.h).  If the system call you wait in takes no
 * timeout: core/alarm.h.  Return -EINTR when a signal came.
 *
 * Everything a client wrote may be a lie or half there.  Copy it, then look at
 * the copy; drop the client that breaks the rules, and go on. */
static int
skeleton_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    (void)srv;
    (void)timeout_ns;
    req->peer = IPC_PEER_UNKNOWN; /* until you know better */
    return -ENOSYS;
}

/* Required.  Answers the client that req->reply_to names; msg == NULL: cut it
 * off.  Must not wait for it: -EPIPE if it is gone or does not collect. */
static int
skeleton_reply(void *srv, const struct ipc_request *req,
               const struct ipc_message *msg)
{
    (void)srv;
    (void)req;
    (void)msg;
    return -ENOSYS;
}

/* Required.  Removes every object, closes every descriptor. */
static void
skeleton_destroy(void *srv)
{
    (void)srv;
}

/* -- client --------------------------------------------------------------- */

/* Required.  Joins: makes what only this client can read, tells the server,
 * waits (ipc_open_timeout) until it has been accepted.  Is the server the right
 * one?  endpoint_trusted() in core/rundir.h. */
static int
skeleton_open(void *cli, const char *where)
{
    (void)cli;
    (void)where;
    return -ENOSYS;
}

/* Required.  What is too long, or has a descriptor that cannot travel, has been
 * refused before: ipc_send().  Not IPC_PIPELINED: -EBUSY while a reply is
 * due. */
static int
skeleton_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    (void)cli;
    (void)msg;
    (void)timeout_ns;
    return -ENOSYS;
}

/* Required.  The next reply.  A dead server must be noticed: -EPIPE.  If the
 * mechanism does not tell, look from time to time: endpoint_alive(). */
static int
skeleton_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    (void)cli;
    (void)timeout_ns;
    msg->fd = -1;
    return -ENOSYS;
}

/* Required.  Leaves; removes what open() made. */
static void
skeleton_close(void *cli)
{
    (void)cli;
}

/* -- sweep, limits, table ------------------------------------------------- */

/* With IPC_PERSISTS.  Removes what a kill -9 of the server left under name. */
static int
skeleton_sweep(const char *name)
{
    (void)name;
    return 0;
}

/* Required.  Ask the running kernel: /proc/sys, pathconf(3), getrlimit(2). */
static int
skeleton_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = 4096, .max_inflight = 1, .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

/* Optional.  Tries it, and says why it does not work on this machine. */
static const char *
skeleton_unavailable(void)
{
    return "it does nothing yet";
}

const struct ipc_mechanism skeleton = {
    .name = "skeleton/none",
    .summary = "one line, for `ipcbench list`",
    .proof = "how the server knows who asks",
    .wire = "What a client in another language needs to know.",
    .caps = IPC_PERSISTS, /* only what conformance.c can see */
    .evidence = IPC_CLAIMED,
    .uses = IPC_USES_PATH, /* `ipcbench isolate -m` says if it is not so */
    .pid_from = IPC_NO_PID,
    .uid_from = IPC_NO_UID,
    .reads = NULL, /* "/proc", if the server has to look there */
    .floor = NULL, /* "floor/fifo", if its system calls are those */
    .samples = 0,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = skeleton_unavailable,
    .limits = skeleton_limits,
    .create = skeleton_create,
    .next = skeleton_next,
    .reply = skeleton_reply,
    .destroy = skeleton_destroy,
    .open = skeleton_open,
    .send = skeleton_send,
    .recv = skeleton_recv,
    .close = skeleton_close,
    .sweep = skeleton_sweep,
};
