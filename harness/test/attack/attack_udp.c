/* attack_udp.c - UDP: whose port is it, when a datagram comes? */
#define _GNU_SOURCE /* memmem, SOCK_CLOEXEC */
#include "test/attack/attack.h"

#include <string.h>
#include <unistd.h>

/* -- 72: the same port once more ------------------------------------------ */

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

/* -- 74: her port is his now ---------------------------------------------- */

struct hand_over {
    struct sockaddr_in server, alice;
    char path[ENDPOINT_SIZE];
    bool fell;
};

/* Hers, with the server's proof that she receives there: an honest client's. */
static int
enter(struct hand_over *h, uint8_t cookie[8])
{
    const struct sockaddr_in at = loopback();
    uint8_t sign[9] = {'?'};
    int fd = make_bound(SOCK_DGRAM, 0, &at);

    h->alice = address_of(fd);
    MUST(sendto(fd, sign, sizeof sign, 0, (struct sockaddr *)&h->server,
                sizeof h->server) == sizeof sign);
    MUST(recv(fd, sign, sizeof sign, 0) == sizeof sign && sign[0] == '+');
    memcpy(cookie, sign + 1, 8);
    return fd;
}

static void
ask_and_go(struct hand_over *h, int fd, const uint8_t cookie[8])
{
    const struct api_value args[] = {
        {.at = h->path, .len = strlen(h->path)}, {.u64 = 0}, {.u32 = 100}};
    uint8_t request[8 + REQUEST_ROOM];
    size_t len = 8 + make_call(request + 8, "read_file", args);

    memcpy(request, cookie, 8);
    MUST(sendto(fd, request, len, 0, (struct sockaddr *)&h->server,
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
    int textbook = make_bound(SOCK_DGRAM, 0, &at), hers;
    uint8_t cookie[8] = {0};

    strcpy(h->path, make_file("hers", SECRET, 0600));
    MUST(chown(h->path, ALICE, ALICE) == 0);
    serve(&server, "socket/udp");
    h->server = address_in(server.where);
    hers = enter(h, cookie);
    if (naive)
        h->server = address_of(textbook);
    pause_server(&server);
    ask_and_go(h, hers, cookie);
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

/* -- 151: 40 bytes in her name, 40,000 to her ----------------------------- */

/* The socket stands for her address: the datagram says that it is from there,
 * and whoever sent it could not have read an answer. */
static bool
is_answered_at_length(bool naive)
{
    const struct sockaddr_in at = loopback();
    const struct api_value count = {.u32 = 40000};
    static uint8_t bytes[65536];
    uint8_t request[8 + REQUEST_ROOM] = {0}; /* no cookie */
    struct host server;
    struct sockaddr_in to;
    int fd = make_bound(SOCK_DGRAM, 0, &at);
    size_t len = 8 + make_call(request + 8, "source", &count), came = 0;
    ssize_t n;

    (void)naive;
    serve(&server, "socket/udp");
    to = address_in(server.where);
    MUST(sendto(fd, request, len, 0, (struct sockaddr *)&to, sizeof to) ==
         (ssize_t)len);
    be_served(&server);
    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        came += (size_t)n;
    host_stop(&server);
    return came > len;
}

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "socket/udp"

const struct attack udp_attacks[] = {
    {72, M, "binds the server's port once more", .how = "no SO_REUSEADDR",
     .run = binds_the_same_port},
    {74, M, "has A's port when the answer comes",
     .how = "K0: no secrets, DENIED", .run = has_her_port},
    {151, M, "has A sent a thousandfold", .without = "cookie",
     .how = "who receives has a cookie", .alone = true,
     .run = is_answered_at_length},
    {0},
};
