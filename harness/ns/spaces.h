/*
 * spaces.h - the eight namespaces, and the steps that make a new one usable.
 *
 *      unshare(flags) or clone(flags)    new namespaces, most of them empty
 *      spaces_map_user()                 user: who is who
 *      spaces_private_mounts() ...       mnt: nothing leaks out
 *      spaces_loopback_up()              net: 127.0.0.1 works
 *      spaces_set_clock()                time: before anybody is in it
 *
 * A process in a new user namespace has every capability over the other
 * namespaces made with it, so each step works for an ordinary user too, where
 * the kernel lets them have a user namespace.
 */
#ifndef SPACES_H
#define SPACES_H

#include <stdbool.h>
#include <sys/types.h>

struct space {
    const char *name; /* "pid": also in /proc/self/ns */
    int flag;         /* CLONE_NEWPID */
    const char *isolates;
};

#define SPACES 8
extern const struct space spaces[SPACES + 1]; /* .name NULL ends it */

/* The flags of "pid,uts" or "all"; -EINVAL: no such name. */
int spaces_parse(const char *list);

/* What to do when unshare() or clone() has said err (-errno) to these flags. */
const char *spaces_advice(int flags, int err);

/* All of the following: 0 or -errno, for the calling process. */

/* Inside the new user namespace: outside's ids there are called inside's.  One
 * line, one id, is all that an ordinary user may map. */
int spaces_map_user(uid_t inside_uid, uid_t outside_uid, gid_t inside_gid,
                    gid_t outside_gid);

/* A new mount namespace is a copy, and may still pass its mounts on to the
 * original (mount_namespaces(7), "shared subtrees"): not any more. */
int spaces_private_mounts(void);

/* An IPC namespace for this process and its children, so that nobody else's
 * System V objects and POSIX queues are in their way.  An ordinary user gets it
 * with a user namespace, in which he keeps his number and no capabilities.
 * One thread only.  (Limits that are counted for a user, such as ulimit -q,
 * are counted through all namespaces.) */
int spaces_own_ipc(void);

/* Before that, and outside: finds out whether what is mounted in a new mount
 * namespace is seen in this one, by dir, which is empty.  Otherwise
 * spaces_private_mounts() says -EINVAL in a chroot whose / is no mount
 * point. */
void spaces_try_mounts(const char *dir);

/* An empty file system over dir, for this mount namespace only. */
int spaces_cover(const char *dir, mode_t mode);

/* /proc of this process's own PID namespace, over the one that shows the
 * parent's. */
int spaces_fresh_proc(void);

/* The loopback device of a new network namespace exists, but is down: even
 * 127.0.0.1 says ENETUNREACH. */
int spaces_loopback_up(void);
bool spaces_loopback_is_up(void);

/* After unshare(CLONE_NEWTIME): the clocks that children will see, monotonic
 * and since boot, go this much before ours.  Only as long as nobody is inside;
 * then -EACCES. */
int spaces_set_clock(long seconds);

/* ... and enters it.  unshare() is for children only in the case of time (and
 * of pid, where there is no way to enter at all). */
int spaces_join_time(void);

#endif
