/* api.c - the method table, and its values to bytes and back. */
#define _GNU_SOURCE /* fmemopen */
#include "api.h"

#include "utf8.h"

#include <errno.h>
#include <string.h>

/* The table.  Each list of fields becomes an array of its own. */
#define REQUEST    WIRE_REQUEST
#define NOTICE     WIRE_NOTICE
#define OPEN       API_OPEN
#define OWNERS     API_OWNERS
#define PRIVILEGED API_PRIVILEGED
#define WRITES     API_WRITES
#define MEASURING  API_MEASURING
#define SLOW       API_SLOW
#define NONE
#define A(type, name) {API_##type, #name},
/* args and results are lists; parentheses around them would not compile.
 * NOLINTBEGIN(bugprone-macro-parentheses) */
#define METHOD(number, name, kind, evidence, marks, args, results, doc) \
    {number, \
     #name, \
     kind, \
     evidence, \
     marks, \
     (const struct api_field[]){args{API_END, NULL}}, \
     (const struct api_field[]){results{API_END, NULL}}, \
     doc},
/* NOLINTEND(bugprone-macro-parentheses) */

const struct api_method api_methods[] = {
#include "api.def"
    {.name = NULL},
};

const size_t api_method_count = sizeof api_methods / sizeof *api_methods - 1;

const struct api_field api_error_fields[] = {
    {API_I32, "errno"}, {API_STRING, "message"}, {API_END, NULL}};

const struct api_method *
api_by_number(uint16_t number)
{
    /* In order, from 1 on: no number is left out (see test_wire.c). */
    if (number == 0 || number > api_method_count)
        return NULL;
    return &api_methods[number - 1];
}

/* Not inline, as ipc_find(). */
__attribute__((noinline)) const struct api_method *
api_by_name(const char *name)
{
    for (size_t i = 0; i < api_method_count; i++)
        if (strcmp(api_methods[i].name, name) == 0)
            return &api_methods[i];
    return NULL;
}

/* Bytes that a value of this type takes, without the text of a STRING. */
static size_t
fixed_size(enum api_type type)
{
    static const size_t size[] = {
        [API_U32] = 4,    [API_U64] = 8,   [API_I32] = 4, [API_I64] = 8,
        [API_STRING] = 2, [API_BYTES] = 4, [API_FD] = 0,
    };

    return size[type];
}

static bool
is_text(const char *at, size_t len)
{
    return len == 0 || (memchr(at, '\0', len) == NULL && utf8_valid(at, len));
}

/* Bytes and nothing else are what echo, sink and source carry: all that a
 * benchmark sends, and the most of what anybody sends who sends much.  They do
 * not go through the loops below. */
static bool
are_only_bytes(const struct api_field *fields)
{
    return fields[0].type == API_BYTES && fields[1].type == API_END;
}

static ssize_t
encode_bytes(const struct api_value *v, uint8_t *buf, size_t cap)
{
    if (cap < 4 || v->len > cap - 4 || v->len > UINT32_MAX)
        return -EMSGSIZE;
    put32(buf, (uint32_t)v->len);
    if (v->len > 0 && v->at != (char *)buf + 4)
        memmove(buf + 4, v->at, v->len); /* may overlap: scratch */
    return (ssize_t)(4 + v->len);
}

static int
decode_bytes(const uint8_t *buf, size_t len, struct api_value *v)
{
    if (len < 4 || get32(buf) != len - 4)
        return -EBADMSG;
    v->at = (const char *)buf + 4;
    v->len = len - 4;
    return 0;
}

size_t
api_size(const struct api_field *fields, const struct api_value *values)
{
    size_t size = 0;

    for (; fields->type != API_END; fields++, values++) {
        size += fixed_size(fields->type);
        if (fields->type == API_STRING || fields->type == API_BYTES)
            size += values->len;
    }
    return size;
}

ssize_t
api_encode(const struct api_field *fields, const struct api_value *values,
           void *buf, size_t cap)
{
    uint8_t *p = buf;

    if (are_only_bytes(fields))
        return encode_bytes(values, buf, cap);
    for (; fields->type != API_END; fields++, values++) {
        size_t left = cap - (size_t)(p - (uint8_t *)buf);
        size_t size = fixed_size(fields->type);

        if (left < size)
            return -EMSGSIZE;
        switch (fields->type) {
        case API_U32:
        case API_I32:
            put32(p, values->u32);
            break;
        case API_U64:
        case API_I64:
            put64(p, values->u64);
            break;
        case API_STRING:
            if (values->len > UINT16_MAX || !is_text(values->at, values->len))
                return -EINVAL;
            put16(p, (uint16_t)values->len);
            break;
        case API_BYTES:
            if (values->len > UINT32_MAX)
                return -EMSGSIZE;
            put32(p, (uint32_t)values->len);
            break;
        case API_FD:
        case API_END:
            break;
        }
        p += size;
        if (fields->type == API_STRING || fields->type == API_BYTES) {
            if (left - size < values->len)
                return -EMSGSIZE;
            if (values->len > 0 && values->at != (char *)p)
                memmove(p, values->at, values->len); /* may overlap: scratch */
            p += values->len;
        }
    }
    return p - (uint8_t *)buf;
}

int
api_decode(const struct api_field *fields, const void *buf, size_t len, int fd,
           struct api_value *values)
{
    const uint8_t *p = buf;
    size_t left = len;

    if (are_only_bytes(fields))
        return decode_bytes(buf, len, values);
    for (; fields->type != API_END; fields++, values++) {
        size_t size = fixed_size(fields->type);

        *values = (struct api_value){.u64 = 0};
        if (left < size)
            return -EBADMSG;
        switch (fields->type) {
        case API_U32:
        case API_I32:
            values->u32 = get32(p);
            break;
        case API_U64:
        case API_I64:
            values->u64 = get64(p);
            break;
        case API_STRING:
            values->len = get16(p);
            break;
        case API_BYTES:
            values->len = get32(p);
            break;
        case API_FD:
            values->fd = fd;
            break;
        case API_END:
            break;
        }
        p += size;
        left -= size;
        if (fields->type == API_STRING || fields->type == API_BYTES) {
            if (left < values->len)
                return -EBADMSG;
            values->at = (const char *)p;
            if (fields->type == API_STRING && !is_text(values->at, values->len))
                return -EBADMSG;
            p += values->len;
            left -= values->len;
        }
    }
    return left == 0 ? 0 : -EBADMSG;
}

static const char *
type_name(enum api_type type)
{
    static const char *const name[] = {
        [API_END] = "",        [API_U32] = "u32",       [API_U64] = "u64",
        [API_I32] = "i32",     [API_I64] = "i64",       [API_STRING] = "string",
        [API_BYTES] = "bytes", [API_FD] = "descriptor",
    };

    return name[type];
}

static void
print_fields(FILE *out, const struct api_field *fields)
{
    for (const struct api_field *f = fields; f->type != API_END; f++)
        fprintf(out, "%s%s: %s", f == fields ? "" : ", ", f->name,
                type_name(f->type));
}

void
api_signature(const struct api_method *m, char *buf, size_t size)
{
    FILE *out = fmemopen(buf, size, "w");

    buf[0] = '\0';
    if (out == NULL)
        return;
    fprintf(out, "%s(", m->name);
    print_fields(out, m->args);
    fputs(")", out);
    if (m->kind == WIRE_REQUEST) {
        fputs(" -> ", out);
        if (m->results->type == API_END)
            fputs("nothing", out);
        print_fields(out, m->results);
    }
    fclose(out);
    buf[size - 1] = '\0';
}

void
api_needs(const struct api_method *m, char *buf, size_t size)
{
    snprintf(buf, size, "%s%s", ipc_evidence_name(m->evidence),
             m->marks & API_PRIVILEGED ? ", and a policy rule that allows it"
             : m->marks & API_OWNERS   ? ", and to be root, the server's user, "
                                         "or allowed by a policy rule"
                                       : "");
}

/* A word for programs and the audit, and what it means. */
static const struct {
    const char *word, *meaning;
} statuses[] = {
    [WIRE_OK] = {"ok", "ok"},
    [WIRE_OS_ERROR] = {"os-error", "the system refused"},
    [WIRE_DENIED] = {"denied", "denied"},
    [WIRE_NO_METHOD] = {"no-method", "no such method"},
    [WIRE_BAD_ARGS] = {"bad-args", "bad arguments"},
    [WIRE_BAD_VERSION] = {"bad-version", "another version of the protocol"},
    [WIRE_TOO_LARGE] = {"too-large", "too large for this mechanism"},
    [WIRE_BUSY] = {"busy", "busy: ask again later"},
};

_Static_assert(sizeof statuses / sizeof *statuses == WIRE_STATUSES,
               "each status has its name");

const char *
api_status_name(uint32_t status)
{
    return status < WIRE_STATUSES ? statuses[status].meaning : "unknown status";
}

const char *
api_status_word(uint32_t status)
{
    return status < WIRE_STATUSES ? statuses[status].word : "unknown";
}
