/* html.h - text within HTML, and tables. */
#ifndef HTML_H
#define HTML_H

#include <stdio.h>

/* text, with what has a meaning in HTML escaped: it may come from anywhere. */
void html_text(FILE *f, const char *text);

/* The same, with a new line for each "; ". */
void html_lines(FILE *f, const char *text);

/* "<open>text</close>": html_element(f, "td class=n", "td", text). */
void html_element(FILE *f, const char *open, const char *close,
                  const char *text);

/*
 * A table, in a box of its own that scrolls if it is too wide: how it looks
 * (the class), and its heads, NULL-ended, the first of them that of the rows'
 * names.  A row: its name, and cells; then html_row_end().
 */
void html_table(FILE *f, const char *class, const char *const heads[]);
void html_row(FILE *f, const char *name, const char *const cells[], size_t n);
void html_row_end(FILE *f);
void html_table_end(FILE *f);

#endif
