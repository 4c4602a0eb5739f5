/* sysv_list.c - a System V variant's endpoint: a file that lists queues. */
#define _GNU_SOURCE /* MSG_STAT_ANY, O_CLOEXEC */
#include "sysv_list.h"

#include "core/defence.h"
#include "core/ipc.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE 43 /* bytes: three numbers of 10, 20 and 10 digits */

struct line {
    int queue;
    intmax_t made; /* s since the epoch */
    uintmax_t creator;
};

/* 1 = there is one, 0 = there is not. */
static int
read_line(int list, unsigned line, struct line *l)
{
    char text[LINE + 1];
    ssize_t n = pread(list, text, LINE, (off_t)line * LINE);

    if (n == -1)
        return -errno;
    text[n] = '\0';
    return sscanf(text, "%d %jd %ju", &l->queue, &l->made, &l->creator) == 3;
}

int
list_note(int list, unsigned line, int queue)
{
    char text[LINE + 1];
    struct msqid_ds ds;

    if (msgctl(queue, IPC_STAT, &ds) == -1)
        return -errno;
    snprintf(text, sizeof text, "%10d %20jd %10ju\n", queue,
             (intmax_t)ds.msg_ctime, (uintmax_t)ds.msg_perm.cuid);
    if (pwrite(list, text, LINE, (off_t)line * LINE) != LINE)
        return -EIO;
    return 0;
}

int
list_make(const char *name, int queue)
{
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int err;

    if (fd == -1)
        return -errno;
    err = list_note(fd, 0, queue);
    if (err == 0 && fchmod(fd, 0644) == -1)
        err = -errno;
    if (err == 0)
        return fd;
    close(fd);
    unlink(name);
    return err;
}

int
list_sweep(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct msqid_ds ds;
    struct stat st;
    struct line l;
    int err = 0;

    if (fd == -1)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &st) == -1 || st.st_uid != geteuid()) {
        err = -EPERM; /* somebody else's list is no reason to remove a queue */
        goto close_list;
    }
    for (unsigned i = 0; i <= IPC_MAX_CLIENTS; i++)
        if (read_line(fd, i, &l) == 1 && msgctl(l.queue, IPC_STAT, &ds) == 0 &&
            DEFENCE("same",
                    ds.msg_ctime == l.made && ds.msg_perm.cuid == l.creator,
                    true))
            msgctl(l.queue, IPC_RMID, NULL);
    if (unlink(name) == -1)
        err = -errno;
close_list:
    close(fd);
    return err != 0 ? err : 1;
}

/* IPC_STAT needs the right to read, and this queue is for writing only.  What
 * ipcs(1) uses needs no right, but goes by the kernel's table, not by id. */
static int
who_made(int queue, struct ipc_perm *perm)
{
    struct msginfo info;
    struct msqid_ds ds;
    int last = msgctl(0, MSG_INFO, (void *)&info);

    for (int i = last; i >= 0; i--) /* the newest are at the end */
        if (msgctl(i, MSG_STAT_ANY, &ds) == queue) {
            *perm = ds.msg_perm;
            return 0;
        }
    return -ENOENT;
}

int
list_queue(const char *name)
{
    int err, fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct ipc_perm perm;
    struct line l;

    if (fd == -1)
        return -errno;
    err = read_line(fd, 0, &l) == 1 ? 0 : -ENOENT;
    close(fd);
    if (err == 0)
        err = who_made(l.queue, &perm);
    if (err == 0)
        err = endpoint_trusted(name, perm.cuid);
    /* An ordinary user's server is for himself.  Later that would look like a
     * queue that is gone: sysv.c, explain(). */
    if (err == 0 && geteuid() != 0 && geteuid() != perm.cuid &&
        (perm.mode & S_IWOTH) == 0)
        err = -EACCES;
    return err != 0 ? err : l.queue;
}
