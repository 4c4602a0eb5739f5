/*
 * csv.h - C structures as lines of a CSV file and back, by a table of columns.
 *
 * Columns are found by their name in the first line, so a file written by an
 * older version, with fewer columns or in another order, can still be read.
 *
 * A column is named once, in a list of NUMBER(type, name), TEXT(name, bytes)
 * and WORD(enum's tag, name), most in a .def file.  After csv_members.h the
 * list is that of a structure's members, after csv_columns.h a table of
 * columns:
 *
 *      struct row {                    const struct csv_column row_columns[] = {
 *      #include "bench/csv_members.h"  #define CSV_OF struct row
 *      #include "bench/row.def"        #include "bench/csv_columns.h"
 *      };                              #include "bench/row.def"
 *                                          {.name = NULL},
 *                                      };
 */
#ifndef CSV_H
#define CSV_H

#include <stddef.h>
#include <stdio.h>

enum csv_type {
    CSV_TEXT,   /* char[size], NUL-terminated */
    CSV_LONG,   /* long */
    CSV_DOUBLE, /* double; NAN, not known, is an empty field */
    CSV_WORD,   /* an enum; the file has its word */
};

struct csv_column {
    const char *name; /* NULL ends the table */
    enum csv_type type;
    size_t offset, size;      /* within the structure, bytes */
    const char *const *words; /* of an enum, NULL-ended; the last one stands for
                               * whatever else a file may say */
};

/* A member is a column of its own name; its type is the column's. */
#define CSV_COLUMN(structure, member, enum_words) \
    { \
        .name = #member, .type = CSV_TYPE(((structure *)NULL)->member), \
        .offset = offsetof(structure, member), \
        .size = sizeof(((structure *)NULL)->member), .words = (enum_words) \
    }
#define CSV_TYPE(value) \
    _Generic((value), char * : CSV_TEXT, long : CSV_LONG, double : CSV_DOUBLE, \
             default : CSV_WORD)

#define CSV_MAX_COLUMNS 64

/* A record of which nothing is known: its numbers with a point are NAN. */
void csv_unknown(const struct csv_column *columns, void *record);

/* Both return 0 or -errno: what the stream said. */
int csv_write_header(FILE *f, const struct csv_column *columns);
int csv_write(FILE *f, const struct csv_column *columns, const void *record);

struct csv_reader {
    FILE *f;
    unsigned line; /* the last one read, for messages */
    size_t n;
    const struct csv_column *column[CSV_MAX_COLUMNS]; /* NULL: unknown */
};

/* Reads the first line.  -EBADMSG if it is not one of ours. */
int csv_open(struct csv_reader *r, FILE *f, const struct csv_column *columns);

/* 1: *record is filled in, columns that the file lacks untouched; 0: the end,
 * also in the middle of a line, which is how a killed run's file ends;
 * -EBADMSG: line r->line has another number of fields, or a number that is
 * none; -errno. */
int csv_read(struct csv_reader *r, void *record);

/* All that follow, *n records of so many bytes, each a copy of *empty before it
 * is filled in; to be freed.  NULL and *err: -ENOMEM, or as csv_read(). */
void *csv_read_all(struct csv_reader *r, const void *empty, size_t size,
                   size_t *n, int *err);

#endif
