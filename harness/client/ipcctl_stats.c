/* ipcctl_stats.c - what a server has done, and who has what of what is counted.
 *
 * A message of some mechanisms has no room for a table, so it is asked for line
 * by line.  Meanwhile others go on: the lines need not be of one moment. */
#include "client/ipcctl.h"

#include <inttypes.h>
#include <stdlib.h>

static void
print_line(const struct api_value *kind, const char *uid, uint64_t used,
           uint64_t quota, const struct api_value *unit)
{
    print_text(stdout, kind);
    printf("%*s %8s %10" PRIu64 " of %" PRIu64,
           kind->len < 12 ? (int)(12 - kind->len) : 0, "", uid, used, quota);
    if (unit != NULL) {
        putchar(' ');
        print_text(stdout, unit);
    }
    putchar('\n');
}

/* One call of a method whose argument is an index.  0, or the exit status that
 * is left after a refusal, or client_call()'s error. */
static int
ask(struct client *c, const char *method, uint32_t index, struct reply *r)
{
    const struct api_method *m = api_by_name(method);
    const struct api_value arg = {.u32 = index};
    int err = client_call(c, m, &arg, r, options.timeout_ns);

    if (err != 0)
        return err;
    return r->status == WIRE_OK ? 0 : print_reply(m, r);
}

static int
print_users(struct client *c)
{
    uint32_t count = 1;
    struct reply r;

    for (uint32_t i = 0; i < count; i++) {
        int err = ask(c, "usage", i, &r);
        char uid[24];

        if (err != 0)
            return err;
        count = r.results[0].u32;
        snprintf(uid, sizeof uid, "%" PRId64, r.results[1].i64);
        if (i < count)
            print_line(&r.results[2], uid, r.results[3].u64, r.results[4].u64,
                       NULL);
    }
    return 0;
}

/* What one user may have, and what all have. */
static int
print_kinds(struct client *c)
{
    uint32_t count = 1;
    struct reply r;

    for (uint32_t i = 0; i < count; i++) {
        int err = ask(c, "quota", i, &r);

        if (err != 0)
            return err;
        count = r.results[0].u32;
        print_line(&r.results[1], "you", r.results[3].u64, r.results[4].u64,
                   &r.results[2]);
        print_line(&r.results[1], "all", r.results[5].u64, r.results[6].u64,
                   &r.results[2]);
    }
    return 0;
}

int
stats_of(struct client *c, const struct api_method *method)
{
    struct reply r;
    int err = client_call(c, method, NULL, &r, options.timeout_ns);

    if (err != 0)
        return err;
    err = print_reply(method, &r);
    if (err == 0)
        err = print_kinds(c);
    if (err == 0)
        err = print_users(c);
    return err;
}
