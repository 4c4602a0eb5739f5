/* attack_held.c - who holds what the server needs, or waits where it waits: the
 * lock of a FIFO, a lease, a semaphore, a futex. */
#define _GNU_SOURCE /* splice, F_SETLEASE, memfd_create, posix_openpt */
#include "test/attack/attack.h"
#include "test/attack/hand.h"
#include "test/both/silent.h"

#include "core/clock.h"
#include "core/rendezvous.h"
#include "core/set_sessions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct held {
    char path[PATH_MAX]; /* of what he holds */
    struct host *server;
    char silent[PATH_MAX]; /* his file system */
    int64_t timeout;       /* of who asks, ns */
    int times;             /* he asks */
    bool served;
};

static struct held *
make_held(struct host *server, bool naive)
{
    struct held *h = shared(sizeof *h);

    serve(server, this_attack->mechanism);
    h->server = server;
    /* A naive server never answers; so one need not wait long for that. */
    h->timeout = naive ? NS_PER_SEC / 2 : ATTACK_TIMEOUT;
    h->times = 1;
    return h;
}

/* She is in already; and asks when she is told to. */
static void
alice_asks_again(struct actor *self, void *arg)
{
    struct held *h = arg;
    struct client c;
    struct reply r;

    MUST(host_client(h->server, &c) == 0);
    MUST(whoami(&c) == (int64_t)geteuid());
    actor_step(self);
    h->served = true;
    for (int i = 0; i < h->times && h->served; i++)
        h->served =
            client_call(&c, api_by_name("whoami"), NULL, &r, h->timeout) == 0 &&
            r.status == WIRE_OK;
    actor_step(self);
}

/* -- 210, 211, 231: the lock of a FIFO ----------------------------------- */

/* A terminal at which nobody types; -1: there is none to be had. */
static int
open_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    if (master == -1 || grantpt(master) == -1 || unlockpt(master) == -1)
        return -1;
    return open(ptsname(master), O_RDWR | O_NOCTTY);
}

static pid_t
fork_reader(int fd)
{
    pid_t pid = fork();
    char byte;

    if (pid == 0) {
        (void)!read(fd, &byte, 1);
        _exit(EXIT_SUCCESS);
    }
    return pid;
}

/* Does it hold the lock, here?  NULL, or what it takes. */
static const char *
need_splice_to_lock(void)
{
    int terminal = open_terminal(), ends[2];
    bool stuck = false;
    pid_t holder, reader;

    if (terminal == -1 || pipe2(ends, O_NONBLOCK | O_CLOEXEC) == -1)
        return "need a terminal (/dev/ptmx)";
    holder = fork();
    if (holder == 0) {
        splice(terminal, NULL, ends[1], NULL, 1, 0);
        _exit(EXIT_SUCCESS);
    }
    while (!is_in_call(holder, SYS_splice) &&
           waitpid(holder, NULL, WNOHANG) == 0)
        sched_yield();
    reader = fork_reader(ends[0]);
    while (!stuck && waitpid(reader, NULL, WNOHANG) == 0)
        stuck = is_in_call(reader, SYS_read);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    waitpid(reader, NULL, 0);
    close(terminal);
    close(ends[0]);
    close(ends[1]);
    return stuck ? NULL : "need a kernel whose splice(2) locks the pipe";
}

/* splice(2) waits there for a line, and has the FIFO locked meanwhile: all
 * others wait for that, O_NONBLOCK or not, and no signal ends it. */
static void
bob_holds_the_fifo(struct actor *self, void *arg)
{
    const struct held *h = arg;
    int terminal = open_terminal();
    int fifo = open(h->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    MUST(terminal != -1 && fifo != -1);
    actor_step(self); /* the server is stopped */
    MUST(write(fifo, "x", 1) == 1);
    splice(terminal, NULL, fifo, NULL, 4096, 0);
}

/* Bob goes first, so that the others can. */
static bool
holds_the_fifo(const char *suffix, int times)
{
    struct host server;
    struct held *h = make_held(&server, false);
    struct actor bob, alice;
    bool stuck = false;

    snprintf(h->path, sizeof h->path, "%s%s", server.where, suffix);
    h->times = times;
    actor_start(&alice, ALICE, alice_asks_again, h);
    actor_wait(&alice);
    actor_start(&bob, BOB, bob_holds_the_fifo, h);
    actor_wait(&bob);
    pause_server(&server);
    actor_go(&bob);
    while (!is_in_call(bob.pid, SYS_splice))
        sched_yield();
    resume_server(&server);
    actor_go(&alice);
    while (!stuck && !actor_is_there(&alice))
        /* Or when it asks to be told of what is written: alarm_listen(). */
        stuck = is_in_call(server.server, SYS_read) ||
                is_in_call(server.server, SYS_fcntl);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&server);
    return stuck;
}

static bool
holds_the_request_fifo(bool naive)
{
    (void)naive;
    return holds_the_fifo("", 1);
}

/*
 * What there is to lock where one joins?  Nothing: NAME.join is a socket, which
 * has no open(2), and NAME.life he can only read.  From there he can have it
 * locked while he waits for a pipe of his own (tee(2)), but only if there is
 * something in it.
 */
static void
bob_holds_where_one_joins(struct actor *self, void *arg)
{
    const struct held *h = arg;
    char path[PATH_MAX + 8];
    int own[2], life;

    MUST(pipe2(own, O_CLOEXEC) == 0);
    snprintf(path, sizeof path, "%s.join", h->path);
    MUST(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) == -1);
    snprintf(path, sizeof path, "%s.life", h->path);
    MUST(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) == -1);
    life = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    MUST(life != -1);
    if (fork() == 0) {
        splice(open_terminal(), NULL, own[1], NULL, 4096, 0);
        _exit(EXIT_SUCCESS);
    }
    if (fork() == 0) {
        for (int i = 0; i < 1000; i++) { /* EAGAIN: there is nothing in it */
            tee(life, own[1], 1, 0);
            splice(life, NULL, own[1], NULL, 1, 0);
        }
        _exit(EXIT_SUCCESS);
    }
    actor_step(self);
}

/* The naive form of it is a FIFO, which all may write to: as fifo/perclient has
 * one for requests. */
static bool
holds_where_one_joins(bool naive)
{
    struct host server;
    struct actor bob, alice;
    struct held *h;

    if (naive) {
        static struct attack fifo;

        fifo = *this_attack;
        fifo.mechanism = "fifo/perclient";
        this_attack = &fifo;
        return holds_the_fifo("", 1);
    }
    h = make_held(&server, false);
    strcpy(h->path, server.where);
    actor_start(&bob, BOB, bob_holds_where_one_joins, h);
    actor_wait(&bob);
    actor_start(&alice, ALICE, alice_asks_again, h);
    actor_wait(&alice);
    actor_go(&alice);
    actor_wait(&alice);
    be_served(&server);
    MUST(host_stop(&server) == EXIT_SUCCESS);
    actor_kill(&bob);
    actor_kill(&alice);
    return !h->served;
}

/* His own, into which he is answered. */
static bool
holds_his_reply_fifo(bool naive)
{
    struct host server;
    struct held *h = make_held(&server, false);
    struct hand *hand = make_hand(this_attack->mechanism, BOB);
    struct actor bob, alice;
    bool stuck = false;

    (void)naive;
    strcpy(h->path, hand->path);
    make_replies(hand);
    MUST(chown(hand->path, BOB, BOB) == 0);
    say_join(hand);
    be_served(&server);
    MUST(take_nonce(hand));
    actor_start(&bob, BOB, bob_holds_the_fifo, h);
    actor_wait(&bob);
    actor_start(&alice, ALICE, alice_asks_again, h);
    actor_wait(&alice);
    actor_go(&bob);
    while (!is_in_call(bob.pid, SYS_splice))
        sched_yield();
    say_whoami(hand);
    actor_go(&alice);
    while (!stuck && !actor_is_there(&alice))
        stuck = is_in_call(server.server, SYS_write);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&server);
    return stuck;
}

/* -- 232: the lock of a directory ---------------------------------------- */

/* getdents(2) has it locked while it writes into his buffer; and that is in
 * memory whose pages never come. */
static void
bob_holds_the_dir(struct actor *self, void *arg)
{
    const struct held *h = arg;
    char path[PATH_MAX + 8];
    int dir = open(h->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file;
    void *page;

    MUST(dir != -1 || errno == EACCES);
    snprintf(path, sizeof path, "%s/file", h->silent);
    file = open(path, O_RDONLY | O_CLOEXEC);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    MUST(page != MAP_FAILED);
    actor_step(self);
    if (dir != -1)
        syscall(SYS_getdents64, dir, page, 100);
    actor_step(self);
}

static void
make_a_name(struct actor *self, void *arg)
{
    const struct held *h = arg;
    char path[PATH_MAX + 8];

    actor_step(self);
    snprintf(path, sizeof path, "%s/new", h->path);
    MUST(mkdirat(AT_FDCWD, path, 0700) == 0 && rmdir(path) == 0);
    actor_step(self);
}

static bool
holds_the_run_directory(bool naive)
{
    struct host_options options = {.keep_root = true, .cpu = -1, .quiet = 1};
    struct held *h = shared(sizeof *h);
    struct actor bob, root;
    struct host server;
    pid_t file_system;
    bool stuck = false;

    (void)naive;
    snprintf(h->silent, sizeof h->silent, "%s/silent", stage_dir);
    snprintf(h->path, sizeof h->path, "%s/ipclab", stage_dir);
    MUST(mkdir(h->silent, 0755) == 0);
    MUST(host_start(&server, ipc_find("socket/stream"), h->path, &options) ==
         0);
    file_system = silent_start(h->silent, BOB);
    MUST(file_system > 0);
    actor_start(&root, geteuid(), make_a_name, h);
    actor_wait(&root);
    actor_start(&bob, BOB, bob_holds_the_dir, h);
    actor_wait(&bob);
    actor_go(&bob);
    while (!is_in_call(bob.pid, SYS_getdents64) && !actor_is_there(&bob))
        sched_yield();
    actor_go(&root);
    while (!stuck && !actor_is_there(&root))
        stuck = is_in_call(root.pid, SYS_mkdirat);
    silent_end(file_system, h->silent);
    actor_kill(&bob);
    actor_kill(&root);
    host_stop(&server);
    return stuck;
}

/* -- 212: a lease -------------------------------------------------------- */

/* A lease for reading needs a file that nobody has open for writing: so he
 * opens it again.  Whoever opens it for writing waits until he gives the lease
 * back, or 45 s. */
static void
bob_leases(struct actor *self, void *arg)
{
    const struct held *h = arg;
    int memory = memfd_create("bob", MFD_CLOEXEC | MFD_ALLOW_SEALING), again;
    struct registration r = {.uid = geteuid(), .pid = (uint32_t)getpid()};
    char path[64];

    MUST(memory != -1 && fchmod(memory, 0600) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    again = open(path, O_RDONLY | O_CLOEXEC);
    close(memory);
    signal(SIGIO, SIG_IGN); /* asked for it back, he does not hear */
    MUST(again != -1 && fcntl(again, F_SETLEASE, F_RDLCK) == 0);
    r.id[0] = (uint32_t)again;
    MUST(register_this(h->server->where, &r) == 0);
    actor_step(self);
}

static bool
is_worker(const char *pid)
{
    char path[PATH_MAX], name[32] = "";
    FILE *in;

    snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
    in = fopen(path, "re");
    if (in != NULL && fgets(name, sizeof name, in) == NULL)
        name[0] = '\0';
    if (in != NULL)
        fclose(in);
    return strcmp(name, "ipcd-worker\n") == 0;
}

/* Does somebody who opens for the server wait? */
static bool
a_worker_is_stuck(void)
{
    DIR *dir = opendir("/proc");
    bool stuck = false;
    struct dirent *e;

    MUST(dir != NULL);
    while (!stuck && (e = readdir(dir)) != NULL)
        stuck = is_worker(e->d_name) &&
                is_in_call((pid_t)atoi(e->d_name), SYS_openat);
    closedir(dir);
    return stuck;
}

static void
come(struct actor *self, void *arg)
{
    const struct held *h = arg;

    actor_step(self);
    be_served(h->server);
    actor_step(self);
}

static bool
leases_his_memory(bool naive)
{
    struct host server;
    struct held *h = make_held(&server, naive);
    struct actor bob, honest;
    bool stuck = false;

    actor_start(&honest, ALICE, come, h);
    actor_wait(&honest);
    actor_start(&bob, BOB, bob_leases, h);
    actor_wait(&bob);
    actor_go(&honest);
    while (!stuck && !actor_is_there(&honest))
        stuck = a_worker_is_stuck();
    actor_kill(&bob);
    actor_kill(&honest);
    host_stop(&server);
    return stuck;
}

/* -- 213: a semaphore that all may post ---------------------------------- */

#define WAITERS 50

/* Each ring wakes the one who has waited longest: those who were there before
 * the server, and who are there again at once. */
static void
bob_waits_for_rings(struct actor *self, void *arg)
{
    const struct held *h = arg;
    struct set set;

    MUST(set_server_find(h->server->where, &set) == 0);
    for (int i = 0; i < WAITERS; i++)
        if (fork() == 0) {
            struct sembuf take = {DOORBELL, -1, 0};

            while (semop(set.id, &take, 1) == 0)
                continue;
            _exit(0);
        }
    while (semctl(set.id, DOORBELL, GETNCNT) < WAITERS)
        sched_yield();
    actor_step(self);
}

static bool
takes_the_rings(bool naive)
{
    struct host server;
    struct held *h = make_held(&server, naive);
    struct actor bob, alice;

    actor_start(&alice, ALICE, alice_asks_again, h);
    actor_wait(&alice);
    pause_server(&server); /* so that it waits behind them */
    actor_start(&bob, BOB, bob_waits_for_rings, h);
    actor_wait(&bob);
    resume_server(&server);
    while (!is_in_call(server.server, CALL_SEMTIMEDOP))
        sched_yield();
    actor_go(&alice);
    actor_wait(&alice);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&server);
    return !h->served;
}

/* -- 214: a futex that all may see --------------------------------------- */

/* FUTEX_REQUEUE needs no right to write: who sleeps on the one sleeps on the
 * other from then on. */
static void
bob_moves_who_sleeps(struct actor *self, void *arg)
{
    const struct held *h = arg;
    char name[ENDPOINT_SIZE];
    uint32_t *own = shared(sizeof *own), *doorbell;
    int fd;

    MUST(endpoint_lookup(h->server->where, "name", name, sizeof name) == 0);
    fd = shm_open(name, O_RDONLY, 0);
    MUST(fd != -1);
    doorbell = mmap(NULL, sizeof *doorbell, PROT_READ, MAP_SHARED, fd, 0);
    MUST(doorbell != MAP_FAILED);
    while (syscall(SYS_futex, doorbell, FUTEX_REQUEUE, 0, INT_MAX, own, 0) < 1)
        sched_yield();
    actor_step(self);
}

/* When the server has fallen asleep for long. */
static void
bob_comes(struct actor *bob, struct held *h)
{
    while (!is_in_call(h->server->server, SYS_futex_waitv))
        sched_yield();
    actor_start(bob, BOB, bob_moves_who_sleeps, h);
    actor_wait(bob);
}

static bool
moves_who_sleeps(bool naive)
{
    struct host server;
    struct held *h = make_held(&server, naive);
    struct actor bob, alice;

    actor_start(&alice, ALICE, alice_asks_again, h);
    actor_wait(&alice);
    bob_comes(&bob, h);
    actor_go(&alice);
    actor_wait(&alice);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&server);
    return !h->served;
}

/* The same, but she has no word of her own yet. */
static void
alice_joins(struct actor *self, void *arg)
{
    struct held *h = arg;
    struct client c;

    ipc_open_timeout = h->timeout;
    actor_step(self);
    h->served = host_client(h->server, &c) == 0;
    actor_step(self);
}

static bool
moves_who_waits_for_her(bool naive)
{
    struct host server;
    struct held *h = make_held(&server, naive);
    struct actor bob, alice;
    struct client in;

    MUST(host_client(&server, &in) == 0); /* else it sleeps elsewhere */
    whoami(&in);
    actor_start(&alice, ALICE, alice_joins, h);
    actor_wait(&alice);
    bob_comes(&bob, h);
    actor_go(&alice);
    actor_wait(&alice);
    actor_kill(&bob);
    actor_kill(&alice);
    client_close(&in);
    host_stop(&server);
    return !h->served;
}

static const char *
need_waitv(void)
{
    return syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == -1 &&
                   errno == ENOSYS
               ? "need futex_waitv(2) (Linux 5.16)"
               : NULL;
}

/* -- the table ----------------------------------------------------------- */

static const char fifo_lock[] =
    "a FIFO has one lock, and splice(2) from a terminal keeps it as long as "
    "nobody types. Who may write there may do that; no flag and no signal gets "
    "the server out of read(2), write(2) or close(2).";

const struct attack held_attacks[] = {
    {210, "fifo/perclient", "holds the lock of the request FIFO",
     .how = "until he ends", .cannot = fifo_lock,
     .missing = need_splice_to_lock, .run = holds_the_request_fifo},
    {211, "fifo/perclient", "holds the lock of his reply FIFO",
     .how = "until he ends", .cannot = fifo_lock,
     .missing = need_splice_to_lock, .run = holds_his_reply_fifo},
    {231, "sem/values", "holds the lock of the FIFO to join",
     .how = "it is a datagram socket", .missing = need_splice_to_lock,
     .run = holds_where_one_joins},
    {231, "shm/futex", "holds the lock of the FIFO to join",
     .how = "it is a datagram socket", .missing = need_splice_to_lock,
     .run = holds_where_one_joins},
    {231, "mmap/lockfile", "holds the lock of the FIFO to join",
     .how = "it is a datagram socket", .missing = need_splice_to_lock,
     .run = holds_where_one_joins},
    {231, "msgq/posix", "holds the lock of the FIFO to join",
     .how = "it is a datagram socket", .missing = need_splice_to_lock,
     .run = holds_where_one_joins},
    {231, "msgq/sysv-private", "holds the lock of the FIFO to join",
     .how = "it is a datagram socket", .missing = need_splice_to_lock,
     .run = holds_where_one_joins},
    {231, "msgq/sysv-types", "holds the lock of the FIFO to join",
     .how = "it is a datagram socket", .missing = need_splice_to_lock,
     .run = holds_where_one_joins},
    {232, "run directory", "holds its lock while he lists it",
     .without = "search", .how = "mode 0711: EACCES", .missing = silent_missing,
     .run = holds_the_run_directory},
    {212, "shm/futex", "leases the memory that he brings", .without = "lease",
     .how = "O_NONBLOCK: EAGAIN", .run = leases_his_memory},
    {212, "shm/spin", "leases the memory that he brings", .without = "lease",
     .how = "O_NONBLOCK: EAGAIN", .run = leases_his_memory},
    {213, "sem/values", "waits for the rings; A asks", .without = "crowd",
     .how = "looks by itself, then", .run = takes_the_rings},
    {213, "shm/sysv", "waits for the rings; A asks", .without = "crowd",
     .how = "looks by itself, then", .run = takes_the_rings},
    {214, "shm/futex", "moves who sleeps to his futex; A asks",
     .without = "ownword", .how = "woken by a word of hers",
     .missing = need_waitv, .run = moves_who_sleeps},
    {215, "shm/futex", "the same; A comes", .without = "ownword",
     .how = "her coming interrupts it", .missing = need_waitv,
     .run = moves_who_waits_for_her},
    {0},
};
