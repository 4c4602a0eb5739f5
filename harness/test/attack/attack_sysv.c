/* attack_sysv.c - System V message queues: ids, owners, and room. */
#define _GNU_SOURCE /* memmem */
#include "test/attack/attack.h"

#include "core/owner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- queues and messages --------------------------------------------------- */

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

/* The line'th queue in the list that the server keeps: msgq/sysv.h.  The first
 * is its own. */
static int
listed_queue(const char *where, unsigned line)
{
    FILE *list = fopen(where, "re");
    int queue = -1;

    MUST(list != NULL);
    for (unsigned i = 0; i <= line; i++)
        MUST(fscanf(list, "%d %*d %*u", &queue) == 1);
    fclose(list);
    return queue;
}

/* -- requests to msgq/sysv-private, written by hand -------------------------- */

enum { JOIN = 1, MESSAGE = 2, PREFIX = 20 };

struct hand {
    int queue; /* the server's */
    int reply; /* a client's */
    uid_t claim;
    uint8_t nonce[NONCE_SIZE];
    bool fell;
};

static struct hand *
make_hand(const struct host *server, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    h->queue = listed_queue(server->where, 0);
    h->claim = claim;
    return h;
}

static void
request(const struct hand *h, long kind, const void *body, size_t len)
{
    uint8_t text[100] = {0};

    put32(text, (uint32_t)h->reply);
    memcpy(text + 4, h->nonce, NONCE_SIZE);
    memcpy(text + PREFIX, body, len);
    MUST(put(h->queue, kind, text, PREFIX + len) == 0);
}

static void
say_join(const struct hand *h)
{
    uint8_t uid[4];

    put32(uid, h->claim);
    request(h, JOIN, uid, sizeof uid);
}

static void
say_whoami(const struct hand *h)
{
    uint8_t frame[WIRE_HEADER];

    make_frame(frame, API_whoami);
    request(h, MESSAGE, frame, sizeof frame);
}

/* -- 24: reflection -------------------------------------------------------- */

static void
alice_has_a_queue(struct actor *self, void *arg)
{
    struct hand *h = arg;
    ssize_t n;

    h->reply = make_queue();
    actor_step(self); /* Bob does it */
    MUST(get(h->reply) == NONCE_SIZE);
    n = get(h->reply);
    h->fell = n > 0 && uid_in_frame(message.text, (size_t)n) == ALICE;
}

static void
bob_names_it(void *arg)
{
    say_join(arg);
    say_whoami(arg);
}

static bool
names_anothers_queue(bool naive)
{
    struct host server;
    struct actor alice;
    struct hand *h;

    (void)naive;
    serve(&server, "msgq/sysv-private");
    h = make_hand(&server, ALICE);
    actor_start(&alice, ALICE, alice_has_a_queue, h);
    actor_wait(&alice);
    as_user(BOB, bob_names_it, h);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    return h->fell;
}

/* -- 21, 102: his own queue, and he says that he is root ----------------------- */

static void
bob_claims(struct actor *self, void *arg)
{
    struct hand *h = arg;
    ssize_t n;

    say_join(h);
    actor_step(self);
    if (get(h->reply) != NONCE_SIZE)
        return;
    memcpy(h->nonce, message.text, NONCE_SIZE);
    say_whoami(h);
    actor_step(self);
    n = get(h->reply);
    h->fell = n > 0 && uid_in_frame(message.text, (size_t)n) == 0;
}

/* Whoever made a queue may give it away, to anybody: msgctl(2), IPC_SET. */
static void
bob_gives_his_away(struct actor *self, void *arg)
{
    struct hand *h = arg;
    struct msqid_ds ds;

    h->reply = make_queue();
    MUST(msgctl(h->reply, IPC_STAT, &ds) == 0);
    ds.msg_perm.uid = 0;
    MUST(msgctl(h->reply, IPC_SET, &ds) == 0);
    bob_claims(self, h);
}

static void
bob_keeps_his(struct actor *self, void *arg)
{
    struct hand *h = arg;

    h->reply = make_queue();
    bob_claims(self, h);
}

static bool
claims(actor_function *bob_acts)
{
    struct host server;
    struct actor bob;
    struct hand *h;

    serve(&server, "msgq/sysv-private");
    h = make_hand(&server, 0);
    actor_start(&bob, BOB, bob_acts, h);
    while (actor_next(&bob)) {
        be_served(&server);
        actor_go(&bob);
    }
    actor_end(&bob);
    host_stop(&server);
    return h->fell;
}

static bool
gives_his_queue_to_root(bool naive)
{
    (void)naive;
    return claims(bob_gives_his_away);
}

static bool
claims_to_be_root(bool naive)
{
    (void)naive;
    return claims(bob_keeps_his);
}

/* -- 23: other people's replies ---------------------------------------------- */

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
    MUST(client_send(&c, api_by_name("hello"), &name, NULL, PATIENCE) == 0);
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
    a->queue = listed_queue(server.where, naive ? 0 : 1);
    as_user(BOB, bob_takes_it, a);
    actor_kill(&alice);
    host_stop(&server);
    return a->fell;
}

/* -- 25: a queue with the server's key ----------------------------------------- */

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

/* -- 26: sixteen thousand empty messages ------------------------------------- */

static void
bob_floods(void *arg)
{
    const struct hand *h = arg;

    while (put(h->queue, 77, "", 0) == 0)
        continue;
}

/* In a queue for all the server takes what is for it, and this is not. */
static bool
floods(bool naive)
{
    struct host server;
    struct hand *h;
    bool served;

    serve(&server, naive ? "msgq/sysv-types" : "msgq/sysv-private");
    h = make_hand(&server, 0);
    pause_server(&server);
    as_user(BOB, bob_floods, h);
    resume_server(&server);
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- 27: a reply queue that is gone ------------------------------------------ */

static void
bob_asks_and_goes(struct actor *self, void *arg)
{
    struct hand *h = arg;

    h->reply = make_queue();
    h->claim = geteuid();
    say_join(h);
    actor_step(self); /* stopped now */
    MUST(get(h->reply) == NONCE_SIZE);
    memcpy(h->nonce, message.text, NONCE_SIZE);
    say_whoami(h);
    MUST(msgctl(h->reply, IPC_RMID, NULL) == 0);
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
    h = make_hand(&server, 0);
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

/* -- 28: an id that is given away again ---------------------------------------- */

struct heir {
    int id;
    bool fell;
};

/* The server is dead; in its list stands a queue of A's, which is gone. */
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
inherits_her_id(bool naive)
{
    struct heir *h = shared(sizeof *h);
    struct host server;
    struct client c;
    struct actor bob;

    (void)naive;
    serve(&server, "msgq/sysv-private");
    MUST(host_client(&server, &c) == 0);
    h->id = listed_queue(server.where, 1);
    kill(server.pid, SIGKILL);
    host_stop(&server);
    client_close(&c); /* with her queue */
    choose_next_id(h->id);
    actor_start(&bob, BOB, bob_has_the_id, h);
    actor_wait(&bob);
    MUST(server.m->sweep(server.where) == 1);
    actor_go(&bob);
    actor_end(&bob);
    return h->fell;
}

/* -- the table --------------------------------------------------------------- */

#define M .mechanism = "msgq/sysv-private"

const struct attack sysv_attacks[] = {
    {21, M, "gives his queue to root, claims root", .without = "creator",
     .how = "cuid, not uid", .run = gives_his_queue_to_root},
    {23, M, "takes A's reply out of the queue", .how = "a queue each: EACCES",
     .run = takes_anothers_reply},
    {24, M, "says: the reply queue of A is mine", .without = "nonce",
     .how = "the nonce, which A reads", .run = names_anothers_queue},
    {25, M, "has a queue with the server's key", .how = "IPC_PRIVATE, no key",
     .run = has_a_queue_with_the_key},
    {26, M, "fills the queue with empty messages",
     .how = "server takes every type", .alone = true, .run = floods},
    {27, M, "asks, and removes his reply queue", .how = "EINVAL is expected",
     .alone = true, .run = removes_his_queue},
    {28, M, "has the id of A's dead queue; a sweep", .without = "same",
     .how = "maker and time, too", .missing = need_next_id,
     .run = inherits_her_id},
    {102, M, "says: my own queue, and I am root", .without = "owner",
     .how = "who made the queue", .run = claims_to_be_root},
    {0},
};
