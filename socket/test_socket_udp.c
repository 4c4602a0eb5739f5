/*
 * test_socket_udp.c - datagrams that get lost, come twice, or come from
 * somebody else.
 */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "by_hand.h"
#include "cookie.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_socket_udp(void);

/* -- whose port is it? ---------------------------------------------------- */

/* With reuse it shares its port with whoever does the same. */
static int
bind_udp(const struct sockaddr_in *at, int reuse)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse), 0);
    if (bind(fd, (const struct sockaddr *)at, sizeof *at) == 0)
        return fd;
    close(fd);
    return -1;
}

static void
bind_too(void *at)
{
    int fd = bind_udp(at, 1);

    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(errno, EADDRINUSE);
}

START_TEST(nobody_else_gets_a_udp_servers_datagrams)
{
    struct sockaddr_in at = {.sin_family = AF_INET}, exact;
    socklen_t len = sizeof at;
    int naive = bind_udp(&at, 1), thief, sender;
    struct host server;
    char byte;

    /* The attack: naive is bound to any address, the thief to this one. */
    ck_assert_int_eq(getsockname(naive, (struct sockaddr *)&at, &len), 0);
    exact = at;
    exact.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    thief = bind_udp(&exact, 1);
    ck_assert_int_ne(thief, -1);
    sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(
        sendto(sender, "x", 1, 0, (struct sockaddr *)&exact, sizeof exact), 1);
    ck_assert_int_eq(recv(thief, &byte, 1, 0), 1);
    ck_assert_int_eq(recv(naive, &byte, 1, MSG_DONTWAIT), -1);
    close(sender);
    close(thief);
    close(naive);

    setenv("IPCLAB_LISTEN", "0.0.0.0", 1);
    server_start(&server, ipc_find("socket/udp"));
    unsetenv("IPCLAB_LISTEN");
    exact = server_address(server.where);
    exact.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (need_root() == NULL)
        as_user(ALICE, bind_too, &exact);
    bind_too(&exact);
    server_stop(&server);
}
END_TEST

/* -- lost and repeated datagrams ------------------------------------------ */

START_TEST(a_repeated_request_is_answered_twice)
{
    const uint8_t arguments[] = {1, 0, 'k', 5, 0, 0, 0, 0, 0, 0, 0};
    uint8_t frame[WIRE_HEADER + sizeof arguments];
    uint64_t before;
    struct host server;
    struct client c;
    struct reply r;

    server_start(&server, ipc_find("socket/udp"));
    client_start(&server, &c);
    expect_call(&c, "stats", NULL, WIRE_OK, &r);
    before = r.results[0].u64;
    raw_frame(frame, API_counter_add, 9, arguments, sizeof arguments);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(raw_send(&c, frame, sizeof frame, -1), 0);
        ck_assert_int_eq(client_recv(&c, &r, CALL_TIMEOUT), 0);
        ck_assert_uint_eq(r.id, 9);
        ck_assert_uint_eq(r.status, WIRE_DENIED); /* who is asking? */
    }
    expect_call(&c, "stats", NULL, WIRE_OK, &r);
    ck_assert_uint_ge(r.results[0].u64, before + 3);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* A server that hears badly: the first two times it does not answer. */
static void
answer_the_third(struct actor *self, void *arg)
{
    const struct sockaddr_in *at = arg;
    static const uint8_t sign[] = {'+', 1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t bytes[1024], *frame = bytes + 8; /* behind the cookie */
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    uint64_t id = 0;
    int fd = bind_udp(at, 0), heard = 0;

    ck_assert_int_ne(fd, -1);
    actor_step(self);
    while (heard < 3) {
        ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0,
                             (struct sockaddr *)&from, &len);

        if (n == sizeof sign) {
            sendto(fd, sign, sizeof sign, 0, (struct sockaddr *)&from, len);
            continue;
        }
        ck_assert_int_ge(n, 8 + WIRE_HEADER);
        ck_assert_int_eq(memcmp(bytes, sign + 1, 8), 0);
        ck_assert(heard == 0 || id == get64(frame + 16)); /* the same one */
        id = get64(frame + 16);
        heard++;
    }
    wire_encode(&(struct wire_header){.kind = WIRE_REPLY,
                                      .method = API_sleep,
                                      .id = id},
                frame);
    sendto(fd, frame, WIRE_HEADER, 0, (struct sockaddr *)&from, len);
}

START_TEST(a_lost_datagram_is_asked_again_under_the_same_id)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    struct api_value ms = {.u32 = 0};
    char where[INET_TEXT];
    struct actor child;
    struct client c;
    struct reply r;
    int fd;

    fd = bind_udp(&at, 0); /* finds a free port */
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    inet_text(&at, where);
    actor_start(&child, geteuid(), answer_the_third, &at);
    actor_wait(&child);
    actor_go(&child);
    ck_assert_int_eq(client_open(&c, ipc_find("socket/udp"), where), 0);
    expect_call(&c, "sleep", &ms, WIRE_OK, &r);
    client_close(&c);
    actor_end(&child);
}
END_TEST

START_TEST(only_the_servers_datagrams_reach_a_client)
{
    struct host server;
    struct client c;
    struct reply r;
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct api_value *address;
    char text[INET_TEXT];
    int stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    server_start(&server, ipc_find("socket/udp"));
    client_start(&server, &c);
    expect_call(&c, "whoami", NULL, WIRE_OK, &r);
    address = &r.results[6];
    ck_assert_uint_lt(address->len, sizeof text);
    memcpy(text, address->at, address->len);
    text[address->len] = '\0';
    ck_assert_int_eq(inet_find(text, &at), 0);
    /* "You are cut off", says somebody. */
    ck_assert_int_eq(
        sendto(stranger, "-", 1, 0, (struct sockaddr *)&at, sizeof at), 1);
    expect_echo(&c, 100);
    client_close(&c);
    server_stop(&server);
    close(stranger);
}
END_TEST

/* -- who does not receive is not answered ---------------------------------- */

/* A request by hand, for so many bytes; what comes back before the server has
 * answered somebody who asked later. */
static size_t
answer_to(struct host *h, int fd, const struct sockaddr_in *at,
          const uint8_t cookie[8])
{
    static uint8_t answer[65536];
    const uint8_t count[] = {0x40, 0x9c, 0, 0}; /* 40,000 */
    uint8_t request[8 + WIRE_HEADER + 4];
    size_t sum = 0;
    ssize_t n;

    memcpy(request, cookie, 8);
    raw_frame(request + 8, API_source, 7, count, sizeof count);
    ck_assert_int_eq(sendto(fd, request, sizeof request, 0,
                            (const struct sockaddr *)at, sizeof *at),
                     sizeof request);
    server_catch_up(h);
    while ((n = recv(fd, answer, sizeof answer, MSG_DONTWAIT)) > 0)
        sum += (size_t)n;
    return sum;
}

START_TEST(no_answer_is_longer_than_its_question_without_proof)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t question[9] = {'?'}, sign[16], none[8] = {0};
    int mine = bind_udp(&any, 0), others = bind_udp(&any, 0);
    struct sockaddr_in at;
    struct host server;

    server_start(&server, ipc_find("socket/udp"));
    at = server_address(server.where);
    ck_assert_uint_le(answer_to(&server, mine, &at, none), 8 + WIRE_HEADER + 4);
    /* Half a question is none. */
    for (size_t len = 0; len < sizeof question; len++)
        sendto(mine, question, len, 0, (struct sockaddr *)&at, sizeof at);
    server_catch_up(&server);
    ck_assert_int_eq(recv(mine, sign, sizeof sign, MSG_DONTWAIT), -1);
    ck_assert_int_eq(sendto(mine, question, sizeof question, 0,
                            (struct sockaddr *)&at, sizeof at),
                     sizeof question);
    ck_assert_int_eq(recv(mine, sign, sizeof sign, 0), sizeof question);
    ck_assert_int_eq(sign[0], '+');
    ck_assert_uint_gt(answer_to(&server, mine, &at, sign + 1), 40000);
    /* It is of that address, and no other. */
    ck_assert_uint_le(answer_to(&server, others, &at, sign + 1),
                      8 + WIRE_HEADER + 4);
    /* A server's sign is not answered: two servers would never end. */
    sign[0] = '!';
    sendto(mine, sign, sizeof question, 0, (struct sockaddr *)&at, sizeof at);
    server_catch_up(&server);
    ck_assert_int_eq(recv(mine, sign, sizeof sign, MSG_DONTWAIT), -1);
    server_stop(&server);
    close(mine);
    close(others);
}
END_TEST

START_TEST(a_cookie_is_good_for_its_address_and_its_time)
{
    struct cookie_key key, other;
    int64_t now = 10 * COOKIE_STEP;
    uint64_t cookie;

    ck_assert_int_eq(cookie_key_make(&key), 0);
    ck_assert_int_eq(cookie_key_make(&other), 0);
    cookie = cookie_make(&key, 4711, now);
    ck_assert(cookie_good(&key, 4711, now, cookie));
    ck_assert(cookie_good(&key, 4711, now + 2 * COOKIE_STEP - 1, cookie));
    ck_assert(!cookie_good(&key, 4711, now + 2 * COOKIE_STEP, cookie));
    ck_assert(!cookie_good(&key, 4712, now, cookie));
    ck_assert(!cookie_good(&other, 4711, now, cookie));
    /* The authors' test vectors: key and message 00 01 ... 0f. */
    key = (struct cookie_key){
        {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    ck_assert_uint_eq(siphash_words(&key, UINT64_C(0x0706050403020100),
                                    UINT64_C(0x0f0e0d0c0b0a0908)),
                      UINT64_C(0x3f2acc7f57c29bdb));
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_socket_udp(void)
{
    Suite *s = suite_create("socket_udp");
    TCase *tc = test_case(s, "socket/udp");
    const char *no_net = inet_unavailable();

    add_test_if(tc, no_net, nobody_else_gets_a_udp_servers_datagrams);
    add_test_if(tc, no_net, a_repeated_request_is_answered_twice);
    add_test_if(tc, no_net, a_lost_datagram_is_asked_again_under_the_same_id);
    add_test_if(tc, no_net, only_the_servers_datagrams_reach_a_client);
    add_test_if(tc, no_net,
                no_answer_is_longer_than_its_question_without_proof);
    add_test_if(tc, NULL, a_cookie_is_good_for_its_address_and_its_time);
    return s;
}
