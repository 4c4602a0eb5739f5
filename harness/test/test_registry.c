/*
 * test_registry.c - whether every table of a mechanism agrees with itself: the
 * names, the functions, and what it declares.  Whether it tells the truth is
 * the conformance suite's business.
 */
#include "test/test.h"

#include "bench/echo.h"

#include <errno.h>
#include <string.h>

Suite *test_registry(void);

static void
expect_words(const char *what, const struct ipc_mechanism *m, const char *text)
{
    ck_assert_msg(text != NULL && text[0] != '\0', "%s: no %s", m->name, what);
}

START_TEST(a_mechanisms_table_agrees_with_itself)
{
    const struct ipc_mechanism *m = ipc_registry[_i];
    const char *slash = strchr(m->name, '/');
    struct ipc_limits l = {0};

    ck_assert_ptr_nonnull(slash);
    ck_assert_ptr_null(strchr(slash + 1, '/'));
    ck_assert_ptr_eq(ipc_find(m->name), m); /* so no other has this name */
    expect_words("summary", m, m->summary);
    expect_words("proof", m, m->proof);
    expect_words("wire", m, m->wire);
    ck_assert_uint_le(m->evidence, IPC_STAMPED);
    ck_assert_msg(m->server_size > 0 && m->client_size > 0,
                  "%s: a state of no size", m->name);
    ck_assert_msg(m->limits && m->create && m->next && m->reply && m->destroy &&
                      m->open && m->send && m->recv && m->close,
                  "%s: a function is missing", m->name);
    ck_assert_msg((m->pollfd != NULL) == ((m->caps & IPC_POLLABLE) != 0),
                  "%s: pollable, or a pollfd()?", m->name);
    ck_assert_msg((m->sweep != NULL) == ((m->caps & IPC_PERSISTS) != 0),
                  "%s: persists, or a sweep()?", m->name);

    ck_assert_msg((m->uses != 0) == !(m->caps & IPC_INPROCESS),
                  "%s: what does it use (enum ipc_uses)?", m->name);
    ck_assert_msg((m->uses & IPC_USES_CHANNEL) == 0 ||
                      (m->caps & IPC_SPAWNED) != 0,
                  "%s: who inherits a channel without being spawned?", m->name);

    ck_assert_msg(m->floor == NULL || echo_is_known(m->floor),
                  "%s: no bare echo is called %s", m->name, m->floor);

    if (m->caps & IPC_CALLED)
        ck_assert_uint_ne(m->caps & IPC_INPROCESS, 0);
    if (m->caps & IPC_INPROCESS)
        ck_assert_uint_eq(m->caps & (IPC_SPAWNED | IPC_PERSISTS | IPC_REMOTE),
                          0);
    /* Without a way back there is no nonce to echo; what may be lost cannot
     * be vouched for by where it came from. */
    if (m->caps & IPC_ONEWAY)
        ck_assert_uint_ne(m->evidence, IPC_OWNER);
    ck_assert_msg((strcmp(slash, "/textbook") == 0) ==
                      ((m->caps & IPC_TEXTBOOK) != 0),
                  "%s: a textbook form, by its name or by its table?", m->name);
    ck_assert_msg((m->send_space != NULL) == (m->reply_space != NULL),
                  "%s: who makes messages in place, makes both", m->name);
    if (m->caps & IPC_TEXTBOOK)
        ck_assert_msg((m->caps & IPC_TRUSTING) != 0,
                      "%s: whom does it not trust?", m->name);
    if (ipc_unavailable(m) != NULL)
        return;
    ck_assert_int_eq(m->limits(&l), 0);
    ck_assert_uint_le(l.max_msg, IPC_MAX_MSG);
    /* An error with its reason, at least: 4 + 2 + call.message (service.h) */
    ck_assert_uint_ge(l.max_msg, WIRE_HEADER + 6 + 160);
    ck_assert_uint_ge(l.max_inflight, 1);
    ck_assert_uint_ge(l.max_clients, 1);
    ck_assert_uint_le(l.max_clients, IPC_MAX_CLIENTS);
    if (m->caps & (IPC_SPAWNED | IPC_INPROCESS))
        ck_assert_uint_eq(l.max_clients, 1);
}
END_TEST

/* There is no server and no client: what got through to the variant would fall
 * over that. */
START_TEST(what_a_mechanism_cannot_carry_does_not_get_to_it)
{
    const struct ipc_mechanism *m = ipc_registry[_i];
    struct ipc_limits l = {.max_msg = 100};
    struct ipc_message longer = {.len = l.max_msg + 1, .fd = -1};
    struct ipc_message beside = {.len = l.max_msg, .fd = 0};

    ck_assert_int_eq(ipc_send(m, &l, NULL, &longer, 0), -EMSGSIZE);
    ck_assert_int_eq(ipc_reply(m, &l, NULL, NULL, &longer), -EMSGSIZE);
    if (m->caps & IPC_PASSES_FD)
        return;
    ck_assert_int_eq(ipc_send(m, &l, NULL, &beside, 0), -EOPNOTSUPP);
    ck_assert_int_eq(ipc_reply(m, &l, NULL, NULL, &beside), -EOPNOTSUPP);
}
END_TEST

START_TEST(every_capability_has_a_name_and_every_level_of_evidence)
{
    unsigned known = 0;

    for (unsigned i = 0; ipc_cap_name(1u << i) != NULL; i++)
        known |= 1u << i;
    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        ck_assert_uint_eq(ipc_registry[i]->caps & ~known, 0);
    ck_assert_str_eq(ipc_cap_name(IPC_CALLED), "called");
    ck_assert_str_eq(ipc_cap_name(IPC_TEXTBOOK), "textbook");
    ck_assert_str_eq(ipc_evidence_name(IPC_CLAIMED), "K0");
    ck_assert_str_eq(ipc_evidence_name(IPC_STAMPED), "K4");
    ck_assert(ipc_find("no/such") == NULL);
}
END_TEST

Suite *
test_registry(void)
{
    Suite *s = suite_create("registry");
    TCase *tc = test_case(s, "registry");

    for (int i = 0; ipc_registry[i] != NULL; i++) {
        tcase_add_loop_test(tc, a_mechanisms_table_agrees_with_itself, i,
                            i + 1);
        tcase_add_loop_test(
            tc, what_a_mechanism_cannot_carry_does_not_get_to_it, i, i + 1);
    }
    tcase_add_test(tc, every_capability_has_a_name_and_every_level_of_evidence);
    return s;
}
