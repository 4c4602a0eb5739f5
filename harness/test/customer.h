/*
 * customer.h - a client of the tests that let system calls fail (inject.h): it
 * asks for what it is due, checks each answer, and is content with an error.
 */
#ifndef CUSTOMER_H
#define CUSTOMER_H

#include "test/inject.h"
#include "test/subject.h"

#define GAVE_UP 77 /* exit status of one that was told of an error */

struct customer {
    int64_t timeout; /* for each answer, ns */
    bool steps;      /* waits for us to seize it, before it opens */
};

/* Can there be customers of m, into whose calls we look? */
const char *need_customers(const struct ipc_mechanism *m);

/* Root's customers are strangers. */
uid_t customer_uid(void);

/* A file that they may read, and one that they may not. */
void customers_begin(void);
void customers_end(void);

/*
 * One customer from beginning to end; its status as of inject_watch(), which
 * see for gone.  Who steps is seized: if i->kill, its own calls are meant,
 * otherwise those of whom it starts.
 */
int serve_customer(struct injection *i, struct customer *us, pid_t *gone);

#endif
