/* attack_tcp.c - TCP: an address is nobody's name, and a port is anybody's. */
#define _GNU_SOURCE /* accept4, struct ucred, setresuid */
#include "test/attack/stage.h"

#include "server/broker.h"
#include "test/both/driven.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 67, 69: who is at the other end? ------------------------------------- */

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

/* The uid that the server takes her for. */
static int64_t
who_asks(enum manner manner, bool naive)
{
    struct asker *asker = shared(sizeof *asker);
    const struct ipc_peer *peer;
    unsigned state = 0;
    struct driven d;
    struct actor alice;
    int64_t uid;

    MUST(drive_begin(&d, "socket/tcp", run_dir) == 0);
    asker->at = address_in(d.where);
    asker->manner = manner;
    actor_start(&alice, ALICE, alice_asks, asker);
    actor_wait(&alice);
    MUST(drive(&d, 0) == -ETIMEDOUT);
    actor_go(&alice);
    actor_wait(&alice);
    MUST(drive(&d, ATTACK_TIMEOUT) == 0);
    peer = &d.req.peer;
    uid = peer->uid == (uid_t)-1 ? -1 : (int64_t)peer->uid;
    MUST(peer->evidence == (uid == -1 ? IPC_CLAIMED : IPC_INFERRED));
    /* Her close(2) is complete when the FIN is acknowledged. */
    do
        if (naive)
            uid = uid_in_proc(peer->address, ntohs(asker->at.sin_port), &state);
    while (state == TCP_FIN_WAIT1);
    actor_go(&alice);
    actor_end(&alice);
    drive_end(&d);
    return uid;
}

/* 0: as it is in a line of that state. */
static bool
asks_and_hangs_up(bool naive)
{
    int64_t uid = who_asks(HANGS_UP, naive);

    MUST(uid == 0 || uid == -1);
    return uid == 0;
}

/* 0: as a careless one has it who finds no line. */
static bool
asks_from_ipv6(bool naive)
{
    int64_t uid = who_asks(MAPPED, naive);

    MUST(uid == 0 || uid == ALICE);
    return uid == 0;
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

/* -- 68: uid -1 ----------------------------------------------------------- */

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

static int
open_by_broker(const struct ipc_peer *peer, const char *path)
{
    struct broker_request r;
    struct broker_answer a;
    struct broker_call c;
    int err;

    MUST(broker_request(&r, BROKER_OPEN, peer, path, strlen(path)) == 0);
    err = broker_do(&c, &r, &a);
    broker_end(&c);
    return err;
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
        opened = open_by_broker(&peer, secret);
    return opened >= 0;
}

/* -- 71: a client that reaches itself ------------------------------------- */

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

/* -- 111: a dead server's port -------------------------------------------- */

struct heir {
    struct sockaddr_in at;
    bool fell;
};

static void
bob_inherits(struct actor *self, void *arg)
{
    struct heir *h = arg;
    int fd = make_bound(SOCK_STREAM, 1, &h->at);

    MUST(fd >= 0 && listen(fd, 1) == 0);
    actor_step(self);
    h->fell = is_told_something(fd);
}

static bool
has_the_dead_servers_port(bool naive)
{
    struct heir *h = shared(sizeof *h);
    struct host server;
    struct actor bob;

    (void)naive;
    serve(&server, "socket/tcp");
    h->at = address_in(server.where);
    kill_server(&server); /* its file stays */
    host_stop(&server);
    actor_start(&bob, BOB, bob_inherits, h);
    actor_wait(&bob);
    actor_go(&bob);
    as_user(ALICE, tell_a_secret, server.where);
    actor_end(&bob);
    return h->fell;
}

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "socket/tcp"

const struct attack tcp_attacks[] = {
    {67, M, "asks and hangs up: uid 0 in /proc",
     .how = "still there, same inode", .run = asks_and_hangs_up},
    {68, M, "is nobody: SO_PEERCRED says uid -1", .how = "-1 is no user",
     .run = has_no_uid},
    {69, M, "asks by an IPv6 socket (v4-mapped)", .how = "sock_diag finds it",
     .missing = need_ipv6, .run = asks_from_ipv6},
    {71, M, "(no server: a client reaches itself)",
     .how = "own address: refused", .run = reaches_itself},
    {111, M, "listens at a dead server's port", .without = "server",
     .how = "whose socket it is", .run = has_the_dead_servers_port},
    {0},
};
