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
        fputs("<h2 id=\"attacks\">Attacks</h2>\n"
              "<p>Each was tried against a server without the defence, where "
              "it must succeed, and against ours.</p>\n",
              f);
        source(f, from);
        fputs("<div class=\"wide\" tabindex=\"0\"><table class=\"words\">\n"
              "<thead><tr><th></th><th>Attack</th><th>Mechanism</th>"
              "<th>Without</th><th>With the defence</th><th>How</th></tr>"
              "</thead>\n<tbody>\n",
              f);
        while (csv_read(&r, &a) == 1) {
            const char *const cells[] = {a.attack, a.mechanism, a.naive,
                                         a.defended, a.how};

            fputs("<tr>", f);
            html_element(f, "th scope=\"row\"", "th", a.number);
            for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
                html_element(f, "td", "td", cells[i]);
            fputs("</tr>\n", f);
        }
        fputs("</tbody></table></div>\n", f);
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

/* The first row's namespaces are the heads of all. */
static void
heads(FILE *f, const struct isolation *all, size_t n)
{
    fputs("<div class=\"wide\" tabindex=\"0\"><table class=\"facts\">\n"
          "<thead><tr><th></th><th>In it</th>",
          f);
    for (size_t i = 0; i < n && strcmp(all[i].mechanism, all->mechanism) == 0 &&
                       strcmp(all[i].inside, all->inside) == 0;
         i++)
        html_element(f, "th", "th", all[i].namespace);
    fputs("</tr></thead>\n<tbody>\n", f);
}

static void
matrix(FILE *f, const struct isolation *all, size_t n)
{
    heads(f, all, n);
    for (size_t i = 0; i < n; i++) {
        const struct isolation *x = &all[i];
        bool first = i == 0 || strcmp(x->mechanism, x[-1].mechanism) != 0 ||
                     strcmp(x->inside, x[-1].inside) != 0;

        if (first) {
            fputs(i == 0 ? "<tr>" : "</tr>\n<tr>", f);
            html_element(f, "th scope=\"row\"", "th", x->mechanism);
            html_element(f, "td", "td", x->inside);
        }
        html_element(f, "td", "td", x->word);
    }
    fputs("</tr></tbody></table></div>\n", f);
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
