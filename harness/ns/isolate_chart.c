/*
 * isolate_chart.c - the matrix as a grid of coloured cells, by gnuplot.
 *
 *                     client inside          server inside
 *                     ipc net mnt ...        ipc net mnt ...
 *      fifo/perclient [ ] [ ] [ ]            [ ] [ ] [ ]
 *
 * Each shade is darker than the one before it, so that the picture says the
 * same in grey; and in each cell stands its word.
 */
#define _GNU_SOURCE /* popen */
#include "ns/isolate.h"

#include "bench/charts.h"
#include "bench/machine.h"
#include "bench/record.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define CELL_WIDTH  62 /* pixels: "refused" */
#define CELL_HEIGHT 20
#define LEFT        150 /* of the first block: names */
#define GAP         18  /* between the blocks */
#define TOP         96
#define BOTTOM      92
#define COLUMNS     (FORMS - 1)
#define WIDTH       (LEFT + 2 * COLUMNS * CELL_WIDTH + GAP + 12)

/* Okabe and Ito's, from light to dark. */
static const struct shade {
    const char *fill, *ink, *says;
} shades[] = {
    {"#f4f4ec", "#000000", "gets through, identity as it is"},
    {"#b5dcf3", "#000000", "gets through, identity translated"},
    {"#e69f00", "#000000", "gets through, identity lost"},
    {"#7a2e00", "#ffffff", "does not get through"},
    {"#ffffff", "#777777", "not to be had here"},
};

static const struct shade *
shade_of(const struct isolate_outcome *o)
{
    if (o->result == ISOLATE_ABSENT)
        return &shades[4];
    if (o->result == ISOLATE_REFUSED)
        return &shades[3];
    if (o->pid >= SEEN_LOST || o->uid >= SEEN_LOST)
        return &shades[2];
    if (o->pid == SEEN_TRANSLATED || o->uid == SEEN_TRANSLATED)
        return &shades[1];
    return &shades[0];
}

/* -- one file -------------------------------------------------------------- */

struct picture {
    FILE *f;
    int height;
};

static int
left_of(enum isolate_side side)
{
    return LEFT + (side == SERVER_INSIDE ? COLUMNS * CELL_WIDTH + GAP : 0);
}

/* Pixels from the left and from the top; gnuplot counts from below. */
static void
label(const struct picture *p, int x, int y, const char *place,
      const char *colour, const char *text)
{
    fputs("set label ", p->f);
    chart_text(p->f, text);
    fprintf(p->f, " at screen %.5f, screen %.5f %s front textcolor '%s'\n",
            (double)x / WIDTH, 1 - (double)y / p->height, place, colour);
}

static void
box(const struct picture *p, int x, int y, int width, int height,
    const char *fill, const char *border)
{
    fprintf(p->f,
            "set object rectangle from screen %.5f, screen %.5f to screen "
            "%.5f, screen %.5f fillcolor '%s' fillstyle solid border "
            "linecolor '%s'\n",
            (double)x / WIDTH, 1 - (double)(y + height) / p->height,
            (double)(x + width) / WIDTH, 1 - (double)y / p->height, fill,
            border);
}

static void
draw_cell(const struct picture *p, const struct isolate_cell *c, int y)
{
    const struct shade *s = shade_of(&c->seen);
    int x = left_of(c->side) + (c->form - 1) * CELL_WIDTH;
    char word[16];

    box(p, x + 1, y + 1, CELL_WIDTH - 2, CELL_HEIGHT - 2, s->fill,
        c->surprise ? "#ff0000" : "#999999");
    snprintf(word, sizeof word, "%s%s", isolate_word(&c->seen),
             c->surprise ? "*" : "");
    label(p, x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2, "center", s->ink, word);
}

static void
draw_heads(const struct picture *p)
{
    static const char *const heads[SIDES] = {
        "the client in a new namespace, the server outside",
        "the server in a new namespace, the client outside"};

    label(p, WIDTH / 2, 20, "center", "#000000",
          "Which mechanism gets through when client and server do not share a "
          "namespace?");
    for (int side = 0; side < SIDES; side++) {
        int x = left_of((enum isolate_side)side);

        label(p, x + COLUMNS * CELL_WIDTH / 2, 52, "center", "#000000",
              heads[side]);
        for (int form = 1; form < FORMS; form++)
            label(p, x + (form - 1) * CELL_WIDTH + CELL_WIDTH / 2, TOP - 14,
                  "center", "#000000", isolate_forms[form].name);
    }
}

static void
draw_key(const struct picture *p, int y)
{
    char machine[200], text[300], date[32];
    time_t now = time(NULL);
    struct tm utc;
    int x = LEFT;

    for (size_t i = 0; i < sizeof shades / sizeof *shades; i++) {
        box(p, x, y, CELL_HEIGHT, CELL_HEIGHT - 4, shades[i].fill, "#999999");
        label(p, x + CELL_HEIGHT + 6, y + CELL_HEIGHT / 2 - 2, "left",
              "#000000", shades[i].says);
        x += 255;
    }
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%d", &utc);
    machine_line(machine, sizeof machine);
    snprintf(text, sizeof text, "%s   %s", machine, date);
    label(p, 10, y + 54, "left", "#666666", text);
    label(p, LEFT, y + 30, "left", "#444444",
          "mnt+fs: empty file systems over the run directory and /dev/shm    "
          "user+nr: the user has another number inside    *: not as expected");
}

static void
draw(const struct isolate_matrix *x, const struct picture *p)
{
    int y = TOP;

    draw_heads(p);
    for (size_t i = 0; i < x->n; i++) {
        const struct isolate_cell *c = &x->cells[i];

        if (c->side == CLIENT_INSIDE && c->form == FORM_NONE)
            label(p, LEFT - 8, y + CELL_HEIGHT / 2, "right", "#000000",
                  c->m->name);
        if (c->form != FORM_NONE)
            draw_cell(p, c, y);
        if (c->side == SERVER_INSIDE && c->form == FORMS - 1)
            y += CELL_HEIGHT;
    }
    draw_key(p, y + 14);
    /* gnuplot draws objects only around a plot: one of nothing. */
    fputs("unset border\nunset tics\nunset key\nset margins 0,0,0,0\n"
          "plot [0:1] [0:1] NaN\n",
          p->f);
}

static int
draw_file(const struct isolate_matrix *x, const char *dir, bool png)
{
    int rows = (int)(x->n / ((size_t)FORMS * SIDES)), status;
    struct picture p = {.height = TOP + rows * CELL_HEIGHT + BOTTOM};
    char path[RECORD_PATH];

    if (record_path(dir, png ? "isolate.png" : "isolate.svg", path) != 0)
        return -ENAMETOOLONG;
    p.f = popen("gnuplot -", "we");
    if (p.f == NULL)
        return -errno;
    fprintf(p.f,
            "set terminal %s size %d,%d font '%s' background 'white' "
            "noenhanced\nset output ",
            png ? "pngcairo" : "svg", WIDTH, p.height,
            png ? "Sans,8.5" : "sans-serif,11.5");
    chart_text(p.f, path);
    fputc('\n', p.f);
    draw(x, &p);
    status = pclose(p.f);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return -ENOENT;
    return status == 0 ? 0 : -EIO;
}

int
isolate_chart(const struct isolate_matrix *x, const char *dir)
{
    int err;

    signal(SIGPIPE, SIG_IGN); /* gnuplot may be gone before it has read all */
    err = draw_file(x, dir, false);
    return err != 0 ? err : draw_file(x, dir, true);
}
