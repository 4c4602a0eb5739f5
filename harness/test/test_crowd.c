/*
 * test_crowd.c - every mechanism among other processes that are too many, too
 * fast or too lazy.  What one client does is not to be felt by the others.
 */
#include "test/asked.h"
#include "test/subject.h"

#include "core/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_crowd(void);

static void
talk(struct actor *self, void *arg)
{
    struct client c;
    size_t most, rounds;

    (void)arg;
    client_start(&server, &c);
    most = echo_room(&c) < 5000 ? echo_room(&c) : 5000;
    /* What carries least carries it bit by bit, and takes its time. */
    rounds = most < 1000 ? 40 : 150;
    actor_step(self);
    for (size_t i = 0; i < rounds; i++)
        expect_echo(&c, (i * 37 + (size_t)self->pid) % (most + 1));
    client_close(&c);
}

START_TEST(four_clients_never_get_each_others_replies)
{
    struct actor c[4];

    begin_alone(_i);
    for (size_t i = 0; i < 4; i++)
        actor_start(&c[i], geteuid(), talk, NULL);
    for (size_t i = 0; i < 4; i++)
        actor_wait(&c[i]);
    for (size_t i = 0; i < 4; i++)
        actor_go(&c[i]);
    for (size_t i = 0; i < 4; i++)
        actor_end(&c[i]);
    server_stop(&server);
}
END_TEST

struct asker {
    const struct local *server;
    const char *who; /* one letter */
    unsigned ahead;  /* requests under way at once */
};

/* Opens; sends all it may; then one more for each reply. */
static void
ask(struct actor *self, void *arg)
{
    const struct asker *a = arg;
    struct client c;
    struct reply r;

    ck_assert_int_eq(client_open(&c, subject, a->server->name), 0);
    actor_step(self);
    for (unsigned i = 0; i < a->ahead; i++)
        send_request(&c, "echo", string_value(a->who));
    for (;;) {
        actor_step(self);
        ck_assert_int_eq(client_recv(&c, &r, CALL_TIMEOUT), 0);
        send_request(&c, "echo", string_value(a->who));
    }
}

/* Opening takes a server that takes part. */
static void
serve_until_ready(struct local *l, struct actor *c)
{
    struct pollfd p = {.fd = c->in, .events = POLLIN};

    while (poll(&p, 1, 0) == 0) {
        int err = service_step(&l->service, NS_PER_MS);

        ck_assert(err == 0 || err == -ETIMEDOUT || err == -EINTR);
    }
    actor_wait(c);
}

/* How many small requests one client can have under way: a stream holds at
 * least a page of them, 4096 bytes (pipe(7), PIPE_BUF). */
static unsigned
flood_size(const struct ipc_limits *limits)
{
    unsigned n = has(IPC_BOUNDARIES) ? limits->max_inflight : 16;

    if (!has(IPC_PIPELINED))
        return 1;
    return n < 16 ? n : 16;
}

START_TEST(who_floods_the_server_does_not_starve_the_others)
{
    struct local l;
    struct asker flooder = {&l, "A", 0}, patient = {&l, "B", 1};
    struct actor a, b;
    unsigned served = 0, most;

    local_begin(&l, _i);
    most = flooder.ahead = flood_size(&l.service.limits);
    /* When B's own thread runs is the scheduler's to say; only not: never. */
    if (has(IPC_THREADS))
        most *= 10;
    actor_start(&a, geteuid(), ask, &flooder);
    serve_until_ready(&l, &a);
    actor_start(&b, geteuid(), ask, &patient);
    serve_until_ready(&l, &b);
    actor_go(&a);
    actor_wait(&a); /* A's requests are there ... */
    actor_go(&b);
    actor_wait(&b); /* ... and then B's one, and A puts in another for each
                     * that it gets answered.  Those came after B's. */
    for (;;) {
        ck_assert_int_eq(service_step(&l.service, CALL_TIMEOUT), 0);
        if (l.service.in[WIRE_HEADER + sizeof(uint32_t)] == 'B')
            break;
        served++;
        doing("the request of B that has been waiting",
              "next(), A and B having sent requests, A again and again");
        if (served > most)
            is_unexpected("%u requests of A, one after the other", served);
        actor_go(&a);
        actor_wait(&a);
    }
    ck_assert(actor_kill(&a));
    ck_assert(actor_kill(&b));
    local_end(&l);
    if (subject->sweep != NULL)
        subject->sweep(l.name); /* what the two would have removed themselves */
}
END_TEST

/* A full server says so: whom it tells nothing gives up after a while
 * (ETIMEDOUT) and does not know that it may try again. */
static bool
is_refused(struct client *c)
{
    int err;

    doing("-EAGAIN", "open(), by one client more than limits() says");
    err = client_try(&server, c);
    if (err != 0 && err != -EAGAIN)
        is_unexpected("%s", result_name(err));
    return err != 0;
}

/* When one has gone.  The server may hear of the newcomer before it sees the
 * free slot; and a POSIX queue is in its user's account until the last who had
 * it open has closed it, also when its name has gone. */
static bool
is_early(struct client *c)
{
    int err = client_try(&server, c);

    ck_assert_msg(err == 0 || err == -EAGAIN ||
                      (err == -EMFILE && subject->uses & IPC_USES_QUEUE),
                  "%s: in the place of one who has gone: %s", subject->name,
                  strerror(-err));
    return err != 0;
}

START_TEST(one_client_too_many_is_refused_and_hurts_nobody)
{
    struct client *c;
    unsigned n;

    begin(_i);
    n = client.limits.max_clients - 1;
    c = calloc(n + 1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    for (unsigned i = 0; i < n; i++) {
        client_start(&server, &c[i]);
        expect_echo(&c[i], 10);
    }
    if (!is_refused(&c[n]))
        is_unexpected("success, with %u clients served already", n + 1);
    for (unsigned i = 0; i < n; i++)
        expect_echo(&c[i], 10);
    expect_echo(&client, 100);
    client_close(&c[0]);
    while (is_early(&c[0]))
        expect_echo(&client, 100);
    for (unsigned i = 0; i < n; i++)
        client_close(&c[i]);
    free(c);
    end();
}
END_TEST

static void
take_half(struct actor *self, void *arg)
{
    const unsigned half = *(unsigned *)arg;
    struct client *c = calloc(half + 1, sizeof *c);

    ck_assert_ptr_nonnull(c);
    for (unsigned i = 0; i < half; i++) {
        client_start(&server, &c[i]);
        expect_echo(&c[i], 10);
    }
    if (!is_refused(&c[half]))
        is_unexpected("success, for a user who has half of the slots already");
    actor_step(self);
    for (unsigned i = 0; i < half; i++) {
        expect_echo(&c[i], 10);
        client_close(&c[i]);
    }
    free(c);
}

static void
find_room(void *arg)
{
    struct client c;

    (void)arg;
    client_start(&server, &c);
    expect_echo(&c, 10);
    client_close(&c);
}

/* The controls: the test before this one, where it is the server's own user,
 * and ipcattack 131 to 137, where nobody is counted. */
START_TEST(one_user_gets_half_of_the_slots)
{
    struct ipc_limits l;
    struct actor bob;
    unsigned half;

    begin_alone(_i);
    ck_assert_int_eq(subject->limits(&l), 0);
    half = l.max_clients / 2;
    actor_start(&bob, BOB, take_half, &half);
    actor_wait(&bob);
    as_user(ALICE, find_room, NULL);
    actor_go(&bob);
    actor_end(&bob);
    server_stop(&server);
}
END_TEST

START_TEST(who_does_not_collect_replies_keeps_nobody_waiting)
{
    struct client lazy;
    struct api_value count;
    int err = 0;

    begin(_i);
    client_start(&server, &lazy);
    count.u32 = (uint32_t)echo_room(&lazy);
    /* Far more than any buffer on the way back holds. */
    for (unsigned i = 0; i < 500 && err == 0; i++)
        err = client_send(&lazy, api_by_name("source"), &count, NULL, 0);
    ck_assert(err == 0 || err == -ETIMEDOUT || err == -EPIPE);
    expect_echo(&client, 100);
    client_close(&lazy);
    end();
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *
test_crowd(void)
{
    Suite *s = suite_create("crowd");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        TCase *tc = test_case(s, ipc_registry[i]->name);

        add(tc, i, four_clients_never_get_each_others_replies, 0, ALONE);
        add(tc, i, who_floods_the_server_does_not_starve_the_others, 0,
            PRIVATE | IPC_TEXTBOOK);
        add(tc, i, one_client_too_many_is_refused_and_hurts_nobody, 0,
            PRIVATE | IPC_LOSSY | IPC_TEXTBOOK);
        /* Whose uid is only supposed or claimed is not counted. */
        if (ipc_registry[i]->evidence >= IPC_OWNER)
            add_as_root(tc, i, one_user_gets_half_of_the_slots,
                        PRIVATE | IPC_LOSSY | IPC_TEXTBOOK);
        add(tc, i, who_does_not_collect_replies_keeps_nobody_waiting,
            IPC_PIPELINED, PRIVATE | IPC_TEXTBOOK);
    }
    return s;
}
