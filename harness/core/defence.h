/*
 * defence.h - a defence that can be left out, to see the attack succeed.
 *
 *      if (DEFENCE("owner", uid != claimed, false))
 *          return -EPERM;
 *      fd = open(path, O_PATH | DEFENCE("nofollow", O_NOFOLLOW, 0));
 *
 * The second argument is what we do, the third is what a naive program does in
 * its place.  In every program that anybody uses the macro *is* its second
 * argument, and nothing else is compiled.
 *
 * An attack that fails proves little: it may have been a bad attack.  So there
 * is a second build of those files that have a DEFENCE, build/V/naive/, for
 * `make attack` only.  In it the defences named in $IPCLAB_WITHOUT ("owner",
 * or "owner,nonce") are left out, and the same attack must then succeed.
 */
#ifndef DEFENCE_H
#define DEFENCE_H

#include <stdbool.h>

#ifdef IPC_NAIVE
bool defence_left_out(const char *name);
#define DEFENCE(name, ours, naive) (defence_left_out(name) ? (naive) : (ours))
#else
#define DEFENCE(name, ours, naive) (ours)
#endif

#endif
