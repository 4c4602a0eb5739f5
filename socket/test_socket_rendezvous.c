/*
 * test_socket_rendezvous.c - how two sides find each other and wait: the claims
 * of README.md about names, queues, accept(2) and epoll(7).
 */
#define _GNU_SOURCE /* accept4, struct ucred */
#include "by_hand.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_socket_rendezvous(void);

static struct sockaddr_un address;
static socklen_t address_len;

/* A socket bound to a path in run_dir. */
static int
make_bound(int type, const char *file)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char path[ENDPOINT_SIZE];

    snprintf(path, sizeof path, "%.90s/%s", run_dir, file);
    address_len = local_path(&address, path);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, address_len), 0);
    return fd;
}

static int
try_connect(int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    ck_assert_int_ne(fd, -1);
    if (connect(fd, (struct sockaddr *)&address, address_len) == 0)
        return fd;
    close(fd);
    return -1;
}

/* -- names ---------------------------------------------------------------- */

START_TEST(a_dead_servers_path_refuses_and_is_in_the_way)
{
    int fd = make_bound(SOCK_STREAM, "stale"), again;

    ck_assert_int_eq(listen(fd, 1), 0);
    close(fd); /* or killed */
    expect_error(try_connect(SOCK_STREAM), ECONNREFUSED);
    again = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect_error(bind(again, (struct sockaddr *)&address, address_len),
                 EADDRINUSE);
    ck_assert_int_eq(unlink(address.sun_path), 0);
    ck_assert_int_eq(bind(again, (struct sockaddr *)&address, address_len), 0);
    close(again);
    unlink(address.sun_path);
}
END_TEST

START_TEST(an_abstract_name_goes_with_its_socket)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;

    address_len = local_abstract(&address, run_dir);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, address_len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    client = try_connect(SOCK_STREAM);
    ck_assert_int_ne(client, -1);
    close(client);
    close(fd);
    expect_error(try_connect(SOCK_STREAM), ECONNREFUSED);
}
END_TEST

static void
connect_as_a_stranger(void *error)
{
    int fd = try_connect(SOCK_STREAM);

    ck_assert_int_eq(fd == -1 ? errno : 0, *(int *)error);
}

START_TEST(a_path_has_a_mode_and_an_abstract_name_has_none)
{
    int path = make_bound(SOCK_STREAM, "private");
    int abstract = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(listen(path, 1), 0);
    ck_assert_int_eq(chmod(address.sun_path, 0600), 0);
    as_user(ALICE, connect_as_a_stranger, &(int){EACCES});
    unlink(address.sun_path);
    address_len = local_abstract(&address, run_dir);
    ck_assert_int_eq(bind(abstract, (struct sockaddr *)&address, address_len),
                     0);
    ck_assert_int_eq(listen(abstract, 1), 0);
    as_user(ALICE, connect_as_a_stranger, &(int){0});
    close(path);
    close(abstract);
}
END_TEST

START_TEST(a_path_fills_sun_path_to_the_last_byte_and_no_further)
{
    struct sockaddr_un long_one = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_uint_eq(sizeof long_one.sun_path, 108);
    ck_assert_uint_eq(sizeof long_one.sun_path, ENDPOINT_SIZE);
    memset(long_one.sun_path, 'x', sizeof long_one.sun_path);
    expect_error(bind(fd, (struct sockaddr *)&long_one, sizeof long_one + 1),
                 EINVAL);
    close(fd);
}
END_TEST

START_TEST(a_peer_that_nobody_bound_has_no_address)
{
    int server = make_bound(SOCK_DGRAM, "post"), client;
    struct sockaddr_un from;
    socklen_t len = sizeof from;
    char text[ADDRESS_SIZE];

    client = try_connect(SOCK_DGRAM);
    ck_assert_int_eq(send(client, "x", 1, 0), 1);
    ck_assert_int_eq(
        recvfrom(server, text, 1, 0, (struct sockaddr *)&from, &len), 1);
    ck_assert_uint_eq(len, 0); /* where should an answer go? */
    /* A name of the kernel's choice: no path, 5 hexadecimal digits. */
    ck_assert_int_eq(
        bind(client, (struct sockaddr *)&address, sizeof address.sun_family),
        0);
    ck_assert_int_eq(send(client, "x", 1, 0), 1);
    len = sizeof from;
    ck_assert_int_eq(
        recvfrom(server, text, 1, 0, (struct sockaddr *)&from, &len), 1);
    local_text(&from, len, text);
    ck_assert(text[0] == '@' && strlen(text) == 6);
    close(client);
    close(server);
    unlink(address.sun_path);
}
END_TEST

START_TEST(after_a_restart_a_datagram_socket_must_connect_again)
{
    int server = make_bound(SOCK_DGRAM, "restart"), client;

    client = try_connect(SOCK_DGRAM);
    close(server);
    unlink(address.sun_path);
    server = make_bound(SOCK_DGRAM, "restart");
    expect_error(send(client, "x", 1, 0), ECONNREFUSED);
    expect_error(send(client, "x", 1, 0), ENOTCONN);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&address, address_len),
                     0);
    ck_assert_int_eq(send(client, "x", 1, 0), 1);
    close(client);
    close(server);
    unlink(address.sun_path);
}
END_TEST

/* -- waiting -------------------------------------------------------------- */

START_TEST(local_datagrams_are_not_lost_their_sender_has_to_wait)
{
    FILE *in = fopen("/proc/sys/net/unix/max_dgram_qlen", "re");
    int server = make_bound(SOCK_DGRAM, "queue"), client, most, sent = 0;
    struct pollfd p;

    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(fscanf(in, "%d", &most), 1);
    fclose(in);
    client = try_connect(SOCK_DGRAM);
    /* The queue is to be full before the sender's buffer: 278 datagrams are as
     * much as goes into the usual one. */
    ck_assert_int_eq(
        setsockopt(client, SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof most),
        0);
    while (send(client, "x", 1, 0) == 1)
        sent++;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(sent, most + 1);
    p = (struct pollfd){.fd = client, .events = POLLOUT};
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    ck_assert_int_eq(recv(server, &(char){0}, 1, 0), 1);
    ck_assert_int_eq(poll(&p, 1, 0), 1); /* room again, and poll(2) knows */
    close(client);
    close(server);
    unlink(address.sun_path);
}
END_TEST

START_TEST(a_backlog_of_one_holds_two_and_the_third_is_told_to_try_again)
{
    int listener = make_bound(SOCK_STREAM, "small"), client[2];

    ck_assert_int_eq(listen(listener, 1), 0);
    for (int i = 0; i < 2; i++) {
        client[i] = try_connect(SOCK_STREAM);
        ck_assert_int_ne(client[i], -1);
    }
    expect_error(try_connect(SOCK_STREAM), EAGAIN);
    close(client[0]);
    close(client[1]);
    close(listener);
    unlink(address.sun_path);
}
END_TEST

START_TEST(accept_and_receive_need_not_wait_but_must_be_told_each)
{
    int listener = make_bound(SOCK_STREAM, "calm"), client, server;
    char byte;

    ck_assert_int_eq(listen(listener, 1), 0);
    expect_error(accept4(listener, NULL, NULL, SOCK_CLOEXEC), EAGAIN);
    client = try_connect(SOCK_STREAM);
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ne(server, -1);
    /* The listener has it, the connection has not: read() would wait. */
    ck_assert_int_eq(fcntl(server, F_GETFL) & O_NONBLOCK, 0);
    expect_error(recv(server, &byte, 1, MSG_DONTWAIT), EAGAIN);
    close(server);
    close(client);
    close(listener);
    unlink(address.sun_path);
}
END_TEST

START_TEST(edge_triggered_epoll_tells_only_what_is_new)
{
    struct epoll_event e = {.events = EPOLLIN};
    int edge = epoll_create1(EPOLL_CLOEXEC),
        level = epoll_create1(EPOLL_CLOEXEC);
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    ck_assert_int_eq(epoll_ctl(level, EPOLL_CTL_ADD, pair[1], &e), 0);
    e.events |= EPOLLET;
    ck_assert_int_eq(epoll_ctl(edge, EPOLL_CTL_ADD, pair[1], &e), 0);
    ck_assert_int_eq(write(pair[0], "ab", 2), 2);
    ck_assert_int_eq(epoll_wait(level, &e, 1, 0), 1);
    ck_assert_int_eq(epoll_wait(edge, &e, 1, 0), 1);
    ck_assert_int_eq(read(pair[1], &(char){0}, 1), 1); /* and the b? */
    ck_assert_int_eq(epoll_wait(level, &e, 1, 0), 1);
    ck_assert_int_eq(epoll_wait(edge, &e, 1, 0), 0);
    close(pair[0]);
    close(pair[1]);
    close(edge);
    close(level);
}
END_TEST

/* -- accept(2) in several threads ----------------------------------------- */

static int shared_listener;

static void *
accept_and_greet(void *number)
{
    for (;;) {
        int fd = accept4(shared_listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd == -1) /* shutdown(2) has woken us */
            return NULL;
        (void)!write(fd, number, 1);
        close(fd);
    }
}

START_TEST(threads_that_accept_share_the_clients_and_shutdown_wakes_them)
{
    char numbers[] = "0123", answer[2];
    pthread_t thread[4];

    shared_listener = make_bound(SOCK_STREAM, "shared");
    ck_assert_int_eq(fcntl(shared_listener, F_SETFL, 0), 0); /* may wait */
    ck_assert_int_eq(listen(shared_listener, 40), 0);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(
            pthread_create(&thread[i], NULL, accept_and_greet, &numbers[i]), 0);
    for (int i = 0; i < 40; i++) {
        int fd = try_connect(SOCK_STREAM);

        ck_assert_int_ne(fd, -1);
        ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
        /* By one of them: which one is nobody's business. */
        ck_assert_int_eq(recv(fd, answer, 2, MSG_WAITALL), 1);
        close(fd);
    }
    ck_assert_int_eq(shutdown(shared_listener, SHUT_RDWR), 0);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    close(shared_listener);
    unlink(address.sun_path);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket_rendezvous(void)
{
    Suite *s = suite_create("socket_rendezvous");
    TCase *tc = test_case(s, "socket");

    tcase_add_test(tc, a_dead_servers_path_refuses_and_is_in_the_way);
    tcase_add_test(tc, an_abstract_name_goes_with_its_socket);
    add_test_if(tc, need_root(),
                a_path_has_a_mode_and_an_abstract_name_has_none);
    tcase_add_test(tc, a_path_fills_sun_path_to_the_last_byte_and_no_further);
    tcase_add_test(tc, a_peer_that_nobody_bound_has_no_address);
    tcase_add_test(tc, after_a_restart_a_datagram_socket_must_connect_again);
    tcase_add_test(tc, local_datagrams_are_not_lost_their_sender_has_to_wait);
    tcase_add_test(
        tc, a_backlog_of_one_holds_two_and_the_third_is_told_to_try_again);
    tcase_add_test(tc, accept_and_receive_need_not_wait_but_must_be_told_each);
    tcase_add_test(tc, edge_triggered_epoll_tells_only_what_is_new);
    tcase_add_test(
        tc, threads_that_accept_share_the_clients_and_shutdown_wakes_them);
    return s;
}
