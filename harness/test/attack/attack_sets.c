/* attack_sets.c - System V semaphore sets: what stands in the server's, and
 * what is beside a client's. */
#define _GNU_SOURCE /* semctl */
#include "test/attack/edge.h"

#include "core/set_sessions.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 217: what the server leaves behind ---------------------------------- */

/* SETALL forgets all wills that are in a set: semctl(2). */
static void
bob_erases_the_will(void *arg)
{
    unsigned short none[SERVER_SEMS] = {0};
    const int *set = arg;

    MUST(semctl(*set, 0, SETALL, (union semun){.array = none}) == 0);
}

/* The textbook's: one set for all, which says that the server is dead. */
static bool
the_textbooks_dies_unheard(int *set)
{
    int ready[2], status;
    pid_t pid;
    char byte;

    *set = semget(IPC_PRIVATE, SERVER_SEMS, 0666);
    MUST(*set != -1 && pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        MUST(will_make(*set, SET_DEAD) == 0 && write(ready[1], "", 1) == 1);
        pause();
    }
    MUST(read(ready[0], &byte, 1) == 1);
    as_user(BOB, bob_erases_the_will, set);
    kill(pid, SIGKILL);
    MUST(waitpid(pid, &status, 0) == pid);
    return semctl(*set, SET_DEAD, GETVAL) == 0;
}

static void
alice_waits(struct actor *self, void *arg)
{
    struct edge *e = arg;
    struct client c;
    struct reply r;

    MUST(host_client(e->server, &c) == 0 && whoami(&c) != -2);
    actor_step(self);
    e->fell = client_call(&c, api_by_name("whoami"), NULL, &r,
                          ATTACK_TIMEOUT) == -ETIMEDOUT;
}

static bool
erases_the_will(bool naive)
{
    int *set = shared(sizeof *set);
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor alice;
    struct set found;

    if (naive)
        return the_textbooks_dies_unheard(set);
    serve(&server, this_attack->mechanism);
    actor_start(&alice, ALICE, alice_waits, e);
    actor_wait(&alice);
    MUST(set_server_find(server.where, &found) == 0);
    *set = found.id;
    pause_server(&server);
    as_user(BOB, bob_erases_the_will, set);
    actor_go(&alice);
    while (!is_in_call(alice.pid, CALL_SEMTIMEDOP))
        sched_yield();
    kill_server(&server);
    actor_end(&alice);
    host_stop(&server);
    return e->fell;
}

/* -- 224: what is beside a dead one's set -------------------------------- */

#define KEY 0x1bc04710 /* as of a client's first set: core/sets.c */

static void
alice_has_a_segment(struct actor *self, void *arg)
{
    struct edge *e = arg;

    e->id = shmget(KEY | 1, 4096, IPC_CREAT | IPC_EXCL | 0600);
    MUST(e->id != -1);
    actor_step(self);
}

static void
bob_leaves_a_set(void *arg)
{
    int set = semget(KEY, CLIENT_SEMS, IPC_CREAT | IPC_EXCL | 0600);

    (void)arg;
    MUST(set != -1 && will_make(set, SET_DEAD) == 0);
}

static bool
has_hers_swept(bool naive)
{
    struct edge *e = make_edge(NULL);
    struct shmid_ds ds;
    struct actor alice;

    actor_start(&alice, ALICE, alice_has_a_segment, e);
    actor_wait(&alice);
    as_user(BOB, bob_leaves_a_set, NULL);
    if (naive) /* "that is his as well" */
        shmctl(shmget(KEY | 1, 0, 0), IPC_RMID, NULL);
    else
        MUST(sets_reap() == 1);
    actor_kill(&alice);
    return shmctl(e->id, IPC_STAT, &ds) == -1;
}

/* -- 230: a doorbell that cannot ring any more --------------------------- */

#define SEMVMX 32767 /* semop(2): what a semaphore holds */

static void
bob_rings_it_full(void *set)
{
    MUST(semctl(*(int *)set, DOORBELL, SETVAL, (union semun){.val = SEMVMX}) ==
         0);
}

static void
alice_rings_and_waits(struct actor *self, void *arg)
{
    struct edge *e = arg;
    struct client c;

    MUST(host_client(e->server, &c) == 0);
    actor_step(self);
    MUST(whoami(&c) == (int64_t)geteuid());
    e->fell = false;
    client_close(&c);
}

static bool
rings_it_full(bool naive)
{
    int *set = shared(sizeof *set);
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor alice;
    struct set found;

    if (naive) { /* err(1, "semop") */
        *set = semget(IPC_PRIVATE, SERVER_SEMS, 0666);
        MUST(*set != -1);
        as_user(BOB, bob_rings_it_full, set);
        return set_post(*set, DOORBELL) != 0;
    }
    serve(&server, this_attack->mechanism);
    e->fell = true;
    actor_start(&alice, ALICE, alice_rings_and_waits, e);
    actor_wait(&alice);
    MUST(set_server_find(server.where, &found) == 0);
    *set = found.id;
    pause_server(&server);
    as_user(BOB, bob_rings_it_full, set);
    actor_go(&alice);
    while (!is_in_call(alice.pid, CALL_SEMTIMEDOP))
        sched_yield();
    resume_server(&server);
    actor_end(&alice);
    host_stop(&server);
    return e->fell;
}

/* -- 288: a ring that is taken away -------------------------------------- */

static void
bob_takes_the_ring_away(void *set)
{
    MUST(semctl(*(int *)set, DOORBELL, SETVAL, (union semun){.val = 0}) == 0);
}

static void
wait_until_she_waits(const struct actor *alice)
{
    while (!is_in_call(alice->pid, CALL_SEMTIMEDOP))
        sched_yield();
}

/* The first ring ends the server's own sleep, also of one that is stopped:
 * semop(2) is carried out by who makes it possible.  The second one is what can
 * be taken away. */
static bool
takes_a_ring_away(bool naive)
{
    int *set = shared(sizeof *set);
    struct edge *e[2];
    struct host server;
    struct actor alice[2];
    struct set found;

    if (naive) { /* as many requests as it says */
        *set = semget(IPC_PRIVATE, SERVER_SEMS, 0666);
        MUST(*set != -1 && set_post(*set, DOORBELL) == 0);
        as_user(BOB, bob_takes_the_ring_away, set);
        return semctl(*set, DOORBELL, GETVAL) == 0;
    }
    serve(&server, this_attack->mechanism);
    for (int i = 0; i < 2; i++) {
        e[i] = make_edge(&server);
        e[i]->fell = true;
        actor_start(&alice[i], ALICE, alice_rings_and_waits, e[i]);
        actor_wait(&alice[i]);
    }
    MUST(set_server_find(server.where, &found) == 0);
    *set = found.id;
    pause_server(&server);
    for (int i = 0; i < 2; i++) {
        actor_go(&alice[i]);
        wait_until_she_waits(&alice[i]);
    }
    as_user(BOB, bob_takes_the_ring_away, set);
    resume_server(&server);
    for (int i = 0; i < 2; i++)
        actor_end(&alice[i]);
    host_stop(&server);
    return e[0]->fell || e[1]->fell;
}

/* -- the table ----------------------------------------------------------- */

const struct attack set_attacks[] = {
    {217, "sem/values", "erases the server's will, and it dies",
     .how = "one in each client's set", .run = erases_the_will},
    {217, "shm/sysv", "erases the server's will, and it dies",
     .how = "one in each client's set", .run = erases_the_will},
    {224, "sem/values", "dies, with A's segment beside his set",
     .how = "who has made it?", .run = has_hers_swept},
    {230, "sem/values", "rings 32767 times; A's ring fails",
     .how = "it rings all the same", .run = rings_it_full},
    {230, "shm/sysv", "rings 32767 times; A's ring fails",
     .how = "it rings all the same", .run = rings_it_full},
    {288, "sem/values", "takes A's ring away before it is heard",
     .how = "one ring: look at all", .run = takes_a_ring_away},
    {288, "shm/sysv", "takes A's ring away before it is heard",
     .how = "one ring: look at all", .run = takes_a_ring_away},
    {0},
};
