/*
 * mutex.c - one mutex and condition variables in shared memory: the monitor of
 * the textbooks, between processes.
 *
 *      client                       the page (monitor.h)            server
 *      lock
 *      state: EMPTY -> REQUEST ---> [ slot N, message N ]
 *      unlock, signal work                                 wait for work: lock
 *                                   [ slot N, message N ] ---> REQUEST -> EMPTY
 *                                                          unlock, works, lock
 *      wait for answered: lock      [ slot N, message N ] <--- EMPTY -> REPLY
 *      state: REPLY -> EMPTY <---                          signal, unlock
 *
 * The one idea: shared memory is changed only by who holds the lock, and who
 * must wait for a change gives the lock back while it sleeps
 * (pthread_cond_wait(3)).  Nothing here has to be atomic, and nobody has to be
 * introduced: a client takes a free slot itself.
 *
 * The price of the convenience is trust.  The C library keeps pointers inside a
 * robust mutex and follows them when it unlocks; who can write there can make
 * the server write anywhere.  So this variant is IPC_TRUSTING, and its objects
 * have mode 0600, also when root serves: only processes of the server's own
 * user get in.
 */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "core/defence.h"
#include "core/memory.h"
#include "core/turn.h"
#include "core/wire.h"
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Signals do not end a wait for the condition, so that is how long it may take
 * to be stopped, ns.  A slice later without a word it goes away. */
#define LONGEST_SLICE (25 * MONITOR_SLICE)

struct server {
    char name[ENDPOINT_SIZE];
    struct shared_page shared;
    struct registrar registrar;
    struct monitor *page;
    struct ipc_peer peer; /* of every client */
    unsigned last;        /* the slot served last: the others come first now */
    unsigned clients;     /* when we last looked */
    int64_t slice;
    bool away; /* it waits at NAME.join: who sends has to ring */
};

struct client_end {
    struct registry server; /* to ring, and its sign of life */
    int page_fd;            /* with our byte of it locked */
    unsigned number;
    struct monitor *page;
    struct monitor_slot *slot;
    struct turn turn;
    struct ipc_message *into; /* where a reply is to go; NULL: nowhere */
};

/* The lock is held. */
static void
put(struct monitor *p, unsigned n, const struct ipc_message *msg,
    enum slot_state state)
{
    memcpy(p->messages[n], msg->buf, msg->len);
    p->slots[n].len = (uint32_t)msg->len;
    p->slots[n].state = state; /* last: who dies before has said nothing */
}

/* What somebody says before it dies is heard. */
static bool
is_unheard(const struct monitor_slot *slot)
{
    return slot->state == SLOT_REQUEST && !slot->over;
}

/* Byte n of the page's file.  Open file description locks belong to the open
 * file, not to the process: closing another descriptor of the same file does
 * not drop them, and two clients in one process have one each (fcntl(2)).  All
 * locks go with their holder.  F_OFD_SETLK: takes it, if nobody has.
 * F_OFD_GETLK: has nobody? */
static bool
lock_byte(int fd, int command, unsigned n)
{
    struct flock l = {.l_type = F_WRLCK,
                      .l_whence = SEEK_SET,
                      .l_start = (off_t)n,
                      .l_len = 1};

    return fcntl(fd, command, &l) == 0 &&
           (command == F_OFD_SETLK || l.l_type == F_UNLCK);
}

/* -- server: made, removed ------------------------------------------------- */

/* To processes of our own user alone.  The peer is then the owner of the memory
 * that the request lies in: nobody else can write there. */
static int
keep_private(struct server *s)
{
    int err = owner_check_fd(s->shared.fd, S_IFREG, geteuid(), &s->peer);

    if (err != 0)
        return err;
    if (fchmod(s->shared.fd, DEFENCE("own", 0600, 0666)) == -1 ||
        chmod(s->name, DEFENCE("own", 0600, 0644)) == -1)
        return -errno;
    return 0;
}

static int
open_register(struct server *s)
{
    int err = endpoint_publish_objects(s->name, "name", s->shared.name,
                                       &s->shared.endpoint_id);

    if (err == 0)
        err =
            registrar_make(&s->registrar, s->name, DEFENCE("own", false, true));
    if (err != 0)
        return err;
    err = keep_private(s);
    if (err != 0)
        registrar_remove(&s->registrar, s->name);
    return err;
}

static int
mutex_sweep(const char *name)
{
    return swept_both(shared_page_sweep(name), registrar_sweep(name));
}

static int
mutex_create(void *srv, const char *name)
{
    struct server *s = srv;
    int err = mutex_sweep(name);

    strcpy(s->name, name);
    s->slice = MONITOR_SLICE;
    if (err >= 0)
        err = shared_page_make(&s->shared, name, sizeof *s->page);
    if (err != 0)
        return err;
    s->page = memory_map(s->shared.fd, sizeof *s->page, PROT_READ | PROT_WRITE);
    if (s->page == NULL) {
        err = -errno;
        goto remove_page;
    }
    err = monitor_make(s->page);
    if (err == 0)
        err = open_register(s);
    if (err == 0)
        return 0;
    munmap(s->page, sizeof *s->page);
remove_page:
    shared_page_remove(&s->shared, name);
    return err;
}

/* What it has been answered before it still gets.  The lock is held. */
static void
disconnect(struct monitor_slot *slot)
{
    slot->over = 1;
    pthread_cond_signal(&slot->answered);
}

static void
mutex_destroy(void *srv)
{
    struct server *s = srv;
    struct monitor *p = s->page;

    if (monitor_lock(p, now_ns() + ipc_open_timeout) == 0) {
        for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++)
            if (p->slots[i].state != SLOT_FREE)
                disconnect(&p->slots[i]);
        monitor_unlock(p);
    }
    registrar_remove(&s->registrar, s->name);
    munmap(p, sizeof *p);
    shared_page_remove(&s->shared, s->name);
}

/* -- server: next, reply --------------------------------------------------- */

/* Somebody has come, or has said something. */
static void
stay(struct server *s)
{
    s->slice = MONITOR_SLICE;
    s->away = false;
}

/* Takes the message out of this slot, if there is a request.  The lock is held,
 * and does not mean that the peer keeps to the rules: the length is loaded
 * once, then looked at. */
static bool
take(struct server *s, unsigned n, struct ipc_request *req)
{
    struct monitor_slot *slot = &s->page->slots[n];
    /* volatile: loaded here and nowhere else.  Else the compiler may load it
     * once more after the check, and a peer that stores without the lock
     * chooses what memcpy() gets. */
    uint32_t len = *(volatile uint32_t *)&slot->len;

    if (slot->state != SLOT_REQUEST || slot->over)
        return false;
    if (len > MAX_MESSAGE || len > req->msg.cap) {
        disconnect(slot);
        return false;
    }
    memcpy(req->msg.buf, s->page->messages[n], len);
    slot->state = SLOT_EMPTY;
    req->msg.len = len;
    req->peer = s->peer;
    req->reply_to = (uint64_t)slot->generation << 32 | n;
    s->last = n;
    stay(s);
    /* After a notice the client may be waiting to send again. */
    if (!wire_wants_reply(&req->msg))
        pthread_cond_signal(&slot->answered);
    return true;
}

/* Goes round once, beginning after the one served last.  The lock is held. */
static bool
look(struct server *s, struct ipc_request *req)
{
    unsigned n = s->last;

    s->clients = 0;
    for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++) {
        n = (n + 1) % IPC_MAX_CLIENTS;
        s->clients += s->page->slots[n].state != SLOT_FREE;
        if (take(s, n, req))
            return true;
    }
    return false;
}

/* Frees the slots of the dead.  What they said before has been heard. */
static void
reap(struct server *s)
{
    struct monitor *p = s->page;

    if (monitor_lock(p, now_ns() + MONITOR_SLICE) != 0)
        return;
    for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++)
        if (p->slots[i].state != SLOT_FREE && !is_unheard(&p->slots[i]) &&
            lock_byte(s->shared.fd, F_OFD_GETLK, i))
            p->slots[i].state = SLOT_FREE;
    monitor_unlock(p);
}

/* Waits for work.  0: there may be some; 1: there is, in *req.
 *
 * With the lock held first the word that it goes away, then the last look: who
 * comes later reads that word, and rings. */
static int
wait_for_work(struct server *s, struct ipc_request *req, int64_t until)
{
    bool found;
    int err = monitor_lock(s->page, until);

    if (err != 0)
        return err;
    s->page->away = s->away;
    found = look(s, req);
    if (!found && s->clients > 0 && !s->away) {
        err = monitor_wait(s->page, &s->page->work, until);
        found = look(s, req);
    }
    monitor_unlock(s->page);
    return found ? 1 : err;
}

/* There is no client, or none that has anything to say.  Who comes rings, after
 * it has taken its slot; of the others who sends rings. */
static int
wait_for_ring(struct server *s, int64_t deadline)
{
    struct registration ring;
    int err = wait_for(s->registrar.fd, POLLIN, deadline);

    registrar_next(&s->registrar, &ring); /* it was only a ring */
    if (err == 0)
        stay(s);
    return err;
}

/* The end of a slice: of clients that say nothing we hear ever more rarely, and
 * then not at all. */
static int
end_slice(struct server *s, struct pending_signals *held, int64_t deadline)
{
    reap(s);
    s->away = s->slice >= LONGEST_SLICE;
    if (!s->away)
        s->slice = 2 * s->slice < LONGEST_SLICE ? 2 * s->slice : LONGEST_SLICE;
    /* A signal may have come in this slice: the caller looks. */
    return deadline == NO_DEADLINE ? -EINTR
                                   : monitor_slice_ended(held, deadline);
}

static int
mutex_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);
    struct pending_signals held = {.holding = false};
    int err;

    do {
        err = wait_for_work(s, req, monitor_slice(s->slice, deadline));
        if (err == -ETIMEDOUT) {
            err = end_slice(s, &held, deadline);
        } else if (err == 0 && (s->clients == 0 || s->away)) {
            signals_release(&held);
            err = wait_for_ring(s, deadline);
        }
    } while (err == 0);
    signals_release(&held);
    return err == 1 ? 0 : err;
}

static int
mutex_reply(void *srv, const struct ipc_request *req,
            const struct ipc_message *msg)
{
    struct server *s = srv;
    unsigned n = (uint32_t)req->reply_to % IPC_MAX_CLIENTS;
    struct monitor_slot *slot = &s->page->slots[n];
    int err = 0;

    if (monitor_lock(s->page, now_ns() + ipc_open_timeout) != 0)
        return -EPIPE; /* somebody holds on to it, and with it to everything */
    if (slot->generation != req->reply_to >> 32 || /* another's by now */
        (msg != NULL && slot->state != SLOT_EMPTY)) {
        err = -EPIPE;
    } else if (msg == NULL) {
        disconnect(slot);
    } else {
        put(s->page, n, msg, SLOT_REPLY);
        /* With the lock held: whoever takes a slot over makes its condition
         * anew, and nobody must be using it then. */
        pthread_cond_signal(&slot->answered);
    }
    monitor_unlock(s->page);
    return err;
}

/* -- client --------------------------------------------------------------- */

/* A slot that nobody has; that of one who died may be taken, once it has been
 * heard.  The lock is held. */
static int
take_slot(struct client_end *c)
{
    for (unsigned i = 0; i < IPC_MAX_CLIENTS; i++) {
        struct monitor_slot *slot = &c->page->slots[i];

        if (is_unheard(slot) || !lock_byte(c->page_fd, F_OFD_SETLK, i))
            continue;
        c->number = i;
        c->slot = slot;
        slot->generation++;
        slot->state = SLOT_EMPTY;
        slot->over = 0;
        return monitor_make_condition(&slot->answered);
    }
    return -EAGAIN;
}

static int
join(struct client_end *c)
{
    int err = monitor_lock(c->page, now_ns() + ipc_open_timeout);

    if (err != 0)
        return err;
    err = take_slot(c);
    monitor_unlock(c->page);
    registry_ring(&c->server);
    return err;
}

static int
mutex_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    int err;

    err = registry_open(&c->server, where);
    if (err != 0)
        return err;
    err = endpoint_same_word(where);
    if (err != 0)
        goto close_registry;
    c->page_fd = shared_page_open(where, O_RDWR, sizeof *c->page);
    if (c->page_fd < 0) {
        err = c->page_fd;
        goto close_registry;
    }
    c->page = memory_map(c->page_fd, sizeof *c->page, PROT_READ | PROT_WRITE);
    if (c->page == NULL) {
        err = -errno;
        goto close_page;
    }
    err = join(c);
    if (err == 0)
        return 0;
    munmap(c->page, sizeof *c->page);
close_page:
    close(c->page_fd);
close_registry:
    registry_close(&c->server);
    return err;
}

/* Is what we wait for there: our turn, with a reply if one is due; or, if it is
 * our turn already, nothing at all? */
static bool
has_come(const struct client_end *c)
{
    if (turn_is_mine(&c->turn))
        return false;
    return c->slot->state == SLOT_REPLY ||
           (c->turn.state == TURN_NOTICE_OUT && c->slot->state == SLOT_EMPTY);
}

/* One slice; after 0 the lock is held. */
static int
wait_a_slice(struct client_end *c, int64_t until)
{
    int err = monitor_lock(c->page, until);

    while (err == 0 && !has_come(c)) {
        err = c->slot->over ? -EPIPE
                            : monitor_wait(c->page, &c->slot->answered, until);
        if (err == -ETIMEDOUT && has_come(c))
            return 0;
        if (err != 0)
            monitor_unlock(c->page);
    }
    return err;
}

/* turn.h: waits until our turn has come back. */
static int
come_back(void *cli, int64_t deadline)
{
    struct client_end *c = cli;
    struct pending_signals held = {.holding = false};
    int err;

    do {
        err = wait_a_slice(c, monitor_slice(MONITOR_SLICE, deadline));
        if (err == 0)
            break;
        if (err == -ETIMEDOUT)
            err = registration_alive(&c->server) == 0
                      ? monitor_slice_ended(&held, deadline)
                      : -EPIPE;
    } while (err == 0);
    signals_release(&held);
    if (err != 0)
        return err;
    if (c->slot->state == SLOT_REPLY && c->into != NULL) {
        c->into->len = c->slot->len;
        memcpy(c->into->buf, c->page->messages[c->number], c->into->len);
    }
    c->slot->state = SLOT_EMPTY;
    monitor_unlock(c->page);
    return 0;
}

static int
mutex_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;

    msg->fd = -1;
    c->into = msg;
    return turn_reply(&c->turn, come_back, c, deadline_in(timeout_ns));
}

/* With the lock. */
static int
lock_to_send(struct client_end *c, int64_t deadline)
{
    int err;

    for (;;) {
        err = monitor_lock(c->page, monitor_slice(MONITOR_SLICE, deadline));
        if (err != -ETIMEDOUT)
            break;
        if (registration_alive(&c->server) != 0)
            return -EPIPE;
        if (time_left(deadline) == 0)
            return err;
    }
    if (err == 0 && c->slot->over) {
        monitor_unlock(c->page);
        return -EPIPE;
    }
    return err;
}

static int
mutex_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    int64_t deadline = deadline_in(timeout_ns);
    int err = turn_may_send(&c->turn);

    c->into = NULL;
    if (err == 0)
        err = turn_take(&c->turn, come_back, c, deadline);
    if (err == 0)
        err = lock_to_send(c, deadline);
    if (err != 0)
        return err;
    /* Before the request is there, for who is killed after this has rung. */
    if (c->page->away)
        registry_ring(&c->server);
    put(c->page, c->number, msg, SLOT_REQUEST);
    monitor_unlock(c->page);
    /* Not before: the server would wake up only to wait for the lock. */
    pthread_cond_signal(&c->page->work);
    turn_sent(&c->turn, msg);
    return 0;
}

/* Our byte is the open file's, which after a fork the parent still has. */
static void
mutex_forget(void *cli)
{
    struct client_end *c = cli;

    munmap(c->page, sizeof *c->page);
    close(c->page_fd);
    registry_close(&c->server);
}

static void
mutex_close(void *cli)
{
    struct client_end *c = cli;

    if (monitor_lock(c->page, now_ns() + MONITOR_SLICE) == 0) {
        if (!is_unheard(c->slot))
            c->slot->state = SLOT_FREE;
        pthread_cond_signal(&c->page->work);
        monitor_unlock(c->page);
    }
    mutex_forget(c);
}

/* -- limits, table --------------------------------------------------------- */

static int
mutex_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){.max_msg = MAX_MESSAGE,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism shm_mutex = {
    .name = "shm/mutex",
    .summary = "POSIX shared memory, a robust mutex, condition variables",
    .proof = "owner of the memory the request lies in, which nobody else opens",
    .wire = MUTEX_WIRE,
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_PATH | IPC_USES_SHM,
    .uid_from = IPC_UID_OBJECT,
    .samples = IPC_SAMPLE_ISOLATED,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = shm_unavailable,
    .limits = mutex_limits,
    .create = mutex_create,
    .next = mutex_next,
    .reply = mutex_reply,
    .destroy = mutex_destroy,
    .open = mutex_open,
    .send = mutex_send,
    .recv = mutex_recv,
    .close = mutex_close,
    .forget = mutex_forget,
    .sweep = mutex_sweep,
};
