/*
 * test_audit_places.c - where the audit goes: a file of one's own, the system
 * log, standard error under systemd.  And when it can go nowhere, nothing is
 * done that would have to be in it.
 */
#define _GNU_SOURCE /* memmem, MNT_DETACH */
#include "test/ruled.h"

#include "server/audit.h"
#include "server/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

Suite *test_audit_places(void);

/* -- when it cannot be written --------------------------------------------- */

static int64_t
add_one(struct client *c, uint32_t status)
{
    struct api_value args[] = {string_value("k"), {.i64 = 1}};
    struct reply r;

    expect_call(c, "counter_add", args, status, &r);
    if (status == WIRE_OK)
        return r.results[0].i64;
    ck_assert_int_eq(r.os_error, ENOSPC);
    ck_assert(memmem(r.message.at, r.message.len, "cannot be audited", 17));
    return -1;
}

#define PAGE 4096 /* of memory: what tmpfs gives to a file at a time */

static void
fill_up(const char *path)
{
    static char page[PAGE];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    while (write(fd, page, sizeof page) > 0)
        continue;
    close(fd);
}

/* The audit lies on a file system of a few pages, which the test fills. */
START_TEST(what_cannot_be_audited_is_not_done)
{
    const struct api_value name = string_value("World");
    char dir[ENDPOINT_SIZE], audit[ENDPOINT_SIZE], ballast[ENDPOINT_SIZE];
    char more[ENDPOINT_SIZE + 16];
    struct ruled r = {.more = more};
    struct client c;
    struct reply reply;

    snprintf(dir, sizeof dir, "%.80s/small", run_dir);
    snprintf(audit, sizeof audit, "%.90s/audit", dir);
    snprintf(ballast, sizeof ballast, "%.90s/ballast", dir);
    snprintf(more, sizeof more, "--audit '%s'",
             audit); /* the last one counts */
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    ck_assert_int_eq(mount("small", dir, "tmpfs", 0, "size=32k"), 0);
    ruled_start(&r, ipc_find("socket/stream"), geteuid(), "");
    strcpy(r.audit, audit);
    client_start(&r.host, &c);
    ck_assert_int_eq(add_one(&c, WIRE_OK), 1);

    fill_up(ballast);
    while (client_call(&c, api_by_name("hello"), &name, &reply, CALL_TIMEOUT) ==
               0 &&
           strlen(ruled_audit(&r)) < PAGE)
        ck_assert_uint_eq(reply.status, WIRE_OK); /* reading goes on */
    add_one(&c, WIRE_OS_ERROR);
    add_one(&c, WIRE_OS_ERROR);
    expect_call(&c, "hello", &name, WIRE_OK, &reply);

    /* Room again: nothing was counted in between, and the torn line is whole
     * lines' neighbour, not part of one. */
    ck_assert_int_eq(unlink(ballast), 0);
    ck_assert_int_eq(add_one(&c, WIRE_OK), 2);
    ck_assert_uint_eq(times_in(ruled_audit(&r), "\nseq="),
                      times_in(ruled_audit(&r), "seq=") - 1);
    client_close(&c);
    ruled_stop(&r);
    ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
    rmdir(dir);
    snprintf(audit, sizeof audit, "%.80s/audit", run_dir);
    unlink(audit);
}
END_TEST

START_TEST(only_a_file_of_ones_own_is_appended_to)
{
    struct lines l = LINES_CLOSED;
    char path[ENDPOINT_SIZE], other[ENDPOINT_SIZE];
    uint64_t offset = 99;
    struct stat st;

    snprintf(path, sizeof path, "%.80s/audit", run_dir);
    snprintf(other, sizeof other, "%.80s/other", run_dir);
    ck_assert_int_eq(lines_append(&l, "x\n", 2, NULL), -EBADF);
    ck_assert_int_eq(lines_open(&l, path), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(lines_append(&l, "one\n", 4, &offset), 0);
    ck_assert_uint_eq(offset, 0);
    ck_assert_int_eq(lines_append(&l, "two\n", 4, &offset), 0);
    ck_assert_uint_eq(offset, 4);

    chmod(path, 0622);
    ck_assert_int_eq(lines_open(&l, path), -EPERM);
    chmod(path, 0600);
    ck_assert_int_eq(link(path, other), 0);
    ck_assert_int_eq(lines_open(&l, path), -EPERM);
    /* A refused one leaves the old one open. */
    ck_assert_int_eq(lines_append(&l, "three\n", 6, &offset), 0);
    ck_assert_uint_eq(offset, 8);
    unlink(path);
    ck_assert_int_eq(symlink(other, path), 0);
    ck_assert_int_eq(lines_open(&l, path), -ELOOP);
    unlink(path);
    ck_assert_int_eq(symlink("/dev/full", path), 0);
    ck_assert_int_eq(lines_open(&l, path), -ELOOP);
    unlink(path);
    ck_assert_int_eq(lines_open(&l, "/dev/full"), -EPERM);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(lines_open(&l, path), -EPERM); /* and does not hang */
    unlink(path);
    if (need_root() == NULL) {
        ck_assert_int_eq(chown(other, BOB, BOB), 0);
        ck_assert_int_eq(lines_open(&l, other), -EPERM);
    }
    unlink(other);
    lines_close(&l);
}
END_TEST

START_TEST(a_server_without_its_audit_does_not_start)
{
    struct output *o = calloc(1, sizeof *o);

    ck_assert_ptr_nonnull(o);
    run_program(o, "ipcd", "-m", "socket/stream", "--audit=/no/such/file",
                NULL);
    ck_assert_int_eq(o->status, 78);
    ck_assert_ptr_nonnull(
        strstr(o->err, "ipcd: audit: /no/such/file: No such file"));
    run_program(o, "ipcd", "-m", "socket/stream", "--audit=/dev/null", NULL);
    ck_assert_int_eq(o->status, 78);
    ck_assert_ptr_nonnull(strstr(o->err, "must be a regular file"));
    free(o);
}
END_TEST

START_TEST(sighup_opens_the_audit_again)
{
    char moved[ENDPOINT_SIZE + 8];
    const struct api_value name = string_value("World");
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;

    ruled_start(&r, ipc_find("socket/stream"), geteuid(), "");
    client_start(&r.host, &c);
    expect_call(&c, "hello", &name, WIRE_OK, &reply);
    snprintf(moved, sizeof moved, "%s.1", r.audit); /* as logrotate(8) does */
    ck_assert_int_eq(rename(r.audit, moved), 0);
    expect_call(&c, "hello", &name, WIRE_OK, &reply);
    ck_assert_str_eq(ruled_audit(&r), "");
    ck_assert_int_eq(kill(r.host.pid, SIGHUP), 0);
    ruled_until(&r, "event=policy-reloaded");
    expect_call(&c, "hello", &name, WIRE_OK, &reply);
    ck_assert_uint_eq(times_in(ruled_audit(&r), "method=hello"), 1);
    unlink(moved);
    client_close(&c);
    ruled_stop(&r);
}
END_TEST

/* -- the system log -------------------------------------------------------- */

static int
listen_at_dev_log(void)
{
    const struct sockaddr_un at = {.sun_family = AF_UNIX,
                                   .sun_path = "/dev/log"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void
expect_datagram(int log, const char *text)
{
    char got[8192];
    ssize_t n = recv(log, got, sizeof got - 1, MSG_DONTWAIT);

    ck_assert_int_gt(n, 0);
    got[n] = '\0';
    ck_assert_msg(strstr(got, text) != NULL, "no '%s' in: %s", text, got);
    ck_assert_int_eq(got[n - 1], '"'); /* no newline: a datagram is a line */
    ck_assert_msg(strncmp(got, "<85>", 4) == 0, "not authpriv.notice: %s", got);
}

/* In this process, with a /dev of its own. */
START_TEST(the_system_log_hears_of_it_and_is_missed_when_it_is_gone)
{
    int log;

    ck_assert_int_eq(audit_note("before", "x"), 0); /* off: nothing to fail */
    ck_assert_int_eq(mount("dev", "/dev", "tmpfs", 0, "mode=755"), 0);
    ck_assert_int_eq(audit_to_system_log(), -ENOENT);
    ck_assert_int_eq(audit_note("nobody", "x"), -ENOENT);
    log = listen_at_dev_log();
    ck_assert_int_eq(audit_note("first", "a\nb"), 0);
    expect_datagram(log, " ipcd[");
    ck_assert_int_eq(audit_note("first", "a\nb"), 0);
    expect_datagram(log, "event=first text=\"a\\x0ab\"");
    close(log); /* the log daemon is started anew */
    ck_assert_int_ne(audit_note("lost", "x"), 0);
    unlink("/dev/log");
    log = listen_at_dev_log();
    ck_assert_int_eq(audit_note("second", "x"), 0);
    expect_datagram(log, "event=second");
    close(log);
    audit_off();
    ck_assert_int_eq(umount2("/dev", MNT_DETACH), 0);
}
END_TEST

/* As under systemd: standard error is a file that $JOURNAL_STREAM names, and
 * then its lines begin with a priority. */
START_TEST(under_systemd_it_goes_to_standard_error)
{
    static char said[1 << 14];
    char path[ENDPOINT_SIZE], stream_id[64], more[ENDPOINT_SIZE + 16];
    const struct api_value name = string_value("World");
    struct ruled r = {.more = more};
    struct client c;
    struct reply reply;
    struct stat st;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "%.80s/journal", run_dir);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_eq(fstat(fd, &st), 0);
    snprintf(stream_id, sizeof stream_id, "%ju:%ju", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream_id, 1);
    snprintf(more, sizeof more, "2>>'%s'", path);
    ruled_start(&r, ipc_find("socket/stream"), geteuid(), "deny stats any\n");
    client_start(&r.host, &c);
    expect_call(&c, "hello", &name, WIRE_OK, &reply);
    expect_call(&c, "stats", NULL, WIRE_DENIED, &reply);
    n = pread(fd, said, sizeof said - 1, 0);
    ck_assert_int_gt(n, 0);
    ck_assert_ptr_nonnull(strstr(said, "\n<6>seq=1 "));
    ck_assert_ptr_nonnull(strstr(said, "\n<5>seq=2 "));
    ck_assert_uint_eq(times_in(ruled_audit(&r), "\n"), 2); /* there as well */
    client_close(&c);
    ruled_stop(&r);
    unsetenv("JOURNAL_STREAM");
    close(fd);
    unlink(path);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_audit_places(void)
{
    Suite *s = suite_create("audit_places");
    TCase *tc = test_case(s, "audit/places");

    add_test_if(tc, need_mounts(), what_cannot_be_audited_is_not_done);
    tcase_add_test(tc, only_a_file_of_ones_own_is_appended_to);
    tcase_add_test(tc, a_server_without_its_audit_does_not_start);
    tcase_add_test(tc, sighup_opens_the_audit_again);
    add_test_if(tc, need_mounts(),
                the_system_log_hears_of_it_and_is_missed_when_it_is_gone);
    tcase_add_test(tc, under_systemd_it_goes_to_standard_error);
    return s;
}
