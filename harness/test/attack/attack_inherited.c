/* attack_inherited.c - what a client leaves to the server that it starts, or
 * does to it. */
#define _GNU_SOURCE /* SCHED_IDLE */
#include "test/attack/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- 257 to 260: what a client leaves to its server, or does to it --------- */

struct heir {
    struct host server;
    void (*leave)(const struct heir *h); /* before it starts it */
    char path[PATH_MAX];
    pid_t pid; /* of the server */
    bool fell;
};

static struct heir *
make_heir(void (*leave)(const struct heir *h))
{
    struct heir *h = shared(sizeof *h);

    serve_set_user_id(&h->server, "pipe/coprocess");
    h->leave = leave;
    snprintf(h->path, sizeof h->path, "%s/hers", stage_dir);
    MUST(mkdir(h->path, 0777) == 0);
    return h;
}

/* The first, if there are several; 0: none. */
static pid_t
child_of(pid_t pid)
{
    char path[64];
    int child = 0;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid,
             (int)pid);
    in = fopen(path, "re");
    if (in != NULL) {
        if (fscanf(in, "%d", &child) != 1)
            child = 0;
        fclose(in);
    }
    return (pid_t)child;
}

static void
alice_starts_it(struct actor *self, void *arg)
{
    struct heir *h = arg;
    struct client c;

    h->leave(h);
    MUST(host_client(&h->server, &c) == 0 && whoami(&c) == ALICE);
    h->pid = child_of(getpid());
    MUST(h->pid > 0 && chdir("/") == 0);
    actor_step(self);
    client_close(&c);
}

static void
leave_no_stack(const struct heir *h)
{
    const struct rlimit little = {256 << 10, RLIM_INFINITY};

    (void)h;
    MUST(setrlimit(RLIMIT_STACK, &little) == 0);
}

static bool
leaves_no_stack(bool naive)
{
    struct heir *h = make_heir(leave_no_stack);
    char path[64], line[128];
    struct actor alice;
    long long now = 0;
    FILE *in;

    (void)naive;
    actor_start(&alice, ALICE, alice_starts_it, h);
    actor_wait(&alice);
    snprintf(path, sizeof path, "/proc/%d/limits", (int)h->pid);
    in = fopen(path, "re");
    MUST(in != NULL);
    while (fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "Max stack size %lld", &now) == 1)
            break;
    fclose(in);
    MUST(now > 0);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&h->server);
    return now < 1 << 20;
}

/* What time limits are left (poll), which kernel this is (uname), and more, is
 * told otherwise then: personality(2). */
static void
leave_a_personality(const struct heir *h)
{
    (void)h;
    MUST(personality(STICKY_TIMEOUTS | UNAME26) != -1);
}

static bool
leaves_a_personality(bool naive)
{
    struct heir *h = make_heir(leave_a_personality);
    unsigned persona = 0;
    char path[64];
    struct actor alice;
    FILE *in;

    (void)naive;
    actor_start(&alice, ALICE, alice_starts_it, h);
    actor_wait(&alice);
    snprintf(path, sizeof path, "/proc/%d/personality", (int)h->pid);
    in = fopen(path, "re");
    MUST(in != NULL && fscanf(in, "%x", &persona) == 1);
    fclose(in);
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&h->server);
    return persona != PER_LINUX;
}

static void
leave_a_directory(const struct heir *h)
{
    MUST(chdir(h->path) == 0);
}

/* What somebody works in cannot be unmounted. */
static bool
leaves_a_directory(bool naive)
{
    struct heir *h = make_heir(leave_a_directory);
    struct actor alice;
    bool busy;

    MUST(mount("hers", h->path, "tmpfs", 0, "mode=0777") == 0);
    if (naive) { /* a textbook's server stays where it was started */
        MUST(chdir(h->path) == 0);
        return umount(h->path) == -1 && errno == EBUSY;
    }
    actor_start(&alice, ALICE, alice_starts_it, h);
    actor_wait(&alice);
    busy = umount(h->path) == -1;
    actor_go(&alice);
    actor_end(&alice);
    host_stop(&h->server);
    return busy;
}

/* Its real uid is hers, which is all that setpriority(2) names.  But the kernel
 * looks at the capabilities, too: capabilities(7), CAP_SYS_NICE. */
static void
alice_slows_it_down(struct actor *self, void *arg)
{
    const struct sched_param none = {.sched_priority = 0};
    struct heir *h = arg;

    actor_step(self);
    h->fell = setpriority(PRIO_PROCESS, (id_t)h->pid, 19) == 0 ||
              sched_setscheduler(h->pid, SCHED_IDLE, &none) == 0;
    MUST(h->fell || errno == EPERM);
    actor_step(self);
}

static void
leave_nothing_odd(const struct heir *h)
{
    (void)h;
}

static void
alice_waits(struct actor *self, void *arg)
{
    struct heir *h = arg;

    h->pid = getpid();
    actor_step(self);
}

static bool
slows_it_down(bool naive)
{
    struct heir *h = make_heir(leave_nothing_odd);
    struct actor owner, slower;

    actor_start(&owner, ALICE, naive ? alice_waits : alice_starts_it, h);
    actor_wait(&owner);
    actor_start(&slower, ALICE, alice_slows_it_down, h);
    actor_wait(&slower);
    actor_go(&slower);
    actor_wait(&slower);
    actor_kill(&slower);
    actor_go(&owner);
    actor_end(&owner);
    host_stop(&h->server);
    return h->fell;
}

/* -- the table ------------------------------------------------------------ */

const struct attack inherited_attacks[] = {
    {257, "pipe/coprocess", "slows it down while it serves",
     .how = "it has capabilities", .run = slows_it_down},
    {258, "pipe/coprocess", "leaves it next to no stack", .without = "limits",
     .how = "limits are set anew", .run = leaves_no_stack},
    {259, "pipe/coprocess", "leaves it a personality(2)",
     .without = "personality", .how = "PER_LINUX", .run = leaves_a_personality},
    {260, "pipe/coprocess", "leaves it in her mount", .how = "chdir(\"/\")",
     .run = leaves_a_directory},
    {0},
};
