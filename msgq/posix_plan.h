/*
 * posix_plan.h - how large and how deep POSIX queues can be here, and the queue
 * for requests, made so.
 *
 * The limits, and who sets them (mq_overview(7)):
 *
 *      fs.mqueue.msg_max        messages in a queue      the machine's root
 *      fs.mqueue.msgsize_max    bytes in a message       the machine's root
 *      RLIMIT_MSGQUEUE          bytes in all queues of a user, counted as if
 *                               they were full           `ulimit -q`
 *
 * So deep queues mean few clients, and the plan is a compromise between size,
 * depth and number.
 */
#ifndef MSGQ_POSIX_PLAN_H
#define MSGQ_POSIX_PLAN_H

#include <stdbool.h>
#include <stddef.h>

struct posix_plan {
    size_t size;            /* of a message, bytes */
    long replies, requests; /* depth of the queues, messages */
    unsigned clients;       /* of one user, at once */
};

/* -EMFILE: this user may not have enough, as mq_open(3) would say. */
int posix_plan(struct posix_plan *p);

/* Makes the request queue, or takes over what an activator has made; everybody
 * may write there, or our own user.  A descriptor, or -errno;
 * -EMSGSIZE: the activator's is of another size. */
int posix_make_requests(const char *queue_name, const struct posix_plan *p,
                        bool everybody);

/* Why there can be no such queue here, or NULL. */
const char *posix_unavailable(void);

#endif
