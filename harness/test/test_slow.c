/*
 * test_slow.c - what takes long is not waited for: on every daemon variant
 * others are served meanwhile, and each reply goes to whom it belongs.
 *
 * No test here measures time.  What is looked at is the order in which things
 * happen: how many requests the server says are under way (stats).  Only where
 * the machine has kept us from looking for as long as a request sleeps is it
 * tried again, with one that sleeps for longer.
 */
#define _GNU_SOURCE /* kill */
#include "test/both/silent.h"
#include "test/subject.h"

#include "core/clock.h"
#include "core/quota.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_slow(void);

#define SLEEPERS 3
#define ROUNDS   20

/* ms: enough where nobody keeps us from looking, and then the most there is. */
static uint32_t
sleep_in(unsigned round)
{
    return round < 3 ? 100u << round : 1000;
}

static uint64_t
under_way(struct client *c)
{
    struct reply r;

    expect_call(c, "stats", NULL, WIRE_OK, &r);
    return r.results[4].u64;
}

/* Until so many are. */
static void
await_under_way(struct client *c, uint64_t n)
{
    int64_t deadline = deadline_in(CALL_TIMEOUT);

    while (under_way(c) != n) {
        ck_assert_msg(time_left(deadline) > 0, "%s: never %ju under way",
                      subject->name, (uintmax_t)n);
        sched_yield();
    }
}

/* Three sleep; another one is greeted before any of them wakes. */
static bool
all_sleep_at_once(struct client *sleepers, struct client *other, uint32_t ms)
{
    uint64_t id[SLEEPERS];
    struct api_value name = string_value("you");
    struct reply r;
    bool seen;

    for (size_t i = 0; i < SLEEPERS; i++)
        id[i] =
            send_request(&sleepers[i], "sleep", (struct api_value){.u32 = ms});
    for (size_t i = 0; i < 1000 && under_way(other) != SLEEPERS; i++)
        sched_yield();
    expect_call(other, "hello", &name, WIRE_OK, &r);
    seen = under_way(other) == SLEEPERS;
    for (size_t i = 0; i < SLEEPERS; i++)
        expect_reply(&sleepers[i], id[i]);
    return seen;
}

START_TEST(three_sleep_side_by_side_and_keep_nobody_waiting)
{
    struct client sleepers[SLEEPERS];
    bool seen = false;

    begin(_i);
    for (size_t i = 0; i < SLEEPERS; i++)
        client_start(&server, &sleepers[i]);
    for (unsigned i = 0; i < ROUNDS && !seen; i++)
        seen = all_sleep_at_once(sleepers, &client, sleep_in(i));
    ck_assert_msg(seen, "%s: never were three under way", subject->name);
    await_under_way(&client, 0);
    for (size_t i = 0; i < SLEEPERS; i++)
        client_close(&sleepers[i]);
    end();
}
END_TEST

/* Returns while one sleeps. */
static void
let_sleep(struct client *sleeper, struct client *other)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct api_value ms = {.u32 = sleep_in(i)};
        const int64_t end = deadline_in(ms.u32 * NS_PER_MS);
        const uint64_t id = send_request(sleeper, "sleep", ms);

        do
            if (under_way(other) == 1)
                return;
        while (time_left(end) > 0);
        expect_reply(sleeper, id);
    }
    ck_abort_msg("%s: never one under way", subject->name);
}

START_TEST(a_late_reply_goes_to_nobody_else)
{
    struct client gone, next;
    struct reply r;

    begin(_i);
    client_start(&server, &gone);
    let_sleep(&gone, &client);
    client_close(&gone);
    client_start(&server, &next); /* where that one was, if that is noticed */
    expect_echo(&next, 10);
    await_under_way(&client, 0);
    ck_assert_int_eq(client_recv(&next, &r, 0), -ETIMEDOUT);
    expect_echo(&next, 10);
    client_close(&next);
    end();
}
END_TEST

START_TEST(a_server_that_stops_leaves_nobody_asleep)
{
    struct reply r;
    int err;

    begin(_i);
    send_request(&client, "sleep", (struct api_value){.u32 = 1000});
    signal_server(SIGTERM);
    err = client_recv(&client, &r, CALL_TIMEOUT);
    if (err == 0)
        ck_assert(r.status == WIRE_OK || r.os_error == ECANCELED);
    else
        ck_assert_msg(err == -EPIPE || (has(IPC_LOSSY) && err == -ETIMEDOUT),
                      "%s: %s", subject->name, strerror(-err));
    end();
}
END_TEST

/* -- not all of one user's ------------------------------------------------- */

/* One request more than one user may have under way, by these in turn; how many
 * are refused. */
static size_t
ask_for_one_too_many(struct client *c, size_t clients, uint32_t ms)
{
    const size_t most = (size_t)quota_kinds[QUOTA_SLOW].per_user;
    size_t busy = 0;
    struct reply r;

    for (size_t i = 0; i <= most; i++)
        send_request(&c[i % clients], "sleep", (struct api_value){.u32 = ms});
    for (size_t i = 0; i <= most; i++) {
        ck_assert_int_eq(client_recv(&c[i % clients], &r, CALL_TIMEOUT), 0);
        if (r.status == WIRE_BUSY) {
            ck_assert_int_eq(r.os_error, EAGAIN);
            busy++;
        } else {
            ck_assert_uint_eq(r.status, WIRE_OK);
        }
    }
    return busy;
}

/* As many clients as it takes, if there is room for them: each may only have so
 * many replies that it has not taken.  Nobody is refused only where the first
 * were through before the last was looked at. */
static void
ask_for_too_many(void *arg)
{
    const size_t most = (size_t)quota_kinds[QUOTA_SLOW].per_user;
    struct client *c = calloc(most + 1, sizeof *c);
    size_t clients = 0, busy = 0;

    (void)arg;
    ck_assert_ptr_nonnull(c);
    while (clients <= most && client_try(&server, &c[clients]) == 0)
        clients++;
    ck_assert_uint_ge(clients, has(IPC_PIPELINED) ? 1 : most + 1);
    for (unsigned i = 0; i < ROUNDS && busy == 0; i++)
        busy = ask_for_one_too_many(c, clients, sleep_in(i));
    ck_assert_uint_eq(busy, 1);
    expect_echo(&c[0], 10);
    while (clients > 0)
        client_close(&c[--clients]);
    free(c);
}

START_TEST(one_user_has_so_many_under_way_and_is_told)
{
    begin(_i);
    as_user(ALICE, ask_for_too_many, NULL);
    await_under_way(&client, 0);
    end();
}
END_TEST

START_TEST(a_request_that_is_asked_again_waits_once)
{
    uint8_t frame[WIRE_HEADER + 4];
    const uint8_t ms[4] = {100};
    struct reply r;

    begin(_i);
    raw_frame(frame, API_sleep, 7, ms, sizeof ms);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(raw_send(&client, frame, sizeof frame, -1), 0);
    ck_assert_int_eq(client_recv(&client, &r, CALL_TIMEOUT), 0);
    ck_assert_uint_eq(r.id, 7);
    ck_assert_uint_eq(r.status, WIRE_OK);
    await_under_way(&client, 0);
    ck_assert_int_eq(client_recv(&client, &r, 0), -ETIMEDOUT);
    end();
}
END_TEST

/* -- files that somebody's program hands out ------------------------------- */

static void
asks_for_it(struct actor *self, void *path)
{
    const struct api_value args[] = {
        string_value(path), {.u64 = 0}, {.u32 = 10}};
    struct client asks;
    struct reply r;

    (void)self;
    client_start(&server, &asks);
    ck_assert_int_eq(
        client_call(&asks, api_by_name("read_file"), args, &r, CALL_TIMEOUT),
        0);
    ck_assert_int_eq(r.os_error, ETIMEDOUT);
    client_close(&asks);
}

START_TEST(a_file_that_never_comes_keeps_nobody_waiting)
{
    char dir[ENDPOINT_SIZE + 16], path[ENDPOINT_SIZE + 32];
    struct actor alice;
    pid_t file_system;

    snprintf(dir, sizeof dir, "%s/silence", run_dir);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    file_system = silent_start(dir, ALICE);
    ck_assert_msg(file_system > 0, "mount: %s", strerror(-file_system));
    snprintf(path, sizeof path, "%s/file", dir);
    begin(_i);
    actor_start(&alice, ALICE, asks_for_it, path);
    await_under_way(&client, 1);
    expect_echo(&client, 10);
    ck_assert_uint_eq(under_way(&client), 1);
    actor_end(&alice);
    end();
    silent_end(file_system, dir);
    children_end(); /* the worker, too, whom no signal could end */
    rmdir(dir);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

/* For as many clients of one user as he may have requests under way. */
static bool
has_room(const struct ipc_mechanism *m)
{
    struct ipc_limits l;

    return (m->caps & IPC_PIPELINED) != 0 ||
           (m->limits(&l) == 0 &&
            l.max_clients / 2 > quota_kinds[QUOTA_SLOW].per_user);
}

Suite *
test_slow(void)
{
    Suite *s = suite_create("slow");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        const struct ipc_mechanism *m = ipc_registry[i];
        TCase *tc = test_case(s, m->name);

        add(tc, i, three_sleep_side_by_side_and_keep_nobody_waiting, 0,
            PRIVATE);
        add(tc, i, a_late_reply_goes_to_nobody_else, 0, PRIVATE);
        add(tc, i, a_server_that_stops_leaves_nobody_asleep, 0, PRIVATE);
        add(tc, i, a_request_that_is_asked_again_waits_once, IPC_PIPELINED,
            PRIVATE);
        if (!(m->caps & IPC_TRUSTING) && has_room(m))
            add_as_root(tc, i, one_user_has_so_many_under_way_and_is_told,
                        PRIVATE);
        if (m->samples & IPC_SAMPLE_SLOW)
            add_if(tc, i, silent_missing(),
                   a_file_that_never_comes_keeps_nobody_waiting, 0, PRIVATE);
    }
    return s;
}
