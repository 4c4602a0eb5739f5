/* attack_sysv.c - System V message queues: keys, ids, room, and the last
 * sender. */
#define _GNU_SOURCE /* memmem */
#include "test/attack/hand.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/msg.h>
#include <unistd.h>

/* -- queues and messages -------------------------------------------------- */

struct message {
    long type;
    uint8_t text[8192];
};

static struct message message;

static int
put(int queue, long type, const void *text, size_t len)
{
    message.type = type;
    memcpy(message.text, text, len);
    return msgsnd(queue, &message, len, IPC_NOWAIT) == -1 ? -errno : 0;
}

/* The oldest message, into `message`; of what type ever. */
static ssize_t
get(int queue)
{
    ssize_t n = msgrcv(queue, &message, sizeof message.text, 0, IPC_NOWAIT);

    return n == -1 ? -errno : n;
}

static int
make_queue(void)
{
    int queue = msgget(IPC_PRIVATE, 0600);

    MUST(queue != -1);
    return queue;
}

/* -- 23: other people's replies ------------------------------------------- */

struct asking {
    struct host *server;
    int queue; /* where the reply will be */
    bool fell;
};

static void
alice_asks(struct actor *self, void *arg)
{
    struct asking *a = arg;
    struct api_value name = {.at = SECRET, .len = strlen(SECRET)};
    struct client c;

    MUST(client_open(&c, a->server->m, a->server->where) == 0);
    MUST(client_send(&c, api_by_name("hello"), &name, NULL, ATTACK_TIMEOUT) ==
         0);
    actor_step(self); /* the answer comes */
}

static void
bob_takes_it(void *arg)
{
    struct asking *a = arg;
    ssize_t n = get(a->queue);

    MUST(n > 0 || n == -EACCES);
    a->fell = n > 0 &&
              memmem(message.text, (size_t)n, SECRET, strlen(SECRET)) != NULL;
}

/* The naive form is the textbook's, and ours too: one queue for all. */
static bool
takes_anothers_reply(bool naive)
{
    struct asking *a = shared(sizeof *a);
    struct host server;
    struct actor alice;

    serve(&server, naive ? "msgq/sysv-types" : "msgq/sysv-private");
    a->server = &server;
    actor_start(&alice, ALICE, alice_asks, a);
    actor_wait(&alice);
    be_served(&server);
    a->queue = listed_id(server.where, naive ? 0 : 1); /* hers, if any */
    as_user(BOB, bob_takes_it, a);
    actor_kill(&alice);
    host_stop(&server);
    return a->fell;
}

/* -- 25: a queue with the server's key ------------------------------------ */

struct squatter {
    key_t key;
    int queue;
    bool fell;
};

static void
bob_is_first(struct actor *self, void *arg)
{
    struct squatter *s = arg;

    /* Of the file's inode number and device: everybody can work it out. */
    s->key = ftok(run_dir, 'q');
    MUST(s->key != -1);
    s->queue = msgget(s->key, IPC_CREAT | 0666);
    MUST(s->queue != -1);
    actor_step(self); /* the server comes, and A asks it */
    s->fell = get(s->queue) >= 0;
}

static bool
has_a_queue_with_the_key(bool naive)
{
    struct squatter *s = shared(sizeof *s);
    struct host server;
    struct actor bob;

    actor_start(&bob, BOB, bob_is_first, s);
    actor_wait(&bob);
    if (naive) {
        MUST(put(msgget(ftok(run_dir, 'q'), IPC_CREAT | 0622), 1, "?", 1) == 0);
    } else {
        serve(&server, "msgq/sysv-private");
        be_served(&server);
        host_stop(&server);
    }
    actor_go(&bob);
    actor_end(&bob);
    return s->fell;
}

/* -- 26: sixteen thousand empty messages ---------------------------------- */

static void
bob_floods(void *where)
{
    int queue = queue_of(where);

    while (put(queue, 77, "", 0) == 0)
        continue;
}

/* In a queue for all the server takes what is for it, and this is not. */
static bool
floods(bool naive)
{
    struct host server;
    bool served;

    (void)naive;
    serve(&server, "msgq/sysv-types");
    pause_server(&server);
    as_user(BOB, bob_floods, server.where);
    resume_server(&server);
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- 27: a reply queue that is gone --------------------------------------- */

static void
bob_asks_and_goes(struct actor *self, void *arg)
{
    struct hand *h = arg;

    make_replies(h);
    h->claim = geteuid();
    say_join(h);
    actor_step(self); /* stopped now */
    MUST(take_nonce(h));
    say_whoami(h);
    MUST(msgctl(h->replies, IPC_RMID, NULL) == 0);
}

/* "if (msgsnd(...) == -1) err_sys(...)": fine in an exercise. */
static void
textbook_server(struct actor *self, void *arg)
{
    int queue = *(int *)arg;

    actor_step(self);
    if (put(queue, 1, "answer", 6) != 0)
        return; /* exit(1), and nobody is served any more */
    actor_step(self);
}

static bool
removes_his_queue(bool naive)
{
    int *queue = shared(sizeof *queue);
    struct actor bob, textbook;
    struct host server;
    struct hand *h;
    bool served;

    if (naive) {
        *queue = make_queue();
        actor_start(&textbook, geteuid(), textbook_server, queue);
        actor_wait(&textbook);
        MUST(msgctl(*queue, IPC_RMID, NULL) == 0);
        actor_go(&textbook);
        served = actor_next(&textbook);
        actor_kill(&textbook);
        return !served;
    }
    serve(&server, "msgq/sysv-private");
    h = make_hand("msgq/sysv-private", 0);
    actor_start(&bob, BOB, bob_asks_and_goes, h);
    actor_wait(&bob);
    be_served(&server);
    pause_server(&server);
    actor_go(&bob);
    actor_end(&bob);
    resume_server(&server);
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- 28: an id that is given away again ----------------------------------- */

struct heir {
    int id;
    bool fell;
};

/* The server is dead; in its file stands its queue, which root has removed. */
static void
bob_has_the_id(struct actor *self, void *arg)
{
    struct heir *h = arg;
    struct msqid_ds ds;

    MUST(make_queue() == h->id);
    actor_step(self); /* root sweeps */
    h->fell = msgctl(h->id, IPC_STAT, &ds) == -1;
}

static void
choose_next_id(int id)
{
    FILE *out = fopen("/proc/sys/kernel/msg_next_id", "we");

    MUST(out != NULL && fprintf(out, "%d\n", id) > 0);
    MUST(fclose(out) == 0);
}

static const char *
need_next_id(void)
{
    return access("/proc/sys/kernel/msg_next_id", W_OK) == 0
               ? NULL
               : "needs kernel.msg_next_id (CONFIG_CHECKPOINT_RESTORE)";
}

static bool
inherits_the_id(bool naive)
{
    struct heir *h = shared(sizeof *h);
    struct host server;
    struct actor bob;

    (void)naive;
    serve(&server, "msgq/sysv-private");
    h->id = queue_of(server.where);
    kill_server(&server);
    host_stop(&server);
    MUST(msgctl(h->id, IPC_RMID, NULL) == 0);
    choose_next_id(h->id);
    actor_start(&bob, BOB, bob_has_the_id, h);
    actor_wait(&bob);
    MUST(server.m->sweep(server.where) == 1);
    actor_go(&bob);
    actor_end(&bob);
    return h->fell;
}

/* -- 157: the next one with the id of a reply queue ------------------------ */

/* Ready to have it: whoever serves may write here. */
static void
bob_takes_the_id(void *arg)
{
    const struct heir *h = arg;
    struct msqid_ds ds;

    MUST(make_queue() == h->id);
    MUST(msgctl(h->id, IPC_STAT, &ds) == 0);
    ds.msg_perm.uid = 0;
    MUST(msgctl(h->id, IPC_SET, &ds) == 0);
}

/* A has asked and gone away, and the server has not answered yet. */
static bool
gets_her_reply(bool naive)
{
    struct api_value name = {.at = SECRET, .len = strlen(SECRET)};
    struct heir *h = shared(sizeof *h);
    struct host server;
    struct client c;
    ssize_t n;

    (void)naive;
    serve(&server, "msgq/sysv-private");
    MUST(host_client(&server, &c) == 0);
    h->id = listed_id(server.where, 1);
    pause_server(&server);
    MUST(client_send(&c, api_by_name("hello"), &name, NULL, ATTACK_TIMEOUT) ==
         0);
    client_close(&c); /* with her queue */
    choose_next_id(h->id);
    as_user(BOB, bob_takes_the_id, h);
    resume_server(&server);
    be_served(&server);
    n = get(h->id); /* we may, as he may */
    host_stop(&server);
    return n > 0 &&
           memmem(message.text, (size_t)n, SECRET, strlen(SECRET)) != NULL;
}

/* -- 158, 159: a queue that stays full ------------------------------------ */

/* A has joined, and the queue is full for as long as she waits. */
static bool
keeps_it_full(bool naive)
{
    struct api_value nothing = {.at = "", .len = 0};
    struct host server;
    struct client c;
    struct reply r;
    bool served;

    (void)naive;
    serve(&server, this_attack->mechanism);
    MUST(host_client(&server, &c) == 0);
    pause_server(&server);
    as_user(BOB, bob_floods, server.where);
    served = client_send(&c, api_by_name("echo"), &nothing, NULL,
                         ATTACK_TIMEOUT / 10) == 0;
    resume_server(&server);
    served = served && client_recv(&c, &r, ATTACK_TIMEOUT) == 0;
    client_close(&c);
    host_stop(&server);
    return !served;
}

/* -- 22: evidence --------------------------------------------------------- */

/* msgq/sysv-types: "the last sender was A", and this message is Bob's. */
struct guess {
    int queue;
    char where[ENDPOINT_SIZE];
    char path[PATH_MAX];
    bool fell;
};

#define HER_TYPE 4711

static void
send_for_her(int queue, enum request_kind kind, const void *body, size_t len)
{
    const struct request r = {.mechanism = "msgq/sysv-types",
                              .replies = HER_TYPE};
    uint8_t text[1200];

    len = make_request(&r, kind, body, len, text);
    MUST(put(queue, 1, text, len) == 0);
}

static void
alice_joins(struct actor *self, void *arg)
{
    struct guess *g = arg;
    uint8_t frame[WIRE_HEADER];

    MUST(register_as(g->where, HER_TYPE, ALICE, getpid()) == 0);
    MUST(put(g->queue, 1, "", 0) == 0); /* rings */
    MUST(msgrcv(g->queue, &message, sizeof message.text, HER_TYPE, 0) == 1);
    actor_step(self); /* Bob asks; the server is stopped */
    make_frame(frame, API_hello);
    send_for_her(g->queue, MESSAGE, frame, sizeof frame);
    actor_step(self); /* now she is the last */
}

static void
bob_asks_as_alice(void *arg)
{
    struct guess *g = arg;
    const struct api_value args[] = {
        {.at = g->path, .len = strlen(g->path)}, {.u64 = 0}, {.u32 = 100}};
    uint8_t frame[REQUEST_ROOM];
    size_t len = make_call(frame, "read_file", args);

    MUST(len > 0);
    send_for_her(g->queue, MESSAGE, frame, len);
}

/* The queue is for all: he takes what was meant for her, and waits for it: who
 * looks whether they have been served by asking, too, is the last sender
 * then. */
static void
bob_takes_the_answers(void *arg)
{
    struct guess *g = arg;

    for (int i = 0; i < 2; i++) { /* his read_file, her hello */
        ssize_t n =
            msgrcv(g->queue, &message, sizeof message.text, HER_TYPE, 0);

        MUST(n > 0);
        g->fell |=
            memmem(message.text, (size_t)n, SECRET, strlen(SECRET)) != NULL;
    }
}

static bool
asks_before_her(bool naive)
{
    struct guess *g = shared(sizeof *g);
    struct host server;
    struct actor alice;

    (void)naive;
    strcpy(g->path, make_file("hers", SECRET, 0600));
    MUST(chown(g->path, ALICE, ALICE) == 0);
    serve(&server, "msgq/sysv-types");
    g->queue = listed_id(server.where, 0);
    strcpy(g->where, server.where);
    actor_start(&alice, ALICE, alice_joins, g);
    actor_wait(&alice);
    be_served(&server); /* her ring is out of the queue */
    pause_server(&server);
    as_user(BOB, bob_asks_as_alice, g);
    actor_go(&alice);
    actor_wait(&alice);
    resume_server(&server);
    as_user(BOB, bob_takes_the_answers, g);
    actor_kill(&alice);
    host_stop(&server);
    return g->fell;
}

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "msgq/sysv-private"

static const char one_room[] = "the room of a queue (kernel.msgmnb) is counted "
                               "for all its users, and here "
                               "requests and answers have no other. The server "
                               "throws out what is nobody's, "
                               "but those who put it in may be faster.";

const struct attack sysv_attacks[] = {
    {22, "msgq/sysv-types", "asks, then A does: \"A sent it\"",
     .without = "evidence", .how = "K1: no files for that",
     .run = asks_before_her},
    {23, M, "takes A's reply out of the queue", .how = "a queue each: EACCES",
     .run = takes_anothers_reply},
    {25, M, "has a queue with the server's key", .how = "IPC_PRIVATE, no key",
     .run = has_a_queue_with_the_key},
    {26, "msgq/sysv-types", "fills the queue with empty messages",
     .without = "clear", .how = "nobody's is thrown out", .alone = true,
     .run = floods},
    {27, M, "asks, and removes his reply queue", .how = "EINVAL is expected",
     .alone = true, .run = removes_his_queue},
    {28, M, "has the id of a dead queue; a sweep", .without = "same",
     .how = "maker and time, too", .missing = need_next_id,
     .run = inherits_the_id},
    {157, M, "has the id of A's queue; a reply", .without = "same",
     .how = "looked at each time", .missing = need_next_id,
     .run = gets_her_reply},
    {158, M, "keeps the queue full; A asks", .without = "detour",
     .how = "A's own queue has room", .alone = true, .run = keeps_it_full},
    {159, "msgq/sysv-types", "keeps the queue full; A asks",
     .how = "a client's wait ends", .cannot = one_room, .alone = true,
     .run = keeps_it_full},
    {0},
};
