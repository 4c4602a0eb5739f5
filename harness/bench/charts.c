/* charts.c - runs gnuplot, once for each file. */
#define _GNU_SOURCE /* pipe2 */
#include "bench/charts.h"

#include "bench/report.h"
#include "core/ipc.h"
#include "core/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- what the charts share ------------------------------------------------- */

const char *
chart_colour(size_t i)
{
    static const char *const okabe_ito[] = {
        "#0072B2", "#D55E00", "#009E73", "#CC79A7",
        "#E69F00", "#56B4E9", "#000000",
    };

    return okabe_ito[i % (sizeof okabe_ito / sizeof *okabe_ito)];
}

int
chart_shape(size_t i)
{
    static const int filled[] = {7, 9, 5, 13, 11, 15}; /* `test` shows them */

    return filled[i % (sizeof filled / sizeof *filled)];
}

size_t
chart_style(const char *placement)
{
    static const char *const known[] = {"one-cpu", "two-cpu-awake", "two-cpu",
                                        "free"};
    size_t i = 0;

    while (i < sizeof known / sizeof *known && strcmp(known[i], placement) != 0)
        i++;
    return i;
}

const char *
chart_label(const char *mechanism, char buf[64])
{
    const struct ipc_mechanism *m = ipc_find(mechanism);
    bool baseline = m != NULL && (m->caps & IPC_INPROCESS);

    snprintf(buf, 64, "%.40s%s", mechanism, baseline ? " (baseline)" : "");
    return buf;
}

void
chart_leave_out(struct chart *c, const char *kind)
{
    struct names all = c->mechanisms;

    c->kind = kind;
    c->mechanisms.n = c->left_out.n = 0;
    for (size_t i = 0; i < all.n; i++) {
        const char *why = summary_why_not(c->s, all.name[i], NULL, kind, -1);
        struct names *to = why == NULL ? &c->mechanisms : &c->left_out;

        to->name[to->n++] = all.name[i];
    }
}

void
chart_key(const struct chart *c)
{
    fputs("set title ''\nunset border\nunset tics\nunset grid\n"
          "set key inside center center Left reverse\nplot ",
          c->f);
    for (size_t i = 0; i < c->placements.n; i++) {
        size_t style = chart_style(c->placements.name[i]);

        fprintf(c->f,
                "%sNaN with linespoints pointtype %d linewidth 1.5 linecolor "
                "'%s' title '%s'",
                i == 0 ? "" : ", ", chart_shape(style), chart_colour(style),
                c->placements.name[i]);
    }
}

void
chart_title(const struct chart *c, const char *title)
{
    fputs("set label ", c->f);
    chart_text(c->f, title);
    fputs(" at screen 0.5, screen 1 offset character 0, -1.2 center\n", c->f);
}

void
chart_tics(const struct chart *c, char axis, const char *kind, bool words)
{
    static const char *const times[] = {"10 ns",  "100 ns", "1 us",  "10 us",
                                        "100 us", "1 ms",   "10 ms", "100 ms",
                                        "1 s",    NULL};
    static const char *const rates[] = {
        "10 kB/s", "100 kB/s", "1 MB/s",   "10 MB/s", "100 MB/s",
        "1 GB/s",  "10 GB/s",  "100 GB/s", "1 TB/s",  NULL};
    bool rtt = strcmp(kind, ROW_STREAM) != 0;
    const char *const *names = rtt ? times : rates;
    int power = rtt ? -2 : -5; /* of the first, in us or GB/s */

    fprintf(c->f, "set %ctics (", axis);
    for (; *names != NULL; names++, power++)
        fprintf(c->f, "'%s' 1e%d%s", words ? *names : "", power,
                names[1] != NULL ? ", " : ")\n");
}

void
chart_text(FILE *f, const char *text)
{
    fputc('\'', f);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputc('\'', f);
        fputc(*text == '\n' ? ' ' : *text, f);
    }
    fputc('\'', f);
}

/* -- gnuplot --------------------------------------------------------------- */

/* Starts gnuplot in dir; *f leads to its standard input. */
static pid_t
start_gnuplot(const char *dir, FILE **f)
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
            dup2(null, STDOUT_FILENO) == -1)
            _exit(1);
        program_before_exec();
        execlp("gnuplot", "gnuplot", "-", (char *)NULL);
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

#define SMALL_PRINT 15 /* pixels from line to line */

int
chart_small_print(const struct chart *c)
{
    return SMALL_PRINT * (int)c->left_out.n;
}

/* At the bottom, upwards: the machine, and what is not shown. */
static void
small_print(const struct chart *c, int points)
{
    char text[256];

    for (size_t i = 0; i <= c->left_out.n; i++) {
        const char *name = i == 0 ? NULL : c->left_out.name[i - 1];

        if (name == NULL)
            snprintf(text, sizeof text, "%s   %s", c->heading, c->date);
        else
            snprintf(text, sizeof text, "%s is not shown: %s", name,
                     summary_why_not(c->s, name, NULL, c->kind, -1));
        fputs("set label ", c->f);
        chart_text(c->f, text);
        fprintf(c->f,
                " at screen 0.01, screen %g left font ',%d' textcolor "
                "'#666666'\n",
                (8.0 + SMALL_PRINT * (double)i) / c->height, points);
    }
}

static void
prologue(const struct chart *c, const char *name, bool png)
{
    fprintf(c->f,
            "set terminal %s size %d,%d font '%s' background 'white' "
            "noenhanced\n"
            "set output '%s.%s'\n",
            png ? "pngcairo" : "svg", c->width, c->height,
            png ? "Sans,10" : "sans-serif,13", name, png ? "png" : "svg");
    small_print(c, png ? 8 : 10);
}

static int
draw_file(struct chart *c, const struct chart_type *type, const char *dir,
          bool png)
{
    pid_t pid = start_gnuplot(dir, &c->f);
    int err;

    if (pid == -1)
        return -errno;
    if (c->f != NULL) {
        prologue(c, type->name, png);
        type->draw(c);
        fclose(c->f);
    }
    err = end_gnuplot(pid);
    if (err == -EIO)
        fprintf(stderr, "ipcbench: gnuplot could not draw %s/%s.%s\n", dir,
                type->name, png ? "png" : "svg");
    return err;
}

bool
chart_has_data(const struct chart *c)
{
    return c->mechanisms.n > 0;
}

int
charts_draw(const struct summary *s, const struct distributions *d,
            const char *dir, const char *heading, const char *date)
{
    static const struct chart_type *const types[] = {
        &chart_latency, &chart_sizes,   &chart_throughput, &chart_memcpy,
        &chart_tails,   &chart_clients, &chart_crowd_p99,  &chart_load};
    struct chart c = {.s = s, .d = d, .heading = heading, .date = date};
    int err = 0, first = 0;

    signal(SIGPIPE, SIG_IGN); /* gnuplot may be gone before it has read all */
    summary_placements(s, &c.placements);
    if (c.placements.n == 0)
        return 0; /* nothing was measured */
    for (size_t i = 0; err != -ENOENT && i < sizeof types / sizeof *types; i++)
        for (int png = 0; err != -ENOENT && png < 2; png++) {
            summary_mechanisms(s, &c.mechanisms); /* a chart may sort them, */
            summary_placements(s, &c.placements); /* or leave some out */
            types[i]->prepare(&c);
            if (!chart_has_data(&c))
                continue;
            err = draw_file(&c, types[i], dir, png);
            first = first == 0 ? err : first;
        }
    return first;
}
