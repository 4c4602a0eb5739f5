/* attack_replies.c - whose replies are those?  The same question to three
 * servers that anybody may write to: over a FIFO, a System V and a POSIX
 * queue. */
#define _GNU_SOURCE /* struct msqid_ds */
#include "test/attack/hand.h"

#include <sys/msg.h>

/* -- 11, 24, 103: reflection ---------------------------------------------- */

static void
bob_names_hers(void *arg)
{
    MUST(is_closed_to_us(arg));
    join_and_ask(arg);
}

static bool
names_anothers_replies(bool naive)
{
    struct hand *h = make_hand(this_attack->mechanism, ALICE);
    struct host server;
    struct actor alice;

    (void)naive;
    serve(&server, this_attack->mechanism);
    actor_start(&alice, ALICE, owns_the_replies, h);
    actor_wait(&alice);
    as_user(BOB, bob_names_hers, h);
    be_served(&server);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&server);
    MUST(h->joined); /* the nonce was left for her */
    return h->fell;
}

/* -- 21, 101, 102, 104: his own, and he says that he is root -------------- */

/* Who gets a nonce is in; and then it is for what he said. */
static void
claim(struct actor *self, struct hand *h)
{
    say_join(h);
    actor_step(self);
    if (!take_nonce(h))
        return;
    say_whoami(h);
    actor_step(self);
    MUST(take_uid(h) == h->claim);
    h->fell = true;
}

static void
bob_claims(struct actor *self, void *arg)
{
    make_replies(arg);
    claim(self, arg);
}

/* Whoever made a queue may give it away, to anybody: msgctl(2), IPC_SET. */
static void
bob_gives_his_away(struct actor *self, void *arg)
{
    struct hand *h = arg;
    struct msqid_ds ds;

    make_replies(h);
    MUST(msgctl(h->replies, IPC_STAT, &ds) == 0);
    ds.msg_perm.uid = 0;
    MUST(msgctl(h->replies, IPC_SET, &ds) == 0);
    MUST(msgctl(h->replies, IPC_STAT, &ds) == 0 && ds.msg_perm.uid == 0);
    claim(self, h);
}

static bool
claims(actor_function *bob_acts)
{
    struct hand *h = make_hand(this_attack->mechanism, 0);
    struct host server;
    struct actor bob;

    serve(&server, this_attack->mechanism);
    actor_start(&bob, BOB, bob_acts, h);
    while (actor_next(&bob)) {
        be_served(&server); /* what he has written has been read */
        actor_go(&bob);
    }
    actor_end(&bob);
    host_stop(&server);
    return h->fell;
}

static bool
claims_to_be_root(bool naive)
{
    (void)naive;
    return claims(bob_claims);
}

static bool
gives_his_queue_to_root(bool naive)
{
    (void)naive;
    return claims(bob_gives_his_away);
}

/* -- the table ------------------------------------------------------------ */

#define FIFO  .mechanism = "fifo/perclient"
#define SYSV  .mechanism = "msgq/sysv-private"
#define POSIX .mechanism = "msgq/posix"
#define REFLECTION \
    .without = "nonce", .how = "the nonce, which A reads", \
    .run = names_anothers_replies

const struct attack reply_attacks[] = {
    {11, FIFO, "says: the reply FIFO of A is mine", REFLECTION},
    {24, SYSV, "says: the reply queue of A is mine", REFLECTION},
    {103, POSIX, "says: the reply queue of A is mine", REFLECTION},
    {101, FIFO, "says: my own FIFO, and I am root", .without = "owner",
     .how = "who owns the FIFO", .run = claims_to_be_root},
    {102, SYSV, "says: my own queue, and I am root", .without = "owner",
     .how = "who made the queue", .run = claims_to_be_root},
    {104, POSIX, "says: my own queue, and I am root", .without = "owner",
     .how = "who owns the queue", .run = claims_to_be_root},
    {21, SYSV, "gives his queue to root, claims root", .without = "creator",
     .how = "cuid, not uid", .run = gives_his_queue_to_root},
    {0},
};
