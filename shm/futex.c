/*
 * futex.c - rings in POSIX shared memory; who waits spins a little, then sleeps
 * in the kernel.
 *
 *      client                                    server
 *      put the request            1              "I sleep": bell odd      a
 *      is the bell odd?           2              is there really nothing? b
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
 * rests on the same): either 2 sees the odd bell, or b sees the request.
 *
 * A sleep and a wake cost some microseconds, or fifty if the processor went to
 * sleep too.  Spinning that long first is worth while only if the other side
 * can get something done meanwhile, that is, if it runs on another processor:
 * so each one says where it runs.
 */
#define _GNU_SOURCE /* syscall */
#include "core/clock.h"
#include "park.h"
#include "pause.h"
#include "rings.h"

#include <errno.h>
#include <sched.h>

/* How long to spin, ns: about what falling asleep and being woken costs on two
 * CPUs of a virtual machine.  Who spins that long never pays more than twice
 * the better of the two (Karlin et al., 1990). */
#define SPIN INT64_C(50000)

/* How often to ring for a server that does not hear.  On a processor of its own
 * falling asleep takes it less time than that; on ours it cannot, as long as we
 * run.  Who waits for a reply knocks again after MEET_SLICE; who does not, must
 * have been heard. */
#define RINGS          10
#define RINGS_NO_REPLY 1000

/* -- waiting: server ------------------------------------------------------ */

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int
futex_server(struct rings_server *s, int64_t deadline)
{
    struct rings_board *board = s->meet.board;
    int64_t now = now_ns(), until = earlier(deadline, now + SPIN);
    uint32_t bell = atomic_load_explicit(&board->bell, memory_order_relaxed);
    int err = -EAGAIN;

    if (rings_clients_elsewhere(s))
        while (now < until) {
            for (int i = 0; i < 32; i++) {
                if (rings_server_ready(s))
                    return 0;
                spin_pause();
            }
            now = now_ns();
        }
    /* Clients ring for whatever may happen, so there is nothing to wake up for
     * by oneself; only a newcomer that knocked just after the last look at the
     * newcomers waits for the next one. */
    until = meet_bedtime(&s->meet, deadline);
    /* Pairs with the load in wake_server(). */
    atomic_store(&board->bell, bell + 1);
    /* Clients may not write on the board, so nothing changes the bell between
     * this look and the wait: they go on ringing until somebody wakes. */
    if (rings_server_ready(s))
        err = 0;
    else if (until > now)
        err = futex_wait(&board->bell, bell + 1, until);
    atomic_store(&board->bell, bell + 2);
    if (rings_server_ready(s))
        return 0;
    if (err == -EINTR)
        return err;
    if (err == 0)
        s->meet.knocked = true; /* woken for nothing: a newcomer? */
    return time_left(deadline) == 0 ? -ETIMEDOUT : -EAGAIN;
}

static void
wake_server(struct rings_client *c, bool no_reply)
{
    const struct rings_board *board = c->meet.board;
    const int most = no_reply                    ? RINGS_NO_REPLY
                     : rings_server_elsewhere(c) ? RINGS
                                                 : 1;
    /* Pairs with the store in futex_server(), after the request's. */
    uint32_t bell = atomic_load(&board->bell);

    if (bell % 2 == 0 || bell == c->rung)
        return;
    for (int i = 0; i < most && atomic_load(&board->bell) == bell; i++) {
        if (futex_wake(&board->bell) > 0) {
            c->rung = bell;
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
    struct rings_place *p = c->meet.place;
    int64_t now = now_ns(), until = earlier(deadline, now + SPIN);
    int err = -EAGAIN;

    if (rings_server_elsewhere(c))
        while (now < until) {
            for (int i = 0; i < 32; i++) {
                if (rings_client_ready(c, room))
                    return 0;
                spin_pause();
            }
            now = now_ns();
        }
    until = earlier(deadline, now + MEET_SLICE);
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
wake_client(struct rings_place *p, bool for_room)
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
    return rings_create(srv, name, &meet_shm, &futex_waiting);
}

static int
futex_open(void *cli, const char *where)
{
    return rings_open(cli, where, &meet_shm, &futex_waiting);
}

static int
futex_sweep(const char *name)
{
    return store_sweep(&meet_shm, name);
}

const struct ipc_mechanism shm_futex = {
    .name = "shm/futex",
    .summary = "rings in POSIX shared memory; spins a little, then a futex",
    .proof = "owner of the memory the request lies in, and the nonce in it",
    .wire = RINGS_WIRE,
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct rings_server),
    .client_size = sizeof(struct rings_client),
    .unavailable = meet_shm_unavailable,
    .limits = rings_limits,
    .create = futex_create,
    .next = rings_next,
    .reply = rings_reply,
    .destroy = rings_destroy,
    .open = futex_open,
    .send = rings_send,
    .recv = rings_recv,
    .close = rings_close,
    .sweep = futex_sweep,
};
