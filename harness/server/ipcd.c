/*
 * ipcd.c - the server.
 *
 *   ipcd -m socket/stream -m fifo/perclient     a daemon, one thread for each
 *   ipcd --stdio -m pipe/coprocess              started by its client
 *   ipcd --user ipclab -m ...                   a daemon that is root no more:
 *                                               confine.h
 *
 * As a daemon the main thread makes every endpoint, starts a thread for each
 * and then only waits for a signal.  The threads are blocked in whatever their
 * mechanism blocks in; what gets them out is a signal too (WAKE), because that
 * is the one thing that interrupts every system call there is.
 */
#define _GNU_SOURCE /* pthread_tryjoin_np */
#include "core/activation.h"
#include "core/clock.h"
#include "core/defence.h"
#include "core/rundir.h"
#include "server/confine.h"
#include "server/handover.h"
#include "server/methods.h"
#include "server/audit.h"
#include "server/service.h"
#include "server/settings.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define WAKE          SIGUSR1
#define MAX_ENDPOINTS 64

struct endpoint {
    const struct ipc_mechanism *m;
    char name[ENDPOINT_SIZE];
    int lock;
    void *srv;
    struct service service;
    pthread_t thread;
    int result; /* of service_run() */
};

static struct endpoint endpoints[MAX_ENDPOINTS];
static size_t endpoint_count;
static atomic_int stop;

static struct options {
    char dir[ENDPOINT_SIZE];
    int ready_fd;
    bool stdio, sweep, has_dir, has_user;
    struct service_user user;
} options = {.ready_fd = -1};

static void
complain(const char *who, const char *what, int err)
{
    fprintf(stderr, "ipcd: %s: %s: %s\n", who, what, strerror(-err));
}

/* -- command line ----------------------------------------------------------- */

enum {
    KEY_STDIO = 256,
    KEY_READY_FD,
    KEY_RUN_DIR,
    KEY_LISTEN,
    KEY_SWEEP,
    KEY_USER
};

static const struct argp_option option_list[] = {
    {"mechanism", 'm', "NAME", 0,
     "serve this mechanism; may be repeated (`ipcbench list` names them)", 0},
    {"run-dir", KEY_RUN_DIR, "DIR", 0,
     "where the endpoints are (default: $IPCLAB_DIR, /run/ipclab for root, "
     "$XDG_RUNTIME_DIR/ipclab)",
     0},
    {"stdio", KEY_STDIO, NULL, 0,
     "speak on descriptors 0 and 1: the form a client starts; fit to be "
     "installed set-user-ID",
     0},
    {"ready-fd", KEY_READY_FD, "FD", 0,
     "write a byte to FD and close it when clients can connect", 0},
    {"listen", KEY_LISTEN, "ADDRESS[:PORT]", 0,
     "for mechanisms that reach other hosts (default: 127.0.0.1, a port the "
     "kernel chooses)",
     0},
    {"user", KEY_USER, "NAME|UID[:GID]", 0,
     "once the endpoints are made, run as this user, with the rights that "
     "serving takes and no others; who is not root can only name himself",
     0},
    {"sweep", KEY_SWEEP, NULL, 0,
     "remove what a killed server left in the run directory, and exit", 0},
    {0},
};

static void
add_mechanism(struct argp_state *state, const char *name)
{
    const struct ipc_mechanism *m = ipc_find(name);

    if (m == NULL)
        argp_error(state,
                   "no mechanism is called '%s'; `ipcbench list` names "
                   "those there are",
                   name);
    else if (m->caps & IPC_INPROCESS)
        argp_error(state,
                   "%s is a baseline inside one process; it cannot be "
                   "served",
                   name);
    else if (endpoint_count == MAX_ENDPOINTS)
        argp_error(state, "at most %d mechanisms", MAX_ENDPOINTS);
    else
        endpoints[endpoint_count++].m = m;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    char *end;
    long fd;

    switch (key) {
    case 'm':
        add_mechanism(state, arg);
        return 0;
    case KEY_STDIO:
        options.stdio = true;
        return 0;
    case KEY_LISTEN: /* for the mechanism: rundir.h, LISTEN_VARIABLE */
        setenv(LISTEN_VARIABLE, arg, 1);
        return 0;
    case KEY_SWEEP:
        options.sweep = true;
        return 0;
    case KEY_USER:
        if (service_user_parse(arg, &options.user) != 0)
            argp_error(state, "--user=%s: not a user, or not one to serve as",
                       arg);
        options.has_user = true;
        return 0;
    case KEY_READY_FD:
        fd = strtol(arg, &end, 10);
        if (*arg == '\0' || *end != '\0' || fd < 3 || fd > INT32_MAX)
            argp_error(state, "--ready-fd=%s: a descriptor number above 2",
                       arg);
        options.ready_fd = (int)fd;
        return 0;
    case KEY_RUN_DIR:
        if (strlen(arg) >= sizeof options.dir)
            argp_error(state, "--run-dir: at most %zu bytes",
                       sizeof options.dir - 1);
        else
            strcpy(options.dir, arg);
        options.has_dir = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is too much; mechanisms go with -m", arg);
        return 0;
    case ARGP_KEY_END:
        if (endpoint_count == 0 && !options.sweep)
            argp_error(state, "which mechanism? Say -m NAME; `ipcbench list` "
                              "names them");
        if (options.stdio && endpoint_count != 1)
            argp_error(state, "--stdio serves exactly one mechanism");
        if (options.has_user && geteuid() != 0 &&
            (options.user.uid != geteuid() || options.user.gid != getegid()))
            argp_error(state, "--user: only root can become somebody else");
        if (options.has_user && options.stdio)
            argp_error(state, "--user is for a daemon; --stdio is the "
                              "client's own server");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void
print_version(FILE *out, struct argp_state *state)
{
    (void)state;
    fprintf(out, "ipcd of ipclab, protocol %d\n", WIRE_VERSION);
}

/* -- one endpoint ------------------------------------------------------------ */

/* Makes the server's state and its service.  The name must be locked. */
static int
create(struct endpoint *e)
{
    int err;

    e->srv = calloc(1, e->m->server_size);
    if (e->srv == NULL)
        return -ENOMEM;
    err = e->m->create(e->srv, e->name);
    if (err != 0)
        goto free_state;
    err = service_init(&e->service, e->m, e->srv, &stop);
    if (err != 0)
        goto destroy;
    return 0;

destroy:
    e->m->destroy(e->srv);
free_state:
    free(e->srv);
    return err;
}

static void
destroy(struct endpoint *e)
{
    service_free(&e->service);
    e->m->destroy(e->srv);
    free(e->srv);
}

/* Has systemd made it, and not given it to us?  To replace it would take away what
 * it listens at. */
static bool
is_somebody_elses(const char *name)
{
    char flat[ENDPOINT_SIZE];

    return endpoint_activated(name) && !activation_owns(name) &&
           (endpoint_flat(name, flat) != 0 || !activation_owns(flat));
}

static int
open_endpoint(struct endpoint *e)
{
    const char *why = ipc_unavailable(e->m);
    pid_t holder = -1;
    int err;

    if (e->m->caps & IPC_SPAWNED) {
        fprintf(stderr,
                "ipcd: %s is started by its client, no daemon is "
                "needed: try `ipcctl -m %s whoami`\n",
                e->m->name, e->m->name);
        return -EINVAL;
    }
    if (why != NULL) {
        fprintf(stderr, "ipcd: %s cannot run here: %s\n", e->m->name, why);
        return -ENOTSUP;
    }
    err = endpoint_name(e->m, options.dir, e->name);
    if (err != 0) {
        complain(options.dir, "the path is too long for a socket", err);
        return err;
    }
    if (is_somebody_elses(e->name)) {
        fprintf(stderr,
                "ipcd: %s: is systemd's; stop its .socket unit or use another "
                "--run-dir\n",
                e->name);
        return -EEXIST;
    }
    e->lock = endpoint_lock(e->name, &holder);
    if (e->lock == -EEXIST) {
        fprintf(stderr,
                "ipcd: %s: another ipcd serves it here (pid %jd); stop that "
                "one or use another --run-dir\n",
                e->name, (intmax_t)holder);
        return -EEXIST;
    }
    if (e->lock < 0) {
        complain(e->name, "cannot lock", e->lock);
        return e->lock;
    }
    if (options.has_user)
        err = endpoint_becomes(e->name, options.user.uid);
    if (err == 0)
        err = create(e);
    if (err != 0) {
        complain(e->m->name, e->name, err);
        endpoint_unlock(e->name, e->lock);
    }
    return err;
}

static void
close_endpoint(struct endpoint *e)
{
    destroy(e);
    endpoint_unlock(e->name, e->lock);
}

static void *
run_endpoint(void *arg)
{
    struct endpoint *e = arg;

    e->result = service_run(&e->service);
    if (!stop)
        kill(getpid(), SIGTERM); /* it failed; do not go on half */
    return NULL;
}

/* -- the daemon --------------------------------------------------------------- */

static void
wake(int signal_number)
{
    (void)signal_number; /* only has to interrupt */
}

/* Signals that end the program are blocked in every thread and taken by the
 * main one with sigwait(3): no handler, no race. */
static void
ending_signals(sigset_t *ending)
{
    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
    sigaddset(ending, SIGINT);
    sigaddset(ending, SIGHUP);
}

static int
prepare_signals(sigset_t *ending)
{
    struct sigaction sa = {.sa_handler = wake}; /* without SA_RESTART */

    ending_signals(ending);
    if (sigprocmask(SIG_BLOCK, ending, NULL) == -1 ||
        sigaction(WAKE, &sa, NULL) == -1 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    return 0;
}

/* A signal that comes just before the thread blocks is lost; so it is sent
 * again until the thread has gone. */
static void
join(struct endpoint *e)
{
    const struct timespec soon = {.tv_nsec = 2 * NS_PER_MS};

    pthread_kill(e->thread, WAKE);
    while (pthread_tryjoin_np(e->thread, NULL) == EBUSY) {
        nanosleep(&soon, NULL);
        pthread_kill(e->thread, WAKE);
    }
}

static int
announce(void)
{
    int err = 0;

    for (size_t i = 0; i < endpoint_count; i++)
        fprintf(stderr, "ipcd: serving %s at %s\n", endpoints[i].m->name,
                endpoints[i].name);
    activation_notify("READY=1");
    if (options.ready_fd != -1) {
        if (write(options.ready_fd, "", 1) == -1)
            err = -errno;
        close(options.ready_fd);
    }
    return err;
}

static int
serve(void)
{
    sigset_t ending;
    size_t running = 0;
    int got = 0, err = prepare_signals(&ending);

    for (; err == 0 && running < endpoint_count; running++) {
        struct endpoint *e = &endpoints[running];

        err = -pthread_create(&e->thread, NULL, run_endpoint, e);
        if (err != 0)
            break;
    }
    if (err == 0)
        err = announce();
    while (err == 0 && sigwait(&ending, &got) == 0 && got == SIGHUP &&
           settings_reloads())
        settings_reload();
    activation_notify("STOPPING=1");
    stop = 1;
    for (size_t i = 0; i < running; i++) {
        join(&endpoints[i]);
        if (endpoints[i].result != 0) {
            complain(endpoints[i].m->name, "stopped", endpoints[i].result);
            err = endpoints[i].result;
        }
    }
    return err;
}

/* With --user: from here on no more than serving takes. */
static int
give_up_rights(bool own_namespaces)
{
    char why[CONFINE_WHY] = "";
    rights kept = 0;
    int err;

    for (size_t i = 0; i < endpoint_count; i++)
        kept |= rights_needed(endpoints[i].m);
    if (!own_namespaces) /* the name it would change is everybody's */
        kept &= ~RIGHT(SYS_ADMIN);
    err = confine(&options.user, kept, why);
    if (err != 0)
        fprintf(stderr, "ipcd: cannot be confined, will not serve: %s\n", why);
    return err;
}

/* Makes every endpoint and serves until it is told to stop. */
static int
run_server(void)
{
    bool own_namespaces = false;
    size_t opened;
    int err = 0;

    if (options.has_user && geteuid() == 0) {
        err = namespaces_make(options.dir);
        own_namespaces = err == 0;
        if (err != 0)
            complain("goes on without its own mounts and host name",
                     "the files are writable as its rights permit", err);
        err = 0;
    }
    for (opened = 0; opened < endpoint_count; opened++) {
        err = open_endpoint(&endpoints[opened]);
        if (err != 0)
            break;
    }
    if (err == 0 && activation_left() != NULL) {
        fprintf(stderr,
                "ipcd: no mechanism that is served (-m) wants %s, with "
                "which ipcd was activated\n",
                activation_left());
        err = -EINVAL;
    }
    if (err == 0 && options.has_user)
        err = give_up_rights(own_namespaces);
    if (err == 0)
        err = serve();
    while (opened > 0)
        close_endpoint(&endpoints[--opened]);
    audit_off();
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int sweep_endpoint(const struct ipc_mechanism *m,
                          char name[ENDPOINT_SIZE]);

/*
 * A confined server cannot remove what it made as root: that takes a right to
 * write where clients look for endpoints.  So its parent stays root, and does
 * nothing but wait for it; then it removes what is left, however the server
 * ended.
 */
static int
supervise(pid_t server, const sigset_t *heard)
{
    char name[ENDPOINT_SIZE];
    int got, status = 0;
    struct stat log;

    if (options.ready_fd != -1)
        close(options.ready_fd);
    while (waitpid(server, &status, WNOHANG) == 0)
        if (sigwait(heard, &got) == 0 && got != SIGCHLD) {
            if (got == SIGHUP)
                handover_send();
            kill(server, got);
        }
    for (size_t i = 0; i < endpoint_count; i++)
        sweep_endpoint(endpoints[i].m, name);
    if (stat(settings.log, &log) == 0 && log.st_size == 0)
        unlink(settings.log);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "ipcd: the server died of signal %d (%s)\n",
            WTERMSIG(status), strsignal(WTERMSIG(status)));
    return EXIT_FAILURE;
}

static int
run_supervised(void)
{
    sigset_t heard, before;
    pid_t server;
    int err = log_open();

    if (err != 0)
        complain(settings.log, "append_log will not work", err);
    err = handover_begin();
    if (err != 0) {
        complain("socketpair", "cannot start the server", err);
        return EXIT_FAILURE;
    }
    signal(SIGCHLD, SIG_DFL); /* ignored, children would leave no status */
    ending_signals(&heard);
    sigaddset(&heard, SIGCHLD);
    sigprocmask(SIG_BLOCK, &heard, &before);
    server = fork();
    if (server == -1) {
        complain("fork", "cannot start the server", -errno);
        return EXIT_FAILURE;
    }
    if (server > 0) {
        handover_be_supervisor();
        return supervise(server, &heard);
    }
    handover_be_server();
    sigprocmask(SIG_SETMASK, &before, NULL);
    /* The supervisor's buffers and handlers are its own. */
    _exit(run_server());
}

static int
run_daemon(void)
{
    int made = rundir_make(options.dir), status;

    if (made < 0) {
        complain(options.dir,
                 made == -EPERM ? "must be yours and writable by nobody else"
                                : "cannot use it as run directory",
                 made);
        return EXIT_FAILURE;
    }
    status =
        options.has_user && geteuid() == 0 ? run_supervised() : run_server();
    if (made == 1)
        rmdir(options.dir);
    /* LeakSanitizer, at exit(3), would trace us: confined, that is fatal. */
    if (options.has_user)
        _exit(status);
    return status;
}

/* -- the spawned form ---------------------------------------------------------- */

static void
end(int signal_number)
{
    (void)signal_number;
    stop = 1;
}

static int
run_stdio(void)
{
    struct sigaction sa = {.sa_handler = end};
    struct endpoint *e = &endpoints[0];
    int err;

    if (e->m == NULL) /* cannot be: parse_option() wants exactly one */
        return EX_SOFTWARE;
    if (!(e->m->caps & IPC_SPAWNED)) {
        fprintf(stderr, "ipcd: %s needs a daemon; leave out --stdio\n",
                e->m->name);
        return EX_USAGE;
    }
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    err = create(e);
    if (err == 0) {
        err = service_run(&e->service);
        destroy(e);
    }
    if (err != 0)
        complain(e->m->name, "stopped", err);
    audit_off();
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -- sweeping -------------------------------------------------------------------- */

/* 1: removed something; 0: there was nothing; -EEXIST: it is being served. */
static int
sweep_endpoint(const struct ipc_mechanism *m, char name[ENDPOINT_SIZE])
{
    char path[ENDPOINT_SIZE];
    bool crashed;
    int lock, swept, err = endpoint_name(m, options.dir, name);

    if (err != 0 || endpoint_file(name, ".lock", path) != 0)
        return 0; /* nobody can have served it here */
    crashed = access(path, F_OK) == 0;
    lock = endpoint_lock(name, NULL);
    if (lock < 0)
        return lock;
    swept = m->sweep != NULL ? m->sweep(name) : 0;
    endpoint_unlock(name, lock);
    return swept != 0 ? swept : crashed;
}

static int
run_sweep(void)
{
    int removed = 0;

    if (access(options.dir, F_OK) == -1) {
        printf("ipcd: nothing to sweep: there is no %s\n", options.dir);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; ipc_registry[i] != NULL; i++) {
        char name[ENDPOINT_SIZE];
        int swept;

        if (ipc_registry[i]->caps & (IPC_SPAWNED | IPC_INPROCESS))
            continue;
        if (endpoint_name(ipc_registry[i], options.dir, name) == 0 &&
            endpoint_activated(name)) {
            printf("ipcd: %s: is systemd's, left alone (systemctl stop its "
                   ".socket unit)\n",
                   name);
            continue;
        }
        swept = sweep_endpoint(ipc_registry[i], name);
        if (swept == -EEXIST)
            printf("ipcd: %s: is being served, left alone\n", name);
        else if (swept < 0)
            complain(name, "cannot sweep", swept);
        else if (swept > 0)
            printf("ipcd: removed what was left of %s\n", name);
        removed += swept > 0;
    }
    if (removed == 0)
        printf("ipcd: nothing to sweep in %s\n", options.dir);
    rmdir(options.dir); /* stays if anything else is in it */
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&settings_argp, 0, "Who may do what (harness/server/README.md):", 1},
        {0}};
    static const struct argp argp = {
        option_list,
        parse_option,
        NULL,
        "Serves the ipclab protocol over the IPC mechanisms named.",
        children,
        NULL,
        NULL};
    /* AT_SECURE: the kernel says that we have more rights than our caller. */
    bool elevated = getauxval(AT_SECURE) != 0;
    char why[ACTIVATION_WHY];

    if ((elevated ? confine_inherited() : fill_standard_descriptors()) != 0)
        return EX_OSERR;
    if (argc < 1)
        return EX_USAGE;
    argp_program_version_hook = print_version;
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    if (DEFENCE("refused", !elevated && confine_was_refused_rights(), false)) {
        fputs("ipcd: installed set-user-ID, but started without the rights of "
              "its owner: the caller has no_new_privs, or the file system is "
              "mounted nosuid\n",
              stderr);
        return EX_NOPERM;
    }
    if (activation_begin(why) != 0) {
        fprintf(stderr, "ipcd: activated, but %s\n", why);
        return EX_PROTOCOL;
    }
    if (elevated && !options.stdio) {
        fputs("ipcd: installed set-user-ID it only serves --stdio\n", stderr);
        return EX_USAGE;
    }
    if (settings_apply(elevated, options.dir) != 0)
        return EX_CONFIG;
    if (options.stdio)
        return run_stdio();
    if (!options.has_dir && rundir_default(options.dir) != 0) {
        fputs("ipcd: the run directory's path is too long; use --run-dir\n",
              stderr);
        return EX_USAGE;
    }
    return options.sweep ? run_sweep() : run_daemon();
}
