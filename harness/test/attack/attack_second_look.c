/* attack_second_look.c - shared memory: a word that is checked, and then
 * looked at once more. */
#define _GNU_SOURCE /* REG_EFL, MAP_ANONYMOUS */
#include "test/attack/attack.h"

#include "../../../signals/page.h"
#include "core/rings.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* -- 35, 43: a length that changes between two looks ---------------------- */

/*
 * A hostile peer writes at the worst moment, and that is not left to chance:
 * the page is taken away, so that every access to it is a SIGSEGV; the handler
 * gives it back for one instruction (the processor's trap flag: then comes a
 * SIGTRAP) and counts.  Before the second look at the word it has become
 * another one.
 */
static struct {
    uint8_t *page;
    _Atomic uint32_t *word;
    uint32_t then; /* what it is from the second look on */
    int looks;
} peer;

#define PAGE 4096

#ifdef __x86_64__
#define TRAP_FLAG 0x100

static void
on_access(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)number;
    mprotect(peer.page, PAGE, PROT_READ | PROT_WRITE);
    if ((uintptr_t)info->si_addr == (uintptr_t)peer.word && ++peer.looks == 2)
        atomic_store(peer.word, peer.then);
    u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void
after_access(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)number, (void)info;
    mprotect(peer.page, PAGE, PROT_NONE);
    u->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static const char *
need_trap_flag(void)
{
#ifdef IPCLAB_TSAN
    return "the thread sanitizer delivers a signal when it suits it";
#else
    return NULL;
#endif
}
#else
static void
on_access(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
}

static void
after_access(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
}

static const char *
need_trap_flag(void)
{
    return "needs an x86-64 processor, for its trap flag";
}
#endif

static void
begin_watching(void *page, _Atomic uint32_t *word, uint32_t then)
{
    struct sigaction access = {.sa_sigaction = on_access,
                               .sa_flags = SA_SIGINFO};
    struct sigaction after = {.sa_sigaction = after_access,
                              .sa_flags = SA_SIGINFO};

    peer.page = page;
    peer.word = word;
    peer.then = then;
    MUST(sigaction(SIGSEGV, &access, NULL) == 0);
    MUST(sigaction(SIGTRAP, &after, NULL) == 0);
    MUST(mprotect(page, PAGE, PROT_NONE) == 0);
}

static void
end_watching(void)
{
    MUST(mprotect(peer.page, PAGE, PROT_READ | PROT_WRITE) == 0);
    MUST(peer.looks > 0);
}

#define CAP 16 /* bytes that the server has room for */

/* Checks the length, and then uses it: two looks. */
static int
take_naively(struct ring_reader *r, void *message, size_t cap, size_t *len)
{
    const _Atomic uint32_t *word = ring_word(r->ring, r->at);

    if ((*word & ~RING_MESSAGE) > cap)
        return -EPROTO;
    *len = *word & ~RING_MESSAGE;
    memcpy(message, &r->ring->bytes[RING_WORD], *len);
    return 0;
}

static bool
lengthens_a_ring_message(bool naive)
{
    struct ring *ring = shared(sizeof *ring);
    struct ring_writer w = {.ring = ring};
    struct ring_reader r = {.ring = ring};
    uint8_t message[CAP + 100] = "eight...";
    size_t len = 0;

    MUST(ring_put(&w, message, 8, memory_order_seq_cst) == 0);
    begin_watching(ring, ring_word(ring, 0), RING_MESSAGE | 50);
    if (naive)
        take_naively(&r, message, CAP, &len);
    else
        ring_take(&r, message, CAP, &len);
    end_watching();
    return len > CAP;
}

static void
take_slot_naively(struct slot *slot, struct ipc_message *msg)
{
    const _Atomic uint32_t *len = &slot->len;

    if (*len > CAP)
        return;
    msg->len = *len;
    memcpy(msg->buf, slot->bytes, msg->len);
}

static bool
lengthens_a_letter(bool naive)
{
    struct slot *slot = shared(sizeof *slot);
    uint8_t message[CAP + 100] = "eight...";
    struct ipc_message msg = {.buf = message, .cap = CAP, .len = 8};
    uint32_t said = 0, heard = 0;

    slot_post(slot, &said, &msg);
    msg.len = 0;
    begin_watching(slot, &slot->len, 50);
    if (naive)
        take_slot_naively(slot, &msg);
    else
        slot_take(slot, &heard, &msg);
    end_watching();
    MUST(msg.len > 0);
    return msg.len > CAP;
}

/* -- the table ------------------------------------------------------------ */

const struct attack second_look_attacks[] = {
    {35, "shm/futex", "changes the length between two looks",
     .how = "one look, then the copy", .missing = need_trap_flag, .alone = true,
     .run = lengthens_a_ring_message},
    {43, "signals/doorbell", "changes the length between two looks",
     .how = "one look, then the copy", .missing = need_trap_flag, .alone = true,
     .run = lengthens_a_letter},
    {0},
};
