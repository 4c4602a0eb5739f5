/*
 * spawn.h - starts a server as a child of the client: fork and exec.
 */
#ifndef SPAWN_H
#define SPAWN_H

#include <sys/types.h>

/*
 * Forks and execs `program --stdio -m mechanism` with these two descriptors as
 * its 0 and 1 (both may be the same), everything else closed, signals as they
 * are by default.  in and out must be close-on-exec; they stay open here.
 * Returns when the exec has happened.  *pid is the child's, to be reaped by
 * spawn_reap().
 *   what execve(2) says: -ENOENT, -EACCES ...;  -EAGAIN, -ENOMEM: fork(2)
 */
int spawn_server(const char *program, const char *mechanism, int in, int out,
                 pid_t *pid);

/*
 * Waits for the child, which has been told by the closing of its descriptors
 * that its client is gone.  One that does not end within a second is killed:
 * with SIGKILL, which also a set-user-ID child cannot refuse as long as its
 * real uid is ours.
 */
void spawn_reap(pid_t pid);

#endif
