/* here.c - what is inherited, and where the files and programs of a run are
 * (here.h). */
#define _GNU_SOURCE /* close_range, setgroups, setresuid */
#include "test/here.h"

#include "test/test.h"

#include "core/rundir.h"
#include "core/scratch.h"
#include "server/confine.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- what is inherited ----------------------------------------------------- */

/* Not those that a sanitizer has set. */
static void
heed_again(int number)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        signal(number, SIG_DFL);
}

void
here_inherit_nothing(void)
{
    sigset_t none;
    int fd;

    /* Or the next file that is opened would be taken for one of the three. */
    do
        fd = open("/dev/null", O_RDWR);
    while (fd != -1 && fd <= STDERR_FILENO);
    close_range(STDERR_FILENO + 1, UINT_MAX, 0);
    for (int number = 1; number < NSIG; number++)
        heed_again(number);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(022);
    unsetenv("POSIXLY_CORRECT"); /* it changes what argp(3) takes */
}

/* -- trying ---------------------------------------------------------------- */

bool
here_try(bool (*f)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(f() ? EXIT_SUCCESS : EXIT_FAILURE);
    return pid != -1 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool
become_alice(void)
{
    return setgroups(0, NULL) == 0 && setresgid(ALICE, ALICE, ALICE) == 0 &&
           setresuid(ALICE, ALICE, ALICE) == 0;
}

/* What even root of a container has.  The rest is asked for by who needs it. */
static const cap_value_t usual[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER,
                                    CAP_KILL,  CAP_SETGID,       CAP_SETUID};

static bool
has_right(cap_value_t right)
{
    cap_t caps = cap_get_proc();
    cap_flag_value_t has = CAP_CLEAR;
    const bool known = cap_get_flag(caps, right, CAP_EFFECTIVE, &has) == 0;

    cap_free(caps);
    return known && has == CAP_SET;
}

static const char *
without(cap_value_t right)
{
    static char reason[CAP_LAST_CAP + 1][64];
    char *name;

    if (has_right(right))
        return NULL;
    name = cap_to_name(right);
    snprintf(reason[right], sizeof *reason, "need root with %s", name);
    cap_free(name);
    return reason[right];
}

static const char *
missing_right(void)
{
    const char *reason = NULL;

    for (size_t i = 0; reason == NULL && i < sizeof usual / sizeof *usual; i++)
        reason = without(usual[i]);
    return reason;
}

const char *
need_root(void)
{
    static const char *reason;
    static bool tried;

    if (tried)
        return reason;
    tried = true;
    if (geteuid() != 0)
        return reason = "need root (a second uid)";
    reason = missing_right();
    if (reason == NULL && !here_try(become_alice))
        reason = "need a second uid (this user namespace has none)";
    return reason;
}

const char *
need_right(int right)
{
    return need_root() != NULL ? need_root() : without(right);
}

static const char *
need_brokers_rights(unsigned may_be_asked)
{
    const rights all = rights_of_broker(may_be_asked);
    const char *reason = NULL;

    for (int right = 0; reason == NULL && right <= CAP_LAST_CAP; right++)
        if (all >> right & 1)
            reason = without(right);
    return reason;
}

const char *
need_its_rights(const struct ipc_mechanism *m)
{
    return need_brokers_rights(rights_to_ask(m));
}

/* What a rule allows needs rights, or root's server does not start. */
const char *
need_rules(void)
{
    return need_root() == NULL ? need_brokers_rights(~0u) : NULL;
}

const char *
need_strangers(const struct ipc_mechanism *m)
{
    if (m->caps & IPC_TRUSTING)
        return "need a server that serves others: who trusts its peers "
               "serves its own user";
    return need_root() != NULL ? need_root() : need_its_rights(m);
}

const char *
need_proc(void)
{
    return access("/proc/self/exe", F_OK) == 0
               ? NULL
               : "need proc(5) (mount -t proc proc /proc)";
}

const char *
need_gnuplot(void)
{
    return system("command -v gnuplot >/dev/null") == 0
               ? NULL
               : "need gnuplot, which draws the charts";
}

/* /proc/PID/syscall is for who may trace that process: ours, unless it is
 * root's that has rights which we do not have, or is not dumpable. */
const char *
need_calls(void)
{
    return need_root() != NULL ? need_proc() : need_right(CAP_SYS_PTRACE);
}

const char *
need_own_sysv(void)
{
    return own_sysv() ? NULL : "need an IPC namespace of the tests' own";
}

const char *
need_terminal(void)
{
    const int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    const bool can = ours != -1 && grantpt(ours) == 0 && unlockpt(ours) == 0 &&
                     access(ptsname(ours), R_OK | W_OK) == 0;

    close(ours);
    return can ? NULL : "need a pseudo terminal (/dev/ptmx, /dev/pts)";
}

const char *
need_dev_shm(void)
{
    static const char reason[] =
        "need /dev/shm (mount -t tmpfs -o mode=1777 shm /dev/shm)";
    char name[64];
    int fd;

    snprintf(name, sizeof name, "/ipclab-probe-%d", (int)getpid());
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1)
        return reason;
    close(fd);
    shm_unlink(name);
    return NULL;
}

/* -- where files are ------------------------------------------------------- */

/* Room for the names in run_dir, which may have ENDPOINT_SIZE. */
#define DIR_MAX 38

char check_dir[DIR_MAX + sizeof "/ipclab-check-XXXXXX/0"] = "";
static char whole_dir[sizeof check_dir]; /* of all lanes */

static const char *candidate;

static bool
others_enter_it(void)
{
    return become_alice() && access(candidate, X_OK) == 0;
}

/* Why dir will not do for files; NULL if it will. */
static const char *
unfit(const char *dir)
{
    struct stat st;

    candidate = dir;
    if (dir[0] != '/')
        return "does not begin with /";
    if (strlen(dir) > DIR_MAX)
        return "is too long for the names of sockets in it";
    if (stat(dir, &st) == -1)
        return strerror(errno);
    if (!S_ISDIR(st.st_mode))
        return strerror(ENOTDIR);
    if (access(dir, W_OK | X_OK) == -1)
        return strerror(errno);
    if (need_root() == NULL && !here_try(others_enter_it))
        return "cannot be entered by other users";
    return NULL;
}

static bool
make_dir_in(const char *dir, char *path, size_t size)
{
    snprintf(path, size, "%s/ipclab-check-XXXXXX", dir);
    return mkdtemp(path) != NULL && chmod(path, 0755) == 0;
}

static bool
is_noexec(const char *dir)
{
    struct statvfs st;

    return statvfs(dir, &st) == 0 && (st.f_flag & ST_NOEXEC) != 0;
}

/* dir, or one in which programs and scripts run; and whoever is started by us
 * makes his there, too. */
static const char *
with_programs(const char *dir)
{
    static const char *const other[] = {"/var/tmp", "/run", "/dev/shm"};

    for (size_t i = 0; is_noexec(dir) && i < sizeof other / sizeof *other; i++)
        if (!is_noexec(other[i]) && unfit(other[i]) == NULL) {
            printf("%s is mounted noexec; %s is used instead\n", dir, other[i]);
            setenv("TMPDIR", other[i], 1);
            return other[i];
        }
    return dir;
}

static bool
make_check_dir(void)
{
    const char *dir = getenv("TMPDIR"), *why = NULL;

    if (dir == NULL || dir[0] == '\0')
        dir = "/tmp";
    if (strcmp(dir, "/tmp") != 0 && (why = unfit(dir)) != NULL) {
        printf("TMPDIR=%s: %s; /tmp is used instead\n", dir, why);
        dir = "/tmp";
    }
    dir = with_programs(dir);
    if (make_dir_in(dir, check_dir, sizeof check_dir)) {
        strcpy(whole_dir, check_dir);
        return true;
    }
    fprintf(stderr, "check: no directory for its files in %s: %s\n", dir,
            strerror(errno));
    return false;
}

/* -- where programs are ---------------------------------------------------- */

static char other_dir[PATH_MAX]; /* where check_dir does not do */
static char probe[PATH_MAX + sizeof "/who"];
static bool programs_run, programs_set_user_id;

int
copy_program(const char *program, const char *to, unsigned group, unsigned mode)
{
    char from[PATH_MAX];
    int in, out, err = program_path(program, from, sizeof from);
    struct stat st;
    ssize_t n;

    if (err < 0)
        return err;
    in = open(from, O_RDONLY | O_CLOEXEC);
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (in == -1 || out == -1 || fstat(in, &st) == -1)
        return -errno;
    do
        n = sendfile(out, in, NULL, (size_t)st.st_size);
    while (n > 0);
    if (n == -1 || fchown(out, geteuid(), group) == -1 ||
        fchmod(out, (mode_t)mode) == -1)
        err = -errno;
    close(in);
    close(out);
    return err;
}

int
here_who(void)
{
    return geteuid() == getuid() ? 1 : 0;
}

static int
run_probe(void)
{
    execl(probe, probe, "--who", (char *)NULL);
    return -1;
}

/* The exit status of the probe; -1 if it does not run.  1: it runs as who
 * started it. */
static int
try_program_in(const char *dir)
{
    const bool root = need_root() == NULL;
    int status = 0;
    pid_t pid;

    snprintf(probe, sizeof probe, "%s/who", dir);
    if (copy_program("check", probe, root ? ALICE : getegid(),
                     root ? 04750 : 0700) < 0)
        status = -1;
    pid = status == -1 ? -1 : fork();
    if (pid == 0)
        _exit(!root || become_alice() ? run_probe() : -1);
    if (pid == -1 || waitpid(pid, &status, 0) == -1 || !WIFEXITED(status) ||
        WEXITSTATUS(status) > 1)
        status = -1;
    unlink(probe);
    return status == -1 ? -1 : WEXITSTATUS(status);
}

/* CHECK_DIR/programs, for the janitor, who does not know what came after. */
static const char *
note(void)
{
    static char path[sizeof whole_dir + sizeof "/programs"];

    snprintf(path, sizeof path, "%s/programs", whole_dir);
    return path;
}

/* In place of the last one. */
static void
forget_other_dir(void)
{
    if (other_dir[0] != '\0')
        rmdir(other_dir);
    unlink(note());
    other_dir[0] = '\0';
}

/* Nobody needs a better one. */
static bool
programs_do(void)
{
    return need_root() == NULL ? programs_set_user_id : programs_run;
}

/* Keeps it, if it is better than what there is. */
static void
try_other_dir(const char *dir)
{
    char path[PATH_MAX];
    int got;

    if (strlen(dir) > DIR_MAX || !make_dir_in(dir, path, sizeof path))
        return;
    (void)!symlink(path, note());
    got = try_program_in(path);
    if (got == -1 || (got == 1 && programs_run)) {
        rmdir(path);
        return;
    }
    forget_other_dir();
    strcpy(other_dir, path);
    (void)!symlink(path, note());
    programs_run = true;
    programs_set_user_id = got == 0;
}

static void
make_programs_dir(void)
{
    static const char *const other[] = {"/var/tmp", "/run", "/dev/shm"};
    char build[PATH_MAX];
    int best = try_program_in(check_dir);

    programs_run = best != -1;
    programs_set_user_id = best == 0;
    if (program_path("check", build, sizeof build) == 0 && !programs_do()) {
        *strrchr(build, '/') = '\0';
        try_other_dir(build);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other && !programs_do(); i++)
        try_other_dir(other[i]);
}

const char *
programs_dir(void)
{
    return other_dir[0] != '\0' ? other_dir : check_dir;
}

const char *
need_programs(void)
{
    return programs_run ? NULL
                        : "need a directory for programs not mounted noexec "
                          "(TMPDIR names one)";
}

static bool
alice_may_run_ours(void)
{
    char path[PATH_MAX];

    return program_path("ipcd", path, sizeof path) == 0 && become_alice() &&
           access(path, X_OK) == 0;
}

/* Root may have a checkout in its home, where nobody else may go. */
const char *
need_shared_programs(void)
{
    if (need_root() != NULL || here_try(alice_may_run_ours))
        return NULL;
    return "need programs that others may run (a checkout they may enter)";
}

const char *
need_set_user_id(void)
{
    if (need_root() != NULL)
        return need_root();
    if (programs_set_user_id)
        return NULL;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
               ? "need set-user-ID programs (no_new_privs is set)"
               : "need set-user-ID programs (a directory not mounted nosuid "
                 "that others may enter; TMPDIR names one)";
}

/* -- before and after ------------------------------------------------------ */

bool
here_begin(void)
{
    return make_check_dir();
}

/* In a chroot, /proc/self/exe is another path once there is a mount namespace
 * (the program runs from a mount of the old one); so we say now where programs
 * are. */
void
here_programs(void)
{
    char path[PATH_MAX];

    if (need_proc() != NULL)
        return;
    if (program_path("check", path, sizeof path) == 0)
        setenv("IPCLAB_BIN", dirname(path), 0);
    source_dir();
    make_programs_dir();
}

void
lane_file(int lane, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%d/%s", whole_dir, lane, name);
}

const char *
dir_of_runs(void)
{
    static char path[sizeof whole_dir];

    strcpy(path, whole_dir);
    return dirname(path);
}

static void
enter(char *dir, int lane)
{
    sprintf(dir + strlen(dir), "/%d", lane);
    if (mkdir(dir, 0755) == -1)
        err(EXIT_FAILURE, "%s", dir);
}

void
here_lane(int lane)
{
    enter(check_dir, lane);
    if (other_dir[0] != '\0')
        enter(other_dir, lane);
}

void
here_end(void)
{
    char dir[PATH_MAX];
    ssize_t n = readlink(note(), dir, sizeof dir - 1);

    if (n > 0) {
        dir[n] = '\0';
        scratch_remove(dir);
    }
    scratch_remove(whole_dir);
}
