/*
 * test_plan.c - does a run keep to its budget?  The plan is a real one, the
 * clock is made up: what a cell takes is what the test says, so that a machine
 * can be as busy as it likes.
 */
#define _GNU_SOURCE /* clock_gettime */
#include "test/test.h"

#include "bench/plan.h"

#include <string.h>

Suite *test_plan(void);

/* A machine on which everything takes `load` times as long. */
struct machine {
    double load;
    double startup, extra; /* of a cell when it is idle, s: its server, more */
    double checks;         /* before the rounds, s */
    double duration;       /* --duration, s; 0: it is the budget that counts */
};

static const struct machine usual = {
    .load = 1, .startup = 0.002, .extra = 0.004, .checks = 5};

static struct cpus cpus;
static struct plan p;
static struct spending spent;

static int64_t
ns_of(double s)
{
    return (int64_t)(s * (double)NS_PER_SEC);
}

static void
plan_for(double budget, const struct machine *m)
{
    static const char *const all[] = {NULL};
    struct plan_options o = {.mechanisms = all,
                             .placements = all,
                             .budget = budget,
                             .duration = m->duration};
    const char *who;

    ck_assert_int_eq(cpus_find(&cpus), 0);
    ck_assert_int_eq(plan_make(&p, &o, &cpus, &who), 0);
    for (size_t i = 0; i < p.mechanism_count; i++)
        plan_started(&p, p.mechanisms[i], ns_of(m->startup * m->load));
    p.share = 1 / m->load;
    spent = (struct spending){.since_begin = ns_of(m->checks * m->load),
                              .between = true};
    plan_promise(&p, &spent);
}

/* What run_rounds() does, without measuring. */
static bool
one_round(const struct machine *m, int64_t cell_ns)
{

    spent.between = false;
    for (size_t i = 0; i < p.cell_count; i++) {
        struct cell *c = &p.cells[i];
        int64_t beside = ns_of((m->startup + m->extra) * m->load);

        plan_fit(&p, &spent);
        if (!plan_has(c, spent.rounds + 1))
            continue;
        if (plan_is_over(&p, &spent))
            return false;
        c->runs++;
        c->beside += beside;
        spent.since_begin +=
            beside + (c->ns != 0 ? c->ns : c->weight * cell_ns);
    }
    spent.rounds++;
    spent.between = true;
    return true;
}

/* Until the report is there, s. */
static double
takes(double budget, const struct machine *m)
{
    plan_for(budget, m);
    while (spent.rounds < p.rounds && one_round(m, plan_cell_time(&p, &spent)))
        if (plan_is_over(&p, &spent))
            break;
    return (double)spent.since_begin / (double)NS_PER_SEC +
           plan_report_time(&p);
}

static int
parts_left_out(void)
{
    char text[80];
    int n = 0;

    for (int i = 0; i < PLAN_PARTS; i++) {
        plan_left_out(&p, i, text, sizeof text);
        n += text[0] != '\0';
    }
    return n;
}

/* -- tests ----------------------------------------------------------------- */

START_TEST(on_an_idle_machine_the_budget_is_used_and_nothing_left_out)
{
    double s = takes(0, &usual);

    ck_assert_int_eq(parts_left_out(), 0);
    ck_assert_int_eq(spent.rounds, p.rounds);
    ck_assert(s > 0.8 * p.budget && s < 1.05 * p.budget);
    ck_assert_double_eq(p.promise, p.budget);
    plan_free(&p);
}
END_TEST

/* However many there is time for: compare.h wants five of each size. */
START_TEST(what_has_fewer_rounds_has_the_first_ones)
{
    struct machine m = usual;

    m.load = 2.8;
    takes(0, &m);
    ck_assert_int_ge(spent.rounds, FEWER);
    ck_assert_int_lt(spent.rounds, p.rounds);
    for (const struct cell *c = p.cells; c < p.cells + p.cell_count; c++)
        if (!c->left_out && (c->kind == ROW_RTT || c->kind == ROW_STREAM))
            ck_assert_int_eq(c->runs, c->rounds < spent.rounds ? c->rounds
                                                               : spent.rounds);
    plan_free(&p);
}
END_TEST

START_TEST(what_is_slow_has_three_unless_the_headlines_rest_on_it)
{
    plan_for(0, &usual);
    for (struct cell *c = p.cells; c < p.cells + p.cell_count; c++) {
        const bool five = c->rounds == FEWER;

        c->runs = 3;
        c->beside = 3 * NS_PER_SEC / 20;
        ck_assert_int_eq(plan_has(c, 4), five || c->rounds == ALL_ROUNDS);
        c->beside = 3 * NS_PER_SEC / 5;
        ck_assert_int_eq(plan_has(c, 4), c->rounds == ALL_ROUNDS);
    }
    plan_free(&p);
}
END_TEST

/* Whatever is left out: the round trips of 64 bytes are not. */
START_TEST(on_a_busy_machine_the_default_ends_within_100_s)
{
    static const double loads[] = {2, 4, 6, 8, 12};
    int before = 0;

    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct machine m = usual;
        double s;

        m.load = loads[i];
        m.checks = 3; /* or there would be nothing left to share */
        s = takes(0, &m);
        ck_assert_msg(s < 100, "%g s at %g times", s, m.load);
        ck_assert_int_ge(parts_left_out(), before);
        before = parts_left_out();
        for (size_t j = 0; j < p.cell_count; j++)
            ck_assert(p.cells[j].runs > 0 || p.cells[j].left_out ||
                      spent.rounds == 0);
        plan_free(&p);
    }
    ck_assert_int_gt(before, 0);
}
END_TEST

/* It is busy only once the rounds have begun: nobody could tell before. */
START_TEST(a_machine_that_gets_busy_meanwhile_costs_parts_and_no_time)
{
    struct machine m = usual;
    double s;

    plan_for(0, &m);
    ck_assert_int_eq(parts_left_out(), 0);
    m.load = 10;
    while (spent.rounds < p.rounds && one_round(&m, plan_cell_time(&p, &spent)))
        if (plan_is_over(&p, &spent))
            break;
    s = (double)spent.since_begin / (double)NS_PER_SEC + plan_report_time(&p);
    ck_assert_msg(s < 100, "%g s", s);
    ck_assert_int_gt(parts_left_out(), 0);
    plan_free(&p);
}
END_TEST

START_TEST(a_budget_that_is_too_short_is_answered_by_what_it_takes)
{
    double s = takes(8, &usual);

    ck_assert(p.promise > 8);
    ck_assert_msg(s < 1.06 * p.promise, "%g s of %g", s, p.promise);
    ck_assert_int_eq(parts_left_out(), PLAN_PARTS);
    ck_assert_int_ge(spent.rounds, PLAN_LEAST_ROUNDS - 1);
    plan_free(&p);
}
END_TEST

START_TEST(what_was_said_to_be_enough_is_enough)
{
    double need;

    plan_for(8, &usual);
    need = p.promise;
    plan_free(&p);
    ck_assert_double_le(takes(need + 0.1, &usual), 1.06 * (need + 0.1));
    ck_assert_double_eq(p.promise, need + 0.1);
    plan_free(&p);
}
END_TEST

/* --duration: no budget, no end before the end. */
START_TEST(who_says_how_long_a_cell_is_gets_every_round)
{
    struct machine m = usual;

    m.load = 50;
    m.duration = 0.01;
    plan_for(1, &m);
    while (spent.rounds < p.rounds)
        ck_assert(one_round(&m, plan_cell_time(&p, &spent)));
    ck_assert(!plan_is_over(&p, &spent));
    ck_assert_int_eq(parts_left_out(), 0);
    ck_assert_int_eq(spent.rounds, p.rounds);
    plan_free(&p);
}
END_TEST

Suite *
test_plan(void)
{
    Suite *s = suite_create("plan");
    TCase *tc = test_case(s, "plan/budget");

    tcase_add_test(tc,
                   on_an_idle_machine_the_budget_is_used_and_nothing_left_out);
    tcase_add_test(tc, what_has_fewer_rounds_has_the_first_ones);
    tcase_add_test(tc, what_is_slow_has_three_unless_the_headlines_rest_on_it);
    tcase_add_test(tc, on_a_busy_machine_the_default_ends_within_100_s);
    tcase_add_test(tc,
                   a_machine_that_gets_busy_meanwhile_costs_parts_and_no_time);
    tcase_add_test(tc, a_budget_that_is_too_short_is_answered_by_what_it_takes);
    tcase_add_test(tc, what_was_said_to_be_enough_is_enough);
    tcase_add_test(tc, who_says_how_long_a_cell_is_gets_every_round);
    return s;
}
