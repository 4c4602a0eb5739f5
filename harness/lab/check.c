/* check.c - the steps of a lab, one after the other (check.h). */
#define _GNU_SOURCE /* program_invocation_name */
#include "lab/check.h"

#include "core/rundir.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- where everything is --------------------------------------------------- */

/* "fifo.6" -> "fifo", 6. */
static int
cut_step(char *target, int *step)
{
    char *dot = strchr(target, '.'), *end;

    *step = 0;
    if (dot == NULL)
        return 0;
    *dot = '\0';
    *step = (int)strtol(dot + 1, &end, 10);
    return *end != '\0' || *step < 1 || *step > STEPS ? -EINVAL : 0;
}

/* Beside build/release/ is build/work/, beside build/asan/ build/work-asan/. */
static int
find_programs(const struct check *c, char dir[PATH_MAX])
{
    char self[PATH_MAX], copy[PATH_MAX];
    const char *build;
    int err = program_path("ipclab", self, sizeof self);

    if (err != 0)
        return err;
    strcpy(copy, dirname(self));
    if (strcmp(c->mechanism + strlen(c->lab), "/work") != 0) {
        strcpy(dir, copy);
        return 0;
    }
    build = basename(self);
    if (strncmp(build, "release", 7) == 0)
        build += 7;
    snprintf(dir, PATH_MAX, "%.3000s/work%s%.60s/%s", dirname(copy),
             build[0] != '\0' && build[0] != '-' ? "-" : "", build, c->lab);
    return 0;
}

int
check_begin(struct check *c, const char *target, const char *programs)
{
    char dir[PATH_MAX], book[80];
    int err;

    *c = (struct check){.count = 0};
    steps_load();
    if (strlen(target) >= sizeof c->lab)
        return -EINVAL;
    strcpy(c->target, target);
    err = cut_step(c->target, &c->only);
    if (err != 0)
        return err;
    snprintf(c->lab, sizeof c->lab, "%.*s", (int)strcspn(c->target, "/"),
             c->target);
    snprintf(c->mechanism, sizeof c->mechanism, "%s%s", c->target,
             strchr(c->target, '/') == NULL ? "/work" : "");
    snprintf(book, sizeof book, "%s/textbook", c->lab);
    if (ipc_find(book) == NULL ||
        (strchr(c->target, '/') != NULL &&
         strcmp(c->mechanism + strlen(c->lab), "/work") != 0 &&
         ipc_find(c->mechanism) == NULL))
        return -EINVAL;
    snprintf(c->other, sizeof c->other, "%s/textbook.c", c->lab);
    if (strcmp(c->mechanism + strlen(c->lab), "/work") == 0)
        snprintf(c->source, sizeof c->source, "%s/work/%s.c", c->lab, c->lab);
    else
        snprintf(c->source, sizeof c->source, "%s/", c->lab);
    err = programs == NULL ? find_programs(c, dir) : 0;
    if (err != 0)
        return err;
    snprintf(c->tests, sizeof c->tests, "%.3900s/check",
             programs != NULL ? programs : dir);
    snprintf(c->bare, sizeof c->bare, "%.3900s/fast/check",
             programs != NULL ? programs : dir);
    if (access(c->bare, X_OK) == -1)
        strcpy(c->bare, c->tests);
    return access(c->tests, X_OK) == -1 ? -errno : 0;
}

/* -- judging --------------------------------------------------------------- */

bool
is_failure(const struct result *r)
{
    return r->outcome == FAILED || r->outcome == STUCK;
}

struct result *
check_first(struct check *c, int step)
{
    int i = 0;

    while (i < c->count && c->results[i].of->step < step)
        i++;
    return &c->results[i];
}

struct result *
check_last(struct check *c, int step)
{
    return check_first(c, step + 1);
}

/* Not half done, and judged; or not judged itself for such a reason. */
static int
what_blocks(const struct check *c, int step)
{
    const int needed = steps[step].requires;
    const struct judged *j = &c->steps[needed];

    if (needed == 0 || !j->asked)
        return 0;
    if (j->blocked_by != 0)
        return j->blocked_by;
    return j->points * 2 < j->of ? needed : 0;
}

static void
count(struct check *c, int step)
{
    struct judged *j = &c->steps[step];

    for (const struct result *r = check_first(c, step); r < check_last(c, step);
         r++) {
        j->passed += r->outcome == PASSED;
        j->ran += r->outcome == PASSED || is_failure(r) ||
                  r->outcome == BLOCKED || r->outcome == BROKEN;
        j->not_here += r->outcome == NOT_HERE;
    }
    if (j->ran == 0)
        return;
    j->of = steps[step].points;
    j->points = j->of * j->passed / j->ran;
    c->points += j->points;
    c->of += j->of;
}

static void
run_step(struct check *c, int step)
{
    const struct trial t = {.check = c->tests,
                            .bare = c->bare,
                            .mechanism = c->mechanism,
                            .source = c->source,
                            .other = c->other};
    struct result *first = &c->results[c->count];
    int n = 0;

    c->steps[step].asked = true;
    c->steps[step].blocked_by = what_blocks(c, step);
    for (int i = 0; i < experiment_count; i++)
        if (experiments[i].step == step)
            first[n++] = (struct result){
                .of = &experiments[i],
                .outcome = c->steps[step].blocked_by != 0 ? BLOCKED : ABSENT};
    c->count += n;
    if (c->steps[step].blocked_by == 0)
        trial_run(&t, first, n);
    for (int i = 0; c->trace && i < n; i++)
        if (is_failure(&first[i])) {
            first[i].calls = trial_calls(&t, first[i].of);
            break;
        }
    count(c, step);
}

void
check_run(struct check *c, void (*told)(struct check *, int, void *), void *arg)
{
    for (int step = 1; step <= STEPS; step++) {
        if (c->only != 0 && c->only != step)
            continue;
        run_step(c, step);
        if (told != NULL)
            told(c, step, arg);
        if (c->first && c->steps[step].points < c->steps[step].of)
            return;
    }
}

int
check_status(const struct check *c)
{
    int failed = 0, ran = 0;

    for (int i = 0; i < c->count; i++) {
        if (c->results[i].outcome == BROKEN)
            return 2;
        failed +=
            is_failure(&c->results[i]) || c->results[i].outcome == BLOCKED;
        ran += is_failure(&c->results[i]) || c->results[i].outcome == PASSED;
    }
    if (failed > 0)
        return 1;
    return ran > 0 ? 0 : 3;
}

void
check_end(struct check *c)
{
    results_free(c->results, c->count);
    c->count = 0;
}
