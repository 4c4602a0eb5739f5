/*
 * broker.c - looks at requests, and forks who carries them out (broker.h).
 *
 * It keeps its loop short, for all endpoints wait for it: one request of each
 * in a turn, a receipt, a fork(2).  What takes long happens in the workers.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "server/ipcd.h"

#include "core/clock.h"
#include "core/defence.h"
#include "core/object.h"
#include "core/parent.h"
#include "server/ask.h"
#include "server/settings.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS        64 /* at once, those that hang among them */
#define WORKERS_OF_ONE 8  /* of one caller, but root and the owner */
#define RESERVED       8  /* workers that are for those two */

static struct worker {
    pid_t pid; /* 0: this line is free */
    uid_t uid;
    const struct broker_peer *peer; /* for this endpoint */
    int answer; /* our copy of its end; -1: it was answered for it */
    int64_t deadline;
} workers[WORKERS];

static int
    signals; /* signalfd(2): with sigmask and ppoll(2) they would wait for as
                     * long as there are requests */
static bool told_to_end;

static const struct broker_peer *peers;
static size_t peer_count;

/* -- may it? --------------------------------------------------------------- */

/* Where its clients make names; beside that are its siblings' files, and the
 * log. */
void
broker_names(const char *endpoint, char dir[ENDPOINT_SIZE])
{
    if (endpoint_file(endpoint, ".d", dir) != 0)
        dir[0] = '\0';
    if (DEFENCE("ownnames", false, true))
        *strrchr(dir, '/') = '\0';
}

/* In a directory of ours, and nowhere else: nor in one that a client has made
 * there, for we look the name up ourselves (worker_glance()), and what is
 * mounted there may be the client's own program. */
static bool
is_in(const char *path, const char *dir)
{
    const size_t len = strlen(dir);
    const char *slash = strrchr(path, '/');

    return strncmp(path, dir, len) == 0 && path[len] == '/' &&
           DEFENCE("subdirs", slash == path + len,
                   strstr(path, "/../") == NULL) &&
           object_name_is_proper(OBJECT_AT, slash + 1);
}

static bool
is_object(const struct broker_request *r, const struct broker_peer *peer)
{
    if ((r->number & ~O_ACCMODE) != 0)
        return false;
    switch (r->space) {
    case OBJECT_AT:
        return is_in(r->path, peer->dir);
    case OBJECT_PROC_FD:
        return (peer->may & 1u << BROKER_MEMORY) != 0 &&
               object_name_is_proper(OBJECT_PROC_FD, r->path);
    case OBJECT_SHM:
    case OBJECT_MQ:
        return object_name_is_proper((enum object_space)r->space, r->path);
    default:
        return false;
    }
}

/* The endpoint may be in the hands of one of its clients. */
static bool
is_sound(const struct broker_request *r, const struct broker_peer *peer)
{
    if (r->what >= BROKER_KINDS || !(peer->may & 1u << r->what) ||
        memchr(r->path, '\0', sizeof r->path) == NULL)
        return false;
    switch (r->what) {
    case BROKER_OPEN:
    case BROKER_READ:
        return DEFENCE("evidence",
                       r->evidence >= IPC_OWNER &&
                           r->evidence <= peer->evidence,
                       true) &&
               r->uid != (uid_t)-1 && r->offset <= INT64_MAX - IPC_MAX_MSG &&
               r->count <= IPC_MAX_MSG;
    case BROKER_OBJECT:
        return r->uid != (uid_t)-1 && is_object(r, peer);
    case BROKER_PRIORITY:
        return r->pid > 0 && r->number >= -20 && r->number <= 19;
    case BROKER_PORT:
        return r->number > 0 && r->number < 1024;
    case BROKER_GLANCE:
        return r->count <= OBJECT_CLAIMS;
    default:
        return true;
    }
}

/* Of the endpoints, how many have no worker. */
static size_t
count_idle(void)
{
    bool busy[MAX_ENDPOINTS] = {false};
    size_t idle = peer_count;

    for (const struct worker *w = workers; w < workers + WORKERS; w++)
        if (w->pid != 0 && !busy[w->peer - peers]) {
            busy[w->peer - peers] = true;
            idle--;
        }
    return idle;
}

/* Also an endpoint may be in the hands of who wants all of them, and names
 * users as it likes: so one is kept for each endpoint that has none, whoever it
 * is for; and a user whose share is spent elsewhere has one more. */
static struct worker *
spare_worker(uid_t uid, const struct broker_peer *peer)
{
    const bool first = uid == 0 || uid == confine_owner();
    struct worker *spare = NULL;
    unsigned busy = 0, own = 0, own_here = 0, here = 0;

    for (struct worker *w = workers; w < workers + WORKERS; w++) {
        if (w->pid == 0) {
            spare = w;
            continue;
        }
        busy++;
        here += w->peer == peer;
        own += w->uid == uid;
        own_here += w->uid == uid && w->peer == peer;
    }
    if (DEFENCE("endpoints", here == 0, false) || spare == NULL)
        return spare;
    if (DEFENCE("endpoints", WORKERS - busy <= count_idle(), false))
        return NULL;
    if (first)
        return spare;
    if (DEFENCE("endpoints", own_here == 0, false))
        own = 0;
    if (DEFENCE("workers", own >= WORKERS_OF_ONE || busy >= WORKERS - RESERVED,
                false))
        return NULL;
    return spare;
}

/* -- workers --------------------------------------------------------------- */

static void
answer_for(struct worker *w, int result)
{
    const struct worker_answer answer = {.result = result};

    send_with_fd(w->answer, &answer, sizeof answer, -1, MSG_DONTWAIT);
    close(w->answer);
    w->answer = -1;
}

static void
start_worker(struct worker *w, const struct broker_request *r,
             const struct broker_peer *peer, int end)
{
    const pid_t broker = getpid();
    sigset_t none;

    *w = (struct worker){.uid = r->uid,
                         .peer = peer,
                         .answer = end,
                         .deadline = deadline_in(BROKER_TIMEOUT)};
    w->pid = fork();
    if (w->pid == 0) {
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_NAME, "ipcd-worker");
        end_with_parent(broker, SIGKILL);
        worker_run(r, end);
    }
    if (w->pid == -1) {
        answer_for(w, -errno);
        w->pid = 0;
    }
}

/* Its end of the pair is closed by the kernel; with ours the asker sees the end
 * of file, if it has not got an answer. */
static void
reap(void)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (struct worker *w = workers; w < workers + WORKERS; w++)
            if (w->pid == pid) {
                if (w->answer != -1)
                    close(w->answer);
                w->pid = 0;
            }
}

/* One that hangs in the kernel stays, until the kernel lets go. */
static int64_t
end_the_late(void)
{
    int64_t next = NO_DEADLINE;

    for (struct worker *w = workers; w < workers + WORKERS; w++) {
        if (w->pid == 0 || w->answer == -1)
            continue;
        if (time_left(w->deadline) == 0) {
            kill(w->pid, SIGKILL);
            answer_for(w, -ETIMEDOUT);
        } else if (w->deadline < next) {
            next = w->deadline;
        }
    }
    return next;
}

/* -- requests -------------------------------------------------------------- */

/* Of one who may look: no process for each of what strangers say. */
static int32_t
glance(const struct broker_request *r)
{
    struct object_claim claims[OBJECT_CLAIMS];

    memcpy(claims, r->path, sizeof claims);
    return BROKER_GLANCED | (int32_t)object_glance_here(claims, r->count);
}

static void
take_in(const struct broker_request *r, const struct broker_peer *peer)
{
    struct broker_receipt receipt = {.serial = r->serial, .result = -EPERM};
    struct worker *spare = spare_worker(r->uid, peer);
    int pair[2] = {-1, -1};

    if (is_sound(r, peer))
        receipt.result = spare == NULL ? -EAGAIN : 0;
    if (receipt.result == 0 && r->what == BROKER_GLANCE)
        receipt.result = glance(r);
    /* Most of what strangers say there is there is not, if they are many: that
     * is found out without a process for each. */
    if (receipt.result == 0 && r->what == BROKER_OBJECT)
        receipt.result = worker_glance(r);
    if (receipt.result == 0 &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        receipt.result = -errno;
    if (send_with_fd(peer->channel, &receipt, sizeof receipt, pair[0],
                     MSG_DONTWAIT) != 0)
        receipt.result = -EPIPE;
    if (pair[0] != -1)
        close(pair[0]);
    if (receipt.result == 0)
        start_worker(spare, r, peer, pair[1]);
    else if (pair[1] != -1)
        close(pair[1]);
}

/* The length of what has come; 0 at the end of file.  No descriptor is taken
 * in, and none has to be closed: there is no room for it, and where the kernel
 * can (6.16) the sender may not even send one. */
static ssize_t
receive(const struct broker_peer *peer)
{
    struct broker_request r;
    ssize_t n = recv(peer->channel, &r, sizeof r, MSG_DONTWAIT | MSG_TRUNC);

    if (n == (ssize_t)sizeof r)
        take_in(&r, peer);
    return n;
}

static int
hear_signals(void)
{
    sigset_t heard;

    sigemptyset(&heard);
    sigaddset(&heard, SIGCHLD);
    sigaddset(&heard, SIGHUP);
    sigaddset(&heard, SIGTERM);
    sigprocmask(SIG_BLOCK, &heard, NULL);
    return signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
take_signals(void)
{
    struct signalfd_siginfo s;

    while (read(signals, &s, sizeof s) == sizeof s) {
        if (s.ssi_signo == SIGCHLD)
            reap();
        else if (s.ssi_signo == SIGHUP)
            settings_reload_rules();
        else
            told_to_end = true;
    }
}

/* A channel that is hung up has nobody to serve.  Its end of file can be read
 * for ever (POLLIN together with POLLHUP), so it is not polled any more.  The
 * supervisor holds all of them, and when it is gone they are: that is the end.
 * But an endpoint can shutdown(2) its own one; so one alone is not, and an
 * empty message, which recv(2) does not tell from an end of file, is none
 * either. */
static bool
turn(void)
{
    static bool hung_up[MAX_ENDPOINTS];
    struct pollfd fds[MAX_ENDPOINTS + 1] = {{.fd = signals, .events = POLLIN}};
    size_t open = 0;

    for (size_t i = 0; i < peer_count; i++) {
        fds[i + 1] = (struct pollfd){.fd = hung_up[i] ? -1 : peers[i].channel,
                                     .events = POLLIN};
        open += !hung_up[i];
    }
    if (open == 0)
        return false;
    if (poll_until(fds, (unsigned)peer_count + 1, end_the_late()) != 0)
        return true;
    for (size_t i = 0; i < peer_count; i++)
        if (fds[i + 1].revents != 0 && receive(&peers[i]) <= 0)
            hung_up[i] = (fds[i + 1].revents & ~POLLIN) != 0;
    if (fds[0].revents != 0)
        take_signals();
    return !told_to_end;
}

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* An older kernel does not know it: see receive(). */
void
broker_prepare(int channel)
{
    const int off = 0;

    setsockopt(channel, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
}

static bool
any_worker(void)
{
    for (const struct worker *w = workers; w < workers + WORKERS; w++)
        if (w->pid != 0)
            return true;
    return false;
}

/* Before our own end, and not waiting for one that hangs. */
static void
end_workers(void)
{
    const int64_t deadline = deadline_in(100 * NS_PER_MS);

    for (const struct worker *w = workers; w < workers + WORKERS; w++)
        if (w->pid != 0)
            kill(w->pid, SIGKILL);
    for (reap(); any_worker() && time_left(deadline) > 0; reap())
        if (wait_for(signals, POLLIN, deadline) == 0)
            take_signals();
}

void
broker_run(const struct broker_peer *endpoints, size_t n)
{
    peers = endpoints;
    peer_count = n;
    signals = hear_signals();
    while (signals != -1 && turn())
        continue;
    end_workers();
}
