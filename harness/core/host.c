/* host.c - a server of any mechanism, started the way it wants it. */
#define _GNU_SOURCE /* pipe2, sched_setaffinity */
#include "host.h"

#include "clock.h"
#include "parent.h"
#include "server/service.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A server that is alone waits this long, ns, before it looks at *stop. */
#define BASELINE_WAIT INT64_C(20000000)

static void
pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* -- a daemon: fork, exec, wait for the word on --ready-fd ---------------- */

struct daemon_order {
    const struct host *h;
    int ready;
    int host; /* a pidfd: it may have children in another PID namespace */
};

static int
exec_daemon(void *arg)
{
    const struct daemon_order *order = arg;
    const struct host *h = order->h;
    const int ready = order->ready;
    /* As somebody else a textbook form does not serve us (ipcd.c). */
    const bool as_itself =
        h->options.keep_root || (h->m->caps & IPC_TEXTBOOK) != 0;
    const char *const keep = as_itself && geteuid() == 0 ? "--keep-root" : NULL;
    const char *const user = h->options.user != NULL ? "--user" : keep;
    char fd[16];
    sigset_t none;
    int null;

    /* What is blocked stays so, and a server that does not hear SIGTERM would
     * be waited for for ever. */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(fd, sizeof fd, "%d", ready);
    fcntl(ready, F_SETFD, 0); /* this one is meant to survive the exec */
    end_with_pidfd(order->host, SIGTERM);
    pin(h->options.cpu);
    if (h->options.quiet) {
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO);
    }
    execl(h->program, "ipcd", "-m", h->m->name, "--run-dir", h->dir,
          "--ready-fd", fd, user, h->options.user, (char *)NULL);
    fprintf(stderr, "cannot run %s: %s\n", h->program, strerror(errno));
    _exit(127);
}

/* "PID NAME\n" of the one endpoint, or the end of the file. */
static bool
hear_ready(struct host *h, int from)
{
    char text[128];
    size_t len = 0;
    ssize_t n;

    do {
        n = read(from, text + len, sizeof text - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n == -1 && errno == EINTR));
    text[len] = '\0';
    h->server = (pid_t)strtol(text, NULL, 10);
    return h->server > 0;
}

static int
start_daemon(struct host *h)
{
    struct daemon_order order = {.h = h};
    int ready[2], err;
    bool is_ready;

    if (pipe2(ready, O_CLOEXEC) == -1)
        return -errno;
    order.ready = ready[1];
    order.host = parent_pidfd();
    err = spawn(&h->daemon, exec_daemon, &order);
    if (order.host != -1)
        close(order.host);
    if (err != 0) {
        close(ready[0]);
        close(ready[1]);
        return err;
    }
    h->pid = h->daemon.pid;
    /* Our copy of the write end must go, or the end of a daemon that fails to
     * start would not be an end of file here. */
    close(ready[1]);
    is_ready = hear_ready(h, ready[0]);
    close(ready[0]);
    if (is_ready)
        return 0;
    spawn_wait(&h->daemon, NULL, NO_DEADLINE);
    h->pid = 0;
    return -ECHILD;
}

/* -- a baseline: a thread of this process, or nothing at all --------------- */

static void *
baseline(void *arg)
{
    struct host *h = arg;
    int err;

    pin(h->options.cpu);
    do
        err = service_step(h->service, BASELINE_WAIT);
    while (!h->stop && (err == 0 || err == -ETIMEDOUT || err == -EINTR));
    return NULL;
}

static void
one_turn(void *service)
{
    service_step(service, 0);
}

static int
start_baseline(struct host *h)
{
    const struct ipc_mechanism *m = h->m;
    void *srv = calloc(1, m->server_size);
    int err = -ENOMEM;

    h->service = calloc(1, sizeof *h->service);
    if (srv == NULL || h->service == NULL)
        goto free_memory;
    err = m->create(srv, h->where);
    if (err != 0)
        goto free_memory;
    err = service_init(h->service, m, srv, &h->stop);
    if (err != 0)
        goto destroy;
    if (m->caps & IPC_CALLED)
        return 0;
    err = -pthread_create(&h->thread, NULL, baseline, h);
    if (err == 0)
        return 0;
    service_free(h->service);
destroy:
    m->destroy(srv);
free_memory:
    free(h->service);
    free(srv);
    h->service = NULL;
    return err;
}

static void
stop_baseline(struct host *h)
{
    void *srv = h->service->srv;

    h->stop = 1;
    if (!(h->m->caps & IPC_CALLED))
        pthread_join(h->thread, NULL);
    service_free(h->service);
    h->m->destroy(srv);
    free(srv);
    free(h->service);
    h->service = NULL;
}

/* -- all of them ----------------------------------------------------------- */

int
host_start(struct host *h, const struct ipc_mechanism *m, const char *dir,
           const struct host_options *options)
{
    int err;

    *h = (struct host){.m = m, .options = *options};
    if (strlen(dir) >= sizeof h->dir)
        return -ENAMETOOLONG;
    strcpy(h->dir, dir);
    err = options->ipcd != NULL && strlen(options->ipcd) >= sizeof h->program
              ? -ENAMETOOLONG
              : 0;
    if (err == 0 && options->ipcd != NULL)
        strcpy(h->program, options->ipcd);
    else if (err == 0)
        err = program_path("ipcd", h->program, sizeof h->program);
    if (err == 0)
        err = rundir_make(dir);
    if (err >= 0)
        err = endpoint_name(m, dir, h->where);
    if (err != 0)
        return err;
    if (m->caps & IPC_INPROCESS)
        return start_baseline(h);
    if (m->caps & IPC_SPAWNED) {
        strcpy(h->where, h->program);
        return 0;
    }
    return start_daemon(h);
}

int
host_client(struct host *h, struct client *c)
{
    cpu_set_t mine;
    bool moves = (h->m->caps & IPC_SPAWNED) && h->options.cpu >= 0;
    int err;

    /* A spawned server inherits the CPU on which open() forks it. */
    if (moves && sched_getaffinity(0, sizeof mine, &mine) == -1)
        return -errno;
    if (moves)
        pin(h->options.cpu);
    err = client_open(c, h->m, h->where);
    if (moves)
        sched_setaffinity(0, sizeof mine, &mine);
    if (err == 0 && (h->m->caps & IPC_CALLED)) {
        c->turn = one_turn;
        c->server = h->service;
    }
    return err;
}

int
host_stop(struct host *h)
{
    int status = 0;

    if (h->service != NULL)
        stop_baseline(h);
    if (h->pid > 0) {
        spawn_signal(&h->daemon, SIGTERM);
        spawn_wait(&h->daemon, &status, NO_DEADLINE);
        h->pid = h->server = 0;
    }
    return status;
}
