/* rendezvous.c - how a client and a server find each other: names, and
 * registration.  client_dir.c has NAME.d. */
#define _GNU_SOURCE /* getrandom, O_NOFOLLOW, renameat */
#include "rendezvous.h"

#include "activation.h"
#include "clock.h"
#include "defence.h"
#include "fifo.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
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
    int n = snprintf(line, sizeof line, "%s %s\n", key, value);

    if (n < 0 || (size_t)n >= sizeof line)
        return -ENAMETOOLONG;
    return pwrite(held, line, (size_t)n, 0) == n ? 0 : -EIO;
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

static int
make(const char *path)
{
    if (unlink(path) == -1 && errno != ENOENT)
        return -errno;
    return fifo_make(path, O_NONBLOCK);
}

int
registrar_make(struct registrar *r, const char *name)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(name, ".join", path);

    *r = (struct registrar){.fd = -1};
    if (err != 0)
        return err;
    r->fd = activation_take(ACTIVATION_FIFO, path);
    if (r->fd == -ENOENT)
        r->fd = make(path);
    else if (r->fd >= 0 && fcntl(r->fd, F_SETFL, O_NONBLOCK) == -1)
        err = -errno;
    if (r->fd < 0)
        return r->fd;
    if (err == 0)
        err = object_id_of(r->fd, &r->id);
    if (err != 0)
        registrar_remove(r, name);
    return err;
}

/* More of what has been written: 1, or 0. */
static int
read_more(struct registrar *r)
{
    ssize_t n;

    memmove(r->in, r->in + r->start, r->end - r->start);
    r->end -= r->start;
    r->start = 0;
    n = read(r->fd, r->in + r->end, sizeof r->in - r->end);
    if (n <= 0)
        return 0;
    r->end += (size_t)n;
    return 1;
}

int
registrar_next(struct registrar *r, struct registration *next)
{
    do {
        while (registrar_pending(r)) {
            const uint8_t *at = r->in + r->start;

            /* Not to its end: somebody may have written the beginning of one
             * to swallow the next one's. */
            r->start++;
            if (registration_decode(at, next))
                return 1;
        }
    } while (read_more(r) == 1);
    return 0;
}

unsigned
registrar_take(struct registrar *r, struct registration *next, unsigned n)
{
    unsigned got = 0;

    while (got < n && registrar_next(r, &next[got]) == 1)
        got++;
    return got;
}

bool
registrar_pending(const struct registrar *r)
{
    return r->end - r->start >= REGISTRATION_SIZE;
}

void
registrar_remove(struct registrar *r, const char *name)
{
    char path[ENDPOINT_SIZE];

    if (endpoint_file(name, ".join", path) == 0 && !activation_owns(path))
        object_unlink(AT_FDCWD, path, &r->id);
    close(r->fd);
    r->fd = -1;
}

int
registrar_listen(const char *name)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(name, ".join", path), fd;

    if (err != 0)
        return err;
    fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    return fd == -1 ? -errno : fd;
}

int
registrar_sweep(const char *name)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(name, ".join", path);

    if (err != 0 || activation_owns(path))
        return err;
    return endpoint_sweep(path);
}

/* -- registration: client -------------------------------------------------- */

int
registration_open(const char *where)
{
    char path[ENDPOINT_SIZE];
    int err = endpoint_file(where, ".join", path);

    return err != 0 ? err : fifo_open(path, where);
}

int
registration_send(int fd, const struct registration *r, int64_t deadline)
{
    uint8_t bytes[REGISTRATION_SIZE];

    registration_encode(r, bytes);
    return fifo_write(fd, bytes, sizeof bytes, deadline);
}

int
registration_alive(int fd)
{
    struct pollfd p = {.fd = fd};

    return poll(&p, 1, 0) == 1 ? -EPIPE : 0;
}
