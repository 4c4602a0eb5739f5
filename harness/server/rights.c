/*
 * rights.c - which of root's capabilities a daemon's processes still need when
 * they are root no more: as data, each with its reason.  What a mechanism asks
 * for stands in its own table.  harness/test/test_drop.c tries every mechanism
 * with these, and finds out that fewer would not do.
 */
#include "server/confine.h"

#include "core/api.h"
#include "server/broker.h"
#include "server/policy.h"

#include <linux/capability.h>

/* An endpoint keeps none.  What a client made for itself alone, mode 0600, the
 * broker opens (IPC_USES_OBJECT, IPC_USES_PROC); a socket is connected to us,
 * or its address came with the request; the sets and segments of sem/values and
 * shm/sysv their clients give to our user. */

/* What an endpoint asks the broker for, and what the broker needs for that.
 * Only where the mechanism can prove who its caller is, for elsewhere nobody is
 * allowed to call it; and what is privileged, only where the policy at the
 * start has a rule that allows it to somebody. */
static const struct {
    enum broker_what what;
    const struct api_method *method;
    rights needs;
} to_ask[] = {
    /* A worker becomes the caller.  It never becomes root or another user of
     * the system, with these or without: filter.c. */
    {BROKER_READ, API_METHOD(read_file), RIGHT(SETUID) | RIGHT(SETGID)},
    {BROKER_OPEN, API_METHOD(open_file), RIGHT(SETUID) | RIGHT(SETGID)},
    /* A client's object; and root's, which it does not become. */
    {BROKER_OBJECT, NULL, RIGHT(SETUID) | RIGHT(SETGID) | RIGHT(DAC_OVERRIDE)},
    /* The memory that root's process has open: /proc/PID/fd */
    {BROKER_MEMORY, NULL, RIGHT(SYS_PTRACE)},
    /* In the UTS namespace that we have made.  It belongs to the first user
     * namespace all the same, so this right would do much more than rename:
     * what keeps it to that is the list of system calls. */
    {BROKER_HOSTNAME, API_METHOD(set_hostname), RIGHT(SYS_ADMIN)},
    /* of another user's process, and upwards */
    {BROKER_PRIORITY, API_METHOD(set_priority), RIGHT(SYS_NICE)},
    {BROKER_PORT, API_METHOD(bind_port), RIGHT(NET_BIND_SERVICE)},
};
#define TO_ASK (sizeof to_ask / sizeof *to_ask)

/* A trusting mechanism offers such methods only to its owner, for whom nobody
 * has to be become. */
static bool
offers(const struct ipc_mechanism *m, const struct policy *policy,
       const struct api_method *method)
{
    return !(m->caps & (IPC_ONEWAY | IPC_TRUSTING)) &&
           method->evidence <= m->evidence && policy_offers(policy, method);
}

unsigned
rights_to_ask(const struct ipc_mechanism *m)
{
    struct policy *policy = policy_hold();
    unsigned may = 0;

    for (size_t i = 0; i < TO_ASK; i++)
        if (to_ask[i].method != NULL && offers(m, policy, to_ask[i].method))
            may |= 1u << to_ask[i].what;
    if (m->uses & IPC_USES_OBJECT)
        may |= 1u << BROKER_OBJECT;
    if (m->uses & IPC_USES_PROC)
        may |= 1u << BROKER_MEMORY | 1u << BROKER_GLANCE;
    policy_release(policy);
    return may;
}

/* CAP_DAC_READ_SEARCH: what a rule with path= grants is opened with the
 * server's rights, which root's are no more. */
rights
rights_of_broker(unsigned may_be_asked)
{
    const unsigned files = 1u << BROKER_OPEN | 1u << BROKER_READ;
    struct policy *policy = policy_hold();
    rights all = 0;

    for (size_t i = 0; i < TO_ASK; i++)
        if (may_be_asked >> to_ask[i].what & 1)
            all |= to_ask[i].needs;
    if ((may_be_asked & files) != 0 && policy_has_paths(policy))
        all |= RIGHT(DAC_READ_SEARCH);
    policy_release(policy);
    return all;
}
