/* attack_ids.c - System V objects are known by numbers: another one's, one that
 * is another's by now, and all of them, used up. */
#define _GNU_SOURCE /* semtimedop */
#include "test/attack/hand.h"

#include "core/clock.h"
#include "core/sanitized.h"
#include "core/set_sessions.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

/* -- 40, 114: other people's objects -------------------------------------- */

/* The slot of shm/sysv, as any client makes it. */
struct segment {
    struct slot_head head;
    uint8_t body[65536 + 64];
};

struct claimant {
    char where[ENDPOINT_SIZE];
    int server, set, slot;
    struct segment *at;
    uid_t claim;
    bool fell;
};

static struct claimant *
make_claimant(const struct host *server, uid_t claim)
{
    struct claimant *h = shared(sizeof *h);

    strcpy(h->where, server->where);
    h->server = set_of(h->where);
    h->claim = claim;
    return h;
}

static void
make_segment(struct claimant *h)
{
    h->slot = shmget(IPC_PRIVATE, sizeof *h->at, 0600);
    MUST(h->slot != -1);
    h->at = shmat(h->slot, NULL, 0);
    MUST(h->at != (void *)-1);
    h->at->head = (struct slot_head){.mark = SLOT_JOIN};
    put32(h->at->head.nonce, (uint32_t)h->set);
}

static void
make_client_set(struct claimant *h)
{
    h->set = semget(IPC_PRIVATE, CLIENT_SEMS, 0600);
    MUST(h->set != -1);
}

static void
register_and_ring(struct claimant *h)
{
    MUST(register_ids(h->where, h->set, h->slot, h->claim) == 0);
    MUST(set_post(h->server, DOORBELL) == 0);
}

static void
alice_has_a_segment(struct actor *self, void *arg)
{
    struct claimant *h = arg;

    make_segment(h);
    actor_step(self);
    /* Has anybody written there? */
    h->fell = h->at->head.mark == SLOT_REPLY;
    MUST(h->fell || h->at->head.mark == SLOT_JOIN);
}

static void
bob_names_it(struct actor *self, void *arg)
{
    struct claimant *h = arg;

    make_client_set(h);
    register_and_ring(h);
    actor_step(self);
}

static bool
names_anothers_segment(bool naive)
{
    struct host server;
    struct actor alice, bob;
    struct claimant *h;

    (void)naive;
    serve(&server, "shm/sysv");
    h = make_claimant(&server, BOB);
    actor_start(&alice, ALICE, alice_has_a_segment, h);
    actor_wait(&alice);
    actor_start(&bob, BOB, bob_names_it, h);
    actor_wait(&bob);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    actor_kill(&bob);
    host_stop(&server);
    return h->fell;
}

static void
bob_claims(struct actor *self, void *arg)
{
    struct sembuf over = {REQUEST, +1, 0}, back = {BACK, -1, 0};
    struct claimant *h = arg;

    make_client_set(h);
    make_segment(h);
    register_and_ring(h);
    actor_step(self);
    if (semctl(h->set, BACK, GETVAL) != 1)
        return;                         /* not a word */
    MUST(semop(h->set, &back, 1) == 0); /* the nonce is in the slot */
    h->at->head.mark = SLOT_REQUEST;
    h->at->head.len = WIRE_HEADER;
    make_frame(h->at->body, API_whoami);
    MUST(semop(h->set, &over, 1) == 0 && set_post(h->server, DOORBELL) == 0);
    MUST(set_wait(h->set, &back, 1, deadline_in(ATTACK_TIMEOUT)) == 0);
    MUST(uid_in_frame(h->at->body, h->at->head.len) == ALICE);
    h->fell = true;
}

static bool
claims_to_be_alice(bool naive)
{
    struct host server;
    struct actor bob;
    struct claimant *h;

    (void)naive;
    serve(&server, "shm/sysv");
    h = make_claimant(&server, ALICE);
    actor_start(&bob, BOB, bob_claims, h);
    actor_wait(&bob);
    be_served(&server);
    actor_go(&bob);
    actor_end(&bob);
    host_stop(&server);
    return h->fell;
}

/* -- 162, 163: an id that is another's by now ------------------------------ */

/* It takes some million tries to have an id come back, five seconds;
 * kernel.sem_next_id is for whoever cannot wait. */
static void
choose_next_id(int id)
{
    FILE *out = fopen("/proc/sys/kernel/sem_next_id", "we");

    MUST(out != NULL && fprintf(out, "%d\n", id) > 0);
    MUST(fclose(out) == 0);
}

static const char *
need_next_id(void)
{
    return access("/proc/sys/kernel/sem_next_id", W_OK) == 0
               ? NULL
               : "needs kernel.sem_next_id (CONFIG_CHECKPOINT_RESTORE)";
}

/* The kernel writes past the end of an array, where no sanitizer looks; and
 * what it hits lies elsewhere when one has laid the stack out. */
static const char *
need_plain_stack(void)
{
    return SANITIZED ? "a sanitizer has put other things behind the array"
                     : need_next_id();
}

/* Bob joins as the library does; what he has then, he finds in the kernel. */
static int
set_of_size(unsigned sems)
{
    struct seminfo info;
    struct semid_ds ds;
    int last = semctl(0, 0, SEM_INFO, (union semun){.info = &info});

    for (int i = 0; i <= last; i++) {
        int id = semctl(i, 0, SEM_STAT, (union semun){.buf = &ds});

        if (id != -1 && ds.sem_nsems == sems && ds.sem_perm.cuid == geteuid())
            return id;
    }
    MUST(false);
    return -1;
}

/* Once it sleeps it has seen all that was to be seen.  It would wake up once a
 * second, and look between two of our steps: so it is stopped, which gives the
 * attacker no more time than a busy machine does. */
static void
hold_it_asleep(const struct host *server)
{
    while (!is_in_call(server->server, CALL_SEMTIMEDOP))
        sched_yield();
    pause_server(server);
}

struct heir {
    struct host *server;
    unsigned sems;
    int id, set;
    bool fell;
};

static void
bob_removes_his_set(struct actor *self, void *arg)
{
    struct heir *h = arg;
    struct client c;

    MUST(client_open(&c, h->server->m, h->server->where) == 0);
    h->set = set_of_size(CLIENT_SEMS);
    h->id = set_of_size(h->sems);
    actor_step(self); /* all rings have been heard */
    MUST(semctl(h->id, 0, IPC_RMID) == 0);
    actor_step(self); /* it is another's by now */
    if (h->id != h->set) {
        MUST(set_post(h->set, REQUEST) == 0);
        set_post(set_of(h->server->where), DOORBELL);
    }
    actor_step(self);
}

/* As large as a set can be, and full of what is to be written. */
static void
bob_has_a_large_one(void *arg)
{
    static unsigned short values[32000];
    const struct heir *h = arg;

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = 0x4141;
    MUST(semget(IPC_PRIVATE, 32000, 0600) == h->id);
    MUST(semctl(h->id, 0, SETALL, (union semun){.array = values}) == 0);
}

/* GETALL writes as many values as the set has that has this id now. */
static bool
has_the_server_read_a_large_set(bool naive)
{
    struct heir *h = shared(sizeof *h);
    struct host server;
    struct actor bob;
    bool served;

    (void)naive;
    serve(&server, "sem/values");
    *h = (struct heir){.server = &server, .sems = 18 + 1088};
    actor_start(&bob, BOB, bob_removes_his_set, h);
    actor_wait(&bob);
    hold_it_asleep(&server);
    actor_go(&bob);
    actor_wait(&bob);
    choose_next_id(h->id);
    as_user(BOB, bob_has_a_large_one, h);
    resume_server(&server);
    actor_go(&bob);
    actor_wait(&bob);
    served = is_served(&server);
    actor_kill(&bob);
    host_stop(&server);
    return !served;
}

static void
alice_has_the_id(struct actor *self, void *arg)
{
    unsigned short values[CLIENT_SEMS] = {[REQUEST] = 1};
    struct heir *h = arg;

    MUST(semget(IPC_PRIVATE, CLIENT_SEMS, 0600) == h->id);
    MUST(semctl(h->id, 0, SETALL, (union semun){.array = values}) == 0);
    actor_step(self); /* somebody rings */
    h->fell = semctl(h->id, REQUEST, GETVAL) != 1 ||
              semctl(h->id, SERVER_DEAD, GETVAL) != 0;
}

static bool
has_the_server_take_from_her_set(bool naive)
{
    struct heir *h = shared(sizeof *h);
    struct actor alice, bob;
    struct host server;

    (void)naive;
    serve(&server, "shm/sysv");
    *h = (struct heir){.server = &server, .sems = CLIENT_SEMS};
    actor_start(&bob, BOB, bob_removes_his_set, h);
    actor_wait(&bob);
    hold_it_asleep(&server);
    actor_go(&bob);
    actor_wait(&bob);
    choose_next_id(h->id);
    actor_start(&alice, ALICE, alice_has_the_id, h);
    actor_wait(&alice);
    resume_server(&server);
    actor_go(&bob);
    actor_wait(&bob);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    actor_kill(&bob);
    host_stop(&server);
    return h->fell;
}

/* -- 44: killed, again and again ------------------------------------------- */

static void
join_and_stay(struct actor *self, void *arg)
{
    const struct claimant *h = arg;
    struct client c;

    MUST(client_open(&c, ipc_find("shm/sysv"), h->where) == 0);
    actor_step(self); /* never comes back */
}

static bool
is_killed_in_every_slot(bool naive)
{
    struct host server;
    struct claimant *h;
    bool served;

    (void)naive;
    serve(&server, "shm/sysv");
    h = make_claimant(&server, 0);
    for (int i = 0; i < IPC_MAX_CLIENTS; i++) {
        struct actor a;

        actor_start(&a, geteuid(), join_and_stay, h);
        actor_wait(&a);
        actor_kill(&a);
    }
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- the table ------------------------------------------------------------ */

const struct attack id_attacks[] = {
    {40, "shm/sysv", "says: the segment of A is mine", .without = "owner",
     .how = "who made the segment", .run = names_anothers_segment},
    {44, "shm/sysv", "(clients are killed, 64 times)", .without = "undo",
     .how = "SEM_UNDO tells the server", .alone = true,
     .run = is_killed_in_every_slot},
    {114, "shm/sysv", "says: my segment, and I am A", .without = "owner",
     .how = "who made the segment", .run = claims_to_be_alice},
    {162, "sem/values", "has his id be that of a larger set",
     .without = "same,maximum", .how = "looked at; room for any",
     .missing = need_plain_stack, .run = has_the_server_read_a_large_set},
    {163, "shm/sysv", "has his id be that of A's set", .without = "same",
     .how = "looked at before each use", .missing = need_next_id,
     .run = has_the_server_take_from_her_set},
    {0},
};
