/*
 * policy.h - who may do what: the method table's word (api.def), and above it
 * the rules of a file.
 *
 *      # who              what
 *      allow set_hostname user=alice min=K3
 *      allow read_file    group=staff path=/srv/handouts
 *      deny  *            uid=10002
 *
 *      allow|deny  METHOD|*  uid=N|user=NAME|gid=N|group=NAME|any
 *                  [min=K2|K3|K4] [path=DIR]
 *
 * One deny that matches, wherever it stands, is stronger than any allow.  What
 * the table calls privileged is denied unless a rule allows it; everything else
 * is allowed unless a rule denies it.
 *
 * An allow matches only a caller whom the server knows, by evidence of K2 or
 * better: `any' is any known user, not anybody.  A deny also matches whom the
 * server only suspects.
 *
 * path= opens nothing up in the sense of a method: with it, read_file and
 * open_file open what is under DIR with the server's rights.
 */
#ifndef POLICY_H
#define POLICY_H

#include "core/api.h"
#include "core/ipc.h"

#include <stdbool.h>

/* Nobody needs more; a file that has more is not what it is taken for. */
#define POLICY_RULES 256
#define POLICY_LINE  512 /* bytes of a line */

/* The id that stands for those who have none in this user namespace
 * (/proc/sys/kernel/overflowuid); "nobody" in passwd(5).  Whoever has it, the
 * server does not know who that is. */
#define OVERFLOW_ID 65534u

struct policy;

/*
 * Reads the rules at path.  The file must be a regular one of root's or of the
 * uid owner, writable by nobody else.  0 and *policy; or -EINVAL and in why
 * what is wrong, "FILE:LINE: ...".
 */
#define POLICY_WHY 512
int policy_read(const char *path, uid_t owner, struct policy **policy,
                char why[POLICY_WHY]);
void policy_free(struct policy *p);

unsigned policy_rules(const struct policy *p); /* how many */

/* Does the server know who this is, well enough to go by it? */
bool policy_knows(const struct ipc_peer *peer);

/*
 * May this caller call this method?  p may be NULL: no file, only the table.
 * *rule is what says so, for people; good as long as the policy.  If not, why
 * has the whole sentence for the caller.
 */
#define POLICY_SENTENCE 256
bool policy_decide(const struct policy *p, const struct ipc_mechanism *m,
                   const struct ipc_peer *peer, const struct api_method *method,
                   const char **rule, char why[POLICY_SENTENCE]);

/*
 * Is there a rule that lets this caller have the file at path (absolute) with
 * the server's rights?  The directory's descriptor, and in *rest what comes
 * after it, and *rule; or -ENOENT: no rule.  The descriptor remains the
 * policy's.
 */
int policy_grant(const struct policy *p, const struct ipc_peer *peer,
                 const struct api_method *method, const char *path,
                 const char **rest, const char **rule);

/* May anybody at all call this method, if the server knows well enough who it
 * is?  If not, nobody needs to be able to carry it out. */
bool policy_offers(const struct policy *p, const struct api_method *method);

/* Is there a rule that allows something to just this uid, or group?  And one
 * with path=? */
bool policy_names(const struct policy *p, bool group, uint32_t id);
bool policy_has_paths(const struct policy *p);

/* -- the one in force ------------------------------------------------------ */

/*
 * Puts the rules of the file at path in force, in place of those that are.  May
 * be called again at any time, from any thread; requests that are being decided
 * go on under the old ones.  On failure (as policy_read()) those remain.  The
 * owner is who the process was at the first call, whoever it is by now.
 */
int policy_load(const char *path, char why[POLICY_WHY]);
void policy_unload(void);

/* The rules in force, or NULL; hand them back with policy_release(). */
struct policy *policy_hold(void);
void policy_release(struct policy *p);

#endif
