/* methods.c - the plain methods, and the table of them all. */
#define _GNU_SOURCE /* kill */
#include "server/methods.h"

#include "core/clock.h"
#include "core/quota.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define SLEEP_MAX 1000 /* ms */

uint32_t
do_hello(struct call *c)
{
    int n = snprintf((char *)c->scratch, c->room, "Hello %.*s",
                     (int)c->args[0].len, c->args[0].at);

    if (n < 0 || (size_t)n >= c->room)
        return call_fail(c, WIRE_TOO_LARGE, EMSGSIZE, "the name is too long");
    c->results[0].at = (char *)c->scratch;
    c->results[0].len = (size_t)n;
    return WIRE_OK;
}

/* The conversions keep "not known": (uid_t)-1 becomes -1, not 4294967295. */
uint32_t
do_whoami(struct call *c)
{
    const struct ipc_peer *p = &c->peer;

    c->results[0] = method_text(c->service->m->name);
    c->results[1].i64 = p->pid;
    c->results[2].i64 = p->uid == (uid_t)-1 ? -1 : (int64_t)p->uid;
    c->results[3].i64 = p->gid == (gid_t)-1 ? -1 : (int64_t)p->gid;
    c->results[4] = method_text(ipc_evidence_name(p->evidence));
    c->results[5] = method_text(c->service->m->proof);
    c->results[6] = method_text(p->address != NULL ? p->address : "");
    c->results[7] = method_text(c->rule);
    return WIRE_OK;
}

uint32_t
do_echo(struct call *c)
{
    c->results[0] = c->args[0];
    return WIRE_OK;
}

uint32_t
do_sink(struct call *c)
{
    (void)c;
    return WIRE_OK;
}

uint32_t
do_source(struct call *c)
{
    size_t count = c->args[0].u32;

    if (count > c->room)
        return call_fail(c, WIRE_TOO_LARGE, EMSGSIZE, "at most %zu bytes here",
                         c->room);
    for (size_t i = 0; i < count; i++)
        c->scratch[i] = (uint8_t)i;
    c->results[0].at = (char *)c->scratch;
    c->results[0].len = count;
    return WIRE_OK;
}

uint32_t
do_describe(struct call *c)
{
    static _Thread_local char signature[256], needs[80];
    uint32_t index = c->args[0].u32;

    if (index >= api_method_count)
        return call_fail(c, WIRE_BAD_ARGS, 0, "index must be less than %zu",
                         api_method_count);
    api_signature(&api_methods[index], signature, sizeof signature);
    c->results[0].u32 = (uint32_t)api_method_count;
    c->results[1].u32 = api_methods[index].number;
    c->results[2] = method_text(signature);
    api_needs(&api_methods[index], needs, sizeof needs);
    c->results[3] = method_text(api_methods[index].doc);
    c->results[4] = method_text(needs);
    return WIRE_OK;
}

uint32_t
do_stats(struct call *c)
{
    c->results[0].u64 = c->service->requests;
    c->results[1].u64 = c->service->notices;
    c->results[2].u64 = c->service->refused;
    c->results[3].u64 = c->service->malformed;
    c->results[4].u64 = c->service->under_way;
    return WIRE_OK;
}

/* Of all counted things one a call, as describe does it. */
uint32_t
do_quota(struct call *c)
{
    const uint32_t index = c->args[0].u32;
    const enum quota_kind kind = (enum quota_kind)index;
    const struct quota_kind_limits *k;
    int64_t now = now_ns();

    if (index >= QUOTA_KINDS)
        return call_fail(c, WIRE_BAD_ARGS, 0, "index must be less than %d",
                         QUOTA_KINDS);
    k = &quota_kinds[index];
    c->results[0].u32 = QUOTA_KINDS;
    c->results[1] = method_text(k->name);
    c->results[2] = method_text(k->unit);
    c->results[3].u64 = quota_used(c->peer.uid, kind, now);
    c->results[4].u64 = k->per_user;
    c->results[5].u64 = quota_used_in_all(kind, now);
    c->results[6].u64 = k->in_all;
    c->results[7].u64 = k->per_second;
    return WIRE_OK;
}

/* How much others do is not everybody's business. */
static uid_t
whose_usage(const struct ipc_peer *p)
{
    return p->evidence >= IPC_OWNER && quota_is_privileged(p->uid)
               ? QUOTA_EVERYBODY
               : p->uid;
}

uint32_t
do_usage(struct call *c)
{
    const uid_t whose = whose_usage(&c->peer);
    const uint32_t index = c->args[0].u32;
    struct quota_line line = {.uid = (uid_t)-1};
    size_t count = quota_line(whose, index, &line, now_ns());

    c->results[0].u32 = (uint32_t)count;
    c->results[1].i64 = line.uid == (uid_t)-1 ? -1 : (int64_t)line.uid;
    c->results[2] =
        method_text(index < count ? quota_kinds[line.kind].name : "");
    c->results[3].u64 = line.used;
    c->results[4].u64 = line.quota;
    return WIRE_OK;
}

uint32_t
do_limits(struct call *c)
{
    const struct ipc_limits *l = &c->service->limits;

    c->results[0].u64 = l->max_msg;
    c->results[1].u32 =
        c->service->m->caps & IPC_PIPELINED ? l->max_inflight : 1;
    c->results[2].u32 = l->max_clients;
    c->results[3].u64 = quota_kinds[QUOTA_SLOW].per_user;
    c->results[4].u64 = quota_kinds[QUOTA_DESCRIPTORS].per_user;
    return WIRE_OK;
}

static uint32_t
wake_up(struct call *c)
{
    (void)c; /* it is the time that it was called for */
    return WIRE_OK;
}

uint32_t
do_sleep(struct call *c)
{
    if (c->args[0].u32 > SLEEP_MAX)
        return call_fail(c, WIRE_BAD_ARGS, 0, "ms must be at most %d",
                         SLEEP_MAX);
    c->due = now_ns() + c->args[0].u32 * NS_PER_MS;
    c->resume = wake_up;
    return CALL_LATER;
}

/* A daemon's other endpoints are told by the signal that would tell them
 * anyway. */
uint32_t
do_shutdown(struct call *c)
{
    *c->service->stop = 1; /* service_run() looks after each request */
    return WIRE_OK;
}

method_function
method_find(uint16_t number)
{
    switch (number) {
#define METHOD(num, name, kind, evidence, marks, args, results, doc) \
    case num: \
        return do_##name;
#include "core/api.def"
#undef METHOD
    default:
        return NULL;
    }
}
