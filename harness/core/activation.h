/*
 * activation.h - for a server that is started by systemd(1), or by another
 * activator of that kind: the descriptors that were made for us, and the
 * message that we are ready.
 *
 * The activator makes an endpoint before there is a server, and starts the
 * server when the first client comes; descriptors 3, 4 ... are the endpoints
 * (sd_listen_fds(3)).  So clients never find nobody there, and a server that
 * was killed loses no connection that it had not accepted.
 *
 *      create():   fd = activation_take(SOCK_STREAM, path);   -ENOENT: make it
 *      destroy():  if (!activation_owns(path)) unlink(path);
 *
 * libsystemd is not needed for that: three environment variables and a
 * datagram.
 */
#ifndef ACTIVATION_H
#define ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Takes in what the environment says, checks it, closes it to exec(2) and
 * removes it from the environment.  Call it once, before there are threads.
 *   0        also if there is nothing, or it is meant for another process
 *   -EINVAL  it makes no sense, or a descriptor is neither an AF_UNIX socket
 *            with a path that is bound (and listens), nor a FIFO, nor a POSIX
 *            queue; why says which
 *   -EPERM   a FIFO or a queue is not this user's, or others can do more than
 *            write to it, or it is not open for reading (a FIFO: O_RDWR)
 */
#define ACTIVATION_WHY 160 /* bytes */
int activation_begin(char why[ACTIVATION_WHY]);

/* What a descriptor may be, beside SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM. */
enum { ACTIVATION_FIFO = 100, ACTIVATION_QUEUE };

/* The descriptor for the endpoint at this path (for a queue: its name); it now
 * belongs to the caller, and if it is a FIFO or a queue, waits.  -ENOENT: there
 * is none; -EPROTOTYPE: there is one, but of another kind. */
int activation_take(int kind, const char *at);

/* Is this the activator's, and not ours to remove? */
bool activation_owns(const char *at);

/* Bit n: descriptor number n of the activator's has been taken, in this
 * process.  (It has at most 64.) */
uint64_t activation_taken(void);

/* The first that is not in this set and that nobody has taken, or NULL. */
const char *activation_left(uint64_t taken);

/* Closes those that nobody has taken in this process: they are another's. */
void activation_close_left(void);

/* Tells the activator: "READY=1", "STOPPING=1" (sd_notify(3)).  Nothing happens
 * if it does not want to know, or cannot be told. */
void activation_notify(const char *state);

#endif
