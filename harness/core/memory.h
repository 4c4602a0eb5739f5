/*
 * memory.h - bytes that a client and a server have in common: what a client
 * brings along for itself and the server, and what a server shows to all.
 *
 *      sealed_memory   memfd_create(2): no name, and a size that stays
 *      client_files    NAME.d/PID.SERIAL, until both have it open
 *      shared_page     POSIX shared memory of the server's, a random name
 *
 * The owner of a file can make every write(2) of ours to it wait: it holds the
 * file's lock in the kernel while it punches a gigabyte out of the file, or
 * writes from a buffer whose pages do not come (stall.h).  A store into a
 * mapping of sealed size waits for nobody.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "owner.h"
#include "rendezvous.h"

#include <stddef.h>

/* -- a client's ------------------------------------------------------------ */

struct client_memory {
    /* client: a descriptor of new bytes, of zeros, all there, mode 0600; or
     * -errno.  Into *r goes by what the server finds it; into path the name
     * that is to be unlinked when the server has it open; "": none. */
    int (*make)(const char *where, size_t size, struct registration *r,
                char path[PATH_MAX]);

    /* server: which of these are surely not there, or not whose they say: bit i
     * is 0.  At most OBJECT_CLAIMS. */
    uint32_t (*glance)(const struct registration *r, unsigned n);

    /* server: opens it, and says whose it is.  size 0: may have any. */
    int (*open)(const struct client_dir *dir, const struct registration *r);
    int (*check)(int fd, size_t size, uid_t claimed, struct ipc_peer *peer);

    /* server: writes where it has not mapped it (within the first page). */
    int (*write)(int fd, size_t at, const void *what, size_t size);
};

extern const struct client_memory sealed_memory, client_files;

/* Fills in who we are: pid and a random serial.  0 or -errno. */
int registration_begin(struct registration *r, uid_t claimed);

/* Maps it for reading and writing, with all its pages there, so that nobody
 * pays for the first touch in the middle of a conversation.  NULL, errno. */
void *memory_map(int fd, size_t size, int prot);

/* -- a server's ------------------------------------------------------------ */

struct shared_page {
    int fd;
    char name[ENDPOINT_SIZE];
    struct object_id id, endpoint_id;
};

/* NULL, or why there is no POSIX shared memory here. */
const char *shm_unavailable(void);

/* Makes one of so many bytes, mode 0600, under a name that nobody can have
 * known before.  publish() writes the name into the endpoint file.  0 or
 * -errno. */
int shared_page_make(struct shared_page *p, const char *endpoint, size_t size);
int shared_page_publish(struct shared_page *p, const char *endpoint);
void shared_page_remove(struct shared_page *p, const char *endpoint);

/* Removes what a killed server left.  1 = there was something, 0, -errno. */
int shared_page_sweep(const char *endpoint);

/* Client: a descriptor, O_RDONLY or O_RDWR, of exactly this size and of the run
 * directory's owner; or -errno. */
int shared_page_open(const char *where, int flags, size_t size);

#endif
