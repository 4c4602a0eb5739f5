/*
 * confine.h - what a privileged program does before it trusts anything it was
 * given.
 */
#ifndef CONFINE_H
#define CONFINE_H

/*
 * For a set-user-ID server, started by somebody who may mean harm: puts in
 * order everything that survives exec(2).  Call it first.  Returns 0, or -errno
 * and the program must end without another word.
 */
int confine_inherited(void);

#endif
