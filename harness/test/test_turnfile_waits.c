/*
 * test_turnfile_waits.c - mmap/lockfile and shm/reclock: how long their server
 * sleeps, and what becomes of who makes it wait.  The server is driven by the
 * test, turn by turn.
 */
#include "test/test.h"

#include "core/clock.h"
#include "core/rings.h"
#include "core/turnfile.h"
#include "test/both/driven.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

Suite *test_turnfile_waits(void);

static const char *const variants[] = {"mmap/lockfile", "shm/reclock"};

/* Where a client goes; shared with it. */
struct place {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    bool fell; /* the test has seen what it wanted */
};

/* -- asleep ---------------------------------------------------------------- */

START_TEST(a_server_without_clients_has_no_timer)
{
    expect_no_timer(ipc_find(variants[_i]));
}
END_TEST

static void
joins_and_asks_late(struct actor *self, void *arg)
{
    struct place *at = arg;
    struct client c;

    actor_step(self);
    ck_assert_int_eq(client_open(&c, at->m, at->where), 0);
    actor_step(self); /* for long */
    ck_assert_int_eq(
        client_send(&c, api_by_name("whoami"), NULL, NULL, CALL_TIMEOUT), 0);
    actor_step(self);
    client_close(&c);
}

/* Steps of the server until the child has come to its next one. */
static void
drive_until(struct driven *d, bool (*done)(const struct turnfile_server *))
{
    const int64_t deadline = now_ns() + CALL_TIMEOUT;

    while (!done(d->srv)) {
        ck_assert(now_ns() < deadline);
        ck_assert_int_ne(drive(d, 5 * NS_PER_MS), 0);
    }
}

static bool
has_two(const struct turnfile_server *s)
{
    return s->sessions.count == 2;
}

static bool
looks_rarely(const struct turnfile_server *s)
{
    return s->slice >= 32 * TURNFILE_SLICE;
}

#define HOUR (3600 * NS_PER_SEC)

START_TEST(an_idle_server_looks_ever_more_rarely_and_the_silent_ring)
{
    struct turnfile_server *s;
    struct driven d;
    struct actor c[2];
    struct place *at;

    ck_assert_int_eq(drive_begin(&d, variants[_i], run_dir), 0);
    s = d.srv;
    at = shared(sizeof *at);
    at->m = d.m;
    strcpy(at->where, d.where);
    for (int i = 0; i < 2; i++) {
        actor_start(&c[i], geteuid(), joins_and_asks_late, at);
        actor_wait(&c[i]);
        actor_go(&c[i]);
    }
    drive_until(&d, has_two);
    for (int i = 0; i < 2; i++)
        actor_wait(&c[i]);
    drive_until(&d, looks_rarely);
    ck_assert(!s->alarm.rang);
    s->slice = HOUR; /* and nothing but the ring can be what wakes it */
    s->next_look = 0;
    ck_assert_int_eq(drive(&d, 0), -ETIMEDOUT);
    ck_assert_int_eq(s->slice, 2 * HOUR);
    actor_go(&c[1]);
    actor_wait(&c[1]);
    ck_assert(s->alarm.rang); /* whoever of the two we sleep for */
    ck_assert_int_eq(drive(&d, CALL_TIMEOUT), 0);
    ck_assert_int_ge(s->next_look, 0);
    for (int i = 0; i < 2; i++)
        ck_assert(actor_kill(&c[i]));
    drive_end(&d);
}
END_TEST

/* -- being made to wait ---------------------------------------------------- */

/* As the kernel does that has to wait for somebody else. */
static int
open_slowly(enum object_space space, int dir, const char *name, int flags,
            uid_t uid)
{
    poll_until(NULL, 0, now_ns() + 2 * stall_limit);
    return object_open_here(space, dir, name, flags, uid);
}

static void
bob_is_kept_out(struct actor *self, void *arg)
{
    struct place *at = arg;
    struct client c;

    ipc_open_timeout = 200 * NS_PER_MS;
    actor_step(self);
    for (int i = 0; !at->fell; i++) {
        ck_assert_int_lt(i, 20);
        if (client_open(&c, at->m, at->where) == 0)
            client_close(&c);
    }
}

/* Everything that opens a regular file of a client's. */
static const char *const with_files[] = {"mmap/lockfile", "mmap/file"};

START_TEST(who_makes_the_server_wait_while_it_joins_is_barred)
{
    const int64_t deadline = now_ns() + CALL_TIMEOUT;
    struct sessions *sessions;
    struct driven d;
    struct actor bob;
    struct place *at = shared(sizeof *at);

    stall_limit = NS_PER_MS;
    object_opener = open_slowly;
    ck_assert_int_eq(drive_begin(&d, with_files[_i], run_dir), 0);
    sessions = _i == 0 ? &((struct turnfile_server *)d.srv)->sessions
                       : &((struct rings_server *)d.srv)->sessions;
    at->m = d.m;
    strcpy(at->where, d.where);
    actor_start(&bob, BOB, bob_is_kept_out, at);
    actor_wait(&bob);
    actor_go(&bob);
    while (!sessions_barred(sessions, BOB, now_ns())) {
        ck_assert(now_ns() < deadline);
        ck_assert_int_ne(drive(&d, 5 * NS_PER_MS), 0);
        ck_assert(!sessions_barred(sessions, geteuid(), now_ns()));
    }
    ck_assert_uint_eq(sessions->count, 0); /* and disconnected */
    at->fell = true;
    ck_assert(actor_kill(&bob));
    drive_end(&d);
}
END_TEST

static bool
has_one(const struct turnfile_server *s)
{
    return s->sessions.count == 1;
}

/* Nothing is ever as fast as that. */
#define AT_ONCE INT64_C(-1)

/* While its request is read (0), and while the reply is written (1). */
static void
take_too_long(int i, bool writing)
{
    const int64_t limit = stall_limit;
    struct turnfile_server *s;
    struct driven d;
    struct actor c;
    struct place *at = shared(sizeof *at);

    ck_assert_int_eq(drive_begin(&d, variants[i], run_dir), 0);
    s = d.srv;
    at->m = d.m;
    strcpy(at->where, d.where);
    actor_start(&c, geteuid(), joins_and_asks_late, at);
    actor_wait(&c);
    actor_go(&c);
    drive_until(&d, has_one);
    actor_wait(&c);
    actor_go(&c);
    actor_wait(&c); /* it has asked */
    stall_limit = writing ? limit : AT_ONCE;
    ck_assert_int_eq(drive(&d, 0), writing ? 0 : -ETIMEDOUT);
    stall_limit = AT_ONCE;
    d.req.msg.fd = -1;
    if (writing)
        ck_assert_int_eq(d.m->reply(s, &d.req, &d.req.msg), -EPIPE);
    ck_assert_uint_eq(s->sessions.count, 0);
    stall_limit = limit;
    ck_assert(actor_kill(&c));
    drive_end(&d);
}

START_TEST(what_takes_too_long_costs_the_session)
{
    take_too_long(_i, false);
    take_too_long(_i, true);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *
test_turnfile_waits(void)
{
    Suite *s = suite_create("turnfile_waits");

    for (int i = 0; i < 2; i++) {
        const char *reason = need_mechanism(ipc_find(variants[i]));
        TCase *tc = test_case(s, variants[i]);

        add_loop_test_if(tc, reason != NULL ? reason : need_calls(),
                         a_server_without_clients_has_no_timer, i);
        add_loop_test_if(
            tc, reason,
            an_idle_server_looks_ever_more_rarely_and_the_silent_ring, i);
        add_loop_test_if(tc, reason, what_takes_too_long_costs_the_session, i);
    }
    for (int i = 0; i < 2; i++)
        add_loop_test_if(test_case(s, with_files[i]), need_root(),
                         who_makes_the_server_wait_while_it_joins_is_barred, i);
    return s;
}
