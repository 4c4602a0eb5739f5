/*
 * mailbox_join.c - how a client's mailbox gets to the server, whose it is, and
 * who has gone.
 *
 *      client                                  server
 *      /dev/shm/BASE.PID.SERIAL: a slot
 *      and two semaphores, locked
 *      NAME.join: PID, SERIAL
 *      doorbell              ------------->    opens it: owner, mode, type?
 *                                              the nonce into the slot, a lock
 *                                              on it; removes the name
 *      waits on back         <-------------    back
 *      reads the nonce
 *
 * What is open on both sides needs no name, and what has no name goes with its
 * last user.
 */
#define _GNU_SOURCE /* O_TMPFILE, getrandom, linkat */
#include "mailbox.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/object.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHM "/dev/shm" /* where names of this kind are: shm_overview(7) */

/* -- what is left behind --------------------------------------------------- */

/* What a stranger has put there is his; and to remove a name is to wait for the
 * lock of what it names, which he can keep. */
static bool
is_ours(int dir, const char *file)
{
    struct stat st;

    return DEFENCE("sweep",
                   fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                       st.st_uid == geteuid(),
                   true);
}

/* Is the client alive to whom this slot belongs? */
static bool
is_held(int dir, const char *file)
{
    int fd = openat(dir, file, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    bool held = fd == -1 || life_locked(fd, CLIENT);

    if (fd != -1)
        close(fd);
    return held;
}

/* Removes the names of mailboxes that begin with base: those of clients who
 * were killed while they joined, or all.  Reads a directory that all may write
 * to, so it is for who begins and who ends, not for a server that serves. */
static int
reap_names(const char *base, bool all)
{
    DIR *dir = opendir(SHM);
    struct dirent *entry;
    unsigned pid, serial;
    int removed = 0, end;
    size_t len = strlen(base + 1);

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        const char *file = entry->d_name;

        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): its beginning */
        if (strncmp(file, base + 1, len) != 0 ||
            sscanf(file + len, ".%10u.%10u%n", &pid, &serial, &end) != 2 ||
            file[len + (size_t)end] != '\0' || !is_ours(dirfd(dir), file) ||
            (!all && is_held(dirfd(dir), file)))
            continue;
        removed += unlinkat(dirfd(dir), file, 0) == 0;
    }
    closedir(dir);
    return removed;
}

/* The doorbell before the file that says what it is called.  0, or -errno: it
 * cannot be removed. */
static int
remove_names(const char *base)
{
    reap_names(base, true);
    return sem_unlink(base) == -1 && errno != ENOENT ? -errno : 0;
}

int
mailbox_sweep(const char *name)
{
    char base[ENDPOINT_SIZE];
    int join = registrar_sweep(name);

    if (endpoint_lookup(name, "name", base, sizeof base) == 0 &&
        endpoint_is_fresh(name, base)) {
        int err = remove_names(base);

        if (err != 0)
            return err; /* the file stays, by which it is found */
    }
    return swept_both(endpoint_sweep(name), join);
}

/* -- server: made, removed ------------------------------------------------- */

/* Under a name that nobody could know before. */
static int
make_doorbell(struct mailbox_server *s)
{
    int err;

    do {
        err = endpoint_fresh(s->name, s->base);
        if (err == 0)
            err = doorbell_make(&s->doorbell, s->base,
                                DEFENCE("own", 0600, 0666));
    } while (err == -EEXIST);
    return err;
}

int
mailbox_create(void *srv, const char *name)
{
    struct mailbox_server *s = srv;
    int err = mailbox_sweep(name);

    if (err < 0)
        return err;
    strcpy(s->name, name);
    s->owner = geteuid();
    s->last = -1;
    sessions_init(&s->sessions, IPC_MAX_CLIENTS, NO_DEADLINE);
    err = make_doorbell(s);
    if (err != 0)
        return err;
    err = registrar_make(&s->registrar, name, DEFENCE("own", false, true));
    if (err != 0)
        goto remove_doorbell;
    err = endpoint_publish_objects(name, "name", s->base, &s->endpoint);
    if (err == 0)
        return 0;
    registrar_remove(&s->registrar, name);
remove_doorbell:
    sem_close(s->doorbell);
    sem_unlink(s->base);
    return err;
}

void
mailbox_destroy(void *srv)
{
    struct mailbox_server *s = srv;
    int slot;

    while ((slot = sessions_next(&s->sessions, -1)) != -1)
        mailbox_disconnect(s, (unsigned)slot);
    registrar_remove(&s->registrar, s->name);
    sem_close(s->doorbell);
    if (remove_names(s->base) == 0)
        endpoint_unlink(s->name, "", &s->endpoint);
}

/* -- server: who comes, who goes ------------------------------------------- */

/* With our descriptor goes our lock; then the client is woken to see it. */
void
mailbox_disconnect(struct mailbox_server *s, unsigned slot)
{
    struct mailbox *mailbox = &s->clients[slot].mailbox;

    close(mailbox->fd);
    sem_post(&mailbox->sems->back);
    munmap(mailbox->sems, sizeof *mailbox->sems);
    sessions_leave(&s->sessions, slot);
}

static void
reap(struct mailbox_server *s)
{
    int slot;

    while ((slot = sessions_reap(&s->sessions)) != -1)
        if (!life_locked(s->clients[slot].mailbox.fd, CLIENT))
            mailbox_disconnect(s, (unsigned)slot);
}

/* Opens a mailbox, if it is its owner's. */
static int
take_hold(struct mailbox *mailbox, const char *name, uid_t claimed,
          struct ipc_peer *peer)
{
    int err;

    mailbox->fd = object_open(OBJECT_SHM, -1, name, O_RDWR, claimed);
    if (mailbox->fd < 0)
        return mailbox->fd;
    err = owner_check_fd(mailbox->fd, S_IFREG, claimed, peer);
    if (err == 0)
        err = mailbox_map(mailbox);
    if (err != 0)
        close(mailbox->fd);
    return err;
}

/* Does a living client wait there for the first answer? */
static bool
wants_to_join(const struct mailbox *mailbox)
{
    struct slot_head head;

    return life_locked(mailbox->fd, CLIENT) &&
           slot_get(mailbox->fd, &head, NULL) == 0 && head.mark == SLOT_JOIN;
}

/* With the nonce, or slot -EAGAIN: no room. */
static int
answer(struct mailbox_server *s, const struct mailbox *mailbox, int slot,
       const struct ipc_peer *peer)
{
    struct slot_head head = {.mark = SLOT_FULL};
    int err = 0;

    if (slot >= 0) {
        head.mark = SLOT_REPLY;
        err = nonce_make(head.nonce);
        if (err == 0)
            err = life_lock(mailbox->fd, SERVER);
    }
    if (err == 0)
        err = slot_put(mailbox->fd, &head, NULL);
    if (err != 0)
        return err;
    sem_post(&mailbox->sems->back);
    if (slot < 0)
        return slot;
    sessions_take(&s->sessions, (unsigned)slot, peer, now_ns());
    memcpy(s->sessions.slot[slot].nonce, head.nonce, NONCE_SIZE);
    sessions_admit(&s->sessions, (unsigned)slot);
    s->clients[slot] = (struct mailbox_session){.mailbox = *mailbox};
    return 0;
}

static void
admit(struct mailbox_server *s, const struct registration *r)
{
    char name[MAILBOX_NAME];
    struct ipc_peer peer;
    struct mailbox mailbox;

    if (DEFENCE("own", r->uid != s->owner, false))
        return;
    mailbox_name(name, s->base, r->pid, r->serial);
    if (take_hold(&mailbox, name, r->uid, &peer) != 0)
        return;
    peer.pid = (pid_t)r->pid; /* so it says; only a name */
    if (!wants_to_join(&mailbox) ||
        answer(s, &mailbox, sessions_choose(&s->sessions, peer.uid, now_ns()),
               &peer) != 0)
        mailbox_let_go(&mailbox);
    else
        registrar_joined(r);
    shm_unlink(name);
}

void
mailbox_look_around(struct mailbox_server *s)
{
    struct registration r;

    s->turns = 0;
    reap(s);
    for (int i = 0; i < REGISTRATIONS_A_TURN; i++) {
        if (registrar_next(&s->registrar, &r) == 0)
            return;
        admit(s, &r);
    }
}

/* -- client ---------------------------------------------------------------- */

/* Of zeros, and of two semaphores. */
static int
fill(struct mailbox *mailbox)
{
    const struct slot_head head = {.mark = SLOT_JOIN};
    int err =
        fchmod(mailbox->fd, 0600) == -1 ? -errno : 0; /* whatever the umask */

    if (err == 0)
        err = slot_put(mailbox->fd, &head, NULL);
    if (err == 0)
        err = mailbox_map(mailbox);
    if (err == 0 && (sem_init(&mailbox->sems->full, 1, 0) == -1 ||
                     sem_init(&mailbox->sems->back, 1, 0) == -1))
        err = -errno;
    return err;
}

/* It gets its name last, when it is locked: whoever finds it without a lock
 * knows that nobody needs it any more. */
static int
make_mailbox(struct mailbox *mailbox, const char *name)
{
    char self[64], path[MAILBOX_NAME + sizeof SHM];
    int err;

    mailbox->fd = open(SHM, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (mailbox->fd == -1)
        return -errno;
    err = life_lock(mailbox->fd, CLIENT);
    if (err == 0)
        err = fill(mailbox);
    if (err != 0) {
        close(mailbox->fd);
        return err;
    }
    snprintf(self, sizeof self, "/proc/self/fd/%d", mailbox->fd);
    snprintf(path, sizeof path, SHM "%s", name);
    if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    err = -errno;
    mailbox_let_go(mailbox);
    return err;
}

/* How long one waits before one looks whether the server lives, ns; and after
 * so many of these one registers once more: it may have been short of
 * something. */
#define LOOK           (20 * NS_PER_MS)
#define REGISTER_AGAIN 10u

static void
ring(void *client)
{
    sem_post(((struct mailbox_client *)client)->doorbell);
}

static int
wait_for_answer(struct mailbox_client *c, const struct registry *server,
                const struct registration *r, int64_t deadline)
{
    for (unsigned i = 0;; i++) {
        int64_t again = deadline_in(LOOK);
        int err = 0;

        if (i % REGISTER_AGAIN == 0) {
            err = registration_send(server, r, deadline, ring, c);
            ring(c);
        }
        if (err != 0)
            return err == -EPIPE ? -ECONNREFUSED : err;
        err = sem_wait_until(&c->mailbox.sems->back,
                             again < deadline ? again : deadline);
        if (err == 0)
            return 0;
        if (registration_alive(server) != 0)
            return -ECONNREFUSED;
        if (err != -ETIMEDOUT && err != -EINTR)
            return err;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
    }
}

static int
join(struct mailbox_client *c, const struct registry *server, const char *base)
{
    int64_t deadline = deadline_in(ipc_open_timeout);
    struct registration r = {.uid = geteuid(), .pid = (uint32_t)getpid()};
    char name[MAILBOX_NAME];
    struct slot_head head;
    int err;

    if (getrandom(&r.serial, sizeof r.serial, 0) != sizeof r.serial)
        return -errno;
    mailbox_name(name, base, r.pid, r.serial);
    err = make_mailbox(&c->mailbox, name);
    if (err == 0) {
        err = wait_for_answer(c, server, &r, deadline);
        if (err == 0)
            err = slot_get(c->mailbox.fd, &head, NULL);
        if (err == 0 && head.mark != SLOT_REPLY)
            err = head.mark == SLOT_FULL ? -EAGAIN : -EPIPE;
        if (err == 0)
            memcpy(c->nonce, head.nonce, NONCE_SIZE);
        else
            mailbox_let_go(&c->mailbox);
    }
    shm_unlink(name); /* if the server has not */
    return err;
}

int
mailbox_open(void *cli, const char *where)
{
    struct mailbox_client *c = cli;
    char base[ENDPOINT_SIZE];
    struct registry server;
    int err = registry_open(&server, where);

    if (err != 0)
        return err;
    err = endpoint_lookup(where, "name", base, sizeof base);
    if (err == 0 && !endpoint_is_fresh(where, base))
        err = -EPERM;
    if (err == 0)
        err = endpoint_same_word(where);
    if (err != 0)
        goto close_registry;
    c->doorbell = sem_open(base, 0);
    if (c->doorbell == SEM_FAILED) {
        err = errno == ENOENT ? -ECONNREFUSED : -errno;
        goto close_registry;
    }
    reap_names(base, false);
    err = join(c, &server, base);
    if (err != 0)
        sem_close(c->doorbell);
close_registry:
    registry_close(&server); /* the lock on the slot tells from now on */
    return err;
}

/* The server hears that the lock is gone. */
void
mailbox_close(void *cli)
{
    struct mailbox_client *c = cli;

    mailbox_let_go(&c->mailbox);
    sem_post(c->doorbell);
    sem_close(c->doorbell);
}

void
mailbox_forget(void *cli)
{
    struct mailbox_client *c = cli;

    mailbox_let_go(&c->mailbox);
    sem_close(c->doorbell);
}
