/* hand.c - a client by hand, over a FIFO, a System V or a POSIX queue. */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "test/attack/hand.h"

#include "../../../msgq/posix_names.h"
#include "core/rendezvous.h"
#include "core/set_sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- a FIFO --------------------------------------------------------------- */

static int
fifo_make(struct hand *h)
{
    MUST(mkfifo(h->path, 0600) == 0);
    return open(h->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static bool
fifo_put(const struct hand *h, long kind, const uint8_t *bytes, size_t len)
{
    int fd = open(h->where, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    bool whole = write(fd, bytes, len) == (ssize_t)len;

    (void)kind;
    close(fd);
    return whole;
}

static ssize_t
fifo_take(int replies, uint8_t *to, size_t room)
{
    return read(replies, to, room);
}

static bool
fifo_is_closed(const struct hand *h)
{
    return open(h->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) == -1 &&
           errno == EACCES;
}

/* -- a System V queue ----------------------------------------------------- */

#define MESSAGE_SIZE 8192 /* bytes, the most */

struct message {
    long type;
    uint8_t text[MESSAGE_SIZE];
};

int
queue_of(const char *where)
{
    int queue = listed_id(where, 0);

    MUST(queue != -1);
    return queue;
}

/* It has no name but its id. */
static int
sysv_make(struct hand *h)
{
    int queue = msgget(IPC_PRIVATE, 0600);

    h->request.replies = (uint32_t)queue;
    return queue;
}

/* The kind is the message's type: 1 is the doorbell. */
static bool
sysv_put(const struct hand *h, long kind, const uint8_t *bytes, size_t len)
{
    struct message m = {.type = kind};

    memcpy(m.text, bytes, len);
    return msgsnd(queue_of(h->where), &m, len, IPC_NOWAIT) == 0;
}

static ssize_t
sysv_take(int queue, uint8_t *to, size_t room)
{
    struct message m;
    ssize_t n = msgrcv(queue, &m, room, 0, IPC_NOWAIT);

    if (n > 0)
        memcpy(to, m.text, (size_t)n);
    return n;
}

static bool
sysv_is_closed(const struct hand *h)
{
    const int queues[] = {h->replies, queue_of(h->where)};
    uint8_t text[MESSAGE_SIZE];

    for (int i = 0; i < 2; i++)
        if (sysv_take(queues[i], text, sizeof text) != -1 || errno != EACCES)
            return false;
    return true;
}

/* -- a POSIX queue -------------------------------------------------------- */

const char *
queue_name(const char *where)
{
    static char name[ENDPOINT_SIZE];

    MUST(endpoint_lookup(where, "queue", name, sizeof name) == 0);
    return name;
}

/* The read lock says that its owner lives: msgq/posix.h. */
static int
posix_make(struct hand *h)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = MESSAGE_SIZE};
    mqd_t queue =
        mq_open(h->path, O_RDONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC,
                0600, &attr);

    MUST(queue != -1 && fcntl(queue, F_OFD_SETLK, &lock) == 0);
    return queue;
}

static bool
posix_put(const struct hand *h, long kind, const uint8_t *bytes, size_t len)
{
    mqd_t queue = mq_open(queue_name(h->where), O_WRONLY | O_CLOEXEC);
    bool whole = mq_send(queue, (const char *)bytes, len, 0) == 0;

    (void)kind;
    mq_close(queue);
    return whole;
}

static ssize_t
posix_take(int queue, uint8_t *to, size_t room)
{
    uint8_t text[MESSAGE_SIZE];
    ssize_t n = mq_receive(queue, (char *)text, sizeof text, NULL);

    if (n > (ssize_t)room)
        return -1;
    if (n > 0)
        memcpy(to, text, (size_t)n);
    return n;
}

static bool
posix_is_closed(const struct hand *h)
{
    const char *const names[] = {h->path, queue_name(h->where)};

    for (int i = 0; i < 2; i++)
        if (mq_open(names[i], O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
            return false;
    return true;
}

/* -- a semaphore set ------------------------------------------------------- */

int
set_of(const char *where)
{
    struct set set;

    MUST(set_server_find(where, &set) == 0);
    return set.id;
}

/* -- all three ------------------------------------------------------------ */

/* None of them waits.  take(): the next message, or what a FIFO has of up to
 * room bytes; -1: nothing.  is_closed(): to us, who may not read it. */
static const struct channel {
    const char *mechanism;
    const char *suffix; /* of the replies' path; NULL: a name */
    int (*make)(struct hand *h);
    bool (*put)(const struct hand *h, long kind, const uint8_t *bytes,
                size_t len);
    ssize_t (*take)(int replies, uint8_t *to, size_t room);
    bool (*is_closed)(const struct hand *h);
} channels[] = {
    {"fifo/perclient", ".d/4711.1", fifo_make, fifo_put, fifo_take,
     fifo_is_closed},
    {"msgq/sysv-private", "", sysv_make, sysv_put, sysv_take, sysv_is_closed},
    {"msgq/posix", NULL, posix_make, posix_put, posix_take, posix_is_closed},
};

static const struct channel *
channel_of(const struct hand *h)
{
    const struct channel *c = channels;

    while (strcmp(c->mechanism, h->request.mechanism) != 0)
        c++;
    return c;
}

struct hand *
make_hand(const char *mechanism, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    h->request.mechanism = mechanism;
    h->request.replies = REPLIES(4711, 1);
    h->claim = claim;
    MUST(endpoint_name(ipc_find(mechanism), run_dir, h->where) == 0);
    if (channel_of(h)->suffix != NULL)
        snprintf(h->path, sizeof h->path, "%s%s", h->where,
                 channel_of(h)->suffix);
    else
        posix_reply_name(4711, 1, h->path);
    return h;
}

void
make_replies(struct hand *h)
{
    h->replies = channel_of(h)->make(h);
    MUST(h->replies != -1);
}

void
say_join(const struct hand *h)
{
    uint8_t bytes[REQUEST_SIZE];

    if (channel_of(h)->make == fifo_make) {
        MUST(fifo_put(h, JOIN, bytes, make_join(&h->request, h->claim, bytes)));
        return;
    }
    MUST(register_as(h->where, h->request.replies, h->claim, 0) == 0);
    MUST(channel_of(h)->put(h, JOIN, bytes, 0)); /* the doorbell */
}

void
say_whoami(const struct hand *h)
{
    uint8_t bytes[REQUEST_SIZE];
    size_t len = make_whoami(&h->request, bytes);

    MUST(channel_of(h)->put(h, MESSAGE, bytes, len));
}

void
join_and_ask(void *hand)
{
    say_join(hand);
    say_whoami(hand);
}

bool
take_nonce(struct hand *h)
{
    const struct channel *c = channel_of(h);
    uint8_t nonce[NONCE_SIZE];

    if (c->take(h->replies, nonce, sizeof nonce) != NONCE_SIZE)
        return false;
    memcpy(h->request.nonce, nonce, NONCE_SIZE);
    return true;
}

int64_t
take_uid(const struct hand *h)
{
    uint8_t frame[MESSAGE_SIZE];
    ssize_t n = channel_of(h)->take(h->replies, frame, sizeof frame);
    int64_t uid = n > 0 ? uid_in_frame(frame, (size_t)n) : -2;

    MUST(n <= 0 || uid != -2); /* an answer, but not to that */
    return uid;
}

bool
is_closed_to_us(const struct hand *h)
{
    return channel_of(h)->is_closed(h);
}

void
owns_the_replies(struct actor *self, void *hand)
{
    struct hand *h = hand;
    int64_t uid;

    make_replies(h);
    actor_step(self); /* somebody says that they are his */
    h->joined = take_nonce(h);
    uid = take_uid(h);
    MUST(uid == -2 || (h->joined && uid == h->claim));
    h->fell = uid != -2;
}
