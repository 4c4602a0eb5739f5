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
#define FLOOR_GAPS   "floor/gaps"
#define FLOOR_PERF   "floor/perf"

struct line {
    char mechanism[40], placement[24], kind[8], mode[16];
    long size, clients, copy;
    char status[12]; /* ROW_OK, ROW_REJECTED, ROW_FAILED, ROW_ABSENT */
    char reason[160];
    long used, rejected, failed; /* rounds */
    long batch;
    /* over the rounds used: median, and the interval of the main one */
    double p50_ns, p50_lo_ns, p50_hi_ns, p99_ns, mean_ns;
    double min_ns, max_ns; /* of all rounds */
    double per_second, bytes_per_second, bytes_lo, bytes_hi;
    /* round trips: p50 / the bare pipe's; streams: bytes / memcpy's */
    double ratio, ratio_lo, ratio_hi;
    /* round trips: p50 / that of the bare echo with the same system calls */
    char floor[24]; /* its name, empty: there is none */
    double own_ratio, own_lo, own_hi;
    double voluntary, involuntary; /* switches, both sides, per operation */
    double cpu;                    /* both sides' CPU time / time */
    /* per operation: */
    double client_cpu_ns, server_cpu_ns;
    double faults; /* page faults, both sides */
    /* ---- derived from several cells: summary_derive.c ---- */
    double p999_ns; /* of all rounds together, where there are enough */
    double fairness, predicted; /* clients: Jain; messages/s by the model */
    double rank; /* round trips: their order at one placement, small is fast */
    double client_calls, server_calls, copied; /* round trips of 64 bytes */
    char calls[240];
    /* there, too: t(n) = fit_ns + 2 n / fit_bytes_per_second over the sizes,
     * its worst error, and where both terms are equal */
    double fit_ns, fit_bytes_per_second, fit_worst, half_bytes;
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

/* dir/summary.csv.  -errno. */
int summary_write(const struct summary *s, const char *dir);

/* The line, or NULL. */
const struct line *summary_find(const struct summary *s, const char *mechanism,
                                const char *placement, const char *kind,
                                long size);

/* The lines that differ in more than that: of N clients; of a load's mode. */
const struct line *summary_find_clients(const struct summary *s,
                                        const char *mechanism,
                                        const char *placement, long clients);
const struct line *summary_find_load(const struct summary *s,
                                     const char *mechanism,
                                     const char *placement, const char *mode);

/* The rows of a table, the fastest first: what was measured of 64 bytes, of
 * this kind, at this placement, one line for each mechanism and floor.  The one
 * after `last`, from NULL to NULL. */
const struct line *summary_next(const struct summary *s, const char *placement,
                                const char *kind, const struct line *last);

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
const char *summary_kind(const char *kind);

/* Why nothing of this kind and size (-1: any) was measured for the mechanism at
 * this placement (NULL: any); NULL if something was. */
const char *summary_why_not(const struct summary *s, const char *mechanism,
                            const char *placement, const char *kind, long size);

/* By how much, 0.01 = 1 %, the second of the A/A pair differed at this
 * placement; *who was measured twice.  NAN if there is no pair. */
double summary_noise(const struct summary *s, const char *placement,
                     const char **who);

/* More than this is NOISY. */
#define NOISE_LIMIT 0.03

/* -- names ----------------------------------------------------------------- */

struct names {
    const char *name[256];
    size_t n;
};

/* Each mechanism once, floors not, by name; and each placement once, in
 * placement_order(). */
void summary_mechanisms(const struct summary *s, struct names *names);
void summary_placements(const struct summary *s, struct names *names);

#endif
