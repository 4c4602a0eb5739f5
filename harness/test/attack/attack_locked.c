/* attack_locked.c - locks that the kernel takes without being asked: of a file
 * that is written, of a directory where a name is looked up. */
#define _GNU_SOURCE /* nftw, renameat2, F_OFD_SETLK, SYS_getdents64 */
#include "test/attack/edge.h"
#include "test/attack/hand.h"
#include "test/both/silent.h"

#include "core/clock.h"
#include "core/rendezvous.h"
#include "core/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct locked {
    struct host *server;
    char silent[PATH_MAX]; /* his file system */
    char path[PATH_MAX];   /* of what he locks */
    pid_t program;         /* of the file system */
    int dir;               /* NAME.d, held by him */
    bool served;
};

/* A file system of Bob's that says nothing, ready to be used. */
static struct locked *
make_locked(struct host *server)
{
    struct locked *l = shared(sizeof *l);

    l->server = server;
    snprintf(l->silent, sizeof l->silent, "%s/silent", stage_dir);
    MUST(mkdir(l->silent, 0755) == 0);
    l->program = silent_start(l->silent, BOB);
    MUST(l->program > 0);
    return l;
}

/* A page that never comes; nor would close(2) of its file return. */
static void *
silent_page(const struct locked *l)
{
    char path[PATH_MAX + 8];
    void *page;
    int file;

    snprintf(path, sizeof path, "%s/file", l->silent);
    file = open(path, O_RDONLY | O_CLOEXEC);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    MUST(file != -1 && page != MAP_FAILED);
    return page;
}

/* The process that has this name; 0: there is none. */
static pid_t
find_process(const char *called)
{
    DIR *dir = opendir("/proc");
    pid_t found = 0;
    struct dirent *d;

    MUST(dir != NULL);
    while ((d = readdir(dir)) != NULL) {
        char path[PATH_MAX], name[32] = "";
        FILE *in;

        snprintf(path, sizeof path, "/proc/%.20s/comm", d->d_name);
        in = fopen(path, "re");
        if (in == NULL)
            continue;
        if (fgets(name, sizeof name, in) != NULL &&
            strncmp(name, called, strlen(called)) == 0)
            found = (pid_t)atol(d->d_name);
        fclose(in);
    }
    closedir(dir);
    return found;
}

/* -- 240: the lock of a directory, by removing a name --------------------- */

/* write(2) has the file locked while it fetches what it is to write. */
static void
bob_writes_silence(struct actor *self, void *arg)
{
    const struct locked *l = arg;
    int file = open(l->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    void *page = silent_page(l);

    MUST(file != -1);
    actor_step(self);
    (void)!pwrite(file, page, 100, 0);
    actor_step(self);
}

/* unlink(2) has the directory locked when it waits for the file's lock. */
static void
bob_removes_it(struct actor *self, void *arg)
{
    const struct locked *l = arg;

    actor_step(self);
    syscall(SYS_unlinkat, AT_FDCWD, l->path, 0);
    actor_step(self);
}

/* Starts one of the two, and returns when it is in that call. */
static void
hold(struct actor *bob, actor_function *f, long call, struct locked *l)
{
    actor_start(bob, BOB, f, l);
    actor_wait(bob);
    actor_go(bob);
    while (!is_in_call(bob->pid, call))
        sched_yield();
}

static void
bob_says_there_is(void *arg)
{
    const struct locked *l = arg;
    struct registration r = {.uid = BOB, .pid = 4711, .serial = 1};
    struct hand *h;

    if (strcmp(this_attack->mechanism, "fifo/perclient") == 0) {
        h = make_hand(this_attack->mechanism, BOB);
        say_join(h);
        return;
    }
    MUST(register_this(l->server->where, &r) == 0);
}

/* She is in already. */
static void
alice_asks_on(struct actor *self, void *arg)
{
    struct locked *l = arg;
    struct client c;

    MUST(host_client(l->server, &c) == 0 && whoami(&c) == ALICE);
    actor_step(self);
    for (int i = 0; i < 1000; i++)
        if (whoami(&c) != ALICE)
            break;
    actor_step(self);
}

static bool
locks_where_names_are_made(bool naive)
{
    struct host server;
    struct locked *l = make_locked(&server);
    struct actor writer, remover, alice;
    bool stuck = false;

    (void)naive;
    serve(&server, this_attack->mechanism);
    snprintf(l->path, sizeof l->path, "%.200s.d/file", server.where);
    actor_start(&alice, ALICE, alice_asks_on, l);
    actor_wait(&alice);
    hold(&writer, bob_writes_silence, SYS_pwrite64, l);
    hold(&remover, bob_removes_it, SYS_unlinkat, l);
    as_user(BOB, bob_says_there_is, l);
    actor_go(&alice);
    while (!stuck && !actor_is_there(&alice))
        stuck = is_in_call(server.server, SYS_openat2);
    silent_end(l->program, l->silent);
    actor_kill(&writer);
    actor_kill(&remover);
    actor_kill(&alice);
    host_stop(&server);
    return stuck;
}

/* -- 281: the same; who comes has to make a name there --------------------- */

static void
alice_wants_in(struct actor *self, void *arg)
{
    const struct locked *l = arg;
    struct client c;

    actor_step(self);
    (void)host_client(l->server, &c);
    actor_step(self);
}

static bool
locks_out_who_comes(bool naive)
{
    struct host server;
    struct locked *l = make_locked(&server);
    struct actor writer, remover, alice;
    bool stuck = false;

    (void)naive;
    serve(&server, this_attack->mechanism);
    snprintf(l->path, sizeof l->path, "%.200s.d/file", server.where);
    hold(&writer, bob_writes_silence, SYS_pwrite64, l);
    hold(&remover, bob_removes_it, SYS_unlinkat, l);
    actor_start(&alice, ALICE, alice_wants_in, l);
    actor_wait(&alice);
    actor_go(&alice);
    while (!stuck && !actor_is_there(&alice))
        stuck = is_in_call(alice.pid, SYS_openat) ||
                is_in_call(alice.pid, SYS_mknodat)
#ifdef SYS_mknod
                || is_in_call(alice.pid, SYS_mknod)
#endif
            ;
    silent_end(l->program, l->silent);
    actor_kill(&writer);
    actor_kill(&remover);
    actor_kill(&alice);
    host_stop(&server);
    return stuck;
}

/* -- 242: what is left of the last server's clients ----------------------- */

static void
start_the_next(struct actor *self, void *arg)
{
    struct locked *l = arg;
    struct host next;

    actor_step(self);
    serve(&next, this_attack->mechanism);
    l->served = is_served(&next);
    actor_step(self);
    host_stop(&next);
}

/* Of what he has made there, under a name that the next server removes. */
static bool
keeps_the_lock_of(struct locked *l)
{
    struct host server = *l->server;
    struct actor writer, root;
    pid_t endpoint = 0;
    bool stuck = false;

    actor_start(&root, geteuid(), start_the_next, l);
    actor_wait(&root);
    hold(&writer, bob_writes_silence, SYS_pwrite64, l);
    kill_server(&server);
    host_stop(&server);
    actor_go(&root);
    while (!stuck && !actor_is_there(&root)) {
        endpoint = find_process(this_attack->mechanism);
        stuck = endpoint > 0 && is_in_call(endpoint, SYS_unlinkat);
    }
    silent_end(l->program, l->silent);
    actor_kill(&writer);
    actor_wait(&root);
    actor_go(&root);
    actor_end(&root);
    return stuck;
}

static bool
keeps_what_is_left(bool naive)
{
    static struct host server;
    struct locked *l = make_locked(&server);

    (void)naive;
    serve(&server, this_attack->mechanism);
    snprintf(l->path, sizeof l->path, "%.200s.d/file", server.where);
    return keeps_the_lock_of(l);
}

/* -- 286: ... or in /dev/shm, beside the server's own --------------------- */

static bool
keeps_what_is_in_shm(bool naive)
{
    static struct host server;
    struct locked *l = make_locked(&server);
    char base[ENDPOINT_SIZE];

    (void)naive;
    serve(&server, this_attack->mechanism);
    MUST(endpoint_lookup(server.where, "name", base, sizeof base) == 0);
    snprintf(l->path, sizeof l->path, "/dev/shm/%.100s.1.1", base + 1);
    return keeps_the_lock_of(l);
}

/* -- 283, 284: who ends, who sweeps --------------------------------------- */

static void
root_sweeps(struct actor *self, void *arg)
{
    const struct locked *l = arg;

    actor_step(self);
    l->server->m->sweep(l->server->where);
    actor_step(self);
}

/* Without reaping it: host_stop() does that. */
static bool
has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
}

/* If he tried, he would wait himself: the one who sweeps has it locked. */
static bool
can_make_more(const struct locked *l)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", l->dir);
    become_user(BOB);
    return access(path, W_OK | X_OK) == 0;
}

static bool
keeps_who_removes_it(bool sweeps)
{
    struct host server;
    struct locked *l = make_locked(&server);
    struct actor writer, root;
    char dir[ENDPOINT_SIZE];
    bool stuck = false;

    serve(&server, this_attack->mechanism);
    MUST(endpoint_file(server.where, ".d", dir) == 0);
    l->dir = open(dir, O_PATH | O_CLOEXEC);
    snprintf(l->path, sizeof l->path, "%.200s/file", dir);
    actor_start(&root, geteuid(), root_sweeps, l);
    actor_wait(&root);
    hold(&writer, bob_writes_silence, SYS_pwrite64, l);
    if (sweeps) {
        kill_server(&server);
        host_stop(&server);
        actor_go(&root);
    } else {
        kill(server.pid, SIGTERM);
    }
    while (!stuck && !(sweeps ? actor_is_there(&root) : has_ended(server.pid)))
        stuck = sweeps ? is_in_call(root.pid, SYS_unlinkat)
                       : is_in_call(server.pid, SYS_unlinkat) ||
                             is_in_call(server.server, SYS_unlinkat);
    if (!stuck && sweeps) {
        pid_t bob = fork();
        int status;

        if (bob == 0)
            _exit(can_make_more(l));
        MUST(waitpid(bob, &status, 0) == bob && WIFEXITED(status));
        stuck = WEXITSTATUS(status) != 0;
    }
    silent_end(l->program, l->silent);
    actor_kill(&writer);
    actor_kill(&root);
    if (!sweeps)
        host_stop(&server);
    return stuck;
}

static bool
keeps_who_ends(bool naive)
{
    (void)naive;
    return keeps_who_removes_it(false);
}

static bool
keeps_who_sweeps(bool naive)
{
    (void)naive;
    return keeps_who_removes_it(true);
}

/* -- 287: a directory that becomes a link while it is removed -------------- */

#define VICTIMS 200

/* By path, as textbooks have it.  At the worst moment, when his directory is
 * open and the first of its names known, he goes on. */
static struct actor *changes;

static int
forget_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    if (changes != NULL && strstr(path, "/his/") != NULL) {
        actor_go(changes);
        actor_wait(changes);
        changes = NULL;
    }
    remove(path);
    return 0;
}

static void
make_victims(const char *dir)
{
    char path[PATH_MAX];

    for (int i = 0; i < VICTIMS; i++) {
        snprintf(path, sizeof path, "%.200s/%d", dir, i);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
}

static int
victims_in(const char *dir)
{
    char path[PATH_MAX];
    int n = 0;

    for (int i = 0; i < VICTIMS; i++) {
        snprintf(path, sizeof path, "%.200s/%d", dir, i);
        n += access(path, F_OK) == 0;
    }
    return n;
}

/* Files that are called like root's; and a link to where those are. */
static void
bob_exchanges(struct actor *self, void *arg)
{
    const struct locked *l = arg;
    char sub[PATH_MAX], link[PATH_MAX];

    snprintf(sub, sizeof sub, "%.200s/his", l->path);
    snprintf(link, sizeof link, "%.200s/link", l->path);
    MUST(mkdir(sub, 0700) == 0 && symlink(l->silent, link) == 0);
    make_victims(sub);
    actor_step(self);
    if (l->dir == 1) { /* once, at the worst moment */
        MUST(rename(sub, strcat(strcpy(link, sub), "-was")) == 0 &&
             symlink(l->silent, sub) == 0);
        actor_step(self);
    }
    while (renameat2(AT_FDCWD, sub, AT_FDCWD, link, RENAME_EXCHANGE) == 0)
        continue;
    actor_step(self);
}

static bool
exchanges_what_is_removed(bool naive)
{
    struct locked *l = shared(sizeof *l);
    char scratch[PATH_MAX];
    struct actor bob;
    bool fell = false;

    snprintf(l->silent, sizeof l->silent, "%s/vault", stage_dir);
    MUST(mkdir(l->silent, 0700) == 0);
    make_victims(l->silent);
    l->dir = naive;
    for (int i = 0; i < (naive ? 1 : 20) && !fell; i++) {
        snprintf(scratch, sizeof scratch, "%s/run-%d", stage_dir, i);
        snprintf(l->path, sizeof l->path, "%.200s/open", scratch);
        MUST(mkdir(scratch, 0755) == 0 && mkdir(l->path, 0777) == 0 &&
             chmod(l->path, 0777) == 0);
        actor_start(&bob, BOB, bob_exchanges, l);
        actor_wait(&bob);
        changes = &bob;
        if (!naive)
            actor_go(&bob);
        if (naive)
            nftw(scratch, forget_one, 16, FTW_DEPTH | FTW_PHYS);
        else
            scratch_remove(scratch);
        actor_kill(&bob);
        fell = victims_in(l->silent) < VICTIMS;
    }
    return fell;
}

/* -- 241: the lock of the queues' directory ------------------------------- */

static void
bob_lists_the_queues(struct actor *self, void *arg)
{
    const struct locked *l = arg;
    int dir = open("/dev/mqueue", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    void *page = silent_page(l);

    MUST(dir != -1);
    actor_step(self);
    syscall(SYS_getdents64, dir, page, 4096);
    actor_step(self);
}

/* ... and rings. */
static void
bob_says_a_queue_is_his(void *arg)
{
    const struct locked *l = arg;
    mqd_t queue = mq_open(l->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    MUST(queue != -1);
    bob_says_there_is(arg);
    MUST(mq_send(queue, "", 0, 0) == 0);
}

/* All endpoints ask the one broker. */
static bool
lists_the_queues(bool naive)
{
    struct host server;
    struct locked *l = make_locked(&server);
    struct actor bob, alice;
    bool stuck = false;
    pid_t broker;

    (void)naive;
    (void)!mkdir("/dev/mqueue", 0755);
    MUST(mount("mqueue", "/dev/mqueue", "mqueue", 0, NULL) == 0);
    serve(&server, this_attack->mechanism);
    broker = find_process("ipcd-broker");
    MUST(broker > 0);
    MUST(endpoint_lookup(server.where, "queue", l->path, ENDPOINT_SIZE) == 0);
    actor_start(&alice, ALICE, alice_asks_on, l);
    actor_wait(&alice);
    actor_start(&bob, BOB, bob_lists_the_queues, l);
    actor_wait(&bob);
    pause_server(&server);
    as_user(BOB, bob_says_a_queue_is_his, l);
    actor_go(&bob);
    while (!is_in_call(bob.pid, SYS_getdents64))
        sched_yield();
    resume_server(&server);
    actor_go(&alice);
    while (!stuck && !actor_is_there(&alice))
        stuck = is_in_call(broker, SYS_mq_open);
    silent_end(l->program, l->silent);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&server);
    return stuck;
}

static const char *
need_queues_and_silence(void)
{
    const char *why = silent_missing();

    return why != NULL ? why
           : access("/dev/mqueue", F_OK) == -1 && access("/dev", W_OK) == -1
               ? "need a directory to mount the queues at"
               : NULL;
}

/* -- 243: the lock of the file that both write --------------------------- */

static void
bob_keeps_his_file(struct actor *self, void *arg)
{
    const struct locked *l = arg;
    struct client c;
    struct stat st;
    void *page;
    int fd;

    MUST(host_client(l->server, &c) == 0 && whoami(&c) == BOB);
    page = silent_page(l);
    for (fd = 3; fstat(fd, &st) == -1 || !S_ISREG(st.st_mode); fd++)
        MUST(fd < 64);
    actor_step(self); /* the server is stopped */
    MUST(client_send(&c, api_by_name("whoami"), NULL, NULL, ATTACK_TIMEOUT) ==
         0);
    actor_step(self);
    (void)!pwrite(fd, page, 100, 0);
    actor_step(self);
}

static bool
keeps_his_file(bool naive)
{
    struct host server;
    struct locked *l = make_locked(&server);
    struct actor bob, alice;
    bool stuck = false;

    (void)naive;
    serve(&server, this_attack->mechanism);
    actor_start(&alice, ALICE, alice_asks_on, l);
    actor_wait(&alice);
    actor_start(&bob, BOB, bob_keeps_his_file, l);
    actor_wait(&bob);
    pause_server(&server);
    actor_go(&bob);
    actor_wait(&bob);
    actor_go(&bob);
    while (!is_in_call(bob.pid, SYS_pwrite64))
        sched_yield();
    resume_server(&server);
    actor_go(&alice);
    while (!stuck && !actor_is_there(&alice))
        stuck = is_in_call(server.server, SYS_pwritev);
    silent_end(l->program, l->silent);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&server);
    return stuck;
}

/* -- 247: every lock that one may ask for --------------------------------- */

struct names {
    char path[32][PATH_MAX];
    size_t n;
    int file; /* the textbook's */
};

static void
lock_all(int fd)
{
    const short kinds[] = {F_RDLCK, F_WRLCK};

    for (int i = 0; i < 2; i++) {
        struct flock lock = {.l_type = kinds[i], .l_whence = SEEK_SET};

        fcntl(fd, F_OFD_SETLK, &lock);
    }
    flock(fd, LOCK_EX | LOCK_NB);
    fcntl(fd, F_SETLEASE, F_RDLCK);
}

static void
bob_locks_everything(struct actor *self, void *arg)
{
    const struct names *all = arg;
    const int flags[] = {O_RDONLY, O_WRONLY};

    for (size_t i = 0; i < all->n; i++)
        for (int k = 0; k < 2; k++) {
            int fd = open(all->path[i], flags[k] | O_NONBLOCK | O_CLOEXEC);

            if (fd != -1)
                lock_all(fd);
        }
    actor_step(self);
}

static struct names *
names_in_run_dir(void)
{
    struct names *all = shared(sizeof *all);
    DIR *dir = opendir(run_dir);
    struct dirent *d;

    MUST(dir != NULL);
    while ((d = readdir(dir)) != NULL)
        if (d->d_name[0] != '.' && all->n < 32)
            snprintf(all->path[all->n++], PATH_MAX, "%s/%.200s", run_dir,
                     d->d_name);
    closedir(dir);
    MUST(all->n > 0);
    return all;
}

static void
lock_it_whole(void *file)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    fcntl(*(int *)file, F_OFD_SETLKW, &lock);
}

/* He may open what all clients have to read. */
static bool
locks_everything(bool naive)
{
    struct names *all;
    struct actor bob;
    struct host server;
    bool fell;

    if (naive) { /* "only we write it" */
        all = shared(sizeof *all);
        strcpy(all->path[all->n++], make_file("state", "", 0644));
        all->file = open(all->path[0], O_RDWR | O_CLOEXEC);
        actor_start(&bob, BOB, bob_locks_everything, all);
        actor_wait(&bob);
        fell = textbook_hangs(lock_it_whole, &all->file, SYS_fcntl);
        actor_kill(&bob);
        return fell;
    }
    serve(&server, this_attack->mechanism);
    all = names_in_run_dir();
    actor_start(&bob, BOB, bob_locks_everything, all);
    actor_wait(&bob);
    fell = !is_served(&server) || host_stop(&server) != 0;
    serve(&server, this_attack->mechanism);
    fell = fell || !is_served(&server);
    actor_kill(&bob);
    host_stop(&server);
    return fell;
}

/* -- the table ------------------------------------------------------------ */

static const char file_lock[] =
    "a file has one lock, and write(2) from memory that never comes keeps it. "
    "The file is the client's, and to reply is to write(2) there. Where it is "
    "mapped instead (shm/reclock) no lock is needed.";

#define NAMES \
    .what = "locks NAME.d; says what is not there", .without = "cached", \
    .how = "RESOLVE_CACHED", .missing = silent_missing, \
    .run = locks_where_names_are_made
static const char names_lock[] =
    "a directory has one lock, and unlink(2) keeps it while it waits for that "
    "of the file, as above. Who may make names there may do that, and who "
    "comes has to make one. Those who are in go on.";

#define LOCKS_OUT \
    .what = "locks NAME.d; A comes", .how = "until he ends", \
    .cannot = names_lock, .missing = silent_missing, \
    .run = locks_out_who_comes
#define EVERYTHING \
    .what = "locks all that he may open; a restart", \
    .how = "no lock of ours is his", .run = locks_everything

const struct attack locked_attacks[] = {
    {.number = 240, .mechanism = "fifo/perclient", NAMES},
    {.number = 240, .mechanism = "mmap/file", NAMES},
    {.number = 240, .mechanism = "mmap/lockfile", NAMES},
    {241, "msgq/posix", "lists the queues; says one is his",
     .without = "cached", .how = "RESOLVE_CACHED",
     .missing = need_queues_and_silence, .run = lists_the_queues},
    {242, "fifo/perclient", "keeps the lock of what he left",
     .without = "apart", .how = "a process of its own",
     .missing = silent_missing, .run = keeps_what_is_left},
    {286, "sem/mailbox", "keeps the lock of what is in /dev/shm",
     .without = "sweep", .how = "only what is root's",
     .missing = silent_missing, .run = keeps_what_is_in_shm},
    {283, "fifo/perclient", "keeps the lock of what he left; SIGTERM",
     .without = "apart", .how = "a process of its own",
     .missing = silent_missing, .run = keeps_who_ends},
    {284, "fifo/perclient", "the same; root sweeps", .without = "apart",
     .how = "a process of its own", .missing = silent_missing,
     .run = keeps_who_sweeps},
    {285, "fifo/perclient", "makes more where root sweeps", .without = "closed",
     .how = "mode 0700 first", .missing = silent_missing,
     .run = keeps_who_sweeps},
    {287, "run directory", "has a link for what root removes",
     .how = "by descriptors, not paths", .run = exchanges_what_is_removed},
    {.number = 281, .mechanism = "fifo/perclient", LOCKS_OUT},
    {.number = 281, .mechanism = "mmap/file", LOCKS_OUT},
    {.number = 281, .mechanism = "mmap/lockfile", LOCKS_OUT},
    {243, "mmap/lockfile", "asks, and keeps the lock of his file",
     .how = "until he ends", .cannot = file_lock, .missing = silent_missing,
     .run = keeps_his_file},
    {.number = 247, .mechanism = "socket/stream", EVERYTHING},
    {.number = 247, .mechanism = "fifo/perclient", EVERYTHING},
    {.number = 247, .mechanism = "sem/values", EVERYTHING},
    {.number = 247, .mechanism = "shm/futex", EVERYTHING},
    {0},
};
