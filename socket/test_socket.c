/*
 * test_socket.c - messages, descriptors and ends: the claims of README.md about
 * any socket, tried out on bare pairs.  Names and waiting for each other are in
 * test_socket_rendezvous.c, TCP and UDP in test_socket_tcp.c and ..._udp.c,
 * attacks on our servers in test_socket_attacks.c.
 */
#define _GNU_SOURCE /* struct ucred */
#include "by_hand.h"
#include "core/records.h"

#include "core/ancillary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

Suite *test_socket(void);

static void
make_pair(int type, int pair[2])
{
    ck_assert_int_eq(
        socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
}

static void
close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

/* -- messages ------------------------------------------------------------- */

START_TEST(a_stream_joins_what_the_others_keep_apart)
{
    static const struct {
        int type;
        ssize_t first;
    } kind[] = {{SOCK_STREAM, 5}, {SOCK_DGRAM, 3}, {SOCK_SEQPACKET, 3}};
    char buf[10];

    for (size_t i = 0; i < 3; i++) {
        int pair[2];

        make_pair(kind[i].type, pair);
        ck_assert_int_eq(write(pair[0], "abc", 3), 3);
        ck_assert_int_eq(write(pair[0], "de", 2), 2);
        ck_assert_int_eq(read(pair[1], buf, sizeof buf), kind[i].first);
        close_pair(pair);
    }
}
END_TEST

START_TEST(a_record_longer_than_the_buffer_loses_its_end)
{
    char buf[2];
    struct iovec data = {.iov_base = buf, .iov_len = sizeof buf};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    int pair[2];

    make_pair(SOCK_SEQPACKET, pair);
    ck_assert_int_eq(write(pair[0], "abc", 3), 3);
    ck_assert_int_eq(recvmsg(pair[1], &m, 0), 2);
    ck_assert_int_ne(m.msg_flags & MSG_TRUNC, 0);
    expect_error(read(pair[1], buf, 2), EAGAIN); /* the c is nowhere */
    close_pair(pair);
}
END_TEST

START_TEST(an_empty_record_looks_like_the_end_but_has_a_sender)
{
    const int on = 1;
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    struct ancillary a;
    int pair[2];

    make_pair(SOCK_SEQPACKET, pair);
    ck_assert_int_eq(
        setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    ck_assert_int_eq(send(pair[0], "", 0, 0), 0);
    ck_assert_int_eq(ancillary_receive(pair[1], &m, &a), 0);
    ck_assert(a.stamped && a.who.uid == getuid() && a.who.pid == getpid());
    close(pair[0]);
    ck_assert_int_eq(ancillary_receive(pair[1], &m, &a), 0);
    ck_assert(!a.stamped && a.who.uid == (uid_t)-1);
    close(pair[1]);
}
END_TEST

START_TEST(the_largest_record_is_the_senders_buffer_less_32_bytes)
{
    size_t most;
    char *bytes;
    int pair[2];

    ck_assert_int_eq(record_max(&most), 0);
    bytes = calloc(1, most + 1);
    make_pair(SOCK_SEQPACKET, pair);
    ck_assert_int_eq(record_widen(pair[0]), 0);
    ck_assert_int_eq(send(pair[0], bytes, most, 0), (ssize_t)most);
    ck_assert_int_eq(recv(pair[1], bytes, most + 1, 0), (ssize_t)most);
    if (most < IPC_MAX_MSG) /* else the kernel would take more than we want */
        expect_error(send(pair[0], bytes, most + 1, 0), EMSGSIZE);
    free(bytes);
    close_pair(pair);
}
END_TEST

START_TEST(a_long_write_to_a_stream_may_be_a_short_one)
{
    const size_t size = 1 << 20;
    char *bytes = calloc(1, size);
    int pair[2];
    ssize_t n;

    make_pair(SOCK_STREAM, pair);
    n = write(pair[0], bytes, size);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, (ssize_t)size);
    free(bytes);
    close_pair(pair);
}
END_TEST

/* -- the other side goes -------------------------------------------------- */

START_TEST(who_leaves_without_reading_resets_the_connection)
{
    char byte;
    int pair[2];

    make_pair(SOCK_STREAM, pair);
    close(pair[1]);
    ck_assert_int_eq(read(pair[0], &byte, 1), 0);
    expect_error(write(pair[0], "x", 1), EPIPE);
    close(pair[0]);

    make_pair(SOCK_STREAM, pair);
    ck_assert_int_eq(write(pair[0], "x", 1), 1);
    close(pair[1]); /* the x was not read */
    expect_error(read(pair[0], &byte, 1), ECONNRESET);
    ck_assert_int_eq(read(pair[0], &byte, 1), 0); /* it says so once */
    close(pair[0]);
}
END_TEST

START_TEST(half_a_connection_can_be_closed)
{
    char byte;
    int pair[2];

    make_pair(SOCK_STREAM, pair);
    ck_assert_int_eq(shutdown(pair[0], SHUT_WR), 0);
    ck_assert_int_eq(read(pair[1], &byte, 1), 0); /* "no more questions" */
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    ck_assert_int_eq(read(pair[0], &byte, 1), 1);
    close_pair(pair);
}
END_TEST

/* -- descriptors ---------------------------------------------------------- */

START_TEST(a_passed_file_survives_its_name_and_its_sender)
{
    char path[ENDPOINT_SIZE], buf[10];
    struct iovec data = {.iov_base = buf, .iov_len = 1};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    struct ancillary a;
    int pair[2], fd;

    snprintf(path, sizeof path, "%.90s/file", run_dir);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "abcdef", 6), 6);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    make_pair(SOCK_STREAM, pair);
    ck_assert_int_eq(ancillary_send(pair[0], &data, 1, fd), 1);
    ck_assert_int_eq(read(fd, buf, 2), 2); /* after it was sent */
    unlink(path);
    close(fd);
    close(pair[0]);
    ck_assert_int_eq(ancillary_receive(pair[1], &m, &a), 1);
    ck_assert_int_ne(a.fd, -1);
    ck_assert_int_eq(fcntl(a.fd, F_GETFD), FD_CLOEXEC);
    /* The same open file: where one has read, the other goes on. */
    ck_assert_int_eq(read(a.fd, buf, 1), 1);
    ck_assert_int_eq(buf[0], 'c');
    close(a.fd);
    close(pair[1]);
}
END_TEST

START_TEST(a_read_stops_behind_the_bytes_that_have_a_descriptor)
{
    char buf[20];
    struct iovec data = {.iov_base = buf, .iov_len = 4};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    struct ancillary a;
    int pair[2];

    make_pair(SOCK_STREAM, pair);
    ck_assert_int_eq(ancillary_send(pair[0], &data, 1, -1), 4);
    ck_assert_int_eq(ancillary_send(pair[0], &data, 1, pair[0]), 4);
    ck_assert_int_eq(ancillary_send(pair[0], &data, 1, -1), 4);
    /* Four bytes of before come with it, the four after it do not. */
    data.iov_len = sizeof buf;
    ck_assert_int_eq(ancillary_receive(pair[1], &m, &a), 8);
    ck_assert_int_ne(a.fd, -1);
    close(a.fd);
    close_pair(pair);
}
END_TEST

/* -- options -------------------------------------------------------------- */

START_TEST(a_buffer_is_twice_what_was_asked_for)
{
    int pair[2], size = 10000;
    socklen_t len = sizeof size;

    make_pair(SOCK_STREAM, pair);
    ck_assert_int_eq(
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    ck_assert_int_eq(getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, &len),
                     0);
    ck_assert_int_eq(size, 20000);
    close_pair(pair);
}
END_TEST

START_TEST(a_receive_timeout_is_eagain)
{
    const struct timeval limit = {.tv_usec = 1000};
    int pair[2];

    make_pair(SOCK_STREAM, pair);
    ck_assert_int_eq(fcntl(pair[0], F_SETFL, 0), 0);
    ck_assert_int_eq(
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    expect_error(read(pair[0], &(char){0}, 1), EAGAIN);
    close_pair(pair);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket(void)
{
    Suite *s = suite_create("socket");
    TCase *tc = test_case(s, "socket");

    tcase_add_test(tc, a_stream_joins_what_the_others_keep_apart);
    tcase_add_test(tc, a_record_longer_than_the_buffer_loses_its_end);
    tcase_add_test(tc, an_empty_record_looks_like_the_end_but_has_a_sender);
    tcase_add_test(tc, the_largest_record_is_the_senders_buffer_less_32_bytes);
    tcase_add_test(tc, a_long_write_to_a_stream_may_be_a_short_one);
    tcase_add_test(tc, who_leaves_without_reading_resets_the_connection);
    tcase_add_test(tc, half_a_connection_can_be_closed);
    tcase_add_test(tc, a_passed_file_survives_its_name_and_its_sender);
    tcase_add_test(tc, a_read_stops_behind_the_bytes_that_have_a_descriptor);
    tcase_add_test(tc, a_buffer_is_twice_what_was_asked_for);
    tcase_add_test(tc, a_receive_timeout_is_eagain);
    return s;
}
