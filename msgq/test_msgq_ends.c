/*
 * test_msgq_ends.c - the same for several variants: who is at the other end of
 * a queue, and what if nobody is?
 */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "by_hand.h"
#include "sysv.h"

#include "test/both/driven.h"
#include "test/subject.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_msgq_ends(void);

/* -- the file that says which queue is the server's ------------------------ */

static void
rewrite(const char *where, int queue)
{
    FILE *list = fopen(where, "we");

    ck_assert_ptr_nonnull(list);
    fprintf(list, "queue %d 1 0\n", queue);
    fclose(list);
}

START_TEST(sweep_removes_no_queue_that_only_has_the_right_id)
{
    const struct ipc_mechanism *m = ipc_find(all[_i]);
    char where[ENDPOINT_SIZE];
    int innocent = make_queue();

    ck_assert_int_eq(endpoint_name(m, run_dir, where), 0);
    rewrite(where, innocent);
    ck_assert_int_eq(m->sweep(where), 1);
    ck_assert_int_eq(m->sweep(where), 0);
    remove_queue(innocent);
}
END_TEST

START_TEST(a_client_asks_no_queue_that_somebody_else_made)
{
    struct client c;
    struct host s;
    struct hand *h;

    server_start(&s, ipc_find(all[_i]));
    h = make_hand(s.m, s.where);
    as_user(BOB, make_reply, h);
    rewrite(s.where, h->reply);
    ck_assert_int_eq(host_client(&s, &c), -EPERM);
    remove_queue(h->reply);
    rewrite(s.where, h->reply);
    ipc_open_timeout = 100 * NS_PER_MS; /* the server's own one is whole, so in
                                         * vain it waits for another */
    ck_assert_int_eq(host_client(&s, &c), -ENOENT);
    server_stop(&s);
}
END_TEST

static void
comes_in_vain(void *host)
{
    struct client c;

    ck_assert_int_eq(host_client(host, &c), -EACCES);
}

/* As a server makes it that is not root's. */
START_TEST(who_may_not_come_in_is_told_so)
{
    char path[ENDPOINT_SIZE];
    struct host s;

    server_start(&s, ipc_find(all[_i]));
    ck_assert_int_eq(endpoint_file(s.where, ".join", path), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
    as_user(BOB, comes_in_vain, &s);
    server_stop(&s);
}
END_TEST

/* -- the server dies ------------------------------------------------------ */

/* Nothing more goes into the request queue, nor where a client of sysv-private
 * puts its requests then: into its own. */
static void
fill_requests(void)
{
    mqd_t queue;

    if (subject != ipc_find("msgq/posix")) {
        struct hand *h = make_hand(subject, server.where);
        const int own = listed_id(server.where, 1);

        fill(h);
        h->queue = own;
        if (own != -1)
            fill(h);
        return;
    }
    queue =
        mq_open(queue_name(server.where), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ne(queue, -1);
    while (mq_send(queue, "", 0, 0) == 0)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
    mq_close(queue);
}

START_TEST(who_waits_to_send_is_told_when_the_server_dies)
{
    struct api_value arg = bytes_value("", 0);

    begin(place(all[_i]));
    server_pause(&server);
    fill_requests();
    ck_assert_int_eq(client_send(&client, api_by_name("echo"), &arg, NULL, 0),
                     -ETIMEDOUT);
    ck_assert_int_eq(kill(server.pid, SIGSTOP), 0); /* starts no other one */
    begin_signals(INT64_C(20000000), server.server);
    ck_assert_int_eq(
        client_send(&client, api_by_name("echo"), &arg, NULL, CALL_TIMEOUT),
        -EPIPE);
    end_signals();
    client_close(&client);
    server_kill(&server);
    sweep_up();
}
END_TEST

/* Kills the server as soon as its client has gone to sleep in recv(). */
static void
kill_when_asleep(struct actor *self, void *arg)
{
    (void)arg;
    actor_step(self);
    while (!is_asleep(getppid()))
        sched_yield();
    ck_assert_int_eq(kill(server.pid, SIGSTOP), 0); /* starts no other one */
    ck_assert_int_eq(kill(server.server, SIGKILL), 0);
}

/* For ever: then nobody but the variant itself ever looks up. */
START_TEST(who_waits_for_ever_is_told_when_the_server_dies)
{
    struct api_value arg = bytes_value("", 0);
    struct actor killer;
    struct reply r;

    begin(place(all[_i]));
    server_pause(&server);
    ck_assert_int_eq(client_send(&client, api_by_name("echo"), &arg, NULL, -1),
                     0);
    actor_start(&killer, geteuid(), kill_when_asleep, NULL);
    actor_wait(&killer);
    actor_go(&killer);
    ck_assert_int_eq(client_recv(&client, &r, -1), -EPIPE);
    actor_end(&killer);
    client_close(&client);
    server_kill(&server);
    sweep_up();
}
END_TEST

/* -- the last answer ------------------------------------------------------- */

static void
asks_and_takes_no_answer(struct actor *self, void *arg)
{
    const struct driven *d = arg;
    struct client c;

    actor_step(self);
    ck_assert_int_eq(client_open(&c, d->m, d->where), 0);
    actor_step(self);
    ck_assert_int_eq(
        client_send(&c, api_by_name("whoami"), NULL, NULL, CALL_TIMEOUT), 0);
    actor_step(self);
}

/* With a queue all goes that is in it. */
START_TEST(a_server_that_ends_leaves_time_to_take_its_last_answer)
{
    const int64_t deadline = now_ns() + CALL_TIMEOUT;
    const struct sessions *sessions;
    struct driven *d = shared(sizeof *d);
    struct actor c;
    int64_t begin;

    ck_assert_int_eq(drive_begin(d, all[_i], run_dir), 0);
    sessions = &((struct sysv_server *)d->srv)->sessions;
    actor_start(&c, geteuid(), asks_and_takes_no_answer, d);
    actor_wait(&c);
    actor_go(&c);
    while (sessions->count == 0) {
        ck_assert(now_ns() < deadline);
        ck_assert_int_ne(drive(d, 5 * NS_PER_MS), 0);
    }
    actor_wait(&c);
    actor_go(&c);
    actor_wait(&c);
    ck_assert_int_eq(drive(d, CALL_TIMEOUT), 0);
    d->req.msg.fd = -1;
    ck_assert_int_eq(d->m->reply(d->srv, &d->req, &d->req.msg), 0);
    begin = now_ns();
    drive_end(d);
    ck_assert_int_ge(now_ns() - begin, LAST_ANSWER);
    ck_assert(actor_kill(&c));
}
END_TEST

Suite *
test_msgq_ends(void)
{
    Suite *s = suite_create("msgq_ends");

    for (int i = 0; i < 3; i++) {
        TCase *tc = test_case(s, all[i]);
        const char *reason = need_mechanism(ipc_find(all[i]));

        add_loop_test_if(tc, reason,
                         who_waits_to_send_is_told_when_the_server_dies, i);
        add_loop_test_if(tc, reason,
                         who_waits_for_ever_is_told_when_the_server_dies, i);
        add_loop_test_if(tc, reason != NULL ? reason : need_root(),
                         who_may_not_come_in_is_told_so, i);
        if (i == 2) /* not System V */
            break;
        add_loop_test_if(tc, reason,
                         a_server_that_ends_leaves_time_to_take_its_last_answer,
                         i);
        add_loop_test_if(tc, reason,
                         sweep_removes_no_queue_that_only_has_the_right_id, i);
        add_loop_test_if(tc,
                         reason != NULL ? reason : need_right(CAP_SYS_ADMIN),
                         a_client_asks_no_queue_that_somebody_else_made, i);
    }
    return s;
}
