/*
 * summary.h - from the raw rows to one line per cell: medians over the rounds,
 * their 95 % intervals, and the ratio to the floor of the same round.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "bench/record.h"

#include <stdbool.h>

#define FLOOR_PIPE   "floor/pipe"
#define FLOOR_MEMCPY "floor/memcpy"
#define FLOOR_RING   "floor/ring"
#define FLOOR_COPY   "floor/copy"
#define FLOOR_PAGE   "floor/page"
#define FLOOR_GAPS   "floor/gaps"
#define FLOOR_PERF   "floor/perf"

struct line {
#include "bench/csv_members.h"

#include "bench/line.def"
    double rank; /* round trips: their order at one placement, small is fast */
};

extern const struct csv_column line_columns[];

struct summary {
    struct line *lines;
    size_t n;
    long rounds, measured, rejected, failed; /* measured: rows in all */
    long lacking;    /* of them: had no queues left, or the like ... */
    char lacks[160]; /* ... the reason of one */
};

/*
 * Rows that were disturbed are left out as long as half of a cell's rounds
 * remain; if not, all are used and the line's status is ROW_REJECTED.
 * Reorders the rows.  -ENOMEM.
 */
int summarise(struct row *rows, size_t n, struct summary *s);
void summary_free(struct summary *s);

/* dir/summary.csv; its lines into f.  -errno. */
int summary_write(const struct summary *s, const char *dir);
int summary_put(const struct summary *s, FILE *f);

/* The line, or NULL. */
const struct line *summary_find(const struct summary *s, const char *mechanism,
                                enum where placement, enum kind kind,
                                long size);

/* The lines that differ in more than that: of N clients; of a load's mode. */
const struct line *summary_find_clients(const struct summary *s,
                                        const char *mechanism,
                                        enum where placement, long clients);
const struct line *summary_find_load(const struct summary *s,
                                     const char *mechanism,
                                     enum where placement, enum mode mode);

/* The rows of a table, the fastest first: what was measured of 64 bytes, of
 * this kind, at this placement, one line for each mechanism and floor.  The one
 * after `last`, from NULL to NULL. */
const struct line *summary_next(const struct summary *s, enum where placement,
                                enum kind kind, const struct line *last);

/* The sizes everybody is measured at are powers of two; another one is the most
 * that a mechanism carries.  The line of that in its row; NULL: none, or the
 * row is a floor's. */
bool summary_is_common(long size);
const struct line *summary_most(const struct summary *s,
                                const struct line *row);

bool summary_is_floor(const struct line *l);

/* us for round trips, GB/s for streams, NAN for no line. */
double summary_value(const struct line *l);

/* Fills in the ratios of rows that are sorted by mechanism. */
void summary_ratios(struct row *rows, size_t n);

/* Fills in what follows from several lines together. */
void summary_derive(struct summary *s);

/* "round trip", "one way" ... */
const char *summary_kind(enum kind kind);

/* Why nothing of this kind and size (-1: any) was measured for the mechanism at
 * this placement (ANYWHERE: any); NULL if something was. */
const char *summary_why_not(const struct summary *s, const char *mechanism,
                            enum where placement, enum kind kind, long size);

/* By how much, 0.01 = 1 %, the second of the A/A pair differed at this
 * placement; *who was measured twice.  NAN if there is no pair. */
double summary_noise(const struct summary *s, enum where placement,
                     const char **who);

/* More than this, at any placement, is NOISY. */
#define NOISE_LIMIT 0.03
bool summary_noisy(const struct summary *s);

/* What one would not have expected of this run, in a few words; false: nothing
 * can be compared. */
#define SURPRISE 160
bool summary_surprise(const struct summary *s, char text[SURPRISE]);

/* -- names ----------------------------------------------------------------- */

struct names {
    const char *name[256];
    size_t n;
};

struct places {
    enum where at[ELSEWHERE];
    size_t n;
};

/* Each mechanism once, floors not, by name; and each placement once, the
 * steadiest first. */
void summary_mechanisms(const struct summary *s, struct names *names);
void summary_placements(const struct summary *s, struct places *places);

#endif
