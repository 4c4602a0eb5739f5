/* nonsense.c - what a client can do that knows nothing about the server. */
#define _GNU_SOURCE /* fallocate */
#include "test/attack/nonsense.h"

#include "core/ancillary.h"
#include "core/clock.h"
#include "core/rendezvous.h"
#include "test/both/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* -- chance: xorshift64, the same for the same seed ------------------------ */

static uint64_t chance_state;

void
chance_seed(uint64_t seed)
{
    chance_state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

uint32_t
chance(uint32_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (uint32_t)(chance_state >> 32) % below;
}

void
nonsense(uint8_t *to, size_t n)
{
    static const uint8_t likely[] = {0, 1, 0x7f, 0x80, 0xff};

    for (size_t i = 0; i < n; i++)
        to[i] = chance(2) == 0 ? likely[chance(sizeof likely)]
                               : (uint8_t)chance(256);
}

/* -- frames ---------------------------------------------------------------- */

/* A good one, and then some bytes of it, or its length, are others. */
size_t
mutated_frame(uint8_t *frame, size_t room)
{
    static const uint8_t likely[] = {0, 4, 8, 12, 16, 20}; /* of numbers */
    uint16_t method = (uint16_t)chance(chance(8) == 0 ? 65536 : 32);
    size_t len = make_frame(frame, method);

    len += chance(2) == 0 ? likely[chance(sizeof likely)] : chance(200);

    if (len > room)
        len = room;
    nonsense(frame + WIRE_HEADER, len - WIRE_HEADER);
    put32(frame + 8, (uint32_t)(len - WIRE_HEADER));
    for (uint32_t n = chance(4); n > 0; n--)
        nonsense(frame + chance((uint32_t)len), 1);
    if (chance(8) == 0)
        len = chance((uint32_t)len + 1);
    return chance(200) == 0 ? room : len;
}

/* -- what the client has open ---------------------------------------------- */

bool
spoil_file(int fd)
{
    switch (chance(4)) {
    case 0:
        return ftruncate(fd, chance(2) == 0 ? 0 : (off_t)chance(1 << 20)) == 0;
    case 1:
        return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         (off_t)chance(8192), 1 + (off_t)chance(8192)) == 0;
    case 2:
        return fchmod(fd, (mode_t)chance(01000)) == 0;
    default:
        return fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
    }
}

bool
spoil_descriptor(void)
{
    int fd = 3 + (int)chance(13);
    uint8_t bytes[300];
    size_t n = chance(sizeof bytes);
    struct stat st;

    if (fstat(fd, &st) == -1)
        return false;
    nonsense(bytes, sizeof bytes);
    if (S_ISSOCK(st.st_mode))
        return chance(8) == 0
                   ? send_beside(fd, SCM_RIGHTS, &fd, sizeof fd) != -1
                   : send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) != -1;
    if (S_ISREG(st.st_mode) && chance(2) == 0)
        return spoil_file(fd);
    if (S_ISREG(st.st_mode))
        return pwrite(fd, bytes, n, (off_t)chance(8192)) != -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return S_ISFIFO(st.st_mode) && write(fd, bytes, n) != -1;
}

/* -- what it shares with the server ---------------------------------------- */

static struct {
    uint8_t *at;
    size_t size;
} maps[64];
static uint32_t map_count;

/* "7f00-7f10 rw-s ..." */
void
find_maps(const void *spared)
{
    FILE *in = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned long from, to;

    map_count = 0;
    while (in != NULL && map_count < 64 && fgets(line, sizeof line, in))
        if (sscanf(line, "%lx-%lx rw-s", &from, &to) == 2 &&
            strstr(line, " rw-s ") != NULL && from != (uintptr_t)spared) {
            maps[map_count].at = (uint8_t *)from;
            maps[map_count++].size = to - from;
        }
    if (in != NULL)
        fclose(in);
}

/* The words that rule all are at the beginning. */
bool
scribble(void)
{
    uint32_t which, size;

    if (map_count == 0)
        return false;
    which = chance(map_count);
    size = (uint32_t)maps[which].size;
    if (chance(2) == 0 && size > 512)
        size = 512;
    nonsense(maps[which].at + chance(size - 8), 1 + chance(8));
    return true;
}

/* -- System V -------------------------------------------------------------- */

/* One of the objects there are, its own or not: the kernel decides. */
static int
any_id(const char *list)
{
    FILE *in = fopen(list, "re");
    char line[256];
    int id, found = -1;
    uint32_t n = 0;

    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "%*d %d", &id) == 1 && chance(++n) == 0)
            found = id;
    if (in != NULL)
        fclose(in);
    return found;
}

bool
spoil_set(void)
{
    int id = any_id("/proc/sysvipc/sem");
    struct sembuf op = {.sem_num = (uint16_t)chance(8),
                        .sem_op = (short)(chance(3) - 1),
                        .sem_flg = IPC_NOWAIT};

    if (chance(40) == 0)
        return semctl(id, 0, IPC_RMID) == 0 &&
               semget(IPC_PRIVATE, 1 + (int)chance(250), 0600) != -1;
    if (chance(2) == 0)
        return semop(id, &op, 1) == 0;
    return semctl(id, op.sem_num, SETVAL, (int)chance(32768)) == 0;
}

bool
spoil_queue(void)
{
    int id = any_id("/proc/sysvipc/msg");
    struct {
        long type;
        uint8_t text[256];
    } m = {.type = 1 + (long)chance(3)};

    if (chance(40) == 0)
        return msgctl(id, IPC_RMID, NULL) == 0;
    nonsense(m.text, sizeof m.text);
    if (chance(4) == 0)
        return msgrcv(id, &m, sizeof m.text, 0, IPC_NOWAIT | MSG_NOERROR) != -1;
    return msgsnd(id, &m, chance(sizeof m.text), IPC_NOWAIT) == 0;
}

bool
remove_segment(void)
{
    return shmctl(any_id("/proc/sysvipc/shm"), IPC_RMID, NULL) == 0;
}

/* -- where clients come in ------------------------------------------------- */

/* Where all clients are the server's own user it could write the file that
 * tells where the server is. */
static bool
is_no_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
}

static bool
write_to(const char *path, const uint8_t *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    bool done = fd != -1 && is_no_file(fd) && write(fd, bytes, n) == (ssize_t)n;

    if (fd != -1)
        close(fd);
    return done;
}

/* A datagram, perhaps with a descriptor beside it. */
static bool
send_to(const char *path, const uint8_t *bytes, size_t n)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct iovec data = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    bool done;

    if (fd == -1)
        return false;
    strcpy(at.sun_path, path);
    done = connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
           ancillary_send(fd, &data, 1, chance(4) == 0 ? fd : -1) >= 0;
    close(fd);
    return done;
}

bool
register_nonsense(const char *where)
{
    char join[ENDPOINT_SIZE];
    uint8_t bytes[200];

    nonsense(bytes, sizeof bytes);
    if (chance(4) == 0)
        return write_to(where, bytes, chance(sizeof bytes));
    if (endpoint_file(where, ".join", join) == 0 && chance(2) == 0)
        return send_to(join, bytes, chance(sizeof bytes));
    return register_ids(where, any_id("/proc/sysvipc/sem"), (int)chance(99999),
                        geteuid()) == 0;
}
