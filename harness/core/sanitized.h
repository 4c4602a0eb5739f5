/*
 * sanitized.h - is this program built with a sanitizer that watches memory or
 * threads?  It is slower then by far, and makes system calls of its own.
 */
#ifndef SANITIZED_H
#define SANITIZED_H

/* gcc and new clangs define macros; an older clang has to be asked, and an
 * older gcc does not know the question. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
