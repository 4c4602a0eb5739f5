/* page_about.c - what the numbers of report.html rest on. */
#include "bench/page.h"

#include "bench/html.h"

#include "bench/plan.h"
#include "core/ipc.h"

#include <math.h>
#include <string.h>

/* -- doubts ---------------------------------------------------------------- */

static void
pairs(FILE *f, const struct summary *s)
{
    struct places placements;

    summary_placements(s, &placements);
    for (size_t i = 0; i < placements.n; i++) {
        const char *who;
        double d = summary_noise(s, placements.at[i], &who);

        if (isnan(d))
            continue;
        fputs("<li>", f);
        html_text(f, who);
        fputs(", measured twice in each round, ", f);
        html_text(f, where_words[placements.at[i]]);
        fprintf(f, ": differs by %+.1f %%%s.</li>\n", 100 * d,
                fabs(d) > NOISE_LIMIT ? ": <b class=\"odd\">NOISY</b>" : "");
    }
}

/* Failed or disturbed, and why. */
static void
troubled(FILE *f, const struct summary *s)
{
    char size[SIZE_NAME];

    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        bool failed = l->failed > 0 && l->placement != ANYWHERE;

        if (!failed && l->status != ROW_REJECTED)
            continue;
        fputs("<li>", f);
        html_text(f, l->mechanism);
        fputs(", ", f);
        html_text(f, where_words[l->placement]);
        fprintf(f, ", %s of %s: %s: ", summary_kind(l->kind),
                size_name((size_t)l->size, size),
                failed ? "<b class=\"bad\">FAILED</b>"
                       : "<b class=\"odd\">mostly disturbed</b>");
        html_text(f, l->reason);
        fputs("</li>\n", f);
    }
}

static void
absent(FILE *f, const struct summary *s)
{
    for (const struct line *l = s->lines; l < s->lines + s->n; l++) {
        if (l->status != ROW_ABSENT)
            continue;
        fputs("<li>", f);
        html_text(f, l->mechanism);
        if (l->placement != ANYWHERE) {
            fputs(", ", f);
            html_text(f, where_words[l->placement]);
        }
        if (l->kind != ROW_ANY_KIND)
            fprintf(f, ", %s", summary_kind(l->kind));
        fputs(": not measured: ", f);
        html_text(f, l->reason);
        fputs("</li>\n", f);
    }
}

void
page_doubtful(FILE *f, const struct page *p)
{
    fprintf(f, "%ld of %ld cells were disturbed, %ld failed.", p->s->rejected,
            p->s->measured, p->s->failed);
}

void
page_doubts(FILE *f, const struct page *p)
{
    pairs(f, p->s);
    troubled(f, p->s);
    absent(f, p->s);
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
page_mechanisms(FILE *f, const struct page *p)
{
    struct names all;

    summary_mechanisms(p->s, &all);
    for (size_t i = 0; i < all.n; i++)
        mechanism(f, all.name[i]);
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
 * come after it, and are not printed. */
static void
facts(FILE *f, const char *title, json_t *object, bool inner)
{
    const char *name;
    json_t *v;

    if (json_object_size(object) == 0)
        return;
    fputs(inner ? "<section class=\"screen\"><h3>" : "<section><h3>", f);
    words(f, title);
    fputs("</h3>\n<table class=\"facts\"><tbody>\n", f);
    json_object_foreach(object, name, v)
    {
        if (!json_is_object(v) && !json_is_array(v))
            fact(f, name, v);
        for (size_t i = 0; i < json_array_size(v); i++)
            fact(f, name, json_array_get(v, i));
    }
    fputs("</tbody></table></section>\n", f);
    json_object_foreach(object, name, v)
    {
        facts(f, name, v, true);
    }
}

void
page_machine(FILE *f, const struct page *p)
{
    if (p->run == NULL)
        fputs("<p>Not known: there is no run.json.</p>\n", f);
    facts(f, "run", json_object_get(p->run, "run"), false);
    facts(f, "build", json_object_get(p->run, "build"), false);
    facts(f, "machine", json_object_get(p->run, "machine"), false);
}
