/*
 * spin.c - rings in POSIX shared memory; who waits looks again and again.
 *
 *      client                                    server
 *      put the request  ---- cache line ---->    look, look, look, there it is
 *      look, look, ...  <--- cache line -----    put the reply
 *
 * The one idea: no system call at all.  What a round trip costs is what two
 * cache lines need to get from one processor to the other and back; nothing is
 * faster between two processes.  The price is a processor that does nothing
 * else, on each side, whether there is anything to say or not; and where the
 * two have only one processor between them, each one's looking is what keeps
 * the other from answering.  (Then they give way with sched_yield(2), which is
 * a system call, and the idea is gone: compare with futex.c.)
 */
#define _GNU_SOURCE /* sigset_t */
#include "core/clock.h"
#include "core/cpu_relax.h"
#include "core/rings.h"
#include "pending_signals.h"

#include <errno.h>
#include <sched.h>

/* So many looks before the clock, the signals and the other processes get
 * their turn: some 25 us, one part in a hundred of which the turn takes. */
#define LOOKS 1000

/* How often newcomers are looked for meanwhile, ns. */
#define SLICE (5 * NS_PER_MS)

/* What the waiting one looks for. */
struct sight {
    struct rings_server *server; /* one of them is NULL */
    struct rings_client *client;
    size_t room;
};

static bool
seen(const struct sight *s)
{
    return s->server != NULL ? rings_server_ready(s->server)
                             : rings_client_ready(s->client, s->room);
}

/* Does the one we wait for run on another processor?  With many clients: any of
 * them. */
static bool
works_elsewhere(const struct sight *s)
{
    return s->server != NULL ? rings_clients_elsewhere(s->server)
                             : rings_server_elsewhere(s->client);
}

static bool
look_for(const struct sight *s)
{
    bool alone = works_elsewhere(s);
    /* sched_yield(2) may take as long as the others want to run, and they may
     * be many: so only one before the newcomers and the clock are looked at. */
    int looks = alone ? LOOKS : 2;

    for (int i = 0; i < looks; i++) {
        if (seen(s))
            return true;
        if (alone)
            cpu_relax();
        else
            sched_yield();
    }
    return false;
}

static int
spin(const struct sight *s, int64_t deadline)
{
    struct pending_signals held = {.holding = false};
    int64_t now, slice = 0;
    int err = 0;

    while (err == 0 && !look_for(s)) {
        now = now_ns();
        if (slice == 0)
            slice = now + SLICE;
        signals_hold(&held);
        if (now >= deadline)
            err = -ETIMEDOUT;
        else if (signals_came(&held))
            err = -EINTR;
        else if (now >= slice)
            err = -EAGAIN;
        /* Somebody else may need this processor, even the one we wait for. */
        sched_yield();
    }
    signals_release(&held);
    return err;
}

static int
spin_server(struct rings_server *s, int64_t deadline)
{
    return spin(&(struct sight){.server = s}, deadline);
}

static int
spin_client(struct rings_client *c, size_t room, int64_t deadline)
{
    return spin(&(struct sight){.client = c, .room = room}, deadline);
}

/* Nobody sleeps, so nobody has to be woken, and nothing has to be stored
 * before anything is looked at. */
const struct rings_waiting spin_waiting = {
    .publish = memory_order_release,
    .server = spin_server,
    .client = spin_client,
};

/* -- the mechanism -------------------------------------------------------- */

static int
spin_create(void *srv, const char *name)
{
    return rings_create(srv, name, &rings_shm, &spin_waiting);
}

static int
spin_open(void *cli, const char *where)
{
    return rings_open(cli, where, &rings_shm, &spin_waiting);
}

static int
spin_sweep(const char *name)
{
    return rings_shm.sweep(name);
}

const struct ipc_mechanism shm_spin = {
    .name = "shm/spin",
    .summary = "rings in POSIX shared memory; waits by looking, no system call",
    .proof = "owner of the memory the request lies in, and the nonce in it",
    .wire =
        "As shm/futex, with `shm-spin` in the names. Nobody ever sleeps: the "
        "doorbell stays 0, and\nso does sleeps. Who waits looks at the next "
        "word "
        "of the ring until it is not 0.",
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_PERSISTS | IPC_SPINS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_PATH | IPC_USES_SHM | IPC_USES_CLAIM | IPC_USES_OBJECT |
            IPC_USES_PROC,
    .uid_from = IPC_UID_OBJECT,
    .floor = "floor/page",
    .server_size = sizeof(struct rings_server),
    .client_size = sizeof(struct rings_client),
    .unavailable = shm_unavailable,
    .limits = rings_limits,
    .create = spin_create,
    .next = rings_next,
    .reply = rings_reply,
    .reply_space = rings_reply_space,
    .destroy = rings_destroy,
    .open = spin_open,
    .send = rings_send,
    .send_space = rings_send_space,
    .recv = rings_recv,
    .close = rings_close,
    .forget = rings_forget,
    .sweep = spin_sweep,
};
