/*
 * stage.h - between the program and a run of one attack.
 */
#ifndef STAGE_H
#define STAGE_H

#include "test/attack/attack.h"

/* The exit status of a run: whether it succeeded, or could not be tried. */
enum { EXIT_REFUSED = 0, EXIT_FELL = 10, EXIT_BROKEN = 11 };

/* NULL, or why a run cannot have namespaces of its own; why there are not two
 * other users. */
const char *space_missing(void);
const char *users_missing(void);

/* Becomes a process with namespaces of its own, in which dir is empty.  Returns
 * in a new process; the caller's ends when that one does, with its exit
 * status. */
void space_enter(const char *dir);

/* In that process: makes run_dir, and what else an attack finds. */
void stage_set(const char *dir);

/* A set-user-ID copy of one of our programs, which this group may run. */
void copy_program(const char *program, const char *to, gid_t group);

/* attack_local.c: `ipcattack --helper MECHANISM WHERE`, set-user-ID. */
int helper(const char *mechanism, const char *where);

/* attack_spawned.c: `ipcattack --deputy WHAT DIR`, set-user-ID. */
int deputy(const char *what, const char *dir);

#endif
