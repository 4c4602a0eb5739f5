/*
 * test_socket_limits.c - what one client can take from the others: seats, time,
 * descriptors.  Nobody waits here for a time limit: the clock is a parameter,
 * or the limit is.
 *
 * A defence has a control beside it: who may do the same without it, or the
 * naive way of doing it.
 */
#define _GNU_SOURCE /* accept4, struct ucred */
#include "test/test.h"

#include "ancillary.h"
#include "clients.h"
#include "inet.h"
#include "welcome.h"

#include "core/clock.h"
#include "core/share.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

Suite *test_socket_limits(void);

#define CAROL 10003
#define HALF  SHARE(IPC_MAX_CLIENTS)

/* -- seats ---------------------------------------------------------------- */

static int
take_all(struct seats *s, uid_t uid, int64_t now)
{
    int n = 0, seat;

    while ((seat = seats_choose(s, uid, now)) >= 0) {
        seats_take(s, (size_t)seat, uid, now);
        n++;
    }
    ck_assert_int_eq(seat, -EAGAIN);
    return n;
}

START_TEST(one_user_gets_half_of_the_seats)
{
    struct seats s = {0};

    ck_assert_int_eq(take_all(&s, BOB, 1), HALF);
    ck_assert_int_eq(take_all(&s, CAROL, 1), IPC_MAX_CLIENTS - HALF);
    /* The control: whoever is not counted takes them all. */
    s = (struct seats){0};
    ck_assert_int_eq(take_all(&s, 0, 1), IPC_MAX_CLIENTS);
    ck_assert_int_eq(take_all(&s, CAROL, 1), 0);
    s = (struct seats){0};
    ck_assert_int_eq(take_all(&s, geteuid(), 1), IPC_MAX_CLIENTS);
}
END_TEST

START_TEST(an_idle_seat_is_given_away_when_there_is_no_other)
{
    struct seats s = {0};

    take_all(&s, BOB, 1);
    s.seat[7].since = s.seat[8].since = 0;
    /* There are free ones for others; for BOB there are not. */
    ck_assert(!s.seat[seats_choose(&s, CAROL, IDLE_TIME)].taken);
    ck_assert_int_eq(seats_choose(&s, BOB, IDLE_TIME - 1), -EAGAIN);
    ck_assert_int_eq(seats_choose(&s, BOB, IDLE_TIME), 7);
    s.seat[7].since = NO_DEADLINE; /* busy, for however long */
    ck_assert_int_eq(seats_choose(&s, BOB, IDLE_TIME), 8);
    take_all(&s, CAROL, 2);
    ck_assert_int_eq(seats_choose(&s, 0, IDLE_TIME), 8);
    ck_assert_int_eq(seats_choose(&s, CAROL, IDLE_TIME), -EAGAIN);
}
END_TEST

static const char *const daemons[] = {"socket/stream",   "socket/threads",
                                      "socket/abstract", "socket/seqpacket",
                                      "socket/tcp",      "socket/dgram"};
#define DAEMONS (sizeof daemons / sizeof *daemons)

/* Takes what it can get and holds it. */
static void
sit_idle(struct child *self, void *arg)
{
    const struct host *server = arg;
    struct client c[HALF + 1];
    int n = 0;

    while (n <= HALF && client_open(&c[n], server->m, server->where) == 0)
        n++;
    ck_assert_int_eq(n, HALF);
    child_step(self);
    while (n > 0)
        client_close(&c[--n]);
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

START_TEST(who_takes_all_he_can_get_leaves_room_for_others)
{
    struct client c[IPC_MAX_CLIENTS];
    struct host server;
    struct child bob;
    int n = 0;

    server_start(&server, ipc_find(daemons[_i]));
    child_start(&bob, BOB, sit_idle, &server);
    child_wait(&bob);
    run_as(ALICE, be_served, &server);
    child_go(&bob);
    child_end(&bob);
    /* The control: root is not held to his share.  (The server may hear the
     * next knock before it sees that the last one's seat is empty.) */
    while (n < IPC_MAX_CLIENTS) {
        int err = host_client(&server, &c[n]);

        ck_assert(err == 0 || err == -EAGAIN);
        n += err == 0;
    }
    run_as(ALICE, be_refused, &server);
    while (n > 0)
        client_close(&c[--n]);
    server_stop(&server);
}
END_TEST

/* -- time ----------------------------------------------------------------- */

/* A server in this process, driven step by step; and raw clients. */
struct driven {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    void *srv;
    struct ipc_request req;
};

static void
drive_begin(struct driven *d, const char *name)
{
    d->m = ipc_find(name);
    d->srv = calloc(1, d->m->server_size);
    d->req.msg =
        (struct ipc_message){.buf = malloc(IPC_MAX_MSG), .cap = IPC_MAX_MSG};
    ck_assert(d->srv != NULL && d->req.msg.buf != NULL);
    ck_assert_int_eq(endpoint_name(d->m, run_dir, d->where), 0);
    ck_assert_int_eq(d->m->create(d->srv, d->where), 0);
}

static void
drive_end(struct driven *d)
{
    d->m->destroy(d->srv);
    free(d->req.msg.buf);
    free(d->srv);
}

static int
knock(const struct driven *d)
{
    struct sockaddr_un local;
    struct sockaddr_in inet;
    bool tcp = strcmp(d->m->name, "socket/tcp") == 0;
    bool abstract = strcmp(d->m->name, "socket/abstract") == 0;
    socklen_t len = abstract ? local_abstract(&local, d->where)
                             : local_path(&local, d->where);
    int type = d->m->caps & IPC_BOUNDARIES ? SOCK_SEQPACKET : SOCK_STREAM;
    int fd = socket(tcp ? AF_INET : AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (tcp) {
        ck_assert_int_eq(inet_find(d->where, &inet), 0);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&inet, sizeof inet), 0);
    } else {
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&local, len), 0);
    }
    return fd;
}

/* Has the server work until it has said the next byte, or the end, to fd. */
static ssize_t
drive_until_heard(struct driven *d, int fd)
{
    char byte;
    ssize_t n;

    do {
        ck_assert_int_eq(d->m->next(d->srv, &d->req, 0), -ETIMEDOUT);
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

    drive_begin(&d, daemons[_i]);
    raw_frame(frame, API_whoami, 1, "body", 4);
    silent = knock(&d);
    ck_assert_int_eq(drive_until_heard(&d, silent), 1); /* welcome */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        half = knock(&d);
        ck_assert_int_eq(drive_until_heard(&d, half), 1);
        patience_limits[REST_OF_HEADER] = patience_limits[REST_OF_BODY] = 1;
        ck_assert_int_eq(send(half, frame, parts[i], 0), (ssize_t)parts[i]);
        ck_assert_int_eq(drive_until_heard(&d, half), 0);
        close(half);
    }
    /* The control: who has not begun is not cut off, nor is who is quick. */
    ck_assert_int_eq(send(silent, frame, sizeof frame, 0), sizeof frame);
    ck_assert_int_eq(d.m->next(d.srv, &d.req, PATIENCE), 0);
    ck_assert_uint_eq(d.req.msg.len, sizeof frame);
    close(silent);
    drive_end(&d);
}
END_TEST

/* Has the server read until this many bytes of a request are there. */
static void
drive_until_read(struct driven *d, const struct connection *c, size_t n)
{
    while (c->in.end - c->in.start < n)
        ck_assert_int_eq(d->m->next(d->srv, &d->req, 0), -ETIMEDOUT);
}

START_TEST(a_byte_now_and_then_buys_no_time)
{
    uint8_t frame[WIRE_HEADER + 4];
    const struct connection *c;
    struct clients *s;
    struct driven d;
    int64_t before = now_ns(), until;
    int fd;

    drive_begin(&d, "socket/stream");
    s = d.srv;
    raw_frame(frame, API_whoami, 1, "body", 4);
    fd = knock(&d);
    ck_assert_int_eq(drive_until_heard(&d, fd), 1);
    for (c = s->connections; c->fd == 0;)
        c++;
    ck_assert_int_eq(send(fd, frame, 10, 0), 10);
    drive_until_read(&d, c, 10);
    until = patience_ends(&c->patience);
    ck_assert_int_ge(until, before + 2 * NS_PER_SEC);
    ck_assert_int_le(until, now_ns() + 2 * NS_PER_SEC);
    ck_assert_int_eq(send(fd, frame + 10, 1, 0), 1);
    drive_until_read(&d, c, 11);
    ck_assert_int_eq(patience_ends(&c->patience), until);
    /* Only the rest of the header does, once. */
    before = now_ns();
    ck_assert_int_eq(send(fd, frame + 11, WIRE_HEADER - 11, 0),
                     WIRE_HEADER - 11);
    drive_until_read(&d, c, WIRE_HEADER);
    until = patience_ends(&c->patience);
    ck_assert_int_ge(until, before + 5 * NS_PER_SEC);
    ck_assert_int_le(until, now_ns() + 5 * NS_PER_SEC);
    clients_expire(s, until - 1);
    ck_assert_int_ne(c->fd, 0);
    clients_expire(s, until);
    ck_assert_int_eq(c->fd, 0);
    ck_assert_int_eq(recv(fd, frame, 1, 0), 0);
    close(fd);
    drive_end(&d);
}
END_TEST

START_TEST(what_came_while_the_server_was_busy_came_in_time)
{
    uint8_t frame[WIRE_HEADER];
    const struct connection *c;
    struct clients *s;
    struct driven d;
    int fd;

    drive_begin(&d, "socket/stream");
    s = d.srv;
    raw_frame(frame, API_whoami, 1, NULL, 0);
    fd = knock(&d);
    ck_assert_int_eq(drive_until_heard(&d, fd), 1);
    for (c = s->connections; c->fd == 0;)
        c++;
    ck_assert_int_eq(send(fd, frame, 10, 0), 10);
    drive_until_read(&d, c, 10);
    ck_assert_int_eq(send(fd, frame + 10, sizeof frame - 10, 0),
                     sizeof frame - 10);
    clients_expire(s, patience_ends(&c->patience)); /* an hour late */
    ck_assert_int_eq(d.m->next(d.srv, &d.req, PATIENCE), 0);
    close(fd);
    drive_end(&d);
}
END_TEST

START_TEST(who_does_not_collect_a_reply_is_cut_off)
{
    uint8_t frame[WIRE_HEADER], *much = calloc(1, IPC_MAX_MSG);
    struct ipc_message reply = {.buf = much, .len = IPC_MAX_MSG, .fd = -1};
    const struct connection *c;
    struct clients *s;
    struct driven d;
    int64_t before = now_ns(), until;
    int fd;

    drive_begin(&d, "socket/stream");
    s = d.srv;
    raw_frame(frame, API_whoami, 1, NULL, 0);
    fd = knock(&d);
    ck_assert_int_eq(drive_until_heard(&d, fd), 1);
    ck_assert_int_eq(send(fd, frame, sizeof frame, 0), sizeof frame);
    ck_assert_int_eq(d.m->next(d.srv, &d.req, PATIENCE), 0);
    c = &s->connections[d.req.reply_to];
    clients_expire(s, NO_DEADLINE - 1); /* the control: he is only silent */
    ck_assert_int_ne(c->fd, 0);
    ck_assert_int_eq(d.m->reply(d.srv, &d.req, &reply), 0);
    ck_assert_ptr_nonnull(c->out);
    until = patience_ends(&c->patience);
    ck_assert_int_ge(until, before + 10 * NS_PER_SEC);
    ck_assert_int_le(until, now_ns() + 10 * NS_PER_SEC);
    ck_assert_int_gt(recv(fd, much, 100, 0), 0); /* a little is not all */
    ck_assert_int_eq(d.m->next(d.srv, &d.req, 0), -ETIMEDOUT);
    clients_expire(s, until - 1);
    ck_assert_int_ne(c->fd, 0);
    clients_expire(s, until);
    ck_assert_int_eq(c->fd, 0);
    close(fd);
    drive_end(&d);
    free(much);
}
END_TEST

/* -- descriptors ---------------------------------------------------------- */

static bool
somebody_waits(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

START_TEST(a_full_table_of_descriptors_does_not_keep_the_server_busy)
{
    struct rlimit before, full;
    struct sockaddr_un at;
    char path[ENDPOINT_SIZE];
    int listener, client, spare = dup(STDIN_FILENO);
    socklen_t len;

    snprintf(path, sizeof path, "%.90s/full", run_dir);
    len = local_path(&at, path);
    listener = local_listen(SOCK_STREAM, &at, len);
    ck_assert_int_ge(listener, 0);
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    full = before;
    full.rlim_cur = (rlim_t)client + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &full), 0);
    for (int i = 0; i < 3; i++) { /* the naive way: for ever */
        ck_assert_int_eq(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
        ck_assert_int_eq(errno, EMFILE);
        ck_assert(somebody_waits(listener));
    }
    ck_assert_int_eq(welcome_accept(listener, &spare), -1);
    ck_assert(!somebody_waits(listener));
    ck_assert_int_eq(read(client, path, 1), 0); /* he has been told */
    ck_assert_int_ne(spare, -1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(spare);
    close(client);
    close(listener);
    unlink(at.sun_path);
}
END_TEST

/* A TCP socket whose close(2) waits for an hour: there are bytes to send, and
 * nobody takes them. */
static int
make_sticky(void)
{
    const struct linger hour = {.l_onoff = 1, .l_linger = 3600};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char bytes[4096] = {0};

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, len), 0);
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hour, sizeof hour),
                     0);
    return fd;
}

static void
close_sticky(struct child *self, void *discard)
{
    int fd = make_sticky();

    child_step(self);
    if (*(bool *)discard)
        ancillary_discard(fd);
    else
        close(fd);
    child_step(self);
}

/* Which system call is the process in?  proc(5), syscall. */
static long
system_call_of(pid_t pid)
{
    char path[50];
    long number = -1;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    in = fopen(path, "re");
    ck_assert_ptr_nonnull(in);
    if (fscanf(in, "%ld", &number) != 1) /* "running" */
        number = -1;
    fclose(in);
    return number;
}

START_TEST(a_socket_that_lingers_is_discarded_at_once)
{
    bool discard = false;
    struct child c;

    child_start(&c, geteuid(), close_sticky, &discard);
    child_wait(&c);
    child_go(&c);
    while (system_call_of(c.pid) != SYS_close) /* the naive way sticks there */
        ;
    child_kill(&c);
    discard = true;
    child_start(&c, geteuid(), close_sticky, &discard);
    child_wait(&c);
    child_go(&c);
    child_wait(&c);
    child_go(&c);
    child_end(&c);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket_limits(void)
{
    Suite *s = suite_create("socket_limits");
    TCase *tc = test_case(s, "socket");
    const char *no_net = inet_unavailable();

    tcase_add_test(tc, one_user_gets_half_of_the_seats);
    tcase_add_test(tc, an_idle_seat_is_given_away_when_there_is_no_other);
    for (int i = 0; i < (int)DAEMONS; i++)
        add_loop_test_if(tc, need_root(),
                         who_takes_all_he_can_get_leaves_room_for_others, i);
    for (int i = 0; i < (int)DAEMONS; i++)
        if (!(ipc_find(daemons[i])->caps & IPC_BOUNDARIES))
            add_loop_test_if(tc, need_mechanism(ipc_find(daemons[i])),
                             who_does_not_finish_what_he_began_is_cut_off, i);
    tcase_add_test(tc, a_byte_now_and_then_buys_no_time);
    tcase_add_test(tc, what_came_while_the_server_was_busy_came_in_time);
    tcase_add_test(tc, who_does_not_collect_a_reply_is_cut_off);
    tcase_add_test(tc,
                   a_full_table_of_descriptors_does_not_keep_the_server_busy);
    add_test_if(tc, no_net, a_socket_that_lingers_is_discarded_at_once);
    return s;
}
