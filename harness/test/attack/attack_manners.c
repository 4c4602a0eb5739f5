/* attack_manners.c - AF_UNIX sockets: who takes more than its part: of slots,
 * of time, of descriptors. */
#define _GNU_SOURCE /* accept4, setrlimit */
#include "test/attack/attack.h"
#include "test/both/driven.h"

#include "../../../socket/clients.h"
#include "../../../socket/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 58, 59: time, slots -------------------------------------------------- */

static void
half_a_header(struct actor *self, void *arg)
{
    int fd = connect_and_enter(arg, SOCK_STREAM);
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
    struct driven d;
    struct actor bob;
    int status;

    (void)naive;
    timeout_limits[REST_OF_HEADER] = 0;
    MUST(drive_begin(&d, "socket/stream", run_dir) == 0);
    actor_start(&bob, BOB, half_a_header, d.where);
    while (!actor_is_there(&bob))
        MUST(drive(&d, 0) == -ETIMEDOUT);
    actor_wait(&bob);
    for (int i = 0; i < 100; i++) /* more than there can be to do */
        MUST(drive(&d, 0) == -ETIMEDOUT);
    actor_go(&bob);
    MUST(waitpid(bob.pid, &status, 0) == bob.pid && WIFEXITED(status));
    drive_end(&d);
    return WEXITSTATUS(status) != EXIT_SUCCESS;
}

static void
bob_takes_slots(struct actor *self, void *arg)
{
    char byte;

    for (int i = 0; i < IPC_MAX_CLIENTS; i++) {
        int fd = connect_local(arg, SOCK_STREAM);

        (void)!recv(fd, &byte, 1, 0); /* or it is turned away */
    }
    actor_step(self);
}

struct newcomer {
    struct host *server;
    bool served;
};

static void
alice_wants_in(void *arg)
{
    struct newcomer *g = arg;

    g->served = is_served(g->server);
}

static bool
takes_every_slot(bool naive)
{
    struct newcomer *g = shared(sizeof *g);
    struct host server;
    struct actor bob;

    (void)naive;
    serve(&server, "socket/stream");
    g->server = &server;
    actor_start(&bob, BOB, bob_takes_slots, server.where);
    actor_wait(&bob);
    as_user(ALICE, alice_wants_in, g);
    actor_kill(&bob);
    host_stop(&server);
    return !g->served;
}

/* -- 60: a message of no bytes -------------------------------------------- */

static void
bob_says_nothing(void *arg)
{
    int fd = connect_and_enter(arg, SOCK_SEQPACKET);
    char byte;

    MUST(send(fd, "", 0, MSG_NOSIGNAL) == 0);
    MUST(recv(fd, &byte, 1, 0) == 0); /* disconnected */
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
    MUST(client_call(&honest, api_by_name("stats"), NULL, &r, ATTACK_TIMEOUT) ==
         0);
    counted = r.results[3].u64 == 1; /* malformed */
    client_close(&honest);
    host_stop(&server);
    return !counted;
}

/* -- 109: who never reads his replies ------------------------------------- */

static void
bob_only_asks(struct actor *self, void *arg)
{
    uint8_t request[WIRE_HEADER + 4];
    int fd = connect_and_enter(arg, SOCK_STREAM);

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
            stuck = is_in_call(bob.pid, SYS_write);
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

/* -- 110: no descriptors left --------------------------------------------- */

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
            taken = handshake_accept(p.fd, &spare);
        MUST(taken == -1 && (!naive || errno == EMFILE));
    }
    MUST(naive || (spare != -1 && recv(client, path, 1, 0) == 0)); /* told */
    return poll(&p, 1, 0) == 1;
}

/* -- 119: her session's name ---------------------------------------------- */

struct listening {
    char where[ENDPOINT_SIZE];
    struct host *server;
    bool fell;
};

static void
alice_listens(struct actor *self, void *arg)
{
    struct listening *s = arg;
    struct client c;
    struct reply r;

    MUST(client_open(&c, s->server->m, s->server->where) == 0);
    MUST(whoami(&c) == ALICE);
    actor_step(self);
    s->fell = client_recv(&c, &r, 0) != -ETIMEDOUT; /* she has asked nothing */
    client_close(&c);
}

/* The first slot, taken for the first time. */
#define HER_SESSION 0

static void
bob_asks_in_her_session(void *arg)
{
    struct listening *s = arg;
    uint8_t datagram[8 + WIRE_HEADER];
    int fd = connect_local(s->where, SOCK_DGRAM);

    put64(datagram, HER_SESSION);
    make_frame(datagram + 8, API_whoami);
    MUST(send(fd, datagram, sizeof datagram, 0) == sizeof datagram);
}

static bool
asks_in_her_session(bool naive)
{
    struct listening *s = shared(sizeof *s);
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

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "socket/stream"

const struct attack manners_attacks[] = {
    {58, M, "sends half a header, byte by byte", .without = "timeout",
     .how = "cut off after 2 s", .alone = true, .run = sends_half_a_header},
    {59, M, "takes every slot; A comes", .without = "slotquota",
     .how = "half of them for a user", .run = takes_every_slot},
    {60, "socket/seqpacket", "sends a record of no bytes",
     .how = "an error, not the end", .alone = true,
     .run = sends_an_empty_record},
    {109, M, "asks and asks, and never reads",
     .how = "kept apart, nobody waits", .alone = true, .run = never_reads},
    {110, M, "connects when no descriptor is left", .how = "one to spare",
     .alone = true, .run = fills_the_table},
    {119, "socket/dgram", "asks in the name of A's session",
     .without = "session", .how = "the stamp is not A's",
     .run = asks_in_her_session},
    {0},
};
