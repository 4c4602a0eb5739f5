/*
 * confine.h - a privileged program gives up what it does not need: first what
 * others gave it (inherited.c), then what root gave it (confine.c).
 *
 *      ipcd --user ipclab, started by root
 *
 *      supervisor        root; reads nothing from anybody; waits, passes
 *        |               signals on, and removes what is left at the end
 *        `-- server      namespaces_make()   its own mounts and host name
 *                        creates every endpoint, as root, so that clients
 *                            see who owns it
 *                        confine()           from here on another user, with
 *                            the capabilities in rights.c and no others
 *                        serves
 */
#ifndef CONFINE_H
#define CONFINE_H

#include "core/ipc.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* -- inherited.c ------------------------------------------------------------- */

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

/* -- rights.c ------------------------------------------------------------------ */

/* A set of capabilities: bit n is capability n of capabilities(7). */
typedef uint64_t rights;

#define RIGHT(name) (UINT64_C(1) << CAP_##name)

/* What a daemon of m needs for its clients when it is root no more. */
rights rights_needed(const struct ipc_mechanism *m);

/* -- filter.c ------------------------------------------------------------------ */

/* From here on only the system calls that a server with these rights makes:
 * seccomp(2).  Threads and children inherit it; nobody takes it off. */
int filter_install(rights kept);

/* -- confine.c ----------------------------------------------------------------- */

struct service_user {
    uid_t uid;
    gid_t gid;
};

/* "ipclab", "990", "990:990".  Without a group: the user's in passwd(5), or for
 * a number that nobody has, the same number.  -ENOENT: no such user;
 * -EINVAL: that is no uid; or it is root's, or what means "none". */
int service_user_parse(const char *text, struct service_user *user);

/*
 * Mounts and a host name of the program's own.  All of the file system becomes
 * read-only for it, but the run directory and /dev/shm: CAP_DAC_OVERRIDE opens
 * any client's reply FIFO, and with this it opens nothing else for writing.
 * Call it before the endpoints are made.  -EPERM where that is forbidden, as
 * in most containers.
 */
int namespaces_make(const char *run_dir);

/*
 * Becomes this user and keeps these rights, for good, and checks that it is so,
 * in what the kernel says of us, and by trying to get it back.  A
 * program that is not root can only become what it is, with no rights.
 * There must be no other thread yet.
 *   0, or -errno with the reason in why: do not serve
 */
#define CONFINE_WHY 160 /* bytes */
int confine(const struct service_user *user, rights kept,
            char why[CONFINE_WHY]);

/* Who started this server: who may tell it to stop, and whom a trusting
 * mechanism trusts.  After confine() that is not who it runs as. */
uid_t confine_owner(void);

#endif
