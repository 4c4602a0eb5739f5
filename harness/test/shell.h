/*
 * shell.h - commands of the shell, at the top of the checkout or of a copy, and
 * what they said.
 */
#ifndef SHELL_H
#define SHELL_H

/* Runs a command of the shell there, with nothing in its environment but what a
 * command needs; its exit status.  The test fails if a signal ended it. */
__attribute__((format(printf, 2, 3))) int shell_in(const char *dir,
                                                   const char *format, ...);

#define shell(...) shell_in(source_dir(), __VA_ARGS__)

/* All that the last command said, on both outputs, up to a MiB. */
extern char said[];

void expect_said(const char *what);
void expect_unsaid(const char *what);

#endif
