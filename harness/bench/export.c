/* export.c - a run's results for other programs (export.h). */
#define _GNU_SOURCE /* argp, dup3 */
#include "bench/export.h"

#include "bench/grid.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum form { CSV, JSON, MARKDOWN, FORMS };

static struct {
    const char *path;
    FILE *f;
} wanted[FORMS];

/* -- options --------------------------------------------------------------- */

enum { KEY_FIRST = 512 };

static const struct argp_option options[] = {
    {"csv", KEY_FIRST + CSV, "FILE", 0,
     "every measurement into FILE as CSV, one a line; - is standard output", 0},
    {"json", KEY_FIRST + JSON, "FILE", 0,
     "the machine, the run and every measurement into FILE as JSON", 0},
    {"markdown", KEY_FIRST + MARKDOWN, "FILE", 0,
     "the tables into FILE as Markdown", 0},
    {0},
};

static bool
is_standard(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

static error_t
/* NOLINTNEXTLINE(readability-non-const-parameter): argp's type */
parse(int key, char *arg, struct argp_state *state)
{
    int taken = 0;

    if (key == ARGP_KEY_END) {
        for (int i = 0; i < FORMS; i++)
            taken += is_standard(wanted[i].path);
        if (taken > 1)
            argp_error(state, "standard output is for one of --csv, --json "
                              "and --markdown; give the others a file");
        return 0;
    }
    if (key < KEY_FIRST || key >= KEY_FIRST + FORMS)
        return ARGP_ERR_UNKNOWN;
    wanted[key - KEY_FIRST].path = arg;
    return 0;
}

const struct argp export_argp = {.options = options, .parser = parse};
const struct argp_child export_child[] = {{.argp = &export_argp}, {0}};

/* -- before ---------------------------------------------------------------- */

/* From now on what is printed goes to standard error; whoever reads standard
 * output gets the results and nothing else. */
static FILE *
take_standard_output(void)
{
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (fd == -1 || dup2(STDERR_FILENO, STDOUT_FILENO) == -1)
        return NULL;
    return fdopen(fd, "w");
}

static int
say(const char *path)
{
    fprintf(stderr, "ipcbench: cannot write %s: %s\n",
            is_standard(path) ? "standard output" : path, strerror(errno));
    return EX_CANTCREAT;
}

int
export_begin(void)
{
    for (int i = 0; i < FORMS; i++) {
        if (wanted[i].path == NULL)
            continue;
        wanted[i].f = is_standard(wanted[i].path) ? take_standard_output()
                                                  : fopen(wanted[i].path, "we");
        if (wanted[i].f == NULL)
            return say(wanted[i].path);
    }
    return EX_OK;
}

/* -- JSON ------------------------------------------------------------------ */

/* What a column has of this line; NULL: not known, and left out. */
static json_t *
value_of(const struct csv_column *column, const struct line *l)
{
    const char *at = (const char *)l + column->offset;
    unsigned word;
    double v;
    long n;

    switch (column->type) {
    case CSV_TEXT:
        return at[0] == '\0' ? NULL : json_string(at);
    case CSV_LONG:
        memcpy(&n, at, sizeof n);
        return json_integer(n);
    case CSV_DOUBLE:
        memcpy(&v, at, sizeof v);
        return isfinite(v) ? json_real(v) : NULL;
    case CSV_WORD:
        memcpy(&word, at, sizeof word);
        return column->words[word][0] == '\0'
                   ? NULL
                   : json_string(column->words[word]);
    }
    return NULL;
}

static json_t *
object_of(const struct line *l)
{
    json_t *object = json_object();

    for (const struct csv_column *c = line_columns; c->name != NULL; c++) {
        json_t *value = value_of(c, l);

        if (value != NULL)
            json_object_set_new(object, c->name, value);
    }
    return object;
}

static int
put_json(const struct summary *s, const char *dir, FILE *f)
{
    json_t *all = json_object(), *results = json_array(), *run = NULL;
    char path[RECORD_PATH];
    int failed, err;

    if (record_path(dir, "run.json", path) == 0)
        run = json_load_file(path, 0, NULL);
    json_object_set_new(all, "run", run != NULL ? run : json_null());
    for (size_t i = 0; i < s->n; i++)
        json_array_append_new(results, object_of(&s->lines[i]));
    json_object_set_new(all, "results", results);
    errno = EIO; /* if it is not known better */
    failed = json_dumpf(all, f, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    err = failed != 0 ? -errno : 0;
    json_decref(all);
    fputc('\n', f);
    return err;
}

/* -- Markdown -------------------------------------------------------------- */

/* A bar would end the cell. */
static void
put_text(const char *text, FILE *f)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', f);
        fputc(*text, f);
    }
}

static void
put_row(const struct grid *g, const struct grid_row *r, FILE *f)
{
    fputs("| ", f);
    put_text(r->name, f);
    for (size_t c = 0; g->head[c] != NULL; c++) {
        fputs(" | ", f);
        if (!r->absent)
            put_text(r->cell[c], f);
        else if (c == 0)
            put_text(r->why, f);
    }
    fputs(" |\n", f);
}

static void
put_grid(const struct grid *g, FILE *f)
{
    fprintf(f, "### %s, %s%s%s\n\n|", g->title, where_words[g->placement],
            g->unit[0] != '\0' ? ": " : "", g->unit);
    for (size_t c = 0; g->head[c] != NULL; c++) {
        fputs(" | ", f);
        put_text(g->head[c], f);
    }
    fputs(" |\n|---", f);
    for (size_t c = 0; g->head[c] != NULL; c++)
        fputs("|--:", f);
    fputs("|\n", f);
    for (size_t i = 0; i < g->rows; i++)
        put_row(g, &g->row[i], f);
    if (g->note != NULL)
        fprintf(f, "\n%s\n", g->note);
    fputc('\n', f);
}

/* -- after ----------------------------------------------------------------- */

int
export_write(const struct summary *s, const char *dir)
{
    int status = EX_OK;

    for (int i = 0; i < FORMS; i++) {
        FILE *f = wanted[i].f;
        int err = 0;

        if (f == NULL)
            continue;
        switch ((enum form)i) {
        case CSV:
            err = summary_put(s, f);
            break;
        case JSON:
            err = put_json(s, dir, f);
            break;
        case MARKDOWN:
            grids(s, GRID_ALL, NULL, put_grid, f);
            break;
        case FORMS:
            break;
        }
        if (err == 0 && fflush(f) == EOF)
            err = -errno;
        if (fclose(f) == EOF && err == 0)
            err = -errno;
        errno = -err;
        if (err < 0)
            status = say(wanted[i].path);
        wanted[i].f = NULL;
    }
    return status;
}
