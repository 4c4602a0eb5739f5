/* posix_plan.c - how large and how deep POSIX queues can be; one made so. */
#define _GNU_SOURCE /* O_CLOEXEC, RLIMIT_MSGQUEUE */
#include "posix_plan.h"

#include "core/activation.h"
#include "core/ipc.h"
#include "core/rendezvous.h"
#include "posix_names.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLIES  5   /* deep; the request queue twice that: its default, 10 */
#define OVERHEAD 128 /* bytes a message, about what the kernel adds */
#define PARTS    16  /* for at least so many queues it must do */
#define LEAST    600 /* bytes that a message must hold: the harness's wish */

static unsigned long
tunable(const char *name, unsigned long otherwise)
{
    char path[64];
    unsigned long value = otherwise;
    FILE *in;

    snprintf(path, sizeof path, "/proc/sys/fs/mqueue/%s", name);
    in = fopen(path, "re");
    if (in == NULL)
        return otherwise;
    if (fscanf(in, "%lu", &value) != 1)
        value = otherwise;
    fclose(in);
    return value;
}

/* A limit may be more than a size_t holds. */
static size_t
smaller(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

int
posix_plan(struct posix_plan *p)
{
    struct rlimit limit;
    size_t room, queue;

    if (getrlimit(RLIMIT_MSGQUEUE, &limit) == -1)
        return -errno;
    room = smaller(limit.rlim_cur, (size_t)1 << 30);
    /* Without /proc: the defaults of mq_overview(7). */
    p->requests = (long)smaller(tunable("msg_max", 10), 2L * REPLIES);
    p->replies = (p->requests + 1) / 2;
    queue = room / PARTS;
    p->size = smaller(tunable("msgsize_max", 8192), IPC_MAX_MSG);
    p->size = smaller(p->size + OVERHEAD, queue / (size_t)p->replies);
    if (p->size < OVERHEAD + LEAST)
        return -EMFILE; /* as mq_open(3) would say */
    /* Two parts are the request queue's, and one is for who is turned away. */
    p->clients = (unsigned)smaller(room / ((size_t)p->replies * p->size) - 3,
                                   IPC_MAX_CLIENTS);
    p->size -= OVERHEAD;
    return 0;
}

/* The queue that an activator (core/activation.h) has made, if there is one.
 * It may have any depth, but must be of the plan's size, by which all go. */
static int
take_over(const char *queue_name, const struct posix_plan *p)
{
    mqd_t queue = activation_take(ACTIVATION_QUEUE, queue_name);
    struct mq_attr attr;

    if (queue < 0 ||
        (mq_getattr(queue, &attr) == 0 && attr.mq_msgsize == (long)p->size))
        return queue;
    mq_close(queue);
    return -EMSGSIZE;
}

int
posix_make_requests(const char *queue_name, const struct posix_plan *p,
                    bool everybody)
{
    struct mq_attr attr = {.mq_maxmsg = p->requests,
                           .mq_msgsize = (long)p->size};
    mqd_t queue = take_over(queue_name, p);
    mode_t before;
    int err;

    if (queue != -ENOENT)
        return queue;
    /* They write, and do not read what others write.  O_EXCL: whatever is there
     * is not ours, and mq_open(3) would be content with it. */
    before = umask(0);
    queue = mq_open(queue_name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                    everybody ? 0622 : 0600, &attr);
    err = queue == -1 ? -errno : 0;
    umask(before);
    if (err == 0)
        err = posix_lock(queue);
    if (err == 0)
        return queue;
    if (queue != -1) {
        mq_close(queue);
        mq_unlink(queue_name);
    }
    return err;
}

/* What a server with two clients takes: with less it might start, and nobody
 * get in. */
#define PROBES 3

static int
try_queues(const struct posix_plan *p)
{
    struct mq_attr attr = {.mq_msgsize = (long)p->size};
    mqd_t queue[PROBES];
    char name[ENDPOINT_SIZE];
    int n, err = 0;

    for (n = 0; n < PROBES; n++) {
        err = endpoint_probe(name, n);
        if (err != 0)
            break;
        attr.mq_maxmsg = n == 0 ? p->requests : p->replies;
        queue[n] =
            mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
        if (queue[n] == -1) {
            err = -errno;
            break;
        }
        mq_unlink(name); /* it goes when it is closed */
    }
    while (n-- > 0)
        mq_close(queue[n]);
    return err;
}

const char *
posix_unavailable(void)
{
    struct posix_plan p;
    int err = posix_plan(&p);

    if (err == 0)
        err = try_queues(&p);
    /* Queues of the dead are counted, too, as long as their names are there. */
    if ((err == -EMFILE || err == -ENOSPC) && posix_sweep_dead() == 1)
        err = try_queues(&p);
    switch (-err) {
    case 0:
        return NULL;
    case EMFILE:
        return "EMFILE: this user's queues are used up (ulimit -q)";
    case ENOSPC:
        return "ENOSPC: all queues are taken (sysctl fs.mqueue.queues_max)";
    case ENOSYS:
        return "ENOSYS: this kernel has no POSIX queues (CONFIG_POSIX_MQUEUE)";
    case EPERM:
    case EACCES:
        return "EPERM: mq_open(3) is forbidden here (a seccomp filter?)";
    default:
        return strerror(-err);
    }
}
