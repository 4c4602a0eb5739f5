/*
 * settings.h - what the server is told at its start about who may do what,
 * where that is written down, and what is its own.
 *
 * A daemon is told on its command line.  A server that a client starts set-
 * user-ID is told nothing by its client; what it goes by is in root's
 * directories:
 *
 *      /etc/ipclab/policy.conf   --policy, if it is there
 *      /var/log/ipclab/audit     --audit,  if the directory is there
 *      /var/log/ipclab/log       --log
 *      /var/log/ipclab/printed
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <argp.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define SETTINGS_POLICY  "/etc/ipclab/policy.conf"
#define SETTINGS_LOG_DIR "/var/log/ipclab"

/* In the run directory, if nothing else is said.  A confined server has both
 * from its start. */
#define SETTINGS_LOG  "append.log"
#define SETTINGS_TRAY "printed"

struct settings {
    const char *policy, *audit; /* paths; NULL: none */
    char log[PATH_MAX];         /* of append_log; "": SETTINGS_LOG */
    char tray[PATH_MAX];        /* of print: SETTINGS_TRAY */
    bool host_uts;              /* set_hostname may rename the machine */
    ino_t first_uts;            /* the UTS namespace that is not our own */
};

extern struct settings settings;

/* --policy, --audit, --log, --allow-host-uts: a child of ipcd's own options. */
extern const struct argp settings_argp;

/*
 * Puts them into effect: reads the policy, opens the audit.  First thing after
 * the command line, with all rights and in the namespaces the server was
 * started in.  elevated: more rights than our caller (set-user-ID).  run_dir:
 * for the log, may be "".  0, or it has said on stderr what is wrong and the
 * program must end.
 */
int settings_apply(bool elevated, const char *run_dir);

/* Is there anything that SIGHUP makes it read again? */
bool settings_reloads(void);

/* Reads the policy and opens the audit again.  What is wrong is said on stderr
 * and in the audit, and all remains as it was. */
void settings_reload(void);

/* The same, only the policy, and nothing is said. */
void settings_reload_rules(void);

#endif
