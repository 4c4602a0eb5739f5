/*
 * test_msgq_posix.c - msgq/posix: names that others can take, and users who may
 * not have enough queues.  Whose a reply queue is: `ipcattack 103 104`.
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

#define MINE "/ipclab-msgq-posix.4711.1"

/* Reply queue 4711.1, as any client makes it; the user is whoever runs this. */
static mqd_t
make_replies(void)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = sizeof message.text};
    mqd_t queue =
        mq_open(MINE, O_RDONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC,
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

START_TEST(a_joined_client_has_no_name_to_leave_behind)
{
    char needle[] = "-posix.0";
    struct client c;
    struct host s;

    server_start(&s, ipc_find("msgq/posix"));
    client_start(&s, &c);
    expect_echo(&c, 1);
    /* "ipclab-msgq-posix.PID.SERIAL" would be there. */
    for (needle[7] = '1'; needle[7] <= '9'; needle[7]++)
        ck_assert_ptr_null(strstr(objects_left(), needle));
    client_close(&c);
    server_stop(&s);
}
END_TEST

static void
squat(void *name)
{
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT, 0666, NULL);

    ck_assert_int_ne(queue, -1);
    fchmod(queue, 0666);
    mq_close(queue);
}

/* The name that everybody can work out is systemd's, and harms nobody; the
 * random one can only be taken after the server's queue has been removed. */
START_TEST(a_squatted_name_is_never_asked)
{
    const struct ipc_mechanism *m = ipc_find("msgq/posix");
    char where[ENDPOINT_SIZE], *flat = shared(ENDPOINT_SIZE);
    struct client c;
    struct host s;

    ck_assert_int_eq(endpoint_name(m, run_dir, where), 0);
    ck_assert_int_eq(endpoint_flat(where, flat), 0);
    as_user(BOB, squat, flat);
    server_start(&s, m);
    as_user(BOB, squat, flat);
    server_catch_up(&s);
    ck_assert_int_eq(mq_unlink(flat), 0);
    strcpy(flat, queue_name(where));
    ck_assert_int_eq(mq_unlink(flat), 0);
    as_user(BOB, squat, flat);
    ck_assert_int_eq(host_client(&s, &c), -EPERM);
    ck_assert_int_eq(mq_unlink(flat), 0);
    server_stop(&s);
}
END_TEST

static void
send_whoami(mqd_t requests, const struct request *r, unsigned priority)
{
    uint8_t text[REQUEST_SIZE];
    size_t len = make_whoami(r, text);

    ck_assert_int_eq(mq_send(requests, (char *)text, len, priority), 0);
}

START_TEST(a_priority_does_not_get_you_in_front)
{
    struct request r = {.mechanism = "msgq/posix", .replies = REPLIES(4711, 1)};
    mqd_t requests, replies;
    struct host s;

    server_start(&s, ipc_find("msgq/posix"));
    replies = make_replies();
    requests = mq_open(queue_name(s.where), O_WRONLY | O_CLOEXEC);
    ck_assert_int_ne(requests, -1);
    ck_assert_int_eq(register_as(s.where, r.replies, geteuid(), 0), 0);
    ck_assert_int_eq(mq_send(requests, "", 0, 0), 0);
    server_catch_up(&s);
    ck_assert_int_eq(take_reply(replies), NONCE_SIZE);
    memcpy(r.nonce, message.text, NONCE_SIZE);
    send_whoami(requests, &r, 1);
    server_catch_up(&s);
    ck_assert_int_eq(take_reply(replies), -1);
    send_whoami(requests, &r, 0);
    server_catch_up(&s);
    ck_assert_int_gt(take_reply(replies), WIRE_HEADER);
    mq_close(requests);
    mq_close(replies);
    mq_unlink(MINE);
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

    const char *no_root = need_posix() != NULL ? need_posix() : need_root();

    add_test_if(tc, no_root, a_joined_client_has_no_name_to_leave_behind);
    add_test_if(tc, no_root, a_squatted_name_is_never_asked);
    add_test_if(tc, need_posix(), a_priority_does_not_get_you_in_front);
    add_test_if(tc, need_posix(), a_user_without_room_for_queues_is_told);
    return s;
}
