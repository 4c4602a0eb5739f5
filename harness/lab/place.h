/*
 * place.h - where in a source file a process is: the innermost of its calls
 * that is in that file.
 *
 * The programs have frame pointers, but the C library, in which a process
 * sleeps, may have none; so the stack is looked through for what is an address
 * after a call in the program, and addr2line(1) says which line that is.
 */
#ifndef PLACE_H
#define PLACE_H

#include <stddef.h>
#include <sys/types.h>

/* "fifo/work/fifo.c:131, in work_recv()", or "fifo/work/fifo.c:89, in take(),
 * called by work_recv() in line 131"; "" if it cannot be told. */
void place_of(pid_t pid, pid_t tid, const char *source, char *text,
              size_t size);

#endif
