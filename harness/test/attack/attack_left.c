/* attack_left.c - what a program that is to be judged (lab/cell.h), or another
 * user, does to who clears up after it. */
#define _GNU_SOURCE /* posix_openpt, ptsname_r, O_DIRECT */
#include "test/attack/attack.h"

#include "core/scratch.h"
#include "lab/cell.h"
#include "test/both/silent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- 312 to 315: a cell ----------------------------------------------------- */

static char cell_dir[PATH_MAX];

static void
make_for_bob(const char *below)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof path, "%s%s", cell_dir, below);
    MUST(mkdir(path, 0755) == 0 && chown(path, BOB, BOB) == 0);
}

/* Bob's script, as a submission is run. */
static void
judge(const char *script)
{
    char log[PATH_MAX + 32], shell[] = "sh", option[] = "-c";
    char *text = strdup(script);
    char *const argv[] = {shell, option, text, NULL};
    struct cell cell = {.dir = cell_dir, .log = log, .seconds = 20, .uid = BOB};

    snprintf(cell_dir, sizeof cell_dir, "%s/cell", stage_dir);
    snprintf(log, sizeof log, "%s/out/log.txt", cell_dir);
    make_for_bob("");
    make_for_bob("/tmp");
    make_for_bob("/out");
    cell_run(&cell, argv);
    MUST(!cell.reduced && !cell.timed_out && !cell.too_much);
    free(text);
}

/* What he has brought back in out/has. */
static bool
has_the_secret(void)
{
    char path[PATH_MAX + 32], text[sizeof SECRET] = "";
    int fd;

    snprintf(path, sizeof path, "%s/out/has", cell_dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd != -1 && read(fd, text, sizeof text - 1) != -1);
    close(fd);
    return strcmp(text, SECRET) == 0;
}

/* A session whose terminal that is. */
static _Noreturn void
grade_at_a_terminal(const char *terminal)
{
    MUST(setsid() != -1);
    MUST(open(terminal, O_RDWR | O_CLOEXEC) != -1);
    judge("read -r line </dev/tty; echo \"$line\" >out/has");
    _exit(has_the_secret());
}

static bool
reads_what_the_grader_types(bool naive)
{
    const int keys = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char terminal[64];
    int status;
    pid_t pid;

    (void)naive;
    MUST(keys != -1 && grantpt(keys) == 0 && unlockpt(keys) == 0 &&
         ptsname_r(keys, terminal, sizeof terminal) == 0);
    MUST(write(keys, SECRET "\n", sizeof SECRET) == sizeof SECRET);
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        grade_at_a_terminal(terminal);
    MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
         WEXITSTATUS(status) <= 1);
    return WEXITSTATUS(status) == 1;
}

static const char *
need_terminals(void)
{
    const int keys = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (keys != -1)
        close(keys);
    return keys != -1 ? NULL : "there are no terminals here (/dev/pts)";
}

#define GRADES 9

static bool
reads_the_graders_file(bool naive)
{
    const char *path = make_file("grades", SECRET, 0600);
    const int fd = open(path, O_RDONLY);

    (void)naive;
    MUST(fd != -1 && dup2(fd, GRADES) == GRADES);
    judge(">out/has; cat <&9 >>out/has");
    return has_the_secret();
}

static bool
reads_the_graders_environment(bool naive)
{
    (void)naive;
    MUST(setenv("TOKEN_OF_THE_GRADER", SECRET, 1) == 0);
    judge("printf %s \"$TOKEN_OF_THE_GRADER\" >out/has");
    return has_the_secret();
}

#define NAMES "100"

static bool
has_a_file_copied_often(bool naive)
{
    char path[PATH_MAX + 32];
    struct stat st;
    int copies = 0;

    (void)naive;
    judge("mkdir out/evidence && cd out/evidence && echo x >0 && "
          "for i in $(seq " NAMES "); do ln 0 $i; done; echo >alone");
    snprintf(path, sizeof path, "%s/out/evidence/alone", cell_dir);
    MUST(stat(path, &st) == 0);
    for (int i = 0; i <= atoi(NAMES); i++) {
        snprintf(path, sizeof path, "%s/out/evidence/%d", cell_dir, i);
        copies += stat(path, &st) == 0;
    }
    return copies > 1;
}

/* -- 316, 317: a scratch directory ------------------------------------------ */

#define LEVELS 300

static void
bob_digs(void *arg)
{
    MUST(chdir(arg) == 0);
    for (int i = 0; i < LEVELS; i++)
        MUST(mkdir("deep-0", 0700) == 0 && chdir("deep-0") == 0);
}

static bool
digs_too_deep(bool naive)
{
    char dir[SCRATCH_SIZE], below[SCRATCH_SIZE + 8];
    int held;

    (void)naive;
    MUST(setenv("TMPDIR", stage_dir, 1) == 0);
    held = scratch_make("attack", true, dir);
    MUST(held >= 0);
    snprintf(below, sizeof below, "%s/bobs", dir);
    MUST(mkdir(below, 0700) == 0 && chown(below, BOB, BOB) == 0);
    as_user(BOB, bob_digs, below);
    scratch_remove(dir);
    close(held);
    return access(dir, F_OK) == 0;
}

static void
bob_is_at_work(struct actor *self, void *dir)
{
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd != -1)
        MUST(flock(fd, LOCK_SH) == 0);
    actor_step(self);
}

static void
sweeps_nothing_else(const char *dir)
{
    (void)dir;
}

/* A run has been killed, and its directory is to be swept. */
static bool
locks_what_is_left(bool naive)
{
    char dir[SCRATCH_SIZE];
    struct actor bob;
    int held;

    (void)naive;
    MUST(setenv("TMPDIR", stage_dir, 1) == 0);
    held = scratch_make("attack", true, dir);
    MUST(held >= 0);
    close(held);
    actor_start(&bob, BOB, bob_is_at_work, dir);
    actor_wait(&bob);
    scratch_sweep(sweeps_nothing_else);
    actor_kill(&bob);
    return access(dir, F_OK) == 0;
}

/* -- 318: a file on a disk ---------------------------------------------------- */

/* A small ext4 at STAGE/disk, which the kernel forgets with our mounts. */
static bool
mount_disk(void)
{
    char command[4 * PATH_MAX];

    snprintf(command, sizeof command,
             "exec 2>/dev/null; PATH=$PATH:/usr/sbin:/sbin; cd '%s' && "
             "truncate -s 8M image && mkfs.ext4 -q image && mkdir -p disk && "
             "mount -o loop image disk",
             stage_dir);
    return system(command) == 0;
}

static const char *
need_a_disk(void)
{
    const char *why = silent_missing();

    return why != NULL    ? why
           : mount_disk() ? NULL
                          : "need mkfs.ext4(8) and a loop device";
}

struct print {
    struct host server;
    char silent[PATH_MAX];
    bool answered;
};

static void
alice_prints(struct actor *self, void *arg)
{
    struct print *p = arg;
    const struct api_value text = {.at = "text", .len = 4};
    struct client c;

    MUST(client_open(&c, p->server.m, p->server.where) == 0);
    for (int i = 0; i < 2; i++) {
        MUST(client_send(&c, api_by_name("print"), &text, NULL,
                         ATTACK_TIMEOUT) == 0);
        whoami(&c);
        p->answered = i > 0;
        actor_step(self);
    }
    client_close(&c);
}

/* With O_DIRECT, into a page of his own file system, which does not come. */
static void
bob_reads_what_is_printed(struct actor *self, void *arg)
{
    const struct print *p = arg;
    char path[PATH_MAX + 16];
    void *page;
    int fd;

    snprintf(path, sizeof path, "%s/file", p->silent);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd != -1);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    MUST(page != MAP_FAILED);
    snprintf(path, sizeof path, "%s/printed", run_dir);
    fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    MUST(fd != -1);
    actor_step(self);
    (void)!pread(fd, page, 4096, 0);
}

static bool
never_reads_to_the_end(bool naive)
{
    struct print *p = shared(sizeof *p);
    struct actor alice, bob;
    pid_t file_system;
    bool hangs = false;

    (void)naive;
    MUST(mount_disk());
    snprintf(run_dir, sizeof run_dir, "%.90s/disk", stage_dir);
    snprintf(p->silent, sizeof p->silent, "%s/silent", stage_dir);
    MUST(mkdir(p->silent, 0755) == 0);
    file_system = silent_start(p->silent, BOB);
    MUST(file_system > 0);
    serve(&p->server, "socket/stream");
    actor_start(&alice, ALICE, alice_prints, p);
    actor_wait(&alice);
    actor_start(&bob, BOB, bob_reads_what_is_printed, p);
    actor_wait(&bob);
    actor_go(&bob);
    while (!is_in_call(bob.pid, SYS_pread64))
        sched_yield();
    actor_go(&alice);
    while (!hangs && !p->answered)
        hangs = is_in_call(p->server.server, SYS_writev);
    silent_end(file_system, p->silent);
    actor_kill(&bob);
    actor_kill(&alice);
    host_stop(&p->server);
    return hangs;
}

/* -- the table -------------------------------------------------------------- */

static const char disk_lock[] =
    "on a disk read(2) with O_DIRECT has the file locked until the bytes are "
    "in "
    "the reader's memory, which may never come (FUSE); whoever writes or "
    "removes it waits.  The run directory belongs in memory, as /run is; ipcd "
    "says where it is not.";

const struct attack left_attacks[] = {
    {312, "ipclab grade", "reads what is typed at its terminal",
     .without = "session", .how = "a session of its own",
     .missing = need_terminals, .run = reads_what_the_grader_types},
    {313, "ipclab grade", "reads a file that the grader has open",
     .without = "descriptors", .how = "all others are closed",
     .run = reads_the_graders_file},
    {314, "ipclab grade", "reads the grader's environment",
     .without = "environment", .how = "what compiling takes",
     .run = reads_the_graders_environment},
    {315, "ipclab grade", "hands in one file by 100 names", .without = "twins",
     .how = "with one name only", .run = has_a_file_copied_often},
    {316, "make sweep", "makes directories 300 deep", .without = "deep",
     .how = "what is deep is moved up", .run = digs_too_deep},
    {317, "make sweep", "locks what a killed run has left", .without = "search",
     .how = "mode 0711: flock needs r", .run = locks_what_is_left},
    {318, "ipcd", "reads `printed', never to the end", .how = "until he ends",
     .cannot = disk_lock, .missing = need_a_disk,
     .run = never_reads_to_the_end},
    {0},
};
