/* list.c - every mechanism of this build. */
#include "bench/list.h"

#include "bench/csv.h"
#include "core/ipc.h"
#include "core/wrap.h"

#include <stdint.h>
#include <string.h>

#define INDENT 4

/* A mechanism as a line of the CSV file. */
/* clang-format off */
struct entry {
#include "bench/csv_members.h"
#define ENTRY_COLUMNS \
    TEXT(name, 40) TEXT(summary, 160) TEXT(capabilities, 200) TEXT(evidence, 4) \
    TEXT(proof, 160) NUMBER(long, max_msg) NUMBER(long, max_inflight) \
    NUMBER(long, max_clients) \
    TEXT(unavailable, 160) /* empty: it can run here */
    ENTRY_COLUMNS
};

static const struct csv_column columns[] = {
#define CSV_OF struct entry
#include "bench/csv_columns.h"
    ENTRY_COLUMNS
    {.name = NULL},
};
/* clang-format on */

static void
append(char *to, size_t size, const char *what)
{
    size_t n = strlen(to);

    snprintf(to + n, size - n, "%s%s", n > 0 ? " " : "", what);
}

static struct entry
describe(const struct ipc_mechanism *m)
{
    struct entry e = {.max_msg = 0};
    struct ipc_limits l = {.max_msg = 0};
    const char *reason = ipc_unavailable(m);
    int err = m->limits(&l);

    snprintf(e.name, sizeof e.name, "%s", m->name);
    snprintf(e.summary, sizeof e.summary, "%s", m->summary);
    snprintf(e.proof, sizeof e.proof, "%s", m->proof);
    snprintf(e.evidence, sizeof e.evidence, "%s",
             ipc_evidence_name(m->evidence));
    for (unsigned i = 0; ipc_cap_name(1u << i) != NULL; i++)
        if (m->caps & (1u << i))
            append(e.capabilities, sizeof e.capabilities,
                   ipc_cap_name(1u << i));
    e.max_msg = (long)l.max_msg;
    e.max_inflight = (long)l.max_inflight;
    e.max_clients = (long)l.max_clients;
    if (reason != NULL)
        snprintf(e.unavailable, sizeof e.unavailable, "%s", reason);
    else if (err != 0)
        snprintf(e.unavailable, sizeof e.unavailable, "limits: %s",
                 strerror(-err));
    return e;
}

/* -- text ------------------------------------------------------------------ */

static void
paragraph(FILE *f, const char *text)
{
    fprintf(f, "%*s", INDENT, "");
    wrap(f, text, INDENT, wrap_columns());
}

static void
print_entry(FILE *f, const struct entry *e)
{
    char text[600];

    fprintf(f, "%s\n", e->name);
    paragraph(f, e->summary);
    if (e->unavailable[0] != '\0') {
        snprintf(text, sizeof text, "CANNOT RUN HERE: %s", e->unavailable);
        paragraph(f, text);
    }
    snprintf(text, sizeof text, "can: %s",
             e->capabilities[0] != '\0' ? e->capabilities : "nothing special");
    paragraph(f, text);
    snprintf(text, sizeof text, "knows its caller: %s, %s", e->evidence,
             e->proof);
    paragraph(f, text);
    snprintf(text, sizeof text,
             "limits: %ld bytes a message, %ld under way, %ld client%s",
             e->max_msg, e->max_inflight, e->max_clients,
             e->max_clients == 1 ? "" : "s");
    paragraph(f, text);
}

void
list(FILE *f, bool csv)
{
    int err = csv ? csv_write_header(f, columns) : 0;

    for (size_t i = 0; err == 0 && ipc_registry[i] != NULL; i++) {
        struct entry e = describe(ipc_registry[i]);

        if (csv)
            err = csv_write(f, columns, &e);
        else
            print_entry(f, &e);
    }
    if (csv || err != 0)
        return;
    fputc('\n', f);
    wrap_say(f, "Evidence: K0 claimed by the request, K1 looked up after the "
                "fact, K2 owns the reply object, K3 the kernel's word for the "
                "connection, K4 the kernel's word for every message.");
    wrap_say(f, "Textbook forms are for honest peers; `ipcbench run` measures "
                "them when asked to: -m DIR, -m NAME.");
}
