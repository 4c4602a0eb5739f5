/* machine.c - what a number was measured on and by. */
#define _GNU_SOURCE /* popen, strchrnul */
#include "bench/machine.h"

#include "core/sanitized.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Where the kernel says what matters to a message: how large, how many, how it
 * is woken. */
static const struct {
    const char *name, *path;
} settings[] = {
    {"cmdline", "/proc/cmdline"},
    {"loadavg", "/proc/loadavg"},
    {"pressure_cpu", "/proc/pressure/cpu"},
    {"msgmax", "/proc/sys/kernel/msgmax"},
    {"msgmnb", "/proc/sys/kernel/msgmnb"},
    {"msgmni", "/proc/sys/kernel/msgmni"},
    {"sem", "/proc/sys/kernel/sem"},
    {"shmmax", "/proc/sys/kernel/shmmax"},
    {"mqueue_msg_max", "/proc/sys/fs/mqueue/msg_max"},
    {"mqueue_msgsize_max", "/proc/sys/fs/mqueue/msgsize_max"},
    {"pipe_max_size", "/proc/sys/fs/pipe-max-size"},
    {"pipe_user_pages_soft", "/proc/sys/fs/pipe-user-pages-soft"},
    {"wmem_default", "/proc/sys/net/core/wmem_default"},
    {"wmem_max", "/proc/sys/net/core/wmem_max"},
    {"unix_max_dgram_qlen", "/proc/sys/net/unix/max_dgram_qlen"},
    {"clocksource",
     "/sys/devices/system/clocksource/clocksource0/current_clocksource"},
    {"governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"},
    {"idle_driver", "/sys/devices/system/cpu/cpuidle/current_driver"},
    {"idle_governor", "/sys/devices/system/cpu/cpuidle/current_governor"},
    {"smt", "/sys/devices/system/cpu/smt/active"},
    {"huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled"},
};

/* The first line of a stream, without its end; "" if there is none. */
static void
first_line(FILE *f, char *buf, size_t size)
{
    buf[0] = '\0';
    if (f == NULL)
        return;
    if (fgets(buf, (int)size, f) == NULL)
        buf[0] = '\0';
    *strchrnul(buf, '\n') = '\0';
}

static json_t *
text_or_null(const char *s)
{
    return s[0] != '\0' ? json_string(s) : json_null();
}

static json_t *
file_line(const char *path)
{
    char line[1024];
    FILE *f = fopen(path, "re");

    first_line(f, line, sizeof line);
    if (f != NULL)
        fclose(f);
    return text_or_null(line);
}

/* -- the machine ----------------------------------------------------------- */

/* What /proc/cpuinfo calls it: "model name" on x86, elsewhere other words. */
static void
cpu_model(char *model, size_t size)
{
    static const char *const keys[] = {"model name", "Model", "cpu model",
                                       "cpu", NULL};
    char line[512];

    snprintf(model, size, "unknown CPU");
    for (const char *const *key = keys; *key != NULL; key++) {
        FILE *f = fopen("/proc/cpuinfo", "re");

        while (f != NULL && fgets(line, sizeof line, f) != NULL) {
            char *value = strstr(line, ": ");

            if (value == NULL || strncmp(line, *key, strlen(*key)) != 0)
                continue;
            *strchrnul(value, '\n') = '\0';
            snprintf(model, size, "%s", value + 2);
            fclose(f);
            return;
        }
        if (f != NULL)
            fclose(f);
    }
}

/* The mitigations cost every system call something: name and state of each. */
static json_t *
vulnerabilities(void)
{
    static const char at[] = "/sys/devices/system/cpu/vulnerabilities";
    json_t *all = json_object();
    DIR *d = opendir(at);
    struct dirent *e;
    char path[512];

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", at, e->d_name);
        json_object_set_new(all, e->d_name, file_line(path));
    }
    if (d != NULL)
        closedir(d);
    return all;
}

json_t *
machine_describe(void)
{
    json_t *m = json_object(), *kernel = json_object();
    struct utsname u;
    char model[256];

    uname(&u);
    cpu_model(model, sizeof model);
    json_object_set_new(m, "host", json_string(u.nodename));
    json_object_set_new(m, "system",
                        json_sprintf("%s %s %s %s", u.sysname, u.release,
                                     u.version, u.machine));
    json_object_set_new(m, "cpu", json_string(model));
    json_object_set_new(m, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        json_object_set_new(kernel, settings[i].name,
                            file_line(settings[i].path));
    json_object_set_new(m, "settings", kernel);
    json_object_set_new(m, "vulnerabilities", vulnerabilities());
    return m;
}

void
machine_line(char *buf, size_t size)
{
    struct utsname u;
    char model[128];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    uname(&u);
    cpu_model(model, sizeof model);
    snprintf(buf, size, "%s, %ld CPU%s, %s %s", model, cpus,
             cpus == 1 ? "" : "s", u.sysname, u.release);
}

/* -- the program ----------------------------------------------------------- */

/* The commit this was built from, asked of the checkout that the program lies
 * in; an installed one lies in none. */
static json_t *
commit(void)
{
    char exe[512], command[700], line[128];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    FILE *git;

    if (n <= 0)
        return json_null();
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    if (strpbrk(exe, "'\\") != NULL) /* goes through a shell */
        return json_null();
    snprintf(command, sizeof command,
             "git -C '%s' describe --always --dirty --abbrev=12 2>/dev/null",
             exe);
    git = popen(command, "re");
    first_line(git, line, sizeof line);
    if (git != NULL)
        pclose(git);
    return text_or_null(line);
}

const char *
build_is_slow(void)
{
#if SANITIZED
    return "with a sanitizer";
#elif !defined(__OPTIMIZE__)
    return "without optimisation";
#else
    return NULL;
#endif
}

json_t *
build_describe(void)
{
    json_t *b = json_object();

    json_object_set_new(b, "compiler", json_string(__VERSION__));
#ifdef IPCLAB_CFLAGS
    json_object_set_new(b, "flags", json_string(IPCLAB_CFLAGS));
#endif
    json_object_set_new(b, "optimised", json_boolean(build_is_slow() == NULL));
    json_object_set_new(b, "commit", commit());
    return b;
}
