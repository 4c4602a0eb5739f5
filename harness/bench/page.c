/* page.c - report.html: the template, filled in. */
#define _GNU_SOURCE /* getdelim */
#include "bench/page.h"

#include "bench/grid.h"
#include "bench/html.h"
#include "bench/shown.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* -- charts ---------------------------------------------------------------- */

/* RFC 4648, in one line: it is the value of an attribute. */
static void
base64(FILE *f, const char *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = 0;

        for (size_t j = 0; j < 3; j++)
            v = v << 8 | (i + j < n ? (unsigned char)data[i + j] : 0);
        fputc(digits[v >> 18], f);
        fputc(digits[v >> 12 & 63], f);
        fputc(i + 1 < n ? digits[v >> 6 & 63] : '=', f);
        fputc(i + 2 < n ? digits[v & 63] : '=', f);
    }
}

/* A comment behind the end of a picture, "<!-- at LEFT TOP WIDTH HEIGHT: text
 * -->" (plot/style.gp), is what stands there, in percent: shown while the
 * pointer is there, on the side where there is room; "; " ends a line. */
static void
spot(FILE *f, const char *line)
{
    double left, top, width, height;
    char text[2048];
    char *end;
    int at = 0;

    if (sscanf(line, "<!-- at %lf %lf %lf %lf: %n", &left, &top, &width,
               &height, &at) != 4 ||
        at == 0)
        return;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(line + at, "\n"),
             line + at);
    end = strstr(text, " -->");
    if (end != NULL)
        *end = '\0';
    fprintf(f,
            "<span class=\"spot%s%s\" style=\"left:%.2f%%;top:%.2f%%;"
            "width:%.2f%%;height:%.2f%%\"><span>",
            left > 50 ? " right" : "", top > 45 ? " low" : "", left, top, width,
            height);
    html_lines(f, text);
    fputs("</span></span>\n", f);
}

/* "latency: what it shows": the chart as an image within the page.  Not as an
 * <svg> among the HTML: an image runs no script, asks nobody and cannot spoil
 * what surrounds it, wherever the file came from, and the ids that gnuplot
 * gives in every file stay apart. */
static void
chart(FILE *f, const struct page *p, const char *what)
{
    int length = (int)strcspn(what, ":");
    char file[32], path[RECORD_PATH], *svg = NULL;
    const char *end = NULL;
    ssize_t n = -1;
    size_t room = 0;
    FILE *in = NULL;

    snprintf(file, sizeof file, "%.*s.svg", length, what);
    if (record_path(p->dir, file, path) == 0)
        in = fopen(path, "re");
    if (in != NULL) {
        n = getdelim(&svg, &room, '\0', in); /* all of it */
        fclose(in);
    }
    if (n > 0)
        end = strstr(svg, "</svg>\n");
    if (end != NULL) {
        end += strlen("</svg>\n");
        fprintf(f,
                "<div class=\"wide\" tabindex=\"0\"><div class=\"chart\">"
                "<img alt=\"%s\" src=\"data:image/svg+xml;base64,",
                what + length + 2);
        base64(f, svg, (size_t)(end - svg));
        fputs("\">\n", f);
        for (; *end != '\0'; end += strcspn(end, "\n"), end += *end == '\n')
            spot(f, end);
        fputs("</div></div>", f);
    } else {
        fputs(
            "<p class=\"warning\">This chart was not drawn: it takes gnuplot. "
            "The numbers are in the tables below.</p>",
            f);
    }
    free(svg);
}

/* -- {{if name}} ----------------------------------------------------------- */

static bool
is_noisy(const struct summary *s)
{
    struct places placements;
    const char *who;

    summary_placements(s, &placements);
    for (size_t i = 0; i < placements.n; i++)
        if (fabs(summary_noise(s, placements.at[i], &who)) > NOISE_LIMIT)
            return true;
    return false;
}

/* Was anything of this kind measured? */
static bool
has_kind(const struct summary *s, enum kind kind)
{
    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->used > 0 && l->kind == kind && !summary_is_floor(l))
            return true;
    return false;
}

static bool
is_so(const struct page *p, const char *name)
{
    if (strcmp(name, "incomplete") == 0)
        return p->incomplete;
    if (strcmp(name, "noisy") == 0)
        return is_noisy(p->s);
    if (strcmp(name, "clients") == 0)
        return has_kind(p->s, ROW_CLIENTS);
    if (strcmp(name, "attacks") == 0 || strcmp(name, "isolation") == 0)
        return page_has(p, name[0] == 'a' ? "attack" : "isolate");
    return strcmp(name, "load") == 0 && has_kind(p->s, ROW_LOAD);
}

/* -- {{name}} -------------------------------------------------------------- */

static void
whole(FILE *f, const char *file)
{
    for (const char *const *l = shown_lines(file); *l != NULL; l++)
        fputs(*l, f);
}

static void
style(FILE *f, const struct page *p)
{
    (void)p;
    whole(f, "style.css");
}

static void
script(FILE *f, const struct page *p)
{
    (void)p;
    whole(f, "tables.js");
}

static void
heading(FILE *f, const struct page *p)
{
    const char *machine = json_string_value(json_object_get(p->run, "heading"));
    const char *ended = json_string_value(
        json_object_get(json_object_get(p->run, "run"), "ended"));

    html_text(f, machine != NULL ? machine : p->dir);
    if (ended != NULL) {
        fputs("; ", f);
        html_text(f, ended);
    }
}

static void
noise(FILE *f, const struct page *p)
{
    (void)p;
    fprintf(f, "%.0f", 100 * NOISE_LIMIT);
}

static void
rounds(FILE *f, const struct page *p)
{
    fprintf(f, "%ld", p->s->rounds);
}

static void
tables(FILE *f, const struct page *p)
{
    grids(p->s, GRID_ALL, p->run, grid_html, f);
}

static const struct {
    const char *name;
    void (*put)(FILE *f, const struct page *p);
} words[] = {
    {"style", style},
    {"script", script},
    {"heading", heading},
    {"noise", noise},
    {"rounds", rounds},
    {"trips", page_trips},
    {"most", page_most},
    {"interruptions", page_interruptions},
    {"crowd", page_crowd},
    {"stall", page_stall},
    {"surprise", page_surprise},
    {"tables", tables},
    {"attacks", page_attacks},
    {"isolation", page_isolation},
    {"doubtful", page_doubtful},
    {"doubts", page_doubts},
    {"mechanisms", page_mechanisms},
    {"machine", page_machine},
};

static void
put_word(FILE *f, const struct page *p, const char *name)
{
    if (strncmp(name, "chart ", 6) == 0)
        chart(f, p, name + 6);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].name, name) == 0)
            words[i].put(f, p);
}

/* -- the template ---------------------------------------------------------- */

/* A line, and what stands for its {{...}}. */
static void
put_line(FILE *f, const struct page *p, const char *line)
{
    char name[160];
    const char *open, *close;

    while ((open = strstr(line, "{{")) != NULL &&
           (close = strstr(open, "}}")) != NULL) {
        fprintf(f, "%.*s", (int)(open - line), line);
        snprintf(name, sizeof name, "%.*s", (int)(close - open - 2), open + 2);
        put_word(f, p, name);
        line = close + 2;
    }
    fputs(line, f);
}

static int
put_page(const void *what, FILE *f)
{
    const struct page *p = what;
    bool shows = true;

    for (const char *const *l = shown_lines("report.html"); *l != NULL; l++) {
        char name[32];

        if (sscanf(*l, "{{if %31[a-z]}}", name) == 1)
            shows = is_so(p, name);
        else if (strcmp(*l, "{{end}}\n") == 0)
            shows = true;
        else if (shows)
            put_line(f, p, *l);
    }
    return 0;
}

int
page_write(const struct summary *s, const char *dir, bool incomplete)
{
    struct page p = {.s = s, .dir = dir, .incomplete = incomplete};
    char path[RECORD_PATH];
    int err;

    if (record_path(dir, "run.json", path) == 0)
        p.run = json_load_file(path, 0, NULL);
    err = record_file(dir, "report.html", put_page, &p);
    json_decref(p.run);
    return err;
}
