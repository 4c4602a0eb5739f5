/*
 * test_confine.c - a daemon started with --user (server/confine.h): it serves
 * everybody as before, with the rights that the page says (confined.h), and in
 * the end leaves nothing.  Who may be the service user, and who may name him.
 */
#define _GNU_SOURCE /* geteuid, kill, memmem */
#include "test/confined.h"

#include "test/files.h"

#include "core/clock.h"
#include "server/broker.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_confine(void);

/* -- every daemon ---------------------------------------------------------- */

static void
start_confined(struct host *h, const struct ipc_mechanism *m)
{
    const struct host_options options = {.user = SERVICE_TEXT, .cpu = -1};
    int err = host_start(h, m, run_dir, &options);

    ck_assert_msg(err == 0, "no server of %s: %s", m->name, strerror(-err));
}

/* What the page says of the methods that anybody may call there. */
static rights
documented_broker(const struct ipc_mechanism *m)
{
    const unsigned may = rights_to_ask(m);
    rights all = 0;

    if (m->evidence >= IPC_OWNER && !(m->caps & IPC_TRUSTING))
        all = documented("broker");
    if (may >> BROKER_OBJECT & 1)
        all |= documented("object");
    if (may >> BROKER_MEMORY & 1)
        all |= documented("memory");
    return all;
}

/* Every thread's: capabilities are a thread's own. */
static void
expect_confined(const struct host *h)
{
    const rights kept = documented("endpoint");
    char path[64];
    DIR *threads;
    int n = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)h->server);
    threads = opendir(path);
    ck_assert_ptr_nonnull(threads);
    for (struct dirent *e; (e = readdir(threads)) != NULL;)
        if (e->d_name[0] != '.')
            n += expect_status((pid_t)strtol(e->d_name, NULL, 10), kept);
    closedir(threads);
    ck_assert_int_ge(n, 1);
    if (!(h->m->caps & IPC_THREADS))
        ck_assert_int_eq(n, 1); /* a second one would slow it down: daemon.c */
    ck_assert(expect_status(confined_broker(h), documented_broker(h->m)));
}

static void
expect_read(struct client *c, const char *path, bool mine)
{
    struct api_value args[] = {string_value(path), {.u64 = 0}, {.u32 = 10}};
    struct reply r;

    if (c->m->evidence < IPC_OWNER || (c->m->caps & IPC_TRUSTING)) {
        expect_call(c, "read_file", args, WIRE_DENIED, &r);
    } else if (mine) {
        expect_call(c, "read_file", args, WIRE_OK, &r);
        ck_assert(value_is(&r.results[0], "secret"));
    } else {
        expect_call(c, "read_file", args, WIRE_OS_ERROR, &r);
        ck_assert_int_eq(r.os_error, EACCES);
    }
}

static char files[2][PATH_MAX]; /* Alice's and Bob's */

/* Until its new server has made the endpoint. */
static void
until_served(struct host *h)
{
    const int64_t deadline = deadline_in(CALL_TIMEOUT);
    struct client c;
    int err;

    do {
        err = client_open(&c, h->m, h->where);
        sched_yield();
    } while (err != 0 && time_left(deadline) > 0);
    ck_assert_int_eq(err, 0);
    client_close(&c);
}

static void
be_served(void *server)
{
    struct host *h = server;
    struct api_value name = string_value("World");
    struct client c;
    struct reply r;

    client_start(h, &c);
    if (!(h->m->caps & IPC_ONEWAY)) {
        expect_call(&c, "hello", &name, WIRE_OK, &r);
        ck_assert(value_is(&r.results[0], "Hello World"));
        expect_call(&c, "whoami", NULL, WIRE_OK, &r);
        if (h->m->evidence > IPC_CLAIMED)
            ck_assert_int_eq(r.results[2].i64, geteuid());
        expect_echo(&c, echo_room(&c));
        expect_read(&c, files[0], geteuid() == ALICE);
        expect_read(&c, files[1], geteuid() == BOB);
    }
    client_close(&c);
}

START_TEST(a_confined_daemon_serves_all_users_with_their_own_rights)
{
    struct host h;

    make_file_of(ALICE, files[0]);
    make_file_of(BOB, files[1]);
    start_confined(&h, ipc_registry[_i]);
    expect_confined(&h);
    as_user(ALICE, be_served, &h);
    as_user(BOB, be_served, &h);
    expect_confined(&h);
    server_stop(&h); /* and nothing is left: test.h */
    unlink(files[0]);
    unlink(files[1]);
}
END_TEST

/* Also where only root is served, and no broker opens files for anybody. */
START_TEST(roots_files_are_not_opened_and_why)
{
    struct api_value args[] = {
        string_value("/etc/passwd"), {.u64 = 0}, {.u32 = 10}};
    struct client c;
    struct reply r;
    struct host h;

    start_confined(&h, ipc_registry[_i]);
    client_start(&h, &c);
    expect_call(&c, "read_file", args, WIRE_OS_ERROR, &r);
    ck_assert_int_eq(r.os_error, EPERM);
    ck_assert_ptr_nonnull(
        memmem(r.message.at, r.message.len, "ipcd --keep-root does", 21));
    client_close(&c);
    server_stop(&h);
}
END_TEST

/* Who has just been forked still is what its parent is. */
static void
until_confined(pid_t pid)
{
    const int64_t deadline = deadline_in(CALL_TIMEOUT);

    while (strstr(proc_text(pid, "status"), "\nSeccomp:\t2\n") == NULL) {
        ck_assert_int_gt(time_left(deadline), 0);
        sched_yield();
    }
}

/* Of an endpoint, of the broker; the supervisor says so, and starts it
 * again. */
START_TEST(who_dies_is_started_again)
{
    const char *const names[] = {ipc_registry[_i]->name, "ipcd-broker"};
    struct host h;

    make_file_of(ALICE, files[0]);
    make_file_of(BOB, files[1]);
    start_confined(&h, ipc_registry[_i]);
    for (size_t i = 0; i < 2; i++) {
        const int64_t deadline = deadline_in(CALL_TIMEOUT);
        const pid_t before = child_called(h.pid, names[i]);
        pid_t now;

        ck_assert_int_gt(before, 0);
        ck_assert_int_eq(kill(before, SIGKILL), 0);
        do {
            now = child_called(h.pid, names[i]);
            sched_yield();
        } while ((now == -1 || now == before) && time_left(deadline) > 0);
        ck_assert_msg(now > 0 && now != before, "no other %s", names[i]);
        if (i == 0)
            h.server = now;
    }
    until_served(&h);
    as_user(ALICE, be_served, &h);
    until_confined(confined_broker(&h));
    until_confined(h.server);
    expect_confined(&h);
    server_stop(&h);
    unlink(files[0]);
    unlink(files[1]);
}
END_TEST

/* The supervisor: nobody is left with the right to remove things. */
START_TEST(without_its_supervisor_a_server_ends)
{
    pid_t broker;
    struct host h;
    int status;

    start_confined(&h, ipc_registry[_i]);
    broker = confined_broker(&h);
    ck_assert_int_eq(kill(h.pid, SIGKILL), 0);
    ck_assert_int_eq(spawn_wait(&h.daemon, &status, NO_DEADLINE), 0);
    ck_assert(WIFSIGNALED(status));
    status = reap(h.server); /* an orphan, so ours: test.h */
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    status = reap(broker);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    start_confined(&h, ipc_registry[_i]); /* takes over and clears up */
    server_stop(&h);
}
END_TEST

/* -- by default ------------------------------------------------------------ */

static uid_t
uid_of(pid_t pid)
{
    const char *line = strstr(proc_text(pid, "status"), "\nUid:\t");

    ck_assert_ptr_nonnull(line);
    return (uid_t)strtoul(line + strlen("\nUid:\t"), NULL, 10);
}

START_TEST(root_does_not_serve_as_root)
{
    const struct ipc_mechanism *m = ipc_find("socket/stream");
    struct host_options options = {.cpu = -1};
    struct service_user named;
    struct host h;
    uid_t uid;

    ck_assert_int_eq(host_start(&h, m, run_dir, &options), 0);
    uid = uid_of(h.server);
    if (service_user_parse("ipclab", &named) == 0)
        ck_assert_uint_eq(uid, named.uid);
    else
        ck_assert(uid >= TRANSIENT_FIRST &&
                  uid < TRANSIENT_FIRST + TRANSIENT_COUNT &&
                  getpwuid(uid) == NULL && getgrgid(uid) == NULL);
    ck_assert_uint_eq(uid_of(confined_broker(&h)), uid);
    ck_assert_uint_eq(uid_of(h.pid), 0);
    server_stop(&h);

    options.keep_root = true;
    ck_assert_int_eq(host_start(&h, m, run_dir, &options), 0);
    ck_assert_uint_eq(uid_of(h.server), 0);
    server_stop(&h);
}
END_TEST

/* -- who it may be --------------------------------------------------------- */

START_TEST(nobody_serves_as_root_or_as_nobody)
{
    static const char *const bad[] = {
        "root", "0",          "0:10090", "10090:0", "-1",     "4294967295",
        "",     "4294967296", "65534",   "10090:",  "10090x", "no-such-user"};
    struct output o;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        run_program(&o, "ipcd", "-m", "socket/stream", "--user", bad[i], NULL);
        ck_assert_msg(o.status == 64 && strstr(o.err, "--user") != NULL,
                      "'%s': %d, %s", bad[i], o.status, o.err);
    }
}
END_TEST

static void
become_somebody_else(void *arg)
{
    struct output *o = arg;

    run_program(o, "ipcd", "-m", "socket/stream", "--user", SERVICE_TEXT, NULL);
    ck_assert_int_eq(o->status, 64);
    ck_assert_msg(strstr(o->err, "only root") != NULL, "%s", o->err);
}

START_TEST(only_root_becomes_somebody_else)
{
    static struct output o;

    as_user(need_root() == NULL ? ALICE : geteuid(), become_somebody_else, &o);
}
END_TEST

/* Its own name: no rights are there to be given up, but the filter is. */
static void
confine_myself(void *arg)
{
    char me[32];
    const struct host_options options = {.user = me, .cpu = -1};
    struct client c;
    struct host h;

    snprintf(me, sizeof me, "%u:%u", geteuid(), getegid());
    ck_assert_int_eq(host_start(&h, ipc_find("fifo/perclient"), arg, &options),
                     0);
    client_start(&h, &c);
    expect_echo(&c, 100);
    client_close(&c);
    ck_assert_ptr_nonnull(strstr(proc_text(h.server, "status"),
                                 "\nNoNewPrivs:\t1\nSeccomp:\t2\n"));
    server_stop(&h);
}

START_TEST(an_ordinary_user_confines_his_own_server)
{
    char dir[ENDPOINT_SIZE];

    snprintf(dir, sizeof dir, "%s/own", check_dir);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    if (need_root() == NULL)
        ck_assert_int_eq(chown(dir, ALICE, ALICE), 0);
    as_user(need_root() == NULL ? ALICE : geteuid(), confine_myself, dir);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

static void
add_daemon(Suite *s, int i)
{
    const struct ipc_mechanism *m = ipc_registry[i];
    TCase *tc = test_case(s, m->name);
    const char *reason =
        need_mechanism(m) != NULL ? need_mechanism(m) : need_one_thread();
    const char *alone = reason != NULL ? reason : need_root();

    if (reason == NULL)
        reason = need_strangers(m);

    add_loop_test_if(tc, reason != NULL ? reason : need_source(),
                     a_confined_daemon_serves_all_users_with_their_own_rights,
                     i);
    add_loop_test_if(tc, reason != NULL ? reason : need_source(),
                     who_dies_is_started_again, i);
    if (m->caps & IPC_TRUSTING) /* whom does it serve?  Not Alice */
        reason = alone;
    add_loop_test_if(tc, reason, without_its_supervisor_a_server_ends, i);
    if (!(m->caps & IPC_ONEWAY) &&
        (m->evidence >= IPC_OWNER || m->caps & IPC_TRUSTING))
        add_loop_test_if(tc, reason, roots_files_are_not_opened_and_why, i);
}

Suite *
test_confine(void)
{
    Suite *s = suite_create("confine");
    TCase *tc = test_case(s, "confine");

    add_test_if(tc, need_one_thread(), root_does_not_serve_as_root);
    tcase_add_test(tc, nobody_serves_as_root_or_as_nobody);
    add_test_if(tc, need_shared_programs(), only_root_becomes_somebody_else);
    add_test_if(
        tc, need_no_tsan() != NULL ? need_no_tsan() : need_shared_programs(),
        an_ordinary_user_confines_his_own_server);
    for (int i = 0; ipc_registry[i] != NULL; i++)
        if (!(ipc_registry[i]->caps &
              (IPC_SPAWNED | IPC_INPROCESS | IPC_TEXTBOOK)))
            add_daemon(s, i);
    return s;
}
