/*
 * test_msgq_left.c - what clients leave that are killed, also before anybody
 * knows of them; and queues that somebody removes.
 */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "by_hand.h"
#include "posix_names.h"
#include "sysv_queue.h"

#include "test/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

Suite *test_msgq_left(void);

/* -- killed in open() ----------------------------------------------------- */

static int *made_id; /* shared: the queue that a child has made */

/* As far as the queue for replies. */
static void
make_marked(struct actor *self, void *arg)
{
    (void)arg;
    *made_id = queue_make_replies(geteuid());
    ck_assert_int_ge(*made_id, 0);
    actor_step(self);
}

START_TEST(a_reply_queue_that_nobody_knows_of_is_swept)
{
    const struct ipc_mechanism *m = ipc_find("msgq/sysv-private");
    char where[ENDPOINT_SIZE];
    int innocent = make_queue();
    struct msqid_ds ds;
    struct actor c;

    made_id = shared(sizeof *made_id);
    ck_assert_int_eq(endpoint_name(m, run_dir, where), 0);
    actor_start(&c, geteuid(), make_marked, NULL);
    actor_wait(&c);
    ck_assert_int_eq(m->sweep(where), 0); /* it lives */
    ck_assert_int_eq(msgctl(*made_id, IPC_STAT, &ds), 0);
    ck_assert(actor_kill(&c));
    ck_assert_int_eq(m->sweep(where), 1);
    ck_assert_int_eq(msgctl(*made_id, IPC_STAT, &ds), -1);
    ck_assert_int_eq(m->sweep(where), 0);
    remove_queue(innocent); /* no key, or another one */
}
END_TEST

/* As far as the queue for requests; what modes there are, see sysv.c. */
static const int modes[] = {0600, 0622, 0666};

static void
make_requests(struct actor *self, void *arg)
{
    const int *mode = arg;
    struct queue_file file = {.held = -1};
    struct object_sysv queue;
    char where[ENDPOINT_SIZE];

    ck_assert_int_eq(
        endpoint_name(ipc_find("msgq/sysv-private"), run_dir, where), 0);
    ck_assert_int_eq(queue_make_requests(where, *mode, &queue, &file), 0);
    *made_id = queue.id;
    unlink(where); /* it has not come so far */
    actor_step(self);
}

START_TEST(a_servers_queue_that_nobody_knows_of_is_swept)
{
    const struct ipc_mechanism *m = ipc_find("msgq/sysv-private");
    int mode = modes[_i];
    char where[ENDPOINT_SIZE];
    struct msqid_ds ds;
    struct actor c;

    made_id = shared(sizeof *made_id);
    ck_assert_int_eq(endpoint_name(m, run_dir, where), 0);
    actor_start(&c, geteuid(), make_requests, &mode);
    actor_wait(&c);
    ck_assert_int_eq(m->sweep(where), 0); /* it lives */
    ck_assert_int_eq(msgctl(*made_id, IPC_STAT, &ds), 0);
    ck_assert_int_eq(ds.msg_perm.mode & 0777, mode);
    ck_assert(actor_kill(&c));
    ck_assert_int_eq(m->sweep(where), 1);
    ck_assert_int_eq(msgctl(*made_id, IPC_STAT, &ds), -1);
}
END_TEST

/* The same with a name; locked as long as it lives. */
static mqd_t
make_named(const char *name)
{
    struct mq_attr attr = {.mq_maxmsg = 5, .mq_msgsize = 8192};
    mqd_t queue =
        mq_open(name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);

    ck_assert_int_ne(queue, -1);
    return queue;
}

static void
make_replies(struct actor *self, void *arg)
{
    char name[ENDPOINT_SIZE];

    (void)arg;
    posix_reply_name((uint32_t)getpid(), 1, name);
    ck_assert_int_eq(posix_lock(make_named(name)), 0);
    actor_step(self);
}

START_TEST(a_name_that_a_dead_client_left_is_swept)
{
    const struct ipc_mechanism *m = ipc_find("msgq/posix");
    char where[ENDPOINT_SIZE];
    struct actor c;
    mqd_t innocent = make_named("/ipclab-msgq-posix.4711"); /* no serial */

    ck_assert_int_eq(endpoint_name(m, run_dir, where), 0);
    actor_start(&c, geteuid(), make_replies, NULL);
    actor_wait(&c);
    ck_assert_int_eq(m->sweep(where), 0); /* it lives */
    ck_assert(actor_kill(&c));
    ck_assert_int_eq(m->sweep(where), 1);
    ck_assert_int_eq(m->sweep(where), 0);
    mq_close(innocent);
    ck_assert_int_eq(mq_unlink("/ipclab-msgq-posix.4711"), 0);
}
END_TEST

/* Joining a server that has been stopped. */
static void
open_in_vain(struct actor *self, void *arg)
{
    struct client c;

    actor_step(self);
    host_client(arg, &c);
}

/* A limit (ulimit -q) that leaves this user room for one queue, and not for
 * what a server takes; whatever other programs of its have. */
static struct rlimit
hardly_any_room(const struct rlimit *before)
{
    struct rlimit little = {.rlim_max = before->rlim_max};
    struct mq_attr attr = {.mq_maxmsg = 5, .mq_msgsize = 8192};
    mqd_t queue;

    do {
        little.rlim_cur += 10000;
        ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &little), 0);
        queue =
            mq_open("/ipclab-one", O_RDONLY | O_CREAT | O_CLOEXEC, 0600, &attr);
    } while (queue == -1);
    mq_close(queue);
    mq_unlink("/ipclab-one");
    return little;
}

START_TEST(room_that_the_dead_take_is_found_before_it_is_missed)
{
    const struct ipc_mechanism *m = ipc_find("msgq/posix");
    struct rlimit before, little;
    struct actor c[6];
    struct host s;

    server_start(&s, m);
    server_pause(&s);
    for (int i = 0; i < 6; i++) {
        actor_start(&c[i], geteuid(), open_in_vain, &s);
        actor_wait(&c[i]);
        actor_go(&c[i]);
        while (!is_asleep(c[i].pid)) /* waits for its nonce */
            sched_yield();
        ck_assert(actor_kill(&c[i]));
    }
    server_kill(&s);
    ck_assert_int_eq(getrlimit(RLIMIT_MSGQUEUE, &before), 0);
    little = hardly_any_room(&before);
    ck_assert_uint_ge(little.rlim_cur, 6UL * 5 * 8192);
    ck_assert_msg(ipc_unavailable(m) == NULL, "%s", ipc_unavailable(m));
    ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &before), 0);
    server_start(&s, m);
    server_catch_up(&s);
    server_stop(&s);
}
END_TEST

/* -- queues that are removed ---------------------------------------------- */

static void
remove_requests(const char *where)
{
    int queue = listed_id(where, 0);

    if (ipc_find("msgq/posix") == subject)
        ck_assert_int_eq(mq_unlink(queue_name(where)), 0);
    else
        remove_queue(queue);
}

/* As systemd-logind does when a user has no session any more: with nobody
 * there, and with a client, which is told or goes on. */
START_TEST(a_removed_queue_is_made_anew)
{
    struct client c;
    struct reply r;

    begin(place(all[_i]));
    remove_requests(server.where);
    while (client_call(&client, api_by_name("whoami"), NULL, &r,
                       CALL_TIMEOUT) == 0)
        if (ipc_find("msgq/posix") == subject)
            break; /* the old one is there as long as it is open */
    client_start(&server, &c);
    expect_echo(&c, 100);
    client_close(&c);
    client_close(&client);
    server_catch_up(&server);
    remove_requests(server.where);
    server_catch_up(&server);
    server_stop(&server);
}
END_TEST

/* -- the suite ------------------------------------------------------------ */

Suite *
test_msgq_left(void)
{
    Suite *s = suite_create("msgq_left");
    TCase *tc = test_case(s, "msgq/sysv-private");

    add_test_if(tc, need_sysv(), a_reply_queue_that_nobody_knows_of_is_swept);
    for (int i = 0; i < 3; i++)
        add_loop_test_if(tc, need_sysv(),
                         a_servers_queue_that_nobody_knows_of_is_swept, i);
    tc = test_case(s, "msgq/posix");
    /* What is found is found in /dev/mqueue: that must be of this namespace. */
    add_test_if(tc, need_posix() != NULL ? need_posix() : need_mounts(),
                a_name_that_a_dead_client_left_is_swept);
    add_test_if(tc, need_posix() != NULL ? need_posix() : need_mounts(),
                room_that_the_dead_take_is_found_before_it_is_missed);
    for (int i = 0; i < 3; i++) {
        const char *reason = need_mechanism(ipc_find(all[i]));

        /* Root's server is another user, whose queues are removed. */
        if (reason == NULL && need_root() == NULL)
            reason = need_right(CAP_SYS_ADMIN);
        add_loop_test_if(test_case(s, all[i]), reason,
                         a_removed_queue_is_made_anew, i);
    }
    return s;
}
