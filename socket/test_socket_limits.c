/*
 * test_socket_limits.c - what one client can take from the others: slots and
 * time (descriptors: `ipcattack 55 56 57 110`).  Nobody waits here for a time
 * limit: the clock is a parameter, or the limit is.
 *
 * A defence has a control beside it: who may do the same without it.
 */
#define _GNU_SOURCE /* struct ucred */
#include "by_hand.h"

#include "clients.h"

#include "core/clock.h"
#include "test/both/driven.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

Suite *test_socket_limits(void);

#define CAROL 10003

/* What the first user gets, and the second: half of what is left each time
 * (core/quota.h). */
#define HALF    (IPC_MAX_CLIENTS / 2)
#define QUARTER (IPC_MAX_CLIENTS / 4)

/* -- slots ---------------------------------------------------------------- */

static const char *const daemons[] = {"socket/stream",   "socket/threads",
                                      "socket/abstract", "socket/seqpacket",
                                      "socket/tcp",      "socket/dgram"};
#define DAEMONS (sizeof daemons / sizeof *daemons)

/* Takes what it can get and holds it. */
static void
hold(struct actor *self, const struct host *server, int expected)
{
    struct client c[HALF + 1];
    int n = 0;

    while (n <= HALF && client_open(&c[n], server->m, server->where) == 0)
        n++;
    ck_assert_int_eq(n, expected);
    actor_step(self);
    while (n > 0)
        client_close(&c[--n]);
}

static void
hold_half(struct actor *self, void *server)
{
    hold(self, server, HALF);
}

static void
hold_a_quarter(struct actor *self, void *server)
{
    hold(self, server, QUARTER);
}

static void
be_served(void *arg)
{
    const struct host *server = arg;
    struct client c;

    ck_assert_int_eq(client_open(&c, server->m, server->where), 0);
    expect_echo(&c, 100);
    client_close(&c);
}

static void
be_refused(void *arg)
{
    const struct host *server = arg;
    struct client c;

    ck_assert_int_eq(client_open(&c, server->m, server->where), -EAGAIN);
}

START_TEST(two_users_who_take_all_they_can_get_leave_room_for_others)
{
    struct client c[IPC_MAX_CLIENTS];
    struct host server;
    struct actor bob, carol;
    int n = 0;

    server_start(&server, ipc_find(daemons[_i]));
    actor_start(&bob, BOB, hold_half, &server);
    actor_wait(&bob);
    actor_start(&carol, CAROL, hold_a_quarter, &server);
    actor_wait(&carol);
    as_user(ALICE, be_served, &server);
    be_served(&server);
    actor_go(&carol);
    actor_end(&carol);
    actor_go(&bob);
    actor_end(&bob);
    /* The control: root is not held to its quota.  (The server may hear the
     * next one before it sees that the last one's slot is free.) */
    while (n < IPC_MAX_CLIENTS) {
        int err = client_try(&server, &c[n]);

        ck_assert(err == 0 || err == -EAGAIN);
        n += err == 0;
    }
    as_user(ALICE, be_refused, &server);
    while (n > 0)
        client_close(&c[--n]);
    server_stop(&server);
}
END_TEST

/* -- time ----------------------------------------------------------------- */

/* Has the server work until it has said the next byte, or the end, to fd. */
static ssize_t
drive_until_heard(struct driven *d, int fd)
{
    char byte;
    ssize_t n;

    do {
        ck_assert_int_eq(drive(d, 0), -ETIMEDOUT);
        n = recv(fd, &byte, 1, MSG_DONTWAIT);
    } while (n == -1 && errno == EAGAIN);
    return n;
}

/* How much of a request comes. */
static const size_t parts[] = {1, WIRE_HEADER - 1, WIRE_HEADER + 1};

START_TEST(who_does_not_finish_what_he_began_is_cut_off)
{
    uint8_t frame[WIRE_HEADER + 4];
    struct driven d;
    int silent, half;

    ck_assert_int_eq(drive_begin(&d, daemons[_i], run_dir), 0);
    raw_frame(frame, API_whoami, 1, "body", 4);
    silent = connect_only(d.m, d.where);
    ck_assert_int_eq(drive_until_heard(&d, silent), 1); /* handshake */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        half = connect_only(d.m, d.where);
        ck_assert_int_eq(drive_until_heard(&d, half), 1);
        timeout_limits[REST_OF_HEADER] = timeout_limits[REST_OF_BODY] = 1;
        ck_assert_int_eq(send(half, frame, parts[i], 0), (ssize_t)parts[i]);
        ck_assert_int_eq(drive_until_heard(&d, half), 0);
        close(half);
    }
    /* The control: who has not begun is not cut off, nor is who is quick. */
    ck_assert_int_eq(send(silent, frame, sizeof frame, 0), sizeof frame);
    ck_assert_int_eq(drive(&d, CALL_TIMEOUT), 0);
    ck_assert_uint_eq(d.req.msg.len, sizeof frame);
    close(silent);
    drive_end(&d);
}
END_TEST

/* The only client of a socket/stream that is driven. */
struct single {
    struct driven d;
    struct clients *clients;
    const struct connection *c; /* what the server knows of it */
    int fd;
};

static void
single_begin(struct single *g)
{
    ck_assert_int_eq(drive_begin(&g->d, "socket/stream", run_dir), 0);
    g->clients = g->d.srv;
    g->fd = connect_only(g->d.m, g->d.where);
    ck_assert_int_eq(drive_until_heard(&g->d, g->fd), 1); /* handshake */
    for (g->c = g->clients->connections; g->c->fd == 0;)
        g->c++;
}

static void
single_end(struct single *g)
{
    close(g->fd);
    drive_end(&g->d);
}

static void
single_sends(struct single *g, const uint8_t *bytes, size_t n)
{
    ck_assert_int_eq(send(g->fd, bytes, n, 0), (ssize_t)n);
}

/* Has the server read until this many bytes of a request are there. */
static void
drive_until_read(struct single *g, size_t n)
{
    while (g->c->in.end - g->c->in.start < n)
        ck_assert_int_eq(drive(&g->d, 0), -ETIMEDOUT);
}

/* It has so many seconds, from some moment after `before` on: until when? */
static int64_t
expect_timeout(const struct single *g, int64_t before, int64_t seconds)
{
    int64_t until = timeout_ends(&g->c->timeout);

    ck_assert_int_ge(until, before + seconds * NS_PER_SEC);
    ck_assert_int_le(until, now_ns() + seconds * NS_PER_SEC);
    return until;
}

/* Then, and no sooner. */
static void
expect_cut_off_at(struct single *g, int64_t until)
{
    clients_expire(g->clients, until - 1);
    ck_assert_int_ne(g->c->fd, 0);
    clients_expire(g->clients, until);
    ck_assert_int_eq(g->c->fd, 0);
}

START_TEST(a_byte_now_and_then_buys_no_time)
{
    uint8_t frame[WIRE_HEADER + 4];
    int64_t before = now_ns(), until;
    struct single g;

    single_begin(&g);
    raw_frame(frame, API_whoami, 1, "body", 4);
    single_sends(&g, frame, 10);
    drive_until_read(&g, 10);
    until = expect_timeout(&g, before, 2);
    single_sends(&g, frame + 10, 1);
    drive_until_read(&g, 11);
    ck_assert_int_eq(timeout_ends(&g.c->timeout), until);
    /* Only the rest of the header does, once. */
    before = now_ns();
    single_sends(&g, frame + 11, WIRE_HEADER - 11);
    drive_until_read(&g, WIRE_HEADER);
    expect_cut_off_at(&g, expect_timeout(&g, before, 5));
    ck_assert_int_eq(recv(g.fd, frame, 1, 0), 0);
    single_end(&g);
}
END_TEST

START_TEST(what_came_while_the_server_was_busy_came_in_time)
{
    uint8_t frame[WIRE_HEADER];
    struct single g;

    single_begin(&g);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    single_sends(&g, frame, 10);
    drive_until_read(&g, 10);
    single_sends(&g, frame + 10, sizeof frame - 10);
    clients_expire(g.clients, timeout_ends(&g.c->timeout)); /* hours late */
    ck_assert_int_eq(drive(&g.d, CALL_TIMEOUT), 0);
    single_end(&g);
}
END_TEST

START_TEST(who_does_not_collect_a_reply_is_cut_off)
{
    uint8_t frame[WIRE_HEADER], *much = calloc(1, IPC_MAX_MSG);
    struct ipc_message reply = {.buf = much, .len = IPC_MAX_MSG, .fd = -1};
    int64_t before = now_ns(), until;
    struct single g;

    single_begin(&g);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    single_sends(&g, frame, sizeof frame);
    ck_assert_int_eq(drive(&g.d, CALL_TIMEOUT), 0);
    ck_assert_ptr_eq(g.c, clients_find(g.clients, g.d.req.reply_to));
    /* The control: it is only silent. */
    clients_expire(g.clients, NO_DEADLINE - 1);
    ck_assert_int_ne(g.c->fd, 0);
    ck_assert_int_eq(g.d.m->reply(g.d.srv, &g.d.req, &reply), 0);
    ck_assert_ptr_nonnull(g.c->out.first);
    until = expect_timeout(&g, before, 10);
    ck_assert_int_gt(recv(g.fd, much, 100, 0), 0); /* a little is not all */
    ck_assert_int_eq(drive(&g.d, 0), -ETIMEDOUT);
    expect_cut_off_at(&g, until);
    single_end(&g);
    free(much);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket_limits(void)
{
    Suite *s = suite_create("socket_limits");
    TCase *tc = test_case(s, "socket");

    for (int i = 0; i < (int)DAEMONS; i++)
        add_loop_test_if(
            tc, need_root(),
            two_users_who_take_all_they_can_get_leave_room_for_others, i);
    for (int i = 0; i < (int)DAEMONS; i++)
        if (!(ipc_find(daemons[i])->caps & IPC_BOUNDARIES))
            add_loop_test_if(tc, need_mechanism(ipc_find(daemons[i])),
                             who_does_not_finish_what_he_began_is_cut_off, i);
    tcase_add_test(tc, a_byte_now_and_then_buys_no_time);
    tcase_add_test(tc, what_came_while_the_server_was_busy_came_in_time);
    tcase_add_test(tc, who_does_not_collect_a_reply_is_cut_off);
    return s;
}
