/*
 * demo.c - two children in new namespaces: one by clone(), one by unshare() and
 * fork().  No root is needed.  Predict: which pid has each, which its parent?
 *      cc demo.c && ./a.out        all eight; ./a.out pu: pid, uts (and user)
 */
#define _GNU_SOURCE /* clone, unshare */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEWTIME    0x80 /* unshare() knows it; clone() has no bit for it */
#define MUST(done) ((done) ? (void)0 : err(1, "%s", #done))
static const int bits[128] = {
    ['p'] = CLONE_NEWPID, ['u'] = CLONE_NEWUTS, ['i'] = CLONE_NEWIPC,
    ['n'] = CLONE_NEWNET, ['m'] = CLONE_NEWNS,  ['C'] = CLONE_NEWCGROUP,
    ['T'] = NEWTIME};
static int flags = CLONE_NEWUSER, mapped[2];
static char stack[1 << 16] __attribute__((aligned(16))); /* grows downwards */

static void
put(pid_t pid, const char *file, const char *format, unsigned number)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    f = fopen(path, "w");
    if (f == NULL || fprintf(f, format, number) < 0 || fclose(f) == EOF)
        err(1, "%s", path);
}

static int
inside(void *way) /* what is set in here nobody sees outside */
{
    struct timespec t;
    struct utsname u;

    close(mapped[1]); /* the parent's alone: when it closes it, we are uid 0 */
    MUST(read(mapped[0], &u, 1) == 0);
    if (flags & CLONE_NEWUTS)
        MUST(sethostname("inside", 6) == 0 && setdomainname("lab", 3) == 0);
    if (flags & CLONE_NEWNS) /* a copy, which must become private first */
        MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
             mount("shm", "/dev/shm", "tmpfs", 0, NULL) == 0);
    MUST(uname(&u) == 0 && clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return dprintf(1, "%-7s  pid %d, parent %d, uid %u, %s.%s, up %ld days\n",
                   (char *)way, (int)getpid(), (int)getppid(), getuid(),
                   u.nodename, u.domainname, (long)t.tv_sec / 86400) < 0;
}

int
main(int argc, char **argv)
{
    const uid_t uid = getuid();
    int cloned = 1, forked = 1;
    pid_t pid;

    for (const char *c = argc > 1 ? argv[1] : "puinmCT"; *c != '\0'; c++)
        flags |= bits[*c & 127];
    MUST(pipe(mapped) == 0);
    MUST((pid = clone(inside, stack + sizeof stack,
                      (flags & ~NEWTIME) | SIGCHLD, "clone")) != -1);
    put(pid, "uid_map", "0 %u 1", uid); /* its 0 is our uid, and nobody else */
    close(mapped[1]);
    waitpid(pid, &cloned, 0);

    MUST(unshare(flags) == 0); /* us; but of pid and time only our children */
    put(getpid(), "uid_map", "0 %u 1", uid);
    if (flags & NEWTIME) /* before anybody is inside */
        put(getpid(), "timens_offsets", "monotonic %u 0", 864000);
    if ((pid = fork()) == 0)
        return inside("unshare");
    waitpid(pid, &forked, 0);
    return cloned != 0 || forked != 0;
}
