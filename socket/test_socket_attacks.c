/*
 * test_socket_attacks.c - what a hostile or clumsy client does to our AF_UNIX
 * servers, and a false server to our clients.  Datagrams: test_socket_dgram.c;
 * who says that he is somebody else: `ipcattack 50 51`.
 *
 * An attack is also run against the naive way of doing it, where it must
 * succeed; otherwise its failure would prove nothing.
 */
#define _GNU_SOURCE /* memmem, setresuid, struct ucred */
#include "by_hand.h"

#include "core/clock.h"
#include "test/both/requests.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_socket_attacks(void);

static void
expect_end(int fd)
{
    uint8_t bytes[1024];
    ssize_t n;

    do
        n = read(fd, bytes, sizeof bytes);
    while (n > 0);
    ck_assert(n == 0 || errno == ECONNRESET);
}

/* -- saying who one is ---------------------------------------------------- */

static void
bind_a_strange_name(void *where)
{
    struct sockaddr_un mine = {.sun_family = AF_UNIX}, server;
    socklen_t len = local_path(&server, where);
    uint8_t frame[1024];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(mine.sun_path, "\0a\0b\033[2J", 8);
    ck_assert_int_eq(
        bind(fd, (struct sockaddr *)&mine, sizeof mine.sun_family + 8), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&server, len), 0);
    ck_assert_int_eq(handshake_wait(fd, deadline_in(CALL_TIMEOUT)), 0);
    raw_frame(frame, API_whoami, 1, NULL, 0);
    ck_assert_int_eq(write(fd, frame, WIRE_HEADER), WIRE_HEADER);
    ck_assert_int_gt(read(fd, frame, sizeof frame), WIRE_HEADER);
    ck_assert_uint_eq(get32(frame + 12), WIRE_OK);
    ck_assert_ptr_nonnull(memmem(frame, sizeof frame, "@a?b?[2J", 8));
    close(fd);
}

START_TEST(a_strange_address_is_told_in_letters)
{
    struct host server;

    server_start(&server, ipc_find("socket/stream"));
    bind_a_strange_name(server.where);
    server_stop(&server);
}
END_TEST

/* -- descriptors ---------------------------------------------------------- */

START_TEST(more_descriptors_than_the_server_wants_leave_none_with_it)
{
    static const struct {
        const char *name;
        int type;
    } kind[] = {{"socket/stream", SOCK_STREAM},
                {"socket/threads", SOCK_STREAM},
                {"socket/seqpacket", SOCK_SEQPACKET}};
    int fds[32] = {0}; /* our standard input, so many times */
    struct host server;
    struct client honest;
    int before;

    server_start(&server, ipc_find(kind[_i].name));
    client_start(&server, &honest);
    expect_echo(&honest, 100);
    before = open_descriptors(server.server);
    for (size_t n = 1; n <= 32; n++) {
        int fd = connect_to(server.where, kind[_i].type);

        ssize_t sent = send_beside(fd, SCM_RIGHTS, fds, n * sizeof *fds);

        if (sent == -1) /* since Linux 6.16: SO_PASSRIGHTS */
            ck_assert_int_eq(errno, EPERM);
        else
            expect_end(fd);
        close(fd);
    }
    while (open_descriptors(server.server) > before)
        expect_echo(&honest, 100);
    client_close(&honest);
    server_stop(&server);
}
END_TEST

/* The naive way to receive one descriptor: room for one.  Where a long has 8
 * bytes the room is rounded up to them, and that is two descriptors. */
START_TEST(room_for_one_descriptor_is_room_for_two)
{
    enum { ROOM = (CMSG_SPACE(sizeof(int)) - CMSG_LEN(0)) / sizeof(int) };
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char byte[WIRE_HEADER];
    struct iovec data = {.iov_base = byte, .iov_len = sizeof byte};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    int pair[2], got[ROOM], before;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    before = open_descriptors(getpid());
    ck_assert_int_eq(
        send_beside(pair[0], SCM_RIGHTS, (int[]){0, 0, 0}, 3 * sizeof(int)),
        WIRE_HEADER);
    ck_assert_int_eq(recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC), WIRE_HEADER);
    ck_assert_int_ne(m.msg_flags & MSG_CTRUNC, 0);
    ck_assert_int_eq(open_descriptors(getpid()), before + ROOM);
    memcpy(got, CMSG_DATA(&control.header), sizeof got);
    for (int i = 0; i < ROOM; i++)
        close(got[i]);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

/* -- false servers -------------------------------------------------------- */

struct squatter {
    const char *name; /* of the mechanism */
    int type;
    bool abstract;
    char where[ENDPOINT_SIZE];
};

static const struct squatter squatters[] = {
    {"socket/stream", SOCK_STREAM, false, ""},
    {"socket/threads", SOCK_STREAM, false, ""},
    {"socket/seqpacket", SOCK_SEQPACKET, false, ""},
    {"socket/dgram", SOCK_DGRAM, false, ""},
    {"socket/abstract", SOCK_STREAM, true, ""},
};

static void
squat(struct actor *self, void *arg)
{
    const struct squatter *s = arg;
    struct sockaddr_un address;
    socklen_t len = s->abstract ? local_abstract(&address, s->where)
                                : local_path(&address, s->where);
    int fd = bind_to(&address, len, s->type);

    if (!s->abstract)
        ck_assert_int_eq(chmod(s->where, 0666), 0);
    actor_step(self);
    close(fd);
}

START_TEST(a_false_server_is_refused)
{
    struct squatter s = squatters[_i];
    const struct ipc_mechanism *m = ipc_find(s.name);
    struct sockaddr_un address;
    struct client victim;
    struct actor c;
    socklen_t len;
    int naive;

    /* As if the run directory had been carelessly made; for a moment. */
    ck_assert_int_eq(endpoint_name(m, run_dir, s.where), 0);
    ck_assert_int_eq(chmod(run_dir, 0777), 0);
    actor_start(&c, ALICE, squat, &s);
    actor_wait(&c);
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
    len = s.abstract ? local_abstract(&address, s.where)
                     : local_path(&address, s.where);
    naive = socket(AF_UNIX, s.type | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(naive, (struct sockaddr *)&address, len), 0);
    close(naive);
    ck_assert_int_eq(client_open(&victim, m, s.where), -EPERM);
    actor_go(&c);
    actor_end(&c);
    unlink(s.where);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket_attacks(void)
{
    Suite *s = suite_create("socket_attacks");
    TCase *tc = test_case(s, "socket");
    const char *root = need_root();

    tcase_add_test(tc, a_strange_address_is_told_in_letters);
    tcase_add_loop_test(
        tc, more_descriptors_than_the_server_wants_leave_none_with_it, 0, 3);
    tcase_add_test(tc, room_for_one_descriptor_is_room_for_two);
    for (int i = 0; i < (int)(sizeof squatters / sizeof *squatters); i++)
        add_loop_test_if(tc, root, a_false_server_is_refused, i);
    return s;
}
