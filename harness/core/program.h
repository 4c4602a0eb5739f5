/*
 * program.h - how every program begins, and how its output is seen through to
 * the end.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

/*
 * To be called first in main(), before anything is opened.
 *  - Descriptors 0 to 2 are open from then on.  Were 1 closed, what we open
 *    next would be "standard output", and what we print would go into a
 *    server's FIFO, or a file of results.  What is put in place of 1 cannot be
 *    written to, so that the loss is noticed.
 *  - SIGPIPE and SIGXFSZ are ignored: instead of being killed, with objects of
 *    ours left behind, we are told EPIPE and EFBIG.
 *  - SIGCHLD is as by default, whatever our parent thinks of it: we want to
 *    hear how our children end.
 *  - However the program ends by exit(3), also by argp's --help: if standard
 *    output cannot be written, it says so and the exit status is 74, EX_IOERR.
 *    (Not a word about a reader that has gone away.)
 * Ends the program, 71 (EX_OSERR), if there is no /dev/null.
 */
void program_begin(const char *program);

/* In a child, before it execs something that is not ours: undoes what it would
 * inherit. */
void program_before_exec(void);

#endif
