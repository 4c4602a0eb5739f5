/* measure.c - one cell, measured once. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/measure.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* -- round trips ----------------------------------------------------------- */

struct trip {
    struct client *client;
    const struct api_method *method;
    struct api_value arg;
};

static int
one_trip(void *arg)
{
    struct trip *t = arg;
    struct reply r;
    int err = client_call(t->client, t->method, &t->arg, &r, -1);

    if (err != 0)
        return err;
    if (r.status != WIRE_OK || r.results[0].len != t->arg.len)
        return -EPROTO;
    return 0;
}

static int
rtt(struct bench *b, struct cell *c, struct row *r, struct pair *s)
{
    struct trip t = {
        .client = &s->client,
        .method = API_METHOD(echo),
        .arg = {.at = (const char *)b->data, .len = c->size},
    };
    int err = pair_verify(s, b->data, c->size, 1);

    if (err == 0)
        err = measure_loop(b, c, r, s->server, one_trip, &t);
    if (err == 0)
        err = pair_verify(s, b->data, c->size, 2);
    return err;
}

/* -- one way --------------------------------------------------------------- */

static int
one_notice(void *arg)
{
    struct trip *t = arg;

    return client_send(t->client, t->method, &t->arg, NULL, -1);
}

static int
one_acknowledged(void *arg)
{
    struct trip *t = arg;
    struct reply r;
    int err = client_call(t->client, t->method, &t->arg, &r, -1);

    return err == 0 && r.status != WIRE_OK ? -EPROTO : err;
}

/* A mechanism that holds one message at a time gets an empty reply to each;
 * the others are sent to as fast as they take it.  IPC_CALLED: client_send()
 * would leave the message lying, client_call() gives the server its turn. */
static bool
one_by_one(const struct ipc_mechanism *m)
{
    return !(m->caps & IPC_PIPELINED);
}

/* Messages of less than this, ns, are sent in batches between two looks at the
 * clock. */
#define SLOW_NS 10000
#define BATCH   16

/* Messages until the time is up, then the barrier: the time ends when the
 * server says that it has had them all. */
static int
timed_stream(struct bench *b, struct trip *t, struct pair *s, struct row *r,
             long batch)
{
    int (*op)(void *) = one_by_one(s->host.m) ? one_acknowledged : one_notice;
    uint64_t before, after = 0;
    int err = pair_notices(s, &before);
    int64_t from = now_ns(), to = from, until = from + b->cell_ns;

    for (r->n = 0; err == 0 && to < until; to = now_ns()) {
        for (long i = 0; err == 0 && i < batch; i++)
            err = *b->stop ? -EINTR : op(t);
        r->n += batch;
    }
    if (err == 0 && op == one_notice)
        err = pair_notices(s, &after);
    if (err != 0)
        return err;
    r->seconds = (double)(now_ns() - from) / 1e9;
    if (op == one_acknowledged)
        return 0;
    if ((long)(after - before) != r->n && !(s->host.m->caps & IPC_LOSSY))
        return -EBADMSG;
    r->n = (long)(after - before); /* what arrived is what counts */
    return 0;
}

static int
stream(struct bench *b, struct cell *c, struct row *r, struct pair *s)
{
    struct trip t = {
        .client = &s->client,
        .method = API_METHOD(sink),
        .arg = {.at = (const char *)b->data, .len = c->size},
    };
    struct api_method asked = *t.method;
    struct cost from[2], to[2];
    int64_t fastest;
    int err = pair_verify(s, b->data, c->size, 1);

    if (one_by_one(c->m)) {
        asked.kind = WIRE_REQUEST; /* the same method, but answered */
        t.method = &asked;
    }
    r->mode = one_by_one(c->m) ? ROW_ONE_BY_ONE : ROW_PIPELINED;
    if (err == 0)
        err = measure_warm_up(
            b, one_by_one(c->m) ? one_acknowledged : one_notice, &t, &fastest);
    cost_read(s->server, &from[0], &from[1]);
    if (err == 0)
        err = timed_stream(b, &t, s, r, fastest < SLOW_NS ? BATCH : 1);
    cost_read(s->server, &to[0], &to[1]);
    if (err == 0)
        err = pair_verify(s, b->data, c->size, 2);
    if (err != 0)
        return err;
    r->mean_ns = r->seconds * 1e9 / (double)r->n;
    r->per_second = (double)r->n / r->seconds;
    r->bytes_per_second = r->per_second * (double)c->size;
    measure_cost(r, from, to);
    return 0;
}

/* -- cells ----------------------------------------------------------------- */

int
with_pair(struct bench *b, struct cell *c, struct row *r,
          int (*inner)(struct bench *, struct cell *, struct row *,
                       struct pair *))
{
    struct pair_options o = {
        .dir = b->dir,
        .server_cpu = c->placement->server,
        .quiet = true,
        .stop = b->stop,
    };
    struct pair s;
    int err = pair_open(&s, c->m, &o, r->reason, sizeof r->reason);
    int closed;

    if (err != 0)
        return err;
    b->page->server = s.server > 0 ? s.server : 0;
    err = inner(b, c, r, &s);
    closed = pair_close(&s, r->reason, sizeof r->reason);
    return err != 0 ? err : closed;
}

int
measure_rtt(struct bench *b, struct cell *c, struct row *r)
{
    return with_pair(b, c, r, rtt);
}

int
measure_stream(struct bench *b, struct cell *c, struct row *r)
{
    return with_pair(b, c, r, stream);
}

/* -- before the rounds ----------------------------------------------------- */

static int
check(struct bench *b, struct pair *s)
{
    const struct ipc_mechanism *m = s->host.m;
    struct api_value arg = {.at = (const char *)b->data, .len = 64};
    size_t largest = pair_largest(m);
    uint64_t before, after;
    int err;

    if (m->caps & IPC_ONEWAY)
        return client_send(&s->client, API_METHOD(sink), &arg, NULL,
                           PAIR_TIMEOUT);
    err = pair_verify(s, b->data, 1, 1);
    if (err == 0)
        err = pair_verify(s, b->data, largest, 2);
    if (err == 0)
        err = pair_notices(s, &before);
    if (err != 0 || !(m->caps & IPC_PIPELINED))
        return err;
    err = client_send(&s->client, API_METHOD(sink), &arg, NULL, PAIR_TIMEOUT);
    if (err == 0)
        err = pair_notices(s, &after);
    if (err == 0 && after != before + 1 && !(m->caps & IPC_LOSSY))
        err = -EBADMSG;
    return err;
}

int
measure_check(struct bench *b, const struct ipc_mechanism *m, int64_t *ns,
              char *reason, size_t size)
{
    struct pair_options o = {
        .dir = b->dir, .server_cpu = -1, .quiet = true, .stop = b->stop};
    int64_t start = now_ns();
    struct pair s;
    int closed, err = pair_open(&s, m, &o, reason, size);

    if (err == -ECHILD) { /* again, to let it say why */
        o.quiet = false;
        err = pair_open(&s, m, &o, reason, size);
    }
    if (err != 0)
        return err;
    *ns = now_ns() - start;
    err = check(b, &s); /* may take long, and is done once only */
    start = now_ns();
    closed = pair_close(&s, reason, size);
    if (err == 0)
        err = closed;
    *ns += now_ns() - start;
    cell_explain(err, reason, size);
    return err;
}
