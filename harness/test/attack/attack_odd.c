/* attack_odd.c - messages and objects that a textbook does not think of: out of
 * band, of no bytes, memory of another kind, a program with its caller's share. */
#define _GNU_SOURCE /* memfd_create, MSG_COPY, sched_setscheduler, SHM_STAT_ANY */
#include "test/attack/edge.h"
#include "test/attack/hand.h"

#include "core/clock.h"
#include "core/rendezvous.h"
#include "core/rings.h"

#include "../../../socket/local.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* -- 250: out of band ----------------------------------------------------- */

static bool
rests(const struct host *server)
{
#ifdef SYS_epoll_wait
    if (is_in_call(server->server, SYS_epoll_wait))
        return true;
#endif
#ifdef SYS_poll
    if (is_in_call(server->server, SYS_poll))
        return true;
#endif
    return is_in_call(server->server, SYS_epoll_pwait) ||
           is_in_call(server->server, SYS_ppoll) ||
           is_in_call(server->server, SYS_rt_sigtimedwait);
}

/* A byte of each kind, and then nothing more: neither is a header. */
static void
bob_is_urgent(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    struct sockaddr_in at;
    int fd;

    if (strcmp(this_attack->mechanism, "socket/tcp") == 0) {
        at = address_in(e->path);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        MUST(connect(fd, (const struct sockaddr *)&at, sizeof at) == 0);
    } else {
        fd = connect_and_enter(e->path, SOCK_STREAM);
    }
    MUST(fd != -1);
    for (int i = 0; i < 3; i++) {
        if (send(fd, "!", 1, MSG_OOB | MSG_NOSIGNAL) == -1)
            break;
        send(fd, "i", 1, MSG_NOSIGNAL);
        send(fd, "!", 1, MSG_OOB | MSG_NOSIGNAL);
    }
    actor_step(self);
}

static bool
is_urgent(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;
    char bytes[16];
    int pair[2];

    if (naive) { /* "what is sent at once comes at once" */
        MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        MUST(send(pair[0], bytes, sizeof bytes, MSG_OOB) == sizeof bytes);
        return recv(pair[1], bytes, sizeof bytes, 0) != sizeof bytes;
    }
    serve(&server, this_attack->mechanism);
    strcpy(e->path, server.where);
    actor_start(&bob, BOB, bob_is_urgent, e);
    actor_wait(&bob);
    as_user(ALICE, alice_is_served, e);
    /* And is it asleep now and then, or does it go round and round? */
    for (int i = 0; !rests(&server) && !e->fell; i++)
        if (i == 100000)
            e->fell = true;
    actor_kill(&bob);
    host_stop(&server);
    return e->fell;
}

static const char *
need_urgency(void)
{
    int pair[2];
    bool can;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return "need sockets";
    can = send(pair[0], "!", 1, MSG_OOB) == 1;
    close(pair[0]);
    close(pair[1]);
    return can ? NULL : "need MSG_OOB in AF_UNIX (Linux 5.15)";
}

/* -- 251: listens to somebody else ---------------------------------------- */

/* A connected datagram socket takes datagrams from that peer only: EPERM. */
static int
find_socket(int type)
{
    socklen_t len = sizeof(int);
    int is, fd;

    for (fd = 3; fd < 64; fd++)
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &is, &len) == 0 && is == type)
            return fd;
    MUST(false);
    return -1;
}

static void
bob_listens_elsewhere(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    struct client c;

    MUST(host_client(e->server, &c) == 0 && whoami(&c) == BOB);
    actor_step(self); /* the server is stopped */
    MUST(client_send(&c, api_by_name("whoami"), NULL, NULL, ATTACK_TIMEOUT) ==
         0);
    connect_at(find_socket(SOCK_DGRAM), e->path);
    actor_step(self);
}

static void
send_to_him(void *arg)
{
    const struct edge *e = arg;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at;
    socklen_t len = local_path(&at, e->dir);

    if (sendto(fd, "reply", 5, 0, (struct sockaddr *)&at, len) == -1)
        _exit(EXIT_FAILURE);
}

static bool
listens_elsewhere(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    struct actor bob;
    int his;

    snprintf(e->path, sizeof e->path, "%s/elsewhere", stage_dir);
    bind_local(e->path, SOCK_DGRAM);
    if (naive) {
        snprintf(e->dir, sizeof e->dir, "%s/his", stage_dir);
        his = bind_local(e->dir, SOCK_DGRAM);
        connect_at(his, e->path);
        return textbook_ends(send_to_him, e);
    }
    serve(&server, this_attack->mechanism);
    actor_start(&bob, BOB, bob_listens_elsewhere, e);
    actor_wait(&bob);
    pause_server(&server);
    actor_go(&bob);
    actor_wait(&bob);
    resume_server(&server);
    as_user(ALICE, alice_is_served, e);
    actor_kill(&bob);
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
    int fifo = registration_open(e->server->where);

    r.id[0] = (uint32_t)make_memory(e->id);
    MUST(fifo >= 0 && registration_send(fifo, &r, NO_DEADLINE) == 0);
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

/* -- 256: the same port, once more ---------------------------------------- */

static void
bob_listens_there(void *arg)
{
    struct edge *e = arg;
    struct sockaddr_in at = address_in(e->path);
    const int one = 1;

    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        MUST(fd != -1);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
        at.sin_addr.s_addr = i == 0 ? htonl(INADDR_LOOPBACK) : INADDR_ANY;
        e->fell =
            e->fell || (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
                        listen(fd, 1) == 0);
    }
}

static bool
listens_at_its_port(bool naive)
{
    struct sockaddr_in any = loopback();
    struct host server;
    struct edge *e = make_edge(&server);
    char text[64];
    int fd;

    if (naive) { /* bound, and not yet listening: "SO_REUSEADDR, always" */
        fd = make_bound(SOCK_STREAM, 1, &any);
        MUST(fd >= 0);
        any = address_of(fd);
        snprintf(text, sizeof text, "127.0.0.1:%u\n", ntohs(any.sin_port));
        strcpy(e->path, make_file("port", text, 0644));
        as_user(BOB, bob_listens_there, e);
        return e->fell;
    }
    serve(&server, this_attack->mechanism);
    strcpy(e->path, server.where);
    as_user(BOB, bob_listens_there, e);
    host_stop(&server);
    return e->fell;
}

/* -- 269, 270: datagrams -------------------------------------------------- */

static int
udp_to(const char *where)
{
    struct sockaddr_in at = address_in(where);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    MUST(fd != -1 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    return fd;
}

static void
bob_says_nothing(void *arg)
{
    const struct edge *e = arg;
    int fd = strcmp(this_attack->mechanism, "socket/udp") == 0
                 ? udp_to(e->path)
                 : connect_local(e->path, SOCK_DGRAM);

    for (int i = 0; i < 10; i++)
        MUST(send(fd, "", 0, 0) == 0);
    close(fd);
}

/* "recv(2) says 0: the end." */
static bool
says_nothing(bool naive)
{
    struct host server;
    struct edge *e = make_edge(&server);
    int pair[2];
    char byte;

    if (naive) {
        MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
        MUST(send(pair[0], "", 0, 0) == 0);
        return recv(pair[1], &byte, 1, 0) == 0;
    }
    serve(&server, this_attack->mechanism);
    strcpy(e->path, server.where);
    as_user(BOB, bob_says_nothing, e);
    as_user(ALICE, alice_is_served, e);
    host_stop(&server);
    return e->fell;
}

static void
bob_asks_and_is_gone(void *arg)
{
    const struct edge *e = arg;
    uint8_t frame[WIRE_HEADER];

    make_frame(frame, API_hello);
    for (int i = 0; i < 20; i++) {
        int fd = udp_to(e->path);

        MUST(send(fd, frame, sizeof frame, 0) == sizeof frame);
        close(fd);
    }
}

/* The kernel answers for a port that is closed, ICMP; and he who is connected
 * hears of it in whatever he does next. */
static void
answer_who_is_gone(void *arg)
{
    struct sockaddr_in *at = arg;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)at, sizeof *at) == -1 ||
        send(fd, "reply", 5, 0) == -1 || send(fd, "reply", 5, 0) == -1)
        _exit(EXIT_FAILURE);
}

static bool
asks_and_is_gone(bool naive)
{
    struct sockaddr_in any = loopback();
    struct host server;
    struct edge *e = make_edge(&server);
    int fd;

    if (naive) {
        fd = make_bound(SOCK_DGRAM, 0, &any);
        MUST(fd >= 0);
        any = address_of(fd);
        close(fd);
        return textbook_ends(answer_who_is_gone, &any);
    }
    serve(&server, this_attack->mechanism);
    strcpy(e->path, server.where);
    as_user(BOB, bob_asks_and_is_gone, e);
    as_user(ALICE, alice_is_served, e);
    host_stop(&server);
    return e->fell;
}

/* -- 257 to 260: what a client leaves to its server, or does to it --------- */

struct heir {
    struct host server;
    void (*leave)(const struct heir *h); /* before it starts it */
    char path[PATH_MAX];
    pid_t pid; /* of the server */
    bool fell;
};

static struct heir *
make_heir(void (*leave)(const struct heir *h))
{
    struct heir *h = shared(sizeof *h);

    serve_set_user_id(&h->server, "pipe/coprocess");
    h->leave = leave;
    snprintf(h->path, sizeof h->path, "%s/hers", stage_dir);
    MUST(mkdir(h->path, 0777) == 0);
    return h;
}

/* The first, if there are several; 0: none. */
static pid_t
child_of(pid_t pid)
{
    char path[64];
    int child = 0;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid,
             (int)pid);
    in = fopen(path, "re");
    if (in != NULL) {
        if (fscanf(in, "%d", &child) != 1)
            child = 0;
        fclose(in);
    }
    return (pid_t)child;
}

static void
alice_starts_it(struct actor *self, void *arg)
{
    struct heir *h = arg;
    struct client c;

    h->leave(h);
    MUST(host_client(&h->server, &c) == 0 && whoami(&c) == ALICE);
    h->pid = child_of(getpid());
    MUST(h->pid > 0 && chdir("/") == 0);
    actor_step(self);
    client_close(&c);
}

static void
leave_no_stack(const struct heir *h)
{
    const struct rlimit little = {256 << 10, RLIM_INFINITY};

    (void)h;
    MUST(setrlimit(RLIMIT_STACK, &little) == 0);
}

static bool
leaves_no_stack(bool naive)
{
    struct heir *h = make_heir(leave_no_stack);
    char path[64], line[128];
    struct actor alice;
    long long now = 0;
    FILE *in;

    (void)naive;
    actor_start(&alice, ALICE, alice_starts_it, h);
    actor_wait(&alice);
    snprintf(path, sizeof path, "/proc/%d/limits", (int)h->pid);
    in = fopen(path, "re");
    MUST(in != NULL);
    while (fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "Max stack size %lld", &now) == 1)
            break;
    fclose(in);
    MUST(now > 0);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&h->server);
    return now < 1 << 20;
}

/* What time limits are left (poll), which kernel this is (uname), and more, is
 * told otherwise then: personality(2). */
static void
leave_a_personality(const struct heir *h)
{
    (void)h;
    MUST(personality(STICKY_TIMEOUTS | UNAME26) != -1);
}

static bool
leaves_a_personality(bool naive)
{
    struct heir *h = make_heir(leave_a_personality);
    unsigned persona = 0;
    char path[64];
    struct actor alice;
    FILE *in;

    (void)naive;
    actor_start(&alice, ALICE, alice_starts_it, h);
    actor_wait(&alice);
    snprintf(path, sizeof path, "/proc/%d/personality", (int)h->pid);
    in = fopen(path, "re");
    MUST(in != NULL && fscanf(in, "%x", &persona) == 1);
    fclose(in);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&h->server);
    return persona != PER_LINUX;
}

static void
leave_a_directory(const struct heir *h)
{
    MUST(chdir(h->path) == 0);
}

/* What somebody works in cannot be unmounted. */
static bool
leaves_a_directory(bool naive)
{
    struct heir *h = make_heir(leave_a_directory);
    struct actor alice;
    bool busy;

    MUST(mount("hers", h->path, "tmpfs", 0, "mode=0777") == 0);
    if (naive) { /* a textbook's server stays where it was started */
        MUST(chdir(h->path) == 0);
        return umount(h->path) == -1 && errno == EBUSY;
    }
    actor_start(&alice, ALICE, alice_starts_it, h);
    actor_wait(&alice);
    busy = umount(h->path) == -1;
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&h->server);
    return busy;
}

/* Its real uid is hers, which is all that setpriority(2) names.  But the kernel
 * looks at the capabilities, too: capabilities(7), CAP_SYS_NICE. */
static void
alice_slows_it_down(struct actor *self, void *arg)
{
    const struct sched_param none = {.sched_priority = 0};
    struct heir *h = arg;

    actor_step(self);
    h->fell = setpriority(PRIO_PROCESS, (id_t)h->pid, 19) == 0 ||
              sched_setscheduler(h->pid, SCHED_IDLE, &none) == 0;
    MUST(h->fell || errno == EPERM);
    actor_step(self);
}

static void
leave_nothing_odd(const struct heir *h)
{
    (void)h;
}

static void
alice_waits(struct actor *self, void *arg)
{
    struct heir *h = arg;

    h->pid = getpid();
    actor_step(self);
}

static bool
slows_it_down(bool naive)
{
    struct heir *h = make_heir(leave_nothing_odd);
    struct actor owner, slower;

    actor_start(&owner, ALICE, naive ? alice_waits : alice_starts_it, h);
    actor_wait(&owner);
    actor_start(&slower, ALICE, alice_slows_it_down, h);
    actor_wait(&slower);
    actor_go(&slower);
    actor_wait(&slower);
    actor_kill(&slower);
    actor_go(&owner);
    actor_end(&owner);
    host_stop(&h->server);
    return h->fell;
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
#define URGENT \
    .what = "sends out of band, and then nothing", .how = "bytes like others", \
    .missing = need_urgency, .run = is_urgent
#define NOTHING \
    .what = "sends datagrams of no bytes", .how = "no request", \
    .run = says_nothing

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
    {.number = 250, .mechanism = "socket/stream", URGENT},
    {.number = 250, .mechanism = "socket/threads", URGENT},
    {.number = 250, .mechanism = "socket/tcp", URGENT},
    {251, "socket/dgram", "asks, and listens to another only",
     .how = "EPERM: he gets no reply", .run = listens_elsewhere},
    {253, "shm/futex", "brings huge pages that are not there",
     .how = "must be in memfd's tmpfs", .missing = need_no_huge_pages,
     .run = brings_huge_pages},
    {254, "shm/futex", "brings memory nobody can map to write",
     .how = "mmap(2) fails, he is out", .run = brings_what_cannot_be_written},
    {256, "socket/tcp", "listens at the server's port, too",
     .how = "EADDRINUSE", .run = listens_at_its_port},
    {257, "pipe/coprocess", "slows it down while it serves",
     .how = "it has capabilities", .run = slows_it_down},
    {258, "pipe/coprocess", "leaves it next to no stack", .without = "limits",
     .how = "limits are set anew", .run = leaves_no_stack},
    {259, "pipe/coprocess", "leaves it a personality(2)",
     .without = "personality", .how = "PER_LINUX", .run = leaves_a_personality},
    {260, "pipe/coprocess", "leaves it in her mount", .how = "chdir(\"/\")",
     .run = leaves_a_directory},
    {261, "append_log", "writes newline, CR and ESC", .without = "quote",
     .how = "\\xNN", .run = writes_two_lines},
    {262, "read_file", "has NUL in the name", .how = "not a path",
     .run = cuts_the_name},
    {.number = 269, .mechanism = "socket/udp", NOTHING},
    {.number = 269, .mechanism = "socket/dgram", NOTHING},
    {270, "socket/udp", "asks, and has closed the port",
     .how = "unconnected: no error", .run = asks_and_is_gone},
    {0},
};
