/* sysv.c - what the two System V variants share. */
#define _GNU_SOURCE /* MSG_STAT_ANY, O_CLOEXEC */
#include "sysv.h"

#include "core/clock.h"
#include "core/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- the list of queues ------------------------------------------------------ */

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

static int
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

/* Makes the file and notes the server's own queue in it.  A descriptor. */
static int
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

static int
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
            ds.msg_ctime == l.made && ds.msg_perm.cuid == l.creator)
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
who_made(int queue, uid_t *creator)
{
    struct msginfo info;
    struct msqid_ds ds;
    int last = msgctl(0, MSG_INFO, (void *)&info);

    for (int i = last; i >= 0; i--) /* the newest are at the end */
        if (msgctl(i, MSG_STAT_ANY, &ds) == queue) {
            *creator = ds.msg_perm.cuid;
            return 0;
        }
    return -ENOENT;
}

/* The server's queue, if the owner of the run directory made it. */
static int
list_queue(const char *name)
{
    int err, fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uid_t creator;
    struct line l;

    if (fd == -1)
        return -errno;
    err = read_line(fd, 0, &l) == 1 ? 0 : -ENOENT;
    close(fd);
    if (err == 0)
        err = who_made(l.queue, &creator);
    if (err == 0)
        err = endpoint_trusted(name, creator);
    return err != 0 ? err : l.queue;
}

/* -- waiting ----------------------------------------------------------------- */

/* The ways in which the kernel says that the queue we knew is no more: removed
 * while we waited; removed before; and its id is somebody else's by now. */
static int
explain(int error)
{
    return error == EIDRM || error == EINVAL || error == EACCES ? -EPIPE
                                                                : -error;
}

static bool
is_dead(const struct sysv_wait *w)
{
    return w->life != -1 && life_check(w->life) != 0;
}

/* Before a wait: it is to be interrupted at the deadline; a client's before
 * that, to look whether there still is a server.  *flags: if not to wait. */
static int
begin_wait(struct sysv_wait *w, int64_t deadline, int *flags)
{
    int64_t until = deadline, look = now_ns() + LIFE_LOOK;
    int err;

    if (w->life != -1 && look < until)
        until = look;
    err = alarm_arm(&w->alarm, until);
    *flags = err == -ETIMEDOUT ? IPC_NOWAIT : 0;
    return err == -ETIMEDOUT ? 0 : err;
}

ssize_t
sysv_receive(struct sysv_wait *w, int queue, struct sysv_message *m,
             size_t size, long type, int64_t deadline)
{
    int flags, err;
    ssize_t n;

    for (;;) {
        err = begin_wait(w, deadline, &flags);
        if (err != 0)
            return err;
        n = msgrcv(queue, m, size, type, MSG_NOERROR | flags);
        err = n == -1 ? errno : 0;
        alarm_rest(&w->alarm);
        if (err != EINTR && err != ENOMSG)
            return n == -1 ? explain(err) : n;
        if (is_dead(w)) { /* its last word may have come meanwhile */
            n = msgrcv(queue, m, size, type, MSG_NOERROR | IPC_NOWAIT);
            return n == -1 ? -EPIPE : n;
        }
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        /* Another signal, or our own alarm?  When in doubt a client is asked
         * to call again; a server's loop need not hear of it. */
        if (w->life != -1 || !w->alarm.exists || w->alarm.fires > now_ns())
            return -EINTR;
    }
}

int
sysv_send(struct sysv_wait *w, int queue, const struct sysv_message *m,
          size_t len, int64_t deadline)
{
    int flags, err;

    for (;;) {
        err = begin_wait(w, deadline, &flags);
        if (err != 0)
            return err;
        err = msgsnd(queue, m, len, flags) == -1 ? errno : 0;
        alarm_rest(&w->alarm);
        if (err == 0)
            return 0;
        if (err != EINTR && err != EAGAIN)
            return explain(err);
        if (is_dead(w))
            return -EPIPE;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
    }
}

int
sysv_say(int queue, long type, const void *text, size_t len)
{
    struct {
        long type;
        uint8_t text[NONCE_SIZE]; /* nothing longer is said that way */
    } m = {.type = type};

    memcpy(m.text, text, len);
    return msgsnd(queue, &m, len, IPC_NOWAIT) == -1 ? -errno : 0;
}

/* -- what every server and every client has ------------------------------------ */

int
sysv_sweep(const char *name)
{
    int life = life_sweep(name), list = list_sweep(name);

    return list < 0 ? list : life || list;
}

int
sysv_create(struct sysv_server *s, const char *name, int mode, size_t size)
{
    int err = sysv_sweep(name);

    if (err < 0)
        return err;
    strcpy(s->name, name);
    s->wait = (struct sysv_wait){.life = -1, .alarm.restart = true};
    s->size = size;
    s->buf = malloc(sizeof *s->buf + size);
    if (s->buf == NULL)
        return -ENOMEM;
    s->life = life_make(name);
    if (s->life < 0) {
        err = s->life;
        goto free_buffer;
    }
    s->queue = msgget(IPC_PRIVATE, mode);
    if (s->queue == -1) {
        err = -errno;
        goto close_life;
    }
    s->list = list_make(name, s->queue);
    if (s->list >= 0)
        return 0;
    err = s->list;
    msgctl(s->queue, IPC_RMID, NULL);
close_life:
    close(s->life);
    life_sweep(name);
free_buffer:
    free(s->buf);
    return err;
}

/* With the queues goes whoever waits in one: he wakes with EIDRM. */
void
sysv_destroy(struct sysv_server *s)
{
    alarm_free(&s->wait.alarm);
    close(s->list);
    close(s->life);
    sysv_sweep(s->name);
    free(s->buf);
}

int
sysv_note(struct sysv_server *s, unsigned line, int queue)
{
    return list_note(s->list, line, queue);
}

int
sysv_open(struct sysv_client *c, const char *where, size_t size)
{
    int err;

    c->wait.alarm.restart = true;
    c->wait.life = life_watch(where);
    if (c->wait.life < 0)
        return c->wait.life;
    c->requests = list_queue(where);
    if (c->requests < 0) {
        err = c->requests;
        goto close_life;
    }
    c->size = size;
    c->buf = malloc(sizeof *c->buf + size);
    if (c->buf != NULL)
        return 0;
    err = -ENOMEM;
close_life:
    close(c->wait.life);
    return err;
}

void
sysv_close(struct sysv_client *c)
{
    alarm_free(&c->wait.alarm);
    free(c->buf);
    close(c->wait.life);
}

ssize_t
sysv_answer(struct sysv_client *c, int queue, long type, int64_t deadline)
{
    ssize_t n;

    if (c->cut_off)
        return -EPIPE;
    n = sysv_receive(&c->wait, queue, c->buf, c->size, type, deadline);
    c->cut_off = n == 0;
    return n == 0 ? -EPIPE : n;
}

/* -- the kernel's limits ----------------------------------------------------- */

int
sysv_limits(struct msginfo *info)
{
    return msgctl(0, IPC_INFO, (void *)info) == -1 ? -errno : 0;
}

#define LEAST 512 /* bytes that a message must hold: the harness's wish */

const char *
sysv_unavailable(size_t max_msg)
{
    int queue = msgget(IPC_PRIVATE, 0600);

    if (queue != -1 && max_msg < LEAST) {
        msgctl(queue, IPC_RMID, NULL);
        return "queues are too small (sysctl kernel.msgmnb, kernel.msgmax)";
    }
    if (queue != -1) {
        msgctl(queue, IPC_RMID, NULL);
        return NULL;
    }
    switch (errno) {
    case ENOSYS:
        return "ENOSYS: this kernel has no System V IPC (CONFIG_SYSVIPC)";
    case ENOSPC:
        return "ENOSPC: all queues are taken (ipcs -q lists them, sysctl "
               "kernel.msgmni limits them)";
    case EPERM:
    case EACCES:
        return "EPERM: msgget(2) is forbidden here (a seccomp filter?)";
    default:
        return strerror(errno);
    }
}
