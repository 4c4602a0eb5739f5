/*
 * test_wire.c - what is in the bytes that two sides exchange: the header, the
 * values after it, and where in a stream one frame ends and the next begins.
 * No server is needed for that.
 */
#define _GNU_SOURCE /* open_memstream */
#include "test/test.h"

#include "core/frames.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *test_wire(void);

/* -- wire ------------------------------------------------------------------ */

static const struct wire_header some = {.kind = WIRE_REPLY,
                                        .method = 0x0102,
                                        .length = 0x03040506,
                                        .status = 0x0708090a,
                                        .id = 0x0b0c0d0e0f101112,
                                        .nfds = 1};

/* The bytes as PROTOCOL.md tells them to a client in another language. */
START_TEST(a_header_is_these_32_bytes)
{
    static const uint8_t expected[WIRE_HEADER] = {
        'I',  'P',  'C',  '1',  1,    1,    0x02, 0x01, 0x06, 0x05, 0x04,
        0x03, 0x0a, 0x09, 0x08, 0x07, 0x12, 0x11, 0x10, 0x0f, 0x0e, 0x0d,
        0x0c, 0x0b, 1,    0,    0,    0,    0,    0,    0,    0};
    uint8_t buf[WIRE_HEADER];
    struct wire_header h;

    memset(buf, 0xff, sizeof buf);
    wire_encode(&some, buf);
    ck_assert_mem_eq(buf, expected, sizeof buf);
    ck_assert_int_eq(wire_decode_header(buf, &h), 0);
    ck_assert_uint_eq(h.kind, some.kind);
    ck_assert_uint_eq(h.method, some.method);
    ck_assert_uint_eq(h.length, some.length);
    ck_assert_uint_eq(h.status, some.status);
    ck_assert_uint_eq(h.id, some.id);
    ck_assert_uint_eq(h.nfds, some.nfds);
}
END_TEST

START_TEST(no_flipped_bit_of_a_header_goes_unnoticed_where_one_value_is_right)
{
    uint8_t good[WIRE_HEADER], bad[WIRE_HEADER];
    struct wire_header h = {.kind = WIRE_REQUEST, .method = 1, .id = 5};

    wire_encode(&h, good);
    for (unsigned bit = 0; bit < 8 * WIRE_HEADER; bit++) {
        unsigned byte = bit / 8;
        bool free_choice = byte == 6 || byte == 7 || (byte >= 16 && byte < 24);
        /* kind: 0 becomes 1 or 2, which are kinds too */
        bool also_right = byte == 5 && bit % 8 < 2;

        memcpy(bad, good, sizeof bad);
        bad[byte] = (uint8_t)(bad[byte] ^ 1u << bit % 8);
        ck_assert_msg((wire_decode(bad, sizeof bad, 0, &h) == 0) ==
                          (free_choice || also_right),
                      "byte %u, bit %u", byte, bit % 8);
        ck_assert((wire_explain(bad, sizeof bad, 0) == NULL) ==
                  (free_choice || also_right));
    }
}
END_TEST

START_TEST(a_frame_is_as_long_as_it_says)
{
    uint8_t buf[WIRE_HEADER + 11] = {0};
    struct wire_header h;
    size_t len = raw_frame(buf, 3, 1, "0123456789", 10);

    for (size_t n = 0; n <= sizeof buf; n++)
        ck_assert_int_eq(wire_decode(buf, n, 0, &h), n == len ? 0 : -EBADMSG);
    ck_assert_int_eq(wire_decode(buf, len, 1, &h), -EBADMSG); /* unannounced */
    buf[24] = 1;
    ck_assert_int_eq(wire_decode(buf, len, 1, &h), 0);
    ck_assert_int_eq(wire_decode(buf, len, 0, &h), -EBADMSG); /* missing */
    buf[24] = 0;
    buf[4] = 2;
    ck_assert_int_eq(wire_decode(buf, len, 0, &h), -EPROTONOSUPPORT);
    ck_assert_uint_eq(h.id, 1);
}
END_TEST

/* -- api ------------------------------------------------------------------- */

START_TEST(the_method_table_is_consistent)
{
    static const uint16_t highest = 1000;
    unsigned found = 0;
    uint16_t last = 0;

    ck_assert_uint_gt(api_method_count, 0);
    ck_assert(api_methods[api_method_count].name == NULL);
    for (const struct api_method *m = api_methods; m->name != NULL; m++) {
        ck_assert_uint_gt(m->number, last);
        last = m->number;
        ck_assert_ptr_eq(api_by_number(m->number), m);
        ck_assert_ptr_eq(api_by_name(m->name), m);
        ck_assert_ptr_nonnull(m->doc);
        ck_assert(m->kind == WIRE_REQUEST || m->kind == WIRE_NOTICE);
        for (unsigned list = 0; list < 2; list++) {
            const struct api_field *f = list == 0 ? m->args : m->results;
            unsigned n = 0;

            for (; f[n].type != API_END; n++)
                ck_assert_ptr_nonnull(f[n].name);
            ck_assert_uint_le(n, API_MAX_FIELDS);
            ck_assert(m->kind == WIRE_REQUEST || list == 0 || n == 0);
        }
    }
    for (uint16_t n = 0; n < highest; n++)
        found += api_by_number(n) != NULL;
    ck_assert_uint_eq(found, api_method_count);
    ck_assert(api_by_name("no_such_method") == NULL);
}
END_TEST

static const struct api_field every_type[] = {
    {API_U32, "a"},    {API_U64, "b"},   {API_I32, "c"},  {API_I64, "d"},
    {API_STRING, "e"}, {API_BYTES, "f"}, {API_END, NULL},
};

START_TEST(every_type_comes_back_and_every_shortening_is_noticed)
{
    const struct api_value in[] = {
        {.u32 = UINT32_MAX}, {.u64 = UINT64_MAX},  {.i32 = INT32_MIN},
        {.i64 = INT64_MIN},  string_value("text"), bytes_value("a\0b", 3)};
    static const size_t size = 4 + 8 + 4 + 8 + 2 + 4 + 4 + 3;
    struct api_value out[6];
    uint8_t buf[64];

    for (size_t cap = 0; cap < size; cap++)
        ck_assert_int_eq(api_encode(every_type, in, buf, cap), -EMSGSIZE);
    ck_assert_int_eq(api_encode(every_type, in, buf, size), (ssize_t)size);
    ck_assert_mem_eq(buf + 24, "\x04\0text\x03\0\0\0a\0b", size - 24);
    for (size_t len = 0; len <= sizeof buf; len++)
        ck_assert_int_eq(api_decode(every_type, buf, len, -1, out),
                         len == size ? 0 : -EBADMSG);
    ck_assert_int_eq(api_decode(every_type, buf, size, -1, out), 0);
    ck_assert_uint_eq(out[0].u32, in[0].u32);
    ck_assert_uint_eq(out[1].u64, in[1].u64);
    ck_assert_int_eq(out[2].i32, in[2].i32);
    ck_assert_int_eq(out[3].i64, in[3].i64);
    ck_assert(value_is(&out[4], "text"));
    ck_assert_uint_eq(out[5].len, 3);
    ck_assert_mem_eq(out[5].at, "a\0b", 3);
}
END_TEST

START_TEST(a_string_is_no_longer_than_its_length_can_say_and_has_no_nul)
{
    static const struct api_field field[] = {{API_STRING, "s"},
                                             {API_END, NULL}};
    static char text[UINT16_MAX + 1];
    static uint8_t buf[UINT16_MAX + 3];
    struct api_value v = bytes_value(text, sizeof text);

    memset(text, 'x', sizeof text);
    ck_assert_int_eq(api_encode(field, &v, buf, sizeof buf), -EINVAL);
    v.len--;
    ck_assert_int_eq(api_encode(field, &v, buf, sizeof buf), UINT16_MAX + 2);
    text[3] = '\0';
    ck_assert_int_eq(api_encode(field, &v, buf, sizeof buf), -EINVAL);
    ck_assert_int_eq(api_decode(field, "\x02\0a\0", 4, -1, &v), -EBADMSG);
    ck_assert_int_eq(api_decode(field, "\0\0", 2, -1, &v), 0);
    ck_assert_uint_eq(v.len, 0);
}
END_TEST

START_TEST(a_signature_is_cut_to_the_room_there_is)
{
    const struct api_method *m = api_by_name("read_file");
    char whole[256], part[256];
    size_t len;

    api_signature(m, whole, sizeof whole);
    ck_assert_str_eq(whole, "read_file(path: string, offset: u64, count: u32) "
                            "-> data: bytes, eof: u32");
    len = strlen(whole);
    for (size_t size = 1; size <= len + 1; size++) {
        memset(part, 'x', sizeof part);
        api_signature(m, part, size);
        ck_assert_uint_lt(strlen(part), size);
        ck_assert_int_eq(strncmp(part, whole, strlen(part)), 0);
        ck_assert_int_eq(part[size], 'x');
    }
    ck_assert_str_eq(part, whole);
}
END_TEST

/* PROTOCOL.md as it is; "" if it cannot be read. */
static const char *
committed_page(void)
{
    static char page[1 << 18];
    char path[PATH_MAX];
    FILE *in;

    snprintf(path, sizeof path, "%s/harness/core/PROTOCOL.md", source_dir());
    in = fopen(path, "re");
    if (in == NULL)
        return "";
    page[fread(page, 1, sizeof page - 1, in)] = '\0';
    fclose(in);
    return page;
}

/* And as the code would write it now.  To be freed. */
static char *
written_page(void)
{
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);

    ck_assert_ptr_nonnull(out);
    api_protocol_page(out);
    fclose(out);
    return page;
}

/* The paragraph of a mechanism, up to the next heading; or what is before the
 * first of them (name NULL).  NULL: there is none.  To be freed. */
static char *
part_of(const char *page, const char *name)
{
    char heading[64] = "";
    const char *begin = page, *end;

    if (name != NULL) {
        snprintf(heading, sizeof heading, "\n### %s\n", name);
        begin = strstr(page, heading);
        if (begin == NULL)
            return NULL;
    }
    end = strstr(begin + strlen(heading), "\n### ");
    return end != NULL ? strndup(begin, (size_t)(end - begin)) : strdup(begin);
}

static void
expect_up_to_date(const char *name)
{
    char *written = written_page(), *now = part_of(written, name);
    char *before = part_of(committed_page(), name);

    ck_assert_ptr_nonnull(now);
    ck_assert_msg(before != NULL && strcmp(now, before) == 0,
                  "%s: harness/core/PROTOCOL.md is out of date: make it again "
                  "with `ipcctl describe --page > harness/core/PROTOCOL.md`",
                  name != NULL ? name : "before the mechanisms");
    free(before);
    free(now);
    free(written);
}

START_TEST(protocol_md_is_what_the_code_says)
{
    expect_up_to_date(NULL);
    /* And has no paragraph of a mechanism that there is not. */
    for (const char *p = committed_page(); (p = strstr(p, "\n### ")) != NULL;) {
        char name[64] = "";

        p += strlen("\n### ");
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "\n"), p);
        ck_assert_msg(ipc_find(name) != NULL, "there is no %s", name);
    }
}
END_TEST

START_TEST(protocol_md_says_of_a_mechanism_what_its_table_says)
{
    expect_up_to_date(ipc_registry[_i]->name);
}
END_TEST

/* A new one is written about when it is done; until then it says so here. */
static const char *
need_paragraph(const struct ipc_mechanism *m)
{
    char *part;

    if (need_source() != NULL)
        return need_source();
    part = part_of(committed_page(), m->name);
    free(part);
    return part != NULL ? NULL
                        : "need a mechanism's paragraph (`ipcctl describe "
                          "--page > harness/core/PROTOCOL.md` writes it)";
}

/* -- frames ---------------------------------------------------------------- */

/* One read(2) of at most *n bytes, and what it brought: as frames_take()
 * says. */
static int
bring(struct frames *f, struct ipc_message *msg, bool straight,
      const uint8_t *from, size_t *n)
{
    size_t room;
    void *to = straight ? frames_place(f, msg, &room) : frames_space(f, &room);

    ck_assert_ptr_nonnull(to);
    ck_assert_uint_gt(room, 0);
    *n = *n < room ? *n : room;
    memcpy(to, from, *n);
    if (straight)
        return frames_cut(f, msg, *n);
    frames_add(f, *n);
    return frames_take(f, msg);
}

/* The same three messages, however the stream is cut into reads, and whether
 * or not these may go straight into the receiver's buffer. */
START_TEST(frames_come_out_whole_however_they_came_in)
{
    static uint8_t stream[3 * WIRE_HEADER + 20000], got[WIRE_HEADER + 20000];
    const size_t payload[] = {0, 100, 19000};
    const size_t step = (size_t[]){1, 31, 32, 33, 131, 8192, 30000}[_i % 7];
    const bool straight = _i >= 7;
    size_t len = 0, sent = 0, received = 0;
    struct frames f;

    for (size_t i = 0; i < 3; i++) {
        static uint8_t data[20000];

        memset(data, (int)i + 1, payload[i]);
        len += raw_frame(stream + len, API_echo, i, data, payload[i]);
    }
    frames_init(&f);
    while (received < 3) {
        struct ipc_message msg = {.buf = got, .cap = sizeof got};
        int have = frames_take(&f, &msg);

        while (have == 0) {
            size_t n = len - sent < step ? len - sent : step;

            ck_assert_uint_gt(n, 0); /* all is there, so all must come out */
            have = bring(&f, &msg, straight, stream + sent, &n);
            sent += n;
        }
        ck_assert_int_eq(have, 1);
        ck_assert_uint_eq(msg.len, WIRE_HEADER + payload[received]);
        ck_assert_uint_eq(get64(got + 16), received);
        ck_assert(payload[received] == 0 || (got[WIRE_HEADER] == received + 1 &&
                                             got[msg.len - 1] == received + 1));
        received++;
    }
    ck_assert_uint_eq(sent, len);
    ck_assert_uint_eq(frames_missing(&f), 0);
    frames_free(&f);
}
END_TEST

static int
take_header(uint32_t length, size_t cap)
{
    const struct wire_header h = {.kind = WIRE_REQUEST, .length = length};
    uint8_t got[WIRE_HEADER + 1000];
    struct ipc_message msg = {.buf = got, .cap = cap};
    struct frames f;
    size_t room;
    int result;

    frames_init(&f);
    wire_encode(&h, frames_space(&f, &room));
    frames_add(&f, WIRE_HEADER);
    result = frames_take(&f, &msg);
    if (result == 0)
        ck_assert_uint_eq(frames_missing(&f), length);
    frames_free(&f);
    /* Straight into the buffer it is the same. */
    wire_encode(&h, frames_place(&f, &msg, &room));
    ck_assert_int_eq(frames_cut(&f, &msg, WIRE_HEADER), result);
    if (result == 0)
        ck_assert_uint_eq(frames_missing(&f), length);
    frames_free(&f);
    return result;
}

START_TEST(a_length_that_cannot_be_is_refused_before_anything_is_kept_for_it)
{
    ck_assert_int_eq(take_header(0, WIRE_HEADER), 1);
    ck_assert_int_eq(take_header(1000, WIRE_HEADER + 1000), 0);
    ck_assert_int_eq(take_header(1001, WIRE_HEADER + 1000), -EBADMSG);
    ck_assert_int_eq(take_header(IPC_MAX_MSG - WIRE_HEADER, SIZE_MAX), 0);
    ck_assert_int_eq(take_header(IPC_MAX_MSG - WIRE_HEADER + 1, SIZE_MAX),
                     -EBADMSG);
    ck_assert_int_eq(take_header(UINT32_MAX, SIZE_MAX), -EBADMSG);
}
END_TEST

/* -- the suite ------------------------------------------------------------- */

Suite *
test_wire(void)
{
    Suite *s = suite_create("wire");
    TCase *tc = test_case(s, "wire");

    tcase_add_test(tc, a_header_is_these_32_bytes);
    tcase_add_test(
        tc, no_flipped_bit_of_a_header_goes_unnoticed_where_one_value_is_right);
    tcase_add_test(tc, a_frame_is_as_long_as_it_says);

    tc = test_case(s, "api");
    tcase_add_test(tc, the_method_table_is_consistent);
    tcase_add_test(tc, every_type_comes_back_and_every_shortening_is_noticed);
    tcase_add_test(
        tc, a_string_is_no_longer_than_its_length_can_say_and_has_no_nul);
    tcase_add_test(tc, a_signature_is_cut_to_the_room_there_is);
    add_test_if(tc, need_source(), protocol_md_is_what_the_code_says);
    for (int i = 0; ipc_registry[i] != NULL; i++)
        if (!(ipc_registry[i]->caps & IPC_INPROCESS))
            add_loop_test_if(
                tc, need_paragraph(ipc_registry[i]),
                protocol_md_says_of_a_mechanism_what_its_table_says, i);

    tc = test_case(s, "frames");
    tcase_add_loop_test(tc, frames_come_out_whole_however_they_came_in, 0, 14);
    tcase_add_test(
        tc, a_length_that_cannot_be_is_refused_before_anything_is_kept_for_it);
    return s;
}
