/*
 * reclock.c - POSIX shared memory for each client, and record locks.
 *
 *      NAME.life                     the server's; who opens it sees whether
 *                                    it lives
 *      /ipclab-HASH-shm-reclock.PID.SERIAL
 *                                    a client's memory, until the server has
 *                                    it open
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
 * other one is dead (baton.h).  What shm_open(3) returns is a descriptor of a
 * file, so fcntl(2) locks it as any other; mmap/lockfile.c is this file with
 * pread and pwrite in place of memory.
 *
 * No load or store here is atomic, and none has to be: nobody looks before the
 * lock is his, and taking a lock is a barrier.  But that is what an honest peer
 * does.  So the server copies once and looks at the copy; and since the owner
 * of a file may make it shorter under our feet, there is the guard.
 */
#define _GNU_SOURCE /* MAP_POPULATE */
#include "../mmap/sheet.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* -- wire: the sheet is memory --------------------------------------------- */

static int
reclock_hold(struct sheet *s, size_t size)
{
    /* With all its pages, so that nobody waits for them in a conversation. */
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_POPULATE, s->fd, 0);

    if (memory == MAP_FAILED)
        return -errno;
    *s->map = (struct guarded){.memory = memory, .size = size};
    return 0;
}

static int
reclock_put(const struct sheet *s, off_t at, const struct sheet_note *note,
            const void *message)
{
    uint8_t *to = (uint8_t *)s->map->memory + at;

    memcpy(to, note, sizeof *note);
    if (note->len > 0)
        memcpy(to + sizeof *note, message, note->len);
    return s->map->bitten ? -EBADMSG : 0;
}

static int
reclock_get(const struct sheet *s, off_t at, struct sheet_note *note,
            void *message, size_t cap)
{
    const uint8_t *from = (const uint8_t *)s->map->memory + at;

    /* volatile: a compiler may read memory twice that is not said to change,
     * and check one length and use another. */
    *note = *(const volatile struct sheet_note *)(const void *)from;
    if (note->len > cap)
        return -EBADMSG;
    if (message != NULL)
        memcpy(message, from + sizeof *note, note->len);
    /* Bitten while we copied: half of the message may be zeros. */
    return s->map->bitten ? -EBADMSG : 0;
}

static const struct sheet_kind reclock = {
    .store = &meet_shm,
    .max = 65536 + 64, /* bytes: 64 KiB and what frames it */
    .hold = reclock_hold,
    .put = reclock_put,
    .get = reclock_get,
};

/* -- server, client, sweep ------------------------------------------------- */

static int
reclock_create(void *srv, const char *name)
{
    return sheet_create(srv, name, &reclock);
}

static int
reclock_open(void *cli, const char *where)
{
    return sheet_open(cli, where, &reclock);
}

static int
reclock_sweep(const char *name)
{
    return sheet_sweep(name, &reclock);
}

/* -- limits, table --------------------------------------------------------- */

static const char *
reclock_unavailable(void)
{
    const char *reason = baton_unavailable();

    return reason != NULL ? reason : meet_shm_unavailable();
}

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
    .summary = "POSIX shared memory per client, synchronised by record locks",
    .proof = "owner of the memory the request lies in, and the nonce in it",
    .wire = SHEET_WIRE("`DIR/shm-reclock.life`",
                       "a shared memory object "
                       "`/ipclab-HASH-shm-reclock.PID.SERIAL`, 143360 bytes "
                       "long\n(HASH: 8 hexadecimal digits, FNV-1a of "
                       "`DIR/shm-reclock`),",
                       "73728"),
    .caps = IPC_BOUNDARIES | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .server_size = sizeof(struct sheet_server),
    .client_size = sizeof(struct sheet_client),
    .unavailable = reclock_unavailable,
    .limits = reclock_limits,
    .create = reclock_create,
    .next = sheet_next,
    .reply = sheet_reply,
    .destroy = sheet_destroy,
    .open = reclock_open,
    .send = sheet_send,
    .recv = sheet_recv,
    .close = sheet_close,
    .forget = sheet_forget,
    .sweep = reclock_sweep,
};
