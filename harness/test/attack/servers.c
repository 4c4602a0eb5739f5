/* servers.c - the servers that are attacked. */
#define _GNU_SOURCE /* sendfile, O_CLOEXEC */
#include "test/attack/stage.h"

#include "core/clock.h"
#include "core/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- servers and clients -------------------------------------------------- */

/* Somebody may have taken since what there was when we looked (missing.c). */
static void
server_failed(const struct ipc_mechanism *m)
{
    const char *why = ipc_unavailable(m);

    MUST(why != NULL); /* or the server would have started */
    fputs(why, stderr);
    fflush(NULL);
    _exit(EXIT_MISSING);
}

void
serve_by(struct host *h, const char *mechanism, const char *program)
{
    /* As root: what refuses is to be the defence, not what root gave up. */
    struct host_options options = {
        .ipcd = program, .keep_root = true, .cpu = -1, .quiet = 1};
    const struct ipc_mechanism *m = ipc_find(mechanism);

    MUST(m != NULL);
    if (host_start(h, m, run_dir, &options) != 0)
        server_failed(m);
}

void
serve(struct host *h, const char *mechanism)
{
    serve_by(h, mechanism, NULL);
}

void
copy_program(const char *program, const char *to, gid_t group)
{
    char from[PATH_MAX];
    struct stat st;
    int in, out;
    ssize_t n;

    MUST(program_path(program, from, sizeof from) == 0);
    in = open(from, O_RDONLY | O_CLOEXEC);
    MUST(in != -1 && fstat(in, &st) == 0);
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    MUST(out != -1);
    do
        n = sendfile(out, in, NULL, (size_t)st.st_size);
    while (n > 0);
    MUST(n == 0);
    /* Nobody else may run it: a sanitizer's environment variables would let
     * them write root's files. */
    MUST(fchown(out, geteuid(), group) == 0 && fchmod(out, 04750) == 0);
    close(in);
    close(out);
}

void
serve_set_user_id(struct host *h, const char *mechanism)
{
    char copy[PATH_MAX];

    snprintf(copy, sizeof copy, "%s/ipcd", stage_dir);
    if (access(copy, F_OK) == -1)
        copy_program("ipcd", copy, ALICE);
    serve_by(h, mechanism, copy);
}

static bool
ends_until(const struct host *h, int64_t deadline)
{
    int fd = (int)syscall(SYS_pidfd_open, h->server, 0), err;

    if (fd == -1)
        return errno == ESRCH;
    err = wait_for(fd, POLLIN, deadline);
    close(fd);
    return err == 0;
}

bool
server_ends(const struct host *h)
{
    return ends_until(h, deadline_in(ATTACK_TIMEOUT));
}

/* Both: else its supervisor starts another one, or it is told by the end of
 * that one and clears up. */
void
kill_server(const struct host *h)
{
    int status;

    MUST(kill(h->pid, SIGSTOP) == 0);
    MUST(waitpid(h->pid, &status, WUNTRACED) == h->pid);
    MUST(kill(h->server, SIGKILL) == 0 && kill(h->pid, SIGKILL) == 0);
    MUST(server_ends(h)); /* and what it held is free */
}

void
pause_server(const struct host *h)
{
    process_stop(h->server);
}

void
resume_server(const struct host *h)
{
    MUST(kill(h->server, SIGCONT) == 0);
}

bool
is_served(struct host *h)
{
    struct api_value nothing = {.at = "", .len = 0};
    struct client c;
    struct reply r;
    int err = host_client(h, &c);

    if (err != 0)
        return false;
    err = client_call(&c, api_by_name("echo"), &nothing, &r, ATTACK_TIMEOUT);
    client_close(&c);
    /* By another one, if its supervisor was quick: then it has been brought to
     * its end all the same.  0: whichever it is, or one that was spawned. */
    return err == 0 && r.status == WIRE_OK &&
           (h->server <= 0 || !ends_until(h, 0));
}

void
be_served(struct host *h)
{
    MUST(is_served(h));
}

void
asks_in_vain(void *where)
{
    struct client c;

    MUST(client_open(&c, ipc_find(this_attack->mechanism), where) != 0);
}

int64_t
whoami(struct client *c)
{
    struct reply r;

    MUST(client_call(c, api_by_name("whoami"), NULL, &r, ATTACK_TIMEOUT) == 0);
    MUST(r.status == WIRE_OK);
    return r.results[2].i64;
}
