/*
 * test_attack.c - `make attack`, whole: every attack is refused, its naive form
 * falls, and it says so.
 */
#define _GNU_SOURCE /* memmem, strndupa */
#include "test/inside.h"
#include "test/shell.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *test_attack(void);

static struct output o;

/* What Check can show is bounded (CK_MAX_MSG_SIZE), and a message that is
 * longer ends the whole test program.  So: the lines that matter, the verdict,
 * and what was said on standard error, from its beginning. */
static const char *
what_failed(const struct output *all)
{
    static char text[3000];
    size_t len = 0;

    for (const char *line = all->out; *line != '\0' && len < 1500;) {
        int n = (int)strcspn(line, "\n");

        if (memmem(line, (size_t)n, "<--", 3) != NULL)
            len += (size_t)snprintf(text + len, 200, "%.190s\n",
                                    strndupa(line, (size_t)n));
        line += n + (line[n] == '\n');
    }
    snprintf(text + len, sizeof text - len, "%.1200s%s", all->err,
             strlen(all->err) > 1200 ? "...\n" : "");
    return text;
}

static void
expect_lines(char *text, size_t columns)
{
    for (char *line = strtok(text, "\n"); line != NULL;
         line = strtok(NULL, "\n"))
        ck_assert_msg(strlen(line) <= columns || strstr(line, run_dir) != NULL,
                      "more than %zu columns: %s", columns, line);
}

/* In a narrow terminal; the file has what there is no room for. */
START_TEST(every_attack_is_refused_and_its_naive_form_falls)
{
    char command[ENDPOINT_SIZE + 32];

    ck_assert_int_eq(setenv("COLUMNS", "80", 1), 0);
    run_program(&o, "ipcattack", "-o", run_dir, NULL);
    ck_assert_msg(o.status == 0, "status %d\n%s", o.status, what_failed(&o));
    expect_lines(o.out, 80);
    ck_assert_int_eq(shell_in(run_dir, "cat *-attack/attack.txt"), 0);
    expect_said("what the attacker does");
    expect_lines(said, 100);
    snprintf(command, sizeof command, "rm -r '%s'/*-attack", run_dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* What hostile.sh does a million times with sanitizers, a few times here. */
START_TEST(a_server_among_hostile_clients_goes_on)
{
    run_program(&o, "ipcattack", "--hostile", ipc_registry[_i]->name, "500",
                "1", NULL);
    ck_assert_msg(o.status == 0, "status %d\n%s%s", o.status, o.out, o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "no report"));
}
END_TEST

START_TEST(an_attack_that_there_is_not_is_a_usage_error)
{
    run_program(&o, "ipcattack", "9999", NULL);
    ck_assert_int_eq(o.status, 64);
    ck_assert_ptr_nonnull(strstr(o.err, "there is no attack 9999"));
}
END_TEST

/* What one user does to itself is not an attack: its own server it may remove,
 * and when it is barred all are. */
static const char *
need_many_users(const struct ipc_mechanism *m)
{
    const char *reason = need_mechanism(m);

    if (reason == NULL)
        reason = need_strangers(m);
    if (reason == NULL)
        reason = need_spaces();
    return reason != NULL ? reason : need_shared_programs();
}

Suite *
test_attack(void)
{
    Suite *s = suite_create("attack");
    TCase *tc = test_case(s, "attack");

    tcase_set_timeout(tc, 300); /* that many programs, perhaps sanitized */
    tcase_add_test(tc, every_attack_is_refused_and_its_naive_form_falls);
    for (int i = 0; ipc_registry[i] != NULL; i++)
        if (ipc_registry[i]->samples & IPC_SAMPLE_BESIEGED)
            add_loop_test_if(tc, need_many_users(ipc_registry[i]),
                             a_server_among_hostile_clients_goes_on, i);
    tcase_add_test(tc, an_attack_that_there_is_not_is_a_usage_error);
    return s;
}
