/* attack_spawned.c - a set-user-ID server, and the client that starts it. */
#define _GNU_SOURCE /* pipe2, F_GETPIPE_SZ, clearenv */
#include "test/attack/stage.h"
#include "test/both/silent.h"

#include "lab/procfs.h"
#include "server/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- a set-user-ID server, started by hand -------------------------------- */

struct started {
    char program[ENDPOINT_SIZE + 16];
    pid_t pid, writer;
    int to, from;
    char path[PATH_MAX];
    bool fell;
};

static struct started *
make_started(const struct host *server)
{
    struct started *s = shared(sizeof *s);

    snprintf(s->program, sizeof s->program, "%.110s", server->where);
    return s;
}

/* In the child, between fork(2) and exec(2): what she leaves to the server. */
typedef void legacy_function(void);

static void
start(struct started *s, legacy_function *leave)
{
    int up[2], down[2];
    pid_t pid;

    MUST(pipe2(up, O_CLOEXEC) == 0 && pipe2(down, O_CLOEXEC) == 0);
    pid = fork();
    if (pid == 0) {
        dup2(down[0], STDIN_FILENO);
        dup2(up[1], STDOUT_FILENO);
        leave();
        execl(s->program, "ipcd", "--stdio", "-m", "pipe/coprocess",
              (char *)NULL);
        _exit(127);
    }
    close(up[1]);
    close(down[0]);
    s->pid = pid; /* not in the child: *s is shared */
    s->to = down[1];
    s->from = up[0];
}

static void
end(struct started *s)
{
    close(s->to);
    close(s->from);
    MUST(waitpid(s->pid, NULL, 0) == s->pid);
}

/* Sends a request, returns the length of the reply: 0, the server is dead. */
static size_t
ask(const struct started *s, const char *method, const struct api_value *args,
    uint8_t reply[4096])
{
    uint8_t frame[REQUEST_ROOM];
    const size_t n = make_call(frame, method, args);
    size_t len = 0;
    ssize_t got;

    MUST(n > 0);
    if (write(s->to, frame, n) != (ssize_t)n)
        return 0;
    do {
        got = read(s->from, reply + len, 4096 - len);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0 &&
             (len < WIRE_HEADER || len < WIRE_HEADER + get32(reply + 8)));
    return len;
}

/* -- 2: no standard error ------------------------------------------------- */

/* (A C library opens 0 to 2 by itself when a set-user-ID program finds them
 * closed; a program that root's daemon starts has no such luck.) */
static bool
closes_standard_error(bool naive)
{
    char path[PATH_MAX];
    int status;
    pid_t pid;

    (void)naive;
    strcpy(path, make_file("vault", SECRET, 0600));
    pid = fork();
    if (pid == 0) {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        if (confine_inherited() != 0)
            _exit(EXIT_BROKEN);
        for (int i = 0; i <= STDERR_FILENO; i++)
            MUST(open(path, O_RDWR | O_CLOEXEC) != -1);
        /* A message, for whoever reads standard error. */
        _exit(write(STDERR_FILENO, "error!", 6) != 6);
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    return !is_still_secret(path);
}

/* -- 3: descriptors ------------------------------------------------------- */

static void
leave_a_descriptor(void)
{
    int fd = open("/dev/zero", O_RDONLY);

    dup2(fd, 7); /* without close-on-exec */
}

static void
alice_leaves_a_descriptor(struct actor *self, void *arg)
{
    struct started *s = arg;
    uint8_t reply[4096];
    struct api_value name = {.at = "A", .len = 1};

    start(s, leave_a_descriptor);
    MUST(ask(s, "hello", &name, reply) > 0); /* it serves */
    actor_step(self);
    end(s);
}

static bool
leaves_a_descriptor(bool naive)
{
    struct host server;
    struct started *s;
    struct actor alice;
    char path[64];
    bool there;

    (void)naive;
    serve_set_user_id(&server, "pipe/coprocess");
    s = make_started(&server);
    actor_start(&alice, ALICE, alice_leaves_a_descriptor, s);
    actor_wait(&alice);
    snprintf(path, sizeof path, "/proc/%d/fd/7", (int)s->pid);
    there = faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    actor_go(&alice);
    actor_end(&alice);
    return there;
}

/* -- 4: the environment --------------------------------------------------- */

/* This program, set-user-ID: does what many a one has done. */
int
deputy(const char *what, const char *dir)
{
    char byte;

    (void)dir;
    MUST(geteuid() == 0 && getuid() == ALICE);
    if (strcmp(what, "root") == 0) {   /* as su(1): from now on nobody's but */
        MUST(setresuid(0, 0, 0) == 0); /* root's */
        return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : EXIT_BROKEN;
    }
    MUST(confine_inherited() == 0);
    execlp("date", "date", (char *)NULL); /* looked for in PATH */
    return EXIT_BROKEN;
}

static void
alice_sets_path(void *arg)
{
    struct started *s = arg;
    pid_t pid = fork();

    if (pid == 0) {
        setenv("PATH", s->path, 1);
        setenv("IFS", "/", 1);
        setenv("LD_PRELOAD", "/tmp/evil.so", 1);
        execl(s->program, "ipcattack", "--deputy", "date", s->path,
              (char *)NULL);
        _exit(127);
    }
    MUST(waitpid(pid, NULL, 0) == pid);
}

/* Her date(1) is a script; -p, or a shell would give up root's rights. */
static bool
has_a_date_of_her_own(bool naive)
{
    struct started *s = shared(sizeof *s);
    char marker[PATH_MAX], script[PATH_MAX + 100], date[PATH_MAX + 16];
    FILE *out;

    (void)naive;
    snprintf(s->program, sizeof s->program, "%s/deputy", stage_dir);
    copy_program("ipcattack", s->program, ALICE);
    snprintf(s->path, sizeof s->path, "%s/bin", stage_dir);
    snprintf(marker, sizeof marker, "%s/marker", stage_dir);
    snprintf(script, sizeof script, "#!/bin/sh -p\necho >'%s'\n", marker);
    snprintf(date, sizeof date, "%.200s/date", s->path);
    MUST(mkdir(s->path, 0755) == 0);
    out = fopen(date, "we");
    MUST(out != NULL && fputs(script, out) >= 0 && fclose(out) == 0);
    MUST(chmod(date, 0755) == 0);
    as_user(ALICE, alice_sets_path, s);
    return access(marker, F_OK) == 0; /* in a directory that is root's */
}

/* -- 5: limits ------------------------------------------------------------ */

static rlim_t hard; /* the hard limit of descriptors that she leaves */

static void
leave_nothing(void)
{
    const struct rlimit four = {4, hard}, none = {0, RLIM_INFINITY};
    sigset_t all;

    sigfillset(&all);
    umask(0777);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGCHLD, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none);
    setrlimit(RLIMIT_NOFILE, &four);
}

/* A file of her own: to read it the server needs two descriptors more, and a
 * child. */
static void
alice_leaves_no_room(void *arg)
{
    struct started *s = arg;
    const struct api_value args[] = {
        {.at = s->path, .len = strlen(s->path)}, {.u64 = 0}, {.u32 = 100}};
    uint8_t reply[4096];
    size_t len;

    start(s, leave_nothing);
    len = ask(s, "read_file", args, reply);
    s->fell = len == 0 || get32(reply + 12) != WIRE_OK;
    end(s);
}

static bool
leave_room_for(rlim_t most)
{
    struct host server;
    struct started *s;

    hard = most;
    serve_set_user_id(&server, "pipe/coprocess");
    s = make_started(&server);
    strcpy(s->path, make_file("hers", SECRET, 0644));
    as_user(ALICE, alice_leaves_no_room, s);
    return s->fell;
}

static const char *
need_little(void)
{
#ifdef IPCLAB_TSAN
    return "the thread sanitizer needs descriptors of its own";
#else
    return NULL;
#endif
}

static bool
leaves_no_room(bool naive)
{
    struct rlimit now;

    (void)naive;
    MUST(getrlimit(RLIMIT_NOFILE, &now) == 0);
    return leave_room_for(now.rlim_max);
}

/* A hard limit only a privileged program can raise. */
static bool
leaves_no_room_for_good(bool naive)
{
    (void)naive;
    return leave_room_for(4);
}

static const char *
need_resources(void)
{
    const struct rlimit low = {4, 4}, high = {5, 5};
    int status;
    pid_t pid = fork(); /* there may be no way back */

    if (pid == 0)
        _exit(setrlimit(RLIMIT_NOFILE, &low) == -1 ||
              setrlimit(RLIMIT_NOFILE, &high) == -1);
    if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0)
        return "root has no CAP_SYS_RESOURCE here, to raise a limit by";
    return NULL;
}

/* -- 6: no new privileges ------------------------------------------------- */

/* Then exec(2) gives no rights, and says nothing: what takes itself for root's
 * server runs as Alice, in the environment that she made. */
static void
leave_no_privileges(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void
alice_takes_its_rights(void *arg)
{
    struct started *s = arg;
    const struct api_value name = {.at = "A", .len = 1};
    uint8_t reply[4096];

    start(s, leave_no_privileges);
    s->fell = ask(s, "hello", &name, reply) > 0;
    end(s);
}

static bool
takes_its_rights(bool naive)
{
    struct host server;
    struct started *s;

    (void)naive;
    serve_set_user_id(&server, "pipe/coprocess");
    s = make_started(&server);
    as_user(ALICE, alice_takes_its_rights, s);
    return s->fell;
}

/* -- 7: killed in the middle ---------------------------------------------- */

/* The textbook's log: who, then what; and between the two... */
static void
write_in_two(struct actor *self, void *arg)
{
    FILE *log = fopen(arg, "a");

    MUST(log != NULL);
    setbuf(log, NULL);
    fputs("uid=10001 text=", log);
    actor_step(self);
    fputs("\"hello\"\n", log);
    fclose(log);
}

static void
leave_it_alone(void)
{
}

/* Its real uid is hers, so she may kill it; and the child that writes for it,
 * if she may. */
static void
alice_kills_it(struct actor *self, void *arg)
{
    static const char hello[] = "hello";
    struct started *s = arg;
    const struct api_value text = {.at = hello, .len = sizeof hello - 1};
    uint8_t frame[REQUEST_ROOM], reply[4096];
    size_t n = make_call(frame, "append_log", &text);

    start(s, leave_it_alone);
    MUST(ask(s, "append_log", &text, reply) > 0);
    actor_step(self); /* the log is locked */
    MUST(write(s->to, frame, n) == (ssize_t)n);
    actor_step(self); /* until there is one who waits to write */
    MUST(kill(s->pid, SIGKILL) == 0);
    s->fell = kill(s->writer, SIGKILL) == 0;
    MUST(s->fell || errno == EPERM);
    end(s);
    actor_step(self);
}

/* write(2) has the file locked while it fetches what it is to write. */
static void
lock_the_log(struct actor *self, void *arg)
{
    char path[PATH_MAX + 8];
    void *page;
    int file, log = open("/var/log/ipclab/log", O_WRONLY | O_CLOEXEC);

    (void)self;
    snprintf(path, sizeof path, "%s/file", (const char *)arg);
    file = open(path, O_RDONLY | O_CLOEXEC);
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    MUST(log != -1 && file != -1 && page != MAP_FAILED);
    (void)!pwrite(log, page, 100, 0);
}

/* Its only child; 0: it has none. */
static pid_t
child_of(pid_t pid)
{
    char path[64];
    long child = 0;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid,
             (int)pid);
    in = fopen(path, "re");
    MUST(in != NULL);
    if (fscanf(in, "%ld", &child) != 1)
        child = 0;
    fclose(in);
    return (pid_t)child;
}

static bool
has_half_a_line(const char *path)
{
    char text[16384] = "\n";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd == -1 ? 0 : read(fd, text, sizeof text - 1);

    if (fd != -1)
        close(fd);
    return n > 0 && text[n - 1] != '\n';
}

/* Two lines, and both are whole? */
static bool
has_two_lines(const char *path)
{
    FILE *log = fopen(path, "re");
    size_t size = 0, whole = 0, lines = 0;
    char *line = NULL;
    ssize_t n;

    MUST(log != NULL);
    for (; (n = getline(&line, &size, log)) > 0; lines++)
        whole += strncmp(line + n - 8, "\"hello\"\n", 8) == 0;
    free(line);
    fclose(log);
    return lines == 2 && whole == 2;
}

static bool
kills_it_while_it_writes(bool naive)
{
    static const char where[] = "/var/log/ipclab/log";
    char path[PATH_MAX];
    struct host server;
    struct started *s;
    struct actor textbook, alice, locker;
    pid_t file_system;

    if (naive) {
        strcpy(path, make_file("log", "", 0600));
        actor_start(&textbook, geteuid(), write_in_two, path);
        actor_wait(&textbook);
        actor_kill(&textbook);
        return has_half_a_line(path);
    }
    /* There it keeps its log, in what only root can make. */
    MUST(mount("log", "/var/log", "tmpfs", 0, "mode=0755") == 0);
    MUST(mkdir("/var/log/ipclab", 0700) == 0);
    serve_set_user_id(&server, "pipe/coprocess");
    s = make_started(&server);
    actor_start(&alice, ALICE, alice_kills_it, s);
    actor_wait(&alice);
    snprintf(path, sizeof path, "%s/silent", stage_dir);
    MUST(mkdir(path, 0755) == 0);
    file_system = silent_start(path, geteuid());
    MUST(file_system > 0);
    actor_start(&locker, geteuid(), lock_the_log, path);
    while (!is_in_call(locker.pid, SYS_pwrite64))
        sched_yield();
    actor_go(&alice);
    actor_wait(&alice);
    while ((s->writer = child_of(s->pid)) == 0 ||
           !is_in_call(s->writer, SYS_writev))
        sched_yield();
    actor_go(&alice);
    actor_wait(&alice);
    silent_end(file_system, path);
    actor_kill(&locker);
    while (procfs_lives(s->writer)) /* nobody may have reaped it */
        sched_yield();
    actor_kill(&alice);
    return s->fell || !has_two_lines(where);
}

/* -- 185: room for half a line --------------------------------------------- */

#define TEXT 950 /* bytes; in the log each has four */

static void
leave_room_for_half(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 2 * (rlim_t)TEXT;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void
alice_leaves_room_for_half(void *arg)
{
    struct started *s = arg;
    char line[TEXT];
    const struct api_value text = {.at = line, .len = sizeof line};
    uint8_t reply[4096];

    memset(line, 1, sizeof line); /* 4 * TEXT, and who wrote it */
    start(s, leave_room_for_half);
    MUST(ask(s, "append_log", &text, reply) > 0);
    end(s);
}

static bool
leaves_room_for_half_a_line(bool naive)
{
    struct host server;

    (void)naive;
    MUST(mount("log", "/var/log", "tmpfs", 0, "mode=0755") == 0);
    MUST(mkdir("/var/log/ipclab", 0700) == 0);
    serve_set_user_id(&server, "pipe/coprocess");
    as_user(ALICE, alice_leaves_room_for_half, make_started(&server));
    MUST(access("/var/log/ipclab/log", F_OK) == 0);
    return has_half_a_line("/var/log/ipclab/log");
}

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "pipe/coprocess"

const struct attack spawned_attacks[] = {
    {2, M, "starts it with 0, 1 and 2 closed", .without = "standard",
     .how = "opened on /dev/null", .run = closes_standard_error},
    {3, M, "leaves it an open descriptor", .without = "descriptors",
     .how = "close_range(2)", .run = leaves_a_descriptor},
    {4, M, "leaves it PATH, IFS, LD_PRELOAD", .without = "environment",
     .how = "clearenv, a PATH of ours", .run = has_a_date_of_her_own},
    {5, M, "leaves it 4 descriptors, no signals", .without = "limits",
     .how = "limits are set anew", .missing = need_little,
     .run = leaves_no_room},
    {6, M, "starts it with no_new_privs", .without = "refused",
     .how = "it says so, and ends", .run = takes_its_rights},
    {128, M, "the same, with a hard limit", .without = "limits",
     .how = "CAP_SYS_RESOURCE", .missing = need_resources,
     .run = leaves_no_room_for_good},
    {7, M, "kills it while it writes its log",
     .how = "a writer she cannot kill", .missing = silent_missing,
     .run = kills_it_while_it_writes},
    {185, M, "leaves its log room for half a line", .without = "limits,room",
     .how = "limits are set anew", .run = leaves_room_for_half_a_line},
    {0},
};
