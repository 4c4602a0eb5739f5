/* attack_inet.c - TCP and UDP: an address is nobody's name. */
#define _GNU_SOURCE /* accept4, struct ucred, setresuid */
#include "test/attack/stage.h"

#include "server/open_as.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- addresses ------------------------------------------------------------- */

/* 127.0.0.1, and no port: any. */
static struct sockaddr_in
loopback(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* What the server has written into its file: "127.0.0.1:41234". */
static struct sockaddr_in
address_in(const char *where)
{
    struct sockaddr_in at = loopback();
    FILE *in = fopen(where, "re");
    unsigned port;

    MUST(in != NULL && fscanf(in, "127.0.0.1:%u", &port) == 1);
    fclose(in);
    at.sin_port = htons((in_port_t)port);
    return at;
}

static int
make_bound(int type, int reuse, const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    MUST(fd != -1);
    MUST(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) == 0);
    if (bind(fd, (const struct sockaddr *)at, sizeof *at) == 0)
        return fd;
    close(fd);
    return -errno;
}

static struct sockaddr_in
address_of(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    MUST(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    return at;
}

/* -- 67, 69: who is at the other end? ------------------------------------------- */

enum manner { HANGS_UP, MAPPED };

struct asker {
    struct sockaddr_in at;
    enum manner manner;
};

/* A connection to an IPv4 address by an IPv6 socket, "v4-mapped". */
static int
connect_mapped(const struct sockaddr_in *at)
{
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6,
                                  .sin6_port = at->sin_port};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    memcpy(mapped.sin6_addr.s6_addr + 12, &at->sin_addr, 4);
    MUST(connect(fd, (struct sockaddr *)&mapped, sizeof mapped) == 0);
    return fd;
}

static void
alice_asks(struct actor *self, void *arg)
{
    const struct asker *a = arg;
    uint8_t frame[WIRE_HEADER];
    int fd;

    if (a->manner == MAPPED) {
        fd = connect_mapped(&a->at);
    } else {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        MUST(connect(fd, (const struct sockaddr *)&a->at, sizeof a->at) == 0);
    }
    actor_step(self); /* the server takes the connection ... */
    MUST(read(fd, frame, 1) == 1);
    make_frame(frame, API_whoami);
    MUST(write(fd, frame, sizeof frame) == sizeof frame);
    if (a->manner == HANGS_UP)
        close(fd);
    actor_step(self); /* ... and reads from it */
}

/* The textbook's look-up: the uid in the line of /proc/net/tcp whose addresses
 * are the connection's.  0 to begin with, as a careless one is. */
static long
uid_in_proc(const char *asker, unsigned server_port, unsigned *state)
{
    unsigned port = (unsigned)atoi(strchr(asker, ':') + 1), local, remote, st;
    FILE *in = fopen("/proc/net/tcp", "re");
    char line[512];
    long uid = 0, found;

    MUST(in != NULL);
    while (fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, " %*d: %*8x:%4x %*8x:%4x %x %*x:%*x %*x:%*x %*x %ld",
                   &local, &remote, &st, &found) == 4 &&
            local == port && remote == server_port) {
            uid = found;
            *state = st;
        }
    fclose(in);
    return uid;
}

/* Driven by hand, one next() after the other: so there is no race.  The uid
 * that the server takes her for. */
static int64_t
who_asks(enum manner manner, bool naive)
{
    const struct ipc_mechanism *m = ipc_find("socket/tcp");
    struct asker *asker = shared(sizeof *asker);
    char where[ENDPOINT_SIZE];
    struct ipc_request req = {.reply_to = 0};
    void *srv = calloc(1, m->server_size);
    unsigned state = 0;
    struct actor alice;
    int64_t uid;

    req.msg =
        (struct ipc_message){.buf = malloc(IPC_MAX_MSG), .cap = IPC_MAX_MSG};
    MUST(srv != NULL && req.msg.buf != NULL);
    MUST(endpoint_name(m, run_dir, where) == 0 && m->create(srv, where) == 0);
    asker->at = address_in(where);
    asker->manner = manner;
    actor_start(&alice, ALICE, alice_asks, asker);
    actor_wait(&alice);
    MUST(m->next(srv, &req, 0) == -ETIMEDOUT);
    actor_go(&alice);
    actor_wait(&alice);
    MUST(m->next(srv, &req, PATIENCE) == 0);
    uid = req.peer.uid == (uid_t)-1 ? -1 : (int64_t)req.peer.uid;
    /* Her close(2) is complete when the FIN is acknowledged. */
    do
        if (naive)
            uid = uid_in_proc(req.peer.address, ntohs(asker->at.sin_port),
                              &state);
    while (state == TCP_FIN_WAIT1);
    actor_go(&alice);
    actor_end(&alice);
    m->destroy(srv);
    free(req.msg.buf);
    free(srv);
    return uid;
}

static bool
asks_and_hangs_up(bool naive)
{
    return who_asks(HANGS_UP, naive) == 0;
}

static bool
asks_from_ipv6(bool naive)
{
    return who_asks(MAPPED, naive) == 0;
}

static const char *
need_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return "there is no IPv6 here";
    close(fd);
    return NULL;
}

/* -- 68: uid -1 ------------------------------------------------------------------ */

static int
open_as_textbook(uid_t uid, gid_t gid, const char *path)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        /* -1 means "leave it as it is": setresuid(2). */
        if (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 ||
            setresuid(uid, uid, uid) == -1)
            _exit(1);
        _exit(open(path, O_RDONLY | O_CLOEXEC) == -1);
    }
    MUST(waitpid(pid, &status, 0) == pid);
    return status == 0 ? 0 : -EACCES;
}

/* SO_PEERCRED of a TCP socket succeeds, and says pid 0, uid -1, gid -1. */
static bool
has_no_uid(bool naive)
{
    const char *secret = make_file("secret", SECRET, 0600);
    struct sockaddr_in at = loopback();
    int listener = make_bound(SOCK_STREAM, 0, &at), client, fd, opened;
    struct ucred who = {.uid = BOB};
    socklen_t len = sizeof who;
    struct ipc_peer peer;

    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at = address_of(listener);
    MUST(listen(listener, 1) == 0);
    MUST(connect(client, (struct sockaddr *)&at, sizeof at) == 0);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0);
    MUST(who.uid == (uid_t)-1);
    peer = (struct ipc_peer){.uid = who.uid, .gid = who.gid};
    if (naive)
        opened = open_as_textbook(who.uid, who.gid, secret);
    else
        opened = open_as(&peer, secret);
    return opened >= 0;
}

/* -- 71: a client that reaches itself ------------------------------------------------ */

/* One port, and nobody listens there: the kernel gives it to the client. */
static void
leave_one_port(const char *port)
{
    FILE *out = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");

    MUST(out != NULL && fprintf(out, "%s %s\n", port, port) > 0);
    MUST(fclose(out) == 0);
}

static bool
reaches_itself(bool naive)
{
    struct sockaddr_in at = loopback();
    char where[ENDPOINT_SIZE], byte = 'x';
    struct client c;
    FILE *out;
    int fd;

    MUST(endpoint_name(ipc_find("socket/tcp"), run_dir, where) == 0);
    out = fopen(where, "we");
    MUST(out != NULL && fprintf(out, "127.0.0.1:41234\n") > 0);
    fclose(out);
    leave_one_port("41234");
    if (!naive)
        return client_open(&c, ipc_find("socket/tcp"), where) != -ECONNREFUSED;
    at.sin_port = htons(41234);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
           write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1;
}

/* -- 72: the same port once more ------------------------------------------------------ */

struct thief {
    struct sockaddr_in at;
    bool fell;
};

static void
bob_binds(struct actor *self, void *arg)
{
    struct thief *t = arg;
    int fd = make_bound(SOCK_DGRAM, 1, &t->at);
    char bytes[64];

    actor_step(self); /* A asks */
    t->fell = fd >= 0 && recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0;
}

static bool
binds_the_same_port(bool naive)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    struct thief *t = shared(sizeof *t);
    struct host server;
    struct actor bob;
    int textbook, client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (naive) {
        textbook = make_bound(SOCK_DGRAM, 1, &any);
        t->at = address_of(textbook);
        t->at.sin_addr = loopback().sin_addr;
    } else {
        serve(&server, "socket/udp");
        t->at = address_in(server.where);
    }
    actor_start(&bob, BOB, bob_binds, t);
    actor_wait(&bob);
    MUST(sendto(client, "secret", 6, 0, (struct sockaddr *)&t->at,
                sizeof t->at) == 6);
    if (!naive) {
        be_served(&server);
        host_stop(&server);
    }
    actor_go(&bob);
    actor_end(&bob);
    return t->fell;
}

/* -- 74: her port is his now ---------------------------------------------------------- */

struct hand_over {
    struct sockaddr_in server, alice;
    char path[ENDPOINT_SIZE];
    bool fell;
};

/* read_file(path, 0, 100), over UDP. */
static size_t
make_read(uint8_t *frame, const char *path)
{
    const struct api_method *m = api_by_name("read_file");
    const struct api_value args[] = {
        {.at = path, .len = strlen(path)}, {.u64 = 0}, {.u32 = 100}};
    ssize_t n;

    make_frame(frame, m->number);
    n = api_encode(m->args, args, frame + WIRE_HEADER, 400);
    MUST(n > 0);
    put32(frame + 8, (uint32_t)n);
    return WIRE_HEADER + (size_t)n;
}

static void
alice_asks_and_goes(void *arg)
{
    const struct sockaddr_in at = loopback();
    struct hand_over *h = arg;
    int fd = make_bound(SOCK_DGRAM, 0, &at);
    uint8_t frame[500];
    size_t len = make_read(frame, h->path);

    h->alice = address_of(fd);
    MUST(sendto(fd, frame, len, 0, (struct sockaddr *)&h->server,
                sizeof h->server) == (ssize_t)len);
    close(fd);
}

static void
bob_takes_her_port(struct actor *self, void *arg)
{
    struct hand_over *h = arg;
    int fd = make_bound(SOCK_DGRAM, 0, &h->alice);
    char bytes[1000];
    ssize_t n;

    MUST(fd >= 0);
    actor_step(self); /* the server answers */
    n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    MUST(n > 0);
    h->fell = memmem(bytes, (size_t)n, SECRET, strlen(SECRET)) != NULL;
}

/* The textbook's server reads the file for whoever asks, and sends it there. */
static void
answer_by_hand(int fd)
{
    char bytes[1000];
    struct sockaddr_in from;
    socklen_t len = sizeof from;

    MUST(recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &len) >
         0);
    MUST(sendto(fd, SECRET, strlen(SECRET), 0, (struct sockaddr *)&from, len) >
         0);
}

static bool
has_her_port(bool naive)
{
    const struct sockaddr_in at = loopback();
    struct hand_over *h = shared(sizeof *h);
    struct host server;
    struct actor bob;
    int textbook = make_bound(SOCK_DGRAM, 0, &at);

    strcpy(h->path, make_file("hers", SECRET, 0600));
    MUST(chown(h->path, ALICE, ALICE) == 0);
    serve(&server, "socket/udp");
    h->server = naive ? address_of(textbook) : address_in(server.where);
    pause_server(&server);
    as_user(ALICE, alice_asks_and_goes, h);
    actor_start(&bob, BOB, bob_takes_her_port, h);
    actor_wait(&bob);
    resume_server(&server);
    if (naive)
        answer_by_hand(textbook);
    be_served(&server);
    actor_go(&bob);
    actor_end(&bob);
    host_stop(&server);
    return h->fell;
}

/* -- 111: a dead server's port ----------------------------------------------------------- */

struct heir {
    struct host *server;
    struct sockaddr_in at;
    bool fell;
};

static void
bob_inherits(struct actor *self, void *arg)
{
    struct heir *h = arg;
    int fd = make_bound(SOCK_STREAM, 1, &h->at), taken;
    char bytes[4096];

    MUST(fd >= 0 && listen(fd, 1) == 0);
    actor_step(self);
    taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    send(taken, "+", 1, MSG_NOSIGNAL);
    h->fell = recv(taken, bytes, sizeof bytes, 0) > 0;
}

static void
alice_trusts_the_port(void *arg)
{
    const struct api_value secret = {.at = SECRET, .len = strlen(SECRET)};
    struct heir *h = arg;
    struct client c;

    if (client_open(&c, h->server->m, h->server->where) != 0)
        return;
    client_send(&c, api_by_name("hello"), &secret, NULL, PATIENCE);
    client_close(&c);
}

static bool
has_the_dead_servers_port(bool naive)
{
    struct heir *h = shared(sizeof *h);
    struct host server;
    struct actor bob;

    (void)naive;
    serve(&server, "socket/tcp");
    h->server = &server;
    h->at = address_in(server.where);
    kill(server.pid, SIGKILL); /* its file stays */
    host_stop(&server);
    actor_start(&bob, BOB, bob_inherits, h);
    actor_wait(&bob);
    actor_go(&bob);
    as_user(ALICE, alice_trusts_the_port, h);
    actor_end(&bob);
    return h->fell;
}

/* -- the table --------------------------------------------------------------- */

#define TCP .mechanism = "socket/tcp"
#define UDP .mechanism = "socket/udp"

const struct attack inet_attacks[] = {
    {67, TCP, "asks and hangs up: uid 0 in /proc",
     .how = "still there, same inode", .run = asks_and_hangs_up},
    {68, TCP, "is nobody: SO_PEERCRED says uid -1", .how = "-1 is no user",
     .run = has_no_uid},
    {69, TCP, "asks by an IPv6 socket (v4-mapped)", .how = "sock_diag finds it",
     .missing = need_ipv6, .run = asks_from_ipv6},
    {71, TCP, "(no server: a client reaches itself)",
     .how = "own address: refused", .run = reaches_itself},
    {72, UDP, "binds the server's port once more", .how = "no SO_REUSEADDR",
     .run = binds_the_same_port},
    {74, UDP, "has A's port when the answer comes",
     .how = "K0: no secrets, DENIED", .run = has_her_port},
    {111, TCP, "listens at a dead server's port", .without = "server",
     .how = "whose socket it is", .run = has_the_dead_servers_port},
    {0},
};
