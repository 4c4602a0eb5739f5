/*
 * test_export.c - a run's results for other programs (bench/export.h): each
 * form is read back, and is the run.
 */
#define _GNU_SOURCE /* strsep */
#include "test/files.h"
#include "test/made_up.h"
#include "test/shell.h"

#include "bench/record.h"
#include "bench/summary.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_export(void);

static struct output output;
static char dir[RECORD_PATH];

static const char *
summary_of(const char *run)
{
    char path[RECORD_PATH];

    ck_assert_int_eq(record_path(run, "summary.csv", path), 0);
    return file_text(path);
}

START_TEST(csv_on_standard_output_is_the_summary_and_nothing_else)
{
    write_run(&usual, dir);
    run_program(&output, "ipcbench", "report", "--csv=-", dir, NULL);
    ck_assert_int_eq(output.status, 0);
    ck_assert_str_eq(output.out, summary_of(dir));
    ck_assert_ptr_nonnull(strstr(output.err, VICTIM)); /* the tables */
    remove_results();
}
END_TEST

START_TEST(json_has_each_line_of_the_summary_with_its_numbers)
{
    size_t lines = 0;
    json_t *all, *results, *one = NULL;
    const char *text;

    write_run(&usual, dir);
    run_program(&output, "ipcbench", "report", "--json=-", dir, NULL);
    ck_assert_int_eq(output.status, 0);
    all = json_loads(output.out, 0, NULL);
    ck_assert_msg(all != NULL, "%.400s", output.out);
    ck_assert(json_is_null(json_object_get(all, "run"))); /* no run.json */
    results = json_object_get(all, "results");
    for (text = strchr(summary_of(dir), '\n'); text != NULL;
         text = strchr(text + 1, '\n'))
        lines++;
    ck_assert_uint_eq(json_array_size(results), lines - 1);
    for (size_t i = 0; i < lines - 1; i++) {
        one = json_array_get(results, i);
        text = json_string_value(json_object_get(one, "kind"));
        ck_assert_ptr_nonnull(text);
        if (strcmp(text, "rtt") == 0)
            break;
    }
    ck_assert_str_ne(json_string_value(json_object_get(one, "mechanism")), "");
    ck_assert_int_eq(json_integer_value(json_object_get(one, "size")), 64);
    ck_assert(json_real_value(json_object_get(one, "p50_ns")) > 0);
    json_decref(all);
    remove_results();
}
END_TEST

START_TEST(markdown_has_the_tables_with_as_many_cells_in_each_row)
{
    char path[RECORD_PATH], *rest, *line;
    int bars = 0, rows = 0;

    write_run(&usual, dir);
    ck_assert_int_eq(record_path(dir, "tables.md", path), 0);
    run_program(&output, "ipcbench", "report", dir, "--markdown", path, NULL);
    ck_assert_int_eq(output.status, 0);
    ck_assert_ptr_nonnull(strstr(output.out, VICTIM));
    rest = strdup(file_text(path));
    ck_assert_ptr_nonnull(rest);
    ck_assert_ptr_nonnull(strstr(rest, "\n| " VICTIM " | "));
    for (char *text = rest; (line = strsep(&text, "\n")) != NULL;) {
        int here = 0;

        for (const char *at = line; *at != '\0'; at++)
            here += *at == '|' && (at == line || at[-1] != '\\');
        if (here > 0 && bars > 0)
            ck_assert_msg(here == bars, "%d, not %d: %s", here, bars, line);
        bars = here;
        rows += here > 0;
    }
    ck_assert_int_gt(rows, MECHANISMS);
    free(rest);
    remove_results();
}
END_TEST

START_TEST(what_cannot_be_written_is_said_before_anything_is_done)
{
    write_run(&usual, dir);
    run_program(&output, "ipcbench", "report", "--csv=-", "--json=-", dir,
                NULL);
    ck_assert_int_eq(output.status, 64);
    run_program(&output, "ipcbench", "report", "--json=/nowhere/x", dir, NULL);
    ck_assert_int_eq(output.status, 73);
    ck_assert_ptr_nonnull(strstr(output.err, "cannot write /nowhere/x: "));
    ck_assert_str_eq(output.out, "");
    run_program(&output, "ipcbench", "report", "--json=/dev/full", dir, NULL);
    ck_assert_int_eq(output.status, 73);
    ck_assert_ptr_nonnull(strstr(output.err, "/dev/full: No space left"));
    remove_results();
}
END_TEST

START_TEST(report_takes_the_cells_as_compare_does)
{
    char path[RECORD_PATH];

    write_run(&usual, dir);
    ck_assert_int_eq(record_path(dir, "cells.csv", path), 0);
    run_program(&output, "ipcbench", "report", path, NULL);
    ck_assert_msg(output.status == 0, "%s", output.err);
    ck_assert_ptr_nonnull(strstr(output.out, VICTIM));
    remove_results();
}
END_TEST

START_TEST(sizes_have_units_and_rounds_are_whole)
{
    run_program(&output, "ipcbench", "run", "--rounds=1.5", NULL);
    ck_assert_int_eq(output.status, 64);
    ck_assert_ptr_nonnull(strstr(output.err, "whole number, not `1.5'"));
    run_program(&output, "ipcbench", "run", "--sizes=4k,2KiB", NULL);
    ck_assert_int_eq(output.status, 64);
    ck_assert_ptr_nonnull(strstr(output.err, "rising numbers, not `4k,2KiB'"));
    run_program(&output, "ipcbench", "run", "--sizes=4kg", NULL);
    ck_assert_int_eq(output.status, 64);
    run_program(&output, "ipcbench", "run", "--sizes=2M", NULL);
    ck_assert_int_eq(output.status, 64);
    run_program(&output, "ipcbench", "run", "-m", "pip/", NULL);
    ck_assert_int_eq(output.status, 64);
    ck_assert_ptr_nonnull(strstr(output.err, "called `pip/'"));
}
END_TEST

/* A complete run without a row. */
static void
complete(struct record *rec, bool measured)
{
    char mark[RECORD_PATH];

    ck_assert_int_eq(record_open(rec, run_dir), 0);
    ck_assert_int_eq(record_close(rec), 0);
    ck_assert_int_eq(record_complete(rec, measured), 0);
    ck_assert_int_eq(record_path(rec->dir, "INCOMPLETE", mark), 0);
    ck_assert_int_eq(access(mark, F_OK), -1);
}

START_TEST(latest_is_a_run_that_measured_something)
{
    struct record first, nothing;
    char latest[RECORD_PATH], to[RECORD_PATH] = "";

    ck_assert_int_eq(record_path(run_dir, "latest", latest), 0);
    complete(&nothing, false);
    ck_assert_int_eq(readlink(latest, to, sizeof to - 1), -1);
    complete(&first, true);
    complete(&nothing, false);
    ck_assert_int_ne(readlink(latest, to, sizeof to - 1), -1);
    ck_assert_str_eq(to, first.name);
    ck_assert_int_eq(shell("find '%s' -mindepth 1 -delete", run_dir), 0);
}
END_TEST

Suite *
test_export(void)
{
    Suite *s = suite_create("export");
    TCase *tc = test_case(s, "export");

    tcase_add_test(tc, csv_on_standard_output_is_the_summary_and_nothing_else);
    tcase_add_test(tc, json_has_each_line_of_the_summary_with_its_numbers);
    tcase_add_test(tc, markdown_has_the_tables_with_as_many_cells_in_each_row);
    tcase_add_test(tc, what_cannot_be_written_is_said_before_anything_is_done);
    tcase_add_test(tc, report_takes_the_cells_as_compare_does);
    tcase_add_test(tc, sizes_have_units_and_rounds_are_whole);
    tcase_add_test(tc, latest_is_a_run_that_measured_something);
    return s;
}
