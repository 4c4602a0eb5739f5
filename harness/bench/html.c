/* html.c - report.html: the frame, the style and the charts. */
#define _GNU_SOURCE /* getdelim */
#include "bench/html.h"

#include "bench/plan.h"
#include "core/ipc.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
    "@media print { body { font-size: 10pt; max-width: none; padding: 0; }\n"
    "  nav { display: none; } .wide { overflow: visible; }\n"
    "  .words { min-width: 0; } tbody th { position: static; }\n"
    "  figure, tr { break-inside: avoid; }\n"
    "  h2, h3 { break-after: avoid; } }\n"
    "</style>\n"
    "</head>\n"
    "<body>\n";

/* -- text ------------------------------------------------------------------- */

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

/* -- what to see ---------------------------------------------------------------- */

/* A mechanism between processes: neither a floor nor a baseline. */
static bool
is_contestant(const struct line *l)
{
    const struct ipc_mechanism *m = ipc_find(l->mechanism);

    return l->used > 0 && l->copy == 0 &&
           strncmp(l->mechanism, "floor/", 6) != 0 &&
           (m == NULL || (m->caps & IPC_INPROCESS) == 0);
}

/* The fastest (sign 1) or slowest (-1) round trip of 64 bytes at a placement. */
static const struct line *
extreme_trip(const struct summary *s, const char *placement, int sign)
{
    const struct line *best = NULL;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (is_contestant(l) && l->size == 64 &&
            strcmp(l->kind, ROW_RTT) == 0 &&
            strcmp(l->placement, placement) == 0 &&
            (best == NULL || sign * (l->p50_ns - best->p50_ns) < 0))
            best = l;
    return best;
}

/* ns in a unit that suits them: "146 ns", "24.7 ms" */
static const char *
duration(double ns, char buf[32])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    size_t i = 0;

    for (; ns >= 999.5 && i < 3; i++)
        ns /= 1000;
    snprintf(buf, 32, "%.3g %s", ns, units[i]);
    return buf;
}

static void
see_latency(FILE *f, const struct summary *s)
{
    struct names placements;
    bool first = true;
    char time[32];

    summary_placements(s, &placements);
    fprintf(f,
            "Each row is a mechanism and each mark the median of %ld "
            "rounds, further left is faster",
            s->rounds);
    for (size_t i = 0; i < placements.n; i++) {
        const struct line *a = extreme_trip(s, placements.name[i], 1);
        const struct line *b = extreme_trip(s, placements.name[i], -1);

        if (a == NULL)
            continue;
        fprintf(f, "%s ", first ? ":" : ",");
        html_text(f, placements.name[i]);
        fprintf(f, " from %s (", duration(a->p50_ns, time));
        html_text(f, a->mechanism);
        fprintf(f, ") to %s (", duration(b->p50_ns, time));
        html_text(f, b->mechanism);
        fputc(')', f);
        first = false;
    }
    fputc('.', f);
}

static void
see_sizes(FILE *f, const struct summary *s)
{
    (void)s;
    fputs("Each panel is one mechanism before all the others in grey: the "
          "curve is flat while messages are small and rises with their size "
          "once they are large.",
          f);
}

static void
see_throughput(FILE *f, const struct summary *s)
{
    const struct line *best = NULL;
    char size[SIZE_NAME];

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (is_contestant(l) && strcmp(l->kind, ROW_STREAM) == 0 &&
            (best == NULL || l->bytes_per_second > best->bytes_per_second))
            best = l;
    fputs("Each panel is one mechanism before all the others in grey, the "
          "dashed line is a plain memcpy, and higher is faster",
          f);
    if (best != NULL) {
        fputs(": the most is ", f);
        fprintf(f, "%.3g GB/s, by ", best->bytes_per_second / 1e9);
        html_text(f, best->mechanism);
        fprintf(f, " with messages of %s (",
                size_name((size_t)best->size, size));
        html_text(f, best->placement);
        fputc(')', f);
    }
    fputc('.', f);
}

/* -- charts ---------------------------------------------------------------------- */

static const struct figure {
    const char *name, *title, *alt;
    void (*see)(FILE *f, const struct summary *s);
    const char *why;
} figures[] = {
    {"latency", "How long a round trip takes",
     "Dot plot: round trip of 64 bytes, a row for each mechanism", see_latency,
     "What they all have in common, system calls and waking the other side, "
     "costs most, so the kernel&#39;s mechanisms stand near the bare pipe "
     "(dashed); where the two sides run often matters more than what they "
     "talk through."},
    {"sizes", "What the size of a message costs",
     "Small multiples: round trip over the size of the message, a panel for "
     "each mechanism",
     see_sizes,
     "A small message costs its system calls and the switch to the other "
     "side, whatever is in it; a large one costs the copying of its bytes, and "
     "the bend is where the two are equal."},
    {"throughput", "How much goes through in one direction",
     "Small multiples: bytes per second over the size of the message, a panel "
     "for each mechanism",
     see_throughput,
     "The rate of small messages is bounded by the cost of each call, that of "
     "large ones by how often their bytes are copied; a mechanism that has "
     "each message acknowledged pays a round trip for it as well."},
};

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

/* The chart as an image within the page.  Not as an <svg> among the HTML: an
 * image runs no script, asks nobody and cannot spoil what surrounds it,
 * wherever the file came from, and the ids that gnuplot gives in every file
 * stay apart. */
static void
picture(FILE *f, const char *dir, const struct figure *fig)
{
    char file[32], path[RECORD_PATH], *svg = NULL;
    ssize_t n = -1;
    size_t room = 0;
    FILE *in = NULL;

    snprintf(file, sizeof file, "%s.svg", fig->name);
    if (record_path(dir, file, path) == 0)
        in = fopen(path, "re");
    if (in != NULL) {
        n = getdelim(&svg, &room, '\0', in); /* all of it */
        fclose(in);
    }
    if (n > 0) {
        fprintf(f, "<img alt=\"%s\" src=\"data:image/svg+xml;base64,",
                fig->alt);
        base64(f, svg, (size_t)n);
        fputs("\">\n", f);
    } else {
        fputs(
            "<p class=\"warning\">This chart was not drawn: it takes gnuplot. "
            "The numbers are in the tables below.</p>\n",
            f);
    }
    free(svg);
}

static void
charts(FILE *f, const struct summary *s, const char *dir)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        const struct figure *fig = &figures[i];

        fprintf(f,
                "<h2 id=\"%s\">%s</h2>\n<figure>\n"
                "<figcaption>",
                fig->name, fig->title);
        fig->see(f, s);
        fprintf(f, " %s</figcaption>\n", fig->why);
        picture(f, dir, fig);
        fputs("</figure>\n", f);
    }
}

/* -- the page ------------------------------------------------------------------------- */

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
heading(FILE *f, const struct summary *s, const char *dir, const json_t *run,
        bool incomplete)
{
    const char *machine = json_string_value(json_object_get(run, "heading"));
    const char *ended = json_string_value(
        json_object_get(json_object_get(run, "run"), "ended"));

    fputs("<h1>Inter-process communication, compared</h1>\n<p>", f);
    html_text(f, machine != NULL ? machine : dir);
    if (ended != NULL) {
        fputs("; ", f);
        html_text(f, ended);
    }
    fputs("</p>\n", f);
    if (incomplete)
        fputs(
            "<p class=\"warning\">INCOMPLETE: this run was stopped before its "
            "end, or was still going on.</p>\n",
            f);
    if (is_noisy(s))
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

int
html_write(const struct summary *s, const char *dir, bool incomplete)
{
    char path[RECORD_PATH];
    json_t *run = NULL;
    int err = 0;
    FILE *f;

    if (record_path(dir, "run.json", path) == 0)
        run = json_load_file(path, 0, NULL);
    err = record_path(dir, "report.html", path);
    f = err == 0 ? fopen(path, "we") : NULL;
    if (f == NULL) {
        err = err == 0 ? -errno : err;
        goto forget_run;
    }
    fputs(head, f);
    heading(f, s, dir, run, incomplete);
    charts(f, s, dir);
    html_tables(f, s, run);
    html_doubts(f, s);
    html_mechanisms(f, s);
    html_method(f, s);
    html_machine(f, run);
    fputs("</body>\n</html>\n", f);
    if (ferror(f))
        err = -EIO;
    if (fclose(f) == EOF)
        err = -errno;
forget_run:
    json_decref(run);
    return err;
}
