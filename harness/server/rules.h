/*
 * rules.h - a policy as it stands in memory: for policy_read.c, which makes it
 * from a file, and policy.c, which decides by it.
 */
#ifndef RULES_H
#define RULES_H

#include "server/policy.h"

enum who { ANY, UID, GID };

struct rule {
    bool allow;
    const struct api_method *method; /* NULL: all of them */
    enum who who;
    uint32_t id;
    enum ipc_evidence min;
    char *dir;   /* of path=, without a / at the end; or NULL */
    int dirfd;   /* the same, open; or -1 */
    char *words; /* "policy.conf:7 allow set_hostname uid=10001" */
};

struct policy {
    unsigned count, holders;
    struct rule rules[POLICY_RULES];
};

#endif
