/* mpi_messages.c - the messages between the relay and its server. */
#include "mpi_messages.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>

/* How long a nap is, ns: an idle server looks a thousand times a second. */
#define NAP NS_PER_MS

bool
mpi_take(MPI_Comm peer, struct ipc_message *msg, int *tag)
{
    MPI_Message message;
    MPI_Status status;
    int found, len;

    MPI_Improbe(0, MPI_ANY_TAG, peer, &found, &message, &status);
    if (!found)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &len);
    /* Longer than any frame: MPI_ERR_TRUNCATE, the end of the job. */
    if ((size_t)len > msg->cap)
        len = (int)msg->cap;
    MPI_Mrecv(msg->buf, len, MPI_BYTE, &message, &status);
    msg->len = (size_t)len;
    msg->fd = -1;
    *tag = status.MPI_TAG;
    return true;
}

void
mpi_say_bye(MPI_Comm peer)
{
    MPI_Send(NULL, 0, MPI_BYTE, 0, BYE, peer);
}

void
mpi_rest(int fd, int other, int64_t since)
{
    struct pollfd p[] = {{.fd = fd, .events = POLLIN},
                         {.fd = other, .events = POLLIN}};
    int64_t now = now_ns();

    if (now - since < EAGER)
        sched_yield();
    else
        poll_until(p, 2, now + NAP);
}

void
mpi_hello(char text[HELLO_SIZE], pid_t pid)
{
    char host[MPI_MAX_PROCESSOR_NAME];
    int len;

    MPI_Get_processor_name(host, &len);
    snprintf(text, HELLO_SIZE, "%d %s", (int)pid, host);
}
