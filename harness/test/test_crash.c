/*
 * test_crash.c - every mechanism among other processes that die, at the worst
 * moment.  (Those that are too many, too fast or too lazy: test_crowd.c.)
 *
 *      killed              then
 *      a client            its server serves the others, and forgets it
 *      a daemon            -EPIPE for its clients; the next one takes over
 *                          what it left, sweep() removes it
 *      a client with a     the server ends by itself
 *      server of its own
 */
#define _GNU_SOURCE /* kill */
#include "test/asked.h"
#include "test/subject.h"

#include "core/clock.h"
#include "core/rundir.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_crash(void);

enum moment { AFTER_OPEN, AFTER_SEND, HALFWAY, MOMENTS };

static void
vanish(struct actor *self, void *arg)
{
    uint8_t frame[WIRE_HEADER + 1000] = {0};
    struct client c;

    client_start(&server, &c);
    switch (*(enum moment *)arg) {
    case AFTER_SEND:
        send_request(&c, "hello", string_value("World"));
        break;
    case HALFWAY: /* a header that announces more than there is */
        raw_frame(frame, API_echo, 1, frame + WIRE_HEADER, 1000);
        ck_assert_int_eq(raw_send(&c, frame, WIRE_HEADER + 500, -1), 0);
        break;
    case AFTER_OPEN:
    case MOMENTS:
        break;
    }
    actor_step(self); /* never comes back */
}

START_TEST(a_client_may_vanish_at_any_moment)
{
    struct actor c;
    struct client next;
    int most;

    begin_among_mortals(_i);
    client_start(&server, &next);
    expect_echo(&next, 100); /* a connection may not be accepted before */
    most = has(IPC_SPAWNED) ? 0 : open_descriptors(server.server);
    client_close(&next);
    for (enum moment moment = AFTER_OPEN; moment < MOMENTS; moment++) {
        actor_start(&c, geteuid(), vanish, &moment);
        actor_wait(&c);
        ck_assert(actor_kill(&c));
        expect_echo(&client, 100);
        client_start(&server, &next);
        expect_echo(&next, 100);
        client_close(&next);
    }
    /* The server keeps nothing of them.  When it notices that one has gone is
     * its own business, but at the latest when the next one comes.  (A spawned
     * one has only ever had this one client.) */
    do {
        client_start(&server, &next);
        client_close(&next);
        doing("as many as before they came",
              "descriptors of the server's, once clients were killed");
    } while (!has(IPC_SPAWNED) && open_descriptors(server.server) > most);
    end();
    children_end(); /* the servers that the vanished clients spawned */
}
END_TEST

START_TEST(a_client_that_leaves_takes_everything_along)
{
    char before[4096];
    struct client other;

    begin(_i);
    expect_echo(&client, 100);
    snprintf(before, sizeof before, "%s", objects_left());
    client_start(&server, &other);
    expect_echo(&other, 100);
    client_close(&other);
    /* What the server still holds goes when it looks again. */
    while (strcmp(objects_left(), before) != 0)
        expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(a_killed_server_is_a_broken_pipe)
{
    struct reply r;

    begin(_i);
    send_request(&client, "sleep", (struct api_value){.u32 = 1000});
    kill_server();
    expect_result(client_recv(&client, &r, CALL_TIMEOUT), -EPIPE,
                  "recv(), after the server had been killed");
    expect_result(
        client_call(&client, api_by_name("whoami"), NULL, &r, CALL_TIMEOUT),
        -EPIPE, "another call: send(), recv(), of a server that was killed");
    client_close(&client);
    children_end(); /* whom the killed server had spawned in its turn */
    sweep_up();
}
END_TEST

START_TEST(a_server_killed_during_the_wait_wakes_its_client)
{
    struct reply r;

    begin(_i);
    send_request(&client, "sleep", (struct api_value){.u32 = 1000});
    signal_server(SIGSTOP); /* it will not answer, only die */
    if (server.pid > 0)     /* nor be started again */
        ck_assert_int_eq(kill(server.pid, SIGSTOP), 0);
    begin_signals(20 * NS_PER_MS, server_pid(&server));
    expect_result(client_recv(&client, &r, CALL_TIMEOUT), -EPIPE,
                  "recv(), and while it waits the server is killed");
    end_signals();
    client_close(&client);
    if (!has(IPC_SPAWNED))
        server_kill(&server);
    children_end();
    sweep_up();
}
END_TEST

static void
open_and_stay(struct actor *self, void *arg)
{
    (void)arg;
    client_start(&server, &client);
    expect_echo(&client, 100);
    actor_step(self);
}

/* With a client that dies too, since the living would clear up theirs. */
static void
kill_everybody(void)
{
    struct actor c;

    actor_start(&c, geteuid(), open_and_stay, NULL);
    actor_wait(&c);
    if (!has(IPC_SPAWNED))
        server_kill(&server);
    ck_assert(actor_kill(&c));
    children_end();
}

static void
expect_crash_to_leave_what_the_table_says(void)
{
    doing(has(IPC_PERSISTS) ? "something (the table has IPC_PERSISTS)"
                            : "nothing (the table has no IPC_PERSISTS)",
          "what is left after kill -9");
    if ((objects_left()[0] != '\0') != has(IPC_PERSISTS))
        is_unexpected("left behind:\n%s", objects_left());
}

static void
expect_sweep_to_remove_all(const char *name)
{
    if (subject->sweep != NULL) {
        expect_result(subject->sweep(name) == 1 ? 0 : -ENOENT, 0,
                      "sweep(), after kill -9: it has to find something");
        expect_result(subject->sweep(name), 0,
                      "sweep() once more: nothing can be left");
    }
    doing("nothing", "what is left after kill -9 and sweep()");
    if (objects_left()[0] != '\0')
        is_unexpected("left behind:\n%s", objects_left());
}

START_TEST(a_crash_leaves_what_the_table_says_and_sweep_removes_it)
{
    char name[ENDPOINT_SIZE];
    int lock;

    begin_alone(_i);
    kill_everybody();
    expect_crash_to_leave_what_the_table_says();
    if (!has(IPC_SPAWNED)) { /* the next server takes the leftovers' place */
        server_start(&server, subject);
        client_start(&server, &client);
        expect_echo(&client, 100);
        client_close(&client);
        kill_everybody();
    }
    ck_assert_int_eq(endpoint_name(subject, run_dir, name), 0);
    lock = endpoint_lock(name, NULL);
    ck_assert_int_ge(lock, 0);
    expect_sweep_to_remove_all(name);
    endpoint_unlock(name, lock);
}
END_TEST

START_TEST(a_server_to_whom_nobody_came_leaves_nothing)
{
    begin_alone(_i);
    server_stop(&server); /* the fixture looks at what is left */
}
END_TEST

/* Without ipcd around it, which sweeps when it ends. */
START_TEST(what_create_makes_destroy_removes)
{
    struct local l;

    local_begin(&l, _i);
    doing("nothing", "destroy(), after create()");
    local_end(&l);
}
END_TEST

START_TEST(a_killed_servers_place_is_taken_by_the_next)
{
    begin_alone(_i);
    server_kill(&server);
    begin_alone(_i);
    server_stop(&server);
    sweep_up();
}
END_TEST

/* And no more: what else there was, its client would have removed. */
START_TEST(what_a_killed_textbook_server_leaves_is_replaced_and_swept)
{
    char name[ENDPOINT_SIZE];

    begin_alone(_i);
    server_kill(&server);
    expect_crash_to_leave_what_the_table_says();
    begin(_i);
    expect_echo(&client, 100);
    client_close(&client);
    server_kill(&server);
    ck_assert_int_eq(endpoint_name(subject, run_dir, name), 0);
    expect_sweep_to_remove_all(name);
    sweep_up();
}
END_TEST

START_TEST(a_restarted_server_is_a_new_one)
{
    struct reply r;

    begin(_i);
    expect_echo(&client, 100);
    server_stop(&server); /* in peace, although a client is there */
    server_start(&server, subject);
    if (!has(IPC_TEXTBOOK)) /* its clients are not told */
        expect_result(
            client_call(&client, api_by_name("whoami"), NULL, &r, CALL_TIMEOUT),
            -EPIPE, "a call of a server that has ended, another being there");
    client_close(&client);
    client_start(&server, &client);
    expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(an_endpoint_has_one_server)
{
    const struct host_options quiet = {.cpu = -1, .quiet = 1};
    struct host second;

    begin(_i);
    ck_assert_int_eq(host_start(&second, subject, run_dir, &quiet), -ECHILD);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* What a user may type for the run directory, around its name or, after a '/',
 * its path.  A link on the way is one's own business; the last name is not to
 * be one (test_rundir.c). */
static const struct {
    const char *before, *after;
} spellings[] = {{"", ""}, {"./", ""}, {"", "//"}, {"", "/link/."}, {"/", "/"}};

/* A broker that opened by one spelling what its server named by another let
 * nobody join. */
START_TEST(a_run_directory_has_one_server_however_it_is_spelled)
{
    const struct host_options quiet = {.cpu = -1, .quiet = 1};
    char path[ENDPOINT_SIZE], odd[2 * ENDPOINT_SIZE], where[ENDPOINT_SIZE];
    char link[ENDPOINT_SIZE];
    struct host second;
    const char *name;

    subject = ipc_registry[_i];
    snprintf(path, sizeof path, "%s", run_dir);
    *strrchr(path, '/') = '\0';
    name = run_dir + strlen(path) + 1;
    ck_assert_int_eq(chdir(path), 0);
    snprintf(link, sizeof link, "%.80s/link", run_dir);
    ck_assert_int_eq(symlink(".", link), 0);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        snprintf(odd, sizeof odd, "%s%s%s", spellings[i].before,
                 spellings[i].before[0] == '/' ? run_dir : name,
                 spellings[i].after);
        ck_assert_int_eq(host_start(&server, subject, odd, &quiet), 0);
        ck_assert_int_eq(host_start(&second, subject, run_dir, &quiet),
                         -ECHILD);
        ck_assert_int_eq(endpoint_name(subject, odd, where), 0);
        ck_assert_int_eq(client_open(&client, subject, where), 0);
        expect_echo(&client, 100);
        client_close(&client);
        server_stop(&server);
        ck_assert_int_eq(host_start(&server, subject, run_dir, &quiet), 0);
        ck_assert_int_eq(host_start(&second, subject, odd, &quiet), -ECHILD);
        server_stop(&server);
    }
    ck_assert_int_eq(unlink(link), 0);
}
END_TEST

/* The files of the endpoint, behind the back of its server. */
static void
remove_files(void)
{
    char pattern[ENDPOINT_SIZE];
    glob_t found;

    ck_assert_int_eq(endpoint_name(subject, run_dir, pattern), 0);
    strcat(pattern, "*");
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        ck_assert_int_eq(remove(found.gl_pathv[i]), 0);
    globfree(&found);
}

START_TEST(a_server_that_ends_leaves_another_ones_endpoint_alone)
{
    const struct host_options loud = {.cpu = -1};
    struct host second;

    begin_alone(_i);
    remove_files();
    if (!(subject->uses & (IPC_USES_PATH | IPC_USES_BESIDE))) {
        /* The name is the kernel's, not a file that could be removed. */
        ck_assert_int_eq(host_start(&second, subject, run_dir, &loud), -ECHILD);
        server_stop(&server);
        return;
    }
    server_start(&second, subject);
    server_stop(&server);
    client_start(&second, &client);
    if (!has(IPC_ONEWAY))
        expect_echo(&client, 10);
    client_close(&client);
    server_stop(&second);
}
END_TEST

START_TEST(a_server_that_dies_does_not_come_back_in_anothers_place)
{
    struct host second;
    siginfo_t ended;

    begin_alone(_i);
    remove_files();
    server_start(&second, subject);
    ck_assert_int_eq(kill(server.server, SIGKILL), 0);
    /* It would be started again at once; with nothing to serve, all ends, and
     * not as if it had been told to. */
    ck_assert_int_eq(waitid(P_PID, (id_t)server.pid, &ended, WEXITED | WNOWAIT),
                     0);
    ck_assert_int_eq(ended.si_code, CLD_EXITED);
    ck_assert_int_eq(ended.si_status, EXIT_FAILURE);
    host_stop(&server);
    client_start(&second, &client);
    expect_echo(&client, 10);
    client_close(&client);
    server_stop(&second);
}
END_TEST

/* Directories where its files should be, and something in them. */
static const char *const in_the_way[] = {"", "/x", ".join", ".join/x"};

START_TEST(what_cannot_be_swept_is_not_passed_over)
{
    char name[ENDPOINT_SIZE], path[ENDPOINT_SIZE];
    int lock;

    subject = ipc_registry[_i];
    ck_assert_int_eq(endpoint_name(subject, run_dir, name), 0);
    lock = endpoint_lock(name, NULL);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(endpoint_file(name, in_the_way[i], path), 0);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    ck_assert_int_lt(subject->sweep(name), 0);
    for (int i = 3; i >= 0; i--) {
        ck_assert_int_eq(endpoint_file(name, in_the_way[i], path), 0);
        ck_assert_int_eq(rmdir(path), 0);
    }
    endpoint_unlock(name, lock);
}
END_TEST

START_TEST(where_no_server_is_nobody_answers)
{
    char name[ENDPOINT_SIZE];
    int err;

    subject = ipc_registry[_i];
    /* For a spawned variant this is a program that is not there. */
    ck_assert_int_eq(endpoint_name(subject, run_dir, name), 0);
    doing("-ENOENT or -ECONNREFUSED", "open(), where there is no server");
    err = client_open(&client, subject, name);
    if (err != -ENOENT && err != -ECONNREFUSED)
        is_unexpected("%s", result_name(err));
}
END_TEST

static bool
is_zombie(pid_t child)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) ==
               0 &&
           info.si_pid == child;
}

/* What open() blocks, close() lets through again. */
static void
expect_mask(const sigset_t *before)
{
    sigset_t now;

    doing("what was blocked before open(), and nothing else",
          "the signal mask, after close()");
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    for (int n = 1; n <= SIGRTMAX; n++)
        if (sigismember(before, n) != sigismember(&now, n))
            is_unexpected("signal %d (%s) is %s", n, strsignal(n),
                          sigismember(&now, n) == 1 ? "still blocked"
                                                    : "not blocked any more");
}

START_TEST(a_spawned_server_is_a_child_of_its_client_and_ends_with_it)
{
    sigset_t before;
    pid_t pid;

    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    begin(_i);
    pid = server_pid(&server);
    doing("it has ended, and its parent has waited for it",
          "the server's process, after close()");
    client_close(&client);
    if (kill(pid, 0) == 0)
        is_unexpected("%s", is_zombie(pid) ? "it has ended, and is a zombie"
                                           : "it is still running");
    ck_assert_int_eq(errno, ESRCH);
    expect_mask(&before);
    server_stop(&server);
}
END_TEST

/* Is all that a killed server leaves a file of the endpoint, and not lost with
 * the file that says which one it is? */
static bool
leaves_only_files(const struct ipc_mechanism *m)
{
    const unsigned elsewhere =
        IPC_USES_SHM | IPC_USES_SYSV | IPC_USES_SETS | IPC_USES_QUEUE;

    return (m->uses & (IPC_USES_PATH | IPC_USES_BESIDE)) != 0 &&
           (m->uses & elsewhere) == 0;
}

/* -- the suite ------------------------------------------------------------- */

Suite *
test_crash(void)
{
    Suite *s = suite_create("crash");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        TCase *tc = test_case(s, ipc_registry[i]->name);

        add(tc, i, a_server_to_whom_nobody_came_leaves_nothing, 0, PRIVATE);
        add(tc, i, what_create_makes_destroy_removes, 0, PRIVATE);
        add(tc, i, a_killed_servers_place_is_taken_by_the_next, 0, PRIVATE);
        add(tc, i, a_client_may_vanish_at_any_moment, 0, ALONE | IPC_TEXTBOOK);
        add(tc, i, a_client_that_leaves_takes_everything_along, 0, ALONE);
        add(tc, i, a_killed_server_is_a_broken_pipe, 0, ALONE | IPC_TEXTBOOK);
        add(tc, i, a_server_killed_during_the_wait_wakes_its_client, 0,
            ALONE | IPC_TEXTBOOK);
        add(tc, i, a_crash_leaves_what_the_table_says_and_sweep_removes_it, 0,
            ALONE | IPC_TEXTBOOK);
        add(tc, i, what_a_killed_textbook_server_leaves_is_replaced_and_swept,
            IPC_TEXTBOOK, PRIVATE);
        add(tc, i, a_restarted_server_is_a_new_one, 0, PRIVATE);
        add(tc, i, an_endpoint_has_one_server, 0, PRIVATE);
        add(tc, i, a_run_directory_has_one_server_however_it_is_spelled, 0,
            PRIVATE);
        add(tc, i, a_server_that_ends_leaves_another_ones_endpoint_alone, 0,
            IPC_INPROCESS | IPC_SPAWNED | IPC_TEXTBOOK);
        if (leaves_only_files(ipc_registry[i]))
            add(tc, i, a_server_that_dies_does_not_come_back_in_anothers_place,
                0, PRIVATE | IPC_TEXTBOOK);
        if (ipc_registry[i]->sweep != NULL &&
            (ipc_registry[i]->uses & (IPC_USES_PATH | IPC_USES_BESIDE)) != 0)
            add(tc, i, what_cannot_be_swept_is_not_passed_over, 0,
                IPC_INPROCESS | IPC_SPAWNED);
        add(tc, i, where_no_server_is_nobody_answers, 0, IPC_INPROCESS);
        add(tc, i, a_spawned_server_is_a_child_of_its_client_and_ends_with_it,
            IPC_SPAWNED, 0);
    }
    return s;
}
