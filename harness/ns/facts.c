/*
 * facts.c - what is said about namespaces, tried (test/fact.h), by an ordinary
 * user in a user namespace of its own (root becomes Alice first).
 */
#define _GNU_SOURCE /* unshare, CLONE_NEW..., setns */
#include "test/fact.h"

#include "ns/spaces.h"
#include "test/here.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static bool
write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool done =
        fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    return done;
}

/* Into new namespaces, with one of users among them, where we are root. */
static bool
enter(int flags)
{
    char uids[64], gids[64];

    if (geteuid() == 0 && (setresgid(ALICE, ALICE, ALICE) == -1 ||
                           setresuid(ALICE, ALICE, ALICE) == -1))
        return false;
    prctl(PR_SET_DUMPABLE, 1); /* or /proc/self belongs to root */
    snprintf(uids, sizeof uids, "0 %u 1", geteuid());
    snprintf(gids, sizeof gids, "0 %u 1", getegid());
    return unshare(CLONE_NEWUSER | flags) == 0 &&
           write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", uids) &&
           write_file("/proc/self/gid_map", gids);
}

static bool
can_enter(void)
{
    return enter(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWNS |
                 CLONE_NEWPID | CLONE_NEWCGROUP);
}

static const char *
need_namespaces(void)
{
    static int can = -1;

    if (can == -1)
        can = here_try(can_enter);
    return can ? NULL : "need namespaces for ordinary users";
}

static bool
can_set_clocks(void)
{
    return enter(CLONE_NEWTIME) &&
           write_file("/proc/self/timens_offsets", "monotonic 864000 0\n");
}

static const char *
need_clocks(void)
{
    return here_try(can_set_clocks) ? NULL : "need time namespaces";
}

/* A child in new namespaces that says what it sees through a pipe. */
static const char *
inside(int flags, void (*look)(int out))
{
    static char text[256];
    int out[2];
    ssize_t n, all = 0;
    pid_t pid;

    must(pipe2(out, O_CLOEXEC));
    pid = fork_child();
    if (pid == 0) {
        if (!enter(flags))
            _exit(EXIT_FAILURE);
        look(out[1]);
        _exit(0);
    }
    close(out[1]);
    while ((n = read(out[0], text + all, sizeof text - 1 - (size_t)all)) > 0)
        all += n;
    text[all] = '\0';
    close(out[0]);
    end_of(pid);
    return text;
}

static key_t key;

static void
look_for_key(int out)
{
    dprintf(out, "%s", outcome(msgget(key, 0)));
}

FACT_IF(need_namespaces, NS01,
        "IPC: a queue's key is nobody's in a new IPC namespace.",
        "outside: ok; inside: ENOENT")
{
    int id;

    key = 0x1bc0 + getpid();
    id = must(msgget(key, IPC_CREAT | IPC_EXCL | 0666));
    saw("outside: %s; ", outcome(msgget(key, 0)));
    saw("inside: %s", inside(CLONE_NEWIPC, look_for_key));
    must(msgctl(id, IPC_RMID, NULL));
}

static int
queues_listed(void)
{
    FILE *f = fopen("/proc/sysvipc/msg", "re");
    char line[512];
    int n = -1; /* the heading */

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        n++;
    if (f != NULL)
        fclose(f);
    return n;
}

static void
make_and_list(int out)
{
    const int before = queues_listed();
    const int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

    dprintf(out, "%d, with one of its own %d", before, queues_listed());
    msgctl(id, IPC_RMID, NULL);
}

FACT_IF(need_namespaces, NS02,
        "IPC: /proc/sysvipc shows the objects of who looks, and no others.",
        "outside: 1 or more; inside: 0, with one of its own 1")
{
    const int id = must(msgget(IPC_PRIVATE, IPC_CREAT | 0600));

    saw("outside: %s; ", queues_listed() >= 1 ? "1 or more" : "none");
    saw("inside: %s", inside(CLONE_NEWIPC, make_and_list));
    must(msgctl(id, IPC_RMID, NULL));
}

/* Process 1 of a new namespace ends; what of a daemon that it had? */
static void
outlive(int out)
{
    int hold[2];
    char byte;
    pid_t first;

    must(pipe2(hold, O_CLOEXEC));
    first = fork();
    if (first == 0) {
        if (fork() == 0) {
            setsid();
            if (fork() == 0) { /* a daemon, as books have it */
                dprintf(out, "begun, ");
                must(write(hold[1], "x", 1));
                for (;;)
                    pause();
            }
            _exit(0);
        }
        must(read(hold[0], &byte, 1));
        _exit(0);
    }
    close(hold[1]); /* the daemon has it, as long as it lives */
    waitpid(first, NULL, 0);
    dprintf(out, "then %s", got(hold[0], 1));
}

FACT_IF(need_namespaces, NS03,
        "PID: when process 1 of a namespace ends, the kernel kills all in it, "
        "daemons too.",
        "the daemon's pipe: begun, then end of file")
{
    saw("the daemon's pipe: %s", inside(CLONE_NEWPID, outlive));
}

static void
rename_host(int out)
{
    char name[65] = "", domain[65] = "";

    must(sethostname("inside", 6));
    must(setdomainname("lab", 3));
    gethostname(name, sizeof name);
    (void)!getdomainname(domain, sizeof domain);
    dprintf(out, "%s.%s", name, domain);
}

FACT_IF(need_namespaces, NS04,
        "UTS: host and domain name are set inside, and outside stay as they "
        "are.",
        "inside: inside.lab; outside: as before")
{
    char before[65] = "", after[65] = "";

    gethostname(before, sizeof before);
    saw("inside: %s; ", inside(CLONE_NEWUTS, rename_host));
    gethostname(after, sizeof after);
    saw("outside: %s", strcmp(before, after) == 0 ? "as before" : after);
}

static struct sockaddr_un by_path, by_name;
static socklen_t name_len;

static void
try_sockets(int out)
{
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_port = htons(7),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    dprintf(out, "path %s, ",
            outcome(connect(fd, (struct sockaddr *)&by_path, sizeof by_path)));
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    dprintf(out, "abstract name %s, ",
            outcome(connect(fd, (struct sockaddr *)&by_name, name_len)));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    dprintf(out, "loopback %s",
            outcome(connect(fd, (const struct sockaddr *)&a, sizeof a)));
}

/* A listener that Alice, too, may connect to. */
static int
listen_by_path(void)
{
    const int fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

    by_path.sun_family = AF_UNIX;
    ck_assert_int_lt(
        snprintf(by_path.sun_path, sizeof by_path.sun_path, "%s/s", run_dir),
        (int)sizeof by_path.sun_path);
    must(chmod(check_dir, 0711));
    must(bind(fd, (struct sockaddr *)&by_path, sizeof by_path));
    must(chmod(by_path.sun_path, 0777));
    must(listen(fd, 1));
    return fd;
}

FACT_IF(need_namespaces, NS05,
        "NET: a socket's path leads out of a network namespace, an abstract "
        "name does not, and the new loopback is down.",
        "path ok, abstract name ECONNREFUSED, loopback ENETUNREACH")
{
    const int one = listen_by_path();
    const int other = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

    by_name.sun_family = AF_UNIX;
    name_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                           (size_t)snprintf(by_name.sun_path + 1, 60,
                                            "ipclab-fact-%d", (int)getpid()));
    must(bind(other, (struct sockaddr *)&by_name, name_len));
    must(listen(other, 1));
    saw("%s", inside(CLONE_NEWNET, try_sockets));
    close(one);
    close(other);
    unlink(by_path.sun_path);
}

static void
try_shadow(int out)
{
    dprintf(out, "uid %u, /etc/shadow %s", geteuid(),
            outcome(open("/etc/shadow", O_RDONLY)));
}

FACT_IF(need_namespaces, NS06,
        "USER: who is root inside is nobody special outside.",
        "uid 0, /etc/shadow EACCES")
{
    saw("%s", inside(0, try_shadow));
}

static void
mount_shm(int out)
{
    must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    dprintf(out, "mounted %s, ",
            outcome(mount("shm", "/dev/shm", "tmpfs", 0, NULL)));
    dprintf(
        out, "made %s",
        outcome(open("/dev/shm/ipclab-fact-inside", O_CREAT | O_RDWR, 0600)));
}

FACT_IF(need_namespaces, NS07,
        "MOUNT: what is mounted inside is not seen outside; so /dev/shm can be "
        "one's own.",
        "inside: mounted ok, made ok; outside: ENOENT")
{
    saw("inside: %s; ", inside(CLONE_NEWNS, mount_shm));
    saw("outside: %s", outcome(access("/dev/shm/ipclab-fact-inside", F_OK)));
}

static void
connect_as_root(int out)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    must(connect(fd, (struct sockaddr *)&by_path, sizeof by_path));
    dprintf(out, "%u", geteuid());
}

FACT_IF(need_namespaces, NS08,
        "USER: SO_PEERCRED tells each side the other's uid as it is called in "
        "the asker's namespace.",
        "says of itself: 0; the kernel tells outside: who it is there")
{
    const int server = listen_by_path();
    struct ucred cred;
    socklen_t len = sizeof cred;
    int fd;

    saw("says of itself: %s; ", inside(0, connect_as_root));
    fd = must(accept4(server, NULL, NULL, SOCK_CLOEXEC));
    must(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
    saw("the kernel tells outside: %s",
        cred.uid == (geteuid() == 0 ? ALICE : geteuid()) ? "who it is there"
                                                         : "another");
    note("uid %u", cred.uid);
    close(fd);
    close(server);
    unlink(by_path.sun_path);
}

static long
seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (long)t.tv_sec;
}

/* Whole days, so that it does not matter how long the asking takes. */
static void
set_clock(int out)
{
    const long before = seconds(CLOCK_MONOTONIC);
    const time_t today = time(NULL);
    pid_t pid;

    if (!write_file("/proc/self/timens_offsets", "monotonic 864000 0\n"))
        return;
    dprintf(out, "itself +%ld days, ",
            (seconds(CLOCK_MONOTONIC) - before) / 86400);
    pid = fork();
    if (pid == 0) {
        dprintf(out, "its child +%ld days, the time of day +%ld",
                (seconds(CLOCK_MONOTONIC) - before) / 86400,
                (long)(time(NULL) - today) / 86400);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

FACT_IF(need_clocks, NS09,
        "TIME: the monotonic clock is set off for the children of who called "
        "unshare(), not for itself; the time of day never.",
        "itself +0 days, its child +10 days, the time of day +0")
{
    saw("%s", inside(CLONE_NEWTIME, set_clock));
}

static void
look_at_cgroup(int out)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[512] = "", *path = NULL;

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        path = strchr(line, '/');
    if (f != NULL)
        fclose(f);
    if (path == NULL)
        path = strcpy(line, "none");
    dprintf(out, "%.*s", (int)strcspn(path, "\n"), path);
}

FACT_IF(need_namespaces, NS10,
        "CGROUP: whatever control group one is in, inside it is called /.",
        "inside: /")
{
    saw("inside: %s", inside(CLONE_NEWCGROUP, look_at_cgroup));
}

/* Process 1 of its namespace kills itself, or tries to. */
static void
kill_oneself(int out)
{
    const pid_t first = fork();

    if (first == 0) {
        kill(getpid(), SIGKILL);
        dprintf(out, "pid %d, parent %d, alive", getpid(), getppid());
        _exit(0);
    }
    waitpid(first, NULL, 0);
}

FACT_IF(need_namespaces, NS11,
        "PID: the first process inside is 1, its parent 0; no signal from "
        "within kills it, not even SIGKILL.",
        "pid 1, parent 0, alive")
{
    saw("%s", inside(CLONE_NEWPID, kill_oneself));
}

FACT_IF(need_mounts, NS12,
        "Who keeps a descriptor of its old namespace can go back by setns() "
        "(root).",
        "away: inside; back: as before")
{
    char before[65] = "", now[65] = "";
    const pid_t pid = fork_child();
    int status;

    if (pid == 0) {
        const int old = must(open("/proc/self/ns/uts", O_RDONLY));
        int result = 0;

        gethostname(before, sizeof before);
        must(unshare(CLONE_NEWUTS));
        must(sethostname("inside", 6));
        gethostname(now, sizeof now);
        result += strcmp(now, "inside") == 0;
        if (setns(old, CLONE_NEWUTS) == 0 && gethostname(now, 65) == 0)
            result += strcmp(now, before) == 0 ? 2 : 0;
        _exit(result);
    }
    status = atoi(end_of(pid) + strlen("exit "));
    saw("away: %s; ", status & 1 ? "inside" : "as before");
    saw("back: %s", status & 2 ? "as before" : "inside");
}

static int
say_pid(void *arg)
{
    dprintf(*(int *)arg, "pid %d", getpid());
    return 0;
}

static char stack[1 << 16] __attribute__((aligned(16)));

static void
by_clone(int out)
{
    const pid_t pid =
        clone(say_pid, stack + sizeof stack, CLONE_NEWPID | SIGCHLD, &out);

    waitpid(pid, NULL, 0);
}

static void
by_unshare(int out)
{
    dprintf(out, "pid %s", getpid() == 1 ? "1" : "as before");
}

FACT_IF(need_namespaces, NS13,
        "PID: clone() makes a child in the new namespace; unshare() leaves its "
        "caller where it is, and only its children are inside.",
        "child of clone: pid 1; caller of unshare: pid as before")
{
    saw("child of clone: %s; ", inside(0, by_clone));
    saw("caller of unshare: %s", inside(CLONE_NEWPID, by_unshare));
}

/* The name that /proc/self leads to is a number of the namespace that this
 * /proc belongs to. */
static void
look_into_proc(int out)
{
    const pid_t first = fork();

    if (first == 0) {
        char before[32] = "", after[32] = "";

        (void)!readlink("/proc/self", before, sizeof before - 1);
        must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
        must(mount("proc", "/proc", "proc", 0, NULL));
        (void)!readlink("/proc/self", after, sizeof after - 1);
        dprintf(out, "getpid() %d, the old /proc: %s, mounted anew: %s",
                getpid(), strcmp(before, "1") == 0 ? "1" : "not 1", after);
        _exit(0);
    }
    waitpid(first, NULL, 0);
}

static bool
can_mount_proc(void)
{
    int status;
    pid_t first;

    if (!enter(CLONE_NEWPID | CLONE_NEWNS))
        return false;
    first = fork();
    if (first == 0)
        _exit(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
              mount("proc", "/proc", "proc", 0, NULL) == -1);
    return waitpid(first, &status, 0) == first && status == 0;
}

static const char *
need_a_proc(void)
{
    return here_try(can_mount_proc) ? NULL : "need to mount a /proc";
}

FACT_IF(need_a_proc, NS14,
        "PID: /proc shows the processes of the namespace in which it was "
        "mounted.",
        "getpid() 1, the old /proc: not 1, mounted anew: 1")
{
    saw("%s", inside(CLONE_NEWPID | CLONE_NEWNS, look_into_proc));
}

const struct fact *const ns_facts[] = {&NS01, &NS02, &NS03, &NS04, &NS05,
                                       &NS06, &NS07, &NS08, &NS09, &NS10,
                                       &NS11, &NS12, &NS13, &NS14, NULL};
