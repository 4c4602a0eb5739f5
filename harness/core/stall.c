/* stall.c - has a client made us wait? */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "stall.h"

#include "clock.h"
#include "defence.h"

#include <sys/resource.h>

int64_t stall_limit = 500 * NS_PER_MS;

static long
preempted(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : -1;
}

void
stall_look(struct stall *s)
{
    s->preempted = preempted();
}

void
stall_begin(struct stall *s)
{
    s->began = now_ns();
}

bool
stall_end(const struct stall *s, struct sessions *all, uid_t uid)
{
    int64_t now = now_ns();

    if (DEFENCE("stall", now - s->began <= stall_limit, true))
        return false;
    if (preempted() == s->preempted)
        sessions_bar(all, uid, now);
    else
        sessions_fault(all, uid, now);
    return true;
}
