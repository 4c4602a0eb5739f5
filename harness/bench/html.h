/* html.h - text within HTML. */
#ifndef HTML_H
#define HTML_H

#include <stdio.h>

/* text, with what has a meaning in HTML escaped: it may come from anywhere. */
void html_text(FILE *f, const char *text);

/* "<open>text</close>": html_element(f, "td class=n", "td", text). */
void html_element(FILE *f, const char *open, const char *close,
                  const char *text);

#endif
