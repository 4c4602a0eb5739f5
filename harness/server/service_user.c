/* service_user.c - who a daemon becomes (confine.h). */
#define _GNU_SOURCE /* getrandom */
#include "server/confine.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* -- who is named --------------------------------------------------------- */

/* 0, 65534 and 4294967295: root, "nobody" who owns what has no owner, and what
 * tells setresuid(2) to change nothing. */
static bool
is_id(const char *text, char **end, id_t *id)
{
    unsigned long value;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoul(text, end, 10);
    *id = (id_t)value;
    return errno == 0 && value != 0 && value != 65534 && value < UINT32_MAX;
}

int
service_user_parse(const char *text, struct service_user *user)
{
    const struct passwd *known;
    char *end;

    if (*text < '0' || *text > '9') {
        known = getpwnam(text);
        if (known == NULL)
            return -ENOENT;
        *user = (struct service_user){known->pw_uid, known->pw_gid};
        return user->uid == 0 || user->gid == 0 ? -EINVAL : 0;
    }
    if (!is_id(text, &end, &user->uid))
        return -EINVAL;
    known = getpwuid(user->uid);
    user->gid = known != NULL ? known->pw_gid : user->uid;
    if (*end == ':' && !is_id(end + 1, &end, &user->gid))
        return -EINVAL;
    return *end != '\0' || user->gid == 0 ? -EINVAL : 0;
}

/* -- who is not ----------------------------------------------------------- */

/* The effective uid of a process; its directory in /proc may be root's, whoever
 * it is: proc(5), "dumpable". */
static uid_t
uid_of(const char *pid)
{
    unsigned long real, effective = (uid_t)-1;
    char path[64], line[256];
    FILE *in;

    snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    in = fopen(path, "re");
    if (in == NULL)
        return (uid_t)-1;
    while (fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "Uid: %lu %lu", &real, &effective) == 2)
            break;
    fclose(in);
    return (uid_t)effective;
}

void
uids_in_use(uid_t first, uid_t count, bool *used)
{
    DIR *proc = opendir("/proc");

    memset(used, 0, count * sizeof *used);
    if (proc == NULL)
        return;
    for (struct dirent *e; (e = readdir(proc)) != NULL;) {
        uid_t uid = e->d_name[0] >= '1' && e->d_name[0] <= '9'
                        ? uid_of(e->d_name)
                        : (uid_t)-1;

        if (uid >= first && uid - first < count)
            used[uid - first] = true;
    }
    closedir(proc);
}

bool
uid_is_somebodys(uid_t uid)
{
    return getpwuid(uid) != NULL || getgrgid(uid) != NULL;
}

/* In a user namespace, root may be the only one there is. */
static bool
is_mapped(const char *map, uint32_t id)
{
    unsigned long inside, outside, count;
    FILE *in = fopen(map, "re");
    bool found = in == NULL;

    while (!found && fscanf(in, "%lu %lu %lu", &inside, &outside, &count) == 3)
        found = id >= inside && id - inside < count;
    if (in != NULL)
        fclose(in);
    return found;
}

/* From a random one on, so that two that start at the same time hardly ever
 * choose the same. */
int
service_user_default(struct service_user *user)
{
    bool used[TRANSIENT_COUNT];
    uint32_t from = 0;

    if (service_user_parse("ipclab", user) == 0)
        return 0;
    if (!is_mapped("/proc/self/uid_map", TRANSIENT_FIRST) ||
        !is_mapped("/proc/self/gid_map", TRANSIENT_FIRST))
        return -ERANGE;
    uids_in_use(TRANSIENT_FIRST, TRANSIENT_COUNT, used);
    if (getrandom(&from, sizeof from, 0) == -1)
        return -errno;
    for (uint32_t i = 0; i < TRANSIENT_COUNT; i++) {
        const uint32_t n = (from % TRANSIENT_COUNT + i) % TRANSIENT_COUNT;
        const uid_t uid = TRANSIENT_FIRST + n;

        if (used[n] || uid_is_somebodys(uid))
            continue;
        *user = (struct service_user){uid, uid};
        return 0;
    }
    return -EAGAIN;
}
