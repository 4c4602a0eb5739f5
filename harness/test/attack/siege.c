/*
 * siege.c - how long does another user's hello take while one user does all
 * that it can to a server?  A measurement, not a test (../siege.sh).
 *
 *      besiegers   four processes of uid 10001, each doing one thing, again and
 *                  again, as fast as they can
 *      newcomer    uid 10002: opens, says hello, closes; a client each time
 *      this one    then ends the server by SIGTERM, and starts it again, all
 *                  that time under siege
 *
 * As root only.  What nobody answers within LIMIT counts as that long.
 */
#define _GNU_SOURCE /* fallocate, F_SETLEASE, close_range */
#include "test/attack/nonsense.h"
#include "test/attack/stage.h"

#include "core/clock.h"
#include "core/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BESIEGERS 4
#define SAMPLES   20000 /* at most */
#define LIMIT     (2 * NS_PER_SEC)
#define ROUND     200 /* times one thing is done before it joins again */

/* What a besieger knows. */
struct camp {
    const struct ipc_mechanism *m;
    const char *where;
    pid_t server, supervisor;
};

/* -- what they do; each once, or some times ------------------------------- */

/* Comes and goes as any client. */
static void
join_and_leave(const struct camp *p)
{
    struct client c;

    if (client_open(&c, p->m, p->where) == 0)
        client_close(&c);
}

/* Says that there are objects where there are none, or not its own: what the
 * server has to find out.  Whom it says it is changes. */
static void
register_nothing(const struct camp *p)
{
    const struct request r = {
        .mechanism = p->m->name,
        .replies = REPLIES(getpid(), chance(1u << 31)),
    };
    const uint32_t who = chance(2) == 0 ? ALICE : 20000 + chance(10000);
    uint8_t join[REQUEST_SIZE], bytes[256];
    size_t n;
    int fd;

    for (int i = 0; i < ROUND; i++)
        if (register_ids(p->where, (int)chance(100000), (int)chance(100000),
                         who) != 0)
            break;
    if (strncmp(p->m->name, "fifo/", 5) != 0)
        return;
    fd = open(p->where, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    n = strcmp(p->m->name, "fifo/perclient") == 0 ? make_join(&r, who, join)
                                                  : 0;
    nonsense(bytes, sizeof bytes);
    for (int i = 0; i < ROUND && fd != -1; i++)
        if (write(fd, n != 0 ? join : bytes, n != 0 ? n : sizeof bytes) == -1)
            break;
    if (fd != -1)
        close(fd);
}

/* As a client, with what clients have: */
typedef void deed(struct client *c, const struct camp *p);

static void
as_client(const struct camp *p, deed *d)
{
    struct client c;

    if (client_open(&c, p->m, p->where) != 0)
        return;
    find_maps(NULL);
    for (int i = 0; i < ROUND; i++)
        d(&c, p);
    /* As it is: what it did to itself does not let it close. */
    _exit(0);
}

static void
write_rubbish(struct client *c, const struct camp *p)
{
    (void)c;
    scribble();
    spoil_descriptor();
    register_nonsense(p->where);
}

static void
change_objects(struct client *c, const struct camp *p)
{
    (void)c, (void)p;
    spoil_set();
    spoil_queue();
    remove_segment();
}

/* Holes in a file make whoever uses it wait: fallocate(2). */
static void
hold_files(struct client *c, const struct camp *p)
{
    struct stat st;

    (void)c, (void)p;
    for (int fd = 3; fd < 16; fd++) {
        if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
            continue;
        fcntl(fd, F_SETLEASE, F_WRLCK);
        flock(fd, LOCK_EX | LOCK_NB);
        fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 26);
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 26);
    }
}

static void
send_signals(struct client *c, const struct camp *p)
{
    static const int numbers[] = {SIGTERM, SIGKILL, SIGSTOP, SIGHUP, SIGIO};

    (void)c;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        kill(p->server, numbers[i]);
        kill(p->supervisor, numbers[i]);
    }
}

static void
ask_and_not_read(struct client *c, const struct camp *p)
{
    struct ipc_message m = {.buf = c->buf, .fd = -1};

    (void)p;
    m.len = make_frame(c->buf, API_describe);
    ipc_send(c->m, &c->limits, c->state, &m, NS_PER_MS);
}

#define AS_CLIENT(name, d) \
    static void name(const struct camp *p) \
    { \
        as_client(p, d); \
    }
AS_CLIENT(rubbish, write_rubbish)
AS_CLIENT(objects, change_objects)
AS_CLIENT(files, hold_files)
AS_CLIENT(signals, send_signals)
AS_CLIENT(unread, ask_and_not_read)

static const struct manner {
    const char *name;
    void (*once)(const struct camp *p);
} manners[] = {
    {"nothing", NULL},
    {"joining", join_and_leave},
    {"registering", register_nothing},
    {"rubbish", rubbish},
    {"objects", objects},
    {"files", files},
    {"signals", signals},
    {"not reading", unread},
};
#define MANNERS (sizeof manners / sizeof *manners)

/* -- the siege ------------------------------------------------------------ */

/* One who has spoilt its own memory ends, and another one takes its place. */
_Noreturn static void
besiege(const struct camp *p, const struct manner *how, uint64_t seed)
{
    for (uint64_t i = 0;; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            alarm(2);
            chance_seed(seed + i);
            for (int n = 0; n < ROUND; n++)
                how->once(p);
            _exit(0);
        }
        if (pid != -1)
            waitpid(pid, NULL, 0);
    }
}

static void
begin_siege(const struct host *h, const struct manner *how,
            pid_t besiegers[BESIEGERS])
{
    const struct camp p = {.m = h->m,
                           .where = h->where,
                           .server = h->server,
                           .supervisor = h->pid};

    for (int i = 0; i < BESIEGERS; i++) {
        int null;

        besiegers[i] = how->once == NULL ? 0 : fork();
        MUST(besiegers[i] != -1);
        if (besiegers[i] != 0 || how->once == NULL)
            continue;
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO);
        close_range(3, ~0u, 0);
        setpgid(0, 0); /* to be ended with all its own */
        become_user(ALICE);
        ipc_open_timeout = 100 * NS_PER_MS;
        besiege(&p, how, (uint64_t)i << 32);
    }
}

static void
end_siege(const pid_t besiegers[BESIEGERS])
{
    for (int i = 0; i < BESIEGERS; i++)
        if (besiegers[i] > 0) {
            setpgid(besiegers[i],
                    besiegers[i]); /* it may not have come so far */
            kill(-besiegers[i], SIGKILL);
            while (waitpid(besiegers[i], NULL, 0) == -1)
                MUST(errno == EINTR);
        }
}

/* -- the newcomer --------------------------------------------------------- */

struct times {
    struct host *h;
    int64_t end;
    size_t count, failed;
    int64_t ns[SAMPLES];
};

static int
say_hello(struct host *h)
{
    struct api_value name = {.at = "siege", .len = 5};
    struct client c;
    struct reply r;
    int err = client_open(&c, h->m, h->where);

    if (err != 0)
        return err;
    if (h->m->caps & IPC_ONEWAY)
        err = client_send(&c, api_by_name("hello"), &name, NULL, LIMIT);
    else
        err = client_call(&c, api_by_name("hello"), &name, &r, LIMIT);
    client_close(&c);
    return err;
}

static void
newcomer(void *arg)
{
    struct times *t = arg;

    ipc_open_timeout = LIMIT;
    while (t->count < SAMPLES && time_left(t->end) > 0) {
        int64_t begun = now_ns();
        int err = say_hello(t->h);

        t->failed += err != 0;
        t->ns[t->count++] = err != 0 ? LIMIT : now_ns() - begun;
    }
}

static int
by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double
ms(int64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

/* -- one manner, and all -------------------------------------------------- */

static void
start(struct host *h, const struct ipc_mechanism *m)
{
    struct host_options options = {.cpu = -1, .quiet = getenv("LOUD") == NULL};

    MUST(host_start(h, m, run_dir, &options) == 0);
}

static void
measure(const struct ipc_mechanism *m, const struct manner *how, int64_t lasts)
{
    struct times *t;
    pid_t besiegers[BESIEGERS];
    int64_t begun, stop;
    struct host h;
    int status;

    start(&h, m);
    begin_siege(&h, how, besiegers);
    t = shared(sizeof *t); /* not before: they write into what is shared */
    t->h = &h;
    t->end = deadline_in(lasts);
    as_user(BOB, newcomer, t);
    begun = now_ns();
    status = host_stop(&h);
    stop = now_ns() - begun;
    begun = now_ns();
    start(&h, m);
    printf("%s,%s,%zu,%zu,%.1f,", m->name, how->name, t->count, t->failed,
           ms(stop));
    printf("%d,%.1f,", status, ms(now_ns() - begun));
    end_siege(besiegers);
    host_stop(&h);
    MUST(t->count > 0);
    qsort(t->ns, t->count, sizeof *t->ns, by_size);
    printf("%.2f,%.2f,%.2f\n", ms(t->ns[t->count / 2]),
           ms(t->ns[t->count - 1 - t->count / 100]), ms(t->ns[t->count - 1]));
    fflush(NULL);
    munmap(t, sizeof *t);
}

int
siege(const char *mechanism, const char *seconds, const char *manner,
      const char *dir)
{
    const struct ipc_mechanism *m = ipc_find(mechanism);

    if (m == NULL || m->caps & (IPC_SPAWNED | IPC_CALLED) ||
        users_missing() != NULL || ipc_unavailable(m) != NULL) {
        fprintf(stderr, "%s: not measured: %s\n", mechanism,
                m == NULL                    ? "there is no such mechanism"
                : users_missing() != NULL    ? users_missing()
                : ipc_unavailable(m) != NULL ? ipc_unavailable(m)
                                             : "no daemon");
        return EXIT_FAILURE;
    }
    stage_set(dir);
    for (size_t i = 0; i < MANNERS; i++)
        if (strcmp(manner, "all") == 0 || strcmp(manner, manners[i].name) == 0)
            measure(m, &manners[i], atoll(seconds) * NS_PER_SEC);
    return EXIT_SUCCESS;
}
