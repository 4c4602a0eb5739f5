/* attack_passed.c - AF_UNIX sockets: what travels beside a message, what
 * happens to it on the way, and descriptors that a server passes away. */
#define _GNU_SOURCE /* vmsplice, splice, memmem */
#include "test/attack/attack.h"
#include "test/both/silent.h"

#include "core/ancillary.h"
#include "core/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* unix(7), SCM_MAX_FD: so many at once. */
#define MOST 253

/* A request with n descriptors beside it, all the same one.  false: the kernel
 * does not let it in there (SO_PASSRIGHTS). */
static bool
pass(int socket, int fd, size_t n)
{
    int fds[MOST];

    for (size_t i = 0; i < n; i++)
        fds[i] = fd;
    if (send_beside(socket, SCM_RIGHTS, fds, n * sizeof fd) == WIRE_HEADER)
        return true;
    MUST(errno == EPERM);
    return false;
}

/* -- 55, 56: descriptors -------------------------------------------------- */

struct passer {
    char where[ENDPOINT_SIZE];
    size_t count, times;
};

static void
bob_passes(void *arg)
{
    const struct passer *g = arg;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char byte;

    for (size_t i = 0; i < g->times; i++) {
        int fd = connect_and_enter(g->where, SOCK_STREAM);

        while (pass(fd, nothing, g->count) && recv(fd, &byte, 1, 0) == 1)
            continue; /* until he is cut off */
        close(fd);
    }
}

/* The textbook's receiver: "there is room for one". */
static bool
keeps_what_it_gets(size_t count)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char bytes[WIRE_HEADER];
    struct iovec data = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    int pair[2], before, one;

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    before = open_descriptors(getpid());
    MUST(pass(pair[0], 0, count));
    MUST(recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == WIRE_HEADER);
    memcpy(&one, CMSG_DATA(&control.header), sizeof one);
    close(one);
    return open_descriptors(getpid()) > before;
}

static bool
passes(size_t count, size_t times)
{
    struct passer *g = shared(sizeof *g);
    struct host server;
    struct client honest;
    int before, after;

    serve(&server, "socket/stream");
    MUST(host_client(&server, &honest) == 0);
    MUST(whoami(&honest) == (int64_t)geteuid());
    before = open_descriptors(server.server);
    strcpy(g->where, server.where);
    g->count = count;
    g->times = times;
    as_user(BOB, bob_passes, g);
    MUST(whoami(&honest) == (int64_t)geteuid());
    after = open_descriptors(server.server);
    client_close(&honest);
    host_stop(&server);
    return after > before;
}

static bool
passes_three(bool naive)
{
    return naive ? keeps_what_it_gets(3) : passes(3, 10);
}

/* And who does not look for descriptors at all gets none; but who makes room
 * for all and uses one has the others for ever. */
static bool
passes_all_there_can_be(bool naive)
{
    struct rlimit many = {1000, 1000};

    if (!naive)
        return passes(MOST, 50);
    MUST(setrlimit(RLIMIT_NOFILE, &many) == 0);
    for (int i = 0; i < 50; i++)
        MUST(keeps_what_it_gets(MOST));
    return open_descriptors(getpid()) > 50;
}

/* -- 57: a descriptor that is hard to close ------------------------------- */

/* A TCP socket full of what nobody takes, that is to wait for it: SO_LINGER. */
static int
make_lingering(int seconds)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = seconds};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char bytes[4096] = "";

    MUST(bind(listener, (struct sockaddr *)&at, sizeof at) == 0);
    MUST(listen(listener, 1) == 0);
    MUST(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
    MUST(connect(fd, (struct sockaddr *)&at, sizeof at) == 0 ||
         errno == EINPROGRESS);
    MUST(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1) == 1);
    while (write(fd, bytes, sizeof bytes) > 0)
        continue;
    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    MUST(fcntl(fd, F_SETFL, 0) == 0); /* close(2) is to wait */
    return fd;
}

/* The listener stays open until he ends. */
static void
bob_lingers(struct actor *self, void *arg)
{
    int fd = connect_and_enter(arg, SOCK_STREAM), passed = make_lingering(10);

    actor_step(self); /* the server is stopped */
    if (pass(fd, passed, 2))
        close(passed); /* so that the server's close(2) is the last one */
    actor_step(self);
}

static void
ask(struct actor *self, void *arg)
{
    actor_step(self);
    be_served(arg);
    actor_step(self);
}

/* The same, and the receiver simply closes what it does not want. */
static void
textbook_closes(struct actor *self, void *arg)
{
    int fd = make_lingering(10);

    (void)arg;
    actor_step(self);
    close(fd);
    actor_step(self);
}

/* Is this actor's next step kept back because pid waits in close(2)? */
static bool
is_kept_waiting(struct actor *a, pid_t pid)
{
    bool stuck = false;

    actor_wait(a);
    actor_go(a);
    while (!stuck && !actor_is_there(a))
        stuck = is_in_call(pid, SYS_close);
    actor_kill(a);
    return stuck;
}

static bool
passes_what_is_hard_to_close(bool naive)
{
    struct host server;
    struct actor bob, honest;
    bool stuck;

    if (naive) {
        actor_start(&honest, geteuid(), textbook_closes, NULL);
        return is_kept_waiting(&honest, honest.pid);
    }
    serve(&server, "socket/stream");
    actor_start(&bob, BOB, bob_lingers, server.where);
    actor_wait(&bob);
    pause_server(&server);
    actor_go(&bob);
    actor_wait(&bob);
    resume_server(&server);
    actor_start(&honest, geteuid(), ask, &server);
    stuck = is_kept_waiting(&honest, server.server);
    actor_kill(&bob);
    host_stop(&server);
    return stuck;
}

/* A server that thinks its kernel is older than 6.16.  In the defended run it
 * is a naive server, too, but only "passrights" is left out of it. */
static void
serve_old(struct host *h, const char *mechanism, bool naive)
{
    char program[PATH_MAX];

    MUST(program_path(naive ? "ipcd" : "naive/ipcd", program, sizeof program) ==
         0);
    if (!naive)
        MUST(setenv("IPCLAB_WITHOUT", "passrights", 1) == 0);
    serve_by(h, mechanism, program);
}

/* -- 150: a descriptor whose closing never ends ---------------------------- */

struct silence {
    char where[ENDPOINT_SIZE], dir[PATH_MAX];
    int type;
};

static void
bob_passes_silence(struct actor *self, void *arg)
{
    const struct silence *s = arg;
    char path[PATH_MAX + 8];
    int fd = s->type == SOCK_DGRAM ? connect_local(s->where, s->type)
                                   : connect_and_enter(s->where, s->type);
    int file;

    snprintf(path, sizeof path, "%s/file", s->dir);
    file = open(path, O_RDONLY | O_CLOEXEC);
    MUST(file != -1);
    pass(fd, file, 1);
    actor_step(self);
    actor_step(self); /* his own close(2) would wait as well */
}

/* Root mounts it for him, as fusermount3(1) does.  It goes with its server, and
 * then whoever waits for it is free.  old: NULL, or serve_old()'s naive. */
static bool
passes_to(const char *mechanism, int type, const bool *old)
{
    struct silence *s = shared(sizeof *s);
    struct actor bob, honest;
    pid_t file_system;
    struct host server;
    bool stuck;

    snprintf(s->dir, sizeof s->dir, "%s/silent", stage_dir);
    MUST(mkdir(s->dir, 0755) == 0);
    if (old != NULL)
        serve_old(&server, mechanism, *old);
    else
        serve(&server, mechanism);
    snprintf(s->where, sizeof s->where, "%.99s%s", server.where,
             strncmp(mechanism, "socket/", 7) == 0 ? "" : ".join");
    s->type = type;
    file_system = silent_start(s->dir, BOB);
    MUST(file_system > 0);
    actor_start(&bob, BOB, bob_passes_silence, s);
    actor_wait(&bob);
    actor_start(&honest, geteuid(), ask, &server);
    stuck = is_kept_waiting(&honest, server.server);
    silent_end(file_system, s->dir);
    actor_kill(&bob);
    host_stop(&server);
    return stuck;
}

static bool
passes_what_never_closes_to_stream(bool naive)
{
    (void)naive;
    return passes_to("socket/stream", SOCK_STREAM, NULL);
}

static bool
passes_what_never_closes_to_seqpacket(bool naive)
{
    (void)naive;
    return passes_to("socket/seqpacket", SOCK_SEQPACKET, NULL);
}

static bool
passes_what_never_closes_to_dgram(bool naive)
{
    (void)naive;
    return passes_to("socket/dgram", SOCK_DGRAM, NULL);
}

/* Beside a registration. */
static bool
passes_what_never_closes_where_one_joins(bool naive)
{
    (void)naive;
    return passes_to(this_attack->mechanism, SOCK_DGRAM, NULL);
}

/* -- 200: the same, where the kernel does not keep it out (before 6.16) ---- */

static bool
passes_to_old(const char *mechanism, int type, bool naive)
{
    return passes_to(mechanism, type, &naive);
}

static bool
passes_to_old_where_one_joins(bool naive)
{
    return passes_to_old(this_attack->mechanism, SOCK_DGRAM, naive);
}

static bool
passes_to_old_stream(bool naive)
{
    return passes_to_old("socket/stream", SOCK_STREAM, naive);
}

static bool
passes_to_old_seqpacket(bool naive)
{
    return passes_to_old("socket/seqpacket", SOCK_SEQPACKET, naive);
}

static bool
passes_to_old_dgram(bool naive)
{
    return passes_to_old("socket/dgram", SOCK_DGRAM, naive);
}

/* -- 201: a descriptor in a message that nobody reads ---------------------- */

struct unread {
    char where[ENDPOINT_SIZE];
    int seconds;
};

/* After the first record he is cut off, and the second goes with him. */
static void
bob_leaves_it_unread(struct actor *self, void *arg)
{
    const struct unread *u = arg;
    int fd = connect_and_enter(u->where, SOCK_SEQPACKET);
    int passed = make_lingering(u->seconds);

    actor_step(self); /* the server is stopped */
    MUST(send(fd, "rubbish", 7, MSG_NOSIGNAL) == 7);
    if (pass(fd, passed, 1))
        close(passed);
    actor_step(self);
}

/* Is this actor's next step kept back until nobody in pid is in close(2) any
 * more?  There may be somebody who serves nobody. */
static bool
is_served_after(struct actor *a, pid_t pid)
{
    bool was_stuck = false, there, stuck;

    actor_wait(a);
    actor_go(a);
    do {
        there = actor_is_there(a);
        stuck = is_in_call(pid, SYS_close);
        was_stuck = was_stuck || stuck;
    } while (!there);
    actor_kill(a);
    return was_stuck && !stuck;
}

/* The control ends, when the second is over. */
static bool
passes_what_is_not_read(bool naive)
{
    struct unread *u = shared(sizeof *u);
    struct host server;
    struct actor bob, honest;
    bool after;

    serve_old(&server, "socket/seqpacket", naive);
    strcpy(u->where, server.where);
    u->seconds = naive ? 1 : 10;
    actor_start(&bob, BOB, bob_leaves_it_unread, u);
    actor_wait(&bob);
    pause_server(&server);
    actor_go(&bob);
    actor_wait(&bob);
    actor_start(&honest, geteuid(), ask, &server);
    resume_server(&server);
    after = is_served_after(&honest, server.server);
    actor_kill(&bob);
    host_stop(&server);
    return after;
}

/* -- 64: a message that changes after it was sent ------------------------- */

/* What is spliced is not copied: the socket's queue refers to this page. */
static uint8_t *
send_page(int socket, size_t len)
{
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct iovec bytes = {.iov_base = page, .iov_len = len};
    int through[2];

    MUST(page != MAP_FAILED && pipe2(through, O_CLOEXEC) == 0);
    make_frame(page, API_echo);
    put32(page + 8, (uint32_t)len - WIRE_HEADER);
    MUST(vmsplice(through[1], &bytes, 1, 0) == (ssize_t)len);
    MUST(splice(through[0], NULL, socket, NULL, len, 0) == (ssize_t)len);
    close(through[0]);
    close(through[1]);
    return page;
}

static void
lengthen(uint8_t *page)
{
    put32(page + 8, 3000);
}

/* MSG_PEEK, decide, then read. */
static bool
peek_and_read(int socket, uint8_t *page)
{
    uint8_t frame[4096];
    uint32_t seen, got;

    MUST(recv(socket, frame, WIRE_HEADER, MSG_PEEK) == WIRE_HEADER);
    seen = get32(frame + 8);
    lengthen(page);
    MUST(recv(socket, frame, sizeof frame, 0) > WIRE_HEADER);
    got = get32(frame + 8);
    return got != seen;
}

/* Ours: read once, and only the copy is looked at. */
static bool
read_and_look(int socket, uint8_t *page)
{
    static uint8_t buf[4096];
    struct ipc_message msg = {.buf = buf, .cap = sizeof buf};
    struct frames in;
    int got;

    frames_init(&in);
    MUST(stream_read(socket, &in) == 0);
    lengthen(page);
    got = frames_take(&in, &msg);
    frames_free(&in);
    return got != 1 || get32(buf + 8) != msg.len - WIRE_HEADER;
}

static bool
changes_it_on_the_way(bool naive)
{
    uint8_t *page;
    int pair[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    page = send_page(pair[0], 40);
    return naive ? peek_and_read(pair[1], page) : read_and_look(pair[1], page);
}

/* -- 66: what to do with a descriptor of root's --------------------------- */

struct taker {
    struct host *server;
    char file[PATH_MAX];
    int fd; /* naive: the descriptor that is given */
    bool fell;
};

/* All the ways to write into a file that may only be read. */
static bool
can_write(int fd)
{
    char again[64];
    int second;

    snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
    second = open(again, O_RDWR | O_CLOEXEC);
    return second != -1 || write(fd, "x", 1) == 1 || fchmod(fd, 0666) == 0 ||
           ftruncate(fd, 0) == 0 ||
           mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED;
}

static void
alice_takes_it(void *arg)
{
    struct taker *t = arg;
    const struct api_value path = {.at = t->file, .len = strlen(t->file)};
    const struct api_value dir = {.at = stage_dir, .len = strlen(stage_dir)};
    struct client c;
    struct reply r;

    MUST(client_open(&c, t->server->m, t->server->where) == 0);
    MUST(client_call(&c, api_by_name("open_file"), &path, &r, ATTACK_TIMEOUT) ==
         0);
    MUST(r.status == WIRE_OK && r.fd != -1);
    t->fell = can_write(r.fd);
    /* With a directory she could get out of a chroot(2). */
    MUST(client_call(&c, api_by_name("open_file"), &dir, &r, ATTACK_TIMEOUT) ==
         0);
    t->fell = t->fell || r.status == WIRE_OK;
    client_close(&c);
}

/* A log, for appending only: so it was thought.  She clears O_APPEND. */
static bool
overwrites_a_log(const char *path)
{
    int log = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), status;
    pid_t pid = fork();

    if (pid == 0) {
        become_user(ALICE);
        fcntl(log, F_SETFL, 0);
        _exit(pwrite(log, "nothing happened", 16, 0) != 16);
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    return pread(open(path, O_RDONLY | O_CLOEXEC), &(char){0}, 1, 0) == 1 &&
           lseek(log, 0, SEEK_END) == (off_t)strlen(SECRET);
}

static bool
gets_roots_descriptor(bool naive)
{
    struct taker *t = shared(sizeof *t);
    struct host server;

    strcpy(t->file, make_file("public", SECRET, 0644));
    if (naive)
        return overwrites_a_log(t->file);
    serve(&server, "socket/stream");
    t->server = &server;
    as_user(ALICE, alice_takes_it, t);
    host_stop(&server);
    return t->fell;
}

/* What SO_PASSRIGHTS is for, and the kernel that has it. */
static const char *
passrights_missing(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int err = ancillary_refuse_descriptors(fd);

    close(fd);
    return err == -ENOPROTOOPT ? "need SO_PASSRIGHTS (Linux 6.16)"
                               : silent_missing();
}

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "socket/stream"

const struct attack passed_attacks[] = {
    {55, M, "sends three descriptors for one", .how = "all but one are closed",
     .alone = true, .run = passes_three},
    {56, M, "sends 253 descriptors, 50 times",
     .how = "room for all, and closed", .alone = true,
     .run = passes_all_there_can_be},
    {57, M, "sends a socket that lingers", .how = "SO_LINGER is taken off",
     .alone = true, .run = passes_what_is_hard_to_close},
    {150, M, "sends a file that never closes", .without = "passrights,drain",
     .how = "SO_PASSRIGHTS: EPERM", .missing = passrights_missing,
     .run = passes_what_never_closes_to_stream},
    {150, "socket/seqpacket", "sends a file that never closes",
     .without = "passrights,drain", .how = "SO_PASSRIGHTS: EPERM",
     .missing = passrights_missing,
     .run = passes_what_never_closes_to_seqpacket},
    {150, "socket/dgram", "sends a file that never closes",
     .without = "passrights,drain", .how = "SO_PASSRIGHTS: EPERM",
     .missing = passrights_missing, .run = passes_what_never_closes_to_dgram},
    {150, "shm/futex", "registers, such a file beside it",
     .without = "passrights,drain", .how = "SO_PASSRIGHTS: EPERM",
     .missing = passrights_missing,
     .run = passes_what_never_closes_where_one_joins},
    {200, M, "the same, before Linux 6.16", .without = "passrights,drain",
     .how = "a thread that only closes", .missing = silent_missing,
     .run = passes_to_old_stream},
    {200, "socket/seqpacket", "the same, before Linux 6.16",
     .without = "passrights,drain", .how = "a thread that only closes",
     .missing = silent_missing, .run = passes_to_old_seqpacket},
    {200, "socket/dgram", "the same, before Linux 6.16",
     .without = "passrights,drain", .how = "a thread only for that",
     .missing = silent_missing, .run = passes_to_old_dgram},
    {200, "shm/futex", "the same, before Linux 6.16",
     .without = "passrights,drain", .how = "a thread only for that",
     .missing = silent_missing, .run = passes_to_old_where_one_joins},
    {201, "socket/seqpacket", "leaves a socket that lingers unread",
     .without = "passrights,drain", .how = "a thread that only closes",
     .run = passes_what_is_not_read},
    {64, M, "changes a message after it was sent",
     .how = "read once, no MSG_PEEK", .alone = true,
     .run = changes_it_on_the_way},
    {66, M, "writes by a descriptor of root's",
     .how = "O_RDONLY, regular files", .run = gets_roots_descriptor},
    {0},
};
