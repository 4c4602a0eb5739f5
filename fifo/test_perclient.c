/*
 * test_perclient.c - who may say what about whom in a FIFO that is open to all.
 *
 * An attack is run twice: against our server, which must refuse it, and against
 * ipcd-naive, the same program with the checks in owner.c left out
 * (core/defence.h).  There it must succeed, or the first result would prove
 * nothing.
 */
#define _GNU_SOURCE /* F_SETPIPE_SZ, O_CLOEXEC */
#include "test/test.h"

#include "core/clock.h"
#include "core/owner.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_perclient(void);

static const struct ipc_mechanism *
perclient(void)
{
    return ipc_find("fifo/perclient");
}

START_TEST(a_joined_client_needs_no_name_any_more)
{
    char dir[ENDPOINT_SIZE], list[PATH_MAX];
    struct host server;
    struct client c;

    server_start(&server, perclient());
    client_start(&server, &c);
    expect_echo(&c, 10);
    ck_assert_int_eq(endpoint_file(server.where, ".d", dir), 0);
    snprintf(list, sizeof list, "rmdir %s && mkdir -m 700 %s", dir, dir);
    ck_assert_int_eq(system(list), 0); /* it was empty */
    expect_echo(&c, 10);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- records, written by hand ------------------------------------------------------ */

enum { JOIN = 1, MESSAGE = 2, PREFIX = 32 };

/* What one who knows the format writes; shared with the child that does it. */
struct hand {
    char where[ENDPOINT_SIZE];
    uint32_t pid, serial;
    uid_t claim;
    uint8_t nonce[NONCE_SIZE]; /* zero: not joined */
    int requests, replies;
    bool fell; /* the attack succeeded */
};

static struct hand *
make_hand(const struct host *server, uint32_t pid, uid_t claim)
{
    struct hand *h = mmap(NULL, sizeof *h, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert(h != MAP_FAILED);
    *h = (struct hand){.pid = pid, .serial = 1, .claim = claim};
    strcpy(h->where, server->where);
    return h;
}

/* Returns the record's length. */
static size_t
make_record(const struct hand *h, uint8_t record[PIPE_BUF], unsigned type,
            const void *body, size_t len)
{
    static const uint8_t mark[4] = {'F', 'I', 'F', 'O'};

    memcpy(record, mark, sizeof mark);
    put16(record + 4, (uint16_t)(PREFIX + len));
    put16(record + 6, (uint16_t)type);
    put32(record + 8, h->pid);
    put32(record + 12, h->serial);
    memcpy(record + 16, h->nonce, NONCE_SIZE);
    memcpy(record + PREFIX, body, len);
    return PREFIX + len;
}

static void
write_record(struct hand *h, unsigned type, const void *body, size_t len)
{
    uint8_t record[PIPE_BUF];
    size_t n = make_record(h, record, type, body, len);

    ck_assert_int_eq(write(h->requests, record, n), (ssize_t)n);
}

static void
open_requests(struct hand *h)
{
    h->requests = open(h->where, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ne(h->requests, -1);
}

/* A reply FIFO as any client makes it; the user is whoever runs this. */
static void
make_reply_fifo(struct hand *h)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s.d/%u.%u", h->where, h->pid, h->serial);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    h->replies = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ne(h->replies, -1);
}

static void
say_join(struct hand *h)
{
    uint8_t uid[4];

    put32(uid, h->claim);
    write_record(h, JOIN, uid, sizeof uid);
}

static void
say_whoami(struct hand *h)
{
    uint8_t frame[WIRE_HEADER];

    raw_frame(frame, API_whoami, 7, NULL, 0);
    write_record(h, MESSAGE, frame, sizeof frame);
}

/* All that was written before has been dealt with: the FIFO is one queue. */
static void
wait_for_the_server(struct host *server)
{
    struct client honest;

    client_start(server, &honest);
    expect_echo(&honest, 1);
    client_close(&honest);
}

static void
start_server(struct host *server, const char *program)
{
    struct host_options options = {.cpu = -1, .quiet = 1};
    char path[PATH_MAX];

    ck_assert_int_eq(program_path(program, path, sizeof path), 0);
    options.ipcd = path;
    ck_assert_int_eq(host_start(server, perclient(), run_dir, &options), 0);
}

/* What is written until it goes on is there at once when it looks. */
static void
hold(struct host *server)
{
    ck_assert_int_eq(kill(server->pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(server->pid, NULL, WUNTRACED), server->pid);
}

START_TEST(rubbish_in_the_request_fifo_costs_nobody_anything)
{
    uint8_t greedy[PREFIX] = "FIFO";
    struct host server;
    struct client c;
    struct hand *h;

    server_start(&server, perclient());
    client_start(&server, &c);
    h = make_hand(&server, 0, 0);
    open_requests(h);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(write(h->requests, "ten bytes!", 10), 10);
        expect_echo(&c, 100);
        /* A record that claims the 4064 bytes behind it. */
        put16(greedy + 4, PIPE_BUF);
        put16(greedy + 6, MESSAGE);
        ck_assert_int_eq(write(h->requests, greedy, sizeof greedy), 32);
        expect_echo(&c, 100);
        /* One that claims 4; and only the beginning of it. */
        put16(greedy + 4, PREFIX + 4);
        put16(greedy + 6, JOIN);
        ck_assert_int_eq(write(h->requests, greedy, sizeof greedy), 32);
        expect_echo(&c, 100);
        ck_assert_int_eq(write(h->requests, greedy, 8), 8);
        expect_echo(&c, 100);
        ck_assert_int_eq(write(h->requests, "FIFO", 4), 4); /* and no more */
        expect_echo(&c, 100);
    }
    close(h->requests);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* fcntl(2) lets anybody who may write make it larger than the server's buffer. */
START_TEST(more_rubbish_than_the_server_can_hold_is_got_rid_of)
{
    static uint8_t rubbish[300000];
    struct host server;
    struct client c;
    struct reply r;
    struct hand *h;

    server_start(&server, perclient());
    client_start(&server, &c);
    h = make_hand(&server, 0, 0);
    open_requests(h);
    ck_assert_int_ge(fcntl(h->requests, F_SETPIPE_SZ, sizeof rubbish),
                     sizeof rubbish);
    memset(rubbish, 'F', sizeof rubbish);
    for (size_t tail = 0; tail < PREFIX; tail++) {
        const ssize_t n = (ssize_t)(sizeof rubbish - PIPE_BUF - tail);

        hold(&server);
        ck_assert_int_eq(write(h->requests, rubbish, (size_t)n), n);
        ck_assert_int_eq(
            client_send(&c, api_by_name("whoami"), NULL, NULL, PATIENCE), 0);
        ck_assert_int_eq(kill(server.pid, SIGCONT), 0);
        ck_assert_int_eq(client_recv(&c, &r, PATIENCE), 0);
    }
    close(h->requests);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- attacks ------------------------------------------------------------------------ */

/* Alice has a reply FIFO.  Bob, who cannot read it, says it is his. */
static void
alice(struct child *self, void *arg)
{
    struct hand *h = arg;
    char bytes[512];
    ssize_t n;

    make_reply_fifo(h);
    child_step(self); /* Bob does it */
    n = read(h->replies, bytes, sizeof bytes);
    close(h->replies);
    /* The nonce was left for her; is there an answer to Bob's request, too? */
    ck_assert_int_ge(n, NONCE_SIZE);
    h->fell = n > NONCE_SIZE;
}

static void
bob_reflects(void *arg)
{
    struct hand *h = arg;
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s.d/%u.%u", h->where, h->pid, h->serial);
    ck_assert_int_eq(open(path, O_RDONLY | O_NONBLOCK), -1);
    ck_assert_int_eq(errno, EACCES);
    open_requests(h);
    say_join(h);
    say_whoami(h);
    close(h->requests);
}

/* Did the server answer Bob's request as if Alice had made it? */
static bool
reflection(const char *program)
{
    struct host server;
    struct hand *h;
    struct child a;

    start_server(&server, program);
    h = make_hand(&server, 4711, ALICE);
    child_start(&a, ALICE, alice, h);
    child_wait(&a);
    run_as(BOB, bob_reflects, h);
    wait_for_the_server(&server);
    child_go(&a);
    child_end(&a);
    server_stop(&server);
    return h->fell;
}

START_TEST(nobody_asks_in_another_ones_name)
{
    ck_assert(reflection("ipcd-naive"));
    ck_assert(!reflection("ipcd"));
}
END_TEST

/* Bob's own FIFO, but he says that he is root, and process 1. */
static void
bob_claims(struct child *self, void *arg)
{
    struct hand *h = arg;
    uint8_t bytes[512], *p = bytes + NONCE_SIZE + WIRE_HEADER;
    ssize_t n;

    make_reply_fifo(h);
    open_requests(h);
    say_join(h);
    say_whoami(h);
    child_step(self);
    n = read(h->replies, bytes, sizeof bytes);
    close(h->requests);
    close(h->replies);
    if (n <= 0) /* nobody ever opened it for writing: refused */
        return;
    /* What the server thinks of him: after the nonce and the header the
     * mechanism's name, a string; then pid and uid. */
    ck_assert_int_gt(n, NONCE_SIZE + WIRE_HEADER + 2 + 16);
    p += 2 + get16(p);
    ck_assert_int_eq((int64_t)get64(p), -1);
    ck_assert_int_eq((int64_t)get64(p + 8), 0);
    h->fell = true;
}

static bool
claim(const char *program)
{
    struct host server;
    struct hand *h;
    struct child b;

    start_server(&server, program);
    h = make_hand(&server, 1, 0);
    child_start(&b, BOB, bob_claims, h);
    child_wait(&b);
    wait_for_the_server(&server);
    child_go(&b);
    child_end(&b);
    server_stop(&server);
    return h->fell;
}

START_TEST(a_claimed_uid_must_be_the_owners)
{
    ck_assert(claim("ipcd-naive"));
    ck_assert(!claim("ipcd"));
}
END_TEST

/* A name in the directory that leads elsewhere. */
static void
bob_links(void *arg)
{
    struct hand *h = arg;
    char path[PATH_MAX], target[PATH_MAX];

    snprintf(path, sizeof path, "%s.d/%u.%u", h->where, h->pid, h->serial);
    snprintf(target, sizeof target, "%s/precious", run_dir);
    ck_assert_int_eq(symlink(target, path), 0);
    open_requests(h);
    say_join(h);
    close(h->requests);
}

START_TEST(a_symbolic_link_leads_nowhere)
{
    char precious[PATH_MAX], link[ENDPOINT_SIZE];
    struct host server;
    struct stat st;
    int fd;

    snprintf(precious, sizeof precious, "%s/precious", run_dir);
    fd = open(precious, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "root's", 6), 6);
    close(fd);
    start_server(&server, "ipcd");
    run_as(BOB, bob_links, make_hand(&server, 1, 0));
    wait_for_the_server(&server);
    ck_assert_int_eq(stat(precious, &st), 0);
    ck_assert_int_eq(st.st_size, 6);
    /* The naive form, open(2) alone, follows it. */
    ck_assert_int_eq(endpoint_file(server.where, ".d/1.1", link), 0);
    fd = open(link, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    close(fd);
    server_stop(&server);
    unlink(precious);
}
END_TEST

/* -- a record around another's ---------------------------------------------------- */

/* Joins as any client does. */
static void
join(struct hand *h)
{
    struct pollfd p;

    h->serial++;
    memset(h->nonce, 0, NONCE_SIZE);
    make_reply_fifo(h);
    say_join(h);
    p = (struct pollfd){.fd = h->replies, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, PATIENCE / NS_PER_MS), 1);
    ck_assert_int_eq(read(h->replies, h->nonce, NONCE_SIZE), NONCE_SIZE);
}

/* "Echo what follows", and what follows is up to others: the length counts
 * bytes that are not in it. */
static void
write_head(struct hand *h, size_t missing)
{
    uint8_t frame[WIRE_HEADER + 4], record[PIPE_BUF];
    size_t n;

    raw_frame(frame, API_echo, 1, NULL, 0);
    put32(frame + 8, (uint32_t)(4 + missing));
    put32(frame + WIRE_HEADER, (uint32_t)missing);
    n = make_record(h, record, MESSAGE, frame, sizeof frame);
    put16(record + 4, (uint16_t)(n + missing));
    ck_assert_int_eq(write(h->requests, record, n), (ssize_t)n);
}

/* What the server answers: bytes, 0 = it has cut the client off. */
static ssize_t
answer(struct hand *h, uint8_t *bytes, size_t size)
{
    struct pollfd p = {.fd = h->replies, .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, PATIENCE / NS_PER_MS), 1);
    return read(h->replies, bytes, size);
}

/* All of the victim's record, the part with the nonce, and the first byte. */
START_TEST(nobody_writes_a_record_around_another_ones)
{
    const size_t whole = PREFIX + WIRE_HEADER;
    const size_t missing[] = {whole, PREFIX, 20, 1};
    uint8_t bytes[PIPE_BUF];
    struct host server;
    struct client victim;
    struct reply r;
    struct hand *h;

    server_start(&server, perclient());
    client_start(&server, &victim);
    h = make_hand(&server, 1, geteuid());
    open_requests(h);
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        join(h);
        hold(&server); /* both are there when it looks */
        write_head(h, missing[i]);
        ck_assert_int_eq(
            client_send(&victim, api_by_name("whoami"), NULL, NULL, PATIENCE),
            0);
        ck_assert_int_eq(kill(server.pid, SIGCONT), 0);
        ck_assert_int_eq(client_recv(&victim, &r, PATIENCE), 0);
        ck_assert_int_eq(answer(h, bytes, sizeof bytes), 0);
        close(h->replies);
    }
    /* Does it work at all?  Around a record of one's own it does: and what
     * comes back carries the nonce. */
    join(h);
    hold(&server);
    write_head(h, whole);
    say_whoami(h);
    ck_assert_int_eq(kill(server.pid, SIGCONT), 0);
    ck_assert_int_eq(answer(h, bytes, sizeof bytes),
                     (ssize_t)(WIRE_HEADER + 4 + whole));
    ck_assert_mem_eq(bytes + WIRE_HEADER + 4 + 16, h->nonce, NONCE_SIZE);
    close(h->replies);
    close(h->requests);
    client_close(&victim);
    server_stop(&server);
}
END_TEST

/* What was written at once is there at once; so nobody is waited for. */
START_TEST(half_a_record_costs_its_author_the_connection)
{
    uint8_t bytes[PIPE_BUF];
    struct host server;
    struct hand *h;

    server_start(&server, perclient());
    h = make_hand(&server, 1, geteuid());
    open_requests(h);
    join(h);
    write_head(h, 1);
    ck_assert_int_eq(answer(h, bytes, sizeof bytes), 0);
    close(h->replies);
    close(h->requests);
    server_stop(&server);
}
END_TEST

/* -- whom a client trusts ------------------------------------------------------------ */

START_TEST(a_client_uses_only_what_the_directorys_owner_put_there)
{
    struct host server;
    struct client c;

    server_start(&server, perclient());
    ck_assert_int_eq(chown(server.where, BOB, BOB), 0);
    ck_assert_int_eq(host_client(&server, &c), -EPERM);
    ck_assert_int_eq(chown(server.where, 0, 0), 0);
    ck_assert_int_eq(chmod(run_dir, 0777), 0);
    ck_assert_int_eq(host_client(&server, &c), -EPERM);
    ck_assert_int_eq(chmod(run_dir, 0755), 0);
    client_start(&server, &c);
    expect_echo(&c, 1);
    client_close(&c);
    server_stop(&server);
}
END_TEST

START_TEST(a_server_of_ones_own_invites_nobody_else)
{
    struct host server;
    struct stat st;

    server_start(&server, perclient());
    ck_assert_int_eq(stat(server.where, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, geteuid() == 0 ? 0622 : 0600);
    server_stop(&server);
}
END_TEST

Suite *
test_perclient(void)
{
    Suite *s = suite_create("fifo");
    TCase *tc = test_case(s, "fifo/perclient");

    tcase_add_test(tc, a_joined_client_needs_no_name_any_more);
    tcase_add_test(tc, rubbish_in_the_request_fifo_costs_nobody_anything);
    tcase_add_test(tc, more_rubbish_than_the_server_can_hold_is_got_rid_of);
    tcase_add_test(tc, nobody_writes_a_record_around_another_ones);
    tcase_add_test(tc, half_a_record_costs_its_author_the_connection);
    tcase_add_test(tc, a_server_of_ones_own_invites_nobody_else);
    add_test_if(tc, need_root(), nobody_asks_in_another_ones_name);
    add_test_if(tc, need_root(), a_claimed_uid_must_be_the_owners);
    add_test_if(tc, need_root(), a_symbolic_link_leads_nowhere);
    add_test_if(tc, need_root(),
                a_client_uses_only_what_the_directorys_owner_put_there);
    return s;
}
