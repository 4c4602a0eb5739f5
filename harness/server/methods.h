/*
 * methods.h - the methods of api.def, one do_NAME for each.
 *
 *      methods.c          the plain ones; the table
 *      methods_counter.c  counter_add
 *      methods_files.c    read_file, open_file, append_log, print
 *      methods_system.c   get_hostname, set_hostname, set_priority, bind_port
 */
#ifndef METHODS_H
#define METHODS_H

#include "server/service.h"

#include <string.h>

#define METHOD(number, name, kind, evidence, marks, args, results, doc) \
    uint32_t do_##name(struct call *c);
#include "core/api.def"
#undef METHOD

/* For a server inside another program: forgets the files of append_log and
 * print. */
void methods_close_log(void);

/* Opens what append_log or print writes to, if it is not open yet: for a server
 * that will not be able to when it is asked.  0 or -errno. */
int log_open(void);
int tray_open(void);

/* A STRING result; s lives until the reply is sent. */
static inline struct api_value
method_text(const char *s)
{
    return (struct api_value){.at = s, .len = strlen(s)};
}

#endif
