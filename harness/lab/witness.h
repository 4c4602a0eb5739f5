/*
 * witness.h - what became of a student's next() and reply() in the server,
 * where its client sees no more than that no answer comes.
 *
 * Only a lab's own programs have it (build/work/LAB/): elsewhere it is NULL.
 */
#ifndef WITNESS_H
#define WITNESS_H

#include "core/ipc.h"

/* After the call has returned that.  msg: what next() has brought, and the
 * dispatcher does not take for a request; or NULL. */
void witness(const char *call, int result, const struct ipc_message *msg)
    __attribute__((weak));

#endif
