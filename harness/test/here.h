/*
 * here.h - where the tests are, and what that place lets them do.  What a
 * test program inherits is made the same everywhere; what is missing (a right,
 * a mount option, a limit, a file system) is found out once, by trying, and
 * costs those checks that need it: they are counted as not run, with the reason
 * (add_test_if(), test.h).
 *
 *      here_inherit_nothing() at the start of main()
 *      here_begin()           the directory of this run
 *      here_programs()        one for programs, which may have to be another
 *      apart_begin()          a user namespace
 *      ... need_...()         while the suites are made
 *      here_lane()            directories in these two, in a lane (lanes.h)
 *      apart_test()           in the process of each test
 *      here_end()             when all has ended: by the janitor
 */
#ifndef HERE_H
#define HERE_H

#include "core/ipc.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

/* Nothing inherited shows: descriptors above 2 are closed and 0 to 2 are open,
 * no signal is blocked or ignored (but SIGPIPE), the umask is 022. */
void here_inherit_nothing(void);

/* Makes check_dir in $TMPDIR, else in /tmp.  Says why not there; false: there
 * is none. */
bool here_begin(void);
void here_programs(void);
void here_lane(int lane);
void here_end(void);

/* The name of a file of this lane, also for who is not in the lane. */
void lane_file(int lane, const char *name, char *path, size_t size);

/* Where every run has its directory. */
const char *dir_of_runs(void);

/* A directory where a copied program can be run, and can be set-user-ID if
 * need_set_user_id() says so.  check_dir itself, if that lets it. */
const char *programs_dir(void);

/* `check --who COMMAND`, by which that is tried out: what main() does. */
int here_who(void);

/* Copies a program of this build and gives it to that group, with this mode.
 * -errno. */
int copy_program(const char *program, const char *to, unsigned group,
                 unsigned mode);

/* Does f() in a child: true if it returns true. */
bool here_try(bool (*f)(void));

/* The rights that a daemon of m keeps: root's does not serve without them. */
const char *need_its_rights(const struct ipc_mechanism *m);

/* -- namespaces of the tests' own ------------------------------------------ */

/* An ordinary user gets a user namespace, in which the rest is allowed; then
 * what can be had is tried out.  Says on standard output what cannot. */
void apart_begin(void);

/* In a test's process, which from here on has no more rights than the program
 * was started with: new namespaces. */
void apart_test(void);

/* Will tests have that all? */
bool all_is_apart(void);

/* Is everything there the test's own? */
bool own_sysv(void);          /* System V objects */
bool own_shm(void);           /* /dev/shm */
const char *own_queues(void); /* a path where its POSIX queues can be seen;
                                 NULL: nowhere */

/* -- room for POSIX queues (queues.c) -------------------------------------- */

/* As far as this user may. */
void queues_raise_limit(void);

/* May a case of that name want more than is there, if others have some? */
bool queues_are_short(const char *name);

/* If so, it waits for room. */
void queues_add(TCase *tc, const char *name);

/* Such cases are run by the one test program whose turn it is; false: it is
 * another's, or has been for long. */
bool queues_take_turn(bool wait);

/* Waits until no other test program has its turn, but no longer; the turn ends
 * with the process. */
bool take_turn(int64_t deadline);
void end_turn(void);

/* In a test's process: ends it, if there was no room for its case. */
void queues_check(void);

/* So many tests it has ended. */
int queues_left_out(void);
#endif
