/*
 * confine.c - from root to a user who can do little more than serve.
 *
 * The order is the kernel's.  Bits and bounding set first, while there is the
 * capability to change them (CAP_SETPCAP); groups before the group, the group
 * before the user, for each needs what the next one gives up; capabilities
 * when the user has changed; the filter last, since it forbids all of this.
 */
#define _GNU_SOURCE /* setresuid, setgroups */
#include "server/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool confined;
static uid_t owner;

uid_t
confine_owner(void)
{
    return confined ? owner : geteuid();
}

/* -- giving up ------------------------------------------------------------ */

/* uid 0 means nothing any more, a change of uid neither gives nor takes,
 * nothing is kept or raised on the quiet; and none of this can be changed
 * back. */
#define BITS \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | \
     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | \
     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int
set_capabilities(rights kept)
{
    cap_t set = cap_init(); /* empty */
    int err = set == NULL ? -ENOMEM : 0;

    for (cap_value_t c = 0; err == 0 && c < 64; c++)
        if ((kept >> c & 1) &&
            (cap_set_flag(set, CAP_PERMITTED, 1, &c, CAP_SET) == -1 ||
             cap_set_flag(set, CAP_EFFECTIVE, 1, &c, CAP_SET) == -1))
            err = -errno;
    if (err == 0 && cap_set_proc(set) == -1)
        err = -errno;
    cap_free(set);
    return err;
}

/* Capabilities and filters are a thread's own: another thread would keep
 * root's, and with them all that we give up. */
static bool
has_other_threads(void)
{
    DIR *threads = opendir("/proc/self/task");
    int n = 0;

    if (threads == NULL)
        return true;
    for (struct dirent *e; (e = readdir(threads)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(threads);
    return n != 1;
}

static int
change_user(const struct service_user *user)
{
    pid_t parent = getppid();

    if (prctl(PR_SET_SECUREBITS, BITS) == -1 || cap_reset_ambient() == -1)
        return -errno;
    for (cap_value_t c = 0; cap_get_bound(c) != -1; c++)
        if (cap_drop_bound(c) == -1)
            return -errno;
    if (setgroups(0, NULL) == -1 ||
        setresgid(user->gid, user->gid, user->gid) == -1 ||
        setresuid(user->uid, user->uid, user->uid) == -1)
        return -errno;
    /* Who changes its uid forgets this; and the parent may have gone before. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
        return -errno;
    return getppid() == parent ? 0 : -EOWNERDEAD;
}

/* *doing is what it was at, should it fail. */
static int
give_up(const struct confinement *c, rights kept, const char **doing)
{
    static const struct rlimit none;
    int err = 0;

    *doing = "becoming another user";
    if (geteuid() == 0)
        err = change_user(&c->user);
    if (err != 0)
        return err;
    *doing = "giving up capabilities";
    err = set_capabilities(kept);
    if (err != 0)
        return err;
    *doing = "giving up new rights and core files";
    /* Not dumpable: no core file, and nobody of this uid traces us or looks at
     * our memory (ptrace(2)). */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
        prctl(PR_SET_DUMPABLE, 0) == -1 || setrlimit(RLIMIT_CORE, &none) == -1)
        return -errno;
    *doing = "giving up paths, landlock(7)";
    if (c->kind == CONFINED_ENDPOINT && c->dir != NULL)
        err = paths_restrict(c->dir, c->reads);
    if (err != 0)
        return err;
    *doing = "the filter of system calls, seccomp(2)";
    return filter_install(c, kept);
}

/* A terminal is open for reading and writing, by all three descriptors: who has
 * got in would read what root types there. */
static int
only_write_to_terminals(void)
{
    char path[32];

    for (int n = 0; n < 3; n++) {
        int fd;

        if (!isatty(n))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", n);
        fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        if (fd == -1)
            fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (fd == -1 || dup2(fd, n) == -1)
            return -errno;
        close(fd);
    }
    return 0;
}

/* -- is it so? ------------------------------------------------------------ */

/* What the kernel says of us; status was opened while we could.  The bounding
 * set of who never was root remains, and gives nothing any more. */
static int
check_status(FILE *status, const struct service_user *u, rights kept,
             bool was_root, char why[CONFINE_WHY])
{
    char text[4096], line[6][64];
    size_t n = fread(text, 1, sizeof text - 1, status);

    text[n] = '\0';
    snprintf(line[0], sizeof *line, "Uid:\t%u\t%u\t%u\t%u\n", u->uid, u->uid,
             u->uid, u->uid);
    snprintf(line[1], sizeof *line, "Gid:\t%u\t%u\t%u\t%u\n", u->gid, u->gid,
             u->gid, u->gid);
    snprintf(line[2], sizeof *line, "CapPrm:\t%016" PRIx64 "\n", kept);
    snprintf(line[3], sizeof *line, "CapEff:\t%016" PRIx64 "\n", kept);
    snprintf(line[4], sizeof *line, "NoNewPrivs:\t1\nSeccomp:\t2\n");
    snprintf(line[5], sizeof *line, "CapBnd:\t%016x\n", 0);
    for (size_t i = 0; i < (was_root ? 6 : 5); i++)
        if (strstr(text, line[i]) == NULL) {
            snprintf(why, CONFINE_WHY, "/proc/self/status should have: %.*s",
                     (int)strlen(line[i]) - 1, line[i]);
            return -EPERM;
        }
    return 0;
}

static bool
becomes_root(void)
{
    return setresuid(0, 0, 0) == 0 || setuid(0) == 0 || seteuid(0) == 0;
}

/* One that no row of rights.c gives. */
static bool
gains_a_capability(void)
{
    return set_capabilities(RIGHT(SYS_MODULE)) == 0;
}

static bool
names_the_host(void)
{
    char name[HOST_NAME_MAX + 1];

    return gethostname(name, sizeof name) == 0 &&
           sethostname(name, strlen(name)) == 0;
}

/* Nothing is run, for there is no program "", and nobody is traced by a parent
 * that does not ask.  Both are fatal to who is confined. */
static void
run_a_program(void)
{
    execve("", (char *[]){NULL}, (char *[]){NULL});
}

static void
be_traced(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

enum trial { KILLED, SURVIVES, NOT_TRIED };

/* In a child, which gives up what we shall give up in a moment, for it should
 * be killed; and an endpoint that is confined has no children. */
static enum trial
try_out(const struct confinement *c, rights kept, void (*f)(void))
{
    const char *doing;
    int status;
    pid_t pid = fork();

    if (pid == -1)
        return NOT_TRIED;
    if (pid == 0) {
        if (give_up(c, kept, &doing) != 0)
            _exit(EXIT_FAILURE);
        f();
        _exit(EXIT_SUCCESS);
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return NOT_TRIED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE)
        return NOT_TRIED;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? KILLED
                                                             : SURVIVES;
}

static int
could_still(const char *what, char why[CONFINE_WHY])
{
    snprintf(why, CONFINE_WHY, "it could still %s", what);
    return -EPERM;
}

static int
give_up_and_check(const struct confinement *c, rights kept, FILE *status,
                  char why[CONFINE_WHY])
{
    const bool was_root = geteuid() == 0;
    const char *doing;
    int err = give_up(c, kept, &doing);

    if (err != 0) {
        snprintf(why, CONFINE_WHY, "%s: %s", doing, strerror(-err));
        return err;
    }
    confined = true;
    if (becomes_root())
        return could_still("become root again", why);
    if (gains_a_capability())
        return could_still("gain a capability", why);
    if (!(kept & RIGHT(SYS_ADMIN)) && names_the_host())
        return could_still("name the host", why);
    return check_status(status, &c->user, kept, was_root, why);
}

int
confine(const struct confinement *c, char why[CONFINE_WHY])
{
    const rights kept = geteuid() == 0 ? c->kept : 0;
    enum trial runs, traced;
    FILE *status;
    int err;

    if (geteuid() != 0 &&
        (c->user.uid != geteuid() || c->user.gid != getegid())) {
        snprintf(why, CONFINE_WHY, "only root can become somebody else");
        return -EPERM;
    }
    if (has_other_threads()) {
        snprintf(why, CONFINE_WHY,
                 "a mechanism has started threads already; "
                 "they would keep their rights");
        return -EBUSY;
    }
    err = only_write_to_terminals();
    if (err != 0) {
        snprintf(why, CONFINE_WHY, "the terminal: %s", strerror(-err));
        return err;
    }
    if (c->kind == CONFINED_ENDPOINT)
        paths_prepare(c->reads);
    runs = try_out(c, kept, run_a_program);
    if (runs == SURVIVES)
        return could_still("run a program", why);
    traced = try_out(c, kept, be_traced);
    if (traced == SURVIVES)
        return could_still("be traced", why);
    status = fopen("/proc/self/status", "re");
    if (status == NULL) {
        snprintf(why, CONFINE_WHY, "/proc/self/status: %s", strerror(errno));
        return -errno;
    }
    owner = geteuid();
    err = give_up_and_check(c, kept, status, why); /* or why it cannot be */
    fclose(status);
    if (err == 0 && (runs == NOT_TRIED || traced == NOT_TRIED)) {
        snprintf(why, CONFINE_WHY, "whether it holds could not be tried out");
        err = -EAGAIN;
    }
    return err;
}
