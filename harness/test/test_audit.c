/*
 * test_audit.c - what the audit says: each decision, on a line of its own, into
 * which nobody else can write.  (Where it goes: test_audit_places.c)
 */
#define _GNU_SOURCE /* open_memstream */
#include "test/ruled.h"

#include "server/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_audit(void);

/* -- one line, whatever is in it ------------------------------------------- */

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

/* -- a server and its caller ----------------------------------------------- */

static struct ruled server;
static struct client client;

static void
begin(const char *rules)
{
    ruled_start(&server, ipc_find("socket/stream"), geteuid(), rules);
    client_start(&server.host, &client);
}

static void
end(void)
{
    client_close(&client);
    ruled_stop(&server);
}

static void
expect_times(const char *what, unsigned n)
{
    ck_assert_msg(times_in(ruled_audit(&server), what) == n,
                  "not %u times '%s' in:\n%s", n, what, ruled_audit(&server));
}

#define FORGED "x\nseq=1 uid=0 method=shutdown() decision=allow"

/* The naive form has two lines of it, and the second one says what the caller
 * wants to be read. */
static void
write_naively(void)
{
    char *text;
    size_t size;
    FILE *naive = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(naive);
    if (naive == NULL) /* the analyzer does not know what Check asserts */
        return;
    fprintf(naive, "seq=2 method=hello(name=\"%s\")\n", FORGED);
    fclose(naive);
    ck_assert_uint_eq(times_in(text, "\n"), 2);
    ck_assert_uint_eq(times_in(text, "\nseq=1 uid=0 method=shutdown()"), 1);
    free(text);
}

START_TEST(nobody_writes_a_line_of_his_own)
{
    static const char *const texts[] = {FORGED, "\x1b]0;owned\a\xc2\x9b",
                                        "\" decision=allow rule=\"", "\r\n\n"};
    struct reply reply;

    begin("allow set_hostname any\n");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct api_value name[] = {string_value(texts[i]), {.u64 = 0}};

        ck_assert_int_eq(client_call(&client, api_by_name("hello"), name,
                                     &reply, CALL_TIMEOUT),
                         0);
        expect_call(&client, "set_hostname", name, WIRE_BAD_ARGS, &reply);
        expect_call(&client, "append_log", name, WIRE_OK, &reply);
        expect_call(&client, "counter_add", name, WIRE_OK, &reply);
    }
    /* hello one, the three that write two each. */
    expect_times("\n", 28);
    expect_times("\nseq=", 27);
    expect_times("\nseq=1 ", 0);
    expect_times("method=hello(name=\"x\\x0aseq=1 uid=0", 1);
    for (const char *p = ruled_audit(&server); *p != '\0'; p++)
        ck_assert(*p == '\n' || ((signed char)*p >= 0x20 && *p != 0x7f));
    write_naively();
    end();
}
END_TEST

/* -- what it says ---------------------------------------------------------- */

/* The line with this text, NUL-terminated; "" if there is none. */
static const char *
line_with(const char *text)
{
    static char line[8192];
    const char *all = ruled_audit(&server), *at = strstr(all, text),
               *begin = at;
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
expect_line(const char *key, const char *const *words)
{
    const char *line = line_with(key);

    for (; *words != NULL; words++)
        ck_assert_msg(strstr(line, *words) != NULL, "no '%s' in: %s\n%s",
                      *words, line, ruled_audit(&server));
}

/* What no client of ours says; and its reply. */
static void
send_raw(uint16_t method, const char *payload, size_t size)
{
    uint8_t frame[WIRE_HEADER + 4];
    size_t len = raw_frame(frame, method, 77, payload, size);
    struct reply reply;

    ck_assert_int_eq(raw_send(&client, frame, len, -1), 0);
    ck_assert_int_eq(client_recv(&client, &reply, CALL_TIMEOUT), 0);
}

START_TEST(each_decision_has_a_line_that_says_it_all)
{
    static const char hello[] =
        " method=hello(name=\"World\") decision=allow "
        "rule=\"default: open to everybody\" status=ok usec=";
    char ids[96];
    struct api_value value = string_value("World"), number = {.i32 = 100};
    struct api_value file[] = {
        string_value("/no/such"), {.u64 = 7}, {.u32 = 9}};
    struct reply reply;

    begin("deny stats any\nallow set_priority any\n");
    snprintf(ids, sizeof ids, " evidence=K3 uid=%u gid=%u pid=%d ",
             (unsigned)geteuid(), (unsigned)getegid(), (int)getpid());
    expect_call(&client, "hello", &value, WIRE_OK, &reply);
    expect_line("method=hello",
                (const char *[]){"seq=1 ipcd=", " time=2", "Z mono=",
                                 " mechanism=socket/stream", ids, hello, NULL});
    expect_call(&client, "stats", NULL, WIRE_DENIED, &reply);
    expect_line("method=stats",
                (const char *[]){"seq=2 ", ids,
                                 " method=stats() decision=deny "
                                 "rule=\"policy.conf:1 deny stats any\" "
                                 "status=denied usec=",
                                 NULL});
    expect_call(&client, "read_file", file, WIRE_OS_ERROR, &reply);
    expect_line("method=read_file",
                (const char *[]){"(path=\"/no/such\", offset=7, count=9)",
                                 "decision=allow", "status=os-error", NULL});
    expect_call(&client, "bind_port", &number, WIRE_DENIED, &reply);
    expect_line("method=bind_port",
                (const char *[]){"(port=100) decision=deny "
                                 "rule=\"default: privileged\"",
                                 NULL});
    expect_call(&client, "set_priority", &number, WIRE_BAD_ARGS, &reply);
    expect_line("status=bad-args",
                (const char *[]){"(nice=100) decision=allow", NULL});
    send_raw(999, NULL, 0);
    expect_line("method=999", (const char *[]){ids, "(?) decision=deny",
                                               "status=no-method", NULL});
    send_raw(API_hello, "\x09\x00xx", 4);
    expect_line("method=hello(?)",
                (const char *[]){"decision=allow", "status=bad-args", NULL});
    end();
}
END_TEST

START_TEST(what_writes_is_announced_before_it_is_done)
{
    struct api_value args[] = {string_value("k"), {.i64 = -3}};
    struct reply reply;
    const char *begun, *done;

    begin("");
    expect_call(&client, "counter_add", args, WIRE_OK, &reply);
    expect_times("seq=1 ", 2);
    begun = strstr(ruled_audit(&server), "status=begun\n");
    done = strstr(ruled_audit(&server), "status=ok usec=");
    ck_assert(begun != NULL && done != NULL && begun < done);
    expect_times("method=counter_add(key=\"k\", delta=-3)", 2);
    end();
}
END_TEST

/* Measuring methods leave no line, so that what is measured is not the audit;
 * unless somebody is denied. */
START_TEST(measuring_is_not_audited_but_its_refusal_is)
{
    struct api_value data = bytes_value("abc\n", 4);
    struct reply reply;

    begin("deny source any\n");
    for (int i = 0; i < 10; i++)
        expect_echo(&client, 100);
    ck_assert_int_eq(
        client_call(&client, api_by_name("sink"), &data, &reply, CALL_TIMEOUT),
        0);
    ck_assert_str_eq(ruled_audit(&server), "");
    expect_call(&client, "source", &(struct api_value){.u32 = 3}, WIRE_DENIED,
                &reply);
    expect_times("\n", 1);
    end();
}
END_TEST

START_TEST(long_arguments_are_cut_and_the_line_stays_one)
{
    char *big = malloc(60000);
    struct api_value text;
    struct reply reply;

    ck_assert_ptr_nonnull(big);
    memset(big, '\n', 60000);
    text = bytes_value(big, 60000);
    begin("");
    expect_call(&client, "hello", &text, WIRE_OK, &reply);
    expect_times("\n", 1);
    expect_times("\\x0a", 256);
    ck_assert_ptr_nonnull(strstr(ruled_audit(&server), "\"...(60000 bytes))"));
    end();
    free(big);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_audit(void)
{
    Suite *s = suite_create("audit");
    TCase *tc = test_case(s, "audit");

    tcase_add_test(tc, quotes_let_nothing_out);
    tcase_add_test(tc, nobody_writes_a_line_of_his_own);
    add_test_if(tc, need_rules(), each_decision_has_a_line_that_says_it_all);
    tcase_add_test(tc, what_writes_is_announced_before_it_is_done);
    tcase_add_test(tc, measuring_is_not_audited_but_its_refusal_is);
    tcase_add_test(tc, long_arguments_are_cut_and_the_line_stays_one);
    return s;
}
