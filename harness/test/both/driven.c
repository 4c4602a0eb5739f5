/* driven.c - a server in this process, driven step by step. */
#include "test/both/driven.h"

#include "test/both/must.h"

#include "core/client.h"

#include <errno.h>
#include <stdlib.h>

int
drive_begin(struct driven *d, const char *mechanism, const char *dir)
{
    int err;

    *d = (struct driven){.m = ipc_find(mechanism)};
    d->srv = calloc(1, d->m->server_size);
    d->req.msg =
        (struct ipc_message){.buf = malloc(IPC_MAX_MSG), .cap = IPC_MAX_MSG};
    if (d->srv == NULL || d->req.msg.buf == NULL)
        return -ENOMEM;
    err = endpoint_name(d->m, dir, d->where);
    return err != 0 ? err : d->m->create(d->srv, d->where);
}

int
drive(struct driven *d, int64_t timeout)
{
    return d->m->next(d->srv, &d->req, timeout);
}

void
drive_end(struct driven *d)
{
    d->m->destroy(d->srv);
    free(d->req.msg.buf);
    free(d->srv);
}

void
joins_and_is_silent(struct actor *self, void *driven)
{
    const struct driven *d = driven;
    struct client c;

    MUST(client_open(&c, d->m, d->where) == 0);
    actor_step(self);
    client_close(&c);
}
