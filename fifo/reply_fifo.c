/* reply_fifo.c - a client's own FIFO for replies, and whose it is. */
#define _GNU_SOURCE /* O_PATH, O_DIRECTORY, getrandom */
#include "reply_fifo.h"

#include "core/activation.h"
#include "core/clock.h"
#include "core/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int
reply_fifo_make(const char *where, struct reply_fifo *id, char *path,
                size_t size)
{
    char dir[ENDPOINT_SIZE];
    int fd, err = endpoint_file(where, ".d", dir);

    if (err != 0)
        return err;
    id->pid = (uint32_t)getpid();
    if (getrandom(&id->serial, sizeof id->serial, 0) != sizeof id->serial)
        return -errno;
    snprintf(path, size, "%s/%u.%u", dir, id->pid, id->serial);
    if (mkfifo(path, 0600) == -1)
        return -errno;
    /* Now, because the server's open(2) for writing needs a reader. */
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    /* A umask of 0777 has made it 0000. */
    if (fd == -1 || fchmod(fd, 0600) == -1) {
        err = -errno;
        unlink(path);
        if (fd != -1)
            close(fd);
        return err;
    }
    return fd;
}

int
reply_fifo_nonce(int fd, uint8_t nonce[NONCE_SIZE], int64_t deadline)
{
    ssize_t n;
    int err;

    do
        err = wait_for(fd, POLLIN, deadline);
    while (err == -EINTR);
    if (err != 0)
        return err;
    n = read(fd, nonce, NONCE_SIZE);
    if (n == -1)
        return -errno;
    /* O_NONBLOCK was for the open(2) only.  It belongs to this open file
     * description; the server's end is another one and stays as it is. */
    if (n != NONCE_SIZE || fcntl(fd, F_SETFL, 0) == -1)
        return -EPIPE;
    return 0;
}

/* With no time limit read(2) itself waits: a system call less.  With one
 * ppoll(2) waits, and after it read(2) does not: nobody else reads here. */
int
reply_fifo_read(int fd, struct frames *in, struct ipc_message *msg,
                int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns);
    int got = frames_take(in, msg); /* may have come with the one before */

    while (got == 0) {
        int err = timeout_ns < 0 ? 0 : wait_for(fd, POLLIN, deadline);
        size_t room;
        void *to;
        ssize_t n;

        if (err != 0)
            return err;
        to = frames_place(in, msg, &room);
        if (to == NULL)
            return -ENOMEM;
        n = read(fd, to, room);
        if (n == -1)
            return -errno;
        if (n == 0) /* the server closed it, or died */
            return -EPIPE;
        got = frames_cut(in, msg, (size_t)n);
    }
    return got < 0 ? -EPIPE : 0;
}

int
reply_fifo_make_dir(const char *name)
{
    char dir[ENDPOINT_SIZE];
    int fd = reply_fifo_remove_all(name), err = endpoint_file(name, ".d", dir);

    if (fd < 0 || err != 0)
        return fd < 0 ? fd : err;
    if (mkdir(dir, 0700) == -1 && !(errno == EEXIST && activation_owns(name)))
        return -errno;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* Only root can open other users' 0600 FIFOs, so only root invites them.
     * Sticky: nobody removes or renames another's, inode(7). */
    if (fd == -1 || (geteuid() == 0 && fchmod(fd, 01777) == -1)) {
        err = -errno;
        if (fd != -1)
            close(fd);
        reply_fifo_remove_all(name);
        return err;
    }
    return fd;
}

/* Writing cannot wait, and 16 bytes are written whole or not at all. */
static int
leave_nonce(int fd, uint8_t nonce[NONCE_SIZE])
{
    int err = nonce_make(nonce);

    if (err == 0 && write(fd, nonce, NONCE_SIZE) != NONCE_SIZE)
        err = -errno;
    return err;
}

int
reply_fifo_check(int dir, const struct reply_fifo *id, uid_t claimed,
                 uint8_t nonce[NONCE_SIZE], struct ipc_peer *peer)
{
    char name[32], again[32];
    int path_fd, fd, err;

    /* O_PATH does not open the FIFO yet, it takes hold of the inode: so what
     * is checked is what is opened.  O_NOFOLLOW: a symbolic link here could
     * lead to any file that root may write. */
    snprintf(name, sizeof name, "%u.%u", id->pid, id->serial);
    path_fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (path_fd == -1)
        return -errno;
    err = owner_check_fd(path_fd, S_IFIFO, claimed, peer);
    if (err != 0) {
        close(path_fd);
        return err;
    }
    /* O_NONBLOCK: nobody reading there is ENXIO instead of waiting for ever;
     * and later, a full FIFO is its owner's loss, not everybody's. */
    snprintf(again, sizeof again, "/proc/self/fd/%d", path_fd);
    fd = open(again, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    err = fd == -1 ? -errno : leave_nonce(fd, nonce);
    close(path_fd);
    if (err == 0)
        return fd;
    if (fd != -1)
        close(fd);
    return err;
}

int
reply_fifo_remove_all(const char *name)
{
    char dir[ENDPOINT_SIZE];
    struct dirent *entry;
    DIR *d;
    int err = endpoint_file(name, ".d", dir);

    /* The activator's: the FIFOs in there are of clients who wait for us. */
    if (err != 0 || activation_owns(name))
        return err;
    d = opendir(dir);
    if (d == NULL)
        return errno == ENOENT ? 0 : -errno;
    while ((entry = readdir(d)) != NULL)
        if (unlinkat(dirfd(d), entry->d_name, 0) == -1)
            unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
    closedir(d);
    return rmdir(dir) == -1 ? -errno : 1;
}
