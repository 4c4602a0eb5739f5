/*
 * cost.c - what each step of waiting and knowing costs: bare echoes over one
 * socketpair, with nothing of ours, against the barest of them.
 *
 *      cc -O2 -o cost cost.c && taskset -c 0 ./cost
 *
 * Both sides share one CPU, so a round trip is system calls and two switches of
 * process.  All forms take turns, many times, and what is printed is the median
 * of the ratios within a turn: a machine that slows down slows them all.
 */
#define _GNU_SOURCE /* ppoll, epoll_pwait2 */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURNS 51
#define TRIPS 500

/* What a form does more: the client (POLL), or the server. */
enum { POLL = 1, EPOLL = 2, STAMP = 4 };

static const struct {
    const char *what;
    int type, extras, against; /* which form is 1.0 */
} forms[] = {
    {"records: sendmsg, recvmsg", SOCK_SEQPACKET, 0, 0},
    {"  and SO_PASSCRED: K4 for K3", SOCK_SEQPACKET, STAMP, 0},
    {"  and epoll in the server", SOCK_SEQPACKET, STAMP | EPOLL, 1},
    {"  and poll in the client", SOCK_SEQPACKET, STAMP | EPOLL | POLL, 2},
    {"stream: sendmsg, recvmsg", SOCK_STREAM, 0, 4},
    {"  and epoll in the server", SOCK_STREAM, EPOLL, 4},
    {"  and poll in the client", SOCK_STREAM, EPOLL | POLL, 5},
};
#define FORMS (sizeof forms / sizeof *forms)

static char buf[4096];

static ssize_t
receive(int fd)
{
    char control[1100]; /* room for 253 descriptors, as ours has */
    struct iovec data = {.iov_base = buf, .iov_len = sizeof buf};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};

    return recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
}

static void
echo(int fd, int extras)
{
    struct epoll_event e = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    ssize_t n;

    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    do {
        if (extras & EPOLL)
            epoll_pwait2(epoll, &e, 1, NULL, NULL);
        n = receive(fd);
    } while (n > 0 && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n);
    _exit(0);
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ns a round trip. */
static double
measure(size_t form, size_t size)
{
    const int extras = forms[form].extras, on = 1;
    double start = 0;
    int pair[2];

    if (socketpair(AF_UNIX, forms[form].type | SOCK_CLOEXEC, 0, pair) == -1)
        err(1, "socketpair");
    if (extras & STAMP)
        setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    switch (fork()) {
    case -1:
        err(1, "fork");
    case 0:
        close(pair[0]);
        echo(pair[1], extras);
    }
    close(pair[1]);
    for (int i = -50; i < TRIPS; i++) { /* the first ones warm up */
        struct pollfd p = {.fd = pair[0], .events = POLLIN};

        if (i == 0)
            start = now();
        if (send(pair[0], buf, size, MSG_NOSIGNAL) == -1)
            err(1, "send");
        if (extras & POLL)
            ppoll(&p, 1, NULL, NULL);
        if (receive(pair[0]) <= 0)
            err(1, "recvmsg");
    }
    start = now() - start;
    close(pair[0]);
    wait(NULL);
    return start / TRIPS;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int
main(void)
{
    static double ns[FORMS][TURNS], ratio[FORMS][TURNS];

    printf("%-32s %8s %6s\n", "", "us", "ratio");
    for (size_t size = 64; size <= sizeof buf; size *= 64) {
        printf("%zu bytes\n", size);
        for (int t = 0; t < TURNS; t++) {
            for (size_t f = 0; f < FORMS; f++)
                ns[f][t] = measure(f, size);
            for (size_t f = 0; f < FORMS; f++)
                ratio[f][t] = ns[f][t] / ns[forms[f].against][t];
        }
        for (size_t f = 0; f < FORMS; f++) {
            qsort(ns[f], TURNS, sizeof(double), compare);
            qsort(ratio[f], TURNS, sizeof(double), compare);
            printf("%-32s %8.1f %6.2f\n", forms[f].what, ns[f][TURNS / 2] / 1e3,
                   ratio[f][TURNS / 2]);
        }
    }
    return 0;
}
