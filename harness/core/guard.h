/*
 * guard.h - what to do when the memory goes away.
 *
 * Whoever may write into a file may also ftruncate(2) it.  The pages behind
 * the new end of a truncated file are gone from everybody's mapping, and the
 * next load from them is a SIGBUS: so a client could kill its server.
 *
 * The cure (as in libwayland, for the same reason): the handler maps fresh
 * zero pages over the whole object and notes that it was bitten.  The load
 * that failed is then repeated by the hardware and reads zero, which is not a
 * message; the server looks at the note and disconnects that client.  As
 * long as nobody does it, the guard costs nothing.
 */
#ifndef GUARD_H
#define GUARD_H

#include <signal.h>
#include <stddef.h>

struct guarded {
    void *memory; /* NULL: not in use */
    size_t size;
    volatile sig_atomic_t bitten; /* the real memory is gone */
};

/* From now on this thread touches these n mappings, and no other guarded ones.
 * About a nanosecond. */
void guard_watch(struct guarded *maps, unsigned n);

/* Installs the handler, once for the process.  -errno. */
int guard_install(void);

#endif
