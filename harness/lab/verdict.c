/* verdict.c - what is told about a failure (verdict.h). */
#define _GNU_SOURCE /* memmem */
#include "lab/verdict.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- text ------------------------------------------------------------------ */

static void say(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(char *text, size_t size, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

/* Where a line of so many columns can be broken: length of its first part. */
static int
part_of(const char *text, int width)
{
    const int all = (int)strcspn(text, "\n");
    int n;

    if (all <= width)
        return all;
    for (n = width; n > 0 && text[n] != ' '; n--)
        continue;
    return n > 0 ? n : width; /* a word that is longer than a line */
}

#define LABEL 10
#define WIDTH (79 - 3 - LABEL - 1)

void
verdict_field(FILE *f, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    while (*text != '\0') {
        const int n = part_of(text, WIDTH);

        fprintf(f, "   %-*s %.*s\n", LABEL, label, n, text);
        label = "";
        text += n;
        text += *text == ' ' || *text == '\n';
    }
}

void
verdict_print(FILE *f, const struct verdict *v)
{
    verdict_field(f, "Checking", v->checking);
    verdict_field(f, "You did", v->did);
    verdict_field(f, "Expected", v->expected);
    verdict_field(f, "Saw", v->saw);
    verdict_field(f, "Because", v->because);
    verdict_field(f, "Look at", v->look_at);
    verdict_field(f, "Read", v->read);
}

/* -- places in the source -------------------------------------------------- */

static bool
is_call(const char *name, size_t len)
{
    static const char *const calls[] = {"create",  "next",  "reply", "pollfd",
                                        "destroy", "open",  "send",  "recv",
                                        "close",   "sweep", "limits"};

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strlen(calls[i]) == len && strncmp(calls[i], name, len) == 0)
            return true;
    return false;
}

/* The first "recv()" in a text: "before anybody may send it" is none. */
static size_t
find_call(const char *text, const char **at)
{
    for (const char *p = text; *p != '\0'; p++) {
        const size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz");

        if (len > 0 && is_call(p, len) && p[len] == '(') {
            *at = p;
            return len;
        }
        p += len > 0 ? len - 1 : 0;
    }
    return 0;
}

/* Is this the line on which the function begins that is that call? */
static bool
begins(const char *line, const char *call, size_t len, char name[64])
{
    const size_t n = strcspn(line, "(");

    if (!isalpha((unsigned char)line[0]) || line[n] != '(' || n <= len ||
        n >= 64 || line[n - len - 1] != '_' ||
        strncmp(line + n - len, call, len) != 0 || strchr(line, ';') != NULL ||
        memchr(line, ' ', n) != NULL)
        return false;
    snprintf(name, 64, "%.*s", (int)n, line);
    return true;
}

static void
look_at_function(const struct check *c, const char *call, size_t len,
                 char *text, size_t size)
{
    FILE *f = fopen(c->source, "re");
    char line[512], name[64];

    for (int n = 1; f != NULL && fgets(line, sizeof line, f) != NULL; n++)
        if (begins(line, call, len, name)) {
            snprintf(text, size, "%s:%d, %s()", c->source, n, name);
            break;
        }
    if (f != NULL)
        fclose(f);
}

/* The blocks that are blank, of those calls; *line is of the first. */
static int
blank_blocks(const struct check *c, const char *calls, char *names, size_t size,
             int *line)
{
    FILE *f = fopen(c->source, "re");
    char text[512], block[32] = "";
    int found = 0;

    names[0] = '\0';
    for (int n = 1; f != NULL && fgets(text, sizeof text, f) != NULL; n++) {
        const char *mark = strstr(text, "/* block ");

        if (mark != NULL)
            sscanf(mark + 9, "%31[a-z]", block);
        if (strstr(text, "/* not written yet */") == NULL ||
            (calls != NULL && strstr(calls, block) == NULL))
            continue;
        if (found++ == 0)
            *line = n;
        say(names, size, "%s%s()", found > 1 ? ", " : "", block);
    }
    if (f != NULL)
        fclose(f);
    return found;
}

/* -- because: each returns whether it had something to say ----------------- */

/* The first line in a text that has this word in it, without what stands before
 * it; or NULL. */
static const char *
line_with(const char *text, const char *word, int *len)
{
    const char *at = strstr(text, word);

    *len = at != NULL ? (int)strcspn(at, "\n") : 0;
    return at;
}

/* "    #1 0x5581 in work_send /path/fifo/work/fifo.c:190", of which frame is the
 * end, from the name of the student's file on. */
static void
look_at_frame(const char *said, const char *frame, struct verdict *v)
{
    const char *line = frame, *in;
    char function[64] = "";

    while (line > said && line[-1] != '\n')
        line--;
    in = strstr(line, " in ");
    if (in != NULL && in < frame)
        sscanf(in + 4, "%60s", function);
    snprintf(v->look_at, sizeof v->look_at, "%.*s%s%s%s",
             (int)strcspn(frame, "\n "), frame,
             function[0] != '\0' ? ", in " : "", function,
             function[0] != '\0' ? "()" : "");
}

/* The function that line is in begins in the first column, with its name. */
static void
look_at_line(const struct check *c, int at, struct verdict *v)
{
    FILE *f = fopen(c->source, "re");
    char line[512], function[64] = "";

    for (int n = 1; n <= at && f != NULL && fgets(line, sizeof line, f); n++)
        if (isalpha((unsigned char)line[0]) && line[strcspn(line, "(")] == '(')
            snprintf(function, sizeof function, ", in %.*s()",
                     (int)strcspn(line, "("), line);
    snprintf(v->look_at, sizeof v->look_at, "%s:%d%s", c->source, at, function);
    if (f != NULL)
        fclose(f);
}

/* What AddressSanitizer calls it, and what that is. */
static const struct crime {
    const char *name, *is;
} crimes[] = {
    {"buffer-overflow", "more bytes than the buffer has"},
    {"heap-use-after-free", "memory that had been given back by free(3)"},
    {"stack-use-after", "a variable of a function that had returned"},
    {"double-free", "free(3) of what had been given back already"},
    {"detected memory leaks",
     "memory that nobody has given back by free(3), or frames_free(), until "
     "the end; the line is where it was taken"},
    {"BUS", "a page of a mapping that its file does not have: ftruncate(2)"},
    {"SEGV", "an address at which there is nothing; NULL, if it is small"},
    {"param-overlap", "memcpy(3) of what lies over itself: memmove(3)"},
};

/* Found when all is over: what was tried last has nothing to do with it. */
static void
leak_says(const char *at, struct verdict *v)
{
    const char *sum = strstr(at, "SUMMARY: AddressSanitizer: ");

    if (sum == NULL || strstr(at, "detected memory leaks") == NULL)
        return;
    snprintf(v->did, sizeof v->did, "what is left when the program ends");
    snprintf(v->expected, sizeof v->expected, "no memory");
    snprintf(v->saw, sizeof v->saw, "%.*s", (int)strcspn(sum + 27, ".\n"),
             sum + 27);
}

/* "==812==ERROR: AddressSanitizer: heap-buffer-overflow on address ...", "WRITE
 * of size 4096 at ...", the frames, "0x62 is located 0 bytes after 4096-byte
 * region"; or "FILE:LINE:COLUMN: runtime error: ...". */
static bool
sanitizer_says(const struct check *c, const struct result *r, struct verdict *v)
{
    const char *said = r->said != NULL ? r->said : "", *at, *frame, *line;
    int len;

    at = strstr(said, "runtime error: ");
    if (at != NULL) {
        for (line = at; line > said && line[-1] != '\n'; line--)
            continue;
        say(v->because, sizeof v->because, "%.*s (UndefinedBehaviorSanitizer)",
            (int)strcspn(at + 15, "\n"), at + 15);
        frame = strstr(line, c->source);
        if (frame != NULL && frame < at)
            look_at_line(c, atoi(frame + strlen(c->source) + 1), v);
        return true;
    }
    at = strstr(said, "Sanitizer: ");
    if (at == NULL)
        return false;
    for (line = at; line > said && line[-1] != ' ' && line[-1] != '\n'; line--)
        continue;
    len = (int)strcspn(line, "\n(");
    if (memmem(line, (size_t)len, " on ", 4) != NULL)
        len = (int)((const char *)memmem(line, (size_t)len, " on ", 4) - line);
    say(v->because, sizeof v->because, "%.*s", len, line);
    for (size_t i = 0; i < sizeof crimes / sizeof *crimes; i++)
        if (memmem(line, (size_t)len, crimes[i].name, strlen(crimes[i].name)) !=
            NULL) {
            say(v->because, sizeof v->because, ": %s", crimes[i].is);
            break;
        }
    if ((line = line_with(at, "WRITE of size ", &len)) != NULL ||
        (line = line_with(at, "READ of size ", &len)) != NULL)
        say(v->because, sizeof v->because, "\n%s of %ld bytes",
            line[0] == 'W' ? "a write" : "a read",
            strtol(strstr(line, "size ") + 5, NULL, 10));
    if ((line = line_with(at, "is located ", &len)) != NULL)
        say(v->because, sizeof v->because, "; the address %.*s",
            (int)strcspn(line, "[\n"), line);
    leak_says(at, v);
    frame = strstr(at, c->source);
    if (frame != NULL)
        look_at_frame(said, frame, v);
    return true;
}

/* Whose it was to remove what is left: the server's, if no client was there. */
static const char *
who_should_remove(const struct result *r)
{
    const char *alone[] = {"create_makes", "nobody_came", "hears_signals",
                           "wait_in_poll"};

    if (strstr(r->saw, "left behind") == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (strstr(r->of->name, alone[i]) != NULL)
            return "destroy";
    if (strstr(r->of->name, "where_no_server") != NULL)
        return "open";
    return strstr(r->of->name, "sweep") != NULL ||
                   strstr(r->of->name, "swept") != NULL
               ? "sweep"
               : "close";
}

static bool
not_written(const struct check *c, const struct result *r, struct verdict *v)
{
    char names[256];
    int line = 0;
    const char *at, *said = r->said != NULL ? r->said : "";
    const size_t len = find_call(r->did, &at);
    char call[32] = "";

    if (who_should_remove(r) != NULL)
        snprintf(call, sizeof call, "%s", who_should_remove(r));
    else if (len > 0)
        snprintf(call, sizeof call, "%.*s", (int)len, at);
    if (call[0] != '\0' &&
        blank_blocks(c, call, names, sizeof names, &line) > 0) {
        say(v->because, sizeof v->because, "%s is not written yet", names);
        snprintf(v->look_at, sizeof v->look_at, "%s:%d", c->source, line);
        return true;
    }
    if (blank_blocks(c, steps[r->of->step].calls, names, sizeof names, &line) ==
            0 ||
        (strstr(r->saw, "ENOSYS") == NULL && strstr(said, "-ENOSYS") == NULL &&
         strstr(said, "not written") == NULL && r->outcome != STUCK))
        return false;
    say(v->because, sizeof v->because, "not written yet: %s", names);
    snprintf(v->look_at, sizeof v->look_at, "%s:%d", c->source, line);
    return true;
}

/* A block that is blank may be behind anything that somebody waits for. */
static void
add_not_written(const struct check *c, struct verdict *v)
{
    char names[256];
    int line;

    if (blank_blocks(c, NULL, names, sizeof names, &line) > 0)
        say(v->because, sizeof v->because, "%snot written yet: %s",
            v->because[0] != '\0' ? "\n" : "", names);
}

static bool
memory_says(const struct result *r, struct verdict *v)
{
    if (r->hungry[0] == '\0')
        return false;
    say(v->because, sizeof v->because,
        "%s when it was ended%s%s: it takes memory again and again, and gives "
        "none back",
        r->hungry, r->place[0] != '\0' ? ", " : "", r->place);
    snprintf(v->look_at, sizeof v->look_at, "%s", r->place);
    return true;
}

/* A server that waits for a request is what a server is like. */
static bool
is_idle(const struct waiting *w)
{
    return strstr(w->place, "_next()") != NULL;
}

/* How well a wait explains a hang: the lowest is told first. */
static int
rank(const struct waiting *w)
{
    if (w->is_busy && w->place[0] != '\0')
        return 2;
    switch (w->wait.cause) {
    case WHY_ITSELF:
    case WHY_DEAD_HOLDER:
    case WHY_WRONG_KIND:
        return 0;
    case WHY_NOBODY:
        return is_idle(w) ? 3 : 1;
    case WHY_OTHERS:
        return w->place[0] == '\0' ? 6 : is_idle(w) ? 4 : 3;
    case WHY_RUNS:
    case WHY_UNKNOWN:
    case WHY_CLOCK:
    case WHY_OUTSIDE:
    case WHY_ENDED:
    case WHY_STOPPED:
        break;
    }
    return w->place[0] == '\0' ? 6 : is_idle(w) ? 5 : 4;
}

/* What the test itself does again and again, until the server has done what it
 * should, is no waiting of the client's: that is in a call that is tried. */
static bool
is_the_tests(const struct result *r, const struct waiting *w)
{
    const char *at = r->did;
    char in[32];
    size_t len;

    if (w->is_server || w->wait.cause != WHY_RUNS)
        return false;
    for (; (len = find_call(at, &at)) > 0; at += len) {
        snprintf(in, sizeof in, "_%.*s()", (int)len, at);
        if (strstr(w->place, in) != NULL)
            return false;
    }
    return true;
}

static const struct waiting *
best_wait(const struct result *r)
{
    const struct waiting *best = NULL;

    for (int i = 0; i < r->wait_count; i++)
        if (r->waits[i].place[0] != '\0' && !is_the_tests(r, &r->waits[i]) &&
            (best == NULL || rank(&r->waits[i]) < rank(best)))
            best = &r->waits[i];
    return best;
}

static void
say_wait(const struct waiting *w, struct verdict *v)
{
    say(v->because, sizeof v->because, "%sthe %s (pid %d) ",
        v->because[0] != '\0' ? "\n" : "", w->is_server ? "server" : "client",
        (int)w->wait.pid);
    if (w->is_busy) {
        say(v->because, sizeof v->because,
            "does not sleep, it looks again and again: %s", w->place);
        return;
    }
    if (w->wait.cause == WHY_RUNS) {
        say(v->because, sizeof v->because, "runs: %s", w->place);
        return;
    }
    say(v->because, sizeof v->because, "sleeps in %s", w->wait.call);
    if (w->place[0] != '\0')
        say(v->because, sizeof v->because, ", %s", w->place);
    if (w->wait.because[0] != '\0')
        say(v->because, sizeof v->because, ":\n%s", w->wait.because);
}

static bool
hang_says(const struct check *c, const struct result *r, struct verdict *v)
{
    const struct waiting *best = best_wait(r);

    if (best == NULL)
        return false;
    say_wait(best, v);
    if (v->look_at[0] == '\0' &&
        strncmp(best->place, c->source, strlen(c->source)) == 0 &&
        strstr(v->because, "the server's ") == NULL) /* witness_says() */
        snprintf(v->look_at, sizeof v->look_at, "%s", best->place);
    /* The other side, if it is asleep in the student's code as well. */
    for (int i = 0; i < r->wait_count; i++)
        if (r->waits[i].is_server != best->is_server &&
            !is_the_tests(r, &r->waits[i]) && r->waits[i].place[0] != '\0') {
            say_wait(&r->waits[i], v);
            break;
        }
    return true;
}

static const struct cause {
    const char *test, *saw, *because;
} causes[] = {
#define CAUSE(test, saw, because) {test, saw, because},
#include "lab/causes.def"
};

static bool
table_says(const struct result *r, struct verdict *v)
{
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (strstr(r->of->name, causes[i].test) != NULL &&
            (strstr(v->saw, causes[i].saw) != NULL ||
             (r->outcome == STUCK &&
              strcmp(causes[i].saw, "ETIMEDOUT") == 0))) {
            say(v->because, sizeof v->because, "%s%s",
                v->because[0] != '\0' ? "\n" : "", causes[i].because);
            return true;
        }
    return false;
}

static bool
is_late(const struct result *r)
{
    return r->outcome == STUCK || strstr(r->saw, "ETIMEDOUT") != NULL ||
           strstr(r->saw, "has not ended") != NULL;
}

/* One that is blank ends every server, also where it is not asked for. */
static bool
next_is_blank(const struct check *c)
{
    char names[256];
    int line;

    return blank_blocks(c, "next", names, sizeof names, &line) > 0;
}

/* "ipcd: fifo/work: stopped: Connection timed out": next() returned that, and it
 * is none of the two errors with which a server goes on. */
static bool
stopped_says(const struct check *c, const struct result *r, struct verdict *v)
{
    const char *at = r->said != NULL ? strstr(r->said, ": stopped: ") : NULL;

    if (at == NULL || r->of->step > 5 ||
        strstr(r->saw, "died of SIG") != NULL || next_is_blank(c))
        return false;
    at += 11;
    say(v->because, sizeof v->because,
        "the server's next() returned an error (%.*s), and so the server ended",
        (int)strcspn(at, "\n"), at);
    if (strncmp(at, strerror(ETIMEDOUT), strlen(strerror(ETIMEDOUT))) == 0)
        say(v->because, sizeof v->because,
            ": with a timeout_ns below 0 it has to wait without a limit");
    return true;
}

#define BROUGHT "next() brought "

/* What the server's next() or reply() came to (witness.h): the last of it; but
 * if that is what next() has brought, the first, since whoever has lost its
 * place in a stream finds nothing but rubbish from there on.  In the later steps
 * they are meant to. */
static bool
witness_says(const struct check *c, const struct result *r, struct verdict *v)
{
    const char *at = r->said, *last = NULL;

    if (r->of->step > 5 || strstr(r->of->name, "/a_killed") != NULL ||
        next_is_blank(c))
        return false;
    while (at != NULL && (at = strstr(at, "witness: ")) != NULL) {
        at += 9;
        /* Once the client has given up, that is only natural. */
        if (last != NULL && strncmp(at, BROUGHT, strlen(BROUGHT)) == 0 &&
            strncmp(last, BROUGHT, strlen(BROUGHT)) == 0)
            continue;
        if (is_late(r) || strncmp(at, "reply() returned -EPIPE", 23) != 0)
            last = at;
    }
    if (last == NULL)
        return false;
    say(v->because, sizeof v->because, "%sthe server's %.*s",
        v->because[0] != '\0' ? "\n" : "", (int)strcspn(last, "\n"), last);
    if (strncmp(last, "reply() returned -EPIPE", 23) == 0)
        say(v->because, sizeof v->because,
            "\nwhat it opens or sends to is not where this client waits");
    return true;
}

/* Of two numbers in "brought 118 bytes, and the header in them says 110". */
static void
explain_bytes(struct verdict *v)
{
    const char *text = strstr(v->because, " brought ");
    size_t had, says;

    if (text == NULL)
        text = strstr(v->saw, " brought ");
    if (text == NULL)
        return;
    if (sscanf(text, " brought %zu bytes, and the header in them says %zu",
               &had, &says) == 2)
        say(v->because, sizeof v->because,
            "%s%s: either the length that goes with a message is wrong, or %s",
            v->because[0] != '\0' ? "\n" : "",
            had < says ? "too few" : "too many",
            had < says
                ? "one read(2) or write(2) was taken for all of it"
                : "what is left of a longer one before it, or of the next "
                  "one, is taken for a part of it");
    else if (strncmp(text, " brought 0 bytes", 16) == 0)
        say(v->because, sizeof v->because,
            "%s0 bytes are no message: from read(2) they are the end of file, "
            "since the last one that could write has closed; elsewhere a "
            "length that does not fit into its type",
            v->because[0] != '\0' ? "\n" : "");
}

/* The sizes grow: the smaller ones have passed. */
static void
say_size(const struct result *r, struct verdict *v)
{
    size_t size;

    if (sscanf(r->did, "a call of echo, with %zu bytes", &size) == 1 &&
        size > 1000 && r->of->step <= 3 && v->because[0] == '\0')
        say(v->because, sizeof v->because,
            "shorter ones pass: one read(2) or write(2) is taken for all of "
            "it, or a buffer or the type of a length is too small");
}

/* In step 2 each side is tried with the textbook form's other one, too. */
static void
say_which_half(const struct check *c, const struct result *r, struct verdict *v)
{
    const bool is_server = strstr(r->of->name, "its_server_") != NULL;
    const char *other = is_server ? "its_client_" : "its_server_";

    if (!is_server && strstr(r->of->name, "its_client_") == NULL)
        return;
    for (int i = 0; i < c->count; i++)
        if (strstr(c->results[i].of->name, other) != NULL &&
            c->results[i].outcome == PASSED)
            say(v->because, sizeof v->because,
                "%sit is in the %s: your %s understands the textbook form",
                v->because[0] != '\0' ? "\n" : "",
                is_server ? "server's half (create, next, reply)"
                          : "client's half (open, send, recv, close)",
                is_server ? "client" : "server");
}

/* A cause of the table names the call that is to be changed first, which need
 * not be the one that waits.  In step 2 it may be that of the other side, and
 * of what is left it is known who should have removed it. */
static void
look_at_what_is_named(const struct check *c, const struct result *r,
                      struct verdict *v)
{
    const char *at;
    const size_t len = find_call(v->because, &at);

    if (len > 0 && r->of->step != 2 && who_should_remove(r) == NULL)
        look_at_function(c, at, len, v->look_at, sizeof v->look_at);
}

static void
all_that_is_known(const struct check *c, const struct result *r,
                  struct verdict *v)
{
    const struct waiting *best = is_late(r) ? best_wait(r) : NULL;

    if (r->note[0] != '\0')
        say(v->because, sizeof v->because, "%s", r->note);
    if (strstr(r->saw, "left behind") == NULL) {
        if (!stopped_says(c, r, v))
            witness_says(c, r, v);
        explain_bytes(v);
    }
    if (v->because[0] == '\0' && (best == NULL || !best->is_busy) &&
        table_says(r, v))
        look_at_what_is_named(c, r, v);
    if (best != NULL)
        hang_says(c, r, v);
    say_size(r, v);
    say_which_half(c, r, v);
}

/* -- the whole ------------------------------------------------------------- */

/* What ipcd said last, if it was not that it serves. */
static void
add_what_ipcd_said(const struct result *r, struct verdict *v)
{
    const char *at = r->said, *last = NULL;

    while (at != NULL && (at = strstr(at, "ipcd: ")) != NULL) {
        if (strncmp(at + 6, "serv", 4) != 0 &&
            (last == NULL ||
             memmem(at, strcspn(at, "\n"), "ended with", 10) == NULL))
            last = at;
        at += 6;
    }
    if (last != NULL)
        say(v->saw, sizeof v->saw, "\nit said: %.*s", (int)strcspn(last, "\n"),
            last);
}

/* The last "recv()" in a text. */
static size_t
find_last_call(const char *text, const char **at)
{
    size_t len = 0, n;

    while ((n = find_call(text, &text)) > 0) {
        *at = text;
        len = n;
        text += n;
    }
    return len;
}

/* Which of the calls it may be that went wrong. */
static size_t
suspect(const struct result *r, const struct verdict *v, const char **at)
{
    const bool is_server = strstr(r->of->name, "its_server_") != NULL;
    const bool is_client = strstr(r->of->name, "its_client_") != NULL;
    const bool came_wrong = is_late(r) || strstr(r->saw, "EPROTO") != NULL ||
                            strstr(r->saw, "EBADMSG") != NULL ||
                            strstr(r->saw, "bytes") != NULL;

    *at = who_should_remove(r);
    if (*at != NULL)
        return strlen(*at);
    if (strstr(v->because, "the server's own has come back") != NULL ||
        strstr(v->because, "reply() returned") != NULL)
        *at = "reply";
    else if (strstr(v->because, "next() brought") != NULL)
        *at = is_client ? "send" : "next";
    else if (strstr(v->because, "next() returned") != NULL)
        *at = "next";   /* stopped_says(), too */
    else if (is_server) /* of next() the witness has nothing to say */
        *at = strncmp(r->did, "open", 4) == 0           ? "create"
              : strncmp(r->saw, "the status ", 11) == 0 ? "next"
                                                        : "reply";
    if (*at != NULL)
        return strlen(*at);
    return came_wrong ? find_last_call(r->did, at) : find_call(r->did, at);
}

/* Whether a length is wrong where it is written or where it is read cannot be
 * seen, if both are the student's; nor in which of the two calls of one side it
 * does not fit, while neither says so. */
static void
add_other_suspect(const struct check *c, const struct result *r,
                  struct verdict *v)
{
    const bool is_half = strstr(r->of->name, "/its_") != NULL;
    const bool is_server = strstr(r->of->name, "/its_server_") != NULL;
    const char *other = NULL, *is = "or it is in";
    char text[sizeof v->look_at] = "";

    if (strncmp(v->because, "shorter ones pass", 17) == 0 && is_half)
        other = is_server                               ? "next"
                : strstr(v->look_at, "_send()") != NULL ? "recv"
                                                        : "send";
    else if (strstr(v->because, "either the length") != NULL && !is_half) {
        other = strstr(v->because, "next() brought") != NULL ? "send" : "reply";
        is = "what it reads is written in";
    }
    if (other != NULL)
        look_at_function(c, other, strlen(other), text, sizeof text);
    if (text[0] != '\0')
        say(v->look_at, sizeof v->look_at, "\n%s %s", is, text);
}

static void
look_at_what_was_called(const struct check *c, const struct result *r,
                        struct verdict *v)
{
    const char *at;
    size_t len = suspect(r, v, &at);

    if (len == 0) {
        at = steps[r->of->step].calls;
        len = strcspn(at, " ");
    }
    look_at_function(c, at, len, v->look_at, sizeof v->look_at);
    add_other_suspect(c, r, v);
}

/* -- where it was made ----------------------------------------------------- */

static const struct making {
    enum { LEFT, BESIDE, INSTEAD } where;
    const char *what, *calls[4];
} makings[] = {
    /* What should not be there any more: who has to remove it is known, and who
     * has made it helps to see what it is. */
    {LEFT, "-> pipe:", {"pipe2", "pipe"}},
    {LEFT, "-> socket:", {"socket", "accept4", "accept"}},
    {LEFT, "-> /", {"open"}},
    {LEFT, "System V msg", {"msgget"}},
    {LEFT, "System V sem", {"semget"}},
    {LEFT, "System V shm", {"shmget"}},
    {LEFT, "/dev/shm/sem.", {"sem_open"}},
    {LEFT, "/dev/shm/", {"shm_open"}},
    /* A cause that is in how it was made: beside the line where that came out,
     * or, if that could be any line that waits, instead of it. */
    {BESIDE, "itself still has it", {"pipe2", "pipe"}},
    {BESIDE, "that its file does not have", {"ftruncate", "mmap"}},
    {INSTEAD, "with MAP_PRIVATE", {"mmap"}},
    {INSTEAD,
     "private to this process",
     {"sem_init", "pthread_mutex_init", "pthread_cond_init"}},
};

static bool
has_call(const char *line, const char *name)
{
    const size_t len = strlen(name);

    for (const char *at = line; (at = strstr(at, name)) != NULL; at += len)
        if (at[len] == '(' &&
            !isdigit((unsigned char)at[len + 1]) && /* "pipe(7)" */
            (at == line || (!isalnum((unsigned char)at[-1]) && at[-1] != '_')))
            return true;
    return false;
}

/* The lines that call one of these, three at most. */
static void
say_lines(const struct check *c, const struct making *m, struct verdict *v)
{
    FILE *f = fopen(c->source, "re");
    char line[512];
    int found = 0;

    for (int n = 1; f != NULL && fgets(line, sizeof line, f) != NULL; n++)
        for (size_t i = 0; m->calls[i] != NULL && found < 3; i++)
            if (has_call(line, m->calls[i])) {
                if (found++ > 0)
                    say(v->look_at, sizeof v->look_at, ", in %d", n);
                else if (m->where == INSTEAD)
                    look_at_line(c, n, v);
                else
                    say(v->look_at, sizeof v->look_at,
                        "\nit is made in line %d", n);
                say(v->look_at, sizeof v->look_at, " by %s()", m->calls[i]);
                break;
            }
    if (f != NULL)
        fclose(f);
}

static void
say_where_made(const struct check *c, const struct result *r, struct verdict *v)
{
    const bool is_left = strstr(r->saw, "left behind") != NULL;
    const char *in = is_left ? r->saw : v->because;

    for (size_t i = 0; i < sizeof makings / sizeof *makings; i++)
        if ((makings[i].where == LEFT) == is_left &&
            strstr(in, makings[i].what) != NULL) {
            say_lines(c, &makings[i], v);
            return;
        }
}

void
verdict_of(const struct check *c, const struct result *r, struct verdict *v)
{
    *v = (struct verdict){.checking = r->of->checking,
                          .read = steps[r->of->step].reading};
    snprintf(v->did, sizeof v->did, "%s", r->did);
    snprintf(v->expected, sizeof v->expected, "%s", r->expected);
    snprintf(v->saw, sizeof v->saw, "%s", r->saw);
    if (strstr(r->saw, "ended instead") != NULL ||
        strstr(r->saw, "exit status") != NULL)
        add_what_ipcd_said(r, v);
    if (!memory_says(r, v) && !sanitizer_says(c, r, v) && !not_written(c, r, v))
        all_that_is_known(c, r, v);
    if (v->look_at[0] == '\0')
        look_at_what_was_called(c, r, v);
    if (strstr(v->because, "not written yet") == NULL) {
        say_where_made(c, r, v);
        add_not_written(c, v);
    }
}
