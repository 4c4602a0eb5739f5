/* attack_rights.c - with whose rights the server does what it is asked for, and
 * which it has when somebody has got in. */
#define _GNU_SOURCE /* renameat2, setresuid */
#include "test/attack/stage.h"

#include "server/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t
read_file(struct client *c, const char *path, struct reply *r)
{
    const struct api_value args[] = {
        {.at = path, .len = strlen(path)}, {.u64 = 0}, {.u32 = 100}};

    MUST(client_call(c, api_by_name("read_file"), args, r, ATTACK_TIMEOUT) ==
         0);
    return r->status;
}

static bool
is_secret(const struct reply *r)
{
    return r->status == WIRE_OK && r->results[0].len == strlen(SECRET) &&
           memcmp(r->results[0].at, SECRET, strlen(SECRET)) == 0;
}

struct asking {
    struct host *server;
    char path[PATH_MAX], other[PATH_MAX];
    bool fell;
};

static struct asking *
make_asking(struct host *server, const char *mechanism, const char *path)
{
    struct asking *a = shared(sizeof *a);

    strcpy(a->path, path);
    serve(server, mechanism);
    a->server = server;
    return a;
}

static void
bob_reads(void *arg)
{
    struct asking *a = arg;
    struct client c;
    struct reply r;

    int err = client_open(&c, a->server->m, a->server->where);

    if (err == -EACCES && (a->server->m->caps & IPC_TRUSTING) != 0)
        return; /* who trusts its clients has none but its own user's */
    MUST(err == 0);
    read_file(&c, a->path, &r);
    a->fell = is_secret(&r);
    client_close(&c);
}

/* -- 122: whose rights? --------------------------------------------------- */

static bool
reads_roots_file(bool naive)
{
    struct host server;
    struct asking *a = make_asking(&server, "socket/stream",
                                   make_file("root's", SECRET, 0600));

    (void)naive;
    as_user(BOB, bob_reads, a);
    host_stop(&server);
    return a->fell;
}

/* -- 9: a file that becomes another --------------------------------------- */

/* access(2) with his rights, open(2) with ours; and in between... */
static bool
asks_and_opens(const struct asking *a)
{
    char text[100] = "";
    bool may;
    int fd;

    MUST(setresuid(BOB, 0, 0) == 0);
    may = access(a->path, R_OK) == 0;
    MUST(setresuid(0, 0, 0) == 0);
    MUST(syscall(SYS_renameat2, AT_FDCWD, a->path, AT_FDCWD, a->other,
                 RENAME_EXCHANGE) == 0);
    if (!may)
        return false;
    fd = open(a->path, O_RDONLY | O_CLOEXEC);
    MUST(fd != -1 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return strcmp(text, SECRET) == 0;
}

static void
bob_swaps(struct actor *self, void *arg)
{
    const struct asking *a = arg;

    actor_step(self);
    for (;;)
        syscall(SYS_renameat2, AT_FDCWD, a->path, AT_FDCWD, a->other,
                RENAME_EXCHANGE);
}

static void
bob_reads_often(void *arg)
{
    struct asking *a = arg;
    struct client c;
    struct reply r;

    MUST(client_open(&c, a->server->m, a->server->where) == 0);
    for (int i = 0; i < 200 && !a->fell; i++) {
        read_file(&c, a->path, &r);
        a->fell = is_secret(&r);
    }
    client_close(&c);
}

static bool
swaps_a_link(bool naive)
{
    struct host server;
    struct asking *a = make_asking(&server, "socket/stream", "");
    char secret[PATH_MAX], dir[PATH_MAX];
    struct actor bob;

    strcpy(secret, make_file("root's", SECRET, 0600));
    snprintf(dir, sizeof dir, "%s/bob", stage_dir);
    snprintf(a->path, sizeof a->path, "%.200s/file", dir);
    snprintf(a->other, sizeof a->other, "%.200s/link", dir);
    MUST(mkdir(dir, 0755) == 0);
    MUST(rename(make_file("his", "nothing", 0644), a->path) == 0);
    MUST(symlink(secret, a->other) == 0 && chown(dir, BOB, BOB) == 0);
    if (naive) {
        a->fell = asks_and_opens(a);
    } else {
        actor_start(&bob, BOB, bob_swaps, a);
        actor_wait(&bob);
        actor_go(&bob);
        as_user(BOB, bob_reads_often, a);
        actor_kill(&bob);
    }
    host_stop(&server);
    return a->fell;
}

/* -- 123: a file that never opens ----------------------------------------- */

static void
bob_reads_a_fifo(struct actor *self, void *arg)
{
    const struct asking *a = arg;
    struct client c;
    struct reply r;

    MUST(client_open(&c, a->server->m, a->server->where) == 0);
    actor_step(self);
    MUST(read_file(&c, a->path, &r) == WIRE_OS_ERROR);
    MUST(r.os_error == ENXIO); /* and not that it took too long */
    actor_step(self);
}

static void
textbook_opens(struct actor *self, void *arg)
{
    actor_step(self);
    open(((struct asking *)arg)->path, O_RDONLY | O_CLOEXEC);
    actor_step(self);
}

static bool
names_a_fifo(bool naive)
{
    struct host server;
    struct asking *a = make_asking(&server, "socket/stream", "");
    struct actor actor;
    bool stuck = false;

    snprintf(a->path, sizeof a->path, "%s/fifo", stage_dir);
    MUST(mkfifo(a->path, 0666) == 0 && chmod(a->path, 0666) == 0);
    actor_start(&actor, BOB, naive ? textbook_opens : bob_reads_a_fifo, a);
    actor_wait(&actor);
    actor_go(&actor);
    while (!stuck && !actor_is_there(&actor))
        stuck = naive && is_in_call(actor.pid, SYS_openat);
    actor_kill(&actor);
    host_stop(&server);
    return stuck;
}

/* -- 124: the worker in her hands ----------------------------------------- */

/* A process that has become the caller is the caller's; if he may also trace
 * it he has what it inherited: our memory, our descriptors. */
static bool
traces_the_worker(bool naive)
{
    int status, ready[2];
    pid_t worker, alice;
    char byte;

    MUST(pipe(ready) == 0);
    worker = fork();
    if (worker == 0) {
        if (naive)
            become_user(ALICE); /* and PR_SET_DUMPABLE */
        else
            MUST(setresgid(ALICE, ALICE, ALICE) == 0 &&
                 setresuid(ALICE, ALICE, ALICE) == 0);
        MUST(write(ready[1], "", 1) == 1);
        pause();
    }
    MUST(read(ready[0], &byte, 1) == 1);
    alice = fork();
    if (alice == 0) {
        become_user(ALICE);
        _exit(ptrace(PTRACE_SEIZE, worker, NULL, NULL) == 0 ? EXIT_FELL
                                                            : EXIT_REFUSED);
    }
    MUST(waitpid(alice, &status, 0) == alice && WIFEXITED(status));
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    return WEXITSTATUS(status) == EXIT_FELL;
}

/* -- 125: a mechanism that trusts its peers ------------------------------- */

/* Over a mechanism that a peer can corrupt nothing privileged is done for
 * others; not even what they could have done themselves. */
static bool
asks_one_that_trusts(bool naive)
{
    struct host server;
    struct asking *a =
        make_asking(&server, "shm/mutex", make_file("his", SECRET, 0600));

    (void)naive;
    MUST(chown(a->path, BOB, BOB) == 0);
    as_user(BOB, bob_reads, a);
    host_stop(&server);
    return a->fell;
}

/* -- 84, 129, 130: when he has got in ------------------------------------- */

/* Code of his own in the server: whatever the bug that let him in. */
static bool
with_his_code(bool naive, bool (*act)(void))
{
    const struct confinement c = {
        .user = {BOB, BOB},
        .kind = CONFINED_BROKER,
        .kept = rights_of_broker(rights_to_ask(ipc_find("socket/stream")))};
    char why[CONFINE_WHY] = "";
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        /* The one that has most; the naive one serves as root. */
        if (!naive)
            MUST(confine(&c, why) == 0);
        _exit(act() ? EXIT_FELL : EXIT_REFUSED);
    }
    MUST(waitpid(pid, &status, 0) == pid);
    MUST(WIFEXITED(status) || WTERMSIG(status) == SIGSYS);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FELL;
}

static char vault[PATH_MAX];

static bool
open_the_vault(void)
{
    return open(vault, O_RDONLY | O_CLOEXEC) != -1;
}

static bool
opens_roots_file(bool naive)
{
    strcpy(vault, make_file("vault", SECRET, 0600));
    return with_his_code(naive, open_the_vault);
}

static bool
exec_a_shell(void)
{
    execl("/bin/sh", "sh", "-c", "exit 10", (char *)NULL); /* EXIT_FELL */
    return false;
}

static bool
starts_a_shell(bool naive)
{
    return with_his_code(naive, exec_a_shell);
}

/* The right to become another user is there: for a worker of the broker. */
static bool
become_root(void)
{
    return setresuid(0, 0, 0) == 0 && geteuid() == 0;
}

static bool
becomes_root_again(bool naive)
{
    return with_his_code(naive, become_root);
}

/* -- the table ------------------------------------------------------------ */

const struct attack rights_attacks[] = {
    {9, "read_file", "swaps his file for a link to root's",
     .how = "opened with his rights", .run = swaps_a_link},
    {122, "read_file", "reads root's file", .without = "become",
     .how = "opened with his rights", .run = reads_roots_file},
    {123, "read_file", "names a FIFO that nobody writes",
     .how = "O_NONBLOCK; regular only", .alone = true, .run = names_a_fifo},
    {124, "read_file", "traces the process that opens for him",
     .how = "not dumpable: EPERM", .run = traces_the_worker},
    {125, "shm/mutex", "asks where peers are trusted",
     .without = "own,trusting", .how = "own uid only",
     .run = asks_one_that_trusts},
    {84, "ipcd --user", "(has got in) opens root's file",
     .how = "another user, few rights", .run = opens_roots_file},
    {129, "ipcd --user", "(has got in) starts a shell",
     .how = "seccomp: no execve", .run = starts_a_shell},
    {130, "ipcd --user", "(has got in) becomes root again",
     .how = "seccomp: not to uid 0", .run = becomes_root_again},
    {0},
};
