/*
 * requests.h - requests by hand, for who knows the formats and need not keep to
 * the rules.  The attacks use it, and the mechanisms' own tests; so there are
 * no assertions in it, and what fails says so.
 *
 * Where clients have no connection, each request says whom it is from, and is
 * believed only with a nonce; the frame comes behind that:
 *
 *                          0        4        8        12        28   32
 *      fifo/perclient      | FIFO   | len,kind | replies  | nonce    | frame
 *      msgq/posix          | replies  |  nonce   | frame
 *      msgq/sysv-private   | replies | nonce   | frame
 *      msgq/sysv-types     | replies | kind    | frame
 *
 * In those of msgq one joins by a registration (core/rendezvous.h).
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "core/api.h"
#include "core/owner.h"
#include "core/rendezvous.h"
#include "core/wire.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* -- frames --------------------------------------------------------------- */

/* A request without arguments, number 7; returns WIRE_HEADER. */
size_t make_frame(uint8_t frame[WIRE_HEADER], uint16_t method);

/* One with arguments; its length, or 0: there is no room for them. */
#define REQUEST_ROOM 1024 /* bytes */
size_t make_call(uint8_t frame[REQUEST_ROOM], const char *method,
                 const struct api_value *args);

/* Whom the server takes us for, in its reply to whoami; -2: it is none. */
int64_t uid_in_frame(const uint8_t *frame, size_t len);

/* -- what stands before a frame ------------------------------------------- */

enum request_kind { JOIN = 1, MESSAGE = 2 };

#define REQUEST_PREFIX 32 /* bytes, the most */
#define REQUEST_SIZE   (REQUEST_PREFIX + WIRE_HEADER + 4)

/* Of whoever writes it, or whom he says that he is. */
struct request {
    const char *mechanism;
    uint64_t replies;          /* the name of a FIFO or queue, as a number */
    uint8_t nonce[NONCE_SIZE]; /* of zeros: not joined */
};

/* "PID.SERIAL" is the name of a reply FIFO or POSIX queue. */
#define REPLIES(pid, serial) ((uint64_t)(serial) << 32 | (uint32_t)(pid))

/* Returns the length of the whole; to has room for it. */
size_t make_request(const struct request *r, enum request_kind kind,
                    const void *body, size_t len, uint8_t *to);

/* "Those replies are for me, and I am ..."  Not of msgq. */
size_t make_join(const struct request *r, uint32_t who,
                 uint8_t to[REQUEST_SIZE]);

/* "Who am I?" */
size_t make_whoami(const struct request *r, uint8_t to[REQUEST_SIZE]);

/* -- System V's ids ------------------------------------------------------- */

/* 0: the server's queue; 1: a client's, the first there is (msgq/sysv_queue.h).
 * -1: there is none. */
int listed_id(const char *where, unsigned client);

/* "Those replies are for me, I am uid, and my process is pid", in one of msgq:
 * the replies as in struct request.  0 or -errno. */
int register_as(const char *where, uint64_t replies, uid_t uid, pid_t pid);

/* Registers at the server at this endpoint, as any client may (rendezvous.h):
 * "these are mine, and I am uid".  The server has looked at it when a client
 * who came after it is in.  0 or -errno. */
int register_this(const char *where, const struct registration *r);
int register_ids(const char *where, int first, int second, uid_t uid);

/* -- beside a message ----------------------------------------------------- */

/* "Who am I?", with control data of our own making; as sendmsg(2). */
ssize_t send_beside(int socket, int type, const void *data, size_t len);

#endif
