/* peer.c - another program's number among ours. */
#define _GNU_SOURCE /* pipe2, CPU_SET, clock_gettime */
#include "bench/peer.h"

#include "core/clock.h"
#include "core/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool
is_peer(const char *mechanism)
{
    return strncmp(mechanism, PEER_PREFIX, strlen(PEER_PREFIX)) == 0;
}

/* -- what it printed ------------------------------------------------------- */

/* Round trips in so many ns; or messages a second. */
static const struct unit {
    const char *word;
    double ns; /* 0: a rate */
} units[] = {
    {"ns", 1},           {"us", 1e3},       {"usec", 1e3},  {"usecs", 1e3},
    {"ms", 1e6},         {"usecs/op", 1e3}, {"us/op", 1e3}, {"ns/op", 1},
    {"messages/s", 0},   {"message/s", 0},  {"msgs/s", 0},  {"msg/s", 0},
    {"messages/sec", 0}, {"msgs/sec", 0},   {"msg/sec", 0},
};

/* The unit that text begins with, after blanks, and no letter more. */
static const struct unit *
unit_at(const char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strcspn(text, " \t\n\r,;)");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].word) == n && strncmp(text, units[i].word, n) == 0)
            return &units[i];
    return NULL;
}

int
peer_read(const char *text, struct row *r, char *reason, size_t size)
{
    const struct unit *unit = NULL;
    int numbers = 0, with_unit = 0;
    double v = NAN;
    char *end;

    for (const char *at = text; *at != '\0'; at = end) {
        double number;

        at += strcspn(at, "0123456789.+-");
        number = strtod(at, &end);
        if (end == at) {
            end += *end != '\0';
            continue;
        }
        numbers++;
        if (unit_at(end) == NULL)
            continue;
        with_unit++;
        unit = unit_at(end);
        v = number;
    }
    if (with_unit == 1 && isfinite(v) && v > 0) {
        r->kind = unit->ns > 0 ? ROW_RTT : ROW_STREAM;
        r->per_second = unit->ns > 0 ? 1e9 / (v * unit->ns) : v;
        r->mean_ns = 1e9 / r->per_second;
        if (unit->ns > 0)
            r->p50_ns = r->mean_ns; /* it tells nothing else */
        else
            r->bytes_per_second = v * (double)r->size;
        return 0;
    }
    if (numbers == 0)
        snprintf(reason, size, "printed no number");
    else if (with_unit == 0)
        snprintf(reason, size,
                 "printed no number with a unit: 5.06 us, or "
                 "210000 messages/s");
    else if (with_unit > 1)
        snprintf(reason, size,
                 "printed %d numbers with a unit, and one is "
                 "wanted: | grep for its line",
                 with_unit);
    else
        snprintf(reason, size, "printed %g, which is no time and no rate", v);
    return -EBADMSG;
}

/* -- running it ------------------------------------------------------------ */

/* Longer than this, ns, is taken for hanging. */
#define PEER_LIMIT (15 * NS_PER_SEC)

#define EXIT_NOT_FOUND 127 /* of a shell: there is no such program */

/* Both sides of a peer are the command's own: it may use the two CPUs, or the
 * one, that ours use, and is told which, should it pin its sides itself. */
static void
pin_to_both(const struct placement *p)
{
    char text[16];
    cpu_set_t set;

    if (p->client < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((unsigned)p->client, &set);
    CPU_SET((unsigned)p->server, &set);
    sched_setaffinity(0, sizeof set, &set);
    snprintf(text, sizeof text, "%d", p->client);
    setenv("IPCBENCH_CLIENT_CPU", text, 1);
    snprintf(text, sizeof text, "%d", p->server);
    setenv("IPCBENCH_SERVER_CPU", text, 1);
}

/* A group of its own, so that whatever it starts can be ended with it. */
static _Noreturn void
command(const struct cell *c, int out, int err, pid_t parent)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    setpgid(0, 0);
    end_with_parent(parent, SIGKILL);
    pin_to_both(c->placement);
    signal(SIGPIPE, SIG_DFL); /* which we ignore, and exec would keep */
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", c->command, (char *)NULL);
    _exit(EXIT_NOT_FOUND);
}

/* Reads to the end, or until it takes too long; what does not fit is read and
 * forgotten. */
static int
read_all(const struct bench *b, int from, char *text, size_t size)
{
    int64_t deadline = deadline_in(PEER_LIMIT);
    char rest[256] = "";
    size_t n = 0;

    for (;;) {
        bool full = n == size - 1;
        int err = wait_for(from, POLLIN, deadline);
        ssize_t got;

        if (err == -EINTR && !*b->stop)
            continue;
        if (err != 0)
            return err;
        got = read(from, full ? rest : text + n,
                   full ? sizeof rest : size - 1 - n);
        if (got == -1)
            return -errno;
        n += full ? 0 : (size_t)got;
        text[n] = '\0';
        if (got == 0)
            return 0;
    }
}

/* The last line that is not empty, for a reason. */
static const char *
last_line(char *text)
{
    size_t n = strlen(text);
    char *at;

    while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
        text[--n] = '\0';
    at = strrchr(text, '\n');
    return at != NULL ? at + 1 : text;
}

static int
outcome(int err, int status, char *text, char *complaint, struct row *r)
{
    char *reason = r->reason;
    const char *said = last_line(complaint);

    if (err == -ETIMEDOUT)
        snprintf(reason, sizeof r->reason, "hung: killed after %d s",
                 (int)(PEER_LIMIT / NS_PER_SEC));
    if (err != 0)
        return err;
    if (WIFSIGNALED(status))
        snprintf(reason, sizeof r->reason, "ended by a signal: %s",
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == EXIT_NOT_FOUND)
        snprintf(reason, sizeof r->reason, "not found: %.120s", said);
    else if (WEXITSTATUS(status) != 0)
        snprintf(reason, sizeof r->reason, "exit status %d%s%.120s",
                 WEXITSTATUS(status), said[0] != '\0' ? ": " : "", said);
    else
        return peer_read(text, r, reason, sizeof r->reason);
    return -ECHILD;
}

/* Its last words, of a file that has no name any more. */
static void
read_complaint(int fd, char text[512])
{
    off_t end = lseek(fd, 0, SEEK_END);
    ssize_t n = pread(fd, text, 511, end > 511 ? end - 511 : 0);

    text[n > 0 ? n : 0] = '\0';
}

int
measure_peer(struct bench *b, struct cell *c, struct row *r)
{
    char text[4096] = "", complaint[512];
    pid_t parent = getpid(), pid;
    int out[2], said, status = 0, err;
    int64_t start = now_ns();
    FILE *f;

    if (pipe2(out, O_CLOEXEC) == -1)
        return -errno;
    f = tmpfile();
    if (f == NULL) {
        err = -errno;
        close(out[0]);
        close(out[1]);
        return err;
    }
    said = fileno(f);
    pid = fork();
    if (pid == 0)
        command(c, out[1], said, parent);
    close(out[1]);
    if (pid == -1) {
        err = -errno;
        close(out[0]);
        fclose(f);
        return err;
    }
    setpgid(pid, pid); /* whichever of us comes first */
    b->page->group = pid;
    err = read_all(b, out[0], text, sizeof text);
    if (err != 0)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        continue;
    kill(-pid, SIGKILL); /* what it has left behind */
    b->page->group = 0;
    close(out[0]);
    read_complaint(said, complaint);
    fclose(f);
    r->n = 1;
    r->seconds = (double)(now_ns() - start) / 1e9;
    err = outcome(err, status, text, complaint, r);
    return err;
}
