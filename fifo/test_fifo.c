/*
 * test_fifo.c - what only a FIFO does, and the print spooler's form of it.
 * test_perclient.c has the form with a way back.
 */
#define _GNU_SOURCE /* F_GETPIPE_SZ, O_CLOEXEC */
#include "test/test.h"

#include "test/files.h"

#include "core/clock.h"
#include "server/methods.h"
#include "server/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_fifo(void);

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

/* -- facts ---------------------------------------------------------------- */

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

/* -- fifo/oneway ---------------------------------------------------------- */

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
            client_call(&c, api_by_name("sink"), &job, &r, CALL_TIMEOUT), 0);
    job = string_value("Bob");
    ck_assert_int_eq(
        client_call(&c, api_by_name("hello"), &job, &r, CALL_TIMEOUT), 0);
    ck_assert_int_eq(
        client_call(&c, api_by_name("shutdown"), &job, &r, CALL_TIMEOUT), 0);
    ck_assert_int_eq(client_recv(&c, &r, 0), -EOPNOTSUPP);
    client_close(&c);
}

START_TEST(jobs_go_in_and_nobody_has_rights)
{
    struct spooler s = {.stop = 0};

    open_spooler(&s);
    as_user(need_root() == NULL ? BOB : geteuid(), submit, &s);
    while (service_step(&s.service, 0) == 0)
        continue;
    ck_assert_uint_eq(s.service.notices, 12);
    ck_assert_uint_eq(s.service.requests, 0);
    ck_assert_uint_eq(s.service.refused, 1); /* shutdown, without evidence */
    ck_assert_int_eq(s.stop, 0);
    close_spooler(&s);
}
END_TEST

/* Waits until this text is in the tray: nobody tells when. */
static void
expect_printed(const char *text)
{
    const char *path = settings.tray;
    int64_t deadline = deadline_in(CALL_TIMEOUT);

    while (strstr(file_text(path), text) == NULL) {
        ck_assert_msg(time_left(deadline) > 0, "no '%s' in %s", text, path);
        sched_yield();
    }
}

static void
print_and_look(void *arg)
{
    struct api_value letter = string_value("a letter\nfrom Bob");
    struct client c;
    struct reply r;

    client_start(arg, &c);
    ck_assert_int_eq(
        client_call(&c, api_by_name("print"), &letter, &r, CALL_TIMEOUT), 0);
    expect_printed(" uid=-1 gid=-1 evidence=K0 mechanism=fifo/oneway "
                   "text=\"a letter\\x0afrom Bob\"\n");
    client_close(&c);
}

/* The server of root has given root up, and its client is Bob. */
START_TEST(what_is_printed_its_client_can_read)
{
    struct stat st;
    struct host server;

    snprintf(settings.tray, sizeof settings.tray, "%s/" SETTINGS_TRAY, run_dir);
    server_start(&server, ipc_find("fifo/oneway"));
    as_user(need_root() == NULL ? BOB : geteuid(), print_and_look, &server);
    ck_assert_int_eq(stat(settings.tray, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0644);
    ck_assert_uint_eq(st.st_uid, geteuid());
    server_stop(&server);
    ck_assert_int_eq(unlink(settings.tray), 0);
}
END_TEST

/* Nobody knows who printed so much: so it is not for ever. */
START_TEST(the_tray_keeps_the_last_lines)
{
    struct spooler s = {.stop = 0};
    static char page[1024 + 1];
    struct api_value job = {.at = page, .len = 1024};
    struct client c;
    struct reply r;
    struct stat st;
    off_t most = 0;

    snprintf(settings.tray, sizeof settings.tray, "%s/" SETTINGS_TRAY, run_dir);
    open_spooler(&s);
    ck_assert_int_eq(client_open(&c, s.m, s.name), 0);
    for (int i = 0; i < 200; i++) {
        memset(page, 'A' + i % 26, 1024);
        ck_assert_int_eq(
            client_call(&c, api_by_name("print"), &job, &r, CALL_TIMEOUT), 0);
        ck_assert_int_eq(service_step(&s.service, 0), 0);
        expect_printed(page);
        ck_assert_int_eq(stat(settings.tray, &st), 0);
        if (st.st_size > most)
            most = st.st_size;
    }
    ck_assert_int_gt(most, 60 << 10);
    ck_assert_int_le(most, 64 << 10);
    ck_assert_uint_eq(s.service.refused, 0);
    job.len = 0;
    ck_assert_int_eq(
        client_call(&c, api_by_name("print"), &job, &r, CALL_TIMEOUT), 0);
    ck_assert_int_eq(service_step(&s.service, 0), 0);
    ck_assert_uint_eq(s.service.refused, 1); /* no line */
    client_close(&c);
    close_spooler(&s);
    methods_close_log();
    ck_assert_int_eq(unlink(settings.tray), 0);
}
END_TEST

/* What an honest client writes is whole at once; so what is not whole is no
 * record, and swallows nothing. */
START_TEST(a_forged_length_swallows_no_job_to_come)
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
            client_call(&c, api_by_name("sink"), &job, &r, CALL_TIMEOUT), 0);
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
    ck_assert_int_eq(
        client_call(&c, api_by_name("sink"), &job, &r, CALL_TIMEOUT), -EPIPE);
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
    TCase *tc = test_case(s, "fifo/oneway");

    tcase_add_test(tc, a_write_up_to_pipe_buf_is_all_or_nothing);
    tcase_add_test(
        tc, opening_for_writing_without_a_reader_fails_if_it_may_not_wait);
    tcase_add_test(tc, after_the_last_writer_every_read_is_an_end_of_file);
    tcase_add_test(tc, the_name_persists_and_the_contents_do_not);
    tcase_add_test(tc, jobs_go_in_and_nobody_has_rights);
    tcase_add_test(tc, what_is_printed_its_client_can_read);
    tcase_add_test(tc, the_tray_keeps_the_last_lines);
    tcase_add_test(tc, a_forged_length_swallows_no_job_to_come);
    tcase_add_test(tc, a_job_for_a_dead_spooler_is_a_broken_pipe);
    return s;
}
