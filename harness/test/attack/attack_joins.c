/* attack_joins.c - where one joins: what NAME.join and NAME.life say of whom,
 * and what there has to be for a newcomer. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "test/attack/edge.h"

#include "core/clock.h"
#include "core/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- 274: what another one may register ----------------------------------- */

/* Until he is ended: what comes back to her he spends. */
static void
bob_registers_for_her(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    const struct registration hers = {.uid = ALICE, .pid = 1, .serial = 1};
    struct registry registry;

    MUST(registry_open(&registry, e->server->where) == 0);
    for (int i = 0; i < 1000; i++)
        MUST(registration_send(&registry, &hers, NO_DEADLINE, NULL, NULL) == 0);
    actor_step(self);
    while (registration_send(&registry, &hers, NO_DEADLINE, NULL, NULL) == 0)
        continue;
}

static void
alice_joins_in_time(void *arg)
{
    struct edge *e = arg;
    struct client c;

    ipc_open_timeout = e->id != 0 ? NS_PER_SEC / 2 : ATTACK_TIMEOUT;
    e->fell = host_client(e->server, &c) != 0;
}

static bool
spends_her_registrations(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;

    serve(&server, this_attack->mechanism);
    e->id = naive; /* she would be never answered */
    actor_start(&bob, BOB, bob_registers_for_her, e);
    actor_wait(&bob);
    actor_go(&bob);
    as_user(ALICE, alice_joins_in_time, e);
    actor_kill(&bob);
    host_stop(&server);
    return e->fell;
}

/* -- 275: the sign of life ------------------------------------------------ */

/* Whoever has it open for writing keeps the dead alive. */
static void
bob_lives_for_it(struct actor *self, void *arg)
{
    struct edge *e = arg;
    char path[ENDPOINT_SIZE];

    MUST(endpoint_file(e->server->where, ".life", path) == 0);
    (void)open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    actor_step(self);
}

static void
alice_looks_whether_it_lives(struct actor *self, void *arg)
{
    struct edge *e = arg;
    struct registry registry;

    MUST(registry_open(&registry, e->server->where) == 0);
    MUST(registration_alive(&registry) == 0);
    actor_step(self); /* it is killed */
    e->fell = registration_alive(&registry) == 0;
    actor_step(self);
}

static bool
keeps_the_dead_alive(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob, alice;

    (void)naive;
    serve(&server, this_attack->mechanism);
    actor_start(&alice, ALICE, alice_looks_whether_it_lives, e);
    actor_wait(&alice);
    actor_start(&bob, BOB, bob_lives_for_it, e);
    actor_wait(&bob);
    kill_server(&server);
    host_stop(&server);
    actor_go(&alice);
    actor_wait(&alice);
    actor_kill(&bob);
    actor_kill(&alice);
    return e->fell;
}

/* -- 276: the room for registrations -------------------------------------- */

static void
bob_fills_the_register(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    const struct registration his = {.uid = BOB, .pid = 1, .serial = 1};
    struct registry registry;

    MUST(registry_open(&registry, e->server->where) == 0);
    while (registration_send(&registry, &his, 0, NULL, NULL) == 0)
        continue;
    actor_step(self); /* it is full */
    while (registration_send(&registry, &his, NO_DEADLINE, NULL, NULL) == 0)
        continue;
}

/* A textbook's client sends once. */
static void
alice_sends_once(void *arg)
{
    struct edge *e = arg;
    struct registry registry;

    MUST(registry_open(&registry, e->server->where) == 0);
    e->fell = send(registry.join, "", 0, MSG_DONTWAIT) == -1;
}

static bool
fills_the_register(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;

    serve(&server, this_attack->mechanism);
    pause_server(&server);
    actor_start(&bob, BOB, bob_fills_the_register, e);
    actor_wait(&bob);
    if (naive)
        as_user(ALICE, alice_sends_once, e);
    resume_server(&server);
    actor_go(&bob);
    if (!naive)
        as_user(ALICE, alice_is_served, e);
    actor_kill(&bob);
    host_stop(&server);
    return e->fell;
}

/* -- 280: what the kernel has only so many of ----------------------------- */

static void
bob_makes_all(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    int made = 0;

    switch (e->id) {
    case 's':
        while (semget(IPC_PRIVATE, 1, 0600) != -1)
            made++;
        break;
    case 'm':
        while (shmget(IPC_PRIVATE, 1, 0600) != -1)
            made++;
        break;
    default:
        while (msgget(IPC_PRIVATE, 0600) != -1)
            made++;
        break;
    }
    MUST(errno == ENOSPC && made > 0);
    actor_step(self);
}

static bool
leaves_no_object(bool naive)
{
    const bool sets = strcmp(this_attack->mechanism, "sem/values") == 0;
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;

    (void)naive;
    e->id = sets                                              ? 's'
            : strcmp(this_attack->mechanism, "shm/sysv") == 0 ? 'm'
                                                              : 'q';
    serve(&server, this_attack->mechanism);
    actor_start(&bob, BOB, bob_makes_all, e);
    actor_wait(&bob);
    as_user(ALICE, alice_is_served, e);
    actor_kill(&bob);
    host_stop(&server);
    return e->fell;
}

/* -- the table ------------------------------------------------------------ */

static const char objects[] =
    "System V sets, queues and segments are as limited as the queues of 106 "
    "(kernel.sem, msgmni, shmmni), for all users of an IPC namespace together, "
    "and a new client needs one.";

#define NONE_LEFT \
    .what = "makes all there can be; A comes", .how = "the client hears it", \
    .cannot = objects, .run = leaves_no_object

const struct attack join_attacks[] = {
    {274, "shm/futex", "spends what A may register", .without = "sender",
     .how = "counted for who sent it", .run = spends_her_registrations},
    {275, "shm/futex", "holds the sign of life of a dead server",
     .without = "life", .how = "mode 0644: EACCES",
     .run = keeps_the_dead_alive},
    {276, "shm/futex", "keeps the register full; A comes",
     .how = "she waits, and rings", .run = fills_the_register},
    {276, "msgq/sysv-private", "keeps the register full; A comes",
     .how = "she waits, and rings", .run = fills_the_register},
    {276, "mmap/lockfile", "keeps the register full; A comes",
     .how = "she waits, and rings", .run = fills_the_register},
    {.number = 280, .mechanism = "sem/values", NONE_LEFT},
    {.number = 280, .mechanism = "shm/sysv", NONE_LEFT},
    {.number = 280, .mechanism = "msgq/sysv-private", NONE_LEFT},
    {0},
};
