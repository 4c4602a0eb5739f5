/*
 * page.h - a run as one page: report.html, to be opened, projected or printed.
 *
 *      page/report.html    the template: what is said of every run
 *          {{name}}        what is said of this one: words[] in page.c
 *          {{if name}}     lines up to {{end}}, if that is so
 *      page/style.css      how it looks
 *      page/tables.js      sorts and filters its tables; nothing needs it
 *
 * The page needs nothing but itself: its style and its charts are in it, and
 * its own Content-Security-Policy forbids any request, and any script but this
 * one, by its hash: what a run says of itself can never become one.
 */
#ifndef PAGE_H
#define PAGE_H

#include "bench/summary.h"

#include <jansson.h>
#include <stdbool.h>

/* dir/report.html, of the summary and what else is in dir: run.json, charts.
 * incomplete: the page says so.  0 or -errno. */
int page_write(const struct summary *s, const char *dir, bool incomplete);

/* -- inside ---------------------------------------------------------------- */

struct page {
    const struct summary *s;
    const char *dir;
    json_t *run; /* run.json, or NULL */
    bool incomplete;
};

/* page_see.c: what to see in a chart, the part that is another in every run;
 * within a sentence. */
void page_trips(FILE *f, const struct page *p);
void page_most(FILE *f, const struct page *p);
void page_interruptions(FILE *f, const struct page *p);
void page_crowd(FILE *f, const struct page *p);
void page_stall(FILE *f, const struct page *p);
void page_surprise(FILE *f, const struct page *p);

/* page_found.c: attacks and isolation, if they were tried. */
bool page_has(const struct page *p, const char *what); /* what.csv */
void page_attacks(FILE *f, const struct page *p);
void page_isolation(FILE *f, const struct page *p);

/* page_about.c: what the numbers rest on. */
void page_doubtful(FILE *f, const struct page *p);
void page_doubts(FILE *f, const struct page *p);
void page_mechanisms(FILE *f, const struct page *p);
void page_machine(FILE *f, const struct page *p);

#endif
