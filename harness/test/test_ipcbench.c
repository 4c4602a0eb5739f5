/*
 * test_ipcbench.c - the whole program: a short run, a
 * report without a run, a run that is stopped.  Nothing here looks at how long
 * anything took.
 */
#define _GNU_SOURCE /* CPU_SET */
#include "test/files.h"
#include "test/ruled.h"
#include "test/test.h"

#include "bench/record.h"
#include "bench/summary.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* Where its results go, and the run's own directory in there. */
static char results[RECORD_PATH], run[RECORD_PATH];

static void
make_results(void)
{
    ck_assert_int_eq(record_path(run_dir, "results", results), 0);
}

/* The one directory that the run has left. */
static void
find_run(void)
{
    DIR *d = opendir(results);
    struct dirent *e;
    int n = 0;

    ck_assert_msg(d != NULL, "%s", results);
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, "latest") == 0)
            continue;
        ck_assert_int_eq(record_path(results, e->d_name, run), 0);
        n++;
    }
    closedir(d);
    ck_assert_int_eq(n, 1);
}

static bool
run_has(const char *file)
{
    char path[RECORD_PATH];

    ck_assert_int_eq(record_path(run, file, path), 0);
    return access(path, F_OK) == 0;
}

static void
remove_results(void)
{
    remove_tree(results);
}

static struct output output;

/* Two sides execute some each, a function call all on one.  There are more than
 * a system call takes, and fewer than would be counted if the warm-up was. */
static void
expect_instructions(const struct row *r)
{
    bool called = strcmp(r->mechanism, "null/call") == 0;

    ck_assert(r->client_instructions > 10 && r->client_instructions < 50000);
    if (called)
        ck_assert_double_eq(r->server_instructions, 0);
    else
        ck_assert(r->server_instructions > 10 &&
                  r->server_instructions < 50000);
}

/* What a row must have, by its kind. */
static void
expect_row(const struct row *r)
{
    bool is_timed = r->kind != ROW_CALLS;

    if (r->kind == ROW_GAPS)
        return; /* perhaps nobody disturbs this machine */
    ck_assert_int_gt(r->n, 0);
    if (is_timed)
        ck_assert(r->seconds > 0 && r->per_second > 0);
    if (r->kind == ROW_STREAM)
        ck_assert(r->bytes_per_second > 0);
    else if (is_timed && strcmp(r->mechanism, FLOOR_PERF) != 0)
        ck_assert(r->min_ns <= r->p50_ns && r->p50_ns <= r->p99_ns &&
                  r->p99_ns <= r->max_ns);
    /* What goes through the kernel cannot do without it. */
    if (r->kind == ROW_CALLS && strcmp(r->mechanism, "floor/pipe") == 0)
        ck_assert_str_eq(r->calls,
                         "client: 1 read, 1 write; server: 1 read, 1 write");
    if (r->kind == ROW_CALLS && strcmp(r->mechanism, "null/call") == 0)
        ck_assert_str_eq(r->calls, "client: none; server: none");
    if (r->kind == ROW_CALLS)
        expect_instructions(r);
}

static void
expect_rows(void)
{
    struct row *rows;
    unsigned line;
    size_t n;
    long best = 0;

    ck_assert_int_eq(record_read(run, &rows, &n, &line), 0);
    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];

        ck_assert_msg(r->status != ROW_FAILED, "%s %s %s %ld: %s", r->mechanism,
                      where_words[r->placement], kind_words[r->kind], r->size,
                      r->reason);
        if (r->round > best)
            best = r->round;
        if (r->status == ROW_ABSENT) {
            ck_assert_str_ne(r->reason, "");
            continue;
        }
        expect_row(r);
    }
    ck_assert_int_eq(best, 2); /* rounds */
    free(rows);
}

START_TEST(a_small_run_leaves_complete_files)
{
    char path[RECORD_PATH], target[RECORD_PATH] = "";
    json_t *json;

    make_results();
    run_program(&output, "ipcbench", "run", "-m", "null", "-m", "pipe",
                "--duration=2", "--rounds=2", "--seed=5", "--out", results,
                NULL);
    ck_assert_msg(output.status == 0, "%s", output.err);
    ck_assert_ptr_nonnull(strstr(output.out, "Checked: 4 of 4"));
    find_run();
    expect_rows();
    ck_assert(!record_incomplete(run));
    ck_assert_int_eq(record_path(run, "run.json", path), 0);
    json = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(json_integer_value(
                         json_object_get(json_object_get(json, "run"), "seed")),
                     5);
    json_decref(json);
    ck_assert(run_has("summary.csv"));
    ck_assert_int_eq(record_path(results, "latest", path), 0);
    ck_assert_int_gt(readlink(path, target, sizeof target - 1), 0);
    ck_assert_str_eq(target, strrchr(run, '/') + 1);
    remove_results();
}
END_TEST

static struct row
row(const char *mechanism, double p50)
{
    struct row r = row_empty();

    r.round = 1;
    strcpy(r.mechanism, mechanism);
    r.placement = ONE_CPU;
    r.kind = ROW_RTT;
    r.status = ROW_OK;
    r.size = 64;
    r.p50_ns = p50;
    return r;
}

START_TEST(report_needs_nothing_but_the_rows)
{
    struct row rows[] = {
        row("socket/stream", 8000),
        row(FLOOR_PIPE, 4000),
        row("gone/long-ago", 5000),
    };
    struct record rec;

    make_results();
    ck_assert_int_eq(record_open(&rec, results), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(record_row(&rec, &rows[i]), 0);
    ck_assert_int_eq(record_close(&rec), 0);
    strcpy(run, rec.dir);
    run_program(&output, "ipcbench", "report", run, NULL);
    ck_assert_msg(output.status == 0, "%s", output.err);
    ck_assert_ptr_nonnull(strstr(output.out, "INCOMPLETE"));
    ck_assert_ptr_nonnull(strstr(output.out, "gone/long-ago"));
    ck_assert_ptr_nonnull(strstr(output.out, "2.00")); /* x floor */
    ck_assert(run_has("summary.csv"));
    remove_results();
}
END_TEST

START_TEST(tables_are_at_most_100_columns_wide)
{
    size_t width;

    run_program(&output, "ipcbench", "list", NULL);
    ck_assert_int_eq(output.status, 0);
    for (const char *p = output.out; *p != '\0'; p += width + 1) {
        width = strcspn(p, "\n");
        ck_assert_msg(width <= 100, "%.*s", (int)width, p);
    }
    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        ck_assert_ptr_nonnull(strstr(output.out, ipc_registry[i]->name));
}
END_TEST

/* ipcbench run, with its standard output at the other end of *from. */
static pid_t
start_run(int *from)
{
    char path[4096];
    int out[2];
    pid_t pid;

    ck_assert_int_eq(program_path("ipcbench", path, sizeof path), 0);
    ck_assert_int_eq(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        execl(path, "ipcbench", "run", "-m", "pipe", "-m", "fifo", "-m",
              "msgq/posix", "-m", "msgq/sysv-private", "-m", "shm/sysv", "-m",
              "sem", "--budget=60", "--out", results, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    *from = out[0];
    return pid;
}

/* Reads what the run prints until it has said this much. */
static void
read_until(int from, const char *said)
{
    char text[4096] = "";
    size_t n = 0;
    ssize_t got;

    while (strstr(text, said) == NULL) {
        got = read(from, text + n, sizeof text - 1 - n);
        ck_assert_int_gt(got, 0);
        n += (size_t)got;
        text[n] = '\0';
    }
}

/* Waits until the run has written this much about its cells. */
static void
wait_for_cells(off_t bytes)
{
    struct stat st = {.st_size = 0};
    char path[RECORD_PATH];

    find_run();
    ck_assert_int_eq(record_path(run, "cells.csv", path), 0);
    while (st.st_size < bytes) {
        ck_assert_int_eq(stat(path, &st), 0);
        sched_yield();
    }
}

/* kill -9 cannot be caught: what the run has made is removed by a process that
 * waits for just that, and holds our pipe open until it has. */
START_TEST(a_run_that_is_killed_leaves_no_object_behind)
{
    static const char *const moments[] = {"results", "Checked", "Checked"};
    char text[4096];
    int from, status;
    pid_t pid;

    make_results();
    pid = start_run(&from);
    read_until(from, moments[_i]);
    if (_i == 2)
        wait_for_cells(3000); /* in the midst of the cells */
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    while (read(from, text, sizeof text) > 0)
        continue;
    close(from);
    find_run();
    ck_assert(record_incomplete(run));
    remove_results();
    children_end();
    ck_assert_str_eq(objects_left(), "");
}
END_TEST

/* The fixture sees to it that no server and no object is left behind. */
START_TEST(a_run_that_is_stopped_cleans_up_and_says_so)
{
    int from, status;
    pid_t pid;

    make_results();
    pid = start_run(&from);
    read_until(from, "Checked");
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(from);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
    find_run();
    ck_assert(record_incomplete(run));
    remove_results();
}
END_TEST

/* -- what a machine may lack -------------------------------------------------
 *
 * In each case: what happened is said, and what still works still works. */

static void
small_run(const char *out)
{
    run_program(&output, "ipcbench", "run", "-m", "pipe/coprocess",
                "--duration=2", "--rounds=2", "--out", out, NULL);
}

/* As root in a mount namespace of the test's own. */
START_TEST(a_full_disk_is_named_and_leaves_what_was_written)
{
    make_results();
    ck_assert_int_eq(mkdir(results, 0755), 0);
    ck_assert_int_eq(mount("none", results, "tmpfs", 0, "size=32k"), 0);
    small_run(results);
    ck_assert_int_eq(output.status, EX_CANTCREAT);
    ck_assert_ptr_nonnull(strstr(output.err, "No space left on device"));
    ck_assert_ptr_nonnull(strstr(output.err, "--out"));
    find_run();
    ck_assert(record_incomplete(run));
    ck_assert(run_has("cells.csv"));
    ck_assert_int_eq(umount(results), 0);
    remove_results();
}
END_TEST

START_TEST(read_only_results_are_refused_before_anything_is_measured)
{
    make_results();
    ck_assert_int_eq(mkdir(results, 0755), 0);
    ck_assert_int_eq(mount("none", results, "tmpfs", MS_RDONLY, NULL), 0);
    small_run(results);
    ck_assert_int_eq(output.status, EX_CANTCREAT);
    ck_assert_ptr_nonnull(strstr(output.err, "Read-only file system"));
    ck_assert_ptr_nonnull(strstr(output.err, "--out"));
    ck_assert_ptr_null(strstr(output.out, "Checked"));
    ck_assert_int_eq(umount(results), 0);
    remove_results();
}
END_TEST

START_TEST(without_gnuplot_there_are_tables_and_a_page_that_says_so)
{
    struct row rows[] = {row("socket/stream", 8000), row(FLOOR_PIPE, 4000)};
    struct record rec;

    make_results();
    ck_assert_int_eq(record_open(&rec, results), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(record_row(&rec, &rows[i]), 0);
    ck_assert_int_eq(record_close(&rec), 0);
    strcpy(run, rec.dir);
    ck_assert_int_eq(setenv("PATH", "/nowhere", 1), 0);
    run_program(&output, "ipcbench", "report", run, NULL);
    ck_assert_int_eq(output.status, EX_OK);
    ck_assert_ptr_nonnull(strstr(output.out, "no gnuplot"));
    ck_assert_ptr_nonnull(strstr(output.out, "socket/stream"));
    ck_assert(run_has("summary.csv") && run_has("report.html"));
    ck_assert(!run_has("latency.svg"));
    remove_results();
}
END_TEST

/* A spinning variant is absent there, with the reason. */
START_TEST(on_one_cpu_everything_is_measured_that_can_be)
{
    cpu_set_t all, one;
    int cpu = 0;

    make_results();
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET((unsigned)cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET((unsigned)cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    run_program(&output, "ipcbench", "run", "-m", "pipe/coprocess", "-m",
                "shm/spin", "--duration=2", "--rounds=2", "--out", results,
                NULL);
    ck_assert_msg(output.status == 0, "%s", output.err);
    ck_assert_ptr_nonnull(strstr(output.out, "one CPU only"));
    ck_assert_ptr_nonnull(strstr(output.out, "spins: on one CPU"));
    find_run();
    expect_rows();
    remove_results();
}
END_TEST

/* What was measured of this, and where both sides have a CPU of their own,
 * whether the way between them was looked at. */
static void
expect_floor(const struct row *rows, size_t n, const char *name, enum kind kind)
{
    long there = 0, apart = 0;
    cpu_set_t cpus; /* that we may use: taskset(1) */

    for (const struct row *r = rows; r < rows + n; r++) {
        if (strcmp(r->mechanism, name) != 0 || r->kind != kind)
            continue;
        there++;
        if (r->placement == ONE_CPU)
            continue;
        apart++;
        ck_assert_msg(r->line_before_ns > 0 && r->line_after_ns > 0, "%s",
                      name);
    }
    ck_assert_msg(there > 0, "no row of %s", name);
    ck_assert_int_eq(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    ck_assert_msg(apart > 0 || CPU_COUNT(&cpus) < 2, "%s", name);
}

START_TEST(shared_memory_has_a_line_a_page_and_a_ring_for_floors)
{
    struct row *rows;
    unsigned line;
    size_t n;

    make_results();
    run_program(&output, "ipcbench", "run", "-m", "shm/futex", "--duration=2",
                "--rounds=2", "--sizes=64", "--out", results, NULL);
    ck_assert_msg(output.status == 0, "%s", output.err);
    find_run();
    ck_assert_int_eq(record_read(run, &rows, &n, &line), 0);
    expect_floor(rows, n, "shm/futex", ROW_RTT);
    expect_floor(rows, n, "shm/futex", ROW_STREAM);
    expect_floor(rows, n, FLOOR_PAGE, ROW_RTT);
    expect_floor(rows, n, FLOOR_RING, ROW_STREAM);
    expect_floor(rows, n, FLOOR_COPY, ROW_STREAM);
    free(rows);
    remove_results();
}
END_TEST

/* Run by an ordinary user, whose results belong to him.  Root may hold two CPUs
 * awake; of one only there is nothing to hold. */
static void
run_as_alice(void *arg)
{
    cpu_set_t cpus;

    (void)arg;
    small_run(results);
    ck_assert_msg(output.status == 0, "%s", output.err);
    ck_assert_int_eq(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    ck_assert_ptr_nonnull(
        strstr(output.out, CPU_COUNT(&cpus) > 1 ? "root may" : "one CPU only"));
}

START_TEST(without_root_only_what_root_may_is_missing)
{
    make_results();
    ck_assert_int_eq(mkdir(results, 0755), 0);
    ck_assert_int_eq(chown(results, ALICE, ALICE), 0);
    as_user(ALICE, run_as_alice, NULL);
    find_run();
    expect_rows();
    ck_assert(!record_incomplete(run));
    remove_results();
}
END_TEST

START_TEST(bad_usage_exits_64_and_says_what_to_do)
{
    run_program(&output, "ipcbench", NULL);
    ck_assert_int_eq(output.status, 64);
    run_program(&output, "ipcbench", "run", "--rounds=many", NULL);
    ck_assert_int_eq(output.status, 64);
    ck_assert_ptr_nonnull(strstr(output.err, "--rounds"));
    run_program(&output, "ipcbench", "run", "-m", "smoke/signals", NULL);
    ck_assert_int_eq(output.status, 64);
    ck_assert_ptr_nonnull(strstr(output.err, "ipcbench list"));
    run_program(&output, "ipcbench", "report", "/nowhere", NULL);
    ck_assert_int_ne(output.status, 0);
    ck_assert_ptr_nonnull(strstr(output.err, "/nowhere"));
}
END_TEST

Suite *test_ipcbench(void);

Suite *
test_ipcbench(void)
{
    Suite *s = suite_create("ipcbench");
    TCase *tc = test_case(s, "ipcbench");

    tcase_add_test(tc, a_small_run_leaves_complete_files);
    tcase_add_test(tc, report_needs_nothing_but_the_rows);
    add_test_if(tc, need_mechanism(ipc_find("shm/futex")),
                shared_memory_has_a_line_a_page_and_a_ring_for_floors);
    tcase_add_test(tc, tables_are_at_most_100_columns_wide);
    tcase_add_test(tc, a_run_that_is_stopped_cleans_up_and_says_so);
    tcase_add_loop_test(tc, a_run_that_is_killed_leaves_no_object_behind, 0, 3);
    add_test_if(tc, need_mounts(),
                a_full_disk_is_named_and_leaves_what_was_written);
    add_test_if(tc, need_mounts(),
                read_only_results_are_refused_before_anything_is_measured);
    tcase_add_test(tc,
                   without_gnuplot_there_are_tables_and_a_page_that_says_so);
    add_test_if(tc, need_mechanism(ipc_find("shm/spin")),
                on_one_cpu_everything_is_measured_that_can_be);
    add_test_if(tc,
                access("/dev/cpu_dma_latency", F_OK) == 0
                    ? need_root()
                    : "need /dev/cpu_dma_latency, which root may open",
                without_root_only_what_root_may_is_missing);
    tcase_add_test(tc, bad_usage_exits_64_and_says_what_to_do);
    return s;
}
