/*
 * test_socket_dgram.c - attacks on a server without connections: where does
 * the answer go, and whose is a session?
 */
#define _GNU_SOURCE /* pipe2, unshare, struct ucred */
#include "by_hand.h"

#include "core/ancillary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_socket_dgram(void);

/* -- datagrams: where does the answer go? --------------------------------- */

struct post {
    char server[ENDPOINT_SIZE], victim[ENDPOINT_SIZE];
};

/* Binds the victim's path, in a mount namespace where that is another file, and
 * writes to the server. */
static void
write_in_the_victims_name(void *arg)
{
    const struct post *p = arg;
    struct sockaddr_un victim;
    socklen_t len = local_path(&victim, p->victim);
    int fd = connect_to(p->server, SOCK_DGRAM);

    ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(mount("own", run_dir, "tmpfs", 0, NULL), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&victim, len), 0);
    ck_assert_int_eq(send(fd, "?", 1, 0), 1);
    close(fd);
}

START_TEST(an_answer_to_a_path_may_go_to_somebody_else)
{
    struct post p;
    struct sockaddr_un from;
    socklen_t from_len = sizeof from;
    int naive, victim;
    char byte;

    snprintf(p.server, sizeof p.server, "%.90s/naive", run_dir);
    snprintf(p.victim, sizeof p.victim, "%.90s/victim", run_dir);
    naive = bind_path(p.server, SOCK_DGRAM);
    victim = bind_path(p.victim, SOCK_DGRAM);
    ck_assert_int_eq(chmod(p.victim, 0600), 0);
    as_user(geteuid(), write_in_the_victims_name, &p);
    ck_assert_int_eq(recvfrom(naive, &byte, 1, MSG_DONTWAIT,
                              (struct sockaddr *)&from, &from_len),
                     1);
    ck_assert_int_eq(
        sendto(naive, "!", 1, 0, (struct sockaddr *)&from, from_len), 1);
    ck_assert_int_eq(recv(victim, &byte, 1, MSG_DONTWAIT), 1); /* misled */
    close(victim);
    close(naive);
    unlink(p.server);
    unlink(p.victim);
}
END_TEST

/* -- the channel ---------------------------------------------------------- */

static void
pass_descriptors(void *where)
{
    uint8_t zeros[8 + WIRE_HEADER] = {0};
    struct iovec data = {.iov_base = zeros, .iov_len = sizeof zeros};
    int fd = connect_to(where, SOCK_DGRAM);

    for (size_t i = 0; i < 20; i++) {
        ssize_t n = ancillary_send(fd, &data, 1, STDIN_FILENO);

        /* Since Linux 6.16 the kernel does not let it in: SO_PASSRIGHTS. */
        ck_assert(n == -EPERM || n == sizeof zeros);
    }
    close(fd);
}

START_TEST(a_descriptor_beside_a_datagram_stays_nowhere)
{
    struct host server;
    struct client honest;
    int before;

    server_start(&server, ipc_find("socket/dgram"));
    client_start(&server, &honest);
    expect_echo(&honest, 100);
    before = open_descriptors(server.server);
    as_user(geteuid(), pass_descriptors, server.where);
    expect_echo(&honest, 100); /* those before it in the queue were seen to */
    ck_assert_int_le(open_descriptors(server.server), before);
    client_close(&honest);
    server_stop(&server);
}
END_TEST

START_TEST(who_writes_into_his_channel_loses_it)
{
    struct host server;
    struct client honest;
    char path[ENDPOINT_SIZE], name[8];
    int fd;

    server_start(&server, ipc_find("socket/dgram"));
    client_start(&server, &honest);
    ck_assert_int_eq(endpoint_file(server.where, ".join", path), 0);
    fd = connect_to(path, SOCK_SEQPACKET);
    ck_assert_int_eq(read(fd, name, sizeof name), sizeof name);
    ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    ck_assert_int_le(read(fd, name, sizeof name), 0);
    expect_echo(&honest, 100);
    close(fd);
    client_close(&honest);
    server_stop(&server);
}
END_TEST

static void
speak_in_others_sessions(void *where)
{
    uint8_t frame[8 + WIRE_HEADER];
    int fd = connect_to(where, SOCK_DGRAM);

    /* Nonsense that would cost its sender the session. */
    raw_frame(frame + 8, API_whoami, 1, NULL, 0);
    frame[8] = 'X';
    for (uint64_t session = 0; session < 10; session++) {
        put64(frame, session);
        ck_assert_int_eq(send(fd, frame, sizeof frame, 0), sizeof frame);
    }
    close(fd);
}

START_TEST(a_session_is_only_for_the_user_who_joined)
{
    struct host server;
    struct client c, own;
    struct reply r;

    server_start(&server, ipc_find("socket/dgram"));
    client_start(&server, &c);
    expect_echo(&c, 100);
    as_user(ALICE, speak_in_others_sessions, server.where);
    expect_echo(&c, 100);
    expect_call(&c, "stats", NULL, WIRE_OK, &r);
    ck_assert_uint_eq(r.results[3].u64, 0);
    /* The control: from the same user it does cost the session. */
    client_start(&server, &own);
    speak_in_others_sessions(server.where);
    expect_cut_off(&own);
    client_close(&own);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket_dgram(void)
{
    Suite *s = suite_create("socket_dgram");
    TCase *tc = test_case(s, "socket/dgram");
    const char *root = need_root();

    add_test_if(tc, need_mounts(), an_answer_to_a_path_may_go_to_somebody_else);
    tcase_add_test(tc, a_descriptor_beside_a_datagram_stays_nowhere);
    tcase_add_test(tc, who_writes_into_his_channel_loses_it);
    add_test_if(tc, root, a_session_is_only_for_the_user_who_joined);
    return s;
}
