/*
 * files.h - what tests write, read and remove by name.
 */
#ifndef FILES_H
#define FILES_H

#include <sys/types.h>

/* A file of this content and mode, in the place of what was there. */
void write_file(const char *path, const char *text, mode_t mode);

/* What is in a file, NUL-terminated, of at most a MiB; "" if there is none.
 * Good until the next call of one of these two. */
const char *file_text(const char *path);

/* proc(5): what /proc/PID/FILE says; "" if that process has gone. */
const char *proc_text(pid_t pid, const char *file);

/* How often a text occurs in another. */
unsigned times_in(const char *text, const char *what);

/* A directory and all that is in it. */
void remove_tree(const char *dir);

#endif
