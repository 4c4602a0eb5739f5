/*
 * test_msgq_types.c - msgq/sysv-types: everybody's messages in one queue, and
 * what the server makes of it.
 */
#define _GNU_SOURCE /* MSG_NOERROR */
#include "by_hand.h"

#include "test/subject.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

Suite *test_msgq_types(void);

START_TEST(everybodys_largest_message_has_room_at_once)
{
    struct ipc_limits l;
    struct client *c;
    struct host s;

    server_start(&s, ipc_find("msgq/sysv-types"));
    ck_assert_int_eq(s.m->limits(&l), 0);
    c = calloc(l.max_clients, sizeof *c);
    ck_assert_ptr_nonnull(c);
    for (unsigned i = 0; i < l.max_clients; i++)
        client_start(&s, &c[i]);
    server_pause(&s);
    for (unsigned i = 0; i < l.max_clients; i++) {
        struct api_value arg = bytes_value(message.text, echo_room(&c[i]));

        ck_assert_int_eq(client_send(&c[i], api_by_name("echo"), &arg, NULL, 0),
                         0);
    }
    server_resume(&s);
    for (unsigned i = 0; i < l.max_clients; i++) {
        struct reply r;

        ck_assert_int_eq(client_recv(&c[i], &r, CALL_TIMEOUT), 0);
        client_close(&c[i]);
    }
    free(c);
    server_stop(&s);
}
END_TEST

START_TEST(two_clients_of_one_process_do_not_mix_up_their_answers)
{
    struct client a, b;
    struct host s;

    server_start(&s, ipc_find("msgq/sysv-types"));
    client_start(&s, &a);
    client_start(&s, &b);
    for (int i = 0; i < 20; i++) {
        uint64_t first = send_request(&a, "hello", string_value("A"));
        uint64_t second = send_request(&b, "hello", string_value("B"));

        expect_reply(&b, second);
        expect_reply(&a, first);
    }
    client_close(&a);
    client_close(&b);
    server_stop(&s);
}
END_TEST

static void
alice_loses(struct actor *self, void *arg)
{
    struct hand *h = arg;
    struct client c;
    struct reply r;

    ck_assert_int_eq(client_open(&c, h->m, h->where), 0);
    send_request(&c, "hello", string_value("World"));
    /* Until the answer is there. */
    while (look_at(h->queue).msg_qnum == 0 ||
           look_at(h->queue).msg_lspid == getpid())
        sched_yield();
    actor_step(self); /* Bob is faster */
    ck_assert_int_eq(client_recv(&c, &r, 0), -ETIMEDOUT);
    client_close(&c);
}

START_TEST(who_may_ask_may_take_another_ones_answer)
{
    struct host s;
    struct hand *h;
    struct actor a;

    server_start(&s, ipc_find("msgq/sysv-types"));
    h = make_hand(s.m, s.where);
    actor_start(&a, ALICE, alice_loses, h);
    actor_wait(&a);
    as_user(BOB, take_all, h);
    actor_go(&a);
    actor_end(&a);
    server_stop(&s);
}
END_TEST

#define ALICES_TYPE 4711

static const struct request alices = {.mechanism = "msgq/sysv-types",
                                      .replies = ALICES_TYPE};

static void
ask_whoami(void *arg)
{
    const struct hand *h = arg;
    uint8_t text[REQUEST_SIZE];
    size_t len = make_whoami(&alices, text);

    ck_assert_int_eq(put(h->queue, 1, text, len), 0);
}

static int64_t
answered_uid(const struct hand *h)
{
    ssize_t n = get(h->queue, sizeof message.text, ALICES_TYPE, 0);

    ck_assert_int_gt(n, WIRE_HEADER);
    return uid_in_frame(message.text, (size_t)n);
}

/* A registration, and a first request; then one each time she is asked to go
 * on. */
static void
alice_is_guessed(struct actor *self, void *arg)
{
    struct hand *h = arg;

    ck_assert_int_eq(register_as(h->where, ALICES_TYPE, ALICE, getpid()), 0);
    ask_whoami(h);
    actor_step(self); /* Bob sends something before the server looks */
    ck_assert_int_eq(get(h->queue, 1, ALICES_TYPE, 0), 1);
    ck_assert_int_eq(answered_uid(h), -1);
    ask_whoami(h);
    actor_step(self); /* nobody has sent since */
    ck_assert_int_eq(answered_uid(h), ALICE);
    actor_step(self);                         /* Bob asks in her name */
    ck_assert_int_eq(answered_uid(h), ALICE); /* that was Bob's answer! */
}

static void
bob_speaks(void *arg)
{
    struct hand *h = arg;

    ck_assert_int_eq(put(h->queue, 77, "", 0), 0); /* to nobody */
    ck_assert_int_eq(look_at(h->queue).msg_lspid, getpid());
}

START_TEST(the_last_sender_need_not_be_the_one_who_sent_this)
{
    int at = place("msgq/sysv-types");
    struct local l;
    struct hand *h;
    struct actor a;

    local_begin(&l, at);
    h = make_hand(ipc_registry[at], l.name);
    actor_start(&a, ALICE, alice_is_guessed, h);
    actor_wait(&a);
    as_user(BOB, bob_speaks, h);
    ck_assert_int_eq(service_step(&l.service, 0), 0);
    actor_go(&a);
    actor_wait(&a);
    ck_assert_int_eq(service_step(&l.service, 0), 0);
    actor_go(&a);
    actor_wait(&a);
    as_user(BOB, ask_whoami, h);
    ck_assert_int_eq(service_step(&l.service, 0), 0);
    actor_go(&a);
    actor_end(&a);
    local_end(&l);
}
END_TEST

/* With what nobody would ever take; and there is room for everybody again, also
 * for who comes now. */
START_TEST(a_full_queue_is_cleared_of_what_is_nobodys)
{
    struct api_value size = {.u32 = 900};
    struct client c;
    struct reply r;
    struct host s;
    struct hand *h;

    server_start(&s, ipc_find("msgq/sysv-types"));
    h = make_hand(s.m, s.where);
    client_start(&s, &c);
    server_pause(&s);
    send_request(&c, "source", size);
    fill(h); /* with messages to nobody: whoever may ask can do that */
    server_resume(&s);
    ck_assert_int_eq(client_recv(&c, &r, CALL_TIMEOUT), 0);
    fill(h);
    expect_echo(&c, 1);
    client_close(&c);
    fill(h);
    server_catch_up(&s);
    server_stop(&s);
}
END_TEST

Suite *
test_msgq_types(void)
{
    Suite *s = suite_create("msgq_types");
    TCase *tc = test_case(s, "msgq/sysv-types");

    add_test_if(tc, need_sysv(), everybodys_largest_message_has_room_at_once);
    add_test_if(tc, need_sysv(),
                two_clients_of_one_process_do_not_mix_up_their_answers);
    add_test_if(tc, need_sysv_root(), who_may_ask_may_take_another_ones_answer);
    add_test_if(tc, need_sysv_root(),
                the_last_sender_need_not_be_the_one_who_sent_this);
    add_test_if(tc, need_sysv(), a_full_queue_is_cleared_of_what_is_nobodys);
    return s;
}
