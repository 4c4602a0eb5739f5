/*
 * test_fifo.c - what only a FIFO does, and who may say what about whom.
 *
 * An attack is run twice: against our server, which must refuse it, and against
 * ipcd-naive, the same program with owner.c compiled to believe what it is
 * told.  There it must succeed, or the first result would prove nothing.
 */
#define _GNU_SOURCE /* F_GETPIPE_SZ, O_CLOEXEC */
#include "test/test.h"

#include "core/owner.h"
#include "server/service.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_fifo(void);

static const struct ipc_mechanism *
perclient(void)
{
    return ipc_find("fifo/perclient");
}

/* A FIFO in run_dir, opened both ways. */
static int
make_fifo(char *path, size_t size)
{
    int fd;

    snprintf(path, size, "%s/fifo", run_dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    return fd;
}

/* -- facts ---------------------------------------------------------------------- */

START_TEST(a_write_up_to_pipe_buf_is_all_or_nothing)
{
    static uint8_t bytes[2 * PIPE_BUF];
    char path[PATH_MAX];
    int fd = make_fifo(path, sizeof path);
    int size = fcntl(fd, F_GETPIPE_SZ);

    /* Leave room for exactly PIPE_BUF bytes. */
    for (int left = size - PIPE_BUF; left > 0; left -= PIPE_BUF)
        ck_assert_int_eq(write(fd, bytes, PIPE_BUF), PIPE_BUF);
    /* Twice as much: half of it goes in, and what another process writes next
     * would stand in the middle. */
    ck_assert_int_eq(write(fd, bytes, sizeof bytes), PIPE_BUF);
    ck_assert_int_eq(read(fd, bytes, PIPE_BUF), PIPE_BUF);
    ck_assert_int_eq(write(fd, bytes, 1), 1);
    /* PIPE_BUF bytes, and one too few are free: nothing goes in. */
    ck_assert_int_eq(write(fd, bytes, PIPE_BUF), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(opening_for_writing_without_a_reader_fails_if_it_may_not_wait)
{
    char path[PATH_MAX];
    int fd = make_fifo(path, sizeof path);

    close(fd);
    ck_assert_int_eq(open(path, O_WRONLY | O_NONBLOCK), -1);
    ck_assert_int_eq(errno, ENXIO);
    unlink(path);
}
END_TEST

START_TEST(after_the_last_writer_every_read_is_an_end_of_file)
{
    char path[PATH_MAX], byte;
    int both = make_fifo(path, sizeof path), reader, writer;

    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    close(both);
    close(writer);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(read(reader, &byte, 1), 0);
    /* A write end of one's own: now there is something to wait for. */
    writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_eq(read(reader, &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(writer);
    close(reader);
    unlink(path);
}
END_TEST

START_TEST(the_name_persists_and_the_contents_do_not)
{
    char path[PATH_MAX];
    int fd = make_fifo(path, sizeof path);
    struct pollfd p;

    ck_assert_int_eq(write(fd, "lost", 4), 4);
    close(fd);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    p = (struct pollfd){.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    close(fd);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

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

enum { JOIN = 1, MESSAGE = 2 };

/* What one who knows the format writes; shared with the child that does it. */
struct hand {
    char where[ENDPOINT_SIZE];
    uint32_t pid, serial;
    uid_t claim;
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

static void
write_record(struct hand *h, unsigned type, const void *body, size_t len)
{
    static const uint8_t no_nonce[NONCE_SIZE];
    uint8_t record[PIPE_BUF] = "FIFO";

    put16(record + 4, (uint16_t)(32 + len));
    put16(record + 6, (uint16_t)type);
    put32(record + 8, h->pid);
    put32(record + 12, h->serial);
    memcpy(record + 16, no_nonce, NONCE_SIZE);
    memcpy(record + 32, body, len);
    ck_assert_int_eq(write(h->requests, record, 32 + len), (ssize_t)(32 + len));
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

START_TEST(rubbish_in_the_request_fifo_costs_nobody_anything)
{
    uint8_t greedy[32] = "FIFO";
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
        ck_assert_int_eq(write(h->requests, "FIFO", 4), 4); /* and no more */
        expect_echo(&c, 100);
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

/* -- fifo/oneway -------------------------------------------------------------------- */

struct spooler {
    const struct ipc_mechanism *m;
    char name[ENDPOINT_SIZE];
    atomic_int stop;
    struct service service;
};

static void
open_spooler(struct spooler *s)
{
    s->m = ipc_find("fifo/oneway");
    ck_assert_int_eq(endpoint_name(s->m, run_dir, s->name), 0);
    ck_assert_int_eq(
        service_init(&s->service, s->m, calloc(1, s->m->server_size), &s->stop),
        0);
    ck_assert_int_eq(s->m->create(s->service.srv, s->name), 0);
}

static void
close_spooler(struct spooler *s)
{
    s->m->destroy(s->service.srv);
    free(s->service.srv);
    service_free(&s->service);
}

static void
submit(void *arg)
{
    struct spooler *s = arg;
    struct api_value job;
    struct client c;
    struct reply r;

    ck_assert_int_eq(client_open(&c, s->m, s->name), 0);
    job = bytes_value(c.buf, echo_room(&c));
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(
            client_call(&c, api_by_name("sink"), &job, &r, PATIENCE), 0);
    job = string_value("Bob");
    ck_assert_int_eq(client_call(&c, api_by_name("hello"), &job, &r, PATIENCE),
                     0);
    ck_assert_int_eq(
        client_call(&c, api_by_name("shutdown"), &job, &r, PATIENCE), 0);
    ck_assert_int_eq(client_recv(&c, &r, 0), -EOPNOTSUPP);
    client_close(&c);
}

START_TEST(jobs_go_in_and_nobody_has_rights)
{
    struct spooler s = {.stop = 0};

    open_spooler(&s);
    run_as(need_root() == NULL ? BOB : geteuid(), submit, &s);
    while (service_step(&s.service, 0) == 0)
        continue;
    ck_assert_uint_eq(s.service.notices, 12);
    ck_assert_uint_eq(s.service.requests, 0);
    ck_assert_uint_eq(s.service.refused, 1); /* shutdown, without evidence */
    ck_assert_int_eq(s.stop, 0);
    close_spooler(&s);
}
END_TEST

/* What an honest client writes is whole at once; so what is not whole is no
 * record, and swallows nothing. */
START_TEST(a_forged_length_swallows_no_job)
{
    struct spooler s = {.stop = 0};
    struct client c;
    uint8_t greedy[8] = "FIFO";
    int fd;

    open_spooler(&s);
    ck_assert_int_eq(client_open(&c, s.m, s.name), 0);
    fd = open(s.name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    put16(greedy + 4, PIPE_BUF);
    for (uint64_t i = 1; i <= 100; i++) {
        struct api_value job = bytes_value("job", 3);
        struct reply r;

        ck_assert_int_eq(write(fd, greedy, sizeof greedy), 8);
        if (i % 2 == 0) /* alone in the FIFO, or before a job */
            ck_assert_int_eq(service_step(&s.service, 0), -ETIMEDOUT);
        ck_assert_int_eq(write(fd, "ten bytes!", 10), 10);
        ck_assert_int_eq(
            client_call(&c, api_by_name("sink"), &job, &r, PATIENCE), 0);
        ck_assert_int_eq(service_step(&s.service, 0), 0);
        ck_assert_uint_eq(s.service.notices, i);
    }
    close(fd);
    client_close(&c);
    close_spooler(&s);
}
END_TEST

START_TEST(a_job_for_a_dead_spooler_is_a_broken_pipe)
{
    struct api_value job = bytes_value("job", 3);
    struct host server;
    struct client c;
    struct reply r;
    int lock;

    server_start(&server, ipc_find("fifo/oneway"));
    client_start(&server, &c);
    server_kill(&server);
    ck_assert_int_eq(client_call(&c, api_by_name("sink"), &job, &r, PATIENCE),
                     -EPIPE);
    lock = endpoint_lock(server.where, NULL);
    ck_assert_int_ge(lock, 0);
    ck_assert_int_eq(server.m->sweep(server.where), 1);
    ck_assert_int_eq(server.m->sweep(server.where), 0);
    endpoint_unlock(server.where, lock);
    client_close(&c);
}
END_TEST

Suite *
test_fifo(void)
{
    Suite *s = suite_create("fifo");
    TCase *tc = test_case(s, "fifo/perclient");

    tcase_add_test(tc, a_write_up_to_pipe_buf_is_all_or_nothing);
    tcase_add_test(
        tc, opening_for_writing_without_a_reader_fails_if_it_may_not_wait);
    tcase_add_test(tc, after_the_last_writer_every_read_is_an_end_of_file);
    tcase_add_test(tc, the_name_persists_and_the_contents_do_not);
    tcase_add_test(tc, a_joined_client_needs_no_name_any_more);
    tcase_add_test(tc, rubbish_in_the_request_fifo_costs_nobody_anything);
    tcase_add_test(tc, a_server_of_ones_own_invites_nobody_else);
    add_test_if(tc, need_root(), nobody_asks_in_another_ones_name);
    add_test_if(tc, need_root(), a_claimed_uid_must_be_the_owners);
    add_test_if(tc, need_root(), a_symbolic_link_leads_nowhere);
    add_test_if(tc, need_root(),
                a_client_uses_only_what_the_directorys_owner_put_there);

    tc = test_case(s, "fifo/oneway");
    tcase_add_test(tc, jobs_go_in_and_nobody_has_rights);
    tcase_add_test(tc, a_forged_length_swallows_no_job);
    tcase_add_test(tc, a_job_for_a_dead_spooler_is_a_broken_pipe);
    return s;
}
