/*
 * test_output.c - where a program's output goes, and what it says if it cannot
 * go there: descriptors that were closed, a device that is full, a limit on
 * the size of files, an end before its time.
 */
#define _GNU_SOURCE /* memfd_create, pipe2 */
#include "test/confined.h"
#include "test/files.h"
#include "test/inside.h"
#include "test/made_up.h"
#include "test/test.h"

#include "core/clock.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

Suite *test_output(void);

static struct output o;

/* What a shell would do before it execs. */
static struct {
    const char *out;  /* standard output goes there; NULL: into o.out */
    bool close[3];    /* these descriptors are closed */
    rlim_t file_size; /* bytes; RLIM_INFINITY */
    int in;           /* standard input; -1: /dev/null */
    bool no_admin;    /* no CAP_SYS_ADMIN, as in a container */
} shell;

static void
plain_shell(void)
{
    memset(&shell, 0, sizeof shell);
    shell.file_size = RLIM_INFINITY;
    shell.in = -1;
}

static void
arrange(int out, int err)
{
    const struct rlimit size = {shell.file_size, RLIM_INFINITY};

    setenv("IPCLAB_DIR", run_dir, 1);
    dup2(shell.in != -1 ? shell.in : open("/dev/null", O_RDONLY | O_CLOEXEC),
         STDIN_FILENO);
    dup2(shell.out != NULL ? open(shell.out, O_WRONLY | O_CLOEXEC) : out,
         STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    if (shell.file_size != RLIM_INFINITY)
        setrlimit(RLIMIT_FSIZE, &size);
    if (shell.no_admin)
        prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN);
    for (int i = 0; i < 3; i++)
        if (shell.close[i])
            close(i);
}

/* A program of this build, started so.  Returns when it has been exec'd: before
 * that it has Check's own handlers, which end the whole test. */
static pid_t
start(const char *const *argv, int out, int err)
{
    char path[PATH_MAX], *copy[9] = {NULL}, byte;
    int exec[2];
    pid_t pid;

    ck_assert_int_eq(pipe2(exec, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid > 0) {
        close(exec[1]);
        ck_assert_int_eq(read(exec[0], &byte, 1), 0);
        close(exec[0]);
        return pid;
    }
    ck_assert_int_eq(program_path(argv[0], path, sizeof path), 0);
    for (size_t i = 0; i < 8 && argv[i] != NULL; i++)
        copy[i] = strdup(argv[i]);
    arrange(out, err);
    execv(path, copy);
    _exit(127);
}

static int
end_of(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
slurp(int fd, char *text, size_t size)
{
    ssize_t n = pread(fd, text, size - 1, 0);

    text[n < 0 ? 0 : n] = '\0';
    close(fd);
}

static void
run(const char *const *argv)
{
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);

    o.status = end_of(start(argv, out, err));
    slurp(out, o.out, sizeof o.out);
    slurp(err, o.err, sizeof o.err);
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

#define EXPECT(wanted, text) \
    do { \
        ck_assert_msg(o.status == (wanted), "exit status %d: %s%s", o.status, \
                      o.out, o.err); \
        ck_assert_msg(strstr(o.err, (text)) != NULL, "'%s' is not in: %s", \
                      (text), o.err); \
    } while (0)

/* -- a device that is full ------------------------------------------------- */

static const char *const talkative[][7] = {
    {"ipcctl", "describe"},
    {"ipcctl", "describe", "--page"},
    {"ipcctl", "--help"},
    {"ipcctl", "-m", "pipe/coprocess", "hello", "World"},
    {"ipcctl", "-m", "pipe/coprocess", "describe"},
    {"ipcd", "--sweep", "--run-dir=/no/such"},
    {"ipcd", "--version"},
    {"ipcbench", "list"},
    {"ipcbench", "list", "--csv"},
    {"ipcbench", "--help"},
    {"nslab", "--clone", "user,uts"},
    {"nslab", "--help"},
    {"ipclab", "--help"},
    {"ipcattack", "--help"},
};

#define TALKATIVE ((int)(sizeof talkative / sizeof *talkative))

START_TEST(what_cannot_be_printed_is_an_error)
{
    plain_shell();
    shell.out = "/dev/full";
    run(talkative[_i]);
    EXPECT(EX_IOERR, "standard output: No space left on device\n");
}
END_TEST

/* A child of ipclab's prints that. */
START_TEST(what_a_child_cannot_print_is_an_error)
{
    char self[16];

    plain_shell();
    snprintf(self, sizeof self, "%d", (int)getpid());
    RUN("ipclab", "why", self);
    EXPECT(EXIT_SUCCESS, "");
    shell.out = "/dev/full";
    RUN("ipclab", "why", self);
    EXPECT(EX_IOERR, "standard output: No space left on device\n");
}
END_TEST

/* Who may be looked into: ptrace(2), Yama. */
static const char *
need_to_look(void)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/%d/syscall", (int)getppid());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return "need /proc/PID/syscall of another process of ours";
    close(fd);
    return NULL;
}

/* Also of what was measured, and lies safely in a directory. */
START_TEST(a_run_or_a_report_that_nobody_sees_is_an_error)
{
    char dir[RECORD_PATH], out[RECORD_PATH];

    plain_shell();
    write_run(&usual, dir);
    shell.out = "/dev/full";
    RUN("ipcbench", "report", dir);
    EXPECT(EX_IOERR, "standard output");
    RUN("ipcbench", "compare", dir, dir);
    EXPECT(EX_IOERR, "standard output");
    remove_results();
    snprintf(out, sizeof out, "--out=%.80s/results", run_dir);
    RUN("ipcbench", "run", "-mpipe/packet", "--rounds=1", "--duration=1", out);
    EXPECT(EX_IOERR, "standard output");
    remove_tree(out + strlen("--out="));
}
END_TEST

/* gnuplot prints what it cannot write, where its output goes: 2 MB of SVG.  (A
 * directory in the place of a file: root may not write that, either.) */
START_TEST(a_report_into_a_directory_that_cannot_be_written_is_an_error)
{
    static const char *const files[] = {"summary.csv", "latency.svg"};
    char dir[RECORD_PATH], path[RECORD_PATH + 20];

    plain_shell();
    write_run(&usual, dir);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        ck_assert_int_eq(mkdir(path, 0755), 0);
    }
    RUN("ipcbench", "report", dir);
    EXPECT(EX_CANTCREAT, "summary.csv");
    ck_assert_ptr_null(strstr(o.err, "--out"));
    ck_assert_ptr_null(strstr(o.out, "<svg"));
    remove_results();
}
END_TEST

START_TEST(nobody_will_say_whether_a_oneway_request_was_done)
{
    struct host server;

    plain_shell();
    server_start(&server, ipc_find("fifo/oneway"));
    RUN("ipcctl", "-m", "fifo/oneway", "append_log", "text");
    EXPECT(0, "nobody will say whether it was done");
    server_stop(&server);
}
END_TEST

/* A reader that has had enough (| head) is told no stories, and nothing is left
 * behind: the fixture looks. */
START_TEST(a_reader_that_goes_away_is_no_reason_to_die)
{
    static const char *const nslab[] = {"nslab", "--clone", "user,uts", NULL};
    int pipe_of[2], err = memfd_create("err", MFD_CLOEXEC);

    plain_shell();
    ck_assert_int_eq(pipe2(pipe_of, O_CLOEXEC), 0);
    close(pipe_of[0]);
    ck_assert_int_eq(end_of(start(nslab, pipe_of[1], err)), EX_IOERR);
    close(pipe_of[1]);
    slurp(err, o.err, sizeof o.err);
    ck_assert_ptr_null(strstr(o.err, "standard output"));
    ck_assert_str_eq(objects_left(), "");
}
END_TEST

/* -- descriptors that were closed ------------------------------------------ */

static const char *const careless[][7] = {
    {"ipcbench", "list"},
    {"nslab", "--clone", "user,uts"},
};

/* What we print would go to whom the descriptor belongs by then: into a
 * server's FIFO, say. */
START_TEST(what_is_printed_goes_to_nobody_else)
{
    const struct ipc_mechanism *m = ipc_registry[_i / 3];
    struct host server;
    struct client c;

    plain_shell();
    shell.close[_i % 3] = true;
    server_start(&server, m);
    RUN("ipcctl", "-m", m->name, "hello", "World");
    if (_i % 3 == STDOUT_FILENO)
        EXPECT(EX_IOERR, "standard output: Bad file descriptor");
    else
        ck_assert_msg(strcmp(o.out, "Hello World\n") == 0, "%s%s", o.out,
                      o.err);
    client_start(&server, &c);
    expect_echo(&c, 10); /* the server is well */
    client_close(&c);
    server_stop(&server);
}
END_TEST

START_TEST(every_program_has_its_0_to_2)
{
    const char *const *argv = careless[_i / 3];

    plain_shell();
    shell.close[_i % 3] = true;
    run(argv);
    ck_assert_msg(o.status == (_i % 3 == STDOUT_FILENO ? EX_IOERR : 0),
                  "%s: %d: %s", argv[0], o.status, o.err);
}
END_TEST

/* Its tables, into cells.csv. */
START_TEST(a_run_does_not_print_into_its_results)
{
    char out[ENDPOINT_SIZE], command[ENDPOINT_SIZE * 2];

    plain_shell();
    shell.close[STDOUT_FILENO] = true;
    snprintf(out, sizeof out, "%.80s/results", run_dir);
    snprintf(command, sizeof command, "--out=%s", out);
    RUN("ipcbench", "run", "-mpipe/packet", "--rounds=1", "--duration=1",
        command);
    EXPECT(EX_IOERR, "standard output");
    snprintf(command, sizeof command, "%s/latest", out);
    plain_shell();
    RUN("ipcbench", "report", command); /* they are readable */
    ck_assert_msg(o.status == 0, "%s", o.err);
    remove_tree(out);
}
END_TEST

/* -- a limit on the size of files ------------------------------------------ */

/* SIGXFSZ kills who does not ignore it, in the middle of its joining.  The
 * server was started without the limit; a spawned one has it, too. */
START_TEST(a_limit_on_files_kills_no_client_and_leaves_nothing)
{
    const struct ipc_mechanism *m = ipc_registry[_i];
    struct host server;

    plain_shell();
    shell.file_size = 0;
    server_start(&server, m);
    /* Our own output is a file, too: no more than its errors is looked for. */
    shell.out = "/dev/null";
    RUN("ipcctl", "-m", m->name, "hello", "World");
    /* 64: it has tried, and says that this cannot be used here. */
    ck_assert_msg(o.status == 0 || o.status == 2 || o.status == 64,
                  "%s: status %d: %s", m->name, o.status, o.err);
    server_stop(&server);
    ck_assert_str_eq(objects_left(), "");
}
END_TEST

/* -- once is enough ------------------------------------------------------- */

/* Each of its processes has tried. */
START_TEST(what_a_server_goes_without_is_said_once)
{
    static const char *const argv[] = {
        "ipcd", "-m", "fifo/perclient", "-m", "socket/stream", NULL};
    int said[2], serving = 0, without = 0;
    char line[512];
    pid_t pid;
    FILE *f;

    plain_shell();
    shell.no_admin = true;
    ck_assert_int_eq(pipe2(said, O_CLOEXEC), 0);
    pid = start(argv, STDOUT_FILENO, said[1]);
    close(said[1]);
    f = fdopen(said[0], "re");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f) != NULL) {
        without += strstr(line, "without its own mounts") != NULL;
        if (strncmp(line, "ipcd: serving ", 14) == 0 && ++serving == 2)
            ck_assert_int_eq(kill(pid, SIGTERM), 0);
    }
    fclose(f);
    ck_assert_int_eq(end_of(pid), 0);
    ck_assert_int_eq(serving, 2);
    ck_assert_int_eq(without, 1);
    ck_assert_str_eq(objects_left(), "");
}
END_TEST

/* -- an end before its time ------------------------------------------------ */

/* A command that says it is there, and goes on until it is ended. */
static const char *const lab[][7] = {
    {"nslab", "--clone", "user,uts", "--", "cat"},
    {"nslab", "--unshare", "user,uts", "--", "cat"},
    {"nslab", "--clone", "user,pid", "--", "cat"},
    {"nslab", "--unshare", "user,pid", "--", "cat"},
};

START_TEST(nslab_that_is_stopped_ends_its_child_and_removes_its_objects)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    const int number = signals[_i % 3];
    int to[2], from[2];
    char byte = 'x';
    pid_t pid;

    plain_shell();
    ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
    shell.in = to[0];
    pid = start(lab[_i / 3], from[1], STDERR_FILENO);
    close(from[1]);
    ck_assert_int_eq(write(to[1], &byte, 1), 1);
    ck_assert_int_eq(read(from[0], &byte, 1), 1); /* it is inside by now */
    ck_assert_int_eq(kill(pid, number), 0);
    ck_assert_int_eq(end_of(pid), 128 + number);
    ck_assert_int_eq(read(from[0], &byte, 1), 0); /* so cat has ended */
    close(from[0]);
    close(to[0]);
    close(to[1]);
    children_end(); /* an orphan comes to us */
    ck_assert_str_eq(objects_left(), "");
}
END_TEST

#define TIDY "trap 'echo tidied up; exit' TERM; echo; read nothing"

/* A command that has something to do before it ends. */
static const char *const tidy[][9] = {
    {"nslab", "--clone", "user,uts", "--", "sh", "-c", TIDY},
    {"nslab", "--unshare", "user,uts", "--", "sh", "-c", TIDY},
    {"nslab", "--clone", "user,pid", "--", "sh", "-c", TIDY},
    {"nslab", "--unshare", "user,pid", "--", "sh", "-c", TIDY},
};

START_TEST(what_nslab_runs_hears_of_the_end_and_can_do_its_last)
{
    char text[16] = "";
    int to[2], from[2];
    pid_t pid;

    plain_shell();
    ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
    shell.in = to[0];
    pid = start(tidy[_i], from[1], STDERR_FILENO);
    close(from[1]);
    ck_assert_int_eq(read(from[0], text, sizeof text), 1); /* it waits */
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(end_of(pid), 128 + SIGTERM);
    ck_assert_int_gt(read(from[0], text, sizeof text - 1), 0);
    ck_assert_str_eq(text, "tidied up\n");
    close(from[0]);
    close(to[0]);
    close(to[1]);
    children_end();
}
END_TEST

START_TEST(ipcctl_that_is_stopped_says_so_and_leaves_nothing)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    const struct ipc_mechanism *m = ipc_registry[_i];
    const char *const argv[] = {"ipcctl", "-m", m->name, "sleep", "1000", NULL};
    int err = memfd_create("err", MFD_CLOEXEC);
    struct host server;
    pid_t pid;

    plain_shell();
    server_start(&server, m);
    pid = start(argv, STDOUT_FILENO, err);
    /* Anywhere: before its handlers are there it is killed, and has not begun;
     * after that it cleans up. */
    poll(NULL, 0, _i % 3 * 10);
    ck_assert_int_eq(kill(pid, signals[_i % 3]), 0);
    o.status = end_of(pid);
    slurp(err, o.err, sizeof o.err);
    ck_assert_msg(o.status == 2 || o.status == 128 + signals[_i % 3], "%d: %s",
                  o.status, o.err);
    server_stop(&server);
    children_end(); /* a server that one killed so early had just spawned */
    ck_assert_str_eq(objects_left(), "");
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

/* nslab is not run in vain where it gets no namespaces: a chroot, a
 * container. */
static const char *
need_for(const char *const *argv)
{
    return strcmp(argv[0], "nslab") == 0 && strcmp(argv[1], "--help") != 0
               ? need_spaces()
               : NULL;
}

static void
add_programs(TCase *tc)
{
    for (int i = 0; i < TALKATIVE; i++)
        add_loop_test_if(tc, need_for(talkative[i]),
                         what_cannot_be_printed_is_an_error, i);
    add_test_if(tc, need_to_look(), what_a_child_cannot_print_is_an_error);
    for (int i = 0; i < 6; i++)
        add_loop_test_if(tc, need_for(careless[i / 3]),
                         every_program_has_its_0_to_2, i);
    for (int i = 0; i < 12; i++)
        add_loop_test_if(
            tc, need_for(lab[i / 3]),
            nslab_that_is_stopped_ends_its_child_and_removes_its_objects, i);
    add_test_if(tc, need_one_thread(), what_a_server_goes_without_is_said_once);
    for (int i = 0; i < 4; i++)
        add_loop_test_if(tc, need_spaces(),
                         what_nslab_runs_hears_of_the_end_and_can_do_its_last,
                         i);
    add_test_if(tc, need_spaces(), a_reader_that_goes_away_is_no_reason_to_die);
}

static void
add_mechanisms(Suite *s)
{
    for (int i = 0; ipc_registry[i] != NULL; i++) {
        const struct ipc_mechanism *m = ipc_registry[i];
        TCase *tc = test_case(s, m->name);
        const char *reason = need_mechanism(m);

        if (m->caps & (IPC_INPROCESS | IPC_ONEWAY))
            continue;
        for (int fd = 0; fd < 3; fd++)
            add_loop_test_if(tc, reason, what_is_printed_goes_to_nobody_else,
                             3 * i + fd);
        add_loop_test_if(
            tc, reason, a_limit_on_files_kills_no_client_and_leaves_nothing, i);
        add_loop_test_if(tc, reason,
                         ipcctl_that_is_stopped_says_so_and_leaves_nothing, i);
    }
}

Suite *
test_output(void)
{
    Suite *s = suite_create("output");
    TCase *tc = test_case(s, "output");

    add_programs(tc);
    tcase_add_test(tc, a_run_or_a_report_that_nobody_sees_is_an_error);
    tcase_add_test(
        tc, a_report_into_a_directory_that_cannot_be_written_is_an_error);
    tcase_add_test(tc, nobody_will_say_whether_a_oneway_request_was_done);
    tcase_add_test(tc, a_run_does_not_print_into_its_results);
    add_mechanisms(s);
    return s;
}
