/*
 * test_setuid.c - the set-user-ID server, which its client starts and talks to
 * over stdio: what she leaves to it does not weaken it, and without the rights
 * of its owner it does not serve.
 */
#define _GNU_SOURCE /* pipe2, setresuid, sched_setaffinity, MNT_DETACH */
#include "test/confined.h"

#include "server/confine.h"
#include "test/files.h"
#include "test/here.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

Suite *test_setuid(void);

/* -- a server of Alice's --------------------------------------------------- */

/* Alice's server, with pipes to it; prepare() is what she does before. */
static pid_t
start_set_user_id(const char *program, void (*prepare)(void), int *in, int *out)
{
    int to[2], from[2];
    pid_t pid;

    ck_assert(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        if (setresgid(ALICE, ALICE, ALICE) == -1 ||
            setresuid(ALICE, ALICE, ALICE) == -1)
            _exit(127);
        prctl(PR_SET_DUMPABLE, 1); /* as after an exec: /proc/self is hers */
        prepare();
        execl(program, "ipcd", "--stdio", "-m", "pipe/coprocess", (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    *in = to[1];
    *out = from[0];
    return pid;
}

static int
end_set_user_id(pid_t pid, int in, int out)
{
    int status;

    close(in);
    status = reap(pid);
    close(out);
    ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* -- what she leaves to it ------------------------------------------------- */

static void
leave_no_time(void)
{
    const struct sched_param none = {.sched_priority = 0};
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_int_eq(sched_setscheduler(0, SCHED_IDLE, &none), 0);
    ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 19), 0);
    prctl(PR_SET_TIMERSLACK, 1000000000ul);
}

static void
leave_signals(void)
{
    const struct timespec soon = {.tv_nsec = 1};
    const struct itimerval often = {{.tv_usec = 1000}, {.tv_usec = 1000}};
    sigset_t all;
    timer_t posix;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGCHLD, SIG_IGN);
    timer_create(CLOCK_MONOTONIC, NULL, &posix);
    timer_settime(posix, 0, &(struct itimerspec){.it_value = soon}, NULL);
    /* Their signals end a process that does nothing about them. */
    setitimer(ITIMER_REAL, &often, NULL);
    setitimer(ITIMER_VIRTUAL, &often, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
    raise(SIGUSR1); /* blocked, pending: it would be the first thing to come */
}

static const struct {
    int which;
    const char *line; /* of /proc/PID/limits */
} limits[] = {{RLIMIT_FSIZE, "\nMax file size "},
              {RLIMIT_NPROC, "\nMax processes "},
              {RLIMIT_SIGPENDING, "\nMax pending signals "},
              {RLIMIT_MSGQUEUE, "\nMax msgqueue size "},
              {RLIMIT_NOFILE, "\nMax open files "}};
enum { LIMITS = sizeof limits / sizeof *limits };

/* Soft limits: not every root may raise the hard ones. */
static void
leave_no_room(void)
{
    for (int i = 0; i < LIMITS; i++) {
        __rlimit_resource_t which = (__rlimit_resource_t)limits[i].which;
        struct rlimit r;

        getrlimit(which, &r);
        r.rlim_cur = which == RLIMIT_NOFILE ? 4 : 0;
        ck_assert_int_eq(setrlimit(which, &r), 0);
    }
}

/* A core file would hold the server's secrets. */
static void
leave_room_for_a_core(void)
{
    struct rlimit r;

    getrlimit(RLIMIT_CORE, &r);
    r.rlim_cur = r.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_CORE, &r), 0);
}

static void
leave_little(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    ck_assert_int_eq(write(fd, "1000", 4), 4);
    close(fd);
    leave_no_time();
    leave_signals();
    leave_no_room();
    leave_room_for_a_core();
}

/* -- and what it has ------------------------------------------------------- */

static void
expect_line(pid_t pid, const char *file, const char *line)
{
    const char *text = proc_text(pid, file);

    ck_assert_msg(strstr(text, line) != NULL, "/proc/%d/%s: no \"%s\" in:\n%s",
                  (int)pid, file, line, text);
}

/* Not by prlimit(2), which asks for the same right as raising them. */
static void
expect_limits(pid_t pid)
{
    const char *text = proc_text(pid, "limits");
    char soft[32], hard[32];

    for (int i = 0; i < LIMITS; i++) {
        const char *line = strstr(text, limits[i].line);

        ck_assert_msg(line != NULL, "no%s", limits[i].line);
        ck_assert_int_eq(sscanf(line + 21, "%31s %31s", soft, hard), 2);
        ck_assert_msg(strcmp(soft, hard) == 0 && strcmp(soft, "0") != 0 &&
                          strcmp(soft, "4") != 0,
                      "%.80s", line);
    }
}

/* Those of process 1, who has all there are. */
static void
expect_all_cpus(pid_t pid)
{
    const char *line = strstr(proc_text(1, "status"), "\nCpus_allowed:");
    char cpus[64];

    ck_assert_ptr_nonnull(line);
    snprintf(cpus, sizeof cpus, "%.*s",
             line == NULL ? 0 : (int)strcspn(line + 1, "\n") + 1, line);
    expect_line(pid, "status", cpus);
}

static void
ask_who_i_am(int in, int out)
{
    uint8_t frame[WIRE_HEADER], reply[4096];

    raw_frame(frame, API_whoami, 1, NULL, 0);
    ck_assert_int_eq(write(in, frame, sizeof frame), sizeof frame);
    ck_assert_int_gt(read(out, reply, sizeof reply), WIRE_HEADER);
}

/* Ticks that it has spent in user mode: proc_pid_stat(5), utime. */
static unsigned long
user_time(pid_t pid)
{
    unsigned long ticks;
    const char *rest = strrchr(proc_text(pid, "stat"), ')');

    ck_assert_ptr_nonnull(rest);
    ck_assert_int_eq(sscanf(rest,
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu",
                            &ticks),
                     1);
    return ticks;
}

/* Has it work until a timer of the time that it spends would have fired. */
static void
outlive_its_timers(pid_t pid, int in, int out)
{
    unsigned long before = user_time(pid);

    while (user_time(pid) < before + 3)
        ask_who_i_am(in, out);
}

START_TEST(a_set_user_id_server_has_its_full_share_of_the_machine)
{
    struct host server;
    int in, out;
    pid_t pid;

    server_start_for(&server, ipc_find("pipe/coprocess"), ALICE);
    pid = start_set_user_id(server.program, leave_little, &in, &out);
    ask_who_i_am(in, out);
    outlive_its_timers(pid, in, out);

    expect_line(pid, "oom_score_adj", "0\n");
    expect_limits(pid);
    expect_line(pid, "limits", "\nMax core file size        0   ");
    expect_line(pid, "status", "\nSigBlk:\t0000000000000000\n");
    ck_assert_int_eq(sched_getscheduler(pid), SCHED_OTHER);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)pid), 0);
    expect_all_cpus(pid);
    ck_assert_int_eq(end_set_user_id(pid, in, out), EXIT_SUCCESS);
    server_stop(&server);
}
END_TEST

/* Nothing that we know of asks for it unless by secure_getenv(3); a library
 * may.  So it is looked at where it is made. */
static void
look_at_the_environment(struct actor *self, void *arg)
{
    const char *path;

    (void)arg;
    actor_step(self);
    setenv("IPCLAB_LISTEN", "0.0.0.0:1", 1);
    setenv("PATH", "/tmp/hers", 1);
    if (confine_inherited() != 0)
        _exit(2);
    path = getenv("PATH");
    _exit(environ[0] == NULL || environ[1] != NULL || path == NULL ||
          strcmp(path, "/usr/bin:/bin") != 0);
}

START_TEST(of_the_environment_nothing_is_left_but_a_path_of_ours)
{
    struct actor c;

    actor_start(&c, geteuid(), look_at_the_environment, NULL);
    actor_wait(&c);
    actor_go(&c);
    actor_end(&c);
}
END_TEST

/* -- without its rights ---------------------------------------------------- */

static void
forbid_new_rights(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void
forbid_nothing(void)
{
}

START_TEST(a_set_user_id_server_without_its_rights_does_not_serve)
{
    const char *dir = programs_dir();
    struct host server;
    int in, out;
    pid_t pid;

    server_start_for(&server, ipc_find("pipe/coprocess"), ALICE);
    pid = start_set_user_id(server.program, forbid_nothing, &in, &out);
    ck_assert_int_eq(end_set_user_id(pid, in, out), EXIT_SUCCESS);
    pid = start_set_user_id(server.program, forbid_new_rights, &in, &out);
    ck_assert_int_eq(end_set_user_id(pid, in, out), EX_NOPERM);

    ck_assert_int_eq(mount(dir, dir, NULL, MS_BIND, NULL), 0);
    ck_assert_int_eq(
        mount(NULL, dir, NULL, MS_BIND | MS_REMOUNT | MS_NOSUID, NULL), 0);
    pid = start_set_user_id(server.program, forbid_nothing, &in, &out);
    ck_assert_int_eq(end_set_user_id(pid, in, out), EX_NOPERM);
    ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
    server_stop(&server);
}
END_TEST

/* -- suite ----------------------------------------------------------------- */

Suite *
test_setuid(void)
{
    Suite *s = suite_create("setuid");
    TCase *tc = test_case(s, "setuid");

    add_test_if(tc, NULL,
                of_the_environment_nothing_is_left_but_a_path_of_ours);
    add_test_if(tc,
                need_set_user_id() != NULL ? need_set_user_id()
                : need_right(CAP_SYS_NICE) != NULL
                    ? need_right(CAP_SYS_NICE)
                    : need_right(CAP_SYS_RESOURCE),
                a_set_user_id_server_has_its_full_share_of_the_machine);
    add_test_if(
        tc, need_set_user_id() != NULL ? need_set_user_id() : need_namespaces(),
        a_set_user_id_server_without_its_rights_does_not_serve);
    return s;
}
