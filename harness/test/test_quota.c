/*
 * test_quota.c - what is counted for all is not one user's: descriptors on
 * their way, counters, remembered ids, lines of the log and of the audit.
 */
#define _GNU_SOURCE /* setrlimit */
#include "test/ruled.h"
#include "test/test.h"

#include "core/clock.h"
#include "core/quota.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

Suite *test_quota(void);

static struct host server;

/* -- descriptors on their way ---------------------------------------------- */

/* Asks for files on many connections, and takes none. */
static void
never_takes_a_file(struct actor *self, void *arg)
{
    const struct api_value path = string_value("/etc/passwd");
    struct client c[8];

    (void)arg;
    for (size_t i = 0; i < 8; i++) {
        client_start(&server, &c[i]);
        for (size_t k = 0; k < 200; k++)
            if (client_send(&c[i], api_by_name("open_file"), &path, NULL,
                            CALL_TIMEOUT) != 0)
                break; /* cut off; or it is full */
    }
    actor_step(self);
    for (size_t i = 0; i < 8; i++)
        client_close(&c[i]);
}

/* In a client of its own: until the server has no more to do for the others. */
static void
await_nothing_under_way(void)
{
    int64_t deadline = deadline_in(CALL_TIMEOUT);
    struct client c;
    struct reply r;

    client_start(&server, &c);
    do {
        expect_call(&c, "stats", NULL, WIRE_OK, &r);
        ck_assert_int_gt(time_left(deadline), 0);
    } while (r.results[4].u64 > 0);
    client_close(&c);
}

/* As often as one likes, if one takes them. */
static void
takes_many(void *arg)
{
    const struct api_value path = string_value("/etc/passwd");
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&server, &c);
    for (int i = 0; i < 100; i++) {
        expect_call(&c, "open_file", &path, WIRE_OK, &r);
        ck_assert_int_ne(r.fd, -1);
        close(r.fd);
    }
    client_close(&c);
}

START_TEST(who_takes_no_descriptor_keeps_none_from_others)
{
    /* The kernel counts those on their way against this. */
    const struct rlimit few = {256, 256};
    struct actor greedy;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    server_start(&server, ipc_registry[_i]);
    actor_start(&greedy, ALICE, never_takes_a_file, NULL);
    actor_wait(&greedy);
    await_nothing_under_way();
    as_user(BOB, takes_many, NULL);
    actor_go(&greedy);
    actor_end(&greedy);
    server_stop(&server);
    children_end(); /* workers that it had no time to see off */
}
END_TEST

static void
takes_as_many_as_there_are(void *arg)
{
    const struct api_value path = string_value("/etc/passwd");
    const uint64_t most = quota_kinds[QUOTA_DESCRIPTORS].per_user;
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&server, &c);
    for (uint64_t i = 0; i < 3 * most; i++) {
        expect_call(&c, "open_file", &path, WIRE_OK, &r);
        close(r.fd);
    }
    client_close(&c);
}

START_TEST(what_is_taken_counts_no_more)
{
    server_start(&server, ipc_registry[_i]);
    as_user(ALICE, takes_as_many_as_there_are, NULL);
    server_stop(&server);
    children_end();
}
END_TEST

/* -- counters, and ids that are remembered -------------------------------- */

static uint32_t
count(struct client *c, const char *key, struct reply *r)
{
    const struct api_value args[] = {string_value(key), {.i64 = 1}};

    ck_assert_int_eq(
        client_call(c, api_by_name("counter_add"), args, r, CALL_TIMEOUT), 0);
    return r->status;
}

static void
takes_all_counters(void *arg)
{
    const uint64_t most = quota_kinds[QUOTA_COUNTERS].per_user;
    struct client c;
    struct reply r;
    char key[32];

    (void)arg;
    client_start(&server, &c);
    for (uint64_t i = 0; i < most; i++) {
        snprintf(key, sizeof key, "counter-%ju", (uintmax_t)i);
        ck_assert_uint_eq(count(&c, key, &r), WIRE_OK);
    }
    ck_assert_uint_eq(count(&c, "one more", &r), WIRE_OS_ERROR);
    ck_assert_int_eq(r.os_error, EDQUOT);
    ck_assert_uint_eq(count(&c, "counter-0", &r), WIRE_OK); /* it has that */
    client_close(&c);
}

START_TEST(one_user_has_some_of_the_counters)
{
    struct client c;
    struct reply r;

    server_start(&server, ipc_find("socket/stream"));
    as_user(ALICE, takes_all_counters, NULL);
    as_user(BOB, takes_all_counters, NULL);
    client_start(&server, &c);
    ck_assert_uint_eq(count(&c, "root's", &r), WIRE_OK);
    client_close(&c);
    server_stop(&server);
}
END_TEST

#define ONCE UINT64_C(4711)

/* Under that id; what the counter says then. */
static int64_t
count_once(struct client *c)
{
    const uint8_t args[] = {1, 0, 'k', 1, 0, 0, 0, 0, 0, 0, 0};
    uint8_t frame[WIRE_HEADER + sizeof args];
    struct reply r;

    raw_frame(frame, API_counter_add, ONCE, args, sizeof args);
    ck_assert_int_eq(raw_send(c, frame, sizeof frame, -1), 0);
    ck_assert_int_eq(client_recv(c, &r, CALL_TIMEOUT), 0);
    ck_assert_uint_eq(r.status, WIRE_OK);
    return r.results[0].i64;
}

static void
repeats_herself(struct actor *self, void *arg)
{
    struct client c;

    (void)arg;
    client_start(&server, &c);
    ck_assert_int_eq(count_once(&c), 1);
    actor_step(self); /* Bob counts */
    ck_assert_int_eq(count_once(&c), 1);
    client_close(&c);
}

static void
counts_and_counts(void *arg)
{
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&server, &c);
    for (int i = 0; i < 1100; i++) /* once, 1024 were remembered of all */
        ck_assert_uint_eq(count(&c, "mine", &r), WIRE_OK);
    client_close(&c);
}

START_TEST(nobody_makes_the_server_forget_anothers_request)
{
    struct actor alice;

    server_start(&server, ipc_find("socket/stream"));
    actor_start(&alice, ALICE, repeats_herself, NULL);
    actor_wait(&alice);
    as_user(BOB, counts_and_counts, NULL);
    actor_go(&alice);
    actor_end(&alice);
    server_stop(&server);
}
END_TEST

/* -- the log -------------------------------------------------------------- */

static void
fills_the_log(void *arg)
{
    char text[1024];
    const struct api_value line = {.at = text, .len = sizeof text};
    struct client c;
    struct reply r;

    (void)arg;
    memset(text, 'x', sizeof text);
    client_start(&server, &c);
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq(
            client_call(&c, api_by_name("append_log"), &line, &r, CALL_TIMEOUT),
            0);
        if (r.status != WIRE_OK)
            break;
    }
    ck_assert_uint_eq(r.status, WIRE_BUSY);
    client_close(&c);
}

START_TEST(one_user_does_not_fill_the_log)
{
    const struct api_value line = string_value("all is well");
    char log[ENDPOINT_SIZE + 16];
    struct client c;
    struct reply r;

    server_start(&server, ipc_find("socket/stream"));
    as_user(ALICE, fills_the_log, NULL);
    client_start(&server, &c);
    expect_call(&c, "append_log", &line, WIRE_OK, &r);
    ck_assert_uint_lt(r.results[0].u64, 2 << 20);
    client_close(&c);
    server_stop(&server);
    snprintf(log, sizeof log, "%s/append.log", run_dir);
    ck_assert_int_eq(unlink(log), 0);
}
END_TEST

/* -- the audit ------------------------------------------------------------ */

#define GREETINGS 20000

static void
greets_and_greets(void *arg)
{
    const struct api_value name = string_value("you");
    struct ruled *r = arg;
    struct client c;
    struct reply reply;

    client_start(&r->host, &c);
    for (int i = 0; i < GREETINGS; i++)
        expect_call(&c, "hello", &name, WIRE_OK, &reply);
    /* What writes is not done if it cannot be audited. */
    do
        ck_assert_int_eq(client_call(&c, api_by_name("append_log"), &name,
                                     &reply, CALL_TIMEOUT),
                         0);
    while (reply.status == WIRE_OK);
    ck_assert_uint_eq(reply.status, WIRE_BUSY);
    client_close(&c);
}

/* The whole file, as soon as this is in it. */
static char *
read_until(const char *path, const char *what)
{
    const size_t most = 16 << 20;
    int64_t deadline = deadline_in(CALL_TIMEOUT);
    char *text = malloc(most);

    ck_assert_ptr_nonnull(text);
    do {
        FILE *in = fopen(path, "re");
        size_t n = 0;

        ck_assert_ptr_nonnull(in);
        n = fread(text, 1, most - 1, in);
        text[n] = '\0';
        fclose(in);
        ck_assert_int_gt(time_left(deadline), 0);
    } while (strstr(text, what) == NULL);
    return text;
}

START_TEST(one_user_does_not_fill_the_audit)
{
    const struct api_value text = string_value("all is well");
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;
    char *text_of_audit;

    ruled_start(&r, ipc_find("socket/stream"), geteuid(),
                "deny shutdown any\n");
    as_user(ALICE, greets_and_greets, &r);
    client_start(&r.host, &c);
    expect_call(&c, "append_log", &text, WIRE_OK, &reply);
    client_close(&c);
    ck_assert_int_eq(kill(r.host.pid, SIGTERM), 0);
    text_of_audit = read_until(r.audit, " event=lines-omitted ");
    ck_assert_uint_lt(strlen(text_of_audit), 2 << 20);
    ck_assert_ptr_nonnull(strstr(text_of_audit, "all is well"));
    free(text_of_audit);
    ruled_stop(&r);
}
END_TEST

/* -- what there is, and what one has -------------------------------------- */

START_TEST(the_server_says_who_has_what)
{
    struct api_value index = {.u32 = 0},
                     key[] = {string_value("k"), {.i64 = 1}};
    struct client c;
    struct reply r;

    server_start(&server, ipc_find("socket/stream"));
    client_start(&server, &c);
    expect_call(&c, "counter_add", key, WIRE_OK, &r);
    for (; index.u32 < QUOTA_KINDS; index.u32++) {
        const struct quota_kind_limits *k = &quota_kinds[index.u32];

        expect_call(&c, "quota", &index, WIRE_OK, &r);
        ck_assert_uint_eq(r.results[0].u32, QUOTA_KINDS);
        ck_assert(value_is(&r.results[1], k->name));
        ck_assert_uint_eq(r.results[4].u64, k->per_user);
        ck_assert_uint_eq(r.results[6].u64, k->in_all);
        if (index.u32 == QUOTA_COUNTERS) {
            ck_assert_uint_eq(r.results[3].u64, 1);
            ck_assert_uint_eq(r.results[5].u64, 1);
        }
    }
    expect_call(&c, "quota", &index, WIRE_BAD_ARGS, &r);
    index.u32 = UINT32_MAX;
    expect_call(&c, "quota", &index, WIRE_BAD_ARGS, &r);
    expect_call(&c, "limits", NULL, WIRE_OK, &r);
    ck_assert_uint_eq(r.results[0].u64, c.limits.max_msg);
    ck_assert_uint_eq(r.results[2].u32, c.limits.max_clients);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* The line of this user's counters; -1: no such line is told. */
static int64_t
counters_told(struct client *c, uid_t uid)
{
    struct api_value index = {.u32 = 0};
    int64_t told = -1;
    struct reply r;

    do {
        expect_call(c, "usage", &index, WIRE_OK, &r);
        if (index.u32 < r.results[0].u32 && r.results[1].i64 == (int64_t)uid &&
            value_is(&r.results[2], "counters"))
            told = (int64_t)r.results[3].u64;
    } while (++index.u32 < r.results[0].u32);
    return told;
}

static void
count_and_ask(void *arg)
{
    struct api_value add[] = {string_value("k"), {.i64 = 1}};
    const uid_t *others = arg;
    struct client c;
    struct reply r;

    client_start(&server, &c);
    expect_call(&c, "counter_add", add, WIRE_OK, &r);
    add[0] = string_value("l");
    expect_call(&c, "counter_add", add, WIRE_OK, &r);
    ck_assert_int_eq(counters_told(&c, geteuid()), 2);
    ck_assert_int_eq(counters_told(&c, *others), geteuid() == 0 ? 2 : -1);
    client_close(&c);
}

START_TEST(root_sees_what_all_have_and_others_what_is_theirs)
{
    uid_t alice = ALICE, bob = BOB;

    server_start(&server, ipc_find("socket/stream"));
    as_user(ALICE, count_and_ask, &bob);
    as_user(BOB, count_and_ask, &alice);
    count_and_ask(&bob);
    server_stop(&server);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *
test_quota(void)
{
    Suite *s = suite_create("quota");
    TCase *tc = test_case(s, "quota");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        const char *reason = need_mechanism(ipc_registry[i]);

        if (!(ipc_registry[i]->caps & IPC_PASSES_FD) ||
            (ipc_registry[i]->caps & (IPC_SPAWNED | IPC_INPROCESS)))
            continue;
        if (reason == NULL)
            reason = need_root();
        add_loop_test_if(tc, reason,
                         who_takes_no_descriptor_keeps_none_from_others, i);
        add_loop_test_if(tc, reason, what_is_taken_counts_no_more, i);
    }
    add_test_if(tc, need_root(), one_user_has_some_of_the_counters);
    add_test_if(tc, need_root(),
                nobody_makes_the_server_forget_anothers_request);
    add_test_if(tc, need_root(), one_user_does_not_fill_the_log);
    add_test_if(tc, need_mounts(), one_user_does_not_fill_the_audit);
    add_test_if(tc, NULL, the_server_says_who_has_what);
    add_test_if(tc, need_root(),
                root_sees_what_all_have_and_others_what_is_theirs);
    return s;
}
