/*
 * test_stats.c - the comparison's arithmetic, against samples whose answers are
 * known: histograms, medians and their intervals, shares, fits, orders.
 */
#include "test/test.h"

#include "bench/stats.h"

#include <math.h>
#include <string.h>

Suite *test_stats(void);

/* -- histograms ------------------------------------------------------------ */

static struct histogram histogram;

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

/* -- medians, shares, fits ------------------------------------------------- */

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

/* By hand: of 1 2 3 4 5 the middle three are 2 3 4, winsorised it is 2 2 3 4 4,
 * whose squares add up to 4; 4 / (3 * 2). */
START_TEST(a_difference_is_that_of_the_middle_of_both)
{
    const double a[] = {5, 1, 4, 2, 3}, b[] = {11, 1000, 13, 14, 12};
    struct difference d = difference(a, 5, b, 5);

    ck_assert_double_eq_tol(d.mid, 10, 1e-12);
    ck_assert_double_eq_tol(d.variance, 2 * 4 / 6.0, 1e-12);
    ck_assert_double_eq_tol(d.df, 4, 1e-12);
    d = difference(a, 1, b, 1);
    ck_assert_double_eq(d.mid, 6);
    ck_assert(isnan(d.variance));
    ck_assert(isnan(difference(a, 0, b, 5).mid));
    ck_assert(isnan(difference(a, 5, b, 0).mid));
}
END_TEST

/* From any table of Student's t. */
START_TEST(the_tail_of_t_is_that_of_the_tables)
{
    ck_assert_double_eq_tol(t_tail(4.303, 2), 0.05, 0.005);
    ck_assert_double_eq_tol(t_tail(2.776, 4), 0.05, 0.001);
    ck_assert_double_eq_tol(t_tail(-2.120, 16), 0.05, 0.001);
    ck_assert_double_eq_tol(t_tail(4.015, 16), 0.001, 0.00005);
    ck_assert_double_eq_tol(t_tail(0, 9), 1, 1e-12);
    ck_assert_double_eq_tol(t_of_95_percent(4), 2.776, 0.03);
    ck_assert_double_eq_tol(t_of_95_percent(16), 2.120, 0.005);
}
END_TEST

/* The example of Benjamini and Hochberg's article: of 15, four. */
START_TEST(of_many_probabilities_those_below_the_line_are_discoveries)
{
    double p[] = {0.0344, 0.0001, 0.0004, 0.0019, 0.0095,
                  0.0201, 0.0278, 0.0298, 0.0459, 0.3240,
                  0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
    double none[] = {0.03, 0.5, 0.9};

    ck_assert_double_eq(discoveries_up_to(p, 15, 0.05), 0.0095);
    ck_assert(discoveries_up_to(none, 3, 0.05) < 0);
    ck_assert(discoveries_up_to(none, 0, 0.05) < 0);
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

/* -- suite ----------------------------------------------------------------- */

Suite *
test_stats(void)
{
    Suite *s = suite_create("stats");
    TCase *tc = test_case(s, "bench/statistics");

    tcase_add_test(tc, small_values_are_counted_exactly);
    tcase_add_test(tc, large_values_are_known_to_one_part_in_128);
    tcase_add_test(tc, an_empty_histogram_has_quantile_zero);
    tcase_add_test(tc, merged_histograms_are_one_of_all_values);
    tcase_add_test(tc, buckets_follow_each_other_without_a_gap);
    tcase_add_test(tc, median_of_odd_even_and_nothing);
    tcase_add_test(tc, interval_holds_the_median_and_stays_inside_the_data);
    tcase_add_test(tc, jains_index_of_known_shares);
    tcase_add_test(tc, a_line_is_fitted_to_points_on_it_exactly);
    tcase_add_test(tc, a_fit_weighs_relative_errors_and_never_falls);
    tcase_add_test(tc, a_difference_is_that_of_the_middle_of_both);
    tcase_add_test(tc, the_tail_of_t_is_that_of_the_tables);
    tcase_add_test(tc,
                   of_many_probabilities_those_below_the_line_are_discoveries);
    tcase_add_test(tc, a_seed_gives_the_same_order_again);
    return s;
}
