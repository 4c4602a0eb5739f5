/*
 * silent.h - a user's own file system (FUSE) whose program goes silent when it
 * matters: one file, "file", that can be found and opened by everybody; but who
 * reads it waits for ever, and who closes it, too; and so does who looks for
 * "never".  A process that waits so is not ended by SIGKILL; only by the end of
 * the file system, which is the end of the process that serves it.
 */
#ifndef SILENT_H
#define SILENT_H

#include <sys/types.h>

/* NULL, or why there can be none here. */
const char *silent_missing(void);

/* Mounts it at dir, as that user's, and starts its program: a child.  Its pid,
 * or -errno. */
pid_t silent_start(const char *dir, uid_t uid);

/* Kills the program.  With it the file system ends, and whoever waits for it is
 * free. */
void silent_end(pid_t program, const char *dir);

#endif
