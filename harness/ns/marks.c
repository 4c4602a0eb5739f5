/*
 * marks.c - objects of every kind that has a name, made by the parent, to be
 * looked for by the child.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, strerrorname_np */
#include "ns/nslab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* -- making them ----------------------------------------------------------- */

static socklen_t
abstract_address(const struct marks *m, struct sockaddr_un *a)
{
    size_t len = strlen(m->name);

    /* A first byte of 0 makes it a name that is in no file system. */
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(a->sun_path + 1, m->name, len);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
}

/* Listening sockets: at an abstract name, at a port of the kernel's choice. */
static int
listen_somewhere(struct marks *m)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un;
    socklen_t len = abstract_address(m, &un), in_len = sizeof in;

    m->abstract = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    m->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (m->abstract == -1 || m->tcp == -1 ||
        bind(m->abstract, (struct sockaddr *)&un, len) == -1 ||
        listen(m->abstract, 4) == -1 ||
        bind(m->tcp, (struct sockaddr *)&in, sizeof in) == -1 ||
        listen(m->tcp, 4) == -1 ||
        getsockname(m->tcp, (struct sockaddr *)&in, &in_len) == -1)
        return -errno;
    m->port = ntohs(in.sin_port);
    return 0;
}

int64_t
marks_skew(void)
{
    struct timespec mono, real;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &real);
    return (int64_t)(mono.tv_sec - real.tv_sec) * 1000000000 +
           (mono.tv_nsec - real.tv_nsec);
}

int
marks_make(struct marks *m)
{
    int err;

    snprintf(m->name, sizeof m->name, "/nslab-%d", (int)getpid());
    m->key = 0x6e000000 + (int)getpid();
    m->abstract = m->tcp = m->shm = m->mq = -1;
    m->skew = marks_skew();
    m->sysv = msgget(m->key, IPC_CREAT | IPC_EXCL | 0600);
    if (m->sysv != -1)
        m->mq = mq_open(m->name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
    if (m->mq != -1)
        m->shm = shm_open(m->name, O_CREAT | O_EXCL | O_RDWR, 0600);
    err = m->shm == -1 ? -errno : listen_somewhere(m);
    if (err != 0)
        marks_remove(m);
    return err;
}

void
marks_remove(struct marks *m)
{
    if (m->sysv != -1)
        msgctl(m->sysv, IPC_RMID, NULL);
    if (m->mq != -1) {
        mq_close(m->mq);
        mq_unlink(m->name);
    }
    if (m->shm != -1) {
        close(m->shm);
        shm_unlink(m->name);
    }
    if (m->abstract != -1)
        close(m->abstract);
    if (m->tcp != -1)
        close(m->tcp);
}

/* -- looking for them ------------------------------------------------------ */

const char *
marks_try_port(const struct marks *m)
{
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_port = htons(m->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *says = "free: bound again";

    if (fd == -1 || bind(fd, (const struct sockaddr *)&a, sizeof a) == -1)
        says = strerrorname_np(errno);
    if (fd != -1)
        close(fd);
    return says;
}

const char *
marks_try_abstract(const struct marks *m)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *says = "answers";
    struct sockaddr_un a;
    socklen_t len = abstract_address(m, &a);

    if (fd == -1 || connect(fd, (const struct sockaddr *)&a, len) == -1)
        says = strerrorname_np(errno);
    if (fd != -1)
        close(fd);
    return says;
}
