/* place.c - where in a source file a process is (place.h). */
#define _GNU_SOURCE /* process_vm_readv, O_CLOEXEC */
#include "lab/place.h"

#include "lab/procfs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK 16384 /* bytes of it that are looked through */

struct image {
    char path[PATH_MAX];
    unsigned long from, to, base; /* what can be run; where the file begins */
};

/* The program's own code, in /proc/PID/maps. */
static bool
find_image(pid_t pid, struct image *im)
{
    char name[64], line[PATH_MAX + 128], perms[8], path[PATH_MAX];
    unsigned long from, to, offset;
    bool found = false;
    ssize_t n;
    FILE *f;

    snprintf(name, sizeof name, "/proc/%d/exe", (int)pid);
    n = readlink(name, im->path, sizeof im->path - 1);
    im->path[n < 0 ? 0 : n] = '\0';
    snprintf(name, sizeof name, "/proc/%d/maps", (int)pid);
    f = fopen(name, "re");
    while (!found && f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095s", &from, &to, perms,
                   &offset, path) == 5 &&
            perms[2] == 'x' && strcmp(path, im->path) == 0) {
            *im = (struct image){.from = from, .to = to, .base = from - offset};
            strcpy(im->path, path);
            found = true;
        }
    if (f != NULL)
        fclose(f);
    return found;
}

/* Of a thread that sleeps in a system call, the ninth word there is its stack
 * pointer. */
static unsigned long
sleepers_stack(pid_t pid, pid_t tid)
{
    char file[48], text[256], *at = text;

    snprintf(file, sizeof file, "task/%d/syscall", (int)tid);
    if (procfs_text(pid, file, text, sizeof text) <= 0 ||
        strncmp(text, "running", 7) == 0)
        return 0;
    for (int word = 0; word < 7 && at != NULL; word++) {
        at = strchr(at, ' ');
        if (at != NULL)
            at++;
    }
    return at != NULL ? strtoul(at, NULL, 16) : 0;
}

/* Of one that runs: stopped for a moment, it says it itself. */
static unsigned long
runners_stack(pid_t tid, unsigned long *pc)
{
    unsigned long sp = 0;
#ifdef __x86_64__
    struct user_regs_struct r;
    int status;

    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) == -1)
        return 0;
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != -1 &&
        waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status) &&
        ptrace(PTRACE_GETREGS, tid, NULL, &r) != -1) {
        sp = r.rsp;
        *pc = r.rip;
    }
    ptrace(PTRACE_DETACH, tid, NULL, NULL);
#else
    (void)tid;
    (void)pc;
#endif
    return sp;
}

/* Does a call stand before it?  Other numbers on a stack look like addresses,
 * too: pointers to functions, and those by which a sanitizer knows a frame. */
static bool
is_after_call(pid_t pid, unsigned long at)
{
#ifdef __x86_64__
    static const unsigned char lengths[] = {2, 3, 4, 6, 7}; /* FF /2 */
    unsigned char code[7];

    if (!procfs_memory(pid, at - sizeof code, code, sizeof code))
        return false;
    if (code[2] == 0xe8) /* call rel32 */
        return true;
    for (size_t i = 0; i < sizeof lengths; i++) {
        const unsigned char *c = code + sizeof code - lengths[i];

        if (c[0] == 0xff && (c[1] & 0x38) == 0x10)
            return true;
    }
    return false;
#else
    (void)pid;
    (void)at;
    return true;
#endif
}

/* Each address is asked for twice, before it and at it.  If these are in two
 * functions it is where the second one begins, which a sanitizer writes into its
 * frames, and nobody returns there. */
static void
first_in_source(FILE *lines, const char *source, char *text, size_t size)
{
    char function[2][128], line[2][PATH_MAX];
    const char *at;

    text[0] = '\0';
    while (text[0] == '\0') {
        for (int i = 0; i < 2; i++)
            if (fgets(function[i], sizeof function[i], lines) == NULL ||
                fgets(line[i], sizeof line[i], lines) == NULL)
                return;
        at = strstr(line[0], source);
        if (at == NULL || strchr(at, ':') == NULL ||
            strcmp(function[0], function[1]) != 0)
            continue;
        function[0][strcspn(function[0], "\n")] = '\0';
        snprintf(text, size, "%.*s, in %.60s()", (int)strcspn(at, " \n"), at,
                 function[0]);
    }
}

/* addr2line, and the addresses as its arguments: at most so many. */
#define ADDRESSES 200

static void
look_up(const struct image *im, const unsigned long *at, int count,
        const char *source, char *text, size_t size)
{
    static char command[PATH_MAX + 64 + ADDRESSES * 48];
    size_t used;
    FILE *lines;

    used = (size_t)snprintf(command, sizeof command,
                            "exec addr2line -f -e '%s'", im->path);
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(command + used, sizeof command - used,
                                 " %#lx %#lx", at[i] - im->base - (i > 0),
                                 at[i] - im->base);
    snprintf(command + used, sizeof command - used, " 2>/dev/null");
    lines = popen(command, "re");
    if (lines == NULL)
        return;
    first_in_source(lines, source, text, size);
    pclose(lines);
}

void
place_of(pid_t pid, pid_t tid, const char *source, char *text, size_t size)
{
    static unsigned long words[STACK / sizeof(unsigned long)];
    unsigned long found[ADDRESSES], sp, pc = 0;
    struct image im;
    int count = 0;

    text[0] = '\0';
    if (source == NULL || !find_image(pid, &im))
        return;
    sp = sleepers_stack(pid, tid);
    if (sp == 0)
        sp = runners_stack(tid, &pc);
    if (sp == 0)
        return;
    found[count++] = pc; /* not after a call: it is there itself */
    for (size_t have = sizeof words; have >= 512; have /= 2)
        if (procfs_memory(pid, sp, words, have)) {
            for (size_t i = 0; i < have / sizeof *words; i++)
                if (words[i] >= im.from && words[i] < im.to &&
                    count < ADDRESSES && is_after_call(pid, words[i]))
                    found[count++] = words[i];
            break;
        }
    look_up(&im, found, count, source, text, size);
}
