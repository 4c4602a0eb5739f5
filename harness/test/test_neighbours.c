/*
 * test_neighbours.c - a client by the side of others who die, each time in the
 * next of their system calls, or have no manners: case 81 of the attack
 * matrix, its other half.  Their server, and who else is there, do not feel
 * it.  (The server's own calls: test_fault.c)
 */
#define _GNU_SOURCE /* kill, semctl */
#include "test/asked.h"
#include "test/customer.h"

#include "core/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *test_neighbours(void);

/* -- a client that dies ---------------------------------------------------- */

/* Each answer is right, and each request has been carried out once. */
static void
count_on(struct client *c, int64_t *value)
{
    struct api_value args[] = {string_value("honest"), {.i64 = 1}};
    struct reply r;

    expect_echo(c, 50);
    if (subject->evidence < IPC_OWNER)
        return;
    expect_call(c, "counter_add", args, WIRE_OK, &r);
    ck_assert_int_eq(r.results[0].i64, ++*value);
}

/* false: it made fewer calls than that. */
static bool
dies_in_call(unsigned n)
{
    struct customer us = {.timeout = CALL_TIMEOUT, .steps = true};
    struct injection i = {.nth = n, .kill = true}, none = {.nth = 0};
    const int status = serve_customer(&i, &us, NULL);

    ck_assert_msg(i.number == -1
                      ? status == 0
                      : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                  "%s: the client ended with %#x: %s", subject->name,
                  (unsigned)status, inject_name(&i));
    /* Its server ends by itself. */
    if (has(IPC_SPAWNED))
        ck_assert_msg(inject_watch(&none, -1, NULL, now_ns() + CALL_TIMEOUT) ==
                              -1 &&
                          errno == ECHILD,
                      "%s: the server did not end after %s", subject->name,
                      inject_name(&i));
    return i.number != -1;
}

/* A client that dies between making an object and telling somebody of it leaves
 * what nobody knows: System V objects without a key, a name with a serial
 * number.  Only whoever looks at all there is finds that (ipcs(1), and here the
 * test's own namespace); a few for each death, and no more. */
static void
remove_orphans(unsigned deaths)
{
    const char *line = objects_left();
    unsigned removed = 0;
    int id;

    for (; *line != '\0'; line = strchr(line, '\n') + 1, removed++) {
        char path[300];

        if (sscanf(line, "System V sem %d", &id) == 1)
            semctl(id, 0, IPC_RMID);
        else if (sscanf(line, "System V msg %d", &id) == 1)
            msgctl(id, IPC_RMID, NULL);
        else if (sscanf(line, "System V shm %d", &id) == 1)
            shmctl(id, IPC_RMID, NULL);
        else if (sscanf(line, "%299s", path) == 1)
            unlink(path);
    }
    doing("at most 3 objects a death", "what clients left that were killed, "
                                       "in whatever call");
    if (removed > 3 * deaths)
        is_unexpected("%u objects left by %u deaths", removed, deaths);
}

START_TEST(a_client_may_die_in_any_call)
{
    struct client next;
    int64_t value = 0;
    unsigned deaths = 0;
    int most;

    begin(_i);
    customers_begin();
    client_start(&server, &next);
    expect_echo(&next, 100); /* a connection may not be accepted before */
    most = open_descriptors(server.server);
    client_close(&next);
    begin_signals(100 * NS_PER_MS, 0);
    for (unsigned n = 1; dies_in_call(n); n = inject_next(n, false), deaths++) {
        mark_point();
        count_on(&client, &value);
    }
    end_signals();
    do {
        client_start(&server, &next);
        count_on(&next, &value);
        client_close(&next);
    } while (open_descriptors(server.server) > most);
    customers_end();
    end();
    sweep_up();
    remove_orphans(deaths);
}
END_TEST

START_TEST(a_client_that_dies_in_any_call_takes_its_server_along)
{
    unsigned n = 1;

    subject = ipc_registry[_i];
    customers_begin();
    server_start_for(&server, subject, customer_uid());
    begin_signals(100 * NS_PER_MS, 0);
    while (dies_in_call(n))
        n = inject_next(n, true);
    end_signals();
    ck_assert_uint_gt(n, 10);
    customers_end();
    server_stop(&server);
    sweep_up();
}
END_TEST

/* -- everybody at once ----------------------------------------------------- */

enum manners {
    HALF_A_FRAME,
    RUBBISH,
    DESCRIPTORS,
    NEVER_READS,
    NEVER_STOPS,
    ALL
};

static void
misbehave(struct actor *self, void *arg)
{
    uint8_t frame[WIRE_HEADER + 400] = {0};
    struct api_value count;
    struct client c;
    struct reply r;
    int err = 0;

    client_start(&server, &c);
    count.u32 = (uint32_t)echo_room(&c);
    raw_frame(frame, API_echo, 1, frame + WIRE_HEADER, 400);
    switch (*(enum manners *)arg) {
    case HALF_A_FRAME:
        raw_send(&c, frame, WIRE_HEADER + 200, -1);
        break;
    case RUBBISH:
        memset(frame, 'x', sizeof frame);
        raw_send(&c, frame, sizeof frame, -1);
        break;
    case DESCRIPTORS:
        for (int i = 0; i < 50 && err == 0; i++)
            err = raw_send(&c, frame, WIRE_HEADER, 0);
        break;
    case NEVER_READS:
        for (int i = 0; i < 500 && err == 0; i++)
            err = client_send(&c, api_by_name("source"), &count, NULL, 0);
        break;
    case NEVER_STOPS:
        actor_step(self);
        while (client_call(&c, api_by_name("source"), &count, &r, -1) == 0)
            continue;
        return;
    case ALL:
        break;
    }
    actor_step(self); /* and stays */
}

START_TEST(one_is_served_among_those_who_misbehave)
{
    struct actor c[(size_t)2 * ALL];
    int64_t value = 0;
    size_t n = sizeof c / sizeof *c;

    begin_among_mortals(_i);
    /* One user gets half of what others leave. */
    if (n + 2 > client.limits.max_clients / 2)
        n = client.limits.max_clients / 2 - 2;
    ck_assert_uint_ge(n, ALL);
    for (size_t i = 0; i < n; i++) {
        enum manners how = (enum manners)(i % ALL);

        actor_start(&c[i], customer_uid(), misbehave, &how);
        actor_wait(&c[i]);
        count_on(&client, &value);
        if (how == NEVER_STOPS)
            actor_go(&c[i]);
    }
    for (int i = 0; i < 20; i++)
        count_on(&client, &value);
    for (size_t i = 0; i < n; i++) {
        ck_assert(actor_kill(&c[i]));
        count_on(&client, &value);
    }
    end();
    sweep_up();
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *
test_neighbours(void)
{
    Suite *s = suite_create("neighbours");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        TCase *tc = test_case(s, ipc_registry[i]->name);

        tcase_set_timeout(tc, inject_timeout());
        add_if(tc, i,
               need_root() != NULL ? need_root()
                                   : need_customers(ipc_registry[i]),
               a_client_may_die_in_any_call, 0, PRIVATE);
        add_if(tc, i, need_customers(ipc_registry[i]),
               a_client_that_dies_in_any_call_takes_its_server_along,
               IPC_SPAWNED, 0);
        /* Root's misbehave under another uid. */
        add_if(tc, i,
               need_root() == NULL ? need_strangers(ipc_registry[i]) : NULL,
               one_is_served_among_those_who_misbehave, 0, PRIVATE);
    }
    return s;
}
