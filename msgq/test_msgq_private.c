/*
 * test_msgq_private.c - msgq/sysv-private: whose queue is that, and is it still
 * his?
 *
 * An attack is run twice: against our server, which must refuse it, and against
 * ipcd-naive, the same program with owner.c compiled to believe what it is
 * told.  There it must succeed, or the first result would prove nothing.
 */
#define _GNU_SOURCE /* MSG_NOERROR */
#include "by_hand.h"

#include "test/subject.h"

#include "core/owner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *test_msgq_private(void);

static void
private_put(const struct hand *h, long kind, const void *body, size_t len)
{
    uint8_t text[100] = {0};

    put32(text, (uint32_t)h->reply);
    memcpy(text + 20, body, len); /* the nonce before it: we do not know it */
    ck_assert_int_eq(put(h->queue, kind, text, 20 + len), 0);
}

/* "The queue h->reply belongs to h->claim, and he asks who he is." */
static void
private_ask(const struct hand *h)
{
    uint8_t uid[4], frame[WIRE_HEADER] = {0};

    put32(uid, h->claim);
    private_put(h, JOIN, uid, sizeof uid);
    private_put(h, MESSAGE, frame, whoami_frame(frame));
}

static void
alice_has_a_queue(struct child *self, void *arg)
{
    struct hand *h = arg;

    h->reply = make_queue();
    child_step(self); /* Bob does it */
    /* The nonce was left for her; is there an answer to Bob's request, too? */
    ck_assert_int_eq(get(h->reply, 100, 0, MSG_NOERROR), NONCE_SIZE);
    h->fell = get(h->reply, 100, 0, MSG_NOERROR) > 0;
    remove_queue(h->reply);
}

static void
bob_names_hers(void *arg)
{
    struct hand *h = arg;

    ck_assert_int_eq(get(h->reply, 100, 0, 0), -EACCES);
    ck_assert_int_eq(get(h->queue, 100, 0, 0), -EACCES);
    private_ask(h);
}

/* Did the server answer Bob's request as if Alice had made it? */
static bool
private_reflection(const char *program)
{
    struct host s;
    struct hand *h;
    struct child a;

    start_server(&s, "msgq/sysv-private", program);
    h = make_hand(s.m, s.where, ALICE);
    child_start(&a, ALICE, alice_has_a_queue, h);
    child_wait(&a);
    run_as(BOB, bob_names_hers, h);
    wait_for_the_server(&s);
    child_go(&a);
    child_end(&a);
    server_stop(&s);
    return h->fell;
}

START_TEST(nobody_asks_in_another_ones_name_by_the_id_of_a_queue)
{
    ck_assert(private_reflection("ipcd-naive"));
    ck_assert(!private_reflection("ipcd"));
}
END_TEST

static void
give_away(struct hand *h)
{
    struct msqid_ds ds;

    h->reply = make_queue();
    ds = look_at(h->reply);
    ds.msg_perm.uid = 0;
    ck_assert_int_eq(msgctl(h->reply, IPC_SET, &ds), 0);
}

static void
bob_gives_his_away(struct child *self, void *arg)
{
    struct hand *h = arg;

    give_away(h);
    ck_assert_uint_eq(look_at(h->reply).msg_perm.uid, 0);
    private_ask(h);
    child_step(self);
    if (get(h->reply, 100, 0, MSG_NOERROR) == NONCE_SIZE &&
        get(h->reply, sizeof message.text, 0, 0) > 0)
        h->fell = uid_in(message.text) == 0;
    remove_queue(h->reply);
}

/* Is Bob root, since his queue belongs to root? */
static bool
private_claim(const char *program)
{
    struct host s;
    struct hand *h;
    struct child b;

    start_server(&s, "msgq/sysv-private", program);
    h = make_hand(s.m, s.where, 0);
    child_start(&b, BOB, bob_gives_his_away, h);
    child_wait(&b);
    wait_for_the_server(&s);
    child_go(&b);
    child_end(&b);
    server_stop(&s);
    return h->fell;
}

START_TEST(a_queue_given_to_root_makes_nobody_root)
{
    ck_assert(private_claim("ipcd-naive"));
    ck_assert(!private_claim("ipcd"));
}
END_TEST

static void
open_and_stay(struct child *self, void *arg)
{
    struct client c;

    client_start(arg, &c);
    expect_echo(&c, 1);
    child_step(self); /* never comes back */
}

START_TEST(the_queue_of_a_dead_client_is_removed)
{
    struct child c;
    struct host s;
    struct msqid_ds ds;
    int queue;

    server_start(&s, ipc_find("msgq/sysv-private"));
    child_start(&c, geteuid(), open_and_stay, &s);
    child_wait(&c);
    queue = listed_queue(s.where, 1);
    ck_assert_int_eq(msgctl(queue, IPC_STAT, &ds), 0);
    ck_assert_int_eq(ds.msg_lrpid, c.pid);
    child_kill(&c);
    wait_for_the_server(&s); /* the next one who joins */
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
    h = make_hand(s.m, s.where, 0);
    client_start(&s, &c);
    id = listed_queue(s.where, 1);
    stop_server(&s);
    send_request(&c, "hello", string_value("World"));
    client_close(&c);
    choose_next_id(id);
    run_as(BOB, make_reply, h);
    ck_assert_int_eq(h->reply, id);
    kill(s.pid, SIGCONT);
    wait_for_the_server(&s);
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
    h = make_hand(s.m, s.where, 0);
    stop_server(&s);
    while (put(h->queue, 77, "", 0) == 0)
        continue;
    kill(s.pid, SIGCONT);
    wait_for_the_server(&s);
    server_stop(&s);
}
END_TEST

Suite *
test_msgq_private(void)
{
    Suite *s = suite_create("msgq_private");
    TCase *tc = test_case(s, "msgq/sysv-private");
    const char *no_root = need_sysv_root();

    add_test_if(tc, no_root,
                nobody_asks_in_another_ones_name_by_the_id_of_a_queue);
    add_test_if(tc, no_root, a_queue_given_to_root_makes_nobody_root);
    add_test_if(tc, need_sysv(), the_queue_of_a_dead_client_is_removed);
    add_test_if(tc, no_root != NULL ? no_root : need_next_id(),
                a_reply_does_not_go_to_whoever_has_the_id_next);
    add_test_if(tc, need_sysv(),
                sixteen_thousand_strange_messages_delay_and_no_more);
    return s;
}
