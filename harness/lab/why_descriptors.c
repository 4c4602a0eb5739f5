/*
 * why_descriptors.c - waiting at a descriptor: pipes, FIFOs, POSIX message
 * queues, terminals, and several descriptors at once (poll, select, epoll).
 */
#define _GNU_SOURCE /* statx */
#include "lab/why_says.h"

#include "core/defence.h"
#include "core/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* S_IFIFO ...; 0: not known.  A file system that somebody else serves (FUSE,
 * NFS) is not asked: it might never answer. */
static mode_t
type_of(pid_t pid, int fd)
{
    char path[64];
    struct statx st;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == -1)
        return 0;
    return st.stx_mode & S_IFMT;
}

/* -- who holds the other end of a pipe or FIFO ----------------------------- */

struct ends {
    struct why_wait *w;
    int wanted;   /* O_WRONLY, or O_RDONLY: the end that matters */
    int found;    /* in all */
    int own;      /* in the process that waits */
    int own_fd;   /* one of them */
    int own_mode; /* O_ACCMODE of it */
    pid_t others[WHY_ON_MAX];
    int other_fds[WHY_ON_MAX];
    int other_count;
};

static bool
note_end(pid_t pid, int fd, int flags, void *arg)
{
    struct ends *e = arg;
    const int mode = flags & O_ACCMODE;

    if (flags == -1 || (mode != e->wanted && mode != O_RDWR))
        return true;
    e->found++;
    if (pid == e->w->pid) {
        e->own++;
        e->own_fd = fd;
        e->own_mode = mode;
        return true;
    }
    for (int i = 0; i < e->other_count; i++)
        if (e->others[i] == pid)
            return true;
    if (e->other_count < WHY_ON_MAX) {
        e->other_fds[e->other_count] = fd;
        e->others[e->other_count++] = pid;
    }
    return true;
}

void
why_holders(struct why_wait *w, const char *link, procfs_visit *visit,
            void *arg)
{
    const uid_t uid = procfs_holders(link, visit, arg);

    if (uid != (uid_t)-1)
        why_say(w, "(Uid %u has more descriptors than were looked at.)", uid);
}

static void
say_ends(struct why_wait *w, const struct ends *e, bool to_write)
{
    const char *end = to_write ? "read" : "write";

    for (int i = 0; i < e->other_count; i++) {
        why_depends(w, e->others[i]);
        why_say(w, "%s has the %s end, fd %d.", why_who(w, e->others[i]), end,
                e->other_fds[i]);
    }
    if (e->own == 0 || e->own_mode != O_RDWR)
        return;
    why_say(w, "So has pid %d itself: fd %d is open for reading and writing.",
            (int)w->pid, e->own_fd);
}

/* Nobody else can do anything about it. */
static void
only_itself(struct why_wait *w, const struct ends *e, bool to_write)
{
    const char *end = to_write ? "read" : "write";

    if (e->own == 0) {
        w->cause = WHY_NOBODY;
        why_say(w, "Nobody that can be seen has the %s end.", end);
        return;
    }
    w->cause = WHY_ITSELF;
    if (e->own_mode == O_RDWR)
        why_say(w,
                "Nobody else has the %s end; pid %d itself has fd %d open "
                "for reading and writing, so %s.",
                end, (int)w->pid, e->own_fd,
                to_write ? "no SIGPIPE tells it" : "end of file cannot come");
    else
        why_say(w,
                "Nobody else has the %s end; pid %d itself still has it, fd "
                "%d, so %s: close it after fork(), or have it closed by exec "
                "(O_CLOEXEC).",
                end, (int)w->pid, e->own_fd,
                to_write ? "no SIGPIPE tells it" : "end of file cannot come");
}

static void
pipe_ends(struct why_wait *w, const char *link, bool to_write)
{
    struct ends e = {.w = w, .wanted = to_write ? O_RDONLY : O_WRONLY};

    why_say(w, to_write ? "It is full: nobody reads."
                        : "It is empty: it waits for a byte, or for end of "
                          "file, when every write end is closed.");
    why_holders(w, link, note_end, &e);
    if (e.other_count == 0) {
        only_itself(w, &e, to_write);
        return;
    }
    w->cause = WHY_OTHERS;
    say_ends(w, &e, to_write);
}

void
why_descriptor(struct why_wait *w, int fd, bool to_write)
{
    char link[PROCFS_LINK];

    procfs_link(w->pid, fd, link);
    switch (type_of(w->pid, fd)) {
    case S_IFIFO:
        pipe_ends(w, link, to_write);
        return;
    case S_IFSOCK:
        why_socket(w, fd, link, to_write);
        return;
    case S_IFCHR:
        w->cause = WHY_OUTSIDE;
        why_say(w, to_write ? "A device."
                            : "It waits for somebody to type, or "
                              "for a device.");
        return;
    case S_IFREG:
        w->cause = WHY_OUTSIDE;
        why_say(w, "A file: it waits for the file system.");
        return;
    default:
        if (strcmp(link, "anon_inode:[eventfd]") == 0)
            why_say(w, "An eventfd whose counter is 0: nobody has written.");
        else if (strcmp(link, "anon_inode:[signalfd]") == 0)
            why_say(w, "A signalfd: no signal of its set is pending.");
        else if (strcmp(link, "anon_inode:[timerfd]") == 0)
            w->cause = WHY_CLOCK;
        return;
    }
}

/* -- one descriptor -------------------------------------------------------- */

static void
one(struct why_wait *w, const struct procfs_call *c, const char *name,
    bool to_write)
{
    const int fd = (int)c->args[0];
    char link[PROCFS_LINK];

    procfs_link(w->pid, fd, link);
    why_call(w, "%s(fd %d -> %.110s)", name, fd, link);
    why_descriptor(w, fd, to_write);
}

void
why_reading(struct why_wait *w, const struct procfs_call *c)
{
    one(w, c,
        c->number == SYS_recvmsg    ? "recvmsg"
        : c->number == SYS_recvfrom ? "recv"
                                    : "read",
        false);
}

void
why_writing(struct why_wait *w, const struct procfs_call *c)
{
    one(w, c,
        c->number == SYS_sendmsg  ? "sendmsg"
        : c->number == SYS_sendto ? "send"
                                  : "write",
        true);
}

void
why_accepting(struct why_wait *w, const struct procfs_call *c)
{
    char link[PROCFS_LINK];

    procfs_link(w->pid, (int)c->args[0], link);
    why_call(w, "accept(fd %d -> %.80s)", (int)c->args[0], link);
    w->cause = WHY_OTHERS;
    why_say(w, "It waits for somebody to connect; nobody has.");
}

void
why_connecting(struct why_wait *w, const struct procfs_call *c)
{
    char link[PROCFS_LINK];

    procfs_link(w->pid, (int)c->args[0], link);
    why_call(w, "connect(fd %d -> %.80s)", (int)c->args[0], link);
    w->cause = WHY_OTHERS;
    why_say(w, "The listener's queue is full (or the host is far away): nobody "
               "calls accept().");
}

/* open(2) of a FIFO waits for who opens the other end: fifo(7). */
void
why_opening(struct why_wait *w, const struct procfs_call *c)
{
    const bool at = c->number == SYS_openat;
    const unsigned long name = c->args[at ? 1 : 0];
    const int flags = (int)c->args[at ? 2 : 1];
    const bool to_write = (flags & O_ACCMODE) == O_WRONLY;
    char path[200] = "?";

    for (size_t i = 0; i < sizeof path - 1; i++)
        if (!procfs_memory(w->pid, name + i, &path[i], 1) || path[i] == '\0') {
            path[i] = '\0';
            break;
        }
    path[sizeof path - 1] = '\0';
    why_call(w, "open(\"%.110s\", %s)", path,
             to_write ? "O_WRONLY" : "O_RDONLY");
    w->cause = WHY_NOBODY;
    why_say(w,
            "A FIFO's open waits until somebody opens it for %s; nobody has.",
            to_write ? "reading" : "writing");
}

/* -- several --------------------------------------------------------------- */

#define MANY 32

/* What each of them waits for; the worst of their causes is the wait's, since
 * any of them ends it: whatever can come from outside comes first. */
static void
each(struct why_wait *w, const int *fds, const bool *to_write, int n)
{
    enum why_cause cause = WHY_UNKNOWN;
    char link[PROCFS_LINK];

    for (int i = 0; i < n; i++) {
        w->cause = WHY_UNKNOWN;
        procfs_link(w->pid, fds[i], link);
        why_say(w, "fd %d -> %.100s:", fds[i], link);
        why_descriptor(w, fds[i], to_write[i]);
        if (i == 0 || w->cause == WHY_OUTSIDE || w->cause == WHY_CLOCK ||
            (cause != WHY_OUTSIDE && cause != WHY_CLOCK &&
             w->cause == WHY_OTHERS))
            cause = w->cause;
    }
    w->cause = cause;
}

void
why_polling(struct why_wait *w, const struct procfs_call *c)
{
    struct pollfd polled[MANY];
    int fds[MANY], n = c->args[1] > MANY ? MANY : (int)c->args[1], k = 0;
    bool to_write[MANY];

    why_call(w, "poll(%lu descriptors)", c->args[1]);
    if (!procfs_memory(w->pid, c->args[0], polled, (size_t)n * sizeof *polled))
        return;
    for (int i = 0; i < n; i++) {
        if (polled[i].fd < 0)
            continue;
        to_write[k] = (polled[i].events & POLLOUT) != 0 &&
                      (polled[i].events & POLLIN) == 0;
        fds[k++] = polled[i].fd;
    }
    each(w, fds, to_write, k);
}

void
why_selecting(struct why_wait *w, const struct procfs_call *c)
{
    const int most =
        (int)c->args[0] > FD_SETSIZE ? FD_SETSIZE : (int)c->args[0];
    fd_set in, out;
    int fds[MANY], k = 0;
    bool to_write[MANY];

    FD_ZERO(&in);
    FD_ZERO(&out);
    why_call(w, "select(descriptors below %d)", most);
    if (c->args[1] != 0)
        procfs_memory(w->pid, c->args[1], &in, sizeof in);
    if (c->args[2] != 0)
        procfs_memory(w->pid, c->args[2], &out, sizeof out);
    for (int fd = 0; fd < most && k < MANY; fd++)
        if (FD_ISSET(fd, &in) || FD_ISSET(fd, &out)) {
            to_write[k] = !FD_ISSET(fd, &in);
            fds[k++] = fd;
        }
    each(w, fds, to_write, k);
}

/* /proc/PID/fdinfo of an epoll descriptor: "tfd: 5 events: 19 ..." */
void
why_epoll(struct why_wait *w, const struct procfs_call *c)
{
    char file[48], text[8192];
    const char *at = text;
    int fds[MANY], k = 0;
    bool to_write[MANY];

    why_call(w, "epoll_wait(fd %d)", (int)c->args[0]);
    snprintf(file, sizeof file, "fdinfo/%d", (int)c->args[0]);
    if (procfs_text(w->pid, file, text, sizeof text) <= 0)
        return;
    while (k < MANY && (at = strstr(at, "tfd:")) != NULL) {
        const char *events = strstr(at, "events:");
        const unsigned long wanted =
            events == NULL ? 0 : strtoul(events + 7, NULL, 16);

        fds[k] = (int)strtol(at + 4, NULL, 10);
        to_write[k++] = (wanted & EPOLLIN) == 0 && (wanted & EPOLLOUT) != 0;
        at += 4;
    }
    each(w, fds, to_write, k);
}

/* -- POSIX message queues -------------------------------------------------- */

struct users {
    struct why_wait *w;
    int wanted; /* O_WRONLY: who may send; O_RDONLY: who may receive */
    int found;
};

static bool
note_user(pid_t pid, int fd, int flags, void *arg)
{
    struct users *u = arg;
    const int mode = flags & O_ACCMODE;

    (void)fd;
    if (pid != u->w->pid && flags != -1 &&
        (mode == u->wanted || mode == O_RDWR)) {
        why_depends(u->w, pid);
        if (u->found++ < 4)
            why_say(u->w, "%s has it open for %s.", why_who(u->w, pid),
                    u->wanted == O_WRONLY ? "sending" : "receiving");
    }
    return true;
}

/* Is it in the queues' own file system, as one that we make ourselves? */
static bool
is_of_queues(const struct statx *of)
{
    char name[ENDPOINT_SIZE];
    struct stat st = {0};
    mqd_t own = -1;

    if (endpoint_probe(name, 0) == 0)
        own =
            mq_open(name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, NULL);
    if (own == -1)
        return false;
    mq_unlink(name);
    fstat(own, &st);
    mq_close(own);
    return major(st.st_dev) == of->stx_dev_major &&
           minor(st.st_dev) == of->stx_dev_minor;
}

/* The process may have put something else under that number meanwhile: a device
 * that does something when it is opened, a file that waits for ever to be
 * closed.  So it is held first, which opens nothing, and asks no file system
 * (statx(2)). */
static int
open_queue(const char *path)
{
    int held = open(path, O_PATH | O_CLOEXEC), queue = -1;
    struct statx st;
    char again[64];

    if (DEFENCE("held", false, true))
        return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    snprintf(again, sizeof again, "/proc/self/fd/%d", held);
    if (held != -1 &&
        statx(held, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) ==
            0 &&
        is_of_queues(&st))
        queue = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (held != -1)
        close(held);
    return queue;
}

static void
queue(struct why_wait *w, const struct procfs_call *c, bool to_send)
{
    struct users users = {.w = w, .wanted = to_send ? O_RDONLY : O_WRONLY};
    char link[PROCFS_LINK], path[64];
    struct mq_attr attr;
    mqd_t own;

    procfs_link(w->pid, (int)c->args[0], link);
    why_call(w, "%s(fd %d -> queue %.80s)", to_send ? "mq_send" : "mq_receive",
             (int)c->args[0], link);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)w->pid, (int)c->args[0]);
    own = open_queue(path);
    if (own != -1 && mq_getattr(own, &attr) == 0)
        why_say(w, "The queue holds %ld message(s) of at most %ld.",
                attr.mq_curmsgs, attr.mq_maxmsg);
    if (own != -1)
        close(own);
    why_holders(w, link, note_user, &users);
    w->cause = users.found > 0 ? WHY_OTHERS : WHY_NOBODY;
    if (users.found == 0)
        why_say(w, "Nobody else that can be seen has it open for %s.",
                to_send ? "receiving" : "sending");
}

void
why_queue_receive(struct why_wait *w, const struct procfs_call *c)
{
    queue(w, c, false);
}

void
why_queue_send(struct why_wait *w, const struct procfs_call *c)
{
    queue(w, c, true);
}
