/*
 * test_hall.c - what sem/values and shm/sysv have in common: the hall that
 * strangers may scribble on, the doors, the wills.
 *
 * An attack is run twice: against our server, which must refuse it, and against
 * ipcd-naive, the same program with the checks in owner.c left out
 * (core/defence.h).  There it must succeed, or the first result would prove
 * nothing.
 */
#define _GNU_SOURCE /* sched_yield, MAP_ANONYMOUS */
#include "test/test.h"

#include "hall.h"

#include "core/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_hall(void);

static const char *const variants[] = {"sem/values", "shm/sysv"};
#define IS_VALUES(i) ((i) == 0)

static const struct ipc_mechanism *
variant(int i)
{
    return ipc_find(variants[i]);
}

static void
start_server(struct host *server, int i, const char *program)
{
    struct host_options options = {.cpu = -1, .quiet = 1};
    char path[4096];

    ck_assert_int_eq(program_path(program, path, sizeof path), 0);
    options.ipcd = path;
    ck_assert_int_eq(host_start(server, variant(i), run_dir, &options), 0);
}

/* -- a client's objects, made and used by hand --------------------------------- */

#define SIZE 65600 /* bytes of a segment's body; of a set's, see below */

struct segment {
    struct letter_head head;
    uint8_t body[SIZE];
};

/* What one who knows the format has; shared with the child that uses it. */
struct hand {
    int i;
    char where[ENDPOINT_SIZE];
    uid_t claim;
    int hall, door, letter;
    struct segment *at;
    int64_t uid; /* what the server took the attacker for */
};

static struct hand *
make_hand(const struct host *server, int i, uid_t claim)
{
    struct hand *h = mmap(NULL, sizeof *h, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert(h != MAP_FAILED);
    *h = (struct hand){.i = i, .claim = claim, .uid = -2};
    strcpy(h->where, server->where);
    return h;
}

/* 18 values before the body: values.c. */
static int
value_count(void)
{
    struct ipc_limits l;

    variant(0)->limits(&l);
    return 18 + (int)l.max_msg;
}

static void
put_letter(struct hand *h, const struct letter_head *head, const void *body)
{
    unsigned short v[18 + 1088] = {0}; /* the most there are: values.c */

    if (!IS_VALUES(h->i)) {
        h->at->head = *head;
        memcpy(h->at->body, body, head->len);
        return;
    }
    v[0] = (unsigned short)head->mark;
    v[1] = (unsigned short)head->len;
    for (size_t n = 0; n < NONCE_SIZE; n++)
        v[2 + n] = head->nonce[n];
    for (size_t n = 0; n < head->len; n++)
        v[18 + n] = ((const uint8_t *)body)[n];
    ck_assert_int_eq(semctl(h->letter, 0, SETALL, (union semun){.array = v}),
                     0);
}

static void
get_letter(struct hand *h, struct letter_head *head, uint8_t body[512])
{
    unsigned short v[18 + 1088] = {0}; /* the most there are: values.c */

    if (!IS_VALUES(h->i)) {
        *head = h->at->head;
        memcpy(body, h->at->body, 512);
        return;
    }
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

    if (IS_VALUES(h->i)) {
        h->letter = semget(IPC_PRIVATE, value_count(), 0600);
    } else {
        h->letter = shmget(IPC_PRIVATE, sizeof *h->at, 0600);
        h->at = shmat(h->letter, NULL, 0);
    }
    ck_assert_int_ne(h->letter, -1);
    put_letter(h, &head, "");
}

static void
make_door(struct hand *h)
{
    h->door = semget(IPC_PRIVATE, DOOR_SEMS, 0600);
    ck_assert_int_ne(h->door, -1);
}

static void
remove_letter(struct hand *h)
{
    if (IS_VALUES(h->i))
        semctl(h->letter, 0, IPC_RMID);
    else
        shmctl(h->letter, IPC_RMID, NULL);
}

/* Knocks, and returns when the server has read the row.  What it does with it
 * is done before it serves anybody's next request. */
static void
knock(struct hand *h)
{
    const struct knock k = {h->door, h->letter, h->claim};
    struct sembuf read = {KNOCK, 0, 0};

    h->hall = hall_find(h->where);
    ck_assert_int_ge(h->hall, 0);
    ck_assert_int_eq(hall_knock(h->hall, &k, deadline_in(PATIENCE)), 0);
    ck_assert_int_eq(set_wait(h->hall, &read, 1, deadline_in(PATIENCE)), 0);
    ck_assert_int_eq(hall_leave_board(h->hall), 0);
}

/* Whom does the server take us for?  The nonce is in the letter. */
static void
ask_whoami(struct hand *h)
{
    struct sembuf over = {REQUEST, +1, 0}, back = {BACK, -1, 0};
    uint8_t frame[512], *p = frame + WIRE_HEADER;
    struct letter_head head;

    ck_assert_int_eq(semop(h->door, &back, 1), 0); /* the answer to the knock */
    get_letter(h, &head, frame);
    head.mark = LETTER_REQUEST;
    head.len = WIRE_HEADER;
    raw_frame(frame, API_whoami, 7, NULL, 0);
    put_letter(h, &head, frame);
    ck_assert_int_eq(semop(h->door, &over, 1), 0);
    ck_assert_int_eq(set_post(h->hall, BELL), 0);
    ck_assert_int_eq(set_wait(h->door, &back, 1, deadline_in(PATIENCE)), 0);
    get_letter(h, &head, frame);
    p += 2 + get16(p); /* the mechanism's name; then pid, and uid */
    h->uid = (int64_t)get64(p + 8);
}

/* -- attacks ---------------------------------------------------------------------- */

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
    remove_letter(h);
}

static int64_t
claim(int i, const char *program)
{
    struct host server;
    struct client honest;
    struct hand *h;
    struct child b;

    start_server(&server, i, program);
    client_start(&server, &honest);
    h = make_hand(&server, i, ALICE);
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
    ck_assert_int_eq(claim(_i, "ipcd-naive"), ALICE);
    ck_assert_int_eq(claim(_i, "ipcd"), -2); /* no answer at all */
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
    remove_letter(h);
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
name_anothers(int i, const char *program)
{
    struct host server;
    struct client honest;
    struct hand *h;
    struct child a, b;

    start_server(&server, i, program);
    client_start(&server, &honest);
    h = make_hand(&server, i, BOB);
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
    ck_assert_int_eq(name_anothers(_i, "ipcd-naive"), LETTER_REPLY);
    ck_assert_int_eq(name_anothers(_i, "ipcd"), LETTER_JOIN);
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
    start_server(&server, _i, "ipcd");
    client_start(&server, &c);
    h = make_hand(&server, _i, 0);
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
    atomic_bool *stop = (atomic_bool *)h->at;
    unsigned short loud[HALL_SEMS] = {[BELL] = 32767, [DEAD] = 1};

    child_step(self);
    while (!*stop) {
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

    start_server(&server, _i, "ipcd");
    client_start(&server, &c);
    h = make_hand(&server, _i, 0);
    h->hall = hall_find(h->where);
    h->at = mmap(NULL, sizeof(atomic_bool), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child_start(&b, BOB, bob_silences, h);
    child_wait(&b);
    child_go(&b);
    for (int n = 0; n < 3; n++)
        expect_echo(&c, 100);
    *(atomic_bool *)h->at = true;
    child_end(&b);
    /* It can no longer be rung, and says that the server is dead. */
    expect_echo(&c, 100);
    ck_assert_int_eq(host_client(&server, &late), -ECONNREFUSED);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- deaths ------------------------------------------------------------------------ */

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

/* -- whom a client trusts ------------------------------------------------------------ */

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
    if (geteuid() == 0) {
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
        const char *no_attack = no != NULL ? no : need_root();

        add_loop_test_if(tc, no,
                         the_server_clears_up_after_a_killed_client_unasked, i);
        add_loop_test_if(tc, no,
                         who_dies_with_the_board_in_his_hand_gives_it_back, i);
        add_loop_test_if(tc, no, a_killed_servers_hall_is_known_to_be_empty, i);
        add_loop_test_if(
            tc, no, a_client_uses_only_the_hall_of_the_directorys_owner, i);
        add_loop_test_if(tc, no_attack, a_claimed_uid_must_be_the_creators, i);
        add_loop_test_if(tc, no_attack,
                         a_server_touches_nobodys_objects_at_a_strangers_word,
                         i);
        add_loop_test_if(tc, no_attack,
                         a_knock_with_rubbish_costs_nobody_anything, i);
        add_loop_test_if(tc, no_attack,
                         who_scribbles_in_the_hall_delays_others_and_no_more,
                         i);
    }
    return s;
}
