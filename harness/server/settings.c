/* settings.c - what the server is told at its start. */
#define _GNU_SOURCE /* with argp */
#include "server/settings.h"

#include "server/audit.h"
#include "server/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct settings settings;

/* -- command line --------------------------------------------------------- */

enum { KEY_POLICY = 512, KEY_AUDIT, KEY_LOG, KEY_HOST_UTS };

static const struct argp_option option_list[] = {
    {"policy", KEY_POLICY, "FILE", 0,
     "the rules, one a line: allow|deny METHOD|* "
     "uid=N|user=NAME|gid=N|group=NAME|any [min=K2|K3|K4] [path=DIR]. Without "
     "rules nobody may call what is privileged. Turns on the audit, to the "
     "system log. SIGHUP reads FILE again",
     0},
    {"audit", KEY_AUDIT, "FILE", 0,
     "append a line about each decision to FILE; a method that changes "
     "something is not carried out when its line cannot be written. SIGHUP "
     "opens FILE again",
     0},
    {"log", KEY_LOG, "FILE", 0,
     "where append_log appends (default: append.log in the run directory)", 0},
    {"allow-host-uts", KEY_HOST_UTS, NULL, 0,
     "let set_hostname rename this machine; without it only a UTS namespace "
     "of the server's own",
     0},
    {0},
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case KEY_POLICY:
        settings.policy = arg;
        return 0;
    case KEY_AUDIT:
        settings.audit = arg;
        return 0;
    case KEY_LOG:
        if (*arg != '/' || strlen(arg) >= sizeof settings.log)
            argp_error(state, "--log=%s: an absolute path, please", arg);
        else
            strcpy(settings.log, arg);
        return 0;
    case KEY_HOST_UTS:
        settings.host_uts = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp settings_argp = {option_list, parse_option, NULL, NULL,
                                   NULL,        NULL,         NULL};

/* -- into effect ---------------------------------------------------------- */

/* Whatever our caller said on the command line was its idea. */
static void
take_roots_word(void)
{
    struct stat st;

    settings = (struct settings){.policy = NULL};
    /* Not by access(2), which asks for the caller.  What is there but cannot be
     * looked at is no reason to go without. */
    if (stat(SETTINGS_POLICY, &st) == 0 || errno != ENOENT)
        settings.policy = SETTINGS_POLICY;
    if (stat(SETTINGS_LOG_DIR, &st) == 0 || errno != ENOENT)
        settings.audit = SETTINGS_LOG_DIR "/audit";
    strcpy(settings.log, SETTINGS_LOG_DIR "/log");
    strcpy(settings.tray, SETTINGS_LOG_DIR "/" SETTINGS_TRAY);
}

/* The namespace of pid 1 is the machine's, or the container's.  Who may not
 * look there (it takes the rights to trace it) still knows the machine's own:
 * its number is fixed in the kernel, PROC_UTS_INIT_INO. */
static void
remember_uts(void)
{
    struct stat st;

    settings.first_uts =
        stat("/proc/1/ns/uts", &st) == 0 ? st.st_ino : 0xEFFFFFFEu;
}

static int
say_audit(int err)
{
    fprintf(stderr, "ipcd: audit: %s: %s\n", settings.audit,
            err == -ELOOP   ? "a symbolic link; name the file itself"
            : err == -EPERM ? "must be a regular file of root's or the "
                              "server's user, with one name, and writable by "
                              "nobody else"
                            : strerror(-err));
    return err;
}

static int
start_policy(void)
{
    char why[POLICY_WHY];
    int err = policy_load(settings.policy, why);

    if (err != 0) {
        fprintf(stderr, "ipcd: policy: %s\n", why);
        return err;
    }
    err = audit_to_system_log();
    if (err != 0 && settings.audit == NULL)
        fprintf(stderr,
                "ipcd: audit: no system log at /dev/log (%s), so methods that "
                "change anything will be refused; use --audit FILE\n",
                strerror(-err));
    return 0;
}

/* Who has no run directory, but was told where its log is, prints beside that. */
static void
place_tray(const char *run_dir)
{
    const char *end = strrchr(settings.log, '/');
    const char *dir = *run_dir == '\0' && end != NULL ? settings.log : run_dir;
    const size_t len = dir == run_dir ? strlen(dir) : (size_t)(end - dir);

    if (settings.tray[0] == '\0' && *dir != '\0')
        snprintf(settings.tray, sizeof settings.tray, "%.*s/" SETTINGS_TRAY,
                 (int)len, dir);
}

int
settings_apply(bool elevated, const char *run_dir)
{
    int err = 0;

    if (elevated)
        take_roots_word();
    remember_uts();
    if (settings.log[0] == '\0' && *run_dir != '\0')
        snprintf(settings.log, sizeof settings.log, "%s/" SETTINGS_LOG,
                 run_dir);
    place_tray(run_dir);
    if (settings.audit != NULL)
        err = audit_to_file(settings.audit);
    if (err != 0)
        return say_audit(err);
    return settings.policy != NULL ? start_policy() : 0;
}

bool
settings_reloads(void)
{
    return settings.policy != NULL || settings.audit != NULL;
}

void
settings_reload(void)
{
    char why[POLICY_WHY];
    int err = settings.audit != NULL ? audit_to_file(settings.audit) : 0;

    if (err != 0)
        say_audit(err);
    if (settings.policy == NULL)
        return;
    if (policy_load(settings.policy, why) == 0) {
        fprintf(stderr, "ipcd: policy: %s: read again\n", settings.policy);
        audit_note("policy-reloaded", settings.policy);
        return;
    }
    fprintf(stderr, "ipcd: policy: %s; the old rules remain\n", why);
    audit_note("policy-kept", why);
}

void
settings_reload_rules(void)
{
    char why[POLICY_WHY];

    if (settings.policy != NULL)
        policy_load(settings.policy, why);
}
