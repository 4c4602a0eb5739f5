/*
 * fact.h - what is said about a mechanism, as an experiment that says what it
 * saw.  facts.c beside each mechanism has them; they are tests, of the suite
 * `facts`, and `make facts F=F04` shows one:
 *
 *      F03  ok   open() for both never waits.
 *                saw: O_RDWR: ok
 *
 * What is expected is data: the text that the experiment must come to.  So the
 * same experiment can be asked for the contrary (FACTS_NEGATED=1), and then
 * each of them must fail: none of them passes whatever happens.
 *
 *      FACT(F03, "open() for both never waits.", "O_RDWR: ok")
 *      {
 *          ...
 *          saw("O_RDWR: %s", outcome(open(path, O_RDWR)));
 *      }
 *
 *      const struct fact *const fifo_facts[] = {&F03, NULL};
 *
 * The rules of test.h hold: no sleeping, no threshold on a time, nothing left.
 */
#ifndef FACT_H
#define FACT_H

#include "test/test.h"

#include <sys/types.h>

struct fact {
    const char *id;
    const char *claim;         /* one sentence or two */
    const char *expected;      /* what must have been seen, to the letter */
    const char *(*need)(void); /* why it cannot be tried here; NULL: always */
    void (*run)(void);
};

#define FACT_IF(need, id, claim, expected) \
    static void id##_run(void); \
    static const struct fact id = {#id, claim, expected, need, id##_run}; \
    static void id##_run(void)
#define FACT(id, claim, expected) FACT_IF(NULL, id, claim, expected)

/* All there are, by directory; written by make from the facts.c files. */
extern const struct facts_of {
    const char *place; /* "fifo", "ns" */
    const struct fact *const *facts;
} all_facts[];

/* By id; NULL: there is none. */
const struct fact *fact_find(const char *id);

/* -- what an experiment says --------------------------------------------- */

/* More of what was seen. */
void saw(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Shown beside it, and not compared: what differs from time to time. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The result of a system call, as text: "ok" or the number; or, of -1, the name
 * of errno.  Good until the eighth call after it. */
const char *outcome(long result);
const char *number(long result);

/* What one read() gets: 'text', "end of file", or the name of errno. */
const char *got(int fd, size_t size);

/* Writes it all. */
void put_text(int fd, const char *text);

/* A call that must succeed for there to be an experiment at all. */
#define must(call) must_succeed(#call, (long)(call))
int must_succeed(const char *what, long result);

/* -- other processes ----------------------------------------------------- */

/* fork(), with all descriptors; signals kill the child that the test's process
 * ignores, or its sanitizer catches.  It ends with _exit(). */
pid_t fork_child(void);

/* Waits until it sleeps, in its next call that waits: "asleep". */
const char *until_asleep(pid_t pid);
bool sleeps_now(pid_t pid);

/* Waits for its end: "exit 0", "SIGBUS". */
const char *end_of(pid_t pid);

/* Has it sleep for ever, as we have seen?  Then it is killed, and this is
 * "asleep". */
const char *left_asleep(pid_t pid);

/* An ordinary user, whoever runs the tests: root becomes Alice. */
void be_nobody_special(void);

/* A name in run_dir. */
const char *in_run_dir(const char *name);

/* What stands in a file such as /proc/sys/..., a number; -1: no such file. */
long setting(const char *path);

#endif
