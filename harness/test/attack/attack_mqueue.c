/* attack_mqueue.c - POSIX message queues: names, priorities, ghosts. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "test/attack/hand.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct mq_attr small = {.mq_maxmsg = 4, .mq_msgsize = 8192};

/* A request queue: one by a name that anybody can work out, as long as there is
 * no server, or its own; and whether it fell. */
struct target {
    char queue[ENDPOINT_SIZE];
    bool fell;
};

static struct target *
make_target(void)
{
    struct target *t = shared(sizeof *t);
    char where[ENDPOINT_SIZE];

    MUST(endpoint_name(ipc_find("msgq/posix"), run_dir, where) == 0);
    MUST(endpoint_flat(where, t->queue) == 0);
    return t;
}

static void
serve_target(struct host *server, struct target *t)
{
    serve(server, "msgq/posix");
    strcpy(t->queue, queue_name(server->where));
}

/* -- 30: a queue before the server ---------------------------------------- */

static void
bob_is_first(struct actor *self, void *arg)
{
    struct target *t = arg;
    char text[8192];
    mqd_t queue = mq_open(t->queue, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC,
                          0666, &small);

    MUST(queue != -1 && fchmod(queue, 0666) == 0);
    actor_step(self); /* the server comes, and A asks it */
    t->fell = mq_receive(queue, text, sizeof text, NULL) >= 0;
}

/* O_CREAT without O_EXCL: whatever is there will do. */
static void
textbook_server_and_client(const struct target *t)
{
    mqd_t server = mq_open(t->queue, O_RDONLY | O_CREAT, 0622, &small);
    mqd_t client = mq_open(t->queue, O_WRONLY);

    MUST(server != -1 && client != -1);
    MUST(mq_send(client, "?", 1, 0) == 0);
}

static bool
has_a_queue_before(bool naive)
{
    struct target *t = make_target();
    struct host server;
    struct actor bob;

    actor_start(&bob, BOB, bob_is_first, t);
    actor_wait(&bob);
    if (naive) {
        textbook_server_and_client(t);
    } else {
        serve(&server, "msgq/posix");
        be_served(&server);
        host_stop(&server);
    }
    actor_go(&bob);
    actor_end(&bob);
    return t->fell;
}

/* -- 105: a queue in place of the server's -------------------------------- */

/* If she trusts it, she joins the server, and asks that queue. */
static void
alice_asks(void *where)
{
    struct api_value name = {.at = SECRET, .len = strlen(SECRET)};
    struct client c;

    if (client_open(&c, ipc_find("msgq/posix"), where) != 0)
        return;
    MUST(client_send(&c, api_by_name("hello"), &name, NULL, ATTACK_TIMEOUT) ==
         0);
    client_close(&c);
}

/* The server is there, but its queue is not: root has made a mistake. */
static bool
has_a_queue_in_its_place(bool naive)
{
    struct target *t = make_target();
    struct host server;
    struct actor bob;

    (void)naive;
    serve_target(&server, t);
    MUST(mq_unlink(t->queue) == 0);
    actor_start(&bob, BOB, bob_is_first, t);
    actor_wait(&bob);
    as_user(ALICE, alice_asks, server.where);
    actor_go(&bob);
    actor_end(&bob);
    host_stop(&server);
    return t->fell;
}

/* -- 31: who sent it? ----------------------------------------------------- */

static void
send_one(const struct target *t, const char *text, unsigned priority)
{
    mqd_t queue = mq_open(t->queue, O_WRONLY | O_CLOEXEC);

    MUST(queue != -1);
    MUST(mq_send(queue, text, strlen(text), priority) == 0);
    mq_close(queue);
}

static void
alice_sends(void *arg)
{
    send_one(arg, "hers", 0);
}

static void
bob_is_in_a_hurry(void *arg)
{
    send_one(arg, "his", 9);
}

/* mq_notify(3) says who sent; what is received first is another's. */
static bool
notify_says(struct target *t)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGUSR1};
    siginfo_t info;
    sigset_t set;
    char text[8192] = "";
    mqd_t queue = mq_open(t->queue, O_RDONLY | O_CREAT | O_EXCL, 0622, &small);

    MUST(queue != -1 && fchmod(queue, 0622) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    MUST(mq_notify(queue, &event) == 0);
    as_user(ALICE, alice_sends, t);
    as_user(BOB, bob_is_in_a_hurry, t);
    MUST(sigwaitinfo(&set, &info) == SIGUSR1);
    MUST(mq_receive(queue, text, sizeof text, NULL) > 0);
    return info.si_uid == ALICE && strcmp(text, "his") == 0;
}

static bool
overtakes(bool naive)
{
    struct target *t = make_target();
    struct host server;
    struct client c;
    bool misled;

    if (naive)
        return notify_says(t);
    serve_target(&server, t);
    pause_server(&server);
    as_user(BOB, bob_is_in_a_hurry, t);
    resume_server(&server);
    MUST(host_client(&server, &c) == 0);
    misled = whoami(&c) != (int64_t)geteuid();
    client_close(&c);
    host_stop(&server);
    return misled;
}

/* -- 32: a full queue ----------------------------------------------------- */

static void
bob_fills(void *arg)
{
    const struct target *t = arg;
    mqd_t queue = mq_open(t->queue, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    MUST(queue != -1);
    while (mq_send(queue, "", 0, 0) == 0)
        continue;
    MUST(errno == EAGAIN);
    mq_close(queue);
}

static void
send_and_wait(struct actor *self, void *arg)
{
    mqd_t queue = mq_open(((struct target *)arg)->queue, O_WRONLY | O_CLOEXEC);

    actor_step(self);
    mq_send(queue, "?", 1, 0);
}

/* A server that is slow, a queue that is full, and a client in a hurry. */
static bool
fills_the_queue(bool naive)
{
    struct api_value nothing = {.at = "", .len = 0};
    struct target *t = make_target();
    struct host server;
    struct client c;
    struct actor a;
    bool stuck = false;

    serve_target(&server, t);
    MUST(host_client(&server, &c) == 0);
    pause_server(&server);
    as_user(BOB, bob_fills, t);
    if (naive) {
        actor_start(&a, geteuid(), send_and_wait, t);
        actor_wait(&a);
        actor_go(&a);
        while (!stuck && !actor_is_there(&a))
            stuck = is_in_call(a.pid, CALL_MQ_TIMEDSEND);
        actor_kill(&a);
    } else {
        stuck = client_send(&c, api_by_name("echo"), &nothing, NULL, 1000000) !=
                -ETIMEDOUT;
    }
    resume_server(&server);
    client_close(&c);
    host_stop(&server);
    return stuck;
}

/* -- 33: a queue without a name ------------------------------------------- */

/* Not an attacker's doing, but the server's being killed and started again:
 * what the old client sends goes nowhere, and nobody tells it. */
static bool
talks_to_a_ghost(bool naive)
{
    struct api_value nothing = {.at = "", .len = 0};
    struct target *t = make_target();
    struct host server;
    struct client c;
    struct reply r;
    mqd_t old;
    int err;

    serve_target(&server, t);
    MUST(host_client(&server, &c) == 0);
    old = mq_open(t->queue, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    MUST(old != -1);
    kill_server(&server);
    host_stop(&server);
    serve(&server, "msgq/posix");
    if (naive)
        err = mq_send(old, "?", 1, 0);
    else
        err =
            client_call(&c, api_by_name("echo"), &nothing, &r, ATTACK_TIMEOUT);
    client_close(&c);
    host_stop(&server);
    return naive ? err == 0 : err != -EPIPE;
}

/* -- 34: all the queues there can be -------------------------------------- */

static void
bob_takes_all(struct actor *self, void *arg)
{
    struct mq_attr tiny = {.mq_maxmsg = 1, .mq_msgsize = 1};
    char name[64];
    int n = 0;

    (void)arg;
    do
        snprintf(name, sizeof name, "/bob.%d", n++);
    while (mq_open(name, O_RDONLY | O_CREAT, 0600, &tiny) != -1);
    MUST(errno == ENOSPC);
    actor_step(self);
}

/* fs.mqueue.queues_max is for the whole IPC namespace. */
static bool
takes_all_queues(bool naive)
{
    struct host server, late;
    struct host_options options = {.cpu = -1, .quiet = 1};
    struct actor bob;
    struct client c;
    bool refused;

    if (!naive)
        serve(&server, "msgq/posix");
    if (!naive)
        MUST(host_client(&server, &c) == 0);
    actor_start(&bob, BOB, bob_takes_all, NULL);
    actor_wait(&bob);
    if (naive) { /* it starts when it is needed */
        refused =
            host_start(&late, ipc_find("msgq/posix"), run_dir, &options) != 0;
        if (!refused)
            host_stop(&late);
    } else {
        refused = whoami(&c) != (int64_t)geteuid();
        client_close(&c);
        host_stop(&server);
    }
    actor_kill(&bob);
    return refused;
}

/* And who comes now needs a queue of his own, too. */
static bool
leaves_no_queue_for_others(bool naive)
{
    struct host server;
    struct actor bob;
    bool served;

    (void)naive;
    serve(&server, "msgq/posix");
    actor_start(&bob, BOB, bob_takes_all, NULL);
    actor_wait(&bob);
    served = is_served(&server);
    actor_kill(&bob);
    host_stop(&server);
    return !served;
}

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "msgq/posix"

const struct attack mqueue_attacks[] = {
    {30, M, "has a queue before the server", .how = "a random name; O_EXCL",
     .run = has_a_queue_before},
    {31, M, "overtakes A's message by priority",
     .how = "mq_notify(3) is not asked", .run = overtakes},
    {32, M, "fills the request queue", .how = "the wait has an end",
     .alone = true, .run = fills_the_queue},
    {33, M, "(a new server; an old client asks)", .how = "the life line: EPIPE",
     .alone = true, .run = talks_to_a_ghost},
    {34, M, "makes all the queues there can be", .how = "made at the start",
     .run = takes_all_queues},
    {105, M, "has a queue in the server's place", .without = "server",
     .how = "whose run directory it is", .run = has_a_queue_in_its_place},
    {106, M, "makes all queues; a new client comes",
     .how = "the client hears it",
     .cannot = "the number of queues (fs.mqueue.queues_max) is limited for all "
               "users of an IPC namespace together, and a new client needs one "
               "for its replies.",
     .run = leaves_no_queue_for_others},
    {0},
};
