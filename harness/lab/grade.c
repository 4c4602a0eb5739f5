/*
 * grade.c - ipclab grade: a class, one directory each, two at a time.
 *
 *      DIR/fifo.c  --copied-->  SCRATCH/fifo/work/fifo.c
 *                               SCRATCH/build/           its programs
 *                               SCRATCH/out/             its results
 *      in a cell (cell.h):      make, ipclab check
 *      then                     out/ to RESULTS/NAME/, a line of the table
 */
#define _GNU_SOURCE /* O_CLOEXEC, syscall */
#include "lab/verbs.h"

#include "core/rundir.h"
#include "core/scratch.h"
#include "core/utf8.h"
#include "lab/cell.h"
#include "lab/steps.h"
#include "server/confine.h"

#include <argp.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Root's cells have users of their own, whom nobody else is. */
#define FIRST_UID 61000
#define UIDS      1000

/* -- the command line ------------------------------------------------------ */

struct order {
    const char *lab, *results;
    char **dirs;
    int count, jobs, seconds;
    bool keep_root;
};

enum { KEEP_ROOT = 256, SECONDS };

static const struct argp_option options[] = {
    {"results", 'o', "DIR", 0, "a directory each, and summary.csv, go there",
     0},
    {"jobs", 'j', "N", 0, "so many at a time (2)", 0},
    {"seconds", SECONDS, "N", 0, "so long each, at most (600)", 0},
    {"keep-root", KEEP_ROOT, NULL, 0,
     "run them as root, so that what needs a second uid is judged: only where "
     "there is nothing to lose",
     0},
    {0},
};

static int
number(const char *arg, struct argp_state *state)
{
    char *end;
    const long n = strtol(arg, &end, 10);

    if (*end != '\0' || n < 1 || n > 100000)
        argp_error(state, "`%s' is not a number of that kind", arg);
    return (int)n;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct order *o = state->input;

    switch (key) {
    case 'o':
        o->results = arg;
        return 0;
    case 'j':
        o->jobs = number(arg, state);
        return 0;
    case SECONDS:
        o->seconds = number(arg, state);
        return 0;
    case KEEP_ROOT:
        o->keep_root = true;
        return 0;
    case ARGP_KEY_ARGS:
        o->lab = state->argv[state->next];
        o->dirs = state->argv + state->next + 1;
        o->count = state->argc - state->next - 1;
        return 0;
    case ARGP_KEY_END:
        if (o->lab == NULL || o->count == 0)
            argp_error(state, "which lab, and whose? grade fifo DIR...");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* -- one of them ----------------------------------------------------------- */

struct row {
    char name[64];
    uid_t uid;
    double points, of, steps[STEPS + 1];
    char note[160];
};

struct paths {
    char top[PATH_MAX]; /* of the checkout */
    char build[64];     /* "build/release" */
    char ipclab[PATH_MAX];
};

static int
find_paths(struct paths *p)
{
    char copy[PATH_MAX], *way;
    int err = program_path("ipclab", copy, sizeof copy);

    if (err != 0 || realpath(copy, p->ipclab) == NULL)
        return err != 0 ? err : -errno;
    strcpy(copy, p->ipclab);
    dirname(copy);
    way = strrchr(copy, '/');
    if (way == NULL)
        return -ENOENT;
    snprintf(p->build, sizeof p->build, "build/%.50s", way + 1);
    *way = '\0';
    dirname(copy);
    snprintf(p->top, sizeof p->top, "%s", copy);
    return 0;
}

/* The directory may be a student's, too, and a link to another one's: then it
 * is not that one's work.  A slash at its end would have the link followed. */
static int
open_dir(const char *dir)
{
    char path[PATH_MAX];
    size_t len = (size_t)snprintf(path, sizeof path, "%s", dir);
    int fd;

    while (len > 1 && len < sizeof path && path[len - 1] == '/')
        path[--len] = '\0';
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd != -1)
        return fd;
    return errno == ENOTDIR ? -ELOOP : -errno; /* O_DIRECTORY says it first */
}

/* What a student has handed in, or left behind, may be anything: a link to a
 * file of ours, a FIFO at which open(2) waits, a device without an end; another
 * name for somebody's file (link(2)), of which a compiler would show him lines.
 * A descriptor of a file that is one, in dir and below; or -errno. */
static int
open_theirs(const char *dir, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    const int at = open_dir(dir);
    struct stat st;
    int fd, err;

    if (at < 0)
        return at;
    fd = (int)syscall(SYS_openat2, at, name, &how, sizeof how);
    err = fd == -1 ? -errno : 0;
    close(at);
    if (err != 0)
        return err;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = -EINVAL;
    else if (st.st_nlink != 1)
        err = -EMLINK;
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

static int
copy_file(int from, const char *to)
{
    FILE *in = fdopen(from, "r"), *out = NULL;
    char buf[4096];
    size_t n, all = 0;
    int err = 0;

    if (in == NULL || (out = fopen(to, "we")) == NULL)
        err = -errno;
    while (out != NULL && err == 0 && (n = fread(buf, 1, sizeof buf, in)) > 0) {
        all += n;
        if (all > (size_t)1024 * 1024)
            err = -EFBIG;
        else if (fwrite(buf, 1, n, out) != n)
            err = -EIO;
    }
    if (in != NULL)
        fclose(in);
    else
        close(from);
    if (out != NULL && fclose(out) != 0 && err == 0)
        err = -errno;
    return err;
}

/* Its file is DIR/LAB.c, or where it was in the student's own checkout. */
static int
take_file(const char *dir, const char *lab, const char *scratch)
{
    char from[PATH_MAX], to[PATH_MAX];
    int fd;

    snprintf(to, sizeof to, "%.60s/%s/work/%s.c", scratch, lab, lab);
    snprintf(from, sizeof from, "%s.c", lab);
    fd = open_theirs(dir, from);
    if (fd == -ENOENT) {
        snprintf(from, sizeof from, "%s/work/%s.c", lab, lab);
        fd = open_theirs(dir, from);
    }
    return fd < 0 ? fd : copy_file(fd, to);
}

static int
make_room(const char *scratch, const char *lab, unsigned uid)
{
    const char *const dirs[] = {"", "tmp", "out", "build", "LAB", "LAB/work"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (strncmp(dirs[i], "LAB", 3) == 0)
            snprintf(path, sizeof path, "%.60s/%s%s", scratch, lab,
                     dirs[i] + 3);
        else
            snprintf(path, sizeof path, "%.60s/%s", scratch, dirs[i]);
        if (mkdir(path, 0755) == -1 && errno != EEXIST)
            return -errno;
        if (geteuid() == 0 && uid != 0 && chown(path, uid, uid) == -1)
            return -errno;
        /* Whose turn it is at the same time is not to read it. */
        if (dirs[i][0] == '\0' && chmod(path, 0700) == -1)
            return -errno;
    }
    return 0;
}

/* make, with nothing else to be made; then the check.  A compiler reads what it
 * is told to include to its end, into memory. */
#define SCRIPT \
    "( ulimit -v 3000000; make -s --no-print-directory -C '%s' -o '%s/how' " \
    "L=%s O='%s' " \
    "MINE='%s/%s/work/%s.c' W='%s/build' '%s/build/ipcd' '%s/build/ipcctl' " \
    "'%s/build/check' '%s/build/fast/check' >out/make.txt 2>&1 ) || " \
    "{ cat out/make.txt; exit 99; }; " \
    "'%s' check %s --programs build --gradescope out/results.json --junit " \
    "out/junit.xml --tap out/tap.txt --evidence out/evidence >out/verdict.txt"

static int
run_in_cell(struct cell *cell, const struct paths *p, const char *lab)
{
    static char script[8 * PATH_MAX];
    const char *s = cell->dir;
    char *argv[] = {strdup("sh"), strdup("-c"), script, NULL};

    snprintf(script, sizeof script, SCRIPT, p->top, p->build, lab, p->build, s,
             lab, lab, s, s, s, s, s, p->ipclab, lab);
    return cell_run(cell, argv);
}

/* As many bytes as ours never has: what they made of it would take a hundred
 * times that of memory. */
#define RESULTS_MOST (INT64_C(1024) * 1024)

static void
read_results(const char *scratch, struct row *row)
{
    const int fd = open_theirs(scratch, "out/results.json");
    json_t *all = NULL, *tests, *test;
    struct stat st;
    size_t i;

    if (fd >= 0) {
        if (fstat(fd, &st) == 0 && st.st_size <= RESULTS_MOST)
            all = json_loadfd(fd, 0, NULL);
        close(fd);
    }
    if (all == NULL) {
        if (row->note[0] == '\0')
            snprintf(row->note, sizeof row->note, "no results");
        return;
    }
    tests = json_object_get(all, "tests");
    json_array_foreach(tests, i, test)
    {
        const char *n = json_string_value(json_object_get(test, "number"));
        const int step = n != NULL ? atoi(n) : 0;
        const double points = json_number_value(json_object_get(test, "score"));

        if (step < 1 || step > STEPS)
            continue;
        row->steps[step] = points;
        row->points += points;
        row->of += json_number_value(json_object_get(test, "max_score"));
    }
    json_decref(all);
}

/* What a check leaves in out/; the rest is the student's, and stays. */
static const char *const kept[] = {"verdict.txt",  "make.txt",  "log.txt",
                                   "results.json", "junit.xml", "tap.txt"};

#define KEPT_MOST     ((size_t)4 * 1024 * 1024) /* bytes of each */
#define EVIDENCE_MOST 200                       /* files */
#define NAMES         "abcdefghijklmnopqrstuvwxyz0123456789_-."

/* A student has written some of it, and an instructor reads it at a terminal:
 * what is no text, or has the terminal do something, becomes a `?'. */
static void
copy_text(FILE *in, FILE *out)
{
    unsigned char s[4];
    size_t have = 0, all = 0, n;
    uint32_t code;

    for (int c;; have -= n, memmove(s, s + n, have)) {
        while (have < sizeof s && all < KEPT_MOST && (c = getc(in)) != EOF) {
            s[have++] = (unsigned char)c;
            all++;
        }
        if (have == 0)
            return;
        n = utf8_decode(s, have, &code);
        if (n > 0 && (utf8_is_harmless(code) || code == '\n' || code == '\t'))
            fwrite(s, 1, n, out);
        else
            putc('?', out);
        n = n > 0 ? n : 1;
    }
}

/* out/NAME to RESULTS/STUDENT/NAME, if it is there. */
static void
keep_file(const char *scratch, const char *results, const char *name)
{
    char from[PATH_MAX], to[PATH_MAX];
    FILE *in, *out;
    int fd;

    snprintf(from, sizeof from, "out/%.300s", name);
    snprintf(to, sizeof to, "%.3000s/%.300s", results, name);
    fd = open_theirs(scratch, from);
    in = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (in == NULL)
        return;
    out = fopen(to, "we");
    if (out != NULL) {
        copy_text(in, out);
        fclose(out);
    }
    fclose(in);
}

/* A directory of theirs, in scratch: to be listed. */
static DIR *
list_theirs(const char *scratch, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    const int at = open_dir(scratch);
    const int fd =
        at < 0 ? -1 : (int)syscall(SYS_openat2, at, name, &how, sizeof how);

    if (at >= 0)
        close(at);
    return fd == -1 ? NULL : fdopendir(fd);
}

static void
keep_evidence(const char *scratch, const char *results)
{
    DIR *d = list_theirs(scratch, "out/evidence");
    char name[sizeof "evidence/" + NAME_MAX], dir[PATH_MAX];
    const struct dirent *e;
    int n = 0;

    if (d == NULL)
        return;
    snprintf(dir, sizeof dir, "%.3000s/evidence", results);
    mkdir(dir, 0755);
    while (n < EVIDENCE_MOST && (e = readdir(d)) != NULL) {
        if (!isdigit((unsigned char)e->d_name[0]) ||
            e->d_name[strspn(e->d_name, NAMES)] != '\0')
            continue; /* none of ours: report_evidence() */
        snprintf(name, sizeof name, "evidence/%s", e->d_name);
        keep_file(scratch, results, name);
        n++;
    }
    closedir(d);
}

static void
keep_results(const char *scratch, const struct order *o, const char *name)
{
    char results[PATH_MAX];

    if (o->results == NULL)
        return;
    snprintf(results, sizeof results, "%.3000s/%.64s", o->results, name);
    if (mkdir(results, 0755) == -1 && errno != EEXIST)
        return;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        keep_file(scratch, results, kept[i]);
    keep_evidence(scratch, results);
}

static void
judge(const struct order *o, const struct paths *p, const char *dir,
      struct row *row)
{
    char scratch[SCRATCH_SIZE], log[PATH_MAX];
    struct cell cell = {.dir = scratch,
                        .log = log,
                        .seconds = o->seconds,
                        .uid = o->keep_root ? 0 : row->uid};
    int held, err;

    held = scratch_make("grade", true, scratch);
    err = held < 0 ? held : make_room(scratch, o->lab, cell.uid);
    if (err == 0)
        err = take_file(dir, o->lab, scratch);
    if (err == 0) {
        snprintf(log, sizeof log, "%.60s/out/log.txt", scratch);
        err = run_in_cell(&cell, p, o->lab);
        if (cell.timed_out)
            snprintf(row->note, sizeof row->note, "ended after %d s",
                     o->seconds);
        else if (cell.too_much)
            snprintf(row->note, sizeof row->note, "ended: too much memory");
        else if (err == 99)
            snprintf(row->note, sizeof row->note, "does not compile");
        else if (cell.reduced)
            snprintf(row->note, sizeof row->note, "reduced: no namespaces");
        read_results(scratch, row);
        keep_results(scratch, o, row->name);
    } else {
        snprintf(row->note, sizeof row->note, "%s.c: %s", o->lab,
                 err == -EINVAL   ? "is no file"
                 : err == -EMLINK ? "has another name, elsewhere (ln)"
                 : err == -ELOOP  ? "is a link, or in a directory that is one"
                                  : strerror(-err));
    }
    if (held >= 0) {
        scratch_remove(scratch);
        close(held);
    }
}

/* -- all of them ----------------------------------------------------------- */

static void
print_heading(FILE *f, bool csv)
{
    fputs(csv ? "name,points,of" : "name               points", f);
    for (int i = 1; i <= STEPS; i++)
        fprintf(f, csv ? ",step%d" : "%5d", i);
    fputs(csv ? ",note\n" : "  note\n", f);
}

static void
print_row(FILE *f, const struct row *r, bool csv)
{
    if (csv)
        fprintf(f, "\"%s\",%.1f,%.0f", r->name, r->points, r->of);
    else
        fprintf(f, "%-18.18s %6.1f", r->name, r->points);
    for (int i = 1; i <= STEPS; i++)
        fprintf(f, csv ? ",%.1f" : "%5.1f", r->steps[i]);
    fprintf(f, csv ? ",\"%s\"\n" : "  %s\n", r->note);
}

static int
write_csv(const struct order *o, const struct row *rows)
{
    char path[PATH_MAX];
    FILE *f;

    if (o->results == NULL)
        return 0;
    snprintf(path, sizeof path, "%.4000s/summary.csv", o->results);
    f = fopen(path, "we");
    if (f == NULL)
        return -errno;
    print_heading(f, true);
    for (int i = 0; i < o->count; i++)
        print_row(f, &rows[i], true);
    return fclose(f) == 0 ? 0 : -errno;
}

static bool
is_taken(const struct row *rows, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcasecmp(rows[i].name, name) == 0)
            return true;
    return strcasecmp(name, "summary.csv") == 0;
}

/* That of its directory, as a shell may read it, and a spreadsheet, to which
 * what begins with - + @ is a formula.  Two have not one: whoever can choose the
 * name of a directory would have another one's results in his place. */
static void
name_row(struct row *rows, int i, const char *dir)
{
    char copy[PATH_MAX], name[60];

    snprintf(copy, sizeof copy, "%s", dir);
    snprintf(name, sizeof name, "%s", basename(copy));
    for (char *at = name; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) &&
            (at == name || strchr("._-@+", *at) == NULL))
            *at = '_';
    snprintf(rows[i].name, sizeof rows->name, "%.50s", name);
    for (int n = 2; is_taken(rows, i, rows[i].name); n++)
        snprintf(rows[i].name, sizeof rows->name, "%.50s-%d", name, n);
}

/* A user each: not one that a directory service knows, whose files a submission
 * could read; nor, as far as is seen, that of another class that is graded now:
 * from a random one on. */
static int
choose_uids(struct row *rows, int count)
{
    bool used[UIDS];
    uint32_t at;

    if (getrandom(&at, sizeof at, 0) != sizeof at)
        return -errno;
    uids_in_use(FIRST_UID, UIDS, used);
    for (int i = 0; i < count; i++) {
        int tries = 0;

        do
            at = (at + 1) % UIDS;
        while (tries++ < UIDS &&
               (used[at] || uid_is_somebodys(FIRST_UID + at)));
        if (tries > UIDS)
            return -EAGAIN;
        rows[i].uid = FIRST_UID + at;
    }
    return 0;
}

/* Each row is filled by a process of its own. */
static void
judge_all(const struct order *o, const struct paths *p, struct row *rows)
{
    int running = 0;

    for (int i = 0; i < o->count; i++) {
        pid_t pid;

        if (running == o->jobs && wait(NULL) > 0)
            running--;
        fflush(NULL);
        pid = fork();
        if (pid == 0) {
            judge(o, p, o->dirs[i], &rows[i]);
            _exit(EXIT_SUCCESS);
        }
        if (pid == -1)
            snprintf(rows[i].note, sizeof rows[i].note, "fork: %s",
                     strerror(errno));
        else
            running++;
    }
    while (wait(NULL) > 0)
        continue;
}

/* Root's students are other users: may they read and run what judges them?  Not
 * in a checkout below /root, or made under umask 077. */
static bool
students_may_enter(const struct order *o, const struct paths *p)
{
    char makefile[PATH_MAX + 16];
    int status;
    pid_t pid;

    if (geteuid() != 0 || o->keep_root)
        return true;
    snprintf(makefile, sizeof makefile, "%s/Makefile", p->top);
    pid = fork();
    if (pid == 0)
        _exit(setgroups(0, NULL) == -1 ||
              setresgid(FIRST_UID, FIRST_UID, FIRST_UID) == -1 ||
              setresuid(FIRST_UID, FIRST_UID, FIRST_UID) == -1 ||
              access(makefile, R_OK) == -1 || access(p->ipclab, X_OK) == -1);
    return pid == -1 || waitpid(pid, &status, 0) == -1 || status == 0;
}

static struct row *
mmap_rows(int count)
{
    void *at = mmap(NULL, (size_t)count * sizeof(struct row),
                    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

/* Made, or its own: in one where others make names there may be a link from
 * NAME/verdict.txt or summary.csv to any file of ours. */
static int
take_results(struct order *o, char path[PATH_MAX])
{
    struct stat st;

    if (mkdir(o->results, 0755) == -1 && errno != EEXIST)
        return -errno;
    if (realpath(o->results, path) == NULL || stat(path, &st) == -1)
        return -errno;
    o->results = path;
    return st.st_uid != geteuid() || (st.st_mode & S_IWOTH) != 0 ? -EPERM : 0;
}

int
verb_grade(struct argp_state *state)
{
    const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "LAB DIR..."};
    struct order o = {.jobs = 2, .seconds = 600};
    char results[PATH_MAX];
    struct paths p;
    struct row *rows;
    int err;

    /* Behind the lab there are only directories: `*' may be one whose name is
     * --keep-root. */
    argp_parse(&argp, state->argc - state->next + 1,
               state->argv + state->next - 1, ARGP_IN_ORDER, NULL, &o);
    err = find_paths(&p);
    if (o.results != NULL && err == 0) {
        err = take_results(&o, results);
        if (err != 0) {
            fprintf(stderr, "ipclab: %s: %s\n", o.results,
                    err == -EPERM
                        ? "must be yours, and for nobody else to write to"
                        : strerror(-err));
            return 2;
        }
    }
    rows = mmap_rows(o.count);
    if (err != 0 || rows == NULL) {
        fprintf(stderr, "ipclab: %s\n", strerror(err != 0 ? -err : ENOMEM));
        return 2;
    }
    if (!students_may_enter(&o, &p)) {
        fprintf(stderr,
                "ipclab: submissions run as uid %d, who may not enter %s: have "
                "the checkout where everybody may (not below /root)\n",
                FIRST_UID, p.top);
        return 2;
    }
    if (geteuid() == 0 && !o.keep_root && choose_uids(rows, o.count) != 0) {
        fprintf(stderr,
                "ipclab: submissions run as uids from %d to %d, and each is "
                "somebody's\n",
                FIRST_UID, FIRST_UID + UIDS - 1);
        return 2;
    }
    for (int i = 0; i < o.count; i++)
        name_row(rows, i, o.dirs[i]);
    judge_all(&o, &p, rows);
    print_heading(stdout, false);
    for (int i = 0; i < o.count; i++)
        print_row(stdout, &rows[i], false);
    err = write_csv(&o, rows);
    if (o.results != NULL && err == 0)
        printf("summary.csv, and a directory each, are in %s\n", o.results);
    return err == 0 ? EXIT_SUCCESS : 2;
}
