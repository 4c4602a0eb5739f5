/* attack_gifts.c - AF_UNIX sockets: what a client sends beside, instead of, and
 * without a message; and descriptors that a server gives away. */
#define _GNU_SOURCE /* vmsplice, splice, memmem */
#include "test/attack/attack.h"

#include "../../../socket/ancillary.h"
#include "../../../socket/local.h"
#include "../../../socket/seats.h"
#include "../../../socket/streams.h"
#include "../../../socket/welcome.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
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

static int
connect_to(const char *path, int type)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    char welcome;

    MUST(fd != -1);
    MUST(connect(fd, (struct sockaddr *)&address, len) == 0);
    MUST(recv(fd, &welcome, 1, 0) == 1);
    return fd;
}

/* A request with n descriptors beside it, all the same one. */
static void
send_gifts(int socket, int gift, size_t n)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(MOST * sizeof(int))];
    } control = {.room = {0}};
    uint8_t frame[WIRE_HEADER];
    struct iovec data = {.iov_base = frame,
                         .iov_len = make_frame(frame, API_whoami)};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(n * sizeof gift)};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(n * sizeof gift);
    for (size_t i = 0; i < n; i++)
        memcpy(CMSG_DATA(&control.header) + i * sizeof gift, &gift,
               sizeof gift);
    MUST(sendmsg(socket, &m, MSG_NOSIGNAL) == WIRE_HEADER);
}

/* -- 55, 56: descriptors --------------------------------------------------- */

struct giver {
    char where[ENDPOINT_SIZE];
    size_t gifts, times;
};

static void
bob_gives(void *arg)
{
    const struct giver *g = arg;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char byte;

    for (size_t i = 0; i < g->times; i++) {
        int fd = connect_to(g->where, SOCK_STREAM);

        send_gifts(fd, nothing, g->gifts);
        while (recv(fd, &byte, 1, 0) == 1)
            continue; /* until he is shown the door */
        close(fd);
    }
}

/* The textbook's receiver: "there is room for one". */
static bool
keeps_what_it_gets(size_t gifts)
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
    send_gifts(pair[0], 0, gifts);
    MUST(recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == WIRE_HEADER);
    memcpy(&one, CMSG_DATA(&control.header), sizeof one);
    close(one);
    return open_descriptors(getpid()) > before;
}

static bool
gives(size_t gifts, size_t times)
{
    struct giver *g = shared(sizeof *g);
    struct host server;
    struct client honest;
    int before, after;

    serve(&server, "socket/stream");
    MUST(host_client(&server, &honest) == 0);
    MUST(whoami(&honest) == (int64_t)geteuid());
    before = open_descriptors(server.pid);
    strcpy(g->where, server.where);
    g->gifts = gifts;
    g->times = times;
    as_user(BOB, bob_gives, g);
    MUST(whoami(&honest) == (int64_t)geteuid());
    after = open_descriptors(server.pid);
    client_close(&honest);
    host_stop(&server);
    return after > before;
}

static bool
gives_three(bool naive)
{
    return naive ? keeps_what_it_gets(3) : gives(3, 10);
}

/* And who does not look for descriptors at all gets none; but who makes room
 * for all and uses one has the others for ever. */
static bool
gives_all_there_can_be(bool naive)
{
    struct rlimit many = {1000, 1000};

    if (!naive)
        return gives(MOST, 50);
    MUST(setrlimit(RLIMIT_NOFILE, &many) == 0);
    for (int i = 0; i < 50; i++)
        MUST(keeps_what_it_gets(MOST));
    return open_descriptors(getpid()) > 50;
}

/* -- 57: a descriptor that is hard to close --------------------------------- */

/* A TCP socket full of what nobody takes, that is to wait for it: SO_LINGER. */
static int
make_lingering(void)
{
    const struct linger ten = {.l_onoff = 1, .l_linger = 10};
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
    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &ten, sizeof ten) == 0);
    MUST(fcntl(fd, F_SETFL, 0) == 0); /* close(2) is to wait */
    return fd;
}

/* The listener stays open until he ends. */
static void
bob_lingers(struct actor *self, void *arg)
{
    int fd = connect_to(arg, SOCK_STREAM), gift = make_lingering();

    actor_step(self); /* the server is stopped */
    send_gifts(fd, gift, 2);
    close(gift); /* so that the server's close(2) is the last one */
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
    int fd = make_lingering();

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
        stuck = is_stuck(pid, SYS_close);
    actor_kill(a);
    return stuck;
}

static bool
gives_what_is_hard_to_close(bool naive)
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
    stuck = is_kept_waiting(&honest, server.pid);
    actor_kill(&bob);
    host_stop(&server);
    return stuck;
}

/* -- 60: a message of no bytes ------------------------------------------------- */

static void
bob_says_nothing(void *arg)
{
    int fd = connect_to(arg, SOCK_SEQPACKET);
    char byte;

    MUST(send(fd, "", 0, MSG_NOSIGNAL) == 0);
    MUST(recv(fd, &byte, 1, 0) == 0); /* shown the door */
    close(fd);
}

/* recv(2) == 0: "the client has gone".  It has not. */
static bool
takes_it_for_the_end(void)
{
    int pair[2];
    char byte;
    bool end;

    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    MUST(send(pair[0], "", 0, 0) == 0 && send(pair[0], "!", 1, 0) == 1);
    end = recv(pair[1], &byte, 1, 0) == 0;
    return end && recv(pair[1], &byte, 1, 0) == 1;
}

static bool
sends_an_empty_record(bool naive)
{
    struct host server;
    struct client honest;
    struct reply r;
    bool counted;

    if (naive)
        return takes_it_for_the_end();
    serve(&server, "socket/seqpacket");
    as_user(BOB, bob_says_nothing, server.where);
    MUST(host_client(&server, &honest) == 0);
    MUST(client_call(&honest, api_by_name("stats"), NULL, &r, PATIENCE) == 0);
    counted = r.results[3].u64 == 1; /* malformed */
    client_close(&honest);
    host_stop(&server);
    return !counted;
}

/* -- 64: a message that changes after it was sent ---------------------------------- */

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
    int gift = -1, got;

    frames_init(&in);
    MUST(stream_read(socket, &in, SIZE_MAX, &gift) == 0);
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

/* -- 66: what to do with a descriptor of root's -------------------------------------- */

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
    MUST(client_call(&c, api_by_name("open_file"), &path, &r, PATIENCE) == 0);
    MUST(r.status == WIRE_OK && r.fd != -1);
    t->fell = can_write(r.fd);
    /* With a directory she could get out of a chroot(2). */
    MUST(client_call(&c, api_by_name("open_file"), &dir, &r, PATIENCE) == 0);
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

/* -- 109: who never reads his replies -------------------------------------------------- */

static void
bob_only_asks(struct actor *self, void *arg)
{
    uint8_t request[WIRE_HEADER + 4];
    int fd = connect_to(arg, SOCK_STREAM);

    make_frame(request, API_source);
    put32(request + 8, 4);
    put32(request + WIRE_HEADER, 500000);
    for (int i = 0; i < 20; i++)
        MUST(send(fd, request, sizeof request, MSG_NOSIGNAL) == sizeof request);
    actor_step(self);
}

static void
textbook_answers(struct actor *self, void *arg)
{
    static char bytes[500000];
    int *pair = shared(2 * sizeof *pair);

    (void)arg;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    actor_step(self);
    while (write(pair[0], bytes, sizeof bytes) > 0)
        continue;
}

static bool
never_reads(bool naive)
{
    struct host server;
    struct actor bob;
    bool stuck = false, served;

    if (naive) {
        actor_start(&bob, geteuid(), textbook_answers, NULL);
        actor_wait(&bob);
        actor_go(&bob);
        while (!stuck && !actor_is_there(&bob))
            stuck = is_stuck(bob.pid, SYS_write);
        actor_kill(&bob);
        return stuck;
    }
    serve(&server, "socket/stream");
    actor_start(&bob, BOB, bob_only_asks, server.where);
    actor_wait(&bob);
    served = is_served(&server);
    actor_kill(&bob);
    host_stop(&server);
    return !served;
}

/* -- 110: no descriptors left ------------------------------------------------------------ */

/* With its table full a server cannot take a client, nor say so; and the one
 * who waits makes poll(2) return at once, for ever. */
static bool
fills_the_table(bool naive)
{
    struct rlimit few = {64, 64};
    struct sockaddr_un address;
    char path[ENDPOINT_SIZE];
    struct pollfd p = {.events = POLLIN};
    int spare = open("/dev/null", O_RDONLY | O_CLOEXEC), client, taken;
    socklen_t len;

    snprintf(path, sizeof path, "%.90s/server", stage_dir);
    len = local_path(&address, path);
    p.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(p.fd, (struct sockaddr *)&address, len) == 0);
    MUST(listen(p.fd, 10) == 0);
    MUST(setrlimit(RLIMIT_NOFILE, &few) == 0);
    while (dup(spare) != -1)
        continue;
    MUST(errno == EMFILE);
    MUST(connect(client, (struct sockaddr *)&address, len) == 0);
    for (int i = 0; i < 1000 && poll(&p, 1, 0) == 1; i++) {
        if (naive)
            taken = accept4(p.fd, NULL, NULL, SOCK_CLOEXEC);
        else
            taken = welcome_accept(p.fd, &spare);
        MUST(taken == -1);
    }
    return poll(&p, 1, 0) == 1;
}

/* -- 58, 59: seats ------------------------------------------------------------ */

static void
half_a_header(struct actor *self, void *arg)
{
    int fd = connect_to(arg, SOCK_STREAM);
    uint8_t frame[WIRE_HEADER];
    char byte;

    make_frame(frame, API_whoami);
    for (int i = 0; i < 10; i++)
        MUST(send(fd, &frame[i], 1, MSG_NOSIGNAL) == 1);
    actor_step(self);
    _exit(recv(fd, &byte, 1, MSG_DONTWAIT) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Driven by hand: so that its two seconds are none, and over at once. */
static bool
sends_half_a_header(bool naive)
{
    const struct ipc_mechanism *m = ipc_find("socket/stream");
    struct ipc_request req = {.reply_to = 0};
    void *srv = calloc(1, m->server_size);
    char where[ENDPOINT_SIZE];
    struct actor bob;
    int status;

    (void)naive;
    req.msg =
        (struct ipc_message){.buf = malloc(IPC_MAX_MSG), .cap = IPC_MAX_MSG};
    patience_limits[REST_OF_HEADER] = 0;
    MUST(srv != NULL && req.msg.buf != NULL);
    MUST(endpoint_name(m, run_dir, where) == 0 && m->create(srv, where) == 0);
    actor_start(&bob, BOB, half_a_header, where);
    while (!actor_is_there(&bob))
        MUST(m->next(srv, &req, 0) == -ETIMEDOUT);
    actor_wait(&bob);
    for (int i = 0; i < 100; i++) /* more than there can be to do */
        MUST(m->next(srv, &req, 0) == -ETIMEDOUT);
    actor_go(&bob);
    MUST(waitpid(bob.pid, &status, 0) == bob.pid && WIFEXITED(status));
    m->destroy(srv);
    return WEXITSTATUS(status) != EXIT_SUCCESS;
}

static void
bob_takes_seats(struct actor *self, void *arg)
{
    struct sockaddr_un address;
    socklen_t len = local_path(&address, arg);
    char welcome;

    for (int i = 0; i < IPC_MAX_CLIENTS; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        MUST(connect(fd, (struct sockaddr *)&address, len) == 0);
        (void)!recv(fd, &welcome, 1, 0); /* or he is shown the door */
    }
    actor_step(self);
}

struct guest {
    struct host *server;
    bool served;
};

static void
alice_wants_in(void *arg)
{
    struct guest *g = arg;

    g->served = is_served(g->server);
}

static bool
takes_every_seat(bool naive)
{
    struct guest *g = shared(sizeof *g);
    struct host server;
    struct actor bob;

    (void)naive;
    serve(&server, "socket/stream");
    g->server = &server;
    actor_start(&bob, BOB, bob_takes_seats, server.where);
    actor_wait(&bob);
    as_user(ALICE, alice_wants_in, g);
    actor_kill(&bob);
    host_stop(&server);
    return !g->served;
}

/* -- 119: her session's name ---------------------------------------------------- */

struct session {
    char where[ENDPOINT_SIZE];
    struct host *server;
    bool fell;
};

static void
alice_listens(struct actor *self, void *arg)
{
    struct session *s = arg;
    struct client c;
    struct reply r;

    MUST(client_open(&c, s->server->m, s->server->where) == 0);
    MUST(whoami(&c) == ALICE);
    actor_step(self);
    s->fell = client_recv(&c, &r, 0) != -ETIMEDOUT; /* she has asked nothing */
    client_close(&c);
}

/* The first session's name is 1. */
static void
bob_asks_in_her_session(void *arg)
{
    struct session *s = arg;
    uint8_t datagram[8 + WIRE_HEADER];
    struct sockaddr_un address;
    socklen_t len = local_path(&address, s->where);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    put64(datagram, 1);
    make_frame(datagram + 8, API_whoami);
    MUST(sendto(fd, datagram, sizeof datagram, 0, (struct sockaddr *)&address,
                len) == sizeof datagram);
}

static bool
asks_in_her_session(bool naive)
{
    struct session *s = shared(sizeof *s);
    struct host server;
    struct actor alice;

    (void)naive;
    serve(&server, "socket/dgram");
    strcpy(s->where, server.where);
    s->server = &server;
    actor_start(&alice, ALICE, alice_listens, s);
    actor_wait(&alice);
    as_user(BOB, bob_asks_in_her_session, s);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return s->fell;
}

/* -- the table --------------------------------------------------------------- */

#define M .mechanism = "socket/stream"

const struct attack gift_attacks[] = {
    {55, M, "sends three descriptors for one", .how = "all but one are closed",
     .alone = true, .run = gives_three},
    {56, M, "sends 253 descriptors, 50 times",
     .how = "room for all, and closed", .alone = true,
     .run = gives_all_there_can_be},
    {57, M, "sends a socket that lingers", .how = "SO_LINGER is taken off",
     .alone = true, .run = gives_what_is_hard_to_close},
    {58, M, "sends half a header, byte by byte", .without = "patience",
     .how = "cut off after 2 s", .alone = true, .run = sends_half_a_header},
    {59, M, "takes every seat; A comes", .without = "share",
     .how = "half of them for a user", .run = takes_every_seat},
    {60, "socket/seqpacket", "sends a record of no bytes",
     .how = "an error, not the end", .alone = true,
     .run = sends_an_empty_record},
    {64, M, "changes a message after it was sent",
     .how = "read once, no MSG_PEEK", .alone = true,
     .run = changes_it_on_the_way},
    {66, M, "writes by a descriptor of root's",
     .how = "O_RDONLY, regular files", .run = gets_roots_descriptor},
    {109, M, "asks and asks, and never reads",
     .how = "kept apart, nobody waits", .alone = true, .run = never_reads},
    {119, "socket/dgram", "asks in the name of A's session",
     .without = "session", .how = "the stamp is not A's",
     .run = asks_in_her_session},
    {110, M, "connects when no descriptor is left", .how = "one to spare",
     .alone = true, .run = fills_the_table},
    {0},
};
