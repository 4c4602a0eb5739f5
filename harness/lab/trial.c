/* trial.c - runs experiments and looks at their processes (trial.h). */
#define _GNU_SOURCE /* SYS_pidfd_open, MAP_ANONYMOUS, sigabbrev_np */
#include "lab/trial.h"

#include "core/clock.h"
#include "core/scratch.h"
#include "lab/evidence.h"
#include "lab/place.h"
#include "lab/procfs.h"
#include "lab/within.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK (100 * NS_PER_MS) /* between two looks */
#define QUIET \
    (2500 * NS_PER_MS)           /* so long nobody had a processor: longer than
                                  * any call of an honest form waits (open(),
                                  * 2 s), much shorter than the tests do */
#define LONG    (3 * NS_PER_SEC) /* from here on what they do is written down */
#define LONGEST "10"             /* s, for what comes although it hangs */

/* Bytes, of all processes of an experiment.  With sanitizers those of the crowd
 * have a fifth of it.  No resource limit says it: RLIMIT_AS and RLIMIT_DATA
 * count what a sanitizer only reserves, which is terabytes (setrlimit(2)). */
#define MOST_MEMORY ((size_t)1 << 30)

/* -- the processes of an experiment ---------------------------------------- */

#define MOST 512

struct crowd {
    pid_t pids[MOST];
    int count;
};

static void
gather(struct crowd *c, pid_t pid)
{
    c->count = procfs_descendants(pid, c->pids, MOST);
}

/* Who of them has the most memory, if all together have too much; or 0.  *made:
 * it is not what that one has, but what it made. */
static pid_t
who_has_too_much(const struct crowd *c, size_t *its, bool *made)
{
    pid_t pid = 0, maker;
    const size_t hidden = within_segments(c->pids, c->count, &maker);
    size_t all = hidden, one;

    for (int i = 0; i < c->count; i++)
        all += procfs_used(c->pids[i], false);
    if (all <= MOST_MEMORY)
        return 0;
    all = hidden;
    *its = 0;
    for (int i = 0; i < c->count; i++) {
        one = procfs_used(c->pids[i], true);
        all += one;
        if (one > *its) {
            *its = one;
            pid = c->pids[i];
        }
    }
    *made = hidden > *its;
    if (*made) {
        *its = hidden;
        pid = maker;
    }
    return all > MOST_MEMORY ? pid : 0;
}

static bool
runs_server(pid_t pid)
{
    char text[256];

    return procfs_text(pid, "cmdline", text, sizeof text) > 0 &&
           strcmp(text, "ipcd") == 0;
}

/* Ticks of processor time: the 14th and 15th word of stat. */
static unsigned long
ticks_in(pid_t pid, const char *file)
{
    unsigned long user = 0, system = 0;
    char text[512];
    const char *after;

    if (procfs_text(pid, file, text, sizeof text) <= 0)
        return 0;
    after = strrchr(text, ')');
    if (after == NULL ||
        sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &system) != 2)
        return 0;
    return user + system;
}

static unsigned long
number_after(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    return at != NULL ? strtoul(at + strlen(word), NULL, 10) : 0;
}

/* Who looks for something in a loop gives the processor up only when it is
 * taken away; who naps in between does so itself, a hundred times a tick. */
static bool
is_busy(pid_t pid, pid_t tid)
{
    char file[48], text[4096];
    unsigned long ticks;

    snprintf(file, sizeof file, "task/%d/stat", (int)tid);
    ticks = ticks_in(pid, file);
    snprintf(file, sizeof file, "task/%d/status", (int)tid);
    if (procfs_text(pid, file, text, sizeof text) <= 0)
        return false;
    return ticks >= 5 &&
           number_after(text, "\nvoluntary_ctxt_switches:") < ticks * 10;
}

/* What changes as soon as one of its threads gets a processor.  *asleep: none
 * is about to. */
static unsigned long
progress_of(pid_t pid, bool *asleep)
{
    pid_t tids[64];
    char file[48], text[4096];
    unsigned long sum = (unsigned long)pid;
    const int n = procfs_threads(pid, tids, 64);

    for (int i = 0; i < n; i++) {
        const char state = procfs_state(pid, tids[i]);

        if (state == 'R' || state == 'D')
            *asleep = false;
        snprintf(file, sizeof file, "task/%d/status", (int)tids[i]);
        procfs_text(pid, file, text, sizeof text);
        sum += (unsigned long)tids[i] +
               number_after(text, "\nvoluntary_ctxt_switches:") +
               number_after(text, "\nnonvoluntary_ctxt_switches:");
    }
    return sum;
}

static unsigned long
progress_of_all(const struct crowd *c, bool *asleep)
{
    unsigned long sum = 0;

    *asleep = true;
    for (int i = 0; i < c->count; i++)
        sum = sum * 31 + progress_of(c->pids[i], asleep);
    return sum;
}

/* -- why, from inside ------------------------------------------------------ */

static int
look_from_inside(pid_t pid, struct why_wait *waits, int max)
{
    int *count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child;
    int n;

    if (count == MAP_FAILED)
        return 0;
    child = fork();
    if (child == 0) {
        within_enter(pid);
        *count = why_look(pid, waits, max);
        _exit(EXIT_SUCCESS);
    }
    if (child != -1)
        waitpid(child, NULL, 0);
    n = *count;
    munmap(count, sizeof *count);
    return n;
}

/* -- what is written down of those that wait long -------------------------- */

struct look {
    char test[128];
    struct asked_doing doing;
    struct waiting *waits;
    int count;
    long ticks;
    char note[256];
    char hungry[80], place[160]; /* who had too much memory, and where */
};

#define MOST_LOOKS 32

static struct look looks[MOST_LOOKS];
static int look_count;

static struct look *
look_for(const char *test)
{
    for (int i = 0; i < look_count; i++)
        if (strcmp(looks[i].test, test) == 0)
            return &looks[i];
    if (look_count == MOST_LOOKS)
        return NULL;
    snprintf(looks[look_count].test, sizeof looks->test, "%s", test);
    looks[look_count].waits = NULL;
    looks[look_count].note[0] = '\0';
    looks[look_count].hungry[0] = looks[look_count].place[0] = '\0';
    return &looks[look_count++];
}

/* Some tests have both sides in one process: the function tells. */
static bool
is_servers(const char *place, bool otherwise)
{
    static const char *const servers[] = {"_create()", "_next()", "_reply()",
                                          "_pollfd()", "_destroy()"};
    static const char *const clients[] = {"_open()", "_send()", "_recv()",
                                          "_close()", "_sweep()"};

    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        if (strstr(place, servers[i]) != NULL)
            return true;
        if (strstr(place, clients[i]) != NULL)
            return false;
    }
    return otherwise;
}

/* The test's own threads are not the student's; its client's calls are, if they
 * are in his file. */
static void
look_at(struct look *l, const struct trial *t, pid_t pid)
{
    struct why_wait *waits =
        mmap(NULL, MOST_WAITS * sizeof *waits, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const bool is_server = runs_server(pid);
    int n;

    if (waits == MAP_FAILED)
        return;
    n = look_from_inside(pid, waits, MOST_WAITS);
    for (int i = 0; i < n && l->count < MOST_WAITS; i++) {
        struct waiting *w = &l->waits[l->count];

        *w = (struct waiting){.wait = waits[i]};
        /* ipcd's own thread, which waits for the end, is in none of it. */
        if (strncmp(waits[i].call, "sigwait(SIGHUP SIGINT SIGTERM)", 30) != 0)
            place_of(pid, waits[i].tid, t->source, w->place, sizeof w->place);
        /* With the textbook form as the other side: where that one is. */
        if (w->place[0] == '\0' && t->other != NULL)
            place_of(pid, waits[i].tid, t->other, w->place, sizeof w->place);
        w->is_server = is_servers(w->place, is_server);
        w->is_busy = waits[i].cause == WHY_RUNS && is_busy(pid, waits[i].tid);
        if (is_server || w->place[0] != '\0')
            l->count++;
    }
    munmap(waits, MOST_WAITS * sizeof *waits);
}

/* What is mapped privately is nobody else's: a mistake, if it is the
 * endpoint. */
static void
look_at_mappings(struct look *l, const struct trial *t, pid_t pid)
{
    char name[64], line[512], perms[8], path[256], end[80];
    FILE *f;

    snprintf(name, sizeof name, "/proc/%d/maps", (int)pid);
    snprintf(end, sizeof end, "%.*s-work", (int)strcspn(t->mechanism, "/"),
             t->mechanism);
    f = fopen(name, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "%*s %7s %*s %*s %*s %255s", perms, path) == 2 &&
            perms[3] == 'p' && strstr(path, end) != NULL)
            snprintf(l->note, sizeof l->note,
                     "pid %d has mapped %.100s with MAP_PRIVATE: what it "
                     "writes there is in a copy of its own, and nobody else "
                     "sees it",
                     (int)pid, path);
    if (f != NULL)
        fclose(f);
}

/* -- one run of the test program ------------------------------------------- */

struct run {
    const struct trial *t;
    bool bare;
    struct asked_doing *doing;
    char said[96], report[96], doing_path[96], trace[96];
    char tests[8192];
    pid_t pid;
    struct asked_doing stuck[16]; /* those that were ended */
    int stuck_count;
};

/* Has it ended?  Of who has been killed the state does not say so before it has
 * had a processor once more: signal 9 is the ninth bit. */
static bool
has_ended(pid_t pid)
{
    static const char *const pending[] = {"\nSigPnd:", "\nShdPnd:"};
    char text[4096];

    if (!procfs_lives(pid) ||
        procfs_text(pid, "status", text, sizeof text) <= 0)
        return true;
    for (int i = 0; i < 2; i++) {
        const char *at = strstr(text, pending[i]);

        if (at != NULL && (strtoull(at + 8, NULL, 16) & 1U << 8) != 0)
            return true;
    }
    return false;
}

static void
look_at_all(const struct run *r, const struct crowd *c, const char *test)
{
    struct look *l = look_for(test), before;
    long ticks = 0;

    if (l == NULL)
        return;
    for (int i = 0; i < c->count; i++)
        if (runs_server(c->pids[i]))
            ticks += (long)ticks_in(c->pids[i], "stat");
    before = *l;
    l->waits = calloc(MOST_WAITS, sizeof *l->waits);
    l->count = 0;
    for (int i = 0; i < c->count && l->waits != NULL; i++)
        look_at(l, r->t, c->pids[i]);
    /* If it has ended meanwhile, some were seen, and others were not any more:
     * what was before, counts. */
    if (l->count == 0 ||
        (before.waits != NULL && has_ended(before.doing.test_pid))) {
        free(l->waits);
        *l = before;
        return;
    }
    free(before.waits);
    l->ticks = ticks;
    l->doing = *r->doing;
    for (int i = 0; i < c->count; i++)
        look_at_mappings(l, r->t, c->pids[i]);
}

static bool
is_in(const struct run *r, const struct result *one)
{
    return one->of->bare == r->bare;
}

static void __attribute__((noreturn)) exec_check(const struct run *r)
{
    const char *program = r->bare ? r->t->bare : r->t->check;
    const int said =
        open(r->said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    setenv("IPCLAB_TESTS", r->tests, 1);
    setenv("IPCLAB_REPORT", r->report, 1);
    setenv("IPCLAB_DOING", r->doing_path, 1);
    setenv("IPCLAB_LONGEST", LONGEST, 1);
    setenv("IPCLAB_BEYOND", "1", 1);
    setenv("IPCLAB_SPEED", "1", 1);
    setenv("CK_RUN_CASE", r->t->mechanism, 1);
    setenv("CK_LANES", "1", 1); /* their order is known (asked.c) */
    setenv("CK_TIMEOUT_MULTIPLIER", "0.25", 1);
    unsetenv("CK_RUN_SUITE");
    unsetenv("CK_FORK");
    dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    dup2(said, STDOUT_FILENO);
    dup2(said, STDERR_FILENO);
    if (r->trace[0] != '\0')
        execlp("strace", "strace", "-f", "-qq", "-s", "48", "-o", r->trace,
               program, (char *)NULL);
    else
        execl(program, program, (char *)NULL);
    perror(program);
    _exit(127);
}

/* Ends who has too much memory, and those of its kind; says where it was.  Who
 * has made segments may have ended before that. */
static bool
end_hungry(struct run *r, const struct crowd *c, const char *test)
{
    size_t bytes = 0;
    bool made = false;
    const pid_t pid = who_has_too_much(c, &bytes, &made);
    struct look *l = pid != 0 ? look_for(test) : NULL;

    if (pid == 0)
        return false;
    if (l != NULL && l->hungry[0] == '\0') {
        snprintf(l->hungry, sizeof l->hungry, "the %s (pid %d) had %zu MB%s",
                 runs_server(pid) ? "server" : "client", (int)pid, bytes >> 20,
                 made ? " in System V segments" : "");
        /* It goes on meanwhile; not from everywhere can be told where it is. */
        for (int tries = 0; tries < 5 && l->place[0] == '\0'; tries++)
            place_of(pid, pid, r->t->source, l->place, sizeof l->place);
        l->doing = *r->doing;
    }
    for (int i = 0; i < c->count; i++)
        if (made ? c->pids[i] == pid
                 : procfs_used(c->pids[i], false) >= bytes / 2)
            kill(c->pids[i], SIGKILL);
    return true;
}

/* What there is goes where the test says what it says. */
static void
keep_evidence(const struct run *r)
{
    const pid_t child = fork();

    if (child == 0) {
        const int said = open(r->said, O_WRONLY | O_APPEND | O_CLOEXEC);

        dprintf(said, "-- %s\n", r->doing->test); /* read_said() */
        within_enter(r->doing->test_pid);
        evidence_print(said, r->doing->test_pid);
        _exit(EXIT_SUCCESS);
    }
    if (child != -1)
        waitpid(child, NULL, 0);
}

/* Ends the test that is stuck, with all that are in its group; Check goes on
 * with the next one. */
static void
end_stuck(struct run *r)
{
    if (r->stuck_count < 16)
        r->stuck[r->stuck_count++] = *r->doing;
    if (r->doing->test_pid > 1)
        kill(-r->doing->test_pid, SIGKILL);
}

/* Waits for the end of the test program, looking at it meanwhile. */
static void
watch(struct run *r)
{
    const int fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t changed = now_ns(), begun = changed, looked = changed;
    unsigned long before = 0;
    bool ended = false;
    char test[sizeof r->doing->test] = "";

    while (poll(&p, 1, (int)(LOOK / NS_PER_MS)) <= 0) {
        struct crowd c = {.count = 0};
        const int64_t now = now_ns();
        unsigned long progress;
        bool asleep;

        gather(&c, r->pid);
        progress = progress_of_all(&c, &asleep);
        if (strcmp(test, r->doing->test) != 0) {
            snprintf(test, sizeof test, "%s", r->doing->test);
            begun = now;
            ended = false;
        }
        if (progress != before || !asleep)
            changed = now;
        before = progress;
        if (end_hungry(r, &c, test) && test[0] != '\0' && !ended) {
            end_stuck(r);
            ended = true;
        }
        if (test[0] == '\0' ||
            ended) /* of one that is killed nothing is seen */
            continue;
        if (now - changed >= QUIET) {
            look_at_all(r, &c, test);
            keep_evidence(r);
            end_stuck(r);
            ended = true;
        } else if (now - begun >= LONG && now - looked >= NS_PER_SEC) {
            look_at_all(r, &c, test);
            looked = now;
        }
    }
    if (fd != -1)
        close(fd);
    waitpid(r->pid, NULL, 0);
}

/* -- what came of it ------------------------------------------------------- */

static char *
read_all(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = calloc(1, 1 << 16);
    size_t n;

    if (f == NULL || text == NULL) {
        if (f != NULL)
            fclose(f);
        free(text);
        return NULL;
    }
    n = fread(text, 1, (1 << 16) - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* What was said from where this test has begun ("-- NAME", asked.c) until the
 * next one has; at most as much of it. */
#define MOST_SAID (1 << 16)

static char *
read_said(const char *path, const char *test)
{
    FILE *f = fopen(path, "re");
    char *text = calloc(1, MOST_SAID), *line = NULL;
    size_t size = 0, used = 0;
    bool its = false;
    ssize_t n;

    while (f != NULL && text != NULL && (n = getline(&line, &size, f)) > 0) {
        if (strncmp(line, "-- ", 3) == 0) {
            its = strncmp(line + 3, test, strlen(test)) == 0 &&
                  line[3 + strlen(test)] == '\n';
            continue;
        }
        if (its && used + (size_t)n < MOST_SAID) {
            memcpy(text + used, line, (size_t)n);
            used += (size_t)n;
        }
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return text;
}

static void
unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++)
        if (from[0] == '\\' && from[1] == 'n') {
            *to++ = '\n';
            from++;
        } else {
            *to++ = *from;
        }
    *to = '\0';
}

/* What Check itself says is for who knows it. */
static void
in_words(struct result *r, const char *saw)
{
    int number;

    if (strstr(saw, "timeout expired") != NULL)
        snprintf(r->saw, sizeof r->saw, "it has not ended, and was ended");
    else if (sscanf(saw, "Early exit with return value %d", &number) == 1)
        snprintf(r->saw, sizeof r->saw,
                 "the program ended in the middle of it, with status %d",
                 number);
    else if (strstr(saw, "Received signal ") != NULL &&
             sscanf(strstr(saw, "Received signal "), "Received signal %d",
                    &number) == 1)
        snprintf(r->saw, sizeof r->saw, "the program died of SIG%s",
                 sigabbrev_np(number));
    else
        snprintf(r->saw, sizeof r->saw, "%s", saw);
}

/* "DID; expected EXPECTED; saw SAW"; another message is what was seen. */
static void
take_apart(struct result *r, const char *message)
{
    const char *expected = strstr(message, "; expected ");
    const char *saw = expected != NULL ? strstr(expected, "; saw ") : NULL;

    if (saw == NULL) {
        in_words(r, message);
        return;
    }
    snprintf(r->did, sizeof r->did, "%.*s", (int)(expected - message), message);
    snprintf(r->expected, sizeof r->expected, "%.*s",
             (int)(saw - expected) - 11, expected + 11);
    in_words(r, saw + 6);
}

static enum outcome
outcome_from(const char *word)
{
    if (strcmp(word, "passed") == 0)
        return PASSED;
    return strcmp(word, "not run") == 0 ? NOT_HERE : FAILED;
}

static void
read_line(char *line, struct result *results, int count)
{
    char *name = strsep(&line, "\t"), *word = strsep(&line, "\t");
    char *where = strsep(&line, "\t");

    if (line == NULL)
        return;
    for (int i = 0; i < count; i++) {
        struct result *r = &results[i];

        if (strcmp(r->of->name, name) != 0)
            continue;
        r->outcome = outcome_from(word);
        snprintf(r->where, sizeof r->where, "%s", where);
        unescape(line);
        take_apart(r, line);
    }
}

static bool
read_report(const struct run *r, struct result *results, int count)
{
    char *text = read_all(r->report), *rest = text, *line;

    if (text == NULL)
        return false;
    while ((line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0')
            read_line(line, results, count);
    free(text);
    return true;
}

static void
add_what_was_seen(const struct run *run, struct result *r)
{
    const struct look *l = look_for(r->of->name);

    for (int i = 0; i < run->stuck_count; i++)
        if (strcmp(run->stuck[i].test, r->of->name) == 0) {
            r->outcome = STUCK;
            memcpy(r->did, run->stuck[i].did, sizeof r->did);
            memcpy(r->expected, run->stuck[i].expected, sizeof r->expected);
            snprintf(r->saw, sizeof r->saw, "nobody makes progress any more");
        }
    if (l != NULL && l->hungry[0] != '\0') {
        r->outcome = FAILED;
        snprintf(r->saw, sizeof r->saw,
                 "its processes had more than %zu MB of memory, and were ended",
                 MOST_MEMORY >> 20);
        memcpy(r->hungry, l->hungry, sizeof r->hungry);
        memcpy(r->place, l->place, sizeof r->place);
    }
    if (l == NULL || l->waits == NULL ||
        (r->outcome != STUCK && r->outcome != FAILED))
        return;
    if (r->did[0] == '\0') { /* Check ended it, and says that only */
        memcpy(r->did, l->doing.did, sizeof r->did);
        memcpy(r->expected, l->doing.expected, sizeof r->expected);
    }
    r->ticks = l->ticks;
    memcpy(r->note, l->note, sizeof r->note);
    r->wait_count = l->count;
    r->waits = calloc((size_t)l->count + 1, sizeof *r->waits);
    if (r->waits != NULL)
        memcpy(r->waits, l->waits, (size_t)l->count * sizeof *r->waits);
}

static void
forget_looks(void)
{
    for (int i = 0; i < look_count; i++)
        free(looks[i].waits);
    look_count = 0;
}

static int
share_doing(struct run *r)
{
    const int fd = open(r->doing_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    r->doing = MAP_FAILED;
    if (fd != -1 && ftruncate(fd, sizeof *r->doing) == 0)
        r->doing = mmap(NULL, sizeof *r->doing, PROT_READ | PROT_WRITE,
                        MAP_SHARED, fd, 0);
    if (fd != -1)
        close(fd);
    return r->doing == MAP_FAILED ? -1 : 0;
}

static void
run_in(struct run *r, const char *dir, struct result *results, int count)
{
    snprintf(r->said, sizeof r->said, "%s/said", dir);
    snprintf(r->report, sizeof r->report, "%s/report", dir);
    snprintf(r->doing_path, sizeof r->doing_path, "%s/doing", dir);
    if (share_doing(r) == -1)
        return;
    fflush(NULL);
    r->pid = fork();
    if (r->pid == 0)
        exec_check(r);
    if (r->pid > 0)
        watch(r);
    munmap(r->doing, sizeof *r->doing);
    if (!read_report(r, results, count))
        return;
    for (int i = 0; i < count; i++)
        if (is_in(r, &results[i]))
            add_what_was_seen(r, &results[i]);
}

static bool
name_tests(struct run *r, const struct result *results, int count)
{
    size_t used = 0;

    for (int i = 0; i < count; i++)
        if (is_in(r, &results[i]))
            used += (size_t)snprintf(r->tests + used, sizeof r->tests - used,
                                     "%s%s", used > 0 ? " " : "",
                                     results[i].of->name);
    return used > 0;
}

static void
all_broken(const struct run *r, struct result *results, int count,
           const char *why)
{
    for (int i = 0; i < count; i++)
        if (is_in(r, &results[i])) {
            results[i].outcome = BROKEN;
            snprintf(results[i].saw, sizeof results[i].saw, "%s", why);
        }
}

static void
run_those(struct run *r, struct result *results, int count)
{
    struct scratch place;

    if (!name_tests(r, results, count))
        return;
    if (scratch_begin(&place, "lab", false) != 0) {
        all_broken(r, results, count,
                   "no place for a directory ($TMPDIR, /tmp)");
        return;
    }
    run_in(r, place.dir, results, count);
    if (access(r->report, R_OK) == -1)
        all_broken(r, results, count,
                   "the test program ended without a report");
    for (int i = 0; i < count; i++)
        if (is_in(r, &results[i]) &&
            (results[i].outcome == FAILED || results[i].outcome == STUCK ||
             results[i].outcome == BROKEN))
            results[i].said = results[i].outcome == BROKEN
                                  ? read_all(r->said)
                                  : read_said(r->said, results[i].of->name);
    forget_looks();
    scratch_end(&place);
}

/* The test program's janitor ends a moment after it; who stays longer is a
 * student's daemon, which was orphaned and has become ours. */
static void
end_orphans(void)
{
    const int64_t deadline = deadline_in(NS_PER_SEC);
    struct crowd c = {.count = 0};
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0 ||
           (pid == 0 && time_left(deadline) > 0))
        if (pid == 0)
            poll(NULL, 0, 10);
    if (pid == -1)
        return;
    gather(&c, getpid());
    for (int i = 0; i < c.count; i++)
        kill(c.pids[i], SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

void
trial_run(const struct trial *t, struct result *results, int count)
{
    struct run r = {.t = t, .bare = false}, bare = {.t = t, .bare = true};

    run_those(&r, results, count);
    run_those(&bare, results, count);
    end_orphans();
}

/* -- its last system calls ------------------------------------------------- */

#define LAST 30

/* How many lines of it were before the test failed: evidence_print() is the
 * first thing then; one that is stuck is killed. */
static size_t
lines_before_failure(FILE *f)
{
    size_t size = 0, n = 0, killed = 0, failed = 0;
    char *line = NULL;

    for (; failed == 0 && getline(&line, &size, f) > 0; n++)
        if (strstr(line, "(what there was when it") != NULL)
            failed = n;
        else if (strstr(line, "+++ killed by SIGKILL") != NULL)
            killed = n;
    free(line);
    rewind(f);
    return failed != 0 ? failed : killed != 0 ? killed : n;
}

static char *
last_calls(const char *path)
{
    FILE *f = fopen(path, "re"), *out;
    char *line = NULL, *text = NULL;
    size_t size = 0, all, n = 0;

    if (f == NULL)
        return NULL;
    all = lines_before_failure(f);
    out = open_memstream(&text, &size);
    for (size_t room = 0;
         out != NULL && n < all && getline(&line, &room, f) > 0; n++)
        if (n + LAST >= all && strstr(line, "+++ ") == NULL)
            fputs(line, out);
    free(line);
    if (out != NULL)
        fclose(out);
    fclose(f);
    return text;
}

char *
trial_calls(const struct trial *t, const struct experiment *e)
{
    struct result again = {.of = e};
    struct run r = {.t = t, .bare = true};
    char *text = NULL;
    struct scratch place;

    if (system("command -v strace >/dev/null 2>&1") != 0)
        return strdup("not known: there is no strace(1) here\n");
    if (scratch_begin(&place, "lab", false) != 0)
        return NULL;
    snprintf(r.tests, sizeof r.tests, "%s", e->name);
    snprintf(r.trace, sizeof r.trace, "%s/trace", place.dir);
    run_in(&r, place.dir, &again, 1);
    if (again.outcome == FAILED || again.outcome == STUCK)
        text = last_calls(r.trace);
    else
        text = strdup("not known: under strace(1) it does not fail\n");
    forget_looks();
    results_free(&again, 1);
    scratch_end(&place);
    end_orphans();
    return text;
}

void
results_free(struct result *results, int count)
{
    for (int i = 0; i < count; i++) {
        free(results[i].said);
        free(results[i].waits);
        free(results[i].calls);
    }
}
