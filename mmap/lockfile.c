/*
 * lockfile.c - a plain file for each client, pread(2) and pwrite(2), and record
 * locks.
 *
 *      NAME.life           the server's; who opens it sees whether it lives
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
 * file's says "end of file"), and that is what the locks are for: baton.h.  All
 * that is not about bytes and names is in sheet.c; shm/reclock.c is this file
 * with memory in place of pread and pwrite.
 *
 * It costs two copies and two system calls more in each direction, and gives
 * something back: a file can be as long as it likes, and one who shortens it
 * makes our pread(2) return less, not our process die.
 */
#define _GNU_SOURCE /* preadv, pwritev */
#include "sheet.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

/* So much of a message is read together with the note before it: to the end of
 * the page that the area begins with.  Most messages are not longer. */
#define FIRST (SHEET_AREA - sizeof(struct sheet_note))

/* -- wire: the sheet is a file --------------------------------------------- */

static int
lockfile_put(const struct sheet *s, off_t at, const struct sheet_note *note,
             const void *message)
{
    /* Two parts, one system call.  The cast: writing does not change them. */
    struct iovec parts[] = {
        {.iov_base = (void *)(uintptr_t)note, .iov_len = sizeof *note},
        {.iov_base = (void *)(uintptr_t)message, .iov_len = note->len},
    };
    ssize_t n = pwritev(s->fd, parts, 2, at);

    if (n == -1)
        return -errno;
    /* Less than asked for: the disk has become full in the middle of it. */
    return (size_t)n == sizeof *note + note->len ? 0 : -ENOSPC;
}

static int
lockfile_get(const struct sheet *s, off_t at, struct sheet_note *note,
             void *message, size_t cap)
{
    struct iovec parts[] = {
        {.iov_base = note, .iov_len = sizeof *note},
        {.iov_base = message, .iov_len = cap < FIRST ? cap : FIRST},
    };
    ssize_t n = preadv(s->fd, parts, message != NULL ? 2 : 1, at);
    size_t have;

    if (n == -1)
        return -errno;
    if ((size_t)n < sizeof *note || note->len > cap)
        return -EBADMSG;
    have = (size_t)n - sizeof *note;
    if (message == NULL || note->len <= have)
        return 0;
    /* Its writer may be writing at this very moment, if he is not of ours: we
     * have what we have read, and look at nothing twice. */
    n = pread(s->fd, (uint8_t *)message + have, note->len - have,
              at + (off_t)(sizeof *note + have));
    if (n == -1)
        return -errno;
    return (size_t)n == note->len - have ? 0 : -EBADMSG;
}

static const struct sheet_kind lockfile = {
    .store = &meet_files,
    .max = IPC_MAX_MSG, /* a file has no limit of its own */
    .put = lockfile_put,
    .get = lockfile_get,
};

/* -- server, client, sweep ------------------------------------------------- */

static int
lockfile_create(void *srv, const char *name)
{
    return sheet_create(srv, name, &lockfile);
}

static int
lockfile_open(void *cli, const char *where)
{
    return sheet_open(cli, where, &lockfile);
}

static int
lockfile_sweep(const char *name)
{
    return sheet_sweep(name, &lockfile);
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
    .wire = SHEET_WIRE("`DIR/mmap-lockfile.life`",
                       "a file `DIR/mmap-lockfile.d/PID.SERIAL`", "1056768"),
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct sheet_server),
    .client_size = sizeof(struct sheet_client),
    .unavailable = baton_unavailable,
    .limits = lockfile_limits,
    .create = lockfile_create,
    .next = sheet_next,
    .reply = sheet_reply,
    .destroy = sheet_destroy,
    .open = lockfile_open,
    .send = sheet_send,
    .recv = sheet_recv,
    .close = sheet_close,
    .forget = sheet_forget,
    .sweep = lockfile_sweep,
};
