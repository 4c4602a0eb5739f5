/* stall.c - has a client made us wait? */
#include "stall.h"

#include "clock.h"
#include "defence.h"

int64_t stall_limit = 500 * NS_PER_MS;

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
    sessions_stall(all, uid, now);
    return true;
}
