/* attack_locks.c - semaphores and locks: who may take, who gives back. */
#define _GNU_SOURCE /* semtimedop, F_OFD_SETLK */
#include "test/attack/attack.h"

#include "../../../sem/hall.h"
#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 40, 114: other people's objects -------------------------------------- */

/* The letter of shm/sysv, as any client makes it. */
struct segment {
    struct letter_head head;
    uint8_t body[65536 + 64];
};

struct hand {
    char where[ENDPOINT_SIZE];
    int hall, door, letter;
    struct segment *at;
    uid_t claim;
    bool fell;
};

static struct hand *
make_hand(const struct host *server, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    strcpy(h->where, server->where);
    h->claim = claim;
    return h;
}

static void
make_letter(struct hand *h)
{
    h->letter = shmget(IPC_PRIVATE, sizeof *h->at, 0600);
    MUST(h->letter != -1);
    h->at = shmat(h->letter, NULL, 0);
    MUST(h->at != (void *)-1);
    h->at->head = (struct letter_head){.mark = LETTER_JOIN};
}

static void
make_door(struct hand *h)
{
    h->door = semget(IPC_PRIVATE, DOOR_SEMS, 0600);
    MUST(h->door != -1);
}

static void
knock(struct hand *h)
{
    h->hall = hall_say(h->where, h->door, h->letter, h->claim, PATIENCE);
    MUST(h->hall >= 0);
}

static void
alice_has_a_segment(struct actor *self, void *arg)
{
    struct hand *h = arg;

    make_letter(h);
    actor_step(self);
    /* Has anybody written there? */
    h->fell = h->at->head.mark == LETTER_REPLY;
    MUST(h->fell || h->at->head.mark == LETTER_JOIN);
}

static void
bob_names_it(struct actor *self, void *arg)
{
    struct hand *h = arg;

    make_door(h);
    knock(h);
    actor_step(self);
}

static bool
names_anothers_segment(bool naive)
{
    struct host server;
    struct actor alice, bob;
    struct client honest;
    struct hand *h;

    (void)naive;
    serve(&server, "shm/sysv");
    MUST(host_client(&server, &honest) == 0);
    h = make_hand(&server, BOB);
    actor_start(&alice, ALICE, alice_has_a_segment, h);
    actor_wait(&alice);
    actor_start(&bob, BOB, bob_names_it, h);
    actor_wait(&bob);
    MUST(whoami(&honest) == 0);
    actor_go(&alice);
    actor_end(&alice);
    actor_kill(&bob);
    client_close(&honest);
    host_stop(&server);
    return h->fell;
}

static void
bob_claims(struct actor *self, void *arg)
{
    struct sembuf over = {REQUEST, +1, 0}, back = {BACK, -1, 0};
    struct hand *h = arg;

    make_door(h);
    make_letter(h);
    knock(h);
    actor_step(self);
    if (semctl(h->door, BACK, GETVAL) != 1)
        return;                          /* not a word */
    MUST(semop(h->door, &back, 1) == 0); /* the nonce is in the letter */
    h->at->head.mark = LETTER_REQUEST;
    h->at->head.len = WIRE_HEADER;
    make_frame(h->at->body, API_whoami);
    MUST(semop(h->door, &over, 1) == 0 && set_post(h->hall, BELL) == 0);
    MUST(set_wait(h->door, &back, 1, deadline_in(PATIENCE)) == 0);
    MUST(uid_in_frame(h->at->body, h->at->head.len) == ALICE);
    h->fell = true;
}

static bool
claims_to_be_alice(bool naive)
{
    struct host server;
    struct actor bob;
    struct client honest;
    struct hand *h;

    (void)naive;
    serve(&server, "shm/sysv");
    MUST(host_client(&server, &honest) == 0);
    h = make_hand(&server, ALICE);
    actor_start(&bob, BOB, bob_claims, h);
    actor_wait(&bob);
    MUST(whoami(&honest) == 0);
    actor_go(&bob);
    actor_end(&bob);
    client_close(&honest);
    host_stop(&server);
    return h->fell;
}

/* -- 44: killed with a semaphore in the hand ------------------------------ */

static void
take_the_board(struct actor *self, void *arg)
{
    struct hand *h = arg;

    h->claim = geteuid();
    make_door(h);
    make_letter(h);
    h->hall = hall_find(h->where);
    MUST(hall_knock(h->hall, &(struct knock){h->door, h->letter, h->claim},
                    deadline_in(PATIENCE)) == 0);
    actor_step(self); /* never comes back */
}

static bool
is_killed_with_the_board(bool naive)
{
    struct host server;
    struct actor a;
    bool served;

    (void)naive;
    serve(&server, "shm/sysv");
    actor_start(&a, geteuid(), take_the_board, make_hand(&server, 0));
    actor_wait(&a);
    actor_kill(&a);
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- 117: takes it, and means it ------------------------------------------ */

static void
bob_takes_the_board(void *arg)
{
    struct sembuf take = {BOARD, -1, IPC_NOWAIT}; /* no SEM_UNDO */
    int hall = hall_find(arg);

    MUST(hall >= 0 && semop(hall, &take, 1) == 0);
}

static bool
keeps_the_board(bool naive)
{
    struct host server;
    bool served;

    (void)naive;
    serve(&server, "sem/values");
    as_user(BOB, bob_takes_the_board, server.where);
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- 45: another one's semaphores ----------------------------------------- */

struct door {
    struct host *server;
    bool fell;
};

static void
alice_asks_twice(struct actor *self, void *arg)
{
    struct door *d = arg;
    struct client c;
    struct reply r;

    MUST(client_open(&c, d->server->m, d->server->where) == 0);
    MUST(whoami(&c) == ALICE);
    actor_step(self);
    d->fell = client_call(&c, api_by_name("whoami"), NULL, &r, PATIENCE) != 0;
    client_close(&c);
}

/* Its id stands in the server's list, which all may read; as do the ids in
 * `ipcs -s`. */
static void
bob_says_the_server_is_dead(void *arg)
{
    struct door *d = arg;
    FILE *list = fopen(d->server->where, "re");
    int door;

    MUST(list != NULL);
    MUST(fscanf(list, "%*d %*d %*u %d", &door) == 1);
    fclose(list);
    MUST(semctl(door, SERVER_DEAD, SETVAL, (union semun){.val = 1}) == 0 ||
         errno == EACCES);
}

static bool
sets_anothers_semaphore(bool naive)
{
    struct door *d = shared(sizeof *d);
    struct host server;
    struct actor alice;

    (void)naive;
    serve(&server, "sem/values");
    d->server = &server;
    actor_start(&alice, ALICE, alice_asks_twice, d);
    actor_wait(&alice);
    as_user(BOB, bob_says_the_server_is_dead, d);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return d->fell;
}

/* -- 46: a semaphore that is a file --------------------------------------- */

static void
bob_cuts_the_bell(void *arg)
{
    char flat[ENDPOINT_SIZE], path[PATH_MAX];
    int fd;

    MUST(endpoint_flat(arg, flat) == 0);
    snprintf(path, sizeof path, "/dev/shm/sem.%s.bell", flat + 1);
    fd = open(path, O_RDWR | O_CLOEXEC);
    MUST(fd != -1 && ftruncate(fd, 0) == 0);
    close(fd);
}

static bool
cuts_a_semaphore_short(bool naive)
{
    struct host server;
    bool fell;

    (void)naive;
    serve(&server, "sem/mailbox");
    as_user(BOB, bob_cuts_the_bell, server.where);
    /* It looks at the bell ten times a second. */
    fell = server_ends(&server); /* SIGBUS */
    host_stop(&server);
    return fell;
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

static void
look_for_the_hall(struct actor *self, void *arg)
{
    struct hand *h = arg;
    int hall;

    actor_step(self);
    while ((hall = hall_find(h->where)) < 0)
        continue;
    h->fell = semctl(hall, BOARD, GETVAL) != 1;
}

static bool
comes_before_it_is_set(bool naive)
{
    struct host server = {.m = ipc_find("sem/values")};
    struct actor early;
    struct hand *h;

    if (naive)
        return finds_it_unset();
    MUST(endpoint_name(server.m, run_dir, server.where) == 0);
    h = make_hand(&server, 0);
    actor_start(&early, geteuid(), look_for_the_hall, h);
    actor_wait(&early);
    actor_go(&early);
    serve(&server, "sem/values");
    actor_end(&early);
    host_stop(&server);
    return h->fell;
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
    {44, "shm/sysv", "(a client is killed with it in hand)", .without = "undo",
     .how = "SEM_UNDO gives it back", .alone = true,
     .run = is_killed_with_the_board},
    {45, "sem/values", "sets A's semaphore: \"server dead\"",
     .without = "door,proper", .how = "mode 0600: EACCES",
     .run = sets_anothers_semaphore},
    {46, "sem/mailbox", "cuts a named semaphore short",
     .how = "privileged: own uid only",
     .cannot = "a named semaphore is a file in shared memory: who may post it "
               "may write it, and who may write it may truncate it; then every "
               "use of it is a SIGBUS.  So this mechanism counts as one that "
               "trusts its peers (IPC_TRUSTING).",
     .alone = true, .run = cuts_a_semaphore_short},
    {49, "sem/values", "(comes before it has its value)",
     .how = "found when it is ready", .alone = true,
     .run = comes_before_it_is_set},
    {114, "shm/sysv", "says: my segment, and I am A", .without = "owner",
     .how = "who made the segment", .run = claims_to_be_alice},
    {116, "socket/stream", "holds a read lock on the lock file",
     .how = "mode 0600: EACCES", .run = locks_the_lock_file},
    {117, "sem/values", "takes the one that all take, for good",
     .how = "those who are in go on",
     .cannot = "a semaphore has no right that is called \"take it and give it "
               "back\": who may wait on it may keep it, and so keep newcomers "
               "out.  Those who have joined use sets of their own.",
     .alone = true, .run = keeps_the_board},
    {0},
};
