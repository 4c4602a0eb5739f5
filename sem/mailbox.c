/*
 * mailbox.c - a box for one letter, guarded by two POSIX named semaphores.
 *
 *      client                    the box                     server
 *      puts a letter in  --->  NAME.d/UID.PID.SERIAL  --->  takes it out
 *      takes it out      <---  (a file)               <---  puts a letter in
 *
 *      waits on `back`   <---  sem_post(back)         <---
 *                        --->  sem_post(full)         --->  looks at each `full`
 *                        --->  sem_post(bell)         --->  waits on `bell`
 *
 * The one idea: `full` and `back` are never both 1.  Who has taken one of them
 * has the box to himself, until he posts the other one; so the letter needs no
 * further lock.  The server cannot wait on many semaphores at once, so all
 * clients also post one, the bell.
 *
 * A POSIX semaphore is a word of memory that its users share, and a named one
 * is a file, /dev/shm/sem.NAME.  That makes it fast - post and trywait are no
 * system calls - and leaves the kernel out of it:
 *  - It does not notice when a holder dies: there is no SEM_UNDO.  So who has
 *    to be known to be alive holds a record lock: the client on byte 0 of its
 *    letter, the server on byte 1, and the other one looks now and then.
 *  - Who may post may write the file, and so may also cut it short, and then
 *    the next post or wait on it is a SIGBUS.  A guard for that signal does
 *    not help: inside futex(2) it is an EFAULT, and glibc aborts.  The
 *    permissions know no "may post"; a semaphore is among friends.  Hence
 *    IPC_TRUSTING: a hostile client can kill this server, and ipcd serves its
 *    own user only with what is privileged.  The letter is not to blame: it is
 *    read and written by system calls, and its owner is known (owner.h).
 */
#define _GNU_SOURCE /* O_PATH */
#include "box.h"

#include "core/clock.h"
#include "core/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often a waiting client looks whether the server is alive, and the server
 * whether its clients are, in ns. */
#define LOOK (20 * NS_PER_MS)
#define TICK (100 * NS_PER_MS)

struct session {
    int fd; /* the letter; 0: free */
    sem_t *full, *back;
    uint8_t nonce[NONCE_SIZE];
    struct ipc_peer peer;
};

struct server {
    char name[ENDPOINT_SIZE];
    int fd, dir; /* NAME, for its lock; NAME.d */
    sem_t *bell, *knock;
    struct session sessions[IPC_MAX_CLIENTS];
    size_t last; /* served */
};

struct client_end {
    int fd; /* the letter */
    sem_t *bell, *full, *back;
    uint8_t nonce[NONCE_SIZE];
    enum { MINE, NOTICE_OUT, REPLY_DUE, GIVEN_UP } turn;
};

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* -- server --------------------------------------------------------------------- */

/* What is open on both sides needs no name, and what has no name goes with its
 * last user. */
static void
remove_names(const char *endpoint, int dir, const char *file)
{
    unlinkat(dir, file, 0);
    if (*file == '.') /* not finished: mailbox_open() */
        file++;
    bell_unlink(endpoint, file, "full");
    bell_unlink(endpoint, file, "back");
}

static int
mailbox_sweep(const char *name)
{
    char dir_name[ENDPOINT_SIZE];
    struct dirent *entry;
    int removed =
        bell_unlink(name, "", "bell") + bell_unlink(name, "", "knock");
    int err = endpoint_file(name, ".d", dir_name);
    DIR *dir;

    if (err != 0)
        return err;
    dir = opendir(dir_name);
    if (dir == NULL && errno != ENOENT)
        return -errno;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            remove_names(name, dirfd(dir), entry->d_name);
            unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
    if (dir != NULL)
        closedir(dir);
    removed += rmdir(dir_name) == 0;
    removed += unlink(name) == 0;
    return removed > 0;
}

/* The two semaphores that all clients post.  The umask would take others'
 * permission to do so. */
static int
make_bells(struct server *s, mode_t mode)
{
    mode_t mask = umask(0);
    int err = 0;

    s->bell = bell_make(s->name, "", "bell", mode);
    if (s->bell != SEM_FAILED)
        s->knock = bell_make(s->name, "", "knock", mode);
    if (s->knock == SEM_FAILED) /* there, and not ours to sweep: EPERM */
        err = errno == EEXIST ? -EPERM : -errno;
    umask(mask);
    return err;
}

static int
mailbox_create(void *srv, const char *name)
{
    struct server *s = srv;
    /* Only root can open other users' letters, so only root invites them. */
    const bool everybody = geteuid() == 0;
    char dir_name[ENDPOINT_SIZE];
    int err = mailbox_sweep(name);

    if (err < 0)
        return err;
    s->dir = -1;
    s->bell = s->knock = SEM_FAILED;
    strcpy(s->name, name);
    endpoint_file(name, ".d", dir_name);
    s->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->fd == -1)
        return -errno;
    err = life_lock(s->fd, SERVER);
    if (err == 0 && mkdir(dir_name, 0700) == -1)
        err = -errno;
    if (err == 0)
        err = make_bells(s, everybody ? 0666 : 0600);
    if (err != 0)
        goto remove_all;
    s->dir = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Sticky: nobody removes or renames another's letter (inode(7)). */
    if (s->dir == -1 || (everybody && (fchmod(s->dir, 01777) == -1 ||
                                       fchmod(s->fd, 0644) == -1))) {
        err = -errno;
        goto remove_all;
    }
    return 0;

remove_all:
    if (s->dir != -1)
        close(s->dir);
    bell_close(s->bell);
    bell_close(s->knock);
    close(s->fd);
    mailbox_sweep(name);
    return err;
}

/* With the descriptor goes our lock; then he is woken to see it. */
static void
drop(struct session *i)
{
    close(i->fd);
    sem_post(i->back);
    bell_close(i->full);
    bell_close(i->back);
    *i = (struct session){.fd = 0};
}

static void
reap(struct server *s)
{
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->fd != 0 && !life_locked(i->fd, CLIENT))
            drop(i);
}

static struct session *
free_session(struct server *s)
{
    reap(s);
    for (struct session *i = s->sessions; i < s->sessions + IPC_MAX_CLIENTS;
         i++)
        if (i->fd == 0)
            return i;
    return NULL;
}

/* Opens a letter if it is its owner's: O_PATH takes hold of the inode without
 * opening it, so what is checked is what is opened. */
static int
open_letter(struct server *s, const char *file, uid_t claimed,
            struct ipc_peer *peer)
{
    char again[32];
    int fd, path = openat(s->dir, file, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (path == -1)
        return -errno;
    fd = owner_check_fd(path, S_IFREG, claimed, peer);
    if (fd == 0) {
        snprintf(again, sizeof again, "/proc/self/fd/%d", path);
        fd = open(again, O_RDWR | O_CLOEXEC);
        if (fd == -1)
            fd = -errno;
    }
    close(path);
    return fd;
}

/* A letter that has not been looked at yet: somebody would like to join. */
static void
join(struct server *s, const char *file)
{
    struct session new = {.fd = 0}, *room = free_session(s);
    struct letter_head head = {.mark =
                                   room == NULL ? LETTER_FULL : LETTER_REPLY};
    unsigned uid, pid, serial;
    int err;

    if (sscanf(file, "%u.%u.%u", &uid, &pid, &serial) != 3)
        return;
    new.fd = open_letter(s, file, uid, &new.peer);
    if (new.fd < 0)
        return;
    new.peer.pid = (pid_t)pid; /* so he says; only a name */
    new.full = bell_open(s->name, file, "full");
    new.back = bell_open(s->name, file, "back");
    if (new.full == SEM_FAILED || new.back == SEM_FAILED)
        err = -ENOENT;
    else
        err = nonce_make(new.nonce);
    memcpy(head.nonce, new.nonce, NONCE_SIZE);
    if (err == 0 && room != NULL)
        err = life_lock(new.fd, SERVER);
    if (err == 0)
        err = letter_put(new.fd, &head, NULL);
    if (err == 0 && sem_post(new.back) == 0 && room != NULL) {
        *room = new;
        return;
    }
    bell_close(new.full);
    bell_close(new.back);
    close(new.fd);
}

/* The directory is the list of those who wait to join: each letter is looked
 * at once, and loses its name. */
static void
join_all(struct server *s)
{
    int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd != -1 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (dir == NULL && fd != -1)
        close(fd);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') { /* those are not finished yet */
            join(s, entry->d_name);
            remove_names(s->name, s->dir, entry->d_name);
        }
    if (dir != NULL)
        closedir(dir);
}

/* Looks into all boxes, first the one after the last it took a letter from. */
static int
take_request(struct server *s, struct ipc_request *req)
{
    for (size_t n = 1; n <= IPC_MAX_CLIENTS; n++) {
        size_t at = (s->last + n) % IPC_MAX_CLIENTS;
        struct session *i = &s->sessions[at];
        struct letter_head head;

        if (i->fd == 0 || sem_trywait(i->full) == -1)
            continue;
        if (letter_get(i->fd, &head, req->msg.buf) != 0 ||
            head.mark != LETTER_REQUEST || head.len > BODY_MAX ||
            !nonce_equal(head.nonce, i->nonce)) {
            drop(i);
            continue;
        }
        req->msg.len = head.len;
        req->peer = i->peer;
        req->reply_to = at;
        s->last = at;
        /* The box of a notice goes back at once. */
        if (!wire_wants_reply(&req->msg))
            sem_post(i->back);
        return 1;
    }
    return 0;
}

static int
mailbox_next(void *srv, struct ipc_request *req, int64_t timeout_ns)
{
    struct server *s = srv;
    int64_t deadline = deadline_in(timeout_ns);

    for (;;) {
        int err = bell_wait(s->bell, earlier(deadline, now_ns() + TICK));

        if (err != 0 && err != -ETIMEDOUT)
            return err;
        if (sem_trywait(s->knock) == 0)
            join_all(s);
        if (take_request(s, req) == 1)
            return 0;
        reap(s);
        if (err != 0 && time_left(deadline) == 0)
            return err;
    }
}

static int
mailbox_reply(void *srv, const struct ipc_request *req,
              const struct ipc_message *msg)
{
    struct server *s = srv;
    struct session *to = &s->sessions[req->reply_to];
    struct letter_head head = {.mark = LETTER_REPLY};

    if (to->fd == 0)
        return -EPIPE;
    if (msg == NULL) {
        drop(to);
        return 0;
    }
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    head.len = (uint32_t)msg->len;
    if (letter_put(to->fd, &head, msg->buf) == 0 && sem_post(to->back) == 0)
        return 0;
    drop(to);
    return -EPIPE;
}

static void
mailbox_destroy(void *srv)
{
    struct server *s = srv;

    for (size_t i = 0; i < IPC_MAX_CLIENTS; i++)
        if (s->sessions[i].fd != 0)
            drop(&s->sessions[i]);
    bell_close(s->bell);
    bell_close(s->knock);
    close(s->dir);
    mailbox_sweep(s->name);
    close(s->fd);
}

/* -- client --------------------------------------------------------------------- */

/* Is there a server, and is it the right one? */
static int
look_for_server(const char *where)
{
    struct stat st;
    int err, fd = open(where, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1)
        return -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0 && !life_locked(fd, SERVER))
        err = -ECONNREFUSED;
    close(fd);
    return err;
}

/* Waits for `back`.  -EPIPE: the server has let go of the letter. */
static int
wait_back(struct client_end *c, int64_t deadline)
{
    for (;;) {
        int err = bell_wait(c->back, earlier(deadline, now_ns() + LOOK));

        if (err != -ETIMEDOUT)
            return err;
        if (!life_locked(c->fd, SERVER)) /* after his last reply, perhaps */
            return sem_trywait(c->back) == 0 ? 0 : -EPIPE;
        if (time_left(deadline) == 0)
            return -ETIMEDOUT;
    }
}

/* Waits until the letter is back.  A post by itself says little: it may be the
 * last one of a server that lets go. */
static int
take_back(struct client_end *c, struct letter_head *head, void *body,
          int64_t deadline)
{
    for (;;) {
        int err = wait_back(c, deadline);

        if (err == 0)
            err = letter_get(c->fd, head, body);
        if (err != 0)
            return err;
        if (c->turn == NOTICE_OUT ||
            (c->turn != MINE && head->mark == LETTER_REPLY)) {
            c->turn = MINE;
            return 0;
        }
        if (!life_locked(c->fd, SERVER))
            return -EPIPE;
    }
}

/* Knocks, and waits for what the server writes into the letter. */
static int
announce(struct client_end *c, const char *where)
{
    struct letter_head head;
    int64_t deadline = deadline_in(IPC_OPEN_TIMEOUT);
    sem_t *knock = bell_open(where, "", "knock");
    int err;

    if (knock == SEM_FAILED)
        return errno == ENOENT ? -ECONNREFUSED : -errno;
    sem_post(knock);
    sem_post(c->bell);
    bell_close(knock);
    do
        err = bell_wait(c->back, deadline);
    while (err == -EINTR);
    if (err == 0)
        err = letter_get(c->fd, &head, NULL);
    if (err == 0 && head.mark != LETTER_REPLY)
        err = head.mark == LETTER_FULL ? -EAGAIN : -EPIPE;
    if (err == 0)
        memcpy(c->nonce, head.nonce, NONCE_SIZE);
    return err;
}

static void
let_go(struct client_end *c)
{
    bell_close(c->bell);
    bell_close(c->full);
    bell_close(c->back);
    if (c->fd != -1)
        close(c->fd);
}

static int
mailbox_open(void *cli, const char *where)
{
    struct client_end *c = cli;
    char dir_name[ENDPOINT_SIZE], hidden[64], *file = hidden + 1;
    uint32_t serial;
    int dir, err = look_for_server(where);

    if (err == 0)
        err = endpoint_file(where, ".d", dir_name);
    if (err != 0)
        return err;
    /* Random, so that nobody can take the names before us. */
    if (getrandom(&serial, sizeof serial, 0) != sizeof serial)
        return -errno;
    snprintf(hidden, sizeof hidden, ".%u.%u.%u", geteuid(), (unsigned)getpid(),
             serial);
    dir = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir == -1)
        return -errno;
    c->bell = bell_open(where, "", "bell");
    c->full = c->back = SEM_FAILED;
    /* The letter first: sweep() finds the semaphores by it.  But with a dot, so
     * that the server does not see it before all is there and locked. */
    c->fd = openat(dir, hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (c->bell == SEM_FAILED || c->fd == -1)
        err = -errno;
    else
        err = life_lock(c->fd, CLIENT);
    if (err == 0) {
        c->full = bell_make(where, file, "full", 0600);
        c->back = bell_make(where, file, "back", 0600);
        if (c->full == SEM_FAILED || c->back == SEM_FAILED ||
            renameat(dir, hidden, dir, file) == -1)
            err = -errno;
    }
    if (err == 0)
        err = announce(c, where);
    remove_names(where, dir, hidden);
    unlinkat(dir, file, 0); /* if the server has not */
    close(dir);
    if (err != 0)
        let_go(c);
    return err;
}

static int
mailbox_send(void *cli, const struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct letter_head head;
    int64_t deadline = deadline_in(timeout_ns);
    int err = 0;

    if (msg->len > BODY_MAX)
        return -EMSGSIZE;
    if (msg->fd != -1)
        return -EOPNOTSUPP;
    if (c->turn == REPLY_DUE)
        return -EBUSY;
    while (c->turn != MINE && (err == 0 || err == -EINTR))
        err = take_back(c, &head, NULL, deadline);
    if (err != 0)
        return err;
    head =
        (struct letter_head){.mark = LETTER_REQUEST, .len = (uint32_t)msg->len};
    memcpy(head.nonce, c->nonce, NONCE_SIZE);
    err = letter_put(c->fd, &head, msg->buf);
    if (err != 0)
        return err;
    c->turn = wire_wants_reply(msg) ? REPLY_DUE : NOTICE_OUT;
    sem_post(c->full);
    sem_post(c->bell);
    return 0;
}

static int
mailbox_recv(void *cli, struct ipc_message *msg, int64_t timeout_ns)
{
    struct client_end *c = cli;
    struct letter_head head;
    int64_t deadline = deadline_in(timeout_ns);
    bool due;
    int err;

    msg->fd = -1;
    do { /* a notice's letter is no reply */
        due = c->turn == REPLY_DUE || c->turn == GIVEN_UP;
        err = take_back(c, &head, msg->buf, deadline);
    } while (err == 0 && !due);
    if (err != 0 && err != -EINTR && due)
        c->turn = GIVEN_UP;
    if (err == 0)
        msg->len = head.len;
    return err;
}

static void
mailbox_close(void *cli)
{
    struct client_end *c = cli;

    sem_post(c->bell); /* the server sees that the lock is gone */
    let_go(c);
}

/* -- limits, table -------------------------------------------------------------- */

/* Named semaphores need a tmpfs at /dev/shm: sem_overview(7). */
static const char *
mailbox_unavailable(void)
{
    static char reason[80];
    char name[64];
    sem_t *probe;

    snprintf(name, sizeof name, "/ipclab-probe-%d", (int)getpid());
    probe = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    if (probe == SEM_FAILED) {
        snprintf(reason, sizeof reason, "sem_open(3): %s; is /dev/shm there?",
                 strerror(errno));
        return reason;
    }
    sem_unlink(name);
    bell_close(probe);
    return NULL;
}

static int
mailbox_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){
        .max_msg = BODY_MAX, .max_inflight = 1, .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism sem_mailbox = {
    .name = "sem/mailbox",
    .summary = "a one-letter mailbox guarded by POSIX named semaphores",
    .proof = "owner of the letter's file, and the nonce only he can read",
    .wire =
        "Choose a random 32-bit SERIAL and make the letter, the file\n"
        "`DIR/sem-mailbox.d/.UID.PID.SERIAL` (decimal; your effective uid),\n"
        "mode 0600. Take an open file description lock for writing on its\n"
        "byte 0. Make two POSIX semaphores of value 0 and mode 0600,\n"
        "`/ipclab-HASH-sem-mailbox.UID.PID.SERIAL.full` and `.back`; HASH is\n"
        "FNV-1a (32 bits, 8 hex digits) of the path `DIR/sem-mailbox`. Rename\n"
        "the letter: without the dot. Post `/ipclab-HASH-sem-mailbox.knock`\n"
        "and `.bell`, wait on `back`. The letter is now a REPLY and has the\n"
        "nonce, or it is marked FULL; its name and those of the semaphores\n"
        "are gone. To send, write the letter, post `full`, post `.bell`. To\n"
        "receive, wait on `back` and read the letter; after a notice it comes\n"
        "back as it was. If nobody holds a lock on its byte 1, the server is\n"
        "gone, or has cut you off. Its numbers are in the machine's own "
        "order:\n"
        "\n"
        "| offset | size | |\n"
        "|---|---|---|\n"
        "| 0 | 4 | mark: REQUEST 0x4d01, REPLY 0x4d02, FULL 0x4d03 |\n"
        "| 4 | 4 | length of the frame |\n"
        "| 8 | 16 | the nonce |\n"
        "| 24 | | a frame |",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS | IPC_TRUSTING,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct server),
    .client_size = sizeof(struct client_end),
    .unavailable = mailbox_unavailable,
    .limits = mailbox_limits,
    .create = mailbox_create,
    .next = mailbox_next,
    .reply = mailbox_reply,
    .destroy = mailbox_destroy,
    .open = mailbox_open,
    .send = mailbox_send,
    .recv = mailbox_recv,
    .close = mailbox_close,
    .sweep = mailbox_sweep,
};
