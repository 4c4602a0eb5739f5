/* manifest.c - run.json: what a run was measured on, by what program, how. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench/run.h"

#include "bench/machine.h"
#include "core/clock.h"

#include <errno.h>
#include <time.h>

static json_t *
describe_placements(const struct plan *plan)
{
    json_t *all = json_array();

    for (size_t i = 0; i < plan->placement_count; i++) {
        const struct placement *p = plan->placements[i];
        json_t *o = json_object();

        json_object_set_new(o, "name", json_string(p->name));
        json_object_set_new(o, "says", json_string(p->says));
        json_object_set_new(o, "client_cpu", json_integer(p->client));
        json_object_set_new(o, "server_cpu", json_integer(p->server));
        json_object_set_new(o, "dma_latency_held", json_boolean(p->awake));
        json_array_append_new(all, o);
    }
    return all;
}

static json_t *
describe_left_out(const struct run *r)
{
    json_t *all = json_array();
    const char *what;
    char text[80];

    for (int i = 0; (what = run_left_out(r, i, text)) != NULL; i++)
        if (what[0] != '\0')
            json_array_append_new(all, json_string(what));
    return all;
}

static json_t *
describe_run(const struct run *r)
{
    const struct {
        const char *name;
        json_int_t value;
    } counts[] = {
        {"seed", (json_int_t)r->seed},
        {"rounds", r->rounds},
        {"rounds_planned", r->plan.rounds},
        {"cells", (json_int_t)r->plan.cell_count},
        {"cells_measured", r->measured},
        {"cells_rejected", r->rejected},
        {"cells_failed", r->failed},
        {"cell_ns", r->bench.cell_ns},
        {"cpus_allowed", r->cpus.allowed},
    };
    json_t *o = json_object();
    time_t now = time(NULL);
    struct tm utc;
    char when[32];

    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &utc);
    json_object_set_new(o, "ended", json_string(when));
    json_object_set_new(o, "seconds",
                        json_real((double)(now_ns() - r->began) / 1e9));
    json_object_set_new(o, "budget_seconds", json_real(r->plan.budget));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_object_set_new(o, counts[i].name, json_integer(counts[i].value));
    json_object_set_new(
        o, "cpus_share_core",
        r->cpus.siblings == -1 ? json_null() : json_boolean(r->cpus.siblings));
    json_object_set_new(o, "promised_seconds", json_real(r->plan.promise));
    json_object_set_new(o, "left_out", describe_left_out(r));
    json_object_set_new(o, "placements", describe_placements(&r->plan));
    return o;
}

int
manifest_write(struct run *r)
{
    char path[RECORD_PATH], line[256];
    json_t *all = json_object();
    int err = record_path(r->record.dir, "run.json", path);

    machine_line(line, sizeof line);
    json_object_set_new(all, "heading", json_string(line));
    json_object_set_new(all, "run", describe_run(r));
    json_object_set_new(all, "build", build_describe());
    json_object_set(all, "machine", r->machine);
    errno = EIO;
    if (err == 0 && json_dump_file(all, path, JSON_INDENT(2)) != 0)
        err = -errno;
    json_decref(all);
    return err;
}
