/* ipcctl_describe.c - the methods, this build's and the server's. */
#include "client/ipcctl.h"

#include <stdlib.h>
#include <string.h>

static void
describe(const struct api_value *signature, const struct api_value *text,
         const struct api_value *needs)
{
    print_text(stdout, signature);
    fputs("\n    ", stdout);
    print_text(stdout, text);
    fputs("\n    needs ", stdout);
    print_text(stdout, needs);
    putchar('\n');
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
