/*
 * demo.h - demonstrations for a screen and a room full of people (`make demo`):
 * each asks first, then tries it here and now, and says what came of it.
 */
#ifndef DEMO_H
#define DEMO_H

#include <stdint.h>
#include <sys/types.h>

struct demo {
    const char *name;
    const char *question; /* one line: what is to be predicted */
    void (*run)(void);
};

extern const struct demo demos_ipc[], demos_waiting[], demos_sockets[];

/* A paragraph, in lines of at most 78. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "  what ............ result" */
void result(const char *what, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A bar of length in proportion to value / most. */
void bar(const char *what, double value, double most, const char *unit);

/* EPIPE: as the manual calls it, for the sentences say something else of several
 * ("Connection timed out", of a mutex). */
const char *error_name(int err);

/* The demonstration cannot go on: says why, removes what it made, ends. */
int need(const char *what, int outcome);

/* fork(), whose child is killed if the demonstration is interrupted. */
pid_t start(void);

/* Removed when the demonstration ends, however it ends. */
int new_queue(void);
int new_set(int n);

int64_t now_ns(void);
void work_ms(int ms); /* takes that long, and no processor */

#endif
