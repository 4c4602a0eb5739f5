/* attack_fifo_room.c - FIFOs: what stands in the one that all share. */
#define _GNU_SOURCE /* F_GETPIPE_SZ */
#include "test/attack/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX 32 /* bytes of a record before its body: fifo/record.h */

/* -- 17: stray bytes ------------------------------------------------------ */

static void
write_ten_bytes(void *arg)
{
    int fifo = open(arg, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    MUST(fifo != -1);
    MUST(write(fifo, "ten bytes!", 10) == 10);
    close(fifo);
}

/* The textbook's server: a record is sizeof(struct request) bytes. */
static bool
counts_in_records(const char *path)
{
    struct {
        char mark[4];
        uint32_t pid;
    } honest = {"ask", 1}, got;
    int fifo = open(path, O_RDWR | O_CLOEXEC);

    MUST(fifo != -1);
    as_user(BOB, write_ten_bytes, (void *)(uintptr_t)path);
    MUST(write(fifo, &honest, sizeof honest) == sizeof honest);
    MUST(read(fifo, &got, sizeof got) == sizeof got); /* his, and wrong */
    MUST(read(fifo, &got, sizeof got) == sizeof got);
    close(fifo);
    return memcmp(&got, &honest, sizeof got) == 0;
}

static bool
puts_in_stray_bytes(bool naive)
{
    struct host server;
    char path[PATH_MAX];
    bool served;

    if (naive) {
        snprintf(path, sizeof path, "%s/requests", stage_dir);
        MUST(mkfifo(path, 0622) == 0 && chmod(path, 0622) == 0);
        return !counts_in_records(path);
    }
    serve(&server, "fifo/perclient");
    as_user(BOB, write_ten_bytes, server.where);
    served = is_served(&server);
    host_stop(&server);
    return !served;
}

/* -- 18: two writers ------------------------------------------------------ */

/* Leaves half a page of room. */
static void
fill(int fifo)
{
    static const char bytes[PIPE_BUF / 2];
    int room = fcntl(fifo, F_GETPIPE_SZ);

    MUST(room > PIPE_BUF);
    for (; room > (int)sizeof bytes; room -= (int)sizeof bytes)
        MUST(write(fifo, bytes, sizeof bytes) == sizeof bytes);
}

static void
bob_fills(void *arg)
{
    int fifo = open(arg, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    MUST(fifo != -1);
    fill(fifo);
    close(fifo);
}

/* Two pages are not written in one piece: what Bob writes next stands between
 * the beginning and the rest. */
static bool
is_torn(void)
{
    static char record[2 * PIPE_BUF];
    char path[PATH_MAX];
    ssize_t begun;
    int fifo;

    snprintf(path, sizeof path, "%s/requests", stage_dir);
    MUST(mkfifo(path, 0600) == 0);
    fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    fill(fifo);
    MUST(read(fifo, record, PIPE_BUF) == PIPE_BUF); /* one page is free */
    begun = write(fifo, record, sizeof record);
    close(fifo);
    return begun > 0 && begun < (ssize_t)sizeof record;
}

/* The longest that a client can send, with room for half of it. */
static bool
sends_with_little_room(void)
{
    static const char data[PIPE_BUF - PREFIX - WIRE_HEADER - 4];
    const struct api_value arg = {.at = data, .len = sizeof data};
    const struct api_method *echo = api_by_name("echo");
    struct host server;
    struct client c;
    struct reply r;
    bool whole;

    serve(&server, "fifo/perclient");
    MUST(host_client(&server, &c) == 0);
    pause_server(&server);
    as_user(BOB, bob_fills, server.where);
    whole = client_send(&c, echo, &arg, NULL, 0) == -ETIMEDOUT;
    resume_server(&server);
    MUST(client_call(&c, echo, &arg, &r, ATTACK_TIMEOUT) == 0);
    whole = whole && r.status == WIRE_OK && r.results[0].len == sizeof data;
    client_close(&c);
    host_stop(&server);
    return whole;
}

static bool
writes_in_between(bool naive)
{
    return naive ? is_torn() : !sends_with_little_room();
}

/* -- 289: no room for another name --------------------------------------- */

static void
bob_makes_names(void *arg)
{
    const struct host *server = arg;
    char path[PATH_MAX + 32];
    unsigned made = 0;
    int err = 0;

    while (err == 0) {
        snprintf(path, sizeof path, "%s.d/%u", server->where, made++);
        err = mkfifo(path, 0600) == -1 ? errno : 0;
    }
    MUST(err == ENOSPC);
}

/* A tmpfs of a few names, for it to be over soon. */
static bool
makes_all_the_names(bool naive)
{
    struct host server;
    struct client in;
    bool served;

    (void)naive;
    MUST(mount(NULL, stage_dir, NULL, MS_REMOUNT, "nr_inodes=2000") == 0);
    serve(&server, this_attack->mechanism);
    MUST(host_client(&server, &in) == 0);
    as_user(BOB, bob_makes_names, &server);
    served = is_served(&server);
    MUST(whoami(&in) == 0);
    client_close(&in);
    host_stop(&server);
    return !served;
}

#define NO_SHARES \
    "a file system has so many names, for all its users together, and " \
    "whoever " \
    "may make one in NAME.d may make all of them. Who is in goes on."

/* -- the table ------------------------------------------------------------ */

#define M .mechanism = "fifo/perclient"

const struct attack fifo_room_attacks[] = {
    {17, M, "ten stray bytes into the request FIFO", .how = "marks, and resync",
     .alone = true, .run = puts_in_stray_bytes},
    {18, M, "writes in the middle of A's record",
     .how = "records up to PIPE_BUF", .alone = true, .run = writes_in_between},
    {289, "fifo/perclient", "makes all the names that there can be",
     .how = "who is in goes on", .cannot = NO_SHARES,
     .run = makes_all_the_names},
    {289, "mmap/lockfile", "makes all the names that there can be",
     .how = "who is in goes on", .cannot = NO_SHARES,
     .run = makes_all_the_names},
    {0},
};
