/*
 * conformance.h - the parts of the suite that conformance.c makes.  Each adds
 * its tests for the mechanism at i to that mechanism's case, so CK_RUN_CASE
 * picks all of them.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "test/subject.h"

void conformance_waiting(TCase *tc, int i);
void conformance_identity(TCase *tc, int i);

#endif
