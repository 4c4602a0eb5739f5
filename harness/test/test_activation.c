/*
 * test_activation.c - a server whose endpoint was there before it.  The test is
 * the activator: it makes the endpoint, sets the environment and execs ipcd, as
 * systemd(1) does.  (What ipcd makes of that environment: test_listen_fds.c.)
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
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

/* -- the activator -------------------------------------------------------- */

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
    attr.mq_msgsize = (long)limits.max_msg + 24 + more; /* its prefix */
    endpoint_flat(a->where, queue_name);
    queue = mq_open(queue_name, flags, 0600, &attr);
    ck_assert_int_ne(queue, (mqd_t)-1);
    ck_assert_int_eq(fchmod(queue, 0622), 0);
    return queue;
}

/* "@...": an abstract address (unix(7)). */
static int
bound(int type, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t len = offsetof(struct sockaddr_un, sun_path) + strlen(name);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, name);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    ck_assert_int_eq(
        bind(fd, (const struct sockaddr *)&address, (socklen_t)len), 0);
    return fd;
}

/* PassCredentials=yes: what comes while nobody asks for credentials has
 * none. */
static int
make_socket(const struct activated *a)
{
    const int on = 1;
    int fd = bound(a->kind, a->where);

    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(chmod(a->where, 0666), 0);
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

/* The activator's socket for sd_notify(3). */
static void
listen_for_notices(struct activated *a)
{
    char name[64];

    snprintf(name, sizeof name, "@ipclab-notify-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    a->notified = bound(SOCK_DGRAM, name);
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
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "ipc", 1);
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
stop_activated(struct activated *a)
{
    ck_assert_int_eq(kill(a->pid, SIGTERM), 0);
    expect_notice(a, "STOPPING=1");
    ck_assert_int_eq(end_of(a), EXIT_SUCCESS);
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

/* -- the server that it starts -------------------------------------------- */

static const struct {
    const char *mechanism;
    int kind;
    const char *unit, *listen; /* harness/server/systemd/ipcd-UNIT.socket */
} activatable[] = {
    {"socket/stream", SOCK_STREAM, "stream", "ListenStream"},
    {"socket/seqpacket", SOCK_SEQPACKET, "seqpacket", "ListenSequentialPacket"},
    {"fifo/perclient", ACTIVATION_FIFO, "fifo", "ListenFIFO"},
    {"msgq/posix", ACTIVATION_QUEUE, "msgq", "ListenMessageQueue"},
};

#define ACTIVATABLE (int)(sizeof activatable / sizeof *activatable)

/* Twice: the endpoint outlives the server, as under systemd. */
static void
serve_activated(int i, const char *user)
{
    struct activated a;

    begin_activated(&a, activatable[i].mechanism, activatable[i].kind);
    for (int round = 0; round < 2; round++) {
        activate(&a, a.m->name, user);
        expect_notice(&a, "READY=1");
        as_user(need_root() == NULL ? ALICE : geteuid(), call_activated, &a);
        stop_activated(&a);
    }
    end_activated(&a);
}

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

/* There is no server, and nobody has started one; yet the client is served. */
static void
be_the_first(struct actor *self, void *activated)
{
    (void)self;
    call_activated(activated);
}

START_TEST(the_first_client_has_it_started)
{
    const uid_t uid = need_root() == NULL ? ALICE : geteuid();
    struct pollfd request = {.events = POLLIN};
    struct activated a;
    struct actor c;

    begin_activated(&a, activatable[_i].mechanism, activatable[_i].kind);
    actor_start(&c, uid, be_the_first, &a);
    request.fd = a.listener;
    ck_assert_int_eq(poll(&request, 1, (int)(CALL_TIMEOUT / 1000000)), 1);
    activate(&a, a.m->name, NULL);
    actor_end(&c);
    expect_notice(&a, "READY=1");
    stop_activated(&a);
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
    while (waitpid(-1, &status, 0) > 0)
        continue; /* its children, which are ours now: test.h */
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
    stop_activated(&a);

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

/* -- what fits, and what does not ----------------------------------------- */

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
            stop_activated(&a);
        } else {
            ck_assert_int_eq(end_of(&a), EXIT_FAILURE);
        }
    }
    end_activated(&a);
}
END_TEST

START_TEST(a_socket_that_no_mechanism_wants_is_refused)
{
    static const struct {
        const char *where;
        int kind;
        const char *mechanism;
    } wrong[] = {
        {"socket/stream", SOCK_STREAM, "socket/seqpacket"},
        {"socket/threads", SOCK_STREAM, "socket/threads"}, /* shuts it down */
        {"socket/stream", SOCK_SEQPACKET, "socket/stream"},
        {"socket/stream", ACTIVATION_FIFO, "socket/stream"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct activated a;

        begin_activated(&a, wrong[i].where, wrong[i].kind);
        activate(&a, wrong[i].mechanism, NULL);
        ck_assert_int_eq(end_of(&a), EXIT_FAILURE);
        end_activated(&a);
    }
}
END_TEST

/* The names in the units are those that clients look for. */
START_TEST(the_units_name_the_endpoints)
{
    for (int i = 0; i < ACTIVATABLE; i++) {
        char path[PATH_MAX], text[4096], line[256];
        char name[ENDPOINT_SIZE], flat[ENDPOINT_SIZE];
        FILE *f;

        endpoint_name(ipc_find(activatable[i].mechanism), "/run/ipclab", name);
        endpoint_flat(name, flat);
        snprintf(path, sizeof path,
                 "%.4000s/harness/server/systemd/ipcd-%s.socket", source_dir(),
                 activatable[i].unit);
        f = fopen(path, "re");
        ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        snprintf(line, sizeof line, "\n%s=%s\n", activatable[i].listen,
                 activatable[i].kind == ACTIVATION_QUEUE ? flat : name);
        ck_assert_msg(strstr(text, line) != NULL, "%s: no%s", path, line);
        snprintf(line, sizeof line, "touch %s.activator\n", name);
        ck_assert_msg(strstr(text, line) != NULL, "%s: no %s", path, line);
    }
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

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

    add_test_if(tc, need_mechanism(ipc_find("msgq/posix")),
                a_queue_of_another_size_is_refused);
    add_test_if(tc, need_source(), the_units_name_the_endpoints);
    tcase_add_test(tc, a_socket_that_no_mechanism_wants_is_refused);
    for (int i = 0; i < ACTIVATABLE; i++)
        add_activatable(s, i);
    return s;
}
