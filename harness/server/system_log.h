/*
 * system_log.h - lines for the system log, facility authpriv: to standard error
 * if systemd reads that (its unit says which facility), else to /dev/log.
 */
#ifndef SYSTEM_LOG_H
#define SYSTEM_LOG_H

#include <stddef.h>

/* Turns it on.  0, or why neither is there: it is tried again for each line. */
int system_log_open(void);
void system_log_close(void);

/* At a level of syslog(3), len bytes (at most LINES_SIZE) without a newline.  0
 * when the log has them, else -errno; -EBADF: it is not on. */
int system_log_write(int level, const char *line, size_t len);

#endif
