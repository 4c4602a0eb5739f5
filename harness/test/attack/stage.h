/*
 * stage.h - between the program and a run of one attack.
 */
#ifndef STAGE_H
#define STAGE_H

#include "test/attack/attack.h"

/* The exit status of a run: whether it succeeded; it could not be tried; for
 * want of something that it has named on standard error. */
enum { EXIT_REFUSED = 0, EXIT_FELL = 10, EXIT_BROKEN = 11, EXIT_MISSING = 12 };

/* NULL, or why there are not two other users. */
const char *users_missing(void);

/* Becomes a process with namespaces of its own, in which dir is empty.  Returns
 * 0 in a new process; the caller's ends when that one does, with its exit
 * status.  -errno: it could not; *step says where, space_advice() what to
 * do. */
int space_enter(const char *dir, const char **step);
const char *space_advice(int err);

/* Room for all of them, and for why one cannot run, bytes. */
#define MAX_ATTACKS 320
#define WHY_SIZE    512

/* They are numbered from 0; NULL: there are no more. */
const struct attack *attack_at(size_t index);

/* Finds out what can run here, with dir as a stage, anew with each call; why
 * one cannot, or NULL. */
int missing_find(const char *dir);
const char *missing_why(size_t index);

/* In that process: makes run_dir, and what else an attack finds. */
void stage_set(const char *dir);

/* A set-user-ID copy of one of our programs, which this group may run. */
void copy_program(const char *program, const char *to, gid_t group);

/* attack_local.c: `ipcattack --helper MECHANISM WHERE`, set-user-ID. */
int helper(const char *mechanism, const char *where);

/* attack_spawned.c: `ipcattack --deputy WHAT DIR`, set-user-ID. */
int deputy(const char *what, const char *dir);

/* hostile.c: `ipcattack --hostile MECHANISM AMOUNT SEED`, in that process:
 * an exit status. */
int hostile(const char *mechanism, const char *amount, const char *seed,
            const char *dir);

/* siege.c: `ipcattack --siege MECHANISM SECONDS MANNER`, MANNER "all": lines of
 * ../siege.sh. */
int siege(const char *mechanism, const char *seconds, const char *manner,
          const char *dir);

#endif
