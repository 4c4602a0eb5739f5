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
#include <poll.h>
#include <signal.h>
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
    ck_assert_int_eq(
        begin_with(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), "1"), 0);
    ck_assert_int_eq(fcntl(3, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(activation_take(ACTIVATION_QUEUE, path), -EPROTOTYPE);
    ck_assert_int_eq(activation_take(ACTIVATION_FIFO, path), 3);
    unlink(path);
}

/* What a reader sees is how a client proves who it is (core/owner.h). */
static void
refuses_what_others_can_read(struct child *self, void *arg)
{
    char path[ENDPOINT_SIZE];
    int fd;

    (void)self, (void)arg;
    endpoint_file(run_dir, "/fifo", path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(fchmod(fd, 0644), 0);
    ck_assert_int_eq(begin_with(fd, "1"), -EPERM);
    ck_assert_int_eq(fchmod(fd, 0622), 0);
    ck_assert_int_eq(begin_with(fd, "1"), 0);
    ck_assert_int_eq(
        begin_with(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), "1"), -EPERM);
    if (geteuid() == 0) {
        ck_assert_int_eq(fchown(fd, ALICE, ALICE), 0);
        ck_assert_int_eq(begin_with(fd, "1"), -EPERM);
    }
    unlink(path);
}

START_TEST(a_fifo_that_others_can_read_is_refused)
{
    struct child c;

    child_start(&c, geteuid(), refuses_what_others_can_read, NULL);
    child_end(&c);
}
END_TEST

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
    int kind; /* of the endpoint */
    char where[ENDPOINT_SIZE];
    int listener; /* the activator's descriptor for it */
    int notified; /* his socket for what the server has to say */
    pid_t pid;
};

/* As in harness/server/systemd/. */
static int
make_fifo(const struct activated *a)
{
    char dir[ENDPOINT_SIZE];

    endpoint_file(a->where, ".d", dir);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    ck_assert_int_eq(chmod(dir, 01777), 0);
    ck_assert_int_eq(mkfifo(a->where, 0600), 0);
    ck_assert_int_eq(chmod(a->where, 0622), 0);
    return open(a->where, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static int
make_queue(const struct activated *a, long more)
{
    const int flags = O_RDONLY | O_NONBLOCK | O_CREAT | O_EXCL | O_CLOEXEC;
    char queue_name[ENDPOINT_SIZE];
    struct mq_attr attr = {.mq_maxmsg = 10};
    struct ipc_limits limits;
    mqd_t queue;

    ck_assert_int_eq(a->m->limits(&limits), 0);
    attr.mq_msgsize = (long)limits.max_msg + 28 + more; /* its prefix */
    endpoint_flat(a->where, queue_name);
    queue = mq_open(queue_name, flags, 0600, &attr);
    ck_assert_int_ne(queue, (mqd_t)-1);
    ck_assert_int_eq(fchmod(queue, 0622), 0);
    return queue;
}

/* PassCredentials=yes: what comes while nobody asks for credentials has none. */
static int
make_socket(const struct activated *a)
{
    const int on = 1;
    int fd = bound(a->kind, a->where, true);

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on),
                     0);
    return fd;
}

static void
make_endpoint(struct activated *a)
{
    char path[ENDPOINT_SIZE];

    if (a->kind == ACTIVATION_FIFO)
        a->listener = make_fifo(a);
    else if (a->kind == ACTIVATION_QUEUE)
        a->listener = make_queue(a, 0);
    else
        a->listener = make_socket(a);
    endpoint_file(a->where, ".activator", path);
    close(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

/* All of it was left to us. */
static void
remove_endpoint(struct activated *a)
{
    char path[ENDPOINT_SIZE];

    close(a->listener);
    endpoint_file(a->where, ".activator", path);
    ck_assert_int_eq(unlink(path), 0);
    if (a->kind == ACTIVATION_QUEUE) {
        endpoint_flat(a->where, path);
        ck_assert_int_eq(mq_unlink(path), 0);
        return;
    }
    ck_assert_int_eq(unlink(a->where), 0);
    endpoint_file(a->where, ".d", path);
    if (a->kind == ACTIVATION_FIFO)
        ck_assert_int_eq(rmdir(path), 0);
}

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
call_activated(void *activated)
{
    const struct activated *a = activated;
    struct client c;

    ck_assert_int_eq(client_open(&c, a->m, a->where), 0);
    expect_echo(&c, 100);
    client_close(&c);
}

static void
begin_activated(struct activated *a, const char *mechanism, int kind)
{
    *a = (struct activated){.m = ipc_find(mechanism), .kind = kind};
    ck_assert_int_eq(endpoint_name(a->m, run_dir, a->where), 0);
    make_endpoint(a);
    listen_for_notices(a);
}

static void
stop_listening(struct activated *a)
{
    close(a->notified);
    unsetenv("NOTIFY_SOCKET");
}

static void
end_activated(struct activated *a)
{
    stop_listening(a);
    remove_endpoint(a);
}

static const struct {
    const char *mechanism;
    int kind;
} activatable[] = {
    {"socket/stream", SOCK_STREAM},
    {"socket/seqpacket", SOCK_SEQPACKET},
    {"fifo/perclient", ACTIVATION_FIFO},
    {"msgq/posix", ACTIVATION_QUEUE},
};

/* Twice: the endpoint outlives the server, as under systemd. */
static void
serve_activated(int i, const char *user)
{
    struct activated a;

    begin_activated(&a, activatable[i].mechanism, activatable[i].kind);
    for (int round = 0; round < 2; round++) {
        activate(&a, a.m->name, user);
        expect_notice(&a, "READY=1");
        run_as(geteuid() == 0 ? ALICE : geteuid(), call_activated, &a);
        ck_assert_int_eq(kill(a.pid, SIGTERM), 0);
        expect_notice(&a, "STOPPING=1");
        ck_assert_int_eq(end_of(&a), EXIT_SUCCESS);
    }
    end_activated(&a);
}

/* There is no server, and nobody has started one; yet the client is served. */
static void
be_the_first(struct child *self, void *activated)
{
    (void)self;
    call_activated(activated);
}

START_TEST(the_first_client_has_it_started)
{
    const uid_t uid = geteuid() == 0 ? ALICE : geteuid();
    struct pollfd request = {.events = POLLIN};
    struct activated a;
    struct child c;

    begin_activated(&a, activatable[_i].mechanism, activatable[_i].kind);
    child_start(&c, uid, be_the_first, &a);
    request.fd = a.listener;
    ck_assert_int_eq(poll(&request, 1, (int)(PATIENCE / 1000000)), 1);
    activate(&a, a.m->name, NULL);
    child_end(&c);
    expect_notice(&a, "READY=1");
    ck_assert_int_eq(kill(a.pid, SIGTERM), 0);
    ck_assert_int_eq(end_of(&a), EXIT_SUCCESS);
    end_activated(&a);
}
END_TEST

START_TEST(others_leave_what_is_the_activators)
{
    char path[ENDPOINT_SIZE];
    struct activated a;
    struct output o;
    int status;

    begin_activated(&a, activatable[_i].mechanism, activatable[_i].kind);
    activate(&a, a.m->name, NULL);
    expect_notice(&a, "READY=1");
    ck_assert_int_eq(kill(a.pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(a.pid, &status, 0), a.pid);
    run_program(&o, "ipcd", "--sweep", "--run-dir", run_dir, NULL);
    ck_assert_int_eq(o.status, EXIT_SUCCESS);
    ck_assert_msg(strstr(o.out, "left alone") != NULL, "%s", o.out);
    ck_assert_ptr_null(strstr(o.out, "removed"));
    run_program(&o, "ipcd", "-m", a.m->name, "--run-dir", run_dir, NULL);
    ck_assert_int_eq(o.status, EXIT_FAILURE);
    ck_assert_msg(strstr(o.err, "systemd's") != NULL, "%s", o.err);
    /* It is all there, and the next server clears up after the last one. */
    activate(&a, a.m->name, NULL);
    expect_notice(&a, "READY=1");
    call_activated(&a);
    ck_assert_int_eq(kill(a.pid, SIGTERM), 0);
    ck_assert_int_eq(end_of(&a), EXIT_SUCCESS);

    /* If nobody says that it is his, it is a leftover. */
    endpoint_file(a.where, ".activator", path);
    ck_assert_int_eq(unlink(path), 0);
    run_program(&o, "ipcd", "--sweep", "--run-dir", run_dir, NULL);
    ck_assert_msg(strstr(o.out, "removed") != NULL, "%s", o.out);
    ck_assert_int_eq(mkdir(run_dir, 0755), 0); /* empty, it went as well */
    ck_assert_str_eq(objects_left(), "");
    close(a.listener);
    stop_listening(&a);
}
END_TEST

START_TEST(a_queue_of_another_size_is_refused)
{
    struct activated a;

    begin_activated(&a, "msgq/posix", ACTIVATION_QUEUE);
    for (long more = -1; more <= 0; more++) {
        char queue_name[ENDPOINT_SIZE];

        endpoint_flat(a.where, queue_name);
        ck_assert_int_eq(mq_unlink(queue_name), 0);
        close(a.listener);
        a.listener = make_queue(&a, more);
        activate(&a, "msgq/posix", NULL);
        if (more == 0) {
            expect_notice(&a, "READY=1");
            ck_assert_int_eq(kill(a.pid, SIGTERM), 0);
        }
        ck_assert_int_eq(end_of(&a), more == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    end_activated(&a);
}
END_TEST

/* The names in the units are those that clients look for. */
START_TEST(the_units_name_the_endpoints)
{
    static const struct {
        const char *unit, *mechanism, *listen;
    } units[] = {
        {"stream", "socket/stream", "ListenStream"},
        {"seqpacket", "socket/seqpacket", "ListenSequentialPacket"},
        {"fifo", "fifo/perclient", "ListenFIFO"},
        {"msgq", "msgq/posix", "ListenMessageQueue"},
    };

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        char path[PATH_MAX], text[4096], line[256];
        char name[ENDPOINT_SIZE], flat[ENDPOINT_SIZE];
        FILE *f;

        endpoint_name(ipc_find(units[i].mechanism), "/run/ipclab", name);
        endpoint_flat(name, flat);
        snprintf(path, sizeof path,
                 "%.4000s/harness/server/systemd/ipcd-%s.socket", source_dir(),
                 units[i].unit);
        f = fopen(path, "re");
        ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        snprintf(line, sizeof line, "\n%s=%s\n", units[i].listen,
                 strcmp(units[i].unit, "msgq") == 0 ? flat : name);
        ck_assert_msg(strstr(text, line) != NULL, "%s: no%s", path, line);
        snprintf(line, sizeof line, "touch %s.activator\n", name);
        ck_assert_msg(strstr(text, line) != NULL, "%s: no %s", path, line);
    }
}
END_TEST

START_TEST(a_server_takes_the_endpoint_over_and_leaves_it)
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

    begin_activated(&a, "socket/stream", SOCK_STREAM);
    activate(&a, "socket/seqpacket", NULL);
    ck_assert_int_eq(end_of(&a), EXIT_FAILURE);
    end_activated(&a);
    begin_activated(&a, "socket/threads", SOCK_STREAM);
    activate(&a, "socket/threads", NULL); /* it would shut it down */
    ck_assert_int_eq(end_of(&a), EXIT_FAILURE);
    end_activated(&a);
    begin_activated(&a, "socket/stream", SOCK_SEQPACKET);
    activate(&a, "socket/stream", NULL);
    ck_assert_int_eq(end_of(&a), EXIT_FAILURE);
    end_activated(&a);
    begin_activated(&a, "socket/stream", ACTIVATION_FIFO);
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

static void
add_activatable(Suite *s, int i)
{
    const char *name = activatable[i].mechanism;
    const char *reason = need_mechanism(ipc_find(name));
    TCase *tc = test_case(s, name);

    add_loop_test_if(tc, reason, a_server_takes_the_endpoint_over_and_leaves_it,
                     i);
    add_loop_test_if(tc, reason != NULL ? reason : need_root_and_one_thread(),
                     so_does_a_confined_one, i);
    add_loop_test_if(tc, reason, the_first_client_has_it_started, i);
    add_loop_test_if(tc, reason, others_leave_what_is_the_activators, i);
}

Suite *
test_activation(void)
{
    Suite *s = suite_create("activation");
    TCase *tc = test_case(s, "activation");
    const char *no_queue = need_mechanism(ipc_find("msgq/posix"));

    tcase_add_test(tc, a_count_that_is_none_is_refused);
    tcase_add_test(tc, what_is_no_endpoint_is_refused);
    tcase_add_test(tc, a_descriptor_is_taken_once_and_for_what_it_is);
    tcase_add_test(tc, a_fifo_is_known_by_its_path);
    tcase_add_test(tc, a_fifo_that_others_can_read_is_refused);
    add_test_if(tc, no_queue, a_queue_is_known_by_its_name);
    add_test_if(tc, no_queue, a_queue_of_another_size_is_refused);
    add_test_if(tc, need_source(), the_units_name_the_endpoints);
    tcase_add_test(tc, a_socket_that_no_mechanism_wants_is_refused);
    for (int i = 0; i < (int)(sizeof activatable / sizeof *activatable); i++)
        add_activatable(s, i);
    return s;
}
