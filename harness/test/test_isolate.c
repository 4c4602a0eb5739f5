/*
 * test_isolate.c - the isolation matrix (ns/isolate.h): which mechanism gets
 * through which namespace, that it is as expected, and what is said if not.
 */
#define _GNU_SOURCE /* open_memstream */
#include "test/files.h"
#include "test/inside.h"

#include "ns/isolate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

Suite *test_isolate(void);

START_TEST(isolation_is_as_expected)
{
    const char *const names[] = {ipc_registry[_i]->name, NULL};
    struct isolate_matrix x;

    ck_assert_int_eq(isolate_plan(&x, names), 0);
    ck_assert_uint_eq(x.n, (size_t)FORMS * SIDES);
    ck_assert_int_eq(isolate_run(&x), 0);
    for (size_t i = 0; i < x.n; i++) {
        ck_assert(x.cells[i].known);
        ck_assert_msg(!x.cells[i].surprise, "%s, %s, side %d: %s, not %s",
                      x.cells[i].m->name, isolate_forms[x.cells[i].form].name,
                      (int)x.cells[i].side, isolate_word(&x.cells[i].seen),
                      isolate_word(&x.cells[i].expected));
    }
    isolate_free(&x);
}
END_TEST

/* The whole table without a run: every mechanism has its expectations. */
static struct isolate_matrix
expected_matrix(void)
{
    struct isolate_matrix x;

    ck_assert_int_eq(isolate_plan(&x, NULL), 0);
    for (size_t i = 0; i < x.n; i++) {
        ck_assert_msg(x.cells[i].known, "%s: nobody knows what it needs",
                      x.cells[i].m->name);
        ck_assert_ptr_nonnull(x.cells[i].why);
        x.cells[i].seen = x.cells[i].expected;
    }
    return x;
}

static char *
tables(const struct isolate_matrix *x, int columns)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(f);
    isolate_tables(x, columns, f);
    fclose(f);
    return text;
}

/* All columns where there is room, else fewer; no line is longer. */
START_TEST(every_mechanism_has_its_expectations)
{
    static const int columns[] = {100, 80};
    struct isolate_matrix x = expected_matrix();

    for (size_t i = 0; i < 2; i++) {
        char *text = tables(&x, columns[i]);

        ck_assert(strstr(text, "FINDING") == NULL);
        ck_assert(strstr(text, "yes for all: ") == NULL || i == 1);
        for (char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
            ck_assert_msg((int)strcspn(line, "\n") <= columns[i], "%.*s",
                          (int)strcspn(line, "\n"), line);
        free(text);
    }
    isolate_free(&x);
}
END_TEST

/* A kernel on which abstract names cross network namespaces. */
START_TEST(what_differs_is_reported_as_a_finding)
{
    struct isolate_matrix x = expected_matrix();
    char *text;

    for (size_t i = 0; i < x.n; i++) {
        struct isolate_cell *c = &x.cells[i];

        if (c->form != FORM_NET || c->side != CLIENT_INSIDE ||
            strcmp(c->m->name, "socket/abstract") != 0)
            continue;
        ck_assert_int_eq(c->expected.result, ISOLATE_REFUSED);
        c->seen.result = ISOLATE_CONNECTS;
        c->seen.err = 0;
        c->surprise = !isolate_same(&c->seen, &c->expected);
        ck_assert(c->surprise);
    }
    text = tables(&x, 100);
    ck_assert_ptr_nonnull(strstr(text, "FINDING: socket/abstract, client in a "
                                       "new namespace (net)"));
    ck_assert_ptr_nonnull(strstr(text, " yes* ")); /* and in the table */
    free(text);
    isolate_free(&x);
}
END_TEST

START_TEST(isolate_leaves_its_results_and_nothing_else)
{
    char out[ENDPOINT_SIZE + 8];
    static struct output o;

    snprintf(out, sizeof out, "%s/out", run_dir);
    run_program(&o, "ipcbench", "isolate", "-m", "pipe/packet", "--out", out,
                (char *)NULL);
    ck_assert_msg(o.status == 0, "%.3000s", o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "isolate.csv"));
    remove_tree(out);
}
END_TEST

START_TEST(what_there_are_no_queues_for_is_no_finding)
{
    const struct rlimit none = {0, 0};
    char out[ENDPOINT_SIZE + 8];
    static struct output o;

    ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &none), 0);
    snprintf(out, sizeof out, "%s/out", run_dir);
    run_program(&o, "ipcbench", "isolate", "-m", "msgq/posix", "--out", out,
                (char *)NULL);
    ck_assert_msg(o.status == 0, "%.3000s", o.err);
    ck_assert_ptr_nonnull(
        strstr(o.out, "not run here: 22 cells (all), because: EMFILE"));
    remove_tree(out);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_isolate(void)
{
    Suite *s = suite_create("isolate");
    TCase *tc = test_case(s, "isolate");
    const char *reason = need_spaces();

    for (int i = 0; ipc_registry[i] != NULL; i++)
        if (ipc_registry[i]->samples & IPC_SAMPLE_ISOLATED)
            add_loop_test_if(tc, reason, isolation_is_as_expected, i);
    tcase_add_test(tc, every_mechanism_has_its_expectations);
    tcase_add_test(tc, what_differs_is_reported_as_a_finding);
    tcase_add_test(tc, what_there_are_no_queues_for_is_no_finding);
    add_test_if(tc, reason, isolate_leaves_its_results_and_nothing_else);
    return s;
}
