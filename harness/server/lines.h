/*
 * lines.h - files that only grow, a line at a time: the audit, and what
 * append_log and print write.
 *
 * One line is one write(2) to a file opened O_APPEND, so that lines of several
 * processes do not get into each other, and begins with a newline if what is
 * there does not end in one; a client that can kill the server cannot kill who
 * writes.  And a line is a line whatever a caller puts into it: quote() lets no
 * byte through that could begin another one, or speak to the terminal of
 * whoever reads the file.
 */
#ifndef LINES_H
#define LINES_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>

/* What the audit makes of one, bytes; escaped, a byte has four. */
#define LINES_SIZE 4096

struct lines {
    pthread_mutex_t lock;
    int fd;      /* -1: not open */
    rlim_t most; /* RLIMIT_FSIZE, bytes */
};

#define LINES_CLOSED \
    { \
        .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .most = RLIM_INFINITY \
    }

/* How such a file is opened.  O_RDWR: to look how it ends.  O_NONBLOCK: a FIFO
 * in its place must not make us wait. */
#define LINES_FLAGS \
    (O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | \
     O_CLOEXEC)

/*
 * Opens, or makes with mode 0600, the file at path for appending; if a file is
 * open already, only once the new one is does it take its place.  0, or
 *   -ELOOP    a symbolic link
 *   -EPERM    not a regular file of this user's or root's with one name that
 *             nobody else may write to
 *   or what open(2) says
 */
int lines_open(struct lines *l, const char *path);

/* The same with a file that has been opened so already. */
int lines_take(struct lines *l, int fd);
void lines_close(struct lines *l);

/* Everybody may read it.  0 or -errno. */
int lines_publish(struct lines *l);

/* Empties the file if it has more than so many bytes. */
void lines_bound(struct lines *l, off_t most);

/* Removes such a file if nothing stands in it and nobody has it open by
 * lines_open(), another server, say: whether it did. */
bool lines_remove_empty(const char *path);

/* Appends len bytes, the last of which is a newline, and before them a newline
 * if the file does not end in one.  *offset (may be NULL) is where they begin.
 * 0 or -errno: -EFBIG: the limit of this process, nothing went in; -ENOSPC also
 * when only a part did. */
int lines_append(struct lines *l, const char *line, size_t len,
                 uint64_t *offset);

/*
 * Writes len bytes in double quotes.  Control characters (also those of
 * Unicode, and what changes the direction of writing), quotes, backslashes and
 * whatever is not UTF-8 become \xNN.  Of more than most bytes only the first
 * most, and how many there are: "abc"...(5000 bytes).
 */
void quote(FILE *out, const char *at, size_t len, size_t most);

/* The time of day, UTC: 2026-11-22T13:45:01.123456Z */
#define TIME_SIZE 32
void time_of_day(char text[TIME_SIZE]);

#endif
