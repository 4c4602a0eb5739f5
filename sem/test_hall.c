/*
 * test_hall.c - what sem/values and shm/sysv have in common: the hall that
 * strangers may scribble on, the doors, the wills.
 *
 * Two attacks are tried on sem/values only; for shm/sysv they are `ipcattack 40
 * 114`.  They are run twice: against our server, which must refuse them, and
 * against ipcd-naive, the same program with the checks in owner.c left out
 * (core/defence.h).  There they must succeed, or the first result would prove
 * nothing.
 */
#define _GNU_SOURCE /* semop, sched_yield */
#include "test/attack/requests.h"
#include "test/test.h"

#include "hall.h"

#include "core/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_hall(void);

static const char *const variants[] = {"sem/values", "shm/sysv"};

static const struct ipc_mechanism *
variant(int i)
{
    return ipc_find(variants[i]);
}

/* -- a client's objects, made and used by hand ---------------------------- */

/* What one who knows the format has; shared with the child that uses it. */
struct hand {
    char where[ENDPOINT_SIZE];
    uid_t claim;
    int hall, door, letter;
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
put_letter(const struct hand *h, const struct letter_head *head,
           const uint8_t *body)
{
    unsigned short v[VALUES] = {0};

    v[0] = (unsigned short)head->mark;
    v[1] = (unsigned short)head->len;
    for (size_t n = 0; n < NONCE_SIZE; n++)
        v[2 + n] = head->nonce[n];
    for (size_t n = 0; n < head->len; n++)
        v[18 + n] = body[n];
    ck_assert_int_eq(semctl(h->letter, 0, SETALL, (union semun){.array = v}),
                     0);
}

static void
get_letter(const struct hand *h, struct letter_head *head, uint8_t body[512])
{
    unsigned short v[VALUES] = {0};

    ck_assert_int_eq(semctl(h->letter, 0, GETALL, (union semun){.array = v}),
                     0);
    *head = (struct letter_head){.mark = v[0], .len = v[1]};
    for (size_t n = 0; n < NONCE_SIZE; n++)
        head->nonce[n] = (uint8_t)v[2 + n];
    for (size_t n = 0; n < 512; n++)
        body[n] = (uint8_t)v[18 + n];
}

static void
make_letter(struct hand *h)
{
    const struct letter_head head = {.mark = LETTER_JOIN};

    h->letter = semget(IPC_PRIVATE, value_count(), 0600);
    ck_assert_int_ne(h->letter, -1);
    put_letter(h, &head, NULL);
}

static void
make_door(struct hand *h)
{
    h->door = semget(IPC_PRIVATE, DOOR_SEMS, 0600);
    ck_assert_int_ne(h->door, -1);
}

static void
knock(struct hand *h)
{
    h->hall = hall_say(h->where, h->door, h->letter, h->claim, PATIENCE);
    ck_assert_int_ge(h->hall, 0);
}

/* Whom does the server take us for?  The nonce is in the letter. */
static void
ask_whoami(struct hand *h)
{
    struct sembuf over = {REQUEST, +1, 0}, back = {BACK, -1, 0};
    struct letter_head head;
    uint8_t frame[512];

    ck_assert_int_eq(semop(h->door, &back, 1), 0); /* the answer to the knock */
    get_letter(h, &head, frame);
    head.mark = LETTER_REQUEST;
    head.len = (uint32_t)make_frame(frame, API_whoami);
    put_letter(h, &head, frame);
    ck_assert_int_eq(semop(h->door, &over, 1), 0);
    ck_assert_int_eq(set_post(h->hall, BELL), 0);
    ck_assert_int_eq(set_wait(h->door, &back, 1, deadline_in(PATIENCE)), 0);
    get_letter(h, &head, frame);
    h->uid = uid_in_frame(frame, head.len);
}

/* -- attacks -------------------------------------------------------------- */

/* Bob's own objects, but he says that he is somebody else. */
static void
bob_claims(struct child *self, void *arg)
{
    struct hand *h = arg;

    make_door(h);
    make_letter(h);
    knock(h);
    child_step(self);
    if (semctl(h->door, BACK, GETVAL) == 1)
        ask_whoami(h);
    semctl(h->door, 0, IPC_RMID);
    semctl(h->letter, 0, IPC_RMID);
}

static int64_t
claim(const char *program)
{
    struct host server;
    struct client honest;
    struct hand *h;
    struct child b;

    server_start_by(&server, ipc_find("sem/values"), program);
    client_start(&server, &honest);
    h = make_hand(&server, ALICE);
    child_start(&b, BOB, bob_claims, h);
    child_wait(&b);
    expect_echo(&honest, 1);
    child_go(&b);
    child_end(&b);
    client_close(&honest);
    server_stop(&server);
    return h->uid;
}

START_TEST(a_claimed_uid_must_be_the_creators)
{
    ck_assert_int_eq(claim("ipcd-naive"), ALICE);
    ck_assert_int_eq(claim("ipcd"), -2); /* no answer at all */
}
END_TEST

/* Alice has made a letter, Bob has a door, and names hers as his own. */
static void
alice_prepares(struct child *self, void *arg)
{
    struct hand *h = arg;
    struct letter_head head;
    uint8_t body[512];

    make_letter(h);
    child_step(self);
    get_letter(h, &head, body);
    h->uid = head.mark; /* has anybody written into it? */
    semctl(h->letter, 0, IPC_RMID);
}

static void
bob_names_it(struct child *self, void *arg)
{
    struct hand *h = arg;

    make_door(h);
    knock(h);
    child_step(self);
    semctl(h->door, 0, IPC_RMID);
}

static int64_t
name_anothers(const char *program)
{
    struct host server;
    struct client honest;
    struct hand *h;
    struct child a, b;

    server_start_by(&server, ipc_find("sem/values"), program);
    client_start(&server, &honest);
    h = make_hand(&server, BOB);
    child_start(&a, ALICE, alice_prepares, h);
    child_wait(&a);
    child_start(&b, BOB, bob_names_it, h);
    child_wait(&b);
    expect_echo(&honest, 1);
    child_go(&a);
    child_end(&a);
    child_go(&b);
    child_end(&b);
    client_close(&honest);
    server_stop(&server);
    return h->uid;
}

START_TEST(a_server_touches_nobodys_objects_at_a_strangers_word)
{
    ck_assert_int_eq(name_anothers("ipcd-naive"), LETTER_REPLY);
    ck_assert_int_eq(name_anothers("ipcd"), LETTER_JOIN);
}
END_TEST

/* Ids of all sorts of things, and of nothing. */
static void
bob_knocks_with_rubbish(void *arg)
{
    struct hand *h = arg;
    const int precious = h->letter;
    const int ids[] = {-1,      0,        1,       INT32_MAX,
                       1 << 20, precious, h->hall, INT32_MIN};
    const size_t n = sizeof ids / sizeof *ids;

    for (size_t k = 0; k < n * n; k++) {
        h->door = ids[k / n];
        h->letter = ids[k % n];
        h->claim = k % 2 == 0 ? 0 : BOB;
        knock(h);
    }
}

START_TEST(a_knock_with_rubbish_costs_nobody_anything)
{
    unsigned short before[DOOR_SEMS] = {1, 2, 3, 4}, after[DOOR_SEMS];
    struct host server;
    struct client c;
    struct hand *h;
    /* Root's own, of the shape of a door; not for the server to touch. */
    int precious = semget(IPC_PRIVATE, DOOR_SEMS, 0600);

    semctl(precious, 0, SETALL, (union semun){.array = before});
    server_start(&server, variant(_i));
    client_start(&server, &c);
    h = make_hand(&server, 0);
    h->letter = precious;
    h->hall = hall_find(h->where);
    run_as(BOB, bob_knocks_with_rubbish, h);
    expect_echo(&c, 100);
    ck_assert_int_eq(semctl(precious, 0, GETALL, (union semun){.array = after}),
                     0);
    ck_assert_mem_eq(before, after, sizeof before);
    client_close(&c);
    server_stop(&server);
    semctl(precious, 0, IPC_RMID);
}
END_TEST

/* Who may post on the bell may also set it to anything. */
static void
bob_silences(struct child *self, void *arg)
{
    struct hand *h = arg;
    unsigned short loud[HALL_SEMS] = {[BELL] = 32767, [DEAD] = 1};

    child_step(self);
    while (!h->stop) {
        semctl(h->hall, BELL, SETVAL, (union semun){.val = 0});
        sched_yield();
    }
    semctl(h->hall, 0, SETALL, (union semun){.array = loud});
}

START_TEST(who_scribbles_in_the_hall_delays_others_and_no_more)
{
    struct host server;
    struct client c, late;
    struct hand *h;
    struct child b;

    server_start(&server, variant(_i));
    client_start(&server, &c);
    h = make_hand(&server, 0);
    h->hall = hall_find(h->where);
    child_start(&b, BOB, bob_silences, h);
    child_wait(&b);
    child_go(&b);
    for (int n = 0; n < 3; n++)
        expect_echo(&c, 100);
    h->stop = true;
    child_end(&b);
    /* It can no longer be rung, and says that the server is dead. */
    expect_echo(&c, 100);
    ck_assert_int_eq(host_client(&server, &late), -ECONNREFUSED);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- deaths --------------------------------------------------------------- */

static void
join_and_stay(struct child *self, void *arg)
{
    struct client c;

    client_start(arg, &c);
    expect_echo(&c, 10);
    child_step(self);
}

START_TEST(the_server_clears_up_after_a_killed_client_unasked)
{
    struct host server;
    char *before;
    struct child c;

    server_start(&server, variant(_i));
    before = strdup(objects_left());
    child_start(&c, geteuid(), join_and_stay, &server);
    child_wait(&c);
    ck_assert_str_ne(objects_left(), before);
    child_kill(&c);
    /* No request wakes the server; the client's will does. */
    while (strcmp(objects_left(), before) != 0)
        sched_yield();
    free(before);
    server_stop(&server);
}
END_TEST

static void
hold_the_board(struct child *self, void *arg)
{
    int hall = hall_find(((struct host *)arg)->where);
    struct sembuf take = {BOARD, -1, SEM_UNDO};

    ck_assert_int_eq(semop(hall, &take, 1), 0);
    child_step(self);
}

START_TEST(who_dies_with_the_board_in_his_hand_gives_it_back)
{
    struct host server;
    struct client client;
    struct child c;

    server_start(&server, variant(_i));
    child_start(&c, geteuid(), hold_the_board, &server);
    child_wait(&c);
    child_kill(&c);
    client_start(&server, &client);
    expect_echo(&client, 10);
    client_close(&client);
    server_stop(&server);
}
END_TEST

START_TEST(a_killed_servers_hall_is_known_to_be_empty)
{
    char name[ENDPOINT_SIZE];
    struct host server;
    struct client c;
    int lock;

    server_start(&server, variant(_i));
    strcpy(name, server.where);
    server_kill(&server);
    /* The set is still there; its will says that nobody is at home. */
    ck_assert_int_ge(hall_find(name), 0);
    ck_assert_int_eq(client_open(&c, variant(_i), name), -ECONNREFUSED);
    lock = endpoint_lock(name, NULL);
    ck_assert_int_eq(variant(_i)->sweep(name), 1);
    endpoint_unlock(name, lock);
}
END_TEST

/* -- whom a client trusts ------------------------------------------------- */

START_TEST(a_client_uses_only_the_hall_of_the_directorys_owner)
{
    struct semid_ds ds;
    struct host server;
    struct client c;
    int hall;

    server_start(&server, variant(_i));
    hall = hall_find(server.where);
    ck_assert_int_eq(semctl(hall, 0, IPC_STAT, (union semun){.buf = &ds}), 0);
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
test_hall(void)
{
    Suite *s = suite_create("hall");

    for (int i = 0; i < 2; i++) {
        TCase *tc = test_case(s, variants[i]);
        const char *no = need_mechanism(variant(i));
        const char *no_attack = no != NULL ? no : need_strangers(variant(i));

        add_loop_test_if(tc, no,
                         the_server_clears_up_after_a_killed_client_unasked, i);
        add_loop_test_if(tc, no,
                         who_dies_with_the_board_in_his_hand_gives_it_back, i);
        add_loop_test_if(tc, no, a_killed_servers_hall_is_known_to_be_empty, i);
        add_loop_test_if(
            tc, no, a_client_uses_only_the_hall_of_the_directorys_owner, i);
        if (i == 0) {
            add_test_if(tc, no_attack, a_claimed_uid_must_be_the_creators);
            add_test_if(tc, no_attack,
                        a_server_touches_nobodys_objects_at_a_strangers_word);
        }
        add_loop_test_if(tc, no_attack,
                         a_knock_with_rubbish_costs_nobody_anything, i);
        add_loop_test_if(tc, no_attack,
                         who_scribbles_in_the_hall_delays_others_and_no_more,
                         i);
    }
    return s;
}
