/*
 * test_lines.c - files that only grow (server/lines.h): whatever a writer
 * before us came to, a line begins where a line begins; and a limit on the size
 * of files costs a request, not the server.
 */
#define _GNU_SOURCE /* O_CLOEXEC, setrlimit */
#include "test/ruled.h"

#include "server/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_lines(void);

static char path[ENDPOINT_SIZE];

static void
in_run_dir(const char *name)
{
    snprintf(path, sizeof path, "%.80s/%s", run_dir, name);
}

/* Killed in the middle of write(2), its writer has left half a line. */
START_TEST(half_a_line_does_not_take_the_next_one_along)
{
    struct lines l = LINES_CLOSED;
    uint64_t at = 0;

    in_run_dir("log");
    write_file(path, "whole\nha", 0600);
    ck_assert_int_eq(lines_open(&l, path), 0);
    ck_assert_int_eq(lines_append(&l, "next\n", 5, &at), 0);
    ck_assert_str_eq(file_text(path), "whole\nha\nnext\n");
    ck_assert_uint_eq(at, 9);
    ck_assert_int_eq(lines_append(&l, "last\n", 5, &at), 0);
    ck_assert_str_eq(file_text(path), "whole\nha\nnext\nlast\n");
    ck_assert_uint_eq(at, 14);
    lines_close(&l);
    unlink(path);
}
END_TEST

/* Not even its beginning. */
START_TEST(a_line_that_exceeds_the_limit_is_not_begun)
{
    const struct rlimit limit = {10, RLIM_INFINITY};
    struct lines l = LINES_CLOSED;

    in_run_dir("log");
    write_file(path, "12345\n", 0600);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(lines_open(&l, path), 0);
    ck_assert_int_eq(lines_append(&l, "67890\n", 6, NULL), -EFBIG);
    ck_assert_int_eq(lines_append(&l, "789\n", 4, NULL), 0);
    ck_assert_str_eq(file_text(path), "12345\n789\n");
    lines_close(&l);
    unlink(path);
}
END_TEST

/* -- a whole server ------------------------------------------------------- */

#define LIMIT 4096 /* bytes */

static void
fill_the_log(struct client *c)
{
    static char text[1000];
    const struct api_value arg =
        bytes_value(memset(text, 'x', sizeof text), sizeof text);
    struct reply r;
    int written = 0;

    for (;; written++) {
        ck_assert_int_eq(
            client_call(c, api_by_name("append_log"), &arg, &r, CALL_TIMEOUT),
            0);
        if (r.status != WIRE_OK)
            break;
        ck_assert_int_lt(written, LIMIT / 1000);
    }
    ck_assert_uint_eq(r.status, WIRE_OS_ERROR);
    ck_assert_int_eq(r.os_error, EFBIG);
    ck_assert_int_gt(written, 0);
}

/* `ulimit -f` of whoever started it; SIGXFSZ would kill. */
START_TEST(a_server_survives_the_limit_on_its_files)
{
    const struct rlimit limit = {LIMIT, RLIM_INFINITY};
    struct rlimit before;
    struct host server;
    struct client c;
    const char *log;

    in_run_dir("append.log");
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    server_start(&server, ipc_find("socket/stream"));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    client_start(&server, &c);
    fill_the_log(&c);
    expect_echo(&c, 100); /* it lives */
    client_close(&c);
    server_stop(&server);
    log = file_text(path);
    ck_assert_int_eq(log[strlen(log) - 1], '\n');
    unlink(path);
}
END_TEST

Suite *
test_lines(void)
{
    Suite *s = suite_create("lines");
    TCase *tc = test_case(s, "lines");

    tcase_add_test(tc, half_a_line_does_not_take_the_next_one_along);
    tcase_add_test(tc, a_line_that_exceeds_the_limit_is_not_begun);
    tcase_add_test(tc, a_server_survives_the_limit_on_its_files);
    return s;
}
