/* slow.c - requests under way. */
#define _GNU_SOURCE /* F_SETOWN_EX, gettid */
#include "server/slow.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define WAKE SIGUSR1

/* Is somebody else there who would have to wait? */
static bool
has_others(const struct service *s)
{
    return (s->m->caps & (IPC_SPAWNED | IPC_INPROCESS | IPC_CALLED)) == 0;
}

/* -- the signal ----------------------------------------------------------- */

static _Thread_local volatile sig_atomic_t woken, wakes;

static void
wake(int signal_number)
{
    (void)signal_number;
    woken = 1; /* and interrupts */
}

int
slow_begin(const struct service *s)
{
    struct sigaction sa = {.sa_handler = wake}; /* without SA_RESTART */
    sigset_t set;

    if (!has_others(s))
        return 0;
    sigemptyset(&set);
    sigaddset(&set, WAKE);
    if (sigaction(WAKE, &sa, NULL) == -1)
        return -errno;
    wakes = 1;
    /* Whoever started us may have blocked it. */
    return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Has the kernel send this thread the signal when the worker has answered. */
static void
watch(const struct call *c)
{
    const struct f_owner_ex us = {.type = F_OWNER_TID, .pid = gettid()};
    int flags;

    if (c->broker.fd == 0 || !wakes)
        return;
    flags = fcntl(c->broker.fd, F_GETFL);
    if (fcntl(c->broker.fd, F_SETOWN_EX, &us) == 0 &&
        fcntl(c->broker.fd, F_SETSIG, WAKE) == 0)
        fcntl(c->broker.fd, F_SETFL, flags | O_ASYNC);
    woken = 1; /* it may have answered before */
}

/* -- coming --------------------------------------------------------------- */

uint32_t
slow_admit(struct call *c)
{
    const struct quota_kind_limits *most = &quota_kinds[QUOTA_SLOW];
    int err = -EAGAIN;

    if (c->kind == WIRE_NOTICE)
        return call_fail(c, WIRE_BAD_ARGS, 0,
                         "%s does nothing but answer: ask by a request",
                         c->method->name);
    if (c->service->slow_used < SLOW_SLOTS)
        err = quota_take(c->peer.uid, QUOTA_SLOW, 1, now_ns());
    c->admitted = err == 0;
    if (err == 0)
        return WIRE_OK;
    return call_fail(c, WIRE_BUSY, EAGAIN,
                     "%s: at most %ju such requests of one user, and %ju of "
                     "all, are under way at a time",
                     c->method->name, (uintmax_t)most->per_user,
                     (uintmax_t)most->in_all);
}

void
slow_release(struct call *c)
{
    if (c->admitted)
        quota_give(c->peer.uid, QUOTA_SLOW, 1);
    c->admitted = false;
}

/* Has this one to wait no longer? */
static bool
is_due(const struct call *c, int64_t now)
{
    return now >= c->due ||
           (c->broker.fd != 0 && wait_for(c->broker.fd, POLLIN, 0) == 0);
}

/* Nobody else is there: waits here. */
static void
wait_for_it(struct call *c, const struct ipc_request *req)
{
    struct pollfd answer = {.fd = c->broker.fd, .events = POLLIN};
    uint32_t status = CALL_LATER;

    while (status == CALL_LATER) {
        answer.fd = c->broker.fd;
        poll_until(&answer, answer.fd != 0, c->due);
        if (*c->service->stop)
            status = call_fail(c, WIRE_OS_ERROR, ECANCELED,
                               "the server is stopping");
        else if (is_due(c, now_ns()))
            status = c->resume(c);
    }
    call_end(c, req, status);
}

void
slow_keep(const struct call *c, uint64_t reply_to, const uint8_t *payload,
          size_t len)
{
    const struct ipc_request req = {.reply_to = reply_to};
    struct service *s = c->service;
    struct slow *w = s->slow;

    while (w->used) /* slow_admit() has seen that there is one */
        w++;
    *w = (struct slow){.used = true, .reply_to = reply_to, .call = *c};
    memcpy(w->payload, payload, len < SLOW_BYTES ? len : SLOW_BYTES);
    api_decode(c->method->args, w->payload, len, -1, w->call.args);
    w->call.record.args = w->call.args;
    w->call.record.peer = &w->call.peer;
    w->call.peer.address = NULL; /* was the mechanism's */
    s->slow_used++;
    s->under_way++;
    if (DEFENCE("slow", has_others(s), false)) {
        watch(&w->call);
        s->look = now_ns(); /* reckons anew */
        return;
    }
    wait_for_it(&w->call, &req);
    w->used = false;
    s->slow_used--;
    s->under_way--;
}

bool
slow_has(const struct service *s, uint64_t reply_to,
         const struct wire_header *h)
{
    for (const struct slow *w = s->slow; w < s->slow + SLOW_SLOTS; w++)
        if (w->used && w->reply_to == reply_to && w->call.id == h->id &&
            w->call.method->number == h->method && h->kind == WIRE_REQUEST)
            return true;
    return false;
}

/* -- going ---------------------------------------------------------------- */

static void
end(struct slow *w, uint32_t status)
{
    const struct ipc_request req = {.reply_to = w->reply_to};
    struct service *s = w->call.service;

    s->under_way--;
    s->slow_used--;
    call_end(&w->call, &req, status);
    w->used = false;
}

void
slow_look(struct service *s)
{
    int64_t now = now_ns();

    if (!woken && now < s->look)
        return;
    woken = 0;
    s->look = NO_DEADLINE;
    for (struct slow *w = s->slow; w < s->slow + SLOW_SLOTS; w++) {
        struct call *c = &w->call;
        uint32_t status = CALL_LATER;
        int64_t next;

        if (!w->used)
            continue;
        if (is_due(c, now)) {
            status = c->resume(c);
            if (status == CALL_LATER)
                watch(c);
        }
        if (status != CALL_LATER) {
            end(w, status);
            continue;
        }
        next = c->broker.fd != 0 && now + SLOW_LOOK < c->due ? now + SLOW_LOOK
                                                             : c->due;
        if (next < s->look)
            s->look = next;
    }
}

int64_t
slow_wait(const struct service *s, int64_t timeout_ns)
{
    int64_t left = time_left(s->look);

    return left < 0 || (timeout_ns >= 0 && timeout_ns < left) ? timeout_ns
                                                              : left;
}

void
slow_stop(struct service *s)
{
    for (struct slow *w = s->slow; w < s->slow + SLOW_SLOTS; w++)
        if (w->used)
            end(w, call_fail(&w->call, WIRE_OS_ERROR, ECANCELED,
                             "the server is stopping"));
}

void
slow_abandon(struct service *s)
{
    for (struct slow *w = s->slow; w < s->slow + SLOW_SLOTS; w++)
        if (w->used) {
            w->call.kind = WIRE_NOTICE;
            end(w, WIRE_OS_ERROR);
        }
}
