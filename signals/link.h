/*
 * link.h - what the three signal variants share: two processes that signal
 * each other, and nobody else.
 *
 *      client                                 server: fork, exec
 *      pidfd of the server  -- signals -->    waits for them, blocked
 *      waits for them, blocked  <-- signals --  0: a pidfd of the client
 *
 * Who may send at all?  kill(2): whose real or effective uid is the
 * receiver's real or saved one, and root.  The server keeps its client's real
 * uid, also when it is set-user-ID; so whatever it hears comes from that user,
 * from root, or from whoever owns the set-user-ID program (its saved uid), who
 * could have written another program there.
 *
 * And who did send?  siginfo_t says, with an important difference:
 *      SI_USER   kill(2): si_pid is filled in by the kernel
 *      SI_QUEUE  sigqueue(3): si_pid is filled in by the *sender*, in its own
 *                memory.  Any process that may send may write there what it
 *                likes (rt_sigqueueinfo(2)).
 * So with SI_QUEUE the pid keeps out strays, and nothing more.  What a liar of
 * the same uid wins is nothing that it does not have: the server acts with
 * the rights of that uid for that one as it does for its client.
 *
 * A pid may belong to somebody else by the time it is used.  A pidfd cannot,
 * and it becomes readable when its process ends: pidfd_open(2).
 */
#ifndef LINK_H
#define LINK_H

#include "core/ipc.h"
#include "core/spawn.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* No si_code: a signal from anybody will do.  (0 is not free: SI_USER.) */
#define ANYBODY INT_MAX

struct link {
    int code;     /* what si_code must be: SI_USER, SI_QUEUE, or ANYBODY */
    sigset_t set; /* signals to wait for.  Empty: link.c finds a free one */
    int number;   /* found so: the client's, to be sent by the server */
    int pidfd;    /* of the other side */
    pid_t pid;    /* of the other side, to compare with si_pid */
    struct spawned server; /* a client's: the same two */
    bool elevated;         /* we may signal more than the other side may */
    pid_t self; /* for sigqueue(3), where the sender says who it is */
    uid_t uid;
};

/* What the server waits for when the set is empty. */
#define LINK_TO_SERVER SIGRTMIN

/* NULL, or why there are no pidfds here. */
const char *link_unavailable(void);

/*
 * The client's side.  Fill in code and set first.  Blocks the signals, starts
 * the server with out as its descriptor 1 (-1: nothing of interest).  The
 * server must not be signalled before it has said that it is ready: until it
 * has blocked them, they would kill it.
 * -errno; -ENOBUFS: every real-time number of this process is in use.
 */
int link_open(struct link *l, const char *where, const char *mechanism,
              int out);

/* Hangs up (SIGHUP), waits for the end of the server, unblocks. */
void link_close(struct link *l);

/* In a process that was forked since: closes the pidfd, unblocks.  (The signals
 * go to the parent, and none is pending here: fork(2).) */
void link_forget(struct link *l);

/*
 * The server's side.  Fill in code and set first.  Blocks the signals and takes
 * descriptor 0 for the client.  There is no way back: the process ends with
 * the conversation, and what a client goes on sending must not kill it while it
 * tidies up.  *client: who it is, by the real uid that we were started with.
 *   -EPIPE  it is gone already
 *   -EPERM  it is none that our real user may signal
 */
int link_accept(struct link *l, struct ipc_peer *client);

/* Sends a signal, as kill(2) does or, with a value, as sigqueue(3).
 * A set-user-ID server sends with its client's rights, each time: the process
 * that was the client may have become another program, another user's.
 *   -EPIPE   nobody is there any more
 *   -EPERM   it is nobody that the client may signal any more
 *   -EAGAIN  with a value only: the receiver's queue is full */
int link_send(const struct link *l, int number, const union sigval *value);

/*
 * Waits for a signal of the set from the other side, and returns its number;
 * info may be NULL.  Others are thrown away.
 *   -EPIPE  the other side is gone (and all it sent has been taken), or has
 *           hung up
 *   -ETIMEDOUT, -EINTR
 */
int link_wait(const struct link *l, siginfo_t *info, int64_t deadline);

/* Throws away what is pending. */
void link_drain(const struct link *l);

#endif
