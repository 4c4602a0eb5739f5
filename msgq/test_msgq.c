/*
 * test_msgq.c - what the handout says about message queues, without any server
 * of ours.
 */
#define _GNU_SOURCE /* MSG_NOERROR */
#include "by_hand.h"

#include <errno.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Suite *test_msgq(void);

/* -- System V ------------------------------------------------------------- */

static void
leave_a_message(void *queue)
{
    ck_assert_int_eq(put(*(int *)queue, 1, "late", 4), 0);
}

START_TEST(a_message_outlives_its_sender)
{
    int queue = make_queue();

    as_user(geteuid(), leave_a_message, &queue);
    ck_assert_int_eq(get(queue, 100, 0, 0), 4);
    remove_queue(queue);
}
END_TEST

START_TEST(a_receiver_chooses_by_type)
{
    static const struct {
        long wanted, got;
    } step[] = {{-4, 2}, {3, 3}, {0, 5}, {-4, -ENOMSG}};
    int queue = make_queue();

    ck_assert_int_eq(put(queue, 5, "", 0), 0);
    ck_assert_int_eq(put(queue, 3, "", 0), 0);
    ck_assert_int_eq(put(queue, 2, "", 0), 0);
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        long n = get(queue, 0, step[i].wanted, 0);

        ck_assert_int_eq(n == 0 ? message.type : n, step[i].got);
    }
    ck_assert_int_eq(put(queue, 0, "", 0), EINVAL);
    remove_queue(queue);
}
END_TEST

START_TEST(a_short_buffer_gets_nothing_or_loses_the_tail)
{
    int queue = make_queue();

    ck_assert_int_eq(put(queue, 1, "long text", 9), 0);
    ck_assert_int_eq(get(queue, 4, 0, 0), -E2BIG);
    ck_assert_int_eq(get(queue, 4, 0, MSG_NOERROR), 4);
    ck_assert_int_eq(get(queue, 100, 0, 0), -ENOMSG);
    remove_queue(queue);
}
END_TEST

START_TEST(empty_messages_fill_a_queue_too)
{
    int queue = make_queue();
    unsigned long room = look_at(queue).msg_qbytes, n = 0;

    while (put(queue, 1, "", 0) == 0)
        n++;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_uint_eq(n, room); /* as many as it could hold bytes */
    remove_queue(queue);
}
END_TEST

static void
wait_in_queue(struct actor *self, void *queue)
{
    actor_step(self);
    ck_assert_int_eq(msgrcv(*(int *)queue, &message, 8, 0, 0), -1);
    ck_assert_int_eq(errno, EIDRM);
}

START_TEST(removing_a_queue_wakes_who_waits_in_it)
{
    int queue = make_queue();
    struct actor c;

    actor_start(&c, geteuid(), wait_in_queue, &queue);
    actor_wait(&c);
    actor_go(&c);
    while (!is_asleep(c.pid)) /* in msgrcv(), if it is not still in read() */
        sched_yield();
    remove_queue(queue);
    actor_end(&c);
    ck_assert_int_eq(get(queue, 8, 0, 0), -EINVAL);
}
END_TEST

static void
on_alarm(int number)
{
    (void)number;
}

START_TEST(no_flag_restarts_a_receive_that_a_signal_interrupted)
{
    struct sigaction restart = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerspec often = {{0, 1000000}, {0, 1000000}};
    int queue = make_queue();
    timer_t timer;

    ck_assert_int_eq(sigaction(SIGALRM, &restart, NULL), 0);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &often, NULL), 0);
    ck_assert_int_eq(msgrcv(queue, &message, 8, 0, 0), -1);
    ck_assert_int_eq(errno, EINTR);
    timer_delete(timer);
    remove_queue(queue);
}
END_TEST

static void
give_away(void *queue)
{
    struct msqid_ds ds;

    *(int *)queue = make_queue();
    ds = look_at(*(int *)queue);
    ds.msg_perm.uid = 0;
    ck_assert_int_eq(msgctl(*(int *)queue, IPC_SET, &ds), 0);
}

START_TEST(the_owner_of_a_queue_is_not_who_made_it)
{
    int *queue = shared(sizeof *queue);
    struct msqid_ds ds;

    as_user(ALICE, give_away, queue);
    ds = look_at(*queue);
    ck_assert_uint_eq(ds.msg_perm.uid, 0);
    ck_assert_uint_eq(ds.msg_perm.cuid, ALICE);
    remove_queue(*queue);
}
END_TEST

/* The server relies on it, for as long as that may take: private_is_there(). */
START_TEST(an_id_comes_back_after_65535_others_at_the_earliest)
{
    int queue = make_queue();

    remove_queue(queue);
    for (int i = 0; i < 65535; i++) {
        int other = make_queue();

        remove_queue(other);
        ck_assert_int_ne(other, queue);
    }
}
END_TEST

/* -- POSIX ---------------------------------------------------------------- */

static mqd_t
open_queue(const char *name, int flags)
{
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    mqd_t queue = mq_open(name, flags | O_RDWR | O_NONBLOCK | O_CLOEXEC, 0600,
                          flags != 0 ? &attr : NULL);

    ck_assert_int_ne(queue, -1);
    return queue;
}

START_TEST(the_highest_priority_comes_first)
{
    mqd_t queue = open_queue("/ipclab-test", O_CREAT | O_EXCL);
    static const char order[] = "cab";
    char buf[64];

    ck_assert_int_eq(mq_send(queue, "a", 1, 5), 0);
    ck_assert_int_eq(mq_send(queue, "b", 1, 5), 0);
    ck_assert_int_eq(mq_send(queue, "c", 1, 9), 0);
    for (size_t i = 0; order[i] != '\0'; i++) {
        ck_assert_int_eq(mq_receive(queue, buf, sizeof buf, NULL), 1);
        ck_assert_int_eq(buf[0], order[i]);
    }
    mq_close(queue);
    mq_unlink("/ipclab-test");
}
END_TEST

START_TEST(a_posix_queue_can_be_polled)
{
    mqd_t queue = open_queue("/ipclab-test", O_CREAT | O_EXCL);
    struct pollfd p = {.fd = queue, .events = POLLIN | POLLOUT};

    ck_assert_int_eq(poll(&p, 1, 0), 1);
    ck_assert_int_eq(p.revents, POLLOUT);
    while (mq_send(queue, "", 0, 0) == 0)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(poll(&p, 1, 0), 1);
    ck_assert_int_eq(p.revents, POLLIN);
    mq_close(queue);
    mq_unlink("/ipclab-test");
}
END_TEST

START_TEST(a_buffer_must_hold_the_longest_message_not_this_one)
{
    mqd_t queue = open_queue("/ipclab-test", O_CREAT | O_EXCL);
    char buf[64];

    ck_assert_int_eq(mq_send(queue, "x", 1, 0), 0);
    ck_assert_int_eq(mq_receive(queue, buf, sizeof buf - 1, NULL), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(mq_receive(queue, buf, sizeof buf, NULL), 1);
    mq_close(queue);
    mq_unlink("/ipclab-test");
}
END_TEST

START_TEST(a_ghost_takes_messages_that_nobody_will_read)
{
    mqd_t ghost = open_queue("/ipclab-test", O_CREAT | O_EXCL), next;
    struct stat st;
    char buf[64];

    mq_unlink("/ipclab-test"); /* the server ends, and another one starts */
    next = open_queue("/ipclab-test", O_CREAT | O_EXCL);
    ck_assert_int_eq(mq_send(ghost, "anybody?", 8, 0), 0);
    ck_assert_int_eq(mq_receive(next, buf, sizeof buf, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fstat(ghost, &st), 0);
    ck_assert_uint_eq(st.st_nlink, 0); /* that is how to see it */
    mq_close(ghost);
    mq_close(next);
    mq_unlink("/ipclab-test");
}
END_TEST

START_TEST(a_notification_comes_only_when_the_queue_was_empty)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGUSR1};
    const struct timespec now = {0};
    mqd_t queue = open_queue("/ipclab-test", O_CREAT | O_EXCL);
    sigset_t usr1;
    char buf[64];

    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    ck_assert_int_eq(mq_send(queue, "one", 3, 0), 0);
    ck_assert_int_eq(mq_notify(queue, &event), 0);
    ck_assert_int_eq(mq_send(queue, "two", 3, 0), 0);
    ck_assert_int_eq(sigtimedwait(&usr1, NULL, &now), -1);
    while (mq_receive(queue, buf, sizeof buf, NULL) != -1)
        continue;
    ck_assert_int_eq(mq_send(queue, "three", 5, 0), 0);
    ck_assert_int_eq(sigtimedwait(&usr1, NULL, &now), SIGUSR1);
    mq_close(queue);
    mq_unlink("/ipclab-test");
}
END_TEST

Suite *
test_msgq(void)
{
    Suite *s = suite_create("msgq");
    TCase *tc = test_case(s, "msgq");

    add_test_if(tc, need_sysv(), a_message_outlives_its_sender);
    add_test_if(tc, need_sysv(), a_receiver_chooses_by_type);
    add_test_if(tc, need_sysv(), a_short_buffer_gets_nothing_or_loses_the_tail);
    add_test_if(tc, need_sysv(), empty_messages_fill_a_queue_too);
    add_test_if(tc, need_sysv(), removing_a_queue_wakes_who_waits_in_it);
    add_test_if(tc, need_sysv(),
                no_flag_restarts_a_receive_that_a_signal_interrupted);
    add_test_if(tc, need_sysv_root(), the_owner_of_a_queue_is_not_who_made_it);
    add_test_if(tc, need_sysv(),
                an_id_comes_back_after_65535_others_at_the_earliest);
    add_test_if(tc, need_posix(), the_highest_priority_comes_first);
    add_test_if(tc, need_posix(), a_posix_queue_can_be_polled);
    add_test_if(tc, need_posix(),
                a_buffer_must_hold_the_longest_message_not_this_one);
    add_test_if(tc, need_posix(), a_ghost_takes_messages_that_nobody_will_read);
    add_test_if(tc, need_posix(),
                a_notification_comes_only_when_the_queue_was_empty);
    return s;
}
