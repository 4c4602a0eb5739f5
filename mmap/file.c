/*
 * file.c - the rings of shm/futex in files of the run directory.
 *
 *      NAME                the server's page, made by the server
 *      NAME.d/PID.SERIAL   a client's segment, made by the client, until both
 *                          have mapped it
 *
 * The one idea: a shared mapping of a file is shared memory.  Both processes
 * have the very same pages of the page cache in front of them; read(2) and
 * write(2) would show the same bytes; no msync(2) is needed for that, ever.
 * POSIX shared memory is nothing else: shm_open(3) is open(2) in a file system
 * that has no disk.  So this is shm/futex.c with other names
 * (core/rings_memory.c); in time and in bytes the two are the same, until the
 * kernel thinks of writing the pages to the disk (on a tmpfs it never does).
 */
#include "core/rings.h"

static int
file_create(void *srv, const char *name)
{
    return rings_create(srv, name, &rings_files, &futex_waiting);
}

static int
file_open(void *cli, const char *where)
{
    return rings_open(cli, where, &rings_files, &futex_waiting);
}

static int
file_sweep(const char *name)
{
    return rings_files.sweep(name);
}

const struct ipc_mechanism mmap_file = {
    .name = "mmap/file",
    .summary = "the rings of shm/futex in a shared mapping of a regular file",
    .proof = "owner of the file the request lies in, and the nonce in it",
    .wire = "As shm/futex, in files: the server's page is `DIR/mmap-file`, a "
            "segment is\n"
            "`DIR/mmap-file.d/PID.SERIAL`, mode 0600, and not sealed; both "
            "ids are zero. When you\nhave the verdict, remove the name.",
    .caps = IPC_BOUNDARIES | IPC_PIPELINED | IPC_PERSISTS,
    .evidence = IPC_OWNER,
    .uses = IPC_USES_PATH | IPC_USES_CLAIM | IPC_USES_OBJECT,
    .uid_from = IPC_UID_OBJECT,
    .floor = "floor/page",
    .server_size = sizeof(struct rings_server),
    .client_size = sizeof(struct rings_client),
    .limits = rings_limits,
    .create = file_create,
    .next = rings_next,
    .reply = rings_reply,
    .reply_space = rings_reply_space,
    .destroy = rings_destroy,
    .open = file_open,
    .send = rings_send,
    .send_space = rings_send_space,
    .recv = rings_recv,
    .close = rings_close,
    .forget = rings_forget,
    .sweep = file_sweep,
};
