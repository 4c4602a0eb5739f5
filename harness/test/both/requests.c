/* requests.c - requests by hand: where in them what stands. */
#define _GNU_SOURCE /* SCM_CREDENTIALS, SOL_SOCKET */
#include "test/both/requests.h"

#include "../../../msgq/sysv_queue.h"
#include "core/clock.h"
#include "core/rendezvous.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- frames --------------------------------------------------------------- */

size_t
make_frame(uint8_t frame[WIRE_HEADER], uint16_t method)
{
    const struct wire_header h = {
        .kind = WIRE_REQUEST, .method = method, .id = 7};

    wire_encode(&h, frame);
    return WIRE_HEADER;
}

size_t
make_call(uint8_t frame[REQUEST_ROOM], const char *method,
          const struct api_value *args)
{
    const struct api_method *m = api_by_name(method);
    ssize_t n = api_encode(m->args, args, frame + WIRE_HEADER,
                           REQUEST_ROOM - WIRE_HEADER);

    if (n < 0)
        return 0;
    make_frame(frame, m->number);
    put32(frame + 8, (uint32_t)n); /* length */
    return WIRE_HEADER + (size_t)n;
}

int64_t
uid_in_frame(const uint8_t *frame, size_t len)
{
    struct api_value v[API_MAX_FIELDS];
    struct wire_header h;

    if (wire_decode(frame, len, 0, &h) != 0 || h.status != WIRE_OK ||
        api_decode(api_by_name("whoami")->results, frame + WIRE_HEADER,
                   len - WIRE_HEADER, -1, v) != 0)
        return -2;
    return v[2].i64;
}

/* -- what stands before a frame ------------------------------------------- */

/* Where the parts begin; 0xff: elsewhere (the type of a System V message, the
 * length of a message), or not at all. */
#define NOWHERE 0xff

static const struct format {
    const char *mechanism, *mark;
    uint8_t len, kind, replies, nonce, size;
} formats[] = {
    {"fifo/perclient", "FIFO", 4, 6, 8, 16, 32},
    {"msgq/posix", "", NOWHERE, NOWHERE, 0, 8, 24},
    {"msgq/sysv-private", "", NOWHERE, NOWHERE, 0, 4, 20},
    {"msgq/sysv-types", "", NOWHERE, 8, 0, NOWHERE, 12},
};

static const struct format *
format_of(const char *mechanism)
{
    const struct format *f = formats;

    while (strcmp(f->mechanism, mechanism) != 0)
        f++;
    return f;
}

/* Numbers are little-endian: a short one and zeros are a long one. */
size_t
make_request(const struct request *r, enum request_kind kind, const void *body,
             size_t len, uint8_t *to)
{
    const struct format *f = format_of(r->mechanism);

    memset(to, 0, f->size);
    memcpy(to, f->mark, strlen(f->mark));
    put64(to + f->replies, r->replies);
    if (f->len != NOWHERE)
        put16(to + f->len, (uint16_t)(f->size + len));
    if (f->kind != NOWHERE)
        put16(to + f->kind, (uint16_t)kind);
    if (f->nonce != NOWHERE)
        memcpy(to + f->nonce, r->nonce, NONCE_SIZE);
    memcpy(to + f->size, body, len);
    return f->size + len;
}

size_t
make_join(const struct request *r, uint32_t who, uint8_t to[REQUEST_SIZE])
{
    uint8_t id[4];

    put32(id, who);
    return make_request(r, JOIN, id, sizeof id, to);
}

size_t
make_whoami(const struct request *r, uint8_t to[REQUEST_SIZE])
{
    uint8_t frame[WIRE_HEADER];
    size_t len = make_frame(frame, API_whoami);

    return make_request(r, MESSAGE, frame, len, to);
}

/* -- System V's ids ------------------------------------------------------- */

/* proc(5), /proc/sysvipc/msg: the key, the id ... */
static int
marked_id(void)
{
    FILE *in = fopen("/proc/sysvipc/msg", "re");
    int key, id, found = -1;

    if (in == NULL || fscanf(in, "%*[^\n]") == EOF)
        return -1;
    while (found == -1 && fscanf(in, "%d %d %*[^\n]", &key, &id) == 2)
        if (((unsigned)key & 0xffff0000u) == QUEUE_MARK)
            found = id;
    fclose(in);
    return found;
}

int
listed_id(const char *where, unsigned client)
{
    char line[64];

    if (client != 0)
        return marked_id();
    if (endpoint_lookup(where, "queue", line, sizeof line) != 0)
        return -1;
    return atoi(line);
}

int
register_this(const char *where, const struct registration *r)
{
    struct registry registry;
    int err = registry_open(&registry, where);

    if (err != 0)
        return err;
    err = registration_send(&registry, r, NO_DEADLINE, NULL, NULL);
    registry_close(&registry);
    return err;
}

/* PID.SERIAL of a POSIX queue, or id or type of a System V one. */
int
register_as(const char *where, uint64_t replies, uid_t uid, pid_t pid)
{
    const struct registration r = {
        .uid = uid,
        .pid = pid != 0 ? (uint32_t)pid : (uint32_t)replies,
        .serial = (uint32_t)(replies >> 32),
        .id = {(uint32_t)replies, (uint32_t)(replies >> 32)}};

    return register_this(where, &r);
}

int
register_ids(const char *where, int first, int second, uid_t uid)
{
    const struct registration r = {.uid = uid,
                                   .pid = (uint32_t)getpid(),
                                   .id = {(uint32_t)first, (uint32_t)second}};

    return register_this(where, &r);
}

/* -- beside a message ----------------------------------------------------- */

#define MOST 253 /* descriptors at once: unix(7), SCM_MAX_FD */

ssize_t
send_beside(int socket, int type, const void *data, size_t len)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(MOST * sizeof(int))];
    } control = {.room = {0}};
    uint8_t frame[WIRE_HEADER];
    struct iovec bytes = {.iov_base = frame,
                          .iov_len = make_frame(frame, API_whoami)};
    struct msghdr m = {.msg_iov = &bytes,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(len)};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = type;
    control.header.cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(&control.header), data, len);
    return sendmsg(socket, &m, MSG_NOSIGNAL);
}
