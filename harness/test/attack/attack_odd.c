/* attack_odd.c - messages and objects that a textbook does not think of: looked
 * at and left there, attached by all, memory of another kind, two lines in
 * one. */
#define _GNU_SOURCE /* memfd_create, MSG_COPY, SHM_STAT_ANY */
#include "test/attack/edge.h"
#include "test/attack/hand.h"

#include "core/rendezvous.h"
#include "core/rings.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- 244: who is told that a message has come ----------------------------- */

/* There is one who is, and one may be it who may only write. */
static void
bob_wants_to_be_told(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    mqd_t queue = mq_open(e->path, O_WRONLY | O_CLOEXEC);

    MUST(queue != -1);
    MUST(mq_notify(queue, &(struct sigevent){.sigev_notify = SIGEV_NONE}) == 0);
    actor_step(self);
}

static bool
is_told_in_its_place(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;
    mqd_t queue = -1;

    if (naive) {
        strcpy(e->path, "/textbook");
        queue = mq_open(e->path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0622,
                        NULL);
        MUST(queue != -1 && fchmod(queue, 0622) == 0);
    } else {
        serve(&server, this_attack->mechanism);
        MUST(endpoint_lookup(server.where, "queue", e->path, ENDPOINT_SIZE) ==
             0);
    }
    actor_start(&bob, BOB, bob_wants_to_be_told, e);
    actor_wait(&bob);
    if (naive)
        e->fell = mq_notify(queue, &(struct sigevent){.sigev_notify =
                                                          SIGEV_NONE}) == -1;
    else
        as_user(ALICE, alice_is_served, e);
    actor_kill(&bob);
    if (!naive)
        host_stop(&server);
    return e->fell;
}

/* -- 245: reads what others ask ------------------------------------------- */

static void
bob_opens_to_read(void *arg)
{
    struct edge *e = arg;
    int fd = e->path[0] == '/' && strchr(e->path + 1, '/') == NULL
                 ? mq_open(e->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
                 : open(e->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    e->fell = fd != -1;
    MUST(e->fell || errno == EACCES);
}

static bool
reads_what_others_ask(bool naive)
{
    const bool queue = strcmp(this_attack->mechanism, "msgq/posix") == 0,
               joins = strcmp(this_attack->mechanism, "fifo/perclient") != 0;
    struct host server;
    struct edge *e = make_edge(&server);

    if (naive) { /* "all are to write there" */
        snprintf(e->path, sizeof e->path, "%s/requests", stage_dir);
        MUST(mkfifo(e->path, 0666) == 0 && chmod(e->path, 0666) == 0);
        as_user(BOB, bob_opens_to_read, e);
        return e->fell;
    }
    serve(&server, this_attack->mechanism);
    if (queue)
        MUST(endpoint_lookup(server.where, "queue", e->path, ENDPOINT_SIZE) ==
             0);
    else
        snprintf(e->path, sizeof e->path, "%.200s%s", server.where,
                 joins ? ".join" : "");
    as_user(BOB, bob_opens_to_read, e);
    host_stop(&server);
    return e->fell;
}

/* -- 246: looks at a message and leaves it there -------------------------- */

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static void
bob_copies(void *arg)
{
    struct edge *e = arg;
    struct {
        long type;
        char text[8192];
    } m;

    e->fell = msgrcv(e->id, &m, sizeof m.text, 0, MSG_COPY | IPC_NOWAIT) >= 0;
    MUST(e->fell || errno == EACCES || errno == ENOSYS);
}

static const char *
need_copies(void)
{
    char byte[16];

    return msgrcv(-1, byte, 0, 0, MSG_COPY | IPC_NOWAIT) == -1 &&
                   errno == ENOSYS
               ? "need MSG_COPY (CONFIG_CHECKPOINT_RESTORE)"
               : NULL;
}

/* Nobody notices: it is still there. */
static bool
copies_a_message(bool naive)
{
    const struct {
        long type;
        char text[8];
    } m = {.type = 1, .text = "secret"};
    struct host server;
    struct edge *e = make_edge(&server);

    if (!naive) {
        serve(&server, this_attack->mechanism);
        e->id = queue_of(server.where);
    } else {
        e->id = msgget(IPC_PRIVATE, 0666);
    }
    MUST(e->id != -1);
    if (naive)
        MUST(msgsnd(e->id, &m, sizeof m.text, 0) == 0);
    as_user(BOB, bob_copies, e);
    if (!naive)
        host_stop(&server);
    return e->fell;
}

/* -- 248: attaches whatever segment there is ------------------------------ */

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif

static void
bob_attaches_all(void *arg)
{
    struct edge *e = arg;
    struct shmid_ds ds;
    int seen = 0;

    for (int i = 0; i < 1000; i++) {
        int id = shmctl(i, SHM_STAT_ANY, &ds);

        if (id == -1)
            continue;
        seen++;
        e->fell = e->fell || shmat(id, NULL, 0) != (void *)-1 ||
                  shmat(id, NULL, SHM_RDONLY) != (void *)-1;
    }
    MUST(seen > 0);
}

static bool
attaches_all(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct client c;

    if (naive) { /* "its number is known to us two" */
        MUST(shmget(IPC_PRIVATE, 4096, 0666) != -1);
        as_user(BOB, bob_attaches_all, e);
        return e->fell;
    }
    serve(&server, this_attack->mechanism);
    MUST(host_client(&server, &c) == 0 && whoami(&c) >= 0);
    as_user(BOB, bob_attaches_all, e);
    client_close(&c);
    host_stop(&server);
    return e->fell;
}

/* -- 253, 254: memory of another kind ------------------------------------- */

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4u
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

/* As a client's, but for the kind. */
static int
make_memory(bool huge)
{
    int fd = memfd_create("bob", MFD_CLOEXEC | MFD_ALLOW_SEALING |
                                     (huge ? MFD_HUGETLB : 0));
    const struct rings_head head = {.ready = RINGS_READY,
                                    .verdict = RINGS_NOT_YET,
                                    .uid = BOB,
                                    .serial = 1};
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    MUST(fd != -1 && fchmod(fd, 0600) == 0);
    MUST(ftruncate(fd, huge ? 1 << 21 : sizeof(struct rings_segment)) == 0);
    if (!huge)
        MUST(pwrite(fd, &head, sizeof head, 0) == sizeof head);
    MUST(fcntl(fd, F_OFD_SETLK, &lock) == 0 || huge);
    MUST(fcntl(fd, F_ADD_SEALS,
               F_SEAL_SHRINK | F_SEAL_GROW |
                   (huge ? 0 : F_SEAL_FUTURE_WRITE)) == 0);
    return fd;
}

static void
bob_brings_memory(struct actor *self, void *arg)
{
    struct edge *e = arg;
    struct registration r = {
        .uid = BOB, .pid = (uint32_t)getpid(), .serial = 1};

    r.id[0] = (uint32_t)make_memory(e->id);
    MUST(register_this(e->server->where, &r) == 0);
    actor_step(self);
}

static void
map_and_write(void *arg)
{
    const struct edge *e = arg;
    int fd = make_memory(e->id);
    char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_NORESERVE, fd, 0);

    if (at == MAP_FAILED)
        _exit(EXIT_FAILURE);
    *(volatile char *)at = 1;
}

static bool
brings(bool naive, bool huge)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;

    e->id = huge;
    if (naive)
        return textbook_ends(map_and_write, e);
    serve(&server, this_attack->mechanism);
    actor_start(&bob, BOB, bob_brings_memory, e);
    actor_wait(&bob);
    as_user(ALICE, alice_is_served, e);
    actor_kill(&bob);
    host_stop(&server);
    return e->fell;
}

static bool
brings_huge_pages(bool naive)
{
    return brings(naive, true);
}

static bool
brings_what_cannot_be_written(bool naive)
{
    return brings(naive, false);
}

static const char *
need_no_huge_pages(void)
{
    int fd = memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB);
    const char *why = NULL;
    void *at;

    if (fd == -1)
        return "need memfd_create(MFD_HUGETLB)";
    at = ftruncate(fd, 1 << 21) == 0
             ? mmap(NULL, 1 << 21, PROT_READ, MAP_SHARED, fd, 0)
             : MAP_FAILED;
    if (at != MAP_FAILED) {
        why = "need a machine without huge pages set aside";
        munmap(at, 1 << 21);
    }
    close(fd);
    return why;
}

/* -- 261: the log --------------------------------------------------------- */

static void
bob_writes_two_lines(void *arg)
{
    struct edge *e = arg;
    const char text[] = "hello\n1970-01-01 uid=0 \x1b[2J\r";
    const struct api_value value = {.at = text, .len = sizeof text - 1};
    struct client c;
    struct reply r;

    MUST(host_client(e->server, &c) == 0);
    MUST(client_call(&c, api_by_name("append_log"), &value, &r,
                     ATTACK_TIMEOUT) == 0);
    MUST(r.status == WIRE_OK);
    client_close(&c);
}

static bool
writes_two_lines(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    char line[4096];
    int lines = 0;
    FILE *in;

    (void)naive;
    serve(&server, "socket/stream");
    as_user(BOB, bob_writes_two_lines, e);
    snprintf(e->path, sizeof e->path, "%s/append.log", run_dir);
    in = fopen(e->path, "re");
    MUST(in != NULL);
    while (fgets(line, sizeof line, in) != NULL) {
        lines++;
        e->fell = e->fell || strchr(line, '\r') != NULL ||
                  strchr(line, '\x1b') != NULL;
    }
    fclose(in);
    MUST(lines > 0);
    host_stop(&server);
    return e->fell || lines != 1;
}

/* -- 262: a name that ends in the middle ---------------------------------- */

#define MARK '#' /* where the NUL is to be: no client of ours sends one */

struct cut {
    char name[PATH_MAX], where[ENDPOINT_SIZE];
    bool fell;
};

static void
bob_cuts_the_name(void *arg)
{
    struct cut *f = arg;
    const struct api_value args[] = {
        {.at = f->name, .len = strlen(f->name)}, {.u64 = 0}, {.u32 = 100}};
    uint8_t frame[REQUEST_ROOM], reply[WIRE_HEADER] = {0}, *mark;
    size_t n = make_call(frame, "read_file", args);
    int fd = connect_and_enter(f->where, SOCK_STREAM);
    ssize_t got;

    mark = memchr(frame, MARK, n);
    MUST(mark != NULL);
    *mark = '\0';
    MUST(send(fd, frame, n, MSG_NOSIGNAL) == (ssize_t)n);
    got = recv(fd, reply, sizeof reply, MSG_WAITALL);
    f->fell = got == WIRE_HEADER && get32(reply + 12) == WIRE_OK;
}

/* "Only what ends in .txt." */
static bool
cuts_the_name(bool naive)
{
    const char *path = make_file("public", SECRET, 0644);
    struct cut *f = shared(sizeof *f);
    struct host server;
    char *mark;

    snprintf(f->name, sizeof f->name, "%s%c.txt", path, MARK);
    if (naive) {
        mark = strchr(f->name, MARK);
        MUST(mark != NULL);
        *mark = '\0';
        return memcmp(f->name + strlen(f->name) + 1, ".txt", 4) == 0 &&
               open(f->name, O_RDONLY | O_CLOEXEC) != -1;
    }
    serve(&server, "socket/stream");
    strcpy(f->where, server.where);
    as_user(BOB, bob_cuts_the_name, f);
    host_stop(&server);
    return f->fell;
}

/* -- the table ------------------------------------------------------------ */

#define READS \
    .what = "reads what others ask", .how = "mode 0622: EACCES", \
    .run = reads_what_others_ask

const struct attack odd_attacks[] = {
    {244, "msgq/posix", "takes the queue's notification",
     .how = "poll(2), not mq_notify(3)", .run = is_told_in_its_place},
    {.number = 245, .mechanism = "fifo/perclient", READS},
    {.number = 245, .mechanism = "msgq/posix", READS},
    {.number = 245, .mechanism = "shm/futex", READS},
    {246, "msgq/sysv-private", "copies requests (MSG_COPY)",
     .how = "mode 0622: EACCES", .missing = need_copies,
     .run = copies_a_message},
    {248, "shm/sysv", "attaches every segment there is",
     .how = "mode 0600: EACCES", .run = attaches_all},
    {253, "shm/futex", "brings huge pages that are not there",
     .how = "must be in memfd's tmpfs", .missing = need_no_huge_pages,
     .run = brings_huge_pages},
    {254, "shm/futex", "brings memory nobody can map to write",
     .how = "mmap(2) fails, he is out", .run = brings_what_cannot_be_written},
    {261, "append_log", "writes newline, CR and ESC", .without = "quote",
     .how = "\\xNN", .run = writes_two_lines},
    {262, "read_file", "has NUL in the name", .how = "not a path",
     .run = cuts_the_name},
    {0},
};
