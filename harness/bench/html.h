/*
 * html.h - a run as one page: report.html, to be opened, projected or printed.
 *
 *      headline chart      two sentences each: what to see, and why
 *      further charts
 *      every table
 *      attacks, isolation  where they were tried
 *      doubts              what was disturbed, what is missing
 *      mechanisms, method, machine
 *
 * The page needs nothing but itself: its style and its charts are in it, there
 * is no script, and its own Content-Security-Policy forbids any request.
 */
#ifndef HTML_H
#define HTML_H

#include "bench/summary.h"

#include <jansson.h>
#include <stdbool.h>

/* dir/report.html, of the summary and what else is in dir: run.json, charts.
 * incomplete: the page says so.  0 or -errno. */
int html_write(const struct summary *s, const char *dir, bool incomplete);

/* -- inside ---------------------------------------------------------------- */

/* text, with what has a meaning in HTML escaped: it may come from anywhere. */
void html_text(FILE *f, const char *text);

/* "<open>text</close>": html_element(f, "td class=n", "td", text). */
void html_element(FILE *f, const char *open, const char *close,
                  const char *text);

/* html_charts.c: each chart with two sentences: what to see, and why. */
void html_charts(FILE *f, const struct summary *s, const char *dir);

/* html_tables.c: round trips, sizes, streams, at each placement.  run: run.json
 * as read, or NULL. */
void html_tables(FILE *f, const struct summary *s, const json_t *run);

/* html_found.c: attacks and isolation, if they were tried. */
void html_found(FILE *f, const char *dir);

/* html_about.c: what the numbers rest on. */
void html_doubts(FILE *f, const struct summary *s);
void html_mechanisms(FILE *f, const struct summary *s);
void html_method(FILE *f, const struct summary *s);
void html_machine(FILE *f, json_t *run);

#endif
