/* csv.c - structures as lines of a CSV file (RFC 4180) and back. */
#define _GNU_SOURCE /* getline */
#include "bench/csv.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void
csv_unknown(const struct csv_column *columns, void *record)
{
    for (const struct csv_column *c = columns; c->name != NULL; c++)
        if (c->type == CSV_DOUBLE)
            memcpy((char *)record + c->offset, &(double){NAN}, sizeof(double));
}

/* -- writing --------------------------------------------------------------- */

static int
stream_state(FILE *f)
{
    if (!ferror(f))
        return 0;
    return errno != 0 ? -errno : -EIO;
}

int
csv_write_header(FILE *f, const struct csv_column *columns)
{
    for (const struct csv_column *c = columns; c->name != NULL; c++)
        fprintf(f, "%s%s", c == columns ? "" : ",", c->name);
    fputc('\n', f);
    return stream_state(f);
}

static void
write_text(FILE *f, const char *s)
{
    if (strpbrk(s, ",\"\n\r") == NULL) {
        fputs(s, f);
        return;
    }
    fputc('"', f);
    for (; *s != '\0'; s++) {
        if (*s == '"')
            fputc('"', f);
        /* One record, one line: so that grep and cut work. */
        fputc(*s == '\n' || *s == '\r' ? ' ' : *s, f);
    }
    fputc('"', f);
}

int
csv_write(FILE *f, const struct csv_column *columns, const void *record)
{
    for (const struct csv_column *c = columns; c->name != NULL; c++) {
        const char *at = (const char *)record + c->offset;
        unsigned word;
        double d;
        long l;

        if (c != columns)
            fputc(',', f);
        if (c->type == CSV_TEXT) {
            write_text(f, at);
        } else if (c->type == CSV_LONG) {
            memcpy(&l, at, sizeof l);
            fprintf(f, "%ld", l);
        } else if (c->type == CSV_WORD) {
            memcpy(&word, at, sizeof word);
            write_text(f, c->words[word]);
        } else {
            memcpy(&d, at, sizeof d);
            if (!isnan(d))
                fprintf(f, "%.9g", d);
        }
    }
    fputc('\n', f);
    return stream_state(f);
}

/* -- reading --------------------------------------------------------------- */

/* Cuts the next field out of *at, in place.  NULL: there is none.  A missing
 * closing quote ends at the end of the line. */
static char *
next_field(char **at)
{
    char *from = *at, *to = from, *field = from;

    if (from == NULL)
        return NULL;
    if (*from != '"') {
        from += strcspn(from, ",");
        to = from;
    } else {
        for (from++; *from != '\0'; from++) {
            if (*from == '"' && *++from != '"')
                break;
            *to++ = *from;
        }
    }
    *at = *from == ',' ? from + 1 : NULL;
    *to = '\0';
    return field;
}

static int
store(const struct csv_column *c, const char *field, void *record)
{
    char *at = (char *)record + c->offset, *end;
    unsigned word = 0;
    double d = NAN;
    long l;

    errno = 0;
    switch (c->type) {
    case CSV_TEXT:
        snprintf(at, c->size, "%s", field);
        return 0;
    case CSV_WORD:
        while (c->words[word + 1] != NULL && strcmp(c->words[word], field) != 0)
            word++;
        memcpy(at, &word, sizeof word);
        return 0;
    case CSV_LONG:
        l = strtol(field, &end, 10);
        memcpy(at, &l, sizeof l);
        break;
    case CSV_DOUBLE:
        end = NULL;
        if (*field != '\0')
            d = strtod(field, &end);
        memcpy(at, &d, sizeof d);
        if (end == NULL)
            return 0;
        break;
    default:
        return -EINVAL;
    }
    return end == field || *end != '\0' || errno != 0 ? -EBADMSG : 0;
}

/* A whole line without its end, to be freed; NULL and *err 0 at the end. */
static char *
next_line(struct csv_reader *r, int *err)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n = getline(&line, &size, r->f);

    *err = 0;
    if (n > 0 && line[n - 1] == '\n') {
        line[n - 1] = '\0';
        r->line++;
        return line;
    }
    *err = stream_state(r->f);
    free(line);
    return NULL;
}

int
csv_open(struct csv_reader *r, FILE *f, const struct csv_column *columns)
{
    char *line, *at, *field;
    size_t known = 0;
    int err;

    *r = (struct csv_reader){.f = f};
    line = next_line(r, &err);
    if (line == NULL)
        return err != 0 ? err : -EBADMSG;
    at = line;
    while (r->n < CSV_MAX_COLUMNS && (field = next_field(&at)) != NULL) {
        const struct csv_column *c = columns;

        while (c->name != NULL && strcmp(c->name, field) != 0)
            c++;
        known += c->name != NULL;
        r->column[r->n++] = c->name != NULL ? c : NULL;
    }
    free(line);
    return known > 0 ? 0 : -EBADMSG;
}

int
csv_read(struct csv_reader *r, void *record)
{
    char *at, *field, *line;
    size_t i = 0;
    int err;

    line = next_line(r, &err);
    if (line == NULL)
        return err;
    at = line;
    while (err == 0 && (field = next_field(&at)) != NULL) {
        if (i == r->n)
            err = -EBADMSG;
        else if (r->column[i] != NULL)
            err = store(r->column[i], field, record);
        i++;
    }
    if (err == 0 && i != r->n)
        err = -EBADMSG;
    free(line);
    return err != 0 ? err : 1;
}

void *
csv_read_all(struct csv_reader *r, const void *empty, size_t size, size_t *n,
             int *err)
{
    char *records = NULL, *more;
    size_t room = 0;

    *n = 0;
    do {
        if (*n == room) {
            room = room == 0 ? 256 : 2 * room;
            more = realloc(records, room * size);
            if (more == NULL) {
                *err = -ENOMEM;
                break;
            }
            records = more;
        }
        memcpy(records + *n * size, empty, size);
        *err = csv_read(r, records + *n * size);
        *n += *err == 1;
    } while (*err == 1);
    if (*err == 0)
        return records;
    free(records);
    *n = 0;
    return NULL;
}
