/* made_up.c - runs whose answers are known (made_up.h). */
#include "test/made_up.h"

#include "test/files.h"

#include "bench/echo.h"
#include "bench/stats.h"
#include "bench/summary.h"

#include <stdio.h>
#include <string.h>

const struct recipe usual = {
    .seed = 1,
    .placement = ONE_CPU,
    .p50_ns = 5000,
    .slowdown = 1,
    .apart = 1,
    .switches = 2,
    .rounds = ROUNDS,
    .status = ROW_OK,
};

/* About 1, give or take 1 %: the middle of four draws from 0.96 .. 1.04. */
static double
noise(struct rng *rng)
{
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += (double)rng_below(rng, 8001) / 1e5 + 0.96;
    return sum / 4;
}

struct row
made_up(const struct recipe *how, const char *mechanism, enum kind kind,
        long round)
{
    struct row r = row_empty();

    r.round = round;
    r.size = 64;
    r.n = 1000;
    snprintf(r.mechanism, sizeof r.mechanism, "%s", mechanism);
    r.placement = how->placement;
    r.kind = kind;
    r.status = how->status;
    return r;
}

static size_t
add_trip(struct row *rows, size_t n, const struct recipe *how, const char *name,
         long round, double p50)
{
    rows[n] = made_up(how, name, ROW_RTT, round);
    rows[n].p50_ns = p50;
    rows[n].per_second = 1e9 / p50;
    return n + 1;
}

static size_t
add_stream(struct row *rows, size_t n, const struct recipe *how,
           const char *name, long round, double rate)
{
    rows[n] = made_up(how, name, ROW_STREAM, round);
    rows[n].bytes_per_second = rate;
    rows[n].per_second = rate / 64;
    return n + 1;
}

/* The bare echoes beside the pipe, by draws of their own: another echo in the
 * table changes nothing else. */
static size_t
add_echoes(struct row *rows, size_t n, const struct recipe *how, long round,
           double floor)
{
    struct rng rng = {.state = how->seed * 1000 + (uint64_t)round};
    const struct bare_echo *e = bare_echoes;

    for (; !how->alone && e->name != NULL; e++)
        if (strcmp(e->name, FLOOR_PIPE) != 0)
            n = add_trip(
                rows, n, how, e->name, round,
                floor * noise(&rng) *
                    (strcmp(e->name, FLOOR_PAGE) == 0 ? how->apart : 1));
    return n;
}

/* The machine changes its speed from round to round by half as much again, for
 * everything alike; what is left is noise. */
size_t
make_rows(const struct recipe *how, struct row *rows)
{
    struct rng rng = {.state = how->seed};
    size_t n = 0;

    for (long round = 1; round <= how->rounds; round++) {
        double weather = 1 + (double)rng_below(&rng, 51) / 100;
        double floor = how->p50_ns * weather, trip;
        char name[40];

        n = add_trip(rows, n, how, FLOOR_PIPE, round, floor * noise(&rng));
        n = add_stream(rows, n, how, FLOOR_MEMCPY, round, 1e10 / weather);
        n = add_echoes(rows, n, how, round, floor);
        for (int i = 0; i < MECHANISMS; i++) {
            double slower;

            snprintf(name, sizeof name, "made/up-%d", i);
            slower = strcmp(name, VICTIM) == 0 ? how->slowdown : 1;
            if (how->without && strcmp(name, VICTIM) == 0)
                continue;
            trip = floor * (1 + 0.1 * i) * slower * noise(&rng);
            n = add_trip(rows, n, how, name, round, trip);
            if (strcmp(name, VICTIM) == 0) {
                rows[n - 1].client_voluntary = how->switches;
                rows[n - 1].server_voluntary = 0;
                rows[n - 1].client_involuntary = 0;
                rows[n - 1].server_involuntary = 0;
            }
            n = add_stream(rows, n, how, name, round,
                           1e8 / weather / slower * noise(&rng));
            if (i != 0 || how->aa <= 0)
                continue;
            n = add_trip(rows, n, how, name, round, trip * how->aa);
            rows[n - 1].copy = 1;
        }
    }
    ck_assert_uint_le(n, MOST_ROWS);
    return n;
}

/* -- on disk --------------------------------------------------------------- */

static char results[RECORD_PATH];

void
write_rows(const struct row *rows, size_t n, char dir[RECORD_PATH])
{
    struct record rec;

    ck_assert_int_eq(record_path(run_dir, "results", results), 0);
    ck_assert_int_eq(record_open(&rec, results), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(record_row(&rec, &rows[i]), 0);
    ck_assert_int_eq(record_close(&rec), 0);
    ck_assert_int_eq(record_complete(&rec, true), 0);
    strcpy(dir, rec.dir);
}

void
write_run(const struct recipe *how, char dir[RECORD_PATH])
{
    static struct row rows[MOST_ROWS];

    write_rows(rows, make_rows(how, rows), dir);
}

void
write_in(const char *dir, const char *file, const char *text)
{
    char path[RECORD_PATH];

    ck_assert_int_eq(record_path(dir, file, path), 0);
    write_file(path, text, 0644);
}

void
remove_results(void)
{
    remove_tree(results);
}
