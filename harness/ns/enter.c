/*
 * enter.c - a child in new namespaces, in the two ways that there are.
 *
 *   clone()    parent -- clone(flags) --> child: inside from its first moment
 *
 *   unshare()  parent -- fork() --> go-between: unshare(flags)
 *                                       |-- fork() --> child
 *
 * unshare() changes the process that calls it: at once for most namespaces,
 * but for pid and time only its children to come.  (A process keeps its pid;
 * and a clock must not jump while somebody waits by it.)  So unshare() stands
 * before the fork(), and in a go-between, since the parent is to stay where it
 * is.
 *
 * Who is in a new user namespace has all capabilities there, and over all
 * namespaces made together with it.  That is how an ordinary user may do any
 * of this.
 */
#define _GNU_SOURCE /* clone, unshare, CLONE_NEW... */
#include "core/parent.h"
#include "ns/nslab.h"
#include "ns/spaces.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* linux/sched.h */
#endif

#define STACK_SIZE ((size_t)1024 * 1024) /* bytes; far more than is used */

/* Ten days: nobody's clock differs by that much by itself. */
#define CLOCK_OFFSET 864000L

/* -- what could not be done ------------------------------------------------ */

void
complain(struct lab *lab, const char *what, int err)
{
    if (err != 0 && lab->complaints < MOST_COMPLAINTS)
        lab->complaint[lab->complaints++] =
            (struct complaint){.what = what, .err = err};
}

const char *
advice(const struct lab *lab, const struct complaint *c)
{
    static const struct {
        const char *what, *advice;
    } table[] = {
        {"uid_map and gid_map",
         "one line with one's own id is what everybody may write: "
         "user_namespaces(7)"},
        {"a /proc of its own",
         "in a container parts of /proc are covered, and who may not uncover "
         "them may not mount it anew: mount_namespaces(7)"},
        {"another host name", "it takes CAP_SYS_ADMIN over the UTS namespace"},
        {"another clock",
         "offsets can be set only while nobody is in the namespace, and never "
         "below 0: time_namespaces(7)"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].what, c->what) == 0)
            return table[i].advice;
    return spaces_advice(lab->flags, c->err);
}

/* -- settling in: by the child, inside ------------------------------------- */

static int
be_root_inside(const struct lab *lab)
{
    return lab->flags & CLONE_NEWUSER
               ? spaces_map_user(0, lab->uid, 0, lab->gid)
               : 0;
}

static void
change_mounts(struct lab *lab)
{
    int err = spaces_private_mounts();

    complain(lab, "mounts of its own", err);
    if (err != 0)
        return; /* what we mounted now would be seen outside */
    complain(lab, "a /dev/shm of its own", spaces_cover("/dev/shm", 01777));
    /* The old one would go on to show the processes of the parent's
     * namespace: it belongs to the one in which it was mounted. */
    if (lab->flags & CLONE_NEWPID)
        complain(lab, "a /proc of its own", spaces_fresh_proc());
}

/* Something to see in each of them.  None of it can be seen outside. */
static void
settle(struct lab *lab)
{
    static const char name[] = "inside";

    if (lab->flags & CLONE_NEWNS)
        change_mounts(lab);
    if (lab->flags & CLONE_NEWNET) {
        lab->loopback = spaces_loopback_is_up() ? "up" : "down";
        complain(lab, "the loopback device up", spaces_loopback_up());
    }
    if ((lab->flags & CLONE_NEWUTS) && sethostname(name, sizeof name - 1) == -1)
        complain(lab, "another host name", -errno);
}

/* -- by clone() ------------------------------------------------------------ */

struct start {
    struct lab *lab;
    int (*f)(struct lab *);
    int nslab; /* a pidfd */
};

/*
 * clone() cannot make a time namespace: its flags share a word with the exit
 * signal, and CLONE_NEWTIME (0x80) is one of the signal's bits.  clone3(2) has
 * room for it, but puts the child in at once, and from then on the offsets are
 * fixed.  So the child makes that one itself, for its children, and then
 * enters it, which setns(2) allows.
 */
static void
make_time(struct lab *lab)
{
    int err = unshare(CLONE_NEWTIME) == -1 ? -errno : 0;

    if (err == 0)
        err = spaces_set_clock(CLOCK_OFFSET);
    if (err == 0)
        err = spaces_join_time();
    complain(lab, "another clock", err);
}

static int
cloned(void *arg)
{
    const struct start *s = arg;

    end_with_pidfd(s->nslab, SIGKILL); /* who ends nslab ends us */
    complain(s->lab, "uid_map and gid_map", be_root_inside(s->lab));
    if (s->lab->flags & CLONE_NEWTIME)
        make_time(s->lab);
    settle(s->lab);
    return s->f(s->lab);
}

static pid_t
by_clone(struct lab *lab, int (*f)(struct lab *))
{
    struct start start = {lab, f, parent_pidfd()};
    int flags = (lab->flags & ~CLONE_NEWTIME) | SIGCHLD;
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    pid_t pid;

    if (stack == MAP_FAILED)
        return -errno;
    /* A stack grows downwards, so it begins at its end.  Without CLONE_VM the
     * child has a copy of all memory, this too: ours can go at once. */
    pid = clone(cloned, stack + STACK_SIZE, flags, &start);
    if (pid == -1)
        pid = -errno;
    munmap(stack, STACK_SIZE);
    if (start.nslab != -1)
        close(start.nslab);
    return pid;
}

/* -- by unshare() and fork() ----------------------------------------------- */

/* The go-between: all namespaces are its own but pid and time, which wait for
 * its child. */
static int
go_between(struct lab *lab, int (*f)(struct lab *), pid_t nslab)
{
    const int us = parent_pidfd();
    int status;
    pid_t pid;

    end_with_parent(nslab, SIGKILL);
    if (unshare(lab->flags) == -1) {
        complain(lab, "unshare()", -errno);
        return EXIT_FAILURE;
    }
    complain(lab, "uid_map and gid_map", be_root_inside(lab));
    if (lab->flags & CLONE_NEWTIME)
        complain(lab, "another clock", spaces_set_clock(CLOCK_OFFSET));
    pid = fork();
    if (pid == -1) {
        complain(lab, "fork()", -errno);
        return EXIT_FAILURE;
    }
    if (pid > 0) {
        status = wait_for_child(lab, pid); /* it has our handlers, too */
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    end_with_pidfd(us, SIGKILL); /* who ends the go-between ends us */
    settle(lab);
    return f(lab);
}

static pid_t
by_unshare(struct lab *lab, int (*f)(struct lab *))
{
    const pid_t us = getpid();
    pid_t pid = fork();

    if (pid == 0)
        _exit(go_between(lab, f, us));
    return pid == -1 ? -errno : pid;
}

pid_t
make_child(struct lab *lab, int (*f)(struct lab *))
{
    pid_t pid = lab->by_clone ? by_clone(lab, f) : by_unshare(lab, f);

    if (pid < 0)
        complain(lab, lab->by_clone ? "clone()" : "fork()", pid);
    return pid;
}
