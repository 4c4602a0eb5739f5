/*
 * cell.h - a place for a program that may be hostile: whatever it starts, makes
 * in memory or leaves running is gone when the cell is.
 *
 *      grader --fork--> first process of a PID namespace --fork--> program
 *                       reaps; ends when the program has,          limits; an
 *                       or its time is up: then the kernel         uid of its
 *                       kills all the others, however they         own, if root
 *                       hide                                       grades
 *
 * Its own directory, /dev/shm and /var/tmp are file systems of limited size, of
 * which DIR/out comes back; its System V objects and queues are in an IPC
 * namespace; they end with it, too.  Of the network it has a loopback device of
 * its own.  Who takes more than two gigabytes of memory, as far as that is
 * seen, is ended before its time.  Where the kernel refuses namespaces the
 * cell is "reduced": its descendants are killed, as far as they can be found.
 */
#ifndef CELL_H
#define CELL_H

#include <stdbool.h>

struct cell {
    const char *dir; /* writable; "tmp" in it is for $TMPDIR */
    const char *log; /* standard output and error go there */
    int seconds;     /* after which it is ended */
    unsigned uid;    /* if we are root; 0: stay */
    bool reduced;    /* out: there were no namespaces */
    bool timed_out;  /* out */
    bool too_much;   /* out: memory, and was ended for it */
};

/* Runs it in dir; its exit status, 128 + signal, or -errno. */
int cell_run(struct cell *c, char *const argv[]);

#endif
