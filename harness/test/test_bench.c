/*
 * test_bench.c - what a run of the comparison writes and what is made of it:
 * placements, rows and distributions written and read back, the summary.
 * (Its arithmetic: test_stats.c.  The program: test_ipcbench.c)
 */
#define _GNU_SOURCE /* fmemopen, MAP_ANONYMOUS */
#include "test/test.h"

#include "bench/distribution.h"
#include "bench/placement.h"
#include "bench/plan.h"
#include "bench/stats.h"
#include "bench/summary.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

Suite *test_bench(void);

/* -- placement ------------------------------------------------------------- */

START_TEST(every_placement_is_usable_or_says_why)
{
    const struct placement *one;
    struct cpus cpus;

    ck_assert_int_eq(cpus_find(&cpus), 0);
    ck_assert_int_ge(cpus.allowed, 1);
    for (int i = 0; i < PLACEMENTS; i++) {
        const struct placement *p = &cpus.placements[i];

        if (p->reason[0] != '\0')
            continue;
        ck_assert_int_eq(placement_enter(p), 0);
        placement_leave();
        if (p->together)
            ck_assert_int_eq(p->client, p->server);
        else if (p->client != -1)
            ck_assert_int_ne(p->client, p->server);
    }
    one = placement_find(&cpus, "one-cpu");
    ck_assert_ptr_nonnull(one);
    ck_assert_str_eq(one->reason, "");
    ck_assert_ptr_null(placement_find(&cpus, "three-cpu"));
}
END_TEST

/* -- files ----------------------------------------------------------------- */

static struct row
sample(void)
{
    struct row r = row_empty();

    r.round = 3;
    strcpy(r.mechanism, "pipe/packet");
    r.placement = ONE_CPU;
    r.kind = ROW_RTT;
    r.size = 4060;
    r.status = ROW_FAILED;
    strcpy(r.reason, "it said \"no, never\", twice");
    r.n = 1234567890;
    r.p50_ns = 4321.125;
    return r;
}

/* How many textbook forms a run plans that is asked for these. */
static size_t
textbook_forms(const char *const *names)
{
    const size_t sizes[] = {64, 0};
    const long clients[] = {1, 0};
    const char *const places[] = {"one-cpu", NULL};
    const struct plan_options o = {.mechanisms = names,
                                   .placements = places,
                                   .sizes = sizes,
                                   .clients = clients};
    const char *who = NULL;
    struct cpus cpus;
    struct plan p;
    size_t n = 0;

    ck_assert_int_eq(cpus_find(&cpus), 0);
    ck_assert_int_eq(plan_make(&p, &o, &cpus, &who), 0);
    for (size_t i = 0; i < p.mechanism_count; i++)
        n += (p.mechanisms[i]->caps & IPC_TEXTBOOK) != 0;
    plan_free(&p);
    return n;
}

START_TEST(textbook_forms_are_measured_when_asked_for)
{
    const char *const all[] = {NULL}, *const directory[] = {"pipe", NULL},
                      *const one[] = {"pipe/textbook", NULL};

    ck_assert_uint_eq(textbook_forms(all), 0);
    ck_assert_uint_eq(textbook_forms(directory), 1);
    ck_assert_uint_eq(textbook_forms(one), 1);
}
END_TEST

START_TEST(a_row_survives_being_written_and_read)
{
    struct row out = sample(), in = row_empty();
    char text[4096];
    FILE *f = fmemopen(text, sizeof text, "w+");
    struct csv_reader reader;

    ck_assert_int_eq(csv_write_header(f, row_columns), 0);
    ck_assert_int_eq(csv_write(f, row_columns, &out), 0);
    rewind(f);
    ck_assert_int_eq(csv_open(&reader, f, row_columns), 0);
    ck_assert_int_eq(csv_read(&reader, &in), 1);
    ck_assert_str_eq(in.mechanism, out.mechanism);
    ck_assert_str_eq(in.reason, out.reason);
    ck_assert_uint_eq(in.placement, ONE_CPU);
    ck_assert_uint_eq(in.kind, ROW_RTT);
    ck_assert_uint_eq(in.mode, ROW_NO_MODE);
    ck_assert_uint_eq(in.status, ROW_FAILED);
    ck_assert_int_eq(in.round, out.round);
    ck_assert_int_eq(in.n, out.n);
    ck_assert_double_eq(in.p50_ns, out.p50_ns);
    ck_assert(isnan(in.p99_ns)); /* not known stays not known */
    ck_assert_int_eq(csv_read(&reader, &in), 0);
    fclose(f);
}
END_TEST

static int
read_text(char *text, struct row *r)
{
    FILE *f = fmemopen(text, strlen(text), "r");
    struct csv_reader reader;
    int err = csv_open(&reader, f, row_columns);

    *r = row_empty();
    while (err == 0 && (err = csv_read(&reader, r)) == 1)
        err = 0;
    fclose(f);
    return err;
}

START_TEST(columns_are_found_by_name)
{
    char text[] = "size,invented_later,mechanism\n64,x,fifo/perclient\n";
    struct row r;

    ck_assert_int_eq(read_text(text, &r), 0);
    ck_assert_int_eq(r.size, 64);
    ck_assert_str_eq(r.mechanism, "fifo/perclient");
    ck_assert(isnan(r.p50_ns));
}
END_TEST

/* A newer program may have measured more, and elsewhere. */
START_TEST(a_word_of_another_time_is_read_as_another)
{
    char text[] = "placement,kind,status\non-the-moon,warp,late\n";
    struct row r;

    ck_assert_int_eq(read_text(text, &r), 0);
    ck_assert_uint_eq(r.placement, ELSEWHERE);
    ck_assert_uint_eq(r.kind, ROW_OTHER_KIND);
    ck_assert_uint_eq(r.status, ROW_OTHER_STATUS);
}
END_TEST

START_TEST(what_is_no_row_is_refused)
{
    char other[] = "Dear Sir,\n", letters[] = "size\nmany\n",
         fields[] = "size,n\n1\n", more[] = "size\n1,2\n";
    struct row r;

    ck_assert_int_eq(read_text(other, &r), -EBADMSG);
    ck_assert_int_eq(read_text(letters, &r), -EBADMSG);
    ck_assert_int_eq(read_text(fields, &r), -EBADMSG);
    ck_assert_int_eq(read_text(more, &r), -EBADMSG);
}
END_TEST

START_TEST(half_a_last_line_is_left_out)
{
    char text[] = "size,n\n1,2\n3,";
    struct row r;

    ck_assert_int_eq(read_text(text, &r), 0);
    ck_assert_int_eq(r.size, 1);
}
END_TEST

/* 1000 times of 1 us and 20 of 1 ms, written as a run would, and read. */
START_TEST(a_distribution_survives_being_written_and_read)
{
    static struct histogram pool;
    struct placement place = {.where = ONE_CPU};
    struct cell cell = {.name = "x/y",
                        .placement = &place,
                        .kind = ROW_RTT,
                        .size = 64,
                        .pool = &pool};
    struct plan plan = {.cells = &cell, .cell_count = 1};
    struct line line = {
        .mechanism = "x/y", .placement = ONE_CPU, .kind = ROW_RTT, .size = 64};
    struct distributions all;
    struct distribution one;
    char path[RECORD_PATH];

    histogram_clear(&pool);
    for (int i = 0; i < 1020; i++)
        histogram_add(&pool, i < 1000 ? 1000 : 1000000);
    ck_assert_int_eq(distributions_write(&plan, run_dir), 0);
    ck_assert_int_eq(distributions_read(run_dir, &all), 0);
    one = distribution_of(&all, &line);
    ck_assert_double_eq(one.count, 1020);
    ck_assert_double_eq_tol(distribution_quantile(&one, 0.5), 1000, 8);
    ck_assert_double_eq_tol(distribution_quantile(&one, 0.985), 1e6, 8000);
    /* With fewer than ten beyond it a percentile is an anecdote. */
    ck_assert(isnan(distribution_quantile(&one, 0.995)));
    line.size = 65;
    ck_assert_uint_eq(distribution_of(&all, &line).n, 0);
    distributions_free(&all);
    ck_assert_int_eq(distributions_write_grid(&all, run_dir), 0);
    ck_assert_int_eq(record_path(run_dir, "histograms.csv", path), 0);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* -- summary --------------------------------------------------------------- */

static struct row
measured(const char *mechanism, long round, double p50, enum status status)
{
    struct row r = row_empty();

    r.round = round;
    strcpy(r.mechanism, mechanism);
    r.placement = ONE_CPU;
    r.kind = ROW_RTT;
    r.status = status;
    r.size = 64;
    r.n = 100;
    r.p50_ns = p50;
    return r;
}

START_TEST(ratios_are_to_the_floor_of_the_same_round)
{
    struct row rows[] = {
        measured("x", 1, 10, ROW_OK),  measured(FLOOR_PIPE, 1, 5, ROW_OK),
        measured("x", 2, 40, ROW_OK),  measured(FLOOR_PIPE, 2, 20, ROW_OK),
        measured("x", 3, 100, ROW_OK), measured(FLOOR_PIPE, 3, 50, ROW_OK),
    };
    struct summary s;
    const struct line *l;

    ck_assert_int_eq(summarise(rows, 6, &s), 0);
    ck_assert_uint_eq(s.n, 2);
    l = summary_find(&s, "x", ONE_CPU, ROW_RTT, 64);
    ck_assert_ptr_nonnull(l);
    ck_assert_double_eq(l->p50_ns, 40);
    ck_assert_double_eq(l->ratio, 2);
    ck_assert(l->ratio_lo == 2 && l->ratio_hi == 2);
    ck_assert_int_eq(l->used, 3);
    summary_free(&s);
}
END_TEST

START_TEST(a_variant_is_also_compared_with_the_bare_echo_of_its_own_kind)
{
    struct row rows[] = {
        measured("fifo/perclient", 1, 12, ROW_OK),
        measured("floor/fifo", 1, 10, ROW_OK),
        measured(FLOOR_PIPE, 1, 6, ROW_OK),
        measured("fifo/perclient", 2, 22, ROW_OK),
        measured("floor/fifo", 2, 20, ROW_OK),
        measured(FLOOR_PIPE, 2, 11, ROW_OK),
        measured("fifo/perclient", 3, 11, ROW_OK),
        measured("floor/fifo", 3, 10, ROW_OK),
        measured("socket/udp", 3, 10, ROW_OK),
    };
    struct summary s;
    const struct line *l;

    ck_assert_int_eq(summarise(rows, 9, &s), 0);
    l = summary_find(&s, "fifo/perclient", ONE_CPU, ROW_RTT, 64);
    ck_assert_ptr_nonnull(l);
    ck_assert_str_eq(l->floor, "floor/fifo");
    ck_assert_double_eq_tol(l->own_ratio, 1.1, 1e-9);
    ck_assert_double_eq_tol(l->ratio, 2, 1e-9);
    l = summary_find(&s, "socket/udp", ONE_CPU, ROW_RTT, 64);
    ck_assert(l != NULL && isnan(l->own_ratio)); /* its floor is not there */
    summary_free(&s);
}
END_TEST

/* One client alone takes 10 us, of which the server works 4 and the client 3:
 * on one CPU 7 us a request, no more than 1/7 us; on two, the server's 4. */
START_TEST(the_bound_for_n_clients_is_n_over_r_or_1_over_d)
{
    struct row rows[8];
    struct summary s;

    for (int i = 0; i < 8; i++) {
        rows[i] = measured("x/y", 1, 10000, ROW_OK);
        rows[i].kind = ROW_CLIENTS;
        rows[i].placement = i < 4 ? ONE_CPU : TWO_CPU;
        rows[i].clients = 1 << i % 4;
        rows[i].per_second = 1e5;
        rows[i].client_cpu = 0.3;
        rows[i].server_cpu = 0.4;
    }
    ck_assert_int_eq(summarise(rows, 8, &s), 0);
    ck_assert_double_eq_tol(
        summary_find_clients(&s, "x/y", ONE_CPU, 1)->predicted, 1e5, 1);
    ck_assert_double_eq_tol(
        summary_find_clients(&s, "x/y", ONE_CPU, 2)->predicted, 1e9 / 7000, 1);
    ck_assert_double_eq_tol(
        summary_find_clients(&s, "x/y", TWO_CPU, 2)->predicted, 2e5, 1);
    ck_assert_double_eq_tol(
        summary_find_clients(&s, "x/y", TWO_CPU, 8)->predicted, 2.5e5, 1);
    ck_assert_ptr_null(summary_find_clients(&s, "x/y", TWO_CPU, 16));
    summary_free(&s);
}
END_TEST

START_TEST(disturbed_rounds_are_left_out_while_enough_remain)
{
    struct row rows[] = {
        measured("x", 1, 10, ROW_OK),       measured("x", 2, 10, ROW_OK),
        measured("x", 3, 99, ROW_REJECTED), measured("y", 1, 10, ROW_OK),
        measured("y", 2, 99, ROW_REJECTED), measured("y", 3, 99, ROW_REJECTED),
        measured("z", 1, NAN, ROW_FAILED)};
    struct summary s;
    const struct line *x, *y, *z;

    ck_assert_int_eq(summarise(rows, 7, &s), 0);
    x = summary_find(&s, "x", ONE_CPU, ROW_RTT, 64);
    y = summary_find(&s, "y", ONE_CPU, ROW_RTT, 64);
    z = summary_find(&s, "z", ONE_CPU, ROW_RTT, 64);
    ck_assert(x != NULL && y != NULL && z != NULL);
    ck_assert_double_eq(x->p50_ns, 10);
    ck_assert_uint_eq(x->status, ROW_OK);
    ck_assert_double_eq(y->p50_ns, 99);
    ck_assert_uint_eq(y->status, ROW_REJECTED);
    ck_assert_uint_eq(z->status, ROW_FAILED);
    ck_assert_int_eq(s.rejected, 3);
    ck_assert_int_eq(s.failed, 1);
    summary_free(&s);
}
END_TEST

static struct row
one_way(const char *mechanism, enum where placement, double bytes)
{
    struct row r = measured(mechanism, 1, NAN, ROW_OK);

    r.kind = ROW_STREAM;
    r.placement = placement;
    r.bytes_per_second = bytes;
    return r;
}

/* memcpy has one side, and is measured at one placement; a ring has two. */
START_TEST(what_goes_through_a_ring_is_compared_with_a_bare_one_at_its_place)
{
    struct row rows[] = {
        one_way("shm/spin", TWO_CPU, 30), one_way("socket/stream", TWO_CPU, 5),
        one_way(FLOOR_RING, ONE_CPU, 10), one_way(FLOOR_RING, TWO_CPU, 40),
        one_way(FLOOR_MEMCPY, ONE_CPU, 60)};
    struct summary s;
    const struct line *l;

    ck_assert_int_eq(summarise(rows, 5, &s), 0);
    l = summary_find(&s, "shm/spin", TWO_CPU, ROW_STREAM, 64);
    ck_assert_str_eq(l->floor, FLOOR_RING);
    ck_assert_double_eq(l->own_ratio, 0.75);
    ck_assert_double_eq(l->ratio, 0.5);
    l = summary_find(&s, "socket/stream", TWO_CPU, ROW_STREAM, 64);
    ck_assert(isnan(l->own_ratio));
    summary_free(&s);
}
END_TEST

START_TEST(a_cache_line_counts_as_it_was_before_and_after)
{
    struct row r = measured("shm/spin", 1, 220, ROW_OK);
    struct summary s;
    const struct line *l;

    r.line_before_ns = 100;
    r.line_after_ns = 120;
    ck_assert_int_eq(summarise(&r, 1, &s), 0);
    l = summary_find(&s, "shm/spin", ONE_CPU, ROW_RTT, 64);
    ck_assert_double_eq(l->line_ratio, 2);
    summary_free(&s);
}
END_TEST

/* -- one cell -------------------------------------------------------------- */

static double before, after;

static int
measure_made_up(struct bench *b, struct cell *c, struct row *r)
{
    (void)b;
    (void)c;
    r->n = 1000;
    r->client_cpu = r->server_cpu = 0.5;
    r->line_before_ns = before;
    r->line_after_ns = after;
    return 0;
}

static enum status
status_of_made_up(char reason[160])
{
    static volatile sig_atomic_t stop;
    struct cpus cpus;
    struct bench b = {.dir = run_dir, .cell_ns = 1, .stop = &stop};
    struct cell c = {.name = "made/up",
                     .kind = ROW_RTT,
                     .measure = measure_made_up,
                     .weight = 1};
    struct row r;

    ck_assert_int_eq(cpus_find(&cpus), 0);
    c.placement = placement_find(&cpus, "one-cpu");
    b.page = mmap(NULL, sizeof *b.page, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(b.page != MAP_FAILED);
    ck_assert_int_eq(measure_cell(&b, &c, 1, &r), 0);
    munmap(b.page, sizeof *b.page);
    snprintf(reason, 160, "%s", r.reason);
    return r.status;
}

START_TEST(a_cell_during_which_the_cpus_moved_is_disturbed)
{
    char reason[160];

    before = 100;
    after = 120;
    ck_assert_uint_eq(status_of_made_up(reason), ROW_OK);
    after = 130;
    ck_assert_uint_eq(status_of_made_up(reason), ROW_REJECTED);
    ck_assert_ptr_nonnull(strstr(reason, "between the two CPUs"));
    before = 170;
    ck_assert_uint_eq(status_of_made_up(reason), ROW_REJECTED);
    before = after = NAN; /* was not looked at */
    ck_assert_uint_eq(status_of_made_up(reason), ROW_OK);
}
END_TEST

START_TEST(noise_is_the_difference_within_the_pair)
{
    struct row rows[] = {measured("x", 1, 100, ROW_OK),
                         measured("x", 1, 104, ROW_OK),
                         measured(FLOOR_PIPE, 1, 50, ROW_OK)};
    struct summary s;
    const char *who = "";

    rows[1].copy = 1;
    ck_assert_int_eq(summarise(rows, 3, &s), 0);
    ck_assert_double_eq_tol(summary_noise(&s, ONE_CPU, &who), 0.04, 1e-9);
    ck_assert_str_eq(who, "x");
    ck_assert(isnan(summary_noise(&s, TWO_CPU, &who)));
    summary_free(&s);
}
END_TEST

START_TEST(what_was_not_measured_has_a_reason)
{
    struct row rows[] = {measured("x", 0, NAN, ROW_ABSENT),
                         measured("y", 1, 10, ROW_OK)};
    struct summary s;

    rows[0].placement = ANYWHERE;
    rows[0].kind = ROW_ANY_KIND;
    rows[0].size = 0;
    strcpy(rows[0].reason, "not in this kernel");
    ck_assert_int_eq(summarise(rows, 2, &s), 0);
    ck_assert_str_eq(summary_why_not(&s, "x", ONE_CPU, ROW_STREAM, 64),
                     "not in this kernel");
    ck_assert_ptr_null(summary_why_not(&s, "y", ONE_CPU, ROW_RTT, 64));
    summary_free(&s);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_bench(void)
{
    Suite *s = suite_create("bench");
    TCase *tc = test_case(s, "bench/files");

    tcase_add_test(tc, every_placement_is_usable_or_says_why);
    tcase_add_test(tc, textbook_forms_are_measured_when_asked_for);
    tcase_add_test(tc, a_row_survives_being_written_and_read);
    tcase_add_test(tc, columns_are_found_by_name);
    tcase_add_test(tc, a_word_of_another_time_is_read_as_another);
    tcase_add_test(tc, what_is_no_row_is_refused);
    tcase_add_test(tc, half_a_last_line_is_left_out);
    tcase_add_test(tc, a_distribution_survives_being_written_and_read);
    tcase_add_test(tc, ratios_are_to_the_floor_of_the_same_round);
    tcase_add_test(
        tc, a_variant_is_also_compared_with_the_bare_echo_of_its_own_kind);
    tcase_add_test(tc, the_bound_for_n_clients_is_n_over_r_or_1_over_d);
    tcase_add_test(tc, disturbed_rounds_are_left_out_while_enough_remain);
    tcase_add_test(
        tc, what_goes_through_a_ring_is_compared_with_a_bare_one_at_its_place);
    tcase_add_test(tc, a_cache_line_counts_as_it_was_before_and_after);
    tcase_add_test(tc, a_cell_during_which_the_cpus_moved_is_disturbed);
    tcase_add_test(tc, noise_is_the_difference_within_the_pair);
    tcase_add_test(tc, what_was_not_measured_has_a_reason);
    return s;
}
