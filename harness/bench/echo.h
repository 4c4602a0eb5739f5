/*
 * echo.h - bare echoes: the system calls of a mechanism, and nothing else.
 *
 *      client                        server (a fork)
 *      put(n bytes)    ----------->  take
 *      take            <-----------  put
 *
 * As many bytes as the protocol sends, its header with the payload, but nobody
 * writes a header or reads one; no nonce, no time limit, one client.  What a
 * variant needs more than the bare echo of its own mechanism, in the same round
 * at the same place, is what the protocol costs.
 */
#ifndef ECHO_H
#define ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum side { CLIENT, SERVER, SIDES };

struct bare {
    const char *dir; /* for names in the file system */
    bool together;   /* both sides share a CPU: do not spin */
    size_t size;     /* of a message, bytes */
    struct {
        int in, out; /* descriptors, or -1 */
    } end[SIDES];
    int queue;           /* System V */
    void *page;          /* shared memory; and how many this side has */
    uint32_t put, taken; /* put into it and taken out of it */
};

struct bare_echo {
    const char *name;           /* "floor/fifo" */
    int (*make)(struct bare *); /* 0 or -errno, and then nothing is left */
    int (*put)(struct bare *, enum side, const char *buf);
    int (*take)(struct bare *, enum side, char *buf);
};

extern const struct bare_echo bare_echoes[]; /* ended by a NULL name */

/* Closes what make() made, on either side. */
void bare_close(struct bare *b);

/* The name of the bare echo with the same system calls, as the mechanism's
 * table has it, or NULL; also if there is no such mechanism in this build. */
const char *echo_floor_for(const char *mechanism);

/* The name of the bare echo that does the same and is not told who sent a
 * message, or NULL: the difference between both is the price of being told. */
const char *echo_plain(const char *floor);

/* The name of the bare one-way floor of a mechanism whose bare echo is a page
 * of shared memory, or NULL. */
const char *echo_way_for(const char *mechanism);

/* Is there a bare echo of that name? */
bool echo_is_known(const char *name);

/* -- echo_ends.c ----------------------------------------------------------- */

int ends_pipes(struct bare *b);
int ends_fifos(struct bare *b);
int ends_streams(struct bare *b);
int ends_records(struct bare *b);
int ends_datagrams(struct bare *b);
int ends_told_records(struct bare *b);
int ends_told_datagrams(struct bare *b);
int ends_tcp(struct bare *b);
int ends_udp(struct bare *b);
int ends_queue(struct bare *b);
int ends_posix_queues(struct bare *b);
int ends_page(struct bare *b);

#endif
