/* methods.c - the plain methods, the counters, and the table of them all. */
#define _GNU_SOURCE /* clock_nanosleep's flags come with it */
#include "server/methods.h"

#include "core/clock.h"
#include "core/defence.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
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
    return WIRE_OK;
}

uint32_t
do_sleep(struct call *c)
{
    struct timespec until;

    if (c->args[0].u32 > SLEEP_MAX)
        return call_fail(c, WIRE_BAD_ARGS, 0, "ms must be at most %d",
                         SLEEP_MAX);
    until = ns_to_timespec(now_ns() + c->args[0].u32 * NS_PER_MS);
    while (!*c->service->stop && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
                                                 &until, NULL) == EINTR)
        continue;
    return WIRE_OK;
}

/* -- counters --------------------------------------------------------------
 *
 * A client that got no answer asks again, under the same id, and must not be
 * counted twice.  So the value that an id led to is remembered, for the last
 * RECENT of them; (uid, id) names a request, and nobody has another's uid. */

#define COUNTERS 256
#define RECENT   1024
#define KEY_MAX  64 /* bytes */

struct counter {
    uid_t uid;
    size_t len;
    char key[KEY_MAX];
    int64_t value;
};

struct done {
    bool used;
    uid_t uid;
    uint64_t id;
    int64_t value;
};

static pthread_mutex_t counters_lock = PTHREAD_MUTEX_INITIALIZER;
static struct counter counters[COUNTERS];
static struct done recent[RECENT];
static size_t counter_count, next_done;

static struct counter *
find_counter(uid_t uid, const struct api_value *key)
{
    struct counter *k;

    for (k = counters; k < counters + counter_count; k++)
        if (k->uid == uid && k->len == key->len &&
            memcmp(k->key, key->at, key->len) == 0)
            return k;
    if (counter_count == COUNTERS)
        return NULL;
    counter_count++;
    *k = (struct counter){.uid = uid, .len = key->len};
    memcpy(k->key, key->at, key->len);
    return k;
}

static uint32_t
add_once(struct call *c)
{
    struct counter *k;
    int64_t value;

    for (size_t i = 0; i < RECENT; i++)
        if (DEFENCE("once",
                    recent[i].used && recent[i].uid == c->peer.uid &&
                        recent[i].id == c->id,
                    false)) {
            c->results[0].i64 = recent[i].value;
            return WIRE_OK;
        }
    k = find_counter(c->peer.uid, &c->args[0]);
    if (k == NULL)
        return call_fail(c, WIRE_OS_ERROR, ENOSPC, "there are %d counters",
                         COUNTERS);
    if (__builtin_add_overflow(k->value, c->args[1].i64, &value))
        return call_fail(c, WIRE_OS_ERROR, EOVERFLOW, "the counter is full");
    k->value = value;
    c->results[0].i64 = value;
    recent[next_done] = (struct done){
        .used = true, .uid = c->peer.uid, .id = c->id, .value = k->value};
    next_done = (next_done + 1) % RECENT;
    return WIRE_OK;
}

uint32_t
do_counter_add(struct call *c)
{
    uint32_t status;

    if (c->args[0].len == 0 || c->args[0].len > KEY_MAX)
        return call_fail(c, WIRE_BAD_ARGS, 0, "key: 1 to %d bytes", KEY_MAX);
    pthread_mutex_lock(&counters_lock);
    status = add_once(c);
    pthread_mutex_unlock(&counters_lock);
    return status;
}

/* A daemon's other endpoints are told by the signal that would tell them
 * anyway. */
uint32_t
do_shutdown(struct call *c)
{
    *c->service->stop = 1;
    if (!(c->service->m->caps & IPC_INPROCESS))
        kill(getpid(), SIGTERM);
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
