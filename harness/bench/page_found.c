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

static void
source(FILE *f, const char *from)
{
    const char *name = strrchr(from, '/');

    fputs("<p class=\"small\">From ", f);
    html_text(f, name != NULL ? name + 1 : from);
    fputs(".</p>\n", f);
}

/* -- attacks --------------------------------------------------------------- */

/* clang-format off */
#define ATTACK_COLUMNS \
    TEXT(number, 16) TEXT(mechanism, 40) TEXT(attack, 200) TEXT(naive, 80) \
    TEXT(defended, 80) TEXT(how, 400)

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

void
page_attacks(FILE *f, const struct page *p)
{
    char from[MOST];
    struct csv_reader r;
    struct attack a = {.number = ""};
    FILE *in = find_file(p->dir, "attack", from);

    if (in == NULL)
        return;
    if (csv_open(&r, in, attack_columns) == 0) {
        static const char *const heads[] = {
            "",    "Attack", "Mechanism", "Without", "With the defence",
            "How", NULL};

        fputs("<h2 id=\"attacks\">Attacks</h2>\n"
              "<p>Each was tried against a server without the defence, where "
              "it must succeed, and against ours.</p>\n",
              f);
        source(f, from);
        html_table(f, "words", heads);
        while (csv_read(&r, &a) == 1) {
            const char *const cells[] = {a.attack, a.mechanism, a.naive,
                                         a.defended, a.how};

            html_row(f, a.number, cells, sizeof cells / sizeof *cells);
            html_row_end(f);
        }
        html_table_end(f);
    }
    fclose(in);
}

/* -- isolation ------------------------------------------------------------- */

/* clang-format off */
#define ISOLATION_COLUMNS \
    TEXT(mechanism, 40) TEXT(inside, 16) TEXT(namespace, 24) TEXT(word, 24)

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
        html_element(f, "td", "td", all[i].word);
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
              "who it is?</p>\n",
              f);
        source(f, from);
        matrix(f, all, n);
    }
    if (in != NULL)
        fclose(in);
    free(all);
}
