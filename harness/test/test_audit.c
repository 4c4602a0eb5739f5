/*
 * test_audit.c - the audit: that it says everything, that nobody can write into
 * it, and that what cannot be audited is not done.
 */
#define _GNU_SOURCE /* open_memstream */
#include "test/ruled.h"

#include "server/audit.h"
#include "server/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

Suite *test_audit(void);

static const struct ipc_mechanism *
stream(void)
{
    return ipc_find("socket/stream");
}

/* -- one line, whatever is in it ------------------------------------------------ */

static const char *
quoted(const char *text, size_t len, size_t most)
{
    static char *out;
    size_t size;
    FILE *f;

    free(out);
    f = open_memstream(&out, &size);
    ck_assert_ptr_nonnull(f);
    quote(f, text, len, most);
    fclose(f);
    return out;
}

START_TEST(quotes_let_nothing_out)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {
        /* NOLINTBEGIN(misc-misleading-bidirectional): that is the attack */
        {"", "\"\""},
        {"plain text, 100%", "\"plain text, 100%\""},
        {"a\nseq=1 decision=allow", "\"a\\x0aseq=1 decision=allow\""},
        {"\r\t\v\x01", "\"\\x0d\\x09\\x0b\\x01\""},
        {"\x1b[2J\x7f", "\"\\x1b[2J\\x7f\""},
        {"say \"no\"", "\"say \\x22no\\x22\""},
        {"\\x0a", "\"\\x5cx0a\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82", /* a-umlaut, euro, a face */
         "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82\""},
        {"\xe4", "\"\\xe4\""}, /* Latin-1 */
        {"\xc3", "\"\\xc3\""}, /* cut off */
        {"\xc3(", "\"\\xc3(\""},
        {"\xc0\xaf", "\"\\xc0\\xaf\""},                   /* a / in two bytes */
        {"\xc0\x8a", "\"\\xc0\\x8a\""},                   /* a newline in two */
        {"\xe0\x80\x8a", "\"\\xe0\\x80\\x8a\""},          /* in three */
        {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\""},          /* half a pair */
        {"\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\""}, /* above Unicode */
        {"\xff\xfe", "\"\\xff\\xfe\""},
        {"\xc2\x9b"
         "2J",
         "\"\\xc2\\x9b2J\""},                    /* ESC [ as one character */
        {"\xc2\x85", "\"\\xc2\\x85\""},          /* next line */
        {"\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\""}, /* line separator */
        {"\xe2\x80\xae", "\"\\xe2\\x80\\xae\""}, /* from right to left */
        {"\xe2\x81\xa6", "\"\\xe2\\x81\\xa6\""},
        /* NOLINTEND(misc-misleading-bidirectional) */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(quoted(cases[i].text, strlen(cases[i].text), SIZE_MAX),
                         cases[i].quoted);
    ck_assert_str_eq(quoted("a\0b", 3, SIZE_MAX), "\"a\\x00b\"");
    ck_assert_str_eq(quoted("abcdef", 6, 3), "\"abc\"...(6 bytes)");
    ck_assert_str_eq(quoted("a\xc3\xa4", 3, 2), "\"a\\xc3\"...(3 bytes)");
}
END_TEST

#define FORGED "x\nseq=1 uid=0 method=shutdown() decision=allow"

START_TEST(nobody_writes_a_line_of_his_own)
{
    static const char *const texts[] = {FORGED, "\x1b]0;owned\a\x9b",
                                        "\" decision=allow rule=\"", "\r\n\n"};
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;
    FILE *naive;
    char *text;
    size_t size;

    ruled_start(&r, stream(), geteuid(), "allow set_hostname any\n");
    client_start(&r.host, &c);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct api_value name[] = {string_value(texts[i]), {.u64 = 0}};

        ck_assert_int_eq(
            client_call(&c, api_by_name("hello"), name, &reply, PATIENCE), 0);
        expect_call(&c, "set_hostname", name, WIRE_BAD_ARGS, &reply);
        expect_call(&c, "append_log", name, WIRE_OK, &reply);
        expect_call(&c, "counter_add", name, WIRE_OK, &reply);
    }
    /* hello one, the three that write two each. */
    ck_assert_uint_eq(times_in(ruled_audit(&r), "\n"), 28);
    ck_assert_uint_eq(times_in(ruled_audit(&r), "\nseq="), 27);
    ck_assert_uint_eq(times_in(ruled_audit(&r), "\nseq=1 "), 0);
    ck_assert_ptr_nonnull(
        strstr(ruled_audit(&r), "method=hello(name=\"x\\x0aseq=1 uid=0"));
    for (const char *p = ruled_audit(&r); *p != '\0'; p++)
        ck_assert(*p == '\n' || (*p >= 0x20 && *p != 0x7f));

    /* The naive form has two lines of it, and the second one says what the
     * caller wants to be read. */
    naive = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(naive);
    if (naive == NULL) /* the analyzer does not know what Check asserts */
        return;
    fprintf(naive, "seq=2 method=hello(name=\"%s\")\n", FORGED);
    fclose(naive);
    ck_assert_uint_eq(times_in(text, "\n"), 2);
    ck_assert_uint_eq(times_in(text, "\nseq=1 uid=0 method=shutdown()"), 1);
    free(text);
    client_close(&c);
    ruled_stop(&r);
}
END_TEST

/* -- what it says ----------------------------------------------------------------- */

/* The line with this text, NUL-terminated; "" if there is none. */
static const char *
line_with(const struct ruled *r, const char *text)
{
    static char line[8192];
    const char *all = ruled_audit(r), *at = strstr(all, text), *begin = at;
    size_t len;

    if (at == NULL)
        return "";
    while (begin > all && begin[-1] != '\n')
        begin--;
    len = strcspn(begin, "\n");
    ck_assert_uint_lt(len, sizeof line);
    memcpy(line, begin, len);
    line[len] = '\0';
    return line;
}

static void
expect_line(const struct ruled *r, const char *key, const char *const *words)
{
    const char *line = line_with(r, key);

    for (; *words != NULL; words++)
        ck_assert_msg(strstr(line, *words) != NULL, "no '%s' in: %s\n%s",
                      *words, line, ruled_audit(r));
}

START_TEST(each_decision_has_a_line_that_says_it_all)
{
    static const char hello[] =
        " method=hello(name=\"World\") decision=allow "
        "rule=\"default: open to everybody\" status=ok usec=";
    char ids[96];
    struct ruled r = {.more = NULL};
    struct api_value value = string_value("World"), number = {.i32 = 100};
    struct api_value file[] = {
        string_value("/no/such"), {.u64 = 7}, {.u32 = 9}};
    uint8_t frame[WIRE_HEADER + 4];
    struct client c;
    struct reply reply;

    ruled_start(&r, stream(), geteuid(),
                "deny stats any\nallow set_priority any\n");
    client_start(&r.host, &c);
    snprintf(ids, sizeof ids, " evidence=K3 uid=%u gid=%u pid=%d ",
             (unsigned)geteuid(), (unsigned)getegid(), (int)getpid());
    expect_call(&c, "hello", &value, WIRE_OK, &reply);
    expect_line(&r, "method=hello",
                (const char *[]){"seq=1 ipcd=", " time=2", "Z mono=",
                                 " mechanism=socket/stream", ids, hello, NULL});
    expect_call(&c, "stats", NULL, WIRE_DENIED, &reply);
    expect_line(&r, "method=stats",
                (const char *[]){"seq=2 ", ids,
                                 " method=stats() decision=deny "
                                 "rule=\"policy.conf:1 deny stats any\" "
                                 "status=denied usec=",
                                 NULL});
    expect_call(&c, "read_file", file, WIRE_OS_ERROR, &reply);
    expect_line(&r, "method=read_file",
                (const char *[]){"(path=\"/no/such\", offset=7, count=9)",
                                 "decision=allow", "status=os-error", NULL});
    expect_call(&c, "bind_port", &number, WIRE_DENIED, &reply);
    expect_line(&r, "method=bind_port",
                (const char *[]){"(port=100) decision=deny "
                                 "rule=\"default: privileged\"",
                                 NULL});
    expect_call(&c, "set_priority", &number, WIRE_BAD_ARGS, &reply);
    expect_line(&r, "status=bad-args",
                (const char *[]){"(nice=100) decision=allow", NULL});
    raw_frame(frame, 999, 77, NULL, 0);
    ck_assert_int_eq(raw_send(&c, frame, WIRE_HEADER, -1), 0);
    ck_assert_int_eq(client_recv(&c, &reply, PATIENCE), 0);
    expect_line(
        &r, "method=999",
        (const char *[]){ids, "(?) decision=deny", "status=no-method", NULL});
    raw_frame(frame, API_hello, 78, "\x09\x00xx", 4);
    ck_assert_int_eq(raw_send(&c, frame, sizeof frame, -1), 0);
    ck_assert_int_eq(client_recv(&c, &reply, PATIENCE), 0);
    expect_line(&r, "method=hello(?)",
                (const char *[]){"decision=allow", "status=bad-args", NULL});
    client_close(&c);
    ruled_stop(&r);
}
END_TEST

START_TEST(what_writes_is_announced_before_it_is_done)
{
    struct api_value args[] = {string_value("k"), {.i64 = -3}};
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;
    const char *begun, *done;

    ruled_start(&r, stream(), geteuid(), "");
    client_start(&r.host, &c);
    expect_call(&c, "counter_add", args, WIRE_OK, &reply);
    ck_assert_uint_eq(times_in(ruled_audit(&r), "seq=1 "), 2);
    begun = strstr(ruled_audit(&r), "status=begun\n");
    done = strstr(ruled_audit(&r), "status=ok usec=");
    ck_assert(begun != NULL && done != NULL && begun < done);
    ck_assert_uint_eq(
        times_in(ruled_audit(&r), "method=counter_add(key=\"k\", delta=-3)"),
        2);
    client_close(&c);
    ruled_stop(&r);
}
END_TEST

/* Measuring methods leave no line, so that what is measured is not the audit;
 * unless somebody is denied. */
START_TEST(measuring_is_not_audited_but_its_refusal_is)
{
    struct api_value data = bytes_value("abc\n", 4);
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;

    ruled_start(&r, stream(), geteuid(), "deny source any\n");
    client_start(&r.host, &c);
    for (int i = 0; i < 10; i++)
        expect_echo(&c, 100);
    ck_assert_int_eq(
        client_call(&c, api_by_name("sink"), &data, &reply, PATIENCE), 0);
    ck_assert_str_eq(ruled_audit(&r), "");
    expect_call(&c, "source", &(struct api_value){.u32 = 3}, WIRE_DENIED,
                &reply);
    ck_assert_uint_eq(times_in(ruled_audit(&r), "\n"), 1);
    client_close(&c);
    ruled_stop(&r);
}
END_TEST

START_TEST(long_arguments_are_cut_and_the_line_stays_one)
{
    char *big = malloc(60000);
    struct api_value text;
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;

    ck_assert_ptr_nonnull(big);
    memset(big, '\n', 60000);
    text = bytes_value(big, 60000);
    ruled_start(&r, stream(), geteuid(), "");
    client_start(&r.host, &c);
    expect_call(&c, "hello", &text, WIRE_OK, &reply);
    ck_assert_uint_eq(times_in(ruled_audit(&r), "\n"), 1);
    ck_assert_uint_eq(times_in(ruled_audit(&r), "\\x0a"), 256);
    ck_assert_ptr_nonnull(strstr(ruled_audit(&r), "\"...(60000 bytes))"));
    client_close(&c);
    ruled_stop(&r);
    free(big);
}
END_TEST

/* -- when it cannot be written ------------------------------------------------------ */

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

/* The audit lies on a file system of a few pages, which the test fills. */
START_TEST(what_cannot_be_audited_is_not_done)
{
    const struct api_value name = string_value("World");
    static char page[4096];
    char dir[ENDPOINT_SIZE], audit[ENDPOINT_SIZE], ballast[ENDPOINT_SIZE];
    char more[ENDPOINT_SIZE + 16];
    struct ruled r = {.more = more};
    struct client c;
    struct reply reply;
    int fd;

    snprintf(dir, sizeof dir, "%.80s/small", run_dir);
    snprintf(audit, sizeof audit, "%.90s/audit", dir);
    snprintf(ballast, sizeof ballast, "%.90s/ballast", dir);
    snprintf(more, sizeof more, "--audit '%s'",
             audit); /* the last one counts */
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    ck_assert_int_eq(mount("small", dir, "tmpfs", 0, "size=32k"), 0);
    ruled_start(&r, stream(), geteuid(), "");
    strcpy(r.audit, audit);
    client_start(&r.host, &c);
    ck_assert_int_eq(add_one(&c, WIRE_OK), 1);

    fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, page, sizeof page) > 0)
        continue;
    close(fd);
    while (client_call(&c, api_by_name("hello"), &name, &reply, PATIENCE) ==
               0 &&
           strlen(ruled_audit(&r)) < sizeof page)
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
    ck_assert_int_eq(lines_open(&l, path), -ENXIO); /* and does not hang */
    unlink(path);
    if (geteuid() == 0) {
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

    ruled_start(&r, stream(), geteuid(), "");
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

/* -- the system log ------------------------------------------------------------------- */

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
    ruled_start(&r, stream(), geteuid(), "deny stats any\n");
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

Suite *
test_audit(void)
{
    Suite *s = suite_create("audit");
    TCase *tc = test_case(s, "audit");

    tcase_add_test(tc, quotes_let_nothing_out);
    tcase_add_test(tc, nobody_writes_a_line_of_his_own);
    tcase_add_test(tc, each_decision_has_a_line_that_says_it_all);
    tcase_add_test(tc, what_writes_is_announced_before_it_is_done);
    tcase_add_test(tc, measuring_is_not_audited_but_its_refusal_is);
    tcase_add_test(tc, long_arguments_are_cut_and_the_line_stays_one);
    add_test_if(tc, need_mounts(), what_cannot_be_audited_is_not_done);
    tcase_add_test(tc, only_a_file_of_ones_own_is_appended_to);
    tcase_add_test(tc, a_server_without_its_audit_does_not_start);
    tcase_add_test(tc, sighup_opens_the_audit_again);
    add_test_if(tc, need_mounts(),
                the_system_log_hears_of_it_and_is_missed_when_it_is_gone);
    tcase_add_test(tc, under_systemd_it_goes_to_standard_error);
    return s;
}
