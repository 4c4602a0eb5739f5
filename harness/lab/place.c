/* place.c - where in a source file a process is (place.h). */
#define _GNU_SOURCE /* process_vm_readv, O_CLOEXEC */
#include "lab/place.h"

#include "lab/procfs.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK     16384 /* bytes of it that are looked through */
#define ADDRESSES 200   /* in it that are looked up, at most */

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

struct registers {
    unsigned long sp, bp, pc; /* 0: not known; pc: only of one that runs */
};

/* Of a thread that sleeps in a system call, the ninth word there is its stack
 * pointer. */
static bool
sleeps(pid_t pid, pid_t tid, struct registers *r)
{
    char file[48], text[256], *at = text;

    snprintf(file, sizeof file, "task/%d/syscall", (int)tid);
    if (procfs_text(pid, file, text, sizeof text) <= 0 ||
        strncmp(text, "running", 7) == 0)
        return false;
    for (int word = 0; word < 7 && at != NULL; word++) {
        at = strchr(at, ' ');
        if (at != NULL)
            at++;
    }
    r->sp = at != NULL ? strtoul(at, NULL, 16) : 0;
    return r->sp != 0;
}

/* Some calls fail with EINTR if their thread is stopped for a moment,
 * signal(7), "Interruption of system calls ... by stop signals": those are left
 * alone. */
static bool
may_be_stopped(pid_t pid, pid_t tid)
{
    /* Not every processor has each of them by a number of its own. */
    static const long fragile[] = {
        SYS_epoll_pwait,
#ifdef SYS_epoll_pwait2
        SYS_epoll_pwait2,
#endif
#ifdef SYS_epoll_wait
        SYS_epoll_wait,
#endif
#ifdef SYS_ipc /* semop(2) */
        SYS_ipc,
#endif
#ifdef SYS_semop
        SYS_semop,
#endif
#ifdef SYS_semtimedop
        SYS_semtimedop,
#endif
#ifdef SYS_semtimedop_time64
        SYS_semtimedop_time64,
#endif
#ifdef SYS_rt_sigtimedwait
        SYS_rt_sigtimedwait,
#endif
#ifdef SYS_rt_sigtimedwait_time64
        SYS_rt_sigtimedwait_time64,
#endif
    };
    struct procfs_call call;

    if (procfs_call(pid, tid, &call) != 0)
        return false;
    for (size_t i = 0; i < sizeof fragile / sizeof *fragile; i++)
        if (call.number == fragile[i])
            return false;
    return true;
}

/* Stopped for a moment, it says more itself. */
static void
ask_registers(pid_t tid, struct registers *r)
{
#ifdef __x86_64__
    const bool runs = r->sp == 0;
    struct user_regs_struct regs;
    int status;

    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) == -1)
        return;
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != -1 &&
        waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status) &&
        ptrace(PTRACE_GETREGS, tid, NULL, &regs) != -1) {
        r->sp = regs.rsp;
        r->bp = regs.rbp;
        r->pc = runs ? regs.rip : 0;
    }
    ptrace(PTRACE_DETACH, tid, NULL, NULL);
#else
    (void)tid;
    (void)r;
#endif
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

/* -- which of the addresses count --------------------------------------------
 *
 * A return address on the stack may be left from a call that is long over.
 * What is certain is the chain of frame pointers: each points to the one of
 * the caller, and beside it stands where the caller goes on.  It begins with
 * the first two words that are such a pair, with another one where they point.
 *
 * Before it is what the C library has put there, which sleeps, and has no frame
 * pointers: in it, somewhere, is where the innermost of our functions goes on;
 * it is the last such word, since what follows are this function's own
 * variables.  Which function it is, is known if the first in the chain has
 * called it by its address: then no other one counts.  If it was called through
 * a pointer, as a mechanism's functions are, any may be it.  And if the call
 * was one into a library, which has frame pointers after all, none is.
 */

struct stack {
    pid_t pid;
    const struct image *im;
    struct registers r;
    unsigned long words[STACK / sizeof(unsigned long)];
    size_t count;
};

static bool
is_return(const struct stack *s, size_t i)
{
    return i < s->count && s->words[i] >= s->im->from &&
           s->words[i] < s->im->to && is_after_call(s->pid, s->words[i]);
}

/* Where the frame pointer at i points, as a number of words; or 0. */
static size_t
link_at(const struct stack *s, size_t i)
{
    const unsigned long to = s->words[i];

    if (to % 16 != 0 || to <= s->r.sp + (i + 1) * sizeof to ||
        (to - s->r.sp) / sizeof to + 1 >= s->count)
        return 0;
    return (to - s->r.sp) / sizeof to;
}

/* What the call before this address goes to; 0: through a pointer. */
static unsigned long
called_from(const struct stack *s, unsigned long at)
{
#ifdef __x86_64__
    unsigned char code[5];
    int32_t distance;

    if (procfs_memory(s->pid, at - sizeof code, code, sizeof code) &&
        code[0] == 0xe8) {
        memcpy(&distance, code + 1, sizeof distance);
        return at + (unsigned long)(long)distance;
    }
#else
    (void)s;
    (void)at;
#endif
    return 0;
}

/* "jmp *there(%rip)" is all that stands in a program for a library's
 * function. */
static bool
is_in_library(const struct stack *s, unsigned long function)
{
    unsigned char code[16];

    if (!procfs_memory(s->pid, function, code, sizeof code))
        return false;
    for (size_t i = 0; i + 1 < 8; i++)
        if (code[i] == 0xff && code[i + 1] == 0x25)
            return true;
    return false;
}

/* Is it after a call that leaves the program?  What sleeps is not in it. */
static bool
leaves(const struct stack *s, unsigned long at)
{
    const unsigned long to = called_from(s, at);

    return to == 0 || is_in_library(s, to);
}

/* The last one of a chain has been called by the C library. */
static bool
is_link(const struct stack *s, size_t i)
{
    const size_t next = is_return(s, i + 1) ? link_at(s, i) : 0;

    return next != 0 && (is_return(s, next + 1) || link_at(s, next) == 0);
}

/* Where the chain begins: where the register points that is the frame pointer,
 * unless the C library has another use for it; or at the first that could be
 * one. */
static size_t
find_chain(const struct stack *s)
{
    const size_t bp = (s->r.bp - s->r.sp) / sizeof *s->words;

    if (s->r.bp > s->r.sp && s->r.bp % 16 == 0 && bp + 1 < s->count &&
        is_link(s, bp))
        return bp;
    for (size_t i = 0; i + 1 < s->count; i++)
        if (is_link(s, i) && !is_in_library(s, called_from(s, s->words[i + 1])))
            return i;
    return s->count;
}

/* Does that function end with a jump through a pointer, as ipc_send() does?
 * Then it is as if it had not been there. */
static bool
passes_on(const struct stack *s, unsigned long function)
{
    unsigned char code[256];

    if (!procfs_memory(s->pid, function, code, sizeof code))
        return false;
    for (size_t i = 0; i + 1 < sizeof code; i++) {
        if (code[i] == 0xc3 && code[i + 1] == 0xf3)
            break; /* ret, and the next one begins: endbr64 */
        if (code[i] == 0xff && (code[i + 1] & 0x38) == 0x20)
            return true; /* FF /4 */
    }
    return false;
}

struct candidates {
    unsigned long at[ADDRESSES];
    int count;
    int uncertain;          /* so many of the first are before the chain */
    unsigned long function; /* whose these have to be; 0: anybody's */
};

static void
find_candidates(const struct stack *s, struct candidates *c)
{
    const size_t chain = find_chain(s);

    for (size_t i = 0; i < chain && c->count < ADDRESSES / 2; i++)
        if (is_return(s, i) && leaves(s, s->words[i]))
            c->at[c->count++] = s->words[i];
    if (chain == s->count) /* cannot be read so: then any may be it */
        return;
    c->function = called_from(s, s->words[chain + 1]);
    if (c->function != 0 && is_in_library(s, c->function))
        c->count = 0;
    c->uncertain = c->count;
    if (c->function != 0 && passes_on(s, c->function))
        c->function = 0;
    for (size_t i = chain; i != 0 && c->count < ADDRESSES; i = link_at(s, i))
        if (is_return(s, i + 1))
            c->at[c->count++] = s->words[i + 1];
}

/* -- their lines ----------------------------------------------------------- */

/* What addr2line says of an address: the innermost of the functions in that
 * file (others may be inlined into it), and the outermost of all, with the line
 * of that file on which it is. */
struct line {
    char place[PATH_MAX], function[128], outermost[128];
    int outer_line; /* 0: it is in another file */
};

/* "0x1234" on a line of its own, then pairs: a function, FILE:LINE. */
static bool
read_line(FILE *lines, const char *source, struct line *l)
{
    char function[128], place[PATH_MAX];
    const char *at;
    int c;

    *l = (struct line){.place = ""};
    if (fgets(place, sizeof place, lines) == NULL)
        return false;
    while ((c = getc(lines)) != EOF && ungetc(c, lines) != '0') {
        if (fgets(function, sizeof function, lines) == NULL ||
            fgets(place, sizeof place, lines) == NULL)
            return false;
        function[strcspn(function, "\n")] = '\0';
        memcpy(l->outermost, function, sizeof function);
        at = strstr(place, source);
        l->outer_line = 0;
        if (at == NULL || strchr(at, ':') == NULL)
            continue;
        l->outer_line = atoi(strchr(at, ':') + 1);
        if (l->place[0] != '\0')
            continue;
        snprintf(l->place, sizeof l->place, "%.*s", (int)strcspn(at, " \n"),
                 at);
        memcpy(l->function, function, sizeof function);
    }
    return true;
}

/* Whose function has called that one, if it is another, and where: the line
 * that is to be changed may be there. */
static void
add_caller(const struct line *caller, const char *function, char *text,
           size_t size)
{
    const size_t used = strlen(text);

    if (caller->place[0] == '\0' || strcmp(caller->outermost, function) == 0)
        return;
    if (caller->outer_line > 0)
        snprintf(text + used, size - used, ", called by %.60s() in line %d",
                 caller->outermost, caller->outer_line);
    else
        snprintf(text + used, size - used, ", called by %.60s()",
                 caller->outermost);
}

/* The first line is of c->function.  Then each address twice: before it, and at
 * it.  If these are in two functions it is where the second one begins, which a
 * sanitizer writes into its frames, and nobody returns there; nor is in what a
 * sanitizer adds to a file. */
static void
choose(FILE *lines, const struct candidates *c, const char *source, char *text,
       size_t size)
{
    struct line function, before, at, caller = {.place = ""};
    char innermost[sizeof before.function] = "";

    if (!read_line(lines, source, &function))
        return;
    for (int i = 0; i < c->count; i++) {
        if (!read_line(lines, source, &before) ||
            !read_line(lines, source, &at))
            break;
        if (before.place[0] == '\0' ||
            strcmp(before.outermost, at.outermost) != 0 ||
            strncmp(before.function, "_sub_", 5) == 0 ||
            (i < c->uncertain && c->function != 0 &&
             strcmp(before.outermost, function.outermost) != 0))
            continue;
        if (text[0] == '\0' || i < c->uncertain) {
            snprintf(text, size, "%s, in %.60s()", before.place,
                     before.function);
            memcpy(innermost, before.function, sizeof innermost);
            caller = before; /* it may be inlined into that */
        } else if (i >= c->uncertain) {
            caller = before;
        }
    }
    if (text[0] != '\0')
        add_caller(&caller, innermost, text, size);
}

static void
look_up(const struct image *im, const struct candidates *c, const char *source,
        char *text, size_t size)
{
    static char command[PATH_MAX + 64 + (2 * ADDRESSES + 1) * 24];
    size_t used;
    FILE *lines;

    used = (size_t)snprintf(command, sizeof command,
                            "exec addr2line -a -i -f -e '%s' %#lx", im->path,
                            c->function != 0 ? c->function - im->base : 0);
    for (int i = 0; i < c->count; i++)
        used += (size_t)snprintf(command + used, sizeof command - used,
                                 " %#lx %#lx", c->at[i] - im->base - 1,
                                 c->at[i] - im->base);
    snprintf(command + used, sizeof command - used, " 2>/dev/null");
    lines = popen(command, "re");
    if (lines == NULL)
        return;
    choose(lines, c, source, text, size);
    pclose(lines);
}

void
place_of(pid_t pid, pid_t tid, const char *source, char *text, size_t size)
{
    static struct stack s;
    struct candidates c = {.count = 0};
    struct image im;

    text[0] = '\0';
    if (source == NULL || !find_image(pid, &im))
        return;
    s = (struct stack){.pid = pid, .im = &im};
    if (!sleeps(pid, tid, &s.r) || may_be_stopped(pid, tid))
        ask_registers(tid, &s.r);
    if (s.r.sp == 0)
        return;
    for (size_t have = sizeof s.words; s.count == 0 && have >= 512; have /= 2)
        if (procfs_memory(pid, s.r.sp, s.words, have))
            s.count = have / sizeof *s.words;
    find_candidates(&s, &c);
    if (s.r.pc >= im.from && s.r.pc < im.to) { /* there it is, for certain */
        memmove(c.at + 1, c.at, (ADDRESSES - 1) * sizeof *c.at);
        c.at[0] = s.r.pc + 1;
        c.count += c.count < ADDRESSES;
        c.uncertain = 0;
    }
    look_up(&im, &c, source, text, size);
}
