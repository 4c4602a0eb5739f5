/*
 * compare_print.c - the verb: reads two runs, has them compared (compare.c) and
 * prints what came of it, as a table or as CSV.
 */
#include "bench/compare.h"

#include "bench/plan.h"
#include "bench/report.h"
#include "core/wrap.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_ANYWAY 10 /* lines of the table */

/* -- printing ------------------------------------------------------------- */

/* A terminal without room for all columns does without the ratio itself and the
 * change of the time: what the verdict is about remains. */
static bool
is_narrow(void)
{
    return wrap_columns() < 92;
}

/* How much longer the operations took in plain time, for information. */
static double
raw_change(const struct change *c)
{
    return c->kind == ROW_RTT
               ? c->new_p50_ns / c->old_p50_ns - 1
               : c->old_bytes_per_second / c->new_bytes_per_second - 1;
}

/* In %, with a decimal where there is room for one. */
static const char *
percent(double v, char buf[16])
{
    v *= 100;
    if (isnan(v))
        snprintf(buf, 16, "-");
    else if (fabs(v) < 99999)
        snprintf(buf, 16, "%+.*f", fabs(v) < 99.95 ? 1 : 0, v);
    else
        snprintf(buf, 16, "%+.0e", v);
    return buf;
}

static void
print_change(const struct change *c)
{
    char size[SIZE_NAME], what[SIZE_NAME + 8], d[16], lo[16], hi[16], raw[16];
    bool rtt = c->kind == ROW_RTT;

    snprintf(what, sizeof what, "%s %s", rtt ? "rtt" : "way",
             size_name((size_t)c->size, size));
    printf("%-19s %-13s %-13s", c->mechanism, where_words[c->placement], what);
    if (!is_narrow())
        printf(" %7.*g", c->new_ratio < 0.1 ? 2 : 3, c->new_ratio);
    printf(" %6s %6s %6s", percent(c->change, d), percent(c->change_lo, lo),
           percent(c->change_hi, hi));
    if (!is_narrow())
        printf(" %6s", percent(raw_change(c), raw));
    printf(" %s%s\n", verdict_words[c->verdict], c->disturbed ? " ~" : "");
}

static bool
has_verdict(const struct change *c)
{
    return c->verdict == COMPARE_FASTER || c->verdict == COMPARE_SLOWER;
}

static void
print_table(const struct comparison *c)
{
    size_t i, shown = 0;

    if (is_narrow())
        printf("\n%-47s %6s %13s\n%-47s %6s %6s %6s %s\n", "", "change",
               "95 % interval", "", "%", "%", "%", "verdict");
    else
        printf("\n%-47s %7s %6s %13s %6s\n%-47s %7s %6s %6s %6s %6s %s\n", "",
               "NEW", "change", "95 % interval", "raw", "", "x floor", "%", "%",
               "%", "%", "verdict");
    for (i = 0; i < c->n && !isnan(c->changes[i].change); i++)
        if (i < SHOWN_ANYWAY || has_verdict(&c->changes[i]) ||
            fabs(c->changes[i].change) > c->changes[i].limit) {
            print_change(&c->changes[i]);
            shown++;
        }
    if (shown < i)
        printf("and %zu changes that are smaller than their limits (all of "
               "them: --csv)\n",
               i - shown);
    putchar('\n');
    wrap_say(
        stdout,
        "Change: of the ratio to the floor; + takes longer, - less. rtt: "
        "round trip, to a bare pipe's; way: one way, to memcpy's.%s ~: most "
        "of the rounds were disturbed.",
        is_narrow() ? ""
                    : " raw: of the time itself, which the machine changes "
                      "by the hour.");
}

static bool
same_gap(const struct change *a, const struct change *b)
{
    return a->verdict == b->verdict &&
           strcmp(a->mechanism, b->mechanism) == 0 &&
           strcmp(a->reason, b->reason) == 0;
}

/* What is in one run only: a line for each mechanism and reason. */
static void
print_gaps(const struct comparison *c)
{
    const struct change *from = c->changes, *end = from + c->n, *a, *b;

    for (a = from; a < end; a++) {
        long same = 0;

        if (a->reason[0] == '\0')
            continue;
        for (b = from; b < a && !same_gap(a, b); b++)
            continue;
        if (b < a)
            continue; /* said already */
        for (; b < end; b++)
            same += same_gap(a, b);
        printf("%s: %s, %ld measurement%s: %.40s\n", verdict_words[a->verdict],
               a->mechanism, same, same == 1 ? "" : "s", a->reason);
    }
}

/* How many of the mechanism's changes have this verdict. */
static long
count(const struct comparison *c, const char *mechanism, enum verdict verdict)
{
    long n = 0;

    for (size_t i = 0; i < c->n; i++)
        n += c->changes[i].verdict == verdict &&
             strcmp(c->changes[i].mechanism, mechanism) == 0;
    return n;
}

static bool
is_first_of_its_mechanism(const struct comparison *c, const struct change *ch)
{
    const struct change *first = c->changes;

    while (strcmp(first->mechanism, ch->mechanism) != 0)
        first++;
    return first == ch;
}

static const char *
verdict_on_all(long slower, long faster, long same, long open)
{
    if (slower > 0 && faster > 0)
        return "both";
    if (slower + faster > 0)
        return slower > 0 ? "slower" : "faster";
    return same > open ? "same" : "inconclusive";
}

/* One line for each mechanism that was compared: who changed most, first. */
static void
print_mechanisms(const struct comparison *c)
{
    putchar('\n');
    for (const struct change *ch = c->changes; ch < c->changes + c->n; ch++) {
        const long slower = count(c, ch->mechanism, COMPARE_SLOWER);
        const long faster = count(c, ch->mechanism, COMPARE_FASTER);
        const long same = count(c, ch->mechanism, COMPARE_SAME);
        const long open = count(c, ch->mechanism, COMPARE_INCONCLUSIVE);

        if (is_first_of_its_mechanism(c, ch) &&
            slower + faster + same + open > 0)
            printf("%-19s %-13s %ld slower, %ld faster, %ld same, %ld "
                   "inconclusive\n",
                   ch->mechanism, verdict_on_all(slower, faster, same, open),
                   slower, faster, same, open);
    }
}

static void
print_verdicts(const struct comparison *c)
{
    print_mechanisms(c);
    wrap_say(stdout,
             "%ld compared: %ld slower, %ld faster, %ld the same, %ld "
             "inconclusive.",
             c->compared, c->slower, c->faster, c->same, c->inconclusive);
    if (c->noisy)
        wrap_say(stdout,
                 "Nothing can be told from a NOISY run (the notes above "
                 "say which): measure again, undisturbed.");
    for (unsigned at = ANYWHERE; at <= ELSEWHERE; at++)
        if (c->moved[at])
            wrap_say(stdout,
                     "Nothing can be told of %s: a cache line takes another "
                     "time there and back in NEW than in OLD, so the host has "
                     "moved the CPUs: measure again, both.",
                     where_words[at]);
    wrap_say(
        stdout,
        "A verdict needs a change of more than %.0f %% (%.0f %% below 1 us "
        "or spinning, %.0f %% where CPUs may sleep or the scheduler chooses) "
        "and %d undisturbed rounds "
        "each; and of all verdicts here no more than 1 in %.0f is likely to be "
        "an accident. A 95 %% interval without 0 is not enough: of %ld some "
        "are, where nothing has changed.",
        100 * COMPARE_LIMIT_AWAKE, 100 * COMPARE_LIMIT_SPINS,
        100 * COMPARE_LIMIT_SLEEP, COMPARE_LEAST_ROUNDS, 1 / COMPARE_FALSE,
        c->compared);
    puts("The same: the whole interval is within the limit.");
}

/* program_begin() sees to the output. */
static void
print_csv(const struct comparison *c)
{
    int err = csv_write_header(stdout, change_columns);

    for (size_t i = 0; err == 0 && i < c->n; i++)
        err = csv_write(stdout, change_columns, &c->changes[i]);
}

/* -- the verb ------------------------------------------------------------- */

/* Reads a run, and says so if that cannot be done. */
static int
read_run(const char *path, char dir[RECORD_PATH], struct compared_run *run)
{
    unsigned line = 0;
    int err = record_of(path, dir);

    if (err == 0)
        err = record_read(dir, &run->rows, &run->n, &line);
    if (err == 0)
        err = summarise(run->rows, run->n, &run->summary);
    if (err != 0)
        report_unreadable(err == -ENAMETOOLONG ? path : dir, err, line);
    return err;
}

/* What is wrong with a run, but does not keep it from being compared. */
static void
warn_of_run(const char *dir, const struct compared_run *run)
{
    struct places placements;

    if (record_incomplete(dir))
        fprintf(stderr, "ipcbench: note: %s is incomplete\n", dir);
    summary_placements(&run->summary, &placements);
    for (size_t i = 0; i < placements.n; i++) {
        enum where at = placements.at[i];
        const char *who;
        double d = summary_noise(&run->summary, at, &who);

        if (fabs(d) > NOISE_LIMIT)
            fprintf(stderr,
                    "ipcbench: note: %s is NOISY: %s, %s, measured twice, "
                    "differs by %+.1f %%\n",
                    dir, who, where_words[at], 100 * d);
    }
}

static void
warn(const char *old_dir, const struct compared_run *old, const char *new_dir,
     const struct compared_run *new)
{
    char old_machine[256], new_machine[256], date[64];

    warn_of_run(old_dir, old);
    warn_of_run(new_dir, new);
    report_heading(old_dir, old_machine, date);
    if (date[0] == '\0')
        return; /* no run.json: nothing is known */
    report_heading(new_dir, new_machine, date);
    if (date[0] != '\0' && strcmp(old_machine, new_machine) != 0)
        fprintf(stderr,
                "ipcbench: note: these are two machines, so a verdict may be "
                "about them:\n  OLD %s\n  NEW %s\n",
                old_machine, new_machine);
}

static int
judge(const struct comparison *c, bool csv)
{
    if (csv) {
        print_csv(c);
    } else {
        if (c->compared > 0)
            print_table(c);
        print_gaps(c);
        print_verdicts(c);
    }
    if (c->compared == 0) {
        fprintf(stderr, "ipcbench: nothing was measured in both runs, with its "
                        "floor\n");
        return COMPARE_EXIT_CANNOT;
    }
    return c->slower > 0 ? COMPARE_EXIT_SLOWER : COMPARE_EXIT_FINE;
}

int
compare(const char *old, const char *new, bool csv)
{
    struct compared_run a = {.n = 0}, b = {.n = 0};
    char old_dir[RECORD_PATH], new_dir[RECORD_PATH];
    int status = COMPARE_EXIT_CANNOT, err;
    struct comparison c;

    if (read_run(old, old_dir, &a) != 0 || read_run(new, new_dir, &b) != 0)
        goto free_runs;
    warn(old_dir, &a, new_dir, &b);
    err = compare_runs(&a, &b, &c);
    if (err != 0) {
        fprintf(stderr, "ipcbench: %s\n", strerror(-err));
        goto free_runs;
    }
    if (!csv)
        printf("OLD %s, %ld rounds\nNEW %s, %ld rounds\n", old_dir,
               a.summary.rounds, new_dir, b.summary.rounds);
    status = judge(&c, csv);
    comparison_free(&c);
free_runs:
    summary_free(&a.summary);
    summary_free(&b.summary);
    free(a.rows);
    free(b.rows);
    return status;
}
