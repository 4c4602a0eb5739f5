/* by_hand.c - messages of all three variants, written by hand. */
#define _GNU_SOURCE /* kill */
#include "by_hand.h"

#include <errno.h>
#include <limits.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct message message;

const char *const all[] = {"msgq/sysv-types", "msgq/sysv-private",
                           "msgq/posix"};

const char *
need_sysv(void)
{
    return need_mechanism(ipc_find("msgq/sysv-private"));
}

const char *
need_posix(void)
{
    return need_mechanism(ipc_find("msgq/posix"));
}

const char *
need_sysv_root(void)
{
    return need_sysv() != NULL ? need_sysv() : need_root();
}

/* -- System V queues ------------------------------------------------------- */

int
make_queue(void)
{
    int queue = msgget(IPC_PRIVATE, 0600);

    ck_assert_int_ne(queue, -1);
    return queue;
}

void
remove_queue(int queue)
{
    ck_assert_int_eq(msgctl(queue, IPC_RMID, NULL), 0);
}

int
put(int queue, long type, const void *text, size_t len)
{
    message.type = type;
    memcpy(message.text, text, len);
    return msgsnd(queue, &message, len, IPC_NOWAIT) == -1 ? errno : 0;
}

ssize_t
get(int queue, size_t size, long type, int flags)
{
    ssize_t n = msgrcv(queue, &message, size, type, IPC_NOWAIT | flags);

    return n == -1 ? -errno : n;
}

struct msqid_ds
look_at(int queue)
{
    struct msqid_ds ds;

    ck_assert_int_eq(msgctl(queue, IPC_STAT, &ds), 0);
    return ds;
}

/* -- the server, and what is sent to it ------------------------------------ */

void *
shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert(p != MAP_FAILED);
    return p;
}

int
listed_queue(const char *where, int line)
{
    FILE *in = fopen(where, "re");
    int queue = -1;

    ck_assert_ptr_nonnull(in);
    for (int i = 0; i <= line; i++)
        ck_assert_int_eq(fscanf(in, "%d %*d %*d", &queue), 1);
    fclose(in);
    return queue;
}

struct hand *
make_hand(const struct ipc_mechanism *m, const char *where, uid_t claim)
{
    struct hand *h = shared(sizeof *h);

    *h = (struct hand){.m = m, .claim = claim};
    strcpy(h->where, where);
    if (m != ipc_find("msgq/posix"))
        h->queue = listed_queue(where, 0);
    return h;
}

void
start_server(struct host *s, const char *mechanism, const char *program)
{
    struct host_options options = {.cpu = -1, .quiet = 1};
    char path[PATH_MAX];

    ck_assert_int_eq(program_path(program, path, sizeof path), 0);
    options.ipcd = path;
    ck_assert_int_eq(host_start(s, ipc_find(mechanism), run_dir, &options), 0);
}

int
place(const char *name)
{
    int i = 0;

    while (ipc_registry[i] != ipc_find(name))
        i++;
    return i;
}

void
wait_for_the_server(struct host *s)
{
    struct client honest;

    client_start(s, &honest);
    expect_echo(&honest, 1);
    client_close(&honest);
}

void
stop_server(const struct host *s)
{
    int status;

    ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(s->pid, &status, WUNTRACED), s->pid);
    ck_assert(WIFSTOPPED(status));
}

size_t
whoami_frame(uint8_t frame[WIRE_HEADER])
{
    return raw_frame(frame, API_whoami, 7, NULL, 0);
}

int64_t
uid_in(const uint8_t *reply)
{
    const uint8_t *p = reply + WIRE_HEADER;

    return (int64_t)get64(p + 2 + get16(p) + 8);
}

void
fill(void *arg)
{
    const struct hand *h = arg;

    for (size_t len = 1024; len > 0; len /= 2)
        while (put(h->queue, 77, message.text, len) == 0)
            continue;
}

void
take_all(void *arg)
{
    const struct hand *h = arg;

    while (get(h->queue, sizeof message.text, 0, MSG_NOERROR) >= 0)
        continue;
}

void
make_reply(void *arg)
{
    struct hand *h = arg;

    h->reply = make_queue();
}

const char *
queue_name(const char *where, const char *suffix)
{
    static char name[ENDPOINT_SIZE + 16];

    ck_assert_int_eq(endpoint_flat(where, name), 0);
    return strcat(name, suffix);
}

bool
is_asleep(pid_t pid)
{
    char path[64], state = '?';
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    in = fopen(path, "re");
    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(fscanf(in, "%*d (%*[^)]) %c", &state), 1);
    fclose(in);
    return state == 'S';
}
