/*
 * floor.c - what the machine costs without us: the same exchange by the bare
 * system calls, copying by memcpy, reading the clock.  Measured in every
 * round, because the floor itself moves (other guests, frequency, which cores
 * the host gives us): a ratio to the floor of the same round is worth more
 * than any absolute time.
 */
#define _GNU_SOURCE /* pipe2 */
#include "bench/measure.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- floor/pipe: two pipes, a fork, read and write -------------------------- */

struct bare {
    int to, from;
    char *buf;
    size_t size;
};

/* 0, -EPIPE at the end of file. */
static int
read_all(int fd, char *buf, size_t size)
{
    while (size > 0) {
        ssize_t n = read(fd, buf, size);

        if (n == -1)
            return -errno;
        if (n == 0)
            return -EPIPE;
        buf += n;
        size -= (size_t)n;
    }
    return 0;
}

static int
write_all(int fd, const char *buf, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, buf, size);

        if (n == -1)
            return -errno;
        buf += n;
        size -= (size_t)n;
    }
    return 0;
}

static int
bare_trip(void *arg)
{
    struct bare *p = arg;
    int err = write_all(p->to, p->buf, p->size);

    return err != 0 ? err : read_all(p->from, p->buf, p->size);
}

/* The other side.  It dies with its parent however that dies. */
static _Noreturn void
bare_server(int from, int to, char *buf, size_t size, int cpu, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || pin_to(cpu) != 0)
        _exit(1);
    while (read_all(from, buf, size) == 0 && write_all(to, buf, size) == 0)
        continue;
    _exit(0);
}

int
floor_pipe(struct bench *b, struct cell *c, struct row *r)
{
    struct bare p = {.buf = (char *)b->data, .size = c->size};
    int there[2], back[2], err;
    pid_t parent = getpid(), pid;

    if (pipe2(there, O_CLOEXEC) == -1)
        return -errno;
    if (pipe2(back, O_CLOEXEC) == -1) {
        err = -errno;
        close(there[0]);
        close(there[1]);
        return err;
    }
    pid = fork();
    if (pid == 0) {
        close(there[1]); /* or it would never see the end of file */
        close(back[0]);
        bare_server(there[0], back[1], p.buf, p.size, c->placement->server,
                    parent);
    }
    err = pid == -1 ? -errno : 0;
    close(there[0]);
    close(back[1]);
    p.to = there[1];
    p.from = back[0];
    if (err == 0)
        err = measure_loop(b, c, r, pid, bare_trip, &p);
    close(p.to);
    close(p.from);
    while (pid != -1 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    return err;
}

/* -- floor/memcpy: the same bytes, once, to a buffer of our own -------------- */

struct copy {
    uint8_t *to;
    const uint8_t *from;
    size_t size;
};

static int
one_copy(void *arg)
{
    struct copy *c = arg;

    memcpy(c->to, c->from, c->size);
    /* Somebody might read it: so it has to be copied, each time. */
    __asm__ volatile("" : : "r"(c->to) : "memory");
    return 0;
}

int
floor_memcpy(struct bench *b, struct cell *c, struct row *r)
{
    struct copy copy = {.to = b->scratch, .from = b->data, .size = c->size};
    int err = measure_loop(b, c, r, 0, one_copy, &copy);

    r->bytes_per_second = r->per_second * (double)c->size;
    return err;
}

/* -- floor/clock: one stamp --------------------------------------------------- */

static int
one_stamp(void *arg)
{
    *(volatile int64_t *)arg = now_ns();
    return 0;
}

int
floor_clock(struct bench *b, struct cell *c, struct row *r)
{
    int64_t t;

    return measure_loop(b, c, r, 0, one_stamp, &t);
}
