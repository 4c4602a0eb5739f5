/*
 * demo.c - two children in new namespaces: one by clone(), one by unshare() and
 * fork().  No root is needed.  Nothing of ours in it:
 *
 *      cc demo.c && ./a.out            all eight; ./a.out pu: pid and uts
 *
 * Predict before you run it: which pid has each, and which its parent?
 */
#define _GNU_SOURCE /* clone, unshare */
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEWTIME 0x80 /* unshare() knows it; clone() has no bit for it */

static const char letters[] = "puinmCT"; /* as unshare(1) has them; U: always */
static const int bits[] = {CLONE_NEWPID, CLONE_NEWUTS, CLONE_NEWIPC,
                           CLONE_NEWNET, CLONE_NEWNS,  CLONE_NEWCGROUP,
                           NEWTIME};
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
    while (read(mapped[0], &u, 1) > 0)
        continue;
    if (flags & CLONE_NEWUTS &&
        (sethostname("inside", 6) == -1 || setdomainname("lab", 3) == -1))
        err(1, "sethostname");
    if (flags & CLONE_NEWNS && /* a copy, which must become private first */
        (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
         mount("shm", "/dev/shm", "tmpfs", 0, NULL) == -1))
        err(1, "mount");
    uname(&u);
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%-7s  pid %d, parent %d, uid %u, %s.%s, up %ld days\n", (char *)way,
           (int)getpid(), (int)getppid(), getuid(), u.nodename, u.domainname,
           (long)t.tv_sec / 86400);
    return fflush(stdout) == EOF;
}

int
main(int argc, char **argv)
{
    const uid_t uid = getuid();
    int cloned = 1, forked = 1;
    pid_t pid;

    for (int i = 0; letters[i] != '\0'; i++)
        if (argc < 2 || strchr(argv[1], letters[i]) != NULL)
            flags |= bits[i];
    if (pipe(mapped) == -1)
        err(1, "pipe");
    pid = clone(inside, stack + sizeof stack, (flags & ~NEWTIME) | SIGCHLD,
                "clone");
    if (pid == -1)
        err(1, "clone");
    put(pid, "uid_map", "0 %u 1", uid); /* its 0 is our uid, and nobody else */
    close(mapped[1]);
    waitpid(pid, &cloned, 0);

    if (unshare(flags) == -1) /* us; but of pid and time only our children */
        err(1, "unshare");
    put(getpid(), "uid_map", "0 %u 1", uid);
    if (flags & NEWTIME) /* before anybody is inside */
        put(getpid(), "timens_offsets", "monotonic %u 0", 864000);
    pid = fork();
    if (pid == 0)
        return inside("unshare");
    waitpid(pid, &forked, 0);
    return cloned != 0 || forked != 0;
}
