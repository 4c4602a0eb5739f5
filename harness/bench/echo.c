/* echo.c - bare echoes: the system calls of a mechanism, and nothing else. */
#define _GNU_SOURCE /* syscall */
#include "bench/echo.h"

#include "bench/measure.h"
#include "core/cpu_relax.h"
#include "core/ipc.h"
#include "core/parent.h"
#include "core/wire.h"

#include <errno.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- bytes: pipes, FIFOs, streams ------------------------------------------ */

static int
put_bytes(struct bare *b, enum side side, const char *buf)
{
    for (size_t left = b->size; left > 0;) {
        ssize_t n = write(b->end[side].out, buf, left);

        if (n == -1)
            return -errno;
        buf += n;
        left -= (size_t)n;
    }
    return 0;
}

static int
take_bytes(struct bare *b, enum side side, char *buf)
{
    for (size_t left = b->size; left > 0;) {
        ssize_t n = read(b->end[side].in, buf, left);

        if (n <= 0)
            return n == 0 ? -EPIPE : -errno;
        buf += n;
        left -= (size_t)n;
    }
    return 0;
}

/* -- records: what was sent at once is received at once -------------------- */

static int
put_record(struct bare *b, enum side side, const char *buf)
{
    return send(b->end[side].out, buf, b->size, 0) == -1 ? -errno : 0;
}

static int
take_record(struct bare *b, enum side side, char *buf)
{
    ssize_t n = recv(b->end[side].in, buf, b->size, 0);

    return n == (ssize_t)b->size ? 0 : n == -1 ? -errno : -EPIPE;
}

/* The same by the calls that say more, and the server asks who it was: the
 * kernel writes the sender's ids beside each message (unix(7), SO_PASSCRED). */
static int
put_message(struct bare *b, enum side side, const char *buf)
{
    struct iovec bytes = {(char *)(uintptr_t)buf, b->size};
    struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1};

    return sendmsg(b->end[side].out, &m, 0) == -1 ? -errno : 0;
}

static int
/* NOLINTNEXTLINE(readability-non-const-parameter): recvmsg(2) writes there */
take_message(struct bare *b, enum side side, char *buf)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec bytes = {buf, b->size};
    struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1};
    ssize_t n;

    if (side == SERVER) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
    }
    n = recvmsg(b->end[side].in, &m, 0);
    if (n == (ssize_t)b->size && side == SERVER && m.msg_controllen == 0)
        return -EPROTO; /* it was not told */
    return n == (ssize_t)b->size ? 0 : n == -1 ? -errno : -EPIPE;
}

static int
put_posix(struct bare *b, enum side side, const char *buf)
{
    return mq_send(b->end[side].out, buf, b->size, 0) == -1 ? -errno : 0;
}

/* mq_receive(3) wants room for the largest message that the queue takes. */
static int
take_posix(struct bare *b, enum side side, char *buf)
{
    return mq_receive(b->end[side].in, buf, 8192, NULL) == -1 ? -errno : 0;
}

/* One queue, and the type says who it is for.  The bytes follow the type, so
 * they have to be moved there: a mechanism would compose them in place. */
struct queued {
    long type;
    char bytes[8192];
};

static struct queued message;

static int
put_sysv(struct bare *b, enum side side, const char *buf)
{
    message.type = side == CLIENT ? 1 : 2;
    memcpy(message.bytes, buf, b->size);
    return msgsnd(b->queue, &message, b->size, 0) == -1 ? -errno : 0;
}

static int
take_sysv(struct bare *b, enum side side, char *buf)
{
    ssize_t n = msgrcv(b->queue, &message, sizeof message.bytes,
                       side == CLIENT ? 2 : 1, 0);

    if (n == -1)
        return -errno;
    memcpy(buf, message.bytes, (size_t)n);
    return 0;
}

/* -- a page: a word each way says how many messages there were ------------- */

/* The word and the first bytes are on one cache line, and none of it is written
 * by both sides: a load, a store and the lines of the message are all that has
 * to travel.  (A word for both, counted by an atomic addition, and the message
 * on a second line take up to 1.8 times as long.) */
struct way {
    _Alignas(64) _Atomic uint32_t count;
    char bytes[];
};

static size_t
way_size(const struct bare *b)
{
    return (sizeof(struct way) + 64 + b->size + 63) / 64 * 64;
}

/* One that does not fit the word's line has lines of its own: a copy across the
 * boundaries of lines is slower than one more line. */
static char *
message_in(const struct bare *b, struct way *w)
{
    return w->bytes + (b->size > 124 ? 60 : 0);
}

static struct way *
way_from(const struct bare *b, enum side side)
{
    return (struct way *)(void *)((char *)b->page +
                                  (side == CLIENT ? 0 : way_size(b)));
}

int
ends_page(struct bare *b)
{
    void *p = mmap(NULL, 2 * way_size(b), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return -errno;
    b->page = p;
    return 0;
}

/* The store of the count comes last (release); who has seen it (acquire) sees
 * the bytes.  Where both share a CPU the other one sleeps in futex(2), and has
 * to be woken. */
static int
put_page(struct bare *b, enum side side, const char *buf)
{
    struct way *w = way_from(b, side);

    memcpy(message_in(b, w), buf, b->size);
    atomic_store_explicit(&w->count, ++b->put, memory_order_release);
    if (b->together)
        syscall(SYS_futex, &w->count, FUTEX_WAKE, 1, NULL, NULL, 0);
    return 0;
}

static int
take_page(struct bare *b, enum side side, char *buf)
{
    struct way *w = way_from(b, side == CLIENT ? SERVER : CLIENT);

    while (atomic_load_explicit(&w->count, memory_order_acquire) == b->taken)
        if (b->together)
            syscall(SYS_futex, &w->count, FUTEX_WAIT, b->taken, NULL, NULL, 0);
        else
            cpu_relax();
    b->taken++;
    memcpy(buf, message_in(b, w), b->size);
    return 0;
}

/* -- the table ------------------------------------------------------------- */

const struct bare_echo bare_echoes[] = {
    {"floor/pipe", ends_pipes, put_bytes, take_bytes},
    {"floor/fifo", ends_fifos, put_bytes, take_bytes},
    {"floor/stream", ends_streams, put_bytes, take_bytes},
    {"floor/seqpacket", ends_records, put_record, take_record},
    {"floor/dgram", ends_datagrams, put_record, take_record},
    {"floor/seqpkt-ids", ends_told_records, put_message, take_message},
    {"floor/dgram-ids", ends_told_datagrams, put_message, take_message},
    {"floor/tcp", ends_tcp, put_bytes, take_bytes},
    {"floor/udp", ends_udp, put_record, take_record},
    {"floor/sysv-queue", ends_queue, put_sysv, take_sysv},
    {"floor/posix-queue", ends_posix_queues, put_posix, take_posix},
    {FLOOR_PAGE, ends_page, put_page, take_page},
    {.name = NULL},
};

static const struct bare_echo *
find(const char *name)
{
    const struct bare_echo *e = bare_echoes;

    while (e->name != NULL && strcmp(e->name, name) != 0)
        e++;
    return e->name != NULL ? e : NULL;
}

const char *
echo_floor_for(const char *mechanism)
{
    const struct ipc_mechanism *m = ipc_find(mechanism);

    return m != NULL ? m->floor : NULL;
}

const char *
echo_plain(const char *floor)
{
    if (strcmp(floor, "floor/seqpkt-ids") == 0)
        return "floor/seqpacket";
    return strcmp(floor, "floor/dgram-ids") == 0 ? "floor/dgram" : NULL;
}

const char *
echo_way_for(const char *mechanism)
{
    const char *floor = echo_floor_for(mechanism);

    return floor != NULL && strcmp(floor, FLOOR_PAGE) == 0 ? FLOOR_RING : NULL;
}

bool
echo_is_known(const char *name)
{
    return find(name) != NULL;
}

/* -- measured -------------------------------------------------------------- */

struct trip {
    const struct bare_echo *echo;
    struct bare bare;
    const char *out;
    char *back;
};

static int
one_trip(void *arg)
{
    struct trip *t = arg;
    int err = t->echo->put(&t->bare, CLIENT, t->out);

    return err != 0 ? err : t->echo->take(&t->bare, CLIENT, t->back);
}

/* The other side.  It dies with its parent however that dies. */
static _Noreturn void
server(struct trip *t, int cpu, pid_t parent)
{
    end_with_parent(parent, SIGKILL);
    if (pin_to(cpu) != 0)
        _exit(1);
    while (t->echo->take(&t->bare, SERVER, t->back) == 0 &&
           t->echo->put(&t->bare, SERVER, t->back) == 0)
        continue;
    _exit(0);
}

/* What goes out comes back, and in the time between it is what went out. */
static int
verify(struct trip *t)
{
    int err;

    memset(t->back, 0, t->bare.size);
    err = one_trip(t);
    return err == 0 && memcmp(t->out, t->back, t->bare.size) != 0 ? -EBADMSG
                                                                  : err;
}

static int
with_server(struct bench *b, struct cell *c, struct row *r, struct trip *t)
{
    pid_t parent = getpid(), pid = fork();
    int err;

    if (pid == -1)
        return -errno;
    if (pid == 0)
        server(t, c->placement->server, parent);
    b->page->server = pid;
    err = verify(t);
    if (err == 0)
        err = measure_loop(b, c, r, pid, one_trip, t);
    if (err == 0 && b->counted == 0)
        err = verify(t);
    kill(pid, SIGKILL); /* it has nothing to lose */
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    b->page->server = 0;
    return err;
}

int
floor_echo(struct bench *b, struct cell *c, struct row *r)
{
    struct trip t = {
        .echo = find(c->name),
        .bare = {.dir = b->dir,
                 .together = c->placement->together,
                 .size = PAIR_OVERHEAD + c->size,
                 .end = {{-1, -1}, {-1, -1}},
                 .queue = -1},
        .out = (const char *)b->data,
        .back = (char *)b->scratch,
    };
    struct rng rng = {.state = c->size};
    int err;

    if (t.echo == NULL)
        return -ENOENT;
    err = t.echo->make(&t.bare);

    for (size_t i = 0; i < t.bare.size; i++)
        b->data[i] = (uint8_t)rng_next(&rng);
    b->page->queue = t.bare.queue + 1;
    if (err == 0)
        err = with_server(b, c, r, &t);
    bare_close(&t.bare);
    if (t.bare.queue != -1)
        msgctl(t.bare.queue, IPC_RMID, NULL);
    b->page->queue = 0;
    return err;
}
