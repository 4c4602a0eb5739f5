/*
 * witness.c - what became of next() and reply() in the server (witness.h): a
 * line each on standard error, where a student sees it, and the grader finds
 * it:
 *
 *      witness: next() brought 118 bytes, of which the header says 110: ...
 */
#define _GNU_SOURCE /* strerrorname_np */
#include "lab/witness.h"

#include "core/wire.h"

#include <stdio.h>
#include <string.h>

#define MOST 20 /* who is flooded need not say each of them */

static void
say_bytes(const struct ipc_message *msg)
{
    struct wire_header h = {.kind = WIRE_REQUEST};
    const char *why = wire_explain(msg->buf, msg->len, msg->fd != -1);

    fprintf(stderr, "witness: next() brought %zu bytes", msg->len);
    if (msg->len >= WIRE_HEADER && wire_decode_header(msg->buf, &h) == 0 &&
        h.length != msg->len - WIRE_HEADER)
        fprintf(stderr, ", and the header in them says %zu\n",
                WIRE_HEADER + (size_t)h.length);
    else if (why != NULL)
        fprintf(stderr, ", which are no frame: %s\n", why);
    else
        fprintf(stderr, ", which are %s\n",
                h.kind == WIRE_REPLY ? "a reply: the server's own has come back"
                                     : "no request");
}

void
witness(const char *call, int result, const struct ipc_message *msg)
{
    static int said;

    if (said++ >= MOST)
        return;
    if (msg != NULL)
        say_bytes(msg);
    else
        fprintf(stderr, "witness: %s() returned -%s (%s)\n", call,
                strerrorname_np(-result), strerror(-result));
}
