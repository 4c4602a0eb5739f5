/*
 * open_as.h - opens a file with somebody else's rights.
 */
#ifndef OPEN_AS_H
#define OPEN_AS_H

#include "core/ipc.h"

/*
 * Opens a regular file, read-only, as peer's uid and gid; supplementary groups
 * do not count.  path is absolute.  Returns a descriptor, or
 *   -EPERM      this server cannot act for that user (it is neither root nor
 *               that user), or does not know who it is
 *   -EINVAL     not an absolute path
 *   -EISDIR, -ENXIO  a directory; anything else that is not a regular file
 *   -ETIMEDOUT  the file system did not answer within 2 s
 *   or what open(2) says
 */
int open_as(const struct ipc_peer *peer, const char *path);

/* The same in a process that is there for nothing else: it stays that user. */
int open_as_here(const struct ipc_peer *peer, const char *path);

/*
 * Opens a regular file beneath the directory dir with our own rights, read-only:
 * one whose path leads nowhere else (no .. out of it, no symbolic link at all)
 * and that has no second name.  Errors as above, and
 *   -EXDEV, -ELOOP  it leads elsewhere
 *   -EMLINK         there is a hard link to it; it may be anybody's file
 */
int open_beneath(int dir, const char *path);

#endif
