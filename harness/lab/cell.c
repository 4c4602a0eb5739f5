/* cell.c - a place for a program that may be hostile (cell.h). */
#define _GNU_SOURCE /* unshare, setgroups, CLONE_NEW..., SHM_INFO */
#include "lab/cell.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/parent.h"
#include "lab/procfs.h"
#include "lab/within.h"
#include "ns/spaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEGABYTE ((rlim_t)1024 * 1024)

/* Of all that is in it; twice what an experiment may have (trial.c). */
#define MOST_MEMORY (2048 * MEGABYTE)

#define UNSEEN      (60 * NS_PER_SEC)  /* that long nobody could look at them */
#define END_TIMEOUT (10 * NS_PER_SEC)  /* that long they may take to die */
#define OUT_TIMEOUT (120 * NS_PER_SEC) /* and that long, to copy what is left */

enum { TOO_MUCH = 123, TIME_UP = 124, NO_CELL = 125 };

/* -- the program ----------------------------------------------------------- */

static void
limit(int what, rlim_t most)
{
    struct rlimit l;

    if (getrlimit((__rlimit_resource_t)what, &l) == 0) {
        l.rlim_max = l.rlim_max < most ? l.rlim_max : most;
        l.rlim_cur = l.rlim_max;
        setrlimit((__rlimit_resource_t)what, &l);
    }
}

static void
be_first_to_go(void)
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd != -1) {
        (void)!write(fd, "1000", 4);
        close(fd);
    }
}

/* What is compiled and run is told how; of what else the grader's environment
 * holds (tokens, agents) nothing is a student's business. */
static const char *const told[] = {
    "PATH=",   "HOME=",      "TMPDIR=",   "TZ=",     "LANG=",     "LC_",
    "TERM=",   "COLUMNS=",   "CC=",       "CFLAGS=", "CPPFLAGS=", "LDFLAGS=",
    "LDLIBS=", "AR=",        "NM=",       "V=",      "WERROR=",   "PKG_CONFIG",
    "CPATH=",  "C_INCLUDE_", "COMPILER_", "GCC_",    "NIX_",      "LIBRARY_",
    "LD_",     "MAKEFLAGS=", "MFLAGS=",   "ASAN_",   "UBSAN_",    "LSAN_",
    "TSAN_",   "CCACHE_",    "IPCLAB_",   "CK_",
};

static void
forget_the_rest(void)
{
    char **to = environ;

    for (char **from = environ; *from != NULL; from++)
        for (size_t i = 0; i < sizeof told / sizeof *told; i++)
            if (strncmp(*from, told[i], strlen(told[i])) == 0) {
                *to++ = *from;
                break;
            }
    *to = NULL;
}

/* The grader's terminal is none of its own: who has it as the controlling one
 * reads what is typed there, and types there (TIOCSTI), as root perhaps.  A new
 * session has none.  Nor are other descriptors, nor set-user-ID programs. */
static void
inherit_nothing(const struct cell *c)
{
    (void)DEFENCE("session", setsid(), 0);
    (void)DEFENCE("descriptors", close_range(STDERR_FILENO + 1, ~0u, 0), 0);
    if (geteuid() != 0 || c->uid != 0) /* root that stays root tries those */
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (DEFENCE("environment", true, false))
        forget_the_rest();
}

static void __attribute__((noreturn))
become_program(const struct cell *c, char *const argv[])
{
    const int log =
        open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    be_first_to_go();
    (void)!nice(10); /* four hundred that fork are not to be all that runs */
    dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    inherit_nothing(c);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NPROC, 400); /* of this uid */
    limit(RLIMIT_FSIZE, 64 * MEGABYTE);
    limit(RLIMIT_CPU, (rlim_t)c->seconds); /* each */
    if (chdir(c->dir) == -1)
        _exit(NO_CELL);
    if (geteuid() == 0 && c->uid != 0 &&
        (setgroups(0, NULL) == -1 || setresgid(c->uid, c->uid, c->uid) == -1 ||
         setresuid(c->uid, c->uid, c->uid) == -1))
        _exit(NO_CELL);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

/* -- its first process ----------------------------------------------------- */

static int
status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* -- how much memory they have ------------------------------------------------
 *
 * There is no resource limit for it: what one process may map says nothing of
 * four hundred, and a sanitizer reserves terabytes (trial.c).  A control group
 * has one, but few may make those.  So we look, ten times a second; who is
 * faster than that is the first whom the kernel ends (be_first_to_go()).
 */

#define MOST_PROCESSES 1024
#define MOST_MEMFDS    4096

static size_t
mapped(const pid_t *pids, int count, bool exactly)
{
    size_t all = 0;

    for (int i = 0; i < count; i++)
        all += procfs_used(pids[i], exactly);
    return all;
}

/* memfd_create(2): a file that is memory, and need not be mapped.  Each counts
 * once, whoever has it.  A file of a file system of its own (FUSE) can have that
 * name, and its program is not to be asked: AT_STATX_DONT_SYNC. */
static size_t
in_memfds(const pid_t *pids, int count)
{
    static uint64_t seen[MOST_MEMFDS];
    int known = 0;
    size_t all = 0;

    for (int i = 0; i < count; i++) {
        char path[64], link[PROCFS_LINK];
        struct dirent *e;
        struct statx st;
        DIR *d;

        snprintf(path, sizeof path, "/proc/%d/fd", (int)pids[i]);
        d = opendir(path);
        while (d != NULL && (e = readdir(d)) != NULL) {
            int k = 0;

            procfs_link(pids[i], atoi(e->d_name), link);
            if (strncmp(link, "/memfd:", 7) != 0 ||
                statx(dirfd(d), e->d_name, AT_STATX_DONT_SYNC,
                      STATX_INO | STATX_BLOCKS, &st) == -1)
                continue;
            while (k < known && seen[k] != st.stx_ino)
                k++;
            if (k < known || known == MOST_MEMFDS)
                continue;
            seen[known++] = st.stx_ino;
            all += (size_t)st.stx_blocks * 512;
        }
        if (d != NULL)
            closedir(d);
    }
    return all;
}

/* System V segments, attached or not, of this namespace; those that are made in
 * experiments are in others. */
static size_t
in_segments(void)
{
    struct shm_info info;
    void *to = &info; /* for SHM_INFO it is no struct shmid_ds */

    if (shmctl(0, SHM_INFO, to) == -1)
        return 0;
    return info.shm_rss * (size_t)sysconf(_SC_PAGESIZE);
}

static bool
have_too_much(pid_t top, bool is_apart)
{
    static pid_t pids[MOST_PROCESSES];
    const int n = procfs_descendants(top, pids, MOST_PROCESSES);
    pid_t maker;
    const size_t hidden = in_memfds(pids, n) + (is_apart ? in_segments() : 0) +
                          within_segments(pids, n, &maker);

    return hidden + mapped(pids, n, false) > MOST_MEMORY &&
           hidden + mapped(pids, n, true) > MOST_MEMORY;
}

/* Ten times a second, in a process of its own, for it may have to wait: who
 * looks at the memory of a process waits while that is being changed.  Ends if
 * they have too much; *looked is when it has looked last. */
static pid_t
watch(pid_t top, bool is_apart, _Atomic int64_t *looked)
{
    const pid_t us = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    end_with_parent(us, SIGKILL);
    while (!have_too_much(top, is_apart)) {
        *looked = now_ns();
        poll(NULL, 0, 100);
    }
    _exit(TOO_MUCH);
}

/* Reaps whoever ends, until the program does, or the watcher.  Who cannot be
 * looked at for so long hides something. */
static int
reap_until(pid_t pid, int64_t deadline, pid_t watcher,
           const _Atomic int64_t *looked)
{
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int status;

    while (time_left(deadline) > 0) {
        poll(&p, 1, 100); /* at least so often: orphans are ours */
        for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
            if (ended == pid || ended == watcher)
                return status_of(status);
        if (now_ns() - *looked > UNSEEN)
            return TOO_MUCH;
    }
    return TIME_UP;
}

/* For so long at most: who hangs in the kernel even after SIGKILL (in a file
 * system whose program is silent) does not keep us. */
static void
reap_all(int64_t timeout)
{
    const int64_t deadline = now_ns() + timeout;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0 ||
           (pid == 0 && time_left(deadline) > 0))
        if (pid == 0)
            poll(NULL, 0, 10);
}

/* -- its place ------------------------------------------------------------- */

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int
shell(const char *format, ...)
{
    char command[2 * PATH_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

static int
mount_limited(const char *dir, const char *options)
{
    return mount("cell", dir, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

/* All that there is is for reading, but its own directory. */
static void
close_the_rest(const struct cell *c)
{
    struct mount_attr shut = {.attr_set = MOUNT_ATTR_RDONLY};
    struct mount_attr open = {.attr_clr = MOUNT_ATTR_RDONLY};

    if (mount(c->dir, c->dir, NULL, MS_BIND, NULL) == -1 ||
        mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &shut, sizeof shut) == -1)
        return; /* before Linux 5.12 */
    mount_setattr(AT_FDCWD, c->dir, 0, &open, sizeof open);
}

/* A short name, since endpoints and sockets are in there (ENDPOINT_SIZE), which
 * hides nothing that the cell is in. */
static const char *
short_name(const struct cell *c)
{
    static const char var_tmp[] = "/var/tmp/";

    return strncmp(c->dir, var_tmp, strlen(var_tmp)) == 0 ? "/tmp" : "/var/tmp";
}

/* Its directory is a file system of limited size, too, with what was in there;
 * a descriptor of what it hides, or -1.  cp(1) is to have it: an ordinary user's
 * process may not look into one that has made a user namespace and not called
 * exec(2) since, as we have. */
static int
move_in(const struct cell *c)
{
    const int outside = open(c->dir, O_PATH | O_DIRECTORY);

    if (outside == -1 || mount_limited(c->dir, "mode=755,size=384m,"
                                               "nr_inodes=32768") == -1)
        return -1;
    if (shell("cp -a /proc/self/fd/%d/. '%s'", outside, c->dir) != 0)
        return -1;
    return outside;
}

/* Nobody of the cell runs any more.  Of what it has made of out/, unless that is
 * a link, comes back what a check can have left: files, no deeper than in
 * evidence/, with one name.  (Of a file with thirty thousand names there would be
 * thirty thousand copies.) */
static void
move_out(const struct cell *c, int outside)
{
    kill(-1, SIGKILL);
    reap_all(END_TIMEOUT);
    if (outside != -1)
        shell("cd '%s' && [ ! -L out ] && find out -mindepth 3 -delete && "
              "find out ! -type d ! -type f -delete && "
              "find out -type f %s -delete && "
              "cp -r out /proc/self/fd/%d/",
              c->dir, DEFENCE("twins", "-links +1", "-links 0"), outside);
}

static int
furnish(const struct cell *c)
{
    const char *tmp = short_name(c);

    if (spaces_private_mounts() != 0)
        return -1; /* what we mounted would be seen outside */
    close_the_rest(c);
    spaces_fresh_proc();
    spaces_loopback_up(); /* there is no other device */
    /* A process that waits for itself as a file system ends with neither. */
    (void)!mount("/dev/null", "/dev/fuse", NULL, MS_BIND, NULL);
    mount_limited("/dev/shm", "mode=1777,size=64m,nr_inodes=4096");
    if (mount_limited(tmp, "mode=1777,size=128m,nr_inodes=16384") == 0)
        setenv("TMPDIR", tmp, 1);
    return move_in(c);
}

static int
live(const struct cell *c, char *const argv[], bool is_apart, int parent)
{
    _Atomic int64_t *looked = mmap(NULL, sizeof *looked, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char tmp[PATH_MAX];
    int outside = -1, status = NO_CELL;
    pid_t pid, watcher;

    if (looked == MAP_FAILED)
        return NO_CELL;
    end_with_pidfd(parent, SIGKILL);
    snprintf(tmp, sizeof tmp, "%.4000s/tmp", c->dir);
    setenv("TMPDIR", tmp, 1);
    setenv("HOME", tmp, 1); /* where one may look for settings */
    setenv("CCACHE_DISABLE", "1", 1);
    if (is_apart)
        outside = furnish(c);
    *looked = now_ns();
    watcher = watch(is_apart ? getpid() : getppid(), is_apart, looked);
    pid = fork();
    if (pid == 0)
        become_program(c, argv);
    if (pid != -1)
        status = reap_until(pid, now_ns() + c->seconds * NS_PER_SEC, watcher,
                            looked);
    if (is_apart)
        move_out(c, outside);
    return status;
}

/* -- outside --------------------------------------------------------------- */

/* Stopped first, so that none of them makes another while we go on. */
static void
kill_all_below(pid_t pid)
{
    pid_t children[256];
    const int n = procfs_children(pid, children, 256);

    for (int i = 0; i < n; i++) {
        kill(children[i], SIGSTOP);
        kill_all_below(children[i]);
        kill(children[i], SIGKILL);
    }
}

/* Its exit status; of one that hangs, TIME_UP. */
static int
wait_for_life(pid_t pid, int seconds)
{
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    const int64_t most = seconds * NS_PER_SEC + END_TIMEOUT + OUT_TIMEOUT;
    int status;

    if (fd != -1 && wait_for(fd, POLLIN, now_ns() + most) == -ETIMEDOUT) {
        kill(pid, SIGKILL);
        if (wait_for(fd, POLLIN, now_ns() + END_TIMEOUT) == -ETIMEDOUT)
            return TIME_UP;
    }
    return waitpid(pid, &status, 0) == pid ? status_of(status) : NO_CELL;
}

/* In a go-between, because unshare() is for children (ns/enter.c). */
static int
go_between(const struct cell *c, char *const argv[])
{
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    const int user = uid != 0 ? CLONE_NEWUSER : 0, us = parent_pidfd();
    bool is_apart;
    int status, rounds = 0;
    pid_t pid;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    is_apart = unshare(user | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC |
                       CLONE_NEWNET) == 0 &&
               (uid == 0 || spaces_map_user(uid, uid, gid, gid) == 0);
    pid = fork();
    if (pid == 0)
        _exit(live(c, argv, is_apart, us));
    if (pid == -1)
        return NO_CELL;
    status = wait_for_life(pid, c->seconds);
    for (; !is_apart && rounds < 100; rounds++) {
        kill_all_below(getpid());
        reap_all(END_TIMEOUT / 100);
    }
    if (is_apart || status == TIME_UP || status == TOO_MUCH)
        return status;
    return status + 1000;
}

int
cell_run(struct cell *c, char *const argv[])
{
    int out[2], status = -EIO;
    pid_t pid;

    if (pipe2(out, O_CLOEXEC) == -1)
        return -errno;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(out[0]);
        status = go_between(c, argv);
        (void)!write(out[1], &status, sizeof status);
        _exit(EXIT_SUCCESS);
    }
    close(out[1]);
    if (pid != -1) {
        if (read(out[0], &status, sizeof status) != sizeof status)
            status = -EIO;
        waitpid(pid, NULL, 0);
    }
    close(out[0]);
    c->timed_out = status == TIME_UP;
    c->too_much = status == TOO_MUCH;
    c->reduced = status >= 1000;
    return c->reduced ? status - 1000 : status;
}
