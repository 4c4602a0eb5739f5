/* attack_sockets.c - sockets: out of band, of no bytes, to another one than is
 * listened to, from a port that is closed, at a port that is taken. */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "test/attack/edge.h"

#include "../../../socket/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
#ifdef SYS_epoll_pwait2
    if (is_in_call(server->server, SYS_epoll_pwait2))
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

/* -- the table ------------------------------------------------------------ */

#define URGENT \
    .what = "sends out of band, and then nothing", .how = "bytes like others", \
    .missing = need_urgency, .run = is_urgent
#define NOTHING \
    .what = "sends datagrams of no bytes", .how = "no request", \
    .run = says_nothing

const struct attack socket_attacks[] = {
    {.number = 250, .mechanism = "socket/stream", URGENT},
    {.number = 250, .mechanism = "socket/threads", URGENT},
    {.number = 250, .mechanism = "socket/tcp", URGENT},
    {251, "socket/dgram", "asks, and listens to another only",
     .how = "EPERM: he gets no reply", .run = listens_elsewhere},
    {256, "socket/tcp", "listens at the server's port, too",
     .how = "EADDRINUSE", .run = listens_at_its_port},
    {.number = 269, .mechanism = "socket/udp", NOTHING},
    {.number = 269, .mechanism = "socket/dgram", NOTHING},
    {270, "socket/udp", "asks, and has closed the port",
     .how = "unconnected: no error", .run = asks_and_is_gone},
    {0},
};
