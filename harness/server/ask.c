/* ask.c - an endpoint's side of broker.h. */
#define _GNU_SOURCE /* SYS_pidfd_open, SOCK_CLOEXEC */
#include "server/ask.h"

#include "core/clock.h"
#include "core/object.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The broker answers in a moment, or is being started again. */
#define RECEIPT_TIMEOUT BROKER_TIMEOUT

static int channel; /* 0: no broker */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* For object_open(): where dir is says the kernel. */
static int
open_by_broker(enum object_space space, int dir, const char *name, int flags,
               uid_t uid)
{
    const struct ipc_peer peer = {
        .uid = uid, .gid = (gid_t)-1, .evidence = IPC_CLAIMED};
    char link[64], whole[PATH_MAX];
    struct broker_request r;
    struct broker_answer a;
    struct broker_call c;
    ssize_t n = 0;
    int err;

    if (space == OBJECT_AT) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        n = readlink(link, whole, sizeof whole);
        if (n == -1 || (size_t)n + strlen(name) + 2 > sizeof whole)
            return n == -1 ? -errno : -ENAMETOOLONG;
        whole[n++] = '/';
    }
    snprintf(whole + n, sizeof whole - (size_t)n, "%s", name);
    err = broker_request(&r, BROKER_OBJECT, &peer, whole, strlen(whole));
    if (err != 0)
        return err;
    r.space = space;
    r.number = flags & O_ACCMODE;
    err = broker_do(&c, &r, &a);
    broker_end(&c);
    return err == 0 ? a.fd : err;
}

/* In doubt, all may be. */
static uint32_t
glance_by_broker(const struct object_claim *claims, unsigned n)
{
    struct broker_request r = {.what = BROKER_GLANCE, .count = n};
    struct broker_call c = {.fd = 0};
    int said;

    memcpy(r.path, claims, n * sizeof *claims);
    said = broker_ask(&c, &r);
    broker_end(&c);
    return said > 0 ? (uint32_t)said : UINT32_MAX;
}

void
ask_by(int end)
{
    channel = end;
    object_glancer = end != 0 ? glance_by_broker : NULL;
    object_opener = end != 0 ? open_by_broker : object_open_here;
}

int
broker_request(struct broker_request *r, enum broker_what what,
               const struct ipc_peer *peer, const char *path, size_t len)
{
    *r = (struct broker_request){.what = what,
                                 .evidence = peer->evidence,
                                 .uid = peer->uid,
                                 .gid = peer->gid,
                                 .pid = peer->pid};
    if (len >= sizeof r->path)
        return -ENAMETOOLONG;
    memcpy(r->path, path, len);
    return memchr(r->path, '\0', len + 1) == r->path + len ? 0 : -EINVAL;
}

/* -- without a broker ----------------------------------------------------- */

/* Of those we have forked ourselves: killed, but not yet ended. */
static pid_t lingering[8];

static void
reap_lingering(void)
{
    for (size_t i = 0; i < sizeof lingering / sizeof *lingering; i++)
        if (lingering[i] != 0 && waitpid(lingering[i], NULL, WNOHANG) != 0)
            lingering[i] = 0;
}

/* It hangs in the kernel; there is nothing to be done, but to look again. */
static void
let_linger(pid_t pid)
{
    for (size_t i = 0; i < sizeof lingering / sizeof *lingering; i++)
        if (lingering[i] == 0) {
            lingering[i] = pid;
            return;
        }
}

static int
fork_worker(struct broker_call *c, const struct broker_request *r)
{
    int pair[2];

    reap_lingering();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return -errno;
    c->worker = fork();
    if (c->worker == 0)
        worker_run(r, pair[1]);
    if (c->worker == -1) {
        int err = -errno;

        close(pair[0]);
        close(pair[1]);
        c->worker = 0;
        return err;
    }
    close(pair[1]); /* so that a killed worker is an end of file */
    c->fd = pair[0];
    return 0;
}

/* A pidfd becomes readable when its process ends: pidfd_open(2). */
static void
end_worker(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), err = 0;

    kill(pid, SIGKILL);
    if (fd != -1) {
        err = wait_for(fd, POLLIN, deadline_in(NS_PER_SEC / 10));
        close(fd);
    }
    if (waitpid(pid, NULL, err == 0 ? 0 : WNOHANG) == 0)
        let_linger(pid);
}

/* -- with one ------------------------------------------------------------- */

/* A receipt that came too late is of another request, and goes. */
static int
take_receipt(uint32_t serial, int *fd)
{
    const int64_t deadline = deadline_in(RECEIPT_TIMEOUT);
    struct broker_receipt receipt;

    for (;;) {
        int err = wait_for(channel, POLLIN, deadline);

        if (err == -EINTR)
            continue;
        if (err == 0)
            err = receive_with_fd(channel, &receipt, sizeof receipt, fd,
                                  MSG_DONTWAIT);
        if (err == -EAGAIN)
            continue;
        if (err == 0 && receipt.serial == serial)
            err = receipt.result;
        else if (err == 0) {
            if (*fd != -1)
                close(*fd);
            continue;
        }
        if (err == 0 && *fd == -1)
            err = -EMFILE;
        return err;
    }
}

static int
ask_broker(struct broker_call *c, const struct broker_request *r)
{
    static uint32_t last;
    struct broker_request numbered = *r;
    int err, fd = -1;

    pthread_mutex_lock(&lock);
    numbered.serial = ++last;
    err = send_with_fd(channel, &numbered, sizeof numbered, -1, MSG_DONTWAIT);
    if (err == 0)
        err = take_receipt(numbered.serial, &fd);
    pthread_mutex_unlock(&lock);
    if (err == 0)
        c->fd = fd;
    return err;
}

/* -- either --------------------------------------------------------------- */

int
broker_ask(struct broker_call *c, const struct broker_request *r)
{
    *c = (struct broker_call){.deadline = deadline_in(BROKER_TIMEOUT)};
    /* The broker has a deadline of its own, and is to be the first to say. */
    if (channel != 0) {
        c->deadline += NS_PER_SEC / 2;
        return ask_broker(c, r);
    }
    return fork_worker(c, r);
}

int
broker_take(struct broker_call *c, struct broker_answer *a)
{
    struct worker_answer in = {.result = -EIO};
    int err;

    *a = (struct broker_answer){.fd = -1};
    err = receive_with_fd(c->fd, &in, sizeof in, &a->fd, MSG_DONTWAIT);
    if (err == -EAGAIN && time_left(c->deadline) > 0)
        return -EAGAIN;
    a->number = in.number;
    a->result = err == -EAGAIN  ? -ETIMEDOUT
                : err == -EPIPE ? -EIO
                : err != 0      ? err
                                : in.result;
    if (a->result == 0 && in.has_fd && a->fd == -1)
        a->result = -EMFILE;
    if (a->result != 0 && a->fd != -1) {
        close(a->fd);
        a->fd = -1;
    }
    return 0;
}

void
broker_end(struct broker_call *c)
{
    if (c->fd != 0)
        close(c->fd);
    if (c->worker != 0)
        end_worker(c->worker);
    *c = (struct broker_call){.fd = 0};
}

int
broker_do(struct broker_call *c, const struct broker_request *r,
          struct broker_answer *a)
{
    int err = broker_ask(c, r);

    *a = (struct broker_answer){.fd = -1};
    while (err == 0 && broker_take(c, a) == -EAGAIN)
        wait_for(c->fd, POLLIN, c->deadline);
    return err != 0 ? err : a->result;
}
