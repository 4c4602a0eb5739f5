/*
 * test_compare.c - runs whose answers are known, since they were made up: what
 * `ipcbench compare` says about two of them, and the page that `ipcbench
 * report` makes of one.
 */
#define _GNU_SOURCE /* nftw */
#include "test/test.h"

#include "bench/compare.h"
#include "bench/record.h"

#include <ftw.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- runs made up ------------------------------------------------------------ */

#define ROUNDS     9
#define MECHANISMS 20L
#define VICTIM     "made/up-7"

/* What is done to a run. */
struct recipe {
    uint64_t seed;
    const char *placement;
    double p50_ns;   /* of the floor, on an average day */
    double slowdown; /* of VICTIM: 1.05 takes 5 % longer */
    double aa;       /* the second of the A/A pair / the first; 0: no pair */
    long rounds;
    bool without; /* VICTIM is missing */
    const char *status;
};

static const struct recipe usual = {
    .seed = 1,
    .placement = "one-cpu",
    .p50_ns = 5000,
    .slowdown = 1,
    .rounds = ROUNDS,
    .status = ROW_OK,
};

/* About 1, give or take 1 %: the middle of four draws from 0.96 .. 1.04. */
static double
noise(struct rng *rng)
{
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += (double)rng_below(rng, 8001) / 1e5 + 0.96;
    return sum / 4;
}

static struct row
made_up(const struct recipe *how, const char *mechanism, const char *kind,
        long round)
{
    struct row r = row_empty();

    r.round = round;
    r.size = 64;
    r.n = 1000;
    snprintf(r.mechanism, sizeof r.mechanism, "%s", mechanism);
    snprintf(r.placement, sizeof r.placement, "%s", how->placement);
    snprintf(r.kind, sizeof r.kind, "%s", kind);
    snprintf(r.status, sizeof r.status, "%s", how->status);
    return r;
}

static size_t
add_trip(struct row *rows, size_t n, const struct recipe *how, const char *name,
         long round, double p50)
{
    rows[n] = made_up(how, name, ROW_RTT, round);
    rows[n].p50_ns = p50;
    rows[n].per_second = 1e9 / p50;
    return n + 1;
}

static size_t
add_stream(struct row *rows, size_t n, const struct recipe *how,
           const char *name, long round, double rate)
{
    rows[n] = made_up(how, name, ROW_STREAM, round);
    rows[n].bytes_per_second = rate;
    rows[n].per_second = rate / 64;
    return n + 1;
}

#define MOST_ROWS ((size_t)ROUNDS * (2 * (MECHANISMS + 1) + 1))

/* The machine changes its speed from round to round by half as much again, for
 * everything alike; what is left is noise. */
static size_t
make_rows(const struct recipe *how, struct row *rows)
{
    struct rng rng = {.state = how->seed};
    size_t n = 0;

    for (long round = 1; round <= how->rounds; round++) {
        double weather = 1 + (double)rng_below(&rng, 51) / 100;
        double floor = how->p50_ns * weather, trip;
        char name[40];

        n = add_trip(rows, n, how, FLOOR_PIPE, round, floor * noise(&rng));
        n = add_stream(rows, n, how, FLOOR_MEMCPY, round, 1e10 / weather);
        for (int i = 0; i < MECHANISMS; i++) {
            double slower;

            snprintf(name, sizeof name, "made/up-%d", i);
            slower = strcmp(name, VICTIM) == 0 ? how->slowdown : 1;
            if (how->without && strcmp(name, VICTIM) == 0)
                continue;
            trip = floor * (1 + 0.1 * i) * slower * noise(&rng);
            n = add_trip(rows, n, how, name, round, trip);
            n = add_stream(rows, n, how, name, round,
                           1e8 / weather / slower * noise(&rng));
            if (i != 0 || how->aa <= 0)
                continue;
            n = add_trip(rows, n, how, name, round, trip * how->aa);
            rows[n - 1].copy = 1;
        }
    }
    ck_assert_uint_le(n, MOST_ROWS);
    return n;
}

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

static const char *
verdict(const char *mechanism, const char *kind)
{
    for (size_t i = 0; i < comparison.n; i++)
        if (strcmp(comparison.changes[i].mechanism, mechanism) == 0 &&
            strcmp(comparison.changes[i].kind, kind) == 0)
            return comparison.changes[i].verdict;
    return "there is none";
}

/* -- verdicts --------------------------------------------------------------- */

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
    ck_assert_str_eq(verdict(VICTIM, ROW_RTT), COMPARE_SLOWER);
    ck_assert_int_eq(comparison.faster, 0);
    ck_assert_str_eq(comparison.changes[0].mechanism, VICTIM);
    compare_recipes(&slow, &usual);
    ck_assert_str_eq(verdict(VICTIM, ROW_RTT), COMPARE_FASTER);
    ck_assert_int_eq(comparison.slower, 0);
}
END_TEST

START_TEST(a_stream_of_fewer_bytes_is_slower)
{
    struct recipe slow = usual;

    slow.seed = 2;
    slow.slowdown = 1.12;
    compare_recipes(&usual, &slow);
    ck_assert_str_eq(verdict(VICTIM, ROW_STREAM), COMPARE_SLOWER);
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
        ck_assert_int_eq(comparison.inconclusive, 2 * MECHANISMS);
    }
}
END_TEST

/* The verdict on 5 % where the old and the new run were like this. */
static const char *
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

    ck_assert_str_eq(five_percent(how), COMPARE_SLOWER);
    how.placement = "two-cpu-awake";
    ck_assert_str_eq(five_percent(how), COMPARE_SLOWER);
    how.placement = "two-cpu";
    ck_assert_str_eq(five_percent(how), COMPARE_INCONCLUSIVE);
    how = usual;
    how.p50_ns = 200; /* below 1 us */
    ck_assert_str_eq(five_percent(how), COMPARE_INCONCLUSIVE);
    how = usual;
    how.rounds = 4;
    ck_assert_str_eq(five_percent(how), COMPARE_INCONCLUSIVE);
    how = usual;
    how.status = ROW_REJECTED; /* all of them */
    ck_assert_str_eq(five_percent(how), COMPARE_INCONCLUSIVE);
    how = usual;
    how.aa = 1.07; /* the run itself says that 7 % mean nothing */
    ck_assert_str_eq(five_percent(how), COMPARE_INCONCLUSIVE);
}
END_TEST

START_TEST(what_one_run_lacks_is_said_and_no_verdict)
{
    struct recipe less = usual;

    less.seed = 2;
    less.without = true;
    compare_recipes(&usual, &less);
    ck_assert_str_eq(verdict(VICTIM, ROW_RTT), COMPARE_ONLY_OLD);
    ck_assert_int_eq(comparison.compared, 2 * (MECHANISMS - 1));
    ck_assert_int_eq(comparison.slower, 0);
    compare_recipes(&less, &usual);
    ck_assert_str_eq(verdict(VICTIM, ROW_STREAM), COMPARE_ONLY_NEW);
}
END_TEST

/* -- the program ---------------------------------------------------------------- */

static struct output output;
static char results[RECORD_PATH];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void
remove_results(void)
{
    ck_assert_int_eq(nftw(results, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* A results directory with these rows; its path. */
static void
write_rows(const struct row *rows, size_t n, char dir[RECORD_PATH])
{
    struct record rec;

    ck_assert_int_eq(record_path(run_dir, "results", results), 0);
    ck_assert_int_eq(record_open(&rec, results), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(record_row(&rec, &rows[i]), 0);
    ck_assert_int_eq(record_close(&rec), 0);
    ck_assert_int_eq(record_complete(&rec), 0);
    strcpy(dir, rec.dir);
}

static void
write_run(const struct recipe *how, char dir[RECORD_PATH])
{
    static struct row rows[MOST_ROWS];

    write_rows(rows, make_rows(how, rows), dir);
}

static void
write_file(const char *dir, const char *file, const char *text)
{
    char path[RECORD_PATH];
    FILE *f;

    ck_assert_int_eq(record_path(dir, file, path), 0);
    f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

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
    ck_assert_ptr_nonnull(strstr(output.out, COMPARE_ONLY_OLD));
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
    write_file(new, "cells.csv", "round,size\n1,64\n2,many\n");
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_CANNOT);
    ck_assert_ptr_nonnull(strstr(output.err, "line 3"));
    write_file(new, "cells.csv", "Dear Sir,\n");
    run_program(&output, "ipcbench", "compare", new, old, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_CANNOT);
    write_file(new, "cells.csv", "");
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
    write_file(old, "run.json", here);
    write_file(new, "run.json", there);
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_int_eq(output.status, COMPARE_EXIT_FINE);
    ck_assert_ptr_nonnull(strstr(output.err, "two machines"));
    write_file(new, "run.json", here);
    run_program(&output, "ipcbench", "compare", old, new, NULL);
    ck_assert_str_eq(output.err, "");
    remove_results();
}
END_TEST

/* -- the page ------------------------------------------------------------------- */

static char *
read_page(const char *dir)
{
    char path[RECORD_PATH], *page = NULL;
    size_t room = 0;
    FILE *f;

    ck_assert_int_eq(record_path(dir, "report.html", path), 0);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_gt(getdelim(&page, &room, '\0', f), 0);
    fclose(f);
    return page;
}

START_TEST(the_page_has_every_mechanism_and_needs_nobody)
{
    static const char *const parts[] = {
        "id=\"latency\"", "id=\"sizes\"",      "id=\"throughput\"",
        "id=\"tables\"",  "id=\"mechanisms\"", "id=\"doubts\"",
        "id=\"method\"",  "id=\"machine\"",    "</html>"};
    char dir[RECORD_PATH], name[40], *page;

    write_run(&usual, dir);
    run_program(&output, "ipcbench", "report", dir, NULL);
    ck_assert_msg(output.status == 0, "%s", output.err);
    page = read_page(dir);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(page, parts[i]) != NULL, "%s", parts[i]);
    for (int i = 0; i < MECHANISMS; i++) {
        snprintf(name, sizeof name, ">made/up-%d<", i);
        ck_assert_msg(strstr(page, name) != NULL, "%s", name);
    }
    ck_assert_ptr_null(strstr(page, "://"));
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "<link"));
    free(page);
    remove_results();
}
END_TEST

START_TEST(what_a_run_says_is_text_on_the_page_and_nothing_else)
{
    struct row rows[3];
    char dir[RECORD_PATH], *page;

    rows[0] = made_up(&usual, "<script>alert('a')</script>", ROW_RTT, 1);
    rows[1] = made_up(&usual, FLOOR_PIPE, ROW_RTT, 1);
    rows[2] = made_up(&usual, "x&y", ROW_RTT, 0);
    rows[0].p50_ns = rows[1].p50_ns = 1000;
    strcpy(rows[2].status, ROW_ABSENT);
    strcpy(rows[2].reason, "\"><img src=x onerror=y>");
    write_rows(rows, 3, dir);
    write_file(dir, "run.json",
               "{\"heading\": \"</h1><b>\", \"run\": {\"<i>\": \"<u>\", "
               "\"placements\": [7, {\"name\": \"<s>\"}]}, \"build\": 3}");
    run_program(&output, "ipcbench", "report", dir, NULL);
    ck_assert_msg(output.status == 0, "%s", output.err);
    page = read_page(dir);
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "<img src=x"));
    ck_assert_ptr_null(strstr(page, "<b>"));
    ck_assert_ptr_null(strstr(page, "<i>"));
    ck_assert_ptr_null(strstr(page, "<u>"));
    ck_assert_ptr_null(strstr(page, "<s>"));
    ck_assert_ptr_nonnull(strstr(page, "x&amp;y"));
    ck_assert_ptr_nonnull(strstr(page, "&lt;script&gt;alert(&#39;a&#39;)"));
    free(page);
    remove_results();
}
END_TEST

Suite *test_compare(void);

Suite *
test_compare(void)
{
    Suite *s = suite_create("compare");
    TCase *tc = test_case(s, "compare/verdicts");

    tcase_add_test(tc, the_interval_of_a_change_is_around_it);
    tcase_add_test(tc, a_slowdown_of_5_percent_in_one_variant_is_found);
    tcase_add_test(tc, a_stream_of_fewer_bytes_is_slower);
    tcase_add_test(tc, the_same_thing_twice_is_neither_faster_nor_slower);
    tcase_add_test(tc, how_much_it_takes_depends_on_what_was_measured);
    tcase_add_test(tc, what_one_run_lacks_is_said_and_no_verdict);
    tc = test_case(s, "compare/program");
    tcase_add_test(tc, exit_status_1_means_slower_and_0_that_nothing_is);
    tcase_add_test(tc, as_csv_every_change_is_a_line);
    tcase_add_test(tc, exit_status_2_means_that_they_cannot_be_compared);
    tcase_add_test(tc, exit_status_64_means_wrong_usage);
    tcase_add_test(tc, another_machine_is_a_warning);
    tc = test_case(s, "compare/page");
    tcase_add_test(tc, the_page_has_every_mechanism_and_needs_nobody);
    tcase_add_test(tc, what_a_run_says_is_text_on_the_page_and_nothing_else);
    return s;
}
