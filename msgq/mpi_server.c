/*
 * mpi_server.c - ipcd-mpi --serve: the privileged service, with one client,
 * whose messages come by MPI.
 */
#include "mpi_messages.h"

#include "server/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct server {
    MPI_Comm client;
    bool heard_bye, said_bye;
};

static int
serve_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns), since = now_ns();
    int tag = BYE;

    if (s->said_bye)
        return -EPIPE;
    while (!mpi_take(s->client, &req->msg, &tag)) {
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        mpi_rest(-1, -1, since);
    }
    s->heard_bye = tag == BYE;
    req->peer = IPC_PEER_UNKNOWN;
    return s->heard_bye ? -EPIPE : 0;
}

static int
serve_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct server *s = srv;

    (void)req;
    if (msg == NULL) {
        mpi_say_bye(s->client);
        s->said_bye = true;
        return 0;
    }
    /* Waiting for the client is no danger here: there is no other. */
    MPI_Send(msg->buf, (int)msg->len, MPI_BYTE, 0, FRAME, s->client);
    return 0;
}

int
mpi_serve(void)
{
    struct ipc_mechanism m = *ipc_find("msgq/mpi");
    struct server s = {.said_bye = false};
    struct service service;
    struct ipc_message unread;
    char greeting[HELLO_SIZE];
    atomic_int stop = 0;
    int tag, err;

    MPI_Comm_get_parent(&s.client);
    if (s.client == MPI_COMM_NULL)
        return -EINVAL; /* nobody spawned us */
    mpi_hello(greeting, getpid());
    MPI_Send(greeting, (int)strlen(greeting) + 1, MPI_BYTE, 0, HELLO, s.client);
    m.next = serve_next;
    m.reply = serve_reply;
    err = service_init(&service, &m, &s, &stop);
    if (err != 0)
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    err = service_run(&service);
    unread =
        (struct ipc_message){.buf = service.in, .cap = service.limits.max_msg};
    if (!s.said_bye)
        mpi_say_bye(s.client);
    while (!s.heard_bye)
        if (mpi_take(s.client, &unread, &tag))
            s.heard_bye = tag == BYE;
        else
            mpi_rest(-1, -1, 0);
    service_free(&service);
    MPI_Comm_disconnect(&s.client);
    return err;
}
