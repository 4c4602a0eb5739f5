/*
 * test_msgq_posix.c - msgq/posix: names that others can take, and users who may
 * not have enough queues.
 *
 * An attack is run twice: against our server, which must refuse it, and against
 * ipcd-naive, the same program with owner.c compiled to believe what it is
 * told.  There it must succeed, or the first result would prove nothing.
 */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "by_hand.h"

#include "core/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *test_msgq_posix(void);

static void
posix_put(mqd_t queue, unsigned kind, const uint8_t nonce[NONCE_SIZE],
          const void *body, size_t len, unsigned priority)
{
    uint8_t text[100] = {0};

    put32(text, kind);
    put32(text + 4, 4711);
    put32(text + 8, 1);
    memcpy(text + 12, nonce, NONCE_SIZE);
    memcpy(text + 28, body, len);
    ck_assert_int_eq(mq_send(queue, (char *)text, 28 + len, priority), 0);
}

/* Reply queue 4711.1, as any client makes it; the user is whoever runs this. */
static mqd_t
make_replies(const char *where)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = sizeof message.text};
    mqd_t queue = mq_open(queue_name(where, ".4711.1"),
                          O_RDONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC,
                          0600, &attr);

    ck_assert_int_ne(queue, -1);
    ck_assert_int_eq(fcntl(queue, F_OFD_SETLK, &lock), 0);
    return queue;
}

static ssize_t
take_reply(mqd_t queue)
{
    return mq_receive(queue, (char *)message.text, sizeof message.text, NULL);
}

static const uint8_t no_nonce[NONCE_SIZE];

static void
alice_has_a_name(struct child *self, void *arg)
{
    struct hand *h = arg;
    mqd_t replies = make_replies(h->where);

    child_step(self); /* Bob does it */
    ck_assert_int_eq(take_reply(replies), NONCE_SIZE);
    h->fell = take_reply(replies) > 0;
    mq_close(replies);
    mq_unlink(queue_name(h->where, ".4711.1"));
}

static void
bob_names_it(void *arg)
{
    struct hand *h = arg;
    uint8_t uid[4], frame[WIRE_HEADER] = {0};
    mqd_t queue;

    ck_assert_int_eq(mq_open(queue_name(h->where, ".4711.1"), O_RDONLY), -1);
    ck_assert_int_eq(errno, EACCES);
    ck_assert_int_eq(mq_open(queue_name(h->where, ""), O_RDONLY), -1);
    ck_assert_int_eq(errno, EACCES);
    queue = mq_open(queue_name(h->where, ""), O_WRONLY);
    ck_assert_int_ne(queue, -1);
    put32(uid, ALICE);
    posix_put(queue, JOIN, no_nonce, uid, sizeof uid, 0);
    posix_put(queue, MESSAGE, no_nonce, frame, whoami_frame(frame), 0);
    mq_close(queue);
}

static bool
posix_reflection(const char *program)
{
    struct host s;
    struct hand *h;
    struct child a;

    start_server(&s, "msgq/posix", program);
    h = make_hand(s.m, s.where, ALICE);
    child_start(&a, ALICE, alice_has_a_name, h);
    child_wait(&a);
    run_as(BOB, bob_names_it, h);
    wait_for_the_server(&s);
    child_go(&a);
    child_end(&a);
    server_stop(&s);
    return h->fell;
}

START_TEST(nobody_asks_in_another_ones_name_by_the_name_of_a_queue)
{
    ck_assert(posix_reflection("ipcd-naive"));
    ck_assert(!posix_reflection("ipcd"));
}
END_TEST

START_TEST(a_joined_client_has_no_name_to_leave_behind)
{
    char needle[] = "-posix.0";
    struct client c;
    struct host s;

    server_start(&s, ipc_find("msgq/posix"));
    client_start(&s, &c);
    expect_echo(&c, 1);
    /* "...-msgq-posix.PID.SERIAL" would be there. */
    for (needle[7] = '1'; needle[7] <= '9'; needle[7]++)
        ck_assert_ptr_null(strstr(objects_left(), needle));
    client_close(&c);
    server_stop(&s);
}
END_TEST

static void
squat(void *where)
{
    mqd_t queue = mq_open(queue_name(where, ""), O_RDWR | O_CREAT, 0666, NULL);

    ck_assert_int_ne(queue, -1);
    fchmod(queue, 0666);
    mq_close(queue);
}

START_TEST(a_squatted_name_is_taken_back_and_never_asked)
{
    const struct ipc_mechanism *m = ipc_find("msgq/posix");
    char where[ENDPOINT_SIZE];
    struct client c;
    struct host s;

    ck_assert_int_eq(endpoint_name(m, run_dir, where), 0);
    run_as(BOB, squat, where);
    server_start(&s, m);
    wait_for_the_server(&s);
    ck_assert_int_eq(mq_unlink(queue_name(where, "")), 0);
    run_as(BOB, squat, where);
    ck_assert_int_eq(host_client(&s, &c), -EPERM);
    server_stop(&s);
}
END_TEST

START_TEST(a_priority_does_not_get_you_in_front)
{
    uint8_t uid[4], nonce[NONCE_SIZE], frame[WIRE_HEADER] = {0};
    mqd_t requests, replies;
    struct host s;

    server_start(&s, ipc_find("msgq/posix"));
    replies = make_replies(s.where);
    requests = mq_open(queue_name(s.where, ""), O_WRONLY | O_CLOEXEC);
    ck_assert_int_ne(requests, -1);
    put32(uid, geteuid());
    posix_put(requests, JOIN, no_nonce, uid, sizeof uid, 0);
    wait_for_the_server(&s);
    ck_assert_int_eq(take_reply(replies), NONCE_SIZE);
    memcpy(nonce, message.text, NONCE_SIZE);
    posix_put(requests, MESSAGE, nonce, frame, whoami_frame(frame), 1);
    wait_for_the_server(&s);
    ck_assert_int_eq(take_reply(replies), -1);
    posix_put(requests, MESSAGE, nonce, frame, whoami_frame(frame), 0);
    wait_for_the_server(&s);
    ck_assert_int_gt(take_reply(replies), WIRE_HEADER);
    mq_close(requests);
    mq_close(replies);
    mq_unlink(queue_name(s.where, ".4711.1"));
    server_stop(&s);
}
END_TEST

START_TEST(a_user_without_room_for_queues_is_told)
{
    const struct ipc_mechanism *m = ipc_find("msgq/posix");
    struct rlimit before, little;
    struct ipc_limits l;

    ck_assert_int_eq(getrlimit(RLIMIT_MSGQUEUE, &before), 0);
    little = (struct rlimit){.rlim_cur = 20000, .rlim_max = before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &little), 0);
    ck_assert_int_eq(m->limits(&l), -EMFILE);
    ck_assert_ptr_nonnull(strstr(ipc_unavailable(m), "ulimit -q"));
    /* With a little more the messages become smaller. */
    little.rlim_cur = 100000;
    ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &little), 0);
    ck_assert_int_eq(m->limits(&l), 0);
    ck_assert(l.max_msg >= 512 && l.max_msg < 8000);
    ck_assert_uint_ge(l.max_clients, 8);
    ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &before), 0);
}
END_TEST

Suite *
test_msgq_posix(void)
{
    Suite *s = suite_create("msgq_posix");
    TCase *tc = test_case(s, "msgq/posix");

    add_test_if(tc, need_root(),
                nobody_asks_in_another_ones_name_by_the_name_of_a_queue);
    add_test_if(tc, need_root(), a_joined_client_has_no_name_to_leave_behind);
    add_test_if(tc, need_root(), a_squatted_name_is_taken_back_and_never_asked);
    add_test_if(tc, need_posix(), a_priority_does_not_get_you_in_front);
    add_test_if(tc, need_posix(), a_user_without_room_for_queues_is_told);
    return s;
}
