/* streams.c - the server of many stream sockets. */
#define _GNU_SOURCE /* struct ucred */
#include "streams.h"

#include "core/clock.h"
#include "core/stream.h"

#include <errno.h>

/* A request that is already here, looking first after the one served last.
 * A client that has not taken its last reply must do that first. */
static bool
take_request(struct clients *s, struct ipc_request *req)
{
    int slot = s->last;

    for (unsigned n = s->sessions.count; n > 0; n--) {
        struct connection *c;
        int got;

        slot = sessions_next(&s->sessions, slot);
        c = &s->connections[slot];
        if (c->out.first != NULL || c->in.start == c->in.end)
            continue;
        got = frames_take(&c->in, &req->msg);
        if (got < 0) /* where the next frame begins nobody knows */
            clients_drop(s, c);
        if (got != 1)
            continue;
        c->timeout.awaited = NOTHING;
        if (awaited_by(&c->in) != NOTHING) /* the next one has begun */
            clients_heard(s, c, awaited_by(&c->in));
        req->peer = c->peer;
        req->reply_to = clients_token(s, c);
        s->last = slot;
        return true;
    }
    return false;
}

int
streams_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct clients *s = srv;
    int64_t deadline = deadline_in(timeout_ns);

    while (!take_request(s, req)) {
        struct connection *c;
        int err = clients_wait(s, deadline, &c);

        if (err != 0)
            return err;
        if (c == NULL)
            continue;
        err = stream_read(c->fd, &c->in);
        if (err == 0)
            clients_heard(s, c, awaited_by(&c->in));
        else if (err != -EAGAIN && err != -EINTR)
            clients_drop(s, c);
    }
    return 0;
}
