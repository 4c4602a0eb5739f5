/* echo_ends.c - the two ends of a bare echo, made before the fork. */
#define _GNU_SOURCE /* pipe2, SOCK_CLOEXEC */
#include "bench/echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void
bare_close(struct bare *b)
{
    for (int side = 0; side < SIDES; side++) {
        int in = b->end[side].in, out = b->end[side].out;

        if (in != -1)
            close(in);
        if (out != -1 && out != in)
            close(out);
        b->end[side].in = b->end[side].out = -1;
    }
}

/* -- pipes ----------------------------------------------------------------- */

int
ends_pipes(struct bare *b)
{
    int there[2], back[2];

    if (pipe2(there, O_CLOEXEC) == -1)
        return -errno;
    b->end[SERVER].in = there[0];
    b->end[CLIENT].out = there[1];
    if (pipe2(back, O_CLOEXEC) == -1)
        return -errno;
    b->end[CLIENT].in = back[0];
    b->end[SERVER].out = back[1];
    return 0;
}

/* A FIFO open at both ends; its name is no longer needed then.  open(2) waits
 * for the other end: a descriptor for both is the other end meanwhile. */
static int
make_fifo(const char *path, int *in, int *out)
{
    int both, err = 0;

    if (mkfifo(path, 0600) == -1)
        return -errno;
    both = open(path, O_RDWR | O_CLOEXEC);
    if (both != -1) {
        *in = open(path, O_RDONLY | O_CLOEXEC);
        *out = open(path, O_WRONLY | O_CLOEXEC);
        close(both);
    }
    if (both == -1 || *in == -1 || *out == -1)
        err = -errno;
    unlink(path);
    return err;
}

int
ends_fifos(struct bare *b)
{
    char path[256];
    int err;

    snprintf(path, sizeof path, "%s/floor-there", b->dir);
    err = make_fifo(path, &b->end[SERVER].in, &b->end[CLIENT].out);
    snprintf(path, sizeof path, "%s/floor-back", b->dir);
    return err != 0 ? err
                    : make_fifo(path, &b->end[CLIENT].in, &b->end[SERVER].out);
}

/* -- sockets --------------------------------------------------------------- */

static void
both_ways(struct bare *b, enum side side, int fd)
{
    b->end[side].in = b->end[side].out = fd;
}

/* Room for the largest message, if the kernel lets us: a record that does not
 * fit the sender's buffer is refused. */
static int
make_pair(struct bare *b, int type)
{
    int s[2], room = 2 * 1024 * 1024;

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, s) == -1)
        return -errno;
    for (int i = 0; i < 2; i++) {
        both_ways(b, i == 0 ? CLIENT : SERVER, s[i]);
        setsockopt(s[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    }
    return 0;
}

int
ends_streams(struct bare *b)
{
    return make_pair(b, SOCK_STREAM);
}

int
ends_records(struct bare *b)
{
    return make_pair(b, SOCK_SEQPACKET);
}

int
ends_datagrams(struct bare *b)
{
    return make_pair(b, SOCK_DGRAM);
}

/* ... of whose messages the server is told who sent them. */
static int
make_told_pair(struct bare *b, int type)
{
    int err = make_pair(b, type), on = 1;

    if (err == 0 && setsockopt(b->end[SERVER].in, SOL_SOCKET, SO_PASSCRED, &on,
                               sizeof on) == -1)
        err = -errno;
    return err;
}

int
ends_told_records(struct bare *b)
{
    return make_told_pair(b, SOCK_SEQPACKET);
}

int
ends_told_datagrams(struct bare *b)
{
    return make_told_pair(b, SOCK_DGRAM);
}

/* A socket at a port of the kernel's choice on the loopback. */
static int
at_loopback(int type, struct sockaddr_in *addr)
{
    socklen_t len = sizeof *addr;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    *addr = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd == -1)
        return -errno;
    if (bind(fd, (struct sockaddr *)addr, sizeof *addr) == -1 ||
        getsockname(fd, (struct sockaddr *)addr, &len) == -1) {
        int err = -errno;

        close(fd);
        return err;
    }
    return fd;
}

/* Each on its own: what is written goes out now (tcp(7), TCP_NODELAY). */
static int
join_tcp(struct bare *b, int listener, const struct sockaddr_in *addr)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    both_ways(b, CLIENT, client);
    if (client == -1 || listen(listener, 1) == -1 ||
        connect(client, (const struct sockaddr *)addr, sizeof *addr) == -1)
        return -errno;
    both_ways(b, SERVER, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    if (b->end[SERVER].in == -1)
        return -errno;
    for (int side = 0; side < SIDES; side++)
        setsockopt(b->end[side].in, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return 0;
}

int
ends_tcp(struct bare *b)
{
    struct sockaddr_in addr;
    int listener = at_loopback(SOCK_STREAM, &addr), err;

    if (listener < 0)
        return listener;
    err = join_tcp(b, listener, &addr);
    close(listener);
    return err;
}

int
ends_udp(struct bare *b)
{
    struct sockaddr_in addr[SIDES];

    for (int side = 0; side < SIDES; side++) {
        int fd = at_loopback(SOCK_DGRAM, &addr[side]);

        if (fd < 0)
            return fd;
        both_ways(b, side == 0 ? CLIENT : SERVER, fd);
    }
    for (int side = 0; side < SIDES; side++)
        if (connect(b->end[side].in, (struct sockaddr *)&addr[!side],
                    sizeof addr[0]) == -1)
            return -errno;
    return 0;
}

/* -- queues ---------------------------------------------------------------- */

int
ends_queue(struct bare *b)
{
    b->queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    return b->queue == -1 ? -errno : 0;
}

/* Made, opened and unlinked: it lives as long as somebody has it open. */
static int
make_posix_queue(int *in, int *out)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8192};
    char name[64];
    mqd_t q;

    snprintf(name, sizeof name, "/ipclab-floor-%d", getpid());
    q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
    if (q == -1)
        return -errno;
    *in = *out = q;
    mq_unlink(name);
    return 0;
}

int
ends_posix_queues(struct bare *b)
{
    int err = make_posix_queue(&b->end[SERVER].in, &b->end[CLIENT].out);

    return err != 0 ? err
                    : make_posix_queue(&b->end[CLIENT].in, &b->end[SERVER].out);
}
