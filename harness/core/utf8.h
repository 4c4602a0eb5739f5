/* utf8.h - is it text?  UTF-8 as in RFC 3629. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes the sequence at s has, of at most len (at least 1), and the
 * character; 0: it is none.  Too long forms, surrogates and what is above
 * U+10FFFF are none. */
size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *code);

/* Or would it end the line, or make a terminal show what is not there? */
bool utf8_is_harmless(uint32_t code);

/* Is all of it UTF-8? */
bool utf8_valid(const char *at, size_t len);

/* The most of these len bytes that are no more than most and end with a whole
 * character. */
size_t utf8_fit(const char *at, size_t len, size_t most);

#endif
