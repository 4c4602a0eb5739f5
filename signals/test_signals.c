/*
 * test_signals.c - what signals are, without a mechanism: which get lost, in
 * what order they come, and what their receiver may believe.
 */
#define _GNU_SOURCE /* SI_TKILL, siginfo_t */
#include "by_hand.h"
#include "test/test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

Suite *test_signals(void);

START_TEST(standard_signals_coalesce_and_real_time_ones_queue)
{
    int standard = 0, real_time = 0, number;
    siginfo_t info;

    block(SIGUSR1, SIGRTMIN, SIGRTMIN);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN, value(i)), 0);
    }
    while ((number = take(&info)) != -1) {
        if (number == SIGUSR1)
            standard++;
        else
            ck_assert_int_eq(info.si_value.sival_int, real_time++);
    }
    ck_assert_int_eq(standard, 1);
    ck_assert_int_eq(real_time, 100);
}
END_TEST

START_TEST(the_lowest_number_comes_first_whenever_it_was_sent)
{
    siginfo_t info;

    block(SIGUSR2, SIGRTMIN, SIGRTMIN + 1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN + 1, value(i)), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN, value(i)), 0);
    ck_assert_int_eq(kill(getpid(), SIGUSR2), 0);

    ck_assert_int_eq(take(&info), SIGUSR2);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(take(&info), SIGRTMIN + i / 5);
        ck_assert_int_eq(info.si_value.sival_int, i % 5);
    }
}
END_TEST

static void
ring_parent(struct actor *self, void *arg)
{
    (void)self, (void)arg;
    ck_assert_int_eq(kill(getppid(), SIGUSR1), 0);
}

START_TEST(a_pending_signal_of_a_stranger_swallows_ours)
{
    struct actor first, second;
    siginfo_t info;

    block(SIGUSR1, SIGUSR1, SIGUSR1);
    actor_start(&first, geteuid(), ring_parent, NULL);
    actor_end(&first);
    actor_start(&second, geteuid(), ring_parent, NULL);
    actor_end(&second);
    ck_assert_int_eq(take(&info), SIGUSR1);
    ck_assert_int_eq(info.si_pid, first.pid);
    ck_assert_int_eq(take(&info), -1); /* as if the second had not been */
}
END_TEST

static void
lie_to_parent(struct actor *self, void *arg)
{
    (void)self, (void)arg;
    ck_assert_int_eq(queue_as(getppid(), SIGRTMIN, SI_QUEUE, 1, value(0)), 0);
    /* What the kernel says nobody else may say. */
    ck_assert_int_eq(queue_as(getppid(), SIGRTMIN, SI_USER, 1, value(0)), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(kill(getppid(), SIGUSR1), 0);
}

START_TEST(sigqueue_says_what_its_sender_likes_and_kill_the_truth)
{
    struct actor liar;
    siginfo_t info;

    block(SIGUSR1, SIGRTMIN, SIGRTMIN);
    actor_start(&liar, geteuid(), lie_to_parent, NULL);
    actor_end(&liar);
    ck_assert_int_eq(take(&info), SIGUSR1);
    ck_assert_int_eq(info.si_code, SI_USER);
    ck_assert_int_eq(info.si_pid, liar.pid);
    ck_assert_uint_eq(info.si_uid, getuid());
    ck_assert_int_eq(take(&info), SIGRTMIN);
    ck_assert_int_eq(info.si_code, SI_QUEUE);
    ck_assert_int_eq(info.si_pid, 1); /* init, and root */
    ck_assert_uint_eq(info.si_uid, 0);
}
END_TEST

START_TEST(a_full_queue_forgets_who_sent_and_that_is_not_root)
{
    rlim_t before;
    siginfo_t info;

    block(SIGUSR1, SIGUSR2, SIGRTMIN);
    before = limit_queue(0);
    ck_assert_int_eq(sigqueue(getpid(), SIGRTMIN, value(1)), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(kill(getpid(), SIGRTMIN), 0);
    ck_assert_int_eq(sigqueue(getpid(), SIGUSR2, value(2)), 0);
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);

    /* The kernel keeps a place for kill(2) with a standard signal. */
    ck_assert_int_eq(take(&info), SIGUSR1);
    ck_assert_int_eq(info.si_pid, getpid());
    for (int number = SIGUSR2;; number = SIGRTMIN) {
        ck_assert_int_eq(take(&info), number);
        ck_assert_int_eq(info.si_code, SI_USER);
        ck_assert_int_eq(info.si_pid, 0);
        ck_assert_uint_eq(info.si_uid, 0);
        if (number == SIGRTMIN)
            break;
    }
    limit_queue(before);
}
END_TEST

Suite *
test_signals(void)
{
    Suite *s = suite_create("signals");
    TCase *tc = test_case(s, "signals");

    tcase_add_test(tc, standard_signals_coalesce_and_real_time_ones_queue);
    tcase_add_test(tc, the_lowest_number_comes_first_whenever_it_was_sent);
    tcase_add_test(tc, a_pending_signal_of_a_stranger_swallows_ours);
    tcase_add_test(tc, sigqueue_says_what_its_sender_likes_and_kill_the_truth);
    tcase_add_test(tc, a_full_queue_forgets_who_sent_and_that_is_not_root);
    return s;
}
