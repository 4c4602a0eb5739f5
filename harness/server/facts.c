/*
 * facts.c - what is said about processes and their rights, tried (test/fact.h).
 */
#define _GNU_SOURCE /* setresuid, PR_... */
#include "test/fact.h"

#include "test/here.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

FACT(V01,
     "Parent and child share the offset of a file that was open at fork().",
     "the child reads 'abc', then the parent 'def'")
{
    const int fd = must(open(in_run_dir("file"), O_RDWR | O_CREAT, 0600));
    int answer[2];
    pid_t pid;

    unlink(in_run_dir("file"));
    must(pipe(answer));
    put_text(fd, "abcdef");
    must(lseek(fd, 0, SEEK_SET));
    pid = fork_child();
    if (pid == 0) {
        put_text(answer[1], got(fd, 3));
        _exit(0);
    }
    end_of(pid);
    close(answer[1]);
    saw("the child reads %.5s, ", got(answer[0], 5) + 1);
    saw("then the parent %s", got(fd, 100));
    close(answer[0]);
    close(fd);
}

/* The state in /proc/PID/stat: R, S, Z ... */
static char
state_of(pid_t pid)
{
    char path[64], text[512] = "";
    const char *after;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return '-';
    (void)!fgets(text, sizeof text, f);
    fclose(f);
    after = strrchr(text, ')');
    return (char)(after != NULL ? after[2] : '-');
}

FACT(V02,
     "A process that has ended is a zombie until its parent waits: it has no "
     "descriptors any more, only its status.",
     "state Z, 0 descriptors, status 7, then state -")
{
    const pid_t pid = fork_child();
    siginfo_t info;
    int status;

    if (pid == 0)
        _exit(7);
    must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    saw("state %c, ", state_of(pid));
    status = open_descriptors(pid);
    saw("%d descriptors, ", status > 0 ? status : 0);
    must(waitpid(pid, &status, 0));
    saw("status %d, then state %c", WEXITSTATUS(status), state_of(pid));
}

/* A child of ours whose own child outlives it; which parent has that then? */
static const char *
adopted(int subreaper)
{
    int out[2], hold[2];
    char buffer[32] = "", byte;
    const pid_t self = getpid();
    pid_t pid, parent;

    must(prctl(PR_SET_CHILD_SUBREAPER, subreaper));
    must(pipe(out));
    must(pipe(hold));
    pid = fork_child();
    if (pid == 0) {
        if (fork_child() != 0)
            _exit(0);
        close(hold[1]);
        must(read(hold[0], &byte, 1)); /* until its parent has ended */
        dprintf(out[1], "%d", (int)getppid());
        _exit(0);
    }
    end_of(pid);
    close(out[1]);
    put_text(hold[1], "x");
    must(read(out[0], buffer, sizeof buffer - 1));
    parent = (pid_t)atoi(buffer);
    close(out[0]);
    close(hold[0]);
    close(hold[1]);
    must(prctl(PR_SET_CHILD_SUBREAPER, 1)); /* as tests have it */
    return parent == self ? "us" : "another";
}

FACT(V03,
     "An orphan is adopted by the nearest ancestor that asked for it, else by "
     "process 1.",
     "not asked for: another; asked for: us")
{
    saw("not asked for: %s; ", adopted(0));
    saw("asked for: %s", adopted(1));
    children_end();
}

FACT_IF(
    need_root, V04,
    "Root can put its rights aside and take them back; for good only if the "
    "real and the saved uid go, too.",
    "seteuid, and back: ok; setresuid, and back: EPERM")
{
    const pid_t pid = fork_child();
    int status;

    if (pid == 0) {
        int back, for_good;

        must(seteuid(ALICE));
        back = seteuid(0) == -1 ? errno : 0;
        must(setresuid(ALICE, ALICE, ALICE));
        for_good = seteuid(0) == -1 ? errno : 0;
        _exit(16 * back + for_good);
    }
    status = atoi(end_of(pid) + strlen("exit "));
    errno = status / 16;
    saw("seteuid, and back: %s; ", errno == 0 ? "ok" : outcome(-1));
    errno = status % 16;
    saw("setresuid, and back: %s", errno == 0 ? "ok" : outcome(-1));
}

/* A program of the system's, set-user-ID root, run by Alice: its first line. */
static const char *
run_set_user_id(const char *program, const char *argument, bool no_new_privs)
{
    static char line[200];
    char path[300], command[700];
    int out[2];
    FILE *in;
    pid_t pid;

    snprintf(path, sizeof path, "%s/%s", programs_dir(), program);
    snprintf(command, sizeof command, "cp \"$(command -v %s)\" '%s'", program,
             path);
    must(system(command));
    must(chmod(path, 04755));
    must(pipe(out));
    pid = fork_child();
    if (pid == 0) {
        must(setresgid(ALICE, ALICE, ALICE));
        must(setresuid(ALICE, ALICE, ALICE));
        if (no_new_privs)
            must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        must(dup2(out[1], 1));
        setenv("LD_PRELOAD", "/nowhere.so", 1);
        must(setenv("FACT", "kept", 1));
        execl(path, program, argument, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    in = fdopen(out[0], "r");
    if (fgets(line, sizeof line, in) == NULL)
        strcpy(line, "nothing");
    line[strcspn(line, "\n")] = '\0';
    fclose(in);
    end_of(pid);
    unlink(path);
    return line;
}

FACT_IF(need_set_user_id, V05,
        "A set-user-ID program has its owner's rights, and still knows who "
        "started it: the first design of a privileged server.",
        "run by Alice: effective 0, real 10001")
{
    saw("run by Alice: effective %s, ", run_set_user_id("id", "-u", false));
    saw("real %s", run_set_user_id("id", "-ru", false));
}

FACT_IF(need_set_user_id, V06,
        "The dynamic linker takes LD_PRELOAD away from a set-user-ID program; "
        "other variables stay.",
        "LD_PRELOAD: nothing; another: kept")
{
    saw("LD_PRELOAD: %s; ", run_set_user_id("printenv", "LD_PRELOAD", false));
    saw("another: %s", run_set_user_id("printenv", "FACT", false));
}

FACT_IF(
    need_set_user_id, V07,
    "PR_SET_NO_NEW_PRIVS: from then on set-user-ID programs give no rights.",
    "without it: 0; with it: 10001")
{
    saw("without it: %s; ", run_set_user_id("id", "-u", false));
    saw("with it: %s", run_set_user_id("id", "-u", true));
}

FACT(V08,
     "_exit() does not write what stdio holds back; closing the stream does, "
     "which exit() does for all of them.",
     "_exit: end of file; closed: 'held'")
{
    for (int proper = 0; proper < 2; proper++) {
        int out[2];
        pid_t pid;

        must(pipe(out));
        pid = fork_child();
        if (pid == 0) {
            FILE *f = fdopen(out[1], "w");

            if (f == NULL || fputs("held", f) == EOF)
                _exit(1);
            if (proper)
                fclose(f);
            _exit(0);
        }
        end_of(pid);
        close(out[1]);
        saw("%s%s", proper ? "; closed: " : "_exit: ", got(out[0], 100));
        close(out[0]);
    }
}

const struct fact *const server_facts[] = {&V01, &V02, &V03, &V04, &V05,
                                           &V06, &V07, &V08, NULL};
