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

/* -1, and errno stays. */
static int
give_up(int fd)
{
    int err = errno;

    if (fd != -1)
        close(fd);
    errno = err;
    return -1;
}

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
listen_abstract(const struct marks *m)
{
    struct sockaddr_un un;
    socklen_t len = abstract_address(m, &un);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 && bind(fd, (struct sockaddr *)&un, len) == 0 &&
        listen(fd, 4) == 0)
        return fd;
    return give_up(fd);
}

static int
listen_tcp(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1 || bind(fd, (struct sockaddr *)&in, sizeof in) == -1 ||
        listen(fd, 4) == -1 ||
        getsockname(fd, (struct sockaddr *)&in, &len) == -1)
        return give_up(fd);
    *port = ntohs(in.sin_port);
    return fd;
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

/* The others are there to be looked for all the same. */
static void
tell(int made, const char *what, const char *look)
{
    if (made == -1)
        fprintf(stderr, "nslab: there will be no %s to look for: %s (%s)\n",
                what, strerror(errno), look);
}

void
marks_make(struct marks *m)
{
    snprintf(m->name, sizeof m->name, "/nslab-%d", (int)getpid());
    m->key = 0x6e000000 + (int)getpid();
    m->skew = marks_skew();
    m->sysv = msgget(m->key, IPC_CREAT | IPC_EXCL | 0600);
    tell(m->sysv, "System V queue", "`ipcs -q -l` and `ipcs -q -u`");
    m->mq = mq_open(m->name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, NULL);
    tell(m->mq, "POSIX queue",
         m->mq == -1 && errno == EMFILE
             ? "this user's queues are used up: ulimit -q"
             : "/proc/sys/fs/mqueue/queues_max");
    m->shm = shm_open(m->name, O_CREAT | O_EXCL | O_RDWR, 0600);
    tell(m->shm, "shared memory", "is /dev/shm mounted?");
    m->abstract = listen_abstract(m);
    tell(m->abstract, "abstract socket", "unix(7)");
    m->tcp = listen_tcp(&m->port);
    tell(m->tcp, "TCP port", "is lo up?");
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
    const char *says = "free: bound again";
    int fd;

    if (m->tcp == -1)
        return NOT_MADE;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1 || bind(fd, (const struct sockaddr *)&a, sizeof a) == -1)
        says = strerrorname_np(errno);
    if (fd != -1)
        close(fd);
    return says;
}

const char *
marks_try_abstract(const struct marks *m)
{
    const char *says = "answers";
    struct sockaddr_un a;
    socklen_t len = abstract_address(m, &a);
    int fd;

    if (m->abstract == -1)
        return NOT_MADE;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1 || connect(fd, (const struct sockaddr *)&a, len) == -1)
        says = strerrorname_np(errno);
    if (fd != -1)
        close(fd);
    return says;
}
