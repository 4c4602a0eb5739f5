/* endpoint.c - one endpoint: named, made, served, closed. */
#define _GNU_SOURCE /* kill, nanosleep */
#include "server/ipcd.h"

#include "core/activation.h"
#include "core/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
ipcd_complain(const char *who, const char *what, int err)
{
    fprintf(stderr, "ipcd: %s: %s: %s\n", who, what, ipc_strerror(err));
}

/* -- its state ------------------------------------------------------------ */

int
endpoint_create(struct endpoint *e, atomic_int *stop)
{
    int err;

    e->srv = calloc(1, e->m->server_size);
    if (e->srv == NULL)
        return -ENOMEM;
    err = e->m->create(e->srv, e->name);
    if (err != 0)
        goto free_state;
    err = service_init(&e->service, e->m, e->srv, stop);
    if (err != 0)
        goto destroy;
    return 0;

destroy:
    e->m->destroy(e->srv);
free_state:
    free(e->srv);
    return err;
}

void
endpoint_destroy(struct endpoint *e)
{
    service_free(&e->service);
    e->m->destroy(e->srv);
    free(e->srv);
}

/* -- its name ------------------------------------------------------------- */

static int
check_mechanism(const struct ipc_mechanism *m)
{
    const char *why = ipc_unavailable(m);

    if (m->caps & IPC_SPAWNED) {
        fprintf(stderr,
                "ipcd: %s is started by its client, no daemon is "
                "needed: try `ipcctl -m %s whoami`\n",
                m->name, m->name);
        return -EINVAL;
    }
    if (why != NULL) {
        fprintf(stderr, "ipcd: %s cannot run here: %s\n", m->name, why);
        return -ENOTSUP;
    }
    return 0;
}

/* Has systemd made it, and not given it to us?  To replace it would take away
 * what it listens at. */
static bool
is_somebody_elses(const char *name)
{
    char flat[ENDPOINT_SIZE];

    return endpoint_activated(name) && !activation_owns(name) &&
           (endpoint_flat(name, flat) != 0 || !activation_owns(flat));
}

/* Its supervisor is dead, and so it will be in a moment. */
static int
lock_after(const char *name, pid_t *holder)
{
    const struct timespec soon = ns_to_timespec(5 * NS_PER_MS);
    const int64_t deadline = deadline_in(NS_PER_SEC);
    int lock;

    while ((lock = endpoint_lock(name, holder)) == -EEXIST &&
           time_left(deadline) > 0 && *holder > 0 && kill(*holder, 0) == -1 &&
           errno == ESRCH)
        nanosleep(&soon, NULL);
    return lock;
}

int
endpoint_take_name(struct endpoint *e, const struct ipcd *d)
{
    pid_t holder = -1;
    int err = check_mechanism(e->m);

    if (err != 0)
        return err;
    err = endpoint_name(e->m, d->dir, e->name);
    if (err != 0) {
        ipcd_complain(d->dir, "the path is too long for a socket", err);
        return err;
    }
    if (is_somebody_elses(e->name)) {
        fprintf(stderr,
                "ipcd: %s: is systemd's; stop its .socket unit or use another "
                "--run-dir\n",
                e->name);
        return -EEXIST;
    }
    e->lock = lock_after(e->name, &holder);
    if (e->lock == -EEXIST) {
        fprintf(stderr,
                "ipcd: %s: another ipcd serves it here (pid %jd); stop that "
                "one or use another --run-dir\n",
                e->name, (intmax_t)holder);
        return -EEXIST;
    }
    if (e->lock < 0) {
        ipcd_complain(e->name, "cannot lock", e->lock);
        return e->lock;
    }
    if (d->has_user)
        err = endpoint_becomes(e->name, d->user.uid);
    if (err != 0) {
        ipcd_complain(e->name, "cannot say who serves it", err);
        endpoint_unlock(e->name, e->lock);
    }
    return err;
}
