/*
 * isolate_cell.c - one cell of the matrix: who is forked when, and who enters
 * the namespace.
 *
 *   daemon, client inside       P (outside) --fork--> ipcd
 *                               P --fork--> C enters, opens, asks
 *   daemon, server inside       P --fork--> S enters --fork--> ipcd
 *                               P opens, asks
 *   spawned, client inside      P opens (the server is its child), then enters,
 *                               asks over the channel it has
 *   spawned, server inside      P opens; what it execs as its server enters
 *                               and execs ipcd: isolate_stdio()
 *
 * The process id namespace is entered by children only, so there one more fork
 * follows: C's child asks, S's child is the server anyway.
 */
#define _GNU_SOURCE /* unshare, pipe2 */
#include "ns/isolate.h"

#include "core/clock.h"
#include "core/host.h"
#include "ns/spaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a reply may take: only who is cut off waits as long.  Others are
 * silent at open() already; and MPI takes seconds to start when it shares a
 * processor with ten others. */
#define ANSWER_TIMEOUT (12 * NS_PER_SEC)

#define FORM_VARIABLE "IPCLAB_ISOLATE"

/* Ten days: nobody's clock differs by that much by itself. */
#define CLOCK_OFFSET 864000L

/* -- entering -------------------------------------------------------------- */

/* Another number than this one for the same user. */
static uid_t
other_number(uid_t id)
{
    return id == 1000 ? 1001 : 1000;
}

static int
settle(const struct isolate_form *f, int flags, uid_t uid, gid_t gid,
       const char *dir)
{
    int err = 0;

    if (flags & CLONE_NEWUSER)
        err = f->renumbered ? spaces_map_user(other_number(uid), uid,
                                              other_number(gid), gid)
                            : spaces_map_user(uid, uid, gid, gid);
    if (err == 0 && (flags & CLONE_NEWNS))
        err = spaces_private_mounts();
    if (err == 0 && f->covered)
        err = spaces_cover(dir, 0755);
    if (err == 0 && f->covered)
        err = spaces_cover("/dev/shm", 01777);
    if (err == 0 && (flags & CLONE_NEWNET))
        err = spaces_loopback_up();
    if (err == 0 && (flags & CLONE_NEWTIME))
        err = spaces_set_clock(CLOCK_OFFSET);
    if (err == 0 && (flags & CLONE_NEWTIME))
        err = spaces_join_time();
    return err;
}

/* An ordinary user gets the right to the others from a user namespace; with
 * the same number inside, so that only one thing differs. */
int
isolate_flags(const struct isolate_form *f)
{
    return f->flags != 0 && geteuid() != 0 ? f->flags | CLONE_NEWUSER
                                           : f->flags;
}

int
isolate_enter(const struct isolate_form *f, const char *dir)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int flags = isolate_flags(f);

    if (unshare(flags) == -1)
        return -errno;
    return settle(f, flags, uid, gid, dir);
}

/* -- asking ---------------------------------------------------------------- */

/* One whoami. */
static void
ask(struct client *c, struct isolate_notes *notes)
{
    struct reply r;

    notes->own_pid = getpid();
    notes->own_uid = getuid();
    notes->err =
        client_call(c, api_by_name("whoami"), NULL, &r, ANSWER_TIMEOUT);
    if (notes->err == 0 && r.status != WIRE_OK)
        notes->err = r.os_error > 0 ? -r.os_error : -EPROTO;
    notes->seen_pid = notes->seen_uid = -1;
    if (notes->err == 0 && !(c->m->caps & IPC_ONEWAY)) {
        notes->seen_pid = r.results[1].i64;
        notes->seen_uid = r.results[2].i64;
    }
}

static void
open_and_ask(const struct host *h, struct isolate_notes *notes)
{
    struct client c;

    notes->err = client_open(&c, h->m, h->where);
    if (notes->err != 0)
        return;
    ask(&c, notes);
    client_close(&c);
}

static void
wait_for_child(pid_t pid)
{
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
}

/* Runs the rest in a child, where the form needs that: true in the process
 * that is inside. */
static bool
inside(const struct isolate_form *f, struct isolate_notes *notes)
{
    pid_t pid;

    if (!(f->flags & CLONE_NEWPID))
        return true;
    pid = fork();
    if (pid == 0)
        return true;
    notes->outer_pid = pid;
    if (pid > 0)
        wait_for_child(pid);
    return false;
}

/* -- the four arrangements ------------------------------------------------- */

static void
client_inside(const struct isolate_cell *c, struct host *h,
              struct isolate_notes *notes)
{
    const struct isolate_form *f = &isolate_forms[c->form];
    pid_t pid = fork();

    if (pid == 0) {
        notes->outer_pid = getpid();
        if (isolate_enter(f, h->dir) == 0 && inside(f, notes))
            open_and_ask(h, notes);
        _exit(0);
    }
    if (pid > 0)
        wait_for_child(pid);
}

/* Both sides are one user.  Whom a server of root's becomes when it gives root up
 * has no number in the client's user namespace, and would not be believed. */
static const struct host_options options = {.keep_root = true, .cpu = -1};

/* S, which holds the server until the other end of done is closed. */
_Noreturn static void
hold_server(const struct isolate_cell *c, struct host *h, const char *dir,
            int ready, int done)
{
    char byte = 1;

    if (isolate_enter(&isolate_forms[c->form], dir) == 0 &&
        host_start(h, c->m, dir, &options) == 0) {
        (void)!write(ready, &byte, 1);
        (void)!read(done, &byte, 1);
        host_stop(h);
    }
    _exit(0);
}

static void
server_inside(const struct isolate_cell *c, struct host *h, const char *dir,
              struct isolate_notes *notes)
{
    int ready[2], done[2];
    pid_t pid;
    char byte;

    if (pipe2(ready, O_CLOEXEC) == -1 || pipe2(done, O_CLOEXEC) == -1)
        return;
    pid = fork();
    if (pid == 0) {
        close(ready[0]);
        close(done[1]);
        hold_server(c, h, dir, ready[1], done[0]);
    }
    close(ready[1]);
    close(done[0]);
    if (pid > 0 && read(ready[0], &byte, 1) == 1 &&
        endpoint_name(c->m, dir, h->where) == 0) {
        h->m = c->m;
        open_and_ask(h, notes);
    }
    close(done[1]);
    close(ready[0]);
    if (pid > 0)
        wait_for_child(pid);
}

static void
spawned_client_inside(const struct isolate_cell *c, struct host *h,
                      struct isolate_notes *notes)
{
    const struct isolate_form *f = &isolate_forms[c->form];
    struct client client;
    pid_t self = getpid();

    notes->err = client_open(&client, h->m, h->where);
    if (notes->err != 0)
        return;
    notes->err = isolate_enter(f, h->dir);
    if (notes->err == 0 && inside(f, notes)) {
        client_take_over(&client); /* the process outside only waits */
        ask(&client, notes);
    }
    notes->outer_pid = self; /* that is the one the server knows */
    if (getpid() != self && (f->flags & CLONE_NEWPID))
        _exit(0); /* the copy: the server is its parent's to end */
    client_close(&client);
}

static void
spawned_server_inside(const struct isolate_cell *c, struct host *h,
                      struct isolate_notes *notes)
{
    const struct isolate_form *f = &isolate_forms[c->form];

    if (program_path("ipcbench", h->where, sizeof h->where) != 0 ||
        setenv(FORM_VARIABLE, f->name, 1) == -1 ||
        setenv("IPCLAB_DIR", h->dir, 1) == -1)
        return;
    /* The first child after this is process 1 in there; the client stays
     * here.  Everything else isolate_stdio() does. */
    if ((f->flags & CLONE_NEWPID) && isolate_enter(f, h->dir) != 0)
        return;
    open_and_ask(h, notes);
}

/* What goes wrong in here is the result, and is told there. */
static void
silence_stderr(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null != -1)
        dup2(null, STDERR_FILENO);
    close(null);
}

/* It was there when we began, but others of this user may have taken since
 * what a server and its client need.  Asked when the server is gone: what is
 * there now would have done for it. */
static void
note_lack(const struct isolate_cell *c, struct isolate_notes *notes)
{
    const char *why = ipc_unavailable(c->m);

    snprintf(notes->lacks, sizeof notes->lacks, "%s", why != NULL ? why : "");
}

void
isolate_cell(const struct isolate_cell *c, const char *dir,
             struct isolate_notes *notes)
{
    bool spawned = c->m->caps & IPC_SPAWNED;
    struct host h = {.m = c->m};

    signal(SIGPIPE, SIG_IGN);
    silence_stderr();
    *notes = (struct isolate_notes){.err = 1, .outer_pid = getpid()};
    if (!spawned && c->side == SERVER_INSIDE)
        server_inside(c, &h, dir, notes);
    else if (host_start(&h, c->m, dir, &options) != 0)
        note_lack(c, notes);
    else if (!spawned)
        client_inside(c, &h, notes);
    else if (c->side == CLIENT_INSIDE)
        spawned_client_inside(c, &h, notes);
    else
        spawned_server_inside(c, &h, notes);
    host_stop(&h);
    if (notes->err != 0)
        note_lack(c, notes);
    _exit(0);
}

int
isolate_stdio(const char *mechanism)
{
    const char *form = getenv(FORM_VARIABLE), *dir = getenv("IPCLAB_DIR");
    char program[4096];
    int err = program_path("ipcd", program, sizeof program);

    if (dir != NULL)
        spaces_try_mounts(dir);
    for (int i = 0; err == 0 && form && dir && i < FORMS; i++)
        if (strcmp(isolate_forms[i].name, form) == 0 &&
            !(isolate_forms[i].flags & CLONE_NEWPID))
            err = isolate_enter(&isolate_forms[i], dir);
    if (err == 0)
        execl(program, "ipcd", "--stdio", "-m", mechanism, (char *)NULL);
    return 127;
}

/* -- what it means --------------------------------------------------------- */

static enum isolate_seen
judge_number(int64_t seen, int64_t own, int64_t translated)
{
    if (seen == -1)
        return SEEN_UNKNOWN;
    if (seen == own)
        return SEEN_OWN;
    return seen == translated ? SEEN_TRANSLATED : SEEN_OTHER;
}

struct isolate_outcome
isolate_judge(const struct isolate_cell *c, const struct isolate_notes *notes)
{
    const struct isolate_form *f = &isolate_forms[c->form];
    struct isolate_outcome o = {.result = ISOLATE_CONNECTS};
    int64_t pid = notes->outer_pid, uid = geteuid();

    if (notes->err != 0) {
        o.result = ISOLATE_REFUSED;
        o.err = notes->err < 0 ? notes->err : -ECHILD;
        return o;
    }
    /* What does the server's namespace call the client?  A process of another
     * PID namespace, which is not a child of the own one: 0. */
    if (c->side == SERVER_INSIDE && (f->flags & CLONE_NEWPID))
        pid = 0;
    if (c->side == SERVER_INSIDE && f->renumbered)
        uid = other_number((uid_t)uid);
    o.pid = judge_number(notes->seen_pid, notes->own_pid, pid);
    o.uid = judge_number(notes->seen_uid, notes->own_uid, uid);
    return o;
}
