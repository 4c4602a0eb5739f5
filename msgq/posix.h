/*
 * posix.h - what the two halves of msgq/posix share: posix.c, which carries
 * requests and replies, and posix_join.c: who is a client.
 */
#ifndef MSGQ_POSIX_H
#define MSGQ_POSIX_H

#include "core/rendezvous.h"
#include "core/sessions.h"
#include "posix_names.h"
#include "posix_plan.h"
#include "posix_wait.h"

#include <stdbool.h>

/* Requests, all with priority 0 (an empty message only wakes the server):
 *
 *      0     4        8            24
 *      +-----+--------+------------+------------
 *      | pid | serial |   nonce    | frame; none: the client leaves
 *      +-----+--------+------------+------------
 */
#define PREFIX 24

/* The same in words, for the protocol page. */
#define POSIX_WIRE \
    "The file `DIR/msgq-posix` has a line `queue NAME`: the name of the " \
    "queue " \
    "for requests.\n(If there is a file `DIR/msgq-posix.activator`, there " \
    "need " \
    "not be a server: send an\nempty message to the queue " \
    "`/ipclab-HASH-msgq-posix`, and look again; HASH is the FNV-1a\nhash, 32 " \
    "bits, 8 hex digits, of the path `DIR/msgq-posix`.) Make the queue\n" \
    "`/ipclab-msgq-posix.PID.SERIAL` (decimal) with mode 0600; take a read " \
    "lock on it\n(F_OFD_SETLK) and keep it: without it you count as gone. " \
    "Then register.\n" \
    "\n" REGISTRATION_WIRE "\n\n" \
    "Then ring: send an empty message to the queue for requests, without " \
    "waiting. The server\nanswers with the nonce, 16 bytes, in your queue, " \
    "or with an empty message: it is full; no\nanswer means no. Then the " \
    "name may be unlinked. Requests have priority 0 and this text:\n" \
    "\n" \
    "| offset | size | |\n" \
    "|---|---|---|\n" \
    "| 0 | 4 | PID |\n" \
    "| 4 | 4 | SERIAL |\n" \
    "| 8 | 16 | the nonce |\n" \
    "| 24 | | a frame; nothing: you leave |\n" \
    "\n" \
    "Your queue carries frames from then on; an empty message means that you " \
    "are cut off."

/* -- server ---------------------------------------------------------------- */

struct server {
    char name[ENDPOINT_SIZE], queue_name[ENDPOINT_SIZE];
    mqd_t queue;                /* the requests */
    struct registrar registrar; /* NAME.join */
    bool everybody;             /* may write there */
    int held;                   /* endpoint_hold() */
    struct object_id file;      /* NAME, where the queue's name stands */
    int both;                   /* epoll(7): a message, or a newcomer */
    uint8_t *buf;
    size_t size; /* of it, bytes */
    unsigned taken;
    int64_t look; /* how long until the next look around, ns */
    bool more;    /* registered, than were looked at in one turn */
    struct posix_plan plan;
    struct sessions sessions;
    struct client_of {
        mqd_t queue;
        uint32_t pid, serial;   /* its name */
    } clients[IPC_MAX_CLIENTS]; /* by the session's slot */
};

/* The client whose queue is called so: its slot, or -1. */
int posix_find(const struct server *s, uint32_t pid, uint32_t serial);

/* Looks who has died and who has registered. */
void posix_look_around(struct server *s);

/* Tells the client, if it is still there, that it is one no more. */
void posix_disconnect(struct server *s, int slot);

/* -- client ---------------------------------------------------------------- */

struct client_end {
    struct posix_channel channel;
    uint8_t *buf; /* size bytes; begins with the prefix */
    size_t size;
};

/* Finds the server, or has it started, and opens its queue: fills in the
 * channel and the size.  -ENOENT, -ECONNREFUSED, -EPERM; -EACCES: it is not for
 * us. */
int posix_find_server(struct client_end *c, const char *where);

/* Makes the reply queue and joins; c->buf begins with the prefix then.
 * -EAGAIN: the server is full. */
int posix_join(struct client_end *c);

#endif
