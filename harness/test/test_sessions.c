/*
 * test_sessions.c - who gets a slot, and how much of the rest: core/sessions.h
 * and core/quota.h, which decide about numbers only.  The times are made up.
 */
#define _GNU_SOURCE /* CLOCK_MONOTONIC */
#include "test/test.h"

#include "core/clock.h"
#include "core/quota.h"
#include "core/sessions.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

Suite *test_sessions(void);

#define T0     (1000 * NS_PER_SEC)
#define NOBODY ((uid_t)-1)

/* -- slots ----------------------------------------------------------------- */

static struct sessions s;

static int
join(uid_t uid, int64_t now)
{
    struct ipc_peer peer = IPC_PEER_UNKNOWN;
    int slot = sessions_choose(&s, uid, now);

    if (slot < 0)
        return slot;
    peer.uid = uid;
    if (s.slot[slot].state != SESSION_FREE)
        sessions_leave(&s, (unsigned)slot);
    sessions_take(&s, (unsigned)slot, &peer, now);
    sessions_admit(&s, (unsigned)slot);
    return slot;
}

static size_t
join_all(uid_t uid, int64_t now)
{
    size_t n = 0;

    while (join(uid, now) >= 0)
        n++;
    return n;
}

START_TEST(whoever_comes_next_finds_half_of_what_is_left)
{
    sessions_init(&s, IPC_MAX_CLIENTS, NO_DEADLINE);
    ck_assert_uint_eq(join_all(ALICE, T0), 32);
    ck_assert_uint_eq(join_all(BOB, T0), 16);
    ck_assert_uint_eq(join_all(NOBODY, T0), 8); /* all of them together */
    ck_assert_uint_eq(join_all(3, T0), 4);
    ck_assert_uint_eq(join_all(4, T0), 0);
    /* Whatever they do: root still gets in. */
    ck_assert_uint_eq(join_all(0, T0), QUOTA_RESERVE(IPC_MAX_CLIENTS));
    ck_assert_int_eq(join(0, T0), -EAGAIN);
    ck_assert_uint_eq(s.count, IPC_MAX_CLIENTS);
}
END_TEST

START_TEST(the_owner_may_have_all_slots_and_is_whom_the_server_says)
{
    sessions_init(&s, 8, NO_DEADLINE);
    quota_set_owner(ALICE);
    ck_assert_uint_eq(join_all(ALICE, T0), 8);
    sessions_init(&s, 8, NO_DEADLINE);
    quota_set_owner(BOB);
    ck_assert_uint_eq(join_all(ALICE, T0), 4);
}
END_TEST

START_TEST(a_slot_that_has_been_left_is_given_away_again)
{
    int slot;

    sessions_init(&s, 4, NO_DEADLINE);
    join(ALICE, T0);
    slot = join(BOB, T0);
    ck_assert_int_eq(slot, 1);
    ck_assert_uint_eq(s.top, 2);
    sessions_leave(&s, 0);
    sessions_leave(&s, 0); /* once is enough */
    ck_assert_uint_eq(s.count, 1);
    ck_assert_int_eq(join(ALICE, T0), 0);
    sessions_leave(&s, 1);
    ck_assert_uint_eq(s.top, 1);
}
END_TEST

START_TEST(a_token_is_void_when_its_slot_has_changed_hands)
{
    uint64_t token;

    sessions_init(&s, 4, NO_DEADLINE);
    join(ALICE, T0);
    token = sessions_token(&s, 0);
    ck_assert_int_eq(sessions_slot(&s, token), 0);
    ck_assert_int_eq(sessions_slot(&s, token + 1), -1);
    ck_assert_int_eq(sessions_slot(&s, token | 0xffffffff), -1);
    ck_assert_int_eq(sessions_slot(&s, token + ((uint64_t)1 << 32)), -1);
    sessions_leave(&s, 0);
    ck_assert_int_eq(sessions_slot(&s, token), -1);
    join(ALICE, T0);
    ck_assert_int_eq(sessions_slot(&s, token), -1);
    ck_assert_int_eq(sessions_slot(&s, sessions_token(&s, 0)), 0);
}
END_TEST

START_TEST(everybody_gets_a_turn_and_free_slots_do_not)
{
    int slot = -1;

    sessions_init(&s, 8, NO_DEADLINE);
    quota_set_owner(ALICE);
    ck_assert_int_eq(sessions_next(&s, 3), -1);
    join_all(ALICE, T0);
    sessions_leave(&s, 2);
    sessions_leave(&s, 7);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 7; i++)
            if (i != 2)
                ck_assert_int_eq(slot = sessions_next(&s, slot), i);
    /* Behind one that has gone meanwhile. */
    ck_assert_int_eq(sessions_next(&s, 7), 0);
}
END_TEST

START_TEST(all_are_looked_at_for_signs_of_life_and_then_it_ends)
{
    int n = 0, slot;

    sessions_init(&s, 8, NO_DEADLINE);
    quota_set_owner(ALICE);
    join_all(ALICE, T0);
    sessions_leave(&s, 3);
    for (int round = 0; round < 2; round++) {
        for (n = 0; (slot = sessions_reap(&s)) != -1; n++)
            ck_assert_int_ne(slot, 3);
        ck_assert_int_eq(n, 7);
    }
}
END_TEST

START_TEST(who_does_not_bring_the_nonce_back_is_overdue)
{
    const struct ipc_peer peer = {.uid = ALICE};

    sessions_init(&s, 8, NO_DEADLINE);
    ck_assert_int_eq(sessions_next_wakeup(&s), NO_DEADLINE);
    sessions_take(&s, 0, &peer, T0);
    sessions_take(&s, 1, &peer, T0 + 5);
    ck_assert_int_eq(sessions_next_wakeup(&s), T0 + ipc_open_timeout + 1);
    ck_assert(!sessions_overdue(&s, 0, T0 + ipc_open_timeout));
    ck_assert(sessions_overdue(&s, 0, T0 + ipc_open_timeout + 1));
    sessions_admit(&s, 0);
    ck_assert(!sessions_overdue(&s, 0, T0 + ipc_open_timeout + 1));
    ck_assert_int_eq(sessions_next_wakeup(&s), T0 + ipc_open_timeout + 6);
}
END_TEST

START_TEST(who_has_been_silent_gives_way_to_who_has_less)
{
    int64_t now = T0;

    sessions_init(&s, 8, SESSIONS_IDLE);
    ck_assert_uint_eq(join_all(ALICE, now), 4);
    ck_assert_uint_eq(join_all(BOB, now), 2);
    ck_assert_uint_eq(join_all(3, now), 1);
    ck_assert_int_eq(join(4, now), -EAGAIN);
    s.slot[1].heard = now + 1; /* of Alice's all but this one are silent */
    now += SESSIONS_IDLE;
    ck_assert_int_eq(join(4, now), 0); /* Alice's */
    ck_assert_int_eq(join(4, now), 2); /* Alice has 3 still */
    /* Now nobody has more than one more; but for root. */
    s.slot[3].heard = NO_DEADLINE; /* being served */
    ck_assert_int_eq(join(4, now), -EAGAIN);
    ck_assert_int_ge(join(0, now), 0);
    ck_assert_int_ge(join(0, now), 0);
}
END_TEST

START_TEST(nobody_is_put_out_of_a_server_that_does_not_listen_for_it)
{
    sessions_init(&s, 8, NO_DEADLINE);
    join_all(ALICE, T0);
    ck_assert_int_eq(join(ALICE, T0 + 100 * SESSIONS_IDLE), -EAGAIN);
    sessions_init(&s, 8, SESSIONS_IDLE);
    join_all(ALICE, T0);
    ck_assert_int_eq(join(ALICE, T0 + SESSIONS_IDLE - 1), -EAGAIN);
    ck_assert_int_eq(join(ALICE, T0 + SESSIONS_IDLE), 0); /* her own */
}
END_TEST

/* -- bars ------------------------------------------------------------------ */

START_TEST(who_makes_the_server_wait_is_kept_out_longer_each_time)
{
    int64_t now = T0, length = NS_PER_SEC;

    sessions_init(&s, 8, NO_DEADLINE);
    for (int i = 0; i < 9; i++, length *= 2) {
        sessions_bar(&s, ALICE, now);
        sessions_bar(&s, ALICE, now); /* what it did before does not add up */
        ck_assert(sessions_barred(&s, ALICE, now + length - 1));
        ck_assert(!sessions_barred(&s, ALICE, now + length));
        ck_assert_int_eq(join(ALICE, now), -EACCES);
        ck_assert(!sessions_barred(&s, BOB, now));
        now += length;
    }
    for (int i = 0; i < 5; i++, now += 600 * NS_PER_SEC) {
        sessions_bar(&s, ALICE, now);
        ck_assert(sessions_barred(&s, ALICE, now + 512 * NS_PER_SEC - 1));
        ck_assert(!sessions_barred(&s, ALICE, now + 600 * NS_PER_SEC));
    }
    now += 600 * NS_PER_SEC + 1; /* ten quiet minutes */
    sessions_bar(&s, ALICE, now);
    ck_assert(!sessions_barred(&s, ALICE, now + NS_PER_SEC));
}
END_TEST

START_TEST(three_faults_in_a_minute_are_too_many)
{
    int64_t now = T0;

    sessions_init(&s, 8, NO_DEADLINE);
    for (int i = 0; i < 10; i++, now += 61 * NS_PER_SEC) {
        sessions_fault(&s, ALICE, now);
        ck_assert(!sessions_barred(&s, ALICE, now));
    }
    sessions_fault(&s, ALICE, now);
    sessions_fault(&s, ALICE, now + 1);
    ck_assert(!sessions_barred(&s, ALICE, now + 1));
    sessions_fault(&s, ALICE, now + 2);
    ck_assert(sessions_barred(&s, ALICE, now + 2));
}
END_TEST

/* A slow disk has made the server wait; then somebody's doing. */
START_TEST(who_seems_to_stall_it_is_barred_for_the_third_time_and_then_at_once)
{
    int64_t now = T0;

    sessions_init(&s, 8, NO_DEADLINE);
    for (int i = 0; i < 20; i++, now += 61 * NS_PER_SEC) {
        sessions_stall(&s, ALICE, now);
        ck_assert(!sessions_barred(&s, ALICE, now));
    }
    for (int i = 0; i < 3; i++) {
        ck_assert(!sessions_barred(&s, ALICE, now));
        sessions_stall(&s, ALICE, now);
    }
    ck_assert(sessions_barred(&s, ALICE, now));
    now += 2 * NS_PER_SEC;
    ck_assert(!sessions_barred(&s, ALICE, now));
    sessions_stall(&s, ALICE, now);
    ck_assert(sessions_barred(&s, ALICE, now));
    ck_assert(!sessions_barred(&s, BOB, now));
}
END_TEST

START_TEST(root_the_owner_and_the_nameless_are_never_barred)
{
    sessions_init(&s, 8, NO_DEADLINE);
    quota_set_owner(BOB);
    for (int i = 0; i < 10; i++) {
        sessions_bar(&s, 0, T0);
        sessions_bar(&s, BOB, T0);
        sessions_bar(&s, NOBODY, T0);
    }
    ck_assert(!sessions_barred(&s, 0, T0));
    ck_assert(!sessions_barred(&s, BOB, T0));
    ck_assert(!sessions_barred(&s, NOBODY, T0));
}
END_TEST

START_TEST(a_thousand_users_do_not_overflow_the_list_of_those_kept_out)
{
    sessions_init(&s, 8, NO_DEADLINE);
    for (uid_t uid = 20000; uid < 21000; uid++) {
        sessions_bar(&s, uid, T0 + uid);
        ck_assert(sessions_barred(&s, uid, T0 + uid));
    }
}
END_TEST

/* -- quota ----------------------------------------------------------------- */

static uint64_t
take_all(uid_t uid, enum quota_kind kind, int64_t now, int *err)
{
    uint64_t n = 0;

    while ((*err = quota_take(uid, kind, 1, now)) == 0)
        n++;
    return n;
}

START_TEST(one_user_gets_its_part_of_everything_and_root_the_reserve)
{
    quota_set_owner(0);
    for (int i = 0; i < QUOTA_KINDS; i++) {
        const struct quota_kind_limits *k = &quota_kinds[i];
        enum quota_kind kind = (enum quota_kind)i;
        uint64_t reserve = k->in_all / 16;

        ck_assert_ptr_nonnull(k->name);
        ck_assert_uint_lt(k->per_user, k->in_all - reserve);
        ck_assert_int_eq(quota_take(ALICE, kind, k->per_user + 1, T0), -EDQUOT);
        ck_assert_int_eq(quota_take(ALICE, kind, UINT64_MAX, T0), -EDQUOT);
        ck_assert_int_eq(quota_take(ALICE, kind, k->per_user, T0), 0);
        ck_assert_int_eq(quota_take(ALICE, kind, 1, T0), -EDQUOT);
        ck_assert_uint_eq(quota_used(ALICE, kind, T0), k->per_user);
        for (uid_t uid = 20000;; uid++) {
            int err = quota_take(uid, kind, k->per_user, T0);

            ck_assert(err == 0 || err == -EAGAIN);
            if (err != 0)
                break;
        }
        ck_assert_int_eq(quota_take(0, kind, reserve, T0), 0);
        ck_assert_int_eq(quota_take(0, kind, k->in_all, T0), -EAGAIN);
        quota_give(ALICE, kind, 1);
        ck_assert_uint_eq(quota_used(ALICE, kind, T0), k->per_user - 1);
        quota_reset();
        ck_assert_uint_eq(quota_used_in_all(kind, T0), 0);
    }
}
END_TEST

START_TEST(the_nameless_are_one_user)
{
    int err;

    ck_assert_uint_eq(take_all(NOBODY, QUOTA_COUNTERS, T0, &err),
                      quota_kinds[QUOTA_COUNTERS].per_user);
    ck_assert_int_eq(err, -EDQUOT);
}
END_TEST

START_TEST(what_comes_back_by_itself_does_so_at_its_rate)
{
    const struct quota_kind_limits *k = &quota_kinds[QUOTA_AUDIT];
    int64_t now = T0;

    ck_assert_int_eq(quota_take(ALICE, QUOTA_AUDIT, k->per_user, now), 0);
    ck_assert_int_eq(quota_take(ALICE, QUOTA_AUDIT, 1, now), -EDQUOT);
    now += NS_PER_SEC;
    ck_assert_uint_eq(quota_used(ALICE, QUOTA_AUDIT, now),
                      k->per_user - k->per_second);
    ck_assert_int_eq(quota_take(ALICE, QUOTA_AUDIT, k->per_second, now), 0);
    ck_assert_int_eq(quota_take(ALICE, QUOTA_AUDIT, 1, now), -EDQUOT);
    now += 1000000 * NS_PER_SEC;
    ck_assert_uint_eq(quota_used(ALICE, QUOTA_AUDIT, now), 0);
    ck_assert_uint_eq(quota_used_in_all(QUOTA_AUDIT, now), 0);
}
END_TEST

/* Also what is given back more often than it was taken. */
START_TEST(the_table_of_users_is_bounded_and_forgets_who_has_nothing)
{
    int64_t now = T0;

    quota_set_owner(0);
    for (uid_t uid = 1; uid < 100 * QUOTA_USERS; uid++) {
        ck_assert_int_eq(quota_take(uid, QUOTA_SLOW, 1, now), 0);
        quota_give(uid, QUOTA_SLOW, 1);
        quota_give(uid, QUOTA_SLOW, 1);
        quota_give(uid + 1, QUOTA_SLOW, 1);
    }
    ck_assert_uint_eq(quota_used_in_all(QUOTA_SLOW, now), 0);
    for (uid_t uid = 1; uid <= QUOTA_USERS; uid++)
        ck_assert_int_eq(quota_take(uid, QUOTA_REMEMBERED, 1, now), 0);
    ck_assert_int_eq(quota_take(ALICE, QUOTA_REMEMBERED, 1, now), -EAGAIN);
    ck_assert_int_eq(quota_take(0, QUOTA_REMEMBERED, 1, now), 0);
    ck_assert_uint_eq(quota_used(0, QUOTA_REMEMBERED, now), 1);
    quota_give(100, QUOTA_REMEMBERED, 1);
    ck_assert_int_eq(quota_take(ALICE, QUOTA_REMEMBERED, 1, now), 0);
    ck_assert_uint_eq(quota_used(101, QUOTA_REMEMBERED, now), 1);
}
END_TEST

Suite *
test_sessions(void)
{
    Suite *suite = suite_create("sessions");
    TCase *tc = test_case(suite, "sessions");

    tcase_add_test(tc, whoever_comes_next_finds_half_of_what_is_left);
    tcase_add_test(tc,
                   the_owner_may_have_all_slots_and_is_whom_the_server_says);
    tcase_add_test(tc, a_slot_that_has_been_left_is_given_away_again);
    tcase_add_test(tc, a_token_is_void_when_its_slot_has_changed_hands);
    tcase_add_test(tc, everybody_gets_a_turn_and_free_slots_do_not);
    tcase_add_test(tc, all_are_looked_at_for_signs_of_life_and_then_it_ends);
    tcase_add_test(tc, who_does_not_bring_the_nonce_back_is_overdue);
    tcase_add_test(tc, who_has_been_silent_gives_way_to_who_has_less);
    tcase_add_test(tc,
                   nobody_is_put_out_of_a_server_that_does_not_listen_for_it);
    tcase_add_test(tc, who_makes_the_server_wait_is_kept_out_longer_each_time);
    tcase_add_test(tc, three_faults_in_a_minute_are_too_many);
    tcase_add_test(
        tc,
        who_seems_to_stall_it_is_barred_for_the_third_time_and_then_at_once);
    tcase_add_test(tc, root_the_owner_and_the_nameless_are_never_barred);
    tcase_add_test(tc,
                   a_thousand_users_do_not_overflow_the_list_of_those_kept_out);

    tc = test_case(suite, "quota");
    tcase_add_test(tc,
                   one_user_gets_its_part_of_everything_and_root_the_reserve);
    tcase_add_test(tc, the_nameless_are_one_user);
    tcase_add_test(tc, what_comes_back_by_itself_does_so_at_its_rate);
    tcase_add_test(tc,
                   the_table_of_users_is_bounded_and_forgets_who_has_nothing);
    return suite;
}
