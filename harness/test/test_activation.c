/*
 * test_activation.c - a server whose endpoint was there before it
 * (core/activation.h).  The test is the activator: it makes the socket, sets
 * the environment and execs ipcd, as systemd(1) does.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, pipe2 */
#include "test/test.h"

#include "core/activation.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_activation(void);

/* -- what is believed --------------------------------------------------------- */

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
is_refused(struct child *self, void *fds)
{
    (void)self;
    ck_assert_int_eq(begin_with(-1, fds), -EINVAL);
}

START_TEST(a_count_that_is_none_is_refused)
{
    static const char *const bad[] = {"", "-1", "65", "4294967297", "1 ", "x"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[16];
        struct child c;

        strcpy(text, bad[i]);
        child_start(&c, geteuid(), is_refused, text);
        child_end(&c);
    }
}
END_TEST

static void
refuses_what_is_no_endpoint(struct child *self, void *arg)
{
    char path[ENDPOINT_SIZE];
    int pair[2];

    (void)self, (void)arg;
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
    struct child c;

    child_start(&c, geteuid(), refuses_what_is_no_endpoint, NULL);
    child_end(&c);
}
END_TEST

static void
takes_its_own(struct child *self, void *arg)
{
    char path[ENDPOINT_SIZE], why[ACTIVATION_WHY];

    (void)self, (void)arg;
    endpoint_file(run_dir, "/socket", path);
    say("1", "1"); /* for somebody else */
    ck_assert_int_eq(activation_begin(why), 0);
    ck_assert_ptr_null(activation_left());
    ck_assert_ptr_null(getenv("LISTEN_PID"));

    ck_assert_int_eq(begin_with(bound(SOCK_STREAM, path, true), "1"), 0);
    ck_assert_ptr_null(getenv("LISTEN_PID"));
    ck_assert_ptr_null(getenv("LISTEN_FDS"));
    ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
    ck_assert(fcntl(3, F_GETFD) & FD_CLOEXEC);
    ck_assert_str_eq(activation_left(), path);
    ck_assert_int_eq(activation_take(SOCK_STREAM, "/elsewhere"), -ENOENT);
    ck_assert_int_eq(activation_take(SOCK_SEQPACKET, path), -EPROTOTYPE);
    ck_assert_int_eq(activation_take(SOCK_STREAM, path), 3);
    ck_assert_int_eq(activation_take(SOCK_STREAM, path), -ENOENT);
    ck_assert_ptr_null(activation_left());
    ck_assert(activation_owns(path));
    unlink(path);
}

START_TEST(a_descriptor_is_taken_once_and_for_what_it_is)
{
    struct child c;

    child_start(&c, geteuid(), takes_its_own, NULL);
    child_end(&c);
}
END_TEST

static void
knows_files(struct child *self, void *arg)
{
    char path[ENDPOINT_SIZE];

    (void)self, (void)arg;
    endpoint_file(run_dir, "/fifo", path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(begin_with(open(path, O_RDWR | O_CLOEXEC), "1"), 0);
    ck_assert_int_eq(activation_take(ACTIVATION_FIFO, path), 3);
    unlink(path);
}

static void
knows_queues(struct child *self, void *arg)
{
    char name[64];
    mqd_t queue;

    (void)self, (void)arg;
    snprintf(name, sizeof name, "/ipclab-activation-%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    ck_assert_int_ne(queue, (mqd_t)-1);
    ck_assert_int_eq(begin_with((int)queue, "1"), 0);
    ck_assert_int_eq(activation_take(ACTIVATION_QUEUE, name), 3);
    mq_unlink(name);
}

START_TEST(a_queue_is_known_by_its_name)
{
    struct child c;

    child_start(&c, geteuid(), knows_queues, NULL);
    child_end(&c);
}
END_TEST

START_TEST(a_fifo_is_known_by_its_path)
{
    struct child c;

    child_start(&c, geteuid(), knows_files, NULL);
    child_end(&c);
}
END_TEST

/* -- a real server ------------------------------------------------------------- */

struct activated {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    int listener, notified; /* sockets of the activator's */
    pid_t pid;
};

/* "@...": the activator's socket for sd_notify(3). */
static void
listen_for_notices(struct activated *a)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len;
    char name[64];

    snprintf(name, sizeof name, "@ipclab-notify-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    a->notified = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(a->notified, (const struct sockaddr *)&address, len),
                     0);
}

static void
expect_notice(struct activated *a, const char *expected)
{
    char text[64];
    ssize_t n = recv(a->notified, text, sizeof text - 1, 0);

    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_str_eq(text, expected);
}

static void
exec_activated(struct activated *a, const char *mechanism, const char *user)
{
    char path[PATH_MAX], pid[16];

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    say(pid, "1");
    dup2(a->listener, 3);
    program_path("ipcd", path, sizeof path);
    execl(path, "ipcd", "-m", mechanism, "--run-dir", run_dir,
          user != NULL ? "--user" : (char *)NULL, user, (char *)NULL);
    _exit(127);
}

static void
activate(struct activated *a, const char *mechanism, const char *user)
{
    a->pid = fork();
    ck_assert_int_ne(a->pid, -1);
    if (a->pid == 0)
        exec_activated(a, mechanism, user);
}

static int
end_of(struct activated *a)
{
    int status;

    while (waitpid(a->pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
call_activated(struct activated *a)
{
    struct client c;

    ck_assert_int_eq(client_open(&c, a->m, a->where), 0);
    expect_echo(&c, 100);
    client_close(&c);
}

static void
begin_activated(struct activated *a, const struct ipc_mechanism *m, int type)
{
    *a = (struct activated){.m = m};
    ck_assert_int_eq(endpoint_name(m, run_dir, a->where), 0);
    a->listener = bound(type, a->where, true);
    listen_for_notices(a);
}

static void
end_activated(struct activated *a)
{
    close(a->listener);
    close(a->notified);
    unsetenv("NOTIFY_SOCKET");
    ck_assert_int_eq(unlink(a->where), 0); /* it was left to us */
}

/* Twice: the socket outlives the server, as under systemd. */
static void
serve_activated(int i, const char *user)
{
    const struct ipc_mechanism *m = ipc_registry[i];
    struct activated a;

    begin_activated(&a, m,
                    m->caps & IPC_BOUNDARIES ? SOCK_SEQPACKET : SOCK_STREAM);
    for (int round = 0; round < 2; round++) {
        activate(&a, m->name, user);
        expect_notice(&a, "READY=1");
        call_activated(&a);
        ck_assert_int_eq(kill(a.pid, SIGTERM), 0);
        expect_notice(&a, "STOPPING=1");
        ck_assert_int_eq(end_of(&a), EXIT_SUCCESS);
    }
    end_activated(&a);
}

START_TEST(a_server_takes_the_socket_over_and_leaves_it)
{
    serve_activated(_i, NULL);
}
END_TEST

START_TEST(so_does_a_confined_one)
{
    serve_activated(_i, "10090");
}
END_TEST

START_TEST(a_socket_that_no_mechanism_wants_is_refused)
{
    struct activated a;

    begin_activated(&a, ipc_find("socket/stream"), SOCK_STREAM);
    activate(&a, "socket/seqpacket", NULL);
    ck_assert_int_eq(end_of(&a), EXIT_FAILURE);
    end_activated(&a);
    begin_activated(&a, ipc_find("socket/threads"), SOCK_STREAM);
    activate(&a, "socket/threads", NULL); /* it would shut it down */
    ck_assert_int_eq(end_of(&a), EXIT_FAILURE);
    end_activated(&a);
    begin_activated(&a, ipc_find("socket/stream"), SOCK_SEQPACKET);
    activate(&a, "socket/stream", NULL);
    ck_assert_int_eq(end_of(&a), EXIT_FAILURE);
    end_activated(&a);
}
END_TEST

static const char *
need_root_and_one_thread(void)
{
#ifdef IPCLAB_TSAN
    return "need a program without ThreadSanitizer's own thread";
#else
    return need_root();
#endif
}

Suite *
test_activation(void)
{
    static const char *const names[] = {"socket/stream", "socket/seqpacket"};
    Suite *s = suite_create("activation");
    TCase *tc = test_case(s, "activation");

    tcase_add_test(tc, a_count_that_is_none_is_refused);
    tcase_add_test(tc, what_is_no_endpoint_is_refused);
    tcase_add_test(tc, a_descriptor_is_taken_once_and_for_what_it_is);
    tcase_add_test(tc, a_fifo_is_known_by_its_path);
    add_test_if(tc, need_mechanism(ipc_find("msgq/posix")),
                a_queue_is_known_by_its_name);
    tcase_add_test(tc, a_socket_that_no_mechanism_wants_is_refused);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (int i = 0; ipc_registry[i] != NULL; i++)
            if (strcmp(ipc_registry[i]->name, names[n]) == 0) {
                tc = test_case(s, names[n]);
                add_loop_test_if(
                    tc, NULL, a_server_takes_the_socket_over_and_leaves_it, i);
                add_loop_test_if(tc, need_root_and_one_thread(),
                                 so_does_a_confined_one, i);
            }
    return s;
}
