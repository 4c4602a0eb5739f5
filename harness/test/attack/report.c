/*
 * report.c - the matrix, as it is printed and as attack.csv.
 *
 *      results/20251122T095300Z-host-attack/
 *          attack.txt    what is printed where there is room
 *          attack.csv    one line per attack
 */
#define _GNU_SOURCE /* fmemopen */
#include "test/attack/attack.h"

#include "bench/record.h"
#include "core/wrap.h"

#include <errno.h>
#include <string.h>

bool
as_expected(const struct result *r)
{
    if (r->defended == NOT_RUN && r->naive == NOT_RUN)
        return true;
    return r->naive == FELL &&
           r->defended == (r->attack->cannot != NULL ? FELL : REFUSED);
}

static const char *
word(enum verdict v)
{
    static const char *const words[] = {[FELL] = "FELL",
                                        [REFUSED] = "REFUSED",
                                        [NOT_RUN] = "not run",
                                        [BROKEN] = "BROKEN"};

    return words[v];
}

/* -- text ----------------------------------------------------------------- */

/* What refuses it only where all of that has room: attack.csv has it, too. */
#define HOW_FROM WRAP_MOST

static void
matrix(const struct result *r, size_t n, int columns, FILE *f)
{
    fprintf(f, "%3s %-17s %-38s %-5s %s\n", "", "mechanism",
            "what the attacker does", "naive", "defended");
    for (const struct result *end = r + n; r < end; r++) {
        const struct attack *a = r->attack;

        if (r->defended == NOT_RUN)
            continue;
        fprintf(f, "%3d %-17s %-38s %-5s %s", a->number, a->mechanism, a->what,
                word(r->naive), word(r->defended));
        if (columns >= HOW_FROM)
            fprintf(f, "%*s %s", 7 - (int)strlen(word(r->defended)), "",
                    a->how);
        fputs(as_expected(r) ? "\n" : " <--\n", f);
    }
}

static void
cannot(const struct result *r, size_t n, int columns, FILE *f)
{
    const char *last = NULL; /* once, if the next ones have the same */
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        const struct attack *a = r[i].attack;

        if (a->cannot == NULL || a->cannot == last || r[i].defended == NOT_RUN)
            continue;
        if (!any)
            fputs("\nNot prevented there, because\n", f);
        any = true;
        last = a->cannot;
        fprintf(f, "%3d ", a->number);
        wrap(f, a->cannot, 4, columns);
    }
}

static bool
same_reason(const struct result *a, const struct result *b)
{
    return a->reason != NULL && strcmp(a->reason, b->reason) == 0;
}

/* Those with the same reason as the one at i: "2 attacks, because: needs root
 * (14, 28)"; all of them need not be named. */
static void
with_reason(const struct result *r, size_t n, size_t i, FILE *f)
{
    const char *separator = " (";
    size_t count = 0;

    for (size_t j = i; j < n; j++)
        count += same_reason(&r[j], &r[i]);
    fprintf(f, "%zu attack%s, because: %s", count, count > 1 ? "s" : "",
            r[i].reason);
    for (size_t j = i; j < n && count < n; j++)
        if (same_reason(&r[j], &r[i])) {
            fprintf(f, "%s%d", separator, r[j].attack->number);
            separator = ", ";
        }
    fputs(count < n ? ")" : "", f);
}

static void
not_run(const struct result *r, size_t n, int columns, FILE *f)
{
    char text[2048];

    for (size_t i = 0; i < n; i++) {
        bool said = r[i].reason == NULL;
        FILE *out;

        for (size_t j = 0; j < i && !said; j++)
            said = same_reason(&r[j], &r[i]);
        out = said ? NULL : fmemopen(text, sizeof text, "w");
        if (out == NULL)
            continue;
        with_reason(r, n, i, out);
        fclose(out);
        fputs("not run here: ", f);
        wrap(f, text, 14, columns);
    }
}

static void
summary(const struct result *r, size_t n, int columns, FILE *f)
{
    size_t refused = 0, fell = 0, absent = 0, wrong = 0;
    char text[200];

    for (size_t i = 0; i < n; i++) {
        wrong += !as_expected(&r[i]);
        absent += r[i].defended == NOT_RUN;
        refused += r[i].defended == REFUSED && as_expected(&r[i]);
        fell += r[i].defended == FELL && as_expected(&r[i]);
    }
    snprintf(text, sizeof text,
             "%zu attacks: %zu refused, %zu not prevented there, %zu not run "
             "here, %zu not as expected%s.",
             n, refused, fell, absent, wrong, wrong > 0 ? " (<--)" : "");
    fputc('\n', f);
    wrap(f, text, 0, columns);
}

/* -- CSV ------------------------------------------------------------------ */

/* One field.  RFC 4180: quotes are doubled. */
static void
quoted(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

static const char *
reason(const struct result *r)
{
    if (r->defended == NOT_RUN)
        return r->reason;
    return r->attack->cannot != NULL ? r->attack->cannot : r->attack->how;
}

static void
csv(const struct result *r, size_t n, FILE *f)
{
    fputs("number,mechanism,attack,naive,defended,expected,how\n", f);
    for (size_t i = 0; i < n; i++) {
        const struct attack *a = r[i].attack;

        fprintf(f, "%d,%s,", a->number, a->mechanism);
        quoted(f, a->what);
        fprintf(f, ",%s,%s,%s,", word(r[i].naive), word(r[i].defended),
                !as_expected(&r[i]) ? "no"
                : a->cannot != NULL ? "not prevented"
                                    : "yes");
        quoted(f, reason(&r[i]));
        fputc('\n', f);
    }
}

/* -- the directory -------------------------------------------------------- */

static void
text(const struct result *r, size_t n, int columns, FILE *f)
{
    matrix(r, n, columns, f);
    cannot(r, n, columns, f);
    fputc('\n', f);
    not_run(r, n, columns, f);
    summary(r, n, columns, f);
}

/* What is written to a file: record_file(). */
struct all {
    const struct result *r;
    size_t n;
};

static int
put_text(const void *what, FILE *f)
{
    const struct all *all = what;

    text(all->r, all->n, WRAP_MOST, f);
    return 0;
}

static int
put_csv(const void *what, FILE *f)
{
    const struct all *all = what;

    csv(all->r, all->n, f);
    return 0;
}

int
report(const struct result *r, size_t n, const char *parent)
{
    const struct all all = {r, n};
    char dir[RECORD_PATH] = "results";
    int err;

    text(r, n, wrap_columns(), stdout);
    err = record_directory(parent, "attack", dir);
    if (err == 0)
        err = record_file(dir, "attack.txt", put_text, &all);
    if (err == 0)
        err = record_file(dir, "attack.csv", put_csv, &all);
    if (err == 0)
        printf("The results are in %s: attack.txt, attack.csv\n", dir);
    else
        fprintf(stderr, "ipcattack: cannot write the results to %s: %s\n", dir,
                strerror(-err));
    return err;
}
