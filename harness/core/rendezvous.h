/*
 * rendezvous.h - how a client and a server who share nothing yet come to share
 * something.
 *
 *      NAME        the endpoint: a file that says what the server's objects are
 *                  called (endpoint_publish), or the mechanism's own object
 *      NAME.join   a datagram socket: who comes registers (struct registrar)
 *      NAME.life   a FIFO that nobody writes to: is there a server?
 *      NAME.d/     where clients put files of their own   (struct client_dir)
 *
 *      client                                    server
 *      looks NAME up
 *      makes an object for itself alone
 *      "mine is PID.SERIAL, I am UID"    ---->   opens it (object.h), looks whose
 *                                                it is (owner.h), takes a slot
 *                                                (sessions.h)
 *      reads the nonce in it             <----   leaves a nonce in it
 *      removes the name; both have it open
 *      every request carries the nonce   ---->   believes it
 *
 * A server does not look for newcomers: in a directory where strangers may make
 * names, they can make more than it can look at.  They send it a datagram, so
 * that taking one in costs the same however many there are, and a server that
 * has no clients sleeps in poll(2) until one comes.
 *
 * Why no FIFO?  It has one lock, and whoever may write there can keep it for
 * ever (splice(2) from a terminal at which nobody types); then whoever reads
 * there waits, O_NONBLOCK or not.  A datagram is made before it is put into the
 * queue, and nobody waits for its maker.  And the kernel says whose it is.
 *
 * Nothing that strangers can write to is needed by the server under a name that
 * they know before it: a name of its own in a space that all share (/dev/shm,
 * queues) is random, and new for each start.
 *
 * A mechanism whose requests come through one channel for all (a FIFO, a queue)
 * needs no NAME.join: registrations come that way, too.
 */
#ifndef RENDEZVOUS_H
#define RENDEZVOUS_H

#include "object.h"
#include "rundir.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* -- names ----------------------------------------------------------------- */

/* A new name for an object in a space that all users share:
 * "/ipclab-0123456789abcdef-msgq-posix", the digits random. */
int endpoint_fresh(const char *name, char fresh[ENDPOINT_SIZE]);

/* The same, to try whether such an object can be made here at all; of several
 * at a time the index-th.  Random, too: a stranger who guesses the name can
 * take it before, and then the answer is no. */
int endpoint_probe(char fresh[ENDPOINT_SIZE], int index);

/* Could that be one of endpoint_fresh(name)?  Nothing else is ever removed
 * because of what stands in a file. */
bool endpoint_is_fresh(const char *name, const char *fresh);

/*
 * Server: writes the endpoint file, one line "KEY VALUE", mode 0644, in place
 * of a leftover; *id is what was made, for object_unlink().  Clients see all of
 * it or nothing.  Write it last: now clients find the server.
 */
int endpoint_publish(const char *name, const char *key, const char *value,
                     struct object_id *id);

/*
 * The same where objects of the C library (sem_t, pthread_mutex_t) lie in what
 * both sides share: a second line, "word 8", says for programs of which word
 * size they are, sizeof(long).  endpoint_same_word(): 0, or -EPROTONOSUPPORT:
 * not for ours.
 */
int endpoint_publish_objects(const char *name, const char *key,
                             const char *value, struct object_id *id);
int endpoint_same_word(const char *name);

/*
 * Opens what was published, for a server that will give its user up and cannot
 * make files here then: a descriptor, to be closed by it.  And writes another
 * value there, of the same length, with one write(2).  0 or -errno.
 */
int endpoint_hold(const char *name);
int endpoint_rewrite(int held, const char *key, const char *value);

/*
 * Client, and sweep(): what stands behind the key.
 *   -ENOENT  no such file, or no such line: no server
 *   -EPERM   it is not the run directory's owner's, or no plain file
 */
int endpoint_lookup(const char *name, const char *key, char *value,
                    size_t size);

/* Removes a file of the run directory, NAME and suffix, if it is still the one
 * that we have made.  1, 0, -errno as object_unlink(). */
int endpoint_unlink(const char *name, const char *suffix,
                    const struct object_id *id);

/* -- registration ---------------------------------------------------------- */

/*
 * What a client sends to NAME.join, one datagram, little-endian:
 *
 *      0      4     8     12       16      20      24     32
 *      +------+-----+-----+--------+-------+-------+------+
 *      | JOIN | uid | pid | serial | id[0] | id[1] | zero |
 *      +------+-----+-----+--------+-------+-------+------+
 *
 * id: of System V objects, or whatever the mechanism needs to find the object,
 * else zero.  All of it is a claim: anybody may have sent it.
 */
struct registration {
    uid_t uid;
    uint32_t pid, serial;
    uint32_t id[2];
    uid_t sender; /* at the server: who sent it, says the kernel */
};

#define REGISTRATION_SIZE 32 /* bytes */

/* The same in words, for the protocol page.  Where it says DIR/NAME, the
 * variant has its own. */
#define REGISTRATION_WIRE \
    "To register, open the FIFO `DIR/NAME.life` for reading, non-blocking, " \
    "and " \
    "keep it\nopen: read(2) says EAGAIN while there is a server, and the end " \
    "of file when there is\nnone; poll(2) says POLLHUP when it has gone. " \
    "Then " \
    "send 32 bytes, little-endian, to\nthe AF_UNIX datagram socket " \
    "`DIR/NAME.join` (EAGAIN: wait until there is room):\n" \
    "\n" \
    "| offset | size | |\n" \
    "|---|---|---|\n" \
    "| 0 | 4 | the bytes `J` `O` `I` `N` |\n" \
    "| 4 | 4 | your effective uid |\n" \
    "| 8 | 4 | PID |\n" \
    "| 12 | 4 | SERIAL, random |\n" \
    "| 16 | 4 | first id |\n" \
    "| 20 | 4 | second id |\n" \
    "| 24 | 8 | zero |"

void registration_encode(const struct registration *r,
                         uint8_t bytes[REGISTRATION_SIZE]);
bool registration_decode(const uint8_t bytes[REGISTRATION_SIZE],
                         struct registration *r);

/* -- registration: server -- */

/* So many newcomers are looked at in one turn of the server. */
#define REGISTRATIONS_A_TURN 16

struct registrar {
    int fd;   /* for poll(2): readable, somebody has registered */
    int life; /* the end that clients see the other end of */
    struct object_id id;
    bool more; /* the last look found something */
};

/* Makes NAME.life and NAME.join in place of leftovers.
 *   everybody  open to all users, as only root has a use for: nobody else can
 *              open what they make.  Else to its own user only.
 * 0 or -errno. */
int registrar_make(struct registrar *r, const char *name, bool everybody);

/*
 * The next one: 1; 0: nobody else is there now, or there is only rubbish
 * (registrar_more()).  Never waits.
 *
 * Each costs its sender one of QUOTA_JOINING, which comes back by and by, or at
 * once with registrar_joined(): who registers for nothing, again and again, is
 * not looked at any more, and costs the server a system call each.
 */
int registrar_next(struct registrar *r, struct registration *next);

/* It was not for nothing. */
void registrar_joined(const struct registration *r);

/* As many as there are, at most n. */
unsigned registrar_take(struct registrar *r, struct registration *next,
                        unsigned n);

/* May there be more than was looked at?  Else poll(2) tells. */
static inline bool
registrar_more(const struct registrar *r)
{
    return r->more;
}

/* Closes them, and removes the names if they are still ours. */
void registrar_remove(struct registrar *r, const char *name);

/* 1 = there was one, 0, -errno. */
int registrar_sweep(const char *name);

/* -- registration: client -- */

struct registry {
    int join; /* connected to NAME.join */
    int life; /* for poll(2), events = 0: POLLHUP, the server is gone */
};

/*
 * To be kept open as long as one is a client.  0 or
 *   -ENOENT, -ECONNREFUSED  no server
 *   -EPERM                  not the run directory's owner's
 */
int registry_open(struct registry *r, const char *where);
void registry_close(struct registry *r);

/*
 * Registers; waits for room until the deadline (clock.h).
 *   ring  called, with arg, while there is none: a server that has clients may
 *         be asleep where they ring, and others have filled the queue; or NULL
 *   -EPIPE  the server is gone; -ETIMEDOUT
 */
int registration_send(const struct registry *to, const struct registration *r,
                      int64_t deadline, void (*ring)(void *), void *arg);

/* Rings: an empty message, for a server that looks there, or not, if there is
 * no room for it: then others have rung. */
void registry_ring(const struct registry *to);

/*
 * 0, or -EPIPE: the server is gone, however it ended.  One system call.
 *
 * The server has the only write end of NAME.life: others may read there and not
 * write, so nobody can keep the dead alive; and each server makes a new one, so
 * nobody takes the next one for the last.
 */
int registration_alive(const struct registry *r);

/* -- NAME.d ---------------------------------------------------------------- */

/*
 * A directory where clients make names, and so theirs: one of them may put a
 * hundred thousand files there, or a directory that cannot be removed.  None of
 * that keeps a server from starting: it moves the old one out of the way and
 * makes a new one; what was in the old one another process removes.
 */
struct client_dir {
    int fd; /* for object_open(OBJECT_AT, fd, ...) */
    struct object_id id;
    char old[ENDPOINT_SIZE]; /* moved away, and not yet empty; "": none */
};

/* Makes NAME.d: sticky, and open to everybody for making names, not for reading
 * them, if the server is root; else 0700.  An activator's is taken as it is, if
 * it is ours.  0 or -errno. */
int client_dir_make(struct client_dir *d, const char *name);

/* Removes at most a slice of what had been in the old one, and the old one when
 * it is empty.  Free when there is none.  Call it now and then. */
void client_dir_tidy(struct client_dir *d);

/* Closes it, moves it away if it is still ours, and removes it, up to a limit;
 * what is left then sweep finds. */
void client_dir_remove(struct client_dir *d, const char *name);

/* Removes it, and all that was moved away, whole.  1 = there was one, 0, or
 * -errno: something cannot be removed.  An activator's is left alone. */
int client_dir_sweep(const char *name);

#endif
