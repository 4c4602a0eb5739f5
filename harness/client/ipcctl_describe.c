/* ipcctl_describe.c - the methods, this build's and the server's. */
#define _GNU_SOURCE /* open_memstream */
#include "client/ipcctl.h"

#include "core/wrap.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Who reads this from a pipe wants a line for each thing, a person whole words.
 * The lines after the first begin at that column. */
static void
say(const struct api_value *text, int indent)
{
    const int width = isatty(STDOUT_FILENO) ? wrap_columns() : INT_MAX;
    char *line = NULL;
    size_t size;
    FILE *f = open_memstream(&line, &size);

    if (f != NULL) {
        print_text(f, text);
        fclose(f);
        wrap(stdout, line, indent, width);
    }
    free(line);
}

static void
describe(const struct api_value *signature, const struct api_value *text,
         const struct api_value *needs)
{
    say(signature, 8);
    fputs("    ", stdout);
    say(text, 4);
    fputs("    needs ", stdout);
    say(needs, 10);
}

int
describe_own(void)
{
    char buf[256], needs[80];

    if (options.page) {
        api_protocol_page(stdout);
        return EXIT_SUCCESS;
    }
    for (const struct api_method *m = api_methods; m->name != NULL; m++) {
        api_signature(m, buf, sizeof buf);
        api_needs(m, needs, sizeof needs);
        describe(&(struct api_value){.at = buf, .len = strlen(buf)},
                 &(struct api_value){.at = m->doc, .len = strlen(m->doc)},
                 &(struct api_value){.at = needs, .len = strlen(needs)});
    }
    return EXIT_SUCCESS;
}

int
describe_theirs(struct client *c, const struct api_method *method)
{
    struct api_value index = {.u64 = 0};
    uint32_t count = 1;

    for (index.u32 = 0; index.u32 < count; index.u32++) {
        struct reply r;
        int err = client_call(c, method, &index, &r, options.timeout_ns);

        if (err != 0)
            return err;
        if (r.status != WIRE_OK)
            return print_reply(method, &r);
        count = r.results[0].u32;
        describe(&r.results[2], &r.results[3], &r.results[4]);
    }
    return EXIT_SUCCESS;
}
