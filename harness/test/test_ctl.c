/*
 * test_ctl.c - ipcctl and ipcd as a user meets them: what they print, how they
 * end, what they leave.
 *
 * Exit status of ipcctl: 0 ok, 1 the server said no, 2 could not talk to it,
 * 64 usage (sysexits.h).
 */
#define _GNU_SOURCE /* strcasestr, posix_openpt */
#include "test/test.h"

#include "core/quota.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_ctl(void);

static struct output o;

/* The program ended with this status, and on one of its outputs said these
 * words.  A reason goes to standard error, a result to standard output. */
#define EXPECT(wanted, text) \
    do { \
        const char *said = (wanted) == 0 ? o.out : o.err; \
        ck_assert_msg(o.status == (wanted), "exit status %d: %s%s", o.status, \
                      o.out, o.err); \
        ck_assert_msg(strstr(said, (text)) != NULL, "'%s' is not in: %s", \
                      (text), said); \
        ck_assert_msg((wanted) == 0 || o.out[0] == '\0', \
                      "a failure, and a result: %s", o.out); \
    } while (0)

#define IPCCTL(...) run_program(&o, "ipcctl", __VA_ARGS__, NULL)
#define IPCD(...)   run_program(&o, "ipcd", __VA_ARGS__, NULL)

/* The first of each shape; every build has them. */
static const struct ipc_mechanism *
with_caps(unsigned all_of, unsigned none_of)
{
    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if ((ipc_registry[i]->caps & all_of) == all_of &&
            (ipc_registry[i]->caps & (none_of | IPC_TEXTBOOK)) == 0 &&
            ipc_registry[i]->evidence >= IPC_OWNER &&
            ipc_unavailable(ipc_registry[i]) == NULL)
            return ipc_registry[i];
    ck_abort_msg("no such mechanism in this build");
    return NULL;
}

static const struct ipc_mechanism *
a_daemon(void)
{
    return with_caps(0, IPC_SPAWNED | IPC_INPROCESS | IPC_ONEWAY);
}

static const struct ipc_mechanism *
a_spawned(void)
{
    return with_caps(IPC_SPAWNED, IPC_ONEWAY);
}

/* -- ipcctl --------------------------------------------------------------- */

START_TEST(ipcctl_calls_and_prints)
{
    struct host server;
    const char *name = a_daemon()->name;

    server_start(&server, a_daemon());
    IPCCTL("-m", name, "hello", "World");
    EXPECT(0, "Hello World\n");
    IPCCTL("-m", name, "hello", "name=World");
    EXPECT(0, "Hello World\n");
    IPCCTL("-m", name, "counter_add", "delta=-3", "key=k");
    EXPECT(0, "-3\n");
    IPCCTL("-m", name, "counter_add", "k", "-3"); /* not an option */
    EXPECT(0, "-6\n");
    IPCCTL("-m", name, "echo", "as it is");
    EXPECT(0, "as it is");
    ck_assert_str_eq(o.out, "as it is");
    IPCCTL("-m", name, "stats");
    EXPECT(0, "requests=5\n");
    server_stop(&server);
    IPCCTL("-m", a_spawned()->name, "hello", "World");
    EXPECT(0, "Hello World\n");
}
END_TEST

START_TEST(ipcctl_whoami_says_what_the_server_thinks)
{
    char line[64];
    struct host server;

    server_start(&server, a_daemon());
    IPCCTL("-m", a_daemon()->name, "whoami");
    EXPECT(0, "evidence=K");
    snprintf(line, sizeof line, "mechanism=%s\n", a_daemon()->name);
    EXPECT(0, line);
    snprintf(line, sizeof line, "uid=%u\n", (unsigned)geteuid());
    EXPECT(0, line);
    snprintf(line, sizeof line, "gid=%" PRId64 "\n",
             a_daemon()->evidence >= IPC_PEER ? (int64_t)getegid()
                                              : known_gid());
    EXPECT(0, line);
    server_stop(&server);
}
END_TEST

START_TEST(ipcctl_describes_with_and_without_a_server)
{
    struct host server;
    struct output own;

    IPCCTL("describe");
    for (const struct api_method *m = api_methods; m->name != NULL; m++)
        EXPECT(0, m->name);
    own = o;
    server_start(&server, a_daemon());
    IPCCTL("-m", a_daemon()->name, "describe");
    EXPECT(0, "hello(name: string) -> greeting: string");
    ck_assert_str_eq(o.out, own.out); /* of the same build */
    IPCCTL("-m", a_daemon()->name, "describe", "0");
    EXPECT(0, "number=1\n");
    server_stop(&server);
    IPCCTL("describe", "--page");
    EXPECT(0, "# The protocol");
}
END_TEST

/* As a person sees it.  When nobody has the terminal open any more, reading
 * from it is EIO. */
START_TEST(what_ipcctl_describes_fits_the_terminal)
{
    const struct winsize size = {.ws_row = 24, .ws_col = 80};
    const int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char ipcctl[PATH_MAX], line[256];
    int terminal, lines = 0, wide = 0;
    FILE *in;
    pid_t pid;

    ck_assert(ours >= 0 && grantpt(ours) == 0 && unlockpt(ours) == 0);
    ck_assert_int_eq(ioctl(ours, TIOCSWINSZ, &size), 0);
    ck_assert_int_eq(program_path("ipcctl", ipcctl, sizeof ipcctl), 0);
    unsetenv("COLUMNS");
    terminal = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
    pid = fork();
    ck_assert(terminal >= 0 && pid >= 0);
    if (pid == 0) {
        dup2(terminal, STDOUT_FILENO);
        execl(ipcctl, "ipcctl", "describe", (char *)NULL);
        _exit(127);
    }
    close(terminal);
    in = fdopen(ours, "r");
    ck_assert_ptr_nonnull(in);
    for (; fgets(line, sizeof line, in) != NULL; lines++)
        wide += strcspn(line, "\r\n") > 80;
    fclose(in);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_gt(lines, 30);
    ck_assert_int_eq(wide, 0);
}
END_TEST

START_TEST(ipcctl_stats_lists_every_kind_for_every_user)
{
    struct host server;
    char line[64];

    server_start(&server, ipc_find("socket/stream"));
    IPCCTL("-m", "socket/stream", "counter_add", "key", "3");
    IPCCTL("-m", "socket/stream", "stats");
    EXPECT(0, "requests=1\n");
    for (size_t k = 0; k < QUOTA_KINDS; k++) {
        snprintf(line, sizeof line, "%-12s      you ", quota_kinds[k].name);
        EXPECT(0, line);
        snprintf(line, sizeof line, "%-12s      all ", quota_kinds[k].name);
        EXPECT(0, line);
    }
    snprintf(line, sizeof line, "counters     %8ju          1 of ",
             (uintmax_t)geteuid());
    EXPECT(0, line);
    server_stop(&server);
}
END_TEST

START_TEST(ipcctl_reads_a_file)
{
    char path[ENDPOINT_SIZE], arg[ENDPOINT_SIZE + 8];
    const struct host_options options = {.keep_root = true, .cpu = -1};
    struct host server;
    FILE *f;

    snprintf(path, sizeof path, "%.80s/file", run_dir);
    f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fputs("contents\n", f);
    fclose(f);
    /* Root's own read_file takes a server that is root. */
    ck_assert_int_eq(host_start(&server, a_daemon(), run_dir, &options), 0);
    snprintf(arg, sizeof arg, "path=%s", path);
    IPCCTL("-m", a_daemon()->name, "read_file", arg, "offset=3", "count=100");
    EXPECT(0, "tents\n");
    ck_assert_str_eq(o.out, "tents\n");
    snprintf(arg, sizeof arg, "@%s", path); /* an argument from a file */
    IPCCTL("-m", a_daemon()->name, "echo", arg);
    EXPECT(0, "contents\n");
    IPCCTL("-m", a_daemon()->name, "read_file", "/no/such", "0", "1");
    EXPECT(1, "ENOENT");
    server_stop(&server);
    unlink(path);
}
END_TEST

START_TEST(what_the_server_refuses_is_1)
{
    struct host server;
    const char *name = a_daemon()->name;

    server_start(&server, a_daemon());
    IPCCTL("-m", name, "sleep", "1001");
    EXPECT(1, "ms must be at most 1000");
    IPCCTL("-m", name, "read_file", "not/absolute", "0", "1");
    EXPECT(1, "absolute");
    server_stop(&server);
}
END_TEST

START_TEST(whom_one_cannot_talk_to_is_2)
{
    const char *name = a_daemon()->name;
    struct host server;

    IPCCTL("-m", name, "whoami");
    EXPECT(2, "no server at");
    EXPECT(2, "ipcd -m");
    IPCCTL("-m", a_spawned()->name, "--server=/no/such", "whoami");
    EXPECT(2, "--server");
    server_start(&server, a_daemon());
    IPCCTL("-m", name, "-t", "0.05", "sleep", "1000");
    EXPECT(2, "no answer within the time");
    /* From now on anybody could have put it there. */
    ck_assert_int_eq(chmod(run_dir, 0777), 0);
    IPCCTL("-m", name, "whoami");
    EXPECT(2, "cannot be trusted");
    server_stop(&server);
}
END_TEST

/* Each says what was wrong and what to do. */
START_TEST(bad_usage_of_ipcctl_is_64)
{
    static const struct {
        const char *argv[6], *says;
    } cases[] = {
        {{NULL}, "which method?"},
        {{"-m", "no/such", "hello"}, "no mechanism is called 'no/such'"},
        {{"-m", "null/call", "hello", "x"}, "null/call"},
        {{"hello", "World"}, "by which mechanism?"},
        {{"no_such_method"}, "there is no method 'no_such_method'"},
        {{"-m", "socket/stream", "hello"}, "name is missing"},
        {{"-m", "socket/stream", "hello", "a", "b"}, "one argument too many"},
        {{"-m", "socket/stream", "hello", "name=a", "name=b"}, "given twice"},
        {{"-m", "socket/stream", "sleep", "soon"}, "not a whole number"},
        {{"-m", "socket/stream", "sleep", "-1"}, "out of range"},
        {{"-m", "socket/stream", "sleep", "4294967296"}, "out of range"},
        {{"-m", "socket/stream", "source", ""}, "not a whole number"},
        {{"-m", "socket/stream", "echo", "@/no/such"}, "/no/such"},
        {{"-t", "soon", "hello", "x"}, "--timeout=soon"},
        {{"--no-such-option"}, "no-such-option"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *a = cases[i].argv;

        run_program(&o, "ipcctl", a[0], a[1], a[2], a[3], a[4], NULL);
        EXPECT(64, cases[i].says);
    }
}
END_TEST

START_TEST(help_and_version_are_there)
{
    IPCCTL("--help");
    EXPECT(0, "METHOD");
    EXPECT(0, "Exit status: 0 ok, 1");
    IPCCTL("--version");
    EXPECT(0, "ipclab");
    IPCD("--help");
    EXPECT(0, "--stdio");
    IPCD("--version");
    EXPECT(0, "ipclab");
}
END_TEST

START_TEST(a_terminal_is_not_at_the_mercy_of_what_comes_back)
{
    IPCCTL("-m", a_spawned()->name, "hello", "\033[2J");
    EXPECT(0, "\\x1b[2J");
    /* One that begins a command by itself, and one that turns the line. */
    /* NOLINTNEXTLINE(misc-misleading-bidirectional): it is meant to */
    IPCCTL("-m", a_spawned()->name, "hello", "\xc3\xa4\xc2\x9b\xe2\x80\xae.");
    EXPECT(0, "Hello \xc3\xa4\\xc2\\x9b\\xe2\\x80\\xae.\n");
}
END_TEST

/* -- ipcd ----------------------------------------------------------------- */

START_TEST(bad_usage_of_ipcd_is_64)
{
    IPCD("-m", "no/such");
    EXPECT(64, "no mechanism is called 'no/such'");
    run_program(&o, "ipcd", NULL);
    EXPECT(64, "which mechanism?");
    IPCD("-m", "null/call");
    EXPECT(64, "baseline");
    IPCD("--stdio", "-m", a_daemon()->name);
    EXPECT(64, "leave out --stdio");
    IPCD("--stdio", "-m", "pipe/coprocess", "-m", "pipe/packet");
    EXPECT(64, "exactly one");
    IPCD("-m", a_daemon()->name, "rubbish");
    EXPECT(64, "rubbish");
    IPCD("-m", a_daemon()->name, "--ready-fd=1");
    EXPECT(64, "--ready-fd=1");
}
END_TEST

START_TEST(ipcd_says_why_it_does_not_start)
{
    struct host server;

    IPCD("-m", a_spawned()->name);
    EXPECT(1, "no daemon is needed");
    IPCD("-m", a_daemon()->name, "--run-dir=/no/such/dir");
    EXPECT(1, "/no/such/dir");
    server_start(&server, a_daemon());
    IPCD("-m", a_daemon()->name);
    EXPECT(1, "another ipcd serves it");
    server_stop(&server);
    ck_assert_int_eq(chmod(run_dir, 0777), 0);
    IPCD("-m", a_daemon()->name);
    EXPECT(1, "writable by nobody else");
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
}
END_TEST

START_TEST(a_textbook_form_does_not_become_another_user)
{
    IPCD("-m", "fifo/textbook");
    EXPECT(1, "say --keep-root");
    IPCD("-m", "fifo/textbook", "--user=62000");
    EXPECT(1, "say --keep-root");
}
END_TEST

/* Two mechanisms, one ipcd; started by hand, as a user would. */
static pid_t
start_two(const char *first, const char *second, const char *dir)
{
    char program[PATH_MAX], fd[16], byte;
    int ready[2];
    pid_t pid;

    ck_assert_int_eq(program_path("ipcd", program, sizeof program), 0);
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(null, STDERR_FILENO);
        fcntl(ready[1], F_SETFD, 0);
        snprintf(fd, sizeof fd, "%d", ready[1]);
        execl(program, "ipcd", "-m", first, "-m", second, "--ready-fd", fd,
              dir != NULL ? "--run-dir" : NULL, dir, (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static int
wait_status(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    return status;
}

START_TEST(one_ipcd_serves_several_and_sigterm_leaves_nothing)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    char dir[ENDPOINT_SIZE], option[ENDPOINT_SIZE + 16];
    const char *first = "fifo/perclient", *second = "socket/stream";
    struct stat st;
    pid_t pid;

    snprintf(dir, sizeof dir, "%.80s/sub", run_dir); /* ipcd makes it */
    snprintf(option, sizeof option, "--run-dir=%s", dir);
    ck_assert_int_eq(setenv("IPCLAB_DIR", dir, 1), 0);
    pid = start_two(first, second, _i == 0 ? NULL : dir);
    IPCCTL("-m", first, option, "hello", "A");
    EXPECT(0, "Hello A\n");
    IPCCTL("-m", second, option, "hello", "B");
    EXPECT(0, "Hello B\n");
    ck_assert_int_eq(kill(pid, signals[_i]), 0);
    ck_assert_int_eq(wait_status(pid), 0);
    ck_assert_int_eq(stat(dir, &st), -1);
    ck_assert_str_eq(objects_left(), "");
}
END_TEST

/* What is blocked is inherited by exec(2). */
START_TEST(what_its_starter_blocked_does_not_keep_it_from_ending)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &all, &before), 0);
    pid = start_two("fifo/perclient", "socket/stream", run_dir);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    IPCCTL("-m", "socket/stream", "hello", "A");
    EXPECT(0, "Hello A\n");
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(wait_status(pid), 0);
    ck_assert_str_eq(objects_left(), "");
}
END_TEST

/* So is what is ignored: nohup(1). */
START_TEST(nohup_is_respected)
{
    void (*before)(int) = signal(SIGHUP, SIG_IGN);
    pid_t pid = start_two("fifo/perclient", "socket/stream", run_dir);

    signal(SIGHUP, before);
    ck_assert_int_eq(kill(pid, SIGHUP), 0);
    IPCCTL("-m", "socket/stream", "hello", "A");
    EXPECT(0, "Hello A\n");
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(wait_status(pid), 0);
}
END_TEST

/* Then the first three sockets would be "standard" ones, and what the server
 * says to its user would be written to a client. */
START_TEST(what_is_started_with_0_to_2_closed_gets_them)
{
    char path[ENDPOINT_SIZE * 2], link[64], target[64];
    int ready[2];
    pid_t pid;

    ck_assert_int_eq(program_path("ipcd", path, sizeof path), 0);
    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        char fd[16];

        for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
            close(i);
        snprintf(fd, sizeof fd, "%d", ready[1]);
        execl(path, "ipcd", "-m", "socket/stream", "--run-dir", run_dir,
              "--ready-fd", fd, (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], target, 1), 1);
    close(ready[0]);
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
        ssize_t n;

        snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)pid, i);
        n = readlink(link, target, sizeof target - 1);
        ck_assert_int_gt(n, 0);
        target[n] = '\0';
        ck_assert_str_eq(target, "/dev/null");
    }
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(wait_status(pid), 0);
}
END_TEST

START_TEST(shutdown_ends_the_whole_daemon)
{
    char dir[ENDPOINT_SIZE], option[ENDPOINT_SIZE + 16];
    pid_t pid;

    snprintf(dir, sizeof dir, "%.80s/sub", run_dir);
    snprintf(option, sizeof option, "--run-dir=%s", dir);
    pid = start_two("fifo/perclient", "socket/stream", dir);
    IPCCTL("-m", "fifo/perclient", option, "shutdown");
    EXPECT(0, "");
    ck_assert_int_eq(wait_status(pid), 0);
}
END_TEST

static void
try_shutdown(void *where)
{
    struct client c;
    struct reply r;

    ck_assert_int_eq(client_open(&c, a_daemon(), where), 0);
    expect_call(&c, "shutdown", NULL, WIRE_DENIED, &r);
    expect_echo(&c, 10);
    client_close(&c);
}

START_TEST(shutdown_is_not_for_everybody)
{
    struct host server;

    server_start(&server, a_daemon());
    as_user(ALICE, try_shutdown, server.where);
    server_stop(&server);
}
END_TEST

/* Its failure is its own: the other one serves. */
START_TEST(one_endpoint_that_cannot_be_leaves_the_others_alone)
{
    struct host server;
    pid_t pid;

    server_start(&server, ipc_find("fifo/perclient"));
    pid = start_two("socket/stream", "fifo/perclient", run_dir);
    IPCCTL("-m", "socket/stream", "hello", "World");
    EXPECT(0, "Hello World");
    IPCCTL("-m", "fifo/perclient", "hello", "World");
    EXPECT(0, "Hello World"); /* the one that was there is well */
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(wait_status(pid), 0);
    ck_assert_ptr_null(strstr(objects_left(), "socket"));
    IPCCTL("-m", "fifo/perclient", "hello", "World");
    EXPECT(0, "Hello World");
    /* Where none can be, there is no server. */
    IPCD("-m", "fifo/perclient");
    EXPECT(1, "another ipcd serves it");
    server_stop(&server);
}
END_TEST

START_TEST(ipcd_sweeps_what_the_killed_left_and_not_what_lives)
{
    struct host dead, alive;

    server_start(&dead, ipc_find("fifo/perclient"));
    server_start(&alive, ipc_find("socket/stream"));
    server_kill(&dead);
    ck_assert_str_ne(objects_left(), "");
    IPCD("--sweep");
    EXPECT(0, "is being served, left alone");
    EXPECT(0, "removed what was left of");
    IPCCTL("-m", "socket/stream", "hello", "World");
    EXPECT(0, "Hello World");
    server_stop(&alive);
    IPCD("--sweep");
    EXPECT(0, "nothing to sweep");
    ck_assert_int_eq(rmdir(run_dir) == 0 || errno == ENOENT, 1);
    ck_assert_int_eq(mkdir(run_dir, 0755), 0); /* teardown wants it */
    /* Or not: there is something where a socket should be. */
    ck_assert_int_eq(mkdir(alive.where, 0755), 0);
    run_program(&o, "ipcd", "--sweep", NULL);
    ck_assert_int_eq(o.status, EXIT_FAILURE);
    ck_assert_ptr_nonnull(strstr(o.err, "not all that is left"));
    ck_assert_ptr_null(strstr(o.out, "nothing to sweep"));
    ck_assert_int_eq(rmdir(alive.where), 0);
}
END_TEST

Suite *
test_ctl(void)
{
    Suite *s = suite_create("ctl");
    TCase *tc = test_case(s, "ipcctl");

    tcase_add_test(tc, ipcctl_calls_and_prints);
    tcase_add_test(tc, ipcctl_whoami_says_what_the_server_thinks);
    tcase_add_test(tc, ipcctl_describes_with_and_without_a_server);
    add_test_if(tc, need_terminal(), what_ipcctl_describes_fits_the_terminal);
    tcase_add_test(tc, ipcctl_stats_lists_every_kind_for_every_user);
    tcase_add_test(tc, ipcctl_reads_a_file);
    tcase_add_test(tc, what_the_server_refuses_is_1);
    tcase_add_test(tc, whom_one_cannot_talk_to_is_2);
    tcase_add_test(tc, bad_usage_of_ipcctl_is_64);
    tcase_add_test(tc, help_and_version_are_there);
    tcase_add_test(tc, a_terminal_is_not_at_the_mercy_of_what_comes_back);

    tc = test_case(s, "ipcd");
    tcase_add_test(tc, bad_usage_of_ipcd_is_64);
    tcase_add_test(tc, ipcd_says_why_it_does_not_start);
    add_test_if(tc, need_root(), a_textbook_form_does_not_become_another_user);
    tcase_add_loop_test(tc, one_ipcd_serves_several_and_sigterm_leaves_nothing,
                        0, 3);
    tcase_add_test(tc, what_its_starter_blocked_does_not_keep_it_from_ending);
    tcase_add_test(tc, nohup_is_respected);
    tcase_add_test(tc, what_is_started_with_0_to_2_closed_gets_them);
    tcase_add_test(tc, shutdown_ends_the_whole_daemon);
    add_test_if(tc, need_root(), shutdown_is_not_for_everybody);
    tcase_add_test(tc, one_endpoint_that_cannot_be_leaves_the_others_alone);
    tcase_add_test(tc, ipcd_sweeps_what_the_killed_left_and_not_what_lives);
    return s;
}
