/* charts.c - runs gnuplot, once for each file. */
#define _GNU_SOURCE /* memfd_create, pipe2 */
#include "bench/charts.h"

#include "bench/report.h"
#include "bench/shown.h"
#include "core/ipc.h"
#include "core/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const *
shown_lines(const char *name)
{
    const struct shown *s = shown;

    while (strcmp(s->name, name) != 0)
        s++;
    return s->lines;
}

/* -- gnuplot --------------------------------------------------------------- */

/* Starts gnuplot in dir; *f leads to its standard input, where it reads what to
 * do.  What the chart says goes another way, as arguments: there it is text,
 * whatever is in it.  Complaints are kept: of a chart without a floor, say, it
 * has some that are of interest only if it then fails. */
static pid_t
start_gnuplot(const struct chart *c, const char *dir, const char *format,
              int complaints, FILE **f)
{
    int in[2];
    pid_t pid;

    if (pipe2(in, O_CLOEXEC) == -1)
        return -1;
    pid = fork();
    if (pid == 0) {
        /* Where it cannot write its file it writes to standard output, which
         * is ours. */
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (chdir(dir) == -1 || dup2(in[0], STDIN_FILENO) == -1 ||
            dup2(null, STDOUT_FILENO) == -1 ||
            dup2(complaints, STDERR_FILENO) == -1)
            _exit(1);
        program_before_exec();
        execlp("gnuplot", "gnuplot", "-c", "/proc/self/fd/0", c->name, format,
               c->baselines, c->small_print, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    *f = pid == -1 ? NULL : fdopen(in[1], "w");
    if (*f == NULL)
        close(in[1]);
    return pid;
}

static int
end_gnuplot(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return -errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return -ENOENT;
    return status == 0 ? 0 : -EIO;
}

static void
put(const char *file, FILE *f)
{
    for (const char *const *line = shown_lines(file); *line != NULL; line++)
        fputs(*line, f);
}

static void
pass_on(int complaints)
{
    char text[4096];
    ssize_t n = pread(complaints, text, sizeof text, 0);

    if (n > 0)
        fwrite(text, 1, (size_t)n, stderr);
}

static int
draw_file(const struct chart *c, const char *dir, const char *format)
{
    int complaints = memfd_create("gnuplot", MFD_CLOEXEC), err;
    FILE *f = NULL;
    pid_t pid;

    if (complaints == -1)
        return -errno;
    pid = start_gnuplot(c, dir, format, complaints, &f);
    if (f != NULL) {
        put("style.gp", f);
        put(c->script, f);
        fclose(f);
    }
    err = pid == -1 ? -errno : end_gnuplot(pid);
    if (err == -EIO) {
        fprintf(stderr, "ipcbench: gnuplot could not draw %s/%s.%s\n", dir,
                c->name, format);
        pass_on(complaints);
    }
    close(complaints);
    return err;
}

int
chart_draw(const struct chart *c, const char *dir)
{
    char path[RECORD_PATH];
    int err;

    if (record_path(dir, c->reads, path) != 0 || access(path, F_OK) == -1)
        return 0;
    signal(SIGPIPE, SIG_IGN); /* gnuplot may be gone before it has read all */
    err = draw_file(c, dir, "svg");
    return err != 0 ? err : draw_file(c, dir, "png");
}

/* -- those of a run -------------------------------------------------------- */

/* In-process mechanisms, which are marked as what they are. */
static void
find_baselines(char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; ipc_registry[i] != NULL; i++) {
        size_t n = strlen(text);

        if (ipc_registry[i]->caps & IPC_INPROCESS)
            snprintf(text + n, size - n, "%s%s", n > 0 ? " " : "",
                     ipc_registry[i]->name);
    }
}

/* Why some mechanisms have nothing of this kind (ROW_ANY_KIND: who is not there
 * was not chosen), and what the run was made on. */
static void
small_print(const struct summary *s, enum kind kind, const char *machine,
            char *text, size_t size)
{
    FILE *f = fmemopen(text, size, "w");
    struct names all;

    text[0] = '\0';
    if (f == NULL)
        return;
    summary_mechanisms(s, &all);
    for (size_t i = all.n; kind != ROW_ANY_KIND && i-- > 0;) {
        const char *why = summary_why_not(s, all.name[i], ANYWHERE, kind, -1);

        if (why != NULL)
            fprintf(f, "%s is not shown: %s\n", all.name[i], why);
    }
    fputs(machine, f);
    fclose(f);
}

int
charts_draw(const struct summary *s, const char *dir, const char *heading,
            const char *date)
{
    static const struct {
        const char *name, *script, *reads;
        enum kind kind;
    } all[] = {
        {"latency", "latency.gp", "summary.csv", ROW_RTT},
        {"sizes", "sizes.gp", "summary.csv", ROW_RTT},
        {"throughput", "sizes.gp", "summary.csv", ROW_STREAM},
        {"memcpy", "memcpy.gp", "summary.csv", ROW_STREAM},
        {"tails", "tails.gp", "percentiles.csv", ROW_ANY_KIND},
        {"clients", "clients.gp", "summary.csv", ROW_ANY_KIND},
        {"clients-p99", "clients.gp", "summary.csv", ROW_ANY_KIND},
        {"load", "tails.gp", "percentiles.csv", ROW_ANY_KIND},
    };
    static char text[16384];
    char baselines[512], machine[400];
    int first = 0;

    find_baselines(baselines, sizeof baselines);
    snprintf(machine, sizeof machine, "%s   %s", heading, date);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct chart c = {all[i].name, all[i].script, all[i].reads,
                                baselines, text};
        int err;

        small_print(s, all[i].kind, machine, text, sizeof text);
        err = chart_draw(&c, dir);
        if (err == -ENOENT)
            return err;
        first = first == 0 ? err : first;
    }
    return first;
}
