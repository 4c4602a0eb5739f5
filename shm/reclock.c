/*
 * reclock.c - shared memory for each client, and record locks.
 *
 *      NAME.join       a socket: clients register there
 *      a memfd         a client's memory, sealed, without a name
 *
 *      client                       the memory                     server
 *      copies a request   ---->  [ request | reply ]
 *      unlock byte 0
 *      lock byte 1 ...sleeps                      lock byte 0: got it
 *                                [ request | reply ]  ---->  copies it out
 *                                [ request | reply ]  <----  copies a reply
 *      ...got it                                      unlock byte 1
 *      copies it out      <----  [ request | reply ]
 *
 * The one idea: memory can be shared, but not be waited for; so it is always
 * taught with something that can, a semaphore or a record lock (APUE 15.9).
 * With the lock the kernel tells one more thing, that no semaphore tells: the
 * other one is dead (core/handoff.h).  What memfd_create(2) returns, as
 * shm_open(3), is a descriptor of a file, so fcntl(2) locks it as any other;
 * mmap/lockfile.c is this file with pread and pwrite in place of memory.
 *
 * No load or store here is atomic, and none has to be: nobody looks before the
 * lock is its own, and taking a lock is a barrier.  But that is what an honest
 * peer does.  So the server copies once and looks at the copy.  And the memory
 * is sealed: its owner can neither make it shorter under our feet, nor make us
 * wait.
 */
#include "core/turnfile.h"

#include <errno.h>
#include <string.h>

/* -- wire: the bytes are memory -------------------------------------------- */

static int
reclock_put(const struct turnfile *f, off_t at,
            const struct turnfile_note *note, const void *message)
{
    uint8_t *to = (uint8_t *)f->map->memory + at;

    memcpy(to, note, sizeof *note);
    if (note->len > 0)
        memcpy(to + sizeof *note, message, note->len);
    return f->map->bitten ? -EBADMSG : 0;
}

static int
reclock_get(const struct turnfile *f, off_t at, struct turnfile_note *note,
            void *message, size_t cap)
{
    const uint8_t *from = (const uint8_t *)f->map->memory + at;

    /* volatile: a compiler may read memory twice that is not said to change,
     * and check one length and use another. */
    *note = *(const volatile struct turnfile_note *)(const void *)from;
    if (note->len > cap)
        return -EBADMSG;
    if (message != NULL)
        memcpy(message, from + sizeof *note, note->len);
    /* Bitten while we copied: half of the message may be zeros. */
    return f->map->bitten ? -EBADMSG : 0;
}

static const struct turnfile_kind reclock = {
    .memory = &sealed_memory,
    .max = 65536 + 64, /* bytes: 64 KiB and what frames it */
    .mapped = true,
    .put = reclock_put,
    .get = reclock_get,
};

/* -- server, client -------------------------------------------------------- */

static int
reclock_create(void *srv, const char *name)
{
    return turnfile_create(srv, name, &reclock);
}

static int
reclock_open(void *cli, const char *where)
{
    return turnfile_open(cli, where, &reclock);
}

/* -- limits, table --------------------------------------------------------- */

static int
reclock_limits(struct ipc_limits *l)
{
    *l = (struct ipc_limits){.max_msg = reclock.max,
                             .max_inflight = 1,
                             .max_clients = IPC_MAX_CLIENTS};
    return 0;
}

const struct ipc_mechanism shm_reclock = {
    .name = "shm/reclock",
    .summary = "shared memory per client, synchronised by record locks",
    .proof = "owner of the memory the request lies in, and the nonce in it",
    .wire = TURNFILE_WIRE("Make a memfd (memfd_create(2)), mode 0600, 143360 "
                          "bytes long, with the seals\nF_SEAL_SHRINK and "
                          "F_SEAL_GROW.",
                          "73728") "\n\nHere DIR/NAME is `DIR/shm-reclock`, "
                                   "and the first id is the number of the "
                                   "descriptor;\nthe server opens "
                                   "/proc/PID/fd/NUMBER, see shm/futex.",
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_PATH | IPC_USES_CLAIM | IPC_USES_OBJECT | IPC_USES_PROC,
    .uid_from = IPC_UID_OBJECT,
    .server_size = sizeof(struct turnfile_server),
    .client_size = sizeof(struct turnfile_client),
    .unavailable = handoff_unavailable,
    .limits = reclock_limits,
    .create = reclock_create,
    .next = turnfile_next,
    .reply = turnfile_reply,
    .destroy = turnfile_destroy,
    .open = reclock_open,
    .send = turnfile_send,
    .recv = turnfile_recv,
    .close = turnfile_close,
    .forget = turnfile_forget,
    .sweep = turnfile_sweep,
};
