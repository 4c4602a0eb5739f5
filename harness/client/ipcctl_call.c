/* ipcctl_call.c - one call, and what is printed of it. */
#define _GNU_SOURCE /* strerrorname_np */
#include "client/ipcctl.h"

#include "core/clock.h"
#include "core/rundir.h"
#include "core/utf8.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* -- output --------------------------------------------------------------- */

/* What a server says, which may repeat what others have said to it. */
void
print_text(FILE *out, const struct api_value *v)
{
    const unsigned char *s = (const unsigned char *)v->at;

    for (size_t i = 0, n; i < v->len; i += n) {
        uint32_t code = 0;

        n = utf8_decode(s + i, v->len - i, &code);
        if (n > 0 && utf8_is_harmless(code)) {
            fwrite(s + i, 1, n, out);
            continue;
        }
        n = n > 0 ? n : 1;
        for (size_t k = 0; k < n; k++)
            fprintf(out, "\\x%02x", s[i + k]);
    }
}

/* A listening socket has no contents, but an address. */
static void
print_address(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    char host[INET_ADDRSTRLEN];

    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
        at.sin_family == AF_INET &&
        inet_ntop(AF_INET, &at.sin_addr, host, sizeof host) != NULL)
        printf("%s:%u, as long as ipcctl lives\n", host, ntohs(at.sin_port));
}

static void
print_contents(int fd)
{
    char buf[65536];
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
        print_address(fd);
    while ((n = read(fd, buf, sizeof buf)) > 0)
        fwrite(buf, 1, (size_t)n, stdout);
}

/* One result: its value.  Several: name=value, one a line.  Bytes and files
 * come as they are, nothing added. */
static void
print_results(const struct api_field *fields, const struct api_value *v, int fd)
{
    bool alone = fields[0].type == API_END || fields[1].type == API_END;

    if (fields[0].type == API_BYTES) { /* with eof, for scripts, left out */
        fwrite(v->at, 1, v->len, stdout);
        return;
    }
    for (; fields->type != API_END; fields++, v++) {
        if (!alone)
            printf("%s=", fields->name);
        switch (fields->type) {
        case API_U32:
            printf("%" PRIu32, v->u32);
            break;
        case API_U64:
            printf("%" PRIu64, v->u64);
            break;
        case API_I32:
            printf("%" PRId32, v->i32);
            break;
        case API_I64:
            printf("%" PRId64, v->i64);
            break;
        case API_STRING:
        case API_BYTES:
            print_text(stdout, v);
            break;
        case API_FD:
            print_contents(fd);
            continue;
        case API_END:
            break;
        }
        putchar('\n');
    }
}

int
print_reply(const struct api_method *method, const struct reply *r)
{
    if (r->status == WIRE_OK) {
        print_results(method->results, r->results, r->fd);
    } else {
        fprintf(stderr, "ipcctl: %s: %s", method->name,
                api_status_name(r->status));
        if (r->message.len > 0)
            fputs(": ", stderr);
        print_text(stderr, &r->message);
        if (r->os_error != 0)
            fprintf(stderr, " [%s]", strerrorname_np(r->os_error));
        fputs("\n", stderr);
    }
    if (r->fd != -1)
        close(r->fd);
    return r->status == WIRE_OK ? EXIT_SUCCESS : SAID_NO;
}

/* -- talking -------------------------------------------------------------- */

/* Says why it did not work and what to do about it. */
static int
cannot_talk(const char *where, int err, const char *why)
{
    const char *name = options.m->name;
    bool spawned = (options.m->caps & IPC_SPAWNED) != 0;

    fprintf(stderr, "ipcctl: %s: ", name);
    switch (-err) {
    case ENOENT:
    case ECONNREFUSED:
        if (spawned)
            fprintf(stderr, "no server program at %s; say --server PROGRAM",
                    where);
        else
            fprintf(stderr,
                    "no server at %s; start one with `ipcd -m %s`, or say with "
                    "--run-dir or $IPCLAB_DIR where it is",
                    where, name);
        break;
    case EACCES:
        fprintf(stderr, "%s is not for uid %ju%s", where, (uintmax_t)getuid(),
                options.m->caps & IPC_TRUSTING
                    ? ": a server that trusts its clients serves its own user"
                    : "");
        break;
    case EPERM:
        fprintf(stderr,
                "what stands at %s cannot be trusted: it must belong to the "
                "owner of its directory, and nobody else may write there",
                where);
        break;
    case EAGAIN:
        fprintf(stderr,
                spawned ? "no process can be made for the server now: too many "
                          "are running (ulimit -u)"
                        : "the server has all the clients it can take; try "
                          "again");
        break;
    case ENOBUFS:
        fprintf(stderr, "no timer or no signal can be had for a time limit "
                        "(RLIMIT_SIGPENDING, ulimit -i)");
        break;
    case EMFILE:
        fprintf(stderr, "more descriptors are needed than may be open (ulimit "
                        "-n)");
        break;
    case EHOSTUNREACH:
        fprintf(stderr, "%s: no way to such a host", where);
        break;
    case EPROTONOSUPPORT:
        fprintf(stderr,
                "the server is a program of another word size than this one "
                "(%zu bits), and what both share would differ; use another "
                "mechanism, or the server's ipcctl",
                8 * sizeof(long));
        break;
    case EPROTO:
        fprintf(stderr, "the server's answer is not of the protocol: %s", why);
        break;
    case ETIMEDOUT:
        fprintf(stderr, "no answer within the time (%.3g s)",
                (double)options.timeout_ns / (double)NS_PER_SEC);
        break;
    case EPIPE:
        fprintf(stderr, "the server closed the connection, or died");
        break;
    case EMSGSIZE:
        fprintf(stderr,
                "the arguments are too long for this mechanism: a "
                "message has at most its limit (`ipcbench list`), "
                "header of %zu bytes included",
                (size_t)WIRE_HEADER);
        break;
    case EFBIG:
        fprintf(stderr, "the limit on the size of files (RLIMIT_FSIZE, ulimit "
                        "-f) leaves no room to make what this mechanism needs");
        break;
    case EINTR:
        fprintf(stderr, "interrupted");
        break;
    default:
        fprintf(stderr, "%s", ipc_strerror(err));
    }
    fputs("\n", stderr);
    return CANNOT_TALK;
}

static volatile sig_atomic_t interrupted;

static int
talk(const struct api_method *method, const struct api_value *args,
     const char *where)
{
    const bool answers = !(options.m->caps & IPC_ONEWAY);
    struct client c;
    struct reply r;
    int err;

    ipc_open_timeout = options.timeout_ns;
    err = client_open(&c, options.m, where);
    if (err != 0)
        return cannot_talk(where, err, NULL);
    c.stop = &interrupted;
    c.watch = options.trace ? trace_frame : NULL;
    if (interrupted) {
        err = -EINTR;
    } else if (answers && method->number == API_describe &&
               options.word_count == 1) {
        err = describe_theirs(&c, method);
    } else if (answers && method->number == API_stats) {
        err = stats_of(&c, method);
    } else {
        err = client_call(&c, method, args, &r, options.timeout_ns);
        if (err == 0 && (options.m->caps & IPC_ONEWAY))
            fprintf(stderr,
                    "ipcctl: sent; %s has no way back: nobody will say "
                    "whether it was done\n",
                    options.m->name);
        else if (err == 0)
            err = print_reply(method, &r);
    }
    client_close(&c);
    return err < 0 ? cannot_talk(where, err, c.why) : err;
}

/* A signal that comes a moment before a system call that waits would not
 * interrupt it: so once told to stop we go on being told, by SIGALRM. */
static void
interrupt(int signal_number)
{
    static const struct itimerval often = {{0, 20000}, {0, 20000}}; /* us */

    (void)signal_number;
    if (!interrupted)
        setitimer(ITIMER_REAL, &often, NULL);
    interrupted = 1;
}

void
ctl_catch_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
    struct sigaction sa = {.sa_handler = interrupt}, now; /* no SA_RESTART */

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (sigaction(ends[i], NULL, &now) == 0 &&
            (now.sa_handler != SIG_IGN || ends[i] == SIGALRM))
            sigaction(ends[i], &sa, NULL); /* nohup(1) wants it ignored */
}

/* Where to find the server: its program, or its endpoint. */
static void
find_server(char *where, size_t size)
{
    char dir[ENDPOINT_SIZE];
    int err = 0;

    if (options.at != NULL && !(options.m->caps & IPC_REMOTE))
        usage("%s does not reach other hosts; leave out --at", options.m->name);
    if (options.at != NULL) {
        snprintf(where, size, "%s", options.at);
    } else if (options.m->caps & IPC_SPAWNED) {
        if (options.server == NULL)
            err = program_path("ipcd", where, size);
        else
            snprintf(where, size, "%s", options.server);
    } else {
        if (options.dir == NULL)
            err = rundir_default(dir);
        if (err == 0)
            err = endpoint_name(options.m,
                                options.dir != NULL ? options.dir : dir, where);
    }
    if (err != 0)
        usage("the path of the run directory is too long");
}

int
ctl_call(const struct api_method *method, const struct api_value *args)
{
    char where[PATH_MAX];

    find_server(where, sizeof where);
    return talk(method, args, where);
}
