/*
 * ipcctl_trace.c - what goes over the mechanism, frame by frame:
 *
 *   -> request hello(name="World"), id 17, 39 bytes
 *   <- reply hello(greeting="Hello World"), ok, id 17, 45 bytes
 *   <- refused: no magic number; 32 bytes: 48 54 54 50 2f 31 2e 31 ...
 */
#include "client/ipcctl.h"

#include <inttypes.h>

/* Of a text, and of a frame that is refused, bytes that are shown. */
#define SHOWN 40

static void
show_value(const struct api_field *f, const struct api_value *v)
{
    struct api_value shown = *v;

    fprintf(stderr, "%s=", f->name);
    switch (f->type) {
    case API_U32:
        fprintf(stderr, "%" PRIu32, v->u32);
        break;
    case API_U64:
        fprintf(stderr, "%" PRIu64, v->u64);
        break;
    case API_I32:
        fprintf(stderr, "%" PRId32, v->i32);
        break;
    case API_I64:
        fprintf(stderr, "%" PRId64, v->i64);
        break;
    case API_STRING:
    case API_BYTES:
        shown.len = v->len < SHOWN ? v->len : SHOWN;
        fputc('"', stderr);
        print_text(stderr, &shown);
        fprintf(stderr, shown.len < v->len ? "\"... %zu bytes" : "\"", v->len);
        break;
    case API_FD:
        fprintf(stderr, "descriptor %d", v->fd);
        break;
    case API_END:
        break;
    }
}

static void
show_fields(const struct api_field *fields, const struct ipc_message *msg)
{
    struct api_value v[API_MAX_FIELDS];
    const uint8_t *payload = (const uint8_t *)msg->buf + WIRE_HEADER;

    if (api_decode(fields, payload, msg->len - WIRE_HEADER, msg->fd, v) != 0) {
        fputs("(?)", stderr); /* the reason is said */
        return;
    }
    fputc('(', stderr);
    for (size_t i = 0; fields[i].type != API_END; i++) {
        if (i > 0)
            fputs(", ", stderr);
        show_value(&fields[i], &v[i]);
    }
    fputc(')', stderr);
}

static void
show_bytes(const struct ipc_message *msg)
{
    const uint8_t *p = msg->buf;

    fprintf(stderr, "; %zu bytes:", msg->len);
    for (size_t i = 0; i < msg->len && i < SHOWN; i++)
        fprintf(stderr, " %02x", p[i]);
    fputs(msg->len > SHOWN ? " ...\n" : "\n", stderr);
}

void
trace_frame(const struct ipc_message *msg, bool sent, const char *why)
{
    static const char *const kind[] = {"request", "reply", "notice"};
    const struct api_method *method;
    struct wire_header h;

    fputs(sent ? "-> " : "<- ", stderr);
    if (why != NULL)
        fprintf(stderr, "refused: %s", why);
    if (wire_decode(msg->buf, msg->len, msg->fd != -1, &h) != 0) {
        show_bytes(msg);
        return;
    }
    method = api_by_number(h.method);
    fprintf(stderr, "%s%s ", why != NULL ? "; " : "", kind[h.kind]);
    if (method != NULL)
        fputs(method->name, stderr);
    else
        fprintf(stderr, "method %u", h.method);
    if (h.kind == WIRE_REPLY && h.status != WIRE_OK)
        show_fields(api_error_fields, msg);
    else if (method != NULL)
        show_fields(h.kind == WIRE_REPLY ? method->results : method->args, msg);
    if (h.kind == WIRE_REPLY)
        fprintf(stderr, ", %s", api_status_name(h.status));
    fprintf(stderr, ", id %" PRIu64, h.id);
    if (why != NULL)
        show_bytes(msg);
    else
        fprintf(stderr, ", %zu bytes\n", msg->len);
}
