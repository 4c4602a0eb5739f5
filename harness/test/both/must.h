/*
 * must.h - what has to hold for a test or an attack to mean anything.
 *
 * What is in this directory is linked with the test program and with ipcattack.
 * The two say differently that something does not hold: one to Check, the other
 * by its exit status.
 */
#ifndef MUST_H
#define MUST_H

#define MUST(condition) \
    ((condition) ? (void)0 : broken(__FILE__, __LINE__, #condition))

/* Of each program its own. */
_Noreturn void broken(const char *file, int line, const char *condition);

#endif
