/*
 * clients.c - the clients of a test (test.h), and programs.
 */
#define _GNU_SOURCE /* memfd_create */
#include "test.h"

#include "test/asked.h"
#include "test/both/must.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- other processes ------------------------------------------------------- */

_Noreturn void
broken(const char *file, int line, const char *condition)
{
    ck_abort_msg("%s:%d: %s does not hold (errno: %s)", file, line, condition,
                 strerror(errno));
}

int64_t
known_gid(void)
{
    const struct passwd *user = getpwuid(geteuid());

    return user != NULL ? (int64_t)user->pw_gid : -1;
}

void
children_end(void)
{
    while (waitpid(-1, NULL, 0) != -1 || errno == EINTR)
        continue;
    ck_assert_int_eq(errno, ECHILD);
}

#define MAX_ARGS 32

static void
read_back(int fd, char *text, size_t size)
{
    ssize_t n = pread(fd, text, size - 1, 0);

    text[n < 0 ? 0 : n] = '\0';
    close(fd);
}

/* The copies go with the process: exec takes pointers to what may be
 * changed. */
static void __attribute__((noreturn))
run(const char *path, const char *program, va_list args)
{
    char *argv[MAX_ARGS] = {strdup(program)};

    for (int i = 1; i < MAX_ARGS - 1; i++) {
        const char *arg = va_arg(args, const char *);

        if (arg == NULL)
            break;
        argv[i] = strdup(arg);
    }
    execv(path, argv);
    perror(path);
    _exit(127);
}

void
run_program(struct output *o, const char *program, ...)
{
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);
    char path[PATH_MAX];
    va_list args;
    pid_t pid;

    ck_assert(out != -1 && err != -1);
    ck_assert_int_eq(program_path(program, path, sizeof path), 0);
    va_start(args, program);
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        setenv("IPCLAB_DIR", run_dir, 1);
        dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        run(path, program, args);
    }
    va_end(args);
    while (waitpid(pid, &o->status, 0) == -1)
        ck_assert_int_eq(errno, EINTR);
    o->status = WIFEXITED(o->status) ? WEXITSTATUS(o->status)
                                     : 128 + WTERMSIG(o->status);
    read_back(out, o->out, sizeof o->out);
    read_back(err, o->err, sizeof o->err);
}

/* -- clients --------------------------------------------------------------- */

int
client_try(struct host *h, struct client *c)
{
    const int64_t usual = ipc_open_timeout;
    int err;

    ipc_open_timeout = CALL_TIMEOUT;
    err = host_client(h, c);
    ipc_open_timeout = usual;
    return err;
}

/* The last message that a client has received. */
static size_t came;

static void
see(const struct ipc_message *msg, bool sent, const char *why)
{
    (void)why;
    if (!sent)
        came = msg->len;
}

void
client_start(struct host *h, struct client *c)
{
    int err;

    doing("a client of this server", "open()");
    err = client_try(h, c);
    if (err != 0)
        is_unexpected("%s", result_name(err));
}

/* Of a message that is no reply: what is wrong with it. */
static const char *
what_came(const struct client *c, int err)
{
    static char text[160];
    struct wire_header h;

    text[0] = '\0';
    if (err != -EPROTO || c->why == NULL)
        return text;
    if (c->watch == see && came >= WIRE_HEADER &&
        wire_decode_header(c->buf, &h) == 0 && h.length != came - WIRE_HEADER)
        snprintf(text, sizeof text,
                 ": recv() brought %zu bytes, and the header in them says %zu",
                 came, WIRE_HEADER + (size_t)h.length);
    else if (c->watch == see && came == 0 && c->why[0] == 'l')
        snprintf(text, sizeof text, ": recv() returned -EBADMSG");
    else if (c->watch == see)
        snprintf(text, sizeof text, ": recv() brought %zu bytes: %s", came,
                 c->why);
    return text;
}

void
expect_call(struct client *c, const char *method, const struct api_value *args,
            uint32_t status, struct reply *r)
{
    int err;

    if (c->watch == NULL)
        c->watch = see;
    doing(api_status_name(status), "the call %s: send(), recv()", method);
    err = client_call(c, api_by_name(method), args, r, CALL_TIMEOUT);
    if (err != 0)
        is_unexpected("%s%s", result_name(err), what_came(c, err));
    if (r->status != status)
        is_unexpected("%s %.*s", api_status_name(r->status),
                      r->status == WIRE_OK ? 0 : (int)r->message.len,
                      r->message.at);
}

void
expect_echo(struct client *c, size_t size)
{
    const size_t mine = (size_t)getpid();
    uint8_t *data = calloc(1, size + 1);
    struct api_value arg = bytes_value(data, size);
    struct reply r;
    int err;

    ck_assert_ptr_nonnull(data);
    if (c->watch == NULL)
        c->watch = see;
    /* Different for each process and size. */
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 31 + size + mine);
    doing("the same bytes", "a call of echo, with %zu bytes: send(), recv()",
          size);
    err = client_call(c, api_by_name("echo"), &arg, &r, CALL_TIMEOUT);
    if (err != 0)
        is_unexpected("%s%s", result_name(err), what_came(c, err));
    if (r.status != WIRE_OK)
        is_unexpected("the status %s", api_status_name(r.status));
    if (r.results[0].len != size)
        is_unexpected("%zu bytes", (size_t)r.results[0].len);
    if (size > 0 && memcmp(r.results[0].at, data, size) != 0)
        is_unexpected("%zu other bytes", size);
    free(data);
}

void
expect_cut_off(struct client *c)
{
    struct reply r;
    int err;

    doing(result_name(-EPIPE), "recv(), after a message that the server has to "
                               "cut its sender off for");
    do
        err = client_recv(c, &r, CALL_TIMEOUT);
    while (err == 0 || err == -EPROTO);
    if (err != -EPIPE)
        is_unexpected("%s", result_name(err));
}

size_t
echo_room(const struct client *c)
{
    return c->limits.max_msg - WIRE_HEADER - sizeof(uint32_t);
}

struct api_value
string_value(const char *s)
{
    return bytes_value(s, strlen(s));
}

struct api_value
bytes_value(const void *p, size_t n)
{
    return (struct api_value){.at = p, .len = n};
}

int
value_is(const struct api_value *v, const char *s)
{
    return v->len == strlen(s) && memcmp(v->at, s, v->len) == 0;
}

size_t
raw_frame(uint8_t *buf, uint16_t method, uint64_t id, const void *payload,
          size_t size)
{
    const struct wire_header h = {.kind = WIRE_REQUEST,
                                  .method = method,
                                  .length = (uint32_t)size,
                                  .id = id};

    wire_encode(&h, buf);
    if (size > 0)
        memcpy(buf + WIRE_HEADER, payload, size);
    return WIRE_HEADER + size;
}

int
raw_send(struct client *c, const void *bytes, size_t len, int fd)
{
    struct ipc_message msg = {.cap = len, .len = len, .fd = fd};
    void *copy = malloc(len + 1);
    int err;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    msg.buf = copy;
    err = ipc_send(c->m, &c->limits, c->state, &msg, CALL_TIMEOUT);
    free(copy);
    return err;
}
