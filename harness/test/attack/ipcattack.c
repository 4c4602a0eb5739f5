/*
 * ipcattack.c - attacks our servers and clients, and their naive forms.
 *
 *      ipcattack               all attacks, into results/
 *      ipcattack 11 24         only these
 *
 * Each run is a process of its own, two at a time:
 *
 *      build/V/ipcattack --run 17 DIR                the programs we ship
 *      build/V/naive/ipcattack --naive 17 DIR        those with a defence left
 *                                                    out: $IPCLAB_WITHOUT
 */
#define _GNU_SOURCE /* pipe2, memfd_create */
#include "test/attack/stage.h"

#include "core/args.h"
#include "core/clock.h"
#include "core/parent.h"
#include "core/program.h"
#include "core/scratch.h"
#include "ns/spaces.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

const char *argp_program_version = ARGS_VERSION("ipcattack");

/* At a time. */
#define JOBS 2

/* When a run counts as hanging, ns: it is ended, with all its processes. */
#define RUN_TIMEOUT (25 * NS_PER_SEC)

/* clang-format off */
const struct attack *const attack_tables[] = {
    spawned_attacks, pipe_attacks,
    fifo_attacks, fifo_room_attacks,
    sysv_attacks, mqueue_attacks, reply_attacks,
    memory_attacks, second_look_attacks, lock_attacks,
    local_attacks, names_attacks, passed_attacks, manners_attacks,
    held_attacks, edge_attacks, agent_attacks, set_attacks,
    tcp_attacks, udp_attacks,    quota_attacks,
    signal_attacks,
    rights_attacks, server_attacks, owned_attacks, locked_attacks,
    odd_attacks, socket_attacks, inherited_attacks, id_attacks,
    why_attacks, join_attacks, inside_attacks, left_attacks,
    NULL,
};
/* clang-format on */

static struct {
    const char *out;
    int chosen[MAX_ATTACKS]; /* numbers, ended by 0; none: all */
    size_t chosen_count;
} options;

static struct result results[MAX_ATTACKS];
static size_t result_count;
static volatile sig_atomic_t stopped;

/* -- one run -------------------------------------------------------------- */

const struct attack *this_attack;

const struct attack *
attack_at(size_t index)
{
    for (size_t t = 0; attack_tables[t] != NULL; t++)
        for (const struct attack *a = attack_tables[t]; a->run != NULL; a++)
            if (index-- == 0)
                return a;
    return NULL;
}

/* In the process that is for this run alone. */
static int
act(const char *form, const char *index, const char *dir)
{
    this_attack = attack_at((size_t)atol(index));
    if (this_attack == NULL)
        return EX_USAGE;
    stage_set(dir);
    return this_attack->run(strcmp(form, "--naive") == 0) ? EXIT_FELL
                                                          : EXIT_REFUSED;
}

struct job {
    struct result *result; /* NULL: free */
    bool naive;
    pid_t pid;
    int64_t deadline;
    int said; /* a memfd: its standard error */
};

static struct job jobs[JOBS];
static struct scratch scratch;
static bool again; /* those that could not be tried */

static void
job_dir(const struct job *j, char dir[ENDPOINT_SIZE])
{
    snprintf(dir, ENDPOINT_SIZE, "%s/%d", scratch.dir, (int)(j - jobs));
}

static _Noreturn void
exec_run(const struct job *j, pid_t parent)
{
    char dir[ENDPOINT_SIZE], number[32], program[PATH_MAX], bin[PATH_MAX];
    const char *step;
    sigset_t none;

    end_with_parent(parent, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(j->said, STDOUT_FILENO);
    dup2(j->said, STDERR_FILENO);
    job_dir(j, dir);
    MUST(program_path(j->naive ? "naive/ipcattack" : "ipcattack", program,
                      sizeof program) == 0);
    if (space_enter(dir, &step) != 0)
        broken(__FILE__, __LINE__, step);
    if (j->result->attack->without != NULL && j->naive)
        setenv("IPCLAB_WITHOUT", j->result->attack->without, 1);
    /* Its server is the one beside it, whatever programs we were told to
     * take. */
    snprintf(bin, sizeof bin, "%s", program);
    setenv("IPCLAB_BIN", dirname(bin), 1);
    snprintf(number, sizeof number, "%zu", j->result->index);
    execl(program, "ipcattack", j->naive ? "--naive" : "--run", number, dir,
          (char *)NULL);
    perror(program);
    _exit(127);
}

static int
job_start(struct job *j, struct result *r, bool naive)
{
    const pid_t us = getpid();
    char dir[ENDPOINT_SIZE];

    *j = (struct job){.result = r, .naive = naive};
    job_dir(j, dir);
    if (mkdir(dir, 0755) == -1 || chmod(dir, 0755) == -1)
        return -errno;
    j->said = memfd_create("said", MFD_CLOEXEC);
    if (j->said == -1)
        return -errno;
    j->deadline = deadline_in(RUN_TIMEOUT);
    fflush(NULL);
    j->pid = fork();
    if (j->pid == 0)
        exec_run(j, us);
    setpgid(j->pid, j->pid); /* whoever is first, it or we: job_kill() */
    return j->pid == -1 ? -errno : 0;
}

static void
say(const struct job *j, const char *why)
{
    char text[4096];
    ssize_t n = pread(j->said, text, sizeof text, 0);

    fprintf(stderr, "%d, %s, %s: %s\n%.*s", j->result->attack->number,
            j->result->attack->mechanism, j->naive ? "naive" : "defended", why,
            n < 0 ? 0 : (int)n, text);
}

static enum verdict
verdict_of(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FELL)
        return FELL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED)
        return REFUSED;
    return BROKEN;
}

/* For good: the next look around may find something else. */
static void
keep_reason(struct result *r, const char *why)
{
    static char reasons[MAX_ATTACKS][WHY_SIZE];
    char *reason = reasons[r->index];

    snprintf(reason, WHY_SIZE, "%s", why);
    r->reason = reason;
}

/* Both forms are needed, or neither counts. */
static void
lacks(const struct job *j)
{
    char reason[WHY_SIZE] = "";

    (void)!pread(j->said, reason, sizeof reason - 1, 0);
    keep_reason(j->result, reason);
}

static void
job_end(struct job *j, int status, bool hung)
{
    enum verdict v = hung ? BROKEN : verdict_of(status);
    struct result *r = j->result;
    char dir[ENDPOINT_SIZE];

    if (again && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_MISSING)
        lacks(j);
    else if (hung && !stopped)
        say(j, again ? "hung, and was ended" : "hung; it is tried once more");
    else if (again && v == BROKEN)
        say(j, "could not be tried");
    if (j->naive)
        r->naive = v;
    else
        r->defended = v;
    if (r->reason != NULL)
        r->naive = r->defended = NOT_RUN;
    job_dir(j, dir);
    rmdir(dir); /* what was mounted there is gone */
    close(j->said);
    j->result = NULL;
}

/* Its process 1 dies of that too, but not before all others of its namespace
 * have (space.c), and then is ours to wait for: they are in one group. */
static void
job_kill(const struct job *j)
{
    kill(-j->pid, SIGKILL);
    while (waitpid(-j->pid, NULL, 0) > 0 || errno == EINTR)
        continue;
}

/* Ends those that have ended, or hang.  Returns one that is free, or NULL. */
static struct job *
jobs_look(void)
{
    struct job *room = NULL;

    for (struct job *j = jobs; j < jobs + (again ? 1 : JOBS); j++) {
        bool hung =
            j->result != NULL && (stopped || time_left(j->deadline) == 0);
        int status = 0;

        if (hung)
            job_kill(j);
        if (j->result != NULL &&
            (hung || waitpid(j->pid, &status, WNOHANG) == j->pid))
            job_end(j, status, hung);
        if (j->result == NULL)
            room = j;
    }
    return room;
}

static bool
jobs_busy(void)
{
    jobs_look();
    for (struct job *j = jobs; j < jobs + JOBS; j++)
        if (j->result != NULL)
            return true;
    return false;
}

/* -- all of them ---------------------------------------------------------- */

static bool
is_chosen(const struct attack *a)
{
    for (size_t i = 0; i < options.chosen_count; i++)
        if (options.chosen[i] == a->number)
            return true;
    return options.chosen_count == 0;
}

/* A child's end interrupts this. */
static void
wait_a_little(const sigset_t *children)
{
    static const struct timespec most = {.tv_nsec = 100 * NS_PER_MS};

    sigtimedwait(children, NULL, &most);
}

static bool
is_broken(const struct result *r)
{
    return r->naive == BROKEN || r->defended == BROKEN;
}

static int
try_attack(struct result *r, const sigset_t *children)
{
    const struct attack *a = r->attack;

    r->naive = r->defended = NOT_RUN;
    if (missing_why(r->index) != NULL)
        keep_reason(r, missing_why(r->index));
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K  attack %d, %s", a->number, a->mechanism);
    for (int naive = 0; naive < 2 && r->reason == NULL && !stopped; naive++) {
        struct job *j;
        int err;

        while ((j = jobs_look()) == NULL && !stopped)
            wait_a_little(children);
        err = j != NULL ? job_start(j, r, naive) : 0;
        if (err != 0)
            return err;
    }
    return 0;
}

static int
try_those(bool (*chosen)(const struct result *), const sigset_t *children)
{
    int err = missing_find(scratch.dir);

    for (size_t i = 0; i < result_count && err == 0 && !stopped; i++)
        if (chosen(&results[i]))
            err = try_attack(&results[i], children);
    while (jobs_busy())
        wait_a_little(children);
    return err;
}

static bool
is_new(const struct result *r)
{
    return r->naive == NOT_RUN;
}

/* What could not be tried is tried once more, alone: others of this user may
 * have had the last queue, or still have it. */
static int
try_all(void)
{
    sigset_t children;
    int err;

    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    err = try_those(is_new, &children);
    again = true;
    if (err == 0 && !stopped)
        err = try_those(is_broken, &children);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    return stopped ? -EINTR : err;
}

static void
choose_all(void)
{
    const struct attack *a;

    for (size_t i = 0; (a = attack_at(i)) != NULL; i++)
        if (is_chosen(a))
            results[result_count++] = (struct result){
                .attack = a, .index = i, .naive = NOT_RUN, .defended = NOT_RUN};
}

static int
by_number(const void *a, const void *b)
{
    const struct result *x = a, *y = b;

    return x->attack->number - y->attack->number;
}

static int
run(void)
{
    size_t surprises = 0;
    int err;

    prctl(PR_SET_CHILD_SUBREAPER, 1); /* job_kill() */
    err = scratch_begin(&scratch, "attack", geteuid() == 0);
    if (err != 0) {
        fprintf(stderr,
                "ipcattack: no directory to work in: %s; name one that "
                "everybody may enter in $TMPDIR\n",
                strerror(-err));
        return EX_CANTCREAT;
    }
    spaces_try_mounts(scratch.dir);
    choose_all();
    err = try_all();
    scratch_end(&scratch);
    if (err != 0) {
        fprintf(stderr, "ipcattack: %s\n",
                err == -EINTR ? "stopped" : strerror(-err));
        return err == -EINTR ? 130 : EX_OSERR;
    }
    qsort(results, result_count, sizeof *results, by_number);
    if (report(results, result_count, options.out) != 0)
        return EX_CANTCREAT;
    for (size_t i = 0; i < result_count; i++)
        surprises += !as_expected(&results[i]);
    return surprises > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* -- anything, to one mechanism (hostile.c, siege.c) ----------------------- */

typedef int besieger(const char *mechanism, const char *amount,
                     const char *third, const char *dir);

static int
run_apart(besieger *f, char **arg)
{
    const pid_t us = getpid();
    char dir[ENDPOINT_SIZE];
    const char *step;
    int err = scratch_begin(&scratch, "attack", geteuid() == 0), status;
    pid_t pid;

    if (err != 0)
        return EX_CANTCREAT;
    spaces_try_mounts(scratch.dir);
    snprintf(dir, sizeof dir, "%s/0", scratch.dir);
    MUST(mkdir(dir, 0755) == 0 && chmod(dir, 0755) == 0);
    pid = fork();
    MUST(pid != -1);
    if (pid == 0) {
        end_with_parent(us, SIGKILL);
        if (space_enter(dir, &step) != 0)
            broken(__FILE__, __LINE__, step);
        _exit(f(arg[0], arg[1], arg[2], dir));
    }
    while (waitpid(pid, &status, 0) == -1)
        MUST(errno == EINTR);
    scratch_end(&scratch);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EX_OSERR;
}

/* -- command line --------------------------------------------------------- */

static void
choose(struct argp_state *state, const char *arg)
{
    const struct attack *a;
    char *end;
    long number = strtol(arg, &end, 10);

    for (size_t i = 0; (a = attack_at(i)) != NULL; i++)
        if (a->number == number && *end == '\0')
            break;
    if (a == NULL)
        argp_error(state, "there is no attack %s", arg);
    else if (options.chosen_count == MAX_ATTACKS)
        argp_error(state, "so many?");
    else
        options.chosen[options.chosen_count++] = a->number;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 'o':
        options.out = arg;
        return 0;
    case ARGP_KEY_ARG:
        choose(state, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void
stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

int
main(int argc, char **argv)
{
    static const struct argp_option option_list[] = {
        {"out", 'o', "DIR", 0,
         "the results go into a new directory there (default: results/)", 0},
        {0},
    };
    static const struct argp argp = {
        .options = option_list,
        .parser = parse_option,
        .args_doc = "[NUMBER...]",
        .doc = "Attacks every mechanism, and its naive form for comparison."
               "\vExit status 1: something was not as expected.",
    };

    program_begin("ipcattack");
    if (argc == 4 &&
        (strcmp(argv[1], "--run") == 0 || strcmp(argv[1], "--naive") == 0))
        _exit(act(argv[1], argv[2], argv[3])); /* as it is: not tidied up */
    if (argc == 4 && strcmp(argv[1], "--helper") == 0)
        return helper(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "--deputy") == 0)
        return deputy(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "--hostile") == 0)
        return run_apart(hostile, argv + 2);
    if (argc == 5 && strcmp(argv[1], "--siege") == 0)
        return run_apart(siege, argv + 2);
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    signal(SIGHUP, stop);
    signal(SIGPIPE, SIG_IGN); /* it cleans up, whoever listens */
    signal(SIGCHLD, SIG_DFL); /* ignored, they could not be waited for */
    return run();
}
