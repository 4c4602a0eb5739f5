/*
 * lockfile.c - a plain file for each client, pread(2) and pwrite(2), and record
 * locks.
 *
 *      NAME.join           a socket: clients register there
 *      NAME.d/PID.SERIAL   a client's file, until the server has it open
 *
 *      client                        the file                      server
 *      pwrite(request)    ---->  [ request | reply ]
 *      unlock byte 0
 *      lock byte 1 ...sleeps                      lock byte 0: got it
 *                                [ request | reply ]  ---->  pread(request)
 *                                [ request | reply ]  <----  pwrite(reply)
 *      ...got it                                      unlock byte 1
 *      pread(reply)       <----  [ request | reply ]
 *
 * The one idea: two processes that can open the same file need nothing else to
 * talk; this is how it was done before there was anything else.  What a file
 * does not have is a way to wait until it changes (a pipe's read(2) waits, a
 * file's says "end of file"), and that is what the locks are for:
 * core/handoff.h.  All that is not about bytes is in core/turnfile.h;
 * shm/reclock.c is this file with memory in place of pread and pwrite.
 *
 * It costs two copies and two system calls more in each direction, and gives
 * something back: a file can be as long as it likes, and one who shortens it
 * makes our pread(2) return less, not our process die.  But its owner can make
 * our pwrite(2) wait: core/stall.h.
 */
#define _GNU_SOURCE /* preadv, pwritev */
#include "core/turnfile.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

/* So much of a message is read together with the note before it: to the end of
 * the page that the area begins with.  Most messages are not longer. */
#define FIRST (TURNFILE_AREA - sizeof(struct turnfile_note))

/* -- wire: the bytes are a file's------------------------------------------ */

static int
lockfile_put(const struct turnfile *f, off_t at,
             const struct turnfile_note *note, const void *message)
{
    /* Two parts, one system call.  The cast: writing does not change them. */
    struct iovec parts[] = {
        {.iov_base = (void *)(uintptr_t)note, .iov_len = sizeof *note},
        {.iov_base = (void *)(uintptr_t)message, .iov_len = note->len},
    };
    ssize_t n = pwritev(f->fd, parts, 2, at);

    if (n == -1)
        return -errno;
    /* Less than asked for: the disk has become full in the middle of it. */
    return (size_t)n == sizeof *note + note->len ? 0 : -ENOSPC;
}

static int
lockfile_get(const struct turnfile *f, off_t at, struct turnfile_note *note,
             void *message, size_t cap)
{
    struct iovec parts[] = {
        {.iov_base = note, .iov_len = sizeof *note},
        {.iov_base = message, .iov_len = cap < FIRST ? cap : FIRST},
    };
    ssize_t n = preadv(f->fd, parts, message != NULL ? 2 : 1, at);
    size_t have;

    if (n == -1)
        return -errno;
    if ((size_t)n < sizeof *note || note->len > cap)
        return -EBADMSG;
    have = (size_t)n - sizeof *note;
    if (message == NULL || note->len <= have)
        return 0;
    /* Its writer may be writing at this very moment, if it is not one of ours:
     * we have what we have read, and look at nothing twice. */
    n = pread(f->fd, (uint8_t *)message + have, note->len - have,
              at + (off_t)(sizeof *note + have));
    if (n == -1)
        return -errno;
    return (size_t)n == note->len - have ? 0 : -EBADMSG;
}

static const struct turnfile_kind lockfile = {
    .memory = &client_files,
    .max = IPC_MAX_MSG, /* a file has no limit of its own */
    .put = lockfile_put,
    .get = lockfile_get,
};

/* -- server, client -------------------------------------------------------- */

static int
lockfile_create(void *srv, const char *name)
{
    return turnfile_create(srv, name, &lockfile);
}

static int
lockfile_open(void *cli, const char *where)
{
    return turnfile_open(cli, where, &lockfile);
}

/* -- limits, table --------------------------------------------------------- */

static int
lockfile_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){.max_msg = lockfile.max,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism mmap_lockfile = {
    .name = "mmap/lockfile",
    .summary = "a plain file per client, pread and pwrite, record locks",
    .proof = "owner of the file the request lies in, and the nonce in it",
    .wire = TURNFILE_WIRE("Make a file `DIR/mmap-lockfile.d/PID.SERIAL`, "
                          "mode 0600 (PID yours, SERIAL random,\nboth "
                          "decimal).",
                          "1056768") "\n\nHere DIR/NAME is "
                                     "`DIR/mmap-lockfile`, and both ids are 0. "
                                     "When you have the verdict,\nremove the "
                                     "name.",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_PATH | IPC_USES_CLAIM | IPC_USES_OBJECT,
    .uid_from = IPC_UID_OBJECT,
    .samples = IPC_SAMPLE_SLOW,
    .server_size = sizeof(struct turnfile_server),
    .client_size = sizeof(struct turnfile_client),
    .unavailable = handoff_unavailable,
    .limits = lockfile_limits,
    .create = lockfile_create,
    .next = turnfile_next,
    .reply = turnfile_reply,
    .destroy = turnfile_destroy,
    .open = lockfile_open,
    .send = turnfile_send,
    .recv = turnfile_recv,
    .close = turnfile_close,
    .forget = turnfile_forget,
    .sweep = turnfile_sweep,
};
