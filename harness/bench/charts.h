/*
 * charts.h - starts gnuplot on the scripts in plot/, which find in the files of
 * a run what they show.
 */
#ifndef CHARTS_H
#define CHARTS_H

struct chart {
    const char *name;   /* of its files */
    const char *script; /* in plot/ */
    const char *reads;  /* the file without which there is no such chart */
    const char
        *baselines; /* mechanisms whose sides are one process, by blanks */
    const char *small_print; /* below the chart, lines */
};

/* dir/NAME.svg and .png; neither if the script finds nothing to draw.  0, or
 * -errno of what stopped it: -ENOENT, there is no gnuplot; -EIO, it failed, and
 * a message says so. */
int chart_draw(const struct chart *c, const char *dir);

#endif
