/*
 * test_methods.c - every method, over every mechanism, by a caller whom the
 * rules entitle and by one whom they do not; and what each method that has
 * rights to give away must not be talked into.
 *
 *                       entitled                 another
 *      open             ok                       ok
 *      privileged       ok                       "no rule allows it to uid N"
 *      read_file        what a rule grants       EACCES
 *      less evidence than the method needs: both are told so
 *
 * As root the entitled one is Alice and the other one Bob.  Otherwise, and for
 * the baselines, there is only one user: then the rules are for this one, or
 * for somebody else.
 */
#define _GNU_SOURCE /* unshare, memmem */
#include "test/ruled.h"

#include "core/rundir.h"
#include "server/methods.h"
#include "server/open_as.h"
#include "server/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_methods(void);

static struct ruled server;
static const struct ipc_mechanism *m;
static uid_t server_uid, asks; /* who the server is, and who asks it */
static bool entitled;
static char dir[ENDPOINT_SIZE], secret[ENDPOINT_SIZE + 8];

#define NEW_NAME "renamed-by-a-test"
#define NEW_NICE 7
#define PORT     1017 /* nobody's in services(5) */

static void
expect_said(const struct reply *r, const char *text)
{
    ck_assert_msg(text != NULL && memmem(r->message.at, r->message.len, text,
                                         strlen(text)) != NULL,
                  "%s: not '%s' but: %.*s", m->name, text, (int)r->message.len,
                  r->message.at);
}

/* -- what is expected -------------------------------------------------------------- */

/* What a refusal must name; NULL: it is not to be refused. */
static const char *
refusal(const struct api_method *method)
{
    static char text[128];
    bool owner = asks == server_uid || (m->caps & IPC_SPAWNED);

    if (m->evidence < method->evidence)
        snprintf(text, sizeof text, "%s needs evidence %s, %s gives %s",
                 method->name, ipc_evidence_name(method->evidence), m->name,
                 ipc_evidence_name(m->evidence));
    else if (method->evidence > IPC_CLAIMED && (m->caps & IPC_TRUSTING) &&
             asks != server_uid)
        snprintf(text, sizeof text, "%s trusts its peers", m->name);
    else if (!entitled && ((method->marks & API_PRIVILEGED) ||
                           ((method->marks & API_OWNERS) && !owner)))
        snprintf(text, sizeof text, "no rule allows it to uid %u",
                 (unsigned)asks);
    else
        return NULL;
    return text;
}

/* It succeeds, or the kernel says no with this errno. */
static bool
call_or(struct client *c, const char *method, const struct api_value *args,
        int os_error, struct reply *r)
{
    if (os_error == 0) {
        expect_call(c, method, args, WIRE_OK, r);
        return true;
    }
    ck_assert_int_eq(client_call(c, api_by_name(method), args, r, PATIENCE), 0);
    ck_assert_uint_ne(r->status, WIRE_OK);
    ck_assert_msg(r->os_error == os_error, "%s: %s: %s, not %s", m->name,
                  method, strerror(r->os_error), strerror(os_error));
    return false;
}

static void
ask_read_file(struct client *c)
{
    const struct api_value args[] = {
        string_value(secret), {.u64 = 3}, {.u32 = 9}};
    int err = entitled || asks == server_uid ? 0 : EACCES;
    struct reply r;

    if (call_or(c, "read_file", args, err, &r))
        ck_assert(value_is(&r.results[0], "ret"));
}

static void
ask_open_file(struct client *c)
{
    const struct api_value arg = string_value(secret);
    int err = !(m->caps & IPC_PASSES_FD)       ? EOPNOTSUPP
              : entitled || asks == server_uid ? 0
                                               : EACCES;
    char text[8] = "";
    struct reply r;

    if (!call_or(c, "open_file", &arg, err, &r))
        return;
    ck_assert_int_eq(read(r.fd, text, sizeof text), 6);
    ck_assert_str_eq(text, "secret");
    ck_assert_int_eq(fcntl(r.fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDONLY);
    ck_assert_int_eq(fcntl(r.fd, F_GETFD), FD_CLOEXEC);
    close(r.fd);
}

static void
ask_set_hostname(struct client *c)
{
    const struct api_value arg = string_value(NEW_NAME);
    struct reply r;

    if (call_or(c, "set_hostname", &arg, server_uid == 0 ? 0 : EPERM, &r)) {
        expect_call(c, "get_hostname", NULL, WIRE_OK, &r);
        ck_assert(value_is(&r.results[0], NEW_NAME));
    }
}

static void
ask_set_priority(struct client *c)
{
    const struct api_value arg = {.i32 = NEW_NICE};
    int before = getpriority(PRIO_PROCESS, 0);
    struct reply r;

    expect_call(c, "set_priority", &arg, WIRE_OK, &r);
    ck_assert_int_eq(r.results[0].i32, before);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), NEW_NICE);
}

static void
ask_bind_port(struct client *c)
{
    const struct api_value arg = {.u32 = PORT};
    int err = !(m->caps & IPC_PASSES_FD) ? EOPNOTSUPP
              : server_uid != 0          ? EACCES
                                         : 0;
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int on, to;
    struct reply r;

    if (!call_or(c, "bind_port", &arg, err, &r))
        return;
    ck_assert_int_eq(getsockname(r.fd, (struct sockaddr *)&at, &len), 0);
    ck_assert(at.sin_family == AF_INET && ntohs(at.sin_port) == PORT &&
              at.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    len = sizeof on;
    ck_assert_int_eq(getsockopt(r.fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len), 0);
    ck_assert_int_eq(on, 1);
    /* What could not be bound can be served now. */
    to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(to, (struct sockaddr *)&at, sizeof at), 0);
    close(to);
    close(r.fd);
}

/* Carries out a method that is not to be refused. */
static void
ask(struct client *c, const struct api_method *method)
{
    struct api_value number = {.u32 = 1}, text = string_value("text");
    struct api_value add[] = {string_value("key"), {.i64 = 2}};
    struct reply r;

    switch (method->number) {
    case API_hello:
    case API_echo:
    case API_append_log:
    case API_sink:
        expect_call(c, method->name, &text, WIRE_OK, &r);
        break;
    case API_whoami:
    case API_stats:
    case API_get_hostname:
        expect_call(c, method->name, NULL, WIRE_OK, &r);
        break;
    case API_source:
    case API_describe:
    case API_sleep:
        expect_call(c, method->name, &number, WIRE_OK, &r);
        break;
    case API_counter_add:
        expect_call(c, method->name, add, WIRE_OK, &r);
        break;
    case API_read_file:
        ask_read_file(c);
        break;
    case API_open_file:
        ask_open_file(c);
        break;
    case API_set_hostname:
        ask_set_hostname(c);
        break;
    case API_set_priority:
        ask_set_priority(c);
        break;
    case API_bind_port:
        ask_bind_port(c);
        break;
    default:
        ck_abort_msg("nobody has said what is to be expected of %s",
                     method->name);
    }
}

static const struct api_value nothing[API_MAX_FIELDS] = {{.at = "", .len = 0}};

static void
ask_all(void *arg)
{
    const struct api_method *last = api_by_name("shutdown");
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&server.host, &c);
    for (const struct api_method *method = api_methods; method->name != NULL;
         method++) {
        if (method == last)
            continue;
        if (refusal(method) == NULL) {
            ask(&c, method);
        } else {
            expect_call(&c, method->name, nothing, WIRE_DENIED, &r);
            expect_said(&r, refusal(method));
        }
    }
    if (refusal(last) != NULL) {
        expect_call(&c, "shutdown", NULL, WIRE_DENIED, &r);
        expect_said(&r, refusal(last));
        expect_echo(&c, 10);
    } else if (!(m->caps & IPC_INPROCESS)) {
        expect_call(&c, "shutdown", NULL, WIRE_OK, &r);
    }
    client_close(&c);
}

/* -- over every mechanism ---------------------------------------------------------- */

static void
make_secret(void)
{
    snprintf(dir, sizeof dir, "%.80s/vault", run_dir);
    snprintf(secret, sizeof secret, "%s/secret", dir);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    write_file(secret, "secret", 0600);
}

static void
remove_secret(void)
{
    unlink(secret);
    rmdir(dir);
}

static void
start_for(uid_t caller, uid_t named)
{
    char rules[2 * ENDPOINT_SIZE + 256];

    server_uid = geteuid();
    asks = caller;
    entitled = caller == named;
    snprintf(rules, sizeof rules,
             "allow * uid=%u\n"
             "allow read_file uid=%u path=%s\nallow open_file uid=%u path=%s\n",
             (unsigned)named, (unsigned)named, dir, (unsigned)named, dir);
    server.more = NULL;
    ruled_start(&server, m, caller, rules);
}

static void
ask_as(uid_t caller, uid_t named)
{
    start_for(caller, named);
    if (m->caps & IPC_INPROCESS)
        ask_all(NULL);
    else
        run_as(caller, ask_all, NULL);
    /* What a refused caller asked for is in the audit as well.  (Not where the
     * server is a program of its own, which hears of no rules; it knows nobody
     * and gives nothing away.) */
    if (!(m->caps & IPC_SPAWNED) || m->evidence >= IPC_OWNER)
        ck_assert_uint_gt(times_in(ruled_audit(&server), "method=set_hostname"),
                          0);
    ruled_stop(&server);
}

static bool
has_two_users(void)
{
    return need_root() == NULL && !(m->caps & IPC_INPROCESS) &&
           (!(m->caps & IPC_SPAWNED) ||
            (m->evidence >= IPC_PEER && need_mounts() == NULL));
}

static uid_t
a_caller(void)
{
    return has_two_users() ? ALICE : geteuid();
}

/* A namespace that may be renamed; its end gives the old name back. */
static void
own_hostname(void)
{
    if (geteuid() == 0)
        ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
}

START_TEST(the_entitled_may_what_the_evidence_allows)
{
    m = ipc_registry[_i];
    own_hostname();
    make_secret();
    ask_as(a_caller(), a_caller());
    remove_secret();
}
END_TEST

START_TEST(another_is_told_what_is_missing)
{
    char before[HOST_NAME_MAX + 1], after[HOST_NAME_MAX + 1];

    m = ipc_registry[_i];
    own_hostname();
    make_secret();
    ck_assert_int_eq(gethostname(before, sizeof before), 0);
    ask_as(has_two_users() ? BOB : geteuid(), ALICE - 1);
    ck_assert_int_eq(gethostname(after, sizeof after), 0);
    ck_assert_str_eq(after, before);
    remove_secret();
}
END_TEST

/* No reply says so; the audit does. */
START_TEST(a_way_without_an_answer_does_nothing_privileged)
{
    const struct api_value name = string_value(NEW_NAME);
    char now[HOST_NAME_MAX + 1];
    struct client c;
    struct reply r;

    m = ipc_registry[_i];
    own_hostname();
    make_secret();
    start_for(geteuid(), geteuid());
    client_start(&server.host, &c);
    ck_assert_int_eq(
        client_call(&c, api_by_name("set_hostname"), &name, &r, PATIENCE), 0);
    ruled_until(&server, "method=set_hostname(name=\"" NEW_NAME
                         "\") decision=deny rule=\"default: least evidence\"");
    ck_assert_int_eq(gethostname(now, sizeof now), 0);
    ck_assert_str_ne(now, NEW_NAME);
    client_close(&c);
    ruled_stop(&server);
    remove_secret();
}
END_TEST

/* -- files that a rule grants -------------------------------------------------------- */

/* Names that lead out of the directory, or to what is no file of it. */
static const struct {
    const char *name;
    int os_error;
    bool naive; /* can be read by who only compares the beginning of the path */
} ways_out[] = {
    {"link", ELOOP, true},
    {"dirlink/outside", ELOOP, true},
    {"hard", EMLINK, true},
    {"../outside", EXDEV, true},
    {"sub/../../outside", EXDEV, true},
    {"sub", EISDIR, false},
    {"", ENOENT, false},
    {"fifo", ENXIO, false},
    {"sub/none", ENOENT, false},
};

static void
in_dir(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", dir, name);
}

static void
make_ways_out(void)
{
    char outside[ENDPOINT_SIZE], path[2 * ENDPOINT_SIZE];

    snprintf(outside, sizeof outside, "%.80s/outside", run_dir);
    write_file(outside, "outside", 0600);
    in_dir(path, sizeof path, "link");
    ck_assert_int_eq(symlink("../outside", path), 0);
    in_dir(path, sizeof path, "dirlink");
    ck_assert_int_eq(symlink("..", path), 0);
    in_dir(path, sizeof path, "hard");
    ck_assert_int_eq(link(outside, path), 0);
    in_dir(path, sizeof path, "sub");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    in_dir(path, sizeof path, "fifo");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void
remove_ways_out(void)
{
    static const char *const names[] = {"link", "dirlink", "hard", "fifo",
                                        "../outside"};
    char path[2 * ENDPOINT_SIZE];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        in_dir(path, sizeof path, names[i]);
        unlink(path);
    }
    in_dir(path, sizeof path, "sub");
    rmdir(path);
}

static void
ask_ways_out(void *arg)
{
    struct client c;
    struct reply r;

    (void)arg;
    client_start(&server.host, &c);
    ask_read_file(&c); /* the rule is there */
    for (size_t i = 0; i < sizeof ways_out / sizeof *ways_out; i++) {
        char path[2 * ENDPOINT_SIZE];
        struct api_value args[] = {{.at = path}, {.u64 = 0}, {.u32 = 99}};

        in_dir(path, sizeof path, ways_out[i].name);
        args[0].len = strlen(path);
        expect_call(&c, "read_file", args, WIRE_OS_ERROR, &r);
        ck_assert_msg(r.os_error == ways_out[i].os_error, "%s: %s",
                      ways_out[i].name, strerror(r.os_error));
        expect_call(&c, "open_file", args, WIRE_OS_ERROR, &r);
        ck_assert_msg(r.os_error == ways_out[i].os_error, "%s: %s",
                      ways_out[i].name, strerror(r.os_error));
    }
    client_close(&c);
}

START_TEST(a_granted_directory_has_no_way_out)
{
    m = ipc_find("socket/stream");
    make_secret();
    make_ways_out();
    /* The naive form: the path begins as the rule says, so root opens it. */
    for (size_t i = 0; i < sizeof ways_out / sizeof *ways_out; i++) {
        char path[2 * ENDPOINT_SIZE], text[16] = "";
        int fd;

        in_dir(path, sizeof path, ways_out[i].name);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ck_assert_int_eq(strncmp(path, dir, strlen(dir)), 0);
        if (ways_out[i].naive) {
            ck_assert_int_eq(read(fd, text, sizeof text), 7);
            ck_assert_str_eq(text, "outside");
        }
        if (fd != -1)
            close(fd);
    }
    start_for(ALICE, ALICE);
    run_as(ALICE, ask_ways_out, NULL);
    ruled_stop(&server);
    remove_ways_out();
    remove_secret();
}
END_TEST

/* A rule gives more, it takes nothing away: what the caller may read himself he
 * reads as himself, also by a link, and no rule is named. */
static void
ask_own(void *path)
{
    struct api_value args[] = {string_value(path), {.u64 = 0}, {.u32 = 99}};
    struct client c;
    struct reply r;

    client_start(&server.host, &c);
    expect_call(&c, "read_file", args, WIRE_OK, &r);
    ck_assert(value_is(&r.results[0], "open"));
    client_close(&c);
}

START_TEST(a_grant_takes_nothing_away)
{
    char path[2 * ENDPOINT_SIZE], to[2 * ENDPOINT_SIZE];

    m = ipc_find("fifo/perclient");
    make_secret();
    ck_assert_int_eq(chmod(dir, 0755), 0);
    in_dir(to, sizeof to, "open");
    write_file(to, "open", 0644);
    in_dir(path, sizeof path, "link");
    ck_assert_int_eq(symlink("open", path), 0);
    start_for(ALICE, ALICE);
    run_as(ALICE, ask_own, path);
    ck_assert_uint_eq(times_in(ruled_audit(&server), " path="), 0);
    ruled_stop(&server);
    unlink(path);
    unlink(to);
    remove_secret();
}
END_TEST

/* -- the host name ----------------------------------------------------------------- */

/* A call of a method, in this process. */
static uint32_t
call_here(method_function f, struct service *s, const struct ipc_peer *peer,
          struct api_value arg, struct call *c)
{
    *c = (struct call){.service = s, .peer = *peer, .args = {arg}, .fd = -1};
    return f(c);
}

START_TEST(a_server_in_the_machines_uts_namespace_does_not_rename_it)
{
    const struct ipc_peer root = {getpid(), 0, 0, IPC_PEER, NULL};
    struct service s = {.m = ipc_find("socket/stream")};
    struct api_value name = string_value(NEW_NAME);
    char now[HOST_NAME_MAX + 1];
    struct call c;
    struct stat st;

    own_hostname();
    /* This one is now "the machine's". */
    ck_assert_int_eq(stat("/proc/self/ns/uts", &st), 0);
    settings.first_uts = st.st_ino;
    ck_assert_uint_eq(call_here(do_set_hostname, &s, &root, name, &c),
                      WIRE_DENIED);
    ck_assert_ptr_nonnull(strstr(s.message, "no UTS namespace of its own"));
    ck_assert_ptr_nonnull(strstr(s.message, "--allow-host-uts"));
    gethostname(now, sizeof now);
    ck_assert_str_ne(now, NEW_NAME);
    settings.host_uts = true; /* --allow-host-uts */
    ck_assert_uint_eq(call_here(do_set_hostname, &s, &root, name, &c), WIRE_OK);
    gethostname(now, sizeof now);
    ck_assert_str_eq(now, NEW_NAME);
    /* Or in a namespace that really is its own. */
    settings.host_uts = false;
    ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
    ck_assert_uint_eq(
        call_here(do_set_hostname, &s, &root, string_value("again"), &c),
        WIRE_OK);
}
END_TEST

START_TEST(a_host_name_is_letters_digits_hyphens_and_dots)
{
    static const char *const bad[] = {"",    "-x",       ".x",  "a b", "a\nb",
                                      "a/b", "\xc3\xa4", "a_b", "a;b"};
    const struct ipc_peer root = {getpid(), 0, 0, IPC_PEER, NULL};
    struct service s = {.m = ipc_find("socket/stream")};
    char longest[HOST_NAME_MAX + 1];
    struct call c;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_uint_eq(
            call_here(do_set_hostname, &s, &root, string_value(bad[i]), &c),
            WIRE_BAD_ARGS);
    memset(longest, 'a', sizeof longest);
    ck_assert_uint_eq(call_here(do_set_hostname, &s, &root,
                                bytes_value(longest, HOST_NAME_MAX), &c),
                      WIRE_BAD_ARGS);
}
END_TEST

/* -- the priority ------------------------------------------------------------------- */

static void
wait_there(struct child *self, void *arg)
{
    (void)arg;
    child_step(self);
}

/* A connection of Alice's, whose pid is by now somebody else's. */
START_TEST(a_pid_is_not_an_identity)
{
    struct ipc_peer alice = {-1, ALICE, ALICE, IPC_PEER, NULL};
    struct service s = {.m = ipc_find("socket/stream")};
    const struct api_value nice = {.i32 = NEW_NICE};
    struct child bob, own;
    struct call c;

    child_start(&bob, BOB, wait_there, NULL);
    child_start(&own, ALICE, wait_there, NULL);
    child_wait(&bob);
    child_wait(&own);

    alice.pid = bob.pid;
    ck_assert_uint_eq(call_here(do_set_priority, &s, &alice, nice, &c),
                      WIRE_OS_ERROR);
    ck_assert_int_eq(c.os_error, EPERM);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)bob.pid), 0);
    /* The naive form believes the pid. */
    ck_assert_int_eq(setpriority(PRIO_PROCESS, (id_t)alice.pid, NEW_NICE), 0);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)bob.pid), NEW_NICE);

    alice.pid = own.pid;
    ck_assert_uint_eq(call_here(do_set_priority, &s, &alice, nice, &c),
                      WIRE_OK);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)own.pid), NEW_NICE);
    child_kill(&own);
    ck_assert_uint_eq(call_here(do_set_priority, &s, &alice, nice, &c),
                      WIRE_OS_ERROR);
    ck_assert_int_eq(c.os_error, ESRCH);
    child_go(&bob);
    child_end(&bob);

    /* 0 would be the server itself: setpriority(2). */
    for (alice.pid = -1; alice.pid <= 0; alice.pid++)
        ck_assert_uint_eq(call_here(do_set_priority, &s, &alice, nice, &c),
                          WIRE_DENIED);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), 0);
}
END_TEST

/* -- the log ------------------------------------------------------------------------- */

START_TEST(the_log_says_who_wrote_what_and_where)
{
    static const char lie[] =
        "x\n2026-01-01T00:00:00.000000Z uid=0 text=\"hi\"";
    struct api_value text = string_value("one");
    static char log[4096], big[2000];
    char expected[96];
    struct client c;
    struct reply r;
    uint64_t at;
    int fd;

    m = ipc_find("fifo/perclient");
    make_secret();
    start_for(geteuid(), geteuid());
    client_start(&server.host, &c);
    expect_call(&c, "append_log", &text, WIRE_OK, &r);
    ck_assert_uint_eq(r.results[0].u64, 0);
    text = string_value(lie);
    expect_call(&c, "append_log", &text, WIRE_OK, &r);
    at = r.results[0].u64;
    text = string_value("");
    expect_call(&c, "append_log", &text, WIRE_BAD_ARGS, &r);
    memset(big, 'x', sizeof big);
    text = bytes_value(big, sizeof big);
    expect_call(&c, "append_log", &text, WIRE_BAD_ARGS, &r);

    fd = open(server.log, O_RDONLY | O_CLOEXEC);
    ck_assert_int_gt(read(fd, log, sizeof log - 1), (ssize_t)at);
    close(fd);
    ck_assert_uint_eq(times_in(log, "\n"), 2);
    ck_assert_int_eq(log[at - 1], '\n'); /* there the second line begins */
    snprintf(expected, sizeof expected,
             "Z uid=%u gid=%u evidence=K2 mechanism=fifo/perclient text=\"one\""
             "\n",
             (unsigned)geteuid(), (unsigned)getegid());
    ck_assert_ptr_nonnull(strstr(log, expected));
    ck_assert_ptr_nonnull(strstr(log + at, "text=\"x\\x0a2026"));
    client_close(&c);
    ruled_stop(&server);
    remove_secret();
}
END_TEST

/* Somebody has put a link where the log will be. */
START_TEST(the_log_does_not_follow_a_link)
{
    struct api_value text = string_value("root::0:0::/:/bin/sh");
    char target[ENDPOINT_SIZE];
    struct client c;
    struct reply r;
    struct stat st;
    FILE *naive;

    m = ipc_find("socket/stream");
    make_secret();
    snprintf(target, sizeof target, "%.80s/passwd", run_dir);
    write_file(target, "", 0600);
    start_for(geteuid(), geteuid());
    ck_assert_int_eq(symlink(target, server.log), 0);
    client_start(&server.host, &c);
    expect_call(&c, "append_log", &text, WIRE_OS_ERROR, &r);
    ck_assert_int_eq(r.os_error, ELOOP);
    ck_assert_int_eq(stat(target, &st), 0);
    ck_assert_int_eq(st.st_size, 0);
    naive = fopen(server.log, "ae"); /* the naive form */
    ck_assert(naive != NULL && fputs("gone through", naive) >= 0);
    if (naive != NULL)
        fclose(naive);
    ck_assert_int_eq(stat(target, &st), 0);
    ck_assert_int_eq(st.st_size, 12);
    unlink(server.log);
    expect_call(&c, "append_log", &text, WIRE_OK, &r); /* and now it can */
    client_close(&c);
    ruled_stop(&server);
    unlink(target);
    remove_secret();
}
END_TEST

/* -- the suite ------------------------------------------------------------------------ */

/* Root has two users for all but the spawned variants that need a set-user-ID
 * server, for whose files something must be mounted. */
static void
add_methods(TCase *tc, int i)
{
    m = ipc_registry[i];
    if (m->caps & IPC_ONEWAY) {
        add_loop_test_if(tc, need_mechanism(m),
                         a_way_without_an_answer_does_nothing_privileged, i);
        return;
    }
    add_loop_test_if(tc, need_mechanism(m),
                     the_entitled_may_what_the_evidence_allows, i);
    add_loop_test_if(tc, need_mechanism(m), another_is_told_what_is_missing, i);
}

Suite *
test_methods(void)
{
    Suite *s = suite_create("methods");
    TCase *tc;

    for (int i = 0; ipc_registry[i] != NULL; i++)
        add_methods(test_case(s, ipc_registry[i]->name), i);
    tc = test_case(s, "methods");
    add_test_if(tc, need_root(), a_granted_directory_has_no_way_out);
    add_test_if(tc, need_root(), a_grant_takes_nothing_away);
    add_test_if(tc, need_root(),
                a_server_in_the_machines_uts_namespace_does_not_rename_it);
    tcase_add_test(tc, a_host_name_is_letters_digits_hyphens_and_dots);
    add_test_if(tc, need_root(), a_pid_is_not_an_identity);
    tcase_add_test(tc, the_log_says_who_wrote_what_and_where);
    tcase_add_test(tc, the_log_does_not_follow_a_link);
    return s;
}
