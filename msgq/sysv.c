/* sysv.c - what the two System V variants share. */
#define _GNU_SOURCE /* IPC_INFO */
#include "sysv.h"

#include "core/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- waiting --------------------------------------------------------------- */

/* The ways in which the kernel says that the queue we knew is no more: removed
 * while we waited; removed before; and its id is somebody else's by now. */
static int
explain(int error)
{
    return error == EIDRM || error == EINVAL || error == EACCES ? -EPIPE
                                                                : -error;
}

static bool
is_dead(const struct sysv_wait *w)
{
    return w->server != NULL && registration_alive(w->server) != 0;
}

/* Before a wait: it is to be interrupted at the deadline, and before that, to
 * look up.  *flags: if not to wait. */
static int
begin_wait(struct sysv_wait *w, int64_t deadline, int *flags)
{
    int64_t look = deadline_in(w->look);
    int err;

    *flags = 0;
    err = alarm_arm(&w->alarm, look < deadline ? look : deadline);
    if (err != -ETIMEDOUT)
        return err;
    *flags = IPC_NOWAIT;
    return 0;
}

ssize_t
sysv_receive(struct sysv_wait *w, int queue, struct sysv_message *m,
             size_t size, long type, int64_t deadline)
{
    int flags, err = begin_wait(w, deadline, &flags);
    ssize_t n;

    if (err != 0)
        return err;
    n = msgrcv(queue, m, size, type, MSG_NOERROR | flags);
    err = n == -1 ? errno : 0;
    alarm_rest(&w->alarm);
    if (err != EINTR && err != ENOMSG)
        return n == -1 ? explain(err) : n;
    if (is_dead(w)) { /* its last word may have come meanwhile */
        n = msgrcv(queue, m, size, type, MSG_NOERROR | IPC_NOWAIT);
        return n == -1 ? -EPIPE : n;
    }
    return time_left(deadline) == 0 ? -ETIMEDOUT : -EINTR;
}

int
sysv_send(struct sysv_wait *w, int queue, const struct sysv_message *m,
          size_t len, int64_t deadline)
{
    int flags = IPC_NOWAIT, err; /* there is room, nearly always */

    for (;;) {
        err = msgsnd(queue, m, len, flags) == -1 ? errno : 0;
        alarm_rest(&w->alarm);
        if (err == 0)
            return 0;
        if (err != EINTR && err != EAGAIN)
            return explain(err);
        if (is_dead(w))
            return -EPIPE;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
        err = begin_wait(w, deadline, &flags);
        if (err != 0)
            return err;
    }
}

int
sysv_say(int queue, long type, const void *text, size_t len)
{
    struct {
        long type;
        uint8_t text[NONCE_SIZE]; /* nothing longer is said that way */
    } m = {.type = type};

    memcpy(m.text, text, len);
    return msgsnd(queue, &m, len, IPC_NOWAIT) == -1 ? -errno : 0;
}

/* -- server: made, removed ------------------------------------------------- */

int
sysv_sweep(const char *name)
{
    return swept_both(registrar_sweep(name), queue_sweep(name));
}

int
sysv_create(struct sysv_server *s, const char *name, int mode, size_t size,
            unsigned clients, const struct sysv_variant *variant)
{
    int err = sysv_sweep(name);

    if (err < 0)
        return err;
    strcpy(s->name, name);
    s->variant = variant;
    s->mode = mode;
    s->wait = (struct sysv_wait){
        .look = SERVER_LOOK,
        .alarm.restart = true,
        .alarm.lazy = true,
    };
    sessions_init(&s->sessions, clients, variant->evict_after);
    s->size = size;
    s->buf = malloc(sizeof *s->buf + size);
    if (s->buf == NULL)
        return -ENOMEM;
    s->file.held = -1;
    err = queue_make_requests(name, mode, &s->queue, &s->file);
    if (err != 0)
        goto free_buffer;
    err = registrar_make(&s->registrar, name, mode != 0600); /* last */
    if (err == 0)
        return 0;
    queue_remove(&s->queue);
    endpoint_unlink(name, "", &s->file.id);
    close(s->file.held);
free_buffer:
    free(s->buf);
    return err;
}

static void
disconnect_all(struct sysv_server *s)
{
    int slot;

    while ((slot = sessions_next(&s->sessions, -1)) != -1)
        s->variant->disconnect(s, (unsigned)slot);
}

static bool
is_untaken(const struct sysv_server *s)
{
    struct msqid_ds ds;

    for (unsigned i = 0; i < s->sessions.top; i++)
        if (sessions_is_in(&s->sessions, i) &&
            msgctl(s->variant->answers(s, i), IPC_STAT, &ds) == 0 &&
            ds.msg_qnum > 0)
            return true;
    return false;
}

static void
let_take(const struct sysv_server *s)
{
    const int64_t deadline = deadline_in(LAST_ANSWER);

    while (is_untaken(s) && time_left(deadline) > 0)
        wait_for(-1, 0, deadline_in(NS_PER_MS));
}

void
sysv_destroy(void *srv)
{
    struct sysv_server *s = srv;

    let_take(s);
    alarm_free(&s->wait.alarm);
    disconnect_all(s);
    registrar_remove(&s->registrar, s->name);
    queue_remove(&s->queue);
    endpoint_unlink(s->name, "", &s->file.id);
    close(s->file.held);
    free(s->buf);
}

/* Somebody has removed our queue (ipcrm(1); systemd-logind, when its user has
 * no session any more).  Nobody can reach us until there is another one. */
static int
make_anew(struct sysv_server *s)
{
    disconnect_all(s);
    queue_remove(&s->queue); /* if we were mistaken */
    return queue_make_requests(s->name, s->mode, &s->queue, &s->file) == 0
               ? 0
               : -EIDRM;
}

/* -- server: next ---------------------------------------------------------- */

/* In so many messages one look at who comes and who has died.  Seldom enough to
 * cost nothing, and often enough when the queue is full of what is nobody's. */
#define TURNS 256

static void
reap(struct sysv_server *s)
{
    int slot;

    while ((slot = sessions_reap(&s->sessions)) != -1)
        if (s->variant->is_gone(s, (unsigned)slot))
            s->variant->disconnect(s, (unsigned)slot);
}

int
sysv_choose(struct sysv_server *s, uid_t uid)
{
    int slot = sessions_choose(&s->sessions, uid, now_ns());

    if (slot < 0) {
        reap(s);
        slot = sessions_choose(&s->sessions, uid, now_ns());
    }
    if (slot >= 0 && s->sessions.slot[slot].state != SESSION_FREE)
        s->variant->disconnect(s, (unsigned)slot); /* silent for long */
    return slot;
}

void
sysv_look_around(struct sysv_server *s)
{
    struct registration r;

    reap(s);
    for (int i = 0; i < REGISTRATIONS_A_TURN; i++) {
        if (registrar_next(&s->registrar, &r) == 0)
            break;
        s->variant->admit(s, &r);
    }
    s->more = registrar_more(&s->registrar);
    if (s->variant->tidy != NULL)
        s->variant->tidy(s);
}

static bool
is_removed(const struct object_sysv *queue)
{
    struct msqid_ds ds;

    if (msgctl(queue->id, IPC_STAT, &ds) == -1)
        return errno == EIDRM || errno == EINVAL;
    return object_sysv_same(OBJECT_QUEUE, queue) != 0;
}

/* With no clients: all that counts is who registers, and no message wakes
 * us. */
static int
wait_for_newcomer(struct sysv_server *s, int64_t deadline)
{
    int err = registrar_more(&s->registrar)
                  ? 0
                  : wait_for(s->registrar.fd, POLLIN, deadline);

    if (err == 0 && is_removed(&s->queue))
        err = make_anew(s);
    if (err == 0)
        sysv_look_around(s);
    return err;
}

/* Was that only our own alarm?  If in doubt, no: whoever calls us then looks
 * whether it is to stop. */
static bool
is_time_to_look(const struct sysv_wait *w, int64_t deadline)
{
    return deadline != NO_DEADLINE && w->alarm.exists &&
           w->alarm.fires <= now_ns();
}

/*
 * The queue is full of what is nobody's, and whoever fills it may be faster
 * than we can empty it.  All we would do is work for it, and have no processor
 * when somebody registers or takes another way.  So rest until then, for a
 * moment.
 */
#define REST (2 * NS_PER_MS)

static void
rest(struct sysv_server *s)
{
    s->useless = 0;
    if (s->variant->flooded == NULL)
        return; /* there is no other way */
    wait_for(s->registrar.fd, POLLIN, deadline_in(REST));
    s->variant->flooded(s);
}

/* 1 = a request; 0 = something else; -errno. */
static int
next_message(struct sysv_server *s, struct ipc_request *req, int64_t deadline)
{
    ssize_t n = sysv_receive(&s->wait, s->queue.id, s->buf, s->size,
                             s->variant->types, s->more ? 0 : deadline);

    if (n >= 0) {
        int got = s->variant->take(s, (size_t)n, req);

        s->useless = got == 1 ? 0 : s->useless + 1;
        if (s->wait.look > SERVER_LOOK)
            s->wait.look = SERVER_LOOK;
        return got;
    }
    if (n == -EPIPE)
        return make_anew(s);
    if (n == -ETIMEDOUT && s->more)
        return time_left(deadline) == 0 ? -ETIMEDOUT : 0;
    if (n != -EINTR)
        return (int)n;
    if (s->wait.look >= SERVER_LOOK && s->wait.look < SERVER_LOOK_MOST)
        s->wait.look *= 2;
    sysv_look_around(s);
    return is_time_to_look(&s->wait, deadline) ? 0 : -EINTR;
}

/* Served in the order of arrival: one queue for all is fair by itself. */
int
sysv_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    int64_t deadline = deadline_in(timeout_ns);
    struct sysv_server *s = srv;
    int got = 0;

    while (got == 0) {
        if (s->variant->take_other != NULL &&
            s->variant->take_other(s, req) == 1)
            return 0;
        if (s->sessions.count == 0 && !s->more) {
            got = wait_for_newcomer(s, deadline);
            if (got == 0 && s->sessions.count == 0)
                return -EINTR; /* for nothing: it may be to end */
            continue;
        }
        if (s->useless >= TURNS) {
            rest(s);
            sysv_look_around(s);
            return -EINTR;
        }
        if (s->more || ++s->taken % TURNS == 0) {
            sysv_look_around(s);
            /* A stranger can go on for ever; our caller may see whether it is
             * to end. */
            if (s->more)
                return -EINTR;
        }
        got = next_message(s, req, deadline);
    }
    return got < 0 ? got : 0;
}

/* -- client ---------------------------------------------------------------- */

#define AGAIN (10 * NS_PER_MS) /* until one looks for the queue again */

/* A server whose queue somebody has removed, and who has no clients, does not
 * know yet.  So wake it. */
static int
find_queue(struct sysv_client *c, const char *where)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct pollfd server = {.fd = c->server.life};
    int err;

    while ((c->requests = queue_find(where)) == -ENOENT) {
        registry_ring(&c->server);
        err = poll_until(&server, 1, deadline_in(AGAIN)); /* its end */
        if (err == 0)
            return -ECONNREFUSED;
        if (err != -ETIMEDOUT && err != -EINTR)
            return err;
        if (time_left(deadline) == 0)
            return -ENOENT;
    }
    return c->requests < 0 ? c->requests : 0;
}

int
sysv_open(struct sysv_client *c, const char *where, size_t size, long doorbell)
{
    int err;

    c->wait = (struct sysv_wait){.look = LIFE_LOOK, .alarm.restart = true};
    err = registry_open(&c->server, where);
    if (err != 0)
        return err;
    c->wait.server = &c->server;
    c->doorbell = doorbell;
    err = find_queue(c, where);
    if (err != 0)
        goto close_registry;
    c->size = size;
    c->buf = malloc(sizeof *c->buf + size);
    if (c->buf != NULL)
        return 0;
    err = -ENOMEM;
close_registry:
    registry_close(&c->server);
    return err;
}

void
sysv_forget(struct sysv_client *c)
{
    alarm_forget(&c->wait.alarm);
    sysv_close(c);
}

void
sysv_close(struct sysv_client *c)
{
    alarm_free(&c->wait.alarm);
    free(c->buf);
    registry_close(&c->server);
}

void
sysv_ring(struct sysv_client *c)
{
    c->ringing = sysv_say(c->requests, c->doorbell, "", 0) == -EAGAIN;
}

static void
ring(void *client)
{
    sysv_ring(client);
}

int
sysv_register(struct sysv_client *c, const struct registration *r,
              int64_t deadline)
{
    int err = registration_send(&c->server, r, deadline, ring, c);

    if (err == 0)
        sysv_ring(c);
    return err;
}

ssize_t
sysv_answer(struct sysv_client *c, int queue, long type, int64_t deadline)
{
    ssize_t n;

    if (c->cut_off)
        return -EPIPE;
    n = sysv_receive(&c->wait, queue, c->buf, c->size, type, deadline);
    if (n == -EINTR && c->ringing)
        sysv_ring(c);
    c->cut_off = n == 0;
    return n == 0 ? -EPIPE : n;
}

/* -- the kernel's limits --------------------------------------------------- */

int
sysv_limits(struct msginfo *info)
{
    return msgctl(0, IPC_INFO, (void *)info) == -1 ? -errno : 0;
}

#define LEAST 512 /* bytes that a message must hold: the harness's wish */

const char *
sysv_unavailable(size_t max_msg)
{
    int queue = msgget(IPC_PRIVATE, 0600);

    if (queue == -1 && errno == ENOSPC && queue_sweep_dead() == 1)
        queue = msgget(IPC_PRIVATE, 0600);
    if (queue != -1 && max_msg < LEAST) {
        msgctl(queue, IPC_RMID, NULL);
        return "queues are too small (sysctl kernel.msgmnb, kernel.msgmax)";
    }
    if (queue != -1) {
        msgctl(queue, IPC_RMID, NULL);
        return NULL;
    }
    switch (errno) {
    case ENOSYS:
        return "ENOSYS: this kernel has no System V IPC (CONFIG_SYSVIPC)";
    case ENOSPC:
        return "ENOSPC: all queues are taken (ipcs -q lists them, sysctl "
               "kernel.msgmni limits them)";
    case EPERM:
    case EACCES:
        return "EPERM: msgget(2) is forbidden here (a seccomp filter?)";
    default:
        return strerror(errno);
    }
}
