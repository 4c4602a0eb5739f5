/*
 * conformance.c - one suite, every mechanism: what ipc.h promises and what the
 * tables declare, tried out from outside, against a real ipcd.
 *
 *      capability   the experiment     declared            not declared
 *      boundaries   two frames in one  cut off             both answered
 *      pipelined    two sends          both answered       second is -EBUSY
 *      pollable     next() after poll  serves              no pollfd()
 *      spins        idle server        never sleeps        sleeps
 *      threads      one client more    one thread more     as many as before
 *      passes-fd    open_file          the same inode      EOPNOTSUPP
 *      evidence     whoami             the same            the same
 *      pid_from     whoami             the client's pid    -1
 *      uid_from     whoami             the client's uid    -1
 *      spawned      looks for a child  a child of ours     a daemon
 *      persists     kill -9            sweep() finds it    nothing is left
 *
 * So every capability is an experiment with two outcomes, and a table that
 * claims too much fails just as one that claims too little.  What cannot be
 * seen from here (lossy, trusting, remote, oneway) is checked as a table by
 * test_registry.c.  The experiments are in
 *
 *      conformance.c            messages, good and bad; and the suite
 *      conformance_waiting.c    time, signals, poll(2)
 *      conformance_identity.c   who asks, and which files he gets
 *      test_crash.c             what happens when somebody dies
 *      test_crowd.c             or when many come
 *
 * At the end of each stands which tests apply to which mechanisms.
 */
#include "test/conformance.h"

#include "test/asked.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

Suite *conformance(void);

/* -- messages -------------------------------------------------------------- */

START_TEST(the_largest_message_passes_intact)
{
    begin(_i);
    expect_echo(&client, echo_room(&client));
    expect_echo(&client, echo_room(&client) - 1);
    end();
}
END_TEST

START_TEST(one_byte_more_is_refused_and_costs_nothing)
{
    struct api_value arg;
    uint8_t *big;

    begin(_i);
    big = calloc(1, client.limits.max_msg + 1);
    ck_assert_ptr_nonnull(big);
    arg = bytes_value(big, echo_room(&client) + 1);
    expect_result(
        client_send(&client, api_by_name("echo"), &arg, NULL, CALL_TIMEOUT),
        -EMSGSIZE, "send() of a call with one byte more than fits");
    raw_frame(big, API_echo, 1, NULL, 0);
    expect_result(raw_send(&client, big, client.limits.max_msg + 1, -1),
                  -EMSGSIZE, "send() of limits()'s max_msg and one byte more");
    free(big);
    expect_echo(&client, 100);
    end();
}
END_TEST

START_TEST(an_empty_message_is_a_message)
{
    struct reply r;

    begin(_i);
    expect_echo(&client, 0);
    expect_call(&client, "whoami", NULL, WIRE_OK, &r); /* only a header */
    end();
}
END_TEST

static void
send_five(uint64_t id[5])
{
    for (size_t i = 0; i < 5; i++)
        id[i] = send_request(&client, "hello", string_value("World"));
}

static void
expect_five(const uint64_t id[5])
{
    for (size_t i = 0; i < 5; i++)
        expect_reply(&client, id[i]);
}

/* The second time all of them are there before the server looks: what it takes
 * for one message is one, then. */
START_TEST(pipelined_requests_are_answered_in_order)
{
    uint64_t id[5];

    begin(_i);
    send_five(id);
    expect_five(id);
    stop_server();
    send_five(id);
    signal_server(SIGCONT);
    expect_five(id);
    end();
}
END_TEST

START_TEST(a_second_request_before_the_reply_is_busy)
{
    struct api_value name = string_value("World");
    uint64_t id;

    begin(_i);
    id = send_request(&client, "hello", name);
    expect_result(
        client_send(&client, api_by_name("hello"), &name, NULL, CALL_TIMEOUT),
        -EBUSY, "send(), before the reply to the request before");
    expect_reply(&client, id);
    expect_echo(&client, 100);
    end();
}
END_TEST

static void
expect_status(const uint8_t *frame, size_t len, uint64_t id, uint32_t status)
{
    struct reply r;

    expect_result(raw_send(&client, frame, len, -1), 0, "send() of a request");
    expect_result(client_recv(&client, &r, CALL_TIMEOUT), 0,
                  "recv() of the answer");
    doing("the answer, as the service wrote it", "recv()");
    if (r.status != status || r.id != id)
        is_unexpected("the status %s, to request %llu",
                      api_status_name(r.status), (unsigned long long)r.id);
}

START_TEST(what_the_service_does_not_know_it_says)
{
    uint8_t frame[WIRE_HEADER + 4];

    begin(_i);
    raw_frame(frame, 999, 77, NULL, 0);
    expect_status(frame, WIRE_HEADER, 77, WIRE_NO_METHOD);
    /* A string of 9 bytes, of which 2 are there. */
    raw_frame(frame, API_hello, 78, "\x09\x00xx", 4);
    expect_status(frame, sizeof frame, 78, WIRE_BAD_ARGS);
    /* One of 2 bytes that are no UTF-8. */
    raw_frame(frame, API_hello, 79, "\x02\x00\xc3\x28", 4);
    expect_status(frame, sizeof frame, 79, WIRE_BAD_ARGS);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* What the table calls a request, sent as a notice, and the other way round. */
START_TEST(a_notice_is_not_answered_and_a_request_is)
{
    uint8_t frame[WIRE_HEADER + 4];
    uint64_t notices;
    struct reply r;

    begin(_i);
    expect_call(&client, "stats", NULL, WIRE_OK, &r);
    notices = r.results[1].u64;
    raw_frame(frame, API_get_hostname, 90, NULL, 0);
    frame[5] = WIRE_NOTICE;
    expect_result(raw_send(&client, frame, WIRE_HEADER, -1), 0,
                  "send() of a notice");
    expect_echo(&client, 100);
    raw_frame(frame, API_sleep, 91, "\x00\x00\x00\x00", 4);
    frame[5] = WIRE_NOTICE;
    expect_result(raw_send(&client, frame, sizeof frame, -1), 0,
                  "send() of a notice");
    expect_echo(&client, 100);
    expect_call(&client, "stats", NULL, WIRE_OK, &r);
    doing("two more than before", "the server's count of notices (stats)");
    if (r.results[1].u64 != notices + 2)
        is_unexpected("%lld more", (long long)(r.results[1].u64 - notices));
    ck_assert_uint_eq(r.results[4].u64, 0);
    raw_frame(frame, API_sink, 92, "\x00\x00\x00\x00", 4);
    expect_status(frame, sizeof frame, 92, WIRE_OK);
    end();
}
END_TEST

/* -- rubbish --------------------------------------------------------------- */

/* A good frame, and then at this offset this number.  Where nothing keeps
 * messages apart, a wrong length is only the beginning of a wrong message. */
static const struct {
    const char *what;
    unsigned offset, bytes;
    uint32_t value;
    int longer; /* bytes that are sent more, or less, than the frame */
    unsigned caps;
} rubbish[] = {
    {"no magic number", 0, 4, 0x464c457f, 0, 0},
    {"an unknown kind", 5, 1, 3, 0, 0},
    {"a reply", 5, 1, WIRE_REPLY, 0, 0},
    {"the longest length there is", 8, 4, UINT32_MAX, 0, 0},
    {"a length that only just does not fit", 8, 4,
     IPC_MAX_MSG - WIRE_HEADER + 1, 0, 0},
    {"a status in a request", 12, 4, WIRE_OS_ERROR, 0, 0},
    {"a descriptor that did not come", 24, 2, 1, 0, 0},
    {"two descriptors", 24, 2, 2, 0, 0},
    {"a reserved byte, the first", 26, 1, 1, 0, 0},
    {"a reserved byte, the last", 31, 1, 1, 0, 0},
    {"a length too small", 8, 4, 7, 0, IPC_BOUNDARIES},
    {"a length too large", 8, 4, 9, 0, IPC_BOUNDARIES},
    {"a byte missing", 0, 0, 0, -1, IPC_BOUNDARIES},
    {"trailing bytes", 0, 0, 0, 3, IPC_BOUNDARIES},
    {"less than a header", 0, 0, 0, -30, IPC_BOUNDARIES},
    {"half a good frame, and another", 0, 0, 0, WIRE_HEADER, 0},
};

START_TEST(rubbish_costs_only_its_sender_the_connection)
{
    uint8_t frame[2 * WIRE_HEADER + 8];
    struct client bad;

    begin(_i);
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        size_t len;

        if (!has(rubbish[i].caps))
            continue;
        memset(frame, 'x', sizeof frame);
        len = raw_frame(frame, API_echo, 1, "\x04\0\0\0text", 8);
        for (unsigned b = 0; b < rubbish[i].bytes; b++)
            frame[rubbish[i].offset + b] =
                (uint8_t)(rubbish[i].value >> (8 * b));
        len = (size_t)((ssize_t)len + rubbish[i].longer);
        mark_point();
        client_start(&server, &bad);
        expect_result(raw_send(&bad, frame, len, -1), 0,
                      "send() of a frame with %s", rubbish[i].what);
        expect_cut_off(&bad);
        client_close(&bad);
        expect_echo(&client, 100);
    }
    end();
}
END_TEST

START_TEST(another_version_is_told_ours_and_then_cut_off)
{
    uint8_t frame[WIRE_HEADER];
    struct client old;
    struct reply r;

    begin(_i);
    client_start(&server, &old);
    raw_frame(frame, API_whoami, 42, NULL, 0);
    frame[4] = WIRE_VERSION + 1;
    expect_result(raw_send(&old, frame, sizeof frame, -1), 0,
                  "send() of a frame of another version");
    expect_result(client_recv(&old, &r, CALL_TIMEOUT), 0,
                  "recv(), after a frame of another version");
    ck_assert_uint_eq(r.id, 42);
    ck_assert_uint_eq(r.status, WIRE_BAD_VERSION);
    expect_cut_off(&old);
    client_close(&old);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* A stream does.  A variant that puts each message into a record of its own
 * does not, although it is not the kernel that keeps the records apart. */
static bool
answers_two(struct client *c)
{
    struct reply r;

    for (uint64_t id = 1; id <= 2; id++)
        if (client_recv(c, &r, CALL_TIMEOUT) != 0 || r.id != id)
            return false;
    return true;
}

START_TEST(two_frames_in_one_message_are_two_only_in_a_stream)
{
    uint8_t frames[2 * WIRE_HEADER];
    struct client c;
    bool two;

    begin(_i);
    client_start(&server, &c);
    raw_frame(frames, API_whoami, 1, NULL, 0);
    raw_frame(frames + WIRE_HEADER, API_whoami, 2, NULL, 0);
    expect_result(raw_send(&c, frames, sizeof frames, -1), 0,
                  "send() of two frames in one message");
    doing("one answer, or none: it declares IPC_BOUNDARIES",
          "recv(), after two frames in one message");
    two = answers_two(&c);
    if (two && has(IPC_BOUNDARIES))
        is_unexpected("both were answered");
    if (!two)
        expect_cut_off(&c);
    client_close(&c);
    expect_echo(&client, 100);
    end();
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

static void
conformance_messages(TCase *tc, int i)
{
    add(tc, i, the_largest_message_passes_intact, 0, IPC_ONEWAY);
    add(tc, i, one_byte_more_is_refused_and_costs_nothing, 0, IPC_ONEWAY);
    add(tc, i, an_empty_message_is_a_message, 0, IPC_ONEWAY);
    add(tc, i, pipelined_requests_are_answered_in_order, IPC_PIPELINED,
        IPC_ONEWAY);
    add(tc, i, a_second_request_before_the_reply_is_busy, 0,
        IPC_PIPELINED | IPC_ONEWAY);
    add(tc, i, what_the_service_does_not_know_it_says, 0, IPC_ONEWAY);
    add(tc, i, a_notice_is_not_answered_and_a_request_is, 0,
        IPC_ONEWAY | IPC_CALLED);
    add(tc, i, rubbish_costs_only_its_sender_the_connection, 0,
        ALONE | IPC_TEXTBOOK);
    add(tc, i, another_version_is_told_ours_and_then_cut_off, 0,
        ALONE | IPC_TEXTBOOK);
    add(tc, i, two_frames_in_one_message_are_two_only_in_a_stream, 0,
        ALONE | IPC_TEXTBOOK);
}

Suite *
conformance(void)
{
    Suite *s = suite_create("conformance");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        TCase *tc = test_case(s, ipc_registry[i]->name);

        conformance_messages(tc, i);
        conformance_waiting(tc, i);
        conformance_identity(tc, i);
    }
    return s;
}
