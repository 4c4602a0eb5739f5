/* attack_why.c - what a process does to who asks why it waits: `ipclab why`, by
 * root. */
#define _GNU_SOURCE /* O_CLOEXEC, memfd_create */
#include "test/attack/edge.h"
#include "test/both/silent.h"

#include "core/clock.h"
#include "lab/procfs.h"
#include "lab/why.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Root asks, and what is said goes into a file. */
static pid_t
ask_why(pid_t pid, int to)
{
    pid_t asker;

    fflush(NULL);
    asker = fork();
    MUST(asker != -1);
    if (asker == 0) {
        why_timeout = NS_PER_SEC / 2;
        dup2(to, STDOUT_FILENO);
        why_print(pid);
        fflush(NULL);
        _exit(EXIT_SUCCESS);
    }
    return asker;
}

/* -- 271: a name with ESC in it ------------------------------------------- */

static void
bob_waits_at_a_name(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    char byte;
    int fd;

    MUST(mkfifo(e->path, 0600) == 0);
    fd = open(e->path, O_RDWR | O_CLOEXEC);
    MUST(fd != -1);
    actor_step(self);
    (void)!read(fd, &byte, 1);
}

static void
bob_waits_for_a_lock(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    int mine = open(e->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
        other = open(e->path, O_RDWR | O_CLOEXEC);

    MUST(mine != -1 && other != -1 && flock(mine, LOCK_EX) == 0);
    actor_step(self);
    (void)!flock(other, LOCK_EX);
}

static void
bob_waits_at_a_socket(struct actor *self, void *arg)
{
    const struct edge *e = arg;
    int fd = bind_local(e->path, SOCK_DGRAM);
    char byte;

    actor_step(self);
    (void)!recv(fd, &byte, 1, 0);
}

static void
bob_waits_at_an_odd_queue(struct actor *self, void *arg)
{
    static char room[8192];
    mqd_t queue =
        mq_open("/\033]0;root\007\nall", O_RDONLY | O_CREAT, 0600, NULL);

    (void)arg;
    MUST(queue != (mqd_t)-1);
    actor_step(self);
    (void)!mq_receive(queue, room, sizeof room, NULL);
}

static const struct {
    actor_function *wait;
    long call;
    const char *says;
} ways[] = {
    {bob_waits_at_a_name, SYS_read, "read(fd "},
    {bob_waits_for_a_lock, SYS_flock, "flock("},
    {bob_waits_at_a_socket, SYS_recvfrom, "recv("},
    {bob_waits_at_an_odd_queue, SYS_mq_timedreceive, "mq_receive("},
};
#define WAYS ((int)(sizeof ways / sizeof *ways))

/* And its own name is no better. */
static void
bob_waits(struct actor *self, void *arg)
{
    struct edge *e = arg;

    MUST(prctl(PR_SET_NAME, "\033[2J\nall") == 0);
    ways[e->id].wait(self, arg);
}

static bool
names_it_oddly(const char *dir, int way)
{
    struct edge *e = make_edge(NULL);
    char said[2048] = "";
    struct actor bob;
    int out = memfd_create("said", MFD_CLOEXEC);
    pid_t asker;

    e->id = way;
    snprintf(e->path, sizeof e->path, "%.100s/%d\033]0;root\007\nall is well",
             dir, way);
    actor_start(&bob, BOB, bob_waits, e);
    actor_wait(&bob);
    actor_go(&bob);
    while (!is_in_call(bob.pid, ways[way].call))
        sched_yield();
    asker = ask_why(bob.pid, out);
    MUST(waitpid(asker, NULL, 0) == asker);
    MUST(pread(out, said, sizeof said - 1, 0) > 0);
    MUST(strstr(said, ways[way].says) != NULL);
    actor_kill(&bob);
    return strchr(said, '\033') != NULL || strstr(said, "\nall") != NULL;
}

static bool
names_his_file_oddly(bool naive)
{
    char dir[PATH_MAX];

    (void)naive;
    strcpy(dir, make_careless_dir(stage_dir));
    for (int i = 0; i < WAYS; i++)
        if (names_it_oddly(dir, i))
            return true;
    return false;
}

/* -- 272, 273: what never comes ------------------------------------------- */

struct hidden {
    char silent[PATH_MAX];
    struct pollfd *fds;
    mqd_t queue;
};

static void *
waits_at_descriptors(void *arg)
{
    const struct hidden *h = arg;

    poll(h->fds, 1, -1);
    return NULL;
}

static void *
waits_at_a_queue(void *arg)
{
    const struct hidden *h = arg;
    char text[8192];

    (void)!mq_receive(h->queue, text, sizeof text, NULL);
    return NULL;
}

static int
silent_file(const struct hidden *h)
{
    char path[PATH_MAX + 8];
    int file;

    snprintf(path, sizeof path, "%s/file", h->silent);
    file = open(path, O_RDONLY | O_CLOEXEC);
    MUST(file != -1);
    return file;
}

/* The list of what it waits for is where his file system is by now. */
static void
bob_hides_what_he_waits_for(struct actor *self, void *arg)
{
    struct hidden *h = arg;
    pthread_t thread;
    int ends[2];

    MUST(pipe2(ends, O_CLOEXEC) == 0);
    h->fds = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(h->fds != MAP_FAILED);
    h->fds[0] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    MUST(pthread_create(&thread, NULL, waits_at_descriptors, h) == 0);
    actor_step(self); /* until the thread waits */
    MUST(mmap(h->fds, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
              silent_file(h), 0) == h->fds);
    actor_step(self);
}

/* Under the number of his queue is a file that never closes by now. */
static void
bob_changes_what_he_waits_for(struct actor *self, void *arg)
{
    struct hidden *h = arg;
    pthread_t thread;

    h->queue = mq_open("/bobs", O_RDONLY | O_CREAT | O_CLOEXEC, 0600, NULL);
    MUST(h->queue != -1);
    MUST(pthread_create(&thread, NULL, waits_at_a_queue, h) == 0);
    actor_step(self);
    MUST(dup2(silent_file(h), (int)h->queue) == (int)h->queue);
    actor_step(self);
}

#ifdef SYS_poll
#define POLLS SYS_poll
#else
#define POLLS SYS_ppoll
#endif

static bool
keeps_the_asker(actor_function *hide, long waits, long asks)
{
    struct hidden *h = shared(sizeof *h);
    int out = memfd_create("said", MFD_CLOEXEC);
    pid_t file_system, asker;
    struct actor bob;
    bool stuck = false;

    snprintf(h->silent, sizeof h->silent, "%s/silent", stage_dir);
    MUST(mkdir(h->silent, 0755) == 0);
    file_system = silent_start(h->silent, BOB);
    MUST(file_system > 0);
    actor_start(&bob, BOB, hide, h);
    actor_wait(&bob);
    while (!is_in_call(bob.pid, waits))
        sched_yield();
    actor_go(&bob);
    actor_wait(&bob);
    asker = ask_why(bob.pid, out);
    while (!stuck && waitpid(asker, NULL, WNOHANG) == 0)
        stuck = is_in_call(asker, asks);
    silent_end(file_system, h->silent);
    if (stuck)
        waitpid(asker, NULL, 0);
    actor_kill(&bob);
    return stuck;
}

static bool
hides_his_memory(bool naive)
{
    (void)naive;
    return keeps_the_asker(bob_hides_what_he_waits_for, POLLS,
                           SYS_process_vm_readv);
}

static bool
changes_his_queue(bool naive)
{
    (void)naive;
    return keeps_the_asker(bob_changes_what_he_waits_for, SYS_mq_timedreceive,
                           SYS_close);
}

/* -- 319: descriptors without end ------------------------------------------- */

static void
bob_opens_it_often(struct actor *self, void *path)
{
    const struct rlimit most = {4096, 4096};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    MUST(fd != -1 && setrlimit(RLIMIT_NOFILE, &most) == 0);
    while (dup(fd) != -1)
        continue;
    actor_step(self);
}

static bool
count_it(pid_t pid, int fd, int flags, void *count)
{
    (void)pid, (void)fd, (void)flags;
    ++*(unsigned *)count;
    return true;
}

static bool
has_root_look_for_long(bool naive)
{
    const char *path = make_file("plain", "text", 0644);
    struct actor bobs[PROCFS_SHARE / 4096 + 2];
    const size_t n = sizeof bobs / sizeof *bobs;
    unsigned looked_at = 0;

    (void)naive;
    for (size_t i = 0; i < n; i++) {
        actor_start(&bobs[i], BOB, bob_opens_it_often, strdup(path));
        actor_wait(&bobs[i]);
    }
    procfs_holders(path, count_it, &looked_at);
    for (size_t i = 0; i < n; i++)
        actor_kill(&bobs[i]);
    MUST(looked_at > PROCFS_SHARE / 2);
    return looked_at > PROCFS_SHARE;
}

static const char *
need_queues(void)
{
    return ipc_unavailable(ipc_find("msgq/posix"));
}

static const char *
need_queues_and_silence(void)
{
    return silent_missing() != NULL ? silent_missing() : need_queues();
}

/* -- the table ------------------------------------------------------------ */

const struct attack why_attacks[] = {
    {271, "ipclab why", "has ESC and newline in a name", .without = "printable",
     .how = "only what can be printed", .missing = need_queues,
     .run = names_his_file_oddly},
    {272, "ipclab why", "has memory that never comes", .without = "childlooks",
     .how = "a child looks, for a time", .missing = silent_missing,
     .run = hides_his_memory},
    {273, "ipclab why", "has a file for a queue; to close it",
     .without = "held,childlooks", .how = "opened if it is a queue",
     .missing = need_queues_and_silence, .run = changes_his_queue},
    {319, "ipclab why", "has 20,000 descriptors to be looked at",
     .without = "share", .how = "a share of each user's",
     .run = has_root_look_for_long},
    {0},
};
