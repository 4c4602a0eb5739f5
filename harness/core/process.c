/* process.c - is this still the process that it was? */
#define _GNU_SOURCE /* MADV_WIPEONFORK, MAP_ANONYMOUS */
#include "process.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>

/* getpid(2) would tell, at the price of a system call for every message.  So
 * does a page that the kernel gives to a child empty, madvise(2), however it is
 * forked: pthread_atfork(3) does not see a clone(2). */
static _Atomic unsigned *_Atomic page;
static unsigned last; /* not in the page: a child goes on from its parent's */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Atomic unsigned *
make_page(void)
{
    const size_t size = sizeof(unsigned); /* the kernel rounds it up */
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    if (madvise(p, size, MADV_WIPEONFORK) == 0)
        return p;
    munmap(p, size);
    return NULL;
}

/* The first call in this process. */
static unsigned
begin_number(void)
{
    unsigned number;

    pthread_mutex_lock(&lock);
    if (page == NULL)
        page = make_page();
    if (page != NULL && *page == 0)
        *page = ++last;
    number = page != NULL ? *page : 0;
    pthread_mutex_unlock(&lock);
    return number;
}

unsigned
process_number(void)
{
    _Atomic unsigned *here = page;
    unsigned number = here != NULL ? *here : 0;

    return number != 0 ? number : begin_number();
}
