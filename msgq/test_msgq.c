/*
 * test_msgq.c - what only message queues do, and who may say what about whom.
 *
 * An attack is run twice: against our server, which must refuse it, and against
 * ipcd-naive, the same program with owner.c compiled to believe what it is
 * told.  There it must succeed, or the first result would prove nothing.
 */
#define _GNU_SOURCE /* MSG_COPY, sched_yield */
#include "test/subject.h"
#include "test/test.h"

#include "core/owner.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

Suite *test_msgq(void);

/* -- facts: System V ------------------------------------------------------------ */

struct message {
    long type;
    uint8_t text[8192];
};

static struct message message;

static int
make_queue(void)
{
    int queue = msgget(IPC_PRIVATE, 0600);

    ck_assert_int_ne(queue, -1);
    return queue;
}

static void
remove_queue(int queue)
{
    ck_assert_int_eq(msgctl(queue, IPC_RMID, NULL), 0);
}

static int
put(int queue, long type, const void *text, size_t len)
{
    message.type = type;
    memcpy(message.text, text, len);
    return msgsnd(queue, &message, len, IPC_NOWAIT) == -1 ? errno : 0;
}

static ssize_t
get(int queue, size_t size, long type, int flags)
{
    ssize_t n = msgrcv(queue, &message, size, type, IPC_NOWAIT | flags);

    return n == -1 ? -errno : n;
}

static struct msqid_ds
look_at(int queue)
{
    struct msqid_ds ds;

    ck_assert_int_eq(msgctl(queue, IPC_STAT, &ds), 0);
    return ds;
}

static void
leave_a_message(void *queue)
{
    ck_assert_int_eq(put(*(int *)queue, 1, "late", 4), 0);
}

START_TEST(a_message_outlives_its_sender)
{
    int queue = make_queue();

    run_as(geteuid(), leave_a_message, &queue);
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
wait_in_queue(struct child *self, void *queue)
{
    child_step(self);
    ck_assert_int_eq(msgrcv(*(int *)queue, &message, 8, 0, 0), -1);
    ck_assert_int_eq(errno, EIDRM);
}

/* Is it asleep?  proc(5), stat, field 3. */
static bool
is_asleep(pid_t pid)
{
    char path[64], state = '?';
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    in = fopen(path, "re");
    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(fscanf(in, "%*d (%*[^)]) %c", &state), 1);
    fclose(in);
    return state == 'S';
}

START_TEST(removing_a_queue_wakes_who_waits_in_it)
{
    int queue = make_queue();
    struct child c;

    child_start(&c, geteuid(), wait_in_queue, &queue);
    child_wait(&c);
    child_go(&c);
    while (!is_asleep(c.pid)) /* in msgrcv(), if it is not still in read() */
        sched_yield();
    remove_queue(queue);
    child_end(&c);
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

/* Memory that is shared with children. */
static void *
shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert(p != MAP_FAILED);
    return p;
}

START_TEST(the_owner_of_a_queue_is_not_who_made_it)
{
    int *queue = shared(sizeof *queue);
    struct msqid_ds ds;

    run_as(ALICE, give_away, queue);
    ds = look_at(*queue);
    ck_assert_uint_eq(ds.msg_perm.uid, 0);
    ck_assert_uint_eq(ds.msg_perm.cuid, ALICE);
    remove_queue(*queue);
}
END_TEST

/* -- facts: POSIX ----------------------------------------------------------------- */

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

/* -- messages, written by hand ------------------------------------------------------- */

static const char *const all[] = {"msgq/sysv-types", "msgq/sysv-private",
                                  "msgq/posix"};

/* What one who knows the formats writes; shared with the children that do. */
struct hand {
    const struct ipc_mechanism *m;
    char where[ENDPOINT_SIZE];
    int queue; /* System V: of the requests */
    int reply; /* System V: somebody's reply queue */
    uid_t claim;
    bool fell; /* the attack succeeded */
};

/* The id in this line of the list: 0 the server's, then the clients'. */
static int
listed_queue(const char *where, int line)
{
    FILE *in = fopen(where, "re");
    int queue = -1;

    ck_assert_ptr_nonnull(in);
    for (int i = 0; i <= line; i++)
        ck_assert_int_eq(fscanf(in, "%d %*d %*d", &queue), 1);
    fclose(in);
    return queue;
}

static struct hand *
make_hand(const struct ipc_mechanism *m, const char *where, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    *h = (struct hand){.m = m, .claim = claim};
    strcpy(h->where, where);
    if (m != ipc_find("msgq/posix"))
        h->queue = listed_queue(where, 0);
    return h;
}

static void
start_server(struct host *s, const char *mechanism, const char *program)
{
    struct host_options options = {.cpu = -1, .quiet = 1};
    char path[PATH_MAX];

    ck_assert_int_eq(program_path(program, path, sizeof path), 0);
    options.ipcd = path;
    ck_assert_int_eq(host_start(s, ipc_find(mechanism), run_dir, &options), 0);
}

/* The place of a mechanism in the registry. */
static int
place(const char *name)
{
    int i = 0;

    while (ipc_registry[i] != ipc_find(name))
        i++;
    return i;
}

/* All that was sent before has been dealt with: there is one queue. */
static void
wait_for_the_server(struct host *s)
{
    struct client honest;

    client_start(s, &honest);
    expect_echo(&honest, 1);
    client_close(&honest);
}

/* Until it is stopped, not only told so: it may be just about to receive. */
static void
stop_server(const struct host *s)
{
    int status;

    ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(s->pid, &status, WUNTRACED), s->pid);
    ck_assert(WIFSTOPPED(status));
}

/* The kinds of message, in all three formats; and the frame of a request. */
enum { JOIN = 1, MESSAGE = 2, LEAVE = 3 };

static size_t
whoami_frame(uint8_t frame[WIRE_HEADER])
{
    return raw_frame(frame, API_whoami, 7, NULL, 0);
}

/* What the server thinks of the sender: in the reply to whoami the mechanism's
 * name, a string; then pid and uid. */
static int64_t
uid_in(const uint8_t *reply)
{
    const uint8_t *p = reply + WIRE_HEADER;

    return (int64_t)get64(p + 2 + get16(p) + 8);
}

/* -- msgq/sysv-types ---------------------------------------------------------------- */

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
    stop_server(&s);
    for (unsigned i = 0; i < l.max_clients; i++) {
        struct api_value arg = bytes_value(message.text, echo_room(&c[i]));

        ck_assert_int_eq(client_send(&c[i], api_by_name("echo"), &arg, NULL, 0),
                         0);
    }
    kill(s.pid, SIGCONT);
    for (unsigned i = 0; i < l.max_clients; i++) {
        struct reply r;

        ck_assert_int_eq(client_recv(&c[i], &r, PATIENCE), 0);
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
bob_takes_all(void *arg)
{
    const struct hand *h = arg;

    while (get(h->queue, sizeof message.text, 0, MSG_NOERROR) >= 0)
        continue;
}

static void
alice_loses(struct child *self, void *arg)
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
    child_step(self); /* Bob is faster */
    ck_assert_int_eq(client_recv(&c, &r, 0), -ETIMEDOUT);
    client_close(&c);
}

START_TEST(who_may_ask_may_take_another_ones_answer)
{
    struct host s;
    struct hand *h;
    struct child a;

    start_server(&s, "msgq/sysv-types", "ipcd");
    h = make_hand(s.m, s.where, 0);
    child_start(&a, ALICE, alice_loses, h);
    child_wait(&a);
    run_as(BOB, bob_takes_all, h);
    child_go(&a);
    child_end(&a);
    server_stop(&s);
}
END_TEST

#define ALICES_TYPE 4711

static void
types_put(const struct hand *h, unsigned kind, const void *body, size_t len)
{
    uint8_t text[100];

    put64(text, ALICES_TYPE);
    put32(text + 8, kind);
    memcpy(text + 12, body, len);
    ck_assert_int_eq(put(h->queue, 1, text, 12 + len), 0);
}

static void
ask_whoami(void *h)
{
    uint8_t frame[WIRE_HEADER] = {0};

    types_put(h, MESSAGE, frame, whoami_frame(frame));
}

static int64_t
answered_uid(const struct hand *h)
{
    ssize_t n = get(h->queue, sizeof message.text, ALICES_TYPE, 0);

    ck_assert_int_gt(n, WIRE_HEADER);
    return uid_in(message.text);
}

static void
alice_is_guessed(struct child *self, void *arg)
{
    struct hand *h = arg;
    uint8_t pid[4];

    put32(pid, (uint32_t)getpid());
    types_put(h, JOIN, pid, sizeof pid);
    child_step(self);
    ck_assert_int_eq(get(h->queue, 1, ALICES_TYPE, 0), 1);
    ask_whoami(h);
    child_step(self); /* nobody has sent since */
    ck_assert_int_eq(answered_uid(h), ALICE);
    ask_whoami(h);
    child_step(self); /* now Bob sends something */
    ck_assert_int_eq(answered_uid(h), -1);
    child_step(self); /* Bob asks in her name */
    ask_whoami(h);
    child_step(self);
    ck_assert_int_eq(answered_uid(h), ALICE); /* that was Bob's answer! */
    ck_assert_int_eq(answered_uid(h), -1);    /* and this one is hers */
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
    struct child a;

    local_begin(&l, at);
    h = make_hand(ipc_registry[at], l.name, 0);
    child_start(&a, ALICE, alice_is_guessed, h);
    child_wait(&a);
    ck_assert_int_eq(service_step(&l.service, 0), -ETIMEDOUT); /* her JOIN */
    child_go(&a);
    child_wait(&a);
    ck_assert_int_eq(service_step(&l.service, 0), 0);
    child_go(&a);
    child_wait(&a);
    run_as(BOB, bob_speaks, h);
    ck_assert_int_eq(service_step(&l.service, 0), 0);
    child_go(&a);
    child_wait(&a);
    run_as(BOB, ask_whoami, h);
    child_go(&a);
    child_wait(&a);
    ck_assert_int_eq(service_step(&l.service, 0), 0);
    /* By now the queue's last sender is the server itself. */
    ck_assert_int_eq(service_step(&l.service, 0), 0);
    child_go(&a);
    child_end(&a);
    local_end(&l);
}
END_TEST

static void
fill(void *arg)
{
    const struct hand *h = arg;

    for (size_t len = 1024; len > 0; len /= 2)
        while (put(h->queue, 77, message.text, len) == 0)
            continue;
}

START_TEST(a_full_queue_jams_the_answers_but_not_the_server)
{
    struct api_value size = {.u32 = 900};
    struct client c;
    struct reply r;
    struct host s;
    struct hand *h;

    server_start(&s, ipc_find("msgq/sysv-types"));
    h = make_hand(s.m, s.where, 0);
    client_start(&s, &c);
    stop_server(&s);
    send_request(&c, "source", size);
    fill(h); /* with messages to nobody: whoever may ask can do that */
    kill(s.pid, SIGCONT);
    /* There is room for the request's length, and not for the answer's; but
     * an empty message always has room: cut off. */
    ck_assert_int_eq(client_recv(&c, &r, PATIENCE), -EPIPE);
    client_close(&c);
    fill(h);
    ck_assert_int_eq(host_client(&s, &c), -ETIMEDOUT);
    bob_takes_all(h);
    wait_for_the_server(&s);
    server_stop(&s);
}
END_TEST

/* -- msgq/sysv-private ---------------------------------------------------------------- */

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
bob_gives_his_away(struct child *self, void *arg)
{
    struct hand *h = arg;

    give_away(&h->reply);
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
bob_gets_the_id(void *arg)
{
    struct hand *h = arg;

    h->reply = make_queue();
}

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
    run_as(BOB, bob_gets_the_id, h);
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

/* -- both System V variants ------------------------------------------------------------ */

static void
rewrite(const char *where, int queue)
{
    FILE *list = fopen(where, "we");

    ck_assert_ptr_nonnull(list);
    fprintf(list, "%10d %20d %10d\n", queue, 1, 0);
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

    start_server(&s, all[_i], "ipcd");
    h = make_hand(s.m, s.where, 0);
    run_as(BOB, bob_gets_the_id, h);
    rewrite(s.where, h->reply);
    ck_assert_int_eq(host_client(&s, &c), -EPERM);
    remove_queue(h->reply);
    rewrite(s.where, h->reply);
    ck_assert_int_eq(host_client(&s, &c), -ENOENT);
    remove_queue(h->queue); /* the list does not lead to it any more: */
    host_stop(&s);          /* so the server ends, and not in peace */
}
END_TEST

/* -- msgq/posix ------------------------------------------------------------------------- */

/* The name of the request queue, or of reply queue 4711.1. */
static const char *
queue_name(const char *where, const char *suffix)
{
    static char name[ENDPOINT_SIZE + 16];

    ck_assert_int_eq(endpoint_flat(where, name), 0);
    return strcat(name, suffix);
}

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

/* -- all of them -------------------------------------------------------------------------- */

/* Nothing more goes into the request queue. */
static void
fill_requests(void)
{
    mqd_t queue;

    if (subject != ipc_find("msgq/posix")) {
        fill(make_hand(subject, server.where, 0));
        return;
    }
    queue = mq_open(queue_name(server.where, ""),
                    O_WRONLY | O_NONBLOCK | O_CLOEXEC);
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
    stop_server(&server);
    fill_requests();
    ck_assert_int_eq(client_send(&client, api_by_name("echo"), &arg, NULL, 0),
                     -ETIMEDOUT);
    begin_signals(INT64_C(20000000), server.pid);
    ck_assert_int_eq(
        client_send(&client, api_by_name("echo"), &arg, NULL, PATIENCE),
        -EPIPE);
    end_signals();
    client_close(&client);
    server_kill(&server);
    sweep_up();
}
END_TEST

Suite *
test_msgq(void)
{
    Suite *s = suite_create("msgq");
    TCase *tc = test_case(s, "msgq");
    const char *no_sysv = need_mechanism(ipc_find("msgq/sysv-private"));
    const char *no_posix = need_mechanism(ipc_find("msgq/posix"));
    const char *no_root = no_sysv != NULL ? no_sysv : need_root();

    add_test_if(tc, no_sysv, a_message_outlives_its_sender);
    add_test_if(tc, no_sysv, a_receiver_chooses_by_type);
    add_test_if(tc, no_sysv, a_short_buffer_gets_nothing_or_loses_the_tail);
    add_test_if(tc, no_sysv, empty_messages_fill_a_queue_too);
    add_test_if(tc, no_sysv, removing_a_queue_wakes_who_waits_in_it);
    add_test_if(tc, no_sysv,
                no_flag_restarts_a_receive_that_a_signal_interrupted);
    add_test_if(tc, no_root, the_owner_of_a_queue_is_not_who_made_it);
    add_test_if(tc, no_posix, the_highest_priority_comes_first);
    add_test_if(tc, no_posix, a_posix_queue_can_be_polled);
    add_test_if(tc, no_posix,
                a_buffer_must_hold_the_longest_message_not_this_one);
    add_test_if(tc, no_posix, a_ghost_takes_messages_that_nobody_will_read);
    add_test_if(tc, no_posix,
                a_notification_comes_only_when_the_queue_was_empty);

    tc = test_case(s, "msgq/sysv-types");
    add_test_if(tc, no_sysv, everybodys_largest_message_has_room_at_once);
    add_test_if(tc, no_sysv,
                two_clients_of_one_process_do_not_mix_up_their_answers);
    add_test_if(tc, no_root, who_may_ask_may_take_another_ones_answer);
    add_test_if(tc, no_root, the_last_sender_need_not_be_the_one_who_sent_this);
    add_test_if(tc, no_sysv, a_full_queue_jams_the_answers_but_not_the_server);
    add_loop_test_if(tc, no_sysv,
                     sweep_removes_no_queue_that_only_has_the_right_id, 0);
    add_loop_test_if(tc, no_root,
                     a_client_asks_no_queue_that_somebody_else_made, 0);

    add_loop_test_if(tc, no_sysv,
                     who_waits_to_send_is_told_when_the_server_dies, 0);

    tc = test_case(s, "msgq/sysv-private");
    add_test_if(tc, no_root,
                nobody_asks_in_another_ones_name_by_the_id_of_a_queue);
    add_test_if(tc, no_root, a_queue_given_to_root_makes_nobody_root);
    add_test_if(tc, no_sysv, the_queue_of_a_dead_client_is_removed);
    add_test_if(tc, no_root != NULL ? no_root : need_next_id(),
                a_reply_does_not_go_to_whoever_has_the_id_next);
    add_test_if(tc, no_sysv,
                sixteen_thousand_strange_messages_delay_and_no_more);
    add_loop_test_if(tc, no_sysv,
                     sweep_removes_no_queue_that_only_has_the_right_id, 1);
    add_loop_test_if(tc, no_root,
                     a_client_asks_no_queue_that_somebody_else_made, 1);
    add_loop_test_if(tc, no_sysv,
                     who_waits_to_send_is_told_when_the_server_dies, 1);

    tc = test_case(s, "msgq/posix");
    add_test_if(tc, need_root(),
                nobody_asks_in_another_ones_name_by_the_name_of_a_queue);
    add_test_if(tc, need_root(), a_joined_client_has_no_name_to_leave_behind);
    add_test_if(tc, need_root(), a_squatted_name_is_taken_back_and_never_asked);
    add_test_if(tc, no_posix, a_priority_does_not_get_you_in_front);
    add_test_if(tc, no_posix, a_user_without_room_for_queues_is_told);
    add_loop_test_if(tc, no_posix,
                     who_waits_to_send_is_told_when_the_server_dies, 2);
    return s;
}
