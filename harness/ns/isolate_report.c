/* isolate_report.c - the matrix as tables and as CSV. */
#define _GNU_SOURCE /* strerrorname_np */
#include "ns/isolate.h"

#include "core/wrap.h"

#include <errno.h>
#include <string.h>

/* -- words ----------------------------------------------------------------- */

static const char *
refusal(int err)
{
    switch (-err) {
    case ETIMEDOUT:
        return "silence";
    case ECONNREFUSED:
        return "refused";
    case EDEADLK:
        return "hangs";
    case ECHILD:
        return "fails";
    default:
        return strerrorname_np(-err);
    }
}

const char *
isolate_word(const struct isolate_outcome *o)
{
    if (o->result == ISOLATE_ABSENT)
        return "n/a";
    if (o->result == ISOLATE_REFUSED)
        return refusal(o->err);
    if (o->uid == SEEN_LOST)
        return "no id";
    if (o->pid == SEEN_LOST)
        return "no pid";
    if (o->pid == SEEN_OTHER || o->uid == SEEN_OTHER)
        return "wrong!";
    if (o->uid == SEEN_TRANSLATED)
        return "uid";
    return o->pid == SEEN_TRANSLATED ? "pid" : "yes";
}

static const char *
seen_word(enum isolate_seen seen)
{
    static const char *const words[] = {
        [SEEN_UNKNOWN] = "untold",        [SEEN_OWN] = "same",
        [SEEN_TRANSLATED] = "translated", [SEEN_LOST] = "lost",
        [SEEN_OTHER] = "wrong",
    };

    return words[seen];
}

static const char *
verdict(const struct isolate_cell *c)
{
    if (c->seen.result == ISOLATE_ABSENT)
        return "not run";
    if (!c->known)
        return "no expectation";
    return c->surprise ? "FINDING" : "as expected";
}

static const char *const side_name[SIDES] = {"client", "server"};

/* -- tables ---------------------------------------------------------------- */

#define NAMES 18 /* columns of the mechanisms' names */

/* In a cell of the table; * for a finding. */
static void
cell_text(const struct isolate_cell *c, char text[16])
{
    snprintf(text, 16, "%s%s", isolate_word(&c->seen), c->surprise ? "*" : "");
}

/* What the columns of the forms take, two blanks between them; 0: it is not
 * shown.  FORM_NONE never is: that is the comparison. */
struct layout {
    int width[FORMS];
    bool differs[FORMS]; /* it is not "yes" for all */
};

static int
whole_width(const struct layout *l)
{
    int sum = NAMES - 2;

    for (int form = 0; form < FORMS; form++)
        sum += l->width[form] > 0 ? 2 + l->width[form] : 0;
    return sum;
}

static void
measure(struct layout *l, int form, const char *text)
{
    const int n = (int)strlen(text);

    if (n > l->width[form])
        l->width[form] = n;
}

static void
spare(struct layout *l, int columns, bool differing)
{
    for (int form = FORMS - 1; form > 0; form--)
        if (whole_width(l) > columns && l->differs[form] == differing)
            l->width[form] = 0;
}

/* As wide as their longest word.  Where that is too much, those go that nobody's
 * answer depends on, and then others, from the right. */
static struct layout
lay_out(const struct isolate_matrix *x, enum isolate_side side, int columns)
{
    struct layout l = {{0}, {false}};
    char text[16];

    for (int form = 1; form < FORMS; form++)
        measure(&l, form, isolate_forms[form].name);
    for (size_t i = 0; i < x->n; i++) {
        const struct isolate_cell *c = &x->cells[i];

        if (c->side != side || c->form == FORM_NONE)
            continue;
        cell_text(c, text);
        measure(&l, c->form, text);
        l.differs[c->form] |= strcmp(text, "yes") != 0;
    }
    spare(&l, columns, false);
    spare(&l, columns, true);
    return l;
}

/* In its column; nothing after the last one. */
static void
put_cell(const struct layout *l, int form, const char *text, FILE *f)
{
    int last = FORMS - 1;

    while (last > 0 && l->width[last] == 0)
        last--;
    if (l->width[form] > 0)
        fprintf(f, "%-*s", form == last ? 0 : l->width[form] + 2, text);
}

static void
say_not_shown(const struct layout *l, bool differing, const char *why, FILE *f)
{
    const char *separator = why;

    for (int form = 1; form < FORMS; form++)
        if (l->width[form] == 0 && l->differs[form] == differing) {
            fprintf(f, "%s%s", separator, isolate_forms[form].name);
            separator = ", ";
        }
    if (separator != why)
        fputc('\n', f);
}

static void
table(const struct isolate_matrix *x, enum isolate_side side, int columns,
      FILE *f)
{
    const struct layout l = lay_out(x, side, columns);
    char text[16];

    fprintf(f, "\nThe %s in a new namespace, the %s outside\n%-*s",
            side_name[side], side_name[!side], NAMES, "");
    for (int form = 1; form < FORMS; form++)
        put_cell(&l, form, isolate_forms[form].name, f);
    for (size_t i = 0; i < x->n; i++) {
        const struct isolate_cell *c = &x->cells[i];

        if (c->side != side)
            continue;
        cell_text(c, text);
        if (c->form == FORM_NONE)
            fprintf(f, "\n%-*s", NAMES, c->m->name);
        put_cell(&l, c->form, text, f);
    }
    fputc('\n', f);
    say_not_shown(&l, false, "yes for all: ", f);
    say_not_shown(&l, true, "no room (isolate.csv has it): ", f);
}

static void
key(int columns, FILE *f)
{
    static const char *const words[][2] = {
        {"mnt+fs", "with empty file systems over the run directory and "
                   "/dev/shm"},
        {"user+nr", "the user has another number inside"},
        {"yes", "gets through, and the server takes the client for who it is"},
        {"uid, pid", "gets through; the server hears another number than the "
                     "client: its own name for it"},
        {"no id", "gets through, but what the server knew of its client is "
                  "lost (no pid: only that)"},
        {"silence", "no answer in time"},
        {"refused", "ECONNREFUSED"},
        {"*", "not as expected"},
        {"n/a", "not to be had"}};

    fputc('\n', f);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        fprintf(f, "%-10s", words[i][0]);
        wrap(f, words[i][1], 10, columns);
    }
}

/* Has an earlier cell been explained with the same words? */
static bool
explained(const struct isolate_matrix *x, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (x->cells[i].form != FORM_NONE &&
            x->cells[i].why == x->cells[at].why)
            return true;
    return false;
}

/* "ipc", "net": the namespaces to which a sentence applies; "any" if to more
 * than one. */
static const char *
applies_to(const struct isolate_matrix *x, const char *why)
{
    int found = FORM_NONE;

    for (size_t i = 0; i < x->n; i++) {
        const struct isolate_cell *c = &x->cells[i];

        if (c->form == FORM_NONE || c->why != why || c->form == found)
            continue;
        if (found != FORM_NONE)
            return "any";
        found = c->form;
    }
    return isolate_forms[found].name;
}

/* One sentence per kind of cell: namespace, word, why. */
static void
reasons(const struct isolate_matrix *x, int columns, FILE *f)
{
    fputs("\nWhy\n", f);
    for (size_t i = 0; i < x->n; i++) {
        const struct isolate_cell *c = &x->cells[i];

        if (c->form == FORM_NONE || !c->known || explained(x, i))
            continue;
        fprintf(f, "%-7s  %-7s  ", applies_to(x, c->why),
                isolate_word(&c->expected));
        wrap(f, c->why, 18, columns);
    }
}

static void
findings(const struct isolate_matrix *x, int columns, FILE *f)
{
    char text[512];

    for (size_t i = 0; i < x->n; i++) {
        const struct isolate_cell *c = &x->cells[i];

        if (!c->surprise)
            continue;
        snprintf(text, sizeof text,
                 "%s, %s in a new namespace (%s): expected %s (pid %s, uid "
                 "%s), saw %s (pid %s, uid %s)",
                 c->m->name, side_name[c->side], isolate_forms[c->form].name,
                 isolate_word(&c->expected), seen_word(c->expected.pid),
                 seen_word(c->expected.uid), isolate_word(&c->seen),
                 seen_word(c->seen.pid), seen_word(c->seen.uid));
        fputs("FINDING: ", f);
        wrap(f, text, 9, columns);
    }
}

static bool
same_reason(const struct isolate_cell *c, const char *reason)
{
    return c->reason != NULL && strcmp(c->reason, reason) == 0;
}

/* ", pid" after what there is, once. */
static void
add_name(char *names, size_t size, const char *name)
{
    size_t len = strlen(names);

    if (len == 0)
        snprintf(names, size, "%s", name);
    else if (strcmp(names + (len > strlen(name) ? len - strlen(name) : 0),
                    name) != 0)
        snprintf(names + len, size - len, ", %s", name);
}

/* What has this reason: columns, or rows.  Nothing, if that is all there is. */
static void
names_with(const struct isolate_matrix *x, const char *reason, char *names,
           size_t size)
{
    names[0] = '\0';
    for (int form = 0; form < FORMS; form++)
        if (x->absent[form] != NULL && strcmp(x->absent[form], reason) == 0)
            add_name(names, size, isolate_forms[form].name);
    for (size_t i = 0; i < x->n; i++)
        if (same_reason(&x->cells[i], reason) &&
            x->cells[i].reason != x->absent[x->cells[i].form])
            add_name(names, size, x->cells[i].m->name);
}

/* "not run here: 88 cells (user, user+nr), because: ..." */
static void
say_not_run(const struct isolate_matrix *x, const char *reason, int columns,
            FILE *f)
{
    char names[512], text[1024];
    size_t count = 0;

    for (size_t i = 0; i < x->n; i++)
        count += same_reason(&x->cells[i], reason);
    names_with(x, reason, names, sizeof names);
    if (count == x->n)
        strcpy(names, "all");
    snprintf(text, sizeof text, "%zu cells (%s), because: %s", count, names,
             reason);
    fputs("not run here: ", f);
    wrap(f, text, 14, columns);
}

static bool
said_before(const struct isolate_matrix *x, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (same_reason(&x->cells[i], x->cells[at].reason))
            return true;
    return false;
}

static void
not_run(const struct isolate_matrix *x, int columns, FILE *f)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->cells[i].reason != NULL && !said_before(x, i))
            say_not_run(x, x->cells[i].reason, columns, f);
    for (size_t i = 0; i < x->n; i += (size_t)FORMS * SIDES)
        if (!x->cells[i].known)
            fprintf(f,
                    "%s: its table does not say what it uses (.uses, "
                    "harness/core/ipc.h)\n",
                    x->cells[i].m->name);
}

void
isolate_tables(const struct isolate_matrix *x, int columns, FILE *f)
{
    table(x, CLIENT_INSIDE, columns, f);
    table(x, SERVER_INSIDE, columns, f);
    key(columns, f);
    reasons(x, columns, f);
    fputc('\n', f);
    not_run(x, columns, f);
    findings(x, columns, f);
}

/* -- CSV ------------------------------------------------------------------- */

static const char *
result_word(const struct isolate_outcome *o)
{
    switch (o->result) {
    case ISOLATE_CONNECTS:
        return "connects";
    case ISOLATE_REFUSED:
        return "refused";
    case ISOLATE_ABSENT:
        break;
    }
    return "not run";
}

void
isolate_csv(const struct isolate_matrix *x, FILE *f)
{
    fputs("mechanism,inside,namespace,result,errno,pid,uid,word,expected,"
          "verdict,why\n",
          f);
    for (size_t i = 0; i < x->n; i++) {
        const struct isolate_cell *c = &x->cells[i];
        const char *why = c->reason != NULL ? c->reason : c->why;
        bool through = c->seen.result == ISOLATE_CONNECTS;

        fprintf(f, "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,\"%s\"\n", c->m->name,
                side_name[c->side], isolate_forms[c->form].name,
                result_word(&c->seen),
                c->seen.err != 0 ? strerrorname_np(-c->seen.err) : "",
                through ? seen_word(c->seen.pid) : "",
                through ? seen_word(c->seen.uid) : "", isolate_word(&c->seen),
                c->known ? isolate_word(&c->expected) : "", verdict(c),
                why != NULL ? why : "");
    }
}
