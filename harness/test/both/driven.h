/*
 * driven.h - a server in this process, driven step by step: one next() after
 * the other, so that there is no race with it.  No ck_assert(): see must.h.
 */
#ifndef DRIVEN_H
#define DRIVEN_H

#include "test/both/actor.h"

#include "core/ipc.h"
#include "core/rundir.h"

struct driven {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    void *srv;
    struct ipc_request req;
};

/* In this run directory.  0 or -errno. */
int drive_begin(struct driven *d, const char *mechanism, const char *dir);

/* Takes the next request, into d->req; as the mechanism's next(). */
int drive(struct driven *d, int64_t timeout);
void drive_end(struct driven *d);

/* An actor: a client of this server, a struct driven, which joins it and, from
 * its first step on, asks for nothing. */
void joins_and_is_silent(struct actor *self, void *driven);

#endif
