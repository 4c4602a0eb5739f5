/* handover.c - descriptors from the supervisor to the confined server. */
#define _GNU_SOURCE /* O_CLOEXEC, SOCK_CLOEXEC */
#include "server/handover.h"

#include "core/defence.h"
#include "server/lines.h"
#include "server/settings.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* O_NONBLOCK: a FIFO in its place must not make us wait. */
static const int flags[HANDOVER_FILES] = {
    [HANDOVER_POLICY] = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
    [HANDOVER_AUDIT] = LINES_FLAGS,
};

struct parcel {
    enum handover file;
    int error; /* of open(2); 0: a descriptor comes with it */
};

static int from = -1;

static struct {
    int fd, error;
} arrived[HANDOVER_FILES] = {{.fd = -1}, {.fd = -1}};

int
handover_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
        return -errno;
    /* One way: what a child left there would be the supervisor's to close, and
     * a socket that lingers is not closed at once. */
    return DEFENCE("oneway", shutdown(ends[0], SHUT_RD), 0) == -1 ? -errno : 0;
}

void
handover_from(int end)
{
    from = end;
}

/* -- supervisor ----------------------------------------------------------- */

/* A child that has not taken the last ones in yet will not miss these. */
static void
send_file(int to, enum handover file, const char *path)
{
    int fd = open(path, flags[file], 0600);
    struct parcel parcel = {.file = file, .error = fd == -1 ? errno : 0};

    send_with_fd(to, &parcel, sizeof parcel, fd, MSG_DONTWAIT);
    if (fd != -1)
        close(fd);
}

void
handover_send(int end)
{
    if (settings.policy != NULL)
        send_file(end, HANDOVER_POLICY, settings.policy);
    if (settings.audit != NULL)
        send_file(end, HANDOVER_AUDIT, settings.audit);
}

/* -- its child ------------------------------------------------------------ */

/* Nobody but the supervisor has the other end, so what comes is what it should
 * be; but our table of descriptors may be full. */
static int
receive(void)
{
    struct parcel parcel = {.error = 0};
    int fd,
        err = receive_with_fd(from, &parcel, sizeof parcel, &fd, MSG_DONTWAIT);

    if (err != 0 && err != -EMFILE)
        return err;
    if (err == 0 && fd == -1 && parcel.error == 0)
        parcel.error = EMFILE;
    if (err == -EMFILE)
        parcel.error = EMFILE;
    if (arrived[parcel.file].fd != -1)
        close(arrived[parcel.file].fd);
    arrived[parcel.file].fd = fd;
    arrived[parcel.file].error = parcel.error;
    return 0;
}

int
handover_open(enum handover file, const char *path)
{
    int fd, error;

    while (from != -1 && receive() == 0)
        ; /* signals melt into one; the last is the newest */
    fd = arrived[file].fd;
    error = arrived[file].error;
    arrived[file].fd = -1;
    arrived[file].error = 0;
    if (fd == -1 && error == 0)
        return open(path, flags[file], 0600);
    errno = error;
    return fd;
}
