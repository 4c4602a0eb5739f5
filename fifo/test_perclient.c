/*
 * test_perclient.c - what one may write into a FIFO that is open to all.  Whose
 * a reply FIFO is: `ipcattack 11 12 14 15 101`.
 */
#define _GNU_SOURCE /* F_SETPIPE_SZ, O_CLOEXEC */
#include "test/both/requests.h"
#include "test/inject.h"
#include "test/test.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    char dir[ENDPOINT_SIZE];
    struct host server;
    struct client c;

    server_start(&server, perclient());
    client_start(&server, &c);
    expect_echo(&c, 10);
    ck_assert_int_eq(endpoint_file(server.where, ".d", dir), 0);
    ck_assert_int_eq(rmdir(dir), 0); /* it was empty */
    expect_echo(&c, 10);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- records, written by hand --------------------------------------------- */

#define PREFIX 32 /* bytes of a record before its body: record.h */

/* What one who knows the format has. */
struct hand {
    char where[ENDPOINT_SIZE];
    struct request record; /* as whose it writes */
    uint32_t serial;
    int requests, replies;
};

static void
begin_by_hand(struct hand *h, const struct host *server)
{
    *h = (struct hand){.serial = 0};
    strcpy(h->where, server->where);
    h->requests = open(h->where, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ne(h->requests, -1);
}

static void
write_record(const struct hand *h, const uint8_t *record, size_t len)
{
    ck_assert_int_eq(write(h->requests, record, len), (ssize_t)len);
}

START_TEST(rubbish_in_the_request_fifo_costs_nobody_anything)
{
    uint8_t greedy[PREFIX] = "FIFO";
    struct host server;
    struct client c;
    struct hand h;

    server_start(&server, perclient());
    client_start(&server, &c);
    begin_by_hand(&h, &server);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(write(h.requests, "ten bytes!", 10), 10);
        expect_echo(&c, 100);
        /* A record that claims the 4064 bytes behind it. */
        put16(greedy + 4, PIPE_BUF);
        put16(greedy + 6, MESSAGE);
        ck_assert_int_eq(write(h.requests, greedy, sizeof greedy), 32);
        expect_echo(&c, 100);
        /* One that claims 4; and only the beginning of it. */
        put16(greedy + 4, PREFIX + 4);
        put16(greedy + 6, JOIN);
        ck_assert_int_eq(write(h.requests, greedy, sizeof greedy), 32);
        expect_echo(&c, 100);
        ck_assert_int_eq(write(h.requests, greedy, 8), 8);
        expect_echo(&c, 100);
        ck_assert_int_eq(write(h.requests, "FIFO", 4), 4); /* and no more */
        expect_echo(&c, 100);
    }
    close(h.requests);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* fcntl(2) lets anybody who may write make it larger than the server's
 * buffer. */
START_TEST(more_rubbish_than_the_server_can_hold_is_got_rid_of)
{
    static uint8_t rubbish[300000];
    struct host server;
    struct client c;
    struct reply r;
    struct hand h;

    server_start(&server, perclient());
    client_start(&server, &c);
    begin_by_hand(&h, &server);
    ck_assert_int_ge(fcntl(h.requests, F_SETPIPE_SZ, sizeof rubbish),
                     sizeof rubbish);
    memset(rubbish, 'F', sizeof rubbish);
    for (size_t tail = 0; tail < PREFIX; tail++) {
        const ssize_t n = (ssize_t)(sizeof rubbish - PIPE_BUF - tail);

        server_pause(&server);
        ck_assert_int_eq(write(h.requests, rubbish, (size_t)n), n);
        ck_assert_int_eq(
            client_send(&c, api_by_name("whoami"), NULL, NULL, CALL_TIMEOUT),
            0);
        server_resume(&server);
        ck_assert_int_eq(client_recv(&c, &r, CALL_TIMEOUT), 0);
    }
    close(h.requests);
    client_close(&c);
    server_stop(&server);
}
END_TEST

/* -- a record around another's -------------------------------------------- */

/* What the server answers: bytes, 0 = it has cut the client off. */
static ssize_t
answer(struct hand *h, uint8_t *bytes, size_t size)
{
    struct pollfd p = {.fd = h->replies, .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, (int)(CALL_TIMEOUT / NS_PER_MS)), 1);
    return read(h->replies, bytes, size);
}

/* Joins as any client does. */
static void
join(struct hand *h)
{
    uint8_t record[REQUEST_SIZE];
    char path[PATH_MAX];

    h->record = (struct request){.mechanism = "fifo/perclient",
                                 .replies = REPLIES(1, ++h->serial)};
    snprintf(path, sizeof path, "%s.d/1.%u", h->where, h->serial);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    h->replies = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ne(h->replies, -1);
    write_record(h, record, make_join(&h->record, geteuid(), record));
    ck_assert_int_eq(answer(h, h->record.nonce, NONCE_SIZE), NONCE_SIZE);
}

/* "Echo what follows", and what follows is up to others: the length counts
 * bytes that are not in it. */
static void
write_head(const struct hand *h, size_t missing)
{
    uint8_t frame[WIRE_HEADER + 4], record[REQUEST_SIZE];
    size_t n;

    raw_frame(frame, API_echo, 1, NULL, 0);
    put32(frame + 8, (uint32_t)(4 + missing));
    put32(frame + WIRE_HEADER, (uint32_t)missing);
    n = make_request(&h->record, MESSAGE, frame, sizeof frame, record);
    put16(record + 4, (uint16_t)(n + missing));
    write_record(h, record, n);
}

/* All of the victim's record, the part with the nonce, and the first byte. */
START_TEST(nobody_writes_a_record_around_another_ones)
{
    const size_t whole = PREFIX + WIRE_HEADER;
    const size_t missing[] = {whole, PREFIX, 20, 1};
    uint8_t bytes[PIPE_BUF], own[REQUEST_SIZE];
    struct host server;
    struct client victim;
    struct reply r;
    struct hand h;

    server_start(&server, perclient());
    client_start(&server, &victim);
    begin_by_hand(&h, &server);
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        join(&h);
        server_pause(&server); /* both are there when it looks */
        write_head(&h, missing[i]);
        ck_assert_int_eq(client_send(&victim, api_by_name("whoami"), NULL, NULL,
                                     CALL_TIMEOUT),
                         0);
        server_resume(&server);
        ck_assert_int_eq(client_recv(&victim, &r, CALL_TIMEOUT), 0);
        ck_assert_int_eq(answer(&h, bytes, sizeof bytes), 0);
        close(h.replies);
    }
    /* Does it work at all?  Around a record of one's own it does: and what
     * comes back carries the nonce. */
    join(&h);
    server_pause(&server);
    write_head(&h, whole);
    write_record(&h, own, make_whoami(&h.record, own));
    server_resume(&server);
    ck_assert_int_eq(answer(&h, bytes, sizeof bytes),
                     (ssize_t)(WIRE_HEADER + 4 + whole));
    ck_assert_mem_eq(bytes + WIRE_HEADER + 4 + 16, h.record.nonce, NONCE_SIZE);
    close(h.replies);
    close(h.requests);
    client_close(&victim);
    server_stop(&server);
}
END_TEST

/* What was written at once is there at once; so nobody is waited for. */
START_TEST(half_a_record_costs_its_author_the_connection)
{
    uint8_t bytes[PIPE_BUF];
    struct host server;
    struct hand h;

    server_start(&server, perclient());
    begin_by_hand(&h, &server);
    join(&h);
    write_head(&h, 1);
    ck_assert_int_eq(answer(&h, bytes, sizeof bytes), 0);
    close(h.replies);
    close(h.requests);
    server_stop(&server);
}
END_TEST

/* -- what strangers leave -------------------------------------------------- */

static void
litter(void *where)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s.d/.hidden", (const char *)where);
    close(open(path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600));
    snprintf(path, sizeof path, "%s.d/dir", (const char *)where);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    strcat(path, "/in");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(chmod(path, 0), 0);
}

START_TEST(what_strangers_leave_among_the_replies_prevents_no_restart)
{
    struct host server;
    struct client c;

    for (int i = 0; i < 3; i++) {
        server_start(&server, perclient());
        client_start(&server, &c);
        expect_echo(&c, 10);
        client_close(&c);
        as_user(ALICE, litter, server.where);
        if (i == 0)
            server_kill(&server);
        else
            server_stop(&server);
    }
}
END_TEST

/* Whoever removes its names lets another server begin, whose names they are
 * then. */
START_TEST(a_server_that_ends_leaves_another_ones_fifos_alone)
{
    struct host first, second;
    char command[PATH_MAX];
    struct client c;

    server_start(&first, perclient());
    snprintf(command, sizeof command, "rm -r '%s'/fifo-perclient*", run_dir);
    ck_assert_int_eq(system(command), 0);
    server_start(&second, perclient());
    server_stop(&first);
    client_start(&second, &c);
    expect_echo(&c, 10);
    client_close(&c);
    server_stop(&second);
}
END_TEST

/* -- whom a client trusts ------------------------------------------------- */

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

/* Says so often that there are reply FIFOs. */
#define CLAIMS 1000

#define AGAIN_A_SECOND 64 /* QUOTA_JOINING; 24 calls each, at most */

static pid_t
start_claiming(const struct host *server)
{
    const pid_t pid = fork();
    struct request r = {.mechanism = "fifo/perclient"};
    uint8_t join[REQUEST_SIZE];
    struct hand h;
    size_t len;

    ck_assert_int_ne(pid, -1);
    if (pid != 0)
        return pid;
    begin_by_hand(&h, server);
    for (uint32_t i = 0; i < CLAIMS; i++) {
        r.replies = REPLIES(1, i);
        len = make_join(&r, geteuid(), join);
        write_record(&h, join, len);
    }
    close(h.requests);
    _exit(0);
}

START_TEST(what_is_not_there_costs_one_look_and_not_many)
{
    /* Counts all calls, and never comes so far as to do anything. */
    struct injection count = {.nth = UINT_MAX, .kill = true};
    struct host server;
    struct client c;
    int64_t begin, seconds;
    pid_t pid;

    server_start(&server, perclient());
    begin = now_ns();
    inject_seize(server.server); /* and stands still: all of it is one turn's */
    pid = start_claiming(&server);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) { /* its requests stand behind all of that */
        ipc_open_timeout = CALL_TIMEOUT; /* each call stops twice */
        client_start(&server, &c);
        expect_echo(&c, 100);
        client_close(&c);
        _exit(0);
    }
    ck_assert_int_eq(inject_watch(&count, pid, NULL, now_ns() + CALL_TIMEOUT),
                     0);
    inject_leave(server.server);
    /* A look into the kernel's cache each; the first few have more of them, and
     * are asked for, if the file system may know them all the same: each second
     * gives room for as many again (quota.c). */
    seconds = (now_ns() - begin) / NS_PER_SEC + 1;
    ck_assert_uint_ge(count.seen, CLAIMS);
    ck_assert_uint_lt(count.seen, (uint64_t)3 * CLAIMS +
                                      (uint64_t)seconds * AGAIN_A_SECOND * 24);
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
    tcase_add_test(tc, a_server_that_ends_leaves_another_ones_fifos_alone);
    add_test_if(tc, need_inject() != NULL ? need_inject() : need_calls(),
                what_is_not_there_costs_one_look_and_not_many);
    add_test_if(tc, need_root(),
                what_strangers_leave_among_the_replies_prevents_no_restart);
    add_test_if(tc, need_root(),
                a_client_uses_only_what_the_directorys_owner_put_there);
    return s;
}
