/*
 * test_together.c - a student's form of a mechanism and the textbook form of
 * the same: they speak the same wire, so the server of one serves the client of
 * the other.  A form alone: one request, one answer.
 *
 * For the lab (harness/lab/steps.def), which asks for it; what a mechanism's
 * name ends in says which forms those are.
 */
#define _GNU_SOURCE /* fchmod, sched_setaffinity */
#include "test/asked.h"
#include "test/here.h"
#include "test/subject.h"

#include "core/clock.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

Suite *test_together(void);

static const struct ipc_mechanism *
textbook_of(const struct ipc_mechanism *m)
{
    char name[64];

    snprintf(name, sizeof name, "%.*s/textbook", (int)strcspn(m->name, "/"),
             m->name);
    return ipc_find(name);
}

/* ipcd --stdio serves the mechanism that its client names; this one another. */
static void
make_impostor(const struct ipc_mechanism *m, char path[ENDPOINT_SIZE])
{
    char ipcd[PATH_MAX];
    FILE *f;

    snprintf(path, ENDPOINT_SIZE, "%.80s/server", programs_dir());
    ck_assert_int_eq(program_path("ipcd", ipcd, sizeof ipcd), 0);
    f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "#!/bin/sh\nexec '%s' --stdio -m %s\n", ipcd, m->name);
    ck_assert_int_eq(fchmod(fileno(f), 0755), 0);
    fclose(f);
}

static void
served_by(const struct ipc_mechanism *server_form,
          const struct ipc_mechanism *client_form)
{
    char program[ENDPOINT_SIZE];
    const struct api_value ms = {.u32 = 50};
    const char *where;
    struct reply r;

    subject = server_form;
    server_start(&server, server_form);
    where = server.where;
    if (has(IPC_SPAWNED)) {
        make_impostor(server_form, program);
        where = program;
    }
    expect_result(client_open(&client, client_form, where), 0,
                  "open() by the client of %s, of the server of %s",
                  client_form->name, server_form->name);
    expect_echo(&client, 0);
    expect_echo(&client, 100);
    expect_echo(&client, echo_room(&client));
    /* And one that is long to wait for: a client that mistakes an end which the
     * server has closed for the end of the server cannot be lucky then. */
    expect_call(&client, "sleep", &ms, WIRE_OK, &r);
    end();
    if (has(IPC_SPAWNED))
        remove(program);
}

START_TEST(one_request_has_one_answer)
{
    begin(_i);
    expect_echo(&client, 10);
    end();
}
END_TEST

START_TEST(its_server_serves_the_textbook_client)
{
    served_by(ipc_registry[_i], textbook_of(ipc_registry[_i]));
}
END_TEST

START_TEST(its_client_is_served_by_the_textbook_server)
{
    served_by(textbook_of(ipc_registry[_i]), ipc_registry[_i]);
}
END_TEST

START_TEST(who_asks_is_proved_and_not_only_said)
{
    begin(_i);
    doing("K2 (the owner of an object) or better",
          "the evidence in the table: how the server knows who asks");
    if (subject->evidence < IPC_OWNER)
        is_unexpected("%s: anybody can say that of itself",
                      ipc_evidence_name(subject->evidence));
    end();
}
END_TEST

/* -- speed ----------------------------------------------------------------- */

#define ROUNDS 15
#define TRIPS  100

static int
by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t
trips(struct client *c)
{
    const int64_t start = now_ns();

    for (int i = 0; i < TRIPS; i++)
        expect_echo(c, 64);
    return now_ns() - start;
}

/* All four processes on one processor: of two pairs one may be on one, and the
 * other on two, which costs more than any form does. */
static void
stay_on_one_cpu(void)
{
    cpu_set_t set;
    size_t cpu = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
}

/* Both in turn, so that whatever else the machine does hits both. */
START_TEST(it_takes_no_more_than_three_times_the_textbook_forms_time)
{
    int64_t took[2][ROUNDS];
    struct host book;
    struct client reader;
    const int middle = ROUNDS / 2;
    double ratio;

    stay_on_one_cpu();
    begin(_i);
    server_start(&book, textbook_of(subject));
    client_start(&book, &reader);
    trips(&reader);
    trips(&client);
    for (int i = 0; i < ROUNDS; i++) {
        took[0][i] = trips(&reader);
        took[1][i] = trips(&client);
    }
    for (int i = 0; i < 2; i++)
        qsort(took[i], ROUNDS, sizeof took[i][0], by_size);
    ratio = (double)took[1][middle] / (double)took[0][middle];
    doing("at most 3 times the time of the textbook form",
          "%d round trips of 64 bytes, %d times", TRIPS, ROUNDS);
    if (ratio > 3)
        is_unexpected("%.1f times (%.1f us a round trip, in the middle)", ratio,
                      (double)took[1][middle] / TRIPS / 1000);
    client_close(&reader);
    server_stop(&book);
    end();
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

static bool
is_a_students(const struct ipc_mechanism *m)
{
    const char *form = strchr(m->name, '/');

    return form != NULL && strcmp(form, "/work") == 0 && textbook_of(m) != NULL;
}

/* A time is judged where it is asked for, and not wherever tests run. */
static bool
speed_is_asked_for(void)
{
    return getenv("IPCLAB_SPEED") != NULL;
}

Suite *
test_together(void)
{
    Suite *s = suite_create("together");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        TCase *tc = test_case(s, ipc_registry[i]->name);

        add(tc, i, one_request_has_one_answer, 0, ALONE);
        if (!beyond_the_textbook() || textbook_of(ipc_registry[i]) == NULL)
            continue;
        add(tc, i, who_asks_is_proved_and_not_only_said, 0, ALONE);
        if (speed_is_asked_for() &&
            textbook_of(ipc_registry[i]) != ipc_registry[i])
            add(tc, i,
                it_takes_no_more_than_three_times_the_textbook_forms_time, 0,
                ALONE);
        if (!is_a_students(ipc_registry[i]))
            continue;
        add(tc, i, its_server_serves_the_textbook_client, 0, ALONE);
        add(tc, i, its_client_is_served_by_the_textbook_server, 0, ALONE);
    }
    return s;
}
