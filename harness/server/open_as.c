/*
 * open_as.c - opens a file with somebody else's rights.
 *
 *      server                      worker
 *      fork() ------------------>  setgroups, setresgid, setresuid, capset
 *                                  openat2(path)
 *      recvmsg() <-- descriptor -- sendmsg(SCM_RIGHTS), _exit
 *
 * Why a process, and not access(2) and then open(2)?  Between the two the
 * caller can put a symbolic link to /etc/shadow in place of the file.  Only
 * the kernel can check and open in one step, and it does so for whoever the
 * process is: so a process becomes the caller and opens.
 */
#define _GNU_SOURCE /* SYS_openat2, setresuid, setgroups, SOCK_CLOEXEC */
#include "server/open_as.h"

#include "core/clock.h"
#include "core/defence.h"
#include "server/confine.h"
#include "server/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE (2 * NS_PER_SEC)

/* O_NONBLOCK: opening a FIFO must not hang.  NO_MAGICLINKS: /proc/self/fd/3
 * would be a descriptor of ours, not a file of the caller's. */
static int
open_plain(const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        .resolve = RESOLVE_NO_MAGICLINKS,
    };
    struct stat st;
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

    if (fd == -1)
        return -errno;
    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        close(fd);
        return S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    }
    return fd;
}

/* The same, but what we find there we open ourselves.  A hard link is nothing
 * that openat2(2) could refuse: to the kernel both names are the file's own. */
int
open_beneath(int dir, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    struct stat st;
    int err = 0, fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);

    if (fd == -1)
        return -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    else if (st.st_nlink != 1)
        err = -EMLINK;
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

/* The effective ids decide what may be opened, and so only they change: with
 * our real uid it is still ours to kill, and not the caller's to stop.  Groups
 * first and the uid last, for without root the others cannot change any more.
 * Then the capabilities go; a change of uid takes root's, but a confined
 * server's stay (confine.c, SECBIT_NO_SETUID_FIXUP). */
static int
become(const struct ipc_peer *peer)
{
    struct __user_cap_header_struct us = {.version =
                                              _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    const uid_t same = (uid_t)-1;
    /* Of whom no group is known belongs to none: the kernel's own word for that
     * is the overflow id, user_namespaces(7). */
    const gid_t group = peer->gid != (gid_t)-1 ? peer->gid : OVERFLOW_ID;

    if (setgroups(0, NULL) == -1 || setresgid(same, group, same) == -1 ||
        setresuid(same, peer->uid, same) == -1 ||
        syscall(SYS_capset, &us, none) == -1)
        return -errno;
    return 0;
}

/* One int as data, the error, and with it the descriptor if there is one.
 * Only async-signal-safe calls: other threads may have held any lock when we
 * forked. */
static void
worker(const struct ipc_peer *peer, const char *path, int to)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    int result = DEFENCE("become", become(peer), 0);
    struct iovec data = {.iov_base = &result, .iov_len = sizeof result};
    struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1};

    if (result == 0)
        result = open_plain(path);
    if (result >= 0) {
        control.h.cmsg_level = SOL_SOCKET;
        control.h.cmsg_type = SCM_RIGHTS;
        control.h.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.h), &result, sizeof result);
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
    }
    sendmsg(to, &msg, MSG_NOSIGNAL);
    _exit(0);
}

/* The file system may keep the worker waiting, as one over a network does: no
 * waiting without an end. */
static int
collect(int from)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    int64_t deadline = deadline_in(PATIENCE);
    int result = -EIO, err;
    struct iovec data = {.iov_base = &result, .iov_len = sizeof result};
    struct msghdr msg = {.msg_iov = &data,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};

    do
        err = wait_for(from, POLLIN, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != sizeof result)
        return -EIO;
    if (result >= 0) {
        if (msg.msg_controllen < CMSG_LEN(sizeof(int)) ||
            control.h.cmsg_type != SCM_RIGHTS)
            return -EMFILE; /* ours is the table that was full */
        memcpy(&result, CMSG_DATA(&control.h), sizeof result);
    }
    return result;
}

static int
open_in_worker(const struct ipc_peer *peer, const char *path)
{
    int pair[2], result;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return -errno;
    pid = fork();
    if (pid == -1) {
        result = -errno;
        close(pair[0]);
        close(pair[1]);
        return result;
    }
    if (pid == 0)
        worker(peer, path, pair[1]);
    close(pair[1]); /* so that a killed worker is an end of file */
    result = collect(pair[0]);
    close(pair[0]);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    return result;
}

int
open_as_here(const struct ipc_peer *peer, const char *path)
{
    int err = 0;

    if (peer->uid == (uid_t)-1)
        return -EPERM;
    if (peer->uid != confine_owner() || peer->uid != geteuid())
        err = DEFENCE("become", become(peer), 0);
    return err != 0 ? err : open_plain(path);
}

int
open_as(const struct ipc_peer *peer, const char *path)
{
    if (path[0] != '/')
        return -EINVAL;
    if (peer->uid == (uid_t)-1)
        return -EPERM;
    if (peer->uid == confine_owner() && peer->uid == geteuid())
        return open_plain(path);
    return open_in_worker(peer, path);
}
