/*
 * null.c - the empty mechanism: a function call through the same interface.
 *
 * What it costs is what the harness costs: encoding, dispatch, decoding, two
 * copies.  Nobody waits for anybody: the client's message lies in a static
 * buffer, and the server takes its turn in the client's own thread
 * (IPC_CALLED; struct client, turn).
 */
#include "core/ipc.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct slot {
    uint8_t bytes[IPC_MAX_MSG];
    size_t len; /* 0: empty */
} request, answer;

struct server {
    struct ipc_peer peer; /* ourselves */
};

static int
put(struct slot *slot, const struct ipc_message *msg)
{
    memcpy(slot->bytes, msg->buf, msg->len);
    slot->len = msg->len;
    return 0;
}

static int
take(struct slot *slot, struct ipc_message *msg)
{
    if (slot->len == 0)
        return -ETIMEDOUT; /* and nobody to wait for */
    memcpy(msg->buf, slot->bytes, slot->len);
    msg->len = slot->len;
    slot->len = 0;
    return 0;
}

static int
null_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = IPC_MAX_MSG, .max_inflight = 1, .max_clients = 1};
    return 0;
}

static int
null_create(void *srv, const char *name)
{
    struct server *s = srv;

    (void)name;
    request.len = answer.len = 0;
    s->peer = (struct ipc_peer){.pid = getpid(),
                                .uid = getuid(),
                                .gid = getgid(),
                                .evidence = IPC_PEER};
    return 0;
}

static int
null_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    (void)timeout_ns;
    req->peer = ((struct server *)srv)->peer;
    return take(&request, &req->msg);
}

static int
null_reply(void *srv, const struct ipc_request *req,
           const struct ipc_message *msg)
{
    (void)srv;
    (void)req;
    return msg == NULL ? 0 : put(&answer, msg);
}

static void
null_destroy(void *srv)
{
    (void)srv;
}

static int
null_open(void *cli, const char *where)
{
    (void)cli;
    (void)where;
    return 0;
}

static int
null_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    (void)cli;
    (void)timeout_ns;
    return request.len != 0 || answer.len != 0 ? -EBUSY : put(&request, msg);
}

static int
null_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    (void)cli;
    (void)timeout_ns;
    return take(&answer, msg);
}

static void
null_close(void *cli)
{
    (void)cli;
}

const struct ipc_mechanism null_call = {
    .name = "null/call",
    .summary = "a function call: what the harness itself costs",
    .proof = "the client and the server are one process",
    .wire = "inside one program only",
    .caps = IPC_INPROCESS | IPC_CALLED,
    .evidence = IPC_PEER,
    .server_size = sizeof(struct server),
    .client_size = 1,
    .limits = null_limits,
    .create = null_create,
    .next = null_next,
    .reply = null_reply,
    .destroy = null_destroy,
    .open = null_open,
    .send = null_send,
    .recv = null_recv,
    .close = null_close,
};
