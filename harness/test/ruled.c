/* ruled.c - servers under rules (ruled.h). */
#define _GNU_SOURCE /* MNT_DETACH */
#include "test/ruled.h"

#include "test/here.h"
#include "test/rule_path.h"

#include "core/clock.h"
#include "core/rundir.h"
#include "server/audit.h"
#include "server/methods.h"
#include "server/policy.h"
#include "server/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- a place for the files ------------------------------------------------- */

/* Servers under rules tell the system log; this machine's is not to hear of our
 * crimes. */
static void
leave_system_log(void)
{
    if (need_mounts() == NULL && access("/dev/log", F_OK) == 0)
        ck_assert_int_eq(mount("/dev/null", "/dev/log", NULL, MS_BIND, NULL),
                         0);
}

static void
cover(const char *dir)
{
    ck_assert_msg(mount("ipclab", dir, "tmpfs", 0, "mode=755") == 0, "%s: %s",
                  dir, strerror(errno));
}

static void
place_for_suid(struct ruled *r)
{
    cover("/etc");
    cover("/var/log");
    ck_assert_int_eq(mkdir("/etc/ipclab", 0755), 0);
    ck_assert_int_eq(mkdir(SETTINGS_LOG_DIR, 0755), 0);
    strcpy(r->policy, SETTINGS_POLICY);
    strcpy(r->audit, SETTINGS_LOG_DIR "/audit");
    strcpy(r->log, SETTINGS_LOG_DIR "/log");
}

void
ruled_place(struct ruled *r, const struct ipc_mechanism *m, uid_t uid)
{
    const char *more = r->more;

    *r = (struct ruled){
        .uid = uid,
        .more = more != NULL ? more : "",
        .suid = (m->caps & IPC_SPAWNED) && uid != geteuid(),
    };
    leave_system_log();
    if (r->suid) {
        place_for_suid(r);
        return;
    }
    snprintf(r->policy, sizeof r->policy, "%.80s/policy.conf", run_dir);
    snprintf(r->audit, sizeof r->audit, "%.80s/audit", run_dir);
    snprintf(r->log, sizeof r->log, "%.80s/append.log", run_dir);
}

/* -- the server ------------------------------------------------------------ */

static void
start_by_script(struct ruled *r, const struct ipc_mechanism *m)
{
    char script[PATH_MAX], ipcd[PATH_MAX], text[3 * PATH_MAX];
    /* Who trusts its peers serves its own user, here root; and for root nothing
     * is done by a server that has given it up. */
    struct host_options options = {
        .ipcd = script, .keep_root = m->caps & IPC_TRUSTING, .cpu = -1};
    int err;

    ck_assert_int_eq(program_path("ipcd", ipcd, sizeof ipcd), 0);
    snprintf(script, sizeof script, "%s/ruled", programs_dir());
    snprintf(text, sizeof text,
             "#!/bin/sh\nexec '%s' --policy '%s' --audit '%s' --log '%s' %s "
             "\"$@\"\n",
             ipcd, r->policy, r->audit, r->log, r->more);
    write_file(script, text, 0755);
    err = host_start(&r->host, m, run_dir, &options);
    ck_assert_msg(err == 0, "no server of %s: %s", m->name, strerror(-err));
}

static void
rule_ourselves(struct ruled *r)
{
    settings.policy = r->policy;
    settings.audit = r->audit;
    strcpy(settings.log, r->log);
    ck_assert_int_eq(settings_apply(false, run_dir), 0);
}

void
ruled_start(struct ruled *r, const struct ipc_mechanism *m, uid_t uid,
            const char *rules)
{
    ruled_place(r, m, uid);
    write_file(r->policy, rules, 0644);
    if (m->caps & IPC_INPROCESS)
        rule_ourselves(r);
    if (r->suid || (m->caps & IPC_INPROCESS))
        server_start_for(&r->host, m, uid);
    else
        start_by_script(r, m);
}

void
ruled_stop(struct ruled *r)
{
    char script[PATH_MAX];

    server_stop(&r->host);
    if (r->host.m->caps & IPC_INPROCESS) {
        audit_off();
        policy_unload();
        methods_close_log();
    }
    unlink(r->policy);
    unlink(r->audit);
    unlink(r->log);
    snprintf(script, sizeof script, "%s/" SETTINGS_TRAY, run_dir);
    unlink(script);
    snprintf(script, sizeof script, "%s/ruled", programs_dir());
    unlink(script);
    if (r->suid) {
        ck_assert_int_eq(umount2("/etc", MNT_DETACH), 0);
        ck_assert_int_eq(umount2("/var/log", MNT_DETACH), 0);
    }
}

void
ruled_replace(const struct ruled *r, const char *rules, mode_t mode)
{
    char new[ENDPOINT_SIZE + 8];

    snprintf(new, sizeof new, "%s.new", r->policy);
    write_file(new, rules, mode);
    ck_assert_int_eq(rename(new, r->policy), 0);
}

void
ruled_again(const struct ruled *r, const char *rules)
{
    ruled_replace(r, rules, 0644);
    ck_assert_int_eq(kill(r->host.pid, SIGHUP), 0);
}

const char *
ruled_audit(const struct ruled *r)
{
    return file_text(r->audit);
}

void
ruled_until(const struct ruled *r, const char *text)
{
    int64_t deadline = deadline_in(CALL_TIMEOUT);

    while (strstr(ruled_audit(r), text) == NULL) {
        ck_assert_msg(time_left(deadline) > 0, "no '%s' in the audit:\n%.2000s",
                      text, ruled_audit(r));
        sched_yield();
    }
}

/* -- what a rule can grant ------------------------------------------------- */

void
vault_make(struct vault *v)
{
    snprintf(v->dir, sizeof v->dir, "%.80s/vault", run_dir);
    snprintf(v->secret, sizeof v->secret, "%s/secret", v->dir);
    ck_assert_int_eq(mkdir(v->dir, 0700), 0);
    write_file(v->secret, "secret", 0600);
}

void
vault_remove(const struct vault *v)
{
    remove_tree(v->dir);
}

const char *
vault_rules(const struct vault *v, uid_t uid)
{
    static char rules[2 * PATH_MAX + 256];

    snprintf(rules, sizeof rules,
             "allow * uid=%u\n"
             "allow read_file uid=%u path=%s\nallow open_file uid=%u path=%s\n",
             (unsigned)uid, (unsigned)uid, rule_path(v->dir).text,
             (unsigned)uid, rule_path(v->dir).text);
    return rules;
}
