/*
 * ipcd.c - the server: its command line, and in which form it serves.
 *
 *   ipcd -m socket/stream -m fifo/perclient     a daemon, a process for each;
 *                                               root is given up: confine.h
 *   ipcd --stdio -m pipe/coprocess              started by its client
 *   ipcd --sweep                                what a killed one left
 *
 * ipcd.h names the parts that do it.
 */
#define _GNU_SOURCE /* argp */
#include "server/ipcd.h"

#include "core/activation.h"
#include "core/args.h"
#include "core/defence.h"
#include "core/program.h"
#include "server/audit.h"
#include "server/settings.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sysexits.h>
#include <unistd.h>

const char *argp_program_version = ARGS_VERSION("ipcd");

static struct ipcd ipcd;

static struct {
    bool stdio, sweep, has_dir;
} options;

/* -- command line --------------------------------------------------------- */

enum {
    KEY_STDIO = 256,
    KEY_READY_FD,
    KEY_RUN_DIR,
    KEY_LISTEN,
    KEY_SWEEP,
    KEY_USER,
    KEY_KEEP_ROOT
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
     "when clients can connect, write a line for each endpoint to FD, its "
     "process and its name, and close FD",
     0},
    {"listen", KEY_LISTEN, "ADDRESS[:PORT]", 0,
     "for mechanisms that reach other hosts (default: 127.0.0.1, a port the "
     "kernel chooses)",
     0},
    {"user", KEY_USER, "NAME|UID[:GID]", 0,
     "once the endpoints are made, run as this user, with the rights that "
     "serving takes and no others; who is not root can only name himself "
     "(default, started by root: ipclab, or a uid that nobody has)",
     0},
    {"keep-root", KEY_KEEP_ROOT, NULL, 0,
     "started by root, serve as root, with all its rights", 0},
    {"sweep", KEY_SWEEP, NULL, 0,
     "remove what a killed server left in the run directory (none named: and "
     "what killed runs of ipcattack and ipcbench left in $TMPDIR and /tmp), "
     "and exit",
     0},
    {0},
};

static void
add_mechanism(struct argp_state *state, const char *name)
{
    const struct ipc_mechanism *m =
        args_mechanism(state, name, "it cannot be served");

    for (size_t i = 0; i < ipcd.count; i++)
        if (ipcd.endpoints[i].m == m)
            argp_error(state, "-m %s is given twice", name);
    if (ipcd.count == MAX_ENDPOINTS)
        argp_error(state, "at most %d mechanisms", MAX_ENDPOINTS);
    else
        ipcd.endpoints[ipcd.count++].m = m;
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
        if (!args_address(arg, false))
            argp_error(state,
                       "--listen=%s: ADDRESS or ADDRESS:PORT, IPv4, a port up "
                       "to 65535",
                       arg);
        setenv(LISTEN_VARIABLE, arg, 1);
        return 0;
    case KEY_SWEEP:
        options.sweep = true;
        return 0;
    case KEY_USER:
        if (service_user_parse(arg, &ipcd.user) != 0)
            argp_error(state, "--user=%s: not a user, or not one to serve as",
                       arg);
        ipcd.has_user = true;
        return 0;
    case KEY_KEEP_ROOT:
        ipcd.keep_root = true;
        return 0;
    case KEY_READY_FD:
        fd = strtol(arg, &end, 10);
        if (*arg == '\0' || *end != '\0' || fd < 3 || fd > INT32_MAX)
            argp_error(state, "--ready-fd=%s: a descriptor number above 2",
                       arg);
        ipcd.ready_fd = (int)fd;
        return 0;
    case KEY_RUN_DIR:
        if (strlen(arg) >= sizeof ipcd.dir)
            argp_error(state, "--run-dir: at most %zu bytes",
                       sizeof ipcd.dir - 1);
        else
            strcpy(ipcd.dir, arg);
        options.has_dir = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is too much; mechanisms go with -m", arg);
        return 0;
    case ARGP_KEY_END:
        if (ipcd.count == 0 && !options.sweep)
            argp_error(state, "which mechanism? Say -m NAME; `ipcbench list` "
                              "names them");
        if (options.stdio && ipcd.count != 1)
            argp_error(state, "--stdio serves exactly one mechanism");
        if (ipcd.has_user && geteuid() != 0 &&
            (ipcd.user.uid != geteuid() || ipcd.user.gid != getegid()))
            argp_error(state, "--user: only root can become somebody else");
        if (ipcd.keep_root && (ipcd.has_user || options.stdio))
            argp_error(state, "--keep-root is for a daemon without --user");
        if (ipcd.keep_root && geteuid() != 0)
            argp_error(state, "--keep-root: only root has root's rights");
        if (ipcd.has_user && options.stdio)
            argp_error(state, "--user is for a daemon; --stdio is the "
                              "client's own server");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* -- the forms ------------------------------------------------------------ */

/* ThreadSanitizer has a thread of its own, which would keep its rights. */
#ifdef IPCLAB_TSAN
#define CAN_CONFINE false
#else
#define CAN_CONFINE true
#endif

/* Root does not serve as root, unless it says so. */
static int
choose_user(void)
{
    int err = 0;

    if (geteuid() != 0 || ipcd.has_user)
        return 0;
    if (ipcd.keep_root || !CAN_CONFINE) {
        fputs("ipcd: serves as root, with all its rights\n", stderr);
        return 0;
    }
    err = service_user_default(&ipcd.user);
    if (err == -ERANGE) {
        fputs("ipcd: serves as the root of this user namespace, which has no "
              "other uid to become\n",
              stderr);
        return 0;
    }
    if (err != 0)
        ipcd_complain("no user to become", "say --user or --keep-root", err);
    ipcd.has_user = err == 0;
    return err;
}

/* A textbook form opens what its clients have made for themselves alone, and
 * they what it has made: it serves the user as whom it runs. */
static bool
would_lose_its_user(void)
{
    for (size_t i = 0; i < ipcd.count; i++)
        if (ipcd.has_user && ipcd.user.uid != geteuid() &&
            (ipcd.endpoints[i].m->caps & IPC_TEXTBOOK)) {
            fprintf(stderr,
                    "ipcd: %s is a textbook form, and serves the user as whom "
                    "it runs: start it as\nan ordinary user; or, for root "
                    "alone, say --keep-root\n",
                    ipcd.endpoints[i].m->name);
            return true;
        }
    return false;
}

static int
run_daemon(void)
{
    int made = rundir_make(ipcd.dir), status, err;

    err = made < 0 ? made : rundir_spell(ipcd.dir);
    if (err < 0) {
        ipcd_complain(ipcd.dir,
                      err == -EPERM
                          ? "must be yours and writable by nobody else"
                          : "cannot use it as run directory",
                      err);
        return EXIT_FAILURE;
    }
    if (geteuid() == 0 && !rundir_in_memory(ipcd.dir))
        fprintf(stderr,
                "ipcd: goes on without a run directory in memory: who can read "
                "a file of %s can keep it waiting\n",
                ipcd.dir);
    status = choose_user() != 0 || would_lose_its_user()
                 ? EXIT_FAILURE
                 : supervisor_run(&ipcd);
    if (made == 1)
        rmdir(ipcd.dir);
    return status;
}

static void
end(int signal_number)
{
    (void)signal_number;
    ipcd.stop = 1;
}

static int
run_stdio(void)
{
    struct sigaction sa = {.sa_handler = end};
    struct endpoint *e = &ipcd.endpoints[0];
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
    err = endpoint_create(e, &ipcd.stop);
    if (err == 0) {
        err = service_run(&e->service);
        endpoint_destroy(e);
    }
    if (err != 0)
        ipcd_complain(e->m->name, "stopped", err);
    audit_off();
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
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

    if (!elevated)
        program_begin("ipcd");
    else if (confine_inherited() != 0)
        return EX_OSERR;
    if (argc < 1)
        return EX_USAGE;
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    if (DEFENCE("refused", !elevated && confine_was_refused_rights(), false)) {
        fputs("ipcd: installed set-user-ID, but started without the rights of "
              "its owner: the caller has no_new_privs, or the file system is "
              "mounted nosuid\n",
              stderr);
        return EX_NOPERM;
    }
    signal(SIGXFSZ, SIG_IGN); /* write(2) says EFBIG, and the server lives */
    if (activation_begin(why) != 0) {
        fprintf(stderr, "ipcd: activated, but %s\n", why);
        return EX_PROTOCOL;
    }
    if (elevated && !options.stdio) {
        fputs("ipcd: installed set-user-ID it only serves --stdio\n", stderr);
        return EX_USAGE;
    }
    if (!options.stdio && !options.has_dir && rundir_default(ipcd.dir) != 0) {
        fputs("ipcd: the run directory's path is too long; use --run-dir\n",
              stderr);
        return EX_USAGE;
    }
    if (settings_apply(elevated, ipcd.dir) != 0)
        return EX_CONFIG;
    if (options.stdio)
        return run_stdio();
    if (options.sweep && !options.has_dir)
        sweep_scratches();
    return options.sweep ? sweep_run(ipcd.dir) : run_daemon();
}
