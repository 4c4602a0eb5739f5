/*
 * isolate_run.c - all cells of the matrix, a few at a time.
 */
#define _GNU_SOURCE /* asprintf */
#include "ns/isolate.h"

#include "core/clock.h"
#include "core/rundir.h"
#include "core/scratch.h"
#include "ns/spaces.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* At a time.  More than there are processors: many a cell only waits. */
#define JOBS 6

/* When a cell counts as hanging, ns: it is ended, with all its processes. */
#define CELL_TIMEOUT (25 * NS_PER_SEC)

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* -- what can be had here -------------------------------------------------- */

/* In a child, since there is no way back out. */
static int
try_form(int form, const char *dir)
{
    pid_t pid = fork();
    int status;

    if (pid == -1)
        return -errno;
    if (pid == 0)
        _exit(-isolate_enter(&isolate_forms[form], dir));
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/* Servers are started by their path. */
static const char *
programs_missing(void)
{
    char path[PATH_MAX];

    return program_path("ipcd", path, sizeof path) == 0
               ? NULL
               : "/proc/self/exe does not say where our programs are: mount "
                 "-t proc proc /proc";
}

static void
find_absent(struct isolate_matrix *x, const char *dir)
{
    const char *none = programs_missing();

    spaces_try_mounts(dir);
    for (int form = 0; form < FORMS; form++) {
        int err = try_form(form, dir);

        if (err != 0 &&
            asprintf(&x->absent[form], "%s; %s", strerror(-err),
                     isolate_forms[form].covered && err == -ENOENT
                         ? "is there a /dev/shm to cover?"
                         : spaces_advice(isolate_flags(&isolate_forms[form]),
                                         err)) == -1)
            x->absent[form] = NULL;
    }
    for (size_t i = 0; i < x->n; i++) {
        struct isolate_cell *c = &x->cells[i];

        c->reason = none != NULL ? none : ipc_unavailable(c->m);
        if (c->reason == NULL)
            c->reason = x->absent[c->form];
        if (c->reason != NULL)
            c->seen.result = ISOLATE_ABSENT;
    }
}

/* -- the run --------------------------------------------------------------- */

struct job {
    struct isolate_cell *cell; /* NULL: free */
    pid_t pid;
    int64_t deadline;
    struct isolate_notes *notes; /* shared with its processes */
};

struct jobs {
    char dir[SCRATCH_SIZE];
    struct job job[JOBS];
    struct isolate_notes *notes;
};

static void
job_dir(const struct jobs *js, const struct job *j, char dir[ENDPOINT_SIZE])
{
    snprintf(dir, ENDPOINT_SIZE, "%s/%d", js->dir, (int)(j - js->job));
}

static int
job_start(struct jobs *js, struct job *j, struct isolate_cell *c)
{
    char dir[ENDPOINT_SIZE];

    job_dir(js, j, dir);
    if (mkdir(dir, 0755) == -1 || chmod(dir, 0755) == -1)
        return -errno;
    j->cell = c;
    j->notes = &js->notes[j - js->job];
    j->deadline = deadline_in(CELL_TIMEOUT);
    j->pid = fork();
    if (j->pid == 0) {
        setpgid(0, 0);
        isolate_cell(c, dir, j->notes);
    }
    if (j->pid == -1)
        return -errno;
    setpgid(j->pid, j->pid); /* whichever of the two is first */
    return 0;
}

/* It has ended, or been ended. */
static void
job_end(struct jobs *js, struct job *j, bool hung)
{
    struct isolate_cell *c = j->cell;
    char dir[ENDPOINT_SIZE], name[ENDPOINT_SIZE];

    kill(-j->pid, SIGKILL); /* nothing, if all went well */
    c->seen = isolate_judge(c, j->notes);
    strcpy(c->lacks, j->notes->lacks);
    if (hung)
        c->seen = (struct isolate_outcome){.result = ISOLATE_REFUSED,
                                           .err = -EDEADLK};
    job_dir(js, j, dir);
    if (c->m->sweep != NULL && endpoint_name(c->m, dir, name) == 0)
        c->m->sweep(name);
    scratch_remove(dir);
    j->cell = NULL;
}

/* Whoever of them has ended.  Returns how many are still at it. */
static int
jobs_reap(struct jobs *js)
{
    int busy = 0;

    for (struct job *j = js->job; j < js->job + JOBS; j++) {
        bool hung = j->cell != NULL && time_left(j->deadline) == 0;

        if (j->cell == NULL)
            continue;
        if (hung) {
            kill(-j->pid, SIGKILL);
            waitpid(j->pid, NULL, 0);
        } else if (waitpid(j->pid, NULL, WNOHANG) == 0) {
            busy++;
            continue;
        }
        job_end(js, j, hung);
    }
    return busy;
}

static struct job *
jobs_free(struct jobs *js, int most)
{
    for (struct job *j = js->job; j < js->job + most; j++)
        if (j->cell == NULL)
            return j;
    return NULL;
}

static void
show_progress(const struct isolate_matrix *x, size_t i)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K  cell %zu of %zu, %s", i + 1, x->n,
                x->cells[i].m->name);
}

/* Until SIGCHLD, or a while. */
static void
wait_for_sigchld(void)
{
    poll(NULL, 0, 20 /* ms; a cell takes longer */);
}

/* What is not told here, but is told without a namespace in between, is lost.
 * Each row of cells begins with that one. */
static void
compare(struct isolate_matrix *x)
{
    for (size_t i = 0; i < x->n; i++) {
        struct isolate_cell *c = &x->cells[i];
        const struct isolate_outcome *none = &x->cells[i - i % FORMS].seen;

        if (c->seen.result == ISOLATE_CONNECTS) {
            if (c->seen.pid == SEEN_UNKNOWN && none->pid != SEEN_UNKNOWN)
                c->seen.pid = SEEN_LOST;
            if (c->seen.uid == SEEN_UNKNOWN && none->uid != SEEN_UNKNOWN)
                c->seen.uid = SEEN_LOST;
        }
        c->surprise = c->known && c->seen.result != ISOLATE_ABSENT &&
                      !isolate_same(&c->seen, &c->expected);
    }
}

/* The cells that choose() wants, most at a time. */
static int
run_cells(struct isolate_matrix *x, struct jobs *js, int most,
          bool (*choose)(const struct isolate_cell *))
{
    int err = 0;

    for (size_t i = 0; i < x->n && err == 0 && !stopped; i++) {
        struct job *j;

        if (!choose(&x->cells[i]))
            continue;
        show_progress(x, i);
        while ((j = jobs_free(js, most)) == NULL) {
            wait_for_sigchld();
            jobs_reap(js);
        }
        err = job_start(js, j, &x->cells[i]);
    }
    /* Also when stopped: a cell that is killed would leave what its client has
     * made, and nobody knows but the client.  It is a matter of a moment. */
    while (jobs_reap(js) > 0)
        wait_for_sigchld();
    compare(x);
    return stopped ? -EINTR : err;
}

static bool
can_run(const struct isolate_cell *c)
{
    return c->seen.result != ISOLATE_ABSENT;
}

static bool
surprised(const struct isolate_cell *c)
{
    return c->surprise;
}

/* What went wrong for want of something says nothing about namespaces. */
static void
forgive(struct isolate_matrix *x)
{
    for (size_t i = 0; i < x->n; i++) {
        struct isolate_cell *c = &x->cells[i];

        if (!c->surprise || c->lacks[0] == '\0')
            continue;
        c->seen = (struct isolate_outcome){.result = ISOLATE_ABSENT};
        c->reason = c->lacks;
        c->surprise = false;
    }
}

/* Silence on a busy machine must not be taken for isolation, nor that another
 * run had the last queue: what surprises is tried again, alone. */
#define TRIES 2

int
isolate_run(struct isolate_matrix *x)
{
    struct scratch scratch;
    struct jobs js = {.dir = ""};
    int err;

    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    signal(SIGHUP, stop);
    signal(SIGCHLD, SIG_DFL); /* ignored, they could not be waited for */
    js.notes = mmap(NULL, JOBS * sizeof *js.notes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (js.notes == MAP_FAILED)
        return -errno;
    err = scratch_begin(&scratch, "isolate", false);
    if (err != 0)
        goto unmap_notes;
    strcpy(js.dir, scratch.dir);
    find_absent(x, js.dir);
    err = run_cells(x, &js, JOBS, can_run);
    for (int i = 0; err == 0 && i < TRIES; i++)
        err = run_cells(x, &js, 1, surprised);
    forgive(x);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    scratch_end(&scratch);
unmap_notes:
    munmap(js.notes, JOBS * sizeof *js.notes);
    return err;
}
