/*
 * monitor.h - the page of shm/mutex, and the lock on it: a monitor (Hoare,
 * 1974) whose mutex and conditions lie in shared memory.
 *
 *      the page, mode 0600, made by the server
 *      +------------------------------------------------------------+
 *      | lock: guards everything   work: the server waits           |
 *      | slot 0: state, answered: its client waits | slot 1 ...     |
 *      | away: the server waits at NAME.join                        |
 *      | message 0                                 | message 1 ...  |
 *      +------------------------------------------------------------+
 *
 * A lock in shared memory outlives its holder.  A robust mutex tells the next
 * one that asks: EOWNERDEAD, "it is yours, but its last holder died in the
 * middle".  Nothing needs repair here, because a message is complete before
 * `state` says that it is there; so saying pthread_mutex_consistent(3) is all.
 *
 * And neither a mutex nor a condition tells that a signal came, or that the
 * other process has died.  So nobody waits for longer than a slice.  A server
 * that nobody has asked anything for some slices says that it goes away, and
 * waits at a socket, where a signal does end its sleep; then one has to ring.
 * Who lives the kernel knows: the client of slot N has byte N of the page's
 * file locked (fcntl(2), F_OFD_SETLK), and the server holds a FIFO
 * (core/rendezvous.h).
 */
#ifndef SHM_MONITOR_H
#define SHM_MONITOR_H

#include "core/clock.h"
#include "core/ipc.h"
#include "pending_signals.h"

#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

/* -- wire ----------------------------------------------------------------- */

/* As long as that of the siblings, so that the sizes can be compared. */
#define MAX_MESSAGE (64 * 1024 + 128)

enum slot_state { SLOT_FREE, SLOT_EMPTY, SLOT_REQUEST, SLOT_REPLY };

struct monitor_slot {
    uint32_t state;
    uint32_t generation; /* how often it has been taken */
    uint32_t len;
    uint32_t over; /* server: disconnected, for whatever reason */
    alignas(16) pthread_cond_t answered;
};

struct monitor {
    alignas(16) pthread_mutex_t lock;
    alignas(16) pthread_cond_t work;
    struct monitor_slot slots[IPC_MAX_CLIENTS];
    uint32_t away; /* server: it waits at NAME.join, not for work */
    alignas(4096) uint8_t messages[IPC_MAX_CLIENTS][MAX_MESSAGE];
};

/* What PROTOCOL.md says, of glibc on x86-64. */
#ifdef __x86_64__
static_assert(offsetof(struct monitor, work) == 48, "work");
static_assert(offsetof(struct monitor, slots) == 96, "slots");
static_assert(sizeof(struct monitor_slot) == 64, "slot");
static_assert(offsetof(struct monitor_slot, answered) == 16, "answered");
static_assert(offsetof(struct monitor, away) == 4192, "away");
static_assert(offsetof(struct monitor, messages) == 8192, "messages");
static_assert(sizeof(struct monitor) == 4210688, "page");
#endif

/* The same in words, for a client in another language: see PROTOCOL.md. */
#define MUTEX_WIRE \
    "Only for processes of the server's own user: all its objects have mode " \
    "0600.\nObjects of the C library lie in the page, so client and server " \
    "have to use the same\none (here glibc, x86-64).\n" \
    "\n" \
    "Open the FIFO `DIR/shm-mutex.life` for reading, non-blocking, and keep " \
    "it open: the\nend of file, or POLLHUP from poll(2) later, is: no " \
    "server. " \
    "`DIR/shm-mutex` is a file\nwith a line `word N`, the bytes of a `long` " \
    "in the server, which have to be yours,\ntoo, and one `name /NAME`: " \
    "shm_open(3) that, 4210688 bytes: the page. All integers\nin it are 32 " \
    "bits, in the " \
    "machine's own byte order.\n" \
    "\n" \
    "| page | |\n" \
    "|---|---|\n" \
    "| 0 | lock: pthread_mutex_t, shared and robust |\n" \
    "| 48 | work: pthread_cond_t, shared; the server waits on it |\n" \
    "| 96 + 64 N | slot N, 0 to 63 |\n" \
    "| 4192 | away: 1, the server waits at NAME.join |\n" \
    "| 8192 + 65664 N | the frame of slot N |\n" \
    "\n" \
    "| slot | |\n" \
    "|---|---|\n" \
    "| 0 | state: 0 free, 1 empty, 2 request, 3 reply |\n" \
    "| 4 | generation |\n" \
    "| 8 | length of the frame |\n" \
    "| 12 | over: 1, you have been disconnected |\n" \
    "| 16 | answered: pthread_cond_t, shared; its client waits on it |\n" \
    "\n" \
    "Touch the page only with the lock held; EOWNERDEAD: call " \
    "pthread_mutex_consistent(3)\nand go on. To join, take the first slot " \
    "that is not in state 2 and whose byte N of the\npage's file you can " \
    "lock (fcntl(2), F_OFD_SETLK, for as long as you live): make its\n" \
    "condition anew, add 1 to its generation, set over to 0 and state to " \
    "1; then send an\nempty message to the AF_UNIX datagram socket " \
    "`DIR/shm-mutex.join` (EAGAIN does not\nmatter). When state is 1, put a " \
    "frame there, set state to 2, signal work; if away\nis 1, send an empty " \
    "message once more, before you unlock. Wait on answered until\nstate is " \
    "3, take the reply, set state to 1. After a notice wait until state is " \
    "1.\nTo leave set state to 0, signal work, and close the page's " \
    "descriptor."

/* -- the monitor ----------------------------------------------------------- */

/* How long anybody waits who waits for somebody else, ns, before it looks
 * whether that one still lives. */
#define MONITOR_SLICE (20 * NS_PER_MS)

/* The objects of the C library.  0 or -errno. */
int monitor_make(struct monitor *p);
int monitor_make_condition(pthread_cond_t *cond);

/* 0: it is ours.  A deadline even for the lock: its holder may have been
 * stopped. */
int monitor_lock(struct monitor *p, int64_t deadline);
void monitor_unlock(struct monitor *p);

/* Gives the lock back, sleeps until cond is signalled, and takes it again: it
 * is ours after 0, and also after -ETIMEDOUT. */
int monitor_wait(struct monitor *p, pthread_cond_t *cond, int64_t deadline);

/* The end of a slice that begins now. */
int64_t monitor_slice(int64_t slice, int64_t deadline);

/* What the end of a slice means: 0, go on; -ETIMEDOUT; -EINTR. */
int monitor_slice_ended(struct pending_signals *held, int64_t deadline);

#endif
