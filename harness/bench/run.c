/*
 * run.c - a run: the plan is printed, every mechanism shows that it works, its
 * system calls are counted; then the rounds (run_rounds.c), and the report.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, sigaction */
#include "bench/run.h"

#include "bench/distribution.h"
#include "bench/export.h"
#include "bench/machine.h"
#include "bench/peer.h"
#include "bench/report.h"
#include "core/clock.h"
#include "core/wrap.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

static volatile sig_atomic_t stopped; /* the signal */

static void
stop(int signal)
{
    stopped = signal;
}

/* No SA_RESTART: what is waiting returns EINTR, cleans up and goes home. */
static void
catch_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = stop};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &act, NULL);
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, NULL);
}

/* -- before the rounds ----------------------------------------------------- */

/* A server is started for every cell: one that takes longer than this, in ns,
 * would take most of the budget from the others. */
#define SLOW_START (NS_PER_SEC / 2)

static int
check_all(struct run *r)
{
    char reason[160];
    int works = 0;

    for (size_t i = 0; i < r->plan.mechanism_count && !stopped; i++) {
        const struct ipc_mechanism *m = r->plan.mechanisms[i];
        int64_t startup = 0;

        reason[0] = '\0';
        run_progress(r, "checking mechanism", (long)i + 1,
                     (long)r->plan.mechanism_count);
        if (measure_check(&r->bench, m, &startup, reason, sizeof reason) == 0 &&
            !plan_names(&r->plan, m) && startup > SLOW_START)
            snprintf(reason, sizeof reason,
                     "takes %.1f s to start, every time; ask for it: -m %s",
                     (double)startup / (double)NS_PER_SEC, m->name);
        plan_started(&r->plan, m, startup);
        if (reason[0] == '\0')
            works++;
        else if (!stopped)
            plan_drop(&r->plan, m, reason);
    }
    run_progress(r, NULL, 0, 0);
    if (!stopped)
        wrap_say(stdout,
                 "Checked: %d of %zu mechanisms work: they return what they "
                 "are given, up to the largest message.",
                 works, r->plan.mechanism_count);
    fflush(stdout);
    return works;
}

/* Each peer once: what it prints says what kind of cell it is.  One that does
 * not work is named, with the reason; the run goes on without it. */
static int
check_peers(struct run *r, const struct peer *peer)
{
    int err = 0;

    for (; err == 0 && peer != NULL && peer->command != NULL; peer++) {
        struct cell c = {.name = peer->name,
                         .command = peer->command,
                         .placement = r->plan.placements[0],
                         .kind = ROW_RTT,
                         .measure = measure_peer,
                         .size = 64,
                         .clients = 1,
                         .ns = 1};
        struct row row;

        if (measure_cell(&r->bench, &c, 1, &row) != 0)
            return -EINTR;
        if (row.status == ROW_OK) {
            err = plan_add_peer(&r->plan, peer, row.kind,
                                (int64_t)(row.seconds * 1e9));
            printf("%s: %.4g %s\n", peer->name,
                   row.kind == ROW_RTT ? row.p50_ns / 1e3 : row.per_second,
                   row.kind == ROW_RTT ? "us" : "messages/s");
        } else {
            err = plan_drop_peer(&r->plan, peer, row.reason);
            fprintf(stderr, "ipcbench: %s is not measured: %s\n", peer->name,
                    row.reason);
        }
        fflush(stdout);
    }
    return err;
}

/* Counting may take this part of the budget. */
#define COUNT_PART 0.2

/* The system calls and instructions of every mechanism and every bare echo,
 * once: they do not change from round to round.  Traced, each takes many times
 * as long. */
static int
count_all(struct run *r)
{
    const struct plan *p = &r->plan;
    int64_t most = (int64_t)(COUNT_PART * p->budget * (double)NS_PER_SEC);
    int64_t start = now_ns();
    struct row row;
    int err = 0;

    for (size_t i = 0; err == 0 && i < p->cell_count && !stopped; i++) {
        const struct cell *c = &p->cells[i];

        run_progress(r, "counting system calls: cell", (long)i + 1,
                     (long)p->cell_count);
        if (!plan_is_counted(p, i))
            continue;
        if (p->duration <= 0 && now_ns() - start > most)
            r->uncounted++;
        else if (measure_calls(&r->bench, c, &row) != -EINTR) {
            if (row.status == ROW_OK)
                measure_instructions(&r->bench, c, &row);
            err = record_row(&r->record, &row);
        }
    }
    run_progress(r, NULL, 0, 0);
    return err;
}

/* How much of a CPU a process gets here: what else runs wants some of it, too.
 * The report has to be begun so much the earlier. */
#define SHARE_NS (50 * NS_PER_MS)

static int64_t
cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

static double
share_of_a_cpu(void)
{
    int64_t start = now_ns(), cpu = cpu_ns(), now;

    do
        now = now_ns();
    while (now - start < SHARE_NS);
    return fmin(1,
                fmax(0.05, (double)(cpu_ns() - cpu) / (double)(now - start)));
}

static void
promise(struct run *r)
{
    struct plan *p = &r->plan;

    r->spending.since_begin = now_ns() - r->began;
    r->spending.between = true;
    plan_promise(p, &r->spending);
    if (p->duration <= 0 && p->promise > p->budget)
        printf("A budget of %.3g s is too short: the least that tells anything "
               "takes about %.0f s here, so\nthat is what it gets (fewer "
               "mechanisms take less: -m NAME).\n",
               p->budget, ceil(p->promise));
    r->bench.cell_ns = plan_cell_time(p, &r->spending);
}

static int
prepare(struct run *r)
{
    int err = 0;

    r->plan.share = share_of_a_cpu();
    r->works = check_all(r);
    if (r->works == 0)
        r->plan.rounds = 0; /* floors alone are of no interest */
    else if (!stopped)
        err = check_peers(r, r->peers);
    for (size_t i = 0; err == 0 && i < r->plan.absent_count; i++)
        err = record_row(&r->record, &r->plan.absent[i]);
    if (err == 0)
        err = count_all(r);
    if (err == 0 && r->works > 0)
        promise(r);
    return err;
}

/* -- from beginning to end ------------------------------------------------- */

static int
measure(struct run *r)
{
    int err = plan_pools(&r->plan), written, closed;

    if (err == 0)
        err = prepare(r);
    if (err == 0 && stopped)
        err = -EINTR;
    if (err == 0)
        err = run_rounds(r);
    written = manifest_write(r); /* of a run that was stopped, too */
    if (err == 0)
        err = written;
    written = distributions_write(&r->plan, r->record.dir);
    if (err == 0)
        err = written;
    closed = record_close(&r->record);
    return err != 0 ? err : closed;
}

/* Memory for the messages, a page that the cells' processes share with us, and
 * a directory for the servers. */
static int
set_up(struct run *r)
{
    struct cell_page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int err;

    if (page == MAP_FAILED)
        return -errno;
    r->bench.page = page;
    r->bench.stop = &stopped;
    r->bench.data = malloc(IPC_MAX_MSG);
    r->bench.scratch = malloc(IPC_MAX_MSG);
    err = janitor_start(&r->janitor, page);
    if (err != 0)
        return err;
    r->bench.dir = page->dir;
    if (r->bench.data == NULL || r->bench.scratch == NULL)
        return -ENOMEM;
    memset(r->bench.data, 'x', IPC_MAX_MSG); /* and touched */
    memset(r->bench.scratch, 0, IPC_MAX_MSG);
    r->machine = machine_describe();
    return 0;
}

static void
tear_down(struct run *r)
{
    janitor_end(&r->janitor);
    json_decref(r->machine);
    free(r->bench.data);
    free(r->bench.scratch);
    plan_free(&r->plan);
    if (r->bench.page != NULL)
        munmap(r->bench.page, sizeof *r->bench.page);
}

/* Says why a run ended early.  The exit status. */
static int
explain(const struct run *r, int err)
{
    const char *where = r->record.dir;

    if (err == -EINTR && stopped) {
        fprintf(stderr,
                "ipcbench: stopped after %ld of %ld rounds; what there is lies "
                "in %s, marked\nINCOMPLETE: `ipcbench report %s` draws it\n",
                r->rounds, r->plan.rounds, r->record.dir, r->record.dir);
        return 128 + stopped;
    }
    if (r->record.dir[0] == '\0')
        where = r->record.parent;
    else if (r->bench.dir == NULL && r->record.cells != NULL)
        where = "/tmp";
    fprintf(stderr, "ipcbench: cannot write %s: %s\n", where, strerror(-err));
    if (err == -EROFS || err == -EACCES || err == -ENOSPC || err == -ENOENT)
        fprintf(stderr,
                "choose another place for the results with --out DIR\n");
    return EX_CANTCREAT;
}

static int
report_and_complete(struct run *r)
{
    int status = report(r->record.dir, true), err;

    if (status != EX_OK)
        return status;
    err = record_complete(&r->record, r->works > 0);
    if (err != 0)
        return explain(r, err);
    if (r->works == 0)
        return EX_UNAVAILABLE; /* the tables have said why */
    printf("\nLeft in %s (and %s/latest):\n", r->record.dir, r->record.parent);
    wrap_say(stdout, "report.html to look at, cells.csv summary.csv run.json "
                     "and the charts; `ipcbench report DIR` draws them again");
    return EX_OK;
}

static int
plan(struct run *r, const struct run_options *o)
{
    const char *who = "";
    int err = cpus_find(&r->cpus);

    if (err == 0)
        err = plan_make(&r->plan, &o->plan, &r->cpus, &who);
    if (err == 0)
        return EX_OK;
    if (err == -ENOENT)
        fprintf(stderr,
                "ipcbench: there is no mechanism and no placement called "
                "`%s'; `ipcbench list` names\nthe mechanisms, `ipcbench run "
                "--help` the placements\n",
                who);
    else if (err == -EOPNOTSUPP)
        fprintf(stderr, "ipcbench: %s: %s\n", who,
                placement_find(&r->cpus, who)->reason);
    else
        fprintf(stderr, "ipcbench: %s\n", strerror(-err));
    return err == -ENOENT ? EX_USAGE : EX_UNAVAILABLE;
}

int
run(const struct run_options *o)
{
    struct run r = {.seed = o->seed,
                    .began = now_ns(),
                    .peers = o->plan.peers,
                    .janitor.socket = -1};
    int status, err;

    catch_signals(); /* before there is anything to remove */
    status = plan(&r, o);
    if (status == EX_OK)
        status = export_begin();
    if (status != EX_OK)
        return status;
    err = record_open(&r.record, o->out);
    if (err == 0) {
        plan_print(&r.plan, r.record.dir, r.seed, stdout);
        if (build_is_slow() != NULL)
            printf("  NOTE: built %s; these numbers are about that\n",
                   build_is_slow());
        fflush(stdout);
        err = set_up(&r);
    }
    if (err == 0)
        err = measure(&r);
    status = err != 0 ? explain(&r, err) : report_and_complete(&r);
    tear_down(&r);
    return status;
}
