/*
 * handover.h - what a confined process may not open any more, its supervisor
 * opens for it: the policy and the audit, at each SIGHUP.
 *
 *      supervisor, root                        its child, the service user
 *      handover_send(): opens both  ---------> (descriptors, SCM_RIGHTS)
 *      passes SIGHUP on             ---------> handover_open(): takes its own
 *
 * One way only: the supervisor reads nothing from its children.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

enum handover { HANDOVER_POLICY, HANDOVER_AUDIT, HANDOVER_FILES };

/* A pair, before fork(2): ends[0] is the supervisor's, ends[1] the child's.  0
 * or -errno. */
int handover_pair(int ends[2]);

/* In the child: its end.  (Who has none opens all by itself.) */
void handover_from(int end);

/* Opens what settings.h names and sends it, or why it cannot. */
void handover_send(int end);

/* As open(2), with the flags that are right for this file: the descriptor that
 * was sent last and not taken yet; if there is none, opens path itself. */
int handover_open(enum handover file, const char *path);

#endif
