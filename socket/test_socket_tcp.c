/*
 * test_socket_tcp.c - what TCP does, what our server makes of a client that it
 * has to look up, and our client of a port that anybody may take.  More of
 * that: `ipcattack 67 68 69 71 111`.
 */
#define _GNU_SOURCE /* accept4, unshare, struct ucred */
#include "by_hand.h"

#include "core/clock.h"
#include "test/both/driven.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

Suite *test_socket_tcp(void);

/* -- TCP, as it is -------------------------------------------------------- */

static int
tcp_listener(struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)at, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

START_TEST(the_first_write_to_a_dead_tcp_peer_succeeds)
{
    struct sockaddr_in at;
    int listener = tcp_listener(&at), server;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd p = {.fd = client};

    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    close(server);
    ck_assert_int_eq(write(client, "x", 1), 1); /* to whom? */
    ck_assert_int_eq(poll(&p, 1, -1), 1);       /* the answer is a reset */
    expect_error(write(client, "x", 1), EPIPE);
    close(client);
    close(listener);
}
END_TEST

START_TEST(a_connect_that_does_not_wait_ends_in_poll)
{
    struct sockaddr_in at;
    int listener = tcp_listener(&at), error = -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof error;

    expect_error(connect(fd, (struct sockaddr *)&at, sizeof at), EINPROGRESS);
    ck_assert_int_eq(poll(&p, 1, -1), 1);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    ck_assert_int_eq(error, 0);
    close(fd);
    close(listener);
    /* And where nobody listens. */
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    expect_error(connect(fd, (struct sockaddr *)&at, sizeof at), EINPROGRESS);
    p.fd = fd;
    ck_assert_int_eq(poll(&p, 1, -1), 1);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    ck_assert_int_eq(error, ECONNREFUSED);
    close(fd);
}
END_TEST

/* -- who is asking? ------------------------------------------------------- */

static void
ask_who_i_am(struct actor *self, void *where)
{
    struct sockaddr_in at = server_address(where);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint8_t frame[WIRE_HEADER];

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    actor_step(self); /* the server takes the connection ... */
    ck_assert_int_eq(read(fd, frame, 1), 1);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    ck_assert_int_eq(write(fd, frame, sizeof frame), sizeof frame);
    actor_step(self); /* ... and reads from it */
}

/* What a server does that believes /proc/net/tcp: the uid in the line of the
 * client's end.  -1: there is no such line.  Both addresses have to match: a
 * port may have other connections, above all some in TIME_WAIT, as uid 0. */
static long
uid_in_proc(const struct sockaddr_in *client, const struct sockaddr_in *server,
            unsigned *state)
{
    FILE *in = fopen("/proc/net/tcp", "re");
    char line[512], ends[40];
    long uid, found = -1;

    ck_assert_ptr_nonnull(in);
    snprintf(ends, sizeof ends, ": %08X:%04X %08X:%04X ",
             client->sin_addr.s_addr, ntohs(client->sin_port),
             server->sin_addr.s_addr, ntohs(server->sin_port));
    *state = 0;
    while (found == -1 && fgets(line, sizeof line, in) != NULL) {
        const char *at = strstr(line, ends);

        if (at != NULL &&
            sscanf(at + strlen(ends), "%x %*x:%*x %*x:%*x %*x %ld", state,
                   &uid) == 2)
            found = uid;
    }
    fclose(in);
    return found;
}

/* Who has gone by then: `ipcattack 67`; and by IPv6: 69. */
START_TEST(tcp_looks_up_who_is_at_the_other_end)
{
    struct sockaddr_in client, at;
    struct ipc_peer *peer;
    struct driven d;
    struct actor c;
    unsigned state;

    ck_assert_int_eq(drive_begin(&d, "socket/tcp", run_dir), 0);
    at = server_address(d.where);
    actor_start(&c, ALICE, ask_who_i_am, d.where);
    actor_wait(&c);
    ck_assert_int_eq(drive(&d, 0), -ETIMEDOUT);
    actor_go(&c);
    actor_wait(&c);
    ck_assert_int_eq(drive(&d, CALL_TIMEOUT), 0);
    peer = &d.req.peer;
    ck_assert_ptr_nonnull(peer->address);
    ck_assert_int_eq(inet_find(peer->address, &client), 0);
    ck_assert_int_eq(uid_in_proc(&client, &at, &state), ALICE);
    ck_assert_uint_eq(peer->uid, ALICE);
    ck_assert_int_eq(peer->evidence, IPC_INFERRED);
    ck_assert(peer->pid == -1 && peer->gid == (gid_t)-1);
    actor_go(&c);
    actor_end(&c);
    drive_end(&d);
}
END_TEST

/* What a client does after its first request, before the server reads it. */
static void
stay(int fd)
{
    (void)fd;
}

static void
hang_up(int fd)
{
    close(fd);
}

static void
say_no_more(int fd)
{
    shutdown(fd, SHUT_WR);
}

static void
reset(int fd)
{
    const struct linger now = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* The same socket, from the same port to the same server, is found again; but
 * the connection in which the request was sent is not this one. */
static void
reset_and_return(int fd)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    struct sockaddr_in us, server;
    socklen_t us_len = sizeof us, server_len = sizeof server;
    const int64_t deadline = deadline_in(CALL_TIMEOUT);

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&us, &us_len), 0);
    ck_assert_int_eq(getpeername(fd, (struct sockaddr *)&server, &server_len),
                     0);
    ck_assert_int_eq(connect(fd, &nowhere, sizeof nowhere), 0);
    /* Another test's connection may have the port for a moment. */
    while (bind(fd, (struct sockaddr *)&us, us_len) == -1) {
        ck_assert_int_eq(errno, EADDRINUSE);
        ck_assert(time_left(deadline) > 0);
        sched_yield();
    }
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&server, server_len), 0);
}

static const struct {
    void (*then)(int fd);
    bool is_known, stays_open;
} parting[] = {{stay, true, true},
               {hang_up, false, false},
               {say_no_more, false, true},
               {reset, false, false},
               {reset_and_return, false, true}};

/* One look before the first byte is read is not enough: when it is, somebody
 * else may have the client's port. */
START_TEST(who_has_gone_when_its_request_is_read_is_nobody)
{
    uint8_t frame[WIRE_HEADER];
    struct driven d;
    char byte;
    int fd;

    ck_assert_int_eq(drive_begin(&d, "socket/tcp", run_dir), 0);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    fd = connect_only(d.m, d.where);
    do
        ck_assert_int_eq(drive(&d, 0), -ETIMEDOUT);
    while (recv(fd, &byte, 1, MSG_DONTWAIT) != 1);
    ck_assert_int_eq(send(fd, frame, sizeof frame, 0), sizeof frame);
    parting[_i].then(fd);
    ck_assert_int_eq(drive(&d, CALL_TIMEOUT), 0);
    ck_assert_uint_eq(d.req.peer.uid,
                      parting[_i].is_known ? geteuid() : (uid_t)-1);
    ck_assert_int_eq(d.req.peer.evidence,
                     parting[_i].is_known ? IPC_INFERRED : IPC_CLAIMED);
    if (parting[_i].stays_open)
        close(fd);
    drive_end(&d);
}
END_TEST

START_TEST(so_peercred_of_a_tcp_socket_knows_nobody)
{
    struct sockaddr_in at;
    struct ucred who = {.uid = 0};
    socklen_t len = sizeof who;
    int listener = tcp_listener(&at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len), 0);
    ck_assert_uint_eq(who.uid, (uid_t)-1);
    close(fd);
    close(listener);
}
END_TEST

/* -- whose port is it? ---------------------------------------------------- */

struct squatter {
    struct sockaddr_in at;
    int type;
};

/* Speaks the protocol as far as the handshake. */
static void
take_the_port(struct actor *self, void *arg)
{
    const struct squatter *s = arg;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    int fd = socket(AF_INET, s->type | SOCK_CLOEXEC, 0), client;
    char byte = '?';

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&s->at, sizeof s->at),
                     0);
    if (s->type == SOCK_STREAM)
        ck_assert_int_eq(listen(fd, 1), 0);
    actor_step(self);
    if (s->type == SOCK_STREAM) {
        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        ck_assert_int_eq(write(client, "+", 1), 1);
        ck_assert_int_eq(read(client, &byte, 1), 0); /* not a word from it */
    } else {
        ck_assert_int_eq(
            recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len), 1);
        ck_assert_int_eq(sendto(fd, "+", 1, 0, (struct sockaddr *)&from, len),
                         1);
    }
}

static void
expect_refusal(const char *mechanism, int type)
{
    const struct ipc_mechanism *m = ipc_find(mechanism);
    struct squatter squatter = {.type = type};
    struct host dead;
    struct actor c;
    struct client victim;
    int lock;

    server_start(&dead, m);
    squatter.at = server_address(dead.where);
    server_kill(&dead);
    actor_start(&c, ALICE, take_the_port, &squatter);
    actor_wait(&c);
    actor_go(&c);
    ck_assert_int_eq(client_open(&victim, m, dead.where), -EPERM);
    actor_end(&c);
    lock = endpoint_lock(dead.where, NULL);
    ck_assert_int_eq(m->sweep(dead.where), 1);
    endpoint_unlock(dead.where, lock);
}

START_TEST(a_dead_servers_port_in_strange_hands_is_refused)
{
    expect_refusal("socket/tcp", SOCK_STREAM);
    expect_refusal("socket/udp", SOCK_DGRAM);
}
END_TEST

/* -- one's own port ------------------------------------------------------- */

/* A network of one's own, where the kernel has only one port to choose from:
 * the one where a server was. */
static void
enter_tiny_network(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    FILE *range;
    int fd;

    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
    close(fd);
    range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");
    ck_assert_ptr_nonnull(range);
    fprintf(range, "40000 40000\n");
    ck_assert_int_eq(fclose(range), 0);
}

/* Two connections from port 40000: one has been closed, one is open. */
static void
use_a_port_twice(void *arg)
{
    const struct sockaddr_in here = {.sin_family = AF_INET,
                                     .sin_port = htons(40000),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in at[2];
    int listener[2], client[2], server[2];
    unsigned state;

    (void)arg;

    enter_tiny_network();
    for (int i = 0; i < 2; i++) {
        at[i] = here;
        at[i].sin_port = htons((in_port_t)(50000 + i));
        listener[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(
            bind(listener[i], (struct sockaddr *)&at[i], sizeof *at), 0);
        ck_assert_int_eq(listen(listener[i], 1), 0);
        ck_assert_int_eq(
            connect(client[i], (struct sockaddr *)&at[i], sizeof *at), 0);
        server[i] = accept4(listener[i], NULL, NULL, SOCK_CLOEXEC);
        if (i == 0) {
            close(client[0]);
            ck_assert_int_eq(read(server[0], &state, 1), 0);
            close(server[0]);
        }
    }
    do
        ck_assert_int_eq(uid_in_proc(&here, &at[0], &state), 0);
    while (state != TCP_TIME_WAIT);
    uid_in_proc(&here, &at[1], &state);
    ck_assert_uint_eq(state, TCP_ESTABLISHED);
    close(client[1]);
    close(server[1]);
    close(listener[0]);
    close(listener[1]);
}

START_TEST(a_port_alone_does_not_name_a_connection)
{
    as_user(geteuid(), use_a_port_twice, NULL);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket_tcp(void)
{
    Suite *s = suite_create("socket_tcp");
    TCase *tc = test_case(s, "socket/tcp");
    const char *no_net = inet_unavailable();
    const char *no_root = no_net != NULL ? no_net : need_root();

    add_test_if(tc, no_net, the_first_write_to_a_dead_tcp_peer_succeeds);
    add_test_if(tc, no_net, a_connect_that_does_not_wait_ends_in_poll);
    add_test_if(tc, no_net, so_peercred_of_a_tcp_socket_knows_nobody);
    add_test_if(tc, no_root, tcp_looks_up_who_is_at_the_other_end);
    for (int i = 0; i < (int)(sizeof parting / sizeof *parting); i++)
        add_loop_test_if(tc, no_net,
                         who_has_gone_when_its_request_is_read_is_nobody, i);
    add_test_if(tc, no_net != NULL ? no_net : need_right(CAP_SYS_ADMIN),
                a_port_alone_does_not_name_a_connection);
    add_test_if(tc, no_root, a_dead_servers_port_in_strange_hands_is_refused);
    return s;
}
