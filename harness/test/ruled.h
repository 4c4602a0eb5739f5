/*
 * ruled.h - servers under rules: a policy file, an audit, a log of their own.
 *
 *      struct ruled r;
 *
 *      ruled_start(&r, ipc_find("socket/stream"), geteuid(),
 *                  "allow bind_port any\n");
 *      client_start(&r.host, &c);
 *      ...
 *      ck_assert_ptr_nonnull(strstr(ruled_audit(&r), "method=bind_port"));
 *      ruled_stop(&r);
 *
 * How a server is told differs, and so it is done here.  A daemon, and a server
 * that its client starts with its own rights: by a script in run_dir that execs
 * ipcd with the options added.  A set-user-ID server hears no options; it goes
 * by /etc/ipclab and /var/log/ipclab, over which the test, in a mount namespace
 * of its own, puts others.  A baseline is in this very process.
 */
#ifndef RULED_H
#define RULED_H

#include "test/files.h"
#include "test/test.h"

struct ruled {
    struct host host;
    uid_t uid; /* of the clients */
    bool suid;
    char policy[ENDPOINT_SIZE], audit[ENDPOINT_SIZE], log[ENDPOINT_SIZE];
    const char *more; /* options; set it before ruled_start() */
};

/* Files at r->policy and so on, without a server. */
void ruled_place(struct ruled *r, const struct ipc_mechanism *m, uid_t uid);

/* A server for clients under this uid. */
void ruled_start(struct ruled *r, const struct ipc_mechanism *m, uid_t uid,
                 const char *rules);
void ruled_stop(struct ruled *r); /* and removes the files */

/* Other rules, of which the server knows nothing yet. */
void ruled_replace(const struct ruled *r, const char *rules, mode_t mode);

/* The same, a SIGHUP (daemons only), and not more: see ruled_until(). */
void ruled_again(const struct ruled *r, const char *rules);

/* Waits until the audit has this text. */
void ruled_until(const struct ruled *r, const char *text);

/* What is in the audit: file_text(). */
const char *ruled_audit(const struct ruled *r);

/* A directory that only its owner can enter, and "secret" in the file there. */
struct vault {
    char dir[ENDPOINT_SIZE], secret[ENDPOINT_SIZE + 8];
};

void vault_make(struct vault *v);
void vault_remove(const struct vault *v); /* whatever has come into it */

/* Rules by which this user may call anything, and read what is in there;
 * good until the next call. */
const char *vault_rules(const struct vault *v, uid_t uid);

#endif
