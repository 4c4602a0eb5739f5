/*
 * test_msgq_private.c - msgq/sysv-private: is that queue still the client's?
 * Whose it is at all: `ipcattack 21 24 102`.
 */
#define _GNU_SOURCE /* O_CLOEXEC, struct msqid_ds */
#include "by_hand.h"

#include "test/subject.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

Suite *test_msgq_private(void);

static void
open_and_stay(struct actor *self, void *arg)
{
    struct client c;

    client_start(arg, &c);
    expect_echo(&c, 1);
    actor_step(self); /* never comes back */
}

START_TEST(the_queue_of_a_dead_client_is_removed)
{
    struct actor c;
    struct host s;
    struct msqid_ds ds;
    int queue;

    server_start(&s, ipc_find("msgq/sysv-private"));
    actor_start(&c, geteuid(), open_and_stay, &s);
    actor_wait(&c);
    queue = listed_id(s.where, 1);
    ck_assert_int_eq(msgctl(queue, IPC_STAT, &ds), 0);
    ck_assert_int_eq(ds.msg_lrpid, c.pid);
    ck_assert(actor_kill(&c));
    server_catch_up(&s); /* the next one who joins */
    ck_assert_int_eq(msgctl(queue, IPC_STAT, &ds), -1);
    server_stop(&s);
}
END_TEST

static void
choose_next_id(int id)
{
    FILE *out = fopen("/proc/sys/kernel/msg_next_id", "we");

    ck_assert_ptr_nonnull(out);
    fprintf(out, "%d\n", id);
    ck_assert_int_eq(fclose(out), 0);
}

static const char *
need_next_id(void)
{
    return access("/proc/sys/kernel/msg_next_id", W_OK) == 0
               ? NULL
               : "need root, and kernel.msg_next_id "
                 "(CONFIG_CHECKPOINT_RESTORE)";
}

START_TEST(a_reply_does_not_go_to_whoever_has_the_id_next)
{
    struct client c;
    struct host s;
    struct hand *h;
    int id;

    server_start(&s, ipc_find("msgq/sysv-private"));
    h = make_hand(s.m, s.where);
    client_start(&s, &c);
    id = listed_id(s.where, 1);
    server_pause(&s);
    send_request(&c, "hello", string_value("World"));
    client_close(&c);
    choose_next_id(id);
    as_user(BOB, make_reply, h);
    ck_assert_int_eq(h->reply, id);
    server_resume(&s);
    server_catch_up(&s);
    ck_assert_uint_eq(look_at(id).msg_qnum, 0);
    remove_queue(id); /* which is not the server's to remove, either */
    server_stop(&s);
}
END_TEST

START_TEST(sixteen_thousand_strange_messages_delay_and_no_more)
{
    struct host s;
    struct hand *h;

    server_start(&s, ipc_find("msgq/sysv-private"));
    h = make_hand(s.m, s.where);
    server_pause(&s);
    while (put(h->queue, 77, "", 0) == 0)
        continue;
    server_resume(&s);
    server_catch_up(&s);
    server_stop(&s);
}
END_TEST

Suite *
test_msgq_private(void)
{
    Suite *s = suite_create("msgq_private");
    TCase *tc = test_case(s, "msgq/sysv-private");
    const char *no_root = need_sysv_root();

    add_test_if(tc, need_sysv(), the_queue_of_a_dead_client_is_removed);
    add_test_if(tc, no_root != NULL ? no_root : need_next_id(),
                a_reply_does_not_go_to_whoever_has_the_id_next);
    add_test_if(tc, need_sysv(),
                sixteen_thousand_strange_messages_delay_and_no_more);
    return s;
}
