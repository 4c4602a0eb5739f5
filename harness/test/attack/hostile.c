/*
 * hostile.c - a server among clients that do anything: for a build with
 * sanitizers (../hostile.sh).
 *
 *      this one ---- starts a server, forks one client after the other, and
 *          |         looks: does the server live, does it serve, what has it
 *          |         said on standard error?
 *      client ------ of another uid each: joins as everybody does, and then
 *                    says mutated frames, writes nonsense into whatever it has
 *                    open or mapped, and changes and removes its own objects
 *
 * No mechanism is named here: what a client has, /proc tells, so a variant that
 * is added is attacked as the others are.  The attacks beside this file know
 * where it hurts; this one does not, and finds what nobody thought of.
 */
#define _GNU_SOURCE /* memfd_create, fallocate, close_range */
#include "test/attack/stage.h"

#include "core/clock.h"
#include "core/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What has been done; in memory that all share. */
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

static struct tally *tally;

/* -- chance: xorshift64, the same for the same seed ------------------------ */

static uint64_t chance_state;

static uint32_t
chance(uint32_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (uint32_t)(chance_state >> 32) % below;
}

static void
nonsense(uint8_t *to, size_t n)
{
    static const uint8_t likely[] = {0, 1, 0x7f, 0x80, 0xff};

    for (size_t i = 0; i < n; i++)
        to[i] = chance(2) == 0 ? likely[chance(sizeof likely)]
                               : (uint8_t)chance(256);
}

/* -- frames ---------------------------------------------------------------- */

/* A good one, and then some bytes of it, or its length, are others. */
static size_t
mutated_frame(uint8_t *frame, size_t room)
{
    static const uint8_t likely[] = {0, 4, 8, 12, 16, 20}; /* of numbers */
    uint16_t method = (uint16_t)chance(chance(8) == 0 ? 65536 : 32);
    size_t len = make_frame(frame, method);

    len += chance(2) == 0 ? likely[chance(sizeof likely)] : chance(200);

    if (len > room)
        len = room;
    nonsense(frame + WIRE_HEADER, len - WIRE_HEADER);
    put32(frame + 8, (uint32_t)(len - WIRE_HEADER));
    for (uint32_t n = chance(4); n > 0; n--)
        nonsense(frame + chance((uint32_t)len), 1);
    if (chance(8) == 0)
        len = chance((uint32_t)len + 1);
    return chance(200) == 0 ? room : len;
}

/* false: the server has closed the session. */
static bool
say_a_frame(struct client *c)
{
    static uint8_t answer[IPC_MAX_MSG];
    struct ipc_message out = {.buf = c->buf, .fd = -1};
    struct ipc_message in = {.buf = answer, .cap = sizeof answer, .fd = -1};
    int err;

    out.len = mutated_frame(c->buf, c->limits.max_msg);
    err = c->m->send(c->state, &out, WAIT);
    tally->frames += err == 0;
    if (err == 0 || err == -EBUSY)
        err = c->m->recv(c->state, &in, WAIT);
    if (in.fd != -1)
        close(in.fd);
    return err == 0 || err == -ETIMEDOUT || err == -EMSGSIZE;
}

/* -- what the client has open ---------------------------------------------- */

static bool
spoil_file(int fd)
{
    switch (chance(4)) {
    case 0:
        return ftruncate(fd, chance(2) == 0 ? 0 : (off_t)chance(1 << 20)) == 0;
    case 1:
        return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         (off_t)chance(8192), 1 + (off_t)chance(8192)) == 0;
    case 2:
        return fchmod(fd, (mode_t)chance(01000)) == 0;
    default:
        return fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
    }
}

static bool
spoil_descriptor(void)
{
    int fd = 3 + (int)chance(13);
    uint8_t bytes[300];
    size_t n = chance(sizeof bytes);
    struct stat st;

    if (fstat(fd, &st) == -1)
        return false;
    nonsense(bytes, sizeof bytes);
    if (S_ISSOCK(st.st_mode))
        return chance(8) == 0
                   ? send_beside(fd, SCM_RIGHTS, &fd, sizeof fd) != -1
                   : send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) != -1;
    if (S_ISREG(st.st_mode) && chance(2) == 0)
        return spoil_file(fd);
    if (S_ISREG(st.st_mode))
        return pwrite(fd, bytes, n, (off_t)chance(8192)) != -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return S_ISFIFO(st.st_mode) && write(fd, bytes, n) != -1;
}

/* -- what it shares with the server ---------------------------------------- */

static struct {
    uint8_t *at;
    size_t size;
} maps[64];
static uint32_t map_count;

/* "7f00-7f10 rw-s ..."; not the tally. */
static void
find_maps(void)
{
    FILE *in = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned long from, to;

    map_count = 0;
    while (in != NULL && map_count < 64 && fgets(line, sizeof line, in))
        if (sscanf(line, "%lx-%lx rw-s", &from, &to) == 2 &&
            strstr(line, " rw-s ") != NULL && from != (uintptr_t)tally) {
            maps[map_count].at = (uint8_t *)from;
            maps[map_count++].size = to - from;
        }
    if (in != NULL)
        fclose(in);
}

/* The words that rule all are at the beginning. */
static bool
scribble(void)
{
    uint32_t which, size;

    if (map_count == 0)
        return false;
    which = chance(map_count);
    size = (uint32_t)maps[which].size;
    if (chance(2) == 0 && size > 512)
        size = 512;
    nonsense(maps[which].at + chance(size - 8), 1 + chance(8));
    return true;
}

/* -- System V -------------------------------------------------------------- */

/* One of the objects there are, its own or not: the kernel decides. */
static int
any_id(const char *list)
{
    FILE *in = fopen(list, "re");
    char line[256];
    int id, found = -1;
    uint32_t n = 0;

    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "%*d %d", &id) == 1 && chance(++n) == 0)
            found = id;
    if (in != NULL)
        fclose(in);
    return found;
}

static bool
spoil_set(void)
{
    int id = any_id("/proc/sysvipc/sem");
    struct sembuf op = {.sem_num = (uint16_t)chance(8),
                        .sem_op = (short)(chance(3) - 1),
                        .sem_flg = IPC_NOWAIT};

    if (chance(40) == 0)
        return semctl(id, 0, IPC_RMID) == 0 &&
               semget(IPC_PRIVATE, 1 + (int)chance(250), 0600) != -1;
    if (chance(2) == 0)
        return semop(id, &op, 1) == 0;
    return semctl(id, op.sem_num, SETVAL, (int)chance(32768)) == 0;
}

static bool
spoil_queue(void)
{
    int id = any_id("/proc/sysvipc/msg");
    struct {
        long type;
        uint8_t text[256];
    } m = {.type = 1 + (long)chance(3)};

    if (chance(40) == 0)
        return msgctl(id, IPC_RMID, NULL) == 0;
    nonsense(m.text, sizeof m.text);
    if (chance(4) == 0)
        return msgrcv(id, &m, sizeof m.text, 0, IPC_NOWAIT | MSG_NOERROR) != -1;
    return msgsnd(id, &m, chance(sizeof m.text), IPC_NOWAIT) == 0;
}

static bool
remove_segment(void)
{
    return shmctl(any_id("/proc/sysvipc/shm"), IPC_RMID, NULL) == 0;
}

/* -- where clients come in ------------------------------------------------- */

/* Where all clients are the server's own user it could write the file that tells
 * where the server is. */
static bool
is_no_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
}

static bool
write_to(const char *path, const uint8_t *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    bool done = fd != -1 && is_no_file(fd) && write(fd, bytes, n) == (ssize_t)n;

    if (fd != -1)
        close(fd);
    return done;
}

static bool
register_nonsense(const char *where)
{
    char join[ENDPOINT_SIZE];
    uint8_t bytes[200];

    nonsense(bytes, sizeof bytes);
    if (chance(4) == 0)
        return write_to(where, bytes, chance(sizeof bytes));
    if (endpoint_file(where, ".join", join) == 0 && chance(2) == 0)
        return write_to(join, bytes, chance(sizeof bytes));
    return register_ids(where, any_id("/proc/sysvipc/sem"), (int)chance(99999),
                        geteuid()) == 0;
}

/* -- one client ------------------------------------------------------------ */

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
be_a_client(struct host *h, uid_t uid, uint64_t left)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct client c;
    bool in = false;

    dup2(null, STDERR_FILENO); /* what it does to itself is its own business */
    close_range(3, ~0u, 0);    /* what we have open is not its to spoil */
    alarm(LASTS);
    become_user(uid);
    ipc_open_timeout = JOIN_WAIT;
    for (uint64_t i = 0; i < left && i < PER_CLIENT; i++) {
        if (!in && client_open(&c, h->m, h->where) != 0)
            break;
        if (!in) {
            tally->joined++;
            find_maps();
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

/* In a queue for all whoever fills it, or takes what comes out, keeps others from
 * being served: attacks 23 and 159.  Then only a report counts. */
static bool
is_kept_out(struct host *h)
{
    return !(h->m->uses & IPC_USES_ONE_QUEUE) && !is_served(h);
}

/* Until so much is done, or the server has gone; or nobody gets in any more. */
static const char *
besiege(struct host *h, uint64_t amount, uint64_t seed)
{
    int pidfd = (int)syscall(SYS_pidfd_open, h->server, 0);
    uint64_t done = 0, before;
    int idle = 0;

    MUST(pidfd != -1);
    for (uint64_t i = 0; done < amount && idle < 100; i++) {
        pid_t pid;

        chance_state = (seed + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        before = done;
        fflush(NULL);
        pid = fork();
        MUST(pid != -1);
        if (pid == 0)
            be_a_client(h, FIRST_UID + (uid_t)(i % UIDS), amount - done);
        while (waitpid(pid, NULL, 0) == -1)
            MUST(errno == EINTR);
        done = tally->frames + tally->changes;
        idle = done == before ? idle + 1 : 0;
        if (has_ended(pidfd))
            return "THE SERVER ENDED";
        if (i % 32 == 31 && is_kept_out(h))
            return "AN HONEST CLIENT WAS NOT SERVED";
    }
    close(pidfd);
    /* A server that trusts its clients lets nobody in but its own user. */
    if (done < amount && !(h->m->caps & IPC_TRUSTING && tally->joined == 0))
        return "NOBODY GOT IN ANY MORE";
    return is_kept_out(h) ? "AN HONEST CLIENT WAS NOT SERVED" : NULL;
}

/* NULL: nothing. */
static const char *
find_what_is_wrong(struct host *h, uint64_t amount, uint64_t seed)
{
    const char *wrong = besiege(h, amount, seed);
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
    struct host h;

    if (why != NULL) {
        printf("%-18s %s\n", mechanism, why);
        fflush(NULL);
        return m == NULL ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    stage_set(dir);
    tally = shared(sizeof *tally);
    start(&h, m);
    wrong = find_what_is_wrong(&h, strtoull(amount, NULL, 10),
                               strtoull(seed, NULL, 10));
    if (wrong == NULL)
        wrong = m->caps & IPC_TRUSTING ? "no report, and no other user got in"
                                       : "no report";
    else
        m = NULL;
    printf("%-18s %9llu frames %9llu changes %7llu sessions  %s\n", mechanism,
           (unsigned long long)tally->frames,
           (unsigned long long)tally->changes,
           (unsigned long long)tally->joined, wrong);
    fflush(NULL);
    return m != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
