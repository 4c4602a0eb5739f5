/*
 * test_attack.c - `make attack`, whole: every attack is refused, its naive form
 * falls, and it says so.
 */
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *test_attack(void);

static struct output o;

/* What failed is in the output; Check shows the end of it. */
START_TEST(every_attack_is_refused_and_its_naive_form_falls)
{
    char command[ENDPOINT_SIZE + 32];

    run_program(&o, "ipcattack", "-o", run_dir, NULL);
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    for (char *line = strtok(o.out, "\n"); line != NULL;
         line = strtok(NULL, "\n"))
        ck_assert_msg(strlen(line) <= 100 || strstr(line, run_dir) != NULL,
                      "more than 100 columns: %s", line);
    snprintf(command, sizeof command, "rm -r %s/*-attack", run_dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(an_attack_that_there_is_not_is_a_usage_error)
{
    run_program(&o, "ipcattack", "9999", NULL);
    ck_assert_int_eq(o.status, 64);
    ck_assert_ptr_nonnull(strstr(o.err, "there is no attack 9999"));
}
END_TEST

Suite *
test_attack(void)
{
    Suite *s = suite_create("attack");
    TCase *tc = test_case(s, "attack");

    tcase_set_timeout(tc, 300); /* that many programs, perhaps sanitized */
    tcase_add_test(tc, every_attack_is_refused_and_its_naive_form_falls);
    tcase_add_test(tc, an_attack_that_there_is_not_is_a_usage_error);
    return s;
}
