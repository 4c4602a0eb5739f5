/*
 * example.c - a program outside the tree that calls a server:
 *
 *      cc -o example example.c $(pkg-config --cflags --libs ipclab)
 *      ipcd -m socket/stream & ./example
 */
#include <client.h>
#include <rundir.h>
#include <stdio.h>
#include <string.h>

int
main(void)
{
    const struct ipc_mechanism *m = ipc_find("socket/stream");
    const struct api_value world = {.at = "World", .len = strlen("World")};
    char dir[ENDPOINT_SIZE], where[ENDPOINT_SIZE];
    struct client client;
    struct reply reply;
    int err;

    rundir_default(dir); /* or the directory of ipcd --run-dir */
    endpoint_name(m, dir, where);
    err = client_open(&client, m, where);
    if (err == 0) {
        err = client_call(&client, API_METHOD(hello), &world, &reply,
                          INT64_C(5000000000)); /* ns */
        if (err == 0 && reply.status == WIRE_OK)
            printf("%.*s\n", (int)reply.results[0].len, reply.results[0].at);
        client_close(&client);
    }
    if (err < 0)
        fprintf(stderr, "%s: %s\n", where, strerror(-err));
    return err < 0 || reply.status != WIRE_OK;
}
