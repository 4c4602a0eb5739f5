/*
 * test_socket_dgram.c - attacks on a server without connections: where does
 * the answer go, and whose is a session?
 */
#define _GNU_SOURCE /* pipe2, unshare, struct ucred */
#include "by_hand.h"

#include "ancillary.h"

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
    run_as(geteuid(), write_in_the_victims_name, &p);
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

/* Joins with this descriptor as the reply channel. */
static void
join_with(const char *where, int channel)
{
    uint8_t zeros[8] = {0};
    struct iovec join = {.iov_base = zeros, .iov_len = sizeof zeros};
    int fd = connect_to(where, SOCK_DGRAM);

    ck_assert_int_eq(ancillary_send(fd, &join, 1, channel), 8);
    close(fd);
}

static void
offer_false_channels(void *where)
{
    char *dgram = where, *other = dgram + ENDPOINT_SIZE;
    int pair[2], fd = connect_to(other, SOCK_SEQPACKET);
    char byte;

    /* A connection to root's other server: an answer would come to it as root's
     * request.  Then kinds that would not tell that the client has gone. */
    join_with(dgram, fd);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair),
                     0);
    join_with(dgram, pair[1]);
    close(pair[0]);
    close(pair[1]);
    ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
    join_with(dgram, pair[1]);
    close(pair[1]);
    ck_assert_int_eq(read(pair[0], &byte, 1), 0); /* closed, nothing written */
    close(pair[0]);
    close(fd);
}

START_TEST(only_a_pair_of_the_clients_own_is_a_reply_channel)
{
    char where[2][ENDPOINT_SIZE];
    struct host dgram, other;
    struct client honest, witness;
    struct reply r;
    int before;

    server_start(&dgram, ipc_find("socket/dgram"));
    server_start(&other, ipc_find("socket/seqpacket"));
    strcpy(where[0], dgram.where);
    strcpy(where[1], other.where);
    client_start(&dgram, &honest);
    client_start(&other, &witness);
    expect_echo(&honest, 100);
    before = open_descriptors(dgram.pid);
    run_as(ALICE, offer_false_channels, where);
    expect_echo(&honest, 100); /* those before it in the queue were seen to */
    ck_assert_int_le(open_descriptors(dgram.pid), before);
    expect_call(&witness, "stats", NULL, WIRE_OK, &r);
    ck_assert_uint_eq(r.results[3].u64, 0); /* not a word came there */
    client_close(&honest);
    client_close(&witness);
    server_stop(&dgram);
    server_stop(&other);
}
END_TEST

/* Is every thread of the process asleep?  proc(5), stat, field 3. */
static bool
all_asleep(pid_t pid)
{
    char path[300], state = 'S';
    struct dirent *e;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while (state == 'S' && (e = readdir(dir)) != NULL) {
        FILE *in;

        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid,
                 e->d_name);
        in = e->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (in == NULL)
            continue;
        ck_assert_int_eq(fscanf(in, "%*d (%*[^)]) %c", &state), 1);
        fclose(in);
    }
    closedir(dir);
    return state == 'S';
}

/* The descriptor that the server got is the same open file as the one that was
 * sent; and epoll(7) watches open files. */
START_TEST(a_channel_that_its_client_kept_does_not_keep_the_server_busy)
{
    struct host server;
    struct client honest;
    int pair[2], before;

    server_start(&server, ipc_find("socket/dgram"));
    client_start(&server, &honest);
    expect_echo(&honest, 100);
    before = open_descriptors(server.pid);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    join_with(server.where, pair[1]);
    ck_assert_int_eq(read(pair[0], &(char[8]){0}, 8), 8);
    close(pair[0]); /* he is gone; but not the other end */
    while (open_descriptors(server.pid) > before)
        expect_echo(&honest, 100);
    while (!all_asleep(server.pid))
        sched_yield();
    close(pair[1]);
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
    run_as(ALICE, speak_in_others_sessions, server.where);
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
    add_test_if(tc, root, only_a_pair_of_the_clients_own_is_a_reply_channel);
    tcase_add_test(
        tc, a_channel_that_its_client_kept_does_not_keep_the_server_busy);
    add_test_if(tc, root, a_session_is_only_for_the_user_who_joined);
    return s;
}
