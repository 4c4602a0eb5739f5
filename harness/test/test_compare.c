/*
 * test_compare.c - what `ipcbench compare` says about two runs whose answers
 * are known (made_up.h): which changes are slower, and what can not be said.
 */
#include "test/made_up.h"

#include "bench/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

Suite *test_compare(void);

/* -- verdicts -------------------------------------------------------------- */

static void
make_run(const struct recipe *how, struct compared_run *run)
{
    run->rows = calloc(MOST_ROWS, sizeof *run->rows);
    ck_assert_ptr_nonnull(run->rows);
    run->n = make_rows(how, run->rows);
    ck_assert_int_eq(summarise(run->rows, run->n, &run->summary), 0);
}

static struct comparison comparison;

static void
compare_recipes(const struct recipe *old, const struct recipe *new)
{
    struct compared_run a, b;

    make_run(old, &a);
    make_run(new, &b);
    comparison_free(&comparison);
    ck_assert_int_eq(compare_runs(&a, &b, &comparison), 0);
    summary_free(&a.summary);
    summary_free(&b.summary);
    free(a.rows);
    free(b.rows);
}

static enum verdict
verdict(const char *mechanism, enum kind kind)
{
    for (size_t i = 0; i < comparison.n; i++)
        if (strcmp(comparison.changes[i].mechanism, mechanism) == 0 &&
            comparison.changes[i].kind == kind)
            return comparison.changes[i].verdict;
    return COMPARE_NO_VERDICT;
}

START_TEST(the_interval_of_a_change_is_around_it)
{
    const double low[] = {1, 1, 1, 1, 1}, high[] = {2, 2, 2, 2, 2};
    const double old[] = {10, 11, 12, 13, 14, 15, 16, 17, 18};
    struct interval r = change_interval(low, 5, high, 5);

    ck_assert(r.lo == 1 && r.mid == 1 && r.hi == 1);
    r = change_interval(high, 5, low, 5);
    ck_assert(r.lo == -0.5 && r.mid == -0.5 && r.hi == -0.5);
    r = change_interval(old, 9, old, 9);
    ck_assert_double_eq(r.mid, 0);
    ck_assert(r.lo < 0 && r.hi > 0);
    ck_assert(isnan(change_interval(low, 0, high, 5).mid));
    ck_assert(isnan(change_interval(low, 5, high, 0).mid));
}
END_TEST

START_TEST(a_slowdown_of_5_percent_in_one_variant_is_found)
{
    struct recipe slow = usual;

    slow.seed = 2;
    slow.slowdown = 1.05;
    compare_recipes(&usual, &slow);
    ck_assert_int_eq(comparison.compared, 2 * MECHANISMS);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_SLOWER);
    ck_assert_int_eq(comparison.faster, 0);
    ck_assert_str_eq(comparison.changes[0].mechanism, VICTIM);
    compare_recipes(&slow, &usual);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_FASTER);
    ck_assert_int_eq(comparison.slower, 0);
}
END_TEST

START_TEST(a_stream_of_fewer_bytes_is_slower)
{
    struct recipe slow = usual;

    slow.seed = 2;
    slow.slowdown = 1.12;
    compare_recipes(&usual, &slow);
    ck_assert_uint_eq(verdict(VICTIM, ROW_STREAM), COMPARE_SLOWER);
}
END_TEST

START_TEST(the_same_thing_twice_is_neither_faster_nor_slower)
{
    struct recipe again = usual;

    again.p50_ns = 8000; /* on a slower day */
    for (again.seed = 2; again.seed < 12; again.seed++) {
        compare_recipes(&usual, &again);
        ck_assert_int_eq(comparison.compared, 2 * MECHANISMS);
        ck_assert_int_eq(comparison.slower, 0);
        ck_assert_int_eq(comparison.faster, 0);
        ck_assert_int_eq(comparison.same + comparison.inconclusive,
                         2 * MECHANISMS);
    }
}
END_TEST

/* Of the same rounds nothing is inconclusive, however much they scatter. */
START_TEST(a_run_is_the_same_as_itself)
{
    compare_recipes(&usual, &usual);
    ck_assert_int_eq(comparison.same, 2 * MECHANISMS);
    ck_assert_int_eq(comparison.compared, 2 * MECHANISMS);
}
END_TEST

/* Where a change counts from 10 % on, and rounds scatter by 1 %. */
START_TEST(what_is_within_the_limit_for_sure_is_the_same)
{
    struct recipe once = usual, again = usual;

    once.placement = again.placement = TWO_CPU;
    again.seed = 2;
    again.slowdown = 1.02;
    compare_recipes(&once, &again);
    ck_assert_int_eq(comparison.same, 2 * MECHANISMS);
}
END_TEST

/* The verdict on 5 % where the old and the new run were like this. */
static enum verdict
five_percent(struct recipe how)
{
    struct recipe slow = how;

    slow.seed = 3;
    slow.slowdown = 1.05;
    slow.aa = 0;
    compare_recipes(&how, &slow);
    return verdict(VICTIM, ROW_RTT);
}

START_TEST(how_much_it_takes_depends_on_what_was_measured)
{
    struct recipe how = usual;

    ck_assert_uint_eq(five_percent(how), COMPARE_SLOWER);
    how.placement = TWO_CPU_AWAKE;
    ck_assert_uint_eq(five_percent(how), COMPARE_SLOWER);
    how.placement = TWO_CPU;
    ck_assert_uint_eq(five_percent(how), COMPARE_SAME);
    how = usual;
    how.p50_ns = 200; /* below 1 us */
    ck_assert_uint_ne(five_percent(how), COMPARE_SLOWER);
    how = usual;
    how.rounds = 4;
    ck_assert_uint_eq(five_percent(how), COMPARE_INCONCLUSIVE);
    how = usual;
    how.status = ROW_REJECTED; /* all of them */
    ck_assert_uint_eq(five_percent(how), COMPARE_INCONCLUSIVE);
    how = usual;
    how.aa = 1.07; /* the run itself says that 7 % mean nothing */
    ck_assert_uint_ne(five_percent(how), COMPARE_SLOWER);
}
END_TEST

START_TEST(what_one_run_lacks_is_said_and_no_verdict)
{
    struct recipe less = usual;

    less.seed = 2;
    less.without = true;
    compare_recipes(&usual, &less);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_ONLY_OLD);
    ck_assert_int_eq(comparison.compared, 2 * (MECHANISMS - 1));
    ck_assert_int_eq(comparison.slower, 0);
    compare_recipes(&less, &usual);
    ck_assert_uint_eq(verdict(VICTIM, ROW_STREAM), COMPARE_ONLY_NEW);
}
END_TEST

/* -- the program ----------------------------------------------------------- */

static struct output output;

START_TEST(exit_status_1_means_slower_and_0_that_nothing_is)
{
    char old[RECORD_PATH], new[RECORD_PATH], csv[RECORD_PATH];
    struct recipe slow = usual;
    size_t width;

    slow.seed = 2;
    slow.slowdown = 1.05;
    write_run(&usual, old);
    write_run(&slow, new);
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_msg(output.status == COMPARE_EXIT_SLOWER, "%s", output.err);
    ck_assert_ptr_nonnull(strstr(output.out, VICTIM));
    ck_assert_ptr_nonnull(strstr(output.out, "40 compared: 1 slower"));
    for (const char *p = output.out; *p != '\0'; p += width + 1) {
        width = strcspn(p, "\n");
        ck_assert_msg(width <= 100, "%.*s", (int)width, p);
    }
    run_program(&output, "ipcbench", "compare", new, old, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_FINE); /* faster is fine */
    ck_assert_int_eq(record_path(old, "cells.csv", csv), 0);
    run_program(&output, "ipcbench", "compare", csv, old, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_FINE);
    ck_assert_str_eq(output.err, "");
    remove_results();
}
END_TEST

START_TEST(as_csv_every_change_is_a_line)
{
    char old[RECORD_PATH], new[RECORD_PATH];
    struct recipe less = usual;
    int lines = 0;

    less.without = true;
    write_run(&usual, old);
    write_run(&less, new);
    run_program(&output, "ipcbench", "compare", "--csv", old, new, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_FINE);
    for (const char *p = output.out; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    ck_assert_int_eq(lines, 1 + 2 * MECHANISMS);
    ck_assert_ptr_nonnull(strstr(output.out, ",only in OLD,"));
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_ptr_nonnull(strstr(output.out, "only in OLD: " VICTIM));
    remove_results();
}
END_TEST

START_TEST(exit_status_2_means_that_they_cannot_be_compared)
{
    char old[RECORD_PATH], new[RECORD_PATH];
    struct row foreign = made_up(&usual, "other/one", ROW_RTT, 1);

    write_run(&usual, old);
    run_program(&output, "ipcbench", "compare", old, "/nowhere", NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_CANNOT);
    ck_assert_ptr_nonnull(strstr(output.err, "/nowhere"));
    write_rows(&foreign, 1, new); /* nothing in common */
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_CANNOT);
    write_in(new, "cells.csv", "round,size\n1,64\n2,many\n");
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_CANNOT);
    ck_assert_ptr_nonnull(strstr(output.err, "line 3"));
    write_in(new, "cells.csv", "Dear Sir,\n");
    run_program(&output, "ipcbench", "compare", new, old, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_CANNOT);
    write_in(new, "cells.csv", "");
    run_program(&output, "ipcbench", "compare", new, old, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_CANNOT);
    remove_results();
}
END_TEST

START_TEST(exit_status_64_means_wrong_usage)
{
    run_program(&output, "ipcbench", "compare", "one", NULL);
    ck_assert_int_eq(output.status, 64);
    run_program(&output, "ipcbench", "compare", "one", "two", "three", NULL);
    ck_assert_int_eq(output.status, 64);
    run_program(&output, "ipcbench", "compare", "--fast", "one", "two", NULL);
    ck_assert_int_eq(output.status, 64);
    run_program(&output, "ipcbench", "compare", "--help", NULL);
    ck_assert_int_eq(output.status, 0);
}
END_TEST

START_TEST(another_machine_is_a_warning)
{
    static const char here[] = "{\"heading\": \"here\", \"run\": "
                               "{\"ended\": \"2025-11-22\"}}",
                      there[] = "{\"heading\": \"there\", \"run\": "
                                "{\"ended\": \"2025-11-23\"}}";
    char old[RECORD_PATH], new[RECORD_PATH];

    write_run(&usual, old);
    write_run(&usual, new);
    write_in(old, "run.json", here);
    write_in(new, "run.json", there);
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_FINE);
    ck_assert_ptr_nonnull(strstr(output.err, "two machines"));
    write_in(new, "run.json", here);
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_str_eq(output.err, "");
    remove_results();
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_compare(void)
{
    Suite *s = suite_create("compare");
    TCase *tc = test_case(s, "compare/verdicts");

    tcase_add_test(tc, the_interval_of_a_change_is_around_it);
    tcase_add_test(tc, a_slowdown_of_5_percent_in_one_variant_is_found);
    tcase_add_test(tc, a_stream_of_fewer_bytes_is_slower);
    tcase_add_test(tc, the_same_thing_twice_is_neither_faster_nor_slower);
    tcase_add_test(tc, a_run_is_the_same_as_itself);
    tcase_add_test(tc, what_is_within_the_limit_for_sure_is_the_same);
    tcase_add_test(tc, how_much_it_takes_depends_on_what_was_measured);
    tcase_add_test(tc, what_one_run_lacks_is_said_and_no_verdict);
    tc = test_case(s, "compare/program");
    tcase_add_test(tc, exit_status_1_means_slower_and_0_that_nothing_is);
    tcase_add_test(tc, as_csv_every_change_is_a_line);
    tcase_add_test(tc, exit_status_2_means_that_they_cannot_be_compared);
    tcase_add_test(tc, exit_status_64_means_wrong_usage);
    tcase_add_test(tc, another_machine_is_a_warning);
    return s;
}
