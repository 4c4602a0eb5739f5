/*
 * test_listen_fds.c - what a server believes of $LISTEN_FDS and of the
 * descriptors that it finds open (core/activation.h).  Each test is a child
 * that plays both: it fills descriptor 3 and the environment, and looks.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "test/test.h"

#include "core/activation.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

Suite *test_listen_fds(void);

static int
bound(int type, const char *path, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    ck_assert_int_eq(
        bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    if (listening)
        ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);
    return fd;
}

static void
say(const char *pid, const char *fds)
{
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", fds, 1);
    setenv("LISTEN_FDNAMES", "ipc", 1);
}

/* In a child, where 3 is ours to fill. */
static int
begin_with(int fd, const char *fds)
{
    char pid[16], why[ACTIVATION_WHY];

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    say(pid, fds);
    if (fd != -1)
        ck_assert_int_eq(dup2(fd, 3), 3);
    return activation_begin(why);
}

static void
is_refused(void *fds)
{
    ck_assert_int_eq(begin_with(-1, fds), -EINVAL);
}

START_TEST(a_count_that_is_none_is_refused)
{
    char bad[][16] = {"", "-1", "65", "4294967297", "1 ", "x"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        as_user(geteuid(), is_refused, bad[i]);
}
END_TEST

static void
refuses_what_is_no_endpoint(void *unused)
{
    char path[ENDPOINT_SIZE];
    int pair[2];

    (void)unused;
    endpoint_file(run_dir, "/deaf", path);
    ck_assert_int_eq(begin_with(bound(SOCK_STREAM, path, false), "1"), -EINVAL);
    ck_assert_int_eq(
        begin_with(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "1"),
        -EINVAL);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(begin_with(pair[0], "1"), -EINVAL);
    ck_assert_int_eq(begin_with(open("/dev/null", O_RDWR | O_CLOEXEC), "1"),
                     -EINVAL);
    close(3);
    ck_assert_int_ne(begin_with(-1, "1"), 0);
    unlink(path);
}

START_TEST(what_is_no_endpoint_is_refused)
{
    as_user(geteuid(), refuses_what_is_no_endpoint, NULL);
}
END_TEST

static void
takes_its_own(void *unused)
{
    char path[ENDPOINT_SIZE], why[ACTIVATION_WHY];

    (void)unused;
    endpoint_file(run_dir, "/socket", path);
    say("1", "1"); /* for somebody else */
    ck_assert_int_eq(activation_begin(why), 0);
    ck_assert_ptr_null(activation_left(0));
    ck_assert_ptr_null(getenv("LISTEN_PID"));

    ck_assert_int_eq(begin_with(bound(SOCK_STREAM, path, true), "1"), 0);
    ck_assert_ptr_null(getenv("LISTEN_PID"));
    ck_assert_ptr_null(getenv("LISTEN_FDS"));
    ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
    ck_assert(fcntl(3, F_GETFD) & FD_CLOEXEC);
    ck_assert_str_eq(activation_left(0), path);
    ck_assert_int_eq(activation_take(SOCK_STREAM, "/elsewhere"), -ENOENT);
    ck_assert_int_eq(activation_take(SOCK_SEQPACKET, path), -EPROTOTYPE);
    ck_assert_int_eq(activation_take(SOCK_STREAM, path), 3);
    ck_assert_int_eq(activation_take(SOCK_STREAM, path), -ENOENT);
    ck_assert_ptr_null(activation_left(0));
    ck_assert(activation_owns(path));
    unlink(path);
}

START_TEST(a_descriptor_is_taken_once_and_for_what_it_is)
{
    as_user(geteuid(), takes_its_own, NULL);
}
END_TEST

static void
knows_fifos(void *unused)
{
    char path[ENDPOINT_SIZE];

    (void)unused;
    endpoint_file(run_dir, "/fifo", path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(
        begin_with(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), "1"), 0);
    ck_assert_int_eq(fcntl(3, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(activation_take(ACTIVATION_QUEUE, path), -EPROTOTYPE);
    ck_assert_int_eq(activation_take(ACTIVATION_FIFO, path), 3);
    unlink(path);
}

START_TEST(a_fifo_is_known_by_its_path)
{
    as_user(geteuid(), knows_fifos, NULL);
}
END_TEST

/* What a reader sees is how a client proves who it is (core/owner.h). */
static void
refuses_what_others_can_read(void *unused)
{
    char path[ENDPOINT_SIZE];
    int fd;

    (void)unused;
    endpoint_file(run_dir, "/fifo", path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(fchmod(fd, 0644), 0);
    ck_assert_int_eq(begin_with(fd, "1"), -EPERM);
    ck_assert_int_eq(fchmod(fd, 0622), 0);
    ck_assert_int_eq(begin_with(fd, "1"), 0);
    ck_assert_int_eq(
        begin_with(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), "1"), -EPERM);
    if (need_root() == NULL) {
        ck_assert_int_eq(fchown(fd, ALICE, ALICE), 0);
        ck_assert_int_eq(begin_with(fd, "1"), -EPERM);
    }
    unlink(path);
}

START_TEST(a_fifo_that_others_can_read_is_refused)
{
    as_user(geteuid(), refuses_what_others_can_read, NULL);
}
END_TEST

static void
knows_queues(void *unused)
{
    char name[64];
    mqd_t queue;

    (void)unused;
    snprintf(name, sizeof name, "/ipclab-activation-%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    ck_assert_int_ne(queue, (mqd_t)-1);
    ck_assert_int_eq(begin_with((int)queue, "1"), 0);
    ck_assert_int_eq(activation_take(ACTIVATION_QUEUE, name), 3);
    mq_unlink(name);
}

START_TEST(a_queue_is_known_by_its_name)
{
    as_user(geteuid(), knows_queues, NULL);
}
END_TEST

Suite *
test_listen_fds(void)
{
    Suite *s = suite_create("listen_fds");
    TCase *tc = test_case(s, "activation");

    tcase_add_test(tc, a_count_that_is_none_is_refused);
    tcase_add_test(tc, what_is_no_endpoint_is_refused);
    tcase_add_test(tc, a_descriptor_is_taken_once_and_for_what_it_is);
    tcase_add_test(tc, a_fifo_is_known_by_its_path);
    tcase_add_test(tc, a_fifo_that_others_can_read_is_refused);
    add_test_if(tc, need_mechanism(ipc_find("msgq/posix")),
                a_queue_is_known_by_its_name);
    return s;
}
