/*
 * handover.h - what a confined server may not open any more, its supervisor
 * opens for it: the policy and the audit, at each SIGHUP.
 *
 *      supervisor, root                        server, the service user
 *      handover_send(): opens both  ---------> (descriptors, SCM_RIGHTS)
 *      passes SIGHUP on             ---------> handover_open(): takes its own
 *
 * One way only: the supervisor reads nothing from the server.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

enum handover { HANDOVER_POLICY, HANDOVER_AUDIT, HANDOVER_FILES };

/* Before fork(2): 0 or -errno.  After it each side says who it is. */
int handover_begin(void);
void handover_be_supervisor(void);
void handover_be_server(void);

/* Opens what settings.h names and sends it, or why it cannot. */
void handover_send(void);

/* As open(2), with the flags that are right for this file: the descriptor that
 * was sent last and not taken yet; if there is none, opens path itself. */
int handover_open(enum handover file, const char *path);

#endif
