/*
 * futex.c - rings in POSIX shared memory; who waits spins a little, then sleeps
 * in the kernel.
 *
 *      client                                    server
 *      put the request            1              "I sleep": doorbell odd  a
 *      is the doorbell odd?           2              is there really nothing? b
 *      yes: FUTEX_WAKE            3              FUTEX_WAIT               c
 *
 * The one idea: shared memory needs no system call, but waiting for it does.
 * So the one who waits says so in shared memory first, and the other one makes
 * the call only for somebody who sleeps.
 *
 * That is a race which must not be lost: (1, 2) and (a, b) are each a store and
 * then a load of what the other stored, and if both loads came before both
 * stores (as processors like to do), the request would lie there and everybody
 * would sleep.  Four seq_cst operations cannot do that (Dekker's algorithm
 * rests on the same): either 2 sees the odd doorbell, or b sees the request.
 *
 * A sleep and a wake cost some microseconds, or fifty if the processor went to
 * sleep too.  Spinning that long first is worth while only if the other side
 * can get something done meanwhile, that is, if it runs on another processor:
 * so each one says where it runs.
 */
#define _GNU_SOURCE /* syscall */
#include "core/futex.h"
#include "core/clock.h"
#include "core/cpu_relax.h"
#include "core/defence.h"
#include "core/rings.h"

#include <errno.h>
#include <linux/time_types.h>
#include <sched.h>

/* How long to spin, ns: about what falling asleep and being woken costs on two
 * CPUs of a virtual machine.  Who spins that long never pays more than twice
 * the better of the two (Karlin et al., 1990). */
#define SPIN INT64_C(50000)

/* How often to ring for a server that does not hear.  On a processor of its own
 * falling asleep takes it less time than that; on ours it cannot, as long as we
 * run.  However long it takes, nothing is lost: rings_sleep(). */
#define RINGS 10

/* The server looks by itself after so long, ns; then ever_more_rarely(). */
#define LOOK NS_PER_SEC

/* -- waiting: server ------------------------------------------------------ */

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What each client would change if it had something for us: the word where its
 * next message will begin; or, while it joins, the one that says it
 * answered. */
static unsigned
collect_words(struct rings_server *s, uint32_t doorbell,
              struct futex_waitv *all)
{
    unsigned n = 0;

    all[n++] =
        (struct futex_waitv){.uaddr = (uintptr_t)&s->server_page->doorbell,
                             .val = doorbell,
                             .flags = FUTEX_32};
    for (unsigned i = 0; i < s->sessions.top; i++) {
        struct rings_segment *p = rings_segment(s, i);
        const _Atomic uint32_t *word;

        if (p == NULL)
            continue;
        word = sessions_is_in(&s->sessions, i)
                   ? ring_word(s->in[i].ring, s->in[i].at)
                   : &p->head.answered;
        all[n++] =
            (struct futex_waitv){.uaddr = (uintptr_t)word, .flags = FUTEX_32};
    }
    return n;
}

/* Until any of these words is no longer what it was: the kernel compares them
 * all, and goes to sleep, in one step (futex2, Linux 5.16). */
static int
wait_for_any(struct rings_server *s, uint32_t doorbell, int64_t deadline)
{
    struct futex_waitv all[IPC_MAX_CLIENTS + 1];
    struct __kernel_timespec t = {.tv_sec = deadline / NS_PER_SEC,
                                  .tv_nsec = deadline % NS_PER_SEC};
    unsigned n = collect_words(s, doorbell, all);

    if (syscall(SYS_futex_waitv, all, n, 0, deadline == NO_DEADLINE ? NULL : &t,
                CLOCK_MONOTONIC) != -1)
        return 0;
    return errno == EFAULT ? -EAGAIN : -errno; /* its memory is gone: look */
}

/*
 * A client that rings for us when we have said that we will sleep, and do not
 * yet, wakes nobody; if it is not going to ring again (it wants no reply), and
 * we had been stopped just there, we would sleep on its message for ever.  It
 * cannot change the doorbell, which is ours.  So who wakes us is one thing, and
 * that we do not fall asleep over a message another: for that, after a short
 * sleep on the doorbell alone, which is cheap, the kernel itself looks at all
 * the rings.
 */
static int
sleep_on_all(struct rings_server *s, uint32_t doorbell, int64_t deadline)
{
    int64_t look = now_ns() + LOOK;
    int err = wait_for_any(s, doorbell, deadline);

    if (err != -ENOSYS && err != -EPERM)
        return err;
    /* An older kernel, or a filter that does not know it: we look ourselves. */
    return futex_wait(&s->server_page->doorbell, doorbell,
                      earlier(deadline, look));
}

/* Long: a newcomer, who has no word yet that we could sleep on, interrupts it
 * (alarm_listen()).  Where there is no timer for that, we look ourselves. */
static int
sleep_long(struct rings_server *s, uint32_t doorbell, int64_t deadline)
{
    int64_t now = now_ns(), until;
    int err;

    s->look = s->look == 0 ? LOOK : ever_more_rarely(s->look);
    until = earlier(deadline, now + s->look);
    /* Later than the futex's own time limit: it is only there to listen. */
    err = alarm_arm(&s->alarm, until + RINGS_SLICE);
    if (err != 0 && err != -EINTR)
        until = earlier(deadline, now + LOOK);
    if (err != -EINTR)
        err = sleep_on_all(s, doorbell, until);
    alarm_rest(&s->alarm);
    return err == -EINTR && alarm_rang(&s->alarm) ? -EAGAIN : err;
}

int
rings_sleep(struct rings_server *s, uint32_t doorbell, int64_t deadline)
{
    int64_t soon = now_ns() + RINGS_SLICE;
    int err = futex_wait(&s->server_page->doorbell, doorbell,
                         earlier(deadline, soon));

    if (err != -ETIMEDOUT || deadline <= soon)
        return err;
    return DEFENCE("ownword", sleep_long(s, doorbell, deadline),
                   sleep_on_all(s, doorbell, deadline));
}

static int
futex_server(struct rings_server *s, int64_t deadline)
{
    struct rings_page *page = s->server_page;
    int64_t now = now_ns(), until = earlier(deadline, now + SPIN);
    uint32_t doorbell =
        atomic_load_explicit(&page->doorbell, memory_order_relaxed);
    int err = -EAGAIN;

    if (alarm_rang(&s->alarm))
        return err;
    if (rings_clients_elsewhere(s))
        while (now < until) {
            for (int i = 0; i < 32; i++) {
                if (rings_server_ready(s))
                    return 0;
                cpu_relax();
            }
            now = now_ns();
        }
    /* Clients ring for whatever may happen, so there is nothing to wake up for
     * by oneself, but a newcomer that never answers. */
    until = earlier(deadline, sessions_next_wakeup(&s->sessions));
    /* Pairs with the load in wake_server(). */
    atomic_store(&page->doorbell, doorbell + 1);
    if (rings_server_ready(s))
        err = 0;
    else if (until > now)
        err = rings_sleep(s, doorbell + 1, until);
    atomic_store(&page->doorbell, doorbell + 2);
    if (rings_server_ready(s))
        return 0;
    if (err == -EINTR)
        return err;
    return time_left(deadline) == 0 ? -ETIMEDOUT : -EAGAIN;
}

/*
 * STRANGERS.  The doorbell is in memory that all may map, to read; and that is
 * enough for FUTEX_WAKE, and so for waiting there oneself, and for
 * FUTEX_REQUEUE: anybody may move our sleeping server to another word, where
 * nobody wakes it.  So who gets no answer wakes it by a word that is its own,
 * which nobody else can map: after a short while the server sleeps on all of
 * these, too (wait_for_any()).  A newcomer has no such word yet: it interrupts
 * the server by registering (sleep_long()).
 */
static void
wake_server(struct rings_client *c, bool no_reply)
{
    const struct rings_page *page = c->server_page;
    const int most = no_reply || rings_server_elsewhere(c) ? RINGS : 1;
    /* Pairs with the store in futex_server(), after the request's. */
    uint32_t doorbell = atomic_load(&page->doorbell);

    if (doorbell % 2 == 0 || doorbell == c->rung)
        return;
    /* It has not heard the doorbell, or will not be rung for again:
     * STRANGERS. */
    if (DEFENCE("ownword", c->said != NULL && (c->rung == 0 || no_reply),
                false))
        futex_wake(c->said);
    for (int i = 0; i < most && atomic_load(&page->doorbell) == doorbell; i++) {
        if (futex_wake(&page->doorbell) > 0) {
            c->rung = doorbell;
            return;
        }
        /* 0 woken: another client has woken it already, and it has not run
         * since; or it has said that it will sleep, but does not yet.  One
         * cannot tell, and only in the first case will it look again.  With
         * several clients on one processor the first is what happens most, and
         * sched_yield(2) there counts as if we had used up our slice: the
         * others are served for milliseconds, we are not. */
        if (no_reply)
            sched_yield();
    }
}

/* -- waiting: client ------------------------------------------------------ */

static int
futex_client(struct rings_client *c, size_t room, int64_t deadline)
{
    const uint32_t reason = room == 0 ? FOR_REPLY : FOR_ROOM;
    struct rings_segment *p = c->segment;
    int64_t now = now_ns(), until = earlier(deadline, now + SPIN);
    int err = -EAGAIN;

    if (rings_server_elsewhere(c))
        while (now < until) {
            for (int i = 0; i < 32; i++) {
                if (rings_client_ready(c, room))
                    return 0;
                cpu_relax();
            }
            now = now_ns();
        }
    until = earlier(deadline, now + RINGS_SLICE);
    /* Pairs with the load in wake_client(). */
    atomic_store(&p->sleeps, reason);
    if (rings_client_ready(c, room))
        err = 0;
    else if (until > now)
        err = futex_wait(&p->sleeps, reason, until);
    atomic_store_explicit(&p->sleeps, AWAKE, memory_order_relaxed);
    if (err == -EINTR)
        return err;
    if (rings_client_ready(c, room))
        return 0;
    if (time_left(deadline) == 0)
        return -ETIMEDOUT;
    return err == -ETIMEDOUT ? -EAGAIN : 0;
}

static void
wake_client(struct rings_segment *p, bool for_room)
{
    /* Pairs with the store in futex_client(), after the reply's (or after the
     * ring's head, for room). */
    uint32_t reason = atomic_load(&p->sleeps);

    if (reason == AWAKE || (for_room && reason != FOR_ROOM))
        return;
    /* It changes the word, so one that is about to wait on it does not. */
    atomic_store(&p->sleeps, AWAKE);
    futex_wake(&p->sleeps);
}

const struct rings_waiting futex_waiting = {
    .publish = memory_order_seq_cst,
    .server = futex_server,
    .client = futex_client,
    .wake_server = wake_server,
    .wake_client = wake_client,
};

/* -- the mechanism -------------------------------------------------------- */

static int
futex_create(void *srv, const char *name)
{
    return rings_create(srv, name, &rings_shm, &futex_waiting);
}

static int
futex_open(void *cli, const char *where)
{
    return rings_open(cli, where, &rings_shm, &futex_waiting);
}

static int
futex_sweep(const char *name)
{
    return rings_shm.sweep(name);
}

const struct ipc_mechanism shm_futex = {
    .name = "shm/futex",
    .summary = "rings in POSIX shared memory; spins a little, then a futex",
    .proof = "owner of the memory the request lies in, and the nonce in it",
    .wire = RINGS_WIRE,
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_PATH | IPC_USES_SHM | IPC_USES_CLAIM | IPC_USES_OBJECT |
            IPC_USES_PROC,
    .uid_from = IPC_UID_OBJECT,
    .floor = "floor/page",
    .samples = IPC_SAMPLE_CLIENTS | IPC_SAMPLE_SLOW | IPC_SAMPLE_BESIEGED,
    .server_size = sizeof(struct rings_server),
    .client_size = sizeof(struct rings_client),
    .unavailable = shm_unavailable,
    .limits = rings_limits,
    .create = futex_create,
    .next = rings_next,
    .reply = rings_reply,
    .reply_space = rings_reply_space,
    .destroy = rings_destroy,
    .open = futex_open,
    .send = rings_send,
    .send_space = rings_send_space,
    .recv = rings_recv,
    .close = rings_close,
    .forget = rings_forget,
    .sweep = futex_sweep,
};
