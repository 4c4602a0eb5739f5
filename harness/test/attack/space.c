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

#include "core/parent.h"
#include "core/rundir.h"
#include "ns/spaces.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_SPACES (CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET)

/* Who may not do that needs a user namespace for it; in it he keeps his
 * number.  Root without CAP_SYS_ADMIN is such a one. */
static int
unshare_all(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (uid == 0 && unshare(OWN_SPACES) == 0)
        return 0;
    if (unshare(CLONE_NEWUSER | OWN_SPACES) == -1)
        return -errno;
    return spaces_map_user(uid, uid, gid, gid);
}

static int
mount_over(const char *dir, const char *type, const char *mode)
{
    return mount("attack", dir, type, 0, mode) == -1 ? -errno : 0;
}

/* In process 1.  Where there is no /dev/shm, some can do without. */
static int
furnish(const char *dir, const char **step)
{
    int err = spaces_private_mounts();

    *step = "mount(2), of what nobody else is to see,";
    if (err == 0)
        err = mount_over(dir, "tmpfs", "mode=0755");
    if (err == 0 && access("/dev/shm", F_OK) == 0)
        err = mount_over("/dev/shm", "tmpfs", "mode=1777");
    if (err != 0)
        return err;
    *step = "mount(2) of /proc";
    err = mount_over("/proc", "proc", NULL);
    if (err != 0)
        return err;
    *step = "the loopback device";
    return spaces_loopback_up();
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
    const int us = parent_pidfd();
    pid_t pid = fork();

    if (pid == 0)
        end_with_pidfd(us, SIGKILL);
    else if (us != -1)
        close(us);
    return pid;
}

int
space_enter(const char *dir, const char **step)
{
    char program[PATH_MAX];
    pid_t pid;
    int err;

    *step = "/proc/self/exe, where our programs are,";
    err = program_path("ipcd", program, sizeof program);
    if (err != 0)
        return err;
    *step = "unshare(2)";
    setpgid(0, 0); /* a ^C is for the one who started us */
    err = unshare_all();
    if (err != 0)
        return err;
    *step = "fork(2)";
    pid = fork_child();
    if (pid == -1)
        return -errno;
    if (pid > 0)
        be_init(pid);
    err = furnish(dir, step);
    if (err != 0)
        return err;
    *step = "fork(2)";
    pid = fork_child();
    if (pid == -1)
        return -errno;
    if (pid > 0)
        be_init(pid);
    return 0;
}

const char *
space_advice(int err)
{
    if (err == -ENOENT)
        return "mount -t proc proc /proc";
    if (err == -EINVAL)
        return "in a chroot whose / is no mount point others would see the "
               "mounts: mount --bind DIR DIR before chroot DIR";
    return spaces_advice(CLONE_NEWUSER, err);
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

/* A user who can run our server: not where the programs lie in a directory of
 * root's alone, or were built under umask 077. */
static int
become_customer(const char *program)
{
    if (setgroups(0, NULL) == -1 || setresgid(ALICE, ALICE, ALICE) == -1 ||
        setresuid(ALICE, ALICE, ALICE) == -1 || access(program, X_OK) == -1)
        return -errno;
    return 0;
}

const char *
users_missing(void)
{
    static char reason[PATH_MAX + 64];
    char program[PATH_MAX] = "ipcd";
    static const char *why;
    static bool known;

    if (!known && try_it(become_both, NULL) != 0)
        why = "needs root, and uids 10001 and 10002";
    else if (!known && (program_path("ipcd", program, sizeof program) != 0 ||
                        try_it(become_customer, program) != 0)) {
        snprintf(reason, sizeof reason, "uid %d may not run %s", ALICE,
                 program);
        why = reason;
    }
    known = true;
    return why;
}
