/*
 * page_found.c - what other verbs have found out on this machine: the attacks
 * and the isolation matrix, if their files are in the run's directory, or else
 * from the newest run of theirs beside it.
 *
 *      results/20251122T095300Z-host/            this run
 *      results/20251122T101500Z-host-attack/     attack.csv
 *      results/20251122T102000Z-host-isolate/    isolate.csv
 */
#define _GNU_SOURCE /* realpath */
#include "bench/page.h"

#include "bench/html.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 4096 /* bytes of a path */

/* The newest directory beside dir with that ending; names begin with the
 * time. */
static bool
find_beside(const char *dir, const char *what, char newest[MOST])
{
    char parent[MOST], name[256] = "", ending[40];
    struct dirent *e;
    DIR *d;

    if (realpath(dir, parent) == NULL || strrchr(parent, '/') == parent)
        return false;
    *strrchr(parent, '/') = '\0';
    snprintf(ending, sizeof ending, "-%s", what);
    d = opendir(parent);
    while (d != NULL && (e = readdir(d)) != NULL) {
        size_t n = strlen(e->d_name), m = strlen(ending);

        if (n > m && strcmp(e->d_name + n - m, ending) == 0 &&
            strcmp(e->d_name, name) > 0)
            snprintf(name, sizeof name, "%s", e->d_name);
    }
    if (d != NULL)
        closedir(d);
    return name[0] != '\0' &&
           snprintf(newest, MOST, "%s/%s", parent, name) < MOST;
}

/* what.csv, open, or NULL; *from is the directory it was found in. */
static FILE *
find_file(const char *dir, const char *what, char from[MOST])
{
    char path[MOST + 64];
    FILE *f;

    snprintf(from, MOST, "%s", dir);
    snprintf(path, sizeof path, "%s/%s.csv", from, what);
    f = fopen(path, "re");
    if (f != NULL || !find_beside(dir, what, from))
        return f;
    snprintf(path, sizeof path, "%s/%s.csv", from, what);
    return fopen(path, "re");
}

bool
page_has(const struct page *p, const char *what)
{
    char from[MOST];
    FILE *f = find_file(p->dir, what, from);

    if (f != NULL)
        fclose(f);
    return f != NULL;
}

static void
source(FILE *f, const char *from)
{
    const char *name = strrchr(from, '/');

    fputs("<p class=\"small\">From ", f);
    html_text(f, name != NULL ? name + 1 : from);
    fputs(".</p>\n", f);
}

/* <span class="good">REFUSED</span> */
static void
in_colour(FILE *f, const char *class, const char *word)
{
    fprintf(f, "<span class=\"%s\">", class);
    html_text(f, word);
    fputs("</span>", f);
}

/* -- attacks --------------------------------------------------------------- */

/* clang-format off */
#define ATTACK_COLUMNS \
    TEXT(number, 16) TEXT(mechanism, 40) TEXT(attack, 200) TEXT(naive, 80) \
    TEXT(defended, 80) TEXT(expected, 20) TEXT(how, 400)

struct attack {
#include "bench/csv_members.h"
    ATTACK_COLUMNS
};

static const struct csv_column attack_columns[] = {
#define CSV_OF struct attack
#include "bench/csv_columns.h"
    ATTACK_COLUMNS
    {.name = NULL},
};
/* clang-format on */

/* What became of it is one of these, and what the page calls it. */
static const struct outcome {
    const char *defended, *expected, *class, *says;
} outcomes[] = {
    {"REFUSED", "yes", "good", "REFUSED"},
    {"FELL", "not prevented", "odd", "FELL, not prevented there"},
    {"not run", NULL, "small", "not run here"},
    {NULL, NULL, "bad", "FINDING: not as expected"}, /* any other one */
};
#define OUTCOMES (sizeof outcomes / sizeof *outcomes)

static size_t
outcome_of(const struct attack *a)
{
    size_t i = 0;

    while (outcomes[i].defended != NULL &&
           (strcmp(a->defended, outcomes[i].defended) != 0 ||
            (outcomes[i].expected != NULL &&
             strcmp(a->expected, outcomes[i].expected) != 0)))
        i++;
    return i;
}

static void
attack_row(FILE *f, const struct attack *a, const struct outcome *o)
{
    const char *const cells[] = {a->attack, a->mechanism, a->naive};

    fputs(strcmp(o->class, "good") == 0 || strcmp(o->class, "small") == 0
              ? "<tr class=\"asked\">"
              : "<tr>",
          f);
    html_element(f, "th scope=\"row\"", "th", a->number);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        html_element(f, "td", "td", cells[i]);
    fputs("<td>", f);
    in_colour(f, o->class, o->says);
    if (o->defended == NULL) {
        fputc(' ', f);
        html_text(f, a->defended);
    }
    fputs("</td>", f);
    html_element(f, "td", "td", a->how);
    html_row_end(f);
}

/* "164 REFUSED, 5 FELL, not prevented there, ..." */
static void
attack_counts(FILE *f, const long count[OUTCOMES])
{
    fputs("<p>", f);
    for (size_t i = 0; i < OUTCOMES; i++) {
        fprintf(f, "%s%ld ", i > 0 ? "&ensp; " : "", count[i]);
        in_colour(f, count[i] > 0 ? outcomes[i].class : "small",
                  outcomes[i].says);
    }
    fputs("</p>\n", f);
}

void
page_attacks(FILE *f, const struct page *p)
{
    static const char *const heads[] = {
        "", "Attack", "Mechanism", "Without", "With the defence", "How", NULL};
    char from[MOST];
    struct csv_reader r;
    struct attack a = {.number = ""};
    long count[OUTCOMES] = {0};
    FILE *in = find_file(p->dir, "attack", from);

    if (in == NULL)
        return;
    if (csv_open(&r, in, attack_columns) == 0) {
        fputs("<h2 id=\"attacks\">Attacks</h2>\n"
              "<p>Each was tried against a server without the defence, where "
              "it must succeed (FELL), and against ours.</p>\n",
              f);
        source(f, from);
        while (csv_read(&r, &a) == 1)
            count[outcome_of(&a)]++;
        attack_counts(f, count);
        html_table(f, "words found", heads);
        rewind(in); /* once more, from its first line */
        csv_open(&r, in, attack_columns);
        while (csv_read(&r, &a) == 1)
            attack_row(f, &a, &outcomes[outcome_of(&a)]);
        html_table_end(f);
    }
    fclose(in);
}

/* -- isolation ------------------------------------------------------------- */

/* clang-format off */
#define ISOLATION_COLUMNS \
    TEXT(mechanism, 40) TEXT(inside, 16) TEXT(namespace, 24) TEXT(word, 24) \
    TEXT(verdict, 24)

struct isolation {
#include "bench/csv_members.h"
    ISOLATION_COLUMNS
};

static const struct csv_column isolation_columns[] = {
#undef CSV_OF
#define CSV_OF struct isolation
#include "bench/csv_columns.h"
    ISOLATION_COLUMNS
    {.name = NULL},
};
/* clang-format on */

#define MOST_NAMESPACES 32

static bool
same_row(const struct isolation *a, const struct isolation *b)
{
    return strcmp(a->mechanism, b->mechanism) == 0 &&
           strcmp(a->inside, b->inside) == 0;
}

/* Whether the two reach each other; and if that is news, so it says. */
static void
isolation_word(FILE *f, const struct isolation *x)
{
    static const char *const through[] = {"yes", "uid", "pid"};
    const char *class = "odd";

    for (size_t i = 0; i < sizeof through / sizeof *through; i++)
        if (strcmp(x->word, through[i]) == 0)
            class = "good";
    if (strcmp(x->word, "n/a") == 0 || strcmp(x->verdict, "not run") == 0)
        class = "small";
    fputs("<td>", f);
    in_colour(f, class, x->word);
    if (strcmp(x->verdict, "FINDING") == 0) {
        fputc(' ', f);
        in_colour(f, "bad", "FINDING");
    }
    fputs("</td>", f);
}

/* The first row's namespaces are the heads of all. */
static void
matrix(FILE *f, const struct isolation *all, size_t n)
{
    const char *heads[2 + MOST_NAMESPACES + 1] = {"", "In it"};
    size_t i;

    for (i = 0; i < n && i < MOST_NAMESPACES && same_row(&all[i], all); i++)
        heads[2 + i] = all[i].namespace;
    html_table(f, "facts", heads);
    for (i = 0; i < n; i++) {
        const char *const inside[] = {all[i].inside};

        if (i == 0 || !same_row(&all[i], &all[i - 1]))
            html_row(f, all[i].mechanism, inside, 1);
        isolation_word(f, &all[i]);
        if (i + 1 == n || !same_row(&all[i + 1], &all[i]))
            html_row_end(f);
    }
    html_table_end(f);
}

#define MOST_CELLS 4096

void
page_isolation(FILE *f, const struct page *p)
{
    struct isolation *all = calloc(MOST_CELLS, sizeof *all);
    char from[MOST];
    struct csv_reader r;
    size_t n = 0;
    FILE *in = all != NULL ? find_file(p->dir, "isolate", from) : NULL;

    if (in != NULL && csv_open(&r, in, isolation_columns) == 0)
        while (n < MOST_CELLS && csv_read(&r, &all[n]) == 1)
            n++;
    if (n > 0) {
        fputs("<h2 id=\"isolation\">Namespaces</h2>\n"
              "<p>The client, or the server, in a new namespace of each kind: "
              "do the two still reach each other, and is the client taken for "
              "who it is?  yes, uid, pid: they do (uid, pid: under another "
              "number); FINDING: not as expected.</p>\n",
              f);
        source(f, from);
        matrix(f, all, n);
    }
    if (in != NULL)
        fclose(in);
    free(all);
}
