/*
 * space.c - namespaces for one run, so that nothing it does or leaves is
 * anybody else's.
 *
 *      ipcattack --- job: unshare() --- init: process 1 --- the run
 *                                         mounts, lo          forks what it
 *                                         waits, ends         likes
 *
 * When the first process of a PID namespace ends, the kernel kills all others
 * in it, also those that have left every group and session; and with the last
 * process go the mounts, the System V objects, the POSIX queues and the ports.
 */
#define _GNU_SOURCE /* unshare, CLONE_NEW..., setresuid */
#include "test/attack/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPACES (CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET)

static int
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

    if (fd == -1)
        return -errno;
    if (write(fd, text, strlen(text)) == -1)
        err = -errno;
    close(fd);
    return err;
}

/* Who is not root needs a user namespace for the others; in it he keeps his
 * number. */
static int
unshare_all(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    char map[64];
    int err;

    if (uid == 0)
        return unshare(SPACES) == -1 ? -errno : 0;
    if (unshare(CLONE_NEWUSER | SPACES) == -1)
        return -errno;
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    err = write_text("/proc/self/uid_map", map);
    if (err == 0)
        err = write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    return err != 0 ? err : write_text("/proc/self/gid_map", map);
}

static int
bring_lo_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int err = fd == -1 || ioctl(fd, SIOCSIFFLAGS, &request) == -1 ? -errno : 0;

    close(fd);
    return err;
}

/* In process 1. */
static int
furnish(const char *dir)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("attack", dir, "tmpfs", 0, "mode=0755") == -1 ||
        mount("shm", "/dev/shm", "tmpfs", 0, "mode=1777") == -1 ||
        mount("proc", "/proc", "proc", 0, NULL) == -1)
        return -errno;
    return bring_lo_up();
}

/* Waits for the run; whoever else ends is an orphan.  Does not return. */
static _Noreturn void
be_init(pid_t run)
{
    int status = 0;
    pid_t pid;

    do
        pid = waitpid(-1, &status, 0);
    while (pid != run && (pid != -1 || errno == EINTR));
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Whoever dies, those below him die too. */
static pid_t
fork_child(void)
{
    pid_t pid = fork();

    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static int
enter(const char *dir)
{
    int err = unshare_all();
    pid_t pid;

    if (err != 0)
        return err;
    pid = fork_child();
    if (pid == -1)
        return -errno;
    if (pid > 0)
        be_init(pid);
    err = furnish(dir);
    if (err != 0)
        return err;
    pid = fork_child();
    if (pid == -1)
        return -errno;
    if (pid > 0)
        be_init(pid);
    return 0;
}

/* In a child, since there is no way back.  0, or errno. */
static int
try_it(int (*f)(const char *), const char *arg)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(-f(arg));
    if (pid == -1 || waitpid(pid, &status, 0) == -1)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

const char *
space_missing(void)
{
    static char reason[160];
    static bool tried;
    static int err;

    if (!tried)
        err = try_it(enter, "/tmp");
    tried = true;
    snprintf(reason, sizeof reason,
             "needs namespaces of its own; unshare(2) or mount(2) says: %s",
             strerror(err));
    return err != 0 ? reason : NULL;
}

/* Root in a user namespace (a container) may be alone there, too. */
static int
become_both(const char *unused)
{
    (void)unused;
    if (setgroups(0, NULL) == -1 || setresgid(ALICE, ALICE, 0) == -1 ||
        setresuid(ALICE, ALICE, 0) == -1 || setresuid(0, 0, 0) == -1 ||
        setresuid(BOB, BOB, BOB) == -1)
        return -errno;
    return 0;
}

const char *
users_missing(void)
{
    static int err = -1;

    if (err == -1)
        err = try_it(become_both, NULL);
    return err == 0 ? NULL : "needs root, and uids 10001 and 10002";
}

void
space_enter(const char *dir)
{
    setpgid(0, 0); /* a ^C is for the one who started us */
    MUST(enter(dir) == 0);
}
