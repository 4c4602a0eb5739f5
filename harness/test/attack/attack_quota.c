/* attack_quota.c - who spends what is counted for all: the server's time,
 * counters, what it remembers. */
#include "test/attack/attack.h"

#include "core/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* -- 152: the server's time ------------------------------------------------ */

static void
honest_asks(struct actor *self, void *arg)
{
    actor_step(self);
    be_served(arg);
    actor_step(self);
}

/* It sleeps; another one wants no more than an echo.  Who is answered first? */
static bool
is_answered_first(void)
{
    const struct api_value second = {.u32 = 1000};
    struct host server;
    struct actor honest;
    struct client sleeper;
    struct reply r;
    int err;

    serve(&server, this_attack->mechanism);
    MUST(host_client(&server, &sleeper) == 0);
    actor_start(&honest, geteuid(), honest_asks, &server);
    actor_wait(&honest);
    MUST(client_send(&sleeper, api_by_name("sleep"), &second, NULL,
                     ATTACK_TIMEOUT) == 0);
    actor_go(&honest);
    do
        err = client_recv(&sleeper, &r, NS_PER_MS);
    while (err == -ETIMEDOUT && !actor_is_there(&honest));
    MUST(err == -ETIMEDOUT || err == 0);
    actor_wait(&honest);
    actor_kill(&honest);
    client_close(&sleeper);
    host_stop(&server);
    return err == 0;
}

/* A thread that is to sleep may, on a busy machine, begin after the other has
 * answered: then the naive form is lucky, but not always. */
static bool
sleeps_at_others_expense(bool naive)
{
    bool fell = is_answered_first();

    for (int tries = 1; naive && !fell && tries < 5; tries++)
        fell = is_answered_first();
    return fell;
}

/* -- 153: what the server remembers ---------------------------------------- */

struct counting {
    struct host server;
    bool fell;
};

static uint32_t
count(struct client *c, const char *key, uint64_t id, struct reply *r)
{
    const struct api_value args[] = {{.at = key, .len = strlen(key)},
                                     {.i64 = 1}};

    c->next_id = id;
    MUST(client_call(c, api_by_name("counter_add"), args, r, ATTACK_TIMEOUT) ==
         0);
    return r->status;
}

static void
alice_asks_twice(struct actor *self, void *arg)
{
    struct counting *k = arg;
    struct client c;
    struct reply r;

    MUST(host_client(&k->server, &c) == 0);
    MUST(count(&c, "hers", 4711, &r) == WIRE_OK && r.results[0].i64 == 1);
    actor_step(self); /* Bob counts */
    MUST(count(&c, "hers", 4711, &r) == WIRE_OK);
    k->fell = r.results[0].i64 != 1;
    client_close(&c);
}

static void
bob_counts(void *arg)
{
    struct counting *k = arg;
    struct client c;
    struct reply r;

    MUST(host_client(&k->server, &c) == 0);
    for (uint64_t id = 1; id <= 1100; id++)
        count(&c, "his", id, &r);
    client_close(&c);
}

static bool
makes_it_forget(bool naive)
{
    struct counting *k = shared(sizeof *k);
    struct actor alice;

    (void)naive;
    serve(&k->server, "socket/stream");
    actor_start(&alice, ALICE, alice_asks_twice, k);
    actor_wait(&alice);
    as_user(BOB, bob_counts, k);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&k->server);
    return k->fell;
}

/* -- 154: counters --------------------------------------------------------- */

static void
bob_takes_counters(void *arg)
{
    struct counting *k = arg;
    char key[] = "aa";
    struct client c;
    struct reply r;

    MUST(host_client(&k->server, &c) == 0);
    for (int i = 0; i < 26 * 26; i++) {
        key[0] = (char)('a' + i / 26);
        key[1] = (char)('a' + i % 26);
        count(&c, key, (uint64_t)i, &r);
    }
    client_close(&c);
}

static void
alice_wants_one(void *arg)
{
    struct counting *k = arg;
    struct client c;
    struct reply r;

    MUST(host_client(&k->server, &c) == 0);
    k->fell = count(&c, "hers", 1, &r) != WIRE_OK;
    client_close(&c);
}

static bool
takes_all_counters(bool naive)
{
    struct counting *k = shared(sizeof *k);

    (void)naive;
    serve(&k->server, "socket/stream");
    as_user(BOB, bob_takes_counters, k);
    as_user(ALICE, alice_wants_one, k);
    host_stop(&k->server);
    return k->fell;
}

/* -- the table ------------------------------------------------------------- */

#define SLEEPS(name) \
    { \
        152, name, "sleeps, so that all others wait", \
            .without = "slow", .how = "answered when it is time", \
            .alone = true, .run = sleeps_at_others_expense \
    }

const struct attack quota_attacks[] = {
    SLEEPS("fifo/perclient"),
    SLEEPS("msgq/posix"),
    SLEEPS("shm/futex"),
    SLEEPS("mmap/file"),
    SLEEPS("socket/stream"),
    SLEEPS("socket/threads"),
    SLEEPS("socket/seqpacket"),
    SLEEPS("socket/dgram"),
    SLEEPS("socket/tcp"),
    SLEEPS("socket/udp"),
    {153, "socket/stream", "has A's request forgotten", .without = "ring",
     .how = "each user's own ring", .run = makes_it_forget},
    {154, "socket/stream", "takes all the counters", .without = "quota",
     .how = "a quota for each user", .run = takes_all_counters},
    {0},
};
