/*
 * process.h - is this still the process that it was?  A client that was opened
 * before a fork(2) is in two processes after it, and each takes what is meant
 * for the other.
 */
#ifndef PROCESS_H
#define PROCESS_H

/*
 * A number that is another one in a forked process than in its parent.  No
 * system call after the first time.  0: cannot be had (no memory; a kernel
 * before 4.14), and so tells nothing.
 */
unsigned process_number(void);

#endif
