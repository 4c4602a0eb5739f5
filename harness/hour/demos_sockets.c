/*
 * demos_sockets.c - demonstrations of sockets (demo.h).
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC, accept4 */
#include "demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *
said(ssize_t outcome)
{
    return outcome == -1 ? error_name(errno) : "succeeds";
}

/* A listener on the loopback, which does not wait; its address. */
static int
listener(struct sockaddr_in *a)
{
    socklen_t len = sizeof *a;
    const int fd =
        need("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

    *a = (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    need("bind", bind(fd, (struct sockaddr *)a, sizeof *a));
    need("listen", listen(fd, 1));
    need("getsockname", getsockname(fd, (struct sockaddr *)a, &len));
    return fd;
}

static void
tcp_first_write(void)
{
    struct sockaddr_in a;
    const int l = listener(&a);
    const int fd =
        need("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct pollfd p = {.fd = fd, .events = POLLHUP};

    need("connect", connect(fd, (struct sockaddr *)&a, sizeof a));
    close(need("accept", accept(l, NULL, NULL)));
    tell("A client is connected by TCP; the server has closed the connection. "
         "The client writes:");
    result("the first write()", "%s", said(write(fd, "x", 1)));
    poll(&p, 1, 1000); /* till the server's machine has answered */
    result("the second write()", "%s", said(write(fd, "x", 1)));
    tell(
        "The first byte is only put into the kernel's buffer. The answer to it "
        "(\"nobody there\") is what the second write hears of. So a write that "
        "succeeded is no delivery: that takes an answer of the other side.");
    close(fd);
    close(l);
}

struct call {
    struct sockaddr_in to;
    int err;
    int64_t ns;
};

/* To where nobody answers: the listener's queue is full. */
static void *
connect_there(void *arg)
{
    struct call *c = arg;
    const int64_t begun = now_ns();
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = 1};

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    c->err =
        connect(fd, (struct sockaddr *)&c->to, sizeof c->to) == -1 ? errno : 0;
    c->ns = now_ns() - begun;
    close(fd);
    return NULL;
}

static void
connect_in_a_thread(void)
{
    struct call c;
    int queued[4], fd, l = listener(&c.to), ticks = 0;
    int64_t begun;
    pthread_t thread;

    for (int i = 0; i < 4; i++) { /* more than its backlog has room for */
        queued[i] = need(
            "socket",
            socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        (void)!connect(queued[i], (struct sockaddr *)&c.to, sizeof c.to);
    }
    tell("A server accepts nobody and its queue is full: a connect() waits for "
         "it, here for a second at most.");
    need("a thread", pthread_create(&thread, NULL, connect_there, &c) ? -1 : 0);
    for (begun = now_ns(); now_ns() - begun < 1000000000; ticks++)
        work_ms(50);
    pthread_join(thread, NULL);
    result("connect() in a thread", "%s, after %.0f ms",
           c.err == 0 ? "succeeds" : error_name(c.err), (double)c.ns / 1e6);
    result("meanwhile the main thread went on", "%d times", ticks);
    fd = need("socket",
              socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    begun = now_ns();
    (void)!connect(fd, (struct sockaddr *)&c.to, sizeof c.to);
    result("connect() that may not wait", "%s, after %.3f ms",
           error_name(errno), (double)(now_ns() - begun) / 1e6);
    tell("Both let the program go on. A thread keeps the code as it was, and "
         "costs a stack; the other needs poll() and SO_ERROR, and no thread.");
    for (int i = 0; i < 4; i++)
        close(queued[i]);
    close(fd);
    close(l);
}

static int
pass(int socket, int fd)
{
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.room = {0}};
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    if (fd == -1) {
        if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) == -1 ||
            (c = CMSG_FIRSTHDR(&m)) == NULL)
            return -1;
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        return fd;
    }
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return (int)sendmsg(socket, &m, 0);
}

static void
pass_a_descriptor(void)
{
    char path[] = "/tmp/ipclab-demo-XXXXXX", text[64];
    int ends[2], fd;
    ssize_t n;

    need("socketpair",
         socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    if (start() == 0) {
        fd = mkstemp(path);
        unlink(path);
        if (fd == -1 || write(fd, "one two", 7) != 7 ||
            lseek(fd, 4, SEEK_SET) != 4 || pass(ends[0], fd) == -1)
            _exit(1);
        _exit(0);
    }
    close(ends[0]);
    tell(
        "A process opens a file, removes its name, sets the offset to 4, sends "
        "the descriptor over a socket and exits. What has the receiver?");
    fd = need("recvmsg", pass(ends[1], -1));
    n = read(fd, text, sizeof text);
    result("a descriptor, of its own number", "%d", fd);
    result("read()", "\"%.*s\"", n < 0 ? 0 : (int)n, text);
    tell("The open file itself has travelled, offset and rights included. So a "
         "server can open for a client what the client may not: open_file in "
         "harness/server.");
    close(fd);
    close(ends[1]);
}

const struct demo demos_sockets[] = {
    {"tcp-first-write", "the peer is gone: does your write() fail?",
     tcp_first_write},
    {"connect-in-a-thread", "connect() waits: must the program, too?",
     connect_in_a_thread},
    {"pass-a-descriptor", "can an open file be sent to another process?",
     pass_a_descriptor},
    {.name = NULL}};
