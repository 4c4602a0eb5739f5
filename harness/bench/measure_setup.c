/*
 * measure_setup.c - what joining costs: open() and the first reply, again and
 * again, to one server.  For a variant that spawns its server that includes the
 * fork and the exec.
 */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/measure.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WARM_UP 2

/* One client's life; *ns is what its first reply took. */
static int
join(struct bench *b, struct cell *c, struct host *h, int64_t *ns)
{
    struct api_value arg = {.at = (const char *)b->data, .len = c->size};
    int64_t from = now_ns();
    struct client client;
    struct reply r;
    int err = host_client(h, &client);

    if (err != 0)
        return err;
    client.stop = b->stop;
    err = client_call(&client, API_METHOD(echo), &arg, &r, PAIR_TIMEOUT);
    *ns = now_ns() - from;
    if (err == 0 && (r.status != WIRE_OK || r.results[0].len != c->size ||
                     memcmp(r.results[0].at, b->data, c->size) != 0))
        err = -EBADMSG;
    client_close(&client);
    return err;
}

static int
joins(struct bench *b, struct cell *c, struct row *r, struct host *h)
{
    struct histogram *hist = &b->page->histogram;
    int64_t until = 0, ns = 0; /* gcc -fsanitize=thread does not see: set */
    int err = 0;

    histogram_clear(hist);
    for (int i = 0; err == 0 && (i <= WARM_UP || now_ns() < until); i++) {
        err = *b->stop ? -EINTR : join(b, c, h, &ns);
        if (i == WARM_UP - 1)
            until = now_ns() + b->cell_ns;
        else if (err == 0 && i >= WARM_UP)
            histogram_add(hist, (uint64_t)ns);
    }
    if (err == 0)
        measure_times(r, hist, 1);
    return err;
}

int
measure_setup(struct bench *b, struct cell *c, struct row *r)
{
    struct host_options how = {.cpu = c->placement->server, .quiet = true};
    struct host h;
    int err = host_start(&h, c->m, b->dir, &how);

    if (err != 0)
        return err;
    b->page->server = h.pid > 0 ? h.pid : 0;
    err = joins(b, c, r, &h);
    host_stop(&h);
    return err;
}
