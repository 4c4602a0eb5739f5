/*
 * rundir.h - where things are: the run directory, the endpoints in it, the
 * programs.
 *
 *      /run/ipclab/                    the run directory (rundir_default)
 *          fifo-perclient              an endpoint: what clients look for
 *          fifo-perclient.lock         held by its server (endpoint_lock)
 *          fifo-perclient.user         who its server has become
 *                                      (endpoint_becomes)
 *          fifo-perclient.activator    it is systemd's (endpoint_activated)
 *          sem-values.life             open in its server (life_make)
 *          shm-futex.join              where clients register (rendezvous.h)
 *          fifo-perclient.d/ ...       whatever else the mechanism needs,
 *                                      under the same name
 */
#ifndef RUNDIR_H
#define RUNDIR_H

#include "ipc.h"

#include <stdbool.h>

/* A socket's path has 108 bytes (unix(7), sun_path), so no endpoint's path may
 * be longer. */
#define ENDPOINT_SIZE 108

/* $IPCLAB_DIR; else /run/ipclab for root; else $XDG_RUNTIME_DIR/ipclab; else
 * /tmp/ipclab-UID.  -ENAMETOOLONG. */
int rundir_default(char dir[ENDPOINT_SIZE]);

/*
 * Makes the run directory if need be and checks that nobody else can put
 * things into it: owned by this user, not writable by group or others.
 *   1 it was made, 0 it was there
 *   -EPERM    it exists and is not so
 *   -ENOTDIR  it exists and is not a directory
 */
int rundir_make(const char *dir);

/* The same check of one that is there.  0, -ENOENT, -EPERM, -ENOTDIR.  A sweep
 * in a directory where others can make names would remove what they want. */
int rundir_own(const char *dir);

/*
 * The one spelling of a run directory that has neither links nor dots in it, for
 * all that follows: what is looked up again may lead elsewhere by then, if
 * somebody else's link is on the way.  And rundir_own() of that one.
 */
int rundir_spell(char dir[ENDPOINT_SIZE]);

/* Is it in memory (tmpfs)?  On a disk read(2) with O_DIRECT has the file locked
 * until what was read is in the reader's memory, which may never come (FUSE); who
 * changes or removes that file waits, and with it whoever has to do with the
 * directory. */
bool rundir_in_memory(const char *dir);

/*
 * May a client use the servers in this directory?  Only if the directory is
 * root's or the client's own, and nobody else may write there, because its
 * owner decides which process is the server.  *owner is whose it is.
 *   -EPERM    it is somebody else's; or others may write there
 *   -ENOTDIR  it is not a directory (a link to one is)
 */
int rundir_trusted(const char *dir, uid_t *owner);

/* The endpoint's path: DIR/fifo-perclient, where DIR is the one spelling of the
 * directory that has neither links nor dots in it (realpath(3)); if there is no
 * such directory yet, as it was given.  -ENAMETOOLONG. */
int endpoint_name(const struct ipc_mechanism *m, const char *dir,
                  char name[ENDPOINT_SIZE]);

/* name with a suffix: ".lock", ".d".  -ENAMETOOLONG, but not for a suffix that
 * is no longer than this. */
#define ENDPOINT_SUFFIX (sizeof ".d-0123abcd" - 1)
int endpoint_file(const char *name, const char *suffix,
                  char path[ENDPOINT_SIZE]);

/* For sweep(): removes a file of an endpoint.  1: it is gone; 0: it was not
 * there; or -errno. */
int endpoint_sweep(const char *path);

/* What two such results are together: an error, or if anything was removed. */
int swept_both(int one, int other);

/*
 * The name for an object that does not live in a directory (POSIX queues,
 * shared memory, semaphores): "/ipclab-HASH-msgq-posix", the same for the same
 * endpoint, different for endpoints of the same name in two run directories.
 */
int endpoint_flat(const char *name, char flat[ENDPOINT_SIZE]);

/*
 * Locks the endpoint for one server: an open file description lock on
 * NAME.lock, which the kernel drops when the holder dies, however it dies.
 * Returns the descriptor to hold on to, or
 *   -EEXIST  a server lives there; its pid is in *holder (if not NULL)
 */
int endpoint_lock(const char *name, pid_t *holder);

/*
 * The same lock, looked at again after a long time.  Returns lock, if NAME.lock
 * is still that file.  If the file has been removed: a lock on a new one, and
 * lock is closed; or an error, and lock stays open.  -EEXIST: the name belongs
 * to another server now.
 */
int endpoint_relock(const char *name, int lock);

/* Lets go of it.  Names that are not of our making any more (somebody has
 * removed them, and another server has made its own) are left alone. */
void endpoint_unlock(const char *name, int lock);

/*
 * May a client use what it found at this endpoint?  Only if the object belongs
 * to the owner of the run directory, or to the user that the server has become
 * since, as the owner says in NAME.user; and if nobody else may write in the
 * directory.  Otherwise somebody may have put the object there to catch
 * requests.  0, or -EPERM.
 *
 * endpoint_becomes() says it, in NAME.user, for the server that holds the lock;
 * what it made before stays the owner's, what comes after (a TCP connection) is
 * that user's.  endpoint_server(): that user, or else the owner; 0 or -errno.
 */
int endpoint_becomes(const char *name, uid_t uid);
int endpoint_server(const char *name, uid_t *uid);
int endpoint_trusted(const char *name, uid_t object_owner);

/*
 * Does the endpoint belong to an activator, such as systemd(1), which starts
 * its server when a client comes (core/activation.h)?  An activator says so by
 * a file NAME.activator, from before the first client until it removes the
 * endpoint.
 */
bool endpoint_activated(const char *name);

/*
 * Is the server alive?  For mechanisms where nobody tells a waiting client:
 * a queue, a semaphore or a shared page outlives the process that served it,
 * and the client would wait for ever.
 *
 * The server holds both ends of a FIFO, NAME.life, open; nobody ever writes a
 * byte.  Clients open it for reading.  When the server dies, however it dies,
 * the kernel closes its end, and every reader finds the end of file.  (Not by
 * a lock: whoever may look at a lock may also take it for reading, and so keep
 * the next server from starting.)
 *
 *      server  create():  s->life = life_make(name, all);  first of all
 *              destroy(): life_end(name, s->life);      last
 *              sweep():   removed |= life_sweep(name);
 *      client  open():    c->life = life_watch(where);     first of all
 *              recv(), and send() where it can block:
 *                  for (;;) {
 *                      alive = life_check(c->life);
 *                      if (try, or wait at most LIFE_LOOK) return 0;
 *                      if (alive != 0) return alive;       look, then try:
 *                  }                   the last reply may have come before
 *              close():   close(c->life);
 *
 * Who waits in poll(2) adds {.fd = c->life, .events = 0}: POLLHUP, at once.
 * The FIFO is a new one for every server, so a client of the last one never
 * takes the next one for its own.
 */
#define LIFE_LOOK INT64_C(20000000) /* ns between two looks: 50 a second */

/* Server: makes NAME.life, in place of a leftover; the endpoint is locked.
 * everybody: for all users, else for its own.  A descriptor. */
int life_make(const char *name, bool everybody);

/* Server: closes it, and removes the name if it is still ours. */
void life_end(const char *name, int life);

/* Removes the name.  1 = it was there, 0 = it was not. */
int life_sweep(const char *name);

/* Client: a descriptor, or -ENOENT, -ECONNREFUSED: no server; -EPERM: not
 * the run directory's owner's. */
int life_watch(const char *name);

/* Client: 0, or -EPIPE: the server is dead.  One system call. */
int life_check(int life);

/* The address a mechanism that reaches other hosts listens at, "ADDRESS" or
 * "ADDRESS:PORT": an environment variable, set by ipcd --listen. */
#define LISTEN_VARIABLE "IPCLAB_LISTEN"

/* The path of one of our own programs: in $IPCLAB_BIN, else beside the running
 * one.  -ENAMETOOLONG. */
int program_path(const char *program, char *path, size_t size);

#endif
