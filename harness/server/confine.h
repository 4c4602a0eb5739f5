/*
 * confine.h - a privileged program gives up what it does not need: first what
 * others gave it (inherited.c), then what root gave it (confine.c).
 *
 *      ipcd, started by root
 *
 *      supervisor         root; reads nothing that a client wrote
 *        |                uts_make()      its own host name, and its children's
 *        |-- broker       mounts_make()   its own mounts
 *        |                confine()       another user, who may become others:
 *        |                    the capabilities in rights.c and no others
 *        `-- endpoint ..  mounts_make()
 *                         creates its endpoint, as root, so that clients see
 *                             who owns it
 *                         confine()       from here on another user, without
 *                             a capability
 *                         serves
 */
#ifndef CONFINE_H
#define CONFINE_H

#include "core/ipc.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* -- inherited.c ---------------------------------------------------------- */

/* Makes sure that 0, 1 and 2 are open: with 2 closed, the next socket we make
 * would be "standard error", and its client would get our messages.  For every
 * program, and before it opens anything.  0 or -errno. */
int fill_standard_descriptors(void);

/*
 * For a set-user-ID server, started by somebody who may mean harm: puts in
 * order everything that survives exec(2).  Call it first.  Returns 0, or -errno
 * and the program must end without another word.
 */
int confine_inherited(void);

/* Is this program installed set-user-ID, but without its owner's rights?  So it
 * is for a caller with no_new_privs, and on a file system mounted nosuid. */
bool confine_was_refused_rights(void);

/* -- rights.c ------------------------------------------------------------- */

/* A set of capabilities: bit n is capability n of capabilities(7). */
typedef uint64_t rights;

#define RIGHT(name) (UINT64_C(1) << CAP_##name)

/* What an endpoint of m may ask the broker for when it is root no more, itself
 * without any right: bit n is enum broker_what n. */
unsigned rights_to_ask(const struct ipc_mechanism *m);

/* What a broker needs for those who may ask for this. */
rights rights_of_broker(unsigned may_be_asked);

/* Below are root, daemons, disk and shadow (login.defs(5)): whom no worker
 * becomes, unless a rule names it. */
#define SYSTEM_IDS 1000

enum confined {
    CONFINED_ENDPOINT, /* serves; has threads, but no children */
    CONFINED_BROKER    /* forks workers, which become clients */
};

/* -- paths.c -------------------------------------------------------------- */

/* While there are the rights for it: paths_restrict() with reads is to come. */
void paths_prepare(const char *reads);

/*
 * From here on only these files: what is in run_dir and /dev/shm; what is in
 * reads, to be read or, if that is /dev/mqueue, also written; and, to be read,
 * /etc, where it stands who users are and what groups they have: landlock(7).
 * And no TCP connection or port of its own.  0 also where the kernel does not
 * have it.  After no_new_privs.
 */
int paths_restrict(const char *run_dir, const char *reads);

/* -- confine.c ------------------------------------------------------------ */

struct service_user {
    uid_t uid;
    gid_t gid;
};

/* "ipclab", "990", "990:990".  Without a group: the user's in passwd(5), or for
 * a number that nobody has, the same number.  -ENOENT: no such user;
 * -EINVAL: that is no uid; or it is root's, or what means "none". */
int service_user_parse(const char *text, struct service_user *user);

/*
 * Who to become if nobody says: the user ipclab if there is one, else a uid
 * that is in no passwd(5), is no group's and no process has, of those from
 * TRANSIENT_FIRST on.  -EAGAIN: all of them are in use; -ERANGE: in this user
 * namespace there are none.
 */
#define TRANSIENT_FIRST 62000
#define TRANSIENT_COUNT 1000
int service_user_default(struct service_user *user);

/* Which of count uids from first on processes have; and is it in passwd(5), or
 * as a gid in group(5)? */
void uids_in_use(uid_t first, uid_t count, bool *used);
bool uid_is_somebodys(uid_t uid);

/* A host name of the program's own.  -EPERM where that is forbidden, as in most
 * containers. */
int uts_make(void);

/*
 * Mounts of the program's own.  All of the file system becomes read-only for
 * it, but the run directory and /dev/shm, without devices, and what is
 * set-user-ID does not count.  Call it before the endpoint is made.  -EPERM as
 * above; -EINVAL in a chroot(2) whose root is no mount.
 */
int mounts_make(const char *run_dir);

/* What a process becomes and keeps. */
struct confinement {
    struct service_user user;
    enum confined kind;
    rights kept;
    const char *dir;   /* the run directory; NULL: no landlock(7) */
    const char *reads; /* paths_restrict(); of an endpoint only, */
    unsigned uses;     /* as is this: IPC_USES_..., of its mechanism */
};

/*
 * Becomes this user and keeps these rights, for good, and checks that it is so,
 * in what the kernel says of us, and by trying to get it back.  A
 * program that is not root can only become what it is, with no rights.
 * There must be no other thread yet.
 *   0, or -errno with the reason in why: do not serve
 */
#define CONFINE_WHY 160 /* bytes */
int confine(const struct confinement *c, char why[CONFINE_WHY]);

/* Who started this server: who may tell it to stop, and whom a trusting
 * mechanism trusts.  After confine() that is not who it runs as. */
uid_t confine_owner(void);

/* -- filter.c ------------------------------------------------------------- */

/* From here on only the system calls that such a process with these rights
 * makes: seccomp(2).  Threads and children inherit it; nobody takes it off. */
int filter_install(const struct confinement *c, rights kept);

#endif
