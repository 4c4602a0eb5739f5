/* pair.c - a fresh server and a client of it. */
#define _GNU_SOURCE /* gettid, syscall, RUSAGE_THREAD */
#include "bench/pair.h"

#include "bench/stats.h"
#include "core/clock.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The one child of this process: a spawned server, which only the mechanism
 * itself knows.  -1 where the kernel does not tell (CONFIG_PROC_CHILDREN). */
static pid_t
find_child(void)
{
    int pid = -1;
    FILE *f = fopen("/proc/thread-self/children", "re");

    if (f == NULL)
        return -1;
    if (fscanf(f, "%d", &pid) != 1)
        pid = -1;
    fclose(f);
    return pid;
}

static int
fail(int err, char *reason, size_t size, const char *what)
{
    snprintf(reason, size, "%s: %s", what, strerror(-err));
    return err;
}

int
pair_open(struct pair *s, const struct ipc_mechanism *m,
          const struct pair_options *o, char *reason, size_t size)
{
    struct host_options how = {.cpu = o->server_cpu, .quiet = o->quiet};
    int err = host_start(&s->host, m, o->dir, &how);

    if (err == -ECHILD) {
        snprintf(reason, size, "its server did not start");
        return err;
    }
    if (err != 0)
        return fail(err, reason, size, "starting its server");
    err = host_client(&s->host, &s->client);
    if (err != 0) {
        host_stop(&s->host);
        return fail(err, reason, size, "open");
    }
    s->client.stop = o->stop;
    s->server = s->host.server;
    if (m->caps & IPC_SPAWNED)
        s->server = find_child();
    return 0;
}

/* Tells a daemon to end and waits for it, but not for ever: one mechanism that
 * hangs must not take all the others with it. */
static int
end_daemon(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), err;
    int64_t deadline = deadline_in(PAIR_TIMEOUT);

    if (fd == -1)
        return 0; /* an old kernel: host_stop() waits without a limit */
    kill(pid, SIGTERM);
    do
        err = wait_for(fd, POLLIN, deadline);
    while (err == -EINTR); /* told to stop: all the more */
    if (err != 0)
        kill(pid, SIGKILL);
    close(fd);
    return err;
}

int
pair_close(struct pair *s, char *reason, size_t size)
{
    const struct ipc_mechanism *m = s->host.m;
    int err = 0;

    client_close(&s->client);
    if (s->host.pid > 0)
        err = end_daemon(s->host.pid);
    host_stop(&s->host); /* reaps it */
    if (err == 0)
        return 0;
    if (m->sweep != NULL)
        m->sweep(s->host.where);
    snprintf(reason, size, "its server did not end when told to; killed");
    return err;
}

int
pair_verify(struct pair *s, void *scratch, size_t size, uint64_t seed)
{
    struct rng rng = {.state = seed};
    struct api_value arg = {.at = scratch, .len = size};
    uint8_t *p = scratch;
    struct reply r;
    uint64_t word;
    int err;

    for (size_t i = 0; i < size; i += sizeof word) {
        word = rng_next(&rng);
        memcpy(p + i, &word, size - i < sizeof word ? size - i : sizeof word);
    }
    err = client_call(&s->client, API_METHOD(echo), &arg, &r, PAIR_TIMEOUT);
    if (err != 0)
        return err;
    if (r.status != WIRE_OK)
        return -EPROTO;
    if (r.results[0].len != size || memcmp(r.results[0].at, p, size) != 0)
        return -EBADMSG;
    return 0;
}

int
pair_notices(struct pair *s, uint64_t *taken)
{
    struct reply r;
    int err =
        client_call(&s->client, API_METHOD(stats), NULL, &r, PAIR_TIMEOUT);

    if (err == 0 && r.status != WIRE_OK)
        err = -EPROTO;
    if (err == 0)
        *taken = r.results[1].u64;
    return err;
}

size_t
pair_largest(const struct ipc_mechanism *m)
{
    struct ipc_limits l;

    if (m->limits(&l) != 0 || l.max_msg <= PAIR_OVERHEAD)
        return 0;
    return l.max_msg - PAIR_OVERHEAD;
}

/* -- cost ------------------------------------------------------------------ */

/* Adds the switches of one thread, from its status file (proc(5)). */
static void
add_switches(const char *path, struct cost *c)
{
    char line[128];
    double n;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "voluntary_ctxt_switches: %lf", &n) == 1)
            c->voluntary += n;
        else if (sscanf(line, "nonvoluntary_ctxt_switches: %lf", &n) == 1)
            c->involuntary += n;
    }
    fclose(f);
}

/* Adds the switches of every thread of pid but the one called skip. */
static void
read_switches(pid_t pid, pid_t skip, struct cost *c)
{
    char dir[64], path[128];
    struct dirent *e;
    DIR *d;

    snprintf(dir, sizeof dir, "/proc/%d/task", pid);
    d = opendir(dir);
    if (d == NULL) {
        c->voluntary = c->involuntary = NAN;
        return;
    }
    while ((e = readdir(d)) != NULL) {
        long tid = strtol(e->d_name, NULL, 10);

        if (tid == 0 || tid == skip)
            continue;
        snprintf(path, sizeof path, "%s/%ld/status", dir, tid);
        add_switches(path, c);
    }
    closedir(d);
}

/* Minor and major page faults of pid: fields 10 and 12 of its stat file.  The
 * name, field 2, may hold anything, so they are counted from its end. */
static void
read_stat(pid_t pid, struct cost *c)
{
    double minor = NAN, major = NAN, user = NAN;
    char path[64], line[512], *at = NULL;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    f = fopen(path, "re");
    if (f != NULL && fgets(line, sizeof line, f) != NULL)
        at = strrchr(line, ')');
    if (at != NULL && sscanf(at,
                             ") %*c %*d %*d %*d %*d %*d %*u %lf %*u %lf %*u "
                             "%lf",
                             &minor, &major, &user) != 3)
        user = NAN;
    if (f != NULL)
        fclose(f);
    c->faults = minor + major;
    c->user_ns = user * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

static double
user_ns(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (double)u.ru_utime.tv_sec * 1e9 + (double)u.ru_utime.tv_usec * 1e3;
}

/* ns of CPU time by a clock of somebody's CPU time; NAN if it is gone. */
static double
cpu_ns(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t) == -1)
        return NAN;
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void
cost_read(pid_t server, struct cost *client, struct cost *servers)
{
    struct rusage self;
    clockid_t clock;
    double faults;

    /* The server first: reading about it costs the client CPU time. */
    *servers = (struct cost){.cpu_ns = NAN};
    if (server == 0) {
        servers->cpu_ns =
            cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        read_switches(getpid(), gettid(), servers);
        servers->user_ns = user_ns(RUSAGE_SELF) - user_ns(RUSAGE_THREAD);
        servers->faults = 0; /* the client's, below, are the process's */
    } else if (server == -1 || clock_getcpuclockid(server, &clock) != 0) {
        *servers = (struct cost){NAN, NAN, NAN, NAN, NAN};
    } else {
        servers->cpu_ns = cpu_ns(clock);
        read_switches(server, 0, servers);
        read_stat(server, servers);
    }
    getrusage(server == 0 ? RUSAGE_SELF : RUSAGE_THREAD, &self);
    faults = (double)(self.ru_minflt + self.ru_majflt);
    getrusage(RUSAGE_THREAD, &self);
    *client = (struct cost){
        .cpu_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID),
        .user_ns = user_ns(RUSAGE_THREAD),
        .voluntary = (double)self.ru_nvcsw,
        .involuntary = (double)self.ru_nivcsw,
        .faults = faults,
    };
}
