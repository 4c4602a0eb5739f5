/* html_about.c - what the numbers of report.html rest on. */
#include "bench/html.h"

#include "bench/plan.h"
#include "core/ipc.h"

#include <math.h>
#include <string.h>

/* -- doubts ---------------------------------------------------------------- */

static void
pairs(FILE *f, const struct summary *s)
{
    struct names placements;

    summary_placements(s, &placements);
    for (size_t i = 0; i < placements.n; i++) {
        const char *who;
        double d = summary_noise(s, placements.name[i], &who);

        if (isnan(d))
            continue;
        fputs("<li>", f);
        html_text(f, who);
        fputs(", measured twice in each round, ", f);
        html_text(f, placements.name[i]);
        fprintf(f, ": differs by %+.1f %%%s.</li>\n", 100 * d,
                fabs(d) > NOISE_LIMIT ? ": NOISY" : "");
    }
}

/* Failed or disturbed, and why. */
static void
troubled(FILE *f, const struct summary *s)
{
    char size[SIZE_NAME];

    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        bool failed = l->failed > 0 && l->placement[0] != '\0';

        if (!failed && strcmp(l->status, ROW_REJECTED) != 0)
            continue;
        fputs("<li>", f);
        html_text(f, l->mechanism);
        fputs(", ", f);
        html_text(f, l->placement);
        fprintf(f, ", %s of %s: %s", summary_kind(l->kind),
                size_name((size_t)l->size, size),
                failed ? "FAILED: " : "mostly disturbed: ");
        html_text(f, l->reason);
        fputs("</li>\n", f);
    }
}

static void
absent(FILE *f, const struct summary *s)
{
    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        if (strcmp(l->status, ROW_ABSENT) != 0)
            continue;
        fputs("<li>", f);
        html_text(f, l->mechanism);
        if (l->placement[0] != '\0') {
            fputs(", ", f);
            html_text(f, l->placement);
        }
        if (l->kind[0] != '\0')
            fprintf(f, ", %s", summary_kind(l->kind));
        fputs(": not measured: ", f);
        html_text(f, l->reason);
        fputs("</li>\n", f);
    }
}

void
html_doubts(FILE *f, const struct summary *s)
{
    fprintf(f,
            "<h2 id=\"doubts\">Doubts</h2>\n"
            "<p>%ld of %ld cells were disturbed, %ld failed. A disturbed cell "
            "is left out as long as half of its rounds remain; single slow "
            "operations never are.</p>\n<ul class=\"small dense\">\n",
            s->rejected, s->measured, s->failed);
    pairs(f, s);
    troubled(f, s);
    absent(f, s);
    fputs("</ul>\n", f);
}

/* -- mechanisms ------------------------------------------------------------ */

static void
capabilities(FILE *f, const struct ipc_mechanism *m)
{
    bool any = false;

    for (unsigned i = 0; ipc_cap_name(1u << i) != NULL; i++)
        if (m->caps & (1u << i)) {
            fprintf(f, "%s%s", any ? ", " : "", ipc_cap_name(1u << i));
            any = true;
        }
}

static void
mechanism(FILE *f, const char *name)
{
    const struct ipc_mechanism *m = ipc_find(name);
    struct ipc_limits l = {.max_msg = 0};

    fputs("<tr>", f);
    html_element(f, "th scope=\"row\"", "th", name);
    if (m == NULL) {
        fputs("<td colspan=\"6\">not in the build that wrote this "
              "page</td></tr>\n",
              f);
        return;
    }
    html_element(f, "td", "td", m->summary);
    fputs("<td>", f);
    capabilities(f, m);
    fprintf(f, "</td><td>%s: ", ipc_evidence_name(m->evidence));
    html_text(f, m->proof);
    fputs("</td>", f);
    if (ipc_unavailable(m) == NULL && m->limits(&l) == 0)
        fprintf(f, "<td>%zu</td><td>%u</td><td>%u</td></tr>\n", l.max_msg,
                l.max_inflight, l.max_clients);
    else
        fputs("<td colspan=\"3\">cannot run here</td></tr>\n", f);
}

void
html_mechanisms(FILE *f, const struct summary *s)
{
    struct names all;

    summary_mechanisms(s, &all);
    fputs(
        "<h2 id=\"mechanisms\">The mechanisms</h2>\n"
        "<p class=\"small\">How the server knows its caller: K0 claimed by "
        "the request, K1 looked up after the fact, K2 owns the reply object, "
        "K3 the kernel&#39;s word for the connection, K4 the kernel&#39;s "
        "word for every message. The limits are those of the kernel this page "
        "was written on.</p>\n"
        "<div class=\"wide\" tabindex=\"0\"><table class=\"words\">\n"
        "<thead><tr><th></th><th>What it is</th><th>Can</th>"
        "<th>Knows its caller</th><th>Bytes a message</th>"
        "<th>Under way</th><th>Clients</th></tr></thead>\n<tbody>\n",
        f);
    for (size_t i = 0; i < all.n; i++)
        mechanism(f, all.name[i]);
    fputs("</tbody></table></div>\n", f);
}

/* -- method ---------------------------------------------------------------- */

void
html_method(FILE *f, const struct summary *s)
{
    static const char *const rules[] = {
        "The cells of a round (a mechanism, a placement, a size) come in "
        "random "
        "order, each with a fresh server: whatever slows the machine for "
        "a while slows a bit of everything.",
        "In a cell: 50 operations to warm up, then a fixed time on "
        "CLOCK_MONOTONIC, one stamp an operation; below 1 us one stamp for 64. "
        "Starting, joining and checking are not timed.",
        "Each round gives its own percentiles; a time here is the median of "
        "them over the rounds, with a 95 % bootstrap interval over the rounds.",
        "Each round also measures floors: an echo through a bare pipe with no "
        "protocol, at every placement and size; bare echoes with the same "
        "system calls as each mechanism, at 64 bytes and 4 KiB; and memcpy. An "
        "echo carries as many bytes as the protocol, whose header has 36. A "
        "ratio is the median of the ratios within each round, so it holds when "
        "the machine changes its speed; that is what rows are sorted by.",
        "Each cell runs in a process of its own and its calls wait for ever, "
        "since a time limit would be measured as the mechanism&#39;s; what "
        "hangs is killed from outside and said to have failed.",
        "What curves are drawn through (other sizes, streams, joining, several "
        "clients) is measured in some of the rounds only, together with its "
        "floor.",
        "System calls are counted with ptrace(2), in 200 round trips that are "
        "not timed.",
        "Random bytes are sent, and compared, before and after the time "
        "taken.",
        "The next request starts when the reply is there (a closed loop): "
        "this is service time and capacity, not latency under load, which the "
        "chart of the stalling server is about.",
        "One mechanism is measured twice in every round as if it were two: "
        "what the two differ by is noise.",
    };

    fprintf(f,
            "<h2 id=\"method\">How this was measured</h2>\n"
            "<p>%ld rounds, in each of which everything is measured once.</p>\n"
            "<ul>\n",
            s->rounds);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        fprintf(f, "<li>%s</li>\n", rules[i]);
    fputs("</ul>\n", f);
}

/* -- machine --------------------------------------------------------------- */

/* A name of run.json as words. */
static void
words(FILE *f, const char *name)
{
    char buf[128];

    snprintf(buf, sizeof buf, "%s", name);
    for (char *p = buf; *p != '\0'; p++)
        if (*p == '_')
            *p = ' ';
    html_text(f, buf);
}

static void
scalar(FILE *f, const json_t *v)
{
    if (json_is_string(v))
        html_text(f, json_string_value(v));
    else if (json_is_integer(v))
        fprintf(f, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        fprintf(f, "%.4g", json_real_value(v));
    else
        fputs(json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "-", f);
}

/* "name: one-cpu; client cpu: 0" for a structure within an array */
static void
in_one_line(FILE *f, json_t *object)
{
    const char *name, *between = "";
    json_t *v;

    json_object_foreach(object, name, v)
    {
        fputs(between, f);
        words(f, name);
        fputs(": ", f);
        scalar(f, v);
        between = "; ";
    }
}

static void
fact(FILE *f, const char *name, json_t *v)
{
    fputs("<tr><th scope=\"row\">", f);
    words(f, name);
    fputs("</th><td>", f);
    if (json_is_object(v))
        in_one_line(f, v);
    else
        scalar(f, v);
    fputs("</td></tr>\n", f);
}

/* An object of run.json as a table; the objects in it, each a table of its own,
 * come after it. */
static void
facts(FILE *f, const char *title, json_t *object)
{
    const char *name;
    json_t *v;

    if (json_object_size(object) == 0)
        return;
    fputs("<h3>", f);
    words(f, title);
    fputs("</h3>\n<table class=\"facts\"><tbody>\n", f);
    json_object_foreach(object, name, v)
    {
        if (!json_is_object(v) && !json_is_array(v))
            fact(f, name, v);
        for (size_t i = 0; i < json_array_size(v); i++)
            fact(f, name, json_array_get(v, i));
    }
    fputs("</tbody></table>\n", f);
    json_object_foreach(object, name, v)
    {
        facts(f, name, v);
    }
}

void
html_machine(FILE *f, json_t *run)
{
    fputs("<h2 id=\"machine\">The machine and the run</h2>\n", f);
    if (run == NULL)
        fputs("<p>Not known: there is no run.json.</p>\n", f);
    facts(f, "run", json_object_get(run, "run"));
    facts(f, "build", json_object_get(run, "build"));
    facts(f, "machine", json_object_get(run, "machine"));
}
