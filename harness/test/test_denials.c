/*
 * test_denials.c - who asks again and again for what he may not have does not
 * fill the audit, and nothing of it is forgotten.
 */
#include "test/ruled.h"

#include "core/clock.h"
#include "server/denials.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_denials(void);

/* -- the account, with a clock of our own --------------------------------- */

#define MALLORY 10666
#define START   (1000 * DENIALS_QUIET)

/* uid is denied something `times` times at `now`.  How many are written; *sum
 * grows by what those lines say is not. */
static unsigned
deny(struct denials *d, uid_t uid, unsigned times, int64_t now, uint64_t *sum)
{
    unsigned written = 0;
    uint64_t omitted;

    for (unsigned i = 0; i < times; i++)
        if (denials_write(d, uid, now, &omitted)) {
            written++;
            *sum += omitted;
        }
    return written;
}

START_TEST(a_user_has_a_hundred_lines_at_once_and_then_one_a_second)
{
    struct denials d = DENIALS_NONE;
    uint64_t omitted = 0;

    ck_assert_uint_eq(deny(&d, MALLORY, 5000, START, &omitted), DENIALS_BURST);
    ck_assert_uint_eq(omitted, 0);
    for (int64_t second = 1; second <= 7; second++)
        ck_assert_uint_eq(
            deny(&d, MALLORY, 10, START + second * DENIALS_EVERY, &omitted), 1);
    /* The first of each second says what the one before left out. */
    ck_assert_uint_eq(omitted, 5000 - DENIALS_BURST + 6 * 9);
    /* A while of good manners, and all is as at the beginning. */
    ck_assert_uint_eq(deny(&d, MALLORY, 5000,
                           START + DENIALS_BURST * DENIALS_EVERY * 2, &omitted),
                      DENIALS_BURST);
}
END_TEST

START_TEST(what_no_line_says_is_said_when_it_is_over)
{
    struct denials d = DENIALS_NONE;
    uint64_t omitted = 0;
    uid_t uid = 0;

    deny(&d, MALLORY, 300, START, &omitted);
    deny(&d, MALLORY + 1, 100, START, &omitted);
    ck_assert(!denials_over(&d, START + DENIALS_QUIET - 1, &uid, &omitted));
    ck_assert(denials_over(&d, START + DENIALS_QUIET, &uid, &omitted));
    ck_assert_uint_eq(uid, MALLORY);
    ck_assert_uint_eq(omitted, 200);
    ck_assert(!denials_over(&d, INT64_MAX, &uid, &omitted));
}
END_TEST

START_TEST(a_crowd_hides_nobody_and_nothing_is_lost)
{
    const unsigned crowd = 3 * DENIALS_USERS, times = 2 * DENIALS_BURST;
    const unsigned asked = crowd * times;
    const unsigned most = (DENIALS_USERS - 1) * DENIALS_BURST;
    struct denials d = DENIALS_NONE;
    uint64_t omitted = 0, rest;
    unsigned written = 0;
    uid_t uid;

    ck_assert_uint_eq(deny(&d, 0, 1, START, &omitted), 1);
    for (uid_t i = 0; i < crowd; i++)
        written += deny(&d, MALLORY + i, times, START, &omitted);
    /* An account each, as long as there are any; then one for all. */
    ck_assert_uint_eq(written, most);
    ck_assert_uint_eq(deny(&d, 0, 1, START, &omitted), 1);
    while (denials_over(&d, INT64_MAX, &uid, &rest))
        omitted += rest;
    ck_assert_uint_eq(written + omitted, asked);
    /* When they have gone, the next one gets an account again. */
    ck_assert_uint_eq(
        deny(&d, 7, times, START + DENIALS_BURST * DENIALS_EVERY, &omitted),
        DENIALS_BURST);
}
END_TEST

/* -- a server ------------------------------------------------------------- */

/* The sum of the numbers behind each `what`. */
static unsigned long
sum_of(const char *text, const char *what)
{
    unsigned long sum = 0;

    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        sum += strtoul(text, NULL, 10);
    }
    return sum;
}

START_TEST(a_flood_of_denials_is_counted_not_written)
{
    enum { ASKED = 2000 };
    struct ruled r = {.more = NULL};
    struct client c;
    struct reply reply;
    unsigned written;

    ruled_start(&r, ipc_find("socket/stream"), geteuid(), "deny stats any\n");
    client_start(&r.host, &c);
    for (int i = 0; i < ASKED; i++)
        expect_call(&c, "stats", NULL, WIRE_DENIED, &reply);
    client_close(&c);
    ck_assert_int_eq(kill(r.host.pid, SIGTERM), 0);
    ruled_until(&r, " event=lines-omitted ");
    written = times_in(ruled_audit(&r), " decision=deny ");
    ck_assert_uint_ge(written, DENIALS_BURST);
    ck_assert_uint_eq(written + sum_of(ruled_audit(&r), " omitted="), ASKED);
    ruled_stop(&r);
}
END_TEST

Suite *
test_denials(void)
{
    Suite *s = suite_create("denials");
    TCase *tc = test_case(s, "denials");

    tcase_add_test(tc,
                   a_user_has_a_hundred_lines_at_once_and_then_one_a_second);
    tcase_add_test(tc, what_no_line_says_is_said_when_it_is_over);
    tcase_add_test(tc, a_crowd_hides_nobody_and_nothing_is_lost);
    tcase_add_test(test_case(s, "socket/stream"),
                   a_flood_of_denials_is_counted_not_written);
    return s;
}
