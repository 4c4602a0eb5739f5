/*
 * driven.h - a server in this process, driven step by step: one next() after
 * the other, so that there is no race with it.  No assertions: see requests.h.
 */
#ifndef DRIVEN_H
#define DRIVEN_H

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

#endif
