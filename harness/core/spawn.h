/*
 * spawn.h - starts a server as a child of the client: fork and exec.
 *
 * A pid names a process only until somebody waits for it, and in somebody
 * else's program that need not be us: a handler for SIGCHLD may wait for every
 * child that ends, and who ignores SIGCHLD has none left to wait for.  Then the
 * number goes to another process, and a kill(2) by that number hits a stranger.
 * So a child is held by a pidfd, from the moment of its birth on: clone(2),
 * CLONE_PIDFD.
 */
#ifndef SPAWN_H
#define SPAWN_H

#include <stdint.h>
#include <sys/types.h>

struct spawned {
    pid_t pid; /* a name for messages and files, never an identity */
    int fd;    /* the pidfd, close-on-exec */
};

/*
 * Forks: f(arg) in the child, whose exit status it returns.  The child must
 * soon exec or end, and only call what is safe after a fork(2) among threads;
 * handlers of pthread_atfork(3) do not run.
 *   -EAGAIN, -ENOMEM
 */
int spawn(struct spawned *child, int (*f)(void *arg), void *arg);

/* As kill(2), and never anybody else.  -ESRCH: it has ended. */
int spawn_signal(const struct spawned *child, int number);

/*
 * Waits for its end, until deadline (clock.h), and reaps it.  The descriptor is
 * closed.  *status (may be NULL) is as from wait(2); 0 if somebody else has
 * reaped it.
 *   -ETIMEDOUT  it goes on; nothing has been closed
 */
int spawn_wait(struct spawned *child, int *status, int64_t deadline);

/*
 * Forks and execs `program --stdio -m mechanism` with these two descriptors as
 * its 0 and 1 (both may be the same) and our 2 as its 2, everything else
 * closed, signals as they are by default.  in and out must be close-on-exec;
 * they stay open here.  Returns when the exec has happened.  The child is to
 * be ended by spawn_reap().
 *   what execve(2) says: -ENOENT, -EACCES ...;  -EAGAIN, -ENOMEM: fork(2)
 */
int spawn_server(const char *program, const char *mechanism, int in, int out,
                 struct spawned *child);

/*
 * Waits for the child, which has been told by the closing of its descriptors
 * that its client is gone.  One that does not end within a second is killed:
 * with SIGKILL, which also a set-user-ID child cannot refuse as long as its
 * real uid is ours.
 */
void spawn_reap(struct spawned *child);

/* In a process that was forked later: only closes the descriptor. */
void spawn_forget(struct spawned *child);

#endif
