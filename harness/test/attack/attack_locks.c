/* attack_locks.c - semaphores and locks: who may take, who gives back. */
#define _GNU_SOURCE /* semtimedop, F_OFD_SETLK */
#include "test/attack/attack.h"

#include "core/clock.h"
#include "core/sanitized.h"
#include "core/set_sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 40, 114: other people's objects -------------------------------------- */

/* The slot of shm/sysv, as any client makes it. */
struct segment {
    struct slot_head head;
    uint8_t body[65536 + 64];
};

struct hand {
    char where[ENDPOINT_SIZE];
    int server, set, slot;
    struct segment *at;
    uid_t claim;
    bool fell;
};

static int
server_set(const char *where)
{
    struct set set;

    MUST(set_server_find(where, &set) == 0);
    return set.id;
}

static struct hand *
make_hand(const struct host *server, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    strcpy(h->where, server->where);
    h->server = server_set(h->where);
    h->claim = claim;
    return h;
}

static void
make_segment(struct hand *h)
{
    h->slot = shmget(IPC_PRIVATE, sizeof *h->at, 0600);
    MUST(h->slot != -1);
    h->at = shmat(h->slot, NULL, 0);
    MUST(h->at != (void *)-1);
    h->at->head = (struct slot_head){.mark = SLOT_JOIN};
    put32(h->at->head.nonce, (uint32_t)h->set);
}

static void
make_client_set(struct hand *h)
{
    h->set = semget(IPC_PRIVATE, CLIENT_SEMS, 0600);
    MUST(h->set != -1);
}

static void
register_and_ring(struct hand *h)
{
    MUST(register_ids(h->where, h->set, h->slot, h->claim) == 0);
    MUST(set_post(h->server, DOORBELL) == 0);
}

static void
alice_has_a_segment(struct actor *self, void *arg)
{
    struct hand *h = arg;

    make_segment(h);
    actor_step(self);
    /* Has anybody written there? */
    h->fell = h->at->head.mark == SLOT_REPLY;
    MUST(h->fell || h->at->head.mark == SLOT_JOIN);
}

static void
bob_names_it(struct actor *self, void *arg)
{
    struct hand *h = arg;

    make_client_set(h);
    register_and_ring(h);
    actor_step(self);
}

static bool
names_anothers_segment(bool naive)
{
    struct host server;
    struct actor alice, bob;
    struct hand *h;

    (void)naive;
    serve(&server, "shm/sysv");
    h = make_hand(&server, BOB);
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
    struct hand *h = arg;

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
    struct hand *h;

    (void)naive;
    serve(&server, "shm/sysv");
    h = make_hand(&server, ALICE);
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

/* The kernel writes past the end of an array, where no sanitizer looks; and what
 * it hits lies elsewhere when one has laid the stack out. */
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

/* Until it sleeps: else it might look between two of our steps. */
static void
wait_until_it_sleeps(const struct host *server)
{
    while (!is_in_call(server->server, CALL_SEMTIMEDOP))
        sched_yield();
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
        set_post(server_set(h->server->where), DOORBELL);
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
    wait_until_it_sleeps(&server);
    actor_go(&bob);
    actor_wait(&bob);
    choose_next_id(h->id);
    as_user(BOB, bob_has_a_large_one, h);
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
    wait_until_it_sleeps(&server);
    actor_go(&bob);
    actor_wait(&bob);
    choose_next_id(h->id);
    actor_start(&alice, ALICE, alice_has_the_id, h);
    actor_wait(&alice);
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
    const struct hand *h = arg;
    struct client c;

    MUST(client_open(&c, ipc_find("shm/sysv"), h->where) == 0);
    actor_step(self); /* never comes back */
}

static bool
is_killed_in_every_slot(bool naive)
{
    struct host server;
    struct hand *h;
    bool served;

    (void)naive;
    serve(&server, "shm/sysv");
    h = make_hand(&server, 0);
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

/* -- 117: the one that all may post ---------------------------------------- */

/* The textbook's: who wants to write takes it, and gives it back. */
static bool
the_textbooks_is_taken(void)
{
    struct sembuf take = {0, -1, IPC_NOWAIT};
    int set = semget(IPC_PRIVATE, 1, 0666);

    MUST(set != -1 && set_post(set, 0) == 0);
    MUST(semop(set, &take, 1) ==
         0); /* Bob, without SEM_UNDO; and then he goes */
    return semop(set, &take, 1) == -1;
}

static void
bob_takes_them_all(void *arg)
{
    unsigned short none[SERVER_SEMS] = {[SET_DEAD] = 1};

    MUST(semctl(server_set(arg), 0, SETALL, (union semun){.array = none}) == 0);
}

static bool
keeps_what_all_may_post(bool naive)
{
    struct host server;
    bool served;

    if (naive)
        return the_textbooks_is_taken();
    serve(&server, "sem/values");
    as_user(BOB, bob_takes_them_all, server.where);
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- 45: another one's semaphores ----------------------------------------- */

struct second_call {
    struct host *server;
    bool fell;
};

static void
alice_asks_twice(struct actor *self, void *arg)
{
    struct second_call *s = arg;
    struct client c;
    struct reply r;

    MUST(client_open(&c, s->server->m, s->server->where) == 0);
    MUST(whoami(&c) == ALICE);
    actor_step(self);
    s->fell =
        client_call(&c, api_by_name("whoami"), NULL, &r, ATTACK_TIMEOUT) != 0;
    client_close(&c);
}

/* The ids of all sets are in `ipcs -s`; here by its key, which a client chooses
 * at random, and /proc/sysvipc/sem shows to all. */
static int
her_set(void)
{
    FILE *list = fopen("/proc/sysvipc/sem", "re");
    char line[200];
    int id = -1, key;
    unsigned sems, cuid;

    MUST(list != NULL);
    while (fgets(line, sizeof line, list) != NULL && id == -1)
        if (sscanf(line, "%d %d %*o %u %*u %*u %u", &key, &id, &sems, &cuid) !=
                4 ||
            sems != CLIENT_SEMS || cuid != ALICE)
            id = -1;
    fclose(list);
    MUST(id != -1);
    return id;
}

static void
bob_says_the_server_is_dead(void *arg)
{
    int set = her_set();

    (void)arg;
    MUST(semctl(set, SERVER_DEAD, SETVAL, (union semun){.val = 1}) == 0 ||
         errno == EACCES);
}

static bool
sets_anothers_semaphore(bool naive)
{
    struct second_call *s = shared(sizeof *s);
    struct host server;
    struct actor alice;

    (void)naive;
    serve(&server, "sem/values");
    s->server = &server;
    actor_start(&alice, ALICE, alice_asks_twice, s);
    actor_wait(&alice);
    as_user(BOB, bob_says_the_server_is_dead, s);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return s->fell;
}

/* -- 46: a semaphore that is a file --------------------------------------- */

static void
bob_cuts_the_doorbell(void *arg)
{
    char base[ENDPOINT_SIZE], path[PATH_MAX];
    int fd;

    MUST(endpoint_lookup(arg, "name", base, sizeof base) == 0);
    snprintf(path, sizeof path, "/dev/shm/sem.%s", base + 1);
    fd = open(path, O_RDWR | O_CLOEXEC);
    MUST(fd != -1 || errno == EACCES);
    if (fd == -1)
        return;
    MUST(ftruncate(fd, 0) == 0);
    close(fd);
}

static void
another_calls(struct actor *self, void *arg)
{
    struct host *server = arg;
    struct client c;

    MUST(host_client(server, &c) == 0 && whoami(&c) == geteuid());
    actor_step(self); /* Bob cuts */
    MUST(whoami(&c) == geteuid());
    actor_step(self);
}

/* Who posts then dies of SIGBUS, and so does who is waiting for it. */
static bool
cuts_a_semaphore_short(bool naive)
{
    struct host server;
    struct actor client;
    bool served;

    (void)naive;
    serve(&server, "sem/mailbox");
    actor_start(&client, geteuid(), another_calls, &server);
    actor_wait(&client);
    as_user(BOB, bob_cuts_the_doorbell, server.where);
    actor_go(&client);
    served = actor_next(&client);
    actor_kill(&client);
    host_stop(&server);
    return !served;
}

/* -- 49: made, but not yet set -------------------------------------------- */

/* The textbook's pair, each with the same key: semget(2), and who made the set
 * gives it its first value.  What the other one finds in between is a 0. */
static bool
finds_it_unset(void)
{
    key_t key = ftok(run_dir, 's');
    int first = semget(key, 1, IPC_CREAT | IPC_EXCL | 0600), second, value;

    MUST(first != -1);
    second = semget(key, 1, 0600); /* quicker than the other one's SETVAL */
    value = semctl(second, 0, GETVAL);
    MUST(semctl(first, 0, SETVAL, (union semun){.val = 1}) == 0);
    return value != 1;
}

struct early {
    char where[ENDPOINT_SIZE];
    bool fell;
};

/* What a client finds has been made, and is whole. */
static void
look_for_the_set(struct actor *self, void *arg)
{
    struct early *e = arg;
    struct semid_ds ds;
    struct set set;

    actor_step(self);
    while (set_server_find(e->where, &set) != 0)
        continue;
    MUST(semctl(set.id, 0, IPC_STAT, (union semun){.buf = &ds}) == 0);
    e->fell = ds.sem_otime == 0; /* nobody has used it yet */
}

static bool
comes_before_it_is_set(bool naive)
{
    struct host server = {.m = ipc_find("sem/values")};
    struct actor early;
    struct early *e = shared(sizeof *e);

    if (naive)
        return finds_it_unset();
    MUST(endpoint_name(server.m, run_dir, server.where) == 0);
    strcpy(e->where, server.where);
    actor_start(&early, geteuid(), look_for_the_set, e);
    actor_wait(&early);
    actor_go(&early);
    serve(&server, "sem/values");
    actor_end(&early);
    host_stop(&server);
    return e->fell;
}

/* -- 116: a lock for reading ---------------------------------------------- */

/* Who may look at a file may lock it: a read lock needs no right to write. */
static void
bob_reads_the_lock(struct actor *self, void *arg)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(arg, O_RDONLY | O_CLOEXEC);

    MUST(fd != -1 || errno == EACCES);
    if (fd != -1)
        MUST(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    actor_step(self);
}

static bool
locks_the_lock_file(bool naive)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct host_options options = {.cpu = -1, .quiet = 1};
    const struct ipc_mechanism *m = ipc_find("socket/stream");
    char path[ENDPOINT_SIZE];
    struct host server;
    struct actor bob;
    bool started;

    if (naive) { /* with a file that all may read, as by open(..., 0644) */
        strcpy(path, make_file("lock", "", 0644));
    } else {
        serve(&server, m->name);
        MUST(endpoint_file(server.where, ".lock", path) == 0);
        kill_server(&server);
        host_stop(&server);
    }
    actor_start(&bob, BOB, bob_reads_the_lock, path);
    actor_wait(&bob);
    if (naive)
        started =
            fcntl(open(path, O_RDWR | O_CLOEXEC), F_OFD_SETLK, &lock) == 0;
    else
        started = host_start(&server, m, run_dir, &options) == 0;
    if (!naive && started)
        host_stop(&server);
    actor_kill(&bob);
    return !started;
}

/* -- the table ------------------------------------------------------------ */

const struct attack lock_attacks[] = {
    {40, "shm/sysv", "says: the segment of A is mine", .without = "owner",
     .how = "who made the segment", .run = names_anothers_segment},
    {44, "shm/sysv", "(clients are killed, 64 times)", .without = "undo",
     .how = "SEM_UNDO tells the server", .alone = true,
     .run = is_killed_in_every_slot},
    {45, "sem/values", "sets A's semaphore: \"server dead\"",
     .without = "mode,proper", .how = "mode 0600: EACCES",
     .run = sets_anothers_semaphore},
    {46, "sem/mailbox", "truncates a named semaphore", .without = "own",
     .how = "mode 0600: own user only", .run = cuts_a_semaphore_short},
    {49, "sem/values", "(comes before it has its value)",
     .how = "found when it is ready", .alone = true,
     .run = comes_before_it_is_set},
    {114, "shm/sysv", "says: my segment, and I am A", .without = "owner",
     .how = "who made the segment", .run = claims_to_be_alice},
    {116, "socket/stream", "holds a read lock on the lock file",
     .how = "mode 0600: EACCES", .run = locks_the_lock_file},
    {117, "sem/values", "takes the one that all may post",
     .how = "who sleeps is woken by +1", .run = keeps_what_all_may_post},
    {162, "sem/values", "has his id be that of a larger set",
     .without = "same,maximum", .how = "looked at; room for any",
     .missing = need_plain_stack, .run = has_the_server_read_a_large_set},
    {163, "shm/sysv", "has his id be that of A's set", .without = "same",
     .how = "looked at before each use", .missing = need_next_id,
     .run = has_the_server_take_from_her_set},
    {0},
};
