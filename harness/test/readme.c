/* readme.c - README.md and LAB.md files, taken apart (readme.h). */
#define _GNU_SOURCE /* strdup */
#include "test/readme.h"

#include "test/test.h"

#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
grown(void *array, size_t count, size_t size)
{
    void *p = reallocarray(array, count + 1, size);

    if (p == NULL)
        abort();
    return p;
}

/* -- lines ----------------------------------------------------------------- */

#define NOT_RUN "<!-- not run: "

/* Where a reader is. */
struct state {
    struct readme *r;
    int line;
    size_t indent; /* of the fence */
    bool fenced;   /* between two of them */
    bool indented; /* in a block of lines that begin with four blanks */
    bool blank;    /* the line before was: only then can that begin */
    char why_not[120];
    FILE *block, *prose;
    char *text, *sentences;
    size_t size, sentences_size;
};

static void
begin_block(struct state *s, bool session)
{
    struct readme *r = s->r;

    r->blocks = grown(r->blocks, r->block_count, sizeof *r->blocks);
    r->blocks[r->block_count] = (struct readme_block){
        .file = r->file,
        .line = s->line,
        .session = session,
        .why_not = s->why_not[0] != '\0' ? strdup(s->why_not) : NULL,
    };
    s->why_not[0] = '\0';
    s->block = open_memstream(&s->text, &s->size);
}

static void
end_block(struct state *s)
{
    fclose(s->block);
    s->r->blocks[s->r->block_count++].text = s->text;
}

static void
take_fence(struct state *s, const char *line, size_t indent)
{
    if (s->fenced) {
        end_block(s);
    } else {
        begin_block(s, begins(line + indent + 3, "console"));
        s->indent = indent;
    }
    s->fenced = !s->fenced;
}

static void
take_note(struct state *s, const char *note)
{
    const char *end = strstr(note, " -->");

    snprintf(s->why_not, sizeof s->why_not, "%.*s",
             end == NULL ? 0 : (int)(end - note), note);
}

static void
take_line(struct state *s, const char *line)
{
    size_t indent = strspn(line, " ");
    bool blank = line[indent] == '\n';

    s->line++;
    if (s->indented && indent < 4 && !blank) {
        end_block(s);
        s->indented = false;
    }
    if (begins(line + indent, "```"))
        take_fence(s, line, indent);
    else if (s->fenced)
        fputs(line + (indent < s->indent ? indent : s->indent), s->block);
    else if (begins(line, NOT_RUN))
        take_note(s, line + strlen(NOT_RUN));
    else if (s->indented)
        fputs(blank ? line : line + 4, s->block);
    else if (s->blank && indent >= 4 && !blank) {
        s->indented = true;
        begin_block(s, false);
        fputs(line + 4, s->block);
    } else
        fputs(line, s->prose);
    s->blank = blank;
}

char *
readme_line(char **text)
{
    char *line = *text, *end = strchrnul(line, '\n');

    if (*line == '\0')
        return NULL;
    *text = *end == '\0' ? end : end + 1;
    *end = '\0';
    return line;
}

/* -- sentences ------------------------------------------------------------- */

static void
add_span(struct readme *r, const char *from, size_t len)
{
    char *span = calloc(1, len + 1), *to = span;

    for (size_t i = 0; span != NULL && i < len; i++)
        if (!isspace((unsigned char)from[i]))
            *to++ = from[i];
        else if (to > span && to[-1] != ' ')
            *to++ = ' ';
    r->spans = grown(r->spans, r->span_count, sizeof *r->spans);
    r->spans[r->span_count++] = span;
}

static void
find_spans(struct readme *r, const char *text)
{
    const char *from, *end;

    for (from = strchr(text, '`'); from != NULL; from = strchr(end + 1, '`')) {
        end = strchr(from + 1, '`');
        r->odd = end == NULL;
        if (r->odd)
            return;
        add_span(r, from + 1, (size_t)(end - from - 1));
    }
}

/* -- files ----------------------------------------------------------------- */

static void
read_readme(struct readme *r, const char *path)
{
    struct state s = {.r = r, .blank = true};
    char *line = NULL;
    size_t size = 0;
    FILE *f = fopen(path, "re");

    s.prose = open_memstream(&s.sentences, &s.sentences_size);
    while (f != NULL && getline(&line, &size, f) > 0)
        take_line(&s, line);
    if (s.fenced || s.indented)
        end_block(&s);
    if (f != NULL)
        fclose(f);
    fclose(s.prose);
    find_spans(r, s.sentences);
    free(s.sentences);
    free(line);
}

size_t
readme_all(const struct readme **all)
{
    static const char *const where[] = {"README.md", "*/README.md",
                                        "*/*/README.md", "*/*/*/README.md",
                                        "*/LAB.md"};
    static struct readme *readmes;
    static size_t count;
    char pattern[PATH_MAX];
    glob_t found = {0};

    for (size_t i = 0; count == 0 && source_dir() != NULL && i < 5; i++) {
        snprintf(pattern, sizeof pattern, "%s/%s", source_dir(), where[i]);
        glob(pattern, i == 0 ? 0 : GLOB_APPEND, NULL, &found);
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        readmes = grown(readmes, count, sizeof *readmes);
        readmes[count] = (struct readme){
            .file = strdup(found.gl_pathv[i] + strlen(source_dir()) + 1)};
        read_readme(&readmes[count++], found.gl_pathv[i]);
    }
    globfree(&found);
    *all = readmes;
    return count;
}

bool
is_assignment(const struct readme *r)
{
    const char *slash = strrchr(r->file, '/');

    return slash != NULL && strcmp(slash, "/LAB.md") == 0;
}

/* -- what is said ---------------------------------------------------------- */

/* How many characters of it are a number, with its sign. */
static size_t
number(const char *begin, const char *at)
{
    size_t sign = *at == '-', n = strspn(at + sign, "0123456789");

    return n == 0 || (at > begin && isalnum((unsigned char)at[-1])) ? 0
                                                                    : sign + n;
}

static bool
rest_fits(const char *shown, const char *e, const char *said, const char *a)
{
    size_t in_shown, in_said;

    while (*e != '\0') {
        if (begins(e, "...")) {
            for (e += 3; !rest_fits(shown, e, said, a); a++)
                if (*a == '\0')
                    return false;
            return true;
        }
        in_shown = number(shown, e);
        in_said = number(said, a);
        if (in_shown > 0 && in_said > 0) {
            e += in_shown;
            a += in_said;
        } else if (*e++ != *a++) {
            return false;
        }
    }
    return *a == '\0';
}

bool
readme_line_fits(const char *shown, const char *said)
{
    return rest_fits(shown, shown, said, said);
}
