/*
 * boxes.h - all the boxes of a server: how a client's box gets there, whose it
 * is, and who has gone.
 *
 *      client (box.c)                          server
 *      NAME.d/.UID.PID.SERIAL, locked
 *      semaphores full, back
 *      renamed: without the dot
 *      knock, bell           ------------->    reads the directory
 *                                              owner, mode, type of the letter?
 *                                              the nonce into it, a lock on it
 *      waits on back         <-------------    back; removes all the names
 *      reads the nonce
 *
 * The directory is sticky and open to all, as /tmp is, so it is the list of
 * those who would like to come in.  That list is not believed: whose a letter
 * is says the kernel, and that its owner is there says the nonce (owner.h).
 * What is open on both sides needs no name, and what has no name goes with its
 * last user.
 */
#ifndef BOXES_H
#define BOXES_H

#include "box.h"

struct session {
    struct box box; /* .fd 0: free */
    struct ipc_peer peer;
    uint32_t generation; /* how many have left this place */
};

struct boxes {
    char name[ENDPOINT_SIZE];
    int fd, dir; /* NAME, for its lock; NAME.d */
    sem_t *bell, *knock;
    struct session sessions[IPC_MAX_CLIENTS];
};

/* Makes the directory, and the semaphores that all clients post. */
int boxes_make(struct boxes *b, const char *name);

/* Closes and removes everything; who is still in finds the server gone. */
void boxes_remove(struct boxes *b);

/* What a dead server left: ipc.h, sweep(). */
int boxes_sweep(const char *name);

/* Takes in, or turns away, whoever has put a letter into the directory. */
void boxes_admit(struct boxes *b);

/* Lets go of those who have died. */
void boxes_reap(struct boxes *b);

/* With the descriptor goes our lock; then he is woken to see it. */
void boxes_drop(struct session *i);

#endif
