/*
 * procfs.h - what /proc says about another process: proc(5).
 *
 * Descriptors are compared by what their links say ("pipe:[78291]", a path),
 * never by opening or stat(2)ing them: an open of a FIFO's end changes the very
 * thing that is looked at, and a stat can hang with its file system.
 */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCFS_LINK 256 /* bytes of a descriptor's link that are looked at */

/* The whole of /proc/PID/FILE, or of as much as fits, with a 0 after it.
 * Returns its length, or -errno. */
int procfs_text(pid_t pid, const char *file, char *text, size_t size);

/* 'R' running, 'S' asleep, 'D' asleep and not to be woken by signals, 'Z' has
 * ended, 'T' or 't' stopped; 0: there is no such thread. */
char procfs_state(pid_t pid, pid_t tid);

/* Does a process, or thread, by that number live?  A zombie does not. */
bool procfs_lives(pid_t pid);

void procfs_name(pid_t pid, char name[16]);

/* The system call that a thread sleeps in. */
struct procfs_call {
    long number; /* PROCFS_NO_CALL, PROCFS_RUNS */
    unsigned long args[6];
};
#define PROCFS_NO_CALL (-1L) /* asleep for another reason: a page, a tracer */
#define PROCFS_RUNS    (-2L)

/* 0, or -errno: -EPERM, -EACCES, -ESRCH. */
int procfs_call(pid_t pid, pid_t tid, struct procfs_call *call);

/* Copies from the memory of a process.  false: it is not mapped, or not ours
 * to read. */
bool procfs_memory(pid_t pid, unsigned long at, void *buf, size_t size);

/* Is this address in a mapping that is shared with others? path: of the file
 * behind it, if there is one. */
bool procfs_is_shared(pid_t pid, unsigned long at, char *path, size_t size);

/* What a descriptor refers to, "pipe:[78291]"; "" if it cannot be had. */
void procfs_link(pid_t pid, int fd, char link[PROCFS_LINK]);

/* Its flags as of open(2); -1 if they cannot be had. */
int procfs_flags(pid_t pid, int fd);

/* Calls visit for each descriptor of each process that one may look at whose
 * link is this one, until it returns false.  Of another user so many descriptors
 * are looked at: root would look at his for as long as he likes.  Returns who
 * has more, or -1. */
#define PROCFS_SHARE 16384u
typedef bool procfs_visit(pid_t pid, int fd, int flags, void *arg);
uid_t procfs_holders(const char *link, procfs_visit *visit, void *arg);

/* Numbers of the children, or of the threads, of a process; at most max.
 * Returns how many. */
int procfs_children(pid_t pid, pid_t *pids, int max);
int procfs_threads(pid_t pid, pid_t *tids, int max);

/* The children, theirs, and so on: whoever is nearer comes first. */
int procfs_descendants(pid_t pid, pid_t *pids, int max);

/* Bytes of memory that a process has, without what is a file's: those pages can
 * be had again.  A page that it shares counts whole; exactly: as the part that
 * is its own, which the kernel has to look for (proc(5), "Pss"). */
size_t procfs_used(pid_t pid, bool exactly);

#endif
