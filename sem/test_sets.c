/*
 * test_sets.c - what sem/values and shm/sysv have in common: sets by which one
 * joins, takes turns and learns of a death, and that strangers may scribble on
 * the server's.
 *
 * Two attacks are tried on sem/values only; for shm/sysv they are `ipcattack 40
 * 114`.  They are run twice: against our server, which must refuse them, and
 * against ipcd-naive, the same program with the checks in owner.c left out
 * (core/defence.h).  There they must succeed, or the first result would prove
 * nothing.
 */
#define _GNU_SOURCE /* semop, sched_yield */
#include "test/both/calls.h"
#include "test/both/requests.h"
#include "test/inject.h"
#include "test/test.h"

#include "core/clock.h"
#include "core/set_sessions.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_sets(void);

static const char *const variants[] = {"sem/values", "shm/sysv"};

static const struct ipc_mechanism *
variant(int i)
{
    return ipc_find(variants[i]);
}

static int
server_set(const char *where)
{
    struct set set;

    ck_assert_int_eq(set_server_find(where, &set), 0);
    return set.id;
}

/* -- a client's objects, made and used by hand ---------------------------- */

/* What one who knows the format has; shared with the child that uses it. */
struct hand {
    char where[ENDPOINT_SIZE];
    uid_t claim;
    int server, set, slot;
    int64_t uid; /* what the server took the attacker for */
    atomic_bool stop;
};

static struct hand *
make_hand(const struct host *server, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    h->claim = claim;
    h->uid = -2;
    strcpy(h->where, server->where);
    h->server = server_set(server->where);
    return h;
}

/* 18 values before the body: values.c. */
#define VALUES (18 + 1088) /* the most there are */

static int
value_count(void)
{
    struct ipc_limits l;

    ipc_find("sem/values")->limits(&l);
    return 18 + (int)l.max_msg;
}

static void
put_slot(const struct hand *h, const struct slot_head *head,
         const uint8_t *body)
{
    unsigned short v[VALUES] = {0};

    v[0] = (unsigned short)head->mark;
    v[1] = (unsigned short)head->len;
    for (size_t n = 0; n < NONCE_SIZE; n++)
        v[2 + n] = head->nonce[n];
    for (size_t n = 0; n < head->len; n++)
        v[18 + n] = body[n];
    ck_assert_int_eq(semctl(h->slot, 0, SETALL, (union semun){.array = v}), 0);
}

static void
get_slot(const struct hand *h, struct slot_head *head, uint8_t body[512])
{
    unsigned short v[VALUES] = {0};

    ck_assert_int_eq(semctl(h->slot, 0, GETALL, (union semun){.array = v}), 0);
    *head = (struct slot_head){.mark = v[0], .len = v[1]};
    for (size_t n = 0; n < NONCE_SIZE; n++)
        head->nonce[n] = (uint8_t)v[2 + n];
    for (size_t n = 0; n < 512; n++)
        body[n] = (uint8_t)v[18 + n];
}

/* For the server to use, as a client's are. */
static void
give(const struct hand *h, int id)
{
    uid_t server;

    ck_assert_int_eq(endpoint_server(h->where, &server), 0);
    ck_assert_int_eq(set_give(&(struct set){.id = id}, server, SET_MODE_KEPT),
                     0);
}

static void
make_slot(struct hand *h)
{
    struct slot_head head = {.mark = SLOT_JOIN};

    put32(head.nonce, (uint32_t)h->set);
    h->slot = semget(IPC_PRIVATE, value_count(), 0600);
    ck_assert_int_ne(h->slot, -1);
    put_slot(h, &head, NULL);
    give(h, h->slot);
}

static void
make_client_set(struct hand *h)
{
    h->set = semget(IPC_PRIVATE, CLIENT_SEMS, 0600);
    ck_assert_int_ne(h->set, -1);
    give(h, h->set);
}

static void
register_and_ring(struct hand *h)
{
    ck_assert_int_eq(register_ids(h->where, h->set, h->slot, h->claim), 0);
    ck_assert_int_eq(set_post(h->server, DOORBELL), 0);
}

/* Whom does the server take us for?  The nonce is in the slot. */
static void
ask_whoami(struct hand *h)
{
    struct sembuf over = {REQUEST, +1, 0}, back = {BACK, -1, 0};
    struct slot_head head;
    uint8_t frame[512];

    ck_assert_int_eq(semop(h->set, &back, 1), 0); /* we are in */
    get_slot(h, &head, frame);
    head.mark = SLOT_REQUEST;
    head.len = (uint32_t)make_frame(frame, API_whoami);
    put_slot(h, &head, frame);
    ck_assert_int_eq(semop(h->set, &over, 1), 0);
    ck_assert_int_eq(set_post(h->server, DOORBELL), 0);
    ck_assert_int_eq(set_wait(h->set, &back, 1, deadline_in(CALL_TIMEOUT)), 0);
    get_slot(h, &head, frame);
    h->uid = uid_in_frame(frame, head.len);
}

/* -- attacks -------------------------------------------------------------- */

/* Bob's own objects, but he says that he is somebody else. */
static void
bob_claims(struct actor *self, void *arg)
{
    struct hand *h = arg;

    make_client_set(h);
    make_slot(h);
    register_and_ring(h);
    actor_step(self);
    if (semctl(h->set, BACK, GETVAL) == 1)
        ask_whoami(h);
    semctl(h->set, 0, IPC_RMID);
    semctl(h->slot, 0, IPC_RMID);
}

static int64_t
claim(const char *program)
{
    struct host server;
    struct hand *h;
    struct actor b;

    server_start_by(&server, ipc_find("sem/values"), program);
    h = make_hand(&server, ALICE);
    actor_start(&b, BOB, bob_claims, h);
    actor_wait(&b);
    server_catch_up(&server);
    actor_go(&b);
    actor_end(&b);
    server_stop(&server);
    return h->uid;
}

START_TEST(a_claimed_uid_must_be_the_creators)
{
    ck_assert_int_eq(claim("ipcd-naive"), ALICE);
    ck_assert_int_eq(claim("ipcd"), -2); /* no answer at all */
}
END_TEST

/* Alice has made a slot, Bob has a set, and names hers as his own. */
static void
alice_prepares(struct actor *self, void *arg)
{
    struct hand *h = arg;
    struct slot_head head;
    uint8_t body[512];

    make_slot(h);
    actor_step(self);
    get_slot(h, &head, body);
    h->uid = head.mark; /* has anybody written into it? */
    semctl(h->slot, 0, IPC_RMID);
}

static void
bob_names_it(struct actor *self, void *arg)
{
    struct hand *h = arg;

    make_client_set(h);
    register_and_ring(h);
    actor_step(self);
    semctl(h->set, 0, IPC_RMID);
}

static int64_t
name_anothers(const char *program)
{
    struct host server;
    struct hand *h;
    struct actor a, b;

    server_start_by(&server, ipc_find("sem/values"), program);
    h = make_hand(&server, BOB);
    actor_start(&a, ALICE, alice_prepares, h);
    actor_wait(&a);
    actor_start(&b, BOB, bob_names_it, h);
    actor_wait(&b);
    server_catch_up(&server);
    actor_go(&a);
    actor_end(&a);
    actor_go(&b);
    actor_end(&b);
    server_stop(&server);
    return h->uid;
}

START_TEST(a_server_touches_nobodys_objects_at_a_strangers_word)
{
    ck_assert_int_eq(name_anothers("ipcd-naive"), SLOT_REPLY);
    ck_assert_int_eq(name_anothers("ipcd"), SLOT_JOIN);
}
END_TEST

/* Ids of all sorts of things, and of nothing. */
static void
bob_registers_rubbish(void *arg)
{
    struct hand *h = arg;
    const int precious = h->slot;
    const int ids[] = {-1,      0,        1,         INT32_MAX,
                       1 << 20, precious, h->server, INT32_MIN};
    const size_t n = sizeof ids / sizeof *ids;

    for (size_t k = 0; k < n * n; k++) {
        h->set = ids[k / n];
        h->slot = ids[k % n];
        h->claim = k % 2 == 0 ? 0 : BOB;
        register_and_ring(h);
    }
}

START_TEST(to_register_rubbish_costs_nobody_anything)
{
    unsigned short before[CLIENT_SEMS] = {0, 2, 3, 4}, after[CLIENT_SEMS];
    struct host server;
    struct client c;
    struct hand *h;
    /* Root's own, of the shape of a client's; not for the server to touch. */
    int precious = semget(IPC_PRIVATE, CLIENT_SEMS, 0600);

    semctl(precious, 0, SETALL, (union semun){.array = before});
    server_start(&server, variant(_i));
    client_start(&server, &c);
    h = make_hand(&server, 0);
    h->slot = precious;
    as_user(BOB, bob_registers_rubbish, h);
    server_catch_up(&server);
    expect_echo(&c, 100);
    ck_assert_int_eq(semctl(precious, 0, GETALL, (union semun){.array = after}),
                     0);
    ck_assert_mem_eq(before, after, sizeof before);
    client_close(&c);
    server_stop(&server);
    semctl(precious, 0, IPC_RMID);
}
END_TEST

/* Who may post on the doorbell may also set it to anything. */
static void
bob_silences(struct actor *self, void *arg)
{
    struct hand *h = arg;
    unsigned short loud[SERVER_SEMS] = {[SET_DEAD] = 1, [DOORBELL] = 32767};

    actor_step(self);
    while (!h->stop) {
        semctl(h->server, DOORBELL, SETVAL, (union semun){.val = 0});
        sched_yield();
    }
    semctl(h->server, 0, SETALL, (union semun){.array = loud});
}

START_TEST(who_scribbles_on_the_servers_set_delays_others_and_no_more)
{
    struct host server;
    struct client c, late;
    struct hand *h;
    struct actor b;

    server_start(&server, variant(_i));
    client_start(&server, &c);
    h = make_hand(&server, 0);
    actor_start(&b, BOB, bob_silences, h);
    actor_wait(&b);
    actor_go(&b);
    for (int n = 0; n < 3; n++)
        expect_echo(&c, 100);
    client_start(&server, &late); /* newcomers, too */
    h->stop = true;
    actor_end(&b);
    /* It can no longer be rung, and says that the server is dead.  Not even
     * who sweeps believes it. */
    sets_reap();
    expect_echo(&c, 100);
    expect_echo(&late, 100);
    client_close(&late);
    client_start(&server, &late);
    expect_echo(&late, 100);
    client_close(&late);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/*
 * An id that is given away again.  Bob has joined; he removes one of his sets,
 * and next its id is that of another.  The kernel counts ids up, so this takes
 * some million tries; kernel.sem_next_id is for whoever cannot wait.
 */
static void
choose_next_id(int id)
{
    FILE *out = fopen("/proc/sys/kernel/sem_next_id", "we");

    ck_assert_ptr_nonnull(out);
    ck_assert_int_gt(fprintf(out, "%d\n", id), 0);
    ck_assert_int_eq(fclose(out), 0);
}

static const char *
need_next_id(void)
{
    return access("/proc/sys/kernel/sem_next_id", W_OK) == 0
               ? NULL
               : "need kernel.sem_next_id (CONFIG_CHECKPOINT_RESTORE)";
}

static void
bob_joins_and_removes_his_set(struct actor *self, void *arg)
{
    struct hand *h = arg;

    h->claim = geteuid();
    make_client_set(h);
    make_slot(h);
    register_and_ring(h);
    actor_step(self); /* he is in */
    ck_assert_int_eq(semctl(h->set, BACK, GETVAL), 1);
    ck_assert_int_eq(semctl(h->set, 0, IPC_RMID), 0);
    actor_step(self); /* Alice makes one */
    ck_assert_int_eq(set_post(h->server, DOORBELL), 0);
    actor_step(self); /* the server has looked */
    semctl(h->slot, 0, IPC_RMID);
}

static void
alice_has_the_id(struct actor *self, void *arg)
{
    unsigned short before[CLIENT_SEMS] = {0, 1, 1, 0}, after[CLIENT_SEMS];
    const struct hand *h = arg;
    int id = semget(IPC_PRIVATE, CLIENT_SEMS, 0600);

    ck_assert_int_eq(id, h->set);
    semctl(id, 0, SETALL, (union semun){.array = before});
    actor_step(self);
    ck_assert_int_eq(semctl(id, 0, GETALL, (union semun){.array = after}), 0);
    ck_assert_mem_eq(before, after, sizeof before);
    semctl(id, 0, IPC_RMID);
}

START_TEST(a_set_that_is_another_by_now_is_left_alone)
{
    struct host server;
    struct actor a, b;
    struct hand *h;

    server_start(&server, ipc_find("sem/values"));
    h = make_hand(&server, BOB);
    actor_start(&b, BOB, bob_joins_and_removes_his_set, h);
    actor_wait(&b);
    server_catch_up(&server);
    actor_go(&b);
    actor_wait(&b);
    choose_next_id(h->set);
    actor_start(&a, ALICE, alice_has_the_id, h);
    actor_wait(&a);
    actor_go(&b);
    actor_wait(&b);
    server_catch_up(&server);
    actor_go(&a);
    actor_end(&a);
    actor_go(&b);
    actor_end(&b);
    server_stop(&server);
}
END_TEST

static void
give_it_to_root(void *arg)
{
    struct set *set = arg;

    ck_assert_int_eq(set_make(set, CLIENT_SEMS), 0);
    ck_assert_int_eq(set_give(set, 0, SET_MODE_KEPT), 0);
}

START_TEST(a_set_given_away_is_still_its_makers)
{
    struct set *set = shared(sizeof *set), found;
    struct ipc_peer peer;
    struct semid_ds ds;

    as_user(BOB, give_it_to_root, set);
    ck_assert_int_eq(semctl(set->id, 0, IPC_STAT, (union semun){.buf = &ds}),
                     0);
    ck_assert_uint_eq(ds.sem_perm.uid, 0);
    ck_assert_int_eq(set_prove(&found, set->id, CLIENT_SEMS, 0, &peer), -EPERM);
    ck_assert_int_eq(set_prove(&found, set->id, CLIENT_SEMS, BOB, &peer), 0);
    ck_assert_uint_eq(peer.uid, BOB);
    ck_assert_int_eq(set_remove(set), 0);
}
END_TEST

/* -- deaths --------------------------------------------------------------- */

static void
join_and_stay(struct actor *self, void *arg)
{
    struct client c;

    client_start(arg, &c);
    expect_echo(&c, 10);
    actor_step(self);
}

START_TEST(the_server_clears_up_after_a_killed_client_unasked)
{
    struct host server;
    char *before;
    struct actor c;

    server_start(&server, variant(_i));
    before = strdup(objects_left());
    ck_assert_ptr_nonnull(before);
    actor_start(&c, geteuid(), join_and_stay, &server);
    actor_wait(&c);
    ck_assert_str_ne(objects_left(), before);
    ck_assert(actor_kill(&c));
    /* No request wakes the server; the client's will does. */
    while (strcmp(objects_left(), before) != 0)
        sched_yield();
    free(before);
    server_stop(&server);
}
END_TEST

/* Does a thread of this process sleep in this system call, with a time limit at
 * this argument that is NULL?  /proc/PID/task/TID/syscall: proc(5). */
static bool
sleeps_for_good_in(pid_t pid, long call, int limit)
{
    char path[300], line[256] = "";
    unsigned long args[6] = {0};
    struct dirent *task;
    bool found = false;
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    ck_assert_ptr_nonnull(tasks);
    while ((task = readdir(tasks)) != NULL && !found) {
        long number = -1;
        FILE *in;

        snprintf(path, sizeof path, "/proc/%d/task/%s/syscall", (int)pid,
                 task->d_name);
        in = task->d_name[0] != '.' ? fopen(path, "re") : NULL;
        if (in == NULL)
            continue;
        if (fgets(line, sizeof line, in) != NULL &&
            sscanf(line, "%ld %lx %lx %lx %lx", &number, &args[0], &args[1],
                   &args[2], &args[3]) == 5)
            found = number == call && args[limit] == 0;
        fclose(in);
    }
    closedir(tasks);
    return found;
}

static void
expect_sleep(pid_t pid, long call, int limit)
{
    while (!sleeps_for_good_in(pid, call, limit))
        sched_yield();
}

START_TEST(a_server_that_is_asked_nothing_does_not_wake_up)
{
    struct host server;
    struct client c;

    server_start(&server, variant(_i));
    expect_sleep(server.server, CALL_PPOLL, 2); /* until somebody comes */
    client_start(&server, &c);
    expect_echo(&c, 10);
    expect_sleep(server.server, CALL_SEMTIMEDOP, 3); /* until somebody rings */
    expect_echo(&c, 10);
    client_close(&c);
    expect_sleep(server.server, CALL_PPOLL, 2);
    server_stop(&server);
}
END_TEST

/* Killed at each of its system calls, one after the other. */
START_TEST(what_a_client_leaves_that_is_killed_while_it_joins_the_next_removes)
{
    struct host server;
    struct client next;
    unsigned deaths = 0;
    char *before;

    sets_will_within = 0; /* s: nobody else is about to make one */
    server_start(&server, variant(_i));
    before = strdup(objects_left());
    ck_assert_ptr_nonnull(before);
    for (unsigned nth = 1; dies_joining(&server, nth); nth++) {
        deaths++;
        client_start(&server, &next);
        client_close(&next);
    }
    ck_assert_uint_gt(deaths, 10); /* it has joined in the end */
    /* The server lets go of the last one's when it has seen it leave. */
    while (strcmp(objects_left(), before) != 0)
        sched_yield();
    free(before);
    server_stop(&server);
}
END_TEST

/* Between semget(2) and the will a set looks like a dead one's. */
START_TEST(a_set_that_has_just_been_made_is_not_swept_away)
{
    struct set set = {.key = 0x1bc00002, .creator = geteuid(), .sems = 2};

    set.id = semget(set.key, 2, IPC_CREAT | IPC_EXCL | 0600);
    ck_assert_int_ne(set.id, -1);
    sets_reap();
    ck_assert_int_eq(set_same(&set), 0);
    ck_assert_int_eq(will_make(set.id, SET_DEAD), 0);
    sets_will_within = 0;
    sets_reap();
    ck_assert_int_eq(set_same(&set), 0);
    ck_assert_int_eq(set_post(set.id, SET_DEAD), 0);
    ck_assert_int_eq(sets_reap(), 1);
    ck_assert_int_eq(set_same(&set), -EIDRM);
}
END_TEST

START_TEST(a_killed_servers_set_is_known_to_be_nobodys)
{
    char name[ENDPOINT_SIZE];
    struct host server;
    struct client c;
    int lock;

    server_start(&server, variant(_i));
    strcpy(name, server.where);
    server_kill(&server);
    /* The set is still there; NAME.life says that nobody serves. */
    ck_assert_int_ge(server_set(name), 0);
    ck_assert_int_eq(client_open(&c, variant(_i), name), -ECONNREFUSED);
    lock = endpoint_lock(name, NULL);
    ck_assert_int_eq(variant(_i)->sweep(name), 1);
    endpoint_unlock(name, lock);
}
END_TEST

/* -- whom a client trusts ------------------------------------------------- */

START_TEST(a_client_uses_only_the_set_of_the_directorys_owner)
{
    struct semid_ds ds;
    struct host server;
    struct client c;
    int set;

    server_start(&server, variant(_i));
    set = server_set(server.where);
    ck_assert_int_eq(semctl(set, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
    ck_assert_uint_eq(ds.sem_perm.mode & 0777, geteuid() == 0 ? 0666 : 0600);
    if (need_root() == NULL) {
        ck_assert_int_eq(chown(server.where, BOB, BOB), 0);
        ck_assert_int_eq(host_client(&server, &c), -EPERM);
        ck_assert_int_eq(chown(server.where, 0, 0), 0);
    }
    ck_assert_int_eq(chmod(run_dir, 0777), 0);
    ck_assert_int_eq(host_client(&server, &c), -EPERM);
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
    client_start(&server, &c);
    expect_echo(&c, 1);
    client_close(&c);
    server_stop(&server);
}
END_TEST

Suite *
test_sets(void)
{
    Suite *s = suite_create("sets");

    for (int i = 0; i < 2; i++) {
        TCase *tc = test_case(s, variants[i]);
        const char *no = need_mechanism(variant(i));
        const char *no_attack = no != NULL ? no : need_strangers(variant(i));

        add_loop_test_if(tc, no != NULL ? no : need_own_sysv(),
                         the_server_clears_up_after_a_killed_client_unasked, i);
        add_loop_test_if(tc, no != NULL ? no : need_calls(),
                         a_server_that_is_asked_nothing_does_not_wake_up, i);
        add_loop_test_if(
            tc, no != NULL ? no : need_inject(),
            what_a_client_leaves_that_is_killed_while_it_joins_the_next_removes,
            i);
        add_loop_test_if(tc, no, a_killed_servers_set_is_known_to_be_nobodys,
                         i);
        add_loop_test_if(tc, no,
                         a_client_uses_only_the_set_of_the_directorys_owner, i);
        if (i == 0) {
            add_test_if(tc, no,
                        a_set_that_has_just_been_made_is_not_swept_away);
            add_test_if(tc, need_root(), a_set_given_away_is_still_its_makers);
            add_test_if(tc, no_attack, a_claimed_uid_must_be_the_creators);
            add_test_if(tc, no_attack,
                        a_server_touches_nobodys_objects_at_a_strangers_word);
            add_test_if(tc, no_attack != NULL ? no_attack : need_next_id(),
                        a_set_that_is_another_by_now_is_left_alone);
        }
        add_loop_test_if(tc, no_attack,
                         to_register_rubbish_costs_nobody_anything, i);
        add_loop_test_if(
            tc, no_attack,
            who_scribbles_on_the_servers_set_delays_others_and_no_more, i);
    }
    return s;
}
