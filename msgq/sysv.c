/* sysv.c - what the two System V variants share. */
#define _GNU_SOURCE /* IPC_INFO */
#include "sysv.h"

#include "core/clock.h"
#include "core/owner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- waiting --------------------------------------------------------------- */

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
 * that, to look whether there still is a server.  Without a deadline this costs
 * no system call.  *flags: if not to wait. */
static int
begin_wait(struct sysv_wait *w, int64_t deadline, int *flags)
{
    int64_t look;
    int err;

    *flags = 0;
    if (w->life == -1 && deadline == NO_DEADLINE)
        return 0;
    look = w->life == -1 ? NO_DEADLINE : now_ns() + LIFE_LOOK;
    err = alarm_arm(&w->alarm, look < deadline ? look : deadline);
    if (err != -ETIMEDOUT)
        return err;
    *flags = IPC_NOWAIT;
    return 0;
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
    int flags = IPC_NOWAIT, err; /* there is room, nearly always */

    for (;;) {
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
        err = begin_wait(w, deadline, &flags);
        if (err != 0)
            return err;
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

/* -- what every server and every client has -------------------------------- */

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
    s->wait = (struct sysv_wait){
        .life = -1, .alarm.restart = true, .alarm.lazy = true};
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
sysv_forget(struct sysv_client *c)
{
    alarm_forget(&c->wait.alarm);
    sysv_close(c);
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

/* -- the kernel's limits --------------------------------------------------- */

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
