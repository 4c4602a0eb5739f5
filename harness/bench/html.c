/* html.c - report.html: the frame, the style and the charts. */
#include "bench/html.h"

#include <math.h>

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, "
    "initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
    "'none'; style-src 'unsafe-inline'; img-src data:\">\n"
    "<title>Inter-process communication, compared</title>\n"
    "<style>\n"
    "body { font: 18px/1.5 system-ui, sans-serif; color: #111;\n"
    "  background: #fff; max-width: 70rem; margin: 0 auto; padding: 1rem;\n"
    "  overflow-wrap: break-word; }\n"
    "h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.5rem 0; }\n"
    "h2 { font-size: 1.4rem; line-height: 1.25; margin: 2.5rem 0 0.5rem; }\n"
    "h3 { font-size: 1.1rem; line-height: 1.3; margin: 1.5rem 0 0.3rem; }\n"
    "h3::first-letter { text-transform: uppercase; }\n"
    "p, ul, figcaption { margin: 0.5rem 0; max-width: 55rem; }\n"
    "a { color: inherit; }\n"
    "nav a { margin-right: 1rem; }\n"
    ".small { font-size: 0.85rem; color: #444; }\n"
    ".warning { border: 2px solid #111; border-left-width: 0.7rem;\n"
    "  padding: 0.4rem 0.8rem; }\n"
    "figure { margin: 0 0 2rem; }\n"
    "figure img { display: block; width: 100%; height: auto; }\n"
    /* A wide table moves in a box of its own, and its first column stays. */
    ".wide { overflow-x: auto; }\n"
    ".wide img { min-width: 46rem; }\n"
    "table { border-collapse: collapse; font-size: 0.9rem; }\n"
    "th, td { text-align: left; vertical-align: top; font-weight: normal;\n"
    "  padding: 0.15rem 0.7rem 0.15rem 0; border-bottom: 1px solid #ddd; }\n"
    "thead th { font-weight: 600; border-bottom: 2px solid #111;\n"
    "  vertical-align: bottom; }\n"
    "tbody th { position: sticky; left: 0;\n"
    "  background: #fff; background-clip: padding-box; }\n"
    ".numbers th, .numbers td { white-space: nowrap; }\n"
    ".numbers td, .numbers thead th { text-align: right;\n"
    "  font-variant-numeric: tabular-nums; }\n"
    ".numbers thead th:first-child, .numbers .why { text-align: left; }\n"
    ".numbers .why { white-space: normal; color: #444; min-width: 20rem; }\n"
    ".floor th, .floor td { font-style: italic; }\n"
    ".words { min-width: 56rem; }\n"
    ".words th { white-space: nowrap; }\n"
    ".facts th { padding-right: 1.5rem; }\n"
    ".facts td { overflow-wrap: anywhere; }\n"
    ".dense { max-width: none; columns: 28rem; column-gap: 2.5rem;\n"
    "  padding-left: 1.2rem; }\n"
    "@media (max-width: 40rem) { body { font-size: 16px; }\n"
    "  tbody th { max-width: 9rem; } .words th { white-space: normal; } }\n"
    "@media print { .wide img { min-width: 0; }\n"
    " body { font-size: 10pt; max-width: none; padding: 0; }\n"
    "  nav { display: none; } .wide { overflow: visible; }\n"
    "  .words { min-width: 0; } tbody th { position: static; }\n"
    "  figure, tr { break-inside: avoid; }\n"
    "  h2, h3 { break-after: avoid; } }\n"
    "</style>\n"
    "</head>\n"
    "<body>\n";

/* -- text ------------------------------------------------------------------ */

void
html_text(FILE *f, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        case '\'':
            fputs("&#39;", f);
            break;
        default: /* of control characters HTML knows white space only */
            fputc((unsigned char)*text < ' ' || *text == 127 ? ' ' : *text, f);
        }
}

void
html_element(FILE *f, const char *open, const char *close, const char *text)
{
    fprintf(f, "<%s>", open);
    html_text(f, text);
    fprintf(f, "</%s>", close);
}

/* -- the page -------------------------------------------------------------- */

struct page {
    const struct summary *s;
    const char *dir;
    json_t *run; /* run.json, or NULL */
    bool incomplete;
};

static bool
is_noisy(const struct summary *s)
{
    struct names placements;
    const char *who;

    summary_placements(s, &placements);
    for (size_t i = 0; i < placements.n; i++)
        if (fabs(summary_noise(s, placements.name[i], &who)) > NOISE_LIMIT)
            return true;
    return false;
}

static void
heading(FILE *f, const struct page *p)
{
    const char *machine = json_string_value(json_object_get(p->run, "heading"));
    const char *ended = json_string_value(
        json_object_get(json_object_get(p->run, "run"), "ended"));

    fputs("<h1>Inter-process communication, compared</h1>\n<p>", f);
    html_text(f, machine != NULL ? machine : p->dir);
    if (ended != NULL) {
        fputs("; ", f);
        html_text(f, ended);
    }
    fputs("</p>\n", f);
    if (p->incomplete)
        fputs(
            "<p class=\"warning\">INCOMPLETE: this run was stopped before its "
            "end, or was still going on.</p>\n",
            f);
    if (is_noisy(p->s))
        fprintf(f,
                "<p class=\"warning\">NOISY: the same thing measured twice "
                "differs by more than %.0f %%; do not believe smaller "
                "differences than <a href=\"#doubts\">that</a> here.</p>\n",
                100 * NOISE_LIMIT);
    fputs("<nav class=\"small\"><a href=\"#tables\">Tables</a> "
          "<a href=\"#doubts\">Doubts</a> "
          "<a href=\"#mechanisms\">Mechanisms</a> "
          "<a href=\"#method\">Method</a> "
          "<a href=\"#machine\">Machine</a></nav>\n",
          f);
}

static int
put_page(const void *what, FILE *f)
{
    const struct page *p = what;

    fputs(head, f);
    heading(f, p);
    html_charts(f, p->s, p->dir);
    html_tables(f, p->s, p->run);
    html_found(f, p->dir);
    html_doubts(f, p->s);
    html_mechanisms(f, p->s);
    html_method(f, p->s);
    html_machine(f, p->run);
    fputs("</body>\n</html>\n", f);
    return 0;
}

int
html_write(const struct summary *s, const char *dir, bool incomplete)
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
