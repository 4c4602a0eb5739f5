/*
 * api.h - the methods of the service, as a table made from api.def, and the
 * encoding of their arguments and results.
 *
 * On the wire the fields stand one after the other, without padding:
 *      U32 U64 I32 I64   little-endian, two's complement
 *      STRING            u16 length, then so many bytes of UTF-8, no NUL
 *      BYTES             u32 length, then so many bytes
 *      FD                nothing: the descriptor travels beside the message
 */
#ifndef API_H
#define API_H

#include "ipc.h"
#include "wire.h"

#include <stdio.h>

enum api_type {
    API_END,
    API_U32,
    API_U64,
    API_I32,
    API_I64,
    API_STRING,
    API_BYTES,
    API_FD,
};

#define API_MAX_FIELDS 8

/* Who may call a method, and what the audit makes of it: api.def explains each.
 * With neither of the first two it is open. */
enum api_marks {
    API_OPEN = 0,
    API_OWNERS = 1 << 0,
    API_PRIVILEGED = 1 << 1,
    API_WRITES = 1 << 2,
    API_MEASURING = 1 << 3,
    API_SLOW = 1 << 4,
};

struct api_field {
    enum api_type type; /* API_END ends the list */
    const char *name;
};

struct api_method {
    uint16_t number;
    const char *name;
    enum wire_kind kind;        /* WIRE_REQUEST or WIRE_NOTICE */
    enum ipc_evidence evidence; /* the least that will do */
    unsigned marks;             /* enum api_marks */
    const struct api_field *args, *results;
    const char *doc;
};

/* One value.  STRING and BYTES point into somebody's buffer; a STRING is not
 * NUL-terminated. */
struct api_value {
    union {
        uint32_t u32;
        uint64_t u64;
        int32_t i32;
        int64_t i64;
        int fd;
        struct {
            const char *at;
            size_t len; /* bytes */
        };
    };
};

/* In order of number, ended by one whose name is NULL. */
extern const struct api_method api_methods[];
extern const size_t api_method_count;

/* The numbers on the wire: API_hello, API_whoami ... */
enum api_number {
#define METHOD(number, name, kind, evidence, marks, args, results, doc) \
    API_##name = (number),
#include "api.def"
#undef METHOD
};

/* The one that is called so: API_METHOD(echo). */
#define API_METHOD(name) (&api_methods[API_##name - 1])

const struct api_method *api_by_number(uint16_t number); /* or NULL */
const struct api_method *api_by_name(const char *name);  /* or NULL */

/*
 * Encodes values after fields into buf.  FD takes no room.
 * Returns the bytes used, -EMSGSIZE if cap is too small, -EINVAL if a STRING
 * is longer than 65535 bytes, holds a NUL or is not UTF-8.
 */
ssize_t api_encode(const struct api_field *fields,
                   const struct api_value *values, void *buf, size_t cap);

/* The bytes that api_encode() uses for these values, if it encodes them. */
size_t api_size(const struct api_field *fields, const struct api_value *values);

/*
 * Decodes exactly len bytes into values, which point into buf.  FD fields get
 * fd.  -EBADMSG if they do not fit together: too short, trailing bytes, a NUL
 * in a STRING, or what is not UTF-8.
 */
int api_decode(const struct api_field *fields, const void *buf, size_t len,
               int fd, struct api_value *values);

/* The fields of the payload of a reply whose status is not 0:
 * I32 errno (0 if no system call failed), STRING message. */
extern const struct api_field api_error_fields[];

/* "read_file(path: string, offset: u64) -> data: bytes", at most size bytes
 * with the NUL. */
void api_signature(const struct api_method *m, char *buf, size_t size);

/* "K3 and a policy rule": what a caller must have. */
void api_needs(const struct api_method *m, char *buf, size_t size);

/* What wire_status means, in words; and its name, one word: "no-method". */
const char *api_status_name(uint32_t status);
const char *api_status_word(uint32_t status);

/* The protocol page, complete; harness/core/PROTOCOL.md is its output. */
void api_protocol_page(FILE *out);

#endif
