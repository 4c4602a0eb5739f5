/*
 * test_turn.c - whose turn it is, core/turn.h: each arrow of its picture, with
 * a server that does as the test says.
 */
#include "test/test.h"

#include "core/turn.h"
#include "core/wire.h"

#include <errno.h>
#include <stddef.h>

Suite *test_turn(void);

/* What waiting ends with, one after the other. */
struct script {
    const int *results;
    int waited;
};

static int
play(void *client, int64_t deadline)
{
    struct script *s = client;

    (void)deadline;
    return s->results[s->waited++];
}

static struct turn
in_state(enum turn_state state)
{
    return (struct turn){.state = state};
}

static void
send_frame(struct turn *t, uint8_t kind)
{
    uint8_t frame[WIRE_HEADER] = {0};
    const struct wire_header h = {.kind = kind};
    struct ipc_message msg = {.buf = frame, .len = sizeof frame, .fd = -1};

    wire_encode(&h, frame);
    ck_assert_int_eq(turn_may_send(t), 0);
    turn_sent(t, &msg);
}

START_TEST(one_message_at_a_time_and_none_to_who_is_gone)
{
    const struct turn mine = in_state(TURN_MINE),
                      notice = in_state(TURN_NOTICE_OUT),
                      due = in_state(TURN_REPLY_DUE),
                      given_up = in_state(TURN_GIVEN_UP),
                      lost = in_state(TURN_LOST);

    ck_assert_int_eq(turn_may_send(&mine), 0);
    ck_assert_int_eq(turn_may_send(&notice), 0);
    ck_assert_int_eq(turn_may_send(&due), -EBUSY);
    ck_assert_int_eq(turn_may_send(&given_up), 0);
    ck_assert_int_eq(turn_may_send(&lost), -EPIPE);
}
END_TEST

START_TEST(a_reply_comes_back_and_the_turn_is_ours)
{
    const int at_once[] = {0};
    struct script s = {.results = at_once};
    struct turn t = in_state(TURN_MINE);

    send_frame(&t, WIRE_REQUEST);
    ck_assert_int_eq(t.state, TURN_REPLY_DUE);
    ck_assert_int_eq(turn_reply(&t, play, &s, 0), 0);
    ck_assert(turn_is_mine(&t));
    ck_assert_int_eq(s.waited, 1);
    /* Nothing to wait for. */
    ck_assert_int_eq(turn_take(&t, play, &s, 0), 0);
    ck_assert_int_eq(s.waited, 1);
}
END_TEST

START_TEST(a_notice_comes_back_without_a_reply)
{
    const int notice_then_late[] = {0, -ETIMEDOUT};
    struct script s = {.results = notice_then_late};
    struct turn t = in_state(TURN_MINE);

    send_frame(&t, WIRE_NOTICE);
    ck_assert_int_eq(t.state, TURN_NOTICE_OUT);
    /* There was no request, so nothing is given up. */
    ck_assert_int_eq(turn_reply(&t, play, &s, 0), -ETIMEDOUT);
    ck_assert_int_eq(s.waited, 2);
    ck_assert(turn_is_mine(&t));

    send_frame(&t, WIRE_NOTICE);
    ck_assert_int_eq(turn_failed(&t, -ETIMEDOUT), -ETIMEDOUT);
    ck_assert_int_eq(t.state, TURN_NOTICE_OUT);
    ck_assert(!turn_back(&t));
    ck_assert(turn_is_mine(&t));
}
END_TEST

START_TEST(a_reply_that_was_given_up_is_still_waited_for)
{
    const int late[] = {-EINTR, -ETIMEDOUT, 0}, once[] = {0};
    struct script s = {.results = late}, next = {.results = once};
    struct turn t = in_state(TURN_REPLY_DUE);

    /* A signal gives nothing up. */
    ck_assert_int_eq(turn_reply(&t, play, &s, 0), -EINTR);
    ck_assert_int_eq(t.state, TURN_REPLY_DUE);
    ck_assert_int_eq(turn_reply(&t, play, &s, 0), -ETIMEDOUT);
    ck_assert_int_eq(t.state, TURN_GIVEN_UP);
    /* Who asks once more, and it has come: that is a reply. */
    ck_assert_int_eq(turn_reply(&t, play, &s, 0), 0);
    ck_assert(turn_is_mine(&t));
    /* Who sends the next one throws it away first. */
    t = in_state(TURN_GIVEN_UP);
    ck_assert_int_eq(turn_take(&t, play, &next, 0), 0);
    ck_assert_int_eq(next.waited, 1);
    ck_assert(turn_is_mine(&t));
}
END_TEST

START_TEST(who_waits_to_send_is_not_interrupted_but_told_of_the_end)
{
    const int disturbed[] = {-EINTR, 0}, gone[] = {-EPIPE};
    struct script s = {.results = disturbed}, end = {.results = gone};
    struct turn t = in_state(TURN_NOTICE_OUT);

    ck_assert_int_eq(turn_take(&t, play, &s, 0), 0);
    ck_assert_int_eq(s.waited, 2);
    t = in_state(TURN_GIVEN_UP);
    ck_assert_int_eq(turn_take(&t, play, &end, 0), -EPIPE);
    ck_assert_int_eq(t.state, TURN_LOST);
    /* And does not wait for who is gone. */
    ck_assert_int_eq(turn_reply(&t, play, &end, 0), -EPIPE);
    ck_assert_int_eq(end.waited, 1);
    ck_assert_int_eq(turn_may_send(&t), -EPIPE);
}
END_TEST

Suite *
test_turn(void)
{
    Suite *s = suite_create("turn");
    TCase *tc = test_case(s, "turn");

    tcase_add_test(tc, one_message_at_a_time_and_none_to_who_is_gone);
    tcase_add_test(tc, a_reply_comes_back_and_the_turn_is_ours);
    tcase_add_test(tc, a_notice_comes_back_without_a_reply);
    tcase_add_test(tc, a_reply_that_was_given_up_is_still_waited_for);
    tcase_add_test(tc,
                   who_waits_to_send_is_not_interrupted_but_told_of_the_end);
    return s;
}
