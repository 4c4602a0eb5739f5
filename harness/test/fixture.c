/*
 * fixture.c - what every test stands on (test.h): a place of its own before,
 * a look at what is left after.
 *
 *      /tmp/ipclab-check-XXXXXX/     one for the whole run
 *          run/                      run_dir; emptied for each test
 *          said                      what failed tests and their programs
 *                                    wrote to standard error
 *          mqueue/                   as root: where the test's own POSIX
 *                                    queues can be seen
 *          ipcd-10001                a set-user-ID copy of the server
 *
 * Check forks for each test, and the checked fixture runs in the test's own
 * process; so the namespaces made here are that test's alone.
 */
#define _GNU_SOURCE /* unshare, nftw, pipe2 */
#include "test.h"

#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char run_dir[ENDPOINT_SIZE];

char check_dir[] = "/tmp/ipclab-check-XXXXXX";
static char mqueue_dir[sizeof check_dir + sizeof "/mqueue"];
static int said; /* a descriptor */

/* -- before and after each test -------------------------------------------- */

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    if (type == FTW_DP)
        rmdir(path);
    else
        unlink(path);
    return 0;
}

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
    nftw(run_dir, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
}

/* Root may have a world of its own, where nobody else's objects are and whose
 * end takes the rest along.  Others, and a root that may not, tell their
 * objects apart by owner and by what was there before. */
static bool
isolate(void)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC) == -1)
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("shm", "/dev/shm", "tmpfs", 0, "mode=1777") == 0 &&
           mount("mqueue", mqueue_dir, "mqueue", 0, NULL) == 0;
}

static bool isolated;
static off_t said_before;
static int running[2]; /* a pipe; this program alone has it open for writing */
static volatile pid_t *test_group; /* shared with the janitor; 0: none */

/* Is this process only for this test?  Not so under a debugger. */
static bool
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
    *test_group = getpgrp();
    close(running[1]);
    isolated = isolate();
}

static void
setup(void)
{
    struct stat st;

    take_a_process();
    if (stat(run_dir, &st) == 0)
        clean_up();
    ck_assert_int_eq(mkdir(run_dir, 0700), 0);
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
    /* An orphan (a spawned server whose client was killed) comes to us.
     * qemu-user does not know the call; nor has it tests with processes. */
    ck_assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 || errno == EINVAL);
    leftovers_begin(isolated ? mqueue_dir : NULL);
}

static void
teardown(void)
{
    /* 0: one is alive.  Above: one had ended, unwaited for. */
    const bool child = is_forked() && waitpid(-1, NULL, WNOHANG) != -1;
    const char *left = leftovers_end();

    ck_assert_msg(!child && left[0] == '\0', "left behind:\n%s%s",
                  child ? "a child process\n" : "", left);
    ck_assert_int_eq(rmdir(run_dir), 0);
    ck_assert_int_eq(ftruncate(said, said_before), 0);
}

void
fixture_add(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
}

/* -- before and after all of them ------------------------------------------ */

static pid_t janitor;

/* However this program ends, also by kill -9: the janitor reads the end of file
 * and clears up. */
static void
wait_and_clear_up(void)
{
    char byte;

    setsid(); /* the terminal's ^C is not for us */
    close(running[1]);
    (void)!read(running[0], &byte, 1);
    if (*test_group > 0)
        kill(-*test_group, SIGKILL);
    clean_up();
    nftw(check_dir, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
    _exit(EXIT_SUCCESS);
}

/* Makes the directory.  -1: errno says why not. */
static int
make_check_dir(void)
{
    char path[sizeof check_dir + sizeof "/said"];

    if (mkdtemp(check_dir) == NULL || chmod(check_dir, 0755) == -1)
        return -1;
    snprintf(run_dir, sizeof run_dir, "%s/run", check_dir);
    snprintf(mqueue_dir, sizeof mqueue_dir, "%s/mqueue", check_dir);
    snprintf(path, sizeof path, "%s/said", check_dir);
    said = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return said == -1 ? -1 : mkdir(mqueue_dir, 0700);
}

void
fixture_begin(void)
{
    test_group = mmap(NULL, sizeof *test_group, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (test_group == MAP_FAILED || make_check_dir() == -1 ||
        pipe2(running, O_CLOEXEC) == -1 || (janitor = fork()) == -1) {
        perror(check_dir);
        exit(EXIT_FAILURE);
    }
    if (janitor == 0)
        wait_and_clear_up();
    close(running[0]);
}

void
fixture_end(void)
{
    *test_group = 0;
    close(running[1]);
    waitpid(janitor, NULL, 0);
}

void
print_said(void)
{
    char buf[4096];
    ssize_t n;

    for (off_t at = 0; (n = pread(said, buf, sizeof buf, at)) > 0; at += n)
        fwrite(buf, 1, (size_t)n, stdout);
}
