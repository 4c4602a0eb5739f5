/*
 * attack_inside.c - what somebody does whose code has got into one of the
 * server's processes: to the other endpoints, to the broker, to the supervisor.
 *
 * The processes are the real ones, as far as they are concerned: a broker that
 * is confined, and a child that is confined as an endpoint is, in whose place
 * this code runs.
 */
#define _GNU_SOURCE /* F_SETOWN_EX, SOCK_CLOEXEC, memfd_create */
#include "test/attack/edge.h"
#include "test/attack/stage.h"
#include "test/both/silent.h"

#include "core/clock.h"
#include "core/object.h"
#include "server/ask.h"
#include "server/confine.h"
#include "server/handover.h"
#include "server/ipcd.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVICE 4711 /* whom the server's processes have become */

/* As the server's processes are; the naive form is root's. */
static void
be_confined(enum confined kind, const char *mechanism, rights kept)
{
    const struct ipc_mechanism *m = ipc_find(mechanism);
    const struct confinement c = {.user = {SERVICE, SERVICE},
                                  .kind = kind,
                                  .kept = kept,
                                  .dir = run_dir,
                                  .uses = m->uses};
    char why[CONFINE_WHY] = "";

    if (confine(&c, why) != 0)
        broken(__FILE__, __LINE__, why);
}

/* -- a broker of two endpoints --------------------------------------------- */

#define FILES (1u << BROKER_OPEN | 1u << BROKER_READ | 1u << BROKER_OBJECT)

struct two {
    int his[2], hers[2]; /* the endpoint's end, the broker's */
    char names[ENDPOINT_SIZE];
    pid_t broker;
};

static void
begin_broker(struct two *t, unsigned may)
{
    struct broker_peer peers[2] = {
        {.may = may, .evidence = IPC_OWNER, .dir = t->names},
        {.may = may, .evidence = IPC_OWNER, .dir = t->names}};

    snprintf(t->names, sizeof t->names, "%.80s/fifo-perclient.d", run_dir);
    MUST(mkdir(t->names, 0) == 0 && chmod(t->names, 01733) == 0);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, t->his) == 0);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, t->hers) == 0);
    fflush(NULL);
    t->broker = fork();
    if (t->broker == 0) {
        peers[0].channel = t->his[1];
        peers[1].channel = t->hers[1];
        be_confined(CONFINED_BROKER, "fifo/perclient", rights_of_broker(may));
        broker_run(peers, 2);
        _exit(EXIT_SUCCESS);
    }
}

static void
end_broker(const struct two *t)
{
    kill(t->broker, SIGKILL);
    MUST(waitpid(t->broker, NULL, 0) == t->broker);
    ask_by(0);
}

/* Keeps a worker, until the call is ended or two seconds have passed. */
static int
keep_one(struct broker_call *c, const char *path, uid_t uid)
{
    const struct ipc_peer peer = {
        .pid = getpid(), .uid = uid, .gid = uid, .evidence = IPC_OWNER};
    struct broker_request r;

    MUST(broker_request(&r, BROKER_OPEN, &peer, path, strlen(path)) == 0);
    return broker_ask(c, &r);
}

/* -- 300, 301, 310: the workers -------------------------------------------- */

/* As many as he gets, as so many users; does A get one by another endpoint? */
static bool
leaves_her_none(unsigned users)
{
    struct broker_call call[100], hers;
    struct two t = {.broker = -1};
    char path[PATH_MAX];
    size_t n = 0;
    int err = 0;

    strcpy(path, make_file("plain", "text", 0644));
    begin_broker(&t, FILES);
    ask_by(t.his[0]);
    for (unsigned u = 0; u < users; u++)
        for (err = 0; n < 100 && err == 0; n += err == 0)
            err = keep_one(&call[n], path, ALICE + u);
    MUST(n < 100);
    ask_by(t.hers[0]);
    err = keep_one(&hers, path, ALICE);
    MUST(err == 0 || err == -EAGAIN);
    broker_end(&hers);
    for (size_t i = 0; i < n; i++)
        broker_end(&call[i]);
    end_broker(&t);
    return err == -EAGAIN;
}

static bool
takes_all_workers(bool naive)
{
    (void)naive;
    return leaves_her_none(10);
}

static bool
takes_her_workers(bool naive)
{
    (void)naive;
    return leaves_her_none(1);
}

/* -- 302: a directory in the directory ------------------------------------- */

static void
ask_for_what_is_in(const char *path)
{
    const struct ipc_peer root = {.evidence = IPC_CLAIMED};
    struct broker_request r;
    struct broker_answer a;
    struct broker_call c;

    MUST(broker_request(&r, BROKER_OBJECT, &root, path, strlen(path)) == 0);
    r.space = OBJECT_AT;
    MUST(broker_do(&c, &r, &a) != 0);
    broker_end(&c);
}

/* There his own program is a file system, and does not answer. */
static bool
has_the_broker_wait(bool naive)
{
    struct two t = {.broker = -1};
    char path[PATH_MAX];
    pid_t file_system, asker;
    bool stuck = false;

    (void)naive;
    begin_broker(&t, FILES);
    snprintf(path, sizeof path, "%.90s/his", t.names);
    MUST(mkdir(path, 0755) == 0 && chown(path, BOB, BOB) == 0);
    file_system = silent_start(path, BOB);
    MUST(file_system > 0);
    asker = fork();
    if (asker == 0) {
        ask_by(t.his[0]);
        ask_for_what_is_in(strcat(path, "/never/file"));
        _exit(EXIT_SUCCESS);
    }
    while (!stuck && waitpid(asker, NULL, WNOHANG) == 0)
        stuck = is_in_call(t.broker, SYS_openat2);
    if (stuck) {
        kill(asker, SIGKILL);
        waitpid(asker, NULL, 0);
    }
    snprintf(path, sizeof path, "%.90s/his", t.names);
    silent_end(file_system, path);
    end_broker(&t);
    return stuck;
}

/* -- 303: the others' end --------------------------------------------------- */

/* The supervisor believes an endpoint's exit status, "a client that may has
 * called shutdown".  Over TCP the server cannot know who that is; he makes it
 * say so all the same, for here it is one that does not ask who may. */
static bool
ends_all_of_them(bool naive)
{
    struct host server;
    char program[PATH_MAX];
    struct client c;
    struct reply r;
    bool fell;

    MUST(program_path(naive ? "ipcd" : "naive/ipcd", program, sizeof program) ==
         0);
    if (!naive)
        MUST(setenv("IPCLAB_WITHOUT", "evidence", 1) == 0);
    serve_by(&server, "socket/tcp", program);
    MUST(host_client(&server, &c) == 0);
    MUST(client_call(&c, api_by_name("shutdown"), NULL, &r, ATTACK_TIMEOUT) ==
             0 &&
         r.status == WIRE_OK);
    client_close(&c);
    MUST(server_ends(&server)); /* that one he can end */
    server.server = 0;          /* whichever it is from now on */
    do
        fell = waitpid(server.pid, NULL, WNOHANG) == server.pid;
    while (!fell && !is_served(&server)); /* it is started again */
    if (!fell)
        host_stop(&server);
    return fell;
}

/* -- 304: the supervisor ---------------------------------------------------- */

static bool
leaves_a_descriptor(bool naive)
{
    int ends[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)naive;
    MUST(handover_pair(ends) == 0 && null != -1);
    signal(SIGPIPE, SIG_IGN);
    return send_with_fd(ends[1], "x", 1, null, MSG_DONTWAIT) == 0;
}

/* -- as an endpoint, or as the broker --------------------------------------- */

struct inside {
    enum confined kind;
    const char *mechanism;
    rights kept;
    bool (*act)(void *arg);
    void *arg;
};

/* Does it succeed in there?  The naive form has got less strict processes. */
static bool
succeeds_inside(const struct inside *in, const char *instead)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        be_confined(in->kind, instead != NULL ? instead : in->mechanism,
                    in->kept);
        _exit(in->act(in->arg) ? EXIT_FELL : EXIT_REFUSED);
    }
    MUST(pid != -1 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status) == EXIT_FELL;
}

/* -- 305: what is another endpoint's, and the same user's ------------------- */

static bool
attaches(void *arg)
{
    const int *id = arg;
    const char *text = shmat(*id, NULL, 0);

    return text != (void *)-1 && strcmp(text, SECRET) == 0;
}

/* A client of shm/sysv has given it to the service user.  The naive endpoint
 * may make the system calls of all of them. */
static bool
attaches_her_segment(bool naive)
{
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    const struct inside in = {.kind = CONFINED_ENDPOINT,
                              .mechanism = "socket/stream",
                              .act = attaches,
                              .arg = &id};
    struct shmid_ds segment;
    char *text = shmat(id, NULL, 0);

    MUST(text != (void *)-1);
    strcpy(text, SECRET);
    MUST(shmctl(id, IPC_STAT, &segment) == 0);
    segment.shm_perm.uid = segment.shm_perm.gid = SERVICE;
    MUST(shmctl(id, IPC_SET, &segment) == 0);
    return succeeds_inside(&in, naive ? "shm/sysv" : NULL);
}

/* -- 306: a signal by the kernel's hand ------------------------------------- */

static bool
has_it_killed(void *arg)
{
    const pid_t *victim = arg;
    const struct f_owner_ex to = {.type = F_OWNER_PID, .pid = *victim};
    int ends[2];

    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 &&
           fcntl(ends[0], F_SETOWN_EX, &to) == 0 &&
           fcntl(ends[0], F_SETSIG, SIGKILL) == 0 &&
           fcntl(ends[0], F_SETFL, O_ASYNC) == 0 && write(ends[1], "x", 1) == 1;
}

/* The naive one is the same user, and not confined. */
static void
serves(struct actor *self, void *arg)
{
    (void)arg;
    actor_step(self);
}

static bool
has_a_sibling_killed(bool naive)
{
    struct actor sibling;
    struct inside in = {.kind = CONFINED_ENDPOINT,
                        .mechanism = "socket/stream",
                        .act = has_it_killed};
    int status;
    pid_t pid;
    bool fell;

    actor_start(&sibling, SERVICE, serves, NULL);
    actor_wait(&sibling);
    in.arg = &sibling.pid;
    if (!naive) {
        fell = succeeds_inside(&in, NULL);
        actor_kill(&sibling);
        return fell;
    }
    pid = fork();
    if (pid == 0) {
        become_user(SERVICE);
        _exit(has_it_killed(&sibling.pid) ? EXIT_FELL : EXIT_REFUSED);
    }
    MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    MUST(WEXITSTATUS(status) == EXIT_FELL);
    MUST(waitpid(sibling.pid, &status, 0) == sibling.pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* -- 307: the broker speaks as A -------------------------------------------- */

static char hers[ENDPOINT_SIZE]; /* a program of hers listens there */

/* To the manager of her session, for instance, which starts programs. */
static bool
connects_as_her(void *arg)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)arg;
    strcpy(at.sun_path, hers);
    return fd != -1 && setresuid((uid_t)-1, ALICE, (uid_t)-1) == 0 &&
           connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
}

static void
alice_listens(struct actor *self, void *arg)
{
    int fd = bind_local(arg, SOCK_STREAM);

    MUST(chmod(arg, 0600) == 0 && listen(fd, 5) == 0);
    actor_step(self);
}

static bool
speaks_as_her(bool naive)
{
    const struct inside in = {.kind = CONFINED_BROKER,
                              .mechanism = "socket/stream",
                              .kept = RIGHT(SETUID) | RIGHT(SETGID),
                              .act = connects_as_her};
    struct actor alice;
    int status;
    pid_t pid;
    bool fell;

    snprintf(hers, sizeof hers, "%.90s/hers", make_careless_dir(stage_dir));
    actor_start(&alice, ALICE, alice_listens, hers);
    actor_wait(&alice);
    if (naive) {
        pid = fork();
        if (pid == 0)
            _exit(connects_as_her(NULL) ? EXIT_FELL : EXIT_REFUSED);
        MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
        fell = WEXITSTATUS(status) == EXIT_FELL;
    } else {
        fell = succeeds_inside(&in, NULL);
    }
    actor_kill(&alice);
    return fell;
}

/* -- 308: what has been written down ---------------------------------------- */

/* It is open in there, to read how it ends and to write on. */
static bool
writes_over_it(void *arg)
{
    const int fd = *(const int *)arg;
    char *text;

    if (ftruncate(fd, 1) == 0)
        return true;
    if (fcntl(fd, F_SETFL, 0) == 0 && pwrite(fd, "X", 1, 0) == 1)
        return true;
    text = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (text == MAP_FAILED)
        return false;
    text[0] = 'X';
    return true;
}

static bool
append_only(int fd)
{
    int flags = FS_APPEND_FL;

    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

/* Root has set chattr +a; the naive one has not. */
static bool
writes_over_the_audit(bool naive)
{
    int fd =
        open(make_file("audit", SECRET, 0600), O_RDWR | O_APPEND | O_CLOEXEC);
    const struct inside in = {.kind = CONFINED_ENDPOINT,
                              .mechanism = "shm/futex",
                              .act = writes_over_it,
                              .arg = &fd};
    bool fell;
    int none = 0;

    MUST(fd != -1 && (naive || append_only(fd)));
    fell = succeeds_inside(&in, NULL);
    MUST(write(fd, "x", 1) == 1); /* to go on is allowed */
    if (!naive)
        MUST(ioctl(fd, FS_IOC_SETFLAGS, &none) == 0);
    close(fd);
    return fell;
}

static const char *
need_append_only(void)
{
    int fd = memfd_create("audit", MFD_CLOEXEC), none = 0;
    bool can = fd != -1 && append_only(fd);

    if (can)
        ioctl(fd, FS_IOC_SETFLAGS, &none);
    if (fd != -1)
        close(fd);
    return can ? NULL : "this kernel's tmpfs has no chattr +a (6.6)";
}

/* -- 309: memory of others -------------------------------------------------- */

/* Of a program that has nothing to do with the server. */
static void
alice_draws(struct actor *self, void *arg)
{
    struct edge *e = arg;

    e->id = memfd_create("her-window", MFD_CLOEXEC);
    MUST(e->id != -1 && write(e->id, SECRET, sizeof SECRET) > 0);
    actor_step(self);
}

static bool
opens_her_memory(bool naive)
{
    const unsigned may = 1u << BROKER_OBJECT | 1u << BROKER_MEMORY;
    const struct ipc_peer peer = {.uid = ALICE, .evidence = IPC_CLAIMED};
    struct edge *e = make_edge(NULL);
    struct broker_request r;
    struct broker_answer a;
    struct broker_call c;
    struct actor alice;
    char name[64];
    struct two t = {.broker = -1};

    (void)naive;
    actor_start(&alice, ALICE, alice_draws, e);
    actor_wait(&alice);
    begin_broker(&t, may);
    ask_by(t.his[0]);
    snprintf(name, sizeof name, "%d/%d", (int)alice.pid, e->id);
    MUST(broker_request(&r, BROKER_OBJECT, &peer, name, strlen(name)) == 0);
    r.space = OBJECT_PROC_FD;
    r.number = O_RDWR;
    e->fell = broker_do(&c, &r, &a) == 0;
    broker_end(&c);
    end_broker(&t);
    actor_kill(&alice);
    return e->fell;
}

/* -- 311: what root types ---------------------------------------------------- */

static bool
reads_the_terminal(void *arg)
{
    char byte;

    (void)arg;
    return read(STDERR_FILENO, &byte, 1) == 1;
}

/* ipcd runs at a terminal, and somebody types there. */
static bool
reads_what_root_types(bool naive)
{
    const struct inside in = {.kind = CONFINED_ENDPOINT,
                              .mechanism = "socket/stream",
                              .act = reads_the_terminal};
    int keys = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), screen,
        before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    bool fell;

    MUST(keys != -1 && grantpt(keys) == 0 && unlockpt(keys) == 0);
    screen = open(ptsname(keys), O_RDWR | O_NOCTTY | O_CLOEXEC);
    MUST(screen != -1 && write(keys, "secret\n", 7) == 7);
    MUST(dup2(screen, STDERR_FILENO) != -1);
    fell = naive ? reads_the_terminal(NULL) : succeeds_inside(&in, NULL);
    MUST(dup2(before, STDERR_FILENO) != -1);
    return fell;
}

static const char *
need_terminals(void)
{
    int keys = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    bool can = keys != -1;

    if (can)
        close(keys);
    return can ? NULL : "there are no terminals here (/dev/pts)";
}

/* -- 310: who is told to come later ----------------------------------------- */

struct reading {
    struct edge *e;
    char silent[PATH_MAX];
};

#define CROWD 100

static void
send_read(struct client *c, const char *path)
{
    const struct api_value args[] = {
        {.at = path, .len = strlen(path)}, {.u64 = 0}, {.u32 = 10}};

    MUST(client_send(c, api_by_name("read_file"), args, NULL, ATTACK_TIMEOUT) ==
         0);
}

/* Each waits for a worker, and for one that hangs. */
static void
bob_reads_silence(struct actor *self, void *arg)
{
    static struct client c[CROWD / 4];
    struct reading *r = arg;
    char path[PATH_MAX + 8];

    snprintf(path, sizeof path, "%s/file", r->silent);
    for (int i = 0; i < CROWD / 4; i++) {
        MUST(host_client(r->e->server, &c[i]) == 0);
        for (int n = 0; n < 4; n++)
            send_read(&c[i], path);
        MUST(whoami(&c[i]) == BOB); /* they have been taken in */
    }
    actor_step(self);
}

static void
alice_reads(void *arg)
{
    struct reading *all = arg;
    struct client c;
    struct reply r;

    MUST(host_client(all->e->server, &c) == 0);
    send_read(&c, all->e->path);
    MUST(client_recv(&c, &r, ATTACK_TIMEOUT) == 0);
    all->e->fell = r.status != WIRE_OK;
    client_close(&c);
}

static bool
is_told_to_come_later(bool naive)
{
    struct host server;
    struct reading *r = shared(sizeof *r);
    struct actor bob;
    pid_t file_system;

    (void)naive;
    r->e = make_edge(&server);
    strcpy(r->e->path, make_file("plain", "text", 0644));
    snprintf(r->silent, sizeof r->silent, "%s/silent", stage_dir);
    MUST(mkdir(r->silent, 0755) == 0);
    file_system = silent_start(r->silent, BOB);
    MUST(file_system > 0);
    serve(&server, "socket/stream");
    actor_start(&bob, BOB, bob_reads_silence, r);
    actor_wait(&bob);
    as_user(ALICE, alice_reads, r);
    silent_end(file_system, r->silent);
    actor_kill(&bob);
    host_stop(&server);
    return r->e->fell;
}

/* -- the table -------------------------------------------------------------- */

const struct attack inside_attacks[] = {
    {300, "ipcd-broker", "(has got in) has all workers; A asks",
     .without = "endpoints,workers", .how = "one is kept for each",
     .run = takes_all_workers},
    {301, "ipcd-broker", "(has got in) has A's workers; A asks",
     .without = "endpoints", .how = "one more by another way",
     .run = takes_her_workers},
    {302, "ipcd-broker", "(has got in) asks for a silent one's",
     .without = "subdirs", .how = "in NAME.d, no deeper",
     .missing = silent_missing, .run = has_the_broker_wait},
    {303, "ipcd", "(has got in) ends all: \"shutdown\"",
     .without = "evidence,knows", .how = "not from who knows nobody",
     .run = ends_all_of_them},
    {304, "ipcd", "(has got in) leaves it a descriptor", .without = "oneway",
     .how = "one way only: EPIPE", .run = leaves_a_descriptor},
    {305, "ipcd --user", "(has got in) attaches another's segment",
     .how = "seccomp: no System V", .run = attaches_her_segment},
    {306, "ipcd --user", "(has got in) has a sibling killed",
     .how = "seccomp: no F_SETSIG", .run = has_a_sibling_killed},
    {307, "ipcd-broker", "(has got in) speaks to A's own as A",
     .how = "seccomp: no connect", .run = speaks_as_her},
    {308, "ipcd --user", "(has got in) writes over the audit",
     .how = "if root has set chattr +a", .missing = need_append_only,
     .run = writes_over_the_audit},
    {309, "ipcd-broker", "(has got in) opens A's other memory",
     .without = "brought", .how = "mode 0600, if brought",
     .run = opens_her_memory},
    {311, "ipcd --user", "(has got in) reads what root types",
     .how = "open for writing only", .missing = need_terminals,
     .run = reads_what_root_types},
    {310, "read_file", "has 100 files that hang; A asks for one",
     .without = "quota,workers", .how = "a share of each user's",
     .missing = silent_missing, .run = is_told_to_come_later},
    {0},
};
