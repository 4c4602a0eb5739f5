/* html_charts.c - the charts of report.html: each with two sentences, what to
 * see in it, and why. */
#define _GNU_SOURCE /* getdelim */
#include "bench/html.h"

#include "bench/plan.h"
#include "core/ipc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* -- what to see ----------------------------------------------------------- */

/* A mechanism between processes: neither a floor nor a baseline. */
static bool
is_contestant(const struct line *l)
{
    const struct ipc_mechanism *m = ipc_find(l->mechanism);

    return l->used > 0 && l->copy == 0 && !summary_is_floor(l) &&
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

        if (a == NULL || b == NULL)
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

/* -- charts ---------------------------------------------------------------- */

static void
see_memcpy(FILE *f, const struct summary *s)
{
    (void)s;
    fputs("The length of a bar is the rate of 64 KiB messages (or the largest "
          "that fit) divided by memcpy&#39;s with the same buffers in the same "
          "round.",
          f);
}

static void
see_tails(FILE *f, const struct summary *s)
{
    double rate = 0;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->used > 0 && strcmp(l->kind, ROW_GAPS) == 0)
            rate = l->per_second;
    fputs("The horizontal axis gives each further 9 of the percentile the same "
          "room: the curves are flat up to a point and then rise",
          f);
    if (rate > 0)
        fprintf(f,
                "; a loop that does nothing was interrupted for more than "
                "10 us %.0f times a second here",
                rate);
    fputs(".", f);
}

/* The largest number of clients and who serves most then. */
static void
see_clients(FILE *f, const struct summary *s)
{
    const struct line *best = NULL;

    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (is_contestant(l) && strcmp(l->kind, ROW_CLIENTS) == 0 &&
            (best == NULL || l->clients > best->clients ||
             (l->clients == best->clients && l->per_second > best->per_second)))
            best = l;
    fputs("Each panel is one server and clients that each wait for their reply "
          "before they ask again",
          f);
    if (best != NULL) {
        fprintf(f, "; of %ld clients ", best->clients);
        html_text(f, best->mechanism);
        fprintf(f, " serves most, %.0f thousand requests a second (",
                best->per_second / 1e3);
        html_text(f, best->placement);
        fputc(')', f);
    }
    fputc('.', f);
}

static void
see_p99(FILE *f, const struct summary *s)
{
    (void)s;
    fputs("The same cells: the time that one in a hundred requests exceeds.",
          f);
}

static void
see_load(FILE *f, const struct summary *s)
{
    const struct line *due = NULL, *closed = NULL;
    char a[32], b[32];

    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        if (l->used == 0 || strcmp(l->kind, ROW_LOAD) != 0)
            continue;
        if (strcmp(l->mode, ROW_DUE) == 0)
            due = l;
        if (strcmp(l->mode, ROW_CLOSED) == 0)
            closed = l;
    }
    fputs("One server, stalling 10 ms in every 200 ms, seen in three ways", f);
    if (due != NULL && closed != NULL)
        fprintf(f,
                ": the 99th percentile is %s in a closed loop and %s for "
                "requests that come by a schedule",
                duration(closed->p99_ns, a), duration(due->p99_ns, b));
    fputs(".", f);
}

static bool
is_there(const struct summary *s, const char *kind)
{
    for (const struct line *l = s->lines; l < s->lines + s->n; l++)
        if (l->used > 0 && strcmp(l->kind, kind) == 0 && !summary_is_floor(l))
            return true;
    return strcmp(kind, ROW_RTT) == 0 || strcmp(kind, ROW_STREAM) == 0;
}

static const struct figure {
    const char *name, *kind, *title, *alt;
    void (*see)(FILE *f, const struct summary *s);
    const char *why;
} figures[] = {
    {"latency", ROW_RTT, "How long a round trip takes",
     "Dot plot: round trip of 64 bytes, a row for each mechanism", see_latency,
     "What they all have in common, system calls and waking the other side, "
     "costs most, so the kernel&#39;s mechanisms stand near the bare pipe "
     "(dashed); where the two sides run often matters more than what they "
     "talk through."},
    {"sizes", ROW_RTT, "What the size of a message costs",
     "Small multiples: round trip over the size of the message, a panel for "
     "each mechanism",
     see_sizes,
     "A small message costs its system calls and the switch to the other "
     "side, whatever is in it; a large one costs the copying of its bytes, and "
     "the bend is where the two are equal."},
    {"throughput", ROW_STREAM, "How much goes through in one direction",
     "Small multiples: bytes per second over the size of the message, a panel "
     "for each mechanism",
     see_throughput,
     "The rate of small messages is bounded by the cost of each call, that of "
     "large ones by how often their bytes are copied; a mechanism that has "
     "each message acknowledged pays a round trip for it as well."},
    {"memcpy", ROW_STREAM, "How near that is to copying alone",
     "Bars: bytes per second of each mechanism as a part of memcpy", see_memcpy,
     "Every mechanism copies its bytes into what the two sides share and out "
     "of it again, so half of a plain memcpy would be good; what is missing "
     "from that is system calls, pages taken and given back, and waiting."},
    {"tails", ROW_RTT, "How rare the slow ones are",
     "Curves: time of a round trip over its percentile", see_tails,
     "A timer tick or an interrupt takes some microseconds from whoever it "
     "hits, so beyond the circles all mechanisms have the tail of the "
     "machine."},
    {"clients", ROW_CLIENTS, "What several clients at once get",
     "Small multiples: rate over the number of clients", see_clients,
     "The bound (dashed) says that N clients get N times what one gets, until "
     "a CPU has nothing left to give; rates above it are wake-ups saved, since "
     "a server that is busy need not be woken."},
    {"clients-p99", ROW_CLIENTS, "How long they wait for it",
     "Small multiples: 99th percentile over the number of clients", see_p99,
     "Once the server is busy all the time, one more client gets its share "
     "only by everybody&#39;s waiting longer; where it jumps, the scheduler "
     "lets some run for a time slice while others wait."},
    {"load", ROW_LOAD, "What a benchmark does not see that waits politely",
     "Curves: three ways to measure the same stalling server", see_load,
     "A client in a closed loop sends nothing while the server stalls, and so "
     "leaves out all the requests that would have been late; timed from when "
     "they were due they are there (coordinated omission)."},
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
        fprintf(f,
                "<div class=\"wide\" tabindex=\"0\"><img alt=\"%s\" "
                "src=\"data:image/svg+xml;base64,",
                fig->alt);
        base64(f, svg, (size_t)n);
        fputs("\"></div>\n", f);
    } else {
        fputs(
            "<p class=\"warning\">This chart was not drawn: it takes gnuplot. "
            "The numbers are in the tables below.</p>\n",
            f);
    }
    free(svg);
}

void
html_charts(FILE *f, const struct summary *s, const char *dir)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        const struct figure *fig = &figures[i];

        if (!is_there(s, fig->kind))
            continue;
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
