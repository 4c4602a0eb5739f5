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
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEWTIME \
    0x80 /* CLONE_NEWTIME: clone() has no bit for it, unshare() has */

static const char letters[] = "puinmCT"; /* as unshare(1) has them; U: always */
static const int bits[] = {CLONE_NEWPID, CLONE_NEWUTS, CLONE_NEWIPC,
                           CLONE_NEWNET, CLONE_NEWNS,  CLONE_NEWCGROUP,
                           NEWTIME};
static int flags = CLONE_NEWUSER, ready[2], go[2];
static char stack[1 << 16] __attribute__((aligned(16))); /* grows downwards */

static void
put(pid_t pid, const char *file, const char *format, unsigned id)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    if ((f = fopen(path, "w")) == NULL || fprintf(f, format, id) < 0 ||
        fclose(f) == EOF)
        err(EXIT_FAILURE, "%s", path);
}

static void
wait_for_maps(void) /* nobody is uid 0 in here before the parent says so */
{
    char byte;

    close(go[1]); /* or there would be no end of file if the parent dies */
    if (write(ready[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
        errx(EXIT_FAILURE, "the parent has gone");
}

static int
look(void *how) /* what is set in here nobody sees outside */
{
    struct utsname u;
    struct timespec t;

    if (how == letters) /* cloned */
        wait_for_maps();
    if (flags & CLONE_NEWUTS &&
        (sethostname("inside", 6) == -1 || setdomainname("lab", 3) == -1))
        err(EXIT_FAILURE, "sethostname");
    if (flags & CLONE_NEWNS && /* a copy, which must become private first */
        (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
         mount("shm", "/dev/shm", "tmpfs", 0, NULL) == -1))
        err(EXIT_FAILURE, "mount");
    uname(&u);
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%-9s pid %d, parent %d, uid %u, %s.%s, up %ld days\n",
           how == letters ? "clone" : "unshare", (int)getpid(), (int)getppid(),
           getuid(), u.nodename, u.domainname, (long)t.tv_sec / 86400);
    return fflush(stdout) == EOF;
}

static int
go_between(void) /* of pid and time only its children are inside */
{
    int status;

    if (unshare(flags) == -1)
        err(EXIT_FAILURE, "unshare");
    wait_for_maps();
    if (flags & NEWTIME) /* before anybody is inside */
        put(getpid(), "timens_offsets", "monotonic %u 0\n", 864000);
    if (fork() == 0)
        exit(look(NULL));
    return wait(&status) == -1 || status != 0;
}

int
main(int argc, char **argv)
{
    int status, failed = 0;
    char byte;
    pid_t pid;

    for (int i = 0; letters[i] != '\0'; i++)
        if (argc < 2 || strchr(argv[1], letters[i]) != NULL)
            flags |= bits[i];
    for (int way = 0; way < 2; way++) {
        if (pipe(ready) == -1 || pipe(go) == -1)
            err(EXIT_FAILURE, "pipe");
        pid = way == 0 ? clone(look, stack + sizeof stack,
                               (flags & ~NEWTIME) | SIGCHLD, (void *)letters)
                       : fork();
        if (pid == 0)
            exit(go_between());
        close(ready[1]); /* the child's alone: its end is our end of file */
        if (pid == -1 || read(ready[0], &byte, 1) != 1)
            errx(EXIT_FAILURE, "no new namespaces here");
        put(pid, "setgroups", "deny", 0); /* or gid_map may not be written */
        put(pid, "uid_map", "0 %u 1", getuid());
        put(pid, "gid_map", "0 %u 1", getgid());
        if (write(go[1], "", 1) != 1 || waitpid(pid, &status, 0) == -1)
            err(EXIT_FAILURE, "child");
        failed |= status;
    }
    return failed != 0;
}
