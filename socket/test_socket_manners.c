/*
 * test_socket_manners.c - clumsy clients and poor servers: half a message, an
 * unread reply, an empty record, a full table of descriptors.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "test/test.h"

#include "local.h"

#include "core/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

Suite *test_socket_manners(void);

/* What the loop tests go through. */
static const char *const connected[] = {"socket/stream", "socket/threads",
                                        "socket/seqpacket", "socket/abstract",
                                        "socket/tcp"};
#define CONNECTED (sizeof connected / sizeof *connected)

/* -- bad manners ---------------------------------------------------------- */

START_TEST(half_a_message_and_an_unread_reply_disturb_nobody)
{
    const struct api_value much = {.u32 = 100000};
    struct client half, slow, honest;
    uint8_t frame[WIRE_HEADER];
    struct host server;
    struct reply r;

    server_start(&server, ipc_find(connected[_i]));
    client_start(&server, &half);
    client_start(&server, &slow);
    client_start(&server, &honest);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    if (!(half.m->caps & IPC_BOUNDARIES))
        ck_assert_int_eq(raw_send(&half, frame, 10, -1), 0);
    /* More answers than the socket takes: 233 kB were free, at most. */
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(client_send(&slow, api_by_name("source"), &much, NULL,
                                     CALL_TIMEOUT),
                         0);
    for (int i = 0; i < 20; i++)
        expect_echo(&honest, 1000);
    /* It gets all of them in the end. */
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(client_recv(&slow, &r, CALL_TIMEOUT), 0);
        ck_assert_uint_eq(r.results[0].len, much.u32);
    }
    if (!(half.m->caps & IPC_BOUNDARIES)) {
        ck_assert_int_eq(raw_send(&half, frame + 10, sizeof frame - 10, -1), 0);
        ck_assert_int_eq(client_recv(&half, &r, CALL_TIMEOUT), 0);
    }
    client_close(&half);
    client_close(&slow);
    client_close(&honest);
    server_stop(&server);
}
END_TEST

/* The server ends while the answer is on its way: in socket/threads, by way of
 * another thread. */
START_TEST(who_ends_the_server_hears_that_he_has)
{
    struct host server;
    struct client c;
    struct reply r;

    for (int i = 0; i < 20; i++) {
        server_start(&server, ipc_find(connected[_i]));
        client_start(&server, &c);
        expect_call(&c, "shutdown", NULL, WIRE_OK, &r);
        client_close(&c);
        server_stop(&server);
    }
}
END_TEST

START_TEST(a_server_without_descriptors_turns_clients_away)
{
    struct rlimit before, few;
    struct client c[32], one_more;
    struct host server;
    int n = 0, err;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 32, .rlim_max = before.rlim_max};
    /* The server's; ours are back before we need any. */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    server_start(&server, ipc_find(connected[_i]));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    while ((err = client_try(&server, &c[n])) == 0) {
        expect_echo(&c[n], 100);
        ck_assert_int_lt(++n, 32);
    }
    ck_assert_int_eq(err, -EAGAIN);
    for (int i = 0; i < n; i++)
        expect_echo(&c[i], 100);
    client_close(&c[--n]);
    while ((err = client_try(&server, &one_more)) == -EAGAIN)
        expect_echo(&c[0], 100); /* it may not have noticed yet */
    ck_assert_int_eq(err, 0);
    expect_echo(&one_more, 100);
    client_close(&one_more);
    while (n > 0)
        client_close(&c[--n]);
    server_stop(&server);
}
END_TEST

START_TEST(an_empty_record_is_malformed_and_not_the_end)
{
    struct host server;
    struct sockaddr_un address;
    struct client honest;
    struct reply r;
    socklen_t len;
    int fd;

    server_start(&server, ipc_find("socket/seqpacket"));
    client_start(&server, &honest);
    len = local_path(&address, server.where);
    fd = local_join(SOCK_SEQPACKET, &address, len, server.where);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(send(fd, "", 0, 0), 0);
    ck_assert_int_eq(read(fd, &(char){0}, 1), 0);
    close(fd);
    expect_call(&honest, "stats", NULL, WIRE_OK, &r);
    ck_assert_uint_eq(r.results[3].u64, 1); /* malformed */
    client_close(&honest);
    server_stop(&server);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket_manners(void)
{
    Suite *s = suite_create("socket_manners");
    TCase *tc = test_case(s, "socket");

    tcase_add_loop_test(tc, half_a_message_and_an_unread_reply_disturb_nobody,
                        0, CONNECTED);
    tcase_add_loop_test(tc, who_ends_the_server_hears_that_he_has, 0,
                        CONNECTED - 1); /* TCP is K1: may not */
    tcase_add_loop_test(tc, a_server_without_descriptors_turns_clients_away, 0,
                        CONNECTED);
    tcase_add_test(tc, an_empty_record_is_malformed_and_not_the_end);
    return s;
}
