/*
 * test_compare.c - what `ipcbench compare` says about two runs whose answers
 * are known (made_up.h): which changes are slower, and what can not be said.
 */
#include "test/files.h"
#include "test/made_up.h"
#include "test/shell.h"

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
    ck_assert_uint_eq(five_percent(how), COMPARE_INCONCLUSIVE);
}
END_TEST

/* However large the change is. */
START_TEST(a_noisy_run_gives_inconclusive_and_nothing_else)
{
    struct recipe noisy = usual, slow = usual;

    noisy.aa = 1.04;
    slow.seed = 2;
    slow.slowdown = 2;
    compare_recipes(&noisy, &slow);
    ck_assert(comparison.noisy);
    ck_assert_int_eq(comparison.inconclusive, 2 * MECHANISMS);
    compare_recipes(&slow, &noisy);
    ck_assert_int_eq(comparison.inconclusive, 2 * MECHANISMS);
    ck_assert_int_eq(comparison.compared, 2 * MECHANISMS);
    noisy.aa = 1.02; /* is not noisy */
    compare_recipes(&noisy, &slow);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_SLOWER);
}
END_TEST

/* The host has put a CPU onto another core: all that goes between the two has
 * changed, and nothing is slower. */
START_TEST(between_cpus_that_have_moved_nothing_can_be_told)
{
    struct recipe near = usual, far = usual;

    near.placement = far.placement = TWO_CPU_AWAKE;
    far.seed = 2;
    far.slowdown = 2;
    far.apart = 1.2;
    compare_recipes(&near, &far);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_SLOWER);
    far.apart = 1.4;
    compare_recipes(&near, &far);
    ck_assert_int_eq(comparison.inconclusive, 2 * MECHANISMS);
    compare_recipes(&far, &near);
    ck_assert_int_eq(comparison.inconclusive, 2 * MECHANISMS);
    near.placement = far.placement = ONE_CPU; /* there is no way between */
    compare_recipes(&near, &far);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_SLOWER);
}
END_TEST

/* Beyond two switches the scheduler chooses, and another time otherwise. */
START_TEST(where_the_scheduler_chooses_it_takes_more)
{
    struct recipe once = usual, again = usual;

    again.seed = 2;
    again.slowdown = 1.05;
    again.switches = 2.4;
    compare_recipes(&once, &again);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_SLOWER);
    again.switches = 2.6;
    compare_recipes(&once, &again);
    ck_assert_uint_ne(verdict(VICTIM, ROW_RTT), COMPARE_SLOWER);
    again.slowdown = 1.3;
    compare_recipes(&once, &again);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_SLOWER);
}
END_TEST

/* -- many tables -------------------------------------------------------------
 *
 * Two runs of one build, over and over, with what runs really have: rounds that
 * scatter, rounds that something came in between, and whole runs in which a
 * mechanism is faster or slower than in the next, the bare echoes too.
 */
static const struct sky {
    double scatter;  /* standard deviation from round to round */
    double drift;    /* and from run to run, which no round can tell */
    double outliers; /* this part of the rounds takes half as much again */
} skies[] = {
    {.scatter = 0.01},
    {.scatter = 0.005, .drift = 0.005},
    {.scatter = 0.01, .drift = 0.01},
    {.scatter = 0.01, .drift = 0.02},
    {.scatter = 0.03, .drift = 0.01, .outliers = 0.1},
    {.scatter = 0.01, .drift = 0.005, .outliers = 0.2},
};

#define SKIES  (int)(sizeof skies / sizeof *skies)
#define TABLES 400

/* 0, give or take 1, about as a normal distribution has it. */
static double
normal(struct rng *rng)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += (double)rng_below(rng, 1000001) / 1e6;
    return sum;
}

/* New rounds under this sky: the ratios are all that is compared. */
static void
shake(struct compared_run *run, const struct sky *sky, double slowdown,
      struct rng *rng)
{
    const char *before = "";
    enum kind kind = ROW_ANY_KIND;
    double drift = 0;

    for (struct row *r = run->rows; r < run->rows + run->n; r++) {
        double v = sky->scatter * normal(rng);

        if (strcmp(r->mechanism, before) != 0 || r->kind != kind)
            drift = sky->drift * normal(rng);
        before = r->mechanism;
        kind = r->kind;
        if ((double)rng_below(rng, 1000) < 1000 * sky->outliers)
            v += log(1.5);
        if (strcmp(before, VICTIM) == 0)
            v += log(slowdown);
        r->ratio = exp(r->kind == ROW_RTT ? v + drift : -v - drift);
    }
}

/* In how many of TABLES pairs of runs `found` finds what it looks for. */
static long
tables_with(const struct sky *sky, double slowdown, bool (*found)(void))
{
    struct rng rng = {.state = 20};
    struct compared_run a, b;
    long n = 0;

    make_run(&usual, &a);
    make_run(&usual, &b);
    for (int i = 0; i < TABLES; i++) {
        shake(&a, sky, 1, &rng);
        shake(&b, sky, slowdown, &rng);
        comparison_free(&comparison);
        ck_assert_int_eq(compare_runs(&a, &b, &comparison), 0);
        ck_assert_int_eq(comparison.slower + comparison.faster +
                             comparison.same + comparison.inconclusive,
                         comparison.compared);
        n += found();
    }
    summary_free(&a.summary);
    summary_free(&b.summary);
    free(a.rows);
    free(b.rows);
    return n;
}

static bool
anything(void)
{
    return comparison.slower + comparison.faster > 0;
}

static bool
the_victim(void)
{
    return verdict(VICTIM, ROW_RTT) == COMPARE_SLOWER;
}

START_TEST(of_many_tables_of_one_build_at_most_one_in_20_has_a_verdict)
{
    long n = tables_with(&skies[_i], 1, anything);

    ck_assert_msg(n <= TABLES / 20, "%ld of %d, sky %d", n, TABLES, _i);
}
END_TEST

/* In the quiet ones. */
START_TEST(five_percent_in_one_variant_are_found_in_9_of_10_tables)
{
    long n = tables_with(&skies[_i], 1.05, the_victim);

    ck_assert_msg(10 * n >= 9L * TABLES, "%ld of %d, sky %d", n, TABLES, _i);
}
END_TEST

/* One error rate for all: more than that the interval leaves out 0. */
START_TEST(of_many_intervals_some_leave_out_0_and_that_is_no_verdict)
{
    const struct sky sky = {.scatter = 0.03};
    struct rng rng = {.state = 3};
    struct compared_run a, b;
    long without_0 = 0;

    make_run(&usual, &a);
    make_run(&usual, &b);
    for (int i = 0; i < TABLES; i++) {
        shake(&a, &sky, 1, &rng);
        shake(&b, &sky, 1, &rng);
        comparison_free(&comparison);
        ck_assert_int_eq(compare_runs(&a, &b, &comparison), 0);
        for (size_t j = 0; j < comparison.n; j++)
            without_0 += comparison.changes[j].change_lo > 0 ||
                         comparison.changes[j].change_hi < 0;
    }
    ck_assert_int_gt(without_0, TABLES / 2);
    summary_free(&a.summary);
    summary_free(&b.summary);
    free(a.rows);
    free(b.rows);
}
END_TEST

START_TEST(what_has_no_floor_is_named_and_not_counted)
{
    struct compared_run a, b;

    make_run(&usual, &a);
    make_run(&usual, &b);
    for (size_t i = 0; i < b.n; i++)
        if (strcmp(b.rows[i].mechanism, VICTIM) == 0)
            b.rows[i].ratio = NAN;
    comparison_free(&comparison);
    ck_assert_int_eq(compare_runs(&a, &b, &comparison), 0);
    ck_assert_uint_eq(verdict(VICTIM, ROW_RTT), COMPARE_NO_FLOOR);
    ck_assert_int_eq(comparison.compared, 2 * (MECHANISMS - 1));
    ck_assert_int_eq(comparison.same + comparison.inconclusive,
                     comparison.compared);
    summary_free(&a.summary);
    summary_free(&b.summary);
    free(a.rows);
    free(b.rows);
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
    slow.slowdown = 1.10;
    write_run(&usual, old);
    write_run(&slow, new);
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_msg(output.status == COMPARE_EXIT_SLOWER, "%s", output.err);
    ck_assert_ptr_nonnull(strstr(output.out, VICTIM));
    ck_assert_ptr_nonnull(strstr(output.out, "40 compared: 2 slower"));
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

/* -- results/README.md ----------------------------------------------------- */

/* Each "$ COMMAND" of the page, in the checkout, by the program under test; and
 * the lines after it are what it says, to the letter. */
static void
expect_answer(const char *command, size_t len, const char *answer)
{
    static const char built[] = "build/release/ipcbench ";
    const char *lines = answer;
    char path[4096];

    ck_assert_uint_gt(len, strlen(built));
    ck_assert(strncmp(command, built, strlen(built)) == 0);
    ck_assert_int_eq(program_path("ipcbench", path, sizeof path), 0);
    shell("sh -c \"'%s' %.*s\" 2>/dev/null", path, (int)(len - strlen(built)),
          command + strlen(built));
    while (strncmp(lines, "$ ", 2) != 0 && strncmp(lines, "```", 3) != 0)
        lines += strcspn(lines, "\n") + 1;
    ck_assert_uint_gt((size_t)(lines - answer), 0);
    ck_assert_msg(strlen(said) == (size_t)(lines - answer) &&
                      strncmp(said, answer, strlen(said)) == 0,
                  "%.*s\nsays\n%s", (int)len, command, said);
}

START_TEST(the_worked_example_is_what_the_commands_say)
{
    char path[4096];
    const char *page, *at;
    int commands = 0;

    snprintf(path, sizeof path, "%s/results/README.md", source_dir());
    page = strstr(file_text(path), "```console\n");
    ck_assert_ptr_nonnull(page);
    for (at = page; (at = strstr(at, "\n$ ")) != NULL; commands++) {
        size_t len = strcspn(at += 3, "\n");

        expect_answer(at, len, at + len + 1);
    }
    ck_assert_int_ge(commands, 3);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_compare(void)
{
    Suite *s = suite_create("compare");
    TCase *tc = test_case(s, "compare/verdicts");

    tcase_add_test(tc, a_slowdown_of_5_percent_in_one_variant_is_found);
    tcase_add_test(tc, a_stream_of_fewer_bytes_is_slower);
    tcase_add_test(tc, the_same_thing_twice_is_neither_faster_nor_slower);
    tcase_add_test(tc, a_run_is_the_same_as_itself);
    tcase_add_test(tc, what_is_within_the_limit_for_sure_is_the_same);
    tcase_add_test(tc, how_much_it_takes_depends_on_what_was_measured);
    tcase_add_test(tc, a_noisy_run_gives_inconclusive_and_nothing_else);
    tcase_add_test(tc, between_cpus_that_have_moved_nothing_can_be_told);
    tcase_add_test(tc, where_the_scheduler_chooses_it_takes_more);
    tcase_add_test(tc, what_has_no_floor_is_named_and_not_counted);
    tcase_add_test(tc, what_one_run_lacks_is_said_and_no_verdict);
    tc = test_case(s, "compare/tables");
    tcase_add_loop_test(
        tc, of_many_tables_of_one_build_at_most_one_in_20_has_a_verdict, 0,
        SKIES);
    tcase_add_loop_test(
        tc, five_percent_in_one_variant_are_found_in_9_of_10_tables, 0, 2);
    tcase_add_test(tc,
                   of_many_intervals_some_leave_out_0_and_that_is_no_verdict);
    tc = test_case(s, "compare/program");
    tcase_add_test(tc, exit_status_1_means_slower_and_0_that_nothing_is);
    tcase_add_test(tc, as_csv_every_change_is_a_line);
    tcase_add_test(tc, exit_status_2_means_that_they_cannot_be_compared);
    tcase_add_test(tc, exit_status_64_means_wrong_usage);
    tcase_add_test(tc, another_machine_is_a_warning);
    add_test_if(tc, need_source(), the_worked_example_is_what_the_commands_say);
    return s;
}
