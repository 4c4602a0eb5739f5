/* report.c - what came of a check, as text (report.h). */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "lab/report.h"

#include "lab/verdict.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *
points_text(double points)
{
    static char text[4][16];
    static unsigned turn;
    char *to = text[turn++ % 4];
    const double tenths = round(points * 10);

    snprintf(to, sizeof text[0], "%.*f", fmod(tenths, 10) == 0 ? 0 : 1,
             tenths / 10);
    return to;
}

/* What is taught: the first, unless it is that of both sides of one's own.  Of
 * the two that follow, one with the textbook form each, a single one says
 * more. */
static const struct result *
first_failure(struct check *c, int step)
{
    const struct result *first = NULL, *half = NULL;
    int halves = 0;

    for (struct result *r = check_first(c, step); r < check_last(c, step);
         r++) {
        if (!is_failure(r) && r->outcome != BROKEN)
            continue;
        if (first == NULL)
            first = r;
        if (strstr(r->of->name, "/its_") != NULL && ++halves == 1)
            half = r;
    }
    return step == 2 && halves == 1 ? half : first;
}

static bool
is_first_failing_step(struct check *c, int step)
{
    for (int i = 1; i < step; i++)
        if (first_failure(c, i) != NULL)
            return false;
    return first_failure(c, step) != NULL;
}

/* The rest is scored, not explained. */
static void
name_others(FILE *f, struct check *c, int step, const struct result *taught)
{
    for (struct result *r = check_first(c, step); r < check_last(c, step); r++)
        if (r != taught && is_failure(r))
            verdict_field(f, taught != NULL ? "Also not" : "Not",
                          r->of->checking);
}

static void
name_not_here(FILE *f, struct check *c, int step)
{
    const struct judged *j = &c->steps[step];
    char text[1200];

    for (struct result *r = check_first(c, step); r < check_last(c, step); r++)
        if (r->outcome == NOT_HERE) {
            snprintf(text, sizeof text, "%d of its %d, which %s", j->not_here,
                     j->not_here + j->ran, r->saw);
            verdict_field(f, "Not judged", text);
            return;
        }
}

void
report_step(FILE *f, struct check *c, int step)
{
    const struct judged *j = &c->steps[step];
    const struct result *failure = first_failure(c, step);
    char name[96], worth[48];
    struct verdict v;
    int used;

    snprintf(name, sizeof name, "%s.%d", c->target, step);
    snprintf(worth, sizeof worth, "%s of %s", points_text(j->points),
             points_text(j->of));
    if (j->blocked_by != 0)
        snprintf(worth, sizeof worth, "not run, because of step %d",
                 j->blocked_by);
    else if (j->ran == 0)
        snprintf(worth, sizeof worth, "nothing to judge here");
    used = fprintf(f, "%-10s %s", name, steps[step].title);
    fprintf(f, " %*s\n", 78 - used, worth);
    name_not_here(f, c, step);
    if (failure == NULL)
        return;
    if (is_first_failing_step(c, step) || c->only == step) {
        verdict_of(c, failure, &v);
        verdict_print(f, &v);
        fprintf(f, "   %-10s make hint L=%s.%d (1 of %d)\n", "Hint", c->target,
                step, HINTS);
    } else {
        failure = NULL;
    }
    name_others(f, c, step, failure);
}

void
report_sum(FILE *f, struct check *c)
{
    int next = 1;

    while (next <= STEPS && c->steps[next].points >= c->steps[next].of)
        next++;
    fprintf(f, "%s of %s", points_text(c->points), points_text(c->of));
    if (c->only == 0 && !c->first && c->of < 100)
        fprintf(f, " (%s cannot be judged here)", points_text(100 - c->of));
    if (next <= STEPS && c->only == 0)
        fprintf(f, "; next: step %d, make check L=%s.%d", next, c->target,
                next);
    fputc('\n', f);
}

/* -- evidence -------------------------------------------------------------- */

static void
write_evidence(FILE *f, struct check *c, const struct result *r)
{
    struct verdict v;

    verdict_of(c, r, &v);
    fprintf(f, "%s.%d %s (%s)\n", c->target, r->of->step, r->of->name,
            r->where);
    verdict_print(f, &v);
    for (int i = 0; i < r->wait_count; i++)
        fprintf(f, "\npid %d (%s): %s\n%s\n%s\n", (int)r->waits[i].wait.pid,
                r->waits[i].wait.name, r->waits[i].wait.call,
                r->waits[i].wait.because, r->waits[i].place);
    fprintf(f, "\n-- said, and what there was\n%s\n",
            r->said != NULL ? r->said : "");
    fprintf(f, "-- the last system calls, of another run\n%s",
            r->calls != NULL ? r->calls
                             : "not asked for: only the first failure of a "
                               "step is traced\n");
}

int
report_evidence(struct check *c, const char *dir)
{
    char path[4096], *slash;

    if (mkdir(dir, 0777) == -1 && errno != EEXIST)
        return -errno;
    for (int i = 0; i < c->count; i++) {
        const struct result *r = &c->results[i];
        FILE *f;

        if (!is_failure(r) && r->outcome != BROKEN)
            continue;
        snprintf(path, sizeof path, "%.2000s/%d-%s.txt", dir, r->of->step,
                 r->of->name);
        slash = strrchr(path, '/'); /* of "crash/a_test" */
        if (slash > path + strlen(dir))
            *slash = '-';
        f = fopen(path, "we");
        if (f == NULL)
            return -errno;
        write_evidence(f, c, r);
        if (fclose(f) != 0)
            return -errno;
    }
    return 0;
}
