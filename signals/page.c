/* page.c - a page that both processes map, with a slot for a message each
 * way. */
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS */
#include "page.h"

#include "core/defence.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

/* -- the page ------------------------------------------------------------- */

static int
map(int memfd, struct page **page)
{
    void *p =
        mmap(NULL, sizeof **page, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

    if (p == MAP_FAILED)
        return -errno;
    *page = p;
    return 0;
}

int
page_make(struct page **page)
{
    int err, memfd = memfd_create("ipclab-doorbell",
                                  MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (memfd == -1)
        return -errno;
    if (ftruncate(memfd, sizeof **page) == -1 ||
        fcntl(memfd, F_ADD_SEALS, SEALS) == -1) {
        err = -errno;
        goto close_memfd;
    }
    err = map(memfd, page);
    if (err == 0)
        return memfd;

close_memfd:
    close(memfd);
    return err;
}

/* Will it never be smaller than we need? */
static int
check_memfd(int memfd)
{
    int seals = fcntl(memfd, F_GET_SEALS);
    struct stat st;

    if (seals == -1 || fstat(memfd, &st) == -1)
        return -errno;
    if (DEFENCE("seal", !(seals & F_SEAL_SHRINK), false) ||
        st.st_size < (off_t)sizeof(struct page))
        return -EPERM;
    return 0;
}

int
page_take_over(int memfd, struct page **page)
{
    int err = check_memfd(memfd);

    return err != 0 ? err : map(memfd, page);
}

void
page_unmap(struct page *page)
{
    munmap(page, sizeof *page);
}

/* -- a slot --------------------------------------------------------------- */

void
slot_post(struct slot *slot, uint32_t *said, const struct ipc_message *msg)
{
    if (msg->len > 0)
        memcpy(slot->bytes, msg->buf, msg->len);
    atomic_store_explicit(&slot->len, (uint32_t)msg->len, memory_order_relaxed);
    /* The count last; pairs with the acquire in slot_take(). */
    atomic_store_explicit(&slot->posted, ++*said, memory_order_release);
}

int
slot_take(struct slot *slot, uint32_t *heard, struct ipc_message *msg)
{
    uint32_t posted = atomic_load_explicit(&slot->posted, memory_order_acquire);
    uint32_t len = atomic_load_explicit(&slot->len, memory_order_relaxed);

    if (posted == *heard)
        return 0;
    if (len > IPC_MAX_MSG)
        return -EPIPE;
    if (msg != NULL) {
        memcpy(msg->buf, slot->bytes, len);
        msg->len = len;
        /* From here on the compiler must take the slot for changed, and so
         * cannot read it again where the copy is meant. */
        atomic_signal_fence(memory_order_acquire);
    }
    *heard = posted;
    /* The slot may be filled again: after the copy, hence release. */
    atomic_store_explicit(&slot->taken, posted, memory_order_release);
    return 1;
}
