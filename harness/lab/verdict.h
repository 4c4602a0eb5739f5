/*
 * verdict.h - what is told about a failure: what was tried, what came, and why.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "lab/check.h"

struct verdict {
    const char *checking;
    char did[512], expected[512], saw[2048], because[4096];
    char look_at[256]; /* "fifo/work/fifo.c:131, in work_recv()", or "" */
    const char *read;
};

void verdict_of(const struct check *c, const struct result *r,
                struct verdict *v);

/* As text of at most 80 columns, each line indented. */
void verdict_print(FILE *f, const struct verdict *v);
void verdict_field(FILE *f, const char *label, const char *text);

#endif
