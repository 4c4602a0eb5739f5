/* owner.c - who owns this object? */
#define _GNU_SOURCE /* getrandom, F_GET_SEALS */
#include "owner.h"

#include "defence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

static bool
is_fresh(time_t changed)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    /* The file system's clock ticks in jiffies and lags behind: a new object
     * may look a little older, or after a step of the clock, younger. */
    return now.tv_sec - changed <= OWNER_MAX_AGE &&
           changed - now.tv_sec <= OWNER_MAX_AGE;
}

/* The group of NAME:PASSWORD:UID:GID:..., if it is this user's line; -1. */
static gid_t
group_in(const char *line, uid_t uid)
{
    unsigned found_uid, found_gid;
    const char *at = strchr(line, ':');

    at = at != NULL ? strchr(at + 1, ':') : NULL;
    if (at == NULL || sscanf(at, ":%u:%u:", &found_uid, &found_gid) != 2 ||
        found_uid != uid)
        return (gid_t)-1;
    return found_gid;
}

/* From passwd(5) itself: getpwuid(3) may ask a server in the network, and let
 * everybody wait for it.  -1: it is not there. */
static gid_t
primary_group(uid_t uid)
{
    FILE *users = fopen("/etc/passwd", "re");
    gid_t gid = (gid_t)-1;
    char line[1024];

    if (users == NULL)
        return gid;
    while (gid == (gid_t)-1 && fgets(line, sizeof line, users) != NULL)
        gid = group_in(line, uid);
    fclose(users);
    return gid;
}

static int
owned(uid_t uid, gid_t gid, uid_t claimed, bool proper, struct ipc_peer *peer)
{
    (void)gid;
    *peer = IPC_PEER_UNKNOWN;
    if (uid == (uid_t)-1 || DEFENCE("proper", !proper, false) ||
        DEFENCE("owner", uid != claimed, false))
        return -EPERM;
    peer->uid = claimed; /* by now they are the same */
    peer->gid = DEFENCE("group", primary_group(claimed), gid);
    peer->evidence = IPC_OWNER;
    return 0;
}

int
owner_check_fd(int fd, mode_t type, uid_t claimed, struct ipc_peer *peer)
{
    struct stat st;
    bool proper;

    *peer = IPC_PEER_UNKNOWN;
    if (fstat(fd, &st) == -1)
        return -errno;
    proper = (st.st_mode & S_IFMT) == type &&
             (st.st_mode & 07777) == (S_IRUSR | S_IWUSR) && st.st_nlink == 1 &&
             is_fresh(st.st_ctime);
    return owned(st.st_uid, st.st_gid, claimed, proper, peer);
}

int
owner_check_memfd(int fd, size_t size, uid_t claimed, struct ipc_peer *peer)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    bool proper;

    *peer = IPC_PEER_UNKNOWN;
    if (fstat(fd, &st) == -1)
        return -errno;
    /* -1: not a memfd. */
    proper = DEFENCE("seal", seals != -1 && (seals & wanted) == wanted, true) &&
             S_ISREG(st.st_mode) &&
             (st.st_mode & 07777) == (S_IRUSR | S_IWUSR) && st.st_nlink == 0 &&
             st.st_size == (off_t)size && is_fresh(st.st_ctime);
    return owned(st.st_uid, st.st_gid, claimed, proper, peer);
}

int
owner_check_perm(const struct ipc_perm *perm, time_t changed, uid_t claimed,
                 struct ipc_peer *peer)
{
    bool proper =
        (perm->mode & 0777) == (S_IRUSR | S_IWUSR) && is_fresh(changed);

    /* The owner can be given away, even to root; the creator cannot. */
    return owned(DEFENCE("creator", perm->cuid, perm->uid), perm->cgid, claimed,
                 proper, peer);
}

int
nonce_make(uint8_t nonce[NONCE_SIZE])
{
    /* Up to 256 bytes come whole once the pool is ready: getrandom(2). */
    if (getrandom(nonce, NONCE_SIZE, 0) != NONCE_SIZE)
        return -errno;
    return 0;
}

bool
nonce_equal(const uint8_t a[NONCE_SIZE], const uint8_t b[NONCE_SIZE])
{
    unsigned differ = 0;

    for (size_t i = 0; i < NONCE_SIZE; i++)
        differ |= (unsigned)(a[i] ^ b[i]);
    return DEFENCE("nonce", differ == 0, true);
}
