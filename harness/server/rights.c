/*
 * rights.c - which of root's capabilities a daemon still needs when it is root
 * no more: as data, each with its reason.  harness/test/test_drop.c tries
 * every mechanism with these, and finds out that fewer would not do.
 */
#include "server/confine.h"

#include "core/api.h"
#include "server/policy.h"

#include <linux/capability.h>
#include <string.h>

/* Opening what a client made for itself alone, mode 0600.  A directory stands
 * for all the mechanisms in it; what is not listed needs nothing: a socket is
 * connected to us, or its address came with the request. */
static const struct {
    const char *mechanism;
    rights needs;
} for_mechanism[] = {
    /* its reply FIFO */
    {"fifo/perclient", RIGHT(DAC_OVERRIDE)},
    /* its file */
    {"mmap/file", RIGHT(DAC_OVERRIDE)},
    /* and takes it off the directory, or would meet it there again */
    {"mmap/lockfile", RIGHT(DAC_OVERRIDE) | RIGHT(FOWNER)},
    /* our own queue, which now is another user's and only for writing to, and
     * its reply queue; msgq/sysv-types has only the one queue, for everybody */
    {"msgq/sysv-private", RIGHT(IPC_OWNER)},
    /* its reply queue: a file, of the file system mqueue */
    {"msgq/posix", RIGHT(DAC_OVERRIDE)},
    /* our set and its sets */
    {"sem/values", RIGHT(IPC_OWNER)},
    /* its semaphores and its letter: files in /dev/shm */
    {"sem/mailbox", RIGHT(DAC_OVERRIDE)},
    /* its segment, and the semaphores beside it */
    {"shm/sysv", RIGHT(IPC_OWNER)},
    /* its memory: a descriptor of its process, /proc/PID/fd */
    {"shm/futex", RIGHT(DAC_OVERRIDE) | RIGHT(SYS_PTRACE)},
    {"shm/spin", RIGHT(DAC_OVERRIDE) | RIGHT(SYS_PTRACE)},
    /* its memory: a file in /dev/shm */
    {"shm/mutex", RIGHT(DAC_OVERRIDE)},
    {"shm/reclock", RIGHT(DAC_OVERRIDE) | RIGHT(FOWNER)}, /* likewise */
};

/* What a method does for its caller.  Only where the mechanism can prove who
 * that is, for elsewhere nobody is allowed to call it; and what is privileged, only
 * where the policy at the start has a rule that allows it to somebody. */
static const struct {
    const struct api_method *method;
    rights needs;
} for_method[] = {
    /* open_as.c's worker becomes the caller.  It never becomes root, with these
     * or without: filter.c. */
    {API_METHOD(read_file), RIGHT(SETUID) | RIGHT(SETGID)},
    {API_METHOD(open_file), RIGHT(SETUID) | RIGHT(SETGID)},
    /* In the UTS namespace that we have made.  It belongs to the first user
     * namespace all the same, so this right would do much more than rename:
     * what keeps it to that is the list of system calls. */
    {API_METHOD(set_hostname), RIGHT(SYS_ADMIN)},
    /* of another user's process, and upwards */
    {API_METHOD(set_priority), RIGHT(SYS_NICE)},
    {API_METHOD(bind_port), RIGHT(NET_BIND_SERVICE)},
};

rights
rights_needed(const struct ipc_mechanism *m)
{
    struct policy *policy;
    rights all = 0;

    for (size_t i = 0; i < sizeof for_mechanism / sizeof *for_mechanism; i++)
        if (strncmp(m->name, for_mechanism[i].mechanism,
                    strlen(for_mechanism[i].mechanism)) == 0)
            all |= for_mechanism[i].needs;
    /* A trusting mechanism offers such methods only to its owner, for whom
     * nobody has to be become. */
    if (m->caps & (IPC_ONEWAY | IPC_TRUSTING))
        return all;
    policy = policy_hold();
    for (size_t i = 0; i < sizeof for_method / sizeof *for_method; i++) {
        const struct api_method *method = for_method[i].method;

        if (method->evidence <= m->evidence && policy_offers(policy, method))
            all |= for_method[i].needs;
    }
    policy_release(policy);
    return all;
}
