/*
 * fixture.c - what every test stands on (test.h): a place of its own before,
 * a look at what is left after.
 *
 *      /tmp/ipclab-check-XXXXXX/     one for the whole run (here.h)
 *          programs                  where programs can be run, if not here
 *          0/                        check_dir, for each lane (lanes.h)
 *              run/                  run_dir; emptied for each test
 *              said                  what failed tests and their programs
 *                                    wrote to standard error
 *              ipcd-10001            a set-user-ID copy of the server
 *
 * Check forks for each test, and the checked fixture runs in the test's own
 * process; so the namespaces made here are that test's alone.
 */
#define _GNU_SOURCE /* pipe2 */
#include "test.h"

#include "test/asked.h"
#include "test/files.h"
#include "test/here.h"
#include "test/lanes.h"

#include "core/clock.h"
#include "core/rundir.h"
#include "core/sanitized.h"
#include "core/scratch.h"
#include "server/settings.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char run_dir[ENDPOINT_SIZE];

static int said; /* a descriptor */

/* -- before and after each test -------------------------------------------- */

/* What a crashed test left: the processes are gone with their process group
 * (Check kills it), the rest goes here. */
static void
clean_up(void)
{
    char name[ENDPOINT_SIZE];

    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (ipc_registry[i]->sweep != NULL &&
            endpoint_name(ipc_registry[i], run_dir, name) == 0)
            ipc_registry[i]->sweep(name);
    scratch_remove(run_dir);
}

static off_t said_before;
static int running[2]; /* a pipe; this program alone has it open for writing */
/* Of each lane the test that runs, or 0; shared with the janitor. */
static volatile pid_t *test_groups;
static int lane;

/* Is this process only for this test?  Not so under a debugger. */
bool
is_forked(void)
{
    const char *status = getenv("CK_FORK");

    return status == NULL || strcmp(status, "no") != 0;
}

static void
take_a_process(void)
{
    said_before = lseek(said, 0, SEEK_END);
    if (!is_forked())
        return;
    /* If the test passes, what it says on standard error is forgotten. */
    ck_assert_int_ne(dup2(said, STDERR_FILENO), -1);
    /* Check made us leader of a process group, and kills that at the end; if
     * Check itself does not live that long, the janitor will. */
    test_groups[lane] = getpgrp();
    close(running[1]);
    apart_test();
}

static void
setup(void)
{
    struct stat st;

    queues_check();
    take_a_process();
    asked_next();
    if (stat(run_dir, &st) == 0)
        clean_up();
    ck_assert_int_eq(mkdir(run_dir, 0700), 0);
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
    /* An orphan (a spawned server whose client was killed) comes to us.
     * qemu-user does not know the call; nor has it tests with processes. */
    ck_assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 || errno == EINVAL);
    if (!own_sysv()) {
        take_turn(deadline_in(CALL_TIMEOUT));
        setenv("IPCLAB_TURN", "taken", 1); /* for test programs it runs */
    }
    leftovers_begin();
}

/* Which a confined server leaves if it is killed: leftovers.c. */
static void
remove_if_empty(const char *name)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", run_dir, name);
    if (stat(path, &st) == 0 && st.st_size == 0)
        unlink(path);
}

/* A child of a supervisor's, by the name that it has then: start.c.  Or one
 * that is meant to be nobody's (client_dir.c, remove_apart()).  Or, of a
 * spawned server that did not end in time and was killed, the process by which
 * its sanitizer was looking for leaks (LeakSanitizer clones one).  Or the one by
 * which dash writes a here-document of more than 4 kB (deps.sh has one): it does
 * not wait for that process, which may end after it. */
static bool
is_nobodys(const char *name)
{
    bool is = strcmp(name, "ipcd-broker\n") == 0 ||
              strcmp(name, "ipcd-remover\n") == 0 ||
              strcmp(name, "deps.sh\n") == 0 ||
              (SANITIZED && strcmp(name, "ipcd\n") == 0);

    for (size_t i = 0; !is && ipc_registry[i] != NULL; i++)
        is = strcspn(name, "\n") > 0 &&
             strncmp(name, ipc_registry[i]->name, strcspn(name, "\n")) == 0;
    return is;
}

/* A supervisor does not wait for ever for those that it has killed, and where
 * many want the processor they may be the last to get it (supervisor.c,
 * end_all(), end_broker()).  They are not the test's, which has adopted them,
 * and they are not left: they end. */
static void
reap_nobodys(void)
{
    const int64_t deadline = deadline_in(CALL_TIMEOUT);
    char path[64], *children, *rest;

    if (!is_forked())
        return;
    snprintf(path, sizeof path, "task/%d/children", (int)getpid());
    children = strdup(proc_text(getpid(), path));
    ck_assert_ptr_nonnull(children);
    for (char *at = children;; at = rest) {
        const pid_t pid = (pid_t)strtol(at, &rest, 10);

        if (rest == at)
            break;
        while (is_nobodys(proc_text(pid, "comm")) &&
               waitpid(pid, NULL, WNOHANG) == 0 && time_left(deadline) > 0)
            sched_yield();
    }
    free(children);
}

/* The state and the name of a child, or "": what its stat says before the
 * numbers. */
static const char *
child_left(void)
{
    static char text[128];
    siginfo_t info = {.si_pid = 0};
    const char *stat, *end;
    pid_t pid;

    if (!is_forked() ||
        waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1)
        return "";
    snprintf(text, sizeof text, "task/%d/children", (int)getpid());
    pid =
        info.si_pid != 0 ? info.si_pid : (pid_t)atoi(proc_text(getpid(), text));
    stat = proc_text(pid, "stat");
    end = strrchr(stat, ')');
    snprintf(text, sizeof text, "a child process, %s: %.*s\n",
             info.si_pid != 0 ? "which has ended" : "which runs",
             end != NULL ? (int)(end + 1 - stat) : 0, stat);
    return text;
}

static void
teardown(void)
{
    const char *child, *left = leftovers_end();

    reap_nobodys();
    child = child_left();
    if (child[0] != '\0' || left[0] != '\0') {
        doing("nothing", "what is left, once all have ended");
        is_unexpected("left behind:\n%s%s", child, left);
    }
    remove_if_empty(SETTINGS_LOG);
    remove_if_empty(SETTINGS_TRAY);
    ck_assert_int_eq(rmdir(run_dir), 0);
    ck_assert_int_eq(ftruncate(said, said_before), 0);
    asked_says(); /* what a sanitizer finds when the process ends is its, too */
}

void
fixture_add(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
}

/* -- before and after all of them ------------------------------------------ */

static int cleared; /* a pipe: its end is the janitor's */

/* However this program ends, also by kill -9: the janitor reads the end of file
 * and clears up.  At a proper end it reads a byte; there may be children left
 * who have the pipe open too (CK_FORK=no). */
static void __attribute__((noreturn)) wait_and_clear_up(void)
{
    char byte;

    setsid(); /* the terminal's ^C is not for us */
    close(running[1]);
    (void)!read(running[0], &byte, 1);
    for (lane = 0; lane < LANES; lane++) {
        fixture_kill_lane(lane);
        lane_file(lane, "run", run_dir, sizeof run_dir);
        clean_up();
    }
    here_end();
    _exit(EXIT_SUCCESS);
}

/* No child of ours: a test may wait for all that there are. */
static bool
start_janitor(void)
{
    int status, ends[2];
    pid_t pid;

    if (pipe2(running, O_CLOEXEC) == -1 || pipe2(ends, O_CLOEXEC) == -1 ||
        (pid = fork()) == -1)
        return false;
    if (pid == 0) {
        pid = fork();
        if (pid != 0)
            _exit(pid == -1);
        close(ends[0]);
        wait_and_clear_up();
    }
    close(running[0]);
    close(ends[1]);
    cleared = ends[0];
    return waitpid(pid, &status, 0) == pid && status == 0;
}

void
fixture_begin(void)
{
    test_groups =
        mmap(NULL, LANES * sizeof *test_groups, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!here_begin())
        exit(EXIT_FAILURE);
    if (test_groups == MAP_FAILED || !start_janitor()) {
        perror(check_dir);
        exit(EXIT_FAILURE);
    }
    here_programs();
    if (is_forked())
        apart_begin();
}

void
fixture_lane(int number)
{
    char path[ENDPOINT_SIZE];

    lane = number;
    here_lane(lane);
    lane_file(lane, "run", run_dir, sizeof run_dir);
    lane_file(lane, "said", path, sizeof path);
    said = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (said == -1)
        err(EXIT_FAILURE, "%s", path);
}

void
fixture_kill_lane(int number)
{
    if (test_groups[number] > 0)
        kill(-test_groups[number], SIGKILL);
}

void
fixture_end(void)
{
    char byte;

    for (int i = 0; i < LANES; i++)
        test_groups[i] = 0;
    (void)!write(running[1], "", 1);
    (void)!read(cleared, &byte, 1);
}
