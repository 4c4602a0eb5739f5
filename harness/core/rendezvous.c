/* rendezvous.c - how a client and a server find each other: names, and
 * registration.  client_dir.c has NAME.d. */
#define _GNU_SOURCE /* getrandom, O_NOFOLLOW, struct ucred */
#include "rendezvous.h"

#include "ancillary.h"
#include "clock.h"
#include "defence.h"
#include "quota.h"
#include "records.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* -- names ----------------------------------------------------------------- */

#define FRESH_PREFIX "/ipclab-"
#define FRESH_DIGITS 16

static const char *
last_part(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash != NULL ? slash + 1 : name;
}

int
endpoint_fresh(const char *name, char fresh[ENDPOINT_SIZE])
{
    uint64_t random;
    int n;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return -errno;
    n = snprintf(fresh, ENDPOINT_SIZE, FRESH_PREFIX "%016" PRIx64 "-%s", random,
                 last_part(name));
    return n < 0 || n >= ENDPOINT_SIZE ? -ENAMETOOLONG : 0;
}

int
endpoint_probe(char fresh[ENDPOINT_SIZE], int index)
{
    char probe[32];

    snprintf(probe, sizeof probe, "probe-%d", index);
    if (DEFENCE("fresh", false, true)) { /* as textbooks have it */
        snprintf(fresh, ENDPOINT_SIZE, "/ipclab-%d-%s", (int)getpid(), probe);
        return 0;
    }
    return endpoint_fresh(probe, fresh);
}

bool
endpoint_is_fresh(const char *name, const char *fresh)
{
    const size_t prefix = strlen(FRESH_PREFIX);

    return strncmp(fresh, FRESH_PREFIX, prefix) == 0 &&
           strspn(fresh + prefix, "0123456789abcdef") == FRESH_DIGITS &&
           fresh[prefix + FRESH_DIGITS] == '-' &&
           strcmp(fresh + prefix + FRESH_DIGITS + 1, last_part(name)) == 0;
}

/* Made under another name first, and then given its own: rename(2) is all or
 * nothing for whoever looks. */
static int
write_line(const char *path, const char *key, const char *value,
           struct object_id *id)
{
    int fd, err;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1)
        return -errno;
    err = object_id_of(fd, id);
    if (err == 0 && (dprintf(fd, "%s %s\n", key, value) < 0 ||
                     fchmod(fd, 0644) == -1)) /* whatever the umask */
        err = -errno;
    close(fd);
    return err;
}

int
endpoint_publish(const char *name, const char *key, const char *value,
                 struct object_id *id)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(name, ".new", path);

    if (err != 0)
        return err;
    err = write_line(path, key, value, id);
    if (err == 0 && rename(path, name) == -1)
        err = -errno;
    if (err != 0)
        unlink(path);
    return err;
}

int
endpoint_hold(const char *name)
{
    int fd = open(name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

    return fd == -1 ? -errno : fd;
}

int
endpoint_rewrite(int held, const char *key, const char *value)
{
    char line[ENDPOINT_SIZE + 32];
    const size_t n = (size_t)snprintf(line, sizeof line, "%s %s\n", key, value);

    if (n >= sizeof line)
        return -ENAMETOOLONG;
    return pwrite(held, line, n, 0) == (ssize_t)n ? 0 : -EIO;
}

/* The rest of the line that begins with the key. */
static int
find_line(const char *text, const char *key, char *value, size_t size)
{
    size_t len = strlen(key);

    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n");

        if (n > len && strncmp(line, key, len) == 0 && line[len] == ' ') {
            if (n - len - 1 >= size)
                return -ENOENT;
            memcpy(value, line + len + 1, n - len - 1);
            value[n - len - 1] = '\0';
            return 0;
        }
        line += n + (line[n] == '\n');
    }
    return -ENOENT;
}

int
endpoint_publish_objects(const char *name, const char *key, const char *value,
                         struct object_id *id)
{
    char lines[ENDPOINT_SIZE + 32];
    int n = snprintf(lines, sizeof lines, "%s\nword %zu", value, sizeof(long));

    if (n < 0 || (size_t)n >= sizeof lines)
        return -ENAMETOOLONG;
    return endpoint_publish(name, key, lines, id);
}

int
endpoint_same_word(const char *name)
{
    char word[16];
    int err = endpoint_lookup(name, "word", word, sizeof word);

    if (err != 0)
        return err;
    return strtoul(word, NULL, 10) == sizeof(long) ? 0 : -EPROTONOSUPPORT;
}

int
endpoint_lookup(const char *name, const char *key, char *value, size_t size)
{
    char text[512];
    struct stat st;
    ssize_t n = 0;
    int err = 0;
    /* O_NONBLOCK: whatever it may be, opening it does not make us wait. */
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1)
        return errno == ELOOP || errno == ENXIO ? -EPERM : -errno;
    if (fstat(fd, &st) == -1)
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = -EPERM;
    else
        err = endpoint_trusted(name, st.st_uid);
    if (err == 0 && (n = read(fd, text, sizeof text - 1)) == -1)
        err = -errno;
    close(fd);
    if (err != 0)
        return err;
    text[n] = '\0';
    return find_line(text, key, value, size);
}

int
endpoint_unlink(const char *name, const char *suffix,
                const struct object_id *id)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(name, suffix, path);

    return err != 0 ? err : object_unlink(AT_FDCWD, path, id);
}

/* -- registration: the record ---------------------------------------------- */

static const uint8_t mark[4] = {'J', 'O', 'I', 'N'};

void
registration_encode(const struct registration *r,
                    uint8_t bytes[REGISTRATION_SIZE])
{
    memcpy(bytes, mark, sizeof mark);
    put32(bytes + 4, r->uid);
    put32(bytes + 8, r->pid);
    put32(bytes + 12, r->serial);
    put32(bytes + 16, r->id[0]);
    put32(bytes + 20, r->id[1]);
    put64(bytes + 24, 0);
}

bool
registration_decode(const uint8_t bytes[REGISTRATION_SIZE],
                    struct registration *r)
{
    if (memcmp(bytes, mark, sizeof mark) != 0 || get64(bytes + 24) != 0)
        return false;
    *r = (struct registration){.uid = get32(bytes + 4),
                               .pid = get32(bytes + 8),
                               .serial = get32(bytes + 12),
                               .id = {get32(bytes + 16), get32(bytes + 20)}};
    return true;
}

/* -- registration: server -------------------------------------------------- */

/* A socket that takes what anybody sends, each stamped with who sent it, and no
 * descriptors.  Both are asked for before it has a name: what comes earlier has
 * no stamp.  The mode of its file is what the socket's was when it was
 * bound. */
static int
make_socket(const char *path, mode_t mode)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const int on = 1;
    int bound,
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1)
        return -errno;
    strcpy(at.sun_path, path); /* ENDPOINT_SIZE is its size */
    ancillary_refuse_descriptors(fd);
    bound = setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1 ||
                    (unlink(path) == -1 && errno != ENOENT) ||
                    fchmod(fd, 0600) == -1
                ? -1
                : bind(fd, (struct sockaddr *)&at, sizeof at);
    if (bound == 0 && chmod(path, mode) == 0) /* whatever the umask */
        return fd;
    bound = -errno;
    close(fd);
    return bound;
}

int
registrar_make(struct registrar *r, const char *name, bool everybody)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(name, ".join", path);

    *r = (struct registrar){.fd = -1, .life = -1};
    if (err != 0)
        return err;
    r->life = life_make(name, everybody);
    if (r->life < 0)
        return r->life;
    r->fd = make_socket(path, everybody ? 0622 : 0600);
    if (r->fd < 0) {
        life_end(name, r->life);
        return r->fd;
    }
    err = object_id_at(path, &r->id);
    if (err != 0)
        registrar_remove(r, name);
    return err;
}

/* Takes one datagram: 1 = a registration, 0 = something else, -EAGAIN = there
 * is none. */
static int
take_datagram(struct registrar *r, struct registration *next)
{
    uint8_t bytes[REGISTRATION_SIZE + 1];
    struct iovec data = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    struct ancillary beside;
    ssize_t n;

    /* A stranger's descriptor may take long to close: not in our time. */
    if (ancillary_look(r->fd, &m, &beside)) {
        drain_datagram(r->fd, beside.who.uid);
        return 0;
    }
    data.iov_len = sizeof bytes;
    n = ancillary_receive(r->fd, &m, &beside);
    if (n < 0)
        return -EAGAIN;
    if (beside.fd != -1)
        ancillary_discard(beside.fd);
    if (n != REGISTRATION_SIZE || !registration_decode(bytes, next))
        return 0;
    next->sender = DEFENCE("sender", beside.who.uid, next->uid);
    return quota_is_privileged(next->sender) ||
           quota_take(next->sender, QUOTA_JOINING, 1, now_ns()) == 0;
}

int
registrar_next(struct registrar *r, struct registration *next)
{
    int got = 0;

    for (int i = 0; i < REGISTRATIONS_A_TURN && got == 0; i++)
        got = take_datagram(r, next);
    r->more = got >= 0;
    return got == 1;
}

void
registrar_joined(const struct registration *r)
{
    if (!quota_is_privileged(r->sender))
        quota_give(r->sender, QUOTA_JOINING, 1);
}

unsigned
registrar_take(struct registrar *r, struct registration *next, unsigned n)
{
    unsigned got = 0;

    while (got < n && registrar_next(r, &next[got]) == 1)
        got++;
    return got;
}

void
registrar_remove(struct registrar *r, const char *name)
{
    endpoint_unlink(name, ".join", &r->id);
    close(r->fd);
    life_end(name, r->life);
    r->fd = r->life = -1;
}

int
registrar_sweep(const char *name)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(name, ".join", path);

    return err != 0 ? err : swept_both(endpoint_sweep(path), life_sweep(name));
}

/* -- registration: client -------------------------------------------------- */

/* A socket that sends to NAME.join of the server that is there now: a later
 * one's is another one. */
static int
connect_to(const char *where)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd, err = endpoint_file(where, ".join", at.sun_path);
    struct stat st;

    if (err != 0)
        return err;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -errno;
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == -1 ||
        lstat(at.sun_path, &st) == -1)
        err = errno == EPROTOTYPE ? -EPERM : -errno;
    else
        err = endpoint_trusted(where, st.st_uid);
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

int
registry_open(struct registry *r, const char *where)
{
    r->life = life_watch(where);
    if (r->life < 0)
        return r->life;
    r->join = connect_to(where);
    if (r->join >= 0)
        return 0;
    close(r->life);
    return r->join;
}

void
registry_close(struct registry *r)
{
    close(r->join);
    close(r->life);
}

/* How long one waits for room before one rings again, ns. */
#define RING_AGAIN NS_PER_MS

int
registration_send(const struct registry *to, const struct registration *r,
                  int64_t deadline, void (*ring)(void *), void *arg)
{
    uint8_t bytes[REGISTRATION_SIZE];
    struct iovec data = {.iov_base = bytes, .iov_len = sizeof bytes};
    int64_t again = 0; /* there is room, nearly always */
    int err;

    registration_encode(r, bytes);
    for (;;) {
        if (ring == NULL || again > deadline)
            again = deadline;
        err = record_send(to->join, &data, 1, -1, again);
        if (err != -ETIMEDOUT || time_left(deadline) == 0)
            return err;
        ring(arg);
        again = deadline_in(RING_AGAIN);
    }
}

void
registry_ring(const struct registry *to)
{
    send(to->join, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int
registration_alive(const struct registry *r)
{
    return life_check(r->life);
}
