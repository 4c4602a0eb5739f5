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

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char run_dir[ENDPOINT_SIZE];

char check_dir[] = "/tmp/ipclab-check-XXXXXX";
static char mqueue_dir[sizeof check_dir + sizeof "/mqueue"];
static int said; /* a descriptor */

/* -- what is there --------------------------------------------------------- */

static bool own_namespace; /* then everything in it is ours */
static FILE *listing;      /* for nftw(3), which takes no argument */

static int
list_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)type;
    if (at->level > 0 && (own_namespace || st->st_uid == geteuid()))
        fprintf(listing, "%s\n", path);
    return 0;
}

/* The columns of /proc/sysvipc differ: which one has the owner? */
static void
list_sysv(FILE *out, const char *kind, int uid_column)
{
    char path[64], line[512];
    FILE *in;

    snprintf(path, sizeof path, "/proc/sysvipc/%s", kind);
    in = fopen(path, "re");
    if (in == NULL)
        return;
    (void)!fgets(line, sizeof line, in); /* the heading */
    while (fgets(line, sizeof line, in) != NULL) {
        char *save = NULL, *word = strtok_r(line, " ", &save), *id = word;

        for (int i = 1; i <= uid_column && word != NULL; i++) {
            word = strtok_r(NULL, " ", &save);
            if (i == 1)
                id = word;
        }
        if (word != NULL && (own_namespace || (uid_t)atol(word) == geteuid()))
            fprintf(out, "System V %s %s\n", kind, id);
    }
    fclose(in);
}

static char *
list_objects(void)
{
    char *text = NULL;
    size_t size;

    listing = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(listing);
    nftw(run_dir, list_entry, 8, FTW_PHYS);
    nftw("/dev/shm", list_entry, 8, FTW_PHYS);
    nftw(own_namespace ? mqueue_dir : "/dev/mqueue", list_entry, 8, FTW_PHYS);
    list_sysv(listing, "msg", 7);
    list_sysv(listing, "sem", 4);
    list_sysv(listing, "shm", 7);
    fclose(listing);
    return text;
}

/* Calls f for each open descriptor of the process; returns how many. */
static int
each_descriptor(pid_t pid, void (*f)(int fd, void *arg), void *arg)
{
    char path[64];
    struct dirent *e;
    DIR *dir;
    int n = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    if (dir == NULL)
        return -1;
    while ((e = readdir(dir)) != NULL) {
        int fd = atoi(e->d_name);

        if (e->d_name[0] == '.' || (pid == getpid() && fd == dirfd(dir)))
            continue;
        n++;
        if (f != NULL)
            f(fd, arg);
    }
    closedir(dir);
    return n;
}

int
open_descriptors(pid_t pid)
{
    return each_descriptor(pid, NULL, NULL);
}

static fd_set descriptors_before;
static char *objects_before;

static void
remember(int fd, void *arg)
{
    FD_SET(fd, (fd_set *)arg);
}

static void
name_if_new(int fd, void *arg)
{
    char path[64], what[PATH_MAX];
    ssize_t n;

    if (FD_ISSET(fd, &descriptors_before))
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    n = readlink(path, what, sizeof what - 1);
    what[n < 0 ? 0 : n] = '\0';
    fprintf(arg, "descriptor %d -> %s\n", fd, what);
}

static void
close_if_new(int fd, void *keep)
{
    const struct child *c = keep;

    if (fd > 2 && fd != c->in && fd != c->out &&
        !FD_ISSET(fd, &descriptors_before))
        close(fd);
}

void
close_descriptors(const struct child *keep)
{
    struct child c = *keep;

    each_descriptor(getpid(), close_if_new, &c);
}

static bool
has_line(const char *text, const char *line, size_t len)
{
    for (; *text != '\0'; text = strchr(text, '\n') + 1)
        if (strncmp(text, line, len) == 0 && text[len] == '\n')
            return true;
    return false;
}

static bool
is_lock(const char *line, size_t len)
{
    static const char suffix[] = ".lock";
    const size_t n = sizeof suffix - 1;

    return len > n && strncmp(line + len - n, suffix, n) == 0;
}

static char left[4096];

static void
find_left(bool with_locks, FILE *out)
{
    char *now = list_objects();

    for (char *line = now, *end; *line != '\0'; line = end + 1) {
        size_t len;

        end = strchr(line, '\n');
        len = (size_t)(end - line);
        if (!has_line(objects_before, line, len) &&
            (with_locks || !is_lock(line, len)))
            fprintf(out, "%.*s\n", (int)len, line);
    }
    free(now);
}

const char *
objects_left(void)
{
    FILE *out = fmemopen(left, sizeof left, "w");

    ck_assert_ptr_nonnull(out);
    left[0] = '\0';
    find_left(false, out);
    fclose(out);
    return left;
}

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
    own_namespace = isolate();
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
    /* An orphan (a spawned server whose client was killed) comes to us. */
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    FD_ZERO(&descriptors_before);
    each_descriptor(getpid(), remember, &descriptors_before);
    objects_before = list_objects();
}

static void
teardown(void)
{
    FILE *out = fmemopen(left, sizeof left, "w");

    ck_assert_ptr_nonnull(out);
    left[0] = '\0';
    /* 0: one is alive.  Above: one had ended, unwaited for. */
    if (is_forked() && waitpid(-1, NULL, WNOHANG) != -1)
        fprintf(out, "a child process\n");
    each_descriptor(getpid(), name_if_new, out);
    find_left(true, out);
    fclose(out);
    free(objects_before);
    objects_before = NULL;
    ck_assert_msg(left[0] == '\0', "left behind:\n%s", left);
    ck_assert_int_eq(rmdir(run_dir), 0);
    ck_assert_int_eq(ftruncate(said, said_before), 0);
}

static int cases, cases_begun;

static void
show_progress(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K  %d of %d cases ", ++cases_begun, cases);
}

static void
hide_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

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

/* -- making suites --------------------------------------------------------- */

static const char *current_case;
static struct {
    const char *reason;
    int count;
} not_run[64];

TCase *
test_case(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    current_case = name;
    cases++;
    tcase_set_timeout(tc, TEST_TIMEOUT);
    tcase_add_unchecked_fixture(tc, show_progress, hide_progress);
    tcase_add_checked_fixture(tc, setup, teardown);
    suite_add_tcase(s, tc);
    return tc;
}

/* Counts by reason; what was not asked for was not skipped either. */
static void
count_not_run(const char *reason)
{
    const char *wanted = getenv("CK_RUN_CASE");
    size_t i = 0;

    if (wanted != NULL && strcmp(wanted, current_case) != 0)
        return;
    while (not_run[i].reason != NULL && strcmp(not_run[i].reason, reason) != 0)
        i++;
    if (i == sizeof not_run / sizeof *not_run - 1)
        reason = "for other reasons";
    not_run[i].reason = reason;
    not_run[i].count++;
}

void
print_not_run(void)
{
    for (size_t i = 0; not_run[i].reason != NULL; i++)
        printf("not run here: %d checks %s\n", not_run[i].count,
               not_run[i].reason);
}

void
add_test_if(TCase *tc, const char *reason, const TTest *test)
{
    add_loop_test_if(tc, reason, test, 0);
}

void
add_loop_test_if(TCase *tc, const char *reason, const TTest *test, int i)
{
    if (reason == NULL)
        tcase_add_loop_test(tc, test, i, i + 1);
    else
        count_not_run(reason);
}

const char *
need_root(void)
{
    return geteuid() == 0 ? NULL : "need root (a second uid)";
}

const char *
need_mechanism(const struct ipc_mechanism *m)
{
    static char reason[64][160];
    const char *why = ipc_unavailable(m);
    size_t i = 0;

    if (why == NULL)
        return NULL;
    while (ipc_registry[i] != m)
        i++;
    snprintf(reason[i], sizeof *reason, "of %s: %s", m->name, why);
    return reason[i];
}

const char *
source_dir(void)
{
    static char dir[PATH_MAX];
    char probe[PATH_MAX + sizeof "/harness/core/api.def"];
    char *slash;
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);

    dir[n < 0 ? 0 : n] = '\0';
    while ((slash = strrchr(dir, '/')) != NULL) {
        *slash = '\0';
        snprintf(probe, sizeof probe, "%s/harness/core/api.def", dir);
        if (access(probe, R_OK) == 0)
            return dir;
    }
    return NULL;
}

const char *
need_source(void)
{
    return source_dir() != NULL ? NULL : "need the source tree";
}
