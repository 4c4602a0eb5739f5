/* confined.c - what the suites about confinement share (confined.h). */
#define _GNU_SOURCE /* unshare */
#include "test/confined.h"

#include "test/files.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *
need_no_tsan(void)
{
#ifdef IPCLAB_TSAN
    return "need a program without ThreadSanitizer's own thread";
#else
    return NULL;
#endif
}

const char *
need_one_thread(void)
{
    return need_no_tsan() != NULL ? need_no_tsan() : need_root();
}

/* Most containers do not let even root. */
const char *
need_namespaces(void)
{
    if (need_one_thread() != NULL)
        return need_one_thread();
    return need_mounts() != NULL ? need_mounts() : need_right(CAP_SYS_ADMIN);
}

/* By its name: the supervisor's children have some. */
pid_t
child_called(pid_t parent, const char *name)
{
    char path[64], comm[32], children[512], *at, *rest;

    snprintf(path, sizeof path, "task/%d/children", (int)parent);
    snprintf(children, sizeof children, "%s", proc_text(parent, path));
    for (at = children; *at != '\0'; at = rest + strspn(rest, " ")) {
        pid_t pid = (pid_t)strtol(at, &rest, 10);

        if (rest == at)
            break;
        snprintf(comm, sizeof comm, "%.15s\n", name);
        if (strcmp(proc_text(pid, "comm"), comm) == 0)
            return pid;
    }
    return -1;
}

pid_t
confined_broker(const struct host *h)
{
    return child_called(h->pid, "ipcd-broker");
}

/* A line of it is "| `broker` | `00000000000000c0` | ...". */
rights
documented(const char *name)
{
    char path[PATH_MAX], begin[64], *end;
    const char *line;
    rights kept;

    snprintf(path, sizeof path, "%s/harness/server/README.md", source_dir());
    snprintf(begin, sizeof begin, "\n| `%s` | `0", name);
    line = strstr(file_text(path), begin);
    ck_assert_msg(line != NULL, "%s: not in %s", name, path);
    line += strlen(begin) - 1;
    kept = strtoull(line, &end, 16);
    ck_assert_msg(end - line == 16, "%s: not 16 digits in %s", name, path);
    return kept;
}

#define NONE "0000000000000000"

bool
expect_status(pid_t tid, rights kept)
{
    const char *text = proc_text(tid, "status");
    char expect[512];

    if (text[0] == '\0')
        return false;
    ck_assert_msg(
        strstr(text, "\nUid:\t" SERVICE_TEXT "\t" SERVICE_TEXT "\t" SERVICE_TEXT
                     "\t" SERVICE_TEXT "\nGid:\t" SERVICE_TEXT "\t" SERVICE_TEXT
                     "\t" SERVICE_TEXT "\t" SERVICE_TEXT "\n") != NULL &&
            strstr(text, "\nGroups:\t \n") != NULL,
        "%s", text);
    snprintf(expect, sizeof expect,
             "\nCapInh:\t" NONE "\nCapPrm:\t%016" PRIx64
             "\nCapEff:\t%016" PRIx64 "\nCapBnd:\t" NONE "\nCapAmb:\t" NONE
             "\nNoNewPrivs:\t1\nSeccomp:\t2\n",
             kept, kept);
    ck_assert_msg(strstr(text, expect) != NULL, "not \"%s\" but\n%s", expect,
                  text);
    return true;
}

void
make_file_of(uid_t uid, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/file-of-%u", check_dir, (unsigned)uid);
    write_file(path, "secret", 0600);
    ck_assert_int_eq(chown(path, uid, uid), 0);
}

int
reap(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    return status;
}
