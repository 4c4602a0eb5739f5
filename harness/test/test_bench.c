/*
 * test_bench.c - the comparison: its arithmetic against samples whose answers
 * are known, its files written and read back.  (The program: test_ipcbench.c)
 */
#define _GNU_SOURCE /* fmemopen */
#include "test/test.h"

#include "bench/distribution.h"
#include "bench/placement.h"
#include "bench/plan.h"
#include "bench/stats.h"
#include "bench/summary.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* -- statistics ------------------------------------------------------------- */

static struct histogram histogram;

static void
remove_file(const char *name)
{
    char path[RECORD_PATH];

    ck_assert_int_eq(record_path(run_dir, name, path), 0);
    ck_assert_int_eq(unlink(path), 0);
}

START_TEST(small_values_are_counted_exactly)
{
    histogram_clear(&histogram);
    for (uint64_t v = 1; v <= 200; v++)
        histogram_add(&histogram, v);
    ck_assert_uint_eq(histogram.count, 200);
    ck_assert_uint_eq(histogram.min, 1);
    ck_assert_uint_eq(histogram.max, 200);
    ck_assert_double_eq(histogram.sum, 20100);
    ck_assert_double_eq(histogram_quantile(&histogram, 0), 1);
    ck_assert_double_eq(histogram_quantile(&histogram, 0.5), 100);
    ck_assert_double_eq(histogram_quantile(&histogram, 0.99), 198);
    ck_assert_double_eq(histogram_quantile(&histogram, 1), 200);
}
END_TEST

START_TEST(large_values_are_known_to_one_part_in_128)
{
    static const uint64_t values[] = {
        255,       256,     257,       511,      512,
        4567,      1000000, 123456789, 1u << 31, UINT64_C(1) << 62,
        UINT64_MAX};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double v = (double)values[i];

        histogram_clear(&histogram);
        histogram_add(&histogram, 0);
        histogram_add(&histogram, values[i]);
        histogram_add(&histogram, UINT64_MAX);
        ck_assert_double_eq_tol(histogram_quantile(&histogram, 0.5), v,
                                v / HISTOGRAM_SUB);
    }
}
END_TEST

START_TEST(an_empty_histogram_has_quantile_zero)
{
    histogram_clear(&histogram);
    ck_assert_double_eq(histogram_quantile(&histogram, 0.5), 0);
}
END_TEST

START_TEST(median_of_odd_even_and_nothing)
{
    double odd[] = {5, 1, 4}, even[] = {4, 1, 3, 2};

    ck_assert_double_eq(median(odd, 3), 4);
    ck_assert_double_eq(median(even, 4), 2.5);
    ck_assert(isnan(median(odd, 0)));
}
END_TEST

START_TEST(interval_holds_the_median_and_stays_inside_the_data)
{
    const double v[] = {10, 11, 12, 13, 14, 15, 16, 17, 100};
    struct interval r = median_interval(v, 9), again = median_interval(v, 9);

    ck_assert_double_eq(r.mid, 14);
    ck_assert(10 <= r.lo && r.lo < 14 && 14 < r.hi && r.hi <= 100);
    ck_assert_double_eq(r.lo, again.lo); /* the same report every time */
    ck_assert_double_eq(r.hi, again.hi);
    r = median_interval(v, 1);
    ck_assert(r.lo == 10 && r.mid == 10 && r.hi == 10);
    ck_assert(isnan(median_interval(v, 0).mid));
}
END_TEST

START_TEST(merged_histograms_are_one_of_all_values)
{
    static struct histogram odd, even;

    histogram_clear(&odd);
    histogram_clear(&even);
    for (uint64_t v = 1; v <= 99; v++)
        histogram_add(v % 2 ? &odd : &even, v);
    histogram_merge(&odd, &even);
    ck_assert_uint_eq(odd.count, 99);
    ck_assert_uint_eq(odd.min, 1);
    ck_assert_uint_eq(odd.max, 99);
    ck_assert_double_eq(odd.sum, 4950);
    ck_assert_double_eq(histogram_quantile(&odd, 0.5), 50);
}
END_TEST

/* 1000 times of 1 us and 20 of 1 ms, written as a run would, and read. */
START_TEST(a_distribution_survives_being_written_and_read)
{
    static struct histogram pool;
    struct placement place = {.name = "one-cpu"};
    struct cell cell = {.name = "x/y",
                        .placement = &place,
                        .kind = ROW_RTT,
                        .size = 64,
                        .pool = &pool};
    struct plan plan = {.cells = &cell, .cell_count = 1};
    struct line line = {.mechanism = "x/y",
                        .placement = "one-cpu",
                        .kind = ROW_RTT,
                        .size = 64};
    struct distributions all;
    struct distribution one;

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
    remove_file("histograms.csv");
}
END_TEST

START_TEST(buckets_follow_each_other_without_a_gap)
{
    static const uint64_t values[] = {0, 127, 128, 255, 256, 1000, 123456789};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        size_t bucket = 0;

        histogram_clear(&histogram);
        histogram_add(&histogram, values[i]);
        while (histogram.bucket[bucket] == 0)
            bucket++;
        ck_assert(histogram_low(bucket) <= (double)values[i] &&
                  (double)values[i] < histogram_low(bucket + 1));
    }
}
END_TEST

/* Jain, Chiu and Hawe (1984): k of n who share evenly give k / n. */
START_TEST(jains_index_of_known_shares)
{
    const double same[] = {7, 7, 7, 7}, one[] = {5, 0, 0, 0},
                 half[] = {3, 0, 3, 0}, uneven[] = {1, 3}, none[] = {0, 0};

    ck_assert_double_eq(jain(same, 4), 1);
    ck_assert_double_eq(jain(one, 4), 0.25);
    ck_assert_double_eq(jain(half, 4), 0.5);
    ck_assert_double_eq(jain(uneven, 2), 0.8); /* 16 / (2 * 10) */
    ck_assert(isnan(jain(none, 2)));
}
END_TEST

START_TEST(a_line_is_fitted_to_points_on_it_exactly)
{
    const double n[] = {64, 1024, 65536, 1048576};
    double t[4];
    struct fit f;

    for (int i = 0; i < 4; i++)
        t[i] = 4320 + 0.36 * n[i];
    f = fit_line(n, t, 4);
    ck_assert_double_eq_tol(f.a, 4320, 1e-6);
    ck_assert_double_eq_tol(f.b, 0.36, 1e-9);
    ck_assert_double_eq_tol(f.worst, 0, 1e-9);
    ck_assert(
        isnan(fit_line(n, t, 2).worst)); /* through 2 there is always one */
}
END_TEST

/* Relative errors: 10 % off at 1 us weighs as much as 10 % off at 1 ms.  By
 * hand: a constant c closest to 1 and 2 in relative terms has the smallest
 * (c - 1)^2 + (c / 2 - 1)^2, at c = 1.2; and a line that would fall is
 * one. */
START_TEST(a_fit_weighs_relative_errors_and_never_falls)
{
    const double n[] = {1, 1, 2, 2}, t[] = {2, 2, 1, 1};
    struct fit f = fit_line(n, t, 4);

    ck_assert_double_eq_tol(f.a, 1.2, 1e-9);
    ck_assert_double_eq(f.b, 0);
    ck_assert_double_eq_tol(f.worst, 0.4, 1e-9);
}
END_TEST

START_TEST(a_seed_gives_the_same_order_again)
{
    struct rng a = {.state = 7}, b = {.state = 7};
    size_t x[20], y[20], sum = 0;

    for (size_t i = 0; i < 20; i++)
        x[i] = y[i] = i;
    rng_shuffle(&a, x, 20);
    rng_shuffle(&b, y, 20);
    ck_assert_mem_eq(x, y, sizeof x);
    for (size_t i = 0; i < 20; i++)
        sum += x[i];
    ck_assert_uint_eq(sum, 190); /* each is still there */
}
END_TEST

/* -- placement ----------------------------------------------------------------- */

START_TEST(every_placement_is_usable_or_says_why)
{
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
    ck_assert_str_eq(placement_find(&cpus, "one-cpu")->reason, "");
    ck_assert_ptr_null(placement_find(&cpus, "three-cpu"));
}
END_TEST

/* -- files ------------------------------------------------------------------------ */

static struct row
sample(void)
{
    struct row r = row_empty();

    r.round = 3;
    strcpy(r.mechanism, "pipe/packet");
    strcpy(r.placement, "one-cpu");
    strcpy(r.kind, ROW_RTT);
    r.size = 4060;
    strcpy(r.status, ROW_FAILED);
    strcpy(r.reason, "it said \"no, never\", twice");
    r.n = 1234567890;
    r.p50_ns = 4321.125;
    return r;
}

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

/* -- summary -------------------------------------------------------------------------- */

static struct row
measured(const char *mechanism, long round, double p50, const char *status)
{
    struct row r = row_empty();

    r.round = round;
    strcpy(r.mechanism, mechanism);
    strcpy(r.placement, "one-cpu");
    strcpy(r.kind, ROW_RTT);
    strcpy(r.status, status);
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
    l = summary_find(&s, "x", "one-cpu", ROW_RTT, 64);
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
    l = summary_find(&s, "fifo/perclient", "one-cpu", ROW_RTT, 64);
    ck_assert_ptr_nonnull(l);
    ck_assert_str_eq(l->floor, "floor/fifo");
    ck_assert_double_eq_tol(l->own_ratio, 1.1, 1e-9);
    ck_assert_double_eq_tol(l->ratio, 2, 1e-9);
    l = summary_find(&s, "socket/udp", "one-cpu", ROW_RTT, 64);
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
        strcpy(rows[i].kind, ROW_CLIENTS);
        strcpy(rows[i].placement, i < 4 ? "one-cpu" : "two-cpu");
        rows[i].clients = 1 << i % 4;
        rows[i].per_second = 1e5;
        rows[i].client_cpu = 0.3;
        rows[i].server_cpu = 0.4;
    }
    ck_assert_int_eq(summarise(rows, 8, &s), 0);
    ck_assert_double_eq_tol(
        summary_find_clients(&s, "x/y", "one-cpu", 1)->predicted, 1e5, 1);
    ck_assert_double_eq_tol(
        summary_find_clients(&s, "x/y", "one-cpu", 2)->predicted, 1e9 / 7000,
        1);
    ck_assert_double_eq_tol(
        summary_find_clients(&s, "x/y", "two-cpu", 2)->predicted, 2e5, 1);
    ck_assert_double_eq_tol(
        summary_find_clients(&s, "x/y", "two-cpu", 8)->predicted, 2.5e5, 1);
    ck_assert_ptr_null(summary_find_clients(&s, "x/y", "two-cpu", 16));
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
    x = summary_find(&s, "x", "one-cpu", ROW_RTT, 64);
    y = summary_find(&s, "y", "one-cpu", ROW_RTT, 64);
    z = summary_find(&s, "z", "one-cpu", ROW_RTT, 64);
    ck_assert(x != NULL && y != NULL && z != NULL);
    ck_assert_double_eq(x->p50_ns, 10);
    ck_assert_str_eq(x->status, ROW_OK);
    ck_assert_double_eq(y->p50_ns, 99);
    ck_assert_str_eq(y->status, ROW_REJECTED);
    ck_assert_str_eq(z->status, ROW_FAILED);
    ck_assert_int_eq(s.rejected, 3);
    ck_assert_int_eq(s.failed, 1);
    summary_free(&s);
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
    ck_assert_double_eq_tol(summary_noise(&s, "one-cpu", &who), 0.04, 1e-9);
    ck_assert_str_eq(who, "x");
    ck_assert(isnan(summary_noise(&s, "two-cpu", &who)));
    summary_free(&s);
}
END_TEST

START_TEST(what_was_not_measured_has_a_reason)
{
    struct row rows[] = {measured("x", 0, NAN, ROW_ABSENT),
                         measured("y", 1, 10, ROW_OK)};
    struct summary s;

    rows[0].placement[0] = rows[0].kind[0] = '\0';
    rows[0].size = 0;
    strcpy(rows[0].reason, "not in this kernel");
    ck_assert_int_eq(summarise(rows, 2, &s), 0);
    ck_assert_str_eq(summary_why_not(&s, "x", "one-cpu", ROW_STREAM, 64),
                     "not in this kernel");
    ck_assert_ptr_null(summary_why_not(&s, "y", "one-cpu", ROW_RTT, 64));
    summary_free(&s);
}
END_TEST

Suite *test_bench(void);

Suite *
test_bench(void)
{
    Suite *s = suite_create("bench");
    TCase *tc = test_case(s, "bench/statistics");

    tcase_add_test(tc, small_values_are_counted_exactly);
    tcase_add_test(tc, large_values_are_known_to_one_part_in_128);
    tcase_add_test(tc, an_empty_histogram_has_quantile_zero);
    tcase_add_test(tc, median_of_odd_even_and_nothing);
    tcase_add_test(tc, interval_holds_the_median_and_stays_inside_the_data);
    tcase_add_test(tc, merged_histograms_are_one_of_all_values);
    tcase_add_test(tc, buckets_follow_each_other_without_a_gap);
    tcase_add_test(tc, a_distribution_survives_being_written_and_read);
    tcase_add_test(tc, jains_index_of_known_shares);
    tcase_add_test(tc, a_line_is_fitted_to_points_on_it_exactly);
    tcase_add_test(tc, a_fit_weighs_relative_errors_and_never_falls);
    tcase_add_test(tc, a_seed_gives_the_same_order_again);
    tcase_add_test(tc, every_placement_is_usable_or_says_why);
    tc = test_case(s, "bench/files");
    tcase_add_test(tc, a_row_survives_being_written_and_read);
    tcase_add_test(tc, columns_are_found_by_name);
    tcase_add_test(tc, what_is_no_row_is_refused);
    tcase_add_test(tc, half_a_last_line_is_left_out);
    tcase_add_test(tc, ratios_are_to_the_floor_of_the_same_round);
    tcase_add_test(
        tc, a_variant_is_also_compared_with_the_bare_echo_of_its_own_kind);
    tcase_add_test(tc, the_bound_for_n_clients_is_n_over_r_or_1_over_d);
    tcase_add_test(tc, disturbed_rounds_are_left_out_while_enough_remain);
    tcase_add_test(tc, noise_is_the_difference_within_the_pair);
    tcase_add_test(tc, what_was_not_measured_has_a_reason);
    return s;
}
