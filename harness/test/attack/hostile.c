/*
 * hostile.c - a server among clients that do anything: for a build with
 * sanitizers (../hostile.sh).
 *
 *      this one ---- starts a server, forks clients, some at a time, and looks:
 *          |         does the server live, does it serve, what has it said on
 *          |         standard error?
 *      client ------ of another uid each: joins as everybody does, and then
 *                    says mutated frames, writes nonsense into whatever it has
 *                    open or mapped, and changes and removes its own objects
 *
 * No mechanism is named here: what a client has, /proc tells, so a variant that
 * is added is attacked as the others are.  The attacks beside this file know
 * where it hurts; this one does not, and finds what nobody thought of.
 */
#define _GNU_SOURCE /* memfd_create, close_range */
#include "test/attack/nonsense.h"
#include "test/attack/stage.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CROWD 8 /* clients at a time */

/* What has been done; in memory that all share, one for each of the crowd. */
struct tally {
    uint64_t frames;  /* that the mechanism has taken */
    uint64_t changes; /* of objects, and nonsense that was written */
    uint64_t joined;
};

#define FIRST_UID  20000 /* one who misbehaves is barred: so each is another */
#define UIDS       10000
#define PER_CLIENT 500             /* things that one client does */
#define WAIT       (2 * NS_PER_MS) /* for one answer */
#define JOIN_WAIT  (300 * NS_PER_MS)
#define LASTS      3 /* seconds: it has spoilt its own memory and hangs */
#define NOBODY_IN  (20 * NS_PER_SEC) /* so long nothing was done: no way in */

static struct tally *tallies; /* of CROWD */
static struct tally *tally;   /* this client's */

/* -- one client ------------------------------------------------------------ */

/* false: the server has closed the session. */
static bool
say_a_frame(struct client *c)
{
    static uint8_t answer[IPC_MAX_MSG];
    struct ipc_message out = {.buf = c->buf, .fd = -1};
    struct ipc_message in = {.buf = answer, .cap = sizeof answer, .fd = -1};
    int err;

    out.len = mutated_frame(c->buf, c->limits.max_msg);
    err = ipc_send(c->m, &c->limits, c->state, &out, WAIT);
    tally->frames += err == 0;
    if (err == 0 || err == -EBUSY)
        err = c->m->recv(c->state, &in, WAIT);
    if (in.fd != -1)
        close(in.fd);
    return err == 0 || err == -ETIMEDOUT || err == -EMSGSIZE;
}

static bool
change_something(const char *where)
{
    switch (chance(7)) {
    case 0:
    case 1:
        return scribble();
    case 2:
    case 3:
        return spoil_descriptor();
    case 4:
        return spoil_set();
    case 5:
        return chance(8) == 0 ? remove_segment() : spoil_queue();
    default:
        return register_nonsense(where);
    }
}

/* Not everything is possible with every mechanism. */
static bool
do_something(struct client *c, const char *where)
{
    if (chance(2) == 0)
        return say_a_frame(c);
    for (int i = 0; i < 10; i++)
        if (change_something(where)) {
            tally->changes++;
            break;
        }
    return true;
}

_Noreturn static void
be_a_client(struct host *h, uid_t uid)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct client c;
    bool in = false;

    dup2(null, STDERR_FILENO); /* what it does to itself is its own business */
    close_range(3, ~0u, 0);    /* what we have open is not its to spoil */
    alarm(LASTS);
    become_user(uid);
    ipc_open_timeout = JOIN_WAIT;
    for (int i = 0; i < PER_CLIENT; i++) {
        if (!in && client_open(&c, h->m, h->where) != 0)
            break;
        if (!in) {
            tally->joined++;
            find_maps(tallies);
        }
        in = do_something(&c, h->where);
        if (!in)
            client_close(&c);
    }
    _exit(0); /* as it is: the server finds out */
}

/* -- the server ------------------------------------------------------------ */

static int said; /* a memfd: its standard error */

static void
start(struct host *h, const struct ipc_mechanism *m)
{
    struct host_options options = {.keep_root = getenv("KEEP_ROOT") != NULL,
                                   .cpu = -1};
    int own = dup(STDERR_FILENO);

    said = memfd_create("said", MFD_CLOEXEC);
    MUST(own != -1 && said != -1);
    fcntl(said, F_SETFL, O_APPEND);
    dup2(said, STDERR_FILENO);
    MUST(host_start(h, m, run_dir, &options) == 0);
    dup2(own, STDERR_FILENO);
    close(own);
}

/* A sanitizer's report, or why it ended; the whole is shown. */
static bool
has_reported(void)
{
    static char text[1 << 20];
    ssize_t n = pread(said, text, sizeof text - 1, 0);

    MUST(n >= 0);
    text[n] = '\0';
    if (strstr(text, "Sanitizer") == NULL &&
        strstr(text, "runtime error") == NULL)
        return false;
    fputs(text, stderr);
    return true;
}

static bool
has_ended(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

/* In a queue for all whoever fills it, or takes what comes out, keeps others
 * from being served: attacks 23 and 159.  Then only a report counts. */
static bool
is_kept_out(struct host *h)
{
    return !(h->m->uses & IPC_USES_ONE_QUEUE) && !is_served(h);
}

static struct tally
sum(void)
{
    struct tally all = {0};

    for (const struct tally *t = tallies; t < tallies + CROWD; t++) {
        all.frames += t->frames;
        all.changes += t->changes;
        all.joined += t->joined;
    }
    return all;
}

static uint64_t
done(void)
{
    struct tally all = sum();

    return all.frames + all.changes;
}

static pid_t crowd[CROWD];

/* Fills the place of one that has ended. */
static void
send_in(struct host *h, int place, uint64_t serial, uint64_t seed)
{
    chance_seed(seed + serial);
    tally = &tallies[place];
    fflush(NULL);
    crowd[place] = fork();
    MUST(crowd[place] != -1);
    if (crowd[place] == 0)
        be_a_client(h, FIRST_UID + (uid_t)(serial % UIDS));
}

/* Some of the crowd has ended: its place. */
static int
wait_for_one(void)
{
    for (;;) {
        pid_t pid = waitpid(-1, NULL, 0);

        MUST(pid != -1 || errno == EINTR);
        for (int i = 0; i < CROWD; i++)
            if (pid != -1 && crowd[i] == pid)
                return i;
    }
}

static void
send_all_home(void)
{
    for (int i = 0; i < CROWD; i++)
        if (crowd[i] > 0) {
            kill(crowd[i], SIGKILL);
            while (waitpid(crowd[i], NULL, 0) == -1)
                MUST(errno == EINTR);
        }
}

/* Until so much is done, or so long; or the server has gone, or nobody gets in
 * any more. */
static const char *
besiege(struct host *h, uint64_t amount, uint64_t seed, int64_t end)
{
    int pidfd = (int)syscall(SYS_pidfd_open, h->server, 0);
    int64_t timeout = deadline_in(NOBODY_IN);
    const char *wrong = NULL;
    uint64_t before = 0;

    MUST(pidfd != -1);
    for (uint64_t i = 0; done() < amount && time_left(end) != 0; i++) {
        send_in(h, i < CROWD ? (int)i : wait_for_one(), i, seed);
        if (done() != before)
            timeout = deadline_in(NOBODY_IN);
        before = done();
        if (has_ended(pidfd))
            wrong = "THE SERVER ENDED";
        else if (i % 32 == 31 && is_kept_out(h))
            wrong = "AN HONEST CLIENT WAS NOT SERVED";
        /* A server that trusts its clients lets nobody in but its own user. */
        else if (time_left(timeout) == 0 && !(h->m->caps & IPC_TRUSTING))
            wrong = "NOBODY GOT IN ANY MORE";
        if (wrong != NULL ||
            (h->m->caps & IPC_TRUSTING && time_left(timeout) == 0))
            break;
    }
    send_all_home();
    close(pidfd);
    if (wrong == NULL && is_kept_out(h))
        wrong = "AN HONEST CLIENT WAS NOT SERVED";
    return wrong;
}

/* NULL: nothing. */
static const char *
find_what_is_wrong(struct host *h, uint64_t amount, uint64_t seed)
{
    const char *most = getenv("MOST");
    int64_t end =
        most != NULL ? deadline_in(atoll(most) * NS_PER_SEC) : NO_DEADLINE;
    const char *wrong = besiege(h, amount, seed, end);
    int status = host_stop(h);

    if (has_reported())
        return "A REPORT";
    if (wrong == NULL && status != 0)
        return "IT DID NOT END AS BY SIGTERM";
    return wrong;
}

/* Why there is nothing to try, or NULL. */
static const char *
pointless(const struct ipc_mechanism *m)
{
    if (m == NULL || m->caps & (IPC_SPAWNED | IPC_CALLED))
        return "no daemon";
    if (m->caps & IPC_TRUSTING && users_missing() != NULL)
        return "not run here: its own user may corrupt it, and there is no "
               "other";
    return ipc_unavailable(m);
}

int
hostile(const char *mechanism, const char *amount, const char *seed,
        const char *dir)
{
    const struct ipc_mechanism *m = ipc_find(mechanism);
    const char *why = pointless(m), *wrong;
    struct tally all;
    struct host h;

    if (why != NULL) {
        printf("%-18s %s\n", mechanism, why);
        fflush(NULL);
        return m == NULL ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    stage_set(dir);
    tallies = shared(CROWD * sizeof *tallies);
    start(&h, m);
    wrong = find_what_is_wrong(&h, strtoull(amount, NULL, 10),
                               strtoull(seed, NULL, 10));
    if (wrong == NULL)
        wrong = m->caps & IPC_TRUSTING ? "no report, and no other user got in"
                                       : "no report";
    else
        m = NULL;
    all = sum();
    printf("%-18s %9llu frames %9llu changes %7llu sessions  %s\n", mechanism,
           (unsigned long long)all.frames, (unsigned long long)all.changes,
           (unsigned long long)all.joined, wrong);
    fflush(NULL);
    return m != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
