/* spaces.c - the eight namespaces. */
#define _GNU_SOURCE /* setns, CLONE_NEW... */
#include "ns/spaces.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* linux/sched.h; C libraries learned it late */
#endif

/* The user namespace first: it owns the others. */
const struct space spaces[SPACES + 1] = {
    {"user", CLONE_NEWUSER, "user and group ids, capabilities"},
    {"pid", CLONE_NEWPID, "process ids"},
    {"uts", CLONE_NEWUTS, "host name and domain name"},
    {"ipc", CLONE_NEWIPC, "System V objects and POSIX message queues"},
    {"net", CLONE_NEWNET, "devices, routes, ports, abstract sockets"},
    {"mnt", CLONE_NEWNS, "what is mounted where"},
    {"cgroup", CLONE_NEWCGROUP, "which control group is called /"},
    {"time", CLONE_NEWTIME, "monotonic clock, time since boot"},
    {.name = NULL},
};

static int
flag_of(const char *name, size_t len)
{
    int flags = 0;

    for (const struct space *s = spaces; s->name != NULL; s++)
        if ((strlen(s->name) == len && strncmp(s->name, name, len) == 0) ||
            (len == 3 && strncmp(name, "all", 3) == 0))
            flags |= s->flag;
    return flags;
}

int
spaces_parse(const char *list)
{
    int flags = 0;

    for (;; list++) {
        size_t len = strcspn(list, ",");
        int flag = flag_of(list, len);

        if (flag == 0)
            return -EINVAL;
        flags |= flag;
        list += len;
        if (*list == '\0')
            return flags;
    }
}

const char *
spaces_advice(int flags, int err)
{
    switch (err) {
    case -ENOSPC:
        return "there are too many already, or none are allowed: look at "
               "/proc/sys/user/max_*_namespaces";
    case -EINVAL:
        return "this kernel was built without one of them: look at "
               "/proc/self/ns";
    case -EPERM:
    case -EACCES:
        break;
    default:
        return "see unshare(2) and clone(2)";
    }
    if (flags & CLONE_NEWUSER)
        return "user namespaces are forbidden here: leave the chroot, be root, "
               "or ask for "
               "kernel.unprivileged_userns_clone=1, for "
               "kernel.apparmor_restrict_unprivileged_userns=0, or for a "
               "container that allows them";
    return "it takes CAP_SYS_ADMIN: add a user namespace, which anybody may "
           "have, or run as root with that capability";
}

/* These files of /proc want the whole text in one write(2). */
static int
write_file(const char *path, const char *text)
{
    size_t len = strlen(text);
    int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;
    ssize_t n;

    if (fd == -1)
        return -errno;
    n = write(fd, text, len);
    if (n == -1)
        err = -errno;
    else if ((size_t)n != len)
        err = -EIO;
    close(fd);
    return err;
}

int
spaces_map_user(uid_t inside_uid, uid_t outside_uid, gid_t inside_gid,
                gid_t outside_gid)
{
    char text[64];
    int err;

    snprintf(text, sizeof text, "%u %u 1\n", inside_uid, outside_uid);
    err = write_file("/proc/self/uid_map", text);
    /* A file may be closed to a group (mode 0604), and a process that could
     * leave the group would get around that.  So before gid_map can be written
     * without privilege, setgroups(2) has to be given up. */
    if (err == 0)
        err = write_file("/proc/self/setgroups", "deny");
    if (err != 0)
        return err;
    snprintf(text, sizeof text, "%u %u 1\n", inside_gid, outside_gid);
    return write_file("/proc/self/gid_map", text);
}

/* In a chroot / need not be a mount point, and cannot be made private then
 * (EINVAL).  That does no harm if it was private before: found out by a mount
 * that a child makes in a namespace of its own. */
static bool nothing_leaks;

static bool
mounts_leak(const char *dir)
{
    struct stat before, after;
    int status;
    pid_t pid;

    if (stat(dir, &before) == -1)
        return true;
    pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWNS) == -1 || spaces_cover(dir, 0755) != 0);
    while (pid != -1 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
        continue;
    if (pid == -1 || status != 0 || stat(dir, &after) == -1)
        return true;
    if (after.st_dev == before.st_dev)
        return false;
    umount2(dir, MNT_DETACH);
    return true;
}

void
spaces_try_mounts(const char *dir)
{
    nothing_leaks = !mounts_leak(dir);
}

int
spaces_private_mounts(void)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 &&
        !(errno == EINVAL && nothing_leaks))
        return -errno;
    return 0;
}

int
spaces_own_ipc(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    cap_t none;
    int err;

    if (unshare(CLONE_NEWIPC) == 0)
        return 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWIPC) == -1)
        return -errno;
    err = spaces_map_user(uid, uid, gid, gid);
    if (uid == 0 || err != 0)
        return err;
    none = cap_init();
    if ((none == NULL || cap_set_proc(none) == -1))
        err = -errno;
    cap_free(none);
    return err;
}

int
spaces_cover(const char *dir, mode_t mode)
{
    char options[32];

    snprintf(options, sizeof options, "mode=%o", (unsigned)mode);
    if (mount("private", dir, "tmpfs", MS_NOSUID | MS_NODEV, options) == -1)
        return -errno;
    return 0;
}

int
spaces_fresh_proc(void)
{
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              NULL) == -1)
        return -errno;
    return 0;
}

bool
spaces_loopback_is_up(void)
{
    struct ifreq lo = {.ifr_name = "lo"};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool up = fd != -1 && ioctl(fd, SIOCGIFFLAGS, &lo) == 0 &&
                    (lo.ifr_flags & IFF_UP);

    close(fd);
    return up;
}

int
spaces_loopback_up(void)
{
    struct ifreq lo = {.ifr_name = "lo"};
    int err = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -errno;
    if (ioctl(fd, SIOCGIFFLAGS, &lo) == -1)
        err = -errno;
    lo.ifr_flags = (short)(lo.ifr_flags | IFF_UP);
    if (err == 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == -1)
        err = -errno;
    close(fd);
    return err;
}

int
spaces_set_clock(long seconds)
{
    char text[80];

    snprintf(text, sizeof text, "monotonic %ld 0\nboottime %ld 0\n", seconds,
             seconds);
    return write_file("/proc/self/timens_offsets", text);
}

int
spaces_join_time(void)
{
    int err = 0,
        fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return -errno;
    if (setns(fd, CLONE_NEWTIME) == -1)
        err = -errno;
    close(fd);
    return err;
}
