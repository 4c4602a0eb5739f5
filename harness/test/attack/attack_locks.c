/* attack_locks.c - semaphores and locks: who may take, who gives back. */
#define _GNU_SOURCE /* semtimedop, F_OFD_SETLK */
#include "test/attack/hand.h"

#include "core/sanitized.h"
#include "core/set_sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* -- 117: the one that all may post ---------------------------------------- */

/* The textbook's: who wants to write takes it, and gives it back. */
static bool
the_textbooks_is_taken(void)
{
    struct sembuf take = {0, -1, IPC_NOWAIT};
    int set = semget(IPC_PRIVATE, 1, 0666);

    MUST(set != -1 && set_post(set, 0) == 0);
    /* Bob, without SEM_UNDO; and then he goes. */
    MUST(semop(set, &take, 1) == 0);
    return semop(set, &take, 1) == -1;
}

static void
bob_takes_them_all(void *arg)
{
    unsigned short none[SERVER_SEMS] = {[SET_DEAD] = 1};

    MUST(semctl(set_of(arg), 0, SETALL, (union semun){.array = none}) == 0);
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
    {45, "sem/values", "sets A's semaphore: \"server dead\"",
     .without = "mode,proper", .how = "mode 0600: EACCES",
     .run = sets_anothers_semaphore},
    {46, "sem/mailbox", "truncates a named semaphore", .without = "own",
     .how = "mode 0600: own user only", .run = cuts_a_semaphore_short},
    {49, "sem/values", "(comes before it has its value)",
     .how = "found when it is ready", .alone = true,
     .run = comes_before_it_is_set},
    {116, "socket/stream", "holds a read lock on the lock file",
     .how = "mode 0600: EACCES", .run = locks_the_lock_file},
    {117, "sem/values", "takes the one that all may post",
     .how = "who sleeps is woken by +1", .run = keeps_what_all_may_post},
    {0},
};
