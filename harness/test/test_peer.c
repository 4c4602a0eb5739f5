/*
 * test_peer.c - other programs among ours: what they print is read, those that
 * do not work cost themselves and nobody else, and they are drawn hollow.
 */
#include "test/files.h"
#include "test/made_up.h"

#include "bench/peer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Suite *test_peer(void);

static struct output output;

/* -- what they print ------------------------------------------------------- */

static struct row
read_text(const char *text)
{
    struct row r = row_empty();
    char reason[160] = "";

    r.size = 64;
    ck_assert_msg(peer_read(text, &r, reason, sizeof reason) == 0, "%s: %s",
                  text, reason);
    return r;
}

static void
expect_refused(const char *text, const char *why)
{
    struct row r = row_empty();
    char reason[160] = "";

    ck_assert_int_eq(peer_read(text, &r, reason, sizeof reason), -EBADMSG);
    ck_assert_msg(strstr(reason, why) != NULL, "%s: %s", text, reason);
}

START_TEST(one_number_with_a_unit_is_a_time_or_a_rate)
{
    static const char perf[] =
        "# Running 'sched/pipe' benchmark:\n"
        "# Executed 20000 pipe operations between two processes\n\n"
        "     Total time: 0.101 [sec]\n\n"
        "       5.061350 usecs/op\n"
        "         197575 ops/sec\n";
    struct row r = read_text("5.06 us\n");

    ck_assert_uint_eq(r.kind, ROW_RTT);
    ck_assert_double_eq_tol(r.p50_ns, 5060, 1e-6);
    ck_assert_double_eq_tol(read_text(perf).p50_ns, 5061.35, 1e-6);
    ck_assert_double_eq_tol(read_text("latency: 2500 ns").p50_ns, 2500, 1e-6);
    ck_assert_double_eq_tol(read_text("it took 1.5e-1 ms, then").p50_ns, 150000,
                            1e-6);
    r = read_text("64 bytes: 210000 messages/s");
    ck_assert_uint_eq(r.kind, ROW_STREAM);
    ck_assert_double_eq(r.per_second, 210000);
    ck_assert_double_eq(r.bytes_per_second, 64 * 210000.0);
    ck_assert(isnan(r.p50_ns));
}
END_TEST

START_TEST(anything_else_is_refused_and_says_what_is_wanted)
{
    expect_refused("", "no number");
    expect_refused("Dear Sir", "no number");
    expect_refused("5.06\n", "with a unit");
    expect_refused("5 used", "with a unit");
    expect_refused("5 us, at most 9 us", "2 numbers");
    expect_refused("0 us", "no time");
    expect_refused("-3 us", "no time");
    expect_refused("inf us nan us", "no number");
}
END_TEST

/* -- in a run -------------------------------------------------------------- */

static char results[RECORD_PATH];

#define RUN_WITH(...) \
    run_program(&output, "ipcbench", "run", "-m", "pipe/coprocess", \
                "--duration=2", "--rounds=2", "--sizes=64", "--out", results, \
                __VA_ARGS__, NULL)

/* How many rows of that name have this status, of the run in results/latest. */
static long
rows_of(const char *name, enum status status)
{
    char dir[RECORD_PATH];
    struct row *rows;
    unsigned line;
    size_t n;
    long found = 0;

    /* NOLINTNEXTLINE(readability-suspicious-call-argument): it is where dir is */
    ck_assert_int_eq(record_path(results, "latest", dir), 0);
    ck_assert_int_eq(record_read(dir, &rows, &n, &line), 0);
    for (size_t i = 0; i < n; i++)
        found += strcmp(rows[i].mechanism, name) == 0 &&
                 rows[i].kind != ROW_CALLS && rows[i].status == status;
    free(rows);
    return found;
}

/* Two rounds, at one placement or two. */
START_TEST(a_peer_is_a_cell_of_every_round_at_every_placement)
{
    long places;

    ck_assert_int_eq(record_path(run_dir, "results", results), 0);
    RUN_WITH("--peer", "five=echo 5 us", "--peer",
             "cpu=test $IPCBENCH_CLIENT_CPU -ge 0 && echo 7 us");
    ck_assert_msg(output.status == 0, "%s", output.err);
    ck_assert_ptr_nonnull(strstr(output.out, "peer/five: 5 us"));
    places = rows_of(FLOOR_PIPE, ROW_OK) + rows_of(FLOOR_PIPE, ROW_REJECTED);
    ck_assert_int_ge(places, 2);
    ck_assert_int_eq(rows_of("peer/five", ROW_OK), places);
    ck_assert_int_eq(rows_of("peer/cpu", ROW_OK), places);
    remove_tree(results);
}
END_TEST

static const struct bad {
    const char *peer, *name, *why;
} bad_peers[] = {
    {"unit=echo 5", "peer/unit", "with a unit"},
    {"lost=/no/such/program", "peer/lost", "not found"},
    {"exit=echo no luck >&2; exit 3", "peer/exit", "exit status 3: no luck"},
    {"dead=kill -9 $$", "peer/dead", "signal"},
    {"none=true", "peer/none", "no number"},
};

#define BAD(i) "--peer", bad_peers[i].peer

START_TEST(a_bad_peer_is_named_with_the_reason_and_costs_nobody_else)
{
    ck_assert_int_eq(record_path(run_dir, "results", results), 0);
    RUN_WITH(BAD(0), BAD(1), BAD(2), BAD(3), BAD(4), "--peer",
             "good=echo 5 us");
    ck_assert_msg(output.status == 0, "%s", output.err);
    for (size_t i = 0; i < sizeof bad_peers / sizeof *bad_peers; i++) {
        const struct bad *bad = &bad_peers[i];
        char said[64];

        snprintf(said, sizeof said, "%s is not measured: ", bad->name);
        ck_assert_msg(strstr(output.err, said) != NULL, "%s", output.err);
        ck_assert_msg(strstr(output.err, bad->why) != NULL, "%s", output.err);
        ck_assert_msg(strstr(output.out, bad->why) != NULL, "%s",
                      output.out); /* in the table, too */
        ck_assert_int_eq(rows_of(bad->name, ROW_ABSENT), 1);
        ck_assert_int_eq(rows_of(bad->name, ROW_OK), 0);
    }
    ck_assert_int_ge(rows_of("peer/good", ROW_OK), 2);
    ck_assert_int_ge(rows_of("pipe/coprocess", ROW_OK) +
                         rows_of("pipe/coprocess", ROW_REJECTED),
                     2);
    remove_tree(results);
}
END_TEST

/* The fixture finds them if they still run; they are ours to reap. */
START_TEST(a_peer_that_hangs_is_ended_with_all_that_it_has_started)
{
    ck_assert_int_eq(record_path(run_dir, "results", results), 0);
    RUN_WITH("--peer", "bad=sleep 1000 & sleep 1000");
    ck_assert_msg(output.status == 0, "%s", output.err);
    ck_assert_ptr_nonnull(strstr(output.err, "peer/bad is not measured: hung"));
    ck_assert_int_eq(rows_of("peer/bad", ROW_ABSENT), 1);
    remove_tree(results);
    children_end();
}
END_TEST

START_TEST(what_is_no_peer_is_wrong_usage)
{
    static const char *const wrong[] = {"zmq", "=echo 5 us", "a b=echo 5 us",
                                        "zmq=", "zmq= "};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        run_program(&output, "ipcbench", "run", "--peer", wrong[i], NULL);
        ck_assert_int_eq(output.status, 64);
        ck_assert_ptr_nonnull(strstr(output.err, "NAME=COMMAND"));
    }
    run_program(&output, "ipcbench", "run", "--peer", "a=x", "--peer", "a=y",
                NULL);
    ck_assert_int_eq(output.status, 64);
    ck_assert_ptr_nonnull(strstr(output.err, "two peers called peer/a"));
}
END_TEST

/* -- on the chart ---------------------------------------------------------- */

/* How many marks of this shape latency.svg has (gnuplot counts from 0). */
static unsigned
marks(const char *dir, int shape)
{
    char path[RECORD_PATH], mark[48];

    snprintf(mark, sizeof mark, "href='#gpPt%d' transform='translate",
             shape - 1);
    ck_assert_int_eq(record_path(dir, "latency.svg", path), 0);
    return times_in(file_text(path), mark);
}

#define FULL   7 /* plot/style.gp: the first placement's */
#define HOLLOW 6

START_TEST(a_peer_is_drawn_as_a_hollow_mark)
{
    struct row rows[3];
    char dir[RECORD_PATH];

    rows[0] = made_up(&usual, FLOOR_PIPE, ROW_RTT, 1);
    rows[1] = made_up(&usual, "made/up-1", ROW_RTT, 1);
    rows[2] = made_up(&usual, "made/up-2", ROW_RTT, 1);
    for (int i = 0; i < 3; i++)
        rows[i].p50_ns = 5000 + 100 * i;
    write_rows(rows, 3, dir);
    run_program(&output, "ipcbench", "report", dir, NULL);
    ck_assert_msg(output.status == 0, "%s", output.err);
    ck_assert_uint_eq(marks(dir, HOLLOW), 0);
    ck_assert_uint_ge(marks(dir, FULL), 2);
    remove_results();
    strcpy(rows[2].mechanism, "peer/two");
    write_rows(rows, 3, dir);
    run_program(&output, "ipcbench", "report", dir, NULL);
    ck_assert_uint_eq(marks(dir, HOLLOW), 1);
    remove_results();
}
END_TEST

Suite *
test_peer(void)
{
    Suite *s = suite_create("peer");
    TCase *tc = test_case(s, "peer/numbers");

    tcase_add_test(tc, one_number_with_a_unit_is_a_time_or_a_rate);
    tcase_add_test(tc, anything_else_is_refused_and_says_what_is_wanted);
    tc = test_case(s, "peer/run");
    tcase_add_test(tc, a_peer_is_a_cell_of_every_round_at_every_placement);
    tcase_add_test(tc,
                   a_bad_peer_is_named_with_the_reason_and_costs_nobody_else);
    tcase_add_test(tc, a_peer_that_hangs_is_ended_with_all_that_it_has_started);
    tcase_add_test(tc, what_is_no_peer_is_wrong_usage);
    add_test_if(tc, need_gnuplot(), a_peer_is_drawn_as_a_hollow_mark);
    return s;
}
