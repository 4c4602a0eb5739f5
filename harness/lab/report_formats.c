/*
 * report_formats.c - what came of a check, for programs (report.h).
 *
 *      TAP          testanything.org, version 13: a line per experiment
 *      JUnit        a testsuite per step, a testcase per experiment
 *      Gradescope   results.json: score, and per step a test with its points
 *      Classroom    GitHub's autograding: version, status, max_score, tests
 */
#define _GNU_SOURCE /* open_memstream */
#include "lab/report.h"

#include "lab/verdict.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
close_file(FILE *f)
{
    const bool bad = ferror(f);

    return fclose(f) != 0 || bad ? -EIO : 0;
}

/* The verdict as text; to be freed. */
static char *
verdict_text(struct check *c, const struct result *r)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    struct verdict v;

    if (f == NULL)
        return NULL;
    verdict_of(c, r, &v);
    verdict_print(f, &v);
    fclose(f);
    return text;
}

/* -- TAP ------------------------------------------------------------------- */

static void
tap_line(FILE *f, struct check *c, const struct result *r, int n)
{
    const bool skip = r->outcome == NOT_HERE || r->outcome == BLOCKED;
    char *text, *rest, *line;

    fprintf(f, "%s %d - %s.%d %s",
            r->outcome == PASSED || skip ? "ok" : "not ok", n, c->target,
            r->of->step, r->of->name);
    if (skip)
        fprintf(f, " # SKIP %s",
                r->outcome == BLOCKED ? "an earlier step comes first" : r->saw);
    fputc('\n', f);
    if (!is_failure(r))
        return;
    text = rest = verdict_text(c, r);
    while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0')
            fprintf(f, "#%s\n", line);
    free(text);
}

int
report_tap(struct check *c, const char *file)
{
    FILE *f = fopen(file, "we");
    int n = 0;

    if (f == NULL)
        return -errno;
    fputs("TAP version 13\n", f);
    for (int i = 0; i < c->count; i++)
        if (c->results[i].outcome != ABSENT)
            tap_line(f, c, &c->results[i], ++n);
    fprintf(f, "1..%d\n", n);
    return close_file(f);
}

/* -- JUnit ----------------------------------------------------------------- */

static void
put_xml(FILE *f, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default: /* XML 1.0 knows no other control characters */
            fputc((unsigned char)*text < ' ' && *text != '\n' ? '?' : *text, f);
        }
}

static void
junit_case(FILE *f, struct check *c, const struct result *r)
{
    char *text;

    fprintf(f, "    <testcase classname=\"%s.%d\" name=\"%s\">\n", c->target,
            r->of->step, r->of->name);
    if (r->outcome == NOT_HERE || r->outcome == BLOCKED) {
        fputs("      <skipped message=\"", f);
        put_xml(f,
                r->outcome == BLOCKED ? "an earlier step comes first" : r->saw);
        fputs("\"/>\n", f);
    } else if (r->outcome != PASSED) {
        text = verdict_text(c, r);
        fprintf(f, "      <%s message=\"",
                r->outcome == BROKEN ? "error" : "failure");
        put_xml(f, r->saw);
        fputs("\">", f);
        put_xml(f, text != NULL ? text : "");
        fprintf(f, "</%s>\n", r->outcome == BROKEN ? "error" : "failure");
        free(text);
    }
    fputs("    </testcase>\n", f);
}

static void
junit_suite(FILE *f, struct check *c, int step)
{
    const struct judged *j = &c->steps[step];
    int all = 0, failed = 0;

    for (struct result *r = check_first(c, step); r < check_last(c, step);
         r++) {
        all += r->outcome != ABSENT;
        failed += is_failure(r);
    }
    fprintf(f,
            "  <testsuite name=\"%s.%d %s\" tests=\"%d\" failures=\"%d\" "
            "skipped=\"%d\">\n",
            c->target, step, steps[step].title, all, failed,
            j->blocked_by != 0 ? all : j->not_here);
    for (struct result *r = check_first(c, step); r < check_last(c, step); r++)
        if (r->outcome != ABSENT)
            junit_case(f, c, r);
    fputs("  </testsuite>\n", f);
}

int
report_junit(struct check *c, const char *file)
{
    FILE *f = fopen(file, "we");

    if (f == NULL)
        return -errno;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", f);
    for (int step = 1; step <= STEPS; step++)
        if (c->steps[step].asked)
            junit_suite(f, c, step);
    fputs("</testsuites>\n", f);
    return close_file(f);
}

/* -- JSON ------------------------------------------------------------------ */

/* All verdicts of a step. */
static char *
step_text(struct check *c, int step)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (f == NULL)
        return NULL;
    if (c->steps[step].blocked_by != 0)
        fprintf(f, "not run, because of step %d\n", c->steps[step].blocked_by);
    for (struct result *r = check_first(c, step); r < check_last(c, step);
         r++) {
        char *one = is_failure(r) ? verdict_text(c, r) : NULL;

        if (one != NULL)
            fprintf(f, "%s\n", one);
        free(one);
    }
    fclose(f);
    return text;
}

static json_t *
utf8(const char *text)
{
    json_t *s = json_string(text != NULL ? text : "");

    return s != NULL ? s : json_string("(not UTF-8)");
}

static bool
is_done(const struct judged *j)
{
    return j->of > 0 && j->points >= j->of;
}

static int
dump(json_t *all, const char *file)
{
    const int failed =
        all == NULL ||
        json_dump_file(all, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6));

    json_decref(all);
    return failed ? -EIO : 0;
}

int
report_gradescope(struct check *c, const char *file)
{
    json_t *tests = json_array();
    char name[96], number[16];

    for (int step = 1; step <= STEPS; step++) {
        const struct judged *j = &c->steps[step];
        char *text;

        if (!j->asked || j->of == 0)
            continue;
        text = step_text(c, step);
        snprintf(number, sizeof number, "%d", step);
        snprintf(name, sizeof name, "%s.%d %s", c->target, step,
                 steps[step].title);
        json_array_append_new(
            tests,
            json_pack("{s:s, s:s, s:f, s:f, s:s, s:o, s:s}", "number", number,
                      "name", name, "score", j->points, "max_score", j->of,
                      "status", is_done(j) ? "passed" : "failed", "output",
                      utf8(text), "visibility", "visible"));
        free(text);
    }
    return dump(json_pack("{s:f, s:s, s:s, s:o}", "score", c->points, "output",
                          "what each step is made of: harness/lab/steps.def",
                          "visibility", "visible", "tests", tests),
                file);
}

int
report_classroom(struct check *c, const char *file)
{
    json_t *tests = json_array();
    char name[96];

    for (int step = 1; step <= STEPS; step++) {
        const struct judged *j = &c->steps[step];
        char *text;

        if (!j->asked || j->of == 0)
            continue;
        text = step_text(c, step);
        snprintf(name, sizeof name, "%s.%d %s", c->target, step,
                 steps[step].title);
        json_array_append_new(
            tests,
            json_pack("{s:s, s:s, s:f, s:f, s:o, s:s, s:s, s:i}", "name", name,
                      "status", is_done(j) ? "pass" : "fail", "score",
                      j->points, "max_score", j->of, "message", utf8(text),
                      "test_code", name, "filename", c->source, "line_no", 0));
        free(text);
    }
    return dump(json_pack("{s:i, s:s, s:f, s:o}", "version", 1, "status",
                          check_status(c) == 0 ? "pass" : "fail", "max_score",
                          c->of, "tests", tests),
                file);
}
